"""What ``config.json`` of a DDPG run says, and what follows from it: task, split, settings, checkpoints."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import rlrec
from rlrec import storage
from rlrec.collaborative.drr_config import DRRConfig
from rlrec.datasets import Ratings
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.protocols import Split
from rlrec.runs.task import Task, check_fingerprint
from rlrec.agents.ddpg_config import DDPGConfig
from rlrec.agents.replay import PriorityConfig

Config = dict[str, Any]


def resume_command(folder: Path) -> str:
    """The command that goes on with a run."""
    try:
        agent = storage.read_json(folder / "config.json").get("agent", "ddpg")
    except DataError:
        agent = "ddpg"
    return f"rlrec train {agent} --resume --out {folder}"


def read_config(folder: Path) -> Config:
    """The settings of the DDPG run in ``folder``. Raises ``DataError`` if there is none."""
    stored = storage.read_json(folder / "config.json")
    if not isinstance(stored, dict) or stored.get("agent") != "ddpg":
        raise DataError(f"{folder}: no run of ddpg; train one: rlrec train ddpg --data generated --out {folder}")
    missing = {"data", "fingerprint", "protocol", "split", "seed", "steps", "drr", "ddpg"} - stored.keys()
    if missing:
        raise DataError(f"{folder / 'config.json'}: {', '.join(sorted(missing))} missing; train the run again")
    return stored


def task_of(stored: Config) -> Task:
    """The task a run was trained for."""
    return Task(stored["data"], stored["protocol"], stored["split"], stored["seed"])


def load_split(stored: Config) -> tuple[Ratings, Split]:
    """The ratings and the split of a run. Raises ``DataError`` if the data have changed since."""
    task = task_of(stored)
    ratings = task.load()
    check_fingerprint(ratings, stored["fingerprint"], stored["data"])
    return ratings, task.divide(ratings)


def settings_of(stored: Config) -> tuple[DRRConfig, DDPGConfig]:
    """The hyperparameters of a run."""
    try:
        ddpg = stored["ddpg"] | {
            "hidden": tuple(stored["ddpg"]["hidden"]), "priority": PriorityConfig(**stored["ddpg"]["priority"])
        }
        return DRRConfig(**stored["drr"]), DDPGConfig(**ddpg)
    except (TypeError, KeyError) as error:
        raise DataError(f"config.json: settings of another version ({error}); train the run again") from None


def last_checkpoint(folder: Path) -> tuple[int, Path]:
    """The last whole checkpoint's step and folder. Raises ``DataError`` if there is none yet."""
    found = storage.checkpoints(folder)
    if not found:
        raise DataError(f"{folder} has no checkpoint yet; go on with it: {resume_command(folder)}")
    return found[-1]


def check_same(folder: Path, stored: Config, wanted: Config) -> None:
    """Raise ``ConfigError`` unless the run in ``folder``, of config ``stored``, has the settings ``wanted``."""
    own = dict(stored)
    for section in stored.values():
        own |= section if isinstance(section, dict) else {}
    for name, value in wanted.items():
        if json.loads(json.dumps(value)) != own.get(name):
            flag = name.replace("_", "-")
            raise ConfigError(
                f"--{flag} {value} contradicts the run in {folder}, which has {own.get(name)}; leave it out to "
                f"go on, or train a new run in another folder"
            )




