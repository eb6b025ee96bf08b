"""Lesson 06, who is listening: folding in a newcomer, and the four states of DRR."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from drawing import ABOVE, BELOW
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rlrec.types import Floats
from rlrec.viz.style import PALETTE
from rlrec.viz.widgets import Lab, choice, slider, tick

BLUE, ORANGE, GREEN = PALETTE[:3]

# The map of the first widget: the vector of each song, (loud, old).
SONGS = {
    "Iron Parade": (1.2, 0.2),
    "Paper Lantern": (-1.1, 0.3),
    "Copper Railway": (0.1, 1.2),
    "Velvet Thunder": (0.9, 0.8),
    "Electric Arcade": (0.9, -0.9),
    "Hidden Mirror": (-0.8, 0.9),
    "Sleepless Motel": (-0.8, -0.8),
}
RATED = 3  # Lena may rate the first three
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
LISTENERS = {"Lena": (0.8, 0.5, -0.6), "Noor": (-0.5, 0.7, 0.9)}
ORDERS = {
    "as heard": (0, 1, 2, 3, 4),
    "last two swapped": (0, 1, 2, 4, 3),
    "last one first": (4, 0, 1, 2, 3),
    "backwards": (4, 3, 2, 1, 0),
}


# -- folding in ------------------------------------------------------------------------
def fold_in(
    vectors: ArrayLike, residuals: ArrayLike, ridge: float
) -> tuple[Floats, float]:
    """A newcomer's vector [k] and bias by ridge regression, the items held fixed.

        [p, b] = (X'X + ridge n I)^-1 X'r,    X = [q_i, 1]

    ``vectors`` [n, k]: the items' q_i; ``residuals`` [n]: r = rating - mean - item's
    bias. Without items: zeros.

    >>> vector, bias = fold_in([[1.0], [-1.0]], [1.5, -0.5], ridge=0.5)
    >>> vector.round(3).tolist(), round(bias, 3)
    ([0.667], 0.333)
    """
    items = np.asarray(vectors, np.float64)
    features = np.column_stack([items, np.ones(len(items))])  # [n, k + 1]
    penalty = max(ridge * len(items), 1e-9) * np.eye(features.shape[1])
    right = features.T @ np.asarray(residuals, np.float64)
    solved = np.linalg.solve(features.T @ features + penalty, right)
    return solved[:-1], float(solved[-1])


class Newcomer(NamedTuple):
    """Lena's vector after some ratings, and the stars predicted for each song."""

    path: Floats  # [steps, 2]: her vector after 0, 1, 2, .. ratings
    bias: float
    ratings: tuple[int, ...]  # 0: not rated yet
    stars: Floats  # [songs]: predicted


def newcomer(first: int, second: int, third: int, ridge: float) -> Newcomer:
    """Fold Lena in from up to three ratings (0: not rated), one after another."""
    ratings = np.array([first, second, third])
    vectors = np.array(list(SONGS.values()))
    given = np.flatnonzero(ratings)
    path = [np.zeros(2)]
    bias = 0.0
    for count in range(1, len(given) + 1):
        rated = given[:count]
        vector, bias = fold_in(vectors[rated], ratings[rated] - MEAN, ridge)
        path.append(vector)
    stars = MEAN + bias + vectors @ path[-1]
    return Newcomer(np.array(path), bias, (first, second, third), stars)


def draw_newcomer(figure: Figure, result: Newcomer) -> None:
    """The map on the left, the predicted stars on the right."""
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
    _draw_map(left, result)
    names = list(SONGS)[RATED:]
    shown = result.stars[RATED:].clip(1, 5)
    bars = right.barh(names, shown - MEAN, left=MEAN, color=ORANGE, height=0.55)
    labels = np.char.mod("%.1f", result.stars[RATED:]).tolist()
    right.bar_label(bars, labels, padding=3)
    right.axvline(MEAN, color="black", lw=0.8)
    right.invert_yaxis()
    right.set(xlim=(0.6, 5.6), xticks=range(1, 6), xlabel="stars expected of Lena")


def _draw_map(ax: Axes, result: Newcomer) -> None:
    for place, (name, (x, y)) in enumerate(SONGS.items()):
        stars = result.ratings[place] if place < RATED else 0
        ax.plot(x, y, "o", color=BLUE if stars else "#B0B0B0", ms=8)
        words = f"{name}, {stars} star{'s' if stars > 1 else ''}" if stars else name
        ax.text(x, y + 0.11, words, fontsize=8, **ABOVE)
    ax.plot(*result.path.T, "-o", color=ORANGE, mfc="white", lw=1.5, ms=6)
    x, y = result.path[-1]
    ax.plot(x, y, "*", color=ORANGE, ms=17)
    ax.text(x, max(y - 0.12, -1.2), "Lena", color="#8A5A00", weight="bold", **BELOW)
    ax.set(xlim=(-1.9, 1.9), ylim=(-1.4, 1.6), xticks=np.arange(-1.5, 2, 0.5))
    ax.set(xlabel="quiet (-) to loud (+)", ylabel="new (-) to old (+)")


def describe_newcomer(result: Newcomer) -> str:
    """The first widget's line of text."""
    loud, old = result.path[-1].round(2) + 0.0
    lead = "nothing known: the average for everything"
    if len(result.path) > 1:
        best = RATED + int(result.stars[RATED:].argmax())
        lead = f"first choice <b>{list(SONGS)[best]}</b>"
    return (
        f"Lena: loud <b>{loud:.2f}</b>, old <b>{old:.2f}</b>, "
        f"generous {result.bias + 0.0:.2f}; {lead}"
    )


def newcomer_lab() -> Lab[Newcomer]:
    """Three ratings and a ridge; Lena's place on the map and the predicted stars."""
    controls = {
        "first": slider("Iron Parade (0: not yet)", 5, 0, 5, 1),
        "second": slider("Paper Lantern (0: not yet)", 0, 0, 5, 1),
        "third": slider("Copper Railway (0: not yet)", 0, 0, 5, 1),
        "ridge": slider("ridge", 0.2, 0.02, 1.0, 0.02),
    }
    return Lab(
        "Put Lena on the map",
        controls,
        newcomer,
        draw_newcomer,
        describe_newcomer,
        (9.0, 3.4),
    )


# -- states ----------------------------------------------------------------------------
def numpy_states(
    user: ArrayLike, items: ArrayLike, weights: ArrayLike | None = None
) -> dict[str, Floats]:
    """The four states of DRR for one listener, by name.

    ``user`` [k]; ``items`` [n, k]: a full history, oldest first; ``weights`` [n] of the
    positions: ones by default. DRR: arXiv:1810.12027.

    >>> states = numpy_states([1.0, -1.0], [[2.0, 1.0], [1.0, 4.0]])
    >>> states["drr-ave"].tolist(), states["drr-p"].tolist()
    ([1.0, -1.0, 1.5, -2.5, 1.5, 2.5], [2.0, 1.0, 1.0, 4.0, 2.0, 4.0])
    """
    u = np.asarray(user, np.float64)
    plain = np.array(items, np.float64)  # a copy
    weighted = plain
    if weights is not None:
        weighted = np.asarray(weights, np.float64)[:, None] * plain
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
    """The four states before and after a change."""

    before: dict[str, Floats]
    after: dict[str, Floats]
    titles: tuple[str, ...]  # oldest first
    weights: Floats  # [n]

    def share(self, name: str) -> float:
        """Distance moved, as a share of the state's norm before."""
        before = self.before[name]
        distance = np.linalg.norm(self.after[name] - before)
        return float(distance / np.linalg.norm(before))


def moved(order: str, recency: float, exchanged: bool, listener: str) -> Moved:
    """The states of Lena's history as heard, and those after a change.

    Position weights, in both: recency^(titles since). ``order``: a key of ``ORDERS``;
    ``exchanged``: whether another title replaces the oldest; ``listener``: a key of
    ``LISTENERS``.
    """
    names = list(HISTORY)
    items = np.array(list(HISTORY.values()))
    weights = recency ** np.arange(len(items) - 1, -1, -1.0)
    before = numpy_states(LISTENERS["Lena"], items, weights)
    if exchanged:
        names[0] = "Winter Signal"
        items[0] = EXCHANGED
    chosen = list(ORDERS[order])
    after = numpy_states(LISTENERS[listener], items[chosen], weights)
    return Moved(before, after, tuple(np.array(names)[chosen].tolist()), weights)


def draw_moved(figure: Figure, result: Moved) -> None:
    """Each state as two strips, before and after, and how far it moved."""
    figure.suptitle(" - ".join(result.titles), fontsize=9)
    axes = figure.subplots(4, 1)
    for ax, (name, before) in zip(axes, result.before.items(), strict=True):
        strips = np.stack([before, result.after[name]])
        ax.pcolormesh(strips, cmap="RdBu", vmin=-1.2, vmax=1.2, edgecolor="white")
        share = f"moved by {result.share(name):.0%} of its length"
        ax.set_title(f"{name}: {len(before)} numbers, {share}", fontsize=9, loc="left")
        ax.set(xticks=[], ylim=(2, 0))
        ax.set_yticks([0.5, 1.5], ["before", "after"], fontsize=8)


def describe_moved(result: Moved) -> str:
    """The second widget's line of text."""
    shares = []
    for name in result.before:
        shares.append(f"{name} <b>{100 * result.share(name):.0f}%</b>")
    weights = ", ".join(np.char.mod("%.2f", result.weights))
    return f"moved: {', '.join(shares)}; weights, oldest first: {weights}"


def states_lab() -> Lab[Moved]:
    """Change a history's order, weights, oldest title or listener; see what moves."""
    controls = {
        "order": choice("order", list(ORDERS)),
        "recency": slider("recency (1: equal weights)", 1.0, 0.3, 1.0, 0.05),
        "exchanged": tick("oldest title exchanged"),
        "listener": choice("listener", list(LISTENERS)),
    }
    return Lab(
        "Which state moves?", controls, moved, draw_moved, describe_moved, (9.0, 4.2)
    )


# -- the picture of the lesson ---------------------------------------------------------
def draw_who(figure: Figure) -> None:
    """Left Lena's way over the map, right the state that her place and history make."""
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
    result = newcomer(*FIRST_RATINGS, ridge=0.2)
    _draw_map(left, result)
    liked = [SONGS["Iron Parade"], SONGS["Copper Railway"]]
    state = numpy_states(result.path[-1], liked)["drr-ave"]
    places = np.array([0, 1, 3, 4, 6, 7])
    bars = right.bar(places, state, color=np.repeat([ORANGE, GREEN, BLUE], 2))
    right.bar_label(bars, np.char.mod("%.2f", state).tolist(), fontsize=8)
    questions = ["who is this?\nu", "does it fit?\nu * g", "what was liked last?\ng"]
    right.set_xticks([0.5, 3.5, 6.5], questions, fontsize=9)
    right.set_title("the state: 3 blocks of 2 numbers (loud, old)", fontsize=10)


FIGURES = {"06_who_is_listening.png": (draw_who, (9.6, 3.6))}
