"""The picture of lesson 14's ``ListenerLab``: song, belief, map of sound, offer."""

from __future__ import annotations

import html
from collections import Counter
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from drawing import CENTRED
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from rlrec.datasets import FEATURES
from rlrec.datasets.reading.reports import shorten
from rlrec.envs import Catalogue
from rlrec.envs.listeners import LONGEST
from rlrec.types import Floats
from rlrec.viz.style import PALETTE, Style

if TYPE_CHECKING:
    from lab14_listener import Listener

SIZE = (10.4, 5.3)  # inches
ORANGE, GREEN, PINK = PALETTE[1:4]
RED = PALETTE[5]
MARKS = {
    "listen": ("o", GREEN, "heard"),
    "skip": ("X", RED, "skipped"),
    "like": ("*", PINK, "liked"),
}
# of a song that is expected to be skipped, and to please
SHADES = LinearSegmentedColormap.from_list("", ["#D8DCE4", "#295C8C"])


def rises(catalogue: Catalogue) -> Floats:
    """How much each feature rises along each axis of the map: correlations [11, 5]."""
    with np.errstate(invalid="ignore"):  # a feature that is the same for all songs
        found = np.corrcoef(catalogue.features, catalogue.sound, rowvar=False)
    return np.nan_to_num(found[: len(FEATURES), len(FEATURES) :])


def strongest(values: Floats) -> str:
    """The two features of largest absolute value in [11]: "energy, less mode"."""
    said = []
    for i in np.argsort(-np.abs(values).round(6), kind="stable")[:2]:
        if values[i] != 0:
            said.append(f"{'less ' if values[i] < 0 else ''}{FEATURES[i]}")
    return ", ".join(said) or "nothing yet"


def draw_listener(figure: Figure, listener: Listener) -> None:
    """The song that plays, the belief, the map, and the songs on offer."""
    figure.set_layout_engine("none")
    widths = {"width_ratios": [0.6, 0.7, 2.0, 1.5], "wspace": 0.12}
    place = {"left": 0.12, "right": 0.99, "top": 0.92, "bottom": 0.09}
    song, belief, on_map, listed = figure.subplots(1, 4, gridspec_kw=widths | place)
    draw_list = draw_session if listener.over else draw_offer
    with mpl.rc_context({"axes.titlesize": 9.5}):
        draw_features(song, belief, listener)
        draw_map(on_map, listener)
        draw_list(listed, listener)


def draw_features(song: Axes, belief: Axes, listener: Listener) -> None:
    """The eleven features of the song that plays, and what they do to the belief."""
    song.barh(FEATURES, listener.tracks.features[listener.song], color=ORANGE)
    song.plot(listener.tracks.features.mean(axis=0), FEATURES, "k|", ms=9)
    song.set(xlim=(0, 1), xticks=[0, 1], title="this song\n(|: the average)")
    bars = rises(listener.rule.catalogue) @ listener.belief
    belief.barh(FEATURES, bars, color=np.where(bars > 0, GREEN, RED).tolist())
    top = max(1.5, float(np.abs(bars).max()))
    belief.set(xlim=(-top, top), title="belief\n(log odds)", yticks=[])
    belief.axvline(0, color="black", lw=0.8)
    for ax in (song, belief):
        ax.invert_yaxis()
        ax.tick_params(labelsize=8)
        ax.grid(visible=False)


def draw_map(ax: Axes, listener: Listener) -> None:
    """All songs, plays, songs on offer by rank; an arrow to where you want to go."""
    sound = listener.rule.catalogue.sound
    low, high = np.quantile(sound[:, :2], [0.005, 0.995], axis=0)
    places = np.clip(sound[:, :2], low, high)
    opinion = sound @ listener.belief
    order = np.argsort(opinion)  # the best are on top
    shade: Style = {"c": opinion[order], "cmap": SHADES, "vmin": -2.5, "vmax": 2.5}
    ax.scatter(places[order, 0], places[order, 1], s=4, lw=0, **shade)
    for kind, (mark, colour, word) in MARKS.items():
        songs = [play.song for play in listener.plays if play.kind == kind]
        style: Style = {"color": colour, "mec": "white", "ms": 10, "label": word}
        ax.plot(places[songs, 0], places[songs, 1], mark, **style)
    ax.legend(loc="lower left", fontsize=7)
    for rank, song in enumerate([] if listener.over else listener.offer.songs):
        fill = ORANGE if rank == listener.offer.pick else "white"
        box: Style = {"boxstyle": "circle,pad=0.15", "fc": fill, "ec": "black"}
        x, y = places[song]
        ax.text(x, y, f"{rank + 1}", bbox=box, fontsize=7, **CENTRED)
    slope = listener.belief[:2]
    length = float(np.hypot(*slope)) / 1.5
    if length > 0:
        x, y = slope * np.tanh(length) / length  # at most 1.5 long
        arrow: Style = {"arrowstyle": "-|>", "lw": 2.5, "color": "black"}
        ax.annotate("", (x, y), (0, 0), arrowprops=arrow)
    across, up = rises(listener.rule.catalogue).T[:2]
    ax.set(xticks=[], yticks=[], title="the map of sound (dark: expected to please)")
    ax.set_xlabel(f"{strongest(across)} →", fontsize=8)
    ax.set_ylabel(f"{strongest(up)} →", fontsize=8)


def draw_offer(ax: Axes, listener: Listener) -> None:
    """The songs on offer, best first, with their probabilities; orange: it plays."""
    songs, probabilities, pick = listener.offer
    rows = np.arange(len(songs))
    colours = np.where(rows == pick, ORANGE, "0.35").tolist()
    bars = ax.barh(rows + 0.25, probabilities, 0.3, color=colours)
    ax.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    for row, song in enumerate(songs):
        name = shorten(listener.tracks.label(int(song)), 42)
        ax.text(0, row, f"{row + 1}  {name}", fontsize=8, parse_math=False)
    ax.set(xlim=(0, 1.1), ylim=(len(rows) - 0.5, -0.5))
    ax.set_title("on offer, with their probabilities", loc="left")
    ax.axis("off")


def draw_session(ax: Axes, listener: Listener) -> None:
    """The songs of a session that is over."""
    for row, play in enumerate(listener.plays):
        mark, colour, _ = MARKS[play.kind]
        ax.plot(0, row, mark, ms=9 if mark == "*" else 7, color=colour)
        name = shorten(listener.tracks.label(play.song), 42)
        ax.text(0.06, row, name, va="center", fontsize=8, parse_math=False)
    ax.set(xlim=(-0.05, 1.1), ylim=(LONGEST - 0.5, -0.5))
    ax.set_title("your session", loc="left")
    ax.axis("off")


def listener_text(listener: Listener) -> str:
    """What plays and with which probability, the session's tally, the belief."""
    tally = Counter(play.kind for play in listener.plays)
    counts = ", ".join(f"{tally[kind]} {word}" for kind, (_, _, word) in MARKS.items())
    taste = strongest(rises(listener.rule.catalogue) @ listener.belief)
    so_far = f"{counts}. Believed taste: {taste}."
    if listener.over:
        return f"<b>The session is over</b>: {so_far}<br>Begin another, or save it."
    title = html.escape(listener.tracks.label(listener.song))
    share = listener.offer.probabilities[listener.offer.pick]
    place = f"Song {len(listener.plays) + 1} of {LONGEST}"
    return f"<b>{title}</b>, drawn with probability {share:.2f}<br>{place}; {so_far}"
