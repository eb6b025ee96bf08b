"""Copy the course out of an installed wheel: notebooks, modules, results, pictures."""

from __future__ import annotations

import os
import shutil
from importlib.resources import as_file, files
from pathlib import Path

from rlrec.errors import ConfigError


def copy_course(folder: str | Path) -> list[Path]:
    """Copy the course into ``folder``, made if need be; the folders written.

    Each folder is copied under a temporary name and renamed when it is whole. Raises
    ``ConfigError`` if one of them is there already, or if rlrec runs from a clone.
    """
    source = files("rlrec") / "_course"
    if not source.is_dir():
        raise ConfigError(
            "rlrec runs from a clone here, and the clone holds the course already: "
            "open its notebooks there, or copy its folders"
        )
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; give a folder")
    with as_file(source) as packed:
        parts = sorted(part for part in packed.iterdir() if part.is_dir())
        targets = [folder / part.name for part in parts]
        for target in targets:
            if target.exists():
                raise ConfigError(
                    f"{target} is there already and stays as it is; "
                    "choose another folder, or move it away"
                )
        for part, target in zip(parts, targets, strict=True):
            _copy_whole(part, target)
    return targets


def _copy_whole(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copytree(source, temporary, ignore=shutil.ignore_patterns("__pycache__"))
        os.rename(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
