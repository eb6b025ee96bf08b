"""One look for every picture: colour-blind-safe, and the same pixels everywhere."""

import sys
from functools import cache
from typing import Any

import matplotlib as mpl
from cycler import cycler

# Okabe and Ito's palette: distinct with any colour vision.
PALETTE = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
    "#000000",
)

Style = dict[str, Any]  # keyword arguments of what is drawn

# An agent keeps its colour through all lessons.
AGENT_COLOURS = {
    "random": "#8C8C8C",
    "popularity": "#CC79A7",
    "greedy": "#E69F00",
    "oracle": "#000000",
    "q-learning": "#0072B2",
    "dqn": "#56B4E9",
    "ddpg": "#009E73",
    "ppo": "#D55E00",
}


@cache
def theme() -> Any:
    """Settings of `style`: seaborn's white grid, DejaVu, 100 dots an inch."""
    import seaborn

    settings: dict[str, Any] = {
        **seaborn.axes_style("whitegrid"),
        **seaborn.plotting_context("notebook", 0.9),
    }
    settings |= {
        "axes.prop_cycle": cycler(color=PALETTE),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "figure.constrained_layout.use": True,
        "figure.dpi": 100,
        "figure.figsize": (7.0, 3.5),
        "font.family": ["sans-serif"],
        "font.sans-serif": ["DejaVu Sans"],
        "image.cmap": "viridis",
        "savefig.bbox": None,
        "savefig.dpi": 100,
    }
    return settings


def style() -> None:
    """Set the look for all later figures; call it once, at the top of a lesson.

    In a notebook it also makes pictures PNG, uncropped, so that they can be compared
    pixel by pixel.
    """
    mpl.rcdefaults()
    mpl.rcParams.update(theme())
    if "ipykernel" in sys.modules:
        from matplotlib_inline import backend_inline

        formats = backend_inline.set_matplotlib_formats
        formats("png", bbox_inches=None)  # type: ignore[no-untyped-call]


def agent_colour(name: str) -> str:
    """Colour of an agent as `#RRGGBB`; ValueError for an unknown agent.

    >>> agent_colour("q-learning")
    '#0072B2'
    """
    if name not in AGENT_COLOURS:
        raise ValueError(
            f"no colour for agent {name!r}; known: {', '.join(AGENT_COLOURS)}"
        )
    return AGENT_COLOURS[name]
