"""Lesson 14, you are the listener: an agent plays titles to you and learns your taste.

    ListenerLab()                      # generated tracks, an agent that knows nothing
    ListenerLab(agent=my_ppo)          # a trained agent that sees your reactions
    ListenerLab(agents={"PPO": my_ppo})  # a choice of agents, the first knows nothing
    ListenerLab(load_tracks("my_tracks.csv"), log="my_session.csv")

Titles and eleven audio features are all there is: with the box "sound" ticked, you hear
music made from the features. Nothing is sent, and a log is written only to the file
that you name. The state without widgets is
``lab14_listener_state.Listener``, the picture ``lab14_listener_picture``.
"""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets
from hearing import HeardLab
from lab14_listener_picture import SIZE, draw_view, view_text
from lab14_listener_state import (
    REACTIONS,
    Listener,
    Play,
    View,
    csv_path,
    let_answer,
    loud_person,
)
from lab14_listener_studio import Studio, TasteSoftmax, make_studio, with_agent
from numpy.typing import ArrayLike

from rlrec.agents.recommender import Recommender
from rlrec.datasets import Tracks
from rlrec.sound.synthesis import track_sound
from rlrec.types import Floats
from rlrec.viz.widgets import choice

__all__ = [
    "Listener",
    "ListenerLab",
    "Play",
    "Studio",
    "TasteSoftmax",
    "View",
    "let_answer",
    "loud_person",
    "make_studio",
]

DRAWN = "a song drawn by its probability"
BEST = "the most probable song"


def song_sound(view: View) -> Floats:
    """The song that plays, as samples."""
    return track_sound(view.listener.studio.tracks, view.song)


class ListenerLab(HeardLab[View]):
    """You are the listener: press Listen, Skip or Like, and watch the agent learn.

    ``tracks``, ``agent``, ``sound``, ``seed``, ``offered``: see ``make_studio``.
    ``agents``: name -> agent, others to change to, in the middle of a session too.
    ``log``: a CSV to continue. ``listener`` is the current state, and ``press("like")``
    does what the button does. Raises ``ConfigError`` or ``DataError``; an error in a
    button's call is shown in the widget.
    """

    def __init__(
        self,
        tracks: Tracks | None = None,
        agent: Recommender | None = None,
        sound: ArrayLike | None = None,
        *,
        agents: Mapping[str, Recommender] | None = None,
        log: str | Path | None = None,
        seed: int = 0,
        offered: int = 10,
    ) -> None:
        studio = make_studio(tracks, agent, sound, seed, offered)
        self.studios = {studio.name: studio}
        for name, other in (agents or {}).items():
            self.studios[name] = with_agent(studio, name, other)
        self.listener = Listener(studio) if log is None else Listener.load(studio, log)
        self.note = ipywidgets.HTML()
        self.file = ipywidgets.Text(
            placeholder="my_session.csv",
            description="log file",
            continuous_update=False,
        )
        self.buttons = {}
        for kind in REACTIONS:
            self.buttons[kind] = self._button(kind.capitalize(), self.press, kind)
        again = self.new_session
        self.again = {
            "remember": self._button("New session, know me", again, True),
            "forget": self._button("New session, forget me", again, False),
        }
        self.keep = {
            "save": self._button("Save", lambda: self.save(self.file.value)),
            "load": self._button("Load", lambda: self.load(self.file.value)),
        }
        start = DRAWN if self.listener.sampled else BEST
        controls = {"play": choice("play", [DRAWN, BEST], start)}
        if agents:
            controls["agent"] = choice("agent", [*self.studios], studio.name)
        title = "You are the listener"
        shown = (title, controls, self._compute, draw_view, view_text, SIZE)
        super().__init__(*shown, samples=song_sound)

    def _button(self, words: str, action: Callable[..., object], *values: Any) -> Any:
        """A button that calls ``action`` with ``values``."""
        layout = {"width": "auto", "min_width": "90px"}
        button = ipywidgets.Button(description=words, layout=layout)
        button.on_click(lambda _: self.attempt(lambda: action(*values)))
        return button

    def press(self, kind: str) -> View:
        """Press "listen", "skip" or "like"; returns what is shown then."""
        return self._show(self.listener.react(kind))

    def new_session(self, remember: bool = True) -> View:
        """Start a new session, with the belief about you kept or forgotten."""
        return self._show(self.listener.new_session(remember))

    def save(self, path: str | Path) -> None:
        """Write the log to a CSV; no other method writes a file."""
        target = self.listener.save(path)
        count = len(self.listener.plays)
        self.note.value = html.escape(f"saved {count} plays in {target}")

    def load(self, path: str | Path) -> View:
        """Continue a saved log; plays of this session that were not saved are lost."""
        view = self._show(Listener.load(self.listener.studio, csv_path(path)))
        self.note.value = html.escape(f"loaded {len(self.listener.plays)} plays")
        return view

    def attempt(self, action: Callable[[], object]) -> None:
        """Call ``action``; an error is shown in red below.

        It is raised as well if ``RLREC_STRICT_WIDGETS`` is 1.
        """
        self.note.value = ""
        try:
            action()
        except Exception as error:
            message = html.escape(f"{type(error).__name__}: {error}")
            red = '<span role="alert" style="color: #b00020">'
            self.note.value = f"{red}{message}</span>"
            if os.environ.get("RLREC_STRICT_WIDGETS") == "1":
                raise

    def update(self) -> None:
        """Show the state of the listener."""
        super().update()
        for button in self.buttons.values():
            button.disabled = self.listener.over

    def _show(self, listener: Listener) -> View:
        """Show ``listener``; if that fails, keep the one before."""
        before = self.listener
        self.listener = listener
        try:
            return self.set(play=DRAWN if listener.sampled else BEST)
        except Exception:
            self.listener = before
            raise

    def _compute(self, play: str, agent: str = "") -> View:
        listener = self.listener.choosing(play == DRAWN)
        studio = self.studios.get(agent, listener.studio)
        if studio is not listener.studio:
            listener = replace(listener, studio=studio)
        self.listener = listener
        return self.listener.view

    def _assemble(self) -> Any:
        def row(*parts: Any) -> Any:
            return ipywidgets.Box(parts, layout={"flex_flow": "row wrap"})

        title = ipywidgets.HTML(f"<b>{html.escape(self.title)}</b>")
        above = row(*self.buttons.values(), *self.controls.values())
        below = row(*self.again.values(), self.file, *self.keep.values())
        parts = [title, self.line, above, self.picture, self.speaker, below, self.note]
        return ipywidgets.VBox(parts)
