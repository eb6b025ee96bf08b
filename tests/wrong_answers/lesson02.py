"""Lesson 02."""

import math

import numpy as np


def by_logarithm(error, learning_rate, tolerance):
    return int(math.log(tolerance / abs(error)) / math.log(1 - learning_rate + 1e-12))


def counts_while_at_least(error, learning_rate, tolerance):
    left = abs(error)
    count = 0
    while left >= tolerance:
        left -= learning_rate * left
        count += 1
    return count


def without_size(error, learning_rate, tolerance):
    count = 0
    while error > tolerance:
        error *= 1 - learning_rate
        count += 1
    return count


def own_action(log, discount, learning_rate):
    """SARSA with the same action: the next value of the action just played."""
    table = np.zeros((5, 5))
    for state, action, reward, next_state, terminated, _ in log:
        target = reward + discount * (1 - terminated) * table[next_state, action]
        table[state, action] += learning_rate * (target - table[state, action])
    return table


def largest_size(log, discount, learning_rate):
    table = np.zeros((5, 5))
    for state, action, reward, _next_state, terminated, _ in log:
        target = reward + discount * (1 - terminated) * table.max()
        table[state, action] += learning_rate * (target - table[state, action])
    return table


def ends_forgotten(log, discount, learning_rate):
    table = np.zeros((5, 5))
    for state, action, reward, next_state, _, _ in log:
        target = reward + discount * max(table[next_state])
        table[state, action] = (1 - learning_rate) * table[
            state, action
        ] + learning_rate * target
    return table


WRONG = {
    "02.1": [
        (lambda v, r, q, g, a: v + a * (r + q - v) * g, "alone"),
        (lambda v, r, q, g, a: v + a * (r + g * q + v), ""),
        (lambda v, r, q, g, a: v - a * (r + g * q - v), "walk away"),
        (lambda v, r, q, g, a: v + a * (r + g * q) - v, ""),
    ],
    "02.2": [
        ([0.7, -3.3], "asked for is shape"),
        ([2.35, -3.3, 0.7], "another order"),
        ([0.7, -3.3, 7.3], ""),
        ([1.6, -2.4, 2.8], ""),
    ],
    "02.3": [
        (by_logarithm, ""),
        (counts_while_at_least, "No larger than"),
        (without_size, "abs"),
        (lambda error, learning_rate, tolerance: abs(error) / tolerance, ""),
    ],
    "02.4": [
        (own_action, ""),
        (largest_size, ""),
        (ends_forgotten, "no future"),
        (lambda log, discount, learning_rate: np.zeros(25), "asked for is shape"),
    ],
    "02.5": [
        ([0.9, 0.72, 5.4], "another order"),
        (5.4, "asked for is shape"),
        ([6.0, 0.72, 0.9], ""),
    ],
}
