"""The `rlrec` command. Each command is a plain function; `COMMANDS` is their tree.

A command returns its exit status (None: 0). An error of the library becomes one
sentence on stderr, status 1; so does any other exception, with its traceback in a file.
"""

from __future__ import annotations

import shlex
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from contextvars import ContextVar
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO, cast

import tyro

from rlrec.agents.ddpg_config import DDPGConfig
from rlrec.agents.nstep import NStepConfig
from rlrec.agents.ppo_config import PPO_SETTINGS, PPOConfig
from rlrec.agents.qlearning import QLearningConfig
from rlrec.collaborative.drr_config import DRR_SETTINGS, DRRConfig
from rlrec.datasets.reading.columns import AS_GUESSED, Reading
from rlrec.errors import ConfigError, DataError, Notice, RlrecError
from rlrec.runs.listening import ListeningRun, World
from rlrec.runs.progress import Screen, printable
from rlrec.runs.provenance import choose_device, fix_threads
from rlrec.runs.run import CHANGEABLE, TrainingRun, flat
from rlrec.runs.session import STATUS, stopped_by
from rlrec.sound.vae_config import VAEConfig
from rlrec.studies.plan import Study, StudyFlags

Command = Callable[..., int | None]
Device = Literal["cpu", "gpu", "auto"]
# Of the command that runs.
ARGUMENTS: ContextVar[tuple[str, ...]] = ContextVar("arguments", default=())


def optional(metavar: str, name: str | None = None) -> Any:
    """An argument whose default, if it has one, stands in the words of its help."""
    return tyro.conf.arg(name=name, metavar=metavar, help_behavior_hint="")


# -- data ------------------------------------------------------------------------------
def command_data_list() -> None:
    """The data sets rlrec knows, and whether each is on this machine."""
    from rlrec.datasets.folders import locate
    from rlrec.datasets.known import CATALOGUE

    for name, known in CATALOGUE.items():
        try:
            where = str(locate(name))
        except DataError:
            where = "rlrec data make"
            if known.urls:
                where = f"rlrec data fetch {name} ({known.size / 1e6:.1f} MB)"
        print(f"{name:<17}{known.kind:<27}{where}\n{'':<17}{known.summary}")


def command_data_card(name: Annotated[str, tyro.conf.arg(metavar="NAME")], /) -> None:
    """A data set's card: content, source, licence, limits.

    Args:
        name: a name from `rlrec data list`, or tracks, ratings, sessions.
    """
    from rlrec.datasets.folders import bundled_folder, data_set

    path = bundled_folder() / f"{name}.md"
    if name in ("tracks", "ratings", "sessions") and path.is_file():
        print(path.read_text(encoding="utf-8").rstrip())
    else:
        print(data_set(name).card())


def command_data_fetch(
    name: Annotated[str, tyro.conf.arg(metavar="NAME")],
    /,
    from_: Annotated[Path | None, optional("FILE", name="from")] = None,
    out: Annotated[Path | None, optional("DIR")] = None,
) -> None:
    """Download a data set from its owner, check it, unpack it.

    A broken download is resumed.

    Args:
        name: a name from `rlrec data list`.
        from_: an archive that was downloaded by hand, used instead of the network.
        out: folder to put it in, as DIR/NAME (default: where the loaders look).
    """
    from rlrec.datasets.fetch import fetch
    from rlrec.datasets.folders import data_set

    print(f"{name}: {data_set(name).licence}", file=sys.stderr)
    print(fetch(name, source_file=from_, out=out))


def command_data_check(
    path: Annotated[str, tyro.conf.arg(metavar="PATH")],
    /,
    rejects: Annotated[Path | None, optional("PATH")] = None,
    reading: Annotated[Reading, tyro.conf.arg(name="")] = AS_GUESSED,
) -> int:
    """What a file holds, and which commands can train on it.

    Exit status: 0 usable, 1 refused, 2 not found.

    Args:
        path: a file, a folder or a data set's name.
        rejects: a CSV to write the unusable rows to, with the reason for each.
        reading: how ratings are read, where the guess is wrong.
    """
    from rlrec.datasets.check import USABLE, check_data
    from rlrec.runs.gate import training_lines

    remarks = partial(training_lines, reading=reading)
    text, status = check_data(path, rejects=rejects, reading=reading, remarks=remarks)
    print(text, file=sys.stdout if status == USABLE else sys.stderr)
    return status


def command_data_sessions(
    path: Annotated[str, tyro.conf.arg(metavar="PATH")],
    /,
    *,
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")],
) -> None:
    """Write a listening history as sessions: a CSV, a row a play.

    Args:
        path: a history (Spotify, ListenBrainz, Last.fm), or a folder with Spotify's.
        out: the CSV to write; must not exist yet.
    """
    from rlrec.datasets import load_sessions, write_sessions

    if out.exists():
        raise ConfigError(f"{out} exists already; give another name")
    sessions = load_sessions(path)
    write_sessions(out, sessions)
    print(f"{sessions.report}\nwritten to {out}")


def command_data_make(
    out: Annotated[Path | None, optional("DIR")] = None,
) -> None:
    """Make the generated data again: tracks.csv, ratings.csv and sessions.csv.

    The files have the same bytes every time.

    Args:
        out: folder to write to (default: the data folder of the project).
    """
    from rlrec.datasets.folders import bundled_folder
    from rlrec.datasets.generate import make_data
    from rlrec.logs.session_files import make_sessions
    from rlrec.storage import require_output

    folder = out or bundled_folder()
    if out is not None:
        for name in ("tracks.csv", "ratings.csv", "sessions.csv"):
            require_output(out / name, "--out")
    for path in [*make_data(folder), make_sessions(folder)]:
        print(path)


# -- training --------------------------------------------------------------------------
def command_train_qlearning(
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")],
    user: Annotated[str | None, optional("PROFILE")] = None,
    plays: Annotated[str | None, optional("SOURCE")] = None,
    listener: Annotated[str | None, optional("NAME")] = None,
    steps: int = 20_000,
    seed: int = 0,
    settings: Annotated[QLearningConfig, tyro.conf.arg(name="")] = QLearningConfig(),  # noqa: B008
) -> None:
    """Train tabular Q-learning on one user of Genre-v0; compare it with three policies.

    They are random, greedy one step and planning.

    Args:
        out: folder of the run, such as runs/mine; must not hold a run yet.
        user: a named profile (default pop_lover): generic, pop_lover, rock_fan,
            variety_seeker, calm_worker, headliner, flighty.
        plays: play counts to make the profile from instead: lastfm, a folder, a
            user,genre,plays CSV, or a listening history.
        listener: whose plays (default: all users together).
        steps: songs to recommend while learning, 1 or more.
        seed: of the listener's reactions and the agent's exploration.
        settings: hyperparameters.
    """
    from rlrec.runs.qlearning import profile_from_plays, train_qlearning

    if plays is None and listener is not None:
        raise ConfigError(
            "--listener names somebody in the play counts; give --plays SOURCE with it"
        )
    if plays is not None and user is not None:
        raise ConfigError("--user and --plays both say who listens; give one of them")
    profile = user or "pop_lover"
    chosen = profile if plays is None else profile_from_plays(plays, listener)
    print(train_qlearning(out, chosen, settings, steps=steps, seed=seed))
    songs = "--playing Rock" if plays is None else f"--tracks {shlex.quote(plays)}"
    print(f"kept in {out}; try: rlrec recommend {out} {songs} -k 3")


def command_train_ddpg(
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")],
    data: Annotated[str, tyro.conf.arg(metavar="SOURCE")] = "generated",
    resume: tyro.conf.FlagCreatePairsOff[bool] = False,
    deterministic: tyro.conf.FlagCreatePairsOff[bool] = False,
    device: Device = "auto",
    protocol: str = "rerank",
    split: str = "time",
    steps: Annotated[int | None, optional("INT")] = None,
    seed: int = 0,
    seeds: int = 1,
    checkpoint_every: int = 20_000,
    reading: Annotated[Reading, tyro.conf.arg(name="")] = AS_GUESSED,
    config: Annotated[DRRConfig, tyro.conf.arg(name="")] = DRRConfig(),  # noqa: B008
    settings: Annotated[DDPGConfig, tyro.conf.arg(name="")] = DRR_SETTINGS,
) -> int:
    """Train DRR (DDPG on ratings); Ctrl-C keeps what there is, --resume goes on.

    Args:
        out: folder of the run, such as runs/mine; must not hold a run yet, but for
            --resume.
        data: ratings: ml-100k, ml-1m, generated, or your own CSV (`rlrec data check`
            says whether it will do).
        resume: go on with the run in --out, with its own settings; --steps and
            --schedule-steps may be raised, --checkpoint-every may change.
        deterministic: one thread, so that the number of cores changes no bit.
        device: what TensorFlow computes on; auto: a GPU where it sees one.
        protocol: what to hold out for: rerank (order what a user chose), session
            (new users), next_item.
        split: time or random.
        steps: recommendations (default: twice the training ratings, at most 100,000).
        seed: of vectors, networks, exploration and a random split.
        seeds: how many runs, from --seed on, each in a folder of its own within --out.
        checkpoint_every: steps, 64 or more.
        reading: how the file is read.
        config: vectors and training episodes. --goal follows --protocol unless given.
        settings: hyperparameters. --schedule-steps follows --steps unless given.
    """
    if deterministic:
        fix_threads()
    choose_device(device)
    from rlrec.runs.ddpg import DDPGRun, resume_ddpg, train_ddpg
    from rlrec.runs.task import Task

    aimed = config
    if "goal" not in _given():
        aimed = replace(config, goal="rerank" if protocol == "rerank" else "catalogue")

    def train(folder: Path, seed: int, resume: bool) -> int:
        task = Task(data, protocol, split, seed, reading)
        if resume:
            wanted = asdict(task) | {"data": task.source, "steps": steps}
            wanted["checkpoint_every"] = checkpoint_every
            changes = _changes(DDPGRun.read(folder), wanted, settings, config, reading)
            return resume_ddpg(folder, command=_command(), **changes)
        return train_ddpg(
            folder,
            task,
            aimed,
            settings,
            steps=steps,
            fit_schedule="schedule_steps" not in _given(),
            checkpoint_every=checkpoint_every,
            command=_command(),
        )

    return _each_seed(out, seed, seeds, resume, train)


def command_train_vae(
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")],
    data: Annotated[str, tyro.conf.arg(metavar="SOURCE")] = "generated",
    scaling: Literal["fixed", "min-max"] = "fixed",
    device: Device = "auto",
    seed: int = 0,
    seeds: int = 1,
    config: Annotated[VAEConfig, tyro.conf.arg(name="")] = VAEConfig(),  # noqa: B008
) -> int:
    """Train a map of sound on 11 audio features; compare it with PCA.

    Both are compared on held-out tracks.

    Args:
        out: folder of the run, such as runs/map; must not hold a run yet.
        data: tracks: spotify-songs, generated, or your own CSV.
        scaling: fixed (features by ranges that never change) or min-max (of the
            training tracks).
        device: what TensorFlow computes on; auto: a GPU where it sees one.
        seed: of the tracks held out, the first weights and the noise.
        seeds: how many runs, from --seed on, each in a folder of its own within --out.
        config: hyperparameters.
    """
    choose_device(device)
    from rlrec.runs.vae import train_vae

    def train(folder: Path, seed: int, resume: bool) -> int:
        train_vae(folder, data, config, seed=seed, scaling=scaling, command=_command())
        return 0

    return _each_seed(out, seed, seeds, False, train)


def command_train_ppo(
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")],
    data: Annotated[str, tyro.conf.arg(metavar="SOURCE")] = "generated",
    resume: tyro.conf.FlagCreatePairsOff[bool] = False,
    deterministic: tyro.conf.FlagCreatePairsOff[bool] = False,
    device: Device = "auto",
    steps: Annotated[int | None, optional("INT")] = None,
    seed: int = 0,
    seeds: int = 1,
    checkpoint_every: int = 100_000,
    world: Annotated[World, tyro.conf.arg(name="")] = World(),  # noqa: B008
    settings: Annotated[PPOConfig, tyro.conf.arg(name="")] = PPO_SETTINGS,
) -> int:
    """Train PPO on simulated listeners.

    Ctrl-C keeps what there is, --resume goes on.

    Args:
        out: folder of the run, such as runs/live; must not hold a run yet, but for
            --resume.
        data: tracks: spotify-songs, generated, or your own CSV.
        resume: go on with the run in --out, with its own settings; --steps and
            --schedule-steps may be raised, --checkpoint-every may change.
        deterministic: one thread, so that the number of cores changes no bit.
        device: what TensorFlow computes on; auto: a GPU where it sees one.
        steps: songs to learn from (default: 200,000).
        seed: of the map, networks and random draws.
        seeds: how many runs, from --seed on, each in a folder of its own within --out.
        checkpoint_every: songs, a round or more.
        world: who listens, and the map.
        settings: hyperparameters. --schedule-steps follows --steps unless given.
    """
    if deterministic:
        fix_threads()
    choose_device(device)
    from rlrec.runs.ppo import PPORun

    budget = {"steps": steps, "checkpoint_every": checkpoint_every}

    def train(folder: Path, seed: int, resume: bool) -> int:
        own = budget | {"seed": seed}
        return _train_listening(PPORun, folder, data, resume, world, settings, own)

    return _each_seed(out, seed, seeds, resume, train)


def command_train_nstep(
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")],
    data: Annotated[str, tyro.conf.arg(metavar="SOURCE")] = "generated",
    resume: tyro.conf.FlagCreatePairsOff[bool] = False,
    deterministic: tyro.conf.FlagCreatePairsOff[bool] = False,
    device: Device = "cpu",
    steps: Annotated[int | None, optional("INT")] = None,
    seed: int = 0,
    seeds: int = 1,
    checkpoint_every: int = 8_192,
    world: Annotated[World, tyro.conf.arg(name="")] = World(map="sound"),  # noqa: B008
    settings: Annotated[NStepConfig, tyro.conf.arg(name="")] = NStepConfig(),  # noqa: B008
) -> int:
    """Train the linear n-step learner on simulated listeners, in seconds.

    Ctrl-C keeps what there is, --resume goes on.

    Args:
        out: folder of the run, such as runs/few; must not hold a run yet, but for
            --resume.
        data: tracks: spotify-songs, generated, or your own CSV.
        resume: go on with the run in --out, with its own settings; --steps and
            --schedule-steps may be raised, --checkpoint-every may change.
        deterministic: one thread, so that the number of cores changes no bit.
        device: of a map that is trained first; the learner itself needs no GPU.
        steps: songs to learn from (default: 32,768).
        seed: of the map and random draws.
        seeds: how many runs, from --seed on, each in a folder of its own within --out.
        checkpoint_every: songs, a round or more.
        world: who listens, and the map; --candidates 0 offers every song.
        settings: hyperparameters. --schedule-steps follows --steps unless given.
    """
    if deterministic:
        fix_threads()
    choose_device(device)
    from rlrec.runs.nstep import NStepRun

    budget = {"steps": steps, "checkpoint_every": checkpoint_every}

    def train(folder: Path, seed: int, resume: bool) -> int:
        own = budget | {"seed": seed}
        return _train_listening(NStepRun, folder, data, resume, world, settings, own)

    return _each_seed(out, seed, seeds, resume, train)


def _each_seed(
    out: Path,
    seed: int,
    seeds: int,
    resume: bool,
    train: Callable[[Path, int, bool], int],
) -> int:
    """Train a run in ``out``, or several in folders within it; the exit status.

    ``train``: folder, seed, whether to resume -> exit status. Runs that were not begun
    begin, also if the others are resumed. Updates are compiled once for all.
    """
    if seeds < 1:
        raise ConfigError(f"seeds is {seeds}; it must be 1 or more")
    if seeds == 1:
        return train(out, seed, resume)
    if (out / "config.json").exists():
        raise ConfigError(f"{out} holds one run; give several a folder of their own")
    statuses = []
    for one in range(seed, seed + seeds):
        folder = out / f"seed-{one}"
        begun = (folder / "config.json").exists()
        statuses.append(train(folder, one, resume and begun))
        if statuses[-1] == STATUS["stopped"]:
            print("to go on with all: the same command with --resume")
            return statuses[-1]
    print(f"{seeds} runs, kept in {out}/seed-*")
    return max(statuses)


def _train_listening(
    kind: type[ListeningRun],
    out: Path,
    data: str,
    resume: bool,
    world: World,
    settings: Any,
    budget: dict[str, Any],
) -> int:
    """Train, or resume, a run of ``kind``; ``budget``: steps, seed, checkpoints."""
    from rlrec.runs.listening import map_source, resume_listening, train_listening
    from rlrec.runs.run import data_source

    if resume:
        wanted = {"data": data_source(data), **budget}
        own_world = replace(world, map=map_source(world.map))
        changes = _changes(kind.read(out), wanted, settings, own_world)
        return resume_listening(kind, out, command=_command(), **changes)
    if budget["steps"] is None:
        budget["steps"] = kind.STEPS
    return train_listening(
        kind,
        out,
        data,
        world,
        settings,
        fit_schedule="schedule_steps" not in _given(),
        command=_command(),
        **budget,
    )


def _command() -> str:
    """The command line, as a shell takes it."""
    return shlex.join(["rlrec", *ARGUMENTS.get()])


def _given() -> set[str]:
    """The flags on the command line by the names of their fields.

    ``--no-twin`` is "twin", ``--priority.alpha`` is "priority.alpha".
    """
    names = set()
    for word in ARGUMENTS.get():
        if word.startswith("--"):
            name = word[2:].split("=")[0].replace("-", "_")
            names.add(name.removeprefix("no_"))
    return names


def _changes(
    run: TrainingRun, wanted: Mapping[str, Any], *settings: Any
) -> dict[str, Any]:
    """What the flags on the command line change in a ``run`` that is resumed.

    Their values are in ``wanted`` and in dataclasses. Raises ``ConfigError`` for a flag
    that contradicts the run.
    """
    every = dict(wanted)
    for one in settings:
        every |= flat(asdict(one))
    given = {name: every[name] for name in every.keys() & _given()}
    changes = {name: given.pop(name) for name in given.keys() & CHANGEABLE}
    run.require_same(given)
    return changes


# -- using a run -----------------------------------------------------------------------
def command_recommend(
    run: Annotated[Path, tyro.conf.arg(metavar="DIR")],
    /,
    history: Annotated[str | None, optional("TITLES")] = None,
    playing: Annotated[str | None, optional("TITLE")] = None,
    track: Annotated[str | None, optional("TITLE")] = None,
    k: Annotated[int, tyro.conf.arg(aliases=["-k"])] = 3,
    tracks: Annotated[str | None, optional("SOURCE")] = None,
) -> None:
    """What a trained agent recommends.

    Films after a history (ddpg), songs after a genre (qlearning) or after songs (ppo,
    nstep).

    Args:
        run: folder that a training wrote.
        history: titles you liked, separated by semicolons, the last one last; for a run
            of ddpg.
        playing: the genre that plays now (default: the first one the user knows); for a
            run of qlearning.
        track: titles heard, separated by semicolons, the last one plays now; for a run
            of ppo or nstep.
        k: how many.
        tracks: catalogue for the songs' titles, for qlearning: a data set's name, a
            CSV or a listening history (default: generated).
    """
    from rlrec.runs.run import agent_of

    agent = agent_of(run)
    if agent == "vae":
        raise ConfigError(
            f"{run} is a run of vae, a map of sound, which recommends nothing; "
            f"train on it: rlrec train ppo --map {run} --out FOLDER"
        )
    flags = {"history": history, "playing": playing, "track": track, "tracks": tracks}
    songs = ('--track "Title; Title"', "track")
    rule, *allowed = {
        "ddpg": ('--history "Title; Title"', "history"),
        "ppo": songs,
        "nstep": songs,
        "qlearning": ("--playing GENRE", "playing", "tracks"),
    }[agent]
    for name, value in flags.items():
        if value is not None and name not in allowed:
            raise ConfigError(f"{run} is a run of {agent}: give {rule}, not --{name}")
    titles = flags[allowed[0]]
    if agent == "qlearning":
        from rlrec.runs.qlearning import recommend_songs

        print(recommend_songs(run, titles, k, tracks or "generated"))
    elif titles is None:
        raise ConfigError(f"{run} is a run of {agent}: say what you liked, {rule}")
    elif agent == "ddpg":
        from rlrec.runs.ddpg_recommend import recommend_titles

        print(recommend_titles(run, titles, k))
    else:
        from rlrec.runs.listening import recommend_tracks

        print(recommend_tracks(_listening_kind(agent), run, titles, k))


def _listening_kind(agent: str) -> type[ListeningRun]:
    from rlrec.runs.nstep import NStepRun
    from rlrec.runs.ppo import PPORun

    return NStepRun if agent == NStepRun.AGENT else PPORun


def command_evaluate(
    runs: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="DIR")],
    /,
    protocol: Annotated[str | None, optional("NAME")] = None,
    split: Annotated[str | None, optional("NAME")] = None,
    json: Annotated[Path | None, optional("FILE")] = None,
    reading: Annotated[Reading, tyro.conf.arg(name="")] = AS_GUESSED,
) -> None:
    """Compare runs of ddpg, ppo or nstep with baselines, and say whether RL pays.

    Args:
        runs: folders that `rlrec train` wrote (ddpg, ppo, nstep); several: one
            configuration, different seeds.
        protocol: for ddpg rerank, session or next_item (default, and all that is fair:
            what the runs were trained for); for ppo and nstep simulate.
        split: for ddpg: time or random (likewise).
        json: a file to write all of it to.
        reading: for ddpg: how the ratings were read in training (likewise).
    """
    from rlrec.runs.run import agent_of

    if runs and (agent := agent_of(runs[0])) in ("ppo", "nstep"):
        from rlrec.runs.ppo_evaluation import evaluate_ppo

        if protocol not in (None, "simulate") or split is not None:
            raise ConfigError(
                f"{runs[0]} is a run of {agent}: it is evaluated by "
                f"--protocol simulate, without --split"
            )
        evaluate_ppo(runs, json_path=json, command=_command())
        return
    if protocol == "simulate":
        raise ConfigError(
            "only a run of ppo or nstep can be evaluated by --protocol simulate"
        )
    from rlrec.runs.ddpg import DDPGRun
    from rlrec.runs.ddpg_evaluation import evaluate_ddpg

    for run in runs:
        _changes(DDPGRun.read(run), {}, reading)
    evaluate_ddpg(
        runs, protocol=protocol, split=split, json_path=json, command=_command()
    )


def command_study(
    file: Annotated[Path | None, optional("FILE.toml")] = None,
    /,
    *,
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")],
    jobs: int = 2,
    backend: Literal["loky", "dask", "ray"] = "loky",
    scheduler: Annotated[str | None, optional("ADDRESS")] = None,
    only: tuple[str, ...] = (),
    json: Annotated[Path | None, optional("FILE")] = None,
    flags: Annotated[StudyFlags, tyro.conf.arg(name="")] = StudyFlags(),  # noqa: B008
) -> None:
    """Agents x worlds x seeds on simulated listeners; a table, a verdict.

    Cells run in parallel; a study that was stopped is resumed. What to run comes from a
    file, or from --agents and the flags below it. Kinds of agents: random, popularity,
    constant, greedy, rule, item-knn, ease, biases-ease, mf, linucb, nstep,
    qlearning, dqn, ddpg, ppo, oracle.

    Args:
        file: what to run; `lessons/results/contest.toml` is an example.
        out: a folder for the cells; those that are there are not run again.
        jobs: processes.
        backend: loky: on this machine; dask: workers of Dask on this machine; ray: a
            cluster of Ray.
        scheduler: of a Dask cluster, such as tcp://HOST:8786, whose workers run the
            cells (then --jobs is not used).
        only: labels of agents; the others are left for later.
        json: a file to write all of it to.
        flags: what to run, in place of a file.
    """
    from rlrec.runs.provenance import publish, require_result_path
    from rlrec.studies.report import study_table
    from rlrec.studies.study import run_study, study_json

    start = time.monotonic()
    require_result_path(json)
    also = sorted(_given() & {one.name for one in fields(StudyFlags)})
    if file is not None and also:
        flag = also[0].replace("_", "-")
        raise ConfigError(f"{file} and --{flag} both say what to run; give one of them")
    plan = flags.study() if file is None else Study.read(file)
    result = run_study(
        plan, out, jobs=jobs, backend=backend, scheduler=scheduler, only=only
    )
    content = study_json(result, _command(), start)
    publish(study_table(result.cells), content, json, print)


def command_lessons(
    folder: Annotated[Path, tyro.conf.arg(metavar="FOLDER")],
    /,
) -> None:
    """Copy the course out of an installed package: notebooks, their modules, pictures.

    Args:
        folder: where to put it; made if need be. What is there already is kept.
    """
    from rlrec.course import copy_course

    for path in copy_course(folder):
        print(path)
    print(f"open it: rlrec lab {shlex.quote(str(folder))}")


def command_lab(
    folder: Annotated[
        tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER")
    ] = Path("rlrec-course"),
    browser: bool = True,
    ip: str = "localhost",
    port: int = 8888,
) -> None:
    """Open the course in JupyterLab; Ctrl-C stops it.

    Args:
        folder: where the course is, or is copied to first; a clone opens its own.
        browser: open it in a browser; otherwise the address is printed.
        ip: address to listen on; 0.0.0.0: all, as in a container.
        port: port, or the next free one.
    """
    from rlrec.course import open_course

    quiet = [] if browser else ["--no-browser"]
    open_course(folder, f"--ip={ip}", f"--port={port}", *quiet)


def command_grade(
    notebooks: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="NOTEBOOK...")],
    /,
    csv: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    seconds: float = 60,
    memory: float = 4,
) -> None:
    """Run the checks of students' notebooks, each in a process of its own.

    A guard refuses to change files outside an empty folder and to start processes:
    against accidents and mischief. It is no jail; files can be read, and code that sets
    out to gets past it. Hand-ins of strangers: on a machine you can lose.

    Args:
        notebooks: files of students; they are read, never changed.
        csv: file to write the table to.
        seconds: longest time for a cell (a notebook: ten times as long).
        memory: gigabytes of address space; limited on Linux only.
    """
    from rlrec.grade import grade

    table = grade(notebooks, seconds=seconds, memory=memory)
    print(table.to_string(index=False))
    if csv:
        table.to_csv(csv, index=False)


def command_doctor() -> None:
    """What this machine has: Python, packages, cores, data; whether a GPU works."""
    from rlrec.doctor import report

    print(report())


COMMANDS: dict[str, Command | dict[str, Command]] = dict(
    data=dict(
        list=command_data_list,
        card=command_data_card,
        fetch=command_data_fetch,
        check=command_data_check,
        sessions=command_data_sessions,
        make=command_data_make,
    ),
    train=dict(
        qlearning=command_train_qlearning,
        ddpg=command_train_ddpg,
        vae=command_train_vae,
        ppo=command_train_ppo,
        nstep=command_train_nstep,
    ),
    recommend=command_recommend,
    evaluate=command_evaluate,
    study=command_study,
    lessons=command_lessons,
    lab=command_lab,
    grade=command_grade,
    doctor=command_doctor,
)
GROUPS = {
    "data": "Data sets: list, card, fetch, check, sessions, make.",
    "train": "Train an agent, kept in a folder: qlearning, ddpg, vae, ppo, nstep.",
}


# -- the command -----------------------------------------------------------------------
def build() -> tyro.extras.SubcommandApp:
    """The command tree for tyro."""
    app = tyro.extras.SubcommandApp()
    for name, entry in COMMANDS.items():
        if isinstance(entry, dict):
            group = tyro.extras.SubcommandApp()
            for inner, function in entry.items():
                group.command(name=inner)(function)
            app.command(group, name=name, help=GROUPS[name])
        else:
            app.command(name=name)(entry)
    return app


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    words = tuple(sys.argv[1:] if args is None else args)
    ARGUMENTS.set(words)
    with _terminal():
        try:
            return int(_run(words) or 0)
        except (RlrecError, OSError) as error:
            return _fail(str(error))
        except KeyboardInterrupt:
            return _fail("stopped", 130)
        except Exception as error:
            return _fail(_unforeseen(error))


def _run(words: Sequence[str]) -> Any:
    """Run the command that the first words name; its exit status, None for 0.

    It is parsed alone, so that after a typing mistake only its own flags are suggested.
    """
    entry: Any = COMMANDS
    prog = "rlrec"
    rest = list(words)
    while isinstance(entry, dict) and rest and rest[0] in entry:
        prog += f" {rest[0]}"
        entry = entry[rest.pop(0)]
    if isinstance(entry, dict):
        description = "Learn reinforcement-learning recommenders by running them."
        return build().cli(prog="rlrec", description=description, args=words)
    return tyro.cli(entry, prog=prog, args=rest)


@contextmanager
def _terminal() -> Iterator[None]:
    """Signals stop the command as Ctrl-C does; warnings appear as sentences."""
    out = Screen(sys.stdout, clean=True)
    with (
        redirect_stdout(cast(TextIO, out)),
        redirect_stderr(cast(TextIO, Screen(sys.stderr, clean=False))),
        warnings.catch_warnings(),
        stopped_by(signal.default_int_handler),
    ):
        shown = warnings.showwarning

        def show(message: Any, category: Any, *place: Any, **more: Any) -> None:
            if issubclass(category, Notice):
                _fail(f"note: {message}")
            else:
                shown(message, category, *place, **more)

        warnings.showwarning = show
        try:
            yield
        finally:
            out.flush()


def _fail(message: str, status: int = 1) -> int:
    print(f"rlrec: {printable(message)}", file=sys.stderr)
    return status


def _unforeseen(error: Exception) -> str:
    """One sentence on an error that nobody expected; its traceback goes to a file."""
    what = f"{type(error).__name__} {error}".splitlines()[0].rstrip(": ")
    try:
        descriptor, path = tempfile.mkstemp(".txt", "rlrec-traceback-")
        with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
            traceback.print_exception(error, file=file)
    except OSError:
        return f"unexpected error: {what}; its traceback could not be written"
    return f"unexpected error: {what}; the full traceback is in {path}"


if __name__ == "__main__":
    sys.exit(main())
