"""DQN for ``Listening-v0``: Q-learning on interactions, with n-step returns.

`rlrec.agents.dqn.DQN` sees a state and a song apart, and has to find their products.
Here Q(s, a) is a function of the interactions x(s, a) (18 numbers, see
`rlrec.agents.interactions`), and a target holds n rewards before it trusts the network
(Sutton and Barto, chapter 7; Hessel et al., "Rainbow", arXiv:1710.02298, section 2):

    y = r_1 + gamma r_2 + ... + gamma^(n-1) r_n
        + gamma^n (1 - over) Q'(s_n, argmax_j Q(s_n, j))

``over``: the session ended before. The rewards are those of the policy that played (no
importance weights, as in Rainbow). The agent plays, warms up and explores as the linear
n-step learner does (`rlrec.agents.nstep`), which is this one without a network and
without the last term. After each round, ``updates`` updates follow in one compiled
call. In the whole catalogue the next songs are ``pool`` songs drawn anew each time.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rlrec.agents.dqn import DQN, DQNConfig
from rlrec.agents.interactions import ListeningSession, listening_interactions
from rlrec.agents.nstep import NStep, PlayConfig, n_step_transitions
from rlrec.agents.recommender import item_pool
from rlrec.agents.replay import UniformReplay
from rlrec.errors import require_ranges
from rlrec.nn.backend import tf
from rlrec.nn.networks import Batch, Checkpointed, Tensor
from rlrec.types import Bools, Floats, Ids


@dataclass(frozen=True)
class SessionDQNConfig(PlayConfig):
    """Hyperparameters of `SessionDQN`."""

    # gamma, [0, 1): what a reward one song later is worth now
    discount: float = 0.8
    # units of each hidden layer; () makes Q linear
    hidden: tuple[int, ...] = (32,)
    # > 0: Adam's learning rate
    learning_rate: float = 3e-3
    # >= 1: updates after each round of songs
    updates: int = 256
    # >= 1: transitions in an update
    batch_size: int = 64
    # >= 1: updates between copies into the target network
    target_every: int = 100
    # >= 1: transitions in the replay memory
    capacity: int = 32_768
    # >= 1: songs among which the next one is chosen
    pool: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "hidden", tuple(self.hidden))
        more = self.n + 1  # what the last n steps of a round lead to is not seen
        require_ranges(self, [("pool", 1, np.inf), ("rollout", more, np.inf)])
        self.dqn()  # checks the others

    def dqn(self) -> DQNConfig:
        """The settings of the network and its targets, n songs at a time."""
        shared = asdict(self)
        names = ("hidden", "learning_rate", "updates", "batch_size", "target_every")
        own = {name: shared[name] for name in (*names, "capacity")}
        return DQNConfig(discount=self.discount**self.n, **own)


class InteractionQ(DQN, Checkpointed):
    """DQN whose items are vectors of ``width`` interactions, and whose states are none.

    Transitions hold "item" [f], "reward", "next_pool" [m, f] and "terminated".
    """

    def __init__(self, width: int, config: DQNConfig, seed: int) -> None:
        super().__init__(np.zeros((1, width)), 0, config=config, seed=seed)
        groups = {"online": self.online, "target": self.target}
        stored = {name: network.variables for name, network in groups.items()}
        adam: Any = self.optimiser
        self.stored = stored | {
            "optimiser": adam.variables,
            "updated": [self.updated],  # when the target network was renewed
        }
        self._compiled_learn = tf.function(self._learn, jit_compile=True)

    def _q(self, network: Any, view: Tensor, items: Tensor) -> Tensor:
        """Q(s, a) [batch, m] of interactions ``items`` [batch, m, f]."""
        values = network(tf.reshape(items, (-1, self.inputs)))
        return tf.reshape(values, tf.shape(items)[:2])

    def learn(self, memory: UniformReplay, rng: np.random.Generator) -> None:
        """All updates of a round, from batches drawn out of ``memory``."""
        places = memory.draw(self.config.updates, self.config.batch_size, rng)
        self._compiled_learn(memory.data, places)

    def _learn(self, memory: Batch, places: Tensor) -> None:
        """One update from each batch of ``places`` [updates, batch] in ``memory``."""
        for i in tf.range(self.config.updates):
            batch = {name: tf.gather(rows, places[i]) for name, rows in memory.items()}
            no_states = dict.fromkeys(("view", "next_view"), batch["reward"])
            self._update(batch | no_states)

    def estimates(self, features: Floats) -> Floats:
        """Q(s, a) [batch, m] of ``features`` [batch, m, f]."""
        rows = features.astype(np.float32)
        values: Floats = self._compiled_values(self.online, 0, rows).numpy()
        return values.astype(np.float64)


class SessionDQN(NStep):
    """The agent, for ``Listening-v0`` with ``observe="ids"``."""

    config_type = SessionDQNConfig

    def _learner(self, width: int) -> InteractionQ:
        shapes = {
            "item": (width,),
            "reward": (),
            "next_pool": (self.config.pool, width),
            "terminated": (),
        }
        fields = {name: (shape, np.float32) for name, shape in shapes.items()}
        self.replay = UniformReplay(self.config.capacity, fields)
        seed = int(self.rng.integers(2**31))
        return InteractionQ(width, self.config.dqn(), seed)

    def _learn(
        self,
        live: Bools,
        features: Floats,
        rewards: Floats,
        terminated: Bools,
        truncated: Bools,
    ) -> None:
        """Store the transitions of a round, then learn.

        ``features`` [T, batch, 1 + pool, f]: of the song played, then of the pool.
        """
        n = self.config.n
        returns, over, use = n_step_transitions(
            live, rewards, terminated, truncated, n, self.config.discount
        )
        rows = {
            "item": features[:-n, :, 0],
            "reward": returns,
            "next_pool": features[n:, :, 1:],
            "terminated": over,
        }
        self.replay.add(**{name: part[use] for name, part in rows.items()})
        self.learner.learn(self.replay, self.rng)

    def _features(self, seen: Any, session: ListeningSession, songs: Ids) -> Floats:
        offered = item_pool(seen, len(self.catalogue))
        if offered.shape[1] != self.config.pool:
            offered = self.rng.choice(offered, self.config.pool, axis=1)
        pool = np.concatenate([songs, offered], axis=1)
        return listening_interactions(self.catalogue, session, pool)

    def values(self, session: ListeningSession, pool: Ids | None = None) -> Floats:
        """The values of the songs of ``pool`` [batch, m], or of all songs.

        All songs are taken 256 at a time: their features would fill the memory.
        """
        if pool is not None:
            features = listening_interactions(self.catalogue, session, pool)
            values: Floats = self.learner.estimates(features)
            return values
        songs = np.arange(len(self.catalogue))
        found = []
        for some in np.split(songs, range(256, len(songs), 256)):
            pool = np.broadcast_to(some, (len(session.memory), len(some)))
            found.append(self.values(session, pool))
        return np.concatenate(found, axis=1)

    def _parts(self) -> dict[str, Any]:
        return super()._parts() | {"replay_": self.replay}
