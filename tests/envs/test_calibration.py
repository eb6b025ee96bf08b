"""The random policy over the default population and public listening statistics.

Each test says within how much they agree (.03 to .08). Source: the Music Streaming
Sessions Dataset (Brost, Mehrotra and Jehan, 2019), aggregates of 99,989 plays.
"""

import numpy as np
import pytest

from rlrec.envs import ListeningBatch

# at positions 1 to 20
SKIP_BY_POSITION = np.fromstring(
    "0.381 0.471 0.506 0.530 0.539 0.543 0.546 0.539 0.529 0.515 "
    "0.512 0.526 0.527 0.538 0.530 0.530 0.527 0.524 0.535 0.543",
    sep=" ",
)
AFTER_SKIPS = [0.653, 0.746, 0.774, 0.794, 0.815, 0.818]  # runs of 1, 2, 3, 4, 5, 6+
AFTER_LISTENS = [0.373, 0.304, 0.251, 0.230, 0.201, 0.157]
SETTINGS = {
    "default": {},
    "realistic": {"taste_strength": 0.3, "long_term_effect": 0.0},
}


@pytest.fixture(scope="module", params=SETTINGS)
def plays(request):
    """(skipped, fraction) [sessions, 20], nan after a session's end."""
    n = 20_000
    env = ListeningBatch(n, **SETTINGS[request.param])
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    skipped, fraction, alive = [], [], np.ones(n, bool)
    for _ in range(20):
        _, _, terminated, _, info = env.step(rng.integers(10, size=n))
        skipped.append(np.where(alive, info["skipped"], np.nan))
        fraction.append(np.where(alive, info["fraction"], np.nan))
        alive &= ~terminated
    assert not alive.any()
    return np.array(skipped).T, np.array(fraction).T


def test_skip_rate_overall_and_by_position(plays):
    skipped, _ = plays
    assert np.nanmean(skipped) == pytest.approx(0.517, abs=0.03)
    np.testing.assert_allclose(np.nanmean(skipped, axis=0), SKIP_BY_POSITION, atol=0.03)


def test_momentum(plays):
    before, after = plays[0][:, :-1], plays[0][:, 1:]
    assert np.nanmean(after[before == 1]) == pytest.approx(0.750, abs=0.03)
    assert np.nanmean(after[before == 0]) == pytest.approx(0.279, abs=0.03)


def test_spread_between_sessions(plays):
    rate = np.nanmean(plays[0], axis=1)
    assert rate.mean() == pytest.approx(0.508, abs=0.03)
    assert rate.std() == pytest.approx(0.253, abs=0.03)
    np.testing.assert_allclose(
        np.quantile(rate, [0.1, 0.25, 0.5, 0.75, 0.9]),
        [0.15, 0.30, 0.53, 0.71, 0.85],
        atol=0.04,
    )


def test_runs_of_skips_and_of_listens(plays):
    """The model has no parameter for runs: within .08 of each figure."""
    skipped = plays[0]
    for want, expected in ((1, AFTER_SKIPS), (0, AFTER_LISTENS)):
        run, found = np.zeros(len(skipped), int), [[] for _ in range(6)]
        for position in range(19):
            run = np.where(skipped[:, position] == want, run + 1, 0)
            for length in range(1, 7):
                rows = (run == length) if length < 6 else (run >= 6)
                found[length - 1].extend(skipped[rows, position + 1])
        np.testing.assert_allclose(
            [np.nanmean(group) for group in found], expected, atol=0.08
        )


def test_lengths(plays):
    lengths = np.isfinite(plays[0]).sum(axis=1)
    assert lengths.min() == 10
    assert lengths.max() == 20
    assert (lengths == 20).mean() == pytest.approx(0.51, abs=0.03)


def test_fraction_heard_has_two_humps(plays):
    """Skips: very brief .422, brief .096; listens: in part .131, whole .332.

    Each tenth between has 1 to 4%.
    """
    heard = plays[1][np.isfinite(plays[1])]
    share = np.histogram(heard, 10, (0, 1))[0] / len(heard)
    assert share[0] == pytest.approx(0.422, abs=0.03)
    assert share[-1] == pytest.approx(0.332 + 0.131 / 5, abs=0.04)
    assert ((share[1:-1] > 0.01) & (share[1:-1] < 0.04)).all()


def test_greedy_is_optimal_without_long_term_effect_and_beaten_with_it():
    from rlrec.agents import ListeningOracle
    from rlrec.evaluation import mean_interval, simulate

    returns = {}
    for effect in (0.0, 1.0):
        env = ListeningBatch(600, observe="ids", long_term_effect=effect)
        for lookahead in (0, 4):
            planner = ListeningOracle(
                env, np.random.default_rng(0), lookahead=lookahead
            )
            planner.lookahead = lookahead  # also where there is nothing to plan for
            returns[effect, lookahead] = simulate(env, planner, seed=0)
    assert mean_interval(returns[0.0, 4] - returns[0.0, 0]).high < 0.3
    assert mean_interval(returns[1.0, 4] - returns[1.0, 0]).low > 1.0
