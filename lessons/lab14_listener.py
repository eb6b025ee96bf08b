"""Lesson 14, you are the listener: an agent plays titles to you and learns your taste.

    ListenerLab(tracks, {"belief and softmax": rule})  # the lesson's rule
    ListenerLab(tracks, {"belief and softmax": rule, "PPO": my_ppo})

Titles and eleven audio features are all there is: with the box "sound" ticked, you hear
music made from the features. Nothing is sent; plays are written only to the file that
you name. ``Listener`` is the state without widgets.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import pandas as pd
from hearing import HeardLab
from lab14_listener_picture import SIZE, draw_listener, listener_text
from numpy.typing import NDArray

from rlrec.agents.recommender import Recommender
from rlrec.datasets import Tracks, load_sessions
from rlrec.datasets.sessions import SESSION_COLUMNS
from rlrec.envs.listeners import LONGEST
from rlrec.errors import ConfigError, DataError
from rlrec.sound.synthesis import track_sound
from rlrec.storage import write_text
from rlrec.types import Floats, Ids, Observations
from rlrec.viz.widgets import choice

OFFERED = 10  # songs before each play
# share heard, liked, skipped
REACTIONS = {"listen": (1.0, 0, 0), "skip": (0.05, 0, 1), "like": (1.0, 1, 0)}


class Play(NamedTuple):
    """A song, the button pressed, and P(this song is played)."""

    song: int  # row of the tracks
    kind: str
    propensity: float


class Offer(NamedTuple):
    """The songs that the agent offers now, best first."""

    songs: Ids  # [m]
    probabilities: NDArray[Any]  # [m], sum 1
    pick: int  # which of them plays


@dataclass(frozen=True, eq=False)
class Listener:
    """A session of a person to whom ``agent`` plays ``tracks``.

    ``rule`` reads a belief from the plays; it has ``belief``, ``catalogue`` and
    ``temperature``. Draws follow from the session's number and the place: the same
    presses bring the same songs.
    """

    tracks: Tracks
    rule: Any
    agent: Recommender
    session: int = 1
    plays: tuple[Play, ...] = ()  # at most 20

    @property
    def over(self) -> bool:
        """Whether the session has had its 20 songs."""
        return len(self.plays) == LONGEST

    @cached_property
    def seen(self) -> Observations:
        """What the agent sees: an "ids" observation of Listening-v0, batch 1."""
        history = np.full((1, LONGEST), -1)
        feedback = np.zeros((1, LONGEST, 3), np.float32)
        for place, play in enumerate(self.plays, LONGEST - len(self.plays)):
            history[0, place] = play.song
            feedback[0, place] = REACTIONS[play.kind]
        others = np.setdiff1d(np.arange(len(self.tracks)), history)
        return {
            "history": history,
            "feedback": feedback,
            "position": np.array([[len(self.plays)]]),
            "candidates": self._rng(0).choice(others, (1, OFFERED), replace=False),
        }

    @cached_property
    def offer(self) -> Offer:
        """What the agent offers, and which song plays."""
        if hasattr(self.agent, "probabilities"):
            found = self.agent.probabilities(self.seen)
        else:  # it plays the song that it ranks first, for certain
            found = self.agent.recommend(self.seen, OFFERED), np.eye(1, OFFERED)
        songs, probabilities = (part[0] for part in found)
        order = np.argsort(-probabilities, kind="stable")
        shares = probabilities[order]
        return Offer(songs[order], shares, self._rng(1).choice(len(order), p=shares))

    @property
    def song(self) -> int:
        """The song that plays, or that played last."""
        if self.over:
            return self.plays[-1].song
        return int(self.offer.songs[self.offer.pick])

    @cached_property
    def belief(self) -> Floats:
        """Log odds per unit of sound [5], read from the plays."""
        return np.asarray(self.rule.belief(self.seen)[0] / self.rule.temperature)

    def react(self, kind: str) -> Listener:
        """The session after "listen", "skip" or "like" to the song that plays."""
        if kind not in REACTIONS or self.over:
            raise ConfigError(f"press {', '.join(REACTIONS)}, {LONGEST} times at most")
        propensity = float(self.offer.probabilities[self.offer.pick])
        play = Play(self.song, kind, propensity)
        return replace(self, plays=(*self.plays, play))

    def _rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.session, len(self.plays), purpose])

    def log(self) -> pd.DataFrame:
        """All plays, with the columns that `rlrec.datasets.load_sessions` reads."""
        rows = []
        for place, (song, kind, propensity) in enumerate(self.plays, 1):
            where = ("you", self.session, place, self.tracks.ids[song])
            rows.append((*where, *REACTIONS[kind], propensity))
        return pd.DataFrame(rows, columns=SESSION_COLUMNS)

    def load(self, path: str | Path) -> Listener:
        """Go on from a log of one session. Raises ``DataError``."""
        log = load_sessions(path)
        rows = pd.Index(self.tracks.ids).get_indexer(pd.Index(log.track_ids))
        songs = rows[log.tracks]
        if log.report.rejected or not 1 <= len(log) <= LONGEST or songs.min() < 0:
            raise DataError(f"{path}: not a session of 1 to {LONGEST} of these tracks")
        kinds = np.select([log.skipped, log.liked], ["skip", "like"], "listen")
        columns = (songs.tolist(), kinds.tolist(), log.propensity.tolist())
        plays = tuple(map(Play, *columns))
        return replace(self, session=int(log.sessions[0]), plays=plays)


class ListenerLab(HeardLab[Listener]):
    """You are the listener: press Listen, Skip or Like, and watch the agent learn.

    ``agents``: name -> agent, to change to at any time; the first one is also the rule
    whose belief is shown. ``press("like")`` does what the button does, ``result`` is
    the present ``Listener``.
    """

    def __init__(self, tracks: Tracks, agents: Mapping[str, Any]) -> None:
        self.agents = dict(agents)
        rule = next(iter(agents.values()))
        self.listener = Listener(tracks, rule, rule)
        self.note = ipywidgets.HTML()
        self.file = ipywidgets.Text("my_session.csv", description="log file")
        self.buttons: dict[str, Any] = {}
        for kind in REACTIONS:
            self._button(kind.capitalize(), self.press, kind)
        self._button("New session", self.new_session)
        self._button("Save", lambda: self.save(self.file.value))
        self._button("Load", lambda: self.load(self.file.value))
        controls = {"agent": choice("agent", [*agents])}
        shown = (controls, self._compute, draw_listener, listener_text, SIZE)

        def sound(now: Listener) -> Floats:
            return track_sound(now.tracks, now.song)

        super().__init__("You are the listener", *shown, samples=sound)

    def _button(self, words: str, action: Callable[..., object], *values: Any) -> None:
        """A button that calls ``action``; its error is shown in red below."""

        def act(_: object) -> None:
            self.note.value = ""
            try:
                action(*values)
            except (ConfigError, DataError) as error:
                said = html.escape(str(error))
                self.note.value = f'<b role="alert" style="color: #b00020">{said}</b>'

        layout = {"width": "auto", "min_width": "90px"}
        self.buttons[words] = ipywidgets.Button(description=words, layout=layout)
        self.buttons[words].on_click(act)

    def press(self, kind: str) -> Listener:
        """Press "listen", "skip" or "like"; returns the new state."""
        return self._show(self.listener.react(kind))

    def new_session(self) -> Listener:
        """Begin anew, as somebody whom nobody knows."""
        session = self.listener.session + 1
        return self._show(replace(self.listener, session=session, plays=()))

    def save(self, path: str) -> None:
        """Write the session to a new CSV; no file is ever replaced."""
        if not path.endswith(".csv") or Path(path).exists():
            raise DataError(f"{path}: name a new file that ends with .csv")
        write_text(path, self.listener.log().to_csv(index=False))
        self.note.value = html.escape(f"saved {len(self.listener.plays)} plays: {path}")

    def load(self, path: str) -> Listener:
        """Go on with a saved session."""
        listener = self._show(self.listener.load(path))
        self.note.value = f"loaded {len(listener.plays)} plays"
        return listener

    def _show(self, listener: Listener) -> Listener:
        self.listener = listener
        self.update()
        return self.listener

    def _compute(self, agent: str) -> Listener:
        self.listener = replace(self.listener, agent=self.agents[agent])
        for kind in REACTIONS:
            self.buttons[kind.capitalize()].disabled = self.listener.over
        return self.listener

    def _assemble(self) -> Any:
        def row(*parts: Any) -> Any:
            return ipywidgets.Box(parts, layout={"flex_flow": "row wrap"})

        title = ipywidgets.HTML(f"<b>{self.title}</b>")
        pressed = [*self.buttons.values()]
        above = row(*pressed[:3], *self.controls.values())
        below = row(pressed[3], self.file, *pressed[4:])
        parts = [title, self.line, above, self.picture, self.speaker, below, self.note]
        return ipywidgets.VBox(parts)
