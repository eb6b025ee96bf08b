"""The VAE beside Keras' own loop: tracks a second on one core.

    python -m tests.benchmarks.vae ours|theirs CORE

Each runs in a process of its own: the same layers, losses, minibatches and Adam. Theirs
is a ``keras.Model`` with a ``train_step``, trained by ``fit``, compiled by XLA. The
first epoch, which compiles, is left out.
"""

import os
import statistics
import sys
import time

import numpy as np

from tests.benchmarks.ppo import measure

TRACKS, EPOCHS = 8_192, 5


def tracks():
    """Features [TRACKS, 11] in [0, 1]."""
    return np.random.default_rng(0).random((TRACKS, 11), np.float32)


def config():
    """The library's defaults, for one epoch."""
    from rlrec.sound.vae_config import VAEConfig

    batch = VAEConfig().batch_size
    return VAEConfig(updates=TRACKS // batch)


def ours():
    """Tracks a second over EPOCHS epochs, each a training of its own."""
    from rlrec.sound.vae import VAE

    model = VAE(config())
    model.train(tracks())
    start = time.perf_counter()
    for _ in range(EPOCHS):
        model.train(tracks())
    return EPOCHS * TRACKS / (time.perf_counter() - start)


def theirs():
    """The same by ``fit``."""
    from rlrec.nn.backend import keras, tf

    own = config()
    dense = keras.layers.Dense

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            wide = [dense(units, "relu") for units in own.hidden]
            narrow = [dense(units, "relu") for units in reversed(own.hidden)]
            self.encoder = keras.Sequential([*wide, dense(2 * own.dimensions)])
            self.decoder = keras.Sequential([*narrow, dense(11, "sigmoid")])

        def train_step(self, x):
            with tf.GradientTape() as tape:
                means, logs = tf.split(self.encoder(x), 2, axis=1)
                noise = tf.random.normal(tf.shape(means))
                found = self.decoder(means + tf.exp(0.5 * logs) * noise)
                error = tf.reduce_sum(tf.square(x - found), axis=1)
                kl = tf.square(means) + tf.exp(logs) - 1.0 - logs
                loss = tf.reduce_mean(error + own.beta * 0.5 * tf.reduce_sum(kl, 1))
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(
                zip(gradients, self.trainable_variables, strict=True)
            )
            return {"loss": loss}

    model = Model()
    model.compile(optimizer=keras.optimizers.Adam(own.learning_rate), jit_compile=True)
    model.fit(tracks(), batch_size=own.batch_size, epochs=1, verbose=0)
    start = time.perf_counter()
    model.fit(tracks(), batch_size=own.batch_size, epochs=EPOCHS, verbose=0)
    return EPOCHS * TRACKS / (time.perf_counter() - start)


def report(line, pairs=3):
    """Print tracks a second of both, and the ratio of each pair."""
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else -1
    module = "tests.benchmarks.vae"
    found = [
        tuple(measure(who, core, module) for who in ("ours", "theirs"))
        for _ in range(pairs)
    ]
    mine, other = map(statistics.median, zip(*found, strict=True))
    ratios = sorted(own / keras for own, keras in found)
    line("VAE", mine, f"tracks a second; Keras' fit {other:,.0f}; one core")
    spread = f"({ratios[0]:.1f} to {ratios[-1]:.1f})"
    line(f"  ratio, median of {pairs} pairs", statistics.median(ratios), spread)


if __name__ == "__main__":
    who, core = sys.argv[1], int(sys.argv[2])
    if core >= 0:
        os.sched_setaffinity(0, {core})
    print(ours() if who == "ours" else theirs())
