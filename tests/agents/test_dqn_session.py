"""DQN on interactions: targets by hand, what it stores, what it learns, its files."""

from dataclasses import replace

import numpy as np
import pytest

from rlrec.agents import PopularityPolicy
from rlrec.agents.dqn_session import InteractionQ, SessionDQN, SessionDQNConfig
from rlrec.agents.interactions import listening_interactions
from rlrec.agents.nstep import n_step_transitions
from rlrec.envs import ListeningBatch, default_catalogue
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation import simulate

CATALOGUE = default_catalogue()
SMALL = SessionDQNConfig(
    hidden=(), updates=4, batch_size=8, warm_up=0, schedule_steps=4_096
)


def world(listeners, action="candidate"):
    return ListeningBatch(listeners, action, "ids", history=20)


def test_steps_of_two_songs_by_hand():
    """Discount .5; a session ends after the third song; the fourth step begins one."""
    rewards = np.array([1.0, 2.0, 4.0, 0.0, 8.0, 6.0, 0.0])[:, None]
    no = np.zeros((7, 1), bool)
    ended = np.array([0, 0, 1, 0, 0, 0, 0], bool)[:, None]
    live = np.array([1, 1, 1, 0, 1, 1, 1], bool)[:, None]
    found = n_step_transitions(live, rewards, ended, no, 2, 0.5)
    returns, over, use = (part[:, 0].tolist() for part in found)
    assert returns == [1 + 0.5 * 2, 2 + 0.5 * 4, 4.0, 0.5 * 8, 8 + 0.5 * 6]
    assert over == [0.0, 1.0, 1.0, 0.0, 0.0]
    assert use == [True, True, True, False, True]
    cut = n_step_transitions(live, rewards, no, ended, 2, 0.5)
    assert cut[2][:, 0].tolist() == [True, True, False, False, True]


def test_a_target_by_hand():
    """Q = x . w, Q' = x . w'; y = 3 + .9^2 * Q'(the song that Q likes best)."""
    config = replace(SMALL, n=2, discount=0.9).dqn()
    learner = InteractionQ(2, config, seed=0)
    learner.online.variables[0].assign([[1.0], [0.0]])
    learner.target.variables[0].assign([[0.0], [1.0]])
    pool = np.array([[[1.0, 5.0], [2.0, 7.0], [0.0, 9.0]]] * 2, np.float32)
    batch = {
        "next_view": np.zeros(2, np.float32),
        "next_pool": pool,
        "reward": np.array([3.0, 3.0], np.float32),
        "terminated": np.array([0.0, 1.0], np.float32),
    }
    target = learner._target(batch).numpy()
    np.testing.assert_allclose(target, [3 + 0.81 * 7, 3.0], rtol=1e-6)
    np.testing.assert_allclose(learner.estimates(pool)[0], [1, 2, 0], rtol=1e-6)


def test_what_is_stored_is_what_was_played():
    """The song's own interactions, and those of all on offer n songs later."""
    agent = SessionDQN(CATALOGUE, replace(SMALL, rollout=8), seed=3)
    env = world(4)
    seen = []
    step = env.step

    def watched(actions):
        observations = env._observe()
        songs = observations["candidates"][np.arange(4), np.ravel(actions)]
        session = agent.session(observations)
        pool = np.column_stack([songs, observations["candidates"]])
        features = listening_interactions(CATALOGUE, session, pool)
        seen.append((~env.over, features))
        return step(actions)

    env.step = watched
    agent.train(env, 32)
    live = np.array([one for one, _ in seen])[:-3]
    features = np.array([one for _, one in seen])
    data = agent.replay.data
    assert len(agent.replay) == live.sum()
    kept = data["item"][: live.sum()]
    np.testing.assert_allclose(kept, features[:-3, :, 0][live], rtol=1e-6)
    later = data["next_pool"][: live.sum()]
    np.testing.assert_allclose(later, features[3:, :, 1:][live], rtol=1e-6)


def test_stored_sessions_are_over_where_they_ended(monkeypatch):
    agent = SessionDQN(CATALOGUE, SMALL, seed=3)
    played = []
    step = agent._step
    monkeypatch.setattr(
        agent, "_step", lambda env: played.append(step(env)) or played[-1]
    )
    agent.train(world(16), 32 * 16)
    live, _, rewards, terminated, truncated = map(np.array, zip(*played, strict=True))
    _, over, use = n_step_transitions(
        live, rewards, terminated, truncated, SMALL.n, SMALL.discount
    )
    stored = agent.replay.data["terminated"][: use.sum()]
    np.testing.assert_array_equal(stored, over[use])
    assert 0 < stored.sum() < len(stored)


@pytest.mark.parametrize("action", ["candidate", "song"])
def test_songs_are_in_the_order_of_their_values(action):
    env = world(3, action)
    agent = SessionDQN(CATALOGUE, SMALL, seed=1)
    agent.train(env, 3 * 32)
    observations = env._observe()
    session = agent.session(observations)
    pool = observations.get("candidates")
    values = agent.values(session, pool)
    songs = agent.recommend(observations, 5)
    for row, listed in enumerate(songs):
        ids = pool[row].tolist() if pool is not None else list(range(len(CATALOGUE)))
        found = [values[row, ids.index(song)] for song in listed]
        assert found == sorted(found, reverse=True)


def test_it_beats_popularity_and_its_discount_0_twin():
    """After 12,288 songs on 300 listeners; by far more than their luck."""
    heard = {}
    for discount in (0.8, 0.0):
        config = SessionDQNConfig(discount=discount, schedule_steps=12_288)
        agent = SessionDQN(CATALOGUE, config, seed=0)
        agent.train(world(32), 12_288, seed=1)
        heard[discount] = simulate(world(300), agent, seed=5).mean()
    popular = simulate(world(300), PopularityPolicy(CATALOGUE.appeal), seed=5).mean()
    assert heard[0.8] > popular + 0.3
    assert heard[0.8] > heard[0.0] + 0.5


def test_stored_loaded_and_continued_with_the_same_bits(tmp_path):
    config = replace(SMALL, hidden=(4,), warm_up=512)
    whole = SessionDQN(CATALOGUE, config, seed=2)
    whole.train(world(16), 3_072, seed=7)
    part = SessionDQN(CATALOGUE, config, seed=2)
    part.train(world(16), 1_536, seed=7)
    part.save(tmp_path)
    env = world(16)
    again = SessionDQN.load(tmp_path, env)
    assert again.config == config
    again.train(env, 1_536)
    expected = whole.state()
    found = again.state()
    assert expected.keys() == found.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(array, found[name], err_msg=name)


@pytest.mark.parametrize(
    "settings",
    [
        {"pool": 0},
        {"updates": 0},
        {"discount": 1.0},
        {"n": 0},
        {"rollout": 3, "n": 3},
    ],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        SessionDQNConfig(**settings)


def test_a_broken_file_is_refused(tmp_path):
    SessionDQN(CATALOGUE, SMALL).save(tmp_path)
    (tmp_path / "agent.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"agent\.npz"):
        SessionDQN.load(tmp_path)
