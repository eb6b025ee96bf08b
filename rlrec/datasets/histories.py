"""Histories as sessions: Spotify, ListenBrainz, Last.fm, and a public skip log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rlrec.datasets.reading.columns import find, plain, read_ids
from rlrec.datasets.reading.tables import Table
from rlrec.datasets.reading.times import read_times

if TYPE_CHECKING:
    import pandas as pd

GAP = 1800.0  # seconds of silence that end a session
END_TIMES = ("ts", "endtime")  # Spotify's time is that at which a play ended
SKIP_LOG = ("sessionid", "sessionposition", "trackidclean")
# The public skip log says how far a track was heard: the share taken for it.
HEARD = {"skip_1": 0.05, "skip_2": 0.25, "skip_3": 0.75, "not_skipped": 1.0}


def is_skip_log(header: Sequence[str]) -> bool:
    """Whether these are columns of the Music Streaming Sessions Dataset."""
    return set(SKIP_LOG) <= set(map(plain, header))


def skip_log_plays(table: Table) -> tuple[pd.DataFrame, dict[str, int]]:
    """The plays of the skip log, a row each, as `SESSION_COLUMNS`; their columns.

    Each session is a user of its own; a skip is ``skip_2``, as in the dataset's paper.
    """
    import pandas as pd

    session, position, track = (
        list(map(plain, table.header)).index(name) for name in SKIP_LOG
    )
    flags = {}
    for name in HEARD:
        if name in table.header:
            flags[name] = is_true(table, table.header.index(name))
    shares = [HEARD[name] for name in flags]
    table.notes.append(
        "each session is a user; shares heard are guessed from the skips"
    )
    plays = {
        "user": read_ids(table, session).texts,
        "session": 0,
        "position": table.numbers(position),
        "track": read_ids(table, track).texts,
        "fraction_listened": np.select(list(flags.values()), shares, 1.0),
        "liked": 0,
        "skipped": flags["skip_2"].astype(float),
    }
    return pd.DataFrame(plays), {"position": position}


def is_true(table: Table, at: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether the cells of a column [n] say yes."""
    import pandas as pd

    texts = pd.Series(table.column(at), dtype=object).str.lower()
    return texts.isin(["true", "1", "1.0", "yes"]).to_numpy(bool)


def history_plays(table: Table) -> pd.DataFrame:
    """The plays of a history, a row each, as `SESSION_COLUMNS`.

    A session ends before a silence of more than 30 minutes. The longest play of a track
    is taken as its length, unless the file has lengths. A row without a title or a time
    has no track.
    """
    import pandas as pd

    header = table.header
    start, notes = read_times(table, _at(table, "time"))
    played = find(header, "played")
    length = find(header, "duration")
    seconds = np.full(len(table), np.nan) if played is None else table.numbers(played)
    seconds = seconds / 1000.0
    if plain(header[_at(table, "time")]) in END_TIMES:
        start = start - np.nan_to_num(seconds)
    tracks = pd.Series(_tracks(table)).where(np.isfinite(start), "")
    user = find(header, "user")
    plays = pd.DataFrame({"track": tracks, "start": start, "seconds": seconds})
    plays["user"] = "me" if user is None else read_ids(table, user).texts
    longest = plays.groupby("track")["seconds"].transform("max")
    if length is not None:
        longest = pd.Series(table.numbers(length) / 1000.0)
    share = (plays["seconds"] / longest).clip(0.0, 1.0)
    plays["fraction_listened"] = share.fillna(1.0)
    plays["liked"] = 0
    plays["skipped"] = 0.0
    if "skipped" in header:
        plays["skipped"] = is_true(table, header.index("skipped")).astype(float)
    elif played is not None:
        plays["skipped"] = (share < 0.5).astype(float)
    heard = "shares heard are of each track's longest play"
    if played is None:
        heard = "how much was heard is not in the file: taken as all, nothing skipped"
    table.notes.extend([*notes, f"sessions end before 30 minutes of silence; {heard}"])
    return _cut(plays)


def _at(table: Table, what: str) -> int:
    at = find(table.header, what)
    assert at is not None, "is_history has found it"
    return at


def _tracks(table: Table) -> list[str]:
    """Title and artist of each row; "" where there is no title."""
    artist = find(table.header, "artist")
    titles = read_ids(table, _at(table, "title")).texts
    if artist is None:
        return list(titles)
    labels = []
    for title, name in zip(titles, read_ids(table, artist).texts, strict=True):
        labels.append(f"{title} ({name})" if title and name else title)
    return labels


def _cut(plays: pd.DataFrame) -> pd.DataFrame:
    """Number sessions from 0 and positions from 1 for each user, in order of time."""
    order = plays.sort_values(["user", "start"], kind="stable")
    order = order[order["track"] != ""]
    end = order["start"] + order["seconds"].fillna(0.0)
    silent = order["start"] - end.groupby(order["user"]).shift()
    order["session"] = (silent > GAP).groupby(order["user"]).cumsum()
    keys = [order["user"], order["session"]]
    order["position"] = order.groupby(keys).cumcount() + 1
    plays["session"] = order["session"].reindex(plays.index, fill_value=0)
    plays["position"] = order["position"].reindex(plays.index, fill_value=1)
    return plays.drop(columns=["start", "seconds"])
