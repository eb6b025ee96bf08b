"""Recommenders from ratings as contestants of ``Listening-v0``, where plays are logged.

The whole budget of songs goes into sessions of a logging policy: it plays a random song
of those on offer and, with probability ``popular``, the most popular one. A session is
a user, a song an item, and the reaction the rating:

    skipped 1, heard to the end 4, heard and liked 5
    (``positive`` = 4 of a model means heard; 5: liked)

On these any `rlrec.collaborative.Collaborative` is fitted. New listeners are folded in:
the songs of their session so far, rated likewise, are all that is known of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rlrec.agents.recommender import best_first, item_pool, unplayed
from rlrec.collaborative.recommenders import (
    Collaborative,
    PopularityByCount,
    PopularityByCountConfig,
)
from rlrec.datasets import Ratings, Report
from rlrec.datasets.matrices import Matrix
from rlrec.envs import Catalogue
from rlrec.envs.batch import BatchEnv
from rlrec.errors import require_ids, require_ranges
from rlrec.types import Floats, Ids

# Reactions as ratings.
SKIPPED = 1.0
HEARD = 4.0
LIKED = 5.0
_TIE = 1e-9  # score of a song heard once in the log: breaks ties


class SessionCollaborative:
    """A collaborative ``model`` that learns from logged sessions.

    Ties among the model's scores (before the first song item-kNN scores all alike) are
    broken by how often songs were heard in the log. popular: 0..1, share of the log's
    plays that are the most popular song on offer; rng: draws the other plays. Raises
    ``ConfigError`` for a share out of range.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        model: Collaborative,
        rng: np.random.Generator,
        *,
        popular: float = 0.0,
    ) -> None:
        self.appeal = catalogue.appeal
        self.model = model
        self.rng = rng
        self.popular = popular
        require_ranges(self, [("popular", 0.0, 1.0)])
        self.trainings = 0
        # [5, live rows] a step: training, listener, episode, song, rating
        self.plays: list[Ids] = []

    def train(self, env: BatchEnv[Any], steps: int, *, seed: int = 0) -> None:
        """Log ``steps`` more songs, rounded up to whole steps; fit on the whole log."""
        observations, _ = env.reset(seed=seed)
        training = np.full(env.num_envs, self.trainings)
        for _ in range(-(-steps // env.num_envs)):
            session = np.stack([training, env.seeds, env.episodes])
            live = ~env.over
            songs = self._songs_to_log(observations)
            actions = env.actions_for(songs[:, None])
            observations, _, _, _, info = env.step(actions)
            rated = as_ratings(info["liked"], info["skipped"]).astype(np.int64)
            self.plays.append(np.vstack([session, songs, rated])[:, live])
        self.trainings += 1
        self.fit()

    def fit(self) -> None:
        """Fit the model on the whole log, and count how often each song was heard."""
        log = self.ratings()
        self.model.fit(log)
        counts = PopularityByCount(PopularityByCountConfig(HEARD)).fit(log)
        self.heard = counts.item_scores  # [songs]

    def ratings(self) -> Ratings:
        """The log as ratings: a user is a session, named "listener/episode/training".

        If a song repeats in a session, its last rating wins.
        """
        *session, songs, rated = np.concatenate(self.plays, axis=1)
        names, users = np.unique(np.stack(session[::-1]), axis=1, return_inverse=True)
        users = users.ravel()
        n_songs = len(self.appeal)
        kept = _last_of_each(users * n_songs + songs)
        kept = kept[np.argsort(users[kept], kind="stable")]
        user_ids = []
        for episode, listener, training in names.T:
            user_ids.append(f"{listener}/{episode}/{training}")
        return Ratings(
            users[kept].astype(np.int32),
            songs[kept].astype(np.int32),
            rated[kept].astype(np.float32),
            kept,
            user_ids=np.array(user_ids),
            item_ids=np.arange(n_songs).astype(str),
            titles=np.full(n_songs, ""),
            genres=((),) * n_songs,
            report=Report("sessions logged", "ratings", len(kept), {}),
        )

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """The songs on offer with the highest scores: [batch, k].

        The songs of the session so far are folded in. Raises ``ConfigError`` before
        ``train``.
        """
        n_songs = len(self.appeal)
        pool = item_pool(observations, n_songs)
        scores = self.model.scores(known_ratings(observations, n_songs))
        scores = np.take_along_axis(scores + _TIE * self.heard, pool, axis=1)
        return best_first(pool, unplayed(observations, pool, scores), k)

    def _songs_to_log(self, observations: Any) -> Ids:
        """The logging policy's songs [batch]."""
        pool = item_pool(observations, len(self.appeal))
        places = self.rng.integers(pool.shape[1], size=len(pool))
        popular = self.rng.random(len(pool)) < self.popular
        places = np.where(popular, self.appeal[pool].argmax(axis=1), places)
        return np.asarray(pool[np.arange(len(pool)), places])


def as_ratings(liked: NDArray[Any], skipped: NDArray[Any]) -> Floats:
    """Reactions [...] (true or false, or 1 and 0) as ratings [...].

    >>> as_ratings(np.array([0, 0, 1]), np.array([1, 0, 0])).tolist()
    [1.0, 4.0, 5.0]
    """
    return np.where(skipped > 0, SKIPPED, np.where(liked > 0, LIKED, HEARD))


def known_ratings(observations: Any, n_songs: int) -> Matrix:
    """The session's songs as ratings, sparse [batch, songs].

    If a song repeats, its last rating wins.
    """
    history = require_ids("history", observations["history"], n_songs)
    feedback = observations["feedback"]
    rows, places = np.nonzero(history >= 0)
    songs = history[rows, places]
    kept = _last_of_each(rows * n_songs + songs)
    rated = as_ratings(feedback[rows, places, 1], feedback[rows, places, 2])
    entries = (rated[kept], (rows[kept], songs[kept]))
    return sp.csr_matrix(entries, shape=(len(history), n_songs))


def _last_of_each(keys: Ids) -> Ids:
    """The last place of each key [n], ascending."""
    _, first_from_the_end = np.unique(keys[::-1], return_index=True)
    return np.sort(len(keys) - 1 - first_from_the_end)
