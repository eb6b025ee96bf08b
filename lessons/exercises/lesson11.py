"""Lesson 11: two sums, two dimensions, a dimension that falls silent, candidates."""

import numpy as np

from rlrec.viz.exercises import Exercise


# -- 11.1 ------------------------------------------------------------------------------
def loss(
    x,
    x_hat,
    mu,
    log_variance,
    *,
    features=np.sum,
    dimensions=np.sum,
    half=0.5,
    tracks=np.mean,
    terms=(1, 1, 1, 1),
    power=2,
):
    """Error and KL, with one part of them replaced."""
    error = features(np.abs(x - x_hat) ** power, axis=1)
    square, variance, one, log = terms
    parts = square * mu**2 + variance * np.exp(log_variance) - one - log * log_variance
    return tracks(error), half * tracks(dimensions(parts, axis=1))


ONE_TRACK = (
    np.array([[1.0, 0.5]]),
    np.array([[0.5, 0.0]]),
    np.array([[1.0, 0.0]]),
    np.log([[0.25, 1.0]]),
)
FOUR_TRACKS = (np.ones((4, 11)), np.zeros((4, 11)), np.ones((4, 5)), np.zeros((4, 5)))
TWO_TRACKS = (
    np.array([[0.0, 2.0, 1.0], [1.0, 1.0, -1.0]]),
    np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]),
    np.array([[0.0, -2.0], [1.0, 0.0]]),
    np.log([[0.5, 2.0], [1.0, 4.0]]),
)


# -- 11.2 ------------------------------------------------------------------------------
def both(first, second):
    return [first, second, first + second]


SECOND = (1 + 0.25 - 1 - np.log(0.25)) / 2


# -- 11.4 ------------------------------------------------------------------------------
def nearest(vectors, point, k, exclude, *, sign=1, remove=True, ties=1):
    distance = np.linalg.norm(vectors - point, axis=1)
    places = np.lexsort((ties * np.arange(len(vectors)), sign * distance.round(9)))
    left = [int(n) for n in places if not remove or n not in exclude]
    return left[:k]


def shifted(vectors, point, k, exclude):
    kept = np.delete(vectors, exclude, axis=0)
    return nearest(kept, point, k, [])


def inner(vectors, point, k, exclude):
    order = np.argsort(-(vectors @ point), kind="stable")
    return [int(n) for n in order if n not in exclude][:k]


FLOOR = np.array(
    [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 0.0], [0.5, 0.5]]
)

EXERCISES = {
    "11.1": Exercise(
        "the two sums",
        cases=[
            (ONE_TRACK, [0.5, 0.818]),
            (FOUR_TRACKS, [11.0, 2.5]),
            (TWO_TRACKS, [3.5, 1.778426]),
        ],
        mistakes=[
            (
                lambda *given: loss(*given, features=np.mean),
                "The error is a mean over the features still. "
                "Sum over axis 1, then the mean over tracks.",
            ),
            (
                lambda *given: loss(*given, features=np.mean, dimensions=np.mean),
                "Two means: their ratio depends on the numbers of features and "
                "dimensions.",
            ),
            (
                lambda *given: loss(*given, dimensions=np.mean),
                "The error is right. KL is a mean over the dimensions; sum them.",
            ),
            (
                lambda *given: loss(*given, half=1.0),
                "KL twice as large: the one half in front is missing.",
            ),
            (
                lambda *given: loss(*given, half=-0.5),
                "KL has the wrong sign; it is never negative.",
            ),
            (
                lambda *given: tuple(
                    part * scale
                    for part, scale in zip(loss(*given), (0.5, 1), strict=True)
                ),
                "Half of the summed error: the one half belongs to KL alone.",
            ),
            (
                lambda *given: loss(*given, tracks=np.sum),
                "Over the tracks the mean is taken, not the sum.",
            ),
            (
                lambda *given: loss(*given, terms=(1, 1, 1, 0)),
                "The logarithm of the variance is missing in KL.",
            ),
            (
                lambda x, x_hat, mu, log: loss(x, x_hat, mu, 2 * log),
                "`log_variance` is the logarithm of the variance, not of the standard "
                "deviation: no factor 2.",
            ),
            (
                lambda *given: loss(*given, power=1),
                "The error is squared.",
            ),
            (
                lambda *given: loss(*given)[::-1],
                "The order: error first, then KL.",
            ),
        ],
        hints=[
            "np.sum(..., axis=1) adds up within each track.",
            ".mean() of what comes out is the mean over tracks.",
        ],
    ),
    "11.2": Exercise(
        "two dimensions",
        expected=both(0.125, SECOND),
        mistakes=[
            (
                [0.125, SECOND, (0.125 + SECOND) / 2],
                "The parts are right. KL of independent dimensions adds up; no mean.",
            ),
            (
                both(0.125, 0.125),
                "The logarithm is missing in the second: it makes a sharp blur dear.",
            ),
            (both(0.25, 2 * SECOND), "Twice too large: one half in front."),
            (
                both(0.125, (0.25 + np.log(0.25)) / 2),
                "- log .25 is +1.386. And KL is never below 0.",
            ),
            (
                both(0.125, SECOND + 0.5),
                "The - 1 is missing in the second.",
            ),
            (
                both(0.125 + 0.5, SECOND + 0.5),
                "The - 1 is missing in both.",
            ),
            (
                both(0.25, (1 + 0.25 - 1 - np.log(0.25)) / 2),
                "The mean is squared: .25, and half of it counts.",
            ),
            (
                both(0.125, (-1 + 0.25 - 1 - np.log(0.25)) / 2),
                "The square of -1 is +1.",
            ),
            (
                both(0.125, (1 + 0.0625 - 1 - np.log(0.0625)) / 2),
                ".25 is the variance already: don't square it.",
            ),
            (
                [SECOND, 0.125, 0.125 + SECOND],
                "The two dimensions are exchanged.",
            ),
        ],
        hints=[
            "The sign of the mean does not matter: it is squared.",
            "Which of the four terms vanish for variance 1? For the second, "
            "`-np.log(.25)` = 1.386294.",
        ],
    ),
    "11.3": Exercise(
        "beta_that_leaves",
        cases=[
            (([0.25, 0.1, 0.05, 0.02], 0), 0.5),
            (([0.25, 0.1, 0.05, 0.02], 1), 0.2),
            (([0.3, 0.2, 0.2, 0.01], 3), 0.02),
        ],
        mistakes=[
            (
                lambda variances, keep: variances[keep],
                "A dimension is in use while its variance is above beta / 2, "
                "not above beta.",
            ),
            (
                lambda variances, keep: variances[keep] / 2,
                "The other way round: variance = beta / 2, so beta = twice the "
                "variance.",
            ),
            (
                lambda variances, keep: 2 * variances[min(keep + 1, 3)],
                "With this beta one dimension too many is in use: places are counted "
                "from 0.",
            ),
            (
                lambda variances, keep: 2 * variances[keep - 1],
                "With this beta only keep - 1 are left: the *next* one has to fall "
                "silent.",
            ),
            (
                lambda variances, keep: 2 * variances[-1 - keep],
                "Counted from the wrong end: the largest stands first.",
            ),
            (
                lambda variances, keep: 2 * variances[0],
                "That silences all: `keep` may stay.",
            ),
            (
                lambda variances, keep: 2 * sum(variances[keep:]),
                "Each dimension is judged by its own variance: no sum.",
            ),
            (
                lambda variances, keep: variances[keep] ** 2,
                "Twice the variance, not its square.",
            ),
            (
                lambda variances, keep: 2 * variances[keep] ** 0.5,
                "Twice the variance, not twice its root.",
            ),
        ],
        hints=[
            "Which variance is the next one that must not be in use any more, "
            "if `keep` are to stay?",
            "At its end: variance = beta / 2.",
        ],
    ),
    "11.4": Exercise(
        "candidates_of",
        cases=[
            ((FLOOR, np.array([0.0, 0.0]), 3, [0]), [4, 5, 1]),
            ((FLOOR, np.array([3.0, 0.0]), 2, [3, 1]), [5, 0]),
            ((FLOOR, np.array([0.0, 1.0]), 4, []), [2, 5, 0, 4]),
        ],
        mistakes=[
            (
                lambda *given: nearest(*given, remove=False),
                "What is excluded is in your list.",
            ),
            (
                lambda *given: nearest(*given, ties=-1),
                "Of two equally far the lower id comes first. "
                "np.argsort(..., kind='stable') keeps that order.",
            ),
            (
                lambda *given: nearest(*given, sign=-1),
                "Farthest first. Sort by distance, not by its negative.",
            ),
            (
                shifted,
                "These are places in what is left; ids are places in `vectors`.",
            ),
            (
                lambda *given: nearest(*given)[::-1],
                "Nearest first: yours is turned round.",
            ),
            (
                lambda vectors, point, k, exclude: nearest(
                    vectors, point, k + 1, exclude
                ),
                "One too many: `k`.",
            ),
            (
                inner,
                "That sorts by the inner product; nearest is the smallest distance.",
            ),
            (
                lambda vectors, point, k, exclude: nearest(
                    vectors, np.zeros(2), k, exclude
                ),
                "Distance is measured from `point`, not from the origin.",
            ),
            (
                lambda vectors, point, k, exclude: [
                    n for n in nearest(vectors, point, k, []) if n not in exclude
                ],
                "Exclude first, then take k: else the list is too short.",
            ),
        ],
        hints=[
            "Distances of all; infinity for the excluded ones.",
            "Then a stable argsort, and the first k.",
        ],
    ),
}
