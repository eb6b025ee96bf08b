"""Tables as they are found in practice: BOM, CRLF, semicolons, cp1252, gzip, JSON.

Cells are text, or whole columns of numbers.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.reading.engines import BLANKS, LONG, Body, parse
from rlrec.datasets.reading.reports import (
    Problem,
    Report,
    count_kinds,
    write_rejects,
)
from rlrec.datasets.reading.sources import json_records, read_data
from rlrec.errors import DataError
from rlrec.types import Floats, Ids

if TYPE_CHECKING:
    import pandas as pd

DELIMITERS = (LONG, "\t", ";", ",", "|")
NAMED_CUT = 10  # rows listed in the note on a companion file
NOT_NUMBERS = "nan na n/a #n/a null none inf -inf +inf infinity -infinity".split()
Header = Sequence[str] | Callable[[list[str]], Sequence[str] | None] | None
_LEAD = re.compile(rb"(?:[ \t]*\n)*(?:sep=(.)\n)?(?:[ \t]*\n)*")


@dataclass(eq=False)
class Table:
    """The rows of one file.

    header: H column names. frame: n rows, H columns: whole numbers as int64, numbers
    as float64 where no cell is anything else, else text.
    line_of [n]: the line on which a row starts, 1 or more.
    delimiter: "" for JSON.
    cut: rows with the wrong number of fields; they are not in `frame`. blank: how many
    lines are.
    notes: remarks on the file, such as its encoding.
    end_of: first line -> last line of rows with several.
    """

    path: Path
    delimiter: str
    again: Callable[[], Table] = field(repr=False)  # reads all cells as text
    notes: list[str]
    header: tuple[str, ...] = ()
    frame: pd.DataFrame = field(default_factory=list)  # type: ignore[assignment]
    line_of: Ids = field(default_factory=lambda: np.empty(0, np.int64))
    cut: list[Problem] = field(default_factory=list)
    blank: int = 0
    end_of: dict[int, int] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        """Rows that have the right number of fields."""
        return len(self.frame)

    @property
    def total(self) -> int:
        """Rows in the file, usable or not."""
        return len(self) + len(self.cut)

    def column(self, index: int) -> NDArray[np.object_]:
        """The cells of a column [n] as text, without blanks around them."""
        cells = self.frame[index]
        if cells.dtype == np.float64:
            cells = self._as_text.frame[index]
        found = np.empty(len(cells), object)
        found[:] = [str(cell).strip() for cell in cells.tolist()]
        return found

    def numbers(self, index: int, *, decimal_comma: bool = False) -> Floats:
        """The cells of a column [n] as numbers; nan where a cell is none."""
        cells = self.frame[index]
        if cells.dtype != object:
            return cells.to_numpy(np.float64)
        return to_numbers(self.column(index), decimal_comma=decimal_comma)

    def text(self, row: int, index: int) -> str:
        """A cell as it is in the file, without blanks around it."""
        cells = self.frame[index]
        if cells.dtype == np.float64:
            cells = self._as_text.frame[index]
        return str(cells.iat[row]).strip()

    @cached_property
    def _as_text(self) -> Table:
        return self.again()

    @cached_property
    def _lines(self) -> list[bytes]:
        return read_data(self.path)[0].split(b"\n")

    def raw(self, line: int) -> str:
        """The row that starts at `line` (1 or more), as it is in the file."""
        if not self.delimiter:
            cells = dict(zip(self.header, self.frame.iloc[line - 1], strict=True))
            return json.dumps(cells, ensure_ascii=False)
        last = self.end_of.get(line, line)
        return b"\n".join(self._lines[line - 1 : last]).decode()

    def problem(
        self, row: int, kind: str, column: str, value: str, remedy: str, id: str = ""
    ) -> Problem:
        """A `Problem` of row `row`, an index of `frame`."""
        return Problem(kind, int(self.line_of[row]), column, value, remedy, id)

    def cut_notes(self) -> list[str]:
        """A note that lists the cut rows of a companion file; [] if there are none."""
        if not self.cut:
            return []
        named = []
        for problem in self.cut[:NAMED_CUT]:
            named.append(f"row {problem.row} ({problem.kind})")
        more = len(self.cut) - NAMED_CUT
        return [
            f"{self.path.name}: {len(self.cut):,} of {self.total:,} rows left out: "
            f"{', '.join(named)}{f' and {more:,} more' if more > 0 else ''}"
        ]

    def report(
        self,
        what: str,
        counts: dict[str, int],
        rejected: Sequence[Problem],
        notes: Iterable[str],
        warnings: Sequence[Problem] = (),
    ) -> Report:
        """The report on this file; its own notes come before `notes`."""
        return Report(
            str(self.path),
            what,
            self.total,
            counts,
            tuple(rejected),
            tuple(warnings),
            (*self.notes, *notes),
        )


class Rejected:
    """The rows of a table that cannot be used, with the first problem of each.

    problems: row, an index of its frame -> its problem.
    """

    def __init__(self, table: Table) -> None:
        """Start with the rows that the table itself has cut."""
        self.table = table
        self.problems: dict[int, Problem] = {}

    def add(
        self, row: int, kind: str, column: str, value: str, remedy: str, id: str = ""
    ) -> None:
        """Reject a row, unless it is rejected already."""
        if row not in self.problems:
            problem = self.table.problem(row, kind, column, value, remedy, id)
            self.problems[row] = problem

    def add_number(
        self, row: int, number: float, column: str, text: str, remedy: str, id: str = ""
    ) -> None:
        """Reject a row because of a cell: no finite `number`, or out of its range."""
        kind = "out of its range" if np.isfinite(number) else why_not_a_number(text)
        self.add(row, kind, column, text, remedy, id)

    def usable(self) -> Ids:
        """The rows without a problem, in ascending order."""
        return np.delete(np.arange(len(self.table)), list(self.problems))

    def finish(
        self,
        rejects: Path | None,
        cause: str = "",
        superseded: Iterable[Problem] = (),
    ) -> list[Problem]:
        """All problems in the order of the file; they are written to `rejects`.

        cause: the likely cause, for the message. superseded: rows that are left out
        although nothing is wrong with them. Raises `DataError` if more than half of
        the rows are unusable.
        """
        unusable = [*self.table.cut, *self.problems.values()]
        everything = sorted([*unusable, *superseded], key=attrgetter("row"))
        write_rejects(rejects, everything, self.table.raw)
        if 2 * len(unusable) > self.table.total:
            raise DataError(self._refusal(unusable, cause))
        return everything

    def _refusal(self, unusable: list[Problem], cause: str) -> str:
        kinds = []
        for kind, count in count_kinds(unusable).items():
            kinds.append(f"{count:,} rows: {kind}")
        first = min(unusable, key=attrgetter("row"))
        remedy = f" -> {first.remedy}" if first.remedy else ""
        return (
            f"{self.table.path}: refused, {len(unusable):,} of {self.table.total:,} "
            f"rows are unusable. {cause or f'first at {first}'}. "
            f"({'; '.join(kinds)}){remedy}"
        )


def sniff(line: str) -> str:
    """The delimiter of a header: the one most frequent outside quotation marks.

    >>> sniff("userId;movieId;rating"), sniff("1::1193::5::978300760"), sniff("1  7 5")
    (';', '::', ' ')
    """
    unquoted = "".join(line.split('"')[::2])
    best = max(DELIMITERS, key=unquoted.count)
    return best if best in unquoted or " " not in unquoted.strip() else BLANKS


def read_table(
    path: Path,
    *,
    header: Header = None,
    delimiter: str | None = None,
    quotes: bool = True,
    numbers: bool = True,
) -> Table:
    """Read a delimited file or JSON, plain or packed, or a folder of histories.

    header: column names for a file without header; None takes the first row; a function
    says from the cells of the first row which it is.
    delimiter: None takes the most frequent one of the first row.
    quotes: whether `"` may enclose a cell (not in MovieLens and Last.fm).
    numbers: False leaves all cells text.
    Raises `DataError` if the file cannot be read or has no row.
    """
    again = partial(
        read_table,
        path,
        header=header,
        delimiter=delimiter,
        quotes=quotes,
        numbers=False,
    )
    files = history_files(path) or [path]
    data, notes = read_data(files[0])
    records = json_records(files[0], data)
    if records is None:
        table = Table(path, delimiter or "", again, notes)
        _read_text(table, data, header, quotes, numbers)
    else:
        for file in files[1:]:
            records += json_records(file, read_data(file)[0]) or []
        table = Table(path, "", again, notes)
        _fill(table, records)
    if table.blank:
        notes.append(f"{table.blank:,} blank line{'s' * (table.blank != 1)} skipped")
    if not table.total:
        raise DataError(
            f"{path}: has a header ({', '.join(table.header)}) and no row under it"
        )
    return table


def _read_text(
    table: Table, data: bytes, header: Header, quotes: bool, numbers: bool
) -> None:
    """Fill a table with the rows of delimited text. Raises `DataError` for none."""
    lead = _LEAD.match(data)
    start = lead.end() if lead else 0
    line = data[start : data.find(b"\n", start) % (len(data) + 1)].decode()
    if not line.strip():
        raise DataError(
            f"{table.path}: is empty; a header and at least one row are needed"
        )
    if not table.delimiter:
        table.delimiter = lead[1].decode() if lead and lead[1] else sniff(line)
    if callable(header):
        header = header(_cells(line, table.delimiter))
        if header:
            table.notes.append(
                f"no header: columns taken as {', '.join(header)}; if they are not: "
                "--user-column 2 --item-column 1"
            )
    first = data.count(b"\n", 0, start) + 1
    body = Body.make(data[start:], first, table.delimiter, quotes)
    parse(table, body, header, numbers)


def history_files(folder: Path) -> list[Path]:
    """Spotify's files of a listening history in a folder."""
    return sorted(folder.glob("Streaming*History*.json"))


def _cells(line: str, delimiter: str) -> list[str]:
    """The cells of a line, without quotation marks around them."""
    if delimiter == BLANKS:
        return line.split()
    if delimiter == LONG:
        return line.split(LONG)
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]
    except csv.Error:
        return []


def _fill(table: Table, records: list[dict[str, str]]) -> None:
    """Fill a table with the records of JSON; a row's line is its number."""
    import pandas as pd

    table.header = tuple(dict.fromkeys(name for record in records for name in record))
    rows = [[record.get(name, "") for name in table.header] for record in records]
    table.frame = pd.DataFrame(rows, columns=range(len(table.header)), dtype=object)
    table.line_of = np.arange(1, len(rows) + 1)


def to_numbers(values: Iterable[str], *, decimal_comma: bool = False) -> Floats:
    """Text [n] as float64 [n]; nan where it is not a number.

    decimal_comma: also read `0,5` as 0.5.
    """
    import pandas as pd

    series = pd.Series(values, dtype=object)
    found = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64)
    if decimal_comma and np.isnan(found).any():
        dotted = series.str.replace(",", ".", n=1, regex=False)
        retry = pd.to_numeric(dotted, errors="coerce").to_numpy(dtype=np.float64)
        found = np.where(np.isnan(found), retry, found)
    return found


def why_not_a_number(value: str) -> str:
    """The kind of problem of a cell that is not a finite number."""
    if not value:
        return "empty cell"
    if value.lower() in NOT_NUMBERS:
        return "nan or inf"
    return "text where a number belongs"


def range_remedy(name: str, low: float, high: float, whole: bool) -> str:
    """What to do about a number that is not in its range."""
    return f"{name} must lie in {low:g} to {high:g}{', a whole number' * whole}"
