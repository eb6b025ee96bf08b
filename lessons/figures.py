"""``make figures``: redraw every picture of the lessons and the README, from code.

    python lessons/figures.py FOLDER

A picture belongs to the module of its lesson, whose ``FIGURES`` maps a file name to a
function that draws on the figure it is given, and that figure's size in inches.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from rlrec.viz.style import theme

Draw = Callable[[Figure], object]


def all_figures() -> dict[str, tuple[Draw, tuple[float, float]]]:
    """Name -> (draw, size in inches) of every figure, in the order of their names."""
    found: dict[str, tuple[Draw, tuple[float, float]]] = {}
    for module in sorted(Path(__file__).parent.glob("lab[0-9][0-9]_*.py")):
        found |= getattr(importlib.import_module(module.stem), "FIGURES", {})
    return dict(sorted(found.items()))


def render(draw: Draw, size: tuple[float, float], path: Path) -> None:
    """Draw one figure into a PNG file, 100 dots an inch, without date or version."""
    with mpl.rc_context(theme()):
        figure = Figure(figsize=size, dpi=100, layout="constrained")
        draw(figure)
        figure.savefig(path, format="png", metadata={"Software": None})


def main(folder: Path) -> None:
    """Redraw all figures into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (draw, size) in all_figures().items():
        render(draw, size, folder / name)
        print(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
