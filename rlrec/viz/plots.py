"""A plot that seaborn has not: a mean with Student's interval over seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from rlrec.evaluation import mean_interval


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
