"""Top k against brute force: order, ties, masks; a list given worst first must not pass."""

import numpy as np
import pytest

from rlrec.errors import ConfigError
from rlrec.retrieval import best_k, top_k


def brute(scores, k, allowed):
    rows = []
    for row, may in zip(scores, allowed, strict=True):
        rows.append(sorted(np.flatnonzero(may).tolist(), key=lambda i: (-row[i], i))[:k])
    return rows


@pytest.mark.parametrize("seed", range(20))
def test_against_brute_force_with_ties_and_masks(seed):
    rng = np.random.default_rng(seed)
    vectors, items = rng.integers(-2, 3, (5, 3)).astype(float), rng.integers(-2, 3, (40, 3)).astype(float)
    allowed = rng.random((5, 40)) < 0.6
    for k in (1, 3, 12):
        assert top_k(vectors, items, k, allowed).tolist() == brute(vectors @ items.T, k, allowed)


def test_best_first():
    assert best_k(np.array([[0.1, 0.9, 0.5]]), 3).tolist() == [[1, 2, 0]]


def test_all_items_and_minus_infinity():
    assert best_k(np.array([[-np.inf, 1.0]]), 2).tolist() == [[1, 0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_large_catalogue(dtype):
    rng = np.random.default_rng(0)
    vectors, items = rng.normal(size=(8, 20)).astype(dtype), rng.normal(size=(3706, 20)).astype(dtype)
    everything = np.ones((8, 3706), np.bool_)
    assert top_k(vectors, items, 10).tolist() == brute(vectors @ items.T, 10, everything)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: top_k(np.zeros((1, 2)), np.zeros((3, 4)), 1), "same d"),
        (lambda: top_k(np.zeros((1, 2)), np.zeros((3, 2)), 4), "must lie in 1..3"),
        (lambda: best_k(np.zeros((2, 3)), 2, np.array([[1, 1, 0], [1, 0, 0]], bool)), "row 1 has 1 items left"),
        (lambda: best_k(np.zeros((2, 3)), 1, np.ones((1, 3), bool)), "make them equal"),
        (lambda: best_k(np.array([[np.nan, 1.0]]), 1), "not a number"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ConfigError, match=words):
        call()
