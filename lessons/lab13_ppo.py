"""Lesson 13, PPO: an evening small enough to know the best, the clip under a slider, a rule that remembers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from rlrec.agents.recommender import best_first, item_pool
from rlrec.envs import Catalogue
from rlrec.envs.listeners import LONGEST, MEMORY
from rlrec.evaluation import mean_interval
from rlrec.types import Floats, Ids, Observations
from rlrec.viz.style import PALETTE, agent_colour
from rlrec.viz.widgets import Lab, slider

BLUE, ORANGE, GREEN, PINK, SKY, RED = PALETTE[:6]
GREY = "#8C8C8C"

# -- stored runs -------------------------------------------------------------------------------------------
STORED = Path(__file__).resolve().parent / "results" / "ppo.json"


def stored_runs() -> dict[str, Any]:
    """What `python lessons/results/make.py ppo` found, by world."""
    return dict(json.loads(STORED.read_text("utf-8")))


def provenance(found: dict[str, Any]) -> str:
    """Where a stored result comes from, on three lines."""
    seconds = found["trained"]["seconds"]
    changed = (
        " with changes not committed" if str(found["commit"]).endswith("-dirty") else ""
    )
    return "\n".join(
        [
            f"  stored: {found['steps']:,} songs a seed, {min(seconds)} to {max(seconds)} s, on {found['device']}",
            f"  evaluated at commit {str(found['commit'])[:10]}{changed}",
            f"  {found['trained']['command']}",
        ]
    )


# -- Tove's evening: ten songs, two kinds, twenty states ---------------------------------------------------
SONGS = 10
QUIET, LOUD = 0, 1
HEARD = np.array([[0.7, 0.9], [0.3, 0.4]])  # P(heard) [fresh or tired, quiet or loud]


def _tired(
    place: int, tired: ArrayLike, loud: ArrayLike, *, only_first: bool
) -> NDArray[np.bool_]:
    """Who is tired after a song: one loud song is enough; with ``only_first`` the first song alone decides."""
    if only_first and place > 0:
        return np.asarray(tired, np.bool_)
    return np.logical_or(tired, loud)


def evenings(
    chances: Floats,
    rng: np.random.Generator,
    count: int = 32,
    *,
    only_first: bool = False,
) -> tuple[Ids, Ids, Floats]:
    """Play ``count`` evenings with ``chances`` [20, 2] of quiet and loud: states, actions, rewards, each [10, count].

    State 2 t + tired, t songs having played; reward 1 if the song was heard.
    """
    tired, played = np.zeros(count, np.bool_), []
    for place in range(SONGS):
        state = 2 * place + tired
        action = (rng.random(count) < chances[state, LOUD]).astype(np.int64)
        reward = (rng.random(count) < HEARD[tired.astype(int), action]).astype(float)
        played.append((state, action, reward))
        tired = _tired(place, tired, action == LOUD, only_first=only_first)
    states, actions, rewards = (np.array(part) for part in zip(*played, strict=True))
    return states, actions, rewards


def action_values(
    later: ArrayLike, place: int = 0, *, only_first: bool = False
) -> Floats:
    """Songs heard from now on [fresh or tired, quiet or loud], if the states after this song are worth ``later`` [2].

    >>> action_values([0.0, 0.0]).tolist(), action_values([1.0, 0.0]).tolist()
    ([[0.7, 0.9], [0.3, 0.4]], [[1.7, 0.9], [0.3, 0.4]])
    """
    follows = _tired(
        place,
        np.array([[False], [True]]),
        np.array([[False, True]]),
        only_first=only_first,
    )
    return np.asarray(HEARD + np.asarray(later, np.float64)[follows.astype(int)])


def songs_heard(chances: Floats, *, only_first: bool = False) -> float:
    """What a policy [20, 2] is worth: the expected number of songs heard in an evening, exactly, from the end back.

    >>> quiet, loud = np.tile([1.0, 0.0], (20, 1)), np.tile([0.0, 1.0], (20, 1))
    >>> [round(songs_heard(policy), 3) for policy in (quiet, loud)]
    [7.0, 4.5]
    """
    later = np.zeros(2)
    for place in range(SONGS - 1, -1, -1):
        values = action_values(later, place, only_first=only_first)
        later = (chances[2 * place : 2 * place + 2] * values).sum(axis=1)
    return float(later[0])


def best_evening(*, only_first: bool = False) -> float:
    """The most that any policy reaches.

    >>> print(f"{best_evening():.1f} {best_evening(only_first=True):.1f}")
    7.2 8.8
    """
    later = np.zeros(2)
    for place in range(SONGS - 1, -1, -1):
        later = action_values(later, place, only_first=only_first).max(axis=1)
    return float(later[0])


# -- the rule that PPO has to beat -------------------------------------------------------------------------
class SomethingElse:
    """No learning: the song least like those just heard, popular ones a little ahead.

    score = appeal_weight * appeal - direction . m, where m fades by ``MEMORY`` a song: the listener's own memory,
    which anybody can work out from what was played. Taste plays no part.
    """

    def __init__(self, catalogue: Catalogue, appeal_weight: float = 0.1) -> None:
        self.catalogue, self.appeal_weight = catalogue, appeal_weight
        self._directions = np.vstack(
            [catalogue.direction, np.zeros((1, catalogue.direction.shape[1]))]
        )

    def recommend(self, observations: Observations, k: int = 1) -> Ids:
        """Item ids [batch, k], best first."""
        history = observations["history"]  # [batch, n], -1: nothing yet
        fading = (1.0 - MEMORY) * MEMORY ** np.arange(history.shape[1] - 1, -1, -1)
        memory = np.einsum("bnd,n->bd", self._directions[history], fading)
        pool = item_pool(observations, len(self.catalogue))
        closeness = np.einsum("bmd,bd->bm", self.catalogue.direction[pool], memory)
        return best_first(
            pool, self.appeal_weight * self.catalogue.appeal[pool] - closeness, k
        )


class Sampled:
    """An agent that plays by its dice: each song with the probability that the policy gives it."""

    def __init__(self, agent: Any, seed: int) -> None:
        self.agent, self.rng = agent, np.random.default_rng(seed)

    def recommend(self, observations: Observations, k: int = 1) -> Ids:
        """Item ids [batch, k]."""
        return np.asarray(self.agent.recommend(observations, k, rng=self.rng))


def closeness_to_last(catalogue: Catalogue, sessions: Ids) -> float:
    """Mean cosine of each song to the one before it, in ``sessions`` [n, songs] (-1: none)."""
    before, after = sessions[:, :-1], sessions[:, 1:]
    both = (before >= 0) & (after >= 0)
    return float(
        (catalogue.direction[before[both]] * catalogue.direction[after[both]])
        .sum(axis=1)
        .mean()
    )


def played_songs(env: Any, policy: Any, seed: int) -> Ids:
    """What ``policy`` plays in one session of each row of ``env``: song ids [batch, 20], -1 after the end."""
    observations, _ = env.reset(seed=seed)
    songs, alive = (
        np.full((env.num_envs, LONGEST), -1, np.int64),
        np.ones(env.num_envs, np.bool_),
    )
    for place in range(LONGEST):
        items = policy.recommend(observations, 1)
        songs[alive, place] = items[alive, 0]
        observations, _, terminated, truncated, _ = env.step(env.actions_for(items))
        alive &= ~(terminated | truncated)
    return songs


# -- the widget: the clip ----------------------------------------------------------------------------------
OLD = 0.25  # probability of the song when it played, one of four
STEP = 0.1  # of its logit, for a slope of 1


class Clip(NamedTuple):
    """One decision under the clip."""

    ratio: float
    advantage: float
    clip: float
    path: Floats  # [updates + 1] the ratio as the decision is learned from again and again
    free: Floats  # [updates + 1] the same without the clip


def clipped(ratio: ArrayLike, advantage: float, clip: float) -> Floats:
    """min(ratio A, clip(ratio, 1 - eps, 1 + eps) A) (arXiv:1707.06347, equation 7).

    >>> [round(float(clipped(ratio, advantage, 0.2)), 3) for ratio, advantage in ((1.5, 2), (0.5, 2), (1.5, -2))]
    [2.4, 1.0, -3.0]
    """
    ratios = np.asarray(ratio, np.float64)
    return np.asarray(
        np.minimum(
            ratios * advantage, np.clip(ratios, 1.0 - clip, 1.0 + clip) * advantage
        )
    )


def clipped_slope(ratio: float, advantage: float, clip: float) -> float:
    """Its slope over the ratio: A, or 0 where the ratio has already gone as far as it may.

    >>> [clipped_slope(ratio, advantage, 0.2) for ratio, advantage in ((1.5, 2), (0.5, 2), (1.5, -2), (0.5, -2))]
    [0.0, 2.0, -2.0, 0.0]
    """
    beyond = ratio > 1.0 + clip if advantage > 0.0 else ratio < 1.0 - clip
    return 0.0 if beyond else float(advantage)


def follow_clip(ratio: float, advantage: float, clip: float, updates: int) -> Clip:
    """Learn ``updates`` times from one decision among four songs (probability .25 when it played), by its logit.

        logit += .1 slope ratio (1 - probability), since d ratio / d logit = ratio (1 - probability)

    >>> found = follow_clip(1.0, 2.0, 0.2, updates=10)
    >>> print(f"{found.path[-1]:.2f} {found.free[-1]:.2f}")
    1.25 2.70
    """
    path, free = [ratio], [ratio]
    for _ in range(updates):
        path.append(_pushed(path[-1], clipped_slope(path[-1], advantage, clip)))
        free.append(_pushed(free[-1], advantage))
    return Clip(ratio, advantage, clip, np.array(path), np.array(free))


def _pushed(ratio: float, slope: float) -> float:
    """The ratio after one update."""
    chance = OLD * ratio
    logit = float(np.log(chance / (1.0 - chance))) + STEP * slope * ratio * (
        1.0 - chance
    )
    return 1.0 / (OLD * (1.0 + float(np.exp(-logit))))


def draw_clip(figure: Figure, found: Clip) -> None:
    """Left what the decision earns at each ratio, right where the ratio goes."""
    left, right = figure.subplots(1, 2)
    ratios = np.linspace(0.0, 2.0, 401)
    for ax in (left, right):
        ax.grid(False)
    left.axvspan(max(1.0 - found.clip, 0.0), 1.0 + found.clip, color="0.93", lw=0)
    left.plot(
        ratios,
        ratios * found.advantage,
        color="0.6",
        lw=1.5,
        ls="--",
        label="ratio × advantage",
    )
    left.plot(
        ratios,
        clipped(ratios, found.advantage, found.clip),
        color=BLUE,
        lw=2.5,
        label="clipped",
    )
    left.plot(
        found.ratio,
        clipped(found.ratio, found.advantage, found.clip),
        "o",
        color=RED,
        ms=10,
        mec="black",
    )
    left.set(
        xlim=(0, 2),
        ylim=(-6.5, 6.5),
        xlabel="ratio: probability now / when it played",
        ylabel="objective",
    )
    left.legend(
        frameon=False,
        loc="upper left" if found.advantage < 0 else "lower right",
        fontsize=8.5,
    )
    slope = clipped_slope(found.ratio, found.advantage, found.clip)
    left.set_title(
        f"slope {slope + 0.0:+.1f}" if slope else "slope 0: no push", fontsize=10
    )
    updates = np.arange(len(found.path))
    right.axhspan(max(1.0 - found.clip, 0.0), 1.0 + found.clip, color="0.93", lw=0)
    right.plot(
        updates, found.free, color="0.6", lw=1.5, ls="--", label="without the clip"
    )
    right.plot(updates, found.path, color=BLUE, lw=2.5, label="with the clip")
    right.plot(0, found.ratio, "o", color=RED, ms=10, mec="black")
    right.set(
        xlim=(-0.6, max(len(found.path) - 1, 1) + 0.4),
        ylim=(0, 4.9),
        xlabel="updates from this decision",
    )
    right.set_ylabel("ratio")
    right.set_title("where it goes", fontsize=10)
    right.legend(frameon=False, loc="upper left", fontsize=8.5, ncols=2)
    right.axhline(1.0 / OLD, color="0.6", lw=1, ls=":")


def describe_clip(found: Clip) -> str:
    """The numbers at the red dot, and where the ratio ends."""
    earns = float(clipped(found.ratio, found.advantage, found.clip))
    slope = clipped_slope(found.ratio, found.advantage, found.clip)
    return (
        f"ratio × A = {found.ratio * found.advantage:.2f}, clipped <b>{earns + 0.0:.2f}</b>, "
        f"slope <b>{f'{slope:+.1f}' if slope else 0}</b>; "
        f"after {len(found.path) - 1} updates the ratio is <b>{found.path[-1]:.2f}</b>"
    )


def clip_lab() -> Lab[Clip]:
    """Ratio, advantage, the clip, and how often the decision is learned from."""
    controls: dict[str, Any] = {
        "ratio": slider(
            "ratio",
            1.5,
            0.05,
            2.0,
            0.05,
            unit="probability now / probability when it played",
        ),
        "advantage": slider(
            "advantage", 2.0, -3.0, 3.0, 0.5, unit="how much better than expected"
        ),
        "clip": slider("clip", 0.2, 0.05, 1.0, 0.05, unit="epsilon"),
        "updates": slider("updates", 10, 1, 40, 1),
    }
    return Lab("The clip", controls, follow_clip, draw_clip, describe_clip, (9.4, 3.3))


# -- pictures ----------------------------------------------------------------------------------------------
class Promise(NamedTuple):
    """What batches of plays promise along their own gradient, and what is true there: [batches, steps] each."""

    steps: Floats  # [steps] how far
    promised: Floats  # mean ratio times advantage over the plays
    kept: Floats  # the same, clipped
    true: Floats  # gain of the policy itself, in songs heard a play


FOUR = np.array([0.5, 0.55, 0.6, 0.65])  # P(heard) of four songs on offer


def promise(
    batches: int = 500, plays: int = 24, clip: float = 0.2, seed: int = 0
) -> Promise:
    """Four songs, a fair die, ``plays`` plays; then ever longer steps along the policy gradient of those plays.

    Where the clipped promise of a batch is highest, the step is as long as the plays themselves allow.
    """
    rng, steps = np.random.default_rng(seed), np.linspace(0.0, 60.0, 121)
    rows = []
    for _ in range(batches):
        songs = rng.integers(4, size=plays)
        heard = (rng.random(plays) < FOUR[songs]).astype(float)
        advantage = heard - heard.mean()
        gradient = (advantage[:, None] * (np.eye(4)[songs] - 0.25)).mean(axis=0)
        chances = softmax(steps[:, None] * gradient)  # [steps, 4]
        ratios = chances[:, songs] / 0.25  # [steps, plays]
        kept = np.minimum(
            ratios * advantage, np.clip(ratios, 1 - clip, 1 + clip) * advantage
        ).mean(axis=1)
        rows.append(
            ((ratios * advantage).mean(axis=1), kept, chances @ FOUR - FOUR.mean())
        )
    promised, kept, true = np.moveaxis(np.array(rows), 1, 0)
    return Promise(steps, promised, kept, true)


def softmax(logits: ArrayLike) -> Floats:
    """Chances [.., k] from logits [.., k]: exp, divided by the sum."""
    values = np.asarray(logits, np.float64)
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def draw_intuition(figure: Figure) -> None:
    """Left the loaded die, right what a long step promises and what it brings."""
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    dice_picture(left)
    found = promise()
    right.axhline(0, color="0.6", lw=1)
    low, high = np.quantile(found.true, (0.1, 0.9), axis=0)
    right.fill_between(found.steps, low, high, color=RED, alpha=0.15, lw=0)
    right.plot(found.steps, found.promised.mean(axis=0), color="0.5", lw=2, ls="--")
    right.plot(found.steps, found.true.mean(axis=0), color=RED, lw=2.5)
    right.plot(found.steps, found.kept.mean(axis=0), color=BLUE, lw=2.5)
    right.text(
        59, 0.145, "what the plays promise", ha="right", va="center", color="0.35"
    )
    right.text(59, 0.028, "what comes of it", ha="right", va="bottom", color=RED)
    right.text(20, -0.085, "the clipped promise", ha="center", va="center", color=BLUE)
    right.set(
        xlabel="length of the step",
        ylabel="gain, in songs heard a play",
        xticks=[],
        xlim=(0, 60),
    )
    right.set_title("24 plays, and a step: mean of 500 such batches", fontsize=10)
    right.grid(False)


def dice_picture(ax: Axes) -> None:
    """Four songs and their chances: before, after a small step, after a large one."""
    before, small, large = (
        np.full(4, 0.25),
        [0.22, 0.22, 0.30, 0.26],
        [0.02, 0.02, 0.90, 0.06],
    )
    place = np.arange(4)
    for shift, chances, colour, label in (
        (-0.27, before, GREY, "the die that played"),
        (0.0, np.array(small), BLUE, "a small step"),
        (0.27, np.array(large), RED, "a large step"),
    ):
        ax.bar(place + shift, chances, width=0.25, color=colour, label=label)
    ax.annotate(
        "went well",
        (2, 0.92),
        (0.7, 0.9),
        va="center",
        arrowprops={"arrowstyle": "-|>", "color": "black"},
    )
    ax.set_xticks(place, ["song A", "song B", "song C", "song D"])
    ax.set(ylim=(0, 1.25), ylabel="probability")
    ax.legend(frameon=False, loc="upper left", ncols=1, fontsize=8.5)
    ax.grid(False)


def draw_ppo(figure: Figure) -> None:
    """The two networks: a state in, a die over the candidates and one number out."""
    ax = figure.subplots()
    ax.set(xlim=(0, 12), ylim=(0, 4))
    ax.set_axis_off()
    boxes = (
        (0.1, 1.4, 2.2, 1.2, "state s\nwhat was heard,\nwhat was skipped", "0.93"),
        (3.3, 2.5, 2.1, 1.1, "policy network\nquery(s)", "#D6E6F2"),
        (3.3, 0.3, 2.1, 1.1, "value network\nV(s)", "#FBE7C6"),
        (6.3, 2.5, 2.3, 1.1, "query · key(song)\nfor each candidate", "#D6E6F2"),
    )
    for x, y, width, height, words, colour in boxes:
        ax.add_patch(_box(x, y, width, height, colour))
        ax.text(
            x + width / 2, y + height / 2, words, ha="center", va="center", fontsize=9.5
        )
    for start, end in (
        ((2.35, 2.25), (3.25, 2.95)),
        ((2.35, 1.75), (3.25, 0.95)),
        ((5.45, 3.05), (6.25, 3.05)),
        ((8.65, 3.05), (9.35, 3.05)),
        ((5.45, 0.85), (9.35, 0.85)),
    ):
        ax.annotate(
            "", end, start, arrowprops={"arrowstyle": "-|>", "lw": 1.6, "color": "0.3"}
        )
    for song, chance in enumerate((0.1, 0.25, 0.5, 0.15)):
        ax.bar(9.75 + 0.55 * song, 1.9 * chance, width=0.42, bottom=2.55, color=BLUE)
        ax.text(
            9.75 + 0.55 * song, 2.5, "ABCD"[song], ha="center", va="top", fontsize=9
        )
    ax.text(10.55, 3.75, "softmax: the die", ha="center", fontsize=9.5)
    ax.text(
        9.45,
        0.85,
        "songs I still expect\nto be heard tonight",
        va="center",
        fontsize=9.5,
    )
    ax.text(
        6.3,
        1.62,
        "song C played and went better than V expected:\nC's chance up, a little",
        fontsize=9.5,
        color=RED,
    )


def _box(x: float, y: float, width: float, height: float, colour: str) -> Any:
    from matplotlib.patches import FancyBboxPatch

    return FancyBboxPatch(
        (x, y),
        width,
        height,
        "round,pad=0.03,rounding_size=0.1",
        fc=colour,
        ec="0.3",
        lw=1.2,
    )


def curves(
    ax: Axes,
    found: Mapping[str, ArrayLike],
    colours: Mapping[str, str],
    x: ArrayLike | None = None,
) -> Axes:
    """Mean and 95% interval over seeds of each of ``found``: name -> [seeds, points]."""
    for name, values in found.items():
        bands = [mean_interval(column) for column in np.asarray(values, np.float64).T]
        places = np.arange(1, len(bands) + 1) if x is None else np.asarray(x)
        ax.plot(
            places,
            [band.mean for band in bands],
            color=colours[name],
            lw=2.5,
            label=name,
        )
        ax.fill_between(
            places,
            [band.low for band in bands],
            [band.high for band in bands],
            color=colours[name],
            alpha=0.2,
            lw=0,
        )
    return ax


def marks(ax: Axes, found: Mapping[str, ArrayLike]) -> Axes:
    """A dashed line for the mean of each of ``found``, with its name at the right."""
    for name, values in found.items():
        mean = float(np.mean(np.asarray(values, np.float64)))
        ax.axhline(mean, color=colour_of(name), lw=1.5, ls="--")
        ax.text(
            1.01,
            mean,
            name,
            transform=ax.get_yaxis_transform(),
            color=colour_of(name),
            va="center",
            fontsize=9,
        )
    return ax


def colour_of(name: str) -> str:
    """An agent's colour; the rule that remembers has its own."""
    return GREEN if name == "something else" else agent_colour(name)


FIGURES: dict[str, tuple[Callable[[Figure], None], tuple[float, float]]] = {
    "13_small_steps.png": (draw_intuition, (10.0, 3.3)),
    "13_two_networks.png": (draw_ppo, (9.6, 3.2)),
}
