"""What a training shows and keeps while it goes: a bar or lines, ``metrics.csv``, TensorBoard events."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rlrec import storage

Told = dict[str, str]  # what a line on the screen says: its word for a field of the record


class Progress:
    """Takes each round's record; every few rounds, and when told to, a row of means goes to all three places.

    ``fields``: of the record, "step" first and "steps_per_second" last. ``every``: rounds in a row. ``start``: the step
    it goes on from. Rows in ``metrics.csv`` beyond that are dropped, and the events are written again from the rows
    that stay, so that a run that was resumed shows every step once.
    """

    def __init__(
        self, folder: Path, start: int, steps: int, *, fields: Sequence[str], told: Told, every: int = 10
    ) -> None:
        self.path, self.fields, self.told, self.every = folder / "metrics.csv", tuple(fields), told, every
        self.rounds: list[Any] = []
        rows = [row for row in storage.read_rows(self.path) if len(row) == len(self.fields) and int(row[0]) <= start]
        storage.write_rows(self.path, self.fields, rows)
        self.board = Board(folder / "tensorboard", self.fields, rows)
        self.shown = Shown(start, steps)

    def add(self, record: Any) -> None:
        """One more round."""
        self.rounds.append(record)
        if len(self.rounds) >= self.every:
            self.flush()

    def flush(self) -> None:
        """Make a row of the rounds since the last one; none if there are none."""
        if not self.rounds:
            return
        last = self.rounds[-1]
        means = {name: _mean([getattr(record, name) for record in self.rounds]) for name in self.fields[1:-1]}
        speed = len(self.rounds) / sum(1.0 / record.steps_per_second for record in self.rounds)  # time adds up
        row = [str(last.step), *(_text(value) for value in means.values()), f"{speed:.0f}"]
        storage.append_row(self.path, row)
        self.board.add(row)
        self.shown.show(last.step, {word: means[name] for word, name in self.told.items()}, speed)
        self.rounds.clear()

    def close(self) -> None:
        """Write what is left and put the bar away."""
        self.flush()
        self.board.close()
        self.shown.close()


class Shown:
    """A bar on a terminal; elsewhere a line for every tenth of the way. Both on stderr."""

    def __init__(self, start: int, steps: int) -> None:
        from tqdm.auto import tqdm

        self.start, self.steps, self.begun, self.tenth = start, steps, time.monotonic(), 10 * start // steps
        is_terminal = sys.stderr.isatty()
        self.bar: Any = tqdm(total=steps, initial=start, unit="step", file=sys.stderr) if is_terminal else None

    def show(self, step: int, told: dict[str, float], speed: float) -> None:
        """Where it stands."""
        texts = {name: f"{value:.3f}" for name, value in told.items()}
        if self.bar is not None:
            self.bar.set_postfix(texts, refresh=False)
            self.bar.update(min(step, self.steps) - self.bar.n)
        elif 10 * step // self.steps > self.tenth:
            self.tenth = 10 * step // self.steps
            left = (time.monotonic() - self.begun) / max(step - self.start, 1) * max(self.steps - step, 0)
            words = "  ".join(f"{name} {text}" for name, text in texts.items())
            line = f"{min(10 * self.tenth, 100):>4}%  step {step:,}  {words}  {speed:.0f} steps/s  {left:.0f} s left"
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Put the bar away."""
        if self.bar is not None:
            self.bar.close()


class Board:
    """Events for TensorBoard, made without it: `tensorboard --logdir runs` shows them where it is installed."""

    def __init__(self, folder: Path, fields: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        from rlrec.nn.backend import tf

        shutil.rmtree(folder, ignore_errors=True)
        self.fields, self.tf, self.writer = fields, tf, tf.summary.create_file_writer(str(folder))
        plugin = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
        self.kind = tf.compat.v1.SummaryMetadata(plugin_data=plugin, data_class=1)  # 1: a scalar
        for row in rows:
            self.add(row)

    def add(self, row: Sequence[str]) -> None:
        """A row of ``metrics.csv``; empty cells are left out."""
        cells = dict(zip(self.fields, row, strict=True))
        with self.writer.as_default():
            for name in self.fields[1:-1]:
                if cells[name]:
                    value = self.tf.constant(float(cells[name]), self.tf.float32)
                    self.tf.summary.write(f"train/{name}", value, step=int(cells["step"]), metadata=self.kind)
        self.writer.flush()

    def close(self) -> None:
        """Close the file."""
        self.writer.close()


def _mean(values: Sequence[float]) -> float:
    there = [value for value in values if np.isfinite(value)]
    return float(np.mean(there)) if there else float("nan")


def _text(value: float) -> str:
    return f"{value:.6g}" if np.isfinite(value) else ""
