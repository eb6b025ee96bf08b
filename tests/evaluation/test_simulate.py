"""Returns by hand, common random numbers, intervals beside SciPy's, their coverage."""

import numpy as np
import pytest
from scipy import stats

from rlrec.agents import PopularityPolicy, TablePolicy
from rlrec.envs import GenreBatch, GenreProfile, ListeningBatch
from rlrec.errors import ConfigError
from rlrec.evaluation import Played, mean_interval, play, session_steps, simulate

CERTAIN = GenreProfile("certain", np.ones(5), np.arange(1.0, 6.0))


def test_return_by_hand():
    env = GenreBatch(2, user=CERTAIN, session_length=3)
    jazz = TablePolicy(np.tile([0, 0, 1.0, 0, 0], (5, 1)))
    assert simulate(env, jazz, seed=0).tolist() == [9.0, 9.0]
    np.testing.assert_allclose(
        simulate(env, jazz, seed=0, discount=0.9), 3 * (1 + 0.9 + 0.81)
    )


def test_one_session_each_and_no_more():
    """Sessions of unequal length: what comes after a row's end is not counted."""
    leaver = GenreProfile(
        "leaver",
        np.full(5, 0.5),
        dislike_reward=np.zeros(5),
        leave_probability=np.ones(5),
    )
    returns = simulate(
        GenreBatch(20_000, user=leaver, session_length=100),
        TablePolicy(np.eye(5)),
        seed=0,
    )
    assert returns.mean() == pytest.approx(
        1.0, abs=0.05
    )  # likes before the first dislike: geometric, mean 1


def test_the_steps_of_a_session_say_who_still_listens_and_who_left():
    halves = np.full(5, 0.5)
    user = GenreProfile("leaver", halves, leave_probability=halves)
    env = GenreBatch(200, user=user, session_length=4)
    steps = session_steps(env, TablePolicy(np.eye(5)), seed=3)
    alive, rewards, terminated, _ = map(np.array, zip(*steps, strict=True))
    left = terminated & alive
    assert len(alive) == 4
    assert alive[0].all()
    np.testing.assert_array_equal(alive[1:], alive[:-1] & ~left[:-1])
    assert 0 < left.any(axis=0).sum() < 200
    returns = simulate(env, TablePolicy(np.eye(5)), seed=3)
    np.testing.assert_array_equal((rewards * alive).sum(axis=0), returns)


def test_interval_is_scipys_students_t():
    values = [3.1, 2.7, 4.4, 3.9]
    low, high = stats.t.interval(0.9, 3, loc=np.mean(values), scale=stats.sem(values))
    assert mean_interval(values, confidence=0.9) == pytest.approx(
        (np.mean(values), low, high), rel=1e-12
    )
    assert mean_interval([5.0, 5.0]) == (5.0, 5.0, 5.0)


@pytest.mark.parametrize("n", [5, 10, 30])
def test_an_interval_of_few_seeds_holds_the_mean_as_often_as_it_says(n):
    """In 4,000 draws, within 1%; the percentile bootstrap is 10%, 5% and 2% lower."""
    draws = np.random.default_rng(n).normal(3, 1, (4_000, n))
    held = np.mean([found.low < 3 < found.high for found in map(mean_interval, draws)])
    assert held == pytest.approx(0.95, abs=0.01)


def test_interval_narrows_with_less_confidence():
    values = np.random.default_rng(0).normal(size=50)
    wide, narrow = mean_interval(values), mean_interval(values, confidence=0.5)
    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high


@pytest.mark.parametrize(
    "values",
    [[], [1.0], [1.0, np.nan], [1.0, np.inf], [[1.0, 2.0]], [[1.0], [2.0]], 3.0],
)
def test_too_little_for_an_interval(values):
    with pytest.raises(ConfigError, match="2 finite numbers"):
        mean_interval(values)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, np.nan])
def test_confidence_is_a_share(confidence):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        mean_interval([1.0, 2.0], confidence=confidence)


# -- whole sessions --------------------------------------------------------------------
def played(skipped, liked, alive):
    """Sessions [steps, batch] of songs 0, 1, 2, ...; a song heard is worth 1."""
    skipped, liked, alive = (np.array(one, bool) for one in (skipped, liked, alive))
    songs = np.where(alive, np.arange(len(alive))[:, None], -1)
    return Played(songs, (~skipped & alive).astype(float), liked, skipped, alive)


def test_what_a_session_shows_by_hand():
    """One hears, skips, likes; the other skips once and likes none of its two songs."""
    one = played(
        [[0, 1], [1, 0], [0, 0]], [[0, 0], [0, 0], [1, 0]], [[1, 1], [1, 1], [1, 0]]
    )
    assert one.heard().tolist() == [2, 1]
    assert one.lengths().tolist() == [3, 2]
    assert one.first_like().tolist() == [3, 3]  # the second: not in its two
    np.testing.assert_allclose(one.returns(0.5), [1.25, 0.5])
    assert one.lists().tolist() == [[0, 1, 2], [0, 1, -1]]
    best = played([[0, 0], [0, 0], [0, 0]], np.zeros((3, 2)), [[1, 1], [1, 1], [1, 0]])
    assert one.regret(best).tolist() == [0.5, 1.0, 1.0]


def test_a_song_played_twice_stands_in_a_list_once():
    twice = Played(np.array([[4], [2], [4]]), *[np.ones((3, 1), bool)] * 4)
    assert twice.lists().tolist() == [[4, 2, -1]]


def test_regret_needs_the_same_sessions():
    with pytest.raises(ConfigError, match="one seed"):
        played([[0]], [[0]], [[1]]).regret(played([[0, 0]], [[0, 0]], [[1, 1]]))


def test_play_and_simulate_tell_one_story():
    env = ListeningBatch(50, action="song", observe="ids")
    policy = PopularityPolicy(env.catalogue.appeal)
    one = play(env, policy, seed=7)
    np.testing.assert_allclose(
        one.returns(0.9), simulate(env, policy, seed=7, discount=0.9)
    )
    assert np.array_equal(one.returns(), one.heard())  # reward "binary"
    assert set(one.lengths()) <= set(range(10, 21))
    assert not one.liked[one.skipped].any()
    assert (one.songs[~one.alive] == -1).all()
