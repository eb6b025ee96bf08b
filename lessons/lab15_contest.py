"""Lesson 15, the contest: stored studies read and drawn, the two dials as a map, a verdict to play with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rlrec.errors import DataError
from rlrec.evaluation.intervals import (
    interquartile_mean,
    mean_interval,
    performance_profile,
    profile_band,
    stratified_interval,
)
from rlrec.studies.report import by_agent, judge_contestant, strongest, worlds
from rlrec.types import Floats
from rlrec.viz.style import AGENT_COLOURS, PALETTE
from rlrec.viz.widgets import Lab, choice, slider

Cell = dict[str, Any]
FOLDER = Path(__file__).resolve().parent / "results"
GREEDY, RULE = "greedy one step", "greedy + variety (a rule)"
COLOURS = {
    GREEDY: AGENT_COLOURS["greedy"],
    RULE: "#7B3294",
    "LinUCB": "#0072B2",
    "Q-learning": "#56B4E9",
} | {name: AGENT_COLOURS[name] for name in ("random", "popularity", "oracle")}


# -- stored studies --------------------------------------------------------------------------------------
def stored(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """A study that ``rlrec study ... --json`` wrote. Raises ``DataError`` if it is not there."""
    path = folder / f"{name}.json"
    if not path.exists():
        raise DataError(
            f"no stored study {name}; make it with: rlrec study lessons/results/{name}.toml --out runs/{name} "
            f"--json lessons/results/{name}.json"
        )
    return dict(json.loads(path.read_text("utf-8")))


def provenance(found: Mapping[str, Any]) -> str:
    """Where a stored study comes from, on two lines."""
    changed = (
        " with changes not committed" if str(found["commit"]).endswith("-dirty") else ""
    )
    made = f"  stored: made in {found['seconds'] / 60:.0f} minutes on {found['device']}"
    return f"{made}, commit {str(found['commit'])[:10]}{changed}\n  {found['command']}"


def one_world(cells: Sequence[Cell], taste: float, effect: float) -> list[Cell]:
    """The cells of one setting of the two dials."""
    return [
        cell
        for cell in cells
        if cell["world"]["taste_strength"] == taste
        and cell["world"]["long_term_effect"] == effect
    ]


def dial_values(cells: Sequence[Cell]) -> tuple[list[float], list[float]]:
    """The values of taste strength and of long-term effect, each ascending."""
    found = worlds(cells)
    return tuple(
        sorted({one[name] for one in found})
        for name in ("taste_strength", "long_term_effect")
    )  # type: ignore[return-value]


def gains(cells: Sequence[Cell], label: str, over: str) -> tuple[Floats, Floats]:
    """How many songs more ``label`` is heard than ``over``, paired by seed: mean and sign [tastes, effects].

    The sign is 1 or -1 where the 95% interval (Student's t) lies on one side of 0, else 0.
    """
    tastes, effects = dial_values(cells)
    mean, sign = (
        np.zeros((len(tastes), len(effects))),
        np.zeros((len(tastes), len(effects))),
    )
    for row, column in np.ndindex(mean.shape):
        means = by_agent(one_world(cells, tastes[row], effects[column]))
        gain = mean_interval(means[label] - means[over])
        mean[row, column], sign[row, column] = (
            gain.mean,
            int(gain.low > 0) - int(gain.high < 0),
        )
    return mean, sign


# -- drawing ---------------------------------------------------------------------------------------------
def colour(label: str) -> str:
    """The colour of a contestant; grey for one without its own."""
    known = next(
        (one for name, one in AGENT_COLOURS.items() if label.lower().startswith(name)),
        "#5F5F5F",
    )
    return COLOURS.get(label, known)


def draw_levels(ax: Axes, means: Mapping[str, Floats]) -> None:
    """Each seed a dot, the interquartile mean a bar with its 95% interval; best on top. ``means``: label -> [seeds]."""
    order = sorted(means, key=lambda label: float(interquartile_mean(means[label])))
    for row, label in enumerate(order):
        values = means[label]
        found = stratified_interval(values[:, None], rng=np.random.default_rng(0))
        ax.plot(
            [found.low, found.high],
            [row, row],
            color=colour(label),
            lw=8,
            alpha=0.35,
            solid_capstyle="butt",
        )
        ax.plot([found.mean] * 2, [row - 0.3, row + 0.3], color=colour(label), lw=3)
        ax.plot(values, np.full(len(values), row), ".", color="black", ms=4)
    ax.set_yticks(range(len(order)), order)
    ax.set(xlabel="songs heard in a session", ylim=(-0.7, len(order) - 0.3))


def draw_profiles(ax: Axes, means: Mapping[str, Floats], thresholds: Floats) -> None:
    """The share of seeds above each threshold, with its 95% band."""
    for label, values in means.items():
        low, high = profile_band(
            values[:, None], thresholds, rng=np.random.default_rng(0)
        )
        ax.plot(
            thresholds,
            performance_profile(values, thresholds),
            color=colour(label),
            label=label,
        )
        ax.fill_between(thresholds, low, high, color=colour(label), alpha=0.15, lw=0)
    ax.set(
        xlabel="songs heard in a session: more than",
        ylabel="share of seeds",
        ylim=(-0.03, 1.03),
    )
    ax.legend(frameon=False, fontsize=8)


def draw_cold_start(ax: Axes, cells: Sequence[Cell], labels: Sequence[str]) -> None:
    """Songs heard after so many songs of practice: mean over seeds and 95% interval; a flat line never practised."""
    budget = cells[0]["steps"]
    start = min(point[0] for cell in cells for point in cell["curve"])
    for label in labels:
        mine = [cell["curve"] for cell in cells if cell["agent"] == label]
        songs = [point[0] for point in mine[0]]
        every = [
            mean_interval(np.array([curve[place][1] for curve in mine]))
            for place in range(len(songs))
        ]
        if len(songs) == 1:
            songs, every = [start, budget], every * 2
        line = "-" if len(mine[0]) > 1 else "--"
        ax.plot(
            songs, [one.mean for one in every], line, color=colour(label), label=label
        )
        low, high = [one.low for one in every], [one.high for one in every]
        ax.fill_between(songs, low, high, color=colour(label), alpha=0.15, lw=0)
    ax.set(
        xscale="log",
        xlabel="songs played to learn from",
        ylabel="songs heard in a session",
    )
    points = sorted({point[0] for cell in cells for point in cell["curve"]})
    ax.set_xticks(points, [f"{one:,}" for one in points])
    ax.minorticks_off()
    ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def draw_two_dials(figure: Figure, found: Mapping[str, Any] | None = None) -> None:
    """For each contestant a map over taste and effect: songs more than greedy, in brackets where it cannot be told."""
    cells = (stored("dials") if found is None else found)["cells"]
    labels = [
        label
        for label in dict.fromkeys(cell["agent"] for cell in cells)
        if label not in (GREEDY, "oracle")
    ]
    tastes, effects = dial_values(cells)
    columns = 4
    axes = figure.subplots(-(-len(labels) // columns), columns, squeeze=False)
    for place, ax in enumerate(axes.flat):
        if place >= len(labels):
            ax.set_axis_off()
            continue
        mean, sign = gains(cells, labels[place], GREEDY)
        ax.imshow(mean, cmap="RdBu", vmin=-2.5, vmax=2.5, aspect="auto", origin="lower")
        for row, column in np.ndindex(mean.shape):
            told = (
                f"{mean[row, column]:+.1f}"
                if sign[row, column]
                else f"({mean[row, column]:+.1f})"
            )
            dark = abs(mean[row, column]) > 1.5
            ax.text(
                column,
                row,
                told,
                ha="center",
                va="center",
                color="white" if dark else "black",
                fontsize=9,
            )
        ax.set_xticks(range(len(effects)), [f"{one:g}" for one in effects])
        ax.set_yticks(range(len(tastes)), [f"{one:g}" for one in tastes])
        ax.set_title(labels[place])
        ax.grid(False)
        if place % columns == 0:
            ax.set_ylabel("taste strength")
        if place + columns >= len(labels):
            ax.set_xlabel("long-term effect")
    figure.suptitle(
        "songs heard in a session, more or less than greedy (in brackets: cannot be told)",
        fontsize=11,
    )


def lucky_seeds() -> tuple[Floats, Floats]:
    """Two invented agents of ten seeds each: A steady near 9.0; B lower, but with one very good seed."""
    steady = np.array([8.8, 8.9, 8.9, 9.0, 9.0, 9.0, 9.1, 9.1, 9.2, 9.2])
    lucky = np.array([7.2, 7.6, 8.0, 8.2, 8.4, 8.6, 8.7, 8.9, 9.1, 10.4])
    return steady, lucky


def draw_lucky(figure: Figure) -> None:
    """What the advertisement shows, and what all ten seeds show."""
    left, right = figure.subplots(1, 2, width_ratios=(1, 2))
    steady, lucky = lucky_seeds()
    left.bar(["A", "B"], [steady.max(), lucky.max()], color=PALETTE[:2], width=0.6)
    left.set(
        ylim=(7, 11),
        ylabel="songs heard in a session",
        title="the advertisement:\nthe best seed of each",
    )
    for row, values in enumerate((steady, lucky)):
        middle = float(interquartile_mean(values))
        right.plot(values, np.full(10, row), "o", color=PALETTE[row], ms=8, alpha=0.7)
        right.plot([middle] * 2, [row - 0.25, row + 0.25], color="black", lw=3)
        right.text(middle, row + 0.3, f"{middle:.2f}", ha="center", va="bottom")
    right.set_yticks([0, 1], ["A", "B"])
    right.set(
        xlim=(7, 11),
        ylim=(-0.5, 1.7),
        title="all ten seeds; bar: the middle half's mean",
    )
    right.set_xlabel("songs heard in a session")


# -- the widget ------------------------------------------------------------------------------------------
class Setting(NamedTuple):
    """One setting of the dials, seen with so many seeds."""

    means: dict[str, Floats]
    agent: str
    rival: str
    told: str


def look(
    cells: Sequence[Cell], seeds: int, taste: float, effect: float, agent: str
) -> Setting:
    """The figures of the first ``seeds`` seeds of a world, and the verdict on one agent, put on trial."""
    mine = [cell for cell in one_world(cells, taste, effect) if cell["seed"] < seeds]
    return Setting(
        by_agent(mine), agent, str(strongest(mine, but=agent)), judge_contestant(mine, agent)
    )


def draw_setting(figure: Figure, found: Setting) -> None:
    """Levels of all; the scale stays."""
    ax = figure.subplots()
    draw_levels(ax, found.means)
    ax.set_xlim(4.5, 15.5)
    for label in ax.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == found.agent else "normal")


def contest_lab(cells: Sequence[Cell]) -> Lab[Setting]:
    """Seeds, taste, effect and which learner is on trial, over a stored study; the verdict below."""
    tastes, effects = dial_values(cells)
    last = max(cell["seed"] for cell in cells) + 1
    on_trial = list(dict.fromkeys(cell["agent"] for cell in cells if cell["learns"]))
    controls = {
        "seeds": slider("seeds", last, 2, last, 1),
        "taste": choice("taste strength", tastes, tastes[len(tastes) // 2]),
        "effect": choice("long-term effect", effects, effects[0]),
        "agent": choice(
            "on trial", on_trial, "LinUCB" if "LinUCB" in on_trial else on_trial[0]
        ),
    }
    return Lab(
        "The two dials",
        controls,
        lambda **values: look(cells, **values),
        draw_setting,
        lambda found: f"{found.agent}: <b>{found.told}</b>",
        (8.0, 4.4),
    )


FIGURES = {
    "15_two_dials.png": (draw_two_dials, (13.0, 7.0)),
    "15_lucky_seed.png": (draw_lucky, (9.5, 3.2)),
}
