"""Lessons that run elsewhere: links to Colab and Binder, and copies for Colab.

Both need the project's address. It stands in one place, ``Repository`` under
``[project.urls]`` in pyproject.toml; without it there are no links. Colab opens the
copies from the branch ``gh-pages``, where the site is put.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import nbformat

ROOT = Path(__file__).resolve().parents[2]
TABULAR = ("00", "01", "02", "03", "04")  # lessons that need no TensorFlow
COLAB = """\
# Colab: install the course, and fetch what lies beside its lessons
%pip install -q "rlrec[{extras}] @ git+{address}"
!rlrec lessons course
%cd course/lessons"""


def repository(path: Path = ROOT / "pyproject.toml") -> str:
    """The project's address on GitHub, or "" where pyproject.toml names none."""
    urls = tomllib.loads(path.read_text("utf-8"))["project"].get("urls", {})
    return str(urls.get("Repository", "")).rstrip("/")


def links(name: str, address: str) -> str:
    """Links of a lesson's notebook to Colab and Binder; "" without an address."""
    if not address:
        return ""
    place = urlparse(address).path.strip("/")
    colab = f"https://colab.research.google.com/github/{place}/blob/gh-pages/colab"
    binder = f"https://mybinder.org/v2/gh/{place}/HEAD?labpath=lessons"
    return f"[Run in Colab]({colab}/{name}) · [Run on Binder]({binder}/{name})"


def for_colab(path: Path, address: str) -> str:
    """A lesson's notebook with a first cell that installs what it needs."""
    extras = "lessons" if path.name[:2] in TABULAR else "deep,lessons"
    return with_first_cell(path, COLAB.format(extras=extras, address=address))


def with_first_cell(path: Path, source: str) -> str:
    """A notebook with one more code cell, above all others."""
    notebook: Any = nbformat.read(path, 4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(source, id="install"))
    return str(nbformat.writes(notebook))
