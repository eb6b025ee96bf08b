"""The hyperparameters of DRR around DDPG, apart from it, so that a command line can show them without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

from rlrec.agents.ddpg_config import DDPGConfig
from rlrec.errors import ConfigError, require_ranges

GOALS = ("rerank", "catalogue")
VECTORS = ("auto", "hybrid", "mf", "cocount")


@dataclass(frozen=True)
class DRRConfig:
    """How vectors, start and training environment of a DRR agent are made."""

    goal: str = "rerank"  # "rerank": order what a user chose, train on logged items; "catalogue": list from everything
    vectors: str = (
        "auto"  # one of VECTORS; "auto": hybrid to re-rank, cocount for the catalogue
    )
    dimensions: int = 100  # 2..items: length of a vector
    history: int = 5  # 1..: items liked last in an observation
    known_share: float = 0.7  # 0..1, exclusive: first part of each user's training ratings, known as episodes begin
    length: int = 20  # 1..: recommendations in an episode
    warm_updates: int = -1  # 0..: supervised updates before RL; -1: 1,000 for the catalogue, none to re-rank, where
    # they taught nothing that held on the last 20% of the training ratings

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
        for name, choices in (("goal", GOALS), ("vectors", VECTORS)):
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"{name} is {getattr(self, name)!r}; choose one of {', '.join(choices)}"
                )

    @property
    def kind(self) -> str:
        """Which vectors, "auto" resolved."""
        return (
            self.vectors
            if self.vectors != "auto"
            else {"rerank": "hybrid", "catalogue": "cocount"}[self.goal]
        )

    @property
    def start(self) -> int:
        """Supervised updates, -1 resolved."""
        return (
            self.warm_updates
            if self.warm_updates >= 0
            else {"rerank": 0, "catalogue": 1_000}[self.goal]
        )


# DDPG that sets out from vectors that score well already: the actor stays near them unless the critics insist.
DRR_SETTINGS = DDPGConfig(residual="user", l2=1e-2, saturation=1.0)
