"""Ratings as a sparse matrix, and a fingerprint of who rated what: how a leak is found out."""

from __future__ import annotations

import hashlib
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
    user, item = (np.array([_digest(name) for name in ids], np.uint64) for ids in (ratings.user_ids, ratings.item_ids))
    return np.sort(user[ratings.users] * np.uint64(0x9E3779B97F4A7C15) + item[ratings.items])


def rating_matrix(ratings: Ratings) -> Matrix:
    """The ratings as a sparse matrix [users, items] of the whole data set's size; a stored 0 is a rating of 0.

    The entries of a row are stored in the order of time, for models that read a user's history
    (``matrix.indices[matrix.indptr[u]:matrix.indptr[u + 1]]``); SciPy keeps that order until told to sort.
    """
    import scipy.sparse as sp

    begin = np.searchsorted(ratings.users, np.arange(ratings.n_users + 1))
    entries = (ratings.ratings.astype(np.float64), ratings.items.astype(np.int64), begin.astype(np.int64))
    return sp.csr_matrix(entries, shape=(ratings.n_users, ratings.n_items))


def _digest(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(str(name).encode(), digest_size=8).digest(), "little")
