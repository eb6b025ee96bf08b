"""A run: what ``config.json`` in its folder says, read once and checked once.

Each agent has a class of its own: `DDPGRun`, `PPORun`, `NStepRun`,
`VAERun`, `QLearningRun`. Its fields are the keys of ``config.json``; settings are the
agent's own dataclasses.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass, replace
from functools import wraps
from inspect import signature
from pathlib import Path
from types import UnionType
from typing import (
    Any,
    ClassVar,
    Literal,
    Self,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np
from numpy.typing import NDArray

from rlrec import storage
from rlrec.datasets.known import CATALOGUE
from rlrec.errors import ConfigError, DataError, RlrecError, warn

AGENTS = ("qlearning", "ddpg", "ppo", "nstep", "vae")
RESUMABLE = ("ddpg", "ppo", "nstep")
CHANGEABLE = ("steps", "checkpoint_every", "schedule_steps")  # of a run by --resume
# Of a run, what a resume may change or add to.
OPEN = ("versions", "command", "sessions", "schedule_until")
HIGHEST_SEED = 2**60
# Settings of later versions, where they are as a run was without them.
LATER = {"world.compiled": False}
AGAIN = "stored by another version of rlrec, or changed by hand; train the run again"
Stored = TypeVar("Stored")
Train = TypeVar("Train", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of any agent: ``folder`` and, in subclasses, what ``config.json`` says."""

    AGENT: ClassVar[str]
    folder: Path = Path()
    # checksums of what a finished training wrote beside config.json
    files: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The run in ``folder``.

        Raises ``DataError`` if there is no run of this agent, if ``config.json`` is
        broken (a key that is missing or unknown, a value of a wrong type or range), or
        if a file is not as it was written.
        """
        if agent_of(folder) != cls.AGENT:
            train = f"rlrec train {cls.AGENT} --out FOLDER"
            raise DataError(f"{folder}: no run of {cls.AGENT}; train one: {train}")
        path = folder / "config.json"
        content = storage.read_json(path)
        checksum = content.pop("checksum", None)
        whole = checksum == storage.digest(content)
        del content["agent"]
        run = replace(from_json(cls, content, str(path)), folder=folder)
        if not whole:
            raise DataError(f"{path} is not as it was written; {AGAIN}")
        found = storage.checksums(folder) if run.files else {}
        for name, checksum in run.files.items():
            if found.get(name) != checksum:
                raise DataError(f"{folder}: {name} is not as it was written; {AGAIN}")
        return run

    def content(self) -> dict[str, Any]:
        """What ``config.json`` holds."""
        content = {"agent": self.AGENT, **asdict(self)}
        del content["folder"]
        return content

    def write(self) -> None:
        """Write ``config.json``, with its checksum."""
        content = self.content()
        content["checksum"] = storage.digest(content)
        storage.write_json(self.folder / "config.json", content)


@dataclass(frozen=True)
class Session:
    """One part of a training: from its start, or from a resume, to its end."""

    command: str
    from_step: int
    to_step: int
    ended: str  # "done", "stopped" or "diverged"
    seconds: float
    steps_per_second: float
    device: str


@dataclass(frozen=True, kw_only=True)
class TrainingRun(Run):
    """A run that keeps checkpoints and can be resumed."""

    versions: dict[str, str] = field(default_factory=dict)
    command: str = ""  # that started it
    data: str  # a data set's name, or a whole path
    fingerprint: dict[str, Any]  # of the data
    seed: int
    steps: int  # recommendations to learn from, in all sessions together
    checkpoint_every: int  # steps
    sessions: list[Session] = field(default_factory=list)
    # step at which a resume raised schedule_steps -> schedule_steps until then
    schedule_until: dict[str, int] = field(default_factory=dict)

    def require_budget(self) -> None:
        """Raise ``ConfigError`` for steps, checkpoints or a schedule that can't be."""
        raise NotImplementedError

    @property
    def resume_command(self) -> str:
        """The command that resumes this run."""
        return resume_command(self.AGENT, self.folder)

    @property
    def identity(self) -> str:
        """A digest of all that may not change in a run: it ties checkpoints to it."""
        fixed = {}
        for name, value in flat(self.content()).items():
            if name in LATER and value == LATER[name]:
                continue
            if name.split(".")[0] not in OPEN and name.split(".")[-1] not in CHANGEABLE:
                fixed[name] = value
        return storage.digest(fixed)

    def whole_checkpoint(self) -> tuple[int, Path] | None:
        """Step and folder of the newest whole checkpoint, if any; tells of broken ones.

        Raises ``DataError`` if it belongs to another configuration.
        """
        for step, path in reversed(storage.checkpoints(self.folder)):
            try:
                run = storage.require_whole(path)
            except DataError as error:
                warn(f"{error}; the checkpoint before it is used, or none")
                continue
            if run != self.identity:
                raise DataError(
                    f"{path}: a checkpoint of another configuration than "
                    f"{self.folder}/config.json; train a new run in another folder"
                )
            return step, path
        return None

    def last_checkpoint(self) -> tuple[int, Path]:
        """As `whole_checkpoint`. Raises ``DataError`` if there is none, too."""
        found = self.whole_checkpoint()
        if found is None:
            raise DataError(
                f"{self.folder} has no whole checkpoint yet; go on with it: "
                f"{self.resume_command}"
            )
        return found

    def changed(self, **changes: int) -> Self:
        """The same run with other values of some of ``CHANGEABLE``.

        Raises ``ConfigError`` for fewer steps or a shorter schedule, and as
        `require_budget`.
        """
        settings = getattr(self, self.AGENT)
        before = settings.schedule_steps
        schedule = changes.pop("schedule_steps", before)
        settings = replace(settings, schedule_steps=schedule)
        values: dict[str, Any] = {**changes, self.AGENT: settings}
        trained = self.whole_checkpoint()
        if schedule > before and trained:
            until = {str(trained[0]): before}
            values["schedule_until"] = until | self.schedule_until
        run = replace(self, **values)
        if run.steps < self.steps or schedule < before:
            raise ConfigError(
                f"steps {run.steps:,}, schedule_steps {schedule:,}: this run has "
                f"{self.steps:,} and {before:,}; they can only be raised"
            )
        run.require_budget()
        return run

    def require_same(self, wanted: dict[str, Any]) -> None:
        """Raise ``ConfigError`` unless this run has the settings ``wanted``.

        ``wanted`` maps names of settings, as their flags spell them, to values.
        """
        content = flat(self.content())
        own = {name.split(".", 1)[-1]: value for name, value in content.items()}
        for name, value in wanted.items():
            if value != own.get(name):
                flag = name.replace("_", "-")
                raise ConfigError(
                    f"--{flag} {value} contradicts the run in {self.folder}, which has "
                    f"{own.get(name)}; leave it out to go on, or train a new run in "
                    f"another folder"
                )

    def require_unchanged(self, found: dict[str, Any]) -> None:
        """Raise ``DataError`` unless ``found``, the data's fingerprint, is the same."""
        if found == self.fingerprint:
            return
        unit = next(iter(found))  # "ratings" or "tracks"
        now = f"{found[unit]:,} {unit}"
        before = f"{self.fingerprint.get(unit, 0):,} {unit}"
        change = f"{now} where it had {before}"
        if now == before:
            change = f"as many {unit}, but other ones"
        raise DataError(
            f"{self.data} has changed since the run was trained: {change}; "
            f"train a new run in another folder"
        )


# -- folders ---------------------------------------------------------------------------
def agent_of(folder: Path) -> str:
    """The agent whose run is in ``folder``. Raises ``DataError`` if there is none."""
    path = folder / "config.json"
    agent = storage.read_json(path).get("agent")
    if agent not in AGENTS:
        raise DataError(f"{path}: agent is {agent!r}; known: {', '.join(AGENTS)}")
    return str(agent)


def resume_command(agent: str, folder: Path) -> str:
    """The command that resumes a run of ``agent``."""
    return f"rlrec train {agent} --resume --out {shlex.quote(str(folder))}"


def require_unused(folder: Path) -> None:
    """Raise ``ConfigError`` unless ``folder``, which is there, can take a new run."""
    if (folder / "config.json").exists():
        agent = agent_of(folder)
        way = "choose another folder, or delete it"
        if agent in RESUMABLE:
            way = f"go on with it: {resume_command(agent, folder)}; or {way}"
        raise ConfigError(f"{folder} holds a run already, of {agent}; {way}")
    for path in sorted(folder.glob("[!.]*")):
        raise ConfigError(
            f"{folder} holds {path.name}, and is no run of rlrec; choose another folder"
        )


def owning(train: Train) -> Train:
    """A training that owns its argument ``folder`` until it ends."""
    takes = signature(train)

    @wraps(train)
    def alone(*args: Any, **settings: Any) -> Any:
        with storage.owned(takes.bind(*args, **settings).arguments["folder"]):
            return train(*args, **settings)

    return cast(Train, alone)


@contextmanager
def written(run: TrainingRun) -> Iterator[None]:
    """Write ``config.json``; undo it if an error comes before any further checkpoint.

    So the folder of a new run is free again, and a resumed run is as it was. Broken
    checkpoints after the newest whole one are set aside.
    """
    path = run.folder / "config.json"
    former = path.read_bytes() if path.exists() else None
    last = run.whole_checkpoint()
    for step, broken in storage.checkpoints(run.folder):
        if last is None or step > last[0]:
            storage.set_aside(broken)
    for left in run.folder.glob("checkpoints/.*.part"):  # by a process that was killed
        shutil.rmtree(left)
    trained = storage.checkpoints(run.folder)
    run.write()
    try:
        yield
    except RlrecError:
        if storage.checkpoints(run.folder) == trained:
            if former is None:
                _undo(run.folder)
            else:
                storage.write_text(path, former.decode())
        raise


def _undo(folder: Path) -> None:
    """Remove what a new run wrote into its folder, which was empty."""
    for name in ("config.json", "metrics.csv"):
        (folder / name).unlink(missing_ok=True)
    for name in ("tensorboard", "parts", "map", "checkpoints"):
        shutil.rmtree(folder / name, ignore_errors=True)


def require_seed(seed: int) -> None:
    """Raise ``ConfigError`` unless ``seed`` lies in its range."""
    if not 0 <= seed < HIGHEST_SEED:
        raise ConfigError(f"seed is {seed}; it must lie in 0..2**60")


def require_steps(steps: int, checkpoint_every: int, round_size: int) -> None:
    """Raise ``ConfigError`` for no step, or for checkpoints within a round."""
    if steps < 1:
        raise ConfigError(f"steps is {steps}; it must be 1 or more")
    if checkpoint_every < round_size:
        raise ConfigError(
            f"checkpoint_every is {checkpoint_every}; "
            f"it must be {round_size:,} or more, a round"
        )


def data_fingerprint(
    arrays: Iterable[NDArray[Any]], ids: Iterable[Iterable[Any]], **counts: int
) -> dict[str, Any]:
    """``counts`` and a SHA-256 of ``arrays`` and ``ids``."""
    digest = hashlib.sha256()
    for values in arrays:
        digest.update(np.ascontiguousarray(values).tobytes())
    for names in ids:
        digest.update("\n".join(map(str, names)).encode())
    return {**counts, "sha256": digest.hexdigest()}


def data_source(data: str) -> str:
    """A data set's name, or the whole path of a file: the same from any folder."""
    name = data.strip().lower().replace("_", "-")
    return name if name in CATALOGUE else str(Path(data).expanduser().resolve())


def require_comparable(runs: Sequence[TrainingRun]) -> None:
    """Raise ``ConfigError`` unless all runs have one configuration and other seeds.

    A run whose schedule was raised on the way is another configuration.
    """
    if not runs:
        raise ConfigError("no run given; name one or more: rlrec evaluate runs/NAME")
    free = {"folder", "seed", "versions", "command", "checkpoint_every", "sessions"}
    first = flat(runs[0].content())
    for run in runs[1:]:
        other = flat(run.content())
        for name in first | other:
            compared = name.partition(".")[0] not in free
            if compared and other.get(name) != first.get(name):
                raise ConfigError(
                    f"{run.folder} differs from {runs[0].folder}: "
                    f"{name} {other.get(name)} and {first.get(name)}; only runs of one "
                    f"configuration, with different seeds, are put in one table"
                )
    seeds = [run.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"seeds {seeds}: a seed is repeated; give each run once")


# -- JSON ------------------------------------------------------------------------------
def flat(values: dict[str, Any]) -> dict[str, Any]:
    """Groups within groups as one, with dots in their names.

    >>> flat({"weight": 1.0, "ease": {"positive": 4}})
    {'weight': 1.0, 'ease.positive': 4}
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        if not isinstance(value, dict):
            found[name] = value
            continue
        for inner, part in flat(value).items():
            found[f"{name}.{inner}"] = part
    return found


def from_json(kind: type[Stored], content: Any, place: str) -> Stored:
    """``content``, as JSON gives it, as the dataclass ``kind``, its fields likewise.

    Raises ``DataError`` that begins with ``place``.
    """
    if not isinstance(content, dict):
        raise DataError(f"{place}: {content!r} is no table of settings; {AGAIN}")
    hints = get_type_hints(kind)
    values = {}
    for name, value in content.items():
        if name not in hints:
            raise DataError(f"{place}: {name} is unknown; {AGAIN}")
        values[name] = _typed(hints[name], value, f"{place}: {name}")
    for one in fields(kind):  # type: ignore[arg-type]
        if one.name not in content and one.default is one.default_factory is MISSING:
            raise DataError(f"{place}: {one.name} is missing; {AGAIN}")
    try:
        return kind(**values)
    except ConfigError as error:
        raise DataError(f"{place}: {error}; {AGAIN}") from None


def _typed(hint: Any, value: Any, place: str) -> Any:
    """``value`` as a field with the type ``hint`` holds it."""
    kind = get_origin(hint) or hint
    if kind is UnionType:  # X | None: what is stored is an X
        hint = kind = get_args(hint)[0]
    if is_dataclass(kind):
        return from_json(kind, value, place)  # type: ignore[arg-type]
    if kind in (list, tuple) and isinstance(value, list):
        inner = get_args(hint)[0]
        return kind(_typed(inner, one, place) for one in value)
    if kind is Literal and value in get_args(hint):
        return value
    if kind is type(value) or (kind is float and type(value) is int):
        return value
    raise DataError(f"{place} is {value!r}, of a wrong type; {AGAIN}")
