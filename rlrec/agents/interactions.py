"""Interactions: what a candidate and a session have to do with each other.

A state and an item apart leave it to a network to find their products. Here the
products are features themselves, the "explicit user-item interactions" in the title of
DRR (arXiv:1810.12027). Nothing hidden is used: songs, reactions and position alone.

In ``Listening-v0`` (``listening_interactions``) song a has five numbers in a session:

    appeal_a                   popularity
    direction_a . memory       likeness to the songs just played (the fading memory)
    max(0, the same)           listeners tire of what is alike, not of what differs
    sound_a . heard            ``belief`` about the taste, from songs heard and skipped
    sound_a . liked            the same, and a like counts as one more song heard

Each comes also times ``left`` (the share of the longest session that is left) and times
``mood`` - 1/2 (the share skipped lately). Five signals of the session and a constant
are the same for every song. The 21 numbers are called ``LISTENING_FEATURES``. With a
fitted filter (`rlrec.agents.listener_filter`) one number, P(heard), takes the place of
the last two, and P(mood = 1) that of the share skipped: ``FILTERED_FEATURES``.

With ratings (``rating_interactions``) an item is compared with what its user liked and
disliked, and with the user.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec.agents.listener_filter import ListenerFilter
from rlrec.envs.catalogue import Catalogue
from rlrec.envs.listeners import LONGEST, MEMORY
from rlrec.errors import require_ids
from rlrec.types import Floats, Ids, Observations

_SIGNALS = ("left", "mood", "last skipped", "memory length", "left x mood")


def _names(*beliefs: str) -> tuple[str, ...]:
    parts = ("appeal", "likeness", "likeness above 0", *beliefs)
    with_left = [f"{name} x left" for name in parts]
    with_mood = [f"{name} x mood" for name in parts]
    return ("constant", *parts, *_SIGNALS, *with_left, *with_mood)


LISTENING_FEATURES = _names("heard", "liked")
FILTERED_FEATURES = _names("P(heard)")
RATING_FEATURES = ("constant", "liked", "disliked", "user", "bias", "popularity")


# -- Listening-v0 ----------------------------------------------------------------------
class ListeningSession(NamedTuple):
    """What the session shows of each listener, and the vectors of songs beside it."""

    memory: Floats  # [batch, 5]: fading mean of the directions played
    # song vectors [songs, d] and beliefs [batch, d]; their products are features
    beliefs: list[tuple[NDArray[Any], Floats]]
    signals: Floats  # [batch, 5]: left, mood, last skipped, memory length, left x mood


def listening_session(
    catalogue: Catalogue,
    observations: Observations,
    known_by: ListenerFilter | None = None,
) -> ListeningSession:
    """What ``observations`` of ``Listening-v0`` (``observe="ids"``) show.

    ``known_by``: a filter, whose belief takes the place of both regressions and of the
    share skipped. Raises ``ConfigError`` for an id that is no song's.
    """
    history = require_ids("history", observations["history"], len(catalogue))
    memory = fading_memory(catalogue, history)
    skipped = observations["feedback"][:, :, 2] * (history >= 0)
    if known_by is None:
        fading = _fading(history)
        mood = (skipped * fading).sum(axis=1) / np.maximum(fading.sum(axis=1), 1e-6)
        heard = belief(catalogue, observations)
        liked = belief(catalogue, observations, like_weight=1.0)
        beliefs = [(catalogue.sound, heard), (catalogue.sound, liked)]
    else:
        states = known_by.belief(observations)  # [batch, 2, K]
        mood = states[:, 1].sum(axis=1)
        tables = known_by.heard.reshape(len(catalogue), -1)
        beliefs = [(tables, states.reshape(len(states), -1))]
    left = 1.0 - observations["position"][:, 0] / LONGEST
    length = np.linalg.norm(memory, axis=1)
    signals = np.column_stack([left, mood, skipped[:, -1], length, left * mood])
    return ListeningSession(memory, beliefs, signals)


def listening_interactions(
    catalogue: Catalogue, session: ListeningSession, pool: Ids
) -> Floats:
    """The features of the songs of ``pool`` [batch, m]: [batch, m, f].

    ``LISTENING_FEATURES`` (21); with a filter ``FILTERED_FEATURES`` (18).
    """
    parts = np.stack(_parts(catalogue, session, pool), axis=2)  # [batch, m, parts]
    shape = (*pool.shape, session.signals.shape[1])
    signals = np.broadcast_to(session.signals[:, None], shape)
    left = session.signals[:, 0, None, None]
    mood = session.signals[:, 1, None, None] - 0.5
    one = np.ones((*pool.shape, 1))
    features = [one, parts, signals, parts * left, parts * mood]
    return np.concatenate(features, axis=2)


def listening_scores(
    catalogue: Catalogue,
    session: ListeningSession,
    weights: Floats,
    pool: Ids | None = None,
) -> Floats:
    """``listening_interactions @ weights`` [f] of ``pool``, or of all songs.

    Returns [batch, m] or [batch, songs]. The weights are folded first, so that no array
    holds every feature of every song:

        score(a) = base + sum over the numbers j of song a of c_j number_j(a)
        c_j = w_j + left w_j,left + (mood - 1/2) w_j,mood
    """
    left = session.signals[:, :1]
    mood = session.signals[:, 1:2] - 0.5
    parts = 3 + len(session.beliefs)
    signals = session.signals.shape[1]
    part, signal, with_left, with_mood = np.split(
        weights[1:], np.cumsum([parts, signals, parts])
    )
    folded = part + left * with_left + mood * with_mood  # [batch, parts]
    base = weights[0] + session.signals @ signal
    scores: Floats = base[:, None]
    for column, values in enumerate(_parts(catalogue, session, pool)):
        scores = scores + folded[:, column, None] * values
    return scores


def _parts(
    catalogue: Catalogue, session: ListeningSession, pool: Ids | None
) -> list[Floats]:
    """The numbers of each song of ``pool``, or of all: [batch, m] each."""
    likeness = _products(catalogue.direction, session.memory, pool)
    appeal = catalogue.appeal[None] if pool is None else catalogue.appeal[pool]
    matches = [_products(songs, queries, pool) for songs, queries in session.beliefs]
    return [appeal, likeness, np.maximum(likeness, 0.0), *matches]


def _products(songs: NDArray[Any], queries: Floats, pool: Ids | None) -> Floats:
    """Dot products of ``songs`` [songs, d] with ``queries`` [batch, d]: [batch, m]."""
    if pool is None:
        every: Floats = queries @ songs.T
        return every
    chosen: Floats = np.einsum("bmd,bd->bm", songs[pool], queries)
    return chosen


def belief(
    catalogue: Catalogue,
    observations: Observations,
    *,
    like_weight: float = 0.0,
    ridge: float = 8.0,
) -> Floats:
    """The mean w of the taste's posterior: [batch, 5], reaction per unit of sound.

    The prior is Gaussian with mean 0 (no taste): a ridge regression of the reaction y,
    less its mean, on the sound vectors Z [n, 5] of this session:

        y = heard + like_weight liked,   w = (Z'Z + ridge I)^-1 Z'(y - mean y)
    """
    history = require_ids("history", observations["history"], len(catalogue))
    known = history >= 0
    sound = catalogue.sound[history] * known[:, :, None]  # [batch, n, 5]
    feedback = observations["feedback"].astype(np.float64)
    reaction = 1.0 - feedback[:, :, 2] + like_weight * feedback[:, :, 1]
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean = (reaction * known).sum(axis=1, keepdims=True) / count
    centred = (reaction - mean) * known
    gram = np.einsum("bni,bnj->bij", sound, sound)
    gram += ridge * np.eye(sound.shape[2])
    moment = np.einsum("bni,bn->bi", sound, centred)
    weights: Floats = np.linalg.solve(gram, moment[:, :, None])[:, :, 0]
    return weights


def fading_memory(catalogue: Catalogue, history: Ids) -> Floats:
    """The fading mean of the directions played: [batch, 5].

        memory = .2 sum over plays of .8^age direction

    ``history`` [batch, n], oldest first, -1: none.
    """
    weights = (1.0 - MEMORY) * _fading(history)
    memory: Floats = np.einsum("bn,bnd->bd", weights, catalogue.direction[history])
    return memory


def _fading(history: Ids) -> Floats:
    """.8^age of each song of ``history`` [batch, n], 0 where there is none."""
    ages = np.arange(history.shape[1] - 1, -1, -1)
    fading: Floats = MEMORY**ages * (history >= 0)
    return fading


# -- ratings ---------------------------------------------------------------------------
def rating_interactions(
    items: Floats,
    users: Floats,
    history: Ids,
    liked: Floats,
    bias: Floats,
    popularity: Floats,
) -> Floats:
    """``RATING_FEATURES`` of all items for each user: [batch, items, 6].

        1, item . mean of liked, item . mean of disliked, item . user, bias, popularity

    ``items`` [items, k], ``users`` [batch, k]: vectors; ``history`` [batch, n]: items
    rated, -1: none; ``liked`` [batch, n]: 1 liked, 0 disliked; ``bias``, ``popularity``
    [items]. Raises ``ConfigError`` for an id that is no item's.
    """
    history = require_ids("history", history, len(items))
    known = history >= 0
    liked = known * liked
    weights = np.stack([liked, known - liked], axis=1)  # [batch, 2, n]
    total = np.maximum(weights.sum(axis=2, keepdims=True), 1.0)
    means = weights / total @ items[history]  # [batch, 2, k]
    queries = np.concatenate([means, users[:, None]], axis=1)
    products = np.einsum("bqk,ik->biq", queries, items)  # [batch, items, 3]
    shape = (*products.shape[:2], 1)
    alone = [np.ones(len(items)), bias, popularity]
    one, bias, popularity = (np.broadcast_to(x[:, None], shape) for x in alone)
    return np.concatenate([one, products, bias, popularity], axis=2)
