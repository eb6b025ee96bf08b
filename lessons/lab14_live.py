"""Lesson 14, from logs to live: what the monitor can see, pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from drawing import CENTRED
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rlrec.evaluation import mean_interval
from rlrec.viz.style import PALETTE, Style, agent_colour
from rlrec.viz.widgets import Lab, choice, slider

# loss, error, threshold: songs; "as good", "worse": P(an alarm by each round)
Alarms = dict[str, Any]

# -- what the monitor can see


def draw_alarms(figure: Figure, found: Alarms) -> None:
    """Left the distributions of the difference, right P(alarm) by each round."""
    left, right = figure.subplots(1, 2)
    x = np.linspace(-6, 3, 400)
    alarm = (x < found["threshold"]).tolist()
    as_good = PALETTE[0]
    worse = PALETTE[5]
    for loss, colour, name in (
        (0.0, as_good, "as good"),
        (found["loss"], worse, "worse by the loss"),
    ):
        z = (x + loss) / found["error"]
        y = np.exp(-0.5 * z**2) / found["error"] / np.sqrt(2 * np.pi)
        left.plot(x, y, color=colour, lw=2.5, label=name)
        left.fill_between(x, y, where=alarm, color=colour, alpha=0.35, lw=0)
    left.axvline(found["threshold"], color="black", ls="--")
    left.set(xlim=(-6, 3), yticks=[], ylim=(0, None))
    left.set_xlabel("learner minus keeper, songs a session")
    left.set_title("one round: alarm left of the dashed line", fontsize=10)
    left.legend(frameon=False, loc="upper left")
    number = np.arange(1, len(found["worse"]) + 1)
    good: Style = {"color": as_good, "marker": "o", "label": "as good: a false alarm"}
    bad: Style = {"color": worse, "marker": "s", "label": "worse by the loss"}
    right.plot(number, found["as good"], lw=2.5, ms=4, **good)
    right.plot(number, found["worse"], lw=2.5, ms=4, **bad)
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
        "rounds": slider("rounds", 28, 2, 60, 1),
    }
    title = "Is the learner worse?"
    return Lab(title, controls, compute, draw_alarms, alarms_text, (9.0, 3.4))


# -- pictures

# Alpha of a colour that is visible, yet too pale for the comparison of pictures, which
# differ a little by processor.
PALE = 0.22


def promises_picture(
    ax: Axes, promised: ArrayLike, given: ArrayLike, references: Mapping[str, float]
) -> Axes:
    """Songs heard with model and with listeners, a line for each seed.

    ``promised``, ``given`` [seeds]; dotted: the true values of ``references``.
    """
    model = np.asarray(promised, np.float64)
    true = np.asarray(given, np.float64)
    rows = np.arange(len(model))
    ax.hlines(rows, true, model, color="#DADADA", lw=7, zorder=1)
    ax.plot(model, rows, "D", color=PALETTE[0], ms=5.5, label="promised by the model")
    colour = agent_colour("ppo")
    ax.plot(true, rows, "o", color=colour, ms=6, label="given by listeners")
    for row, (name, value) in enumerate(references.items()):
        ax.axvline(value, color="black", ls=":", lw=1.5)
        side = "right" if name == "random" else "left"
        label: Style = {"va": "center", "ha": side, "fontsize": 9}
        ax.text(value, -1.75 + 0.5 * row, f" {name} ", **label)
    ax.set_yticks(rows, [f"seed {row}" for row in rows])
    ax.set(ylim=(len(rows) - 0.5, -2.1), xlim=(7, 14))
    ax.set_xlabel("songs heard a session, PPO trained offline")
    ax.legend(frameon=True, loc="upper right", fontsize=9)
    return ax


def recovery_picture(ax: Axes, recovered: ArrayLike, sessions: ArrayLike) -> Axes:
    """Share of the loss made good, mean and 95% interval over seeds.

    ``recovered`` [seeds, points] over ``sessions`` [points].
    """
    percent = 100 * np.asarray(recovered, np.float64)
    colour = agent_colour("ppo")
    for x, column in zip(np.asarray(sessions), percent.T, strict=True):
        of = mean_interval(column)
        ax.vlines(x, of.low, of.high, color=colour, lw=14, alpha=PALE)
    ax.plot(sessions, percent.mean(axis=0), "o", color=colour, ms=6)
    ax.axhline(80, color="black", ls=":", lw=1.5)
    ax.text(20, 82, "80%", va="bottom")
    ax.set(xlim=(-150, np.max(sessions) + 150), ylim=(-10, 125))
    ax.set_ylabel("% of the loss made good")
    ax.set_xlabel("sessions the learner has played since the turn")
    return ax


def lies_picture(ax: Axes, lied: Sequence[pd.DataFrame]) -> Axes:
    """Rewards round by round, means over seeds: as reported, and the learner's truth.

    ``lied``: of each seed the ``LiveRound``s. The last two, after the lies, are red if
    an alarm went off there for every seed.
    """
    means = pd.concat(lied).groupby("number").mean()
    count = len(means)
    lie = count - 2
    ax.axvspan(0.5, lie + 0.5, color="#FBF6CC", lw=0, zorder=0)
    ax.text(0.7, 13.6, "feedback turned round", va="top", fontsize=9)
    for name, label, colour, marker in (
        ("learner", "learner, reported", PALETTE[5], "o"),
        ("keeper", "keeper, reported", PALETTE[0], "s"),
        ("truth", "learner, in truth", "black", "D"),
    ):
        y = means[name]
        ax.plot(y, color=colour, lw=6, alpha=PALE / 1.5)
        ax.plot(y, marker, color=colour, ms=3, markevery=(1, 2), label=label)
    if all(rounds["alarm"][lie:].any() for rounds in lied):
        ax.axvspan(lie + 0.5, lie + 2.5, color="#FBE3E6", lw=0, zorder=0)
        style: Style = {"ha": "right", "va": "center", "color": "#B00020"}
        ax.text(lie + 0.3, 2.8, "alarm: back to the keeper ", **style)
    ax.set(xlim=(0.5, count + 0.7), ylim=(2, 14), xticks=means.index[1::2])
    ax.set(xlabel="round", ylabel="songs heard a session")
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


# words, x, y, colour
BOXES = (
    ("the shop's log\n1,000 evenings", 1.3, 2.9, PALETTE[4]),
    ("a model of\nlisteners", 3.8, 2.9, PALETTE[4]),
    ("PPO, offline\nnobody listens", 6.3, 2.9, PALETTE[1]),
    ("PPO, live\nlisteners react", 8.8, 2.9, PALETTE[2]),
    ("every play logged\nwith its probability", 8.8, 0.7, PALETTE[2]),
    ("worse than the\nlast good one?", 5.6, 0.7, PALETTE[5]),
)
ARROWS = (
    ((2.25, 2.9), (2.95, 2.9)),
    ((4.65, 2.9), (5.3, 2.9)),
    ((7.3, 2.9), (7.9, 2.9)),
    ((8.8, 2.35), (8.8, 1.25)),
    ((7.65, 0.7), (6.75, 0.7)),
)
ARROW: Style = {"arrowstyle": "-|>", "lw": 2}
ALARM = "#B00020"


def draw_loop(figure: Figure) -> None:
    """The lesson in boxes: log, model, offline training, live rounds, and back."""
    ax = figure.subplots()
    ax.set(xlim=(0, 10), ylim=(0, 4))
    ax.axis("off")
    for words, x, y, colour in BOXES:
        box = {"boxstyle": "round,pad=0.5", "alpha": 0.3}
        box |= {"facecolor": colour, "edgecolor": colour}
        ax.text(x, y, words, bbox=box, fontsize=10, **CENTRED)
    for start, end in ARROWS:
        ax.annotate("", end, start, arrowprops=ARROW | {"color": "#444444"})
    ax.annotate("", (8.0, 2.35), (6.3, 1.25), arrowprops=ARROW | {"color": ALARM})
    style: Style = {"ha": "right", "va": "center", "fontsize": 9, "color": ALARM}
    ax.text(6.5, 1.9, "yes: go back\nto that one", **style)
    ax.text(7.6, 3.65, "promise meets truth here", ha="center", fontsize=9)


def draw_probation(figure: Figure) -> None:
    """Four rounds of lies, probation of four: which checkpoint is restored."""
    ax = figure.subplots()
    ax.set(xlim=(0.2, 12.6), ylim=(-1.55, 1.6))
    ax.axis("off")
    ax.axvspan(5.5, 9.5, ymin=0.36, ymax=0.68, color="#F0E442", alpha=0.45, lw=0)
    ax.text(7.5, 0.75, "four rounds of lies", ha="center", fontsize=10)
    label: Style = CENTRED | {"color": "white", "weight": "bold"}
    for number in range(1, 11):
        colour = PALETTE[5] if number > 6 else PALETTE[2]  # made from lies or not
        ax.plot(number, 0, "o", ms=22, color=colour)
        ax.text(number, 0, str(number), fontsize=10, **label)
    alarm = " alarm: the first honest round"
    ax.text(10.45, 0, alarm, va="center", fontsize=10, color=ALARM)
    curve: Style = ARROW | {"color": ALARM, "connectionstyle": "arc3,rad=-0.3"}
    ax.annotate("", (5, -0.35), (10, -0.35), arrowprops=curve)
    back = "back to checkpoint 5: four rounds passed after it without an alarm"
    ax.text(7.5, -1.35, back, ha="center", fontsize=10)
    made = "what plays in each round, made from the rounds before it; orange: "
    ax.text(0.5, 1.35, made + "made from lies", fontsize=10)


FIGURES = {
    "14_from_log_to_live.png": (draw_loop, (9.0, 3.2)),
    "14_probation.png": (draw_probation, (9.6, 2.6)),
}
