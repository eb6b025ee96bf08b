"""Plots that several lessons share; each draws on the ``ax`` it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from rlrec.evaluation import mean_interval
from rlrec.viz.style import AGENT_COLOURS


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
