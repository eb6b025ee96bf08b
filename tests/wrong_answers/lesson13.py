"""Lesson 13."""

import numpy as np

REWARDS = np.array([[1.0], [0.0], [2.0]])
VALUES = np.array([[0.5], [1.0], [1.5], [0.0]])


def test_at(*lambdas, by_hand, **tolerance):
    """A test that looks only at these lambdas."""

    def healthy(advantages):
        found = [advantages(REWARDS, VALUES, 0.9, lam)[:, 0] for lam in lambdas]
        return bool(np.allclose(found, by_hand, **tolerance))

    return healthy


AT = {0.0: [1.4, 0.35, 0.5], 0.8: [1.911, 0.71, 0.5], 1.0: [2.12, 0.8, 0.5]}


def rows(advantages):
    return advantages(REWARDS, VALUES, 0.9, 0.8)[:, 0]


def not_a_bool(advantages):
    return np.isclose(rows(advantages), AT[0.8], atol=1e-3)


def flat(advantages):
    return bool(np.allclose(advantages(REWARDS[:, 0], VALUES[:, 0], 0.9, 1.0), 0))


def forward(rewards, values, next_values, terminated, ended, discount, gae_lambda):
    delta = rewards + discount * (1 - terminated) * next_values - values
    return np.cumsum(delta)


def deltas(rewards, values, next_values, terminated, ended, discount, gae_lambda):
    return rewards + discount * (1 - terminated) * next_values - values


WRONG = {
    "13.1": [
        (test_at(0.8, by_hand=[AT[0.8]], atol=1e-3), "fixed at .8"),
        (test_at(0.0, by_hand=[AT[0.0]], atol=1e-3), "one step"),
        (test_at(0.8, 0.0, by_hand=[AT[0.8], AT[0.0]]), "turns away the healthy"),
        (not_a_bool, "True or False"),
        (flat, "turns away"),
        (lambda advantages: True, "lets a sick one through"),
        (lambda advantages: False, "turns away"),
        (lambda advantages: rows(advantages).sum() > 2, "sick"),
    ],
    "13.2": [
        (lambda rewards: rewards / (rewards.max() + 1e-8), ""),
        (lambda rewards: rewards / rewards.size, ""),
        (lambda r: (r - np.mean(r)) / (np.std(r) + 1e-9), "a shift"),
    ],
    "13.3": [([1.5, -1.5], "asked for is"), ([1.5, -1.8, 0.0], "")],
    "13.4": [
        (forward, ""),
        (deltas, "nothing is carried"),
        (lambda *given: given[0] - given[1], ""),
    ],
}
