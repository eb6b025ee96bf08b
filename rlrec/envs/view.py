"""What an agent sees of a listener: song ids and feedback turned into a state vector, in NumPy.

The listener is hidden (a POMDP); an observation shows songs and reactions. Three views, from little to much:

- ``"track"``: the song that plays and nothing else, [d + 1]. Taste cannot be read from it.
- ``"last"``: the last n songs, the newest first, each with its feedback: n (d + 4) numbers.
- ``"averages"``: [3 d + 6]: the average song of the last few, of those heard and of those skipped; then fraction, liked
  and skipped of the last song, the shares skipped lately and since the start, and the place in the session.

"Lately" weighs a song by .8 for each that came after it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.errors import ConfigError

Floats = NDArray[np.float32]
LATELY = 0.8  # weight of a song, for each that came after it
LONGEST = 20.0  # songs in a session, to scale the place


class ListeningView:
    """songs [I, d]; observations of ``rlrec/Listening-v0`` with ``observe="ids"`` -> states [batch, width].

    >>> songs = np.array([[1.0, 0.0], [0.0, 2.0]])
    >>> seen = {"history": np.array([[-1, 0, 1]]), "position": np.array([[2]])}
    >>> seen["feedback"] = np.array([[[0, 0, 0], [1.0, 0, 0], [0.1, 0, 1]]])  # heard the first, skipped the second
    >>> [round(float(one), 2) for one in ListeningView(songs, "averages")(seen)[0]]
    [0.44, 1.11, 1.0, 0.0, 0.0, 2.0, 0.1, 0.0, 1.0, 0.56, 0.5, 0.1]
    """

    def __init__(self, songs: NDArray[Any], kind: str = "averages", history: int = 20) -> None:
        widths = {"track": 1, "last": history, "averages": 3}
        if kind not in widths:
            raise ConfigError(f"state is {kind!r}; choose one of {', '.join(widths)}")
        self.songs = np.vstack([songs, np.zeros((1, songs.shape[1]))]).astype(np.float32)  # row -1: no song
        self.kind, self.history = kind, history
        d = songs.shape[1]
        self.width = {"track": d + 1, "last": history * (d + 4), "averages": 3 * d + 6}[kind]

    def __call__(self, observations: dict[str, NDArray[Any]]) -> Floats:
        """States [batch, width] from ``history`` [batch, n], oldest first, -1: none; ``feedback`` [batch, n, 3]."""
        history = observations["history"][:, -self.history :]
        if self.kind == "track":
            return np.column_stack([self.songs[history[:, -1]], history[:, -1] >= 0]).astype(np.float32)
        feedback = observations["feedback"][:, -self.history :]
        if self.kind == "last":
            return self._last(history, feedback)
        return self._averages(history, feedback, observations["position"])

    def _last(self, history: NDArray[Any], feedback: NDArray[Any]) -> Floats:
        known = (history >= 0)[:, :, None]
        plays = np.concatenate([self.songs[history], feedback, known], axis=2)[:, ::-1]  # [batch, n, d + 4]
        vector = np.zeros((len(history), self.width), np.float32)
        vector[:, : plays.shape[1] * plays.shape[2]] = plays.reshape(len(history), -1)
        return vector

    def _averages(self, history: NDArray[Any], feedback: NDArray[Any], position: NDArray[Any]) -> Floats:
        known = (history >= 0).astype(np.float32)  # [batch, n]
        skipped = feedback[:, :, 2] * known
        lately = known * _fading(history.shape[1])
        weights = np.stack([lately, known - skipped, skipped], axis=1)  # [batch, 3, n]
        total = weights.sum(axis=2, keepdims=True)
        averages = (weights @ self.songs[history]) / np.maximum(total, 1e-6)  # [batch, 3, d]
        shares = (skipped[:, None, :] @ np.stack([lately, known], axis=2))[:, 0]  # [batch, 2]
        shares = shares / np.maximum(np.stack([total[:, 0, 0], known.sum(axis=1)], axis=1), 1e-6)
        parts = (averages.reshape(len(history), -1), feedback[:, -1], shares, position / LONGEST)
        return np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind")


def _fading(n: int) -> Floats:
    """Weights [n] that grow towards the newest: ..., .64, .8, 1."""
    return (LATELY ** np.arange(n - 1, -1, -1)).astype(np.float32)
