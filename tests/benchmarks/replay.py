"""Prioritised replay beside cpprb: batches of 32 drawn and updated a second.

Both hold 100,000 transitions of DDPG in 200,000 places. Ours draws the 64 batches of a
round in one call, as DDPG does; cpprb, and ours once more, a batch a call.
"""

import statistics
import time

import numpy as np

CAPACITY, HELD, BATCH, BATCHES, HISTORY = 200_000, 100_000, 32, 64, 5


def transitions():
    """Transitions as DDPG stores them: ids, histories, rewards."""
    rng = np.random.default_rng(0)
    return {
        "user": rng.integers(6_000, size=HELD, dtype="i4"),
        "history": rng.integers(3_000, size=(HELD, HISTORY), dtype="i4"),
        "item": rng.integers(3_000, size=HELD, dtype="i4"),
        "reward": rng.normal(size=HELD).astype("f4"),
        "next_history": rng.integers(3_000, size=(HELD, HISTORY), dtype="i4"),
        "terminated": rng.integers(2, size=HELD, dtype="i4"),
    }


def ours(batches):
    """A function that draws and updates ``BATCHES`` batches, ``batches`` a call."""
    from rlrec.agents.replay import PrioritisedReplay

    parts = transitions()
    fields = {name: (part.shape[1:], part.dtype) for name, part in parts.items()}
    memory = PrioritisedReplay(CAPACITY, fields)
    memory.add(**parts)
    rng = np.random.default_rng(0)

    def work():
        for _ in range(0, BATCHES, batches):
            sample = memory.sample(batches, BATCH, rng)
            memory.update(sample.places, rng.random(sample.places.shape))

    return work


def theirs():
    """The same by cpprb."""
    from cpprb import PrioritizedReplayBuffer

    parts = transitions()
    shapes = {
        name: {"shape": part.shape[1:] or 1, "dtype": part.dtype}
        for name, part in parts.items()
    }
    memory = PrioritizedReplayBuffer(CAPACITY, shapes, alpha=0.6, eps=1e-3)
    memory.add(**parts)
    rng = np.random.default_rng(0)

    def work():
        for _ in range(BATCHES):
            sample = memory.sample(BATCH, beta=0.4)
            memory.update_priorities(sample["indexes"], rng.random(BATCH))

    return work


def rates(repeats=7):
    """Batches a second, medians: ours a round a call, ours a batch a call, cpprb."""
    found = []
    works = (ours(BATCHES), ours(1), theirs())
    for _ in range(repeats):  # in turn, so that a busy moment meets all of them
        row = []
        for work in works:
            start = time.process_time()
            for _ in range(10):
                work()
            row.append(10 * BATCHES / (time.process_time() - start))
        found.append(row)
    return [statistics.median(column) for column in zip(*found, strict=True)]


def report(line):
    """Print batches a second and their ratios to cpprb."""
    many, one, other = rates()
    line("Prioritised replay, 64 a call", many, f"batches of {BATCH} a second")
    line("  a batch a call", one, "")
    line("  cpprb, a batch a call", other, "")
    line("  ratio to cpprb, 64 a call", many / other, "")
    line("  ratio to cpprb, a batch a call", one / other, "")
