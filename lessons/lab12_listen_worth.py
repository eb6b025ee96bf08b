"""Lesson 12, what is a listen worth: the simulator's truth, feedback on it, and how far estimates miss it.

The truth is the expected reward of a *first* play: the song opens an evening of a listener whose taste is given and
whose mood and restlessness are those of a new session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy.special import expit

from rlrec.envs.catalogue import SOUND_DIMENSIONS, default_catalogue
from rlrec.envs.listeners import (
    DRAWS,
    LIKE_LOGIT,
    RESTLESS_SD,
    START_LOGIT,
    Dials,
    Listeners,
)
from rlrec.envs.rewards import FractionReward, Reward
from rlrec.evaluation import mean_interval
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
from rlrec.viz.style import PALETTE
from rlrec.viz.widgets import Lab, choice, slider

PILAR = np.array(
    [-0.8, 0.6, 0.0, 0.0, 0.0]
)  # quiet songs to dance to; her whole taste lies in the map of the pictures
TIES = 9  # decimals: what is closer is equal, so that the order is the same on every machine
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


# -- the truth -------------------------------------------------------------------------------------------


def outcome_means(reward: Reward, grid: int = 2000) -> Floats:
    """Mean reward of a skip, of a song heard without a like, of one heard and liked: [3], over the fraction heard."""
    listeners = Listeners(3 * grid, default_catalogue(), Dials())
    luck = np.full((DRAWS, 3 * grid), 0.5)
    luck[0] = np.repeat(
        [0.0, 1.0, 1.0], grid
    )  # below any chance of a skip, or above it
    luck[1] = np.repeat([0.5, 1.0, 0.0], grid)  # the same for a like
    luck[3] = np.tile((np.arange(grid) + 0.5) / grid, 3)
    heard = listeners.react(np.zeros(3 * grid, np.int64), luck)
    return np.asarray(reward(*heard).reshape(3, grid).mean(axis=1))


def first_play_value(
    tastes: Floats, reward: Reward | None = None, nodes: int = 9
) -> Floats:
    """Expected reward of each song as a first play: ``tastes`` [n, 5] -> [n, songs].

    Exact but for a grid over the fraction heard and Gauss-Hermite nodes over restlessness; no luck is drawn.
    """
    catalogue = default_catalogue()
    skip, heard, liked = outcome_means(
        reward if reward is not None else FractionReward()
    )
    listeners = Listeners(len(tastes), catalogue, Dials())
    listeners.taste[:] = tastes
    songs = np.broadcast_to(np.arange(len(catalogue)), (len(tastes), len(catalogue)))
    like = expit(LIKE_LOGIT + listeners.pull(songs))  # [n, songs], if not skipped
    kept = (1.0 - like) * heard + like * liked
    value = np.zeros(songs.shape)
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    for point, weight in zip(
        RESTLESS_SD * points, weights / weights.sum(), strict=True
    ):
        listeners.restless[:] = point
        in_mood_1 = expit(START_LOGIT + point)
        for mood, chance in ((0, 1.0 - in_mood_1), (1, in_mood_1)):
            listeners.mood[:] = mood
            skipped = listeners.skip_probability(songs)
            value += weight * chance * (skipped * skip + (1.0 - skipped) * kept)
    return value


def some_tastes(count: int, seed: int) -> Floats:
    """Random tastes [count, 5], unit vectors as the simulator draws them."""
    direction = np.random.default_rng(seed).normal(size=(count, SOUND_DIMENSIONS))
    return np.asarray(direction / np.linalg.norm(direction, axis=1, keepdims=True))


# -- worlds: a truth, and feedback on it ---------------------------------------------------------------------


class World(NamedTuple):
    """Somebody's truth, and a pile of plays to learn it from."""

    truth: Floats  # [songs] expected reward of a first play
    paid: Floats  # [songs, MOST_PLAYS] rewards of plays, each the first song of an evening
    order: Ids  # [songs] in which order songs get feedback

    def labels(self, share: float, plays: int) -> Labels:
        """The first ``share`` (0..1) of the songs, each with the mean of ``plays`` (1..30) plays."""
        songs = np.sort(self.order[: max(2, round(share * len(self.order)))])
        return Labels(
            songs,
            self.paid[songs, :plays].mean(axis=1),
            np.full(len(songs), float(plays)),
        )


def listener_world(taste: Floats, seed: int, reward: Reward | None = None) -> World:
    """One listener with this ``taste`` [5], who hears every song 30 times if asked to."""
    return _world(taste[None], seed, reward)


def crowd_world(seed: int, reward: Reward | None = None) -> World:
    """A crowd of 400 fixed tastes; each play is that of one of them, drawn by chance; the truth is their mean."""
    return _world(some_tastes(CROWD, 99), seed, reward)


def _world(tastes: Floats, seed: int, reward: Reward | None) -> World:
    rng, catalogue = np.random.default_rng(seed), default_catalogue()
    pays = reward if reward is not None else FractionReward()
    count = len(catalogue) * MOST_PLAYS
    listeners = Listeners(count, catalogue, Dials())
    listeners.begin(np.arange(count), rng.random((8, count)))
    listeners.taste[:] = tastes[rng.integers(len(tastes), size=count)]
    heard = listeners.react(
        np.repeat(np.arange(len(catalogue)), MOST_PLAYS), rng.random((DRAWS, count))
    )
    truth = first_play_value(tastes, pays).mean(axis=0)
    return World(
        truth, pays(*heard).reshape(-1, MOST_PLAYS), rng.permutation(len(catalogue))
    )


# -- maps ----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def song_map(name: str) -> Floats:
    """A map of the songs [songs, d] by its name: one of ``MAPS``."""
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
    """The first principal components [songs, d] of features as they are: no axis is made wider or narrower."""
    from sklearn.decomposition import PCA

    return np.asarray(
        PCA(dimensions, svd_solver="full").fit_transform(
            np.asarray(features, np.float64)
        )
    )


@lru_cache(maxsize=256)
def clusters_of(name: str, count: int) -> Clusters:
    """K-means of a map by name, found once."""
    return find_clusters(song_map(name), count)


def estimate(scheme: Propagation, name: str, labels: Labels) -> Floats:
    """``scheme.estimate`` on the map ``name`` [songs], with clusters that were found before if there are some."""
    if not isinstance(scheme, ClusterPropagation):
        return scheme.estimate(song_map(name), *labels)
    count = scheme.count(len(labels.songs), len(song_map(name)))
    return blend(scheme.spread(clusters_of(name, count), labels), labels, scheme.shrink)


# -- how far off -----------------------------------------------------------------------------------------------


def rmse(guess: Floats, truth: Floats) -> float:
    """Root of the mean squared error over songs, in the unit of the reward.

    >>> rmse(np.array([1.0, 0.0]), np.array([0.4, 0.8]))
    0.7071067811865476
    """
    return float(np.sqrt(np.mean((guess - truth) ** 2)))


def rank_correlation(guess: Floats, truth: Floats) -> float:
    """Spearman's rank correlation, 1: same order, 0: no order in common; 0 if one of them is the same for all songs."""
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
    """How far each of ``SCHEMES`` is off on the map ``name``, in each world and at each share."""
    from dataclasses import replace

    found: dict[str, Growth] = {}
    for scheme_name, scheme in SCHEMES.items():
        shrunk = replace(scheme, shrink=shrink)
        pairs = [
            [
                _errors(estimate(shrunk, name, world.labels(share, plays)), world.truth)
                for share in shares
            ]
            for world in worlds
        ]
        values = np.array(pairs)  # [worlds, shares, 2]
        found[scheme_name] = Growth(values[:, :, 0], values[:, :, 1])
    return found


def _errors(guess: Floats, truth: Floats) -> tuple[float, float]:
    return rmse(guess, truth), rank_correlation(guess, truth)


PANELS = {  # title -> crowd or listener, plays a song, shrink
    "one listener, 1 play a song,\nown number kept": ("listener", 1, 0.0),
    "one listener, 1 play a song,\nown number shrunk by 10": ("listener", 1, 10.0),
    "one listener, 30 plays a song,\nown number kept": ("listener", 30, 0.0),
    "a crowd, 30 plays a song,\nown number kept": ("crowd", 30, 0.0),
}


@lru_cache(maxsize=4)
def worlds(kind: str, count: int = 8) -> tuple[World, ...]:
    """``count`` worlds: listeners with different tastes, or the same crowd with different luck."""
    if kind == "crowd":
        return tuple(crowd_world(seed) for seed in range(count))
    return tuple(
        listener_world(taste, seed) for seed, taste in enumerate(some_tastes(count, 7))
    )


def all_panels(name: str = "sound", count: int = 8) -> dict[str, dict[str, Growth]]:
    """The experiment: the four situations of ``PANELS`` on one map."""
    return {
        title: grow(worlds(kind, count), name, plays, shrink)
        for title, (kind, plays, shrink) in PANELS.items()
    }


def draw_growth(figure: Figure, panels: Mapping[str, Mapping[str, Growth]]) -> None:
    """Above the RMSE, below the rank correlation, means over worlds with 95% intervals; one column a situation."""
    axes = figure.subplots(2, len(panels), sharex=True, sharey="row", squeeze=False)
    for column, (title, found) in enumerate(panels.items()):
        for row, measure in enumerate(("rmse", "rank")):
            for scheme, growth in found.items():
                _curve(axes[row, column], scheme, getattr(growth, measure))
        axes[0, column].set_title(title, fontsize=10)
        axes[1, column].set_xlabel("songs with feedback")
    axes[0, 0].set_ylabel("RMSE to the truth")
    axes[1, 0].set_ylabel("rank correlation")
    axes[0, 0].legend(frameon=False, fontsize=9)


def _curve(ax: Axes, scheme: str, values: Floats) -> None:
    x, colour = 100 * np.array(SHARES), COLOURS[scheme]
    intervals = [mean_interval(column) for column in values.T]
    ax.plot(
        x,
        [i.mean for i in intervals],
        MARKERS[scheme] + "-",
        color=colour,
        label=scheme,
        ms=4,
    )
    ax.fill_between(
        x,
        [i.low for i in intervals],
        [i.high for i in intervals],
        color=colour,
        alpha=0.2,
        lw=0,
    )
    ax.set_xscale("log")
    ax.set_xticks([1, 10, 100], ["1%", "10%", "100%"])
    ax.set_xticks([], minor=True)


# -- choosing with it ------------------------------------------------------------------------------------------


def value_of_picks(
    count: int = 20, heard: int = 60, picks: int = 10
) -> dict[str, Floats]:
    """True value of ``picks`` unheard songs a listener, by who chooses: name -> [listeners].

    ``heard`` songs were played once to each listener. "crowd": the true mean of the crowd, one number a song for all.
    """
    catalogue, rng = default_catalogue(), np.random.default_rng(12)
    crowd = first_play_value(some_tastes(CROWD, 99)).mean(axis=0)
    rows: dict[str, list[float]] = {}
    for seed, taste in enumerate(some_tastes(count, 21)):
        world = listener_world(taste, 100 + seed)
        labels = world.labels(heard / len(catalogue), 1)
        scores = {
            "random": rng.random(len(catalogue)),
            "popularity": catalogue.appeal,
            "crowd": crowd,
        }
        scores |= {
            name: estimate(scheme, "sound", labels)
            for name, scheme in SCHEMES.items()
            if name != "mean"
        }
        scores["oracle"] = world.truth
        for name, score in scores.items():
            left = np.where(
                np.isin(np.arange(len(score)), labels.songs), -np.inf, score
            )
            best = np.argsort(-left.round(TIES), kind="stable")[:picks]
            rows.setdefault(name, []).append(float(world.truth[best].mean()))
    return {name: np.array(values) for name, values in rows.items()}


# -- the widget ------------------------------------------------------------------------------------------------


class Spread(NamedTuple):
    """Pilar's truth and what propagation makes of her plays."""

    truth: Floats
    guess: Floats
    labels: Labels
    clusters: Clusters
    errors: dict[str, float]  # RMSE by scheme, over the songs never heard
    rank: float  # correlation of the clusters' ranks, over the songs never heard


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
    """Clusters on the two axes of the picture; ``share`` 1..90 percent of the songs, ``clusters`` 1..100."""
    world = pilar_world()
    labels = world.labels(share / 100, plays)
    scheme = ClusterPropagation(
        n_clusters=clusters, decay=decay, rate=rate, towards=towards
    )  # type: ignore[arg-type]
    schemes = {**SCHEMES, "clusters": scheme}
    guesses = {name: estimate(one, "two axes", labels) for name, one in schemes.items()}
    unheard = np.setdiff1d(world.order, labels.songs)
    errors = {
        name: rmse(guess[unheard], world.truth[unheard])
        for name, guess in guesses.items()
    }
    guess = guesses["clusters"]
    rank = rank_correlation(guess[unheard], world.truth[unheard])
    return Spread(
        world.truth, guess, labels, clusters_of("two axes", clusters), errors, rank
    )


def draw_spread(figure: Figure, view: Spread) -> None:
    """Left the truth, in the middle the estimate on the same colours, right the four errors."""
    figure.set_layout_engine("none")  # fixed places: a redraw takes half as long
    places = song_map("two axes")
    maps = [
        figure.add_axes(box)
        for box in ((0.055, 0.15, 0.285, 0.74), (0.365, 0.15, 0.285, 0.74))
    ]
    for ax, values, title in zip(
        maps, (view.truth, view.guess), ("truth", "estimate: clusters"), strict=True
    ):
        dots = ax.scatter(
            places[:, 0],
            places[:, 1],
            c=values,
            s=5,
            cmap="viridis",
            vmin=0.1,
            vmax=1.2,
            linewidths=0,
        )
        ax.set(
            title=title,
            xlabel="quiet to loud",
            xlim=(-3.4, 3.4),
            ylim=(-3.8, 3.4),
            xticks=[],
            yticks=[],
        )
    maps[0].set_ylabel("sad to dancing")
    heard = places[view.labels.songs]
    maps[0].plot(*heard.T, "o", mfc="none", mec="black", ms=5, mew=0.7)
    maps[1].plot(*view.clusters.centroids.T, "x", color="#D55E00", ms=6, mew=2)
    bar = figure.colorbar(
        dots, cax=figure.add_axes((0.665, 0.2, 0.012, 0.64)), ticks=[0.2, 0.7, 1.2]
    )
    bar.ax.set_title("reward", fontsize=10)
    _error_bars(figure.add_axes((0.815, 0.15, 0.17, 0.74)), view.errors)


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
        f"{len(view.labels.songs)} songs with feedback, {len(view.clusters.centroids)} clusters: RMSE "
        f"<b>{view.errors['clusters']:.3f}</b>, {abs(gap):.3f} {verdict} than the mean of all plays; "
        f"rank correlation <b>{view.rank:.2f}</b>"
    )


def propagation_lab() -> Lab[Spread]:
    """Share, plays, clusters and decay under controls."""
    controls = {
        "share": slider("songs with feedback", 10, 1, 90, 1, unit="percent"),
        "clusters": slider("clusters", 20, 1, 100, 1, unit="number"),
        "plays": choice("plays a song", (1, 5, 30), 5),
        "decay": choice("decay", ("linear", "exponential", "gaussian")),
        "rate": slider(
            "rate", 0.5, 0.0, 2.0, 0.1, unit="0: nothing is lost at the edge"
        ),
        "towards": choice("fades to", ("mean", "zero")),
    }
    return Lab(
        "Rewards over a map",
        controls,
        spread_view,
        draw_spread,
        say_spread,
        (10.5, 3.6),
    )


# -- pictures --------------------------------------------------------------------------------------------------


SIX_SONGS = np.array([0.0, 1.0, 5.0, 20.0, 22.0, 24.0])  # places on a line
SIX_LABELS = Labels(np.array([0, 1, 4, 5]), np.array([1.0, 0.6, 0.1, 0.3]), np.ones(4))


def draw_six_songs(figure: Figure) -> None:
    """Six songs on a line: two clusters, four with feedback, and where the two others' estimates come from."""
    ax = figure.subplots()
    scheme = ClusterPropagation(labels_per_cluster=2)
    guess = scheme.estimate(SIX_SONGS[:, None], *SIX_LABELS)
    for centre, radius, mean, colour, at in (
        (2.0, 3.0, 0.8, PALETTE[0], (2.0, 0.86)),
        (22.0, 2.0, 0.2, PALETTE[5], (17.3, 0.18)),
    ):
        x = np.linspace(centre - radius, centre + radius, 61)
        fade = 0.5 + (1 - 0.5 * np.abs(x - centre) / radius) * (mean - 0.5)
        ax.plot(x, fade, color=colour, lw=3, alpha=0.6)
        ax.plot(centre, mean, "x", color=colour, ms=11, mew=3)
        ax.text(*at, f"cluster's mean {mean}", ha="center", color=colour)
    ax.axhline(0.5, color="0.5", ls="--", lw=1)
    ax.text(12.5, 0.52, "mean of all plays .5", ha="center", color="0.35")
    for song, (place, value) in enumerate(zip(SIX_SONGS, guess, strict=True)):
        fill = "black" if song in SIX_LABELS.songs else "white"
        ax.plot(place, value, "o", ms=11, mfc=fill, mec="black", mew=2, zorder=3)
        right = song in (1, 2, 4, 5)
        ax.text(
            place + (0.45 if right else -0.45),
            value,
            f"song {song}",
            ha="left" if right else "right",
            va="center",
        )
    ax.plot([], [], "o", color="black", ms=9, label="heard")
    ax.plot(
        [],
        [],
        "o",
        mfc="white",
        mec="black",
        mew=2,
        ms=9,
        label="never heard: estimated",
    )
    ax.legend(frameon=False, loc="upper right")
    ax.set(
        xlim=(-3, 27),
        ylim=(-0.05, 1.2),
        xlabel="place on the map (one axis)",
        ylabel="reward of a play",
    )


def draw_propagation(figure: Figure) -> None:
    """The lesson's experiment."""
    draw_growth(figure, all_panels())


FIGURES = {
    "12_six_songs.png": (draw_six_songs, (8.5, 3.6)),
    "12_propagation.png": (draw_propagation, (12.0, 5.4)),
}
