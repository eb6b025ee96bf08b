"""Grade students' notebooks: run each one's checks apart, tell what each check said.

The code of a notebook runs in a new process: in an empty folder that is its home too,
with a limit on time and memory, without this process's environment. A cell that ends
the process is left out, and the rest is run again.

A guard refuses to write or delete outside that folder, to start or end processes, and
to use the network. It keeps accidents and mischief away; it is no jail. Code that sets
out to (TensorFlow's own file functions, C code, reading files, fooling the checks in
its own process) gets past it. For hand-ins of strangers use a machine you can lose.
"""

from __future__ import annotations

import code
import contextlib
import faulthandler
import importlib
import io
import json
import linecache
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from rlrec.errors import ConfigError, require_ranges

ANSWERS = {  # how a check's answer begins
    "correct: ": "passed",
    "not right yet: ": "wrong",
    "not solved yet: ": "not tried",
}
ASKED = re.compile(r"^\s*check\(\s*[\"'](\d\d\.\d+)[\"']", re.MULTILINE)
DEATHS = 5  # cells that may end the process, until the rest is given up
WHOLE = 10  # times as long as for a cell: for all of a notebook
KEPT = ("PATH", "LANG", "SYSTEMROOT", "LD_LIBRARY_PATH")  # of the environment
LARGEST_FILE = 100 * 2**20  # bytes
REFUSED = (
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"),
    *("os.fork", "os.forkpty", "os.kill", "os.killpg", "os.startfile"),
    *("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto"),
)
CHANGES = (
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink"),
    *("os.truncate", "os.chmod", "os.chown", "os.utime", "os.setxattr"),
    *("os.removexattr", "os.chflags", "sqlite3.connect"),
)
TOO_LONG = "not reached: the notebook took too long as a whole"
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


# -- in the teacher's process ----------------------------------------------------------
def grade(
    notebooks: Sequence[Path], *, seconds: float = 60, memory: float = 4
) -> pd.DataFrame:
    """A row for each exercise of each notebook: notebook, exercise, result, note.

    result: passed, wrong, not tried or error. `seconds`: for a cell, 0.1 or more; a
    notebook has ten times as long. `memory`: gigabytes of address space, 1 or more;
    limited on Linux only. Raises ConfigError for a setting out of range, and OSError
    for a notebook that cannot be read.
    """
    limits = {"seconds": seconds, "memory": memory}
    ranges = [("seconds", 0.1, 86_400.0), ("memory", 1.0, 1024.0)]
    require_ranges(SimpleNamespace(**limits), ranges)
    rows = []
    for notebook in notebooks:
        for exercise, (result, note) in _grade(notebook, limits).items():
            rows.append((str(notebook), exercise, result, note))
    return pd.DataFrame(rows, columns=["notebook", "exercise", "result", "note"])


def _grade(notebook: Path, limits: dict[str, float]) -> dict[str, tuple[str, str]]:
    """Exercise -> result and note."""
    try:
        cells = _code_cells(notebook)
    except (ValueError, KeyError, TypeError, AttributeError):
        return {"-": ("error", "this is no notebook")}
    places = {
        number: place
        for place, cell in enumerate(cells)
        for number in ASKED.findall(cell)
    }
    if not places:
        return {"-": ("error", "it calls no check")}
    lines = _reports(cells[: max(places.values()) + 1], min(places)[:2], limits)
    results = {line["exercise"]: line for line in lines if "result" in line}
    notes = {line["failed"]: line["note"] for line in lines if "failed" in line}
    found = {}
    for number in sorted({*lines[0]["exercises"], *places}):
        if number in results:
            found[number] = (results[number]["result"], results[number]["note"])
        elif number in places:
            found[number] = ("error", notes.get(places[number], "not reached"))
        else:
            found[number] = ("not tried", "its cell is missing")
    return found


def _reports(
    cells: list[str], lesson: str, limits: dict[str, float]
) -> list[dict[str, Any]]:
    """All lines of the processes, one after another until one gets to the end."""
    reports: list[dict[str, Any]] = []
    left_out: list[int] = []
    while len(left_out) < DEATHS:
        job = {"cells": cells, "left_out": left_out, "lesson": lesson, **limits}
        lines, end = _run(job)
        reports += lines
        if not end:
            break
        left_out.append([line["cell"] for line in lines if "cell" in line][-1])
        reports.append({"failed": left_out[-1], "note": end})
        if end == TOO_LONG:
            break
    return reports


def _code_cells(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    return [re.sub(r"^[%!].*", "", source, flags=re.MULTILINE) for source in sources]


def _run(job: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """What a process tells of its work, and why it ended, if not at the last cell."""
    mark = secrets.token_hex(8)  # of our lines, whatever else is written
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as errors,
    ):
        job = job | {"folder": os.path.realpath(folder), "course": str(course())}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "rlrec.grade"],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=errors,
            cwd=folder,
            env=_environment(folder),
        )
        given = json.dumps(job | {"mark": mark}).encode()
        end = f"took longer than {job['seconds']:g} s, or left Python"
        try:
            process.communicate(given, WHOLE * job["seconds"])
            if process.returncode < 0:
                end = f"died of signal {-process.returncode}; too much memory?"
        except subprocess.TimeoutExpired:
            end = TOO_LONG
        finally:
            process.kill()
            process.wait()
        out.seek(0)
        lines = out.read().decode(errors="replace").splitlines()
        errors.seek(0)
        error = errors.read().decode(errors="replace")[-500:].strip()
    lines = [line.removeprefix(mark) for line in lines if line.startswith(mark)]
    if len(lines) < 2:
        raise ConfigError(f"grading cannot start: {error}")
    reports = [json.loads(line) for line in lines if line.endswith("}")]
    return reports, "" if "done" in reports[-1] else end


def _environment(folder: str) -> dict[str, str]:
    """What the student's process knows of this one: where programs are."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    homes = dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP"), folder)
    own = {"PYTHONPATH": str(Path(__file__).parents[1]), "RLREC_DATA": "bundled"}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    return kept | homes | own | quiet | {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}


def course() -> Path:
    """The folder with the exercises' specifications: of the wheel, or of the clone.

    Never that of the student. Raises ConfigError if there is none.
    """
    for above in (Path(str(files("rlrec"))) / "_course", Path(__file__).parents[1]):
        for found in sorted(above.glob("*/exercises/__init__.py")):
            return found.parents[1]
    raise ConfigError("the course is not here: install rlrec's wheel, or use a clone")


# -- in the student's process ----------------------------------------------------------
class Cells(code.InteractiveInterpreter):
    """Runs cells one after another, and tells of those that fail."""

    def __init__(self, tell: Callable[..., None]) -> None:
        super().__init__({"__name__": "__main__", "display": lambda *_, **__: None})
        self.tell = tell
        self.place = 0

    def run(self, place: int, source: str) -> None:
        """Compile and run a cell."""
        self.place = place
        name = f"cell {place}"
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        try:
            self.runcode(compile(source, name, "exec"))
        except (SystemExit, SyntaxError, ValueError):
            self.showtraceback()

    def showtraceback(self) -> None:
        """Tell what was raised, in one line."""
        kind, error, _ = sys.exc_info()
        name = kind.__name__ if kind else "Error"
        self.tell(failed=self.place, note=" ".join(f"{name}: {error}".split())[:300])


def work(job: dict[str, Any]) -> None:
    """Run a notebook's cells under guard, and tell its results, a JSON line each."""
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)

    def tell(**line: Any) -> None:
        print(job["mark"] + json.dumps(line), file=report, flush=True)

    sys.dont_write_bytecode = True
    sys.path.insert(0, job["course"])
    asked = []
    with contextlib.suppress(ModuleNotFoundError):
        lesson = importlib.import_module(f"exercises.lesson{job['lesson']}")
        asked = list(lesson.EXERCISES)
    tell(exercises=asked)
    _listen(tell)
    _limit(job["memory"])
    _guard(job["folder"])
    os.dup2(nowhere, 2)
    cells = Cells(tell)
    for place, source in enumerate(job["cells"]):
        if place in job["left_out"]:
            continue
        tell(cell=place)
        faulthandler.dump_traceback_later(job["seconds"], exit=True, file=nowhere)
        cells.run(place, source)
    tell(done=True)
    os._exit(0)


def _listen(tell: Callable[..., None]) -> None:
    """Have `check` tell what it says."""
    from rlrec.viz import exercises

    check = exercises.check

    def heard(number: str, answer: Any) -> Any:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            folded = check(number, answer)
        result, note = _result(printed.getvalue())
        tell(exercise=number, result=result, note=note)
        return folded

    exercises.check = heard


def _result(said: str) -> tuple[str, str]:
    """What a check has said, after all that the answer printed itself.

    >>> _result("not right yet: 02.1 x\\n  yours is 3")
    ('wrong', 'yours is 3')
    """
    result = "error"
    note = "the check said nothing"
    for line in said.splitlines():
        begin = next((begin for begin in ANSWERS if line.startswith(begin)), None)
        if begin:
            result = ANSWERS[begin]
            note = ""
        else:
            note = f"{note} {line.strip()}".strip()
    raised = result == "wrong" and "yours raised " in note
    return ("error" if raised else result), note[:300]


def _limit(memory: float) -> None:
    """Limit memory and the size of files, where the system can."""
    if sys.platform != "linux":
        return
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for limit, most in (
        (resource.RLIMIT_AS, int(memory * 2**30)),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))


def _guard(folder: str) -> None:
    """Refuse what would change anything outside `folder`, from now on."""
    inside = (folder, os.path.devnull)

    def outside(path: Any, within: int = -1) -> bool:
        base = f"/proc/self/fd/{within}" if within >= 0 else ""
        full = os.path.realpath(os.path.join(base, os.fsdecode(path)))
        return full not in inside and not full.startswith(folder + os.sep)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in REFUSED:
            raise PermissionError(f"refused while grading: {event}")
        if event == "open":
            path, _, flags = arguments
            changes = flags & WRITING or os.path.isdir(path)
            refused = not isinstance(path, int) and changes and outside(path)
        elif event in CHANGES:
            refused = any(outside(*pair) for pair in _paths(event, arguments))
        else:
            return
        if refused:
            raise PermissionError(f"refused while grading: {event} outside its folder")

    sys.addaudithook(hook)


def _paths(event: str, arguments: tuple[Any, ...]) -> list[tuple[Any, int]]:
    """The paths that an event changes, each with the open folder it starts from."""
    is_path = (str, bytes, os.PathLike)
    paths = [argument for argument in arguments if isinstance(argument, is_path)]
    folders = [-1, *(number for number in arguments if isinstance(number, int))]
    if event == "os.truncate":
        folders = [-1]
    return list(zip(paths, folders[-len(paths) :], strict=False)) if paths else []


if __name__ == "__main__":
    work(json.load(sys.stdin))
