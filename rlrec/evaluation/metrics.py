"""Ranking metrics for one list a user, best first; each answers for all users at once.

``hits`` [users, k] says which places of the lists hold a relevant item, place 0 the best. Most functions give one
figure a user, so that two recommenders can be compared pair by pair; take the mean for a table.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlrec.errors import ConfigError

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]
Bools = NDArray[np.bool_]


def precision_at_k(hits: ArrayLike, k: int | None = None) -> Floats:
    """The share of the first ``k`` places that hold a relevant item: P@k = hits / k [users], in 0..1.

    ``hits``: [users, places] bool, best first. ``k``: 1..places, None for all. The divisor is k for every user, also
    for one who had fewer than k items to choose from: such lists carry empty places, and these are no hits.
    Raises ``ConfigError`` for another shape or a k out of range. Source: Manning, Raghavan and Schütze (2008), 8.4.

    >>> precision_at_k([[1, 0, 1], [0, 0, 0]]).round(3).tolist()
    [0.667, 0.0]
    """
    places = _first(hits, k)
    return np.asarray(places.mean(axis=1))


def recall_at_k(hits: ArrayLike, n_relevant: ArrayLike, k: int | None = None) -> Floats:
    """The share of a user's relevant items that the first ``k`` places hold: hits / n_relevant [users], in 0..1.

    ``n_relevant``: [users], all relevant items that could have been listed, not only those that were; a user with
    none gets 0. Raises ``ConfigError`` where there are more hits than relevant items.

    >>> recall_at_k([[1, 0, 1]], [4]).tolist()
    [0.5]
    """
    places, relevant = _first(hits, k), _relevant(hits, n_relevant)
    return np.asarray(places.sum(axis=1) / np.maximum(relevant, 1))


def ndcg_at_k(hits: ArrayLike, n_relevant: ArrayLike, k: int | None = None) -> Floats:
    """Normalised discounted cumulative gain, binary gains, logarithm of base 2: [users], in 0..1.

        DCG@k = sum over places i = 1..k of hit_i / log2(i + 1)
        NDCG@k = DCG@k / (sum over places i = 1..min(k, n_relevant) of 1 / log2(i + 1))

    The variant: the ideal list is filled from *all* relevant items of the user, so leaving one out costs. Taking it
    over the hits alone (`ndcg_of_the_list`) forgives every relevant item that was not listed. ``n_relevant``: [users];
    a user with none gets 0. Raises ``ConfigError`` where there are more hits than relevant items.
    Source: Järvelin and Kekäläinen (2002), section 2, with the logarithm's usual shift by one.

    Hits at places 1 and 3, three relevant items: (1 + 1/2) / (1 + 1/1.585 + 1/2); the wrong ideal is 1 + 1/1.585.

    >>> ndcg_at_k([[1, 0, 1]], [3]).round(3).tolist(), ndcg_of_the_list([[1, 0, 1]]).round(3).tolist()
    ([0.704], [0.92])
    """
    places, relevant = _first(hits, k), _relevant(hits, n_relevant)
    weights = _discounts(places.shape[1])
    ideal = np.append(0.0, weights.cumsum())[np.minimum(relevant, len(weights))]
    return _ratio(places @ weights, ideal)


def ndcg_of_the_list(hits: ArrayLike, k: int | None = None) -> Floats:
    """NDCG whose ideal is the same list re-ordered, hits first: [users], in 0..1. Only to compare with papers.

    It asks how well the first ``k`` are ordered *among themselves*, not how good they are: a list with its single hit
    on top gets 1 whatever it missed. A user without a hit has no ideal and gets nan, to be left out of the mean: only
    so are the figures published for DRR (arXiv:1810.12027, tables 2 and 3) reproduced, which is an inference.

    >>> ndcg_of_the_list([[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]]).round(3).tolist()
    [1.0, 0.631, nan]
    """
    places = _first(hits, k)
    found = places.sum(axis=1)
    return np.where(found > 0, ndcg_at_k(places, found), np.nan)


def hit_rate(hits: ArrayLike, k: int | None = None) -> Floats:
    """1 for a user with a relevant item among the first ``k``, else 0: [users]. Its mean is the hit rate.

    >>> hit_rate([[0, 0, 1], [0, 0, 0]]).tolist(), hit_rate([[0, 0, 1]], k=2).tolist()
    ([1.0, 0.0], [0.0])
    """
    return np.asarray(_first(hits, k).any(axis=1), np.float64)


def reciprocal_rank(hits: ArrayLike, k: int | None = None) -> Floats:
    """1 over the place of the first relevant item, 0 if the first ``k`` hold none: [users]. Its mean is MRR@k.

    >>> reciprocal_rank([[0, 1, 1], [0, 0, 0]]).tolist()
    [0.5, 0.0]
    """
    places = _first(hits, k)
    return np.asarray(np.where(places.any(axis=1), 1.0 / (places.argmax(axis=1) + 1), 0.0))


def catalogue_coverage(recommended: ArrayLike, n_items: int) -> float:
    """The share of the catalogue that at least one user was shown, 0..1. Near k / n_items: all get the same list.

    ``recommended``: item ids [users, k], 0..n_items - 1; -1 is an empty place. Raises ``ConfigError`` for other ids.
    Source: Ge, Delgado-Battenfeld and Jannach (2010), section 3.

    >>> catalogue_coverage([[0, 1], [0, 2]], n_items=10)
    0.3
    """
    ids = _lists(recommended)
    if n_items < 1 or ids.max(initial=-1) >= n_items:
        raise ConfigError(f"item {ids.max(initial=-1)} recommended, but n_items is {n_items}: ids run from 0")
    return len(np.unique(ids[ids >= 0])) / n_items


def between_user_overlap(recommended: ArrayLike) -> float:
    """The collapse alarm: the share of places two different users have in common, averaged over all pairs, 0..1.

    1 means that everybody is shown the same items, whatever accuracy says. With c_i the number of users who were
    shown item i, n users and k places it is exactly sum_i c_i (c_i - 1) / (n (n - 1) k): no pairs need be drawn.
    ``recommended``: item ids [users, k], no item twice in a list, -1 for an empty place. One user: 0.
    Source: the complement of inter-user diversity, Zhou et al. (2010), "Solving the apparent diversity-accuracy
    dilemma of recommender systems", Methods.

    Three lists of two; the pairs share 1, 0 and 1 of 2 places:

    >>> round(between_user_overlap([[0, 1], [0, 2], [3, 2]]), 3)
    0.333
    """
    ids = _lists(recommended)
    users, k = ids.shape
    shown = np.unique(ids[ids >= 0], return_counts=True)[1]
    return float((shown * (shown - 1)).sum() / (max(users * (users - 1), 1) * k))


def _first(hits: ArrayLike, k: int | None) -> Bools:
    """The first ``k`` places [users, k]."""
    places = np.asarray(hits)
    if places.ndim != 2 or not np.isin(places, (0, 1)).all():
        raise ConfigError(f"hits must be [users, places] of 0 and 1, best first; got shape {places.shape}")
    if not 1 <= (k if k is not None else places.shape[1]) <= places.shape[1]:
        raise ConfigError(f"k is {k}; it must lie in 1..{places.shape[1]}, the number of places")
    return places[:, :k].astype(np.bool_)


def _relevant(hits: ArrayLike, n_relevant: ArrayLike) -> Ids:
    """Relevant items a user [users], checked against the hits of the whole list."""
    relevant, found = np.asarray(n_relevant), np.asarray(hits).sum(axis=1)
    if relevant.shape != found.shape or not np.equal(np.mod(relevant, 1), 0).all():
        raise ConfigError(f"n_relevant has shape {relevant.shape}; it needs one whole number for each of {found.shape}")
    if (relevant < found).any():
        user = int((relevant < found).argmax())
        raise ConfigError(f"user {user} has {found[user]} hits but n_relevant {relevant[user]}: count them all")
    return relevant.astype(np.int64)


def _discounts(k: int) -> Floats:
    return np.asarray(1.0 / np.log2(np.arange(2, k + 2)))


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros(len(above)), where=below > 0)


def _lists(recommended: ArrayLike) -> Ids:
    ids = np.asarray(recommended)
    if ids.ndim != 2 or ids.size == 0 or not np.issubdtype(ids.dtype, np.integer) or ids.min() < -1:
        raise ConfigError(f"recommended must be whole item ids [users, k], -1 for an empty place; got {ids.shape}")
    return ids.astype(np.int64)
