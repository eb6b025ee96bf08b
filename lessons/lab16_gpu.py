"""Lesson 16, on a GPU: two devices as two straight lines, the widget, the picture."""

from __future__ import annotations

from functools import partial
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
CPU_RATE = 1e11  # FLOP/s, between those that ``make.py gpu`` has measured
# A GPU that is assumed, not measured.
GPU_STARTS = 3e-4  # seconds to start all operations of an update
GPU_RATE = 1e13  # FLOP/s
MADE_BY = {
    "gpu": "python lessons/results/make.py gpu",
    "minibatch": "rlrec study lessons/results/minibatch.toml --out runs/minibatch "
    "--json lessons/results/minibatch.json",
}


# -- stored figures --------------------------------------------------------------------
def stored(name: str) -> dict[str, Any]:
    """The stored figures "gpu" or the study "minibatch". Raises ``DataError``."""
    return read_result(name, MADE_BY[name])


def provenance(found: dict[str, Any]) -> str:
    """Where stored figures come from, on two lines."""
    where = f"  stored: on {found['device']}, commit {commit_of(found)}"
    return f"{where}\n  {found['command']}"


# -- the widget ------------------------------------------------------------------------
def update_work(rows: Any, units: int) -> Any:
    """FLOP of an update: 64 inputs, two layers of ``units``, one output; ``rows``."""
    return 6.0 * rows * (64 * units + units * units + units)


def call_seconds(rows: Any, units: int, launch: float, rate: float) -> Any:
    """Seconds of an update in one call: the launch, and the work at ``rate`` FLOP/s."""
    return launch + update_work(rows, units) / rate


class Calls(NamedTuple):
    """Seconds of a call over ``ROWS`` and at the chosen number of rows."""

    rows: int
    dearer: int  # an hour of the GPU costs so many hours of the CPU
    cpu: Floats
    gpu: Floats
    cpu_now: float
    gpu_now: float


def compare(exponent: int, width: int, dearer: int, launch: float) -> Calls:
    """2^``exponent`` rows in a call; layers of 2^``width`` units.

    ``launch``: seconds of a call on the CPU. On the GPU its operations have to be
    started on top.
    """
    rows = 2**exponent
    units = 2**width
    gpu_launch = launch + GPU_STARTS
    return Calls(
        rows,
        dearer,
        call_seconds(ROWS, units, launch, CPU_RATE),
        call_seconds(ROWS, units, gpu_launch, GPU_RATE),
        call_seconds(rows, units, launch, CPU_RATE),
        call_seconds(rows, units, gpu_launch, GPU_RATE),
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


def calls_lab(launch: float | None = None) -> Lab[Calls]:
    """Rows, units and the price of the GPU under sliders.

    ``launch``: seconds of a call on the CPU; else the stored one.
    """
    launch = launch or stored("gpu")["devices"]["CPU:0"]["launch"]
    controls: dict[str, Any] = {
        "exponent": slider("rows 2^", 6, 4, 16, 1),
        "width": slider("units 2^", 6, 5, 11, 1),
        "dearer": slider("GPU price", 25, 1, 100, 1, "CPU hours an hour"),
    }
    compute = partial(compare, launch=launch)
    return Lab("Who is faster?", controls, compute, draw_calls, describe, (9.0, 3.0))


# -- the picture of the lesson ---------------------------------------------------------
def draw_taxi(figure: Figure) -> None:
    """Minutes until the last trip is over, by taxi and by coach."""
    ax = figure.subplots()
    guests = np.arange(1, 61)
    ax.step(guests, 10 * np.ceil(guests / 3), where="mid", color=CPU, label="taxi")
    coach = 60 * np.ceil(guests / 50)
    ax.step(guests, coach, where="mid", color=GPU, ls="--", label="coach")
    ax.set(xlabel="guests", ylabel="minutes of all trips", ylim=(0, None))
    arrow = {"arrowstyle": "->", "color": "#777777"}
    ax.annotate("the coach wins from here", (19, 60), (24, 22), arrowprops=arrow)
    ax.legend(frameon=False)


FIGURES = {"16_taxi_and_coach.png": (draw_taxi, (7.0, 3.0))}
