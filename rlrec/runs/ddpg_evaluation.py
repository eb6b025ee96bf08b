"""A trained run held against its own parts and tuned baselines: tables, paired differences, a verdict.

The agent is shown in three parts (its item vectors alone, after its warm start if it had one, after RL), beside random,
popularity, item-kNN, EASE, biases + EASE, matrix factorisation and PureSVD, all tuned on training ratings, and the
oracle. One run gives an interval over users, which says nothing of another seed; several runs of one configuration
give one over seeds.
"""

from __future__ import annotations

from rlrec.types import Floats, Say
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlrec import storage
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
    Measured,
    compare,
    judge,
    summarise,
)
from rlrec.evaluation.protocols import Scorer, Split, oracle
from rlrec.runs.config import Config, last_checkpoint, load_split, read_config, settings_of, task_of
from rlrec.runs.provenance import commit, device, versions
from rlrec.evaluation.intervals import Interval
from rlrec.runs.task import Task
from rlrec.evaluation.tuning import chosen_settings, tuned_baselines, with_seed
from rlrec.evaluation.verdict import signed

if TYPE_CHECKING:
    from rlrec.collaborative.drr import DRR



def evaluate(
    folders: Sequence[Path],
    *,
    protocol: str | None = None,
    split: str | None = None,
    json_path: Path | None = None,
    command: str = "",
    say: Say = print,
) -> None:
    """Print the table and the verdict for one run, or for several of one configuration with different seeds.

    ``protocol``, ``split``: None, or what the runs were trained for: another split has answers in it that the agent
    was trained on, which is refused with ``ConfigError``. ``json_path``: all of it, written whole.
    """
    start = time.monotonic()
    if json_path is not None and json_path.is_dir():
        raise ConfigError(f"{json_path} is a folder; give a file: --json {json_path}/NAME.json")
    stored = [read_config(folder) for folder in folders]
    check_comparable(folders, stored)
    for folder, one in zip(folders, stored, strict=True):
        refuse_other_split(folder, one, protocol, split)
    measured = list(measure_all(folders, stored))
    table = summarise(measured)
    against = compare(measured)
    told = judge(against)
    for line in text(measured, table, against, told):
        say(line)
    if json_path is not None:
        report = as_json(measured, table, against, told, command, time.monotonic() - start)
        storage.write_json(json_path, report)
        say(f"written to {json_path}")


# -- what may be compared --------------------------------------------------------------------------------
def check_comparable(folders: Sequence[Path], stored: Sequence[Config]) -> None:
    """Raise ``ConfigError`` unless all runs have one configuration and different seeds."""
    if not folders:
        raise ConfigError("no run given; name one or more: rlrec evaluate runs/NAME")
    first = stored[0]
    for folder, other in zip(folders[1:], stored[1:], strict=True):
        for name in ("data", "fingerprint", "protocol", "split", "steps", "drr", "ddpg"):
            if other[name] != first[name]:
                raise ConfigError(
                    f"{folder} differs from {folders[0]} in {name}: {_difference(other[name], first[name])}; only runs "
                    f"of one configuration, with different seeds, are put in one table"
                )
    seeds = [one["seed"] for one in stored]
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"seeds {seeds}: a seed comes twice, and the same run twice says nothing more")


def refuse_other_split(folder: Path, stored: Config, protocol: str | None, split: str | None) -> None:
    """Raise ``ConfigError`` if another split is asked for than the run was trained for, saying what would leak."""
    own = task_of(stored)
    asked = Task(own.data, protocol or own.protocol, split or own.split, own.seed)
    if asked.key == own.key:
        return
    ratings, trained = load_split(stored)
    other = asked.divide(ratings)
    seen, allowed, answers = (interaction_keys(part) for part in (trained.train, other.train, other.held_out))
    outside, leaked = int((~np.isin(seen, allowed)).sum()), int(np.isin(answers, seen).sum())
    raise ConfigError(
        f"{folder} was trained for {own.protocol}, {own.split}: it saw {outside:,} interactions that {asked.protocol}, "
        f"{asked.split} keeps away, {leaked:,} of the {len(answers):,} answers among them. Train one that did not:\n"
        f"  rlrec train ddpg {asked.flags} --out {folder}-{asked.protocol}-{asked.split}"
    )


def _difference(one: Any, other: Any) -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        names = [name for name in one if one[name] != other.get(name)]
        return ", ".join(f"{name} {one[name]} and {other.get(name)}" for name in names)
    return f"{one} and {other}"


# -- measuring -------------------------------------------------------------------------------------------
def measure_all(folders: Sequence[Path], stored: Sequence[Config]) -> Iterator[Measured]:
    """Each run's figures; baselines are tuned once a split, and those that draw lots once a run."""
    fitted: dict[tuple[Any, ...], tuple[Split, dict[str, Collaborative]]] = {}
    for folder, one in zip(folders, stored, strict=True):
        task, seed = task_of(one), one["seed"]
        if task.key not in fitted:
            print(f"{folder}: choosing the baselines' settings on training ratings ...", file=sys.stderr)
            split = load_split(one)[1]
            models = tuned_baselines(split, task.protocol, np.random.default_rng(0), seed=seed)
            fitted[task.key] = split, models
        split, models = fitted[task.key]
        yield measure(folder, one, split, with_seed(models, split.train, seed))


def measure(folder: Path, stored: Config, split: Split, baselines: dict[str, Collaborative]) -> Measured:
    """One run's figures on ``split``: vectors alone, after the warm start if it had one, after RL, the rest."""
    from rlrec.collaborative.drr import DRR

    step, checkpoint = last_checkpoint(folder)
    agent = DRR.load(checkpoint)
    models: dict[str, Scorer] = {VECTORS: VectorsAlone(agent)}
    if settings_of(stored)[0].start:
        models[WARM] = DRR.load(folder / "parts" / "warm_start")
    models |= {AGENT: agent, **baselines, ORACLE: oracle(split)}
    means, of_users = figures(task_of(stored), split, models)
    return Measured(folder, stored, step, means, of_users, chosen_settings(baselines))


def figures(
    task: Task, split: Split, models: dict[str, Scorer]
) -> tuple[dict[str, dict[str, float]], dict[str, Floats]]:
    """Means of each model by column, and ``DECIDES`` of each user [n]. Raises ``ConfigError`` for a leak."""
    means, of_users = {}, {}
    for name, model in models.items():
        result = task.ask(split, model, K)
        found = result.means((5, 10))
        means[name] = {column: found[column] for column in COLUMNS}
        of_users[name] = result.figures(5)[DECIDES]
    return means, of_users


class VectorsAlone:
    """The agent's user and item vectors, multiplied: what it would recommend without any actor."""

    def __init__(self, drr: DRR) -> None:
        self.vectors, self.fitted_on = drr.vectors, drr.fitted_on

    def __call__(self, users: NDArray[np.int64], known: Any) -> Floats:
        """Scores [users, items]."""
        return np.asarray(self.vectors.users(known) @ self.vectors.items.T)


# -- telling ---------------------------------------------------------------------------------------------
def text(
    measured: Sequence[Measured], table: dict[str, Intervals], against: Sequence[Difference], told: str
) -> list[str]:
    """The table, what the baselines chose, the differences and the verdict as lines."""
    first, several = measured[0].stored, len(measured) > 1
    seeds = ", ".join(str(one.stored["seed"]) for one in measured)
    over = f"{len(measured)} runs, mean and 95% interval over seeds {seeds}" if several else f"seed {seeds}"
    width = 15 if several else 13
    lines = [f"{first['data']}, {first['protocol']}, {first['split']}: {over}"]
    for one in measured:
        if one.step < first["steps"]:
            lines.append(f"note: {one.folder} stands at step {one.step:,} of {first['steps']:,}; it is not finished")
    lines.append(f"{'':<30}" + "".join(f"{column:>{width}}" for column in COLUMNS))
    for name, figures in table.items():
        cells = (_cell(figures[column], several) for column in COLUMNS)
        lines.append(f"{name:<30}" + "".join(f"{cell:>{width}}" for cell in cells))
    lines.append("baselines, settings chosen on training ratings alone:")
    lines += [f"  {name}: {_settings(values)}" for name, values in measured[0].settings.items()]
    kind = "over seeds" if several else "over users, for this one seed: another seed may differ by more"
    lines.append(f"{DECIDES}, paired difference and 95% interval {kind}:")
    for less in against:
        each = f"; each run {', '.join(f'{value:+.3f}' for value in less.of_runs)}" if several else ""
        each += f"; over users {signed(less.over_users)}" if less.over_users else ""
        what = "the strongest baseline, " if less.kind == "baseline" else ""
        lines.append(f"  {AGENT} - {what}{less.other}: {signed(less.interval)}{each}")
    return [*lines, told]


def as_json(
    measured: Sequence[Measured], table: dict[str, Intervals], against: Sequence[Difference], told: str,
    command: str, seconds: float,
) -> dict[str, Any]:
    """All that was found, with where it comes from."""
    return {
        "protocol": measured[0].stored["protocol"],
        "split": measured[0].stored["split"],
        "table": {name: {column: of._asdict() for column, of in row.items()} for name, row in table.items()},
        "differences": [
            {"measure": DECIDES, "other": one.other, "kind": one.kind, **one.interval._asdict(), "of_runs": one.of_runs,
             "over_users": one.over_users._asdict() if one.over_users else None}
            for one in against
        ],
        "interval": ("over seeds" if len(measured) > 1 else "over users of one seed") + ", Student's t",
        "verdict": told,
        "runs": [
            {"folder": str(one.folder), "seed": one.stored["seed"], "step": one.step, "config": one.stored,
             "baselines": one.settings, "figures": one.means}
            for one in measured
        ],
        "commit": commit(), "command": command, "seconds": round(seconds, 1), "device": device(),
        "versions": versions(),
    }




def _cell(of: Interval, several: bool) -> str:
    return f"{of.mean:.3f} ±{of.high - of.mean:.3f}" if several else f"{of.mean:.3f}"


def _settings(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in flat(values).items())


def flat(values: dict[str, Any]) -> dict[str, Any]:
    """Groups within groups as one: {"ease": {"positive": 4}} is {"ease.positive": 4}."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        inner = flat(value) if isinstance(value, dict) else None
        found |= {name: value} if inner is None else {f"{name}.{key}": part for key, part in inner.items()}
    return found
