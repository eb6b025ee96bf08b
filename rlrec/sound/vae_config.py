"""Hyperparameters and initial weights of the VAE."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from rlrec.datasets.reading.columns import FEATURES
from rlrec.errors import ABOVE_ZERO, FINITE, require_layers, require_ranges
from rlrec.types import Arrays, Floats

INPUTS = len(FEATURES)


@dataclass(frozen=True)
class VAEConfig:
    """Hyperparameters of ``VAE``."""

    dimensions: int = 5  # 1..11: length of a latent vector
    # 1.. each: units of the encoder's hidden layers; reversed in the decoder
    hidden: tuple[int, ...] = (64, 64)
    # >= 0: weight of the KL term in squared units of a feature; twice the variance of
    # the features' noise
    beta: float = 0.003
    learning_rate: float = 3e-3  # > 0: Adam's initial step size
    updates: int = 8000  # 1..: minibatches, rounded up to whole epochs
    batch_size: int = 128  # 1..: tracks in a minibatch

    def __post_init__(self) -> None:
        require_ranges(
            self,
            [
                ("dimensions", 1, INPUTS),
                ("beta", 0.0, FINITE),
                ("learning_rate", ABOVE_ZERO, FINITE),
                ("updates", 1, math.inf),
                ("batch_size", 1, math.inf),
            ],
        )
        require_layers(self.hidden)


class History(NamedTuple):
    """The loss of each epoch in two parts: ``squared_error + beta * kl``."""

    squared_error: Floats  # [epochs] summed over features, mean over tracks
    kl: Floats  # [epochs] nats, summed over dimensions, mean over tracks


def start_weights(config: VAEConfig, rng: np.random.Generator) -> Arrays:
    """Initial weights by Glorot and Bengio (2010), biases 0, in the order of use."""
    sizes = {
        "encoder": (INPUTS, *config.hidden, 2 * config.dimensions),
        "decoder": (config.dimensions, *reversed(config.hidden), INPUTS),
    }
    arrays: Arrays = {}
    for part, widths in sizes.items():
        for layer, shape in enumerate(pairwise(widths)):
            limit = np.sqrt(6.0 / sum(shape))
            weights = rng.uniform(-limit, limit, shape)
            arrays[f"{part}_{layer}"] = weights.astype(np.float32)
            arrays[f"{part}_{layer}_bias"] = np.zeros(shape[1], np.float32)
    return arrays


def forward(
    weights: Mapping[str, Any], part: str, values: Any, relu: Callable[[Any], Any]
) -> Any:
    """The layers of ``part``, encoder or decoder: [n, in] -> [n, out].

    For arrays and for tensors; ``relu`` is applied between the layers.
    """
    layers = sum(name.startswith(part) for name in weights) // 2
    for layer in range(layers):
        name = f"{part}_{layer}"
        values = values @ weights[name] + weights[f"{name}_bias"]
        if layer < layers - 1:
            values = relu(values)
    return values
