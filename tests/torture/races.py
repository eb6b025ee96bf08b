"""Two processes at the same folder at the same time; real SIGKILLs."""

import random
import shutil
import signal
import subprocess
import sys
import time

from run_samples import write_csv

from tests.torture.deaths import KINDS, arrays_of, differing


def start(words):
    """A command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "rlrec.cli", *words.split()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def command_of(kind, folder):
    """The command of a kind of run, for a folder ``{out}``."""
    data = folder / "own.csv"
    if not data.exists():
        write_csv(data)
    return KINDS[kind][0].replace("{data}", str(data))


def races(kind, folder, tries):
    """Start two processes together; one may win, the other is refused. A row."""
    command = command_of(kind, folder)
    whole = folder / f"{kind}-alone"
    start(command.format(out=whole)).communicate()
    reference = arrays_of(whole)
    row = {"tries": 0, "differ": 0, "errors": 0, "mixed": 0}
    for number in range(tries):
        out = folder / f"{kind}-race-{number}"
        both = [start(command.format(out=out)) for _ in range(2)]
        said = [process.communicate()[1] for process in both]
        won = [process.returncode for process in both].count(0)
        row["tries"] += 1
        # a study that is done may be run again, and then nothing is to run
        row["mixed"] += won != 1 and not (kind == "study" and won == 2)
        row["errors"] += any("Traceback" in text for text in said)
        row["differ"] += differing(reference, arrays_of(out)) > 0
        shutil.rmtree(out)
    return row


def kills(kind, folder, tries, rng=None):
    """SIGKILL at random moments, then the same command again. A row."""
    rng = rng or random.Random(0)
    command = command_of(kind, folder)
    again = KINDS[kind][1] or command
    whole = folder / f"{kind}-lone"
    began = time.monotonic()
    start(command.format(out=whole)).communicate()
    seconds = time.monotonic() - began
    reference = arrays_of(whole)
    row = {"tries": 0, "differ": 0, "errors": 0, "told and begun anew": 0}
    for number in range(tries):
        out = folder / f"{kind}-kill-{number}"
        process = start(command.format(out=out))
        time.sleep(rng.uniform(0.3, 1.0) * seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        row["tries"] += 1
        begun = (out / "config.json").exists()
        second = start((again if begun else command).format(out=out))
        said = second.communicate()[1]
        if second.returncode and "is no run of rlrec" in said:
            shutil.rmtree(out)
            row["told and begun anew"] += 1
            start(command.format(out=out)).communicate()
        row["errors"] += "Traceback" in said
        row["differ"] += differing(reference, arrays_of(out)) > 0
        shutil.rmtree(out)
    return row
