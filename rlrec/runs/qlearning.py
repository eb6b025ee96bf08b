"""A Q-learning run from start to end: train on one user, compare, keep in a folder, recommend from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import rlrec
from rlrec import storage
from rlrec.agents import QLearning, QLearningConfig, RandomPolicy, Recommender, TablePolicy, TrainingLog
from rlrec.datasets import load_play_counts, load_tracks
from rlrec.envs import GenreBatch, GenreProfile, from_history, get_profile
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.intervals import mean_interval
from rlrec.evaluation.simulate import simulate

ARRAYS = ("like_probability", "like_reward", "dislike_reward", "leave_probability")
LISTENERS = 2000  # simulated sessions behind each figure of the comparison


def profile_from_plays(source: str, listener: str | None = None) -> GenreProfile:
    """A profile from play counts by genre, of one listener or of all. Raises ``DataError`` for an unknown one."""
    plays = load_play_counts(source)
    if listener is None:
        return from_history(plays.counts.sum(axis=0), plays.genres, name=f"everybody in {source}")
    found = np.flatnonzero(plays.user_ids == listener)
    if not len(found):
        few = ", ".join(map(str, plays.user_ids[:5]))
        raise DataError(f"{source}: no listener {listener!r}; there are {len(plays.user_ids)}, such as {few}")
    return from_history(plays.counts[found[0]], plays.genres, name=f"listener {listener}")


def train_run(folder: Path, user: str | GenreProfile, config: QLearningConfig, *, steps: int, seed: int) -> str:
    """Train, write ``config.json``, ``metrics.csv`` and the agent into ``folder``; the comparison as text."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; give a folder")
    if not 0 <= seed < 2**60:
        raise ConfigError(f"seed is {seed}; it must lie in 0..2**60")
    if (folder / "config.json").exists():
        raise ConfigError(f"{folder} holds a run already; choose another folder, or delete it")
    if steps < 1:
        raise ConfigError(f"steps is {steps}; it must be 1 or more")
    profile = get_profile(user)
    n = len(profile.genres)
    agent = QLearning(n, n, config, rng=np.random.default_rng(seed))
    log = agent.train(GenreBatch(1, user=profile), steps, seed=seed)
    agent.save(folder)
    storage.write_rows(folder / "metrics.csv", ("step", "epsilon", "mean_reward"), _progress(log, max(steps // 100, 20)))
    described = {name: getattr(profile, name).tolist() for name in ARRAYS}
    described |= {"name": profile.name, "genres": list(profile.genres), "boredom": profile.boredom}
    storage.write_json(
        folder / "config.json",
        {"agent": "qlearning", "version": rlrec.__version__, "steps": steps, "seed": seed, "user": described},
    )
    return compare(profile, agent, seed=seed + 1_000_000)


def _progress(log: TrainingLog, block: int) -> list[tuple[int, str, str]]:
    """Epsilon at the start of each block of steps, and the mean reward of its songs."""
    rows = []
    for start in range(0, len(log.epsilon), block):
        part = slice(start, start + block)
        heard = log.rewards[part][log.learned[part]]
        rows.append((start, f"{log.epsilon[start]:.4f}", f"{heard.mean():.4f}" if len(heard) else ""))
    return rows


def compare(profile: GenreProfile, agent: QLearning, *, seed: int) -> str:
    """A table: return a session of the agent beside random, greedy one step and value iteration, and the verdict.

    "planned" is value iteration's optimum for an endless session at the agent's discount, the best the agent can
    learn; the returns themselves are not discounted. Equal values of the agent's are taken in random order.
    """
    model = profile.model()
    policies: dict[str, Recommender] = {
        "random": RandomPolicy(len(profile.genres), np.random.default_rng(seed)),
        "greedy one step": TablePolicy.greedy(model),
        "q-learning": TablePolicy(agent.table.mean(axis=0), np.random.default_rng(seed)),
        f"planned, {agent.config.discount:g}": TablePolicy.oracle(model, agent.config.discount),
    }
    env = GenreBatch(LISTENERS, user=profile)
    returns = {name: simulate(env, policy, seed=seed) for name, policy in policies.items()}
    lines = [f"{profile.name}: return of a session, mean and 95% interval over {LISTENERS:,} sessions"]
    lines += [f"  {name:<18}{mean_interval(values)!s:>26}" for name, values in returns.items()]
    gain = mean_interval(returns["q-learning"] - returns["random"])
    words = "does not tell from" if gain.low <= 0 <= gain.high else "beats" if gain.low > 0 else "loses to"
    return "\n".join([*lines, f"this run {words} random: paired difference {gain}"])


def recommend_songs(folder: Path, playing: str | None, k: int, tracks: str) -> str:
    """The agent's ``k`` best genres after ``playing`` as lines of text, each with its value and a song."""
    config = storage.read_json(folder / "config.json")
    genres = _genres(folder, config)
    agent, catalogue = QLearning.load(folder), load_tracks(tracks)
    if agent.table.shape[1:] != (len(genres), len(genres)):
        raise DataError(f"{folder}: a table of {agent.table.shape[1:]} for {len(genres)} genres; train the run again")
    now = genres[0] if playing is None else playing
    if now.lower() not in (name.lower() for name in genres):
        raise ConfigError(f"no genre {now!r}; this run knows {', '.join(genres)}")
    state = [name.lower() for name in genres].index(now.lower())
    lines = [f"after {genres[state]}, for {config['user'].get('name', 'this user')}:"]
    for place, item in enumerate(agent.recommend(state, k)[0], 1):
        try:
            song = catalogue.label(int(catalogue.most_popular(genres[item], 1)[0]))
        except DataError:
            song = f"(no song of this genre in {tracks})"
        lines.append(f"{place}. {genres[item]:<12} value {agent.table[:, state, item].mean():8.2f}   {song}")
    return "\n".join(lines)


def _genres(folder: Path, config: dict[str, Any]) -> list[str]:
    if not isinstance(config, dict) or config.get("agent") != "qlearning":
        raise DataError(f"{folder}: no run of qlearning; this command knows no other")
    try:
        return [str(name) for name in config["user"]["genres"]]
    except (KeyError, TypeError):
        raise DataError(f"{folder / 'config.json'}: the user's genres are missing; train the run again") from None
