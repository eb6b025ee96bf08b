"""PPO and n-step runs compared with baselines and the oracle; a verdict.

What this shows: how many songs of a session these simulated listeners hear. What it
can't: that people behave so. One run gives an interval over listeners, which says
nothing of another seed; several runs of one configuration give one over seeds and
listeners. All meet the same listeners with the same random draws.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

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
from rlrec.evaluation.intervals import Interval, crossed_interval, mean_interval
from rlrec.evaluation.simulate import simulate
from rlrec.evaluation.verdict import Rival, verdict
from rlrec.runs.listening import ListeningRun
from rlrec.runs.nstep import NStepRun
from rlrec.runs.ppo import PPORun
from rlrec.runs.provenance import provenance, publish, require_result_path
from rlrec.runs.run import agent_of, require_comparable
from rlrec.types import Floats, Say

LISTENERS = 2_000
FIRST = 2_000_000  # the first listener's seed; those of trainings are far above it
MOST_PROBABLE = "ppo, most probable"
SAMPLED = "ppo, sampled"
N_STEP = "nstep"
AGENTS = (MOST_PROBABLE, N_STEP)
ORACLE = "oracle (knows taste and mood)"
RULE = "greedy + variety (a rule)"
LIKES = "the rule, likes counted"
TUNED = "the rule, tuned on ten songs"
RULES = (RULE, LIKES, TUNED)


def evaluate_ppo(
    folders: Sequence[Path],
    *,
    json_path: Path | None = None,
    listeners: int = LISTENERS,
    command: str = "",
    say: Say = print,
) -> dict[str, Any]:
    """Print table and verdict of one run, or of several that differ by their seeds.

    json_path: a file to write all of it to. Returns that as a dictionary. Raises
    ``ConfigError`` and ``DataError``.
    """
    start = time.monotonic()
    require_result_path(json_path)
    kind = NStepRun if agent_of(folders[0]) == NStepRun.AGENT else PPORun
    runs = [kind.read(folder) for folder in folders]
    require_comparable(runs)
    first = runs[0]
    env = first.environment(make_catalogue(first.tracks()), listeners)
    returns = {}
    for name, policy in rivals(env).items():
        returns[name] = simulate(env, policy, seed=FIRST)[None]
    returns |= _returns_of_runs(runs, env)
    stored = first.content()
    seconds = [sum(one.seconds for one in run.sessions) for run in runs]
    found = summarise_returns(returns)
    found |= {name: stored[name] for name in ("world", first.AGENT, "data", "steps")}
    found |= {
        "seeds": [run.seed for run in runs],
        "listeners": listeners,
        "trained": {
            "command": first.command,
            "versions": first.versions,
            "seconds": list(map(round, seconds)),
        },
        **provenance(command, start),
    }
    publish(ppo_report(found), found, json_path, say)
    return found


def rivals(env: ListeningBatch) -> dict[str, Recommender]:
    """Policies that do not learn, the oracle last; only it knows what is hidden.

    The weights of the last two rules were tuned on other listeners: by hand for the
    whole catalogue, and by a study for ten songs on offer.
    """
    return {
        "random": RandomPolicy(len(env.catalogue), np.random.default_rng(0)),
        "popularity": PopularityPolicy(env.catalogue.appeal),
        "greedy one step": GreedyListening(env.catalogue),
        RULE: VariedListening(env.catalogue),
        LIKES: VariedListening(
            env.catalogue, like_weight=1.0, appeal_weight=0.2, variety=1.5
        ),
        TUNED: VariedListening(
            env.catalogue, like_weight=2.0, appeal_weight=0.3, variety=3.0
        ),
        ORACLE: ListeningOracle(env, np.random.default_rng(0)),
    }


def _returns_of_runs(
    runs: Sequence[ListeningRun], env: ListeningBatch
) -> dict[str, Floats]:
    """Songs heard [runs, listeners] with the best songs; for PPO also with sampled."""
    best = []
    drawn = []
    for run in runs:
        _, checkpoint = run.last_checkpoint()
        agent = run.load(checkpoint)
        best.append(simulate(env, agent, seed=FIRST))
        if isinstance(run, PPORun):
            sampled = Sampled(agent, np.random.default_rng(run.seed))
            drawn.append(simulate(env, sampled, seed=FIRST))
    if not drawn:
        return {N_STEP: np.array(best)}
    return {MOST_PROBABLE: np.array(best), SAMPLED: np.array(drawn)}


def summarise_returns(returns: dict[str, Floats]) -> dict[str, Any]:
    """Means, intervals, differences and the verdict.

    ``returns``: songs heard a session by policy, [runs, listeners] of the agent,
    [1, listeners] of the others.
    """
    own = next(name for name in AGENTS if name in returns)
    agent = returns[own]
    means = {name: float(values.mean()) for name, values in returns.items()}
    top = means[ORACLE]
    for name in (ORACLE, own, SAMPLED):
        means.pop(name, None)
    strongest = max(means, key=means.__getitem__)
    simple = [name for name in means if name not in RULES]
    plain = max(simple, key=means.__getitem__)
    differences = {}
    for name in (plain, strongest):
        # Paired by listener.
        gain = _interval(agent - returns[name].mean(axis=0))
        percent = 100.0 * gain.mean / means[name]
        differences[name] = {**gain._asdict(), "percent": percent}
    share = (agent.mean() - means["random"]) / (top - means["random"])
    rival = Rival(strongest, gain, means[strongest])
    over = "seeds and listeners" if len(agent) > 1 else "listeners of one seed"
    return {
        "table": {
            name: _interval(values)._asdict() for name, values in returns.items()
        },
        "differences": differences,
        "strongest": strongest,
        "share_of_oracle": float(agent.mean() / top),
        "share_from_random_to_oracle": float(share),
        "verdict": verdict(
            [rival], seeds=len(agent), over=over, unit=" songs a session"
        ),
        "interval": f"over {over}, Student's t",
    }


def _interval(values: Floats) -> Interval:
    """Over runs and listeners if there are several runs, else over listeners."""
    return crossed_interval(values) if len(values) > 1 else mean_interval(values[0])


def ppo_report(found: dict[str, Any]) -> list[str]:
    """What `evaluate_ppo` found as lines: the table, the differences, the verdict."""
    seeds = ", ".join(map(str, found["seeds"]))
    agent = "ppo" if "ppo" in found else "nstep"
    settings = found[agent]
    detail = settings["action"] if agent == "ppo" else f"n {settings['n']}"
    world = found["world"]
    lines = [
        f"songs heard a session, {found['listeners']:,} listeners, "
        f"taste {world['taste_strength']:g}, long-term effect "
        f"{world['long_term_effect']:g}, {detail}, "
        f"map {Path(world['map']).name}, seeds {seeds}"
    ]
    for name, row in found["table"].items():
        interval = f"[{row['low']:.2f}, {row['high']:.2f}]"
        lines.append(f"  {name:<32}{row['mean']:6.2f}  {interval}")
    for name, row in found["differences"].items():
        gain = f"{row['mean']:+.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        lines.append(f"  {agent} less {name}: {gain}, {row['percent']:+.1f}%")
    lines.append(
        f"  {found['share_of_oracle']:.0%} of the oracle's songs, "
        f"{found['share_from_random_to_oracle']:.0%} of the way from random to it "
        f"(intervals {found['interval']})"
    )
    return [*lines, found["verdict"]]
