"""DDPG runs compared with their own parts and with tuned baselines; a verdict.

The agent is shown in three parts (its item vectors alone, after its warm start if it
had one, after RL), beside random, popularity, item-kNN, EASE, biases + EASE, matrix
factorisation and PureSVD, all tuned on training ratings, and the oracle. One run gives
an interval over users, which says nothing of another seed; several runs of one
configuration give one over seeds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rlrec.collaborative.recommenders import Collaborative
from rlrec.datasets.matrices import interaction_keys
from rlrec.errors import ConfigError
from rlrec.evaluation.comparison import (
    AGENT,
    COLUMNS,
    DECIDES,
    ORACLE,
    VECTORS,
    WARM,
    Difference,
    Intervals,
    K,
    RunFigures,
    compare_runs,
    judge_runs,
    summarise_runs,
)
from rlrec.evaluation.intervals import Interval
from rlrec.evaluation.protocols import PROTOCOLS, Scorer, Split, oracle
from rlrec.evaluation.tuning import chosen_settings, tuned_baselines, with_seed
from rlrec.evaluation.verdict import signed
from rlrec.runs.ddpg import DDPGRun
from rlrec.runs.provenance import provenance, publish, require_result_path
from rlrec.runs.run import flat, require_comparable
from rlrec.runs.task import Task
from rlrec.types import Floats, Ids, Say

if TYPE_CHECKING:
    from rlrec.collaborative.drr import DRR


def evaluate_ddpg(
    folders: Sequence[Path],
    *,
    protocol: str | None = None,
    split: str | None = None,
    json_path: Path | None = None,
    command: str = "",
    say: Say = print,
) -> None:
    """Print table and verdict of one run, or of several that differ by their seeds.

    protocol, split: None, or what the runs were trained for. Any other split has
    answers in it that the agent was trained on, and raises ``ConfigError``. json_path:
    a file to write all of it to.
    """
    start = time.monotonic()
    require_result_path(json_path)
    runs = [DDPGRun.read(folder) for folder in folders]
    require_comparable(runs)
    for run in runs:
        refuse_other_split(run, protocol, split)
    found = DDPGEvaluation.of(runs, measure_runs(runs))
    content = found.content() | provenance(command, start)
    publish(found.report(), content, json_path, say)


def refuse_other_split(run: DDPGRun, protocol: str | None, split: str | None) -> None:
    """Raise ``ConfigError`` for another split than the run's; it says what leaks."""
    own = run.task
    wanted = replace(own, protocol=protocol or own.protocol, split=split or own.split)
    if wanted.key == own.key:
        return
    ratings, trained = run.load()
    other = wanted.divide(ratings)
    seen = interaction_keys(trained.train)
    answers = interaction_keys(other.held_out)
    outside = np.isin(seen, interaction_keys(other.train), invert=True).sum()
    leaked = np.isin(answers, seen).sum()
    raise ConfigError(
        f"{run.folder} was trained for {own.protocol}, {own.split}: it saw {outside:,} "
        f"interactions that {wanted.protocol}, {wanted.split} keeps away, {leaked:,} "
        f"of the {len(answers):,} answers among them. Train one that did not:\n"
        f"  rlrec train ddpg {wanted.flags} "
        f"--out {run.folder}-{wanted.protocol}-{wanted.split}"
    )


# -- measuring -------------------------------------------------------------------------
def measure_runs(runs: Sequence[DDPGRun]) -> list[RunFigures]:
    """Each run's figures.

    Baselines are tuned once for each split; those that draw random numbers are fitted
    again for each run.
    """
    tuned: dict[Any, tuple[Split, dict[str, Collaborative]]] = {}
    measured = []
    for run in runs:
        task = run.task
        if task.key not in tuned:
            print(
                f"{run.folder}: choosing the baselines' settings on training ratings "
                f"...",
                file=sys.stderr,
            )
            _, split = run.load()
            rng = np.random.default_rng(0)
            baselines = tuned_baselines(
                split,
                task.protocol,
                rng,
                seed=run.seed,
                dimensions=run.drr.dimensions,
            )
            tuned[task.key] = (split, baselines)
        split, baselines = tuned[task.key]
        own = with_seed(baselines, split.train, run.seed)
        measured.append(measure_run(run, split, own))
    return measured


def measure_run(
    run: DDPGRun, split: Split, baselines: dict[str, Collaborative]
) -> RunFigures:
    """One run's figures on ``split``: the agent's parts, the agent, the baselines."""
    from rlrec.collaborative.drr import DRR

    step, checkpoint = run.last_checkpoint()
    agent = DRR.load(checkpoint)
    models: dict[str, Scorer] = {VECTORS: VectorsAlone(agent)}
    if run.drr.start:
        models[WARM] = DRR.load(run.folder / "parts" / "warm_start")
    models |= {AGENT: agent, **baselines, ORACLE: oracle(split)}
    means, of_users = figures(run.task, split, models)
    settings = chosen_settings(baselines)
    return RunFigures(run.folder, run.content(), step, means, of_users, settings)


def figures(
    task: Task, split: Split, models: dict[str, Scorer]
) -> tuple[dict[str, dict[str, float]], dict[str, Floats]]:
    """Means of each model by column, and its ``DECIDES`` of each user [n].

    Raises ``ConfigError`` for a leak.
    """
    means = {}
    of_users = {}
    for name, model in models.items():
        print(f"evaluating {name} ...", file=sys.stderr)
        result = PROTOCOLS[task.protocol](split, model, K)
        found = result.means((5, 10))
        means[name] = {column: found[column] for column in COLUMNS}
        of_users[name] = result.figures(5)[DECIDES]
    return means, of_users


class VectorsAlone:
    """The agent's user and item vectors, multiplied: its scores without an actor."""

    def __init__(self, drr: DRR) -> None:
        self.vectors = drr.vectors
        self.fitted_on = drr.fitted_on

    def __call__(self, users: Ids, known: Any) -> Floats:
        """Scores [users, items]."""
        return np.asarray(self.vectors.users(known) @ self.vectors.items.T)


# -- reporting -------------------------------------------------------------------------
@dataclass(frozen=True)
class DDPGEvaluation:
    """Runs of one configuration, their figures, and what follows from them."""

    runs: list[DDPGRun]
    measured: list[RunFigures]
    table: dict[str, Intervals]  # model -> column -> mean and interval
    differences: list[Difference]  # the first: to the strongest baseline
    verdict: str

    @classmethod
    def of(cls, runs: list[DDPGRun], measured: list[RunFigures]) -> DDPGEvaluation:
        """What follows from ``measured``, the figures of ``runs``."""
        differences = compare_runs(measured)
        table = summarise_runs(measured)
        return cls(runs, measured, table, differences, judge_runs(differences))

    def report(self) -> list[str]:
        """Table, settings of the baselines, differences and verdict as lines."""
        lines = [self._title()]
        for run, one in zip(self.runs, self.measured, strict=True):
            if one.step < run.steps:
                lines.append(
                    f"note: {run.folder} stands at step {one.step:,} of {run.steps:,}; "
                    f"it is not finished"
                )
        several = len(self.runs) > 1
        width = 15 if several else 13
        lines.append(f"{'':<30}" + "".join(f"{name:>{width}}" for name in COLUMNS))
        for name, row in self.table.items():
            cells = [f"{_cell(row[column], several):>{width}}" for column in COLUMNS]
            lines.append(f"{name:<30}" + "".join(cells))
        lines.append("baselines, settings chosen on training ratings alone:")
        for name, settings in self.measured[0].settings.items():
            chosen = [f"{key} {value}" for key, value in flat(settings).items()]
            lines.append(f"  {name}: {', '.join(chosen)}")
        over = self.differences[0].over
        if not several:
            over += ", for this one seed: another may differ by more"
        lines.append(f"{DECIDES}, paired difference and 95% interval over {over}:")
        lines += map(self._difference, self.differences)
        return [*lines, self.verdict]

    def _title(self) -> str:
        first = self.runs[0]
        seeds = ", ".join(str(run.seed) for run in self.runs)
        over = f"seed {seeds}"
        if len(self.runs) > 1:
            over = f"{len(self.runs)} runs, mean and 95% interval over seeds {seeds}"
        return f"{first.data}, {first.protocol}, {first.split}: {over}"

    def _difference(self, less: Difference) -> str:
        what = "the strongest baseline, " if less.kind == "baseline" else ""
        line = f"  {AGENT} - {what}{less.other}: {signed(less.interval)}"
        if len(self.runs) > 1:
            each = ", ".join(f"{value:+.3f}" for value in less.of_runs)
            line += f"; each run {each}"
        return line

    def content(self) -> dict[str, Any]:
        """All of it as JSON holds it."""
        table: dict[str, Any] = {}
        for name, row in self.table.items():
            table[name] = {column: of._asdict() for column, of in row.items()}
        differences = []
        for one in self.differences:
            differences.append(
                {
                    "measure": DECIDES,
                    "other": one.other,
                    "kind": one.kind,
                    **one.interval._asdict(),
                    "of_runs": one.of_runs,
                }
            )
        return {
            "protocol": self.runs[0].protocol,
            "split": self.runs[0].split,
            "table": table,
            "differences": differences,
            "interval": f"over {self.differences[0].over}, Student's t",
            "verdict": self.verdict,
            "runs": list(map(_run_content, self.runs, self.measured)),
        }


def _run_content(run: DDPGRun, measured: RunFigures) -> dict[str, Any]:
    return {
        "folder": str(run.folder),
        "seed": run.seed,
        "step": measured.step,
        "config": run.content(),
        "baselines": measured.settings,
        "figures": measured.means,
    }


def _cell(of: Interval, several: bool) -> str:
    return f"{of.mean:.3f} ±{of.high - of.mean:.3f}" if several else f"{of.mean:.3f}"
