"""Delimited text to rows: by pandas where it is regular, else by the csv module.

No row is dropped silently. A row with the wrong number of fields, or with an open
quotation mark, becomes a `Problem`; the rows after it are read as usual.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

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
_EXACT = 2.0**53
_TORN = re.compile(
    rb'[^",\t;| \x1f\n]"[^",\t;| \x1f\n]'
)  # quotation mark within a word


@dataclass(frozen=True)
class Body:
    """Lines of a file.

    text: UTF-8. first: the line of the file on which it starts, from 1. mark: what
    separates cells, one character. quotes: whether `"` may enclose a cell.
    """

    text: bytes
    first: int
    mark: str
    quotes: bool

    @property
    def quoting(self) -> Literal[0, 3]:
        """``quotes`` as the csv module and pandas call it."""
        return csv.QUOTE_MINIMAL if self.quotes else csv.QUOTE_NONE

    @classmethod
    def make(cls, text: bytes, first: int, delimiter: str, quotes: bool) -> Body:
        """Lines with any delimiter, `BLANKS` among them."""
        mark = UNIT if delimiter == LONG else delimiter
        if delimiter == LONG:
            text = text.replace(LONG.encode(), UNIT.encode())
        elif delimiter == BLANKS:
            text = re.sub(rb"[ \t]+", b" ", text)
            text = re.sub(rb"(?m)^ | $", b"", text)
        if not text.endswith(b"\n"):
            text += b"\n"
        return cls(text, first, mark, quotes)


@dataclass
class Parsed:
    """What is in a `Body`: header, rows, their lines, rows that were cut."""

    header: list[str]
    frame: pd.DataFrame
    line_of: Ids
    cut: list[Problem] = field(default_factory=list)
    blank: int = 0
    end_of: dict[int, int] = field(default_factory=dict)


def parse(body: Body, header: list[str] | None, numbers: bool) -> Parsed:
    """The rows of ``body``; its header is its first row if ``header`` is None.

    numbers: whether columns of numbers become numbers.
    """
    rows = body
    names = header
    if header is None:
        line, _, text = body.text.partition(b"\n")
        rows = replace(body, text=text, first=body.first + 1)
        if line.count(b'"') % 2 or b"\r" in line:
            return parse_carefully(body, None)
        names = next(_reader([line.decode()], 0, body))
    found = _parse_quickly(rows, names or [], numbers)
    return parse_carefully(body, header) if found is None else found


# -- pandas ----------------------------------------------------------------------------
def _parse_quickly(body: Body, names: list[str], numbers: bool) -> Parsed | None:
    """As `parse_carefully`; None for text that pandas may read otherwise."""
    text = body.text
    mark = body.mark.encode()
    quoted = body.quotes and b'"' in text
    lines = text.count(b"\n")
    torn = quoted and _TORN.search(text)
    odd = b"\r" in text or b"\0" in text or torn or _has_long_line(text)
    if odd or len(names) < 2 or not lines:
        return None
    line_of = np.arange(body.first, body.first + lines)
    found = Parsed(names, None, line_of)  # type: ignore[arg-type]
    if not quoted and text.count(mark) != lines * (len(names) - 1):
        body = _drop_irregular(body, found)
    frame = _frame(body, len(found.line_of), len(names), numbers)
    if frame is None and not quoted:
        body = _drop_irregular(body, found)
        frame = _frame(body, len(found.line_of), len(names), numbers)
    if frame is None or (quoted and (frame[len(names) - 1] == "").any()):
        return None
    found.frame = frame
    return found


def _has_long_line(text: bytes) -> bool:
    """Whether a line may hold a cell that is too long for the csv module."""
    step = csv.field_size_limit() // 2
    starts = range(0, len(text) - step, step)
    return any(text.find(b"\n", start, start + step) < 0 for start in starts)


def _drop_irregular(body: Body, found: Parsed) -> Body:
    """The lines with as many cells as ``found`` has names; the others are cut.

    A delimiter too many at the end of a line is dropped. No cell is quoted.
    """
    width = len(found.header)
    text = body.text
    letters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(letters == ord("\n"))
    marks = np.flatnonzero(letters == ord(body.mark))
    more = np.diff(np.searchsorted(marks, ends), prepend=0) - (width - 1)
    keep = np.ones(len(letters), np.bool_)
    trailing = (more == 1) & (letters[ends - 1] == ord(body.mark))
    keep[ends[trailing] - 1] = False
    bad = np.flatnonzero((more != 0) & ~trailing)
    for line in bad.tolist():
        start = ends[line - 1] + 1 if line else 0
        keep[start : ends[line] + 1] = False
        content = text[start : ends[line]].decode()
        fields = content.split(body.mark)
        if "".join(fields).strip():
            record = _Record(body.first + line - 1, body.first + line, fields)
            found.cut.append(_cut_row(record, found.header, content))
        else:
            found.blank += 1
    found.line_of = np.delete(found.line_of, bad)
    return replace(body, text=letters[keep].tobytes())


def _frame(body: Body, lines: int, width: int, numbers: bool) -> pd.DataFrame | None:
    """The cells of ``lines`` lines; None if pandas finds another shape."""
    import pandas as pd

    options: dict[str, Any] = dict(
        sep=body.mark, header=None, na_filter=False, quoting=body.quoting
    )
    if not lines:
        return pd.DataFrame(columns=range(width), dtype=object)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            kind = None if numbers else object
            frame = pd.read_csv(io.BytesIO(body.text), dtype=kind, **options)
        if frame.shape != (lines, width):
            return None
        padded = _is_padded(body)
        again = [at for at in frame if not _is_faithful(frame[at], padded)]
        if again:
            texts = pd.read_csv(
                io.BytesIO(body.text), usecols=again, dtype=object, **options
            )
            frame[again] = texts[again]
    except (ValueError, OverflowError):  # pandas' own errors are of the first kind
        return None
    texts_of = [at for at in frame if frame[at].dtype not in (np.int64, np.float64)]
    found: pd.DataFrame = frame.astype(dict.fromkeys(texts_of, object))
    return found


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


def parse_carefully(body: Body, header: list[str] | None) -> Parsed:
    """The rows of ``body`` as text, by the csv module."""
    import pandas as pd

    lines = list(io.StringIO(body.text.decode(), newline=""))
    records = _records(lines, body, len(header) if header else None)
    if header is None:
        header = next(records).fields
    found = Parsed(header, pd.DataFrame(), np.empty(0, np.int64))
    rows = []
    starts = []
    width = len(header)
    for record in records:
        start, end, fields, _ = record
        if end - start > 1:
            found.end_of[start + body.first] = end + body.first - 1
        if len(fields) == width + 1 and not fields[-1].strip():
            fields = fields[:-1]
        if len(fields) == width:
            rows.append(fields)
            starts.append(start + body.first)
        elif "".join(fields).strip():
            placed = record._replace(start=start + body.first - 1)
            found.cut.append(_cut_row(placed, header, lines[start]))
        else:
            found.blank += 1
    found.frame = pd.DataFrame(rows, columns=range(width), dtype=object)
    found.line_of = np.array(starts, np.int64)
    return found


def _cut_row(record: _Record, header: list[str], line: str) -> Problem:
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
    value = line.strip().replace(UNIT, LONG)
    return Problem(kind, record.start + 1, found, value, remedy, name)


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
