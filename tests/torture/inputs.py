"""Inputs that were changed at random: a result or a sentence, nothing else."""

import shutil
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np
from command import rlrec
from run_samples import write_csv

from rlrec import storage
from rlrec.agents.qlearning import QLearning
from rlrec.datasets import (
    load_play_counts,
    load_ratings,
    load_sessions,
    load_tracks,
)
from rlrec.datasets.check import check_data
from rlrec.datasets.fetch import unzip
from rlrec.errors import RlrecError
from rlrec.logs.session_files import append_sessions
from rlrec.runs.progress import Progress
from rlrec.runs.qlearning import QLearningRun
from rlrec.runs.run import agent_of, require_unused
from rlrec.studies.plan import Study

DATA = Path(__file__).resolve().parents[2] / "data"
SLOW = 10.0  # processor seconds that one small input may take
FOREIGN = (b"\x00", b"\xff\xfe", b"\n", b'"', b",", b"nan", b"1e999", b"[" * 50, b"-")
FIELDS = ("step", "reward", "steps_per_second")


def changed(content, rng):
    """``content`` with a few bytes flipped, cut out, doubled or put in."""
    found = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(found) + 1))
        length = int(rng.integers(1, 40))
        match rng.integers(5):
            case 0:
                found[at : at + 1] = bytes(rng.integers(256, size=1).astype(np.uint8))
            case 1:
                del found[at : at + length]
            case 2:
                found[at:at] = found[at : at + length]
            case 3:
                found[at:at] = FOREIGN[rng.integers(len(FOREIGN))]
            case _:
                del found[at:]
    return bytes(found)


def head(path, lines):
    return b"".join(path.read_bytes().splitlines(keepends=True)[:lines])


def samples(folder):
    """Name of an entry point -> (file to change, what reads it)."""
    run = folder / "run"
    assert rlrec("train qlearning --steps 50 --out", run) == 0
    saved = storage.save_checkpoint(
        folder, 7, lambda to: shutil.copy(run / "table.npz", to)
    )
    ratings = write_csv(folder / "ratings.csv", users=12)
    files = {"tracks.csv": DATA / "tracks.csv", "log.csv": DATA / "sessions.csv"}
    for name, source in files.items():
        (folder / name).write_bytes(head(source, 60))
    log = load_sessions(folder / "log.csv")
    (folder / "plays.csv").write_text("user,genre,plays\n" + "a,pop,3\nb,rock,7\n" * 9)
    (folder / "study.toml").write_text(
        "steps = 64\ncurve = [32, 64]\n[world]\ntaste_strength = [1, 2]\n"
        '[agents.a]\nagent = "ppo"\ntries = [{learning_rate = 1e-3}]\n'
    )
    rows = [f"{step},0.5,{9 * step}" for step in range(1, 9)]
    (folder / "metrics.csv").write_text("\n".join([",".join(FIELDS), *rows, ""]))
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/u.data", head(ratings, 40))
    (folder / "new.csv").touch()

    def progress(path):
        Progress._former(_Former(path), 5)

    return {
        "read_json": (run / "agent.json", storage.read_json),
        "read_arrays": (run / "table.npz", storage.read_arrays),
        "agent_of": (run / "config.json", lambda path: agent_of(path.parent)),
        "QLearningRun.read": (run / "config.json", lambda _: QLearningRun.read(run)),
        "QLearning.load, settings": (run / "agent.json", lambda _: QLearning.load(run)),
        "QLearning.load, table": (run / "table.npz", lambda _: QLearning.load(run)),
        "require_unused": (run / "config.json", lambda _: require_unused(run)),
        "require_whole": (
            saved / "manifest.json",
            lambda path: storage.require_whole(path.parent),
        ),
        "require_whole, arrays": (
            saved / "table.npz",
            lambda path: storage.require_whole(path.parent),
        ),
        "Study.read": (folder / "study.toml", Study.read),
        "load_ratings": (ratings, load_ratings),
        "check_data, ratings": (ratings, check_data),
        "load_tracks": (folder / "tracks.csv", load_tracks),
        "check_data, tracks": (folder / "tracks.csv", check_data),
        "load_sessions": (folder / "log.csv", load_sessions),
        "append_sessions": (
            folder / "log.csv",
            lambda path: append_sessions(path, log),
        ),
        "load_play_counts": (folder / "plays.csv", load_play_counts),
        "unzip": (
            folder / "a.zip",
            lambda path: unzip(path, folder / "unpacked", ("u.data",)),
        ),
        "metrics.csv": (folder / "metrics.csv", progress),
        "require_output": (
            folder / "new.csv",
            lambda path: storage.require_output(path, "--out"),
        ),
    }


class _Former:
    """As much of `Progress` as reading its table needs."""

    fields = FIELDS

    def __init__(self, path):
        self.path = path


def inputs(folder, tries, seed=0, only=None):
    """``tries`` changed inputs for each entry point: name -> row of the table."""
    (folder / "unpacked").mkdir()
    table = {}
    for name, (path, read) in samples(folder).items():
        if only and name not in only:
            continue
        whole = path.read_bytes()
        rng = np.random.default_rng(seed)
        row = {"tries": 0, "refused": 0, "errors": 0, "slow": 0}
        for _ in range(tries):
            path.write_bytes(changed(whole, rng))
            began = time.process_time()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    read(path)
            except RlrecError:
                row["refused"] += 1
            except Exception as error:
                row["errors"] += 1
                row.setdefault("such as", f"{type(error).__name__}: {error}"[:90])
                row.setdefault("input", changed_input(path, folder, name))
            row["tries"] += 1
            row["slow"] += time.process_time() - began > SLOW
            for aside in path.parent.glob("broken-*"):
                aside.unlink()
        path.write_bytes(whole)
        table[name] = row
    return table


def changed_input(path, folder, name):
    """Keep an input that raised what it must not; where it is."""
    kept = folder / f"kept-{''.join(filter(str.isalnum, name))}{path.suffix}"
    shutil.copy(path, kept)
    return str(kept)
