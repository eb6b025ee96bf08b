"""Reading delimited text as people really have it: BOMs, CRLF, semicolons, latin-1, rows cut in half.

Every cell stays text here; nothing is guessed and nothing dropped. A row with the wrong number of fields, or a
quotation mark that never closes, becomes a `Problem` and the rows after it survive.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.reading.reports import Problem
from rlrec.errors import DataError

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

DELIMITERS = ("::", "\t", ";", ",", "|")
NAMED_CUT = 10  # rows that a sentence about a file read along names
NOT_NUMBERS = frozenset(
    {
        "nan",
        "na",
        "n/a",
        "#n/a",
        "null",
        "none",
        "inf",
        "-inf",
        "+inf",
        "infinity",
        "-infinity",
    }
)


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of one file, as text. `line_of[i]` is where row i starts (first line of the file: 1)."""

    path: Path
    header: tuple[str, ...]
    rows: list[list[str]]
    line_of: NDArray[np.int64]
    delimiter: str
    cut: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list, repr=False)
    end_of: dict[int, int] = field(
        default_factory=dict, repr=False
    )  # first line -> last line, where they differ

    @property
    def total(self) -> int:
        """Rows in the file, usable or not."""
        return len(self.rows) + len(self.cut)

    def column(self, index: int) -> list[str]:
        """One column as text, stripped of blanks around it."""
        return [row[index].strip() for row in self.rows]

    def raw(self, row: int) -> str:
        """The row that starts at line `row` (1 = first line of the file), all its lines, as it stands in the file."""
        return "".join(self.lines[row - 1 : self.end_of.get(row, row)]).rstrip("\r\n")

    def cut_notes(self) -> list[str]:
        """A sentence naming the rows that were cut, for a file read along with another; nothing if none was."""
        if not self.cut:
            return []
        named = ", ".join(
            f"row {problem.row} ({problem.kind})" for problem in self.cut[:NAMED_CUT]
        )
        more = (
            f" and {len(self.cut) - NAMED_CUT:,} more"
            if len(self.cut) > NAMED_CUT
            else ""
        )
        return [
            f"{self.path.name}: {len(self.cut):,} of {self.total:,} rows left out: {named}{more}"
        ]


def read_text(path: Path) -> tuple[str, list[str]]:
    """A file's text and remarks on its encoding: UTF-8 with or without BOM, UTF-16 with BOM, else latin-1."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if data[:4] == b"PK\x03\x04" or data[:2] == b"\x1f\x8b":
        raise DataError(
            f"{path}: is a compressed archive, not text; unpack it first, or `rlrec data fetch --from`"
        )
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace"), ["encoding UTF-16"]
    if b"\0" in data[:4096]:
        raise DataError(f"{path}: is no text file; a CSV is needed")
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return data.decode("latin-1"), ["not UTF-8: read as latin-1"]


def sniff(line: str) -> str:
    """The delimiter of a header line: the one that cuts it into most fields, quoted text left alone.

    >>> sniff("userId;movieId;rating"), sniff("1::1193::5::978300760")
    (';', '::')
    """
    bare = "".join(part for index, part in enumerate(line.split('"')) if index % 2 == 0)
    return max(DELIMITERS, key=lambda mark: (bare.count(mark), -DELIMITERS.index(mark)))


def read_table(
    path: Path,
    *,
    header: Sequence[str] | None = None,
    delimiter: str | None = None,
    quotes: bool = True,
) -> Table:
    """Read a delimited file.

    header: column names for a file that has none; None takes them from the first row.
    delimiter: None looks at the first row. quotes: whether `"` may wrap a cell (MovieLens and Last.fm: no).
    Raises `DataError` if the file cannot be read or holds no row.
    """
    text, notes = read_text(path)
    lines = list(io.StringIO(text, newline=""))
    first = next((at for at, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise DataError(f"{path}: is empty; a header and at least one row are needed")
    delimiter = delimiter or sniff(lines[first])
    records = _records(lines, first, delimiter, quotes, len(header) if header else None)
    if header is None:
        header = tuple(name.strip().lstrip("\ufeff") for name in next(records).fields)
    return _sort_out(path, tuple(header), records, delimiter, notes, lines)


def _sort_out(
    path: Path,
    header: tuple[str, ...],
    records: Iterable[_Record],
    delimiter: str,
    notes: list[str],
    lines: list[str],
) -> Table:
    rows: list[list[str]] = []
    starts: list[int] = []
    cut: list[Problem] = []
    end_of: dict[int, int] = {}
    blank = 0
    width = len(header)
    for start, end, fields, error in records:
        if end - start > 1:
            end_of[start + 1] = end
        if len(fields) == width:
            rows.append(fields)
            starts.append(start + 1)
        elif not any(cell.strip() for cell in fields):
            blank += 1
        else:
            cut.append(_cut_row(start + 1, fields, header, lines[start], error))
    if blank:
        notes = [*notes, f"{blank:,} blank line{'s' * (blank != 1)} skipped"]
    if not rows and not cut:
        raise DataError(
            f"{path}: has a header ({', '.join(header)}) and no row under it"
        )
    return Table(
        path,
        header,
        rows,
        np.array(starts, np.int64),
        delimiter,
        cut,
        notes,
        lines,
        end_of,
    )


def _cut_row(
    row: int, fields: list[str], header: tuple[str, ...], line: str, error: str
) -> Problem:
    kind = (
        "too few fields (row cut in half?)"
        if len(fields) < len(header)
        else "too many fields"
    )
    remedy = "complete the row, or put text that holds the separator in quotation marks"
    found = f"{len(fields)} fields, the header has {len(header)}"
    if "field limit" in error and len(line) > csv.field_size_limit():
        kind, remedy = (
            f"a cell of more than {csv.field_size_limit():,} characters",
            "shorten it, or drop its column",
        )
        found = f"{len(line):,} characters"
    elif line.count('"') % 2:
        kind, remedy = (
            "a quotation mark never closes",
            "close it: it would swallow the rows that follow",
        )
        found = "open quotation mark"
    return Problem(
        kind, row, found, line.strip(), remedy, fields[0].strip()[:40] if fields else ""
    )


class _Record(NamedTuple):
    """Lines start..end - 1 (counted from 0), their fields and what the csv module had against them."""

    start: int
    end: int
    fields: list[str]
    error: str = ""


def _records(
    lines: list[str], first: int, delimiter: str, quotes: bool, width: int | None
) -> Iterator[_Record]:
    """Each record. A quotation mark left open costs its own line only."""
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
        yield _Record(
            start,
            start + 1,
            lines[start].rstrip("\r\n").split(delimiter)[: (width or 2) - 1],
            error,
        )
        at = start + 1


def _reader(lines: list[str], at: int, delimiter: str, quotes: bool) -> CsvReader:
    source: Iterable[str] = (
        map(lines.__getitem__, range(at, len(lines))) if at else lines
    )
    if (
        len(delimiter) > 1
    ):  # the csv module takes one character: '::' becomes an ASCII unit separator
        mark, delimiter = delimiter, "\x1f"
        source = (line.replace(mark, "\x1f") for line in source)
    if quotes:
        return csv.reader(source, delimiter=delimiter, strict=True)
    return csv.reader(source, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True)


def to_numbers(
    values: Sequence[str], *, decimal_comma: bool = False
) -> NDArray[np.float64]:
    """Text to float64 [n]; nan where it is not a number. `decimal_comma` also reads `0,5` as 0.5."""
    import pandas as pd

    series = pd.Series(values, dtype=object)
    found = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64)
    if decimal_comma and np.isnan(found).any():
        retry = pd.to_numeric(
            series.str.replace(",", ".", n=1, regex=False), errors="coerce"
        )
        found = np.where(np.isnan(found), retry.to_numpy(dtype=np.float64), found)
    return found


def why_not_a_number(value: str) -> str:
    """The kind of problem of a cell that is no finite number: empty, nan or inf, or text."""
    if not value:
        return "empty cell"
    return (
        "nan or inf" if value.lower() in NOT_NUMBERS else "text where a number belongs"
    )


def refuse_if_ruined(
    table: Table, rejected: Sequence[Problem], cause: str = ""
) -> None:
    """Raise `DataError` if more than half of the rows are unusable, with the likeliest cause first."""
    if 2 * len(rejected) <= table.total:
        return
    kinds: dict[str, int] = {}
    for problem in rejected:
        kinds[problem.kind] = kinds.get(problem.kind, 0) + 1
    listing = "; ".join(
        f"{count:,} rows: {kind}"
        for kind, count in sorted(kinds.items(), key=lambda k: -k[1])
    )
    example = rejected[0]
    cause = cause or f"first at {example}"
    raise DataError(
        f"{table.path}: refused, {len(rejected):,} of {table.total:,} rows are unusable. {cause}. ({listing})"
        + (f" -> {example.remedy}" if example.remedy else "")
    )
