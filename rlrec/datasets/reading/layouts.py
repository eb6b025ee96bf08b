"""Where ratings, titles and genres are in each layout: MovieLens's files, any CSV."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlrec.datasets.reading.columns import find, find_one, require_columns
from rlrec.datasets.reading.tables import Table, read_table, sniff, to_numbers
from rlrec.errors import DataError

Items = dict[str, tuple[str, tuple[str, ...]]]  # item id -> title, genres

MOVIELENS_GENRES = (
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama "
    "Fantasy Film-Noir Horror Musical Mystery Romance Sci-Fi Thriller War Western"
).split()
NO_GENRE = ("", "unknown", "(no genres listed)")
RATING_FILES = ("u.data", "ratings.dat", "ratings.csv")
RATING_COLUMNS = ("user", "item", "rating", "timestamp")
MOVIELENS_HEADER = ("userId", "movieId", "rating", "timestamp")
STARS = (1.0, 5.0)
HALF_STARS = (0.5, 5.0)
ITEM_FILES = {
    "u.data": ("u.item",),
    "ratings.dat": ("movies.dat",),
    "ratings.csv": ("movies.csv", "items.csv"),
}


@dataclass(frozen=True, eq=False)
class RatingTable:
    """A table of ratings.

    user, item, rating, time: indices of columns; `time` is None if there is none.
    scale: lowest and highest rating. items: titles and genres, by item id.
    """

    table: Table
    user: int
    item: int
    rating: int
    time: int | None
    scale: tuple[float, float]
    items: Items


def read_ratings(path: Path) -> RatingTable:
    """Read a file of ratings in any layout, with the titles from the file beside it.

    Raises `DataError` if there is no column for the user, the item or the rating.
    """
    mark = _mark(path)
    if mark:
        table = read_table(path, header=RATING_COLUMNS, delimiter=mark, quotes=False)
        return RatingTable(table, 0, 1, 2, 3, STARS, _items_beside(table))
    header = headerless(path)
    table = read_table(path, header=header)
    if header:
        table.notes.append(f"no header: columns taken as {', '.join(header)}")
    return _by_name(table)


def _mark(path: Path) -> str:
    """What separates the cells of a file of ratings without header; "" with one."""
    if path.name == "u.data":
        return "\t"
    return "::" if path.suffix == ".dat" else ""


def read_movielens(path: Path) -> tuple[RatingTable, Any] | None:
    """A flawless file of ratings by pandas: a table without cells, and a DataFrame.

    None unless it is of MovieLens's layouts and each row holds two ids, a rating in
    half stars and a time, all plain numbers: `read_ratings` reads any other file.
    """
    import pandas as pd

    mark = _mark(path)
    try:
        data = path.read_bytes().replace(b"\r\n", b"\n").removesuffix(b"\n") + b"\n"
    except OSError:
        return None
    if not mark:
        header, _, data = data.partition(b"\n")
        if header != ",".join(MOVIELENS_HEADER).encode():
            return None
    between = (mark or ",").encode()
    number = rb"[1-9]\d{0,14}+"
    row = between.join([number, number, rb"\d(?:\.[05])?+", number])
    if not re.fullmatch(rb"(?:%b\n)++" % row, data):
        return None
    text = io.BytesIO(data.replace(between, b","))
    cells = pd.read_csv(text, names=RATING_COLUMNS, dtype={"rating": "float64"})
    rows: list[list[str]] = [[]] * len(cells)  # counted only
    table = Table(path, RATING_COLUMNS, rows, np.empty(0, np.int64), mark)
    scale = STARS if mark else HALF_STARS
    return RatingTable(table, 0, 1, 2, 3, scale, _items_beside(table)), cells


def _by_name(table: Table) -> RatingTable:
    """Find the columns of ratings by their names."""
    advice = "Name them user, item, rating and, if there is one, timestamp"
    places = {}
    for what in ("user", "item", "rating"):
        places[what] = find_one(table.header, what, table.path)
    time = find_one(table.header, "time", table.path)
    found = require_columns(places, table.header, table.path, advice)
    scale = HALF_STARS if table.header == MOVIELENS_HEADER else (0.0, 10.0)
    items = _items_inside(table, found["item"]) or _items_beside(table)
    return RatingTable(table, **found, time=time, scale=scale, items=items)


def headerless(path: Path) -> tuple[str, ...] | None:
    """Column names for a file that starts with its first rating; None if a header.

    Raises `DataError` if the file cannot be read.
    """
    try:
        with path.open(encoding="latin-1") as file:
            line = file.readline().strip()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    fields = line.split(sniff(line))
    if len(fields) not in (3, 4):
        return None
    rating = to_numbers([fields[2].strip().strip('"')])
    return None if np.isnan(rating[0]) else RATING_COLUMNS[: len(fields)]


def _items_inside(table: Table, item: int) -> Items:
    """Titles and genres from columns of the ratings; an item's first row counts."""
    title = find(table.header, "item title")
    genre = find(table.header, "genre")
    if title == item:
        title = None
    if title is None and genre is None:
        return {}
    items: Items = {}
    for row in table.rows:
        name = row[item].strip()
        if name not in items:
            label = "" if title is None else row[title].strip()
            items[name] = (label, split_genres("" if genre is None else row[genre]))
    return items


def split_genres(text: str) -> tuple[str, ...]:
    """The genres of one cell, separated by `|`; () where MovieLens says "none".

    >>> split_genres("Drama|Sci-Fi"), split_genres("(no genres listed)")
    (('Drama', 'Sci-Fi'), ())
    """
    names = map(str.strip, text.split("|"))
    return tuple(name for name in names if name not in NO_GENRE)


def _items_beside(ratings: Table) -> Items:
    """Items from the list beside a file of ratings; the notes say which and how."""
    for name in ITEM_FILES.get(ratings.path.name, ()):
        path = ratings.path.parent / name
        if not path.is_file():
            continue
        try:
            items, table = read_items(path)
        except DataError as error:
            ratings.notes.append(f"not used for titles and genres: {error}")
            continue
        ratings.notes.extend([f"titles and genres from {name}", *table.cut_notes()])
        return items
    return {}


def read_items(path: Path) -> tuple[Items, Table]:
    """Titles and genres of a MovieLens list of films or of any CSV, and its table.

    Raises `DataError` if there is no column for the id or the title.
    """
    if path.name == "u.item":
        header = ("item", "title", "released", "video", "url", *MOVIELENS_GENRES)
        table = read_table(path, header=header, delimiter="|", quotes=False)
        return _items(table, 0, 1, _flagged_genres), table
    if path.name == "movies.dat":
        header = ("item", "title", "genres")
        table = read_table(path, header=header, delimiter="::", quotes=False)
        return _items(table, 0, 1, lambda row: split_genres(row[2])), table
    table = read_table(path)
    item = find(table.header, "item")
    title = find(table.header, "item title")
    genre = find(table.header, "genre")
    if item is None or title is None or item == title:
        raise DataError(
            f"{path}: is no list of items: it needs an id and a title column, not "
            f"{', '.join(table.header)}"
        )
    if genre is None:
        return _items(table, item, title, lambda row: ()), table
    return _items(table, item, title, lambda row: split_genres(row[genre])), table


def _flagged_genres(row: Sequence[str]) -> tuple[str, ...]:
    """Genres from the nineteen 0/1 columns at the end of a row of u.item."""
    genres = []
    for name, flag in zip(MOVIELENS_GENRES, row[5:], strict=True):
        if flag.strip() == "1" and name not in NO_GENRE:
            genres.append(name)
    return tuple(genres)


def _items(
    table: Table,
    item: int,
    title: int,
    genres: Callable[[Sequence[str]], tuple[str, ...]],
) -> Items:
    return {row[item].strip(): (row[title].strip(), genres(row)) for row in table.rows}
