"""What a training shows and stores: a bar, ``metrics.csv``, TensorBoard events."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from rlrec import storage
from rlrec.errors import warn

# Control characters, and those that turn the direction of writing; not colours.
_COLOUR_OR_CONTROL = re.compile(
    r"(\x1b\[[\d;]*m)|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)


def printable(text: str) -> str:
    r"""``text`` without what a title could do to a terminal.

    >>> print(printable("Up\x1b[2J and \x07"))
    Up\x1b[2J and \x07
    """
    return _COLOUR_OR_CONTROL.sub(lambda found: found[1] or ascii(found[0])[1:-1], text)


class Screen:
    """A stream that outlives its reader, and that can show every title.

    What its encoding can't show appears as ``\\u0416``. Once a pipe or terminal is
    closed, nothing more is written. clean: whether control characters are shown, too.
    """

    def __init__(self, stream: Any, clean: bool) -> None:
        self.stream = stream
        self.clean = clean

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write as much of ``text`` as can be shown."""
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        shown = printable(text) if self.clean else text
        shown = shown.encode(encoding, "backslashreplace").decode(encoding)
        self._safely(lambda: self.stream.write(shown))
        return len(text)

    def flush(self) -> None:
        """Flush, if somebody still reads."""
        self._safely(self.stream.flush)

    def _safely(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError:
            with suppress(OSError), open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), self.stream.fileno())


class Progress:
    """Takes each round's record; every few rounds their means are shown and stored.

    fields: of a record, "step" first and "steps_per_second" last. shown: on the screen,
    word -> field. every: rounds in a row of ``metrics.csv``. start: the step to go on
    from; rows beyond it are dropped, and the events are written again from those that
    stay, so a resumed run shows each step once.
    """

    def __init__(
        self,
        folder: Path,
        start: int,
        steps: int,
        *,
        fields: Sequence[str],
        shown: Mapping[str, str],
        every: int = 10,
    ) -> None:
        self.path = folder / "metrics.csv"
        self.fields = tuple(fields)
        self.shown = shown
        self.every = every
        self.rounds: list[Any] = []
        rows = self._former(start)
        storage.write_rows(self.path, self.fields, rows)
        self.events = EventWriter(folder / "tensorboard", self.fields, rows)
        self.screen = ProgressBar(start, steps)

    def _former(self, start: int) -> list[list[str]]:
        """The rows up to ``start``; a file with others is set aside, with a warning."""
        rows: list[list[str]] = []
        broken = False
        for row in storage.read_rows(self.path):
            try:
                numbers = [float(cell or 0) for cell in row]
                step = int(row[0])
            except (ValueError, IndexError):
                broken = True
                continue
            broken |= len(numbers) != len(self.fields)
            if len(numbers) == len(self.fields) and step <= start:
                rows.append(row)
        if broken:
            aside = storage.set_aside(self.path)
            warn(f"{self.path}: some rows can't be read, so it is now {aside}")
        if start and not rows:
            warn(f"{self.path}: no row up to step {start:,}; the training goes on")
        return rows

    def add(self, record: Any) -> None:
        """Take one more round."""
        self.rounds.append(record)
        if len(self.rounds) >= self.every:
            self.flush()

    def flush(self) -> None:
        """Make a row of the rounds since the last one; none if there are none."""
        if not self.rounds:
            return
        last = self.rounds[-1]
        means = {name: self._mean(name) for name in self.fields[1:-1]}
        seconds_a_step = sum(1.0 / one.steps_per_second for one in self.rounds)
        speed = len(self.rounds) / seconds_a_step
        cells = [f"{mean:.6g}" if np.isfinite(mean) else "" for mean in means.values()]
        row = [str(last.step), *cells, f"{speed:.0f}"]
        self.rounds.clear()  # first: a terminal that was closed makes no row twice
        storage.append_row(self.path, row)
        self.events.add(row)
        shown = {word: f"{means[name]:.3f}" for word, name in self.shown.items()}
        self.screen.show(last.step, shown, speed)

    def _mean(self, name: str) -> float:
        values = np.array([getattr(record, name) for record in self.rounds], float)
        finite = values[np.isfinite(values)]
        return float(np.mean(finite)) if len(finite) else float("nan")

    def close(self) -> None:
        """Write what is left and close the bar."""
        self.flush()
        self.events.close()
        self.screen.close()


class ProgressBar:
    """On stderr: a bar on a terminal, elsewhere a line for each tenth of the steps."""

    def __init__(self, start: int, steps: int) -> None:
        self.steps = steps
        self.tenth = 10 * start // steps
        self.bar: Any = None
        if sys.stderr.isatty():
            from tqdm.auto import tqdm

            self.bar = tqdm(total=steps, initial=start, unit="step", file=sys.stderr)

    def show(self, step: int, texts: Mapping[str, str], speed: float) -> None:
        """Show ``step``, the figures ``texts`` and the ``speed`` in steps a second."""
        if self.bar is not None:
            self.bar.set_postfix(texts, refresh=False)
            self.bar.update(min(step, self.steps) - self.bar.n)
            return
        tenth = 10 * step // self.steps
        if tenth > self.tenth:
            self.tenth = tenth
            left = max(self.steps - step, 0) / speed  # not slowed by the warm-up
            words = "  ".join(f"{name} {text}" for name, text in texts.items())
            print(
                f"{min(10 * tenth, 100):>4}%  step {step:,}  {words}  "
                f"{speed:.0f} steps/s  {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    def close(self) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()


class EventWriter:
    """Events that TensorBoard reads; they are written without TensorBoard installed."""

    def __init__(
        self, folder: Path, fields: Sequence[str], rows: Sequence[Sequence[str]]
    ) -> None:
        from rlrec.nn.backend import tf

        shutil.rmtree(folder, ignore_errors=True)
        self.fields = fields
        self.tf = tf
        self.writer = tf.summary.create_file_writer(str(folder))
        plugin = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
        # data class 1: a scalar
        self.kind = tf.compat.v1.SummaryMetadata(plugin_data=plugin, data_class=1)
        for row in rows:
            self.add(row)

    def add(self, row: Sequence[str]) -> None:
        """Write a row of ``metrics.csv``; empty cells are left out."""
        step = int(row[0])
        with self.writer.as_default():
            for name, cell in zip(self.fields[1:-1], row[1:-1], strict=True):
                if cell:
                    value = self.tf.constant(float(cell), self.tf.float32)
                    self.tf.summary.write(
                        f"train/{name}", value, step=step, metadata=self.kind
                    )
        self.writer.flush()

    def close(self) -> None:
        """Close the file."""
        self.writer.close()
