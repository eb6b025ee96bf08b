"""What stays the same while a person plays with ``ListenerLab``: tracks, map, agent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from rlrec.agents.baselines import GreedyListening
from rlrec.agents.recommender import Recommender, best_first, item_pool
from rlrec.datasets import FEATURES, Tracks, load_tracks
from rlrec.envs.catalogue import Catalogue, make_catalogue
from rlrec.envs.listeners import LONGEST
from rlrec.errors import ConfigError
from rlrec.types import Floats, Ids, Observations

BELIEF = "belief and softmax"  # the widget's own agent


class TasteSoftmax(GreedyListening):
    """Draws songs from a softmax over how much they are expected to please.

        P = softmax((z . w + popularity - closeness) / temperature)

    w is ``GreedyListening``'s belief about taste with two changes, so that every press
    changes it. A like counts as two songs heard. The mean is taken over the person's
    songs and two imaginary ones, one heard and one skipped. Without those, w would stay
    0 for a first song and for a person who listens to everything. Closeness is
    ``variety`` times the cosine to the last song, so similar songs in a row are rarer.

    ``temperature`` > 0, in songs heard: a small one plays the best song alone.
    ``variety`` >= 0, in songs heard.

    >>> agent = TasteSoftmax(make_catalogue(load_tracks("generated")))
    >>> seen = {"position": np.array([[1]]), "history": np.array([[7]])}
    >>> skipped = agent.belief({**seen, "feedback": np.array([[[0.05, 0, 1]]])})[0]
    >>> liked = agent.belief({**seen, "feedback": np.array([[[1.0, 1, 0]]])})[0]
    >>> sound = agent.catalogue.sound[7]
    >>> bool(skipped @ sound < 0 < liked @ sound), (liked / skipped).round(6).tolist()
    (True, [-3.0, -3.0, -3.0, -3.0, -3.0])
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        temperature: float = 0.1,
        variety: float = 0.1,
        ridge: float = 8.0,
        appeal_weight: float = 0.06,
    ) -> None:
        super().__init__(catalogue, ridge=ridge, appeal_weight=appeal_weight)
        self.temperature = temperature
        self.variety = variety

    def belief(self, observations: Observations) -> Floats:
        """Posterior mean of the songs heard per unit of sound: [batch, d]."""
        history = observations["history"]  # [batch, n]
        feedback = observations["feedback"]  # [batch, n, 3]
        known = history >= 0
        sound = self.catalogue.sound[np.maximum(history, 0)]  # [batch, n, d]
        sound = sound * known[:, :, None]
        # skip 0, listen 1, like 2
        worth = (1.0 + feedback[:, :, 1] - feedback[:, :, 2]) * known
        count = known.sum(axis=1, keepdims=True)
        mean = (worth.sum(axis=1, keepdims=True) + 1.0) / (count + 2.0)
        ridge = self.ridge * np.eye(sound.shape[2])
        gram = np.einsum("bni,bnj->bij", sound, sound) + ridge
        moment = np.einsum("bni,bn->bi", sound, (worth - mean) * known)
        weights = np.linalg.solve(gram, moment[:, :, None])[:, :, 0]
        return np.asarray(weights, np.float64)

    def opinion(self, observations: Observations) -> Floats:
        """Log odds of every song of the catalogue by the belief: [batch, songs]."""
        scores = self.belief(observations) @ self.catalogue.sound.T
        return np.asarray(scores / self.temperature)

    def probabilities(self, observations: Observations) -> tuple[Ids, Floats]:
        """The songs on offer [batch, m] and the probability of each."""
        catalogue = self.catalogue
        pool = item_pool(observations, len(catalogue))
        last = observations["history"][:, -1]
        belief = self.belief(observations)
        scores = np.einsum("bmd,bd->bm", catalogue.sound[pool], belief)
        scores += self.appeal_weight * catalogue.appeal[pool]
        direction = catalogue.direction
        cosine = np.einsum("bmd,bd->bm", direction[pool], direction[last])
        scores -= self.variety * np.maximum(cosine, 0.0) * (last >= 0)[:, None]
        return pool, softmax(scores / self.temperature, axis=1)

    def recommend(self, observations: Observations, k: int = 1) -> Ids:
        """The most probable songs [batch, k], best first."""
        return best_first(*self.probabilities(observations), k)


@dataclass(frozen=True, eq=False)
class Studio:
    """Tracks, their map, the agent and the seed. Make one with ``make_studio``."""

    tracks: Tracks
    catalogue: Catalogue  # the map is its `sound` [songs, d], of mean 0 and sd 1
    agent: Recommender
    seed: int
    offered: int  # songs on offer before each play
    name: str = BELIEF  # of the agent, in the widget
    # what pictures keep between presses
    drawn: dict[str, NDArray[Any]] = field(default_factory=dict)

    @cached_property
    def plane(self) -> tuple[int, int]:
        """The two dimensions of the picture: those with the largest spread."""
        spread = self.catalogue.sound.std(axis=0)
        first, second = np.argsort(-spread.round(6), kind="stable")[:2]
        return int(first), int(second)

    @cached_property
    def places(self) -> Floats:
        """Places of songs in the picture: [songs, 2] in [0, 1].

        The outermost hundredth of the songs is put at the border.
        """
        seen = self.catalogue.sound[:, self.plane]
        low, high = np.quantile(seen, [0.005, 0.995], axis=0)
        share = (seen - low) / np.maximum(high - low, 1e-12)
        return np.asarray(0.03 + 0.94 * np.clip(share, 0.0, 1.0))

    @cached_property
    def sounds_like(self) -> tuple[str, str]:
        """For both axes the two features that rise most along it ("less": fall)."""
        sound = self.catalogue.sound[:, self.plane]
        spread = np.maximum(sound.std(axis=0), 1e-12)
        scaled = (sound - sound.mean(axis=0)) / spread
        across, up = (self.standard.T @ scaled / len(sound)).T
        return _strongest(across), _strongest(up)

    @cached_property
    def standard(self) -> Floats:
        """The features with mean 0 and sd 1: [songs, 11]."""
        return _standardised(self.tracks.features.astype(np.float64))

    @cached_property
    def slopes(self) -> Floats:
        """Matrix [d, songs] from log odds of songs to their slopes (least squares)."""
        return np.asarray(np.linalg.pinv(self.catalogue.sound))

    @cached_property
    def fallback(self) -> TasteSoftmax:
        """Reads a belief from the reactions where the agent itself shows none."""
        return TasteSoftmax(self.catalogue)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Track id -> row."""
        return {str(name): row for row, name in enumerate(self.tracks.ids)}


def _strongest(correlations: Floats) -> str:
    """Names of the two features with the largest absolute value in [11]."""
    first, second = np.argsort(-np.abs(correlations).round(6), kind="stable")[:2]
    less = np.where(correlations > 0, "", "less ")
    return f"{less[first]}{FEATURES[first]}, {less[second]}{FEATURES[second]}"


def _standardised(columns: Floats) -> Floats:
    """Columns with mean 0 and sd 1; a constant column becomes 0."""
    spread = columns.std(axis=0)
    scale = np.where(spread > 1e-9, spread, np.inf)
    return np.asarray((columns - columns.mean(axis=0)) / scale)


def make_studio(
    tracks: Tracks | None = None,
    agent: Recommender | None = None,
    sound: ArrayLike | None = None,
    seed: int = 0,
    offered: int = 10,
) -> Studio:
    """Make a studio, by default of the generated tracks and a ``TasteSoftmax``.

    ``agent`` answers ``recommend(observations, k)``, and if it can
    ``probabilities(observations) -> (songs, probabilities)``. ``sound`` [songs, d]
    replaces the catalogue's map, such as by the latents of a VAE. ``offered``: 2..40
    songs, drawn again before each play. Raises ``ConfigError``.
    """
    if not 2 <= offered <= 40:
        raise ConfigError(f"offered is {offered}; it must lie in [2, 40]")
    tracks = load_tracks("generated") if tracks is None else tracks
    count = len(tracks)
    if count < offered + LONGEST:
        raise ConfigError(
            f"{count} tracks; a session of {LONGEST} with {offered} on offer needs more"
        )
    _require_songs(agent, count)
    catalogue = make_catalogue(tracks)
    if sound is not None:
        catalogue = _with_map(catalogue, sound)
    if agent is None:
        agent = TasteSoftmax(catalogue)
    name = BELIEF if isinstance(agent, TasteSoftmax) else type(agent).__name__
    return Studio(tracks, catalogue, agent, seed, offered, name)


def with_agent(studio: Studio, name: str, agent: Recommender) -> Studio:
    """The studio with another agent, called ``name``. Raises ``ConfigError``."""
    _require_songs(agent, len(studio.tracks))
    return replace(studio, agent=agent, name=name)


def _require_songs(agent: Recommender | None, count: int) -> None:
    songs = getattr(agent, "songs", None)
    if songs is not None and len(songs) != count:
        raise ConfigError(
            f"the agent knows {len(songs)} songs, there are {count}; "
            "pass the tracks it learned"
        )


def _with_map(catalogue: Catalogue, sound: ArrayLike) -> Catalogue:
    """The catalogue with another map, each dimension scaled to mean 0 and sd 1."""
    points = np.asarray(sound, np.float64)
    fits = points.ndim == 2 and len(points) == len(catalogue) and points.shape[1] >= 2
    if not fits or not np.isfinite(points).all():
        raise ConfigError(
            f"sound is {points.shape}; "
            f"it must be [{len(catalogue)}, 2 or more], all finite"
        )
    points = _standardised(points)
    length = np.linalg.norm(points, axis=1, keepdims=True)
    direction = points / np.maximum(length, 1e-12)
    return replace(catalogue, sound=points, direction=direction)
