"""Lesson 10."""

import numpy as np


def unordered(scores, relevant, k):
    hits = relevant[:, :k]
    return [hits.mean(), hits[:, 0].mean()]


def dcg_only(scores, relevant, k):
    top = np.argsort(-scores, axis=1)[:, :k]
    hits = np.take_along_axis(relevant, top, axis=1)
    return [hits.mean(), (hits / np.log2(np.arange(2, k + 2))).sum(axis=1).mean()]


def last_weight(weights, rewards):
    return (weights[:, -1:] * rewards).sum(axis=1).mean()


def self_normalised(weights, rewards):
    rho = np.cumprod(weights, axis=1)
    return (rho * rewards / rho.mean(axis=0)).sum(axis=1).mean()


WRONG = {
    "10.1": [(unordered, ""), (dcg_only, ""), (lambda *_: 0.5, "asked for is")],
    "10.2": [(8.0, ""), (3.0769, "flipped"), (0.64, "squared")],
    "10.3": [
        (lambda actions, rewards, mu, pi, model: np.mean(rewards), "own policy"),
        (
            lambda actions, rewards, mu, pi, model: (pi[actions] / mu * rewards).mean(),
            "IPS",
        ),
        (
            lambda actions, rewards, mu, pi, model: (
                pi @ model + (pi[actions] / mu * rewards).mean()
            ),
            "missed",
        ),
        (lambda actions, rewards, mu, pi, model: model.mean(), "over the songs"),
    ],
    "10.4": [
        (last_weight, ""),
        (self_normalised, ""),
        (lambda w, r: np.sum(w * r), ""),
    ],
}
