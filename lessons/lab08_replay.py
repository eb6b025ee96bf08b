"""Lesson 08, prioritised replay: which transitions are drawn, and with what weight."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from drawing import CENTRED, without_frame
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rlrec.agents.replay import (
    PrioritisedReplay,
    PriorityConfig,
    SumTree,
)
from rlrec.types import Floats, Ids
from rlrec.viz.style import PALETTE, Style
from rlrec.viz.widgets import Lab, choice, slider

BLUE, ORANGE, GREEN, *_ = PALETTE


# -- the widget: what alpha and beta do
ALIKE = (0.9, 0.95, 1.0, 1.05, 1.1)
MEMORIES = {
    "three songs: 1, 2, 4": (1.0, 2.0, 4.0),
    "twelve songs, one big surprise": (0.2,) * 5 + (0.5,) * 4 + (1.0, 1.0, 8.0),
    "twelve songs, all much the same": (*ALIKE, *ALIKE, 1.0, 1.0),
}


class Draws(NamedTuple):
    """How often songs are drawn and how they are weighted, by their TD errors."""

    errors: Floats  # [songs] |TD error|
    probabilities: Floats  # [songs] P(i), they sum to 1
    counts: Ids  # [songs] how often each was drawn
    weights: Floats  # [songs] importance weights, the largest is 1
    pull: Floats  # [songs] N P(i) w(i): effect on the learner, uniform replay is 1


def probabilities_and_weights(
    errors: ArrayLike, alpha: float, beta: float
) -> tuple[Floats, Floats]:
    """P(i) and w(i) of |TD errors| [songs] (Schaul et al., sections 3.3 and 3.4).

        P(i) = p_i^alpha / sum p^alpha,  w_i = (N P(i))^-beta / max w,  p_i = |error_i|

    >>> found, weights = probabilities_and_weights([1, 2, 4], alpha=0.6, beta=0.4)
    >>> found.round(3).tolist(), weights.round(3).tolist()
    ([0.208, 0.315, 0.477], [1.0, 0.847, 0.717])
    """
    priorities = np.abs(np.asarray(errors, np.float64)) ** alpha
    probabilities = priorities / priorities.sum()
    weights = (len(probabilities) * probabilities) ** -beta
    return probabilities, weights / weights.max()


def draw_songs(memory: str, alpha: float, beta: float, draws: int) -> Draws:
    """Draw ``draws`` times from one of ``MEMORIES`` with the library's replay."""
    errors = np.array(MEMORIES[memory])
    probabilities, weights = probabilities_and_weights(errors, alpha, beta)
    config = PriorityConfig(alpha=alpha, smallest=1e-9)
    replay = PrioritisedReplay(len(errors), {"song": ((), np.int64)}, config)
    replay.update(replay.add(song=np.arange(len(errors))), errors)
    counts = np.zeros(len(errors), np.int64)
    rng = np.random.default_rng(0)
    # in batches of 10, as a learner draws them
    for first in range(0, draws, 10):
        sample = replay.sample(1, min(10, draws - first), rng, beta=beta)
        np.add.at(counts, sample.places[0], 1)
    pull = len(errors) * probabilities * weights
    return Draws(errors, probabilities, counts, weights, pull)


def draws_picture(figure: Figure, found: Draws) -> None:
    """Left how often each song is drawn, right its weight and its pull."""
    left, right = figure.subplots(1, 2)
    place = np.arange(len(found.errors))
    share = found.counts / found.counts.sum()
    left.bar(place, share, color=BLUE, alpha=0.45, label="share of the draws")
    left.plot(place, found.probabilities, "o", color="black", ms=5, label="P(i)")
    left.axhline(1 / len(place), color="0.4", lw=1, ls=":")
    left.set(ylim=(0, 1.22), ylabel="share", title="drawn")
    right.bar(place - 0.2, found.weights, width=0.4, color=ORANGE, label="weight w(i)")
    pull: Style = {"color": GREEN, "label": "pull: draws × weight"}
    right.bar(place + 0.2, found.pull, width=0.4, **pull)
    right.axhline(1, color="0.4", lw=1, ls=":")
    right.set(ylim=(0, 8.5) if len(place) > 3 else (0, 2.6), title="counts")
    names = [f"{error:g}" for error in found.errors]
    for ax in (left, right):
        ax.set_xticks(place, names, fontsize=8 if len(place) < 9 else 7)
        ax.set_xlabel("|TD error| of the song")
        ax.legend(frameon=False, loc="upper left", fontsize=8)
        ax.grid(False, axis="x")


def draws_line(found: Draws) -> str:
    """The song with the largest error in one line of HTML."""
    top = int(found.errors.argmax())
    return (
        f"largest error {found.errors[top]:g}: "
        f"drawn {found.counts[top]} times in {found.counts.sum()}, "
        f"P <b>{found.probabilities[top]:.3f}</b>, "
        f"weight <b>{found.weights[top]:.3f}</b>, "
        f"pull <b>{found.pull[top]:.2f}</b> (uniform replay: 1)"
    )


def draws_lab() -> Lab[Draws]:
    """Controls for alpha and beta beside the histogram of draws."""
    proportional = "0: uniform, 1: in proportion to the error"
    unbiased = "0: no weights, 1: the bias is gone"
    controls = {
        "memory": choice("memory", list(MEMORIES)),
        "alpha": slider("alpha", 0.6, 0.0, 1.0, 0.05, unit=proportional),
        "beta": slider("beta", 0.4, 0.0, 1.0, 0.05, unit=unbiased),
        "draws": slider("draws", 500, 20, 2000, 20, unit="transitions"),
    }
    title = "What is drawn, and what it counts"
    return Lab(title, controls, draw_songs, draws_picture, draws_line, (8.6, 3.1))


# -- the lesson's pictures
def draw_story(figure: Figure) -> None:
    """Left the set of five songs, right all that was logged, the one like in green."""
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    _draw_set(left, 5)
    plays = 2**6 - 2
    for place in range(plays):
        colour = GREEN if place == plays - 1 else "0.85"
        right.plot(place % 11, -(place // 11), "s", ms=14, color=colour, mec="white")
    right.set(xlim=(-0.8, 10.8), ylim=(-5.7, 0.7))
    right.set_title(f"the log of all evenings: {plays} plays, one like")
    for ax in (left, right):
        ax.set_axis_off()


def _draw_set(ax: Axes, length: int) -> None:
    """The set as a chain: right choices go on, wrong ones end the evening."""
    for song in range(length):
        ax.plot(song, 0, "o", ms=24, color="white", mec="black")
        ax.text(song, 0, f"{song + 1}", **CENTRED)
        _arrow(ax, (song, -0.22), (song, -0.85), "0.6")
        if song:
            _arrow(ax, (song - 0.78, 0), (song - 0.22, 0), BLUE)
    end = length - 0.22
    _arrow(ax, (length - 0.78, 0), (length - 0.3, 0), GREEN)
    ax.text(end, 0, "a like: 1", color=GREEN, va="center", weight="bold")
    ax.text(2, -1.05, "any wrong song: Vera leaves, reward 0", color="0.4", **CENTRED)
    ax.text(2, 0.5, "the right next song", color=BLUE, **CENTRED)
    ax.set(xlim=(-0.6, 5.9), ylim=(-1.4, 0.9), title="Vera's set of five songs")


def _arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str
) -> None:
    style: Style = {"arrowstyle": "-|>", "lw": 1.8, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=style | {"color": colour})


def tree_path(tree: SumTree, value: float) -> list[int]:
    """The nodes that a draw passes, from the root, 1, to its leaf.

    >>> tree = SumTree(4)
    >>> tree.set(np.arange(4), [1.0, 2.0, 4.0, 1.0])
    >>> tree_path(tree, 2.9), tree_path(tree, 3.5)
    ([1, 2, 5], [1, 3, 6])
    """
    leaf = int(tree.find(np.array([value]))[0]) + tree.first_leaf
    return [leaf >> up for up in range(tree.depth, -1, -1)]


# x of each node; a leaf stands above its stretch of the bar
NODE_X = {4: 0.5, 5: 2.0, 6: 5.0, 7: 7.5, 2: 1.25, 3: 6.25, 1: 3.75}


def draw_tree(figure: Figure) -> None:
    """The tree over priorities 1, 2, 4, 1 with two draws, and the same as one bar."""
    top, bar = figure.subplots(2, 1, height_ratios=(2.7, 1))
    tree = SumTree(4)
    tree.set(np.arange(4), [1.0, 2.0, 4.0, 1.0])
    _draw_nodes(top, tree)
    for value, colour in ((2.9, BLUE), (3.5, ORANGE)):
        for above, below in pairwise(tree_path(tree, value)):
            _edge(top, above, below, color=colour, lw=4, zorder=2)
    _label_tree(top)
    _draw_bar(bar)


def _edge(ax: Axes, above: int, below: int, **line: Any) -> None:
    height = [_height(above), _height(below)]
    ax.plot([NODE_X[above], NODE_X[below]], height, **line)


def _height(node: int) -> int:
    return 3 - node.bit_length()


def _draw_nodes(ax: Axes, tree: SumTree) -> None:
    for node in range(2, 8):
        _edge(ax, node, node // 2, color="0.75", lw=1.5, zorder=1)
    for node, x in NODE_X.items():
        y = _height(node)
        ax.plot(x, y, "o", ms=30, color="white", mec="black", zorder=3)
        label = f"{tree.nodes[node]:g}"
        ax.text(x, y, label, zorder=4, **CENTRED)


def _draw_bar(ax: Axes) -> None:
    """The leaves side by side, and where the two draws fall."""
    for value, colour, side in ((2.9, BLUE, -1), (3.5, ORANGE, 1)):
        ax.plot([value, value], [0.5, 1.35], color=colour, lw=2.5)
        style: Style = {"color": colour, "va": "center", "weight": "bold"}
        align = "right" if side < 0 else "left"
        ax.text(value + 0.08 * side, 1.1, f"draw {value:g}", ha=align, **style)
    for leaf, (start, width) in enumerate(((0, 1), (1, 2), (3, 4), (7, 1))):
        ax.barh(0, width, left=start, height=1, color="0.92", edgecolor="black")
        ax.text(start + width / 2, 0, f"leaf {leaf}", fontsize=9, **CENTRED)
    ax.set(xlim=(-0.3, 8.3), ylim=(-0.55, 1.5), yticks=[])
    ax.set_xlabel("running sum of the priorities")
    without_frame(ax)


def _label_tree(ax: Axes) -> None:
    for x, y, words, colour, side in (
        (NODE_X[1] + 0.4, 2.1, "the sum of all", "0.15", "left"),
        (2.35, 1.68, "2.9 < 3: left", BLUE, "right"),
        (5.2, 1.68, "3.5 ≥ 3: right, 3.5 − 3 = 0.5", ORANGE, "left"),
        (1.8, 0.6, "2.9 ≥ 1: right", BLUE, "left"),
        (5.3, 0.55, "0.5 < 4: left", ORANGE, "right"),
    ):
        ax.text(x, y, words, color=colour, ha=side, va="center", fontsize=9)
    ax.set(xlim=(-0.3, 8.3), ylim=(-0.45, 2.45))
    ax.set_axis_off()


FIGURES = {
    "08_one_like.png": (draw_story, (10.0, 3.0)),
    "08_sum_tree.png": (draw_tree, (8.4, 4.4)),
}
