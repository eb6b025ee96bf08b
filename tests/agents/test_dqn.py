"""DQN: lesson 05's numbers, double Q, the target network, and Genre-v0."""

from dataclasses import fields, replace

import numpy as np
import pytest

from rlrec.agents import value_iteration
from rlrec.agents.dqn import DQN, DQNConfig
from rlrec.envs import PROFILES, GenreBatch, ListeningBatch
from rlrec.errors import ConfigError
from rlrec.nn.backend import tf

LINEAR = DQNConfig(
    hidden=(), features="product", optimiser="sgd", learning_rate=0.1, double_q=False
)
SMALL = DQNConfig(
    learning_starts=16, updates=2, batch_size=8, capacity=200, schedule_steps=100
)


@pytest.fixture
def eagerly():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def lesson(config=LINEAR):
    """Q(Rock, Pop) = 1.0, Q(Pop, Pop) = .2, all else 0."""
    agent = DQN(np.eye(5), 5, config=config)
    table = np.zeros((5, 5), np.float32)
    table[1, 0] = 1.0
    table[0, 0] = 0.2
    agent.set_table(table)
    return agent


def one(terminated=False):
    return {
        "observations": [1],
        "items": [0],
        "rewards": [10.0],
        "next_observations": [0],
        "terminated": [terminated],
    }


@pytest.mark.parametrize(
    ("terminated", "error", "value"), [(False, 9.18, 1.918), (True, 9.0, 1.9)]
)
def test_linear_q_reproduces_the_table(terminated, error, value):
    agent = lesson()
    assert agent.update(**one(terminated))[0] == pytest.approx(error, rel=1e-5)
    expected = np.zeros((5, 5))
    expected[1, 0] = value
    expected[0, 0] = 0.2
    np.testing.assert_allclose(
        agent.values(np.arange(5)), expected, rtol=1e-5, atol=1e-7
    )


def test_double_q_picks_with_one_and_values_with_the_other_network():
    for double, expected in ((False, 10 + 0.9 * 3.0), (True, 10 + 0.9 * 2.0)):
        agent = lesson(replace(LINEAR, double_q=double))
        online = np.zeros((5, 5), np.float32)
        target = np.zeros((5, 5), np.float32)
        online[0] = [0, 9, 0, 0, 0]
        target[0] = [3, 2, 0, 0, 0]
        agent.online.variables[0].assign(online.reshape(-1, 1))
        agent.target.variables[0].assign(target.reshape(-1, 1))
        assert agent.update(**one())[0] == pytest.approx(expected)


def networks_are_equal(agent):
    target = [variable.numpy() for variable in agent.target.variables]
    return same(target, [variable.numpy() for variable in agent.online.variables])


def test_the_target_network_is_a_copy_at_the_start_and_every_so_many_updates():
    agent = lesson(replace(LINEAR, target_every=3))
    seen = []
    for _ in range(4):
        agent.update(**one())
        seen.append(networks_are_equal(agent))
    assert seen == [False, False, True, False]
    assert networks_are_equal(DQN(np.eye(5), 5))


def test_errors_are_a_row_not_a_square():
    agent = lesson()
    many = {name: values * 4 for name, values in one().items()}
    assert agent.update(**many).shape == (4,)
    assert agent.values(np.array([1]))[0, 0] == pytest.approx(
        1.918, rel=1e-5
    )  # the mean of four equal steps


def test_a_table_fits_a_linear_q_alone():
    with pytest.raises(ConfigError, match="fits a linear Q"):
        DQN(np.eye(5), 5).set_table(np.zeros((5, 5), np.float32))


def test_pop_lover_on_genre_v0():
    optimal = value_iteration(PROFILES["pop_lover"].model())
    agent = DQN(np.eye(5), 5, seed=1)
    agent.train(GenreBatch(16, user="pop_lover"), 12_000)
    found = agent.recommend(np.arange(5))[:, 0]
    assert (found == optimal.argmax(axis=1)).all()
    values = agent.values(np.arange(5))
    assert np.abs(values.max(axis=1) / optimal.max(axis=1) - 1).max() < 0.15


def test_a_changing_pool_of_candidates(eagerly):
    env = ListeningBatch(4, observe="ids", n_candidates=6)
    sound = env.catalogue.sound
    agent = DQN(
        sound,
        5,
        view=lambda seen: sound[np.maximum(seen["history"][:, -1], 0)].astype("f"),
        config=SMALL,
    )
    rewards = agent.train(env, 4 * 8)
    assert rewards.shape == (8,)
    observation, _ = env.reset(seed=5)
    songs = agent.recommend(observation, 3)
    assert all(
        set(row) <= set(pool)
        for row, pool in zip(
            songs.tolist(), observation["candidates"].tolist(), strict=True
        )
    )


def weights(config=SMALL, seed=0):
    agent = DQN(np.eye(5), 5, config=config, seed=seed)
    agent.train(GenreBatch(8, user="pop_lover"), 8 * 6, seed=seed)
    return [
        variable.numpy()
        for network in (agent.online, agent.target)
        for variable in network.variables
    ]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_same_seed_same_weights(eagerly):
    assert same(weights(), weights())
    assert not same(weights(), weights(seed=1))


CHANGES = {
    "hidden": (4,),
    "features": "product",
    "optimiser": "sgd",
    "learning_rate": 0.1,
    "discount": 0.1,
    "double_q": False,
    "target_every": 1,
    "epsilon": 0.0,
    "epsilon_floor": 1.0,
    "schedule_steps": 10,
    "capacity": 10,
    "learning_starts": 30,
    "updates": 1,
    "batch_size": 2,
}


@pytest.mark.parametrize("name", [field.name for field in fields(DQNConfig)])
def test_each_hyperparameter_is_read(name, eagerly):
    base = replace(SMALL, target_every=4, learning_rate=0.05)
    assert not same(weights(base), weights(replace(base, **{name: CHANGES[name]})))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DQNConfig(updates=0), "updates is 0"),
        (lambda: DQNConfig(epsilon=2.0), "epsilon is 2.0"),
        (lambda: DQNConfig(discount=1.0), "discount is 1.0"),
        (lambda: DQNConfig(optimiser="magic"), "choose one of adam, sgd"),
    ],
)
def test_bad_settings(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_the_next_item_is_one_of_those_on_offer():
    """Item 0 is worth 9 and not on offer; of 2 and 3 the better is worth 2."""
    agent = DQN(np.eye(5), 5, view=lambda seen: np.eye(5, dtype="f")[:1], config=LINEAR)
    table = np.zeros((5, 5), np.float32)
    table[0] = [9.0, 0.0, 1.0, 2.0, 0.0]
    agent.set_table(table)
    seen = {"candidates": np.array([[2, 3]])}
    assert agent.update(seen, [1], [0.5], seen, [False])[0] == pytest.approx(2.3)


def test_a_round_learns_from_each_of_its_batches(eagerly):
    agent = lesson(replace(LINEAR, updates=2))
    twin = lesson(replace(LINEAR, updates=2))
    one_hot = np.eye(5, dtype="f")
    batches = []
    for state, item in ((1, 0), (2, 3)):
        seen = one_hot[[state]]
        batches.append(twin._transitions(seen, [item], [5.0], [item], [False]))
        twin._update(batches[-1])
    agent._updates({name: np.stack([b[name] for b in batches]) for name in batches[0]})
    np.testing.assert_allclose(agent.values(np.arange(5)), twin.values(np.arange(5)))


def test_steps_are_counted_and_those_that_only_begin_an_episode_are_not_stored(eagerly):
    env = GenreBatch(4, session_length=3)
    step = env.step
    live = []
    env.step = lambda actions: live.append(~env.over) or step(actions)
    agent = DQN(np.eye(5), 5, config=SMALL)
    agent.train(env, 4 * 10)
    assert agent.step == 40
    assert np.sum(live) < 40
    assert len(agent.memory) == np.sum(live)
