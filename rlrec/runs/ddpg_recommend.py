"""Films for somebody's history from a DDPG run, and what in the history spoke for each."""

from __future__ import annotations

from rlrec.types import Floats
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rlrec.datasets import Ratings
from rlrec.datasets.titles import find_titles, labels
from rlrec.errors import ConfigError
from rlrec.evaluation.protocols import Scorer
from rlrec.runs.config import last_checkpoint, load_split, read_config

RATED = 5.0  # stars that a title of the history counts as
REASONS, LEAST = 2, 0.0005  # titles named as reasons, and the smallest fall that is one


def recommend_titles(folder: Path, history: str, k: int) -> str:
    """The ``k`` best items for ``history`` ("Title; Title", the last one liked last) as lines of text.

    Left out are the history itself and what nobody rated in training. Raises ``ConfigError`` and ``DataError``.
    """
    stored = read_config(folder)
    ratings, split = load_split(stored)
    liked = find_titles(history, ratings)
    step, checkpoint = last_checkpoint(folder)
    trained = np.unique(split.train.items)
    open_items = np.setdiff1d(trained, liked)
    if not 1 <= k <= len(open_items):
        raise ConfigError(f"-k is {k}; it must lie in 1..{len(open_items)}, the items that are left")
    from rlrec.collaborative.drr import DRR

    names = labels(ratings)
    lines = [f"after {'; '.join(names[liked])} ({step:,} steps of training):"]
    unknown = np.setdiff1d(liked, trained)
    if len(unknown):
        lines.append(f"(nobody rated {'; '.join(names[unknown])} in training: what it says of you is not known)")
    scores, falls = score_and_reasons(DRR.load(checkpoint), liked, ratings.n_items)
    best = open_items[np.argsort(-scores[open_items], kind="stable")[:k]]
    width = max(len(names[item]) for item in best)
    for place, item in enumerate(best, 1):
        reasons = _reasons(falls[:, item], liked, ratings)
        lines.append(f"{place:>2}. {names[item]:<{width}}  {scores[item]:6.3f}   {reasons}")
    if stored["protocol"] == "rerank":
        lines.append("(trained to order what people chose; to list from everything: train with --protocol session)")
    return "\n".join([*lines, "because of: how much the score falls when that title is left out of the history"])


def score_and_reasons(scorer: Scorer, liked: list[int], n_items: int) -> tuple[Floats, Floats]:
    """Scores [items] after ``liked`` [n], each rated 5, and how far they fall without each of them [n, items]."""
    histories = [liked, *([item for item in liked if item != left_out] for left_out in liked)]
    items = np.concatenate([np.asarray(history, np.int64) for history in histories])
    begin = np.append(0, np.cumsum([len(history) for history in histories]))
    known = sp.csr_matrix((np.full(len(items), RATED), items, begin), shape=(len(histories), n_items))
    scores = np.asarray(scorer(np.full(len(histories), -1), known), np.float64)
    return scores[0], scores[0] - scores[1:]


def _reasons(falls: Floats, liked: list[int], ratings: Ratings) -> str:
    """The titles without which the score falls most, with the fall; only where it shows."""
    order = [place for place in np.argsort(-falls, kind="stable")[:REASONS] if falls[place] >= LEAST]
    names = labels(ratings)
    told = ", ".join(f"{names[liked[place]]} ({falls[place]:+.3f})" for place in order)
    return f"because of {told}" if told else "whatever the history: no title of it speaks for this one"
