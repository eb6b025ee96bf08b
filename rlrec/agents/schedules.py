"""Schedules on a straight line: epsilon of DQN and DDPG, noise, beta of replay.

The epsilon of `agents.qlearning` falls geometrically; it is in that module.
"""


def linear_schedule(start: float, end: float, progress: float) -> float:
    """From ``start`` to ``end`` on a straight line as ``progress`` goes from 0 to 1.

    >>> [round(linear_schedule(1.0, 0.1, progress), 3) for progress in (0.0, 0.5, 2.0)]
    [1.0, 0.55, 0.1]
    """
    share = min(max(progress, 0.0), 1.0)
    return start + (end - start) * share
