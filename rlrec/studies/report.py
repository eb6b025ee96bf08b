"""A study as text: a table for each world, a verdict for each agent on trial."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rlrec.evaluation.intervals import (
    mean_interval,
    paired_p_value,
    probability_of_improvement,
    stratified_interval,
)
from rlrec.evaluation.verdict import Rival, collapse_alarm, verdict
from rlrec.studies.study import Cell
from rlrec.types import Floats

# Kinds that the agents on trial are compared with.
BASELINES = (
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
# Kinds of which the verdict says "RL pays", unless the agent does not look ahead; of
# all others it says "it pays".
LEARN_BY_RL = ("qlearning", "dqn", "ddpg", "ppo", "nstep")
COLUMNS = {
    "IQM of songs heard": 22,
    "P(beats)": 10,
    "first like": 12,
    "coverage": 10,
    "overlap": 9,
    "training": 10,
}


def study_table(cells: Sequence[Cell]) -> list[str]:
    """The tables and verdicts of all worlds as lines."""
    lines = []
    for world in worlds(cells):
        lines += _one_world([cell for cell in cells if cell["world"] == world])
    return lines


def worlds(cells: Sequence[Cell]) -> list[dict[str, float]]:
    """The different worlds, in the order of the cells."""
    found: list[dict[str, float]] = []
    for cell in cells:
        if cell["world"] not in found:
            found.append(cell["world"])
    return found


def by_agent(cells: Sequence[Cell], name: str = "mean") -> dict[str, Floats]:
    """A figure of one world's cells by label, in the order of the seeds: [seeds] each.

    ``name``: the figure's key in a cell.
    """
    found: dict[str, list[float]] = {label: [] for label in _kinds(cells)}
    for cell in sorted(cells, key=lambda cell: cell["seed"]):
        found[cell["agent"]].append(cell[name])
    return {label: np.array(values) for label, values in found.items()}


def strongest(cells: Sequence[Cell], but: str = "") -> str | None:
    """The label of the baseline with the highest mean in one world; None without one.

    ``but``: a label on trial, which is no baseline whatever its kind. The means are
    those that the verdict compares.
    """
    kinds = _kinds(cells)
    means = by_agent(cells)
    known = [label for label in means if kinds[label] in BASELINES and label != but]
    return max(known, key=lambda label: means[label].mean(), default=None)


def _kinds(cells: Sequence[Cell]) -> dict[str, str]:
    """Label -> kind, in the order of the cells."""
    return {cell["agent"]: cell["kind"] for cell in cells}


def judge_contestant(cells: Sequence[Cell], label: str) -> str:
    """The verdict on one agent in one world, against the strongest other baseline.

    And against its twins, if any took part: those whose labels begin with its own and a
    comma, and who do not look ahead. Differences are paired by seed.
    """
    best = strongest(cells, but=label)
    if best is None:
        return "undecided: no baseline took part"
    means = by_agent(cells)
    gain = means[label] - means[best]
    p_value = paired_p_value(gain, rng=np.random.default_rng(0))
    name = f"{best}, the strongest baseline"
    rivals = [Rival(name, mean_interval(gain), means[best].mean())]
    for twin in means:
        if twin.startswith(f"{label}, ") and not _plans(cells, twin):
            gain = means[label] - means[twin]
            rivals.append(Rival(f"its twin {twin}", mean_interval(gain)))
    subject = "RL" if _plans(cells, label) else "it"
    return verdict(
        rivals,
        seeds=len(gain),
        over="seeds, each with listeners of its own",
        p_value=p_value,
        subject=subject,
    )


def _plans(cells: Sequence[Cell], label: str) -> bool:
    """Whether an agent is paid for what comes after the next song, too."""
    one = next(cell for cell in cells if cell["agent"] == label)
    settings = one.get("settings", {})
    ahead = settings.get("discount", 1.0) > 0.0 and settings.get("n", 2) > 1
    return one["kind"] in LEARN_BY_RL and ahead


def alarm(cells: Sequence[Cell], label: str) -> str:
    """The collapse alarm for one agent in one world.

    Empty if random or popularity did not take part.
    """
    labels = {kind: label for label, kind in _kinds(cells).items()}
    if not {"random", "popularity"} <= labels.keys():
        return ""
    overlap = by_agent(cells, "overlap")
    return collapse_alarm(
        overlap[label].mean(),
        of_popularity=overlap[labels["popularity"]].mean(),
        of_random=overlap[labels["random"]].mean(),
    )


def _one_world(cells: Sequence[Cell]) -> list[str]:
    first = cells[0]
    dials = []
    for name, value in first["world"].items():
        dials.append(f"{name.replace('_', ' ')} {value:g}")
    seeds = len({cell["seed"] for cell in cells})
    header = "".join(f"{name:>{width}}" for name, width in COLUMNS.items())
    lines = [
        f"{', '.join(dials)}; {first['steps']:,} songs to learn from, "
        f"{seeds} seeds of {first['listeners']:,} listeners",
        " " * 26 + header,
    ]
    means = by_agent(cells)
    best = strongest(cells)
    order = sorted(means, key=lambda label: -means[label].mean())
    for label in order:
        lines.append(_row(cells, label, means[label], means.get(best or "")))
    lines.append(
        "IQM: interquartile mean over seeds, 95% bootstrap interval; "
        f"P(beats): a seed beats one of {best}"
    )
    kinds = _kinds(cells)
    for label in order:
        if kinds[label] not in (*BASELINES, "oracle"):
            lines.append(f"{label}: {judge_contestant(cells, label)}")
            warning = alarm(cells, label)
            if warning:
                lines.append(f"  {warning}")
    return lines


def _row(cells: Sequence[Cell], label: str, values: Floats, best: Floats | None) -> str:
    found = stratified_interval(values[:, None], rng=np.random.default_rng(0))
    level = f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"
    beats = ""
    if best is not None:
        beats = f"{probability_of_improvement(values[:, None], best[:, None]):.2f}"

    def mean(name: str) -> float:
        return float(by_agent(cells, name)[label].mean())

    training = mean("training_seconds")
    took = f"{training:.0f} s" if training >= 0.5 else ""
    return (
        f"{label:<26}{level:>22}{beats:>10}{mean('first_like'):>12.1f}"
        f"{mean('coverage'):>10.2f}{mean('overlap'):>9.3f}{took:>10}"
    )
