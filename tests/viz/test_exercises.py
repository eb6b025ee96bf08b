"""`check` says what is wrong, not just that something is."""

import numpy as np
import pytest

from rlrec.viz.exercises import check, difference, hint

CASES = [((10, 0.9, 0.2), 10.18), ((10, 0.9, 0.0), 10.0)]


def stub(reward, discount, best): ...


def refuse(reward, discount, best):
    raise NotImplementedError


def right(reward, discount, best):
    return reward + discount * best


def crash(reward, discount, best):
    return reward / best


def silent_later(reward, discount, best):
    return 10.18 if best else None


def said(capsys, *arguments, **keywords) -> str:
    check(*arguments, **keywords)
    return capsys.readouterr().out


@pytest.mark.parametrize("answer", [..., None, NotImplemented])
def test_open_value(capsys, answer) -> None:
    assert said(capsys, "02.1 value", answer, 1.918) == "not solved yet: 02.1 value\n"


@pytest.mark.parametrize("function", [stub, refuse, ...])
def test_open_function(capsys, function) -> None:
    assert (
        said(capsys, "02.2 target", function, cases=CASES)
        == "not solved yet: 02.2 target\n"
    )


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (1.918, 1.918),
        (1.9183, 1.918),
        (np.float32(1.918), lambda: 1.918),
        (5, 5.0),
        (5.0, 5),
        ("Pop", "Pop"),
        ([1, 2], np.array([1, 2])),
        (np.eye(2), [[1, 0], [0, 1]]),
        (["Pop", "Rock"], ["Pop", "Rock"]),
        (True, np.True_),
        ({"Pop": 1}, {"Pop": 1}),
    ],
)
def test_right(capsys, answer, expected) -> None:
    assert said(capsys, "02.1 value", answer, expected) == "correct: 02.1 value\n"


def test_right_function(capsys) -> None:
    assert said(capsys, "02.2 target", right, cases=CASES) == "correct: 02.2 target\n"


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        (1.9, 1.918, "yours 1.9, expected 1.918"),
        (-0.918, 0.918, "the sign is the other way round"),
        (float("nan"), 1.0, "yours nan, expected 1.0"),
        ([1, 2], 1.5, "one value is asked for, yours has shape (2,)"),
        ([1, 2], [1, 2, 3], "yours has shape (2,), expected (3,)"),
        ([[1], [2, 3]], [1, 2], "rows of different lengths"),
        (
            [[1, 2], [3, 5]],
            [[1, 2], [3, 4]],
            "1 of 4 entries differs, the first at [1, 1]: yours 5, expected 4",
        ),
        (
            [-1.0, 2.0],
            [1.0, -2.0],
            "2 of 2 entries differ, the first at [0]: yours -1.0, expected 1.0; "
            "all signs",
        ),
        ("1.918", 1.918, "yours holds text"),
        (1.0, True, "expected true or false"),
        ("Rock", "Pop", "yours 'Rock', expected 'Pop'"),
        (
            ["Pop", "Jazz"],
            ["Pop", "Rock"],
            "the first at [1]: yours 'Jazz', expected 'Rock'",
        ),
    ],
)
def test_wrong_value_is_told_what_is_wrong(capsys, answer, expected, words) -> None:
    out = said(capsys, "02.1 value", answer, expected)
    assert out.startswith("not right yet: 02.1 value\n")
    assert words in out


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (
            lambda r, d, q: r - d * q,
            "for input (10, 0.9, 0.2): yours 9.82, expected 10.18",
        ),
        (
            crash,
            "your function raised ZeroDivisionError on input (10, 0.9, 0.0), in line",
        ),
        (lambda r, d, q: r / 0, "ZeroDivisionError: division by zero"),
        (lambda r: r, "TypeError"),
        (silent_later, "for input (10, 0.9, 0.0) yours gives None"),
        (10.18, "a function is asked for, yours is a float: 10.18"),
    ],
)
def test_wrong_function_is_told_where(capsys, function, words) -> None:
    cases = CASES if function is not crash else CASES[::-1]
    assert words in said(capsys, "02.2 target", function, cases=cases)


def test_known_mistakes_are_explained(capsys) -> None:
    mistakes = [(1.9, "You left out the next state.")]
    assert "left out the next state" in said(
        capsys, "02.1", 1.9, 1.918, mistakes=mistakes
    )
    assert "left out" not in said(capsys, "02.1", 1.8, 1.918, mistakes=mistakes)


def test_arguments_are_not_shared(capsys) -> None:
    history = [1, 2]
    check("x", lambda songs: songs.pop(), cases=[((history,), 2), ((history,), 2)])
    assert history == [1, 2]
    assert capsys.readouterr().out == "correct: x\n"


def test_the_check_itself_is_checked() -> None:
    with pytest.raises(ValueError, match="either expected"):
        check("x", 1)
    with pytest.raises(ValueError, match="either expected"):
        check("x", 1, 1, cases=CASES)


def test_tolerance() -> None:
    assert difference(1.0, 1.01, tolerance=0.02) is None
    assert difference(1.0, 1.01) is not None


def test_hint_is_folded() -> None:
    folded = hint("Look at r < 0.")
    assert (
        folded._repr_html_()
        == "<details><summary>Hint</summary>Look at r &lt; 0.</details>"
    )
    assert "Look" not in repr(folded)
