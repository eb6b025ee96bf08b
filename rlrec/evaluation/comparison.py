"""Figures of runs and baselines summed up: means, paired differences, one line that says whether RL pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlrec.evaluation.intervals import Interval, mean_interval
from rlrec.evaluation.verdict import Rival, verdict
from rlrec.types import Floats

Intervals = dict[str, Interval]

MEASURES = ("P", "R", "NDCG")
COLUMNS = (
    *(f"{name}@{k}" for k in (5, 10) for name in MEASURES),
    "coverage@10",
    "overlap@10",
)
DECIDES = "P@5"  # what the strongest baseline, and the verdict, are about
K = 10
VECTORS, WARM, AGENT, ORACLE = (
    "item vectors alone",
    "after the warm start",
    "after RL",
    "oracle",
)


@dataclass(frozen=True, eq=False)
class Measured:
    """One run's figures: means by model and column; and of ``DECIDES`` those of each user [n], by model."""

    folder: Path
    stored: dict[str, Any]  # its config.json
    step: int
    means: dict[str, dict[str, float]]
    of_users: dict[str, Floats]
    settings: dict[str, dict[str, Any]]  # of the baselines

    @property
    def baselines(self) -> list[str]:
        """The names of the models that are neither the agent, nor part of it, nor the oracle."""
        return [
            name for name in self.means if name not in (VECTORS, WARM, AGENT, ORACLE)
        ]

    @property
    def parts(self) -> list[str]:
        """The names of the agent's parts without RL."""
        return [name for name in self.means if name in (VECTORS, WARM)]


def summarise_runs(measured: Sequence[Measured]) -> dict[str, Intervals]:
    """Each model's figures: over seeds mean and interval (Student's t), for one run the figures themselves."""
    return {
        name: {
            column: _over_runs([one.means[name][column] for one in measured])
            for column in COLUMNS
        }
        for name in measured[0].means
    }


def _over_runs(values: Sequence[float]) -> Interval:
    """Mean and interval of independent runs; of one run the figure alone, three times."""
    return (
        mean_interval(values)
        if len(values) > 1
        else Interval(values[0], values[0], values[0])
    )


@dataclass(frozen=True)
class Difference:
    """The agent's P@5 less another's, paired: over users for one run, over seeds for several.

    Seeds tell how much luck is in a training; that other people might have been asked, only users tell. ``over_users``
    is the interval over the users of several runs that asked the same ones, each user's mean over runs; None otherwise.
    """

    other: str
    kind: str  # "baseline" or "part"
    interval: Interval
    of_runs: tuple[float, ...]
    over_users: Interval | None = None

    def rival(self) -> Rival:
        """For the verdict."""
        return Rival(
            self.other,
            self.interval,
            others=(self.over_users,) if self.over_users else (),
        )


def compare_runs(measured: Sequence[Measured]) -> list[Difference]:
    """The agent against the strongest baseline, then against its parts, the strongest first.

    The strongest is picked by the very figures that are compared, which favours it, not the agent.
    """

    def strength(name: str) -> float:
        return float(np.mean([one.means[name][DECIDES] for one in measured]))

    parts = sorted(measured[0].parts, key=strength, reverse=True)
    others = [
        (max(measured[0].baselines, key=strength), "baseline"),
        *((part, "part") for part in parts),
    ]
    found = []
    for name, kind in others:
        users = [one.of_users[AGENT] - one.of_users[name] for one in measured]
        means = [float(values.mean()) for values in users]
        interval = mean_interval(means if len(measured) > 1 else users[0])
        same = len(measured) > 1 < len(users[0]) and all(
            one.stored["split"] == "time" for one in measured
        )
        over_users = mean_interval(np.mean(users, axis=0)) if same else None
        found.append(Difference(name, kind, interval, tuple(means), over_users))
    return found


def judge_runs(against: Sequence[Difference]) -> str:
    """The verdict: RL pays if the agent beats both the strongest baseline and the best of its own parts without RL."""
    return verdict([one.rival() for one in against[:2]], unit=f" {DECIDES}", digits=3)
