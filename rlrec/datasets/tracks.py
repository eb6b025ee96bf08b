"""Tracks: any CSV with the eleven Spotify audio features, under the names public files really use."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.folders import csv_in, locate
from rlrec.datasets.reading.columns import (
    FEATURES,
    RANGES,
    find,
    match_features,
    parse_feature,
)
from rlrec.datasets.reading.reports import (
    Problem,
    Report,
    refuse_overwriting,
    write_rejects,
)
from rlrec.datasets.reading.tables import (
    Table,
    read_table,
    refuse_if_ruined,
    to_numbers,
    why_not_a_number,
)
from rlrec.errors import DataError

SILENT = (
    "danceability",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
)


@dataclass(frozen=True, eq=False)
class Tracks:
    """A catalogue of n tracks, in the order in which the file first names each.

    ids, titles, artists [n]: text, "" where the file has none.
    genre [n]: the main genre (most frequent for the id; ties: first seen), "" if the file has none.
    genres: all of a track's genres, first seen first.
    raw [n, 11]: `FEATURES` as in the file (key -1..11, mode 0/1, loudness in dB, tempo in BPM).
    features [n, 11]: the same scaled to [0, 1] by fixed ranges (see `scale`).
    popularity [n]: 0..100, nan where the file has none.
    """

    ids: NDArray[np.str_]
    titles: NDArray[np.str_]
    artists: NDArray[np.str_]
    genre: NDArray[np.str_]
    genres: tuple[tuple[str, ...], ...]
    raw: NDArray[np.float64]
    features: NDArray[np.float32]
    popularity: NDArray[np.float64]
    report: Report

    def __len__(self) -> int:
        """How many tracks."""
        return len(self.ids)

    @cached_property
    def genre_names(self) -> tuple[str, ...]:
        """Every genre of the catalogue, sorted."""
        return tuple(sorted({name for names in self.genres for name in names}))

    def index_of(self, title: str) -> int:
        """The index of the first track with this title, upper and lower case alike.

        Raises `DataError` with the closest titles if there is none.
        """
        lowered = [str(name).lower() for name in self.titles]
        wanted = title.strip().lower()
        if wanted in lowered and wanted:
            return lowered.index(wanted)
        close = difflib.get_close_matches(
            wanted, dict.fromkeys(lowered), n=3, cutoff=0.6
        )
        near = ", ".join(repr(str(self.titles[lowered.index(name)])) for name in close)
        raise DataError(
            f"no track is called {title!r}; "
            + (f"close: {near}" if near else "nothing is close")
        )

    def most_popular(self, genre: str, k: int = 3) -> NDArray[np.intp]:
        """The indices of the k most popular tracks of a genre, best first; "HipHop" and "rap" are one genre.

        Raises `DataError` with the catalogue's genres if it has none of this one.
        """
        wanted = _plain_genre(genre)
        rows = np.flatnonzero(
            [
                any(_plain_genre(name) == wanted for name in names)
                for names in self.genres
            ]
        )
        if not len(rows):
            raise DataError(
                f"no track of genre {genre!r}; the catalogue has {', '.join(self.genre_names) or 'none'}"
            )
        order = np.argsort(
            -np.nan_to_num(self.popularity[rows], nan=-1.0), kind="stable"
        )
        return rows[order[:k]]

    def label(self, index: int) -> str:
        """A track as people read it: "Title (Artist)"."""
        artist = str(self.artists[index])
        return f"{self.titles[index]} ({artist})" if artist else str(self.titles[index])


def _plain_genre(name: str) -> str:
    letters = "".join(letter for letter in name.lower() if letter.isalnum())
    return "rap" if letters == "hiphop" else letters


def scale(raw: NDArray[np.float64]) -> NDArray[np.float32]:
    """The eleven features scaled to [0, 1] by fixed ranges, so that a new track always lands in the same place.

    key: k / 11, and 0.5 for -1 (no key found); loudness: (dB + 60) / 60, clipped; tempo: BPM / 250, clipped;
    the rest stands as it is. raw [n, 11] -> [n, 11].

    >>> scale(np.array([[0.7, 0.9, 11, -6, 1, 0.1, 0.2, 0.0, 0.1, 0.5, 125]]))[0, [2, 3, 10]].tolist()
    [1.0, 0.8999999761581421, 0.5]
    """
    scaled = np.array(raw, np.float64)
    key, loudness, tempo = (
        FEATURES.index(name) for name in ("key", "loudness", "tempo")
    )
    scaled[:, key] = np.where(raw[:, key] < 0, 0.5, raw[:, key] / 11)
    scaled[:, loudness] = (raw[:, loudness] + 60) / 60
    scaled[:, tempo] = raw[:, tempo] / 250
    return np.clip(scaled, 0, 1).astype(np.float32)


def load_tracks(
    source: str | Path = "generated", *, rejects: Path | None = None
) -> Tracks:
    """Load tracks from a data set's name ("generated", "spotify-songs"), a CSV file, or a folder with one CSV.

    Rows that cannot be used are left out and counted in `.report`; `rejects` names a CSV they are written to.
    Raises `DataError` if a feature column is missing or claimed twice, or if most rows are unusable.
    """
    path = csv_in(locate(source), "tracks.csv")
    refuse_overwriting(rejects, path)
    table = read_table(path)
    columns = match_features(table.header, path)
    raw, usable, problems = _read_features(table, columns)
    rejected = sorted([*table.cut, *problems], key=lambda problem: problem.row)
    write_rejects(rejects, rejected, lambda index: table.raw(rejected[index].row))
    refuse_if_ruined(table, rejected, _likely_cause(table, raw, rejected))
    return _build(table, raw, usable, rejected)


def _read_features(
    table: Table, columns: dict[str, int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], list[Problem]]:
    """Feature values [rows, 11], which rows are usable [rows], and one problem for each that is not."""
    identity = find(table.header, "id")
    ids = table.column(identity) if identity is not None else []
    texts = [table.column(columns[name]) for name in FEATURES]
    comma = table.delimiter != ","
    raw = np.column_stack(
        [
            parse_feature(name, text, comma)
            for name, text in zip(FEATURES, texts, strict=True)
        ]
    )
    bad = ~_in_range(raw)
    problems = (
        []
        if identity is None
        else [_no_id(table, row) for row in range(len(ids)) if not ids[row]]
    )
    nameless = {problem.row for problem in problems}
    for row in np.flatnonzero(bad.any(axis=1)):
        worst = int(np.argmax(bad[row]))
        if int(table.line_of[row]) not in nameless:
            name = ids[row] if ids else ""
            problems.append(
                _bad_cell(
                    table,
                    int(row),
                    FEATURES[worst],
                    texts[worst][row],
                    raw[row, worst],
                    name,
                )
            )
    usable = ~bad.any(axis=1) & ~np.isin(table.line_of, list(nameless))
    return raw, usable, problems


def _in_range(raw: NDArray[np.float64]) -> NDArray[np.bool_]:
    low, high = np.array([RANGES[name] for name in FEATURES]).T
    inside: NDArray[np.bool_] = (raw >= low) & (raw <= high)  # nan is never inside
    for name in ("key", "mode"):
        inside[:, FEATURES.index(name)] &= raw[:, FEATURES.index(name)] % 1 == 0
    return inside


def _no_id(table: Table, row: int) -> Problem:
    return Problem(
        "no id", int(table.line_of[row]), "id", "", "give every row the id of its track"
    )


def _bad_cell(
    table: Table, row: int, feature: str, text: str, value: float, name: str
) -> Problem:
    low, high = RANGES[feature]
    whole = ", a whole number" if feature in ("key", "mode") else ""
    kind = why_not_a_number(text) if not np.isfinite(value) else "out of its range"
    remedy = f"{feature} must lie in {low:g} to {high:g}{whole}"
    return Problem(kind, int(table.line_of[row]), feature, text, remedy, name)


def _likely_cause(
    table: Table, raw: NDArray[np.float64], rejected: list[Problem]
) -> str:
    """What most likely ruined a file, from its extremes. "" if nothing stands out."""
    if len(table.cut) > len(rejected) / 2:
        more = "more" if table.cut[0].kind.startswith("too many") else "fewer"
        return f"Most rows have {more} fields than the header: decimal commas, or another separator?"
    shares = {
        name: raw[:, FEATURES.index(name)]
        for name in FEATURES
        if RANGES[name] == (0.0, 1.0) and name != "mode"
    }
    worst = {
        name: np.nanmax(values)
        for name, values in shares.items()
        if np.isfinite(values).any()
    }
    name = (
        "energy"
        if worst.get("energy", 0) > 1
        else max(worst, key=lambda key: worst[key], default="")
    )
    if not name or worst[name] <= 1:
        return ""
    if worst[name] <= 100 and np.nanmedian(shares[name]) > 1:
        return f"{name} up to {worst[name]:g}: percentages? divide these columns by 100"
    return (
        f"{name} up to {worst[name]:g} (its range is 0 to 1): decimals destroyed by a spreadsheet? "
        "Get the original file, or re-export it with dots as decimals"
    )


def _optional(table: Table, what: str, rows: NDArray[np.intp]) -> list[str]:
    """A column that a file may lack, at `rows`; all "" where it does."""
    at = find(table.header, what)
    return (
        [""] * len(rows)
        if at is None
        else [table.rows[row][at].strip() for row in rows]
    )


def _build(
    table: Table,
    raw: NDArray[np.float64],
    usable: NDArray[np.bool_],
    rejected: list[Problem],
) -> Tracks:
    rows = np.flatnonzero(usable)
    titles, artists, labels = (
        _optional(table, what, rows) for what in ("title", "artist", "genre")
    )
    _blank_na(titles, artists)
    ids, notes = _optional(table, "id", rows), list(table.notes)
    if find(table.header, "id") is None:
        ids = [f"row {table.line_of[row]}" for row in rows]
        keys: list[object] = [
            (titles[i], artists[i], raw[row].tobytes()) for i, row in enumerate(rows)
        ]
        notes.append(
            "no id column: rows alike in title, artist and all eleven features are one track"
        )
    else:
        keys = list(ids)
    code_of: dict[object, int] = {}
    code = np.array([code_of.setdefault(key, len(code_of)) for key in keys], np.intp)
    first = np.unique(code, return_index=True)[1]
    genres, main = _collect_genres(code, labels, len(first))
    popularity, unread = _popularity(table, rows)
    warnings = [
        *_warnings(table, raw, rows, ids, titles),
        *_conflicts(table, raw, rows, code, first, ids),
        *unread,
    ]
    report = Report(
        str(table.path),
        "tracks",
        table.total,
        _counts(len(first), genres, artists),
        tuple(rejected),
        tuple(sorted(warnings, key=lambda problem: problem.row)),
        tuple(notes + _merge_notes(code, genres)),
    )
    values = raw[rows[first]]
    return Tracks(
        _text(ids, first),
        _text(titles, first),
        _text(artists, first),
        np.array(main, np.str_),
        genres,
        values,
        scale(values),
        popularity[first],
        report,
    )


def _blank_na(titles: list[str], artists: list[str]) -> None:
    """Empty title and artist where both are an exported missing value (R writes NA)."""
    for i, pair in enumerate(zip(titles, artists, strict=True)):
        if pair[0] == pair[1] and pair[0].lower() in ("na", "nan", "null", "none"):
            titles[i] = artists[i] = ""


def _text(values: list[str], first: NDArray[np.intp]) -> NDArray[np.str_]:
    return np.array([values[index] for index in first], np.str_)


def _collect_genres(
    code: NDArray[np.intp], labels: list[str], n: int
) -> tuple[tuple[tuple[str, ...], ...], list[str]]:
    """Each track's genres, first seen first, and its most frequent one."""
    seen: list[dict[str, int]] = [{} for _ in range(n)]
    for track, label in zip(code.tolist(), labels, strict=True):
        for name in filter(None, (part.strip() for part in label.split("|"))):
            seen[track][name] = seen[track].get(name, 0) + 1
    return tuple(tuple(counts) for counts in seen), [
        max(c, key=c.__getitem__, default="") for c in seen
    ]


def _counts(
    n: int, genres: tuple[tuple[str, ...], ...], artists: list[str]
) -> dict[str, int]:
    counts = {
        "tracks": n,
        "artists": len(set(artists) - {""}),
        "genres": len({g for names in genres for g in names}),
    }
    return {name: count for name, count in counts.items() if count or name == "tracks"}


def _merge_notes(
    code: NDArray[np.intp], genres: tuple[tuple[str, ...], ...]
) -> list[str]:
    merged = len(code) - len(genres)
    several = sum(len(names) > 1 for names in genres)
    notes = [f"{merged:,} rows repeat a track already seen: merged"] if merged else []
    return [*notes, f"{several:,} tracks have several genres"] if several else notes


def _popularity(
    table: Table, rows: NDArray[np.intp]
) -> tuple[NDArray[np.float64], list[Problem]]:
    """Popularity [rows], nan where there is none, and a warning for each value that is not 0..100."""
    texts = _optional(table, "popularity", rows)
    values = to_numbers(texts, decimal_comma=table.delimiter != ",")
    wrong = ~((values >= 0) & (values <= 100))
    values = np.where(wrong, np.nan, values)
    kind, remedy = (
        "popularity unreadable",
        "kept without popularity; it must lie in 0 to 100",
    )
    found = [i for i in np.flatnonzero(wrong) if texts[i]]
    return values, [
        Problem(kind, int(table.line_of[rows[i]]), "popularity", texts[i], remedy)
        for i in found
    ]


def _warnings(
    table: Table,
    raw: NDArray[np.float64],
    rows: NDArray[np.intp],
    ids: list[str],
    titles: list[str],
) -> list[Problem]:
    """Rows that are kept with a remark: too loud, silent, without tempo, without key, without title."""
    values = dict(zip(FEATURES, raw[rows].T, strict=True))
    silent = np.all([values[name] == 0 for name in SILENT], axis=0)
    has_title = find(table.header, "title") is not None
    untitled = np.array([has_title and not title for title in titles], np.bool_)
    remarks = (
        (
            values["loudness"] > 0,
            "loudness above 0 dB",
            "loudness",
            "kept; clipped to 0 dB when scaled",
        ),
        (
            silent,
            "all-zero row",
            "tempo",
            f"kept; {', '.join(SILENT)} are all 0: the analysis failed",
        ),
        (
            (values["tempo"] == 0) & ~silent,
            "tempo 0",
            "tempo",
            "kept; no beat was found",
        ),
        (
            values["key"] == -1,
            "no key",
            "key",
            "kept; -1 means no key was found, scaled to the middle",
        ),
        (untitled, "no title", "", "kept; look it up by its id"),
    )
    return [
        Problem(
            kind,
            int(table.line_of[rows[i]]),
            column,
            f"{values[column][i]:g}" if column else "",
            remedy,
            ids[i],
        )
        for mask, kind, column, remedy in remarks
        for i in np.flatnonzero(mask)
    ]


def _conflicts(
    table: Table,
    raw: NDArray[np.float64],
    rows: NDArray[np.intp],
    code: NDArray[np.intp],
    first: NDArray[np.intp],
    ids: list[str],
) -> list[Problem]:
    """Rows that repeat an id with other feature values than its first row."""
    differs = raw[rows] != raw[rows[first]][code]
    found = [
        (int(i), FEATURES[int(np.argmax(differs[i]))])
        for i in np.flatnonzero(differs.any(axis=1))
    ]
    kind, remedy = "same id, other values", "the first row's values are kept"
    return [
        Problem(
            kind,
            int(table.line_of[rows[i]]),
            name,
            f"{raw[rows[i], FEATURES.index(name)]:g}",
            remedy,
            ids[i],
        )
        for i, name in found
    ]
