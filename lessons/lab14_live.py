"""Lesson 14, from logs to live: what the monitor can see, pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from drawing import CENTRED, diagram
from matplotlib.figure import Figure
from scipy.stats import norm

from rlrec.viz.style import PALETTE, Style
from rlrec.viz.widgets import Lab, choice, slider

# loss, error, threshold: songs; "as good", "worse": P(an alarm by each round)
Alarms = dict[str, Any]

# -- what the monitor can see


def draw_alarms(figure: Figure, found: Alarms) -> None:
    """Left the distributions of the difference, right P(alarm) by each round."""
    left, right = figure.subplots(1, 2)
    x = np.linspace(-6, 3, 400)
    alarm = (x < found["threshold"]).tolist()
    rounds = range(1, len(found["worse"]) + 1)
    for name, loss, colour, line in (
        ("as good", 0.0, PALETTE[0], "o-"),
        ("worse", found["loss"], PALETTE[5], "s-"),
    ):
        density = norm.pdf(x, -loss, found["error"])
        left.plot(x, density, color=colour)
        left.fill_between(x, density, where=alarm, color=colour, alpha=0.35)
        right.plot(rounds, found[name], line, color=colour, ms=4, label=name)
    left.set(xlim=(-6, 3), yticks=[], ylim=(0, None), title="one round; filled: alarm")
    left.set_xlabel("learner minus keeper, songs a session")
    right.set(xlim=(0, 61), ylim=(-0.03, 1.03), xlabel="rounds")
    right.set_ylabel("probability of an alarm by then")
    right.legend(frameon=False, loc="center right")


def alarms_text(found: Alarms) -> str:
    """The line above the picture."""
    worse = found["worse"]
    false = found["as good"][-1]
    return (
        f"standard error {found['error']:.2f} songs; alarm below "
        f"{found['threshold']:.2f}; in one round a loss of {found['loss']:.1f} "
        f"is seen with probability <b>{worse[0]:.2f}</b>; "
        f"false alarm within {len(worse)} rounds <b>{false:.2f}</b>"
    )


def monitor_lab(compute: Callable[..., Alarms]) -> Lab[Alarms]:
    """The widget: how large a loss, how many sessions, which level, how many rounds."""
    controls = {
        "loss": slider("true loss", 1.5, 0.0, 4.0, 0.1, "songs a session"),
        "sessions": choice("sessions each", [16, 64, 256, 1024], 256),
        "level": choice("level", [0.05, 0.01, 0.001, 0.0001], 0.001),
        "rounds": slider("rounds", 24, 2, 60, 1),
    }
    title = "Is the learner worse?"
    return Lab(title, controls, compute, draw_alarms, alarms_text, (9.0, 3.4))


# -- pictures
BOXES = {
    "log": ("the shop's log\n1,000 evenings", 0.08, 0.85, PALETTE[4]),
    "model": ("a model of\nlisteners", 0.35, 0.85, PALETTE[4]),
    "offline": ("PPO, offline\nnobody listens", 0.61, 0.85, PALETTE[1]),
    "live": ("PPO, live\nlisteners react", 0.9, 0.85, PALETTE[2]),
    "plays": ("every play logged\nwith its probability", 0.9, 0.15, PALETTE[2]),
    "test": (
        "worse than the last\ngood one? go back",
        0.5,
        0.15,
        PALETTE[5],
    ),
}
ARROWS = (
    ("log", "model", 0),
    ("model", "offline", 0),
    ("offline", "live", 0),
    ("live", "plays", 0),
    ("plays", "test", 0),
    ("test", "live", 0),
)


def draw_loop(figure: Figure) -> None:
    """The lesson in boxes: log, model, offline training, live rounds, and back."""
    diagram(figure.subplots(), BOXES, ARROWS)


def draw_probation(figure: Figure) -> None:
    """Four rounds of lies, probation of four: which checkpoint is restored."""
    ax = figure.subplots()
    rounds = np.arange(1, 11)
    colours = np.where(rounds > 6, PALETTE[5], PALETTE[2]).tolist()
    ax.scatter(rounds, np.zeros(10), s=400, c=colours)
    ax.axvspan(5.5, 9.5, color=PALETTE[6], alpha=0.3, zorder=0)
    curve: Style = {"arrowstyle": "-|>", "connectionstyle": "arc3,rad=-0.3", "lw": 2}
    ax.annotate("", (5, -0.4), (10, -0.4), arrowprops=curve | {"color": "black"})
    ax.text(7.5, -1.6, "alarm: back to checkpoint 5", **CENTRED)
    ax.set(xticks=rounds, yticks=[], ylim=(-2, 0.7))
    ax.set(xlabel="round", title="yellow: feedback lies; orange: made from lies")
    ax.grid(False)


FIGURES = {
    "14_from_log_to_live.png": (draw_loop, (9.0, 2.6)),
    "14_probation.png": (draw_probation, (9.0, 2.6)),
}
