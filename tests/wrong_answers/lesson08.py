"""Lesson 08."""

import numpy as np


def by_sorting(errors, alpha):
    """Ranks right, but of the sorted errors."""
    p = (1.0 / np.arange(1, len(errors) + 1)) ** alpha
    return p / p.sum()


def softmax(errors, alpha):
    p = np.exp(-alpha * np.argsort(np.argsort(-np.abs(errors))))
    return p / p.sum()


def root_twice(likes, plays, pay, alpha, beta):
    s = 1 + alpha * (1 - beta)
    return pay / (1 + (((plays - likes) / likes) ** (1 / s)) ** (1 / s))


WRONG = {
    "08.1": [
        (lambda target, value: abs(target) + abs(value), ""),
        (lambda target, value: -abs(target), "published mistake"),
        (lambda target, value: 0.5 * (target - value) ** 2, ""),
        (lambda target, value: (target - value) ** 2, "Squared"),
    ],
    "08.2": [
        ([1 / 3, 2 / 3], "asked for is shape"),
        ([1 / 3, 2 / 3, 1.2247, 0.866], "larger one"),
        ([1 / 3, 2 / 3, 1.0, 0.4], ""),
    ],
    "08.3": [
        (root_twice, ""),
        (lambda likes, plays, pay, alpha, beta: pay / 2, ""),
        (lambda likes, plays, pay, alpha, beta: likes / plays * pay, "uniform"),
    ],
    "08.4": [(by_sorting, "Sorted"), (softmax, ""), (lambda e, a: e / e.sum(), "")],
}
