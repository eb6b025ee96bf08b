"""Lesson 15, the contest: stored studies, maps of differences, the two dials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import seaborn as sns
from course_results import FOLDER, commit_of, read_result
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rlrec.evaluation.intervals import (
    interquartile_mean,
    mean_interval,
    stratified_interval,
)
from rlrec.studies.report import by_agent, judge_contestant, worlds
from rlrec.studies.study import Cell, cells_frame
from rlrec.types import Floats
from rlrec.viz.style import AGENT_COLOURS, PALETTE
from rlrec.viz.widgets import Lab, choice, slider

RULE = "greedy + variety (a rule)"
COLOURS = {
    "greedy one step": AGENT_COLOURS["greedy"],
    RULE: "#7B3294",
    "LinUCB": "#0072B2",
    "Q-learning": "#56B4E9",
    "n-step": "#0072B2",
}
DIALS = ["taste_strength", "long_term_effect"]


# -- stored studies
def stored(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """A study that ``rlrec study ... --json`` wrote. Raises ``DataError``."""
    result = f"lessons/results/{name}"
    how = f"rlrec study {result}.toml --out runs/{name} --json {result}.json"
    return read_result(name, how, folder)


def provenance(found: Mapping[str, Any]) -> str:
    """Where a stored study comes from, on two lines."""
    cells = [*found["cells"], *found["tries"]]  # of all runs of the command
    minutes = sum(cell["seconds"] for cell in cells) / 60
    made = f"  stored: cells of {minutes:.0f} minutes, on {found['device']}, "
    made += f"commit {commit_of(found)}"
    return f"{made}\n  {found['command']}"


def colours(labels: Sequence[str]) -> dict[str, str]:
    """The colour of each contestant; grey for one without its own."""
    found = {}
    for label in labels:
        known = {**AGENT_COLOURS, "n-step, n = 1": "#8C8C8C", **COLOURS}
        first = [known[name] for name in known if label.lower().startswith(name)]
        found[label] = COLOURS.get(label, [*first, "#5F5F5F"][0])
    return found


def bootstrap_ends(values: Any) -> tuple[float, float]:
    """The 95% bootstrap interval of the interquartile mean of ``values`` [seeds]."""
    table = np.asarray(values)[:, None]
    found = stratified_interval(table, rng=np.random.default_rng(0))
    return found.low, found.high


def draw_levels(ax: Axes, frame: pd.DataFrame) -> None:
    """Each seed a dot, the interquartile mean a bar with its 95% interval, best on top.

    ``frame``: a row an agent and seed, with ``mean``.
    """
    middles = frame.groupby("agent")["mean"].agg(interquartile_mean)
    order = list(middles.sort_values(ascending=False).index)
    dots = {"color": "k", "size": 3, "jitter": False}  # jitter is drawn anew each time
    sns.stripplot(frame, x="mean", y="agent", order=order, ax=ax, **dots)
    sns.pointplot(
        frame,
        x="mean",
        y="agent",
        hue="agent",
        order=order,
        palette=colours(order),
        estimator=interquartile_mean,
        errorbar=bootstrap_ends,
        linestyle="none",
        marker="|",
        markersize=14,
        ax=ax,
    )
    ax.set(xlabel="songs heard in a session", ylabel="")


def gains(frame: pd.DataFrame, label: str, over: str) -> pd.DataFrame:
    """How many more songs ``label`` is heard than ``over``, paired by seed.

    A row a world: mean, low and high (95%, Student's t), and what a map shows.
    """
    heard = frame.pivot(index=[*DIALS, "seed"], columns="agent", values="mean")
    by_world: Any = (heard[label] - heard[over]).groupby(level=DIALS)
    rows = []
    for (taste, effect), values in by_world:
        found = mean_interval(values)
        told = found.low > 0.0 or found.high < 0.0
        words = f"{found.mean:+.2f}" if told else f"({found.mean:+.2f})"
        rows.append([taste, effect, *found, words])
    columns = [*DIALS, "mean", "low", "high", "words"]
    return pd.DataFrame(rows, columns=columns)


def draw_map(ax: Axes, gain: pd.DataFrame, title: str, limit: float = 3.0) -> None:
    """A heat map over both dials of what ``gains`` gives; in brackets: undecided."""
    table = gain.pivot(index=DIALS[0], columns=DIALS[1])
    sns.heatmap(
        table["mean"],
        annot=table["words"],
        fmt="",
        cmap="RdBu",
        center=0.0,
        vmin=-limit,
        vmax=limit,
        cbar=False,
        ax=ax,
    )
    ax.invert_yaxis()
    ax.set(title=title, xlabel="long-term effect", ylabel="taste strength")


def draw_rl_part(figure: Figure, found: Mapping[str, Any] | None = None) -> None:
    """Two maps: paid for three songs less paid for one, and less the tuned rule."""
    frame = cells_frame((stored("dials") if found is None else found)["cells"])
    axes = figure.subplots(1, 2, sharey=True)
    looks = gains(frame, "n-step", "n-step, n = 1")
    draw_map(axes[0], looks, "paid for three songs\nless paid for one: the RL part")
    over = gains(frame, "n-step", RULE)
    draw_map(axes[1], over, "paid for three songs\nless the rule tuned in each world")
    axes[1].set_ylabel("")
    title = "songs heard in a session, more or less (in brackets: undecided)"
    figure.suptitle(title, fontsize=11)


# Two invented agents of ten seeds each: A steady near 9.0; B lower, with one good seed.
STEADY = np.array([8.8, 8.9, 8.9, 9.0, 9.0, 9.0, 9.1, 9.1, 9.2, 9.2])
LUCKY = np.array([7.2, 7.6, 8.0, 8.2, 8.4, 8.6, 8.7, 8.9, 9.1, 10.4])


def draw_lucky(figure: Figure) -> None:
    """Left the best seed of each agent, as advertised, right all ten seeds."""
    left, right = figure.subplots(1, 2, width_ratios=(1, 2))
    seeds = pd.DataFrame({"A": STEADY, "B": LUCKY})
    left.bar(["A", "B"], seeds.max(), color=PALETTE[:2])
    left.set(ylim=(7, 11), ylabel="songs heard in a session")
    left.set_title("the advertisement:\nthe best seed of each")
    sns.stripplot(seeds, orient="h", jitter=False, size=8, alpha=0.7, ax=right)
    for row, values in enumerate((STEADY, LUCKY)):
        middle = float(interquartile_mean(values))
        right.plot(middle, row, "k|", ms=30, mew=3)
        right.annotate(f"{middle:.2f}", (middle, row - 0.45), ha="center")
    right.set(xlim=(7, 11), ylim=(1.5, -0.8), xlabel="songs heard in a session")
    right.set_title("all ten seeds; bar: the middle half's mean")


# -- the widget
class Setting(NamedTuple):
    """One setting of the dials, seen with so many seeds."""

    means: dict[str, Floats]  # label -> [seeds]
    frame: pd.DataFrame
    agent: str
    verdict: str


def look(
    cells: Sequence[Cell], seeds: int, taste: float, effect: float, agent: str
) -> Setting:
    """Figures of the first ``seeds`` seeds of a world, and a verdict on ``agent``."""
    dials = {DIALS[0]: taste, DIALS[1]: effect}
    mine = []
    for cell in cells:
        if dials.items() <= cell["world"].items() and cell["seed"] < seeds:
            mine.append(cell)
    verdict = judge_contestant(mine, agent)
    return Setting(by_agent(mine), cells_frame(mine), agent, verdict)


def draw_setting(figure: Figure, found: Setting) -> None:
    """Levels of all; the scale stays."""
    ax = figure.subplots()
    draw_levels(ax, found.frame)
    ax.set_xlim(4.5, 15.5)
    for label in ax.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == found.agent else "normal")


def contest_lab(cells: Sequence[Cell]) -> Lab[Setting]:
    """Seeds, taste, effect and the learner on trial, over a stored study."""
    found = worlds(cells)
    tastes = sorted({one[DIALS[0]] for one in found})
    effects = sorted({one[DIALS[1]] for one in found})
    last = max(cell["seed"] for cell in cells) + 1
    on_trial = list(dict.fromkeys(cell["agent"] for cell in cells if cell["learns"]))
    controls = {
        "seeds": slider("seeds", last, 2, last, 1),
        "taste": choice("taste strength", tastes, tastes[len(tastes) // 2]),
        "effect": choice("long-term effect", effects, effects[0]),
        "agent": choice("on trial", on_trial, on_trial[0]),
    }
    return Lab(
        "The two dials",
        controls,
        lambda **values: look(cells, **values),
        draw_setting,
        lambda seen: f"{seen.agent}: <b>{seen.verdict}</b>",
        (8.0, 4.8),
    )


FIGURES = {
    "15_rl_part.png": (draw_rl_part, (10.0, 3.6)),
    "15_lucky_seed.png": (draw_lucky, (9.5, 3.2)),
}
