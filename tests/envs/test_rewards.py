"""Rewards by hand; each field is read."""

from dataclasses import fields, replace

import numpy as np
import pytest

from rlrec.envs import REWARDS, ListeningBatch
from rlrec.envs.rewards import BinaryReward, FractionReward, reward_range

HEARD, LIKED, SKIPPED = (
    np.array([0.05, 0.3, 0.6, 1.0]),
    np.array([0, 0, 0, 1]),
    np.array([1, 1, 0, 0]),
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("binary", [0, 0, 1, 1]),
        ("listen_skip", [-2, -1, 1, 1]),
        ("fraction", [0.05, 0.3, 0.6, 2.0]),
    ],
)
def test_by_hand(name, expected):
    np.testing.assert_allclose(REWARDS[name](HEARD, LIKED, SKIPPED), expected)


@pytest.mark.parametrize(
    ("name", "field"),
    [(name, f.name) for name, r in REWARDS.items() for f in fields(r)],
)
def test_each_field_is_read(name, field):
    before = REWARDS[name]
    after = replace(before, **{field: getattr(before, field) + 0.5})
    assert (before(HEARD, LIKED, SKIPPED) != after(HEARD, LIKED, SKIPPED)).any()


@pytest.mark.parametrize(
    ("reward", "expected"),
    [
        ("binary", (0.0, 1.0)),
        ("listen_skip", (-2.0, 1.0)),
        ("fraction", (0.0, 2.0)),
        (FractionReward(lam=10.0), (0.0, 11.0)),
        (BinaryReward(listen=-3.0, skip=5.0), (-3.0, 5.0)),
        (lambda heard, liked, skipped: 4.0 * liked - skipped - heard, (-2.0, 4.0)),
    ],
)
def test_the_range_of_a_reward_by_hand_and_in_the_simulator(reward, expected):
    env = ListeningBatch(400, reward=reward)
    assert reward_range(env.reward) == expected
    env.reset(seed=0)
    for _ in range(8):
        rewards = env.step(np.zeros(400, int))[1]
        assert expected[0] <= rewards.min() <= rewards.max() <= expected[1]
