"""Times in a column: seconds since 1970, or dates, whose order of day and month is decided once for the column."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.reading.tables import to_numbers

_PARTS = re.compile(
    r"((?:[A-Za-z]+,?\s+)?)(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d{2})(?!\d)(.*)",
    re.DOTALL,
)
CONTRADICTORY = "some dates stand day first, others month first"
_YEAR = re.compile(r"[12]\d{3}")


def read_times(texts: Sequence[str]) -> tuple[NDArray[np.float64], list[str]]:
    """Times [n] as numbers (dates: seconds since 1970, UTC), nan where unreadable; remarks on how dates were read.

    Dates count where there are more of them than of numbers; a bare year such as 2020 may be either.
    """
    numbers = to_numbers(texts)
    if not bool(np.isnan(numbers).any()):
        return numbers, []
    dates, notes = _read_dates(texts)
    is_text = np.isnan(numbers)
    is_year = np.array([_YEAR.fullmatch(text) is not None for text in texts], np.bool_)
    n_dates = int((is_text & ~np.isnan(dates)).sum())
    if n_dates > int((~is_text & ~is_year).sum()):
        return dates, notes
    return numbers, notes if not n_dates and bool(is_text.all()) else []


def _read_dates(texts: Sequence[str]) -> tuple[NDArray[np.float64], list[str]]:
    """Seconds since 1970 [n] and remarks. ISO dates first; then 1/2/2020 in the column's one order; then any other."""
    import pandas as pd

    parts = [_PARTS.fullmatch(text) for text in texts]
    day_first, notes = _day_first([found for found in parts if found])
    plain = pd.Series(
        [
            _as_iso(found, day_first) if found else text
            for text, found in zip(texts, parts, strict=True)
        ],
        dtype=object,
    )
    dates = pd.to_datetime(plain, errors="coerce", utc=True, format="ISO8601")
    rest = dates.isna()
    if bool(rest.any()):
        other = pd.to_datetime(plain[rest], errors="coerce", utc=True, format="mixed")
        dates = dates.where(~rest, other.reindex(dates.index))
    since = (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return np.asarray(since, dtype=np.float64), notes


def _day_first(found: Sequence[re.Match[str]]) -> tuple[bool | None, list[str]]:
    """Whether the day stands first in the whole column, None where its rows contradict each other; remarks."""
    pairs = [(int(match[2]), int(match[3])) for match in found]
    day = any(12 < first <= 31 and second <= 12 for first, second in pairs)
    month = any(12 < second <= 31 and first <= 12 for first, second in pairs)
    if not pairs:
        return False, []
    if day and month:
        return None, [f"{CONTRADICTORY}: none can be trusted; write 2020-01-31"]
    if day:
        return True, ["dates read day first (31/01/2020)"]
    if month:
        return False, ["dates read month first (01/31/2020)"]
    return False, [
        f"dates such as {found[0][0]} (rows: {len(pairs):,}) may be day first or month first: read month first; "
        "write 2020-01-31 to be sure"
    ]


def _as_iso(found: re.Match[str], day_first: bool | None) -> str:
    if day_first is None:
        return ""
    name, first, second, year, rest = found.groups()
    day, month = (first, second) if day_first else (second, first)
    if len(year) == 2:
        year = f"{20 if int(year) < 69 else 19}{year}"
    weekday = name if name.strip(", \t") else ""
    return f"{weekday}{year}-{month:0>2}-{day:0>2}{rest}"
