"""Lesson 06."""

import numpy as np


def plain_mean(user, items, known):
    mean = items.mean(axis=0)
    return np.concatenate([user, user * mean, mean])


def one_mean(user, items, known):
    mean = items[known].mean() if known.any() else 0.0
    return np.concatenate([user, user * mean, [mean, mean]])


def by_selection(user, items, known):
    mean = items[known].sum(axis=0) / max(len(items), 1)
    return np.concatenate([user, user * mean, mean])


def float_pairs(name, k, n):
    """Right for all but the pairs: counts a triangle with a side of n."""
    triangle = sum(range(n + 1))
    count = {"drr-n": n, "drr-ave": 3}.get(name, n + triangle)
    return k * count


WRONG = {
    "06.1": [
        (plain_mean, "in the sum and in the divisor"),
        (one_mean, ""),
        (by_selection, "number of places"),
    ],
    "06.2": [
        (float_pairs, "with itself"),
        (lambda name, k, n: 3 * k, ""),
        (lambda name, k, n: k * n, ""),
    ],
    "06.3": [([0.6883, 0.4026, 0.0], "asked for is shape"), ([0.5, 0.5], "")],
    "06.4": [
        (lambda n: max(0.2, 3 / (n + 1)), ""),
        (lambda n: 3 / n if n < 15 else 0.0, ""),
        (lambda n: 3 / max(n, 1), "goes on falling"),
    ],
}
