"""PPO's hyperparameters; this module needs no TensorFlow, for the command line."""

from __future__ import annotations

from dataclasses import dataclass

from rlrec.errors import (
    ABOVE_ZERO,
    FINITE,
    ConfigError,
    require_choice,
    require_layers,
    require_ranges,
)

ACTIONS = ("offered", "neighbours", "point", "vector")
POLICIES = ("network", "interactions", "both")
STATES = ("track", "last", "averages", "belief")


@dataclass(frozen=True)
class PPOConfig:
    """Hyperparameters of `rlrec.agents.ppo.PPO`.

    A step is one song played to one listener.
    Raises ``ConfigError`` for values outside their ranges.
    """

    # "offered": one of the environment's candidates; "neighbours": one of the songs
    # nearest to the one that plays; "point": a point of the map of sound, the nearest
    # song plays; "vector": the song with the largest dot product plays
    action: str = "offered"
    # >= 2: how many songs near the one that plays are candidates
    neighbours: int = 4
    # what compares candidates with the session: "network" (vectors of song and state),
    # "interactions" (a weight for each; the map's last column is popularity) or "both"
    policy: str = "network"
    # what it sees, little to much: "track", "last", "averages", "belief" (of the taste)
    state: str = "averages"
    # 1..20 songs that the state looks back
    history: int = 20
    # units of each hidden layer, of policy and value network
    hidden: tuple[int, ...] = (64, 64)
    # >= 1: length of the vectors by which songs and state are compared
    keys: int = 16
    # >= 2 steps of each environment between two rounds of updates
    rollout: int = 256
    # >= 1: how often each step is learned from, unless the policy moves too far
    epochs: int = 10
    # >= 2 steps in an update; divides rollout times the number of environments
    minibatch: int = 64
    # > 0: Adam's learning rate at the start
    learning_rate: float = 1e-3
    # gamma, 0..1: the weight of a reward one song later
    discount: float = 0.95
    # lambda, 0..1: 0 takes one reward and then the value network, 1 takes all rewards
    gae_lambda: float = 0.9
    # > 0: how far the ratio of probabilities may leave 1 and still earn, at the start
    clip: float = 0.2
    # >= 0, units of reward: how far a value may move in a round; 0: any distance
    value_clip: float = 0.0
    # >= 0: weight of the value network's loss
    value_weight: float = 0.5
    # >= 0: weight of the policy's entropy, at the start
    entropy: float = 0.01
    # > 0: gradients with a larger norm are scaled down to it
    gradient_norm: float = 0.5
    # >= 0, nats: no further epoch once the KL exceeds 1.5 times this; 0: never stop
    target_kl: float = 0.03
    # normalise the advantages of a minibatch to mean 0 and standard deviation 1
    normalise: bool = True
    # learning rate, clip and entropy fall on a straight line to 0
    anneal: bool = True
    # >= 1 steps in which they do
    schedule_steps: int = 200_000

    def __post_init__(self) -> None:
        require_choice(self, "action", ACTIONS)
        require_choice(self, "state", STATES)
        require_choice(self, "policy", POLICIES)
        if self.continuous and self.policy != "network":
            raise ConfigError(f'action is "{self.action}"; it needs policy "network"')
        require_ranges(self, _RANGES)
        require_layers(self.hidden)

    @property
    def continuous(self) -> bool:
        """Whether the policy draws points or vectors, not one of some candidates."""
        return self.action in ("point", "vector")

    def require_compilable(self) -> None:
        """Raise ``ConfigError`` unless `rlrec.agents.ppo_compiled` can train it."""
        only = {"action": "offered", "state": "averages", "policy": "network"}
        for name, value in only.items():
            if getattr(self, name) != value:
                raise ConfigError(f'compiled listeners need {name} "{value}"')

    def require_schedule(self, start: int) -> None:
        """Raise ``ConfigError`` if a round from step ``start`` on would learn nothing.

        Once the schedule is over, the learning rate is 0.
        """
        if self.anneal and start >= self.schedule_steps:
            raise ConfigError(
                f"the schedule ends at step {self.schedule_steps:,}, and a round from "
                f"step {start:,} on would learn nothing at a learning rate of 0; give "
                "all steps of the training as schedule_steps, too (--schedule-steps), "
                "or train a new run with anneal False (--no-anneal)"
            )


_RANGES = (
    ("neighbours", 2, FINITE),
    ("history", 1, 20),
    ("keys", 1, FINITE),
    ("rollout", 2, FINITE),
    ("epochs", 1, FINITE),
    ("minibatch", 2, FINITE),
    ("learning_rate", ABOVE_ZERO, FINITE),
    ("discount", 0.0, 1.0),
    ("gae_lambda", 0.0, 1.0),
    ("clip", ABOVE_ZERO, FINITE),
    ("value_clip", 0.0, FINITE),
    ("value_weight", 0.0, FINITE),
    ("entropy", 0.0, FINITE),
    ("gradient_norm", ABOVE_ZERO, FINITE),
    ("target_kl", 0.0, FINITE),
    ("schedule_steps", 1, FINITE),
)

# What `rlrec train ppo` starts from. Large minibatches and a low discount learn in
# 200,000 songs what the defaults above, common in papers, need a million for. Chosen by
# hand on the generated tracks.
PPO_SETTINGS = PPOConfig(
    minibatch=1024,
    epochs=6,
    learning_rate=3e-3,
    discount=0.8,
    gae_lambda=0.8,
)
