"""Exercises that check themselves, and teach by what they say.

    check("02.1", repaired_update)

The question stands in the notebook; what is right, the cases it is tried on, hints and
known mistakes stand in `exercises/lesson02.py`, beside the notebook or in a folder
above it: a dictionary `EXERCISES` of `Exercise`, by number.

A known mistake is a small wrong implementation. Its message is given only if it agrees
with the reader's answer on every case. The expected value is never printed: from the
third serious try on it may be unfolded with a click.
"""

import copy
import html
import importlib
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlrec.errors import ConfigError

OPEN = (None, ..., NotImplemented)
TRIES = 3  # serious ones, until the expected value may be unfolded
_KINDS = {"b": "true or false", "i": "numbers", "u": "numbers", "f": "numbers"}
_KINDS["U"] = "text"
_tried: dict[str, list[str]] = {}


class NotRightError(Exception):
    """What is wrong, in words: a specification's `run` raises it.

    `kind` is the class of an exception that the reader's code has raised, or None.
    """

    kind: type | None = None


def call(function: Any, *arguments: Any) -> Any:
    """Call the reader's function; TypeError if it is none."""
    if not callable(function):
        kind = type(function).__name__
        raise NotRightError(
            f"a function is asked for, yours is a {kind}: {show(function)}"
        )
    return function(*arguments)


@dataclass(frozen=True)
class Exercise:
    """What is right, what goes wrong, and what helps.

    - `cases`: pairs of arguments (a tuple) and the right result of the function asked
      for. `expected` instead, where a value is asked for.
    - `mistakes`: pairs of a wrong answer (a function, or a value) and its message.
    - `hints`: from the first push to nearly the answer.
    - `tolerance`: largest absolute difference between numbers that counts as right.
    - `run`: called with the answer and the arguments of a case; gives what is compared,
      or raises `NotRightError`.
    """

    title: str
    cases: Sequence[tuple[tuple[Any, ...], Any]] = ()
    expected: Any = None
    mistakes: Sequence[tuple[Any, str]] = ()
    hints: Sequence[str] = ()
    tolerance: float = 1e-3
    run: Callable[..., Any] | None = None

    def results(self, answer: Any) -> list[Any]:
        """What `answer` gives on each case; an exception, where it raised one."""
        run = self.run or (call if self.cases else lambda value: value)
        results: list[Any] = []
        for arguments, _ in self.pairs():
            try:
                results.append(run(answer, *copy.deepcopy(arguments)))
            except NotImplementedError:
                results.append(None)
            except NotRightError as error:
                results.append(error)
            except Exception as error:
                results.append(_raised(error, answer))
        return results

    def pairs(self) -> Sequence[tuple[tuple[Any, ...], Any]]:
        """The cases; of a value the one case without arguments."""
        return self.cases or [((), self.expected)]

    def problem(self, results: Sequence[Any]) -> str | None:
        """What is wrong in the first case that is, or None; never what is expected."""
        problems = [
            difference(yours, right, self.tolerance)
            for yours, (_, right) in zip(results, self.pairs(), strict=True)
        ]
        wrong = [number for number, found in enumerate(problems) if found]
        if not wrong:
            return None
        found = str(problems[wrong[0]])
        yours = results[wrong[0]]
        if isinstance(yours, NotRightError) and not yours.kind:
            return found
        right = len(problems) - len(wrong)
        credit = f"right for {right} of {len(problems)} inputs; " if right else ""
        return f"{credit}{self.shown(wrong[0])} {found}".strip()

    def shown(self, number: int) -> str:
        """The input of a case, in words; nothing, where there is none."""
        arguments = self.pairs()[number][0]
        return f"for input ({', '.join(map(show, arguments))}):" if arguments else ""

    def words(self, results: Sequence[Any]) -> str | None:
        """The message of the mistake that gives `results` on every case."""
        for mistake, words in self.mistakes:
            others = self.results(mistake)
            if all(map(self._agree, results, others)):
                return words
        return None

    def _agree(self, yours: Any, other: Any) -> bool:
        if isinstance(yours, NotRightError) and isinstance(other, NotRightError):
            return yours.kind == other.kind and bool(yours.kind or yours == other)
        return difference(yours, other, self.tolerance) is None


class Folded:
    """Texts that open on a click: `parts` are pairs of a heading and a text."""

    def __init__(self, parts: Sequence[tuple[str, str]]) -> None:
        self.parts = parts

    def __repr__(self) -> str:
        return " · ".join(heading for heading, _ in self.parts) + " (folded)"

    def _repr_html_(self) -> str:
        parts = []
        for heading, text in self.parts:
            text = html.escape(text, quote=False)
            parts.append(f"<details><summary>{heading}</summary>{text}</details>")
        return "".join(parts)


def check(number: str, answer: Any) -> Folded | None:
    """Print whether `answer` is right, and if not, what is wrong; hints are returned.

    An answer left open (`...`, None, NotImplemented, or a function that is empty or
    raises NotImplementedError) is not solved yet, and the notebook goes on. Raises
    ConfigError if there is no exercise `number`, such as "02.1".
    """
    exercise = specification(number)
    name = f"{number} {exercise.title}"
    folded = [(f"Hint {n}", text) for n, text in enumerate(exercise.hints, 1)]
    results = [] if _is_open(answer) else exercise.results(answer)
    if all(map(_is_open, results)) and _is_empty(answer):
        print(f"not solved yet: {name}")
        return Folded(folded)
    problem = exercise.problem(results)
    if problem is None:
        print(f"correct: {name}")
        return None
    words = exercise.words(results)
    print(f"not right yet: {name}\n  {problem}" + (f"\n  {words}" if words else ""))
    if words or _is_serious(exercise, results):
        tried = _tried.setdefault(number, [])
        if repr(results) not in tried:
            tried.append(repr(results))
    if len(_tried.get(number, ())) >= TRIES:
        folded.append(("What is expected", _expected(exercise, results)))
    return Folded(folded)


def specification(number: str) -> Exercise:
    """The exercise of this number; ConfigError if there is none."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "exercises").is_dir() and str(folder) not in sys.path:
            sys.path.append(str(folder))
    try:
        lesson = importlib.import_module(f"exercises.lesson{number[:2]}")
        exercises: dict[str, Exercise] = lesson.EXERCISES
        return exercises[number]
    except (ModuleNotFoundError, KeyError) as error:
        name = getattr(error, "name", None) or "exercises"
        if not name.startswith("exercises"):  # a module that the specification needs
            raise
        raise ConfigError(f"there is no exercise {number!r}") from None


def difference(yours: Any, right: Any, tolerance: float = 1e-3) -> str | None:
    """What is wrong with `yours`, or None if it is `right`; never says what is right.

    >>> difference(-0.918, 0.918)
    'yours is -0.918: the sign is the other way round'
    >>> difference([1.0, 2.0], [1.0, 2.5])
    '1 of 2 entries is right; not the one at [1], yours is 2.0'
    """
    if problem := _form(yours, right):
        return problem
    theirs = np.asarray(yours)
    ours = np.asarray(right)
    if ours.dtype.kind in "biuf":
        same = np.isclose(theirs, ours, rtol=0, atol=tolerance, equal_nan=True)
    else:
        same = np.asarray(theirs == ours)
    return None if same.all() else _values(theirs, ours, same)


def _form(yours: Any, right: Any) -> str | None:
    """What is wrong with `yours` before its values are looked at."""
    if isinstance(yours, NotRightError):
        return str(yours)
    if _is_open(yours):
        return "yours gives None: is a `return` missing?"
    try:
        theirs = np.asarray(yours)
        ours = np.asarray(right)
    except ValueError:
        return f"yours has rows of different lengths: {show(yours)}"
    if theirs.shape != ours.shape:
        asked = "one value" if ours.ndim == 0 else f"shape {ours.shape}"
        return f"yours has shape {theirs.shape}, asked for is {asked}: {show(yours)}"
    if _kind(theirs) != _kind(ours):
        return f"yours holds {_kind(theirs)}, asked for is {_kind(ours)}: {show(yours)}"
    return None


def _kind(array: np.ndarray) -> str:
    return _KINDS.get(array.dtype.kind, str(array.dtype))


def _values(theirs: np.ndarray, ours: np.ndarray, same: np.ndarray) -> str:
    note = ""
    if ours.dtype.kind in "if" and np.allclose(-theirs, ours, atol=1e-3):
        note = ": the sign is the other way round"
    if ours.ndim == 0:
        return f"yours is {show(theirs.item())}{note}"
    if _sorted(theirs) == _sorted(ours):
        note = ": the right entries in another order"
    right = int(same.sum())
    verb = "is" if right == 1 else "are"
    first = np.argwhere(~same)[0].tolist()
    yours = show(theirs[tuple(first)].item())
    return (
        f"{right or 'none'} of {ours.size} entries {verb} right; "
        f"not the one at {first}, yours is {yours}{note}"
    )


def _sorted(array: np.ndarray) -> list[str]:
    return sorted(show(entry) for entry in array.ravel())


def _raised(error: Exception, answer: Any) -> NotRightError:
    """What was raised, with the reader's own line."""
    code = getattr(answer, "__code__", None)
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if code and frame.filename == code.co_filename:
            place = f" in line {frame.lineno}, {frame.line}"
    raised = NotRightError(f"yours raised {type(error).__name__}{place}: {error}")
    raised.kind = type(error)
    return raised


def _is_open(answer: Any) -> bool:
    return any(answer is thing for thing in OPEN)


def _is_empty(answer: Any) -> bool:
    """Whether nothing was written yet: `...`, or a function without a body."""
    code = getattr(answer, "__code__", None)
    return _is_open(answer) or (code is not None and len(code.co_code) < 10)


def _is_serious(exercise: Exercise, results: Sequence[Any]) -> bool:
    """Of the shape and kind asked for, and not the same small number everywhere."""
    for yours, (_, right) in zip(results, exercise.pairs(), strict=True):
        if _form(yours, right):
            return False
    seen = {repr(np.asarray(yours).tolist()) for yours in results}
    return len(seen) > 1 or not seen <= {"0", "1", "-1", "0.0", "1.0", "-1.0", "nan"}


def _expected(exercise: Exercise, results: Sequence[Any]) -> str:
    """The first case that is wrong, with what is right."""
    for number, (yours, (_, right)) in enumerate(
        zip(results, exercise.pairs(), strict=True)
    ):
        if difference(yours, right, exercise.tolerance):
            return f"{exercise.shown(number)} {show(right)}"
    return ""


def show(value: Any) -> str:
    """A value, rounded and cut to 60 characters; the name of a function."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return repr(round(value, 6))
    if callable(value):
        return getattr(value, "__name__", repr(value))
    text = repr(value.tolist() if isinstance(value, np.ndarray) else value)
    return text if len(text) <= 60 else text[:57] + "..."
