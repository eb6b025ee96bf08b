"""Dynamic programming in a small world that is known (Sutton and Barto, chapter 4).

Differs from the book: states are left through actions with a known next state, the
recommended genre, so that no sum over next states is needed.
"""

from __future__ import annotations

import numpy as np

from rlrec.envs import GenreModel
from rlrec.errors import ConfigError
from rlrec.types import Floats


def value_iteration(
    model: GenreModel,
    discount: float = 0.9,
    tolerance: float = 1e-10,
) -> Floats:
    """Value iteration: the optimal action values Q* [S, A] of an endless session.

    Repeats ``Q(s, a) <- R(s, a) + gamma c(s, a) max_b Q(a, b)`` until no entry changes
    by ``tolerance`` or more; c is the probability that the session goes on, and the
    next state is the recommended genre (section 4.4). ``discount``: gamma in [0, 1).
    Raises ``ConfigError``.

    >>> from rlrec.envs import PROFILES
    >>> model = PROFILES["pop_lover"].model()
    >>> value_iteration(model)[1].round(2).tolist()  # the row of Rock
    [89.0, 80.1, 78.9, 78.5, 79.6]
    """
    if not 0.0 <= discount < 1.0:
        raise ConfigError(f"discount is {discount}; value iteration needs it in [0, 1)")
    values = np.zeros_like(model.reward)
    change = np.inf
    while change >= tolerance:
        previous = values
        values = model.reward + discount * model.continues * previous.max(axis=1)
        change = np.abs(values - previous).max()
    return values


def policy_values(
    model: GenreModel,
    policy: Floats,
    discount: float = 0.9,
) -> Floats:
    """Policy evaluation: the action values [S, A] of following ``policy`` for ever.

    ``policy`` [S, A]: probabilities of actions. The state values solve the linear
    system ``V(s) = sum_a pi(a|s) (R(s, a) + gamma c(s, a) V(a))`` (section 4.1).

    >>> from rlrec.envs import PROFILES
    >>> uniform = np.full((5, 5), 0.2)
    >>> bool(np.allclose(policy_values(PROFILES["generic"].model(), uniform), 0.0))
    True
    """
    transitions = discount * policy * model.continues  # [S, S]
    rewards = (policy * model.reward).sum(axis=1)
    identity = np.eye(len(rewards))
    state_values = np.linalg.solve(identity - transitions, rewards)
    return model.reward + discount * model.continues * state_values
