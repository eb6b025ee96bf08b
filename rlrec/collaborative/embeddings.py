"""Vectors of users and items, from training interactions only.

Biased matrix factorisation (Koren, Bell and Volinsky, "Matrix factorization techniques for recommender systems", IEEE
Computer 42(8), 2009; DRR, arXiv:1810.12027, takes its vectors from PMF) by minibatch Adam in TensorFlow:

    r ~ mean + b_u + b_i + p_u . q_i,      q_i = free_i + genres_i @ G

A user who was not there in training is *folded in*: p_u and b_u solve a ridge regression on the user's first ratings,
with the items held fixed. Nobody is looked up who was not trained on. ``fitted_on`` names the interactions the vectors
were made from, so that an evaluation can refuse those that have seen its answers.

``cocount_vectors`` are another kind, without training: eigenvectors of how often two items are liked by the same user.

Differs from the paper: biases and genres; PMF has neither.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rlrec import storage
from rlrec.collaborative.embedding_config import EmbeddingConfig
from rlrec.datasets.matrices import interaction_keys, rating_matrix
from rlrec.errors import ConfigError, DataError
from rlrec.types import Floats

if TYPE_CHECKING:
    from rlrec.datasets import Ratings

Matrix = Any  # scipy.sparse.csr_matrix
ROWS = 1024  # of users or items solved for at a time


@dataclass(frozen=True, eq=False)
class Embeddings:
    """items [I, d], users [U, d], item_biases [I], user_biases [U], mean: in stars; ``fitted_on``: sorted keys [n].

    ``trained`` [U]: which users have ratings in training; the rows of the others are zeros.
    """

    items: NDArray[np.float32]
    users: NDArray[np.float32]
    item_biases: NDArray[np.float32]
    user_biases: NDArray[np.float32]
    mean: float
    trained: NDArray[np.bool_]
    fitted_on: NDArray[np.uint64]
    config: EmbeddingConfig

    @property
    def factors(self) -> Floats:
        """[q_i, b_i] of each item: [I, d + 1]."""
        return np.column_stack([self.items, self.item_biases]).astype(np.float64)

    def fold_in(
        self, known: Matrix, ridge: float | None = None
    ) -> tuple[Floats, Floats]:
        """Vectors [users, d] and biases [users] from known ratings [users, items], sparse, the items held fixed.

        [p, b] = (X'X + ridge n I)^-1 X'(r - mean - b_i),  X = [q_i, 1] of the n known items; without any: zeros.
        ``ridge`` > 0 for each rating; None: as in training.
        """
        known = sp.csr_matrix(known, dtype=np.float64, copy=True)
        if known.shape[1] != len(self.items):
            raise ConfigError(
                f"known has {known.shape[1]} items, the embeddings {len(self.items)}"
            )
        known.data -= self.mean
        solved = ridge_rows(
            known, self.factors, max(self.config.l2 if ridge is None else ridge, 1e-6)
        )
        return solved[:, :-1], solved[:, -1]

    def predict(self, users: Floats, biases: Floats) -> Floats:
        """Ratings in stars [users, items] for vectors [users, d] and biases [users]."""
        return np.asarray(
            self.mean + biases[:, None] + self.item_biases + users @ self.items.T
        )

    def save(self, folder: str | Path) -> None:
        """Write ``embeddings.npz`` and ``embeddings.json`` into ``folder``."""
        storage.write_json(
            Path(folder) / "embeddings.json",
            {"mean": self.mean, "config": asdict(self.config)},
        )
        storage.write_arrays(
            Path(folder) / "embeddings.npz",
            **{name: getattr(self, name) for name in _ARRAYS},
        )

    @classmethod
    def load(cls, folder: str | Path) -> Embeddings:
        """Read what ``save`` wrote. Raises ``DataError`` for a broken folder."""
        settings = storage.read_json(Path(folder) / "embeddings.json")
        arrays = storage.read_arrays(Path(folder) / "embeddings.npz", _ARRAYS)
        try:
            return cls(
                **arrays,
                mean=settings["mean"],
                config=EmbeddingConfig(**settings["config"]),
            )
        except (TypeError, KeyError) as error:
            raise DataError(
                f"{folder}: embeddings of another version ({error}); train them again"
            ) from None


_ARRAYS = ("items", "users", "item_biases", "user_biases", "trained", "fitted_on")


def train_embeddings(
    ratings: Ratings, config: EmbeddingConfig | None = None, seed: int = 0
) -> Embeddings:
    """Factorise ``ratings`` (training interactions, nothing else). Raises ``DataError`` if there are none.

    The same ``seed`` gives the same bits.
    """
    from rlrec.collaborative.factorisation import factorise

    config = config if config is not None else EmbeddingConfig()
    if not len(ratings):
        raise DataError(
            "no ratings to train on; look at the split, or at the file's report"
        )
    found = factorise(ratings, config, seed)
    trained, rated = (
        np.isin(np.arange(n), ids)
        for n, ids in (
            (ratings.n_users, ratings.users),
            (ratings.n_items, ratings.items),
        )
    )
    return Embeddings(
        items=found["items"] if config.use_genres else found["items"] * rated[:, None],
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
    """Vector and bias [rows, f + 1] of each row of ``residuals`` [rows, others], r - mean, sparse, by ridge regression.

    ``factors`` [others, f + 1]: vector and bias (last) of the other side, held fixed. [p, b] = (X'X + (ridge n +
    shrinkage) I)^-1 X'(r - mean - b_other), X = [q, 1] of a row's n entries; a row without entries gets zeros.
    """
    if (
        residuals.shape[0] > ROWS
    ):  # a block at a time: bounds memory at ROWS x (f + 1)^2
        blocks = (
            residuals[start : start + ROWS]
            for start in range(0, residuals.shape[0], ROWS)
        )
        return np.vstack(
            [ridge_rows(block, factors, ridge, shrinkage) for block in blocks]
        )
    features, size = factors.copy(), factors.shape[1]
    features[:, -1] = 1.0
    gram, right = (
        np.tile(np.eye(size), (residuals.shape[0], 1, 1)),
        np.zeros((residuals.shape[0], size, 1)),
    )
    for row, (start, end) in enumerate(
        zip(residuals.indptr, residuals.indptr[1:], strict=False)
    ):
        if start == end:
            continue
        index = residuals.indices[start:end]
        seen = features[index]  # [n, f + 1]
        gram[row] = seen.T @ seen + (ridge * len(index) + shrinkage) * np.eye(size)
        right[row, :, 0] = seen.T @ (residuals.data[start:end] - factors[index, -1])
    return np.asarray(np.linalg.solve(gram, right)[:, :, 0])


def cocount_vectors(
    ratings: Ratings, dimensions: int = 100, power: float = 0.375, positive: float = 4.0
) -> NDArray[np.float32]:
    """Item vectors [I, d] from liked pairs: the first eigenvectors of D^-power G D^-power times sqrt of eigenvalues.

    G [I, I]: how many users liked both items (rated ``positive`` or more), D its diagonal; 0 <= power <= 0.5, 0 favours
    what many like, 0.5 is the cosine. Scaled to a root mean square length of 1. Items that nobody liked are zeros.
    Raises ``ConfigError`` unless 1 <= dimensions < I.
    """
    from scipy.sparse.linalg import eigsh

    if not 1 <= dimensions < ratings.n_items or not 0.0 <= power <= 0.5:
        raise ConfigError(
            f"dimensions {dimensions} must lie in 1..{ratings.n_items - 1}, power {power} in 0..0.5"
        )
    liked = rating_matrix(ratings)
    liked.data = (liked.data >= positive).astype(np.float64)
    count = np.asarray(liked.sum(axis=0)).ravel()
    shrunk = liked @ sp.diags(
        np.where(count > 0, np.maximum(count, 1.0) ** -power, 0.0)
    )  # [users, items]
    values, vectors = eigsh(
        (shrunk.T @ shrunk).tocsr(), k=dimensions, v0=np.ones(ratings.n_items)
    )
    order = np.argsort(-values)
    found = vectors[:, order] * np.sqrt(np.maximum(values[order], 0.0))
    found *= np.sign(
        found[np.abs(found).argmax(axis=0), np.arange(dimensions)]
    )  # an eigenvector's sign is free
    length = float(np.sqrt(np.mean(np.sum(found**2, axis=1))))
    return np.asarray(found / max(length, 1e-12), np.float32)


def liked_sums(
    known: Matrix, item_vectors: NDArray[Any], positive: float = 4.0
) -> Floats:
    """A user's vector as the sum of what the user liked, at length 1: [users, d] from known ratings [users, items].

    Zeros for a user who liked nothing. With ``cocount_vectors`` the dot product with items is a strong recommender.
    """
    liked = sp.csr_matrix(known, dtype=np.float64, copy=True)
    liked.data = (liked.data >= positive).astype(np.float64)
    sums = np.asarray(liked @ item_vectors.astype(np.float64))
    return np.asarray(
        sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    )
