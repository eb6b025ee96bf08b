"""``rlrec doctor``: what this machine has, in a few lines, for when something fails."""

from __future__ import annotations

import os
import platform
import shutil

from rlrec.errors import DataError
from rlrec.runs.provenance import package_version

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
    """Python, packages, cores, GPU and data sets as text; imports no heavy package."""
    from rlrec.datasets import CATALOGUE, locate

    gpu = "none found; every lesson runs without"
    if shutil.which("nvidia-smi"):
        gpu = "NVIDIA driver found"
    packages = [f"{name} {package_version(name)}" for name in PACKAGES]
    lines = [
        f"rlrec {package_version('rlrec')}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}",
        f"cores    {os.cpu_count()}",
        f"GPU      {gpu}",
        f"packages {', '.join(packages)}",
        f"data     RLREC_DATA={os.environ.get('RLREC_DATA', '(not set)')}",
    ]
    for name in CATALOGUE:
        try:
            lines.append(f"         {name}: {locate(name)}")
        except DataError:
            lines.append(f"         {name}: not here; rlrec data fetch {name}")
    return "\n".join(lines)
