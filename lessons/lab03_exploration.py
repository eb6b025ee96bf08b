"""Lesson 03, explore or exploit: schedules of epsilon, regret, what a table is worth, and the widget for all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from rlrec.agents import (
    QLearning,
    QLearningConfig,
    TrainingLog,
    policy_values,
    value_iteration,
)
from rlrec.envs import GenreBatch, GenreModel, GenreProfile, get_profile
from rlrec.errors import ConfigError
from rlrec.types import Bools, Floats
from rlrec.viz.style import AGENT_COLOURS, PALETTE
from rlrec.viz.widgets import Lab, choice, slider

WIDGET_RUNS, WIDGET_STEPS = 50, 400
SONGS = 20  # of an evening
EVENINGS = (1, 2, 3, 5, 10, 30)
GENRE_COLOURS = (*PALETTE[:4], PALETTE[6])  # Pop, Rock, Jazz, Classical, HipHop
STRATEGIES = {
    "never explores": QLearningConfig(epsilon=0.0, epsilon_floor=0.0),
    "always explores": QLearningConfig(epsilon=1.0, epsilon_floor=1.0),
    "explores less and less": QLearningConfig(epsilon_decay=0.99),
}


# -- measures --------------------------------------------------------------------------------------------
def epsilon_schedule(epsilon: float, decay: float, floor: float, steps: int) -> Floats:
    """Epsilon at each step, ``max(floor, epsilon decay^t)`` for t = 0, 1, ...: [steps].

    >>> epsilon_schedule(1.0, 0.99, 0.05, 301)[[100, 298, 299]].round(4).tolist()
    [0.366, 0.05, 0.05]
    """
    return np.asarray(
        np.maximum(floor, epsilon * decay ** np.arange(steps, dtype=np.float64))
    )


def steps_to_floor(epsilon: float, decay: float, floor: float) -> int | None:
    """The first step whose epsilon is the floor, i.e. the least t with ``epsilon decay^t <= floor``; None if never.

    >>> steps_to_floor(1.0, 0.99, 0.05), steps_to_floor(0.2, 1.0, 0.05)
    (299, None)
    """
    if epsilon <= floor:
        return 0
    if floor <= 0.0 or decay >= 1.0:
        return None
    return math.ceil(math.log(floor / epsilon) / math.log(decay) - 1e-12)


def gaps(user: str | GenreProfile) -> Floats:
    """What one recommendation of each genre costs against the optimal policy's, in expected reward: [actions].

    Raises ``ConfigError`` for a user whose reward depends on the song before: then a gap belongs to a state, too.

    >>> gaps("pop_lover").round(2).tolist()
    [0.0, 8.9, 10.1, 10.5, 9.4]
    """
    profile = get_profile(user)
    model = profile.model()
    if np.ptp(model.reward, axis=0).max() > 1e-12:
        raise ConfigError(
            f"{profile.name}'s reward depends on the song before; its gaps need the state"
        )
    best = value_iteration(model)[0].argmax()
    return np.asarray(model.reward[0, best] - model.reward[0])


def cumulative_regret(log: TrainingLog, gap: Floats) -> Floats:
    """The regret so far after each step of each run, from the expected rewards: [steps, runs].

    ``gap`` [actions] as ``gaps`` gives it; steps at which an episode had just ended cost nothing.
    """
    return np.asarray(np.cumsum(gap[log.actions] * log.learned, axis=0))


def rows_right(tables: Floats, model: GenreModel, discount: float = 0.9) -> Bools:
    """Where the first of the best entries of ``tables`` [runs, states, actions] is optimal: [runs, states]."""
    best = value_iteration(model, discount)
    chosen = tables.argmax(axis=2)  # [runs, states]
    optimal = best >= best.max(axis=1, keepdims=True) - 1e-6
    return np.asarray(optimal[np.arange(len(best)), chosen])


def policy_loss(tables: Floats, model: GenreModel, discount: float = 0.9) -> Floats:
    """Discounted return lost by following each greedy table for ever, mean over first states: [runs].

    ``V*(s) - V_pi(s)``: the optimum from value iteration, the policy's value from a linear system, so no luck in it.
    """
    n = len(model.reward)
    best = value_iteration(model, discount).max(axis=1)
    chosen = tables.argmax(axis=2)
    followed = [
        policy_values(model, np.eye(n)[row], discount)[np.arange(n), row]
        for row in chosen
    ]
    return np.asarray((best - np.array(followed)).mean(axis=1))


def train(
    user: str | GenreProfile,
    config: QLearningConfig,
    *,
    steps: int,
    runs: int,
    seed: int = 0,
) -> tuple[QLearning, TrainingLog]:
    """Q-learning in ``runs`` independent copies, each with a listener of its own: the agent and its log."""
    env = GenreBatch(runs, user=user)
    n = len(env.genres)
    agent = QLearning(n, n, config, n_runs=runs, rng=np.random.default_rng(seed))
    return agent, agent.train(env, steps, seed=seed)


def mean_band(curves: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Mean over runs and its 95% interval, mean -+ 1.96 standard errors, of ``curves`` [points, runs]: three [points].

    >>> [part.round(2).tolist() for part in mean_band([[1.0, 3.0]])]
    [[2.0], [0.04], [3.96]]
    """
    values = np.asarray(curves, np.float64)
    mean = values.mean(axis=1)
    half = 1.96 * values.std(axis=1, ddof=1) / math.sqrt(values.shape[1])
    return mean, mean - half, mean + half


# -- plots -----------------------------------------------------------------------------------------------
def regret_plot(
    ax: Axes, curves: Mapping[str, Floats], colours: Mapping[str, str], every: int = 50
) -> Axes:
    """Regret of each of ``curves``, name -> [steps, runs], as mean and 95% interval; its end carries the name."""
    for name, regret in curves.items():
        points = np.append(np.arange(0, len(regret), every), len(regret) - 1)
        mean, low, high = mean_band(regret[points])
        ax.plot(points, mean, color=colours[name], label=name)
        ax.fill_between(points, low, high, color=colours[name], alpha=0.25, lw=0)
    ax.set_xlabel("step")
    ax.set_ylabel("regret so far (reward)")
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False)
    return ax


# -- the widget ------------------------------------------------------------------------------------------
class Exploration(NamedTuple):
    """What one setting does in the widget."""

    epsilon: Floats  # [steps]
    at_floor: int | None  # first step at the floor
    regret: Floats  # [steps, runs]
    never: Floats  # [steps, runs]: regret of an agent that never explores
    always: Floats  # [steps]: expected regret of chance
    right: Floats  # [states]: share of runs whose table names an optimal genre there
    loss: float  # policy loss, mean over runs
    genres: tuple[str, ...]


@cache
def _never(user: str) -> Floats:
    _, log = train(
        user, STRATEGIES["never explores"], steps=WIDGET_STEPS, runs=WIDGET_RUNS
    )
    return cumulative_regret(log, gaps(user))


def explore(epsilon: float, decay: float, floor: float, user: str) -> Exploration:
    """Train 50 listeners for 400 steps with one schedule and measure regret and policy."""
    config = QLearningConfig(epsilon=epsilon, epsilon_decay=decay, epsilon_floor=floor)
    agent, log = train(user, config, steps=WIDGET_STEPS, runs=WIDGET_RUNS)
    gap, model = gaps(user), get_profile(user).model()
    return Exploration(
        log.epsilon,
        steps_to_floor(epsilon, decay, floor),
        cumulative_regret(log, gap),
        _never(user),
        np.cumsum(gap.mean() * log.learned.mean(axis=1)),
        rows_right(agent.table, model).mean(axis=0),
        float(policy_loss(agent.table, model).mean()),
        get_profile(user).genres,
    )


def draw_exploration(figure: Figure, result: Exploration) -> None:
    """The schedule, the regret beside both extremes, and how often each row of the table is right."""
    figure.set_layout_engine("none")  # fixed margins draw in half the time
    margins = {"left": 0.05, "right": 0.98, "bottom": 0.2, "top": 0.89, "wspace": 0.36}
    left, middle, right = figure.subplots(
        1, 3, width_ratios=(1, 1.3, 0.9), gridspec_kw=margins
    )
    _draw_schedule(left, result)
    _draw_regret(middle, result)
    right.barh(
        result.genres, 100 * result.right, color=AGENT_COLOURS["q-learning"], height=0.6
    )
    right.invert_yaxis()
    right.set(
        xlim=(0, 100),
        xticks=(0, 50, 100),
        xlabel="% of runs",
        title="best genre learned after",
    )
    right.grid(False, axis="y")


def _draw_schedule(ax: Axes, result: Exploration) -> None:
    ax.plot(result.epsilon, color=AGENT_COLOURS["q-learning"])
    if result.at_floor is not None and 0 < result.at_floor < len(result.epsilon):
        ax.plot(result.at_floor, result.epsilon[result.at_floor], "o", color="black")
    ax.set(
        ylim=(-0.03, 1.03),
        yticks=(0, 0.5, 1),
        xticks=(0, 200, 400),
        xlabel="step",
        title="epsilon",
    )


def _draw_regret(ax: Axes, result: Exploration) -> None:
    steps = np.arange(len(result.regret))[::10]
    ax.plot(result.always, color=AGENT_COLOURS["random"], label="always explores")
    ax.plot(
        result.never.mean(axis=1), color=AGENT_COLOURS["greedy"], label="never explores"
    )
    mean, low, high = mean_band(result.regret[::10])
    ax.plot(steps, mean, color=AGENT_COLOURS["q-learning"], label="your schedule")
    ax.fill_between(
        steps, low, high, color=AGENT_COLOURS["q-learning"], alpha=0.25, lw=0
    )
    top = max(result.always[-1], result.never[-1].mean(), high[-1], 1.0)
    ax.set(
        xlabel="step", title="regret so far", ylim=(0, 1.5 * top), xticks=(0, 200, 400)
    )
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.legend(frameon=False, loc="upper left", fontsize=8)


def describe(result: Exploration) -> str:
    """The widget's line of text."""
    floor = (
        "is never reached"
        if result.at_floor is None
        else f"reached at step {result.at_floor}"
    )
    mean, low, high = (part[0] for part in mean_band(result.regret[-1:]))
    return (
        f"floor {floor}; regret <b>{mean:.0f}</b> [{low:.0f}, {high:.0f}] "
        f"(never explores {result.never[-1].mean():.0f}, always {result.always[-1]:.0f}); "
        f"rows right <b>{100 * result.right.mean():.0f}%</b>, policy loss {result.loss + 0.0:.1f}"
    )


def exploration_lab() -> Lab[Exploration]:
    """Move epsilon's start, decay and floor; see the schedule, the regret and the table it leaves."""
    decay: Any = slider("decay a step", 0.99, 0.95, 1.0, 0.001)
    controls = {
        "epsilon": slider("epsilon at the start", 1.0, 0.0, 1.0, 0.05),
        "decay": decay,
        "floor": slider("floor", 0.05, 0.0, 0.5, 0.05),
        "user": choice(
            "listener", ["pop_lover", "headliner", "calm_worker", "generic"]
        ),
    }
    return Lab(
        "Explore or exploit", controls, explore, draw_exploration, describe, (9.6, 2.9)
    )


# -- the picture of the lesson -----------------------------------------------------------------------------
def evenings(
    config: QLearningConfig, user: str = "pop_lover", *, seed: int = 5
) -> tuple[NDArray[np.int64], Floats]:
    """The genres of thirty evenings with one listener and the rewards: two arrays [30, songs]."""
    _, log = train(user, config, steps=max(EVENINGS) * (SONGS + 1), runs=1, seed=seed)
    kept = log.learned[:, 0]
    shape = (max(EVENINGS), SONGS)
    return log.actions[kept, 0].reshape(shape), log.rewards[kept, 0].reshape(shape)


def draw_evenings(figure: Figure) -> None:
    """Three ways to fill the evenings of one pop lover: a square is a song, its colour the genre."""
    genres = get_profile("pop_lover").genres
    shown = np.array(EVENINGS) - 1
    for ax, (name, config) in zip(
        figure.subplots(1, 3, sharey=True), STRATEGIES.items(), strict=True
    ):
        songs, rewards = evenings(config)
        _draw_songs(ax, songs[shown])
        ax.set(
            title=f"{name}\n{rewards.mean():.1f} a song",
            xticks=[],
            xlabel="20 songs of an evening",
        )
        ax.set_yticks(
            np.arange(len(shown)) + 0.5, [f"evening {evening}" for evening in EVENINGS]
        )
    handles = [
        Patch(color=colour, label=genre)
        for genre, colour in zip(genres, GENRE_COLOURS, strict=True)
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(genres), frameon=False
    )


def _draw_songs(ax: Axes, songs: NDArray[np.int64]) -> None:
    for row, column in np.ndindex(songs.shape):
        colour = GENRE_COLOURS[songs[row, column]]
        ax.broken_barh([(column + 0.06, 0.88)], (row + 0.14, 0.72), facecolors=colour)
    ax.set(xlim=(0, songs.shape[1]), ylim=(songs.shape[0], 0))
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)


FIGURES = {"03_evenings.png": (draw_evenings, (9.6, 3.2))}
