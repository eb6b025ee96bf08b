"""A person whom an agent plays real titles to: the state behind lesson 14's ``ListenerLab``, without widgets.

``Listener`` is immutable: every press gives a new one. It is its log of plays and nothing else; what the agent offers,
believes and draws follows from that and the seed, so that a log loaded again stands where it stood.

    listener = Listener(make_studio())
    listener = listener.react("like").react("skip")
    listener.now                                # songs on offer, their chances, which one plays
    listener.save("my_session.csv")             # in the schema of rlrec.datasets.Sessions
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from lab14_listener_studio import Studio
from numpy.typing import NDArray

from rlrec.datasets import (
    FEATURES,
    Report,
    Sessions,
    Tracks,
    load_sessions,
    write_sessions,
)
from rlrec.envs.listeners import LONGEST
from rlrec.errors import ConfigError, DataError
from rlrec.types import Floats, Ids, Observations

REACTIONS = {  # share heard, liked, skipped
    "listen": (1.0, False, False),
    "skip": (0.05, False, True),
    "like": (1.0, True, False),
}


# -- one person ------------------------------------------------------------------------------------------
class Play(NamedTuple):
    """One line of the log."""

    user: str
    session: int
    position: int  # 1..20
    song: int  # row of the tracks
    fraction: float  # of the song heard, 0..1
    liked: bool
    skipped: bool
    propensity: (
        float | None
    )  # the chance with which this song was played; None: the agent names no chances

    @property
    def kind(self) -> str:
        """Which button was pressed."""
        return "skip" if self.skipped else "like" if self.liked else "listen"


class Offer(NamedTuple):
    """What the agent thinks of playing now, best first."""

    songs: Ids  # [m]
    chances: Floats | None  # [m], sum 1; None: the agent names none
    pick: int  # which of them plays
    propensity: float | None  # the chance of that, given how songs are chosen


@dataclass(frozen=True)
class Listener:
    """A person at the desk: all that was played so far. Every method that changes something returns a new one.

    A person whom the agent has forgotten is a new ``user`` to it. ``sampled``: songs are drawn by their chances, or
    else the most probable one plays. All luck comes from ``studio.seed``, user, session and position: the same presses
    bring the same songs.
    """

    studio: Studio
    plays: tuple[Play, ...] = ()  # oldest first, of everybody
    user: str = "you-1"
    session: int = 1
    sampled: bool = True

    @property
    def known(self) -> tuple[Play, ...]:
        """What the agent knows of this person: the plays of all sessions that it remembers."""
        return tuple(play for play in self.plays if play.user == self.user)

    @property
    def heard(self) -> tuple[Play, ...]:
        """The plays of this session."""
        return tuple(play for play in self.known if play.session == self.session)

    @property
    def over(self) -> bool:
        """Whether the session has had its 20 songs."""
        return bool(self.heard) and self.heard[-1].position >= LONGEST

    @cached_property
    def observation(self) -> Observations:
        """What the agent sees: an "ids" observation of Listening-v0, batch 1, over all that it remembers.

        ``history`` [1, n], oldest first, n at least 20 (-1: none); ``position`` [1, 1] counts up to 20;
        ``candidates`` [1, k]: drawn for this play from songs that were not played yet.
        """
        known = self.known
        history = np.full(max(LONGEST, len(known)), -1, np.int64)
        feedback = np.zeros((len(history), 3), np.float32)
        if known:
            history[-len(known) :] = [play.song for play in known]
            feedback[-len(known) :] = [
                (play.fraction, play.liked, play.skipped) for play in known
            ]
        fresh = np.setdiff1d(np.arange(len(self.studio.tracks)), history)
        if (
            len(fresh) < self.studio.offered
        ):  # nearly everything was played: all but the last session's songs
            fresh = np.setdiff1d(np.arange(len(self.studio.tracks)), history[-LONGEST:])
        offered = self._luck(0).choice(fresh, self.studio.offered, replace=False)
        return {
            "history": history[None],
            "feedback": feedback[None],
            "position": np.array([[min(len(known), LONGEST)]]),
            "candidates": offered[None],
        }

    @cached_property
    def now(self) -> Offer:
        """What the agent offers, and which song plays. Raises ``ConfigError`` if its answer makes no sense."""
        agent, found = self.studio.agent, None
        if hasattr(agent, "probabilities"):
            try:
                found = agent.probabilities(self.observation)
            except ConfigError:  # a policy over points names no chances
                found = None
        if found is None:
            return self._ranked()
        songs, chances = (np.asarray(part)[0] for part in found)
        _check_songs(songs, self.studio)
        if (
            chances.shape != songs.shape
            or not np.isfinite(chances).all()
            or abs(chances.sum() - 1.0) > 1e-3
        ):
            raise ConfigError(
                f"chances {chances.shape} of songs {songs.shape} do not sum to 1; has training diverged?"
            )
        order = np.argsort(-chances, kind="stable")
        songs, chances = (
            songs[order].astype(np.int64),
            chances[order].astype(np.float64),
        )
        if not self.sampled:
            return Offer(songs, chances, 0, 1.0)
        total = chances.cumsum()
        pick = min(
            int(
                np.searchsorted(total, self._luck(1).random() * total[-1], side="right")
            ),
            len(songs) - 1,
        )
        return Offer(songs, chances, pick, _six_digits(chances[pick]))

    def _ranked(self) -> Offer:
        """The offer of an agent that only ranks; one whose `recommend` takes an ``rng`` can still draw."""
        recommend: Callable[..., Ids] = self.studio.agent.recommend
        draws = self.sampled and "rng" in inspect.signature(recommend).parameters
        songs = np.asarray(
            recommend(
                self.observation,
                self.studio.offered,
                **({"rng": self._luck(1)} if draws else {}),
            )
        )[0]
        _check_songs(songs, self.studio)
        return Offer(songs.astype(np.int64), None, 0, None)

    def react(self, kind: str) -> Listener:
        """Press a button, "listen", "skip" or "like", for the song that plays. Raises ``ConfigError``."""
        if kind not in REACTIONS:
            raise ConfigError(
                f"no button {kind!r}; press one of {', '.join(REACTIONS)}"
            )
        if self.over:
            raise ConfigError(
                f"this session has had its {LONGEST} songs; start a new one"
            )
        place = self.heard[-1].position + 1 if self.heard else 1
        song = int(self.now.songs[self.now.pick])
        play = Play(
            self.user, self.session, place, song, *REACTIONS[kind], self.now.propensity
        )
        return replace(self, plays=(*self.plays, play))

    def new_session(self, remember: bool = True) -> Listener:
        """A new session with the belief about the person kept, or with a person whom the agent has never met."""
        if not self.heard and (remember or not self.known):
            return self
        session = self.plays[-1].session + 1
        user = (
            self.user
            if remember
            else f"you-{len({play.user for play in self.plays}) + 1}"
        )
        return replace(self, user=user, session=session)

    def choosing(self, sampled: bool) -> Listener:
        """The same person, with songs drawn by their chances or the most probable one played."""
        return self if sampled == self.sampled else replace(self, sampled=sampled)

    def _luck(self, purpose: int) -> np.random.Generator:
        people = {play.user for play in self.plays} | {self.user}
        place = self.heard[-1].position if self.heard else 0
        return np.random.default_rng(
            [self.studio.seed, len(people), self.session, place, purpose]
        )

    def __repr__(self) -> str:
        """Who, and how far."""
        return f"Listener({self.user}, session {self.session}, {len(self.heard)} of {LONGEST} songs played)"

    # -- the log -----------------------------------------------------------------------------------------
    def log(self) -> Sessions:
        """All plays in the schema of `rlrec.datasets.Sessions`."""
        users, user_ids = _codes([play.user for play in self.plays])
        tracks, track_ids = _codes(
            [str(self.studio.tracks.ids[play.song]) for play in self.plays]
        )
        columns = [
            np.array(column) for column in list(zip(*self.plays, strict=True))[1:-1]
        ] or [np.zeros(0)] * 6
        session, position, _, fraction, liked, skipped = columns
        chances = [
            np.nan if play.propensity is None else play.propensity
            for play in self.plays
        ]
        return Sessions(
            users,
            session.astype(np.int32),
            position.astype(np.int16),
            tracks,
            fraction.astype(np.float32),
            liked.astype(np.bool_),
            skipped.astype(np.bool_),
            np.array(chances, np.float32),
            user_ids,
            track_ids,
            Report(
                "you are the listener",
                "sessions",
                len(self.plays),
                {"plays": len(self.plays)},
            ),
        )

    def save(self, path: str | Path) -> Path:
        """Write the log as a CSV that ``load`` and `rlrec.datasets.load_sessions` read; the old file or the new stays.

        A file may be overwritten only by a log that begins with all of its plays, so nothing is lost. Raises
        ``DataError`` saying what to do; then nothing was written. A session without a play leaves no trace.
        """
        target = csv_path(path)
        if not self.plays:
            raise DataError(
                "nothing was played yet: press Listen, Skip or Like first; nothing was written"
            )
        if not target.parent.is_dir():
            raise DataError(
                f"{target.parent}: no such folder; make it first, or name a file in another one"
            )
        if target.exists() and not self._goes_on_from(target):
            raise DataError(
                f"{target} holds something else than the beginning of this log; choose another name"
            )
        try:
            write_sessions(target, self.log())
        except OSError as error:
            raise DataError(
                f"{target}: cannot be written ({error.strerror}); choose another place"
            ) from error
        return target

    def _goes_on_from(self, path: Path) -> bool:
        try:
            there = read_plays(self.studio, path)
        except (DataError, OSError):
            return False
        return there == self.plays[: len(there)]

    @classmethod
    def load(
        cls, studio: Studio, path: str | Path, user: str | None = None
    ) -> Listener:
        """Stand where a log ends: its last person (or ``user``), that person's last session.

        If the last song was played for certain (propensity 1), the most probable song plays on. Logs of other agents
        do as well, such as those of `rlrec data make`: songs and reactions are all that a belief needs. Raises
        ``DataError`` for a log that cannot be read whole, or whose tracks are not the studio's.
        """
        plays = read_plays(studio, path)
        if not plays:
            raise DataError(f"{path}: no plays; a log to go on from needs at least one")
        if user is not None:
            plays = tuple(play for play in plays if play.user == user)
            if not plays:
                raise DataError(f"{path}: no plays of {user!r}")
        last = plays[-1]
        return cls(
            studio, plays, last.user, last.session, sampled=last.propensity != 1.0
        )

    # -- what a picture needs ----------------------------------------------------------------------------
    def opinion(self) -> tuple[Floats, bool]:
        """Log odds of every song [songs], mean 0, and whether they are the agent's own.

        From the agent's ``opinion``, else from its chances with every song on offer, else from the reactions alone.
        """
        agent, everything = self.studio.agent, np.arange(len(self.studio.tracks))[None]
        if hasattr(agent, "opinion"):
            return _centred(agent.opinion(self.observation)[0]), True
        try:
            songs, chances = agent.probabilities(
                {**self.observation, "candidates": everything}
            )  # type: ignore[attr-defined]
            if np.array_equal(songs, everything):
                return _centred(np.log(np.maximum(chances[0], 1e-12))), True
        except (AttributeError, ConfigError):
            pass
        return _centred(self.studio.fallback.opinion(self.observation)[0]), False

    @cached_property
    def view(self) -> View:
        """Everything that the picture and the text show."""
        opinion, own = self.opinion()
        slope = (self.studio.slopes @ opinion)[list(self.studio.plane)]
        features = self.studio.standard.T @ opinion / len(opinion)
        return View(
            self, None if self.over else self.now, opinion, own, slope, features
        )


class View(NamedTuple):
    """What a press changes in the picture."""

    listener: Listener
    now: Offer | None  # None: the session is over
    opinion: Floats  # [songs] log odds, mean 0
    own: bool  # the opinion is the agent's own, not one read from the reactions
    slope: Floats  # [2] of the opinion along the picture's two axes, log odds per sd
    features: (
        Floats  # [11] how much the opinion rises with one sd of each feature, log odds
    )

    def __repr__(self) -> str:
        """Who, and what plays."""
        return (
            f"View({self.listener!r}, {self.listener.studio.tracks.label(self.song)})"
        )

    @property
    def song(self) -> int:
        """The song that plays, or that played last."""
        return (
            int(self.now.songs[self.now.pick])
            if self.now
            else self.listener.heard[-1].song
        )


def _check_songs(songs: NDArray[Any], studio: Studio) -> None:
    whole = songs.ndim == 1 and len(songs) > 0 and songs.dtype.kind in "iu"
    if not whole or songs.min() < 0 or songs.max() >= len(studio.tracks):
        raise ConfigError(
            f"the agent must answer song ids [1, k] in 0..{len(studio.tracks) - 1}, best first"
        )


def _centred(values: NDArray[Any]) -> Floats:
    return np.asarray(values - values.mean(), np.float64)


def _six_digits(number: float) -> float:
    """As a log keeps it: to six digits, so that what is loaded equals what was saved."""
    return float(f"{np.float32(number):.6g}")


def _codes(names: list[str]) -> tuple[NDArray[np.int32], NDArray[np.str_]]:
    """Numbers in the order of first appearance, and the names."""
    code_of: dict[str, int] = {}
    codes = [code_of.setdefault(name, len(code_of)) for name in names]
    return np.array(codes, np.int32), np.array(list(code_of), np.str_)


def csv_path(path: str | Path) -> Path:
    text = os.fspath(path).strip()
    if not text.lower().endswith(".csv"):
        raise DataError(
            f"{text!r}: name a file that ends with .csv, such as my_session.csv"
        )
    return Path(text).expanduser()


def read_plays(studio: Studio, path: str | Path) -> tuple[Play, ...]:
    """The plays of a log, person after person. Raises ``DataError``."""
    log = load_sessions(path)
    if log.report.rejected:
        first = log.report.rejected[0]
        raise DataError(
            f"{path}: {len(log.report.rejected)} rows cannot be used; {first} ({first.kind}): mend them"
        )
    unknown = [str(name) for name in log.track_ids if str(name) not in studio.row_of]
    if unknown:
        some = ", ".join(unknown[:3])
        raise DataError(
            f"{path}: {len(unknown)} tracks of other data ({some}); pass the tracks that were played"
        )
    songs = [studio.row_of[str(name)] for name in log.track_ids]
    return tuple(
        Play(
            str(log.user_ids[log.users[i]]),
            int(log.sessions[i]),
            int(log.positions[i]),
            songs[log.tracks[i]],
            _six_digits(log.fraction[i]),
            bool(log.liked[i]),
            bool(log.skipped[i]),
            _six_digits(log.propensity[i]) if np.isfinite(log.propensity[i]) else None,
        )
        for i in range(len(log))
    )


def let_answer(
    listener: Listener, answer: Callable[[int], str], plays: int = LONGEST
) -> Listener:
    """Press for somebody: ``answer(song)`` names the button; up to ``plays`` songs or the session's end."""
    for _ in range(plays):
        if listener.over:
            break
        listener = listener.react(answer(listener.view.song))
    return listener


def loud_person(tracks: Tracks) -> Callable[[int], str]:
    """Somebody who likes what is very loud and fast (energy above .8) and skips what is quiet (below .6)."""
    energy = tracks.features[:, FEATURES.index("energy")]
    return lambda song: (
        "like" if energy[song] > 0.8 else "listen" if energy[song] > 0.6 else "skip"
    )


FIGURES: dict[str, Any] = {}  # the pictures are in `listener_picture`
