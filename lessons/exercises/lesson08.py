"""Lesson 08: a signal that falls, two songs, where it settles, priorities by rank."""

import numpy as np

from rlrec.viz.exercises import Exercise, call


# -- 08.1 ------------------------------------------------------------------------------
def size(signal, target, value):
    """What the memory makes of the signal: it takes errors of both signs."""
    found = call(signal, target, value)
    return None if found is None else np.abs(found)


# -- 08.2 ------------------------------------------------------------------------------
def drawn(alpha=0.5, beta=0.5, largest=1.0):
    powered = np.array([0.5, 2.0]) ** alpha
    probability = powered / powered.sum()
    weight = (2 * probability) ** -beta
    return [*probability, *(weight / weight.max() if largest else weight)]


# -- 08.3 ------------------------------------------------------------------------------
def settled(likes, plays, pay, alpha, beta, power=lambda s: 1 / s, upside=False):
    s = 1 + alpha * (1 - beta)
    ratio = (plays - likes) / likes
    return pay / (1 + (1 / ratio if upside else ratio) ** power(s))


# -- 08.4 ------------------------------------------------------------------------------
def ranked(errors, alpha, *, size=np.abs, down=True, twice=True, first=1, share=True):
    values = -size(errors) if down else size(errors)
    order = np.argsort(values)
    rank = (np.argsort(order) if twice else order) + first
    with np.errstate(divide="ignore", invalid="ignore"):
        priority = (1 / rank) ** alpha
        return priority / priority.sum() if share else priority


def proportional(errors, alpha):
    return np.abs(errors) ** alpha / (np.abs(errors) ** alpha).sum()


SURPRISED = np.array([1.0, -400.0, 2.0])
FOUR = np.array([0.3, 0.1, -0.2, 0.4])
FIVE = np.array([-1.0, 5.0, 3.0, -4.0, 2.0])

EXERCISES = {
    "08.1": Exercise(
        "the signal",
        cases=[
            ((0.2, 1.0), 0.8),
            ((1.0, 0.0), 1.0),
            ((np.array([-1.0, 0.5]), np.array([0.5, 0.5])), [1.5, 0.0]),
            ((-3.0, -1.0), 2.0),
        ],
        run=size,
        mistakes=[
            (
                lambda target, value: target,
                "That is the target, the published mistake: it stays large when the "
                "value is right.",
            ),
            (
                lambda target, value: value,
                "That is the value: what is believed, not how wrong it is.",
            ),
            (
                lambda target, value: (target - value) ** 2,
                "Squared, errors of 1 and more are drawn far more often; alpha is "
                "there to set that.",
            ),
            (
                lambda target, value: np.abs(target + value),
                "The distance of the two: minus, not plus.",
            ),
            (
                lambda target, value: np.abs(np.abs(target) - np.abs(value)),
                "First the difference, then its size: signs differ before abs.",
            ),
            (
                lambda target, value: np.maximum(target - value, 0),
                "A disappointment teaches as much as a surprise: let it through.",
            ),
            (
                lambda target, value: np.abs(target - value).mean(),
                "One signal an entry: no mean.",
            ),
        ],
        hints=[
            "How far is the value from its target?",
            "The TD error: target minus value. Its sign does not matter.",
        ],
    ),
    "08.2": Exercise(
        "probabilities and weights",
        expected=drawn(),
        mistakes=[
            (
                drawn(alpha=1.0),
                "The probabilities are in proportion to the errors themselves: "
                "raise them to alpha first.",
            ),
            (
                drawn(largest=0),
                "Probabilities right. Divide the weights by the larger one, "
                "so that the largest is 1.",
            ),
            (
                [1 / 3, 2 / 3, 2**-0.5, 1.0],
                "Weights the other way round: what is drawn more counts less.",
            ),
            (drawn(beta=1.0), "Those are weights for beta 1; here beta is .5."),
            (drawn(beta=0.0), "Those are weights for beta 0; here beta is .5."),
            (drawn(alpha=2.0), "Squared; alpha .5 is the square root."),
            (drawn(alpha=0.0), "That is uniform: alpha is .5."),
            (
                [2 / 3, 1 / 3, 2**-0.5, 1.0],
                "The second error is the larger one: it is drawn more often.",
            ),
            (
                [0.5**0.5, 2**0.5, 1.0, 2**-0.5],
                "Those are priorities; divide by their sum.",
            ),
            (
                [1 / 3, 2 / 3, 1.0, 2**0.5],
                "The larger weight has to be 1: divide by it.",
            ),
        ],
        hints=[
            "The roots of .5 and 2 are in the ratio 1 to 2: `2 ** .5 / .5 ** .5` = 2.",
            "The weights are in the ratio of the probabilities to the power -.5; "
            "the larger one is 1.",
        ],
    ),
    "08.3": Exercise(
        "settles_at",
        cases=[
            ((1, 4, 2.0, 1.0, 0.0), 0.732),
            ((1, 4, 2.0, 0.6, 1.0), 0.5),
            ((1, 2, 2.0, 1.0, 0.0), 1.0),
            ((1, 10, 10.0, 0.6, 0.0), settled(1, 10, 10.0, 0.6, 0.0)),
            ((3, 4, 1.0, 1.0, 0.5), settled(3, 4, 1.0, 1.0, 0.5)),
        ],
        mistakes=[
            (
                lambda likes, plays, pay, alpha, beta: pay * likes / plays,
                "That is the mean, where uniform replay settles. Large errors pull "
                "more.",
            ),
            (
                lambda *given: settled(*given, power=lambda s: s),
                "You have the ratio to the power s; solving for Q takes the root.",
            ),
            (
                lambda *given: settled(*given, upside=True),
                "The ratio is upside down: the plays that paid nothing pull downward.",
            ),
            (
                lambda likes, plays, pay, alpha, beta: settled(
                    likes, plays, pay, alpha, 0.0
                ),
                "`beta` has no effect: s = 1 + alpha (1 - beta).",
            ),
            (
                lambda likes, plays, pay, alpha, beta: settled(
                    likes, plays, pay, 1.0, beta
                ),
                "`alpha` has no effect: s = 1 + alpha (1 - beta).",
            ),
            (
                lambda likes, plays, pay, alpha, beta: settled(
                    likes, plays, pay, alpha, 1 - beta
                ),
                "s = 1 + alpha (1 - beta): beta 1 takes the distortion away.",
            ),
            (
                lambda likes, plays, *rest: settled(likes, plays + likes, *rest),
                "Of the plays, those that were not liked pull down: plays - likes.",
            ),
            (
                lambda likes, plays, pay, *rest: settled(likes, plays, 1.0, *rest),
                "That is for a like that pays 1; here it pays `pay`.",
            ),
            (
                lambda *given: settled(*given, power=lambda s: 1 / (s - 1 + 1e-9)),
                "s is 1 + alpha (1 - beta): the 1 is missing.",
            ),
        ],
        hints=[
            "At rest the pulls balance: likes (pay - Q)^s = (plays - likes) Q^s.",
            "Take the s-th root of both sides, then solve for Q.",
        ],
    ),
    "08.4": Exercise(
        "rank_probabilities",
        cases=[
            ((SURPRISED, 1.0), [2 / 11, 6 / 11, 3 / 11]),
            ((SURPRISED, 0.0), [1 / 3, 1 / 3, 1 / 3]),
            (
                (FOUR, 0.5),
                np.array([2, 4, 3, 1.0]) ** -0.5 / (np.arange(1, 5.0) ** -0.5).sum(),
            ),
            (
                (FIVE, 1.0),
                np.array([12, 60, 20, 30, 15]) / 137,
            ),
        ],
        mistakes=[
            (
                proportional,
                "That is in proportion to the errors. Only their order counts here.",
            ),
            (
                lambda *given: ranked(*given, down=False),
                "Rank 1 belongs to the largest error; yours gives it to the smallest.",
            ),
            (
                lambda *given: ranked(*given, twice=False),
                "argsort gives places in order, not ranks: argsort once more.",
            ),
            (
                lambda *given: ranked(*given, size=np.array),
                "Rank by size: a large negative error is a large error.",
            ),
            (
                lambda *given: ranked(*given, share=False),
                "Those are the priorities; divide by their sum.",
            ),
            (
                lambda *given: ranked(*given, first=2),
                "The largest error has rank 1, not 2.",
            ),
            (
                lambda *given: ranked(*given, first=0),
                "The largest error has rank 0 in yours: divided by 0. Add 1.",
            ),
            (
                lambda errors, alpha: ranked(errors, 1.0),
                "`alpha` has no effect.",
            ),
            (
                lambda errors, alpha: ranked(errors, 1.0) ** alpha,
                "First the power, then the division by the sum.",
            ),
            (
                lambda *given: np.sort(ranked(*given))[::-1],
                "Sorted: P(i) has to stand at the place of song i.",
            ),
        ],
        hints=[
            "A rank for each song: 1 for the largest size.",
            "np.argsort(-np.abs(errors)) lists places by size; "
            "its own argsort, plus 1, is the rank.",
        ],
    ),
}
