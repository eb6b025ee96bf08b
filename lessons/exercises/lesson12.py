"""Lesson 12: one scale, a tie, a song's own mean, kernel regression."""

import numpy as np

from rlrec.viz.exercises import Exercise


# -- 12.1 ------------------------------------------------------------------------------
def scaled(rewards, axis=None, shift=False, power=1):
    rewards = np.asarray(rewards, float)
    spread = rewards.std(axis=axis, keepdims=axis is not None) ** power
    middle = rewards.mean(axis=axis, keepdims=axis is not None) if shift else 0.0
    return (rewards - middle) / (spread + 1e-8)


# -- 12.3 ------------------------------------------------------------------------------
def mixed(own, plays, guess, sigma, error, power=2, upside=False):
    shrink = (error / sigma if upside else sigma / error) ** power
    return (plays * own + shrink * guess) / (plays + shrink)


# -- 12.4 ------------------------------------------------------------------------------
def votes(vectors, heard, paid, width, *, weight=None, share=True, keep=False):
    distance = np.linalg.norm(vectors[:, None] - vectors[heard], axis=2)
    weight = weight or (lambda d, w: np.exp(-(d**2) / (2 * w**2)))
    weights = weight(distance, width)
    total = weights.sum(axis=1) if share else 1.0
    estimate = weights @ paid / total
    if keep:
        estimate[heard] = paid
    return estimate


TWO = np.array([[1.0, 3.0], [5.0, 7.0]])
LINE = np.array([[0.0], [1.0], [2.0], [3.0]])
NEAR, FAR, FARTHER = np.exp([-0.5, -2.0, -4.5])  # at distance 1, 2, 3 for width 1
VOTES = [1 / (1 + FAR), 0.5, FAR / (1 + FAR), FARTHER / (FARTHER + NEAR)]
PLANE = np.array([[0.0, 0.0], [1.0, 1.0]])

EXERCISES = {
    "12.1": Exercise(
        "scaled_rewards",
        cases=[
            ((TWO,), TWO / np.sqrt(5)),
            ((np.array([[1.0, 1.0], [0.0, 0.0]]),), [[2.0, 2.0], [0.0, 0.0]]),
            ((np.array([[2.0, 2.0, 8.0]]),), np.array([[1, 1, 4]]) / np.sqrt(2)),
            ((np.zeros((2, 2)),), np.zeros((2, 2))),
        ],
        mistakes=[
            (
                lambda episodes: scaled(episodes, axis=1, shift=True),
                "Each row has its own mean and spread still: that is the published "
                "mistake.",
            ),
            (
                lambda episodes: scaled(episodes, axis=1),
                "No shift, good. But each row has its own scale still: drop axis=1.",
            ),
            (
                lambda episodes: scaled(episodes, shift=True),
                "One scale, good. But a shift pays, or charges, for the mere length "
                "of an evening: none.",
            ),
            (
                lambda episodes: scaled(episodes, axis=0),
                "axis=0 gives each place of the evening a scale of its own: "
                "leave axis out.",
            ),
            (
                lambda episodes: scaled(episodes, axis=0, shift=True),
                "axis=0 gives each place of the evening a scale of its own; "
                "and nothing is to be shifted.",
            ),
            (
                lambda episodes: episodes - episodes.mean(),
                "That is a shift, no scale: divide by the standard deviation.",
            ),
            (
                lambda episodes: scaled(episodes, power=2),
                "That divides by the variance: take its root.",
            ),
            (
                lambda episodes: episodes / np.maximum(episodes.std(ddof=1), 1e-8),
                "That is the spread of a sample, ddof=1; np.std by itself is meant.",
            ),
            (
                lambda episodes: episodes / np.maximum(episodes.max(), 1e-8),
                "That divides by the largest; the standard deviation is meant.",
            ),
        ],
        hints=[
            "The published function with one word less: without axis=1, std runs "
            "over the whole array.",
            "And without the mean. If all rewards are equal, don't divide by 0.",
        ],
    ),
    "12.2": Exercise(
        "the tie",
        expected=0.5 / 0.04,
        mistakes=[
            (
                0.5 / 0.05,
                "Steady is liked too, if rarely: its likes grow with lam as well.",
            ),
            (
                0.5 / 0.06,
                "Likes stand on both sides: "
                "take the difference of .05 and .01, not the sum.",
            ),
            (1.3 / 0.04, "The parts heard stand on both sides, too: .9 - .4."),
            (0.04 / 0.5, "Upside down: .5 = .04 lam."),
            (-0.5 / 0.04, "Lam is positive: the polariser gains from it."),
            (0.5 * 0.04, "Divide: .5 = .04 lam."),
            (0.5, "That is the difference of the parts heard; now the likes."),
            (0.9 / 0.04, "The polariser is heard as well: .9 - .4."),
            (0.9 / 0.05, "Each has both: .9 + .01 lam against .4 + .05 lam."),
        ],
        hints=[
            "Each song is worth its part heard, plus lam times its likes.",
            "Solve .9 + .01 lam = .4 + .05 lam.",
        ],
    ),
    "12.3": Exercise(
        "best_mix",
        cases=[
            ((1.0, 1, 0.4, 0.6, 0.2), 0.4 + 0.6 / 10),
            ((1.0, 9, 0.4, 0.6, 0.2), 0.7),
            ((1.0, 1, 0.4, 0.6, 0.6), 0.7),
            ((0.0, 27, 0.4, 0.6, 0.2), 0.1),
            ((0.0, 0, 0.4, 0.6, 0.2), 0.4),
        ],
        mistakes=[
            (
                lambda own, plays, guess, *rest: mixed(guess, plays, own, *rest),
                "The other way round: `own` goes with the plays, `guess` with shrink.",
            ),
            (
                lambda *given: mixed(*given, power=1),
                "You divided standard deviations; the formula asks for their squares.",
            ),
            (
                lambda own, plays, *rest: mixed(own, min(plays, 1), *rest),
                "Let the number of plays count: nine plays weigh nine times one.",
            ),
            (
                lambda *given: mixed(*given, upside=True),
                "shrink = sigma^2 / error^2: yours is upside down.",
            ),
            (
                lambda own, plays, guess, sigma, error: (own + guess) / 2,
                "Half and half is right for one number of plays only.",
            ),
            (
                lambda own, plays, guess, sigma, error: own,
                "That is the song's own mean: one noisy play says little.",
            ),
            (
                lambda own, plays, guess, sigma, error: guess,
                "That is the map's guess: what was heard has no say.",
            ),
            (
                lambda own, plays, guess, sigma, error: (
                    plays * own + sigma**2 / error**2 * guess
                ),
                "That is a weighted sum; divide by the sum of the weights.",
            ),
            (
                lambda own, plays, guess, sigma, error: mixed(
                    own, plays, guess, 1.0, error
                ),
                "`sigma` has no effect.",
            ),
        ],
        hints=[
            "A mean weighted by precision: n plays have n / sigma^2, the map has "
            "1 / error^2.",
            "shrink = (sigma / error)**2, then (n own + s guess) / (n + s).",
        ],
    ),
    "12.4": Exercise(
        "smooth",
        cases=[
            ((LINE, np.array([0, 2]), np.array([1.0, 0.0]), 1.0), VOTES),
            ((LINE, np.array([1]), np.array([0.3]), 0.5), [0.3, 0.3, 0.3, 0.3]),
            ((LINE * 2, np.array([0, 2]), np.array([1.0, 0.0]), 2.0), VOTES),
            (
                (PLANE, np.array([1, 0]), np.array([1.0, -1.0]), 1.0),
                [-0.462117, 0.462117],
            ),
        ],
        mistakes=[
            (
                lambda *given: votes(*given, share=False),
                "That is the weighted sum. Divide by the sum of the weights to get a "
                "mean.",
            ),
            (
                lambda *given: votes(*given, keep=True),
                "Here a song with feedback votes for itself like any other: "
                "nothing is kept.",
            ),
            (
                lambda *given: votes(
                    *given, weight=lambda d, w: np.exp(-d / (2 * w**2))
                ),
                "The distance is squared in the weight.",
            ),
            (
                lambda *given: votes(
                    *given, weight=lambda d, w: np.exp(-(d**2) / w**2)
                ),
                "The 2 is missing: 2 width^2.",
            ),
            (
                lambda *given: votes(
                    *given, weight=lambda d, w: np.exp(-(d**2) / (2 * w))
                ),
                "The width is squared.",
            ),
            (
                lambda *given: votes(*given, weight=lambda d, w: np.exp(-(d**2) / 2)),
                "The width has no effect.",
            ),
            (
                lambda *given: votes(*given, weight=lambda d, w: np.ones_like(d)),
                "Everybody votes alike: near ones should count more.",
            ),
            (
                lambda *given: votes(*given, weight=lambda d, w: d + 1e-9),
                "Far songs count more than near ones.",
            ),
            (
                lambda *given: votes(*given, weight=lambda d, w: (d == 0) + 1e-12),
                "Only a song's own feedback counts: its neighbours vote, too.",
            ),
            (
                lambda vectors, heard, paid, width: votes(vectors, heard, paid, width)[
                    heard
                ],
                "One estimate for *every* song, heard or not.",
            ),
        ],
        hints=[
            "np.linalg.norm(vectors[:, None] - vectors[heard], axis=2) is [songs, n].",
            "Then weights @ paid over weights.sum(axis=1).",
        ],
    ),
}
