"""The n-step learner: returns by hand, a twin in loops, what it learns, its files."""

import numpy as np
import pytest

from rlrec.agents import PopularityPolicy
from rlrec.agents.nstep import NStep, NStepConfig, Regression, n_step_returns
from rlrec.agents.recommender import not_played
from rlrec.envs import ListeningBatch, default_catalogue
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation import simulate

CATALOGUE = default_catalogue()


def world(listeners, action="candidate"):
    return ListeningBatch(listeners, action, "ids", history=20)


def column(*values):
    return np.array(values, float)[:, None]


def flags(*values):
    return np.array(values, bool)[:, None]


def test_three_rewards_by_hand():
    """Discount .5: 1 + .5 * 2 + .25 * 4 = 3; the last two steps are not yet known."""
    no = flags(0, 0, 0, 0)
    returns, known = n_step_returns(column(1, 2, 4, 8), no, no, 3, 0.5)
    assert returns[:2, 0].tolist() == [3.0, 2 + 0.5 * 4 + 0.25 * 8]
    assert known[:, 0].tolist() == [True, True, False, False]


def test_a_terminated_episode_pays_nothing_more():
    ended, no = flags(0, 1, 0, 0), flags(0, 0, 0, 0)
    returns, known = n_step_returns(column(1, 2, 0, 8), ended, no, 3, 1.0)
    assert returns[:2, 0].tolist() == [3.0, 2.0]
    assert known[:, 0].tolist() == [True, True, False, False]


def test_what_a_truncated_episode_would_have_paid_is_unknown():
    ended, no = flags(0, 0, 1, 0, 0), flags(0, 0, 0, 0, 0)
    returns, known = n_step_returns(column(1, 2, 4, 0, 8), no, ended, 3, 1.0)
    assert returns[0, 0] == 7.0
    assert known[:, 0].tolist() == [True, False, False, False, False]
    assert n_step_returns(column(1, 2, 4, 0, 8), no, ended, 1, 1.0)[1].all()


def test_one_step_or_discount_0_is_the_reward_itself():
    rng = np.random.default_rng(0)
    rewards = rng.normal(size=(9, 3))
    no = np.zeros((9, 3), bool)
    one, known = n_step_returns(rewards, no, no, 1, 0.7)
    none, _ = n_step_returns(rewards, no, no, 4, 0.0)
    assert known.all()
    np.testing.assert_array_equal(one, rewards)
    np.testing.assert_array_equal(none, rewards)


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_returns_are_those_of_plain_loops(n):
    rng = np.random.default_rng(n)
    rewards = rng.normal(size=(30, 4))
    terminated = rng.random((30, 4)) < 0.15
    truncated = (rng.random((30, 4)) < 0.15) & ~terminated
    returns, known = n_step_returns(rewards, terminated, truncated, n, 0.8)
    for row in range(4):
        for first in range(30):
            total, complete = 0.0, False
            for age in range(n):
                if first + age == 30:
                    break
                total += 0.8**age * rewards[first + age, row]
                if terminated[first + age, row] or age == n - 1:
                    complete = True
                    break
                if truncated[first + age, row]:
                    break
            assert returns[first, row] == pytest.approx(total)
            assert known[first, row] == complete


def test_ridge_regression_by_hand():
    """x = 2, G = 3; then x = 1, G = 1: A = 5 + 5, b = 7."""
    regression = Regression(1)
    regression.learn(column(2), np.array([3.0]), ridge=5.0)
    assert regression.weights[0] == pytest.approx(6 / 9)
    regression.learn(column(1), np.array([1.0]), ridge=5.0)
    assert regression.weights[0] == pytest.approx(7 / 10)


def test_a_round_is_the_regression_of_what_was_played(monkeypatch):
    """Listeners and returns followed one by one, and one least-squares fit."""
    env = world(5)
    agent = NStep(CATALOGUE, NStepConfig(rollout=40, ridge=2.0, warm_up=0), seed=1)
    stream = [[] for _ in range(5)]  # of each listener: features, reward, ended
    step = agent._step

    def note(env):
        live, features, rewards, terminated, _ = played = step(env)
        for row in np.flatnonzero(live):
            stream[row].append((features[row], rewards[row], terminated[row]))
        return played

    monkeypatch.setattr(agent, "_step", note)
    agent.train(env, 200, seed=5)
    rows, returns = [], []
    for plays in stream:
        for first, (features, _, _) in enumerate(plays):
            total, complete = 0.0, False
            for age, (_, reward, ended) in enumerate(plays[first : first + 3]):
                total += reward
                complete = ended or age == 2
                if ended:
                    break
            if complete:
                rows.append(features)
                returns.append(total)
    penalty = np.sqrt(2.0) * np.eye(21)
    stacked = np.vstack([np.array(rows), penalty])
    expected = np.linalg.lstsq(stacked, np.append(returns, np.zeros(21)))[0]
    np.testing.assert_allclose(agent.learner.weights, expected, atol=1e-9)


def test_it_beats_popularity_and_three_rewards_beat_one():
    seeds = range(3)
    found = {}
    for n in (1, 3):
        agents = [
            NStep(CATALOGUE, NStepConfig(n=n, schedule_steps=8192), s) for s in seeds
        ]
        for seed, agent in enumerate(agents):
            agent.train(world(32), 8192, seed=10_000_000 * (seed + 1))
        found[n] = np.mean([simulate(world(400), one, seed=7).mean() for one in agents])
    popular = simulate(world(400), PopularityPolicy(CATALOGUE.appeal), seed=7).mean()
    assert found[3] > popular + 0.5
    assert found[3] > found[1] + 1.0


def test_epsilon_falls_and_random_songs_are_played_with_it():
    agent = NStep(
        CATALOGUE, NStepConfig(schedule_steps=100, epsilon_floor=0.2, warm_up=0)
    )
    assert agent.epsilon == 1.0
    agent.step = 50
    assert agent.epsilon == pytest.approx(0.6)
    agent.step = 1000
    assert agent.epsilon == pytest.approx(0.2)
    observations, _ = world(4000).reset(seed=0)
    best = agent.recommend(observations)
    played = agent._explore(observations, best)
    # every tenth random song is the best one
    assert (played != best).mean() == pytest.approx(0.2 * 0.9, abs=0.03)
    assert (played == observations["candidates"]).any(axis=1).all()


def test_the_whole_catalogue_without_songs_just_played():
    agent = NStep(CATALOGUE, NStepConfig(rollout=8, warm_up=64))
    env = world(16, "song")
    agent.train(env, 256, seed=3)
    assert (env.played >= 0).sum() > 100
    for songs in env.played:
        heard = songs[songs >= 0]
        assert len(set(heard)) == len(heard)
    observations = env._observe()
    songs = agent.recommend(observations, 7)
    assert songs.shape == (16, 7)
    mask = not_played(observations["history"], len(CATALOGUE))
    assert np.take_along_axis(mask, songs, axis=1).all()


def test_the_filter_is_fitted_when_the_warm_up_is_over():
    agent = NStep(CATALOGUE, NStepConfig(rollout=16, warm_up=256))
    start = agent.filter.reactions.pull.copy()
    agent.train(world(16), 256)  # not yet: few sessions are whole
    assert agent.epsilon == 1.0
    assert (agent.filter.reactions.pull == start).all()
    agent.train(agent._env, 1_024)
    assert agent.epsilon < 1.0
    assert (agent.filter.reactions.pull != start).any()


@pytest.mark.parametrize("warm_up", [0, 256])
def test_one_seed_one_result_and_another_another(warm_up):
    def weights(seed):
        agent = NStep(CATALOGUE, NStepConfig(warm_up=warm_up), seed)
        agent.train(world(8), 1024, seed=2)
        return agent.learner.weights

    np.testing.assert_array_equal(weights(1), weights(1))
    assert (weights(1) != weights(2)).any()


@pytest.mark.parametrize("warm_up", [0, 256, 640])  # before and after the stop
def test_stopped_saved_loaded_and_resumed_is_bit_identical(tmp_path, warm_up):
    whole = NStep(CATALOGUE, NStepConfig(warm_up=warm_up), seed=4)
    records = whole.train(world(8), 1024, seed=9)
    env = world(8)
    stopped = NStep(CATALOGUE, NStepConfig(warm_up=warm_up), seed=4)
    stopped.train(env, 512, seed=9)
    stopped.save(tmp_path)
    loaded = NStep.load(tmp_path, env=world(8))
    assert loaded.config == stopped.config
    more = loaded.train(loaded._env, 512)
    assert [one[:3] for one in more] == [one[:3] for one in records[2:]]
    for name, values in whole.state().items():
        np.testing.assert_array_equal(loaded.state()[name], values, err_msg=name)


def test_a_callback_stops_the_training():
    agent = NStep(CATALOGUE)
    (record,) = agent.train(world(4), 4096, callback=lambda record: True)
    assert record.step == agent.step


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(DataError):
        NStep.load(tmp_path)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("n", 0), ("discount", 1.5), ("ridge", 0.0), ("epsilon_floor", 2), ("rollout", 2)],
)
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(ConfigError, match=setting):
        NStepConfig(**{setting: value})
