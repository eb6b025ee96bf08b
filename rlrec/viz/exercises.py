"""Exercises that check themselves: `check` says what is wrong, `hint` hides a hint.

    check("02.1 the new value", answer, expected=lambda: update(1.0, 10, 0.2))
    check("02.2 td_target", td_target, cases=[((10, 0.9, 0.2), 10.18)])

An answer left open (`...`, None, NotImplemented, or a function that returns or raises
one of these) is reported as not solved yet, and the notebook goes on.
"""

import copy
import html
import traceback
from collections.abc import Sequence
from typing import Any

import numpy as np

_OPEN = "open"


class Hint:
    """A hint that opens on a click."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return "Hint (folded)"

    def _repr_html_(self) -> str:
        text = html.escape(self.text, quote=False)
        return f"<details><summary>Hint</summary>{text}</details>"


def hint(text: str) -> Hint:
    """Show `text` folded away; the last line of a cell."""
    return Hint(text)


def check(
    name: str,
    answer: Any,
    expected: Any = None,
    *,
    cases: Sequence[tuple[tuple[Any, ...], Any]] = (),
    tolerance: float = 1e-3,
    mistakes: Sequence[tuple[Any, str]] = (),
) -> None:
    """Print whether `answer` is right, and if not, what is wrong with it.

    - `name`: number and subject of the exercise, such as "02.1 the new value".
    - `expected`: the right answer (number, text, array, list), or a function without
      arguments that returns it.
    - `cases`: instead of `expected`, where the answer is a function: pairs of its
      arguments (a tuple) and the right result.
    - `tolerance`: largest absolute difference between numbers that counts as right.
    - `mistakes`: pairs of a known wrong answer (of a function: to the first case) and
      the message for it.

    Raises ValueError if both or neither of `expected` and `cases` are given.
    """
    if (expected is None) == (not cases):
        raise ValueError(f"check {name!r}: give either expected=... or cases=...")
    if cases:
        problem = _check_function(answer, cases, tolerance, mistakes)
    else:
        right = expected() if callable(expected) else expected
        problem = (
            _OPEN if _is_open(answer) else _explain(answer, right, tolerance, mistakes)
        )
    if problem is None:
        print(f"correct: {name}")
    elif problem == _OPEN:
        print(f"not solved yet: {name}")
    else:
        print(f"not right yet: {name}\n  {problem}")


def _check_function(
    function: Any,
    cases: Sequence[tuple[tuple[Any, ...], Any]],
    tolerance: float,
    mistakes: Sequence[tuple[Any, str]],
) -> str | None:
    if _is_open(function):
        return _OPEN
    if not callable(function):
        kind = type(function).__name__
        return f"a function is asked for, yours is a {kind}: {_show(function)}"
    for number, (arguments, expected) in enumerate(cases):
        shown = "(" + ", ".join(map(_show, arguments)) + ")"
        own = copy.deepcopy(arguments)  # the reader's function may change its arguments
        try:
            yours = function(*own)
        except NotImplementedError:
            return _OPEN
        except Exception as error:
            kind = type(error).__name__
            return f"your function raised {kind} on input {shown}{_where(error)}"
        if _is_open(yours):
            return (
                _OPEN
                if number == 0
                else f"for input {shown} yours gives None: is a `return` missing?"
            )
        if problem := _explain(
            yours, expected, tolerance, mistakes if number == 0 else ()
        ):
            return f"for input {shown}: {problem}"
    return None


def _where(error: Exception) -> str:
    """Where the reader's code raised, and what."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    place = f", in line {frames[0].lineno}: {frames[0].line}" if frames else ""
    return f"{place}\n  {type(error).__name__}: {error}"


def _is_open(answer: Any) -> bool:
    return answer is None or answer is ... or answer is NotImplemented


def _explain(
    yours: Any, right: Any, tolerance: float, mistakes: Sequence[tuple[Any, str]]
) -> str | None:
    problem = difference(yours, right, tolerance)
    if problem is None:
        return None
    for wrong, words in mistakes:
        if difference(yours, wrong, tolerance) is None:
            return f"{problem}\n  {words}"
    return problem


def difference(yours: Any, right: Any, tolerance: float = 1e-3) -> str | None:
    """What is wrong with `yours`, or None if it is `right` within `tolerance`.

    >>> difference(-0.918, 0.918)
    'yours -0.918, expected 0.918: the sign is the other way round'
    >>> difference([1.0, 2.0], [1.0, 2.5])
    '1 of 2 entries differs, the first at [1]: yours 2.0, expected 2.5'
    """
    if isinstance(right, str):
        return (
            None if yours == right and isinstance(yours, str) else _beside(yours, right)
        )
    try:
        ours = np.asarray(right)
        theirs = np.asarray(yours)
    except ValueError:
        return f"yours has rows of different lengths: {_show(yours)}"
    for compare in (_shape, _dtype):
        if problem := compare(theirs, ours, yours, right):
            return problem
    if ours.dtype.kind in "biufc":
        wrong = ~np.isclose(theirs, ours, rtol=0, atol=tolerance, equal_nan=True)
    else:
        wrong = np.asarray(theirs != ours)
    return _values(theirs, ours, wrong) if wrong.any() else None


def _shape(theirs: np.ndarray, ours: np.ndarray, yours: Any, right: Any) -> str | None:
    if theirs.shape == ours.shape:
        return None
    if ours.ndim == 0:
        return f"one value is asked for, yours has shape {theirs.shape}: {_show(yours)}"
    return f"yours has shape {theirs.shape}, expected {ours.shape}"


def _dtype(theirs: np.ndarray, ours: np.ndarray, yours: Any, right: Any) -> str | None:
    kinds = {
        "b": "true or false",
        "i": "numbers",
        "u": "numbers",
        "f": "numbers",
        "U": "text",
    }
    theirs_kind = kinds.get(theirs.dtype.kind, str(theirs.dtype))
    ours_kind = kinds.get(ours.dtype.kind, str(ours.dtype))
    if theirs_kind == ours_kind:
        return None
    held = f"{theirs_kind} ({theirs.dtype})"
    wanted = f"{ours_kind} ({ours.dtype})"
    return f"yours holds {held}, expected {wanted}: {_show(yours)}"


def _values(theirs: np.ndarray, ours: np.ndarray, wrong: np.ndarray) -> str:
    if ours.ndim == 0:
        note = ": the sign is the other way round" if _flipped(theirs, ours) else ""
        return _beside(theirs.item(), ours.item()) + note
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = "[" + ", ".join(map(str, index)) + "]"
    beside = _beside(theirs[index].item(), ours[index].item())
    count = int(wrong.sum())
    note = "; all signs are the other way round" if _flipped(theirs, ours) else ""
    verb = "differs" if count == 1 else "differ"
    return (
        f"{count} of {ours.size} entries {verb}, the first at {place}: {beside}{note}"
    )


def _flipped(theirs: np.ndarray, ours: np.ndarray) -> bool:
    return (
        ours.dtype.kind in "if"
        and bool(np.allclose(-theirs, ours))
        and bool(np.any(ours != 0))
    )


def _beside(yours: Any, right: Any) -> str:
    return f"yours {_show(yours)}, expected {_show(right)}"


def _show(value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return repr(round(value, 6))
    text = repr(value.tolist() if isinstance(value, np.ndarray) else value)
    return text if len(text) <= 60 else text[:57] + "..."
