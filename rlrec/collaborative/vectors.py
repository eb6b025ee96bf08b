"""Vectors of items, and a way from what is known of a user to the user's vector: what DRR builds on.

    score(u, i) = user(known ratings of u) . item_i

    "mf"       [q_i, b_i], user [p, 1]: biased matrix factorisation, learned by gradient steps (`rlrec.collaborative.embeddings`)
    "cocount"  co-liked items lie close together, user = the sum of what the user liked
    "hybrid"   [q_i, b_i, r_i], user [p, 1, w sum of l_j over liked j]: factorisation by least squares, and EASE's
               weights B ~ L R' of items on items by a truncated singular value decomposition

Nobody is looked up: a user's vector is worked out from known ratings, for those in training as for strangers. Every
coordinate is scaled so that users and items spread alike in it, which changes no score.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from rlrec import storage
from rlrec.collaborative.embeddings import (
    EmbeddingConfig,
    cocount_vectors,
    ridge_rows,
    train_embeddings,
)
from rlrec.collaborative.recommenders import EASE, BiasedMF, BiasedMFConfig
from rlrec.datasets.matrices import earlier_and_later, interaction_keys, rating_matrix
from rlrec.errors import ConfigError
from rlrec.types import Floats

if TYPE_CHECKING:
    from rlrec.datasets import Ratings

Matrix = Any  # scipy.sparse.csr_matrix
POSITIVE = 4.0  # stars: ratings of this and above are liked
FACTORS = 20  # of the factorisation inside "hybrid"
PENALTIES = (
    0.05,
    0.09,
    0.16,
)  # tried for it, on the last 20% of each user's training ratings


@dataclass(frozen=True, eq=False)
class Vectors:
    """A part from ratings (``factors`` [I, f + 1], or [I, 0]) and one from likes (``left``, ``right`` [I, c]).

    ``scale`` [d]: of the coordinates. ``fitted_on``: keys of the interactions that all of it was made from.
    """

    factors: Floats
    left: Floats
    right: Floats
    mean: float
    penalty: float
    shrinkage: float
    scale: Floats
    fitted_on: NDArray[np.uint64]

    @property
    def items(self) -> Floats:
        """Item vectors [I, d]."""
        return np.hstack([self.factors, self.right]) * self.scale

    def users(self, known: Matrix) -> Floats:
        """User vectors [users, d] from known ratings [users, I], sparse; zeros (but for the biases' 1) without any."""
        if known.shape[1] != len(self.left):
            raise ConfigError(
                f"known has {known.shape[1]} items, the vectors were made for {len(self.left)}"
            )
        parts = []
        if self.factors.shape[1]:
            rest = sp.csr_matrix(known, dtype=np.float64, copy=True)
            rest.data -= self.mean
            parts.append(ridge_rows(rest, self.factors, self.penalty, self.shrinkage))
            parts[0][:, -1] = 1.0
        liked = sp.csr_matrix(known, dtype=np.float64, copy=True)
        liked.data = (liked.data >= POSITIVE).astype(np.float64)
        return np.hstack([*parts, np.asarray(liked @ self.left)]) / self.scale

    def save(self, folder: str | Path) -> None:
        """Write ``vectors.npz`` into ``folder``."""
        storage.write_arrays(
            Path(folder) / "vectors.npz",
            **{name: np.asarray(getattr(self, name)) for name in _NAMES},
        )

    @classmethod
    def load(cls, folder: str | Path) -> Vectors:
        """Read what ``save`` wrote. Raises ``DataError`` for a broken folder."""
        stored: dict[str, Any] = storage.read_arrays(
            Path(folder) / "vectors.npz", _NAMES
        )
        return cls(
            **stored
            | {name: float(stored[name]) for name in ("mean", "penalty", "shrinkage")}
        )


_NAMES = (
    "factors",
    "left",
    "right",
    "mean",
    "penalty",
    "shrinkage",
    "scale",
    "fitted_on",
)


def make_vectors(kind: str, train: Ratings, dimensions: int, seed: int) -> Vectors:
    """Vectors of length ``dimensions`` from training interactions, and nothing else. Raises ``ConfigError``."""
    if kind not in KINDS:
        raise ConfigError(f"vectors is {kind!r}; choose one of {', '.join(KINDS)}")
    raw = KINDS[kind](train, dimensions, seed)
    users, items = (
        np.sqrt(np.mean(x**2, axis=0))
        for x in (raw.users(rating_matrix(train)), raw.items)
    )
    scale = np.sqrt(
        np.divide(
            users, items, out=np.ones(dimensions), where=(users > 0) & (items > 0)
        )
    )
    return replace(raw, scale=scale)


def _cocount(train: Ratings, dimensions: int, seed: int) -> Vectors:
    found = cocount_vectors(train, dimensions).astype(np.float64)
    return _unscaled(train, np.zeros((train.n_items, 0)), found, found)


def _factorised(train: Ratings, dimensions: int, seed: int) -> Vectors:
    found, nothing = (
        train_embeddings(train, EmbeddingConfig(dimensions=dimensions - 1), seed),
        np.zeros((train.n_items, 0)),
    )
    return _unscaled(
        train, found.factors, nothing, nothing, found.mean, found.config.l2
    )


def _hybrid(train: Ratings, dimensions: int, seed: int) -> Vectors:
    config, weight = _chosen(train, seed)
    config = replace(config, factors=min(FACTORS, (dimensions - 1) // 2))
    rank = dimensions - config.factors - 1
    if not 1 <= rank < train.n_items:
        raise ConfigError(
            f"hybrid vectors of {dimensions}: they need 2..{FACTORS + train.n_items} dimensions"
        )
    factors = BiasedMF(config, rng=np.random.default_rng(seed)).fit(train)
    left, values, right = svds(
        EASE().fit(train).weights, k=rank, v0=np.ones(train.n_items)
    )
    order = np.argsort(-values)
    left, right = (
        left[:, order] * np.sqrt(values[order]),
        right[order].T * np.sqrt(values[order]),
    )
    mean = float(factors.mean)
    return _unscaled(
        train,
        factors.items,
        weight * left,
        right,
        mean,
        config.regularisation,
        config.shrinkage,
    )


KINDS: dict[str, Callable[[Ratings, int, int], Vectors]] = {
    "hybrid": _hybrid,
    "mf": _factorised,
    "cocount": _cocount,
}


def _unscaled(
    train: Ratings,
    factors: Floats,
    left: Floats,
    right: Floats,
    mean: float = 0.0,
    penalty: float = 0.0,
    shrinkage: float = 0.0,
) -> Vectors:
    scale = np.ones(factors.shape[1] + right.shape[1])
    return Vectors(
        factors, left, right, mean, penalty, shrinkage, scale, interaction_keys(train)
    )


def _chosen(train: Ratings, seed: int) -> tuple[BiasedMFConfig, float]:
    """The factorisation's penalty and what EASE counts beside it, from the last 20% of each user's training ratings.

    The penalty of least squared error; then the rating, less the user's mean, is regressed on both scores.
    """
    early, late = earlier_and_later(train)
    known, answers = rating_matrix(early), rating_matrix(late).tocoo()
    place = answers.row, answers.col
    tried = []
    for penalty in PENALTIES:
        config = BiasedMFConfig(regularisation=penalty)
        said = (
            BiasedMF(config, rng=np.random.default_rng(seed))
            .fit(early)
            .scores(known)[place]
        )
        tried.append((float(np.mean((answers.data - said) ** 2)), config, said))
    _, config, said = min(tried, key=lambda entry: entry[0])
    liked = EASE().fit(early).scores(known)[place]
    columns = [
        _centred(values, answers.row, train.n_users)
        for values in (said, liked, answers.data)
    ]
    rating, like = np.linalg.lstsq(
        np.column_stack(columns[:2]), columns[2], rcond=None
    )[0]
    return config, float(max(like, 0.0) / max(rating, 1e-6))


def _centred(values: Floats, users: NDArray[Any], n_users: int) -> Floats:
    """Values less their user's mean [n]."""
    total, count = (
        np.bincount(users, weights, minlength=n_users) for weights in (values, None)
    )
    return np.asarray(values - (total / np.maximum(count, 1))[users])
