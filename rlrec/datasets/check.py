"""`rlrec data check`: what is this file or folder, and can rlrec use it?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from pathlib import Path

from rlrec.datasets.folders import locate
from rlrec.datasets.histories import is_skip_log
from rlrec.datasets.known import CATALOGUE
from rlrec.datasets.plays import PlayCounts, load_play_counts
from rlrec.datasets.ratings import Ratings, load_ratings
from rlrec.datasets.reading.columns import (
    AS_GUESSED,
    FEATURES,
    NAMES,
    Reading,
    feature_of,
    find,
    plain,
)
from rlrec.datasets.reading.layouts import (
    RATING_FILES,
    headerless,
    is_history,
    read_items,
)
from rlrec.datasets.reading.reports import refuse_overwriting, write_rejects
from rlrec.datasets.reading.tables import Table, history_files, read_table
from rlrec.datasets.sessions import Sessions, load_sessions
from rlrec.datasets.tracks import Tracks, load_tracks
from rlrec.errors import DataError

USABLE = 0
REFUSED = 1
NOT_FOUND = 2
ITEM_LISTS = {
    "u.item": "u.data",
    "movies.dat": "ratings.dat",
    "movies.csv": "ratings.csv",
}

# File name -> what it is, delimiter, columns (none: from its header), what to pass
# instead (none: its folder).
COMPANIONS: dict[str, tuple[str, str, str, str]] = {
    "u.user": (
        "MovieLens 100k: people (age, sex, job), not used",
        "|",
        "id age sex job zip",
        "u.data",
    ),
    "u.genre": (
        "MovieLens 100k: genre names, already in u.item",
        "|",
        "genre number",
        "u.data",
    ),
    "users.dat": (
        "MovieLens 1M: people (sex, age, job), not used",
        "::",
        "id sex age job zip",
        "ratings.dat",
    ),
    "artists.dat": ("Last.fm: artist names, not used", "\t", "", ""),
    "tags.dat": ("Last.fm: names of tags, used for genres", "\t", "", ""),
    "user_taggedartists.dat": (
        "Last.fm: who tagged which artist, used for genres",
        "\t",
        "",
        "",
    ),
    "user_artists.dat": (
        "Last.fm: play counts by artist; genres come from the tags beside it",
        "\t",
        "",
        "",
    ),
}

Loaded = Tracks | Ratings | Sessions | PlayCounts
Loader = Callable[..., Loaded]
Remarks = Callable[[Path, Loaded], Iterable[str]]
Load = Callable[[Loader | None, Path], tuple[str, int]]


def check_data(
    source: str | Path,
    *,
    rejects: Path | None = None,
    reading: Reading = AS_GUESSED,
    remarks: Remarks = lambda path, loaded: (),
) -> tuple[str, int]:
    """Recognise a file, folder or data set and try to load it.

    rejects: a CSV to write unusable rows to, if a single file is checked.
    reading: how ratings are read. remarks: lines to add to the report on a file.
    Returns a text and an exit status: 0 usable, or a part of a known data set; 1
    refused, or not data; 2 not found.
    """
    try:
        path = locate(source)
    except DataError as error:
        return str(error), NOT_FOUND
    try:
        refuse_overwriting(rejects)
        load = partial(_load, rejects=rejects, reading=reading, remarks=remarks)
        if path.is_dir():
            return _check_folder(path, load, rejects)
        return check_file(path, load, rejects)
    except DataError as error:
        return str(error), REFUSED


def check_file(path: Path, load: Load, rejects: Path | None) -> tuple[str, int]:
    """Recognise one file by its name, else by its columns, and ``load`` it."""
    if path.name in COMPANIONS:
        return _companion(path, rejects), USABLE
    if path.name in ITEM_LISTS:
        return _item_list(path, rejects), USABLE
    if path.stem.lower() in ("readme", "licence", "license"):
        return (
            f"{path}: text for people, no data; pass the folder it is in, or one of "
            "its data files",
            REFUSED,
        )
    return load(None, path)


def recognise(path: Path, reading: Reading = AS_GUESSED) -> Loader:
    """The loader for a file of data, by its columns.

    Raises `DataError` listing the columns that would be recognised.
    """
    if path.name in RATING_FILES[:2] or path.suffix == ".dat" or reading != AS_GUESSED:
        return partial(load_ratings, reading=reading)
    header = read_table(path, header=headerless).header
    features = set(map(feature_of, header)) - {None}
    if len(features) >= 3:
        return load_tracks
    names = set(map(plain, header))
    if {"session", "position"} <= names or "fractionlistened" in names:
        return load_sessions
    if is_skip_log(header):
        return load_sessions
    found = {what for what in NAMES if find(header, what) is not None}
    if is_history(header) or ({"user", "plays"} <= found and "rating" not in found):
        return load_play_counts
    if "rating" in found and found & {"user", "item"}:
        return load_ratings
    raise DataError(
        f"{path}: not recognised; its first row reads: {', '.join(header)[:200]}. "
        f"rlrec reads tracks (the columns {', '.join(FEATURES)}), ratings (user, item, "
        "rating), sessions (user, session, position, track, fraction_listened, liked, "
        "skipped), play counts (user, genre, plays) and listening histories (title, "
        "artist, time)"
    )


def _load(
    loader: Loader | None,
    path: Path,
    *,
    rejects: Path | None,
    reading: Reading,
    remarks: Remarks,
) -> tuple[str, int]:
    """The report on a file, with remarks; without a loader, it is recognised."""
    loaded = (loader or recognise(path, reading))(path, rejects=rejects)
    lines = [loaded.report.render(), *remarks(path, loaded)]
    return "\n".join(lines), USABLE


def _companion(path: Path, rejects: Path | None) -> str:
    what, delimiter, columns, instead = COMPANIONS[path.name]
    header = columns.split() or None
    table = read_table(path, header=header, delimiter=delimiter, quotes=False)
    return (
        f"{path}: {what}\n  {_rows(table, rejects)}\n"
        f"  a part of a data set: pass {path.parent / instead}"
    )


def _rows(table: Table, rejects: Path | None) -> str:
    """How many rows there are, and which were cut; these are written to `rejects`."""
    write_rejects(rejects, table.cut, table.raw)
    lines = f"rows {table.total:,}"
    if table.cut:
        lines += f", {len(table.cut):,} of them cut"
    for note in table.cut_notes():
        lines += f"\n  note: {note}"
    return lines


def _item_list(path: Path, rejects: Path | None) -> str:
    items, table = read_items(path)
    genres = set(chain(*(names for _, names in items.values())))
    return (
        f"{path}: a list of items with titles and genres, no ratings\n"
        f"  {_rows(table, rejects)}\n"
        f"  items {len(items):,}\n"
        f"  genres {len(genres)}: {', '.join(sorted(genres))}\n"
        "  read along with the ratings: pass "
        f"{path.parent / ITEM_LISTS[path.name]} or the folder"
    )


def _check_folder(path: Path, load: Load, rejects: Path | None) -> tuple[str, int]:
    """A folder: Last.fm, MovieLens, or every CSV in it."""
    inside = sorted(child.name for child in path.iterdir())
    if (path / "user_artists.dat").is_file() or history_files(path):
        return load(load_play_counts, path)
    if "tracks.csv" not in inside and set(RATING_FILES).intersection(inside):
        return load(load_ratings, path)
    files = sorted(path.glob("*.csv"))
    if not files:
        raise DataError(
            f"{path}: no data rlrec knows directly in this folder (it holds: "
            f"{', '.join(inside[:12]) or 'nothing'}); pass one of those, or a name: "
            f"{', '.join(CATALOGUE)}"
        )
    if rejects is not None and len(files) > 1:
        raise DataError(
            f"{path}: holds {len(files)} CSV files; --rejects needs a single one"
        )
    texts = []
    worst = USABLE
    for file in files:
        try:
            text, status = check_file(file, load, rejects)
        except DataError as error:
            text = str(error)
            status = REFUSED
        texts.append(text)
        worst = max(worst, status)
    return "\n".join(texts), worst
