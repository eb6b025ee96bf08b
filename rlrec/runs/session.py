"""A training in a run's folder, whatever the agent: progress, checkpoints, Ctrl-C, divergence, what a session took.

    OUT/config.json      every setting; what each session took
    OUT/metrics.csv      means over rounds; the same figures for TensorBoard in OUT/tensorboard
    OUT/checkpoints/N    the last two, whole: all that is needed to go on to the same bits

A session ends with an exit status: 0 finished, 1 diverged, 130 (what shells give for it) stopped by Ctrl-C.
"""

from __future__ import annotations

from rlrec.types import Say
import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rlrec import storage
from rlrec.errors import ConfigError, TrainingDiverged
from rlrec.runs.progress import Told
from rlrec.runs.config import Config, resume_command
from rlrec.runs.provenance import device

FINISHED, DIVERGED, STOPPED = 0, 1, 130
FIRST_TRAINING, MOST_ENVIRONMENTS = 10_000_000, 10_000


def training_seed(seed: int) -> int:
    """Where the environments of a run with ``seed`` begin: two runs share no listener, and no evaluation asks one.

    Row i of a batch is seeded with ``training_seed(seed) + i``; evaluations begin at 1,000,000 and at 2,000,000.
    """
    return FIRST_TRAINING + MOST_ENVIRONMENTS * seed


def refuse_used(folder: Path) -> None:
    """Raise ``ConfigError`` unless ``folder`` can take a new run."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; give a folder")
    if (folder / "config.json").exists():
        raise ConfigError(f"{folder} holds a run already; go on with it: {resume_command(folder)}; or choose another")
    if storage.checkpoints(folder):
        raise ConfigError(f"{folder} holds checkpoints of another run; choose another folder, or delete it")


def extend(stored: Config, steps: int | None) -> None:
    """Set a stored run's number of steps to ``steps``, if given. Raises ``ConfigError`` for fewer than before."""
    if steps is not None and steps < stored["steps"]:
        raise ConfigError(f"steps is {steps}, this run was to have {stored['steps']:,}; they can only be raised")
    stored["steps"] = steps or stored["steps"]


def run_session(
    folder: Path,
    stored: Config,
    agent: Any,
    env: Any,
    save: Callable[[Path], None],
    *,
    fields: Sequence[str],
    told: Told,
    every: int,
    command: str,
    say: Say,
) -> int:
    """Train ``agent`` in ``env`` up to the steps in ``stored``, the run's ``config.json``; its exit status.

    ``save`` writes a checkpoint into a folder; ``fields``, ``told`` and ``every`` as in ``Progress``.
    """
    first, start = agent.step, time.monotonic()
    if first >= stored["steps"]:
        say(f"step {first:,} of {stored['steps']:,}: this run is finished; to train on, give more: --steps")
        return FINISHED
    try:
        was_stopped = _train(folder, stored, agent, env, save, fields, told, every)
    except TrainingDiverged as error:
        _note(folder, stored, command, first, agent.step, start, "diverged")
        good = storage.checkpoints(folder)
        kept = f"the last good checkpoint is {good[-1][1]}" if good else "there is no checkpoint before it"
        say(f"diverged: {error}\n{kept}; train again with other settings")
        return DIVERGED
    session = _note(folder, stored, command, first, agent.step, start, "stopped" if was_stopped else "done")
    if was_stopped:
        say(f"stopped at step {agent.step:,} of {stored['steps']:,}; to go on: {resume_command(folder)}")
        return STOPPED
    speed = f"{session['seconds']:.0f} s, {session['steps_per_second']:.0f} steps/s on {session['device']}"
    say(f"{speed}; kept in {folder}; try: rlrec evaluate {shlex.quote(str(folder))}")
    return FINISHED


def _train(
    folder: Path, stored: Config, agent: Any, env: Any, save: Callable[[Path], None], fields: Sequence[str],
    told: Told, every: int,
) -> bool:
    """Train up to the run's steps with checkpoints on the way and at the end; whether Ctrl-C stopped it."""
    from rlrec.runs.progress import Progress

    last = agent.step
    progress = Progress(folder, last, stored["steps"], fields=fields, told=told, every=every)
    with interrupts() as asked:

        def after_round(record: Any) -> bool:
            nonlocal last
            progress.add(record)
            if record.step // stored["checkpoint_every"] > last // stored["checkpoint_every"]:
                progress.flush()
                storage.save_checkpoint(folder, record.step, save)
            last = record.step
            return asked.is_set()

        try:
            agent.train(env, stored["steps"] - agent.step, callback=after_round, seed=training_seed(stored["seed"]))
        finally:
            progress.close()
        storage.save_checkpoint(folder, agent.step, save)
        return asked.is_set() and agent.step < stored["steps"]


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """The first Ctrl-C sets an event, for a round to be finished; the second one stops at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _note(folder: Path, stored: Config, command: str, first: int, last: int, start: float, ended: str) -> Config:
    """Write into config.json what this session did and took; it."""
    seconds = time.monotonic() - start
    session = {
        "command": command, "from_step": first, "to_step": last, "ended": ended, "seconds": round(seconds, 2),
        "steps_per_second": round((last - first) / seconds, 1), "device": device(),
    }
    stored["sessions"] = [*stored.get("sessions", []), session]
    storage.write_json(folder / "config.json", stored)
    return session
