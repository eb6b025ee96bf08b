"""Tabular Q-learning (Watkins and Dayan, 1992; Sutton and Barto, 2nd ed., section 6.5).

A table holds a value Q(s, a) for each state s and action a: the discounted sum of
rewards expected from recommending a in s and the best actions from then on. Each step
corrects one entry. After recommending a in s, receiving r and arriving in s':

    target   = r + gamma max_b Q(s', b)       (r alone when s' is terminal)
    td_error = target - Q(s, a)
    Q(s, a) <- Q(s, a) + alpha td_error

All arrays have a leading axis of independent runs: each run has a table and an
environment of its own. A thousand seeds (or listeners) learn in one NumPy loop.

Differs from the paper: alpha is constant unless ``learning_rate_decay`` is set, so the
convergence proof does not apply to the defaults. Exploration is epsilon-greedy with a
multiplicative decay and a floor. Ties are broken at random. A time limit
(``truncated``) keeps the value of the next state; only ``terminated`` removes it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import ArrayLike

from rlrec import storage
from rlrec.agents.recommender import best_first, item_pool
from rlrec.errors import (
    ABOVE_ZERO,
    BELOW_ONE,
    ConfigError,
    require_ids,
    require_ranges,
)
from rlrec.types import Bools, Floats, Ids


@dataclass(frozen=True)
class QLearningConfig:
    """Hyperparameters of Q-learning; the symbols are those of the book."""

    # alpha, (0, 1]: share of the TD error by which one update moves the value
    learning_rate: float = 0.1
    # 0..1: alpha_n = alpha / n^decay at the n-th visit of (s, a); 0: constant
    learning_rate_decay: float = 0.0
    # gamma, [0, 1): what a reward one song later is worth now
    discount: float = 0.9
    # 0..1: probability of a random recommendation at the first step
    epsilon: float = 1.0
    # (0, 1]: epsilon is multiplied by this after each step
    epsilon_decay: float = 0.9995
    # 0..1: the lowest value of epsilon
    epsilon_floor: float = 0.05
    # units of reward: every entry of the table before training
    initial_value: float = 0.0

    def __post_init__(self) -> None:
        require_ranges(
            self,
            [
                ("learning_rate", ABOVE_ZERO, 1.0),
                ("learning_rate_decay", 0.0, 1.0),
                ("discount", 0.0, BELOW_ONE),
                ("epsilon", 0.0, 1.0),
                ("epsilon_decay", ABOVE_ZERO, 1.0),
                ("epsilon_floor", 0.0, 1.0),
                ("initial_value", -1e12, 1e12),
            ],
        )


class Update(NamedTuple):
    """The numbers of one update: floats, or arrays [runs] if there are several runs."""

    old_value: Any
    target: Any
    td_error: Any
    new_value: Any


class TrainingLog(NamedTuple):
    """What happened at each step: arrays [steps, runs] (epsilon: [steps])."""

    rewards: Floats
    actions: Ids
    epsilon: Floats
    # False where the environment ignored the action and started a new episode
    learned: Bools


class QLearning:
    """Q-learning over ``n_states`` x ``n_actions``, in ``n_runs`` independent runs.

    ``table`` [runs, states, actions] holds Q and may be assigned to. ``visits``, of the
    same shape, counts the updates of each entry. ``rng`` draws all random numbers.
    Raises ``ConfigError`` if a size is below 1.

    >>> agent = QLearning(5, 5)
    >>> agent.table[0, 1, 0] = 1.0  # Q(Rock, Pop)
    >>> agent.table[0, 0, 0] = 0.2  # Q(Pop, Pop)
    >>> update = agent.update(state=1, action=0, reward=10.0, next_state=0)
    >>> print(f"{update.target:.2f} {update.td_error:.2f} {update.new_value:.3f}")
    10.18 9.18 1.918
    >>> agent.table[0, 1, 0] = 1.0
    >>> print(f"{agent.update(1, 0, 10.0, 0, terminated=True).new_value:.3f}")
    1.900
    """

    def __init__(
        self,
        n_states: int,
        n_actions: int,
        config: QLearningConfig | None = None,
        *,
        n_runs: int = 1,
        rng: np.random.Generator | None = None,
    ) -> None:
        shape = (n_runs, n_states, n_actions)
        if min(shape) < 1:
            raise ConfigError(
                f"{n_states} states, {n_actions} actions, {n_runs} runs: "
                "each must be 1 or more"
            )
        self.config = config or QLearningConfig()
        self.rng = rng or np.random.default_rng(0)
        self.n_runs = n_runs
        self.table = np.full(shape, self.config.initial_value, np.float64)
        self.visits = np.zeros(shape, np.int64)
        self.epsilon = max(self.config.epsilon, self.config.epsilon_floor)
        self._runs = np.arange(n_runs)

    # -- train -------------------------------------------------------------------------
    def update(
        self,
        state: ArrayLike,
        action: ArrayLike,
        reward: ArrayLike,
        next_state: ArrayLike,
        terminated: ArrayLike = False,
    ) -> Update:
        """Update the table from one transition per run; return its numbers.

        Each argument is one value for all runs, or an array [runs]. The fields of the
        result are floats if there is one run. Raises ``ConfigError`` for a state or an
        action out of range.
        """
        n_states, n_actions = self.table.shape[1:]
        update = self._learn(
            self._indices("state", state, n_states),
            self._indices("action", action, n_actions),
            np.full(self.n_runs, reward, np.float64),
            self._indices("next_state", next_state, n_states),
            np.full(self.n_runs, terminated, np.bool_),
        )
        if self.n_runs > 1:
            return update
        return Update(*np.ravel(update).tolist())

    def _indices(self, name: str, values: ArrayLike, count: int) -> Ids:
        """One index per run [runs], checked to lie in 0..count - 1."""
        return require_ids(name, np.broadcast_to(values, self.n_runs), count, 0)

    def train(
        self,
        env: VectorEnv[Any, Any, Any],
        steps: int,
        *,
        seed: int = 0,
    ) -> TrainingLog:
        """Play ``steps`` steps in each row of ``env``, and learn. Row i is run i.

        Starts from ``env.reset(seed=seed)`` with the present table and epsilon. A
        second call with the same seed gets the same random draws from ``env``: give
        each call a seed of its own. Raises ``ConfigError`` unless ``env.num_envs``
        equals the number of runs.
        """
        if env.num_envs != self.n_runs:
            raise ConfigError(
                f"the environment has {env.num_envs} rows and the agent "
                f"{self.n_runs} runs; make them equal"
            )
        shape = (steps, self.n_runs)
        log = TrainingLog(
            rewards=np.zeros(shape),
            actions=np.zeros(shape, np.int64),
            epsilon=np.zeros(steps),
            learned=np.zeros(shape, np.bool_),
        )
        states, _ = env.reset(seed=seed)
        learns = np.ones(self.n_runs, np.bool_)
        for step in range(steps):
            actions = self.act(states)
            next_states, rewards, terminated, truncated, _ = env.step(actions)
            self._learn(states, actions, rewards, next_states, terminated, learns)
            log.rewards[step] = rewards
            log.actions[step] = actions
            log.epsilon[step] = self.epsilon
            log.learned[step] = learns
            decayed = self.epsilon * self.config.epsilon_decay
            self.epsilon = max(decayed, self.config.epsilon_floor)
            states = next_states
            learns = ~(terminated | truncated)
        return log

    def _learn(
        self,
        states: Ids,
        actions: Ids,
        rewards: Floats,
        next_states: Ids,
        terminated: Bools,
        learns: Bools | bool = True,
    ) -> Update:
        """Update the runs in which ``learns`` is True. All arguments [runs]."""
        entry = (self._runs, states, actions)  # table[entry]: Q(s, a), [runs]
        old_value = self.table[entry]
        next_values = self.table[self._runs, next_states]  # [runs, actions]
        # on short rows argmax and a look-up are 8 times as fast as max
        best_next = next_values[self._runs, next_values.argmax(axis=1)]
        target = rewards + self.config.discount * best_next * ~terminated
        td_error = target - old_value
        self.visits[entry] += learns
        alpha = self.config.learning_rate * learns
        if self.config.learning_rate_decay > 0.0:
            visits = np.maximum(self.visits[entry], 1)
            alpha = alpha / visits**self.config.learning_rate_decay
        new_value = old_value + alpha * td_error
        self.table[entry] = new_value
        return Update(old_value, target, td_error, new_value)

    # -- decide ------------------------------------------------------------------------
    def act(self, observations: Ids) -> Ids:
        """Epsilon-greedy actions [runs] for states [runs].

        The action is random with probability epsilon, else the best. With A actions,
        the best one is taken with probability 1 - epsilon + epsilon / A.
        """
        actions = self.greedy(observations)
        explore = np.flatnonzero(self.rng.random(self.n_runs) < self.epsilon)
        n_actions = self.table.shape[2]
        actions[explore] = self.rng.integers(n_actions, size=len(explore))
        return actions

    def greedy(self, observations: Ids) -> Ids:
        """The best action of each run [runs] for states [runs]; ties at random."""
        values = self.table[self._runs, observations]  # [runs, actions]
        best: Ids = values.argmax(axis=1)
        tied = values == values[self._runs, best][:, None]
        if np.count_nonzero(tied) > self.n_runs:
            draws = self.rng.random(values.shape, np.float32)
            draws += tied  # in [1, 2) for a tied action, in [0, 1) for the others
            best = draws.argmax(axis=1)
        return best

    def recommend(self, observations: ArrayLike, k: int = 1) -> Ids:
        """The ``k`` best actions for states [batch]: [batch, k], best first.

        Actions are ranked by the mean table over runs; ties go to the lower index.
        Raises ``ConfigError`` if ``k`` or a state is out of range.
        """
        n_states, n_actions = self.table.shape[1:]
        states = require_ids("state", np.atleast_1d(observations), n_states, 0)
        values = self.table.mean(axis=0)[states]  # [batch, actions]
        return best_first(item_pool(states, n_actions), values, k)

    # -- save and load -----------------------------------------------------------------
    def save(self, folder: str | Path) -> None:
        """Write table, visits, epsilon, random state and settings into ``folder``."""
        storage.write_json(Path(folder) / "agent.json", asdict(self.config))
        storage.write_arrays(
            Path(folder) / "table.npz",
            table=self.table,
            visits=self.visits,
            epsilon=np.array(self.epsilon),
            rng=storage.generator_state(self.rng),
        )

    @classmethod
    def load(cls, folder: str | Path) -> QLearning:
        """Read what ``save`` wrote. Training goes on bit-identically.

        Raises ``DataError`` for a broken folder.
        """
        settings = storage.read_json(Path(folder) / "agent.json")
        arrays = storage.read_arrays(Path(folder) / "table.npz")
        with storage.whole(folder):
            n_runs, n_states, n_actions = arrays["table"].shape
            config = QLearningConfig(**settings)
            agent = cls(n_states, n_actions, config, n_runs=n_runs)
            agent.table = arrays["table"]
            agent.visits = arrays["visits"]
            agent.epsilon = float(arrays["epsilon"])
            agent.rng = storage.restore_generator(arrays["rng"])
        return agent
