"""Print what happened to files in deaths, races, full disks and changed inputs.

    python -m tests.torture              # all: about an hour on two cores
    python -m tests.torture --short      # a few of each
    python -m tests.torture inputs       # one kind: deaths, kills, races, disks, inputs

The exit status is 1 if anything differed, was lost, mixed or raised.
"""

import argparse
import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path

from tests.torture.deaths import KINDS, Hook, deaths
from tests.torture.disks import full_disks, small_files
from tests.torture.inputs import inputs
from tests.torture.races import kills, races

MUST_BE_NONE = ("differ", "errors", "mixed", "lost", "slow")
PARTS = ("deaths", "kills", "races", "disks", "inputs")


def rows(parts, folder, short):
    """(name, row of the table), one after the other."""
    if "deaths" in parts:
        hook = Hook()
        for kind in ("qlearning", "study") if short else KINDS:
            yield f"deaths, {kind}", deaths(kind, folder, hook, 9 if short else 1)
    for kind in ("qlearning", "study"):
        if "kills" in parts:
            yield f"SIGKILL, {kind}", kills(kind, folder, 1 if short else 10)
        if "races" in parts:
            yield f"races, {kind}", races(kind, folder, 1 if short else 10)
    if "disks" in parts:
        yield "full disk, short writes", full_disks(folder, 16)
        yield "limit on file sizes", small_files(folder, 2 if short else 20)
    if "inputs" in parts:
        for name, row in inputs(folder, 10 if short else 1_500).items():
            yield f"inputs, {name}", row


def main(arguments=None):
    """Run what is asked for; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    parser.add_argument("--short", action="store_true")
    given = parser.parse_args(arguments)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        below = Path(folder)
        quiet = io.StringIO()
        every = rows(given.parts or PARTS, below, given.short)
        while True:
            with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
                name, row = next(every, (None, None))
            if name is None:
                break
            cells = ", ".join(f"{what} {value}" for what, value in row.items())
            print(f"{name:<34} {cells}", flush=True)
            failed |= any(row.get(what) for what in MUST_BE_NONE)
    return int(failed)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
