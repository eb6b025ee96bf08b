"""A warm-up: songs at random, then a filter of taste and mood for an agent.

What reactions say about taste and mood can be counted: random sessions show it.
`rlrec.agents.listener_filter` is fitted to them, and the agent decides with its belief.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rlrec.agents.listener_filter import ListenerFilter, WholeSessions
from rlrec.agents.recommender import item_pool
from rlrec.envs import Catalogue
from rlrec.envs.batch import BatchEnv
from rlrec.types import Ids


class WarmedUp:
    """An agent whose filter is fitted to ``songs`` random songs before it learns.

    ``make``: a filter -> the agent, which has ``train`` and ``recommend``.
    """

    def __init__(
        self,
        make: Callable[[ListenerFilter], Any],
        catalogue: Catalogue,
        songs: int,
        seed: int,
    ) -> None:
        self.rng = np.random.default_rng([seed, 1])
        self.n_songs = len(catalogue)
        self.left = songs
        self.sessions = WholeSessions()
        self.filter = ListenerFilter(catalogue, self.rng)
        self.agent = make(self.filter)

    def train(self, env: BatchEnv[Any], steps: int, *, seed: int = 0) -> None:
        """Warm up, then train; ``steps`` counts both. Starts from ``env.reset``."""
        if self.left > 0:
            songs = min(steps, self.left)
            self._play(env, songs, seed)
            self.left -= songs
            steps -= songs
            if self.left == 0:
                self.filter.fit(self.sessions.state())
        if steps > 0:
            self.agent.train(env, steps, seed=seed)

    def _play(self, env: BatchEnv[Any], songs: int, seed: int) -> None:
        """Play ``songs`` at random and keep the whole sessions."""
        observations, _ = env.reset(seed=seed)
        for _ in range(-(-songs // env.num_envs)):  # rounded up
            pool = item_pool(observations, self.n_songs)
            drawn = self.rng.permuted(pool, axis=1)[:, :1]
            played = env.step(env.actions_for(drawn))
            observations, _, terminated, truncated, _ = played
            self.sessions.add(observations, terminated | truncated)

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """Songs [batch, k], best first."""
        songs: Ids = self.agent.recommend(observations, k)
        return songs
