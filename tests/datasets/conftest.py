"""Tiny hand-made files in each layout. No row of a real data set is in here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dataset_samples import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write("x.csv", line, line, ...)` writes a file; keywords: end, encoding."""

    def write_file(
        name: str, *lines: str, end: str = "\n", encoding: str = "utf-8"
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((end.join(lines) + end).encode(encoding))
        return path

    return write_file


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder with the real data, or a skip."""
    folder = os.environ.get("RLREC_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set RLREC_DATA to the folder with the real data sets to run this")
    return Path(folder)
