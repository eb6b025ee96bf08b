"""Lesson 09, interactive cold start: is there anything to plan for with ratings?

A stranger is recommended 20 films, one at a time, and likes each or does not. The
ratings that nobody gave are filled in by a factorisation, so that every film has an
answer:

    P(like) = sigmoid(2.2 (stars - 3.55))

Known people teach what is popular, and in which directions people differ. Of a
stranger nothing is known but the answers, folded into a Gaussian belief.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, logit

from rlrec.agents.interactions import rating_interactions
from rlrec.agents.nstep import Regression, n_step_returns
from rlrec.collaborative.recommenders import BiasedMF
from rlrec.datasets import Ratings, load_ratings
from rlrec.datasets.matrices import rating_matrix
from rlrec.runs.provenance import provenance
from rlrec.types import Bools, Floats, Ids, Say

FILMS = 20  # recommended to each stranger
WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of UCB, tried on known people
ROUNDS = 8  # of practice, in each of them with some of the known people
PRACTICE = 256
RIDGE = 10.0


def like_probabilities(
    ratings: Ratings, rng: np.random.Generator, least: int = 30
) -> Floats:
    """P(like) of all people and all films with ``least`` ratings: [people, films]."""
    often = np.bincount(ratings.items, minlength=ratings.n_items) >= least
    stars = BiasedMF(rng=rng).fit(ratings).scores(rating_matrix(ratings))
    filled: Floats = expit(2.2 * (stars[:, often] - 3.55))
    return filled


class Crowd(NamedTuple):
    """What known people teach: P(like) of a stranger is popularity + films . u."""

    popularity: Floats  # [films] mean P(like)
    films: Floats  # [films, k] directions; u [k] is Gaussian with variance 1
    noise: float  # variance of an answer around P(like)

    @classmethod
    def of(cls, likes: Floats, k: int = 10) -> Crowd:
        """From P(like) of known people [people, films]; ``k``: directions kept."""
        popularity = likes.mean(axis=0)
        _, sizes, rows = np.linalg.svd(likes - popularity, full_matrices=False)
        films = rows[:k].T * sizes[:k] / np.sqrt(len(likes))
        return cls(popularity, films, float((likes * (1.0 - likes)).mean()))


class Seen(NamedTuple):
    """What is known of each stranger after some films."""

    crowd: Crowd
    history: Ids  # [people, n] films so far
    liked: Floats  # [people, n] 1 liked, 0 not
    mean: Floats  # [people, k] of the belief about u
    covariance: Floats  # [people, k, k]


def see(crowd: Crowd, history: Ids, liked: Floats) -> Seen:
    """Bayesian ridge regression of the answers on the films played.

    covariance = (I + F'F / noise)^-1
    mean = covariance F'(liked - popularity) / noise
    """
    played = crowd.films[history]  # [people, n, k]
    gram = np.einsum("pni,pnj->pij", played, played) / crowd.noise
    covariance = np.linalg.inv(np.eye(played.shape[2]) + gram)
    surprise = (liked - crowd.popularity[history]) / crowd.noise
    moment = np.einsum("pni,pn->pi", played, surprise)
    mean = np.einsum("pij,pj->pi", covariance, moment)
    return Seen(crowd, history, liked, mean, covariance)


Scores = Callable[[Seen], Floats]  # [people, films], the largest is recommended


def popular(seen: Seen) -> Floats:
    """Popularity, whatever the answers were."""
    return np.tile(seen.crowd.popularity, (len(seen.history), 1))


def expected(seen: Seen) -> Floats:
    """P(like) by the belief: greedy."""
    values: Floats = seen.crowd.popularity + seen.mean @ seen.crowd.films.T
    return values


def unsure(seen: Seen) -> Floats:
    """Standard deviation of P(like) by the belief."""
    films = seen.crowd.films
    variance = np.einsum("fi,pij,fj->pf", films, seen.covariance, films, optimize=True)
    spread: Floats = np.sqrt(variance)
    return spread


def ucb(width: float) -> Scores:
    """An upper confidence bound: expected + ``width`` times unsure."""
    return lambda seen: expected(seen) + width * unsure(seen)


def features(seen: Seen) -> Floats:
    """The interactions of films with a session, and unsure: [people, films, 7]."""
    crowd = seen.crowd
    bias = logit(np.clip(crowd.popularity, 1e-6, 1.0 - 1e-6))
    known = rating_interactions(
        crowd.films, seen.mean, seen.history, seen.liked, bias, crowd.popularity
    )
    return np.concatenate([known, unsure(seen)[:, :, None]], axis=2)


def play(crowd: Crowd, answers: Bools, scores: Scores) -> tuple[Ids, Floats]:
    """Recommend ``FILMS`` films, one at a time: films and likes, [people, FILMS].

    ``answers`` [people, films]: whether a person would like a film.
    """
    people = np.arange(len(answers))
    history = np.zeros((len(answers), 0), np.int64)
    liked = np.zeros((len(answers), 0))
    for _ in range(FILMS):
        values = scores(see(crowd, history, liked)).copy()
        np.put_along_axis(values, history, -np.inf, axis=1)
        film = values.argmax(axis=1)
        history = np.column_stack([history, film])
        liked = np.column_stack([liked, answers[people, film]])
    return history, liked


def learn_n_step(
    crowd: Crowd, likes: Floats, n: int, rng: np.random.Generator
) -> Scores:
    """A linear n-step learner, trained on known people [people, films]."""
    learner = Regression(7)
    chosen: list[Floats] = []
    for number in range(ROUNDS):
        epsilon = max(0.1, 1.0 - number / (ROUNDS - 1))
        chosen.clear()

        def explore(seen: Seen, epsilon: float = epsilon) -> Floats:
            seen_features = features(seen)
            values: Floats = seen_features @ learner.weights
            tried = rng.random(len(values)) < epsilon
            values[tried] = rng.random(values.shape)[tried]
            chosen.append(seen_features)
            return values

        some = rng.permutation(likes)[:PRACTICE]
        history, liked = play(crowd, rng.random(some.shape) < some, explore)
        rows = np.arange(len(history))
        played = [chosen[t][rows, history[:, t]] for t in range(FILMS)]
        over = np.zeros((FILMS, len(rows)), np.bool_)
        over[-1] = True
        returns, _ = n_step_returns(liked.T, over, np.zeros_like(over), n, 1.0)
        learner.learn(np.concatenate(played), returns.ravel(), RIDGE)
    return lambda seen: np.asarray(features(seen) @ learner.weights)


def likes_of(ratings: Ratings, seed: int, share: float = 0.2) -> dict[str, float]:
    """Mean likes of ``FILMS`` of each policy, to a ``share`` of the people: strangers.

    Everybody gets the same answers, so that policies differ by their choice alone.
    """
    rng = np.random.default_rng([seed, 9])
    likes = rng.permutation(like_probabilities(ratings, rng))
    strangers, known = np.split(likes, [round(share * len(likes))])
    crowd = Crowd.of(known)
    practice = rng.random(known.shape)[:PRACTICE] < known[:PRACTICE]
    tried = [play(crowd, practice, ucb(width))[1].mean() for width in WIDTHS]
    policies: dict[str, Scores] = {
        "popularity": popular,
        "greedy on the belief": expected,
        "UCB": ucb(WIDTHS[int(np.argmax(tried))]),
        "n-step, n = 1": learn_n_step(crowd, known, 1, rng),
        "n-step, n = 3": learn_n_step(crowd, known, 3, rng),
        "seer": lambda _: strangers,
    }
    answers = rng.random(strangers.shape) < strangers
    found = {}
    for name, scores in policies.items():
        _, liked = play(crowd, answers, scores)
        found[name] = float(liked.sum(axis=1).mean())
    return found


def study_cold_start(
    data: str, *, seeds: Sequence[int] = tuple(range(5)), command: str, say: Say = print
) -> dict[str, Any]:
    """``likes_of`` for several ``seeds``, with provenance."""
    start = time.monotonic()
    ratings = load_ratings(data)
    likes = []
    for seed in seeds:
        likes.append({"seed": seed} | likes_of(ratings, seed))
        say(str(likes[-1]))
    return {"data": data, "films": FILMS, "likes": likes} | provenance(command, start)
