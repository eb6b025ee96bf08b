"""Lesson 08, prioritised replay: which transitions are drawn, and with what weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from drawing import CENTRED, without_frame
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
from rlrec.errors import ConfigError
from rlrec.types import Floats, Ids
from rlrec.viz.plots import mean_band
from rlrec.viz.style import PALETTE, Style
from rlrec.viz.widgets import Lab, choice, slider

Log = dict[str, NDArray[Any]]
Fields = dict[str, tuple[tuple[int, ...], Any]]
BLUE, ORANGE, GREEN, PINK, SKY = PALETTE[:5]
COLOURS = {
    "uniform": "#8C8C8C",
    "prioritised": BLUE,
    "prioritised, weighted": SKY,
    "greedy": ORANGE,
    "oracle": "black",
}


# -- the widget: what alpha and beta do
ALIKE = (0.9, 0.95, 1.0, 1.05, 1.1)
MEMORIES = {
    "three songs: 1, 2, 4": (1.0, 2.0, 4.0),
    "twelve songs, one big surprise": (0.2,) * 5 + (0.5,) * 4 + (1.0, 1.0, 8.0),
    "twelve songs, all much the same": (*ALIKE, *ALIKE, 1.0, 1.0),
}


class Draws(NamedTuple):
    """How often songs are drawn and how they are weighted, by their TD errors."""

    errors: Floats  # [songs] |TD error|
    probabilities: Floats  # [songs] P(i), they sum to 1
    counts: Ids  # [songs] how often each was drawn
    weights: Floats  # [songs] importance weights, the largest is 1
    # [songs] P(i) w(i), scaled to mean 1: effect on the learner, uniform replay is 1
    pull: Floats


def probabilities_and_weights(
    errors: ArrayLike, alpha: float, beta: float
) -> tuple[Floats, Floats]:
    """P(i) and w(i) of |TD errors| [songs] (Schaul et al., sections 3.3 and 3.4).

        P(i) = p_i^alpha / sum p^alpha,  w_i = (N P(i))^-beta / max w,  p_i = |error_i|

    >>> found, weights = probabilities_and_weights([1, 2, 4], alpha=0.6, beta=0.4)
    >>> found.round(3).tolist(), weights.round(3).tolist()
    ([0.208, 0.315, 0.477], [1.0, 0.847, 0.717])
    """
    priorities = np.abs(np.asarray(errors, np.float64)) ** alpha
    probabilities = priorities / priorities.sum()
    weights = (len(probabilities) * probabilities) ** -beta
    return probabilities, weights / weights.max()


def draw_songs(memory: str, alpha: float, beta: float, draws: int) -> Draws:
    """Draw ``draws`` times from one of ``MEMORIES`` with the library's replay."""
    errors = np.array(MEMORIES[memory])
    probabilities, weights = probabilities_and_weights(errors, alpha, beta)
    config = PriorityConfig(alpha=alpha, smallest=1e-9)
    replay = PrioritisedReplay(len(errors), {"song": ((), np.int64)}, config)
    replay.update(replay.add(song=np.arange(len(errors))), errors)
    counts = np.zeros(len(errors), np.int64)
    rng = np.random.default_rng(0)
    # in batches of 10, as a learner draws them
    for first in range(0, draws, 10):
        sample = replay.sample(1, min(10, draws - first), rng, beta=beta)
        np.add.at(counts, sample.places[0], 1)
    pull = probabilities * weights
    return Draws(errors, probabilities, counts, weights, pull / pull.mean())


def draws_picture(figure: Figure, found: Draws) -> None:
    """Left how often each song is drawn, right its weight and its pull."""
    left, right = figure.subplots(1, 2)
    place = np.arange(len(found.errors))
    share = found.counts / found.counts.sum()
    left.bar(place, share, color=BLUE, alpha=0.45, label="share of the draws")
    left.plot(place, found.probabilities, "o", color="black", ms=5, label="P(i)")
    left.axhline(1 / len(place), color="0.4", lw=1, ls=":")
    left.set(ylim=(0, 1.22), ylabel="share", title="drawn")
    right.bar(place - 0.2, found.weights, width=0.4, color=ORANGE, label="weight w(i)")
    pull: Style = {"color": GREEN, "label": "pull: draws × weight"}
    right.bar(place + 0.2, found.pull, width=0.4, **pull)
    right.axhline(1, color="0.4", lw=1, ls=":")
    right.set(ylim=(0, 8.5) if len(place) > 3 else (0, 2.6), title="counts")
    names = [f"{error:g}" for error in found.errors]
    for ax in (left, right):
        ax.set_xticks(place, names, fontsize=8 if len(place) < 9 else 7)
        ax.set_xlabel("|TD error| of the song")
        ax.legend(frameon=False, loc="upper left", fontsize=8)
        ax.grid(False, axis="x")


def draws_line(found: Draws) -> str:
    """The song with the largest error in one line of HTML."""
    top = int(found.errors.argmax())
    return (
        f"largest error {found.errors[top]:g}: "
        f"drawn {found.counts[top]} times in {found.counts.sum()}, "
        f"P <b>{found.probabilities[top]:.3f}</b>, "
        f"weight <b>{found.weights[top]:.3f}</b>, "
        f"pull <b>{found.pull[top]:.2f}</b> (uniform replay: 1)"
    )


def draws_lab() -> Lab[Draws]:
    """Controls for alpha and beta beside the histogram of draws."""
    proportional = "0: uniform, 1: in proportion to the error"
    unbiased = "0: no weights, 1: the bias is gone"
    controls = {
        "memory": choice("memory", list(MEMORIES)),
        "alpha": slider("alpha", 0.6, 0.0, 1.0, 0.05, unit=proportional),
        "beta": slider("beta", 0.4, 0.0, 1.0, 0.05, unit=unbiased),
        "draws": slider("draws", 500, 20, 2000, 20, unit="transitions"),
    }
    title = "What is drawn, and what it counts"
    return Lab(title, controls, draw_songs, draws_picture, draws_line, (8.6, 3.1))


# -- the log with a single like
REPLAYS = ("uniform", "prioritised", "greedy", "oracle")
FIELDS: Fields = {
    "state": ((), np.int64),
    "action": ((), np.int64),
    "reward": ((), np.float64),
    "next_state": ((), np.int64),
    "terminated": ((), np.bool_),
}


def chain_log(length: int, fickle: int = 0) -> Log:
    """Log each sequence of two choices a song, once: 2^(length + 1) - 2 transitions.

    Action 1 plays the next song of the set, action 0 ends the evening. Only the last
    right choice pays, 1 (the "Blind Cliffwalk" of Schaul et al., section 3.1).
    ``fickle`` plays of one more song, state ``length``, pay +1 and -1 in turn: it is
    worth 0 and cannot be predicted.
    """
    # place i is reached 2^(length - i) times
    states = np.repeat(np.arange(length), 2 ** np.arange(length, 0, -1))
    actions = np.arange(len(states)) % 2
    last = states == length - 1
    following = np.minimum(states + 1, length - 1)
    flips = np.where(np.arange(fickle) % 2, -1.0, 1.0)
    return {
        "state": np.append(states, np.full(fickle, length)),
        "action": np.append(actions, np.zeros(fickle, np.int64)),
        "reward": np.append((last & (actions == 1)).astype(float), flips),
        "next_state": np.append(following, np.full(fickle, length)),
        "terminated": np.append(last | (actions == 0), np.ones(fickle, np.bool_)),
    }


def chain_values(length: int) -> Floats:
    """True action values of the set [length, 2], with discount 1 - 1/length."""
    values = np.zeros((length, 2))
    values[:, 1] = (1.0 - 1.0 / length) ** np.arange(length - 1, -1, -1)
    return values


def learn_draws(table: Floats, sample: Sample, discount: float, rate: float) -> Floats:
    """One step of Q-learning (lesson 02) from each transition: TD errors [1, draws].

    ``table`` [states, 2] is changed; a step is ``rate`` times the sample's weight.
    """
    columns = [sample.data[name][0].tolist() for name in FIELDS]
    steps = (rate * sample.weights[0]).tolist()
    td_errors = []
    for *transition, step in zip(*columns, steps, strict=True):
        state, action, reward, next_state, terminated = transition
        future = 0.0 if terminated else discount * table[next_state].max()
        td_error = reward + future - table[state, action]
        table[state, action] += step * td_error
        td_errors.append(td_error)
    return np.array([td_errors])


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
    """Transitions replayed until the mean squared error of Q is at most ``tolerance``.

    ``replay``: "uniform" or "prioritised" replays ``draws`` at a time, "greedy" the one
    with the largest error when last replayed, "oracle" the one that lowers the table's
    error most. Returns ``limit`` if the tolerance was not reached. Raises
    ``ConfigError`` for another ``replay``.
    """
    if replay not in REPLAYS:
        raise ConfigError(f"no replay {replay!r}; choose one of {', '.join(REPLAYS)}")
    log = chain_log(length, fickle)
    chain = _Chain(chain_values(length), rate)
    rng = np.random.default_rng(seed)
    if replay == "oracle":
        step = _oracle(log, chain, rng)
    elif replay == "greedy":
        step = _greedy(log, chain, rng)
    else:
        config = None if replay == "uniform" else PriorityConfig(alpha=alpha)
        step = _batches(log, chain, rng, config, beta, draws)
    done = 0
    while chain.error(chain.table) > tolerance and done < limit:
        done += step()
    return min(done, limit)


class _Chain:
    """A table of action values for the set, and how far it is from the truth."""

    def __init__(self, truth: Floats, rate: float) -> None:
        self.truth = truth
        self.rate = rate
        self.discount = 1.0 - 1.0 / len(truth)
        self.table = np.zeros((len(truth) + 1, 2))

    def error(self, table: Floats) -> float:
        """Mean squared error of ``table`` [length + 1, 2]."""
        return float(((table[: len(self.truth)] - self.truth) ** 2).mean())

    def learn(self, sample: Sample) -> Floats:
        """Learn from ``sample``: TD errors [1, draws]."""
        return learn_draws(self.table, sample, self.discount, self.rate)

    def after(self, log: Log, place: int) -> tuple[Floats, float]:
        """The table after one transition of ``log``, and its TD error."""
        table = self.table.copy()
        one = {name: values[None, place : place + 1] for name, values in log.items()}
        sample = Sample(one, np.array([[place]]), np.ones((1, 1), np.float32))
        td_error = learn_draws(table, sample, self.discount, self.rate)[0, 0]
        return table, float(td_error)


def _batches(
    log: Log,
    chain: _Chain,
    rng: np.random.Generator,
    config: PriorityConfig | None,
    beta: float,
    draws: int,
) -> Callable[[], int]:
    """Learn from ``draws`` transitions of the library's replay at each call."""
    memory = _replay(len(log["state"]), FIELDS, config)
    memory.add(**log)

    def step() -> int:
        if isinstance(memory, PrioritisedReplay):
            sample = memory.sample(1, draws, rng, beta=beta)
            memory.update(sample.places, chain.learn(sample))
        else:
            chain.learn(memory.sample(1, draws, rng))
        return draws

    return step


def _replay(
    size: int, fields: Fields, config: PriorityConfig | None
) -> UniformReplay | PrioritisedReplay:
    """Prioritised replay by ``config``; None: uniform replay."""
    if config is None:
        return UniformReplay(size, fields)
    return PrioritisedReplay(size, fields, config)


def _shuffled(log: Log, rng: np.random.Generator) -> Log:
    order = rng.permutation(len(log["state"]))
    return {name: values[order] for name, values in log.items()}


def _greedy(log: Log, chain: _Chain, rng: np.random.Generator) -> Callable[[], int]:
    """Replay the transition whose last TD error is largest, new ones first."""
    shuffled = _shuffled(log, rng)
    last_error = np.full(len(log["state"]), np.inf)

    def step() -> int:
        place = int(last_error.argmax())
        chain.table, td_error = chain.after(shuffled, place)
        last_error[place] = abs(td_error)
        return 1

    return step


def _oracle(log: Log, chain: _Chain, rng: np.random.Generator) -> Callable[[], int]:
    """Replay the transition that lowers the table's error most."""
    shuffled = _shuffled(log, rng)
    pairs = np.column_stack([shuffled["state"], shuffled["action"]])
    kinds = np.unique(pairs, axis=0, return_index=True)[1].tolist()

    def step() -> int:
        tables = [chain.after(shuffled, place)[0] for place in kinds]
        chain.table = min(tables, key=chain.error)
        return 1

    return step


def updates_plot(
    ax: Axes, x: ArrayLike, found: Mapping[str, ArrayLike], xlabel: str
) -> Axes:
    """Updates needed against ``x``, mean and 95% interval over seeds.

    ``found``: name -> [seeds, points].
    """
    for name, values in found.items():
        style: Style = {"colour": COLOURS[name], "marker": "o", "ms": 4, "label": name}
        mean_band(ax, x, values, alpha=0.25, **style)
    ax.set(yscale="log", xlabel=xlabel, ylabel="transitions replayed until learned")
    ax.legend(frameon=False, fontsize=8)
    return ax


# -- the bias, and how weights take it back
def fixed_point(likes: int, plays: int, pay: float, alpha: float, beta: float) -> float:
    """Value at which a song settles that paid ``pay`` in ``likes`` of ``plays`` plays.

    The pulls balance: likes (pay - Q)^s = (plays - likes) Q^s
    with s = 1 + alpha (1 - beta).

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
    """Learned value [rounds] of a song that paid 2 in 100 of 400 plays.

    ``config``: of prioritised replay; None: uniform replay.
    """
    rng = np.random.default_rng(seed)
    memory = _replay(400, {"reward": ((), np.float64)}, config)
    memory.add(reward=rng.permutation(np.where(np.arange(400) < 100, 2.0, 0.0)))
    value = 0.5
    values = []
    for turn in range(rounds):
        if isinstance(memory, PrioritisedReplay):
            beta = memory.config.beta(turn / rounds)
            sample = memory.sample(1, draws, rng, beta=beta)
            memory.update(sample.places, sample.data["reward"] - value)
        else:
            sample = memory.sample(1, draws, rng)
        value += rate * float((sample.weights * (sample.data["reward"] - value)).sum())
        values.append(value)
    return np.array(values)


# -- find the bug
class Estimates(NamedTuple):
    """Values of 40 songs after some replay; all start at 1, 30 pay 1 and 10 pay 0."""

    values: Floats  # [40] what they are estimated to pay
    rewards: Floats  # [40] what they pay
    drawn: Ids  # [40] how often each was drawn
    priorities: Floats  # [40] at the end


def replay_estimates(
    signal: Callable[[Floats, Floats], Any], *, seed: int = 0, rounds: int = 30
) -> Estimates:
    """Replay 16 of the 40 songs a round.

    ``signal(target, value)`` goes back to the replay memory as the TD error.
    """
    rng = np.random.default_rng(seed)
    rewards = np.where(np.arange(40) < 30, 1.0, 0.0)
    values = np.ones(40)
    memory = PrioritisedReplay(40, {"song": ((), np.int64)})
    memory.add(song=np.arange(40))
    drawn = np.zeros(40, np.int64)
    for _ in range(rounds):
        sample = memory.sample(1, 16, rng)
        songs = sample.data["song"]
        # the evening ends after one song, so the target is the reward
        memory.update(sample.places, signal(rewards[songs], values[songs]))
        for song in songs[0]:
            values[song] += 0.25 * (rewards[song] - values[song])
        np.add.at(drawn, songs[0], 1)
    return Estimates(values, rewards, drawn, memory.tree.get(np.arange(40)))


def estimates_picture(axes: NDArray[Any], found: Mapping[str, Estimates]) -> None:
    """For each of ``found`` how often each song was drawn; hits grey, flops pink."""
    for ax, (title, one) in zip(axes, found.items(), strict=True):
        for paid, colour, label in (
            (1.0, "0.6", "hits: nothing left to learn"),
            (0.0, PINK, "flops: believed to be hits"),
        ):
            songs = np.flatnonzero(one.rewards == paid)
            ax.bar(songs, one.drawn[songs], color=colour, label=label)
        ax.set(title=title, xlabel="song")
        ax.legend(frameon=False, fontsize=8, loc="upper left")
        ax.grid(False, axis="x")
    axes[0].set_ylabel("times drawn")


# -- the lesson's pictures
def draw_story(figure: Figure) -> None:
    """Left the set of five songs, right all that was logged, the one like in green."""
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    _draw_set(left, 5)
    reward = chain_log(5)["reward"]
    for place, liked in enumerate(reward):
        colour = GREEN if liked else "0.85"
        right.plot(place % 11, -(place // 11), "s", ms=14, color=colour, mec="white")
    right.set(xlim=(-0.8, 10.8), ylim=(-5.7, 0.7))
    right.set_title(f"the log of all evenings: {len(reward)} plays, one like")
    for ax in (left, right):
        ax.set_axis_off()


def _draw_set(ax: Axes, length: int) -> None:
    """The set as a chain: right choices go on, wrong ones end the evening."""
    for song in range(length):
        ax.plot(song, 0, "o", ms=24, color="white", mec="black")
        ax.text(song, 0, f"{song + 1}", **CENTRED)
        _arrow(ax, (song, -0.22), (song, -0.85), "0.6")
        if song:
            _arrow(ax, (song - 0.78, 0), (song - 0.22, 0), BLUE)
    end = length - 0.22
    _arrow(ax, (length - 0.78, 0), (length - 0.3, 0), GREEN)
    ax.text(end, 0, "a like: 1", color=GREEN, va="center", weight="bold")
    ax.text(2, -1.05, "any wrong song: Vera leaves, reward 0", color="0.4", **CENTRED)
    ax.text(2, 0.5, "the right next song", color=BLUE, **CENTRED)
    ax.set(xlim=(-0.6, 5.9), ylim=(-1.4, 0.9), title="Vera's set of five songs")


def _arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str
) -> None:
    style: Style = {"arrowstyle": "-|>", "lw": 1.8, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=style | {"color": colour})


def tree_path(tree: SumTree, value: float) -> list[int]:
    """The nodes that a draw passes, from the root, 1, to its leaf.

    >>> tree = SumTree(4)
    >>> tree.set(np.arange(4), [1.0, 2.0, 4.0, 1.0])
    >>> tree_path(tree, 2.9), tree_path(tree, 3.5)
    ([1, 2, 5], [1, 3, 6])
    """
    leaf = int(tree.find(np.array([value]))[0]) + tree.first_leaf
    return [leaf >> up for up in range(tree.depth, -1, -1)]


# x of each node; a leaf stands above its stretch of the bar
NODE_X = {4: 0.5, 5: 2.0, 6: 5.0, 7: 7.5, 2: 1.25, 3: 6.25, 1: 3.75}


def draw_tree(figure: Figure) -> None:
    """The tree over priorities 1, 2, 4, 1 with two draws, and the same as one bar."""
    top, bar = figure.subplots(2, 1, height_ratios=(2.7, 1))
    tree = SumTree(4)
    tree.set(np.arange(4), [1.0, 2.0, 4.0, 1.0])
    _draw_nodes(top, tree)
    for value, colour in ((2.9, BLUE), (3.5, ORANGE)):
        for above, below in pairwise(tree_path(tree, value)):
            _edge(top, above, below, color=colour, lw=4, zorder=2)
    _label_tree(top)
    _draw_bar(bar)


def _edge(ax: Axes, above: int, below: int, **line: Any) -> None:
    height = [_height(above), _height(below)]
    ax.plot([NODE_X[above], NODE_X[below]], height, **line)


def _height(node: int) -> int:
    return 3 - node.bit_length()


def _draw_nodes(ax: Axes, tree: SumTree) -> None:
    for node in range(2, 8):
        _edge(ax, node, node // 2, color="0.75", lw=1.5, zorder=1)
    for node, x in NODE_X.items():
        y = _height(node)
        ax.plot(x, y, "o", ms=30, color="white", mec="black", zorder=3)
        label = f"{tree.nodes[node]:g}"
        ax.text(x, y, label, zorder=4, **CENTRED)


def _draw_bar(ax: Axes) -> None:
    """The leaves side by side, and where the two draws fall."""
    for value, colour, side in ((2.9, BLUE, -1), (3.5, ORANGE, 1)):
        ax.plot([value, value], [0.5, 1.35], color=colour, lw=2.5)
        style: Style = {"color": colour, "va": "center", "weight": "bold"}
        align = "right" if side < 0 else "left"
        ax.text(value + 0.08 * side, 1.1, f"draw {value:g}", ha=align, **style)
    for leaf, (start, width) in enumerate(((0, 1), (1, 2), (3, 4), (7, 1))):
        ax.barh(0, width, left=start, height=1, color="0.92", edgecolor="black")
        ax.text(start + width / 2, 0, f"leaf {leaf}", fontsize=9, **CENTRED)
    ax.set(xlim=(-0.3, 8.3), ylim=(-0.55, 1.5), yticks=[])
    ax.set_xlabel("running sum of the priorities")
    without_frame(ax)


def _label_tree(ax: Axes) -> None:
    for x, y, words, colour, side in (
        (NODE_X[1] + 0.4, 2.1, "the sum of all", "0.15", "left"),
        (2.35, 1.68, "2.9 < 3: left", BLUE, "right"),
        (5.2, 1.68, "3.5 ≥ 3: right, 3.5 − 3 = 0.5", ORANGE, "left"),
        (1.8, 0.6, "2.9 ≥ 1: right", BLUE, "left"),
        (5.3, 0.55, "0.5 < 4: left", ORANGE, "right"),
    ):
        ax.text(x, y, words, color=colour, ha=side, va="center", fontsize=9)
    ax.set(xlim=(-0.3, 8.3), ylim=(-0.45, 2.45))
    ax.set_axis_off()


FIGURES = {
    "08_one_like.png": (draw_story, (10.0, 3.0)),
    "08_sum_tree.png": (draw_tree, (8.4, 4.4)),
}
