"""Recommenders from other users' ratings: the baselines of every agent.

Each is fitted once, on training interactions only. Then it gives scores from *known
ratings*:

    model = EASE().fit(train)       # train: `rlrec.datasets.Ratings`
    model.scores(known)             # known ratings [users, I], sparse -> scores
    model.recommend(known, k=5)     # item ids [users, 5], best first, no known ones

No model looks up a user. Whatever it needs of a user it computes from the known
ratings, so new users are served like training users ("folding in"). ``fitted_on`` holds
the keys of the training interactions. Positives are ratings of ``positive`` stars and
above.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, lapack
from scipy.sparse.linalg import svds

from rlrec.agents.recommender import best_first
from rlrec.collaborative.embeddings import liked_matrix, ridge_rows
from rlrec.datasets import Ratings
from rlrec.datasets.matrices import Keys, Matrix, interaction_keys, rating_matrix
from rlrec.errors import ABOVE_ZERO, FINITE, ConfigError, DataError, require_ranges
from rlrec.types import Floats, Ids


class Collaborative:
    """The base class: checks, training interactions, top k.

    Subclasses implement ``_fit`` and ``_scores``.
    """

    n_items = 0
    fitted_on: Keys = np.empty(0, np.uint64)

    def fit(self, ratings: Ratings) -> Self:
        """Fit to the training interactions ``ratings``.

        Raises ``DataError`` if there are none.
        """
        if not len(ratings):
            raise DataError(
                "no ratings to fit on; check the split or the file's report"
            )
        self.n_items = ratings.n_items
        self.fitted_on = interaction_keys(ratings)
        matrix = rating_matrix(ratings)
        self.popularity = _sums(matrix, axis=0)
        self._fit(matrix)
        return self

    def scores(self, known: Matrix, users: Ids | None = None) -> Floats:
        """Scores [users, I], higher is better, from known ratings [users, I], sparse.

        ``users`` [users]: indices, which no model here uses.
        Raises ``ConfigError`` before ``fit`` and for another number of items.
        """
        if known.shape[1] != self.n_items:
            raise ConfigError(
                f"known has {known.shape[1]} items, the model was fitted on "
                f"{self.n_items}: fit it first"
            )
        return self._scores(sp.csr_matrix(known, dtype=np.float64))

    def __call__(self, users: Ids, known: Matrix) -> Floats:
        """The scores as the evaluation protocols call for them: [users, I].

        Where all scores of a user are equal, such as without a known like, they are
        popularity instead: the sum of the stars of each item.
        """
        scores = self.scores(known, users)
        equal = (scores == scores[:, :1]).all(axis=1)
        scores[equal] = self.popularity
        return scores

    def recommend(self, observations: Matrix, k: int = 1) -> Ids:
        """The ``k`` items [users, k] of the highest scores, best first, none rated.

        ``observations``: known ratings [users, I], sparse. Users whose scores are all
        equal are recommended what is popular.
        Raises ``ConfigError`` if a user has fewer than k unrated items.
        """
        scores = self(np.arange(observations.shape[0]), observations)
        known = sp.coo_matrix(observations)
        left = self.n_items - int(known.getnnz(axis=1).max(initial=0))
        if k > left:
            raise ConfigError(
                f"k is {k}, but somebody has only {left} unrated items left"
            )
        scores[known.row, known.col] = -np.inf
        items = np.broadcast_to(np.arange(self.n_items), scores.shape)
        return best_first(items, scores, k)

    def _fit(self, ratings: Matrix) -> None:
        raise NotImplementedError

    def _scores(self, known: Matrix) -> Floats:
        raise NotImplementedError


class RandomOrder(Collaborative):
    """The random baseline: every call draws new scores from ``rng``."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def _fit(self, ratings: Matrix) -> None:
        pass

    def _scores(self, known: Matrix) -> Floats:
        return np.asarray(self.rng.random(known.shape))


class Settings:
    """The base class of hyperparameters: every number is finite and not negative.

    Those named in ``_above_zero`` are above 0.
    """

    _above_zero: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, (int, float)):
                low = ABOVE_ZERO if name in self._above_zero else 0.0
                require_ranges(self, [(name, low, FINITE)])


class _SameForAll(Collaborative):
    """One score an item, the same for every user."""

    item_scores: Floats

    def _scores(self, known: Matrix) -> Floats:
        return np.tile(self.item_scores, (known.shape[0], 1))


class _ItemToItem(Collaborative):
    """The sum of ``weights`` [I, I] over the rows of the liked items."""

    weights: Floats
    positive: float

    def _scores(self, known: Matrix) -> Floats:
        return np.asarray(liked_matrix(known, self.positive) @ self.weights)


@dataclass(frozen=True)
class PopularityByCountConfig(Settings):
    """Hyperparameters of ``PopularityByCount``."""

    positive: float = 4.0  # stars: ratings of this and above are positives


class PopularityByCount(_SameForAll):
    """The number of users who liked an item."""

    def __init__(self, config: PopularityByCountConfig | None = None) -> None:
        self.config = config or PopularityByCountConfig()

    def _fit(self, ratings: Matrix) -> None:
        self.item_scores = _sums(liked_matrix(ratings, self.config.positive), axis=0)


@dataclass(frozen=True)
class PopularityByMeanConfig(Settings):
    """Hyperparameters of ``PopularityByMean``."""

    shrinkage: float = 5.0  # >= 0: ratings of the overall mean added to each item
    minimum: float = 0.0  # >= 0: items with fewer ratings come after all others


class PopularityByMean(_SameForAll):
    """The average rating of an item, shrunk towards the overall mean.

    (sum + c mean) / (n + c), c the shrinkage. Without shrinkage (or a minimum) items
    with a single rating of 5 lead the list.
    """

    def __init__(self, config: PopularityByMeanConfig | None = None) -> None:
        self.config = config or PopularityByMeanConfig()

    def _fit(self, ratings: Matrix) -> None:
        mean = ratings.data.mean()
        count = ratings.getnnz(axis=0)
        weight = count + self.config.shrinkage
        excess = _sums(ratings, axis=0) - mean * count
        shrunk = np.divide(excess, weight, out=np.zeros(len(weight)), where=weight > 0)
        enough = count >= self.config.minimum
        self.item_scores = np.where(enough, mean + shrunk, ratings.data.min() - 1.0)


@dataclass(frozen=True)
class ItemKNNConfig(Settings):
    """Hyperparameters of ``ItemKNN``."""

    neighbours: int = 0  # >= 0: most similar items that count for each item; 0: all
    # >= 0, users: added to the divisor, against similarities that rest on few users
    shrinkage: float = 0.0
    positive: float = 4.0  # stars: ratings of this and above are positives


class ItemKNN(_ItemToItem):
    """The sum of cosine similarities to the liked items.

    s(i, j) = n_ij / (sqrt(n_i n_j) + shrinkage),  s(i, i) = 0,
    n_ij: users who liked both
    score(u, j) = sum over i liked by u of s(i, j)

    Of equal similarities those that rest on more users count as nearer, then those to
    the lower item number.

    Sarwar et al., "Item-based collaborative filtering recommendation algorithms"
    (WWW 2001), section 3; binary vectors.
    """

    def __init__(self, config: ItemKNNConfig | None = None) -> None:
        self.config = config or ItemKNNConfig()
        self.positive = self.config.positive

    def _fit(self, ratings: Matrix) -> None:
        together = _gram(liked_matrix(ratings, self.positive))
        count = together.diagonal().copy()
        divisor = np.sqrt(np.outer(count, count)) + self.config.shrinkage
        self.weights = np.divide(
            together, divisor, out=np.zeros_like(together), where=divisor > 0
        )  # [I, I]
        np.fill_diagonal(self.weights, 0.0)
        neighbours = self.config.neighbours
        if 0 < neighbours < self.n_items:
            least = np.partition(self.weights, -neighbours, axis=0)[-neighbours]
            self.weights[self.weights < least] = 0.0
            tied = np.flatnonzero((self.weights > 0).sum(axis=0) > neighbours)
            keys = (-together[:, tied], -self.weights[:, tied])
            order = np.lexsort(keys, axis=0)  # by similarity, then by users
            self.weights[order[neighbours:], tied] = 0.0


@dataclass(frozen=True)
class EASEConfig(Settings):
    """Hyperparameters of ``EASE``."""

    regularisation: float = 500.0  # lambda > 0, users: added to the Gram diagonal
    positive: float = 4.0  # stars: ratings of this and above are positives
    _above_zero = ("regularisation",)


class EASE(_ItemToItem):
    """A linear model from liked items to items, zero diagonal, in closed form.

    P = (X'X + lambda I)^-1,  B_ij = -P_ij / P_jj,  B_jj = 0
    score(u, j) = sum over i liked by u of B_ij

    Steck, "Embarrassingly shallow autoencoders for sparse data" (WWW 2019), section
    3.1.
    """

    def __init__(self, config: EASEConfig | None = None) -> None:
        self.config = config or EASEConfig()
        self.positive = self.config.positive

    def _fit(self, ratings: Matrix) -> None:
        gram = _gram(liked_matrix(ratings, self.positive))
        gram[np.diag_indices_from(gram)] += self.config.regularisation
        factor, _ = cho_factor(gram, lower=True, overwrite_a=True)
        half, failed = lapack.dpotri(factor, lower=True, overwrite_c=True)
        assert not failed
        inverse = np.tril(half) + np.tril(half, -1).T
        self.weights = -inverse / inverse.diagonal()  # [I, I], column j by P_jj
        np.fill_diagonal(self.weights, 0.0)


@dataclass(frozen=True)
class BiasesPlusEASEConfig(Settings):
    """Hyperparameters of ``BiasesPlusEASE``."""

    weight: float = 2.0  # >= 0, stars for one unit of the EASE score
    item_shrinkage: float = 5.0  # >= 0, ratings
    user_shrinkage: float = 10.0  # >= 0, ratings
    ease: EASEConfig = field(default_factory=EASEConfig)


class BiasesPlusEASE(Collaborative):
    """Rating biases plus EASE: mean + b_u + b_i + weight x EASE score, in stars.

    b_i = sum of (r - mean) / (n_i + item_shrinkage), then, over the known ratings,
    b_u = sum of (r - mean - b_i) / (n_u + user_shrinkage). b_u does not change the
    order of a user's items.

    Biases: Koren and Bell, "Advances in collaborative filtering" (2011), section 3.2.
    """

    def __init__(self, config: BiasesPlusEASEConfig | None = None) -> None:
        self.config = config or BiasesPlusEASEConfig()
        self.ease = EASE(self.config.ease)

    def _fit(self, ratings: Matrix) -> None:
        self.mean = ratings.data.mean()
        count = ratings.getnnz(axis=0)
        excess = _sums(ratings, axis=0) - self.mean * count
        self.item_bias = excess / np.maximum(count + self.config.item_shrinkage, 1e-9)
        self.ease.n_items = self.n_items
        self.ease.popularity = self.popularity
        self.ease._fit(ratings)

    def _scores(self, known: Matrix) -> Floats:
        count = known.getnnz(axis=1)
        rest = _with_data(known, known.data - self.mean - self.item_bias[known.indices])
        user_bias = _sums(rest, axis=1) / np.maximum(
            count + self.config.user_shrinkage, 1e-9
        )
        personal = self.config.weight * self.ease._scores(known)
        return np.asarray(self.mean + user_bias[:, None] + self.item_bias + personal)


@dataclass(frozen=True)
class BiasedMFConfig(Settings):
    """Hyperparameters of ``BiasedMF``."""

    factors: int = 20  # 1..: length of a vector
    sweeps: int = 10  # 1..: times that all users, then all items, are solved for
    regularisation: float = 0.09  # > 0: penalty for each rating of a user or item
    shrinkage: float = 3.0  # >= 0: penalty whatever the number of ratings
    initial_scale: float = 0.1  # > 0, stars^0.5: spread of the initial item vectors
    _above_zero = (
        "factors",
        "sweeps",
        "regularisation",
        "initial_scale",
    )


class BiasedMF(Collaborative):
    """Matrix factorisation with biases by alternating least squares.

    r ~ mean + b_u + b_i + p_u . q_i

    Each half sweep solves a ridge regression for all [p_u, b_u] with the items held
    fixed, or the reverse. A user is folded in by the same regression on the known
    ratings; one without ratings gets the average.

    Penalty in proportion to the number of ratings: Zhou et al., "Large-scale parallel
    collaborative filtering for the Netflix prize" (2008), section 3.2. Biases: Koren,
    Bell and Volinsky (2009). Differs from the papers: ``shrinkage``.
    """

    def __init__(
        self,
        config: BiasedMFConfig | None = None,
        *,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.config = config or BiasedMFConfig()
        self.rng = rng or np.random.default_rng(0)

    def _fit(self, ratings: Matrix) -> None:
        self.mean = ratings.data.mean()
        rows = _with_data(ratings, ratings.data - self.mean)
        columns = rows.T.tocsr()
        shape = (self.n_items, self.config.factors + 1)
        self.items = self.rng.normal(0.0, self.config.initial_scale, shape)
        self.items[:, -1] = 0.0  # the bias; the columns before it are the vector
        for _ in range(self.config.sweeps):
            users = self._solve(rows, self.items)
            self.items = self._solve(columns, users)

    def _solve(self, residuals: Matrix, others: Floats) -> Floats:
        config = self.config
        return ridge_rows(residuals, others, config.regularisation, config.shrinkage)

    def _scores(self, known: Matrix) -> Floats:
        users = self._solve(_with_data(known, known.data - self.mean), self.items)
        dot = users[:, :-1] @ self.items[:, :-1].T
        return np.asarray(self.mean + users[:, -1:] + self.items[:, -1] + dot)


@dataclass(frozen=True)
class PureSVDConfig(Settings):
    """Hyperparameters of ``PureSVD``."""

    factors: int = 10  # 1..: singular vectors kept
    positive: float = 4.0  # stars: ratings of this and above are positives
    _above_zero = ("factors",)


class PureSVD(Collaborative):
    """Truncated singular value decomposition with missing ratings as 0.

    score(u) = x_u Q Q', Q [I, factors] the right singular vectors

    Cremonesi, Koren and Turrin, "Performance of recommender algorithms on top-n
    recommendation tasks" (RecSys 2010), section 4.2. Differs from the paper: x_u is 1
    for a positive and 0 otherwise, not the rating.
    """

    def __init__(self, config: PureSVDConfig | None = None) -> None:
        self.config = config or PureSVDConfig()

    def _fit(self, ratings: Matrix) -> None:
        liked = liked_matrix(ratings, self.config.positive)
        size = min(liked.shape)
        if self.config.factors >= size:
            raise ConfigError(
                f"factors is {self.config.factors}; it must be below {size} "
                "with these data"
            )
        start = np.ones(size)  # fixed: the same data give the same vectors
        _, _, right = svds(liked, k=self.config.factors, v0=start)
        self.vectors = right.T  # [I, factors]

    def _scores(self, known: Matrix) -> Floats:
        users = liked_matrix(known, self.config.positive) @ self.vectors
        return np.asarray(users @ self.vectors.T)


def _with_data(matrix: Matrix, data: Floats) -> Matrix:
    return sp.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _gram(liked: Matrix) -> Floats:
    """Users who liked both items, [I, I]."""
    return np.asarray((liked.T @ liked).toarray())


def _sums(matrix: Matrix, axis: int) -> Floats:
    return np.asarray(matrix.sum(axis=axis)).ravel()
