"""Listening sessions: who heard which track at which place of a session, how much of it, liked or skipped."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.folders import csv_in, locate
from rlrec.datasets.reading.columns import plain
from rlrec.datasets.reading.reports import (
    Problem,
    Report,
    refuse_overwriting,
    write_atomically,
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

COLUMNS = (
    "user",
    "session",
    "position",
    "track",
    "fraction_listened",
    "liked",
    "skipped",
    "propensity",
)
LIMITS: dict[str, tuple[float, float]] = {
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
    """n plays, sorted by user, session and position.

    users [n]: 0..U-1. sessions [n]: numbered as in the file. positions [n]: from 1. tracks [n]: index into `track_ids`.
    fraction [n]: how much of the track was heard, 0..1. liked, skipped [n].
    propensity [n]: the probability with which the logging policy chose this track, nan where not logged.
    user_ids [U], track_ids [T]: in the order in which the file first names them.
    """

    users: NDArray[np.int32]
    sessions: NDArray[np.int32]
    positions: NDArray[np.int16]
    tracks: NDArray[np.int32]
    fraction: NDArray[np.float32]
    liked: NDArray[np.bool_]
    skipped: NDArray[np.bool_]
    propensity: NDArray[np.float32]
    user_ids: NDArray[np.str_]
    track_ids: NDArray[np.str_]
    report: Report

    def __len__(self) -> int:
        """How many plays."""
        return len(self.users)


def load_sessions(
    source: str | Path = "generated", *, rejects: Path | None = None
) -> Sessions:
    """Load a listening log from the name "generated", a CSV or a folder with one, columns as in `COLUMNS`.

    `propensity` may be missing. Rows left out are counted in `.report`; `rejects` names a CSV they go to.
    Raises `DataError` if a column is missing, a position of a session stands twice, or most rows are unusable.
    """
    path = csv_in(locate(source), "sessions.csv")
    refuse_overwriting(rejects, path)
    table = read_table(path)
    at = match_columns(table)
    values = {name: _numbers(table.column(at[name])) for name in LIMITS if name in at}
    problems = _problems(table, at, values)
    usable = np.setdiff1d(np.arange(len(table.rows)), list(problems))
    rejected = [*table.cut, *problems.values()]
    users, sessions, positions = (
        table.column(at["user"]),
        values["session"],
        values["position"],
    )
    user_code, user_ids = _first_seen([users[row] for row in usable])
    order = np.lexsort((positions[usable], sessions[usable], user_code))
    rows = usable[order]
    repeats = _repeats(
        table, at, user_code[order], sessions[rows], positions[rows], rows
    )
    everything = sorted([*rejected, *repeats.values()], key=lambda problem: problem.row)
    write_rejects(rejects, everything, lambda index: table.raw(everything[index].row))
    refuse_if_ruined(table, everything)
    keep = ~np.isin(rows, list(repeats))
    return _build(
        table, at, values, rows[keep], user_code[order][keep], user_ids, everything
    )


def match_columns(table: Table) -> dict[str, int]:
    """Column name -> place. Raises `DataError` naming the missing ones (`propensity` may be missing)."""
    names = [plain(name) for name in table.header]
    at = {name: names.index(plain(name)) for name in COLUMNS if plain(name) in names}
    missing = [name for name in COLUMNS[:-1] if name not in at]
    if missing:
        raise DataError(
            f"{table.path}: row 1: no column for {', '.join(missing)}. The file has: {', '.join(table.header)}. "
            f"A listening log has {','.join(COLUMNS[:-1])}[,propensity]"
        )
    return at


def _numbers(texts: list[str]) -> NDArray[np.float64]:
    numbers = to_numbers(texts)
    if np.isnan(numbers).any():
        truth = np.array([_TRUTH.get(text.lower(), np.nan) for text in texts])
        return np.where(np.isnan(numbers), truth, numbers)
    return numbers


def _problems(
    table: Table, at: dict[str, int], values: dict[str, NDArray[np.float64]]
) -> dict[int, Problem]:
    """Row -> the first reason why it cannot be used."""
    problems: dict[int, Problem] = {}
    for name in ("user", "track"):
        for row in [row for row, text in enumerate(table.column(at[name])) if not text]:
            problems.setdefault(
                row,
                Problem("no id", int(table.line_of[row]), name, "", f"name the {name}"),
            )
    for name, (low, high) in LIMITS.items():
        if name not in values:
            continue
        inside = (values[name] >= low) & (values[name] <= high)
        if name in WHOLE:
            inside &= values[name] % 1 == 0
        for row in np.flatnonzero(~inside).tolist():
            text = table.rows[row][at[name]].strip()
            if name == "propensity" and text.lower() in ("", "nan"):
                continue
            kind = (
                "out of its range"
                if np.isfinite(values[name][row])
                else why_not_a_number(text)
            )
            remedy = f"{name} must lie in {low:g} to {high:g}" + ", a whole number" * (
                name in WHOLE
            )
            problems.setdefault(
                row, Problem(kind, int(table.line_of[row]), name, text, remedy)
            )
    return problems


def _repeats(
    table: Table,
    at: dict[str, int],
    user: NDArray[np.int32],
    session: NDArray[np.float64],
    position: NDArray[np.float64],
    rows: NDArray[np.intp],
) -> dict[int, Problem]:
    """Rows whose user, session and position an earlier row has already."""
    keys = np.column_stack([user, session, position])
    again = np.flatnonzero((keys[1:] == keys[:-1]).all(axis=1)) + 1
    remedy = "one track at each position of a session: the first row is kept"
    return {
        int(rows[i]): Problem(
            "position taken",
            int(table.line_of[rows[i]]),
            "position",
            f"{position[i]:g}",
            remedy,
            f"user {table.rows[rows[i]][at['user']]}, session {session[i]:g}",
        )
        for i in again
    }


def _first_seen(names: list[str]) -> tuple[NDArray[np.int32], list[str]]:
    code_of: dict[str, int] = {}
    codes = np.array(
        [code_of.setdefault(name, len(code_of)) for name in names], np.int32
    )
    return codes, list(code_of)


def _build(
    table: Table,
    at: dict[str, int],
    values: dict[str, NDArray[np.float64]],
    rows: NDArray[np.intp],
    users: NDArray[np.int32],
    user_ids: list[str],
    rejected: list[Problem],
) -> Sessions:
    tracks = table.column(at["track"])
    _, track_ids = _first_seen([tracks[row] for row in np.sort(rows)])
    place = {name: code for code, name in enumerate(track_ids)}
    unlogged = np.full(len(table.rows), np.nan)
    skipped = values["skipped"][rows]
    started = int(
        (np.diff(np.column_stack([users, values["session"][rows]]), axis=0) != 0)
        .any(axis=1)
        .sum()
    )
    report = Report(
        str(table.path),
        "sessions",
        table.total,
        {
            "plays": len(rows),
            "users": len(user_ids),
            "sessions": started + bool(len(rows)),
            "tracks": len(track_ids),
        },
        tuple(rejected),
        (),
        (*table.notes, f"skip rate {skipped.mean() if len(rows) else 0:.3f}"),
    )
    return Sessions(
        users,
        values["session"][rows].astype(np.int32),
        values["position"][rows].astype(np.int16),
        np.array([place[tracks[row]] for row in rows], np.int32),
        values["fraction_listened"][rows].astype(np.float32),
        values["liked"][rows] == 1,
        skipped == 1,
        values.get("propensity", unlogged)[rows].astype(np.float32),
        np.array(user_ids, np.str_),
        np.array(track_ids, np.str_),
        report,
    )


def write_sessions(path: str | Path, sessions: Sessions) -> None:
    """Write a log that `load_sessions` reads back: the same plays, ids and, to 6 digits, the same numbers.

    Written to a temporary name and renamed: a reader never sees half a file. `propensity` is left out if never logged.
    """
    logged = bool(np.isfinite(sessions.propensity).any())
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS if logged else COLUMNS[:-1])
    for i in range(len(sessions)):
        chance = sessions.propensity[i]
        row = [
            sessions.user_ids[sessions.users[i]],
            sessions.sessions[i],
            sessions.positions[i],
            sessions.track_ids[sessions.tracks[i]],
            f"{sessions.fraction[i]:.6g}",
            int(sessions.liked[i]),
            int(sessions.skipped[i]),
        ]
        writer.writerow(
            [*row, f"{chance:.6g}" if np.isfinite(chance) else ""] if logged else row
        )
    write_atomically(Path(path), buffer.getvalue())
