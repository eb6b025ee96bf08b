"""`rlrec data check`: what is this file or folder, and can rlrec use it?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rlrec.datasets.catalogue import CATALOGUE
from rlrec.datasets.folders import locate
from rlrec.datasets.plays import load_play_counts
from rlrec.datasets.ratings import load_ratings
from rlrec.datasets.reading.columns import FEATURES, feature_of, find, plain
from rlrec.datasets.reading.layouts import RATING_FILES, headerless, read_items
from rlrec.datasets.reading.reports import refuse_overwriting, write_rejects
from rlrec.datasets.reading.tables import Table, read_table
from rlrec.datasets.sessions import load_sessions
from rlrec.datasets.tracks import load_tracks
from rlrec.errors import DataError

USABLE, REFUSED, NOT_FOUND = 0, 1, 2
ITEM_LISTS = {
    "u.item": "u.data",
    "movies.dat": "ratings.dat",
    "movies.csv": "ratings.csv",
}

# file name -> what it is, delimiter, columns ("" = from its header), what to pass instead
COMPANIONS: dict[str, tuple[str, str, tuple[str, ...], str]] = {
    "u.user": (
        "MovieLens 100k: people (age, sex, job), not used",
        "|",
        ("id", "age", "sex", "job", "zip"),
        "u.data",
    ),
    "u.genre": (
        "MovieLens 100k: genre names, already in u.item",
        "|",
        ("genre", "number"),
        "u.data",
    ),
    "users.dat": (
        "MovieLens 1M: people (sex, age, job), not used",
        "::",
        ("id", "sex", "age", "job", "zip"),
        "ratings.dat",
    ),
    "artists.dat": ("Last.fm: artist names, not used", "\t", (), "the folder"),
    "tags.dat": ("Last.fm: names of tags, used for genres", "\t", (), "the folder"),
    "user_taggedartists.dat": (
        "Last.fm: who tagged which artist, used for genres",
        "\t",
        (),
        "the folder",
    ),
    "user_artists.dat": (
        "Last.fm: play counts by artist; genres come from the tags beside it",
        "\t",
        (),
        "the folder",
    ),
}

Loader = Callable[[Path, Path | None], str]


def check(source: str | Path, *, rejects: Path | None = None) -> tuple[str, int]:
    """Recognise a file, folder or data set and try to load it: (text for people, exit status).

    Status: 0 usable (or a recognised part of a data set), 1 refused or not data, 2 not found.
    rejects: a CSV to which unusable rows are written, where what is checked is loaded from one file.
    """
    try:
        path = locate(source)
    except DataError as error:
        return str(error), NOT_FOUND
    try:
        refuse_overwriting(rejects, path)
        return (
            _check_folder(path, rejects) if path.is_dir() else check_file(path, rejects)
        )
    except DataError as error:
        return str(error), REFUSED


def check_file(path: Path, rejects: Path | None) -> tuple[str, int]:
    """Recognise one file by its name, else by its columns."""
    if path.name in COMPANIONS:
        return _companion(path, rejects), USABLE
    if path.name in ITEM_LISTS:
        return _item_list(path, rejects), USABLE
    if path.stem.lower() in ("readme", "licence", "license"):
        return (
            f"{path}: text for people, no data; pass the folder it is in, or one of its data files",
            REFUSED,
        )
    return recognise(path)(path, rejects), USABLE


def recognise(path: Path) -> Loader:
    """The loader for a file of data, by its columns. Raises `DataError` saying what would be recognised."""
    if path.name in RATING_FILES[:2] or headerless(path):
        return _ratings
    header = read_table(path).header
    names = {plain(name) for name in header}
    features = {feature_of(name) for name in header} - {None}
    if len(features) >= 3:
        return _tracks
    if {"session", "position"} <= names or "fractionlistened" in names:
        return _sessions
    has = {
        what: find(header, what) is not None
        for what in ("user", "item", "rating", "genre", "plays")
    }
    if has["user"] and has["genre"] and has["plays"] and not has["rating"]:
        return _plays
    if (has["user"] and has["rating"]) or (has["item"] and has["rating"]):
        return _ratings
    raise DataError(
        f"{path}: not recognised; its first row reads: {', '.join(header)[:200]}. rlrec reads tracks (the columns "
        f"{', '.join(FEATURES)}), ratings (user, item, rating), sessions (user, session, position, track, "
        "fraction_listened, liked, skipped) and play counts (user, genre, plays)"
    )


def _tracks(path: Path, rejects: Path | None) -> str:
    return load_tracks(path, rejects=rejects).report.render()


def _ratings(path: Path, rejects: Path | None) -> str:
    return load_ratings(path, rejects=rejects).report.render()


def _sessions(path: Path, rejects: Path | None) -> str:
    return load_sessions(path, rejects=rejects).report.render()


def _plays(path: Path, rejects: Path | None) -> str:
    return load_play_counts(path, rejects=rejects).report.render()


def _companion(path: Path, rejects: Path | None) -> str:
    what, delimiter, header, instead = COMPANIONS[path.name]
    table = read_table(path, header=header or None, delimiter=delimiter, quotes=False)
    cut = _cut(table, rejects)
    place = path.parent if instead == "the folder" else path.parent / instead
    return f"{path}: {what}\n  rows {table.total:,}{cut}\n  a part of a data set: pass {place}"


def _cut(table: Table, rejects: Path | None) -> str:
    """How many rows were cut and which; they are written to `rejects`."""
    write_rejects(rejects, table.cut, lambda index: table.raw(table.cut[index].row))
    if not table.cut:
        return ""
    return f", {len(table.cut):,} of them cut" + "".join(
        f"\n  note: {note}" for note in table.cut_notes()
    )


def _item_list(path: Path, rejects: Path | None) -> str:
    items, table = read_items(path)
    cut = _cut(table, rejects)
    genres = {genre for _, names in items.values() for genre in names}
    return (
        f"{path}: a list of items with titles and genres, no ratings\n"
        f"  rows {table.total:,}{cut}\n  items {len(items):,}\n  genres {len(genres)}: {', '.join(sorted(genres))}\n"
        f"  read along with the ratings: pass {path.parent / ITEM_LISTS[path.name]} or the folder"
    )


def _check_folder(path: Path, rejects: Path | None) -> tuple[str, int]:
    """A folder: Last.fm, MovieLens, or every CSV in it."""
    if (path / "user_artists.dat").is_file():
        return _plays(path, rejects), USABLE
    if (
        any((path / name).is_file() for name in RATING_FILES)
        and not (path / "tracks.csv").is_file()
    ):
        return _ratings(path, rejects), USABLE
    files = sorted(path.glob("*.csv"))
    if not files:
        inside = (
            ", ".join(sorted(child.name for child in path.iterdir())[:12]) or "nothing"
        )
        raise DataError(
            f"{path}: no data rlrec knows directly in this folder (it holds: {inside}); pass one of those, or a name: "
            f"{', '.join(CATALOGUE)}"
        )
    if rejects is not None and len(files) > 1:
        raise DataError(
            f"{path}: holds {len(files)} CSV files; --rejects needs a single one"
        )
    results = [check(file, rejects=rejects) for file in files]
    return "\n".join(text for text, _ in results), max(status for _, status in results)
