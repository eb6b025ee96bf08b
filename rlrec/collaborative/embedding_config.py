"""Hyperparameters of matrix factorisation."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rlrec.errors import ABOVE_ZERO, require_ranges


@dataclass(frozen=True)
class EmbeddingConfig:
    """Hyperparameters of ``train_embeddings``."""

    dimensions: int = 100  # 1..: length of a vector
    epochs: int = 12  # 1..: passes over the ratings
    learning_rate: float = 3e-3  # > 0: Adam's step size
    # >= 0: weight of the squared vectors and biases of a rating's user and item
    l2: float = 0.02
    batch_size: int = 2048  # 1..: ratings in a minibatch
    use_genres: bool = True  # item vectors share a part with the items of their genres

    def __post_init__(self) -> None:
        require_ranges(
            self,
            [
                ("dimensions", 1, math.inf),
                ("epochs", 1, math.inf),
                ("learning_rate", ABOVE_ZERO, math.inf),
                ("l2", 0.0, math.inf),
                ("batch_size", 1, math.inf),
            ],
        )
