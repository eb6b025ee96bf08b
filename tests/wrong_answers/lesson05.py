"""Lesson 05."""

import numpy as np

from rlrec.nn.backend import tf


def in_numpy(values, targets):
    return 0.5 * np.mean((targets.numpy() - values.numpy()[:, 0]) ** 2)


def transposed(values, targets):
    return tf.reduce_mean((targets[None, :] - values) ** 2) * 0.5


def no_mean(values, targets):
    return 0.5 * (targets - values[:, 0]) ** 2


def smaller_size(online, target, reward, terminated, discount):
    return reward + discount * (1 - terminated) * np.abs(target).min(axis=1)


def whole_batch(online, target, reward, terminated, discount):
    return reward + discount * (1 - terminated) * target.max()


def by_position(values, pool, history, k):
    """Removes the first songs of the pool, as many as were heard."""
    return pool[:, np.argsort(-values[0])][:, -k:]


def one_by_one(values, pool, history, k):
    rows = []
    for value, ids, heard in zip(values, pool, history, strict=True):
        left = [n for n in np.argsort(value) if ids[n] not in heard]
        rows.append([ids[n] for n in left[:k]])
    return rows


def forgets_the_end(rewards, n, discount):
    """Only songs that have n rewards ahead."""
    starts = range(len(rewards) - n + 1)
    return [rewards[start : start + n].sum() for start in starts]


def loses_the_last(rewards, n, discount):
    returns = []
    for start in range(len(rewards)):
        total = 0.0
        for later in range(1, n + 1):
            if start + later < len(rewards):
                total += discount ** (later - 1) * rewards[start + later]
        returns.append(total)
    return returns


def backwards(rewards, n, discount):
    total = 0.0
    returns = []
    for reward in reversed(rewards):
        total = reward + discount * total
        returns.append(total)
    return returns[::-1]


WRONG = {
    "05.1": [
        (in_numpy, "tape sees nothing"),
        (transposed, "every target"),
        (no_mean, "the mean is missing"),
        (lambda values, targets: 0.0 * tf.reduce_sum(values), ""),
    ],
    "05.2": [
        ([1.997, 3.9918], "differentiated"),
        ([-0.03, -0.015], "steps"),
        (4.0, "asked"),
    ],
    "05.3": [
        (smaller_size, ""),
        (whole_batch, ""),
        (lambda *given: 6.4, "asked for is"),
    ],
    "05.4": [
        (by_position, ""),
        (one_by_one, "worst songs"),
        (lambda *given: [[4, 9]], ""),
    ],
    "05.5": [
        (forgets_the_end, "asked for is"),
        (loses_the_last, ""),
        (backwards, "rest of the session"),
        (lambda rewards, n, discount: rewards[:n].sum(), "asked for is"),
    ],
}
