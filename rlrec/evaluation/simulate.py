"""Play whole sessions with a policy, and say how sure a mean or a difference is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlrec.agents import Recommender
from rlrec.envs.batch import BatchEnv
from rlrec.errors import ConfigError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Interval(NamedTuple):
    """A mean and the ends of its interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


def simulate(env: BatchEnv[Any], policy: Recommender, *, seed: int, discount: float = 1.0) -> Floats:
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
        return np.asarray(discount ** np.arange(len(self.rewards)) @ (self.rewards * self.alive))

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
        return np.where(liked.any(axis=0), liked.argmax(axis=0) + 1.0, self.lengths() + 1.0)

    def regret(self, best: Played) -> Floats:
        """Cumulative regret after each step against ``best``, the same seed played by another policy: [steps].

        Mean over listeners of the rewards ``best`` had up to that step, less those had here (Sutton and Barto, 2.10;
        Lattimore and Szepesvari, Bandit Algorithms, 4.1). Against a policy that is not the best it may fall below 0.
        """
        if best.rewards.shape != self.rewards.shape or (best.alive != self.alive).any():
            raise ConfigError("regret compares the same sessions: play both policies in one world, with one seed")
        return np.asarray(((best.rewards - self.rewards) * self.alive).mean(axis=1).cumsum())

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
    songs, liked, skipped = (np.array([info[name] for _, _, info in steps]) for name in ("song", "liked", "skipped"))
    rewards = np.array([one for _, one, _ in steps])
    return Played(np.where(alive, songs, -1), rewards * alive, liked & alive, skipped & alive, alive)


def _session(env: BatchEnv[Any], policy: Recommender, seed: int) -> Iterator[tuple[Bools, Floats, dict[str, Any]]]:
    """Who was still there [batch], rewards [batch] and the environment's info, step by step."""
    observations, _ = env.reset(seed=seed)
    alive = np.ones(env.num_envs, np.bool_)
    while alive.any():
        actions = env.actions_for(policy.recommend(observations, env.items_per_action))
        observations, rewards, terminated, truncated, info = env.step(actions)
        yield alive, rewards, info
        alive = alive & ~(terminated | truncated)


def mean_interval(values: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """The mean of ``values`` [n] (one a seed, or one a listener; n >= 2) and its interval by Student's t.

    ``mean +- t s / sqrt(n)``: s is the standard deviation, its divisor n - 1, and t the quantile
    ``(1 + confidence) / 2`` of Student's distribution with n - 1 degrees of freedom: 2.78 for five values, near 1.96
    for many. For a comparison pass the paired differences: if the interval holds 0, the data don't tell the two apart.

    Not the percentile bootstrap, which takes the spread of few values for the true one, and that is too small: where it
    promises 95%, it holds the mean of normal values in 84% of cases with five, 90% with ten, 94% with thirty; Student's
    t in 95% with any number. Few values far from normal (one run in five collapsed) deserve trust with neither.

    By hand: of 1, 2, 3, 4, 5 the mean is 3, s^2 = 10 / 4, s / sqrt(5) = 0.707, and 2.776 times that is 1.96.

    >>> print(mean_interval([1, 2, 3, 4, 5]))
    3.00 [1.04, 4.96]

    ``ConfigError``: fewer than 2 values, not one row, not finite; confidence not between 0 and 1. Student (1908), "The
    probable error of a mean".
    """
    sample = np.asarray(values, np.float64)
    if sample.ndim != 1 or len(sample) < 2 or not np.isfinite(sample).all():
        raise ConfigError(f"an interval needs 2 finite numbers or more in one row; got shape {sample.shape}")
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"confidence is {confidence}; it must lie between 0 and 1")
    from scipy.special import stdtrit

    mean, error = float(sample.mean()), float(sample.std(ddof=1)) / len(sample) ** 0.5
    half = float(stdtrit(len(sample) - 1, 0.5 + confidence / 2)) * error
    return Interval(mean, mean - half, mean + half)
