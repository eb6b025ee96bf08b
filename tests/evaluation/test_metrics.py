"""Ranking metrics: numbers by hand, brute force, and planted bugs that must show."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rlrec.errors import ConfigError
from rlrec.evaluation import metrics
from rlrec.evaluation.metrics import (
    between_user_overlap,
    catalogue_coverage,
    hit_rate,
    ndcg_at_k,
    ndcg_of_the_list,
    precision_at_k,
    recall_at_k,
    reciprocal_rank,
)
from rlrec.evaluation.protocols import Result

some_hits = arrays(np.bool_, st.tuples(st.integers(1, 6), st.integers(1, 12)))


def twin_ndcg(hits, n_relevant, k):
    """The definition, one user at a time, with an explicit ideal list."""
    gains = [hit / math.log2(place + 2) for place, hit in enumerate(hits[:k])]
    ideal_list = sorted([1] * n_relevant + [0] * k, reverse=True)[:k]
    ideal = [gain / math.log2(place + 2) for place, gain in enumerate(ideal_list)]
    return sum(gains) / sum(ideal) if n_relevant else 0.0


def test_by_hand():
    hits, relevant = [[1, 0, 1]], [3]
    assert precision_at_k(hits)[0] == pytest.approx(0.667, abs=5e-4)
    assert ndcg_at_k(hits, relevant)[0] == pytest.approx(
        1.5 / (1 + 1 / math.log2(3) + 0.5)
    )
    assert ndcg_at_k(hits, relevant)[0] == pytest.approx(0.704, abs=5e-4)
    assert ndcg_of_the_list(hits)[0] == pytest.approx(0.920, abs=5e-4)
    assert recall_at_k(hits, relevant)[0] == pytest.approx(2 / 3)
    assert recall_at_k(hits, relevant, 2)[0] == pytest.approx(1 / 3)
    assert (hit_rate(hits)[0], reciprocal_rank([[0, 0, 1]])[0]) == (
        1.0,
        pytest.approx(1 / 3),
    )


@settings(max_examples=60, deadline=None)
@given(some_hits, st.data())
def test_twins(hits, data):
    users, places = hits.shape
    k = data.draw(st.integers(1, places))
    relevant = hits.sum(axis=1) + data.draw(
        arrays(np.int64, users, elements=st.integers(0, 9))
    )
    twins = [
        twin_ndcg(row, int(n), k)
        for row, n in zip(hits.tolist(), relevant, strict=True)
    ]
    np.testing.assert_allclose(ndcg_at_k(hits, relevant, k), twins)
    firsts = [
        row[:k].index(True) + 1 if True in row[:k] else math.inf
        for row in hits.tolist()
    ]
    np.testing.assert_allclose(
        reciprocal_rank(hits, k), [1 / first for first in firsts]
    )
    np.testing.assert_allclose(
        hit_rate(hits, k), [float(first <= k) for first in firsts]
    )
    np.testing.assert_allclose(
        precision_at_k(hits, k), [sum(row[:k]) / k for row in hits.tolist()]
    )
    recalls = [
        sum(row[:k]) / n if n else 0.0
        for row, n in zip(hits.tolist(), relevant.tolist(), strict=True)
    ]
    np.testing.assert_allclose(recall_at_k(hits, relevant, k), recalls)


@settings(max_examples=60, deadline=None)
@given(some_hits, st.integers(0, 5))
def test_ranges_and_order(hits, more):
    relevant = hits.sum(axis=1) + more
    best_first = -np.sort(-hits.astype(int), axis=1)
    ndcg = ndcg_at_k(hits, relevant)
    assert ((ndcg >= 0) & (ndcg <= 1)).all()
    assert (ndcg_at_k(best_first, relevant) >= ndcg - 1e-12).all()
    assert (
        np.nan_to_num(ndcg_of_the_list(hits), nan=1.0) >= ndcg - 1e-12
    ).all()  # the forgiving variant


def test_mutation_worst_first_changes_ndcg():
    hits = np.array([[1, 1, 0, 0, 0], [0, 1, 0, 0, 1]])
    assert (ndcg_at_k(hits[:, ::-1], [2, 2]) != ndcg_at_k(hits, [2, 2])).all()
    assert ndcg_at_k(hits, [2, 2])[0] == 1.0


def test_mutation_ideal_over_the_hits_only():
    hits = np.array([[1, 0, 0, 0, 0]])
    assert ndcg_of_the_list(hits)[0] == 1.0  # a single hit on top looks perfect
    assert ndcg_at_k(hits, [5])[0] < 0.35


def test_mutation_wrong_divisor():
    """A short list keeps the divisor k; the mean is over the users evaluated."""
    short = np.array([[1, 1, 0, 0, 0]])  # two candidates only, both hits
    assert precision_at_k(short, 5)[0] == 0.4 != precision_at_k(short, 2)[0]
    assert len(precision_at_k(np.ones((12, 5)))) == 12


def test_users_without_relevant_items():
    nothing = np.zeros((1, 4))
    assert ndcg_at_k(nothing, [0])[0] == recall_at_k(nothing, [0])[0] == 0.0
    assert np.isnan(ndcg_of_the_list(nothing)).all()


def test_coverage_and_overlap_by_hand():
    same = np.tile([3, 1], (4, 1))
    assert (catalogue_coverage(same, 10), between_user_overlap(same)) == (0.2, 1.0)
    apart = np.arange(8).reshape(4, 2)
    assert (catalogue_coverage(apart, 8), between_user_overlap(apart)) == (1.0, 0.0)
    assert between_user_overlap([[0, 1]]) == 0.0
    assert catalogue_coverage([[0, -1], [-1, -1]], 2) == 0.5


def test_overlap_twin():
    rng = np.random.default_rng(0)
    lists = np.array([rng.choice(12, 5, replace=False) for _ in range(9)])
    lists[0, 3:] = -1
    pairs = [(a, b) for a in range(9) for b in range(a)]
    shared = [
        len((set(lists[a].tolist()) & set(lists[b].tolist())) - {-1}) / 5
        for a, b in pairs
    ]
    assert between_user_overlap(lists) == pytest.approx(np.mean(shared))


def test_an_item_twice_in_a_list_counts_once():
    """Overlap reached 2, and a list of one good film five times had P@5 1."""
    assert between_user_overlap([[7, 7], [7, 7]]) == 0.5
    assert between_user_overlap([[1, 2, 1], [1, 3, 3], [2, 1, 0]]) == pytest.approx(
        (1 + 2 + 1) / 9
    )
    lists = np.array([[3, 3, 5, 3, -1], [1, 2, 1, -1, -1]])
    assert metrics.first_places(lists).astype(int).tolist() == [
        [1, 0, 1, 0, 0],
        [1, 1, 0, 0, 0],
    ]
    assert not metrics.first_places([[-1, -1]]).any()
    hits = np.array([[1, 1, 0, 1, 0], [0, 1, 0, 0, 0]], np.bool_)
    found = Result("x", np.arange(2), lists, hits, np.array([2, 1]), 9, True).figures(5)
    assert found["P@5"].tolist() == [0.2, 0.2]
    assert found["R@5"].tolist() == [0.5, 1.0]
    ideal = 1 + 1 / np.log2(3)
    np.testing.assert_allclose(found["NDCG@5"], [1 / ideal, 1 / np.log2(3)])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: precision_at_k([1, 0, 1]),
        lambda: precision_at_k([[1, 0]], 3),
        lambda: precision_at_k([[1, 0]], 0),
        lambda: precision_at_k([[5, 4]]),  # ratings or ids instead of hits
        lambda: ndcg_at_k([[1, 1]], [1]),  # counted only some of the relevant items
        lambda: ndcg_at_k([[1, 1]], [[2]]),
        lambda: recall_at_k([[1, 1]], [2.5]),
        lambda: catalogue_coverage([[3]], 3),
        lambda: between_user_overlap([[0.5]]),
    ],
)
def test_bad_input_is_refused(wrong):
    with pytest.raises(ConfigError):
        wrong()


# -- average precision, diversity, novelty ---------------------------------------------
def test_average_precision_is_scikit_learns_where_everything_is_ranked():
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(0)
    relevant = rng.random((40, 12)) < 0.3
    relevant[:, 5] = (
        True  # scikit-learn has no figure for a user without a relevant item
    )
    expected = [average_precision_score(row, -np.arange(12)) for row in relevant]
    np.testing.assert_allclose(
        metrics.average_precision(relevant, relevant.sum(axis=1)), expected
    )


def test_average_precision_divides_by_what_k_places_could_hold():
    assert metrics.average_precision([[1, 1, 0]], [9], k=2).tolist() == [1.0]
    assert metrics.average_precision([[0, 0, 0]], [0]).tolist() == [0.0]
    assert metrics.average_precision([[0, 1, 0]], [1]).tolist() == [0.5]


def test_diversity_is_the_mean_over_pairs():
    from sklearn.metrics.pairwise import cosine_distances

    rng = np.random.default_rng(0)
    vectors, lists = (
        rng.normal(size=(30, 4)),
        np.array([rng.permutation(30)[:6] for _ in range(20)]),
    )
    lists[0, 3:], lists[1, 1:] = -1, -1
    vectors[7] = 0.0
    lists[2, 0] = 7 if 7 not in lists[2] else lists[2, 0]
    far = cosine_distances(vectors)
    expected = []
    for row in lists:
        row = row[row >= 0]
        pairs = [far[a, b] for place, a in enumerate(row) for b in row[place + 1 :]]
        expected.append(np.mean(pairs) if pairs else 0.0)
    np.testing.assert_allclose(metrics.intra_list_diversity(lists, vectors), expected)


def test_novelty_is_the_mean_of_bits():
    counts = np.array([3, 0, 1])  # with the ones added: 4, 1, 2 of 7
    expected = [-(np.log2(4 / 7) + np.log2(1 / 7)) / 2, -np.log2(2 / 7), 0.0]
    np.testing.assert_allclose(
        metrics.novelty([[0, 1], [2, -1], [-1, -1]], counts), expected
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: metrics.intra_list_diversity([[0, 3]], np.eye(3)),
        lambda: metrics.novelty([[0, 3]], [1, 1, 1]),
        lambda: metrics.novelty([[0]], [-1.0]),
        lambda: metrics.average_precision([[1, 1]], [1]),
    ],
)
def test_the_new_ones_refuse_what_does_not_fit(call):
    with pytest.raises(ConfigError):
        call()
