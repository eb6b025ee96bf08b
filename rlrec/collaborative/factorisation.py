"""The TensorFlow part of `rlrec.collaborative.embeddings`: all minibatches of an epoch in one compiled call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rlrec.nn.backend import tf
from rlrec.nn.networks import Adam, Tensor
from rlrec.types import Arrays

if TYPE_CHECKING:
    from rlrec.collaborative.embedding_config import EmbeddingConfig
    from rlrec.datasets import Ratings


def factorise(ratings: Ratings, config: EmbeddingConfig, seed: int) -> Arrays:
    """Items [I, d], users [U, d] and their biases, from stochastic minibatches in an order that ``seed`` gives."""
    rng, n = np.random.default_rng(seed), len(ratings)
    genres = tf.constant(
        genre_matrix(ratings) if config.use_genres else np.zeros((ratings.n_items, 0)),
        tf.float32,
    )
    weights = _start(
        ratings.n_users, ratings.n_items, int(genres.shape[1]), config.dimensions, rng
    )
    batch = min(config.batch_size, n)
    residuals = (ratings.ratings - ratings.ratings.mean(dtype=np.float64)).astype(
        np.float32
    )
    model = Factorisation(weights, genres, config)
    for _ in range(config.epochs):
        order = rng.permutation(n)[: n // batch * batch].reshape(
            -1, batch
        )  # the rest waits for another epoch
        model.epoch(ratings.users[order], ratings.items[order], residuals[order])
    return model.arrays()


def genre_matrix(ratings: Ratings) -> NDArray[np.float32]:
    """Which genres an item has [I, genres], rows summing to 1; no columns if the data name none."""
    names = sorted({name for item in ratings.genres for name in item})
    place = {name: i for i, name in enumerate(names)}
    matrix = np.zeros((ratings.n_items, len(names)), np.float32)
    for item, its in enumerate(ratings.genres):
        for name in its:
            matrix[item, place[name]] = 1.0 / len(its)
    return matrix


def _start(
    users: int, items: int, genres: int, dimensions: int, rng: np.random.Generator
) -> Arrays:
    spread = 0.1 / np.sqrt(dimensions) ** 0.5
    return {
        "users": rng.normal(0.0, spread, (users, dimensions)),
        "free": rng.normal(0.0, spread, (items, dimensions)),
        "genres": rng.normal(0.0, spread, (genres, dimensions)),
        "user_biases": np.zeros(users),
        "item_biases": np.zeros(items),
    }


class Factorisation:
    """The weights, their optimiser, and ``epoch``."""

    def __init__(
        self, weights: Arrays, genres: Tensor, config: EmbeddingConfig
    ) -> None:
        self.config, self.genres = config, genres
        self.weights = {
            name: tf.Variable(values.astype(np.float32))
            for name, values in weights.items()
        }
        self.optimiser = Adam(config.learning_rate, list(self.weights.values()))
        self.epoch = tf.function(self._epoch, jit_compile=True)

    def _epoch(self, users: Tensor, items: Tensor, ratings: Tensor) -> Tensor:
        """One pass over users, items, ratings [batches, batch]; the mean squared error in stars."""
        total = tf.zeros(())
        for batch in tf.range(tf.shape(users)[0]):
            total += self._update(users[batch], items[batch], ratings[batch])
        return total / tf.cast(tf.shape(users)[0], tf.float32)

    def _update(self, users: Tensor, items: Tensor, ratings: Tensor) -> Tensor:
        with tf.GradientTape() as tape:
            error, penalty = self._loss(users, items, ratings)
            loss = error + self.config.l2 * penalty
        self.optimiser.descend(tape, loss)
        return error

    def _loss(
        self, users: Tensor, items: Tensor, ratings: Tensor
    ) -> tuple[Tensor, Tensor]:
        w = self.weights
        user, free = (
            tf.gather(w["users"], users),
            tf.gather(w["free"], items),
        )  # [batch, d]
        item = free + tf.gather(self.genres, items) @ w["genres"]
        bias_u, bias_i = (
            tf.gather(w["user_biases"], users),
            tf.gather(w["item_biases"], items),
        )  # [batch]
        error = ratings - bias_u - bias_i - tf.reduce_sum(user * item, axis=1)
        size = (
            tf.square(bias_u)
            + tf.square(bias_i)
            + tf.reduce_sum(tf.square(user) + tf.square(item), axis=1)
        )
        return tf.reduce_mean(tf.square(error)), tf.reduce_mean(size)

    def arrays(self) -> Arrays:
        """Items (with what genres give), users, biases."""
        w = self.weights
        return {
            "items": (w["free"] + self.genres @ w["genres"]).numpy(),
            "users": w["users"].numpy(),
            "item_biases": w["item_biases"].numpy(),
            "user_biases": w["user_biases"].numpy(),
        }
