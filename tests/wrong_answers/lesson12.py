"""Lesson 12."""

import numpy as np


def unguarded(episodes):
    with np.errstate(invalid="ignore"):
        return episodes / episodes.std()


def nearest_vote(vectors, heard, paid, width):
    distance = np.linalg.norm(vectors[:, None] - vectors[heard], axis=2)
    return paid[distance.argmin(axis=1)]


def squared_norm_of_one(vectors, heard, paid, width):
    weights = np.exp(-((vectors[:, :1] - vectors[heard, 0]) ** 2) / (2 * width**2))
    return weights @ paid / weights.sum(axis=1)


def whole_sum(vectors, heard, paid, width):
    distance = np.linalg.norm(vectors[:, None] - vectors[heard], axis=2)
    weights = np.exp(-(distance**2) / (2 * width**2))
    return weights @ paid / weights.sum()


WRONG = {
    "12.1": [
        (unguarded, ""),
        (lambda episodes: episodes / np.ptp(episodes), ""),
        (
            lambda episodes: (episodes - np.mean(episodes)) / (np.std(episodes) + 1e-9),
            "a shift",
        ),
    ],
    "12.2": [(12.4, ""), (22.5, "heard as well"), ("12.5", "asked for is")],
    "12.3": [
        (
            lambda own, plays, guess, sigma, error: (plays * own + guess) / (plays + 1),
            "",
        ),
        (lambda own, plays, guess, sigma, error: 0.9 * guess + 0.1 * own, ""),
    ],
    "12.4": [(nearest_vote, ""), (squared_norm_of_one, ""), (whole_sum, "")],
}
