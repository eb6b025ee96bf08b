"""Tabular Q-learning (Watkins and Dayan, 1992; Sutton and Barto, 2nd ed., section 6.5).

One update after recommending a in state s, receiving r and arriving in s':

    target   = r + gamma max_b Q(s', b)       (r alone when s' is terminal)
    td_error = target - Q(s, a)
    Q(s, a) <- Q(s, a) + alpha td_error

Everything has a leading axis of independent runs, so a thousand seeds (or listeners) learn in one NumPy loop.

Differs from the paper: exploration is epsilon-greedy with a multiplicative decay and a floor, ties are broken at
random, and a time limit (``truncated``) still counts the value of the next state; only ``terminated`` removes it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import ArrayLike, NDArray

from rlrec import storage
from rlrec.errors import ConfigError, DataError, require_ranges
from rlrec.types import Floats, Ids


@dataclass(frozen=True)
class QLearningConfig:
    """Hyperparameters of Q-learning; the symbols are those of the book."""

    learning_rate: float = (
        0.1  # alpha, (0, 1]: share of the error that one update takes over
    )
    learning_rate_decay: float = 0.0  # 0..1: alpha_n = alpha / n^decay at the n-th visit of (s, a); 0 keeps alpha
    discount: float = 0.9  # gamma, [0, 1): what a reward one song later is worth now
    epsilon: float = 1.0  # 0..1: chance of a random recommendation at the first step
    epsilon_decay: float = (
        0.9995  # (0, 1]: epsilon is multiplied by this after each step
    )
    epsilon_floor: float = 0.05  # 0..1: epsilon never falls below
    initial_value: float = 0.0  # reward units: every entry of the table at the start

    def __post_init__(self) -> None:
        shares = (
            "learning_rate",
            "learning_rate_decay",
            "discount",
            "epsilon",
            "epsilon_decay",
            "epsilon_floor",
        )
        require_ranges(
            self,
            [*((name, 0.0, 1.0) for name in shares), ("initial_value", -1e12, 1e12)],
        )
        if (
            self.learning_rate == 0.0
            or self.epsilon_decay == 0.0
            or self.discount == 1.0
        ):
            raise ConfigError(
                "learning_rate and epsilon_decay must be above 0, and discount below 1"
            )


class Update(NamedTuple):
    """One TD update, explained; floats, or arrays [runs] when the inputs are."""

    old_value: Any
    target: Any
    td_error: Any
    new_value: Any


class TrainingLog(NamedTuple):
    """What happened at each step: arrays [steps, runs] (epsilon: [steps])."""

    rewards: Floats
    actions: Ids
    epsilon: Floats
    learned: NDArray[
        np.bool_
    ]  # False where an episode had just ended: no action was taken


class QLearning:
    """Q-learning over ``n_states`` x ``n_actions``, in ``n_runs`` independent copies.

    ``table`` [runs, states, actions] may be read and written; ``visits`` counts its updates.

    >>> agent = QLearning(5, 5)
    >>> agent.table[0, 1, 0], agent.table[0, 0, 0] = 1.0, 0.2  # Q(Rock, Pop), Q(Pop, Pop)
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
        if min(n_states, n_actions, n_runs) < 1:
            raise ConfigError(
                f"{n_states} states, {n_actions} actions, {n_runs} runs: each must be 1 or more"
            )
        self.config = config if config is not None else QLearningConfig()
        self.rng = rng if rng is not None else np.random.default_rng(0)
        self.n_runs = n_runs
        self.table = np.full(
            (n_runs, n_states, n_actions), self.config.initial_value, np.float64
        )
        self.visits = np.zeros(self.table.shape, np.int64)
        self.epsilon = max(self.config.epsilon, self.config.epsilon_floor)
        self._runs = np.arange(n_runs)

    # -- learn -------------------------------------------------------------------------------------------
    def update(
        self,
        state: ArrayLike,
        action: ArrayLike,
        reward: ArrayLike,
        next_state: ArrayLike,
        terminated: ArrayLike = False,
    ) -> Update:
        """One update of every run, explained. Each argument: one value, or one a run [runs].

        Returns the old value, the target, the TD error and the new value: floats if there is one run.
        """
        n_states, n_actions = self.table.shape[1:]
        indices = [
            np.broadcast_to(np.asarray(value), self.n_runs)
            for value in (state, action, next_state)
        ]
        for name, value, limit in zip(
            ("state", "action", "next_state"),
            indices,
            (n_states, n_actions, n_states),
            strict=True,
        ):
            if value.min() < 0 or value.max() >= limit:
                raise ConfigError(
                    f"{name} is {value.tolist()}; it must lie in 0..{limit - 1}"
                )
        states, actions, next_states = indices
        rewards = np.broadcast_to(np.asarray(reward, np.float64), self.n_runs)
        ended = np.broadcast_to(np.asarray(terminated, np.bool_), self.n_runs)
        update = self._learn(
            states, actions, rewards, next_states, ended, np.ones(self.n_runs)
        )
        return (
            Update(*(float(part[0]) for part in update)) if self.n_runs == 1 else update
        )

    def _learn(
        self,
        states: Ids,
        actions: Ids,
        rewards: Floats,
        next_states: Ids,
        ended: NDArray[np.bool_],
        counts: Floats,
    ) -> Update:
        """Update all runs whose ``counts`` is 1 and leave those with 0. All arguments [runs]."""
        place = (self._runs, states, actions)
        old_value = self.table[place]
        future = self.table[self._runs, next_states]  # [runs, actions]
        best_next = future[
            self._runs, future.argmax(axis=1)
        ]  # over short rows 8 times as fast as max
        target = rewards + self.config.discount * best_next * ~ended
        td_error = target - old_value
        new_value = old_value + self._step_size(place, counts) * td_error
        self.table[place] = new_value
        return Update(old_value, target, td_error, new_value)

    def _step_size(self, place: tuple[Ids, Ids, Ids], counts: Floats) -> Floats:
        visits = self.visits[place] + counts.astype(np.int64)
        self.visits[place] = visits
        alpha = self.config.learning_rate * counts
        if self.config.learning_rate_decay == 0.0:
            return alpha
        return np.asarray(
            alpha / np.maximum(visits, 1) ** self.config.learning_rate_decay
        )

    def train(
        self, env: VectorEnv[Any, Any, Any], steps: int, *, seed: int = 0
    ) -> TrainingLog:
        """Play ``steps`` steps in each of ``env``'s rows (one a run), learning all the while.

        Starts from ``env.reset(seed=seed)``, and goes on with the present table and epsilon. A second call with the
        same seed meets the same luck again: give each call a seed of its own.
        """
        if env.num_envs != self.n_runs:
            raise ConfigError(
                f"the environment has {env.num_envs} rows and the agent {self.n_runs} runs; make them equal"
            )
        log = TrainingLog(
            np.zeros((steps, self.n_runs)),
            np.zeros((steps, self.n_runs), np.int64),
            np.zeros(steps),
            np.zeros((steps, self.n_runs), np.bool_),
        )
        states, _ = env.reset(seed=seed)
        fresh = np.zeros(self.n_runs, np.bool_)
        for step in range(steps):
            actions = self.act(states)
            next_states, rewards, terminated, truncated, _ = env.step(actions)
            self._learn(
                states,
                actions,
                rewards,
                next_states,
                terminated,
                (~fresh).astype(np.float64),
            )
            (
                log.rewards[step],
                log.actions[step],
                log.epsilon[step],
                log.learned[step],
            ) = (
                rewards,
                actions,
                self.epsilon,
                ~fresh,
            )
            self.epsilon = max(
                self.config.epsilon_floor, self.epsilon * self.config.epsilon_decay
            )
            states, fresh = next_states, terminated | truncated
        return log

    # -- decide ------------------------------------------------------------------------------------------
    def act(self, observations: Ids) -> Ids:
        """Epsilon-greedy actions [runs] for states [runs]: random with chance epsilon, else the best.

        With A actions the best one is taken with probability 1 - epsilon + epsilon / A.
        """
        actions = self.greedy(observations)
        explore = np.flatnonzero(self.rng.random(self.n_runs) < self.epsilon)
        actions[explore] = self.rng.integers(self.table.shape[2], size=len(explore))
        return actions

    def greedy(self, observations: Ids) -> Ids:
        """The best action of each run [runs]; among equals a random one."""
        values = self.table[self._runs, observations]  # [runs, actions]
        best = values.argmax(axis=1)
        tied = values == values[self._runs, best][:, None]
        if np.count_nonzero(tied) == self.n_runs:
            return np.asarray(best)
        lottery = self.rng.random(values.shape, np.float32)
        lottery += tied  # a tied action draws in [1, 2), the others in [0, 1)
        return np.asarray(lottery.argmax(axis=1))

    def recommend(self, observations: ArrayLike, k: int = 1) -> Ids:
        """The ``k`` best actions for states [batch] by the mean table over runs: [batch, k], best first.

        Equal values come in the order of their index, so that the answer is the same every time.
        """
        states = np.atleast_1d(np.asarray(observations, np.int64))
        n_states, n_actions = self.table.shape[1:]
        if not 1 <= k <= n_actions or states.min() < 0 or states.max() >= n_states:
            raise ConfigError(
                f"k is {k} of {n_actions} actions, states {states.tolist()} of {n_states}: out of range"
            )
        values = self.table.mean(axis=0)[states]  # [batch, actions]
        return np.argsort(-values, axis=1, kind="stable")[:, :k]

    # -- keep --------------------------------------------------------------------------------------------
    def save(self, folder: str | Path) -> None:
        """Write the table, the visits, epsilon, the random state and the settings into ``folder``."""
        storage.write_json(Path(folder) / "agent.json", asdict(self.config))
        state = storage.generator_state(self.rng)
        storage.write_arrays(
            Path(folder) / "table.npz",
            table=self.table,
            visits=self.visits,
            epsilon=np.array(self.epsilon),
            rng=state,
        )

    @classmethod
    def load(cls, folder: str | Path) -> QLearning:
        """Read what ``save`` wrote; the next ``train`` gives the same bits as without the detour.

        Raises ``DataError`` for a broken folder.
        """
        settings = storage.read_json(Path(folder) / "agent.json")
        arrays = storage.read_arrays(
            Path(folder) / "table.npz", ("table", "visits", "epsilon", "rng")
        )
        try:
            config = QLearningConfig(**settings)
        except TypeError as error:
            raise DataError(
                f"{folder}: settings of another version ({error}); train the run again"
            ) from None
        n_runs, n_states, n_actions = arrays["table"].shape
        agent = cls(
            n_states,
            n_actions,
            config,
            n_runs=n_runs,
            rng=storage.restore_generator(arrays["rng"]),
        )
        agent.table, agent.visits, agent.epsilon = (
            arrays["table"],
            arrays["visits"],
            float(arrays["epsilon"]),
        )
        return agent
