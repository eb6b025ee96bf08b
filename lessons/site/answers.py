"""Below an exercise of a page: a field for numbers, and the solution behind a click."""

from __future__ import annotations

import html
import importlib
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import numpy as np


def answers(lesson: Path) -> dict[str, str]:
    """First line of an exercise -> a field for numbers, and the solution, folded."""
    exercises = importlib.import_module(f"exercises.lesson{lesson.name[:2]}").EXERCISES
    found = {}
    for cell in nbformat.read(lesson.parent / "solutions" / lesson.name, 4).cells:
        title = re.match(r"# Exercise (\d\d\.\d+).*", cell.source)
        if cell.cell_type != "code" or not title or title[1] not in exercises:
            continue
        code = f"```python\n{cell.source}\n```"
        found[title[0]] = (
            f"{number_field(title[1], exercises[title[1]])}\n\n"
            f"<details><summary>Solution</summary>\n\n{code}\n\n</details>"
        )
    return found


def number_field(number: str, exercise: Any) -> str:
    """A form that static/exercises.js checks; "" where no numbers are asked for."""
    data = number_data(number, exercise)
    packed = html.escape(json.dumps(data, ensure_ascii=False))
    return f'<form class="try" data-exercise="{packed}"></form>' if data else ""


def number_data(number: str, exercise: Any) -> dict[str, Any]:
    """The numbers expected and the known mistakes; nothing, where code is asked for."""
    expected = as_numbers(exercise.expected)
    if exercise.cases or exercise.run or expected is None:
        return {}
    pairs = [(as_numbers(wrong), words) for wrong, words in exercise.mistakes]
    return {
        "number": number,
        "expected": expected,
        "tolerance": exercise.tolerance,
        "mistakes": [[values, words] for values, words in pairs if values],
    }


def as_numbers(value: Any) -> list[float] | None:
    """A number, or a list of numbers, as a list; None for anything else."""
    if callable(value):
        return None
    array = np.atleast_1d(np.asarray(value))
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        return None
    return [float(one) for one in array]
