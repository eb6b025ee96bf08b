"""Hyperparameters of DRR, apart from DDPG's. Importing them needs no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

from rlrec.agents.ddpg_config import DDPGConfig
from rlrec.errors import require_choice, require_ranges

GOALS = ("rerank", "catalogue")
VECTORS = ("auto", "hybrid", "mf", "cocount")


@dataclass(frozen=True)
class DRRConfig:
    """How the vectors, supervised start and training environment of DRR are made."""

    # "rerank": order the items that a user rated, trained on rated items only;
    # "catalogue": recommend from all items
    goal: str = "rerank"
    # one of VECTORS; "auto": hybrid for "rerank", cocount for "catalogue"
    vectors: str = "auto"
    dimensions: int = 100  # 2..items: length of a vector
    history: int = 5  # 1..: items liked last in an observation
    # 0..1, exclusive: share of each user's training ratings known at an episode's start
    known_share: float = 0.7
    length: int = 20  # 1..: recommendations in an episode
    # 0..: supervised updates before RL; -1: 1,000 for "catalogue" and 0 for "rerank",
    # where they did not help on the last 20% of the training ratings
    warm_updates: int = -1

    def __post_init__(self) -> None:
        require_ranges(
            self,
            [
                ("dimensions", 2, 10**6),
                ("history", 1, 10**6),
                ("known_share", 0.01, 0.99),
                ("length", 1, 10**6),
                ("warm_updates", -1, 10**9),
            ],
        )
        require_choice(self, "goal", GOALS)
        require_choice(self, "vectors", VECTORS)

    @property
    def kind(self) -> str:
        """The kind of vectors, with "auto" resolved."""
        if self.vectors != "auto":
            return self.vectors
        return "hybrid" if self.goal == "rerank" else "cocount"

    @property
    def start(self) -> int:
        """The number of supervised updates, with -1 resolved."""
        if self.warm_updates >= 0:
            return self.warm_updates
        return 0 if self.goal == "rerank" else 1_000


# DDPG settings for vectors that score well already: the actor stays near the user's
# vector unless the critics predict a clear gain.
DRR_SETTINGS = DDPGConfig(residual="user", l2=1e-2, saturation=1.0)
