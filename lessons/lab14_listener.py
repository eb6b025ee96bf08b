"""Lesson 14, you are the listener: an agent plays real titles to you; you listen, skip or like, and watch it learn you.

    ListenerLab()                      # the generated tracks, an agent that knows nothing of you
    ListenerLab(agent=my_ppo)          # a trained agent, whose policy acts on your last songs and reactions
    ListenerLab(load_tracks("my_tracks.csv"), log="my_session.csv")

Nothing sounds and nothing is sent: titles and eleven audio features are all there is, and a log goes to the file that
you name, or nowhere. The state, without widgets, is `listener_state.Listener`; the picture is `listener_picture`.
"""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets
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
from lab14_listener_studio import Studio, TasteSoftmax, make_studio
from numpy.typing import ArrayLike

from rlrec.agents.recommender import Recommender
from rlrec.datasets import Tracks
from rlrec.viz.widgets import Lab, choice

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

DRAWN, BEST = "a song drawn by its chance", "the most probable song"
FIGURES: dict[str, Any] = {}  # the lesson's picture is in `listener_picture`


class ListenerLab(Lab[View]):
    """You are the listener: titles play, you press Listen, Skip or Like, and watch the agent learn you.

    tracks, agent, sound, seed, offered: see ``make_studio``. log: a CSV to go on from. ``listener`` is where you stand;
    ``press("like")`` does what the button does. Raises ``ConfigError`` or ``DataError``; what goes wrong in a button's
    call is shown in the widget.
    """

    def __init__(
        self,
        tracks: Tracks | None = None,
        agent: Recommender | None = None,
        sound: ArrayLike | None = None,
        *,
        log: str | Path | None = None,
        seed: int = 0,
        offered: int = 10,
    ) -> None:
        studio = make_studio(tracks, agent, sound, seed, offered)
        self.listener = Listener(studio) if log is None else Listener.load(studio, log)
        self.note = ipywidgets.HTML()
        self.buttons = {kind: _button(kind.capitalize()) for kind in REACTIONS}
        self.again = {
            "remember": _button("New session, know me"),
            "forget": _button("New session, forget me"),
        }
        self.file = ipywidgets.Text(
            placeholder="my_session.csv",
            description="log file",
            continuous_update=False,
        )
        self.keep = {"save": _button("Save"), "load": _button("Load")}
        controls = {
            "play": choice(
                "play", [DRAWN, BEST], DRAWN if self.listener.sampled else BEST
            )
        }
        super().__init__(
            "You are the listener", controls, self._compute, draw_view, view_text, SIZE
        )
        for kind, button in self.buttons.items():
            button.on_click(lambda _, kind=kind: self.attempt(lambda: self.press(kind)))
        self.again["remember"].on_click(
            lambda _: self.attempt(lambda: self.new_session(remember=True))
        )
        self.again["forget"].on_click(
            lambda _: self.attempt(lambda: self.new_session(remember=False))
        )
        self.keep["save"].on_click(
            lambda _: self.attempt(lambda: self.save(self.file.value))
        )
        self.keep["load"].on_click(
            lambda _: self.attempt(lambda: self.load(self.file.value))
        )

    def press(self, kind: str) -> View:
        """Press "listen", "skip" or "like"; what is seen then."""
        return self._show(self.listener.react(kind))

    def new_session(self, remember: bool = True) -> View:
        """Begin again, with the belief about you kept or forgotten."""
        return self._show(self.listener.new_session(remember))

    def save(self, path: str | Path) -> None:
        """Write the log to a CSV; nothing is written anywhere else or at any other time."""
        target = self.listener.save(path)
        self.note.value = html.escape(
            f"saved {len(self.listener.plays)} plays in {target}"
        )

    def load(self, path: str | Path) -> View:
        """Stand where a saved log ends; what was played here and not saved is gone."""
        view = self._show(Listener.load(self.listener.studio, csv_path(path)))
        self.note.value = html.escape(f"loaded {len(self.listener.plays)} plays")
        return view

    def attempt(self, action: Callable[[], object]) -> None:
        """Do what a button asks; what goes wrong is shown in red below (raised if ``RLREC_STRICT_WIDGETS`` is 1)."""
        self.note.value = ""
        try:
            action()
        except Exception as error:
            message = html.escape(f"{type(error).__name__}: {error}")
            self.note.value = (
                f'<span role="alert" style="color: #b00020">{message}</span>'
            )
            if os.environ.get("RLREC_STRICT_WIDGETS") == "1":
                raise

    def update(self) -> None:
        """Show where the listener stands."""
        super().update()
        for button in self.buttons.values():
            button.disabled = self.listener.over

    def _show(self, listener: Listener) -> View:
        """Show ``listener``; if that fails, stay with the one before."""
        before, self.listener = self.listener, listener
        try:
            return self.set(play=DRAWN if listener.sampled else BEST)
        except Exception:
            self.listener = before
            raise

    def _compute(self, play: str) -> View:
        self.listener = self.listener.choosing(play == DRAWN)
        return self.listener.view

    def _assemble(self) -> Any:
        row = {"flex_flow": "row wrap"}
        return ipywidgets.VBox(
            [
                ipywidgets.HTML(f"<b>{html.escape(self.title)}</b>"),
                self.line,
                ipywidgets.Box(
                    [*self.buttons.values(), *self.controls.values()], layout=row
                ),
                self.picture,
                ipywidgets.Box(
                    [*self.again.values(), self.file, *self.keep.values()], layout=row
                ),
                self.note,
            ]
        )


def _button(words: str) -> Any:
    return ipywidgets.Button(
        description=words, layout={"width": "auto", "min_width": "90px"}
    )
