"""A map of sound: eleven audio features [n, 11] in [0, 1] to a few numbers and back, by a variational autoencoder.

Kingma and Welling, "Auto-encoding variational Bayes" (ICLR 2014, arXiv:1312.6114). The encoder gives each track x a
normal distribution on the map, q(z | x) = N(mu, sigma^2), the decoder turns a point z back into features. Minimised is,
in the mean over tracks,

    sum over features (x - decode(z))^2  +  beta * sum over dimensions (mu^2 + sigma^2 - 1 - log sigma^2) / 2

with z = mu + sigma * noise, noise ~ N(0, I) (the reparameterisation, section 2.4). Both sums are *sums*: beta would
mean something else if one of them were a mean. Up to a constant this is -2 s^2 times the ELBO for features that are
normal around decode(z) with variance s^2 = beta / 2: at beta 1 a noise of .71 on features in [0, 1], at .003 of .04.
For a linear decoder a principal component is worth a dimension only if its variance is above s^2 (Lucas et al., "Don't
blame the ELBO!", NeurIPS 2019, arXiv:1911.02469); with a large beta all tracks fall onto one point.

Everything here is NumPy; training (``rlrec.sound.vae_training``) needs TensorFlow.

Differs from the paper: the noise of the features is no part of the model but a setting, beta (as in Higgins et al.,
"beta-VAE", ICLR 2017); ReLU layers; Adam with a step size that falls to 0.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlrec import storage
from rlrec.errors import ConfigError, DataError
from rlrec.sound.vae_config import INPUTS, History, VAEConfig, start_weights
from rlrec.types import Arrays, Floats32

ACTIVE = 0.01  # a dimension is active if its means vary by more (variance; Burda et al., ICLR 2016)


class Codec(Protocol):
    """What turns features into a few numbers and back: ``VAE`` and ``PCA``."""

    def encode(self, features: ArrayLike, /) -> Floats32:
        """[n, 11] -> [n, d]."""

    def decode(self, points: ArrayLike, /) -> Floats32:
        """[n, d] -> [n, 11]."""


def kl_to_normal(means: ArrayLike, log_variances: ArrayLike) -> NDArray[np.float64]:
    """KL(N(mu, sigma^2) || N(0, 1)) in nats of each entry: ``(mu^2 + sigma^2 - 1 - log sigma^2) / 2`` (appendix B).

    >>> [round(float(kl_to_normal(mean, np.log(variance))), 3) for mean, variance in ((1.0, 0.25), (0.0, 1.0))]
    [0.818, 0.0]
    """
    mu, log_variance = (
        np.asarray(means, np.float64),
        np.asarray(log_variances, np.float64),
    )
    return np.asarray((mu**2 + np.exp(log_variance) - 1.0 - log_variance) / 2.0)


class VAE:
    """Encoder and decoder as plain arrays: ``train`` them, or ``load`` them; then any track has a place on the map.

    A place comes from the features alone, so a track that nobody has played, or that came after training, has one.
    """

    def __init__(self, config: VAEConfig | None = None, seed: int = 0) -> None:
        self.config = config if config is not None else VAEConfig()
        self.seed = seed
        self.weights = start_weights(self.config, np.random.default_rng([seed, 0]))
        d = self.config.dimensions
        self.low, self.high, self.active = (
            np.zeros(d, np.float32),
            np.ones(d, np.float32),
            np.ones(d, np.bool_),
        )

    def train(self, features: ArrayLike, loss: Any = None) -> History:
        """Learn from ``features`` [n, 11] in [0, 1], in whole epochs (passes over the tracks); one compiled call each.

        Called again it goes on from here, with a fresh optimiser. The same seed gives the same bits. ``loss``: a
        TensorFlow function of your own in the place of `rlrec.sound.vae_training.loss_parts`. Raises
        ``ConfigError`` for bad features, ``FloatingPointError`` if the loss is no number any more.
        """
        from rlrec.sound.vae_training import fit

        known = _features(features)
        if not len(known):
            raise ConfigError(
                "no tracks to train on; look at the file's report: rlrec data check tracks FILE"
            )
        self.weights, history = fit(
            self.weights,
            known,
            self.config,
            np.random.default_rng([self.seed, 1]),
            loss,
        )
        if not np.isfinite(history.squared_error[-1] + history.kl[-1]):
            raise FloatingPointError(
                "the loss is no number any more; take a smaller learning_rate"
            )
        means = self.encode(known)
        self.low, self.high, self.active = (
            means.min(axis=0),
            means.max(axis=0),
            means.var(axis=0) > ACTIVE,
        )
        return history

    def posterior(self, features: ArrayLike) -> tuple[Floats32, Floats32]:
        """Means and log variances of q(z | x): [n, 11] -> two of [n, d]."""
        both = _forward(self.weights, "encoder", _features(features))
        return both[:, : self.config.dimensions], both[:, self.config.dimensions :]

    def encode(self, features: ArrayLike) -> Floats32:
        """Where tracks lie on the map, the means of q(z | x): [n, 11] -> [n, d]."""
        return self.posterior(features)[0]

    def decode(self, points: ArrayLike) -> Floats32:
        """The features of points on the map, each in (0, 1): [n, d] -> [n, 11]."""
        return _sigmoid(
            _forward(self.weights, "decoder", _points(points, self.config.dimensions))
        )

    def latents(self, features: ArrayLike) -> Floats32:
        """The means, brought to [0, 1] by the least and greatest of the training tracks: [n, 11] -> [n, d].

        For agents, whose actions have bounds. What lies outside is clipped. A dimension that says nothing (not
        ``active``: the same mean for all, up to noise) is .5 for everybody, lest its noise be stretched into a signal.
        """
        span = np.maximum(self.high - self.low, 1e-12)
        scaled = np.clip((self.encode(features) - self.low) / span, 0.0, 1.0)
        return np.asarray(np.where(self.active, scaled, 0.5), np.float32)

    def to_means(self, latents: ArrayLike) -> Floats32:
        """The way back from ``latents`` [n, d] in [0, 1] to points that ``decode`` takes."""
        scaled = np.where(self.active, _points(latents, self.config.dimensions), 0.5)
        return np.asarray(self.low + scaled * (self.high - self.low), np.float32)

    def kl(self, features: ArrayLike) -> NDArray[np.float64]:
        """How many nats each dimension says about a track, in the mean over tracks: [n, 11] -> [d]."""
        return np.asarray(kl_to_normal(*self.posterior(features)).mean(axis=0))

    def save(self, folder: str | Path) -> None:
        """Write ``vae.json`` and ``vae.npz`` into ``folder``."""
        bounds = {"low": self.low, "high": self.high, "active": self.active}
        storage.write_json(
            Path(folder) / "vae.json",
            {"seed": self.seed, "config": asdict(self.config)},
        )
        storage.write_arrays(Path(folder) / "vae.npz", **bounds, **self.weights)

    @classmethod
    def load(cls, folder: str | Path) -> VAE:
        """Read what ``save`` wrote. Raises ``DataError`` for a broken folder."""
        stored = storage.read_json(Path(folder) / "vae.json")
        try:
            config = stored["config"] | {"hidden": tuple(stored["config"]["hidden"])}
            model = cls(VAEConfig(**config), stored["seed"])
        except (TypeError, KeyError, ConfigError) as error:
            raise DataError(
                f"{folder}: a map of another version ({error}); train it again"
            ) from None
        found = storage.read_arrays(
            Path(folder) / "vae.npz", ("low", "high", "active", *model.weights)
        )
        own = {
            "low": model.low,
            "high": model.high,
            "active": model.active,
            **model.weights,
        }
        wrong = [
            name for name, values in own.items() if found[name].shape != values.shape
        ]
        if wrong:
            raise DataError(
                f"{folder}: {', '.join(wrong)} of another shape than vae.json says; train it again"
            )
        model.low, model.high, model.active = (
            found.pop(name) for name in ("low", "high", "active")
        )
        model.weights = found
        return model


class PCA:
    """Principal component analysis by scikit-learn behind the same two verbs: the best *linear* map there is.

    No other linear map of so many ``dimensions`` (1..11) reconstructs the tracks it was fitted on with a smaller
    squared error.
    """

    def __init__(self, dimensions: int = 5) -> None:
        if not 1 <= dimensions <= INPUTS:
            raise ConfigError(
                f"dimensions is {dimensions}; it must lie in 1..{INPUTS}, the number of features"
            )
        from sklearn.decomposition import PCA as Fitted

        self.fitted = Fitted(dimensions, svd_solver="full")

    def train(self, features: ArrayLike) -> None:
        """Fit to ``features`` [n, 11]."""
        self.fitted.fit(_features(features))

    def encode(self, features: ArrayLike) -> Floats32:
        """[n, 11] -> [n, d]."""
        return np.asarray(self.fitted.transform(_features(features)), np.float32)

    def decode(self, points: ArrayLike) -> Floats32:
        """[n, d] -> [n, 11], not clipped to [0, 1]."""
        return np.asarray(
            self.fitted.inverse_transform(_points(points, self.fitted.n_components)),
            np.float32,
        )


def reconstruction_error(model: Codec, features: ArrayLike) -> float:
    """Mean over tracks *and* over the 11 features of (x - decode(encode(x)))^2; without noise."""
    known = _features(features)
    return float(
        np.mean(np.square(model.decode(model.encode(known)) - known, dtype=np.float64))
    )


# -- inside ----------------------------------------------------------------------------------------------


def _forward(weights: Arrays, part: str, values: Floats32) -> Floats32:
    """The layers of a part, ReLU between them: [n, in] -> [n, out]."""
    layers = sum(name.startswith(part) for name in weights) // 2
    for layer in range(layers):
        values = values @ weights[f"{part}_{layer}"] + weights[f"{part}_{layer}_bias"]
        if layer < layers - 1:
            values = np.maximum(values, 0.0)
    return np.asarray(values, np.float32)


def _sigmoid(values: Floats32) -> Floats32:
    return np.asarray(
        0.5 * (1.0 + np.tanh(0.5 * values)), np.float32
    )  # overflows nowhere


def _features(values: ArrayLike) -> Floats32:
    found = np.asarray(values, np.float32)
    if found.ndim != 2 or found.shape[1] != INPUTS:
        raise ConfigError(
            f"features are {found.shape}; they must be [tracks, {INPUTS}], such as Tracks.features"
        )
    if found.size and not (
        found.min() >= 0.0 and found.max() <= 1.0
    ):  # also for what is no number
        raise ConfigError(
            f"features run from {found.min()} to {found.max()}; scale them to [0, 1]: Tracks.features"
        )
    return found


def _points(values: ArrayLike, dimensions: int) -> Floats32:
    found = np.asarray(values, np.float32)
    if found.ndim != 2 or found.shape[1] != dimensions:
        raise ConfigError(
            f"points are {found.shape}; this map needs [points, {dimensions}]"
        )
    return found
