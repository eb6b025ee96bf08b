"""Play whole sessions with a policy, and say how sure a mean or a difference is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlrec.agents import Recommender
from rlrec.envs.batch import BatchEnv
from rlrec.errors import ConfigError

Floats = NDArray[np.float64]


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
    observations, _ = env.reset(seed=seed)
    total, weight = np.zeros(env.num_envs), 1.0
    alive = np.ones(env.num_envs, np.bool_)
    while alive.any():
        actions = env.actions_for(policy.recommend(observations, env.items_per_action))
        observations, rewards, terminated, truncated, _ = env.step(actions)
        total += weight * rewards * alive
        alive &= ~(terminated | truncated)
        weight *= discount
    return total


def bootstrap_interval(values: ArrayLike, *, confidence: float = 0.95, seed: int = 0) -> Interval:
    """The mean of ``values`` [n] (seeds, users; n >= 2) and its bootstrap interval (percentile, 9,999 resamples).

    For a comparison pass the paired differences: if the interval holds 0, the data do not tell the two apart.
    """
    sample = np.asarray(values, np.float64)
    if sample.ndim != 1 or len(sample) < 2 or not np.isfinite(sample).all():
        raise ConfigError(f"an interval needs 2 finite numbers or more in one row; got shape {sample.shape}")
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"confidence is {confidence}; it must lie between 0 and 1")
    from scipy.stats import bootstrap

    found = bootstrap(
        (sample,),
        np.mean,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
        batch=1000,
    ).confidence_interval
    return Interval(float(sample.mean()), float(found.low), float(found.high))
