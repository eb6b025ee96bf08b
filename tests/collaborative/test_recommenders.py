"""Collaborative baselines: numbers by hand, twins, folding in, and every setting."""

from dataclasses import fields, replace

import numpy as np
import pytest
import scipy.sparse as sp

from rlrec.collaborative.recommenders import (
    EASE,
    BiasedMF,
    BiasedMFConfig,
    BiasesPlusEASE,
    BiasesPlusEASEConfig,
    EASEConfig,
    ItemKNN,
    ItemKNNConfig,
    PopularityByCount,
    PopularityByCountConfig,
    PopularityByMean,
    PopularityByMeanConfig,
    PureSVD,
    PureSVDConfig,
    RandomOrder,
    interaction_keys,
    rating_matrix,
)
from rlrec.datasets import Ratings, load_ratings
from rlrec.errors import ConfigError, DataError

CONFIGURED = {
    PopularityByCount: PopularityByCountConfig,
    PopularityByMean: PopularityByMeanConfig,
    ItemKNN: ItemKNNConfig,
    EASE: EASEConfig,
    BiasesPlusEASE: BiasesPlusEASEConfig,
    BiasedMF: BiasedMFConfig,
    PureSVD: PureSVDConfig,
}
CHANGED = {
    "positive": 5.0,
    "shrinkage": 40.0,
    "minimum": 30.0,
    "neighbours": 3,
    "regularisation": 3.0,
    "weight": 0.5,
    "item_shrinkage": 50.0,
    "user_shrinkage": 50.0,
    "ease": EASEConfig(50.0),
    "factors": 4,
    "sweeps": 2,
    "initial_scale": 0.3,
}


@pytest.fixture(scope="module")
def ratings() -> Ratings:
    return load_ratings("generated")


def hand(*triples: tuple[int, int, float], template: Ratings) -> Ratings:
    """A few (user, item, rating) by hand, three users and four items."""
    users, items, values = map(np.array, zip(*sorted(triples), strict=True))
    return replace(
        template,
        users=users,
        items=items,
        ratings=values,
        timestamps=np.arange(len(users)),
        user_ids=np.array(["1", "2", "3"]),
        item_ids=np.array(["a", "b", "c", "d"]),
        titles=np.array([""] * 4),
        genres=((),) * 4,
    )


@pytest.fixture
def small(ratings):
    likes = [
        (0, 0, 5.0),
        (0, 1, 4.0),
        (1, 0, 4.0),
        (1, 1, 5.0),
        (1, 2, 4.0),
        (2, 2, 1.0),
        (2, 0, 5.0),
    ]
    return hand(*likes, template=ratings)


def test_popularity_by_hand(small):
    known = rating_matrix(small)
    assert PopularityByCount().fit(small).scores(known)[0].tolist() == [3, 2, 1, 0]
    plain = PopularityByMean(PopularityByMeanConfig(shrinkage=0.0)).fit(small)
    np.testing.assert_allclose(
        plain.scores(known)[0], [14 / 3, 4.5, 2.5, 4.0]
    )  # nobody rated d: the overall mean
    shrunk = PopularityByMean(PopularityByMeanConfig(shrinkage=2.0)).fit(small)
    np.testing.assert_allclose(shrunk.scores(known)[0], [22 / 5, 17 / 4, 13 / 4, 4.0])
    some = PopularityByMean(PopularityByMeanConfig(shrinkage=0.0, minimum=3.0)).fit(
        small
    )
    assert some.scores(known)[0].argmax() == 0
    assert np.ptp(some.scores(known)[0, 1:]) == 0


def test_item_knn_by_hand(small):
    weights = ItemKNN().fit(small).weights
    np.testing.assert_allclose(weights[0], [0, 2 / np.sqrt(6), 1 / np.sqrt(3), 0])
    liked_b = sp.csr_matrix(
        ([5.0, 1.0], ([0, 0], [1, 2])), shape=(1, 4)
    )  # a dislike does not count
    np.testing.assert_allclose(
        ItemKNN().fit(small).scores(liked_b)[0], [2 / np.sqrt(6), 0, 1 / np.sqrt(2), 0]
    )
    assert ItemKNN().fit(small).recommend(liked_b, 2).tolist() == [
        [0, 3]
    ]  # b and c are known


@pytest.mark.parametrize("neighbours", [1, 3, 20])
def test_item_knn_keeps_its_neighbours_and_no_more_on_ties(ratings, neighbours):
    """Nearest first; of equal similarities more users, then the lower number."""
    liked = rating_matrix(ratings) >= 4
    together = (liked.T.astype(float) @ liked.astype(float)).toarray()
    every = ItemKNN().fit(ratings).weights
    found = ItemKNN(ItemKNNConfig(neighbours=neighbours)).fit(ratings).weights
    ties = 0
    for j, column in enumerate(every.T):
        nearest = sorted(
            np.flatnonzero(column),
            key=lambda i, j=j, column=column: (-column[i], -together[i, j], i),
        )
        assert np.flatnonzero(found[:, j]).tolist() == sorted(nearest[:neighbours])
        ties += np.sum(column >= column[nearest[:neighbours][-1:]].sum()) > neighbours
    np.testing.assert_array_equal(found[found > 0], every[found > 0])
    assert ties > 10


def test_ease_is_the_constrained_ridge_regression(small):
    """The closed form solves, for each item j, least squares of j on the others."""
    liked = (rating_matrix(small).toarray() >= 4).astype(float)
    weights = EASE(EASEConfig(regularisation=0.7)).fit(small).weights
    for j in range(4):
        others = [i for i in range(4) if i != j]
        x = liked[:, others]
        expected = np.linalg.solve(x.T @ x + 0.7 * np.eye(3), x.T @ liked[:, j])
        np.testing.assert_allclose(weights[others, j], expected, atol=1e-12)
        assert weights[j, j] == 0


def test_biases_plus_ease_by_hand(small):
    config = BiasesPlusEASEConfig(
        weight=2.0, item_shrinkage=1.0, user_shrinkage=1.0, ease=EASEConfig(0.7)
    )
    model, known = BiasesPlusEASE(config).fit(small), rating_matrix(small)
    item = np.array([(14 - 12) / 4, (9 - 8) / 3, (5 - 8) / 3, 0.0])
    user = np.array([(9 - 8 - item[0] - item[1]) / 3])
    ease = EASE(EASEConfig(0.7)).fit(small).scores(known)
    np.testing.assert_allclose(model.scores(known)[0], 4 + user + item + 2 * ease[0])


def test_biased_mf_half_sweep_is_ridge(small):
    model = BiasedMF(
        BiasedMFConfig(factors=2, sweeps=3, regularisation=0.1, shrinkage=0.5)
    ).fit(small)
    known = rating_matrix(small)[1]
    features = np.column_stack([model.items[:3, :2], np.ones(3)])
    right = np.array([4.0, 5.0, 4.0]) - model.mean - model.items[:3, 2]
    user = np.linalg.solve(
        features.T @ features + (0.3 + 0.5) * np.eye(3), features.T @ right
    )
    expected = model.mean + user[2] + model.items[:, 2] + model.items[:, :2] @ user[:2]
    np.testing.assert_allclose(model.scores(known)[0], expected)
    stranger = model.scores(sp.csr_matrix((1, 4)))[0]
    np.testing.assert_allclose(stranger, model.mean + model.items[:, 2])


def test_biased_mf_fits(ratings):
    known = rating_matrix(ratings)
    model = BiasedMF(BiasedMFConfig(factors=5)).fit(ratings)
    predicted = model.scores(known)[ratings.users, ratings.items]
    assert (
        np.sqrt(((predicted - ratings.ratings) ** 2).mean())
        < 0.8 * ratings.ratings.std()
    )


def test_pure_svd_is_the_truncated_svd(ratings):
    liked = (rating_matrix(ratings).toarray() >= 4).astype(float)
    u, s, v = np.linalg.svd(liked, full_matrices=False)
    scores = (
        PureSVD(PureSVDConfig(factors=6)).fit(ratings).scores(rating_matrix(ratings))
    )
    np.testing.assert_allclose(scores, (u[:, :6] * s[:6]) @ v[:6], atol=1e-6)


@pytest.mark.parametrize("kind", CONFIGURED)
def test_strangers_are_folded_in(kind, ratings):
    """A user's scores follow from the known ratings alone.

    Position, neighbours and training do not matter.
    """
    model, known = kind().fit(ratings), rating_matrix(ratings)
    alone, together = model.scores(known[7]), model.scores(known)
    np.testing.assert_allclose(alone[0], together[7], atol=1e-8)
    np.testing.assert_allclose(model(np.array([3]), known[7]), alone, atol=1e-12)
    assert model.scores(sp.csr_matrix((2, ratings.n_items))).shape == (
        2,
        ratings.n_items,
    )
    assert np.isfinite(together).all()


@pytest.mark.parametrize(
    ("kind", "name"),
    [(k, entry.name) for k, c in CONFIGURED.items() for entry in fields(c)],
)
def test_every_setting_is_read(kind, name, ratings):
    base = CONFIGURED[kind]()
    known = rating_matrix(ratings)
    before = kind(base).fit(ratings).scores(known)
    after = kind(replace(base, **{name: CHANGED[name]})).fit(ratings).scores(known)
    assert not np.allclose(before, after)


@pytest.mark.parametrize("kind", CONFIGURED)
def test_same_data_same_scores(kind, ratings):
    known = rating_matrix(ratings)
    assert (
        kind().fit(ratings).scores(known) == kind().fit(ratings).scores(known)
    ).all()


@pytest.mark.parametrize("kind", CONFIGURED)
def test_recommend_is_best_first_and_new(kind, ratings):
    model, known = kind().fit(ratings), rating_matrix(ratings)
    lists, scores = model.recommend(known, 7), model.scores(known)
    chosen = np.take_along_axis(scores, lists, axis=1)
    assert (np.diff(chosen, axis=1) <= 0).all()
    dense = known.toarray()
    assert (np.take_along_axis(dense, lists, axis=1) == 0).all()
    left_out = np.where(dense > 0, -np.inf, scores)
    np.put_along_axis(left_out, lists, -np.inf, axis=1)
    assert (chosen[:, -1] >= left_out.max(axis=1)).all()


def test_random_order_follows_its_rng(ratings):
    known = rating_matrix(ratings)[:40]
    first, again = (
        RandomOrder(np.random.default_rng(3)).fit(ratings) for _ in range(2)
    )
    assert (first.recommend(known, 5) == again.recommend(known, 5)).all()
    assert (
        first.recommend(known, 5) != again.recommend(rating_matrix(ratings)[40:80], 5)
    ).any()


def test_keys_survive_a_subset_and_a_new_coding(ratings):
    keys = interaction_keys(ratings)
    assert len(np.unique(keys)) == len(ratings)
    mask = np.arange(len(ratings)) % 3 == 0
    subset = replace(
        ratings,
        users=ratings.users[mask],
        items=ratings.items[mask],
        ratings=ratings.ratings[mask],
    )
    assert np.isin(interaction_keys(subset), keys).all()
    turned = replace(
        ratings,
        items=(ratings.n_items - 1 - ratings.items).astype(np.int32),
        item_ids=ratings.item_ids[::-1],
    )
    assert (interaction_keys(turned) == keys).all()
    assert (EASE().fit(subset).fitted_on == interaction_keys(subset)).all()


def test_rows_of_the_matrix_keep_the_order_of_time(ratings):
    matrix = rating_matrix(ratings)
    mine = ratings.users == 5
    assert matrix[5].indices.tolist() == ratings.items[mine].tolist()
    assert matrix[np.array([9, 5])][1].indices.tolist() == ratings.items[mine].tolist()
    assert matrix[5, ratings.items[mine][0]] == ratings.ratings[mine][0]


def test_a_rating_of_zero_is_known(small):
    zero = replace(small, ratings=np.where(small.ratings == 1.0, 0.0, small.ratings))
    assert rating_matrix(zero).nnz == len(zero)
    assert 2 not in PopularityByCount().fit(zero).recommend(rating_matrix(zero)[2], 2)


@pytest.mark.parametrize("kind", [ItemKNN, EASE, PureSVD])
def test_a_user_without_likes_is_recommended_what_is_popular(kind, ratings):
    model = kind().fit(ratings)
    stars = np.bincount(ratings.items, ratings.ratings, ratings.n_items)
    known = rating_matrix(ratings)[:2].tolil()
    known[0] = 0
    known[0, 3] = 1.0  # rated, not liked
    scores = model(np.arange(2), known.tocsr())
    np.testing.assert_allclose(scores[0], stars)
    np.testing.assert_array_equal(scores[1], model.scores(known.tocsr())[1])
    order = np.argsort(-stars, kind="stable")
    assert (
        model.recommend(known.tocsr(), 5)[0].tolist() == order[order != 3][:5].tolist()
    )


def test_bad_input_is_refused(small):
    known = rating_matrix(small)
    with pytest.raises(ConfigError, match="fit it first"):
        EASE().scores(known)
    with pytest.raises(ConfigError, match="unrated items left"):
        EASE().fit(small).recommend(known, 3)
    with pytest.raises(ConfigError, match="factors is 10"):
        PureSVD().fit(small)
    with pytest.raises(DataError, match="no ratings"):
        EASE().fit(
            replace(
                small,
                users=small.users[:0],
                items=small.items[:0],
                ratings=small.ratings[:0],
            )
        )
    for wrong in (
        lambda: EASEConfig(0.0),
        lambda: EASEConfig(np.inf),
        lambda: EASEConfig(np.nan),
        lambda: ItemKNNConfig(-1),
        lambda: BiasedMFConfig(factors=0),
    ):
        with pytest.raises(ConfigError):
            wrong()
