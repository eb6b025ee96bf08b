"""Lesson 09: honest figures of a list, by hand, a verdict, what spoke for a film."""

import numpy as np

from rlrec.viz.exercises import Exercise


# -- 09.1 ------------------------------------------------------------------------------
def figures(scores, liked, k, *, sign=-1, ideal="cut", over=len, precision=None):
    """P@k and NDCG@k, with one part of them replaced."""
    top = np.argsort(sign * scores, axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(liked, top, axis=1)
    gains = 1 / np.log2(np.arange(2, max(k, liked.shape[1]) + 2))
    count = {
        "cut": np.minimum(liked.sum(axis=1), k),
        "list": hits.sum(axis=1),
        "all": liked.sum(axis=1),
        "full": np.full(len(liked), k),
    }[ideal]
    best = np.append(0, gains.cumsum())[count]
    dcg = hits @ gains[:k]
    ndcg = np.divide(dcg, best, out=np.zeros(len(hits)), where=best > 0)
    share = hits.sum(axis=1) / (k if precision is None else precision(liked))
    return share.sum() / over(liked), ndcg.sum() / over(liked)


def with_hits_only(scores, liked, k):
    some = liked.sum(axis=1) > 0
    return figures(scores[some], liked[some], k)


TWO_USERS = (
    np.array([[0.9, 0.1, 0.5, 0.3], [0.2, 0.8, 0.4, 0.6]]),
    np.array([[1, 0, 0, 1], [0, 1, 0, 0]]),
)
CUT = (np.array([[4.0, 3.0, 2.0, 1.0, 0.0]]), np.array([[1, 0, 1, 1, 1]]))
EMPTY = (
    np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]),
    np.array([[0, 0, 0], [1, 0, 0]]),
)
SECOND = 1 / np.log2(3)

# -- 09.2 ------------------------------------------------------------------------------
DCG = SECOND + 0.5
RIGHT = DCG / (1 + SECOND + 0.5)
OWN_HITS = DCG / (1 + SECOND)


# -- 09.3 ------------------------------------------------------------------------------
def says(agent, other, *, times=2.776, root=True, ddof=1, paired=True):
    gain = agent - other
    spread = gain.std(ddof=ddof)
    if not paired:
        spread = np.sqrt(agent.var(ddof=1) + other.var(ddof=1))
    half = times * spread / (np.sqrt(len(gain)) if root else 1)
    if gain.mean() - half > 0:
        return "beats"
    return "loses to" if gain.mean() + half < 0 else "is not told from"


def by_mean(agent, other):
    return says(agent, other, times=0.0)


def all_five(agent, other):
    gain = agent - other
    if (gain > 0).all():
        return "beats"
    return "loses to" if (gain < 0).all() else "is not told from"


LEVEL = np.array([0.50, 0.60, 0.70, 0.55, 0.65])
WOBBLE = np.array([-1, 1, -1, 1, 0]) / 1000  # its standard deviation is .001


def gain_of(mean, others=WOBBLE):
    return (LEVEL + mean + others, LEVEL)


# -- 09.4 ------------------------------------------------------------------------------
def falls(score, history, *, sign=1, drop=None):
    drop = drop or (lambda n: history[:n] + history[n + 1 :])
    return [sign * (score(history) - score(drop(n))) for n in range(len(history))]


def toy(history):
    """Rain counts 1, snow .5; both together .25 more; sun counts against it."""
    worth = {"rain": 1.0, "snow": 0.5, "sun": -0.5}
    together = "rain" in history and "snow" in history
    return sum(worth[title] for title in history) + 0.25 * together


EXERCISES = {
    "09.1": Exercise(
        "mended",
        cases=[
            ((*TWO_USERS, 2), [0.5, 0.80657]),
            ((*CUT, 2), [0.5, 1 / (1 + SECOND)]),
            (
                (np.array([[1.0, 2, 3, 4]]), np.array([[1, 1, 0, 1]]), 3),
                [2 / 3, 0.70392],
            ),
            ((*EMPTY, 1), [0.5, 0.5]),
        ],
        mistakes=[
            (
                lambda *given: figures(*given, sign=1),
                "The list is still worst first: the hits stand at its end.",
            ),
            (
                lambda *given: figures(*given, ideal="list"),
                "The ideal runs over the hits of the list. It should run over all "
                "that is relevant, at most k.",
            ),
            (
                lambda *given: figures(*given, ideal="all"),
                "The ideal is not cut at k: a list of k can't hold more.",
            ),
            (
                lambda *given: figures(*given, ideal="full"),
                "The ideal has k hits always: a user with fewer relevant films can't "
                "reach that.",
            ),
            (
                lambda *given: figures(*given, over=lambda liked: 1),
                "That is the sum over the users; divide by how many there are.",
            ),
            (
                lambda *given: figures(
                    *given, precision=lambda liked: np.maximum(liked.sum(axis=1), 1)
                ),
                "That is recall: hits over relevant. Precision divides by k.",
            ),
            (
                with_hits_only,
                "A user without a relevant film counts as 0; yours leaves her out.",
            ),
            (
                lambda *given: figures(*given, over=lambda liked: 1208),
                "Still divided by all 1,208 users of the file.",
            ),
            (
                lambda *given: figures(*given)[::-1],
                "The order: P@k first, then NDCG@k.",
            ),
            (
                lambda *given: figures(*given, sign=1, ideal="list"),
                "Two bugs left: the order, and what the ideal is made of.",
            ),
        ],
        hints=[
            "np.argsort(-scores, axis=1)[:, :k] is best first.",
            "The ideal has min(k, liked.sum(axis=1)) hits. Then .mean() twice: "
            "nobody else's number is needed.",
        ],
    ),
    "09.2": Exercise(
        "by hand",
        expected=[2 / 3, RIGHT, OWN_HITS],
        mistakes=[
            (
                [2 / 3, DCG / (1 + SECOND + 0.5 + 1 / np.log2(5)), OWN_HITS],
                "Only three places exist: the ideal list has three hits, not four.",
            ),
            (
                [2 / 3, OWN_HITS, RIGHT],
                "Right numbers, but the last two are exchanged: "
                "the wrong ideal is the kinder one.",
            ),
            (
                [0.5, RIGHT, OWN_HITS],
                "That is recall: hits over relevant. Precision divides by the places, "
                "3.",
            ),
            (
                [2 / 3, RIGHT, RIGHT],
                "The wrong ideal runs over the two hits of the list.",
            ),
            (
                [2 / 3, OWN_HITS, OWN_HITS],
                "NDCG's ideal runs over all that is relevant, at most 3.",
            ),
            (
                [2 / 3, DCG, DCG],
                "Those are DCG: divide by that of the ideal list.",
            ),
            (
                [2 / 3, (1 + SECOND) / (1 + SECOND + 0.5), 1.0],
                "The hits stand at places 2 and 3, not at 1 and 2.",
            ),
            (
                [2, RIGHT, OWN_HITS],
                "P@3 is a share: two hits of three places.",
            ),
        ],
        hints=[
            "Places 2 and 3 count 1 / log2(3) and 1 / log2(4): DCG is "
            "`1 / np.log2(3) + 1 / np.log2(4)` = 1.130930.",
            "The ideal has min(3, 4) hits, the wrong one two: "
            "`1 + 1 / np.log2(3)` = 1.630930.",
        ],
    ),
    "09.3": Exercise(
        "says",
        cases=[
            (
                (LEVEL + 0.01, LEVEL + np.array([0.001, -0.001, 0.002, 0.0, -0.002])),
                "beats",
            ),
            ((LEVEL, LEVEL + 0.02), "loses to"),
            (gain_of(0.00115), "is not told from"),  # 1.96 would say: beats
            (gain_of(-0.00115), "is not told from"),
            (gain_of(0.001), "is not told from"),  # with ddof=0 half is .00111
            (gain_of(0.0014), "beats"),  # half is .00124; without the root .00278
            (gain_of(-0.0014), "loses to"),
            (gain_of(0.0, np.array([1, 1, 1, 1, 20]) / 1000), "is not told from"),
            ((LEVEL + 0.5, LEVEL), "beats"),
            ((LEVEL, LEVEL), "is not told from"),
        ],
        mistakes=[
            (
                lambda *given: says(*given, paired=False),
                "Two intervals side by side overlap, for seeds differ. "
                "Subtract seed by seed first.",
            ),
            (
                lambda agent, other: says(other, agent),
                "The other way round: agent less other.",
            ),
            (
                lambda *given: says(*given, times=1.96),
                "1.96 is for many seeds; five need Student's t, 2.776.",
            ),
            (
                lambda *given: says(*given, root=False),
                "The square root of the number of seeds is missing below the line.",
            ),
            (
                lambda *given: says(*given, ddof=0),
                "The spread of a sample: ddof=1.",
            ),
            (
                all_five,
                "All five of five is another test; here the interval decides.",
            ),
            (by_mean, "The mean alone says who is ahead, not whether that is luck."),
            (
                lambda agent, other: "is not told from",
                "Yours never decides.",
            ),
            (
                lambda agent, other: (
                    "beats" if agent.mean() > other.mean() else "is not told from"
                ),
                "The mean alone; and an agent can lose, too.",
            ),
        ],
        hints=[
            "gain = agent - other, seed by seed.",
            "half = 2.776 * gain.std(ddof=1) / np.sqrt(5). Then look at "
            "gain.mean() - half and + half.",
        ],
    ),
    "09.4": Exercise(
        "falls",
        cases=[
            ((toy, ["rain", "snow", "sun"]), [1.25, 0.75, -0.5]),
            ((toy, ["rain"]), [1.0]),
            ((len, ["a", "b", "a"]), [1, 1, 1]),
        ],
        mistakes=[
            (
                lambda *given: falls(*given, sign=-1),
                "That is how much it rises. A title that spoke for the film makes the "
                "score fall.",
            ),
            (
                lambda score, history: [score([title]) for title in history],
                "That is each title alone; left out of the rest, rain takes its bond "
                "with snow along.",
            ),
            (
                lambda score, history: [
                    score(history[:n] + history[n + 1 :]) for n in range(len(history))
                ],
                "Those are the scores without each title; "
                "subtract them from the score with all.",
            ),
            (
                lambda score, history: falls(
                    score,
                    history,
                    drop=lambda n: [t for t in history if t != history[n]],
                ),
                "A title may come twice: leave out one place, not every one of its "
                "name.",
            ),
            (
                lambda score, history: falls(
                    score, history, drop=lambda n: history[:n]
                ),
                "You leave out all that follows as well: that title alone.",
            ),
            (
                lambda score, history: falls(
                    score, history, drop=lambda n: history[n + 1 :]
                ),
                "You leave out all that came before as well: that title alone.",
            ),
            (
                lambda score, history: [abs(fall) for fall in falls(score, history)],
                "A title may speak *against* the film: no abs.",
            ),
            (
                lambda score, history: sum(falls(score, history)),
                "One number a title: no sum.",
            ),
        ],
        hints=[
            "Score with all, less score without the one, for each place.",
            "score(history) - score(history[:n] + history[n + 1:]) for each place n: "
            "a title may come twice.",
        ],
    ),
}
