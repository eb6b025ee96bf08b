"""From an action vector to items: the largest dot products, or the nearest neighbours; best first.

DRR (arXiv:1810.12027): the actor's action a [d] is a ranking function, item i scores <i, a>. A catalogue
of thousands is searched whole: 64 x 100 x 3,706 products cost about a millisecond, less than an index would.

``Neighbours``: the action is a point of a map with few dimensions, such as `rlrec.sound.vae` makes, and the items nearest
to it are the candidates, as in the Wolpertinger policy (Dulac-Arnold et al., arXiv:1512.07679). There a tree pays: it
looks at a few hundred of a million items and still finds exactly the nearest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.errors import ConfigError
from rlrec.types import Ids


def top_k(
    vectors: NDArray[Any],
    items: NDArray[Any],
    k: int,
    allowed: NDArray[np.bool_] | None = None,
) -> Ids:
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


def best_k(
    scores: NDArray[Any], k: int, allowed: NDArray[np.bool_] | None = None
) -> Ids:
    """The ``k`` columns with the highest ``scores`` [batch, I]: [batch, k], best first; of equals the lower id first.

    Raises ``ConfigError`` for a score that is no number, and for a row with fewer than ``k`` items allowed.
    """
    _check(scores, k, allowed)
    masked = (
        -scores if allowed is None else np.where(allowed, -scores, np.inf)
    )  # smallest first, as NumPy sorts
    if k == 1:
        return np.asarray(masked.argmin(axis=1))[:, None]  # the same, in less time
    bar = np.partition(masked, k - 1, axis=1)[:, k - 1 : k]  # [batch, 1] the k-th best
    chosen = np.argpartition(masked, k - 1, axis=1)[:, :k]
    tied = np.flatnonzero(
        (masked <= bar).sum(axis=1) > k
    )  # more items at the bar than places: take the lowest ids
    chosen[tied] = np.argsort(masked[tied], axis=1, kind="stable")[:, :k]
    chosen.sort(axis=1)  # by id, so that the stable sort leaves equals in that order
    order = np.argsort(
        np.take_along_axis(masked, chosen, axis=1), axis=1, kind="stable"
    )
    return np.take_along_axis(chosen, order, axis=1)


def _check(scores: NDArray[Any], k: int, allowed: NDArray[np.bool_] | None) -> None:
    if np.isnan(scores).any():
        raise ConfigError("a score is not a number; has training diverged?")
    if not 1 <= k <= scores.shape[1]:
        raise ConfigError(
            f"k is {k}; it must lie in 1..{scores.shape[1]}, the number of items"
        )
    if allowed is None:
        return
    if allowed.shape != scores.shape:
        raise ConfigError(
            f"allowed is {allowed.shape}, the scores are {scores.shape}; make them equal"
        )
    left = allowed.sum(axis=1)
    if len(left) and left.min() < k:
        raise ConfigError(
            f"row {left.argmin()} has {left.min()} items left, fewer than k = {k}"
        )


class Neighbours:
    """The items nearest to a point by Euclidean distance, exactly, by SciPy's k-d tree: ``vectors`` [I, d], d >= 1.

    >>> map_of_songs = Neighbours(np.array([[0.0], [1.0], [2.0], [4.0]]))
    >>> map_of_songs.nearest(np.array([1.2]), k=2).tolist()
    [[1, 2]]
    >>> map_of_songs.nearest(np.array([1.2]), k=2, exclude=np.array([[1, -1]])).tolist()
    [[2, 0]]
    """

    def __init__(self, vectors: NDArray[Any]) -> None:
        from scipy.spatial import cKDTree

        self.vectors = np.asarray(vectors, np.float64)
        if self.vectors.ndim != 2 or not self.vectors.size:
            raise ConfigError(
                f"vectors are {self.vectors.shape}; need [items, d], at least one of each"
            )
        if not np.isfinite(self.vectors).all():
            raise ConfigError(
                "a vector holds what is no finite number; has training diverged?"
            )
        self.tree = cKDTree(self.vectors)

    def nearest(
        self, points: NDArray[Any], k: int = 4, exclude: NDArray[Any] | None = None
    ) -> Ids:
        """The ``k`` items nearest to each point: ids [batch, k], nearest first; of equals the lower id first.

        points [batch, d] or [d] (then batch is 1); exclude [batch, m]: ids that must not come, such as what plays now
        and what was played lately, -1 for none. Raises ``ConfigError``, also if fewer than ``k`` items are left.
        """
        points = np.atleast_2d(np.asarray(points, np.float64))
        out = np.full((len(points), 0), -1) if exclude is None else np.asarray(exclude)
        self._check_points(points, k, out)
        found, pending = np.empty((len(points), k), np.int64), np.arange(len(points))
        count = (
            k + out.shape[1] + 1
        )  # enough, unless several items are equally far where the list ends
        while len(pending):
            count = min(count, len(self.vectors))
            ids, done = self._look(points[pending], k, out[pending], count)
            found[pending[done]] = ids[done]
            pending, count = pending[~done], 2 * count
        return found

    def _look(
        self, points: NDArray[Any], k: int, out: Ids, count: int
    ) -> tuple[Ids, NDArray[np.bool_]]:
        """The ``k`` best of the nearest ``count`` [batch, k], and which rows [batch] can't change if more are asked."""
        distances, ids = (
            part.reshape(len(points), count)
            for part in self.tree.query(points, k=count)
        )
        kept = np.where(
            (ids[:, :, None] == out[:, None, :]).any(axis=2), np.inf, distances
        )
        order = np.lexsort((ids, kept), axis=1)[:, :k]  # by distance, then by id
        last = np.take_along_axis(kept, order, axis=1)[:, -1]
        done = (last < distances[:, -1]) | (count == len(self.vectors))
        return np.take_along_axis(ids, order, axis=1).astype(np.int64), done

    def _check_points(self, points: NDArray[Any], k: int, out: Ids) -> None:
        items, dimensions = self.vectors.shape
        if points.ndim != 2 or points.shape[1] != dimensions:
            raise ConfigError(
                f"points are {points.shape}; these vectors need [batch, {dimensions}]"
            )
        if not np.isfinite(points).all():
            raise ConfigError(
                "a point holds what is no finite number; has training diverged?"
            )
        if out.ndim != 2 or len(out) != len(points) or out.dtype.kind not in "iu":
            raise ConfigError(
                f"exclude is {out.shape} of {out.dtype}; need ids [{len(points)}, m], -1 for none"
            )
        if out.size and (out.min() < -1 or out.max() >= items):
            raise ConfigError(
                f"exclude holds ids {out.min()} to {out.max()}; they must lie in 0..{items - 1}, or -1"
            )
        first = np.sort(out, axis=1)
        fresh = np.diff(first, axis=1, prepend=-1) > 0  # an id may be named twice
        left = items - fresh.sum(axis=1)
        if k < 1 or (len(left) and left.min() < k):
            row = int(left.argmin()) if len(left) else 0
            raise ConfigError(
                f"k is {k}; it must lie in 1..{left.min(initial=items)}, what is left for row {row}"
            )
