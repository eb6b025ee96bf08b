"""A variational autoencoder (VAE) of audio features: a map of sound.

Kingma and Welling, "Auto-encoding variational Bayes" (ICLR 2014, arXiv:1312.6114). The
encoder maps the eleven features x of a track, in [0, 1], to a normal distribution on
the map, q(z | x) = N(mu, sigma^2). The decoder turns a point z back into features. The
loss is the mean over tracks of

    sum over features (x - decode(z))^2
    + beta * sum over dimensions (mu^2 + sigma^2 - 1 - log sigma^2) / 2

with z = mu + sigma * noise, noise ~ N(0, I) (the reparameterisation, section 2.4). Both
terms are *sums*: if one were a mean, beta would mean something else. Up to a constant
the loss is -2 s^2 times the ELBO, for features that are normal around decode(z) with
variance s^2 = beta / 2. The standard deviation s is .71 at beta 1, and .04 at .003.
A linear VAE uses a dimension for a principal component only if its variance is above
s^2 (Lucas et al., "Don't blame the ELBO!", NeurIPS 2019, arXiv:1911.02469). With a
large beta all tracks get the same point (posterior collapse).

This module is NumPy; training (``rlrec.sound.vae_training``) needs TensorFlow.

Differs from the paper: the variance of the features is a setting, beta (as in Higgins
et al., "beta-VAE", ICLR 2017); ReLU layers; Adam with a step size that falls to 0.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from rlrec import storage
from rlrec.errors import ConfigError, DataError
from rlrec.sound.vae_config import INPUTS, History, VAEConfig, forward, start_weights
from rlrec.types import Arrays, Floats, Floats32

# variance of a dimension's means above which it is active (Burda et al., ICLR 2016)
ACTIVE = 0.01


class Codec(Protocol):
    """A map that encodes features and decodes points: ``VAE`` and ``PCA``."""

    def encode(self, features: ArrayLike) -> Floats32:
        """Points of features: [n, 11] -> [n, d]."""

    def decode(self, points: ArrayLike) -> Floats32:
        """Features of points: [n, d] -> [n, 11]."""


def kl_to_normal(means: ArrayLike, log_variances: ArrayLike) -> Floats:
    """KL(N(mu, sigma^2) || N(0, 1)) of each entry, in nats (appendix B).

    ``(mu^2 + sigma^2 - 1 - log sigma^2) / 2``

    >>> round(float(kl_to_normal(1.0, np.log(0.25))), 3), float(kl_to_normal(0.0, 0.0))
    (0.818, 0.0)
    """
    mu = np.asarray(means, np.float64)
    log_variance = np.asarray(log_variances, np.float64)
    return np.asarray((mu**2 + np.exp(log_variance) - 1.0 - log_variance) / 2.0)


class VAE:
    """Encoder and decoder as arrays; after ``train`` or ``load`` they map any track.

    A point depends on the features alone, so new tracks and tracks without plays have
    one, too.
    """

    def __init__(self, config: VAEConfig | None = None, seed: int = 0) -> None:
        self.config = config or VAEConfig()
        self.seed = seed
        self.weights = start_weights(self.config, np.random.default_rng([seed, 0]))
        dimensions = self.config.dimensions
        self.low = np.zeros(dimensions, np.float32)
        self.high = np.ones(dimensions, np.float32)
        self.active = np.ones(dimensions, np.bool_)

    def train(self, features: ArrayLike, loss: Any = None, **callback: Any) -> History:
        """Train on ``features`` [n, 11] in [0, 1], in whole epochs.

        A second call continues from the present weights with a new optimiser. The same
        seed gives bit-identical weights. ``loss``: a TensorFlow function in place of
        `rlrec.sound.vae_training.loss_parts`; ``callback``: as of `fit` there. Raises
        ``ConfigError`` for bad features, ``TrainingDiverged`` if the loss is NaN or
        infinite.
        """
        from rlrec.sound.vae_training import fit

        known = _features(features)
        if not len(known):
            raise ConfigError(
                "no tracks to train on; look at the file's report: "
                "rlrec data check FILE"
            )
        rng = np.random.default_rng([self.seed, 1])
        self.weights, history = fit(
            self.weights, known, self.config, rng, loss, **callback
        )
        means = self.encode(known)
        self.low = means.min(axis=0)
        self.high = means.max(axis=0)
        self.active = means.var(axis=0) > ACTIVE
        return history

    def posterior(self, features: ArrayLike) -> tuple[Floats32, Floats32]:
        """Means and log variances of q(z | x): [n, 11] -> two of [n, d]."""
        both = forward(self.weights, "encoder", _features(features), _relu)
        return both[:, : self.config.dimensions], both[:, self.config.dimensions :]

    def encode(self, features: ArrayLike) -> Floats32:
        """Points of tracks on the map, the means of q(z | x): [n, 11] -> [n, d]."""
        return self.posterior(features)[0]

    def decode(self, points: ArrayLike) -> Floats32:
        """Features of points on the map, each in (0, 1): [n, d] -> [n, 11]."""
        found = _table(points, "points", self.config.dimensions)
        return _sigmoid(forward(self.weights, "decoder", found, _relu))

    def latents(self, features: ArrayLike) -> Floats32:
        """Points scaled to [0, 1] by the range of the training tracks, clipped.

        [n, 11] -> [n, d]; for agents with bounded actions. A dimension that is not
        ``active`` (the same mean for all tracks, up to noise) is .5 for every track, so
        that scaling does not turn its noise into a signal.
        """
        span = np.maximum(self.high - self.low, 1e-12)
        scaled = np.clip((self.encode(features) - self.low) / span, 0.0, 1.0)
        return np.asarray(np.where(self.active, scaled, 0.5), np.float32)

    def to_means(self, latents: ArrayLike) -> Floats32:
        """The inverse of ``latents``: [n, d] in [0, 1] -> points for ``decode``."""
        found = _table(latents, "latents", self.config.dimensions)
        scaled = np.where(self.active, found, 0.5)
        return np.asarray(self.low + scaled * (self.high - self.low), np.float32)

    def kl(self, features: ArrayLike) -> Floats:
        """KL of each dimension in nats, averaged over tracks: [n, 11] -> [d]."""
        return np.asarray(kl_to_normal(*self.posterior(features)).mean(axis=0))

    def save(self, folder: str | Path) -> None:
        """Write ``vae.json`` and ``vae.npz`` into ``folder``."""
        settings = {"seed": self.seed, "config": asdict(self.config)}
        storage.write_json(Path(folder) / "vae.json", settings)
        storage.write_arrays(Path(folder) / "vae.npz", **self._arrays())

    def _arrays(self) -> Arrays:
        return {
            "low": self.low,
            "high": self.high,
            "active": self.active,
            **self.weights,
        }

    @classmethod
    def load(cls, folder: str | Path) -> VAE:
        """Read what ``save`` wrote. Raises ``DataError`` for a broken folder."""
        stored = storage.read_json(Path(folder) / "vae.json")
        with storage.whole(folder):
            config = stored["config"] | {"hidden": tuple(stored["config"]["hidden"])}
            model = cls(VAEConfig(**config), stored["seed"])
        arrays = model._arrays()
        found = storage.read_arrays(Path(folder) / "vae.npz", list(arrays))
        for name, values in arrays.items():
            if found[name].shape != values.shape:
                raise DataError(
                    f"{folder}: {name} has another shape than vae.json says; "
                    "train it again"
                )
        model.low = found.pop("low")
        model.high = found.pop("high")
        model.active = found.pop("active")
        model.weights = found
        return model


class PCA:
    """Principal component analysis (scikit-learn): the best *linear* map.

    No other linear map of ``dimensions`` (1..11) reconstructs its training tracks with
    a smaller squared error.
    """

    def __init__(self, dimensions: int = 5) -> None:
        if not 1 <= dimensions <= INPUTS:
            raise ConfigError(
                f"dimensions is {dimensions}; it must lie in [1, {INPUTS}]"
            )
        from sklearn.decomposition import PCA as Fitted

        self.fitted = Fitted(dimensions, svd_solver="full")

    def train(self, features: ArrayLike) -> None:
        """Fit to ``features`` [n, 11]."""
        self.fitted.fit(_features(features))

    def encode(self, features: ArrayLike) -> Floats32:
        """Points of features: [n, 11] -> [n, d]."""
        return np.asarray(self.fitted.transform(_features(features)), np.float32)

    def decode(self, points: ArrayLike) -> Floats32:
        """Features of points, not clipped to [0, 1]: [n, d] -> [n, 11]."""
        found = _table(points, "points", self.fitted.n_components)
        return np.asarray(self.fitted.inverse_transform(found), np.float32)


def reconstruction_error(model: Codec, features: ArrayLike) -> float:
    """Mean over tracks *and* the 11 features of (x - decode(encode(x)))^2, no noise."""
    known = _features(features)
    error = model.decode(model.encode(known)) - known
    return float(np.mean(np.square(error, dtype=np.float64)))


def _relu(values: Floats32) -> Floats32:
    return np.maximum(values, 0.0)


def _sigmoid(values: Floats32) -> Floats32:
    """The logistic function by tanh, which does not overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * values)), np.float32)


def _features(values: ArrayLike) -> Floats32:
    found = _table(values, "tracks", INPUTS)
    if not ((found >= 0.0) & (found <= 1.0)).all():  # NaN, too
        raise ConfigError(
            f"features run from {found.min()} to {found.max()}; "
            "scale them to [0, 1]: Tracks.features"
        )
    return found


def _table(values: ArrayLike, name: str, columns: int) -> Floats32:
    found = np.asarray(values, np.float32)
    if found.ndim != 2 or found.shape[1] != columns:
        raise ConfigError(
            f"{name} have shape {found.shape}; it must be [{name}, {columns}]"
        )
    return found
