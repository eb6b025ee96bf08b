"""DQN over a pool of items: observation and item in, one value out (Mnih et al., "Human-level control", 2015).

    Q(s, i) = network([s, i])  or  network(s x i)                         one pass an item, so the pool may change
    y = r + gamma (1 - terminated) max_j Q'(s', j)                        Q': the target network
    y = r + gamma (1 - terminated) Q'(s', argmax_j Q(s', j))              double Q-learning (arXiv:1509.06461)
    loss = 1/2 mean (y - Q(s, i))^2,  y held fixed (a semi-gradient)

Without hidden layers and with the product of one-hot state and item the network *is* the table, and one step of plain
gradient descent is the tabular update: 1.0 becomes 1.918 (see the doctest). What DQN adds is all here: a network,
replay, and a target network that is copied every ``target_every`` updates.

Differs from the paper: one value an item from its features, not one output an action; uniform replay over a whole
round's updates in one compiled call; epsilon falls on a straight line; Adam.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.agents.recommender import best_first, item_pool
from rlrec.agents.replay import UniformReplay
from rlrec.envs.batch import BatchEnv
from rlrec.errors import ConfigError
from rlrec.nn.backend import tf
from rlrec.nn.networks import SGD, Adam, Tensor, copy_weights, mlp, td_target
from rlrec.types import Floats32, Ids

View = Callable[[Any], Floats32]


@dataclass(frozen=True)
class DQNConfig:
    """Hyperparameters of DQN; a step is one recommendation in one environment."""

    hidden: tuple[int, ...] = (32,)  # units of each hidden layer; () makes Q linear
    features: str = "concat"  # "concat": [s, i]; "product": all products s_a i_b
    optimiser: str = "adam"  # "adam" or "sgd"
    learning_rate: float = 3e-3  # > 0: step size
    discount: float = (
        0.9  # gamma, [0, 1): what a reward one recommendation later is worth now
    )
    double_q: bool = True  # the online network picks the next item, the target network values it; with
    # target_every=1 both are the same network, and so are double and plain Q
    target_every: int = 100  # >= 1 updates between copies into the target network
    epsilon: float = 1.0  # 0..1: chance of a random item at the start
    epsilon_floor: float = 0.05  # 0..1: and at the end of the schedule
    schedule_steps: int = 5_000  # >= 1 steps in which epsilon falls on a straight line
    capacity: int = 20_000  # >= 1 transitions kept
    learning_starts: int = 200  # >= 1 transitions in memory before the first update
    updates: int = 16  # >= 1 updates after each step of all environments
    batch_size: int = 32  # >= 1 transitions in an update

    def __post_init__(self) -> None:
        for name in (
            "target_every",
            "schedule_steps",
            "capacity",
            "learning_starts",
            "updates",
            "batch_size",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}; it must be 1 or more"
                )
        for name in ("epsilon", "epsilon_floor", "discount"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}; it must lie in [0, 1]"
                )
        if not self.learning_rate > 0.0 or self.discount == 1.0:
            raise ConfigError("learning_rate must be above 0, and discount below 1")
        for name, choices in (
            ("features", ("concat", "product")),
            ("optimiser", ("adam", "sgd")),
        ):
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"{name} is {getattr(self, name)!r}; choose one of {', '.join(choices)}"
                )


class DQN:
    """item_features [I, g]; ``view`` turns observations into features [batch, f].

    By default observations are indices [batch] of ``n_observations`` states, seen as one-hot vectors, as in Genre-v0.

    >>> agent = DQN(np.eye(5), 5, config=DQNConfig((), "product", "sgd", learning_rate=0.1, double_q=False))
    >>> table = np.zeros((5, 5), np.float32)
    >>> table[1, 0], table[0, 0] = 1.0, 0.2  # Q(Rock, Pop), Q(Pop, Pop)
    >>> agent.set_table(table)
    >>> error = agent.update(observations=[1], items=[0], rewards=[10.0], next_observations=[0], terminated=[False])
    >>> print(f"{error[0]:.2f} {agent.values(np.array([1]))[0, 0]:.3f}")
    9.18 1.918
    """

    def __init__(
        self,
        item_features: NDArray[Any],
        n_observations: int,
        *,
        view: View | None = None,
        config: DQNConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config if config is not None else DQNConfig()
        self.item_features = np.asarray(item_features, np.float32)
        self.n_items, g = self.item_features.shape
        self.width = n_observations
        one_hot = np.eye(n_observations, dtype=np.float32)
        self.view: View = (
            view
            if view is not None
            else lambda observations: one_hot[np.asarray(observations)]
        )
        self.rng, self.step, self.copied = np.random.default_rng(seed), 0, 0
        inputs = (
            n_observations * g
            if self.config.features == "product"
            else n_observations + g
        )
        self.online, self.target = (
            mlp(inputs, self.config.hidden, 1, self.rng, bias=bool(self.config.hidden))
            for _ in range(2)
        )
        copy_weights(self.target.variables, self.online.variables)
        kind = Adam if self.config.optimiser == "adam" else SGD
        self.optimiser = kind(
            self.config.learning_rate, self.online.trainable_variables
        )
        self.updated = tf.Variable(0)  # updates so far
        self._table = tf.constant(self.item_features)
        self._round = tf.function(self._updates)
        self._values = tf.function(self._pool_values)
        self.memory: UniformReplay | None = None

    # -- learn -------------------------------------------------------------------------------------------
    def train(
        self, env: BatchEnv[Any], steps: int, *, seed: int = 0
    ) -> NDArray[np.float64]:
        """Play and learn for ``steps`` recommendations, rounded up to whole rounds: mean reward of each round."""
        observation, fresh = env.reset(seed=seed)[0], np.zeros(env.num_envs, np.bool_)
        rewards_of: list[float] = []
        for _ in range(-(-steps // env.num_envs)):
            features, items = self.view(observation), self.act(observation)
            observation, rewards, terminated, truncated, _ = env.step(
                env.actions_for(items[:, None])
            )
            self._remember(features, items, rewards, observation, terminated, ~fresh)
            assert self.memory is not None
            if len(self.memory) >= self.config.learning_starts:
                self._round(
                    self.memory.sample(
                        self.config.updates, self.config.batch_size, self.rng
                    ).data
                )
            self.step += env.num_envs
            rewards_of.append(
                float(rewards[~fresh].mean()) if not fresh.all() else float("nan")
            )
            fresh = terminated | truncated
        return np.array(rewards_of)

    def update(
        self,
        observations: Any,
        items: Any,
        rewards: Any,
        next_observations: Any,
        terminated: Any,
    ) -> NDArray[np.float32]:
        """One update from a batch of transitions; their TD errors [batch] before it."""
        pool = item_pool(next_observations, self.n_items)
        parts = (
            self.view(observations),
            items,
            rewards,
            self.view(next_observations),
            pool,
            terminated,
        )
        batch = {
            name: tf.constant(np.asarray(part), kind)
            for (name, kind), part in zip(_FIELDS, parts, strict=True)
        }
        return np.asarray(self._update(batch))

    def _updates(self, batches: dict[str, Tensor]) -> None:
        """One update for each of the batches [updates, batch, ..]."""
        for i in tf.range(self.config.updates):
            self._update({name: values[i] for name, values in batches.items()})

    def _update(self, batch: dict[str, Tensor]) -> Tensor:
        target = self._target(batch)
        with tf.GradientTape() as tape:
            values = self._q(self.online, batch["view"], batch["item"][:, None])[
                :, 0
            ]  # [batch]
            errors = tf.stop_gradient(target) - values
            loss = 0.5 * tf.reduce_mean(tf.square(errors))
        self.optimiser.descend(tape, loss)
        self.updated.assign_add(1)
        if self.updated % self.config.target_every == 0:
            copy_weights(self.target.variables, self.online.variables)
        return errors

    def _target(self, batch: dict[str, Tensor]) -> Tensor:
        values = self._q(
            self.target, batch["next_view"], batch["next_pool"]
        )  # [batch, m]
        if self.config.double_q:
            best = tf.argmax(
                self._q(self.online, batch["next_view"], batch["next_pool"]), axis=1
            )
            next_value = tf.gather(values, best, batch_dims=1)
        else:
            next_value = tf.reduce_max(values, axis=1)
        return td_target(
            batch["reward"], batch["terminated"], next_value, self.config.discount
        )

    def _q(self, network: Any, view: Tensor, items: Tensor) -> Tensor:
        """Values [batch, m] of items [batch, m] seen from features [batch, f]."""
        theirs = tf.gather(self._table, items)  # [batch, m, g]
        mine = tf.repeat(view[:, None, :], tf.shape(items)[1], axis=1)  # [batch, m, f]
        if self.config.features == "product":
            pairs = mine[:, :, :, None] * theirs[:, :, None, :]
            inputs = tf.reshape(pairs, (-1, self.width * self.item_features.shape[1]))
        else:
            inputs = tf.reshape(
                tf.concat([mine, theirs], axis=2),
                (-1, self.width + self.item_features.shape[1]),
            )
        return tf.reshape(network(inputs), tf.shape(items))

    def _remember(
        self,
        view: Floats32,
        items: Ids,
        rewards: Any,
        following: Any,
        terminated: Any,
        live: NDArray[np.bool_],
    ) -> None:
        pool = item_pool(following, self.n_items)
        if self.memory is None:
            shapes: dict[str, tuple[int, ...]] = {
                "view": (self.width,),
                "next_view": (self.width,),
                "next_pool": (pool.shape[1],),
            }
            self.memory = UniformReplay(
                self.config.capacity,
                {name: (shapes.get(name, ()), kind) for name, kind in _FIELDS},
            )
        parts = (view, items, rewards, self.view(following), pool, terminated)
        if live.any():
            self.memory.add(
                **{
                    name: np.asarray(part)[live]
                    for (name, _), part in zip(_FIELDS, parts, strict=True)
                }
            )

    # -- decide ------------------------------------------------------------------------------------------
    @property
    def epsilon(self) -> float:
        """The chance of a random item now."""
        progress = min(self.step / self.config.schedule_steps, 1.0)
        return (
            self.config.epsilon
            + (self.config.epsilon_floor - self.config.epsilon) * progress
        )

    def act(self, observations: Any) -> Ids:
        """Items to play [batch]: the best of the pool, or with chance epsilon a random one."""
        items, pool = (
            self.recommend(observations)[:, 0],
            item_pool(observations, self.n_items),
        )
        chance = np.flatnonzero(self.rng.random(len(items)) < self.epsilon)
        items[chance] = pool[chance, self.rng.integers(pool.shape[1], size=len(chance))]
        return items

    def values(self, observations: Any) -> Floats32:
        """Q(s, i) for the items on offer: [batch, m], in the pool's order."""
        return np.asarray(
            self._values(self.view(observations), item_pool(observations, self.n_items))
        )

    def _pool_values(self, view: Tensor, pool: Tensor) -> Tensor:
        return self._q(self.online, view, pool)

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """The ``k`` items with the highest values [batch, k], best first; equals in the pool's order."""
        return best_first(
            item_pool(observations, self.n_items),
            self.values(observations).astype(np.float64),
            k,
        )

    def set_table(self, table: Floats32) -> None:
        """Make a linear Q over products of one-hot vectors hold ``table`` [observations, items], as does its target."""
        if (
            self.config.hidden
            or self.config.features != "product"
            or table.shape != (self.width, self.n_items)
        ):
            raise ConfigError(
                'a table fits a linear Q over products alone: hidden=(), features="product"'
            )
        for network in (self.online, self.target):
            network.variables[0].assign(table.reshape(-1, 1))


_FIELDS = (
    ("view", np.float32),
    ("item", np.int32),
    ("reward", np.float32),
    ("next_view", np.float32),
    ("next_pool", np.int32),
    ("terminated", np.float32),
)
