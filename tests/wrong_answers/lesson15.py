"""Lesson 15."""

import numpy as np


def last_only(intervals):
    for low, high in intervals:
        said = "pays" if low > 0 else "does not pay" if high < 0 else "undecided"
    return said


def counts(intervals):
    above = sum(low > 0 for low, _ in intervals)
    below = sum(high < 0 for _, high in intervals)
    if above == below:
        return "undecided"
    return "pays" if above > below else "does not pay"


def all_seeds(ours, theirs):
    seeds = ours.keys() | theirs.keys()
    return np.mean([ours.get(seed, 0.0) - theirs.get(seed, 0.0) for seed in seeds])


def fixed_offer(directions, offered, last):
    likeness = directions[offered[0]] @ directions[last].T
    return offered[0][likeness.argmin(axis=0)]


def cheapest(directions, offered, last):
    return offered[:, 0]


WRONG = {
    "15.1": [
        (all_seeds, ""),
        (lambda ours, theirs: 0.25, ""),
        (lambda a, b: max(a.values()) - max(b.values()), "best against best"),
    ],
    "15.2": [([11.0], "asked for is"), ([11.0, 0.6], ""), ([12.75, 0.625], "")],
    "15.3": [
        (last_only, "last interval"),
        (counts, ""),
        (lambda intervals: "pays", ""),
    ],
    "15.4": [
        (fixed_offer, ""),
        (cheapest, "no effect"),
        (lambda d, offered, last: last, ""),
    ],
}
