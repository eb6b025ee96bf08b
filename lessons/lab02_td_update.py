"""Lesson 02, one TD update by hand: its arithmetic and its arrow."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from drawing import ABOVE, BELOW, CENTRED, table_axes
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from rlrec.envs.profiles import GENRES
from rlrec.types import Floats
from rlrec.viz.style import PALETTE
from rlrec.viz.widgets import Lab, choice, slider

GOES_ON = "goes on"
LEAVES = "listener leaves (terminated)"
TIME_UP = "time is up (truncated)"
ENDINGS = (GOES_ON, LEAVES, TIME_UP)
BLUE, ORANGE, GREEN = PALETTE[:3]


class Arithmetic(NamedTuple):
    """The inputs of one update, and its three results."""

    old_value: float
    reward: float
    best_next: float
    discount: float
    learning_rate: float
    ending: str
    target: float
    td_error: float
    new_value: float

    @property
    def next_counts(self) -> bool:
        """Whether the next state's value is part of the target."""
        return self.ending != LEAVES


def one_update(
    old_value: float,
    reward: float,
    best_next: float,
    discount: float,
    learning_rate: float,
    ending: str = GOES_ON,
) -> Arithmetic:
    """The update of Q-learning in plain arithmetic.

        target = r + gamma max_b Q(s', b)
        new = old + alpha (target - old)

    ``best_next`` is max_b Q(s', b). ``ending``: one of ``ENDINGS``; if the listener
    leaves there is no next state, and its value counts as 0. Raises ``ValueError``.
    Sutton and Barto, 2nd ed., section 6.5.

    >>> update = one_update(1.0, 10.0, 0.2, discount=0.9, learning_rate=0.1)
    >>> print(f"{update.target:.2f} {update.td_error:.2f} {update.new_value:.3f}")
    10.18 9.18 1.918
    """
    if ending not in ENDINGS:
        raise ValueError(f"ending is {ending!r}; choose one of {', '.join(ENDINGS)}")
    target = reward + (0.0 if ending == LEAVES else discount * best_next)
    td_error = target - old_value
    return Arithmetic(
        old_value,
        reward,
        best_next,
        discount,
        learning_rate,
        ending,
        target,
        td_error,
        old_value + learning_rate * td_error,
    )


def short(number: float) -> str:
    """A number with three decimals at most, in brackets if it is negative.

    >>> short(10.18), short(0.5 - 0.5), short(-2.0)
    ('10.18', '0', '(-2)')
    """
    text = f"{round(number, 3) + 0.0:.3f}".rstrip("0").rstrip(".")
    return f"({text})" if text.startswith("-") else text


def equations(update: Arithmetic) -> str:
    """The update with its numbers in place, three lines of HTML."""
    old = short(update.old_value)
    target = short(update.target)
    error = short(update.td_error)
    future = "0"
    if update.next_counts:
        future = f"{short(update.discount)} &times; {short(update.best_next)}"
    return (
        f"target = reward + discount &times; best next = {short(update.reward)} + "
        f"{future} = <b>{target}</b><br>"
        f"error = target &minus; old = {target} &minus; {old} = <b>{error}</b><br>"
        f"new = old + learning rate &times; error = {old} + "
        f"{short(update.learning_rate)} &times; {error} "
        f"= <b>{short(update.new_value)}</b>"
    )


def one_line(update: Arithmetic) -> str:
    """The update in one line, for the picture: new = old + rate × (target − old)."""
    old = short(update.old_value)
    target = short(update.reward)
    if update.next_counts:
        target += f" + {short(update.discount)} × {short(update.best_next)}"
    step = f"{short(update.learning_rate)} × ({target} − {old})"
    return f"new = {old} + {step} = {short(update.new_value)}"


def draw_update(figure: Figure, update: Arithmetic) -> None:
    """The step of one entry, the whole update written above it."""
    ax = figure.subplots()
    draw_step(ax, update)
    ax.set_title(one_line(update))


def draw_step(ax: Axes, update: Arithmetic) -> None:
    """The parts of the target (rows 2 and 1), and how far the entry moves (row 0)."""
    reward = update.reward
    target = update.target
    old = update.old_value
    ax.barh(2, reward, height=0.5, color=ORANGE)
    ax.barh(1, target - reward, left=reward, height=0.5, color=BLUE)
    ax.plot([reward] * 2, [0.75, 2.25], color="black", lw=1)  # from one bar to the next
    ax.plot([target] * 2, [-0.85, 1.25], color="black", lw=1, ls=":")
    ax.plot([old, target], [0, 0], color="0.75", lw=2, zorder=1)
    arrow = {"arrowstyle": "-|>", "lw": 3, "color": GREEN, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", (update.new_value, 0), (old, 0), arrowprops=arrow)
    ax.plot(old, 0, "o", color="white", mec="black", ms=8)
    _label_step(ax, update)
    ax.set(xlim=(-11, 23), ylim=(-1.5, 2.5), xlabel="value (reward)")
    ax.set_yticks([0, 1, 2], ["the entry", "discount × best next", "reward"])
    ax.grid(False, axis="y")


def _label_step(ax: Axes, update: Arithmetic) -> None:
    for name, value, height, side in (
        ("target", update.target, -0.85, BELOW),
        ("old", update.old_value, -0.25, BELOW),
        ("new", update.new_value, 0.2, ABOVE),
    ):
        ax.text(value, height, f"{name} {short(value).strip('()')}", **side)


def update_lab() -> Lab[Arithmetic]:
    """A slider for each number of one update."""
    value: dict[str, Any] = {
        "low": -5.0,
        "high": 12.0,
        "step": 0.1,
        "unit": "reward units",
    }
    share: dict[str, Any] = {"low": 0.0, "high": 1.0, "step": 0.05, "unit": "0 to 1"}
    controls = {
        "old_value": slider("old value Q(s, a)", 1.0, **value),
        "reward": slider("reward r", 10.0, -5.0, 10.0, 0.5, unit="reward units"),
        "best_next": slider("best next max Q(s', .)", 0.2, **value),
        "discount": slider("discount (gamma)", 0.9, **share),
        "learning_rate": slider("learning rate (alpha)", 0.1, **share),
        "ending": choice("the session", ENDINGS),
    }
    return Lab(
        "One TD update", controls, one_update, draw_update, equations, (7.5, 3.2)
    )


def story_table() -> Floats:
    """The table of the story: zeros, but Q(Rock, Pop) = 1.0 and Q(Pop, Pop) = .2."""
    table = np.zeros((len(GENRES), len(GENRES)))
    table[1, 0] = 1.0
    table[0, 0] = 0.2
    return table


def draw_story(figure: Figure) -> None:
    """Left the entries that one update reads, right the step of the one it changes."""
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    table = story_table()
    left.imshow(np.zeros_like(table), cmap="Greys", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        left.text(column, row, f"{value:.1f}", **CENTRED)
    left.add_patch(Rectangle((-0.5, -0.5), 5, 1, color=BLUE, alpha=0.25, lw=0))
    left.add_patch(
        Rectangle((-0.48, 0.52), 0.96, 0.96, fc=GREEN, alpha=0.4, ec="black", lw=2)
    )
    table_axes(left, GENRES)
    title = "the green entry learns,\nlooking at the blue row"
    left.set(xlabel="recommend", title=title)
    draw_step(right, one_update(1.0, 10.0, 0.2, discount=0.9, learning_rate=0.1))
    right.set_title("one song: a tenth of the way\nfrom the old value to the target")


FIGURES = {"02_one_td_update.png": (draw_story, (10.5, 3.8))}
