"""``rlrec/Ratings-v0``: logged ratings replayed as an environment, as DRR trains (arXiv:1810.12027, algorithm 1).

A user comes, known by the last ``history`` items they liked (rated ``liked_from`` or more). The agent recommends one
item after another; the user answers with the rating that stands in the log:

    reward = (rating - 3) / 2        in [-1, 1] for ratings 1 to 5;  0 for an item the log says nothing of

One scale for all, so that nothing unknown is worth more than something disliked. A liked item moves into the history.
No item comes twice in an episode; after ``length`` recommendations (or when the log has no more items for this user)
the episode is cut (``truncated``): the user would have gone on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlrec.envs.batch import BatchEnv, Rows, SingleEnv
from rlrec.errors import ConfigError
from rlrec.types import Ids

if TYPE_CHECKING:
    from rlrec.datasets import Ratings


class RatingsBatch(BatchEnv[Any]):
    """A batch of users drawn from ``ratings``; actions are item ids [batch], 0..I-1.

    Observations: ``user`` [1] (-1 with ``known_users=False``) and ``history`` [n], the items liked last, oldest first
    (-1: none). Each episode begins with the user's first ``history`` liked items known; or, given ``known`` (earlier
    ratings of the same users and items, none of which is in ``ratings``), with the last ones liked there. What is
    known is not recommended again. Only users with a logged item beyond that take part. ``allowed()`` tells which
    items may come next.
    """

    stored = ("_users", "_recent", "_open")

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
        for name, value in (("history", history), ("length", length)):
            if value < 1:
                raise ConfigError(f"{name} is {value}; it must be 1 or more")
        if ratings is None:
            from rlrec.datasets import load_ratings

            ratings = load_ratings("generated")
        self.ratings, self.history, self.length = ratings, history, length
        self.liked_from, self.logged_only, self.known_users = (
            liked_from,
            logged_only,
            known_users,
        )
        self.n_items = ratings.n_items
        super().__init__(
            num_envs,
            spaces.Dict(
                {
                    "user": spaces.Box(-1, ratings.n_users - 1, (1,), np.int64),
                    "history": spaces.Box(-1, self.n_items - 1, (history,), np.int64),
                }
            ),
            spaces.Discrete(self.n_items),
        )
        self._first, self._begin_of = _liked(
            ratings, slice(history), history, liked_from
        )
        self._eligible = _eligible_users(self._begin_of, self._first)
        self.known = known
        if known is not None:
            self._first, self._known_begin = _liked(
                known, slice(-history, None), history, liked_from
            )
            self._eligible = np.flatnonzero(
                (np.diff(self._begin_of) > 0) & (np.diff(self._known_begin) > 0)
            )
        if not len(self._eligible):
            beyond = (
                "those that are known"
                if known is not None
                else f"the first {history} liked ones; lower history"
            )
            raise ConfigError(f"no user has a logged item beyond {beyond}")
        self._users = np.zeros(num_envs, np.int64)
        self._recent: Ids = np.full((num_envs, history), -1, np.int64)
        self._scores = np.full(
            (num_envs, self.n_items), np.nan, np.float32
        )  # the user's logged ratings
        self._open = np.zeros((num_envs, self.n_items), np.bool_)  # may be recommended
        self._rows = np.arange(num_envs)

    def allowed(self) -> NDArray[np.bool_]:
        """Which items may be recommended now: [batch, items]; with ``logged_only`` those that the log can answer."""
        return (
            self._open & np.isfinite(self._scores)
            if self.logged_only
            else self._open.copy()
        )

    def actions_for(self, items: Ids) -> Ids:
        """Turn recommended items [batch, k] into an action [batch]: the best one."""
        return items[:, 0]

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """As for every batch; the log is looked up again."""
        super().restore(state)
        self._scores[:] = np.nan
        for row in range(self.num_envs):
            self._look_up(row)

    def _begin(self, rows: Rows) -> None:
        luck = self.streams.uniform(self.steps[rows], 1, rows=rows)[0]
        self._users[rows] = self._eligible[
            (luck * len(self._eligible)).astype(np.int64)
        ]
        self._recent[rows] = self._first[self._users[rows]]
        self._scores[rows], self._open[rows] = np.nan, True
        for row in rows:
            self._look_up(int(row))
            self._open[row, self._known_items(row)] = False

    def _known_items(self, row: int) -> Ids:
        """What is known of a row's user when its episode begins."""
        if self.known is None:
            recent: Ids = self._recent[row]
            return recent[recent >= 0]
        user = self._users[row]
        known: Ids = self.known.items[
            self._known_begin[user] : self._known_begin[user + 1]
        ].astype(np.int64)
        return known

    def _look_up(self, row: int) -> None:
        user = self._users[row]
        logged = slice(self._begin_of[user], self._begin_of[user + 1])
        self._scores[row, self.ratings.items[logged]] = self.ratings.ratings[logged]

    def _advance(
        self, actions: Ids
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        if actions.min() < 0 or actions.max() >= self.n_items:
            raise ConfigError(f"an action lies outside 0..{self.n_items - 1}")
        score = np.where(
            self._open[self._rows, actions], self._scores[self._rows, actions], np.nan
        )
        reward = np.where(np.isfinite(score), (score - 3.0) / 2.0, 0.0).astype(
            np.float64
        )
        liked = score >= self.liked_from
        self._recent[liked] = np.column_stack([self._recent[liked, 1:], actions[liked]])
        self._open[self._rows, actions] = False
        truncated = (self.steps + 1 >= self.length) | ~self.allowed().any(axis=1)
        return reward, np.zeros(self.num_envs, np.bool_), truncated

    def _observe(self) -> dict[str, NDArray[Any]]:
        user = self._users if self.known_users else np.full(self.num_envs, -1)
        return {"user": user[:, None].astype(np.int64), "history": self._recent.copy()}


class RatingsEnv(SingleEnv):
    """``gymnasium.make("rlrec/Ratings-v0", ratings=load_ratings("ml-100k"))``: one user."""

    batch_class = RatingsBatch


def _liked(
    ratings: Ratings, part: slice, history: int, liked_from: float
) -> tuple[Ids, Ids]:
    """A ``part`` of each user's liked items [users, history], right-aligned; where users' rows begin [users + 1]."""
    begin = np.searchsorted(ratings.users, np.arange(ratings.n_users + 1))
    found = np.full((ratings.n_users, history), -1, np.int64)
    for user in range(ratings.n_users):
        rows = slice(begin[user], begin[user + 1])
        liked = ratings.items[rows][ratings.ratings[rows] >= liked_from][part]
        if len(liked):
            found[user, -len(liked) :] = liked
    return found, begin


def _eligible_users(begin: Ids, first: Ids) -> Ids:
    """Users with more logged items than known ones."""
    return np.flatnonzero(np.diff(begin) > (first >= 0).sum(axis=1))
