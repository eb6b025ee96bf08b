"""Delimited text to rows: by pandas where it is regular, else by the csv module.

No row is dropped silently. A row with the wrong number of fields, or with an open
quotation mark, becomes a `Problem`; the rows after it are read as usual.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np

from rlrec.datasets.reading.reports import Problem
from rlrec.types import Ids

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

    import pandas as pd

LONG = "::"
UNIT = "\x1f"  # stands for "::", since both engines take one character
BLANKS = " "  # several count as one
BLOCK = 2**20  # bytes looked at together
SHOWN = 2**24  # bytes, from which a bar is shown
_EXACT = 2.0**53
# A quotation mark within a word; begins with the mark, which is found fast.
_TORN = re.compile(rb'"(?<=[^",\t;| \x1f\n]")[^",\t;| \x1f\n]')


class Rows(Protocol):
    """What the engines fill: see `rlrec.datasets.reading.tables.Table`."""

    header: tuple[str, ...]
    frame: pd.DataFrame
    line_of: Ids
    cut: list[Problem]
    blank: int
    end_of: dict[int, int]


class Body(NamedTuple):
    """Lines of a file.

    text: UTF-8. first: the line of the file on which it starts, from 1. mark: what
    separates cells, one character. quoting: as the csv module and pandas call it.
    """

    text: bytes
    first: int
    mark: str
    quoting: Literal[0, 3]

    @classmethod
    def make(cls, text: bytes, first: int, delimiter: str, quotes: bool) -> Body:
        """Lines with any delimiter, `BLANKS` among them."""
        mark = UNIT if delimiter == LONG else delimiter
        if delimiter == LONG:
            text = text.replace(LONG.encode(), UNIT.encode())
        elif delimiter == BLANKS:
            text = re.sub(rb"(?m)^ | $", b"", re.sub(rb"[ \t]+", b" ", text))
        if not text.endswith(b"\n"):
            text += b"\n"
        return cls(text, first, mark, csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE)


def parse(table: Rows, body: Body, header: Sequence[str] | None, numbers: bool) -> None:
    """Fill ``table`` with the rows of ``body``.

    header: None: it is the first row. numbers: whether columns of numbers become
    numbers.
    """
    if header is None:
        line, _, text = body.text.partition(b"\n")
        if line.count(b'"') % 2 or b"\r" in line:
            parse_carefully(table, body)
            return
        header = next(_reader([line.decode()], 0, body))
        body = body._replace(text=text, first=body.first + 1)
    table.header = tuple(map(str.strip, header))
    if not _parse_quickly(table, body, numbers):
        parse_carefully(table, body)


# -- pandas ----------------------------------------------------------------------------
def _parse_quickly(table: Rows, body: Body, numbers: bool) -> bool:
    """As `parse_carefully`; False for text that pandas may read otherwise."""
    text = body.text
    width = len(table.header)
    lines = text.count(b"\n")
    quoted = body.quoting == csv.QUOTE_MINIMAL and b'"' in text
    odd = b"\r" in text or b"\0" in text or (quoted and _TORN.search(text))
    if odd or width < 2 or not lines or _has_long_line(text):
        return False
    table.line_of = np.arange(body.first, body.first + lines)
    if not quoted and text.count(body.mark.encode()) != lines * (width - 1):
        body = _drop_irregular(table, body)
    frame = _frame(body, (len(table.line_of), width), numbers)
    if frame is None or (quoted and (frame[width - 1] == "").any()):
        return False
    table.frame = frame
    return True


def _has_long_line(text: bytes) -> bool:
    """Whether a line may hold a cell that is too long for the csv module."""
    step = csv.field_size_limit() // 2
    starts = range(0, len(text) - step, step)
    return any(text.find(b"\n", start, start + step) < 0 for start in starts)


def _drop_irregular(table: Rows, body: Body) -> Body:
    """The lines with as many cells as the header has; the others are cut.

    A delimiter too many at the end of a line is dropped. No cell is quoted.
    """
    text, first, mark, _ = body
    letters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(letters == ord("\n"))
    marks = np.flatnonzero(letters == ord(mark))
    more = np.diff(np.searchsorted(marks, ends), prepend=0) - len(table.header) + 1
    keep = np.ones(len(letters), np.bool_)
    trailing = (more == 1) & (letters[ends - 1] == ord(mark))
    keep[ends[trailing] - 1] = False
    bad = np.flatnonzero((more != 0) & ~trailing)
    for line in bad.tolist():
        start = ends[line - 1] + 1 if line else 0
        keep[start : ends[line] + 1] = False
        content = text[start : ends[line]].decode()
        record = _Record(line, line + 1, content.split(mark))
        _cut_row(table, record, content, first)
    table.line_of = np.delete(table.line_of, bad)
    return body._replace(text=letters[keep].tobytes())


def _frame(body: Body, shape: tuple[int, int], numbers: bool) -> pd.DataFrame | None:
    """The cells of a regular text; None if pandas finds another shape."""
    import pandas as pd

    def read(columns: list[int], kind: type | None) -> pd.DataFrame:
        with _shown(body.text) as text:
            return pd.read_csv(
                text,
                sep=body.mark,
                header=None,
                na_filter=False,
                quoting=body.quoting,
                usecols=columns or None,
                dtype=kind,
            )

    if not shape[0]:
        return pd.DataFrame(columns=range(shape[1]), dtype=object)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            frame = read([], None if numbers else object)
        if frame.shape != shape:
            return None
        padded = _is_padded(body)
        every = range(shape[1])
        again = [at for at in every if not _is_faithful(frame[at], padded)]
        if again:
            frame[again] = read(again, object)
    except (ValueError, OverflowError):  # pandas' own errors are of the first kind
        return None
    for at in every:
        if frame[at].dtype not in (np.int64, np.float64):
            frame[at] = frame[at].astype(object)
    return frame


def _shown(text: bytes) -> Any:
    """A file of ``text``; on a terminal a bar shows how much of a long one is read."""
    from tqdm import tqdm

    short = len(text) < SHOWN
    return tqdm.wrapattr(
        io.BytesIO(text),
        "read",
        total=len(text),
        desc="reading",
        leave=False,
        disable=short or None,  # None: unless on a terminal
    )


def _is_faithful(cells: pd.Series, padded: bool) -> bool:
    """Whether a column still says what its cells said."""
    import pandas as pd

    if cells.dtype == np.int64:
        return not padded
    if cells.dtype == np.float64:
        return bool(cells.abs().max() < _EXACT)
    return pd.api.types.infer_dtype(cells, skipna=False) == "string"


def _is_padded(body: Body) -> bool:
    """Whether a number has a plus, or a zero before its digits."""
    if b"+" in body.text:
        return True
    letters = np.frombuffer(b"\n" + body.text, np.uint8)
    for start in range(0, len(letters), BLOCK):
        part = letters[start : start + BLOCK + 2]
        before = part[:-2]
        after = part[2:]
        first = (
            (before == ord(body.mark)) | (before == ord("\n")) | (before == ord('"'))
        )
        zero = (part[1:-1] == ord("0")) & (after >= ord("0")) & (after <= ord("9"))
        if (first & zero).any():
            return True
    return False


# -- the csv module --------------------------------------------------------------------
class _Record(NamedTuple):
    """One record: lines start to end - 1 (from 0), and the csv module's error."""

    start: int
    end: int
    fields: list[str]
    error: str = ""


def parse_carefully(table: Rows, body: Body) -> None:
    """Fill ``table`` with the rows of ``body`` as text, by the csv module.

    The header is the first row, unless the table has one.
    """
    import pandas as pd

    lines = list(io.StringIO(body.text.decode(), newline=""))
    records = _records(lines, body, len(table.header) or None)
    if not table.header:
        table.header = tuple(map(str.strip, next(records).fields))
    table.cut.clear()
    table.blank = 0
    width = len(table.header)
    rows = []
    starts = []
    for record in records:
        start = body.first + record.start
        if record.end - record.start > 1:
            table.end_of[start] = body.first + record.end - 1
        fields = record.fields
        if len(fields) == width + 1 and not fields[-1].strip():
            fields = fields[:-1]
        if len(fields) == width:
            rows.append(fields)
            starts.append(start)
        else:
            _cut_row(table, record, lines[record.start], body.first)
    table.frame = pd.DataFrame(rows, columns=range(width), dtype=object)
    table.line_of = np.array(starts, np.int64)


def _cut_row(table: Rows, record: _Record, line: str, first: int) -> None:
    """Cut a record with the wrong number of fields, or count a blank one."""
    fields = record.fields
    limit = csv.field_size_limit()
    if not "".join(fields).strip():
        table.blank += 1
        return
    if "field limit" in record.error and len(line) > limit:
        kind = f"a cell of more than {limit:,} characters"
        found = f"{len(line):,} characters"
        remedy = "shorten it, or drop its column"
    elif line.count('"') % 2:
        kind = "a quotation mark never closes"
        found = "open quotation mark"
        remedy = "close it: it would swallow the rows that follow"
    else:
        few = len(fields) < len(table.header)
        kind = "too few fields (row cut in half?)" if few else "too many fields"
        found = f"{len(fields)} fields, the header has {len(table.header)}"
        remedy = (
            "complete the row, or put text that holds the separator in quotation marks"
        )
    value = line.strip().replace(UNIT, LONG)
    name = fields[0].strip()[:40]
    row = first + record.start
    table.cut.append(Problem(kind, row, found, value, remedy, name))


def _records(lines: list[str], body: Body, width: int | None) -> Iterator[_Record]:
    """All records. An open quotation mark spoils only its own line."""
    at = 0
    while at < len(lines):
        reader = _reader(lines, at, body)
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
        fields = lines[start].rstrip("\r\n").split(body.mark)
        yield _Record(start, start + 1, fields[: (width or 2) - 1], error)
        at = start + 1


def _reader(lines: list[str], at: int, body: Body) -> CsvReader:
    source: Iterable[str] = lines
    if at:
        source = map(lines.__getitem__, range(at, len(lines)))
    return csv.reader(source, delimiter=body.mark, quoting=body.quoting, strict=True)
