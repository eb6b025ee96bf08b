"""Protocols and brute force, planted leaks to be caught, figures of real data."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rlrec.collaborative.recommenders import (
    EASE,
    BiasedMF,
    BiasesPlusEASE,
    BiasesPlusEASEConfig,
    EASEConfig,
    ItemKNN,
    PopularityByCount,
    PopularityByMean,
    PopularityByMeanConfig,
    PureSVD,
    RandomOrder,
    interaction_keys,
    rating_matrix,
)
from rlrec.datasets import Ratings, load_ratings
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation import tuning
from rlrec.evaluation.metrics import ndcg_at_k
from rlrec.evaluation.protocols import (
    Result,
    Split,
    check_no_leak,
    compare,
    next_item,
    oracle,
    rerank,
    session,
    split_next_item,
    split_rerank,
    split_session,
)

SPLITS = {
    "rerank, time": (lambda r: split_rerank(r), rerank),
    "rerank, random": (
        lambda r: split_rerank(r, "random", np.random.default_rng(0)),
        rerank,
    ),
    "session": (lambda r: split_session(r, np.random.default_rng(0)), session),
    "next_item, point": (lambda r: split_next_item(r), next_item),
    "next_item, user": (lambda r: split_next_item(r, "user"), next_item),
}


@pytest.fixture(scope="module")
def ratings() -> Ratings:
    return load_ratings("generated")


def scatter(users, known):
    """Scores that differ for each user and item, without learning anything."""
    return np.sin(np.outer(users + 1.0, np.arange(known.shape[1]) + 1.0) * 12.9898)


class Lookup:
    """A leak as published: a user's vector is looked up, whatever it was trained on."""

    def fit(self, ratings: Ratings):
        left, size, right = np.linalg.svd(
            rating_matrix(ratings).toarray() >= 4, full_matrices=False
        )
        self.table = (left[:, :60] * size[:60]) @ right[:60]
        return self

    def __call__(self, users, known):
        return self.table[users]


class LookupWithKeys(Lookup):
    def fit(self, ratings: Ratings):
        self.fitted_on = interaction_keys(ratings)
        return super().fit(ratings)


def rows(part: Ratings, user: int) -> list[tuple[int, float]]:
    mine = part.users == user
    return list(
        zip(part.items[mine].tolist(), part.ratings[mine].tolist(), strict=True)
    )


def twin(
    split: Split, scorer, k: int, whole_catalogue: bool
) -> tuple[list[list[int]], list[int]]:
    """One user at a time, with lists and sets: recommended ids, and hits."""
    lists, hits = [], []
    known = rating_matrix(split.known)
    for user in split.users.tolist():
        scores = scorer(np.array([user]), known[user])[0]
        known_items = {item for item, _ in rows(split.known, user)}
        held_out = dict(rows(split.held_out, user))
        pool = (
            set(range(len(scores))) - known_items if whole_catalogue else set(held_out)
        )
        ranked = sorted(pool, key=lambda item: (-scores[item], item))[:k]
        lists.append(ranked + [-1] * (k - len(ranked)))
        hits.append(sum(held_out.get(item, 0.0) >= 4 for item in ranked))
    return lists, hits


# -- splits ----------------------------------------------------------------------------
def test_rerank_split_by_time(ratings):
    split = split_rerank(ratings)
    count = np.bincount(ratings.users)
    held = np.bincount(split.held_out.users)
    assert held.tolist() == [-(-int(n) // 5) for n in count]  # a fifth, rounded up
    more = np.bincount(split_rerank(ratings, share=0.55).held_out.users)
    assert set(more[count == 20]) == {
        11
    }  # 0.55 x 20 is 11.000000000000002 in floating point
    assert len(split.train) + len(split.held_out) == len(ratings)
    for user in range(0, ratings.n_users, 37):
        assert rows(split.train, user) + rows(split.held_out, user) == rows(
            ratings, user
        )
    assert split.known.items.tolist() == split.train.items.tolist()


def test_rerank_split_at_random(ratings):
    first, again = (
        split_rerank(ratings, "random", np.random.default_rng(4)) for _ in range(2)
    )
    other = split_rerank(ratings, "random", np.random.default_rng(5))
    assert (
        first.held_out.items.tolist()
        == again.held_out.items.tolist()
        != other.held_out.items.tolist()
    )
    assert (
        np.bincount(first.held_out.users).tolist()
        == np.bincount(split_rerank(ratings).held_out.users).tolist()
    )
    assert not np.isin(
        interaction_keys(first.held_out), interaction_keys(first.train)
    ).any()
    places = []
    for user in range(100):
        items = ratings.items[ratings.users == user]
        held_out = first.held_out.items[first.held_out.users == user]
        places.extend(np.flatnonzero(np.isin(items, held_out)) / len(items))
    assert abs(np.mean(places) - 0.5) < 0.03  # early and late alike


def test_session_split(ratings):
    split = split_session(ratings, np.random.default_rng(1))
    assert len(split.users) == 60
    assert not np.isin(split.train.users, split.users).any()
    assert len(np.unique(split.train.users)) == 240
    user = int(split.users[0])
    assert len(rows(split.known, user)) == 10
    assert rows(split.known, user) + rows(split.held_out, user) == rows(ratings, user)
    assert split_session(ratings).users.tolist() == list(range(240, 300))


def test_next_item_split_at_a_point(ratings):
    split = split_next_item(ratings, "point", share=0.2)
    assert split.train.timestamps.max() < split.held_out.timestamps.min()
    assert len(split.train) / len(ratings) == pytest.approx(0.8, abs=0.01)
    assert np.bincount(split.held_out.users).max() == 1
    user, item = int(split.held_out.users[0]), int(split.held_out.items[0])
    moment = split.train.timestamps.max()
    later = (
        (ratings.users == user) & (ratings.timestamps > moment) & (ratings.ratings >= 4)
    )
    assert ratings.items[later][0] == item


def test_next_item_split_by_user(ratings):
    split = split_next_item(ratings, "user")
    for user, item in zip(
        split.held_out.users[:20].tolist(),
        split.held_out.items[:20].tolist(),
        strict=True,
    ):
        everything = rows(ratings, user)
        last = max(i for i, (_, rating) in enumerate(everything) if rating >= 4)
        assert everything[last][0] == item
        assert rows(split.train, user) == everything[:last]


def test_splits_refuse_nonsense(ratings):
    for wrong in (
        lambda: split_rerank(ratings, "random"),
        lambda: split_rerank(ratings, "date"),
        lambda: split_rerank(ratings, share=1.0),
        lambda: split_session(ratings, share=0.001),
        lambda: split_next_item(ratings, "week"),
    ):
        with pytest.raises(ConfigError):
            wrong()
    timeless = replace(ratings, timestamps=np.zeros_like(ratings.timestamps))
    with pytest.raises(DataError, match="same time"):
        split_next_item(timeless)
    assert len(split_next_item(timeless, "user").users)
    with pytest.raises(DataError, match="0 users to evaluate; give more ratings"):
        split_session(ratings, known=100_000)


# -- protocols -------------------------------------------------------------------------
@pytest.mark.parametrize("name", SPLITS)
def test_protocol_against_its_twin(name, ratings):
    make, protocol = SPLITS[name]
    split = make(ratings)
    found = protocol(split, scatter, 10)
    lists, hits = twin(split, scatter, 10, whole_catalogue=protocol is not rerank)
    assert found.recommended.tolist() == lists
    assert found.hits.sum(axis=1).tolist() == hits
    liked = split.held_out.users[split.held_out.ratings >= 4]
    assert found.n_relevant.tolist() == [
        int((liked == user).sum()) for user in split.users
    ]
    assert not found.leak_checked


def test_rerank_by_hand(ratings):
    """One user, ten ratings, two held out: a list of two and three empty places."""
    one = ratings.users == 0
    first = np.flatnonzero(one)[:10]
    small = replace(
        ratings,
        users=ratings.users[first],
        items=np.arange(10, dtype=np.int32),
        ratings=np.array([3] * 8 + [2, 5.0]),
        timestamps=np.arange(10),
    )
    split = split_rerank(small)
    by_number = rerank(
        split, lambda users, known: -np.arange(known.shape[1])[None, :] * 1.0, 5
    )
    assert by_number.recommended.tolist() == [[8, 9, -1, -1, -1]]
    figures = {name: float(values[0]) for name, values in by_number.figures(5).items()}
    assert figures["P@5"] == 0.2
    assert figures["NDCG@5"] == pytest.approx(0.6309, abs=1e-4)
    assert rerank(split, oracle(split), 5).figures(5)["NDCG@5"].tolist() == [1.0]


def nothing(users, known):
    """The same score for every item."""
    return np.zeros(known.shape)


def errors_above_random(split: Split, protocol, k: int = 5) -> float:
    """Hits of ``nothing`` above those of a random order, in standard errors.

    The hits of a random list are hypergeometric: mean k r / n, variance
    k r / n (1 - r / n) (n - k) / (n - 1), r relevant among n candidates.
    """
    found = protocol(split, nothing, k)
    rated = split.held_out if protocol is rerank else split.known
    n = np.bincount(rated.users, minlength=split.train.n_users)[split.users]
    if protocol is not rerank:
        n = split.train.n_items - n
    places = np.minimum(k, n)
    share = found.n_relevant / n
    variance = places * share * (1 - share) * (n - places) / np.maximum(n - 1, 1)
    above = found.hits.sum(axis=1) - places * share
    return above.sum() / np.sqrt(variance.sum())


def splits_of(ratings: Ratings):
    return (
        (split_rerank(ratings), rerank),
        (split_session(ratings), session),
        (split_next_item(ratings, "user"), next_item),
    )


def test_equal_scores_are_ranked_at_random(ratings):
    for split, protocol in splits_of(ratings):
        lists = protocol(split, nothing, 3).recommended
        assert np.array_equal(lists, protocol(split, nothing, 3).recommended)
        assert len(np.unique(lists[:, 0])) > 10
        assert abs(errors_above_random(split, protocol)) < 2.6
        # item 7 is best, all others are equal: only they are shuffled
        best = protocol(
            split, lambda users, known: np.eye(known.shape[1])[[7] * len(users)], 3
        )
        offered = (best.recommended == 7).any(axis=1)
        assert offered.any()
        assert (best.recommended[offered, 0] == 7).all()


def test_mutation_worst_first(ratings):
    split = split_rerank(ratings)
    model = BiasesPlusEASE().fit(split.train)
    best, worst = (
        rerank(split, model, 5),
        rerank(split, lambda users, known: -model(users, known), 5),
    )
    assert best.means([5])["P@5"] > worst.means([5])["P@5"] + 0.05
    turned = ndcg_at_k(best.hits[:, ::-1], best.n_relevant)
    assert turned.mean() < best.means([5])["NDCG@5"] - 0.005


def test_oracle_is_never_passed(ratings):
    for make, protocol in SPLITS.values():
        split = make(ratings)
        top = protocol(split, oracle(split), 5)
        assert top.figures(5)["NDCG@5"][top.n_relevant > 0].min() == pytest.approx(1.0)
        assert (
            top.hits.sum(axis=1) >= protocol(split, scatter, 5).hits.sum(axis=1)
        ).all()


def test_feedback_reveals_one_rating_a_place(ratings):
    split = split_rerank(ratings)
    asked = []

    def watch(users, known):
        if users[0] == 0:
            asked.append(known[0].copy())
        return scatter(users, known)

    found = rerank(split, watch, 3, feedback=True)
    assert found.recommended.tolist() == rerank(split, scatter, 3).recommended.tolist()
    truth = dict(rows(split.held_out, 0))
    assert [row.nnz for row in asked] == [asked[0].nnz + i for i in range(3)]
    assert (
        asked[2].indices[-2:].tolist() == found.recommended[0, :2].tolist()
    )  # in the order they were shown
    assert asked[2].data[-2:].tolist() == [
        truth[item] for item in found.recommended[0, :2].tolist()
    ]


def test_feedback_can_change_the_list(ratings):
    split = split_rerank(ratings)
    model = ItemKNN().fit(split.train)
    at_once, in_turn = rerank(split, model, 5), rerank(split, model, 5, feedback=True)
    assert (at_once.recommended[:, 0] == in_turn.recommended[:, 0]).all()
    assert (at_once.recommended != in_turn.recommended).any()


def test_bad_scores_are_refused(ratings):
    split = split_rerank(ratings)
    for wrong in (
        lambda users, known: np.full(known.shape, np.nan),
        lambda users, known: np.zeros(known.shape[1]),
        lambda users, known: np.zeros((known.shape[0], 1)),
    ):
        with pytest.raises(ConfigError, match="without nan"):
            rerank(split, wrong)
    with pytest.raises(ConfigError, match="k is 0"):
        rerank(split, scatter, 0)
    masked = rerank(split, lambda users, known: np.full(known.shape, -np.inf), 3)
    assert (masked.recommended[:, 0] >= 0).all()


def test_means_name_coverage_and_the_collapse_alarm(ratings):
    split = split_session(ratings)
    found = compare(session, split, {"popularity": PopularityByCount(), "EASE": EASE()})
    everybody, personal = found["popularity"].means(), found["EASE"].means()
    assert everybody["overlap@10"] > 0.6 > personal["overlap@10"]
    assert everybody["coverage@10"] < personal["coverage@10"]
    assert set(everybody) >= {
        "P@5",
        "R@5",
        "NDCG@5",
        "hit@5",
        "MRR@5",
        "list-NDCG@5",
        "P@10",
    }


# -- leaks -----------------------------------------------------------------------------
@pytest.mark.parametrize("name", SPLITS)
def test_planted_leak_raises_the_figures(name, ratings):
    make, protocol = SPLITS[name]
    split = make(ratings)
    if name == "session":  # nothing to look up for strangers: the honest twin folds in
        honest = protocol(split, PureSVD().fit(split.train), 5).means([5])["NDCG@5"]
    else:
        honest = protocol(split, Lookup().fit(split.train), 5).means([5])["NDCG@5"]
    leaked = protocol(split, Lookup().fit(ratings), 5).means([5])["NDCG@5"]
    assert leaked > honest + 0.1


@pytest.mark.parametrize("name", SPLITS)
def test_planted_leak_is_caught(name, ratings):
    make, protocol = SPLITS[name]
    split = make(ratings)
    for model in (LookupWithKeys(), EASE(), PopularityByMean()):
        with pytest.raises(ConfigError, match="leak: fitted on"):
            protocol(split, model.fit(ratings), 5)
        assert protocol(split, model.fit(split.train), 5).leak_checked


def test_one_held_out_interaction_is_enough(ratings):
    split = split_rerank(ratings)
    pair = ratings.users.astype(np.int64) * ratings.n_items + ratings.items
    mask = np.isin(
        pair, split.train.users.astype(np.int64) * ratings.n_items + split.train.items
    )
    mask[np.flatnonzero(~mask)[17]] = True
    nearly = replace(
        ratings,
        users=ratings.users[mask],
        items=ratings.items[mask],
        ratings=ratings.ratings[mask],
    )
    with pytest.raises(
        ConfigError, match="1 interactions outside of training, 1 of them held out"
    ):
        check_no_leak(EASE().fit(nearly), split)


def test_compare_fits_on_training_only(ratings):
    seen = []

    class Witness(PopularityByCount):
        def fit(self, ratings):
            seen.append(len(ratings))
            return super().fit(ratings)

    split = split_rerank(ratings)
    found = compare(rerank, split, {"witness": Witness()}, 5)
    assert seen == [len(split.train)]
    assert found["witness"].leak_checked


def test_what_says_nothing_is_not_vouched_for(ratings):
    split = split_rerank(ratings)
    assert not check_no_leak(scatter, split)
    assert not check_no_leak(EASE(), split)  # not fitted on anything yet


# -- real data -------------------------------------------------------------------------
def real(name: str) -> Ratings:
    folder = os.environ.get("RLREC_DATA")
    if not folder or not (Path(folder) / name).is_dir():
        pytest.skip(f"set RLREC_DATA to a folder that holds {name} to run this")
    return load_ratings(Path(folder) / name)


@pytest.mark.parametrize("name", ["ml-100k", "ml-latest-small", "ml-1m"])
def test_low_numbers_gain_nothing_on_movielens(name):
    """Item numbers of MovieLens follow fame: by number P@5 was .106 against .032."""
    for split, protocol in splits_of(real(name)):
        assert abs(errors_above_random(split, protocol)) < 2.6


def precision(split, models, k=5):
    found = {"oracle": rerank(split, oracle(split), k)} | compare(
        rerank, split, models, k
    )
    return {name: result.means([k])[f"P@{k}"] for name, result in found.items()}


def baselines(ease: float, blend: float):
    return {
        "random": RandomOrder(np.random.default_rng(0)),
        "count": PopularityByCount(),
        "mean": PopularityByMean(),
        "EASE": EASE(EASEConfig(ease)),
        "biases + 2 x EASE": BiasesPlusEASE(
            BiasesPlusEASEConfig(ease=EASEConfig(blend))
        ),
    }


def test_rerank_on_movielens_100k_by_time():
    given = {
        "random": 0.537,
        "count": 0.638,
        "mean": 0.666,
        "EASE": 0.668,
        "biases + 2 x EASE": 0.681,
        "oracle": 0.833,
    }
    assert precision(
        split_rerank(real("ml-100k")), baselines(500.0, 100.0)
    ) == pytest.approx(given, abs=0.004)


def test_rerank_on_movielens_100k_at_random():
    """Figures of random splits have a standard deviation of .004 to .01 over seeds."""
    given = {
        "random": 0.578,
        "count": 0.686,
        "mean": 0.718,
        "EASE": 0.724,
        "biases + 2 x EASE": 0.733,
        "oracle": 0.873,
    }
    split = split_rerank(real("ml-100k"), "random", np.random.default_rng(0))
    assert precision(split, baselines(500.0, 100.0)) == pytest.approx(given, abs=0.015)


slow = pytest.mark.skipif(
    not os.environ.get("RLREC_SLOW"),
    reason="about a minute: set RLREC_SLOW=1 to run this",
)


@slow
def test_rerank_on_movielens_1m():
    ratings = real("ml-1m")
    split = split_rerank(ratings)
    given = {
        "random": 0.591,
        "count": 0.693,
        "mean": 0.732,
        "EASE": 0.724,
        "biases + 2 x EASE": 0.746,
        "oracle": 0.914,
    }
    assert precision(split, baselines(500.0, 500.0)) == pytest.approx(given, abs=0.004)
    assert precision(split, {"MF": BiasedMF()})["MF"] > 0.757
    assert precision(split, {"count": PopularityByCount()}, 10) == pytest.approx(
        {"count": 0.607, "oracle": 0.775}, abs=0.003
    )
    paper = rerank(split, PopularityByCount().fit(split.train)).means()
    assert (paper["list-NDCG@5"], paper["list-NDCG@10"]) == pytest.approx(
        (0.8875, 0.8745), abs=0.002
    )


@slow
def test_session_on_movielens_1m():
    split = split_session(real("ml-1m"))
    assert len(split.users) == 1208
    models = {
        "random": RandomOrder(np.random.default_rng(0)),
        "mean": PopularityByMean(PopularityByMeanConfig(shrinkage=0.0, minimum=50)),
        "count": PopularityByCount(),
        "EASE": EASE(EASEConfig(1000.0)),
        "PureSVD-10": PureSVD(),
        "item-kNN": ItemKNN(),
    }
    found = {
        name: result.means() for name, result in compare(session, split, models).items()
    }
    given = {
        "random": 0.021,
        "mean": 0.200,
        "count": 0.350,
        "EASE": 0.379,
        "PureSVD-10": 0.405,
        "item-kNN": 0.425,
    }
    assert {name: figures["P@5"] for name, figures in found.items()} == pytest.approx(
        given, abs=0.004
    )
    given = {
        "random": 0.024,
        "mean": 0.191,
        "count": 0.324,
        "EASE": 0.348,
        "PureSVD-10": 0.367,
        "item-kNN": 0.396,
    }
    assert {name: figures["P@10"] for name, figures in found.items()} == pytest.approx(
        given, abs=0.004
    )
    assert found["item-kNN"]["NDCG@5"] == pytest.approx(0.432, abs=0.002)


def test_an_item_that_stands_twice_is_one_hit():
    lists = np.array([[4, 4]])
    hits = np.ones((1, 2), bool)
    twice = Result("by hand", np.zeros(1, int), lists, hits, np.array([2]), 9, True)
    assert twice.figures(2)["P@2"].tolist() == [0.5]
    assert twice.figures(2)["R@2"].tolist() == [0.5]


def test_settings_are_chosen_on_training_data_and_fitted_on_all_of_it(
    ratings, monkeypatch
):
    """Two settings of one model: each knows the answers of one split, and no more."""

    class Fitted:
        def __init__(self, name):
            self.name = name

        def fit(self, train):
            self.keys = interaction_keys(train)
            fitted.append(self.keys)
            return self

        def __call__(self, users, known):
            return knowing[self.name](users, known)

    fitted = []
    split = split_rerank(ratings)
    inner = tuning.validation_split(split, "rerank", np.random.default_rng(0))

    def family(train, seed, dimensions):
        # 1: knows the answers of a validation part; 2: those of the split
        axis = tuning.Axis((1, 2), 1, 2)
        return [tuning.Family("mine", Fitted, (axis,))]

    monkeypatch.setattr(tuning, "families", family)
    monkeypatch.setattr(tuning, "_defaults", lambda seed: {})
    knowing = {1: oracle(inner), 2: oracle(split)}
    models = tuning.tuned_baselines(split, "rerank", np.random.default_rng(0))
    assert models["mine"].name == 1
    np.testing.assert_array_equal(models["mine"].keys, interaction_keys(split.train))
    np.testing.assert_array_equal(fitted[0], interaction_keys(inner.train))
