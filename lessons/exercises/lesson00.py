"""Lesson 00: three best songs, one expected reward, one evening."""

from itertools import pairwise

import numpy as np

from rlrec.envs import GENRES, PROFILES
from rlrec.viz.exercises import Exercise

HEADLINER = PROFILES["headliner"].model()


def evening(table, playing, songs, best=np.argmax, moves=True):
    genres = []
    for _ in range(songs):
        chosen = int(best(table[playing]))
        genres.append(chosen)
        playing = chosen if moves else playing
    return genres


def values_of(table, playing, songs):
    genres = [playing, *evening(table, playing, songs)]
    return [table[now][then] for now, then in pairwise(genres)]


THREE = np.array([[0, 1, 2], [3, 0, 0], [0, 5, 0]])
FOUR = np.array([[-9, -3, -1, -2], [-1, -2, -5, -4], [-4, -1, -8, -3], [1, 2, 3, 9]])

EXERCISES = {
    "00.1": Exercise(
        "three best, best first",
        cases=[
            ((np.array([0.5, 3.0, -1.0, 2.0]),), [1, 3, 0]),
            ((np.array([8.9, 0.0, -1.2, -1.6, -0.5]),), [0, 1, 4]),
            ((np.array([-5.0, 1.0, 2.0, -0.5, -3.0, -0.7]),), [2, 1, 3]),
        ],
        mistakes=[
            (
                lambda values: np.argsort(values)[-3:],
                "The right three, worst first: argsort goes up, "
                "so its last entry is the best one.",
            ),
            (
                lambda values: np.argsort(values)[:3],
                "These are the three worst: argsort goes up, "
                "the best stand at its end.",
            ),
            (
                lambda values: -np.sort(-values)[:3],
                "These are the values; asked for is where they stand: "
                "argsort instead of sort.",
            ),
            (
                lambda values: np.sort(values)[-3:],
                "These are the values, and worst first; asked for is where they "
                "stand: argsort instead of sort.",
            ),
            (
                lambda values: np.argsort(-values),
                "The order is right, but only three are asked for.",
            ),
            (
                lambda values: np.argsort(values)[::-1][:4],
                "The order is right, but these are four.",
            ),
            (
                lambda values: np.argsort(-np.abs(values))[:3],
                "Largest in size: a very bad song is not a good one. Leave out abs.",
            ),
            (
                lambda values: np.argsort(-values)[1:4],
                "The best one is missing: places are counted from 0.",
            ),
            (
                lambda values: np.argsort(np.argsort(-values))[:3],
                "These are ranks, song by song; asked for are the songs, rank by rank.",
            ),
        ],
        hints=[
            "np.argsort gives the places of the values, smallest value first.",
            "Sort the values with their sign changed, or turn the sorted places "
            "round with [::-1]; then take the first three.",
        ],
    ),
    "00.2": Exercise(
        "a hip-hop song",
        expected=HEADLINER.reward[0, GENRES.index("HipHop")],
        mistakes=[
            (
                0.25 * 12,
                "The likes are right; the three songs in four that are disliked cost "
                "something, too.",
            ),
            (0.25, "That is how often it is liked; how much does it pay?"),
            (12, "That is how much a like pays; how often does it come?"),
            (
                (12 - 1) / 2,
                "The plain mean of 12 and -1: a like is rarer than a dislike here.",
            ),
            (0.8, "That is what a pop song is worth."),
            (0.25 * 12 + 0.75, "A dislike costs: its reward is -1, not 1."),
            (
                0.75 * 12 - 0.25,
                "The probabilities are exchanged: liked once in four, not three times.",
            ),
            (-0.75, "The dislikes are right; add what the likes pay."),
            (12 - 1, "That is one like and one dislike: how often does each come?"),
            (0.25 * 12 - 1, "A dislike comes three times in four, not always."),
        ],
        hints=[
            "As by hand: each reward counts as often as it comes.",
            "Probability of a like times its reward, plus probability of a dislike "
            "times its reward. The second part is `0.75 * -1` = -0.75.",
        ],
    ),
    "00.3": Exercise(
        "an evening",
        cases=[
            ((THREE, 0, 4), [2, 1, 0, 2]),
            ((THREE, 1, 2), [0, 2]),
            ((FOUR, 0, 5), [2, 1, 0, 2, 1]),
            ((FOUR, 3, 1), [3]),
        ],
        mistakes=[
            (
                lambda table, playing, songs: evening(
                    table, playing, songs, moves=False
                ),
                "The same song for ever: after each song, what plays has changed.",
            ),
            (
                lambda table, playing, songs: [
                    playing,
                    *evening(table, playing, songs),
                ][:songs],
                "The first entry is what plays already: it is no recommendation.",
            ),
            (
                lambda table, playing, songs: evening(table, playing, songs, np.argmin),
                "These are the worst choices: take the largest value of the row, "
                "not the smallest.",
            ),
            (
                lambda table, playing, songs: evening(table.T, playing, songs),
                "You look down a column. What may come next stands in the row "
                "`table[playing]`.",
            ),
            (
                lambda table, playing, songs: evening(table, playing, songs + 1),
                "One song too many: the loop runs `songs` times.",
            ),
            (
                lambda table, playing, songs: evening(table, playing, songs - 1),
                "One song is missing: the loop runs `songs` times.",
            ),
            (
                values_of,
                "These are the values of the songs; asked for are the genres: argmax.",
            ),
            (
                lambda table, playing, songs: evening(np.abs(table), playing, songs),
                "Largest in size: a very bad song is not a good one. Leave out abs.",
            ),
            (
                lambda table, playing, songs: evening(table, playing, songs)[-1],
                "Only the last song: append each to a list, and return the list.",
            ),
        ],
        hints=[
            "A loop of `songs` rounds. Each round chooses, notes, and moves on.",
            "In the loop: playing = int(np.argmax(table[playing])), then append it "
            "to the list.",
        ],
    ),
}
