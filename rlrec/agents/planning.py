"""Value iteration: the exact optimum of a small world that is fully known (Sutton and Barto, section 4.4)."""

from __future__ import annotations

import numpy as np

from rlrec.envs import GenreModel
from rlrec.errors import ConfigError
from rlrec.types import Floats


def value_iteration(
    model: GenreModel, discount: float = 0.9, tolerance: float = 1e-10
) -> Floats:
    """The optimal action values Q* [S, A] of ``Genre-v0``'s world for an endless session.

    Repeats ``Q(s, a) <- R(s, a) + gamma c(s, a) max_b Q(a, b)``, where c is the probability that the session goes
    on and the next state is the recommended genre, until no entry moves by ``tolerance`` or more.
    ``discount``: gamma in [0, 1). Raises ``ConfigError``.

    >>> from rlrec.envs import PROFILES
    >>> value_iteration(PROFILES["pop_lover"].model())[1].round(2).tolist()  # the row of Rock
    [89.0, 80.1, 78.9, 78.5, 79.6]
    """
    if not 0.0 <= discount < 1.0:
        raise ConfigError(f"discount is {discount}; value iteration needs it in [0, 1)")
    values = np.zeros_like(model.reward)
    while True:
        improved = (
            model.reward + discount * model.continues * values.max(axis=1)[None, :]
        )
        if np.abs(improved - values).max() < tolerance:
            return np.asarray(improved)
        values = improved


def policy_values(model: GenreModel, policy: Floats, discount: float = 0.9) -> Floats:
    """The action values [S, A] of following ``policy`` [S, A] (probabilities) for ever: a linear system.

    >>> from rlrec.envs import PROFILES
    >>> uniform = np.full((5, 5), 0.2)
    >>> bool(np.allclose(policy_values(PROFILES["generic"].model(), uniform), 0.0))
    True
    """
    n = len(model.reward)
    # V(s) = sum_a pi(a|s) (R(s, a) + gamma c(s, a) V(a)), with V the vector of state values
    state_values = np.linalg.solve(
        np.eye(n) - discount * policy * model.continues,
        (policy * model.reward).sum(axis=1),
    )
    return np.asarray(model.reward + discount * model.continues * state_values[None, :])
