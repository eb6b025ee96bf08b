"""Where ratings, titles and genres stand in each layout: MovieLens's own files and any CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlrec.datasets.reading.columns import find, find_one
from rlrec.datasets.reading.tables import Table, read_table, sniff, to_numbers
from rlrec.errors import DataError

Items = dict[str, tuple[str, tuple[str, ...]]]  # item id -> title, genres

FILM_GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
NO_GENRE = ("", "unknown", "(no genres listed)")
RATING_FILES = ("u.data", "ratings.dat", "ratings.csv")
ITEM_FILES = {
    "u.data": ("u.item",),
    "ratings.dat": ("movies.dat",),
    "ratings.csv": ("movies.csv", "items.csv"),
}


@dataclass(frozen=True, eq=False)
class RatingTable:
    """A table of ratings and where its columns are; `time` is None where there is none."""

    table: Table
    user: int
    item: int
    rating: int
    time: int | None
    scale: tuple[float, float]
    items: Items


def ratings_file(path: Path) -> Path:
    """The file with the ratings: `path`, or a folder's u.data, ratings.dat, ratings.csv or only CSV."""
    if path.is_file():
        return path
    for name in RATING_FILES:
        if (path / name).is_file():
            return path / name
    found = sorted(path.glob("*.csv"))
    if len(found) == 1:
        return found[0]
    raise DataError(
        f"{path}: no ratings in this folder (looked for {', '.join(RATING_FILES)} or a single CSV)"
    )


def read_ratings(path: Path) -> RatingTable:
    """Read a file of ratings in whichever layout it has, with titles and genres from the file beside it.

    Raises `DataError` if no column can be the user's, the item's or the rating's.
    """
    if path.name == "u.data":
        table = read_table(
            path,
            header=("user", "item", "rating", "timestamp"),
            delimiter="\t",
            quotes=False,
        )
        return RatingTable(table, 0, 1, 2, 3, (1.0, 5.0), _items_beside(table))
    if path.suffix == ".dat":
        table = read_table(
            path,
            header=("user", "item", "rating", "timestamp"),
            delimiter="::",
            quotes=False,
        )
        return RatingTable(table, 0, 1, 2, 3, (1.0, 5.0), _items_beside(table))
    header = headerless(path)
    table = read_table(path, header=header)
    if header:
        table.notes.append(f"no header: columns taken as {', '.join(header)}")
    return _by_name(table, path)


def _by_name(table: Table, path: Path) -> RatingTable:
    places = {
        what: find_one(table.header, what, path)
        for what in ("user", "item", "rating", "time")
    }
    user, item, rating = places["user"], places["item"], places["rating"]
    missing = [what for what in ("user", "item", "rating") if places[what] is None]
    if user is None or item is None or rating is None:
        raise DataError(
            f"{path}: row 1: no column for {', '.join(missing)}. The file has: {', '.join(table.header)}. "
            "Name them user, item, rating and, if there is one, timestamp"
        )
    scale = (
        (0.5, 5.0)
        if table.header == ("userId", "movieId", "rating", "timestamp")
        else (0.0, 10.0)
    )
    items = _inline(table, item) or _items_beside(table)
    return RatingTable(table, user, item, rating, places["time"], scale, items)


def headerless(path: Path) -> tuple[str, ...] | None:
    """Column names for a file that starts with its first rating; None if it has a header.

    Raises `DataError` if the file cannot be read.
    """
    try:
        with path.open(encoding="latin-1") as file:
            line = file.readline().strip()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    fields = [field.strip().strip('"') for field in line.split(sniff(line))]
    numeric = ~(to_numbers(fields) != to_numbers(fields)) if fields else []
    names = ("user", "item", "rating", "timestamp")
    return names[: len(fields)] if len(fields) in (3, 4) and bool(numeric[2]) else None


def _inline(table: Table, item: int) -> Items:
    """Titles and genres from columns of the ratings themselves; the first row that names an item counts."""
    title, genre = find(table.header, "item title"), find(table.header, "genre")
    if title == item:
        title = None
    if title is None and genre is None:
        return {}
    items: Items = {}
    for row in table.rows:
        if row[item].strip() not in items:
            label = row[genre] if genre is not None else ""
            items[row[item].strip()] = (
                row[title].strip() if title is not None else "",
                split_genres(label),
            )
    return items


def split_genres(text: str) -> tuple[str, ...]:
    """Genres of one cell, separated by `|`; none for MovieLens's way of saying so.

    >>> split_genres("Drama|Sci-Fi"), split_genres("(no genres listed)")
    (('Drama', 'Sci-Fi'), ())
    """
    return tuple(
        part for name in text.split("|") if (part := name.strip()) not in NO_GENRE
    )


def _items_beside(ratings: Table) -> Items:
    """Items from the list that belongs to a file of this name; which one, and what it lacks, goes into the notes."""
    for name in ITEM_FILES.get(ratings.path.name, ()):
        if not (ratings.path.parent / name).is_file():
            continue
        try:
            items, table = read_items(ratings.path.parent / name)
        except DataError as error:
            ratings.notes.append(f"not used for titles and genres: {error}")
            continue
        ratings.notes.extend([f"titles and genres from {name}", *table.cut_notes()])
        return items
    return {}


def read_items(path: Path) -> tuple[Items, Table]:
    """Titles and genres of a MovieLens list of films, or of any CSV with an id and a title column; and the table.

    Raises `DataError` if it is no such list.
    """
    if path.name == "u.item":
        header = ("item", "title", "released", "video", "url", *FILM_GENRES)
        return _items(
            read_table(path, header=header, delimiter="|", quotes=False), 0, 1, _flags
        )
    if path.name == "movies.dat":
        names = ("item", "title", "genres")
        return _items(
            read_table(path, header=names, delimiter="::", quotes=False),
            0,
            1,
            lambda row: split_genres(row[2]),
        )
    table = read_table(path)
    item, title, genre = (
        find(table.header, what) for what in ("item", "item title", "genre")
    )
    if item is None or title is None or item == title:
        raise DataError(
            f"{path}: is no list of items: it needs an id and a title column, not {', '.join(table.header)}"
        )
    return _items(
        table,
        item,
        title,
        lambda row: split_genres(row[genre]) if genre is not None else (),
    )


def _flags(row: Sequence[str]) -> tuple[str, ...]:
    """Genres from the nineteen 0/1 columns at the end of u.item."""
    named = zip(FILM_GENRES, row[-len(FILM_GENRES) :], strict=True)
    return tuple(
        name for name, flag in named if flag.strip() == "1" and name not in NO_GENRE
    )


def _items(
    table: Table,
    item: int,
    title: int,
    genres: Callable[[Sequence[str]], tuple[str, ...]],
) -> tuple[Items, Table]:
    return {
        row[item].strip(): (row[title].strip(), genres(row)) for row in table.rows
    }, table
