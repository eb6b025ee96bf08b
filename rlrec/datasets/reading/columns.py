"""Find columns by the names public files use, and read the cells of features."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.reading.tables import Table, to_numbers
from rlrec.errors import ConfigError, DataError
from rlrec.types import Floats, Ids32

FEATURES = tuple(
    "danceability energy key loudness mode speechiness acousticness "
    "instrumentalness liveness valence tempo".split()
)

RANGES: dict[str, tuple[float, float]] = dict.fromkeys(FEATURES, (0.0, 1.0)) | {
    "key": (-1.0, 11.0),  # pitch class, C = 0; -1: none found
    "loudness": (-60.0, 5.0),  # dB
    "tempo": (0.0, 300.0),  # beats a minute
}

# In order of preference, as `plain` writes them.
NAMES: dict[str, list[str]] = {
    "id": "trackid id songid uri trackuri songuri spotifyid spotifyuri".split(),
    "title": (
        "trackname songname title mastermetadatatrackname trackmetadatatrackname "
        "name songtitle tracktitle song track"
    ).split(),
    "artist": (
        "trackartist artist artists artistname artistnames artistsname trackartists "
        "mastermetadataalbumartistname trackmetadataartistname"
    ).split(),
    "genre": (
        "playlistgenre trackgenre genre genres maingenre musicgenre songgenre class"
    ).split(),
    "popularity": "trackpopularity popularity songpopularity audiopopularity".split(),
    "user": "userid user uid customerid listenerid username reviewerid".split(),
    "item": (
        "itemid movieid trackid songid isbn parentasin asin bookid productid iid item "
        "movie song track game id"
    ).split(),
    "rating": (
        "rating score stars ratings preference bookrating myrating overall userrating"
    ).split(),
    "time": (
        "timestamp time date datetime ratedat createdat unixtime unixreviewtime ts "
        "endtime listenedat uts utctime dateadded"
    ).split(),
    "item title": (
        "title movietitle moviename booktitle itemtitle itemname trackname songname "
        "name"
    ).split(),
    "plays": "plays playcount count listens weight hours".split(),
    "played": "msplayed".split(),
    "duration": "durationms trackmetadataadditionalinfodurationms".split(),
}
MISSING_IDS = ("", "na", "n/a", "#n/a", "nan", "null", "none")
MOST_DENSE = 10_000_000  # whole numbers up to here are looked up in a table
_WHOLE = re.compile(r"(\d+)\.0+")
_RUINED = re.compile(r"\d(?:[.,]\d+)?[eE]\+\d+")


@dataclass(frozen=True)
class Reading:
    """How a file of ratings is read, where a guess from its header is not right."""

    user_column: str = ""  # name of a column, or its number, 1 or more
    item_column: str = ""  # likewise
    rating_column: str = ""  # likewise
    time_column: str = ""  # likewise
    title_column: str = ""  # likewise
    # lowest and highest rating; training reads them as 1 to 5 stars
    scale: tuple[float, ...] = ()
    missing: str = ""  # a rating that says "not rated", such as 0 for books

    def __post_init__(self) -> None:
        if self.scale and not (len(self.scale) == 2 and self.scale[0] < self.scale[1]):
            raise ConfigError(
                f"scale is {self.scale}; give two numbers, the lowest rating below the "
                "highest: --scale 1 10"
            )

    def find(self, table: Table, what: str) -> int | None:
        """The column of ``what``: the one that was named, else a guess.

        Raises `DataError` if there is no column of that name, or several.
        """
        wanted = getattr(self, f"{what.removeprefix('item ')}_column", "")
        names = [name.casefold() for name in table.header]
        if not wanted:
            return find_one(table.header, what, table.path)
        if wanted.casefold() in names:
            return names.index(wanted.casefold())
        if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
            return int(wanted) - 1
        raise DataError(
            f"{table.path}: no column {wanted}: there are {', '.join(table.header)}; "
            f"give one of them, or a number from 1 to {len(names)}"
        )


AS_GUESSED = Reading()

_FEATURE = re.compile(
    r"(?:audio|song|track|music|spotify|feature|af)*"
    rf"({'|'.join(FEATURES)})"
    r"(?:db|bpm|value|score|feature|raw|mean|x|y)?"
)
_PITCH = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SHIFT = {"#": 1, "sharp": 1, "b": -1, "flat": -1, "": 0}
_MODE = {"major": 1.0, "maj": 1.0, "minor": 0.0, "min": 0.0}


def plain(name: str) -> str:
    """A column name in lower case, without blanks, underscores, punctuation and type.

    >>> plain("\ufeffAudio_Mode "), plain("user_id:token")
    ('audiomode', 'userid')
    """
    name = re.sub(r":(token|float)(_seq)?$", "", unicodedata.normalize("NFKC", name))
    return re.sub(r"[^a-z0-9]", "", name.lower())


def find(header: Sequence[str], what: str) -> int | None:
    """The column of `what`, a key of `NAMES`, or None; preferred names come first."""
    names = list(map(plain, header))
    for candidate in NAMES[what]:
        if candidate in names:
            return names.index(candidate)
    return None


def find_one(header: Sequence[str], what: str, path: Path) -> int | None:
    """Like `find`, but raises `DataError` if several columns have the same name."""
    at = find(header, what)
    if at is not None:
        alike = [name for name in header if plain(name) == plain(header[at])]
        _refuse_several(path, alike, what)
    return at


def require_columns(
    places: Mapping[str, int | None], header: Sequence[str], path: Path, advice: str
) -> dict[str, int]:
    """`places` (name -> column). Raises `DataError` if the column of one is None."""
    found = {name: at for name, at in places.items() if at is not None}
    missing = [name for name in places if name not in found]
    if missing:
        raise DataError(
            f"{path}: row 1: no column for {', '.join(missing)}. "
            f"The file has: {', '.join(header)}. {advice}"
        )
    return found


def feature_of(column: str) -> str | None:
    """The feature a column name stands for, or None.

    >>> feature_of("song_danceability"), feature_of("Loudness (dB)")
    ('danceability', 'loudness')
    >>> feature_of("track_name") is None
    True
    """
    name = plain(column)
    if name == "bpm":
        return "tempo"
    found = _FEATURE.fullmatch(name)
    return found[1] if found else None


def match_features(header: Sequence[str], path: Path) -> dict[str, int]:
    """Feature -> column, for all eleven of `FEATURES`.

    Raises `DataError` if a feature has no column, or several.
    """
    features = list(map(feature_of, header))
    places: dict[str, int | None] = dict.fromkeys(FEATURES)
    for feature in FEATURES:
        columns = [at for at, found in enumerate(features) if found == feature]
        _refuse_several(path, [header[at] for at in columns], f"feature {feature}")
        if columns:
            places[feature] = columns[0]
    advice = f"All eleven are needed: {', '.join(FEATURES)}"
    return require_columns(places, header, path, advice)


def _refuse_several(path: Path, columns: Sequence[str], what: str) -> None:
    if len(columns) > 1:
        names = " and ".join(map(repr, columns))
        raise DataError(
            f"{path}: row 1: {names} both claim the {what}; rename or drop all but one"
        )


@dataclass(frozen=True, eq=False)
class IdColumn:
    """A column of ids.

    codes [n]: the number of each row's id, -1 where it is missing. names: the ids, in
    numeric order if all are whole numbers, of any length, else in alphabetical order.
    notes: on ids that were put together.
    """

    codes: Ids32
    names: NDArray[np.object_]
    notes: tuple[str, ...] = ()

    def name(self, row: int) -> str:
        """The id of a row, "" where it is missing."""
        code = self.codes[row]
        return str(self.names[code]) if code >= 0 else ""

    @property
    def texts(self) -> NDArray[np.object_]:
        """The ids of all rows [n]."""
        return np.append(self.names, "")[self.codes]


def read_ids(table: Table, at: int) -> IdColumn:
    """The ids of a column: 1.0 is 1; empty cells, NA, nan, null and None are missing.

    So are numbers that a spreadsheet has rounded, such as 1.23457E+17: see `is_ruined`.
    """
    import pandas as pd

    cells = table.frame[at]
    if cells.dtype == np.int64 and cells.between(0, MOST_DENSE).all():
        numbers = cells.to_numpy()
        used = np.zeros(numbers.max() + 1, np.bool_)
        used[numbers] = True
        distinct = list(map(str, np.flatnonzero(used).tolist()))
        codes = (used.cumsum() - 1).astype(np.int32)[numbers]
        return IdColumn(codes, np.array(distinct, object))
    if cells.dtype == np.float64:
        cells = pd.Series(table.column(at))
    rows, found = pd.factorize(cells.to_numpy())
    texts = [one_id(str(name)) for name in found.tolist()]
    names = sorted(set(texts) - {""}, key=_order(texts))
    place = pd.Index(names, dtype=object).get_indexer(pd.Index(texts, dtype=object))
    alike = len(names) + ("" in texts) < len(texts)
    notes = [f"{table.header[at]}: ids that differ by blanks or .0 are one, 1.0 is 1"]
    return IdColumn(
        place.astype(np.int32)[rows], np.array(names, object), tuple(notes * alike)
    )


def one_id(text: str) -> str:
    """An id as a person means it; "" where it is missing.

    >>> one_id(" 37.0"), one_id("NaN"), one_id("007"), one_id("1.23457E+17")
    ('37', '', '007', '')
    """
    name = text.strip()
    if is_missing(name) or is_ruined(name):
        return ""
    whole = _WHOLE.fullmatch(name)
    return whole[1] if whole else name


def is_missing(text: str) -> bool:
    """Whether a cell says that there is nothing: empty, NA, nan, null, None."""
    return text.strip().lower() in MISSING_IDS


def is_ruined(text: str) -> bool:
    """Whether a spreadsheet has rounded this id: 1.23457E+17."""
    return _RUINED.fullmatch(text.strip()) is not None


def _order(names: Sequence[str]) -> Callable[[str], tuple[int, str, str]] | None:
    """The key that sorts ids: None, or numeric for whole numbers of any length."""
    joined = "".join(names)
    return _numeric_order if joined.isascii() and joined.isdigit() else None


def _numeric_order(digits: str) -> tuple[int, str, str]:
    significant = digits.lstrip("0")
    return len(significant), significant, digits


def parse_feature(
    feature: str, values: Iterable[str], decimal_comma: bool = False
) -> Floats:
    """The cells of a feature [n] as numbers, nan where they cannot be read.

    Keys may be names such as `C#`, modes may be words such as `Major`.
    """
    numbers = to_numbers(values, decimal_comma=decimal_comma)
    if feature in ("key", "mode") and np.isnan(numbers).any():
        read = cache(parse_key if feature == "key" else parse_mode)
        return np.where(np.isnan(numbers), list(map(read, values)), numbers)
    return numbers


def parse_key(text: str) -> float:
    """The pitch class of a note, C = 0 to B = 11; nan if it is no note.

    Of `C#/Db` the first name counts.

    >>> [parse_key(name) for name in ("C", "C#", "Db", "F♯", "E flat", "B", "H")]
    [0.0, 1.0, 1.0, 6.0, 3.0, 11.0, nan]
    """
    name = text.strip().lower().replace("♯", "#").replace("♭", "b")
    found = re.fullmatch(r"([a-g])[ -]?(#|sharp|b|flat|)(/.*)?", name)
    if not found:
        return np.nan
    return float((_PITCH[found[1]] + _SHIFT[found[2]]) % 12)


def parse_mode(text: str) -> float:
    """1 for major, 0 for minor, nan for anything else.

    >>> parse_mode("Major"), parse_mode("min"), parse_mode("dorian")
    (1.0, 0.0, nan)
    """
    return _MODE.get(text.strip().lower(), np.nan)
