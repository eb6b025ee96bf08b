"""Figures of runs and baselines: means, paired differences, and whether RL pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlrec.evaluation.intervals import Interval, crossed_interval, mean_interval
from rlrec.evaluation.verdict import Rival, verdict
from rlrec.types import Floats

Intervals = dict[str, Interval]

COLUMNS = tuple("P@5 R@5 NDCG@5 P@10 R@10 NDCG@10 coverage@10 overlap@10".split())
DECIDES = "P@5"  # the column that picks the strongest baseline, and the verdict
K = 10
# the models of a table that are no baselines: the agent, its parts, the upper bound
VECTORS = "item vectors alone"
WARM = "after the warm start"
AGENT = "after RL"
ORACLE = "oracle"


@dataclass(frozen=True, eq=False)
class RunFigures:
    """The figures of one run: the agent, its parts, the baselines and the oracle.

    stored: the run's config.json. means: model -> column -> mean over users. of_users:
    model -> ``DECIDES`` of each user [n]. settings: those of the baselines.
    """

    folder: Path
    stored: dict[str, Any]
    step: int
    means: dict[str, dict[str, float]]
    of_users: dict[str, Floats]
    settings: dict[str, dict[str, Any]]

    @property
    def baselines(self) -> list[str]:
        """The models that are neither the agent, nor part of it, nor the oracle."""
        others = (VECTORS, WARM, AGENT, ORACLE)
        return [name for name in self.means if name not in others]

    @property
    def parts(self) -> list[str]:
        """The agent's parts without RL."""
        return [name for name in (VECTORS, WARM) if name in self.means]


@dataclass(frozen=True)
class Difference:
    """The agent's P@5 less another model's, paired.

    Seeds show how much a training varies; only users show that other people might have
    been evaluated. ``interval`` is over what ``over`` names: users for
    one run, of both for several.
    """

    other: str
    kind: str  # "baseline" or "part"
    interval: Interval
    of_runs: tuple[float, ...]
    over: str


def summarise_runs(measured: Sequence[RunFigures]) -> dict[str, Intervals]:
    """Each model's mean and interval by column, over runs (Student's t).

    For one run the figures themselves, as an interval without width.
    """
    table: dict[str, Intervals] = {}
    for name in measured[0].means:
        table[name] = {}
        for column in COLUMNS:
            values = [one.means[name][column] for one in measured]
            table[name][column] = _over_runs(values)
    return table


def _over_runs(values: Sequence[float]) -> Interval:
    if len(values) == 1:
        return Interval(values[0], values[0], values[0])
    return mean_interval(values)


def compare_runs(measured: Sequence[RunFigures]) -> list[Difference]:
    """The agent less the strongest baseline, then less its parts, the strongest first.

    The strongest is picked by the figures that are compared, which favours it over the
    agent.
    """

    def strength(name: str) -> float:
        figures = [one.means[name][DECIDES] for one in measured]
        return float(np.mean(figures))

    best = max(measured[0].baselines, key=strength)
    parts = sorted(measured[0].parts, key=strength, reverse=True)
    found = [_difference(measured, part, "part") for part in parts]
    return [_difference(measured, best, "baseline"), *found]


def _difference(
    measured: Sequence[RunFigures],
    name: str,
    kind: str,
) -> Difference:
    gains = [one.of_users[AGENT] - one.of_users[name] for one in measured]
    means = [float(values.mean()) for values in gains]
    over = "seeds and users"
    if len(measured) == 1:
        over = "users"
        interval = mean_interval(gains[0])
    elif all(one.stored["split"] == "time" for one in measured):
        interval = crossed_interval(gains)
    else:  # each seed has users of its own, so its mean varies with them, too
        interval = mean_interval(means)
    return Difference(name, kind, interval, tuple(means), over)


def judge_runs(differences: Sequence[Difference]) -> str:
    """The verdict on the first two differences that `compare_runs` returns.

    RL pays if the agent beats the strongest baseline and the best of its own parts
    without RL.
    """
    rivals = [Rival(one.other, one.interval) for one in differences[:2]]
    first = differences[0]
    return verdict(
        rivals,
        seeds=len(first.of_runs),
        over=first.over,
        unit=f" {DECIDES}",
        digits=3,
    )
