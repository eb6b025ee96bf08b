"""Lesson 12, what is a listen worth: maps of the songs, the widget, a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rlrec.envs import default_catalogue
from rlrec.sound.propagation import (
    ClusterPropagation,
    Clusters,
    Labels,
    Propagation,
    blend,
    find_clusters,
)
from rlrec.types import Floats
from rlrec.viz.style import PALETTE, Style
from rlrec.viz.widgets import Lab, choice, slider

COLOURS = {
    "mean": "#8C8C8C",
    "clusters": PALETTE[0],
    "neighbours": PALETTE[1],
    "ridge": PALETTE[2],
}


# -- maps


@lru_cache(maxsize=8)
def song_map(name: str) -> Floats:
    """A map of the songs [songs, d] by its name, one of ``MAPS``; else ValueError."""
    catalogue = default_catalogue()
    if name == "two axes":
        return catalogue.sound[:, :2]
    if name == "sound":
        return catalogue.sound
    if name == "PCA of 11":
        return principal_components(catalogue.features, 5)
    if name == "11 features":
        return catalogue.features.astype(np.float64)
    raise ValueError(f"no map {name!r}; known: {', '.join(MAPS)}")


MAPS = ("two axes", "sound", "PCA of 11", "11 features")


def principal_components(features: ArrayLike, dimensions: int) -> Floats:
    """The first principal components [songs, d] of features that are not rescaled."""
    from sklearn.decomposition import PCA

    pca = PCA(dimensions, svd_solver="full")
    return np.asarray(pca.fit_transform(np.asarray(features, np.float64)))


@lru_cache(maxsize=256)
def clusters_of(name: str, count: int) -> Clusters:
    """K-means of a map by name, computed once."""
    return find_clusters(song_map(name), count)


def estimate(scheme: Propagation, name: str, labels: Labels) -> Floats:
    """``scheme.estimate`` on the map ``name`` [songs]; clusters are computed once."""
    if not isinstance(scheme, ClusterPropagation):
        return scheme.estimate(song_map(name), *labels)
    count = scheme.count(len(labels.songs), len(song_map(name)))
    return blend(scheme.spread(clusters_of(name, count), labels), labels, scheme.shrink)


# -- the widget


class Spread(NamedTuple):
    """A listener's true values, and what propagation estimates from her plays."""

    truth: Floats
    guess: Floats
    labels: Labels
    clusters: Clusters
    errors: dict[str, float]  # RMSE by scheme, over the songs never heard
    rank: float  # rank correlation of the clusters, over the songs never heard


def draw_spread(figure: Figure, view: Spread) -> None:
    """Left the truth, in the middle the estimate in the same colours, right errors."""
    figure.set_layout_engine("none")  # fixed places: a redraw takes half as long
    left = figure.add_axes((0.055, 0.15, 0.285, 0.74))
    middle = figure.add_axes((0.365, 0.15, 0.285, 0.74))
    _draw_map(left, view.truth, "truth")
    dots = _draw_map(middle, view.guess, "estimate: clusters")
    left.set_ylabel("sad to dancing")
    heard = song_map("two axes")[view.labels.songs]
    left.plot(*heard.T, "o", mfc="none", mec="black", ms=5, mew=0.7)
    middle.plot(*view.clusters.centroids.T, "x", color="#D55E00", ms=6, mew=2)
    cax = figure.add_axes((0.665, 0.2, 0.012, 0.64))
    bar = figure.colorbar(dots, cax=cax, ticks=[0.2, 0.7, 1.2])
    bar.ax.set_title("reward", fontsize=10)
    _error_bars(figure.add_axes((0.815, 0.15, 0.17, 0.74)), view.errors)


def _draw_map(ax: Axes, values: Floats, title: str) -> PathCollection:
    """All songs on the two axes, coloured by ``values`` [songs]."""
    colours: Style = {"c": values, "cmap": "viridis", "vmin": 0.1, "vmax": 1.2}
    x, y = song_map("two axes").T
    dots = ax.scatter(x, y, s=5, linewidths=0, **colours)
    ax.set(title=title, xlabel="quiet to loud", xticks=[], yticks=[])
    ax.set(xlim=(-3.4, 3.4), ylim=(-3.8, 3.4))
    return dots


def _error_bars(ax: Axes, errors: Mapping[str, float]) -> None:
    colours = [COLOURS[name] for name in errors]
    bars = ax.barh([*errors], [*errors.values()], color=colours)
    ax.bar_label(bars, fmt="%.3f", padding=3)
    ax.invert_yaxis()
    ax.set(xlim=(0, 0.6), title="RMSE, songs never heard")


def say_spread(view: Spread) -> str:
    """The picture in a line."""
    gap = view.errors["mean"] - view.errors["clusters"]
    verdict = "better" if gap > 0 else "worse"
    many = len(view.clusters.centroids)
    return (
        f"{len(view.labels.songs)} songs with feedback, "
        f"{many} cluster{'s' if many > 1 else ''}: RMSE "
        f"<b>{view.errors['clusters']:.3f}</b>, "
        f"{abs(gap):.3f} {verdict} than the mean of all plays; "
        f"rank correlation <b>{view.rank:.2f}</b>"
    )


def propagation_lab(view: Callable[..., Spread]) -> Lab[Spread]:
    """Share, plays, clusters and decay under controls; ``view`` takes them by name."""
    edge = "0: nothing is lost at the edge"
    controls = {
        "share": slider("songs with feedback", 10, 1, 90, 1, unit="percent"),
        "clusters": slider("clusters", 20, 1, 100, 1, unit="number"),
        "plays": choice("plays a song", (1, 5, 30), 5),
        "decay": choice("decay", ("linear", "exponential", "gaussian")),
        "rate": slider("rate", 0.5, 0.0, 2.0, 0.1, unit=edge),
        "towards": choice("fades to", ("mean", "zero")),
    }
    title = "Rewards over a map"
    return Lab(title, controls, view, draw_spread, say_spread, (10.5, 3.6))


# -- pictures


SIX_SONGS = np.array([0.0, 1.0, 5.0, 20.0, 22.0, 24.0])  # places on a line
SIX_LABELS = Labels(np.array([0, 1, 4, 5]), np.array([1.0, 0.6, 0.1, 0.3]), np.ones(4))


def draw_six_songs(figure: Figure) -> None:
    """Six songs on a line, two clusters, and the estimates of the two never heard."""
    ax = figure.subplots()
    for ends, mean, colour in (
        ([-1.0, 2.0, 5.0], 0.8, PALETTE[0]),
        ([20.0, 22.0, 24.0], 0.2, PALETTE[5]),
    ):
        edge = (mean + 0.5) / 2  # the estimate fades to the mean of all plays
        label = f"a cluster, mean {mean}"
        ax.plot(ends, [edge, mean, edge], "x-", color=colour, lw=3, label=label)
    ax.axhline(0.5, color="0.5", ls="--", label="mean of all plays")
    scheme = ClusterPropagation(labels_per_cluster=2)
    guess = scheme.estimate(SIX_SONGS[:, None], *SIX_LABELS)
    heard = SIX_LABELS.songs
    hollow: Style = {"mfc": "white", "mec": "black", "mew": 2, "ms": 11}
    ax.plot(SIX_SONGS, guess, "o", label="never heard: estimated", **hollow)
    ax.plot(SIX_SONGS[heard], guess[heard], "ko", ms=11, label="heard")
    for song, place in enumerate(zip(SIX_SONGS, guess, strict=True)):
        ax.annotate(f"song {song}", place, (10, -4), textcoords="offset points")
    ax.set(xlim=(-2, 27), xlabel="place on the map (one axis)")
    ax.set_ylabel("reward of a play")
    ax.legend(loc="upper right")


FIGURES = {"12_six_songs.png": (draw_six_songs, (8.5, 3.6))}
