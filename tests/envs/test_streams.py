"""The listeners' random numbers: uniform, independent, the same in any batch."""

import numpy as np
import pytest
from scipy import stats

from rlrec.envs.streams import Streams


def numbers(seeds, steps=1, count=1):
    streams = Streams(len(seeds))
    streams.start(np.arange(len(seeds)), np.asarray(seeds), np.zeros(len(seeds), int))
    return np.stack(
        [streams.uniform(np.full(len(seeds), step), count) for step in range(steps)]
    )  # [steps, count, seeds]


@pytest.mark.parametrize(
    ("seeds", "steps", "count"), [(40_000, 1, 1), (1, 2_000, 20), (200, 20, 10)]
)
def test_uniform_by_chi_square(seeds, steps, count):
    drawn = numbers(np.arange(seeds), steps, count).ravel()
    observed, _ = np.histogram(drawn, 50, (0, 1))
    assert stats.chisquare(observed).pvalue > 1e-4


def test_neighbouring_seeds_steps_and_places_are_uncorrelated():
    drawn = numbers(np.arange(20_000), steps=2, count=2)
    for a, b in (
        (drawn[0, 0, :-1], drawn[0, 0, 1:]),
        (drawn[0, 0], drawn[1, 0]),
        (drawn[0, 0], drawn[0, 1]),
    ):
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(20_000)


def test_splitmix64_by_the_published_sequence():
    """First number of the reference generator with seed 1234567 (Rosetta Code)."""
    from rlrec.envs.streams import _GOLDEN, _mix

    assert int(_mix(np.array([1234567], np.uint64) + _GOLDEN)[0]) == 6457827717110365317


def test_episodes_differ_and_repeat():
    streams = Streams(1)
    row, seed = np.array([0]), np.array([3])
    drawn = []
    for episode in (0, 1, 0):
        streams.start(row, seed, np.array([episode]))
        drawn.append(streams.uniform(np.array([0]), 5)[:, 0])
    np.testing.assert_array_equal(drawn[0], drawn[2])
    assert not np.isclose(drawn[0], drawn[1]).any()
