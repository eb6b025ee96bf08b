"""Recommenders from other users' ratings, the marks that every agent is held against.

Each is fitted once, on training interactions only, and then asked for scores given *known ratings*:

    model = EASE().fit(train)                    # train: `rlrec.datasets.Ratings`
    model.scores(known)                          # known: ratings [users, items], sparse -> scores [users, items]
    model.recommend(known, k=5)                  # item ids [users, 5], best first, nothing that is known

A user is never looked up: what a model needs of a user it works out from the known ratings, so that somebody who was
not there in training is served like anybody else ("folding in"). ``fitted_on`` says which interactions a model saw.
Positives are ratings of ``positive`` (4 of 5 stars) and above.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, lapack
from scipy.sparse.linalg import svds

from rlrec.agents.recommender import best_first
from rlrec.collaborative.embeddings import ridge_rows
from rlrec.datasets import Ratings
from rlrec.datasets.matrices import Keys, Matrix, interaction_keys, rating_matrix
from rlrec.errors import ConfigError, DataError
from rlrec.types import Floats, Ids


class Collaborative:
    """What all share: checks, the record of what was seen, and the top k. Fill in ``_fit`` and ``_scores``."""

    n_items = 0
    fitted_on: Keys = np.empty(0, np.uint64)

    def fit(self, ratings: Ratings) -> Self:
        """Learn from ``ratings`` (training interactions, nothing else). Raises ``DataError`` if there are none."""
        if not len(ratings):
            raise DataError(
                "no ratings to fit on; look at the split, or at the file's report"
            )
        self.n_items, self.fitted_on = ratings.n_items, interaction_keys(ratings)
        self._fit(rating_matrix(ratings))
        return self

    def scores(self, known: Matrix, users: Ids | None = None) -> Floats:
        """Scores [users, items], higher is better, from each user's known ratings [users, items], sparse.

        ``users`` [users] are their indices, for models of another kind that need them; none here does.
        Raises ``ConfigError`` before ``fit`` and for another number of items.
        """
        if known.shape[1] != self.n_items:
            raise ConfigError(
                f"known has {known.shape[1]} items, the model was fitted on {self.n_items}: fit it first"
            )
        return self._scores(sp.csr_matrix(known, dtype=np.float64))

    def __call__(self, users: Ids, known: Matrix) -> Floats:
        """The scores as the evaluation protocols ask for them."""
        return self.scores(known, users)

    def recommend(self, observations: Matrix, k: int = 1) -> Ids:
        """The ``k`` items with the highest scores [users, k], best first; what a user has rated is left out.

        ``observations``: known ratings [users, items]. Raises ``ConfigError`` if a user has fewer than k items left.
        """
        scores, known = self.scores(observations), sp.csr_matrix(observations)
        left = self.n_items - int(np.diff(known.indptr).max(initial=0))
        if k > left:
            raise ConfigError(
                f"k is {k}, but somebody has only {left} unrated items left"
            )
        scores[
            np.repeat(np.arange(len(scores)), np.diff(known.indptr)), known.indices
        ] = -np.inf
        return best_first(
            np.broadcast_to(np.arange(self.n_items), scores.shape), scores, k
        )

    def _fit(self, ratings: Matrix) -> None:
        raise NotImplementedError

    def _scores(self, known: Matrix) -> Floats:
        raise NotImplementedError


class RandomOrder(Collaborative):
    """Every item is as likely as any other; each call draws anew from ``rng``."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def _fit(self, ratings: Matrix) -> None:
        pass

    def _scores(self, known: Matrix) -> Floats:
        return np.asarray(self.rng.random(known.shape))


class Settings:
    """Hyperparameters: a frozen dataclass each, no number negative or endless, none 0 where that makes no sense."""

    _above_zero: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            strict = name in self._above_zero
            if isinstance(value, (int, float)) and not (
                0.0 <= value < np.inf and (value > 0.0 or not strict)
            ):
                raise ConfigError(
                    f"{name} is {value}; it must be {'above 0' if strict else '0 or more'}"
                )


class _SameForAll(Collaborative):
    """One score an item, whoever asks."""

    item_scores: Floats

    def _scores(self, known: Matrix) -> Floats:
        return np.tile(self.item_scores, (known.shape[0], 1))


class _ItemToItem(Collaborative):
    """The sum of ``weights`` [items, items] over the rows of what the user liked."""

    weights: Floats
    positive: float

    def _scores(self, known: Matrix) -> Floats:
        return np.asarray(_liked(known, self.positive) @ self.weights)


@dataclass(frozen=True)
class PopularityByCountConfig(Settings):
    positive: float = 4.0  # stars: ratings of this and above are positives


class PopularityByCount(_SameForAll):
    """The number of users who liked an item: the same list for everybody."""

    def __init__(self, config: PopularityByCountConfig | None = None) -> None:
        self.config = config or PopularityByCountConfig()

    def _fit(self, ratings: Matrix) -> None:
        self.item_scores = _column_sums(_liked(ratings, self.config.positive))


@dataclass(frozen=True)
class PopularityByMeanConfig(Settings):
    shrinkage: float = (
        5.0  # >= 0, ratings: so many ratings at the overall mean are added to each item
    )
    minimum: float = 0.0  # >= 0, ratings: items with fewer come after all others


class PopularityByMean(_SameForAll):
    """The average rating of an item, pulled towards the overall mean: (sum + c mean) / (n + c), c the shrinkage.

    Without shrinkage (or a minimum) films rated 5 by one person lead the list.
    """

    def __init__(self, config: PopularityByMeanConfig | None = None) -> None:
        self.config = config or PopularityByMeanConfig()

    def _fit(self, ratings: Matrix) -> None:
        mean, count = ratings.data.mean(), np.diff(ratings.tocsc().indptr)
        weight = count + self.config.shrinkage
        excess = _column_sums(ratings) - mean * count
        average = mean + np.divide(
            excess, weight, out=np.zeros(len(weight)), where=weight > 0
        )
        self.item_scores = np.where(
            count >= self.config.minimum, average, ratings.data.min() - 1.0
        )


@dataclass(frozen=True)
class ItemKNNConfig(Settings):
    neighbours: int = (
        0  # >= 0, items: how many most similar items count for each item; 0: all
    )
    shrinkage: float = 0.0  # >= 0, users: added to the divisor, against similarities that rest on few users
    positive: float = 4.0  # stars: ratings of this and above are positives


class ItemKNN(_ItemToItem):
    """The sum of cosine similarities to what the user liked (Sarwar et al., 2001, section 3; binary vectors).

    s(i, j) = n_ij / (sqrt(n_i n_j) + shrinkage),  n_ij: users who liked both; s(i, i) = 0
    score(u, j) = sum over i liked by u of s(i, j)
    """

    def __init__(self, config: ItemKNNConfig | None = None) -> None:
        self.config = config or ItemKNNConfig()
        self.positive = self.config.positive

    def _fit(self, ratings: Matrix) -> None:
        together = _gram(_liked(ratings, self.config.positive))
        count = together.diagonal().copy()
        divisor = np.sqrt(np.outer(count, count)) + self.config.shrinkage
        self.weights = np.divide(
            together, divisor, out=np.zeros_like(together), where=divisor > 0
        )  # [items, items]
        np.fill_diagonal(self.weights, 0.0)
        if 0 < self.config.neighbours < self.n_items:
            bar = np.partition(self.weights, -self.config.neighbours, axis=0)[
                -self.config.neighbours
            ]
            self.weights[self.weights < bar] = 0.0


@dataclass(frozen=True)
class EASEConfig(Settings):
    regularisation: float = (
        500.0  # lambda > 0, users: added to the diagonal of the Gram matrix
    )
    positive: float = 4.0  # stars: ratings of this and above are positives
    _above_zero: ClassVar[tuple[str, ...]] = ("regularisation",)


class EASE(_ItemToItem):
    """A linear model from liked items to liked items, zero diagonal, in closed form (Steck, 2019, section 3.1).

    P = (X'X + lambda I)^-1,  B_ij = -P_ij / P_jj,  B_jj = 0;  score(u, j) = sum over i liked by u of B_ij
    """

    def __init__(self, config: EASEConfig | None = None) -> None:
        self.config = config or EASEConfig()
        self.positive = self.config.positive

    def _fit(self, ratings: Matrix) -> None:
        gram = _gram(_liked(ratings, self.config.positive))
        gram[np.diag_indices_from(gram)] += self.config.regularisation
        half, failed = lapack.dpotri(
            cho_factor(gram, lower=True, overwrite_a=True)[0], lower=True
        )
        assert not failed
        inverse = np.tril(half) + np.tril(half, -1).T
        self.weights = (
            -inverse / inverse.diagonal()
        )  # [items, items], column j divided by P_jj
        np.fill_diagonal(self.weights, 0.0)


@dataclass(frozen=True)
class BiasesPlusEASEConfig(Settings):
    weight: float = 2.0  # >= 0, stars for one unit of the EASE score
    item_shrinkage: float = 5.0  # >= 0, ratings
    user_shrinkage: float = 10.0  # >= 0, ratings
    ease: EASEConfig = field(default_factory=EASEConfig)


class BiasesPlusEASE(Collaborative):
    """How good is it, and is it for this user: mean + b_u + b_i + weight x EASE score, in stars.

    b_i = sum of (r - mean) / (n_i + item_shrinkage), then b_u = sum of (r - mean - b_i) / (n_u + user_shrinkage) over
    the known ratings (Koren and Bell, 2011, section 3.2). b_u does not change a user's order, only the scores' height.
    """

    def __init__(self, config: BiasesPlusEASEConfig | None = None) -> None:
        self.config = config or BiasesPlusEASEConfig()
        self.ease = EASE(self.config.ease)

    def _fit(self, ratings: Matrix) -> None:
        self.mean, self.ease.n_items = ratings.data.mean(), self.n_items
        count = np.diff(ratings.tocsc().indptr)
        excess = _column_sums(ratings) - self.mean * count
        self.item_bias = excess / np.maximum(count + self.config.item_shrinkage, 1e-9)
        self.ease._fit(ratings)

    def _scores(self, known: Matrix) -> Floats:
        count = np.diff(known.indptr)
        rest = _with_data(known, known.data - self.mean - self.item_bias[known.indices])
        user_bias = _row_sums(rest) / np.maximum(
            count + self.config.user_shrinkage, 1e-9
        )
        personal = self.config.weight * self.ease._scores(known)
        return np.asarray(self.mean + user_bias[:, None] + self.item_bias + personal)


@dataclass(frozen=True)
class BiasedMFConfig(Settings):
    factors: int = 20  # 1..: length of a vector
    sweeps: int = 10  # 1..: times that all users, then all items, are solved for
    regularisation: float = 0.09  # > 0, for each rating of a user or item
    shrinkage: float = 3.0  # >= 0: penalty whatever their number, so that one 5 does not make the best film of all
    initial_scale: float = (
        0.1  # > 0, stars^0.5: spread of the item vectors at the start
    )
    _above_zero: ClassVar[tuple[str, ...]] = (
        "factors",
        "sweeps",
        "regularisation",
        "initial_scale",
    )


class BiasedMF(Collaborative):
    """Matrix factorisation with biases, r ~ mean + b_u + b_i + p_u . q_i, by alternating least squares.

    Each half sweep solves for all [p_u, b_u] with the items held fixed, or the reverse, a ridge regression each, the
    penalty in proportion to the number of ratings (Zhou et al., 2008, section 3.2; biases: Koren, Bell and Volinsky,
    2009) plus ``shrinkage``, which is not in the paper. A user is folded in by the same regression on the known
    ratings; one without any gets the average.
    """

    def __init__(
        self,
        config: BiasedMFConfig | None = None,
        *,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.config = config or BiasedMFConfig()
        self.rng = rng if rng is not None else np.random.default_rng(0)

    def _fit(self, ratings: Matrix) -> None:
        self.mean = ratings.data.mean()
        rows = _with_data(ratings, ratings.data - self.mean)
        columns = rows.T.tocsr()
        self.items = self.rng.normal(
            0.0, self.config.initial_scale, (self.n_items, self.config.factors + 1)
        )
        self.items[:, -1] = 0.0  # the bias; the columns before it are the vector
        for _ in range(self.config.sweeps):
            users = self._solve(rows, self.items)
            self.items = self._solve(columns, users)

    def _solve(self, residuals: Matrix, others: Floats) -> Floats:
        return ridge_rows(
            residuals, others, self.config.regularisation, self.config.shrinkage
        )

    def _scores(self, known: Matrix) -> Floats:
        users = self._solve(_with_data(known, known.data - self.mean), self.items)
        return np.asarray(
            self.mean
            + users[:, -1:]
            + self.items[:, -1]
            + users[:, :-1] @ self.items[:, :-1].T
        )


@dataclass(frozen=True)
class PureSVDConfig(Settings):
    factors: int = 10  # 1..: singular vectors kept
    positive: float = 4.0  # stars: ratings of this and above are positives
    _above_zero: ClassVar[tuple[str, ...]] = ("factors",)


class PureSVD(Collaborative):
    """Truncated singular value decomposition, what is unknown counted as 0: score(u) = x_u Q Q' [items].

    Q [items, factors] are the right singular vectors (Cremonesi, Koren and Turrin, 2010, section 4.2). Differs from
    the paper: x_u is 1 for a positive and 0 for anything else, not the rating.
    """

    def __init__(self, config: PureSVDConfig | None = None) -> None:
        self.config = config or PureSVDConfig()

    def _fit(self, ratings: Matrix) -> None:
        liked = _liked(ratings, self.config.positive)
        if self.config.factors >= min(liked.shape):
            raise ConfigError(
                f"factors is {self.config.factors}; it must be below {min(liked.shape)} with these data"
            )
        start = np.ones(
            min(liked.shape)
        )  # a fixed start, so that the same data give the same vectors
        self.vectors = svds(liked, k=self.config.factors, v0=start)[
            2
        ].T  # [items, factors]

    def _scores(self, known: Matrix) -> Floats:
        return np.asarray(
            (_liked(known, self.config.positive) @ self.vectors) @ self.vectors.T
        )


def _with_data(matrix: Matrix, data: Floats) -> Matrix:
    return sp.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _liked(ratings: Matrix, positive: float) -> Matrix:
    """1 where a rating is a positive, [users, items]; nothing is stored elsewhere."""
    liked = _with_data(ratings, (ratings.data >= positive).astype(np.float64)).copy()
    liked.eliminate_zeros()
    return liked


def _gram(liked: Matrix) -> Floats:
    """Users who liked both, [items, items]."""
    return np.asarray((liked.T @ liked).toarray())


def _column_sums(matrix: Matrix) -> Floats:
    return np.asarray(matrix.sum(axis=0)).ravel()


def _row_sums(matrix: Matrix) -> Floats:
    return np.asarray(matrix.sum(axis=1)).ravel()
