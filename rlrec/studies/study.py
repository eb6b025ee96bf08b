"""``rlrec study FILE.toml``: agents x worlds x seeds, each cell once, in parallel, stopped and resumed at will.

    steps = 98304                      # songs each agent learns from: one budget for all
    curve = [8192, 32768, 98304]       # after how many songs it is asked; the last is the budget
    seeds = 10
    listeners = 1000                   # asked for each seed, from 2,000,000 on: no training meets them

    [world]                            # a list in place of a number: every combination
    taste_strength = 1.5
    long_term_effect = [0.0, 1.0]

    [agents."PPO"]                     # any name; agent: a kind of `rlrec.studies.contestants`
    agent = "ppo"
    discount = 0.8
    tries = [{learning_rate = 1e-3}, {learning_rate = 3e-3}]

Each seed has listeners of its own, the same for every agent, so all differences are paired by seed. ``tries``: settings
to choose from, each trained once in each world with seed 1,000 and judged on other listeners (from 1,000,000); the best
one of a world takes part in its seeds. A cell is one file in OUT/cells, written whole; what is there is not run again.
A small study needs no file: ``rlrec study --agents ppo random --long-term-effect 0 1``.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import rlrec
from rlrec import storage
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation import metrics
from rlrec.evaluation.simulate import play
from rlrec.runs.session import training_seed
from rlrec.studies import contestants
from rlrec.studies.contestants import Factory
from rlrec.studies.plan import (
    FIRST,
    FIRST_TUNING,
    TRAINING,
    TUNING_SEED,
    WORLD,
    Study,
    environment,
)
from rlrec.types import Say

__all__ = [
    "FIRST",
    "TRAINING",
    "WORLD",
    "Study",
    "StudyResult",
    "as_json",
    "fingerprint",
    "run_cell",
    "run_study",
]

Cell = dict[str, Any]
BACKENDS = ("loky", "dask")
OWN = "own"  # the kind of an agent that is not the library's, whatever its label


@dataclass(frozen=True)
class StudyResult:
    """What came of a study: its cells, the tries that chose settings, the settings chosen."""

    study: Study
    cells: list[Cell]
    tries: list[Cell]

    def frame(self) -> Any:
        """A pandas DataFrame with a row a cell, the world's dials as columns."""
        import pandas as pd

        return pd.DataFrame([{**one, **one["world"]} for one in self.cells]).drop(
            columns=["world", "settings"]
        )


def run_study(
    study: Study,
    folder: str | Path,
    *,
    jobs: int = 2,
    backend: str = "loky",
    only: Sequence[str] = (),
    extra_agents: Mapping[str, Factory] | None = None,
    say: Say = print,
) -> StudyResult:
    """Run what is not there yet in ``folder``, then give back every cell. ``only``: these labels alone.

    ``backend``: "loky" (processes of this machine) or "dask" (the `distributed.Client` that is open, or one of
    ``jobs`` workers here). ``extra_agents``: label -> (environment, seed) -> an agent of your own.
    """
    own = dict(extra_agents or {})
    unknown = set(only) - study.agents.keys() - own.keys()
    if unknown or backend not in BACKENDS:
        raise ConfigError(
            f"{sorted(unknown) or backend} unknown; agents {[*study.agents, *own]}, backends {BACKENDS}"
        )
    labels = [label for label in [*study.agents, *own] if not only or label in only]
    if len({_slug(label) for label in labels}) < len(labels):
        raise ConfigError(
            f"{labels}: two of these give one name to a file; letters and digits must differ"
        )
    cells = Path(folder) / "cells"
    with _workers(jobs, backend):
        tries = _run_all(_tries(study, labels), cells, own, jobs, say)
        chosen = _choose(tries)
        jobs_left = [
            _job(
                study,
                label,
                chosen.get((label, _world_name(world)), {}),
                world,
                seed,
                FIRST + seed * study.listeners,
            )
            for world in study.worlds
            for seed in range(study.seeds)
            for label in labels
        ]
        return StudyResult(study, _run_all(jobs_left, cells, own, jobs, say), tries)


# -- cells -----------------------------------------------------------------------------------------------
def run_cell(job: Cell, factory: Factory | None = None) -> Cell:
    """Train one agent with one seed in one world, ask it along its curve: the job with its figures."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the same bits wherever it runs
        start, world, seed = time.perf_counter(), job["world"], job["seed"]
        train_env = environment(world, contestants.ENVIRONMENTS.get(job["kind"], 32))
        asked = environment(world, job["listeners"])
        home = (
            asked if job["kind"] == "oracle" else train_env
        )  # the oracle looks into those it serves
        agent = (
            factory(home, seed)
            if factory
            else contestants.make(
                job["kind"], job["settings"], home, seed, job["steps"]
            )
        )
        curve, before, training = [], 0, 0.0
        learns = hasattr(agent, "train")
        for piece, songs in enumerate(job["curve"] if learns else job["curve"][-1:]):
            began = time.perf_counter()
            if learns:
                agent.train(
                    train_env, songs - before, seed=training_seed(seed) + 100 * piece
                )  # type: ignore[attr-defined]
            training, before = training + time.perf_counter() - began, songs
            played = play(asked, agent, seed=job["first"])
            curve.append([songs, round(float(played.heard().mean()), 6)])
        lists = played.lists()
        return job | {
            "mean": curve[-1][1],
            "curve": curve,
            "learns": learns,
            "liked": round(float(played.liked.sum(axis=0).mean()), 6),
            "first_like": round(float(played.first_like().mean()), 6),
            "never_liked": round(float((~played.liked.any(axis=0)).mean()), 6),
            "coverage": round(
                metrics.catalogue_coverage(lists, len(asked.catalogue)), 6
            ),
            "overlap": round(metrics.between_user_overlap(lists), 6),
            "diversity": round(
                float(
                    metrics.intra_list_diversity(lists, asked.catalogue.sound).mean()
                ),
                6,
            ),
            "training_seconds": round(training, 2),
            "seconds": round(time.perf_counter() - start, 2),
        }


def _job(
    study: Study,
    label: str,
    chosen: Cell,
    world: Mapping[str, float],
    seed: int,
    first: int,
) -> Cell:
    agent = study.agents.get(label, {"agent": OWN})
    settings = {
        name: value for name, value in agent.items() if name not in ("agent", "tries")
    } | chosen
    return {
        "agent": label,
        "kind": agent["agent"],
        "settings": settings,
        "world": dict(world),
        "seed": seed,
        "steps": study.steps,
        "curve": list(study.curve),
        "listeners": study.listeners,
        "first": first,
    }


def _tries(study: Study, labels: Sequence[str]) -> list[Cell]:
    """All settings to choose from, in each world."""
    return [
        _job(study, label, one, world, TUNING_SEED, FIRST_TUNING)
        for world in study.worlds
        for label in labels
        for one in study.agents.get(label, {}).get("tries", [])
    ]


def _choose(tries: Sequence[Cell]) -> dict[tuple[str, str], Cell]:
    """The settings with the highest mean, by label and world's name; of equals the first."""
    found: dict[tuple[str, str], Cell] = {}
    for cell in sorted(tries, key=lambda one: -one["mean"]):
        found.setdefault((cell["agent"], _world_name(cell["world"])), cell["settings"])
    return found


# -- running ---------------------------------------------------------------------------------------------
def _run_all(
    jobs: Sequence[Cell],
    folder: Path,
    own: Mapping[str, Factory],
    workers: int,
    say: Say,
) -> list[Cell]:
    """The cells of all ``jobs``, in their order; those not stored yet are run."""
    from joblib import Parallel, delayed

    prints = [fingerprint(job, own.get(job["agent"])) for job in jobs]
    paths = [folder / _name(job) for job in jobs]
    done = {
        path: cell
        for path, mark in zip(paths, prints, strict=True)
        if (cell := _stored(path, mark))
    }
    left = [place for place, path in enumerate(paths) if path not in done]
    if jobs:
        say(f"{len(jobs)} cells, {len(left)} to run")
    work = (
        delayed(_numbered)(place, jobs[place], own.get(jobs[place]["agent"]))
        for place in left
    )
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "A worker stopped while some jobs", UserWarning
        )  # loky begins a fresh one
        for place, found in Parallel(n_jobs=workers, return_as="generator_unordered")(
            work
        ):
            cell = found | {"fingerprint": prints[place]}
            storage.write_json(paths[place], cell)
            storage.append_row(
                folder.parent / "cells.csv",
                [paths[place].name, cell["mean"], cell["seconds"]],
            )
            done[paths[place]] = json.loads(json.dumps(cell))
            say(_told(cell))
    return [done[path] for path in paths]


def _told(cell: Cell) -> str:
    where = f"{cell['agent']}, {_world_name(cell['world'])}, seed {cell['seed']}"
    return f"{where}: {cell['mean']:.2f} songs a session, took {cell['seconds']:.0f} s"


def _numbered(place: int, job: Cell, factory: Factory | None) -> tuple[int, Cell]:
    return place, run_cell(job, factory)


@contextmanager
def _workers(jobs: int, backend: str) -> Iterator[None]:
    """A joblib backend, one thread a worker."""
    from joblib import parallel_config

    if jobs < 1:
        raise ConfigError(f"jobs is {jobs}; it must be 1 or more")
    with _one_thread_each():
        if backend == "loky":
            with parallel_config("loky", inner_max_num_threads=1):
                yield
            return
        with _dask_client(jobs), parallel_config("dask"):
            yield


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """What TensorFlow reads at its first import, here and in workers that start meanwhile; taken back afterwards."""
    added = {"TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"} - os.environ.keys()
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _dask_client(jobs: int) -> Iterator[None]:
    """The Dask client that is open, or one here with ``jobs`` workers. ``ConfigError`` if there is no Dask."""
    try:
        from distributed import Client, LocalCluster, get_client
    except ImportError:
        raise ConfigError(
            "backend dask needs the package distributed: pip install 'distributed'"
        ) from None
    try:
        get_client()
    except ValueError:  # none is open
        cluster = LocalCluster(
            n_workers=jobs, threads_per_worker=1, dashboard_address=None
        )  # type: ignore[no-untyped-call]
        with cluster, Client(cluster):  # type: ignore[no-untyped-call]
            yield
        return
    yield


def fingerprint(job: Cell, factory: Factory | None = None) -> str:
    """Of all that a cell depends on: its job, an own agent's source, the library's version."""
    source = ""
    if factory is not None:
        try:
            source = inspect.getsource(factory)
        except (OSError, TypeError):
            source = getattr(factory, "__qualname__", repr(type(factory)))
    text = json.dumps([job, source, rlrec.__version__, np.__version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _stored(path: Path, mark: str) -> Cell | None:
    """The cell that is there, if any. Raises ``ConfigError`` if it is of another job, ``DataError`` if broken."""
    if not path.exists():
        return None
    cell = storage.read_json(path)
    if not isinstance(cell, dict) or "mean" not in cell:
        raise DataError(f"{path}: no cell of a study; delete it, and it is run again")
    if cell.get("fingerprint") != mark:
        raise ConfigError(
            f"{path} was run with other settings or another version; choose another folder, or delete it"
        )
    return cell


def _name(job: Cell) -> str:
    parts = [job["agent"], _world_name(job["world"]), str(job["seed"])]
    if job["seed"] == TUNING_SEED:
        parts.append(
            hashlib.sha256(
                json.dumps(job["settings"], sort_keys=True).encode()
            ).hexdigest()[:6]
        )
    return "_".join(_slug(part) for part in parts) + ".json"


def _slug(words: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-")


def _world_name(world: Mapping[str, float]) -> str:
    told = {
        name: value
        for name, value in world.items()
        if (name, value) != ("candidates", WORLD["candidates"])
    }
    return ", ".join(f"{name.split('_')[0]} {value:g}" for name, value in told.items())


# -- all of it -----------------------------------------------------------------------------------------
def as_json(result: StudyResult, command: str, seconds: float) -> dict[str, Any]:
    """All of it, with where it comes from."""
    from rlrec.runs.provenance import commit, device, versions

    return {
        "study": asdict(result.study),
        "cells": result.cells,
        "tries": result.tries,
        "commit": commit(),
        "command": command,
        "seconds": round(seconds, 1),
        "device": device(),
        "versions": versions(),
    }
