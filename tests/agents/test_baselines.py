"""Baselines on both environments: best first, what they know, and who beats whom."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from rlrec.agents import (
    GreedyListening,
    ListeningOracle,
    PopularityPolicy,
    RandomPolicy,
    TablePolicy,
    VariedListening,
)
from rlrec.envs import PROFILES, GenreBatch, ListeningBatch, default_catalogue
from rlrec.envs.listeners import TURN_LOGIT
from rlrec.errors import ConfigError
from rlrec.evaluation import mean_interval, simulate


def listening(n=300, **settings):
    env = ListeningBatch(n, observe="ids", **settings)
    return env, env.reset(seed=0)[0]


def policies(env):
    rng = np.random.default_rng(0)
    return {
        "random": RandomPolicy(len(env.catalogue), rng),
        "popularity": PopularityPolicy(env.catalogue.appeal),
        "greedy": GreedyListening(env.catalogue),
        "oracle": ListeningOracle(env, rng),
    }


@pytest.mark.parametrize("name", ["random", "popularity", "greedy", "oracle"])
@pytest.mark.parametrize("action", ["candidate", "song", "slate"])
def test_recommend_gives_k_different_items_on_offer(name, action):
    env, observation = listening(4, action=action)
    items = policies(env)[name].recommend(observation, k=5)
    assert items.shape == (4, 5)
    assert all(len(set(row)) == 5 for row in items.tolist())
    if action == "candidate":
        assert all(
            set(row) <= set(pool)
            for row, pool in zip(
                items.tolist(), observation["candidates"].tolist(), strict=True
            )
        )


def test_popularity_is_best_first():
    env, observation = listening(50)
    scores = env.catalogue.appeal[
        PopularityPolicy(env.catalogue.appeal).recommend(observation, 10)
    ]
    assert (np.diff(scores, axis=1) <= 0).all()


def test_random_is_even():
    picks = RandomPolicy(5, np.random.default_rng(0)).recommend(
        np.zeros(50_000, int), 2
    )
    np.testing.assert_allclose(np.bincount(picks.ravel()) / 50_000, 0.4, atol=0.01)


def test_table_policies_by_hand():
    model = PROFILES["variety_seeker"].model()
    assert TablePolicy.oracle(model).recommend(np.arange(5))[:, 0].tolist() == [
        2,
        2,
        0,
        2,
        2,
    ]
    assert (
        TablePolicy.greedy(model).recommend(np.array([2]), 5)[0, -1] == 2
    )  # jazz after jazz comes last


@pytest.mark.parametrize("like_weight", [0.0, 2.0])
def test_belief_is_ridge_regression_by_the_normal_equations(like_weight):
    env, _ = listening(20)
    for _ in range(6):
        observation = env.step(np.zeros(20, int))[0]
    greedy = GreedyListening(env.catalogue, ridge=2.0, like_weight=like_weight)
    assert observation["feedback"][:, :, 1].any()
    for row, belief in enumerate(greedy.belief(observation)):
        songs = observation["history"][row][observation["history"][row] >= 0]
        feedback = observation["feedback"][row, -len(songs) :]
        heard = 1 - feedback[:, 2] + like_weight * feedback[:, 1]
        sound = env.catalogue.sound[songs]
        expected = (
            np.linalg.inv(sound.T @ sound + 2 * np.eye(5))
            @ sound.T
            @ (heard - heard.mean())
        )
        np.testing.assert_allclose(belief, expected, atol=1e-7)


def test_oracle_takes_the_largest_pull_when_nothing_lasts():
    env, observation = listening(40, long_term_effect=0.0)
    picks = ListeningOracle(env, np.random.default_rng(0)).recommend(observation)[:, 0]
    pull = env.listeners.pull(observation["candidates"])
    np.testing.assert_array_equal(
        picks, observation["candidates"][np.arange(40), pull.argmax(axis=1)]
    )


def test_the_order_of_things_without_long_term_effect():
    env, _ = listening(1500, long_term_effect=0.0)
    returns = {
        name: simulate(env, policy, seed=1) for name, policy in policies(env).items()
    }
    for worse, better in (
        ("random", "greedy"),
        ("random", "popularity"),
        ("greedy", "oracle"),
    ):
        assert mean_interval(returns[better] - returns[worse]).low > 0, (worse, better)


def test_planning_pays_with_long_term_effect():
    env, _ = listening(400)
    returns = {
        name: simulate(env, policy, seed=1) for name, policy in policies(env).items()
    }
    for rival in ("random", "greedy", "popularity"):
        assert mean_interval(returns["oracle"] - returns[rival]).low > 0.5, rival


@pytest.mark.parametrize(("action", "listeners"), [("candidate", 200), ("song", 60)])
def test_an_oracle_with_ten_times_the_rollouts_is_no_better(action, listeners):
    env, _ = listening(listeners, action=action)
    returns = []
    for times in (1, 10):
        rng = np.random.default_rng(0)
        oracle = ListeningOracle(env, rng)
        oracle.rollouts *= times
        returns.append(simulate(env, oracle, seed=1))
    gain = mean_interval(returns[1] - returns[0])
    assert gain.low <= 0.0 or gain.high < 0.1, str(gain)


def test_the_oracle_plays_the_largest_pull_as_the_last_song():
    env, observation = listening(40)
    env.listeners.length[:] = 1
    picks = ListeningOracle(env, np.random.default_rng(0)).recommend(observation)[:, 0]
    pull = env.listeners.pull(observation["candidates"])
    np.testing.assert_array_equal(
        picks, observation["candidates"][np.arange(40), pull.argmax(axis=1)]
    )


def test_rollouts_of_the_oracle_expect_what_is_heard_and_the_mood_after():
    """All songs are alike, so that nothing is chosen: of two songs, and of four."""
    alike = default_catalogue()
    alike = replace(
        alike,
        sound=np.tile(alike.sound[0], (2000, 1)),
        direction=np.tile(alike.direction[0], (2000, 1)),
        appeal=np.zeros(2000),
    )
    env, _ = listening(20_000, catalogue=alike)
    short, long = slice(0, 10_000), slice(10_000, None)
    env.listeners.length[short] = 2
    oracle = ListeningOracle(env, np.random.default_rng(0), rollouts=1, lookahead=3)
    values = oracle._rollout_values(np.zeros((20_000, 1), int))[:, 0]
    heard = np.zeros(20_000)
    for step in range(4):
        info = env.step(np.zeros(20_000, int))[-1]
        heard[long] += ~info["skipped"][long]
        heard[short] += ~info["skipped"][short] & (step < 2)
    worth = heard[long] - env.listeners.mood[long]
    assert values[short].mean() == pytest.approx(heard[short].mean(), abs=0.03)
    assert values[long].mean() == pytest.approx(worth.mean(), abs=0.05)
    assert worth.mean() < 0.9 * heard[long].mean()


def test_k_out_of_range():
    with pytest.raises(ConfigError, match="k is 6"):
        RandomPolicy(5, np.random.default_rng(0)).recommend(np.array([0]), 6)
    env = GenreBatch(1)
    assert env.actions_for(np.array([[3, 1]])).tolist() == [3]


def test_variety_lowers_the_scores_of_songs_like_the_last_ones():
    """The memory is .8 of itself and .2 of each song's direction, song by song."""
    env, _ = listening(3, action="song")
    for song in (5, 9):
        observation = env.step(np.full(3, song))[0]
    pool = np.tile(np.arange(40), (3, 1))
    direction = env.catalogue.direction
    memory = 0.8 * 0.2 * direction[5] + 0.2 * direction[9]
    greedy = GreedyListening(env.catalogue).scores(observation, pool)
    varied = VariedListening(env.catalogue, variety=3.0).scores(observation, pool)
    np.testing.assert_allclose(varied, greedy - 3.0 * (direction[:40] @ memory))
    with pytest.raises(TypeError, match="positional"):
        VariedListening(env.catalogue, 3.0)


def test_a_table_that_has_learned_nothing_is_random():
    policy = TablePolicy(np.zeros((5, 5)), np.random.default_rng(0))
    picks = policy.recommend(np.zeros(50_000, int), 1)
    np.testing.assert_allclose(np.bincount(picks[:, 0]) / 50_000, 0.2, atol=0.01)


def test_the_oracle_goes_on_with_songs_that_please_and_do_not_turn_the_mood():
    """P(heard) - P(m' = 1) after three songs, one listener and one song at a time."""
    env, _ = listening(5)
    for _ in range(3):
        env.step(np.zeros(5, int))
    many = env.listeners
    pool = np.tile(np.arange(30), (5, 1))
    mood = many.mood[:, None]
    found = ListeningOracle(env, None)._scores(pool, mood, many.memory[:, None])
    skip = many.skip_probability(pool)
    for row in range(5):
        for song in range(30):
            direction = env.catalogue.direction[song]
            memory = many.memory[row]
            fatigue = max(0.0, direction @ memory) - 0.19 * np.linalg.norm(memory)
            turn = expit(TURN_LOGIT[many.mood[row]] + many.restless[row] + 8 * fatigue)
            chance = skip[row, song]
            score = 1 - chance - (chance * turn[1] + (1 - chance) * turn[0])
            assert found[row, song] == pytest.approx(score)
    assert len(set(many.mood)) == 2
