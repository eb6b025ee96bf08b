"""Each check takes what is right, refuses what is wrong, and says why."""

import contextlib
import io
import re
from typing import Any

import numpy as np
import pytest

from rlrec.viz import exercises as machinery
from tests.wrong_answers import exercises, further, is_named, row, solution, told

ALL = exercises()
JUNK: tuple[Any, ...] = (
    0,
    1,
    -1,
    "",
    "x",
    [],
    [0, 0],
    np.zeros((2, 2)),
    float("nan"),
    object(),
    True,
    lambda *_: 0,
    lambda *_: 1.0,
    lambda *_: "",
    lambda *_: [],
    lambda *_: 1 / 0,
    lambda *given: given,
    lambda: 0,
)


@pytest.fixture(params=ALL)
def number(request: pytest.FixtureRequest) -> str:
    return request.param


def test_solution_is_right(number: str) -> None:
    exercise = ALL[number]
    assert exercise.problem(exercise.results(solution(number))) is None


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        ("08.1", lambda target, value: target - value),
        ("08.1", lambda target, value: value - target),
        ("16.1", [10, 89, 416]),
        (
            "04.4",
            lambda part, liked, skipped: part + 2 * liked - (skipped & (part < 0.1)),
        ),
    ],
)
def test_other_right_answers(number: str, answer: Any) -> None:
    exercise = ALL[number]
    assert exercise.problem(exercise.results(answer)) is None


def test_known_mistakes_are_refused_and_named(number: str) -> None:
    exercise = ALL[number]
    for mistake, words in exercise.mistakes:
        results = exercise.results(mistake)
        assert exercise.problem(results) is not None, f"accepted: {words}"
        assert exercise.words(results) == words


def test_further_wrong_answers(number: str) -> None:
    exercise = ALL[number]
    for place, (answer, words) in enumerate(further(number)):
        results = exercise.results(answer)
        assert exercise.problem(results) is not None, f"accepted: number {place}"
        assert words in told(exercise, results), place
        if words:
            assert is_named(exercise, results), place


def test_eight_wrong_answers_six_named(number: str) -> None:
    found = row(number, ALL[number])
    assert found.wrong >= 8
    assert found.refused == found.wrong
    assert found.named >= 0.75 * found.wrong
    assert found.further >= 2


def numbers_in(value: Any) -> set[str]:
    """The telling parts of what is expected: words, numbers of three digits or more."""
    if isinstance(value, str):
        return {value}
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        return set()
    shown = {machinery.show(entry.item()) for entry in array.ravel()}
    return {text for text in shown if len(re.sub(r"\D", "", text)) >= 3}


def secrets(exercise: Any) -> set[str]:
    """What must not be said: expected numbers that stand in no input."""
    given = [machinery.show(value) for case, _ in exercise.pairs() for value in case]
    secret = set()
    for _, right in exercise.pairs():
        secret |= numbers_in(right)
    return {text for text in secret if text not in " ".join(given)}


def test_junk_never_reveals_what_is_expected(number: str) -> None:
    machinery._tried.clear()
    said = ""
    for junk in JUNK:
        for _ in range(3):
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                folded = machinery.check(number, junk)
            said += printed.getvalue()
            headings = [heading for heading, _ in folded.parts]
            assert "What is expected" not in headings, junk
    for secret in secrets(ALL[number]):
        assert not re.search(rf"(?<![\d.]){re.escape(secret)}(?!\d)", said), secret


def test_hints_are_true(number: str) -> None:
    exercise = ALL[number]
    assert len(exercise.hints) >= 2
    for text in exercise.hints:
        for expression, value in re.findall(r"`([^`]+)` = (-?[\d.]*\d)", text):
            found = eval(expression, {"np": np})  # noqa: S307
            assert found == pytest.approx(float(value), abs=1e-6), text
        bare = re.sub(r"`[^`]+` = -?[\d.]*\d", "", text)
        for secret in secrets(exercise):
            assert secret not in bare, f"the hint gives away {secret}"
