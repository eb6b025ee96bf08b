"""Lesson 07."""

import numpy as np


def zero_gradient(critic, actor, mood, dial):
    return np.zeros(2)


def value_instead(critic, actor, mood, dial):
    turn = np.clip(actor[0] + actor[1] * mood, 0, 1)
    value = critic[0] + critic[2] * turn + critic[5] * turn**2
    return np.array([value.mean(), (value * mood).mean()])


def slope_at_memory(critic, actor, mood, dial):
    up = critic[2] + critic[4] * mood + 2 * critic[5] * dial
    return [np.mean(up), np.mean(up * mood)]


def actors_worst(action, songs, judge, m):
    short = np.argsort(songs @ action)[:m]
    return short[np.argmax(judge(songs[short]))]


def by_sum(action, songs, judge, m):
    return int(np.argmax(songs @ action + judge(songs)))


def careful(reward, terminated, truncated, first, second, discount):
    done = terminated or truncated
    return reward + discount * (1 - done) * min(first, second)


def newest_first(directions, skipped):
    total = np.zeros(5)
    for age, direction in enumerate(directions):
        total += 0.2 * 0.8**age * direction
    return total


def one_number(directions, skipped):
    age = np.arange(len(directions))[::-1]
    return (0.2 * 0.8**age).sum()


def minus_the_skipped(directions, skipped):
    age = np.arange(len(directions))[::-1]
    return 0.2 * (0.8**age * (1 - 2 * skipped)) @ directions


WRONG = {
    "07.1": [(zero_gradient, ""), (value_instead, ""), (slope_at_memory, "memory")],
    "07.2": [
        (careful, "time limit"),
        (lambda r, d, t, a, b, g: r + g * (1 - d) * (a - b), ""),
        (lambda r, d, t, a, b, g: r + g * min(a, b), "no future"),
    ],
    "07.3": [(69.3, ""), (138.28, "whole"), (-139, "sign")],
    "07.4": [(actors_worst, "argsort goes up"), (by_sum, ""), (lambda *_: 1, "")],
    "07.5": [
        (newest_first, "oldest song"),
        (one_number, "asked for is"),
        (minus_the_skipped, ""),
        (lambda directions, skipped: directions[-1] * 0.2, ""),
    ],
}
