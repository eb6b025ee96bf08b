"""What every agent is held against: chance, popularity, one step ahead, and one who knows it all.

All answer ``recommend(observations, k) -> item ids [batch, k]``, best first. Observations are those of
``Genre-v0`` (genre index [batch]) or of ``Listening-v0`` with ``observe="ids"`` (a dictionary of arrays).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.agents.planning import value_iteration
from rlrec.agents.recommender import best_first, item_pool, unplayed
from rlrec.envs import Catalogue, GenreModel, Listeners, ListeningBatch
from rlrec.envs.listeners import MEMORY
from rlrec.types import Floats, Ids


class RandomPolicy:
    """Every item on offer is as likely as any other."""

    def __init__(self, n_items: int, rng: np.random.Generator) -> None:
        self.n_items, self.rng = n_items, rng

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """A random sample of the places on offer, in random order: [batch, k]."""
        pool = item_pool(observations, self.n_items)
        return best_first(
            pool, unplayed(observations, pool, self.rng.random(pool.shape)), k
        )


class TablePolicy:
    """The best actions of a table of values [states, actions]: greedy one step, or optimal, by what the table holds.

    Equal values come in the order of their index, or in random order where an ``rng`` is given: only so is a table
    that knows nothing worth as much as chance.

    >>> from rlrec.envs import PROFILES
    >>> model = PROFILES["headliner"].model()
    >>> int(TablePolicy.greedy(model).recommend(np.array([0]))[0, 0]), int(TablePolicy.oracle(model).recommend(0)[0, 0])
    (4, 4)
    """

    def __init__(self, values: Floats, rng: np.random.Generator | None = None) -> None:
        self.values, self.rng = values, rng

    @classmethod
    def greedy(cls, model: GenreModel) -> TablePolicy:
        """Knows the user's expected rewards and looks one song ahead (discount 0)."""
        return cls(model.reward)

    @classmethod
    def oracle(cls, model: GenreModel, discount: float = 0.9) -> TablePolicy:
        """Knows the user and plans: value iteration's optimum."""
        return cls(value_iteration(model, discount))

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """Actions for states [batch]: [batch, k], best first."""
        states = np.atleast_1d(np.asarray(observations))
        pool, scores = item_pool(states, self.values.shape[1]), self.values[states]
        if self.rng is None:
            return best_first(pool, scores, k)
        order = self.rng.permuted(pool, axis=1)  # equal values in random order
        return best_first(order, np.take_along_axis(scores, order, axis=1), k)


class PopularityPolicy:
    """The same for everybody: songs by their popularity (or any other score [songs])."""

    def __init__(self, scores: Floats) -> None:
        self.scores = scores

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """The most popular of the songs on offer: [batch, k]."""
        pool = item_pool(observations, len(self.scores))
        return best_first(pool, unplayed(observations, pool, self.scores[pool]), k)


class GreedyListening:
    """One step ahead for ``Listening-v0``, without its secrets: learn this listener's taste, take the best song.

    The belief about taste is the ridge regression of "heard or skipped" on the map of sound over the songs of this
    session, i.e. the mean of a Gaussian posterior: w = (Z'Z + ridge I)^-1 Z'(y - mean), Z [songs, 5]. Songs are ranked
    by z . w plus ``appeal_weight`` times their popularity score: what pleases next, never what it does to the mood.
    With ``like_weight`` a like counts that much more than a song heard: y = heard + like_weight liked.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        ridge: float = 8.0,
        appeal_weight: float = 0.06,
        like_weight: float = 0.0,
    ) -> None:
        self.catalogue, self.ridge, self.appeal_weight = catalogue, ridge, appeal_weight
        self.like_weight = like_weight

    def belief(self, observations: dict[str, NDArray[Any]]) -> Floats:
        """The posterior mean of the taste, in share of songs heard per unit of sound: [batch, 5]."""
        history = observations["history"]  # [batch, n]
        known = history >= 0
        sound = (
            self.catalogue.sound[np.maximum(history, 0)] * known[:, :, None]
        )  # [batch, n, 5]
        feedback = observations["feedback"].astype(np.float64)
        heard = 1.0 - feedback[:, :, 2] + self.like_weight * feedback[:, :, 1]
        count = np.maximum(known.sum(axis=1, keepdims=True), 1)
        centred = (heard - (heard * known).sum(axis=1, keepdims=True) / count) * known
        gram = np.einsum("bni,bnj->bij", sound, sound) + self.ridge * np.eye(
            sound.shape[2]
        )
        return np.asarray(
            np.linalg.solve(gram, np.einsum("bni,bn->bi", sound, centred)[:, :, None])[
                :, :, 0
            ]
        )

    def recommend(self, observations: dict[str, NDArray[Any]], k: int = 1) -> Ids:
        """The songs with the highest expected reaction: [batch, k]."""
        pool = item_pool(observations, len(self.catalogue))
        return best_first(
            pool, unplayed(observations, pool, self.scores(observations, pool)), k
        )

    def scores(self, observations: dict[str, NDArray[Any]], pool: Ids) -> Floats:
        """What each song of ``pool`` [batch, m] is expected to bring: [batch, m]."""
        found = np.einsum(
            "bmd,bd->bm", self.catalogue.sound[pool], self.belief(observations)
        )
        return np.asarray(found + self.appeal_weight * self.catalogue.appeal[pool])


class VariedListening(GreedyListening):
    """``GreedyListening`` less ``variety`` times the likeness to what just played: a rule of one line that plans ahead.

    Likeness is the dot product of a song's direction with the fading memory of those heard (.8 a song): whoever wrote
    it knows that listeners tire of the same, which greedy can't see. No learning, and hard to beat.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        ridge: float = 8.0,
        appeal_weight: float = 0.06,
        like_weight: float = 0.0,
        variety: float = 1.0,
        taste_weight: float = 1.0,
    ) -> None:
        super().__init__(
            catalogue, ridge=ridge, appeal_weight=appeal_weight, like_weight=like_weight
        )
        self.variety = variety
        self.taste_weight = taste_weight

    def belief(self, observations: dict[str, NDArray[Any]]) -> Floats:
        """Greedy's belief about taste times ``taste_weight`` (0: no taste): [batch, 5]."""
        return self.taste_weight * super().belief(observations)

    def scores(self, observations: dict[str, NDArray[Any]], pool: Ids) -> Floats:
        """Greedy's scores, those of songs like the last ones lowered: [batch, m]."""
        history = observations["history"]  # [batch, n], oldest first
        fading = (
            (1.0 - MEMORY)
            * MEMORY ** np.arange(history.shape[1] - 1, -1, -1)
            * (history >= 0)
        )
        memory = np.einsum(
            "bn,bnd->bd", fading, self.catalogue.direction[np.maximum(history, 0)]
        )
        likeness = np.einsum("bmd,bd->bm", self.catalogue.direction[pool], memory)
        return np.asarray(super().scores(observations, pool) - self.variety * likeness)


class ListeningOracle:
    """Knows taste, mood and memory of every listener of ``env``; an upper mark, not a rival.

    Where satiation has no effect (or ``lookahead`` is 0) it takes the song with the largest pull: there that is
    optimal. Else it tries each of the best ``width`` songs on copies of the listener, plays on for ``lookahead`` songs
    with pull minus ``caution`` times fatigue, ``rollouts`` times with luck of its own, and takes the song with the
    highest mean number of songs heard (rollout policy improvement, Sutton and Barto, section 8.10).
    It can't see the future luck of the real listener.
    """

    def __init__(
        self,
        env: ListeningBatch,
        rng: np.random.Generator,
        *,
        lookahead: int = 6,
        rollouts: int = 4,
        width: int = 10,
        caution: float = 12.0,
    ) -> None:
        self.env, self.rng = env, rng
        self.rollouts, self.width, self.caution = rollouts, width, caution
        self.lookahead = lookahead if env.listeners.dials.long_term_effect > 0.0 else 0

    def recommend(self, observations: dict[str, NDArray[Any]], k: int = 1) -> Ids:
        """The best songs by the hidden truth: [batch, k]."""
        pool = item_pool(observations, len(self.env.catalogue))
        pull = self.env.listeners.pull(pool)
        if self.lookahead == 0:
            return best_first(pool, unplayed(observations, pool, pull), k)
        cautious = unplayed(
            observations, pool, pull - self.caution * self.env.listeners.fatigue(pool)
        )
        shortlist = best_first(pool, cautious, min(max(self.width, k), pool.shape[1]))
        return best_first(shortlist, self._rollout_values(shortlist), k)

    def _rollout_values(self, shortlist: Ids) -> Floats:
        """Mean songs heard after each song of ``shortlist`` [batch, m], itself included: [batch, m]."""
        batch, m = shortlist.shape
        source = np.repeat(np.arange(batch), m * self.rollouts)
        ahead = Listeners(len(source), self.env.catalogue, self.env.listeners.dials)
        ahead.restore(self.env.listeners.state(), source)
        left = ahead.length - self.env.steps[source]
        songs = np.repeat(shortlist.ravel(), self.rollouts)
        heard = np.zeros(len(source))
        for step in range(self.lookahead + 1):
            # the same luck for each song of a listener
            shared = self.rng.random((4, batch, 1, self.rollouts))
            luck = np.broadcast_to(shared, (4, batch, m, self.rollouts)).reshape(4, -1)
            feedback = ahead.react(songs, luck)
            heard += (~feedback.skipped) * (step < left)
            songs = self._cautious_songs(ahead, batch, m)
        return np.asarray(heard.reshape(batch, m, self.rollouts).mean(axis=2))

    def _cautious_songs(self, ahead: Listeners, batch: int, m: int) -> Ids:
        drawn = self.rng.integers(
            len(self.env.catalogue), size=(batch, 1, self.rollouts, 10)
        )
        pool = np.broadcast_to(drawn, (batch, m, self.rollouts, 10)).reshape(-1, 10)
        return best_first(
            pool, ahead.pull(pool) - self.caution * ahead.fatigue(pool), 1
        )[:, 0]
