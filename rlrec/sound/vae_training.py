"""The TensorFlow part of `rlrec.sound.vae`: all minibatches of an epoch in one compiled call."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.nn.backend import tf
from rlrec.nn.networks import Adam, Tensor
from rlrec.sound.vae_config import History, VAEConfig, start_weights
from rlrec.types import Arrays, Floats

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
_ALONE = Lock()  # networks of one shape share their compiled training


def fit(
    weights: Arrays,
    features: Floats,
    config: VAEConfig,
    rng: np.random.Generator,
    loss: Loss | None = None,
) -> tuple[Arrays, History]:
    """Weights after ``config.updates`` minibatches of ``features`` [n, 11]; order and noise come from ``rng``.

    ``loss``: another function in the place of ``loss_parts``.
    """
    n, batch = len(features), min(config.batch_size, len(features))
    epochs = -(-config.updates // (n // batch))  # rounded up
    with _ALONE:
        trainer = shared_trainer(config.dimensions, config.hidden, loss)
        trainer.start(weights, config.beta)
        seen = []
        for epoch in range(epochs):
            order = rng.permutation(n)[: n // batch * batch].reshape(
                -1, batch
            )  # the rest waits for another epoch
            noise = rng.standard_normal((*order.shape, config.dimensions), np.float32)
            trainer.rate.assign(config.learning_rate * (1.0 - epoch / epochs))
            seen.append([float(part) for part in trainer.epoch(features[order], noise)])
        return trainer.arrays(), History(*np.array(seen).T)


@cache
def shared_trainer(
    dimensions: int, hidden: tuple[int, ...], loss: Loss | None = None
) -> Trainer:
    """One trainer for all networks of a shape: compiling costs seconds, and beta and step size are no part of it."""
    config = VAEConfig(dimensions=dimensions, hidden=hidden)
    weights = start_weights(config, np.random.default_rng(0))  # only their shapes count
    return Trainer(weights, dimensions, loss or loss_parts)


def loss_parts(
    features: Tensor, found: Tensor, means: Tensor, log_variances: Tensor
) -> tuple[Tensor, Tensor]:
    """Squared error and KL, each *summed* within a track, then the mean over the batch.

    features, found [batch, 11]; means, log_variances [batch, d].
    """
    error = tf.reduce_sum(tf.square(features - found), axis=1)  # [batch]
    kl = 0.5 * tf.reduce_sum(
        tf.square(means) + tf.exp(log_variances) - 1.0 - log_variances, axis=1
    )
    return tf.reduce_mean(error), tf.reduce_mean(kl)


class Trainer:
    """The weights as variables, their optimiser, and ``epoch``."""

    def __init__(self, weights: Arrays, dimensions: int, loss: Loss) -> None:
        self.dimensions, self.loss = dimensions, loss
        self.weights = {name: tf.Variable(values) for name, values in weights.items()}
        self.beta, self.rate = tf.Variable(0.0), tf.Variable(0.0)
        self.optimiser = Adam(self.rate, list(self.weights.values()))
        self.epoch = tf.function(self._epoch, jit_compile=True)

    def start(self, weights: Arrays, beta: float) -> None:
        """Take these weights, and forget what the optimiser knew."""
        for name, values in weights.items():
            self.weights[name].assign(values)
        for variable in self.optimiser.variables:
            variable.assign(tf.zeros_like(variable))
        self.beta.assign(beta)

    def _epoch(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """One pass over features [batches, batch, 11], noise [batches, batch, d]: mean squared error and KL."""
        error, kl = tf.zeros(()), tf.zeros(())
        for batch in tf.range(tf.shape(features)[0]):
            one, other = self._update(features[batch], noise[batch])
            error, kl = error + one, kl + other
        batches = tf.cast(tf.shape(features)[0], tf.float32)
        return error / batches, kl / batches

    def _update(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        with tf.GradientTape() as tape:
            error, kl = self.parts(features, noise)
            loss = error + self.beta * kl
        self.optimiser.descend(tape, loss)
        return error, kl

    def parts(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Squared error and KL of features [batch, 11] seen through noise [batch, d]."""
        both = self._forward("encoder", features)  # [batch, 2d]
        means, log_variances = both[:, : self.dimensions], both[:, self.dimensions :]
        points = (
            means + tf.exp(0.5 * log_variances) * noise
        )  # [batch, d]: the reparameterisation
        return self.loss(
            features, tf.sigmoid(self._forward("decoder", points)), means, log_variances
        )

    def _forward(self, part: str, values: Tensor) -> Tensor:
        layers = sum(name.startswith(part) for name in self.weights) // 2
        for layer in range(layers):
            values = (
                values @ self.weights[f"{part}_{layer}"]
                + self.weights[f"{part}_{layer}_bias"]
            )
            values = tf.nn.relu(values) if layer < layers - 1 else values
        return values

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The weights as arrays."""
        return {name: variable.numpy() for name, variable in self.weights.items()}
