"""Training of `rlrec.sound.vae` in TensorFlow: an epoch in one compiled call."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from threading import Lock

import numpy as np

from rlrec.errors import TrainingDiverged
from rlrec.nn.backend import tf
from rlrec.nn.networks import Adam, Tensor
from rlrec.sound.vae_config import History, VAEConfig, forward, start_weights
from rlrec.types import Arrays, Floats32

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
_LOCK = Lock()  # networks of one shape share their compiled trainer


def fit(
    weights: Arrays,
    features: Floats32,
    config: VAEConfig,
    rng: np.random.Generator,
    loss: Loss | None = None,
    callback: Callable[[int, float], object] = lambda updates, error: None,
) -> tuple[Arrays, History]:
    """Train for ``config.updates`` minibatches of ``features`` [n, 11].

    ``rng`` draws the order and the noise. ``loss``: a replacement for ``loss_parts``.
    ``callback(updates, squared error)`` is called after each epoch.
    Raises ``TrainingDiverged`` once the loss of an epoch is NaN or infinite.
    """
    count = len(features)
    batch = min(config.batch_size, count)
    updates = count // batch  # in an epoch; the rest waits for another epoch
    epochs = -(-config.updates // updates)  # rounded up
    parts = np.zeros((epochs, 2))
    with _LOCK:
        trainer = shared_trainer(config.dimensions, config.hidden, loss)
        trainer.start(weights, config.beta)
        for epoch in range(epochs):
            order = rng.permutation(count)[: updates * batch].reshape(-1, batch)
            noise = rng.standard_normal((*order.shape, config.dimensions), np.float32)
            trainer.rate.assign(config.learning_rate * (1.0 - epoch / epochs))
            parts[epoch] = trainer.epoch(features[order], noise)
            if not np.isfinite(parts[epoch]).all():
                raise TrainingDiverged(
                    f"the VAE's loss is NaN or infinite by update "
                    f"{(epoch + 1) * updates:,}; train with a smaller learning_rate "
                    f"than {config.learning_rate:g}"
                )
            callback((epoch + 1) * updates, float(parts[epoch, 0]))
        return trainer.arrays(), History(*parts.T)


@cache
def shared_trainer(
    dimensions: int, hidden: tuple[int, ...], loss: Loss | None = None
) -> VAETrainer:
    """The trainer of all networks of one shape, because compiling costs seconds."""
    config = VAEConfig(dimensions=dimensions, hidden=hidden)
    weights = start_weights(config, np.random.default_rng(0))  # for their shapes
    return VAETrainer(weights, dimensions, loss or loss_parts)


def loss_parts(
    features: Tensor, found: Tensor, means: Tensor, log_variances: Tensor
) -> tuple[Tensor, Tensor]:
    """Squared error and KL, each *summed* within a track, then averaged over tracks.

    features, found [batch, 11]; means, log_variances [batch, d].
    """
    error = tf.reduce_sum(tf.square(features - found), axis=1)  # [batch]
    kl = 0.5 * tf.reduce_sum(
        tf.square(means) + tf.exp(log_variances) - 1.0 - log_variances, axis=1
    )
    return tf.reduce_mean(error), tf.reduce_mean(kl)


class VAETrainer:
    """The weights as variables, their optimiser, and ``epoch``, compiled."""

    def __init__(self, weights: Arrays, dimensions: int, loss: Loss) -> None:
        self.dimensions = dimensions
        self.loss = loss
        self.weights = {name: tf.Variable(values) for name, values in weights.items()}
        self.beta = tf.Variable(0.0)
        self.rate = tf.Variable(0.0)
        self.optimiser = Adam(self.rate, list(self.weights.values()))
        self.epoch = tf.function(self._epoch, jit_compile=True)

    def start(self, weights: Arrays, beta: float) -> None:
        """Set the weights and reset the optimiser."""
        for name, values in weights.items():
            self.weights[name].assign(values)
        for variable in self.optimiser.variables:
            variable.assign(tf.zeros_like(variable))
        self.beta.assign(beta)

    def _epoch(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """One pass over the minibatches: mean squared error and mean KL.

        features [batches, batch, 11], noise [batches, batch, d].
        """
        error = tf.zeros(())
        kl = tf.zeros(())
        for batch in tf.range(tf.shape(features)[0]):
            batch_error, batch_kl = self._update(features[batch], noise[batch])
            error += batch_error
            kl += batch_kl
        batches = tf.cast(tf.shape(features)[0], tf.float32)
        return error / batches, kl / batches

    def _update(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        with tf.GradientTape() as tape:
            error, kl = self.parts(features, noise)
            loss = error + self.beta * kl
        self.optimiser.descend(tape, loss)
        return error, kl

    def parts(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Squared error and KL for features [batch, 11] and noise [batch, d]."""
        both = forward(self.weights, "encoder", features, tf.nn.relu)  # [batch, 2d]
        means = both[:, : self.dimensions]
        log_variances = both[:, self.dimensions :]
        points = means + tf.exp(0.5 * log_variances) * noise  # reparameterisation
        found = tf.sigmoid(forward(self.weights, "decoder", points, tf.nn.relu))
        return self.loss(features, found, means, log_variances)

    def arrays(self) -> Arrays:
        """The weights as arrays."""
        return {name: variable.numpy() for name, variable in self.weights.items()}
