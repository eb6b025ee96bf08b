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
from drawing import diagram
from hearing import HeardLab
from matplotlib.axes import Axes
from matplotlib.figure import Figure
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
HOLLOW: Style = {"mfc": "white", "mec": "black", "mew": 1.5}
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
    map_plot(left, sounds, place)
    right.barh(FEATURES, place.features, label="decoded from the point")
    for track in place.nearest:
        right.plot(sounds.tracks.features[track], FEATURES, "o", **HOLLOW)
    right.set(xlim=(0, 1.02), xlabel="feature, 0 to 1 (circles: the four nearest)")
    right.invert_yaxis()


def map_plot(ax: Axes, sounds: SoundMap, place: Place) -> None:
    """All tracks on dimensions 2 and 3, a place and the four nearest to it."""
    major = sounds.tracks.features[:, MODE] == 1.0
    x, y = sounds.latents[:, ACROSS], sounds.latents[:, UP]
    for mode, rows, colour in (("minor", ~major, PINK), ("major", major, SKY)):
        ax.plot(x[rows], y[rows], ".", ms=3, alpha=0.5, color=colour, label=mode)
    ax.plot(x[place.nearest], y[place.nearest], "o", label="the nearest", **HOLLOW)
    here: Style = {"color": ORANGE, "mec": "black", "ms": 17}
    ax.plot(place.point[ACROSS], place.point[UP], "*", label="here", **here)
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    ax.set(xlabel="dimension 2", ylabel="dimension 3")
    ax.legend(fontsize=8, loc="upper right")


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
BOXES = {
    "x": ("eleven\nfeatures $x$", 0.07, 0.5, "white"),
    "encoder": ("encoder", 0.31, 0.5, BLUE),
    "place": ("a place and its\nblur $\\mu, \\sigma$", 0.53, 0.5, "white"),
    "point": ("one point\n$z = \\mu + \\sigma\\varepsilon$", 0.85, 0.5, ORANGE),
    "decoder": ("decoder", 0.85, 0.1, GREEN),
    "again": ("eleven\nfeatures $\\hat x$", 0.45, 0.1, "white"),
    "error": ("squared error:\nthe same sound?", 0.12, 0.1, PINK),
    "kl": ("$\\beta$ KL: not too far from the middle, not too sharp", 0.5, 0.88, PINK),
}
ARROWS = (
    ("x", "encoder", 0),
    ("encoder", "place", 0),
    ("place", "point", 0),
    ("point", "decoder", 0),
    ("decoder", "again", 0),
    ("again", "error", 0),
    ("x", "error", 0),
    ("place", "kl", 0),
)


def draw_story(figure: Figure) -> None:
    """Left a new record among its neighbours, right from eleven numbers to five."""
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.45))
    sounds = stored_map()
    new = int(sounds.new[0])
    place = look_around(sounds, sounds.latents[new])
    others = sounds.neighbours.nearest(place.point, 4, np.array([[new]]))[0]
    place = place._replace(nearest=others)
    map_plot(left, sounds, place)
    left.set_title("2,000 records, two of five dimensions")
    diagram(right, BOXES, ARROWS)


FIGURES = {"11_map_of_sound.png": (draw_story, (11.0, 3.6))}
