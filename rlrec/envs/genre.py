"""``rlrec/Genre-v0``: recommend one genre after another to one kind of user.

The state is the genre that plays, the action is the genre to recommend, and the next
state is the recommended genre. The user (``profiles.py``) likes it or not, which is
worth a reward. A user who dislikes it may leave (``terminated``). After
``session_length`` songs the evening is over (``truncated``: the user would have gone
on).
"""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from rlrec.envs.batch import BatchEnv, SingleEnv
from rlrec.envs.profiles import GenreProfile, get_profile
from rlrec.errors import ConfigError
from rlrec.types import Arrays, Bools, Floats, Ids


class GenreBatch(BatchEnv[Ids]):
    """A batch of sessions with users of one profile.

    Observations and actions are genre indices [batch]. ``user``: a name from
    ``PROFILES`` or a ``GenreProfile``; ``session_length``: songs, 1 or more. Raises
    ``ConfigError`` for other settings.
    """

    stored = (*BatchEnv.stored, "states", "liked")

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
        self.user = get_profile(user)
        self.session_length = session_length
        self.genres = self.user.genres
        space = spaces.Discrete(len(self.genres))
        super().__init__(num_envs, space, space)
        self._like_table = self.user.like_table()
        self.states = np.zeros(num_envs, np.int64)
        self.liked = np.zeros(num_envs, np.bool_)

    def actions_for(self, items: Ids) -> Ids:
        """Turn item ids [batch, k], best first, into actions [batch]: the best one."""
        return items[:, 0]

    def _begin(self, rows: Ids) -> None:
        steps = self.steps[rows]
        draws = self.streams.uniform(steps, 1, first=2, rows=rows)[0]
        self.states[rows] = (draws * len(self.genres)).astype(np.int64)
        self.liked[rows] = False

    def _advance(self, actions: Ids) -> tuple[Floats, Bools, Bools]:
        last = len(self.genres) - 1
        if actions.min() < 0 or actions.max() > last:
            raise ConfigError(
                f"an action lies outside 0..{last} (the genres are {self.genres})"
            )
        user = self.user
        like_draws, leave_draws = self.streams.uniform(self.steps, 2)
        self.liked = like_draws < self._like_table[self.states, actions]
        reward = np.where(
            self.liked,
            user.like_reward[actions],
            user.dislike_reward[actions],
        )
        leaves = leave_draws < user.leave_probability[actions]
        terminated = ~self.liked & leaves
        truncated = ~terminated & (self.steps + 1 >= self.session_length)
        self.states = actions.astype(np.int64)
        return reward, terminated, truncated

    def _observe(self) -> Ids:
        return self.states.copy()

    def _info(self) -> Arrays:
        return {"liked": self.liked.copy()}


class GenreEnv(SingleEnv):
    """``gymnasium.make("rlrec/Genre-v0", user="pop_lover")``: one session."""

    batch_class = GenreBatch
