"""Bandits for ``Listening-v0``: they maximise the next reward alone (discount 0).

``LinUCB``: Li, Chu, Langford and Schapire, "A contextual-bandit approach to
personalized news article recommendation", arXiv:1003.0146, algorithm 1, with contexts x
and one model for all songs:

    theta = A^-1 b,   A = ridge I + sum x x',   b = sum reward x
    play the song with the largest   theta . x + alpha sqrt(x' A^-1 x)

The penalty is a prior with mean 0 for all of theta, the weight of the constant
included: before the first play every song is expected to earn 0.

``BestConstantList``: UCB1 (Auer, Cesa-Bianchi and Fischer, 2002) over songs, the same
list for everybody.

Differs from the papers: all listeners of a batch play one song each before the model is
updated. LinUCB shares theta between songs, where the paper fits one for each, and
``ridge`` is 1 there. UCB1's bonus has a weight (1 there), its means are shrunk when
recommending, and songs on offer change. Songs just played are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.agents.recommender import best_unplayed, item_pool, unplayed
from rlrec.envs.batch import BatchEnv
from rlrec.envs.view import ListeningView
from rlrec.errors import require_ranges
from rlrec.types import Floats, Ids


@dataclass(frozen=True)
class LinUCBConfig:
    """Hyperparameters of LinUCB."""

    # 0..10: width of the upper confidence bound, in standard errors; 0 never explores
    alpha: float = 0.3
    # 1e-9..1e6: strength of the ridge regression's penalty
    ridge: float = 1.0

    def __post_init__(self) -> None:
        require_ranges(self, [("alpha", 0.0, 10.0), ("ridge", 1e-9, 1e6)])


class LinUCB:
    """Ridge regression of reward on song and listener, with an upper confidence bound.

    ``songs`` [I, d]: feature vectors. The context of a song holds 1 + 4 d numbers: 1,
    its vector, and the products of its vector, dimension by dimension, with three
    averages over this listener's songs: the last ones, those heard, and those skipped
    (see `rlrec.envs.view`).
    """

    def __init__(
        self,
        songs: NDArray[Any],
        config: LinUCBConfig | None = None,
    ) -> None:
        self.config = config or LinUCBConfig()
        self.songs = np.asarray(songs, np.float64)
        self.view = ListeningView(self.songs, "averages")
        width = 1 + 4 * self.songs.shape[1]
        self.gram = self.config.ridge * np.eye(width)  # A
        self.target = np.zeros(width)  # b
        self._solve()

    def _solve(self) -> None:
        self._inverse = np.linalg.inv(self.gram)
        self.theta = self._inverse @ self.target

    def context(self, observations: Any, pool: Ids) -> Floats:
        """The context of each song of ``pool`` [batch, m]: [batch, m, 1 + 4 d]."""
        d = self.songs.shape[1]
        state = self.view(observations)
        averages = state[:, : 3 * d].astype(np.float64)
        song = self.songs[pool]  # [batch, m, d]
        products = np.tile(song, 3) * averages[:, None]  # [batch, m, 3 d]
        constant = np.ones((*pool.shape, 1))
        return np.concatenate([constant, song, products], axis=2)

    def width(self, contexts: Floats) -> Floats:
        """Standard errors sqrt(x' A^-1 x) of contexts [..., f]: [...]."""
        variances: Floats = (contexts @ self._inverse * contexts).sum(axis=-1)
        return np.sqrt(variances)

    def learn(self, contexts: Floats, rewards: Floats) -> None:
        """Add plays with ``contexts`` [n, f] and ``rewards`` [n] to the regression."""
        self.gram += contexts.T @ contexts
        self.target += contexts.T @ rewards
        self._solve()

    def train(
        self,
        env: BatchEnv[Any],
        steps: int,
        *,
        seed: int = 0,
    ) -> None:
        """Play the songs with the largest upper bounds, and learn from each.

        ``steps``: songs, rounded up to whole steps of ``env``.
        """
        observations, _ = env.reset(seed=seed)
        rows = np.arange(env.num_envs)
        for _ in range(-(-steps // env.num_envs)):
            live = ~env.over  # where an episode had ended, the step starts the next one
            pool = item_pool(observations, len(self.songs))
            contexts = self.context(observations, pool)
            bonus = self.config.alpha * self.width(contexts)
            bounds = contexts @ self.theta + bonus
            places = unplayed(observations, pool, bounds).argmax(axis=1)
            songs = pool[rows, places][:, None]
            observations, rewards, *_ = env.step(env.actions_for(songs))
            self.learn(contexts[rows, places][live], rewards[live])

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """The songs with the highest expected reward, without a bonus: [batch, k]."""
        pool = item_pool(observations, len(self.songs))
        expected = self.context(observations, pool) @ self.theta
        return best_unplayed(observations, pool, expected, k)


class BestConstantList:
    """The same songs for everybody, ranked by the rewards that they have earned.

    With n the plays of a song and t those of all songs, training plays the song with
    the largest ``mean + bonus sqrt(2 ln t / n)``; unplayed songs come first. To keep
    songs with few plays from the top, recommending ranks by the shrunk mean
    ``(sum of rewards + prior overall mean) / (n + prior)``.

    >>> constant = BestConstantList(2, prior=1.0)
    >>> constant.learn(np.array([0, 1, 1]), np.array([1.0, 1.0, 0.0]))
    >>> constant.scores().round(3).tolist()  # (1 + 2/3) / 2 and (1 + 2/3) / 3
    [0.833, 0.556]
    """

    def __init__(
        self,
        n_songs: int,
        *,
        prior: float = 20.0,
        bonus: float = 0.3,
    ) -> None:
        self.prior = prior
        self.bonus = bonus
        self.plays = np.zeros(n_songs)
        self.rewards = np.zeros(n_songs)

    def scores(self) -> Floats:
        """The shrunk mean reward of each song: [songs]."""
        total = max(self.plays.sum(), 1.0)
        overall: float = self.rewards.sum() / total
        rewards = self.rewards + self.prior * overall
        return rewards / (self.plays + self.prior)

    def learn(self, songs: Ids, rewards: Floats) -> None:
        """Add plays of ``songs`` [n] with ``rewards`` [n] to the means."""
        self.plays += np.bincount(songs, minlength=len(self.plays))
        self.rewards += np.bincount(songs, rewards, minlength=len(self.plays))

    def train(
        self,
        env: BatchEnv[Any],
        steps: int,
        *,
        seed: int = 0,
    ) -> None:
        """Play the songs with the largest upper bounds, and learn from each.

        ``steps``: songs, rounded up to whole steps of ``env``.
        """
        observations, _ = env.reset(seed=seed)
        for _ in range(-(-steps // env.num_envs)):
            live = ~env.over  # where an episode had ended, the step starts the next one
            songs = self._best(observations, self._bounds(), 1)
            observations, rewards, *_ = env.step(env.actions_for(songs))
            self.learn(songs[live, 0], rewards[live])

    def _bounds(self) -> Floats:
        plays = np.maximum(self.plays, 1e-12)
        total = max(self.plays.sum(), 1.0)
        width = np.sqrt(2 * np.log(total) / plays)
        bounds = self.rewards / plays + self.bonus * width
        return np.where(self.plays > 0, bounds, np.inf)

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """The best songs on offer: [batch, k]."""
        return self._best(observations, self.scores(), k)

    def _best(
        self,
        observations: Any,
        scores: Floats,
        k: int,
    ) -> Ids:
        pool = item_pool(observations, len(self.plays))
        return best_unplayed(observations, pool, scores[pool], k)
