"""Lesson 04: edit what a listener's likes are worth, and see what the agent then does.

The table is trained in sweeps: once a sweep, every genre is tried after every genre,
and each cell takes one Q-learning step. This is Watkins' update with a "parallel
sampling" model (Kearns and Singh, "Finite-sample convergence rates for Q-learning and
indirect algorithms", NIPS 1998). The rule is that of ``rlrec.agents.QLearning``. Only
the order of the visits differs, which makes it fast enough for a slider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from drawing import ABOVE, BELOW, CENTRED, without_frame
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rlrec.agents import Recommender
from rlrec.agents.planning import value_iteration
from rlrec.datasets import load_play_counts, locate
from rlrec.envs import GENRES, PROFILES, GenreBatch, GenreProfile
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation import session_steps
from rlrec.types import Floats, Ids
from rlrec.viz.style import agent_colour
from rlrec.viz.widgets import Lab, choice, slider

SONGS = 20  # in an evening
RUNS = 10  # of the widget's training
SWEEPS = 600
BONUS = 6.0  # what the label's campaign pays for every hip-hop song played
LIKED = "#009E73"
DISLIKED = "#CC79A7"

INES = GenreProfile(
    "ines",
    np.array([0.6, 0.7, 0.5, 0.4, 0.5]),
    leave_probability=np.array([0.02, 0.02, 0.05, 0.05, 0.7]),
    about="Ines listens in the evening: rock first, pop next; a hip-hop song that "
    "misses ends most evenings.",
)
STARTS: dict[str, GenreProfile] = {**PROFILES, "ines": INES}  # the widget's drop-down


# -- rewards by hand -------------------------------------------------------------------
def expected_reward(
    like_probability: float, like_reward: float, dislike_reward: float
) -> float:
    """``p r_like + (1 - p) r_dislike``: what one song is worth on average.

    >>> round(expected_reward(0.9, 1, -1), 3), round(expected_reward(0.25, 12, -1), 3)
    (0.8, 2.25)
    """
    return like_probability * like_reward + (1.0 - like_probability) * dislike_reward


def with_bonus(user: GenreProfile, genre: str, bonus: float) -> GenreProfile:
    """A copy of ``user`` that pays ``bonus`` more for every song of ``genre``."""
    paid = np.zeros(len(user.genres))
    paid[user.genres.index(genre)] = bonus
    return replace(
        user,
        like_reward=user.like_reward + paid,
        dislike_reward=user.dislike_reward + paid,
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


# -- training and evenings -------------------------------------------------------------
def sweep_train(
    user: GenreProfile,
    *,
    sweeps: int = SWEEPS,
    discount: float = 0.9,
    runs: int = RUNS,
    seed: int = 0,
) -> Floats:
    """Train tables of zeros by Q-learning in sweeps: [runs, states, actions].

    A sweep updates each cell once. In cell (s, a) the listener hears a after s, and
    likes it with the profile's probability. After a dislike the listener may leave.

        Q(s, a) <- Q(s, a) + alpha_k (r + gamma max_b Q(a, b) - Q(s, a))

    without ``gamma max_b Q(a, b)`` if the listener has left. In sweep k = 0, 1, ... the
    step size is alpha_k = 1 / (1 + (1 - gamma) k): large at first, small later
    (Wainwright, "Stochastic approximation with cone-contractive operators", 2019).
    """
    genres = len(user.genres)
    rng = np.random.default_rng(seed)
    draws = rng.random((sweeps, 2, runs, genres, genres), np.float32)
    liked = draws[:, 0] < user.like_table()
    rewards = np.where(liked, user.like_reward, user.dislike_reward)
    discounts = discount * (liked | (draws[:, 1] >= user.leave_probability))
    table = np.zeros((runs, genres, genres))
    for k in range(sweeps):
        target = rewards[k] + discounts[k] * table.max(axis=2)[:, None, :]
        table += (target - table) / (1.0 + (1.0 - discount) * k)
    return table


class ExpectedSession(NamedTuple):
    """What a session holds on average."""

    songs: Floats  # [A]: songs of each genre; their sum is the expected length
    reward: float  # not discounted


def expected_session(
    user: GenreProfile, policy: ArrayLike, length: int = SONGS
) -> ExpectedSession:
    """The expected session of ``length`` songs at most, exactly.

    The first state is uniformly random. ``policy`` [..., states]: the action in each
    state; the session is averaged over leading axes.
    """
    model = user.model()
    chosen = np.atleast_2d(policy)[:, :, None] == np.arange(len(model.reward))
    present = np.full(chosen.shape[:2], 1.0 / chosen[:, :, 0].size)  # P(run, state)
    songs = np.zeros(len(model.reward))
    reward = 0.0
    for _ in range(length):
        played = present[:, :, None] * chosen  # P(run, state, action)
        songs += played.sum(axis=(0, 1))
        reward += float((played * model.reward).sum())
        present = (played * model.continues).sum(axis=1)  # the action is the next state
    return ExpectedSession(songs, reward)


# -- the widget ------------------------------------------------------------------------
class RewardView(NamedTuple):
    """What the widget shows."""

    learned: Floats  # [S, A] mean table over the runs
    optimum: Floats  # [S, A] value iteration
    agree: float  # share of runs and states in which the greedy action is optimal
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
    """Train on the edited rewards, plan on them, and play an evening.

    ``profile``: a key of ``STARTS``. ``pop`` ... ``hiphop``: reward of a liked song.
    ``bonus``: paid for every hip-hop song, liked or not.
    """
    own = STARTS[profile]
    likes = dict(zip(GENRES, (pop, rock, jazz, classical, hiphop), strict=True))
    user = with_bonus(own.with_rewards(like=likes), "HipHop", bonus)
    tables = sweep_train(user, discount=discount)
    optimum = value_iteration(user.model(), discount)
    states = np.arange(len(GENRES))
    chosen = optimum[states, tables.argmax(axis=2)]  # [runs, states]
    learned = tables.mean(axis=0)
    policy = learned.argmax(axis=1)
    heard = expected_session(user, policy)
    return RewardView(
        learned,
        optimum,
        float((chosen >= optimum.max(axis=1) - 1e-6).mean()),
        GENRES[int(heard.songs.argmax())],
        heard.songs,
        expected_session(user, optimum.argmax(axis=1)).songs,
        heard.reward,
        expected_session(own, policy).reward,
    )


def draw_reward_view(figure: Figure, view: RewardView) -> None:
    """The learned table, the optimum, and the evening that follows from each."""
    figure.set_layout_engine("none")  # fixed places: a third faster to draw
    _two_tables(figure.add_axes((0.085, 0.13, 0.63, 0.74)), view)
    _songs(figure.add_axes((0.735, 0.13, 0.245, 0.74)), view)


def _two_tables(ax: Axes, view: RewardView) -> None:
    genres = np.arange(len(GENRES))
    right = len(GENRES) + 0.6  # where the second table begins
    top = np.abs([view.learned, view.optimum]).max(initial=1e-9)
    _values(ax, 0.0, view.learned, top, f"learned (mean of {RUNS} runs)")
    _values(ax, right, view.optimum, top, "exact optimum")
    ax.set_xlim(-0.55, right + len(GENRES) - 0.45)
    places = np.concatenate([genres, right + genres])
    ax.set_xticks(places, GENRES + GENRES, fontsize=8.5)
    ax.set_yticks(genres, GENRES, fontsize=9)
    without_frame(ax)
    corner = ax.text(-0.02, 1.03, "now on", fontsize=8.5, transform=ax.transAxes)
    corner.set(ha="right", va="bottom")


def _values(ax: Axes, left: float, table: Floats, top: float, title: str) -> None:
    """Draw a table [S, A] from ``left`` on, the best of each row in a frame."""
    size = len(table)
    place = (left - 0.5, left + size - 0.5, size - 0.5, -0.5)
    ax.imshow(table, cmap="RdBu", vmin=-top, vmax=top, aspect="auto", extent=place)
    best = table.argmax(axis=1)
    for (row, column), value in np.ndenumerate(table):
        text = ax.text(left + column, row, f"{value:.1f}", fontsize=8.5, **CENTRED)
        text.set_color("white" if abs(value) > 0.6 * top else "black")
        text.set_fontweight("bold" if column == best[row] else "normal")
    ax.plot(*_frames(left, best), color="black", lw=2)
    ax.text(left + 2.0, -0.7, title, fontsize=10, **ABOVE)


def _frames(left: float, best: Ids) -> tuple[Floats, Floats]:
    """The frames of the best cells as one line with gaps: x and y."""
    x = left + np.array([-0.46, 0.46, 0.46, -0.46, -0.46, np.nan])
    y = np.array([-0.45, -0.45, 0.45, 0.45, -0.45, np.nan])
    rows = np.arange(len(best))
    return np.add.outer(best, x).ravel(), np.add.outer(rows, y).ravel()


def _songs(ax: Axes, view: RewardView) -> None:
    rows = np.arange(len(GENRES))
    for name, agent, songs, shift, place in (
        ("learned", "q-learning", view.learned_songs, -0.2, 0.25),
        ("optimum", "oracle", view.optimal_songs, 0.2, 0.75),
    ):
        colour = agent_colour(agent)
        ax.barh(rows + shift, songs, 0.36, color=colour)
        label = ax.text(place, -0.05, name, color=colour, fontsize=9, **BELOW)
        label.set_transform(ax.transAxes)
    ax.set_xlim(0, SONGS)
    ax.set_ylim(len(GENRES) - 0.5, -0.5)
    ax.set_xticks([0, 10, 20])
    ax.set_yticks([])
    ax.set_title("songs in an evening", fontsize=10)


def reward_text(view: RewardView) -> str:
    """One line: the favourite, the share of optimal choices, the evening's rewards."""
    return (
        f"plays mostly <b>{view.favourite}</b>; "
        f"{view.agree:.0%} of single runs' choices are optimal; an evening has "
        f"<b>{view.learned_songs.sum():.1f}</b> of {SONGS} songs, "
        f"worth <b>{view.edited:+.1f}</b> by your sliders "
        f"and <b>{view.own:+.1f}</b> by the listener's own rewards"
    )


class RewardLab(Lab[RewardView]):
    """The widget. Choosing a listener by hand also sets the sliders to its own rewards.

    ``set`` changes only what it names.
    """

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

    >>> rewards = own_rewards("headliner")
    >>> rewards["rock"], rewards["hiphop"], rewards["bonus"]
    (2.0, 12.0, 0.0)
    """
    values = {}
    for genre, reward in zip(GENRES, STARTS[profile].like_reward, strict=True):
        values[genre.lower()] = float(reward)
    return values | {"bonus": 0.0}


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


# -- whole sessions, many at once ------------------------------------------------------
class OwnTables:
    """A policy of several tables [runs, states, actions], one for each group of rows.

    Row i of a batch follows table ``i // (rows / runs)``.
    """

    def __init__(self, tables: Floats, rng: np.random.Generator) -> None:
        self.tables = tables
        self.rng = rng

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """The best actions: [batch, k]; ties in random order."""
        states = np.asarray(observations)
        run = np.arange(len(states)) * len(self.tables) // len(states)
        values = self.tables[run, states]
        order = np.lexsort((self.rng.random(values.shape), -values), axis=1)
        return np.asarray(order[:, :k])


class SessionMeans(NamedTuple):
    """Means over the sessions of each group: [groups] each."""

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
) -> SessionMeans:
    """Play ``sessions`` whole sessions with ``user`` in each of ``groups``.

    Equal seeds give equal random draws, whatever the policy.
    """
    env = GenreBatch(groups * sessions, user, session_length=SONGS)
    totals = np.zeros((3, env.num_envs))  # rewards, songs, sessions ended by leaving
    for alive, rewards, terminated, _ in session_steps(env, policy, seed=seed):
        totals += np.array([rewards * alive, alive, terminated & alive])
    return SessionMeans(*totals.reshape(3, groups, sessions).mean(axis=2))


# -- a listener's own history ----------------------------------------------------------

# Plays of a year by genre: invented, nobody's data.
INVENTED_HISTORY: dict[str, int] = {
    "rock": 412,
    "pop": 268,
    "r&b": 95,
    "edm": 61,
    "latin": 22,
    "rap": 14,
}
# Genres among Last.fm's tags that the catalogue lacks -> the nearest one it has.
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
    """One listener's plays by genre: counts [G], names of genres, name of the source.

    ``source``: a name or path for ``load_play_counts``; the listener is the one with
    the median number of plays. None: "lastfm" if that is on this machine, else the
    invented listener. ``catalogue``: the genres wanted. Other genres are renamed by
    ``CATALOGUE_GENRE`` where it has them, else left out.
    Raises ``DataError`` for a ``source`` that can't be read, ``ConfigError`` if no play
    is left.
    """
    if source is None and not _is_here("lastfm"):
        name = "an invented listener"
        plays: Mapping[str, float] = INVENTED_HISTORY
    else:
        name = "lastfm" if source is None else source
        plays = _median_listener(name)
    merged: dict[str, float] = {}
    for genre, count in plays.items():
        here = CATALOGUE_GENRE.get(genre, genre)
        if here in catalogue:
            merged[here] = merged.get(here, 0.0) + count
    if not sum(merged.values()):
        raise ConfigError(
            f"no play of {name} is of a genre the catalogue has "
            f"({', '.join(catalogue)})"
        )
    return np.array(list(merged.values()), np.float64), tuple(merged), name


def _median_listener(name: str) -> dict[str, float]:
    found = load_play_counts(name)
    order = found.counts.sum(axis=1).argsort(kind="stable")
    plays = found.counts[order[len(order) // 2]].tolist()
    return dict(zip(found.genres, plays, strict=True))


def _is_here(name: str) -> bool:
    try:
        locate(name)
    except DataError:
        return False
    return True


# -- the lesson's picture --------------------------------------------------------------
@cache
def _evening_of_ines(bonus: float) -> tuple[tuple[str, bool], ...]:
    """(genre, liked) of each song of one evening of Ines's, optimal for the bonus."""
    user = with_bonus(INES, "HipHop", bonus)
    choices = value_iteration(user.model()).argmax(axis=1)
    env = GenreBatch(1, user, session_length=SONGS)
    states, _ = env.reset(seed=0)
    heard: list[tuple[str, bool]] = []
    while not env.over[0]:
        states, _, _, _, info = env.step(choices[states])
        genre = GENRES[states[0]]  # the state is the genre that played
        heard.append((genre, bool(info["liked"][0])))
    return tuple(heard)


def draw_two_evenings(figure: Figure) -> None:
    """Ines's evening song by song, under the honest reward and under the bonus."""
    axes = figure.subplots(2, 1, sharex=True)
    _strip(axes[0], 0.0, "paid by what Ines likes")
    _strip(axes[1], BONUS, f"paid {BONUS:.0f} extra for every hip-hop song")
    axes[1].set_xticks([1, 5, 10, 15, 20])
    axes[1].set_xlabel("song of the evening")


def _strip(ax: Axes, bonus: float, title: str) -> None:
    heard = _evening_of_ines(bonus)
    own = paid = 0.0
    for place, (genre, liked) in enumerate(heard, 1):
        ax.bar(place, 1.0, 0.9, color=LIKED if liked else DISLIKED)
        words = f"{genre}\n{'liked' if liked else 'disliked'}"
        ax.text(place, 0.5, words, rotation=90, fontsize=8.5, color="white", **CENTRED)
        own += 1 if liked else -1
        paid += bonus * (genre == "HipHop")
    if len(heard) < SONGS:
        gone = ax.text(len(heard) + 0.8, 0.5, "Ines has gone", color="#4d4d4d")
        gone.set(va="center", fontsize=11)
    songs = f"{len(heard)} songs" if len(heard) > 1 else "1 song"
    ax.set_title(
        f"{title}: {songs}, {(own + paid) / len(heard):+.1f} a song on the dashboard, "
        f"{own:+.0f} to Ines",
        fontsize=10.5,
        loc="left",
    )
    ax.set_xlim(0.4, SONGS + 0.6)
    ax.set_yticks([])
    without_frame(ax)


FIGURES = {"04_reward_lab.png": (draw_two_evenings, (9.0, 3.4))}
