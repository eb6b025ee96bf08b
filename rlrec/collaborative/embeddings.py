"""Vectors of users and items from training interactions.

Biased matrix factorisation (Koren, Bell and Volinsky, "Matrix factorization techniques
for recommender systems", IEEE Computer 42(8), 2009; DRR, arXiv:1810.12027, takes its
vectors from PMF) by minibatch Adam in TensorFlow:

    r ~ mean + b_u + b_i + p_u . q_i,      q_i = free_i + genres_i @ G

A new user is *folded in*: p_u and b_u solve a ridge regression on the user's first
ratings, with the items held fixed. ``fitted_on`` holds the keys of the training
interactions, so that an evaluation can detect leaks.

``cocount_vectors`` need no training: they are eigenvectors of the matrix that counts
how many users like two items.

Differs from the paper: biases and genres; PMF has neither.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from rlrec import storage
from rlrec.collaborative.embedding_config import EmbeddingConfig
from rlrec.datasets.matrices import Keys, Matrix, interaction_keys, rating_matrix
from rlrec.errors import ConfigError, DataError
from rlrec.types import Bools, Floats, Floats32, Ids

if TYPE_CHECKING:
    from rlrec.datasets import Ratings

ROWS = 1024  # users or items in one block of ``ridge_rows``


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The result of ``train_embeddings``; ratings, biases and ``mean`` are in stars.

    items [I, d], users [U, d], item_biases [I], user_biases [U]; ``trained`` [U]:
    which users have training ratings (the rows of the others are zeros);
    ``fitted_on`` [n]: sorted keys of the training interactions.
    """

    items: Floats32
    users: Floats32
    item_biases: Floats32
    user_biases: Floats32
    mean: float
    trained: Bools
    fitted_on: Keys
    config: EmbeddingConfig

    @property
    def factors(self) -> Floats:
        """[q_i, b_i] of each item: [I, d + 1]."""
        return np.column_stack([self.items, self.item_biases]).astype(np.float64)

    def fold_in(
        self, known: Matrix, ridge: float | None = None
    ) -> tuple[Floats, Floats]:
        """Vectors [users, d] and biases [users] from known ratings [users, I], sparse.

        [p, b] = (X'X + ridge n I)^-1 X'(r - mean - b_i),  X = [q_i, 1] of the n known
        items; zeros for a user without ratings. ``ridge`` > 0 is the penalty for each
        rating; None: ``config.l2``.
        """
        known = sp.csr_matrix(known, dtype=np.float64, copy=True)
        if known.shape[1] != len(self.items):
            raise ConfigError(
                f"known has {known.shape[1]} items, the embeddings {len(self.items)}"
            )
        known.data -= self.mean
        if ridge is None:
            ridge = self.config.l2
        solved = ridge_rows(known, self.factors, max(ridge, 1e-6))
        return solved[:, :-1], solved[:, -1]

    def predict(self, users: Floats, biases: Floats) -> Floats:
        """Ratings in stars [users, I] for vectors [users, d] and biases [users]."""
        bias = self.mean + biases[:, None] + self.item_biases
        return bias + users @ self.items.T

    def save(self, folder: str | Path) -> None:
        """Write ``embeddings.npz`` and ``embeddings.json`` into ``folder``."""
        settings = {"mean": self.mean, "config": asdict(self.config)}
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        storage.write_json(Path(folder) / "embeddings.json", settings)
        storage.write_arrays(Path(folder) / "embeddings.npz", **arrays)

    @classmethod
    def load(cls, folder: str | Path) -> Embeddings:
        """Read what ``save`` wrote. Raises ``DataError`` for a broken folder."""
        settings = storage.read_json(Path(folder) / "embeddings.json")
        arrays = storage.read_arrays(Path(folder) / "embeddings.npz", _ARRAYS)
        with storage.whole(folder):
            config = EmbeddingConfig(**settings["config"])
            found = cls(**arrays, mean=settings["mean"], config=config)
        return found


_ARRAYS = ("items", "users", "item_biases", "user_biases", "trained", "fitted_on")


def train_embeddings(
    ratings: Ratings, config: EmbeddingConfig | None = None, seed: int = 0
) -> Embeddings:
    """Factorise the training interactions ``ratings``; the same seed, the same result.

    Raises ``DataError`` if there are none.
    """
    from rlrec.collaborative.embedding_training import factorise

    config = config or EmbeddingConfig()
    if not len(ratings):
        raise DataError("no ratings to train on; check the split or the file's report")
    found = factorise(ratings, config, seed)
    trained = np.isin(np.arange(ratings.n_users), ratings.users)
    rated = np.isin(np.arange(ratings.n_items), ratings.items)
    if not config.use_genres:
        found["items"] *= rated[:, None]
    return Embeddings(
        items=found["items"],
        users=found["users"] * trained[:, None],
        item_biases=found["item_biases"] * rated,
        user_biases=found["user_biases"] * trained,
        mean=float(ratings.ratings.mean(dtype=np.float64)),
        trained=trained,
        fitted_on=interaction_keys(ratings),
        config=config,
    )


def ridge_rows(
    residuals: Matrix, factors: Floats, ridge: float, shrinkage: float = 0.0
) -> Floats:
    """Fit the vector and bias [rows, f + 1] of each row by ridge regression.

    [p, b] = (X'X + (ridge n + shrinkage) I)^-1 X'(r - mean - b_other),
    X = [q, 1] of a row's n entries; zeros for a row without entries. The bias is
    penalised too: the prior is the average user or item, not an unknown level.

    ``residuals`` [rows, others]: r - mean, sparse. ``factors`` [others, f + 1]: vector
    and bias (last) of the other side, held fixed.
    """
    size = factors.shape[1]
    features = factors.copy()
    features[:, -1] = 1.0
    targets = residuals.data - factors[residuals.indices, -1]
    ends = residuals.indptr
    diagonal = np.where(np.diff(ends) > 0, ridge * np.diff(ends) + shrinkage, 1.0)
    solved = np.empty((residuals.shape[0], size))
    for first in range(0, len(solved), ROWS):  # memory stays below ROWS x (f + 1)^2
        rows = slice(first, first + ROWS)
        cuts = ends[first : first + ROWS + 1]
        index = residuals.indices[cuts[0] : cuts[-1]]
        seen = features.take(index, axis=0)  # [entries, f + 1]
        gram, right = _normal_equations(seen, targets[cuts[0] : cuts[-1]], cuts)
        gram[:, range(size), range(size)] += diagonal[rows, None]
        solved[rows] = np.linalg.solve(gram, right)[:, :, 0]
    return solved


def _normal_equations(
    seen: Floats, targets: Floats, cuts: Ids
) -> tuple[Floats, Floats]:
    """X'X [rows, f, f] and X'y [rows, f, 1] of the rows that ``cuts`` [rows + 1] part.

    seen [entries, f], targets [entries]: X and y of all rows.
    """
    size = seen.shape[1]
    gram = np.zeros((len(cuts) - 1, size, size))
    right = np.zeros((len(gram), size, 1))
    places = (cuts - cuts[0]).tolist()
    for row, (begin, end) in enumerate(pairwise(places)):
        features = seen[begin:end]
        np.matmul(features.T, features, out=gram[row])
        np.matmul(features.T, targets[begin:end], out=right[row, :, 0])
    return gram, right


def liked_matrix(ratings: Matrix, positive: float = 4.0) -> Matrix:
    """1 where a rating is ``positive`` or more, [users, I] sparse; no other entries."""
    liked = sp.csr_matrix(ratings, dtype=np.float64, copy=True)
    liked.data = (liked.data >= positive).astype(np.float64)
    liked.eliminate_zeros()
    return liked


def cocount_vectors(
    ratings: Ratings, dimensions: int = 100, power: float = 0.375
) -> Floats32:
    """Item vectors [I, d]: scaled eigenvectors of the co-count matrix of liked items.

    The first eigenvectors of D^-power G D^-power times the root of their eigenvalues.
    G [I, I]: how many users like both items (4 stars or more), D its
    diagonal. 0 <= power <= 0.5: 0 favours popular items, 0.5 is the cosine.
    The root mean square length is 1; items that nobody likes are zeros.
    Raises ``ConfigError`` unless 1 <= dimensions < I.
    """
    from scipy.sparse.linalg import eigsh

    if not 1 <= dimensions < ratings.n_items or not 0.0 <= power <= 0.5:
        raise ConfigError(
            f"dimensions {dimensions} must lie in 1..{ratings.n_items - 1}, "
            f"power {power} in 0..0.5"
        )
    liked = liked_matrix(rating_matrix(ratings))
    count = liked.getnnz(axis=0)
    shrink = np.where(count > 0, np.maximum(count, 1.0) ** -power, 0.0)
    shrunk = liked @ sp.diags(shrink)  # [users, I]
    start = np.ones(ratings.n_items)
    values, vectors = eigsh((shrunk.T @ shrunk).tocsr(), k=dimensions, v0=start)
    order = np.argsort(-values)
    found = vectors[:, order] * np.sqrt(np.maximum(values[order], 0.0))
    largest = np.abs(found).argmax(axis=0)
    found *= np.sign(found[largest, np.arange(dimensions)])  # fixes the free sign
    length = float(np.sqrt(np.mean(np.sum(found**2, axis=1))))
    return np.asarray(found / max(length, 1e-12), np.float32)


def liked_sums(known: Matrix, item_vectors: Floats | Floats32) -> Floats:
    """User vectors [users, d]: the sum of the liked items' vectors, at length 1.

    ``known`` [users, I]: known ratings, sparse. Zeros for a user who likes nothing.
    With ``cocount_vectors`` the dot product with items is a strong recommender.
    """
    sums = np.asarray(liked_matrix(known) @ item_vectors.astype(np.float64))
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.maximum(length, 1e-12))
