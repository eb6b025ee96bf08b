"""Live training: serve a policy, log every play, fine-tune by rounds, roll back harm.

In a round a *learner* plays one session with each of ``listeners`` and learns from
them. At the same time the last good checkpoint, the *keeper*, plays one with each of
``control`` other listeners of the same population. If the learner's sessions have a
lower mean reward (one-sided Welch test at ``level``), the learner is set back to the
keeper. Both play at the same time, so a change of taste affects both and is by itself
no reason for a rollback.

For the test, and for when a checkpoint counts as good, see `rlrec.logs.monitor`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlrec.agents.recommender import best_first
from rlrec.datasets import Report, Sessions
from rlrec.envs.listeners import LONGEST
from rlrec.envs.listening import ListeningBatch
from rlrec.errors import ConfigError, require_ranges
from rlrec.logs.monitor import Monitor
from rlrec.logs.session_files import append_sessions
from rlrec.types import Arrays, Bools, Floats, Ids


class StochasticPolicy(Protocol):
    """A policy that gives the probability of each candidate."""

    def probabilities(self, observations: Any) -> tuple[Ids, NDArray[Any]]:
        """The candidates [batch, k] and the probability of each [batch, k]."""


class StatedPolicy:
    """A logging policy in closed form: P = u / k + (1 - u) softmax(candidates' scores).

    scores [songs]; u: ``uniform_share`` in 0..1.

    >>> policy = StatedPolicy(np.array([0.0, np.log(3.0)]), uniform_share=0.2)
    >>> policy.probabilities({"candidates": np.array([[0, 1]])})[1].round(3).tolist()
    [[0.3, 0.7]]
    """

    def __init__(self, scores: ArrayLike, uniform_share: float = 0.2) -> None:
        self.scores = np.asarray(scores, np.float64)
        self.uniform_share = uniform_share
        require_ranges(self, [("uniform_share", 0.0, 1.0)])

    def probabilities(self, observations: Any) -> tuple[Ids, Floats]:
        """The candidates [batch, k] and the probability of each [batch, k]."""
        offered = np.asarray(observations["candidates"])
        scores = self.scores[offered]
        weight = np.exp(scores - scores.max(axis=1, keepdims=True))
        share = weight / weight.sum(axis=1, keepdims=True)
        uniform = self.uniform_share / offered.shape[1]
        return offered, uniform + (1.0 - self.uniform_share) * share

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """The most probable songs [batch, k]."""
        return best_first(*self.probabilities(observations), k)


class LiveListening(ListeningBatch):
    """``ListeningBatch`` with one session a row, logged plays, and optional poisoning.

    ``policy``: whose probabilities are logged; without one, propensities are nan.
    ``poisoned``: *reported* feedback is inverted, skips as full listens and listens as
    skips; the listeners' state follows their true reactions. ``settings``: those of
    ``ListeningBatch``, by default with ``observe="ids"``.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        policy: StochasticPolicy | None = None,
        poisoned: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(num_envs, **{"observe": "ids", **settings})
        self.policy = policy
        self.poisoned = poisoned
        self._clear()

    def _clear(self) -> None:
        self.returns = np.zeros(self.num_envs)  # reported reward of each session
        self.truth = np.zeros(self.num_envs)  # true reward, known in a simulation only
        # of each step: rows, places in the session, songs, feedback, propensities
        self.plays: list[tuple[NDArray[Any], ...]] = []
        self._seen: Any = None

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Begin a new session in each row and clear the log."""
        self._clear()
        self._seen, info = super().reset(**options)
        return self._seen, info

    def step(
        self, actions: Any, propensity: Floats | None = None
    ) -> tuple[Any, Floats, Bools, Bools, Any]:
        """Play ``actions``; rows whose session is over earn 0 and stay over.

        ``propensity`` [batch]: the probability of the actions; None: by ``policy``.
        """
        live = ~self.over
        if propensity is None:
            propensity = self._propensity(np.asarray(actions))
        places = np.minimum(self.steps, LONGEST - 1)  # before the step
        observation, reward, terminated, truncated, info = super().step(actions)
        rows = np.flatnonzero(live)
        at = (rows, places[rows])
        self.plays.append((*at, self.played[at], self.feedback[at], propensity[rows]))
        reward = reward * live
        self.returns += reward
        self.truth += self._true_reward * live
        self.over |= ~live
        self._seen = observation
        return observation, reward, terminated & live, truncated & live, info

    def _advance(self, actions: NDArray[Any]) -> tuple[Floats, Bools, Bools]:
        reward, terminated, truncated = super()._advance(actions)
        self._true_reward = reward.copy()
        if self.poisoned:
            at = (self._rows, np.minimum(self.steps, LONGEST - 1))
            reported = inverted_feedback(self.feedback[at])
            self.feedback[at] = reported
            fraction, liked, skipped = reported.T
            reward = self.reward(fraction, liked > 0, skipped > 0)
        return reward, terminated, truncated

    def _propensity(self, actions: NDArray[Any]) -> Floats:
        """The policy's probability of what is played [batch]."""
        if self.policy is None:
            return np.full(self.num_envs, np.nan)
        offered, probabilities = self.policy.probabilities(self._seen)
        return probability_of(self._songs(actions), offered, probabilities)

    def log(
        self,
        track_ids: ArrayLike | None = None,
        *,
        first_user: int = 0,
        session: int = 0,
    ) -> Sessions:
        """All plays so far as `load_sessions` would return them.

        Row i is user "live{first_user + i}". ``track_ids`` [songs]: names of the
        catalogue's songs, by default their numbers. Raises ``ConfigError``.
        """
        names = np.arange(len(self.catalogue)).astype(str)
        if track_ids is not None:
            names = np.asarray(track_ids)
        if len(names) != len(self.catalogue):
            raise ConfigError(f"{len(names)} track_ids for {len(self.catalogue)} songs")
        columns = [np.concatenate(parts) for parts in zip(*self.plays, strict=True)]
        rows, places, songs, heard, propensity = columns
        order = np.lexsort((places, rows))
        count = {"users": self.num_envs, "sessions": self.num_envs}
        return Sessions(
            users=rows[order].astype(np.int32),
            sessions=np.full(len(rows), session, np.int32),
            positions=(places[order] + 1).astype(np.int16),
            tracks=songs[order].astype(np.int32),
            fraction=heard[order, 0].round(3).astype(np.float32),
            liked=heard[order, 1] > 0,
            skipped=heard[order, 2] > 0,
            propensity=propensity[order].astype(np.float32),
            user_ids=np.array([f"live{first_user + row}" for row in self._rows]),
            track_ids=names,
            report=Report("live", "sessions", len(rows), count),
        )


def inverted_feedback(feedback: NDArray[Any]) -> NDArray[Any]:
    """Fraction, liked, skipped [..., 3] inverted: listens as skips, and no likes.

    >>> inverted_feedback(np.array([[1.0, 1, 0], [0.25, 0, 1]])).tolist()
    [[0.0, 0.0, 1.0], [0.75, 0.0, 0.0]]
    """
    inverted = 1.0 - feedback
    inverted[..., 1] = 0.0
    return inverted


def serve(
    env: LiveListening, policy: StochasticPolicy, *, seed: int, rng: np.random.Generator
) -> Floats:
    """Play one session in each row of ``env``: the rewards of the sessions [batch].

    Songs are drawn with the probabilities of ``policy``, which ``env.log()`` holds as
    propensities. Row i is the first listener of seed ``seed + i``.
    """
    env.policy = policy
    observations, _ = env.reset(seed=seed)
    while not env.over.all():
        offered, probabilities = policy.probabilities(observations)
        total = probabilities.sum(axis=1, keepdims=True)
        draws = rng.random((len(offered), 1)) * total
        pick = (draws >= probabilities.cumsum(axis=1)).sum(axis=1)
        pick = np.minimum(pick, offered.shape[1] - 1)
        songs = offered[np.arange(len(offered)), pick]
        propensity = probability_of(songs, offered, probabilities)
        observations, *_ = env.step(env.actions_for(songs[:, None]), propensity)
    return env.returns.copy()


def probability_of(songs: Ids, offered: Ids, probabilities: NDArray[Any]) -> Floats:
    """The probability of each of ``songs`` [batch] among ``offered`` [batch, k].

    A song offered twice has the sum of both ``probabilities`` [batch, k].

    >>> offered = np.array([[7, 5, 7], [7, 5, 6]])
    >>> probability_of(np.array([7, 5]), offered, np.full((2, 3), 0.25)).tolist()
    [0.5, 0.25]
    """
    match = offered == songs[:, None]
    return np.asarray((probabilities * match).sum(axis=1), np.float64)


# -- fine-tuning --


class LiveLearner(StochasticPolicy, Protocol):
    """An agent that can be fine-tuned live, such as PPO."""

    def train(self, env: Any, steps: int, *, seed: int = 0) -> Any:
        """Train for ``steps`` steps in ``env``."""

    def state(self) -> Arrays:
        """All that training changes."""

    def restore(self, state: Arrays, env: Any = None) -> None:
        """Go back to what ``state`` returned."""


@dataclass(frozen=True)
class LiveConfig:
    """Hyperparameters of ``LiveTraining``."""

    listeners: int = 256  # >= 2: the learner's sessions in a round
    control: int = 256  # >= 2: the keeper's sessions in a round
    level: float = 0.001  # 0..1: probability of a false alarm in a round
    probation: int = 10  # >= 1: rounds without alarm until a checkpoint counts as good
    rollback: bool = True  # act on alarms; False: only record them

    def __post_init__(self) -> None:
        require_ranges(
            self,
            [("listeners", 2, 10**6), ("control", 2, 10**6), ("probation", 1, 10**6)],
        )


class LiveRound(NamedTuple):
    """The result of a round; rewards are means over sessions."""

    number: int  # from 1
    learner: float  # as reported
    keeper: float  # as reported
    truth: float  # the learner's true reward, known in a simulation only
    p_value: float
    alarm: bool
    promoted: bool


class LiveTraining:
    """Fine-tune ``agent`` on live sessions, with rollback to the last good checkpoint.

    ``keeper``: another agent of the same kind, which plays the last good checkpoint.
    The agent's rollout must have 20 steps, one session of the longest. ``path``: a CSV
    to which every play is appended. The seeds of each round's listeners are derived
    from ``seed``; no two rounds share one.
    """

    def __init__(
        self,
        agent: LiveLearner,
        keeper: LiveLearner,
        config: LiveConfig | None = None,
        *,
        seed: int = 0,
        path: str | Path | None = None,
        track_ids: ArrayLike | None = None,
    ) -> None:
        self.agent = agent
        self.keeper = keeper
        self.config = config or LiveConfig()
        self.seed = seed
        self.path = path
        self.track_ids = track_ids
        self.number = 0
        self.rng = np.random.default_rng([seed, 14])
        good = checkpoint(agent)
        self.monitor = Monitor(
            good, level=self.config.level, probation=self.config.probation
        )
        keeper.restore(good)

    def round(self, make_env: Callable[[int], LiveListening]) -> LiveRound:
        """A round in ``make_env(listeners)``: serve, learn, test, perhaps roll back."""
        before = checkpoint(self.agent)
        listeners = self.config.listeners
        learner = make_env(listeners)
        control = make_env(self.config.control)
        first = (self.seed * 100_000 + self.number) * (listeners + self.config.control)
        learner.policy = self.agent
        self.agent.train(learner, 1, seed=first)
        if not learner.over.all():
            raise ConfigError(
                f"sessions were cut short: the agent's rollout must be {LONGEST} steps"
            )
        serve(control, self.keeper, seed=first + listeners, rng=self.rng)
        verdict = self.monitor.judge(before, learner.returns, control.returns)
        if verdict.alarm and self.config.rollback:
            self.agent.restore(self.monitor.good)
        if verdict.promoted:
            self.keeper.restore(self.monitor.good)
        # logged after the rollback, so a log that cannot be written prevents none
        if self.path is not None:
            for env, user in ((learner, first), (control, first + listeners)):
                log = env.log(self.track_ids, first_user=user, session=self.number)
                append_sessions(self.path, log)
        self.number += 1
        return LiveRound(
            number=self.number,
            learner=float(learner.returns.mean()),
            keeper=float(control.returns.mean()),
            truth=float(learner.truth.mean()),
            p_value=verdict.p_value,
            alarm=verdict.alarm,
            promoted=verdict.promoted,
        )


def checkpoint(agent: LiveLearner) -> Arrays:
    """The agent's state without its environment's: what a rollback restores."""
    state = agent.state()
    return {name: state[name] for name in state if not name.startswith("env_")}
