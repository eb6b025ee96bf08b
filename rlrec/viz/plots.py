"""Plots that several lessons share; each draws on the ``ax`` it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from rlrec.evaluation import mean_interval
from rlrec.viz.style import AGENT_COLOURS

TIE = 1e-9  # values closer than this are one value


def q_heatmap(
    ax: Axes,
    table: ArrayLike,
    states: Sequence[str],
    actions: Sequence[str],
    *,
    limit: float | None = None,
) -> Axes:
    """Draw a Q-table [states, actions] with its numbers, the best of each row framed.

    All of the best are framed where several tie. Colours run from -``limit`` to
    ``limit`` (default: the largest absolute value of the table), so that 0 is white.
    """
    values = np.asarray(table, np.float64)
    top = limit if limit is not None else max(float(np.abs(values).max()), 1e-9)
    ax.imshow(values, cmap="RdBu", vmin=-top, vmax=top, aspect="auto")
    for row, column in np.ndindex(values.shape):
        dark = abs(values[row, column]) > 0.6 * top
        ax.text(
            column,
            row,
            f"{values[row, column]:.1f}",
            ha="center",
            va="center",
            color="white" if dark else "black",
        )
    for row, column in np.argwhere(best_in_row(values)):
        ax.add_patch(
            Rectangle(
                (column - 0.47, row - 0.45),
                0.94,
                0.9,
                fill=False,
                edgecolor="black",
                linewidth=2,
            )
        )
    ax.set_xticks(range(len(actions)), actions)
    ax.set_yticks(range(len(states)), states)
    ax.grid(False)
    ax.set_xlabel("recommend")
    ax.set_ylabel("now playing")
    return ax


def best_in_row(table: ArrayLike) -> NDArray[np.bool_]:
    """Where each row of a table [S, A] has its largest value, ties included.

    Nowhere in a row whose values are all equal.

    >>> best_in_row([[1, 2, 2], [0, 0, 0]]).astype(int).tolist()
    [[0, 1, 1], [0, 0, 0]]
    """
    values = np.asarray(table, np.float64)
    best = values >= values.max(axis=1, keepdims=True) - TIE
    return np.asarray(best & ~best.all(axis=1, keepdims=True))


def mean_band(
    ax: Axes,
    x: ArrayLike,
    values: ArrayLike,
    *,
    colour: str | None = None,
    alpha: float = 0.2,
    **line: Any,
) -> None:
    """Draw the mean over seeds as a line and its 95% interval (Student's t) as a band.

    ``values`` [2 or more seeds, points]; ``alpha`` is the band's, ``line`` the line's.
    """
    intervals = [mean_interval(column) for column in np.asarray(values, np.float64).T]
    (mean,) = ax.plot(x, [i.mean for i in intervals], color=colour, **line)
    ax.fill_between(
        x,
        [i.low for i in intervals],
        [i.high for i in intervals],
        color=mean.get_color(),
        alpha=alpha,
        lw=0,
    )


def learning_curves(
    ax: Axes,
    curves: Mapping[str, ArrayLike],
    *,
    steps: ArrayLike | None = None,
    ylabel: str = "reward",
) -> Axes:
    """Draw the mean and its 95% interval over seeds of each of ``curves``.

    ``curves``: name -> [2 or more seeds, points]; ``steps`` [points], None: 0, 1, ...
    """
    for name, curve in curves.items():
        values = np.asarray(curve, np.float64)
        x = np.arange(values.shape[1]) if steps is None else steps
        mean_band(ax, x, values, colour=AGENT_COLOURS.get(name), label=name)
    ax.set_ylabel(ylabel)
    ax.legend(frameon=False)
    return ax


def interval_bars(
    ax: Axes, results: Mapping[str, ArrayLike], *, xlabel: str = "return"
) -> Axes:
    """Draw a dot with its 95% interval (Student's t) for each of ``results``.

    ``results``: name -> [seeds], drawn in the order given.
    """
    for row, (name, values) in enumerate(results.items()):
        interval = mean_interval(np.asarray(values, np.float64))
        colour = AGENT_COLOURS.get(name, "#5F5F5F")
        ax.plot([interval.low, interval.high], [row, row], color=colour, lw=3)
        ax.plot(interval.mean, row, "o", color=colour, ms=8)
        ax.text(
            interval.mean, row - 0.22, f"{interval.mean:.2f}", ha="center", va="bottom"
        )
    ax.set_yticks(range(len(results)), list(results))
    ax.set_ylim(len(results) - 0.5, -0.7)
    ax.set_xlabel(xlabel)
    return ax
