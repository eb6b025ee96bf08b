from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_samples import Write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlrec.datasets import load_sessions, write_sessions
from rlrec.errors import DataError

HEADER = "user,session,position,track,fraction_listened,liked,skipped,propensity"
ROWS = ["b,0,2,t9,1,1,0,0.25", "b,0,1,t3,0.05,0,1,", "a,4,1,t9,0.5,False,true,1"]


def test_numbers_by_hand(write: Write) -> None:
    log = load_sessions(write("s.csv", HEADER, *ROWS))
    assert log.user_ids.tolist() == ["b", "a"]
    assert log.track_ids.tolist() == ["t9", "t3"]
    assert log.users.tolist() == [0, 0, 1]
    assert log.sessions.tolist() == [0, 0, 4]
    assert log.positions.tolist() == [1, 2, 1]
    assert log.tracks.tolist() == [1, 0, 0]
    np.testing.assert_allclose(log.fraction, [0.05, 1, 0.5], rtol=1e-6)
    assert log.liked.tolist() == [False, True, False]
    assert log.skipped.tolist() == [True, False, True]
    np.testing.assert_array_equal(
        log.propensity, np.array([np.nan, 0.25, 1], np.float32)
    )
    kinds = [
        log.users.dtype,
        log.sessions.dtype,
        log.positions.dtype,
        log.tracks.dtype,
        log.liked.dtype,
    ]
    assert kinds == [np.int32, np.int32, np.int16, np.int32, np.bool_]
    assert log.report.counts == {"plays": 3, "users": 2, "sessions": 2, "tracks": 2}


def test_propensity_may_be_missing_and_columns_stand_anywhere(write: Write) -> None:
    path = write(
        "s.csv",
        "Skipped,Liked,fraction listened,TRACK,position,session,user",
        "1,0,0.1,t1,1,0,a",
    )
    log = load_sessions(path)
    assert np.isnan(log.propensity).all()
    assert log.skipped.tolist() == [True]


@pytest.mark.parametrize(
    ("row", "kind", "column"),
    [
        ("a,0,0,t,1,0,0,1", "out of its range", "position"),
        ("a,0,1.5,t,1,0,0,1", "out of its range", "position"),
        ("a,-1,1,t,1,0,0,1", "out of its range", "session"),
        ("a,0,1,t,1.1,0,0,1", "out of its range", "fraction_listened"),
        ("a,0,1,t,1,2,0,1", "out of its range", "liked"),
        ("a,0,1,t,1,0,perhaps,1", "text where a number belongs", "skipped"),
        ("a,0,1,t,1,0,0,7", "out of its range", "propensity"),
        (",0,1,t,1,0,0,1", "no id", "user"),
        ("a,0,1,,1,0,0,1", "no id", "track"),
        ("a,0,1,t,,0,0,1", "empty cell", "fraction_listened"),
        ("b,0,1,t,1,0,0,1", "position taken", "position"),
    ],
)
def test_unusable_rows(
    write: Write, tmp_path: Path, row: str, kind: str, column: str
) -> None:
    log = load_sessions(
        write("s.csv", HEADER, *ROWS, row), rejects=tmp_path / "bad.csv"
    )
    (problem,) = log.report.rejected
    assert (problem.kind, problem.column, problem.row) == (kind, column, 5)
    assert len(log) == 3
    assert row in (tmp_path / "bad.csv").read_text()


def test_missing_columns_and_ruined_files(write: Write) -> None:
    with pytest.raises(DataError, match="no column for track, liked"):
        load_sessions(
            write(
                "s.csv", "user,session,position,fraction_listened,skipped", "a,0,1,1,0"
            )
        )
    with pytest.raises(DataError, match="refused, 2 of 3"):
        load_sessions(
            write("s.csv", HEADER, ROWS[0], "a,0,1,t,9,0,0,1", "a,0,2,t,9,0,0,1")
        )


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 6)),
        st.tuples(
            st.integers(0, 8),
            st.integers(0, 1000),
            st.booleans(),
            st.booleans(),
            st.none() | st.integers(1, 9),
        ),
        min_size=1,
        max_size=30,
    )
)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_written_logs_come_back_the_same(
    tmp_path: Path,
    plays: dict[tuple[int, int, int], tuple[int, int, bool, bool, int | None]],
) -> None:
    lines = []
    for (user, session, position), play in plays.items():
        track, heard, liked, skipped, tenths = play
        propensity = "" if tenths is None else tenths / 10
        lines.append(
            f'"u,{user}",{session},{position},t{track},{heard / 1000},{int(liked)},'
            f"{int(skipped)},{propensity}"
        )
    (tmp_path / "s.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    log = load_sessions(tmp_path / "s.csv")
    write_sessions(tmp_path / "again.csv", log)
    again = load_sessions(tmp_path / "again.csv")
    for name in ("sessions", "positions", "fraction", "liked", "skipped", "propensity"):
        np.testing.assert_array_equal(getattr(log, name), getattr(again, name))
    np.testing.assert_array_equal(log.user_ids[log.users], again.user_ids[again.users])
    np.testing.assert_array_equal(
        log.track_ids[log.tracks], again.track_ids[again.tracks]
    )
    write_sessions(tmp_path / "third.csv", again)
    assert (tmp_path / "third.csv").read_bytes() == (
        tmp_path / "again.csv"
    ).read_bytes()
    assert not list(tmp_path.glob(".*")), "no temporary file stays"
