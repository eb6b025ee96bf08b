"""Lesson 04: edit what a listener's likes are worth, and see the table, the policy and the evening change.

The table is trained in sweeps: once a sweep, every genre is tried after every genre and each cell takes one Q-learning
step (Watkins' update with a "parallel sampling" model, Kearns and Singh, "Finite-sample convergence rates for
Q-learning and indirect algorithms", NIPS 1998). The rule is that of ``rlrec.agents.QLearning``; only the order of the
visits is tidier, which makes it fast enough for a slider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from rlrec.agents import Recommender
from rlrec.agents.planning import value_iteration
from rlrec.datasets import load_play_counts, locate
from rlrec.envs import GENRES, PROFILES, GenreBatch, GenreProfile, ListeningBatch
from rlrec.errors import ConfigError, DataError
from rlrec.types import Floats, Ids
from rlrec.viz.style import agent_colour
from rlrec.viz.widgets import Lab, choice, slider

SONGS = 20  # in an evening
RUNS, SWEEPS = 10, 600  # of the widget's training
BONUS = 6.0  # what the label's campaign pays for every hip-hop song played
LIKED, DISLIKED, GONE = "#009E73", "#CC79A7", "#8C8C8C"

INES = GenreProfile(
    "ines",
    np.array([0.6, 0.7, 0.5, 0.4, 0.5]),
    leave_probability=np.array([0.02, 0.02, 0.05, 0.05, 0.7]),
    about="Ines listens in the evening: rock first, pop next; a hip-hop song that misses ends most evenings.",
)
STARTS: dict[str, GenreProfile] = {**PROFILES, "ines": INES}  # the widget's drop-down


# -- rewards by hand -------------------------------------------------------------------------------------


def expected_reward(
    like_probability: float, like_reward: float, dislike_reward: float
) -> float:
    """``p r_like + (1 - p) r_dislike``: what one song is worth on average.

    >>> round(expected_reward(0.9, 1, -1), 3), round(expected_reward(0.25, 12, -1), 3)
    (0.8, 2.25)
    """
    return like_probability * like_reward + (1.0 - like_probability) * dislike_reward


def with_bonus(user: GenreProfile, genre: str, bonus: float) -> GenreProfile:
    """A copy of ``user`` whose every song of ``genre`` pays ``bonus`` more, liked or not."""
    at = user.genres.index(genre)
    like = {genre: float(user.like_reward[at]) + bonus}
    return user.with_rewards(
        like=like, dislike={genre: float(user.dislike_reward[at]) + bonus}
    )


def scaled_and_shifted(
    user: GenreProfile, scale: float = 1.0, shift: float = 0.0
) -> GenreProfile:
    """A copy of ``user`` with every reward r replaced by ``scale r + shift``."""
    return replace(
        user,
        like_reward=scale * user.like_reward + shift,
        dislike_reward=scale * user.dislike_reward + shift,
    )


# -- training and evenings -------------------------------------------------------------------------------


def sweep_train(
    user: GenreProfile,
    *,
    sweeps: int = SWEEPS,
    discount: float = 0.9,
    runs: int = RUNS,
    seed: int = 0,
) -> Floats:
    """Q-learning in sweeps from a table of zeros: [runs, states, actions] after ``sweeps`` updates of each cell.

    In cell (s, a) the listener hears a after s: liked with the profile's probability, else perhaps gone, and

        Q(s, a) <- Q(s, a) + alpha_k (r + gamma max_b Q(a, b) - Q(s, a))      no max_b ... if the listener has left

    with alpha_k = 1 / (1 + (1 - gamma) k) in sweep k = 0, 1, ...: large at first, small later (Wainwright, "Stochastic
    approximation with cone-contractive operators", 2019).
    """
    rng, n = np.random.default_rng(seed), len(user.genres)
    luck = rng.random((sweeps, 2, runs, n, n), np.float32)
    liked = luck[:, 0] < user.like_table()
    reward = np.where(liked, user.like_reward, user.dislike_reward)
    stays = liked | (luck[:, 1] >= user.leave_probability)
    table = np.zeros((runs, n, n))
    for k, (r, goes_on) in enumerate(zip(reward, discount * stays, strict=True)):
        table += (r + goes_on * table.max(axis=2)[:, None, :] - table) / (
            1.0 + (1.0 - discount) * k
        )
    return table


def best_actions(table: Floats) -> Ids:
    """The best action of each state: [..., states, actions] -> [..., states]; of equals the first."""
    return np.asarray(table.argmax(axis=-1))


class Evening(NamedTuple):
    """What an evening holds on average, any genre as likely to be on at its start."""

    songs: Floats  # [A] songs of each genre; their sum is the expected length
    reward: float


def evening(user: GenreProfile, policy: ArrayLike, length: int = SONGS) -> Evening:
    """The expected evening of at most ``length`` songs under ``policy`` [..., states] (averaged over leading axes).

    Exact: no dice. ``songs`` counts the listener's leaving; ``reward`` is not discounted.
    """
    choices = np.atleast_2d(np.asarray(policy))  # [runs, S]
    model, (runs, n) = user.model(), choices.shape
    state = np.tile(np.arange(n), (runs, 1))  # [runs, start]
    there, songs, reward = np.full((runs, n), 1.0 / (runs * n)), np.zeros(n), 0.0
    for _ in range(length):
        action = np.take_along_axis(choices, state, axis=1)
        np.add.at(songs, action, there)
        reward += float((there * model.reward[state, action]).sum())
        there = there * model.continues[state, action]
        state = action
    return Evening(songs, reward)


# -- the widget ------------------------------------------------------------------------------------------


class RewardView(NamedTuple):
    """What the widget shows."""

    learned: Floats  # [S, A] mean table over the runs
    optimum: Floats  # [S, A] value iteration
    agree: float  # share of single runs and states whose first choice is an optimal one
    favourite: str  # the genre that the mean table plays most
    learned_songs: Floats  # [A] in an evening
    optimal_songs: Floats  # [A]
    edited: float  # reward of the learned evening by the sliders
    own: float  # the same evening by the listener's own rewards


def reward_view(
    profile: str = "pop_lover",
    pop: float = 10.0,
    rock: float = 3.0,
    jazz: float = 2.0,
    classical: float = 2.0,
    hiphop: float = 3.0,
    bonus: float = 0.0,
    discount: float = 0.9,
) -> RewardView:
    """Train on the edited rewards, plan on them, and play an evening: rewards of a like; ``bonus`` a hip-hop song."""
    own = STARTS[profile]
    likes = dict(zip(GENRES, (pop, rock, jazz, classical, hiphop), strict=True))
    user = with_bonus(own.with_rewards(like=likes), "HipHop", bonus)
    tables = sweep_train(user, discount=discount)
    optimum = value_iteration(user.model(), discount)
    choices = best_actions(tables)
    chosen = np.take_along_axis(
        np.broadcast_to(optimum, tables.shape), choices[:, :, None], axis=2
    )[:, :, 0]
    learned = tables.mean(axis=0)
    policy = best_actions(learned)
    heard = evening(user, policy)
    return RewardView(
        learned,
        optimum,
        float((chosen >= optimum.max(axis=1) - 1e-6).mean()),
        GENRES[int(heard.songs.argmax())],
        heard.songs,
        evening(user, best_actions(optimum)).songs,
        heard.reward,
        evening(own, policy).reward,
    )


def draw_reward_view(figure: Figure, view: RewardView) -> None:
    """The learned table, the optimum, and the evening that follows from each."""
    figure.set_layout_engine("none")  # fixed places: a third faster to draw
    top = max(
        float(np.abs(view.learned).max()), float(np.abs(view.optimum).max()), 1e-9
    )
    tables = figure.add_axes((0.085, 0.13, 0.63, 0.74))
    _two_tables(tables, view, top)
    songs = figure.add_axes((0.735, 0.13, 0.245, 0.74))
    _songs(songs, view)


def _two_tables(ax: Axes, view: RewardView, top: float) -> None:
    n, gap = len(GENRES), 0.6
    for left, table in ((0.0, view.learned), (n + gap, view.optimum)):
        box = (left - 0.5, left + n - 0.5, n - 0.5, -0.5)
        ax.imshow(table, cmap="RdBu", vmin=-top, vmax=top, aspect="auto", extent=box)
        for row, column in np.ndindex(n, n):
            best = column == int(table[row].argmax())
            colour = "white" if abs(table[row, column]) > 0.6 * top else "black"
            words = f"{table[row, column]:.1f}"
            weight = "bold" if best else "normal"
            ax.text(
                left + column,
                row,
                words,
                ha="center",
                va="center",
                fontsize=8.5,
                color=colour,
                fontweight=weight,
            )
        ax.plot(*_frames(left, table.argmax(axis=1)), color="black", lw=2)
    ax.set_xlim(-0.55, 2 * n + gap - 0.45)
    ax.set_xticks(
        [*range(n), *(n + gap + i for i in range(n))], [*GENRES, *GENRES], fontsize=8.5
    )
    ax.set_yticks(range(n), GENRES, fontsize=9)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.text(
        2.0,
        -0.7,
        f"learned (mean of {RUNS} runs)",
        ha="center",
        va="bottom",
        fontsize=10,
    )
    ax.text(n + gap + 2.0, -0.7, "exact optimum", ha="center", va="bottom", fontsize=10)
    ax.text(
        -0.02,
        1.03,
        "now on",
        ha="right",
        va="bottom",
        fontsize=8.5,
        transform=ax.transAxes,
    )


def _frames(left: float, best: Ids) -> tuple[Floats, Floats]:
    """One line with gaps round the best cell of each row: x and y, six numbers a frame."""
    x = np.array([-0.46, 0.46, 0.46, -0.46, -0.46, np.nan])
    y = np.array([-0.45, -0.45, 0.45, 0.45, -0.45, np.nan])
    return (left + best[:, None] + x).ravel(), (
        np.arange(len(best))[:, None] + y
    ).ravel()


def _songs(ax: Axes, view: RewardView) -> None:
    rows = np.arange(len(GENRES))
    ax.barh(rows - 0.2, view.learned_songs, 0.36, color=agent_colour("q-learning"))
    ax.barh(rows + 0.2, view.optimal_songs, 0.36, color=agent_colour("oracle"))
    ax.set_xlim(0, SONGS)
    ax.set_ylim(len(GENRES) - 0.5, -0.5)
    ax.set_xticks([0, 10, 20])
    ax.set_yticks([])
    ax.set_title("songs in an evening", fontsize=10)
    for place, (name, agent) in zip(
        (0.25, 0.75), (("learned", "q-learning"), ("optimum", "oracle")), strict=True
    ):
        ax.text(
            place,
            -0.05,
            name,
            color=agent_colour(agent),
            ha="center",
            va="top",
            fontsize=9,
            transform=ax.transAxes,
        )


def reward_text(view: RewardView) -> str:
    """One line: the favourite, agreement with the optimum, and the evening by both scales."""
    return (
        f"plays mostly <b>{view.favourite}</b>; {view.agree:.0%} of single runs' choices are optimal; an evening has "
        f"<b>{view.learned_songs.sum():.1f}</b> of {SONGS} songs, worth <b>{view.edited:+.1f}</b> by your sliders "
        f"and <b>{view.own:+.1f}</b> by the listener's own rewards"
    )


class RewardLab(Lab[RewardView]):
    """The lab; choosing another listener by hand also brings that listener's own rewards (``set`` does not)."""

    def _on_change(self, change: Any) -> None:
        if change["owner"] is self.controls["profile"] and not self._paused:
            self._paused = True
            try:
                self._assign(own_rewards(change["new"]))
            finally:
                self._paused = False
        super()._on_change(change)


def own_rewards(profile: str) -> dict[str, float]:
    """The sliders' values that leave a profile as it is.

    >>> own_rewards("headliner")
    {'pop': 1.0, 'rock': 2.0, 'jazz': 1.0, 'classical': 1.0, 'hiphop': 12.0, 'bonus': 0.0}
    """
    names = (genre.lower() for genre in GENRES)
    return {
        **dict(zip(names, STARTS[profile].like_reward.tolist(), strict=True)),
        "bonus": 0.0,
    }


def reward_lab(profile: str = "pop_lover") -> RewardLab:
    """The widget of lesson 04, starting with a profile as it is."""
    start = own_rewards(profile)
    controls: dict[str, Any] = {"profile": choice("listener", list(STARTS), profile)}
    for genre in GENRES:
        name = genre.lower()
        controls[name] = slider(
            f"like {genre}", start[name], -5.0, 15.0, 0.5, unit="reward of a liked song"
        )
    controls["bonus"] = slider(
        "HipHop bonus", 0.0, 0.0, 10.0, 0.5, unit="reward, liked or not"
    )
    controls["discount"] = slider("discount", 0.9, 0.0, 0.95, 0.05, unit="a song")
    return RewardLab(
        "The reward lab",
        controls,
        reward_view,
        draw_reward_view,
        reward_text,
        (9.4, 3.1),
    )


# -- whole sessions, many at once ------------------------------------------------------------------------


class OwnTables:
    """A policy for each group of rows: row i follows table ``i // (rows / runs)`` of [runs, states, actions]."""

    def __init__(self, tables: Floats, rng: np.random.Generator) -> None:
        self.tables, self.rng = tables, rng

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """The best actions [batch, k]; among equals a random order."""
        states = np.asarray(observations)
        run = np.arange(len(states)) * len(self.tables) // len(states)
        values = self.tables[run, states]
        return np.asarray(
            np.lexsort((self.rng.random(values.shape), -values), axis=1)[:, :k]
        )


class Sessions(NamedTuple):
    """Means over the sessions of each group [groups]."""

    reward: Floats  # a session, by the rewards of the user played with
    songs: Floats
    left: Floats  # share of sessions that the listener ended

    @property
    def per_song(self) -> Floats:
        """Reward a song."""
        return self.reward / self.songs


def play_sessions(
    user: GenreProfile,
    policy: Recommender,
    *,
    groups: int = 20,
    sessions: int = 100,
    seed: int = 10_000,
) -> Sessions:
    """Play ``sessions`` whole sessions in each of ``groups`` with ``user``; equal seeds give equal luck."""
    env = GenreBatch(groups * sessions, user, session_length=SONGS)
    states, _ = env.reset(seed=seed)
    reward, songs, left = (np.zeros(env.num_envs) for _ in range(3))
    alive = np.ones(env.num_envs, np.bool_)
    while alive.any():
        states, rewards, terminated, truncated, _ = env.step(
            env.actions_for(policy.recommend(states, 1))
        )
        reward += rewards * alive
        songs += alive
        left += terminated & alive
        alive &= ~(terminated | truncated)
    return Sessions(
        *(
            column.reshape(groups, sessions).mean(axis=1)
            for column in (reward, songs, left)
        )
    )


class Heard(NamedTuple):
    """What listeners did, song by song: [songs, listeners]; ``alive`` is False after a session's end."""

    fraction: Floats
    liked: NDArray[np.bool_]
    skipped: NDArray[np.bool_]
    alive: NDArray[np.bool_]


def listen(env: ListeningBatch, policy: Recommender, *, seed: int) -> Heard:
    """Play one whole session with each listener of ``env`` and write down the reactions, not the rewards.

    One log can then be paid by any number of rewards: ``(reward(fraction, liked, skipped) * alive).sum(axis=0)``.
    """
    observations, _ = env.reset(seed=seed)
    alive, rows = np.ones(env.num_envs, np.bool_), []
    while alive.any():
        actions = env.actions_for(policy.recommend(observations, 1))
        observations, _, terminated, truncated, info = env.step(actions)
        rows.append((info["fraction"], info["liked"], info["skipped"], alive.copy()))
        alive &= ~(terminated | truncated)
    fraction, liked, skipped, there = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    return Heard(fraction.astype(np.float64), liked, skipped, there)


# -- a listener's own history ----------------------------------------------------------------------------

# An invented listener: plays of a year by genre. Nobody's data.
INVENTED_HISTORY: dict[str, int] = {
    "rock": 412,
    "pop": 268,
    "r&b": 95,
    "edm": 61,
    "latin": 22,
    "rap": 14,
}
# Genres of Last.fm's tags that the catalogue calls otherwise, and the nearest it has.
CATALOGUE_GENRE: dict[str, str] = {
    "indie": "rock",
    "metal": "rock",
    "punk": "rock",
    "folk": "rock",
    "electronic": "edm",
    "ambient": "edm",
    "rnb": "r&b",
    "hip-hop": "rap",
}


def listening_history(
    source: str | None = None, *, catalogue: tuple[str, ...]
) -> tuple[Floats, tuple[str, ...], str]:
    """One listener's plays by genre: (counts [G], genre names, where they are from).

    ``source``: a name or path for ``load_play_counts``; None takes "lastfm" where it is on this machine, else the
    invented listener of this module. From a data set it is the listener with the median number of plays. Genres are
    put in the words of ``catalogue`` (names of its genres), their plays summed; those it lacks are left out.
    Raises ``DataError`` for a ``source`` that can't be read, ``ConfigError`` if no play is left.
    """
    plays, name = (
        (INVENTED_HISTORY, "an invented listener") if source is None else (None, source)
    )
    if source is None and _is_here("lastfm"):
        plays, name = None, "lastfm"
    if plays is None:
        found = load_play_counts(name)
        totals = found.counts.sum(axis=1)
        median = int(np.argsort(totals, kind="stable")[len(totals) // 2])
        plays = dict(zip(found.genres, found.counts[median].tolist(), strict=True))
    merged = _in_words_of(catalogue, plays)
    if not sum(merged.values()):
        raise ConfigError(
            f"no play of {name} is of a genre the catalogue has ({', '.join(catalogue)})"
        )
    return np.array(list(merged.values()), np.float64), tuple(merged), name


def _in_words_of(
    catalogue: tuple[str, ...], plays: Mapping[str, float]
) -> dict[str, float]:
    merged: dict[str, float] = {}
    for genre, count in plays.items():
        here = CATALOGUE_GENRE.get(genre, genre)
        if here in catalogue:
            merged[here] = merged.get(here, 0.0) + count
    return merged


def _is_here(name: str) -> bool:
    try:
        locate(name)
    except DataError:
        return False
    return True


# -- the lesson's picture --------------------------------------------------------------------------------


@cache
def _one_evening(kind: str, seed: int = 0) -> tuple[tuple[str, bool], ...]:
    """(genre, liked) of each song of one simulated evening of Ines's, under the optimum of one reward."""
    user = INES if kind == "honest" else with_bonus(INES, "HipHop", BONUS)
    choices = best_actions(value_iteration(user.model()))
    env = GenreBatch(1, user, session_length=SONGS)
    states, _ = env.reset(seed=seed)
    heard: list[tuple[str, bool]] = []
    while True:
        action = choices[states]
        states, _, terminated, truncated, info = env.step(action)
        heard.append((GENRES[int(action[0])], bool(info["liked"][0])))
        if terminated[0] or truncated[0]:
            return tuple(heard)


def draw_two_evenings(figure: Figure) -> None:
    """Ines's evening as the honest reward makes it, and as the bonus makes it, song by song."""
    axes = figure.subplots(2, 1, sharex=True)
    names = {
        "honest": "paid by what Ines likes",
        "bonus": f"paid {BONUS:.0f} extra for every hip-hop song",
    }
    for ax, (kind, title) in zip(axes, names.items(), strict=True):
        _strip(ax, _one_evening(kind), title, BONUS if kind == "bonus" else 0.0)
    axes[1].set_xticks([1, 5, 10, 15, 20])
    axes[1].set_xlabel("song of the evening")


def _strip(
    ax: Axes, heard: tuple[tuple[str, bool], ...], title: str, bonus: float
) -> None:
    for place, (genre, liked) in enumerate(heard, 1):
        ax.bar(place, 1.0, 0.9, color=LIKED if liked else DISLIKED)
        sign = "liked" if liked else "disliked"
        ax.text(
            place,
            0.5,
            f"{genre}\n{sign}",
            ha="center",
            va="center",
            rotation=90,
            fontsize=8.5,
            color="white",
        )
    if len(heard) < SONGS:
        ax.text(
            len(heard) + 0.8,
            0.5,
            "Ines has gone",
            va="center",
            fontsize=11,
            color="#4d4d4d",
        )
    own = sum(1 if liked else -1 for _, liked in heard)
    paid = own + sum(bonus for genre, _ in heard if genre == "HipHop")
    songs = f"{len(heard)} songs" if len(heard) > 1 else "1 song"
    ax.set_title(
        f"{title}: {songs}, {paid / len(heard):+.1f} a song on the dashboard, {own:+d} to Ines",
        fontsize=10.5,
        loc="left",
    )
    ax.set_xlim(0.4, SONGS + 0.6)
    ax.set_yticks([])
    ax.grid(False)
    ax.spines[:].set_visible(False)


FIGURES = {"04_reward_lab.png": (draw_two_evenings, (9.0, 3.4))}
