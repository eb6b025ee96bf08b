"""DDPG on sessions: transitions by hand and by a plain loop, state, checkpoints."""

import numpy as np
import pytest

from rlrec.agents.ddpg_config import DDPGConfig
from rlrec.agents.ddpg_session import SessionDDPG
from rlrec.agents.interactions import listening_interactions, listening_session
from rlrec.envs import ListeningBatch, default_catalogue
from rlrec.evaluation.simulate import simulate
from rlrec.nn.backend import tf

CATALOGUE = default_catalogue()
SONGS = np.column_stack([CATALOGUE.sound, CATALOGUE.appeal])
SMALL = DDPGConfig(
    hidden=(8,),
    discount=0.5,
    target_candidates=10,
    replay="uniform",
    capacity=4096,
    learning_starts=64,
    updates=4,
    batch_size=8,
    schedule_steps=1000,
    compiled=False,
)


@pytest.fixture(autouse=True)
def eagerly():
    """Without the compiler, which takes seconds for each network of another shape."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def listening(num_envs=6, **settings):
    return ListeningBatch(num_envs, observe="ids", history=20, **settings)


def test_the_discount_and_the_bounds_of_three_songs_by_hand():
    """.5: 1 + .5 + .25 = 1.75 at most in three songs, .125 after them; 2 in all."""
    learned = SessionDDPG(SONGS, SMALL).learner.config
    assert learned.discount == 0.125
    assert (learned.reward_low, learned.reward_high) == (-1.75, 1.75)
    assert learned.value_bounds == pytest.approx(SMALL.value_bounds) == (-2.0, 2.0)


@pytest.mark.parametrize("n", [1, 3])
def test_the_memory_equals_a_plain_loop(n):
    """Listener by listener, song by song: what n songs brought, and what came then."""
    env = listening()
    agent = SessionDDPG(SONGS, SMALL, seed=3, n=n)
    agent._observation, _ = env.reset(seed=5)
    log = []
    step = agent._step

    def logged(env):
        log.append(step(env))
        return log[-1]

    agent._step = logged
    agent._play(env, env.over)
    agent._play(env, env.over)
    expected = []
    for first in (0, 16):
        for t in range(first, first + 16 - n):
            for row in range(6):
                if not log[t][0][row]:
                    continue  # the step that began an episode
                total, over = 0.0, False
                for age in range(n):
                    if not over:
                        total += 0.5**age * log[t + age][4][row]
                        over = bool(log[t + age][5][row])
                expected.append((total, over, log[t], log[t + n], row))
    count = len(expected)
    assert len(agent.memory) == count > 100
    over = np.array([one[1] for one in expected])
    assert 3 < over.sum() < count
    rewards = [one[0] for one in expected]
    data = agent.memory.data
    np.testing.assert_allclose(data["reward"][:count], rewards, rtol=1e-6)
    assert (data["terminated"][:count] == over).all()
    for place, (_, ended, now, later, row) in enumerate(expected):
        assert (data["history"][place] == now[1][row]).all()
        assert (data["item"][place] == now[2][row]).all()
        if not ended:
            assert (data["next_history"][place] == later[1][row]).all()
            assert (data["next_songs"][place] == later[3][row]).all()


def test_a_skipped_song_stays_in_the_state_and_in_a_songs_vector():
    """Two sessions that differ by a skipped song alone; order counts, too."""
    agent = SessionDDPG(SONGS, SMALL)
    history = np.full((3, 20), -1)
    history[0, -1:] = [7]
    history[1, -2:] = [9, 7]
    history[2, -2:] = [7, 9]
    feedback = np.zeros((3, 20, 3), np.float32)
    feedback[1, -2] = [0.1, 0, 1]
    feedback[2, -1] = [0.1, 0, 1]
    seen = {"history": history, "feedback": feedback, "position": np.full((3, 1), 2)}
    state = agent.view(seen)
    pool = np.array([[5], [5], [5]])
    vectors = agent.vectors(seen, pool)[:, 0]
    for one, other in ((0, 1), (1, 2)):
        assert (state[one] != state[other]).any()
        assert (vectors[one] != vectors[other]).any()
    # likeness, by hand: .2 direction_5 . (direction_7 + .8 direction_9)
    direction = agent.space.catalogue.direction
    likeness = 0.2 * direction[5] @ (direction[7] + 0.8 * direction[9])
    assert vectors[1, 6 + 1] * 21**0.5 == pytest.approx(6 * likeness, rel=1e-4)
    songs = agent.space.catalogue
    own = listening_interactions(songs, listening_session(songs, seen), pool)
    assert own[1, 0, 2] == pytest.approx(likeness)


def test_the_next_song_is_the_one_that_the_target_actor_ranks_first():
    agent = SessionDDPG(SONGS, SMALL)
    rng = np.random.default_rng(0)
    actions = rng.normal(size=(4, 21)).astype("f")
    songs = rng.normal(size=(4, 10, 21)).astype("f")
    found = agent.learner.retrieve(tf.constant(actions), tf.constant(songs)).numpy()
    for row in range(4):
        best = max(range(10), key=lambda j: actions[row] @ songs[row, j])
        assert (found[row] == songs[row, best]).all()


def test_stored_in_the_middle_and_continued_bit_identical(tmp_path):
    env = listening()
    whole = SessionDDPG(SONGS, SMALL, seed=2, view="averages", interactions=False)
    whole.train(env, 192)
    whole.save(tmp_path)
    twin_env = listening()
    twin_env.reset(seed=0)
    twin_env.restore(env.state())
    twin = SessionDDPG.load(tmp_path, twin_env)
    whole.train(env, 192)
    twin.train(twin_env, 192)
    mine, other = whole.learner.state(), twin.learner.state()
    assert all((mine[name] == other[name]).all() for name in mine)
    test = listening(30)
    assert (simulate(test, whole, seed=1) == simulate(test, twin, seed=1)).all()


def test_on_a_whole_catalogue_songs_just_played_do_not_come_again():
    env = ListeningBatch(4, action="song", observe="ids", history=20)
    agent = SessionDDPG(SONGS, SMALL)
    agent.train(env, 64)
    seen = agent._observation
    songs = agent.recommend(seen, 3)
    for row in range(4):
        assert not set(songs[row]) & set(seen["history"][row])
