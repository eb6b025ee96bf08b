"""Simulated listeners: hidden taste, a mood that changes, runs of skips, satiation.

A listener has a taste w (a unit vector in the map of sound), a mood m (0: tends to
listen, 1: tends to skip), a restlessness r with mean 0 and standard deviation .51, and
a memory s of the songs just played. A song a has ``sound_a`` (its place in the map),
``direction_a`` (the same at length 1) and ``appeal_a`` (its popularity, standardised).
One play of song a; m' and s' hold at the next song:

    pull      = taste_strength * sound_a . w + appeal_strength * appeal_a    (utility)
    P(skip)   = sigmoid(skip_logit[m] + r - pull)
    P(like)   = sigmoid(like_logit + pull)               if not skipped
    fatigue   = max(0, direction_a . s) - .19 |s|        0 on average for a random song
    P(m' = 1) = sigmoid(turn_logit[m, skipped] + r + 8 long_term_effect fatigue)
    s'        = .8 s + .2 direction_a
    P(leave)  = churn (skipped + m') / 2

Fatigue (satiation) is near .8 if the same song is played again and again. It acts on
the *next* mood, so a policy that looks one step ahead can't see it. A skip makes mood 1
more probable, so skips come in runs. With ``long_term_effect`` 0 everything is monotone
in the pull, and playing the song with the largest pull is optimal. With ``churn``
above 0 skips and mood also cost the rest of the session (by default nobody leaves).

The logits of skips, of the next mood and of the first mood were fitted to public
statistics of the Music Streaming Sessions Dataset (Brost, Mehrotra and Jehan, WWW
2019): skip rates by position, after a skip and after a listen, their spread between
sessions, and session lengths. ``tests/envs/test_calibration.py`` compares the random
policy with them. Three things are not fitted, since there are no public figures: how
often a heard song is liked, how satiation works, and what makes a listener leave.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import expit, ndtri

from rlrec.envs.catalogue import SOUND_DIMENSIONS, Catalogue, unit_vectors
from rlrec.envs.dials import Dials
from rlrec.types import Arrays, Bools, Floats, Ids

SKIP_LOGIT = np.array([-2.12, 2.15])  # log odds of a skip: [mood]
# log odds of the skipping mood next: [mood, skipped]
TURN_LOGIT = np.array([[-1.38, -0.88], [0.79, 1.68]])
START_LOGIT = -0.58  # log odds of starting in the skipping mood
RESTLESS_SD = 0.51  # spread between listeners, in logits
LIKE_LOGIT = -2.2  # log odds of a like at pull 0
MEMORY = 0.8  # decay of the memory of sound at each song
FATIGUE_WEIGHT = 8.0  # logits of mood for fatigue 1 at long_term_effect 1
# E[max(0, cosine)] of two random directions in 5 dimensions: 3/16
TYPICAL_CLOSENESS = 0.19
SHORTEST = 10  # songs in a session, at least
LONGEST = 20  # songs in a session, at most
AT_LONGEST = 0.51  # share of sessions that reach the longest
EARLY_SKIP = 0.815  # share of skips in the first tenth of a song
PARTLY_HEARD = 0.283  # share of listens that stop between the middle and the end
DRAWS = 4  # random numbers for each play


class Feedback(NamedTuple):
    """The listener's reaction to a song, each [batch]."""

    fraction: Floats  # of the song heard, 0..1
    liked: Bools
    skipped: Bools


class Listeners:
    """A batch of listeners: arrays of hidden state, all changed in place by ``react``.

    ``taste`` [batch, 5] unit vectors; ``mood`` [batch] 0 or 1; ``restless`` [batch]
    logits; ``memory`` [batch, 5]; ``length`` [batch] songs until the session ends.
    """

    def __init__(self, batch: int, catalogue: Catalogue, dials: Dials) -> None:
        self.catalogue = catalogue
        self.dials = dials
        self.taste = np.zeros((batch, SOUND_DIMENSIONS))
        self.mood = np.zeros(batch, np.int64)
        self.restless = np.zeros(batch)
        self.memory = np.zeros((batch, SOUND_DIMENSIONS))
        self.length = np.full(batch, LONGEST, np.int64)
        self._appeal = dials.appeal_strength * catalogue.appeal
        spread = np.hypot(dials.taste_strength, dials.appeal_strength)
        self.skip_logit = _widened(spread)

    def begin(self, rows: Ids, draws: Floats) -> None:
        """Make new listeners in ``rows`` [m] from uniform ``draws`` [8, m] in [0, 1).

        The draws decide taste (5), restlessness, mood and session length.
        """
        taste = _normal(draws[:SOUND_DIMENSIONS]).T + self.dials.lean()  # [m, 5]
        self.taste[rows] = unit_vectors(taste)
        self.restless[rows] = RESTLESS_SD * _normal(draws[5])
        self.mood[rows] = draws[6] < expit(START_LOGIT + self.restless[rows])
        self.memory[rows] = 0.0
        part = draws[7] / (1.0 - AT_LONGEST)  # 1 and above: the longest session
        length = SHORTEST + (part * (LONGEST - SHORTEST)).astype(np.int64)
        self.length[rows] = np.minimum(length, LONGEST)

    def pull(self, songs: Ids) -> Floats:
        """How much each of ``songs`` [batch, ...] attracts its listener, in logits."""
        affinity = np.einsum("b...d,bd->b...", self.catalogue.sound[songs], self.taste)
        pull: Floats = self.dials.taste_strength * affinity + self._appeal[songs]
        return pull

    def skip_probability(self, songs: Ids) -> Floats:
        """P(skip) of ``songs`` [batch, ...], given the hidden state."""
        base = self.skip_logit[self.mood] + self.restless
        # transposed, so that [batch] broadcasts over [batch, ...]
        probability: Floats = expit(base - self.pull(songs).T).T
        return probability

    def fatigue(self, songs: Ids, memory: Floats) -> Floats:
        """Similarity of ``songs`` [...] to a ``memory`` [..., 5], less a random song's.

        The two broadcast: [...].
        """
        direction = self.catalogue.direction[songs]
        closeness = np.einsum("...d,...d->...", direction, memory)
        size = np.sqrt(np.einsum("...d,...d->...", memory, memory))
        fatigue: Floats = np.maximum(closeness, 0.0) - TYPICAL_CLOSENESS * size
        return fatigue

    def react(self, songs: Ids, draws: Floats) -> Feedback:
        """Play ``songs`` [batch] and move the hidden state on.

        ``draws`` [4, batch]: uniform numbers in [0, 1) that decide skip, like, mood and
        fraction heard.
        """
        pull = self.pull(songs)
        skip_logit = self.skip_logit[self.mood] + self.restless - pull
        skipped = draws[0] < expit(skip_logit)
        liked = ~skipped & (draws[1] < expit(LIKE_LOGIT + pull))
        turn = TURN_LOGIT[self.mood, skipped.view(np.int8)] + self.restless
        fatigue = self.fatigue(songs, self.memory)
        turn += FATIGUE_WEIGHT * self.dials.long_term_effect * fatigue
        self.mood = (draws[2] < expit(turn)).astype(np.int64)
        self.memory = self.remember(self.memory, songs)
        return Feedback(_fraction_heard(skipped, draws[3]), liked, skipped)

    def leaving(self, skipped: Floats | Bools, mood: Floats | Ids) -> Floats:
        """P(leave) after a song, [...], from ``skipped`` and the next ``mood`` [...].

        Both 0 or 1, or the probability of 1.
        """
        return np.asarray(0.5 * self.dials.churn * (skipped + mood))

    def remember(self, memory: Floats, songs: Ids) -> Floats:
        """A ``memory`` [..., 5] after one more of ``songs`` [...]: [..., 5]."""
        return MEMORY * memory + (1.0 - MEMORY) * self.catalogue.direction[songs]

    def drift(self, draws: Floats) -> None:
        """Turn each taste toward a random direction; ``draws`` [5, batch] in [0, 1).

        The step is ``dials.taste_drift``: 0 keeps the taste, 1 replaces it.
        """
        step = self.dials.taste_drift
        target = _normal(draws).T
        length = np.linalg.norm(target, axis=1, keepdims=True)
        moved = (1.0 - step) * self.taste + step * target / length
        self.taste = unit_vectors(moved)

    def state(self) -> Arrays:
        """A copy of all that changes in a session, for planning and for checkpoints."""
        names = ("taste", "mood", "restless", "memory", "length")
        return {name: getattr(self, name).copy() for name in names}

    def restore(self, state: Arrays, rows: Ids | slice = slice(None)) -> None:
        """Take over ``rows`` of a ``state``; the batch then has that many listeners."""
        for name, value in state.items():
            setattr(self, name, value[rows].copy())


def _normal(draws: Floats) -> Floats:
    """Uniform numbers turned into standard normal ones."""
    normal: Floats = ndtri(np.clip(draws, 1e-12, 1.0 - 1e-12))
    return normal


def _fraction_heard(skipped: Bools, draws: Floats) -> Floats:
    """The fraction heard in [0, 1]: [batch]; its distribution is bimodal.

    Most skips end in the first tenth, most listens reach the end.
    """
    late = 0.1 + 0.4 * (draws - EARLY_SKIP) / (1 - EARLY_SKIP)
    skip = np.where(draws < EARLY_SKIP, 0.1 * draws / EARLY_SKIP, late)
    listen = np.where(draws < PARTLY_HEARD, 0.5 + 0.5 * draws / PARTLY_HEARD, 1.0)
    return np.where(skipped, skip, listen)


@lru_cache(maxsize=64)
def _widened(spread: float) -> Floats:
    """Skip logits [2] that keep each mood's mean skip rate when the pull varies.

    They solve E[sigmoid(logit - pull)] = sigmoid(SKIP_LOGIT). The pull is normal with
    mean 0 and standard deviation ``spread``; the mean is by Gauss-Hermite quadrature.
    """
    from scipy.optimize import brentq

    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    weights = weights / weights.sum()

    def excess(logit: float, rate: float) -> float:
        return float(weights @ expit(logit + spread * nodes) - rate)

    rates = expit(SKIP_LOGIT)
    return np.array([brentq(excess, -40, 40, args=(rate,)) for rate in rates])
