"""PPO runs held against chance, popularity, greedy, a rule and the oracle on listeners they never met; a verdict.

What this shows: how many songs of a session these simulated listeners hear. What it can't: that people behave so.
One run gives an interval over listeners, which says nothing of another seed; several runs of one configuration give
one over seeds. All meet the same listeners with the same luck.
"""

from __future__ import annotations

from rlrec.types import Floats
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rlrec import storage
from rlrec.agents import (
    GreedyListening,
    ListeningOracle,
    PopularityPolicy,
    RandomPolicy,
    Recommender,
    VariedListening,
)
from rlrec.agents.recommender import Sampled
from rlrec.envs import ListeningBatch, make_catalogue
from rlrec.errors import ConfigError, DataError
from rlrec.runs.provenance import commit
from rlrec.runs.ppo import environment, read_config, tracks_of
from rlrec.runs.config import Config, resume_command
from rlrec.runs.provenance import device, versions
from rlrec.evaluation.intervals import Interval, mean_interval
from rlrec.evaluation.simulate import simulate
from rlrec.types import Say
from rlrec.evaluation.verdict import Rival, verdict

LISTENERS, FIRST = 2_000, 2_000_000  # how many are asked, and the first one's seed: trainings begin far below it
MOST_PROBABLE, SAMPLED, ORACLE = "ppo, most probable", "ppo, sampled", "oracle (knows taste and mood)"
RULE, LIKES = "greedy + variety (a rule)", "the rule, likes counted"


def evaluate(
    folders: Sequence[Path], *, json_path: Path | None = None, listeners: int = LISTENERS, command: str = "",
    say: Say = print,
) -> dict[str, Any]:
    """Print the table and the verdict for one run, or for several of one configuration; all of it as a dictionary.

    ``json_path``: that, written whole. Raises ``ConfigError`` and ``DataError``.
    """
    start = time.monotonic()
    if json_path is not None and json_path.is_dir():
        raise ConfigError(f"{json_path} is a folder; give a file: --json {json_path}/NAME.json")
    stored = [read_config(folder) for folder in folders]
    _check_comparable(folders, stored)
    env = environment(stored[0], make_catalogue(tracks_of(stored[0])), listeners)
    returns = {name: simulate(env, policy, seed=FIRST)[None] for name, policy in rivals(env).items()}
    returns |= _agents(folders, stored, env)
    found = summarise(returns) | {
        "world": stored[0]["world"], "ppo": stored[0]["ppo"], "data": stored[0]["data"], "steps": stored[0]["steps"],
        "seeds": [one["seed"] for one in stored], "listeners": listeners, "trained": {
            "command": stored[0]["command"], "versions": stored[0]["versions"],
            "seconds": [round(sum(session["seconds"] for session in one["sessions"])) for one in stored],
        }, "commit": commit(), "command": command,
        "seconds": round(time.monotonic() - start, 1), "device": device(), "versions": versions(),
    }
    for line in text(found):
        say(line)
    if json_path is not None:
        storage.write_json(json_path, found)
        say(f"written to {json_path}")
    return found


def rivals(env: ListeningBatch) -> dict[str, Recommender]:
    """Who does not learn, the oracle last; only it knows what is hidden.

    The last rule's weights were tuned for the whole catalogue, on other listeners: all that was found by hand.
    """
    return {
        "random": RandomPolicy(len(env.catalogue), np.random.default_rng(0)),
        "popularity": PopularityPolicy(env.catalogue.appeal),
        "greedy one step": GreedyListening(env.catalogue),
        RULE: VariedListening(env.catalogue),
        LIKES: VariedListening(env.catalogue, like_weight=1.0, appeal_weight=0.2, variety=1.5),
        ORACLE: ListeningOracle(env, np.random.default_rng(0)),
    }


def _agents(folders: Sequence[Path], stored: Sequence[Config], env: ListeningBatch) -> dict[str, Floats]:
    """Songs heard [runs, listeners] by the agents, most probable and sampled."""
    from rlrec.agents.ppo import PPO

    best, drawn = [], []
    for folder, one in zip(folders, stored, strict=True):
        found = storage.checkpoints(folder)
        if not found:
            raise DataError(f"{folder} has no checkpoint yet; go on with it: {resume_command(folder)}")
        agent = PPO.load(found[-1][1])
        best.append(simulate(env, agent, seed=FIRST))
        drawn.append(simulate(env, Sampled(agent, np.random.default_rng(one["seed"])), seed=FIRST))
    return {MOST_PROBABLE: np.array(best), SAMPLED: np.array(drawn)}


def _check_comparable(folders: Sequence[Path], stored: Sequence[Config]) -> None:
    for folder, one in zip(folders[1:], stored[1:], strict=True):
        for name in ("data", "fingerprint", "world", "ppo", "steps"):
            if one[name] != stored[0][name]:
                raise ConfigError(f"{folder} differs from {folders[0]} in {name}; only runs of one configuration, with "
                                  f"different seeds, are put in one table")
    seeds = [one["seed"] for one in stored]
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"seeds {seeds}: a seed comes twice, and the same run twice says nothing more")


def summarise(returns: dict[str, Floats]) -> dict[str, Any]:
    """Songs heard a session by name, [runs or 1, listeners] each: means, intervals, differences, the verdict."""
    agent = returns[MOST_PROBABLE]
    others = {name: float(values.mean()) for name, values in returns.items() if name not in (MOST_PROBABLE, SAMPLED)}
    top = others.pop(ORACLE)
    strongest = max(others, key=lambda name: others[name])
    plain = max((name for name in others if name not in (RULE, LIKES)), key=lambda name: others[name])
    differences = {name: _difference(agent, returns[name]) for name in (plain, strongest)}
    share = (agent.mean() - others["random"]) / (top - others["random"])
    return {
        "table": {name: _interval(values)._asdict() for name, values in returns.items()},
        "differences": {
            name: {**found._asdict(), "percent": 100.0 * found.mean / others[name]}
            for name, found in differences.items()
        },
        "strongest": strongest,
        "share_of_oracle": float(agent.mean() / top),
        "share_from_random_to_oracle": float(share),
        "verdict": verdict([Rival(strongest, differences[strongest], others[strongest])], unit=" songs a session"),
        "interval": ("over seeds" if len(agent) > 1 else "over listeners of one seed") + ", Student's t",
    }


def _interval(values: Floats) -> Interval:
    return mean_interval(values.mean(axis=1) if len(values) > 1 else values[0])


def _difference(agent: Floats, other: Floats) -> Interval:
    """Paired by listener; over seeds if there are several runs, else over listeners."""
    return _interval(agent - other.mean(axis=0))


def text(found: dict[str, Any]) -> list[str]:
    """The table, the differences and the verdict as lines."""
    seeds = ", ".join(map(str, found["seeds"]))
    world = found["world"]
    lines = [
        f"songs heard a session, {found['listeners']:,} listeners, taste {world['taste_strength']:g}, long-term effect "
        f"{world['long_term_effect']:g}, {found['ppo']['action']}, map {Path(world['map']).name}, seeds {seeds}"
    ]
    for name, row in found["table"].items():
        lines.append(f"  {name:<32}{row['mean']:6.2f}  [{row['low']:.2f}, {row['high']:.2f}]")
    for name, row in found["differences"].items():
        gain = f"{row['mean']:+.2f} [{row['low']:.2f}, {row['high']:.2f}], {row['percent']:+.1f}%"
        lines.append(f"  ppo less {name}: {gain}")
    lines.append(
        f"  {found['share_of_oracle']:.0%} of the oracle's songs, {found['share_from_random_to_oracle']:.0%} of the "
        f"way from random to it (intervals {found['interval']})"
    )
    return [*lines, found["verdict"]]
