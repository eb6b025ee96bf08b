"""Lesson 08, prioritised replay: what is drawn and what it counts, a log with a single like, a wrong priority."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from rlrec.agents.replay import (
    PrioritisedReplay,
    PriorityConfig,
    Sample,
    SumTree,
    UniformReplay,
)
from rlrec.evaluation import mean_interval
from rlrec.types import Floats, Ids
from rlrec.viz.style import PALETTE
from rlrec.viz.widgets import Lab, choice, slider

Log = dict[str, NDArray[Any]]
BLUE, ORANGE, GREEN, PINK = PALETTE[:4]
COLOURS = {
    "uniform": "#8C8C8C",
    "prioritised": BLUE,
    "prioritised, weighted": PALETTE[4],
    "greedy": ORANGE,
    "oracle": "black",
}


# -- the widget: what alpha and beta do ------------------------------------------------------------------
MEMORIES = {
    "three songs: 1, 2, 4": (1.0, 2.0, 4.0),
    "twelve songs, one big surprise": (0.2,) * 5 + (0.5,) * 4 + (1.0, 1.0, 8.0),
    "twelve songs, all much the same": (
        0.9,
        0.95,
        1.0,
        1.05,
        1.1,
        0.9,
        0.95,
        1.0,
        1.05,
        1.1,
        1.0,
        1.0,
    ),
}


class Draws(NamedTuple):
    """What becomes of ``errors`` [N]: chances, draws, weights, and the share of the learning that each song gets."""

    errors: Floats
    chances: Floats  # P(i), they add up to 1
    counts: Ids  # how often each was drawn
    weights: Floats  # importance weights, the largest is 1
    pull: Floats  # P(i) w_i, scaled to mean 1: how much a song moves the learner, against uniform replay


def chances_and_weights(
    errors: ArrayLike, alpha: float, beta: float
) -> tuple[Floats, Floats]:
    """P(i) and w_i for |TD errors| [N] (Schaul et al., section 3.3 and 3.4).

        P(i) = p_i^alpha / sum p^alpha,   w_i = (N P(i))^-beta / max w,   p_i = |error_i|

    >>> chances, weights = chances_and_weights([1, 2, 4], alpha=0.6, beta=0.4)
    >>> chances.round(3).tolist(), weights.round(3).tolist()
    ([0.208, 0.315, 0.477], [1.0, 0.847, 0.717])
    """
    priorities = np.abs(np.asarray(errors, np.float64)) ** alpha
    chances = priorities / priorities.sum()
    weights = (len(chances) * chances) ** -beta
    return chances, weights / weights.max()


def draw_songs(memory: str, alpha: float, beta: float, draws: int) -> Draws:
    """Draw so many times from one of ``MEMORIES`` with the library's memory."""
    errors = np.array(MEMORIES[memory])
    chances, weights = chances_and_weights(errors, alpha, beta)
    replay = PrioritisedReplay(
        len(errors),
        {"song": ((), np.int64)},
        PriorityConfig(alpha=alpha, smallest=1e-9),
    )
    replay.update(replay.add(song=np.arange(len(errors))), errors)
    counts = np.zeros(len(errors), np.int64)
    rng = np.random.default_rng(0)
    for first in range(0, draws, 10):  # a batch of 10 at a time, as a learner would
        sample = replay.sample(1, min(10, draws - first), rng, beta=beta)
        np.add.at(counts, sample.places[0], 1)
    return Draws(
        errors, chances, counts, weights, chances * weights / (chances * weights).mean()
    )


def draws_picture(figure: Figure, found: Draws) -> None:
    """Left how often each song is drawn, right its weight and what draws and weight come to together."""
    left, right = figure.subplots(1, 2)
    place = np.arange(len(found.errors))
    left.bar(
        place,
        found.counts / found.counts.sum(),
        color=BLUE,
        alpha=0.45,
        label="share of the draws",
    )
    left.plot(place, found.chances, "o", color="black", ms=5, label="P(i)")
    left.axhline(1 / len(place), color="0.4", lw=1, ls=":")
    left.set(ylim=(0, 1.22), ylabel="share", title="drawn")
    right.bar(place - 0.2, found.weights, width=0.4, color=ORANGE, label="weight w(i)")
    right.bar(
        place + 0.2, found.pull, width=0.4, color=GREEN, label="pull: draws × weight"
    )
    right.axhline(1, color="0.4", lw=1, ls=":")
    right.set(ylim=(0, 8.5) if len(place) > 3 else (0, 2.6), title="counts")
    for ax in (left, right):
        ax.set_xticks(
            place,
            [f"{error:g}" for error in found.errors],
            fontsize=8 if len(place) < 9 else 7,
        )
        ax.set_xlabel("|TD error| of the song")
        ax.legend(frameon=False, loc="upper left", fontsize=8)
        ax.grid(False, axis="x")


def draws_line(found: Draws) -> str:
    """The song with the largest error in one line of HTML."""
    top = int(found.errors.argmax())
    return (
        f"largest error {found.errors[top]:g}: drawn {found.counts[top]} times in {found.counts.sum()}, "
        f"P <b>{found.chances[top]:.3f}</b>, weight <b>{found.weights[top]:.3f}</b>, "
        f"pull <b>{found.pull[top]:.2f}</b> (uniform replay: 1)"
    )


def draws_lab() -> Lab[Draws]:
    """Alpha and beta against the histogram of draws."""
    controls = {
        "memory": choice("memory", list(MEMORIES)),
        "alpha": slider(
            "alpha",
            0.6,
            0.0,
            1.0,
            0.05,
            unit="0: uniform, 1: in proportion to the error",
        ),
        "beta": slider(
            "beta", 0.4, 0.0, 1.0, 0.05, unit="0: no weights, 1: the bias is gone"
        ),
        "draws": slider("draws", 500, 20, 2000, 20, unit="transitions"),
    }
    return Lab(
        "What is drawn, and what it counts",
        controls,
        draw_songs,
        draws_picture,
        draws_line,
        (8.6, 3.1),
    )


# -- the log with a single like --------------------------------------------------------------------------
FIELDS: dict[str, tuple[tuple[int, ...], Any]] = {
    "state": ((), np.int64),
    "action": ((), np.int64),
    "reward": ((), np.float64),
    "next_state": ((), np.int64),
    "terminated": ((), np.bool_),
}


def chain_log(length: int, fickle: int = 0) -> Log:
    """Every sequence of two choices a song, each played once to its end: ``2^(length + 1) - 2`` transitions, one like.

    Action 1 plays the next song of the set, action 0 ends the evening; the last right choice pays 1 (the "Blind
    Cliffwalk" of Schaul et al., section 3.1). ``fickle``: so many plays of one more song, state ``length``, that pay
    +1 and -1 by turns, so that it is worth 0 and can't be predicted.
    """
    states = np.repeat(
        np.arange(length), 2 ** np.arange(length, 0, -1)
    )  # place i was reached 2^(length - i) times
    actions = np.arange(len(states)) % 2
    last = states == length - 1
    flips = np.where(np.arange(fickle) % 2, -1.0, 1.0)
    return {
        "state": np.append(states, np.full(fickle, length)),
        "action": np.append(actions, np.zeros(fickle, np.int64)),
        "reward": np.append((last & (actions == 1)).astype(float), flips),
        "next_state": np.append(
            np.minimum(states + 1, length - 1), np.full(fickle, length)
        ),
        "terminated": np.append(last | (actions == 0), np.ones(fickle, np.bool_)),
    }


def chain_values(length: int) -> Floats:
    """The true Q of the set [length, 2], discount 1 - 1/length."""
    values = np.zeros((length, 2))
    values[:, 1] = (1.0 - 1.0 / length) ** np.arange(length - 1, -1, -1)
    return values


def learn_draws(table: Floats, sample: Sample, discount: float, rate: float) -> Floats:
    """Q-learning (lesson 02) from each transition drawn, in turn, steps times weights: TD errors [1, draws]."""
    parts = [sample.data[name][0].tolist() for name in FIELDS]
    weights = (rate * sample.weights[0]).tolist()
    errors = []
    for state, action, reward, next_state, terminated, step in zip(
        *parts, weights, strict=True
    ):
        future = 0.0 if terminated else discount * table[next_state].max()
        errors.append(reward + future - table[state, action])
        table[state, action] += step * errors[-1]
    return np.array([errors])


def updates_needed(
    length: int,
    replay: str,
    *,
    seed: int = 0,
    alpha: float = 0.6,
    beta: float = 0.0,
    fickle: int = 0,
    draws: int = 32,
    rate: float = 0.25,
    tolerance: float = 1e-3,
    limit: int = 10**6,
) -> int:
    """Transitions replayed until the mean squared error of Q is ``tolerance``; ``limit`` if it never was.

    ``replay``: "uniform", "prioritised" (``draws`` at a time), or one at a time "greedy" (the largest error last seen)
    and "oracle" (whatever helps the table most, tried out).
    """
    log, truth, discount = (
        chain_log(length, fickle),
        chain_values(length),
        1.0 - 1.0 / length,
    )
    table, rng, done = np.zeros((length + 1, 2)), np.random.default_rng(seed), 0
    if replay in ("greedy", "oracle"):
        return _one_by_one(
            log, truth, table, replay, rng, discount, rate, tolerance, limit
        )
    size, config = len(log["state"]), PriorityConfig(alpha=alpha)
    memory = (
        UniformReplay(size, FIELDS)
        if replay == "uniform"
        else PrioritisedReplay(size, FIELDS, config)
    )
    memory.add(**log)
    while ((table[:length] - truth) ** 2).mean() > tolerance and done < limit:
        if isinstance(memory, PrioritisedReplay):
            sample = memory.sample(1, draws, rng, beta=beta)
            memory.update(sample.places, learn_draws(table, sample, discount, rate))
        else:
            learn_draws(table, memory.sample(1, draws, rng), discount, rate)
        done += draws
    return min(done, limit)


def _one_by_one(
    log: Log,
    truth: Floats,
    table: Floats,
    replay: str,
    rng: np.random.Generator,
    discount: float,
    rate: float,
    tolerance: float,
    limit: int,
) -> int:
    length, done = len(truth), 0
    order = rng.permutation(len(log["state"]))
    one = {name: values[order] for name, values in log.items()}
    seen = np.full(len(order), np.inf)  # greedy: new ones first

    def tried(place: int) -> tuple[float, Floats, float]:
        new, ones = table.copy(), np.ones((1, 1), np.float32)
        drawn = Sample(
            {k: v[place : place + 1][None] for k, v in one.items()},
            np.array([[place]]),
            ones,
        )
        error = float(learn_draws(new, drawn, discount, rate)[0, 0])
        return float(((new[:length] - truth) ** 2).mean()), new, error

    kinds = np.unique(
        np.column_stack([one["state"], one["action"]]), axis=0, return_index=True
    )[1].tolist()
    while ((table[:length] - truth) ** 2).mean() > tolerance and done < limit:
        if replay == "oracle":
            _, table, _ = min(
                (tried(place) for place in kinds), key=lambda trial: trial[0]
            )
        else:
            place = int(seen.argmax())
            _, table, error = tried(place)
            seen[place] = abs(error)
        done += 1
    return done


def updates_plot(
    ax: Axes, x: ArrayLike, found: Mapping[str, ArrayLike], xlabel: str
) -> Axes:
    """Updates needed against ``x``: mean and 95% interval over seeds of ``found``: name -> [seeds, points]."""
    for name, values in found.items():
        columns = np.asarray(values, np.float64).T
        bands = [mean_interval(column) for column in columns]
        colour = COLOURS[name]
        ax.plot(x, [band.mean for band in bands], "o-", ms=4, color=colour, label=name)
        ax.fill_between(
            x,
            [band.low for band in bands],
            [band.high for band in bands],
            color=colour,
            alpha=0.25,
            lw=0,
        )
    ax.set(yscale="log", xlabel=xlabel, ylabel="transitions replayed until learned")
    ax.legend(frameon=False, fontsize=8)
    return ax


# -- the bias, and how weights take it back --------------------------------------------------------------
def fixed_point(likes: int, plays: int, pay: float, alpha: float, beta: float) -> float:
    """Where the value of a song settles that paid ``pay`` at ``likes`` of ``plays`` plays and 0 at the others.

    Pulls balance: ``likes (pay - Q)^s = (plays - likes) Q^s`` with ``s = 1 + alpha (1 - beta)``.

    >>> [round(fixed_point(1, 4, 2.0, 1.0, beta), 3) for beta in (0, 1)]
    [0.732, 0.5]
    """
    ratio = ((plays - likes) / likes) ** (1.0 / (1.0 + alpha * (1.0 - beta)))
    return float(pay / (1.0 + ratio))


def replay_one_song(
    config: PriorityConfig | None,
    *,
    seed: int = 0,
    rounds: int = 400,
    draws: int = 32,
    rate: float = 0.002,
) -> Floats:
    """The value [rounds] of a song that paid 2 at 100 of 400 plays, learned by replay; ``None``: uniform replay."""
    rng = np.random.default_rng(seed)
    fields: dict[str, tuple[tuple[int, ...], Any]] = {"reward": ((), np.float64)}
    memory = (
        UniformReplay(400, fields)
        if config is None
        else PrioritisedReplay(400, fields, config)
    )
    memory.add(reward=rng.permutation(np.where(np.arange(400) < 100, 2.0, 0.0)))
    value, values = 0.5, []
    for turn in range(rounds):
        if isinstance(memory, PrioritisedReplay) and config is not None:
            sample = memory.sample(1, draws, rng, beta=config.beta(turn / rounds))
            memory.update(sample.places, sample.data["reward"] - value)
        else:
            sample = memory.sample(1, draws, rng)
        value += rate * float((sample.weights * (sample.data["reward"] - value)).sum())
        values.append(value)
    return np.array(values)


# -- find the bug ----------------------------------------------------------------------------------------
class Beliefs(NamedTuple):
    """What 40 songs, all believed to be worth 1, look like after some replay: 30 pay 1, 10 pay nothing."""

    values: Floats  # [40] what is believed now
    rewards: Floats  # [40] what they pay
    drawn: Ids  # [40] how often each was drawn
    priorities: Floats  # [40] at the end


def replay_beliefs(
    signal: Callable[[Floats, Floats], Any], *, seed: int = 0, rounds: int = 30
) -> Beliefs:
    """Replay 16 of the 40 songs a round; ``signal(target, value)`` is sent back to the memory as the TD error."""
    rng, rewards, values = (
        np.random.default_rng(seed),
        np.where(np.arange(40) < 30, 1.0, 0.0),
        np.ones(40),
    )
    memory = PrioritisedReplay(40, {"song": ((), np.int64)})
    memory.add(song=np.arange(40))
    drawn = np.zeros(40, np.int64)
    for _ in range(rounds):
        sample = memory.sample(1, 16, rng)
        songs = sample.data["song"]
        target, value = (
            rewards[songs],
            values[songs],
        )  # one song, then the evening ends: the target is the reward
        memory.update(sample.places, signal(target, value))
        for song in songs[0]:
            values[song] += 0.25 * (rewards[song] - values[song])
        np.add.at(drawn, songs[0], 1)
    return Beliefs(values, rewards, drawn, memory.tree.get(np.arange(40)))


def beliefs_picture(axes: NDArray[Any], found: Mapping[str, Beliefs]) -> None:
    """For each of ``found`` one panel: how often each song was drawn; grey hits, pink flops."""
    for ax, (title, belief) in zip(axes, found.items(), strict=True):
        flop = belief.rewards == 0.0
        place = np.arange(len(flop))
        ax.bar(
            place[~flop],
            belief.drawn[~flop],
            color="0.6",
            label="hits: nothing left to learn",
        )
        ax.bar(
            place[flop],
            belief.drawn[flop],
            color=PINK,
            label="flops: believed to be hits",
        )
        ax.set(
            title=title, xlabel="song", ylabel="times drawn" if ax is axes[0] else ""
        )
        ax.legend(frameon=False, fontsize=8, loc="upper left")
        ax.grid(False, axis="x")


# -- the lesson's pictures -------------------------------------------------------------------------------
def draw_story(figure: Figure) -> None:
    """Left the set of five songs, right everything that was logged, a square a transition, the like in green."""
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    length = 5
    for song in range(length):
        left.plot(song, 0, "o", ms=24, color="white", mec="black")
        left.text(song, 0, f"{song + 1}", ha="center", va="center")
        _arrow(left, (song, -0.22), (song, -0.85), "0.6")
        if song:
            _arrow(left, (song - 0.78, 0), (song - 0.22, 0), BLUE)
    _arrow(left, (length - 0.78, 0), (length - 0.3, 0), GREEN)
    left.text(
        length - 0.22,
        0,
        "a like: 1",
        color=GREEN,
        ha="left",
        va="center",
        weight="bold",
    )
    left.text(
        2,
        -1.05,
        "any wrong song: Vera leaves, reward 0",
        color="0.4",
        ha="center",
        va="center",
    )
    left.text(2, 0.5, "the right next song", color=BLUE, ha="center", va="center")
    left.set(xlim=(-0.6, 5.9), ylim=(-1.4, 0.9), title="Vera's set of five songs")
    reward = chain_log(length)["reward"]
    for place, liked in enumerate(reward):
        colour = GREEN if liked else "0.85"
        right.plot(place % 11, -(place // 11), "s", ms=14, color=colour, mec="white")
    right.set(
        xlim=(-0.8, 10.8),
        ylim=(-5.7, 0.7),
        title=f"the log of all evenings: {len(reward)} plays, one like",
    )
    for ax in (left, right):
        ax.set_axis_off()


def _arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str
) -> None:
    ax.annotate(
        "",
        end,
        start,
        arrowprops={
            "arrowstyle": "-|>",
            "lw": 1.8,
            "color": colour,
            "shrinkA": 0,
            "shrinkB": 0,
        },
    )


def tree_path(tree: SumTree, value: float) -> list[int]:
    """The nodes that a draw passes, from the root, 1, to its leaf.

    >>> tree = SumTree(4)
    >>> tree.set(np.arange(4), [1.0, 2.0, 4.0, 1.0])
    >>> tree_path(tree, 2.9), tree_path(tree, 3.5)
    ([1, 2, 5], [1, 3, 6])
    """
    leaf = int(tree.find(np.array([value]))[0]) + tree.first_leaf
    return [leaf >> up for up in range(tree.depth, -1, -1)]


def draw_tree(figure: Figure) -> None:
    """The tree over priorities 1, 2, 4, 1 and the ways of two draws; below, the same as one long bar."""
    top, bar = figure.subplots(2, 1, height_ratios=(2.7, 1))
    tree = SumTree(4)
    tree.set(np.arange(4), [1.0, 2.0, 4.0, 1.0])
    middle = {
        4: 0.5,
        5: 2.0,
        6: 5.0,
        7: 7.5,
        2: 1.25,
        3: 6.25,
        1: 3.75,
    }  # leaves above their stretch of the bar
    height = {node: 2 - int(np.log2(node)) for node in middle}
    for node in range(2, 8):
        top.plot(
            [middle[node], middle[node // 2]],
            [height[node], height[node // 2]],
            color="0.75",
            lw=1.5,
            zorder=1,
        )
    for value, colour in ((2.9, BLUE), (3.5, ORANGE)):
        path = tree_path(tree, value)
        for above, below in pairwise(path):
            places = [middle[above], middle[below]], [height[above], height[below]]
            top.plot(*places, color=colour, lw=4, zorder=2)
        bar.plot([value, value], [0.5, 1.35], color=colour, lw=2.5)
        side = "right" if value < 3 else "left"
        bar.text(
            value + (-0.08 if value < 3 else 0.08),
            1.1,
            f"draw {value:g}",
            color=colour,
            ha=side,
            va="center",
            weight="bold",
        )
    for node, x in middle.items():
        top.plot(x, height[node], "o", ms=30, color="white", mec="black", zorder=3)
        top.text(
            x, height[node], f"{tree.nodes[node]:g}", ha="center", va="center", zorder=4
        )
    _label_tree(top, middle)
    for leaf, (start, width) in enumerate(((0, 1), (1, 2), (3, 4), (7, 1))):
        bar.barh(0, width, left=start, height=1, color="0.92", edgecolor="black")
        bar.text(
            start + width / 2, 0, f"leaf {leaf}", ha="center", va="center", fontsize=9
        )
    bar.set(
        xlim=(-0.3, 8.3),
        ylim=(-0.55, 1.5),
        xlabel="running sum of the priorities",
        yticks=[],
    )
    bar.grid(False)
    bar.spines[:].set_visible(False)


def _label_tree(ax: Axes, middle: Mapping[int, float]) -> None:
    ax.text(middle[1] + 0.4, 2.1, "the sum of all", va="center", fontsize=9)
    ax.text(
        2.35, 1.68, "2.9 < 3: left", color=BLUE, ha="right", va="center", fontsize=9
    )
    ax.text(
        5.2,
        1.68,
        "3.5 ≥ 3: right, 3.5 − 3 = 0.5",
        color=ORANGE,
        va="center",
        fontsize=9,
    )
    ax.text(1.8, 0.6, "2.9 ≥ 1: right", color=BLUE, va="center", fontsize=9)
    ax.text(
        5.3, 0.55, "0.5 < 4: left", color=ORANGE, ha="right", va="center", fontsize=9
    )
    ax.set(xlim=(-0.3, 8.3), ylim=(-0.45, 2.45))
    ax.set_axis_off()


FIGURES = {
    "08_one_like.png": (draw_story, (10.0, 3.0)),
    "08_sum_tree.png": (draw_tree, (8.4, 4.4)),
}
