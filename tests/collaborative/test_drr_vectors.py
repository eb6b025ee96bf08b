"""Vectors: the scores of the models they are made from, folding in, no leak."""

from dataclasses import replace

import numpy as np
import pytest
from ratings_samples import RATINGS

from rlrec.collaborative import drr_vectors
from rlrec.collaborative.drr_vectors import (
    FACTORS,
    KINDS,
    Vectors,
    _scores_at,
    _tune_hybrid,
    make_vectors,
)
from rlrec.collaborative.embeddings import cocount_vectors, liked_sums
from rlrec.collaborative.recommenders import EASE, BiasedMF
from rlrec.datasets.matrices import earlier_and_later, interaction_keys, rating_matrix
from rlrec.errors import ConfigError, DataError

KNOWN = rating_matrix(earlier_and_later(RATINGS, 0.5)[0])


def score(vectors):
    return vectors.users(KNOWN) @ vectors.items.T


def test_hybrid_is_factorisation_plus_weighted_ease_but_for_what_the_rank_cuts_off():
    config, weight = _tune_hybrid(RATINGS, 0)
    factors = BiasedMF(config, rng=np.random.default_rng(0)).fit(RATINGS).scores(KNOWN)
    expected = factors + weight * EASE().fit(RATINGS).scores(KNOWN)
    found = score(
        make_vectors("hybrid", RATINGS, FACTORS + RATINGS.n_items, 0)
    )  # all but one singular value
    centred = [
        x - x.mean(axis=1, keepdims=True) for x in (found, expected)
    ]  # mean and user bias change no ranking
    assert weight > 0.0
    np.testing.assert_allclose(*centred, atol=0.02)


def test_cocount_is_the_sum_of_what_was_liked():
    found = score(make_vectors("cocount", RATINGS, 6, 0))
    vectors = cocount_vectors(RATINGS, 6)
    expected = liked_sums(KNOWN, vectors) @ vectors.T
    for row, other in zip(
        found, expected, strict=True
    ):  # liked_sums is scaled to length 1
        if np.abs(other).max() > 0:
            np.testing.assert_allclose(
                row / np.abs(row).max(),
                other / np.abs(other).max(),
                rtol=1e-4,
                atol=1e-6,
            )


def test_mf_folds_in_as_the_embeddings_do():
    from rlrec.collaborative.embeddings import EmbeddingConfig, train_embeddings

    embeddings = train_embeddings(RATINGS, EmbeddingConfig(dimensions=5), 3)
    expected = embeddings.predict(*embeddings.fold_in(KNOWN))
    found = score(make_vectors("mf", RATINGS, 6, 3))
    np.testing.assert_allclose(
        np.ptp(found - expected, axis=1), 0.0, atol=1e-4
    )  # but for mean and user bias


@pytest.mark.parametrize("kind", KINDS)
def test_users_and_items_spread_alike_and_survive_a_round_trip(kind, tmp_path):
    found = make_vectors(kind, RATINGS, 30, 0)
    users, items = (
        np.sqrt((x**2).mean(axis=0))
        for x in (found.users(rating_matrix(RATINGS)), found.items)
    )
    np.testing.assert_allclose(users, items, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(found.fitted_on, interaction_keys(RATINGS))
    found.save(tmp_path)
    np.testing.assert_array_equal(score(Vectors.load(tmp_path)), score(found))


def test_refusals(tmp_path):
    with pytest.raises(ConfigError, match="choose one of"):
        make_vectors("svd", RATINGS, 6, 0)
    with pytest.raises(ConfigError, match=r"hybrid vectors of 90: they need 2\.\.60"):
        make_vectors("hybrid", RATINGS, 90, 0)
    with pytest.raises(ConfigError, match="known has 3 items"):
        make_vectors("cocount", RATINGS, 6, 0).users(KNOWN[:, :3])
    with pytest.raises(DataError):
        Vectors.load(tmp_path)


def test_scores_at_the_answers_are_those_of_the_whole_table(monkeypatch):
    early, late = earlier_and_later(RATINGS)
    known = rating_matrix(early)
    answers = rating_matrix(late).tocoo()
    for model in (EASE().fit(early), BiasedMF().fit(early)):
        whole = model.scores(known)[answers.row, answers.col]
        for users in (1, 7, 10_000):
            monkeypatch.setattr(drr_vectors, "USERS", users)
            np.testing.assert_allclose(
                _scores_at(model, known, answers), whole, rtol=1e-12
            )


def test_the_penalty_of_least_error_is_found_without_trying_what_lies_behind(
    monkeypatch,
):
    """Errors that rise from the first penalty on: the third is not tried."""
    tried = []

    class Counted(BiasedMF):
        def fit(self, ratings):
            tried.append(self.config.regularisation)
            return super().fit(ratings)

    monkeypatch.setattr(drr_vectors, "BiasedMF", Counted)
    for penalties in ((0.1, 50.0, 0.2), (50.0, 0.2, 0.1), (50.0, 0.2, 60.0)):
        tried.clear()
        monkeypatch.setattr(drr_vectors, "PENALTIES", penalties)
        config, _ = _tune_hybrid(RATINGS, 0)
        errors = []
        early, late = earlier_and_later(RATINGS)
        answers = rating_matrix(late).tocoo()
        for penalty in penalties:
            model = BiasedMF(replace(config, regularisation=penalty)).fit(early)
            scores = model.scores(rating_matrix(early))[answers.row, answers.col]
            errors.append(np.mean((answers.data - scores) ** 2))
        if errors[1] > errors[0]:
            assert (tried, config.regularisation) == (list(penalties[:2]), penalties[0])
        else:
            assert tried == list(penalties)
            assert config.regularisation == penalties[int(np.argmin(errors))]
    assert len(tried) == 3
