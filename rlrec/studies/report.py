"""A study's cells as a table for each world, one verdict for each agent on trial, and the collapse alarm beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlrec.evaluation.intervals import (
    mean_interval,
    paired_p_value,
    probability_of_improvement,
    stratified_interval,
)
from rlrec.evaluation.verdict import Rival, collapse_alarm, verdict
from rlrec.types import Floats

Cell = dict[str, Any]
BASELINES = (  # kinds
    "random",
    "popularity",
    "constant",
    "greedy",
    "rule",
    "linucb",
    "item-knn",
    "ease",
    "biases-ease",
    "mf",
)
LEARN_BY_RL = (
    "qlearning",
    "dqn",
    "ddpg",
    "ppo",
)  # kinds; of all others the verdict says "it"
COLUMNS = {
    "IQM of songs heard": 22,
    "P(beats)": 10,
    "first like": 12,
    "coverage": 10,
    "overlap": 9,
    "training": 10,
}


def text(cells: Sequence[Cell]) -> list[str]:
    """The tables and verdicts of all worlds as lines."""
    return [
        line
        for world in worlds(cells)
        for line in _one_world([one for one in cells if one["world"] == world])
    ]


def worlds(cells: Sequence[Cell]) -> list[dict[str, float]]:
    """The different worlds, in the order of the cells."""
    found: list[dict[str, float]] = []
    for cell in cells:
        if cell["world"] not in found:
            found.append(cell["world"])
    return found


def by_agent(cells: Sequence[Cell], name: str = "mean") -> dict[str, Floats]:
    """A figure of one world's cells by label, in the order of the seeds: [seeds] each."""
    found: dict[str, dict[int, float]] = {}
    for cell in cells:
        found.setdefault(cell["agent"], {})[cell["seed"]] = cell[name]
    return {
        label: np.array([values[seed] for seed in sorted(values)])
        for label, values in found.items()
    }


def strongest(cells: Sequence[Cell], but: str = "") -> str | None:
    """The baseline with the highest mean in one world, by the very figures that are compared; None without one.

    ``but``: a label that is on trial, and so no baseline, whatever its kind.
    """
    kinds = {cell["agent"]: cell["kind"] for cell in cells if cell["agent"] != but}
    means = {
        label: of.mean()
        for label, of in by_agent(cells).items()
        if kinds.get(label) in BASELINES
    }
    return max(means, key=lambda label: means[label]) if means else None


def judge(cells: Sequence[Cell], label: str) -> str:
    """The verdict on one agent in one world, against the strongest other baseline, paired by seed. [of one world]"""
    means, best = by_agent(cells), strongest(cells, but=label)
    if best is None:
        return "cannot be told yet: no baseline took part"
    gain = means[label] - means[best]
    chance = paired_p_value(gain, rng=np.random.default_rng(0))
    rival = Rival(
        f"{best}, the strongest baseline", mean_interval(gain), means[best].mean()
    )
    kind = next(cell["kind"] for cell in cells if cell["agent"] == label)
    return verdict(
        [rival], chance=chance, subject="RL" if kind in LEARN_BY_RL else "it"
    )


def alarm(cells: Sequence[Cell], label: str) -> str:
    """The collapse alarm for one agent in one world; silent if random or popularity did not take part."""
    kinds = {cell["kind"]: cell["agent"] for cell in cells}
    if not {"random", "popularity"} <= kinds.keys():
        return ""
    overlap = {name: of.mean() for name, of in by_agent(cells, "overlap").items()}
    return collapse_alarm(
        overlap[label],
        of_popularity=overlap[kinds["popularity"]],
        of_random=overlap[kinds["random"]],
    )


def _one_world(cells: Sequence[Cell]) -> list[str]:
    first, means, best = cells[0], by_agent(cells), strongest(cells)
    dials = ", ".join(
        f"{name.replace('_', ' ')} {value:g}" for name, value in first["world"].items()
    )
    seeds = len({cell["seed"] for cell in cells})
    lines = [
        f"{dials}; {first['steps']:,} songs to learn from, {seeds} seeds of {first['listeners']:,} listeners"
    ]
    lines.append(
        " " * 26 + "".join(f"{name:>{width}}" for name, width in COLUMNS.items())
    )
    order = sorted(means, key=lambda label: -means[label].mean())
    lines += [
        _row(cells, label, means[label], means.get(best or "")) for label in order
    ]
    lines.append(
        "IQM: interquartile mean over seeds, 95% bootstrap interval; P(beats): a seed beats one of "
        + str(best)
    )
    kinds = {cell["agent"]: cell["kind"] for cell in cells}
    for label in order:
        if kinds[label] not in (*BASELINES, "oracle"):
            lines += [
                f"{label}: {judge(cells, label)}",
                *([f"  {told}"] if (told := alarm(cells, label)) else []),
            ]
    return lines


def _row(cells: Sequence[Cell], label: str, values: Floats, best: Floats | None) -> str:
    found = stratified_interval(values[:, None], rng=np.random.default_rng(0))
    beats = (
        ""
        if best is None
        else f"{probability_of_improvement(values[:, None], best[:, None]):.2f}"
    )
    like, coverage, overlap, training = (
        by_agent(cells, name)[label].mean()
        for name in ("first_like", "coverage", "overlap", "training_seconds")
    )
    level = f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"
    took = f"{training:.0f} s" if training >= 0.5 else ""
    return f"{label:<26}{level:>22}{beats:>10}{like:>12.1f}{coverage:>10.2f}{overlap:>9.3f}{took:>10}"
