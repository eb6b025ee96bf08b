"""Lesson 01."""

import numpy as np


def sums_without_discount(rewards, discount):
    return np.cumsum(rewards[::-1])[::-1]


def squared_discount(rewards, discount):
    returns = []
    running = 0.0
    for reward in reversed(rewards):
        running = reward + discount**2 * running
        returns.append(running)
    return returns[::-1]


def list_from_the_end(rewards, discount):
    returns = []
    running = 0
    for reward in rewards[::-1]:
        running = reward + discount * running
        returns.append(running)
    return returns


def forgets_the_sum(p, skipped, skip_in_mood, turn):
    return p * skip_in_mood[1] * turn[1, int(skipped)]


def one_mood(p, skipped, skip_in_mood, turn):
    likelihood = skip_in_mood if skipped else 1 - skip_in_mood
    seen = np.array([1 - p, p]) * likelihood
    return (seen / seen.sum())[1] * turn[1, int(skipped)]


def only_mood(p, skipped, skip_in_mood, turn):
    return (1 - p) * turn[0, int(skipped)] + p * turn[1, int(skipped)]


def no_guard(pull, directions, played):
    return pull - np.maximum(directions @ played[-1], 0)


def added(pull, directions, played):
    return pull + 2 * np.maximum(directions @ played.sum(axis=0), 0)


def first_song(pull, directions, played):
    if len(played) == 0:
        return pull
    return pull - np.maximum(directions @ played[0], 0)


def too_little(pull, directions, played):
    return pull - 1e-6 * (directions @ played.sum(axis=0) + directions @ _last(played))


def _last(played):
    return played[-1] if len(played) else np.zeros(5)


WRONG = {
    "01.1": [
        (sums_without_discount, "discount is missing"),
        (squared_discount, ""),
        (list_from_the_end, "wrong order"),
        (lambda rewards, discount: None, "`return` missing"),
        (lambda rewards, discount: np.array(rewards), ""),
    ],
    "01.2": [(0.75, ""), (0.9643, "third finished"), (1.2857, "odds"), (0.0, "")],
    "01.3": [(forgets_the_sum, ""), (one_mood, ""), (only_mood, "was not used")],
    "01.4": [
        (no_guard, "IndexError"),
        (added, "lifts a song"),
        (first_song, "not remembered"),
        (lambda pull, directions, played: pull, "not used"),
        (lambda pull, directions, played: -pull, "largest `pull`"),
        (lambda pull, directions, played: pull.sum(), "One score"),
        (lambda pull, directions, played: -(directions @ _last(played)), "`pull`"),
        (too_little, "how much weight"),
    ],
    "01.5": [
        ([15.26], "asked for is"),
        (15.26, "asked for is"),
        ([14.74, 15.26], "exchanged"),
        ([10.0, 10.0], ""),
        ([15, 15], "mean reward"),
    ],
}
