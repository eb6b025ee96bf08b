"""Trainers of several seeds: compiled once, and each as it would be alone."""

import numpy as np
import pytest

from rlrec.agents.ddpg import DDPG
from rlrec.agents.ddpg_config import DDPGConfig
from rlrec.agents.ddpg_session import SessionDDPG
from rlrec.agents.dqn_session import SessionDQN, SessionDQNConfig
from rlrec.agents.ppo import PPO, PPOConfig
from rlrec.agents.training import compiled_once
from rlrec.envs import ListeningBatch, default_catalogue
from rlrec.nn.backend import tf

SONGS = np.column_stack([default_catalogue().sound, default_catalogue().appeal])


def ppo(seed):
    """Each seed with a map of its own, as where a VAE is trained for each."""
    config = PPOConfig(rollout=8, epochs=2, minibatch=16, hidden=(8,), keys=4)
    return PPO(SONGS + seed * SONGS**2, config, seed)


def ddpg(seed):
    config = DDPGConfig(hidden=(8,), updates=2, batch_size=8, learning_starts=8)
    return SessionDDPG(SONGS, config, seed, rollout=8)


def drr(seed):
    """DDPG for ratings, whose vectors of items differ from seed to seed."""
    config = DDPGConfig(hidden=(8,), updates=2, batch_size=8, learning_starts=56)
    return DDPG(SONGS + seed * SONGS**2, None, config, seed, history=20)


def dqn(seed):
    # 5 updates a round, and a new target network after every 3rd
    config = SessionDQNConfig(
        rollout=8, updates=5, batch_size=8, target_every=3, warm_up=0
    )
    return SessionDQN(default_catalogue(), config, seed)


MAKERS = [ppo, ddpg, drr, dqn]


@pytest.fixture
def eager():
    """No graph is compiled for a few updates."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def listeners():
    return ListeningBatch(4, observe="ids", history=20)


def ends_with(agent, rounds=3):
    """The state of ``agent`` after some rounds."""
    agent.train(listeners(), rounds * 32, seed=7)
    return agent.state()


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, name)


@pytest.mark.parametrize("make", MAKERS)
def test_with_updates_compiled_by_another_seed_the_bits_are_the_same(make, eager):
    alone = ends_with(make(1))
    former, agent = make(0), make(1)
    with compiled_once(former):
        ends_with(former)
    with compiled_once(agent):
        assert_same(ends_with(agent), alone)
    assert agent.learner is former.learner


@pytest.mark.parametrize("make", MAKERS)
def test_resumed_after_two_rounds_the_bits_are_the_same(make, eager):
    whole = ends_with(make(1))
    first = make(1)
    half = ends_with(first, 2)
    agent, env = make(1), listeners()
    agent.restore(half, _standing(env, half))
    agent.train(env, 32)
    assert_same(agent.state(), whole)


def _standing(env, state):
    """``env`` where the environment of ``state`` stood."""
    env.reset(seed=0)
    own = {name[4:]: part for name, part in state.items() if name.startswith("env_")}
    env.restore(own)
    return env


def test_other_settings_are_compiled_anew(eager):
    first, other = ppo(0), ppo(0)
    other.learner.config = PPOConfig()
    with compiled_once(first), compiled_once(other):
        assert other.learner is not first.learner


def test_settings_may_hold_a_list(eager):
    """Layers given as a list are those given as a tuple, but for the word."""
    config = PPOConfig(rollout=8, epochs=1, minibatch=16, hidden=[8])
    with compiled_once(PPO(SONGS, config)):
        pass
