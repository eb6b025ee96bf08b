"""Lesson 16, on a GPU: two devices as two straight lines, the widget, the picture."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from course_results import commit_of, read_result
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rlrec.types import Floats
from rlrec.viz.style import PALETTE
from rlrec.viz.widgets import Lab, slider

CPU = PALETTE[1]
GPU = PALETTE[0]
ROWS = 2.0 ** np.arange(4, 17)  # in a call
# Two made-up machines of the usual kind: seconds to start a call, and FLOP/s.
CPU_LAUNCH = 2e-5
CPU_RATE = 1e11
GPU_LAUNCH = 3e-4
GPU_RATE = 1e13


def update_work(rows: Any, units: int) -> Any:
    """FLOP of an update: 64 inputs, two layers of ``units``, one output; ``rows``."""
    return 6.0 * rows * (64 * units + units * units + units)


def call_seconds(rows: Any, units: int, launch: float, rate: float) -> Any:
    """Seconds of an update in one call: the launch, and the work at ``rate`` FLOP/s."""
    return launch + update_work(rows, units) / rate


# -- the widget ------------------------------------------------------------------------
class Calls(NamedTuple):
    """Seconds of a call over ``ROWS`` and at the chosen number of rows."""

    rows: int
    dearer: int  # an hour of the GPU costs so many hours of the CPU
    cpu: Floats
    gpu: Floats
    cpu_now: float
    gpu_now: float


def compare(exponent: int, width: int, dearer: int) -> Calls:
    """2^``exponent`` rows in a call; layers of 2^``width`` units."""
    rows = 2**exponent
    units = 2**width
    return Calls(
        rows,
        dearer,
        call_seconds(ROWS, units, CPU_LAUNCH, CPU_RATE),
        call_seconds(ROWS, units, GPU_LAUNCH, GPU_RATE),
        call_seconds(rows, units, CPU_LAUNCH, CPU_RATE),
        call_seconds(rows, units, GPU_LAUNCH, GPU_RATE),
    )


def draw_calls(figure: Figure, found: Calls) -> None:
    """Left the milliseconds of a call, right what a million rows cost."""
    left, right = figure.subplots(1, 2)
    _draw_lines(left, found, 1e3 * found.cpu, 1e3 * found.gpu)
    left.set_ylabel("milliseconds a call")
    million = 1e6 / ROWS / 3600
    _draw_lines(right, found, million * found.cpu, million * found.dearer * found.gpu)
    right.set_ylabel("CPU hours for 1,000,000 rows")
    left.legend(frameon=False)


def _draw_lines(ax: Axes, found: Calls, cpu: Floats, gpu: Floats) -> None:
    ax.loglog(ROWS, cpu, color=CPU, marker=".", label="CPU")
    ax.loglog(ROWS, gpu, color=GPU, marker=".", ls="--", label="GPU")
    ax.axvline(found.rows, color="black", lw=0.8)
    ax.set_xlabel("rows in a call")


def describe(found: Calls) -> str:
    """The widget's line of text."""
    longer = found.gpu_now / found.cpu_now
    return (
        f"{found.rows:,} rows: CPU {1e3 * found.cpu_now:.3f} ms, GPU "
        f"{1e3 * found.gpu_now:.3f} ms: the GPU takes <b>{longer:.2f}</b> times the "
        f"CPU's time, at <b>{longer * found.dearer:.2f}</b> times its cost"
    )


def calls_lab() -> Lab[Calls]:
    """Rows, units and the price of the GPU under sliders."""
    controls: dict[str, Any] = {
        "exponent": slider("rows 2^", 6, 4, 16, 1),
        "width": slider("units 2^", 6, 5, 11, 1),
        "dearer": slider("GPU price", 25, 1, 100, 1, "CPU hours an hour"),
    }
    return Lab("Who is faster?", controls, compare, draw_calls, describe, (9.0, 3.0))


# -- stored figures --------------------------------------------------------------------
MADE_BY = {
    "gpu": "python lessons/results/make.py gpu",
    "minibatch": "rlrec study lessons/results/minibatch.toml --out runs/minibatch "
    "--json lessons/results/minibatch.json",
}


def stored(name: str) -> dict[str, Any]:
    """The stored figures "gpu" or the study "minibatch". Raises ``DataError``."""
    return read_result(name, MADE_BY[name])


def provenance(found: dict[str, Any]) -> str:
    """Where stored figures come from, on two lines."""
    where = f"  stored: on {found['device']}, commit {commit_of(found)}"
    return f"{where}\n  {found['command']}"


# -- the picture of the lesson ---------------------------------------------------------
def draw_taxi(figure: Figure) -> None:
    """Minutes until all guests are at the hall, by taxi and by coach."""
    ax = figure.subplots()
    guests = np.arange(1, 61)
    ax.step(guests, 10 * np.ceil(guests / 3), where="mid", color=CPU, label="taxi")
    coach = 60 * np.ceil(guests / 50)
    ax.step(guests, coach, where="mid", color=GPU, ls="--", label="coach")
    ax.set(xlabel="guests", ylabel="minutes until all are there", ylim=(0, None))
    ax.annotate(
        "the coach wins from here", (19, 60), (24, 22), arrowprops={"arrowstyle": "->"}
    )
    ax.legend(frameon=False)


FIGURES = {"16_taxi_and_coach.png": (draw_taxi, (7.0, 3.0))}
