"""Lesson 04."""

import numpy as np


def threshold_a_quarter(fraction, liked, skipped):
    return fraction + 2 * liked - ((fraction < 0.25) & (skipped == 1))


def threshold_small(fraction, liked, skipped):
    return fraction + 2 * liked - ((fraction < 0.06) & (skipped == 1))


def only_the_first(fraction, liked, skipped):
    return fraction[0] + 2 * liked[0] - (fraction[0] < 0.1)


def one_song(reward, goes_on, pushed_reward, pushed_goes_on, discount):
    return reward


def discount_squared(reward, goes_on, pushed_reward, pushed_goes_on, discount):
    pushed = 1 - discount**2 * pushed_goes_on
    return reward / (1 - discount**2 * goes_on) * pushed - pushed_reward


WRONG = {
    "04.1": [
        (lambda rating, in_slate: 0.0, ""),
        (lambda rating, in_slate: rating / 5 if rating else -1.0, ""),
        (lambda rating, in_slate: (rating - 3) / 2 if rating else 0, "Silence pays 0"),
    ],
    "04.2": [
        (0.2, ""),
        (1.8 / 13 * 100, ""),
        (0.0667, "left out"),
        (-1.8 / 13, "sign"),
    ],
    "04.3": [
        (one_song, ""),
        (discount_squared, ""),
        (lambda r, c, p, q, g: r / (1 - g * c) * (1 - g * q), "by itself"),
    ],
    "04.4": [
        (threshold_a_quarter, ""),
        (threshold_small, ""),
        (only_the_first, "asked for is shape"),
        (lambda part, liked, skipped: np.array(part), ""),
        (lambda part, liked, skipped: part + 2 * liked, "cost nothing"),
    ],
}
