"""Widgets that can be heard: a box "sound" that is off until a person ticks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets
from IPython.display import Audio

from rlrec.sound.synthesis import RATE
from rlrec.types import Floats
from rlrec.viz.widgets import Lab, Result, tick


class HeardLab(Lab[Result]):
    """A widget with a box "sound"; while it is ticked, each new result is played.

    ``samples(result)``: [n] in [-1, 1], ``RATE`` a second. It is not called before
    somebody ticks the box, which is no control: nothing of it is stored.
    """

    def __init__(self, *settings: Any, samples: Callable[[Result], Floats]) -> None:
        self.samples = samples
        self.switch = tick("sound", unit="music made from the eleven features")
        self.player = ipywidgets.Audio(value=b"", format="wav", loop=False)
        self.speaker = ipywidgets.HBox([self.switch, self.player])
        super().__init__(*settings)
        self.switch.observe(lambda _: self.play(), names="value")

    def play(self) -> None:
        """Play the present result, or be silent."""
        on = self.switch.value
        wav = b""
        if on:
            data = self.samples(self.result)
            audio = Audio(data, rate=RATE, normalize=False)  # type: ignore[no-untyped-call]
            wav = audio.data
        self.player.layout.display = None if on else "none"
        self.player.value = wav

    def update(self) -> None:
        """Compute, show and play the result."""
        super().update()
        self.play()

    def _assemble(self) -> Any:
        box = super()._assemble()
        box.children = (*box.children, self.speaker)
        return box
