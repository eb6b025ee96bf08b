"""State vectors of a session in ``rlrec/Listening-v0``, from song ids and feedback.

The listener is hidden (a POMDP); an observation shows songs and reactions. There are
four views, from little to much; d is the width of a song's vector:

- ``"track"`` [d + 1]: the song that plays and nothing else. It does not reveal taste.
- ``"last"`` [n (d + 4)]: the last n songs, the newest first, each with its feedback.
- ``"averages"`` [3 d + 6]: the average song of the last few, of those heard and of
  those skipped; then fraction, liked and skipped of the last song, the shares skipped
  lately and since the start, and the position in the session.
- ``"belief"`` [6 d + 6]: what the session says about the taste. It holds

  - 5 (Z'Z + 8 I)^-1 Z'Y [d, 4]: ridge regression of Y = (heard, liked, the song before
    was heard, 1) on the song vectors Z, without an intercept (the prior is no taste).
    The last two columns are what momentum and mood explain, which a network can
    subtract from the first two;
  - the diagonal of 8 (Z'Z + 8 I)^-1 [d]: how uncertain each dimension still is, from 1
    down to 0;
  - the fading memory of the songs' directions [d];
  - the last six numbers of the averages.

"Lately" weights a song by .8 for each that came after it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.envs.catalogue import unit_vectors
from rlrec.envs.listeners import LONGEST
from rlrec.errors import ConfigError, require_ids
from rlrec.types import Floats32, Ids, Observations

LATELY = 0.8  # weight of a song, for each that came after it
RIDGE = 8.0  # penalty of the regressions, in songs, as greedy's
NEAR_ONE = 5.0  # brings their coefficients to the size of a network's other inputs


class ListeningView:
    """Turns observations with ``observe="ids"`` into states [batch, width].

    ``songs`` [I, d]: song vectors; ``kind``: one of the views above; ``history``: how
    many songs count. Raises ``ConfigError`` for another ``kind``.

    >>> songs = np.array([[1.0, 0.0], [0.0, 2.0]])
    >>> seen = {"history": np.array([[-1, 0, 1]]), "position": np.array([[2]])}
    >>> seen["feedback"] = np.zeros((1, 3, 3))
    >>> seen["feedback"][0, 1] = [1.0, 0, 0]  # heard the first
    >>> seen["feedback"][0, 2] = [0.1, 0, 1]  # skipped the second
    >>> [round(float(one), 2) for one in ListeningView(songs, "averages")(seen)[0]]
    [0.44, 1.11, 1.0, 0.0, 0.0, 2.0, 0.1, 0.0, 1.0, 0.56, 0.5, 0.1]
    """

    def __init__(
        self,
        songs: NDArray[Any],
        kind: str = "averages",
        history: int = 20,
    ) -> None:
        d = songs.shape[1]
        widths = {
            "track": d + 1,
            "last": history * (d + 4),
            "averages": 3 * d + 6,
            "belief": 6 * d + 6,
        }
        if kind not in widths:
            raise ConfigError(f"state is {kind!r}; choose one of {', '.join(widths)}")
        self.kind = kind
        self.history = history
        self.width = widths[kind]
        # row -1: no song
        with_none = np.vstack([songs, np.zeros((1, d))])
        self.songs = with_none.astype(np.float32)
        self.directions = unit_vectors(self.songs)
        ages = np.arange(history - 1, -1, -1)
        self.fading = (LATELY**ages).astype(np.float32)  # ..., .64, .8, 1
        self.ridge = RIDGE * np.eye(d, dtype=np.float32)

    def __call__(self, observations: Observations) -> Floats32:
        """States [batch, width].

        ``history`` [batch, n]: song ids, oldest first, -1: none; ``feedback``
        [batch, n, 3]; ``position`` [batch, 1]. Raises ``ConfigError`` for another id.
        """
        history = observations["history"][:, -self.history :]
        require_ids("history", history, len(self.songs) - 1)
        if self.kind == "track":
            song = history[:, -1]
            track = np.column_stack([self.songs[song], song >= 0])
            return track.astype(np.float32)
        feedback = observations["feedback"][:, -self.history :]
        if self.kind == "last":
            return self._last(history, feedback)
        known = (history >= 0).astype(np.float32)  # [batch, n]
        skipped = feedback[:, :, 2] * known
        lately = known * self.fading[-known.shape[1] :]
        weights = np.array([lately, known - skipped, skipped, known])  # [4, batch, n]
        if self.kind == "averages":
            taste = self._averages(history, weights)
        else:
            taste = self._belief(history, feedback, weights)
        mood = _mood(feedback, weights)
        position = observations["position"] / LONGEST
        parts = (taste, mood, position)
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def _last(self, history: Ids, feedback: Floats32) -> Floats32:
        """Song, feedback and 1 for each play, the newest first: [batch, width]."""
        known = (history >= 0)[:, :, None]
        plays = np.concatenate([self.songs[history], feedback, known], axis=2)
        flat = plays[:, ::-1].reshape(len(history), -1)  # [batch, n (d + 4)]
        vector = np.zeros((len(history), self.width), np.float32)
        vector[:, : flat.shape[1]] = flat
        return vector

    def _averages(self, history: Ids, weights: Floats32) -> Floats32:
        """The average song lately, of those heard and of those skipped: [batch, 3 d].

        ``weights`` [4, batch, n]: see `_mood`.
        """
        weight = weights[:3].swapaxes(0, 1)  # [batch, 3, n]
        total = np.maximum(weight.sum(axis=2, keepdims=True), 1e-6)
        averages: Floats32 = (weight @ self.songs[history]) / total
        return averages.reshape(len(history), -1)

    def _belief(
        self,
        history: Ids,
        feedback: Floats32,
        weights: Floats32,
    ) -> Floats32:
        """Taste [4 d], uncertainty [d] and memory [d] of each row: [batch, 6 d]."""
        lately, heard, _, known = weights
        songs = self.songs[history]  # [batch, n, d]
        reactions = np.zeros((*heard.shape, 4), np.float32)
        reactions[:, :, 0] = heard
        reactions[:, :, 1] = feedback[:, :, 1]
        reactions[:, 1:, 2] = heard[:, :-1]
        reactions[:, :, 3] = known
        turned = songs.transpose(0, 2, 1)
        inverse = np.linalg.inv(turned @ songs + self.ridge)
        coefficients = inverse @ (turned @ reactions)  # [batch, d, 4]
        taste = NEAR_ONE * coefficients.reshape(len(history), -1)
        uncertainty = RIDGE * inverse.diagonal(axis1=1, axis2=2)
        weights = (1.0 - LATELY) * lately[:, None, :]  # [batch, 1, n]
        memory = (weights @ self.directions[history])[:, 0]
        return np.concatenate([taste, uncertainty, memory], axis=1)


def _mood(feedback: Floats32, weights: Floats32) -> Floats32:
    """The last feedback and the shares skipped, lately and since the start: [batch, 5].

    ``weights`` [4, batch, n]: a song's weight lately, and whether it was heard,
    skipped, known.
    """
    lately, _, skipped, known = weights
    skipped_lately = _share(skipped, lately)
    skipped_so_far = _share(skipped, known)
    return np.column_stack([feedback[:, -1], skipped_lately, skipped_so_far])


def _share(part: Floats32, weight: Floats32) -> Floats32:
    """The weighted mean of ``part`` [batch, n]: [batch]; 0 without any weight."""
    total = np.maximum(weight.sum(axis=1), 1e-6)
    return np.asarray((part * weight).sum(axis=1) / total)
