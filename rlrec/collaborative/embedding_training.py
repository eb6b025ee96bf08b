"""Training of `rlrec.collaborative.embeddings` in TensorFlow: one call an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rlrec.nn.backend import tf
from rlrec.nn.networks import Adam, Tensor
from rlrec.types import Arrays, Floats32

if TYPE_CHECKING:
    from rlrec.collaborative.embedding_config import EmbeddingConfig
    from rlrec.datasets import Ratings


def factorise(ratings: Ratings, config: EmbeddingConfig, seed: int) -> Arrays:
    """Train items [I, d], users [U, d] and their biases by stochastic minibatches."""
    rng = np.random.default_rng(seed)
    genres = genre_matrix(ratings)
    if not config.use_genres:
        genres = np.zeros((ratings.n_items, 0), np.float32)
    weights = _initial_weights(ratings, genres.shape[1], config.dimensions, rng)
    mean = ratings.ratings.mean(dtype=np.float64)
    residuals = (ratings.ratings - mean).astype(np.float32)
    model = Factorisation(weights, tf.constant(genres), config)
    count = len(ratings)
    batch = min(config.batch_size, count)
    whole = count // batch * batch  # the rest waits for another epoch
    for _ in range(config.epochs):
        order = rng.permutation(count)[:whole].reshape(-1, batch)
        model.epoch(ratings.users[order], ratings.items[order], residuals[order])
    return model.arrays()


def genre_matrix(ratings: Ratings) -> Floats32:
    """The genres of each item [I, genres], rows summing to 1; [I, 0] without genres."""
    names = sorted(set[str]().union(*ratings.genres))
    matrix = np.zeros((ratings.n_items, len(names)), np.float32)
    for item, genres in enumerate(ratings.genres):
        for name in genres:
            matrix[item, names.index(name)] = 1.0 / len(genres)
    return matrix


def _initial_weights(
    ratings: Ratings, genres: int, dimensions: int, rng: np.random.Generator
) -> Arrays:
    spread = 0.1 / np.sqrt(dimensions) ** 0.5
    return {
        "users": rng.normal(0.0, spread, (ratings.n_users, dimensions)),
        "free": rng.normal(0.0, spread, (ratings.n_items, dimensions)),
        "genres": rng.normal(0.0, spread, (genres, dimensions)),
        "user_biases": np.zeros(ratings.n_users),
        "item_biases": np.zeros(ratings.n_items),
    }


class Factorisation:
    """The weights, their optimiser, and ``epoch``, compiled."""

    def __init__(
        self, weights: Arrays, genres: Tensor, config: EmbeddingConfig
    ) -> None:
        self.config = config
        self.genres = genres
        self.weights = {
            name: tf.Variable(values.astype(np.float32))
            for name, values in weights.items()
        }
        self.optimiser = Adam(config.learning_rate, list(self.weights.values()))
        self.epoch = tf.function(self._epoch, jit_compile=True)

    def _epoch(self, users: Tensor, items: Tensor, ratings: Tensor) -> Tensor:
        """One pass over users, items, ratings [batches, batch]; the mean squared error.

        The error is in squared stars.
        """
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
        user = tf.gather(w["users"], users)  # [batch, d]
        free = tf.gather(w["free"], items)  # [batch, d]
        item = free + tf.gather(self.genres, items) @ w["genres"]
        user_bias = tf.gather(w["user_biases"], users)  # [batch]
        item_bias = tf.gather(w["item_biases"], items)  # [batch]
        dot = tf.reduce_sum(user * item, axis=1)
        error = ratings - user_bias - item_bias - dot
        squares = tf.reduce_sum(tf.square(user) + tf.square(item), axis=1)
        size = tf.square(user_bias) + tf.square(item_bias) + squares
        return tf.reduce_mean(tf.square(error)), tf.reduce_mean(size)

    def arrays(self) -> Arrays:
        """Items (genres included), users and their biases."""
        w = self.weights
        return {
            "items": (w["free"] + self.genres @ w["genres"]).numpy(),
            "users": w["users"].numpy(),
            "item_biases": w["item_biases"].numpy(),
            "user_biases": w["user_biases"].numpy(),
        }
