"""Listeners by hand: pull, skip probability, memory, mood."""

import numpy as np
import pytest
from scipy.special import expit, ndtr, ndtri

from rlrec.agents.baselines import expected_reaction
from rlrec.envs import Catalogue, Dials, Listeners, default_catalogue, make_catalogue
from rlrec.envs.listeners import SKIP_LOGIT, TURN_LOGIT, _fraction_heard, _widened
from rlrec.errors import ConfigError


@pytest.fixture
def catalogue():
    sound = np.zeros((3, 5))
    sound[[0, 1, 2], [0, 1, 0]] = 2.0, 1.0, -1.0
    direction = sound / np.linalg.norm(sound, axis=1, keepdims=True)
    return Catalogue(
        np.zeros((3, 11), np.float32),
        sound,
        direction,
        np.array([0.0, 1.0, 0.0]),
        np.array(["a", "b", "c"]),
    )


def listener(catalogue, **dials):
    one = Listeners(1, catalogue, Dials(**dials))
    one.taste[0] = [1, 0, 0, 0, 0]
    one.restless[0] = 0.0
    one.mood[0] = 0
    return one


def test_pull_by_hand(catalogue):
    one = listener(catalogue, taste_strength=1.5, appeal_strength=0.5)
    np.testing.assert_allclose(one.pull(np.array([[0, 1, 2]])), [[3.0, 0.5, -1.5]])


def test_skip_probability_by_hand(catalogue):
    one = listener(catalogue, taste_strength=0.0, appeal_strength=0.0)
    assert one.skip_probability(np.array([1]))[0] == pytest.approx(expit(SKIP_LOGIT[0]))
    one.mood[0] = 1
    one.restless[0] = 0.3
    assert one.skip_probability(np.array([1]))[0] == pytest.approx(
        expit(SKIP_LOGIT[1] + 0.3)
    )


def test_strong_taste_keeps_each_moods_average_skip_rate():
    draws = np.random.default_rng(0).normal(size=400_000)
    for sd in (0.0, 1.5, 3.0):
        np.testing.assert_allclose(
            [expit(m + sd * draws).mean() for m in _widened(sd)],
            expit(SKIP_LOGIT),
            atol=0.002,
        )


def test_memory_after_two_songs_by_hand(catalogue):
    one = listener(catalogue)
    for _ in range(2):
        one.react(np.array([0]), np.full((4, 1), 0.5))
    np.testing.assert_allclose(one.memory[0], [0.8 * 0.2 + 0.2, 0, 0, 0, 0])


def test_expected_by_hand(catalogue):
    """Mood 0: P(skip) .1072, P(m' = 1) .2009 after a listen, .2932 after a skip.

    .2009 + .1072 (.2932 - .2009) = .2108. Mood 1: .8957, .6878 and .8429; .8267.
    """
    one = listener(catalogue, taste_strength=0.0, appeal_strength=0.0)
    memory = np.zeros((1, 1, 5))
    moods = np.array([[0.0, 1.0, 0.25]])
    heard, turned = expected_reaction(one, np.array([[1]]), moods, memory)
    np.testing.assert_allclose(heard, [[0.8928, 0.1043, 0.6957]], atol=1e-4)
    np.testing.assert_allclose(turned, [[0.2108, 0.8267, 0.3648]], atol=1e-4)


def test_expected_is_what_reactions_are_on_average(catalogue):
    count = 40_000
    many = Listeners(count, catalogue, Dials(long_term_effect=1.0))
    many.taste[:, 0] = 1.0
    many.restless[:] = 0.4
    many.memory[:, 0] = 0.5
    many.mood[: count // 4] = 1
    heard, turned = expected_reaction(
        many, np.array([[0]]), np.array([[0.25]]), many.memory[:1]
    )
    told = many.remember(many.memory, np.zeros(count, int))
    feedback = many.react(
        np.zeros(count, int), np.random.default_rng(0).random((4, count))
    )
    assert heard[0, 0] == pytest.approx((~feedback.skipped).mean(), abs=0.01)
    assert turned[0, 0] == pytest.approx(many.mood.mean(), abs=0.01)
    np.testing.assert_array_equal(many.memory, told)


def test_the_same_song_again_and_again_turns_the_mood(catalogue):
    many = Listeners(5000, catalogue, Dials(long_term_effect=1.0))
    moods = {}
    for memory in (0.0, 1.0):
        rng = np.random.default_rng(0)
        many.begin(np.arange(5000), rng.random((8, 5000)))
        many.mood[:] = 0
        many.memory[:] = 0.0
        many.memory[:, 0] = memory
        many.react(np.zeros(5000, int), rng.random((4, 5000)))
        moods[memory] = many.mood.mean()
    assert moods[1.0] > moods[0.0] + 0.5


def test_fraction_heard_by_hand():
    skipped = np.array([True, True, False, False])
    draws = np.array([0.815 / 2, 1.0, 0.283 / 2, 0.5])
    np.testing.assert_allclose(_fraction_heard(skipped, draws), [0.05, 0.5, 0.75, 1.0])


def test_drift_keeps_unit_length_and_moves(catalogue):
    one = listener(catalogue, taste_drift=0.5)
    one.drift(np.array([[0.2], [0.9], [0.5], [0.4], [0.6]]))
    assert np.linalg.norm(one.taste[0]) == pytest.approx(1.0)
    assert one.taste[0, 0] < 0.99


def test_sound_map_is_white_and_ignores_key_and_mode():
    from dataclasses import replace

    from rlrec.datasets import load_tracks

    catalogue = default_catalogue()
    np.testing.assert_allclose(
        np.cov(catalogue.sound.T, bias=True), np.eye(5), atol=1e-6
    )
    tracks = load_tracks("generated")
    features = tracks.features.copy()
    features[:, [2, 4]] = 0.5
    np.testing.assert_allclose(
        make_catalogue(replace(tracks, features=features)).sound,
        catalogue.sound,
        atol=1e-6,
    )


def test_a_crowd_without_focus_is_bit_identical_to_the_one_before(catalogue):
    draws = np.random.default_rng(3).random((8, 50))
    plain = Listeners(50, catalogue, Dials())
    turned = Listeners(50, catalogue, Dials(taste_towards=90.0))
    for many in (plain, turned):
        many.begin(np.arange(50), draws)
    normal = ndtri(np.clip(draws[:5], 1e-12, 1.0 - 1e-12)).T
    np.testing.assert_array_equal(
        plain.taste, normal / np.linalg.norm(normal, axis=1, keepdims=True)
    )
    np.testing.assert_array_equal(plain.taste, turned.taste)


def test_focus_leans_the_crowd_by_hand(catalogue):
    one = Listeners(1, catalogue, Dials(taste_focus=3.0, taste_towards=90.0))
    draws = np.full((8, 1), 0.5)
    # a draw of 4 along the first axis, 0 along the others; the lean adds 3 along the
    # second
    draws[0] = ndtr(4.0)
    one.begin(np.array([0]), draws)
    np.testing.assert_allclose(one.taste[0], [0.8, 0.6, 0, 0, 0], atol=1e-9)


def test_opposite_crowds_have_opposite_mean_tastes(catalogue):
    draws = np.random.default_rng(0).random((8, 4000))
    mean = {}
    for angle in (0.0, 180.0):
        many = Listeners(4000, catalogue, Dials(taste_focus=5.0, taste_towards=angle))
        many.begin(np.arange(4000), draws)
        mean[angle] = many.taste.mean(axis=0)
    assert mean[0.0][0] > 0.85
    assert mean[180.0][0] < -0.85
    np.testing.assert_allclose([mean[0.0][1:], mean[180.0][1:]], 0.0, atol=0.02)


@pytest.mark.parametrize(
    "dial", [{"taste_focus": -1.0}, {"taste_focus": 11.0}, {"taste_towards": 400.0}]
)
def test_dials_of_the_crowd_have_ranges(dial):
    with pytest.raises(ConfigError, match=next(iter(dial))):
        Dials(**dial)


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("mood", [0, 1])
def test_one_play_by_hand(catalogue, mood, skips):
    """Song 0: pull 1.5 * 2, closeness .5 to a memory of length sqrt(.5)."""
    one = listener(catalogue, taste_strength=1.5, appeal_strength=0.0)
    skip = expit(_widened(1.5)[mood] + 0.3 - 3.0)
    like = expit(-2.2 + 3.0)
    fatigue = 0.5 - 0.19 * np.sqrt(0.5)
    turn = expit(TURN_LOGIT[mood, int(skips)] + 0.3 + 8.0 * fatigue)
    side = -1e-9 if skips else 1e-9
    for below in (True, False):  # a draw just below a probability, or just above it
        one.mood[0] = mood
        one.restless[0] = 0.3
        one.memory[0] = [0.5, 0.5, 0, 0, 0]
        assert one.skip_probability(np.array([0]))[0] == pytest.approx(skip)
        other = -1e-9 if below else 1e-9
        draws = np.array([[skip + side], [like + other], [turn + other], [0.5]])
        heard = one.react(np.array([0]), draws)
        assert heard.skipped[0] == skips
        assert heard.liked[0] == (below and not skips)
        assert one.mood[0] == below


def test_a_new_listener_remembers_nothing(catalogue):
    one = listener(catalogue)
    one.react(np.array([0]), np.full((4, 1), 0.5))
    one.begin(np.array([0]), np.full((8, 1), 0.5))
    assert not one.memory.any()
