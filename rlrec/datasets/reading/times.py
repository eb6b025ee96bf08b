"""Read a column of times: seconds since 1970, or dates in one order of the column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rlrec.datasets.reading.tables import Table, to_numbers
from rlrec.types import Floats

if TYPE_CHECKING:
    import pandas as pd

# Groups: weekday, first number, second number, year, the rest.
_DATE = re.compile(
    r"\A((?:[A-Za-z]+,?\s+)?)(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d{2})(?!\d)(.*)\Z",
    re.DOTALL,
)
CONTRADICTORY = "some dates stand day first, others month first"


UNITS = (1e11, 1e14, 1e17)  # from here on: milli-, micro-, nanoseconds since 1970


def read_times(table: Table, at: int) -> tuple[Floats, list[str]]:
    """Times [n] as numbers, nan where unreadable, and notes on how they were read.

    Dates become seconds since 1970, UTC. The column is read as dates if more of its
    cells are dates than numbers; a year such as 2020 counts as neither. Milli-, micro-
    and nanoseconds become seconds.
    """
    import pandas as pd

    cells = table.frame[at]
    if cells.dtype != object:
        return _in_seconds(table.numbers(at), [])
    codes, texts = pd.factorize(cells.to_numpy())
    times, notes = _read_texts(pd.Series(texts, dtype=object).str.strip())
    return _in_seconds(times[codes], notes)


def _in_seconds(times: Floats, notes: list[str]) -> tuple[Floats, list[str]]:
    """Times with those in a smaller unit as seconds; the notes say how many."""
    finer = int((times >= UNITS[0]).sum())
    if finer:
        power = np.searchsorted(UNITS, times, side="right")
        times = np.where(np.isnan(times), times, times / 1000.0**power)
        count = f"{finer:,} of {len(times):,} times"
        notes = [*notes, f"{count} in milliseconds or finer: read as seconds"]
    return times, notes


def _read_texts(texts: pd.Series) -> tuple[Floats, list[str]]:
    """As `read_times`, of the distinct texts."""
    plain = np.array([":" not in text and "/" not in text for text in texts])
    numbers = np.full(len(texts), np.nan)
    numbers[plain] = to_numbers(texts[plain])  # slow for what is no number
    is_text = np.isnan(numbers)
    if not is_text.any():
        return numbers, []
    dates, notes = _read_dates(texts)
    others = texts[~is_text]
    years = others.str.fullmatch(r"[12]\d{3}").sum()
    date_count = int((is_text & ~np.isnan(dates)).sum())
    if date_count > len(others) - years:
        return dates, notes
    return numbers, notes if not date_count and bool(is_text.all()) else []


def _read_dates(texts: pd.Series) -> tuple[Floats, list[str]]:
    """Seconds since 1970 [n], and notes.

    Dates such as 1/2/2020 are read in the one order of the column, then ISO dates,
    then any other format.
    """
    import pandas as pd

    matches = list(filter(None, map(_DATE.match, texts)))
    day_first, notes = _day_first(matches)
    iso = texts
    if matches:
        iso = iso.str.replace(
            _DATE, lambda match: _as_iso(match, day_first), regex=True
        )
    dates = pd.to_datetime(iso, errors="coerce", utc=True, format="ISO8601")
    rest = dates.isna()
    if bool(rest.any()):
        other = pd.to_datetime(iso[rest], errors="coerce", utc=True, format="mixed")
        dates = dates.where(~rest, other.reindex(dates.index))
    # Others, such as 9999-12-31 for "never", do not fit into 64 bits of nanoseconds.
    dates = dates.where(dates.dt.year.between(1678, 2261))
    since = (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return np.asarray(since, dtype=np.float64), notes


def _day_first(matches: Sequence[re.Match[str]]) -> tuple[bool | None, list[str]]:
    """Whether the day comes before the month in the whole column, and notes.

    None if its rows contradict each other.
    """
    if not matches:
        return False, []
    pairs = [(int(match[2]), int(match[3])) for match in matches]
    first, second = np.array(pairs).T
    day = ((first > 12) & (first <= 31) & (second <= 12)).any()
    month = ((second > 12) & (second <= 31) & (first <= 12)).any()
    if day and month:
        return None, [f"{CONTRADICTORY}: none can be trusted; write 2020-01-31"]
    if day:
        return True, ["dates read day first (31/01/2020)"]
    if month:
        return False, ["dates read month first (01/31/2020)"]
    return False, [
        f"dates such as {matches[0][0]} (rows: {len(matches):,}) may be day first or "
        "month first: read month first; write 2020-01-31 to be sure"
    ]


def _as_iso(match: re.Match[str], day_first: bool | None) -> str:
    """The date as year-month-day; "" if the column's order is contradictory."""
    if day_first is None:
        return ""
    name, first, second, year, rest = match.groups()
    day, month = (first, second) if day_first else (second, first)
    if len(year) == 2:
        year = f"{20 if int(year) < 69 else 19}{year}"
    weekday = name if name.strip(", \t") else ""
    return f"{weekday}{year}-{month:0>2}-{day:0>2}{rest}"
