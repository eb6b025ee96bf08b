"""Ratings: MovieLens 100k, 1M and latest-small in their own formats, and any CSV.

A CSV needs columns for the user, the item and the rating.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.folders import csv_in, locate
from rlrec.datasets.reading.columns import AS_GUESSED, Reading, is_ruined
from rlrec.datasets.reading.layouts import (
    RATING_FILES,
    STARS,
    TENS,
    RatingTable,
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
from rlrec.types import Bools, Floats, Floats32, Ids, Ids32

STRAY = 0.02  # share of ratings above 5 that makes them strays, not another scale
ENOUGH = 50  # ratings from which the scale is guessed


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
    """The cells of n rows, apart from ids: ratings (nan: unreadable) and times."""

    ratings: Floats
    times: Ids
    has_time: Bools


def load_ratings(
    source: str | Path = "generated",
    *,
    rejects: Path | None = None,
    reading: Reading = AS_GUESSED,
) -> Ratings:
    """Load ratings from a data set's name, a folder or a file.

    source: "ml-100k", "ml-1m", "ml-latest-small", "generated", or a path.
    rejects: a CSV to write the rows to that were left out; `.report` counts them.
    reading: columns, scale and "not rated", where they are not as guessed. The guess of
    the scale is 1 to 5 for ml-100k and ml-1m, 0.5 to 5 for ml-latest-small; else 0 to
    10, or 0 to 5 if fewer than 2 of 100 ratings are above 5.
    If a user rated an item several times, the last rating in time is kept.
    Raises `DataError` if a column is missing or most rows are unusable.
    """
    path = csv_in(locate(source), *RATING_FILES)
    refuse_overwriting(rejects)
    found = read_ratings(path, reading)
    cells = _read_cells(found)
    low, high = _scale(found, cells.ratings, reading)
    unrated = cells.ratings == to_numbers([found.missing])[0]
    rejected = _reject(found, cells, low, high, unrated)
    usable = rejected.usable()
    usable = usable[~unrated[usable]]
    kept, repeated = _split_repeats(found, cells, usable)
    cause = _likely_cause(found, cells.ratings, high)
    superseded = _superseded(found, repeated, np.flatnonzero(unrated))
    problems = rejected.finish(rejects, cause, superseded)
    return _build(found, cells, kept, problems)


def _read_cells(found: RatingTable) -> _Cells:
    """Read ratings and times. Dates become seconds since 1970 (UTC)."""
    table = found.table
    comma = table.delimiter not in (",", "::")
    ratings = table.numbers(found.rating, decimal_comma=comma)
    seconds = np.zeros(len(ratings))
    if found.time is not None:
        seconds, notes = read_times(table, found.time)
        table.notes.extend(notes)
    has_time = np.abs(seconds) < 2.0**62
    times = np.where(has_time, seconds, 0).astype(np.int64)
    return _Cells(ratings, times, has_time)


def _scale(
    found: RatingTable, ratings: Floats, reading: Reading
) -> tuple[float, float]:
    """The lowest and the highest rating allowed; a guess goes into the notes."""
    if reading.scale:
        low, high = reading.scale
        return low, high
    if found.scale:
        return found.scale
    stars = STARS if found.table.path.suffix == ".dat" else (0.0, 5.0)
    above = np.count_nonzero(ratings > stars[1]) / max(len(ratings), 1)
    few = len(ratings) < ENOUGH
    if above <= STRAY and not (few and found.table.path.suffix != ".dat"):
        if above:
            share = f"{1 - above:.1%} of ratings are at most 5"
            found.table.notes.append(
                f"{share}: the scale ends there; else --scale 0 10"
            )
            return stars
        return stars if stars == STARS else TENS
    return TENS


def _reject(
    found: RatingTable, cells: _Cells, low: float, high: float, unrated: Bools
) -> Rejected:
    """The rows without user, item, a rating in low to high, or a readable time.

    unrated [n]: rows whose rating says "not rated"; they are not rejected.
    """
    table = found.table
    header = table.header
    rejected = Rejected(table)
    nameless = (found.users.codes < 0) | (found.items.codes < 0)
    outside = ~((cells.ratings >= low) & (cells.ratings <= high))
    bad = (nameless | outside | ~cells.has_time) & ~unrated
    for row in np.flatnonzero(bad).tolist():
        name = _name(found, row)
        if nameless[row]:
            at = found.user if found.users.codes[row] < 0 else found.item
            text = table.text(row, at)
            kind = "no id"
            remedy = "name the user and the item"
            if is_ruined(text):
                kind = "id rounded by a spreadsheet"
                remedy = "get the original file, or export ids as text: digits are lost"
            rejected.add(row, kind, header[at], text, remedy, name)
        elif outside[row]:
            text = table.text(row, found.rating)
            remedy = f"ratings must lie in {low:g} to {high:g}; another scale: --scale"
            kind = _kind_of_rating(text)
            rejected.add(row, kind, header[found.rating], text, remedy, name)
        elif found.time is not None:
            text = table.text(row, found.time)
            remedy = "give seconds since 1970, or a date such as 2020-01-31 12:00"
            column = header[found.time]
            rejected.add(row, "time unreadable", column, text, remedy, name)
    return rejected


def _name(found: RatingTable, row: int) -> str:
    return f"user {found.users.name(row)}, item {found.items.name(row)}"


def _kind_of_rating(text: str) -> str:
    if np.isfinite(to_numbers([text], decimal_comma=True)[0]):
        return "outside the scale"
    return why_not_a_number(text)


def _likely_cause(found: RatingTable, ratings: Floats, high: float) -> str:
    """What most likely makes most rows unusable; "" if nothing stands out."""
    largest = ratings[np.isfinite(ratings)].max(initial=high)
    if largest > high:
        return (
            f"Ratings up to {largest:g}, the scale ends at {high:g}: another scale "
            f"(--scale 0 {largest:g}), or counts? Counts of plays are read as plays: "
            f"name their column plays"
        )
    for note in found.table.notes:
        if note.startswith(CONTRADICTORY):
            return note
    return ""


def _split_repeats(found: RatingTable, cells: _Cells, usable: Ids) -> tuple[Ids, Ids]:
    """The usable rows to keep, and those whose user rated the item again later."""
    import pandas as pd

    pair = found.users.codes[usable].astype(np.int64) * len(found.items.names)
    pair += found.items.codes[usable]
    ordered = pair if (np.diff(pair) >= 0).all() else np.sort(pair)
    repeated = ordered[1:][np.diff(ordered) == 0]
    again = np.flatnonzero(pd.Series(pair).isin(repeated))
    # Stable: ratings of equal time stay in the order of the file.
    order = again[np.lexsort((cells.times[usable[again]], pair[again]))]
    earlier = order[:-1][np.diff(pair[order]) == 0]
    return np.delete(usable, earlier), usable[np.sort(earlier)]


def _superseded(found: RatingTable, repeated: Ids, unrated: Ids) -> list[Problem]:
    """A problem for each rating that a later one replaces, or that is none."""
    table = found.table
    item = table.header[found.item]
    later = "the last in time is kept; of equal times the last in the file"
    problems = []
    for row in repeated.tolist():
        text = found.items.name(row)
        name = _name(found, row)
        problems.append(
            table.problem(row, "rated again later", item, text, later, name)
        )
    rating = table.header[found.rating]
    for row in unrated.tolist():
        name = _name(found, row)
        problems.append(
            table.problem(row, "not rated", rating, found.missing, "", name)
        )
    return problems


def _used(codes: Ids32, names: NDArray[np.object_]) -> tuple[Ids32, list[str]]:
    """Codes [n] numbered anew so that each name has a row, and these names."""
    used = np.bincount(codes, minlength=len(names)) > 0
    return (used.cumsum() - 1).astype(np.int32)[codes], names[used].tolist()


def _build(
    found: RatingTable, cells: _Cells, kept: Ids, rejected: list[Problem]
) -> Ratings:
    users, user_ids = _used(found.users.codes[kept], found.users.names)
    items, item_ids = _used(found.items.codes[kept], found.items.names)
    times = cells.times[kept]
    order = _by_user_and_time(users, times)
    ratings = cells.ratings[kept][order].astype(np.float32)
    known = [found.listed.get(name, ("", ())) for name in item_ids]
    titles = text_array([title for title, _ in known], "title")
    genres = tuple(names for _, names in known)
    counts = {
        "ratings": len(kept),
        "users": len(user_ids),
        "items": len(item_ids),
        "titles": int((titles != "").sum()),
        "genres": len(set(chain(*genres))),
    }
    notes = _notes(found, ratings, item_ids, counts)
    return Ratings(
        users[order],
        items[order],
        ratings,
        times[order],
        text_array(user_ids, "user"),
        text_array(item_ids, "item"),
        titles,
        genres,
        found.table.report("ratings", counts, rejected, notes),
    )


def _by_user_and_time(users: Ids32, times: Ids) -> Ids:
    """The stable order of rows [n] by user, then time."""
    if not len(times):
        return np.empty(0, np.int64)
    since = times - times.min()
    span = int(since.max()) + 1
    if (int(users.max()) + 1) * span < 2**62:
        return np.argsort(users.astype(np.int64) * span + since, kind="stable")
    return np.lexsort((times, users))


def _notes(
    found: RatingTable,
    ratings: Floats32,
    item_ids: list[str],
    counts: dict[str, int],
) -> list[str]:
    notes = [*found.users.notes, *found.items.notes]
    if len(ratings):
        mean = ratings.mean(dtype=np.float64)
        span = f"from {ratings.min():g} to {ratings.max():g}"
        notes.append(f"ratings {span}, mean {mean:.2f}")
    if found.time is None:
        notes.append("no time column: the file's order is taken as time")
    unrated = len(set(found.listed).difference(item_ids))
    if unrated:
        notes.append(f"{unrated:,} listed items have no rating: left out")
    zeros = np.count_nonzero(ratings == 0)
    if 4 * zeros > len(ratings):
        notes.append(f"{zeros:,} ratings are 0: if 0 says not rated, add --missing 0")
    return notes + [f"ALARM: {alarm}" for alarm in alarms(ratings, counts)]


def alarms(ratings: Floats32, counts: dict[str, int]) -> list[str]:
    """What makes ratings useless to learn from, though each row of them is in order."""
    found = []
    if counts["ratings"] > 1:
        if counts["users"] == 1:
            found.append("all ratings are of one user: is --user-column right?")
        if counts["items"] == counts["ratings"]:
            found.append("every item is rated once: is --item-column right?")
        if (ratings == ratings[0]).all():
            found.append("all ratings are equal: is --rating-column right?")
    return found
