"""A filter of taste and mood: Bayes' rule over what a session has shown, fitted by EM.

The listener of ``Listening-v0`` is hidden (a POMDP). The filter keeps the probability
of each pair of a mood m (0 or 1, it changes) and one of K tastes w_k (fixed in a
session, directions drawn once), for each session on its own:

    P(heard | m, k)  = sigmoid(heard_m + pull),  pull = taste sound . w_k + appeal pop
    P(like | heard)  = sigmoid(like + pull)
    P(m' = 1 | m)    = sigmoid(turn_m,skipped + fatigue . (max(0, d . s), |s|))

d is the song's direction, s the fading memory. A play multiplies the probabilities by
those of the reaction (Bayes); then the mood moves on. That is the forward pass of a
hidden Markov model. Its parameters are not given: they are fitted to sessions by
expectation maximisation, with one Newton step of each logistic regression an iteration
(a generalised EM). Rabiner (1989), "A tutorial on hidden Markov models", sections III A
and C; Kaelbling, Littman and Cassandra (1998), section 3.3, on belief states.

Differs from the papers: the taste is a static part of the state, on a random grid.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from rlrec.envs import Catalogue
from rlrec.envs.catalogue import unit_vectors
from rlrec.envs.listeners import MEMORY
from rlrec.errors import require_ids
from rlrec.types import Arrays, Bools, Floats, Ids, Observations

# rows [f, ...], their f places among the coefficients, targets 0 or 1, weights [...]
_Block = tuple[NDArray[Any], list[int], NDArray[Any], NDArray[Any]]


@dataclass
class Reactions:
    """The numbers of the model, in logits; the defaults are where EM starts."""

    # weights of taste and popularity, then heard_0, heard_1 and like at pull 0
    pull: Floats = field(default_factory=lambda: np.array([1.0, 0.2, 1.0, -1.0, -2.0]))
    # turn_00, turn_01, turn_10, turn_11 (mood, skipped), weights of fatigue
    turn: Floats = field(default_factory=lambda: np.array([-1.0, -1, 1, 1, 0, 0]))
    # P(m = 1) at the first song
    start: Floats = field(default_factory=lambda: np.array(0.5))


class ListenerFilter:
    """The filter; ``tastes``: K, an even number of directions drawn by ``rng``."""

    def __init__(
        self, catalogue: Catalogue, rng: np.random.Generator, tastes: int = 64
    ) -> None:
        self.catalogue = catalogue
        half = rng.standard_normal((tastes // 2, catalogue.sound.shape[1]))
        self.tastes: NDArray[np.float64] = unit_vectors(np.concatenate([half, -half]))
        self.reactions = Reactions()
        self._refresh()

    def _refresh(self) -> None:
        """P(heard) of each song [songs, 2, K], and of each reaction to it."""
        taste, appeal, *heard, like = self.reactions.pull
        match = taste * self.catalogue.sound @ self.tastes.T
        pull = match + appeal * self.catalogue.appeal[:, None]
        self.heard = expit(pull[:, None] + np.array(heard)[:, None]).astype(np.float32)
        liked = expit(pull + like).astype(np.float32)[:, None]  # if heard
        reactions = [self.heard * (1.0 - liked), self.heard * liked, 1.0 - self.heard]
        table = np.stack(reactions, axis=1)
        # [songs + 1, 3, 2, K], reactions: heard, liked, skipped; the last row: no song
        self.reaction = np.concatenate([table, np.ones_like(table[:1])])

    # -- what a session shows ----------------------------------------------------------
    def belief(self, observations: Observations) -> Floats:
        """P(mood before the next song, taste): [batch, 2, K].

        ``history`` [batch, n], oldest first, -1: none; ``feedback`` [batch, n, 3].
        Raises ``ConfigError`` for an id that is no song's.
        """
        first = (observations["history"] >= 0).any(axis=0).argmax()  # else padding
        names = ("history", "feedback")
        known = {name: observations[name][:, first:] for name in names}
        songs, feedback, fatigue = self._plays(known)
        likelihood = self._likelihood(songs, feedback)
        moves = self._moves(songs, feedback, fatigue)
        return self._forward(likelihood, moves)[1]

    def _plays(self, sessions: Observations) -> tuple[Ids, Floats, Floats]:
        """Songs [S, n], feedback [S, n, 3], max(0, d . s) and |s| [S, n, 2]."""
        songs = require_ids("history", sessions["history"], len(self.catalogue))
        direction = self.catalogue.direction[songs] * (songs >= 0)[:, :, None]
        memory = np.zeros_like(direction[:, 0])
        fatigue = np.zeros((*songs.shape, 2))
        for place in range(songs.shape[1]):
            closeness = (direction[:, place] * memory).sum(axis=1)
            fatigue[:, place, 0] = np.maximum(closeness, 0.0)
            fatigue[:, place, 1] = np.linalg.norm(memory, axis=1)
            memory = MEMORY * memory + (1.0 - MEMORY) * direction[:, place]
        return songs, sessions["feedback"], fatigue

    def _likelihood(self, songs: Ids, feedback: Floats) -> Floats:
        """P(reaction | mood, taste) of each play, 1 where none: [S, n, 2, K]."""
        skipped = feedback[:, :, 2] > 0.5
        liked = feedback[:, :, 1] > 0.5
        return self.reaction[songs, np.where(skipped, 2, liked)]

    def _moves(self, songs: Ids, feedback: Floats, fatigue: Floats) -> Floats:
        """P(next mood | mood) after each play: [S, n, 2, 2]; no move where none."""
        turn = self.reactions.turn
        skipped = (feedback[:, :, 2] > 0.5).astype(np.int64)
        by_mood = turn[:4].reshape(2, 2).T[skipped]  # [S, n, 2]
        turned = expit(by_mood + (fatigue @ turn[4:])[:, :, None])
        moves = np.stack([1.0 - turned, turned], axis=3)
        moves = np.where((songs >= 0)[:, :, None, None], moves, np.eye(2))
        return moves.astype(np.float32)

    def _forward(self, likelihood: Floats, moves: Floats) -> tuple[Floats, Floats]:
        """P(mood, taste) just after each reaction [S, n, 2, K], and at the end."""
        sessions, plays, _, count = likelihood.shape
        start = np.array([1.0 - self.reactions.start, self.reactions.start])
        before = np.broadcast_to(start[:, None] / count, (sessions, 2, count))
        after = np.empty_like(likelihood)
        for place in range(plays):
            joint = before * likelihood[:, place]
            after[:, place] = joint / joint.sum(axis=(1, 2), keepdims=True)
            before = moves[:, place].swapaxes(1, 2) @ after[:, place]
        return after, before

    # -- expectation maximisation ------------------------------------------------------
    def fit(self, sessions: Observations, iterations: int = 20) -> None:
        """Fit ``reactions`` to whole sessions, as observed at their ends."""
        songs, feedback, fatigue = self._plays(sessions)
        for _ in range(iterations):
            likelihood = self._likelihood(songs, feedback)
            moves = self._moves(songs, feedback, fatigue)
            after, _ = self._forward(likelihood, moves)
            posterior, pairs = _smooth(after, likelihood, moves)
            self._fit_pull(songs, feedback, posterior)
            self._fit_turn(songs, feedback, fatigue, pairs)
            at_start = posterior[songs >= 0].reshape(-1, *posterior.shape[2:])
            first = np.cumsum(songs >= 0, axis=1)[songs >= 0] == 1
            share = at_start[first, 1].sum(axis=1).mean()
            self.reactions.start = np.clip(share, 0.01, 0.99)
            self._refresh()

    def _fit_pull(self, songs: Ids, feedback: Floats, posterior: Floats) -> None:
        """One step for heard (each mood and taste) and liked (each taste)."""
        known = songs >= 0
        played = songs[known]
        weight = posterior[known]  # [m, 2, K]
        skipped = feedback[known][:, 2, None] > 0.5
        liked = feedback[known][:, 1, None] > 0.5
        match = self.catalogue.sound[played] @ self.tastes.T  # [m, K]
        appeal = np.broadcast_to(self.catalogue.appeal[played, None], match.shape)
        rows = np.stack([match, appeal, np.ones_like(match)])  # [3, m, K]
        heard = weight.sum(axis=1) * ~skipped
        self.reactions.pull = _newton_step(
            [
                (rows, [0, 1, 2], ~skipped, weight[:, 0]),
                (rows, [0, 1, 3], ~skipped, weight[:, 1]),
                (rows, [0, 1, 4], liked, heard),
            ],
            self.reactions.pull,
        )

    def _fit_turn(
        self, songs: Ids, feedback: Floats, fatigue: Floats, pairs: Floats
    ) -> None:
        """One step for the next mood; ``pairs`` [S, n, 2, 2]: P(mood, next mood)."""
        known = songs >= 0
        skipped = (feedback[known][:, 2] > 0.5).astype(np.int64)
        none = np.zeros(len(skipped), np.bool_)
        blocks = []
        for mood in (0, 1):
            cell = np.eye(4)[2 * mood + skipped]
            row = np.concatenate([cell, fatigue[known]], axis=1).T  # [6, m]
            for following in (0, 1):
                weight = pairs[known][:, mood, following]
                blocks.append((row, [*range(6)], none | bool(following), weight))
        self.reactions.turn = _newton_step(blocks, self.reactions.turn)

    # -- checkpoints -------------------------------------------------------------------
    def state(self) -> Arrays:
        """Tastes and the numbers of the model."""
        return {"tastes": self.tastes, **vars(self.reactions)}

    def restore(self, state: Arrays) -> None:
        """Take over what ``state`` returned."""
        self.tastes = state["tastes"]
        self.reactions = Reactions(state["pull"], state["turn"], state["start"])
        self._refresh()


class WholeSessions:
    """Whole sessions, as observed at their ends: history [s, n], feedback [s, n, 3]."""

    def __init__(self) -> None:
        self.kept: list[Arrays] = []

    def add(self, observations: Any, ended: Bools) -> None:
        """Keep the rows of ``observations`` whose session has ``ended`` [batch]."""
        rows = {name: observations[name][ended] for name in ("history", "feedback")}
        self.kept.append(rows)

    def state(self) -> Arrays:
        """All of them, name -> array; nothing, if there is none."""
        names = self.kept[0] if self.kept else ()
        return {
            name: np.concatenate([rows[name] for rows in self.kept]) for name in names
        }

    def restore(self, state: Arrays) -> None:
        """Take over what ``state`` returned."""
        self.kept = [state] if state else []


def _smooth(after: Floats, likelihood: Floats, moves: Floats) -> tuple[Floats, Floats]:
    """P(mood, taste) [S, n, 2, K] and P(mood, next mood) [S, n, 2, 2], given all.

    The backward pass. The move after the last play is not seen: its pairs are 0.
    """
    posterior = after.copy()
    pairs = np.zeros_like(moves)
    later = np.ones_like(after[:, 0])
    for place in range(after.shape[1] - 2, -1, -1):
        ahead = likelihood[:, place + 1] * later
        ahead /= ahead.max(axis=(1, 2), keepdims=True)
        joint = moves[:, place] * (after[:, place] @ ahead.swapaxes(1, 2))
        pairs[:, place] = joint / joint.sum(axis=(1, 2), keepdims=True)
        later = moves[:, place] @ ahead
        seen = after[:, place] * later
        posterior[:, place] = seen / seen.sum(axis=(1, 2), keepdims=True)
    return posterior, pairs


def _newton_step(blocks: list[_Block], now: Floats) -> Floats:
    """A Newton step of one logistic regression over several blocks of rows.

    A penalty of 1 on the step keeps it finite.
    """
    gradient: NDArray[Any] = np.zeros(len(now))
    curvature: NDArray[Any] = np.eye(len(now))
    for rows, columns, target, weight in blocks:
        probability = expit(np.tensordot(now[columns], rows, axes=1))
        error = weight * (target - probability)
        spread = weight * probability * (1.0 - probability)
        flat = rows.reshape(len(columns), -1)
        gradient[columns] += flat @ error.reshape(-1)
        curvature[np.ix_(columns, columns)] += (flat * spread.reshape(-1)) @ flat.T
    step: Floats = np.linalg.solve(curvature, gradient)
    return now + step
