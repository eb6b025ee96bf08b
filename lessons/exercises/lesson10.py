"""Lesson 10: an honest evaluation, what is left of a log, doubly robust, evenings."""

import numpy as np

from rlrec.viz.exercises import Exercise


# -- 10.1 ------------------------------------------------------------------------------
def figures(scores, relevant, k, *, sign=-1, ideal="cut", users=None, by=None):
    """P@k and NDCG@k, [2], with one part of them replaced."""
    top = np.argsort(sign * scores, axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(relevant, top, axis=1)
    gains = 1 / np.log2(np.arange(2, relevant.shape[1] + 2))
    count = {
        "cut": np.minimum(relevant.sum(axis=1), k),
        "list": hits.sum(axis=1),
        "all": relevant.sum(axis=1),
        "full": np.full(len(relevant), k),
    }[ideal]
    best = np.append(0.0, gains.cumsum())[count]
    divisor = k if by is None else np.maximum(by(relevant), 1)
    each = [hits.sum(axis=1) / divisor, hits @ gains[:k] / np.maximum(best, 1e-9)]
    return np.sum(each, axis=1) / (users or len(scores))


ONE = np.array([[3.0, 2.0, 1.0, 0.0]])
TWO = np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]])
SECOND = 1 / np.log2(3)
IDEAL = 1 + SECOND + 0.5


# -- 10.3 ------------------------------------------------------------------------------
def robust(
    actions,
    rewards,
    propensities,
    target,
    model,
    *,
    weights=None,
    direct=None,
    by=np.mean,
):
    if weights is None:
        weights = target[actions] / propensities
    direct = target @ model if direct is None else direct
    return direct + by(weights * (rewards - model[actions]))


def normalised(actions, rewards, propensities, target, model):
    weights = target[actions] / propensities
    errors = rewards - model[actions]
    return target @ model + (weights * errors).sum() / weights.sum()


SHOP = (
    np.array([0] * 7 + [1] * 3),
    np.array([0.2] * 7 + [1.0] * 3),
    np.array([0.8] * 7 + [0.2] * 3),
)
FLIPPED = np.array([0.2, 0.8])


# -- 10.4 ------------------------------------------------------------------------------
def shifted(weights, rewards):
    before = np.cumprod(np.column_stack([np.ones(len(weights)), weights]), axis=1)
    return (before[:, :-1] * rewards).sum(axis=1).mean()


EVENINGS = (np.array([[2.0, 0.5], [0.5, 2.0]]), np.array([[0.0, 1.0], [1.0, 3.0]]))

EXERCISES = {
    "10.1": Exercise(
        "evaluate",
        cases=[
            ((ONE, np.array([[1, 1, 0, 1]]), 3), [2 / 3, (1 + SECOND) / IDEAL]),
            ((ONE, np.array([[0, 1, 0, 0]]), 2), [1 / 2, SECOND]),
            (
                (TWO, np.array([[0, 0, 0, 1], [0, 1, 1, 1]]), 2),
                [1 / 2, (1 + SECOND / (1 + SECOND)) / 2],
            ),
        ],
        mistakes=[
            (
                lambda *given: figures(*given, sign=1),
                "The list is still worst first: turn it round.",
            ),
            (
                lambda *given: figures(*given, ideal="list"),
                "The ideal is made of the hits alone; fill it from all relevant items "
                "of the user.",
            ),
            (
                lambda *given: figures(*given, sign=1, ideal="list"),
                "Two bugs left: the order, and what the ideal is made of.",
            ),
            (
                lambda *given: figures(*given, ideal="all"),
                "The ideal is not cut at k: a list of k can't hold more.",
            ),
            (
                lambda *given: figures(*given, ideal="full"),
                "The ideal has k hits always: a user with fewer relevant items can't "
                "reach that.",
            ),
            (
                lambda *given: figures(*given, users=1),
                "That is the sum over the users: the mean.",
            ),
            (
                lambda *given: figures(*given, users=1208),
                "Still divided by all 1,208 users.",
            ),
            (
                lambda *given: figures(
                    *given, by=lambda relevant: relevant.sum(axis=1)
                ),
                "That is recall: hits over relevant. Precision divides by k.",
            ),
            (
                lambda *given: figures(*given)[::-1],
                "The order: P@k first, then NDCG@k.",
            ),
        ],
        hints=[
            "np.argsort(-scores, axis=1)[:, :k] is best first.",
            "The ideal has min(k, relevant.sum(axis=1)) hits; then the mean.",
        ],
    ),
    "10.2": Exercise(
        "effective sample size",
        expected=(8 * 0.625 + 2 * 2.5) ** 2 / (8 * 0.625**2 + 2 * 2.5**2),
        mistakes=[
            (
                100 / 32.5,
                "That is for the flipped policy of the text; here both are .5.",
            ),
            (
                10.0,
                "That is the sum of the weights. Square it, and divide by the sum of "
                "their squares.",
            ),
            (
                (0.625 + 2.5) ** 2 / (0.625**2 + 2.5**2),
                "One row of each; there are eight A and two B.",
            ),
            (10 / 15.625, "The sum of the weights has to be squared."),
            (15.625 / 100, "Upside down: the squared sum stands above the line."),
            (15.625, "That is the sum of the squares, below the line."),
            (100.0, "That is the squared sum; divide by the sum of the squares."),
            (
                (8 * 1.6 + 2 * 0.4) ** 2 / (8 * 1.6**2 + 2 * 0.4**2),
                "The weights are upside down: new policy over propensity.",
            ),
            (
                5.0,
                "That is ten times the probability; the weights decide.",
            ),
            (
                10 / 2.5,
                "That is ten over the largest weight, a bound; not this formula.",
            ),
        ],
        hints=[
            "Weights: `.5 / .8` = 0.625 for A, `.5 / .2` = 2.5 for B.",
            "Then the square of their sum over the sum of their squares; the sum is "
            "`8 * .625 + 2 * 2.5` = 10.",
        ],
    ),
    "10.3": Exercise(
        "robust",
        cases=[
            ((*SHOP, FLIPPED, np.array([0.3, 0.9])), 0.8825),
            ((*SHOP, FLIPPED, np.array([0.2, 1.0])), 0.84),
            ((*SHOP, FLIPPED, np.zeros(2)), 1.235),
        ],
        mistakes=[
            (
                lambda actions, rewards, shown, target, model: target @ model,
                "That is the direct method; add the weighted mean of the model's "
                "errors.",
            ),
            (
                lambda *given: robust(*given[:4], np.zeros(2)),
                "That is IPS: the model has to come in.",
            ),
            (
                lambda *given: robust(*given, weights=1.0),
                "Weight each error: target / propensity of the action played.",
            ),
            (
                normalised,
                "Divide by the number of rows, not by the sum of the weights.",
            ),
            (
                lambda actions, rewards, *rest: rewards.mean(),
                "That is what the log's own policy earned.",
            ),
            (
                lambda *given: given[4].mean(),
                "That is the model's mean over the songs: target @ model.",
            ),
            (
                lambda *given: given[3] @ given[4] + robust(*given[:4], np.zeros(2)),
                "Weight what the model missed, rewards - model[actions], not rewards.",
            ),
            (
                lambda *given: robust(*given, by=np.sum),
                "The mean of the weighted errors, not their sum.",
            ),
            (
                lambda *given: 2 * given[3] @ given[4] - robust(*given),
                "The sign of the errors: reward less what the model says.",
            ),
            (
                lambda *given: robust(*given, direct=0.0),
                "That is the correction alone: add the direct method.",
            ),
            (
                lambda *given: robust(*given, direct=given[4].mean()),
                "The direct part is weighted by the target policy: target @ model.",
            ),
            (
                lambda actions, rewards, shown, target, model: robust(
                    actions,
                    rewards,
                    shown,
                    target,
                    model,
                    weights=shown / target[actions],
                ),
                "The weights are upside down: target over propensity.",
            ),
            (
                lambda *given: robust(*given, direct=given[4][given[0]].mean()),
                "That is the model's mean over the *log's* actions: target @ model.",
            ),
        ],
        hints=[
            "Two parts: what the model says of the new policy, and a correction.",
            "target @ model + np.mean(w * (rewards - model[actions])) "
            "with w = target[actions] / propensities.",
        ],
    ),
    "10.4": Exercise(
        "whole_evenings",
        cases=[
            (EVENINGS, 2.25),
            ((np.ones((2, 3)), np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 1.0]])), 2.0),
            ((np.array([[2.0, 0.0, 5.0]]), np.array([[1.0, 1.0, 1.0]])), 2.0),
            ((np.array([[2.0, 3.0]]), np.array([[-1.0, 1.0]])), 4.0),
        ],
        mistakes=[
            (
                lambda weights, rewards: (weights * rewards).sum(axis=1).mean(),
                "Each song has only its own weight: multiply all weights up to it.",
            ),
            (
                lambda weights, rewards: (np.cumprod(weights, axis=1) * rewards).mean(),
                "Sum over the songs of an evening; only over the evenings take the "
                "mean.",
            ),
            (
                lambda weights, rewards: (
                    weights.prod(axis=1) * rewards.sum(axis=1)
                ).mean(),
                "Every song got the weight of the whole evening; later songs cannot "
                "change earlier ones.",
            ),
            (
                lambda weights, rewards: (
                    (np.cumprod(weights, axis=0) * rewards).sum(axis=1).mean()
                ),
                "The product runs over the songs of an evening, axis=1.",
            ),
            (
                lambda weights, rewards: (np.cumprod(weights, axis=1) * rewards).sum(),
                "That is the sum over the evenings: the mean.",
            ),
            (
                lambda weights, rewards: (
                    (np.cumsum(weights, axis=1) * rewards).sum(axis=1).mean()
                ),
                "Weights are multiplied, not added up.",
            ),
            (
                shifted,
                "A song's own weight counts, too: the product *up to and with* it.",
            ),
            (
                lambda weights, rewards: rewards.sum(axis=1).mean(),
                "That is the log's own return: the weights have no effect.",
            ),
            (
                lambda weights, rewards: (np.cumprod(weights, axis=1) * rewards).sum(
                    axis=1
                ),
                "One number: the mean over the evenings.",
            ),
        ],
        hints=[
            "The weight of a song is the product of all weights up to it.",
            "np.cumprod(weights, axis=1) are the rho; then sum over axis 1, "
            "mean over axis 0.",
        ],
    ),
}
