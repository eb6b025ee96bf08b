"""Lesson 04: edit what a listener's likes are worth; see what the agent then does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from drawing import CENTRED, value_table, without_frame
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rlrec.agents.planning import value_iteration
from rlrec.datasets import load_play_counts
from rlrec.envs import GENRES, PROFILES, GenreBatch, GenreProfile
from rlrec.errors import DataError
from rlrec.types import Floats
from rlrec.viz.style import Style, agent_colour
from rlrec.viz.widgets import Lab, choice, slider

SONGS = 20  # in an evening
BONUS = 6.0  # what the label's campaign pays for every hip-hop song played
LIKED = "#009E73"
DISLIKED = "#CC79A7"
COLOURS = {"learned": agent_colour("q-learning"), "optimum": agent_colour("oracle")}

INES = GenreProfile(
    "ines",
    np.array([0.6, 0.7, 0.5, 0.4, 0.5]),
    leave_probability=np.array([0.02, 0.02, 0.05, 0.05, 0.7]),
    about="Ines listens in the evening: rock first, pop next; a hip-hop song that "
    "misses ends most evenings.",
)
STARTS: dict[str, GenreProfile] = {**PROFILES, "ines": INES}  # the widget's drop-down


def with_bonus(user: GenreProfile, genre: str, bonus: float) -> GenreProfile:
    """A copy of ``user`` that pays ``bonus`` more for every song of ``genre``."""
    paid = np.zeros(len(user.genres))
    paid[user.genres.index(genre)] = bonus
    return replace(
        user,
        like_reward=user.like_reward + paid,
        dislike_reward=user.dislike_reward + paid,
    )


# -- the widget ------------------------------------------------------------------------
def expected_session(
    user: GenreProfile, policy: ArrayLike, length: int = SONGS
) -> tuple[Floats, float]:
    """Expected songs of each genre [A], and reward, under ``policy`` [states]."""
    model = user.model()
    chosen = np.asarray(policy)[:, None] == np.arange(len(model.reward))
    present = np.full(len(chosen), 1.0 / len(chosen))  # P(state)
    songs = np.zeros(len(chosen))
    reward = 0.0
    for _ in range(length):
        played = present[:, None] * chosen  # P(state, action)
        songs += played.sum(axis=0)
        reward += float((played * model.reward).sum())
        present = (played * model.continues).sum(axis=0)  # the action is the next state
    return songs, reward


class RewardView(NamedTuple):
    """What the widget shows."""

    learned: Floats  # [S, A] mean table over the runs
    optimum: Floats  # [S, A] value iteration
    favourite: str  # what the mean table plays most
    tied: str  # genres that are exactly as good there, itself included
    learned_songs: Floats  # [A] in an evening
    optimal_songs: Floats  # [A]
    edited: float  # reward of the learned evening by the sliders
    own: float  # the same evening by the listener's own rewards


def reward_view(
    train: Callable[..., Floats],
    profile: str,
    discount: float = 0.9,
    bonus: float = 0.0,
    **likes: float,
) -> RewardView:
    """Train on the edited rewards, plan on them, and play an evening.

    ``train(user, discount=...)``: tables [runs, S, A]; ``likes``: rewards, by genre.
    """
    own = STARTS[profile]
    edited_likes = {genre: likes[genre.lower()] for genre in GENRES}
    user = with_bonus(own.with_rewards(like=edited_likes), "HipHop", bonus)
    learned = train(user, discount=discount).mean(axis=0)
    optimum = value_iteration(user.model(), discount)
    policy = learned.argmax(axis=1)
    songs, edited = expected_session(user, policy)
    favourite = int(songs.argmax())
    best = optimum >= optimum.max(axis=1, keepdims=True) - 1e-6
    tied = best[best[:, favourite]].all(axis=0) & best[:, favourite].any()
    return RewardView(
        learned,
        optimum,
        " and ".join(np.array(GENRES)[songs > songs.max() - 0.5]),
        " and ".join(np.array(GENRES)[tied]),
        songs,
        expected_session(user, optimum.argmax(axis=1))[0],
        edited,
        expected_session(own, policy)[1],
    )


def draw_reward_view(figure: Figure, view: RewardView) -> None:
    """The learned table, the optimum, and the evening that follows from each."""
    figure.set_layout_engine("none")  # fixed places: a third faster to draw
    margins = {"left": 0.085, "right": 0.985, "bottom": 0.15, "top": 0.9}
    axes = figure.subplots(1, 3, gridspec_kw=margins | {"wspace": 0.08})
    top = np.abs([view.learned, view.optimum]).max(initial=1e-9)
    colours: Style = {"cmap": "RdBu", "vmin": -top, "vmax": top}
    value_table(axes[0], view.learned, GENRES, "black", **colours)
    value_table(axes[1], view.optimum, GENRES, "black", **colours)
    axes[0].set(title="learned (mean of runs)", ylabel="")
    axes[1].set(title="exact optimum", ylabel="", yticks=[])
    songs = {"learned": view.learned_songs, "optimum": view.optimal_songs}
    pd.DataFrame(songs).plot.barh(ax=axes[2], color=COLOURS)  # type: ignore[arg-type]
    axes[2].set(xlim=(0, SONGS), ylim=(4.5, -0.5), xticks=[0, 10, SONGS], yticks=[])
    axes[2].set_title("songs heard")
    for ax in axes:
        ax.tick_params(labelsize=8)
        for number in ax.texts:
            number.set_fontsize(8)


def describe_reward(view: RewardView) -> str:
    """One line: the favourite, or what ties with it, and the evening's rewards."""
    tie = f" ({view.tied} tie: noise decides)" if " and " in view.tied else ""
    return (
        f"plays mostly <b>{view.favourite}</b>{tie}; an evening has "
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
    """The sliders' values that leave a profile as it is."""
    names = [genre.lower() for genre in GENRES]
    likes = dict(zip(names, STARTS[profile].like_reward.tolist(), strict=True))
    return {**likes, "bonus": 0.0}


def reward_lab(train: Callable[..., Floats], profile: str = "pop_lover") -> RewardLab:
    """The widget of lesson 04, starting with a profile as it is.

    ``train(user, discount=...)`` gives tables [runs, states, actions].
    """
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
        partial(reward_view, train),
        draw_reward_view,
        describe_reward,
        (9.4, 3.1),
    )


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
    catalogue: tuple[str, ...], source: str = "lastfm"
) -> tuple[pd.Series, str]:
    """Plays of one listener by genre of the catalogue, and the source's name.

    The listener of ``source`` with the median number of plays; an invented one, where
    ``source`` is not on this machine.
    """
    try:
        found = load_play_counts(source)
    except DataError:
        return pd.Series(INVENTED_HISTORY, dtype=float), "an invented listener"
    order = found.counts.sum(axis=1).argsort(kind="stable")
    plays = pd.Series(found.counts[order[len(order) // 2]], list(found.genres))
    plays = plays.rename(CATALOGUE_GENRE).groupby(level=0, sort=False).sum()
    return plays[plays.index.isin(catalogue)], source


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
    own = sum(1 if liked else -1 for _, liked in heard)
    paid = own + bonus * sum(genre == "HipHop" for genre, _ in heard)
    for place, (genre, liked) in enumerate(heard, 1):
        ax.bar(place, 1.0, 0.9, color=LIKED if liked else DISLIKED)
        words = f"{genre}\n{'liked' if liked else 'disliked'}"
        ax.text(place, 0.5, words, rotation=90, fontsize=8.5, color="white", **CENTRED)
    if len(heard) < SONGS:
        ax.text(len(heard) + 0.8, 0.5, "Ines has gone", va="center", fontsize=11)
    words = f"{title}: {len(heard)} songs, {paid / len(heard):+.1f} a song on the "
    words += f"dashboard, {own:+.0f} to Ines"
    ax.set_title(words, fontsize=10.5, loc="left")
    ax.set(xlim=(0.4, SONGS + 0.6), yticks=[])
    without_frame(ax)


FIGURES = {"04_reward_lab.png": (draw_two_evenings, (9.0, 3.4))}
