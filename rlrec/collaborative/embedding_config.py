"""Hyperparameters of matrix factorisation."""

from __future__ import annotations

from dataclasses import dataclass

from rlrec.errors import ConfigError


@dataclass(frozen=True)
class EmbeddingConfig:
    """Hyperparameters of ``train_embeddings``."""

    dimensions: int = 100  # 1..: length of a vector
    epochs: int = 12  # 1..: times each rating is seen
    learning_rate: float = 3e-3  # > 0: Adam's step size
    l2: float = 0.02  # >= 0: weight of the squared vectors and biases of a rating's user and item
    batch_size: int = 2048  # 1.. ratings
    use_genres: bool = True  # item vectors share a part with the items of their genres

    def __post_init__(self) -> None:
        for name in ("dimensions", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}; it must be 1 or more"
                )
        if not self.learning_rate > 0.0 or not self.l2 >= 0.0:
            raise ConfigError(
                f"learning_rate {self.learning_rate} must be above 0, l2 {self.l2} 0 or more"
            )
