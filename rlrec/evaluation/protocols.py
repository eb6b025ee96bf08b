"""Protocols that evaluate recommendations on logged ratings, and the splits they need.

    split = split_rerank(ratings, by="time")
    models = {"EASE": EASE(), "popularity": PopularityByCount()}
    results = compare(rerank, split, models)
    results["EASE"].means((5, 10))                 # {"P@5": .668, ...}

A `Split` keeps three things apart: what a model may learn from (``train``), what is
known of a user when the recommendation is made (``known``), and the answers
(``held_out``). A scorer is anything that turns known ratings into scores,
``scorer(users [n], known [n, items] sparse) -> scores [n, items]``: a fitted baseline,
or an agent.

Ties are broken at random, anew for each user and from the same seed in every call:
low item numbers are popular items in many files (MovieLens), and a scorer that says the
same of all items must not gain from them.

The three protocols, `rerank`, `session` and `next_item`, have one limit in common: only
what people chose to rate can be a hit. No protocol on logged ratings shows how a list
changes the people who get it; `rlrec.evaluation.simulate` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rlrec.datasets import Ratings
from rlrec.datasets.matrices import (
    Matrix,
    interaction_keys,
    places,
    rating_matrix,
    subset,
)
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation import metrics
from rlrec.types import Bools, Floats, Ids

Scorer = Callable[[Ids, Matrix], NDArray[Any]]

POSITIVE = 4.0  # stars: a hit is a rating of this and above
KNOWN = 10  # ratings of each evaluated user that `session` makes known
BATCH = 512  # users scored at a time: bounds memory at BATCH x items
TIES_SEED = 0  # the same for every scorer


class Model(Protocol):
    """A scorer that learns from ratings."""

    def fit(self, ratings: Ratings) -> Any:
        """Learn from training interactions and return the scorer."""


@dataclass(frozen=True, eq=False)
class Split:
    """Ratings in three parts; users and items keep their numbers.

    train: all that a model may learn from. known: what is known of ``users`` when the
    recommendation is made. held_out: the answers, of ``users`` only. users [n]: who is
    evaluated, ascending.
    """

    name: str
    train: Ratings
    known: Ratings
    held_out: Ratings
    users: Ids


@dataclass(frozen=True, eq=False)
class Result:
    """Lists and hits of one scorer, from which all figures are computed.

    users [n]. recommended [n, k]: item ids, best first, -1 for an empty place. hits
    [n, k]. n_relevant [n]: positives that could have been listed. leak_checked: the
    scorer reported what it was fitted on, and that was training data.
    """

    protocol: str
    users: Ids
    recommended: Ids
    hits: Bools
    n_relevant: Ids
    n_items: int
    leak_checked: bool

    def figures(self, k: int) -> dict[str, Floats]:
        """Figures of each user [n]: P@k, R@k, NDCG@k, hit@k, MRR@k, list-NDCG@k.

        The ideal of NDCG@k is made of all relevant items. list-NDCG@k, whose ideal is
        the list itself, is nan without a hit; it is for comparison with papers. An item
        that stands twice in a list is one hit.
        """
        hits = (self.hits & metrics.first_places(self.recommended))[:, :k]
        relevant = self.n_relevant
        return {
            f"P@{k}": metrics.precision_at_k(hits, k),
            f"R@{k}": metrics.recall_at_k(hits, relevant, k),
            f"NDCG@{k}": metrics.ndcg_at_k(hits, relevant, k),
            f"hit@{k}": metrics.hit_rate(hits, k),
            f"MRR@{k}": metrics.reciprocal_rank(hits, k),
            f"list-NDCG@{k}": metrics.ndcg_of_the_list(hits, k),
        }

    def means(self, ks: Sequence[int] = (5, 10)) -> dict[str, float]:
        """Means of all figures over users, catalogue coverage and between-user overlap.

        They are computed for each k of ``ks``; nan is left out of a mean.
        """
        found: dict[str, float] = {}
        for k in ks:
            for name, values in self.figures(k).items():
                defined = values[~np.isnan(values)]
                found[name] = float(defined.mean()) if len(defined) else float("nan")
            lists = self.recommended[:, :k]
            found[f"coverage@{k}"] = metrics.catalogue_coverage(lists, self.n_items)
            found[f"overlap@{k}"] = metrics.between_user_overlap(lists)
        return found


# -- splits ----------------------------------------------------------------------------
def split_rerank(
    ratings: Ratings,
    by: Literal["time", "random"] = "time",
    rng: np.random.Generator | None = None,
    share: float = 0.2,
) -> Split:
    """Hold out a ``share`` (0..1) of each user's ratings, rounded up.

    "time" holds out the last ratings of each user; other users' ratings from after that
    moment stay in training. "random" holds out a random part, drawn from ``rng``, so a
    model also learns from what the user did afterwards. Its figures are higher by .04
    to .06 of P@5 on MovieLens. Of this .03 to .04 is no merit: people rate lower later
    on, and a random order gains that much too. Raises ``ConfigError`` for another
    ``by``, a share out of range, or "random" without ``rng``.
    """
    _check_split(by, ("time", "random"), share)
    order = None
    if by == "random":
        if rng is None:
            raise ConfigError("a random split needs rng=numpy.random.default_rng(seed)")
        order = rng.random(len(ratings))
    place, count = _places(ratings, order)
    held_out = place >= count - np.ceil(share * count - 1e-9)
    return _split(f"rerank, {by}", ratings, ~held_out, ~held_out, held_out)


def split_session(
    ratings: Ratings,
    rng: np.random.Generator | None = None,
    share: float = 0.2,
    known: int = KNOWN,
) -> Split:
    """Hold out whole users, whose first ``known`` ratings in time are known later.

    Training has none of their ratings. ``share`` (0..1) of all users, rounded down
    (1,208 of the 6,040 of MovieLens 1M); those with ``known`` ratings or fewer are left
    out. Without ``rng`` they are the last users in the order of their ids, as in the
    public TensorFlow code for DRR. Raises ``ConfigError`` if nobody is left.
    """
    n = int(share * ratings.n_users + 1e-9)
    if not (0.0 < share < 1.0 and n and known >= 1):
        raise ConfigError(
            f"share is {share}, known {known}: that leaves nobody to evaluate, "
            "or nothing known of them"
        )
    order = np.arange(ratings.n_users)[::-1]
    if rng is not None:
        order = rng.permutation(ratings.n_users)
    chosen = np.isin(ratings.users, order[:n])
    place, count = _places(ratings)
    evaluated = chosen & (count > known)
    early = place < known
    return _split("session", ratings, ~chosen, evaluated & early, evaluated & ~early)


def split_next_item(
    ratings: Ratings,
    by: Literal["point", "user"] = "point",
    share: float = 0.1,
) -> Split:
    """Hold out one liked item a user: the first after a point in time, or the last.

    "point": ``share`` (0..1) of all ratings come after one moment, the same for all.
    Training is everything up to it, so nothing is learnt from anybody's future. Users
    with ratings before it and a positive after it are evaluated, on the first positive.
    "user": each user's last positive is held out, and what the user rated before it is
    known. Training is what all users rated before their own, which for some is later
    than another user's answer. ``share`` is not used. Raises ``ConfigError`` for
    another ``by`` or share, ``DataError`` if the ratings' times are all the same.
    """
    _check_split(by, ("point", "user"), share)
    positive = ratings.ratings >= POSITIVE
    times = ratings.timestamps
    if by == "point":
        if times.min() == times.max():
            raise DataError(
                "all ratings have the same time: by='point' needs times; give them, "
                "or take by='user' or another protocol"
            )
        before = times <= np.quantile(times, 1.0 - share, method="lower")
        held_out = _first_of_user(ratings, positive & ~before)
    else:
        held_out = _first_of_user(ratings, positive, last=True)
        place, _ = _places(ratings)
        limit = np.full(ratings.n_users, np.iinfo(np.int64).max)
        limit[ratings.users[held_out]] = place[held_out]
        before = place < limit[ratings.users]
    held_out &= np.isin(ratings.users, ratings.users[before])
    return _split(f"next_item, {by}", ratings, before, before, held_out)


# -- protocols -------------------------------------------------------------------------
def rerank(
    split: Split,
    scorer: Scorer,
    k: int = 10,
    *,
    feedback: bool = False,
) -> Result:
    """Re-rank each user's held-out items; a hit is one rated 4 or 5.

    This is Algorithm 2 of the DRR paper (arXiv:1810.12027). A user with fewer than
    ``k`` held-out items gets a shorter list, whose empty places are misses: P@k is hits
    over k for everybody, so even the oracle does not reach 1 (ML-1M, by time: P@5 .914,
    P@10 .775). With ``feedback`` the user's rating of each listed item joins ``known``,
    and the scorer is called again for the next place, as for an agent that observes its
    user (k times the work); without it the list is made at once.

    Shows: who can tell what a user will like from what the user will dislike, *among
    things the user chose*. Cannot show: whether the items would be found in a
    catalogue. A random order scores .53 to .62, the average rating is hard to beat, and
    a recommender that lists unwanted items everywhere else is not punished.
    """
    return _run("rerank", split, scorer, k, whole_catalogue=False, feedback=feedback)


def session(
    split: Split,
    scorer: Scorer,
    k: int = 10,
) -> Result:
    """Recommend from the whole catalogue to users who were never trained on.

    10 ratings of each are known, and a hit is an item later rated 4 or 5. The
    candidates are all items but the known ones. This is the setting of the public
    TensorFlow figures for DRR (P@5 .479, P@10 .444), which rest on embeddings trained
    on the evaluated users' own ratings.

    Shows: how well a new user is served after a few ratings, from a whole catalogue.
    Cannot show: quality of what nobody rated. An unrated item is a miss though the user
    might love it, which favours the popular; the figures are lower bounds that depend
    on how much a user rated.
    """
    return _run("session", split, scorer, k)


def next_item(
    split: Split,
    scorer: Scorer,
    k: int = 10,
) -> Result:
    """Rank the whole catalogue for the one held-out item, without sampled negatives.

    The candidates are all items but the known ones. With one relevant item R@k equals
    hit@k, P@k is at most 1 / k, and NDCG@k is 1 / log2(place + 1).

    Shows: who predicts the next choice; split by "point", from the past alone, as at a
    launch. Cannot show: whether another choice had been better. An item that the user
    liked a little later is a miss, and what was popular then is favoured. Lists as a
    whole and effects beyond the next step are not rewarded.
    """
    return _run("next_item", split, scorer, k)


def compare(
    protocol: Callable[[Split, Scorer, int], Result],
    split: Split,
    models: Mapping[str, Model],
    k: int = 10,
) -> dict[str, Result]:
    """Evaluate models by ``protocol``, each fitted on ``split.train`` alone."""
    results = {}
    for name, model in models.items():
        results[name] = protocol(split, model.fit(split.train), k)
    return results


def oracle(split: Split) -> Scorer:
    """The upper bound: scores are the held-out ratings themselves.

    It works for the users of ``split`` only.
    """
    answers = rating_matrix(split.held_out)
    return lambda users, known: np.asarray(answers[users].toarray())


def check_no_leak(scorer: Any, split: Split) -> bool:
    """Whether ``scorer`` reports what it was fitted on, and that was training data.

    Reads ``scorer.fitted_on``: `interaction_keys` of the ratings it was fitted on. All
    models of `rlrec.collaborative.recommenders` keep it, and so does an agent, with
    embeddings, popularity and state modules included. Without it nothing is known, and
    the result is False. Every protocol calls this first. Raises ``ConfigError`` if any
    of the ratings is outside ``split.train``.
    """
    seen = getattr(scorer, "fitted_on", None)
    if seen is None:
        return False
    foreign = ~np.isin(seen, interaction_keys(split.train))
    if foreign.any():
        answers = np.isin(seen, interaction_keys(split.held_out)).sum()
        raise ConfigError(
            f"leak: fitted on {foreign.sum():,} interactions outside of training, "
            f"{answers:,} of them held out ({split.name}); fit on split.train"
        )
    return len(seen) > 0


# -- inside ----------------------------------------------------------------------------
def _run(
    name: str,
    split: Split,
    scorer: Scorer,
    k: int,
    *,
    whole_catalogue: bool = True,
    feedback: bool = False,
) -> Result:
    """List ``k`` candidates for each user, and find the hits among them.

    The candidates are a user's unknown items, or the held-out ones.
    """
    n_items = split.train.n_items
    if not 1 <= k <= n_items:
        raise ConfigError(f"k is {k}; it must lie in 1..{n_items}, the number of items")
    checked = check_no_leak(scorer, split)
    known = rating_matrix(split.known)[split.users]
    held_out = rating_matrix(split.held_out)[split.users]
    lists = np.full((len(split.users), k), -1)
    n_relevant = np.zeros(len(lists), np.int64)
    hits = np.zeros(lists.shape, np.bool_)
    ties = np.random.default_rng(TIES_SEED)
    for start in range(0, len(lists), BATCH):
        rows = slice(start, start + BATCH)
        answers = held_out[rows]
        rated = _stored(answers)
        candidates = ~_stored(known[rows]) if whole_catalogue else rated.copy()
        revealed = answers if feedback else None
        listed = _pick(
            scorer, split.users[rows], known[rows], candidates, k, revealed, ties
        )
        liked = rated & (answers.toarray() >= POSITIVE)  # [batch, items]
        found = np.take_along_axis(liked, np.maximum(listed, 0), axis=1)
        lists[rows] = listed
        hits[rows] = found & (listed >= 0)
        n_relevant[rows] = liked.sum(axis=1)
    return Result(name, split.users, lists, hits, n_relevant, n_items, checked)


def _pick(
    scorer: Scorer,
    users: Ids,
    known: Matrix,
    candidates: Bools,
    k: int,
    revealed: Matrix | None,
    ties: np.random.Generator,
) -> Ids:
    """Lists [users, k] of the candidates with the highest scores, best first.

    -1 where none is left; ``ties`` are broken at random. ``candidates`` is changed.
    """
    lists = np.full((len(users), k), -1)
    rows = np.arange(len(users))
    lots = ties.random(candidates.shape, np.float32)
    scores = _scores_of(scorer, users, known)
    for place in range(k):
        open_scores = np.where(candidates, scores, -np.inf)
        equals = open_scores == open_scores.max(axis=1, keepdims=True)
        best = np.where(equals, lots, -1.0).argmax(axis=1)
        is_open = candidates[rows, best]
        lists[is_open, place] = best[is_open]
        candidates[rows, best] = False
        if revealed is not None and place < k - 1:
            known = _reveal(known, revealed, best, is_open)
            scores = _scores_of(scorer, users, known)
    return lists


def _scores_of(scorer: Scorer, users: Ids, known: Matrix) -> Floats:
    """The scores [users, items], finite; ``ConfigError`` for another shape or nan."""
    scores = np.asarray(scorer(users, known), np.float64)
    if scores.shape != known.shape or np.isnan(scores).any():
        raise ConfigError(
            f"scores have shape {scores.shape}; they must be {known.shape} numbers "
            "without nan"
        )
    largest = np.finfo(np.float64).max
    return np.clip(scores, -largest, largest)


def _reveal(
    known: Matrix,
    revealed: Matrix,
    items: Ids,
    is_open: Bools,
) -> Matrix:
    """``known`` with one more revealed rating at the end of each open row."""
    rows = np.flatnonzero(is_open)
    values = np.asarray(revealed[rows, items[rows]]).ravel()
    ends = known.indptr[1:][rows]
    starts = known.indptr + np.append(0, is_open.cumsum())
    data = np.insert(known.data, ends, values)
    indices = np.insert(known.indices, ends, items[rows])
    return sp.csr_matrix((data, indices, starts), shape=known.shape)


def _stored(matrix: Matrix) -> Bools:
    """Where a rating is stored, even a rating of 0: dense [users, items]."""
    ones = np.ones(matrix.nnz, np.bool_)
    entries = (ones, matrix.indices, matrix.indptr)
    stored = sp.csr_matrix(entries, shape=matrix.shape)
    return np.asarray(stored.toarray())


def _places(
    ratings: Ratings,
    order: Floats | None = None,
) -> tuple[Ids, Ids]:
    """`rlrec.datasets.matrices.places`, by time or by ``order`` [n]."""
    place, count = places(ratings)
    if order is not None:
        shuffled = np.lexsort((order, ratings.users))
        place[shuffled] = place.copy()  # row after row, both count 0, 1, 2, ...
    return place, count


def _first_of_user(
    ratings: Ratings,
    mask: Bools,
    last: bool = False,
) -> Bools:
    """Of the ratings in ``mask`` the first (or last) in time of each user: [n]."""
    rows = np.flatnonzero(mask)[:: -1 if last else 1]
    _, first = np.unique(ratings.users[rows], return_index=True)
    chosen = np.zeros(len(ratings), np.bool_)
    chosen[rows[first]] = True
    return chosen


def _check_split(
    by: str,
    choices: tuple[str, str],
    share: float,
) -> None:
    if by not in choices or not 0.0 < share < 1.0:
        raise ConfigError(
            f"by is {by!r}, share {share}; "
            f"by must be one of {choices}, share between 0 and 1"
        )


def _split(
    name: str,
    ratings: Ratings,
    train: Bools,
    known: Bools,
    held_out: Bools,
) -> Split:
    """The split of three masks [n]; ``DataError`` if nothing is left to use."""
    users = np.unique(ratings.users[held_out]).astype(np.int64)
    if not len(users) or not train.any():
        raise DataError(
            f"{name}: {train.sum():,} ratings to train on, {len(users)} users to "
            "evaluate; give more ratings, or take another protocol"
        )
    keep = known & np.isin(ratings.users, users)
    return Split(
        name,
        subset(ratings, train),
        subset(ratings, keep),
        subset(ratings, held_out),
        users,
    )


PROTOCOLS: dict[str, Callable[[Split, Scorer, int], Result]] = {
    "rerank": rerank,
    "session": session,
    "next_item": next_item,
}
