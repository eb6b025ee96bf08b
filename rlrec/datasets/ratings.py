"""Ratings: MovieLens 100k, 1M and latest-small in their own formats, and any user, item, rating CSV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.folders import locate
from rlrec.datasets.reading.layouts import (
    Items,
    RatingTable,
    ratings_file,
    read_ratings,
)
from rlrec.datasets.reading.reports import (
    Problem,
    Report,
    refuse_overwriting,
    write_rejects,
)
from rlrec.datasets.reading.tables import refuse_if_ruined, to_numbers, why_not_a_number
from rlrec.datasets.reading.times import CONTRADICTORY, read_times
from rlrec.errors import ConfigError

Ids = NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Ratings:
    """n ratings, sorted by user, then time; ties stay in the file's order.

    users [n]: 0..n_users - 1. items [n]: 0..n_items - 1, rated items only. ratings [n]: as in the file.
    timestamps [n]: seconds since 1970 (or the file's own unit); 0 where the file has none: its order is time.
    user_ids [n_users], item_ids [n_items]: ids as in the file, numeric ids in numeric order.
    titles [n_items]: "" where unknown. genres: a tuple for each item.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    ratings: NDArray[np.float32]
    timestamps: NDArray[np.int64]
    user_ids: NDArray[np.str_]
    item_ids: NDArray[np.str_]
    titles: NDArray[np.str_]
    genres: tuple[tuple[str, ...], ...]
    report: Report

    def __len__(self) -> int:
        """How many ratings."""
        return len(self.ratings)

    @property
    def n_users(self) -> int:
        """How many users."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """How many items have a rating."""
        return len(self.item_ids)


def load_ratings(
    source: str | Path = "generated",
    *,
    rejects: Path | None = None,
    scale: tuple[float, float] | None = None,
) -> Ratings:
    """Load ratings from a data set's name ("ml-100k", "ml-1m", "ml-latest-small", "generated"), a folder or a file.

    scale: lowest and highest rating that counts; None: 1..5 for ml-100k and ml-1m, 0.5..5 for ml-latest-small,
    0..10 for any other CSV. Of several ratings of one item by one user the last in time is kept.
    Rows left out are counted in `.report`; `rejects` names a CSV they are written to.
    Raises `DataError` if a column is missing or most rows are unusable, `ConfigError` for an empty scale.
    """
    path = ratings_file(locate(source))
    refuse_overwriting(rejects, path)
    found = read_ratings(path)
    low, high = scale or found.scale
    if not low < high:
        raise ConfigError(
            f"scale = ({low}, {high}): the lowest rating must be below the highest"
        )
    values, bad = _check_rating(found, low, high)
    times, bad_time = _read_times(found)
    users, items = (
        np.array(found.table.column(at), object) for at in (found.user, found.item)
    )
    problems = _problems(found, users, items, bad, bad_time, (low, high))
    usable = np.setdiff1d(np.arange(len(users)), list(problems), assume_unique=True)
    rejected = [*found.table.cut, *problems.values()]
    refusal = _likely_cause(values, bad, high) or next(
        (note for note in found.table.notes if note.startswith(CONTRADICTORY)), ""
    )
    kept, repeats = _drop_repeats(found, users, items, times, usable)
    everything = sorted([*rejected, *repeats], key=lambda problem: problem.row)
    write_rejects(
        rejects, everything, lambda index: found.table.raw(everything[index].row)
    )
    refuse_if_ruined(found.table, rejected, refusal)
    return _build(found, users, items, values, times, kept, everything)


def _check_rating(
    found: RatingTable, low: float, high: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    comma = found.table.delimiter not in (",", "::")
    values = to_numbers(found.table.column(found.rating), decimal_comma=comma)
    return values, ~((values >= low) & (values <= high))


def _read_times(found: RatingTable) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Times [rows] as whole numbers and which cannot be read. Dates become seconds since 1970 (UTC)."""
    if found.time is None:
        n = len(found.table.rows)
        return np.zeros(n, np.int64), np.zeros(n, np.bool_)
    texts = found.table.column(found.time)
    seconds, notes = read_times(texts)
    found.table.notes.extend(notes)
    bad = ~(np.abs(seconds) < 2.0**62)
    return np.where(bad, 0, seconds).astype(np.int64), bad


def _problems(
    found: RatingTable,
    users: Ids,
    items: Ids,
    bad: NDArray[np.bool_],
    bad_time: NDArray[np.bool_],
    scale: tuple[float, float],
) -> dict[int, Problem]:
    """Row -> why it cannot be used. Only rows with a problem are looked at one by one."""
    table, header = found.table, found.table.header
    lines = table.line_of
    empty = (users == "") | (items == "")
    problems: dict[int, Problem] = {}
    for row in np.flatnonzero(bad | bad_time | empty).tolist():
        name, line = f"user {users[row]}, item {items[row]}", int(lines[row])
        if empty[row]:
            column = header[found.item if users[row] else found.user]
            problems[row] = Problem(
                "no id", line, column, "", "name the user and the item", name
            )
        elif bad[row]:
            problems[row] = _bad_rating(
                header[found.rating], table.rows[row][found.rating], line, scale, name
            )
        elif found.time is not None:
            text, remedy = (
                table.rows[row][found.time],
                "give seconds since 1970, or a date such as 2020-01-31 12:00",
            )
            problems[row] = Problem(
                "time unreadable", line, header[found.time], text, remedy, name
            )
    return problems


def _bad_rating(
    column: str, text: str, line: int, scale: tuple[float, float], name: str
) -> Problem:
    low, high = scale
    value = to_numbers([text.strip()], decimal_comma=True)[0]
    kind = "outside the scale" if np.isfinite(value) else why_not_a_number(text.strip())
    return Problem(
        kind,
        line,
        column,
        text,
        f"ratings must lie in {low:g} to {high:g}; another scale: scale=",
        name,
    )


def _likely_cause(
    values: NDArray[np.float64], bad: NDArray[np.bool_], high: float
) -> str:
    beyond = values[bad & np.isfinite(values)]
    if not len(beyond) or beyond.max() <= high:
        return ""
    return f"Ratings up to {beyond.max():g}, the scale ends at {high:g}: are these counts, or another scale (scale=)?"


def _code(ids: NDArray[np.object_]) -> tuple[NDArray[np.int32], list[str]]:
    """Codes [n] and the ids in order: numeric order if every id is a whole number, else alphabetical."""
    import pandas as pd

    codes, found = pd.factorize(ids)
    names = [str(name) for name in found]
    numeric = all(name.isascii() and name.isdigit() for name in names)
    digits = [
        name.lstrip("0") if numeric else "" for name in names
    ]  # ordered as numbers, of whatever length
    order = sorted(
        range(len(names)), key=lambda i: (len(digits[i]), digits[i], names[i])
    )
    rank = np.empty(len(names), np.int32)
    rank[order] = np.arange(len(names), dtype=np.int32)
    return rank[codes], [names[i] for i in order]


def _drop_repeats(
    found: RatingTable,
    users: Ids,
    items: Ids,
    times: NDArray[np.int64],
    usable: NDArray[np.intp],
) -> tuple[NDArray[np.intp], list[Problem]]:
    """Rows kept, and a problem for each earlier rating of an item that its user rated again."""
    import pandas as pd

    user, item = (
        pd.factorize(ids[usable])[0].astype(np.int64) for ids in (users, items)
    )
    pair = user * (item.max(initial=0) + 1) + item
    order = np.lexsort(
        (times[usable], pair)
    )  # stable: ties in the file's order, the last one stays
    is_last = np.append(pair[order][1:] != pair[order][:-1], True)[: len(order)]
    column, lines = found.table.header[found.item], found.table.line_of
    remedy = "the last in time is kept; of equal times the last in the file"
    repeats = [
        Problem(
            "rated again later",
            int(lines[i]),
            column,
            items[i],
            remedy,
            f"user {users[i]}, item {items[i]}",
        )
        for i in usable[np.sort(order[~is_last])].tolist()
    ]
    return usable[np.sort(order[is_last])], repeats


def _build(
    found: RatingTable,
    users: Ids,
    items: Ids,
    values: NDArray[np.float64],
    times: NDArray[np.int64],
    kept: NDArray[np.intp],
    rejected: list[Problem],
) -> Ratings:
    user, user_ids = _code(users[kept])
    item, item_ids = _code(items[kept])
    order = np.lexsort((times[kept], user))
    titles = [found.items.get(name, ("", ()))[0] for name in item_ids]
    genres = tuple(found.items.get(name, ("", ()))[1] for name in item_ids)
    rating = values[kept][order].astype(np.float32)
    report = Report(
        str(found.table.path),
        "ratings",
        found.table.total,
        {
            "ratings": len(kept),
            "users": len(user_ids),
            "items": len(item_ids),
            "titles": sum(map(bool, titles)),
            "genres": len({name for names in genres for name in names}),
        },
        tuple(rejected),
        (),
        tuple(_notes(found, rating, item_ids)),
    )
    return Ratings(
        user[order],
        item[order],
        rating,
        times[kept][order],
        np.array(user_ids, np.str_),
        np.array(item_ids, np.str_),
        np.array(titles, np.str_),
        genres,
        report,
    )


def _notes(
    found: RatingTable, rating: NDArray[np.float32], item_ids: list[str]
) -> list[str]:
    notes = list(found.table.notes)
    if len(rating):
        notes.append(
            f"ratings from {rating.min():g} to {rating.max():g}, mean {rating.mean(dtype=np.float64):.2f}"
        )
    if found.time is None:
        notes.append("no time column: the file's order is taken as time")
    unrated = len(set(_ids(found.items)) - set(item_ids))
    if unrated:
        notes.append(f"{unrated:,} listed items have no rating: left out")
    return notes


def _ids(items: Items) -> list[str]:
    return list(items)
