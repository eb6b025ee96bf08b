"""Lesson 07: an actor on a critic's slope, and listeners who come back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from drawing import ABOVE
from gymnasium import spaces
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rlrec.agents import GreedyListening, Recommender
from rlrec.agents.retrieval import best_k
from rlrec.envs import Catalogue, ListeningBatch
from rlrec.envs.catalogue import SOUND_DIMENSIONS
from rlrec.envs.listeners import LONGEST
from rlrec.evaluation import mean_interval, session_steps
from rlrec.types import Bools, Floats, Ids, Observations
from rlrec.viz.style import PALETTE
from rlrec.viz.widgets import Lab, choice, slider

if TYPE_CHECKING:
    from rlrec.agents.ddpg import DDPG

Function = Callable[[Any], Any]
BLUE = PALETTE[0]
GREEN = PALETTE[2]
RED = PALETTE[5]
ONE_HILL = "one hill"
TWO_HILLS = "two hills"
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


_PLACES = np.array([0.15, 0.85])  # of the two tops
_HEIGHTS = np.array([0.08, 0.12])
_WIDTH = 0.17


def two_hills(action: ArrayLike) -> Floats:
    """A critic with a low top near .15 and a high one near .85."""
    away = np.subtract.outer(action, _PLACES)  # [..., tops]
    return np.asarray((_HEIGHTS * np.exp(-((away / _WIDTH) ** 2))).sum(axis=-1))


def two_hills_slope(action: ArrayLike) -> Floats:
    """Its slope."""
    away = np.subtract.outer(action, _PLACES)  # [..., tops]
    values = _HEIGHTS * np.exp(-((away / _WIDTH) ** 2))
    return np.asarray((-2.0 * away / _WIDTH**2 * values).sum(axis=-1))


HILLS: dict[str, tuple[Function, Function]] = {
    ONE_HILL: (hill, hill_slope),
    TWO_HILLS: (two_hills, two_hills_slope),
}


class Climb(NamedTuple):
    """Where an actor goes on a hill."""

    shape: str  # a key of HILLS
    replayed: float  # the action in the replay memory
    own: Floats  # [steps + 1]: the actor that follows the slope at its own action
    wrong: Floats  # [steps + 1]: the one that follows the slope at ``replayed``


def climb(
    action: float,
    replayed: float,
    learning_rate: float,
    steps: int,
    shape: str = ONE_HILL,
) -> Climb:
    """Gradient ascent of an actor, with the right slope and with a wrong one.

    ``a <- a + learning_rate dQ/da``, ``steps`` times, actions clipped to 0..1. The
    slope is taken at a, or (wrongly) at the ``replayed`` action.

    >>> found = climb(0.2, 0.9, learning_rate=0.1, steps=1)
    >>> print(f"{found.own[-1]:.2f} {found.wrong[-1]:.2f}")
    0.28 0.14
    """
    slope = HILLS[shape][1]
    own = np.full(steps + 1, float(action))
    wrong = own.copy()
    for step in range(steps):
        own[step + 1] = np.clip(own[step] + learning_rate * slope(own[step]), 0.0, 1.0)
        wrong[step + 1] = np.clip(wrong[step] + learning_rate * slope(replayed), 0, 1)
    return Climb(shape, replayed, own, wrong)


def draw_climb(figure: Figure, found: Climb) -> None:
    """Left the hill with both slopes, right where the actor goes with each."""
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
    draw_hill(left, found.shape, float(found.own[0]), found.replayed)
    last = len(found.own) - 1
    for actions, colour, name in (
        (found.wrong, RED, "slope at the replayed action"),
        (found.own, GREEN, "slope at its own action"),
    ):
        right.plot(actions, color=colour, lw=2.5, label=name)
        right.plot(last, actions[-1], "o", color=colour, ms=8)
    right.set(xlabel="step", ylabel="the actor's action", ylim=(-0.05, 1.3))
    right.set_yticks((0, 0.2, 0.4, 0.6, 0.8, 1))
    right.set_xlim(-0.02 * (last + 1), 1.03 * max(last, 1))
    right.legend(
        frameon=False, loc="upper center", fontsize=8.5, ncols=2, columnspacing=1
    )


def draw_hill(ax: Axes, shape: str, action: float, replayed: float) -> None:
    """A critic's values, with tangents at the actor's action and the replayed one."""
    value, slope = HILLS[shape]
    actions = np.linspace(0.0, 1.0, 201)
    values = value(actions)
    ax.plot(actions, values, color="black", lw=2)
    reach = float(np.ptp(values))
    for place, colour in ((replayed, RED), (action, GREEN)):
        height = value(place)
        steep = slope(place)
        half = min(0.13, 0.3 * reach / max(abs(steep), 1e-9))
        ends = np.array([-half, half])
        ax.plot(place + ends, height + ends * steep, color=colour, lw=3)
        ax.plot(place, height, "o", color=colour, ms=9, mec="black")
    ax.set(xlim=(-0.05, 1.05), xlabel="action: the dial, 0 calm .. 1 lively")
    ax.set_ylabel("critic's value Q")
    ax.set_ylim(values.min() - 0.2 * reach, values.max() + 0.3 * reach)
    ax.set_title(
        f"slope {slope(action) + 0.0:+.2f} at its own, "
        f"{slope(replayed) + 0.0:+.2f} at the replayed",
        fontsize=10,
    )


def describe_climb(found: Climb) -> str:
    """The last actions and their values."""
    value = HILLS[found.shape][0]
    own = found.own[-1]
    wrong = found.wrong[-1]
    return (
        f"after {len(found.own) - 1} steps: "
        f"own slope <b>{own:.3f}</b> (Q {value(own):.3f}), "
        f"replayed slope <b>{wrong:.3f}</b> (Q {value(wrong):.3f})"
    )


def climb_lab() -> Lab[Climb]:
    """Both actions, the learning rate, how many steps, and the shape of the critic."""
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
    """Critics' errors at the action that one of them finds best: [draws] each."""

    one: Floats  # the critic that chose the action: its estimate minus the truth
    other: Floats  # a second critic with independent errors
    smaller: Floats  # the smaller of both
    lost: Floats  # true value of the best action minus that of the chosen one


def flattery(error: float, draws: int = 2000, seed: int = 0) -> Flattery:
    """How much a critic overestimates the action that maximises it.

    Two critics are ``hill`` plus smooth random errors of standard deviation ``error``:
    sums of four waves with random sizes and phases. The action maximises the first one.
    """
    rng = np.random.default_rng(seed)
    actions = np.linspace(0.0, 1.0, 101)
    truth = hill(actions)  # [actions]
    waves = np.arange(1, 5)[:, None] * np.pi * actions  # [waves, actions]
    size = rng.normal(0, error / np.sqrt(2), (2, draws, 4))
    phase = rng.uniform(0, 2 * np.pi, (2, draws, 4, 1))
    errors = np.einsum("cdw,cdwa->cda", size, np.cos(waves + phase))
    critics = truth + errors  # [2, draws, actions]
    chosen = critics[0].argmax(axis=1)
    one, other = critics[:, np.arange(draws), chosen]
    true = truth[chosen]
    return Flattery(one - true, other - true, np.minimum(one, other) - true, -true)


# -- listeners whose earlier evenings are known ----------------------------------------
class People(NamedTuple):
    """Listeners who come back, evening after evening."""

    tastes: Floats  # [n, 5] unit vectors; hidden in the simulator
    vectors: Floats  # [n, 6] known: estimated taste in sound, weight of popularity

    def __len__(self) -> int:
        """How many."""
        return len(self.tastes)


def song_vectors(catalogue: Catalogue) -> Floats:
    """Five numbers of sound and one of popularity for each song: [songs, 6]."""
    return np.column_stack([catalogue.sound, catalogue.appeal])


class KnownListeners(ListeningBatch):
    """``Listening-v0`` for ``people`` who come back and who hear no song twice.

    Observations name the listener. Row i plays listener
    ``(seed + episode * num_envs) % len(people)``, where ``seed`` is the row's own.
    ``satiation`` is the dial ``long_term_effect``.
    """

    def __init__(
        self, people: People, num_envs: int, satiation: float = 0.0, history: int = 5
    ) -> None:
        self.people = people
        self.user = np.zeros(num_envs, np.int64)
        super().__init__(
            num_envs,
            "song",
            "ids",
            reward="listen_skip",
            history=history,
            long_term_effect=satiation,
        )

    def allowed(self) -> Bools:
        """Songs that have not played this evening: [batch, songs]."""
        may = np.ones((self.num_envs, len(self.catalogue)), np.bool_)
        rows, places = np.nonzero(self.played >= 0)
        may[rows, self.played[rows, places]] = False
        return may

    def evening(self, number: int) -> Any:
        """Begin evening ``number`` with listener i in row i; the observations."""
        return self.reset(seed=self.seed_of(number))[0]

    def seed_of(self, number: int) -> int:
        """The seed of evening ``number``: listener i plays in row i."""
        return len(self.people) * number

    def _observation_space(self) -> spaces.Space[Any]:
        parts = dict(super()._observation_space().items())  # type: ignore[attr-defined]
        width = self.people.vectors.shape[1]
        parts["user"] = spaces.Box(0, len(self.people) - 1, (1,), np.int64)
        parts["user_vector"] = spaces.Box(-np.inf, np.inf, (width,), np.float64)
        return spaces.Dict(parts)

    def _begin(self, rows: Ids) -> None:
        super()._begin(rows)
        number = self.seeds[rows] + self.episodes[rows] * self.num_envs
        self.user[rows] = number % len(self.people)
        self.listeners.taste[rows] = self.people.tastes[self.user[rows]]

    def _observe_ids(self) -> Observations:
        return super()._observe_ids() | {
            "user": self.user[:, None].copy(),
            "user_vector": self.people.vectors[self.user],
        }


def invite(count: int, seed: int) -> People:
    """Listeners with random tastes, and their vectors after three random evenings.

    The vector is the mean over the evenings of ``GreedyListening.belief``, a ridge
    regression of heard or skipped on sound; last comes the weight that
    ``GreedyListening`` gives to popularity.
    """
    rng = np.random.default_rng(seed)
    tastes = rng.standard_normal((count, SOUND_DIMENSIONS))
    tastes /= np.linalg.norm(tastes, axis=1, keepdims=True)
    unknown = People(tastes, np.zeros((count, SOUND_DIMENSIONS + 1)))
    env = KnownListeners(unknown, count, history=LONGEST)
    greedy = GreedyListening(env.catalogue)
    beliefs = np.zeros((EARLIER, count, SOUND_DIMENSIONS))
    for number in range(EARLIER):
        env.evening(number)
        alive = np.ones(count, np.bool_)
        while alive.any():
            songs = rng.integers(len(env.catalogue), size=count)
            observations, _, ended, _, _ = env.step(songs)
            leaving = ended & alive
            beliefs[number][leaving] = greedy.belief(observations)[leaving]
            alive &= ~ended
    popularity = np.full(count, greedy.appeal_weight)
    return People(tastes, np.column_stack([beliefs.mean(axis=0), popularity]))


class NewSongs:
    """A policy from scores: the best among the songs that this evening has not had.

    ``scores(observations)``: [batch, songs], or [songs] if they are the same for all.
    """

    def __init__(
        self, env: KnownListeners, scores: Callable[[Observations], Floats]
    ) -> None:
        self.env = env
        self.scores = scores

    def recommend(self, observations: Observations, k: int = 1) -> Ids:
        """The best new songs: [batch, k]; ties go to the lower id."""
        may = self.env.allowed()
        scores = np.broadcast_to(self.scores(observations), may.shape)
        return best_k(scores, k, may)


def baselines(env: KnownListeners, seed: int = 0) -> dict[str, NewSongs]:
    """The policies that an agent in ``env`` is compared with.

    "greedy" knows as much as an agent; "oracle" knows the true taste.
    """
    catalogue = env.catalogue
    songs = song_vectors(catalogue)
    session = GreedyListening(catalogue)
    rng = np.random.default_rng(seed)

    def uniform(_: Observations) -> Floats:
        return rng.random((env.num_envs, len(songs)))

    def popularity(_: Observations) -> Floats:
        return catalogue.appeal

    def greedy(observations: Observations) -> Floats:
        vectors = observations["user_vector"].copy()  # [batch, 6]
        vectors[:, :SOUND_DIMENSIONS] += session.belief(observations)
        return np.asarray(vectors @ songs.T)

    def taste(_: Observations) -> Floats:
        dials = env.listeners.dials
        liking = env.listeners.taste @ catalogue.sound.T  # [batch, songs]
        popular = dials.appeal_strength * catalogue.appeal
        return np.asarray(dials.taste_strength * liking + popular)

    return {
        "random": NewSongs(env, uniform),
        "popularity": NewSongs(env, popularity),
        "greedy": NewSongs(env, greedy),
        "oracle": NewSongs(env, taste),
    }


class Earned(NamedTuple):
    """The return of one evening of each listener: [batch] each."""

    total: Floats  # plain sum of rewards
    discounted: Floats  # sum of discount^t reward: what a critic estimates


def listen(
    env: KnownListeners, policy: Recommender, number: int, discount: float = 0.9
) -> Earned:
    """Play evening ``number`` of every listener of ``env`` with ``policy``."""
    total = np.zeros(env.num_envs)
    discounted = np.zeros(env.num_envs)
    weight = 1.0
    steps = session_steps(env, policy, seed=env.seed_of(number))
    for alive, rewards, _, _ in steps:
        total += rewards * alive
        discounted += weight * rewards * alive
        weight *= discount
    return Earned(total, discounted)


class WithoutRepeats:
    """An agent that recommends only songs that have not played this evening."""

    def __init__(self, agent: DDPG, env: KnownListeners) -> None:
        self.agent = agent
        self.env = env

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """The agent's best new songs: [batch, k]."""
        return self.agent.recommend(observations, k, self.env.allowed())


def predicted_return(agent: DDPG, env: KnownListeners, number: int) -> Floats:
    """The return of evening ``number`` that the critic predicts at its start: [batch].

    Of twin critics the smaller value counts.
    """
    observations = env.evening(number)
    users = (observations["user_vector"] * agent.user_scale).astype(np.float32)
    history = observations["history"].astype(np.int32)
    first = agent.recommend(observations, 1).astype(np.int32)  # [batch, 1]
    values = agent.learner.judge(users, history, first).numpy()
    return np.asarray(values[:, 0], np.float64)


def training_points(
    ax: Axes,
    curves: Mapping[str, ArrayLike],
    steps: Sequence[int],
    colours: Mapping[str, str],
    ylabel: str,
) -> Axes:
    """Means over seeds as dots, their 95% intervals (Student's t) as bars.

    ``curves``: name -> [seeds, points]. Training differs in the last digits between
    machines; thin lines keep the pictures alike.
    """
    shift = 0.01 * (max(steps) - min(steps))
    for place, (name, curve) in enumerate(curves.items()):
        x = np.asarray(steps) + (place - (len(curves) - 1) / 2) * shift
        columns = np.asarray(curve, np.float64).T
        mean, low, high = np.array([mean_interval(column) for column in columns]).T
        colour = colours[name]
        ax.plot(x, mean, color=colour, lw=1.5, alpha=0.2)
        ax.vlines(x, low, high, color=colour, lw=2)
        ax.plot(x, mean, "o", color=colour, ms=5, label=name)
    ax.set(xlabel="recommendations in training", ylabel=ylabel, xticks=list(steps))
    ax.legend(frameon=False, loc="upper right")
    return ax


# -- the picture of the lesson ---------------------------------------------------------
@cache
def five_songs() -> tuple[Floats, Floats]:
    """The songs worked out by hand [5, 2], and the action [2]."""
    songs = [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [2.0, 0.0], [-1.0, 1.0]]
    return np.array(songs), np.array([0.6, 0.8])


def draw_story(figure: Figure) -> None:
    """Left the ranking that the actor's action makes, right the critic's slopes."""
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
    for song, (x, y) in enumerate(songs):
        colour = GREEN if song in best else "0.6"
        foot = scores[song] * action
        ax.plot([x, foot[0]], [y, foot[1]], color=colour, lw=1.3, ls=":")
        ax.plot(x, y, "o", color=colour, ms=10, mec="black")
        rank = f"{best.index(song) + 1}. " if song in best else ""
        words = f"{rank}song {'ABCDE'[song]}: {scores[song]:.1f}"
        if song == 1:  # on the arrow: its label stands beside it
            ax.text(x + 0.4, y + 0.05, words, ha="left", va="center")
        else:
            ax.text(x, y + (0.12 if y > 0 else -0.3), words, **ABOVE)
    _draw_action(ax, action)
    ax.set(xlim=(-1.6, 2.6), ylim=(-0.7, 1.7), xlabel="lively", ylabel="warm")
    ax.set(xticks=(-1, 0, 1, 2), yticks=(0, 1), aspect="equal")
    ax.grid(False)
    ax.set_title("the actor proposes: an arrow ranks the songs")


def _draw_action(ax: Axes, action: Floats) -> None:
    ax.plot(*np.outer(action, [0, 1.35]), color=BLUE, lw=1, ls="--")
    arrow = {"arrowstyle": "-|>", "lw": 3, "color": BLUE, "shrinkA": 0, "shrinkB": 7}
    ax.annotate("", (action[0], action[1]), (0, 0), arrowprops=arrow)
    ax.text(0.25, 0.2, "action", color=BLUE, ha="left", va="center")


FIGURES = {"07_ddpg.png": (draw_story, (10.5, 3.9))}
