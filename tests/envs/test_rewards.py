"""Rewards by hand; each field is read."""

from dataclasses import fields, replace

import numpy as np
import pytest

from rlrec.envs import REWARDS

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
