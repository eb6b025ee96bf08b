"""Lesson 08, prioritised replay: which transitions are drawn, and with what weight."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from drawing import diagram
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rlrec.agents.replay import (
    PrioritisedReplay,
    PriorityConfig,
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
    names = [f"{error:g}" for error in found.errors]
    fixed: Style = {"rot": 0, "xlabel": "|TD error| of the song", "fontsize": 8}
    share = {"share of the draws": found.counts / found.counts.sum()}
    pd.DataFrame(share, names).plot.bar(ax=left, ylim=(0, 1.22), **fixed)
    left.plot(found.probabilities, "ko", ms=5, label="P(i)")
    left.set(ylabel="share", title="drawn")
    count = {"weight w(i)": found.weights, "pull: draws × weight": found.pull}
    top = 8.5 if len(names) > 3 else 2.6
    pd.DataFrame(count, names).plot.bar(ax=right, ylim=(0, top), **fixed)
    right.axhline(1, color="0.4", ls=":")
    right.set_title("counts")
    for ax in (left, right):
        ax.legend(frameon=False, loc="upper left")


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
    way = ["1", "2", "3", "4", "5", "a like: 1"]
    boxes = {name: (name, 0.03 + 0.18 * n, 0.8, "white") for n, name in enumerate(way)}
    boxes["a like: 1"] = ("a like: 1", 0.95, 0.8, GREEN)
    boxes["wrong"] = ("any wrong song: Vera leaves, reward 0", 0.39, 0.1, "white")
    arrows = [(song, after, 0.0) for song, after in pairwise(way)]
    arrows += [(song, "wrong", 0.0) for song in way[:5]]
    diagram(left, boxes, arrows)
    left.set_title("Vera's set of five songs")
    place = np.arange(2**6 - 2)  # plays of the log
    colours = np.where(place == place[-1], GREEN, "0.85").tolist()
    right.scatter(place % 11, -(place // 11), s=190, c=colours, marker="s")
    right.set_title(f"the log of all evenings: {len(place)} plays, one like")
    right.set_axis_off()


NODES = {
    "root": ("8\n2.9 < 3: left\n3.5 ≥ 3: right, with 0.5", 0.5, 0.85, "white"),
    "left": ("3\n2.9 ≥ 1: right", 0.25, 0.45, "white"),
    "right": ("5\n0.5 < 4: left", 0.75, 0.45, "white"),
    "leaf 0": ("1", 0.1, 0.1, "white"),
    "leaf 1": ("2", 0.35, 0.1, BLUE),
    "leaf 2": ("4", 0.65, 0.1, ORANGE),
    "leaf 3": ("1", 0.9, 0.1, "white"),
}
EDGES = (
    ("root", "left", 0),
    ("root", "right", 0),
    ("left", "leaf 0", 0),
    ("left", "leaf 1", 0),
    ("right", "leaf 2", 0),
    ("right", "leaf 3", 0),
)


def draw_tree(figure: Figure) -> None:
    """The tree over priorities 1, 2, 4, 1 with two draws, and the same as one bar."""
    top, bar = figure.subplots(2, 1, height_ratios=(3, 1))
    diagram(top, NODES, EDGES)
    colours: Style = {"color": ["white", BLUE, ORANGE, "white"], "edgecolor": "black"}
    leaves = bar.barh([0] * 4, [1, 2, 4, 1], left=[0, 1, 3, 7], alpha=0.3, **colours)
    bar.bar_label(leaves, [f"leaf {n}" for n in range(4)], label_type="center")
    bar.plot([2.9, 3.5], [0.45, 0.45], "kv")
    bar.set(
        xlim=(0, 8), yticks=[], xlabel="running sum of the priorities (▼: the draws)"
    )


FIGURES = {
    "08_one_like.png": (draw_story, (10.0, 3.0)),
    "08_sum_tree.png": (draw_tree, (8.4, 4.4)),
}
