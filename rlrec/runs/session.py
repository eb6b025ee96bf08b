"""A training session of any agent: progress, checkpoints, Ctrl-C, divergence.

    OUT/config.json      every setting; a record of each session
    OUT/metrics.csv      means over rounds; the same figures for TensorBoard
    OUT/checkpoints/N    the last two, whole: enough to resume bit-identically

A session ends with an exit status: 0 finished, 1 diverged, 130 (as shells have it)
stopped by Ctrl-C.
"""

from __future__ import annotations

import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from rlrec import storage
from rlrec.agents.training import compiled_once
from rlrec.errors import TrainingDiverged, warn
from rlrec.runs.progress import Progress
from rlrec.runs.provenance import conditions, device
from rlrec.runs.run import Session, TrainingRun
from rlrec.types import Say

STATUS = {"done": 0, "diverged": 1, "stopped": 130}
FIRST_TRAINING = 10_000_000
MOST_ENVIRONMENTS = 10_000


def training_seed(seed: int) -> int:
    """The seed of the first environment of a run with ``seed``.

    Row i of a batch is seeded with ``training_seed(seed) + i``. So two runs share no
    listener, nor does a run with an evaluation: these begin at 1,000,000 and 2,000,000.
    """
    return FIRST_TRAINING + MOST_ENVIRONMENTS * seed


class Prepared(NamedTuple):
    """An agent, new or from a checkpoint, and what its training needs."""

    agent: Any
    env: Any
    save: Callable[[Path], None]  # writes a checkpoint into a folder
    fields: Sequence[str]  # of a round's record


def run_session(
    run: TrainingRun,
    prepare: Callable[[], Prepared],
    *,
    shown: Mapping[str, str],
    every: int,
    command: str,
    say: Say,
) -> int:
    """Prepare an agent and train it up to ``run.steps``; the exit status.

    ``shown`` and ``every`` as in `Progress`.
    """
    try:
        prepared = prepare()
    except KeyboardInterrupt:
        say(f"stopped before the training began; to go on: {run.resume_command}")
        return STATUS["stopped"]
    agent = prepared.agent
    first = agent.step
    if first:
        say(f"resumed    from step {first:,}")
        _compare(run.versions)
    _set_schedule(agent, getattr(run, run.AGENT).schedule_steps, say)
    if first >= run.steps:
        say(
            f"step {first:,} of {run.steps:,}: this run is finished; "
            f"to train on, give more: --steps"
        )
        return STATUS["done"]
    start = time.monotonic()
    problem = ""
    try:
        with compiled_once(agent):
            stopped = _train(run, prepared, shown, every)
        ended = "stopped" if stopped else "done"
    except TrainingDiverged as error:
        ended = "diverged"
        problem = str(error)
    seconds = time.monotonic() - start
    speed = round((agent.step - first) / seconds, 1)
    session = Session(
        command, first, agent.step, ended, round(seconds, 2), speed, device()
    )
    replace(run, sessions=[*run.sessions, session]).write()
    say(_outcome(run, session, problem))
    return STATUS[ended]


@contextmanager
def timed(what: str, say: Say) -> Iterator[None]:
    """Say that a part of the preparation begins, and how many seconds it took."""
    say(f"{what:<10} ...")
    start = time.monotonic()
    yield
    say(f"{what:<10} {time.monotonic() - start:.1f} s")


def _compare(before: Mapping[str, str]) -> None:
    """Tell which of a run's `conditions` are not as they were at its start."""
    now = conditions()
    other = []
    for name, value in before.items():
        if value != now.get(name):
            other.append(f"{name} {now.get(name)}, not {value}")
    if other:
        warn(
            f"{'; '.join(other)}: this run need not end with the same bits as one "
            f"that was never stopped"
        )


def _set_schedule(agent: Any, steps: int, say: Say) -> None:
    """Give an agent from a checkpoint the run's schedule, and say what it changes."""
    if steps != agent.config.schedule_steps:
        before = agent.progress
        agent.config = replace(agent.config, schedule_steps=steps)
        say(
            f"schedule   now {steps:,} steps: {agent.progress:.0%} of it is over, not "
            f"{before:.0%}; what falls with it starts higher again, so a run with this "
            "schedule from its start would end with other weights"
        )


def _outcome(run: TrainingRun, session: Session, problem: str) -> str:
    """How a session ended, and what to do next."""
    if session.ended == "diverged":
        checkpoints = storage.checkpoints(run.folder)
        kept = "there is no checkpoint before it"
        if checkpoints:
            kept = f"the last good checkpoint is {checkpoints[-1][1]}"
        return f"diverged: {problem}\n{kept}; train again with other settings"
    if session.ended == "stopped":
        return (
            f"stopped at step {session.to_step:,} of {run.steps:,}; "
            f"to go on: {run.resume_command}"
        )
    return (
        f"{session.seconds:.0f} s, {session.steps_per_second:.0f} steps/s on "
        f"{session.device}; kept in {run.folder}; "
        f"try: rlrec evaluate {shlex.quote(str(run.folder))}"
    )


def _train(
    run: TrainingRun, prepared: Prepared, shown: Mapping[str, str], every: int
) -> bool:
    """Train with checkpoints on the way and at the end; whether Ctrl-C stopped it."""
    agent, env, save, fields = prepared
    last = agent.step
    identity = run.identity
    progress = Progress(
        run.folder, last, run.steps, fields=fields, shown=shown, every=every
    )
    with interrupts() as stop:

        def after_round(record: Any) -> bool:
            nonlocal last
            progress.add(record)
            if record.step // run.checkpoint_every > last // run.checkpoint_every:
                progress.flush()
                storage.save_checkpoint(run.folder, record.step, save, run=identity)
            last = record.step
            return stop.is_set()

        try:
            left = run.steps - agent.step
            seed = training_seed(run.seed)
            agent.train(env, left, callback=after_round, seed=seed)
        finally:
            progress.close()
        storage.save_checkpoint(run.folder, agent.step, save, run=identity)
        return stop.is_set() and agent.step < run.steps


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """The first Ctrl-C sets an event, so a round can end; a second one interrupts."""
    stop = threading.Event()

    def handle(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    with stopped_by(handle):
        yield stop


@contextmanager
def stopped_by(handle: Callable[[int, Any], Any]) -> Iterator[None]:
    """``handle`` takes Ctrl-C, SIGTERM and SIGHUP (the terminal was closed).

    Only in the main thread; a signal that is ignored (``nohup``) stays ignored.
    """
    former: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number and signal.getsignal(number) not in (signal.SIG_IGN, None):
                former[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, before in former.items():
            signal.signal(number, before)
