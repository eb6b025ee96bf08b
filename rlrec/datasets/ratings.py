"""Ratings: MovieLens 100k, 1M and latest-small in their own formats, and any CSV.

A CSV needs columns for the user, the item and the rating.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.folders import csv_in, locate
from rlrec.datasets.reading.layouts import (
    RATING_FILES,
    RatingTable,
    read_movielens,
    read_ratings,
)
from rlrec.datasets.reading.reports import (
    Problem,
    Report,
    refuse_overwriting,
    text_array,
)
from rlrec.datasets.reading.tables import Rejected, to_numbers, why_not_a_number
from rlrec.datasets.reading.times import CONTRADICTORY, read_times
from rlrec.errors import ConfigError
from rlrec.types import Bools, Floats, Floats32, Ids, Ids32

RawIds = NDArray[Any]  # ids as in the file, as Python strings, or whole numbers


@dataclass(frozen=True, eq=False)
class Ratings:
    """n ratings, sorted by user, then time; ties stay in the order of the file.

    users [n]: 0 to n_users - 1.
    items [n]: 0 to n_items - 1; items without a rating have no number.
    ratings [n]: stars or points, in the scale of the file, such as 0.5 to 5.
    timestamps [n]: seconds since 1970, or in the unit of the file; 0 if the file has
    no times, then its order is the order in time.
    user_ids [n_users], item_ids [n_items]: ids as in the file, in numeric order if
    all are whole numbers, else in alphabetical order.
    titles [n_items]: "" where unknown. genres: n_items tuples of names.
    """

    users: Ids32
    items: Ids32
    ratings: Floats32
    timestamps: Ids
    user_ids: NDArray[np.str_]
    item_ids: NDArray[np.str_]
    titles: NDArray[np.str_]
    genres: tuple[tuple[str, ...], ...]
    report: Report

    def __len__(self) -> int:
        """Number of ratings."""
        return len(self.ratings)

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of items that have a rating."""
        return len(self.item_ids)


@dataclass(frozen=True, eq=False)
class _Cells:
    """The cells of a table of n rows: ids, ratings (nan: unreadable) and times."""

    users: RawIds
    items: RawIds
    ratings: Floats
    times: Ids
    has_time: Bools

    def name(self, row: int) -> str:
        return f"user {self.users[row]}, item {self.items[row]}"


def load_ratings(
    source: str | Path = "generated",
    *,
    rejects: Path | None = None,
    scale: tuple[float, float] | None = None,
) -> Ratings:
    """Load ratings from a data set's name, a folder or a file.

    source: "ml-100k", "ml-1m", "ml-latest-small", "generated", or a path.
    rejects: a CSV to write the rows to that were left out; `.report` counts them.
    scale: lowest and highest rating allowed. None: 1 to 5 for ml-100k and ml-1m, 0.5
    to 5 for ml-latest-small, 0 to 10 for any other CSV.
    If a user rated an item several times, the last rating in time is kept.
    Raises `DataError` if a column is missing or most rows are unusable, `ConfigError`
    for an empty scale.
    """
    path = csv_in(locate(source), *RATING_FILES)
    refuse_overwriting(rejects)
    quick = _read_quickly(path, scale) if rejects is None else None
    if quick is not None:
        return quick
    found = read_ratings(path)
    low, high = scale or found.scale
    if not low < high:
        raise ConfigError(
            f"scale = ({low}, {high}): the lowest rating must be below the highest"
        )
    cells = _read_cells(found)
    rejected = _reject(found, cells, low, high)
    kept, repeated = _split_repeats(cells, rejected.usable())
    cause = _likely_cause(found, cells.ratings, high)
    problems = rejected.finish(rejects, cause, _repeats(found, cells, repeated))
    return _build(found, cells, kept, problems)


def _read_quickly(path: Path, scale: tuple[float, float] | None) -> Ratings | None:
    """The ratings of a flawless file, as `load_ratings` would give them.

    None for any other: see `read_movielens`; also if ratings lie outside ``scale``, or
    a user rated an item twice.
    """
    quick = read_movielens(path)
    if quick is None:
        return None
    found, cells = quick
    low, high = scale or found.scale
    inside = cells["rating"].between(low, high)
    if not inside.all() or cells.duplicated(["user", "item"]).any():
        return None
    users, items, stars, times = (cells[name].to_numpy() for name in cells)
    read = _Cells(users, items, stars, times, inside.to_numpy())
    return _build(found, read, np.arange(len(cells)), [])


def _read_cells(found: RatingTable) -> _Cells:
    """Read the columns. Dates become seconds since 1970 (UTC)."""
    table = found.table
    decimal_comma = table.delimiter not in (",", "::")
    ratings = to_numbers(table.column(found.rating), decimal_comma=decimal_comma)
    seconds = np.zeros(len(ratings))
    if found.time is not None:
        seconds, notes = read_times(table.column(found.time))
        table.notes.extend(notes)
    has_time = np.abs(seconds) < 2.0**62
    return _Cells(
        np.array(table.column(found.user), object),
        np.array(table.column(found.item), object),
        ratings,
        np.where(has_time, seconds, 0).astype(np.int64),
        has_time,
    )


def _reject(found: RatingTable, cells: _Cells, low: float, high: float) -> Rejected:
    """The rows without user, item, a rating in low to high, or a readable time."""
    table = found.table
    header = table.header
    rejected = Rejected(table)
    nameless = (cells.users == "") | (cells.items == "")
    outside = ~((cells.ratings >= low) & (cells.ratings <= high))
    for row in np.flatnonzero(nameless | outside | ~cells.has_time).tolist():
        name = cells.name(row)
        if nameless[row]:
            column = header[found.item if cells.users[row] else found.user]
            rejected.add(row, "no id", column, "", "name the user and the item", name)
        elif outside[row]:
            text = table.rows[row][found.rating]
            remedy = f"ratings must lie in {low:g} to {high:g}; another scale: scale="
            kind = _kind_of_rating(text.strip())
            rejected.add(row, kind, header[found.rating], text, remedy, name)
        elif found.time is not None:
            text = table.rows[row][found.time]
            remedy = "give seconds since 1970, or a date such as 2020-01-31 12:00"
            column = header[found.time]
            rejected.add(row, "time unreadable", column, text, remedy, name)
    return rejected


def _kind_of_rating(text: str) -> str:
    if np.isfinite(to_numbers([text], decimal_comma=True)[0]):
        return "outside the scale"
    return why_not_a_number(text)


def _likely_cause(found: RatingTable, ratings: Floats, high: float) -> str:
    """What most likely makes most rows unusable; "" if nothing stands out."""
    largest = ratings[np.isfinite(ratings)].max(initial=high)
    if largest > high:
        return (
            f"Ratings up to {largest:g}, the scale ends at {high:g}: are these counts, "
            "or another scale (scale=)?"
        )
    for note in found.table.notes:
        if note.startswith(CONTRADICTORY):
            return note
    return ""


def _split_repeats(cells: _Cells, usable: Ids) -> tuple[Ids, Ids]:
    """The usable rows to keep, and those whose user rated the item again later."""
    import pandas as pd

    user = pd.factorize(cells.users[usable])[0].astype(np.int64)
    item = pd.factorize(cells.items[usable])[0].astype(np.int64)
    pair = user * (item.max(initial=0) + 1) + item
    # Stable: ratings of equal time stay in the order of the file.
    order = np.lexsort((cells.times[usable], pair))
    is_last = np.append(np.diff(pair[order]) != 0, True)[: len(order)]
    return usable[np.sort(order[is_last])], usable[np.sort(order[~is_last])]


def _repeats(found: RatingTable, cells: _Cells, rows: Ids) -> list[Problem]:
    """A problem for each rating that a later one of the same user replaces."""
    table = found.table
    column = table.header[found.item]
    remedy = "the last in time is kept; of equal times the last in the file"
    problems = []
    for row in rows.tolist():
        item = cells.items[row]
        name = cells.name(row)
        repeat = table.problem(row, "rated again later", column, item, remedy, name)
        problems.append(repeat)
    return problems


def _number(ids: RawIds) -> tuple[Ids32, list[str]]:
    """Number ids [n] from 0, and the distinct ids in the order of their numbers.

    The order is numeric if all are whole numbers, of any length, else alphabetical.
    """
    import pandas as pd

    codes, found = pd.factorize(ids)
    distinct = np.array(list(map(str, found)), object)
    joined = "".join(distinct)
    numeric = joined.isascii() and joined.isdigit()
    names = sorted(distinct, key=_numeric_order if numeric else None)
    place = pd.Index(names, dtype=object).get_indexer(distinct)
    return place.astype(np.int32)[codes], names


def _numeric_order(digits: str) -> tuple[int, str, str]:
    significant = digits.lstrip("0")
    return len(significant), significant, digits


def _build(
    found: RatingTable, cells: _Cells, kept: Ids, rejected: list[Problem]
) -> Ratings:
    users, user_ids = _number(cells.users[kept])
    items, item_ids = _number(cells.items[kept])
    order = np.lexsort((cells.times[kept], users))
    ratings = cells.ratings[kept][order].astype(np.float32)
    known = [found.items.get(name, ("", ())) for name in item_ids]
    titles = text_array([title for title, _ in known], "title")
    genres = tuple(names for _, names in known)
    counts = {
        "ratings": len(kept),
        "users": len(user_ids),
        "items": len(item_ids),
        "titles": int((titles != "").sum()),
        "genres": len(set(chain(*genres))),
    }
    notes = _notes(found, ratings, item_ids)
    return Ratings(
        users[order],
        items[order],
        ratings,
        cells.times[kept][order],
        text_array(user_ids, "user"),
        text_array(item_ids, "item"),
        titles,
        genres,
        found.table.report("ratings", counts, rejected, notes),
    )


def _notes(found: RatingTable, ratings: Floats32, item_ids: list[str]) -> list[str]:
    notes = []
    if len(ratings):
        mean = ratings.mean(dtype=np.float64)
        span = f"from {ratings.min():g} to {ratings.max():g}"
        notes.append(f"ratings {span}, mean {mean:.2f}")
    if found.time is None:
        notes.append("no time column: the file's order is taken as time")
    unrated = len(set(found.items).difference(item_ids))
    if unrated:
        notes.append(f"{unrated:,} listed items have no rating: left out")
    return notes
