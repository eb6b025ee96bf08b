"""The hyperparameters of PPO, apart from it, so that a command line can show them without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

from rlrec.errors import ConfigError, require_ranges

ACTIONS = ("offered", "neighbours", "point", "vector")
STATES = ("track", "last", "averages", "belief")


@dataclass(frozen=True)
class PPOConfig:
    """Hyperparameters; a step is one song played to one listener."""

    action: str = "offered"  # "offered": one of the environment's candidates; "neighbours": one of the songs nearest
    # to the one that plays; "point": a point of the map of sound, the nearest song plays; "vector": the song with the
    # largest dot product plays
    neighbours: int = 4  # >= 2: how many songs near the one that plays are candidates
    state: str = "averages"  # what it sees: "track", "last", "averages" or "belief" (of the taste), little to much
    history: int = 20  # 1..20 songs that the state looks back
    hidden: tuple[int, ...] = (
        64,
        64,
    )  # units of each hidden layer, of policy and value network
    keys: int = 16  # >= 1: width of what songs and state are compared in
    rollout: int = 256  # >= 2 steps of each environment between two rounds of updates
    epochs: int = 10  # >= 1 times that each step is learned from, unless the policy has moved too far
    minibatch: int = (
        64  # >= 2 steps in an update; divides rollout times the number of environments
    )
    learning_rate: float = 1e-3  # > 0: Adam's step size at the start
    discount: float = 0.95  # gamma, 0..1: what a reward one song later is worth now
    gae_lambda: float = 0.9  # 0..1: how far advantages look past the value network; 0: one step, 1: to the end
    clip: float = (
        0.2  # > 0: how far a probability's ratio to the old one earns, at the start
    )
    value_clip: float = (
        0.0  # reward units: how far a value may move in a round; 0: any way
    )
    value_weight: float = 0.5  # >= 0: of the value network's loss
    entropy: float = 0.01  # >= 0: weight of the policy's entropy, at the start
    gradient_norm: float = 0.5  # > 0: longer gradients are shortened to this
    target_kl: float = 0.03  # nats: no further epoch once the policy has moved 1.5 times as far; 0: never stop early
    normalise: bool = True  # advantages of a minibatch get mean 0 and sd 1
    anneal: bool = True  # learning rate, clip and entropy fall on a straight line to 0
    schedule_steps: int = 200_000  # >= 1 steps in which they do

    def __post_init__(self) -> None:
        for name, known in (("action", ACTIONS), ("state", STATES)):
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"{name} is {getattr(self, name)!r}; choose one of {', '.join(known)}"
                )
        most = 10**9
        shares = (("discount", 0.0, 1.0), ("gae_lambda", 0.0, 1.0))
        counts = [(name, 1, most) for name in ("keys", "epochs", "schedule_steps")]
        twos = [(name, 2, most) for name in ("neighbours", "rollout", "minibatch")]
        weights = [
            (name, 0.0, most)
            for name in ("value_clip", "value_weight", "entropy", "target_kl")
        ]
        above = [
            (name, 1e-12, most) for name in ("learning_rate", "clip", "gradient_norm")
        ]
        require_ranges(
            self, [*shares, *counts, *twos, *weights, *above, ("history", 1, 20)]
        )
        if any(units < 1 for units in self.hidden):
            raise ConfigError(
                f"hidden is {self.hidden}; each layer needs 1 unit or more"
            )


# What `rlrec train ppo` starts from: large minibatches and a short view learn in 200,000 songs what the settings above,
# which are those of many papers, need a million for. Chosen by hand on the generated tracks.
PPO_SETTINGS = PPOConfig(
    minibatch=1024, epochs=6, learning_rate=3e-3, discount=0.8, gae_lambda=0.8
)
