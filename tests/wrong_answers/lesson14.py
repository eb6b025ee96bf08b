"""Lesson 14."""

import numpy as np


def quiet_so_far(alarms, probation):
    if any(alarms):
        return -1
    return len(alarms) - 1 - probation


def by_ends(alarms, probation):
    for k in range(len(alarms) - 1, -1, -1):
        if not any(alarms[k:]):
            continue
        return k
    return -1


WRONG = {
    "14.1": [
        (lambda heard, shy, propensity: np.mean(heard) * np.mean(shy / propensity), ""),
        (lambda heard, shy, propensity: np.median(shy / propensity * heard), ""),
        (lambda heard, shy, propensity: np.mean(heard), "whatever the new policy"),
    ],
    "14.2": [
        ([1.0625, 0.7391], "asked for is"),
        ([1.0625, 0.74, 3.0], ""),
        ([4.25, 0.7391, 1.9098], "divide by 4"),
    ],
    "14.3": [
        (lambda rounds, most: np.sqrt(most / rounds), ""),
        (lambda rounds, most: 1 - (1 - most) / rounds, ""),
        (lambda rounds, most: most / rounds, "Bonferroni"),
    ],
    "14.4": [
        (quiet_so_far, ""),
        (by_ends, ""),
        (lambda alarms, probation: len(alarms) - 1, "newest"),
    ],
}
