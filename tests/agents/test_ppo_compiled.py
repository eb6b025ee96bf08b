"""PPO with compiled listeners: it sees, draws and learns as PPO does."""

import numpy as np
import pytest

from rlrec.agents.ppo import PPO, PPOConfig
from rlrec.agents.ppo_compiled import CompiledPPO, averages
from rlrec.agents.training import compiled_once
from rlrec.envs import ListeningBatch, default_catalogue
from rlrec.envs.view import ListeningView
from rlrec.errors import ConfigError
from rlrec.nn.backend import tf
from rlrec.nn.compiled import CompiledBatch, CompiledListening

CATALOGUE = default_catalogue()
SMALL = PPOConfig(
    rollout=32,
    epochs=2,
    minibatch=64,
    hidden=(8,),
    keys=4,
    learning_rate=0.01,
    schedule_steps=4_096,
)


def listeners(rows=16):
    return CompiledBatch(CompiledListening(n_candidates=10, history=20), rows)


@pytest.fixture(scope="module")
def trained():
    """Four rounds; the agent, its environment, states after two and four, records."""
    agent, env = CompiledPPO(CATALOGUE.sound, SMALL, 1), listeners()
    records = agent.train(env, 2 * 512, seed=5)
    half = agent.state()
    records += agent.train(env, 2 * 512)
    return agent, env, (half, agent.state()), records


@pytest.mark.parametrize("history", [20, 5])
def test_the_state_is_that_of_the_numpy_view(history):
    """Of sessions of every length, also before the first song."""
    env = ListeningBatch(40, observe="ids", history=20)
    seen, _ = env.reset(seed=2)
    rng = np.random.default_rng(0)
    songs = CATALOGUE.sound.astype(np.float32)
    view = ListeningView(songs, "averages", history)
    for _ in range(30):
        tensors = {name: tf.constant(values) for name, values in seen.items()}
        found = averages(tf.constant(songs), tensors, history).numpy()
        np.testing.assert_allclose(found, view(seen), atol=1e-5)
        seen, *_ = env.step(rng.integers(10, size=40))


def test_it_draws_with_the_probabilities_of_its_policy(trained):
    """What was recorded against PPO in NumPy, on the states that it saw."""
    agent, env, *_ = trained
    steps = env.play(agent.learner.decide, 32)
    shape = (32 * 16, -1)
    state = steps["state"].reshape(shape)
    candidates = steps["candidates"].reshape(shape)
    log_probs = agent._log_probs(state, candidates, np.zeros((*candidates.shape, 0)))
    choice = steps["choice"].reshape(-1)
    rows = np.arange(len(choice))
    np.testing.assert_allclose(
        steps["log_prob"].reshape(-1), log_probs[rows, choice], atol=1e-5
    )
    np.testing.assert_array_equal(steps["songs"].reshape(-1), candidates[rows, choice])
    # The mean of log P of what is drawn is the negative entropy.
    surprise = -log_probs[rows, choice]
    probabilities = np.exp(log_probs)
    entropy = -(probabilities * log_probs).sum(axis=1)
    variance = (probabilities * log_probs**2).sum(axis=1) - entropy**2
    away = (surprise - entropy).sum() / np.sqrt(variance.sum())
    assert abs(away) < 4.0
    counts = np.bincount(choice, minlength=10)
    assert (counts > 20).all()  # of some 51


def test_it_learns_to_be_heard_more_often(trained):
    """The policy moved, and what it recommends is what PPO would with its weights."""
    agent, *_, records = trained
    assert [one.step for one in records] == [512, 1024, 1536, 2048]
    assert np.isfinite([one[:-1] for one in records]).all()
    twin = PPO(CATALOGUE.sound, SMALL, 9)
    twin.learner.restore(agent.learner.state())
    twin._refresh()
    seen, _ = ListeningBatch(30, observe="ids", history=20).reset(seed=1)
    np.testing.assert_array_equal(agent.recommend(seen, 3), twin.recommend(seen, 3))


def test_the_same_seed_and_a_resumed_training_give_the_same_bits(trained):
    _, _, (half, whole), records = trained
    other, env = CompiledPPO(CATALOGUE.sound, SMALL, 8), listeners()
    other.restore(half, env)
    again = other.train(env, 2 * 512)
    assert [one[:-1] for one in again] == [one[:-1] for one in records[2:]]
    for name, array in other.state().items():
        np.testing.assert_array_equal(array, whole[name], name)


def test_another_seed_takes_over_what_is_compiled(trained):
    """It plays by its own weights and its own map."""
    former, env, *_ = trained
    agent, alone = (CompiledPPO(CATALOGUE.sound**2, SMALL, 3) for _ in range(2))
    with compiled_once(former):
        pass
    with compiled_once(agent):
        compiled = env.listeners.play.experimental_get_tracing_count()
        other = CompiledBatch(env.listeners, env.num_envs)
        agent.train(other, 512, seed=6)
        assert env.listeners.play.experimental_get_tracing_count() == compiled
    alone.train(listeners(), 512, seed=6)
    expected = alone.state()
    for name, array in agent.state().items():
        np.testing.assert_array_equal(array, expected[name], name)


def test_other_seeds_begin_other_sessions():
    env = listeners(50)
    lengths = []
    for seed in (0, 1, 2**31, 2**40, 0):
        env.reset(seed=seed)
        lengths.append(env.state()["length"])
    same = [[(one == two).all() for two in lengths] for one in lengths]
    assert np.sum(same) == 5 + 2  # each itself, and the first is the last


@pytest.mark.parametrize(
    "settings", [{"state": "belief"}, {"policy": "both"}, {"action": "neighbours"}]
)
def test_what_it_cannot_do_is_refused(settings):
    with pytest.raises(ConfigError, match=f'need {next(iter(settings))} "'):
        CompiledPPO(CATALOGUE.sound, PPOConfig(**settings))
