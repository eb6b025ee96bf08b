"""What all agents and baselines share: ``recommend(observations, k)``, best first.

Observations are those of ``Genre-v0`` (genre index [batch]) or of ``Listening-v0`` with
``observe="ids"`` (a dictionary of arrays).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rlrec.errors import ConfigError, require_ids
from rlrec.types import Bools, Floats, Ids


class Recommender(Protocol):
    """Anything with a method ``recommend``."""

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """Item ids [batch, k], best first."""
        ...


def item_pool(observations: Any, n_items: int) -> Ids:
    """The items that may be recommended now: [batch, m].

    These are the observed candidates if there are any, else all ``n_items``. Raises
    ``ConfigError`` for a candidate that is none of them.
    """
    if isinstance(observations, dict):
        if "candidates" in observations:
            return require_ids("candidates", observations["candidates"], n_items, 0)
        observations = observations["position"]  # [batch, 1]
    batch = np.size(observations)
    return np.tile(np.arange(n_items), (batch, 1))


def offered(observations: Any, n_items: int) -> Bools:
    """Items on offer [batch, I]: the candidates if there are any, otherwise all."""
    shape = (len(observations["history"]), n_items)
    if "candidates" not in observations:
        return np.ones(shape, np.bool_)
    mask = np.zeros(shape, np.bool_)
    np.put_along_axis(mask, item_pool(observations, n_items), True, axis=1)
    return mask


def best_first(
    pool: Ids,
    scores: NDArray[Any],
    k: int,
) -> Ids:
    """The ``k`` items of ``pool`` [batch, m] with the highest ``scores`` [batch, m].

    Returns [batch, k], best first; ties keep the pool's order. Raises ``ConfigError``
    if ``k`` is out of range.
    """
    if not 1 <= k <= pool.shape[1]:
        raise ConfigError(
            f"k is {k}; it must lie in 1..{pool.shape[1]}, the number of items"
        )
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(pool, order[:, :k], axis=1)


def not_played(history: Any, n_items: int) -> Bools:
    """False for the items of ``history`` [batch, n], -1: none; True elsewhere.

    Returns [batch, n_items]. Raises ``ConfigError`` for an id out of range.

    >>> not_played([[-1, 2]], 3).tolist()
    [[True, True, False]]
    """
    history = require_ids("history", history, n_items)
    mask = np.ones((len(history), n_items + 1), np.bool_)  # the last column: id -1
    np.put_along_axis(mask, history, False, axis=1)
    return mask[:, :-1]


def unplayed(observations: Any, pool: Ids, scores: Floats) -> Floats:
    """``scores`` [batch, m] of ``pool`` [batch, m], with -inf for songs just played.

    The songs just played are those of the observed history. Where the observations
    offer candidates, the scores stay as they are: one of the candidates must be played.
    """
    if not isinstance(observations, dict) or "candidates" in observations:
        return scores
    # the pool is every song, in order
    mask = not_played(observations["history"], pool.shape[1])
    return np.where(mask, scores, -np.inf)


def best_unplayed(
    observations: Any,
    pool: Ids,
    scores: Floats,
    k: int,
) -> Ids:
    """``best_first`` of what is ``unplayed``: [batch, k]."""
    return best_first(pool, unplayed(observations, pool, scores), k)


class Sampled:
    """An agent that draws songs with the probabilities of its policy.

    ``agent`` takes a generator: ``agent.recommend(observations, k, rng=rng)``.
    """

    def __init__(self, agent: Any, rng: np.random.Generator) -> None:
        self.agent = agent
        self.rng = rng

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """Item ids [batch, k], drawn."""
        items: Ids = self.agent.recommend(observations, k, rng=self.rng)
        return items
