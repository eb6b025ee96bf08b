"""LinUCB and the best constant list: numbers by hand, a twin, what they learn."""

import numpy as np
import pytest

from rlrec.agents import BestConstantList, LinUCB, LinUCBConfig, RandomPolicy
from rlrec.envs import ListeningBatch
from rlrec.errors import ConfigError
from rlrec.evaluation import play, simulate

SONGS = np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.5]])


def seen(history, skipped):
    feedback = np.zeros((1, len(history), 3))
    feedback[0, :, 2] = skipped
    return {
        "history": np.array([history]),
        "feedback": feedback,
        "position": np.array([[len(history)]]),
    }


def test_the_context_by_hand():
    """Song 0 was heard, then song 1 skipped; lately: (.8 (1, 0) + (0, 2)) / 1.8."""
    found = LinUCB(SONGS).context(seen([0, 1], [0, 1]), np.array([[2]]))[0, 0]
    lately = np.array([0.8, 2.0]) / 1.8
    assert found[0] == 1.0
    np.testing.assert_allclose(
        found[1:].reshape(4, 2), SONGS[2] * [[1, 1], lately, [1, 0], [0, 2]], atol=1e-6
    )


def test_one_dimension_by_hand():
    """Ridge 1, x = 1 twice, rewards 1 and 0: A = 3, b = 1, width sqrt(1/3)."""
    agent = LinUCB(SONGS, LinUCBConfig(ridge=1.0))
    one = np.eye(9)[:1]
    agent.learn(np.repeat(one, 2, axis=0), np.array([1.0, 0.0]))
    assert agent.theta[0] == pytest.approx(1 / 3)
    assert agent.width(one)[0] == pytest.approx(np.sqrt(1 / 3))
    assert agent.width(np.eye(9)[1:2])[0] == pytest.approx(1.0)


def test_least_squares_with_ridge_rows_is_the_same():
    rng = np.random.default_rng(0)
    agent = LinUCB(SONGS, LinUCBConfig(ridge=2.0))
    contexts = rng.normal(size=(50, 9))
    rewards = rng.normal(size=50)
    for rows in np.split(np.arange(50), 5):
        agent.learn(contexts[rows], rewards[rows])
    stacked = np.vstack([contexts, np.sqrt(2.0) * np.eye(9)])
    twin = np.linalg.lstsq(stacked, np.append(rewards, np.zeros(9)), rcond=None)[0]
    np.testing.assert_allclose(agent.theta, twin)


def test_recommending_does_not_explore_and_learning_does():
    agent = LinUCB(SONGS, LinUCBConfig(alpha=10.0))
    agent.learn(
        np.concatenate(
            [np.ones((5, 1)), np.tile(SONGS[0], (5, 1)), np.zeros((5, 6))], axis=1
        ),
        np.full(5, 0.5),
    )
    start = seen([-1, -1], [0, 0])
    assert agent.recommend(start, 3)[0, 0] == 0
    contexts = agent.context(start, np.array([[0, 1, 2]]))
    assert (
        contexts @ agent.theta + 10.0 * agent.width(contexts)
    ).argmax() == 1  # long and unknown


def test_a_constant_list_plays_the_unheard_first_then_the_best():
    lists = BestConstantList(3, prior=1.0, bonus=0.1)
    assert lists._bounds().tolist() == [np.inf] * 3
    lists.learn(np.array([0, 0, 1]), np.array([1.0, 1.0, 0.0]))
    assert np.isinf(lists._bounds()[2])
    assert lists._bounds()[0] == pytest.approx(1.0 + 0.1 * np.sqrt(2 * np.log(3) / 2))
    assert (
        lists.recommend(
            {"position": np.zeros((2, 1)), "history": np.full((2, 4), -1)}, 3
        ).tolist()
        == [[0, 2, 1]] * 2
    )


@pytest.mark.parametrize("kind", ["linucb", "constant"])
def test_both_learn_without_long_term_effect_and_are_reproducible(kind):
    """At long-term effect 1 a bandit can do worse than the random policy."""

    def trained():
        env = ListeningBatch(32, observe="ids", long_term_effect=0.0)
        songs = np.column_stack([env.catalogue.sound, env.catalogue.appeal])
        agent = LinUCB(songs) if kind == "linucb" else BestConstantList(len(songs))
        agent.train(env, 20_000, seed=1)
        return agent

    first, second = trained(), trained()
    test = ListeningBatch(1_000, observe="ids", long_term_effect=0.0)
    returns = simulate(test, first, seed=1_000_000)
    assert np.array_equal(returns, simulate(test, second, seed=1_000_000))
    random = simulate(
        test, RandomPolicy(2000, np.random.default_rng(0)), seed=1_000_000
    )
    assert (returns - random).mean() > {"linucb": 0.5, "constant": 0.1}[kind]


def test_the_whole_catalogue_without_a_repeat():
    env = ListeningBatch(8, action="song", observe="ids")
    agent = LinUCB(np.column_stack([env.catalogue.sound, env.catalogue.appeal]))
    agent.train(env, 160, seed=1)
    songs = play(env, agent, seed=5).songs
    assert all(
        len(np.unique(row[:10])) == 10 for row in songs.T
    )  # not within the last ten, which it sees


@pytest.mark.parametrize("wrong", [{"alpha": -1.0}, {"ridge": 0.0}])
def test_wrong_settings(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        LinUCBConfig(**wrong)


def test_learning_plays_the_largest_upper_bound():
    """Before the first play theta is 0, and a long vector is the least known."""
    env = ListeningBatch(1, action="song", observe="ids")
    LinUCB(env.catalogue.sound).train(env, 1)
    length = np.linalg.norm(env.catalogue.sound, axis=1)
    assert env.played[0, 0] == length.argmax()


@pytest.mark.parametrize("kind", [LinUCB, BestConstantList])
def test_steps_that_only_begin_an_episode_are_not_learned(kind):
    env = ListeningBatch(4, action="song", observe="ids")
    step = env.step
    live = []
    env.step = lambda actions: live.append(~env.over) or step(actions)
    songs = env.catalogue.sound if kind is LinUCB else len(env.catalogue)
    agent = kind(songs)
    agent.train(env, 4 * 30)
    assert len(live) == 30
    assert np.sum(live) < 4 * 30
    # each context begins with 1, so A counts the plays beside the ridge
    plays = agent.gram[0, 0] - 1.0 if kind is LinUCB else agent.plays.sum()
    assert plays == pytest.approx(np.sum(live))
