"""The one question that every agent and every baseline answers: what to recommend now.

``recommend(observations, k) -> item ids [batch, k]``, best first. Observations are those of
``Genre-v0`` (genre index [batch]) or of ``Listening-v0`` with ``observe="ids"`` (a dictionary
of arrays).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from rlrec.errors import ConfigError
from rlrec.types import Floats, Ids


class Recommender(Protocol):
    """Anything that answers the one question."""

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """Item ids [batch, k], best first."""
        ...


def item_pool(observations: Any, n_items: int) -> Ids:
    """The items that may be recommended now [batch, m]: the candidates if there are any, else all ``n_items``."""
    if isinstance(observations, dict):
        if "candidates" in observations:
            return np.asarray(observations["candidates"])
        return np.tile(np.arange(n_items), (len(observations["position"]), 1))
    return np.tile(np.arange(n_items), (np.size(observations), 1))


def best_first(pool: Ids, scores: Floats, k: int) -> Ids:
    """The ``k`` items of ``pool`` [batch, m] with the highest ``scores`` [batch, m]; ties keep the pool's order."""
    if not 1 <= k <= pool.shape[1]:
        raise ConfigError(
            f"k is {k}; it must lie in 1..{pool.shape[1]}, the number of items to choose from"
        )
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(pool, order, axis=1)


def unplayed(observations: Any, pool: Ids, scores: Floats) -> Floats:
    """``scores`` [batch, m] with -inf for what was played lately, where the whole catalogue is the ``pool`` [batch, m].

    Candidates on offer are left as they are: there is no choice but one of them.
    """
    if not isinstance(observations, dict) or "candidates" in observations:
        return scores
    history = observations["history"]  # [batch, n], -1: nothing yet
    rows, places = np.nonzero(history >= 0)
    masked = np.array(scores, np.float64)
    masked[rows, history[rows, places]] = -np.inf  # the pool is every song, in order
    return masked


class Sampled:
    """An agent that draws songs with the probabilities of its policy.

    ``agent`` takes a generator: ``agent.recommend(observations, k, rng=rng)``.
    """

    def __init__(self, agent: Any, rng: np.random.Generator) -> None:
        self.agent = agent
        self.rng = rng

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """Item ids [batch, k], drawn."""
        return np.asarray(self.agent.recommend(observations, k, rng=self.rng))
