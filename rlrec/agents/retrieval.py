"""From an action vector to items: largest dot products, or nearest neighbours.

``top_k``: the action a [d] is a ranking function, and item i scores <i, a>, as in DRR
(arXiv:1810.12027). It searches the whole catalogue: 64 x 100 x 3,706 products take
about a millisecond, less than an index would.

``Neighbours``: the action is a point of a map with few dimensions, such as that of
`rlrec.sound.vae`. The items nearest to it are the candidates, as in the Wolpertinger
policy (Dulac-Arnold et al., arXiv:1512.07679). A k-d tree finds exactly the nearest of
a million items, and looks at a few hundred of them.

Differs from the papers: Wolpertinger's candidates are then ranked by a critic, which is
left to the agent, and its search may be approximate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.errors import ConfigError, require_ids
from rlrec.types import Bools, Floats, Ids


def top_k(
    vectors: NDArray[Any],
    items: NDArray[Any],
    k: int,
    allowed: Bools | None = None,
) -> Ids:
    """The ``k`` items with the largest dot products: ids [batch, k], best first.

    ``vectors`` [batch, d]; ``items`` [I, d]; ``allowed`` [batch, I]: the items that may
    be returned (default: all). Ties go to the lower id. Raises ``ConfigError``.

    >>> items = np.array([[0.2, 1.0], [0.9, 0.0], [0.5, 0.0]])
    >>> top_k(np.array([[1.0, 0.0]]), items, k=2).tolist()
    [[1, 2]]
    """
    if vectors.ndim != 2 or items.ndim != 2 or vectors.shape[1] != items.shape[1]:
        raise ConfigError(
            f"vectors {vectors.shape}, items {items.shape}: "
            "need [batch, d] and [items, d] with the same d"
        )
    return best_k(vectors @ items.T, k, allowed)


def best_k(
    scores: NDArray[Any],
    k: int,
    allowed: Bools | None = None,
) -> Ids:
    """The ``k`` columns with the highest ``scores`` [batch, I]: ids [batch, k].

    Best first; ties go to the lower id. ``allowed`` as in ``top_k``. Raises
    ``ConfigError`` for a NaN score, and if fewer than ``k`` items are allowed in a row.
    """
    _check_scores(scores, k, allowed)
    costs = -scores  # NumPy sorts the smallest first
    if allowed is not None:
        # an allowed score of -inf becomes finite: it comes before all not allowed
        costs = np.where(allowed, np.minimum(costs, np.finfo(np.float32).max), np.inf)
    if k == 1:
        return np.asarray(costs.argmin(axis=1))[:, None]  # the same in less time
    partitioned = np.partition(costs, k - 1, axis=1)
    kth_best = partitioned[:, k - 1 : k]  # [batch, 1]
    chosen = np.argpartition(costs, k - 1, axis=1)[:, :k]
    # where ties straddle the k-th place, take the lowest ids
    as_good = (costs <= kth_best).sum(axis=1)
    tied = np.flatnonzero(as_good > k)
    by_id = np.argsort(costs[tied], axis=1, kind="stable")
    chosen[tied] = by_id[:, :k]
    # sorted by id first, so that the stable sort leaves ties in that order
    chosen.sort(axis=1)
    chosen_costs = np.take_along_axis(costs, chosen, axis=1)
    order = np.argsort(chosen_costs, axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1)


def _check_scores(
    scores: NDArray[Any],
    k: int,
    allowed: Bools | None,
) -> None:
    if np.isnan(scores).any():
        raise ConfigError("a score is not a number; has training diverged?")
    _check_k(k, np.array(scores.shape[1:]))
    if allowed is None:
        return
    if allowed.shape != scores.shape:
        raise ConfigError(
            f"allowed is {allowed.shape}, the scores are {scores.shape}; "
            "make them equal"
        )
    _check_k(k, allowed.sum(axis=1))


def _check_k(k: int, items_left: Ids) -> None:
    """Raise ``ConfigError`` unless 1 <= k <= ``items_left`` [batch] in each row."""
    if k < 1:
        raise ConfigError(f"k is {k}; it must be 1 or more")
    short = np.flatnonzero(items_left < k)
    if len(short):
        left = items_left[short[0]]
        raise ConfigError(
            f"k is {k}; it must lie in 1..{left}, the items left in row {short[0]}"
        )


class Neighbours:
    """The items nearest to a point by Euclidean distance, exactly, by a k-d tree.

    ``vectors`` [I, d], d >= 1, all finite. Raises ``ConfigError``.

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
                f"vectors are {self.vectors.shape}; "
                "need [items, d], at least one of each"
            )
        _check_finite("vectors", self.vectors)
        self.tree = cKDTree(self.vectors)

    def nearest(
        self,
        points: NDArray[Any],
        k: int = 4,
        exclude: NDArray[Any] | None = None,
    ) -> Ids:
        """The ``k`` items nearest to each point: ids [batch, k], nearest first.

        ``points`` [batch, d] or [d] (then batch is 1); ``exclude`` [batch, m]: ids that
        must not be returned, such as songs just played, -1 for none. Ties go to the
        lower id. Raises ``ConfigError``, also if fewer than ``k`` items are left.
        """
        points = np.atleast_2d(np.asarray(points, np.float64))
        if exclude is None:
            exclude = np.full((len(points), 0), -1)
        exclude = np.asarray(exclude)
        self._check(points, k, exclude)
        found = np.empty((len(points), k), np.int64)
        pending = np.arange(len(points))
        # enough, unless several items at the end of the list are equally far
        count = k + exclude.shape[1] + 1
        while len(pending):
            count = min(count, len(self.vectors))
            ids, final = self._search(points[pending], k, exclude[pending], count)
            found[pending[final]] = ids[final]
            pending = pending[~final]
            count *= 2
        return found

    def _search(
        self,
        points: Floats,
        k: int,
        exclude: Ids,
        count: int,
    ) -> tuple[Ids, Bools]:
        """The ``k`` best of the ``count`` nearest items, and whether they are final.

        Returns ids [batch, k], and [batch]: True where a larger ``count`` cannot change
        them.
        """
        distances, ids = self.tree.query(points, k=count)
        distances = distances.reshape(-1, count)  # SciPy drops an axis of length 1
        ids = ids.reshape(-1, count)
        same = ids[:, :, None] == exclude[:, None, :]  # [batch, count, m]
        kept = np.where(same.any(axis=2), np.inf, distances)
        order = np.lexsort((ids, kept), axis=1)[:, :k]  # by distance, then by id
        last = np.take_along_axis(kept, order, axis=1)[:, -1]
        all_searched = count == len(self.vectors)
        final = (last < distances[:, -1]) | all_searched
        return np.take_along_axis(ids, order, axis=1), final

    def _check(
        self,
        points: Floats,
        k: int,
        exclude: Ids,
    ) -> None:
        items, dimensions = self.vectors.shape
        if points.ndim != 2 or points.shape[1] != dimensions:
            raise ConfigError(
                f"points are {points.shape}; these vectors need [batch, {dimensions}]"
            )
        _check_finite("points", points)
        rows = len(points)
        if exclude.ndim != 2 or len(exclude) != rows:
            raise ConfigError(
                f"exclude is {exclude.shape}; need ids [{rows}, m], -1 for none"
            )
        require_ids("exclude", exclude, items)
        # an id may be excluded twice: count where the sorted ids change
        ordered = np.sort(exclude, axis=1)
        distinct = np.diff(ordered, axis=1, prepend=-1) > 0
        _check_k(k, items - distinct.sum(axis=1))


def _check_finite(name: str, values: Floats) -> None:
    if not np.isfinite(values).all():
        raise ConfigError(f"{name} contain NaN or infinity; has training diverged?")
