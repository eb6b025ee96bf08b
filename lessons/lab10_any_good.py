"""Lesson 10, is it any good: features of an evening, the widget, the first picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rlrec.agents import GreedyListening
from rlrec.envs import default_catalogue
from rlrec.envs.listeners import MEMORY
from rlrec.logs.off_policy import Estimate
from rlrec.types import Floats
from rlrec.viz.style import PALETTE, Style
from rlrec.viz.widgets import Lab, choice, slider

GREY = "#8C8C8C"
METHODS = {
    "naive": GREY,
    "DM": PALETTE[5],
    "IPS": PALETTE[0],
    "SNIPS": PALETTE[4],
    "DR": PALETTE[2],
}


# -- what a judge may see of an evening


def evening_features(seen: list[dict[str, NDArray[Any]]]) -> Floats:
    """Features of a linear Q for each song on offer: [n, steps, 10, f].

    ``seen``: what was observed at each step. The first three are of the song: 1,
    popularity, its match with the taste that greedy estimates. The others are of the
    evening: how like the last songs the song is, how one-sided they were, whether the
    last was skipped, how many lately.
    """
    return np.stack(list(map(_step_features, seen)), axis=1)


def _step_features(seen: dict[str, NDArray[Any]]) -> Floats:
    """The features [n, 10, f] at one step."""
    catalogue = default_catalogue()
    offered = seen["candidates"]
    history = seen["history"]
    ones = np.ones(offered.shape)
    taste = GreedyListening(catalogue).belief(seen)
    match = np.einsum("bmd,bd->bm", catalogue.sound[offered], taste)
    fading = MEMORY ** np.arange(history.shape[1] - 1, -1, -1) * (history >= 0)
    played = catalogue.direction[np.maximum(history, 0)]
    lately = np.einsum("bn,bnd->bd", fading, played) * (1 - MEMORY)
    alike = np.einsum("bmd,bd->bm", catalogue.direction[offered], lately)
    skips = seen["feedback"][:, :, 2]
    skipped = (skips * fading).sum(axis=1) / np.maximum(fading.sum(axis=1), 1e-9)
    songs = [ones, catalogue.appeal[offered], match, alike, np.maximum(alike, 0.0)]
    for state in (np.linalg.norm(lately, axis=1), skips[:, -1], skipped):
        songs.append(state[:, None] * ones)
    return np.stack(songs, axis=2)


# -- the widget


class View(NamedTuple):
    """One log, and the estimates from it."""

    # [2, 10] of the first offer, most popular song first: the shop's, the new policy's
    probabilities: Floats
    truth: float
    said: Mapping[str, Estimate]  # refused or not; "naive" is the log's mean
    size: float  # effective sample size
    why: str  # why they are refused, empty if they are not


def draw_view(figure: Figure, seen: View) -> None:
    """Left the probabilities of one offer, right the estimates beside the truth."""
    figure.set_layout_engine("none")  # fixed places: a redraw takes half as long
    _draw_offer(figure.add_axes((0.07, 0.17, 0.36, 0.7)), seen.probabilities)
    right = figure.add_axes((0.55, 0.17, 0.43, 0.7))
    right.axvline(seen.truth, color="black", lw=1.5)
    for row, name in enumerate(METHODS):
        hollow = bool(seen.why) and name != "naive"
        if name in seen.said:
            _bar(right, row, seen.said[name], METHODS[name], hollow=hollow)
    right.set(ylim=(len(METHODS) - 0.4, -0.6), xlim=(0.1, 1.1))
    right.set_xlabel("share of first songs heard")
    right.set_yticks(range(len(METHODS)), list(METHODS))
    refused = "refused: what it would have said"
    right.set_title(refused if seen.why else "estimates; black line: the truth")


def _draw_offer(ax: Axes, probabilities: Floats) -> None:
    place = np.arange(probabilities.shape[1])
    shop, new = probabilities
    ax.bar(place - 0.2, shop, 0.4, color=GREY, label="the shop (made the log)")
    ax.bar(place + 0.2, new, 0.4, color=PALETTE[0], label="the new policy")
    ax.set(ylim=(0, 1), title="probabilities on one shelf")
    ax.set_xlabel("ten songs on offer, most popular first")
    ax.set_xticks(place, place + 1)
    ax.legend(frameon=False)


def _bar(ax: Axes, row: int, one: Estimate, colour: str, *, hollow: bool) -> None:
    """An estimate as a dot, its interval as a line; hollow and pale if refused."""
    if np.isfinite(one.low):
        alpha = 0.35 if hollow else 1.0
        ax.plot([one.low, one.high], [row, row], color=colour, lw=3, alpha=alpha)
    fill = "white" if hollow else colour
    ax.plot(one.value, row, "o", ms=9, mec=colour, mfc=fill, mew=2)


def say_view(seen: View) -> str:
    """The picture in a line or two."""
    said = ", ".join(f"{name} {one.value:.3f}" for name, one in seen.said.items())
    line = (
        f"truth <b>{seen.truth:.3f}</b>; {said}; effective sample size {seen.size:.0f}"
    )
    return f"{line}<br>refused: {seen.why}" if seen.why else line


def estimator_lab(view: Callable[..., View]) -> Lab[View]:
    """Policy, log and model under controls; ``view`` takes them by name."""
    new = "share of the new policy"
    floor = "the shop tries any song"
    sizes = (100, 300, 1000, 3000, 10_000)
    controls = {
        "mix": slider(new, 0.5, 0.0, 1.0, 0.05, unit="the rest is the shop's"),
        "plays": choice("plays in the log", sizes, 3000),
        "floor": slider(floor, 0.3, 0.0, 1.0, 0.05, unit="share of its plays"),
        "model": choice("the model sees", ("popularity", "popularity and sound")),
        "log": slider("log number", 0, 0, 50, 1),
    }
    title = "A policy that nobody has tried"
    return Lab(title, controls, view, draw_view, say_view, (9.5, 3.6))


# -- pictures


def draw_two_songs(figure: Figure) -> None:
    """Ten plays as they are, and weighted as the flipped policy would have them."""
    panels = figure.subplots(1, 2, sharey=True)
    place = np.arange(10)
    reward = np.repeat([0.2, 1.0], [8, 2])
    weight = np.repeat([0.25, 4.0], [8, 2])
    colours = [PALETTE[5]] * 8 + [PALETTE[0]] * 2
    style: Style = {"edgecolors": "black", "linewidths": 0.8, "zorder": 3}
    for ax, weights, title in (
        (panels[0], np.ones(10), "the log: each play counts once"),
        (panels[1], weight, "weighted: A counts 1/4, B counts 4"),
    ):
        ax.scatter(place, reward, s=260 * weights, c=colours, **style)
        mean = float((weights * reward).mean())
        ax.axhline(mean, color="0.3", ls="--", lw=1.5)
        ax.text(3.0, mean + 0.04, f"mean {mean:.2f}", ha="center", fontsize=12)
        ax.set(xlim=(-0.8, 10.2), ylim=(-0.05, 1.35), title=title)
        ax.set_xticks([3.5, 8.5], ["A", "B"])
        ax.grid(False, axis="x")
    panels[0].set_ylabel("reward of a play")


FIGURES = {"10_two_songs.png": (draw_two_songs, (8.5, 3.4))}
