"""Session files: make a log with the simulator, and append sessions to a log.

``make_sessions`` writes ``data/sessions.csv``: sessions of simulated listeners under a
logging policy with known propensities.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rlrec.datasets import (
    Report,
    Sessions,
    Tracks,
    load_sessions,
    load_tracks,
    write_sessions,
)
from rlrec.datasets.sessions import SESSION_COLUMNS
from rlrec.envs.catalogue import make_catalogue
from rlrec.envs.dials import Dials
from rlrec.envs.listeners import DRAWS, LONGEST, Listeners
from rlrec.errors import ConfigError, DataError
from rlrec.storage import append_text
from rlrec.types import Floats

SEED = 20181210


def logging_propensity(popularity: Floats, *, uniform_share: float = 0.2) -> Floats:
    """The probability of each song [songs] under the logging policy.

    ``p = u / n + (1 - u) exp(popularity / 15) / sum`` with u = ``uniform_share`` in
    0..1 and ``popularity`` [songs] in 0..100. If u is above 0, every song has a
    positive probability, so such a log can evaluate every policy.
    """
    if not 0.0 <= uniform_share <= 1.0:
        raise ConfigError(f"uniform_share is {uniform_share}; it must lie in [0, 1]")
    weight = np.exp(popularity / 15.0)
    uniform = uniform_share / len(weight)
    return np.asarray(uniform + (1.0 - uniform_share) * weight / weight.sum())


def log_sessions(
    tracks: Tracks,
    rng: np.random.Generator,
    *,
    users: int = 120,
    sessions_each: int = 5,
) -> Sessions:
    """Sessions of ``users`` simulated listeners.

    A listener keeps the same taste and has a new mood in each of ``sessions_each``
    sessions.
    """
    rows = users * sessions_each
    listeners = Listeners(rows, make_catalogue(tracks), Dials())
    listeners.begin(np.arange(rows), rng.random((8, rows)))
    listeners.taste = np.repeat(listeners.taste[::sessions_each], sessions_each, axis=0)
    propensity = logging_propensity(tracks.popularity)
    played = rng.choice(len(tracks), size=(LONGEST, rows), p=propensity)
    heard = np.zeros((LONGEST, 3, rows))
    for step, songs in enumerate(played):
        heard[step] = listeners.react(songs, rng.random((DRAWS, rows)))
    row, place = np.nonzero(np.arange(LONGEST) < listeners.length[:, None])  # [plays]
    songs = played[place, row]
    feedback = heard[place, :, row]  # [plays, 3]
    count = {"users": users, "sessions": rows}
    return Sessions(
        users=(row // sessions_each).astype(np.int32),
        sessions=(row % sessions_each).astype(np.int32),
        positions=(place + 1).astype(np.int16),
        tracks=songs.astype(np.int32),
        fraction=feedback[:, 0].round(3).astype(np.float32),
        liked=feedback[:, 1].astype(np.bool_),
        skipped=feedback[:, 2].astype(np.bool_),
        propensity=propensity[songs].astype(np.float32),
        user_ids=np.array([f"u{number:03d}" for number in range(1, users + 1)]),
        track_ids=tracks.ids,
        report=Report("simulator", "sessions", len(row), count),
    )


def make_sessions(folder: Path) -> Path:
    """Write ``sessions.csv`` for ``tracks.csv`` in ``folder``, and return its path.

    The bytes are the same every time.
    """
    path = folder / "sessions.csv"
    tracks = load_tracks(folder / "tracks.csv")
    write_sessions(path, log_sessions(tracks, np.random.default_rng(SEED)))
    return path


# A log's size and time after the last append -> its sessions; so it is read only once.
_KNOWN: dict[Path, tuple[tuple[int, int], set[tuple[str, int]]]] = {}


def append_sessions(path: str | Path, log: Sessions) -> None:
    """Append ``log`` to the CSV at ``path``, all or nothing; make the file if needed.

    The file is read only if another process has changed it since the last append.
    Raises ``DataError`` if a user's session is in the file already, if the file has
    other columns, or if it can't be written.
    """
    path = Path(path).resolve()
    if not path.exists():
        write_sessions(path, log)
        _KNOWN[path] = (_version(path), _keys(log))
        return
    version, known = _KNOWN.get(path, (None, set()))
    if version != _version(path):
        _require_columns(path)
        known = _keys(load_sessions(path))
    for user, session in sorted(_keys(log) & known):
        raise DataError(
            f"{path}: session {session} of {user} is there already; "
            "give it another number"
        )
    append_text(path, _lines(log))
    known |= _keys(log)
    _KNOWN[path] = (_version(path), known)


def _version(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns


def _require_columns(path: Path) -> None:
    with path.open(encoding="utf-8", errors="replace") as file:
        header = file.readline().rstrip("\r\n")
    if header != ",".join(SESSION_COLUMNS):
        raise DataError(
            f"{path}: row 1: not the columns {','.join(SESSION_COLUMNS)}; "
            "append to a log of the same kind"
        )


def _keys(log: Sessions) -> set[tuple[str, int]]:
    return set(
        zip(log.user_ids[log.users].tolist(), log.sessions.tolist(), strict=True)
    )


def _lines(log: Sessions) -> str:
    import pandas as pd

    columns = (  # in the order of SESSION_COLUMNS
        log.user_ids[log.users],
        log.sessions,
        log.positions,
        log.track_ids[log.tracks],
        log.fraction,
        log.liked.astype(int),
        log.skipped.astype(int),
        log.propensity,
    )
    table = pd.DataFrame(dict(enumerate(columns)))
    return table.to_csv(
        header=False, index=False, float_format="%.6g", lineterminator="\n"
    )
