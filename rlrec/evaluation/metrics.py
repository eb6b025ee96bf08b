"""Ranking metrics for one list a user, best first; each answers for all users at once.

``hits`` [users, k] says which places of the lists hold a relevant item, place 0 the best. Most functions give one
figure a user, so that two recommenders can be compared pair by pair; take the mean for a table.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rlrec.errors import ConfigError
from rlrec.types import Bools, Floats, Ids


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
    return np.asarray(
        np.where(places.any(axis=1), 1.0 / (places.argmax(axis=1) + 1), 0.0)
    )


def average_precision(
    hits: ArrayLike, n_relevant: ArrayLike, k: int | None = None
) -> Floats:
    """Average precision of the first ``k`` places: [users], in 0..1. Its mean over users is MAP@k.

        AP@k = (sum over places i = 1..k with a hit of P@i) / min(k, n_relevant)

    The variant: the divisor is the most hits that k places could hold, so 1 can be reached by everybody. Dividing by
    the hits found forgives what was left out; dividing by n_relevant can't reach 1 where that is above k.
    ``n_relevant`` as in ``recall_at_k``; a user with none gets 0. Source: Manning, Raghavan and Schütze (2008), 8.4.

    Hits at places 1 and 3, three relevant items: (1/1 + 2/3) / 3.

    >>> average_precision([[1, 0, 1]], [3]).round(3).tolist()
    [0.556]
    """
    places, relevant = _first(hits, k), _relevant(hits, n_relevant)
    precision = places.cumsum(axis=1) / np.arange(1, places.shape[1] + 1)
    ideal = np.minimum(relevant, places.shape[1]).astype(np.float64)
    return _ratio((precision * places).sum(axis=1), ideal)


def catalogue_coverage(recommended: ArrayLike, n_items: int) -> float:
    """The share of the catalogue that at least one user was shown, 0..1. Near k / n_items: all get the same list.

    ``recommended``: item ids [users, k], 0..n_items - 1; -1 is an empty place. Raises ``ConfigError`` for other ids.
    Source: Ge, Delgado-Battenfeld and Jannach (2010), section 3.

    >>> catalogue_coverage([[0, 1], [0, 2]], n_items=10)
    0.3
    """
    ids = _lists(recommended)
    if n_items < 1 or ids.max(initial=-1) >= n_items:
        raise ConfigError(
            f"item {ids.max(initial=-1)} recommended, but n_items is {n_items}: ids run from 0"
        )
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


def intra_list_diversity(recommended: ArrayLike, vectors: ArrayLike) -> Floats:
    """How unlike each other the items of a list are: [users], 0 (all point the same way) .. 2 (opposite).

        ILD = mean over pairs of places i < j of 1 - cos(v_i, v_j)

    ``recommended``: item ids [users, k], -1 for an empty place; ``vectors`` [items, d], a row of zeros is at a right
    angle to everything. A list of fewer than 2 items gets 0. Source: Ziegler et al. (2005), "Improving recommendation
    lists through topic diversification", section 3.2 (there as similarity). With n items, the sum of cosines over all
    ordered pairs is |sum of unit vectors|^2 - (items that have a length), so no pair need be formed.

    Two the same and one at a right angle: distances 0, 1 and 1.

    >>> intra_list_diversity([[0, 1, 2]], [[1, 0], [2, 0], [0, 1]]).round(3).tolist()
    [0.667]
    """
    ids, table = _lists(recommended), np.asarray(vectors, np.float64)
    if table.ndim != 2 or ids.max(initial=-1) >= len(table):
        raise ConfigError(
            f"vectors have shape {table.shape}, items go up to {ids.max(initial=-1)}: need [items, d]"
        )
    length = np.linalg.norm(table, axis=1)
    units = np.divide(
        table, length[:, None], out=np.zeros_like(table), where=length[:, None] > 0
    )
    shown = (ids >= 0)[:, :, None] * units[ids]  # [users, k, d]
    number = (ids >= 0).sum(axis=1)
    alike = (shown.sum(axis=1) ** 2).sum(axis=1) - (shown**2).sum(axis=(1, 2))
    return np.where(number > 1, 1.0 - alike / np.maximum(number * (number - 1), 1), 0.0)


def novelty(recommended: ArrayLike, counts: ArrayLike) -> Floats:
    """How little known the items of a list are: mean self-information in bits, [users], 0 and above.

        novelty = mean over places of -log2 p_i,   p_i = (c_i + 1) / (sum over items of (c_j + 1))

    ``counts`` [items]: how often each was consumed in training; the one added keeps an item nobody had finite (and
    makes it the most novel). ``recommended`` as above; empty places are left out, an empty list gets 0.
    Source: Zhou et al. (2010), "Solving the apparent diversity-accuracy dilemma", Methods (self-information).

    Of four plays (with the ones added) two are of item 0, one each of items 1 and 2: 1 and 2 bits.

    >>> novelty([[0, 1], [1, 2]], [1, 0, 0]).tolist()
    [1.5, 2.0]
    """
    ids, seen = _lists(recommended), np.asarray(counts, np.float64)
    if (
        seen.ndim != 1
        or ids.max(initial=-1) >= len(seen)
        or not (np.isfinite(seen) & (seen >= 0)).all()
    ):
        raise ConfigError(
            f"counts {seen.shape} must be [items], 0 or more, one for every item up to {ids.max()}"
        )
    bits = -np.log2((seen + 1.0) / (seen + 1.0).sum())[ids] * (ids >= 0)
    return np.asarray(bits.sum(axis=1) / np.maximum((ids >= 0).sum(axis=1), 1))


def _first(hits: ArrayLike, k: int | None) -> Bools:
    """The first ``k`` places [users, k]."""
    places = np.asarray(hits)
    if places.ndim != 2 or not np.isin(places, (0, 1)).all():
        raise ConfigError(
            f"hits must be [users, places] of 0 and 1, best first; got shape {places.shape}"
        )
    if not 1 <= (k if k is not None else places.shape[1]) <= places.shape[1]:
        raise ConfigError(
            f"k is {k}; it must lie in 1..{places.shape[1]}, the number of places"
        )
    return places[:, :k].astype(np.bool_)


def _relevant(hits: ArrayLike, n_relevant: ArrayLike) -> Ids:
    """Relevant items a user [users], checked against the hits of the whole list."""
    relevant, found = np.asarray(n_relevant), np.asarray(hits).sum(axis=1)
    if relevant.shape != found.shape or not np.equal(np.mod(relevant, 1), 0).all():
        raise ConfigError(
            f"n_relevant has shape {relevant.shape}; it needs one whole number for each of {found.shape}"
        )
    if (relevant < found).any():
        user = int((relevant < found).argmax())
        raise ConfigError(
            f"user {user} has {found[user]} hits but n_relevant {relevant[user]}: count them all"
        )
    return relevant.astype(np.int64)


def _discounts(k: int) -> Floats:
    return np.asarray(1.0 / np.log2(np.arange(2, k + 2)))


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros(len(above)), where=below > 0)


def _lists(recommended: ArrayLike) -> Ids:
    ids = np.asarray(recommended)
    if (
        ids.ndim != 2
        or ids.size == 0
        or not np.issubdtype(ids.dtype, np.integer)
        or ids.min() < -1
    ):
        raise ConfigError(
            f"recommended must be whole item ids [users, k], -1 for an empty place; got {ids.shape}"
        )
    return ids.astype(np.int64)
