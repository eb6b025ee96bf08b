"""The filter of taste and mood: Bayes by hand, all paths, EM that finds numbers."""

import itertools

import numpy as np
import pytest
from scipy.special import expit

from rlrec.agents.interactions import (
    FILTERED_FEATURES,
    listening_scores,
    listening_session,
)
from rlrec.agents.interactions import listening_interactions as interactions
from rlrec.agents.listener_filter import ListenerFilter, Reactions, _newton_step
from rlrec.agents.listener_filter import _smooth as smooth
from rlrec.envs import Catalogue, ListeningBatch, default_catalogue
from rlrec.errors import ConfigError

TINY = Catalogue(
    features=np.zeros((2, 11), np.float32),
    sound=np.array([[2.0, 0.0], [0.0, 1.0]]),
    direction=np.eye(2),
    appeal=np.array([1.0, 0.0]),
    titles=np.array(["a", "b"]),
)


def tiny_filter():
    found = ListenerFilter(TINY, np.random.default_rng(0), tastes=2)
    found.restore(
        {
            "tastes": np.array([[1.0, 0.0], [-1.0, 0.0]]),
            "pull": np.array([0.5, 0.1, 2.0, -2.0, -1.0]),
            "turn": np.array([-1.0, 0.0, 1.0, 2.0, 3.0, -0.5]),
            "start": np.array(0.25),
        }
    )
    return found


def seen(songs, liked, skipped):
    feedback = np.zeros((1, len(songs), 3))
    feedback[0, :, 1] = liked
    feedback[0, :, 2] = skipped
    position = np.array([[len(songs)]])
    return {"history": np.array([songs]), "feedback": feedback, "position": position}


def sessions(count, seed):
    """Whole random sessions, as observed at their ends."""
    env = ListeningBatch(count, "candidate", "ids", history=20)
    observations, _ = env.reset(seed=seed)
    found = {name: observations[name].copy() for name in ("history", "feedback")}
    live = np.ones(count, bool)
    while live.any():
        observations, _, ended, _, _ = env.step(np.zeros(count, np.int64))
        for name, values in found.items():
            values[live] = observations[name][live]
        live &= ~ended
    return found


def test_before_the_first_song_it_is_the_prior():
    belief = tiny_filter().belief(seen([-1, -1], 0, 0))
    np.testing.assert_allclose(belief[0], [[0.375, 0.375], [0.125, 0.125]])


def test_one_like_by_hand():
    """Song 0, heard and liked: pull .5 * 2 + .1 = 1.1 or -.9; no fatigue yet."""
    prior = np.array([[0.375, 0.375], [0.125, 0.125]])
    pull = np.array([1.1, -0.9])
    heard = expit(np.array([[2.0], [-2.0]]) + pull)
    joint = prior * heard * expit(pull - 1.0)
    joint /= joint.sum()
    turned = expit(np.array([-1.0, 1.0])) @ joint  # not skipped: turn_00, turn_10
    expected = np.array([joint.sum(axis=0) - turned, turned])
    belief = tiny_filter().belief(seen([-1, 0], [0, 1], 0))
    np.testing.assert_allclose(belief[0], expected, rtol=1e-5)


def test_belief_is_the_sum_over_all_paths_of_moods():
    """Three plays: every path of four moods and each taste, one by one."""
    own = tiny_filter()
    songs, liked, skipped = [0, 1, 0], [1, 0, 0], [0, 1, 1]
    start = [0.75, 0.25]
    fatigue, memory = [], np.zeros(2)
    for song in songs:
        direction = TINY.direction[song]
        fatigue.append([max(0.0, direction @ memory), np.sqrt(memory @ memory)])
        memory = 0.8 * memory + 0.2 * direction
    turn = own.reactions.turn
    expected = np.zeros((2, 2))
    for taste in (0, 1):
        for path in itertools.product((0, 1), repeat=4):
            weight = start[path[0]] / 2
            for play, song in enumerate(songs):
                match = TINY.sound[song] @ own.tastes[taste]
                pull = 0.5 * match + 0.1 * TINY.appeal[song]
                heard = expit((2.0, -2.0)[path[play]] + pull)
                like = expit(pull - 1.0)
                reaction = 1 - heard if skipped[play] else heard
                if not skipped[play]:
                    reaction *= like if liked[play] else 1 - like
                logit = turn[2 * path[play] + skipped[play]] + fatigue[play] @ turn[4:]
                turned = expit(logit)
                weight *= reaction * (turned if path[play + 1] else 1 - turned)
            expected[path[-1], taste] += weight
    belief = own.belief(seen([-1, *songs], [0, *liked], [0, *skipped]))
    np.testing.assert_allclose(belief[0], expected / expected.sum(), rtol=1e-5)


def test_smoothing_is_bayes_over_all_paths():
    rng = np.random.default_rng(0)
    own = tiny_filter()
    likelihood = rng.random((1, 3, 2, 2))
    moves = rng.dirichlet([1, 1], size=(1, 3, 2))
    posterior, pairs = smooth(own._forward(likelihood, moves)[0], likelihood, moves)
    by_mood, by_pair = np.zeros((3, 2, 2)), np.zeros((2, 2, 2))
    for taste in (0, 1):
        for path in itertools.product((0, 1), repeat=3):
            weight = [0.75, 0.25][path[0]]
            for play in range(3):
                weight *= likelihood[0, play, path[play], taste]
                if play < 2:
                    weight *= moves[0, play, path[play], path[play + 1]]
            for play in range(3):
                by_mood[play, path[play], taste] += weight
            for play in range(2):
                by_pair[play, path[play], path[play + 1]] += weight
    total = by_mood[0].sum()
    np.testing.assert_allclose(posterior[0], by_mood / total)
    np.testing.assert_allclose(pairs[0, :2], by_pair / total)
    assert not pairs[0, 2].any()


def test_a_newton_step_by_hand():
    """One row x = 2, target 1, weight 3, from 0: 3 (1 - .5) 2 / (1 + 3 * .25 * 4)."""
    row = np.full((1, 1, 1), 2.0)
    block = (row, [1], np.ones((1, 1)), np.full((1, 1), 3.0))
    found = _newton_step([block], np.zeros(2))
    assert found.tolist() == [0.0, pytest.approx(3.0 / 4.0)]


def test_em_finds_the_numbers_of_the_simulator():
    """Told nothing, from 250 sessions of random songs."""
    own = ListenerFilter(default_catalogue(), np.random.default_rng(0))
    own.fit(sessions(250, 5))
    taste, appeal, listening, skipping, like = own.reactions.pull
    assert 1.0 < taste < 2.0  # 1.5
    assert 0.15 < appeal < 0.4  # .28
    assert listening > 1.8  # 2.88
    assert skipping < -1.8  # -2.92
    assert -2.7 < like < -1.7  # -2.2
    assert 5.0 < own.reactions.turn[4] < 12.0  # 8
    assert own.reactions.turn[5] < 0.0  # -1.5


def test_it_predicts_new_listeners_better_than_before_it_was_fitted():
    own = ListenerFilter(default_catalogue(), np.random.default_rng(0))
    env = ListeningBatch(2000, "candidate", "ids", history=20)
    observations, _ = env.reset(seed=70_000)
    for _ in range(8):
        observations, rewards, *_ = env.step(np.zeros(2000, np.int64))
    pool = observations["candidates"][:, :1]
    rewards = env.step(np.zeros(2000, np.int64))[1]

    def error():
        session = listening_session(env.catalogue, observations, own)
        heard = interactions(env.catalogue, session, pool)[:, 0]
        place = FILTERED_FEATURES.index("P(heard)")
        return np.mean((rewards - heard[:, place]) ** 2)

    guess = error()
    own.fit(sessions(200, 5))
    assert error() < guess - 0.005
    assert error() < rewards.var() - 0.03


def test_scores_with_a_filter_are_products_with_the_weights():
    own = tiny_filter()
    session = listening_session(TINY, seen([-1, 0], [0, 1], 0), own)
    weights = np.random.default_rng(0).normal(size=len(FILTERED_FEATURES))
    expected = interactions(TINY, session, np.array([[0, 1]])) @ weights
    np.testing.assert_allclose(listening_scores(TINY, session, weights), expected)
    found = dict(
        zip(
            FILTERED_FEATURES,
            interactions(TINY, session, np.array([[1]]))[0, 0],
            strict=True,
        )
    )
    belief = own.belief(seen([-1, 0], [0, 1], 0))[0]
    # song 1 has no pull: heard_0 = 2, heard_1 = -2
    mood = belief.sum(axis=1)
    assert found["P(heard)"] == pytest.approx(mood @ expit([2.0, -2.0]))
    assert found["mood"] == pytest.approx(mood[1])


def test_padding_and_reactions_of_no_song_do_not_matter():
    own = tiny_filter()
    short = own.belief(seen([0, 1], [1, 0], [0, 1]))
    long = own.belief(seen([-1, -1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1]))
    np.testing.assert_allclose(short, long, rtol=1e-6)


def test_an_unknown_song_is_refused():
    with pytest.raises(ConfigError, match="history"):
        tiny_filter().belief(seen([2], 0, 0))


def test_it_starts_from_the_same_guess_each_time():
    assert Reactions().pull is not Reactions().pull
    np.testing.assert_array_equal(Reactions().turn, Reactions().turn)
