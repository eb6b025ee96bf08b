"""Off-policy estimators for whole sessions: by hand, loops, the simulator."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from lab10_any_good import evening_features
from lesson_checks import defined

from rlrec.envs import default_catalogue
from rlrec.errors import ConfigError, DataError
from rlrec.logs.live import StatedPolicy
from rlrec.logs.off_policy import (
    NO_LIMITS,
    Logged,
    NoSupport,
    direct_method,
    inverse_propensity,
    self_normalised,
)
from rlrec.logs.off_policy_sessions import (
    LoggedSessions,
    _backwards,
    fitted_q,
    per_decision,
    sequential_doubly_robust,
)

# The evenings of lesson 10.
LESSON = defined("10", "SONGS =", "def evenings", "def judge_from_log")


def evenings(*given, **options):
    seen, places, log = LESSON["evenings"](*given, **options)
    of_played = partial(LESSON["of_played"], places=places)
    return SimpleNamespace(seen=seen, places=places, log=log, of_played=of_played)


def some_sessions(n=300, steps=4, actions=3, seed=0):
    """Sessions of random length whose rewards depend on this action and the last.

    The features are one-hot vectors of both. The policies are the same for every seed.
    """
    logging, target = np.random.default_rng(0).dirichlet(
        np.full(actions, 4.0), (2, actions + 1)
    )
    rng = np.random.default_rng(seed)
    state, played = (
        np.full((n, steps), actions),
        np.zeros((n, steps), np.int64),
    )  # state: the last action, at first none
    rewards, alive = (
        np.zeros((n, steps)),
        np.arange(steps) < rng.integers(1, steps + 1, n)[:, None],
    )
    for t in range(steps):
        state[:, t] = played[:, t - 1] if t else actions
        played[:, t] = [rng.choice(actions, p=logging[s]) for s in state[:, t]]
        rewards[:, t] = rng.normal(
            played[:, t] - 2.0 * (played[:, t] == state[:, t]), 0.3
        )
    one_hot = np.eye((actions + 1) * actions).reshape(
        actions + 1, actions, -1
    )  # [state, action, f]
    expected = np.einsum("sa,saf->sf", target, one_hot)
    return SimpleNamespace(
        log=LoggedSessions(rewards, logging[state, played], alive),
        chance=target[state, played],
        state=state,
        played=played,
        x=one_hot[state, played],
        means=expected[state],
        target=target,
        logging=logging,
    )


# -- by hand ---------------------------------------------------------------------------


def test_products_of_weights_by_hand():
    log = LoggedSessions(
        [[0.0, 1.0], [1.0, 3.0]],
        [[0.25, 0.5], [0.5, 0.5]],
        [[True, True], [True, True]],
    )
    target = [
        [0.5, 0.25],
        [0.25, 0.5],
    ]  # weights (2, 1/2) and (1/2, 1): rho (2, 1) and (1/2, 1/2)
    assert per_decision(log, target, limits=NO_LIMITS).value == pytest.approx(
        (1 + 0.5 + 1.5) / 2
    )
    assert per_decision(
        log, target, discount=0.5, limits=NO_LIMITS
    ).value == pytest.approx((0.5 + 0.5 + 0.75) / 2)
    weighted = per_decision(log, target, weighted=True, limits=NO_LIMITS).value
    assert weighted == pytest.approx(0.5 / 2.5 + (1 + 1.5) / 1.5)


def test_fitted_q_from_the_back_by_hand():
    # one action, always the same feature: V_2 is the mean of the last rewards, V_1 that
    # of r + .5 V_2
    log = LoggedSessions(
        [[1.0, 4.0], [3.0, 8.0], [2.0, 99.0]], np.ones((3, 2)), [[1, 1], [1, 1], [1, 0]]
    )
    ones = np.ones((3, 2, 1))
    found = fitted_q(
        log, np.ones((3, 2)), ones, ones, discount=0.5, ridge=1e-9, limits=NO_LIMITS
    )
    assert found.value == pytest.approx((1 + 3 + 3 + 3 + 2) / 3)


@pytest.mark.parametrize("ridge", [1e-6, 1.0, 1e6])
def test_no_ridge_shrinks_the_value_of_the_logging_policy(ridge):
    """A penalised intercept lost a share of the value at each step: 18.987 of 20."""
    rng = np.random.default_rng(0)
    alive = np.arange(20) < rng.integers(1, 21, 40)[:, None]
    x = rng.normal(size=(40, 20, 2))
    x[:, :, 0] = 1.0
    half = np.full((40, 20), 0.5)
    for rewards in (np.ones((40, 20)), rng.normal(2.0, 1.0, (40, 20))):
        log = LoggedSessions(rewards, half, alive)
        found = fitted_q(log, half, x, x, ridge=ridge, resamples=2, limits=NO_LIMITS)
        own = log.rewards.sum(axis=1).mean()
        assert found.value == pytest.approx(own, rel=1e-9)


def test_a_slope_is_shrunk_and_the_intercept_is_not_by_hand():
    """x -1 and 1, rewards 4 and 6: slope 2 / (2 + ridge), intercept 5; target x = 1."""
    log = LoggedSessions([[4.0], [6.0]], np.ones((2, 1)), np.ones((2, 1)))
    x = np.array([[[-1.0]], [[1.0]]])
    ones = np.ones((2, 1))
    found = fitted_q(log, ones, x, np.abs(x), ridge=6.0, limits=NO_LIMITS)
    assert found.value == pytest.approx(5 + 2 / (2 + 6))


# -- twins -----------------------------------------------------------------------------


@pytest.mark.parametrize("discount", [1.0, 0.7])
def test_loops_say_the_same(discount):
    world = some_sessions()
    total = []
    for rewards, old, new, alive in zip(
        world.log.rewards,
        world.log.propensities,
        world.chance,
        world.log.alive,
        strict=True,
    ):
        rho, value = 1.0, 0.0
        for t in range(4):
            if alive[t]:
                rho *= new[t] / old[t]
                value += discount**t * rho * rewards[t]
        total.append(value)
    found = per_decision(world.log, world.chance, discount=discount, limits=NO_LIMITS)
    assert found.value == pytest.approx(np.mean(total))
    assert found.high - found.low == pytest.approx(
        2 * 1.959964 * np.std(total, ddof=1) / np.sqrt(300)
    )


def test_one_step_is_the_bandits_case():
    world = some_sessions(steps=1)
    logged = Logged(
        world.played[:, 0], world.log.rewards[:, 0], world.log.propensities[:, 0]
    )
    target = world.target[-1]
    assert per_decision(
        world.log, world.chance, limits=NO_LIMITS
    ).value == pytest.approx(inverse_propensity(logged, target, limits=NO_LIMITS).value)
    assert per_decision(
        world.log, world.chance, weighted=True, limits=NO_LIMITS
    ).value == pytest.approx(self_normalised(logged, target, limits=NO_LIMITS).value)
    means = [logged.rewards[logged.actions == a].mean() for a in range(3)]
    promised = direct_method(logged, target, means, limits=NO_LIMITS).value
    learnt = fitted_q(
        world.log, world.chance, world.x, world.means, ridge=1e-9, limits=NO_LIMITS
    )
    assert learnt.value == pytest.approx(promised)


def test_fitted_q_on_a_table_is_dynamic_programming_on_the_logs_means():
    world = some_sessions(n=3000, seed=1)
    value = np.zeros((5, 4))  # [step, state], the last step is after the end
    for t in (3, 2, 1, 0):
        on = world.log.alive[:, t]
        goes_on = np.append(world.log.alive, np.zeros((3000, 1), bool), axis=1)[
            :, t + 1
        ]
        for s in range(4):
            for a in range(3):
                rows = on & (world.state[:, t] == s) & (world.played[:, t] == a)
                if rows.any():
                    q = (
                        world.log.rewards[rows, t] + goes_on[rows] * value[t + 1, a]
                    ).mean()
                    value[t, s] += world.target[s, a] * q
    found = fitted_q(
        world.log,
        world.chance,
        world.x,
        world.means,
        ridge=1e-9,
        resamples=2,
        limits=NO_LIMITS,
    )
    assert found.value == pytest.approx(value[0, 3], rel=1e-6)


def test_doubly_robust_mends_a_model_that_knows_nothing():
    world = some_sessions(n=20_000, seed=2)
    nothing = np.ones((20_000, 4, 1))
    exact = fitted_q(
        world.log, world.chance, world.x, world.means, resamples=2, limits=NO_LIMITS
    ).value
    blind = fitted_q(
        world.log, world.chance, nothing, nothing, resamples=2, limits=NO_LIMITS
    ).value
    mended = sequential_doubly_robust(world.log, world.chance, nothing, nothing)
    knowing = sequential_doubly_robust(world.log, world.chance, world.x, world.means)
    assert abs(blind - exact) > 0.15
    assert mended.low < exact < mended.high
    assert knowing.low < exact < knowing.high
    assert knowing.high - knowing.low < 0.5 * (mended.high - mended.low)


def test_no_session_is_judged_by_a_model_that_has_seen_it():
    """A feature for each session says nothing of others: the same as no feature."""
    world = some_sessions(n=40)
    own = np.repeat(np.eye(40)[:, None], 4, axis=1)
    nothing = np.ones((40, 4, 1))
    found = [
        sequential_doubly_robust(
            world.log, world.chance, x, x, ridge=1e-9, limits=NO_LIMITS
        ).value
        for x in (own, nothing)
    ]
    assert found[0] == pytest.approx(found[1])


def test_with_the_logging_policys_own_chances_nothing_is_weighed():
    world = some_sessions()
    found = per_decision(world.log, world.log.propensities)
    assert found.value == pytest.approx(world.log.rewards.sum(axis=1).mean())
    assert found.effective_sample_size == pytest.approx(300)


def test_bootstrap_interval_of_fitted_q_has_the_spread_of_many_logs():
    values, widths = [], []
    for seed in range(100):
        world = some_sessions(seed=seed)
        found = fitted_q(
            world.log,
            world.chance,
            world.x,
            world.means,
            resamples=20,
            limits=NO_LIMITS,
        )
        values.append(found.value)
        widths.append((found.high - found.low) / (2 * 1.959964))
    assert np.mean(widths) == pytest.approx(np.std(values), rel=0.2)


def exact_value(world, steps=4, actions=3):
    """The target's value in ``some_sessions``: expected rewards, backwards."""
    value = np.zeros((steps + 1, actions + 1))  # [step, state]
    reward = np.arange(actions) - 2.0 * np.eye(actions + 1)[:, :actions]
    for t in reversed(range(steps)):
        goes_on = (steps - t - 1) / (steps - t)
        q = reward + goes_on * value[t + 1, :actions]
        value[t] = (world.target * q).sum(axis=1)
    return value[0, actions]


def test_intervals_of_fitted_q_hold_the_truth_as_often_as_they_say():
    logs, each = 200, 100
    world = some_sessions(n=logs * each, seed=5)
    truth = exact_value(world)
    held = 0
    for start in range(0, logs * each, each):
        rows = slice(start, start + each)
        log = LoggedSessions(
            world.log.rewards[rows], world.log.propensities[rows], world.log.alive[rows]
        )
        found = fitted_q(
            log,
            world.chance[rows],
            world.x[rows],
            world.means[rows],
            resamples=40,
            limits=NO_LIMITS,
        )
        held += found.low <= truth <= found.high
    assert 0.90 * logs <= held <= 0.98 * logs, held


def test_same_generator_same_bits():
    world = some_sessions()
    once, again = (
        fitted_q(
            world.log, world.chance, world.x, world.means, rng=np.random.default_rng(4)
        )
        for _ in range(2)
    )
    assert repr(once) == repr(again)


# -- refusals --------------------------------------------------------------------------


def test_a_policy_far_from_the_log_is_refused_for_whole_sessions_only():
    found = evenings(0)
    policy = LESSON["policies"]()["greedy + variety"]
    table, features = (
        LESSON["probabilities_of"](policy, found.seen),
        evening_features(found.seen),
    )
    target, played = found.of_played(table), found.of_played(features)
    expected = np.einsum("nta,ntaf->ntf", table, features)
    for ask in (
        lambda: per_decision(found.log, target),
        lambda: per_decision(found.log, target, weighted=True),
        lambda: sequential_doubly_robust(found.log, target, played, expected),
    ):
        with pytest.raises(
            NoSupport, match=r"effective sample size is 0\.0 of 1,000 rows"
        ):
            ask()
    assert (
        fitted_q(found.log, target, played, expected, resamples=5).effective_sample_size
        > 1000
    )


def test_what_the_log_never_plays_is_refused_by_all():
    found = evenings(0, StatedPolicy(10.0 * default_catalogue().appeal, 0.0))
    anything = LESSON["policies"]()["random"]
    table = LESSON["probabilities_of"](anything, found.seen)
    target, ones = found.of_played(table), np.ones((*found.places.shape, 1))
    for ask in (
        lambda: per_decision(found.log, target),
        lambda: fitted_q(found.log, target, ones, ones),
        lambda: sequential_doubly_robust(found.log, target, ones, ones),
    ):
        with pytest.raises(NoSupport, match="mean weight is 0"):
            ask()


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        (
            ([[1.0, 1.0]] * 2, [[0.5, 0.0]] * 2, [[1, 1]] * 2),
            NoSupport,
            "propensities, session 0, step 1: 0.0",
        ),
        (
            ([[1.0, 1.0]] * 2, [[0.5, np.nan]] * 2, [[1, 1]] * 2),
            NoSupport,
            "session 0, step 1: nan",
        ),
        (
            ([[1.0, 1.0]] * 2, [[0.5, 1.5]] * 2, [[1, 1]] * 2),
            DataError,
            "1.5 is not a probability",
        ),
        (
            ([[1.0, np.nan]] * 2, [[0.5, 0.5]] * 2, [[1, 1]] * 2),
            DataError,
            "rewards, session 0, step 1: nan",
        ),
        (
            ([[1.0, 1.0]] * 2, [[0.5, 0.5]] * 2, [[1, 1], [0, 1]]),
            DataError,
            "alive has a gap",
        ),
        (
            ([[1.0, 1.0]] * 2, [[0.5, 0.5]], [[1, 1]] * 2),
            DataError,
            r"propensities \(1, 2\)",
        ),
    ],
)
def test_bad_logs_are_named(columns, error, words):
    with pytest.raises(error, match=words):
        LoggedSessions(*columns)


def test_bad_questions_are_named():
    world = some_sessions()
    for target, words in (
        (world.chance[:, :2], "target has shape"),
        (world.chance + 1, "session 0, step 0"),
    ):
        with pytest.raises(ConfigError, match=words):
            per_decision(world.log, target)
    with pytest.raises(ConfigError, match=r"discount is 1\.5"):
        per_decision(world.log, world.chance, discount=1.5)
    with pytest.raises(ConfigError, match="resamples is 1"):
        fitted_q(world.log, world.chance, world.x, world.means, resamples=1)
    with pytest.raises(ConfigError, match="ridge 0"):
        fitted_q(world.log, world.chance, world.x, world.means, ridge=0)
    with pytest.raises(ConfigError, match="all finite"):
        fitted_q(world.log, world.chance, world.x * np.nan, world.means)


def test_what_comes_after_a_sessions_end_does_not_matter():
    world = some_sessions()
    over = ~world.log.alive
    other = LoggedSessions(
        np.where(over, np.nan, world.log.rewards),
        np.where(over, 0.0, world.log.propensities),
        world.log.alive,
    )
    chance, x = (
        np.where(over, 7.0, world.chance),
        np.where(over[:, :, None], np.nan, world.x),
    )
    assert (
        per_decision(other, chance).value == per_decision(world.log, world.chance).value
    )
    ours = fitted_q(other, chance, x, world.means, resamples=2).value
    theirs = fitted_q(world.log, world.chance, world.x, world.means, resamples=2).value
    assert ours == theirs


# -- against the simulator's truth -----------------------------------------------------


def test_a_small_change_of_policy_is_told_from_100_logs():
    sessions, per_log = 12_000, 120
    popular = default_catalogue().appeal
    old, new = StatedPolicy(popular, 0.5), StatedPolicy(popular, 0.3)
    truth = evenings(0, new, sessions, first=500_000).log.rewards.sum(axis=1).mean()
    found = evenings(0, old, sessions)
    table = np.stack([new.probabilities(seen)[1] for seen in found.seen], axis=1)
    target, features = found.of_played(table), evening_features(found.seen)
    played, expected = (
        found.of_played(features),
        np.einsum("nta,ntaf->ntf", table, features),
    )
    held = {"per-decision": 0, "weighted per-decision": 0, "sequential DR": 0}
    for start in range(0, sessions, per_log):
        rows = slice(start, start + per_log)
        log = LoggedSessions(
            found.log.rewards[rows], found.log.propensities[rows], found.log.alive[rows]
        )
        chance, x, means = target[rows], played[rows], expected[rows]
        loose = {"limits": NO_LIMITS}
        for one in (
            per_decision(log, chance, **loose),
            per_decision(log, chance, weighted=True, **loose),
            sequential_doubly_robust(log, chance, x, means, **loose),
        ):
            held[one.method] += one.low <= truth <= one.high
    assert all(88 <= number <= 99 for number in held.values()), held


def test_fitted_q_is_biased_where_its_features_miss_what_matters():
    policy = LESSON["policies"]()["more of the same"]
    truth = LESSON["songs_heard"](policy, 1000).mean()
    found = evenings(0)
    evening = evening_features(found.seen)
    features = {"blind": evening[..., :3], "seeing": evening}
    said = LESSON["judge_from_log"](
        found.seen, found.places, found.log, policy, features
    )
    assert (
        said["SNIPS, song by song"] > truth + 3
    )  # tires nobody in a log that never repeats itself
    assert said["blind"] > truth + 3
    assert abs(said["seeing"] - truth) < 3


def test_a_session_that_is_drawn_twice_is_fitted_as_two():
    world = some_sessions(n=40)
    count = np.bincount(np.random.default_rng(0).integers(40, size=40), minlength=40)
    again = np.repeat(np.arange(40), count)
    parts = (world.log.rewards, world.log.propensities, world.log.alive)
    log = LoggedSessions(*(part[again] for part in parts))
    settings = (0.9, 1.0)
    _, ours = _backwards(world.log, world.x, world.means, *settings, count * 1.0)
    _, theirs = _backwards(
        log, world.x[again], world.means[again], *settings, np.ones(40)
    )
    np.testing.assert_allclose(ours[again], theirs)
