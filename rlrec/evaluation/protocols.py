"""Three ways to ask "how good are its recommendations" of logged ratings, and what each can and cannot show.

    split = split_rerank(ratings, by="time")
    results = compare(rerank, split, {"EASE": EASE(), "popularity": PopularityByCount()})
    results["EASE"].means((5, 10))                 # {"P@5": .668, ...}

A `Split` keeps apart what a model may learn from (``train``), what is known of a user when the question is put
(``known``) and the answer (``held_out``). A scorer is anything that turns known ratings into scores,
``scorer(users [n], known [n, items] sparse) -> scores [n, items]``: a fitted baseline, or an agent.

All three have one limit in common: only what people chose to rate can be a hit, so no protocol on logged ratings
shows what a list changes in the people who get it. `rlrec.evaluation.simulate` is for that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rlrec.datasets import Ratings
from rlrec.datasets.matrices import interaction_keys, places, rating_matrix, subset
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation import metrics
from rlrec.types import Bools, Floats, Ids

Matrix = Any  # scipy.sparse.csr_matrix; SciPy has no type stubs here
Scorer = Callable[[Ids, Matrix], NDArray[Any]]

POSITIVE = 4.0  # stars: a hit is a rating of this and above
KNOWN = 10  # ratings of each evaluated user that `session` makes known
BATCH = 512  # users scored at a time: bounds memory at BATCH x items


class Model(Protocol):
    """A scorer that learns from ratings."""

    def fit(self, ratings: Ratings) -> Any:
        """Learn from training interactions; what it returns is the scorer."""
        ...


@dataclass(frozen=True, eq=False)
class Split:
    """Ratings in three parts; users and items keep the numbers they have in the whole.

    train: all that a model may learn from. known: what is known of ``users`` when they are asked for. held_out: the
    ratings that decide; of ``users`` only. users [n]: who is evaluated, ascending.
    """

    name: str
    train: Ratings
    known: Ratings
    held_out: Ratings
    users: Ids


@dataclass(frozen=True, eq=False)
class Result:
    """Lists and hits of one scorer, from which every figure follows.

    users [n]. recommended [n, k]: item ids, best first, -1 for an empty place. hits [n, k]. n_relevant [n]: positives
    that could have been listed. leak_checked: the scorer said what it was fitted on, and that was training data.
    """

    protocol: str
    users: Ids
    recommended: Ids
    hits: Bools
    n_relevant: Ids
    n_items: int
    leak_checked: bool

    def figures(self, k: int) -> dict[str, Floats]:
        """Figures of each user [n] by name: P@k, R@k, NDCG@k (ideal over all relevant), hit@k, MRR@k, list-NDCG@k.

        list-NDCG@k is the variant whose ideal is the list itself, nan without a hit: for comparison with papers.
        """
        hits, relevant = self.hits[:, :k], self.n_relevant
        return {
            f"P@{k}": metrics.precision_at_k(hits, k),
            f"R@{k}": metrics.recall_at_k(hits, relevant, k),
            f"NDCG@{k}": metrics.ndcg_at_k(hits, relevant, k),
            f"hit@{k}": metrics.hit_rate(hits, k),
            f"MRR@{k}": metrics.reciprocal_rank(hits, k),
            f"list-NDCG@{k}": metrics.ndcg_of_the_list(hits, k),
        }

    def means(self, ks: Sequence[int] = (5, 10)) -> dict[str, float]:
        """Means over users of all figures, and for each k the catalogue coverage and the between-user overlap."""
        found: dict[str, float] = {}
        for k in ks:
            for name, values in self.figures(k).items():
                defined = values[~np.isnan(values)]
                found[name] = float(defined.mean()) if len(defined) else float("nan")
            found[f"coverage@{k}"] = metrics.catalogue_coverage(
                self.recommended[:, :k], self.n_items
            )
            found[f"overlap@{k}"] = metrics.between_user_overlap(
                self.recommended[:, :k]
            )
        return found


# -- splits ----------------------------------------------------------------------------------------------
def split_rerank(
    ratings: Ratings,
    by: Literal["time", "random"] = "time",
    rng: np.random.Generator | None = None,
    share: float = 0.2,
) -> Split:
    """Hold out a ``share`` (0..1) of each user's ratings, rounded up: the last in time, or a random part from ``rng``.

    "time" splits each user's own time line: other users' ratings from after that moment stay in training. "random"
    lets a model learn from what the user did afterwards as well. Its figures are higher by .04 to .06 of P@5 on
    MovieLens, of which .03 to .04 is no merit: people rate lower later on, and a random order gains that much too.
    Raises ``ConfigError`` for another ``by``, a share out of range, or "random" without ``rng``.
    """
    if by not in ("time", "random") or not 0.0 < share < 1.0:
        raise ConfigError(
            f"by is {by!r}, share {share}; by must be 'time' or 'random', share between 0 and 1"
        )
    if by == "random" and rng is None:
        raise ConfigError("a random split needs rng=numpy.random.default_rng(seed)")
    place, count = _places(
        ratings, None if by == "time" or rng is None else rng.random(len(ratings))
    )
    held_out = place >= count - np.ceil(share * count - 1e-9)
    return _split(f"rerank, {by}", ratings, ~held_out, ~held_out, held_out)


def split_session(
    ratings: Ratings,
    rng: np.random.Generator | None = None,
    share: float = 0.2,
    known: int = KNOWN,
) -> Split:
    """Hold out whole users: training sees nothing of them, their first ``known`` ratings in time are known later.

    ``share`` (0..1) of all users, rounded down (1,208 of the 6,040 of MovieLens 1M), those with ``known`` ratings or
    fewer left out; without ``rng`` the last users in the order of their ids, as in the public TensorFlow code for DRR.
    """
    n = int(share * ratings.n_users + 1e-9)
    if not (0.0 < share < 1.0 and n and known >= 1):
        raise ConfigError(
            f"share is {share}, known {known}: that leaves nobody to evaluate, or nothing known of them"
        )
    order = (
        np.arange(ratings.n_users)[::-1]
        if rng is None
        else rng.permutation(ratings.n_users)
    )
    chosen = np.isin(ratings.users, order[:n])
    place, count = _places(ratings)
    asked = chosen & (count > known)
    return _split(
        "session", ratings, ~chosen, asked & (place < known), asked & (place >= known)
    )


def split_next_item(
    ratings: Ratings, by: Literal["point", "user"] = "point", share: float = 0.1
) -> Split:
    """Hold out one liked item a user: the first positive after a point in time, or the user's last positive.

    "point": one global moment, so that ``share`` (0..1) of all ratings come after it; training is everything up to it,
    and nothing is learnt from anybody's future. Evaluated are users with ratings before and a positive after it.
    "user": each user's last positive is held out, and what the user rated before it is known; training is what all
    users rated before their own, which for some is later than another user's question. ``share`` is not used.
    Raises ``ConfigError`` for another ``by`` or share, ``DataError`` if the ratings' times are all the same.
    """
    if by not in ("point", "user") or not 0.0 < share < 1.0:
        raise ConfigError(
            f"by is {by!r}, share {share}; by must be 'point' or 'user', share between 0 and 1"
        )
    if by == "point":
        if ratings.timestamps.min() == ratings.timestamps.max():
            raise DataError(
                "all ratings have the same time: by='point' needs times; by='user' needs only their order"
            )
        before = ratings.timestamps <= np.quantile(
            ratings.timestamps, 1.0 - share, method="lower"
        )
        held_out = _first_of_user(ratings, (ratings.ratings >= POSITIVE) & ~before)
    else:
        held_out = _first_of_user(ratings, ratings.ratings >= POSITIVE, last=True)
        place, _ = _places(ratings)
        bar = np.full(ratings.n_users, np.iinfo(np.int64).max)
        bar[ratings.users[held_out]] = place[held_out]
        before = place < bar[ratings.users]
    has_past = np.bincount(ratings.users[before], minlength=ratings.n_users) > 0
    return _split(
        f"next_item, {by}", ratings, before, before, held_out & has_past[ratings.users]
    )


# -- protocols -------------------------------------------------------------------------------------------
def rerank(
    split: Split, scorer: Scorer, k: int = 10, *, feedback: bool = False
) -> Result:
    """Re-rank each user's held-out items; a hit is one rated 4 or 5: Algorithm 2 of the DRR paper (arXiv:1810.12027).

    A user with fewer than ``k`` held-out items gets a shorter list, whose empty places are misses: P@k is hits over k
    for everybody, which is why even the oracle does not reach 1 (ML-1M, by time: P@5 .914, P@10 .775). Equal scores
    are ranked by item number. ``feedback``: after each place the user's rating of it joins ``known`` and the scorer is
    asked again, as an agent that observes its user would be (k times the work); without it the list is made at once.

    Shows: who can tell what a user will like from what the user will dislike, *among things the user chose*.
    Cannot show: whether the items would be found in a catalogue. A random order scores .53 to .62, the average rating
    is hard to beat, and a recommender that lists unwanted items everywhere else is not punished.
    """
    listed = rating_matrix(split.held_out)[split.users]
    return _run(
        "rerank",
        split,
        scorer,
        k,
        lambda rows, known: _stored(listed[rows]),
        feedback=feedback,
    )


def session(split: Split, scorer: Scorer, k: int = 10) -> Result:
    """One list from the whole rated catalogue for users never trained on, 10 ratings known; hit = later rated 4 or 5.

    The candidates are all items but the known ones. This is the setting of the public TensorFlow figures for DRR
    (P@5 .479, P@10 .444), which rest on embeddings trained on the evaluated users' own ratings.

    Shows: how well a stranger is served after a few ratings, at catalogue scale, with no way to have met them.
    Cannot show: quality of what nobody rated. An unrated item is counted as a miss though the user might love it, which
    favours the popular; the figures are lower bounds that depend on how much a user rated.
    """
    return _run("session", split, scorer, k, lambda rows, known: ~_stored(known))


def next_item(split: Split, scorer: Scorer, k: int = 10) -> Result:
    """Rank the whole catalogue (no sampled negatives) for the one held-out item; candidates are all but the known ones.

    With one relevant item R@k equals hit@k, P@k is at most 1 / k, and NDCG@k is 1 / log2(place + 1).

    Shows: who predicts the next choice; split by "point", from the past alone, as at a launch.
    Cannot show: whether another choice had been better. An item that the user liked a little later is a miss, and what
    was popular then is favoured; no credit for lists as a whole, nor for effects beyond the next step.
    """
    return _run("next_item", split, scorer, k, lambda rows, known: ~_stored(known))


def compare(
    protocol: Callable[[Split, Scorer, int], Result],
    split: Split,
    models: Mapping[str, Model],
    k: int = 10,
) -> dict[str, Result]:
    """Fit each model on ``split.train``, and nothing else, then put it through ``protocol``: results by name."""
    return {
        name: protocol(split, model.fit(split.train), k)
        for name, model in models.items()
    }


def oracle(split: Split) -> Scorer:
    """Scores from the held-out ratings themselves: the mark that nobody can pass. Works for ``split``'s users only."""
    answers = rating_matrix(split.held_out)
    return lambda users, known: np.asarray(answers[users].toarray())


def check_no_leak(scorer: Any, split: Split) -> bool:
    """Whether ``scorer`` says what it was fitted on; raises ``ConfigError`` if any of that is outside ``split.train``.

    Reads ``scorer.fitted_on``: `interaction_keys` of the ratings it was fitted on, kept by every model of
    `rlrec.collaborative.recommenders`; an agent keeps them likewise (embeddings, popularity and state modules included).
    False for a scorer without one: then nothing is known, and nothing is promised. Every protocol calls this first.
    """
    seen = getattr(scorer, "fitted_on", None)
    if seen is None:
        return False
    foreign = ~np.isin(seen, interaction_keys(split.train))
    if foreign.any():
        answers = int(np.isin(seen, interaction_keys(split.held_out)).sum())
        raise ConfigError(
            f"leak: fitted on {foreign.sum():,} interactions outside of training, {answers:,} of them held out "
            f"({split.name}); fit on split.train"
        )
    return len(seen) > 0


# -- inside ----------------------------------------------------------------------------------------------
def _run(
    name: str,
    split: Split,
    scorer: Scorer,
    k: int,
    candidates: Callable[[slice, Matrix], Bools],
    *,
    feedback: bool = False,
) -> Result:
    if not 1 <= k <= split.train.n_items:
        raise ConfigError(
            f"k is {k}; it must lie in 1..{split.train.n_items}, the number of items"
        )
    checked = check_no_leak(scorer, split)
    known, held_out = (
        rating_matrix(part)[split.users] for part in (split.known, split.held_out)
    )
    lists, n_relevant = (
        np.full((len(split.users), k), -1),
        np.zeros(len(split.users), np.int64),
    )
    hits = np.zeros(lists.shape, np.bool_)
    for start in range(0, len(lists), BATCH):
        rows = slice(start, start + BATCH)
        revealed = held_out[rows] if feedback else None
        lists[rows] = _pick(
            scorer,
            split.users[rows],
            known[rows],
            candidates(rows, known[rows]),
            k,
            revealed,
        )
        liked = _stored(held_out[rows]) & (
            held_out[rows].toarray() >= POSITIVE
        )  # [batch, items]
        hits[rows] = np.take_along_axis(liked, np.maximum(lists[rows], 0), axis=1) & (
            lists[rows] >= 0
        )
        n_relevant[rows] = liked.sum(axis=1)
    return Result(
        name, split.users, lists, hits, n_relevant, split.train.n_items, checked
    )


def _pick(
    scorer: Scorer,
    users: Ids,
    known: Matrix,
    candidates: Bools,
    k: int,
    revealed: Matrix | None,
) -> Ids:
    """Lists [users, k] of the candidates with the highest scores, -1 where none is left; ties by item number."""
    lists, rows = np.full((len(users), k), -1), np.arange(len(users))
    scores = _ask(scorer, users, known)
    for place in range(k):
        best = np.where(candidates, scores, -np.inf).argmax(axis=1)
        is_open = candidates[rows, best]
        lists[is_open, place] = best[is_open]
        candidates[rows, best] = False
        if revealed is not None and place < k - 1:
            known = _reveal(known, revealed, best, is_open)
            scores = _ask(scorer, users, known)
    return lists


def _ask(scorer: Scorer, users: Ids, known: Matrix) -> Floats:
    """The scorer's answer [users, items], finite; refused if it has another shape or holds nan."""
    scores = np.asarray(scorer(users, known), np.float64)
    if scores.shape != known.shape or np.isnan(scores).any():
        raise ConfigError(
            f"scores of shape {scores.shape}, nan or not: they must be {known.shape} numbers without nan"
        )
    largest = np.finfo(np.float64).max
    return np.clip(scores, -largest, largest)


def _reveal(known: Matrix, revealed: Matrix, items: Ids, is_open: Bools) -> Matrix:
    """``known`` with the revealed rating of one more item at the end of each open row."""
    rows = np.flatnonzero(is_open)
    values = np.asarray(revealed[rows, items[rows]]).ravel()
    ends = known.indptr[1:][rows]
    starts = known.indptr + np.append(0, is_open.cumsum())
    entries = (
        np.insert(known.data, ends, values),
        np.insert(known.indices, ends, items[rows]),
        starts,
    )
    return sp.csr_matrix(entries, shape=known.shape)


def _stored(matrix: Matrix) -> Bools:
    """Where a rating is stored, be it 0: dense [users, items]."""
    found = np.zeros(matrix.shape, np.bool_)
    found[
        np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices
    ] = True
    return found


def _places(ratings: Ratings, order: Floats | None = None) -> tuple[Ids, Ids]:
    """`interactions.places`, by time or by ``order`` [n]."""
    place, count = places(ratings)
    if order is not None:
        shuffled = np.lexsort((order, ratings.users))
        place[shuffled] = place.copy()  # row after row, both count 0, 1, 2, ...
    return place, count


def _first_of_user(ratings: Ratings, mask: Bools, last: bool = False) -> Bools:
    """Of the ratings in ``mask`` the first (or last) in time of each user: [n]."""
    rows = np.flatnonzero(mask)[:: -1 if last else 1]
    chosen = np.zeros(len(ratings), np.bool_)
    chosen[rows[np.unique(ratings.users[rows], return_index=True)[1]]] = True
    return chosen


def _split(
    name: str, ratings: Ratings, train: Bools, known: Bools, held_out: Bools
) -> Split:
    users = np.unique(ratings.users[held_out]).astype(np.int64)
    if not len(users) or not train.any():
        raise DataError(
            f"{name}: {train.sum():,} ratings to train on, {len(users)} users to evaluate; too few ratings"
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
