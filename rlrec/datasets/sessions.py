"""Listening sessions: who heard which track when, how much of it, liked or skipped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.folders import csv_in, locate
from rlrec.datasets.histories import history_plays, is_skip_log, skip_log_plays
from rlrec.datasets.reading.columns import plain, read_ids, require_columns
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
    range_remedy,
    read_table,
)
from rlrec.storage import write_text
from rlrec.types import Bools, Floats, Floats32, Ids32

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = tuple("user session position track fraction_listened liked skipped".split())
SESSION_COLUMNS = (*REQUIRED, "propensity")
SESSION_LIMITS: dict[str, tuple[float, float]] = {
    "session": (0, 2**31 - 1),
    "position": (1, 2**15 - 1),
    "fraction_listened": (0, 1),
    "liked": (0, 1),
    "skipped": (0, 1),
    "propensity": (0, 1),
}
WHOLE = ("session", "position", "liked", "skipped")
_TRUTH = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}


@dataclass(frozen=True, eq=False)
class Sessions:
    """n plays of U users and T tracks, sorted by user, session and position.

    users [n]: 0 to U - 1. sessions [n]: numbers as in the file, 0 or more.
    positions [n]: place in the session, 1 or more.
    tracks [n]: 0 to T - 1. fraction [n]: share of the track that was heard, 0 to 1.
    liked, skipped [n]: whether the user did so.
    propensity [n]: probability with which the logging policy chose this track, 0 to 1;
    nan where it was not logged.
    user_ids [U], track_ids [T]: ids in the order of their first row in the file.
    """

    users: Ids32
    sessions: Ids32
    positions: NDArray[np.int16]
    tracks: Ids32
    fraction: Floats32
    liked: Bools
    skipped: Bools
    propensity: Floats32
    user_ids: NDArray[np.str_]
    track_ids: NDArray[np.str_]
    report: Report

    def __len__(self) -> int:
        """Number of plays."""
        return len(self.users)


def load_sessions(
    source: str | Path = "generated", *, rejects: Path | None = None
) -> Sessions:
    """Load a listening log: `SESSION_COLUMNS`, where `propensity` may be missing.

    source: "generated", a CSV, or a folder with sessions.csv or a single CSV. Also a
    listening history, cut where 30 minutes are silent, or the public skip log (Music
    Streaming Sessions Dataset): `rlrec.datasets.histories`.
    rejects: a CSV to write the rows to that were left out; `.report` counts them.
    If a position of a session is taken twice, the first row is kept.
    Raises `DataError` if a column is missing or most rows are unusable.
    """
    path = locate(source)
    if not history_files(path):
        path = csv_in(path, "sessions.csv")
    refuse_overwriting(rejects)
    table = read_table(path, header=headerless)
    columns: dict[str, int] = {}
    if is_skip_log(table.header):
        plays, columns = skip_log_plays(table)
    elif is_history(table.header):
        plays = history_plays(table)
    else:
        columns = match_columns(table)
        plays = _read_plays(table, columns)
    rejected = _reject(table, columns, plays)
    _reject_repeats(rejected, plays.loc[rejected.usable()])
    problems = rejected.finish(rejects)
    return _build(table, plays.loc[rejected.usable()], problems)


def match_columns(table: Table) -> dict[str, int]:
    """Column name -> index in the file.

    Raises `DataError` naming the missing ones; `propensity` may be missing.
    """
    names = list(map(plain, table.header))
    places: dict[str, int | None] = {}
    for name in SESSION_COLUMNS:
        if plain(name) in names:
            places[name] = names.index(plain(name))
        elif name in REQUIRED:
            places[name] = None
    advice = f"A listening log has {','.join(REQUIRED)}[,propensity]"
    return require_columns(places, table.header, table.path, advice)


def _read_plays(table: Table, columns: dict[str, int]) -> pd.DataFrame:
    """The columns that the file has: ids as text, the others as numbers."""
    import pandas as pd

    plays = {}
    for name, at in columns.items():
        is_id = name not in SESSION_LIMITS
        plays[name] = read_ids(table, at).texts if is_id else _numbers(table, at)
    return pd.DataFrame(plays)


def _numbers(table: Table, at: int) -> Floats:
    """A column [n] as numbers; true and yes are 1, false and no are 0."""
    import pandas as pd

    numbers = table.numbers(at)
    if np.isnan(numbers).any():
        truth = pd.Series(table.column(at), dtype=object).str.lower().map(_TRUTH)
        return np.where(np.isnan(numbers), truth.to_numpy(np.float64), numbers)
    return numbers


def _reject(table: Table, columns: dict[str, int], plays: pd.DataFrame) -> Rejected:
    """The rows without an id, or with a number missing or out of its limits."""
    rejected = Rejected(table)
    for name in ("user", "track"):
        for row in np.flatnonzero(plays[name] == "").tolist():
            rejected.add(row, "no id", name, "", f"name the {name}")
    for name, (low, high) in SESSION_LIMITS.items():
        if name not in columns:
            continue
        numbers = plays[name].to_numpy()
        inside = (numbers >= low) & (numbers <= high)
        if name in WHOLE:
            inside &= numbers % 1 == 0
        remedy = range_remedy(name, low, high, name in WHOLE)
        for row in np.flatnonzero(~inside).tolist():
            text = table.text(row, columns[name])
            if name != "propensity" or text.lower() not in ("", "nan"):
                rejected.add_number(row, numbers[row], name, text, remedy)
    return rejected


def _reject_repeats(rejected: Rejected, plays: pd.DataFrame) -> None:
    """Reject rows whose user, session and position an earlier row has already."""
    remedy = "one track at each position of a session: the first row is kept"
    keys = plays[["user", "session", "position"]]
    repeated = keys[keys.duplicated()]
    for row, user, session, position in repeated.itertuples(name=None):
        name = f"user {user}, session {session:g}"
        text = f"{position:g}"
        rejected.add(row, "position taken", "position", text, remedy, name)


def _build(table: Table, plays: pd.DataFrame, rejected: list[Problem]) -> Sessions:
    import pandas as pd

    users, user_ids = pd.factorize(plays["user"])
    tracks, track_ids = pd.factorize(plays["track"])
    propensity = plays.get("propensity", np.nan)
    plays = plays.assign(user=users, track=tracks, propensity=propensity)
    plays = plays.sort_values(["user", "session", "position"])
    skipped = plays["skipped"] == 1
    counts = {
        "plays": len(plays),
        "users": len(user_ids),
        "sessions": len(plays[["user", "session"]].drop_duplicates()),
        "tracks": len(track_ids),
    }
    notes = [f"skip rate {skipped.mean() if len(plays) else 0:.3f}"]
    return Sessions(
        plays["user"].to_numpy(np.int32),
        plays["session"].to_numpy(np.int32),
        plays["position"].to_numpy(np.int16),
        plays["track"].to_numpy(np.int32),
        plays["fraction_listened"].to_numpy(np.float32),
        (plays["liked"] == 1).to_numpy(),
        skipped.to_numpy(),
        plays["propensity"].to_numpy(np.float32),
        text_array(user_ids, "user"),
        text_array(track_ids, "track"),
        table.report("sessions", counts, rejected, notes),
    )


def write_sessions(path: str | Path, sessions: Sessions) -> None:
    """Write a log as a CSV that `load_sessions` reads back.

    Numbers keep 6 significant digits. `propensity` is left out if it is nan everywhere.
    """
    import pandas as pd

    plays = {
        "user": sessions.user_ids[sessions.users],
        "session": sessions.sessions,
        "position": sessions.positions,
        "track": sessions.track_ids[sessions.tracks],
        "fraction_listened": sessions.fraction,
        "liked": sessions.liked.astype(np.int8),
        "skipped": sessions.skipped.astype(np.int8),
    }
    if np.isfinite(sessions.propensity).any():
        plays["propensity"] = sessions.propensity
    table = pd.DataFrame(plays)
    text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    write_text(path, text)
