"""Play whole sessions with a policy, and say how sure a mean or a difference is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.agents import Recommender
from rlrec.envs.batch import BatchEnv
from rlrec.errors import ConfigError
from rlrec.types import Bools, Floats


def simulate(
    env: BatchEnv[Any], policy: Recommender, *, seed: int, discount: float = 1.0
) -> Floats:
    """The return of one whole session for each row of ``env``: sum over steps of discount^t reward: [batch].

    Row i plays the first episode of seed ``seed + i``: two policies simulated with one seed meet the same listeners
    with the same luck, so their returns may be compared pair by pair. What this shows: how a policy does with
    *these simulated* listeners. What it can't: that people behave like them.
    """
    total, weight = np.zeros(env.num_envs), 1.0
    for alive, rewards, _ in _session(env, policy, seed):
        total += weight * rewards * alive
        weight *= discount
    return total


@dataclass(frozen=True, eq=False)
class Played:
    """One whole session a listener of ``Listening-v0``, all arrays [steps, batch]; what is not ``alive`` is no play."""

    songs: NDArray[np.int64]  # ids; -1 where not alive
    rewards: Floats
    liked: Bools
    skipped: Bools
    alive: Bools  # False after a session's end

    def returns(self, discount: float = 1.0) -> Floats:
        """Sum over steps of discount^t reward: [batch], as ``simulate``."""
        return np.asarray(
            discount ** np.arange(len(self.rewards)) @ (self.rewards * self.alive)
        )

    def lengths(self) -> Floats:
        """Songs played in each session: [batch]."""
        return np.asarray(self.alive.sum(axis=0), np.float64)

    def heard(self) -> Floats:
        """Songs not skipped in each session: [batch]."""
        return np.asarray((self.alive & ~self.skipped).sum(axis=0), np.float64)

    def first_like(self) -> Floats:
        """The place, from 1, of the first song liked: [batch]; a session without a like counts its length + 1.

        So the mean is a lower bound of what it would be if sessions went on (a censored time); say how many are.
        """
        liked = self.liked & self.alive
        return np.where(
            liked.any(axis=0), liked.argmax(axis=0) + 1.0, self.lengths() + 1.0
        )

    def regret(self, best: Played) -> Floats:
        """Cumulative regret after each step against ``best``, the same seed played by another policy: [steps].

        Mean over listeners of the rewards ``best`` had up to that step, less those had here (Sutton and Barto, 2.10;
        Lattimore and Szepesvari, Bandit Algorithms, 4.1). Against a policy that is not the best it may fall below 0.
        """
        if best.rewards.shape != self.rewards.shape or (best.alive != self.alive).any():
            raise ConfigError(
                "regret compares the same sessions: play both policies in one world, with one seed"
            )
        return np.asarray(
            ((best.rewards - self.rewards) * self.alive).mean(axis=1).cumsum()
        )

    def lists(self) -> NDArray[np.int64]:
        """Each listener's songs as a list for the metrics: [batch, steps], a song's repeats and the end as -1."""
        found = self.songs.T.copy()
        for place in range(1, found.shape[1]):
            found[(found[:, :place] == found[:, place, None]).any(axis=1), place] = -1
        return found


def play(env: BatchEnv[Any], policy: Recommender, *, seed: int) -> Played:
    """One whole session for each row of ``env``, a ``ListeningBatch``: what was played, and how it was received.

    Seeds and luck as in ``simulate``; lists of one song a step (no slates are recorded).
    """
    steps = list(_session(env, policy, seed))
    alive = np.array([one for one, _, _ in steps])
    songs, liked, skipped = (
        np.array([info[name] for _, _, info in steps])
        for name in ("song", "liked", "skipped")
    )
    rewards = np.array([one for _, one, _ in steps])
    return Played(
        np.where(alive, songs, -1),
        rewards * alive,
        liked & alive,
        skipped & alive,
        alive,
    )


def _session(
    env: BatchEnv[Any], policy: Recommender, seed: int
) -> Iterator[tuple[Bools, Floats, dict[str, Any]]]:
    """Who was still there [batch], rewards [batch] and the environment's info, step by step."""
    observations, _ = env.reset(seed=seed)
    alive = np.ones(env.num_envs, np.bool_)
    while alive.any():
        actions = env.actions_for(policy.recommend(observations, env.items_per_action))
        observations, rewards, terminated, truncated, info = env.step(actions)
        yield alive, rewards, info
        alive = alive & ~(terminated | truncated)
