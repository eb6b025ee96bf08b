"""``rlrec doctor``: what this machine has, in a few lines, for when something fails."""

from __future__ import annotations

import os
import platform
import subprocess

import numpy as np

from rlrec.errors import DataError, TensorFlowMissing
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
DRIVER = "name,driver_version,memory.total,compute_cap"  # as nvidia-smi calls them
SIZE = 256  # rows and columns of the matrices that a GPU multiplies


def report() -> str:
    """Python, packages, cores, GPUs and data sets as text."""
    from rlrec.datasets import CATALOGUE, locate

    packages = [f"{name} {package_version(name)}" for name in PACKAGES]
    lines = [
        f"rlrec {package_version('rlrec')}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}",
        f"cores    {os.cpu_count()}",
        "GPU      " + "\n         ".join(gpu_lines()),
        f"packages {', '.join(packages)}",
        f"data     RLREC_DATA={os.environ.get('RLREC_DATA', '(not set)')}",
    ]
    for name in CATALOGUE:
        try:
            lines.append(f"         {name}: {locate(name)}")
        except DataError:
            lines.append(f"         {name}: not here; rlrec data fetch {name}")
    return "\n".join(lines)


def gpu_lines() -> list[str]:
    """What NVIDIA's driver says of each GPU, and what TensorFlow computes on it."""
    there, driver = driver_lines()
    seen = tensorflow_lines()
    if there and not seen:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "(not set)")
        seen = [
            'TensorFlow sees no GPU; install it with: pip install "rlrec[deep,gpu]" '
            f"(Linux, or WSL2 on Windows); CUDA_VISIBLE_DEVICES={hidden}"
        ]
    return [*driver, *seen] or ["none found; every lesson runs without"]


def driver_lines() -> tuple[bool, list[str]]:
    """Whether NVIDIA's driver works; a line for each GPU, or one on what is wrong."""
    command = ["nvidia-smi", f"--query-gpu={DRIVER}", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        return False, []
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, [f"NVIDIA driver broken: {error}"]
    output = found.stdout.strip() or found.stderr.strip()
    if found.returncode:
        return False, [
            f"NVIDIA driver broken or too old: nvidia-smi exits with status "
            f"{found.returncode} ({first_line(output)}); install the driver "
            f"again, or restart the machine"
        ]
    units = ("", "driver ", "memory ", "compute capability ")
    lines = []
    for row in output.splitlines():
        fields = zip(units, row.split(", "), strict=False)
        lines.append(", ".join(unit + value for unit, value in fields))
    return bool(lines), lines


def tensorflow_lines() -> list[str]:
    """A line for each GPU that TensorFlow sees; none without TensorFlow."""
    try:
        from rlrec.nn.backend import tf
    except TensorFlowMissing:
        return []
    except Exception as error:  # whatever a GPU's software raises is the finding
        return [f"TensorFlow cannot be used: {first_line(error)}"]
    lines = []
    for place, gpu in enumerate(tf.config.list_physical_devices("GPU")):
        details = tf.config.experimental.get_device_details(gpu)
        capability = ".".join(map(str, details.get("compute_capability", "?")))
        lines.append(
            f"TensorFlow's GPU:{place} is {details.get('device_name', 'unnamed')}, "
            f"compute capability {capability}: {product(f'GPU:{place}')}"
        )
    return lines


def product(device: str) -> str:
    """Whether TensorFlow multiplies matrices on ``device`` ("GPU:0") as NumPy does.

    They hold small whole numbers: the same in float32 and in TensorFloat-32.
    """
    from rlrec.nn.backend import tf

    left, right = np.random.default_rng(0).integers(-4, 5, (2, SIZE, SIZE))
    try:
        with tf.device(device):
            found = tf.matmul(left.astype(np.float32), right.astype(np.float32))
    except Exception as error:  # whatever it raises is the finding
        return f"a product of matrices fails there: {first_line(error)}"
    if not found.device.endswith(device):
        return f"a product of matrices was computed on {found.device} instead"
    if not np.array_equal(found.numpy(), left @ right):
        return "a product of matrices is WRONG there: not NumPy's; do not train on it"
    return "a product of matrices is right there: NumPy's"


def first_line(of: object) -> str:
    """The first line of a message, however long."""
    return next(iter(str(of).splitlines()), "")
