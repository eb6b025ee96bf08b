"""Item vectors, and user vectors computed from known ratings: what DRR builds on.

    score(u, i) = user(known ratings of u) . item_i

    "mf"       items [q_i, b_i], users [p, 1]: biased matrix factorisation by gradient
               steps (`rlrec.collaborative.embeddings`)
    "cocount"  items liked by the same users lie close together; a user is the sum of
               the liked items
    "hybrid"   items [q_i, b_i, r_i], users [p, 1, w sum of l_j over liked j]:
               factorisation by least squares, and EASE's item weights B ~ L R' by a
               truncated singular value decomposition

User vectors come from known ratings only, for training users and new users alike. Each
coordinate is scaled so that users and items have the same root mean square in it. This
changes no score.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from rlrec import storage
from rlrec.collaborative.embedding_config import EmbeddingConfig
from rlrec.collaborative.embeddings import (
    cocount_vectors,
    liked_matrix,
    ridge_rows,
    train_embeddings,
)
from rlrec.collaborative.recommenders import (
    EASE,
    BiasedMF,
    BiasedMFConfig,
    Collaborative,
)
from rlrec.datasets.matrices import (
    Keys,
    Matrix,
    earlier_and_later,
    interaction_keys,
    rating_matrix,
)
from rlrec.errors import ConfigError
from rlrec.types import Floats, Ids

if TYPE_CHECKING:
    from rlrec.datasets import Ratings

POSITIVE = 4.0  # stars: ratings of this and above are liked
FACTORS = 20  # factors of the factorisation inside "hybrid"
PENALTIES = (0.05, 0.09, 0.16)  # candidates for its regularisation
USERS = 256  # scored at a time


@dataclass(frozen=True, eq=False)
class Vectors:
    """Item vectors and the parts that user vectors are computed from.

    ``factors`` [I, f + 1] from ratings ([I, 0] without); ``left``, ``right`` [I, c]
    from likes; ``scale`` [d] of the coordinates; ``fitted_on``: keys of the training
    interactions; ``mean``, ``penalty``, ``shrinkage``: see `ridge_rows`.
    """

    factors: Floats
    left: Floats
    right: Floats
    scale: Floats
    fitted_on: Keys
    mean: float = 0.0
    penalty: float = 0.0
    shrinkage: float = 0.0

    @property
    def items(self) -> Floats:
        """Item vectors [I, d]."""
        return np.hstack([self.factors, self.right]) * self.scale

    def users(self, known: Matrix) -> Floats:
        """User vectors [users, d] from known ratings [users, I], sparse.

        Zeros for a user without ratings, apart from the 1 that multiplies item biases.
        """
        if known.shape[1] != len(self.left):
            raise ConfigError(
                f"known has {known.shape[1]} items, the vectors were made for "
                f"{len(self.left)}"
            )
        parts = [np.asarray(liked_matrix(known) @ self.left)]
        if self.factors.shape[1]:
            rest = sp.csr_matrix(known, dtype=np.float64, copy=True)
            rest.data -= self.mean
            solved = ridge_rows(rest, self.factors, self.penalty, self.shrinkage)
            solved[:, -1] = 1.0
            parts.insert(0, solved)
        return np.hstack(parts) / self.scale

    def save(self, folder: str | Path) -> None:
        """Write ``vectors.npz`` into ``folder``."""
        storage.write_arrays(Path(folder) / "vectors.npz", **vars(self))

    @classmethod
    def load(cls, folder: str | Path) -> Vectors:
        """Read what ``save`` wrote. Raises ``DataError`` for a broken folder."""
        stored: dict[str, Any] = storage.read_arrays(
            Path(folder) / "vectors.npz", list(cls.__dataclass_fields__)
        )
        for name in ("mean", "penalty", "shrinkage"):
            stored[name] = float(stored[name])
        return cls(**stored)


def make_vectors(kind: str, train: Ratings, dimensions: int, seed: int) -> Vectors:
    """Make vectors of length ``dimensions`` from the training interactions ``train``.

    ``kind``: one of ``KINDS``. Raises ``ConfigError``.
    """
    if kind not in KINDS:
        raise ConfigError(f"vectors is {kind!r}; choose one of {', '.join(KINDS)}")
    raw = KINDS[kind](train, dimensions, seed)
    users = _root_mean_square(raw.users(rating_matrix(train)))
    items = _root_mean_square(raw.items)
    both = (users > 0) & (items > 0)
    ratio = np.divide(users, items, out=np.ones(dimensions), where=both)
    return replace(raw, scale=np.sqrt(ratio))


def _root_mean_square(vectors: Floats) -> Floats:
    return np.asarray(np.sqrt(np.mean(vectors**2, axis=0)))


def _cocount(train: Ratings, dimensions: int, seed: int) -> Vectors:
    found = cocount_vectors(train, dimensions).astype(np.float64)
    return _unscaled(train, np.zeros((train.n_items, 0)), found, found)


def _factorised(train: Ratings, dimensions: int, seed: int) -> Vectors:
    config = EmbeddingConfig(dimensions=dimensions - 1)
    found = train_embeddings(train, config, seed)
    none = np.zeros((train.n_items, 0))
    return _unscaled(
        train, found.factors, none, none, mean=found.mean, penalty=config.l2
    )


def _hybrid(train: Ratings, dimensions: int, seed: int) -> Vectors:
    config, weight = _tune_hybrid(train, seed)
    config = replace(config, factors=min(FACTORS, (dimensions - 1) // 2))
    rank = dimensions - config.factors - 1
    if not 1 <= rank < train.n_items:
        raise ConfigError(
            f"hybrid vectors of {dimensions}: they need 2..{FACTORS + train.n_items} "
            "dimensions"
        )
    model = BiasedMF(config, rng=np.random.default_rng(seed)).fit(train)
    ease = EASE().fit(train).weights
    left, values, right = svds(ease, k=rank, v0=np.ones(train.n_items))
    order = np.argsort(-values)
    root = np.sqrt(values[order])
    return _unscaled(
        train,
        model.items,
        weight * (left[:, order] * root),
        right[order].T * root,
        mean=float(model.mean),
        penalty=config.regularisation,
        shrinkage=config.shrinkage,
    )


KINDS = {
    "hybrid": _hybrid,
    "mf": _factorised,
    "cocount": _cocount,
}


def _unscaled(
    train: Ratings, factors: Floats, left: Floats, right: Floats, **numbers: float
) -> Vectors:
    scale = np.ones(factors.shape[1] + right.shape[1])
    return Vectors(factors, left, right, scale, interaction_keys(train), **numbers)


def _tune_hybrid(train: Ratings, seed: int) -> tuple[BiasedMFConfig, float]:
    """Choose the factorisation's penalty, and EASE's weight beside it.

    Both are chosen on the last 20% of each user's training ratings: the penalty by the
    squared error; the weight by regressing ratings, centred by user, on both scores.
    """
    early, late = earlier_and_later(train)
    known = rating_matrix(early)
    answers = rating_matrix(late).tocoo()
    tried = []
    for penalty in PENALTIES:
        config = BiasedMFConfig(regularisation=penalty)
        model = BiasedMF(config, rng=np.random.default_rng(seed)).fit(early)
        predicted = _scores_at(model, known, answers)
        error = float(np.mean((answers.data - predicted) ** 2))
        tried.append((error, config, predicted))
        if error > tried[0][0]:  # errors fall, then rise: the best is behind
            break
    _, config, predicted = min(tried, key=lambda entry: entry[0])
    liked = _scores_at(EASE().fit(early), known, answers)
    ratings = _centred(answers.data, answers.row)
    scores = [_centred(predicted, answers.row), _centred(liked, answers.row)]
    rating, like = np.linalg.lstsq(np.column_stack(scores), ratings, rcond=None)[0]
    return config, float(max(like, 0.0) / max(rating, 1e-6))


def _scores_at(model: Collaborative, known: Matrix, answers: Matrix) -> Floats:
    """The scores at the entries of ``answers`` [users, I], sparse, in order of user."""
    starts = range(0, known.shape[0], USERS)
    parts = np.split(np.arange(answers.nnz), np.searchsorted(answers.row, starts[1:]))
    found = []
    for start, part in zip(starts, parts, strict=True):
        scores = model.scores(known[start : start + USERS])
        found.append(scores[answers.row[part] - start, answers.col[part]])
    return np.concatenate(found)


def _centred(values: Floats, users: Ids) -> Floats:
    """Values [n] less the mean of their user [n]."""
    total = np.bincount(users, values)
    count = np.bincount(users)
    return values - (total / np.maximum(count, 1))[users]
