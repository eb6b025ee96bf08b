"""Lesson 07: an actor on a critic's slope, and listeners whose earlier evenings are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from gymnasium import spaces
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from rlrec.agents import GreedyListening, Recommender
from rlrec.agents.retrieval import best_k
from rlrec.envs import Catalogue, ListeningBatch
from rlrec.envs.catalogue import SOUND_DIMENSIONS
from rlrec.envs.listeners import LONGEST
from rlrec.evaluation import mean_interval
from rlrec.types import Floats, Ids, Observations
from rlrec.viz.style import PALETTE
from rlrec.viz.widgets import Lab, choice, slider

if TYPE_CHECKING:
    from rlrec.agents.ddpg import DDPG

Function = Callable[[Any], Any]
BLUE, ORANGE, GREEN, PINK, SKY, RED = PALETTE[:6]
ONE_HILL, TWO_HILLS = "one hill", "two hills"
APPEAL_WEIGHT = 0.06  # of popularity in a greedy score, as in GreedyListening
EARLIER = 3  # evenings that a listener's vector rests on
FIRST_TEST = 1000  # number of the first evening that is held out


# -- an actor on a hill ----------------------------------------------------------------
def hill(action: ArrayLike) -> Floats:
    """A critic with one top: ``Q(a) = -(a - .6)^2``.

    >>> hill([0.2, 0.6, 0.9]).round(2).tolist()
    [-0.16, -0.0, -0.09]
    """
    return np.asarray(-((np.asarray(action, np.float64) - 0.6) ** 2))


def hill_slope(action: ArrayLike) -> Floats:
    """Its slope ``dQ/da = -2 (a - .6)``.

    >>> hill_slope([0.2, 0.9]).round(2).tolist()
    [0.8, -0.6]
    """
    return np.asarray(-2.0 * (np.asarray(action, np.float64) - 0.6))


_TOPS = ((0.15, 0.08), (0.85, 0.12))  # place and height of the two tops
_WIDTH = 0.17


def two_hills(action: ArrayLike) -> Floats:
    """A critic with a low top near .15 and a high one near .85."""
    a = np.asarray(action, np.float64)
    return np.asarray(
        sum(height * np.exp(-(((a - place) / _WIDTH) ** 2)) for place, height in _TOPS)
    )


def two_hills_slope(action: ArrayLike) -> Floats:
    """Its slope."""
    a = np.asarray(action, np.float64)
    parts = (
        height * -2.0 * (a - place) / _WIDTH**2 * np.exp(-(((a - place) / _WIDTH) ** 2))
        for place, height in _TOPS
    )
    return np.asarray(sum(parts))


HILLS: dict[str, tuple[Function, Function]] = {
    ONE_HILL: (hill, hill_slope),
    TWO_HILLS: (two_hills, two_hills_slope),
}


class Climb(NamedTuple):
    """Where an actor goes on a hill."""

    shape: str  # a key of HILLS
    replayed: float  # the action in the memory
    own: Floats  # [steps + 1] the actor, led by the slope at its own action
    wrong: Floats  # [steps + 1] the actor, led by the slope at the replayed action


def climb(
    action: float,
    replayed: float,
    learning_rate: float,
    steps: int,
    shape: str = ONE_HILL,
) -> Climb:
    """``a <- a + learning_rate dQ/da``, ``steps`` times, on a dial from 0 to 1; twice: slope taken at a, or replayed.

    >>> found = climb(0.2, 0.9, learning_rate=0.1, steps=1)
    >>> print(f"{found.own[-1]:.2f} {found.wrong[-1]:.2f}")
    0.28 0.14
    """
    slope = HILLS[shape][1]
    own, wrong = [action], [action]
    for _ in range(steps):
        own.append(float(np.clip(own[-1] + learning_rate * slope(own[-1]), 0.0, 1.0)))
        wrong.append(
            float(np.clip(wrong[-1] + learning_rate * slope(replayed), 0.0, 1.0))
        )
    return Climb(shape, replayed, np.array(own), np.array(wrong))


def draw_climb(figure: Figure, found: Climb) -> None:
    """Left the hill with both slopes, right where the actor goes with each."""
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
    draw_hill(left, found.shape, float(found.own[0]), found.replayed)
    steps = np.arange(len(found.own))
    right.plot(
        steps, found.wrong, color=RED, lw=2.5, label="slope at the replayed action"
    )
    right.plot(steps, found.own, color=GREEN, lw=2.5, label="slope at its own action")
    right.plot(steps[-1], found.wrong[-1], "o", color=RED, ms=8)
    right.plot(steps[-1], found.own[-1], "o", color=GREEN, ms=8)
    right.set(
        xlabel="step",
        ylabel="the actor's action",
        ylim=(-0.05, 1.3),
        yticks=(0, 0.2, 0.4, 0.6, 0.8, 1),
    )
    right.set_xlim(-0.02 * len(steps), 1.03 * max(len(steps) - 1, 1))
    right.legend(
        frameon=False, loc="upper center", fontsize=8.5, ncols=2, columnspacing=1
    )


def draw_hill(ax: Axes, shape: str, action: float, replayed: float) -> None:
    """A critic's value of each action, with the tangents at the actor's action and at the replayed one."""
    value, slope = HILLS[shape]
    actions = np.linspace(0.0, 1.0, 201)
    values = value(actions)
    ax.plot(actions, values, color="black", lw=2)
    reach = float(np.ptp(values))
    for place, colour in ((replayed, RED), (action, GREEN)):
        height, steep = float(value(place)), float(slope(place))
        half = min(0.13, 0.3 * reach / max(abs(steep), 1e-9))
        ax.plot(
            [place - half, place + half],
            [height - half * steep, height + half * steep],
            color=colour,
            lw=3,
        )
        ax.plot(place, height, "o", color=colour, ms=9, mec="black")
    ax.set(
        xlabel="action: the dial, 0 calm .. 1 lively",
        ylabel="critic's value Q",
        xlim=(-0.05, 1.05),
    )
    ax.set_ylim(values.min() - 0.2 * reach, values.max() + 0.3 * reach)
    ax.set_title(
        f"slope {float(slope(action)) + 0.0:+.2f} at its own, {float(slope(replayed)) + 0.0:+.2f} at the replayed",
        fontsize=10,
    )


def describe_climb(found: Climb) -> str:
    """Both ends in words."""
    value = HILLS[found.shape][0]
    return (
        f"after {len(found.own) - 1} steps: own slope <b>{found.own[-1]:.3f}</b> "
        f"(Q {float(value(found.own[-1])):.3f}), "
        f"replayed slope <b>{found.wrong[-1]:.3f}</b> (Q {float(value(found.wrong[-1])):.3f})"
    )


def climb_lab() -> Lab[Climb]:
    """The actor's action, the replayed one, the step size, how many steps, and the shape of the critic."""
    controls: dict[str, Any] = {
        "action": slider("actor's action", 0.2, 0.0, 1.0, 0.05),
        "replayed": slider("replayed action", 0.9, 0.0, 1.0, 0.05),
        "learning_rate": slider("learning rate", 0.1, 0.05, 1.2, 0.05),
        "steps": slider("steps", 10, 1, 40, 1),
        "shape": choice("critic", list(HILLS)),
    }
    return Lab(
        "Up the critic's slope", controls, climb, draw_climb, describe_climb, (9.4, 3.2)
    )


# -- a critic that flatters ------------------------------------------------------------
class Flattery(NamedTuple):
    """What critics say at the actor's action, minus the truth there: [draws] each."""

    one: Floats  # the critic whose top the actor stands on
    other: Floats  # a second critic, as wrong as the first, but elsewhere
    smaller: Floats  # the smaller of both
    lost: Floats  # how far the true value of the chosen action lies below the true top


def flattery(error: float, draws: int = 2000, seed: int = 0) -> Flattery:
    """Two critics = ``hill`` + smooth errors of standard deviation ``error``; the actor stands on the first one's top.

    The errors are sums of four waves with random sizes and phases, so that neighbouring actions err alike.
    """
    rng, actions = np.random.default_rng(seed), np.linspace(0.0, 1.0, 101)
    truth = hill(actions)  # [actions]
    waves = np.arange(1, 5)[:, None] * np.pi * actions  # [waves, actions]
    size, phase = (
        rng.normal(0, error / np.sqrt(2), (2, draws, 4)),
        rng.uniform(0, 2 * np.pi, (2, draws, 4, 1)),
    )
    critics = truth + np.einsum(
        "cdw,cdwa->cda", size, np.cos(waves + phase)
    )  # [2, draws, actions]
    chosen, rows = critics[0].argmax(axis=1), np.arange(draws)
    one, other = critics[:, rows, chosen]
    return Flattery(
        one - truth[chosen],
        other - truth[chosen],
        np.minimum(one, other) - truth[chosen],
        -truth[chosen],
    )


# -- listeners whose earlier evenings are known ----------------------------------------
class People(NamedTuple):
    """Listeners who come back."""

    tastes: (
        Floats  # [n, 5] what they like, unit vectors; nobody but the simulator knows
    )
    vectors: (
        Floats  # [n, 6] what earlier evenings say: taste in sound, weight of popularity
    )

    def __len__(self) -> int:
        """How many."""
        return len(self.tastes)


def song_vectors(catalogue: Catalogue) -> Floats:
    """Five numbers of sound and one of popularity for each song: [songs, 6]."""
    return np.column_stack([catalogue.sound, catalogue.appeal])


class KnownListeners(ListeningBatch):
    """``Listening-v0`` for ``people`` who come back: observations name the listener, and no song comes twice.

    Row i plays listener ``(seed + episode * num_envs) % len(people)``; ``satiation`` is the dial ``long_term_effect``.
    """

    def __init__(
        self, people: People, num_envs: int, satiation: float = 0.0, history: int = 5
    ) -> None:
        self.people, self.user = people, np.zeros(num_envs, np.int64)
        super().__init__(
            num_envs,
            "song",
            "ids",
            reward="listen_skip",
            history=history,
            long_term_effect=satiation,
        )

    def allowed(self) -> NDArray[np.bool_]:
        """Songs that this evening has not had yet: [batch, songs]."""
        may = np.ones((self.num_envs, len(self.catalogue)), np.bool_)
        rows, places = np.nonzero(self.played >= 0)
        may[rows, self.played[rows, places]] = False
        return may

    def evening(self, number: int) -> Any:
        """Begin evening ``number`` with listener i in row i; the observations."""
        return self.reset(seed=len(self.people) * number)[0]

    def _observation_space(self) -> spaces.Space[Any]:
        parts = dict(super()._observation_space().items())  # type: ignore[attr-defined]
        parts["user"] = spaces.Box(0, len(self.people) - 1, (1,), np.int64)
        parts["user_vector"] = spaces.Box(
            -np.inf, np.inf, (self.people.vectors.shape[1],), np.float64
        )
        return spaces.Dict(parts)

    def _begin(self, rows: Ids) -> None:
        super()._begin(rows)
        self.user[rows] = (
            self.seeds[rows] + self.episodes[rows] * self.num_envs
        ) % len(self.people)
        self.listeners.taste[rows] = self.people.tastes[self.user[rows]]

    def _observe_ids(self) -> Observations:
        known = {
            "user": self.user[:, None].copy(),
            "user_vector": self.people.vectors[self.user],
        }
        return {**super()._observe_ids(), **known}


def invite(count: int, seed: int) -> People:
    """``count`` listeners with tastes of their own, and what three evenings of random songs tell about each.

    The vector is the mean over the evenings of ``GreedyListening.belief``, a ridge regression of heard or skipped on
    sound, and the weight that ``GreedyListening`` gives to popularity.
    """
    rng = np.random.default_rng(seed)
    tastes = rng.standard_normal((count, SOUND_DIMENSIONS))
    tastes /= np.linalg.norm(tastes, axis=1, keepdims=True)
    strangers = People(tastes, np.zeros((count, SOUND_DIMENSIONS + 1)))
    env = KnownListeners(strangers, count, history=LONGEST)
    greedy = GreedyListening(env.catalogue)
    beliefs = np.zeros((EARLIER, count, SOUND_DIMENSIONS))
    for number in range(EARLIER):
        observations, alive = env.evening(number), np.ones(count, np.bool_)
        while alive.any():
            observations, _, ended, _, _ = env.step(
                rng.integers(len(env.catalogue), size=count)
            )
            beliefs[number][ended & alive] = greedy.belief(observations)[ended & alive]
            alive &= ~ended
    return People(
        tastes, np.column_stack([beliefs.mean(axis=0), np.full(count, APPEAL_WEIGHT)])
    )


class NewSongs:
    """A policy from scores: the song with the highest score among those that this evening has not had.

    ``scores(observations)``: [batch, songs], or [songs] where they are the same for everybody.
    """

    def __init__(
        self, env: KnownListeners, scores: Callable[[Observations], Floats]
    ) -> None:
        self.env, self.scores = env, scores

    def recommend(self, observations: Observations, k: int = 1) -> Ids:
        """The best new songs: [batch, k]."""
        may = self.env.allowed()
        scores = np.where(may, self.scores(observations), -np.inf)  # [batch, songs]
        return (
            scores.argmax(axis=1)[:, None] if k == 1 else best_k(scores, k, may)
        )  # the same, in less time


def baselines(env: KnownListeners, seed: int = 0) -> dict[str, NewSongs]:
    """What an agent in ``env`` is held against; "greedy" knows as much as an agent, "oracle" the true taste."""
    catalogue, dials = env.catalogue, env.listeners.dials
    songs, tonight, rng = (
        song_vectors(catalogue),
        GreedyListening(catalogue),
        np.random.default_rng(seed),
    )

    def chance(_: Observations) -> Floats:
        return rng.random((env.num_envs, len(songs)))

    def greedy(observations: Observations) -> Floats:
        vectors = observations["user_vector"].copy()  # [batch, 6]
        vectors[:, :SOUND_DIMENSIONS] += tonight.belief(observations)
        return np.asarray(vectors @ songs.T)

    def taste(_: Observations) -> Floats:
        liking = env.listeners.taste @ catalogue.sound.T  # [batch, songs]
        return np.asarray(
            dials.taste_strength * liking + dials.appeal_strength * catalogue.appeal
        )

    def popularity(_: Observations) -> Floats:
        return catalogue.appeal

    scores = {
        "random": chance,
        "popularity": popularity,
        "greedy": greedy,
        "oracle": taste,
    }
    return {name: NewSongs(env, score) for name, score in scores.items()}


class Earned(NamedTuple):
    """What an evening brought each listener: [batch] each."""

    total: Floats  # plain sum of rewards
    discounted: Floats  # sum of discount^t reward: what a critic estimates


def listen(
    env: KnownListeners, policy: Recommender, number: int, discount: float = 0.9
) -> Earned:
    """Evening ``number`` of every listener of ``env`` with ``policy``."""
    observations = env.evening(number)
    total, discounted, weight = np.zeros(env.num_envs), np.zeros(env.num_envs), 1.0
    alive = np.ones(env.num_envs, np.bool_)
    while alive.any():
        observations, rewards, ended, _, _ = env.step(
            policy.recommend(observations)[:, 0]
        )
        total += rewards * alive
        discounted += weight * rewards * alive
        alive &= ~ended
        weight *= discount
    return Earned(total, discounted)


class Tonight:
    """An agent that is told which songs the evening has had."""

    def __init__(self, agent: DDPG, env: KnownListeners) -> None:
        self.agent, self.env = agent, env

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """The agent's best new songs: [batch, k]."""
        return self.agent.recommend(observations, k, self.env.allowed())


def believed(agent: DDPG, env: KnownListeners, number: int) -> Floats:
    """What the agent's critics (the smaller one) expect of evening ``number``, before its first song: [batch]."""
    observations = env.evening(number)
    users = (observations["user_vector"] * agent.user_scale).astype(np.float32)
    history = observations["history"].astype(np.int32)
    first = agent.recommend(observations, 1).astype(np.int32)  # [batch, 1]
    return np.asarray(
        agent.learner.judge(users, history, first).numpy()[:, 0], np.float64
    )


def training_points(
    ax: Axes,
    curves: Mapping[str, ArrayLike],
    steps: Sequence[int],
    colours: Mapping[str, str],
    ylabel: str,
) -> Axes:
    """Mean over seeds and 95% interval (Student's t) of each of ``curves``, name -> [seeds, points], as dots and bars.

    Training is not the same to the last digit on every machine; thin marks keep the pictures alike.
    """
    shift = 0.01 * (max(steps) - min(steps))
    for place, (name, curve) in enumerate(curves.items()):
        x = np.asarray(steps) + (place - (len(curves) - 1) / 2) * shift
        intervals = [
            mean_interval(column) for column in np.asarray(curve, np.float64).T
        ]
        ax.plot(x, [i.mean for i in intervals], color=colours[name], lw=1.5, alpha=0.2)
        ax.vlines(
            x,
            [i.low for i in intervals],
            [i.high for i in intervals],
            color=colours[name],
            lw=2,
        )
        ax.plot(
            x, [i.mean for i in intervals], "o", color=colours[name], ms=5, label=name
        )
    ax.set(xlabel="recommendations in training", ylabel=ylabel, xticks=list(steps))
    ax.legend(frameon=False, loc="upper right")
    return ax


# -- the picture of the lesson ---------------------------------------------------------
@cache
def five_songs() -> tuple[Floats, Floats]:
    """The songs worked out by hand [5, 2], and the action [2]."""
    return np.array(
        [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [2.0, 0.0], [-1.0, 1.0]]
    ), np.array([0.6, 0.8])


def draw_story(figure: Figure) -> None:
    """Left the actor's proposal and the ranking it makes, right the critic's judgement."""
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _draw_ranking(left)
    draw_hill(right, ONE_HILL, 0.2, 0.9)
    right.set_title("the critic judges: which way is up?")
    right.text(
        0.27, -0.24, "the actor's action .2:\nslope +.8, turn it up", color=GREEN
    )
    right.text(0.56, 0.045, "tried once, stored: .9,\nslope −.6", color=RED)


def _draw_ranking(ax: Axes) -> None:
    songs, action = five_songs()
    scores = songs @ action
    best = np.argsort(-scores)[:3].tolist()
    for song, (x, y) in enumerate(songs.tolist()):
        colour = GREEN if song in best else "0.6"
        foot = scores[song] * action
        ax.plot([x, foot[0]], [y, foot[1]], color=colour, lw=1.3, ls=":")
        ax.plot(x, y, "o", color=colour, ms=10, mec="black")
        rank = f"{best.index(song) + 1}. " if song in best else ""
        text = f"{rank}song {'ABCDE'[song]}: {scores[song]:.1f}"
        x, y, across, up = (
            (x + 0.4, y + 0.05, "left", "center")
            if song == 1
            else (x, y, "center", "bottom")
        )
        ax.text(
            x, y if song == 1 else y + (0.12 if y > 0 else -0.3), text, ha=across, va=up
        )
    ax.plot([0, 1.35 * action[0]], [0, 1.35 * action[1]], color=BLUE, lw=1, ls="--")
    head = (float(action[0]), float(action[1]))
    ax.annotate(
        "",
        head,
        (0, 0),
        arrowprops={
            "arrowstyle": "-|>",
            "lw": 3,
            "color": BLUE,
            "shrinkA": 0,
            "shrinkB": 7,
        },
    )
    ax.text(0.25, 0.2, "action", color=BLUE, ha="left", va="center")
    ax.set(
        xlim=(-1.6, 2.6),
        ylim=(-0.7, 1.7),
        xlabel="lively",
        ylabel="warm",
        xticks=(-1, 0, 1, 2),
        yticks=(0, 1),
    )
    ax.set_aspect("equal")
    ax.grid(False)
    ax.set_title("the actor proposes: an arrow ranks the songs")


FIGURES = {"07_ddpg.png": (draw_story, (10.5, 3.9))}
