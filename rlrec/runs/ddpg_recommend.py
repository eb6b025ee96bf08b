"""Films for a user's history from a DDPG run, and which titles are the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp

from rlrec.datasets import Ratings
from rlrec.datasets.titles import find_titles, labels
from rlrec.errors import ConfigError
from rlrec.evaluation.protocols import Scorer
from rlrec.runs.ddpg import DDPGRun
from rlrec.types import Floats

RATED = 5.0  # stars that a title of the history counts as
REASONS = 2  # titles named as reasons, at most
LEAST = 0.0005  # the smallest fall of the score that is a reason


def recommend_titles(folder: Path, history: str, k: int) -> str:
    """The ``k`` best items for ``history``, as lines of text.

    history: "Title; Title", the one liked last comes last. Items of the history, and
    those without a rating in training, are left out. Raises ``ConfigError`` and
    ``DataError``.
    """
    run = DDPGRun.read(folder)
    ratings, split = run.load()
    liked = find_titles(history, ratings)
    step, checkpoint = run.last_checkpoint()
    trained = np.unique(split.train.items)
    open_items = np.setdiff1d(trained, liked)
    if not 1 <= k <= len(open_items):
        raise ConfigError(
            f"-k is {k}; it must lie in 1..{len(open_items)}, the items that are left"
        )
    from rlrec.collaborative.drr import DRR

    names = labels(ratings)
    lines = [f"after {'; '.join(names[liked])} ({step:,} steps of training):"]
    unknown = np.setdiff1d(liked, trained)
    if len(unknown):
        lines.append(
            f"(nobody rated {'; '.join(names[unknown])} in training: "
            f"what it says of you is not known)"
        )
    scores, falls = score_and_reasons(DRR.load(checkpoint), liked, ratings.n_items)
    best = open_items[np.argsort(-scores[open_items], kind="stable")[:k]]
    width = max(map(len, names[best]))
    for place, item in enumerate(best, 1):
        reasons = _reasons(falls[:, item], liked, ratings)
        lines.append(
            f"{place:>2}. {names[item]:<{width}}  {scores[item]:6.3f}   {reasons}"
        )
    if run.protocol == "rerank":
        lines.append(
            "(trained to order what people chose; to list from everything: "
            "train with --protocol session)"
        )
    lines.append(
        "because of: how much the score falls when that title is left out of the "
        "history"
    )
    return "\n".join(lines)


def score_and_reasons(
    scorer: Scorer, liked: list[int], n_items: int
) -> tuple[Floats, Floats]:
    """Scores [items] after ``liked`` [n], and how far they fall without each of them.

    Each item of the history counts as rated 5. The falls are [n, items].
    """
    histories = [liked]
    for left_out in liked:
        histories.append([item for item in liked if item != left_out])
    items = np.concatenate(histories).astype(np.int64)
    begin = np.append(0, np.cumsum(list(map(len, histories))))
    stars = np.full(len(items), RATED)
    known = sp.csr_matrix((stars, items, begin), shape=(len(histories), n_items))
    nobody = np.full(len(histories), -1)
    scores = np.asarray(scorer(nobody, known), np.float64)
    return scores[0], scores[0] - scores[1:]


def _reasons(falls: Floats, liked: list[int], ratings: Ratings) -> str:
    """The titles without which the score falls most, with the fall."""
    names = labels(ratings)
    reasons = []
    for place in np.argsort(-falls, kind="stable")[:REASONS]:
        if falls[place] >= LEAST:
            reasons.append(f"{names[liked[place]]} ({falls[place]:+.3f})")
    if not reasons:
        return "whatever the history: no title of it speaks for this one"
    return f"because of {', '.join(reasons)}"
