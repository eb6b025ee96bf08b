"""Lesson 15: a fair report, two numbers, the verdict, something else."""

import numpy as np

from rlrec.viz.exercises import Exercise


# -- 15.1 ------------------------------------------------------------------------------
def over_both(ours, theirs, summary=np.mean):
    both = ours.keys() & theirs.keys()
    return float(summary([ours[seed] - theirs[seed] for seed in both]))


def means(ours, theirs, summary=np.mean):
    return float(summary(list(ours.values())) - summary(list(theirs.values())))


def by_place(ours, theirs):
    pairs = zip(ours.values(), theirs.values(), strict=False)
    return float(np.mean([mine - other for mine, other in pairs]))


MORE = ({0: 9.0, 1: 8.0, 2: 11.0}, {0: 8.5, 1: 8.0})
MIXED = ({4: 9.0, 3: 7.0, 5: 6.0}, {3: 8.0, 4: 9.5, 6: 1.0})
EVEN = ({0: 9.0, 1: 9.0}, {0: 9.0, 1: 9.0, 2: 5.0})
LONG = ({1: 1.0, 2: 5.0, 3: 0.0}, {3: 3.0, 2: 1.0, 1: 6.0, 7: 9.0})


# -- 15.3 ------------------------------------------------------------------------------
def verdict(intervals, lost=any, won=all):
    if lost(high < 0 for low, high in intervals):
        return "does not pay"
    return "pays" if won(low > 0 for low, high in intervals) else "undecided"


def by_middle(intervals):
    return verdict([((low + high) / 2,) * 2 for low, high in intervals])


def undecided_first(intervals):
    if any(low <= 0 <= high for low, high in intervals):
        return "undecided"
    return verdict(intervals)


def closed(intervals):
    if any(high <= 0 for low, high in intervals):
        return "does not pay"
    return "pays" if all(low >= 0 for low, high in intervals) else "undecided"


ABOVE = (0.1, 0.4)
BELOW = (-0.3, -0.1)
ACROSS = (-0.1, 0.3)


# -- 15.4 ------------------------------------------------------------------------------
def alike(directions, offered, last):
    return np.einsum("bmd,bd->bm", directions[offered], directions[last])


def taken(offered, places):
    return np.take_along_axis(offered, places[:, None], axis=1)[:, 0]


def elsewhere(directions, offered, last):
    distance = np.abs(directions[offered] - directions[last][:, None]).max(axis=2)
    return taken(offered, distance.argmax(axis=1))


CIRCLE = np.array(
    [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.6, 0.8], [-0.6, -0.8], [0.8, -0.6]]
)

EXERCISES = {
    "15.1": Exercise(
        "fair_report",
        cases=[(MORE, 0.25), (MIXED, -0.75), (EVEN, 0.0), (LONG, -4 / 3)],
        mistakes=[
            (
                lambda ours, theirs: means(ours, theirs, max),
                "That is the published report: best against best.",
            ),
            (
                means,
                "All seeds count, good. But some seeds were run on one side only: "
                "their listeners never heard the other agent.",
            ),
            (
                lambda ours, theirs: over_both(ours, theirs, sum),
                "The sum over the seeds that both have; divide by how many there are.",
            ),
            (
                lambda ours, theirs: over_both(ours, theirs, max),
                "That is the largest difference; asked for is the mean.",
            ),
            (
                lambda ours, theirs: over_both(ours, theirs, np.median),
                "The median; asked for is the mean.",
            ),
            (
                lambda ours, theirs: over_both(theirs, ours),
                "The other way round: ours less theirs.",
            ),
            (
                by_place,
                "Paired by place, not by seed: the two need not run in one order.",
            ),
            (
                lambda ours, theirs: over_both(ours, theirs, sum) / len(ours),
                "Divided by all our seeds; only those that both have count.",
            ),
            (
                lambda ours, theirs: over_both(
                    ours, theirs, lambda d: np.mean(np.abs(d))
                ),
                "The mean *size* of the differences: no abs.",
            ),
        ],
        hints=[
            "`ours.keys() & theirs.keys()` are the seeds of both.",
            "np.mean of the differences over those, and float(...) around it.",
        ],
    ),
    "15.2": Exercise(
        "two numbers",
        expected=[11, 10.5 / 16],
        mistakes=[
            (
                [12.75, 10.5 / 16],
                "12.75 is the mean of all four. Drop a quarter, one run, at each end.",
            ),
            (
                [11, 10 / 16],
                "The interquartile mean is right. "
                "10 against 10 is a tie: it counts half.",
            ),
            (
                [11, 11 / 16],
                "The interquartile mean is right. "
                "10 against 10 is a tie: it counts half, not whole.",
            ),
            ([11, 10.5], "10.5 wins, right. Of how many pairs?"),
            ([11, 10.5 / 4], "Of how many pairs? Each run against each."),
            (
                [11, 3.5 / 4],
                "Each of ours against *each* of theirs, not only against the one in "
                "its row.",
            ),
            (
                [11, 5.5 / 16],
                "That is the probability that theirs improve on ours.",
            ),
            (
                [10 / 3 + 7, 10.5 / 16],
                "Drop one run at *each* end: the best one as well.",
            ),
            (
                [14, 10.5 / 16],
                "Drop one run at each end: the worst and the best.",
            ),
            ([10.5 / 16, 11], "The order: first the interquartile mean."),
            ([10.5, 10.5 / 16], "Of ours, not of theirs."),
        ],
        hints=[
            "Sorted, the mean of the middle two.",
            "Then 4 x 4 pairs: 9 wins once, 10 wins once and ties once, "
            "12 and 20 win always.",
        ],
    ),
    "15.3": Exercise(
        "our_verdict",
        cases=[
            (([ABOVE, BELOW],), "does not pay"),
            (([ABOVE, (0.2, 0.3)],), "pays"),
            (([ABOVE, ACROSS],), "undecided"),
            (([ACROSS, BELOW],), "does not pay"),
            (([BELOW, ABOVE, ABOVE],), "does not pay"),
            (([ACROSS, ABOVE],), "undecided"),
            (([BELOW, ACROSS, ABOVE],), "does not pay"),
            (([(0.0, 0.4), ABOVE],), "undecided"),
            (([ABOVE, (-0.4, 0.0)],), "undecided"),
        ],
        mistakes=[
            (
                lambda intervals: verdict(intervals, won=any),
                "One rival beaten is not enough: RL must beat *all*.",
            ),
            (
                lambda intervals: verdict(intervals, lost=all),
                "One rival that is better is enough: as soon as *one* lies below 0.",
            ),
            (
                lambda intervals: verdict(intervals, lost=all, won=any),
                "any and all are exchanged.",
            ),
            (
                lambda intervals: verdict(intervals[-1:]),
                "Only the last interval decides in yours.",
            ),
            (
                lambda intervals: verdict(intervals[:1]),
                "Only the first interval decides in yours.",
            ),
            (
                lambda intervals: (
                    "pays" if verdict(intervals) == "pays" else "does not pay"
                ),
                "Not to beat is not to lose: there is a third answer.",
            ),
            (
                undecided_first,
                "A rival that is better decides, whatever cannot be told of others.",
            ),
            (
                by_middle,
                "The middle of an interval says nothing of how sure it is.",
            ),
            (
                closed,
                "Above 0, below 0: an interval that touches 0 leaves it undecided.",
            ),
            (
                lambda intervals: verdict([(-high, -low) for low, high in intervals]),
                "The sign: agent less rival, so above 0 is good.",
            ),
        ],
        hints=[
            "First look whether one lies below 0, then whether all lie above.",
            "any(high < 0 for low, high in intervals) first; then all(low > 0 ...).",
        ],
    ),
    "15.4": Exercise(
        "something_else",
        cases=[
            ((CIRCLE, np.array([[1, 2, 3], [0, 3, 4]]), np.array([0, 1])), [2, 4]),
            ((CIRCLE, np.array([[3, 1]]), np.array([4])), [3]),
            ((CIRCLE, np.array([[5, 1, 0], [5, 1, 0]]), np.array([3, 2])), [5, 0]),
            ((CIRCLE, np.array([[2, 5]]), np.array([1])), [5]),
        ],
        mistakes=[
            (
                lambda *given: alike(*given).argmin(axis=1),
                "Those are places on the shelf; the songs at those places are asked "
                "for.",
            ),
            (
                lambda *given: taken(given[1], alike(*given).argmax(axis=1)),
                "Those are the songs most like the last one.",
            ),
            (
                lambda *given: taken(given[1], np.abs(alike(*given)).argmin(axis=1)),
                "The opposite is less like it than what has nothing to do with it: "
                "no abs.",
            ),
            (
                lambda directions, offered, last: taken(
                    offered, alike(directions, offered, last[[0] * len(last)]).argmin(1)
                ),
                "Each listener has a last song of her own: yours reads the first one.",
            ),
            (
                lambda directions, offered, last: (
                    directions @ directions[last].T
                ).argmin(axis=0),
                "Of all songs; only those on offer may be played.",
            ),
            (
                lambda *given: alike(*given).min(axis=1),
                "Those are the likenesses; the songs are asked for.",
            ),
            (
                lambda *given: taken(given[1], alike(*given).argmin(axis=1))[0],
                "One song a listener: shape [batch].",
            ),
            (
                lambda *given: np.sort(given[1], axis=1)[
                    np.arange(len(given[1])), alike(*given).argmin(axis=1)
                ],
                "The offer was sorted after the places were found.",
            ),
            (
                lambda directions, offered, last: offered[:, 0],
                "The first on the shelf, whatever played: `directions` has no effect.",
            ),
        ],
        hints=[
            "A dot product of two directions is 1 for the same sound.",
            "np.einsum('bmd,bd->bm', directions[offered], directions[last]), "
            "argmin over the shelf, then np.take_along_axis.",
        ],
    ),
}
