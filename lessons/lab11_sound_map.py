"""Lesson 11, a map of sound: a stored map to walk on, VAE and PCA over beta, the stored study on real tracks.

The map (``lessons/results/sound_map``) is stored because a training of thousands of steps ends a little differently on
another processor, and then other titles would be nearest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from numpy.typing import ArrayLike, NDArray

from rlrec.agents.retrieval import Neighbours
from rlrec.datasets import FEATURES, Tracks, load_tracks
from rlrec.errors import DataError
from rlrec.evaluation.intervals import Interval, mean_interval
from rlrec.runs.vae import (
    MapFigures,
    load_map,
    measure_map,
    split,
    tracks_fingerprint,
)
from rlrec.sound.vae import VAE, VAEConfig
from rlrec.types import Floats, Ids
from rlrec.viz.style import PALETTE
from rlrec.viz.widgets import Lab, slider

Content = dict[str, Any]
BLUE, ORANGE, GREEN, PINK, *_ = PALETTE
MODE, ACROSS, UP = (
    FEATURES.index("mode"),
    1,
    2,
)  # the pictures show dimensions 2 and 3 of the map, minor and major
FOLDER = Path(__file__).resolve().parent / "results"
NAMES = ("one", "two", "three", "four", "five")


# -- the stored map --------------------------------------------------------------------------------------
class SoundMap(NamedTuple):
    """Tracks, and where they lie."""

    tracks: Tracks
    model: VAE
    latents: NDArray[np.float32]  # [n, 5] in [0, 1]
    neighbours: Neighbours  # of the latents
    known: Ids  # tracks that the map learned from
    new: Ids  # tracks it never saw


@cache
def stored_map(folder: Path = FOLDER / "sound_map") -> SoundMap:
    """The map of the 2,000 bundled tracks. Raises ``DataError`` if it is missing or made from other tracks."""
    if not (folder / "config.json").is_file():
        raise DataError(
            "no stored map; make it with: python lessons/results/make.py vae"
        )
    (model, run), tracks = load_map(folder), load_tracks("generated")
    if tracks_fingerprint(tracks) != run.fingerprint:
        raise DataError(
            "the stored map was made from other tracks; python lessons/results/make.py vae makes it again"
        )
    latents = model.latents(tracks.features)
    known, new = split(np.arange(len(tracks)), run.seed)
    return SoundMap(tracks, model, latents, Neighbours(latents), known, new)


# -- walking on it ---------------------------------------------------------------------------------------
class Place(NamedTuple):
    """A point of the map: what it would sound like, and what is near."""

    point: Floats  # [5] in [0, 1]
    features: Floats  # [11] decoded
    nearest: Ids  # [4], nearest first
    distances: Floats  # [4] on the map


def look_around(sounds: SoundMap, point: ArrayLike) -> Place:
    """The decoded features of ``point`` [5] and the four nearest tracks."""
    here = np.asarray(point, np.float64)
    nearest = sounds.neighbours.nearest(here)[0]
    features = sounds.model.decode(sounds.model.to_means(here[None]))[0].astype(
        np.float64
    )
    return Place(
        here, features, nearest, np.linalg.norm(sounds.latents[nearest] - here, axis=1)
    )


def place_picture(figure: Figure, sounds: SoundMap, place: Place) -> None:
    """Left the point among all tracks, right its eleven features with those of the four nearest tracks."""
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.35))
    map_plot(left, sounds)
    near = sounds.latents[place.nearest]
    left.plot(
        near[:, ACROSS],
        near[:, UP],
        "o",
        ms=8,
        mfc="none",
        mec="black",
        mew=1.5,
        label="the four nearest",
    )
    left.plot(
        place.point[ACROSS],
        place.point[UP],
        "*",
        ms=17,
        color=ORANGE,
        mec="black",
        label="you",
    )
    left.legend(frameon=True, fontsize=8, loc="upper right")
    rows = np.arange(len(FEATURES))
    right.barh(
        rows, place.features, color=BLUE, height=0.7, label="decoded from the point"
    )
    for n, track in enumerate(place.nearest):
        label = "the four nearest tracks" if n == 0 else None
        right.plot(
            sounds.tracks.features[track],
            rows,
            "o",
            ms=5,
            mfc="white",
            mec="black",
            label=label,
        )
    right.set_yticks(rows, FEATURES)
    right.set(xlim=(0, 1.02), ylim=(len(rows) - 0.5, -0.5), xlabel="feature, 0 to 1")
    right.grid(False, axis="y")
    figure.legend(
        *right.get_legend_handles_labels(),
        frameon=False,
        fontsize=8,
        ncols=2,
        loc="outside upper right",
    )


def map_plot(ax: Axes, sounds: SoundMap) -> Axes:
    """All tracks on dimensions 2 and 3, coloured by minor and major."""
    for name, value, colour in (("minor", 0.0, PINK), ("major", 1.0, "#56B4E9")):
        rows = sounds.tracks.features[:, MODE] == value
        ax.plot(
            *sounds.latents[rows][:, [ACROSS, UP]].T, ".", ms=3, alpha=0.5, color=colour
        )
        middle = sounds.latents[rows][:, [ACROSS, UP]].mean(axis=0)
        ax.text(
            float(middle[0]),
            float(middle[1]),
            name,
            ha="center",
            va="center",
            weight="bold",
            fontsize=9,
        )
    ax.set(
        xlim=(-0.03, 1.03),
        ylim=(-0.03, 1.03),
        xlabel="dimension 2 (slider two)",
        ylabel="dimension 3 (three)",
    )
    return ax


def place_line(sounds: SoundMap, place: Place) -> str:
    """The four titles with their distances."""
    songs = ", ".join(
        f"<b>{sounds.tracks.titles[track]}</b> ({distance:.2f})"
        for track, distance in zip(place.nearest, place.distances, strict=True)
    )
    return f"nearest: {songs}"


def walk_lab() -> Lab[Place]:
    """Five sliders, one for each dimension of the stored map; whole steps of .01, so that every place is exact."""
    sounds = stored_map()
    controls = {
        name: slider(name, 0.5, 0.0, 1.0, 0.01, unit=f"dimension {n}")
        for n, name in enumerate(NAMES, 1)
    }

    def compute(**values: float) -> Place:
        return look_around(sounds, [values[name] for name in NAMES])

    return Lab(
        "Walk on the map",
        controls,
        compute,
        lambda figure, place: place_picture(figure, sounds, place),
        lambda place: place_line(sounds, place),
        (9.2, 3.9),
    )


# -- the experiment --------------------------------------------------------------------------------------
class Study(NamedTuple):
    """Figures on held-out tracks: of the VAE [betas, seeds], of PCA [seeds]."""

    betas: tuple[float, ...]
    vae: dict[str, Floats]
    pca: dict[str, Floats]
    mean_mse: Floats  # [seeds]
    variances: Floats  # [11] of the principal components, mean over seeds


FIGURES_OF = ("mse", "recall", "active", "prior_gap", "stray")


def beta_study(
    features: NDArray[np.float32],
    betas: Sequence[float],
    seeds: Sequence[int],
    config: VAEConfig,
) -> Study:
    """Train a VAE for each beta and seed; a seed holds out the same tenth for all betas and for PCA."""
    found = []
    for beta in betas:
        for seed in seeds:
            known, new = split(features, seed)
            model = VAE(replace(config, beta=beta), seed)
            model.train(known)
            found.append(measure_map(model, known, new, seed))
    return collect(betas, len(seeds), found)


def collect(betas: Sequence[float], seeds: int, found: Sequence[MapFigures]) -> Study:
    """``found``: beta after beta, each with ``seeds`` figures."""
    vae = {
        name: np.array([getattr(one.vae, name) for one in found], np.float64).reshape(
            -1, seeds
        )
        for name in FIGURES_OF
    }
    pca = {
        name: np.array([getattr(one.pca, name) for one in found[:seeds]], np.float64)
        for name in FIGURES_OF
    }
    mean_mse = np.array([one.mean_mse for one in found[:seeds]])
    return Study(
        tuple(betas),
        vae,
        pca,
        mean_mse,
        np.mean([one.variances for one in found[:seeds]], axis=0),
    )


def study_picture(figure: Figure, study: Study) -> None:
    """Error, neighbours and stray of the VAE against beta, PCA and trivial answers as lines."""
    axes = figure.subplots(1, 3)
    panels = (
        (
            "mse",
            "squared error a feature",
            study.mean_mse.mean(),
            "the mean track",
            (0, 0.08),
        ),
        ("recall", "true neighbours kept", 0.0, "four at random", (-0.02, 0.6)),
        ("stray", "stray of random points", 1.0, "a track never seen", (0, 2.5)),
    )
    for ax, (name, title, trivial, label, limits) in zip(axes, panels, strict=True):
        _line(ax, [*map(_place, study.betas)], study.vae[name])
        pca = mean_interval(study.pca[name])
        ax.axhline(pca.mean, color=ORANGE, lw=2, label="PCA, 5 components")
        ax.axhspan(pca.low, pca.high, color=ORANGE, alpha=0.25, lw=0)
        ax.axhline(trivial, color="black", lw=1, ls=":", label=label)
        ax.set_xticks(
            [_place(beta) for beta in study.betas],
            [f"{beta:g}" for beta in study.betas],
            fontsize=8,
        )
        ax.set(title=title, xlabel="beta", ylim=limits)
        ax.legend(
            frameon=False,
            fontsize=8,
            loc="upper left" if name == "mse" else "upper right",
        )


def _place(beta: float) -> float:
    """Where a beta stands on the axis: by its logarithm, 0 to the left of all."""
    return float(np.log10(beta)) if beta else -4.0


def _line(ax: Axes, x: Sequence[float], values: Floats) -> None:
    bands = [mean_interval(row) for row in values]
    ax.plot(
        x,
        [band.mean for band in bands],
        "o-",
        ms=4,
        color=BLUE,
        label="VAE, 5 dimensions",
    )
    ax.fill_between(
        x, [b.low for b in bands], [b.high for b in bands], color=BLUE, alpha=0.25, lw=0
    )


def survivors(variances: ArrayLike, beta: float, dimensions: int = 5) -> int:
    """How many of a *linear* VAE's dimensions stay in use: components with a variance above beta / 2.

    >>> survivors([0.25, 0.1, 0.03], beta=0.1)
    2
    """
    return min(dimensions, int((np.asarray(variances) > beta / 2).sum()))


# -- the stored study ------------------------------------------------------------------------------------
def stored_study(folder: Path = FOLDER) -> Content:
    """The study on real tracks. Raises ``DataError`` where it is missing."""
    path = folder / "vae.json"
    if not path.is_file():
        raise DataError(
            "no stored study; make it with: python lessons/results/make.py vae"
        )
    content: Content = json.loads(path.read_text("utf-8"))
    return content


def stored_lines(content: Content) -> list[str]:
    """The study as a table, fixed ranges; the last lines: what PCA and the mean track do."""
    parts = [part for part in content["parts"] if part["scaling"] == "fixed"]
    lines = [
        f"{'':<18}{'error':>17}{'neighbours':>14}{'active':>8}{'gap':>7}{'stray':>7}"
    ]
    lines += [_row(f"vae, beta {part['beta']:g}", part["vae"]) for part in parts]
    lines.append(_row("pca, 5 components", parts[0]["pca"]))
    return [*lines, f"{'the mean track':<18}{parts[0]['mean_mse']:9.4f}"]


def _row(name: str, of: Mapping[str, Mapping[str, float]]) -> str:
    mse, recall = (
        Interval(*(of[figure][end] for end in ("mean", "low", "high")))
        for figure in ("mse", "recall")
    )
    error = f"{mse.mean:.4f} ±{mse.high - mse.mean:.4f}"
    kept = f"{recall.mean:.2f} ±{recall.high - recall.mean:.2f}"
    rest = f"{of['active']['mean']:>8.1f}{of['prior_gap']['mean']:>7.2f}{of['stray']['mean']:>7.2f}"
    return f"{name:<18}{error:>17}{kept:>14}{rest}"


def difference_lines(content: Content) -> list[str]:
    """The paired difference to PCA of the default beta, for both scales."""
    lines = []
    for part in content["parts"]:
        if part["beta"] == content["vae"]["beta"]:
            of, vae, pca = (
                part["mse_less_pca"],
                part["vae"]["mse"]["mean"],
                part["pca"]["mse"]["mean"],
            )
            less = f"{of['mean']:+.4f} [{of['low']:+.4f}, {of['high']:+.4f}]"
            lines.append(
                f"{part['scaling']:>7} scale, beta {part['beta']:g}: {vae:.4f}, PCA {pca:.4f}, paired {less}"
            )
    return lines


def provenance(content: Content) -> str:
    """Where the stored study comes from."""
    seeds = ", ".join(map(str, content["seeds"]))
    return (
        f"data {content['data']}, {content['fingerprint']['tracks']:,} tracks, a tenth held out by each seed\n"
        f"seeds {seeds}; intervals: {content['interval']}; took {content['seconds']:.1f} s on {content['device']}\n"
        f"made by `{content['command']}`, commit {(content['commit'] or 'none')[:7]}"
        f"{' with changes' if str(content['commit']).endswith('-dirty') else ''}"
    )


# -- the lesson's picture --------------------------------------------------------------------------------
def draw_story(figure: Figure) -> None:
    """Left a new record among its neighbours, right the way from eleven numbers to five and back."""
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.45))
    sounds = stored_map()
    map_plot(left, sounds)
    new = int(sounds.new[0])
    place = look_around(sounds, sounds.latents[new])
    for track in sounds.neighbours.nearest(place.point, 4, np.array([[new]]))[0]:
        ends = np.array([place.point, sounds.latents[track]])[:, [ACROSS, UP]]
        left.plot(*ends.T, "-o", color="black", lw=1.2, ms=5)
    left.plot(
        place.point[ACROSS], place.point[UP], "*", ms=18, color=ORANGE, mec="black"
    )
    left.set(
        title="2,000 records, two of five dimensions",
        xlabel="dimension 2",
        ylabel="dimension 3",
    )
    _draw_way(right)


def _draw_way(ax: Axes) -> None:
    boxes = (
        ("eleven\nfeatures\n$x$", "0.9"),
        ("encoder", BLUE),
        ("a place and\nits blur\n$\\mu, \\sigma$", "0.9"),
        ("one point\n$z = \\mu + \\sigma\\varepsilon$", "#F5D491"),
        ("decoder", GREEN),
        ("eleven\nfeatures\n$\\hat x$", "0.9"),
    )
    for place, (words, colour) in enumerate(boxes):
        x = 2.4 * place
        ax.add_patch(
            FancyBboxPatch(
                (x, 0), 1.6, 1.5, boxstyle="round,pad=0.05", fc=colour, ec="0.3"
            )
        )
        dark = colour in (BLUE, GREEN)
        ax.text(
            x + 0.8,
            0.75,
            words,
            ha="center",
            va="center",
            fontsize=8,
            color="white" if dark else "black",
        )
        if place:
            arrow = {
                "arrowstyle": "-|>",
                "lw": 1.6,
                "shrinkA": 0,
                "shrinkB": 0,
                "color": "black",
            }
            ax.annotate("", (x - 0.08, 0.75), (x - 0.72, 0.75), arrowprops=arrow)
    _brace(ax, 0.8, 12.8, 2.05, "squared error: does it sound the same?")
    ax.annotate(
        "",
        (5.6, -0.12),
        (5.6, -0.75),
        arrowprops={"arrowstyle": "-|>", "lw": 1.6, "color": PINK},
    )
    ax.text(
        5.6,
        -1.0,
        r"$\beta$ KL: not too far from the middle, not too sharp",
        ha="center",
        color=PINK,
        fontsize=9.5,
    )
    ax.text(8.0, -0.32, r"noise $\varepsilon$", ha="center", color="0.3", fontsize=9)
    ax.set(xlim=(-0.3, 14.0), ylim=(-1.4, 2.9))
    ax.set_axis_off()


def _brace(ax: Axes, start: float, end: float, height: float, words: str) -> None:
    ax.plot([start, start, end, end], [1.65, height, height, 1.65], color=BLUE, lw=1.6)
    ax.text(
        (start + end) / 2, height + 0.18, words, ha="center", color=BLUE, fontsize=9.5
    )


FIGURES = {"11_map_of_sound.png": (draw_story, (11.0, 3.6))}
