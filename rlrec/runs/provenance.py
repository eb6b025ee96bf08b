"""Where a result comes from: device, versions, commit."""

from __future__ import annotations

import json
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
    """Versions of rlrec, Python, TensorFlow and NumPy; kind of machine and threads.

    Where all of these are equal, the same run ends with the same bits.
    """
    threads = os.environ.get("TF_NUM_INTRAOP_THREADS") or str(cores())
    return {
        "rlrec": rlrec.__version__,
        "python": platform.python_version(),
        "tensorflow": package_version("tensorflow"),
        "numpy": package_version("numpy"),
        "machine": f"{platform.system()} {platform.machine()}",
        "threads": threads,
    }


def conditions() -> dict[str, str]:
    """The versions, and what TensorFlow computes on: "CPU", or a GPU's name."""
    return versions() | {"device": device().partition(",")[0]}


def choose_device(wanted: str) -> None:
    """What TensorFlow, which must not be imported yet, computes on.

    wanted: "cpu", which hides all GPUs; "gpu"; or "auto", a GPU where there is one.
    Raises ``ConfigError`` for "gpu" where TensorFlow sees none.
    """
    if wanted == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    elif wanted == "gpu" and device().startswith("CPU, "):
        raise ConfigError(
            "--device gpu: TensorFlow sees no GPU here, and `rlrec doctor` says why; "
            "leave --device out to train on the CPU"
        )


def cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def fix_threads() -> None:
    """One thread for TensorFlow, which must not be imported yet, and for NumPy."""
    from threadpoolctl import threadpool_limits

    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = "1"
    threadpool_limits(1)


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


def require_result_path(path: Path | None) -> None:
    """Raise ``ConfigError`` unless --json can write ``path``: new, or a result."""
    storage.require_output(path, "--json", _is_result)


def _is_result(text: str) -> bool:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"commit", "command", "device"} <= set(content)


def publish(
    lines: Iterable[str], content: dict[str, Any], path: Path | None, say: Say
) -> None:
    """Print a result's ``lines`` and write its ``content`` to the file ``path``."""
    for line in lines:
        say(line)
    if path is not None:
        require_result_path(path)  # it may have been written meanwhile
        storage.write_json(path, content)
        say(f"written to {path}")
