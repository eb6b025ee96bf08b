"""Checks that the tests of several lessons share."""

import subprocess
import sys
from pathlib import Path

from matplotlib.figure import Figure

LESSONS = Path(__file__).resolve().parents[1] / "lessons"


def words(artists) -> list[str]:
    """The texts of some artists, such as ``ax.texts`` or tick labels."""
    return [artist.get_text() for artist in artists]


def words_of(figure) -> list[str]:
    """The texts inside all axes of a figure."""
    return [word for ax in figure.axes for word in words(ax.texts)]


def assert_nothing_is_cut_off(draw, result, size) -> None:
    """``draw(figure, result)`` keeps within a figure of ``size`` inches."""
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    draw(figure, result)
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    assert min(box.x0, box.y0) >= 0
    assert box.x1 <= size[0]
    assert box.y1 <= size[1]


def assert_no_tensorflow(program: str) -> None:
    """``program``, run among the lessons' modules, does not import TensorFlow."""
    program = f"import sys; {program}; print('tensorflow' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=LESSONS, capture_output=True, text=True
    )
    assert run.stdout == "False\n", run.stderr
