"""Checks that the tests of several lessons share."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

LESSONS = Path(__file__).resolve().parents[1] / "lessons"


def words(artists) -> list[str]:
    """The texts of some artists, such as ``ax.texts`` or tick labels."""
    return [artist.get_text() for artist in artists]


def words_of(figure) -> list[str]:
    """The texts inside all axes of a figure."""
    return [word for ax in figure.axes for word in words(ax.texts)]


def cells(lesson: str, *beginnings: str) -> list[str]:
    """A lesson's first cell and those with these beginnings of a line."""
    (text,) = (LESSONS / "text").glob(f"{lesson}_*.md")
    found = re.findall(r"```python.*?\n(.*?)```", text.read_text("utf-8"), re.DOTALL)
    for beginning in beginnings:
        assert any(f"\n{beginning}" in f"\n{cell}" for cell in found), beginning
    chosen = []
    for number, cell in enumerate(found):
        if not number or any(f"\n{one}" in f"\n{cell}" for one in beginnings):
            chosen.append(cell)
    return chosen


def defined(lesson: str, *beginnings: str) -> dict[str, Any]:
    """What ``cells`` of a lesson define."""
    names: dict[str, Any] = {}
    for cell in cells(lesson, *beginnings):
        title = f"lesson {lesson}, {cell.splitlines()[0]}"
        exec(compile(cell, title, "exec"), names)
    return names


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
