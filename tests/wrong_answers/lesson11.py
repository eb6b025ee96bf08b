"""Lesson 11."""

import numpy as np


def variance_forgotten(x, x_hat, mu, log_variance):
    error = ((x - x_hat) ** 2).sum(axis=1).mean()
    return error, 0.5 * (mu**2).sum(axis=1).mean()


def means(x, x_hat, mu, log_variance):
    kl = 0.5 * (mu**2 + np.exp(log_variance) - 1 - log_variance)
    return ((x - x_hat) ** 2).mean(), kl.mean()


def one_coordinate(vectors, point, k, exclude):
    distance = np.abs(vectors[:, 0] - point[0])
    distance[exclude] = np.inf
    return np.argsort(distance, kind="stable")[:k]


def from_the_end(vectors, point, k, exclude):
    distance = -np.linalg.norm(vectors - point, axis=1)
    return np.argsort(distance, kind="stable")[:k]


WRONG = {
    "11.1": [
        (variance_forgotten, ""),
        (means, "Two means"),
        (lambda x, x_hat, mu, log_variance: ((x - x_hat) ** 2).sum(), "asked for is"),
    ],
    "11.2": [
        ([0.125, 0.818], "asked for is"),
        ([0.125, 0.5, 0.625], ""),
        ([0.25, 1.636, 1.886], "half"),
    ],
    "11.3": [
        (lambda v, keep: 2 * v[keep] - 0.01, ""),
        (lambda v, keep: np.mean(v), ""),
    ],
    "11.4": [(one_coordinate, ""), (from_the_end, ""), (lambda *_: [4, 5, 2], "")],
}
