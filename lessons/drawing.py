"""Settings and small steps that the pictures of several lessons share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from rlrec.types import Bools

# Where a text sits about its point: ax.text(x, y, words, **CENTRED).
CENTRED: dict[str, Any] = {"ha": "center", "va": "center"}
ABOVE: dict[str, Any] = {"ha": "center", "va": "bottom"}
BELOW: dict[str, Any] = {"ha": "center", "va": "top"}
TIE = 1e-9  # values closer than this are one value


def show(description: str) -> None:
    """Show the present figure with ``description`` as its alternative text."""
    figure = plt.gcf()
    display(figure, metadata={"image/png": {"alt": description}})
    plt.close(figure)


def table_axes(ax: Axes, names: Sequence[str]) -> None:
    """Label a table [states, actions] of ``names`` that ``imshow`` has drawn."""
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylabel("now playing")
    ax.grid(False)


def without_frame(ax: Axes) -> None:
    """Remove the grid and the lines around the picture."""
    ax.grid(False)
    ax.spines[:].set_visible(False)


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
            color="white" if dark else "black",
            **CENTRED,
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


def best_in_row(table: ArrayLike) -> Bools:
    """Where each row of a table [S, A] has its largest value, ties included.

    Nowhere in a row whose values are all equal.

    >>> best_in_row([[1, 2, 2], [0, 0, 0]]).astype(int).tolist()
    [[0, 1, 1], [0, 0, 0]]
    """
    values = np.asarray(table, np.float64)
    best = values >= values.max(axis=1, keepdims=True) - TIE
    return np.asarray(best & ~best.all(axis=1, keepdims=True))
