"""The logged sessions: the stated policy, lasting tastes, and the committed file."""

from pathlib import Path

import numpy as np
import pytest

from rlrec.datasets import load_sessions, load_tracks
from rlrec.logs.session_files import log_sessions, logging_propensity, make_sessions

DATA = Path(__file__).resolve().parents[2] / "data"


def test_propensity_by_hand():
    chance = logging_propensity(np.array([0.0, 15.0]), uniform_share=0.2)
    np.testing.assert_allclose(
        chance, [0.1 + 0.8 / (1 + np.e), 0.1 + 0.8 * np.e / (1 + np.e)]
    )


@pytest.fixture(scope="module")
def log():
    return log_sessions(
        load_tracks(), np.random.default_rng(0), users=300, sessions_each=4
    )


def test_songs_follow_the_stored_propensity(log):
    chance = logging_propensity(load_tracks().popularity)
    counts = np.bincount(log.tracks, minlength=len(chance))
    expected = chance * len(log)
    often = expected > 5
    assert ((counts - expected)[often] ** 2 / expected[often]).mean() == pytest.approx(
        1.0, abs=0.5
    )  # chi-square / df
    np.testing.assert_allclose(log.propensity, chance[log.tracks], rtol=1e-6)


def test_sessions_are_whole(log):
    for user, session in ((0, 0), (299, 3)):
        rows = (log.users == user) & (log.sessions == session)
        assert log.positions[rows].tolist() == list(range(1, rows.sum() + 1))
        assert 10 <= rows.sum() <= 20
    assert log.skipped.mean() == pytest.approx(0.517, abs=0.04)
    assert not (log.liked & log.skipped).any()


def test_the_committed_log_is_what_the_command_makes(tmp_path):
    (tmp_path / "tracks.csv").write_bytes((DATA / "tracks.csv").read_bytes())
    assert (
        make_sessions(tmp_path).read_bytes() == (DATA / "sessions.csv").read_bytes()
    ), "run: rlrec data make"
    assert load_sessions("generated").report.rejected == ()
