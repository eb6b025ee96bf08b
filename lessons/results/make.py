"""``make results``: train and evaluate what lessons show (09, 11, 13, 14, 16).

    python lessons/results/make.py [STUDY ...]

It goes on where it was stopped. Runs are kept in runs/results, figures in
lessons/results/STUDY.json, with seeds, commit, device, seconds and commands. MovieLens
has to be there (`rlrec data fetch ml-100k`, `rlrec data fetch ml-1m`), for the study
"vae" real tracks (`rlrec data fetch spotify-songs`); "ppo" needs no data. Two runs at a
time, one core each; "vae" is one run of a few minutes. Five seeds, PPO ten.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from csv import DictReader
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rlrec.runs.ddpg import DDPGRun

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RLREC = str(Path(sys.executable).parent / "rlrec")
# As in the paper: factorisation vectors, actor and critics from random weights.
PAPER = "--vectors mf --residual none"
# And its own form: one critic on the actor's raw vector, an actor at every update,
# nothing that holds gradients or outputs.
RAW = (
    f"{PAPER} --critic mlp --target-candidates 0 --no-twin --policy-delay 1 "
    "--gradient-norm 1e9 --saturation 0"
)
MYOPIC = "--discount 0"
RERANK_100K = "ddpg --data ml-100k --protocol rerank --steps 32000"
# one episode a user and some more
RERANK_1M = "ddpg --data ml-1m --protocol rerank --steps 128000"
SESSION_1M = "ddpg --data ml-1m --protocol session --steps 128000"
LARGE = (
    "--environments 128 --rollout 128 --minibatch 1024 --epochs 6 --entropy 0 "
    "--discount 0.9 --gae-lambda 0.8 --learning-rate 2e-3"
)
STUDIES = {  # name -> part -> flags of `rlrec train`; a name is one file
    "rerank_ml-100k": {
        "agent": RERANK_100K,
        "discount-0": f"{RERANK_100K} {MYOPIC}",
        "paper": f"{RERANK_100K} {RAW}",
    },
    "rerank_ml-1m": {"agent": RERANK_1M, "discount-0": f"{RERANK_1M} {MYOPIC}"},
    "session_ml-1m": {"agent": SESSION_1M},
    "states_ml-100k": {
        state: "ddpg --data ml-100k --protocol rerank --steps 16000 "
        f"--state {state} {PAPER}"
        for state in ("drr-n", "drr-p", "drr-u", "drr-ave")
    },
    "ppo": {
        "catalogue": "ppo --map sound --action vector --state belief --hidden 128 64 "
        f"--steps 8000000 {LARGE}",
        "offered": f"ppo --map sound --action offered --steps 1000000 {LARGE}",
        "effect_0": "ppo --map sound --action offered --steps 1000000 "
        f"--long-term-effect 0 {LARGE}",
    },
}


def seeds(name: str) -> range:
    """Ten of PPO, which trains in a minute, five of DDPG."""
    return range(10 if name == "ppo" else 5)


def run(*arguments: str) -> None:
    """One command, quiet but for errors, on one core; status 1: it diverged."""
    one = {
        "TF_NUM_INTRAOP_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [RLREC, *arguments],
        check=False,
        cwd=ROOT,
        env=os.environ | one,
        stdout=subprocess.DEVNULL,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(done.returncode)


def train(folder: str, flags: str, seed: int) -> None:
    """Train one seed, or what is left of it; refused if it began with other flags."""
    begun = (ROOT / folder / "config.json").exists()
    agent, *rest = flags.split()
    resume = ["--resume"] if begun else []
    run("train", agent, "--out", folder, *resume, *rest, "--seed", str(seed))
    print(folder, flush=True)


def evaluate(name: str) -> dict[str, object]:
    """All seeds of each part in one table, part by part."""
    runs = {
        part: [Path(folder(name, part, seed)) for seed in seeds(name)]
        for part in STUDIES[name]
    }
    if name != "ppo":
        return evaluate_ratings(runs)
    from rlrec.runs.ppo_evaluation import evaluate_ppo

    command = "python lessons/results/make.py ppo"
    return {
        part: evaluate_ppo(of, command=command, say=quiet) for part, of in runs.items()
    }


def evaluate_ratings(runs: dict[str, list[Path]]) -> dict[str, object]:
    """Parts on one task: the baselines are tuned once for all.

    Each with learning curves, and how many places of the top 5 RL has changed.
    """
    from rlrec.runs.ddpg import DDPGRun
    from rlrec.runs.ddpg_evaluation import DDPGEvaluation, measure_runs
    from rlrec.runs.provenance import provenance

    start = time.monotonic()
    command = "python " + " ".join([Path(sys.argv[0]).as_posix(), *sys.argv[1:]])
    every = [DDPGRun.read(path) for paths in runs.values() for path in paths]
    measured = measure_runs(every)
    found: dict[str, object] = {}
    for part, paths in runs.items():
        own = [one for one in every if one.folder in paths]
        figures = [one for one in measured if one.folder in paths]
        content = DDPGEvaluation.of(own, figures).content()
        content |= provenance(command, start)
        content["curves"] = [curve(one.folder) for one in own]
        content["changed"] = [changed(one) for one in own]
        found[part] = content
    return found


def curve(folder: Path, points: int = 25) -> list[dict[str, float]]:
    """A run's learning curve, means of some of its rounds, from its first update on.

    Each: the step, the share of hits among what was tried, the critics' mean value.
    """
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as lines:
        rows = [row for row in DictReader(lines) if row["mean_q"]]
    names = ("step", "hit_rate", "mean_q")
    table = np.array([[float(row[name]) for name in names] for row in rows])
    thinned = []
    for piece in np.array_split(table, min(points, len(table))):
        _, hits, value = piece.mean(axis=0).round(4).tolist()
        thinned.append({"step": piece[-1, 0], "hits": hits, "value": value})
    return thinned


def changed(run: DDPGRun) -> float:
    """The share of places in the first five that RL gave to another item."""
    from rlrec.collaborative.drr import DRR
    from rlrec.evaluation.protocols import PROTOCOLS

    _, split = run.load()
    after = DRR.load(run.last_checkpoint()[1])
    before = DRR.load(run.folder / "parts" / "warm_start")
    judge = PROTOCOLS[run.protocol]
    lists = [judge(split, agent, 5).recommended for agent in (before, after)]
    kept = (lists[0][:, :, None] == lists[1][:, None, :]) & (lists[0] >= 0)[:, :, None]
    return float(1.0 - kept.sum() / (lists[0] >= 0).sum())


def quiet(line: str) -> None:
    """Say nothing."""


def folder(name: str, part: str, seed: int) -> str:
    """Where one seed's run is kept, from the project's root."""
    return f"runs/results/{name}-{part}/{seed}"


def vae() -> None:
    """Lesson 11: maps of sound over beta, beside PCA, on held-out tracks."""
    sys.path.insert(0, str(HERE.parent))
    from lab11_beta_study import study_betas

    from rlrec.runs.vae import train_vae

    command = "python lessons/results/make.py vae"
    shutil.rmtree(HERE / "sound_map", ignore_errors=True)
    train_vae(HERE / "sound_map", "generated", command=command)
    store("vae", study_betas("spotify-songs", seeds=range(5), command=command))


def actor() -> None:
    """Lesson 09: how free the actor may be, tuned as the baselines are.

    P@5 on the same validation parts of ml-100k as they have, for each residual and each
    learning rate of the actor; no best stands at an edge of the rates.
    """
    from rlrec.collaborative.drr import DRR
    from rlrec.collaborative.drr_config import DRR_SETTINGS, DRRConfig
    from rlrec.evaluation.protocols import rerank
    from rlrec.evaluation.tuning import DRAWS, Axis, search, validation_split
    from rlrec.runs.provenance import provenance
    from rlrec.runs.session import training_seed
    from rlrec.runs.task import Task

    start = time.monotonic()
    task = Task("ml-100k", "rerank", "time")
    split = task.divide(task.load())
    rng = np.random.default_rng(0)
    parts = [validation_split(split, "rerank", rng, draw) for draw in range(DRAWS)]
    made = [DRR.make(part.train, DRRConfig(), DRR_SETTINGS, 0) for part in parts]
    tried = []

    def score(residual: str, rate: float) -> float:
        settings = replace(
            DRR_SETTINGS, residual=residual, actor_rate=rate, schedule_steps=16_000
        )
        found = []
        for draw, (part, base) in enumerate(zip(parts, made, strict=True)):
            drr = DRR.make(part.train, DRRConfig(), settings, draw, base.vectors)
            env = drr.environment(part.train)
            drr.agent.train(env, 16_000, seed=training_seed(draw))
            found.append(rerank(part, drr, 5).figures(5)["P@5"].mean())
        rounded = float(f"{rate:.3g}")
        row = {"residual": residual, "actor_rate": rounded, "P@5": np.mean(found)}
        tried.append(row)
        print(row, flush=True)
        return float(np.mean(found))

    for residual in ("user", "history", "none"):
        search([Axis((1e-4, 1e-3))], lambda rates, at=residual: score(at, *rates))
    command = "python lessons/results/make.py actor"
    store("actor_ml-100k", {"tried": tried} | provenance(command, start))


def cold_start() -> None:
    """Lesson 09: likes of 20 recommended films, one at a time, to strangers."""
    sys.path.insert(0, str(HERE.parent))
    from lab09_cold_start import study_cold_start

    command = "python lessons/results/make.py cold_start"
    store("cold_start_ml-100k", study_cold_start("ml-100k", command=command))


def neighbours() -> None:
    """Lesson 14: PPO on the VAE's map and on the listeners' taste, four neighbours."""
    sys.path.insert(0, str(HERE.parent))
    from lab14_neighbours import study_neighbours

    command = "python lessons/results/make.py neighbours"
    store("neighbours", study_neighbours(command=command))


def gpu() -> None:
    """Lesson 16: what this machine's CPU, and its GPU, do with small and large work."""
    sys.path.insert(0, str(HERE.parent))
    from lab16_study import study_gpu

    store("gpu", study_gpu(command="python lessons/results/make.py gpu"))


def store(name: str, content: dict[str, object]) -> None:
    """Write lessons/results/NAME.json."""
    (HERE / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    print(HERE.relative_to(ROOT) / f"{name}.json", flush=True)


def main(names: list[str]) -> None:
    """Make the studies named, or all."""
    os.chdir(ROOT)
    if "vae" in names:
        vae()
    if "actor" in names:
        actor()
    if "cold_start" in names:
        cold_start()
    if "neighbours" in names:
        neighbours()
    if "gpu" in names:
        gpu()
    names = [name for name in names if name in STUDIES]
    jobs = [
        (folder(name, part, seed), flags, seed)
        for name in names
        for part, flags in STUDIES[name].items()
        for seed in seeds(name)
    ]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: train(*job), jobs))
    for name in names:
        store(name, evaluate(name))


if __name__ == "__main__":
    main(sys.argv[1:] or [*STUDIES, "vae", "actor", "cold_start", "neighbours", "gpu"])
