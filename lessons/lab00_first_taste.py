"""Lesson 00: a first taste of Q-learning, the map of the course, and the picture of the README.

Twenty agents learn the same listener side by side, one evening of 20 songs after another. What each of them would earn
in one more evening is computed, not sampled: the world of ``Genre-v0`` is small enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from rlrec.agents import QLearning, RandomPolicy, Recommender, TablePolicy, TrainingLog
from rlrec.envs import PROFILES, GenreBatch, GenreModel
from rlrec.evaluation import mean_interval, simulate
from rlrec.types import Floats
from rlrec.viz.style import agent_colour
from rlrec.viz.widgets import Lab, choice, slider

SONGS = 20  # an evening, as in Genre-v0
EVENINGS = 30  # the widget's slider ends here
AGENTS = 20  # learn side by side, each with luck of its own
LISTENERS = (
    "pop_lover",
    "variety_seeker",
    "rock_fan",
    "calm_worker",
    "headliner",
    "generic",
)


# -- what an evening is worth --------------------------------------------------------------------------------
def greedy_policy(table: Floats) -> Floats:
    """The best action of each row of ``table`` [..., S, A] as probabilities; equals share the row.

    >>> greedy_policy(np.array([[1.0, 3.0], [2.0, 2.0]])).tolist()
    [[0.0, 1.0], [0.5, 0.5]]
    """
    best = table == table.max(axis=-1, keepdims=True)
    return np.asarray(best / best.sum(axis=-1, keepdims=True))


def evening_return(model: GenreModel, policy: Floats, songs: int = SONGS) -> float:
    """Expected sum of rewards of one evening under ``policy`` [S, A], from a random first state.

    Counts backwards: ``V(s) <- sum_a pi(a|s) (R(s, a) + c(s, a) V(a))``, once a song, no discount.

    >>> always_pop = np.eye(5)[[0] * 5]
    >>> round(evening_return(PROFILES["pop_lover"].model(), always_pop), 2)  # 20 songs of 8.9
    178.0
    """
    values = np.zeros(len(model.reward))
    for _ in range(songs):
        values = (policy * (model.reward + model.continues * values[None, :])).sum(
            axis=1
        )
    return float(values.mean())


def best_evening(model: GenreModel, songs: int = SONGS) -> float:
    """Expected sum of rewards of the best possible evening: the same, with the maximum over actions.

    >>> round(best_evening(PROFILES["variety_seeker"].model()), 2)  # jazz, pop, jazz, pop: 10 times 4.4
    44.0
    """
    values = np.zeros(len(model.reward))
    for _ in range(songs):
        values = (model.reward + model.continues * values[None, :]).max(axis=1)
    return float(values.mean())


# -- the widget ----------------------------------------------------------------------------------------------
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
    """Q-tables of ``AGENTS`` agents after 0, 1, ... evenings with ``user``: [EVENINGS + 1, agents, S, A]."""
    n = len(PROFILES[user].genres)
    agent = QLearning(n, n, n_runs=AGENTS, rng=np.random.default_rng(0))
    env = GenreBatch(AGENTS, user=user, session_length=SONGS)
    tables = [agent.table.copy()]
    for evening in range(EVENINGS):
        agent.train(env, SONGS, seed=evening * AGENTS)
        tables.append(agent.table.copy())
    return np.array(tables)


def taste(user: str, evenings: int) -> Taste:
    """What twenty agents recommend to ``user`` (a name from ``PROFILES``) after 0..30 ``evenings``, and its worth."""
    model = PROFILES[user].model()
    policies = greedy_policy(tables_by_evening(user)[evenings])  # [agents, S, A]
    returns = np.array([evening_return(model, policy) for policy in policies])
    chance = evening_return(
        model, np.full(model.reward.shape, 1.0 / model.reward.shape[1])
    )
    return Taste(
        user,
        evenings,
        PROFILES[user].genres,
        policies.mean(axis=0),
        returns,
        chance,
        best_evening(model),
    )


def draw_taste(figure: Figure, result: Taste) -> None:
    """Left: who recommends what after what; right: what an evening is worth, beside chance and the optimum."""
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _draw_shares(left, result)
    _draw_returns(right, result)


def _draw_shares(ax: Axes, result: Taste) -> None:
    ax.imshow(result.shares, cmap="Blues", vmin=0, vmax=1.2, aspect="auto")
    for (row, column), share in np.ndenumerate(result.shares):
        if share >= 0.005:
            ax.text(
                column,
                row,
                f"{share:.0%}",
                ha="center",
                va="center",
                color="white" if share > 0.7 else "black",
            )
    ax.set_xticks(range(len(result.genres)), result.genres)
    ax.set_yticks(range(len(result.genres)), result.genres)
    ax.grid(False)
    ax.set(
        xlabel="recommended next",
        ylabel="now playing",
        title=f"choice of {AGENTS} agents",
    )


def _draw_returns(ax: Axes, result: Taste) -> None:
    interval = mean_interval(result.returns)
    bars = {"random": result.random, "q-learning": interval.mean, "oracle": result.best}
    low, high = min(0.0, *bars.values()), max(0.0, *bars.values())
    ax.bar(
        list(bars),
        list(bars.values()),
        color=[agent_colour(name) for name in bars],
        width=0.6,
    )
    ax.plot(
        [1, 1],
        [interval.low, interval.high],
        color="black",
        lw=3,
        solid_capstyle="butt",
    )
    reach = max(high - low, 1.0)
    for place, value in enumerate(bars.values()):
        top = max(value, 0.0) if place != 1 else max(interval.high, 0.0)
        ax.text(place, top + 0.03 * reach, f"{value:.1f}", ha="center", va="bottom")
    ax.axhline(0.0, color="black", lw=0.8)
    ax.set_ylim(low - 0.05 * reach, high + 0.18 * reach)
    ax.set(
        ylabel="rewards in an evening", title=f"evenings of training: {result.evenings}"
    )


def describe_taste(result: Taste) -> str:
    """One line: what most agents play after jazz, and the three figures."""
    row = result.shares[result.genres.index("Jazz")]
    count = round(float(row.max()) * AGENTS)
    pick = (
        f"{result.genres[int(row.argmax())]} ({count} of {AGENTS} agents)"
        if np.ptp(row) > 0.01
        else "anything"
    )
    return (
        f"After jazz: <b>{pick}</b>. Rewards in an evening: random {result.random:.1f}, "
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


# -- the README's picture ------------------------------------------------------------------------------------
def favourites(log: TrainingLog, n_genres: int) -> Floats:
    """The mean reward of each genre in the log of each run, whatever played before: [runs, genres]."""
    counted = log.learned[:, :, None] & (log.actions[:, :, None] == np.arange(n_genres))
    return np.asarray(
        (log.rewards[:, :, None] * counted).sum(axis=0)
        / np.maximum(counted.sum(axis=0), 1)
    )


def compare(
    user: str, seeds: int = 20, steps: int = 2_100, sessions: int = 200
) -> tuple[Floats, dict[str, Floats]]:
    """Train ``seeds`` agents; their mean table [S, A], and for each policy its mean return by seed [seeds]."""
    model = PROFILES[user].model()
    n = len(model.reward)
    agent = QLearning(n, n, n_runs=seeds, rng=np.random.default_rng(0))
    log = agent.train(GenreBatch(seeds, user=user), steps, seed=0)
    means = favourites(log, n)
    env = GenreBatch(sessions, user=user)
    returns: dict[str, list[float]] = {}
    for seed in range(seeds):
        policies: dict[str, Recommender] = {
            "random": RandomPolicy(n, np.random.default_rng(seed)),
            "one favourite": TablePolicy(np.tile(means[seed], (n, 1))),
            "q-learning": TablePolicy(agent.table[seed]),
            "greedy": TablePolicy.greedy(model),
            "oracle": TablePolicy.oracle(model),
        }
        for name, policy in policies.items():
            played = simulate(env, policy, seed=1_000_000 + seed * sessions)
            returns.setdefault(name, []).append(float(played.mean()))
    return agent.table.mean(axis=0), {
        name: np.array(values) for name, values in returns.items()
    }


README_LABELS = {
    "random": "random",
    "one favourite": "one favourite, for ever\n(same songs, no memory)",
    "q-learning": "Q-learning\n(starts from nothing)",
    "greedy": "greedy\n(is told the rewards)",
    "oracle": "oracle\n(is told them, and plans)",
}
FAVOURITE_COLOUR = "#CC79A7"


def evening_bars(
    ax: Axes, returns: Mapping[str, Floats], labels: Mapping[str, str] | None = None
) -> Axes:
    """One bar for each policy of ``returns`` (name -> [seeds]): its mean as a number, its 95% interval as a line."""
    intervals = {name: mean_interval(values) for name, values in returns.items()}
    top = max(interval.high for interval in intervals.values())
    for row, (name, interval) in enumerate(intervals.items()):
        colour = FAVOURITE_COLOUR if name == "one favourite" else agent_colour(name)
        ax.barh(row, interval.mean, color=colour, height=0.62)
        ax.plot(
            [interval.low, interval.high],
            [row, row],
            color="#D55E00",
            lw=3,
            solid_capstyle="butt",
        )
        ax.text(
            max(interval.high, 0.0) + 0.02 * top,
            row,
            f"{interval.mean:.1f}",
            va="center",
            weight="bold",
        )
    ax.set_yticks(
        range(len(returns)), [(labels or {}).get(name, name) for name in returns]
    )
    ax.set(xlim=(-0.1 * top, 1.18 * top), ylim=(len(returns) - 0.5, -0.5))
    ax.axvline(0.0, color="black", lw=0.8)
    ax.grid(False, axis="y")
    return ax


def draw_readme(figure: Figure) -> None:
    """A trained Q-table, and what it is worth beside chance, a fixed favourite, and those who know the listener."""
    table, returns = compare("variety_seeker")
    left, right = figure.subplots(1, 2)
    _draw_table(left, table)
    evening_bars(right, returns, README_LABELS)
    right.tick_params(axis="y", labelsize=9)
    right.set_title(
        "What it is worth: rewards in an evening", fontsize=11, weight="bold"
    )
    right.set_xlabel("20 songs; mean and 95% interval over 20 seeds", fontsize=9.5)


def _draw_table(ax: Axes, table: Floats) -> None:
    genres = PROFILES["variety_seeker"].genres
    ax.imshow(table, cmap="viridis", aspect="auto")
    bright = table.min() + 0.6 * np.ptp(table)
    for (row, column), value in np.ndenumerate(table):
        ax.text(
            column,
            row,
            f"{value:.1f}",
            ha="center",
            va="center",
            color="black" if value > bright else "white",
        )
    for row, column in enumerate(table.argmax(axis=1)):
        frame = Rectangle(
            (float(column) - 0.47, row - 0.46),
            0.94,
            0.92,
            fill=False,
            edgecolor="#D55E00",
            lw=3,
        )
        ax.add_patch(frame)
    ax.set_xticks(range(len(genres)), genres)
    ax.set_yticks(range(len(genres)), genres)
    ax.grid(False)
    ax.set(xlabel="recommended next (Q-table, mean of 20 seeds)", ylabel="now playing")
    ax.set_title("Learned: jazz, but never twice in a row", fontsize=11, weight="bold")


# -- the map of the course -----------------------------------------------------------------------------------
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
        ),
    ),
)


def draw_map(figure: Figure) -> None:
    """The sixteen lessons in three rows."""
    ax = figure.subplots()
    ax.set(xlim=(-0.05, 6.05), ylim=(0.0, 3.05))
    ax.axis("off")
    number = 0
    for row, (name, colour, titles) in enumerate(PARTS):
        bottom = 2.1 - row
        ax.text(
            0.06,
            bottom + 0.72,
            name,
            color=colour,
            weight="bold",
            va="center",
            fontsize=11,
        )
        for column, title in enumerate(titles):
            _box(ax, column, bottom, f"{number:02d}", title, colour)
            if column:
                ax.annotate(
                    "",
                    (column + 0.08, bottom + 0.28),
                    (column - 0.08, bottom + 0.28),
                    arrowprops=_ARROW,
                )
            number += 1


_ARROW: dict[str, Any] = {
    "arrowstyle": "-|>",
    "color": "#555555",
    "lw": 1.2,
    "shrinkA": 0,
    "shrinkB": 0,
}


def _box(
    ax: Axes, column: int, bottom: float, number: str, title: str, colour: str
) -> None:
    rounded = "round,pad=0,rounding_size=0.06"
    ax.add_patch(
        FancyBboxPatch(
            (column + 0.08, bottom),
            0.84,
            0.56,
            boxstyle=rounded,
            ec=colour,
            fc=colour,
            lw=1.4,
        )
    )
    ax.text(
        column + 0.5,
        bottom + 0.44,
        number,
        color="white",
        ha="center",
        va="center",
        weight="bold",
        fontsize=10,
    )
    ax.text(
        column + 0.5,
        bottom + 0.18,
        title,
        color="white",
        ha="center",
        va="center",
        fontsize=9,
        linespacing=1.1,
    )


FIGURES = {
    "00_course_map.png": (draw_map, (9.0, 4.2)),
    "readme.png": (draw_readme, (10.0, 3.6)),
}
