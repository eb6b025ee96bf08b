"""Recommenders from other people's ratings as contestants of ``Listening-v0``, where there are plays and no ratings.

The whole budget of songs goes into sessions that a logging policy plays: chance over the songs on offer, and with
probability ``popular`` the most popular of them. A session is a user, a song an item, and what came of it the rating:

    skipped 1, heard to the end 4, heard and liked 5       (``positive`` = 4 of a model reads: heard; 5: liked)

On these any `rlrec.agents.Collaborative` is fitted. Whoever listens later is folded in: the songs of the session so
far, rated likewise, are all that is known of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rlrec.agents.recommender import best_first, item_pool, unplayed
from rlrec.collaborative import (
    Collaborative,
    PopularityByCount,
    PopularityByCountConfig,
)
from rlrec.datasets import Ratings, Report
from rlrec.datasets.matrices import Matrix
from rlrec.envs import Catalogue
from rlrec.envs.batch import BatchEnv
from rlrec.errors import require_ranges
from rlrec.types import Ids

SKIPPED, HEARD, LIKED = 1.0, 4.0, 5.0  # as ratings
_TIE = 1e-9  # of a song heard once in the log


class SessionCollaborative:
    """A collaborative ``model`` that learns from logged sessions and serves the session that is on.

    Songs that the model scores alike (all of them, to item-kNN, before anything was heard) come in the order of how
    often they were heard in the log. ``popular``: 0..1, share of the log's plays that are the most popular song on
    offer; ``rng``: the logging policy's luck. Raises ``ConfigError`` for another share.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        model: Collaborative,
        rng: np.random.Generator,
        *,
        popular: float = 0.0,
    ) -> None:
        self.appeal, self.model, self.rng, self.popular = (
            catalogue.appeal,
            model,
            rng,
            popular,
        )
        require_ranges(self, [("popular", 0.0, 1.0)])
        self.trainings = 0
        self.plays: list[
            Ids
        ] = []  # [5, live rows] a step: training, listener, episode, song, rating

    def train(self, env: BatchEnv[Any], steps: int, *, seed: int = 0) -> None:
        """Log ``steps`` songs more, rounded up to whole steps of ``env``, and fit the model on the whole log."""
        observations = env.reset(seed=seed)[0]
        for _ in range(-(-steps // env.num_envs)):
            who = np.stack(
                [np.full(env.num_envs, self.trainings), env.seeds, env.episodes]
            )
            live, songs = ~env.over, self._songs_to_log(observations)
            observations, _, _, _, info = env.step(env.actions_for(songs[:, None]))
            rated = as_ratings(info["liked"], info["skipped"]).astype(np.int64)
            self.plays.append(np.vstack([who, songs, rated])[:, live])
        self.trainings += 1
        self.fit()

    def fit(self) -> None:
        """Fit the model on the whole log, and count how often each song was heard in it."""
        log = self.ratings()
        self.model.fit(log)
        self.heard = (
            PopularityByCount(PopularityByCountConfig(HEARD)).fit(log).item_scores
        )  # [songs]

    def ratings(self) -> Ratings:
        """The log, a user a session named "listener/episode/training"; of a song played twice the last rating."""
        *session, songs, rated = np.concatenate(self.plays, axis=1)
        names, users = np.unique(np.stack(session[::-1]), axis=1, return_inverse=True)
        kept = _last_of_each(users.ravel() * len(self.appeal) + songs)
        kept = kept[np.argsort(users.ravel()[kept], kind="stable")]
        return Ratings(
            users.ravel()[kept].astype(np.int32),
            songs[kept].astype(np.int32),
            rated[kept].astype(np.float32),
            kept,
            user_ids=np.array(
                [
                    f"{listener}/{episode}/{training}"
                    for episode, listener, training in names.T
                ]
            ),
            item_ids=np.arange(len(self.appeal)).astype(str),
            titles=np.full(len(self.appeal), ""),
            genres=((),) * len(self.appeal),
            report=Report("sessions logged", "ratings", len(kept), {}),
        )

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """The songs on offer with the highest scores, this session's songs folded in: [batch, k].

        Raises ``ConfigError`` before ``train``.
        """
        pool = item_pool(observations, len(self.appeal))
        scores = (
            self.model.scores(known_ratings(observations, len(self.appeal)))
            + _TIE * self.heard
        )
        return best_first(
            pool,
            unplayed(observations, pool, np.take_along_axis(scores, pool, axis=1)),
            k,
        )

    def _songs_to_log(self, observations: Any) -> Ids:
        """What the logging policy plays [batch]."""
        pool = item_pool(observations, len(self.appeal))
        rows = np.arange(len(pool))
        places = self.rng.integers(pool.shape[1], size=len(pool))
        popular = self.rng.random(len(pool)) < self.popular
        return np.asarray(
            pool[rows, np.where(popular, self.appeal[pool].argmax(axis=1), places)]
        )


def as_ratings(liked: NDArray[Any], skipped: NDArray[Any]) -> NDArray[np.float64]:
    """Reactions [..] (true or false, or 1 and 0) as ratings [..].

    >>> as_ratings(np.array([0, 0, 1]), np.array([1, 0, 0])).tolist()
    [1.0, 4.0, 5.0]
    """
    return np.where(skipped > 0, SKIPPED, np.where(liked > 0, LIKED, HEARD))


def known_ratings(observations: Any, n_songs: int) -> Matrix:
    """The session's songs as ratings, sparse [batch, songs]; of a song played twice the last one."""
    history, feedback = observations["history"], observations["feedback"]
    rows, places = np.nonzero(history >= 0)
    songs = history[rows, places]
    kept = _last_of_each(rows * n_songs + songs)
    rated = as_ratings(feedback[rows, places, 1], feedback[rows, places, 2])
    return sp.csr_matrix(
        (rated[kept], (rows[kept], songs[kept])), shape=(len(history), n_songs)
    )


def _last_of_each(keys: Ids) -> Ids:
    """Where each key [n] stands for the last time, ascending."""
    return np.sort(len(keys) - 1 - np.unique(keys[::-1], return_index=True)[1])
