"""A DDPG run on ratings: train, keep checkpoints, resume after a stop at any moment.

    OUT/config.json         every setting, the data's fingerprint, versions, sessions
    OUT/metrics.csv         means of ten rounds a row; OUT/tensorboard has the same
    OUT/parts/warm_start    the agent before RL: `rlrec evaluate` compares it
    OUT/checkpoints/STEP    the last two, whole: weights, targets, optimisers, memory,
                            environment, random states

A run that was stopped (even by SIGKILL) and resumed ends bit-identical to one that
never was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rlrec import storage
from rlrec.agents.ddpg_config import DDPGConfig
from rlrec.collaborative.drr_config import DRRConfig
from rlrec.collaborative.drr_environment import make_environment
from rlrec.datasets import Ratings
from rlrec.datasets.reading.columns import AS_GUESSED, Reading
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.protocols import Split
from rlrec.runs.provenance import conditions
from rlrec.runs.run import (
    TrainingRun,
    owning,
    require_steps,
    require_unused,
    written,
)
from rlrec.runs.session import Prepared, run_session, timed
from rlrec.runs.task import Task, ratings_fingerprint
from rlrec.types import Say

if TYPE_CHECKING:
    from rlrec.collaborative.drr import DRR
    from rlrec.collaborative.drr_vectors import Vectors

# On the screen: word -> field of a round's record.
SHOWN = {"reward": "reward", "hits": "hit_rate", "loss": "critic_loss"}
ENVIRONMENTS = 64
LEAST_STEPS = 10_000
MOST_STEPS = 100_000
WARM_START = "parts/warm_start"
LEAST_ITEMS = 12  # a list of ten, and something to choose from


@dataclass(frozen=True, kw_only=True)
class DDPGRun(TrainingRun):
    """A DDPG run on ratings."""

    AGENT: ClassVar[str] = "ddpg"
    protocol: str
    split: str
    drr: DRRConfig
    ddpg: DDPGConfig
    reading: Reading = AS_GUESSED

    def require_budget(self) -> None:
        """Raise ``ConfigError`` for no step, or for checkpoints within a round."""
        require_steps(self.steps, self.checkpoint_every, ENVIRONMENTS)

    @property
    def vectors_key(self) -> tuple[Any, ...]:
        """What decides the vectors: two runs have equal ones if their keys are."""
        task = (self.fingerprint["sha256"], self.protocol, self.split, self.seed)
        return (*task, self.drr, self.versions)

    @property
    def task(self) -> Task:
        """The task that the run was trained for."""
        return Task(self.data, self.protocol, self.split, self.seed, self.reading)

    def load(self) -> tuple[Ratings, Split]:
        """The ratings and their split. Raises ``DataError`` if they have changed."""
        ratings = self.task.load()
        self.require_unchanged(ratings_fingerprint(ratings))
        return ratings, self.task.divide(ratings)


@owning
def train_ddpg(
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
    """Train a new run in ``folder``.

    steps: recommendations to learn from, rounded up to rounds of 64; None: twice the
    training ratings, in 10,000..100,000. fit_schedule: exploration falls over these
    steps, whatever ``settings.schedule_steps`` says. checkpoint_every: 64.. steps.
    Returns the exit status: 0 finished, 1 diverged, 130 stopped by Ctrl-C. Raises
    ``ConfigError`` and ``DataError``.
    """
    require_unused(folder)
    with timed("ratings", say):
        ratings = task.load()
    split = require_trainable(task, ratings, config)
    if steps is None:
        steps = default_steps(split.train)
    require_steps(steps, checkpoint_every, ENVIRONMENTS)
    if steps < settings.learning_starts:
        say(
            f"note: nothing is learned in {steps:,} steps: "
            f"updates begin after {settings.learning_starts:,}"
        )
    with timed("TensorFlow", say):
        now = conditions()
    run = DDPGRun(
        folder=folder,
        versions=now,
        command=command,
        data=task.source,
        fingerprint=ratings_fingerprint(ratings),
        seed=task.seed,
        steps=steps,
        checkpoint_every=checkpoint_every,
        protocol=task.protocol,
        split=task.split,
        drr=config,
        ddpg=_fitted(settings, ratings, steps if fit_schedule else None),
        reading=task.reading,
    )
    with written(run):
        return _go(run, ratings, split, command, say)


def require_trainable(task: Task, ratings: Ratings, config: DRRConfig) -> Split:
    """The split of ``ratings``. Raises ``RlrecError`` if no agent can be trained on it.

    `rlrec data check` says the same as `rlrec train ddpg`, by this function.
    """
    if ratings.n_items < LEAST_ITEMS:
        raise ConfigError(
            f"{task.data}: {ratings.n_items} items; "
            f"give ratings of {LEAST_ITEMS} or more, for a list of ten"
        )
    split = task.divide(ratings)
    if not len(split.held_out):
        raise DataError(
            f"{task.data}: nothing to hold out; give more ratings of each user"
        )
    make_environment(split.train, config, 1)
    return split


@owning
def resume_ddpg(
    folder: Path, *, command: str = "", say: Say = print, **changes: int
) -> int:
    """Resume the run in ``folder`` from its last whole checkpoint, or from the start.

    ``changes``: as `TrainingRun.changed` takes them. Returns the exit status, as
    `train_ddpg`. Raises ``ConfigError`` and ``DataError``, also for changed data.
    """
    run = DDPGRun.read(folder).changed(**changes)
    with timed("ratings", say):
        ratings, split = run.load()
    with timed("TensorFlow", say):
        conditions()
    with written(run):
        return _go(run, ratings, split, command, say)


def default_steps(train_ratings: Ratings) -> int:
    """Twice the training ratings, in 10,000..100,000: seconds to two minutes."""
    return min(MOST_STEPS, max(2 * len(train_ratings), LEAST_STEPS))


def _fitted(settings: DDPGConfig, ratings: Ratings, steps: int | None) -> DDPGConfig:
    """``settings`` with a reward for half a star, and a schedule over ``steps``."""
    lowest = float((ratings.ratings.min() - 3.0) / 2.0)  # in float32, as Ratings-v0
    if lowest < -1.0:
        settings = replace(settings, reward_low=min(settings.reward_low, lowest))
    return settings if steps is None else replace(settings, schedule_steps=steps)


def _go(run: DDPGRun, ratings: Ratings, split: Split, command: str, say: Say) -> int:
    """Announce, prepare or restore, train, keep."""
    _announce(run, ratings, split, say)

    def prepare() -> Prepared:
        from rlrec.agents.ddpg import DDPGRound

        drr, env = _agent(run, split.train, say)
        return Prepared(drr.agent, env, drr.save, DDPGRound._fields)

    return run_session(run, prepare, shown=SHOWN, every=10, command=command, say=say)


def _announce(run: DDPGRun, ratings: Ratings, split: Split, say: Say) -> None:
    """Say what is trained on what, what is held out, and where the run is kept."""
    config = run.drr
    by = "the last in time"
    if run.split == "random":
        by = f"drawn with seed {run.seed}"
    elif run.protocol == "session":
        by = "the last users by id"
    kept_away = len(ratings) - len(split.train)
    dimensions = min(config.dimensions, ratings.n_items - 1)
    warm = f", {config.start:,} supervised updates first" if config.start else ""
    say(
        f"data       {run.data}: {len(ratings):,} ratings, {ratings.n_users:,} users, "
        f"{ratings.n_items:,} items"
    )
    say(
        f"split      {run.protocol}, {run.split} ({by}): {len(split.train):,} ratings "
        f"to learn from; {kept_away:,} never seen, {len(split.held_out):,} of them "
        f"asked for, of {len(split.users):,} users"
    )
    say(
        f"agent      ddpg, state {run.ddpg.state}, residual {run.ddpg.residual}, "
        f"{config.kind} vectors of {dimensions}, history {config.history}, "
        f"seed {run.seed}{warm}"
    )
    say(
        f"steps      {run.steps:,}, a checkpoint every {run.checkpoint_every:,}, "
        f"kept in {run.folder}"
    )
    if run.ddpg.schedule_steps < run.steps:
        say(
            f"schedule   ends at step {run.ddpg.schedule_steps:,}: "
            "epsilon and noise stay at their floors"
        )


def _agent(run: DDPGRun, train_ratings: Ratings, say: Say) -> tuple[DRR, Any]:
    """The agent and its environment: from the last checkpoint, or new."""
    from rlrec.collaborative.drr import DRR

    env = make_environment(train_ratings, run.drr, ENVIRONMENTS)
    if storage.checkpoints(run.folder):
        _, checkpoint = run.last_checkpoint()
        return DRR.load(checkpoint, env), env
    with timed("vectors", say):
        vectors = _made_before(run, say)
        drr = DRR.make(train_ratings, run.drr, run.ddpg, run.seed, vectors)
    with timed("start", say):
        drr.warm_start(train_ratings, run.seed)
        drr.save(run.folder / WARM_START)
    return drr, env


def _made_before(run: DDPGRun, say: Say) -> Vectors | None:
    """The vectors of a run beside this one, of equal data, settings and versions."""
    from rlrec.collaborative.drr_vectors import Vectors

    if run.drr.kind == "mf":  # depends on the genres, too
        return None
    for path in sorted(run.folder.parent.glob(f"*/{WARM_START}/vectors.npz")):
        folder = path.parents[2]
        try:
            if DDPGRun.read(folder).vectors_key == run.vectors_key:
                vectors = Vectors.load(path.parent)
                say(f"vectors    those of {folder}: equal data, settings and versions")
                return vectors
        except DataError as error:
            say(f"vectors    not reused: {error}")
    return None
