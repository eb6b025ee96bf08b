"""Lesson 03, explore or exploit: training, which rows are right, widget and picture."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from drawing import CENTRED, without_frame
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from rlrec.agents import QLearning, QLearningConfig, TrainingLog, value_iteration
from rlrec.envs import GENRES, GenreBatch, GenreModel, GenreProfile, get_profile
from rlrec.evaluation import mean_interval
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


def train(
    user: str | GenreProfile,
    config: QLearningConfig,
    *,
    steps: int,
    runs: int,
    seed: int = 0,
) -> tuple[QLearning, TrainingLog]:
    """Train ``runs`` independent Q-learning agents, a listener each: agent and log."""
    rng = np.random.default_rng(seed)
    agent = QLearning(5, 5, config, n_runs=runs, rng=rng)
    return agent, agent.train(GenreBatch(runs, user=user), steps, seed=seed)


def rows_right(tables: Floats, model: GenreModel, discount: float = 0.9) -> Bools:
    """Where the greedy action of ``tables`` [runs, S, A] is optimal: [runs, S]."""
    best = value_iteration(model, discount)
    optimal = best >= best.max(axis=1, keepdims=True) - 1e-6
    return np.asarray(optimal[np.arange(len(best)), tables.argmax(axis=2)])


# -- the widget ------------------------------------------------------------------------
class Exploration(NamedTuple):
    """What one setting does in the widget."""

    epsilon: Floats  # [steps]
    regret: Floats  # [steps, runs]
    never: Floats  # [steps]: mean regret of an agent that never explores
    always: Floats  # [steps]: expected regret of the random policy
    right: Floats  # [states]: share of runs whose greedy genre is optimal


def explore(epsilon: float, decay: float, floor: float, user: str) -> Exploration:
    """Train 50 agents for 400 steps with one schedule; measure regret and rows."""
    config = QLearningConfig(epsilon=epsilon, epsilon_decay=decay, epsilon_floor=floor)
    agent, log = train(user, config, steps=WIDGET_STEPS, runs=WIDGET_RUNS)
    model = get_profile(user).model()
    gap = model.reward[0].max() - model.reward[0]
    return Exploration(
        log.epsilon,
        (gap[log.actions] * log.learned).cumsum(axis=0),
        never_explored(user),
        gap.mean() * log.learned[:, 0].cumsum(),
        rows_right(agent.table, model).mean(axis=0),
    )


@cache
def never_explored(user: str) -> Floats:
    """Mean regret of the agent that never explores: [steps]."""
    config = STRATEGIES["never explores"]
    _, log = train(user, config, steps=WIDGET_STEPS, runs=WIDGET_RUNS)
    model = get_profile(user).model()
    gap = model.reward[0].max() - model.reward[0]
    return np.asarray((gap[log.actions] * log.learned).cumsum(axis=0).mean(axis=1))


def draw_exploration(figure: Figure, result: Exploration) -> None:
    """The schedule, the regret beside both extremes, how often each row is right."""
    figure.set_layout_engine("none")  # fixed margins draw in half the time
    margins = {"left": 0.06, "right": 0.98, "bottom": 0.2, "top": 0.89, "wspace": 0.4}
    left, middle, right = figure.subplots(1, 3, gridspec_kw=margins)
    left.plot(result.epsilon, color=BLUE)
    left.set(ylim=(-0.03, 1.03), xlabel="song", title="epsilon (a probability)")
    _draw_regret(middle, result)
    right.barh(GENRES, 100 * result.right, color=BLUE, height=0.6)
    right.invert_yaxis()
    right.set(xlim=(0, 100), xlabel="% of runs", title="best genre learned after")


def _draw_regret(ax: Axes, result: Exploration) -> None:
    ax.plot(result.always, "--", color=AGENT_COLOURS["random"], label="always explores")
    ax.plot(result.never, ":", color=AGENT_COLOURS["greedy"], label="never explores")
    ax.plot(result.regret.mean(axis=1), color=BLUE, label="your schedule")
    ax.set(xlabel="song", title="regret so far (reward)", ylim=(0, None))
    if result.regret.any():
        ax.legend(frameon=False, loc="upper left", fontsize=8)
        return
    words = "all genres are worth the same:\nno choice can be regretted"
    ax.set(yticks=[0], ylim=(-0.05, 1))
    ax.text(WIDGET_STEPS / 2, 0.5, words, fontsize=9, **CENTRED)


def describe(result: Exploration) -> str:
    """The widget's line of text."""
    mean, low, high = mean_interval(result.regret[-1])
    return (
        f"epsilon ends at {result.epsilon[-1]:.2f}; "
        f"regret <b>{mean:.0f}</b> [{low:.0f}, {high:.0f}] "
        f"(never explores {result.never[-1]:.0f}, always {result.always[-1]:.0f}); "
        f"rows right <b>{100 * result.right.mean():.0f}%</b>"
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
    colours = ListedColormap(GENRE_COLOURS)
    for ax, (name, config) in zip(panels, STRATEGIES.items(), strict=True):
        songs, rewards = thirty_evenings(config)
        shown = songs[np.array(EVENINGS) - 1]
        ax.pcolormesh(shown, cmap=colours, vmin=0, vmax=4, edgecolor="white", lw=2)
        ax.set(title=f"{name}\n{rewards.mean():.1f} a song", xticks=[], ylim=(6, 0))
        ax.set_xlabel("20 songs of an evening")
        ax.set_yticks(np.arange(6) + 0.5, [f"evening {n}" for n in EVENINGS])
        without_frame(ax)
    names = zip(GENRE_COLOURS, GENRES, strict=True)
    handles = [Patch(color=colour, label=genre) for colour, genre in names]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)


FIGURES = {"03_evenings.png": (draw_evenings, (9.6, 3.2))}
