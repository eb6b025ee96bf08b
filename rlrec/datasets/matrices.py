"""Ratings as a sparse matrix, and a fingerprint of who rated what: how a leak is found out."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rlrec.datasets.ratings import Ratings

Keys = NDArray[np.uint64]
Matrix = Any  # scipy.sparse.csr_matrix; SciPy has no type stubs here


def interaction_keys(ratings: Ratings) -> Keys:
    """One number for each (user, item) of ``ratings``, sorted [n]: the same in any subset or re-coding of the data.

    Made from the ids in the file, so two models can be asked whether they have seen the same interactions.
    """
    user, item = (
        np.array([_digest(name) for name in ids], np.uint64)
        for ids in (ratings.user_ids, ratings.item_ids)
    )
    return np.sort(
        user[ratings.users] * np.uint64(0x9E3779B97F4A7C15) + item[ratings.items]
    )


def rating_matrix(ratings: Ratings) -> Matrix:
    """The ratings as a sparse matrix [users, items] of the whole data set's size; a stored 0 is a rating of 0.

    The entries of a row are stored in the order of time, for models that read a user's history
    (``matrix.indices[matrix.indptr[u]:matrix.indptr[u + 1]]``); SciPy keeps that order until told to sort.
    """
    import scipy.sparse as sp

    begin = np.searchsorted(ratings.users, np.arange(ratings.n_users + 1))
    entries = (
        ratings.ratings.astype(np.float64),
        ratings.items.astype(np.int64),
        begin.astype(np.int64),
    )
    return sp.csr_matrix(entries, shape=(ratings.n_users, ratings.n_items))


def places(ratings: Ratings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each rating its place in its user's row in time, 0 first, and how many the row has: [n], [n]."""
    count = np.bincount(ratings.users, minlength=ratings.n_users)
    begin = np.append(0, count.cumsum())[ratings.users]
    return np.arange(len(ratings)) - begin, count[ratings.users]


def subset(ratings: Ratings, mask: NDArray[np.bool_]) -> Ratings:
    """The ratings in ``mask`` [n]; users and items keep their numbers."""
    parts = {
        name: getattr(ratings, name)[mask]
        for name in ("users", "items", "ratings", "timestamps")
    }
    return replace(ratings, **parts)


def earlier_and_later(
    ratings: Ratings, share: float = 0.2, first: int | None = None
) -> tuple[Ratings, Ratings]:
    """Each user's ratings cut in two in time: the last ``share`` (0..1, rounded up) apart, or all but the ``first``."""
    place, count = places(ratings)
    later = place >= (count - np.ceil(share * count - 1e-9) if first is None else first)
    return subset(ratings, ~later), subset(ratings, later)


def _digest(name: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(str(name).encode(), digest_size=8).digest(), "little"
    )
