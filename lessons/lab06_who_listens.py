"""Lesson 06, who is listening: a newcomer on the map, the four states of DRR in NumPy, and a widget for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rlrec.types import Floats
from rlrec.viz.style import PALETTE
from rlrec.viz.widgets import Lab, choice, slider, tick

BLUE, ORANGE, GREEN, *_ = PALETTE

# The map of the first widget: each song's vector, (loud, old). Lena may rate the first three.
SONGS = {
    "Iron Parade": (1.2, 0.2),
    "Paper Lantern": (-1.1, 0.3),
    "Copper Railway": (0.1, 1.2),
    "Velvet Thunder": (0.9, 0.8),
    "Electric Arcade": (0.9, -0.9),
    "Hidden Mirror": (-0.8, 0.9),
    "Sleepless Motel": (-0.8, -0.8),
}
RATED = ("Iron Parade", "Paper Lantern", "Copper Railway")
MEAN = 3.5  # stars
FIRST_RATINGS = (5, 2, 4)

# The history of the second widget, oldest first: (loud, old, sung).
HISTORY = {
    "Iron Parade": (1.0, -0.4, 0.5),
    "Velvet Thunder": (0.8, 0.6, 0.2),
    "Copper Railway": (0.5, 1.0, -0.3),
    "Burning Bridge": (1.1, 0.1, 0.9),
    "Paper Lantern": (-0.9, 0.4, 0.7),
}
EXCHANGED = (-0.6, -0.9, -0.5)  # the title that may stand in for the oldest
LISTENERS = {"Lena": (0.8, 0.5, -0.6), "Omar": (-0.5, 0.7, 0.9)}
ORDERS = {
    "as heard": (0, 1, 2, 3, 4),
    "last two swapped": (0, 1, 2, 4, 3),
    "last one first": (4, 0, 1, 2, 3),
    "backwards": (4, 3, 2, 1, 0),
}


# -- folding in ------------------------------------------------------------------------------------------
def fold_in(
    vectors: ArrayLike, residuals: ArrayLike, ridge: float
) -> tuple[Floats, float]:
    """A newcomer's vector [k] and bias by ridge regression, the items' vectors [n, k] held fixed.

    [p, b] = (X'X + ridge n I)^-1 X'r,  X = [q_i, 1];  residuals r [n]: rating - mean - item's bias. Zeros if n = 0.

    >>> vector, bias = fold_in([[1.0], [-1.0]], [1.5, -0.5], ridge=0.5)
    >>> vector.round(3).tolist(), round(bias, 3)
    ([0.667], 0.333)
    """
    items = np.asarray(vectors, np.float64)
    features = np.column_stack([items, np.ones(len(items))])  # [n, k + 1]
    gram = features.T @ features + max(ridge * len(items), 1e-9) * np.eye(
        features.shape[1]
    )
    solved = np.linalg.solve(gram, features.T @ np.asarray(residuals, np.float64))
    return solved[:-1], float(solved[-1])


class Newcomer(NamedTuple):
    """Where one set of ratings puts Lena, and what she is expected to give each song."""

    path: Floats  # [steps, 2]: her vector after 0, 1, 2, .. ratings
    bias: float
    ratings: tuple[int, ...]  # 0: not rated yet
    stars: Floats  # [songs]: predicted


def newcomer(first: int, second: int, third: int, ridge: float) -> Newcomer:
    """Fold Lena in from up to three ratings (0: not rated), one after another."""
    ratings = (first, second, third)
    given = [i for i, stars in enumerate(ratings) if stars]
    vectors = np.array(list(SONGS.values()))
    path, bias = [np.zeros(2)], 0.0
    for count in range(1, len(given) + 1):
        chosen = given[:count]
        vector, bias = fold_in(vectors[chosen], np.array(ratings)[chosen] - MEAN, ridge)
        path.append(vector)
    return Newcomer(np.array(path), bias, ratings, MEAN + bias + vectors @ path[-1])


def draw_newcomer(figure: Figure, result: Newcomer) -> None:
    """The map on the left, the predicted stars on the right."""
    figure.set_layout_engine("none")
    left, right = figure.subplots(
        1,
        2,
        width_ratios=(1.35, 1),
        gridspec_kw={
            "left": 0.07,
            "right": 0.97,
            "bottom": 0.15,
            "top": 0.9,
            "wspace": 0.5,
        },
    )
    _draw_map(left, result)
    _draw_stars(right, result)


def _draw_map(ax: Axes, result: Newcomer) -> None:
    rated = dict(zip(RATED, result.ratings, strict=True))
    for name, (x, y) in SONGS.items():
        stars = rated.get(name, 0)
        ax.plot(x, y, "o", color=BLUE if stars else "#B0B0B0", ms=8)
        ax.text(
            x,
            y + 0.11,
            f"{name}, {stars} stars" if stars else name,
            ha="center",
            va="bottom",
            fontsize=8,
        )
    ax.plot(*result.path.T, "-", color=ORANGE, lw=1.5)
    ax.plot(*result.path[:-1].T, "o", color="white", mec=ORANGE, ms=6)
    ax.plot(*result.path[-1], "*", color=ORANGE, ms=17)
    x, y = result.path[-1]
    ax.text(x, y - 0.12, "Lena", ha="center", va="top", color="#8A5A00", weight="bold")
    ax.axhline(0, color="#D0D0D0", lw=0.8, zorder=0)
    ax.axvline(0, color="#D0D0D0", lw=0.8, zorder=0)
    ax.set(
        xlim=(-1.9, 1.9),
        ylim=(-1.4, 1.6),
        xticks=[],
        yticks=[],
        xlabel="quiet  <-  ->  loud",
        ylabel="new  <-  ->  old",
    )
    ax.set_title("the map: songs, and Lena after each rating", fontsize=10)


def _draw_stars(ax: Axes, result: Newcomer) -> None:
    open_songs = [i for i, name in enumerate(SONGS) if name not in RATED]
    names = [list(SONGS)[i] for i in open_songs]
    bars = ax.barh(
        names, result.stars[open_songs] - MEAN, left=MEAN, color=ORANGE, height=0.55
    )
    ax.bar_label(
        bars, [f"{stars:.1f}" for stars in result.stars[open_songs]], padding=3
    )
    ax.axvline(MEAN, color="black", lw=0.8)
    ax.invert_yaxis()
    ax.set(xlim=(0.5, 6.5), xticks=range(1, 7))
    ax.set_title("stars expected of Lena", fontsize=10)
    ax.grid(False, axis="y")


def describe_newcomer(result: Newcomer) -> str:
    """The first widget's line of text."""
    loud, old = (float(value) + 0.0 for value in result.path[-1].round(2))
    best = [name for name in SONGS if name not in RATED]
    first = max(best, key=lambda name: result.stars[list(SONGS).index(name)])
    lead = (
        f"first choice <b>{first}</b>"
        if len(result.path) > 1
        else "nothing known: the average for everything"
    )
    return f"Lena: loud <b>{loud:.2f}</b>, old <b>{old:.2f}</b>, generous {result.bias + 0.0:.2f}; {lead}"


def newcomer_lab() -> Lab[Newcomer]:
    """Give three ratings and a ridge; see where they put Lena and what she is expected to like."""
    controls = {
        name: slider(f"{song} (0: not yet)", stars, 0, 5, 1)
        for name, song, stars in zip(
            ("first", "second", "third"), RATED, (5, 0, 0), strict=True
        )
    }
    controls["ridge"] = slider("ridge", 0.2, 0.02, 1.0, 0.02)
    return Lab(
        "Put Lena on the map",
        controls,
        newcomer,
        draw_newcomer,
        describe_newcomer,
        (9.0, 3.4),
    )


# -- states ----------------------------------------------------------------------------------------------
def numpy_states(
    user: ArrayLike, items: ArrayLike, weights: ArrayLike | None = None
) -> dict[str, Floats]:
    """The four states of one listener, by name, from a user [k], a full history [n, k] and position weights [n].

    >>> states = numpy_states([1.0, -1.0], [[2.0, 1.0], [1.0, 4.0]])
    >>> states["drr-ave"].tolist(), states["drr-p"].tolist()
    ([1.0, -1.0, 1.5, -2.5, 1.5, 2.5], [2.0, 1.0, 1.0, 4.0, 2.0, 4.0])
    """
    u, plain = np.asarray(user, np.float64), np.array(items, np.float64)  # a copy
    w = np.ones(len(plain)) if weights is None else np.asarray(weights, np.float64)
    weighted = w[:, None] * plain
    first, second = np.triu_indices(len(plain), 1)
    pairs = (weighted[first] * weighted[second]).ravel()
    g = weighted.mean(axis=0)
    return {
        "drr-n": plain.ravel(),
        "drr-p": np.concatenate([plain.ravel(), pairs]),
        "drr-u": np.concatenate([(u * weighted).ravel(), pairs]),
        "drr-ave": np.concatenate([u, u * g, g]),
    }


class Moved(NamedTuple):
    """The four states before and after a change, and how far each has moved."""

    before: dict[str, Floats]
    after: dict[str, Floats]
    titles: tuple[str, ...]  # oldest first
    weights: Floats  # [n]

    def share(self, name: str) -> float:
        """Distance moved, as a share of the state's length before."""
        before, after = self.before[name], self.after[name]
        return float(np.linalg.norm(after - before) / np.linalg.norm(before))


def moved(order: str, recency: float, exchanged: bool, listener: str) -> Moved:
    """The states of Lena's history as heard, and those after a change, both with weights recency^(titles since)."""
    names, items = list(HISTORY), np.array(list(HISTORY.values()))
    weights = recency ** np.arange(len(items) - 1, -1, -1.0)
    before = numpy_states(LISTENERS["Lena"], items, weights)
    if exchanged:
        names[0], items[0] = "Winter Signal", EXCHANGED
    chosen = list(ORDERS[order])
    after = numpy_states(LISTENERS[listener], items[chosen], weights)
    return Moved(before, after, tuple(names[i] for i in chosen), weights)


def draw_moved(figure: Figure, result: Moved) -> None:
    """Each state as two strips, before and after, and a bar for the distance between them."""
    figure.set_layout_engine("none")
    margins = {
        "left": 0.1,
        "right": 0.97,
        "bottom": 0.1,
        "top": 0.86,
        "hspace": 0.75,
        "wspace": 0.12,
    }
    axes = figure.subplots(4, 2, width_ratios=(2.6, 1), gridspec_kw=margins)
    figure.text(0.1, 0.965, " - ".join(result.titles), va="center", fontsize=8.5)
    for (left, right), name in zip(axes, result.before, strict=True):
        _draw_strips(left, name, result.before[name], result.after[name])
        _draw_share(right, result.share(name))
    axes[0, 1].set_title("moved, % of its length", fontsize=9)


def _draw_strips(ax: Axes, name: str, before: Floats, after: Floats) -> None:
    ax.imshow(
        np.stack([before, after]),
        cmap="RdBu",
        vmin=-1.2,
        vmax=1.2,
        aspect="auto",
        interpolation="nearest",
    )
    ax.set_xticks([])
    ax.set_yticks([0, 1], ["before", "after"], fontsize=8)
    ax.axhline(0.5, color="white", lw=2)
    ax.grid(False)
    ax.set_title(f"{name}: {len(before)} numbers", fontsize=9, loc="left", pad=3)


def _draw_share(ax: Axes, share: float) -> None:
    ax.barh([0], [100 * share], color=ORANGE if share > 1e-9 else "white", height=0.6)
    ax.text(
        min(100 * share, 160) + 4, 0, f"{100 * share:.0f}%", va="center", weight="bold"
    )
    ax.set(xlim=(0, 200), xticks=[], yticks=[])
    ax.grid(False)


def describe_moved(result: Moved) -> str:
    """The second widget's line of text."""
    shares = ", ".join(
        f"{name} <b>{100 * result.share(name):.0f}%</b>" for name in result.before
    )
    weights = ", ".join(f"{weight:.2f}" for weight in result.weights)
    return f"moved: {shares}; weights, oldest first: {weights}"


def states_lab() -> Lab[Moved]:
    """Reorder a history, weigh its places, exchange a title or the listener; see which state moves."""
    controls = {
        "order": choice("order", list(ORDERS)),
        "recency": slider("recency (1: equal weights)", 1.0, 0.3, 1.0, 0.05),
        "exchanged": tick("oldest title exchanged"),
        "listener": choice("listener", list(LISTENERS)),
    }
    return Lab(
        "Which state moves?", controls, moved, draw_moved, describe_moved, (9.0, 4.2)
    )


# -- the picture of the lesson ---------------------------------------------------------------------------
def draw_who(figure: Figure) -> None:
    """Left: Lena's way over the map; right: her point and what she heard last make the state."""
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
    result = newcomer(*FIRST_RATINGS, ridge=0.2)
    _draw_map(left, result)
    liked = np.array([SONGS["Iron Parade"], SONGS["Copper Railway"]])
    state = numpy_states(result.path[-1], liked)["drr-ave"]
    _draw_state(
        right,
        state.reshape(3, 2),
        ("who is this?\nu", "does it fit?\nu * g", "what was liked last?\ng"),
    )


def _draw_state(ax: Axes, parts: Floats, names: Sequence[str]) -> None:
    colours = (ORANGE, GREEN, BLUE)
    for block, (part, name, colour) in enumerate(
        zip(parts, names, colours, strict=True)
    ):
        places = 3 * block + np.arange(2)
        bars = ax.bar(places, part, color=colour, width=0.9)
        ax.bar_label(bars, [f"{value:.2f}" for value in part], fontsize=8, padding=2)
        ax.text(places.mean(), -0.06, name, ha="center", va="top", fontsize=9)
    ax.axhline(0, color="black", lw=0.8)
    ax.set(xlim=(-0.8, 7.8), ylim=(-0.35, 1.2), xticks=[], yticks=[])
    ax.set_title("the state: 3 blocks of 2 numbers (loud, old)", fontsize=10)
    ax.grid(False)
    ax.spines[:].set_visible(False)


FIGURES = {"06_who_is_listening.png": (draw_who, (9.6, 3.6))}
