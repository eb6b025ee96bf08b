"""Where ratings, titles and genres are in each layout: MovieLens's files, any CSV."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlrec.datasets.reading.columns import (
    AS_GUESSED,
    NAMES,
    IdColumn,
    Reading,
    find,
    is_missing,
    plain,
    read_ids,
    require_columns,
)
from rlrec.datasets.reading.tables import Table, read_table
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
TENS = (0.0, 10.0)
ITEM_FILES = {
    "u.data": ("u.item",),
    "ratings.dat": ("movies.dat",),
    "ratings.csv": ("movies.csv", "items.csv"),
    "BX-Book-Ratings.csv": ("BX-Books.csv",),
}
_ASIN = r"(?:B0[0-9A-Z]{8}|\d{9}[\dX])"
# Files without a header: the cells of a first line, with tabs between them -> columns.
HEADERLESS = (
    (r"user_\d+\t[\d-]{10}T(.*\t){4}.*", "user time artistid artist trackid title"),
    (r"[0-9a-f]{40}\tSO[0-9A-Z]{16}\t\d+", "user song plays"),
    (r"\d+\t[^\t]+\t(play|purchase)\t[\d.]+\t0", "user game action hours zero"),
    (rf"{_ASIN}\tA[0-9A-Z]{{9,}}\t[\d.]+\t\d+", "item user rating timestamp"),
    (r"(item|i)_?\d+\t(user|u)_?\d+\t[\d.]+(\t.*)?", "item user rating timestamp"),
    (r"[^\t]*\t[^\t]*\t\s*[+-]?[\d.,]+\s*(\t[^\t]*)?", "user item rating timestamp"),
)
# Columns that only one kind of file has -> its name and scale. There 0 is "not rated".
UNRATED_ZERO = (
    ({"isbn", "bookrating"}, "Book-Crossing", (1.0, 10.0)),
    ({"bookid", "myrating"}, "Goodreads", STARS),
    ({"bookid", "isread", "rating"}, "Goodreads", STARS),
)
ADVICE = (
    "Name them user, item, rating and, if there is one, timestamp, or say which they "
    "are: --user-column NAME. In three lines:\n"
    "  import pandas as pd\n"
    '  table = pd.read_csv("mine.csv").rename(columns={"Reader": "user"})\n'
    '  table.to_csv("ratings.csv", index=False)'
)


@dataclass(frozen=True, eq=False)
class RatingTable:
    """A table of ratings.

    rating, time: indices of columns; `time` is None if there is none.
    scale: lowest and highest rating; None: to be found from the ratings.
    missing: a rating that says "not rated". listed: titles and genres, by item id.
    """

    table: Table
    users: IdColumn
    items: IdColumn
    user: int
    item: int
    rating: int
    time: int | None
    scale: tuple[float, float] | None
    missing: str
    listed: Items


def read_ratings(path: Path, reading: Reading = AS_GUESSED) -> RatingTable:
    """Read a file of ratings in any layout, with the titles from the file beside it.

    Raises `DataError` if there is no column for the user, the item or the rating.
    """
    mark = "\t" if path.name == "u.data" else "::" if path.suffix == ".dat" else ""
    if mark:
        table = read_table(path, header=RATING_COLUMNS, delimiter=mark, quotes=False)
    else:
        table = read_table(path, header=headerless)
    places = {what: reading.find(table, what) for what in ("user", "item", "rating")}
    title = reading.find(table, "item title")
    if not reading.item_column:
        places["item"] = _item_column(table, places["item"], title)
    time = reading.find(table, "time")
    if time is not None and is_empty(table, time):
        table.notes.append(f"{table.header[time]} is empty")
        time = None
    found = require_columns(places, table.header, path, ADVICE)
    items = read_ids(table, found["item"])
    listed = _items_inside(table, items, title if title != found["item"] else None)
    names = set(map(plain, table.header))
    scale = None
    missing = ""
    if table.header == MOVIELENS_HEADER:
        scale = HALF_STARS
    elif path.name == "u.data":
        scale = STARS
    for columns, kind, its_scale in UNRATED_ZERO:
        if columns <= names:
            scale = its_scale
            missing = "0"
            table.notes.append(f"{kind}: a rating of 0 says that there is none")
    return RatingTable(
        table,
        read_ids(table, found["user"]),
        items,
        **found,
        time=time,
        scale=scale,
        missing=reading.missing or missing,
        listed=listed or _items_beside(table),
    )


def headerless(cells: list[str]) -> tuple[str, ...] | None:
    """Column names for a file whose first row has these cells; None if a header.

    >>> headerless(["B000FA64PK", "A3KIGHBLTPB6ND", "5.0", "1404000000"])
    ('item', 'user', 'rating', 'timestamp')
    """
    line = "\t".join(cells)
    for pattern, names in HEADERLESS:
        if re.fullmatch(pattern, line):
            return tuple(names.split()[: len(cells)])
    return None


def is_history(header: Sequence[str]) -> bool:
    """Whether each row is a play: it has a title and a time, and no rating or count."""
    has = {what for what in NAMES if find(header, what) is not None}
    others = has & {"rating", "plays"}
    return {"title", "time"} <= has and bool(has & {"artist", "played"}) and not others


def _item_column(table: Table, item: int | None, title: int | None) -> int | None:
    """The column that tells items apart, which no row number does; else the titles."""
    if item is None or (
        plain(table.header[item]) == "id" and numbers_rows(table, item)
    ):
        if item is not None:
            table.notes.append(f"{table.header[item]} numbers the rows: not the item")
        if title is not None:
            table.notes.append(f"items are told apart by {table.header[title]}")
        return title
    return item


def is_empty(table: Table, at: int) -> bool:
    """Whether no cell of a column holds anything."""
    cells = table.frame[at]
    return cells.dtype == object and all(map(is_missing, cells))


def numbers_rows(table: Table, at: int) -> bool:
    """Whether a column counts the rows, from 0 or from 1."""
    cells = table.numbers(at)
    return len(cells) > 1 and cells[0] in (0, 1) and bool((np.diff(cells) == 1).all())


def _items_inside(table: Table, items: IdColumn, title: int | None) -> Items:
    """Titles and genres from columns of the ratings; an item's first row counts."""
    genre = find(table.header, "genre")
    if title is None and genre is None:
        return {}
    found: Items = {}
    codes, rows = np.unique(items.codes, return_index=True)
    for code, row in zip(codes.tolist(), rows.tolist(), strict=True):
        label = "" if title is None else table.text(row, title)
        genres = split_genres("" if genre is None else table.text(row, genre))
        found[items.names[code]] = (label, genres)
    return found


def split_genres(text: str) -> tuple[str, ...]:
    """The genres of one cell, separated by `|`, `;` or `,`; () where there is none.

    >>> split_genres("Drama|Sci-Fi"), split_genres("(no genres listed)")
    (('Drama', 'Sci-Fi'), ())
    >>> split_genres("['Drama', 'War']"), split_genres("Drama, Children's")
    (('Drama', 'War'), ('Drama', "Children's"))
    """
    names = []
    for name in re.split(r"[|;,]", text.strip("[]{} ")):
        names.append(name.strip().strip("'\""))
    return tuple(name for name in names if name not in NO_GENRE)


def _items_beside(ratings: Table) -> Items:
    """Items from the list beside a file of ratings; the notes say which and how."""
    beside = ITEM_FILES.get(ratings.path.name, ())
    if ratings.path.suffix == ".inter":
        beside = (f"{ratings.path.stem}.item",)
    for name in beside:
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
        return _items(table, 0, 1, None), table
    if path.name == "movies.dat":
        header = ("item", "title", "genres")
        table = read_table(path, header=header, delimiter="::", quotes=False)
    else:
        table = read_table(path)
    item = find(table.header, "item")
    title = find(table.header, "item title")
    if item is None or title is None or item == title:
        raise DataError(
            f"{path}: is no list of items: it needs an id and a title column, not "
            f"{', '.join(table.header)}"
        )
    return _items(table, item, title, find(table.header, "genre")), table


def _items(table: Table, item: int, title: int, genre: int | None) -> Items:
    """Titles and genres, of a column or of u.item's nineteen 0/1 columns."""
    items: Items = {}
    blank = re.search(r":token_seq$", table.header[genre]) if genre else None
    ids = read_ids(table, item)
    titles = table.column(title)
    genres = None if genre is None else table.column(genre)
    flagged = table.path.name == "u.item"
    for row in range(len(table)):
        names: tuple[str, ...] = ()
        if genres is not None:
            text = str(genres[row])
            names = split_genres(text.replace(" ", "|") if blank else text)
        elif flagged:
            names = _flagged_genres(table.frame.iloc[row])
        items[ids.name(row)] = (titles[row], names)
    return items


def _flagged_genres(row: Iterable[Any]) -> tuple[str, ...]:
    """Genres from the nineteen 0/1 columns at the end of a row of u.item."""
    genres = []
    for name, flag in zip(MOVIELENS_GENRES, list(row)[5:], strict=True):
        if str(flag).strip() == "1" and name not in NO_GENRE:
            genres.append(name)
    return tuple(genres)
