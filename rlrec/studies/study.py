"""``rlrec study FILE.toml``: agents x worlds x seeds in parallel, stopped and resumed.

    steps = 98304                  # songs each agent learns from: one budget for all
    curve = [8192, 32768, 98304]   # after so many songs agents are evaluated
    seeds = 10
    listeners = 1000               # of an evaluation, from 2,000,000 on

    [world]                        # a list in place of a number: every combination
    taste_strength = 1.5
    long_term_effect = [0.0, 1.0]

    [agents."PPO"]                 # any name; a kind of `rlrec.studies.contestants`
    agent = "ppo"
    discount = 0.8
    tries = [{learning_rate = 1e-3}, {learning_rate = 3e-3}]

Each seed has listeners of its own, the same for every agent and none of a training, so
all differences are paired by seed. ``tries``: settings to choose from. Each is trained
in each world with ``draws`` seeds (1 if the agent has none) from 1,000 on, each
evaluated on other listeners (from 1,000,000); the one with the best mean of a world
takes part in its seeds. A cell is one file in OUT/cells,
written whole; a cell that is stored is not run again. A small study needs no file:
``rlrec study --agents ppo random --long-term-effect 0 1``.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import rlrec
from rlrec import storage
from rlrec.agents.training import compiled_once
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation import metrics
from rlrec.evaluation.simulate import Played, play
from rlrec.runs.session import training_seed
from rlrec.studies import contestants
from rlrec.studies.contestants import Factory
from rlrec.studies.plan import (
    FIRST,
    FIRST_TUNING,
    TUNING_SEED,
    WORLD,
    Study,
    environment,
)
from rlrec.types import Floats, Say

Cell = dict[str, Any]
BACKENDS = ("loky", "dask", "ray")
# What TensorFlow reads at its first import.
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
VERSIONS = (rlrec.__version__, np.__version__)  # decide a cell's numbers
BUT_SEED = ("agent", "settings", "world")  # of a job: what its seeds share
OWN = "own"  # the kind of an agent that is not the library's, whatever its label


@dataclass(frozen=True)
class StudyResult:
    """What a study found: its cells, and the tries that chose settings."""

    study: Study
    cells: list[Cell]
    tries: list[Cell]

    def frame(self) -> Any:
        """A pandas DataFrame with a row a cell, the world's dials as columns."""
        return cells_frame(self.cells)


def cells_frame(cells: Sequence[Cell]) -> Any:
    """A pandas DataFrame with a row for each of ``cells``, the dials as columns."""
    import pandas as pd

    frame = pd.DataFrame([{**cell, **cell["world"]} for cell in cells])
    return frame.drop(columns=["world", "settings"])


def curves_frame(cells: Sequence[Cell]) -> Any:
    """A row for each point of each cell's curve: agent, seed, practice and heard.

    ``practice``: songs learned from; ``heard``: songs heard in a session.
    """
    import pandas as pd

    rows = []
    for cell in cells:
        for practice, heard in cell["curve"]:
            one = {name: cell[name] for name in ("agent", "kind", "seed", "learns")}
            rows.append({**one, **cell["world"], "practice": practice, "heard": heard})
    return pd.DataFrame(rows)


def run_study(
    study: Study,
    folder: str | Path,
    *,
    jobs: int = 2,
    backend: str = "loky",
    scheduler: str | None = None,
    only: Sequence[str] = (),
    extra_agents: Mapping[str, Factory] | None = None,
    say: Say = print,
) -> StudyResult:
    """Run the cells that are not stored in ``folder`` yet; all cells.

    jobs: processes, 1 or more. backend: "loky" (processes of this machine), "dask"
    (the open `distributed.Client`, or ``jobs`` workers here) or "ray". scheduler: the
    address of a Dask scheduler, whose workers are used. only: labels of agents to run.
    extra_agents: label -> (environment, seed) -> an agent of your own. Raises
    ``ConfigError`` for an unknown agent or backend, and for cells of other settings.
    """
    own = dict(extra_agents or {})
    backend = "dask" if scheduler else backend
    known = [*study.agents, *own]
    unknown = sorted(set(only) - set(known))
    if unknown or backend not in BACKENDS:
        raise ConfigError(
            f"{unknown or backend} unknown; agents {known}, backends {BACKENDS}"
        )
    labels = [label for label in known if not only or label in only]
    if len(set(map(_slug, labels))) < len(labels):
        raise ConfigError(
            f"{labels}: two of these give one name to a file; "
            f"letters and digits must differ"
        )
    cells = Path(folder) / "cells"
    with storage.owned(folder), _workers(jobs, backend, scheduler):
        for path in Path(folder).glob("[!.]*"):
            if not cells.is_dir():
                raise ConfigError(
                    f"{folder} holds {path.name}, and is no study; "
                    f"choose another folder"
                )
        tries = _run_all(_tries(study, labels), cells, own, jobs, backend, say)
        wanted = _seeds(study, labels, _choose(tries))
        found = _run_all(wanted, cells, own, jobs, backend, say)
        return StudyResult(study, found, tries)


# -- cells -----------------------------------------------------------------------------
def run_cell(job: Cell, factory: Factory | None = None) -> Cell:
    """Train one agent with one seed in one world, evaluate it along its curve.

    Returns the job with its figures.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # bit-identical wherever it runs
        start = time.perf_counter()
        kind = job["kind"]
        seed = job["seed"]
        train_env = environment(job["world"], contestants.ENVIRONMENTS.get(kind, 32))
        env = environment(job["world"], job["listeners"])
        # The oracle reads the hidden state of those whom it serves.
        home = env if kind == "oracle" else train_env
        if factory is None:
            agent = contestants.make_contestant(
                kind, job["settings"], home, seed, job["steps"]
            )
        else:
            agent = factory(home, seed)
        train = getattr(agent, "train", None)
        curve = []
        before = 0
        training = 0.0
        with compiled_once(_trainer(agent)):
            for piece, songs in enumerate(job["curve"] if train else [job["steps"]]):
                if train:
                    began = time.perf_counter()
                    first = training_seed(seed) + 100 * piece
                    train(train_env, songs - before, seed=first)
                    training += time.perf_counter() - began
                before = songs
                played = play(env, agent, seed=job["first"])
                curve.append([songs, _mean(played.heard())])
        return {
            **job,
            "mean": curve[-1][1],
            "curve": curve,
            "learns": train is not None,
            **_figures(played, env.catalogue.sound),
            "training_seconds": round(training, 2),
            "seconds": round(time.perf_counter() - start, 2),
        }


def _trainer(agent: Any) -> Any:
    """``agent``, or the one inside of what warms it up or makes its rewards."""
    return _trainer(agent.agent) if hasattr(agent, "agent") else agent


def _figures(played: Played, sound: Floats) -> Cell:
    """Figures of an evaluation beside the mean; ``sound``: of all songs [songs, d]."""
    lists = played.lists()
    return {
        "liked": _mean(played.liked.sum(axis=0)),
        "first_like": _mean(played.first_like()),
        "never_liked": _mean(~played.liked.any(axis=0)),
        "coverage": round(metrics.catalogue_coverage(lists, len(sound)), 6),
        "overlap": round(metrics.between_user_overlap(lists), 6),
        "diversity": _mean(metrics.intra_list_diversity(lists, sound)),
    }


def _mean(values: Any) -> float:
    return round(float(np.mean(values)), 6)


def _job(
    study: Study,
    label: str,
    chosen: Cell,
    world: Mapping[str, float],
    seed: int,
) -> Cell:
    """What a cell is to run; "first" is the seed of the first evaluated listener."""
    agent = study.agents.get(label, {"agent": OWN})
    settings = {**agent, **chosen}
    for name in ("agent", "tries", "draws"):
        settings.pop(name, None)
    first = FIRST + seed * study.listeners
    if seed >= TUNING_SEED:
        first = FIRST_TUNING + (seed - TUNING_SEED) * study.listeners
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
    """A job for all settings to choose from, in each world."""
    jobs = []
    for world in study.worlds:
        for label in labels:
            agent = study.agents.get(label, {})
            for one in agent.get("tries", []):
                for draw in range(agent.get("draws", 1)):
                    jobs.append(_job(study, label, one, world, TUNING_SEED + draw))
    return jobs


def _choose(tries: Sequence[Cell]) -> dict[tuple[str, str], Cell]:
    """The settings with the highest mean, by label and world; ties: the first."""
    found: dict[tuple[str, str], Cell] = {}
    means: dict[str, float] = {}
    for cell in tries:
        one = json.dumps([cell["agent"], cell["world"], cell["settings"]])
        means[one] = means.get(one, 0.0) + cell["mean"]
    for one in sorted(means, key=lambda one: -means[one]):
        label, world, settings = json.loads(one)
        found.setdefault((label, _world_name(world)), settings)
    return found


def _seeds(
    study: Study, labels: Sequence[str], chosen: Mapping[tuple[str, str], Cell]
) -> list[Cell]:
    """A job for each agent and seed, in each world."""
    jobs = []
    for world in study.worlds:
        for seed in range(study.seeds):
            for label in labels:
                settings = chosen.get((label, _world_name(world)), {})
                jobs.append(_job(study, label, settings, world, seed))
    return jobs


# -- running ---------------------------------------------------------------------------
def _run_all(
    jobs: Sequence[Cell],
    folder: Path,
    own: Mapping[str, Factory],
    workers: int,
    backend: str,
    say: Say,
) -> list[Cell]:
    """The cells of all ``jobs``, in their order; those not stored yet are run."""
    from joblib import Parallel, delayed

    cells: list[Cell] = []
    work = []
    parent = os.getpid() if backend == "loky" and workers > 1 else 0
    for place, job in enumerate(jobs):
        factory = own.get(job["agent"])
        reference = cell_fingerprint(job, factory)
        cell = _stored(folder / _file_name(job), reference)
        if cell is None:
            cell = job | {"fingerprint": reference}
            work.append(delayed(_numbered)(place, job, factory, parent, VERSIONS))
        cells.append(cell)
    # seeds of one agent in a row: a worker compiles its updates once
    work.sort(key=lambda call: json.dumps([call[1][1][name] for name in BUT_SEED]))
    if jobs:
        say(f"{len(jobs)} cells, {len(work)} to run")
    with warnings.catch_warnings():
        # loky starts another worker then
        warnings.filterwarnings(
            "ignore", "A worker stopped while some jobs", UserWarning
        )
        kind = "generator_unordered"
        parts = [work]
        if backend == "ray":  # its results come as lists: one cell a worker in each
            kind = "list"
            starts = range(0, len(work), workers)
            parts = [work[start : start + workers] for start in starts]
        with Parallel(n_jobs=workers, return_as=kind) as parallel:
            for part in parts:
                for place, found in parallel(part):
                    cell = found | {"fingerprint": cells[place]["fingerprint"]}
                    cells[place] = json.loads(json.dumps(cell))
                    _keep(cell, folder, say)
    return cells


def _keep(cell: Cell, folder: Path, say: Say) -> None:
    """Write a cell into ``folder``, add it to the list of cells, report it."""
    name = _file_name(cell)
    storage.write_json(folder / name, cell | {"checksum": storage.digest(cell)})
    row = [name, cell["mean"], cell["seconds"]]
    storage.append_row(folder.parent / "cells.csv", row)
    say(
        f"{cell['agent']}, {_world_name(cell['world'])}, seed {cell['seed']}: "
        f"{cell['mean']:.2f} songs a session, took {cell['seconds']:.0f} s"
    )


def _numbered(
    place: int,
    job: Cell,
    factory: Factory | None,
    parent: int,
    wanted: tuple[str, str],
) -> tuple[int, Cell]:
    """A cell with its place. A worker ends when its ``parent``, unless 0, has ended.

    Raises ``ConfigError`` if the worker has not the ``wanted`` versions.
    """
    if parent:
        _follow(parent)
    if wanted != VERSIONS:
        raise ConfigError(
            f"a worker has rlrec and NumPy {VERSIONS}, not {wanted}; "
            f"install the same on every machine"
        )
    for name in THREADS:  # on another machine it is not set yet
        os.environ.setdefault(name, "1")
    return place, run_cell(job, factory)


@cache
def _follow(parent: int) -> None:
    """Start, once a worker, a thread that ends the process after its parent."""

    def end() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


@contextmanager
def _workers(jobs: int, backend: str, scheduler: str | None) -> Iterator[None]:
    """A joblib backend, one thread a worker."""
    from joblib import parallel_config

    if jobs < 1:
        raise ConfigError(f"jobs is {jobs}; it must be 1 or more")
    with _one_thread_each():
        if backend == "loky":
            with parallel_config("loky", inner_max_num_threads=1):
                yield
        elif backend == "ray":
            _register_ray()
            with parallel_config("ray"):
                yield
        else:
            with _dask_client(jobs, scheduler), parallel_config("dask"):
                yield


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Set what TensorFlow reads at its first import, here and in workers; for a while.

    Variables that are set already stay as they are.
    """
    added = set(THREADS) - os.environ.keys()
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _register_ray() -> None:
    """Make Ray known to joblib. Raises ``ConfigError`` without Ray."""
    try:
        from ray.util.joblib import register_ray
    except ImportError:
        raise ConfigError(
            "backend ray needs the package ray: pip install ray"
        ) from None
    register_ray()


@contextmanager
def _dask_client(jobs: int, scheduler: str | None) -> Iterator[None]:
    """A Dask client: of a ``scheduler``, the open one, or of ``jobs`` workers here.

    Raises ``ConfigError`` without Dask, if no scheduler answers, and if it has workers
    of several threads: what a cell sets for its process would reach other cells.
    """
    try:
        from distributed import Client, LocalCluster, get_client
    except ImportError:
        raise ConfigError(
            "backend dask needs the package distributed: pip install 'distributed'"
        ) from None
    cluster: Any = nullcontext(scheduler)
    if scheduler is None:
        try:
            get_client()
            cluster = None
        except ValueError:  # none is open
            cluster = LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=jobs, threads_per_worker=1, dashboard_address=None
            )
    if cluster is None:
        yield
        return
    with cluster as place:
        try:
            client: Any = Client(place)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"no Dask scheduler answers at {place} ({error}); start one: "
                f"dask scheduler"
            ) from None
        with client:
            if max(client.nthreads().values(), default=1) > 1:
                raise ConfigError(
                    f"workers at {place} have several threads; start them with one: "
                    f"dask worker {place} --nthreads 1 --nworkers 4"
                )
            yield


# -- files -----------------------------------------------------------------------------
def cell_fingerprint(job: Cell, factory: Factory | None = None) -> str:
    """Of all that a cell depends on: its job, an own agent's source, the versions."""
    source = ""
    if factory is not None:
        try:
            source = inspect.getsource(factory)
        except (OSError, TypeError):
            source = getattr(factory, "__qualname__", repr(type(factory)))
    text = json.dumps([job, source, *VERSIONS], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _stored(path: Path, reference: str) -> Cell | None:
    """The stored cell, if any.

    Raises ``ConfigError`` if it has another fingerprint than ``reference``,
    ``DataError`` if it is broken.
    """
    if not path.exists():
        return None
    cell = storage.read_json(path)
    if cell.pop("checksum", None) != storage.digest(cell):
        raise DataError(
            f"{path}: no cell of a study, or changed since; delete it, and it is run "
            f"again"
        )
    if cell.get("fingerprint") != reference:
        raise ConfigError(
            f"{path} was run with other settings or another version; "
            f"choose another folder, or delete it"
        )
    return cell


def _file_name(job: Cell) -> str:
    parts = [job["agent"], _world_name(job["world"]), str(job["seed"])]
    if job["seed"] >= TUNING_SEED:
        settings = json.dumps(job["settings"], sort_keys=True)
        parts.append(hashlib.sha256(settings.encode()).hexdigest()[:6])
    return "_".join(map(_slug, parts)) + ".json"


def _slug(words: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-")


def _world_name(world: Mapping[str, float]) -> str:
    """The dials in short; as many candidates as by default are left out."""
    dials = []
    for name, value in world.items():
        if (name, value) != ("candidates", WORLD["candidates"]):
            dials.append(f"{name.split('_')[0]} {value:g}")
    return ", ".join(dials)


def study_json(result: StudyResult, command: str, start: float) -> dict[str, Any]:
    """All of a study, and where it comes from; ``start``: of `time.monotonic`."""
    from rlrec.runs.provenance import provenance

    return {
        "study": asdict(result.study),
        "cells": result.cells,
        "tries": result.tries,
        **provenance(command, start),
    }
