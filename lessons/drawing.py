"""Settings and small steps that the pictures of several lessons share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

# Where a text sits about its point: ax.text(x, y, words, **CENTRED).
CENTRED: dict[str, Any] = {"ha": "center", "va": "center"}
ABOVE: dict[str, Any] = {"ha": "center", "va": "bottom"}
BELOW: dict[str, Any] = {"ha": "center", "va": "top"}


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
