"""Random numbers by place: each depends on (seed, episode, step, place) alone.

A batch of listeners must give each of them the same random numbers whatever the size of
the batch. Then ``gymnasium.make`` and ``gymnasium.make_vec`` play the same episodes
from the same seed, and two policies can be compared on the same listeners with the same
random numbers (common random numbers).

One NumPy generator a listener would do, at 20 times the cost of the whole simulation. A
counter-based generator needs a few array operations: the SplitMix64 finaliser of a key
and a counter (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014, figure 17).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rlrec.types import Floats, Ids

_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64 bits, in place. ``x``: any shape; wraps modulo 2**64."""
    x ^= x >> 30
    x *= _MIX_1
    x ^= x >> 27
    x *= _MIX_2
    x ^= x >> 31
    return x


class Streams:
    """One independent stream of uniform numbers for each listener of a batch.

    >>> rows = np.array([0, 1])
    >>> streams = Streams(2)
    >>> streams.start(rows, seeds=np.array([7, 8]), episodes=np.array([0, 0]))
    >>> alone = Streams(1)
    >>> alone.start(rows[:1], seeds=np.array([8]), episodes=np.array([0]))
    >>> both = streams.uniform(np.array([0, 3]), 2)
    >>> one = alone.uniform(np.array([3]), 2)
    >>> bool((both[:, 1] == one[:, 0]).all())
    True
    """

    WIDTH = 64  # numbers a step may use; step t starts at counter t * WIDTH
    _STEP = WIDTH * _GOLDEN % 2**64
    _PLACES = np.arange(WIDTH, dtype=np.uint64)[:, None] * _GOLDEN

    def __init__(self, batch: int) -> None:
        self.keys = np.zeros(batch, np.uint64)

    def start(
        self,
        rows: Ids,
        seeds: Ids,
        episodes: Ids,
    ) -> None:
        """Give ``rows`` [m] the streams of ``seeds`` and ``episodes`` [m], from 0."""
        key = _mix(seeds.astype(np.uint64) * _GOLDEN + _GOLDEN)
        episode = episodes.astype(np.uint64) + 1
        self.keys[rows] = _mix(key + episode * _MIX_1)

    def uniform(
        self,
        steps: Ids,
        count: int,
        *,
        first: int = 0,
        rows: Ids | slice = slice(None),
    ) -> Floats:
        """``count`` numbers in [0, 1) for each of ``rows`` at its step: [count, batch].

        ``first``: place of the first within the step; ``first + count <= WIDTH``.
        """
        start = self.keys[rows] + steps.astype(np.uint64) * self._STEP
        bits = _mix(start + self._PLACES[first : first + count])  # [count, batch]
        bits >>= 11
        return bits.astype(np.float64) * 2.0**-53
