"""Listening logs from the simulator, made by a stated policy with its propensities: ``data/sessions.csv``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets import Report, Sessions, Tracks, load_tracks, write_sessions
from rlrec.envs.catalogue import make_catalogue
from rlrec.envs.listeners import DRAWS, LONGEST, Dials, Listeners
from rlrec.errors import ConfigError

SEED = 20181210


def logging_propensity(
    popularity: NDArray[np.float64], *, uniform_share: float = 0.2
) -> NDArray[np.float64]:
    """The chance of each song [songs] under the logging policy: ``uniform_share`` for any, the rest by popularity.

    ``p = u / n + (1 - u) exp(popularity / 15) / sum``: every song has a chance, so every policy can be estimated
    from such a log. ``popularity`` in 0..100.
    """
    if not 0.0 <= uniform_share <= 1.0:
        raise ConfigError(f"uniform_share is {uniform_share}; it must lie in [0, 1]")
    weight = np.exp(popularity / 15.0)
    return np.asarray(
        uniform_share / len(weight) + (1.0 - uniform_share) * weight / weight.sum()
    )


def log_sessions(
    tracks: Tracks,
    rng: np.random.Generator,
    *,
    users: int = 120,
    sessions_each: int = 5,
) -> Sessions:
    """Sessions of ``users`` simulated listeners, each with one lasting taste and a fresh mood every session."""
    rows = users * sessions_each
    listeners = Listeners(rows, make_catalogue(tracks), Dials())
    listeners.begin(np.arange(rows), rng.random((8, rows)))
    listeners.taste = np.repeat(listeners.taste[::sessions_each], sessions_each, axis=0)
    chance = logging_propensity(tracks.popularity)
    played = rng.choice(len(tracks), size=(LONGEST, rows), p=chance)
    heard = [
        np.column_stack(listeners.react(songs, rng.random((DRAWS, rows))))
        for songs in played
    ]
    row, place = np.nonzero(
        np.arange(LONGEST) < listeners.length[:, None]
    )  # plays within each session's length
    songs, feedback = (
        played[place, row],
        np.array(heard)[place, row],
    )  # [plays], [plays, 3]
    return Sessions(
        users=(row // sessions_each).astype(np.int32),
        sessions=(row % sessions_each).astype(np.int32),
        positions=(place + 1).astype(np.int16),
        tracks=songs.astype(np.int32),
        fraction=feedback[:, 0].round(3).astype(np.float32),
        liked=feedback[:, 1].astype(np.bool_),
        skipped=feedback[:, 2].astype(np.bool_),
        propensity=chance[songs].astype(np.float32),
        user_ids=np.array([f"u{number:03d}" for number in range(1, users + 1)]),
        track_ids=tracks.ids,
        report=Report(
            "simulator", "sessions", len(row), {"users": users, "sessions": rows}
        ),
    )


def make_sessions(folder: Path) -> Path:
    """Write ``sessions.csv`` of the generated tracks in ``folder``, the same bytes every time; give its path back."""
    path = folder / "sessions.csv"
    write_sessions(
        path,
        log_sessions(load_tracks(folder / "tracks.csv"), np.random.default_rng(SEED)),
    )
    return path
