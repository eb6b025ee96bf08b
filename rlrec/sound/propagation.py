"""From the songs that somebody has heard to all the others: rewards spread over a map of songs.

Most songs of a catalogue have no feedback at all. Where songs have places on a map (latents of a VAE, principal
components, any vectors [songs, d]), the reward of the heard ones says something about their neighbours:

    labels = mean_rewards(tracks, rewards)                             # one play a row -> one mean a song
    estimate = ClusterPropagation().estimate(vectors, *labels)         # [songs], a number for every song

``ClusterPropagation``: K-means, then the cluster's mean reward, fading with the distance to its centroid;
``NeighbourPropagation``: the mean of the nearest songs heard; ``RidgePropagation``: a straight line through the map;
``MeanPropagation``: the same number for all, the mark that the others must beat. All means are over *plays*.

Six songs in two clusters of three. Songs 0, 1, 4 and 5 were heard; cluster means .8 and .2, mean of all .5. Song 2
stands at the edge of its cluster (distance 1), so half of the cluster's advantage of .3 is left: .5 + .5 * .3 = .65.

>>> vectors = np.array([[0.0], [1.0], [5.0], [20.0], [22.0], [24.0]])
>>> songs, rewards = np.array([0, 1, 4, 5]), np.array([1.0, 0.6, 0.1, 0.3])
>>> ClusterPropagation(labels_per_cluster=2).estimate(vectors, songs, rewards).round(3).tolist()
[1.0, 0.6, 0.65, 0.35, 0.1, 0.3]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from rlrec.errors import ConfigError, DataError, require_ranges
from rlrec.types import Floats, Ids

Decay = Literal["linear", "exponential", "gaussian"]
Towards = Literal["mean", "zero"]
RESTARTS = 4  # K-means is started so many times, the tightest clusters are kept


class Labels(NamedTuple):
    """Songs with feedback: each once, with the mean reward of its plays."""

    songs: Ids  # [n] ids, ascending
    rewards: Floats  # [n] mean reward of a play
    plays: Floats  # [n] plays that the mean rests on, 1 or more


class Clusters(NamedTuple):
    """Songs put into clusters."""

    of: Ids  # [songs] the cluster of each song
    centroids: Floats  # [clusters, d]
    distance: Floats  # [songs] to the own centroid; the farthest song of a cluster is at 1, a lone one at 0


def mean_rewards(songs: ArrayLike, rewards: ArrayLike) -> Labels:
    """Plays to labels: ``songs`` [plays] ids, ``rewards`` [plays] -> each song once. Raises ``DataError``.

    >>> labels = mean_rewards([7, 3, 7], [1.0, 0.2, 0.5])
    >>> labels.songs.tolist(), labels.rewards.tolist(), labels.plays.tolist()
    ([3, 7], [0.2, 0.75], [1.0, 2.0])
    """
    played, paid = np.asarray(songs), np.asarray(rewards, np.float64)
    if played.shape != paid.shape or played.ndim != 1:
        raise DataError(
            f"songs {played.shape}, rewards {paid.shape}; give one song and one reward a play"
        )
    if not len(played):
        raise DataError("no plays; without feedback there is nothing to propagate")
    ids, place, plays = np.unique(played, return_inverse=True, return_counts=True)
    return Labels(
        ids.astype(np.int64), np.bincount(place, paid) / plays, plays.astype(np.float64)
    )


def find_clusters(vectors: ArrayLike, n_clusters: int, seed: int = 0) -> Clusters:
    """K-means (Lloyd, "Least squares quantization in PCM", 1982) on ``vectors`` [songs, d]; the same bits for a seed.

    Raises ``ConfigError`` for more clusters than different vectors, ``DataError`` for vectors that are no numbers.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    places = _checked_vectors(vectors)
    different = len(np.unique(places, axis=0))
    if not 1 <= n_clusters <= different:
        raise ConfigError(
            f"n_clusters is {n_clusters}; it must lie in 1..{different}, the number of different vectors"
        )
    with threadpool_limits(
        1
    ):  # threads add up in any order, so the last bits would differ
        found = KMeans(n_clusters, n_init=RESTARTS, random_state=seed).fit(places)
    of, centroids = (
        found.labels_.astype(np.int64),
        np.asarray(found.cluster_centers_, np.float64),
    )
    return Clusters(of, centroids, normalised_distance(places, of, centroids))


def normalised_distance(vectors: Floats, of: Ids, centroids: Floats) -> Floats:
    """Distance of each song [songs] to its centroid, as a share of the largest within its cluster: 0..1.

    >>> x = np.array([[0.0], [1.0], [5.0]])
    >>> normalised_distance(x, np.zeros(3, int), np.array([[2.0]])).round(3).tolist()
    [0.667, 0.333, 1.0]
    """
    distance = np.linalg.norm(vectors - centroids[of], axis=1)  # [songs]
    radius = np.zeros(len(centroids))
    np.maximum.at(radius, of, distance)
    return np.asarray(distance / np.where(radius > 0, radius, 1.0)[of])


def decay_weight(
    distance: ArrayLike, shape: Decay = "linear", rate: float = 0.5
) -> Floats:
    """What is left of a cluster's mean at ``distance`` 0..1 from its centroid: 1 at the centroid, falling; 0..1.

    linear max(0, 1 - rate d); exponential exp(-rate d); gaussian exp(-(rate d)^2 / 2). Rate 0: nothing is lost.

    >>> [decay_weight([0, 0.5, 1], shape, 1.0).round(3).tolist() for shape in ("linear", "exponential", "gaussian")]
    [[1.0, 0.5, 0.0], [1.0, 0.607, 0.368], [1.0, 0.882, 0.607]]
    """
    _require_choice("shape", shape, get_args(Decay))
    far = rate * np.asarray(distance, np.float64)
    if shape == "linear":
        return np.asarray(np.maximum(0.0, 1.0 - far))
    return np.asarray(np.exp(-far) if shape == "exponential" else np.exp(-(far**2) / 2))


def blend(estimate: Floats, labels: Labels, shrink: float) -> Floats:
    """``estimate`` [songs] with the songs that have feedback of their own: (plays own + shrink map) / (plays + shrink).

    ``shrink`` is what the map's estimate counts as, in plays. A mean over three plays, shrunk by one:

    >>> blend(np.array([0.4, 0.4]), Labels(np.array([1]), np.array([1.0]), np.array([3.0])), 1.0).round(3).tolist()
    [0.4, 0.85]
    """
    own = 1.0 if shrink == 0 else labels.plays / (labels.plays + shrink)
    mixed = estimate.copy()
    mixed[labels.songs] = own * labels.rewards + (1.0 - own) * estimate[labels.songs]
    return mixed


@dataclass(frozen=True)
class Propagation:
    """What all share: the checks, and what becomes of the songs that have feedback of their own."""

    shrink: float = 0.0  # plays that the map's estimate counts as, beside a song's own; 0: own mean kept; inf: forgotten

    def __post_init__(self) -> None:
        require_ranges(self, [("shrink", 0.0, np.inf)])

    def estimate(
        self,
        vectors: ArrayLike,
        songs: ArrayLike,
        rewards: ArrayLike,
        plays: ArrayLike | None = None,
    ) -> Floats:
        """The expected reward of every song [songs], in the unit of ``rewards``.

        vectors [songs, d], axes on scales that may be compared; songs [n]: ids (rows of ``vectors``) with feedback,
        each once; rewards [n]: their mean rewards; plays [n]: how many plays each mean rests on (1 by default).
        Songs with feedback: see ``blend``.
        Raises ``DataError``: no labels, a song twice, unknown ids, a number that is none; ``ConfigError``: settings.
        """
        places = _checked_vectors(vectors)
        labels = _checked_labels(songs, rewards, plays, len(places))
        return blend(self._guess(places, labels), labels, self.shrink)

    def _guess(self, vectors: Floats, labels: Labels) -> Floats:
        raise NotImplementedError


@dataclass(frozen=True)
class MeanPropagation(Propagation):
    """The mean reward of all plays for every song: no map at all, the mark to beat."""

    def _guess(self, vectors: Floats, labels: Labels) -> Floats:
        return np.full(len(vectors), _mean(labels))


@dataclass(frozen=True)
class ClusterPropagation(Propagation):
    """A cluster's mean reward, fading with the distance to its centroid.

        estimate = base + w(d) (mean of the cluster - base)

    d: distance to the centroid, 1 for the cluster's farthest song; w: ``decay_weight``; base: the mean of all plays,
    or 0. Fading to the mean says "far from the centroid I know less"; fading to 0 says "far songs are worth nothing",
    which is a claim, and one that depends on where the reward has its zero. A cluster without feedback gets the base.
    """

    labels_per_cluster: float = (
        4.0  # songs with feedback a cluster, on average; above 0
    )
    decay: Decay = "linear"
    rate: float = 0.5  # how fast it fades, 0 (not at all) or more
    towards: Towards = "mean"  # what it fades to: the mean of all plays, or "zero"
    n_clusters: int | None = (
        None  # 1 or more; None: as many as labels_per_cluster asks for
    )
    seed: int = 0  # of K-means

    def __post_init__(self) -> None:
        super().__post_init__()
        require_ranges(
            self, [("labels_per_cluster", 1e-9, np.inf), ("rate", 0.0, np.inf)]
        )
        _require_choice("decay", self.decay, get_args(Decay))
        _require_choice("towards", self.towards, get_args(Towards))

    def count(self, n_labels: int, n_different: int) -> int:
        """How many clusters for ``n_labels`` songs with feedback, at most one for each different vector."""
        if self.n_clusters is not None:
            return self.n_clusters
        return min(max(1, round(n_labels / self.labels_per_cluster)), n_different)

    def _guess(self, vectors: Floats, labels: Labels) -> Floats:
        number = self.count(len(labels.songs), len(np.unique(vectors, axis=0)))
        return self.spread(find_clusters(vectors, number, self.seed), labels)

    def spread(self, clusters: Clusters, labels: Labels) -> Floats:
        """The estimate [songs] from clusters already found; songs with feedback are treated like the others."""
        base = _mean(labels) if self.towards == "mean" else 0.0
        where, n_clusters = clusters.of[labels.songs], len(clusters.centroids)
        plays = np.bincount(where, labels.plays, n_clusters)  # [clusters]
        total = np.bincount(where, labels.plays * labels.rewards, n_clusters)
        means = np.where(plays > 0, total / np.maximum(plays, 1e-300), base)
        weight = decay_weight(clusters.distance, self.decay, self.rate)
        return np.asarray(base + weight * (means[clusters.of] - base))


@dataclass(frozen=True)
class NeighbourPropagation(Propagation):
    """The mean reward of the nearest songs with feedback (k nearest neighbours), each counted with its plays."""

    neighbours: int = 10  # 1 or more; all songs with feedback if there are fewer

    def __post_init__(self) -> None:
        super().__post_init__()
        require_ranges(self, [("neighbours", 1, np.inf)])

    def _guess(self, vectors: Floats, labels: Labels) -> Floats:
        from sklearn.neighbors import NearestNeighbors

        k = min(self.neighbours, len(labels.songs))
        search = NearestNeighbors(n_neighbors=k).fit(vectors[labels.songs])
        near = search.kneighbors(
            vectors, return_distance=False
        )  # [songs, k] places in labels
        return np.asarray(
            np.average(labels.rewards[near], axis=1, weights=labels.plays[near])
        )


@dataclass(frozen=True)
class RidgePropagation(Propagation):
    """A straight line through the map, its slopes held down by ``penalty`` (ridge regression); axes standardised."""

    penalty: float = (
        10.0  # plays' worth of pull toward slope 0; 0 (least squares) or more
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require_ranges(self, [("penalty", 0.0, np.inf)])

    def _guess(self, vectors: Floats, labels: Labels) -> Floats:
        from sklearn.linear_model import Ridge

        spread = vectors.std(axis=0)
        axes = (vectors - vectors.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        line = Ridge(alpha=self.penalty).fit(
            axes[labels.songs], labels.rewards, sample_weight=labels.plays
        )
        return np.asarray(line.predict(axes), np.float64)


def _mean(labels: Labels) -> float:
    return float(np.average(labels.rewards, weights=labels.plays))


def _require_choice(name: str, value: str, allowed: tuple[Any, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} is {value!r}; choose one of {', '.join(allowed)}")


def _checked_vectors(vectors: ArrayLike) -> Floats:
    places = np.asarray(vectors, np.float64)
    if places.ndim != 2 or not places.size:
        raise DataError(
            f"vectors have shape {places.shape}; give one row a song, [songs, dimensions]"
        )
    if not np.isfinite(places).all():
        row = int(np.argwhere(~np.isfinite(places))[0, 0])
        raise DataError(
            f"vector of song {row} holds {places[row].tolist()}; every entry must be a finite number"
        )
    return places


def _checked_labels(
    songs: ArrayLike, rewards: ArrayLike, plays: ArrayLike | None, n_songs: int
) -> Labels:
    ids, paid = np.asarray(songs), np.asarray(rewards, np.float64)
    counts = np.ones(paid.shape) if plays is None else np.asarray(plays, np.float64)
    if ids.ndim != 1 or ids.shape != paid.shape or counts.shape != paid.shape:
        raise DataError(
            f"songs {ids.shape}, rewards {paid.shape}, plays {counts.shape}; all must be [n]"
        )
    if not len(ids):
        raise DataError("no song has feedback; propagation needs at least one label")
    if ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= n_songs:
        raise DataError(
            f"songs must be ids 0..{n_songs - 1}, the rows of vectors; got {ids.min()}..{ids.max()}"
        )
    if len(np.unique(ids)) < len(ids):
        raise DataError(
            "a song stands twice among the labels; `mean_rewards` makes one label a song"
        )
    if not np.isfinite(paid).all():
        raise DataError(
            f"the reward of song {ids[~np.isfinite(paid)][0]} is no finite number; leave the song out"
        )
    if not (np.isfinite(counts) & (counts > 0)).all():
        raise DataError(
            f"plays must be above 0; song {ids[~(counts > 0)][:1].tolist()} was not played: leave it out"
        )
    return Labels(ids.astype(np.int64), paid, counts)


PROPAGATIONS: dict[str, Propagation] = {
    "mean": MeanPropagation(),
    "clusters": ClusterPropagation(),
    "neighbours": NeighbourPropagation(),
    "ridge": RidgePropagation(),
}
