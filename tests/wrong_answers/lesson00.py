"""Lesson 00."""

import numpy as np


def by_loop(values):
    """Takes the best three times, but forgets to remove it."""
    return [int(np.argmax(values)) for _ in range(3)]


def from_first_row(table, playing, songs):
    genres = []
    playing = 0
    for _ in range(songs):
        playing = int(np.argmax(table[playing]))
        genres.append(playing)
    return genres


def by_rank(table, playing, songs):
    return np.argsort(-table[playing])[:songs]


WRONG = {
    "00.1": [
        (by_loop, ""),
        (lambda values: list(np.argsort(values)[-3:]), "worst first"),
        (lambda values: sorted(values, reverse=True)[:3], "the values"),
        (lambda values: np.argsort(values)[::-1], "only three"),
        (lambda values: np.argmax(values), "asked for is shape"),
    ],
    "00.2": [(3.25, ""), (-2.25, "sign"), (0.25 * 12 - 0.25, ""), (3, "The likes")],
    "00.3": [
        (from_first_row, ""),
        (by_rank, ""),
        (
            lambda table, playing, songs: [int(np.argmax(table[playing]))] * songs,
            "The same song",
        ),
    ],
}
