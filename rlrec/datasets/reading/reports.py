"""What a loader found in a file: counts, rejected rows, warnings. `rlrec data check` prints it."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlrec.errors import DataError

NAMED_WARNINGS = 10  # a kind of warning with at most this many rows names them all
NAMED_REJECTS = 3  # rejected rows named for each kind and column


@dataclass(frozen=True)
class Problem:
    """One row that was rejected or kept with a warning.

    `row` is the line of the file, counted as an editor counts: the header, if there is one, is row 1.
    """

    kind: str
    row: int
    column: str = ""
    value: str = ""
    remedy: str = ""
    id: str = ""

    def __str__(self) -> str:
        """`row 17 (id 4uLU6h): energy = 916`."""
        name = f" (id {self.id})" if self.id else ""
        value = f" = {shorten(self.value)!r}" if self.value or self.column else ""
        return f"row {self.row}{name}: {self.column}{value}".rstrip(": ")


@dataclass(frozen=True)
class Report:
    """What one file holds.

    path: the file or folder read. what: "tracks", "ratings", "sessions" or "play counts".
    rows: data rows in the file, usable or not (header and blank lines are not counted).
    counts: what came out, in order of importance, such as {"tracks": 28356, "genres": 6}.
    rejected: one `Problem` for each unusable row. warnings: one for each row kept with a remark.
    notes: sentences about the whole file.
    """

    path: str
    what: str
    rows: int
    counts: dict[str, int]
    rejected: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rejected_by_kind(self) -> dict[str, int]:
        """How many rows were rejected, by kind, most frequent first."""
        return _tally(self.rejected)

    @property
    def warnings_by_kind(self) -> dict[str, int]:
        """How many rows were kept with a warning, by kind, most frequent first."""
        return _tally(self.warnings)

    def render(self) -> str:
        """The report as text, at most 100 columns wide but for long values."""
        lines = [f"{self.path}: {self.what}", f"  {'rows':<12}{self.rows:>12,}"]
        lines += [f"  {name:<12}{count:>12,}" for name, count in self.counts.items()]
        lines += [f"  {'rejected':<12}{len(self.rejected):>12,}"]
        lines += _render_group(self.rejected, NAMED_REJECTS)
        lines += [f"  {'warnings':<12}{len(self.warnings):>12,}"]
        lines += _render_group(self.warnings, NAMED_WARNINGS)
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)

    __str__ = render


def _tally(problems: Iterable[Problem]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for problem in problems:
        counts[problem.kind] = counts.get(problem.kind, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))


def _render_group(problems: Sequence[Problem], named: int) -> list[str]:
    lines: list[str] = []
    for kind, count in _tally(problems).items():
        of_kind = [problem for problem in problems if problem.kind == kind]
        remedies = list(
            dict.fromkeys(problem.remedy for problem in of_kind if problem.remedy)
        )
        lines.append(f"    {kind}: {count:,} row{'s' * (count != 1)}")
        lines += [f"      {problem}" for problem in of_kind[:named]]
        if count > named:
            lines.append(f"      ... and {count - named:,} more")
        lines += [f"      -> {remedy}" for remedy in remedies[:3]]
    return lines


def shorten(text: str, width: int = 60) -> str:
    """`text`, cut to `width` characters with an ellipsis."""
    return text if len(text) <= width else text[: width - 3] + "..."


def write_atomically(path: Path, text: str) -> None:
    """Write `text` (UTF-8, line ends as given): a reader sees the old file or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"
    )
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def refuse_overwriting(rejects: Path | None, source: Path) -> None:
    """Raise `DataError` if `rejects` is the input itself, a link to it, or a folder."""
    if rejects is None:
        return
    if rejects.is_dir():
        raise DataError(
            f"{rejects} is a folder: give --rejects the name of a file to write"
        )
    inputs = (
        [source]
        if source.is_file()
        else [child for child in source.iterdir() if child.is_file()]
    )
    if rejects.exists() and any(rejects.samefile(path) for path in inputs):
        raise DataError(
            f"{rejects} is the file being read: give --rejects another name, nothing was written"
        )


def write_rejects(
    rejects: Path | None, problems: Sequence[Problem], raw: Callable[[int], str]
) -> None:
    """Write every rejected row as CSV: row, reason, column, value, remedy, then the row as it stands in the file.

    `raw(i)` gives the text of `problems[i]`. Written even when nothing was rejected (the header alone), so that
    a file left by an earlier run cannot be taken for this one's.
    """
    if rejects is None:
        return
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["row", "reason", "column", "value", "remedy", "raw"])
    for index, problem in enumerate(problems):
        writer.writerow(
            [
                problem.row,
                problem.kind,
                problem.column,
                problem.value,
                problem.remedy,
                raw(index),
            ]
        )
    write_atomically(rejects, buffer.getvalue())
