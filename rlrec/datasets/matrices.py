"""Ratings as a sparse matrix, parts of them, and keys that reveal data leaks."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlrec.types import Bools, Ids

if TYPE_CHECKING:
    from rlrec.datasets.ratings import Ratings

Keys = NDArray[np.uint64]
Matrix = Any  # scipy.sparse.csr_matrix; SciPy has no type stubs here


def interaction_keys(ratings: Ratings) -> Keys:
    """A number for each (user, item) pair of `ratings`, sorted [n].

    It depends on the ids in the file only, so it is the same in any subset of the
    data: two sets of keys show whether two models were trained on the same ratings.
    """
    user = _digests(ratings.user_ids)
    item = _digests(ratings.item_ids)
    factor = np.uint64(0x9E3779B97F4A7C15)
    return np.sort(user[ratings.users] * factor + item[ratings.items])


def rating_matrix(ratings: Ratings) -> Matrix:
    """The ratings as a sparse matrix [n_users, n_items]; a stored 0 is a rating of 0.

    The entries of a row are in the order of time, for models that read a user's
    history: ``matrix.indices[matrix.indptr[u]:matrix.indptr[u + 1]]``. SciPy keeps
    this order unless told to sort.
    """
    import scipy.sparse as sp

    begin = np.searchsorted(ratings.users, np.arange(ratings.n_users + 1))
    entries = (
        ratings.ratings.astype(np.float64),
        ratings.items.astype(np.int64),
        begin.astype(np.int64),
    )
    return sp.csr_matrix(entries, shape=(ratings.n_users, ratings.n_items))


def places(ratings: Ratings) -> tuple[Ids, Ids]:
    """Each rating's place in its user's history, from 0, and its length: [n], [n]."""
    count = np.bincount(ratings.users, minlength=ratings.n_users)
    begin = np.append(0, count.cumsum())[ratings.users]
    return np.arange(len(ratings)) - begin, count[ratings.users]


def subset(ratings: Ratings, mask: Bools) -> Ratings:
    """The ratings where `mask` [n] is true; users and items keep their numbers."""
    return replace(
        ratings,
        users=ratings.users[mask],
        items=ratings.items[mask],
        ratings=ratings.ratings[mask],
        timestamps=ratings.timestamps[mask],
    )


def earlier_and_later(
    ratings: Ratings, share: float = 0.2, first: int | None = None
) -> tuple[Ratings, Ratings]:
    """Each user's ratings split in time into an earlier and a later part.

    share: part of a user's ratings that is later, 0 to 1, rounded up.
    first: number of ratings that are earlier, instead of `share`.
    """
    place, count = places(ratings)
    later = place >= (count - np.ceil(share * count - 1e-9) if first is None else first)
    return subset(ratings, ~later), subset(ratings, later)


def _digests(names: NDArray[np.str_]) -> Keys:
    """A 64-bit hash of each name [n]."""
    digests = np.empty(len(names), np.uint64)
    for i, name in enumerate(names.tolist()):
        digest = hashlib.blake2b(str(name).encode(), digest_size=8).digest()
        digests[i] = int.from_bytes(digest, "little")
    return digests
