"""Off-policy estimators for one decision: by hand, loops, intervals, refusals."""

import numpy as np
import pytest
from lesson_checks import defined
from scipy import stats
from sklearn.linear_model import Ridge

from rlrec.errors import ConfigError, DataError
from rlrec.logs.off_policy import (
    NO_LIMITS,
    Limits,
    Logged,
    NoSupport,
    direct_method,
    doubly_robust,
    fit_rewards,
    inverse_propensity,
    self_normalised,
    support,
)

FLIPPED = [0.2, 0.8]
# The world of lesson 10, whose truth is known.
LESSON = defined("10", "def first_songs", "def repeated")


def two_songs(a, b):
    """``a`` plays of A (chance .8, reward .2) and ``b`` of B (chance .2, reward 1)."""
    return Logged([0] * a + [1] * b, [0.2] * a + [1.0] * b, [0.8] * a + [0.2] * b)


def every_estimate(logged, target, model=None, **options):
    model = np.full(np.shape(target), 0.5) if model is None else model
    return {
        "DM": lambda: direct_method(logged, target, model, **options),
        "IPS": lambda: inverse_propensity(logged, target, **options),
        "SNIPS": lambda: self_normalised(logged, target, **options),
        "DR": lambda: doubly_robust(logged, target, model, **options),
    }


def some_log(n=400, actions=5, seed=0, known=True):
    rng = np.random.default_rng(seed)
    policy, target = (
        rng.dirichlet(np.full(actions, 3.0), n),
        rng.dirichlet(np.full(actions, 3.0), n),
    )
    played = np.array([rng.choice(actions, p=row) for row in policy])
    rewards = rng.normal(played, 1.0)
    logged = Logged(
        played, rewards, policy[np.arange(n), played], policy if known else None
    )
    return logged, target, rng.normal(size=(n, actions))


NOBODY_PLAYS_C = {
    "unknown to the log, but its weights miss": Logged(
        [0] * 400 + [1] * 400, np.ones(800), np.full(800, 0.5)
    ),
    "known to the log": Logged(
        [0] * 400 + [1] * 400, np.ones(800), np.full(800, 0.5), [0.5, 0.5, 0.0]
    ),
}


# -- by hand ---------------------------------------------------------------------------


def test_ten_plays_by_hand():
    logged = two_songs(8, 2)
    assert logged.rewards.mean() == pytest.approx(0.36)
    values = {
        name: ask().value
        for name, ask in every_estimate(logged, FLIPPED, limits=NO_LIMITS).items()
    }
    assert values == {name: pytest.approx(0.84) for name in ("IPS", "SNIPS", "DR")} | {
        "DM": pytest.approx(0.5)
    }
    found = support(logged, FLIPPED)
    assert found.effective_sample_size == pytest.approx(100 / 32.5)
    assert found.largest_share == pytest.approx(0.4)
    assert found.mean_weight == pytest.approx(1.0)
    assert np.isnan(found.missing)


def test_one_more_b_than_its_chance_by_hand():
    asked = every_estimate(two_songs(7, 3), FLIPPED, [0.3, 0.9], limits=NO_LIMITS)
    values = {name: ask().value for name, ask in asked.items()}
    assert values["IPS"] == pytest.approx(
        (7 * 0.25 * 0.2 + 3 * 4) / 10
    )  # 1.235: more than any reward
    assert values["SNIPS"] == pytest.approx(12.35 / 13.75)
    assert values["DM"] == pytest.approx(0.2 * 0.3 + 0.8 * 0.9)
    assert values["DR"] == pytest.approx(0.78 + (7 * 0.25 * -0.1 + 3 * 4 * 0.1) / 10)


def test_intervals_by_hand():
    found = inverse_propensity(two_songs(8, 2), FLIPPED, limits=NO_LIMITS)
    scores = np.array([0.05] * 8 + [4.0] * 2)
    low, high = stats.norm.interval(0.95, scores.mean(), stats.sem(scores))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    blind = direct_method(two_songs(8, 2), FLIPPED, [0.3, 0.9], limits=NO_LIMITS)
    assert np.isnan(blind.low)
    assert np.isnan(blind.high)


# -- twins -----------------------------------------------------------------------------


def test_loops_say_the_same():
    logged, target, model = some_log()
    weights = [
        target[i, a] / p
        for i, (a, p) in enumerate(
            zip(logged.actions, logged.propensities, strict=True)
        )
    ]
    promised = [
        sum(target[i, a] * model[i, a] for a in range(5)) for i in range(len(logged))
    ]
    weighted = [w * r for w, r in zip(weights, logged.rewards, strict=True)]
    missed = [
        w * (logged.rewards[i] - model[i, logged.actions[i]])
        for i, w in enumerate(weights)
    ]
    wanted = {
        "DM": np.mean(promised),
        "IPS": np.mean(weighted),
        "SNIPS": sum(weighted) / sum(weights),
        "DR": np.mean([a + b for a, b in zip(promised, missed, strict=True)]),
    }
    found = {
        name: ask().value
        for name, ask in every_estimate(logged, target, model, limits=NO_LIMITS).items()
    }
    assert found == {name: pytest.approx(value) for name, value in wanted.items()}


def test_one_row_of_chances_is_the_same_row_for_all():
    logged, _, _ = some_log(known=False)
    target, model = np.full(5, 0.2), np.arange(5.0)
    one = every_estimate(logged, target, model, limits=NO_LIMITS)
    each = every_estimate(
        logged, np.tile(target, (400, 1)), np.tile(model, (400, 1)), limits=NO_LIMITS
    )
    for name, ask in one.items():
        assert ask().value == pytest.approx(each[name]().value, rel=1e-12), name


@pytest.mark.parametrize("name", ["IPS", "SNIPS", "DR"])
def test_standard_errors_are_those_of_the_bootstrap(name):
    logged, target, model = some_log()
    rng, drawn = np.random.default_rng(1), []
    for _ in range(800):
        rows = rng.integers(len(logged), size=len(logged))
        again = Logged(
            logged.actions[rows], logged.rewards[rows], logged.propensities[rows]
        )
        drawn.append(
            every_estimate(again, target[rows], model[rows], limits=NO_LIMITS)[
                name
            ]().value
        )
    found = every_estimate(logged, target, model, limits=NO_LIMITS)[name]()
    assert (found.high - found.low) / (2 * 1.959964) == pytest.approx(
        np.std(drawn), rel=0.08
    )


def test_snips_interval_is_the_jackknifes():
    logged, target, _ = some_log(n=40)
    whole = self_normalised(logged, target, limits=NO_LIMITS)
    without = []
    for row in range(40):
        kept = np.arange(40) != row
        less = Logged(
            logged.actions[kept], logged.rewards[kept], logged.propensities[kept]
        )
        without.append(self_normalised(less, target[kept], limits=NO_LIMITS).value)
    error = np.sqrt(39 / 40 * ((np.array(without) - np.mean(without)) ** 2).sum())
    assert (whole.high - whole.low) / (2 * 1.959964) == pytest.approx(error)


def test_expected_sample_size_is_that_of_many_logs():
    policy, target = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.2, 0.7])
    played = np.random.default_rng(0).choice(3, 100_000, p=policy)
    known = support(Logged(played, played, policy[played], policy), target)
    counted = support(Logged(played, played, policy[played]), target)
    assert known.effective_sample_size == pytest.approx(
        100_000 / (target**2 / policy).sum()
    )
    assert known.effective_sample_size == pytest.approx(
        counted.effective_sample_size, rel=0.01
    )
    assert known.largest_share == pytest.approx(3.5 / 100_000)
    holes = support(
        NOBODY_PLAYS_C["known to the log"], [0.4, 0.4, 0.2]
    )  # what is there is weighed evenly
    assert (holes.effective_sample_size, holes.missing) == (
        pytest.approx(800),
        pytest.approx(0.2),
    )


@pytest.mark.parametrize("own", [True, False])
def test_fit_rewards_is_ridge_regression_on_the_other_half(own):
    logged, _, _ = some_log()
    rng = np.random.default_rng(3)
    features = rng.normal(size=(400, 5, 3) if own else (5, 3))
    each = np.broadcast_to(features, (400, 5, 3))
    found = fit_rewards(logged, features, ridge=2.0)
    for side in (0, 1):
        others = np.arange(400) % 2 != side
        model = Ridge(alpha=2.0).fit(
            each[others, logged.actions[others]], logged.rewards[others]
        )
        np.testing.assert_allclose(
            found[~others], model.predict(each[~others].reshape(-1, 3)).reshape(-1, 5)
        )


# -- refusals --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["DM", "IPS", "SNIPS", "DR"])
@pytest.mark.parametrize(
    ("logged", "target", "words"),
    [
        (
            NOBODY_PLAYS_C["known to the log"],
            [0.4, 0.4, 0.2],
            "20.0% of its probability to actions that the logging policy",
        ),
        (
            NOBODY_PLAYS_C["unknown to the log, but its weights miss"],
            [0.3, 0.5, 0.2],
            "mean weight is 0.80",
        ),
        (
            NOBODY_PLAYS_C["known to the log"],
            [0.0, 0.0, 1.0],
            "100.0% of its probability",
        ),
        (two_songs(8, 2), FLIPPED, "effective sample size is 3.1 of 10 rows"),
        (
            Logged([0] * 999 + [1], np.ones(1000), [0.9] * 999 + [0.001]),
            [0.8, 0.2],
            "one row has 18% of all weight",
        ),
        (
            Logged([0] * 200 + [1] * 800, np.ones(1000), [0.8] * 200 + [0.2] * 800),
            FLIPPED,
            "not those of the policy",
        ),
    ],
)
def test_refusals_say_why(name, logged, target, words):
    with pytest.raises(NoSupport, match=words):
        every_estimate(logged, target)[name]()


def test_limits_decide():
    logged = two_songs(80, 20)
    with pytest.raises(NoSupport, match=r"30\.8 of 100 rows, less than 50"):
        inverse_propensity(logged, FLIPPED)
    loose = Limits(effective_sample_size=30)
    assert inverse_propensity(logged, FLIPPED, limits=loose).value == pytest.approx(
        0.84
    )
    assert issubclass(NoSupport, ConfigError)
    with pytest.raises(ConfigError, match=r"missing is 1\.5"):
        Limits(missing=1.5)


def test_the_logging_policy_itself_is_never_refused():
    logged, _, _ = some_log()
    found = inverse_propensity(logged, logged.policy)
    assert found.value == pytest.approx(logged.rewards.mean())
    assert found.effective_sample_size == pytest.approx(400)


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        (([0, 1], [1, 1], [0.5, 0.0]), NoSupport, "row 1, column propensity: 0"),
        (([0, 1], [1, 1], [np.nan, 0.5]), NoSupport, "row 0, column propensity: nan"),
        (
            ([0, 1], [1, 1], [0.5, 1.5]),
            DataError,
            "row 1, column propensity: 1.5 is not a probability",
        ),
        (([0, 1], [1, np.inf], [0.5, 0.5]), DataError, "row 1, column reward: inf"),
        (([0, -1], [1, 1], [0.5, 0.5]), DataError, "row 1, column action: -1"),
        (([0, 0.5], [1, 1], [0.5, 0.5]), DataError, "row 1, column action: 0.5"),
        (([0, 1], [1], [0.5, 0.5]), DataError, r"shapes \[\(2,\), \(1,\), \(2,\)\]"),
        (
            ([0, 1], [1, 1], [0.5, 0.5], [0.5, 0.4]),
            ConfigError,
            "policy, row 0: probabilities",
        ),
        (
            ([0, 1], [1, 1], [0.5, 0.4], [0.5, 0.5]),
            DataError,
            "row 1, column propensity: 0.4 is not the policy's",
        ),
    ],
)
def test_bad_logs_are_named(columns, error, words):
    with pytest.raises(error, match=words):
        Logged(*columns)


def test_bad_questions_are_named():
    logged = two_songs(8, 2)
    for target, words in (
        ([1.0], "row 8, column action: 1"),
        ([0.5, 0.6], "sum to 1"),
        ([[0.5, 0.5]], "shape"),
    ):
        with pytest.raises(ConfigError, match=words):
            inverse_propensity(logged, target, limits=NO_LIMITS)
    with pytest.raises(ConfigError, match="model has shape"):
        direct_method(logged, FLIPPED, [1.0, 2.0, 3.0], limits=NO_LIMITS)
    with pytest.raises(ConfigError, match="ridge 0"):
        fit_rewards(logged, np.eye(2), ridge=0)


# -- against the simulator's truth -----------------------------------------------------


def test_true_value_is_what_the_regulars_hear():
    for mix in (0.0, 1.0):
        offered = np.random.default_rng(3).integers(2000, size=(20_000, 10))
        chances = LESSON["new_probabilities"](offered, mix)
        np.testing.assert_allclose(chances.sum(axis=1), 1.0)
        assert (chances * LESSON["worth"]()[offered]).sum(
            axis=1
        ).mean() == pytest.approx(LESSON["true_value"](mix), abs=2e-3)
    _, shop = LESSON["first_songs"](40_000, 0.0, 1)  # listeners who listen
    error = shop.rewards.std() / 200
    truth = LESSON["true_value"](0.0)
    assert shop.rewards.mean() == pytest.approx(truth, abs=4 * error)


@pytest.mark.parametrize(("mix", "plays"), [(1.0, 2000), (0.5, 2000)])
@pytest.mark.parametrize("sound", [False, True])
def test_intervals_hold_the_truth_in_200_logs(mix, plays, sound):
    found = LESSON["repeated"](plays, 0.3, mix, logs=200, sound=sound)
    assert found.log.nunique() >= 198
    by_method = found.groupby("method")
    held = by_method["holds"].apply(lambda column: column.astype(float).mean())
    assert held.dropna().between(0.90, 0.98).all()
    assert set(held.dropna().index) == {"IPS", "SNIPS", "DR"}
    bias = by_method["off by"].mean()
    spread = by_method["off by"].std()
    for name in ("IPS", "SNIPS", "DR"):
        assert abs(bias[name]) < 4 * spread[name] / np.sqrt(200) + 0.003, name
    assert spread["SNIPS"] < spread["IPS"]  # what normalising is for
    # the direct method is as good as its model: one that sees popularity alone is off
    # by far more than its spread
    assert abs(bias["DM"]) < 0.01 if sound else bias["DM"] < -2 * spread["DM"]


@pytest.mark.parametrize(
    ("floor", "mix"), [(0.0, 0.5), (0.0, 1.0), (0.02, 0.5), (0.1, 1.0)]
)
def test_where_support_is_missing_all_200_logs_are_refused(floor, mix):
    assert LESSON["repeated"](1000, floor, mix, logs=200).empty


def test_same_seed_same_bits():
    once, again = (
        LESSON["estimates"](*LESSON["first_songs"](500, 0.5, 7), 0.5, limits=NO_LIMITS)
        for _ in range(2)
    )
    for name, one in once.items():
        assert repr(one) == repr(again[name])
