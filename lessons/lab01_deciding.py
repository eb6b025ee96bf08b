"""Lesson 01: returns, beliefs, and one listening session with its hidden mood."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from rlrec.agents import GreedyListening, ListeningOracle, Recommender
from rlrec.envs import Catalogue, ListeningBatch
from rlrec.errors import ConfigError
from rlrec.evaluation import simulate
from rlrec.types import Floats
from rlrec.viz.plots import interval_bars
from rlrec.viz.style import AGENT_COLOURS
from rlrec.viz.widgets import Lab, slider, tick

Score = Callable[[Floats, Floats, Floats], Any]
SEEN, HIDDEN, SKIP = "#0072B2", "#D55E00", "#E69F00"
OTHER = "#7A5230"  # a policy that is no agent of the course
SONGS = 5  # in the widget


def returns_to_go(rewards: ArrayLike, discount: float) -> Floats:
    """The return from each step on: G_t = r_t + gamma G_{t+1}, backwards from 0 after the end: [steps].

    >>> returns_to_go([3, -1, 5], 0.9).round(2).tolist()
    [6.15, 3.5, 5.0]
    """
    values = np.asarray(rewards, np.float64)
    returns, following = np.zeros_like(values), 0.0
    for step in reversed(range(len(values))):
        following = values[step] + discount * following
        returns[step] = following
    return returns


def update_belief(belief: ArrayLike, likelihood: ArrayLike) -> Floats:
    """Bayes' rule over hypotheses [k]: b'(h) = P(o | h) b(h) / sum_h P(o | h) b(h).

    >>> update_belief([0.5, 0.5], [0.9, 0.3]).round(2).tolist()
    [0.75, 0.25]
    """
    weight = np.asarray(belief, np.float64) * np.asarray(likelihood, np.float64)
    return np.asarray(weight / weight.sum())


# -- the widget ------------------------------------------------------------------------------------------


class Evening(NamedTuple):
    """A few songs of one genre: rewards and returns [songs], belief before the first and after each [songs + 1]."""

    rewards: Floats  # +1 finished, -1 skipped
    returns: Floats
    belief: Floats  # P(loves the genre)


def evening(
    discount: float,
    prior: float,
    finish_if_loves: float,
    finish_if_not: float,
    **songs: bool,
) -> Evening:
    """Returns and beliefs of an evening; each keyword of ``songs`` says whether that song was finished."""
    finished = np.array(list(songs.values()), np.bool_)
    belief = np.array([prior, 1.0 - prior])
    curve, chance = [prior], np.array([finish_if_loves, finish_if_not])
    for heard in finished:
        belief = update_belief(belief, chance if heard else 1.0 - chance)
        curve.append(float(belief[0]))
    rewards = np.where(finished, 1.0, -1.0)
    return Evening(rewards, returns_to_go(rewards, discount), np.array(curve))


def draw_evening(figure: Figure, result: Evening) -> None:
    """Rewards and returns on the left, the belief on the right."""
    left, right = figure.subplots(1, 2)
    place = np.arange(1, len(result.rewards) + 1)
    left.bar(place - 0.2, result.rewards, 0.38, color="#BBBBBB", label="reward")
    left.bar(place + 0.2, result.returns, 0.38, color=SEEN, label="return from here on")
    left.axhline(0, color="black", lw=0.8)
    left.set(ylim=(-5.3, 5.3), xlabel="song", ylabel="reward", xticks=place)
    left.legend(
        frameon=False,
        loc="lower center",
        bbox_to_anchor=(0.5, 0.98),
        ncols=2,
        fontsize=8.5,
    )
    right.plot(np.arange(len(result.belief)), result.belief, "o-", color=HIDDEN)
    right.axhline(0.5, color="grey", lw=0.8, ls=":")
    right.set(
        ylim=(-0.15, 1.15),
        xlim=(-0.5, len(place) + 0.5),
        xlabel="songs played",
        xticks=[0, *place],
    )
    right.set(ylabel="belief: loves this genre", yticks=[0, 0.25, 0.5, 0.75, 1])
    falls = np.diff(result.belief, prepend=result.belief[0]) < 0
    for songs, (value, fell) in enumerate(zip(result.belief, falls, strict=True)):
        lift = -0.06 if fell else 0.05
        right.text(
            songs,
            value + lift,
            f"{value:.2f}",
            ha="center",
            va="top" if fell else "bottom",
            fontsize=8.5,
        )


def evening_text(result: Evening) -> str:
    """The two numbers to watch."""
    first, last = result.returns[0], result.belief[-1]
    return f"return of the evening <b>{first + 0.0:.2f}</b>, belief after {len(result.rewards)} songs <b>{last:.3f}</b>"


def evening_lab() -> Lab[Evening]:
    """Discount, prior, how telling a finished song is, and five songs to finish (ticked) or skip."""
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
        evening,
        draw_evening,
        evening_text,
        figsize=(8.0, 3.0),
    )


# -- sessions with their hidden side ----------------------------------------------------------------------


class Record(NamedTuple):
    """What a policy played to a batch of listeners, and what nobody but the simulator knows: [songs, batch]."""

    song: NDArray[np.int64]  # ids
    fraction: Floats  # of the song heard, 0..1
    skipped: NDArray[np.bool_]
    skipping_mood: NDArray[np.bool_]  # hidden: the mood in which the song was met
    fatigue: Floats  # hidden: how much more the song was like those just heard than a random one
    alive: NDArray[np.bool_]  # False: the session was over before this song


def record(env: ListeningBatch, policy: Recommender, *, seed: int) -> Record:
    """Play one session of each listener of ``env`` (``observe="ids"``) and note the hidden side as well."""
    observations, _ = env.reset(seed=seed)
    alive, rows = np.ones(env.num_envs, np.bool_), []
    while alive.any():
        songs = policy.recommend(observations)
        hidden = env.listeners.mood == 1, env.listeners.fatigue(songs[:, 0])
        observations, _, terminated, truncated, info = env.step(env.actions_for(songs))
        rows.append(
            (songs[:, 0], info["fraction"], info["skipped"], *hidden, alive.copy())
        )
        alive &= ~(terminated | truncated)
    return Record(*(np.array(column) for column in zip(*rows, strict=True)))


def telling_row(sessions: Record, songs: int = 15) -> int:
    """The first listener who shows it all: songs heard, then fatigue that turns the mood, then a run of skips.

    Among those who play ``songs`` or more, start well (4 songs in the listening mood, 1 skip at most) and turn after a
    song with fatigue above .25, it prefers those with 3 skips in a row after the turn, and a mood that comes back.
    """
    mood, full = sessions.skipping_mood, sessions.alive[songs - 1]
    calm = ~mood[:4].any(axis=0) & (sessions.skipped[:4].sum(axis=0) <= 1)
    turn = mood.argmax(axis=0)
    columns = np.arange(mood.shape[1])
    tired = sessions.fatigue[np.maximum(turn - 1, 0), columns] > 0.25
    after = np.minimum(turn[:, None] + np.arange(3), len(mood) - 1)  # [batch, 3]
    run = sessions.skipped[after, columns[:, None]].all(axis=1)
    back = ~mood[np.minimum(turn + 5, songs - 1), columns]
    fit = full & calm & mood.any(axis=0) & tired & (turn < songs - 6)
    return int(np.argmax(4.0 * fit + 2.0 * (run & fit) + (back & run & fit)))


def one_evening() -> tuple[Record, int]:
    """300 listeners who always get the song that pulls them most, and the row of the most telling one."""
    env = ListeningBatch(300, observe="ids")
    favourites = ListeningOracle(env, np.random.default_rng(0), lookahead=0)
    sessions = record(env, favourites, seed=0)
    return sessions, telling_row(sessions)


def draw_session(figure: Figure, sessions: Record, row: int) -> None:
    """One session: above, what the app sees; below, what goes on inside the listener."""
    seen, hidden = figure.subplots(2, 1, sharex=True, height_ratios=[1.0, 1.0])
    kept = sessions.alive[:, row]
    place = np.arange(1, kept.sum() + 1)
    skipped, mood = sessions.skipped[kept, row], sessions.skipping_mood[kept, row]
    _draw_seen(seen, place, sessions.fraction[kept, row], skipped)
    _draw_hidden(hidden, place, sessions.fatigue[kept, row], mood)


def _draw_seen(
    ax: Axes, place: NDArray[Any], fraction: Floats, skipped: NDArray[np.bool_]
) -> None:
    ax.bar(place[~skipped], fraction[~skipped], color=SEEN, label="listened")
    ax.bar(
        place[skipped], np.maximum(fraction[skipped], 0.02), color=SKIP, label="skipped"
    )
    ax.plot(place[skipped], fraction[skipped] + 0.09, "x", color=SKIP, ms=7, mew=2)
    ax.set(ylim=(0, 1.08), ylabel="share heard", yticks=[0, 0.5, 1])
    ax.set_title("What the app sees", loc="left", fontsize=11, fontweight="bold")
    ax.legend(
        frameon=False,
        ncols=2,
        loc="lower right",
        bbox_to_anchor=(1.0, 0.98),
        fontsize=9,
    )


def _draw_hidden(
    ax: Axes, place: NDArray[Any], fatigue: Floats, mood: NDArray[np.bool_]
) -> None:
    for song, bad in zip(place, mood, strict=True):
        ax.axvspan(song - 0.5, song + 0.5, color="#F4C9B0" if bad else "#DDEFE6", lw=0)
    ax.plot(place, fatigue, "o-", color="black", ms=4, label="fatigue")
    ax.axhline(0, color="grey", lw=0.8, ls=":")
    turn = int(mood.argmax())
    ax.annotate(
        "satiation: too much of\nthe same turns the mood",
        (place[turn] - 0.5, max(float(fatigue[turn - 1]), 0.1)),
        (max(place[turn] - 5.2, 0.7), 0.72),
        arrowprops={"arrowstyle": "->", "color": "black"},
        fontsize=9,
    )
    ax.text(
        place[turn] - 0.4,
        -0.3,
        "momentum: each skip makes the next more likely",
        fontsize=9,
    )
    ax.set(
        ylim=(-0.38, 1.05),
        xlim=(0.4, place[-1] + 0.6),
        xlabel="song",
        ylabel="fatigue",
        xticks=place,
    )
    ax.grid(False)
    title = "Inside the listener: mood (green listens, red skips) and fatigue (line)"
    ax.set_title(title, loc="left", fontsize=11, fontweight="bold")


def draw_one_session(figure: Figure) -> None:
    """The lesson's intuition picture."""
    sessions, row = one_evening()
    draw_session(figure, sessions, row)


def draw_loop(figure: Figure) -> None:
    """The loop of agent and listener, with what stays hidden inside the listener."""
    ax = figure.subplots()
    ax.set(xlim=(0, 10), ylim=(0.3, 4.2))
    ax.axis("off")
    box: dict[str, Any] = {"boxstyle": "round,pad=0.7", "lw": 1.6}
    centre: dict[str, Any] = {"ha": "center", "va": "center"}
    arrow: dict[str, Any] = {"arrowstyle": "-|>", "lw": 1.8, "color": "black"}
    agent = "agent\n\nbelief about the listener\npolicy: belief → song"
    listener = "listener\n\nstate: what just played,\nand, hidden, taste and mood"
    ax.text(1.7, 2, agent, bbox={**box, "fc": "#E3F0F8", "ec": SEEN}, **centre)
    ax.text(8.3, 2, listener, bbox={**box, "fc": "#FBE9DF", "ec": HIDDEN}, **centre)
    ax.annotate("", (6.75, 2.45), (2.98, 2.45), arrowprops=arrow)
    ax.annotate("", (2.98, 1.5), (6.75, 1.5), arrowprops=arrow)
    ax.text(5.1, 2.55, "action: a song", ha="center", va="bottom")
    ax.text(
        5.1,
        1.4,
        "observation: heard or skipped\nreward: +1 or 0",
        ha="center",
        va="top",
    )
    for place, colour, word in (
        (8.3, HIDDEN, "transition"),
        (1.7, SEEN, "belief update"),
    ):
        turn = {**arrow, "connectionstyle": "arc3,rad=-0.8", "color": colour}
        ax.annotate("", (place + 0.6, 2.95), (place - 0.6, 2.95), arrowprops=turn)
        ax.text(place, 3.75, word, ha="center", va="bottom", color=colour)


# -- the experiment and the exercises ----------------------------------------------------------------------


def draw_dials(figure: Figure, results: Mapping[float, Mapping[str, Floats]]) -> None:
    """One panel for each long-term effect: songs heard a session under each policy, with intervals."""
    panels = np.atleast_1d(figure.subplots(1, len(results), sharex=True, sharey=True))
    for ax, (effect, heard) in zip(panels, results.items(), strict=True):
        interval_bars(
            ax,
            {name: np.ravel(values) for name, values in heard.items()},
            xlabel="songs heard a session",
        )
        ax.set_title(f"long-term effect {effect:g}", fontsize=11)
        for name, line, dot in zip(heard, ax.lines[::2], ax.lines[1::2], strict=True):
            for mark in (line, dot):
                mark.set_color(AGENT_COLOURS.get(name, OTHER))


class Scored:
    """A policy for ``Listening-v0`` that ranks one listener's candidates by a function of the reader's.

    ``score(pull, directions, played)`` gets, for one listener, what ``GreedyListening`` would rank by [m], the
    candidates' directions of sound [m, 5] and those of the songs played so far [n, 5], oldest first; -> [m].
    """

    def __init__(self, catalogue: Catalogue, score: Score) -> None:
        self.catalogue, self.score, self.greedy = (
            catalogue,
            score,
            GreedyListening(catalogue),
        )

    def recommend(
        self, observations: dict[str, NDArray[Any]], k: int = 1
    ) -> NDArray[np.int64]:
        """The candidates with the highest score: [batch, k]."""
        taste = self.greedy.belief(observations)
        rows = []
        for listener, pool in enumerate(observations["candidates"]):
            history = observations["history"][listener]
            pull = self.catalogue.sound[pool] @ taste[listener]
            pull = pull + self.greedy.appeal_weight * self.catalogue.appeal[pool]
            played = self.catalogue.direction[history[history >= 0]]
            scores = np.asarray(
                self.score(pull, self.catalogue.direction[pool], played), np.float64
            )
            if scores.shape != pull.shape:
                raise ConfigError(
                    f"score gave shape {scores.shape}; one number a candidate is {pull.shape}"
                )
            rows.append(pool[np.argsort(-scores, kind="stable")[:k]])
        return np.array(rows)


def gain_over_greedy(
    score: Score, *, seeds: tuple[int, ...] = (70_000, 71_000, 72_000, 73_000, 74_000)
) -> Any:
    """Songs heard with ``score`` minus songs heard by ``GreedyListening``, same listeners and luck: [seeds, 100].

    None while ``score`` is not written yet (it returns None).
    """
    env = ListeningBatch(100, observe="ids")
    if score(np.zeros(2), np.ones((2, 5)), np.ones((1, 5))) is None:
        return None
    mine, greedy = Scored(env.catalogue, score), GreedyListening(env.catalogue)
    return np.array(
        [simulate(env, mine, seed=s) - simulate(env, greedy, seed=s) for s in seeds]
    )


FIGURES: dict[str, tuple[Callable[[Figure], object], tuple[float, float]]] = {
    "01_one_session.png": (draw_one_session, (8.0, 4.4)),
    "01_loop.png": (draw_loop, (8.0, 2.9)),
}
