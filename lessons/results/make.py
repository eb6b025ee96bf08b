"""``make results``: train and evaluate what lessons 09, 11 and 13 show, over seeds.

    python lessons/results/make.py [STUDY ...]

It goes on where it was stopped. Runs are kept in runs/results, figures in
lessons/results/STUDY.json, with seeds, commit, device, seconds and commands. MovieLens
has to be there (`rlrec data fetch ml-100k`, `rlrec data fetch ml-1m`), for the study
"vae" real tracks (`rlrec data fetch spotify-songs`); "ppo" needs no data. Two runs at a
time, one core each; "vae" is one run of a few minutes. Five seeds, PPO ten.
"""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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
    "session_ml-1m": {"agent": SESSION_1M, "discount-0": f"{SESSION_1M} {MYOPIC}"},
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


def evaluate(name: str, part: str) -> dict[str, object]:
    """All seeds of one part in one table."""
    target = ROOT / "runs" / "results" / f"{name}{part}.json"
    runs = [folder(name, part, seed) for seed in seeds(name)]
    run("evaluate", *runs, "--json", str(target.relative_to(ROOT)))
    return dict(json.loads(target.read_text("utf-8")))


def folder(name: str, part: str, seed: int) -> str:
    """Where one seed's run is kept, from the project's root."""
    return f"runs/results/{name}{part and '-' + part}/{seed}"


def vae() -> None:
    """Lesson 11: maps of sound over beta, beside PCA, on held-out tracks."""
    sys.path.insert(0, str(HERE.parent))
    from lab11_beta_study import study_betas

    from rlrec.runs.vae import train_vae

    command = "python lessons/results/make.py vae"
    shutil.rmtree(HERE / "sound_map", ignore_errors=True)
    train_vae(HERE / "sound_map", "generated", command=command)
    store("vae", study_betas("spotify-songs", seeds=range(5), command=command))


def store(name: str, content: dict[str, object]) -> None:
    """Write lessons/results/NAME.json."""
    (HERE / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    print(HERE.relative_to(ROOT) / f"{name}.json", flush=True)


def main(names: list[str]) -> None:
    """Make the studies named, or all."""
    if "vae" in names:
        vae()
    names = [name for name in names if name != "vae"]
    jobs = [
        (folder(name, part, seed), flags, seed)
        for name in names
        for part, flags in STUDIES[name].items()
        for seed in seeds(name)
    ]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: train(*job), jobs))
    for name in names:
        found = {part: evaluate(name, part) for part in STUDIES[name]}
        store(name, dict(found.get("", found)))


if __name__ == "__main__":
    main(sys.argv[1:] or [*STUDIES, "vae"])
