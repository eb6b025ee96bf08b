"""From an action vector to items: the dot product with every item of the catalogue, best first.

DRR (arXiv:1810.12027): the actor's action a [d] is a ranking function, item i scores <i, a>. A catalogue
of thousands is searched whole: 64 x 100 x 3,706 products cost about a millisecond, less than an index would.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.errors import ConfigError

Ids = NDArray[np.int64]


def top_k(vectors: NDArray[Any], items: NDArray[Any], k: int, allowed: NDArray[np.bool_] | None = None) -> Ids:
    """The ``k`` items with the largest dot products: ids [batch, k], best first.

    vectors [batch, d]; items [I, d]; allowed [batch, I]: which may come (all by default). Raises ``ConfigError``.

    >>> top_k(np.array([[1.0, 0.0]]), np.array([[0.2, 1.0], [0.9, 0.0], [0.5, 0.0]]), k=2).tolist()
    [[1, 2]]
    """
    if vectors.ndim != 2 or items.ndim != 2 or vectors.shape[1] != items.shape[1]:
        raise ConfigError(
            f"vectors {vectors.shape}, items {items.shape}: need [batch, d] and [items, d] with the same d"
        )
    return best_k(vectors @ items.T, k, allowed)


def best_k(scores: NDArray[Any], k: int, allowed: NDArray[np.bool_] | None = None) -> Ids:
    """The ``k`` columns with the highest ``scores`` [batch, I]: [batch, k], best first; of equals the lower id first.

    Raises ``ConfigError`` for a score that is no number, and for a row with fewer than ``k`` items allowed.
    """
    _check(scores, k, allowed)
    masked = -scores if allowed is None else np.where(allowed, -scores, np.inf)  # smallest first, as NumPy sorts
    bar = np.partition(masked, k - 1, axis=1)[:, k - 1 : k]  # [batch, 1] the k-th best
    chosen = np.argpartition(masked, k - 1, axis=1)[:, :k]
    tied = np.flatnonzero((masked <= bar).sum(axis=1) > k)  # more items at the bar than places: take the lowest ids
    chosen[tied] = np.argsort(masked[tied], axis=1, kind="stable")[:, :k]
    chosen.sort(axis=1)  # by id, so that the stable sort leaves equals in that order
    order = np.argsort(np.take_along_axis(masked, chosen, axis=1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1)


def _check(scores: NDArray[Any], k: int, allowed: NDArray[np.bool_] | None) -> None:
    if np.isnan(scores).any():
        raise ConfigError("a score is not a number; has training diverged?")
    if not 1 <= k <= scores.shape[1]:
        raise ConfigError(f"k is {k}; it must lie in 1..{scores.shape[1]}, the number of items")
    if allowed is None:
        return
    if allowed.shape != scores.shape:
        raise ConfigError(f"allowed is {allowed.shape}, the scores are {scores.shape}; make them equal")
    left = allowed.sum(axis=1)
    if len(left) and left.min() < k:
        raise ConfigError(f"row {left.argmin()} has {left.min()} items left, fewer than k = {k}")
