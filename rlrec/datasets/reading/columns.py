"""Which column means what: the names that public files really use, and how a feature's cells are read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.reading.tables import to_numbers
from rlrec.errors import DataError

FEATURES: tuple[str, ...] = (
    "danceability",
    "energy",
    "key",
    "loudness",
    "mode",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
)

RANGES: dict[str, tuple[float, float]] = {name: (0.0, 1.0) for name in FEATURES} | {
    "key": (-1.0, 11.0),  # pitch class, C = 0; -1: none found
    "loudness": (-60.0, 5.0),  # dB
    "tempo": (0.0, 300.0),  # beats a minute
}

NAMES: dict[str, tuple[str, ...]] = {  # in order of preference, as `plain` writes them
    "id": (
        "trackid",
        "id",
        "songid",
        "uri",
        "trackuri",
        "songuri",
        "spotifyid",
        "spotifyuri",
    ),
    "title": (
        "trackname",
        "songname",
        "title",
        "name",
        "songtitle",
        "tracktitle",
        "song",
        "track",
    ),
    "artist": (
        "trackartist",
        "artist",
        "artists",
        "artistname",
        "artistnames",
        "artistsname",
        "trackartists",
    ),
    "genre": (
        "playlistgenre",
        "trackgenre",
        "genre",
        "genres",
        "maingenre",
        "musicgenre",
        "songgenre",
    ),
    "popularity": (
        "trackpopularity",
        "popularity",
        "songpopularity",
        "audiopopularity",
    ),
    "user": ("userid", "user", "uid", "customerid", "listenerid", "username"),
    "item": (
        "itemid",
        "movieid",
        "trackid",
        "songid",
        "item",
        "movie",
        "track",
        "song",
        "iid",
        "asin",
        "bookid",
        "productid",
        "id",
    ),
    "rating": ("rating", "score", "stars", "ratings", "preference"),
    "time": (
        "timestamp",
        "time",
        "date",
        "datetime",
        "ratedat",
        "createdat",
        "unixtime",
    ),
    "item title": (
        "title",
        "movietitle",
        "moviename",
        "itemtitle",
        "itemname",
        "trackname",
        "songname",
        "name",
    ),
    "plays": ("plays", "playcount", "count", "listens", "weight"),
}

_PREFIX, _SUFFIX = (
    "(audio|song|track|music|spotify|feature|af)*",
    "(db|bpm|value|score|feature|raw|mean|x|y)?",
)
_PITCH = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SHIFT = {"#": 1, "sharp": 1, "b": -1, "flat": -1, "": 0}
_MODE = {"major": 1.0, "maj": 1.0, "minor": 0.0, "min": 0.0}


def plain(name: str) -> str:
    """A column name without case, blanks, underscores or punctuation: `Audio_Mode ` and `audio mode` are one.

    >>> plain("\ufeffAudio_Mode ")
    'audiomode'
    """
    return re.sub(r"[^a-z0-9]", "", unicodedata.normalize("NFKC", name).lower())


def find(header: Sequence[str], what: str) -> int | None:
    """The column that holds `what` (a key of `NAMES`), the preferred name first; None if there is none."""
    names = [plain(name) for name in header]
    return next(
        (names.index(candidate) for candidate in NAMES[what] if candidate in names),
        None,
    )


def find_one(header: Sequence[str], what: str, path: Path) -> int | None:
    """As `find`; raises `DataError` naming both columns if the name it goes by stands twice."""
    at = find(header, what)
    alike = [
        name for name in header if at is not None and plain(name) == plain(header[at])
    ]
    if len(alike) > 1:
        both = " and ".join(repr(name) for name in alike)
        raise DataError(
            f"{path}: row 1: {both} both claim the {what}; rename or drop all but one"
        )
    return at


def feature_of(column: str) -> str | None:
    """The feature a column name stands for, or None.

    >>> feature_of("song_danceability"), feature_of("Loudness (dB)"), feature_of("track_name")
    ('danceability', 'loudness', None)
    """
    name = plain(column)
    if name == "bpm":
        return "tempo"
    return next(
        (
            feature
            for feature in FEATURES
            if re.fullmatch(_PREFIX + feature + _SUFFIX, name)
        ),
        None,
    )


def match_features(header: Sequence[str], path: Path) -> dict[str, int]:
    """Feature -> column. Raises `DataError` naming what is missing, or the columns that claim one feature."""
    claims: dict[str, list[int]] = {}
    for index, column in enumerate(header):
        feature = feature_of(column)
        if feature:
            claims.setdefault(feature, []).append(index)
    for feature, indices in claims.items():
        if len(indices) > 1:
            both = " and ".join(repr(header[index]) for index in indices)
            raise DataError(
                f"{path}: row 1: {both} both claim the feature {feature}; rename or drop all but one"
            )
    missing = [name for name in FEATURES if name not in claims]
    if missing:
        raise DataError(
            f"{path}: row 1: no column for {', '.join(missing)}. The file has: {', '.join(header)}. "
            f"All eleven are needed: {', '.join(FEATURES)}"
        )
    return {name: claims[name][0] for name in FEATURES}


def parse_feature(
    feature: str, values: Sequence[str], decimal_comma: bool = False
) -> NDArray[np.float64]:
    """A feature's cells [n] as numbers; nan where they cannot be read. Keys may be `C#`, modes `Major`."""
    numbers = to_numbers(values, decimal_comma=decimal_comma)
    if feature in ("key", "mode") and np.isnan(numbers).any():
        read = parse_key if feature == "key" else parse_mode
        known = {value: read(value) for value in set(values)}
        named = np.array([known[value] for value in values])
        return np.where(np.isnan(numbers), named, numbers)
    return numbers


def parse_key(text: str) -> float:
    """A note's pitch class, C = 0 to B = 11; nan if it is no note.

    >>> [parse_key(name) for name in ("C", "C#", "Db", "F♯", "E flat", "B", "H")]
    [0.0, 1.0, 1.0, 6.0, 3.0, 11.0, nan]
    """
    name = text.strip().lower().replace("♯", "#").replace("♭", "b")
    found = re.fullmatch(
        r"([a-g])[ -]?(#|sharp|b|flat|)(/.*)?", name
    )  # `C#/Db`: the first name counts
    return float((_PITCH[found[1]] + _SHIFT[found[2]]) % 12) if found else float("nan")


def parse_mode(text: str) -> float:
    """1 for major, 0 for minor, nan for anything else.

    >>> parse_mode("Major"), parse_mode("min"), parse_mode("dorian")
    (1.0, 0.0, nan)
    """
    return _MODE.get(text.strip().lower(), float("nan"))
