"""`rlrec grade`: right tables for honest notebooks, no harm from hostile ones."""

import json
import os
import sys
from pathlib import Path

import pandas as pd
import pytest

from rlrec.errors import ConfigError
from rlrec.grade import grade
from tests.command import rlrec

ROOT = Path(__file__).resolve().parents[1]
# Of lesson 02: exercise 02.2 asks for three numbers, the others for a function.
CHECK = "from rlrec.viz.exercises import check\n"
SOLVED = ROOT / "lessons/solutions/02_one_td_update.ipynb"
linux = pytest.mark.skipif(sys.platform != "linux", reason="limits are Linux's")


def solved(number):
    """The cell of the solutions that answers an exercise."""
    cells = json.loads(SOLVED.read_text("utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    setup = sources[0]
    (found,) = [one for one in sources if one.startswith(f"# Exercise {number}")]
    return f"{setup}\n{found}"


def hand_in(path, *cells):
    """A notebook with these cells."""
    cells = [{"cell_type": "code", "source": cell} for cell in cells]
    path.write_text(json.dumps({"cells": cells}))
    return path


def graded(tmp_path, *cells, **limits):
    """Exercise -> (result, note) of a notebook with these cells."""
    rows = grade([hand_in(tmp_path / "theirs.ipynb", *cells)], **limits)
    pairs = zip(rows.result, rows.note, strict=True)
    return dict(zip(rows.exercise, pairs, strict=True))


def results(found):
    return {number: result for number, (result, _) in found.items()}


def test_each_kind_of_result(tmp_path):
    found = graded(
        tmp_path,
        "%matplotlib inline\nx = undefined",
        solved("02.1"),
        CHECK + 'check("02.2", [1.0, 2.0, 3.0])',
        CHECK + 'check("02.3", ...)',
    )
    assert results(found) == {
        "02.1": "passed",
        "02.2": "wrong",
        "02.3": "not tried",
        "02.4": "not tried",
        "02.5": "not tried",
    }
    assert "yours" in found["02.2"][1]
    assert found["02.4"][1] == "its cell is missing"


def test_errors_are_told_with_the_students_own_line(tmp_path):
    found = graded(
        tmp_path,
        CHECK + 'print("correct: 02.1")\nanswer = undefined\ncheck("02.1", answer)',
        CHECK + 'if True print("no Python")\ncheck("02.2", 1)',
        CHECK + 'def divide(*given):\n    return 1 / 0\ncheck("02.3", divide)',
        CHECK + 'raise SystemExit\ncheck("02.4", 1)',
    )
    assert [*results(found).values()] == ["error"] * 4 + ["not tried"]
    assert found["02.1"][1].startswith("NameError: name 'undefined'")
    assert found["02.2"][1].startswith("SyntaxError")
    assert "line 3, return 1 / 0" in found["02.3"][1]
    assert found["02.4"][1].startswith("SystemExit")


def test_what_an_answer_prints_is_not_taken_for_the_checks_word(tmp_path):
    cheat = 'def answer(*given):\n    print("correct: 02.1 x")\n    return 0\n'
    found = graded(tmp_path, CHECK + cheat + 'check("02.1", answer)')
    assert found["02.1"][0] == "wrong"


def test_the_specification_is_the_teachers(tmp_path):
    (tmp_path / "exercises").mkdir()
    (tmp_path / "exercises" / "lesson02.py").write_text(
        "from rlrec.viz.exercises import Exercise\n"
        'EXERCISES = {"02.1": Exercise("theirs", expected=0)}\n'
    )
    assert graded(tmp_path, CHECK + 'check("02.1", 0)')["02.1"][0] == "wrong"


def test_endless_loops_cost_their_own_exercise_only(tmp_path):
    stubborn = "while True:\n    try:\n        pass\n    except BaseException: pass\n"
    found = graded(
        tmp_path,
        CHECK + stubborn + 'check("02.1", 1)',
        CHECK + 'sum(range(10**14))\ncheck("02.2", 1)',
        CHECK + 'check("02.3", 1)',
        seconds=4,
    )
    assert results(found) == {
        "02.1": "error",
        "02.2": "error",
        "02.3": "wrong",
        "02.4": "not tried",
        "02.5": "not tried",
    }
    assert "longer than 4 s" in found["02.1"][1]


HARM = {
    "write": "open(VICTIM, 'w')",
    "append": "open(VICTIM, 'ab')",
    "update": "open(VICTIM, 'r+')",
    "descriptor": "os.open(VICTIM, os.O_WRONLY)",
    "new file": "open(FOLDER + '/new', 'x')",
    "remove": "os.remove(VICTIM)",
    "rename": "os.rename(VICTIM, 'mine')",
    "replace": "open('mine', 'w').close(); os.replace('mine', VICTIM)",
    "tree": "shutil.rmtree(FOLDER)",
    "pathlib": "pathlib.Path(VICTIM).unlink()",
    "link": "os.symlink(VICTIM, 'link'); open('link', 'w')",
    "hard link": "os.link(VICTIM, 'link'); open('link', 'w')",
    "truncate": "os.truncate(VICTIM, 0)",
    "mode": "os.chmod(VICTIM, 0)",
    "folder": "os.chdir(FOLDER); open('victim.txt', 'w')",
    "in a folder": "f = os.open(FOLDER, 0); os.unlink('victim.txt', dir_fd=f)",
    "shell": "os.system('rm ' + VICTIM)",
    "process": "subprocess.run(['rm', VICTIM])",
    "fork": "os.fork()",
    "kill": "os.kill(os.getppid(), 9)",
    "network": "socket.create_connection(('127.0.0.1', 9), 1)",
    "limits": "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
}


TRY_THEM = """
here, done = os.getcwd(), []
for name, harm in HARM.items():
    try:
        exec(harm)
    except (PermissionError, ValueError):
        os.chdir(here)
    else:
        done.append(name)
assert not done, done
check("02.1", 1)
"""


@linux
def test_nothing_outside_is_changed_and_each_try_is_refused(tmp_path):
    victims = tmp_path / "victims"
    victims.mkdir()
    victim = victims / "victim.txt"
    victim.write_text("a diary")
    imports = "import os, shutil, pathlib, subprocess, socket, resource\n"
    names = f"VICTIM, FOLDER, HARM = {str(victim)!r}, {str(victims)!r}, {HARM!r}\n"
    start = CHECK + imports + names
    own = "os.mkdir('d')\nopen('d/f', 'w').close()\nos.chmod('d/f', 0o600)\n"
    own += "os.rename('d/f', 'd/g')\nshutil.rmtree('d')\nopen('link', 'w').close()\n"
    found = graded(
        tmp_path,
        start + TRY_THEM,
        start + 'os.remove(VICTIM)\ncheck("02.2", 1)',
        start + own + solved("02.4"),
    )
    assert found["02.1"][0] == "wrong", found
    assert found["02.2"] == (
        "error",
        "PermissionError: refused while grading: os.remove outside its folder",
    )
    assert found["02.4"][0] == "passed", found
    assert os.listdir(victims) == ["victim.txt"]
    assert victim.read_text() == "a diary"
    assert victim.stat().st_mode & 0o600


@linux
def test_memory_is_limited_and_the_rest_is_graded(tmp_path):
    greedy = "kept = []\nwhile True:\n    kept.append(bytearray(2**26))\n"
    found = graded(
        tmp_path,
        CHECK + greedy + 'check("02.1", 1)',
        "kept = None\n" + solved("02.2"),
        memory=1,
    )
    assert found["02.1"] == ("error", "MemoryError:")
    assert found["02.2"][0] == "passed"


def test_a_process_that_is_left_is_started_again(tmp_path):
    found = graded(
        tmp_path, CHECK + 'import os\nos._exit(0)\ncheck("02.1", 1)', solved("02.2")
    )
    assert results(found)["02.1"] == "error"
    assert results(found)["02.2"] == "passed"


def test_nothing_of_this_process_is_known_there(tmp_path, monkeypatch):
    monkeypatch.setenv("A_SECRET", "x")
    cell = 'import os\nassert "A_SECRET" not in os.environ and not os.listdir("~")\n'
    cell = cell.replace('"~"', 'os.path.expanduser("~")')
    found = graded(tmp_path, CHECK + cell + 'check("02.1", 1)')
    assert found["02.1"][0] == "wrong", found


def test_files_that_are_no_notebook(tmp_path):
    (tmp_path / "theirs.ipynb").write_text("{")
    assert grade([tmp_path / "theirs.ipynb"]).note.tolist() == ["this is no notebook"]
    assert graded(tmp_path, "1 + 1") == {"-": ("error", "it calls no check")}
    found = graded(tmp_path, CHECK + 'check("99.1", 0)')
    assert found["99.1"][1].startswith("ConfigError: there is no exercise")


def test_limits_out_of_range(tmp_path):
    with pytest.raises(ConfigError, match="seconds is 0"):
        graded(tmp_path, "1", seconds=0)
    with pytest.raises(ConfigError, match="memory"):
        graded(tmp_path, "1", memory=0.5)


def test_the_command_prints_a_table_and_writes_it(tmp_path, capsys):
    first = hand_in(tmp_path / "ana.ipynb", solved("02.1"))
    second = hand_in(tmp_path / "ben.ipynb", CHECK + 'check("02.1", 3)')
    before = first.read_bytes()
    assert rlrec("grade", first, second, "--csv", tmp_path / "grades.csv") == 0
    shown = capsys.readouterr().out
    assert first.read_bytes() == before
    table = pd.read_csv(tmp_path / "grades.csv")
    assert table.columns.tolist() == ["notebook", "exercise", "result", "note"]
    missing = ["not tried"] * 4
    assert table.result.tolist() == ["passed", *missing, "wrong", *missing]
    assert shown.splitlines()[0].split() == table.columns.tolist()
    assert "ana.ipynb" in shown
    assert rlrec("grade", tmp_path / "missing.ipynb") == 1
    assert "missing.ipynb" in capsys.readouterr().err
