"""DQN for recommending (Mnih et al., "Human-level control", 2015; arXiv:1509.06461).

A network estimates Q(s, i), the discounted sum of rewards expected from recommending
item i in state s and the best items from then on. It gets features of the state and of
one item, and gives one value, so that the pool (the items that may be recommended) may
change. Each update moves Q towards a target y. The target network Q' is a copy of Q
that is renewed now and then:

    y = r + gamma (1 - terminated) max_j Q'(s', j)                 plain
    y = r + gamma (1 - terminated) Q'(s', argmax_j Q(s', j))       double Q-learning
    loss = 1/2 mean (y - Q(s, i))^2, y held fixed (a semi-gradient)

Without hidden layers, on products of one-hot states and items, the network *is* the
table of Q-learning, and one step of gradient descent is the tabular update (see the
doctest). DQN adds a network, a replay memory, and the target network.

Differs from the paper: one output for each pair of state and item, not one for each
action; a small dense network on features, without convolutions, preprocessing, frame
stacking or frame skipping. Errors and rewards are not clipped to [-1, 1]. Adam with
epsilon 1e-8 (or plain gradient descent) instead of RMSProp, with a larger learning
rate. Many environments step at once; then ``updates`` updates follow in one compiled
call, where the paper makes one update every 4 steps. Double Q-learning is the default.
Memory, schedule, target period and the start without updates are far shorter; the
discount is 0.9 (the paper's is 0.99). Epsilon falls to .05 (.1 there) and stays there
after the schedule; the learning rate is constant. The maximum and the random actions
are over the items on offer. ``recommend`` is greedy, where the paper evaluates with
epsilon .05. A time limit (``truncated``) keeps the value of the next state. A step that
only begins an episode is not stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.agents.recommender import best_first, item_pool
from rlrec.agents.replay import UniformReplay
from rlrec.agents.schedules import linear_schedule
from rlrec.envs.batch import BatchEnv
from rlrec.errors import (
    ABOVE_ZERO,
    BELOW_ONE,
    ConfigError,
    require_choice,
    require_ids,
    require_ranges,
)
from rlrec.nn.backend import tf
from rlrec.nn.networks import SGD, Adam, Tensor, copy_weights, mlp, td_target
from rlrec.types import Arrays, Bools, Floats, Floats32, Ids

View = Callable[[Any], Floats32]  # observations -> state features [batch, f]


@dataclass(frozen=True)
class DQNConfig:
    """Hyperparameters of DQN; a step is one recommendation in one environment."""

    # units of each hidden layer; () makes Q linear
    hidden: tuple[int, ...] = (32,)
    # input of the network, from state features s and item features i: "concat" is
    # [s, i], "product" the outer product, all s_a i_b
    features: str = "concat"
    # "adam" or "sgd" (plain gradient descent)
    optimiser: str = "adam"
    # > 0: step size of the optimiser
    learning_rate: float = 3e-3
    # gamma, [0, 1): what a reward one recommendation later is worth now
    discount: float = 0.9
    # double Q-learning: the online network picks the next item, the target network
    # gives its value; the same as plain Q-learning when target_every is 1
    double_q: bool = True
    # >= 1: updates between copies into the target network
    target_every: int = 100
    # 0..1: probability of a random item at the start
    epsilon: float = 1.0
    # 0..1: the same at the end of the schedule
    epsilon_floor: float = 0.05
    # >= 1: steps in which epsilon falls linearly
    schedule_steps: int = 5_000
    # >= 1: transitions in the replay memory
    capacity: int = 20_000
    # >= 1: transitions in memory before the first update
    learning_starts: int = 200
    # >= 1: updates after each step of all environments
    updates: int = 16
    # >= 1: transitions in an update
    batch_size: int = 32

    def __post_init__(self) -> None:
        counts = (
            "target_every",
            "schedule_steps",
            "capacity",
            "learning_starts",
            "updates",
            "batch_size",
        )
        require_ranges(self, [(name, 1, np.inf) for name in counts])
        require_ranges(
            self,
            [
                ("learning_rate", ABOVE_ZERO, np.inf),
                ("discount", 0.0, BELOW_ONE),
                ("epsilon", 0.0, 1.0),
                ("epsilon_floor", 0.0, 1.0),
            ],
        )
        require_choice(self, "features", ("concat", "product"))
        require_choice(self, "optimiser", ("adam", "sgd"))


class DQN:
    """Q-learning with a network on the features of I items [I, g] and of states [f].

    ``view`` turns observations into state features [batch, f], f = ``n_observations``.
    By default observations are indices [batch] of that many states, and their features
    are one-hot vectors, as in Genre-v0.

    >>> linear = DQNConfig((), "product", "sgd", learning_rate=0.1, double_q=False)
    >>> agent = DQN(np.eye(5), 5, config=linear)
    >>> table = np.zeros((5, 5), np.float32)
    >>> table[1, 0] = 1.0  # Q(Rock, Pop)
    >>> table[0, 0] = 0.2  # Q(Pop, Pop)
    >>> agent.set_table(table)
    >>> error = agent.update([1], [0], [10.0], [0], terminated=[False])
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
        self.config = config or DQNConfig()
        self.item_features = tf.constant(item_features, tf.float32)
        self.n_items, item_width = self.item_features.shape
        self.width = n_observations
        one_hot = np.eye(n_observations, dtype=np.float32)
        self.view = view or partial(np.take, one_hot, axis=0)
        self.rng = np.random.default_rng(seed)
        self.step = 0
        if self.config.features == "product":
            self.inputs = n_observations * item_width
        else:
            self.inputs = n_observations + item_width
        hidden = self.config.hidden
        # a linear Q has no bias, so that its weights are the table (``set_table``)
        network = partial(mlp, self.inputs, hidden, 1, self.rng, bias=bool(hidden))
        self.online = network()
        self.target = network()
        copy_weights(self.target.variables, self.online.variables)
        optimiser = Adam if self.config.optimiser == "adam" else SGD
        self.optimiser = optimiser(
            self.config.learning_rate,
            self.online.trainable_variables,
        )
        self.updated = tf.Variable(0)  # updates so far
        self._compiled_updates = tf.function(self._updates, jit_compile=True)
        self._compiled_values = tf.function(self._q)
        self.memory: UniformReplay | None = None

    # -- train -------------------------------------------------------------------------
    def train(
        self,
        env: BatchEnv[Any],
        steps: int,
        *,
        seed: int = 0,
    ) -> Floats:
        """Play and learn for ``steps`` recommendations, rounded up to whole rounds.

        A round is one step of every environment. Starts from ``env.reset(seed=seed)``.
        Returns the mean reward of each round [rounds].
        """
        observations, _ = env.reset(seed=seed)
        mean_rewards = []
        for _ in range(-(-steps // env.num_envs)):  # rounded up
            live = ~env.over  # where an episode had ended, the step starts the next one
            features = self.view(observations)
            items = self.act(observations)
            actions = env.actions_for(items[:, None])
            observations, rewards, terminated, *_ = env.step(actions)
            batch = self._transitions(
                features,
                items,
                rewards,
                observations,
                terminated,
            )
            memory = self._remember(batch, live)
            if len(memory) >= self.config.learning_starts:
                sample = memory.sample(
                    self.config.updates,
                    self.config.batch_size,
                    self.rng,
                )
                self._compiled_updates(sample.data)
            self.step += env.num_envs
            mean_rewards.append(rewards[live].mean() if live.any() else np.nan)
        return np.array(mean_rewards)

    def _remember(self, batch: Arrays, live: Bools) -> UniformReplay:
        """Store the transitions of the ``live`` rows [batch]; returns the memory."""
        if self.memory is None:
            fields = {
                name: (part.shape[1:], part.dtype) for name, part in batch.items()
            }
            self.memory = UniformReplay(self.config.capacity, fields)
        self.memory.add(**{name: part[live] for name, part in batch.items()})
        return self.memory

    def _transitions(
        self,
        features: Floats32,
        items: Any,
        rewards: Any,
        next_observations: Any,
        terminated: Any,
    ) -> Arrays:
        """Transitions [batch] as arrays, name -> [batch, ...]."""
        return {
            "view": features,
            "item": require_ids("items", items, self.n_items, 0).astype(np.int32),
            "reward": np.asarray(rewards, np.float32),
            "next_view": self.view(next_observations),
            "next_pool": item_pool(next_observations, self.n_items).astype(np.int32),
            "terminated": np.asarray(terminated, np.float32),
        }

    def update(
        self,
        observations: Any,
        items: Any,
        rewards: Any,
        next_observations: Any,
        terminated: Any,
    ) -> Floats32:
        """One update from a batch of transitions; their TD errors [batch] before it.

        ``items``, ``rewards``, ``terminated``: [batch].
        """
        batch = self._transitions(
            self.view(observations),
            items,
            rewards,
            next_observations,
            terminated,
        )
        return np.asarray(self._update(batch))

    def _updates(self, batches: dict[str, Tensor]) -> None:
        """One update from each of the batches [updates, batch, ...]."""
        for i in tf.range(self.config.updates):
            self._update({name: values[i] for name, values in batches.items()})

    def _update(self, batch: dict[str, Tensor]) -> Tensor:
        """One update of the online network; the TD errors [batch] before it."""
        target = self._target(batch)
        with tf.GradientTape() as tape:
            values = self._q(self.online, batch["view"], batch["item"][:, None])
            errors = tf.stop_gradient(target) - values[:, 0]  # [batch]
            loss = 0.5 * tf.reduce_mean(tf.square(errors))
        self.optimiser.descend(tape, loss)
        self.updated.assign_add(1)
        if self.updated % self.config.target_every == 0:
            copy_weights(self.target.variables, self.online.variables)
        return errors

    def _target(self, batch: dict[str, Tensor]) -> Tensor:
        """TD targets y [batch]."""
        view = batch["next_view"]  # [batch, f]
        pool = batch["next_pool"]  # [batch, m]
        values = self._q(self.target, view, pool)  # [batch, m]
        picking = self._q(self.online, view, pool) if self.config.double_q else values
        best = tf.argmax(picking, axis=1)  # [batch]: place in the pool
        next_value = tf.gather(values, best, batch_dims=1)
        return td_target(
            batch["reward"],
            batch["terminated"],
            next_value,
            self.config.discount,
        )

    def _q(self, network: Any, view: Tensor, items: Tensor) -> Tensor:
        """Q(s, i) [batch, m] of items [batch, m] for features ``view`` [batch, f]."""
        features = tf.gather(self.item_features, items)  # [batch, m, g]
        count = tf.shape(items)[1]
        states = tf.repeat(view[:, None], count, axis=1)  # [batch, m, f]
        if self.config.features == "product":
            # [batch, m, f, g]
            pairs = states[:, :, :, None] * features[:, :, None, :]
        else:
            pairs = tf.concat([states, features], axis=2)  # [batch, m, f + g]
        values = network(tf.reshape(pairs, (-1, self.inputs)))
        return tf.reshape(values, tf.shape(items))

    # -- decide ------------------------------------------------------------------------
    @property
    def epsilon(self) -> float:
        """The probability of a random item now."""
        return linear_schedule(
            self.config.epsilon,
            self.config.epsilon_floor,
            self.step / self.config.schedule_steps,
        )

    def act(self, observations: Any) -> Ids:
        """Items to play [batch]: random with probability epsilon, else the best."""
        items = self.recommend(observations)[:, 0]
        pool = item_pool(observations, self.n_items)
        explore = np.flatnonzero(self.rng.random(len(items)) < self.epsilon)
        places = self.rng.integers(pool.shape[1], size=len(explore))
        items[explore] = pool[explore, places]
        return items

    def values(self, observations: Any) -> Floats32:
        """Q(s, i) of the m items of the pool: [batch, m], in the pool's order."""
        pool = item_pool(observations, self.n_items)
        return np.asarray(
            self._compiled_values(self.online, self.view(observations), pool)
        )

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """The ``k`` items with the highest values: [batch, k], best first.

        Ties keep the pool's order. Raises ``ConfigError`` if ``k`` is out of range.
        """
        pool = item_pool(observations, self.n_items)
        return best_first(pool, self.values(observations), k)

    def set_table(self, table: Floats32) -> None:
        """Give both networks the values of ``table`` [states, items].

        Raises ``ConfigError`` unless Q is linear in products of one-hot vectors.
        """
        linear = not self.config.hidden and self.config.features == "product"
        if not linear or table.shape != (self.width, self.n_items):
            raise ConfigError(
                'a table only fits a linear Q: hidden=(), features="product"'
            )
        for network in (self.online, self.target):
            network.variables[0].assign(table.reshape(-1, 1))
