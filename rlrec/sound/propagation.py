"""Reward propagation: estimate the reward of unheard songs from the heard ones.

Most songs of a catalogue have no feedback. Songs have vectors [songs, d], such as
latents of a VAE or principal components, so the rewards of heard songs say something
about their neighbours:

    labels = mean_rewards(tracks, rewards)   # one play a row -> one mean a song
    estimate = ClusterPropagation().estimate(vectors, *labels)  # [songs]

``ClusterPropagation``: K-means, then the cluster's mean reward, which decays with the
distance to the centroid; ``NeighbourPropagation``: the mean of the nearest heard songs;
``RidgePropagation``: linear regression on the vectors; ``MeanPropagation``: the same
number for every song, the baseline. All means are over *plays*.

Six songs in two clusters of three. Songs 0, 1, 4 and 5 were heard. The cluster means
are .8 and .2, the overall mean is .5. Song 2 is the farthest of its cluster (distance
1), so half of the cluster's advantage of .3 is left: .5 + .5 * .3 = .65.

>>> vectors = np.array([[0.0], [1.0], [5.0], [20.0], [22.0], [24.0]])
>>> songs, rewards = np.array([0, 1, 4, 5]), np.array([1.0, 0.6, 0.1, 0.3])
>>> propagation = ClusterPropagation(labels_per_cluster=2)
>>> propagation.estimate(vectors, songs, rewards).round(3).tolist()
[1.0, 0.6, 0.65, 0.35, 0.1, 0.3]
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from rlrec.errors import ConfigError, DataError, require_choice, require_ranges
from rlrec.types import Floats, Ids

Decay = Literal["linear", "exponential", "gaussian"]
Towards = Literal["mean", "zero"]
RESTARTS = 4  # K-means is started so many times, the tightest clusters are kept


class Labels(NamedTuple):
    """Songs with feedback: each once, with the mean reward of its plays."""

    songs: Ids  # [n] ids, ascending
    rewards: Floats  # [n] mean reward of a play
    plays: Floats  # [n] plays behind each mean, above 0


class Clusters(NamedTuple):
    """Songs assigned to clusters."""

    assignment: Ids  # [songs] the cluster of each song
    centroids: Floats  # [clusters, d]
    distance: Floats  # [songs] to the centroid, 0..1, see ``normalised_distance``


def mean_rewards(songs: ArrayLike, rewards: ArrayLike) -> Labels:
    """Average the rewards of each song's plays. Raises ``DataError``.

    songs [plays]: ids; rewards [plays].

    >>> labels = mean_rewards([7, 3, 7], [1.0, 0.2, 0.5])
    >>> labels.songs.tolist(), labels.rewards.tolist(), labels.plays.tolist()
    ([3, 7], [0.2, 0.75], [1.0, 2.0])
    """
    played = np.asarray(songs)
    reward = np.asarray(rewards, np.float64)
    if played.shape != reward.shape or played.ndim != 1:
        raise DataError(
            f"songs {played.shape}, rewards {reward.shape}; "
            "give one song and one reward a play"
        )
    if not len(played):
        raise DataError("no plays; without feedback there is nothing to propagate")
    ids, place, plays = np.unique(played, return_inverse=True, return_counts=True)
    means = np.bincount(place, reward) / plays
    return Labels(ids.astype(np.int64), means, plays.astype(np.float64))


def find_clusters(vectors: ArrayLike, n_clusters: int, seed: int = 0) -> Clusters:
    """Cluster ``vectors`` [songs, d] by K-means; bit-identical for the same seed.

    Raises ``ConfigError`` for more clusters than different vectors, ``DataError`` for
    bad vectors. Lloyd, "Least squares quantization in PCM" (1982).
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    points = _checked_vectors(vectors)
    different = len(np.unique(points, axis=0))
    if not 1 <= n_clusters <= different:
        raise ConfigError(
            f"n_clusters is {n_clusters}; it must lie in 1..{different}, "
            "the number of different vectors"
        )
    with threadpool_limits(1):  # several threads would sum in any order
        found = KMeans(n_clusters, n_init=RESTARTS, random_state=seed).fit(points)
    assignment = found.labels_.astype(np.int64)
    centroids = np.asarray(found.cluster_centers_, np.float64)
    distance = normalised_distance(points, assignment, centroids)
    return Clusters(assignment, centroids, distance)


def normalised_distance(vectors: Floats, assignment: Ids, centroids: Floats) -> Floats:
    """Distance of each song [songs] to its centroid, 1 for the farthest of a cluster.

    vectors [songs, d], assignment [songs], centroids [clusters, d]. A song alone in its
    cluster is at 0.

    >>> x = np.array([[0.0], [1.0], [5.0]])
    >>> normalised_distance(x, np.zeros(3, int), np.array([[2.0]])).round(3).tolist()
    [0.667, 0.333, 1.0]
    """
    distance = np.linalg.norm(vectors - centroids[assignment], axis=1)  # [songs]
    radius = np.zeros(len(centroids))
    np.maximum.at(radius, assignment, distance)
    return np.asarray(distance / np.where(radius > 0, radius, 1.0)[assignment])


def decay_weight(
    distance: ArrayLike, shape: Decay = "linear", rate: float = 0.5
) -> Floats:
    """The weight 0..1 of a cluster's mean at ``distance`` 0..1 from its centroid.

    linear max(0, 1 - rate d); exponential exp(-rate d); gaussian exp(-(rate d)^2 / 2).
    The weight is 1 at the centroid and, at rate 0, everywhere.

    >>> for shape in ("linear", "exponential", "gaussian"):
    ...     print(decay_weight([0, 0.5, 1], shape, 1.0).round(3).tolist())
    [1.0, 0.5, 0.0]
    [1.0, 0.607, 0.368]
    [1.0, 0.882, 0.607]
    """
    if shape not in get_args(Decay):
        raise ConfigError(f"shape is {shape!r}; choose one of {get_args(Decay)}")
    far = rate * np.asarray(distance, np.float64)
    if shape == "linear":
        return np.asarray(np.maximum(0.0, 1.0 - far))
    return np.asarray(np.exp(-far) if shape == "exponential" else np.exp(-(far**2) / 2))


def blend(estimate: Floats, labels: Labels, shrink: float) -> Floats:
    """Replace the estimates [songs] of heard songs by a weighted mean with their own.

    (plays x own mean + shrink x estimate) / (plays + shrink). ``shrink`` >= 0: plays
    that the estimate counts as. A mean over three plays, shrunk by one:

    >>> labels = Labels(np.array([1]), np.array([1.0]), np.array([3.0]))
    >>> blend(np.array([0.4, 0.4]), labels, 1.0).round(3).tolist()
    [0.4, 0.85]
    """
    own = 1.0 if shrink == 0 else labels.plays / (labels.plays + shrink)
    mixed = estimate.copy()
    mixed[labels.songs] = own * labels.rewards + (1.0 - own) * estimate[labels.songs]
    return mixed


@dataclass(frozen=True)
class Propagation:
    """The base class: checks, and the estimates of heard songs.

    Subclasses implement ``_estimate``.
    """

    # >= 0: plays that the estimate counts as beside a song's own; 0: only the song's
    # own mean counts; inf: it does not count
    shrink: float = 0.0

    def __post_init__(self) -> None:
        require_ranges(self, [("shrink", 0.0, math.inf)])

    def estimate(
        self,
        vectors: ArrayLike,
        songs: ArrayLike,
        rewards: ArrayLike,
        plays: ArrayLike | None = None,
    ) -> Floats:
        """Estimate the expected reward of every song [songs], in units of ``rewards``.

        vectors [songs, d], on comparable scales; songs [n]: ids (rows of ``vectors``)
        of the heard songs, each once; rewards [n]: their mean rewards; plays [n]: the
        plays behind each mean (1 by default). For the heard songs see ``blend``.
        Raises ``DataError`` for bad arguments, ``ConfigError`` for bad settings.
        """
        points = _checked_vectors(vectors)
        labels = _checked_labels(songs, rewards, plays, len(points))
        return blend(self._estimate(points, labels), labels, self.shrink)

    def _estimate(self, vectors: Floats, labels: Labels) -> Floats:
        raise NotImplementedError


@dataclass(frozen=True)
class MeanPropagation(Propagation):
    """The mean reward of all plays for every song: the baseline without vectors."""

    def _estimate(self, vectors: Floats, labels: Labels) -> Floats:
        return np.full(len(vectors), _mean(labels))


@dataclass(frozen=True)
class ClusterPropagation(Propagation):
    """A cluster's mean reward, decaying with the distance to its centroid.

        estimate = base + w(d) (mean of the cluster - base)

    d: ``normalised_distance``; w: ``decay_weight``; base: the mean of all plays, or 0.
    Decay to the mean assumes that a cluster says less about songs far from its
    centroid. Decay to 0 assumes that far songs are worth nothing, which depends on
    where the reward has its zero. A cluster without feedback gets the base.
    """

    labels_per_cluster: float = 4.0  # > 0: heard songs in a cluster, on average
    decay: Decay = "linear"
    rate: float = 0.5  # >= 0: how fast the weight decays; 0: not at all
    towards: Towards = "mean"  # the base: the mean of all plays, or "zero"
    n_clusters: int | None = None  # 1..; None: by labels_per_cluster
    seed: int = 0  # of K-means

    def __post_init__(self) -> None:
        super().__post_init__()
        require_ranges(
            self, [("labels_per_cluster", 1e-9, math.inf), ("rate", 0.0, math.inf)]
        )
        require_choice(self, "decay", get_args(Decay))
        require_choice(self, "towards", get_args(Towards))

    def count(self, labels: int, different: int) -> int:
        """The number of clusters for ``labels`` heard songs, at most ``different``.

        ``different``: the number of different vectors.
        """
        if self.n_clusters is not None:
            return self.n_clusters
        return min(max(1, round(labels / self.labels_per_cluster)), different)

    def _estimate(self, vectors: Floats, labels: Labels) -> Floats:
        number = self.count(len(labels.songs), len(np.unique(vectors, axis=0)))
        return self.spread(find_clusters(vectors, number, self.seed), labels)

    def spread(self, clusters: Clusters, labels: Labels) -> Floats:
        """The estimate [songs] from ``clusters``, for heard songs as for all others."""
        base = _mean(labels) if self.towards == "mean" else 0.0
        heard = clusters.assignment[labels.songs]  # [n]
        count = len(clusters.centroids)
        plays = np.bincount(heard, labels.plays, count)  # [clusters]
        total = np.bincount(heard, labels.plays * labels.rewards, count)
        means = np.where(plays > 0, total / np.maximum(plays, 1e-300), base)
        weight = decay_weight(clusters.distance, self.decay, self.rate)
        return base + weight * (means[clusters.assignment] - base)


@dataclass(frozen=True)
class NeighbourPropagation(Propagation):
    """The mean reward of the k nearest heard songs, weighted by their plays."""

    neighbours: int = 10  # 1..: k; all heard songs if there are fewer

    def __post_init__(self) -> None:
        super().__post_init__()
        require_ranges(self, [("neighbours", 1, math.inf)])

    def _estimate(self, vectors: Floats, labels: Labels) -> Floats:
        from sklearn.neighbors import NearestNeighbors

        k = min(self.neighbours, len(labels.songs))
        search = NearestNeighbors(n_neighbors=k).fit(vectors[labels.songs])
        near = search.kneighbors(vectors, return_distance=False)  # [songs, k]
        rewards = labels.rewards[near]
        return np.average(rewards, axis=1, weights=labels.plays[near])


@dataclass(frozen=True)
class RidgePropagation(Propagation):
    """Ridge regression of the rewards on standardised vectors, weighted by plays."""

    penalty: float = 10.0  # >= 0, plays: shrinks the slopes; 0: least squares

    def __post_init__(self) -> None:
        super().__post_init__()
        require_ranges(self, [("penalty", 0.0, math.inf)])

    def _estimate(self, vectors: Floats, labels: Labels) -> Floats:
        from sklearn.linear_model import Ridge

        spread = vectors.std(axis=0)
        axes = (vectors - vectors.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        model = Ridge(alpha=self.penalty)
        model.fit(axes[labels.songs], labels.rewards, sample_weight=labels.plays)
        return np.asarray(model.predict(axes), np.float64)


def _mean(labels: Labels) -> float:
    return float(np.average(labels.rewards, weights=labels.plays))


def _checked_vectors(vectors: ArrayLike) -> Floats:
    points = np.asarray(vectors, np.float64)
    if points.ndim != 2 or not points.size:
        raise DataError(
            f"vectors have shape {points.shape}; "
            "give one row a song, [songs, dimensions]"
        )
    bad = ~np.isfinite(points).all(axis=1)
    if bad.any():
        song = int(bad.argmax())
        raise DataError(
            f"vector of song {song} contains NaN or infinity: {points[song].tolist()}"
        )
    return points


def _checked_labels(
    songs: ArrayLike, rewards: ArrayLike, plays: ArrayLike | None, n_songs: int
) -> Labels:
    ids = np.asarray(songs)
    means = np.asarray(rewards, np.float64)
    counts = np.ones(means.shape) if plays is None else np.asarray(plays, np.float64)
    if ids.ndim != 1 or not ids.shape == means.shape == counts.shape:
        raise DataError(
            f"songs {ids.shape}, rewards {means.shape}, plays {counts.shape}; "
            "all must be [n]"
        )
    if not len(ids):
        raise DataError("no song has feedback; propagation needs at least one label")
    if ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= n_songs:
        raise DataError(
            f"songs must be ids 0..{n_songs - 1}, the rows of vectors; "
            f"got {ids.min()}..{ids.max()}"
        )
    if len(np.unique(ids)) < len(ids):
        raise DataError(
            "a song occurs twice in the labels; `mean_rewards` makes one label a song"
        )
    for name, values, good in (
        ("reward", means, np.isfinite(means)),
        ("plays", counts, np.isfinite(counts) & (counts > 0)),
    ):
        if not good.all():
            raise DataError(
                f"{name} of song {ids[~good][0]}: {values[~good][0]} is not a finite "
                "number (plays above 0); leave the song out"
            )
    return Labels(ids.astype(np.int64), means, counts)


PROPAGATIONS = {
    "mean": MeanPropagation(),
    "clusters": ClusterPropagation(),
    "neighbours": NeighbourPropagation(),
    "ridge": RidgePropagation(),
}
