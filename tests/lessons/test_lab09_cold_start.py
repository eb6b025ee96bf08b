"""Lesson 09, interactive cold start: the belief by hand, who plays what, the study."""

import lab09_cold_start as cold
import numpy as np
from numpy.testing import assert_allclose

from rlrec.datasets import load_ratings

# Two people who differ in one direction: .7 each, plus or minus .2.
TWO = np.array([[0.9, 0.5], [0.5, 0.9]])


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def seen_after_a_like() -> cold.Seen:
    crowd = cold.Crowd(np.array([0.7, 0.7]), np.array([[0.2], [-0.2]]), 0.17)
    return cold.see(crowd, np.array([[0]]), np.array([[1.0]]))


def test_a_crowd_by_hand():
    crowd = cold.Crowd.of(TWO, k=1)
    assert_allclose(crowd.popularity, [0.7, 0.7])
    assert_allclose(np.abs(crowd.films[:, 0]), [0.2, 0.2])
    assert crowd.films.prod() < 0
    # (.09 + .25) / 2
    assert_allclose(crowd.noise, 0.17)


def test_a_belief_by_hand():
    seen = seen_after_a_like()
    # 1 + .04 / .17 = 1.2353; .2 (1 - .7) / .17 / 1.2353 = .2857
    assert_allclose(seen.covariance, [[[0.8095]]], atol=1e-4)
    assert_allclose(seen.mean, [[0.2857]], atol=1e-4)
    assert_allclose(cold.expected(seen), [[0.7571, 0.6429]], atol=1e-4)
    assert_allclose(cold.unsure(seen), [[0.1799, 0.1799]], atol=1e-4)
    assert_allclose(cold.ucb(2.0)(seen), [[1.1170, 1.0027]], atol=1e-4)
    assert_allclose(cold.popular(seen), [[0.7, 0.7]])


def test_features_end_with_what_is_unsure():
    found = cold.features(seen_after_a_like())
    assert found.shape == (1, 2, 7)
    # constant; film . the liked one; none was disliked; film . mean; log odds of .7
    by_hand = [1.0, 0.04, 0.0, 0.0571, 0.8473, 0.7, 0.1799]
    assert_allclose(found[0, 0], by_hand, atol=1e-4)


def test_no_film_comes_twice_and_the_popular_come_first():
    likes = rng().random((3, 30))
    answers = likes > 0.5
    history, liked = cold.play(cold.Crowd.of(likes, 2), answers, cold.popular)
    order = np.argsort(-likes.mean(axis=0))[: cold.FILMS]
    assert (history == order).all()
    assert_allclose(liked, answers[:, order])


def test_the_learner_finds_the_liked_films():
    likes = np.tile(np.linspace(0.05, 0.95, 60), (50, 1))
    likes[:, ::2] = likes[::-1, ::2]
    learned = cold.learn_n_step(cold.Crowd.of(likes + 1e-3, 2), likes, 1, rng())
    _, liked = cold.play(cold.Crowd.of(likes, 2), likes > 0.6, learned)
    assert liked.mean() > 0.95


def test_films_with_few_ratings_are_left_out():
    ratings = load_ratings("generated")
    enough = np.bincount(ratings.items) >= 30
    likes = cold.like_probabilities(ratings, rng())
    assert likes.shape == (ratings.n_users, enough.sum())
    assert 0.0 < likes.min() < 0.3
    assert 0.8 < likes.max() < 1.0


def test_a_study_has_all_policies_and_the_seer_leads(monkeypatch):
    likes = rng().random((60, 40))
    monkeypatch.setattr(cold, "like_probabilities", lambda *_: likes)
    found = cold.study_cold_start("generated", seeds=(0, 1), command="", say=str)
    assert [one.pop("seed") for one in found["likes"]] == [0, 1]
    for one in found["likes"]:
        assert len(one) == 6
        assert max(one, key=one.get) == "seer"
    assert found["likes"][0] != found["likes"][1]
