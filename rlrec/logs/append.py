"""A log that grows while listeners listen: sessions added to a CSV that `load_sessions` reads."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from rlrec.datasets import Sessions, load_sessions, write_sessions
from rlrec.datasets.sessions import COLUMNS
from rlrec.errors import DataError


def append_sessions(path: str | Path, log: Sessions) -> None:
    """Add ``log`` to the CSV at ``path``, in one write; make the file if there is none. `load_sessions` reads it.

    Raises ``DataError`` if a user's session is in the file already, or if the file has other columns.
    """
    path = Path(path)
    if not path.exists():
        write_sessions(path, log)
        return
    if path.read_text("utf-8").split("\n", 1)[0] != ",".join(COLUMNS):
        raise DataError(
            f"{path}: row 1: not the columns {','.join(COLUMNS)}; append to a log of the same kind"
        )
    old = load_sessions(path)
    known = {
        (old.user_ids[user], int(session))
        for user, session in zip(old.users, old.sessions, strict=True)
    }
    for user, session in zip(log.users, log.sessions, strict=True):
        if (log.user_ids[user], int(session)) in known:
            raise DataError(
                f"{path}: session {session} of {log.user_ids[user]} is there already; number it anew"
            )
    with open(path, "ab", buffering=0) as file:
        file.write(_lines(log).encode())


def _lines(log: Sessions) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        (
            *(
                log.user_ids[log.users[i]],
                log.sessions[i],
                log.positions[i],
                log.track_ids[log.tracks[i]],
            ),
            *(f"{log.fraction[i]:.6g}", int(log.liked[i]), int(log.skipped[i])),
            f"{log.propensity[i]:.6g}" if np.isfinite(log.propensity[i]) else "",
        )
        for i in range(len(log))
    )
    return text.getvalue()
