"""Lesson 13: a test of advantages, one scale, one clipped decision, endings."""

import numpy as np

from rlrec.viz.exercises import Exercise, NotRightError, call


# -- 13.1 ------------------------------------------------------------------------------
def advantages_of(lam=None, carry=None, step=None):
    """An advantage function [songs, evenings], with one part of it replaced."""

    def found(rewards, values, discount, gae_lambda):
        used = gae_lambda if lam is None else lam
        kept = discount * used if carry is None else carry(discount, used)
        advantages = np.zeros(rewards.shape)
        later = 0.0
        for t in reversed(range(len(rewards))):
            following = (discount if step is None else step) * values[t + 1]
            later = rewards[t] + following - values[t] + kept * later
            advantages[t] = later
        return advantages

    return found


HEALTHY = advantages_of()
SICK = {
    "published: lambda has no effect, one step": advantages_of(lam=0.0),
    "lambda has no effect, to the end": advantages_of(lam=1.0),
    "lambda fixed at .8": advantages_of(lam=0.8),
    "carried without the discount": advantages_of(carry=lambda g, lam: lam),
    "carried without lambda": advantages_of(carry=lambda g, lam: g),
    "the next value is not discounted": advantages_of(step=1.0),
}


def judge(healthy):
    """ "tells them apart", or in words which one it takes for what it is not."""
    said = call(healthy, HEALTHY)
    if said is None:
        return None
    if np.shape(said) != () or said not in (True, False):
        raise NotRightError("True or False is asked for: bool(...) around it.")
    if not said:
        raise NotRightError(
            "It turns away the healthy one. Numbers by hand of shape [songs, "
            "evenings]? Are they exact enough, or atol wide enough?"
        )
    for name, sick in SICK.items():
        if call(healthy, sick):
            raise NotRightError(f"It lets a sick one through ({name}).")
    return "tells them apart"


# -- 13.2 ------------------------------------------------------------------------------
def scaled(rewards, axis=None, shift=False, power=1):
    spread = rewards.std(axis=axis) ** power
    middle = rewards.mean(axis=axis) if shift else 0.0
    return (rewards - middle) / (spread + 1e-8)


EVENINGS = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
WIDE = np.array([[3.0, 0.0, 0.0], [0.0, 0.0, 3.0]])


# -- 13.4 ------------------------------------------------------------------------------
def gae(
    rewards,
    values,
    next_values,
    terminated,
    ended,
    discount,
    gae_lambda,
    stop_value="terminated",
    stop_carry="ended",
    lam=None,
):
    flags = {"terminated": terminated, "ended": ended, "never": np.zeros(len(rewards))}
    advantages = np.zeros(len(rewards))
    later = 0.0
    for t in reversed(range(len(rewards))):
        following = discount * (1 - flags[stop_value][t]) * next_values[t]
        kept = discount * (gae_lambda if lam is None else lam)
        later = (
            rewards[t]
            + following
            - values[t]
            + kept * (1 - flags[stop_carry][t]) * later
        )
        advantages[t] = later
    return advantages


def undiscounted(rewards, values, next_values, terminated, ended, discount, lam):
    return gae(rewards, values, next_values, terminated, ended, 1.0, lam)


def one_row(terminated, ended):
    return (
        np.array([1.0, 0.0, 2.0]),
        np.array([0.5, 1.0, 1.5]),
        np.array([1.0, 1.5, 2.0]),
        np.array(terminated, int),
        np.array(ended, int),
        0.9,
        0.8,
    )


EXERCISES = {
    "13.1": Exercise(
        "healthy",
        expected="tells them apart",
        run=judge,
        hints=[
            "Rewards [[1], [0], [2]], values [[.5], [1], [1.5], [0]], discount .9. "
            "By hand, from the end: `2 - 1.5` = 0.5, `0 + .9 * 1.5 - 1 + .72 * .5` "
            "= 0.71, `1 + .9 * 1 - .5 + .72 * .71` = 1.9112 at lambda .8.",
            "One lambda is not enough: at lambda 0 they are 1.4, .35, .5; "
            "at lambda 1 other ones again.",
            "np.allclose with atol=1e-3, and bool(...) around it.",
        ],
    ),
    "13.2": Exercise(
        "one_scale",
        cases=[
            (
                (EVENINGS,),
                [[2.066, 0.0], [2.066, 0.0], [0.0, 2.066], [0.0, 0.0]],
            ),
            ((WIDE,), [[2.121, 0.0, 0.0], [0.0, 0.0, 2.121]]),
            ((np.zeros((3, 2)),), np.zeros((3, 2))),
        ],
        mistakes=[
            (
                lambda rewards: scaled(rewards, axis=0, shift=True),
                "That is the published mistake: mean and scale of each evening for "
                "itself.",
            ),
            (
                lambda rewards: scaled(rewards, axis=0),
                "No shift, good. But each evening still has its own scale: "
                "axis=0 runs over the songs of one evening.",
            ),
            (
                lambda rewards: scaled(rewards, shift=True),
                "One scale, good. But a shift pays, or charges, for the mere length "
                "of an evening: none.",
            ),
            (
                lambda rewards: scaled(rewards.T, axis=0).T,
                "Each place of the evening has its own scale: leave axis out.",
            ),
            (
                lambda rewards: scaled(rewards.T, axis=0, shift=True).T,
                "Each place of the evening has its own mean and scale: leave axis "
                "out, and shift nothing.",
            ),
            (
                lambda rewards: scaled(rewards, power=2),
                "That divides by the variance: take its root.",
            ),
            (
                lambda rewards: rewards - rewards.mean(),
                "That is a shift, no scale: divide by the standard deviation.",
            ),
            (
                lambda rewards: rewards / (rewards.std(ddof=1) + 1e-8),
                "That is the spread of a sample, ddof=1; np.std by itself is meant.",
            ),
        ],
        hints=[
            "np.std without an axis is over everything.",
            "If it is 0 (all rewards equal), don't divide by it.",
        ],
    ),
    "13.3": Exercise(
        "one decision",
        expected=[1.5, -1.5, -1.0],
        mistakes=[
            (
                [1.5, -1.2, 0.0],
                "The smaller of -1.5 and -1.2 is -1.5: "
                "a bad song that got likelier is pushed back in full.",
            ),
            (
                [2 / 3, -0.8, 0.0],
                "The ratio is probability now over probability then: .3 / .2.",
            ),
            (
                [1.5, -1.5, 0.0],
                "The objective is right. There it is ratio times A, so its slope is A.",
            ),
            (
                [1.5, -1.5, 1.0],
                "The objective is ratio times A: "
                "its slope over the ratio is A, with its sign.",
            ),
            (
                [1.5, 1.5, 1.0],
                "The advantage was -1: the song was worse than expected.",
            ),
            (
                [1.5, 1.2, 0.0],
                "The advantage was -1; and the smaller of the two counts.",
            ),
            ([1.2, -1.2, -1.0], "The ratio itself is not clipped: .3 / .2."),
            ([1.2, -1.2, 0.0], "The ratio itself is not clipped: .3 / .2."),
            (
                [1.5, -1.5, -1.5],
                "The slope over the *ratio*: of ratio times A it is A.",
            ),
            ([0.1, -0.1, -1.0], "The ratio is a quotient, not a difference."),
        ],
        hints=[
            "Row three of the table. Which of the two in the minimum is the smaller?",
            "How does that one change with the ratio?",
        ],
    ),
    "13.4": Exercise(
        "gae_with_endings",
        cases=[
            # An evening ends after the second song.
            (one_row([0, 1, 0], [0, 1, 0]), [0.68, -1.0, 2.3]),
            # The clock cuts it off there.
            (one_row([0, 0, 0], [0, 1, 0]), [1.652, 0.35, 2.3]),
            # Nothing ends; the row stops, and V stands for the rest.
            (one_row([0, 0, 0], [0, 0, 0]), [2.84432, 2.006, 2.3]),
            # It ends at the row's end.
            (one_row([0, 0, 1], [0, 0, 1]), [1.91120, 0.71, 0.5]),
        ],
        mistakes=[
            (
                lambda *given: gae(*given, stop_value="never", stop_carry="never"),
                "Nothing ends in yours: `terminated` and `ended` have no effect.",
            ),
            (
                lambda *given: gae(*given, stop_carry="never"),
                "The next value is stopped. But the next evening's advantage leaks "
                "back: see `ended`.",
            ),
            (
                lambda *given: gae(*given, stop_value="never"),
                "The advantage is stopped. But the next value still counts, and she "
                "has left: see `terminated`.",
            ),
            (
                lambda *given: gae(*given, stop_value="ended"),
                "Cut off by the clock, she would have gone on: the next value counts. "
                "`terminated`, not `ended`.",
            ),
            (
                lambda *given: gae(*given, stop_carry="terminated"),
                "At a time limit the advantage leaks back, too: `ended`, not "
                "`terminated`.",
            ),
            (
                lambda *given: gae(*given, stop_value="ended", stop_carry="terminated"),
                "`terminated` and `ended` are exchanged.",
            ),
            (
                lambda *given: gae(*given, lam=0.0),
                "`gae_lambda` has no effect: nothing is carried back.",
            ),
            (
                lambda *given: gae(*given, lam=1.0),
                "`gae_lambda` is missing in what is carried back.",
            ),
            (undiscounted, "The discount is missing."),
            (
                lambda *given: gae(*given) + given[1],
                "Those are returns: advantage plus value.",
            ),
        ],
        hints=[
            "Two stops: one for the next value, one for what is carried.",
            "delta uses (1 - terminated[t]) before next_values[t]; "
            "what is carried from t + 1 is multiplied by (1 - ended[t]).",
        ],
    ),
}
