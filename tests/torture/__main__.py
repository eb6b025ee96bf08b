"""Print what happened to files in deaths, races, full disks and changed inputs.

    python -m tests.torture              # all: about an hour
    python -m tests.torture --short      # a few of each
    python -m tests.torture inputs       # one part of: deaths, read-only, kills, races,
                                         # disks, servers, inputs

The exit status is 1 if anything differed, was lost, mixed or raised.
"""

import argparse
import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path

from tests.torture.deaths import KINDS, Hook, deaths, read_only
from tests.torture.disks import full_disks, small_files
from tests.torture.inputs import inputs
from tests.torture.races import kills, races
from tests.torture.servers import servers

MUST_BE_NONE = ("differ", "errors", "mixed", "lost", "slow")
QUICK = ("qlearning", "study")  # no TensorFlow
DEAD = Hook()
READ_ONLY = Hook(read_only)
# What is tried with every kind of run: (kind, folder, short) -> row of the table.
RUNS = {
    "deaths": lambda kind, folder, short: deaths(
        kind, folder, DEAD, 9 if short else 1 if kind in QUICK else 3
    ),
    "read-only": lambda kind, folder, short: deaths(
        kind, folder, READ_ONLY, 9 if short else 3
    ),
    "kills": lambda kind, folder, short: kills(kind, folder, 1 if short else 15),
    "races": lambda kind, folder, short: races(kind, folder, 1 if short else 4),
}
PARTS = (*RUNS, "disks", "servers", "inputs")


def rows(parts, folder, short):
    """(name, row of the table), one after the other."""
    for part in parts:
        if part in RUNS:
            below = folder / part
            below.mkdir()
            for kind in QUICK if short else KINDS:
                yield f"{part}, {kind}", RUNS[part](kind, below, short)
    if "disks" in parts:
        yield "full disk, short writes", full_disks(folder, 16)
        yield "limit on file sizes", small_files(folder, 2 if short else 20)
    if "servers" in parts:
        yield "hostile servers", servers(folder, 20 if short else 500)
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
