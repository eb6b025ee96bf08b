"""Lesson 07: an actor on a critic's slope, and a critic that flatters."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rlrec.types import Floats
from rlrec.viz.style import PALETTE
from rlrec.viz.widgets import Lab, choice, slider

Function = Callable[[Any], Any]
BLUE = PALETTE[0]
GREEN = PALETTE[2]
RED = PALETTE[5]
ONE_HILL = "one hill"
TWO_HILLS = "two hills"


# -- an actor on a hill ----------------------------------------------------------------
def hill(action: ArrayLike) -> Floats:
    """A critic with one top: ``Q(a) = -(a - .6)^2``.

    >>> hill([0.2, 0.6, 0.9]).round(2).tolist()
    [-0.16, -0.0, -0.09]
    """
    return np.asarray(-((np.asarray(action, np.float64) - 0.6) ** 2))


def hill_slope(action: ArrayLike) -> Floats:
    """Its slope ``dQ/da = -2 (a - .6)``.

    >>> hill_slope([0.2, 0.9]).round(2).tolist()
    [0.8, -0.6]
    """
    return np.asarray(-2.0 * (np.asarray(action, np.float64) - 0.6))


_PLACES = np.array([0.15, 0.85])  # of the two tops
_HEIGHTS = np.array([0.08, 0.12])
_WIDTH = 0.17


def two_hills(action: ArrayLike) -> Floats:
    """A critic with a low top near .15 and a high one near .85."""
    away = np.subtract.outer(action, _PLACES)  # [..., tops]
    return np.asarray((_HEIGHTS * np.exp(-((away / _WIDTH) ** 2))).sum(axis=-1))


def two_hills_slope(action: ArrayLike) -> Floats:
    """Its slope."""
    away = np.subtract.outer(action, _PLACES)  # [..., tops]
    values = _HEIGHTS * np.exp(-((away / _WIDTH) ** 2))
    return np.asarray((-2.0 * away / _WIDTH**2 * values).sum(axis=-1))


HILLS: dict[str, tuple[Function, Function]] = {
    ONE_HILL: (hill, hill_slope),
    TWO_HILLS: (two_hills, two_hills_slope),
}


class Climb(NamedTuple):
    """Where an actor goes on a hill."""

    shape: str  # a key of HILLS
    replayed: float  # the action in the replay memory
    own: Floats  # [steps + 1]: the actor that follows the slope at its own action
    wrong: Floats  # [steps + 1]: the one that follows the slope at ``replayed``


def climb(
    action: float,
    replayed: float,
    learning_rate: float,
    steps: int,
    shape: str = ONE_HILL,
) -> Climb:
    """Gradient ascent of an actor, with the right slope and with a wrong one.

    ``a <- a + learning_rate dQ/da``, ``steps`` times, actions clipped to 0..1. The
    slope is taken at a, or (wrongly) at the ``replayed`` action.

    >>> found = climb(0.2, 0.9, learning_rate=0.1, steps=1)
    >>> print(f"{found.own[-1]:.2f} {found.wrong[-1]:.2f}")
    0.28 0.14
    """
    slope = HILLS[shape][1]
    own = np.full(steps + 1, float(action))
    wrong = own.copy()
    for step in range(steps):
        own[step + 1] = np.clip(own[step] + learning_rate * slope(own[step]), 0.0, 1.0)
        wrong[step + 1] = np.clip(wrong[step] + learning_rate * slope(replayed), 0, 1)
    return Climb(shape, replayed, own, wrong)


def draw_climb(figure: Figure, found: Climb) -> None:
    """Left the hill with both slopes, right where the actor goes with each."""
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
    draw_hill(left, found.shape, float(found.own[0]), found.replayed)
    right.plot(found.wrong, color=RED, label="slope at the replayed action")
    right.plot(found.own, color=GREEN, label="slope at its own action")
    right.set(xlabel="step", ylabel="the actor's action", ylim=(-0.05, 1.3))
    right.legend(frameon=False, loc="upper left")


def draw_hill(ax: Axes, shape: str, action: float, replayed: float) -> None:
    """A critic's values, with tangents at the actor's action and the replayed one."""
    value, slope = HILLS[shape]
    actions = np.linspace(0.0, 1.0, 201)
    values = value(actions)
    ax.plot(actions, values, color="black", lw=2)
    reach = float(np.ptp(values))
    for place, colour in ((replayed, RED), (action, GREEN)):
        height = value(place)
        steep = slope(place)
        half = min(0.13, 0.3 * reach / max(abs(steep), 1e-9))
        ends = np.array([-half, half])
        ax.plot(place + ends, height + ends * steep, color=colour, lw=3)
        ax.plot(place, height, "o", color=colour, ms=9, mec="black")
    ax.set(xlim=(-0.05, 1.05), xlabel="action: the dial, 0 calm .. 1 lively")
    ax.set_ylabel("critic's value Q")
    ax.set_ylim(values.min() - 0.2 * reach, values.max() + 0.3 * reach)
    ax.set_title(
        f"slope {slope(action) + 0.0:+.2f} at its own, "
        f"{slope(replayed) + 0.0:+.2f} at the replayed",
        fontsize=10,
    )


def describe_climb(found: Climb) -> str:
    """The last actions and their values."""
    value = HILLS[found.shape][0]
    own = found.own[-1]
    wrong = found.wrong[-1]
    return (
        f"after {len(found.own) - 1} steps: "
        f"own slope <b>{own:.3f}</b> (Q {value(own):.3f}), "
        f"replayed slope <b>{wrong:.3f}</b> (Q {value(wrong):.3f})"
    )


def climb_lab() -> Lab[Climb]:
    """Both actions, the learning rate, how many steps, and the shape of the critic."""
    controls: dict[str, Any] = {
        "action": slider("actor's action", 0.2, 0.0, 1.0, 0.05),
        "replayed": slider("replayed action", 0.9, 0.0, 1.0, 0.05),
        "learning_rate": slider("learning rate", 0.1, 0.05, 1.2, 0.05),
        "steps": slider("steps", 10, 1, 40, 1),
        "shape": choice("critic", list(HILLS)),
    }
    return Lab(
        "Up the critic's slope", controls, climb, draw_climb, describe_climb, (9.4, 3.2)
    )


# -- a critic that flatters ------------------------------------------------------------
class Flattery(NamedTuple):
    """Critics' errors at the action that one of them finds best: [draws] each."""

    one: Floats  # the critic that chose the action: its estimate minus the truth
    other: Floats  # a second critic with independent errors
    smaller: Floats  # the smaller of both
    lost: Floats  # true value of the best action minus that of the chosen one


def flattery(error: float, draws: int = 2000, seed: int = 0) -> Flattery:
    """How much a critic overestimates the action that maximises it.

    Two critics are ``hill`` plus smooth random errors of standard deviation ``error``:
    sums of four waves with random sizes and phases. The action maximises the first one.
    """
    rng = np.random.default_rng(seed)
    actions = np.linspace(0.0, 1.0, 101)
    truth = hill(actions)  # [actions]
    waves = np.arange(1, 5)[:, None] * np.pi * actions  # [waves, actions]
    size = rng.normal(0, error / np.sqrt(2), (2, draws, 4))
    phase = rng.uniform(0, 2 * np.pi, (2, draws, 4, 1))
    errors = np.einsum("cdw,cdwa->cda", size, np.cos(waves + phase))
    critics = truth + errors  # [2, draws, actions]
    chosen = critics[0].argmax(axis=1)
    one, other = critics[:, np.arange(draws), chosen]
    true = truth[chosen]
    return Flattery(one - true, other - true, np.minimum(one, other) - true, -true)


# -- the picture of the lesson ---------------------------------------------------------
@cache
def five_songs() -> tuple[Floats, Floats]:
    """The songs worked out by hand [5, 2], and the action [2]."""
    songs = [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [2.0, 0.0], [-1.0, 1.0]]
    return np.array(songs), np.array([0.6, 0.8])


def draw_story(figure: Figure) -> None:
    """Left the ranking that the actor's action makes, right the critic's slopes."""
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _draw_ranking(left)
    draw_hill(right, ONE_HILL, 0.2, 0.9)
    right.set_title("the critic judges: which way is up?")
    right.text(
        0.27, -0.24, "the actor's action .2:\nslope +.8, turn it up", color=GREEN
    )
    right.text(0.56, 0.045, "tried once, stored: .9,\nslope −.6", color=RED)


def _draw_ranking(ax: Axes) -> None:
    songs, action = five_songs()
    scores = songs @ action
    ranks = (-scores).argsort().argsort()  # of each song, from 0
    for name, place, score, rank in zip("ABCDE", songs, scores, ranks, strict=True):
        colour = GREEN if rank < 3 else "0.6"
        x, y = np.array([place, score * action]).T  # the foot on the arrow's line
        ax.plot(x, y, "o:", color=colour, markevery=[0], ms=10)
        words = f"{rank + 1}. {name}: {score:.1f}"
        ax.annotate(words, place, (10, -5), textcoords="offset points")
    ax.plot(*np.outer(action, [0, 1.35]), "--", color=BLUE)
    arrow = {"arrowstyle": "-|>", "lw": 3, "color": BLUE}
    ax.text(0.3, 0.1, "action", color=BLUE)
    ax.annotate("", (action[0], action[1]), (0, 0), arrowprops=arrow)
    ax.set(xlim=(-1.3, 2.7), ylim=(-0.35, 1.5), xlabel="lively", ylabel="warm")
    ax.set(aspect="equal", title="the actor proposes: an arrow ranks the songs")


FIGURES = {"07_ddpg.png": (draw_story, (10.5, 3.9))}
