"""DDPG's hyperparameters; this module needs no TensorFlow, for the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any

from rlrec.agents.replay import PriorityConfig
from rlrec.errors import (
    ABOVE_ZERO,
    FINITE,
    ConfigError,
    require_choice,
    require_layers,
    require_ranges,
)
from rlrec.types import Floats

STATE_NAMES = ("drr-n", "drr-p", "drr-u", "drr-ave")


@dataclass(frozen=True)
class DDPGConfig:
    """Hyperparameters of `rlrec.agents.ddpg.DDPG`.

    A step is one recommendation in one environment.
    Raises ``ConfigError`` for values outside their ranges.
    """

    # how user and history become a state: "drr-n", "drr-p", "drr-u" or "drr-ave"
    state: str = "drr-ave"
    # the base that actor and critics add to: "none", "user" or "history"
    residual: str = "none"
    # "dot": Q = v(s) + c(s) . a; "mlp": Q = mlp(s, a), as in the paper
    critic: str = "dot"
    # units of each hidden layer, of actor and critics
    hidden: tuple[int, ...] = (128, 64)
    # gamma, [0, 1): the weight of a reward one recommendation later
    discount: float = 0.9
    # the lowest reward of a step; bounds the TD targets, and a lower one is an error
    reward_low: float = -1.0
    # the highest reward of a step, likewise
    reward_high: float = 1.0
    # 0..1: Adam's learning rate for the actor
    actor_rate: float = 1e-4
    # 0..1: Adam's learning rate for critics and state
    critic_rate: float = 1e-3
    # 0..1: how far target weights move to the online ones at an update of the actor
    tau: float = 0.005
    # 0..items: the next action is the item that the target actor ranks first among
    # this many drawn at random; 0: the actor's vector itself, as in the paper
    target_candidates: int = 16
    # two critics, of which the smaller value counts
    twin: bool = True
    # 1..updates, divides updates: updates of the critics for each one of the actor
    policy_delay: int = 2
    # > 0: gradients with a larger norm are scaled down to it
    gradient_norm: float = 1.0
    # >= 0: weight of the critics' squared weights in their loss
    l2: float = 1e-5
    # >= 0: weight of the actor's squared outputs before tanh in its loss
    saturation: float = 1e-2
    # >= 0: length of the noise on an action (of length 1) at the start
    noise: float = 0.5
    # >= 0: and at the end of the schedule
    noise_floor: float = 0.1
    # > 0, standard deviations: the noise of each coordinate is clipped to this
    noise_clip: float = 2.0
    # 0..1: probability of a random item at the start
    epsilon: float = 1.0
    # 0..1: and at the end of the schedule
    epsilon_floor: float = 0.05
    # >= 1 steps in which noise, epsilon and beta go from start to end, linearly
    schedule_steps: int = 100_000
    # 0..items: the critics rerank this many items that the actor ranks first, as in
    # Wolpertinger (arXiv:1512.07679); 0: the actor's order stands
    proposals: int = 0
    # "prioritised" or "uniform"
    replay: str = "prioritised"
    # settings of the prioritised memory
    priority: PriorityConfig = field(default_factory=PriorityConfig)
    # >= 1 transitions kept
    capacity: int = 200_000
    # >= 1 transitions in memory before the first update
    learning_starts: int = 1_000
    # >= 1 updates in a round
    updates: int = 64
    # >= 1 transitions in an update
    batch_size: int = 32
    # one XLA call a round; False is slower and can be stepped through
    compiled: bool = True

    def __post_init__(self) -> None:
        require_ranges(self, _RANGES)
        require_choice(self, "state", STATE_NAMES)
        require_choice(self, "residual", ("none", "user", "history"))
        require_choice(self, "critic", ("dot", "mlp"))
        require_choice(self, "replay", ("prioritised", "uniform"))
        if self.updates % self.policy_delay:
            raise ConfigError(
                f"updates is {self.updates}; "
                f"it must be a multiple of policy_delay, {self.policy_delay}"
            )
        if not self.reward_low < self.reward_high:
            raise ConfigError("reward_low must be below reward_high")
        require_layers(self.hidden, least=1)

    @classmethod
    def read(cls, stored: dict[str, Any]) -> DDPGConfig:
        """The configuration that ``asdict`` made ``stored``, after a way through JSON.

        Raises ``TypeError`` for other names, ``ConfigError`` for other values.
        """
        own = {
            "hidden": tuple(stored["hidden"]),
            "priority": PriorityConfig(**stored["priority"]),
        }
        return cls(**{**stored, **own})

    @property
    def value_bounds(self) -> tuple[float, float]:
        """The lowest and the highest possible return: r / (1 - gamma), or 0.

        0 counts because an episode may end before any reward.
        """
        horizon = 1.0 / (1.0 - self.discount)
        lowest = min(self.reward_low, 0.0) * horizon
        highest = max(self.reward_high, 0.0) * horizon
        return lowest, highest

    def require_rewards(self, rewards: Floats) -> None:
        """Raise ``ConfigError`` unless ``rewards`` [n] lie in their declared range."""
        inside = (rewards >= self.reward_low) & (rewards <= self.reward_high)
        if not inside.all():
            raise ConfigError(
                f"a reward of {rewards[~inside][0]} lies outside [{self.reward_low}, "
                f"{self.reward_high}], and TD targets would be clipped; set reward_low "
                "and reward_high to the lowest and the highest reward of a step"
            )


_RANGES = (
    ("discount", 0.0, 0.9999),
    ("actor_rate", 0.0, 1.0),
    ("critic_rate", 0.0, 1.0),
    ("tau", 0.0, 1.0),
    ("target_candidates", 0, FINITE),
    ("policy_delay", 1, FINITE),
    ("gradient_norm", ABOVE_ZERO, inf),
    ("l2", 0.0, inf),
    ("saturation", 0.0, inf),
    ("noise", 0.0, inf),
    ("noise_floor", 0.0, inf),
    ("noise_clip", ABOVE_ZERO, inf),
    ("epsilon", 0.0, 1.0),
    ("epsilon_floor", 0.0, 1.0),
    ("schedule_steps", 1, FINITE),
    ("proposals", 0, FINITE),
    ("capacity", 1, FINITE),
    ("learning_starts", 1, FINITE),
    ("updates", 1, FINITE),
    ("batch_size", 1, FINITE),
)
