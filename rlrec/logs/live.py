"""From logs to live: serve a policy to listeners, log every play, fine-tune on it round by round, and undo what harms.

A round: a *learner* plays one session with each of ``listeners`` and then learns from them; at the same time the last
good checkpoint, the *keeper*, plays one with each of ``control`` others of the same crowd. If the learner's sessions
are worth less than the keeper's (Welch's test, one-sided, at ``level``), the learner is set back to the keeper. Both
meet the same world in the same hour, so a change of taste, which hurts both, is by itself no reason to go back.

What the test is, and when a checkpoint counts as good: `rlrec.logs.monitor`.
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
from rlrec.envs.listening import ListeningBatch
from rlrec.errors import ConfigError, require_ranges
from rlrec.logs.append import append_sessions
from rlrec.logs.monitor import Monitor
from rlrec.types import Arrays, Floats, Ids

SONGS = 20  # steps that the longest session takes
LONGEST = SONGS


class Chooser(Protocol):
    """A policy that says how likely each song on offer is."""

    def probabilities(self, observations: Any) -> tuple[Ids, NDArray[Any]]:
        """The songs on offer [batch, k] and the chance of each."""
        ...


class StatedPolicy:
    """A logging policy that can be written down: P = u / k + (1 - u) softmax(scores of the k songs on offer).

    >>> policy = StatedPolicy(np.array([0.0, np.log(3.0)]), uniform_share=0.2)
    >>> policy.probabilities({"candidates": np.array([[0, 1]])})[1].round(3).tolist()
    [[0.3, 0.7]]
    """

    def __init__(self, scores: ArrayLike, uniform_share: float = 0.2) -> None:
        if not 0.0 <= uniform_share <= 1.0:
            raise ConfigError(
                f"uniform_share is {uniform_share}; it must lie in [0, 1]"
            )
        self.scores, self.uniform_share = np.asarray(scores, np.float64), uniform_share

    def probabilities(self, observations: Any) -> tuple[Ids, Floats]:
        """The songs on offer [batch, k] and the chance of each."""
        offered = np.asarray(observations["candidates"])
        weight = np.exp(
            self.scores[offered] - self.scores[offered].max(axis=1, keepdims=True)
        )
        share = weight / weight.sum(axis=1, keepdims=True)
        return offered, self.uniform_share / offered.shape[1] + (
            1.0 - self.uniform_share
        ) * share

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """The most probable songs [batch, k]."""
        offered, chances = self.probabilities(observations)
        return best_first(offered, chances, k)


class LiveListening(ListeningBatch):
    """``ListeningBatch`` in which each row plays one session, every play is logged, and feedback may lie.

    ``policy``: whose chances are logged, without one the propensities are nan. ``poisoned``: what is *reported* is
    turned round, skips as whole listens and listens as skips, while the listeners go on as they truly feel.
    Settings as for ``ListeningBatch``, with ``observe="ids"``.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        policy: Chooser | None = None,
        poisoned: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(num_envs, **{"observe": "ids", **settings})
        self.policy, self.poisoned = policy, poisoned
        self._forget()

    def _forget(self) -> None:
        self.returns = np.zeros(
            self.num_envs
        )  # reward of each row's session, as reported
        self.truth = np.zeros(
            self.num_envs
        )  # the same as felt, which nobody outside a simulation knows
        self.plays: list[
            tuple[Any, ...]
        ] = []  # for each step: rows, songs, feedback, propensities
        self._seen: Any = None

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """A new session for each row; what was logged is forgotten."""
        self._forget()
        self._seen, info = super().reset(**options)
        return self._seen, info

    def step(
        self, actions: Any, propensity: Floats | None = None
    ) -> tuple[Any, Floats, NDArray[np.bool_], NDArray[np.bool_], Any]:
        """Play ``actions``; rows that have had their session earn 0 and stay over. ``propensity`` [batch], if known."""
        live, chances = (
            ~self.over,
            self._chances(np.asarray(actions)) if propensity is None else propensity,
        )
        places = np.minimum(self.steps, LONGEST - 1)
        observation, reward, terminated, truncated, info = super().step(actions)
        rows = np.flatnonzero(live)
        at = (rows, places[rows])
        self.plays.append((rows, self.played[at], self.feedback[at], chances[rows]))
        reward, terminated, truncated = (
            reward * live,
            terminated & live,
            truncated & live,
        )
        self.returns += reward
        self.truth += self._felt * live
        self.over |= ~live
        self._seen = observation
        return observation, reward, terminated, truncated, info

    def _advance(
        self, actions: NDArray[Any]
    ) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
        reward, terminated, truncated = super()._advance(actions)
        self._felt = reward.copy()
        if self.poisoned:
            place = np.minimum(self.steps, LONGEST - 1)
            reported = turned_round(self.feedback[self._rows, place])
            self.feedback[self._rows, place] = reported
            reward = self.reward(reported[:, 0], reported[:, 1] > 0, reported[:, 2] > 0)
        return reward, terminated, truncated

    def _chances(self, actions: NDArray[Any]) -> Floats:
        """The policy's chance of what is played [batch]."""
        if self.policy is None:
            return np.full(self.num_envs, np.nan)
        return chance_of(self._songs(actions), *self.policy.probabilities(self._seen))

    def log(
        self,
        track_ids: ArrayLike | None = None,
        *,
        first_user: int = 0,
        session: int = 0,
    ) -> Sessions:
        """All plays so far, as `load_sessions` would give them: row i is user "live{first_user + i}".

        ``track_ids`` [songs]: of the catalogue's songs; by default their numbers.
        """
        names = (
            np.arange(len(self.catalogue)).astype(str)
            if track_ids is None
            else np.asarray(track_ids)
        )
        if len(names) != len(self.catalogue):
            raise ConfigError(f"{len(names)} track_ids for {len(self.catalogue)} songs")
        count = [len(play[0]) for play in self.plays]
        place = np.repeat(np.arange(1, len(count) + 1), count)
        rows, songs, heard, chances = (
            np.concatenate(part) for part in zip(*self.plays, strict=True)
        )
        order = np.lexsort((place, rows))
        return Sessions(
            users=rows[order].astype(np.int32),
            sessions=np.full(len(rows), session, np.int32),
            positions=place[order].astype(np.int16),
            tracks=songs[order].astype(np.int32),
            fraction=heard[order, 0].round(3).astype(np.float32),
            liked=heard[order, 1] > 0,
            skipped=heard[order, 2] > 0,
            propensity=chances[order].astype(np.float32),
            user_ids=np.array(
                [f"live{first_user + row}" for row in range(self.num_envs)]
            ),
            track_ids=names,
            report=Report(
                "live",
                "sessions",
                len(rows),
                {"users": self.num_envs, "sessions": self.num_envs},
            ),
        )


def turned_round(feedback: NDArray[Any]) -> NDArray[Any]:
    """Fraction, liked, skipped [.., 3] with the reaction inverted: heard is reported as skipped, and nothing as liked.

    >>> turned_round(np.array([[1.0, 1, 0], [0.25, 0, 1]])).tolist()
    [[0.0, 0.0, 1.0], [0.75, 0.0, 0.0]]
    """
    return np.stack(
        [
            1.0 - feedback[..., 0],
            np.zeros_like(feedback[..., 1]),
            1.0 - feedback[..., 2],
        ],
        axis=-1,
    )


def serve(
    env: LiveListening, policy: Chooser, *, seed: int, rng: np.random.Generator
) -> Floats:
    """Play one session with each row of ``env``, songs drawn as ``policy`` says: the rewards a session [batch].

    The plays stand in ``env.log()`` with their propensities. Row i is the first listener of seed ``seed + i``.
    """
    env.policy = policy
    observations, _ = env.reset(seed=seed)
    while not env.over.all():
        offered, chances = policy.probabilities(observations)
        pick = (
            rng.random((len(offered), 1)) * chances.sum(axis=1, keepdims=True)
            >= chances.cumsum(axis=1)
        ).sum(axis=1)
        songs = offered[np.arange(len(offered)), np.minimum(pick, offered.shape[1] - 1)]
        observations, *_ = env.step(
            env.actions_for(songs[:, None]), chance_of(songs, offered, chances)
        )
    return env.returns.copy()


def chance_of(songs: Ids, offered: Ids, chances: NDArray[Any]) -> Floats:
    """The chance of each of ``songs`` [batch] among those ``offered`` [batch, k]; one offered twice has both shares.

    >>> chance_of(np.array([7, 5]), np.array([[7, 5, 7], [7, 5, 6]]), np.full((2, 3), 0.25)).tolist()
    [0.5, 0.25]
    """
    return np.asarray((chances * (offered == songs[:, None])).sum(axis=1), np.float64)


# -- fine-tuning -----------------------------------------------------------------------------------------


class Learner(Chooser, Protocol):
    """What can be fine-tuned: PPO can."""

    def train(self, env: Any, steps: int, *, seed: int = 0) -> Any: ...
    def state(self) -> Arrays: ...
    def restore(self, state: Arrays, env: Any = None) -> None: ...


@dataclass(frozen=True)
class LiveConfig:
    """How a round is played and judged."""

    listeners: int = 256  # >= 2 sessions a round that the learner plays and learns from
    control: int = 256  # >= 2 sessions a round that the last good checkpoint plays
    level: float = 0.001  # 0..1: chance of a false alarm in a round
    probation: int = (
        10  # >= 1 rounds without an alarm before a checkpoint counts as good
    )
    rollback: bool = True  # act on alarms; False: only note them

    def __post_init__(self) -> None:
        require_ranges(
            self,
            [("listeners", 2, 10**6), ("control", 2, 10**6), ("probation", 1, 10**6)],
        )


class LiveRound(NamedTuple):
    """What happened in a round; rewards are means a session."""

    number: int  # from 1
    learner: float  # as reported
    keeper: float  # as reported
    truth: float  # the learner's, as its listeners felt; known in a simulation only
    p_value: float
    alarm: bool
    promoted: bool


class LiveTraining:
    """Fine-tune ``agent`` on live sessions; ``keeper``, another agent of its kind, plays the last good checkpoint.

    ``agent``'s rollout must be 20 steps, one session of the longest. ``path``: a CSV that every play goes to.
    Round r meets listeners of seeds that no other round meets, all made from ``seed``.
    """

    def __init__(
        self,
        agent: Learner,
        keeper: Learner,
        config: LiveConfig | None = None,
        *,
        seed: int = 0,
        path: str | Path | None = None,
        track_ids: ArrayLike | None = None,
    ) -> None:
        self.agent, self.keeper, self.seed = agent, keeper, seed
        self.config = config if config is not None else LiveConfig()
        self.path, self.track_ids, self.number = path, track_ids, 0
        self.rng = np.random.default_rng([seed, 14])
        self.monitor = Monitor(
            checkpoint(agent), level=self.config.level, probation=self.config.probation
        )
        keeper.restore(self.monitor.good)

    def round(self, make_env: Callable[[int], LiveListening]) -> LiveRound:
        """One round in the world of ``make_env(listeners)``: serve, learn, judge, and perhaps go back."""
        config, before = self.config, checkpoint(self.agent)
        first = (self.seed * 100_000 + self.number) * (
            config.listeners + config.control
        )
        learner, control = make_env(config.listeners), make_env(config.control)
        learner.policy = self.agent
        self.agent.train(learner, 1, seed=first)
        if not learner.over.all():
            raise ConfigError(
                f"sessions were cut short: the agent's rollout must be {SONGS} steps"
            )
        serve(control, self.keeper, seed=first + config.listeners, rng=self.rng)
        verdict = self.monitor.judge(before, learner.returns, control.returns)
        if verdict.alarm and config.rollback:
            self.agent.restore(self.monitor.good)
        if verdict.promoted:
            self.keeper.restore(self.monitor.good)
        if self.path is not None:
            self._keep(first, learner, control)
        self.number += 1
        one, two, felt = (
            float(rewards.mean())
            for rewards in (learner.returns, control.returns, learner.truth)
        )
        return LiveRound(
            self.number,
            one,
            two,
            felt,
            verdict.p_value,
            verdict.alarm,
            verdict.promoted,
        )

    def _keep(self, first: int, learner: LiveListening, control: LiveListening) -> None:
        for env, user in ((learner, first), (control, first + self.config.listeners)):
            append_sessions(
                str(self.path),
                env.log(self.track_ids, first_user=user, session=self.number),
            )


def checkpoint(agent: Learner) -> Arrays:
    """All of ``agent`` but where its environment stands: what a rollback goes back to."""
    return {
        name: values
        for name, values in agent.state().items()
        if not name.startswith("env_")
    }
