"""A DDPG run on ratings from start to end: train, keep checkpoints, go on after a stop at any moment.

    OUT/config.json         every setting, the data's fingerprint, versions; what each session took
    OUT/metrics.csv         means of ten rounds a row; the same figures for TensorBoard in OUT/tensorboard
    OUT/parts/warm_start    the agent before RL: what an evaluation holds against the trained one
    OUT/checkpoints/STEP    the last two, whole: weights, targets, optimisers, memory, environment, random states

A run that was stopped (even by SIGKILL) and resumed ends with the same bits as one that never was.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlrec import storage
from rlrec.collaborative.drr_config import DRRConfig
from rlrec.datasets import Ratings
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.protocols import Split
from rlrec.runs.config import Config, load_split, read_config, resume_command, settings_of
from rlrec.runs.provenance import versions
from rlrec.runs.task import Task, fingerprint
from rlrec.runs.session import STOPPED, extend, refuse_used, run_session
from rlrec.types import Say
from rlrec.agents.ddpg_config import DDPGConfig

if TYPE_CHECKING:
    from rlrec.collaborative.drr import DRR

TOLD = {"reward": "reward", "hits": "hit_rate", "loss": "critic_loss"}  # on the screen: which figure of a round
ENVIRONMENTS = 64
LEAST_STEPS, MOST_STEPS = 10_000, 100_000
LEAST_ITEMS = 12  # a list of ten, and something to choose from


def train(
    folder: Path,
    task: Task,
    config: DRRConfig,
    settings: DDPGConfig,
    *,
    steps: int | None = None,
    fit_schedule: bool = False,
    checkpoint_every: int = 20_000,
    command: str = "",
    say: Say = print,
) -> int:
    """Start a run in ``folder``; its exit status: 0 finished, 1 diverged, 130 stopped by Ctrl-C.

    ``steps``: recommendations to learn from, rounded up to rounds of 64; None: twice the training ratings, at most
    100,000. ``fit_schedule``: exploration falls over these steps, whatever ``settings.schedule_steps`` says.
    ``checkpoint_every``: 64 or more steps. Raises ``ConfigError`` and ``DataError``.
    """
    refuse_used(folder)
    if checkpoint_every < ENVIRONMENTS:
        raise ConfigError(f"checkpoint_every is {checkpoint_every}; it must be {ENVIRONMENTS} or more")
    ratings = task.load()
    split = task.divide(ratings)
    wanted = default_steps(split.train) if steps is None else steps
    if wanted < 1:
        raise ConfigError(f"steps is {wanted}; it must be 1 or more")
    if wanted < settings.learning_starts:
        say(f"note: nothing is learned in {wanted:,} steps: updates begin after {settings.learning_starts:,}")
    if ratings.n_items < LEAST_ITEMS:
        raise ConfigError(f"{task.data}: {ratings.n_items} items; a list of ten needs {LEAST_ITEMS} or more")
    lowest = (float(ratings.ratings.min()) - 3.0) / 2.0
    if lowest < -1.0:  # half a star
        settings = replace(settings, reward_low=min(settings.reward_low, lowest))
    if fit_schedule:
        settings = replace(settings, schedule_steps=wanted)
    stored = {
        "agent": "ddpg", "versions": versions(), "command": command, "data": task.source,
        "fingerprint": fingerprint(ratings), "protocol": task.protocol, "split": task.split, "seed": task.seed,
        "steps": wanted, "checkpoint_every": checkpoint_every, "drr": asdict(config), "ddpg": asdict(settings),
        "sessions": [],
    }
    storage.write_json(folder / "config.json", stored)
    return _go(folder, stored, ratings, split, command, say)


def resume(folder: Path, *, steps: int | None = None, command: str = "", say: Say = print) -> int:
    """Go on with the run in ``folder`` from its last whole checkpoint (or from the start if it has none).

    ``steps``: None, or more than it was to have. Raises ``ConfigError`` and ``DataError``, also for changed data.
    """
    stored = read_config(folder)
    extend(stored, steps)
    ratings, split = load_split(stored)
    storage.write_json(folder / "config.json", stored)
    return _go(folder, stored, ratings, split, command, say)


def default_steps(train_ratings: Ratings) -> int:
    """Twice the training ratings, 10,000 to 100,000: seconds for a small set, two minutes for a large one."""
    return min(MOST_STEPS, max(2 * len(train_ratings), LEAST_STEPS))


# -- inside ----------------------------------------------------------------------------------------------
def _go(folder: Path, stored: Config, ratings: Ratings, split: Split, command: str, say: Say) -> int:
    """Announce, prepare or restore, train, keep."""
    for line in announcement(folder, stored, ratings, split):
        say(line)
    try:
        from rlrec.agents.ddpg import Round

        drr, env = _prepared(folder, stored, split.train, say)
    except (ConfigError, DataError):
        if not stored["sessions"] and not storage.checkpoints(folder):
            (folder / "config.json").unlink()  # no run has come of it: the folder is free for another try
        raise
    except KeyboardInterrupt:
        say(f"stopped before the training began; to go on: {resume_command(folder)}")
        return STOPPED
    return run_session(
        folder, stored, drr.agent, env, drr.save, fields=Round._fields, told=TOLD, every=10, command=command, say=say
    )


def announcement(folder: Path, stored: Config, ratings: Ratings, split: Split) -> list[str]:
    """What a run does, in a few lines: data, split, what is never seen, vectors, state, where it is kept."""
    config, settings = settings_of(stored)
    kept_away = len(ratings) - len(split.train)
    by = {"time": "the last in time", "random": f"drawn with seed {stored['seed']}"}[stored["split"]]
    if stored["protocol"] == "session" and stored["split"] == "time":
        by = "the last users by id"
    warm = f", {config.start:,} supervised updates first" if config.start else ""
    return [
        f"data       {stored['data']}: {len(ratings):,} ratings, {ratings.n_users:,} users, {ratings.n_items:,} items",
        f"split      {stored['protocol']}, {stored['split']} ({by}): {len(split.train):,} ratings to learn from; "
        f"{kept_away:,} never seen, {len(split.held_out):,} of them asked for, of {len(split.users):,} users",
        f"agent      ddpg, state {settings.state}, residual {settings.residual}, {config.kind} vectors of "
        f"{min(config.dimensions, ratings.n_items - 1)}, history {config.history}, seed {stored['seed']}{warm}",
        f"steps      {stored['steps']:,}, a checkpoint every {stored['checkpoint_every']:,}, kept in {folder}",
    ]


def _prepared(folder: Path, stored: Config, train_ratings: Ratings, say: Say) -> tuple[DRR, Any]:
    """The agent and its environment: from the last checkpoint, or new."""
    from rlrec.collaborative.drr import DRR, make_environment

    config, settings = settings_of(stored)
    env = make_environment(train_ratings, config, ENVIRONMENTS)
    found = storage.checkpoints(folder)
    if found:
        drr = DRR.load(found[-1][1], env)
        say(f"resumed    from step {drr.agent.step:,}")
        return drr, env
    drr = DRR.make(train_ratings, config, settings, stored["seed"])
    drr.warm_start(train_ratings, stored["seed"])
    drr.save(folder / "parts" / "warm_start")
    return drr, env
