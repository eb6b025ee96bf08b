"""Loaders beside pandas on the same file, and the time to a first step of a training.

Each needs its data (`rlrec data fetch NAME`, or RLREC_DATA); without them a line says
so.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import pandas as pd

from rlrec.datasets import load_ratings, load_tracks
from rlrec.datasets.folders import csv_in, locate
from rlrec.datasets.reading.layouts import RATING_FILES
from rlrec.errors import DataError


def seconds(work, repeats=3):
    """Median processor seconds of ``work()``, after a warm-up."""
    work()
    found = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return statistics.median(found)


def by_pandas(path):
    """The file as pandas' C engine reads it, without any check."""
    if path.name == "u.data":
        return pd.read_csv(path, sep="\t", header=None)
    if path.suffix == ".dat":  # the engine knows one-character separators only
        return pd.read_csv(path, sep=":", header=None, usecols=[0, 2, 4, 6])
    return pd.read_csv(path)


def report(line):
    """Print seconds and ratios of loading, then the seconds to a first step."""
    loaders = {
        "ml-1m": load_ratings,
        "ml-latest-small": load_ratings,
        "spotify-songs": load_tracks,
    }
    for name, load in loaders.items():
        try:
            path = csv_in(locate(name), *RATING_FILES)
        except DataError:
            print(f"{'Loading ' + name:<34}  skipped: not on this machine")
            continue
        mine = seconds(lambda load=load, name=name: load(name))
        other = seconds(lambda path=path: by_pandas(path))
        line(f"Loading {name}", 1000 * mine, f"ms; pandas alone {1000 * other:,.0f}")
        line("  ratio of times", mine / other, "")
    made_rows(line)
    made_rows(line, 5_000_000)
    first_step(line)


def made_rows(line, rows=1_000_000):
    """Print ratios of time and memory on made ratings of unique users and items."""
    rng = np.random.default_rng(0)
    pairs = 40 * np.arange(rows) + rng.integers(40, size=rows)
    columns = {
        "userId": pairs // 6_000 + 1,
        "movieId": pairs % 6_000 + 1,
        "rating": rng.integers(1, 11, rows) / 2,
        "timestamp": rng.integers(800_000_000, 1_500_000_000, rows),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "made.csv")
        pd.DataFrame(columns).to_csv(path, index=False)
        mine = seconds(lambda: load_ratings(path))
        other = seconds(lambda: pd.read_csv(path))
        size = peak_megabytes(f"rlrec.datasets.load_ratings({path!r})")
        least = peak_megabytes(f"pandas.read_csv({path!r})")
    line(
        f"Loading {rows:,} made ratings", 1000 * mine, f"ms; pandas {1000 * other:,.0f}"
    )
    line("  ratio of times", mine / other, "")
    line("  ratio of peak memory", size / least, f"({size:,.0f} MB)")


def peak_megabytes(call):
    """Peak memory of an expression in a new process, above that of its imports."""
    peak = "int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    imports = "import pandas, rlrec.datasets, rlrec.datasets.ratings"
    program = f"{imports}; before = {peak}; {call}; print({peak} - before)"
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return int(found.stdout) / 1024


def first_step(line, name="ml-1m"):
    """Print the wall seconds of ``rlrec train ddpg`` with one round of 64, twice."""
    try:
        locate(name)
    except DataError:
        print(f"{'First step on ' + name:<34}  skipped: not on this machine")
        return
    with tempfile.TemporaryDirectory() as folder:
        for turn in ("first", "second"):
            out = os.path.join(folder, turn)
            command = "-m rlrec.cli train ddpg --steps 64 --data".split()
            start = time.perf_counter()
            found = subprocess.run(
                [sys.executable, *command, name, "--out", out],
                capture_output=True,
                text=True,
                check=True,
            )
            took = time.perf_counter() - start
            parts = re.findall(r"^(\w+) +([0-9.]+ s)$", found.stdout, re.MULTILINE)
            shown = ", ".join(map(" ".join, parts))
            line(f"First step on {name}, {turn} run", took, f"s ({shown})")
