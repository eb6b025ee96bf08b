"""Lesson 00: a first taste of Q-learning, the map of the course, the README's picture.

Twenty agents learn the same listener side by side, one evening of 20 songs after
another. What each would earn in one more evening is computed exactly, not sampled: the
world of ``Genre-v0`` is small enough.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import seaborn as sns
from drawing import CENTRED, student, value_table
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from rlrec.agents import QLearning, RandomPolicy, Recommender, TablePolicy, TrainingLog
from rlrec.envs import PROFILES, GenreBatch, GenreModel
from rlrec.evaluation import mean_interval, simulate
from rlrec.types import Floats
from rlrec.viz.style import AGENT_COLOURS, agent_colour
from rlrec.viz.widgets import Lab, choice, slider

SONGS = 20  # an evening, as in Genre-v0
EVENINGS = 30  # the widget's slider ends here
SEQUENTIAL: dict[str, Any] = {"cmap": "Blues", "annot": True, "cbar": False}
AGENTS = 20  # learn side by side, each with random draws of its own
LISTENERS = (
    "pop_lover",
    "variety_seeker",
    "rock_fan",
    "calm_worker",
    "headliner",
    "generic",
)


# -- the expected return of an evening -------------------------------------------------
def greedy_policy(table: Floats) -> Floats:
    """The greedy policy of ``table`` [..., S, A], ties sharing the probability."""
    best = table == table.max(axis=-1, keepdims=True)
    return np.asarray(best / best.sum(axis=-1, keepdims=True))


def evening_return(model: GenreModel, policy: Floats, songs: int = SONGS) -> float:
    """Expected return of one evening under ``policy`` [S, A], by backward induction.

    >>> always_pop = np.eye(5)[[0] * 5]
    >>> round(evening_return(PROFILES["pop_lover"].model(), always_pop), 2)
    178.0
    """
    values = np.zeros(len(model.reward))
    for _ in range(songs):
        action_values = model.reward + model.continues * values
        values = (policy * action_values).sum(axis=1)
    return float(values.mean())


def best_evening(model: GenreModel, songs: int = SONGS) -> float:
    """Expected return of the best possible evening: a maximum over actions instead."""
    values = np.zeros(len(model.reward))
    for _ in range(songs):
        values = (model.reward + model.continues * values).max(axis=1)
    return float(values.mean())


# -- the widget ------------------------------------------------------------------------
class Taste(NamedTuple):
    """What the agents do after some evenings with one listener."""

    user: str
    evenings: int
    genres: tuple[str, ...]
    shares: Floats  # [S, A]: share of the agents that recommend a after s
    returns: Floats  # [agents]: expected return of one more evening
    random: float
    best: float


@cache
def tables_by_evening(user: str) -> Floats:
    """Q-tables after 0, 1, ... evenings with ``user``: [EVENINGS + 1, agents, S, A]."""
    genres = len(PROFILES[user].genres)
    agent = QLearning(genres, genres, n_runs=AGENTS, rng=np.random.default_rng(0))
    env = GenreBatch(AGENTS, user=user, session_length=SONGS)
    tables = [agent.table.copy()]
    for evening in range(EVENINGS):
        agent.train(env, SONGS, seed=evening * AGENTS)
        tables.append(agent.table.copy())
    return np.array(tables)


def taste(user: str, evenings: int) -> Taste:
    """What the agents recommend after 0 to 30 evenings, and the return it brings."""
    model = PROFILES[user].model()
    policies = greedy_policy(tables_by_evening(user)[evenings])  # [agents, S, A]
    uniform = np.full(model.reward.shape, 1.0 / len(model.reward))
    return Taste(
        user,
        evenings,
        PROFILES[user].genres,
        policies.mean(axis=0),
        np.array([evening_return(model, policy) for policy in policies]),
        evening_return(model, uniform),
        best_evening(model),
    )


def draw_taste(figure: Figure, result: Taste) -> None:
    """Left: the agents' choices; right: their return beside random and optimal play."""
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    shares = pd.DataFrame(result.shares, result.genres, result.genres)
    sns.heatmap(shares, vmin=0, vmax=1.2, ax=left, fmt=".0%", **SEQUENTIAL)
    title = f"choice of {AGENTS} agents"
    left.set(xlabel="recommended next", ylabel="now playing", title=title)
    mean, low, high = mean_interval(result.returns)
    bars = {"random": result.random, "q-learning": mean, "oracle": result.best}
    ends = [[0, mean - low, 0], [0, high - mean, 0]]
    colours = [agent_colour(name) for name in bars]
    drawn = right.bar([*bars], [*bars.values()], yerr=ends, color=colours)
    right.bar_label(drawn, fmt="%.1f", padding=6)
    right.margins(y=0.15)
    title = f"evenings of training: {result.evenings}"
    right.set(ylabel="rewards in an evening", title=title)


def describe_taste(result: Taste) -> str:
    """One line: what most agents play after jazz, and the three returns."""
    row = result.shares[result.genres.index("Jazz")]
    pick = "anything"
    if np.ptp(row) > 0.01:
        count = round(float(row.max()) * AGENTS)
        pick = f"{result.genres[row.argmax()]} ({count} of {AGENTS} agents)"
    return (
        f"After jazz: <b>{pick}</b>. Rewards in an evening: "
        f"random {result.random:.1f}, "
        f"q-learning <b>{result.returns.mean():.1f}</b>, oracle {result.best:.1f}"
    )


def first_taste_lab() -> Lab[Taste]:
    """Pick a listener and how many evenings the agents have learned."""
    controls: dict[str, Any] = {
        "user": choice("listener", LISTENERS, unit="a profile of the library"),
        "evenings": slider(
            "evenings of training", 0, 0, EVENINGS, 1, unit=f"{SONGS} songs each"
        ),
    }
    return Lab(
        "A first taste", controls, taste, draw_taste, describe_taste, figsize=(8.0, 3.2)
    )


# -- the README's picture --------------------------------------------------------------
README_LABELS = {
    "random": "random",
    "one favourite": "one favourite, for ever\n(same songs, no memory)",
    "q-learning": "Q-learning\n(starts from nothing)",
    "greedy": "greedy\n(is told the rewards)",
    "oracle": "oracle\n(is told them, and plans)",
}
README_COLOURS = {"one favourite": "#CC79A7"}


def favourites(log: TrainingLog, n_genres: int) -> Floats:
    """The mean reward of each genre in the log of each run: [runs, genres].

    What played before is ignored, and steps that only began an episode are left out.
    """
    counted = log.learned[:, :, None] & (log.actions[:, :, None] == np.arange(n_genres))
    totals = (log.rewards[:, :, None] * counted).sum(axis=0)
    return np.asarray(totals / np.maximum(counted.sum(axis=0), 1))


def compare_policies(
    user: str, seeds: int = 20, steps: int = 2_100, sessions: int = 200
) -> tuple[Floats, dict[str, Floats]]:
    """Train ``seeds`` agents and compare them with four other policies.

    Returns the mean Q-table [S, A], and the mean return of each policy [seeds].
    """
    model = PROFILES[user].model()
    genres = len(model.reward)
    agent = QLearning(genres, genres, n_runs=seeds, rng=np.random.default_rng(0))
    log = agent.train(GenreBatch(seeds, user=user), steps, seed=0)
    means = favourites(log, genres)
    env = GenreBatch(sessions, user=user)
    returns = {name: np.zeros(seeds) for name in README_LABELS}
    for seed in range(seeds):
        policies: dict[str, Recommender] = {
            "random": RandomPolicy(genres, np.random.default_rng(seed)),
            "one favourite": TablePolicy(np.tile(means[seed], (genres, 1))),
            "q-learning": TablePolicy(agent.table[seed]),
            "greedy": TablePolicy.greedy(model),
            "oracle": TablePolicy.oracle(model),
        }
        for name, policy in policies.items():
            played = simulate(env, policy, seed=1_000_000 + seed * sessions)
            returns[name][seed] = played.mean()
    return agent.table.mean(axis=0), returns


def draw_readme(figure: Figure) -> None:
    """A trained Q-table, and its return beside that of four other policies."""
    table, returns = compare_policies("variety_seeker")
    left, right = figure.subplots(1, 2)
    value_table(left, table, PROFILES["variety_seeker"].genres, "#D55E00", cmap="Blues")
    left.set(title="Learned: jazz, but never twice in a row")
    left.set_xlabel("recommended next (Q-table, mean of 20 seeds)")
    frame = pd.DataFrame(returns).melt(var_name="policy", value_name="rewards")
    frame["label"] = frame["policy"].map(README_LABELS)
    colours = AGENT_COLOURS | README_COLOURS
    look: dict[str, Any] = {"hue": "policy", "palette": colours, "saturation": 1}
    look |= {"errorbar": student, "legend": False}
    sns.barplot(frame, x="rewards", y="label", ax=right, **look)
    for bars in right.containers:
        right.bar_label(bars, fmt="%.1f", padding=14)
    right.margins(x=0.16)
    right.set(ylabel="", title="What it is worth: rewards in an evening")
    right.set_xlabel("20 songs; mean and 95% interval over 20 seeds")


# -- the map of the course -------------------------------------------------------------
PARTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "1  Tables: every number fits on a page",
        "#0072B2",
        (
            "Start here",
            "Recommending\nis deciding",
            "One TD update,\nby hand",
            "Explore\nor exploit",
            "The reward\nlab",
        ),
    ),
    (
        "2  Networks: more listeners and songs than a table holds",
        "#009E73",
        (
            "From table\nto network",
            "Embeddings\nand states",
            "DDPG: actor\nand critic",
            "Prioritised\nreplay",
            "DRR on\nMovieLens",
            "Is it\nany good?",
        ),
    ),
    (
        "3  Sound and live: real audio features, a stream of feedback",
        "#D55E00",
        (
            "A map of\nsound: VAE",
            "What is a\nlisten worth?",
            "PPO: small,\nsafe steps",
            "From logs\nto live",
            "The contest",
            "On a GPU",
        ),
    ),
)

BOX = "round,pad=0,rounding_size=0.06"


def draw_map(figure: Figure) -> None:
    """The seventeen lessons in three rows."""
    ax = figure.subplots()
    ax.set(xlim=(-0.05, 6.05), ylim=(0.0, 3.05))
    ax.axis("off")
    white = {**CENTRED, "color": "white", "linespacing": 1.1}
    number = 0
    for row, (name, colour, titles) in enumerate(PARTS):
        bottom = 2.1 - row
        ax.text(0.06, bottom + 0.66, name, color=colour, weight="bold", fontsize=11)
        for column, title in enumerate(titles):
            corner = (column + 0.08, bottom)
            box = FancyBboxPatch(corner, 0.84, 0.56, boxstyle=BOX, color=colour)
            ax.add_patch(box)
            middle = column + 0.5
            ax.text(middle, bottom + 0.44, f"{number:02d}", weight="bold", **white)
            ax.text(middle, bottom + 0.18, title, fontsize=9, **white)
            number += 1


FIGURES = {
    "00_course_map.png": (draw_map, (9.0, 4.2)),
    "readme.png": (draw_readme, (10.0, 3.6)),
}
