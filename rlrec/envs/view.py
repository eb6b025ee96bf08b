"""What an agent sees of a listener: song ids and feedback turned into a state vector, in NumPy.

The listener is hidden (a POMDP); an observation shows songs and reactions. Four views, from little to much:

- ``"track"``: the song that plays and nothing else, [d + 1]. Taste cannot be read from it.
- ``"last"``: the last n songs, the newest first, each with its feedback: n (d + 4) numbers.
- ``"averages"``: [3 d + 6]: the average song of the last few, of those heard and of those skipped; then fraction, liked
  and skipped of the last song, the shares skipped lately and since the start, and the place in the session.
- ``"belief"``: [6 d + 6]: what the session says of the taste, by ridge regression of each song's Y = (heard, liked, the
  one before heard, 1) on its vector Z, i.e. 5 (Z'Z + 8 I)^-1 Z'Y [d, 4] (the last two columns are what momentum and
  mood explain: a network takes from the first two as much of them as it finds to be right); how unsure each dimension
  still is, the diagonal of 8 (Z'Z + 8 I)^-1, from 1 down to 0; the fading memory of the songs' directions; the last
  six numbers of the averages.

"Lately" weighs a song by .8 for each that came after it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.errors import ConfigError
from rlrec.types import Floats32

LATELY = 0.8  # weight of a song, for each that came after it
LONGEST = 20  # songs in a session, to scale the place
RIDGE = 8.0  # pull of the regressions towards 0, in songs, as greedy's
NEAR_ONE = 5.0  # times their coefficients, so that they are about as large as a network's other inputs


class ListeningView:
    """songs [I, d]; observations of ``rlrec/Listening-v0`` with ``observe="ids"`` -> states [batch, width].

    >>> songs = np.array([[1.0, 0.0], [0.0, 2.0]])
    >>> seen = {"history": np.array([[-1, 0, 1]]), "position": np.array([[2]])}
    >>> seen["feedback"] = np.array([[[0, 0, 0], [1.0, 0, 0], [0.1, 0, 1]]])  # heard the first, skipped the second
    >>> [round(float(one), 2) for one in ListeningView(songs, "averages")(seen)[0]]
    [0.44, 1.11, 1.0, 0.0, 0.0, 2.0, 0.1, 0.0, 1.0, 0.56, 0.5, 0.1]
    """

    def __init__(
        self, songs: NDArray[Any], kind: str = "averages", history: int = 20
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
        self.songs = np.vstack([songs, np.zeros((1, d))]).astype(
            np.float32
        )  # row -1: no song
        self.directions = self.songs / np.maximum(
            np.linalg.norm(self.songs, axis=1, keepdims=True), 1e-6
        )
        self.kind, self.history, self.width = kind, history, widths[kind]
        self.fading = (LATELY ** np.arange(history - 1, -1, -1)).astype(
            np.float32
        )  # ..., .64, .8, 1
        self.ridge = RIDGE * np.eye(d, dtype=np.float32)

    def __call__(self, observations: dict[str, NDArray[Any]]) -> Floats32:
        """States [batch, width] from ``history`` [batch, n], oldest first, -1: none; ``feedback`` [batch, n, 3]."""
        history = observations["history"][:, -self.history :]
        if self.kind == "track":
            return np.column_stack(
                [self.songs[history[:, -1]], history[:, -1] >= 0]
            ).astype(np.float32)
        feedback = observations["feedback"][:, -self.history :]
        if self.kind == "last":
            return self._last(history, feedback)
        known = (history >= 0).astype(np.float32)  # [batch, n]
        skipped = feedback[:, :, 2] * known
        kinds = np.array(
            [known * self.fading[-known.shape[1] :], known - skipped, skipped, known]
        )  # [4, batch, n]
        taste = (
            self._averages(history, kinds)
            if self.kind == "averages"
            else self._belief(history, feedback, kinds)
        )
        parts = (*taste, _mood(feedback, kinds), observations["position"] / LONGEST)
        return np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind")

    def _last(self, history: NDArray[Any], feedback: NDArray[Any]) -> Floats32:
        known = (history >= 0)[:, :, None]
        plays = np.concatenate([self.songs[history], feedback, known], axis=2)[
            :, ::-1
        ]  # [batch, n, d + 4]
        vector = np.zeros((len(history), self.width), np.float32)
        vector[:, : plays.shape[1] * plays.shape[2]] = plays.reshape(len(history), -1)
        return vector

    def _averages(self, history: NDArray[Any], kinds: Floats32) -> tuple[Floats32]:
        """The average song lately, of those heard and of those skipped: [batch, 3 d]. ``kinds``: as for ``_mood``."""
        weights = kinds[:3].swapaxes(0, 1)  # [batch, 3, n]
        averages = (weights @ self.songs[history]) / np.maximum(
            weights.sum(axis=2, keepdims=True), 1e-6
        )
        return (averages.reshape(len(history), -1),)

    def _belief(
        self, history: NDArray[Any], feedback: NDArray[Any], kinds: Floats32
    ) -> tuple[Any, Any, Any]:
        """Taste [batch, 4 d], how unsure [batch, d], memory of directions [batch, d]."""
        lately, heard, _, known = kinds
        songs = self.songs[history]  # [batch, n, d]
        reactions = np.zeros((*heard.shape, 4), np.float32)
        reactions[:, :, 0], reactions[:, :, 1], reactions[:, 1:, 2] = (
            heard,
            feedback[:, :, 1],
            heard[:, :-1],
        )
        reactions[:, :, 3] = known
        turned = songs.transpose(0, 2, 1)
        inverse = np.linalg.inv(turned @ songs + self.ridge)
        taste = NEAR_ONE * (inverse @ (turned @ reactions)).reshape(len(history), -1)
        unsure = RIDGE * inverse.diagonal(axis1=1, axis2=2)
        memory = ((1.0 - LATELY) * lately[:, None, :] @ self.directions[history])[:, 0]
        return taste, unsure, memory


def _mood(feedback: NDArray[Any], kinds: Floats32) -> Floats32:
    """The last feedback and the shares skipped, lately and since the start: [batch, 5].

    ``kinds`` [4, batch, n]: how much each song counts lately, whether it was heard, skipped, known.
    """
    lately, _, skipped, known = kinds
    shares = [
        (skipped * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-6)
        for weight in (lately, known)
    ]
    return np.column_stack([feedback[:, -1], *shares])
