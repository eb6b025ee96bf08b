"""PPO over interactions: by hand, against plain loops, nothing hidden, stored."""

from dataclasses import replace

import numpy as np
import pytest

from rlrec.agents.interactions import (
    LISTENING_FEATURES,
    listening_interactions,
    listening_session,
)
from rlrec.agents.ppo import PPO, PPOConfig
from rlrec.agents.ppo_interactions import InteractionPolicy
from rlrec.agents.song_space import SongSpace
from rlrec.envs import ListeningBatch, default_catalogue
from rlrec.errors import ConfigError
from rlrec.nn.backend import tf

CATALOGUE = default_catalogue()
SONGS = np.column_stack([CATALOGUE.sound, CATALOGUE.appeal])
SMALL = PPOConfig(
    policy="interactions",
    state="belief",
    hidden=(8,),
    rollout=16,
    epochs=2,
    minibatch=32,
    learning_rate=0.01,
    schedule_steps=20_000,
)


@pytest.fixture(autouse=True)
def eagerly():
    """Without the compiler, which takes seconds for each network of another shape."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def listening(num_envs=8, **settings):
    return ListeningBatch(num_envs, observe="ids", history=20, **settings)


def some_sessions(env, steps=6):
    observations, _ = env.reset(seed=4)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        songs = rng.integers(env.n_candidates, size=env.num_envs)
        observations = env.step(songs)[0]
    return observations


def test_the_columns_are_those_that_differ_between_songs():
    """Named by hand; sizes 3, 6, 12, 24, 12 for each of the three groups."""
    observations = some_sessions(listening())
    pool = observations["candidates"]
    found = SongSpace(PPO(SONGS, SMALL).songs)(observations, pool)
    appeal = CATALOGUE.appeal - CATALOGUE.appeal.mean()
    standard = replace(CATALOGUE, appeal=appeal / CATALOGUE.appeal.std())
    every = listening_interactions(
        standard, listening_session(standard, observations), pool
    )
    parts = ("appeal", "likeness", "likeness above 0", "heard", "liked")
    names = [part + more for more in ("", " x left", " x mood") for part in parts]
    sizes = [3.0, 6.0, 12.0, 24.0, 12.0] * 3
    assert found.shape == (8, 10, 15)
    for column, (name, size) in enumerate(zip(names, sizes, strict=True)):
        own = size * every[:, :, LISTENING_FEATURES.index(name)]
        np.testing.assert_allclose(found[:, :, column], own, rtol=1e-3, atol=1e-4)
        assert own.std() > 0.1


def test_nothing_hidden_is_used():
    """Another taste and mood in the environment: the same probabilities."""
    env = listening()
    agent = PPO(SONGS, SMALL)
    agent.learner.policy.linear.assign(np.linspace(-1, 1, 15))
    agent._refresh()
    observations = some_sessions(env)
    before = agent.probabilities(observations)[1]
    env.listeners.taste[:] = env.listeners.taste[::-1]
    env.listeners.mood[:] = 1 - env.listeners.mood
    assert (agent.probabilities(env._observe())[1] == before).all()


def test_the_policy_by_hand():
    """w = (ln 2, 0, ..), x = (1, ..), (0, ..), (2, ..): P = 2/7, 1/7, 4/7."""
    agent = PPO(SONGS, SMALL)
    agent.learner.policy.linear.assign([np.log(2.0)] + [0.0] * 14)
    agent._refresh()
    seen = np.zeros((1, 3, 15), np.float32)
    seen[0, :, 0] = [1.0, 0.0, 2.0]
    state = np.ones((1, agent.view.width), np.float32)
    songs = np.array([[5, 6, 7]])
    found = np.exp(agent._log_probs(state, songs, seen))
    np.testing.assert_allclose(found, [[2 / 7, 1 / 7, 4 / 7]], rtol=1e-5)


@pytest.mark.parametrize("policy", ["interactions", "both"])
def test_the_policy_that_plays_is_the_policy_that_learns(policy):
    agent = PPO(SONGS, replace(SMALL, policy=policy), seed=1)
    env = listening()
    agent.train(env, 256)
    steps = agent._play(env)[0]
    names = ("state", "candidates", "choice", "seen")
    batch = {name: tf.constant(steps[name]) for name in names}
    log_prob, _ = agent.learner.policy.log_prob(batch, agent.learner.songs)
    np.testing.assert_allclose(log_prob, steps["log_prob"], rtol=1e-3, atol=1e-4)
    assert isinstance(agent.learner.policy, InteractionPolicy)
    # the logits differ from those of the interactions alone where a network is beside
    alone = steps["seen"] @ agent._linear
    with_network = agent.learner.policy.logits(batch, agent.learner.songs)
    assert np.allclose(alone, with_network, atol=1e-4) == (policy == "interactions")


def test_only_the_weights_of_the_interactions_learn():
    agent = PPO(SONGS, SMALL)
    assert [tuple(one.shape) for one in agent.learner.policy.variables] == [(15,)]
    agent.train(listening(), 256)
    assert (np.abs(agent.learner.policy.linear.numpy()) > 0.0).all()


@pytest.mark.parametrize("policy", ["interactions", "both"])
def test_stored_in_the_middle_and_continued_bit_identical(policy, tmp_path):
    config = replace(SMALL, policy=policy)
    whole = PPO(SONGS, config, seed=2)
    env = listening()
    whole.train(env, 256)
    whole.save(tmp_path)
    twin_env = listening()
    twin_env.reset(seed=0)
    twin_env.restore(env.state())
    twin = PPO.load(tmp_path, twin_env)
    whole.train(env, 256)
    twin.train(twin_env, 256)
    for one, other in zip(whole.learner.weights, twin.learner.weights, strict=True):
        assert (one.numpy() == other.numpy()).all()


def test_a_policy_over_points_has_no_candidates():
    with pytest.raises(ConfigError, match='it needs policy "network"'):
        PPOConfig(action="point", policy="both")
    with pytest.raises(ConfigError, match="policy is 'linear'"):
        PPOConfig(policy="linear")
