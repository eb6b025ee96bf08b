"""Lesson 02, one TD update by hand: the arithmetic on screen, the update as an arrow, tables as a film."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from rlrec.envs.profiles import GENRES
from rlrec.types import Floats
from rlrec.viz.plots import q_heatmap
from rlrec.viz.style import PALETTE
from rlrec.viz.widgets import Lab, choice, slider

GOES_ON, LEAVES, TIME_UP = ENDINGS = (
    "goes on",
    "listener leaves (terminated)",
    "time is up (truncated)",
)
BLUE, ORANGE, GREEN = PALETTE[:3]


class Arithmetic(NamedTuple):
    """The numbers that go into one update, and the three that come out."""

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
        """Whether the value of the next state is part of the target: unless the listener left."""
        return self.ending != LEAVES


def one_update(
    old_value: float,
    reward: float,
    best_next: float,
    discount: float,
    learning_rate: float,
    ending: str = GOES_ON,
) -> Arithmetic:
    """The update of Q-learning in plain arithmetic (Sutton and Barto, 2nd ed., section 6.5).

        target = r + gamma max_b Q(s', b), new = old + alpha (target - old)

    ``ending``: one of ``ENDINGS``; only a listener who leaves takes the next state's value away.

    >>> update = one_update(1.0, 10.0, 0.2, discount=0.9, learning_rate=0.1)
    >>> print(f"{update.target:.2f} {update.td_error:.2f} {update.new_value:.3f}")
    10.18 9.18 1.918
    """
    if ending not in ENDINGS:
        raise ValueError(
            f"ending is {ending!r}; it must be one of {', '.join(ENDINGS)}"
        )
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
    """A number with at most three decimals, brackets around it if it is negative.

    >>> short(10.18), short(0.5 - 0.5), short(-2.0)
    ('10.18', '0', '(-2)')
    """
    text = f"{round(number, 3) + 0.0:.3f}".rstrip("0").rstrip(".")
    return f"({text})" if text.startswith("-") else text


def equations(update: Arithmetic) -> str:
    """The update with its numbers in place, three lines of HTML."""
    old, target, error = (
        short(update.old_value),
        short(update.target),
        short(update.td_error),
    )
    future = (
        f"{short(update.discount)} &times; {short(update.best_next)}"
        if update.next_counts
        else "0"
    )
    lines = (
        f"target = reward + discount &times; best next = {short(update.reward)} + {future} = <b>{target}</b>",
        f"error = target &minus; old = {target} &minus; {old} = <b>{error}</b>",
        f"new = old + learning rate &times; error = {old} + {short(update.learning_rate)} &times; {error} "
        f"= <b>{short(update.new_value)}</b>",
    )
    return "<br>".join(lines)


def draw_update(figure: Figure, update: Arithmetic) -> None:
    """The target put together from two bars, and below them the step from the old value toward it."""
    ax = figure.subplots()
    draw_step(ax, update)
    ax.set_title(one_line(update))


def one_line(update: Arithmetic) -> str:
    """The whole update in one line, for the picture: old + rate × (target − old) = new."""
    future = (
        f" + {short(update.discount)} × {short(update.best_next)}"
        if update.next_counts
        else ""
    )
    old, rate = short(update.old_value), short(update.learning_rate)
    return f"new = {old} + {rate} × ({short(update.reward)}{future} − {old}) = {short(update.new_value)}"


def draw_step(ax: Axes, update: Arithmetic) -> None:
    """On one axis of value: what the target is made of (rows 2 and 1), how far the entry moves (row 0)."""
    ax.barh(2, update.reward, height=0.5, color=ORANGE)
    ax.barh(
        1, update.target - update.reward, left=update.reward, height=0.5, color=BLUE
    )
    ax.plot(
        [update.reward] * 2, [0.75, 2.25], color="black", lw=1
    )  # where the one bar hands over to the other
    ax.plot([update.target] * 2, [-0.85, 1.25], color="black", lw=1, ls=":")
    ax.plot([update.old_value, update.target], [0, 0], color="0.75", lw=2, zorder=1)
    arrow = {"arrowstyle": "-|>", "lw": 3, "color": GREEN, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", (update.new_value, 0), (update.old_value, 0), arrowprops=arrow)
    ax.plot(update.old_value, 0, "o", color="white", mec="black", ms=8)
    _label_step(ax, update)
    places = (0.0, update.reward, update.target, update.old_value, update.new_value)
    margin = 0.14 * (max(places) - min(places)) + 0.5
    ax.set(
        xlim=(min(places) - margin, max(places) + margin),
        ylim=(-1.5, 2.5),
        xlabel="value",
    )
    ax.set_yticks([0, 1, 2], ["the entry", "discount × best next", "reward"])
    ax.grid(False, axis="y")


def _label_step(ax: Axes, update: Arithmetic) -> None:
    for x, y, name, edge in (
        (update.target, -0.85, "target", "top"),
        (update.old_value, -0.25, "old", "top"),
        (update.new_value, 0.2, "new", "bottom"),
    ):
        value = {
            "target": update.target,
            "old": update.old_value,
            "new": update.new_value,
        }[name]
        ax.text(x, y, f"{name} {short(value).strip('()')}", ha="center", va=edge)


def update_lab() -> Lab[Arithmetic]:
    """All numbers of one update under sliders, the arithmetic live."""
    controls = {
        "old_value": slider(
            "old value Q(s, a)", 1.0, -5.0, 12.0, 0.1, unit="reward units"
        ),
        "reward": slider("reward r", 10.0, -5.0, 10.0, 0.5, unit="reward units"),
        "best_next": slider(
            "best next max Q(s', .)", 0.2, -5.0, 12.0, 0.1, unit="reward units"
        ),
        "discount": slider("discount (gamma)", 0.9, 0.0, 1.0, 0.05, unit="0 to 1"),
        "learning_rate": slider(
            "learning rate (alpha)", 0.1, 0.0, 1.0, 0.05, unit="0 to 1"
        ),
        "ending": choice("the session", ENDINGS),
    }
    return Lab(
        "One TD update", controls, one_update, draw_update, equations, (7.5, 3.2)
    )


def draw_table(ax: Axes, table: ArrayLike, title: str, limit: float) -> None:
    """A table over genres as a heatmap; frames mark the best of each row, every one of them where several tie."""
    q_heatmap(ax, table, GENRES, GENRES, limit=limit)
    ax.set_title(title)
    ax.tick_params(axis="x", labelsize=8)


def draw_film(figure: Figure, tables: Mapping[str, ArrayLike], limit: float) -> None:
    """Tables side by side, three in a row, all on one scale of colour from -``limit`` to ``limit``."""
    rows = -(-len(tables) // 3)
    axes = figure.subplots(rows, min(len(tables), 3), squeeze=False)
    for place, ax in enumerate(axes.flat):
        if place >= len(tables):
            ax.set_axis_off()
            continue
        title = list(tables)[place]
        draw_table(ax, tables[title], title, limit)
        if place % 3:
            ax.set_ylabel("")
            ax.set_yticklabels([])
        if place + 3 < len(tables):
            ax.set_xlabel("")


def story_table() -> Floats:
    """The table of the story: zeros, but Q(Rock, Pop) = 1.0 and Q(Pop, Pop) = .2; [5, 5]."""
    table = np.zeros((len(GENRES), len(GENRES)))
    table[1, 0], table[0, 0] = 1.0, 0.2
    return table


def draw_story(figure: Figure) -> None:
    """Left the table with the two places that take part, right the step that the one entry makes."""
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    table = story_table()
    left.imshow(np.zeros_like(table), cmap="Greys", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(table.shape):
        left.text(column, row, f"{table[row, column]:.1f}", ha="center", va="center")
    left.add_patch(Rectangle((-0.5, -0.5), 5, 1, color=BLUE, alpha=0.25, lw=0))
    left.add_patch(
        Rectangle((-0.48, 0.52), 0.96, 0.96, fc=GREEN, alpha=0.4, ec="black", lw=2)
    )
    left.set_xticks(range(5), GENRES)
    left.set_yticks(range(5), GENRES)
    left.set(
        xlabel="recommend",
        ylabel="now playing",
        title="the green entry learns,\nlooking at the blue row",
    )
    left.grid(False)
    draw_step(right, one_update(1.0, 10.0, 0.2, discount=0.9, learning_rate=0.1))
    right.set_title("one song: a tenth of the way\nfrom the old value to the target")


FIGURES = {"02_one_td_update.png": (draw_story, (10.5, 3.8))}
