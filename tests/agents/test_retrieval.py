"""Top k and nearest neighbours against brute force: order, ties, masks."""

import numpy as np
import pytest

from rlrec.agents.retrieval import Neighbours, best_k, top_k
from rlrec.errors import ConfigError


def brute(scores, k, allowed):
    rows = []
    for row, may in zip(scores, allowed, strict=True):
        rows.append(
            sorted(np.flatnonzero(may).tolist(), key=lambda i: (-row[i], i))[:k]
        )
    return rows


@pytest.mark.parametrize("seed", range(20))
def test_against_brute_force_with_ties_and_masks(seed):
    rng = np.random.default_rng(seed)
    vectors, items = (
        rng.integers(-2, 3, (5, 3)).astype(float),
        rng.integers(-2, 3, (40, 3)).astype(float),
    )
    allowed = rng.random((5, 40)) < 0.6
    for k in (1, 3, 12):
        assert top_k(vectors, items, k, allowed).tolist() == brute(
            vectors @ items.T, k, allowed
        )


def test_best_first():
    assert best_k(np.array([[0.1, 0.9, 0.5]]), 3).tolist() == [[1, 2, 0]]


def test_all_items_and_minus_infinity():
    assert best_k(np.array([[-np.inf, 1.0]]), 2).tolist() == [[1, 0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_allowed_never_comes_whatever_the_scores(dtype):
    scores = np.array([[9.0, -np.inf, 8.0, -np.inf], [-np.inf, 3.0, 1.0, 2.0]], dtype)
    allowed = np.array([[0, 1, 0, 1], [1, 0, 0, 1]], np.bool_)
    assert best_k(scores, 1, allowed).tolist() == [[1], [3]]
    assert best_k(scores, 2, allowed).tolist() == [[1, 3], [3, 0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_large_catalogue(dtype):
    rng = np.random.default_rng(0)
    vectors, items = (
        rng.normal(size=(8, 20)).astype(dtype),
        rng.normal(size=(3706, 20)).astype(dtype),
    )
    everything = np.ones((8, 3706), np.bool_)
    assert top_k(vectors, items, 10).tolist() == brute(
        vectors @ items.T, 10, everything
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: top_k(np.zeros((1, 2)), np.zeros((3, 4)), 1), "same d"),
        (lambda: top_k(np.zeros((1, 2)), np.zeros((3, 2)), 4), "must lie in 1..3"),
        (
            lambda: best_k(np.zeros((2, 3)), 2, np.array([[1, 1, 0], [1, 0, 0]], bool)),
            "1..1, the items left in row 1",
        ),
        (lambda: best_k(np.zeros((2, 3)), 1, np.ones((1, 3), bool)), "make them equal"),
        (lambda: best_k(np.array([[np.nan, 1.0]]), 1), "not a number"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ConfigError, match=words):
        call()


# -- nearest neighbours ------------------------------------------------------------
def brute_nearest(vectors, points, k, exclude):
    rows = []
    for point, out in zip(points, exclude, strict=True):
        squared = ((vectors - point) ** 2).sum(axis=1)
        left = sorted(
            set(range(len(vectors))) - set(out.tolist()), key=lambda i: (squared[i], i)
        )
        rows.append(left[:k])
    return rows


@pytest.mark.parametrize("dimensions", range(1, 12))
def test_neighbours_against_brute_force_with_ties_and_exclusions(dimensions):
    """Whole-number coordinates: many items share a place, many more a distance."""
    rng = np.random.default_rng(dimensions)
    vectors, points = (
        rng.integers(0, 3, (60, dimensions)),
        rng.integers(0, 3, (9, dimensions)),
    )
    exclude = rng.integers(-1, 60, (9, 7))
    index = Neighbours(vectors)
    for k in (1, 4, 20, 53):
        assert index.nearest(points, k, exclude).tolist() == brute_nearest(
            vectors, points, k, exclude
        )


def test_neighbours_among_many_without_ties():
    rng = np.random.default_rng(0)
    vectors, points = rng.random((5000, 5)), rng.random((50, 5))
    nobody = np.full((50, 1), -1)
    assert Neighbours(vectors).nearest(points).tolist() == brute_nearest(
        vectors, points, 4, nobody
    )


def test_equal_distances_that_straddle_the_end_of_the_list():
    """Item 6 is at the point; all others are 1 away, more than a first look fetches."""
    vectors = np.array([[1.0]] * 6 + [[0.0]] + [[-1.0]] * 60)
    assert Neighbours(vectors).nearest(np.zeros(1), 4).tolist() == [[6, 0, 1, 2]]
    assert Neighbours(vectors).nearest(np.zeros(1), 4, np.array([[6, 1]])).tolist() == [
        [0, 2, 3, 4]
    ]
    same = Neighbours(np.full((500, 5), 0.3))
    assert same.nearest(
        np.full((2, 5), 0.3), 3, np.array([[-1, -1], [0, 2]])
    ).tolist() == [[0, 1, 2], [1, 3, 4]]


def test_one_point_one_item_and_nobody():
    one = Neighbours(np.array([[2.0, 3.0]]))
    assert one.nearest(np.zeros(2), 1).tolist() == [[0]]
    assert Neighbours(np.eye(3)).nearest(np.zeros((0, 3))).shape == (0, 4)
    twice = np.array([[0, 0, -1, 0]])  # named three times, left out once
    for given in (twice, twice.tolist()):
        assert Neighbours(np.eye(3)).nearest(np.zeros(3), 2, given).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda index: index.nearest(np.zeros(3)), r"need \[batch, 2\]"),
        (lambda index: index.nearest(np.array([np.nan, 0.0])), "points contain NaN"),
        (lambda index: index.nearest(np.zeros(2), 6), "k is 6; it must lie in 1..5"),
        (lambda index: index.nearest(np.zeros(2), 0), "k is 0"),
        (
            lambda index: index.nearest(
                np.zeros((2, 2)), 4, np.array([[-1, -1], [0, 3]])
            ),
            "1..3, the items left in row 1",
        ),
        (
            lambda index: index.nearest(np.zeros(2), 1, np.array([[5]])),
            "exclude holds 5, outside -1..4",
        ),
        (
            lambda index: index.nearest(np.zeros(2), 1, np.array([0])),
            r"need ids \[1, m\]",
        ),
        (lambda index: index.nearest(np.zeros(2), 1, np.array([[0.0]])), "is float64"),
        (lambda _: Neighbours(np.zeros((0, 2))), "at least one"),
        (lambda _: Neighbours(np.array([[np.inf]])), "diverged"),
    ],
)
def test_bad_questions(call, words):
    with pytest.raises(ConfigError, match=words):
        call(Neighbours(np.arange(10.0).reshape(5, 2)))
