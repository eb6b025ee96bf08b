"""`check` says what is wrong, in words, and keeps what is expected to itself."""

import sys
from types import ModuleType

import numpy as np
import pytest

from rlrec.errors import ConfigError
from rlrec.viz import exercises
from rlrec.viz.exercises import Exercise, Folded, NotRightError, check, difference


def stub(reward, discount, best): ...


def refuse(reward, discount, best):
    raise NotImplementedError


def without_return(reward, discount, best):
    reward += discount * best


def right(reward, discount, best):
    return reward + discount * best


def no_future(reward, discount, best):
    return reward


def no_discount(reward, discount, best):
    return reward + best


def crash(reward, discount, best):
    return reward / (best - 0.2)


def judged(function, *arguments):
    if function(*arguments) > 11:
        raise NotRightError("Too much of a good thing.")
    return function(*arguments)


TARGET = Exercise(
    "td_target",
    cases=[((10, 0.9, 0.2), 10.18), ((10, 0.9, 0.0), 10.0), ((1.0, 0.5, 4.0), 3.0)],
    mistakes=[
        (no_future, "You left out the next state."),
        (no_discount, "The next state is discounted."),
    ],
    hints=["Two parts.", "Reward, plus the rest."],
)
VALUE = Exercise("value", expected=1.918, mistakes=[(1.9, "No next state.")])
LIST = Exercise("list", expected=[1.25, 2.5, 3.75])
JUDGED = Exercise("judged", cases=TARGET.cases, run=judged)


@pytest.fixture(autouse=True)
def specifications(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("exercises.lesson98")
    module.EXERCISES = {
        "98.1": TARGET,
        "98.2": VALUE,
        "98.3": LIST,
        "98.4": JUDGED,
    }
    monkeypatch.setitem(sys.modules, "exercises", ModuleType("exercises"))
    monkeypatch.setitem(sys.modules, "exercises.lesson98", module)
    monkeypatch.setattr(exercises, "_tried", {})


def said(capsys, number, answer) -> str:
    check(number, answer)
    return capsys.readouterr().out


@pytest.mark.parametrize("answer", [..., None, NotImplemented])
def test_open_value(capsys, answer) -> None:
    assert said(capsys, "98.2", answer) == "not solved yet: 98.2 value\n"


@pytest.mark.parametrize("function", [stub, ...])
def test_open_function(capsys, function) -> None:
    assert said(capsys, "98.1", function) == "not solved yet: 98.1 td_target\n"


def test_a_function_without_return_is_not_open(capsys) -> None:
    assert "is a `return` missing?" in said(capsys, "98.1", without_return)


def test_right(capsys) -> None:
    assert said(capsys, "98.2", np.float32(1.918)) == "correct: 98.2 value\n"
    assert said(capsys, "98.1", right) == "correct: 98.1 td_target\n"
    assert said(capsys, "98.3", np.array([1.25, 2.5, 3.75])) == "correct: 98.3 list\n"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (1.9183, 1.918),
        (5, 5.0),
        (5.0, 5),
        ("Pop", "Pop"),
        (np.eye(2), [[1, 0], [0, 1]]),
        (["Pop", "Rock"], ["Pop", "Rock"]),
        (True, np.True_),
    ],
)
def test_no_difference(answer, expected) -> None:
    assert difference(answer, expected) is None


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        (1.9, 1.918, "yours is 1.9"),
        (-0.918, 0.918, "yours is -0.918: the sign is the other way round"),
        (float("nan"), 1.5, "yours is nan"),
        ([1, 2], 1.5, "yours has shape (2,), asked for is one value: [1, 2]"),
        ([1, 2], [1, 2, 3], "yours has shape (2,), asked for is shape (3,)"),
        ([[1], [2, 3]], [1, 2], "rows of different lengths"),
        (
            [[1, 2], [3, 5]],
            [[1, 2], [3, 4]],
            "3 of 4 entries are right; not the one at [1, 1], yours is 5",
        ),
        ([2.5, 1.5], [1.5, 2.5], "the right entries in another order"),
        ("1.918", 1.918, "yours holds text, asked for is numbers"),
        (1.0, True, "asked for is true or false"),
        ("Rock", "Pop", "yours is 'Rock'"),
        (["Pop", "Jazz"], ["Pop", "Rock"], "1 of 2 entries is right"),
        (None, 1.5, "yours gives None"),
    ],
)
def test_difference_is_told(answer, expected, words) -> None:
    found = difference(answer, expected)
    assert words in found
    assert "1.5" not in found or "1.5" in str(answer)
    assert "0.918" not in found.replace("-0.918", "")


def test_tolerance() -> None:
    assert difference(1.0, 1.01, tolerance=0.02) is None
    assert difference(1.0, 1.01) is not None


def test_partial_credit(capsys) -> None:
    assert "right for 1 of 3 inputs; for input (10, 0.9, 0.2): yours is 10" in said(
        capsys, "98.1", lambda reward, discount, best: reward
    )
    assert "2 of 3 entries are right; not the one at [1]" in said(
        capsys, "98.3", [1.25, 0.0, 3.75]
    )


def test_a_mistake_is_named_if_it_agrees_on_every_case(capsys) -> None:
    def no_future_of_mine(reward, discount, best):
        return reward * 1.0

    def no_future_at_first(reward, discount, best):
        return reward if reward == 10 else 2 * reward

    assert "left out the next state" in said(capsys, "98.1", no_future_of_mine)
    assert "left out" not in said(capsys, "98.1", no_future_at_first)
    assert "is discounted" in said(capsys, "98.1", lambda r, d, b: r + b)
    assert "No next state" in said(capsys, "98.2", 1.9)


def test_an_exception_is_told_with_the_readers_own_line(capsys) -> None:
    def through_the_library(reward, discount, best):
        return np.linalg.inv(np.zeros((2, 2)))

    out = said(capsys, "98.1", crash)
    assert "for input (10, 0.9, 0.2): yours raised ZeroDivisionError in line" in out
    assert ", return reward / (best - 0.2): float division by zero" in out
    out = said(capsys, "98.1", through_the_library)
    assert ", return np.linalg.inv(np.zeros((2, 2))): Singular matrix" in out
    assert "TypeError" in said(capsys, "98.1", lambda reward: reward)
    assert "yours is a float: 10.18" in said(capsys, "98.1", 10.18)
    assert "yours gives None" in said(capsys, "98.1", refuse)


def test_a_specification_may_judge_for_itself(capsys) -> None:
    assert "  Too much of a good thing." in said(
        capsys, "98.4", lambda reward, discount, best: 12.0
    )


def headings(number, answer) -> list[str]:
    folded = check(number, answer)
    assert isinstance(folded, Folded)
    return [heading for heading, _ in folded.parts]


def test_what_is_expected_unfolds_at_the_third_serious_try(capsys) -> None:
    hints = ["Hint 1", "Hint 2"]
    for junk in (0, 1, "x", [], lambda *_: 0, lambda *_: 1, lambda *_: -1, crash):
        assert headings("98.1", junk) == hints
    assert headings("98.1", lambda r, d, b: r - b) == hints
    assert headings("98.1", lambda r, d, b: r - b) == hints  # the same again
    assert headings("98.1", no_future) == hints
    assert headings("98.1", lambda r, d, b: r * b) == [*hints, "What is expected"]
    shown = check("98.1", lambda r, d, b: r * b)._repr_html_()
    assert "for input (10, 0.9, 0.2): 10.18" in shown
    assert "10.18" not in capsys.readouterr().out


def test_arguments_are_not_shared(capsys) -> None:
    history = [1, 2]
    pop = Exercise("pop", cases=[((history,), 2), ((history,), 2)])
    assert pop.problem(pop.results(lambda songs: songs.pop())) is None
    assert history == [1, 2]


def test_unknown_number() -> None:
    for number in ("98.9", "97.1", "x"):
        with pytest.raises(ConfigError, match="no exercise"):
            check(number, 1)


def test_a_specification_that_lacks_a_module_says_which(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    package = ModuleType("exercises")
    package.__path__ = [str(tmp_path)]
    monkeypatch.setitem(sys.modules, "exercises", package)
    (tmp_path / "lesson96.py").write_text("import no_such_module\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        check("96.1", 1)


def test_folded_text_is_escaped() -> None:
    folded = Folded([("Hint 1", "Look at r < 0."), ("Hint 2", "There.")])
    assert (
        "<details><summary>Hint 1</summary>Look at r &lt; 0.</details>"
        in folded._repr_html_()
    )
    assert repr(folded) == "Hint 1 · Hint 2 (folded)"
