"""Hyperparameters and first weights of the VAE."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from rlrec.datasets.reading.columns import FEATURES
from rlrec.errors import ConfigError
from rlrec.types import Arrays, Floats

INPUTS = len(FEATURES)


@dataclass(frozen=True)
class VAEConfig:
    """Hyperparameters of ``VAE``."""

    dimensions: int = 5  # 1..11: numbers a track becomes
    hidden: tuple[int, ...] = (
        64,
        64,
    )  # units of the encoder's layers, each 1..; the decoder has them reversed
    beta: float = 0.003  # >= 0: weight of the KL term in squared units of a feature; variance of its noise times 2
    learning_rate: float = 3e-3  # > 0: Adam's step size at the start
    updates: int = 8000  # 1..: minibatches to learn from, rounded up to whole passes over the tracks
    batch_size: int = 128  # 1.. tracks

    def __post_init__(self) -> None:
        if not 1 <= self.dimensions <= INPUTS:
            raise ConfigError(
                f"dimensions is {self.dimensions}; it must lie in 1..{INPUTS}, the number of features"
            )
        for name in ("updates", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}; it must be 1 or more"
                )
        if any(units < 1 for units in self.hidden):
            raise ConfigError(
                f"hidden is {self.hidden}; each layer must have 1 unit or more"
            )
        if not 0.0 < self.learning_rate < np.inf or not 0.0 <= self.beta < np.inf:
            raise ConfigError(
                f"learning_rate {self.learning_rate} must be above 0, beta {self.beta} 0 or more"
            )


class History(NamedTuple):
    """What training saw, epoch by epoch; the loss is ``squared_error + beta * kl``."""

    squared_error: Floats  # [epochs] summed over features, mean over tracks
    kl: Floats  # [epochs] nats, summed over dimensions, mean over tracks


def start_weights(config: VAEConfig, rng: np.random.Generator) -> Arrays:
    """Weights as Glorot and Bengio (2010) draw them, biases 0; named in the order in which data pass them."""
    sizes = {
        "encoder": (INPUTS, *config.hidden, 2 * config.dimensions),
        "decoder": (config.dimensions, *reversed(config.hidden), INPUTS),
    }
    arrays: Arrays = {}
    for part, widths in sizes.items():
        for layer, (before, after) in enumerate(pairwise(widths)):
            limit = np.sqrt(6.0 / (before + after))
            arrays[f"{part}_{layer}"] = rng.uniform(
                -limit, limit, (before, after)
            ).astype(np.float32)
            arrays[f"{part}_{layer}_bias"] = np.zeros(after, np.float32)
    return arrays
