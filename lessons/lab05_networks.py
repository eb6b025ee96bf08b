"""Lesson 05, from table to network: the maximum of noisy estimates, a stored run."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from drawing import diagram
from matplotlib.figure import Figure
from scipy.special import ndtr

from rlrec.types import Floats
from rlrec.viz.style import PALETTE, Style
from rlrec.viz.widgets import Lab, slider

BLUE, ORANGE, GREEN = PALETTE[:3]
MOST_ACTIONS = 20  # of the widget
DRAWS = 6000  # pairs of tables in its histogram
REACH = 8.0  # standard deviations; the probability beyond is below 1e-15


# -- the maximum of noisy estimates ----------------------------------------------------
class MaxBias(NamedTuple):
    """Estimates of actions by one table and by two, on average.

    Action 0 is truly worth ``gap``, the others 0; all have normal noise.
    """

    actions: int
    noise: float  # standard deviation of an estimate
    gap: float
    single: float  # E[max_a A(a)]: one table selects and evaluates
    double: float  # E[B(argmax_a A(a))]: one table selects, another evaluates
    best_probability: float  # that the best action is selected


def max_bias(actions: int = 5, noise: float = 1.0, gap: float = 0.0) -> MaxBias:
    """The maximisation bias with one table and with two, by numerical integration.

        P(max <= m) = Phi((m - gap) / noise) Phi(m / noise)^(n - 1)
        E[max] = top - integral of P(max <= m) up to top
        E[B(argmax A)] = gap * P(action 0 has the largest estimate)

    ``actions`` n >= 1; ``noise`` >= 0: standard deviation of an estimate; ``gap`` >= 0.

    >>> found = max_bias(actions=5, noise=1.0, gap=0.0)
    >>> print(f"{found.single:.3f} {found.double:.3f} {found.best_probability:.3f}")
    1.163 0.000 0.200
    """
    if noise == 0.0:
        best_probability = 1.0 if gap > 0.0 else 1.0 / actions
        return MaxBias(actions, noise, gap, gap, gap, best_probability)
    values = np.linspace(-REACH * noise, gap + REACH * noise, 4001)
    below = ndtr((values - gap) / noise) * ndtr(values / noise) ** (actions - 1)
    single = float(values[-1] - np.trapezoid(below, values))
    z = np.linspace(-REACH, REACH, 4001)
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    best = density * ndtr(z + gap / noise) ** (actions - 1)
    best_probability = float(np.trapezoid(best, z))
    return MaxBias(
        actions, noise, gap, single, gap * best_probability, best_probability
    )


@cache
def _standard_noise() -> Floats:
    """The same normal numbers at each move of a slider: [tables, draws, actions]."""
    return np.random.default_rng(0).standard_normal((2, DRAWS, MOST_ACTIONS))


def draws(actions: int, noise: float, gap: float) -> tuple[Floats, Floats]:
    """Estimates of the action that the first table finds best: by it, by a second one.

    [DRAWS] each, one for each random pair of tables.
    """
    true = np.zeros(actions)
    true[0] = gap
    first, second = true + noise * _standard_noise()[:, :, :actions]
    selected = first.argmax(axis=1)
    rows = np.arange(DRAWS)
    return first[rows, selected], second[rows, selected]


def draw_max_bias(figure: Figure, found: MaxBias) -> None:
    """Left the estimates of pairs of tables, right the bias by number of actions."""
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1.0))
    one, two = draws(found.actions, found.noise, found.gap)
    claims = pd.DataFrame({"one table": one, "two tables": two}).clip(-7.0, 10.0)
    bars: Style = {"bins": np.linspace(-7.0, 10.0, 69), "alpha": 0.55}
    claims.plot.hist(ax=left, color=[ORANGE, BLUE], ylim=(0, 1600), **bars)
    left.axvline(found.gap, color="black", lw=3)
    left.axvline(found.single, color=ORANGE, ls="--")
    left.axvline(found.double, color=BLUE, ls="--")
    left.set(xlim=(-7.0, 10.0), yticks=[], xlabel="claimed value of the best action")
    left.set(ylabel="", title="what is claimed (dashed: means; black: truth)")
    counts = range(1, MOST_ACTIONS + 1)
    points = [max_bias(n, found.noise, found.gap if n > 1 else 0.0) for n in counts]
    for name, colour in (("single", ORANGE), ("double", BLUE)):
        bias = [getattr(point, name) - point.gap for point in points]
        right.plot(counts, bias, color=colour)
        here = getattr(found, name) - found.gap
        right.plot(found.actions, here, "o", color=colour, ms=10)
    right.set(xlim=(0, MOST_ACTIONS + 1), ylim=(-3.2, 6.2), xlabel="number of actions")
    right.set(xticks=[1, 5, 10, 15, 20], title="bias: claimed minus true")


def describe(found: MaxBias) -> str:
    """The averages in one line of HTML."""
    single = round(found.single - found.gap, 3) + 0.0
    double = round(found.double - found.gap, 3) + 0.0
    return (
        f"best true value {found.gap:.2f}; "
        f"one table claims <b>{found.single:.3f}</b> (bias {single:+.3f}), "
        f"two tables <b>{found.double:.3f}</b> (bias {double:+.3f}); "
        f"best action picked {found.best_probability:.0%}"
    )


def max_bias_lab() -> Lab[MaxBias]:
    """The bias of the maximum of several estimates, by their number and noise."""
    unit = "reward units"
    controls = {
        "actions": slider("number of actions", 5, 2, MOST_ACTIONS, 1),
        "noise": slider(
            "noise of an estimate", 1.0, 0.0, 3.0, 0.25, f"{unit}, standard deviation"
        ),
        "gap": slider("best is better by", 0.0, 0.0, 3.0, 0.25, unit),
    }
    return Lab(
        "The maximum of noisy estimates",
        controls,
        max_bias,
        draw_max_bias,
        describe,
        (9.0, 3.3),
    )


# -- a long run ------------------------------------------------------------------------

STORED: dict[str, Any] = {
    "command": "RLREC_BUDGET=full jupyter nbconvert --to notebook --execute "
    "05_from_table_to_network.ipynb",
    "date": "2026-11-21",
    "commit": "536e829",
    "device": "2 CPU cores shared with other work",
    "minutes": 12,
    "steps": 400_000,
    "seeds": [100, 101, 102, 103, 104],
    # in a session, mean over 1,000 listeners (oracle: 200) for each seed
    "songs_heard": {
        "random": [8.266, 8.416, 8.554, 8.269, 8.490],
        "greedy": [8.517, 8.600, 8.638, 8.436, 8.478],
        "popularity": [8.850, 9.011, 9.039, 8.966, 8.976],
        "dqn": [9.181, 9.258, 9.513, 9.434, 9.341],
        "dqn, discount 0": [7.759, 7.662, 8.100, 7.598, 7.844],
        "dqn, no target network": [9.263, 9.539, 9.469, 8.998, 9.184],
        "dqn, single Q": [9.426, 9.222, 9.680, 9.243, 9.590],
        # played again, to the same listeners, after it had become stronger
        "oracle": [12.085, 11.760, 11.720, 11.550, 12.060],
    },
}


# -- the picture of the lesson ---------------------------------------------------------
def rows_needed() -> dict[str, int]:
    """Rows of a table, by what a row stands for."""
    return {
        "the genre now playing": 5,
        "the last 3 genres": 5**3,
        "the last 10 genres": 5**10,
        "the last 10 of 2,000 songs": 2000**10,
    }


BOXES = {
    "Lena": ("Lena so far", 0.15, 0.9, GREEN),
    "one": ("a song on offer", 0.15, 0.63, ORANGE),
    "two": ("another", 0.15, 0.37, ORANGE),
    "new": ("one nobody has played", 0.15, 0.1, ORANGE),
    "network": ("one network", 0.55, 0.5, "0.6"),
    "values": ("one value a song\n6.2\n5.8\n3.1", 0.88, 0.5, BLUE),
}
ARROWS = [(name, "network", 0.0) for name in ("Lena", "one", "two", "new")]


def draw_story(figure: Figure) -> None:
    """A network of listener and song: the same weights for all of them."""
    diagram(figure.subplots(), BOXES, [*ARROWS, ("network", "values", 0.0)])


FIGURES = {"05_from_table_to_network.png": (draw_story, (8.0, 2.6))}
