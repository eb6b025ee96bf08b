"""Intervals and tests for few seeds or many listeners.

`mean_interval` is the one most lessons use: a mean and its interval by Student's t. The
rest follows Agarwal, Schwarzer, Castro, Courville and Bellemare, "Deep reinforcement
learning at the edge of the statistical precipice", arXiv:2108.13264: interquartile
means, stratified bootstrap intervals, performance profiles and the probability of
improvement. Scores there are [seeds, worlds]; a world is a setting in which all agents
were run. Seeds of one world are exchangeable and worlds are not, so the bootstrap draws
seeds within each world (stratified).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rlrec.errors import ConfigError
from rlrec.types import Floats

EXACT = 12  # up to this many pairs all sign flips are tried


class Interval(NamedTuple):
    """A mean and the ends of its interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


def mean_interval(values: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """The mean of ``values`` [n] and its interval by Student's t.

        mean +- t s / sqrt(n)

    ``values``: one a seed, or one a listener; n >= 2. s is their standard deviation
    (divisor n - 1), and t the quantile ``(1 + confidence) / 2`` of Student's
    distribution with n - 1 degrees of freedom: 2.78 for five values, near 1.96 for
    many. For a comparison pass the paired differences: if the interval holds 0, the
    data don't tell the two apart.

    The percentile bootstrap is not used here. It takes the spread of few values for the
    true one, and that is too small: a 95% interval of it holds the mean of normal
    values in 84% of cases with five values, 90% with ten, 94% with thirty; Student's t
    in 95% with any number. Neither is reliable for few values far from normal, such as
    one collapsed run in five.

    By hand: of 1, 2, 3, 4, 5 the mean is 3, s^2 = 10 / 4, s / sqrt(5) = 0.707, and
    2.776 times that is 1.96.

    >>> print(mean_interval([1, 2, 3, 4, 5]))
    3.00 [1.04, 4.96]

    Raises ``ConfigError`` for fewer than 2 values, another shape, values that are not
    finite, or a confidence outside (0, 1). Student (1908), "The probable error of a
    mean".
    """
    from scipy.special import stdtrit

    sample = _sample(values)
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"confidence is {confidence}; it must lie between 0 and 1")
    mean = float(sample.mean())
    error = float(sample.std(ddof=1)) / len(sample) ** 0.5
    quantile = float(stdtrit(len(sample) - 1, 0.5 + confidence / 2))
    half = quantile * error
    return Interval(mean, mean - half, mean + half)


def crossed_interval(values: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """The mean of values [seeds, users] and an interval over both.

        half^2 = half_of_seeds^2 + half_of_users^2

    Another training would have had other seeds, another sample other users. Each half
    is that of `mean_interval`: of the means of the seeds, and of the means of the
    users, who are the same for all seeds. What is left of a value beside its seed and
    its user is counted twice, so the interval is somewhat too wide.

    By hand: both seeds of [[1, 2], [3, 4]] and both users differ by 2 and by 1; 12.7
    times 2 / 2 and 12.7 times 1 / 2 give 12.7 and 6.4, together 14.2.

    >>> print(crossed_interval([[1, 2], [3, 4]]))
    2.50 [-11.71, 16.71]

    Raises ``ConfigError`` as `mean_interval` does.
    """
    table = np.asarray(values, float)
    if table.ndim != 2:
        raise ConfigError(f"values must be [seeds, users]; got shape {table.shape}")
    over_seeds = mean_interval(table.mean(axis=1), confidence=confidence)
    over_users = mean_interval(table.mean(axis=0), confidence=confidence)
    half = np.hypot(
        over_seeds.high - over_seeds.mean, over_users.high - over_users.mean
    )
    return Interval(over_seeds.mean, over_seeds.mean - half, over_seeds.mean + half)


def interquartile_mean(
    scores: ArrayLike,
    axis: tuple[int, ...] | int | None = None,
) -> Floats:
    """The mean of the middle half; the lowest and the highest quarter are cut off.

    A quarter is rounded down. It is less noisy than the median, and one extreme run
    moves it less than the mean (section 4.3). ``axis``: where to average, None for all.

    Of eight runs the two lowest and the two highest go: (3 + 4 + 5 + 6) / 4, whatever
    the best one was.

    >>> float(interquartile_mean([1, 2, 3, 4, 5, 6, 7, 100]))
    4.5
    """
    values = np.asarray(scores, float)
    if axis is None:
        axis = tuple(range(values.ndim))
    axes = np.atleast_1d(axis)
    last = np.moveaxis(values, axes, np.arange(-len(axes), 0))
    kept = last.shape[: values.ndim - len(axes)]
    flat = np.sort(last.reshape(*kept, -1), axis=-1)
    count = flat.shape[-1]
    cut = count // 4
    middle = flat[..., cut : count - cut]
    return np.asarray(middle.mean(axis=-1))


def stratified_interval(
    scores: ArrayLike,
    statistic: Callable[..., Floats] = interquartile_mean,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 2_000,
) -> Interval:
    """``statistic`` of scores [seeds, worlds] and its percentile bootstrap interval.

    Seeds are drawn again within each world. ``statistic(samples, axis=(1, 2))`` takes
    [resamples, seeds, worlds]. Raises ``ConfigError`` for fewer than 2 seeds. With
    fewer than 10 seeds such intervals are somewhat too narrow. They say nothing about
    worlds that were not run. A performance profile (section 4.2) and its pointwise band
    are those of ``scores > threshold`` with `np.mean`, for each threshold.
    """
    values = _scores(scores)
    seeds, worlds = values.shape
    drawn = rng.integers(seeds, size=(resamples, seeds, worlds))
    found = statistic(values[drawn, np.arange(worlds)], axis=(1, 2))
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(found, ends)
    mean = statistic(values[None], axis=(1, 2))[0]
    return Interval(float(mean), float(low), float(high))


def probability_of_improvement(scores: ArrayLike, other: ArrayLike) -> float:
    """The probability that a run of one agent beats a run of the other (section 4.3).

        P(X > Y) = 1 / (n m) sum_i sum_j ([x_i > y_j] + 1/2 [x_i = y_j])

    This is the mean over worlds; a tie counts half. It says how often one beats the
    other, not by how much; runs are not paired. In one world it is Mann and Whitney's U
    over n m. ``scores`` [n, worlds], ``other`` [m, worlds]. Raises ``ConfigError`` for
    other shapes.

    >>> probability_of_improvement([[1.0], [3.0]], [[2.0], [3.0]])
    0.375

    Of four pairs 3 > 2 counts 1 and 3 = 3 counts 1/2.
    """
    mine = np.asarray(scores, float)
    theirs = np.asarray(other, float)
    if mine.ndim != 2 or theirs.ndim != 2 or mine.shape[1] != theirs.shape[1]:
        raise ConfigError(
            f"scores {mine.shape} and {theirs.shape}: both must be [seeds, worlds], "
            "of the same worlds"
        )
    gap = mine[:, None, :] - theirs[None, :, :]
    return float(((gap > 0) + 0.5 * (gap == 0)).mean())


def paired_p_value(
    differences: ArrayLike,
    *,
    rng: np.random.Generator,
    resamples: int = 9_999,
) -> float:
    """The p-value of a two-sided sign-flip test of paired ``differences`` [n].

    It is the probability of a mean so far from 0 if neither agent were better, because
    then each difference might as well have the other sign. All 2^n signs are tried for
    n up to 12, else ``resamples`` random ones. The smallest value for n pairs is
    2 / 2^n: .0625 for 5 seeds, .002 for 10. Raises ``ConfigError`` for fewer than 2.

    Two of eight signs reach the mean of 1, 2, 3: all plus and all minus.

    >>> paired_p_value([1.0, 2.0, 3.0], rng=np.random.default_rng(0))
    0.25
    """
    values = _sample(differences)
    n = len(values)
    if n <= EXACT:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1  # [2^n, n]
        signs = 1.0 - 2.0 * bits
    else:
        signs = rng.choice([-1.0, 1.0], size=(resamples, n))
    limit = np.abs(values.sum()) * (1 - 1e-12)
    beyond = np.abs(signs @ values) >= limit
    if n <= EXACT:
        return float(beyond.mean())
    return float((beyond.sum() + 1) / (resamples + 1))


def normalise(scores: ArrayLike, low: ArrayLike, high: ArrayLike) -> Floats:
    """Scores [seeds, worlds] scaled so that ``low`` is 0 and ``high`` is 1.

    ``low`` [worlds]: usually random; ``high`` [worlds]: usually the oracle. Raises
    ``ConfigError`` where ``high`` is not above ``low``.

    >>> normalise([[9.0, 4.0]], [8.0, 2.0], [10.0, 6.0]).tolist()
    [[0.5, 0.5]]
    """
    bottom = np.asarray(low, float)
    spread = np.asarray(high, float) - bottom
    if (spread <= 0).any():
        raise ConfigError(
            "the highest reference of a world must lie above its lowest; "
            "is the oracle below random?"
        )
    return np.asarray((np.asarray(scores, float) - bottom) / spread)


def _sample(values: ArrayLike) -> Floats:
    """Values [n], finite, n >= 2."""
    sample = np.asarray(values, float)
    if sample.ndim != 1 or len(sample) < 2 or not np.isfinite(sample).all():
        raise ConfigError(
            "an interval or a paired test needs 2 finite numbers or more in one row; "
            f"got shape {sample.shape}"
        )
    return sample


def _scores(scores: ArrayLike) -> Floats:
    """Scores [seeds, worlds], finite, 2 seeds or more."""
    values = np.asarray(scores, float)
    if values.ndim != 2 or len(values) < 2 or not np.isfinite(values).all():
        raise ConfigError(
            "scores must be [seeds, worlds], finite, 2 seeds or more; "
            f"got shape {values.shape}"
        )
    return values
