"""Seeds of PPO side by side: each ends with the bits it has alone."""

import numpy as np
import pytest

from rlrec.agents.listener_filter import ListenerFilter
from rlrec.agents.ppo import PPO, PPOConfig
from rlrec.agents.ppo_seeds import PPOSeeds
from rlrec.envs import ListeningBatch, default_catalogue
from rlrec.errors import ConfigError, TrainingDiverged
from rlrec.nn.backend import tf

CATALOGUE = default_catalogue()
SONGS = np.column_stack([CATALOGUE.sound, CATALOGUE.appeal])
SMALL = {"rollout": 8, "epochs": 2, "minibatch": 16, "hidden": (8,), "keys": 4}
SEEDS = (3, 1, 2)
POLICIES = ["network", "interactions", "both"]


@pytest.fixture
def eager():
    """No graph is compiled for a few updates."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def listeners(rows, action="candidate"):
    return ListeningBatch(rows, action, "ids", history=20)


def agents(*, filtered=False, **settings):
    """One a seed; with ``filtered``, each has a filter of its own."""
    config = PPOConfig(**(SMALL | settings))
    found = []
    for seed in SEEDS:
        known_by = None
        if filtered:
            known_by = ListenerFilter(CATALOGUE, np.random.default_rng(seed))
        found.append(PPO(SONGS, config, seed, known_by))
    return found


def assert_each_as_alone(settings, action="candidate", first=0):
    """Three rounds of four listeners each; those from ``first`` on are compared."""
    together = agents(**settings)
    env = listeners(4 * len(SEEDS), action)
    records = PPOSeeds(together).train(env, 96, seeds=[50 * s for s in SEEDS])
    several = zip(SEEDS, together, agents(**settings), records, strict=True)
    for seed, agent, found, record in list(several)[first:]:
        alone = found.train(listeners(4, action), 96, seed=50 * seed)
        expected = found.state()
        for name, array in agent.state().items():
            np.testing.assert_array_equal(array, expected[name], name)
        assert [one[:-1] for one in record] == [one[:-1] for one in alone]
        some = listeners(6, action).reset(seed=9)[0]
        np.testing.assert_array_equal(agent.recommend(some), found.recommend(some))


@pytest.mark.parametrize("policy", POLICIES)
def test_each_seed_ends_as_it_would_alone(policy, eager):
    assert_each_as_alone({"policy": policy})


def test_also_with_a_filter_each(eager):
    assert_each_as_alone({"policy": "interactions", "filtered": True})


def test_also_among_neighbours_and_compiled():
    assert_each_as_alone({"action": "neighbours"}, "song", first=2)


def test_the_seeds_differ(eager):
    together = agents()
    PPOSeeds(together).train(listeners(12), 32, seeds=SEEDS)
    first, second, _ = (agent.learner.state()["weights_0"] for agent in together)
    assert not np.array_equal(first, second)


def test_agents_that_differ_in_more_are_refused():
    first = agents()[0]
    others = [
        PPO(SONGS, PPOConfig(**(SMALL | {"keys": 5})), 1),
        PPO(2.0 * SONGS**2, first.config, 1),
    ]
    for other in others:
        with pytest.raises(ConfigError, match="share songs, settings and progress"):
            PPOSeeds([first, other])
    point = PPO(SONGS, PPOConfig(**(SMALL | {"action": "point"})), 0)
    with pytest.raises(ConfigError, match="offered"):
        PPOSeeds([point])


def test_if_one_diverges_all_keep_their_own_weights(eager, monkeypatch):
    """The second fails in its second round: the others are as after their last."""
    together = agents()
    learners = [agent.learner for agent in together]
    learn = learners[0].learn
    calls = []

    def failing(*given):
        calls.append(1)
        measured = learn(*given)
        return measured | {"kl": np.nan} if len(calls) == 5 else measured

    monkeypatch.setattr(learners[0], "learn", failing)
    with pytest.raises(TrainingDiverged):
        PPOSeeds(together).train(listeners(12), 96, seeds=SEEDS)
    for agent, own, rounds in zip(agents(), learners, (2, 2, 1), strict=True):
        seed = SEEDS[learners.index(own)]
        agent.train(listeners(4), 32 * rounds, seed=seed)
        for name, array in agent.learner.state().items():
            np.testing.assert_array_equal(own.state()[name], array, name)
    assert [agent.learner for agent in together] == learners


def test_none_is_refused():
    with pytest.raises(ConfigError, match="no agents"):
        PPOSeeds([])


def test_rows_that_cannot_be_shared_out_are_refused():
    with pytest.raises(ConfigError, match="13 rows and 3 seeds for 3 agents"):
        PPOSeeds(agents()).train(listeners(13), 32, seeds=SEEDS)
    with pytest.raises(ConfigError, match="12 rows and 1 seeds for 3 agents"):
        PPOSeeds(agents()).train(listeners(12), 32, seeds=[1])
