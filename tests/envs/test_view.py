"""State vectors of a listener: by hand, and against loops."""

import numpy as np
import pytest

from rlrec.envs import ListeningBatch, default_catalogue
from rlrec.envs.view import ListeningView
from rlrec.errors import ConfigError

SONGS = np.array([[1.0, 0.0], [0.0, 2.0]])
SEEN = {
    "history": np.array([[-1, 0, 1], [-1, -1, -1]]),
    "feedback": np.array([[[0, 0, 0], [1.0, 1, 0], [0.1, 0, 1]], np.zeros((3, 3))]),
    "position": np.array([[2], [0]]),
}


def test_the_current_track_alone():
    assert ListeningView(SONGS, "track")(SEEN).tolist() == [[0, 2, 1], [0, 0, 0]]


def test_the_last_tracks_newest_first():
    found = ListeningView(SONGS, "last", history=3)(SEEN)
    expected = [0, 2, 0.1, 0, 1, 1, 1, 0, 1, 1, 0, 1, *[0] * 6]
    np.testing.assert_allclose(found, [expected, [0] * 18], rtol=1e-6)


def test_averages_by_hand():
    """Lately: (.8 song 0 + 1 song 1) / 1.8; heard: song 0; skipped: song 1.

    Then the last feedback, the shares skipped and the position.
    """
    found = ListeningView(SONGS, "averages", history=3)(SEEN)
    lately = [0.8 / 1.8, 2.0 / 1.8]
    np.testing.assert_allclose(
        found[0], [*lately, 1, 0, 0, 2, 0.1, 0, 1, 1 / 1.8, 0.5, 0.1], rtol=1e-5
    )
    assert not found[1].any()


def test_a_belief_by_hand():
    """Z'Z + 8 I is diag(9, 12).

    Y of song 0: heard, liked, nothing before, 1; of song 1: 0, 0, one heard before, 1.
    """
    found = ListeningView(SONGS, "belief", history=3)(SEEN)
    taste = [5 / 9, 5 / 9, 0, 5 / 9, 0, 0, 10 / 12, 10 / 12]
    rest = [8 / 9, 8 / 12, 0.2 * 0.8, 0.2, 0.1, 0, 1, 1 / 1.8, 0.5, 0.1]
    np.testing.assert_allclose(found[0], [*taste, *rest], rtol=1e-5)
    assert (
        found[1].tolist() == [0] * 8 + [1, 1] + [0] * 8
    )  # nothing heard: wholly unsure


def test_a_belief_against_scikit_learn():
    """Ridge regression, one session at a time; memory by the listeners' recursion."""
    from sklearn.linear_model import Ridge

    env = ListeningBatch(5, observe="ids", history=20)
    songs, rng = default_catalogue().sound, np.random.default_rng(0)
    view = ListeningView(songs, "belief")
    observations, _ = env.reset(seed=0)
    for _ in range(9):
        observations, *_ = env.step(rng.integers(10, size=5))
    found = view(observations)
    for row in range(5):
        played = observations["history"][row] >= 0
        z, feedback = (
            songs[observations["history"][row][played]],
            observations["feedback"][row][played],
        )
        heard = 1 - feedback[:, 2]
        memory = np.zeros(5)
        for one in z:
            memory = 0.8 * memory + 0.2 * one / np.linalg.norm(one)
        reactions = np.column_stack(
            [heard, feedback[:, 1], [0, *heard[:-1]], np.ones(len(z))]
        )
        taste = 5 * Ridge(8.0, fit_intercept=False).fit(z, reactions).coef_.T  # [5, 4]
        unsure = 8 * np.diag(np.linalg.inv(z.T @ z + 8 * np.eye(5)))
        np.testing.assert_allclose(
            found[row, :30], [*taste.ravel(), *unsure, *memory], atol=1e-4
        )
    np.testing.assert_allclose(found[:, 25:30], env.listeners.memory, atol=1e-5)
    np.testing.assert_array_equal(
        found[:, 30:], ListeningView(songs, "averages")(observations)[:, 15:]
    )


def test_averages_against_a_loop():
    env = ListeningBatch(5, observe="ids", history=12)
    songs, rng = default_catalogue().sound, np.random.default_rng(0)
    view = ListeningView(songs, "averages", history=12)
    observations, _ = env.reset(seed=0)
    for _ in range(15):
        observations, *_ = env.step(rng.integers(10, size=5))
        found = view(observations)
        for row in range(5):
            pairs = [
                (song, *feedback)
                for song, feedback in zip(
                    observations["history"][row],
                    observations["feedback"][row],
                    strict=True,
                )
                if song >= 0
            ]
            fading = [0.8**age for age in range(len(pairs))][::-1]
            skips = np.array([pair[3] for pair in pairs])
            where = np.array([songs[pair[0]] for pair in pairs]).reshape(-1, 5)
            expected = []
            for weights in (np.array(fading), 1 - skips, skips):
                expected += (
                    list(weights @ where / weights.sum())
                    if weights.sum()
                    else [0.0] * 5
                )
            expected += (
                [*pairs[-1][1:], fading @ skips / sum(fading), skips.mean()]
                if pairs
                else [0.0] * 5
            )
            np.testing.assert_allclose(
                found[row],
                [*expected, observations["position"][row, 0] / 20],
                atol=1e-5,
            )


def test_only_so_many_songs_count():
    """A change in an older song does not change the state, in a newer one it does."""
    for kind in ("last", "averages", "belief"):
        view = ListeningView(SONGS, kind, history=2)
        older, younger = (dict(SEEN, history=SEEN["history"].copy()) for _ in range(2))
        older["history"][0, 0], younger["history"][0, 1] = 1, 1
        assert (view(older) == view(SEEN)).all()
        assert (view(younger) != view(SEEN)).any()


def test_a_short_history_fills_the_front():
    """An environment may show fewer plays than the view holds: the rest is zeros."""
    view = ListeningView(SONGS, "last", history=5)
    assert view(SEEN).shape == (2, view.width)
    assert not view(SEEN)[:, 18:].any()


def test_unknown_names_are_refused():
    with pytest.raises(ConfigError, match="track, last, averages, belief"):
        ListeningView(SONGS, "all")
