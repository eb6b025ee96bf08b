"""Users of Genre-v0 by hand, and the errors of a bad profile."""

import numpy as np
import pytest

from rlrec.envs import GENRES, PROFILES, GenreProfile, from_history
from rlrec.errors import ConfigError


def test_named_users_with_five_genres():
    assert {"generic", "pop_lover"} < set(PROFILES)
    assert len(PROFILES) >= 6
    assert GENRES == ("Pop", "Rock", "Jazz", "Classical", "HipHop")


def test_expected_reward_by_hand():
    model = PROFILES["pop_lover"].model()
    np.testing.assert_allclose(
        model.reward[0],
        [0.9 * 10 - 0.1, 0.4 * 3 - 0.6 * 2, 0.2 * 2 - 0.8 * 2, -1.6, 0.3 * 3 - 1.4],
    )
    assert (model.continues == 1).all()
    assert (PROFILES["generic"].model().reward == 0).all()


def test_boredom_lowers_the_diagonal_alone():
    table = PROFILES["variety_seeker"].like_table()
    assert table[2, 2] == pytest.approx(0.8 * 0.2)
    assert table[0, 2] == 0.8


def test_leaving_by_hand():
    assert PROFILES["rock_fan"].model().continues[0, 4] == pytest.approx(1 - 0.9 * 0.6)


def test_from_history_by_hand():
    profile = from_history([8, 0], ["rock", "pop"], strength=5.0, prior=1.0)
    np.testing.assert_allclose(profile.like_reward, [5.0, 5.0 / 9])
    np.testing.assert_allclose(profile.like_probability, [0.9, 0.1 + 0.8 / 9])
    assert profile.genres == ("rock", "pop")


def test_with_rewards_changes_a_copy():
    before = PROFILES["generic"]
    after = before.with_rewards(like={"Jazz": 5.0}, dislike={"Pop": -9.0})
    assert (after.like_reward[2], after.dislike_reward[0]) == (5.0, -9.0)
    assert (before.like_reward[2], before.dislike_reward[0]) == (1.0, -1.0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: GenreProfile("x", np.array([0.5])),
            "one number for each of the 5 genres",
        ),
        (lambda: GenreProfile("x", np.full(5, 1.5)), "like_probability"),
        (lambda: GenreProfile("x", np.full(5, np.nan)), "like_probability"),
        (lambda: GenreProfile("x", np.full(5, 0.5), boredom=2.0), "boredom is 2"),
        (
            lambda: PROFILES["generic"].with_rewards(like={"Polka": 1}),
            "no genre 'Polka'",
        ),
        (lambda: from_history([0, 0], ["a", "b"]), "not all 0"),
        (lambda: from_history([1, -1], ["a", "b"]), ">= 0"),
        (lambda: from_history([1, 1], ["a", "b"], prior=0), "above 0"),
    ],
)
def test_bad_profiles(make, words):
    with pytest.raises(ConfigError, match=words):
        make()
