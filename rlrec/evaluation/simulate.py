"""Play whole sessions with a policy: its returns, or everything that was played."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlrec.agents import Recommender
from rlrec.envs.batch import BatchEnv
from rlrec.errors import ConfigError
from rlrec.types import Arrays, Bools, Floats, Ids


def simulate(
    env: BatchEnv[Any],
    policy: Recommender,
    *,
    seed: int,
    discount: float = 1.0,
) -> Floats:
    """The return of one whole session for each row of ``env``: [batch].

        return = sum over steps t of discount^t reward_t

    Row i plays the first episode of seed ``seed + i``. Two policies simulated with the
    same seed meet the same listeners with the same random numbers, so returns may be
    compared in pairs. No simulated return shows how people would behave.
    """
    total = np.zeros(env.num_envs)
    weight = 1.0
    for alive, rewards, _, _ in session_steps(env, policy, seed=seed):
        total += weight * rewards * alive
        weight *= discount
    return total


@dataclass(frozen=True, eq=False)
class Played:
    """One whole session of each listener of ``Listening-v0``: arrays [steps, batch].

    ``alive`` is False after a session's end; the entries there are padding.
    """

    songs: Ids  # -1 where not alive
    rewards: Floats
    liked: Bools
    skipped: Bools
    alive: Bools

    def returns(self, discount: float = 1.0) -> Floats:
        """Sum over steps t of discount^t reward_t: [batch], as `simulate`."""
        weights = discount ** np.arange(len(self.rewards))
        return np.asarray(weights @ (self.rewards * self.alive))

    def lengths(self) -> Floats:
        """Songs played in each session: [batch]."""
        return np.asarray(self.alive.sum(axis=0), float)

    def heard(self) -> Floats:
        """Songs not skipped in each session: [batch]."""
        heard = self.alive & ~self.skipped
        return np.asarray(heard.sum(axis=0), float)

    def first_like(self) -> Floats:
        """The position, from 1, of the first song liked: [batch].

        A session without a like counts as its length + 1: its time is censored. The
        mean is then a lower bound, so report how many sessions are censored.
        """
        liked = self.liked & self.alive
        place = np.where(liked.any(axis=0), liked.argmax(axis=0), self.lengths())
        return place + 1.0

    def regret(self, best: Played) -> Floats:
        """Cumulative regret after each step compared with ``best``: [steps].

        It is the mean over listeners of the rewards of ``best`` up to that step, minus
        the rewards here (Sutton and Barto, 2.10; Lattimore and Szepesvari, Bandit
        Algorithms, 4.1). It may fall below 0 if ``best`` is not the best policy. Raises
        ``ConfigError`` unless ``best`` plays the same seed.
        """
        if not np.array_equal(best.alive, self.alive):
            raise ConfigError(
                "regret compares the same sessions: play both policies with one seed"
            )
        gap = (best.rewards - self.rewards) * self.alive
        return np.asarray(gap.mean(axis=1).cumsum())

    def lists(self) -> Ids:
        """Each listener's songs [batch, steps], for ranking metrics; repeats are -1."""
        found = self.songs.T.copy()
        for place in range(1, found.shape[1]):
            same = found[:, :place] == found[:, place, None]
            repeated = same.any(axis=1)
            found[repeated, place] = -1
        return found


def play(env: BatchEnv[Any], policy: Recommender, *, seed: int) -> Played:
    """One whole session for each row of ``env``, a ``ListeningBatch``.

    Seeds as in `simulate`. A step records one song; from a slate, the one picked.
    """
    alive, rewards, _, infos = zip(*session_steps(env, policy, seed=seed), strict=True)
    present = np.array(alive)
    songs = np.array([info["song"] for info in infos])
    liked = np.array([info["liked"] for info in infos])
    skipped = np.array([info["skipped"] for info in infos])
    return Played(
        np.where(present, songs, -1),
        np.array(rewards) * present,
        liked & present,
        skipped & present,
        present,
    )


def session_steps(
    env: BatchEnv[Any],
    policy: Recommender,
    *,
    seed: int,
) -> Iterator[tuple[Bools, Floats, Bools, Arrays]]:
    """Play one whole session for each row of ``env``. Seeds as in `simulate`.

    Each step yields whether the rows' sessions still run, rewards, terminated: [batch]
    each; and info. Ignore a row after its session: it has begun another.
    """
    observations, _ = env.reset(seed=seed)
    alive = np.ones(env.num_envs, np.bool_)
    while alive.any():
        actions = env.actions_for(policy.recommend(observations, env.items_per_action))
        observations, rewards, terminated, truncated, info = env.step(actions)
        yield alive, rewards, terminated, info
        alive = alive & ~(terminated | truncated)
