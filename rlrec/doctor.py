"""``rlrec doctor``: what this machine has, in a few lines that help when something does not work."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version

from rlrec.errors import DataError

PACKAGES = (
    "numpy",
    "scipy",
    "pandas",
    "gymnasium",
    "matplotlib",
    "seaborn",
    "ipywidgets",
    "jupyterlab",
    "tensorflow",
)


def report() -> str:
    """Python, packages, cores, GPU and data sets as text. Looks without importing anything heavy."""
    from rlrec.datasets import CATALOGUE, locate

    lines = [
        f"rlrec {version('rlrec')}, Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        f"cores    {os.cpu_count()}",
        f"GPU      {'NVIDIA driver found' if shutil.which('nvidia-smi') else 'none found; every lesson runs without'}",
        "packages " + ", ".join(f"{name} {_installed(name)}" for name in PACKAGES),
        f"data     RLREC_DATA={os.environ.get('RLREC_DATA', '(not set)')}",
    ]
    for name in CATALOGUE:
        try:
            lines.append(f"         {name}: {locate(name)}")
        except DataError:
            lines.append(f"         {name}: not here; rlrec data fetch {name}")
    return "\n".join(lines)


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
