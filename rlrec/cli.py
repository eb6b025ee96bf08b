"""The `rlrec` command. Each command is a plain function; `COMMANDS` is the tree they hang on.

A command returns its exit status (None: 0). `DataError` and `ConfigError` become one message on stderr, status 1.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from rlrec.agents.ddpg_config import DDPGConfig
from rlrec.agents.ppo_config import PPO_SETTINGS, PPOConfig
from rlrec.agents.qlearning import QLearningConfig
from rlrec.collaborative.drr_config import DRR_SETTINGS, DRRConfig
from rlrec.errors import ConfigError, DataError
from rlrec.runs.ppo import World
from rlrec.sound.vae import VAEConfig
from rlrec.studies.plan import StudyFlags

Command = Callable[..., int | None]
ARGUMENTS: ContextVar[tuple[str, ...]] = ContextVar(
    "arguments", default=()
)  # of the command that runs


def data_list() -> None:
    """The data sets rlrec knows, and whether each is on this machine."""
    from rlrec.datasets.catalogue import CATALOGUE
    from rlrec.datasets.folders import locate

    for name, known in CATALOGUE.items():
        try:
            where = str(locate(name))
        except DataError:
            where = (
                f"rlrec data fetch {name} ({known.size / 1e6:.1f} MB)"
                if known.urls
                else "rlrec data make"
            )
        print(f"{name:<17}{known.kind:<27}{where}\n{'':<17}{known.summary}")


def data_card(name: Annotated[str, tyro.conf.arg(metavar="NAME")], /) -> None:
    """A data set's card: content, source, licence, limits.

    Args:
        name: a name from `rlrec data list`, or tracks, ratings, sessions.
    """
    from rlrec.datasets.folders import bundled_folder, data_set

    own = bundled_folder() / f"{name}.md"
    bundled = name in ("tracks", "ratings", "sessions") and own.is_file()
    print(
        own.read_text(encoding="utf-8").rstrip() if bundled else data_set(name).card()
    )


def data_fetch(
    name: Annotated[str, tyro.conf.arg(metavar="NAME")],
    /,
    from_: Annotated[Path | None, tyro.conf.arg(name="from", metavar="FILE")] = None,
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None,
) -> None:
    """Download a data set from its owner, check it, unpack it. Goes on where a broken download stopped.

    Args:
        name: a name from `rlrec data list`.
        from_: an archive that was downloaded by hand, used instead of the network.
        out: folder to put it in, as DIR/NAME (default: where the loaders look).
    """
    from rlrec.datasets.fetch import fetch
    from rlrec.datasets.folders import data_set

    print(f"{name}: {data_set(name).licence}", file=sys.stderr)
    print(fetch(name, source_file=from_, out=out))


def data_check(
    path: Annotated[str, tyro.conf.arg(metavar="PATH")],
    /,
    rejects: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None,
) -> int:
    """What a file holds and whether rlrec can use it. Exit status: 0 usable, 1 refused, 2 not found.

    Args:
        path: a file, a folder or a data set's name.
        rejects: a CSV to write the unusable rows to, with the reason for each.
    """
    from rlrec.datasets.check import USABLE, check

    text, status = check(path, rejects=rejects)
    print(text, file=sys.stdout if status == USABLE else sys.stderr)
    return status


def data_make(out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None) -> None:
    """Make the generated data again: tracks.csv, ratings.csv and sessions.csv, the same bytes every time.

    Args:
        out: folder to write to (default: the data folder of the project).
    """
    from rlrec.datasets.folders import bundled_folder
    from rlrec.datasets.generate import make
    from rlrec.logs.generate import make_sessions

    folder = out or bundled_folder()
    for path in [*make(folder), make_sessions(folder)]:
        print(path)


def train_qlearning(
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")],
    user: str | None = None,
    plays: Annotated[str | None, tyro.conf.arg(metavar="SOURCE")] = None,
    listener: str | None = None,
    steps: int = 20_000,
    seed: int = 0,
    settings: Annotated[QLearningConfig, tyro.conf.arg(name="")] = QLearningConfig(),  # noqa: B008
) -> None:
    """Train tabular Q-learning on one user of Genre-v0, then compare it with chance, greedy and planning.

    Args:
        out: folder of the run, such as runs/mine; must not hold a run yet.
        user: a named profile (default pop_lover): generic, pop_lover, rock_fan, variety_seeker, calm_worker,
            headliner, flighty.
        plays: play counts to make the profile from instead: lastfm, a folder or a user,genre,plays CSV.
        listener: whose plays (default: all users together).
        steps: songs to recommend while learning, 1 or more.
        seed: of the listener's luck and the agent's exploration.
        settings: hyperparameters.
    """
    from rlrec.runs import qlearning
    from rlrec.runs.qlearning import profile_from_plays

    if plays is None and listener is not None:
        raise ConfigError(
            "--listener names somebody in the play counts; give --plays SOURCE with it"
        )
    if plays is not None and user is not None:
        raise ConfigError("--user and --plays both say who listens; give one of them")
    chosen = (
        profile_from_plays(plays, listener)
        if plays is not None
        else user or "pop_lover"
    )
    print(qlearning.train_qlearning(out, chosen, settings, steps=steps, seed=seed))
    print(f"kept in {out}; try: rlrec recommend {out} --playing Rock -k 3")


def train_ddpg(
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")],
    data: Annotated[str, tyro.conf.arg(metavar="SOURCE")] = "generated",
    resume: tyro.conf.FlagCreatePairsOff[bool] = False,
    protocol: str = "rerank",
    split: str = "time",
    steps: int | None = None,
    seed: int = 0,
    checkpoint_every: int = 20_000,
    config: Annotated[DRRConfig, tyro.conf.arg(name="")] = DRRConfig(),  # noqa: B008
    settings: Annotated[DDPGConfig, tyro.conf.arg(name="")] = DRR_SETTINGS,
) -> int:
    """Train DRR (DDPG on ratings) on the training part of a split; Ctrl-C keeps what there is, --resume goes on.

    Args:
        out: folder of the run, such as runs/mine; must not hold a run yet, but for --resume.
        data: ratings: ml-100k, ml-1m, generated, or your own CSV (`rlrec data check` tells whether it will do).
        resume: go on with the run in --out, with its own settings; only --steps may be raised.
        protocol: what to hold out for: rerank (order what a user chose), session (strangers), next_item.
        split: time or random.
        steps: recommendations to learn from (default: twice the training ratings, at most 100,000).
        seed: of vectors, networks, luck and a random split.
        checkpoint_every: steps, 64 or more.
        config: vectors and training episodes. --goal follows --protocol unless it is given.
        settings: hyperparameters. --schedule-steps follows --steps unless it is given.
    """
    from rlrec.runs import ddpg as ddpg_run
    from rlrec.runs.task import Task

    given, command = _given(), shlex.join(["rlrec", *ARGUMENTS.get()])
    task = Task(data, protocol, split, seed)
    if resume:
        wanted = {
            **asdict(settings),
            **asdict(config),
            "data": task.source,
            "protocol": protocol,
            "split": split,
        }
        wanted |= {"seed": seed, "checkpoint_every": checkpoint_every}
        ddpg_run.DDPGRun.read(out).require_same(
            {name: value for name, value in wanted.items() if name in given},
        )
        return ddpg_run.resume_ddpg(out, steps=steps, command=command)
    if "goal" not in given:
        config = replace(config, goal="rerank" if protocol == "rerank" else "catalogue")
    return ddpg_run.train_ddpg(
        out,
        task,
        config,
        settings,
        steps=steps,
        fit_schedule="schedule_steps" not in given,
        checkpoint_every=checkpoint_every,
        command=command,
    )


def train_vae(
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")],
    data: Annotated[str, tyro.conf.arg(metavar="SOURCE")] = "generated",
    scaling: Literal["fixed", "min-max"] = "fixed",
    seed: int = 0,
    config: Annotated[VAEConfig, tyro.conf.arg(name="")] = VAEConfig(),  # noqa: B008
) -> None:
    """Train a map of sound on the 11 audio features of tracks, and hold it against PCA on tracks it never saw.

    Args:
        out: folder of the run, such as runs/map; must not hold a run yet.
        data: tracks: spotify-songs, generated, or your own CSV.
        scaling: fixed (features by ranges that never change) or min-max (of the training tracks).
        seed: of the tracks held out, the first weights and the noise.
        config: hyperparameters.
    """
    from rlrec.runs import vae as vae_run

    vae_run.train_vae(
        out,
        data,
        config,
        seed=seed,
        scaling=scaling,
        command=shlex.join(["rlrec", *ARGUMENTS.get()]),
    )


def train_ppo(
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")],
    data: Annotated[str, tyro.conf.arg(metavar="SOURCE")] = "generated",
    resume: tyro.conf.FlagCreatePairsOff[bool] = False,
    steps: int | None = None,
    seed: int = 0,
    checkpoint_every: int = 100_000,
    world: Annotated[World, tyro.conf.arg(name="")] = World(),  # noqa: B008
    settings: Annotated[PPOConfig, tyro.conf.arg(name="")] = PPO_SETTINGS,
) -> int:
    """Train PPO on simulated listeners; Ctrl-C keeps what there is, --resume goes on.

    Args:
        out: folder of the run, such as runs/live; must not hold a run yet, but for --resume.
        data: tracks: spotify-songs, generated, or your own CSV.
        resume: go on with the run in --out, with its own settings; only --steps may be raised.
        steps: songs to learn from (default: 200,000).
        seed: of the map, networks and luck.
        checkpoint_every: songs, a round or more.
        world: who listens, and the map.
        settings: hyperparameters. --schedule-steps follows --steps unless it is given.
    """
    from rlrec.runs import ppo as ppo_run
    from rlrec.runs.run import data_source

    given, command = _given(), shlex.join(["rlrec", *ARGUMENTS.get()])
    if resume:
        wanted = {
            **asdict(settings),
            **asdict(world),
            "data": data_source(data),
            "seed": seed,
        }
        wanted |= {
            "map": ppo_run.map_source(world.map),
            "checkpoint_every": checkpoint_every,
        }
        same = {name: value for name, value in wanted.items() if name in given}
        ppo_run.PPORun.read(out).require_same(same)
        return ppo_run.resume_ppo(out, steps=steps, command=command)
    return ppo_run.train_ppo(
        out,
        data,
        world,
        settings,
        steps=200_000 if steps is None else steps,
        seed=seed,
        fit_schedule="schedule_steps" not in given,
        checkpoint_every=checkpoint_every,
        command=command,
    )


def _given() -> set[str]:
    """The flags on the command line, by the names of their fields: ``--no-twin`` is "twin", of a group the group."""
    names = {
        word[2:].split("=")[0].split(".")[0]
        for word in ARGUMENTS.get()
        if word.startswith("--")
    }
    return {name.replace("-", "_").removeprefix("no_") for name in names}


def recommend(
    run: Annotated[Path, tyro.conf.arg(metavar="DIR")],
    /,
    history: str | None = None,
    playing: str | None = None,
    track: str | None = None,
    k: Annotated[int, tyro.conf.arg(aliases=["-k"])] = 3,
    tracks: str | None = None,
) -> None:
    """What a trained agent recommends: films after a history (ddpg), songs after a genre (qlearning) or a song (ppo).

    Args:
        run: folder that a training wrote.
        history: titles you liked, separated by semicolons, the last one last; for a run of ddpg.
        playing: the genre that plays now (default: the first one the user knows); for a run of qlearning.
        track: titles heard, separated by semicolons, the last one plays now; for a run of ppo.
        k: how many.
        tracks: catalogue for the songs' titles, for qlearning: a data set's name or a CSV (default: generated).
    """
    from rlrec.storage import read_json

    agent = read_json(run / "config.json").get("agent")
    flags = {"history": history, "playing": playing, "track": track, "tracks": tracks}
    known = {
        "ddpg": ('--history "Title; Title"', "history"),
        "ppo": ('--track "Title; Title"', "track"),
    }
    rule, *allowed = known.get(str(agent), ("--playing GENRE", "playing", "tracks"))
    for name, value in flags.items():
        if value is not None and name not in allowed:
            raise ConfigError(f"{run} is a run of {agent}: give {rule}, not --{name}")
    if agent == "ddpg":
        if history is None:
            raise ConfigError(f"{run} is a run of ddpg: say what you liked, {rule}")
        from rlrec.runs.ddpg_recommend import recommend_titles

        print(recommend_titles(run, history, k))
    elif agent == "ppo":
        if track is None:
            raise ConfigError(f"{run} is a run of ppo: say what was heard, {rule}")
        from rlrec.runs.ppo import recommend_tracks

        print(recommend_tracks(run, track, k))
    else:
        from rlrec.runs.qlearning import recommend_songs

        print(recommend_songs(run, playing, k, tracks or "generated"))


def evaluate(
    runs: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="DIR")],
    /,
    protocol: str | None = None,
    split: str | None = None,
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
) -> None:
    """Hold runs of ddpg or ppo against baselines, and say whether RL pays.

    Args:
        runs: folders that `rlrec train ddpg` or `rlrec train ppo` wrote; several: one configuration, different seeds.
        protocol: for ddpg rerank, session or next_item (default, and all that is fair: what the runs were trained
            for); for ppo simulate.
        split: for ddpg: time or random (likewise).
        json: a file to write all of it to.
    """
    from rlrec.storage import read_json

    command = shlex.join(["rlrec", *ARGUMENTS.get()])
    if runs and read_json(runs[0] / "config.json").get("agent") == "ppo":
        if protocol not in (None, "simulate") or split is not None:
            raise ConfigError(
                f"{runs[0]} is a run of ppo: it is asked by --protocol simulate, and nothing is split"
            )
        from rlrec.runs import ppo_evaluation as simulate_run

        simulate_run.evaluate_ppo(runs, json_path=json, command=command)
        return
    if protocol == "simulate":
        raise ConfigError(
            f"{runs[0] if runs else 'no run'}: only a run of ppo can be simulated"
        )
    from rlrec.runs.ddpg_evaluation import evaluate_ddpg

    evaluate_ddpg(runs, protocol=protocol, split=split, json_path=json, command=command)


def study(
    file: Annotated[Path | None, tyro.conf.arg(metavar="FILE.toml")] = None,
    /,
    *,
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")],
    jobs: int = 2,
    backend: Literal["loky", "dask"] = "loky",
    only: tuple[str, ...] = (),
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    flags: Annotated[StudyFlags, tyro.conf.arg(name="")] = StudyFlags(),  # noqa: B008
) -> None:
    """Agents x worlds x seeds on simulated listeners, in parallel, resumed where it was stopped; a table, a verdict.

    What is to be run is told by a file, or by --agents and the flags below it. Kinds of agents: random, popularity,
    constant, greedy, rule, item-knn, ease, biases-ease, mf, linucb, qlearning, dqn, ddpg, ppo, oracle.

    Args:
        file: what is to be run; `lessons/results/contest.toml` is an example.
        out: a folder for the cells; those that are there are not run again.
        jobs: processes.
        backend: loky: on this machine; dask: a Dask cluster (two workers here if none is open).
        only: labels of agents; the others are left for later.
        json: a file to write all of it to.
        flags: what is to be run, in place of a file.
    """
    import time

    from rlrec.storage import write_json
    from rlrec.studies import report as study_report
    from rlrec.studies import study as studies

    start = time.monotonic()
    if json is not None and json.is_dir():
        raise ConfigError(f"{json} is a folder; give a file: --json {json}/NAME.json")
    also = sorted(_given() & {one.name for one in fields(StudyFlags)})
    if file is not None and also:
        raise ConfigError(
            f"{file} and --{also[0].replace('_', '-')} both say what to run; give one of them"
        )
    plan = flags.study() if file is None else studies.Study.read(file)
    result = studies.run_study(plan, out, jobs=jobs, backend=backend, only=only)
    print("\n".join(study_report.text(result.cells)))
    if json is not None:
        command = shlex.join(["rlrec", *ARGUMENTS.get()])
        write_json(json, studies.as_json(result, command, time.monotonic() - start))
        print(f"written to {json}")


def doctor() -> None:
    """What this machine has: Python, packages, cores, GPU, data."""
    from rlrec.doctor import report

    print(report())


COMMANDS: dict[str, Command | dict[str, Command]] = {
    "data": {
        "list": data_list,
        "card": data_card,
        "fetch": data_fetch,
        "check": data_check,
        "make": data_make,
    },
    "train": {
        "qlearning": train_qlearning,
        "ddpg": train_ddpg,
        "vae": train_vae,
        "ppo": train_ppo,
    },
    "recommend": recommend,
    "evaluate": evaluate,
    "study": study,
    "doctor": doctor,
}
GROUPS: dict[str, str] = {
    "data": "Data sets: list, card, fetch, check, make.",
    "train": "Train an agent and keep it in a folder: qlearning, ddpg, vae, ppo.",
}


def build() -> tyro.extras.SubcommandApp:
    """The command tree for tyro."""
    app = tyro.extras.SubcommandApp()
    for name, entry in COMMANDS.items():
        if isinstance(entry, dict):
            group = tyro.extras.SubcommandApp()
            for inner, function in entry.items():
                group.command(name=inner)(function)
            app.command(group, name=name, help=GROUPS.get(name, ""))
        else:
            app.command(name=name)(entry)
    return app


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    description = "Learn reinforcement-learning recommenders by running them."
    ARGUMENTS.set(tuple(sys.argv[1:] if args is None else args))
    try:
        status: Any = build().cli(prog="rlrec", description=description, args=args)
    except (DataError, ConfigError, OSError) as error:
        print(f"rlrec: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("rlrec: stopped", file=sys.stderr)
        return 130
    return int(status or 0)


if __name__ == "__main__":
    sys.exit(main())
