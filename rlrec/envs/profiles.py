"""The users of ``Genre-v0``: how often and how much they like a genre, when they leave.

A user reacts to one recommended genre at a time. With probability
``like_probability[g]`` the song is liked and pays ``like_reward[g]``. Otherwise it pays
``dislike_reward[g]`` and the user may leave. Probabilities say *how often* a genre
pleases, rewards say *how much*. Both belong to the user.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rlrec.errors import ConfigError, require_ranges
from rlrec.types import Floats

GENRES: tuple[str, ...] = ("Pop", "Rock", "Jazz", "Classical", "HipHop")


class GenreModel(NamedTuple):
    """The full model of the environment, as value iteration needs it.

    States and actions are the genres: S = A = number of genres. The next state is the
    recommended genre: next_state[s, a] = a.
    """

    reward: Floats  # [S, A] expected reward of recommending a in state s
    continues: Floats  # [S, A] probability that the session goes on


@dataclass(frozen=True, eq=False)
class GenreProfile:
    """A user's reactions to genres; arrays [G] in the order of ``genres``.

    Raises ``ConfigError`` for a wrong length or a value out of range.

    >>> pop = PROFILES["pop_lover"]
    >>> round(float(pop.model().reward[1, 0]), 2)  # Rock -> Pop
    8.9
    """

    name: str
    like_probability: Floats  # 0..1
    like_reward: Floats = field(default_factory=lambda: np.ones(len(GENRES)))
    dislike_reward: Floats = field(default_factory=lambda: -np.ones(len(GENRES)))
    # 0..1: share of the like probability lost when a genre comes twice in a row
    boredom: float = 0.0
    # after a dislike, 0..1
    leave_probability: Floats = field(default_factory=lambda: np.zeros(len(GENRES)))
    genres: tuple[str, ...] = GENRES
    about: str = ""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("like_probability", 0.0, 1.0),
            ("like_reward", -np.inf, np.inf),
            ("dislike_reward", -np.inf, np.inf),
            ("leave_probability", 0.0, 1.0),
        ):
            values = np.array(getattr(self, name), np.float64)
            if values.shape != (len(self.genres),):
                raise ConfigError(
                    f"profile {self.name!r}: {name} has shape {values.shape}; give one "
                    f"number for each of the {len(self.genres)} genres {self.genres}"
                )
            inside = (values >= low) & (values <= high)
            if not (np.isfinite(values) & inside).all():
                raise ConfigError(
                    f"profile {self.name!r}: {name} is {values}; "
                    f"each must be finite and lie in [{low}, {high}]"
                )
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        require_ranges(self, [("boredom", 0, 1)])

    def like_table(self) -> Floats:
        """P(like | state, action): [S, A]; the diagonal is lowered by boredom."""
        table = np.tile(self.like_probability, (len(self.genres), 1))
        np.fill_diagonal(table, self.like_probability * (1.0 - self.boredom))
        return table

    def model(self) -> GenreModel:
        """Expected reward, and probability that the session goes on: `GenreModel`."""
        like = self.like_table()
        dislike = 1.0 - like
        reward = like * self.like_reward + dislike * self.dislike_reward
        return GenreModel(reward, 1.0 - dislike * self.leave_probability)

    def with_rewards(
        self,
        like: dict[str, float] | None = None,
        dislike: dict[str, float] | None = None,
    ) -> GenreProfile:
        """A copy with some rewards changed: ``with_rewards(like={"Jazz": 5.0})``.

        Raises ``ConfigError`` for a genre that this profile does not have.
        """
        return replace(
            self,
            like_reward=self._edited(self.like_reward, like or {}),
            dislike_reward=self._edited(self.dislike_reward, dislike or {}),
        )

    def _edited(
        self,
        values: Floats,
        changes: dict[str, float],
    ) -> Floats:
        edited = values.copy()
        for genre, value in changes.items():
            if genre not in self.genres:
                raise ConfigError(
                    f"no genre {genre!r}; this profile has {', '.join(self.genres)}"
                )
            edited[self.genres.index(genre)] = value
        return edited


def _profile(
    name: str,
    about: str,
    like: Any,
    **settings: Any,
) -> GenreProfile:
    return GenreProfile(name, like, about=about, **settings)


PROFILES: dict[str, GenreProfile] = {
    profile.name: profile
    for profile in (
        _profile(
            "generic",
            "A coin, blind to the genre: likes half of everything, +1 or -1.",
            [0.5] * 5,
        ),
        _profile(
            "pop_lover",
            "Pop nearly always pleases and counts tenfold; "
            "the rest is now and then nice.",
            [0.9, 0.4, 0.2, 0.1, 0.3],
            like_reward=[10, 3, 2, 2, 3],
            dislike_reward=[-1, -2, -2, -2, -2],
        ),
        _profile(
            "rock_fan",
            "Rock first, a little pop on the side; hip-hop makes this listener leave.",
            [0.5, 0.85, 0.3, 0.2, 0.1],
            like_reward=[2, 6, 2, 2, 1],
            dislike_reward=[-1, -1, -1, -1, -4],
            leave_probability=[0.02, 0.02, 0.05, 0.05, 0.6],
        ),
        _profile(
            "variety_seeker",
            "Likes jazz best but never twice in a row: "
            "the best next genre depends on the last one.",
            [0.6, 0.6, 0.8, 0.5, 0.5],
            like_reward=[3, 3, 4, 3, 3],
            boredom=0.8,
        ),
        _profile(
            "calm_worker",
            "Classical and jazz to work by; "
            "little joy, but a single loud song costs dearly.",
            [0.3, 0.1, 0.7, 0.8, 0.1],
            like_reward=[1, 1, 2, 2, 1],
            dislike_reward=[-2, -5, -1, -1, -5],
        ),
        _profile(
            "headliner",
            "Hip-hop is a rare jackpot, pop a safe small win: "
            "how often against how much.",
            [0.9, 0.3, 0.2, 0.1, 0.25],
            like_reward=[1, 2, 1, 1, 12],
        ),
        _profile(
            "flighty",
            "Hip-hop pays most at once, but one flop and this listener is gone: "
            "here planning beats greedy.",
            [0.8, 0.5, 0.3, 0.3, 0.5],
            like_reward=[2, 2, 1, 1, 6],
            leave_probability=[0.05, 0.05, 0.05, 0.05, 0.9],
        ),
    )
}


def from_history(
    counts: ArrayLike,
    genres: Sequence[str],
    *,
    name: str = "from_history",
    strength: float = 10.0,
    prior: float = 1.0,
) -> GenreProfile:
    """A profile from play counts: rewards and probabilities grow with a genre's share.

    With counts n_g and G genres, the smoothed share is

        s_g = (n_g + prior) / (sum n + G prior)

    The user likes genre g with probability ``.1 + .8 s_g / max s``. A like pays
    ``strength * s_g / max s`` and a dislike -1. A count says how often something was
    played, not why, so this is an assumption and not a measurement.

    ``counts`` [G], each >= 0, not all 0; ``strength`` > 0; ``prior`` > 0 (plays).
    Raises ``ConfigError``.

    >>> profile = from_history([30, 10, 0], ["rock", "pop", "jazz"])
    >>> profile.like_reward.round(2).tolist()
    [10.0, 3.55, 0.32]
    """
    plays = np.asarray(counts, np.float64)
    valid = np.isfinite(plays).all() and (plays >= 0).all() and plays.any()
    if plays.shape != (len(genres),) or not valid:
        raise ConfigError(
            f"counts {plays} for {len(genres)} genres: "
            "give one count >= 0 for each, not all 0"
        )
    if strength <= 0 or prior <= 0:
        raise ConfigError(
            f"strength is {strength} and prior is {prior}; both must be above 0"
        )
    total = plays.sum() + len(genres) * prior
    share = (plays + prior) / total
    share = share / share.max()
    return GenreProfile(
        name,
        like_probability=0.1 + 0.8 * share,
        like_reward=strength * share,
        dislike_reward=-np.ones(len(genres)),
        leave_probability=np.zeros(len(genres)),
        genres=tuple(genres),
        about=f"Made from {plays.sum():,.0f} plays.",
    )


def get_profile(user: str | GenreProfile) -> GenreProfile:
    """Look up a profile by name, or pass one through.

    Raises ``ConfigError`` with the known names.
    """
    if isinstance(user, GenreProfile):
        return user
    if user not in PROFILES:
        raise ConfigError(f"no user {user!r}; known: {', '.join(PROFILES)}")
    return PROFILES[user]
