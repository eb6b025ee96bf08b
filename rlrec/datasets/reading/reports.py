"""What a loader found in a file: counts, rejected rows and warnings.

`rlrec data check` prints it. Which rows are rejected is decided by the loaders, with
`tables.Rejected`.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlrec.errors import DataError, warn
from rlrec.storage import require_output, write_text

NAMED_WARNINGS = 10  # rows listed for each kind of warning
NAMED_REJECTS = 3  # rows listed for each kind of rejection
LONGEST = 1_000  # characters of a title or an id
REJECTS = "row,reason,column,value,remedy,raw"  # the first line of --rejects


@dataclass(frozen=True)
class Problem:
    """One row that was rejected, or kept with a warning.

    kind: what is wrong, in a few words; problems are counted by it.
    row: line of the file, 1 or more; the header, if there is one, is row 1.
    column, value: the cell, as text; "" where the problem is not in one cell.
    remedy: what to do about it. id: the id of the item or user, "" if unknown.
    """

    kind: str
    row: int
    column: str = ""
    value: str = ""
    remedy: str = ""
    id: str = ""

    def __str__(self) -> str:
        """For example `row 17 (id 4uLU6h): energy = '916'`."""
        name = f" (id {self.id})" if self.id else ""
        value = f" = {shorten(self.value)!r}" if self.value or self.column else ""
        return f"row {self.row}{name}: {self.column}{value}".rstrip(": ")


@dataclass(frozen=True)
class Report:
    """What one file contains.

    path: the file or folder that was read.
    what: "tracks", "ratings", "sessions" or "play counts".
    rows: rows of data in the file, usable or not, without header and blank lines.
    counts: numbers of things loaded, such as {"tracks": 28356, "genres": 6}.
    rejected: one `Problem` for each row that was left out.
    warnings: one `Problem` for each remark on a row that was kept.
    notes: sentences about the whole file.
    """

    path: str
    what: str
    rows: int
    counts: dict[str, int]
    rejected: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    def render(self) -> str:
        """The report as text, at most 100 columns wide unless values are long."""
        lines = [f"{self.path}: {self.what}", _count_line("rows", self.rows)]
        for name, count in self.counts.items():
            lines.append(_count_line(name, count))
        lines.append(_count_line("rejected", len(self.rejected)))
        lines += _problem_lines(self.rejected, NAMED_REJECTS)
        lines.append(_count_line("warnings", len(self.warnings)))
        lines += _problem_lines(self.warnings, NAMED_WARNINGS)
        for note in self.notes:
            lines.append(f"  note: {note}")
        return "\n".join(lines)

    __str__ = render


def count_kinds(problems: Iterable[Problem]) -> dict[str, int]:
    """Number of problems of each kind, most frequent first."""
    return dict(Counter(map(attrgetter("kind"), problems)).most_common())


def _count_line(name: str, count: int) -> str:
    return f"  {name:<12}{count:>12,}"


def _problem_lines(problems: Sequence[Problem], named: int) -> list[str]:
    """The lines of a report on each kind of problem, with `named` rows of it."""
    lines: list[str] = []
    for kind, count in count_kinds(problems).items():
        of_kind = [problem for problem in problems if problem.kind == kind]
        lines.append(f"    {kind}: {count:,} row{'s' * (count != 1)}")
        for problem in of_kind[:named]:
            lines.append(f"      {problem}")
        if count > named:
            lines.append(f"      ... and {count - named:,} more")
        remedies = dict.fromkeys(map(attrgetter("remedy"), of_kind))
        for remedy in list(filter(None, remedies))[:3]:
            lines.append(f"      -> {remedy}")
    return lines


def shorten(text: str, width: int = 60) -> str:
    """`text`, cut to `width` characters with an ellipsis."""
    return text if len(text) <= width else text[: width - 3] + "..."


def text_array(values: Iterable[str], name: str) -> NDArray[np.str_]:
    """``values`` as an array, in which each takes as much room as the longest one.

    Titles and artists (``name``) of more than `LONGEST` characters are cut, with a
    warning; ids can't be: they raise `DataError`.
    """
    found = list(values)
    longest = max(map(len, found), default=0)
    if longest > LONGEST:
        problem = f"{name} of {longest:,} characters, more than {LONGEST:,}"
        if name not in ("title", "artist"):
            raise DataError(f"{problem}: is a quotation mark missing?")
        warn(f"{problem}: cut")
        found = [value[:LONGEST] for value in found]
    return np.array(found, np.str_)


def refuse_overwriting(rejects: Path | None) -> None:
    """Raise `ConfigError` unless `rejects` can be written: new, or an earlier one."""
    require_output(rejects, "--rejects", lambda text: text.startswith(REJECTS))


def _no_formula(cell: object) -> str:
    """A cell that a spreadsheet shows and does not compute."""
    text = str(cell)
    return f"'{text}" if text.startswith(tuple("=+-@\t\r")) else text


def write_rejects(
    rejects: Path | None, problems: Iterable[Problem], text_of: Callable[[int], str]
) -> None:
    """Write rejected rows as CSV: row, reason, column, value, remedy, raw text.

    rejects: the file to write, None for none. It is written even if no row was
    rejected, so that it never keeps the rows of an earlier run.
    text_of: line of the file -> the row that starts there, as it is in the file.
    """
    if rejects is None:
        return
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    buffer.write(f"{REJECTS}\n")
    cells = attrgetter("row", "kind", "column", "value", "remedy")
    for problem in problems:
        row = [*cells(problem), text_of(problem.row)]
        writer.writerow(map(_no_formula, row))
    write_text(rejects, buffer.getvalue())
