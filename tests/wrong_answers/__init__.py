"""Wrong answers to the exercises of the lessons, and whether the checks see through.

Two sources: the known mistakes of each specification, and further ones, written as
readers write them, in one module a lesson (`WRONG`: by number, pairs of an answer and
words that its message must hold, or "" where none is expected).
"""

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlrec.viz.exercises import NotRightError

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = ROOT / "lessons" / "solutions" / "text"
sys.path[:0] = [str(ROOT), str(ROOT / "lessons")]

LESSONS = sorted(path.stem[-2:] for path in (ROOT / "lessons/exercises").glob("l*.py"))


def exercises() -> dict[str, Any]:
    """All specifications, by number."""
    found = {}
    for lesson in LESSONS:
        found |= importlib.import_module(f"exercises.lesson{lesson}").EXERCISES
    return found


def further(number: str) -> list[tuple[Any, str]]:
    """Wrong answers beyond the known mistakes, with words that must be said."""
    name = f"tests.wrong_answers.lesson{number[:2]}"
    return importlib.import_module(name).WRONG[number]


def solution(number: str) -> Any:
    """The answer that stands in the solutions."""
    (twin,) = SOLUTIONS.glob(f"{number[:2]}_*.md")
    blocks = twin.read_text("utf-8").split("```python\n")[1:]
    cells = [block.partition("\n```")[0] for block in blocks]
    (cell,) = [part for part in cells if part.startswith(f"# Exercise {number}")]
    namespace: dict[str, Any] = {}
    answers: list[Any] = []
    exec(compile(cells[0], str(twin), "exec"), namespace)
    namespace["check"] = lambda _, answer: answers.append(answer)
    exec(compile(cell, str(twin), "exec"), namespace)
    return answers[0]


@dataclass
class Row:
    """How the wrong answers to one exercise fared."""

    exercise: str
    cases: int
    wrong: int = 0
    refused: int = 0
    named: int = 0
    further: int = 0
    further_named: int = 0


def row(number: str, exercise: Any) -> Row:
    """Try every wrong answer to one exercise."""
    found = Row(number, len(exercise.pairs()))
    known = [(answer, words, False) for answer, words in exercise.mistakes]
    new = [(answer, words, True) for answer, words in further(number)]
    for answer, _, is_new in known + new:
        results = exercise.results(answer)
        refused = exercise.problem(results) is not None
        named = refused and is_named(exercise, results)
        found.wrong += 1
        found.refused += refused
        found.named += named
        found.further += is_new
        found.further_named += named and is_new
    return found


def told(exercise: Any, results: list[Any]) -> str:
    """All that a reader is told at the first try."""
    return f"{exercise.problem(results)}\n{exercise.words(results) or ''}"


def is_named(exercise: Any, results: list[Any]) -> bool:
    """Whether words name the mistake, beyond where the answer differs."""
    problem = str(exercise.problem(results))
    general = ("the sign is the other way", "in another order", "asked for is", "`retu")
    raised = any(isinstance(result, NotRightError) for result in results)
    return bool(exercise.words(results) or raised or any(w in problem for w in general))
