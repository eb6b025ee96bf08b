"""``rlrec/Genre-v0``: recommend one genre after another to one kind of user.

State = the genre that plays, action = the genre to recommend, next state = the recommended genre. The user
(``profiles.py``) likes it or not and is worth a reward; an angry user may leave (``terminated``); after
``session_length`` songs the evening is over (``truncated``: the world would have gone on).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlrec.envs.batch import BatchEnv, Rows, SingleEnv
from rlrec.envs.profiles import GenreProfile, get_profile
from rlrec.errors import ConfigError


class GenreBatch(BatchEnv[NDArray[np.int64]]):
    """A batch of sessions with users of one profile. Observations and actions: genre index [batch].

    ``user``: a name from ``PROFILES`` or a ``GenreProfile``; ``session_length``: songs, 1 or more.
    """

    stored = ("_states", "_liked")

    def __init__(
        self,
        num_envs: int = 1,
        user: str | GenreProfile = "generic",
        session_length: int = 20,
    ) -> None:
        if session_length < 1:
            raise ConfigError(
                f"session_length is {session_length}; it must be 1 song or more"
            )
        self.user, self.session_length = get_profile(user), session_length
        self.genres = self.user.genres
        n = len(self.genres)
        super().__init__(num_envs, spaces.Discrete(n), spaces.Discrete(n))
        self._like_table = self.user.like_table()
        self._states = np.zeros(num_envs, np.int64)
        self._liked = np.zeros(num_envs, np.bool_)

    def actions_for(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """Turn recommended items [batch, k] into an action [batch]: the best one."""
        return items[:, 0]

    def _begin(self, rows: Rows) -> None:
        start = self.streams.uniform(self.steps[rows], 1, first=2, rows=rows)[0]
        self._states[rows] = (start * len(self.genres)).astype(np.int64)
        self._liked[rows] = False

    def _advance(
        self, actions: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        if actions.min() < 0 or actions.max() >= len(self.genres):
            raise ConfigError(
                f"an action lies outside 0..{len(self.genres) - 1} (the genres are {self.genres})"
            )
        like_luck, leave_luck = self.streams.uniform(self.steps, 2)
        self._liked = like_luck < self._like_table[self._states, actions]
        reward = np.where(
            self._liked,
            self.user.like_reward[actions],
            self.user.dislike_reward[actions],
        )
        terminated = ~self._liked & (leave_luck < self.user.leave_probability[actions])
        truncated = ~terminated & (self.steps + 1 >= self.session_length)
        self._states = actions.astype(np.int64)
        return reward, terminated, truncated

    def _observe(self) -> NDArray[np.int64]:
        return self._states.copy()

    def _info(self) -> dict[str, Any]:
        return {"liked": self._liked.copy()}


class GenreEnv(SingleEnv):
    """``gymnasium.make("rlrec/Genre-v0", user="pop_lover")``: one session."""

    batch_class = GenreBatch
