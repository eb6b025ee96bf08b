"""Simulated listeners: hidden taste, a mood that drifts, momentum of skips, and satiation.

One play of song a by a listener with taste w (a unit vector in the map of sound), mood m (0 listens, 1 skips),
restlessness r ~ N(0, .51) and memory s of what was just played:

    pull       = taste_strength * sound_a . w + appeal_strength * appeal_a
    P(skip)    = sigmoid(skip_logit[m] + r - pull)
    P(like)    = sigmoid(like_logit + pull)                     if not skipped
    fatigue    = max(0, direction_a . s) - .19 |s|              0 for a random song; .8: the same again and again
    P(m' = 1)  = sigmoid(turn_logit[m, skipped] + r + 8 long_term_effect fatigue)
    s'         = .8 s + .2 direction_a

Satiation acts on the *next* mood, so a policy that looks one step ahead can't see it. With ``long_term_effect`` 0
everything is monotone in the pull of the song, and taking the song with the largest pull is optimal.

Skip logits, turn logits and start were fitted to public statistics of the Music Streaming Sessions Dataset
(Brost, Mehrotra and Jehan, "The Music Streaming Sessions Dataset", WWW 2019): skip rates by position, after a skip
and after a listen, spread between sessions, lengths. ``tests/envs/test_calibration.py`` holds the random policy to
them. Not fitted, since no public figure says it: how often a heard song is liked, and how satiation works.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri

from rlrec.envs.batch import Rows
from rlrec.envs.catalogue import SOUND_DIMENSIONS, Catalogue
from rlrec.errors import require_ranges
from rlrec.types import Floats

SKIP_LOGIT = np.array([-2.12, 2.15])  # [mood]
TURN_LOGIT = np.array(
    [[-1.38, -0.88], [0.79, 1.68]]
)  # [mood, skipped] -> log odds of the skipping mood next
START_LOGIT = -0.58  # log odds of starting in the skipping mood
RESTLESS_SD = 0.51  # spread between listeners, in logits
LIKE_LOGIT = -2.2
MEMORY = 0.8  # share of the memory of sound kept from song to song
FATIGUE_WEIGHT = 8.0  # logits of mood for fatigue 1 at long_term_effect 1
TYPICAL_CLOSENESS = (
    0.19  # E[max(0, cosine)] of two random directions in 5 dimensions: 3/16
)
SHORTEST, LONGEST, AT_LONGEST = (
    10,
    20,
    0.51,
)  # session length in songs; share that reaches the cap
EARLY_SKIP = 0.815  # share of skips in the first tenth of a song
PARTLY_HEARD = 0.283  # share of listens that stop between the middle and the end
DRAWS = 4  # random numbers a play


@dataclass(frozen=True)
class Dials:
    """What a teacher turns. Defaults are the teaching setting; taste .3 and effect 0 are closest to the data."""

    taste_strength: float = (
        1.5  # logits per standard deviation of taste; 0 (all songs alike) .. 3
    )
    long_term_effect: float = (
        1.0  # how strongly satiation turns the mood; 0 (greedy is optimal) .. 2
    )
    appeal_strength: float = 0.28  # logits per standard deviation of popularity; the public between-track spread
    taste_drift: float = (
        0.0  # 0..1: how far taste turns toward a random direction after each song
    )
    taste_focus: float = 0.0  # 0 (tastes point anywhere) .. 10 (all alike): how the crowd leans to one direction
    taste_towards: float = 0.0  # degrees, in the plane of the map's first two axes: that direction; 180: opposite to 0

    def __post_init__(self) -> None:
        dials = ("taste_strength", "long_term_effect", "appeal_strength")
        crowd = (
            ("taste_drift", 0, 1),
            ("taste_focus", 0, 10),
            ("taste_towards", -360, 360),
        )
        require_ranges(self, [*((name, 0, 5) for name in dials), *crowd])

    def lean(self) -> Floats:
        """What the crowd's lean adds to a standard normal draw before it is brought to length 1: [5]."""
        angle = np.deg2rad(self.taste_towards)
        return self.taste_focus * np.concatenate(
            [[np.cos(angle), np.sin(angle)], np.zeros(SOUND_DIMENSIONS - 2)]
        )


class Feedback(NamedTuple):
    """What a play shows, each [batch]."""

    fraction: Floats  # of the song heard, 0..1
    liked: NDArray[np.bool_]
    skipped: NDArray[np.bool_]


class Listeners:
    """A batch of listeners: arrays of hidden state, all changed in place by ``react``.

    ``taste`` [batch, 5] unit vectors; ``mood`` [batch] 0 or 1; ``restless`` [batch] logits;
    ``memory`` [batch, 5]; ``length`` [batch] songs until the session ends.
    """

    def __init__(self, batch: int, catalogue: Catalogue, dials: Dials) -> None:
        self.catalogue, self.dials = catalogue, dials
        self.taste = np.zeros((batch, SOUND_DIMENSIONS))
        self.mood = np.zeros(batch, np.int64)
        self.restless = np.zeros(batch)
        self.memory = np.zeros((batch, SOUND_DIMENSIONS))
        self.length = np.full(batch, LONGEST, np.int64)
        self._appeal = dials.appeal_strength * catalogue.appeal
        self._skip_logit = _widened(
            float(np.hypot(dials.taste_strength, dials.appeal_strength))
        )

    def begin(self, rows: Rows, luck: Floats) -> None:
        """New listeners in ``rows`` [m], made from ``luck`` [8, m] uniform numbers."""
        direction = ndtri(
            np.clip(luck[:SOUND_DIMENSIONS], 1e-12, 1.0 - 1e-12)
        ).T  # [m, 5]
        direction = direction + self.dials.lean()
        self.taste[rows] = direction / np.linalg.norm(direction, axis=1, keepdims=True)
        self.restless[rows] = RESTLESS_SD * ndtri(np.clip(luck[5], 1e-12, 1.0 - 1e-12))
        self.mood[rows] = luck[6] < expit(START_LOGIT + self.restless[rows])
        self.memory[rows] = 0.0
        short = SHORTEST + (luck[7] / (1.0 - AT_LONGEST) * (LONGEST - SHORTEST)).astype(
            np.int64
        )
        self.length[rows] = np.where(luck[7] < 1.0 - AT_LONGEST, short, LONGEST)

    def pull(self, songs: NDArray[np.int64]) -> Floats:
        """How much each of ``songs`` [batch] or [batch, k] attracts its listener, in logits."""
        affinity = np.einsum("b...d,bd->b...", self.catalogue.sound[songs], self.taste)
        return np.asarray(self.dials.taste_strength * affinity + self._appeal[songs])

    def skip_probability(self, songs: NDArray[np.int64]) -> Floats:
        """P(skip) of ``songs`` [batch] or [batch, k], the hidden state known."""
        base = self._skip_logit[self.mood] + self.restless
        return np.asarray(
            expit(base.reshape(-1, *[1] * (songs.ndim - 1)) - self.pull(songs))
        )

    def fatigue(self, songs: NDArray[np.int64]) -> Floats:
        """How much more each of ``songs`` [batch] or [batch, k] is like the songs just heard than a random song is."""
        closeness = np.einsum(
            "b...d,bd->b...", self.catalogue.direction[songs], self.memory
        )
        typical = TYPICAL_CLOSENESS * np.sqrt(
            np.einsum("bd,bd->b", self.memory, self.memory)
        )
        return np.asarray(
            np.maximum(closeness, 0.0) - typical.reshape(-1, *[1] * (songs.ndim - 1))
        )

    def react(self, songs: NDArray[np.int64], luck: Floats) -> Feedback:
        """Play ``songs`` [batch] to the listeners with ``luck`` [4, batch]; their hidden state moves on."""
        pull = self.pull(songs)
        skipped = luck[0] < expit(self._skip_logit[self.mood] + self.restless - pull)
        liked = ~skipped & (luck[1] < expit(LIKE_LOGIT + pull))
        direction = self.catalogue.direction[songs]  # [batch, 5]
        turn = TURN_LOGIT[self.mood, skipped.view(np.int8)] + self.restless
        turn += FATIGUE_WEIGHT * self.dials.long_term_effect * self.fatigue(songs)
        self.mood = (luck[2] < expit(turn)).astype(np.int64)
        self.memory *= MEMORY
        self.memory += (1.0 - MEMORY) * direction
        return Feedback(_fraction_heard(skipped, luck[3]), liked, skipped)

    def drift(self, luck: Floats) -> None:
        """Turn each taste toward a random direction by ``dials.taste_drift``; ``luck`` [5, batch]."""
        step = self.dials.taste_drift
        target = ndtri(np.clip(luck, 1e-12, 1.0 - 1e-12)).T
        moved = (1.0 - step) * self.taste + step * target / np.linalg.norm(
            target, axis=1, keepdims=True
        )
        self.taste = moved / np.maximum(
            np.linalg.norm(moved, axis=1, keepdims=True), 1e-12
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """A copy of all that changes during a session, for planning ahead and for checkpoints."""
        return {
            name: getattr(self, name).copy()
            for name in ("taste", "mood", "restless", "memory", "length")
        }

    def restore(
        self, state: dict[str, NDArray[Any]], rows: Rows | slice = slice(None)
    ) -> None:
        """Take over ``rows`` of a ``state``, copied: the batch gets their number."""
        for name, value in state.items():
            setattr(self, name, value[rows].copy())


def _fraction_heard(skipped: NDArray[np.bool_], luck: Floats) -> Floats:
    """Two humps: most skips end in the first tenth, most listens reach the end. [batch] in [0, 1]."""
    early = np.where(
        luck < EARLY_SKIP,
        0.1 * luck / EARLY_SKIP,
        0.1 + 0.4 * (luck - EARLY_SKIP) / (1 - EARLY_SKIP),
    )
    whole = np.where(luck < PARTLY_HEARD, 0.5 + 0.5 * luck / PARTLY_HEARD, 1.0)
    return np.where(skipped, early, whole)


@lru_cache(maxsize=64)
def _widened(sd: float) -> Floats:
    """Skip logits [2] that keep each mood's skip rate when songs spread by ``sd`` logits around the mean."""
    from scipy.optimize import brentq

    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    weights = weights / weights.sum()

    def miss(logit: float, wanted: float) -> float:
        return float(weights @ expit(logit + sd * nodes) - wanted)

    return np.array(
        [brentq(miss, -40, 40, args=(float(wanted),)) for wanted in expit(SKIP_LOGIT)]
    )
