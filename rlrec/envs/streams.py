"""Random numbers by name: the j-th number of a listener's step depends on (seed, episode, step, j) alone.

A batch of listeners must give each of them the same luck whatever the batch's size, so that
``gymnasium.make`` and ``gymnasium.make_vec`` tell the same story from the same seed, and so that two
policies can be compared on the same listeners with the same luck (common random numbers). One NumPy
generator a listener would do it, at 20 times the cost of the whole simulation; a counter-based generator
does it with a few array operations: the SplitMix64 finaliser (Steele, Lea and Flood, "Fast splittable
pseudorandom number generators", OOPSLA 2014, figure 17) of a key and a counter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = (np.uint64(shift) for shift in (30, 27, 31, 11))
_UNIT = 2.0**-53


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64 bits, in place. ``x``: any shape; wraps modulo 2**64."""
    for shift, factor in ((_S30, _MIX_1), (_S27, _MIX_2)):
        x ^= x >> shift
        x *= factor
    x ^= x >> _S31
    return x


class Streams:
    """One independent stream of uniform numbers for each listener of a batch.

    >>> streams = Streams(2)
    >>> streams.start(np.array([0, 1]), seeds=np.array([7, 8]), episodes=np.array([0, 0]))
    >>> alone = Streams(1)
    >>> alone.start(np.array([0]), seeds=np.array([8]), episodes=np.array([0]))
    >>> both, one = streams.uniform(np.array([0, 3]), 2), alone.uniform(np.array([3]), 2)
    >>> bool((both[:, 1] == one[:, 0]).all())
    True
    """

    WIDTH = 64  # numbers a step may use; step t starts at counter t * WIDTH
    _STEP, _PLACES = (
        np.uint64(WIDTH) * np.array(_GOLDEN),
        (np.arange(WIDTH, dtype=np.uint64) * _GOLDEN)[:, None],
    )

    def __init__(self, batch: int) -> None:
        self.keys = np.zeros(batch, np.uint64)

    def start(
        self,
        rows: NDArray[np.int64],
        seeds: NDArray[np.int64],
        episodes: NDArray[np.int64],
    ) -> None:
        """Give ``rows`` [m] the streams of ``seeds`` [m] and ``episodes`` [m] (both from 0)."""
        key = _mix(seeds.astype(np.uint64) * _GOLDEN + _GOLDEN)
        self.keys[rows] = _mix(
            key + (episodes.astype(np.uint64) + np.uint64(1)) * _MIX_1
        )

    def uniform(
        self,
        steps: NDArray[np.int64],
        count: int,
        *,
        first: int = 0,
        rows: NDArray[np.int64] | slice = slice(None),
    ) -> NDArray[np.float64]:
        """``count`` numbers in [0, 1) for each of ``rows`` at its step: [count, batch].

        ``first`` is the place of the first number within the step (``first + count <= WIDTH``).
        """
        start = self.keys[rows] + steps.astype(np.uint64) * self._STEP
        bits = _mix(start + self._PLACES[first : first + count])  # [count, batch]
        bits >>= _S11
        return bits.astype(np.float64) * _UNIT
