"""``rlrec/Ratings-v0``: logged ratings replayed as an environment.

This is how DRR trains (arXiv:1810.12027, algorithm 1). A user comes, known by the last
``history`` items they liked (rated ``liked_from`` or more). The agent recommends one
item after another, and the user answers with the rating in the log:

    reward = (rating - 3) / 2     in [-1, 1] for ratings 1 to 5; 0 for an unrated item

One scale for all, so nothing unknown is worth more than something disliked. A liked
item moves into the history. No item pays twice in an episode. The episode is cut
(``truncated``: the user would have gone on) after ``length`` recommendations, or when
the log has no more items of this user.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from rlrec.envs.batch import BatchEnv, SingleEnv
from rlrec.errors import ConfigError, require_ids, require_ranges
from rlrec.types import Arrays, Bools, Floats, Ids

if TYPE_CHECKING:
    from rlrec.datasets import Ratings


class RatingsBatch(BatchEnv[Any]):
    """A batch of users drawn from ``ratings``; actions are item ids [batch], 0..I-1.

    Observations: ``user`` [1] (-1 with ``known_users=False``) and ``history`` [n], the
    items liked last, oldest first (-1: none). An episode begins with the user's first
    ``history`` liked items known. Or pass ``known``, earlier ratings of the same users
    and items, none of which is in ``ratings``: then the items liked last in ``known``
    are the history, and all of ``known`` is known. Known items are not recommended
    again. Only users with a logged item beyond the known ones take part. ``allowed()``
    says which items may come next. ``history`` and ``length``: 1 or more. Raises
    ``ConfigError`` for other settings, or if no user takes part.
    """

    stored = (*BatchEnv.stored, "users", "recent", "open")

    def __init__(
        self,
        num_envs: int = 1,
        ratings: Ratings | None = None,
        history: int = 5,
        length: int = 20,
        liked_from: float = 4.0,
        logged_only: bool = True,
        known_users: bool = True,
        known: Ratings | None = None,
    ) -> None:
        self.history = history
        self.length = length
        require_ranges(
            self,
            [
                ("history", 1, math.inf),
                ("length", 1, math.inf),
            ],
        )
        if ratings is None:
            from rlrec.datasets import load_ratings

            ratings = load_ratings("generated")
        self.ratings = ratings
        self.n_items = ratings.n_items
        self.liked_from = liked_from
        self.logged_only = logged_only
        self.known_users = known_users
        self.known = known
        seen = spaces.Dict(
            user=spaces.Box(-1, ratings.n_users - 1, (1,), np.int64),
            history=spaces.Box(-1, self.n_items - 1, (history,), np.int64),
        )
        super().__init__(num_envs, seen, spaces.Discrete(self.n_items))
        self._set_users()
        self.users = np.zeros(num_envs, np.int64)
        self.recent = np.full((num_envs, history), -1, np.int64)
        self.open = np.zeros((num_envs, self.n_items), np.bool_)  # may be recommended
        # the user's logged ratings, nan where there is none
        self._scores = np.full((num_envs, self.n_items), np.nan, np.float32)
        self._rows = np.arange(num_envs)

    def _set_users(self) -> None:
        """Find who can take part, and what is known of each user."""
        self._begin_of = _rows_of_users(self.ratings)
        logged = np.diff(self._begin_of)
        if self.known is None:
            self._first = self._liked(self.ratings, slice(self.history))
            eligible = logged > (self._first >= 0).sum(axis=1)
            beyond = f"the first {self.history} liked ones; lower history"
        else:
            self._first = self._liked(self.known, slice(-self.history, None))
            self._known_begin = _rows_of_users(self.known)
            eligible = (logged > 0) & (np.diff(self._known_begin) > 0)
            beyond = "those that are known; give more ratings of each user"
        self._eligible = np.flatnonzero(eligible)
        if not len(self._eligible):
            raise ConfigError(f"no user has a logged item beyond {beyond}")

    def _liked(self, ratings: Ratings, part: slice) -> Ids:
        """A ``part`` of each user's liked items, right-aligned: [users, history]."""
        begin = _rows_of_users(ratings)
        found = np.full((ratings.n_users, self.history), -1, np.int64)
        for user in range(ratings.n_users):
            rows = slice(begin[user], begin[user + 1])
            liked = ratings.ratings[rows] >= self.liked_from
            items = ratings.items[rows][liked][part]
            found[user, self.history - len(items) :] = items
        return found

    def allowed(self) -> Bools:
        """Which items may be recommended now: [batch, items].

        With ``logged_only`` these are the open items that the user rated.
        """
        if self.logged_only:
            return self.open & np.isfinite(self._scores)
        return self.open.copy()

    def actions_for(self, items: Ids) -> Ids:
        """Turn item ids [batch, k], best first, into actions [batch]: the best one."""
        return items[:, 0]

    def restore(self, state: Arrays) -> None:
        """See `BatchEnv.restore`; logged ratings are looked up again."""
        super().restore(state)
        self._look_up(self._rows)

    def _begin(self, rows: Ids) -> None:
        steps = self.steps[rows]
        draws = self.streams.uniform(steps, 1, rows=rows)[0]
        chosen = (draws * len(self._eligible)).astype(np.int64)
        self.users[rows] = self._eligible[chosen]
        self.recent[rows] = self._first[self.users[rows]]
        self._look_up(rows)
        self.open[rows] = True
        for row in rows:
            self._close_known(row)

    def _close_known(self, row: int) -> None:
        """Items known when an episode begins may not be recommended."""
        if self.known is None:
            recent = self.recent[row]
            self.open[row, recent[recent >= 0]] = False
        else:
            begin = self._known_begin[self.users[row] :]
            known = self.known.items[begin[0] : begin[1]]
            self.open[row, known] = False

    def _look_up(self, rows: Ids) -> None:
        """Set the logged ratings of the users of ``rows``."""
        self._scores[rows] = np.nan
        for row in rows:
            begin = self._begin_of[self.users[row] :]
            logged = slice(begin[0], begin[1])
            items = self.ratings.items[logged]
            self._scores[row, items] = self.ratings.ratings[logged]

    def _advance(self, actions: Ids) -> tuple[Floats, Bools, Bools]:
        require_ids("actions", actions, self.n_items, 0)
        place = (self._rows, actions)
        score = np.where(self.open[place], self._scores[place], np.nan)
        reward = np.nan_to_num((score - 3.0) / 2.0).astype(np.float64)
        liked = score >= self.liked_from
        newer = self.recent[liked, 1:]
        self.recent[liked] = np.column_stack([newer, actions[liked]])
        self.open[place] = False
        long_enough = self.steps + 1 >= self.length
        truncated = long_enough | ~self.allowed().any(axis=1)
        terminated = np.zeros(self.num_envs, np.bool_)
        return reward, terminated, truncated

    def _observe(self) -> Arrays:
        user = self.users[:, None].copy()
        if not self.known_users:
            user[:] = -1
        return {"user": user, "history": self.recent.copy()}


class RatingsEnv(SingleEnv):
    """``gymnasium.make("rlrec/Ratings-v0", ratings=load_ratings("ml-100k"))``."""

    batch_class = RatingsBatch


def _rows_of_users(ratings: Ratings) -> Ids:
    """Where the rows of each user begin, and the end: [users + 1]."""
    return np.searchsorted(ratings.users, np.arange(ratings.n_users + 1))
