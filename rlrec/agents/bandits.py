"""Bandits for ``Listening-v0``: they learn which song pleases next, never what it does to the mood (discount 0).

``LinUCB``: Li, Chu, Langford and Schapire, "A contextual-bandit approach to personalized news article
recommendation", arXiv:1003.0146, algorithm 1 with one model shared by all songs:

    expected(x) = theta . x,   theta = A^-1 b,   A = ridge I + sum x x',   b = sum reward x
    play the song with the largest   theta . x + alpha sqrt(x' A^-1 x)

``BestConstantList``: UCB1 (Auer, Cesa-Bianchi and Fischer, 2002) over songs, the same list for everybody.

Differs from the papers: many listeners are served at once, so A and b move once a step of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.agents.recommender import best_first, item_pool, unplayed
from rlrec.envs.batch import BatchEnv
from rlrec.envs.view import ListeningView
from rlrec.errors import require_ranges
from rlrec.types import Floats, Ids


@dataclass(frozen=True)
class LinUCBConfig:
    """Settings of LinUCB."""

    alpha: float = (
        0.3  # 0..10: width of the upper bound, in standard errors; 0 never explores
    )
    ridge: float = 1.0  # (0, 1e6]: of the regression

    def __post_init__(self) -> None:
        require_ranges(self, [("alpha", 0.0, 10.0), ("ridge", 1e-9, 1e6)])


class LinUCB:
    """A ridge regression of reward on song and listener, with an upper bound. ``songs`` [I, d]: what is known of them.

    The context of a song is 1, its vector, and its products, dimension by dimension, with three averages of what the
    listener has had: lately, heard and skipped (`rlrec.envs.view`): 1 + 4 d numbers.
    """

    def __init__(self, songs: NDArray[Any], config: LinUCBConfig | None = None) -> None:
        self.config = config if config is not None else LinUCBConfig()
        self.songs = np.asarray(songs, np.float64)
        self.view = ListeningView(self.songs, "averages")
        width = 1 + 4 * self.songs.shape[1]
        self.gram, self.target = (
            self.config.ridge * np.eye(width),
            np.zeros(width),
        )  # A, b
        self._solve()

    def context(self, observations: Any, pool: Ids) -> Floats:
        """The context of each song of ``pool`` [batch, m]: [batch, m, 1 + 4 d]."""
        d = self.songs.shape[1]
        averages = (
            self.view(observations)[:, : 3 * d].reshape(-1, 1, 3, d).astype(np.float64)
        )
        song = self.songs[pool]  # [batch, m, d]
        pairs = (song[:, :, None, :] * averages).reshape(*pool.shape, 3 * d)
        return np.concatenate([np.ones((*pool.shape, 1)), song, pairs], axis=2)

    def learn(self, contexts: Floats, rewards: Floats) -> None:
        """Take plays [n] with contexts [n, f] and their rewards into the regression."""
        self.gram += contexts.T @ contexts
        self.target += contexts.T @ rewards
        self._solve()

    def train(self, env: BatchEnv[Any], steps: int, *, seed: int = 0) -> None:
        """Play the largest upper bound for ``steps`` songs, rounded up to whole steps of ``env``; learn from each."""
        observations, rows = env.reset(seed=seed)[0], np.arange(env.num_envs)
        for _ in range(-(-steps // env.num_envs)):
            live, pool = ~env.over, item_pool(observations, len(self.songs))
            contexts = self.context(observations, pool)
            bounds = contexts @ self.theta + self.config.alpha * self.width(contexts)
            place = unplayed(observations, pool, bounds).argmax(axis=1)
            observations, rewards, *_ = env.step(
                env.actions_for(pool[rows, place][:, None])
            )
            self.learn(contexts[rows, place][live], rewards[live])

    def width(self, contexts: Floats) -> Floats:
        """sqrt(x' A^-1 x), how little is known about contexts [.., f]: [..]."""
        return np.asarray(np.sqrt(((contexts @ self._inverse) * contexts).sum(axis=-1)))

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """The songs that are expected to please most, [batch, k]; what is not known counts for nothing here."""
        pool = item_pool(observations, len(self.songs))
        return best_first(
            pool,
            unplayed(observations, pool, self.context(observations, pool) @ self.theta),
            k,
        )

    def _solve(self) -> None:
        self._inverse = np.linalg.inv(self.gram)
        self.theta = self._inverse @ self.target


class BestConstantList:
    """The same songs for everybody, best first by what listeners made of them: a list learned from scratch.

    Learning plays the song with the largest mean + bonus sqrt(2 ln t / n) (n: its plays, t: all plays); an unheard
    song comes first. Recommending ranks by (sum of rewards + prior overall mean) / (n + prior), so that one lucky play
    does not decide.

    >>> lists = BestConstantList(2, prior=1.0)
    >>> lists.learn(np.array([0, 1, 1]), np.array([1.0, 1.0, 0.0]))
    >>> lists.scores().round(3).tolist()  # (1 + 2/3) / 2 and (1 + 2/3) / 3
    [0.833, 0.556]
    """

    def __init__(
        self, n_songs: int, *, prior: float = 20.0, bonus: float = 0.3
    ) -> None:
        self.prior, self.bonus = prior, bonus
        self.plays, self.rewards = np.zeros(n_songs), np.zeros(n_songs)

    def scores(self) -> Floats:
        """The shrunk mean reward of each song: [songs]."""
        overall = self.rewards.sum() / max(self.plays.sum(), 1.0)
        return np.asarray(
            (self.rewards + self.prior * overall) / (self.plays + self.prior)
        )

    def learn(self, songs: Ids, rewards: Floats) -> None:
        """Take plays of ``songs`` [n] with their rewards into the means."""
        self.plays += np.bincount(songs, minlength=len(self.plays))
        self.rewards += np.bincount(songs, rewards, minlength=len(self.plays))

    def train(self, env: BatchEnv[Any], steps: int, *, seed: int = 0) -> None:
        """Play for ``steps`` songs, rounded up to whole steps of ``env``, and learn from each."""
        observations = env.reset(seed=seed)[0]
        for _ in range(-(-steps // env.num_envs)):
            live, pool = ~env.over, item_pool(observations, len(self.plays))
            songs = best_first(
                pool, unplayed(observations, pool, self._bounds()[pool]), 1
            )
            observations, rewards, *_ = env.step(env.actions_for(songs))
            self.learn(songs[live, 0], rewards[live])

    def _bounds(self) -> Floats:
        number = np.maximum(self.plays, 1e-12)
        bound = self.rewards / number + self.bonus * np.sqrt(
            2.0 * np.log(max(self.plays.sum(), 1.0)) / number
        )
        return np.where(self.plays > 0, bound, np.inf)

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """The best songs on offer [batch, k]."""
        pool = item_pool(observations, len(self.plays))
        return best_first(pool, unplayed(observations, pool, self.scores()[pool]), k)
