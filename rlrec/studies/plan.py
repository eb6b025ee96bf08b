"""What a study is to run: read from a TOML file, from a command line's flags, or made by hand; checked before it runs.

A world is ``{dial: value}`` of `rlrec.envs.Dials`, with ``candidates``: how many songs are on offer.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rlrec.envs import Dials, ListeningBatch
from rlrec.errors import ConfigError
from rlrec.runs.session import training_seed
from rlrec.studies import contestants

FIRST, FIRST_TUNING, TUNING_SEED = 2_000_000, 1_000_000, 1_000
TRAINING = training_seed(
    0
)  # trainings' listeners begin here, 10,000 for each seed, 100 for each piece of the curve
WORLD = {"taste_strength": 1.5, "long_term_effect": 1.0, "candidates": 10}


@dataclass(frozen=True)
class Study:
    """What is to be run; `rlrec.studies.study` begins with an example."""

    steps: int  # songs, >= 1
    agents: dict[
        str, dict[str, Any]
    ]  # label -> {"agent": kind, settings.., "tries": [settings, ..]}
    curve: tuple[int, ...] = ()  # ascending, the last is ``steps``
    seeds: int = 5  # >= 2
    listeners: int = 500  # >= 2
    worlds: tuple[dict[str, float], ...] = (WORLD,)

    def __post_init__(self) -> None:
        if not self.curve:
            object.__setattr__(self, "curve", (self.steps,))
        if (
            list(self.curve) != sorted(set(self.curve))
            or self.curve[-1] != self.steps
            or self.curve[0] < 1
        ):
            raise ConfigError(
                f"curve is {list(self.curve)}; it must rise and end with steps, {self.steps}"
            )
        if self.seeds < 2 or self.listeners < 2:
            raise ConfigError(
                f"seeds is {self.seeds}, listeners {self.listeners}; each must be 2 or more"
            )
        if (
            self.seeds * self.listeners > TRAINING - FIRST
            or self.listeners > FIRST - FIRST_TUNING
        ):
            raise ConfigError(
                f"{self.seeds} seeds of {self.listeners:,} listeners would meet those of a training; at most "
                f"{TRAINING - FIRST:,} in all, {FIRST - FIRST_TUNING:,} for a seed"
            )
        if not self.worlds:
            raise ConfigError("no world to run in: a dial has no value")
        for world in self.worlds:
            environment(world, 1)  # refuses what cannot be
        for label, agent in self.agents.items():
            _check_agent(label, agent)

    @classmethod
    def read(cls, path: str | Path) -> Study:
        """A study from a TOML file. Raises ``ConfigError`` that names the file, the agent and the key."""
        try:
            content = tomllib.loads(Path(path).read_text("utf-8"))
            known = {"steps", "curve", "seeds", "listeners", "world", "agents"}
            if content.keys() - known:
                raise ConfigError(
                    f"{', '.join(sorted(content.keys() - known))} unknown; known: {sorted(known)}"
                )
            content["worlds"] = combinations(content.pop("world", {}))
            return cls(**content | {"curve": tuple(content.get("curve", ()))})
        except (tomllib.TOMLDecodeError, TypeError, ConfigError) as error:
            raise ConfigError(f"{path}: {error}") from None


@dataclass(frozen=True)
class StudyFlags:
    """A study without a file: kinds of agents, each with its default settings and its kind as label."""

    agents: tuple[str, ...] = ()  # kinds of agents, each with its default settings
    steps: int = 8_192  # songs that each learns from, 1 or more
    curve: tuple[
        int, ...
    ] = ()  # after how many songs it is asked, ascending; the last is steps; none: after all
    seeds: int = 5  # 2 or more
    listeners: int = 300  # asked for each seed, 2 or more
    taste_strength: tuple[float, ...] = (
        1.5,
    )  # a dial of the world; several values: every combination
    long_term_effect: tuple[float, ...] = (1.0,)  # likewise
    candidates: tuple[int, ...] = (10,)  # songs on offer; likewise

    def study(self) -> Study:
        """What these flags ask for. Raises ``ConfigError`` if no agent is named, or one that is not known."""
        if not self.agents:
            kinds = " ".join(contestants.KINDS)
            raise ConfigError(
                f"nothing to run: give a FILE.toml, or --agents with some of: {kinds}"
            )
        world = {name: list(getattr(self, name)) for name in WORLD}
        agents = {kind: {"agent": kind} for kind in self.agents}
        return Study(
            self.steps,
            agents,
            self.curve,
            self.seeds,
            self.listeners,
            combinations(world),
        )


def environment(world: Mapping[str, float], batch: int) -> ListeningBatch:
    """``batch`` listeners of a ``world``, seen as contestants see them."""
    dials = {name: value for name, value in world.items() if name != "candidates"}
    return ListeningBatch(
        batch,
        "candidate",
        "ids",
        n_candidates=int(world["candidates"]),
        history=20,
        **dials,
    )  # type: ignore[arg-type]


def combinations(world: Mapping[str, Any]) -> tuple[dict[str, float], ...]:
    """Every combination of the lists in a table."""
    known = {*WORLD, *(one.name for one in fields(Dials))}
    if set(world) - known:
        raise ConfigError(
            f"world: {', '.join(sorted(set(world) - known))} unknown; known: {', '.join(sorted(known))}"
        )
    values = {
        name: one if isinstance(one, list) else [one]
        for name, one in (WORLD | dict(world)).items()
    }
    return tuple(
        dict(zip(values, one, strict=True))
        for one in itertools.product(*values.values())
    )


def _check_agent(label: str, agent: Mapping[str, Any]) -> None:
    kind = agent.get("agent")
    if kind not in contestants.KINDS:
        raise ConfigError(
            f"agents.{label}: agent is {kind!r}; choose one of {', '.join(contestants.KINDS)}"
        )
    known = contestants.settings_of(kind)
    for settings in (
        {name: one for name, one in agent.items() if name != "tries"},
        *agent.get("tries", []),
    ):
        unknown = settings.keys() - known - {"agent"}
        if unknown:
            raise ConfigError(
                f"agents.{label}: {', '.join(sorted(unknown))} unknown; {kind} has {', '.join(sorted(known)) or 'none'}"
            )
