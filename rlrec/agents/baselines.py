"""Baselines: random, popularity, greedy one step, a hand-written rule, oracles.

All have ``recommend(observations, k) -> item ids [batch, k]``, best first. Observations
are those of ``Genre-v0`` (genre index [batch]) or of ``Listening-v0`` with
``observe="ids"`` (a dictionary of arrays).
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from rlrec.agents.interactions import belief, fading_memory
from rlrec.agents.planning import value_iteration
from rlrec.agents.recommender import best_first, best_unplayed, item_pool
from rlrec.envs import Catalogue, GenreModel, Listeners, ListeningBatch
from rlrec.envs.listeners import FATIGUE_WEIGHT, TURN_LOGIT
from rlrec.errors import require_ids
from rlrec.types import Floats, Ids, Observations

ROLLOUT_CANDIDATES = 10  # random songs among which a rollout chooses the next one


@dataclass(eq=False)
class RandomPolicy:
    """Recommends every item on offer with the same probability."""

    n_items: int
    rng: np.random.Generator

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """A random sample of the items on offer, in random order: [batch, k]."""
        pool = item_pool(observations, self.n_items)
        return best_unplayed(observations, pool, self.rng.random(pool.shape), k)


@dataclass(eq=False)
class TablePolicy:
    """The best actions by a table of action values [states, actions].

    Ties go to the lower index, or are broken at random if there is an ``rng``. Break
    them at random when you compare a table with the random policy: a table that has
    learned nothing is then exactly that policy.

    >>> from rlrec.envs import PROFILES
    >>> model = PROFILES["headliner"].model()
    >>> TablePolicy.greedy(model).recommend(np.array([0])).tolist()
    [[4]]
    >>> TablePolicy.oracle(model).recommend(0).tolist()
    [[4]]
    """

    values: Floats
    rng: np.random.Generator | None = None

    @classmethod
    def greedy(cls, model: GenreModel) -> TablePolicy:
        """Ranks by the user's expected rewards, one step ahead (discount 0)."""
        return cls(model.reward)

    @classmethod
    def oracle(cls, model: GenreModel, discount: float = 0.9) -> TablePolicy:
        """Ranks by the optimal action values, from value iteration on the true user."""
        return cls(value_iteration(model, discount))

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """Actions for states [batch]: [batch, k], best first."""
        states = require_ids("states", np.atleast_1d(observations), len(self.values), 0)
        scores = self.values[states]
        pool = item_pool(states, scores.shape[1])
        if self.rng is not None:
            pool = self.rng.permuted(pool, axis=1)
            scores = np.take_along_axis(scores, pool, axis=1)
        return best_first(pool, scores, k)


@dataclass(eq=False)
class PopularityPolicy:
    """Recommends the same to everybody, by popularity or another score [songs]."""

    scores: Floats

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """The most popular of the songs on offer: [batch, k]."""
        pool = item_pool(observations, len(self.scores))
        return best_unplayed(observations, pool, self.scores[pool], k)


@dataclass(eq=False)
class GreedyListening:
    """Greedy one step ahead in ``Listening-v0``: estimates taste, plays the best song.

    The belief about taste is the mean of a Gaussian posterior (prior mean 0: no taste).
    It is a ridge regression of the reaction y, less its mean, on the sound vectors Z
    [songs, 5] of this session:

        y = heard + like_weight liked,   w = (Z'Z + ridge I)^-1 Z'(y - mean y)
        score(song) = taste_weight z . w + appeal_weight popularity

    The score predicts the next reaction. It ignores the effect of a song on the
    listener's mood.
    """

    catalogue: Catalogue
    _: KW_ONLY
    ridge: float = 8.0
    appeal_weight: float = 0.06
    like_weight: float = 0.0
    taste_weight: float = 1.0

    def belief(self, observations: Observations) -> Floats:
        """The posterior mean w of the taste: [batch, 5], reaction per unit of sound."""
        return belief(
            self.catalogue,
            observations,
            like_weight=self.like_weight,
            ridge=self.ridge,
        )

    def recommend(self, observations: Observations, k: int = 1) -> Ids:
        """The songs with the highest scores: [batch, k]."""
        pool = item_pool(observations, len(self.catalogue))
        return best_unplayed(observations, pool, self.scores(observations, pool), k)

    def scores(self, observations: Observations, pool: Ids) -> Floats:
        """The score of each song of ``pool`` [batch, m]: [batch, m]."""
        sound = self.catalogue.sound[pool]
        taste = self.taste_weight * self.belief(observations)
        match: Floats = np.einsum("bmd,bd->bm", sound, taste)
        return match + self.appeal_weight * self.catalogue.appeal[pool]


@dataclass(eq=False)
class VariedListening(GreedyListening):
    """``GreedyListening`` minus ``variety`` times the similarity to the last songs.

    Listeners tire of similar songs, so that this one-line rule plans ahead without
    learning, and is hard to beat. Similarity is the dot product of a song's direction
    with a fading memory of the directions heard (factor 0.8 a song).
    """

    _: KW_ONLY
    variety: float = 1.0

    def scores(self, observations: Observations, pool: Ids) -> Floats:
        """The scores of ``GreedyListening``, lower for songs like the last ones."""
        scores = super().scores(observations, pool)  # checks the history
        memory = fading_memory(self.catalogue, observations["history"])
        directions = self.catalogue.direction[pool]
        similarity: Floats = np.einsum("bmd,bd->bm", directions, memory)
        return scores - self.variety * similarity


@dataclass(eq=False)
class ListeningOracle:
    """Knows taste, mood and memory of every listener of ``env``; an upper reference.

    It does not know the random draws of the real listener. Where satiation has no
    effect (or ``lookahead`` is 0) it plays the song with the largest pull, which is
    optimal there. Otherwise it improves a base policy by rollouts (Sutton and Barto,
    section 8.10). The base policy looks one song ahead, at the next mood m':

        score(song) = P(heard) - P(m' = 1)

    Each of its best ``width`` songs is followed by ``lookahead`` songs of the base
    policy, chosen from songs drawn at random, ``rollouts`` times. The song with the
    highest mean of

        songs heard - P(m = 1) after the last of them, unless the session has ended

    is played. Where listeners leave (``churn``) each term counts times the probability
    that they stayed, and half a song for each of the session's songs after that. Skips
    and moods are not drawn: their expected values are computed
    (``expected_reaction``), so that few rollouts are enough. The defaults
    were chosen with ten candidates and with the whole catalogue. ``python -m
    tests.benchmarks.oracle`` prints that larger values gain less than .1 songs.
    """

    env: ListeningBatch
    rng: np.random.Generator
    _: KW_ONLY
    lookahead: int = 2
    rollouts: int = 12
    width: int = 10

    def __post_init__(self) -> None:
        if self.env.listeners.dials.long_term_effect == 0.0:
            self.lookahead = 0

    def recommend(self, observations: Observations, k: int = 1) -> Ids:
        """The best songs by the hidden state of the listeners: [batch, k]."""
        listeners = self.env.listeners
        pool = item_pool(observations, len(self.env.catalogue))
        if self.lookahead == 0:
            return best_unplayed(observations, pool, listeners.pull(pool), k)
        mood = listeners.mood[:, None].astype(np.float64)
        scores = self._scores(pool, mood, listeners.memory[:, None])
        width = min(max(self.width, k), pool.shape[1])
        shortlist = best_unplayed(observations, pool, scores, width)
        return best_first(shortlist, self._rollout_values(shortlist), k)

    def _scores(self, songs: Ids, mood: Floats, memory: Floats) -> Floats:
        """Those of the base policy; the shapes of ``expected_reaction``."""
        heard, turned = expected_reaction(self.env.listeners, songs, mood, memory)
        return heard - turned

    def _rollout_values(self, shortlist: Ids) -> Floats:
        """The mean over rollouts from each song on: [batch, m]."""
        listeners = self.env.listeners
        songs_left = (listeners.length - self.env.steps)[:, None, None]
        later = np.maximum(songs_left - self.lookahead - 1, 0)
        shape = (*shortlist.shape, self.rollouts)
        stays = np.ones(shape)
        songs = np.broadcast_to(shortlist[:, :, None], shape)
        mood = listeners.mood[:, None, None].astype(np.float64)
        memory = listeners.memory[:, None, None]
        total = np.zeros(shape)
        for step in range(self.lookahead + 1):
            if step > 0:
                songs = self._next_songs(mood, memory)
            heard, mood = expected_reaction(listeners, songs, mood, memory)
            memory = listeners.remember(memory, songs)
            total += stays * heard * (step < songs_left)
            stays *= 1.0 - listeners.leaving(1.0 - heard, mood)
        total -= stays * mood * (later > 0)
        if listeners.dials.churn > 0.0:
            total += stays * 0.5 * later
        return np.asarray(total.mean(axis=2))

    def _next_songs(self, mood: Floats, memory: Floats) -> Ids:
        """The base policy's songs [batch, m, rollouts], of as many as are on offer.

        The songs drawn are the same for all first songs of a listener.
        """
        count = self.env.n_candidates or ROLLOUT_CANDIDATES
        size = (len(mood), 1, self.rollouts, count)
        drawn = self.rng.integers(len(self.env.catalogue), size=size)
        scores = self._scores(drawn, mood[..., None], memory[..., None, :])
        pool = np.broadcast_to(drawn, scores.shape)
        best = scores.argmax(axis=3)[..., None]
        return np.take_along_axis(pool, best, axis=3)[..., 0]


def expected_reaction(
    listeners: Listeners, songs: Ids, mood: Floats, memory: Floats
) -> tuple[Floats, Floats]:
    """P(heard) and P(m' = 1), m' the next mood, if ``songs`` [batch, ...] are played.

        P(heard)  = sum over moods m of P(m) (1 - P(skip | m))
        P(m' = 1) = sum over m and skip or not of P(m) P(skip or not | m) P(m' = 1)

    ``mood``: P(m = 1), 0..1; ``memory`` [..., 5]. All broadcast, as do the results.
    """
    restless = np.expand_dims(listeners.restless, tuple(range(1, songs.ndim)))
    logit = restless - listeners.pull(songs)
    fatigue = listeners.fatigue(songs, memory)
    turn = restless + FATIGUE_WEIGHT * listeners.dials.long_term_effect * fatigue
    moods = np.stack([1.0 - mood, mood])  # [2, batch, ...], and so is the next
    skip = expit(np.add.outer(listeners.skip_logit, logit))
    listened, skipped = expit(np.add.outer(TURN_LOGIT.T, turn))
    heard = moods * (1.0 - skip)
    turned = moods * (listened + skip * (skipped - listened))
    return heard.sum(axis=0), turned.sum(axis=0)
