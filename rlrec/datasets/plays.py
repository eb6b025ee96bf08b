"""Play counts by genre, from which a user profile is made: Last.fm (HetRec 2011), or a user,genre,plays CSV."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.folders import csv_in, locate
from rlrec.datasets.reading.columns import find
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

GENRES = (
    "rock",
    "pop",
    "indie",
    "electronic",
    "metal",
    "ambient",
    "punk",
    "rnb",
    "folk",
    "hip-hop",
    "jazz",
    "classical",
)

# A tag goes to the first genre one of whose words it holds, so the order is the rule: "indie rock" is indie, "pop punk"
# punk, "synth pop" electronic, "folk metal" metal. Words are whole words ("rap" is not in "trap"); a star stands for
# any ending ("metal*" takes "metalcore").
TAG_WORDS: tuple[tuple[str, str], ...] = (
    ("metal", "metal* deathcore grindcore djent doom thrash"),
    ("hip-hop", "hip~hop hiphop rap gangsta crunk grime"),
    ("punk", "punk* hardcore post~hardcore screamo emo ska"),
    ("indie", "indie* shoegaze dream~pop lo~fi britpop post~rock twee"),
    ("ambient", "ambient chillout chill~out downtempo new~age drone lounge"),
    (
        "electronic",
        "electr* techno* house trance idm ebm industrial trip~hop dubstep drum~and~bass dnb breakbeat "
        "darkwave big~beat futurepop minimal synth*",
    ),
    ("rnb", "rnb r&b r~n~b soul neo~soul motown funk urban"),
    ("jazz", "jazz* swing bossa~nova fusion bebop"),
    ("classical", "classical baroque opera orchestral contemporary~classical"),
    ("folk", "folk* country bluegrass americana celtic"),
    (
        "rock",
        "rock* grunge alternative new~wave post~punk blues psychedelic progressive gothic goth aor",
    ),
    (
        "pop",
        "pop poprock dance disco eurodance j~pop jpop k~pop teen~pop boy~band girl~group power~pop electropop",
    ),
)


@dataclass(frozen=True, eq=False)
class PlayCounts:
    """How often each user played each genre.

    user_ids [U]; genres: G names; counts [U, G]: plays, fractional where an artist's plays are spread over its tags.
    """

    user_ids: NDArray[np.str_]
    genres: tuple[str, ...]
    counts: NDArray[np.float64]
    report: Report


def genre_of_tag(tag: str) -> str | None:
    """The broad genre of a tag, or None: see `TAG_WORDS`.

    >>> [genre_of_tag(tag) for tag in ("Indie Rock", "pop-punk", "trip-hop", "hip hop", "trap", "seen live")]
    ['indie', 'punk', 'electronic', 'hip-hop', None, None]
    """
    words = " " + re.sub(r"[\s_-]+", " ", tag.lower()).strip() + " "
    return next((genre for genre, pattern in _PATTERNS if pattern.search(words)), None)


def _pattern(words: str) -> re.Pattern[str]:
    parts = [
        re.escape(word).replace("\\~", " ").replace("~", " ").replace("\\*", r"\w*")
        for word in words.split()
    ]
    return re.compile(rf" (?:{'|'.join(parts)}) ")


_PATTERNS = tuple((genre, _pattern(words)) for genre, words in TAG_WORDS)


def load_play_counts(
    source: str | Path = "lastfm", *, rejects: Path | None = None
) -> PlayCounts:
    """Load plays by genre from "lastfm", a HetRec 2011 folder, or a CSV with the columns user, genre and plays.

    Last.fm: a user's plays of an artist are spread over the broad genres of the artist's taggings, in proportion.
    Plays of artists without a tag that maps are left out, and counted in `.report`.
    Rows left out are counted in `.report`; `rejects` names a CSV they are written to.
    Raises `DataError` if columns or files are missing or most rows are unusable.
    """
    path = locate(source)
    refuse_overwriting(rejects, path)
    if path.is_dir() and (path / "user_artists.dat").is_file():
        return _load_lastfm(path, rejects)
    return _load_csv(csv_in(path, "plays.csv"), rejects)


def _load_csv(path: Path, rejects: Path | None) -> PlayCounts:
    table = read_table(path)
    at = {what: find(table.header, what) for what in ("user", "genre", "plays")}
    user, genre, plays = at["user"], at["genre"], at["plays"]
    if user is None or genre is None or plays is None:
        missing = ", ".join(what for what, column in at.items() if column is None)
        raise DataError(
            f"{path}: row 1: no column for {missing}. The file has: {', '.join(table.header)}"
        )
    counts = to_numbers(table.column(plays))
    rows, rejected = _usable(table, (user, genre), plays, counts, rejects)
    users, names = (
        [table.rows[row][at].strip() for row in rows] for at in (user, genre)
    )
    genres = tuple(sorted(set(names)))
    return _spread(path, table, rejected, users, names, counts[rows], genres, [])


def _usable(
    table: Table,
    ids: tuple[int, ...],
    plays: int,
    counts: NDArray[np.float64],
    rejects: Path | None,
) -> tuple[NDArray[np.intp], list[Problem]]:
    """Rows to use and a problem for each other, written to `rejects`. Raises `DataError` if those are most."""
    bad = ~((counts >= 0) & (counts < 2.0**53))
    empty = np.array(
        [not all(row[at].strip() for at in ids) for row in table.rows], np.bool_
    )
    problems = list(table.cut)
    for row in np.flatnonzero(bad | empty):
        text, line = table.rows[row][plays].strip(), int(table.line_of[row])
        kind = (
            "no id"
            if empty[row]
            else "out of its range"
            if np.isfinite(counts[row])
            else why_not_a_number(text)
        )
        problems.append(
            Problem(
                kind, line, table.header[plays], text, "plays must be a number from 0"
            )
        )
    problems.sort(key=lambda problem: problem.row)
    write_rejects(rejects, problems, lambda index: table.raw(problems[index].row))
    refuse_if_ruined(table, problems)
    return np.flatnonzero(~(bad | empty)), problems


def _spread(
    path: Path,
    table: Table,
    rejected: list[Problem],
    users: list[str],
    names: list[str],
    plays: NDArray[np.float64],
    genres: tuple[str, ...],
    notes: list[str],
) -> PlayCounts:
    user_of: dict[str, int] = {}
    rows = np.array([user_of.setdefault(user, len(user_of)) for user in users], np.intp)
    columns = np.array([genres.index(name) for name in names], np.intp)
    counts = np.zeros((len(user_of), len(genres)))
    np.add.at(counts, (rows, columns), plays)
    found = {
        "users": len(user_of),
        "genres": len(genres),
        "plays": round(float(plays.sum())),
    }
    report = Report(
        str(path),
        "play counts",
        table.total,
        found,
        tuple(rejected),
        (),
        (*table.notes, *notes),
    )
    return PlayCounts(np.array(list(user_of), np.str_), genres, counts, report)


def _load_lastfm(folder: Path, rejects: Path | None) -> PlayCounts:
    missing = [
        name
        for name in ("tags.dat", "user_taggedartists.dat")
        if not (folder / name).is_file()
    ]
    if missing:
        raise DataError(
            f"{folder}: {', '.join(missing)} missing: an artist's genres come from its tags"
        )
    table = _read_dat(folder / "user_artists.dat", ("user", "artist", "plays"))
    plays = to_numbers(table.column(2))
    rows, rejected = _usable(table, (0, 1), 2, plays, rejects)
    mixes, share, cut = _artist_genres(folder)
    users, genres, amounts, lost = [], [], [], 0.0
    for row in rows.tolist():
        user, artist = table.rows[row][:2]
        mix = mixes.get(artist.strip(), {})
        lost += 0.0 if mix else plays[row]
        for genre, part in mix.items():
            users.append(user.strip())
            genres.append(genre)
            amounts.append(plays[row] * part)
    total = float(plays[rows].sum())
    everyone = {table.rows[row][0].strip() for row in rows.tolist()}
    notes = [
        f"{share:.1%} of taggings map onto the {len(GENRES)} genres",
        f"{len(everyone) - len(set(users)):,} of {len(everyone):,} users have no such plays at all: left out",
        f"{lost:,.0f} of {total:,.0f} plays ({lost / max(total, 1):.1%}) are of artists without such a tag: left out",
        *cut,
    ]
    return _spread(
        folder, table, rejected, users, genres, np.array(amounts), GENRES, notes
    )


def _read_dat(path: Path, needed: tuple[str, ...]) -> Table:
    """One of Last.fm's files. Raises `DataError` if it has fewer columns than `needed`."""
    table = read_table(path, delimiter="\t", quotes=False)
    if len(table.header) < len(needed):
        raise DataError(
            f"{path}: row 1: {len(table.header)} columns ({', '.join(table.header)}); needed, with tabs between them: "
            f"{', '.join(needed)}"
        )
    return table


def _artist_genres(
    folder: Path,
) -> tuple[dict[str, dict[str, float]], float, list[str]]:
    """Artist id -> genre -> share of its taggings (sums to 1), the share of taggings that map, and rows left out."""
    tags = _read_dat(folder / "tags.dat", ("tag", "name"))
    genre_of = {row[0].strip(): genre_of_tag(row[1]) for row in tags.rows}
    taggings = _read_dat(folder / "user_taggedartists.dat", ("user", "artist", "tag"))
    tally: dict[str, dict[str, float]] = {}
    mapped = 0
    for row in taggings.rows:
        genre = genre_of.get(row[2].strip())
        if genre is not None:
            mix = tally.setdefault(row[1].strip(), {})
            mix[genre] = mix.get(genre, 0.0) + 1
            mapped += 1
    shares = {
        artist: {g: n / sum(mix.values()) for g, n in mix.items()}
        for artist, mix in tally.items()
    }
    return (
        shares,
        mapped / max(len(taggings.rows), 1),
        [*tags.cut_notes(), *taggings.cut_notes()],
    )
