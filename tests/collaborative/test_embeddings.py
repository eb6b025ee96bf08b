"""Factorisation, folding in, co-count vectors: recovery, by hand, no leak, storing."""

from dataclasses import fields, replace

import numpy as np
import pytest
import scipy.sparse as sp
from ratings_samples import RATINGS, STARS, made

from rlrec.collaborative import embeddings
from rlrec.collaborative.embeddings import (
    EmbeddingConfig,
    Embeddings,
    cocount_vectors,
    liked_sums,
    ridge_rows,
    train_embeddings,
)
from rlrec.collaborative.recommenders import interaction_keys, rating_matrix
from rlrec.errors import ConfigError, DataError

SMALL = EmbeddingConfig(dimensions=4, epochs=60, learning_rate=0.02, batch_size=128)


@pytest.fixture(scope="module")
def trained():
    return train_embeddings(RATINGS, SMALL, seed=1)


def test_it_recovers_what_it_has_not_seen(trained):
    found = trained.predict(trained.users, trained.user_biases)
    unseen = np.ones(STARS.shape, bool)
    unseen[RATINGS.users, RATINGS.items] = False
    error = np.sqrt(np.mean((found - STARS)[unseen] ** 2))
    assert error < 0.45 * STARS[unseen].std()


def test_folding_in_serves_strangers(trained):
    """New users are predicted from 12 ratings far better than by the average."""
    rng = np.random.default_rng(9)
    items = np.linalg.svd(STARS - STARS.mean(axis=1, keepdims=True))[2][:2] * 6
    strangers = (
        3 + rng.normal(size=(30, 2)) @ items + (STARS.mean(axis=0) - STARS.mean())
    )
    known = np.zeros_like(strangers)
    known[:, :12] = strangers[:, :12]
    found = trained.predict(*trained.fold_in(sp.csr_matrix(known)))
    rest = strangers[:, 12:]
    assert (
        np.sqrt(np.mean((found[:, 12:] - rest) ** 2))
        < 0.7 * (rest - trained.item_biases[12:] - trained.mean).std()
    )


def test_folding_in_is_the_ridge_solution(trained):
    known = rating_matrix(RATINGS)[:3]
    vectors, biases = trained.fold_in(known, ridge=0.3)
    for user in range(3):
        items = known[user].indices
        features = np.column_stack([trained.items[items], np.ones(len(items))]).astype(
            float
        )
        rest = known[user].data - trained.mean - trained.item_biases[items]
        gram = features.T @ features + 0.3 * len(items) * np.eye(5)
        np.testing.assert_allclose(
            [*vectors[user], biases[user]],
            np.linalg.solve(gram, features.T @ rest),
            rtol=1e-6,
        )


def test_nobody_is_looked_up_who_was_not_there():
    some = made(
        RATINGS.users[:200],
        RATINGS.items[:200],
        RATINGS.ratings[:200],
        60,
        40,
        RATINGS.genres,
    )
    found = train_embeddings(some, replace(SMALL, epochs=2))
    assert not found.users[~found.trained].any()
    assert not found.user_biases[~found.trained].any()
    assert found.trained.sum() == len(np.unique(RATINGS.users[:200]))
    vectors, biases = found.fold_in(sp.csr_matrix((2, 40)))
    assert not vectors.any()
    assert not biases.any()


def test_it_says_what_it_was_fitted_on(trained):
    np.testing.assert_array_equal(trained.fitted_on, interaction_keys(RATINGS))


def test_items_never_rated_live_by_their_genres_alone():
    genres = (("A",), ("B",), ("A",), ("B",))
    two = made(
        [0, 0, 1, 1] * 20,
        [0, 1, 0, 1] * 20,
        [5, 1, 4, 2] * 20,
        n_items=4,
        genres=genres,
    )
    with_genres = train_embeddings(two, SMALL)
    assert np.abs(with_genres.items[2]).max() > 0
    assert with_genres.item_biases[2] == 0
    assert not train_embeddings(two, replace(SMALL, use_genres=False)).items[2:].any()


def test_same_seed_same_bits():
    short = replace(SMALL, epochs=2)
    one, two, other = (
        train_embeddings(RATINGS, short, seed).items for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


CHANGES = {
    "dimensions": 3,
    "epochs": 3,
    "learning_rate": 0.1,
    "l2": 0.5,
    "batch_size": 64,
    "use_genres": False,
}


@pytest.mark.parametrize("name", [field.name for field in fields(EmbeddingConfig)])
def test_each_hyperparameter_is_read(name):
    short = replace(SMALL, epochs=2)
    one, other = (
        train_embeddings(RATINGS, c).items
        for c in (short, replace(short, **{name: CHANGES[name]}))
    )
    assert one.shape != other.shape or (one != other).any()


def test_save_and_load(tmp_path, trained):
    trained.save(tmp_path)
    twin = Embeddings.load(tmp_path)
    for name in (
        "items",
        "users",
        "item_biases",
        "user_biases",
        "fitted_on",
        "trained",
    ):
        np.testing.assert_array_equal(getattr(twin, name), getattr(trained, name))
    assert (twin.mean, twin.config) == (trained.mean, trained.config)
    with pytest.raises(DataError, match="is this the folder of a run"):
        Embeddings.load(tmp_path / "nowhere")


def test_cocount_vectors_by_hand():
    """Items 0 and 1 liked together by two users, item 2 alone by one.

    Counts (2, 2, 1), G = [[2, 2, 0], ..].
    """
    ratings = made([0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 2, 0], [5, 5, 4, 4, 5, 1])
    found = cocount_vectors(ratings, dimensions=2, power=0.5)
    gram = found @ found.T
    expected = np.array([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]])
    np.testing.assert_allclose(
        gram, expected * gram[2, 2], atol=1e-6
    )  # cosines, up to the scale
    assert np.mean((found**2).sum(axis=1)) == pytest.approx(1.0, rel=1e-6)


def test_cocount_vectors_against_the_dense_eigenvectors():
    found = cocount_vectors(RATINGS, dimensions=5, power=0.375)
    liked = (rating_matrix(RATINGS).toarray() >= 4.0).astype(float)
    together = liked.T @ liked
    shrink = np.maximum(together.diagonal(), 1.0) ** -0.375
    values, vectors = np.linalg.eigh(shrink[:, None] * together * shrink)
    top = vectors[:, -5:] * np.sqrt(values[-5:])
    np.testing.assert_allclose(
        found @ found.T, top @ top.T / np.mean((top**2).sum(axis=1)), atol=1e-4
    )


def test_liked_sums_by_hand():
    vectors = np.array([[3.0, 0], [0, 4], [9, 9]])
    known = sp.csr_matrix(np.array([[5.0, 4, 1], [0, 0, 2]]))
    np.testing.assert_allclose(liked_sums(known, vectors), [[0.6, 0.8], [0, 0]])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: EmbeddingConfig(dimensions=0), "dimensions is 0"),
        (lambda: EmbeddingConfig(learning_rate=0.0), "must be above 0"),
        (lambda: cocount_vectors(RATINGS, dimensions=40), "must lie in 1..39"),
    ],
)
def test_bad_settings(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_ridge_rows_in_blocks_are_the_ridge_solutions_one_by_one(monkeypatch):
    """[p, b] of two entries by hand, then every row by plain linear algebra."""
    one = sp.csr_matrix([[3.0, 0.0], [0.0, 0.0]])
    factors = np.array([[2.0, 1.0], [5.0, 5.0]])
    # X = [2, 1], y = 3 - 1 = 2: (X'X + I) [p, b] = X'y = [4, 2], so p = 2/3, b = 1/3
    found = ridge_rows(one, factors, 1.0)
    np.testing.assert_allclose(found, [[2 / 3, 1 / 3], [0.0, 0.0]])
    rng = np.random.default_rng(0)
    table = sp.random(23, 9, 0.3, format="csr", random_state=0)
    factors = rng.normal(size=(9, 4))
    for rows in (1, 5, 1024):
        monkeypatch.setattr(embeddings, "ROWS", rows)
        found = ridge_rows(table, factors, 0.3, 2.0)
        for row in range(23):
            index = table[row].indices
            x = np.column_stack([factors[index, :-1], np.ones(len(index))])
            y = table[row].data - factors[index, -1]
            gram = x.T @ x + (0.3 * len(index) + 2.0) * np.eye(4)
            np.testing.assert_allclose(found[row], np.linalg.solve(gram, x.T @ y))
