"""``make results``: train and evaluate what lesson 09 shows, five seeds each; goes on where it was stopped.

    python lessons/results/make.py [STUDY ...]

Runs are kept in runs/results, figures in lessons/results/STUDY.json, with seeds, commit, device, seconds and commands.
MovieLens has to be there (`rlrec data fetch ml-100k`, `rlrec data fetch ml-1m`). Two runs at a time, one core each.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RLREC = str(Path(sys.executable).parent / "rlrec")
SEEDS = range(5)
PAPER = "--vectors mf --residual none"  # the paper's: an actor and critics that start from nothing
STUDIES = {  # name -> flags of `rlrec train ddpg`; a name of several parts is one file
    "rerank_ml-100k": {"": "--data ml-100k --protocol rerank --steps 32000"},
    "rerank_ml-1m": {"": "--data ml-1m --protocol rerank --steps 32000"},
    "session_ml-1m": {"": "--data ml-1m --protocol session --steps 32000"},
    "states_ml-100k": {
        state: f"--data ml-100k --protocol rerank --steps 16000 --state {state} {PAPER}"
        for state in ("drr-n", "drr-p", "drr-u", "drr-ave")
    },
}


def run(*arguments: str) -> None:
    """One command, quiet but for errors, on one core."""
    one = {"TF_NUM_INTRAOP_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([RLREC, *arguments], check=True, cwd=ROOT, env=os.environ | one, stdout=subprocess.DEVNULL)


def train(folder: str, flags: str, seed: int) -> None:
    """Train one seed, or what is left of it; refused if it was begun with other flags."""
    begun = (ROOT / folder / "config.json").exists()
    run("train", "ddpg", "--out", folder, *(["--resume"] if begun else []), *flags.split(), "--seed", str(seed))
    print(folder, flush=True)


def evaluate(name: str, part: str) -> dict[str, object]:
    """All seeds of one part in one table."""
    target = ROOT / "runs" / "results" / f"{name}{part}.json"
    run("evaluate", *(folder(name, part, seed) for seed in SEEDS), "--json", str(target.relative_to(ROOT)))
    return dict(json.loads(target.read_text("utf-8")))


def folder(name: str, part: str, seed: int) -> str:
    """Where one seed's run is kept, from the project's root."""
    return f"runs/results/{name}{part and '-' + part}/{seed}"


def main(names: list[str]) -> None:
    """Make the studies named, or all."""
    jobs = [
        (folder(name, part, seed), flags, seed)
        for name in names
        for part, flags in STUDIES[name].items()
        for seed in SEEDS
    ]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: train(*job), jobs))
    for name in names:
        found = {part: evaluate(name, part) for part in STUDIES[name]}
        content = found.get("", found)
        (HERE / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        print(HERE.relative_to(ROOT) / f"{name}.json", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or list(STUDIES))
