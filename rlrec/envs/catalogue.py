"""The songs that can be played: their features, and the map of sound listeners like."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlrec.errors import ConfigError
from rlrec.types import Floats, Floats32

if TYPE_CHECKING:
    from rlrec.datasets import Tracks

SOUND_DIMENSIONS = 5
NOT_TASTE = (2, 4)  # key and mode: nobody picks a song by its key


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Songs as arrays; a song's id is its row.

    ``features`` [songs, 11] in [0, 1]; ``sound`` [songs, 5]: the first principal
    components of the standardised features (all but key and mode), whitened (mean 0,
    variance 1); ``direction`` [songs, 5]: ``sound`` at length 1; ``appeal`` [songs]:
    standard normal scores of popularity (0 where unknown); ``titles`` [songs].
    """

    features: Floats32
    sound: Floats
    direction: Floats
    appeal: Floats
    titles: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.features)


def make_catalogue(tracks: Tracks) -> Catalogue:
    """The catalogue of a set of tracks.

    Raises ``ConfigError`` for fewer tracks than the map has dimensions.
    """
    if len(tracks) <= SOUND_DIMENSIONS:
        raise ConfigError(
            f"{len(tracks)} tracks; a catalogue needs more than {SOUND_DIMENSIONS}"
        )
    titles = []
    for title, artist in zip(tracks.titles, tracks.artists, strict=True):
        titles.append(f"{title} ({artist})" if artist else title)
    sound = _sound_map(tracks.features)
    return Catalogue(
        tracks.features,
        sound,
        unit_vectors(sound),
        _normal_scores(tracks.popularity),
        np.array(titles),
    )


@lru_cache(maxsize=1)
def default_catalogue() -> Catalogue:
    """The 2,000 generated tracks that ship with the project."""
    from rlrec.datasets import load_tracks

    return make_catalogue(load_tracks("generated"))


def unit_vectors(vectors: NDArray[Any]) -> NDArray[Any]:
    """``vectors`` [n, d] scaled to length 1; a row of zeros stays as it is.

    >>> unit_vectors(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: NDArray[Any] = vectors / np.maximum(length, 1e-12)
    return units


def _sound_map(features: Floats32) -> Floats:
    """Whitened principal components [songs, 5].

    The sign of a component makes its largest loading positive.
    """
    used = np.delete(features.astype(np.float64), NOT_TASTE, axis=1)
    spread = used.std(axis=0)
    spread[spread == 0.0] = 1.0
    standard = (used - used.mean(axis=0)) / spread
    _, _, axes = np.linalg.svd(standard, full_matrices=False)
    axes = axes[:SOUND_DIMENSIONS]
    largest = np.abs(axes).argmax(axis=1)
    loadings = np.take_along_axis(axes, largest[:, None], axis=1)
    signed = axes * np.sign(loadings)
    scores = standard @ signed.T
    whitened: Floats = scores / np.maximum(scores.std(axis=0), 1e-12)
    return whitened


def _normal_scores(popularity: Floats) -> Floats:
    """Normal quantiles of the ranks; unknown popularity counts as the middle."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    if not np.isfinite(popularity).any():
        return np.zeros(len(popularity))
    middle = np.nanmedian(popularity)
    known = np.where(np.isfinite(popularity), popularity, middle)
    shares = (rankdata(known) - 0.5) / len(known)
    scores: Floats = ndtri(shares)
    return scores
