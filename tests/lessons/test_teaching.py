"""What TEACHING.md says of minutes, exercises and files is so."""

import importlib
import re
from pathlib import Path

import pytest

from tests.lessons.test_minutes import LESSONS, WITHIN, measure

FOLDER = Path(__file__).resolve().parents[2] / "lessons"
PAGE = (FOLDER / "TEACHING.md").read_text("utf-8")
ROWS = re.findall(
    r"^\| \[\d\d [^\]]+\]\((\w+)\.ipynb\) \| (\d+) \| (\d+) \|", PAGE, re.M
)


def test_every_lesson_has_a_row():
    assert [stem for stem, _, _ in ROWS] == [path.stem for path in LESSONS]


@pytest.mark.parametrize(("stem", "core", "whole"), ROWS)
def test_minutes_are_those_measured(stem, core, whole):
    found = measure((FOLDER / "text" / f"{stem}.md").read_text("utf-8"))
    for said, is_so in zip((core, whole), found, strict=True):
        assert float(said) == pytest.approx(is_so, rel=WITHIN), found


def test_links_and_exercises_exist():
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert (FOLDER / link).exists(), link
    for number in set(re.findall(r"\b(\d\d\.\d)\b", PAGE)):
        lesson = importlib.import_module(f"exercises.lesson{number[:2]}")
        assert number in lesson.EXERCISES
