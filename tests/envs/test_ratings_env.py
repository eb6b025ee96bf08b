"""Ratings-v0 by hand: rewards, no item twice, the history, time limits."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from rlrec.datasets import Ratings, Report
from rlrec.envs.ratings import RatingsBatch
from rlrec.errors import ConfigError


def log(rows, items=6):
    """Ratings of (user, item, rating) rows."""
    users, item, rating = (np.array(column) for column in zip(*rows, strict=True))
    n = users.max() + 1
    return Ratings(
        users.astype(np.int32),
        item.astype(np.int32),
        rating.astype(np.float32),
        np.arange(len(rows)),
        np.arange(n).astype(str),
        np.arange(items).astype(str),
        np.array([""] * items),
        ((),) * items,
        Report("by hand", "ratings", len(rows), {}),
    )


ONE = log([(0, 5, 5), (0, 4, 4), (0, 0, 5), (0, 1, 2), (0, 2, 3), (0, 3, 1)])


def one_user(**settings):
    env = RatingsBatch(1, ratings=ONE, **{"history": 2, **settings})
    return env, env.reset(seed=0)[0]


def test_an_episode_by_hand():
    env, observation = one_user()
    assert observation["history"].tolist() == [[5, 4]]
    assert np.flatnonzero(env.allowed()[0]).tolist() == [0, 1, 2, 3]
    story = [(*env.step(np.array([item]))[:4],) for item in (1, 0, 2, 3)]
    assert [float(step[1][0]) for step in story] == [-0.5, 1.0, 0.0, -1.0]
    assert [step[0]["history"].tolist()[0] for step in story] == [
        [5, 4],
        [4, 0],
        [4, 0],
        [4, 0],
    ]
    assert [bool(step[3][0]) for step in story] == [
        False,
        False,
        False,
        True,
    ]  # the log has no more
    assert not any(step[2][0] for step in story)  # nobody left: never terminated


def test_no_item_pays_twice_and_known_ones_pay_nothing():
    env, _ = one_user()
    assert [float(env.step(np.array([item]))[1][0]) for item in (0, 0, 5)] == [
        1.0,
        0.0,
        0.0,
    ]


def test_nothing_unknown_is_worth_more_than_something_disliked_or_less_than_a_three():
    two = log([(0, 5, 5), (0, 1, 2), (0, 2, 1), (0, 3, 3)])
    env = RatingsBatch(1, ratings=two, history=1, logged_only=False)
    rewards = {}
    for item in (0, 1, 2, 3):
        env.reset(seed=0)
        rewards[item] = float(env.step(np.array([item]))[1][0])
    assert rewards == {0: 0.0, 1: -0.5, 2: -1.0, 3: 0.0}


def test_the_time_limit_is_truncation():
    env, _ = one_user(length=2)
    ends = [env.step(np.array([item]))[2:4] for item in (0, 1)]
    assert [(bool(t[0]), bool(c[0])) for t, c in ends] == [
        (False, False),
        (False, True),
    ]


def test_few_likes_are_padded_on_the_left():
    env = RatingsBatch(1, ratings=log([(0, 1, 5), (0, 2, 1)]), history=3)
    assert env.reset(seed=0)[0]["history"].tolist() == [[-1, -1, 1]]


def test_users_without_anything_left_never_come():
    ratings = log([(0, 1, 5), (1, 2, 5), (1, 3, 5)])
    env = RatingsBatch(50, ratings=ratings, history=1)
    assert set(env.reset(seed=0)[0]["user"].ravel()) == {1}
    with pytest.raises(ConfigError, match="lower history"):
        RatingsBatch(1, ratings=ratings, history=2)


def test_unknown_users_have_no_id():
    assert RatingsBatch(1, known_users=False).reset(seed=0)[0]["user"].tolist() == [
        [-1]
    ]


def test_check_env_and_one_story():
    check_env(gymnasium.make("rlrec/Ratings-v0").unwrapped)
    together = gymnasium.make_vec("rlrec/Ratings-v0", num_envs=3, length=4)
    alone = gymnasium.make("rlrec/Ratings-v0", length=4)
    both = together.reset(seed=7)[0]
    single, _ = alone.reset(seed=8)
    for _ in range(3):
        np.testing.assert_array_equal(both["history"][1], single["history"])
        actions = together.allowed().argmax(axis=1)
        both, rewards, *_ = together.step(actions)
        single, reward, *_ = alone.step(actions[1])
        assert reward == rewards[1]


@pytest.mark.parametrize("logged_only", [False, True])
def test_what_is_known_at_the_start_may_not_be_recommended(logged_only):
    known = log([(0, 5, 5), (0, 4, 1)])
    rest = log([(0, 0, 5), (0, 4, 4), (0, 1, 2)])
    env = RatingsBatch(1, rest, history=1, known=known, logged_only=logged_only)
    assert env.reset(seed=0)[0]["history"].tolist() == [[5]]
    allowed = [0, 1] if logged_only else [0, 1, 2, 3]
    assert np.flatnonzero(env.allowed()[0]).tolist() == allowed
