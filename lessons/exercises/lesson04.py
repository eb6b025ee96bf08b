"""Lesson 04: one scale, a jackpot, the price of a listener, a reward of your own."""

import numpy as np

from rlrec.viz.exercises import Exercise


def bonus(reward, goes_on, pushed_reward, pushed_goes_on, discount):
    for_ever = reward / (1 - discount * goes_on)
    return for_ever * (1 - discount * pushed_goes_on) - pushed_reward


def scaled(rating, in_slate, *, alone=2.0, slate=2.0, silence=-1.0, middle=3.0):
    if rating is None:
        return silence
    return (rating - middle) / (slate if in_slate else alone)


def silent_as_middle(rating, in_slate):
    return scaled(rating, in_slate, silence=-1.0 if in_slate else 0.0)


def heard_and(fraction, liked, skipped, *, early=None, like=2.0, skip=1.0):
    soon = (fraction < 0.1) & skipped if early is None else early
    return fraction + like * liked - skip * soon


HEARD = np.array([0.05, 0.3, 1.0, 0.08, 0.1, 0.02])
LIKED = np.array([0, 0, 1, 0, 0, 1], bool)
SKIPPED = np.array([1, 1, 0, 0, 1, 1], bool)
EARLY_AND_LATE = np.array([[0.5], [0.02]])

EXERCISES = {
    "04.1": Exercise(
        "one scale",
        cases=[
            ((5, False), 1.0),
            ((5, True), 1.0),
            ((2, False), -0.5),
            ((1, True), -1.0),
            ((None, False), -1.0),
            ((None, True), -1.0),
            ((3, True), 0.0),
            ((4, True), 0.5),
        ],
        mistakes=[
            (
                lambda rating, in_slate: scaled(rating, in_slate, alone=1.0),
                "Songs shown alone are still on a scale of their own, rating - 3.",
            ),
            (
                lambda rating, in_slate: scaled(rating, in_slate, alone=1.0, slate=1.0),
                "One scale, but twice too wide: the best rating pays 1.",
            ),
            (
                lambda rating, in_slate: scaled(rating, in_slate, silence=0.0),
                "Silence pays 0, as much as a rating of 3. It must not beat an answer.",
            ),
            (
                silent_as_middle,
                "Silence still pays 0 for a song shown alone.",
            ),
            (
                lambda rating, in_slate: scaled(rating, in_slate, silence=-1.5),
                "Silence pays as much as the worst rating, no less.",
            ),
            (
                lambda rating, in_slate: scaled(rating, in_slate, alone=5, middle=0),
                "The middle of the ratings is 3; a 1 has to pay -1.",
            ),
            (
                lambda rating, in_slate: (
                    -1.0 if rating is None else max(0.0, (rating - 3) / 2)
                ),
                "A bad rating pays less than nothing: -1 at the worst.",
            ),
            (
                lambda rating, in_slate: -scaled(rating, in_slate, silence=1.0),
                "The sign: a good rating pays more.",
            ),
            (
                lambda rating, in_slate: (rating - 3) / 2,
                "A song without a rating has None: treat it first.",
            ),
        ],
        hints=[
            "Treat None first.",
            "After that `in_slate` must not matter any more.",
        ],
    ),
    "04.2": Exercise(
        "the jackpot",
        expected=(0.8 + 1) / (12 + 1),
        mistakes=[
            (
                0.8 / 12,
                "You left out the dislikes: "
                "in the other 1 - p of the songs the reward is -1.",
            ),
            (
                0.25,
                "That is the headliner's own probability, where HipHop is worth 2.25.",
            ),
            (0.8 / 13, "Pop's .8 has to make up for the -1 as well: bring it across."),
            (1.8 / 12, "A like gains 13, not 12: it also spares the -1."),
            (1 / 13, "There HipHop is worth 0; Pop is worth .8."),
            (1.8 / 11, "The step from a dislike to a like is 12 + 1, not 12 - 1."),
            (-0.2 / 13, "The -1 changes its sign when it goes to the other side."),
            (
                1 - 1.8 / 13,
                "That is the probability of a dislike.",
            ),
            (1.8, "That is 13 times the probability."),
            (0.138, "Right, but rounded: give the fraction, or four digits."),
        ],
        tolerance=1e-4,
        hints=[
            "What is a HipHop song worth, at probability p of a like?",
            "Solve 12 p - (1 - p) = .8 for p.",
        ],
    ),
    "04.3": Exercise(
        "break_even_bonus",
        cases=[
            ((0.4, 0.994, 0.0, 0.65, 0.9), 0.4 * (1 - 0.9 * 0.65) / (1 - 0.9 * 0.994)),
            ((0.4, 0.994, 0.0, 0.65, 0.0), 0.4),
            (
                (0.4, 0.994, 0.0, 0.65, 0.99),
                0.4 * (1 - 0.99 * 0.65) / (1 - 0.99 * 0.994),
            ),
            ((0.4, 1.0, -0.2, 1.0, 0.9), 0.6),
        ],
        mistakes=[
            (
                lambda reward, goes, pushed, pushed_goes, discount: reward - pushed,
                "That is the price of one song. It forgets that Ines leaves, "
                "and takes the later songs along.",
            ),
            (
                lambda reward, goes, pushed, pushed_goes, discount: (
                    reward / (1 - discount * goes)
                ),
                "That is the value of rock for ever: "
                "the bonus is paid a song, until Ines leaves.",
            ),
            (
                lambda reward, goes, pushed, pushed_goes, discount: bonus(
                    reward, goes, 0.0, pushed_goes, discount
                ),
                "What the pushed genre pays by itself is no part of the bonus.",
            ),
            (
                lambda reward, goes, pushed, pushed_goes, discount: bonus(
                    reward, goes, -pushed, pushed_goes, discount
                ),
                "The pushed genre's own reward has the wrong sign.",
            ),
            (
                lambda reward, goes, pushed, pushed_goes, discount: bonus(
                    reward, pushed_goes, pushed, goes, discount
                ),
                "The two probabilities of going on are exchanged.",
            ),
            (
                lambda reward, goes, pushed, pushed_goes, discount: bonus(
                    reward, goes, pushed, pushed_goes, 1.0
                ),
                "The discount is missing.",
            ),
            (
                lambda reward, goes, pushed, pushed_goes, discount: (
                    reward / (1 - discount * goes)
                    - pushed / (1 - discount * pushed_goes)
                ),
                "That is the difference of the values; turn it into a payment a song: "
                "times 1 - discount c of the pushed genre.",
            ),
        ],
        hints=[
            "R / (1 - discount c) is the value of one genre for ever.",
            "Set (pushed_reward + bonus) / (1 - ...) equal to it.",
        ],
    ),
    "04.4": Exercise(
        "my_reward",
        cases=[
            ((HEARD, LIKED, SKIPPED), [-0.95, 0.3, 3.0, 0.08, 0.1, 1.02]),
            (
                (EARLY_AND_LATE, EARLY_AND_LATE > 0.1, EARLY_AND_LATE < 0.1),
                [[2.5], [-0.98]],
            ),
            ((HEARD[:2] + 0.049, LIKED[:2], SKIPPED[:2]), [-0.901, 0.349]),
            (
                (np.array([0.12, 0.2, 0.09]), np.zeros(3, bool), np.ones(3, bool)),
                [0.12, 0.2, -0.91],
            ),
        ],
        mistakes=[
            (
                lambda part, liked, skipped: heard_and(
                    part, liked, skipped, early=part < 0.1
                ),
                "A song that was not skipped costs nothing, however short it was.",
            ),
            (
                lambda part, liked, skipped: heard_and(
                    part, liked, skipped, early=skipped
                ),
                "A late skip costs nothing: only those before a tenth was heard.",
            ),
            (
                lambda part, liked, skipped: heard_and(
                    part, liked, skipped, early=(part <= 0.1) & skipped
                ),
                "A skip at exactly .1 costs nothing: only those before it.",
            ),
            (
                lambda part, liked, skipped: heard_and(part, liked, skipped, like=1.0),
                "A like pays 2, not 1.",
            ),
            (
                lambda part, liked, skipped: heard_and(part, liked, skipped, skip=0.0),
                "The early skips cost nothing in yours.",
            ),
            (
                lambda part, liked, skipped: heard_and(part, liked, skipped, skip=-1.0),
                "An early skip is paid for in yours: take 1 off.",
            ),
            (
                lambda part, liked, skipped: heard_and(part, liked, skipped) - part,
                "The fraction heard belongs into the reward.",
            ),
            (
                lambda part, liked, skipped: np.where(
                    (part < 0.1) & skipped, -1.0, part + 2.0 * liked
                ),
                "An early skip takes 1 *off*; it does not replace the rest.",
            ),
            (
                lambda part, liked, skipped: heard_and(part, liked, skipped).sum(),
                "One number: return an array, a reward a song.",
            ),
        ],
        hints=[
            "Three parts, added up: array operations, no loop.",
            "(fraction < .1) & skipped marks the early skips; times 1 it is a number.",
        ],
    ),
}
