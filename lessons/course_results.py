"""Stored results of the lessons: read them, and say at which commit they were made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlrec.errors import DataError

FOLDER = Path(__file__).resolve().parent / "results"


def read_result(name: str, how: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Read the stored result ``name``, such as "rerank_ml-100k".

    Raises ``DataError``, with the command ``how`` that makes it, where it is missing.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        raise DataError(f"no stored result {name}; make it with: {how}")
    return dict(json.loads(path.read_text("utf-8")))


def commit_of(
    found: Mapping[str, Any],
    digits: int = 10,
    changed: str = " with changes not committed",
) -> str:
    """The commit a result was made at, and ``changed`` if it had uncommitted changes.

    >>> commit_of({"commit": "0123456789abcdef-dirty"})
    '0123456789 with changes not committed'
    """
    commit = str(found["commit"])
    return commit[:digits] + changed * commit.endswith("-dirty")
