"""Settings and small steps that the pictures of several lessons share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from rlrec.evaluation import mean_interval
from rlrec.types import Floats

# Where a text sits about its point: ax.text(x, y, words, **CENTRED).
CENTRED: dict[str, Any] = {"ha": "center", "va": "center"}
ABOVE: dict[str, Any] = {"ha": "center", "va": "bottom"}
BELOW: dict[str, Any] = {"ha": "center", "va": "top"}


def show(description: str) -> None:
    """Show the present figure with ``description`` as its alternative text."""
    figure = plt.gcf()
    alt = {"image/png": {"alt": description}}
    display(figure, metadata=alt)  # type: ignore[no-untyped-call]
    plt.close(figure)


_SHOW = (
    "const n = +this.value, films = this.parentNode.querySelectorAll('.frame');"
    "films.forEach((f, i) => f.style.display = i == n ? '' : 'none')"
)
_PLAY = (
    "const s = this.nextElementSibling; clearInterval(s.timer);"
    "if (s.value == s.max) s.value = 0;"
    "s.timer = setInterval(() => { s.value = +s.value + 1; s.oninput();"
    "if (s.value == s.max) clearInterval(s.timer) }, 700)"
)


def player(frames: Mapping[str, pd.DataFrame], limit: float) -> HTML:
    """Tables one after another, with a slider and a button; it needs no kernel.

    ``frames``: caption -> values; a cell is the bluer, the nearer it is to ``limit``.
    """
    shown = []
    for number, (caption, table) in enumerate(frames.items()):
        hidden = "display:none" if number else ""
        body = f"<b>{caption}</b><table>{_rows(table, limit)}</table>"
        shown.append(f'<div class="frame" style="{hidden}">{body}</div>')
    slider = f'<input type="range" min="0" max="{len(shown) - 1}" value="0"'
    controls = f'<button onclick="{_PLAY}">Play</button>{slider} oninput="{_SHOW}">'
    film = f"<div>{controls}{''.join(shown)}</div>"
    return HTML(film)  # type: ignore[no-untyped-call]


def _rows(table: pd.DataFrame, limit: float) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("", *table.columns))
    rows = [f"<tr>{head}</tr>"]
    for name, values in table.iterrows():
        cells = [f"<th>{name}</th>"]
        for value in values:
            colour = f"rgba(0,114,178,{0.7 * value / limit:.2f})"
            cells.append(f'<td style="background:{colour}">{value:.2f}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return "".join(rows)


def student(values: Any) -> tuple[float, float]:
    """The 95% interval of the mean of ``values`` [n], for seaborn's ``errorbar``."""
    found = mean_interval(values)
    return found.low, found.high


Box = tuple[str, float, float, str]  # words, x and y from 0 to 1, colour


def diagram(
    ax: Axes, boxes: Mapping[str, Box], arrows: Sequence[tuple[str, str, float]]
) -> None:
    """Words in boxes, each with a name, and arrows between them: (from, to, bend)."""
    drawn = {}
    for name, (words, x, y, colour) in boxes.items():
        box = {"boxstyle": "round,pad=0.6", "fc": (colour, 0.3), "ec": "0.35"}
        drawn[name] = ax.text(x, y, words, bbox=box, **CENTRED)
    for start, end, bend in arrows:
        ends = {
            "patchA": drawn[start].get_bbox_patch(),
            "patchB": drawn[end].get_bbox_patch(),
        }
        way = {"arrowstyle": "-|>", "connectionstyle": f"arc3,rad={bend}"}
        places = drawn[end].get_position(), drawn[start].get_position()
        ax.annotate("", *places, arrowprops=ends | way | {"color": "0.25"})
    ax.set_axis_off()


def value_table(
    ax: Axes, table: Floats, names: Sequence[str], frame: str, **colours: Any
) -> None:
    """A table [states, actions] of ``names``, the best of each row framed."""
    drawn = ax.imshow(table, aspect="auto", **colours)
    for (row, column), value in np.ndenumerate(table):
        ink = "white" if drawn.to_rgba(np.asarray(value))[1] < 0.5 else "black"
        ax.text(column, row, f"{value:.1f}", color=ink, **CENTRED)
    best: dict[str, Any] = {"fill": False, "ec": frame, "lw": 2}
    for row, column in enumerate(table.argmax(axis=1).tolist()):
        ax.add_patch(Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, **best))
    table_axes(ax, names)


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
