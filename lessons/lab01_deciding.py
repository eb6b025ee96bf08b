"""Lesson 01: returns, beliefs, and one listening session with its hidden mood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from drawing import diagram
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rlrec.agents import GreedyListening, ListeningOracle, Recommender
from rlrec.envs import Catalogue, ListeningBatch
from rlrec.errors import ConfigError
from rlrec.evaluation import simulate
from rlrec.types import Bools, Floats, Ids, Observations
from rlrec.viz.widgets import Lab, slider, tick

Score = Callable[[Floats, Floats, Floats], Any]
SEEN = "#0072B2"
HIDDEN = "#D55E00"
SKIP = "#E69F00"
SONGS = 5  # in the widget


def returns_to_go(rewards: ArrayLike, discount: float) -> Floats:
    """The return from each step on: [steps].

    Backwards from 0 after the end: ``G_t = r_t + gamma G_{t+1}``.

    >>> returns_to_go([3, -1, 5], 0.9).round(2).tolist()
    [6.15, 3.5, 5.0]
    """
    returns = np.array(rewards, np.float64)
    for step in reversed(range(len(returns) - 1)):
        returns[step] += discount * returns[step + 1]
    return returns


def update_belief(belief: ArrayLike, likelihood: ArrayLike) -> Floats:
    """Bayes' rule over hypotheses [k]: b'(h) = P(o | h) b(h) / sum_h P(o | h) b(h).

    >>> update_belief([0.5, 0.5], [0.9, 0.3]).round(2).tolist()
    [0.75, 0.25]
    """
    weight = np.multiply(belief, likelihood)
    return np.asarray(weight / weight.sum())


# -- the widget ------------------------------------------------------------------------
class ReturnsAndBeliefs(NamedTuple):
    """A few songs of one genre, played to one listener."""

    rewards: Floats  # [songs]: +1 finished, -1 skipped
    returns: Floats  # [songs]
    belief: Floats  # [songs + 1]: P(loves the genre) at first and after each song


def returns_and_beliefs(
    discount: float,
    prior: float,
    finish_if_loves: float,
    finish_if_not: float,
    **songs: bool,
) -> ReturnsAndBeliefs:
    """Returns and beliefs of a few songs, each either finished or skipped.

    ``prior``: P(loves the genre). ``finish_if_loves``, ``finish_if_not``: P(a song is
    finished), given that she loves the genre or not. ``songs``: name -> finished?
    """
    finished = np.array(list(songs.values()), np.bool_)
    probability = np.array([finish_if_loves, finish_if_not])
    belief = np.array([prior, 1.0 - prior])
    curve = [prior]
    for heard in finished:
        belief = update_belief(belief, probability if heard else 1.0 - probability)
        curve.append(float(belief[0]))
    rewards = np.where(finished, 1.0, -1.0)
    returns = returns_to_go(rewards, discount)
    return ReturnsAndBeliefs(rewards, returns, np.array(curve))


def draw_returns_and_beliefs(figure: Figure, result: ReturnsAndBeliefs) -> None:
    """Rewards and returns on the left, the belief on the right."""
    left, right = figure.subplots(1, 2)
    songs = np.arange(1, len(result.rewards) + 1)
    bars = {"reward": result.rewards, "return from here on": result.returns}
    pd.DataFrame(bars, songs).plot.bar(ax=left, rot=0, color=["#BBBBBB", SEEN])
    left.set(ylim=(-5.3, 5.3), xlabel="song", ylabel="reward")
    right.plot(result.belief, "o-", color=HIDDEN)
    right.set(ylim=(-0.05, 1.05), xlabel="songs played")
    right.set_ylabel("belief: loves this genre")


def describe_returns_and_beliefs(result: ReturnsAndBeliefs) -> str:
    """The two numbers to watch."""
    return (
        f"return of the evening <b>{result.returns[0] + 0.0:.2f}</b>, belief after "
        f"{len(result.rewards)} songs <b>{result.belief[-1]:.3f}</b>"
    )


def returns_and_beliefs_lab() -> Lab[ReturnsAndBeliefs]:
    """Discount, prior, both probabilities, and which of five songs are finished."""
    controls: dict[str, Any] = {
        "discount": slider("discount", 0.9, 0.0, 1.0, 0.05, unit="a song"),
        "prior": slider("prior", 0.5, 0.05, 0.95, 0.05, unit="P(loves the genre)"),
        "finish_if_loves": slider("P(finish | loves)", 0.9, 0.05, 0.95, 0.05),
        "finish_if_not": slider("P(finish | doesn't)", 0.3, 0.05, 0.95, 0.05),
    }
    for number in range(1, SONGS + 1):
        controls[f"song_{number}"] = tick(f"song {number} finished", number != 3)
    return Lab(
        "Five songs, one hidden taste",
        controls,
        returns_and_beliefs,
        draw_returns_and_beliefs,
        describe_returns_and_beliefs,
        figsize=(8.0, 3.0),
    )


# -- sessions with their hidden side ---------------------------------------------------
class Record(NamedTuple):
    """What a policy played, and the listeners' hidden state: [songs, batch] each."""

    song: Ids
    fraction: Floats  # of the song heard, 0..1
    liked: Bools
    skipped: Bools
    skipping_mood: Bools  # hidden: the mood just before the song
    # hidden: likeness to the songs just heard, over that of a random one
    fatigue: Floats
    alive: Bools  # False: the session was over before this song


def record(env: ListeningBatch, policy: Recommender, *, seed: int) -> Record:
    """Play one session of each listener and record the hidden state as well.

    ``env``: made with ``observe="ids"``.
    """
    observations, _ = env.reset(seed=seed)
    alive = np.ones(env.num_envs, np.bool_)
    steps = []
    while alive.any():
        songs = policy.recommend(observations)
        mood = env.listeners.mood == 1
        fatigue = env.listeners.fatigue(songs[:, 0], env.listeners.memory)
        observations, _, terminated, truncated, info = env.step(env.actions_for(songs))
        heard = (info["fraction"].astype(np.float64), info["liked"], info["skipped"])
        steps.append((songs[:, 0], *heard, mood, fatigue, alive))
        alive = alive & ~(terminated | truncated)
    return Record(*map(np.array, zip(*steps, strict=True)))


def telling_row(sessions: Record, songs: int = 15) -> int:
    """The listener whose session shows best how satiation and momentum work.

    Wanted: ``songs`` or more, of which the first 4 in the listening mood with 1 skip at
    most, then a song with fatigue above .25 that turns the mood. Preferred among those:
    3 skips in a row after the turn, and a mood that comes back. Ties: the first.
    """
    mood = sessions.skipping_mood
    listeners = np.arange(mood.shape[1])
    calm = ~mood[:4].any(axis=0) & (sessions.skipped[:4].sum(axis=0) <= 1)
    turn = mood.argmax(axis=0)
    tired = sessions.fatigue[np.maximum(turn - 1, 0), listeners] > 0.25
    after = np.minimum(turn[:, None] + np.arange(3), len(mood) - 1)  # [batch, 3]
    run = sessions.skipped[after, listeners[:, None]].all(axis=1)
    back = ~mood[np.minimum(turn + 5, songs - 1), listeners]
    in_time = mood.any(axis=0) & (turn < songs - 6)
    fit = sessions.alive[songs - 1] & calm & tired & in_time
    return int(np.argmax(fit * (4.0 + 2.0 * run + (run & back))))


def draw_one_session(figure: Figure) -> None:
    """Above what the app sees of a session, below the state of the listener.

    The most telling of 300 sessions in which favourites alone are played.
    """
    env = ListeningBatch(300, observe="ids")
    favourites = ListeningOracle(env, np.random.default_rng(0), lookahead=0)
    sessions = record(env, favourites, seed=0)
    row = telling_row(sessions)
    session = Record(*(values[sessions.alive[:, row], row] for values in sessions))
    place = np.arange(1, len(session.song) + 1)
    seen, hidden = figure.subplots(2, 1, sharex=True)
    colours = np.where(session.skipped, SKIP, SEEN).tolist()
    seen.bar(place, np.maximum(session.fraction, 0.02), color=colours)
    seen.set(ylabel="share heard", title="What the app sees (orange: skipped)")
    moods = np.where(session.skipping_mood, "#F4C9B0", "#DDEFE6").tolist()
    hidden.bar(place, 1.1, width=1, bottom=-0.1, color=moods)
    hidden.plot(place, session.fatigue, "ko-")
    hidden.set(xlabel="song", ylabel="fatigue", xticks=place)
    hidden.set_title("Inside the listener: mood (green listens, red skips) and fatigue")


BOXES = {
    "agent": (
        "agent: belief update,\nbelief about the listener,\npolicy",
        0.15,
        0.5,
        SEEN,
    ),
    "action": ("action: a song", 0.5, 0.85, "white"),
    "listener": (
        "listener: transition\nstate: what just played,\nand, hidden, taste and mood",
        0.83,
        0.5,
        HIDDEN,
    ),
    "seen": ("observation: heard or skipped\nreward: +1 or 0", 0.5, 0.15, "white"),
}
ARROWS = (
    ("agent", "action", 0),
    ("action", "listener", 0),
    ("listener", "seen", 0),
    ("seen", "agent", 0),
)


def draw_loop(figure: Figure) -> None:
    """The loop of agent and listener, with what stays hidden inside the listener."""
    diagram(figure.subplots(), BOXES, ARROWS)


# -- the experiment and the exercises --------------------------------------------------
class Scored:
    """A policy for ``Listening-v0`` that ranks by a function of the reader's.

    ``score(pull, directions, played) -> [m]`` is called for one listener at a time.
    ``pull`` [m] is what ``GreedyListening`` ranks the candidates by. ``directions``
    [m, 5] and ``played`` [n, 5] are directions on the map of sound: of the candidates
    and of the songs so far, oldest first. Another shape raises ``ConfigError``.
    """

    def __init__(self, catalogue: Catalogue, score: Score) -> None:
        self.catalogue = catalogue
        self.score = score
        self.greedy = GreedyListening(catalogue)

    def recommend(self, observations: Observations, k: int = 1) -> Ids:
        """The candidates with the highest score: [batch, k]."""
        directions = self.catalogue.direction
        taste = self.greedy.belief(observations)
        rows = []
        for listener, pool in enumerate(observations["candidates"]):
            history = observations["history"][listener]
            pull = self.catalogue.sound[pool] @ taste[listener]
            pull = pull + self.greedy.appeal_weight * self.catalogue.appeal[pool]
            played = directions[history[history >= 0]]
            scores = np.asarray(self.score(pull, directions[pool], played), np.float64)
            if scores.shape != pull.shape:
                raise ConfigError(
                    f"score gave shape {scores.shape}; "
                    f"one number a candidate is {pull.shape}"
                )
            rows.append(pool[np.argsort(-scores, kind="stable")[:k]])
        return np.array(rows)


def gain_over_greedy(
    score: Score, *, seeds: tuple[int, ...] = (70_000, 71_000, 72_000, 73_000, 74_000)
) -> Any:
    """Songs heard with ``score`` minus those with ``GreedyListening``: [seeds, 100].

    Both meet the same listeners with the same random draws. None while ``score`` is not
    written yet (it returns None).
    """
    env = ListeningBatch(100, observe="ids")
    if score(np.zeros(2), np.ones((2, 5)), np.ones((1, 5))) is None:
        return None
    mine = Scored(env.catalogue, score)
    greedy = GreedyListening(env.catalogue)
    gains = []
    for seed in seeds:
        gains.append(simulate(env, mine, seed=seed) - simulate(env, greedy, seed=seed))
    return np.array(gains)


FIGURES: dict[str, tuple[Callable[[Figure], object], tuple[float, float]]] = {
    "01_one_session.png": (draw_one_session, (8.0, 4.4)),
    "01_loop.png": (draw_loop, (8.0, 2.9)),
}
