"""Find columns by the names public files use, and read the cells of features."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from rlrec.datasets.reading.tables import to_numbers
from rlrec.errors import DataError
from rlrec.types import Floats

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
    "title": "trackname songname title name songtitle tracktitle song track".split(),
    "artist": (
        "trackartist artist artists artistname artistnames artistsname trackartists"
    ).split(),
    "genre": (
        "playlistgenre trackgenre genre genres maingenre musicgenre songgenre"
    ).split(),
    "popularity": "trackpopularity popularity songpopularity audiopopularity".split(),
    "user": "userid user uid customerid listenerid username".split(),
    "item": (
        "itemid movieid trackid songid item movie track song iid asin bookid "
        "productid id"
    ).split(),
    "rating": "rating score stars ratings preference".split(),
    "time": "timestamp time date datetime ratedat createdat unixtime".split(),
    "item title": (
        "title movietitle moviename itemtitle itemname trackname songname name"
    ).split(),
    "plays": "plays playcount count listens weight".split(),
}

_FEATURE = re.compile(
    r"(?:audio|song|track|music|spotify|feature|af)*"
    rf"({'|'.join(FEATURES)})"
    r"(?:db|bpm|value|score|feature|raw|mean|x|y)?"
)
_PITCH = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SHIFT = {"#": 1, "sharp": 1, "b": -1, "flat": -1, "": 0}
_MODE = {"major": 1.0, "maj": 1.0, "minor": 0.0, "min": 0.0}


def plain(name: str) -> str:
    """A column name in lower case, without blanks, underscores and punctuation.

    >>> plain("\ufeffAudio_Mode ")
    'audiomode'
    """
    return re.sub(r"[^a-z0-9]", "", unicodedata.normalize("NFKC", name).lower())


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


def parse_feature(
    feature: str, values: Sequence[str], decimal_comma: bool = False
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
