"""Lesson 14: weigh a log, four plays, a level for a run, a good checkpoint."""

import numpy as np

from rlrec.viz.exercises import Exercise

BY_HAND = (np.array([1.0, 0, 1]), np.array([0.1, 0.4, 0.5]), np.array([0.5, 0.4, 0.1]))
AS_LOGGED = (np.array([1.0, 0, 0, 1]), np.full(4, 0.25), np.full(4, 0.25))
TWO_PLAYS = (np.array([1.0, 1]), np.array([0.2, 0.0]), np.array([0.4, 0.1]))


# -- 14.4 ------------------------------------------------------------------------------
def good(alarms, probation, *, longer=0, forget=True, skip=True, newest=False):
    """The checkpoint to go back to, with one part of the rule replaced."""
    found = -1
    waiting = []
    for k, alarm in enumerate(alarms):
        if alarm and forget:
            waiting = []
        if alarm and skip:
            continue
        waiting.append(k)
        if len(waiting) > probation + longer:
            found = waiting.pop(0)
    return len(alarms) - 1 if newest else found


def falls_back(alarms, probation):
    """An alarm forgets what has been found good as well."""
    last = max((k for k, alarm in enumerate(alarms) if alarm), default=-1)
    since = good(alarms[last + 1 :], probation)
    return since + last + 1 if since >= 0 else -1


EXERCISES = {
    "14.1": Exercise(
        "the estimate",
        cases=[(BY_HAND, 1.7333), (AS_LOGGED, 0.5), (TWO_PLAYS, 0.25)],
        mistakes=[
            (
                lambda heard, shy, propensity: (shy * heard).sum(),
                "That is the nephew's: a play must count pi / mu, and mu is missing.",
            ),
            (
                lambda heard, shy, propensity: (shy * heard).mean(),
                "A play must count pi / mu, and mu is missing.",
            ),
            (
                lambda heard, shy, propensity: (
                    (shy / propensity * heard).sum() / (shy / propensity).sum()
                ),
                "Self-normalised: a good habit, but here divide by the plays.",
            ),
            (
                lambda heard, shy, propensity: heard.mean(),
                "The mean of the log: what the shop earned, whatever the new policy.",
            ),
            (
                lambda heard, shy, propensity: (shy / propensity * heard).sum(),
                "The weights are right. Take the mean, not the sum.",
            ),
            (
                lambda heard, shy, propensity: (
                    heard * propensity / (shy + 1e-9)
                ).mean(),
                "The weight is upside down: new policy over the log's.",
            ),
            (
                lambda heard, shy, propensity: (
                    np.minimum(shy / propensity, 1) * heard
                ).mean(),
                "The weights are cut at 1: that is another estimator.",
            ),
            (
                lambda heard, shy, propensity: (heard / propensity).mean(),
                "The new policy has no say: its probabilities stand above the line.",
            ),
            (
                lambda heard, shy, propensity: (shy / propensity).mean(),
                "Those are the weights alone: times what was heard.",
            ),
            (
                lambda heard, shy, propensity: (shy * heard).sum() / shy.sum(),
                "Weighted by the new policy alone; a play must count pi / mu.",
            ),
        ],
        hints=[
            "What the log plays too often must count less.",
            "(shy / propensity) is the weight of each play; "
            "the mean of weight times heard is the estimate.",
        ],
    ),
    "14.2": Exercise(
        "four plays",
        expected=[4.25 / 4, 4.25 / 5.75, 5.75**2 / 17.3125],
        mistakes=[
            (
                [0.5, 0.5, 4.0],
                "The log's own. Each play counts pi / mu: .25, 4, 1, .5.",
            ),
            (
                [4.25, 4.25 / 5.75, 5.75**2 / 17.3125],
                "The first is a sum; divide by 4.",
            ),
            (
                [4.25 / 4, 4.25 / 5.75, 4.0],
                "Effective sample size: (sum of weights) squared "
                "over the sum of squared weights.",
            ),
            (
                [4.25 / 4, 4.25 / 4, 5.75**2 / 17.3125],
                "Self-normalised: divide by the sum of the weights, not by 4.",
            ),
            (
                [4.25 / 4, 4.25 / 5.75, 5.75 / 17.3125],
                "The sum of the weights has to be squared.",
            ),
            (
                [4.25 / 5.75, 4.25 / 4, 5.75**2 / 17.3125],
                "The first two are exchanged.",
            ),
            (
                [4.25 / 2, 4.25 / 5.75, 5.75**2 / 17.3125],
                "All four plays count, those that were not heard as well: divide by 4.",
            ),
            (
                [4.25 / 4, 1.0, 5.75**2 / 17.3125],
                "All four weights stand below the line, not only those heard.",
            ),
            (
                [4.25 / 4, 4.25 / 5.75, 17.3125 / 5.75**2],
                "The effective sample size is upside down.",
            ),
        ],
        hints=[
            "Weights: `.2 / .8` = 0.25, `.8 / .2` = 4, `.5 / .5` = 1, "
            "`.25 / .5` = 0.5.",
            "Their sum is `.25 + 4 + 1 + .5` = 5.75, the sum of their squares "
            "`.0625 + 16 + 1 + .25` = 17.3125.",
        ],
    ),
    "14.3": Exercise(
        "level_for",
        cases=[
            ((20, 0.05), 1 - 0.95 ** (1 / 20)),
            ((1, 0.05), 0.05),
            ((365, 0.01), 1 - 0.99 ** (1 / 365)),
            ((2, 0.75), 0.5),
        ],
        tolerance=1e-6,
        mistakes=[
            (
                lambda rounds, most: most,
                "That is the level of the whole run; each round needs a smaller one.",
            ),
            (
                lambda rounds, most: most / rounds,
                "Bonferroni's bound: safe, and nearly right. "
                "Here solve 1 - (1 - level)^rounds = most.",
            ),
            (
                lambda rounds, most: 1 - (1 - most) ** rounds,
                "That goes from the level of a round to the run's; "
                "the question goes the other way.",
            ),
            (
                lambda rounds, most: (1 - most) ** (1 / rounds),
                "That is the probability of *no* alarm in a round: 1 less it.",
            ),
            (
                lambda rounds, most: most ** (1 / rounds),
                "The probability that *all* rounds give an alarm; "
                "asked for is that of at least one.",
            ),
            (
                lambda rounds, most: 1 - most ** (1 / rounds),
                "1 - most is the probability of no alarm in the whole run; "
                "take the root of that.",
            ),
            (
                lambda rounds, most: 1 - (1 - most) ** (1 / (rounds + 1)),
                "One round too many.",
            ),
            (
                lambda rounds, most: (1 - most) / rounds,
                "Solve 1 - (1 - level)^rounds = most: a root, not a quotient.",
            ),
            (
                lambda rounds, most: -np.log(1 - most) / rounds,
                "Nearly: the formula for very many rounds. Take the root itself.",
            ),
        ],
        hints=[
            "No alarm in the whole run: (1 - level)^rounds = 1 - most.",
            "Take the root of order `rounds`.",
        ],
    ),
    "14.4": Exercise(
        "good_after",
        cases=[
            (([False] * 5, 2), 2),
            (([False] * 5 + [True], 2), 2),
            (([False, False, True, False, False], 2), -1),
            (([False] * 3 + [True] + [False] * 4, 3), 4),
            (([], 1), -1),
            (([False] * 3 + [True] + [False], 1), 1),
        ],
        mistakes=[
            (
                lambda *given: good(*given, newest=True),
                "That is the newest one; it has served no probation.",
            ),
            (
                lambda *given: good(*given, longer=-1),
                "One too new: round k itself does not count as a round after k.",
            ),
            (
                lambda *given: good(*given, longer=1),
                "One too old: `probation` rounds after round k are enough.",
            ),
            (
                lambda alarms, probation: -1,
                "A checkpoint whose rounds after it were quiet is good.",
            ),
            (
                lambda *given: good(*given, forget=False),
                "An alarm forgets all that wait; yours keeps them.",
            ),
            (
                lambda *given: good(*given, skip=False),
                "The checkpoint of a round with an alarm does not wait itself.",
            ),
            (
                falls_back,
                "An alarm forgets those that *wait*; what was found good stays good.",
            ),
            (
                lambda *given: good(*given, forget=False, skip=False),
                "Alarms have no effect.",
            ),
            (
                lambda *given: good(*given) + 1,
                "Checkpoints are counted from 0, and -1 is what there was before.",
            ),
        ],
        hints=[
            "Keep a list of waiting checkpoints, oldest first.",
            "No alarm: append k; if it is longer than probation, pop(0) is good now.",
        ],
    ),
}
