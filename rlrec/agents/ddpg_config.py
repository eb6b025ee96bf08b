"""The hyperparameters of DDPG, apart from it, so that a command line can show them without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rlrec.agents.replay import PriorityConfig
from rlrec.errors import ConfigError, require_ranges

STATE_NAMES = ("drr-n", "drr-p", "drr-u", "drr-ave")


@dataclass(frozen=True)
class DDPGConfig:
    """Hyperparameters; a step is one recommendation in one environment."""

    state: str = "drr-ave"  # one of STATES: how user and history become a state
    residual: str = (
        "none"  # "none", "user", "history": what the actor's output is added to
    )
    critic: str = (
        "dot"  # "dot": Q = v(s) + c(s) . a; "mlp": Q = mlp(s, a), as in the paper
    )
    hidden: tuple[int, ...] = (
        128,
        64,
    )  # units of each hidden layer, of actor and critics
    discount: float = (
        0.9  # gamma, [0, 1): what a reward one recommendation later is worth now
    )
    reward_low: float = (
        -1.0
    )  # reward units: the lowest one step can give; bounds what the critic may believe
    reward_high: float = 1.0  # reward units: the highest
    actor_rate: float = 1e-4  # >= 0: Adam's step size
    critic_rate: float = 1e-3  # >= 0: Adam's step size
    tau: float = 0.005  # 0..1: share of the way to the online weights that targets go at each update of the actor
    target_candidates: int = 16  # 0..items: the next action is the item that the target actor ranks first among so
    # many drawn at random, as many as a user has to choose from; 0: the actor's vector itself, as in the paper
    twin: bool = True  # two critics, the smaller value counts; False: one
    policy_delay: int = 2  # 1..updates, a divisor of updates: updates of the critics for one of the actor
    gradient_norm: float = 1.0  # > 0: longer gradients are shortened to this
    l2: float = 1e-5  # >= 0: weight of the critics' squared weights in their loss
    saturation: float = (
        1e-2  # >= 0: weight of the actor's squared values before tanh in its loss
    )
    noise: float = (
        0.5  # >= 0: length of the noise on an action (of length 1) at the start
    )
    noise_floor: float = 0.1  # >= 0: and at the end of the schedule
    noise_clip: float = 2.0  # > 0, standard deviations: no coordinate's noise is larger
    epsilon: float = 1.0  # 0..1: chance of a random item at the start
    epsilon_floor: float = 0.05  # 0..1: and at the end of the schedule
    schedule_steps: int = 100_000  # >= 1 steps in which noise, epsilon and beta go from start to end, straight
    proposals: int = 0  # 0..items: the critics pick among so many items that the actor ranks first (Wolpertinger,
    # arXiv:1512.07679); 0: the actor's order stands
    replay: str = "prioritised"  # "prioritised" or "uniform"
    priority: PriorityConfig = field(default_factory=PriorityConfig)
    capacity: int = 200_000  # >= 1 transitions kept
    learning_starts: int = 1_000  # >= 1 transitions in memory before the first update
    updates: int = 64  # >= 1 updates in a round
    batch_size: int = 32  # >= 1 transitions in an update
    compiled: bool = (
        True  # one XLA call a round; False is slower and easier to step through
    )

    def __post_init__(self) -> None:
        require_ranges(self, _RANGES)
        for name, choices in _CHOICES:
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"{name} is {getattr(self, name)!r}; choose one of {', '.join(choices)}"
                )
        if self.updates % self.policy_delay:
            raise ConfigError(
                f"updates is {self.updates}; it must be a multiple of policy_delay, {self.policy_delay}"
            )
        if (
            not self.reward_low < self.reward_high
            or not self.hidden
            or min(self.hidden) < 1
        ):
            raise ConfigError(
                "reward_low must be below reward_high, and hidden name 1 unit or more a layer"
            )

    @property
    def value_bounds(self) -> tuple[float, float]:
        """The lowest and highest return there can be: r / (1 - gamma), or 0 where an episode may end before."""
        horizon = 1.0 / (1.0 - self.discount)
        return min(self.reward_low, 0.0) * horizon, max(self.reward_high, 0.0) * horizon


_TINY, _MANY = 1e-9, 10**9
_RANGES = (
    ("discount", 0.0, 0.9999),
    ("actor_rate", 0.0, 1.0),
    ("critic_rate", 0.0, 1.0),
    ("tau", 0.0, 1.0),
    ("policy_delay", 1, _MANY),
    ("gradient_norm", _TINY, np.inf),
    ("l2", 0.0, np.inf),
    ("saturation", 0.0, np.inf),
    ("noise", 0.0, np.inf),
    ("noise_floor", 0.0, np.inf),
    ("noise_clip", _TINY, np.inf),
    ("epsilon", 0.0, 1.0),
    ("epsilon_floor", 0.0, 1.0),
    ("schedule_steps", 1, _MANY),
    ("capacity", 1, _MANY),
    ("learning_starts", 1, _MANY),
    ("updates", 1, _MANY),
    ("target_candidates", 0, _MANY),
    ("proposals", 0, _MANY),
    ("batch_size", 1, _MANY),
)
_CHOICES = (
    ("state", STATE_NAMES),
    ("residual", ("none", "user", "history")),
    ("critic", ("dot", "mlp")),
    ("replay", ("prioritised", "uniform")),
)
