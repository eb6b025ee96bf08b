"""Tracks: any CSV with the eleven Spotify audio features, under any usual names."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from operator import attrgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.folders import csv_in, locate
from rlrec.datasets.reading.columns import (
    FEATURES,
    MISSING_IDS,
    RANGES,
    find,
    is_missing,
    match_features,
    parse_feature,
)
from rlrec.datasets.reading.layouts import split_genres
from rlrec.datasets.reading.reports import (
    Problem,
    Report,
    refuse_overwriting,
    text_array,
)
from rlrec.datasets.reading.tables import (
    Rejected,
    Table,
    range_remedy,
    read_table,
    to_numbers,
)
from rlrec.errors import DataError
from rlrec.types import Bools, Floats, Floats32, Ids

WHOLE_FEATURES = ("key", "mode")
# Features from 0 to 1, where values above 1 mean that the decimals are damaged.
UNIT_FEATURES = tuple(
    "danceability energy speechiness acousticness instrumentalness liveness "
    "valence".split()
)
# All 0 where Spotify's analysis of a track has failed.
SILENT_FEATURES = tuple(
    "danceability speechiness acousticness instrumentalness liveness valence "
    "tempo".split()
)
_KEY = FEATURES.index("key")
_LOUDNESS = FEATURES.index("loudness")
_MODE = FEATURES.index("mode")
_TEMPO = FEATURES.index("tempo")


@dataclass(frozen=True, eq=False)
class Tracks:
    """A catalogue of n tracks, in the order of their first row in the file.

    ids, titles, artists [n]: text, "" where the file has none.
    genre [n]: the main genre: the most frequent one of a track's rows, ties: the
    first; "" if the file has none.
    genres: n tuples of all genres of a track, in the order of the file.
    raw [n, 11]: `FEATURES` as in the file. key: -1 to 11, mode: 0 or 1, loudness: -60
    to 5 dB, tempo: 0 to 300 beats a minute, the others: 0 to 1.
    features [n, 11]: the same, scaled to 0 to 1 by `scale`.
    popularity [n]: 0 to 100, nan where the file has none.
    """

    ids: NDArray[np.str_]
    titles: NDArray[np.str_]
    artists: NDArray[np.str_]
    genre: NDArray[np.str_]
    genres: tuple[tuple[str, ...], ...]
    raw: Floats
    features: Floats32
    popularity: Floats
    report: Report

    def __len__(self) -> int:
        """Number of tracks."""
        return len(self.ids)

    @cached_property
    def genre_names(self) -> tuple[str, ...]:
        """All genres of the catalogue, sorted."""
        return tuple(sorted(set(chain(*self.genres))))

    def index_of(self, title: str) -> int:
        """The index of the first track with this title, in upper or lower case.

        Raises `DataError` with the closest titles if there is none.
        """
        titles = self.titles.tolist()
        lowered = list(map(str.lower, titles))
        wanted = title.strip().lower()
        if wanted and wanted in lowered:
            return lowered.index(wanted)
        close = difflib.get_close_matches(wanted, dict.fromkeys(lowered), n=3)
        near = ", ".join(repr(titles[lowered.index(name)]) for name in close)
        hint = f"close: {near}" if near else "nothing is close"
        raise DataError(f"no track is called {title!r}; {hint}")

    def most_popular(self, genre: str, k: int = 3) -> Ids:
        """The indices of the k most popular tracks of a genre, best first.

        "HipHop" and "rap" are one genre. Raises `DataError` with all genres if the
        catalogue has none of this name.
        """
        wanted = _plain_genre(genre)
        rows = []
        for row, names in enumerate(self.genres):
            if wanted in map(_plain_genre, names):
                rows.append(row)
        if not rows:
            raise DataError(
                f"no track of genre {genre!r}; the catalogue has "
                f"{', '.join(self.genre_names) or 'none'}"
            )
        popularity = np.nan_to_num(self.popularity[rows], nan=-1.0)
        order = np.argsort(-popularity, kind="stable")
        return np.array(rows)[order[:k]]

    def song(self, genre: str) -> str:
        """The most popular track of a genre as text. Raises `DataError`."""
        return self.label(int(self.most_popular(genre, 1)[0]))

    def label(self, index: int) -> str:
        """A track as text: "Title (Artist)"."""
        title = str(self.titles[index])
        artist = str(self.artists[index])
        return f"{title} ({artist})" if artist else title


def _plain_genre(name: str) -> str:
    letters = re.sub(r"[\W_]", "", name.lower())
    return "rap" if letters == "hiphop" else letters


def scale(raw: Floats) -> Floats32:
    """Features scaled to 0 to 1 by fixed ranges, independent of the other tracks.

    key: k / 11, and 0.5 for -1 (no key found); loudness: (dB + 60) / 60, clipped;
    tempo: BPM / 250, clipped; the others stay. raw [n, 11] -> [n, 11].

    >>> row = [0.7, 0.9, 11, -6, 1, 0.1, 0.2, 0.0, 0.1, 0.5, 125]
    >>> scale(np.array([row]))[0, [2, 3, 10]].tolist()
    [1.0, 0.8999999761581421, 0.5]
    """
    scaled = np.array(raw, np.float64)
    scaled[:, _KEY] = np.where(raw[:, _KEY] < 0, 0.5, raw[:, _KEY] / 11)
    scaled[:, _LOUDNESS] = (raw[:, _LOUDNESS] + 60) / 60
    scaled[:, _TEMPO] = raw[:, _TEMPO] / 250
    return np.clip(scaled, 0, 1).astype(np.float32)


def unscale(features: Floats) -> Floats:
    """Features [n, 11] from 0 to 1, decoded ones too, back in the units of `raw`.

    Key and mode become whole numbers. What `scale` clipped stays clipped.

    >>> row = [0.7, 0.9, 1.0, 0.9, 0.6, 0.1, 0.2, 0.0, 0.1, 0.5, 0.5]
    >>> unscale(np.array([row]))[0, [2, 3, 4, 10]].tolist()
    [11.0, -6.0, 1.0, 125.0]
    """
    raw = np.array(features, np.float64)
    raw[:, _KEY] = np.round(11 * raw[:, _KEY])
    raw[:, _LOUDNESS] = 60 * raw[:, _LOUDNESS] - 60
    raw[:, _MODE] = np.round(raw[:, _MODE])
    raw[:, _TEMPO] *= 250
    return raw


def load_tracks(
    source: str | Path = "generated", *, rejects: Path | None = None
) -> Tracks:
    """Load tracks; rows with the same id are one track.

    source: "generated", "spotify-songs", a CSV, or a folder with tracks.csv or a
    single CSV.
    rejects: a CSV to write the rows to that were left out; `.report` counts them.
    Raises `DataError` if a feature has no column, or several, or if most rows are
    unusable.
    """
    path = csv_in(locate(source), "tracks.csv")
    refuse_overwriting(rejects)
    table = read_table(path)
    columns = match_features(table.header, path)
    raw = _read_features(table, columns)
    rejected = _reject(table, columns, raw)
    cause = _likely_cause(table, raw, len(rejected.problems))
    problems = rejected.finish(rejects, cause)
    return _build(table, raw, rejected.usable(), problems)


def _read_features(table: Table, columns: dict[str, int]) -> Floats:
    """Feature values [rows, 11], nan where they cannot be read."""
    comma = table.delimiter != ","
    raw = np.empty((len(table), len(FEATURES)))
    for i, name in enumerate(FEATURES):
        cells = table.frame[columns[name]]
        if cells.dtype == object:
            raw[:, i] = parse_feature(name, table.column(columns[name]), comma)
        else:
            raw[:, i] = cells
    return raw


def _reject(table: Table, columns: dict[str, int], raw: Floats) -> Rejected:
    """The rows without an id, or with a feature that is missing or out of range."""
    rejected = Rejected(table)
    identity = find(table.header, "id")
    ids = np.full(len(table), "", object)
    if identity is not None:
        ids = table.column(identity)
        for row in np.flatnonzero(list(map(is_missing, ids))).tolist():
            rejected.add(row, "no id", "id", "", "give every row the id of its track")
    bad = _out_of_range(raw)
    for row in np.flatnonzero(bad.any(axis=1)).tolist():
        i = int(np.argmax(bad[row]))
        name = FEATURES[i]
        remedy = range_remedy(name, *RANGES[name], name in WHOLE_FEATURES)
        text = table.text(row, columns[name])
        rejected.add_number(row, raw[row, i], name, text, remedy, ids[row])
    return rejected


def _out_of_range(raw: Floats) -> Bools:
    """Which cells [rows, 11] are not in `RANGES`; nan is in no range."""
    low, high = np.array(list(RANGES.values())).T
    bad: Bools = ~((raw >= low) & (raw <= high))
    for name in WHOLE_FEATURES:
        i = FEATURES.index(name)
        bad[:, i] |= raw[:, i] % 1 != 0
    return bad


def _likely_cause(table: Table, raw: Floats, bad_cells: int) -> str:
    """What most likely makes most rows unusable; "" if nothing stands out.

    bad_cells: number of rows with the right number of cells and a bad one.
    """
    if len(table.cut) > bad_cells:
        more = "more" if table.cut[0].kind.startswith("too many") else "fewer"
        return (
            f"Most rows have {more} fields than the header: decimal commas, or another "
            "separator?"
        )
    finite = np.where(np.isfinite(raw), raw, -np.inf)
    largest = dict(zip(FEATURES, finite.max(axis=0, initial=-np.inf), strict=True))
    name = max(UNIT_FEATURES, key=lambda share: largest[share])
    if largest["energy"] > 1:
        name = "energy"
    if largest[name] <= 1:
        return ""
    if largest[name] <= 100 and np.nanmedian(raw[:, FEATURES.index(name)]) > 1:
        return (
            f"{name} up to {largest[name]:g}: percentages? divide these columns by 100"
        )
    return (
        f"{name} up to {largest[name]:g} (its range is 0 to 1): decimals destroyed by "
        "a spreadsheet? Get the original file, or re-export it with dots as decimals"
    )


class _Texts:
    """The columns of text of the usable rows; "" where the file has none.

    rows [m]: the usable rows. ids, titles, artists, genres, popularity [m].
    """

    def __init__(self, table: Table, rows: Ids) -> None:
        self.table = table
        self.rows = rows
        self.ids = self._column("id")
        self.titles = self._column("title")
        self.artists = self._column("artist")
        self.genres = self._column("genre")
        self.popularity = self._column("popularity")
        self._blank_missing()

    def has(self, what: str) -> bool:
        """Whether the file has this column."""
        return find(self.table.header, what) is not None

    def _column(self, what: str) -> NDArray[np.object_]:
        at = find(self.table.header, what)
        if at is None:
            return np.full(len(self.rows), "", object)
        return self.table.column(at)[self.rows]

    def _blank_missing(self) -> None:
        """Clear title and artist where both are a missing value (R writes NA)."""
        import pandas as pd

        words = pd.Series(self.titles, dtype=object).str.lower()
        is_missing = words.isin(MISSING_IDS[1:]).to_numpy()
        missing = is_missing & (self.titles == self.artists)
        self.titles[missing] = ""
        self.artists[missing] = ""

    def warning(
        self, i: int, kind: str, column: str, value: str, remedy: str
    ) -> Problem:
        """A remark on usable row i, which is kept."""
        row = int(self.rows[i])
        return self.table.problem(row, kind, column, value, remedy, self.ids[i])


def _build(table: Table, raw: Floats, rows: Ids, rejected: list[Problem]) -> Tracks:
    texts = _Texts(table, rows)
    values = raw[rows]
    notes = []
    keys = texts.ids
    if not texts.has("id"):
        keys = _keys_without_id(texts, values)
        notes.append(
            "no id column: rows alike in title, artist and all eleven features are one "
            "track"
        )
    code, first = _merge(keys)
    genres, main = _collect_genres(code, texts.genres, len(first))
    popularity, unreadable = _popularity(texts)
    warnings = _warnings(texts, values)
    warnings += _conflicts(texts, values, values[first][code])
    warnings = sorted(warnings + unreadable, key=attrgetter("row"))
    notes += _merge_notes(len(rows), genres)
    counts = _counts(texts, genres)
    return Tracks(
        text_array(texts.ids[first], "track"),
        text_array(texts.titles[first], "title"),
        text_array(texts.artists[first], "artist"),
        text_array(main, "genre"),
        genres,
        values[first],
        scale(values[first]),
        popularity[first],
        table.report("tracks", counts, rejected, notes, warnings),
    )


def _keys_without_id(texts: _Texts, values: Floats) -> NDArray[np.object_]:
    """One key for all rows that are alike; also names each row by its line."""
    lines = texts.table.line_of[texts.rows]
    texts.ids = np.array([f"row {line}" for line in lines], object)
    features = np.array([row.tobytes().hex() for row in values], object)
    keys: NDArray[np.object_] = texts.titles + "\0" + texts.artists + "\0" + features
    return keys


def _merge(keys: NDArray[np.object_]) -> tuple[Ids, Ids]:
    """The number of each row's track [m], and the first row of each track [n]."""
    import pandas as pd

    code = pd.factorize(keys)[0]
    return code, np.unique(code, return_index=True)[1]


def _collect_genres(
    code: Ids, labels: NDArray[np.object_], count: int
) -> tuple[tuple[tuple[str, ...], ...], list[str]]:
    """Each track's genres in the order of the file, and its most frequent one."""
    seen: list[Counter[str]] = [Counter() for _ in range(count)]
    for track, label in zip(code.tolist(), labels, strict=True):
        seen[track].update(split_genres(label))
    main = [max(genres, key=genres.__getitem__, default="") for genres in seen]
    return tuple(map(tuple, seen)), main


def _counts(texts: _Texts, genres: tuple[tuple[str, ...], ...]) -> dict[str, int]:
    counts = {"tracks": len(genres)}
    artists = len(set(texts.artists) - {""})
    names = len(set(chain(*genres)))
    if artists:
        counts["artists"] = artists
    if names:
        counts["genres"] = names
    return counts


def _merge_notes(rows: int, genres: tuple[tuple[str, ...], ...]) -> list[str]:
    notes = []
    merged = rows - len(genres)
    if merged:
        notes.append(f"{merged:,} rows repeat a track already seen: merged")
    several = sum(len(names) > 1 for names in genres)
    if several:
        notes.append(f"{several:,} tracks have several genres")
    return notes


def _popularity(texts: _Texts) -> tuple[Floats, list[Problem]]:
    """Popularity of the rows [m], nan where there is none in 0 to 100; warnings."""
    cells = texts.popularity
    comma = texts.table.delimiter != ","
    values = to_numbers(cells.tolist(), decimal_comma=comma)
    wrong = ~((values >= 0) & (values <= 100))
    remedy = "kept without popularity; it must lie in 0 to 100"
    warnings = []
    for i in np.flatnonzero(wrong & (cells != "")).tolist():
        kind = "popularity unreadable"
        warnings.append(texts.warning(i, kind, "popularity", cells[i], remedy))
    return np.where(wrong, np.nan, values), warnings


def _warnings(texts: _Texts, values: Floats) -> list[Problem]:
    """Remarks on rows: too loud, silent, without tempo, key or title."""
    silent_columns = list(map(FEATURES.index, SILENT_FEATURES))
    silent = (values[:, silent_columns] == 0).all(axis=1)
    untitled = (texts.titles == "") & texts.has("title")
    zero = f"kept; {', '.join(SILENT_FEATURES)} are all 0: the analysis failed"
    no_key = "kept; -1 means no key was found, scaled to the middle"
    loud = "kept; clipped to 0 dB when scaled"
    no_tempo = (values[:, _TEMPO] == 0) & ~silent
    remarks = (
        (values[:, _LOUDNESS] > 0, "loudness above 0 dB", "loudness", loud),
        (silent, "all-zero row", "tempo", zero),
        (no_tempo, "tempo 0", "tempo", "kept; no beat was found"),
        (values[:, _KEY] == -1, "no key", "key", no_key),
        (untitled, "no title", "", "kept; look it up by its id"),
    )
    warnings = []
    for mask, kind, column, remedy in remarks:
        for i in np.flatnonzero(mask).tolist():
            value = f"{values[i, FEATURES.index(column)]:g}" if column else ""
            warnings.append(texts.warning(i, kind, column, value, remedy))
    return warnings


def _conflicts(texts: _Texts, values: Floats, kept: Floats) -> list[Problem]:
    """Rows that repeat an id with other features than its first row, `kept` [m, 11]."""
    differs = values != kept
    remedy = "the first row's values are kept"
    warnings = []
    for i in np.flatnonzero(differs.any(axis=1)).tolist():
        at = int(np.argmax(differs[i]))
        kind = "same id, other values"
        value = f"{values[i, at]:g}"
        warnings.append(texts.warning(i, kind, FEATURES[at], value, remedy))
    return warnings
