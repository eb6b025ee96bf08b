"""Lesson 15, the contest: stored studies, the two dials as a map, a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from course_results import FOLDER, commit_of, read_result
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rlrec.evaluation.intervals import (
    Interval,
    interquartile_mean,
    mean_interval,
    stratified_interval,
)
from rlrec.studies.report import by_agent, judge_contestant, strongest, worlds
from rlrec.studies.study import Cell
from rlrec.types import Floats
from rlrec.viz.plots import mean_band
from rlrec.viz.style import AGENT_COLOURS, PALETTE, Style
from rlrec.viz.widgets import Lab, choice, slider

GREEDY = "greedy one step"
RULE = "greedy + variety (a rule)"
COLOURS = {
    GREEDY: AGENT_COLOURS["greedy"],
    RULE: "#7B3294",
    "LinUCB": "#0072B2",
    "Q-learning": "#56B4E9",
    "random": AGENT_COLOURS["random"],
    "popularity": AGENT_COLOURS["popularity"],
    "oracle": AGENT_COLOURS["oracle"],
}


# -- stored studies
def stored(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """A study that ``rlrec study ... --json`` wrote. Raises ``DataError``."""
    result = f"lessons/results/{name}"
    how = f"rlrec study {result}.toml --out runs/{name} --json {result}.json"
    return read_result(name, how, folder)


def provenance(found: Mapping[str, Any]) -> str:
    """Where a stored study comes from, on two lines."""
    minutes = f"{found['seconds'] / 60:.0f} minutes on {found['device']}"
    made = f"  stored: made in {minutes}, commit {commit_of(found)}"
    return f"{made}\n  {found['command']}"


def one_world(cells: Sequence[Cell], taste: float, effect: float) -> list[Cell]:
    """The cells of one setting of the two dials."""
    dials = {"taste_strength": taste, "long_term_effect": effect}
    return [cell for cell in cells if dials.items() <= cell["world"].items()]


def dial_values(cells: Sequence[Cell]) -> tuple[list[float], list[float]]:
    """The values of taste strength and of long-term effect, each ascending."""
    found = worlds(cells)
    tastes = sorted({one["taste_strength"] for one in found})
    effects = sorted({one["long_term_effect"] for one in found})
    return tastes, effects


def gains(cells: Sequence[Cell], label: str, over: str) -> tuple[Floats, Floats]:
    """How many more songs ``label`` is heard than ``over``, paired by seed.

    Returns mean and sign [tastes, effects]. The sign is 1 or -1 where the 95% interval
    (Student's t) lies on one side of 0, else 0.
    """
    tastes, effects = dial_values(cells)
    mean = np.zeros((len(tastes), len(effects)))
    sign = np.zeros(mean.shape)
    for at in np.ndindex(mean.shape):
        means = by_agent(one_world(cells, tastes[at[0]], effects[at[1]]))
        gain = mean_interval(means[label] - means[over])
        mean[at] = gain.mean
        sign[at] = int(gain.low > 0) - int(gain.high < 0)
    return mean, sign


# -- drawing
def colour(label: str) -> str:
    """The colour of a contestant; grey for one without its own."""
    if label in COLOURS:
        return COLOURS[label]
    for name, known in AGENT_COLOURS.items():
        if label.lower().startswith(name):
            return known
    return "#5F5F5F"


def draw_levels(ax: Axes, means: Mapping[str, Floats]) -> None:
    """Each seed a dot, the interquartile mean a bar with its 95% interval, best on top.

    ``means``: label -> [seeds].
    """
    order = sorted(means, key=lambda label: float(interquartile_mean(means[label])))
    for row, label in enumerate(order):
        values = means[label]
        found = stratified_interval(values[:, None], rng=np.random.default_rng(0))
        wide: Style = {"color": colour(label), "lw": 8, "alpha": 0.35}
        ends = [found.low, found.high]
        ax.plot(ends, [row, row], solid_capstyle="butt", **wide)
        ax.plot([found.mean] * 2, [row - 0.3, row + 0.3], color=colour(label), lw=3)
        ax.plot(values, np.full(len(values), row), ".", color="black", ms=4)
    ax.set_yticks(range(len(order)), order)
    ax.set(xlabel="songs heard in a session", ylim=(-0.7, len(order) - 0.3))


def draw_profiles(ax: Axes, means: Mapping[str, Floats], thresholds: Floats) -> None:
    """The share of seeds above each threshold, with its 95% band."""
    for label, values in means.items():
        band = [_share_above(values, threshold) for threshold in thresholds]
        share = [ends.mean for ends in band]
        low = [ends.low for ends in band]
        high = [ends.high for ends in band]
        ax.plot(thresholds, share, color=colour(label), label=label)
        ax.fill_between(thresholds, low, high, color=colour(label), alpha=0.15, lw=0)
    ax.set(xlabel="songs heard in a session: more than", ylabel="share of seeds")
    ax.set_ylim(-0.03, 1.03)
    ax.legend(frameon=False, fontsize=8)


def _share_above(values: Floats, threshold: float) -> Interval:
    """The share of ``values`` [seeds] above a threshold, with its 95% band."""
    above = (values[:, None] > threshold).astype(np.float64)
    rng = np.random.default_rng(0)
    return stratified_interval(above, np.mean, rng=rng, resamples=1_000)


def draw_cold_start(ax: Axes, cells: Sequence[Cell], labels: Sequence[str]) -> None:
    """Songs heard after so many songs of practice: mean and 95% interval over seeds.

    A flat dashed line never practised.
    """
    points = sorted({point[0] for cell in cells for point in cell["curve"]})
    for label in labels:
        curves = [cell["curve"] for cell in cells if cell["agent"] == label]
        table = np.array(curves, np.float64)  # [seeds, points, (songs, heard)]
        songs = table[0, :, 0]
        heard = table[:, :, 1]
        style: Style = {"colour": colour(label), "label": label, "ls": "-"}
        if len(songs) == 1:
            songs = np.array([points[0], cells[0]["steps"]])
            heard = np.repeat(heard, 2, axis=1)
            style["ls"] = "--"
        mean_band(ax, songs, heard, alpha=0.15, **style)
    ax.set(xscale="log", xlabel="songs played to learn from")
    ax.set_ylabel("songs heard in a session")
    ax.set_xticks(points, [f"{one:,}" for one in points])
    ax.minorticks_off()
    ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def draw_two_dials(figure: Figure, found: Mapping[str, Any] | None = None) -> None:
    """For each contestant a map over taste and effect: songs more than greedy.

    In brackets where the 95% interval holds 0.
    """
    cells = (stored("dials") if found is None else found)["cells"]
    agents = dict.fromkeys(cell["agent"] for cell in cells)
    labels = [label for label in agents if label not in (GREEDY, "oracle")]
    columns = 4
    axes = figure.subplots(-(-len(labels) // columns), columns, squeeze=False)
    for place, ax in enumerate(axes.flat):
        if place >= len(labels):
            ax.set_axis_off()
            continue
        _draw_gains(ax, cells, labels[place])
        if place % columns == 0:
            ax.set_ylabel("taste strength")
        if place + columns >= len(labels):
            ax.set_xlabel("long-term effect")
    title = "songs heard in a session, more or less than greedy "
    figure.suptitle(title + "(in brackets: undecided)", fontsize=11)


def _draw_gains(ax: Axes, cells: Sequence[Cell], label: str) -> None:
    """The map of one contestant."""
    tastes, effects = dial_values(cells)
    mean, sign = gains(cells, label, GREEDY)
    ax.imshow(mean, cmap="RdBu", vmin=-2.5, vmax=2.5, aspect="auto", origin="lower")
    for row, column in np.ndindex(mean.shape):
        gain = mean[row, column]
        words = f"{gain:+.1f}" if sign[row, column] else f"({gain:+.1f})"
        ink: Style = {"color": "white" if abs(gain) > 1.5 else "black", "fontsize": 9}
        ax.text(column, row, words, ha="center", va="center", **ink)
    ax.set_xticks(range(len(effects)), [f"{one:g}" for one in effects])
    ax.set_yticks(range(len(tastes)), [f"{one:g}" for one in tastes])
    ax.set_title(label)
    ax.grid(False)


# Two invented agents of ten seeds each: A steady near 9.0; B lower, with one good seed.
STEADY = np.array([8.8, 8.9, 8.9, 9.0, 9.0, 9.0, 9.1, 9.1, 9.2, 9.2])
LUCKY = np.array([7.2, 7.6, 8.0, 8.2, 8.4, 8.6, 8.7, 8.9, 9.1, 10.4])


def draw_lucky(figure: Figure) -> None:
    """Left the best seed of each agent, as advertised, right all ten seeds."""
    left, right = figure.subplots(1, 2, width_ratios=(1, 2))
    best = [STEADY.max(), LUCKY.max()]
    left.bar(["A", "B"], best, color=PALETTE[:2], width=0.6)
    left.set(ylim=(7, 11), ylabel="songs heard in a session")
    left.set_title("the advertisement:\nthe best seed of each")
    for row, values in enumerate((STEADY, LUCKY)):
        middle = float(interquartile_mean(values))
        right.plot(values, np.full(10, row), "o", color=PALETTE[row], ms=8, alpha=0.7)
        right.plot([middle] * 2, [row - 0.25, row + 0.25], color="black", lw=3)
        right.text(middle, row + 0.3, f"{middle:.2f}", ha="center", va="bottom")
    right.set_yticks([0, 1], ["A", "B"])
    right.set(xlim=(7, 11), ylim=(-0.5, 1.7))
    right.set_title("all ten seeds; bar: the middle half's mean")
    right.set_xlabel("songs heard in a session")


# -- the widget
class Setting(NamedTuple):
    """One setting of the dials, seen with so many seeds."""

    means: dict[str, Floats]  # label -> [seeds]
    agent: str
    rival: str
    verdict: str


def look(
    cells: Sequence[Cell], seeds: int, taste: float, effect: float, agent: str
) -> Setting:
    """Figures of the first ``seeds`` seeds of a world, and a verdict on ``agent``."""
    mine = [cell for cell in one_world(cells, taste, effect) if cell["seed"] < seeds]
    rival = str(strongest(mine, but=agent))
    return Setting(by_agent(mine), agent, rival, judge_contestant(mine, agent))


def draw_setting(figure: Figure, found: Setting) -> None:
    """Levels of all; the scale stays."""
    ax = figure.subplots()
    draw_levels(ax, found.means)
    ax.set_xlim(4.5, 15.5)
    for label in ax.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == found.agent else "normal")


def contest_lab(cells: Sequence[Cell]) -> Lab[Setting]:
    """Seeds, taste, effect and the learner on trial, over a stored study."""
    tastes, effects = dial_values(cells)
    last = max(cell["seed"] for cell in cells) + 1
    on_trial = list(dict.fromkeys(cell["agent"] for cell in cells if cell["learns"]))
    first = "LinUCB" if "LinUCB" in on_trial else on_trial[0]
    controls = {
        "seeds": slider("seeds", last, 2, last, 1),
        "taste": choice("taste strength", tastes, tastes[len(tastes) // 2]),
        "effect": choice("long-term effect", effects, effects[0]),
        "agent": choice("on trial", on_trial, first),
    }
    return Lab(
        "The two dials",
        controls,
        lambda **values: look(cells, **values),
        draw_setting,
        lambda found: f"{found.agent}: <b>{found.verdict}</b>",
        (8.0, 4.4),
    )


FIGURES = {
    "15_two_dials.png": (draw_two_dials, (13.0, 7.0)),
    "15_lucky_seed.png": (draw_lucky, (9.5, 3.2)),
}
