"""Lesson 09."""

import numpy as np


def first_row(scores, liked, k):
    top = np.argsort(-scores[0])[:k]
    gains = 1 / np.log2(np.arange(2, k + 2))
    return liked[:, top].mean(), (liked[:, top] @ gains).mean() / gains.sum()


def dcg(scores, liked, k):
    top = np.argsort(-scores, axis=1)[:, :k]
    hits = np.take_along_axis(liked, top, axis=1)
    return hits.mean(), (hits / np.log2(np.arange(2, k + 2))).sum(axis=1).mean()


def one_sided(agent, other):
    gain = agent - other
    half = 2.132 * gain.std(ddof=1) / np.sqrt(len(gain))
    return "beats" if gain.mean() > half else "is not told from"


def of_means(agent, other):
    return "beats" if agent.mean() > other.mean() else "loses to"


def in_place(score, history):
    full = score(history)
    found = []
    for title in list(history):
        history.remove(title)
        found.append(full - score(history))
    return found


WRONG = {
    "09.1": [
        (first_row, ""),
        (dcg, ""),
        (lambda s, liked, k: liked.mean(), "asked for is"),
    ],
    "09.2": [
        ([0.667, 0.4415, 0.6934], "Only three places"),
        ([0.667, 0.6934], "asked for is"),
        ([1.0, 0.5, 0.7], ""),
    ],
    "09.3": [
        (one_sided, ""),
        (of_means, ""),
        (lambda agent, other: "is not told from", "never decides"),
    ],
    "09.4": [(in_place, ""), (lambda score, history: [0.0] * len(history), "")],
}
