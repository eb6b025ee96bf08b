"""Lesson 03, explore or exploit: epsilon schedules, regret, policy loss, the widget."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from drawing import without_frame
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from rlrec.agents import (
    QLearning,
    QLearningConfig,
    TrainingLog,
    policy_values,
    value_iteration,
)
from rlrec.envs import GenreBatch, GenreModel, GenreProfile, get_profile
from rlrec.errors import ConfigError
from rlrec.types import Bools, Floats, Ids
from rlrec.viz.style import AGENT_COLOURS, PALETTE
from rlrec.viz.widgets import Lab, choice, slider

WIDGET_RUNS = 50
WIDGET_STEPS = 400
SONGS = 20  # of an evening
EVENINGS = (1, 2, 3, 5, 10, 30)
BLUE = AGENT_COLOURS["q-learning"]
GENRE_COLOURS = (*PALETTE[:4], PALETTE[6])  # Pop, Rock, Jazz, Classical, HipHop
STRATEGIES = {
    "never explores": QLearningConfig(epsilon=0.0, epsilon_floor=0.0),
    "always explores": QLearningConfig(epsilon=1.0, epsilon_floor=1.0),
    "explores less and less": QLearningConfig(epsilon_decay=0.99),
}


# -- measures --------------------------------------------------------------------------
def epsilon_schedule(epsilon: float, decay: float, floor: float, steps: int) -> Floats:
    """Epsilon at each step, ``max(floor, epsilon decay^t)`` for t = 0, 1, ...: [steps].

    >>> epsilon_schedule(1.0, 0.99, 0.05, 301)[[100, 298, 299]].round(4).tolist()
    [0.366, 0.05, 0.05]
    """
    decayed = epsilon * decay ** np.arange(steps, dtype=np.float64)
    return np.asarray(np.maximum(floor, decayed))


def steps_to_floor(epsilon: float, decay: float, floor: float) -> int | None:
    """The first step whose epsilon is the floor; None if it is never reached.

    That is the least t with ``epsilon decay^t <= floor``.

    >>> steps_to_floor(1.0, 0.99, 0.05), steps_to_floor(0.2, 1.0, 0.05)
    (299, None)
    """
    if epsilon <= floor:
        return 0
    if floor <= 0.0 or decay >= 1.0:
        return None
    return math.ceil(math.log(floor / epsilon) / math.log(decay) - 1e-12)


def gaps(user: str | GenreProfile) -> Floats:
    """The gap of each genre: [actions].

    A gap is the expected reward of the optimal policy's genre less that of this one.
    Raises ``ConfigError`` for a user whose reward depends on the song before: then a
    gap depends on the state, too.

    >>> gaps("pop_lover").round(2).tolist()
    [0.0, 8.9, 10.1, 10.5, 9.4]
    """
    profile = get_profile(user)
    model = profile.model()
    if np.ptp(model.reward, axis=0).max() > 1e-12:
        raise ConfigError(
            f"{profile.name}'s reward depends on the song before; "
            "its gaps need the state"
        )
    best = value_iteration(model)[0].argmax()
    return np.asarray(model.reward[0, best] - model.reward[0])


def cumulative_regret(log: TrainingLog, gap: Floats) -> Floats:
    """Cumulative regret, in expected reward: [steps, runs].

    ``gap`` [actions] comes from ``gaps``. Steps that only begin an episode add nothing.
    """
    return np.asarray(np.cumsum(gap[log.actions] * log.learned, axis=0))


def rows_right(tables: Floats, model: GenreModel, discount: float = 0.9) -> Bools:
    """Where the greedy action of ``tables`` is optimal: [runs, states].

    ``tables``: [runs, states, actions]; ties go to the lower action.
    """
    best = value_iteration(model, discount)
    chosen = tables.argmax(axis=2)  # [runs, states]
    optimal = best >= best.max(axis=1, keepdims=True) - 1e-6
    return np.asarray(optimal[np.arange(len(best)), chosen])


def policy_loss(tables: Floats, model: GenreModel, discount: float = 0.9) -> Floats:
    """Discounted return lost by following each greedy table for ever: [runs].

    The mean over first states of ``V*(s) - V_pi(s)``. V* comes from value iteration and
    V_pi from a linear system, so the loss is exact. ``tables``: [runs, states,
    actions].
    """
    best = value_iteration(model, discount).max(axis=1)
    losses = []
    for actions in tables.argmax(axis=2):
        policy = np.eye(len(best))[actions]
        values = policy_values(model, policy, discount)[policy == 1.0]  # [states]
        losses.append((best - values).mean())
    return np.array(losses)


def train(
    user: str | GenreProfile,
    config: QLearningConfig,
    *,
    steps: int,
    runs: int,
    seed: int = 0,
) -> tuple[QLearning, TrainingLog]:
    """Train ``runs`` independent Q-learning agents, a listener each: agent and log."""
    env = GenreBatch(runs, user=user)
    genres = len(env.genres)
    rng = np.random.default_rng(seed)
    agent = QLearning(genres, genres, config, n_runs=runs, rng=rng)
    return agent, agent.train(env, steps, seed=seed)


def mean_band(curves: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Mean, lower and upper end of its 95% interval over runs: three [points].

    The interval is mean -+ 1.96 standard errors of ``curves`` [points, runs].

    >>> [part.round(2).tolist() for part in mean_band([[1.0, 3.0]])]
    [[2.0], [0.04], [3.96]]
    """
    values = np.asarray(curves, np.float64)
    mean = values.mean(axis=1)
    half = 1.96 * values.std(axis=1, ddof=1) / math.sqrt(values.shape[1])
    return mean, mean - half, mean + half


# -- plots -----------------------------------------------------------------------------
def regret_plot(
    ax: Axes, curves: Mapping[str, Floats], colours: Mapping[str, str], every: int = 50
) -> Axes:
    """The regret of each agent: its mean over runs with the 95% interval.

    ``curves``: name -> [steps, runs]; each ``every``-th step and the last are drawn.
    """
    for name, regret in curves.items():
        points = np.append(np.arange(0, len(regret), every), len(regret) - 1)
        _plot_band(ax, points, regret, colours[name], name)
    ax.set(xlabel="step", ylabel="regret so far (reward)", ylim=(0, None))
    ax.legend(frameon=False)
    return ax


def _plot_band(ax: Axes, steps: Ids, curves: Floats, colour: str, label: str) -> None:
    mean, low, high = mean_band(curves[steps])
    ax.plot(steps, mean, color=colour, label=label)
    ax.fill_between(steps, low, high, color=colour, alpha=0.25, lw=0)


# -- the widget ------------------------------------------------------------------------
class Exploration(NamedTuple):
    """What one setting does in the widget."""

    epsilon: Floats  # [steps]
    at_floor: int | None  # first step at the floor
    regret: Floats  # [steps, runs]
    never: Floats  # [steps, runs]: regret of an agent that never explores
    always: Floats  # [steps]: expected regret of the random policy
    right: Floats  # [states]: share of runs whose greedy genre is optimal
    loss: float  # policy loss, mean over runs
    genres: tuple[str, ...]


@cache
def _regret_of_never(user: str) -> Floats:
    config = STRATEGIES["never explores"]
    _, log = train(user, config, steps=WIDGET_STEPS, runs=WIDGET_RUNS)
    return cumulative_regret(log, gaps(user))


def explore(epsilon: float, decay: float, floor: float, user: str) -> Exploration:
    """Train 50 agents for 400 steps with one schedule; measure regret and policy."""
    config = QLearningConfig(epsilon=epsilon, epsilon_decay=decay, epsilon_floor=floor)
    agent, log = train(user, config, steps=WIDGET_STEPS, runs=WIDGET_RUNS)
    gap = gaps(user)
    model = get_profile(user).model()
    return Exploration(
        log.epsilon,
        steps_to_floor(epsilon, decay, floor),
        cumulative_regret(log, gap),
        _regret_of_never(user),
        np.cumsum(gap.mean() * log.learned.mean(axis=1)),
        rows_right(agent.table, model).mean(axis=0),
        float(policy_loss(agent.table, model).mean()),
        get_profile(user).genres,
    )


def draw_exploration(figure: Figure, result: Exploration) -> None:
    """The schedule, the regret beside both extremes, how often each row is right."""
    figure.set_layout_engine("none")  # fixed margins draw in half the time
    margins = {"left": 0.05, "right": 0.98, "bottom": 0.2, "top": 0.89, "wspace": 0.36}
    widths = (1, 1.3, 0.9)
    panels = figure.subplots(1, 3, width_ratios=widths, gridspec_kw=margins)
    _draw_schedule(panels[0], result)
    _draw_regret(panels[1], result)
    _draw_rows_right(panels[2], result)


def _draw_schedule(ax: Axes, result: Exploration) -> None:
    ax.plot(result.epsilon, color=BLUE)
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
    never = result.never.mean(axis=1)
    ax.plot(result.always, color=AGENT_COLOURS["random"], label="always explores")
    ax.plot(never, color=AGENT_COLOURS["greedy"], label="never explores")
    steps = np.arange(0, len(result.regret), 10)
    _plot_band(ax, steps, result.regret, BLUE, "your schedule")
    _, _, high = mean_band(result.regret[steps])
    ax.set(
        xlabel="step",
        title="regret so far",
        ylim=(0, 1.5 * max(result.always[-1], never[-1], high[-1], 1.0)),
        xticks=(0, 200, 400),
    )
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.legend(frameon=False, loc="upper left", fontsize=8)


def _draw_rows_right(ax: Axes, result: Exploration) -> None:
    ax.barh(result.genres, 100 * result.right, color=BLUE, height=0.6)
    ax.invert_yaxis()
    ax.set(
        xlim=(0, 100),
        xticks=(0, 50, 100),
        xlabel="% of runs",
        title="best genre learned after",
    )
    ax.grid(False, axis="y")


def describe(result: Exploration) -> str:
    """The widget's line of text."""
    floor = f"reached at step {result.at_floor}"
    if result.at_floor is None:
        floor = "is never reached"
    mean, low, high = np.ravel(mean_band(result.regret[-1:]))
    return (
        f"floor {floor}; regret <b>{mean:.0f}</b> [{low:.0f}, {high:.0f}] "
        f"(never explores {result.never[-1].mean():.0f}, "
        f"always {result.always[-1]:.0f}); "
        f"rows right <b>{100 * result.right.mean():.0f}%</b>, "
        f"policy loss {result.loss + 0.0:.1f}"
    )


def exploration_lab() -> Lab[Exploration]:
    """Epsilon's start, decay and floor under sliders, for four listeners."""
    users = ["pop_lover", "headliner", "calm_worker", "generic"]
    controls: dict[str, Any] = {
        "epsilon": slider("epsilon at the start", 1.0, 0.0, 1.0, 0.05),
        "decay": slider("decay a step", 0.99, 0.95, 1.0, 0.001),
        "floor": slider("floor", 0.05, 0.0, 0.5, 0.05),
        "user": choice("listener", users),
    }
    return Lab(
        "Explore or exploit", controls, explore, draw_exploration, describe, (9.6, 2.9)
    )


# -- the picture of the lesson ---------------------------------------------------------
def thirty_evenings(config: QLearningConfig) -> tuple[Ids, Floats]:
    """Train one agent with a pop lover: genres and rewards, [evenings, songs] each."""
    steps = max(EVENINGS) * (SONGS + 1)
    _, log = train("pop_lover", config, steps=steps, runs=1, seed=5)
    genres = log.actions[log.learned].reshape(-1, SONGS)
    return genres, log.rewards[log.learned].reshape(-1, SONGS)


def draw_evenings(figure: Figure) -> None:
    """Evenings of three strategies: a square is a song, its colour the genre."""
    panels = figure.subplots(1, 3, sharey=True)
    for ax, (name, config) in zip(panels, STRATEGIES.items(), strict=True):
        songs, rewards = thirty_evenings(config)
        _draw_songs(ax, songs[np.array(EVENINGS) - 1])
        ax.set(title=f"{name}\n{rewards.mean():.1f} a song", xticks=[])
        ax.set_xlabel("20 songs of an evening")
        labels = [f"evening {evening}" for evening in EVENINGS]
        ax.set_yticks(np.arange(len(EVENINGS)) + 0.5, labels)
    handles = []
    genres = get_profile("pop_lover").genres
    for genre, colour in zip(genres, GENRE_COLOURS, strict=True):
        handles.append(Patch(color=colour, label=genre))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(genres), frameon=False
    )


def _draw_songs(ax: Axes, songs: Ids) -> None:
    for (row, column), genre in np.ndenumerate(songs):
        colour = GENRE_COLOURS[genre]
        ax.broken_barh([(column + 0.06, 0.88)], (row + 0.14, 0.72), facecolors=colour)
    ax.set(xlim=(0, songs.shape[1]), ylim=(songs.shape[0], 0))
    without_frame(ax)
    ax.tick_params(length=0)


FIGURES = {"03_evenings.png": (draw_evenings, (9.6, 3.2))}
