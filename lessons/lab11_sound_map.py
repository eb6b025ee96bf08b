"""Lesson 11, a map of sound: a stored map, a walk on it to hear, the stored study.

The map (``lessons/results/sound_map``) is stored because a training of thousands of
steps ends a little differently on another processor, which changes nearest titles.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from course_results import FOLDER, commit_of, read_result
from drawing import CENTRED
from hearing import HeardLab
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from numpy.typing import ArrayLike, NDArray

from rlrec.agents.retrieval import Neighbours
from rlrec.datasets import FEATURES, Tracks, load_tracks, unscale
from rlrec.errors import DataError
from rlrec.runs.vae import (
    load_map,
    split,
    tracks_fingerprint,
)
from rlrec.sound.synthesis import synthesise, track_sound
from rlrec.sound.vae import VAE
from rlrec.types import Floats, Ids
from rlrec.viz.style import PALETTE, Style
from rlrec.viz.widgets import choice, slider

Content = dict[str, Any]
BLUE, ORANGE, GREEN, PINK, SKY, *_ = PALETTE
MODE = FEATURES.index("mode")
# the pictures show dimensions 2 and 3 of the map
ACROSS = 1
UP = 2
NAMES = ("one", "two", "three", "four", "five")
MAKE = "python lessons/results/make.py vae"


# -- the stored map
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
    """The map of the 2,000 bundled tracks.

    Raises ``DataError`` if it is missing or made from other tracks.
    """
    if not (folder / "config.json").is_file():
        raise DataError(f"no stored map; make it with: {MAKE}")
    model, run = load_map(folder)
    tracks = load_tracks("generated")
    if tracks_fingerprint(tracks) != run.fingerprint:
        raise DataError(f"the stored map was made from other tracks; run: {MAKE}")
    latents = model.latents(tracks.features)
    known, new = split(np.arange(len(tracks)), run.seed)
    return SoundMap(tracks, model, latents, Neighbours(latents), known, new)


# -- walking on it
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
    decoded = sounds.model.decode(sounds.model.to_means(here[None]))[0]
    distances = np.linalg.norm(sounds.latents[nearest] - here, axis=1)
    return Place(here, decoded.astype(np.float64), nearest, distances)


def place_picture(figure: Figure, sounds: SoundMap, place: Place) -> None:
    """Left the point among all tracks, right its features and those of the nearest."""
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.35))
    map_plot(left, sounds)
    nearest = sounds.latents[place.nearest][:, [ACROSS, UP]].T
    hollow: Style = {"mfc": "none", "mec": "black", "mew": 1.5}
    left.plot(*nearest, "o", ms=8, label="the four nearest", **hollow)
    _star(left, place, ms=17, label="you")
    left.legend(frameon=True, fontsize=8, loc="upper right")
    rows = np.arange(len(FEATURES))
    decoded: Style = {"color": BLUE, "label": "decoded from the point"}
    right.barh(rows, place.features, height=0.7, **decoded)
    label: str | None = "the four nearest tracks"
    for track in place.nearest:
        features = sounds.tracks.features[track]
        right.plot(features, rows, "o", ms=5, mfc="white", mec="black", label=label)
        label = None
    right.set_yticks(rows, FEATURES)
    right.set(xlim=(0, 1.02), ylim=(len(rows) - 0.5, -0.5), xlabel="feature, 0 to 1")
    right.grid(False, axis="y")
    legend = right.get_legend_handles_labels()
    style: Style = {"frameon": False, "fontsize": 8, "ncols": 2}
    figure.legend(*legend, loc="outside upper right", **style)


def _star(ax: Axes, place: Place, **style: Any) -> None:
    ax.plot(*place.point[[ACROSS, UP]], "*", color=ORANGE, mec="black", **style)


def map_plot(ax: Axes, sounds: SoundMap) -> Axes:
    """All tracks on dimensions 2 and 3, coloured by minor and major."""
    style: Style = CENTRED | {"weight": "bold", "fontsize": 9}
    for name, value, colour in (("minor", 0.0, PINK), ("major", 1.0, SKY)):
        rows = sounds.tracks.features[:, MODE] == value
        points = sounds.latents[rows][:, [ACROSS, UP]]
        ax.plot(*points.T, ".", ms=3, alpha=0.5, color=colour)
        middle = points.mean(axis=0)
        ax.text(middle[0], middle[1], name, **style)
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    ax.set(xlabel="dimension 2 (slider two)", ylabel="dimension 3 (three)")
    return ax


def place_line(sounds: SoundMap, place: Place) -> str:
    """The four titles with their distances."""
    songs = []
    for track, distance in zip(place.nearest, place.distances, strict=True):
        title = html.escape(sounds.tracks.titles[track], quote=False)
        songs.append(f"<b>{title}</b> ({distance:.2f})")
    return f"nearest: {', '.join(songs)}"


def place_sound(place: Place) -> Floats:
    """What is decoded from a point, as samples: the same random draws everywhere."""
    return synthesise(unscale(place.features[None])[0], np.random.default_rng(0))


def walk_lab() -> HeardLab[Place]:
    """Five sliders, one for each dimension of the stored map, in steps of .01."""
    sounds = stored_map()
    controls = {}
    for n, name in enumerate(NAMES, 1):
        controls[name] = slider(name, 0.5, 0.0, 1.0, 0.01, unit=f"dimension {n}")

    def compute(**values: float) -> Place:
        return look_around(sounds, [values[name] for name in NAMES])

    return _place_lab("Walk on the map", controls, compute, place_sound)


def records_lab(songs: Sequence[int]) -> HeardLab[Place]:
    """A list of tracks, each shown at its place on the stored map."""
    sounds = stored_map()
    rows = {str(sounds.tracks.titles[song]): song for song in songs}

    def compute(record: str) -> Place:
        return look_around(sounds, sounds.latents[rows[record]])

    def samples(place: Place) -> Floats:
        return track_sound(sounds.tracks, int(place.nearest[0]))

    controls = {"record": choice("record", [*rows])}
    return _place_lab("One record after the other", controls, compute, samples)


def _place_lab(
    title: str,
    controls: dict[str, Any],
    compute: Callable[..., Place],
    samples: Callable[[Place], Floats],
) -> HeardLab[Place]:
    sounds = stored_map()
    return HeardLab(
        title,
        controls,
        compute,
        lambda figure, place: place_picture(figure, sounds, place),
        lambda place: place_line(sounds, place),
        (9.2, 3.9),
        samples=samples,
    )


# -- the stored study
def stored_study(folder: Path = FOLDER) -> Content:
    """The study on real tracks. Raises ``DataError`` where it is missing."""
    return read_result("vae", MAKE, folder)


def provenance(content: Content) -> str:
    """Where the stored study comes from."""
    seeds = ", ".join(map(str, content["seeds"]))
    commit = commit_of(content, 7, " with changes")
    tracks = content["fingerprint"]["tracks"]
    return (
        f"data {content['data']}, {tracks:,} tracks, a tenth held out by each seed\n"
        f"seeds {seeds}; intervals: {content['interval']}; "
        f"took {content['seconds']:.1f} s on {content['device']}\n"
        f"made by `{content['command']}`, commit {commit}"
    )


# -- the lesson's picture
def draw_story(figure: Figure) -> None:
    """Left a new record among its neighbours, right from eleven numbers to five."""
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.45))
    sounds = stored_map()
    map_plot(left, sounds)
    new = int(sounds.new[0])
    place = look_around(sounds, sounds.latents[new])
    for track in sounds.neighbours.nearest(place.point, 4, np.array([[new]]))[0]:
        ends = np.array([place.point, sounds.latents[track]])[:, [ACROSS, UP]]
        left.plot(*ends.T, "-o", color="black", lw=1.2, ms=5)
    _star(left, place, ms=18)
    left.set_title("2,000 records, two of five dimensions")
    left.set(xlabel="dimension 2", ylabel="dimension 3")
    _draw_way(right)


BOXES = (
    ("eleven\nfeatures\n$x$", "0.9", "black"),
    ("encoder", BLUE, "white"),
    ("a place and\nits blur\n$\\mu, \\sigma$", "0.9", "black"),
    ("one point\n$z = \\mu + \\sigma\\varepsilon$", "#F5D491", "black"),
    ("decoder", GREEN, "white"),
    ("eleven\nfeatures\n$\\hat x$", "0.9", "black"),
)


def _draw_way(ax: Axes) -> None:
    """From a track's features through encoder and decoder, and what is learned."""
    arrow: Style = {"arrowstyle": "-|>", "lw": 1.6}
    tight: Style = arrow | {"shrinkA": 0, "shrinkB": 0, "color": "black"}
    box: Style = {"boxstyle": "round,pad=0.05", "ec": "0.3"}
    for place, (words, colour, ink) in enumerate(BOXES):
        x = 2.4 * place
        ax.add_patch(FancyBboxPatch((x, 0), 1.6, 1.5, fc=colour, **box))
        ax.text(x + 0.8, 0.75, words, color=ink, fontsize=8, **CENTRED)
        if place:
            ax.annotate("", (x - 0.08, 0.75), (x - 0.72, 0.75), arrowprops=tight)
    _brace(ax, 0.8, 12.8, 2.05, "squared error: does it sound the same?")
    ax.annotate("", (5.6, -0.12), (5.6, -0.75), arrowprops=arrow | {"color": PINK})
    kl = r"$\beta$ KL: not too far from the middle, not too sharp"
    ax.text(5.6, -1.0, kl, ha="center", color=PINK, fontsize=9.5)
    ax.text(8.0, -0.32, r"noise $\varepsilon$", ha="center", color="0.3", fontsize=9)
    ax.set(xlim=(-0.3, 14.0), ylim=(-1.4, 2.9))
    ax.set_axis_off()


def _brace(ax: Axes, start: float, end: float, height: float, words: str) -> None:
    ax.plot([start, start, end, end], [1.65, height, height, 1.65], color=BLUE, lw=1.6)
    middle = (start + end) / 2
    ax.text(middle, height + 0.18, words, ha="center", color=BLUE, fontsize=9.5)


FIGURES = {"11_map_of_sound.png": (draw_story, (11.0, 3.6))}
