"""Stop a command dead at its n-th call that changes files, then run it again.

A hook of the interpreter sees each call before it reaches the system. At the n-th it
raises, and at all that follow, too: nothing that would tidy up can touch the disk, as
after SIGKILL, or on a disk that has become read-only. In one process, so that
TensorFlow is imported once.
"""

import contextlib
import errno
import io
import os
import shutil
import sys
from pathlib import Path

import numpy as np
from command import rlrec
from run_samples import SMALL, write_csv

from rlrec import storage

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
DDPG = f"{' '.join(SMALL)} --seed 3 --checkpoint-every 64 --schedule-steps 256"
PPO = (
    "--data generated --map sound --rollout 16 --environments 8 --epochs 1 --hidden 8 "
    "--minibatch 64 --steps 256 --checkpoint-every 128"
)
# Of each kind of run: its command, and the one that goes on after a death.
KINDS = {
    "qlearning": ("train qlearning --steps 50 --seed 3 --out {out}", None),
    "study": (
        "study --agents random popularity --steps 64 --seeds 2 --listeners 2 --jobs 1 "
        "--out {out} --json {out}.json",
        None,
    ),
    "vae": ("train vae --updates 2 --hidden 4 --out {out}", None),
    "ddpg": (
        f"train ddpg --data {{data}} {DDPG} --steps 192 --out {{out}}",
        "train ddpg --resume --out {out}",
    ),
    "ppo": (f"train ppo {PPO} --out {{out}}", "train ppo --resume --out {out}"),
    "nstep": (
        "train nstep --data generated --map sound --rollout 8 --environments 8 "
        "--warm-up 64 --steps 256 --checkpoint-every 128 --out {out}",
        "train nstep --resume --out {out}",
    ),
}


class Dead(BaseException):
    """The process is no more."""


def dead():
    """Raise what nothing catches."""
    raise Dead


def read_only():
    """Raise what a disk answers that has become read-only."""
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


class Hook:
    """Counts calls that change files below ``folder``; fails from the n-th on."""

    def __init__(self, fail=dead):
        self.fail = fail
        self.said = ""
        self.folder = None
        self.at = None
        self.seen = 0
        sys.addaudithook(self)

    def __call__(self, event, arguments):
        if self.folder is None:
            return
        if event == "open":
            writes = arguments[2] & (os.O_WRONLY | os.O_RDWR)
        else:
            writes = event in CHANGES
        paths = [one for one in arguments if isinstance(one, str | os.PathLike)]
        if writes and any(str(one).startswith(self.folder) for one in paths):
            self.seen += 1
            if self.at is not None and self.seen > self.at:
                self.fail()

    def run(self, words, folder, at=None):
        """Run a command; its exit status, None if it died."""
        self.folder = str(folder)
        self.at = at
        self.seen = 0
        told = io.StringIO()
        try:
            with contextlib.redirect_stderr(told):
                return rlrec(words)
        except Dead:
            return None
        finally:
            self.folder = None
            self.said = told.getvalue()


def arrays_of(out):
    """All that must be the same bits: arrays and cells, by name."""
    found = {}
    newest = storage.checkpoints(out)
    for path in sorted((newest[-1][1] if newest else out).glob("*.npz")):
        for name, values in storage.read_arrays(path).items():
            found[f"{path.name}/{name}"] = values
    for path in sorted(out.glob("cells/*.json")):
        found[path.name] = np.array(storage.read_json(path)["mean"])
    return found


def differing(one, other):
    """How many arrays differ, or are in one of the two only."""
    count = len(one.keys() ^ other.keys())
    for name in one.keys() & other.keys():
        count += not np.array_equal(one[name], other[name])
    return count


def deaths(kind, folder, hook, every=1):
    """Die at every ``every``-th call of a kind of run, go on; a row of the table."""
    folder = Path(folder)
    data = folder / "own.csv"
    if not data.exists():
        write_csv(data)
    first, again = KINDS[kind]

    def words(command, out):
        return command.format(out=out, data=data)

    whole = folder / f"{kind}-whole"
    assert hook.run(words(first, whole), folder) == 0
    reference = arrays_of(whole)
    row = {"tries": 0, "differ": 0, "errors": 0, "told and begun anew": 0}
    for at in range(0, hook.seen, every):
        out = folder / f"{kind}-{at}"
        hook.run(words(first, out), folder, at)
        row["errors"] += "unexpected error" in hook.said
        row["tries"] += 1
        resumable = again and (out / "config.json").exists()
        status = hook.run(words(again if resumable else first, out), folder)
        if status != 0 and not resumable:  # half of a run that can't be resumed
            shutil.rmtree(out)
            row["told and begun anew"] += 1
            status = hook.run(words(first, out), folder)
        row["errors"] += status != 0
        row["differ"] += differing(reference, arrays_of(out)) > 0
        shutil.rmtree(out, ignore_errors=True)
        out.with_name(f"{out.name}.json").unlink(missing_ok=True)
    return row
