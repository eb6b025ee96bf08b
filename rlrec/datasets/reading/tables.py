"""Read delimited text as it is found in practice: BOM, CRLF, semicolons, latin-1.

Every cell stays text here, and no row is dropped silently. A row with the wrong
number of fields, or with an open quotation mark, becomes a `Problem`; the rows after
it are read as usual.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rlrec.datasets.reading.reports import (
    Problem,
    Report,
    count_kinds,
    write_rejects,
)
from rlrec.errors import DataError
from rlrec.types import Floats, Ids

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

DELIMITERS = ("::", "\t", ";", ",", "|")
NAMED_CUT = 10  # rows listed in the note on a companion file
NOT_NUMBERS = "nan na n/a #n/a null none inf -inf +inf infinity -infinity".split()


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of one file, as text.

    header: H column names. rows: n lists of H cells.
    line_of [n]: the line on which a row starts, 1 or more.
    cut: rows with the wrong number of fields; they are not among `rows`.
    notes: remarks on the file, such as its encoding.
    lines: the file itself. end_of: first line -> last line of rows with several.
    """

    path: Path
    header: tuple[str, ...]
    rows: list[list[str]]
    line_of: Ids
    delimiter: str
    cut: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list, repr=False)
    end_of: dict[int, int] = field(default_factory=dict, repr=False)

    @property
    def total(self) -> int:
        """Rows in the file, usable or not."""
        return len(self.rows) + len(self.cut)

    def column(self, index: int) -> list[str]:
        """The cells of a column [n], without blanks around them."""
        return [row[index].strip() for row in self.rows]

    def raw(self, line: int) -> str:
        """The row that starts at `line` (1 or more), as it is in the file."""
        last = self.end_of.get(line, line)
        return "".join(self.lines[line - 1 : last]).rstrip("\r\n")

    def problem(
        self, row: int, kind: str, column: str, value: str, remedy: str, id: str = ""
    ) -> Problem:
        """A `Problem` of row `row`, an index into `rows`."""
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

    problems: row, an index into `table.rows` -> its problem.
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
        return np.delete(np.arange(len(self.table.rows)), list(self.problems))

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


def read_text(path: Path) -> tuple[str, list[str]]:
    """A file's text, and notes on its encoding.

    UTF-8 with or without BOM, UTF-16 with BOM, else latin-1. Raises `DataError` if
    the file cannot be read, is compressed or is binary.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if data.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        raise DataError(
            f"{path}: is a compressed archive, not text; unpack it first, or "
            "`rlrec data fetch --from`"
        )
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace"), ["encoding UTF-16"]
    if b"\0" in data[:4096]:
        raise DataError(f"{path}: is no text file; a CSV is needed")
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return data.decode("latin-1"), ["not UTF-8: read as latin-1"]


def sniff(line: str) -> str:
    """The delimiter of a header: the one most frequent outside quotation marks.

    >>> sniff("userId;movieId;rating"), sniff("1::1193::5::978300760")
    (';', '::')
    """
    unquoted = "".join(line.split('"')[::2])
    return max(DELIMITERS, key=unquoted.count)


def read_table(
    path: Path,
    *,
    header: Sequence[str] | None = None,
    delimiter: str | None = None,
    quotes: bool = True,
) -> Table:
    """Read a delimited file.

    header: column names for a file without header; None takes the first row.
    delimiter: None takes the most frequent one of the first row.
    quotes: whether `"` may enclose a cell (not in MovieLens and Last.fm).
    Raises `DataError` if the file cannot be read or has no row.
    """
    text, notes = read_text(path)
    lines = list(io.StringIO(text, newline=""))
    first = 0
    while first < len(lines) and not lines[first].strip():
        first += 1
    if first == len(lines):
        raise DataError(f"{path}: is empty; a header and at least one row are needed")
    delimiter = delimiter or sniff(lines[first])
    records = _records(lines, first, delimiter, quotes, len(header) if header else None)
    if header is None:
        header = [name.strip().lstrip("\ufeff") for name in next(records).fields]
    table = Table(
        path, tuple(header), [], np.empty(0, np.int64), delimiter, [], notes, lines
    )
    return _sort_out(table, records)


def _sort_out(table: Table, records: Iterable[_Record]) -> Table:
    """Fill a table with the records of the right width; the others are cut."""
    rows = table.rows
    starts: list[int] = []
    blank = 0
    width = len(table.header)
    for record in records:
        start, end, fields, _ = record
        if end - start > 1:
            table.end_of[start + 1] = end
        if len(fields) == width:
            rows.append(fields)
            starts.append(start + 1)
        elif "".join(fields).strip():
            table.cut.append(_cut_row(record, table.header, table.lines[start]))
        else:
            blank += 1
    if blank:
        table.notes.append(f"{blank:,} blank line{'s' * (blank != 1)} skipped")
    if not table.total:
        raise DataError(
            f"{table.path}: has a header ({', '.join(table.header)}) and no row "
            "under it"
        )
    return replace(table, line_of=np.array(starts, np.int64))


def _cut_row(record: _Record, header: tuple[str, ...], line: str) -> Problem:
    """Why a record has the wrong number of fields."""
    fields = record.fields
    limit = csv.field_size_limit()
    if "field limit" in record.error and len(line) > limit:
        kind = f"a cell of more than {limit:,} characters"
        found = f"{len(line):,} characters"
        remedy = "shorten it, or drop its column"
    elif line.count('"') % 2:
        kind = "a quotation mark never closes"
        found = "open quotation mark"
        remedy = "close it: it would swallow the rows that follow"
    else:
        few = len(fields) < len(header)
        kind = "too few fields (row cut in half?)" if few else "too many fields"
        found = f"{len(fields)} fields, the header has {len(header)}"
        remedy = (
            "complete the row, or put text that holds the separator in quotation marks"
        )
    name = fields[0].strip()[:40] if fields else ""
    return Problem(kind, record.start + 1, found, line.strip(), remedy, name)


class _Record(NamedTuple):
    """One record: lines start to end - 1 (from 0), and the csv module's error."""

    start: int
    end: int
    fields: list[str]
    error: str = ""


def _records(
    lines: list[str], first: int, delimiter: str, quotes: bool, width: int | None
) -> Iterator[_Record]:
    """All records. An open quotation mark spoils only its own line."""
    at = first
    while at < len(lines):
        reader = _reader(lines, at, delimiter, quotes)
        start = at
        error = ""
        try:
            for fields in reader:
                width = width or len(fields)
                end = at + reader.line_num
                if end - start > 1 and len(fields) != width:
                    break
                yield _Record(start, end, fields)
                start = end
            else:
                return
        except csv.Error as reason:
            error = str(reason)
        fields = lines[start].rstrip("\r\n").split(delimiter)
        yield _Record(start, start + 1, fields[: (width or 2) - 1], error)
        at = start + 1


def _reader(lines: list[str], at: int, delimiter: str, quotes: bool) -> CsvReader:
    source: Iterable[str] = lines
    if at:
        source = map(lines.__getitem__, range(at, len(lines)))
    if len(delimiter) > 1:
        # The csv module takes one character: '::' becomes an ASCII unit separator.
        long = delimiter
        delimiter = "\x1f"
        source = (line.replace(long, delimiter) for line in source)
    if quotes:
        return csv.reader(source, delimiter=delimiter, strict=True)
    return csv.reader(source, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True)


def to_numbers(values: Sequence[str], *, decimal_comma: bool = False) -> Floats:
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
