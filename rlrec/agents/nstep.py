"""Linear n-step control: the sum of the next few rewards, by ridge regression.

Sutton and Barto (2018), chapter 7 (n-step returns), 9 and 10 (linear values, on-policy
control). With x(s, a) the interactions of a song with the session (18 numbers, see
`rlrec.agents.interactions`):

    G     = r_1 + discount r_2 + ... + discount^(n-1) r_n     up to the session's end
    A     = ridge I + sum x x',   b = sum x G,   w = A^-1 b
    play  the song with the largest x . w; with probability epsilon a random one

First some songs are played at random, and a filter of taste and mood is fitted to those
sessions (`rlrec.agents.listener_filter`): x is what the filter knows. With ``warm_up``
0 there is no filter, and x holds 21 simpler numbers.

Nothing is bootstrapped: the regression never learns from its own values, so the maximum
over noisy values does no harm. ``n = 1`` is the control: the same learner, paid for the
next song alone (a contextual bandit).

Differs from the book: semi-gradient updates give way to least squares over all plays,
refitted after each round. Returns count the rewards of the policy of their time: no
importance weights, and random plays count, too. The n-step return ends after n rewards,
without a value for what follows.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec import storage
from rlrec.agents.interactions import (
    FILTERED_FEATURES,
    LISTENING_FEATURES,
    ListeningSession,
    listening_interactions,
    listening_scores,
    listening_session,
)
from rlrec.agents.listener_filter import ListenerFilter, WholeSessions
from rlrec.agents.recommender import best_unplayed, item_pool, unplayed
from rlrec.agents.schedules import linear_schedule
from rlrec.agents.training import Trainer
from rlrec.envs import Catalogue
from rlrec.envs.batch import BatchEnv
from rlrec.errors import ABOVE_ZERO, FINITE, require_ranges
from rlrec.types import Arrays, Bools, Callback, Floats, Ids


@dataclass(frozen=True)
class PlayConfig:
    """How an agent plays and is paid; a step is one song played to one listener."""

    # >= 1: rewards that a play is paid for; 1: the next one alone, the control
    n: int = 3
    # 0..1: what a reward one song later is worth now; 0 is the control, too
    discount: float = 1.0
    # >= 0: random songs, in whole sessions, that the filter is fitted to; 0: no filter
    warm_up: int = 2048
    # 0..1: probability of a random song, from 1 at the start to this at the end
    epsilon_floor: float = 0.1
    # >= 1 songs over which epsilon falls
    schedule_steps: int = 32_768
    # >= n steps of each environment between two fits
    rollout: int = 32

    def __post_init__(self) -> None:
        require_ranges(
            self,
            [
                ("n", 1, np.inf),
                ("discount", 0.0, 1.0),
                ("warm_up", 0, np.inf),
                ("epsilon_floor", 0.0, 1.0),
                ("schedule_steps", 1, np.inf),
                ("rollout", self.n, np.inf),
            ],
        )


@dataclass(frozen=True)
class NStepConfig(PlayConfig):
    """Hyperparameters of `NStep`."""

    # > 0: strength of the ridge regression's penalty, in plays
    ridge: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_ranges(self, [("ridge", ABOVE_ZERO, FINITE)])


class NStepRound(NamedTuple):
    """The record of one round."""

    step: int  # songs so far
    reward: float  # mean per song
    epsilon: float  # probability of a random song
    steps_per_second: float


def n_step_returns(
    rewards: Floats,
    terminated: Bools,
    truncated: Bools,
    n: int,
    discount: float,
) -> tuple[Floats, Bools]:
    """The n-step return of each step, and where it is known: [T, batch] each.

    A terminated episode pays nothing more. What a truncated one would have paid is
    unknown, as is what comes after the last of the T steps.

    >>> returns, known = n_step_returns(
    ...     np.array([[1.0], [0.0], [1.0]]), *np.zeros((2, 3, 1), bool), 2, 0.5
    ... )
    >>> returns[:, 0].tolist(), known[:, 0].tolist()
    ([1.0, 0.5, 1.0], [True, True, False])
    """
    returns = rewards
    known = np.ones(rewards.shape, np.bool_)
    after = np.zeros((1, rewards.shape[1]))
    for _ in range(n - 1):
        following = np.concatenate([returns[1:], after])
        following_known = np.concatenate([known[1:], after > 0])
        ended = terminated | truncated
        returns = rewards + discount * np.where(ended, 0.0, following)
        known = terminated | (~ended & following_known)
    return returns, known


def n_step_transitions(
    live: Bools,
    rewards: Floats,
    terminated: Bools,
    truncated: Bools,
    n: int,
    discount: float,
) -> tuple[Floats, Floats, Bools]:
    """Steps that span ``n`` songs: returns, over and use, [T - n, batch] each.

    All arguments [T, batch]. ``over``: 1 if the session ended before. ``use``: ``live``
    ones whose return is known. What the last n steps lead to is not seen: left out.
    """
    returns, known = n_step_returns(rewards, terminated, truncated, n, discount)
    over, _ = n_step_returns(terminated.astype(float), terminated, truncated, n, 1.0)
    return returns[:-n], over[:-n], (live & known)[:-n]


class Regression:
    """Ridge regression that adds plays as they come: A [f, f], b [f], w = A^-1 b."""

    def __init__(self, width: int) -> None:
        self.gram: NDArray[Any] = np.zeros((width, width))
        self.moment: NDArray[Any] = np.zeros(width)
        self.weights: NDArray[Any] = np.zeros(width)

    def learn(self, features: Floats, returns: Floats, ridge: float) -> None:
        """Add plays with ``features`` [m, f] and ``returns`` [m]; fit again."""
        self.gram += features.T @ features
        self.moment += features.T @ returns
        penalty = ridge * np.eye(len(self.moment))
        self.weights = np.linalg.solve(self.gram + penalty, self.moment)

    def state(self) -> Arrays:
        """A copy of all three."""
        return {name: array.copy() for name, array in vars(self).items()}

    def restore(self, state: Arrays) -> None:
        """Take over what ``state`` returned."""
        for name in vars(self):
            setattr(self, name, state[name].copy())


class NStep(Trainer):
    """The agent, for ``Listening-v0`` with ``observe="ids"``.

    With candidates it chooses among them, otherwise among all songs of ``catalogue``
    but those just played.
    """

    config_type: type[PlayConfig] = NStepConfig

    def __init__(
        self,
        catalogue: Catalogue,
        config: PlayConfig | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        self.catalogue = catalogue
        self.config = config or self.config_type()
        self.filter: ListenerFilter | None = None
        width = len(LISTENING_FEATURES)
        if self.config.warm_up:
            self.filter = ListenerFilter(catalogue, self.rng)
            width = len(FILTERED_FEATURES)
            self.memory = WholeSessions()
        self.learner: Any = self._learner(width)

    def _learner(self, width: int) -> Any:
        """What gives ``width`` features a value."""
        return Regression(width)

    # -- train -------------------------------------------------------------------------
    def train(
        self,
        env: BatchEnv[Any],
        steps: int,
        *,
        callback: Callback | None = None,
        seed: int = 0,
    ) -> list[NStepRound]:
        """Play and learn for ``steps`` songs; the record of each round.

        ``steps`` is rounded up to whole rounds of ``rollout`` songs to each listener.
        Starts from ``env.reset(seed=seed)``, or continues if ``env`` is the environment
        of the last call. ``callback`` gets each round's record and stops the training
        by returning True.
        """
        size = self.config.rollout * env.num_envs
        return self._rounds(env, -(-steps // size), callback, seed)

    @property
    def epsilon(self) -> float:
        """The probability of a random song now; 1 in the warm-up."""
        if self.memory is not None:
            return 1.0
        return linear_schedule(1.0, self.config.epsilon_floor, self.progress)

    def _parts(self) -> dict[str, Any]:
        """See `Trainer._parts`; the filter is one of them."""
        return super()._parts() | ({"filter_": self.filter} if self.filter else {})

    def _round(self, env: BatchEnv[Any]) -> NStepRound:
        start = time.perf_counter()
        epsilon = self.epsilon
        played = [self._step(env) for _ in range(self.config.rollout)]
        # [T, batch, ...]
        live, *steps = map(np.array, zip(*played, strict=True))
        rewards = steps[1]
        if self.memory is None:
            self._learn(live, *steps)
        else:
            self._warm_up()
        self.step += live.size
        speed = live.size / (time.perf_counter() - start)
        return NStepRound(self.step, float(rewards[live].mean()), epsilon, speed)

    def _learn(
        self,
        live: Bools,
        features: Floats,
        rewards: Floats,
        terminated: Bools,
        truncated: Bools,
    ) -> None:
        """Learn from a round; ``features`` [T, batch, f], the others [T, batch]."""
        returns, known = n_step_returns(
            rewards, terminated, truncated, self.config.n, self.config.discount
        )
        use = live & known
        self.learner.learn(features[use], returns[use], self.config.ridge)

    def _warm_up(self) -> None:
        """Fit the filter, if the sessions so far are enough."""
        sessions = self.memory.state()
        if self.filter and (sessions["history"] >= 0).sum() >= self.config.warm_up:
            self.filter.fit(sessions)
            self.memory = None

    def _step(self, env: BatchEnv[Any]) -> tuple[Any, ...]:
        """Play a song to each listener: live, features, and what the step returned."""
        seen = self._observation
        live = ~env.over  # where an episode had ended, the step starts the next one
        session = self.session(seen)
        songs = self._explore(seen, self._best(seen, session, 1))
        features = self._features(seen, session, songs)
        played = env.step(env.actions_for(songs))
        self._observation, rewards, terminated, truncated, _ = played
        if self.memory is not None:
            self.memory.add(self._observation, terminated | truncated)
        return live, features, rewards, terminated, truncated

    def _features(self, _: Any, session: ListeningSession, songs: Ids) -> Floats:
        """What is learned from: features [batch, f] of the ``songs`` [batch, 1]."""
        return listening_interactions(self.catalogue, session, songs)[:, 0]

    def _explore(self, observations: Any, songs: Ids) -> Ids:
        """``songs`` [batch, 1], each replaced by a random one with P = epsilon."""
        pool = item_pool(observations, len(self.catalogue))
        noise = unplayed(observations, pool, self.rng.random(pool.shape))
        drawn = np.take_along_axis(pool, noise.argmax(axis=1)[:, None], axis=1)
        return np.where(self.rng.random(songs.shape) < self.epsilon, drawn, songs)

    # -- decide ------------------------------------------------------------------------
    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """The ``k`` songs with the largest expected returns: [batch, k], best first."""
        return self._best(observations, self.session(observations), k)

    def _best(self, observations: Any, session: ListeningSession, k: int) -> Ids:
        pool = item_pool(observations, len(self.catalogue))
        offered = pool if "candidates" in observations else None
        values = self.values(session, offered)
        return best_unplayed(observations, pool, values, k)

    def values(self, session: ListeningSession, pool: Ids | None = None) -> Floats:
        """The expected return of each song of ``pool`` [batch, m], or of all songs."""
        return listening_scores(self.catalogue, session, self.learner.weights, pool)

    def session(self, observations: Any) -> ListeningSession:
        """What the agent reads in ``observations``."""
        return listening_session(self.catalogue, observations, self.filter)

    # -- save and load -----------------------------------------------------------------
    def save(self, folder: str | Path) -> None:
        """Write the settings, the songs and ``state()`` into ``folder``."""
        storage.write_json(Path(folder) / "agent.json", {"config": asdict(self.config)})
        arrays = {**vars(self.catalogue), **self.state()}
        storage.write_arrays(Path(folder) / "agent.npz", **arrays)

    @classmethod
    def load(cls, folder: str | Path, env: BatchEnv[Any] | None = None) -> NStep:
        """Read what ``save`` wrote, to continue training in ``env`` if given.

        Raises ``DataError`` for a broken folder.
        """
        settings = storage.read_json(Path(folder) / "agent.json")
        arrays = storage.read_arrays(Path(folder) / "agent.npz")
        with storage.whole(folder):
            songs = {one.name: arrays[one.name] for one in fields(Catalogue)}
            agent = cls(Catalogue(**songs), cls.config_type(**settings["config"]))
        agent.restore(arrays, env)
        return agent

    def restore(self, state: Arrays, env: BatchEnv[Any] | None = None) -> None:
        """Continue from ``state()``: bit-identical in a new, equal environment."""
        if state["step"] > 0 and "memory_history" not in state:
            self.memory = None  # the warm-up is over
        super().restore(state, env)
