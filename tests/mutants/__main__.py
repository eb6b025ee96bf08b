"""Plant the bugs of ``mutants.toml`` one at a time; does a test notice each?

    python -m tests.mutants                          # all of them
    python -m tests.mutants ppo-clip-max             # one, by its name
    python -m tests.mutants rlrec/agents/replay.py   # those of a file

The checkout is never edited: each worker has a copy of it. A bug is caught if a test
fails, or runs for so long that it is stopped. ``JOBS`` workers, 2 by default.
"""

import compileall
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from py_compile import PycInvalidationMode

from tests.mutants.planting import BadMutantError, plant, read_mutants

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("rlrec", "tests", "lessons", "data", "pyproject.toml", "README.md")
LEAST = 0.95  # share of the planted bugs that must be caught
PATIENCE = 4  # a run is stopped after so many times as long as without a bug
PYTEST = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--doctest-modules")


def make_copy(folder):
    """Copy the checkout to ``folder``, and check that Python imports that copy."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "cache", ".*")
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            shutil.copy(source, folder / name)
    # valid by content: a bug may leave a file's size and its second as they are
    compileall.compile_dir(
        folder / "rlrec", quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH
    )
    shown, _ = run(folder, ["-c", "import rlrec; print(rlrec.__file__)"], 120.0)
    imported = shown.stdout.strip()
    if imported != str(folder / "rlrec" / "__init__.py"):
        raise SystemExit(f"Python imports {imported}, not the copy in {folder}")
    return folder


def run(folder, arguments, limit):
    """Run Python in ``folder``: (the finished process, seconds); None: stopped."""
    environment = os.environ | {
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # plug-ins cost seconds, none is needed
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that what it starts ends with it
    )
    finished = None
    try:
        output, _ = process.communicate(timeout=limit)
        finished = subprocess.CompletedProcess(arguments, process.returncode, output)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return finished, time.monotonic() - begin


def verdict_of(folder, tests, limit):
    """("caught", "survived", "stopped" or "did not run", seconds, output)."""
    finished, seconds = run(folder, [*PYTEST, *tests], limit)
    if finished is None:
        return "stopped", seconds, ""
    output = finished.stdout
    if finished.returncode == 0:
        return "survived", seconds, output
    # 2: the bug let a signal end the tests
    if finished.returncode in (1, 2) and "ERROR collecting" not in output:
        return "caught", seconds, output
    return "did not run", seconds, output


class Workers:
    """Copies of the checkout, each used by one thread at a time."""

    def __init__(self, folder, jobs):
        self.pool = ThreadPoolExecutor(jobs)
        self.copies = queue.SimpleQueue()
        for number in range(jobs):
            self.copies.put(make_copy(Path(folder) / str(number)))

    def test(self, tests, limit, file=None, text=None):
        """``verdict_of`` the tests, with ``text`` in place of ``file``."""
        copy = self.copies.get()
        try:
            if file is None:
                return verdict_of(copy, tests, limit)
            (copy / file).write_text(text, "utf-8")
            try:
                return verdict_of(copy, tests, limit)
            finally:
                shutil.copy(ROOT / file, copy / file)
        finally:
            self.copies.put(copy)

    def each(self, tasks):
        """Yield (name, what ``test`` returns) of tasks name -> arguments, as done."""
        futures = {self.pool.submit(self.test, *task): name for name, task in tasks}
        for future in as_completed(futures):
            yield futures[future], future.result()


def chosen_mutants(wanted):
    """The mutants with the names or files ``wanted``; all for an empty list."""
    mutants = read_mutants()
    for name in wanted:
        if not any(name in (one.name, one.file) for one in mutants):
            raise SystemExit(f"no mutant has the name or the file {name!r}")
    return [one for one in mutants if not wanted or {one.name, one.file} & set(wanted)]


def without_bugs(workers, mutants):
    """Seconds that each set of tests takes without a bug; they must pass."""
    sets = dict.fromkeys(one.tests for one in mutants)
    seconds = {}
    for tests, (verdict, took, output) in workers.each(
        [(tests, (tests, 900.0)) for tests in sets]
    ):
        if verdict != "survived":
            raise SystemExit(f"without a bug {' '.join(tests)} does not pass\n{output}")
        print(f"passes in {took:5.1f} s  {' '.join(tests)}", flush=True)
        seconds[tests] = took
    return seconds


def main(wanted):
    """Plant, test, print; the exit status."""
    mutants = chosen_mutants(wanted)
    try:
        texts = {one.name: plant(one, ROOT) for one in mutants}
    except BadMutantError as error:
        raise SystemExit(str(error)) from None
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        workers = Workers(Path(folder).resolve(), int(os.environ.get("JOBS", "2")))
        try:
            seconds = without_bugs(workers, mutants)
            verdicts = with_bugs(workers, mutants, texts, seconds)
        finally:
            workers.pool.shutdown(cancel_futures=True)
    return report(verdicts)


def with_bugs(workers, mutants, texts, seconds):
    """(mutant, verdict) of each, as done; ``texts`` name -> the file with the bug."""
    tasks = []
    for one in mutants:
        limit = PATIENCE * seconds[one.tests] + 60.0
        tasks.append((one, (one.tests, limit, one.file, texts[one.name])))
    found = []
    for one, (verdict, took, output) in workers.each(tasks):
        found.append((one, verdict))
        place = f"[{len(found)}/{len(mutants)}]"
        print(f"{place} {verdict:8} {took:5.1f} s  {one.name}", flush=True)
        if verdict == "did not run":
            print(output[-2_000:])
    return found


def report(verdicts):
    """Print survivors and the share that was caught; the exit status."""
    caught = [one for one, verdict in verdicts if verdict in ("caught", "stopped")]
    for one, verdict in verdicts:
        if one not in caught:
            reason = one.survives or "not explained"
            print(f"{verdict}: {one.name}, {one.file}: {one.bug} ({reason})")
        elif one.survives:
            print(f"caught, though the list says that it survives: {one.name}")
    print(f"caught {len(caught)} / planted {len(verdicts)}")
    return int(len(caught) < LEAST * len(verdicts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
