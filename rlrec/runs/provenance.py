"""Where a result comes from: device, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import rlrec
from rlrec import storage
from rlrec.errors import ConfigError, TensorFlowMissing
from rlrec.types import Say


def device() -> str:
    """What TensorFlow computes on, in words; the CPU if it is not installed."""
    cpu = f"CPU, {platform.machine()}, {os.cpu_count()} cores"
    try:
        from rlrec.nn.backend import tf
    except TensorFlowMissing:
        return cpu
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return cpu
    details = tf.config.experimental.get_device_details(gpus[0])
    return str(details.get("device_name", "GPU"))


def package_version(name: str) -> str:
    """The version of an installed package, or "not installed"."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def versions() -> dict[str, str]:
    """Versions of rlrec, Python, TensorFlow and NumPy."""
    return {
        "rlrec": rlrec.__version__,
        "python": platform.python_version(),
        "tensorflow": package_version("tensorflow"),
        "numpy": package_version("numpy"),
    }


def commit() -> str | None:
    """The commit of the checkout that rlrec runs from; None if installed otherwise.

    It ends with "-dirty" if files were changed since.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "pyproject.toml").is_file():
        return None
    options = "--always --dirty --abbrev=40 --exclude=*".split()
    command = ["git", "-C", str(root), "describe", *options]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def provenance(command: str, start: float) -> dict[str, Any]:
    """What each stored result says of its origin; ``start``: of `time.monotonic`."""
    return {
        "commit": commit(),
        "command": command,
        "seconds": round(time.monotonic() - start, 1),
        "device": device(),
        "versions": versions(),
    }


def require_file_path(path: Path | None) -> None:
    """Raise ``ConfigError`` if ``path``, where --json is to write, is a folder."""
    if path is not None and path.is_dir():
        raise ConfigError(f"{path} is a folder; give a file: --json {path}/NAME.json")


def publish(
    lines: Iterable[str], content: dict[str, Any], path: Path | None, say: Say
) -> None:
    """Print a result's ``lines`` and write its ``content`` to the file ``path``."""
    for line in lines:
        say(line)
    if path is not None:
        storage.write_json(path, content)
        say(f"written to {path}")
