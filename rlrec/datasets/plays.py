"""Play counts by genre, for user profiles: Last.fm (HetRec 2011), CSV, histories.

A CSV needs the columns user, genre and plays. In a listening history (Spotify,
ListenBrainz, Last.fm) each row is a play. Where there are no genres, the most played
artists stand for them, or the most played titles.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.folders import csv_in, locate
from rlrec.datasets.histories import is_true
from rlrec.datasets.reading.columns import find, read_ids, require_columns
from rlrec.datasets.reading.layouts import headerless, is_history
from rlrec.datasets.reading.reports import (
    Problem,
    Report,
    refuse_overwriting,
    text_array,
)
from rlrec.datasets.reading.tables import (
    Rejected,
    Table,
    history_files,
    read_table,
)
from rlrec.errors import DataError
from rlrec.types import Floats, Ids

MOST_COUNTS = 20_000_000  # users times genres
PLAY_GENRES = tuple(
    "rock pop indie electronic metal ambient punk rnb folk hip-hop jazz "
    "classical".split()
)

# A tag goes to the first genre of which it contains a word, so the order matters:
# "indie rock" is indie, "pop punk" punk, "synth pop" electronic, "folk metal" metal.
# Words are whole words: "rap" is not in "trap". "*" stands for any ending: "metal*"
# includes "metalcore". "~" stands for a blank.
TAG_WORDS: tuple[tuple[str, str], ...] = (
    ("metal", "metal* deathcore grindcore djent doom thrash"),
    ("hip-hop", "hip~hop hiphop rap gangsta crunk grime"),
    ("punk", "punk* hardcore post~hardcore screamo emo ska"),
    ("indie", "indie* shoegaze dream~pop lo~fi britpop post~rock twee"),
    ("ambient", "ambient chillout chill~out downtempo new~age drone lounge"),
    (
        "electronic",
        "electr* techno* house trance idm ebm industrial trip~hop dubstep "
        "drum~and~bass dnb breakbeat darkwave big~beat futurepop minimal synth*",
    ),
    ("rnb", "rnb r&b r~n~b soul neo~soul motown funk urban"),
    ("jazz", "jazz* swing bossa~nova fusion bebop"),
    ("classical", "classical baroque opera orchestral contemporary~classical"),
    ("folk", "folk* country bluegrass americana celtic"),
    (
        "rock",
        "rock* grunge alternative new~wave post~punk blues psychedelic progressive "
        "gothic goth aor",
    ),
    (
        "pop",
        "pop poprock dance disco eurodance j~pop jpop k~pop teen~pop boy~band "
        "girl~group power~pop electropop",
    ),
)


@dataclass(frozen=True, eq=False)
class PlayCounts:
    """How often each of U users played each of G genres.

    user_ids [U]: ids in the order of their first row in the file.
    genres: G names. counts [U, G]: plays, 0 or more; fractions where the plays of an
    artist are spread over the genres of its tags. songs: the title most played of each
    genre, where the file has titles.
    """

    user_ids: NDArray[np.str_]
    genres: tuple[str, ...]
    counts: Floats
    report: Report
    songs: dict[str, str] = field(default_factory=dict)

    def song(self, genre: str) -> str:
        """The title most played of a genre. Raises `DataError` if there is none."""
        if genre not in self.songs:
            raise DataError(f"no title of {genre!r} among these plays")
        return self.songs[genre]


def genre_of_tag(tag: str) -> str | None:
    """The broad genre of a tag, or None: see `TAG_WORDS`.

    >>> tags = ("Indie Rock", "pop-punk", "trip-hop", "hip hop", "trap", "seen live")
    >>> [genre_of_tag(tag) for tag in tags]
    ['indie', 'punk', 'electronic', 'hip-hop', None, None]
    """
    words = " " + re.sub(r"[\s_-]+", " ", tag.lower()).strip() + " "
    for genre, pattern in _PATTERNS:
        if pattern.search(words):
            return genre
    return None


def _pattern(words: str) -> re.Pattern[str]:
    """A pattern for any of some words, with a blank on either side."""
    pattern = re.escape(words)
    for mark, regex in ((r"\ ", "|"), (r"\~", " "), (r"\*", r"\w*")):
        pattern = pattern.replace(mark, regex)
    return re.compile(f" (?:{pattern}) ")


_ADVICE = (
    "Play counts need the columns user, genre (or artist, or title) and plays; a "
    "listening history needs titles and times. In three lines:\n"
    "  import pandas as pd\n"
    '  table = pd.read_csv("mine.csv").rename(columns={"Listener": "user"})\n'
    '  table.to_csv("plays.csv", index=False)'
)
ME = "me"  # the listener of a history that names nobody
MOST_GROUPS = 12  # artists or titles that stand for genres
_PATTERNS = tuple((genre, _pattern(words)) for genre, words in TAG_WORDS)


def load_play_counts(
    source: str | Path = "lastfm", *, rejects: Path | None = None
) -> PlayCounts:
    """Load plays by genre.

    source: "lastfm", a HetRec 2011 folder, a CSV with the columns user, genre and
    plays, a listening history, or a folder with plays.csv, Spotify's
    Streaming_History*.json or a single CSV.
    rejects: a CSV to write the rows to that were left out; `.report` counts them.
    Last.fm: the plays of an artist are spread over the genres of its tags, in
    proportion. Artists without a tag of a known genre are left out, and counted in
    `.report`.
    Raises `DataError` if columns or files are missing or most rows are unusable.
    """
    path = locate(source)
    refuse_overwriting(rejects)
    if path.is_dir() and (path / "user_artists.dat").is_file():
        return _load_lastfm(path, rejects)
    if not history_files(path):
        path = csv_in(path, "plays.csv")
    return _load_table(read_table(path, header=headerless), rejects)


@dataclass(frozen=True, eq=False)
class _Plays:
    """m usable rows: indices, users, names of genres or artists, and counts [m]."""

    table: Table
    rows: Ids
    users: NDArray[np.object_]
    names: NDArray[np.object_]
    counts: Floats
    rejected: list[Problem]


def _load_table(table: Table, rejects: Path | None) -> PlayCounts:
    header = table.header
    title = find(header, "title")
    if title is None:
        title = find(header, "item")
    places = {"genre, artist or title": _group(table, title)}
    if not is_history(header):
        places |= {"user": find(header, "user"), "plays": find(header, "plays")}
    at = require_columns(places, header, table.path, _ADVICE)
    name = at["genre, artist or title"]
    plays = _read_plays(table, find(header, "user"), name, at.get("plays"), rejects)
    notes: list[str] = []
    if name != find(header, "genre"):
        plays, notes = _most_played(plays, header[name])
    if "skipped" in header:
        skipped = is_true(table, header.index("skipped"))[plays.rows]
        notes.append(f"plays skipped: {skipped.sum():,}; they count as the others do")
    found = _count(plays, tuple(sorted(set(plays.names))), notes)
    return found if title is None else replace(found, songs=_songs(plays, title))


def _group(table: Table, title: int | None) -> int | None:
    """The column of genres; else the first of artists and titles with several."""
    places = [find(table.header, "genre"), find(table.header, "artist"), title]
    found = [at for at in places if at is not None]
    for at in found:
        if table.frame[at].nunique() > 1:
            return at
    return found[0] if found else None


def _read_plays(
    table: Table, user: int | None, name: int, plays: int | None, rejects: Path | None
) -> _Plays:
    """The usable rows, given the columns. The others are written to `rejects`.

    user: None if all plays are one listener's. plays: None if each row is a play.
    Raises `DataError` if most rows are unusable.
    """
    users = np.full(len(table), ME, object)
    if user is not None:
        users = read_ids(table, user).texts
    names = read_ids(table, name).texts
    counts = np.ones(len(table)) if plays is None else table.numbers(plays)
    bought = np.zeros(len(table), np.bool_)
    if "action" in table.header:
        bought = table.column(table.header.index("action")) == "purchase"
    nameless = (users == "") | (names == "")
    outside = ~((counts >= 0) & (counts < 2.0**53))
    rejected = Rejected(table)
    column = table.header[name if plays is None else plays]
    remedy = "plays must be a number from 0"
    for row in np.flatnonzero(nameless | outside).tolist():
        text = table.text(row, name if plays is None else plays)
        if nameless[row]:
            rejected.add(
                row, "no id", column, text, "name the user and what was played"
            )
        else:
            rejected.add_number(row, counts[row], column, text, remedy)
    aside = []
    for row in np.flatnonzero(bought).tolist():
        aside.append(table.problem(row, "bought, not played", "action", "purchase", ""))
    problems = rejected.finish(rejects, superseded=aside)
    usable = rejected.usable()
    usable = usable[~bought[usable]]
    return _Plays(table, usable, users[usable], names[usable], counts[usable], problems)


def _most_played(plays: _Plays, what: str) -> tuple[_Plays, list[str]]:
    """The plays of the groups played most, and notes on the others."""
    import pandas as pd

    total = pd.Series(plays.counts).groupby(plays.names).sum()
    top = total.sort_values(ascending=False, kind="stable").index[:MOST_GROUPS]
    kept = pd.Series(plays.names).isin(top).to_numpy()
    notes = [f"no genres: the {len(top)} most played of {what} stand for them"]
    if not kept.all():
        left_out = plays.counts[~kept].sum()
        notes.append(
            f"{left_out:,.0f} plays of {len(total) - len(top):,} others left out"
        )
    return replace(
        plays,
        rows=plays.rows[kept],
        users=plays.users[kept],
        names=plays.names[kept],
        counts=plays.counts[kept],
    ), notes


def _songs(plays: _Plays, title: int) -> dict[str, str]:
    """Genre -> the title most played; of equals the first in the alphabet."""
    import pandas as pd

    titles = plays.table.column(title)[plays.rows]
    total = pd.Series(plays.counts).groupby([plays.names, titles]).sum()
    best = total.sort_values(ascending=False, kind="stable").index
    return {genre: song for genre, song in reversed(best) if song}


def _count(plays: _Plays, genres: tuple[str, ...], notes: list[str]) -> PlayCounts:
    """Sum the plays of each user and genre."""
    import pandas as pd

    rows, user_ids = pd.factorize(plays.users)
    columns = pd.Index(genres).get_indexer(pd.Index(plays.names))
    if len(user_ids) * len(genres) > MOST_COUNTS:
        raise DataError(
            f"{plays.table.path}: {len(user_ids):,} users times {len(genres):,} genres "
            f"are too many; does the column {plays.table.header} hold genres?"
        )
    counts = np.zeros((len(user_ids), len(genres)))
    np.add.at(counts, (rows, columns), plays.counts)
    found = {
        "users": len(user_ids),
        "genres": len(genres),
        "plays": round(float(plays.counts.sum())),
    }
    report = plays.table.report("play counts", found, plays.rejected, notes)
    return PlayCounts(text_array(user_ids, "user"), genres, counts, report)


def _load_lastfm(folder: Path, rejects: Path | None) -> PlayCounts:
    needed = ("tags.dat", "user_taggedartists.dat")
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{folder}: {', '.join(missing)} missing: an artist's genres come from its "
            "tags"
        )
    table = _read_dat(folder / "user_artists.dat", ("user", "artist", "plays"))
    plays = _read_plays(table, 0, 1, 2, rejects)
    artists, mapped, cut = _artist_genres(folder)
    spread = _spread(plays, artists)
    total = float(plays.counts.sum())
    known = np.array(list(map(artists.__contains__, plays.names)), np.bool_)
    lost = float(plays.counts[~known].sum())
    listeners = len(set(plays.users))
    without = listeners - len(set(spread.users))
    notes = [
        f"{mapped:.1%} of taggings map onto the {len(PLAY_GENRES)} genres",
        f"{without:,} of {listeners:,} users have no such plays at all: left out",
        f"{lost:,.0f} of {total:,.0f} plays ({lost / max(total, 1):.1%}) are of "
        "artists without such a tag: left out",
        *cut,
    ]
    return _count(
        replace(spread, table=replace(table, path=folder)), PLAY_GENRES, notes
    )


def _spread(plays: _Plays, artists: dict[str, dict[str, float]]) -> _Plays:
    """Plays of artists as plays of genres, given each artist's share of each genre."""
    users = []
    genres = []
    counts = []
    for user, artist, count in zip(
        plays.users, plays.names, plays.counts.tolist(), strict=True
    ):
        for genre, share in artists.get(artist, {}).items():
            users.append(user)
            genres.append(genre)
            counts.append(count * share)
    return replace(
        plays,
        users=np.array(users, object),
        names=np.array(genres, object),
        counts=np.array(counts),
    )


def _read_dat(path: Path, needed: tuple[str, ...]) -> Table:
    """A file of Last.fm. Raises `DataError` if it has fewer columns than `needed`."""
    table = read_table(path, delimiter="\t", quotes=False)
    if len(table.header) < len(needed):
        raise DataError(
            f"{path}: row 1: {len(table.header)} columns ({', '.join(table.header)}); "
            f"needed, with tabs between them: {', '.join(needed)}"
        )
    return table


def _artist_genres(
    folder: Path,
) -> tuple[dict[str, dict[str, float]], float, list[str]]:
    """Artist id -> genre -> share of its taggings; these shares sum to 1.

    Also the share of all taggings that have a genre, and notes on cut rows.
    """
    tags = _read_dat(folder / "tags.dat", ("tag", "name"))
    genres = map(genre_of_tag, tags.column(1))
    genre_of = dict(zip(tags.column(0), genres, strict=True))
    taggings = _read_dat(folder / "user_taggedartists.dat", ("user", "artist", "tag"))
    tally: Counter[tuple[str, str]] = Counter()
    for artist, tag in zip(taggings.column(1), taggings.column(2), strict=True):
        genre = genre_of.get(tag)
        if genre is not None:
            tally[artist, genre] += 1
    totals: Counter[str] = Counter()
    for (artist, _), count in tally.items():
        totals[artist] += count
    shares: dict[str, dict[str, float]] = {}
    for (artist, genre), count in tally.items():
        shares.setdefault(artist, {})[genre] = count / totals[artist]
    mapped = tally.total() / max(len(taggings), 1)
    return shares, mapped, [*tags.cut_notes(), *taggings.cut_notes()]
