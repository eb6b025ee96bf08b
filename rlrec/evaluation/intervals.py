"""Few seeds, said honestly: interquartile means, stratified bootstrap, performance profiles, who beats whom.

After Agarwal, Schwarzer, Castro, Courville and Bellemare, "Deep reinforcement learning at the edge of the statistical
precipice", arXiv:2108.13264. Scores are [seeds, worlds]: a world is a setting in which all agents were run; seeds of
one world are exchangeable, worlds are not, so resampling draws seeds within each world (stratified).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rlrec.errors import ConfigError
from rlrec.types import Floats


class Interval(NamedTuple):
    """A mean and the ends of its interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


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
        raise ConfigError(
            f"an interval needs 2 finite numbers or more in one row; got shape {sample.shape}"
        )
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"confidence is {confidence}; it must lie between 0 and 1")
    from scipy.special import stdtrit

    mean, error = float(sample.mean()), float(sample.std(ddof=1)) / len(sample) ** 0.5
    half = float(stdtrit(len(sample) - 1, 0.5 + confidence / 2)) * error
    return Interval(mean, mean - half, mean + half)


EXACT = 12  # up to so many pairs all sign flips are tried


def interquartile_mean(
    scores: ArrayLike, axis: tuple[int, ...] | int | None = None
) -> Floats:
    """The mean of the middle half of all runs: the lowest and the highest quarter are cut off, rounded down.

    Less noisy than the median, less moved by one lucky run than the mean (section 4.2). ``axis``: over which, None all.

    Of eight runs the two lowest and the two highest go: (3 + 4 + 5 + 6) / 4, whatever the best one was.

    >>> float(interquartile_mean([1, 2, 3, 4, 5, 6, 7, 100]))
    4.5
    """
    values = np.asarray(scores, np.float64)
    axes = (
        tuple(range(values.ndim))
        if axis is None
        else (axis,)
        if isinstance(axis, int)
        else axis
    )
    kept = [
        place
        for place in range(values.ndim)
        if place not in {one % values.ndim for one in axes}
    ]
    flat = np.sort(
        values.transpose(*kept, *axes).reshape(
            *[values.shape[place] for place in kept], -1
        ),
        axis=-1,
    )
    cut = flat.shape[-1] // 4
    return np.asarray(flat[..., cut : flat.shape[-1] - cut].mean(axis=-1))


def stratified_interval(
    scores: ArrayLike,
    statistic: Callable[..., Floats] = interquartile_mean,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 2_000,
) -> Interval:
    """``statistic`` of scores [seeds, worlds] and its percentile bootstrap interval, seeds redrawn within each world.

    ``statistic(samples, axis=(1, 2))`` takes [resamples, seeds, worlds]. Raises ``ConfigError`` for fewer than 2 seeds.
    With few seeds (under 10) such intervals are somewhat too narrow; they say nothing of worlds that were not run.
    """
    values = _scores(scores)
    seeds, worlds = values.shape
    drawn = rng.integers(seeds, size=(resamples, seeds, worlds))
    found = statistic(values[drawn, np.arange(worlds)], axis=(1, 2))
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(
        float(statistic(values[None], axis=(1, 2))[0]), float(low), float(high)
    )


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> Floats:
    """The share of all runs that score above each threshold: [thresholds], section 4.3.

    >>> performance_profile([[0.2, 0.9], [0.6, 0.4]], [0.0, 0.5, 1.0]).tolist()
    [1.0, 0.5, 0.0]
    """
    return np.asarray(
        (
            np.asarray(scores, np.float64).ravel()[None]
            > np.asarray(thresholds)[:, None]
        ).mean(axis=1)
    )


def profile_band(
    scores: ArrayLike,
    thresholds: ArrayLike,
    *,
    rng: np.random.Generator,
    resamples: int = 1_000,
) -> tuple[Floats, Floats]:
    """The pointwise 95% band of a performance profile: two arrays [thresholds]."""
    values, bars = _scores(scores), np.asarray(thresholds)
    drawn = rng.integers(len(values), size=(resamples, *values.shape))
    sample = values[drawn, np.arange(values.shape[1])].reshape(resamples, -1)
    above = (sample[:, None, :] > bars[None, :, None]).mean(axis=2)
    low, high = np.quantile(above, [0.025, 0.975], axis=0)
    return np.asarray(low), np.asarray(high)


def probability_of_improvement(scores: ArrayLike, other: ArrayLike) -> float:
    """The chance that a run of the one beats a run of the other in the same world, ties counting half (section 4.3).

        P(X > Y) = mean over worlds of  1 / (n m)  sum_i sum_j  [x_i > y_j] + 1/2 [x_i = y_j]

    ``scores`` [seeds, worlds], ``other`` [its seeds, worlds]. It is Mann and Whitney's U over n m. How often, not by
    how much. Runs are not paired.

    >>> probability_of_improvement([[1.0], [3.0]], [[2.0], [3.0]])  # 1 < 2, 1 < 3, 3 > 2, 3 = 3
    0.375
    """
    mine, theirs = np.asarray(scores, np.float64), np.asarray(other, np.float64)
    if mine.ndim != 2 or theirs.ndim != 2 or mine.shape[1] != theirs.shape[1]:
        raise ConfigError(
            f"scores {mine.shape} and {theirs.shape}: both must be [seeds, worlds], of the same worlds"
        )
    gap = mine[:, None, :] - theirs[None, :, :]
    return float(((gap > 0) + 0.5 * (gap == 0)).mean())


def paired_p_value(
    differences: ArrayLike, *, rng: np.random.Generator, resamples: int = 9_999
) -> float:
    """Two-sided sign-flip test of paired differences [n]: how often chance alone gives a mean so far from 0.

    If neither were better, each difference might as well have the other sign. All 2^n signs are tried for n up to 12,
    else ``resamples`` drawn ones. The least that n pairs can give is 2 / 2^n: .0625 for 5 seeds, .002 for 10.

    >>> paired_p_value([1.0, 2.0, 3.0], rng=np.random.default_rng(0))  # 2 of 8: all plus, all minus
    0.25
    """
    values = np.asarray(differences, np.float64)
    n = len(values)
    if values.ndim != 1 or n < 2 or not np.isfinite(values).all():
        raise ConfigError(
            f"a paired test needs 2 finite differences or more in one row; got shape {values.shape}"
        )
    if n <= EXACT:
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float(
            (np.abs(signs @ values) >= np.abs(values.sum()) * (1 - 1e-12)).mean()
        )
    signs = rng.choice([-1.0, 1.0], size=(resamples, n))
    beyond = (np.abs(signs @ values) >= np.abs(values.sum()) * (1 - 1e-12)).sum()
    return float((beyond + 1) / (resamples + 1))


def normalise(scores: ArrayLike, low: ArrayLike, high: ArrayLike) -> Floats:
    """Scores [seeds, worlds] so that ``low`` [worlds] (random) is 0 and ``high`` [worlds] (the oracle) is 1.

    >>> normalise([[9.0, 4.0]], [8.0, 2.0], [10.0, 6.0]).tolist()
    [[0.5, 0.5]]
    """
    bottom, top = np.asarray(low, np.float64), np.asarray(high, np.float64)
    if (top <= bottom).any():
        raise ConfigError(
            "a world's highest mark must lie above its lowest; is the oracle below random?"
        )
    return np.asarray((np.asarray(scores, np.float64) - bottom) / (top - bottom))


def _scores(scores: ArrayLike) -> Floats:
    values = np.asarray(scores, np.float64)
    if values.ndim != 2 or len(values) < 2 or not np.isfinite(values).all():
        raise ConfigError(
            f"scores must be [seeds, worlds], finite, 2 seeds or more; got shape {values.shape}"
        )
    return values
