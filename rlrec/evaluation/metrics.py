"""Ranking metrics of recommended lists, best first, for all users at once.

Accuracy (precision, recall, NDCG, hit rate, reciprocal rank, average precision) is
computed from ``hits`` [users, places]: 1 where a place (rank) of a user's list holds a
relevant item, else 0. If a list repeats an item, only its first place is a hit
(``first_places``). Coverage, overlap, diversity and novelty are computed from the
``recommended`` item ids [users, k], where -1 is an empty place. Most functions return
one number per user, so two recommenders can be compared in pairs; take the mean for a
table. All raise ``ConfigError`` for input of another shape or range.
"""

import numpy as np
from numpy.typing import ArrayLike

from rlrec.envs.catalogue import unit_vectors
from rlrec.errors import ConfigError, require_ids
from rlrec.types import Bools, Floats, Ids


def precision_at_k(hits: ArrayLike, k: int | None = None) -> Floats:
    """The share of the first ``k`` places that hold a relevant item: [users], 0..1.

        P@k = hits in the first k places / k

    ``k``: 1..places, None for all. The divisor is k for every user, also for one who
    had fewer than k items to choose from: empty places are no hits. Source: Manning,
    Raghavan and Schütze (2008), 8.4.

    >>> precision_at_k([[1, 0, 1], [0, 0, 0]]).round(3).tolist()
    [0.667, 0.0]
    """
    return np.asarray(_first(hits, k).mean(axis=1))


def recall_at_k(hits: ArrayLike, n_relevant: ArrayLike, k: int | None = None) -> Floats:
    """The share of a user's relevant items in the first ``k`` places: [users], 0..1.

        R@k = hits in the first k places / n_relevant

    ``n_relevant`` [users]: all relevant items that could have been listed, not only
    those that were; a user with none gets 0.

    >>> recall_at_k([[1, 0, 1]], [4]).tolist()
    [0.5]
    """
    found = _first(hits, k).sum(axis=1)
    return _ratio(found, _relevant(hits, n_relevant))


def ndcg_at_k(hits: ArrayLike, n_relevant: ArrayLike, k: int | None = None) -> Floats:
    """Normalised discounted cumulative gain with binary gains: [users], 0..1.

        DCG@k  = sum over places i = 1..k of hit_i / log2(i + 1)
        NDCG@k = DCG@k / (sum over places i = 1..min(k, n_relevant) of 1 / log2(i + 1))

    The ideal list holds *all* relevant items of the user, so a list that misses one
    gets less. An ideal made of the hits alone (`ndcg_of_the_list`) ignores every
    relevant item that was not listed. ``n_relevant`` [users]; a user with none gets 0.
    Source: Järvelin and Kekäläinen (2002), section 2, with the usual log2(i + 1).

    Hits at places 1 and 3, three relevant items: (1 + 1/2) / (1 + 1/1.585 + 1/2). The
    wrong ideal is 1 + 1/1.585.

    >>> ndcg_at_k([[1, 0, 1]], [3]).round(3).tolist()
    [0.704]
    >>> ndcg_of_the_list([[1, 0, 1]]).round(3).tolist()
    [0.92]
    """
    places = _first(hits, k)
    ranks = np.arange(places.shape[1]) + 1
    weights = 1.0 / np.log2(ranks + 1)
    ideal = ranks <= _relevant(hits, n_relevant)[:, None]  # [users, k]
    return _ratio(places @ weights, ideal @ weights)


def ndcg_of_the_list(hits: ArrayLike, k: int | None = None) -> Floats:
    """NDCG whose ideal is the same list, hits first: [users], 0..1.

    Use it only to compare with papers. It says how well the first ``k`` are ordered
    *among themselves*, not how good they are: a list with its single hit on top gets 1,
    whatever it missed. A user without a hit has no ideal and gets nan, to be left out
    of the mean. We infer that the paper of the agent DRR (arXiv:1810.12027, tables 2
    and 3) computes it like this, because nothing else reproduces its figures.

    >>> ndcg_of_the_list([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]).round(3).tolist()
    [1.0, 0.631, nan]
    """
    places = _first(hits, k)
    found = places.sum(axis=1)
    return np.where(found > 0, ndcg_at_k(places, found), np.nan)


def hit_rate(hits: ArrayLike, k: int | None = None) -> Floats:
    """1 for a user with a relevant item among the first ``k``, else 0: [users].

    >>> hit_rate([[0, 0, 1], [0, 0, 0]]).tolist(), hit_rate([[0, 0, 1]], k=2).tolist()
    ([1.0, 0.0], [0.0])
    """
    return np.asarray(_first(hits, k).any(axis=1), float)


def reciprocal_rank(hits: ArrayLike, k: int | None = None) -> Floats:
    """1 over the place of the first relevant item, 0 without one: [users].

    Only the first ``k`` places count; the mean over users is MRR@k.

    >>> reciprocal_rank([[0, 1, 1], [0, 0, 0]]).tolist()
    [0.5, 0.0]
    """
    first = _first(hits, k).argmax(axis=1)  # 0 without a hit; the ratio is 0 then
    return _ratio(hit_rate(hits, k), first + 1)


def average_precision(
    hits: ArrayLike, n_relevant: ArrayLike, k: int | None = None
) -> Floats:
    """Average precision of the first ``k`` places: [users], 0..1; its mean is MAP@k.

        AP@k = (sum over places i = 1..k with a hit of P@i) / min(k, n_relevant)

    The divisor is the most hits that k places could hold, so everybody can reach 1.
    Dividing by the hits found would ignore the relevant items left out. Divided by
    n_relevant, AP@k could not reach 1 if n_relevant > k. ``n_relevant`` as in
    ``recall_at_k``; a user with none gets 0. Source: Manning, Raghavan and Schütze
    (2008), 8.4.

    Hits at places 1 and 3, three relevant items: (1/1 + 2/3) / 3.

    >>> average_precision([[1, 0, 1]], [3]).round(3).tolist()
    [0.556]
    """
    places = _first(hits, k)
    ranks = np.arange(places.shape[1]) + 1
    precision = places.cumsum(axis=1) / ranks  # [users, k]
    ideal = np.minimum(_relevant(hits, n_relevant), len(ranks))
    return _ratio((precision * places).sum(axis=1), ideal)


def catalogue_coverage(recommended: ArrayLike, n_items: int) -> float:
    """The share of the catalogue that is shown to at least one user, 0..1.

    At its lowest, k / n_items, everybody gets the same list. ``n_items``: 1 or more.
    Source: Ge, Delgado-Battenfeld and Jannach (2010), section 3.

    >>> catalogue_coverage([[0, 1], [0, 2]], n_items=10)
    0.3
    """
    ids = _lists(recommended, n_items)
    return np.unique(ids[ids >= 0]).size / n_items


def between_user_overlap(recommended: ArrayLike) -> float:
    """The share of places that two users have in common, 0..1, averaged over all pairs.

    It detects collapse: 1 means that everybody is shown the same items, whatever the
    accuracy. With n users, k places and c_i users who are shown item i, it is

        sum_i c_i (c_i - 1) / (n (n - 1) k)

    An item that stands twice in a list counts once. One user: 0. Source: the complement
    of inter-user diversity, Zhou et al. (2010), "Solving the apparent
    diversity-accuracy dilemma of recommender systems", Methods.

    Three lists of two; the pairs share 1, 0 and 1 of 2 places:

    >>> round(between_user_overlap([[0, 1], [0, 2], [3, 2]]), 3)
    0.333
    """
    ids = _lists(recommended)
    shown = np.unique(ids[first_places(ids)], return_counts=True)[1]
    pairs = ids.size * (len(ids) - 1)  # n k (n - 1)
    return float(shown @ (shown - 1) / max(pairs, 1))


def first_places(recommended: ArrayLike) -> Bools:
    """Whether a place holds an item, for the first time in its list: [users, k].

    >>> first_places([[4, 2, 4, -1]]).tolist()
    [[True, True, False, False]]
    """
    ids = _lists(recommended)
    order = ids.argsort(axis=1, kind="stable")
    ranked = np.take_along_axis(ids, order, axis=1)  # empty places first
    found = np.empty(ids.shape, bool)
    np.put_along_axis(found, order, np.diff(ranked, prepend=-1) > 0, axis=1)
    return found


def intra_list_diversity(recommended: ArrayLike, vectors: ArrayLike) -> Floats:
    """How different the items of a list are: [users], 0 (same direction) to 2.

        ILD = mean over pairs of places i < j of 1 - cos(v_i, v_j)

    ``vectors`` [items, d]; a row of zeros has cosine 0 with everything. A list of fewer
    than 2 items gets 0; an item that stands twice makes a pair of distance 0. Source:
    Ziegler et al. (2005), "Improving recommendation lists through topic
    diversification", section 3.2 (there as similarity).

    Two of the same direction and one at a right angle: distances 0, 1 and 1.

    >>> intra_list_diversity([[0, 1, 2]], [[1, 0], [2, 0], [0, 1]]).round(3).tolist()
    [0.667]
    """
    table = np.asarray(vectors, float)
    if table.ndim != 2:
        raise ConfigError(f"vectors must be [items, d]; got shape {table.shape}")
    ids = _lists(recommended, len(table))
    units = unit_vectors(table)[ids]  # [users, k, d]
    filled = ids >= 0
    both = filled[:, :, None] & filled[:, None]  # [users, k, k]
    pairs = np.triu(both, 1)  # i < j
    distance = (1.0 - units @ units.mT) * pairs
    return _ratio(distance.sum(axis=(1, 2)), pairs.sum(axis=(1, 2)))


def novelty(recommended: ArrayLike, counts: ArrayLike) -> Floats:
    """Mean self-information of a list's items in bits: [users], 0 and above.

        novelty = mean over places of -log2 p_i
        p_i     = (c_i + 1) / (sum over items of (c_j + 1))

    ``counts`` [items]: how often each was consumed in training. Adding 1 keeps an
    unknown item finite, and makes it the most novel. Empty places are left out; an
    empty list gets 0. Source: Zhou et al. (2010), Methods; the title is in
    `between_user_overlap`.

    With 1 added the counts are 2, 1 and 1 of 4: items of 1, 2 and 2 bits.

    >>> novelty([[0, 1], [1, 2]], [1, 0, 0]).tolist()
    [1.5, 2.0]
    """
    seen = np.asarray(counts, float) + 1.0
    if seen.ndim != 1 or not (np.isfinite(seen) & (seen >= 1.0)).all():
        raise ConfigError(f"counts {seen.shape} must be [items], each 0 or more")
    ids = _lists(recommended, len(seen))
    filled = ids >= 0
    bits = -np.log2(seen / seen.sum())  # of each item
    total = (bits[ids] * filled).sum(axis=1)
    return _ratio(total, filled.sum(axis=1))


def _first(hits: ArrayLike, k: int | None) -> Bools:
    """The first ``k`` places [users, k]."""
    places = np.asarray(hits)
    length = places.shape[1] if places.ndim == 2 else 0
    count = length if k is None else k
    if not 1 <= count <= length or not np.isin(places, (0, 1)).all():
        raise ConfigError(
            f"hits {places.shape} must be [users, places] of 0 and 1, k {k} 1..places"
        )
    return places[:, :k].astype(bool)


def _relevant(hits: ArrayLike, n_relevant: ArrayLike) -> Ids:
    """Check ``n_relevant`` [users]: whole numbers, at least the hits of the list."""
    found = np.sum(hits, axis=1)
    relevant = np.asarray(n_relevant)
    if (
        relevant.shape != found.shape
        or (relevant % 1).any()
        or (relevant < found).any()
    ):
        raise ConfigError(
            f"n_relevant {relevant} must be whole and at least the hits, {found}"
        )
    return relevant


def _ratio(above: ArrayLike, below: ArrayLike) -> Floats:
    """``above / below`` [users]; 0 where both are 0."""
    return np.divide(above, np.maximum(below, 1e-12))


def _lists(recommended: ArrayLike, n_items: float = np.inf) -> Ids:
    """Check ``recommended``: item ids [users, k] in -1..n_items - 1."""
    ids = require_ids("recommended", recommended, n_items)
    if ids.ndim != 2 or not ids.size or n_items < 1:
        raise ConfigError(
            f"recommended {ids.shape} must be [users, k], n_items {n_items} 1 or more"
        )
    return ids
