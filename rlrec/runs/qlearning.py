"""A Q-learning run: train on one user, compare, keep in a folder, recommend from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

import rlrec
from rlrec import storage
from rlrec.agents import (
    QLearning,
    QLearningConfig,
    RandomPolicy,
    Recommender,
    TablePolicy,
    TrainingLog,
)
from rlrec.datasets import PlayCounts, Tracks, load_play_counts, load_tracks
from rlrec.envs import GenreBatch, GenreProfile, from_history, get_profile
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.intervals import mean_interval
from rlrec.evaluation.simulate import simulate
from rlrec.runs.run import Run, owning, require_seed, require_steps, require_unused

LISTENERS = 2000  # simulated sessions behind each figure of the comparison


@dataclass(frozen=True)
class StoredProfile:
    """A `GenreProfile` as ``config.json`` holds it."""

    like_probability: list[float]
    like_reward: list[float]
    dislike_reward: list[float]
    leave_probability: list[float]
    name: str
    genres: list[str]
    boredom: float


@dataclass(frozen=True, kw_only=True)
class QLearningRun(Run):
    """A Q-learning run on one user of ``Genre-v0``."""

    AGENT: ClassVar[str] = "qlearning"
    version: str  # of rlrec
    steps: int
    seed: int
    user: StoredProfile


def profile_from_plays(source: str, listener: str | None = None) -> GenreProfile:
    """A profile from play counts by genre, of one listener or of all together.

    Raises ``DataError`` for an unknown listener.
    """
    plays = load_play_counts(source)
    if listener is None:
        counts = plays.counts.sum(axis=0)
        return from_history(counts, plays.genres, name=f"everybody in {source}")
    found = np.flatnonzero(plays.user_ids == listener)
    if not len(found):
        few = ", ".join(map(str, plays.user_ids[:5]))
        raise DataError(
            f"{source}: no listener {listener!r}; "
            f"there are {len(plays.user_ids)}, such as {few}"
        )
    counts = plays.counts[found[0]]
    return from_history(counts, plays.genres, name=f"listener {listener}")


@owning
def train_qlearning(
    folder: Path,
    user: str | GenreProfile,
    config: QLearningConfig,
    *,
    steps: int,
    seed: int,
) -> str:
    """Train a new run in ``folder``; the comparison as text.

    user: a profile or its name. steps: 1.. songs. Raises ``ConfigError``.
    """
    require_unused(folder)
    require_seed(seed)
    require_steps(steps, 1, 1)
    profile = get_profile(user)
    genres = len(profile.genres)
    agent = QLearning(genres, genres, config, rng=np.random.default_rng(seed))
    log = agent.train(GenreBatch(1, user=profile), steps, seed=seed)
    agent.save(folder)
    header = ("step", "epsilon", "mean_reward")
    rows = _progress(log, max(steps // 100, 20))
    storage.write_rows(folder / "metrics.csv", header, rows)
    stored = StoredProfile(
        profile.like_probability.tolist(),
        profile.like_reward.tolist(),
        profile.dislike_reward.tolist(),
        profile.leave_probability.tolist(),
        profile.name,
        list(profile.genres),
        profile.boredom,
    )
    version = rlrec.__version__
    QLearningRun(
        folder=folder,
        files=storage.checksums(folder),
        version=version,
        steps=steps,
        seed=seed,
        user=stored,
    ).write()
    return compare_qlearning(profile, agent, seed=seed + 1_000_000)


def _progress(log: TrainingLog, block: int) -> list[tuple[int, str, str]]:
    """Epsilon at the start of each block of steps, and the mean reward of its songs."""
    rows = []
    for start in range(0, len(log.epsilon), block):
        part = slice(start, start + block)
        heard = log.rewards[part][log.learned[part]]
        mean = f"{heard.mean():.4f}" if len(heard) else ""
        rows.append((start, f"{log.epsilon[start]:.4f}", mean))
    return rows


def compare_qlearning(profile: GenreProfile, agent: QLearning, *, seed: int) -> str:
    """A table and a verdict: return of a session of the agent beside three policies.

    These are random, greedy one step and "planned": value iteration's optimum for an
    endless session at the agent's discount, the best that the agent can learn. The
    returns themselves are not discounted. Ties among the agent's values are broken at
    random.
    """
    model = profile.model()
    genres = len(profile.genres)
    discount = agent.config.discount
    policies: dict[str, Recommender] = {
        "random": RandomPolicy(genres, np.random.default_rng(seed)),
        "greedy one step": TablePolicy.greedy(model),
        "q-learning": TablePolicy(
            agent.table.mean(axis=0), np.random.default_rng(seed)
        ),
        f"planned, {discount:g}": TablePolicy.oracle(model, discount),
    }
    env = GenreBatch(LISTENERS, user=profile)
    lines = [
        f"{profile.name}: return of a session, "
        f"mean and 95% interval over {LISTENERS:,} sessions"
    ]
    returns = {}
    for name, policy in policies.items():
        returns[name] = simulate(env, policy, seed=seed)
        lines.append(f"  {name:<18}{mean_interval(returns[name])!s:>26}")
    gain = mean_interval(returns["q-learning"] - returns["random"])
    words = "does not tell from"
    if gain.low > 0:
        words = "beats"
    elif gain.high < 0:
        words = "loses to"
    lines.append(f"this run {words} random: paired difference {gain}")
    return "\n".join(lines)


def recommend_songs(folder: Path, playing: str | None, k: int, tracks: str) -> str:
    """The agent's ``k`` best genres after ``playing``, each with its value and a song.

    playing: a genre; None: the user's first. tracks: where the songs come from: tracks,
    or a listening history, of which the title most played is taken. Raises
    ``ConfigError`` for an unknown genre, ``DataError`` for a broken run.
    """
    user = QLearningRun.read(folder).user
    genres = user.genres
    agent = QLearning.load(folder)
    catalogue = _catalogue(tracks)
    if agent.table.shape[1:] != (len(genres), len(genres)):
        raise DataError(
            f"{folder}: a table of {agent.table.shape[1:]} for {len(genres)} genres; "
            f"train the run again"
        )
    now = genres[0] if playing is None else playing
    lower = list(map(str.lower, genres))
    if now.lower() not in lower:
        raise ConfigError(f"no genre {now!r}; this run knows {', '.join(genres)}")
    state = lower.index(now.lower())
    lines = [f"after {genres[state]}, for {user.name}:"]
    for place, item in enumerate(agent.recommend(state, k)[0], 1):
        try:
            song = catalogue.song(genres[item])
        except DataError:
            song = f"(no song of this genre in {tracks})"
        value = agent.table[:, state, item].mean()
        lines.append(f"{place}. {genres[item]:<12} value {value:8.2f}   {song}")
    return "\n".join(lines)


def _catalogue(tracks: str) -> Tracks | PlayCounts:
    """The tracks, or the plays of a listening history. Raises ``DataError``."""
    try:
        return load_tracks(tracks)
    except DataError as error:
        try:
            return load_play_counts(tracks)
        except DataError:
            raise error from None
