"""Lesson 00: a first taste of Q-learning, the map of the course, the README's picture.

Twenty agents learn the same listener side by side, one evening of 20 songs after
another. What each would earn in one more evening is computed exactly, not sampled: the
world of ``Genre-v0`` is small enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from drawing import ABOVE, CENTRED, table_axes
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
    """The greedy policy of ``table`` [..., S, A], ties sharing the probability.

    >>> greedy_policy(np.array([[1.0, 3.0], [2.0, 2.0]])).tolist()
    [[0.0, 1.0], [0.5, 0.5]]
    """
    best = table == table.max(axis=-1, keepdims=True)
    return np.asarray(best / best.sum(axis=-1, keepdims=True))


def evening_return(model: GenreModel, policy: Floats, songs: int = SONGS) -> float:
    """Expected return of one evening under ``policy`` [S, A].

    The first state is random. Backward induction, once a song, without discount:
    ``V(s) <- sum_a pi(a|s) (R(s, a) + c(s, a) V(a))``.

    >>> always_pop = np.eye(5)[[0] * 5]
    >>> pop_lover = PROFILES["pop_lover"].model()
    >>> round(evening_return(pop_lover, always_pop), 2)  # 20 songs of 8.9
    178.0
    """
    values = np.zeros(len(model.reward))
    for _ in range(songs):
        action_values = model.reward + model.continues * values
        values = (policy * action_values).sum(axis=1)
    return float(values.mean())


def best_evening(model: GenreModel, songs: int = SONGS) -> float:
    """Expected return of the best possible evening: a maximum over actions instead.

    >>> seeker = PROFILES["variety_seeker"].model()
    >>> round(best_evening(seeker), 2)  # jazz, pop, jazz, pop: 10 times 4.4
    44.0
    """
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
    """What the agents recommend after training, and the return it brings.

    ``user``: a name from ``PROFILES``; ``evenings`` of training: 0..30.
    """
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
    _draw_shares(left, result)
    _draw_returns(right, result)


def _draw_shares(ax: Axes, result: Taste) -> None:
    ax.imshow(result.shares, cmap="Blues", vmin=0, vmax=1.2, aspect="auto")
    for row, column in np.argwhere(result.shares >= 0.005):
        share = result.shares[row, column]
        colour = "white" if share > 0.7 else "black"
        ax.text(column, row, f"{share:.0%}", color=colour, **CENTRED)
    table_axes(ax, result.genres)
    ax.set(xlabel="recommended next", title=f"choice of {AGENTS} agents")


def _draw_returns(ax: Axes, result: Taste) -> None:
    interval = mean_interval(result.returns)
    bars = {"random": result.random, "q-learning": interval.mean, "oracle": result.best}
    low = min(0.0, *bars.values())
    high = max(0.0, *bars.values())
    reach = max(high - low, 1.0)
    for place, (name, value) in enumerate(bars.items()):
        ax.bar(name, value, color=agent_colour(name), width=0.6)
        top = interval.high if name == "q-learning" else value
        ax.text(place, max(top, 0.0) + 0.03 * reach, f"{value:.1f}", **ABOVE)
    ends = (interval.low, interval.high)
    ax.plot([1, 1], ends, color="black", lw=3, solid_capstyle="butt")
    ax.axhline(0.0, color="black", lw=0.8)
    ax.set(
        ylabel="rewards in an evening",
        title=f"evenings of training: {result.evenings}",
        ylim=(low - 0.05 * reach, high + 0.18 * reach),
    )


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
FAVOURITE_COLOUR = "#CC79A7"


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


def evening_bars(
    ax: Axes, returns: Mapping[str, Floats], labels: Mapping[str, str] | None = None
) -> Axes:
    """One bar for each policy: its mean as a number, its 95% interval as a line.

    ``returns``: name -> [seeds]; ``labels``: name -> what to write beside the bar.
    """
    intervals = np.array([mean_interval(values) for values in returns.values()])
    top = intervals.max()  # the highest upper end
    for row, (name, (mean, low, high)) in enumerate(
        zip(returns, intervals, strict=True)
    ):
        colour = FAVOURITE_COLOUR if name == "one favourite" else agent_colour(name)
        ax.barh(row, mean, color=colour, height=0.62)
        ends = (low, high)
        ax.plot(ends, [row, row], color="#D55E00", lw=3, solid_capstyle="butt")
        place = max(high, 0.0) + 0.02 * top
        ax.text(place, row, f"{mean:.1f}", va="center", weight="bold")
    labels = labels or {}
    ax.set_yticks(range(len(returns)), [labels.get(name, name) for name in returns])
    ax.set(xlim=(-0.1 * top, 1.18 * top), ylim=(len(returns) - 0.5, -0.5))
    ax.axvline(0.0, color="black", lw=0.8)
    ax.grid(False, axis="y")
    return ax


def draw_readme(figure: Figure) -> None:
    """A trained Q-table, and its return beside that of four other policies."""
    table, returns = compare_policies("variety_seeker")
    left, right = figure.subplots(1, 2)
    _draw_table(left, table)
    evening_bars(right, returns, README_LABELS)
    right.tick_params(axis="y", labelsize=9)
    right.set_title(
        "What it is worth: rewards in an evening", fontsize=11, weight="bold"
    )
    right.set_xlabel("20 songs; mean and 95% interval over 20 seeds", fontsize=9.5)


def _draw_table(ax: Axes, table: Floats) -> None:
    ax.imshow(table, cmap="viridis", aspect="auto")
    bright = table.min() + 0.6 * np.ptp(table)
    for (row, column), value in np.ndenumerate(table):
        colour = "black" if value > bright else "white"
        ax.text(column, row, f"{value:.1f}", color=colour, **CENTRED)
    frame: dict[str, Any] = {"fill": False, "edgecolor": "#D55E00", "lw": 3}
    for row, column in enumerate(table.argmax(axis=1)):
        ax.add_patch(Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, **frame))
    table_axes(ax, PROFILES["variety_seeker"].genres)
    ax.set_xlabel("recommended next (Q-table, mean of 20 seeds)")
    ax.set_title("Learned: jazz, but never twice in a row", fontsize=11, weight="bold")


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
        ),
    ),
)

_ARROW: dict[str, Any] = {
    "arrowstyle": "-|>",
    "color": "#555555",
    "lw": 1.2,
    "shrinkA": 0,
    "shrinkB": 0,
}


def draw_map(figure: Figure) -> None:
    """The sixteen lessons in three rows."""
    ax = figure.subplots()
    ax.set(xlim=(-0.05, 6.05), ylim=(0.0, 3.05))
    ax.axis("off")
    number = 0
    for row, (name, colour, titles) in enumerate(PARTS):
        bottom = 2.1 - row
        heading = ax.text(0.06, bottom + 0.72, name, color=colour, va="center")
        heading.set(weight="bold", fontsize=11)
        for column, title in enumerate(titles):
            _lesson_box(ax, column, bottom, f"{number:02d}", title, colour)
            if column:
                end = (column + 0.08, bottom + 0.28)
                start = (column - 0.08, bottom + 0.28)
                ax.annotate("", end, start, arrowprops=_ARROW)
            number += 1


def _lesson_box(
    ax: Axes, column: int, bottom: float, number: str, title: str, colour: str
) -> None:
    box = FancyBboxPatch(
        (column + 0.08, bottom),
        0.84,
        0.56,
        boxstyle="round,pad=0,rounding_size=0.06",
        color=colour,
        lw=1.4,
    )
    ax.add_patch(box)
    white = {**CENTRED, "color": "white"}
    middle = column + 0.5
    ax.text(middle, bottom + 0.44, number, weight="bold", fontsize=10, **white)
    ax.text(middle, bottom + 0.18, title, fontsize=9, linespacing=1.1, **white)


FIGURES = {
    "00_course_map.png": (draw_map, (9.0, 4.2)),
    "readme.png": (draw_readme, (10.0, 3.6)),
}
