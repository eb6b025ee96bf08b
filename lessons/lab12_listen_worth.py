"""Lesson 12, what is a listen worth: feedback on songs, and how far estimates miss.

The truth is the expected reward of a *first* play (``first_plays``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from first_plays import (
    DEFAULT_REWARD,
    first_play_value,
    first_plays,
    random_tastes,
)
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rlrec.envs import default_catalogue
from rlrec.envs.rewards import Reward
from rlrec.sound.propagation import (
    ClusterPropagation,
    Clusters,
    Labels,
    MeanPropagation,
    NeighbourPropagation,
    Propagation,
    RidgePropagation,
    blend,
    find_clusters,
)
from rlrec.types import Floats, Ids
from rlrec.viz.plots import mean_band
from rlrec.viz.style import PALETTE, Style
from rlrec.viz.widgets import Lab, choice, slider

# quiet songs to dance to; her taste lies within the two axes of the pictures
PILAR = np.array([-0.8, 0.6, 0.0, 0.0, 0.0])
TIES = 9  # decimals that decide a ranking, so that it is the same on every machine
MOST_PLAYS = 30  # plays of each song in a world
CROWD = 400  # listeners in the crowd
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
SCHEMES: dict[str, Propagation] = {
    "mean": MeanPropagation(),
    "clusters": ClusterPropagation(),
    "neighbours": NeighbourPropagation(),
    "ridge": RidgePropagation(),
}
COLOURS = {
    "mean": "#8C8C8C",
    "clusters": PALETTE[0],
    "neighbours": PALETTE[1],
    "ridge": PALETTE[2],
}
MARKERS = {"mean": "s", "clusters": "o", "neighbours": "^", "ridge": "D"}


# -- worlds: a truth, and feedback on it


class World(NamedTuple):
    """The true values of songs to somebody, and plays to learn them from."""

    truth: Floats  # [songs] expected reward of a first play
    paid: Floats  # [songs, MOST_PLAYS] rewards of plays, each the first of an evening
    order: Ids  # [songs] in which order songs get feedback

    def labels(self, share: float, plays: int) -> Labels:
        """Feedback on the first ``share`` (0..1) of the songs.

        Each has the mean reward of ``plays`` (1..30) plays.
        """
        songs = np.sort(self.order[: max(2, round(share * len(self.order)))])
        rewards = self.paid[songs, :plays].mean(axis=1)
        return Labels(songs, rewards, np.full(len(songs), float(plays)))


def listener_world(taste: Floats, seed: int, reward: Reward = DEFAULT_REWARD) -> World:
    """One listener with this ``taste`` [5], to whom every song is played 30 times."""
    return _world(taste[None], seed, reward)


def crowd_world(seed: int, reward: Reward = DEFAULT_REWARD) -> World:
    """A crowd of 400 fixed tastes, one of them drawn for each play; mean values."""
    return _world(random_tastes(CROWD, 99), seed, reward)


def _world(tastes: Floats, seed: int, reward: Reward) -> World:
    rng = np.random.default_rng(seed)
    count = len(default_catalogue())
    songs = np.repeat(np.arange(count), MOST_PLAYS)
    paid = reward(*first_plays(songs, rng, tastes)).reshape(count, MOST_PLAYS)
    truth = first_play_value(tastes, reward).mean(axis=0)
    return World(truth, paid, rng.permutation(count))


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


# -- how far off


def rmse(guess: Floats, truth: Floats) -> float:
    """Root of the mean squared error over songs, in the unit of the reward.

    >>> rmse(np.array([1.0, 0.0]), np.array([0.4, 0.8]))
    0.7071067811865476
    """
    return float(np.sqrt(np.mean((guess - truth) ** 2)))


def rank_correlation(guess: Floats, truth: Floats) -> float:
    """Spearman's rank correlation; 0 if one of them is the same for all songs."""
    from scipy.stats import spearmanr

    if np.ptp(guess) < 1e-12 or np.ptp(truth) < 1e-12:
        return 0.0
    return float(spearmanr(guess.round(TIES), truth).statistic)


class Growth(NamedTuple):
    """Errors as the share of songs with feedback grows."""

    rmse: Floats  # [worlds, shares]
    rank: Floats  # [worlds, shares]


def grow(
    worlds: Sequence[World],
    name: str,
    plays: int,
    shrink: float = 0.0,
    shares: Sequence[float] = SHARES,
) -> dict[str, Growth]:
    """Errors of each of ``SCHEMES`` on the map ``name``, for each world and share."""
    found: dict[str, Growth] = {}
    for scheme_name, scheme in SCHEMES.items():
        shrunk = replace(scheme, shrink=shrink)
        growth = Growth(*np.zeros((2, len(worlds), len(shares))))
        for at in np.ndindex(growth.rmse.shape):
            world = worlds[at[0]]
            guess = estimate(shrunk, name, world.labels(shares[at[1]], plays))
            growth.rmse[at] = rmse(guess, world.truth)
            growth.rank[at] = rank_correlation(guess, world.truth)
        found[scheme_name] = growth
    return found


# title -> crowd or listener, plays a song, shrink
PANELS = {
    "one listener, 1 play a song,\nown number kept": ("listener", 1, 0.0),
    "one listener, 1 play a song,\nown number shrunk by 10": ("listener", 1, 10.0),
    "one listener, 30 plays a song,\nown number kept": ("listener", 30, 0.0),
    "a crowd, 30 plays a song,\nown number kept": ("crowd", 30, 0.0),
}


@lru_cache(maxsize=4)
def worlds(kind: str, count: int = 8) -> tuple[World, ...]:
    """``count`` worlds: listeners with different tastes, or one crowd and new plays."""
    if kind == "crowd":
        return tuple(map(crowd_world, range(count)))
    return tuple(map(listener_world, random_tastes(count, 7), range(count)))


def all_panels() -> dict[str, dict[str, Growth]]:
    """The experiment: the four situations of ``PANELS`` on the map of sound."""
    found = {}
    for title, (kind, plays, shrink) in PANELS.items():
        found[title] = grow(worlds(kind), "sound", plays, shrink)
    return found


def draw_growth(figure: Figure, panels: Mapping[str, Mapping[str, Growth]]) -> None:
    """Above the RMSE, below the rank correlation; one column for each situation.

    Means over worlds with 95% intervals.
    """
    axes = figure.subplots(2, len(panels), sharex=True, sharey="row", squeeze=False)
    for column, (title, found) in enumerate(panels.items()):
        above, below = axes[:, column]
        for scheme, growth in found.items():
            _curve(above, scheme, growth.rmse)
            _curve(below, scheme, growth.rank)
        above.set_title(title, fontsize=10)
        below.set_xlabel("songs with feedback")
    axes[0, 0].set_ylabel("RMSE to the truth")
    axes[1, 0].set_ylabel("rank correlation")
    axes[0, 0].legend(frameon=False, fontsize=9)


def _curve(ax: Axes, scheme: str, values: Floats) -> None:
    style: Style = {"marker": MARKERS[scheme], "ms": 4, "label": scheme}
    mean_band(ax, 100 * np.array(SHARES), values, colour=COLOURS[scheme], **style)
    ax.set_xscale("log")
    ax.set_xticks([1, 10, 100], ["1%", "10%", "100%"])
    ax.set_xticks([], minor=True)


# -- choosing with it


def value_of_picks(
    count: int = 20, heard: int = 60, picks: int = 10
) -> dict[str, Floats]:
    """True value of ``picks`` unheard songs a listener, by who chooses them.

    Returns name -> [``count`` listeners]. ``heard`` songs were played once to each
    listener. "crowd" chooses by the true mean of the crowd, the same for everybody.
    """
    catalogue = default_catalogue()
    rng = np.random.default_rng(12)
    crowd = first_play_value(random_tastes(CROWD, 99)).mean(axis=0)
    rows: dict[str, list[float]] = {}
    for seed, taste in enumerate(random_tastes(count, 21)):
        world = listener_world(taste, 100 + seed)
        labels = world.labels(heard / len(catalogue), 1)
        scores = {
            "random": rng.random(len(catalogue)),
            "popularity": catalogue.appeal,
            "crowd": crowd,
        }
        for name, scheme in SCHEMES.items():
            if name != "mean":
                scores[name] = estimate(scheme, "sound", labels)
        scores["oracle"] = world.truth
        for name, score in scores.items():
            unheard = np.array(score)
            unheard[labels.songs] = -np.inf
            best = np.argsort(-unheard.round(TIES), kind="stable")[:picks]
            rows.setdefault(name, []).append(float(world.truth[best].mean()))
    return {name: np.array(values) for name, values in rows.items()}


# -- the widget


class Spread(NamedTuple):
    """Pilar's true values, and what propagation estimates from her plays."""

    truth: Floats
    guess: Floats
    labels: Labels
    clusters: Clusters
    errors: dict[str, float]  # RMSE by scheme, over the songs never heard
    rank: float  # rank correlation of the clusters, over the songs never heard


@lru_cache(maxsize=1)
def pilar_world() -> World:
    """Pilar and her plays, always the same."""
    return listener_world(PILAR / np.linalg.norm(PILAR), 1)


def spread_view(
    share: int = 10,
    clusters: int = 20,
    plays: int = 5,
    decay: str = "linear",
    rate: float = 0.5,
    towards: str = "mean",
) -> Spread:
    """Estimates with clusters on the two axes of the picture.

    ``share``: 1..90 percent of the songs have feedback; ``clusters``: 1..100.
    """
    world = pilar_world()
    labels = world.labels(share / 100, plays)
    scheme = ClusterPropagation(
        n_clusters=clusters,
        decay=decay,  # type: ignore[arg-type]
        rate=rate,
        towards=towards,  # type: ignore[arg-type]
    )
    unheard = np.setdiff1d(world.order, labels.songs)
    truth = world.truth[unheard]
    guesses = {}
    errors = {}
    for name, one in (SCHEMES | {"clusters": scheme}).items():
        guesses[name] = estimate(one, "two axes", labels)
        errors[name] = rmse(guesses[name][unheard], truth)
    guess = guesses["clusters"]
    rank = rank_correlation(guess[unheard], truth)
    found = clusters_of("two axes", clusters)
    return Spread(world.truth, guess, labels, found, errors, rank)


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
    for row, (name, error) in enumerate(errors.items()):
        ax.barh(row, error, color=COLOURS[name])
        ax.text(min(error, 0.45) + 0.01, row, f"{error:.3f}", va="center")
    ax.set_yticks(range(len(errors)), list(errors))
    ax.invert_yaxis()
    ax.set(xlim=(0, 0.6), xticks=[0, 0.3, 0.6], title="RMSE, songs never heard")
    ax.grid(False, axis="y")


def say_spread(view: Spread) -> str:
    """The picture in a line."""
    gap = view.errors["mean"] - view.errors["clusters"]
    verdict = "better" if gap > 0 else "worse"
    return (
        f"{len(view.labels.songs)} songs with feedback, "
        f"{len(view.clusters.centroids)} clusters: RMSE "
        f"<b>{view.errors['clusters']:.3f}</b>, "
        f"{abs(gap):.3f} {verdict} than the mean of all plays; "
        f"rank correlation <b>{view.rank:.2f}</b>"
    )


def propagation_lab() -> Lab[Spread]:
    """Share, plays, clusters and decay under controls."""
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
    return Lab(title, controls, spread_view, draw_spread, say_spread, (10.5, 3.6))


# -- pictures


SIX_SONGS = np.array([0.0, 1.0, 5.0, 20.0, 22.0, 24.0])  # places on a line
SIX_LABELS = Labels(np.array([0, 1, 4, 5]), np.array([1.0, 0.6, 0.1, 0.3]), np.ones(4))


def draw_six_songs(figure: Figure) -> None:
    """Six songs on a line, two clusters, and the estimates of the two never heard."""
    ax = figure.subplots()
    _draw_cluster(ax, 2.0, 3.0, 0.8, PALETTE[0])
    _draw_cluster(ax, 22.0, 2.0, 0.2, PALETTE[5])
    ax.text(2.0, 0.86, "cluster's mean 0.8", ha="center", color=PALETTE[0])
    ax.text(17.3, 0.18, "cluster's mean 0.2", ha="center", color=PALETTE[5])
    ax.axhline(0.5, color="0.5", ls="--", lw=1)
    ax.text(12.5, 0.52, "mean of all plays .5", ha="center", color="0.35")
    scheme = ClusterPropagation(labels_per_cluster=2)
    guess = scheme.estimate(SIX_SONGS[:, None], *SIX_LABELS)
    for song, (place, value) in enumerate(zip(SIX_SONGS, guess, strict=True)):
        fill = "black" if song in SIX_LABELS.songs else "white"
        ax.plot(place, value, "o", ms=11, mfc=fill, mec="black", mew=2, zorder=3)
        right = song in (1, 2, 4, 5)
        at = place + (0.45 if right else -0.45)
        side = "left" if right else "right"
        ax.text(at, value, f"song {song}", ha=side, va="center")
    hollow: Style = {"mfc": "white", "mec": "black", "mew": 2}
    ax.plot([], [], "o", color="black", ms=9, label="heard")
    ax.plot([], [], "o", ms=9, label="never heard: estimated", **hollow)
    ax.legend(frameon=False, loc="upper right")
    ax.set(xlim=(-3, 27), ylim=(-0.05, 1.2))
    ax.set(xlabel="place on the map (one axis)", ylabel="reward of a play")


def _draw_cluster(
    ax: Axes, centre: float, radius: float, mean: float, colour: str
) -> None:
    """The estimate around a cluster's centre: it fades to the mean of all plays."""
    x = np.linspace(centre - radius, centre + radius, 61)
    fade = 0.5 + (1 - 0.5 * np.abs(x - centre) / radius) * (mean - 0.5)
    ax.plot(x, fade, color=colour, lw=3, alpha=0.6)
    ax.plot(centre, mean, "x", color=colour, ms=11, mew=3)


def draw_propagation(figure: Figure) -> None:
    """The lesson's experiment."""
    draw_growth(figure, all_panels())


FIGURES = {
    "12_six_songs.png": (draw_six_songs, (8.5, 3.6)),
    "12_propagation.png": (draw_propagation, (12.0, 5.4)),
}
