"""What stays the same while a person plays with lesson 14's ``ListenerLab``: tracks, their map, the agent, the luck."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlrec.agents.baselines import GreedyListening
from rlrec.agents.recommender import Recommender, best_first, item_pool
from rlrec.datasets import FEATURES, Tracks, load_tracks
from rlrec.envs.catalogue import Catalogue, make_catalogue
from rlrec.envs.listeners import LONGEST
from rlrec.errors import ConfigError
from rlrec.types import Floats, Ids, Observations


# -- an agent that starts from nothing -------------------------------------------------------------------
class TasteSoftmax(GreedyListening):
    """Draws songs by the chance that they please: softmax of (z . w + popularity - closeness) / temperature.

    w is ``GreedyListening``'s belief about taste with two changes, so that every press tells it something: a like
    counts as two songs heard, and the average is taken over the person's songs and two imaginary ones, one heard and
    one skipped (else a person who listens to everything, or whose first song this is, would leave w at 0).
    Closeness is ``variety`` times the cosine to the song that just played: two of a kind in a row come less often.

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
        temperature: float = 0.1,  # > 0, in songs heard: small plays the best song alone
        variety: float = 0.1,  # >= 0, songs heard: what is lost by a song of the same direction as the last
        ridge: float = 8.0,
        appeal_weight: float = 0.06,
    ) -> None:
        super().__init__(catalogue, ridge=ridge, appeal_weight=appeal_weight)
        self.temperature, self.variety = temperature, variety

    def belief(self, observations: Observations) -> Floats:
        """What a unit of sound adds to the songs heard, in the posterior's mean: [batch, d]."""
        history, feedback = (
            observations["history"],
            observations["feedback"],
        )  # [batch, n], [batch, n, 3]
        known = history >= 0
        sound = (
            self.catalogue.sound[np.maximum(history, 0)] * known[:, :, None]
        )  # [batch, n, d]
        worth = (
            1.0 + feedback[:, :, 1] - feedback[:, :, 2]
        ) * known  # skip 0, listen 1, like 2
        mean = (worth.sum(axis=1, keepdims=True) + 1.0) / (
            known.sum(axis=1, keepdims=True) + 2.0
        )
        gram = np.einsum("bni,bnj->bij", sound, sound) + self.ridge * np.eye(
            sound.shape[2]
        )
        moment = np.einsum("bni,bn->bi", sound, (worth - mean) * known)
        return np.asarray(
            np.linalg.solve(gram, moment[:, :, None])[:, :, 0], np.float64
        )

    def opinion(self, observations: Observations) -> Floats:
        """Log odds of every song of the catalogue by the belief alone: [batch, songs]."""
        return np.asarray(
            self.belief(observations) @ self.catalogue.sound.T / self.temperature
        )

    def probabilities(self, observations: Observations) -> tuple[Ids, Floats]:
        """The songs on offer [batch, m] and the chance of each."""
        pool, last = (
            item_pool(observations, len(self.catalogue)),
            observations["history"][:, -1],
        )
        scores = np.einsum(
            "bmd,bd->bm", self.catalogue.sound[pool], self.belief(observations)
        )
        scores += self.appeal_weight * self.catalogue.appeal[pool]
        cosine = np.einsum(
            "bmd,bd->bm", self.catalogue.direction[pool], self.catalogue.direction[last]
        )
        scores -= self.variety * np.maximum(cosine, 0.0) * (last >= 0)[:, None]
        return pool, softmax(scores / self.temperature)

    def recommend(self, observations: Observations, k: int = 1) -> Ids:
        """The most probable songs [batch, k], best first."""
        return best_first(*self.probabilities(observations), k)


def softmax(logits: Floats) -> Floats:
    """exp(logits) brought to sum 1 in each row: [batch, m]."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


# -- what stays the same while a person plays ------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Studio:
    """Tracks, their map, the agent, and the luck. Make one with ``make_studio``."""

    tracks: Tracks
    catalogue: Catalogue  # its `sound` [songs, d], each dimension with mean 0 and sd 1, is the map
    agent: Recommender
    seed: int
    offered: int  # songs on offer before each play
    drawn: dict[str, NDArray[Any]] = field(
        default_factory=dict
    )  # what pictures keep between presses

    @cached_property
    def plane(self) -> tuple[int, int]:
        """The two dimensions that the picture shows: those two which one song's sound varies most."""
        first, second = np.argsort(-self._spread.round(6), kind="stable")[:2]
        return int(first), int(second)

    @cached_property
    def _spread(self) -> Floats:
        return np.asarray(self.catalogue.sound.std(axis=0))

    @cached_property
    def places(self) -> Floats:
        """Where songs stand in the picture: [songs, 2] in [0, 1]; the outermost hundredth stands at the border."""
        seen = self.catalogue.sound[:, self.plane]
        low, high = np.quantile(seen, [0.005, 0.995], axis=0)
        return np.asarray(
            0.03
            + 0.94 * np.clip((seen - low) / np.maximum(high - low, 1e-12), 0.0, 1.0)
        )

    @cached_property
    def sounds_like(self) -> tuple[str, str]:
        """For both axes of the picture, the two features that rise (or fall: "less") most along it."""
        sound = self.catalogue.sound[:, self.plane]
        together = (
            self.standard.T
            @ ((sound - sound.mean(axis=0)) / np.maximum(sound.std(axis=0), 1e-12))
            / len(sound)
        )
        names = []
        for column in together.T:
            strongest = np.argsort(-np.abs(column).round(6), kind="stable")[:2]
            names.append(
                ", ".join(
                    f"{'' if column[i] > 0 else 'less '}{FEATURES[i]}"
                    for i in strongest
                )
            )
        return names[0], names[1]

    @cached_property
    def standard(self) -> Floats:
        """The features with mean 0 and sd 1: [songs, 11]."""
        features = self.tracks.features.astype(np.float64)
        spread = features.std(axis=0)
        return np.asarray(
            (features - features.mean(axis=0)) / np.where(spread > 1e-9, spread, np.inf)
        )

    @cached_property
    def slopes(self) -> Floats:
        """[d, songs]: times an opinion about every song gives its slope along each dimension (least squares)."""
        return np.asarray(np.linalg.pinv(self.catalogue.sound))

    @cached_property
    def fallback(self) -> TasteSoftmax:
        """Reads a belief from the reactions where the agent itself shows none."""
        return TasteSoftmax(self.catalogue)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Track id -> row."""
        return {str(name): row for row, name in enumerate(self.tracks.ids)}


def make_studio(
    tracks: Tracks | None = None,
    agent: Recommender | None = None,
    sound: ArrayLike | None = None,
    seed: int = 0,
    offered: int = 10,
) -> Studio:
    """A studio. ``tracks``: the generated ones by default; ``agent``: a ``TasteSoftmax`` by default.

    ``agent`` answers ``recommend(observations, k)``, and ``probabilities(observations) -> (songs, chances)`` if it can.
    ``sound`` [songs, d]: another map than the catalogue's own, such as the latents of a VAE. ``offered``: 2..40 songs,
    drawn afresh before each play. Raises ``ConfigError``.
    """
    if not 2 <= offered <= 40:
        raise ConfigError(f"offered is {offered}; it must lie in [2, 40]")
    tracks = load_tracks("generated") if tracks is None else tracks
    catalogue = (
        make_catalogue(tracks)
        if sound is None
        else _with_map(make_catalogue(tracks), sound)
    )
    if len(tracks) < offered + LONGEST:
        raise ConfigError(
            f"{len(tracks)} tracks; a session of {LONGEST} with {offered} on offer needs more"
        )
    songs = getattr(agent, "songs", None)
    if songs is not None and len(songs) != len(tracks):
        raise ConfigError(
            f"the agent knows {len(songs)} songs, there are {len(tracks)}; pass the tracks it learned"
        )
    return Studio(
        tracks,
        catalogue,
        TasteSoftmax(catalogue) if agent is None else agent,
        seed,
        offered,
    )


def _with_map(catalogue: Catalogue, sound: ArrayLike) -> Catalogue:
    """The catalogue with another map, each dimension brought to mean 0 and sd 1; a dimension that says nothing to 0."""
    points = np.asarray(sound, np.float64)
    if (
        points.ndim != 2
        or len(points) != len(catalogue)
        or points.shape[1] < 2
        or not np.isfinite(points).all()
    ):
        raise ConfigError(
            f"sound is {points.shape}; it must be [{len(catalogue)}, 2 or more], all finite"
        )
    spread = points.std(axis=0)
    points = (points - points.mean(axis=0)) / np.where(spread > 1e-9, spread, np.inf)
    length = np.linalg.norm(points, axis=1, keepdims=True)
    return replace(
        catalogue, sound=points, direction=points / np.maximum(length, 1e-12)
    )


FIGURES: dict[str, Any] = {}  # the pictures are in `listener_picture`
