"""A person whom an agent plays titles to: the state behind lesson 14's ``ListenerLab``.

``Listener`` is immutable: every press gives a new one. Its state is the log of plays.
What the agent offers, believes and draws follows from the log and the seed, so a loaded
log continues where it stopped.

    listener = Listener(make_studio())
    listener = listener.react("like").react("skip")
    listener.now                     # songs on offer, probabilities, which one plays
    listener.save("my_session.csv")  # in the schema of rlrec.datasets.Sessions
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
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

# share heard, liked, skipped
REACTIONS = {
    "listen": (1.0, False, False),
    "skip": (0.05, False, True),
    "like": (1.0, True, False),
}


class Play(NamedTuple):
    """One line of the log."""

    user: str
    session: int
    position: int  # 1..20
    song: int  # row of the tracks
    fraction: float  # of the song heard, 0..1
    liked: bool
    skipped: bool
    propensity: float | None  # P(this song is played); None: the agent gives none

    @property
    def kind(self) -> str:
        """Which button was pressed."""
        if self.skipped:
            return "skip"
        return "like" if self.liked else "listen"


class Offer(NamedTuple):
    """The songs that the agent offers now, best first."""

    songs: Ids  # [m]
    probabilities: Floats | None  # [m], sum 1; None: the agent gives none
    pick: int  # which of them plays
    propensity: float | None  # its probability, given how songs are chosen


@dataclass(frozen=True)
class Listener:
    """A person, and all that was played so far; methods return a new one.

    A person whom the agent has forgotten is a new ``user`` to it. ``sampled``: songs
    are drawn with their probabilities, otherwise the most probable one plays. All
    random draws depend on ``studio.seed``, user, session and position alone: the same
    presses bring the same songs.
    """

    studio: Studio
    plays: tuple[Play, ...] = ()  # oldest first, of everybody
    user: str = "you-1"
    session: int = 1
    sampled: bool = True

    @property
    def known(self) -> tuple[Play, ...]:
        """The plays of this person in all sessions that the agent remembers."""
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
        """What the agent sees: an "ids" observation of Listening-v0, batch 1.

        ``history`` [1, n], oldest first, n at least 20 (-1: none); ``position`` [1, 1]
        counts up to 20; ``candidates`` [1, k] are drawn for this play from songs that
        were not played yet.
        """
        known = self.known
        history = np.full(max(LONGEST, len(known)), -1, np.int64)
        feedback = np.zeros((len(history), 3), np.float32)
        for place, play in enumerate(known, len(history) - len(known)):
            history[place] = play.song
            feedback[place] = (play.fraction, play.liked, play.skipped)
        everything = np.arange(len(self.studio.tracks))
        unheard = np.setdiff1d(everything, history)
        if len(unheard) < self.studio.offered:
            # nearly all were played: all but those of the last session's length
            unheard = np.setdiff1d(everything, history[-LONGEST:])
        offered = self._rng(0).choice(unheard, self.studio.offered, replace=False)
        return {
            "history": history[None],
            "feedback": feedback[None],
            "position": np.array([[min(len(known), LONGEST)]]),
            "candidates": offered[None],
        }

    @cached_property
    def now(self) -> Offer:
        """What the agent offers, and which song plays.

        Raises ``ConfigError`` where the agent's answer is not valid.
        """
        found = self._stated()
        if found is None:
            return self._ranked()
        songs, probabilities = found
        if not self.sampled:
            return Offer(songs, probabilities, 0, 1.0)
        total = probabilities.cumsum()
        draw = self._rng(1).random() * total[-1]
        pick = min(int(np.searchsorted(total, draw, side="right")), len(songs) - 1)
        return Offer(songs, probabilities, pick, _six_digits(probabilities[pick]))

    def _stated(self) -> tuple[Ids, Floats] | None:
        """Songs and their probabilities, best first; None if the agent gives none."""
        if not hasattr(self.studio.agent, "probabilities"):
            return None
        try:
            found = self.studio.agent.probabilities(self.observation)
        except ConfigError:  # a policy over points gives no probabilities
            return None
        songs, probabilities = (np.asarray(part)[0] for part in found)
        _check_songs(songs, self.studio)
        fits = probabilities.shape == songs.shape and np.isfinite(probabilities).all()
        if not fits or abs(probabilities.sum() - 1.0) > 1e-3:
            raise ConfigError(
                f"probabilities {probabilities.shape} of songs {songs.shape} "
                "do not sum to 1; has training diverged?"
            )
        order = np.argsort(-probabilities, kind="stable")
        return songs[order].astype(np.int64), probabilities[order].astype(np.float64)

    def _ranked(self) -> Offer:
        """The offer of an agent that only ranks; if it takes an ``rng`` it may draw."""
        recommend: Callable[..., Ids] = self.studio.agent.recommend
        options = {}
        if self.sampled and "rng" in inspect.signature(recommend).parameters:
            options["rng"] = self._rng(1)
        found = recommend(self.observation, self.studio.offered, **options)
        songs = np.asarray(found)[0]
        _check_songs(songs, self.studio)
        return Offer(songs.astype(np.int64), None, 0, None)

    def react(self, kind: str) -> Listener:
        """Press "listen", "skip" or "like" for the song that plays.

        Raises ``ConfigError`` for another button or after the session's end.
        """
        if kind not in REACTIONS:
            raise ConfigError(
                f"no button {kind!r}; press one of {', '.join(REACTIONS)}"
            )
        if self.over:
            raise ConfigError(
                f"this session has had its {LONGEST} songs; start a new one"
            )
        place = self.heard[-1].position + 1 if self.heard else 1
        now = self.now
        song = int(now.songs[now.pick])
        where = (self.user, self.session, place, song)
        play = Play(*where, *REACTIONS[kind], now.propensity)
        return replace(self, plays=(*self.plays, play))

    def new_session(self, remember: bool = True) -> Listener:
        """A new session of this person, or of one whom the agent has never met."""
        if not self.heard and (remember or not self.known):
            return self
        session = self.plays[-1].session + 1
        user = self.user
        if not remember:
            user = f"you-{len({play.user for play in self.plays}) + 1}"
        return replace(self, user=user, session=session)

    def choosing(self, sampled: bool) -> Listener:
        """The same person, with songs drawn, or the most probable one played."""
        return self if sampled == self.sampled else replace(self, sampled=sampled)

    def _rng(self, purpose: int) -> np.random.Generator:
        people = {play.user for play in self.plays} | {self.user}
        place = self.heard[-1].position if self.heard else 0
        seed = [self.studio.seed, len(people), self.session, place, purpose]
        return np.random.default_rng(seed)

    def __repr__(self) -> str:
        """Who, and how far."""
        played = f"{len(self.heard)} of {LONGEST} songs played"
        return f"Listener({self.user}, session {self.session}, {played})"

    def log(self) -> Sessions:
        """All plays in the schema of `rlrec.datasets.Sessions`."""
        table = pd.DataFrame(self.plays, columns=list(Play._fields))
        users, user_ids = pd.factorize(table["user"])
        tracks, track_ids = pd.factorize(
            self.studio.tracks.ids[table["song"].to_numpy(np.int64)]
        )
        count = len(table)
        report = Report("you are the listener", "sessions", count, {"plays": count})
        return Sessions(
            users.astype(np.int32),
            table["session"].to_numpy(np.int32),
            table["position"].to_numpy(np.int16),
            tracks.astype(np.int32),
            table["fraction"].to_numpy(np.float32),
            table["liked"].to_numpy(np.bool_),
            table["skipped"].to_numpy(np.bool_),
            table["propensity"].to_numpy(np.float32, na_value=np.nan),
            user_ids.to_numpy(np.str_),
            np.asarray(track_ids, np.str_),
            report,
        )

    def save(self, path: str | Path) -> Path:
        """Write the log as a CSV that ``load`` and ``load_sessions`` read.

        The file is replaced whole or not at all, and only by a log that begins with
        all of its plays, so nothing is lost. A session without a play leaves no trace.
        Raises ``DataError``; then nothing was written.
        """
        target = csv_path(path)
        if not self.plays:
            raise DataError(
                "nothing was played yet: press Listen, Skip or Like first; "
                "nothing was written"
            )
        if not target.parent.is_dir():
            raise DataError(
                f"{target.parent}: no such folder; "
                "make it first, or name a file in another one"
            )
        if target.exists() and not self._continues(target):
            raise DataError(
                f"{target} holds something else than the beginning of this log; "
                "choose another name"
            )
        try:
            write_sessions(target, self.log())
        except OSError as error:
            raise DataError(
                f"{target}: cannot be written ({error.strerror}); choose another place"
            ) from error
        return target

    def _continues(self, path: Path) -> bool:
        """Whether this log begins with the plays of a file."""
        try:
            there = read_plays(self.studio, path)
        except (DataError, OSError):
            return False
        return there == self.plays[: len(there)]

    @classmethod
    def load(
        cls, studio: Studio, path: str | Path, user: str | None = None
    ) -> Listener:
        """Continue a log: its last person, or ``user``, in that person's last session.

        If the last song had propensity 1, the most probable song plays on. Logs of
        other agents, such as those of `rlrec data make`, can be continued too. Raises
        ``DataError`` for a log with bad rows, or whose tracks are not the studio's.
        """
        plays = read_plays(studio, path)
        if not plays:
            raise DataError(f"{path}: no plays; a log to go on from needs at least one")
        if user is not None:
            plays = tuple(play for play in plays if play.user == user)
            if not plays:
                raise DataError(f"{path}: no plays of {user!r}")
        last = plays[-1]
        sampled = last.propensity != 1.0
        return cls(studio, plays, last.user, last.session, sampled)

    def opinion(self) -> tuple[Floats, bool]:
        """Log odds of every song [songs], mean 0, and whether they are the agent's own.

        From the agent's ``opinion``, else from its probabilities with every song on
        offer, else from the reactions alone.
        """
        agent: Any = self.studio.agent
        everything = np.arange(len(self.studio.tracks))[None]
        if hasattr(agent, "opinion"):
            return _centred(agent.opinion(self.observation)[0]), True
        seen = self.observation | {"candidates": everything}
        with suppress(AttributeError, ConfigError):
            songs, probabilities = agent.probabilities(seen)
            if np.array_equal(songs, everything):
                return _centred(np.log(np.maximum(probabilities[0], 1e-12))), True
        return _centred(self.studio.fallback.opinion(self.observation)[0]), False

    @cached_property
    def view(self) -> View:
        """Everything that the picture and the text show."""
        opinion, own = self.opinion()
        slope = (self.studio.slopes @ opinion)[list(self.studio.plane)]
        features = self.studio.standard.T @ opinion / len(opinion)
        now = None if self.over else self.now
        return View(self, now, opinion, own, slope, features)


class View(NamedTuple):
    """What a press changes in the picture."""

    listener: Listener
    now: Offer | None  # None: the session is over
    opinion: Floats  # [songs] log odds, mean 0
    own: bool  # the opinion is the agent's own, not one read from the reactions
    slope: Floats  # [2] of the opinion along the picture's axes, log odds per sd
    features: Floats  # [11] log odds per sd of each feature

    def __repr__(self) -> str:
        """Who, and what plays."""
        title = self.listener.studio.tracks.label(self.song)
        return f"View({self.listener!r}, {title})"

    @property
    def song(self) -> int:
        """The song that plays, or that played last."""
        if self.now is None:
            return self.listener.heard[-1].song
        return int(self.now.songs[self.now.pick])


def _check_songs(songs: NDArray[Any], studio: Studio) -> None:
    whole = songs.ndim == 1 and len(songs) > 0 and songs.dtype.kind in "iu"
    if not whole or songs.min() < 0 or songs.max() >= len(studio.tracks):
        last = len(studio.tracks) - 1
        raise ConfigError(
            f"the agent must answer song ids [1, k] in 0..{last}, best first"
        )


def _centred(values: NDArray[Any]) -> Floats:
    return np.asarray(values - values.mean(), np.float64)


def _six_digits(number: float) -> float:
    """Rounded as a log keeps it, so that what is loaded equals what was saved."""
    return float(f"{np.float32(number):.6g}")


def csv_path(path: str | Path) -> Path:
    """The path of a log. Raises ``DataError`` if it does not end with .csv."""
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
            f"{path}: {len(log.report.rejected)} rows cannot be used; "
            f"{first} ({first.kind}): mend them"
        )
    names = [str(name) for name in log.track_ids]
    unknown = [name for name in names if name not in studio.row_of]
    if unknown:
        some = ", ".join(unknown[:3])
        raise DataError(
            f"{path}: {len(unknown)} tracks of other data ({some}); "
            "pass the tracks that were played"
        )
    plays = []
    for i in range(len(log)):
        stated = _six_digits(log.propensity[i])
        play = Play(
            str(log.user_ids[log.users[i]]),
            int(log.sessions[i]),
            int(log.positions[i]),
            studio.row_of[names[log.tracks[i]]],
            _six_digits(log.fraction[i]),
            bool(log.liked[i]),
            bool(log.skipped[i]),
            None if np.isnan(stated) else stated,
        )
        plays.append(play)
    return tuple(plays)


def let_answer(
    listener: Listener, answer: Callable[[int], str], plays: int = LONGEST
) -> Listener:
    """Press for somebody, for up to ``plays`` songs or the session's end.

    ``answer(song)`` names the button.
    """
    for _ in range(plays):
        if listener.over:
            break
        listener = listener.react(answer(listener.view.song))
    return listener


def loud_person(tracks: Tracks) -> Callable[[int], str]:
    """Somebody who likes energy above .8 and skips what is below .6."""
    energy = tracks.features[:, FEATURES.index("energy")]

    def answer(song: int) -> str:
        if energy[song] > 0.8:
            return "like"
        return "listen" if energy[song] > 0.6 else "skip"

    return answer
