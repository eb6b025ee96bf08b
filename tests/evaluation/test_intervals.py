"""Statistics of few seeds: by hand, beside SciPy's, their coverage; the verdict."""

import numpy as np
import pytest
from scipy import stats

from rlrec.errors import ConfigError
from rlrec.evaluation.intervals import (
    Interval,
    crossed_interval,
    interquartile_mean,
    mean_interval,
    normalise,
    paired_p_value,
    probability_of_improvement,
    stratified_interval,
)
from rlrec.evaluation.verdict import Rival, collapse_alarm, verdict


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def rng(seed=0):
    return np.random.default_rng(seed)


# -- interquartile mean ----------------------------------------------------------------
@pytest.mark.parametrize("n", [4, 5, 10, 23])
def test_the_middle_half_is_scipys(n):
    values = draw(n)
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25))


def test_the_middle_half_over_chosen_axes():
    values = draw(7, 5, 3)
    found = interquartile_mean(values, axis=(1, 2))
    np.testing.assert_allclose(
        found, [stats.trim_mean(one.ravel(), 0.25) for one in values]
    )
    np.testing.assert_allclose(
        interquartile_mean(values, axis=0), stats.trim_mean(values, 0.25, axis=0)
    )


# -- intervals -------------------------------------------------------------------------
def test_one_world_is_scipys_percentile_bootstrap():
    values = draw(10, 1)
    ours = stratified_interval(values, np.mean, rng=rng(), resamples=20_000)
    theirs = stats.bootstrap(
        (values[:, 0],), np.mean, method="percentile", n_resamples=20_000, rng=rng(1)
    )
    assert ours.mean == pytest.approx(values.mean())
    assert ours[1:] == pytest.approx(tuple(theirs.confidence_interval), abs=0.02)


def test_seeds_are_redrawn_within_their_world():
    """Worlds of 0, 10 and 20, all seeds alike: draws within a world don't vary."""
    values = np.tile([0.0, 10.0, 20.0], (5, 1))
    assert stratified_interval(values, np.mean, rng=rng()) == (10.0, 10.0, 10.0)


def test_each_world_draws_seeds_of_its_own():
    """Worlds x and -x: with the same seeds in both the mean would always be 0."""
    x = draw(10, 1)
    found = stratified_interval(np.hstack([x, -x]), np.mean, rng=rng())
    spread = x.std() / np.sqrt(10) / np.sqrt(2)
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.1)


def test_an_interval_holds_the_truth_as_often_as_it_says():
    """With 20 seeds the coverage of the percentile bootstrap is a little below 95%."""
    held = [
        stratified_interval(draw(20, 2, seed=i), np.mean, rng=rng(i), resamples=500)
        for i in range(300)
    ]
    assert 0.90 <= np.mean([one.low < 0 < one.high for one in held]) <= 0.97


# -- profiles, improvement -------------------------------------------------------------
def test_a_profile_is_one_less_the_distribution_and_lies_in_its_band():
    values, bars = draw(10, 4), np.linspace(-2, 2, 9)
    band = [
        stratified_interval((values > bar).astype(float), np.mean, rng=rng())
        for bar in bars
    ]
    share, low, high = np.array(band).T
    np.testing.assert_allclose(share, 1 - stats.ecdf(values.ravel()).cdf.evaluate(bars))
    assert ((low <= share) & (share <= high)).all()
    assert (high - low).max() > 0.1


def test_improvement_is_mann_and_whitneys_u():
    one, other = np.round(draw(8, 3), 1), np.round(draw(6, 3, seed=1), 1)
    every = [
        stats.mannwhitneyu(one[:, w], other[:, w]).statistic / 48 for w in range(3)
    ]
    assert probability_of_improvement(one, other) == pytest.approx(np.mean(every))
    assert probability_of_improvement(other, one) == pytest.approx(1 - np.mean(every))


@pytest.mark.parametrize("n", [5, 12, 30])
def test_sign_flips_are_scipys(n):
    values = draw(n) + 0.4

    def mean(x, axis):
        return x.mean(axis=axis)

    theirs = stats.permutation_test(
        (values,), mean, permutation_type="samples", n_resamples=20_000, rng=rng()
    )
    assert paired_p_value(values, rng=rng(1), resamples=20_000) == pytest.approx(
        theirs.pvalue, abs=0.01
    )


def test_five_seeds_cannot_be_significant_and_ten_can():
    assert paired_p_value(np.arange(1.0, 6.0), rng=rng()) == 2 / 32
    assert paired_p_value(np.arange(1.0, 11.0), rng=rng()) == 2 / 1024


@pytest.mark.parametrize(
    "call",
    [
        lambda: stratified_interval([[1.0, 2.0]], rng=rng()),
        lambda: stratified_interval([[1.0], [np.nan]], rng=rng()),
        lambda: probability_of_improvement([[1.0]], [[1.0, 2.0]]),
        lambda: paired_p_value([1.0], rng=rng()),
        lambda: normalise([[1.0]], [2.0], [2.0]),
    ],
)
def test_what_does_not_fit_is_refused(call):
    with pytest.raises(ConfigError):
        call()


# -- the verdict -----------------------------------------------------------------------
def rival(low, high):
    return Rival("popularity", Interval((low + high) / 2, low, high), 8.0)


@pytest.mark.parametrize(
    ("rivals", "seeds", "words"),
    [
        ([rival(0.1, 1.0)], 5, "RL pays here: +0.55 [+0.10, +1.00]"),
        ([rival(-1.0, -0.1)], 5, "RL does not pay here: -0.55"),
        ([rival(-1.0, 1.0)], 5, "undecided, RL adds at most 1.00: "),
        ([rival(0.1, 1.0), rival(-1.0, -0.1)], 5, "RL does not pay here"),
        # the bound is that of the rival that leaves the least room
        ([rival(0.1, 1.0), rival(-1.0, 0.4)], 5, "undecided, RL adds at most 0.40: "),
        ([rival(0.1, 1.0)], 4, "no verdict from fewer than 5 seeds: +0.55"),
        ([rival(-1.0, -0.1)], 1, "no verdict from fewer than 5 seeds: -0.55"),
    ],
)
def test_verdicts(rivals, seeds, words):
    assert verdict(rivals, seeds=seeds).startswith(words)


def test_a_verdict_names_share_luck_and_p_value():
    line = verdict(
        [rival(0.1, 1.5)], seeds=10, over="users", unit=" songs", p_value=0.0019
    )
    assert line.endswith(
        "songs over popularity (+10.0%); 95% over users, paired test p = 0.002"
    )


# -- two lucks -------------------------------------------------------------------------
def test_a_crossed_interval_by_hand():
    """Seeds' means 1, 2, 3, 4, 5: half 1.963; users' means 2 and 4: half 12.706."""
    seeds = np.array([1.0, 2, 3, 4, 5]) - 3
    users = np.array([2.0, 4])
    found = crossed_interval(seeds[:, None] + users)
    half = np.hypot(1.963243, 12.706205)
    assert found == pytest.approx((3, 3 - half, 3 + half), rel=1e-6)


def test_a_crossed_interval_holds_the_truth_where_one_luck_alone_does_not():
    """Effects of seeds (sd 1), users (sd 3) and the rest (sd 2), 1,000 times."""
    draw = rng()
    holds = {"seeds": 0, "both": 0}
    for _ in range(1000):
        values = draw.normal(size=(5, 1)) + 3 * draw.normal(size=(1, 30))
        values = values + 2 * draw.normal(size=(5, 30))
        both = crossed_interval(values)
        seeds = mean_interval(values.mean(axis=1))
        holds["both"] += both.low <= 0 <= both.high
        holds["seeds"] += seeds.low <= 0 <= seeds.high
    assert 950 <= holds["both"] <= 995
    assert holds["seeds"] < 930


def test_a_crossed_interval_needs_seeds_and_users():
    for values in ([1.0, 2.0], [[1.0, 2.0]], [[1.0], [2.0]]):
        with pytest.raises(ConfigError):
            crossed_interval(values)


def test_the_alarm_rings_half_way_to_popularity():
    assert collapse_alarm(0.07, of_popularity=0.10, of_random=0.02).startswith(
        "COLLAPSED"
    )
    assert collapse_alarm(0.05, of_popularity=0.10, of_random=0.02).startswith(
        "no collapse"
    )
    assert collapse_alarm(0.02, of_popularity=0.02, of_random=0.02).startswith(
        "no collapse"
    )


# -- Student's t -----------------------------------------------------------------------
@pytest.mark.parametrize("n", [2, 5, 30])
def test_the_mean_and_its_interval_are_scipys(n):
    values = draw(n)
    found = mean_interval(values, confidence=0.9)
    ends = stats.t.interval(0.9, n - 1, values.mean(), stats.sem(values))
    assert found == pytest.approx((values.mean(), *ends))


def test_random_signs_never_give_a_p_value_of_zero():
    """None of 99 draws of 40 signs is all plus; the observed signs count as one."""
    assert paired_p_value(np.ones(40), rng=rng(), resamples=99) == 0.01
