"""Value iteration by hand, by a linear program, and by brute force over policies."""

from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

from rlrec.agents import policy_values, value_iteration
from rlrec.envs import PROFILES, GenreModel
from rlrec.errors import ConfigError


def test_pop_lover_by_hand():
    """Pop for ever: 8.9 / (1 - .9) = 89; anything else first: its reward + .9 x 89."""
    values = value_iteration(PROFILES["pop_lover"].model(), 0.9)
    np.testing.assert_allclose(
        values[3], np.array([8.9, 0, -1.2, -1.6, -0.5]) + 0.9 * 89
    )


@pytest.mark.parametrize("user", PROFILES)
def test_against_a_linear_program(user):
    model = PROFILES[user].model()
    n, discount = 5, 0.9
    rows, bounds = [], []
    for state, action in product(range(n), range(n)):  # V(s) >= R + gamma c V(a)
        row = np.zeros(n)
        row[state] -= 1
        row[action] += discount * model.continues[state, action]
        rows.append(row)
        bounds.append(-model.reward[state, action])
    solved = linprog(np.ones(n), rows, bounds, bounds=(None, None)).x
    np.testing.assert_allclose(
        value_iteration(model, discount).max(axis=1), solved, atol=1e-7
    )


@pytest.mark.parametrize("user", ["variety_seeker", "rock_fan"])
def test_against_every_policy(user):
    full = PROFILES[user].model()
    model = GenreModel(full.reward[:3, :3], full.continues[:3, :3])
    best = np.full(3, -np.inf)
    for policy in product(range(3), repeat=3):
        values = policy_values(model, np.eye(3)[list(policy)])
        best = np.maximum(best, values[np.arange(3), list(policy)])
    np.testing.assert_allclose(value_iteration(model).max(axis=1), best)


def test_policy_values_by_simulation():
    from rlrec.agents import TablePolicy
    from rlrec.envs import GenreBatch
    from rlrec.evaluation import simulate

    model = PROFILES["rock_fan"].model()
    always_pop = np.tile([1.0, 0, 0, 0, 0], (5, 1))
    expected = policy_values(model, always_pop)[:, 0].mean()
    env = GenreBatch(20_000, user="rock_fan", session_length=150)
    found = simulate(env, TablePolicy(always_pop), seed=0, discount=0.9)
    assert found.mean() == pytest.approx(
        expected, abs=4 * found.std() / np.sqrt(len(found))
    )


def test_discount_of_one_is_refused():
    with pytest.raises(ConfigError, match="discount is 1"):
        value_iteration(PROFILES["generic"].model(), 1.0)
