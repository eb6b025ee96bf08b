"""Lesson 13, PPO: the clip under a slider, a long step of the policy, stored runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from course_results import commit_of, read_result
from drawing import diagram
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy.special import softmax

from rlrec.types import Floats
from rlrec.viz.style import PALETTE, Style, agent_colour
from rlrec.viz.widgets import Lab, slider

BLUE, ORANGE, GREEN, PINK, SKY, RED = PALETTE[:6]
GREY = "#8C8C8C"


# -- stored runs
def stored_runs() -> dict[str, Any]:
    """Read what `python lessons/results/make.py ppo` found, by world."""
    return read_result("ppo", "python lessons/results/make.py ppo")


def provenance(found: dict[str, Any]) -> str:
    """Where a stored result comes from, on three lines."""
    trained = found["trained"]
    seconds = f"{min(trained['seconds'])} to {max(trained['seconds'])} s"
    return (
        f"  stored: {found['steps']:,} songs a seed, {seconds}, on {found['device']}\n"
        f"  evaluated at commit {commit_of(found)}\n"
        f"  {trained['command']}"
    )


# -- the widget: the clip
OLD = 0.25  # probability of the song when it played, one of four
STEP = 0.1  # of its logit, for a slope of 1


class Clip(NamedTuple):
    """One decision under the clip."""

    ratio: float
    advantage: float
    clip: float
    path: Floats  # [updates + 1] the ratio as the decision is learned from repeatedly
    free: Floats  # [updates + 1] the same without the clip


def clipped(ratio: ArrayLike, advantage: float | Floats, clip: float) -> Floats:
    """min(ratio A, clip(ratio, 1 - eps, 1 + eps) A) (arXiv:1707.06347, equation 7).

    >>> float(clipped(1.5, 2, 0.2)), float(clipped(0.5, 2, 0.2))
    (2.4, 1.0)
    >>> float(clipped(1.5, -2, 0.2))
    -3.0
    """
    ratios = np.asarray(ratio, np.float64)
    held = np.clip(ratios, 1.0 - clip, 1.0 + clip)
    return np.asarray(np.minimum(ratios * advantage, held * advantage))


def clipped_slope(ratio: float, advantage: float, clip: float) -> float:
    """Its slope over the ratio: A, or 0 where the ratio is beyond the clip.

    >>> clipped_slope(1.5, 2, 0.2), clipped_slope(0.5, 2, 0.2)
    (0.0, 2.0)
    >>> clipped_slope(1.5, -2, 0.2), clipped_slope(0.5, -2, 0.2)
    (-2.0, 0.0)
    """
    beyond = ratio > 1.0 + clip if advantage > 0.0 else ratio < 1.0 - clip
    return 0.0 if beyond else float(advantage)


def follow_clip(ratio: float, advantage: float, clip: float, updates: int) -> Clip:
    """Learn ``updates`` times from one decision, by the logit of the song that played.

    It was one of four songs, with probability .25 when it played. An update is

        logit += .1 slope ratio (1 - probability)

    since d ratio / d logit = ratio (1 - probability).

    >>> found = follow_clip(1.0, 2.0, 0.2, updates=10)
    >>> print(f"{found.path[-1]:.2f} {found.free[-1]:.2f}")
    1.25 2.70
    """
    path = [ratio]
    free = [ratio]
    for _ in range(updates):
        path.append(_updated(path[-1], clipped_slope(path[-1], advantage, clip)))
        free.append(_updated(free[-1], advantage))
    return Clip(ratio, advantage, clip, np.array(path), np.array(free))


def _updated(ratio: float, slope: float) -> float:
    """The ratio after one update."""
    probability = OLD * ratio
    logit = float(np.log(probability / (1.0 - probability)))
    logit += STEP * slope * ratio * (1.0 - probability)
    return 1.0 / (OLD * (1.0 + float(np.exp(-logit))))


def draw_clip(figure: Figure, found: Clip) -> None:
    """Left the objective at each ratio, right how the ratio changes by updates."""
    left, right = figure.subplots(1, 2)
    ratios = np.linspace(0.0, 2.0, 401)
    free: Style = {"color": "0.6", "ls": "--"}
    dot: Style = {"marker": "o", "color": RED, "ms": 10, "mec": "black"}
    left.plot(ratios, ratios * found.advantage, label="ratio × advantage", **free)
    left.plot(ratios, clipped(ratios, found.advantage, found.clip), label="clipped")
    left.plot(found.ratio, clipped(found.ratio, found.advantage, found.clip), **dot)
    left.set(xlim=(0, 2), ylim=(-6.5, 6.5), ylabel="objective")
    left.set_xlabel("ratio: probability now / when it played")
    right.plot(found.free, label="without the clip", **free)
    right.plot(found.path, label="with the clip")
    right.plot(0, found.ratio, **dot)
    right.set(ylim=(0, 4.9), xlabel="updates from this decision", ylabel="ratio")
    inside = max(1.0 - found.clip, 0.0), 1.0 + found.clip
    left.axvspan(*inside, color="0.93", zorder=0)
    right.axhspan(*inside, color="0.93", zorder=0)
    for ax in (left, right):
        ax.legend(frameon=False)


def describe_clip(found: Clip) -> str:
    """The numbers at the red dot, and where the ratio ends."""
    earns = float(clipped(found.ratio, found.advantage, found.clip))
    slope = clipped_slope(found.ratio, found.advantage, found.clip)
    return (
        f"ratio × A = {found.ratio * found.advantage:.2f}, "
        f"clipped <b>{earns + 0.0:.2f}</b>, "
        f"slope <b>{f'{slope:+.1f}' if slope else 0}</b>; "
        f"after {len(found.path) - 1} updates the ratio is <b>{found.path[-1]:.2f}</b>"
    )


def clip_lab() -> Lab[Clip]:
    """Ratio, advantage, the clip, and how often the decision is learned from."""
    then = "probability now / probability when it played"
    better = "how much better than expected"
    controls: dict[str, Any] = {
        "ratio": slider("ratio", 1.5, 0.05, 2.0, 0.05, unit=then),
        "advantage": slider("advantage", 2.0, -3.0, 3.0, 0.5, unit=better),
        "clip": slider("clip", 0.2, 0.05, 1.0, 0.05, unit="epsilon"),
        "updates": slider("updates", 10, 1, 40, 1),
    }
    return Lab("The clip", controls, follow_clip, draw_clip, describe_clip, (9.4, 3.3))


# -- pictures
class Promise(NamedTuple):
    """Gain promised by batches of plays along their own gradient, and the true gain.

    [batches, steps] each, in songs heard a play.
    """

    steps: Floats  # [steps] how far
    promised: Floats  # mean ratio times advantage over the plays
    kept: Floats  # the same, clipped
    true: Floats  # gain of the policy itself


FOUR = np.array([0.5, 0.55, 0.6, 0.65])  # P(heard) of four songs on offer


def promise(
    batches: int = 500, plays: int = 24, clip: float = 0.2, seed: int = 0
) -> Promise:
    """Take ever longer steps along the policy gradient of ``plays`` plays.

    The plays are of four songs, all with the same probability. The clipped promise of
    a batch is highest at a step that is as long as its plays allow.
    """
    rng = np.random.default_rng(seed)
    steps = np.linspace(0.0, 60.0, 121)
    found = np.zeros((3, batches, len(steps)))
    for batch in range(batches):
        songs = rng.integers(4, size=plays)
        heard = (rng.random(plays) < FOUR[songs]).astype(float)
        advantage = heard - heard.mean()
        gradient = (advantage[:, None] * (np.eye(4)[songs] - 0.25)).mean(axis=0)
        probabilities = softmax(steps[:, None] * gradient, axis=1)  # [steps, 4]
        ratios = probabilities[:, songs] / 0.25  # [steps, plays]
        found[0, batch] = (ratios * advantage).mean(axis=1)
        found[1, batch] = clipped(ratios, advantage, clip).mean(axis=1)
        found[2, batch] = probabilities @ FOUR - FOUR.mean()
    return Promise(steps, *found)


def draw_intuition(figure: Figure) -> None:
    """Left a policy before and after steps, right the promise and truth of a step."""
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    dice = {
        "the die that played": [0.25, 0.25, 0.25, 0.25],
        "a small step": [0.22, 0.22, 0.30, 0.26],
        "a large step": [0.02, 0.02, 0.90, 0.06],
    }
    names = ["song A", "song B", "song C", "song D"]
    pd.DataFrame(dice, names).plot.bar(ax=left, rot=0, color=[GREY, BLUE, RED])
    left.set(ylim=(0, 1.25), ylabel="probability", title="song C went well")
    left.legend(loc="upper left")
    found = promise()
    lines = {
        "what the plays promise": found.promised.mean(axis=0),
        "the clipped promise": found.kept.mean(axis=0),
        "what comes of it": found.true.mean(axis=0),
    }
    pd.DataFrame(lines, found.steps).plot(ax=right, color=[GREY, BLUE, RED])
    low, high = np.quantile(found.true, (0.1, 0.9), axis=0)
    right.fill_between(found.steps, low, high, color=RED, alpha=0.15, lw=0)
    right.set(xlabel="length of the step", xticks=[], ylim=(-0.25, 0.22))
    right.set_title("24 plays, and a step: mean of 500 such batches")
    right.set_ylabel("gain, in songs heard a play")


BOXES = {
    "state": ("state s\nwhat was heard,\nwhat was skipped", 0.08, 0.5, "white"),
    "policy": ("policy network\nquery(s)", 0.32, 0.85, BLUE),
    "keys": ("query · key(song)\nfor each candidate", 0.59, 0.85, BLUE),
    "die": ("softmax: the die\nA .10, B .25, C .50, D .15", 0.88, 0.85, BLUE),
    "value": ("value network\nV(s)", 0.32, 0.15, ORANGE),
    "expected": ("songs I still expect\nto be heard tonight", 0.88, 0.15, ORANGE),
    "update": ("C played, better than V:\nC up, a little", 0.88, 0.5, RED),
}
ARROWS = (
    ("state", "policy", 0),
    ("state", "value", 0),
    ("policy", "keys", 0),
    ("keys", "die", 0),
    ("value", "expected", 0),
    ("expected", "update", 0),
    ("update", "die", 0),
)


def draw_ppo(figure: Figure) -> None:
    """The two networks: a state in, probabilities of candidates and one value out."""
    diagram(figure.subplots(), BOXES, ARROWS)


def reference_lines(ax: Axes, found: Mapping[str, ArrayLike]) -> None:
    """A dashed line for the mean of each of ``found``, with its name at the right."""
    for name, values in found.items():
        mean = float(np.mean(np.asarray(values, np.float64)))
        ax.axhline(mean, color=agent_colour(name), ls="--")
        ax.text(1.01, mean, name, transform=ax.get_yaxis_transform(), va="center")


FIGURES: dict[str, tuple[Callable[[Figure], None], tuple[float, float]]] = {
    "13_small_steps.png": (draw_intuition, (10.0, 3.3)),
    "13_two_networks.png": (draw_ppo, (9.6, 3.2)),
}
