"""What a study runs: from a TOML file, from flags, or made by hand; checked first.

A world is ``{dial: value}`` of `rlrec.envs.Dials`, with ``candidates``: how many songs
are on offer. ``setting`` names those of the dials that are not given.
"""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rlrec.envs import Dials, ListeningBatch, named_setting
from rlrec.errors import ConfigError, require_ranges
from rlrec.runs.session import training_seed
from rlrec.studies import contestants

# Seeds of listeners: of evaluations, of those that choose settings, and of trainings.
# A training takes 10,000 for each seed, 100 of them for each piece of the curve.
FIRST = 2_000_000
FIRST_TUNING = 1_000_000
TRAINING = training_seed(0)
TUNING_SEED = 1_000  # of the first training that chooses settings
WORLD = {**named_setting("teaching"), "candidates": 10}
TOML_KEYS = {"steps", "curve", "seeds", "listeners", "world", "agents"}


@dataclass(frozen=True)
class Study:
    """What is to be run; `rlrec.studies.study` begins with an example."""

    steps: int  # songs, >= 1
    # label -> {"agent": kind, settings.., "tries": [settings, ..], "draws": 1 or more}
    agents: dict[str, dict[str, Any]]
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
                f"curve is {list(self.curve)}; "
                f"it must rise and end with steps, {self.steps}"
            )
        require_ranges(self, [("seeds", 2, math.inf), ("listeners", 2, math.inf)])
        most = TRAINING - FIRST
        most_of_a_seed = FIRST - FIRST_TUNING
        if self.seeds * self.listeners > most or self.listeners > most_of_a_seed:
            raise ConfigError(
                f"{self.seeds} seeds of {self.listeners:,} listeners would meet those "
                f"of a training; at most {most:,} in all, {most_of_a_seed:,} for a seed"
            )
        if not self.worlds:
            raise ConfigError("no world to run in: a dial has no value")
        for world in self.worlds:
            environment(world, 1)  # raises an error for dials out of range
        for label, agent in self.agents.items():
            _check_agent(label, agent, most_of_a_seed // self.listeners)

    @classmethod
    def read(cls, path: str | Path) -> Study:
        """A study from a TOML file.

        Raises ``ConfigError`` that names the file, the agent and the key.
        """
        try:
            content = tomllib.loads(Path(path).read_text("utf-8"))
            _require_known(content.keys(), TOML_KEYS, "")
            content["worlds"] = combinations(content.pop("world", {}))
            content["curve"] = tuple(content.get("curve", ()))
            return cls(**content)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{path}: {error}") from None
        except AttributeError:
            raise ConfigError(
                f"{path}: world, agents, each agent and each of its tries must be "
                "tables, {name = value}"
            ) from None


@dataclass(frozen=True)
class StudyFlags:
    """A study without a file: kinds of agents with their default settings."""

    agents: tuple[str, ...] = ()  # kinds of agents, each with its default settings
    steps: int = 8_192  # songs that each learns from, 1 or more
    # after how many songs agents are evaluated, ascending; the last is steps; none:
    # after all
    curve: tuple[int, ...] = ()
    seeds: int = 5  # 2 or more
    listeners: int = 300  # of an evaluation, for each seed, 2 or more
    # "teaching", "realistic" or both: the dials that are not given
    setting: tuple[str, ...] = ("teaching",)
    # a dial of the world; several values: every combination
    taste_strength: tuple[float, ...] | None = None
    long_term_effect: tuple[float, ...] | None = None  # likewise
    churn: tuple[float, ...] | None = None  # likewise
    candidates: tuple[int, ...] = (10,)  # songs on offer; likewise

    def study(self) -> Study:
        """The study. Raises ``ConfigError`` for no agent, or an unknown one."""
        if not self.agents:
            kinds = " ".join(contestants.KINDS)
            raise ConfigError(
                f"nothing to run: give a FILE.toml, or --agents with some of: {kinds}"
            )
        agents = {kind: {"agent": kind} for kind in self.agents}
        given = {}
        for name in ("setting", *WORLD, "churn"):
            dial = getattr(self, name)
            if dial is not None:
                given[name] = list(dial)
        worlds = combinations(given)
        return Study(self.steps, agents, self.curve, self.seeds, self.listeners, worlds)


def environment(world: Mapping[str, float], batch: int) -> ListeningBatch:
    """``batch`` listeners of a ``world``, with the observations of contestants."""
    dials: dict[str, Any] = dict(world)
    candidates = int(dials.pop("candidates"))
    return ListeningBatch(
        batch, "candidate", "ids", n_candidates=candidates, history=20, **dials
    )


def combinations(world: Mapping[str, Any]) -> tuple[dict[str, float], ...]:
    """Every combination of the lists in a table; a number counts as a list of one.

    >>> [one["candidates"] for one in combinations({"candidates": [5, 10]})]
    [5, 10]
    """
    dials = {one.name for one in fields(Dials)}
    _require_known(world.keys(), dials | WORLD.keys() | {"setting"}, "world: ")
    values = []
    names = {"setting": "teaching", "candidates": 10, **world}
    for value in names.values():
        values.append(value if isinstance(value, list) else [value])
    worlds = []
    for row in itertools.product(*values):
        given = dict(zip(names, row, strict=True))
        worlds.append(named_setting(given.pop("setting")) | given)
    return tuple(worlds)


def _check_agent(label: str, agent: Mapping[str, Any], most_draws: int) -> None:
    kind = agent.get("agent")
    if kind not in contestants.KINDS:
        raise ConfigError(
            f"agents.{label}: agent is {kind!r}; "
            f"choose one of {', '.join(contestants.KINDS)}"
        )
    draws = agent.get("draws", 1)
    if draws not in range(1, most_draws + 1):
        raise ConfigError(
            f"agents.{label}: draws is {draws}; it must be 1..{most_draws}"
        )
    known = contestants.setting_names(kind)
    _require_known(
        agent.keys() - {"agent", "tries", "draws"}, known, f"agents.{label}: "
    )
    for settings in agent.get("tries", []):
        _require_known(settings.keys(), known, f"agents.{label}: ")


def _require_known(names: Any, known: Any, place: str) -> None:
    unknown = sorted(names - known)
    if unknown:
        raise ConfigError(
            f"{place}{', '.join(unknown)} unknown; "
            f"known: {', '.join(sorted(known)) or 'none'}"
        )
