"""Listeners learned from a log: by hand, beside a loop, the model, the environment."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score

from rlrec.datasets import Report, Sessions
from rlrec.envs import Dials, default_catalogue
from rlrec.envs.listeners import LONGEST
from rlrec.envs.view import ListeningView
from rlrec.errors import ConfigError, DataError
from rlrec.logs.learned import (
    LearnedListening,
    ListenerConfig,
    ListenerModel,
    fit_logistic,
    plays_of,
    score_probabilities,
    split_plays,
)
from rlrec.logs.session_files import log_sessions

IDS = np.arange(2000).astype(str)


def small_log():
    """Two users; songs by name; the second user's numbers of sessions are 4 and 9."""
    users, sessions = np.array([0, 0, 0, 1, 1]), np.array([1, 1, 1, 4, 9])
    skipped = np.array([0, 1, 0, 1, 0], bool)
    return Sessions(
        users.astype(np.int32),
        sessions.astype(np.int32),
        np.array([1, 2, 3, 1, 1], np.int16),
        np.array([1, 0, 2, 2, 1], np.int32),
        np.array([1, 0.1, 0.8, 0, 1], np.float32),
        np.array([1, 0, 0, 0, 0], bool),
        skipped,
        np.full(5, 0.5, np.float32),
        np.array(["ada", "bo"]),
        np.array(["c", "b", "a"]),
        Report("", "sessions", 5, {}),
    )


@pytest.fixture(scope="module")
def log():
    from rlrec.datasets import load_tracks

    return log_sessions(
        load_tracks("generated"), np.random.default_rng(0), users=150, sessions_each=4
    )


@pytest.fixture(scope="module")
def plays(log):
    return plays_of(log, log.track_ids)


@pytest.fixture(scope="module")
def model(plays):
    return ListenerModel(plays, default_catalogue())


def test_plays_of_a_small_log_by_hand():
    plays = plays_of(
        small_log(), ["a", "b", "c"]
    )  # c, b, a of the log are 2, 1, 0 of the catalogue
    assert plays.songs.tolist() == [1, 2, 0, 0, 1]
    assert plays.session.tolist() == [0, 0, 0, 1, 2]
    assert plays.seen["position"][:, 0].tolist() == [0, 1, 2, 0, 0]
    assert plays.seen["history"][2, -3:].tolist() == [-1, 1, 2]
    np.testing.assert_allclose(
        plays.seen["feedback"][2, -2:], [[1, 1, 0], [0.1, 0, 1]], rtol=1e-6
    )
    assert (plays.seen["history"][[0, 3, 4]] == -1).all()
    assert not plays.seen["feedback"][[0, 3, 4]].any()


def test_plays_agree_with_a_loop_over_the_log(log, plays):
    history, feedback, last = [], [], None
    for n in range(0, len(log)):
        key = (log.users[n], log.sessions[n])
        if key != last:
            history, feedback, last = [], [], key
        seen = plays.seen["history"][n]
        assert seen[seen >= 0].tolist() == history
        assert plays.seen["position"][n, 0] == len(history)
        if history:
            np.testing.assert_allclose(
                plays.seen["feedback"][n, -len(history) :], feedback, rtol=1e-6
            )
        history.append(int(log.tracks[n]))
        feedback.append(
            [float(log.fraction[n]), float(log.liked[n]), float(log.skipped[n])]
        )


def test_a_track_that_the_catalogue_lacks_is_refused():
    with pytest.raises(DataError, match="'c'"):
        plays_of(small_log(), ["a", "b"])


def test_split_keeps_sessions_whole(plays):
    learn, held_out = split_plays(plays, 0.2, np.random.default_rng(0))
    assert not set(learn.session) & set(held_out.session)
    assert len(set(held_out.session)) == 120
    assert len(learn.songs) + len(held_out.songs) == len(plays.songs)
    with pytest.raises(ConfigError, match="held_out"):
        split_plays(plays, 0.0, np.random.default_rng(0))


def test_the_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    p, was = (
        rng.random(500).round(2).clip(0.01, 0.99),
        rng.random(500) < 0.3,
    )  # rounded: there are ties
    found = score_probabilities(p, was)
    assert found.auc == pytest.approx(roc_auc_score(was, p))
    assert found.log_loss == pytest.approx(log_loss(was, p))
    assert found.base_log_loss == pytest.approx(log_loss(was, np.full(500, was.mean())))
    assert found.plays == 500
    with pytest.raises(DataError, match="both kinds"):
        score_probabilities([0.5, 0.5], [True, True])


def test_logistic_finds_the_weights_that_made_the_data():
    rng = np.random.default_rng(0)
    x = rng.normal(3.0, 2.0, (40_000, 2))
    happened = rng.random(40_000) < expit(0.5 + 0.8 * x[:, 0] - 0.4 * x[:, 1])
    found = fit_logistic(x, happened, 1e6, "skipped")
    np.testing.assert_allclose(found.weights / found.scale, [0.8, -0.4], atol=0.03)
    assert found(np.zeros((1, 2)))[0] == pytest.approx(0.5, abs=0.1)
    with pytest.raises(DataError, match="skipped"):
        fit_logistic(x, np.ones(40_000, bool), 1.0, "skipped")


def test_features_by_loops(model, plays):
    some = plays.rows(np.array([5, 70]))
    x = ListeningView(model.vectors, "averages", LONGEST)(some.seen)
    for row, song in enumerate(some.songs):
        z = np.append(default_catalogue().sound[song], default_catalogue().appeal[song])
        by_hand = [*x[row], *z, *(a * b for a in x[row].astype(float) for b in z)]
        np.testing.assert_allclose(
            model.features(some.seen, some.songs)[row], by_hand, rtol=1e-6
        )


def test_model_knows_more_than_the_share_of_skips_on_sessions_it_never_saw(plays):
    learn, held_out = split_plays(plays, 0.2, np.random.default_rng(0))
    found = ListenerModel(learn, default_catalogue()).evaluate(held_out)
    assert found.auc > 0.7
    assert found.log_loss < found.base_log_loss - 0.05


def test_products_let_a_listeners_past_decide_which_song_is_better(plays):
    """Whoever liked one end of the map and skipped the other likes that end's songs.

    The reverse holds, too.
    """
    catalogue = default_catalogue()
    model = ListenerModel(plays, catalogue)
    order = np.argsort(catalogue.sound[:, 0])
    low, high = order[:5], order[-5:]
    seen = {
        "history": np.full((2, 20), -1),
        "feedback": np.zeros((2, 20, 3)),
        "position": np.full((2, 1), 10),
    }
    seen["history"][:, -10:] = np.concatenate([low, high])
    seen["feedback"][0, -10:, 2] = [1] * 5 + [0] * 5  # skipped the low end
    seen["feedback"][1, -10:, 2] = [0] * 5 + [1] * 5  # skipped the high end

    def gain(some_model):
        chance = [
            some_model.skip_probability(seen, np.full(2, song))
            for song in (order[20], order[-20])
        ]
        return chance[0] - chance[1]  # how much rather the high song

    assert gain(model)[0] > 0.1 > -0.1 > gain(model)[1]
    plain = gain(ListenerModel(plays, catalogue, ListenerConfig(products=False)))
    assert np.sign(plain[0]) == np.sign(
        plain[1]
    )  # without products everybody prefers the same


def test_environment_keeps_gymnasiums_promises_and_batch_size_changes_nothing(model):
    from rlrec.envs.batch import SingleEnv

    class One(SingleEnv):
        batch_class = LearnedListening

    check_env(One(model=model), skip_render_check=True)
    one, many = LearnedListening(model, 1), LearnedListening(model, 3)
    one.reset(seed=9), many.reset(seed=8)
    for step in range(30):
        a, b = one.step(np.array([step % 10])), many.step(np.full(3, step % 10))
        assert a[1][0] == b[1][1]
        assert a[2][0] == b[2][1]
        np.testing.assert_array_equal(a[0]["feedback"][0], b[0]["feedback"][1])


def test_reactions_come_as_often_as_the_model_says(model):
    env = LearnedListening(model, 4000)
    env.reset(seed=0)
    song = env.candidates[0, 0]
    env.candidates[:, 0] = song
    chance = model.skip_probability(env.listeners.seen(), np.full(4000, song))
    np.testing.assert_allclose(
        chance, chance[0]
    )  # nothing heard yet: all the same to the model
    *_, info = env.step(np.zeros(4000, np.int64))
    assert info["skipped"].mean() == pytest.approx(chance[0], abs=0.03)
    assert set(np.unique(info["fraction"]).round(4)) <= set(
        model.fraction.astype(np.float32).round(4)
    )


def test_sessions_are_as_long_as_the_logs(model, plays):
    env = LearnedListening(model, 5000)
    env.reset(seed=1)
    assert env.listeners.length.mean() == pytest.approx(
        np.bincount(plays.session).mean(), abs=0.2
    )


def test_what_the_environment_shows_is_what_the_model_sees(model):
    env = LearnedListening(model, 6, history=20)
    env.reset(seed=3)
    for _ in range(25):
        observation, *_ = env.step(np.zeros(6, np.int64))
        for name in ("history", "feedback", "position"):
            np.testing.assert_array_equal(observation[name], env.listeners.seen()[name])


def test_restored_it_goes_on_bit_by_bit(model):
    env = LearnedListening(model, 4)
    env.reset(seed=2)
    for _ in range(7):
        env.step(np.zeros(4, np.int64))
    state = env.state()
    first = [env.step(np.full(4, 3))[1].tolist() for _ in range(20)]
    again = LearnedListening(model, 4)
    again.restore(state)
    assert [again.step(np.full(4, 3))[1].tolist() for _ in range(20)] == first


def test_the_truth_has_no_way_in(model):
    """The learned listeners have no taste, and their environment takes no dials."""
    env = LearnedListening(model, 5)
    env.reset(seed=0)
    assert not env.listeners.taste.any()
    assert not env.listeners.restless.any()
    for dial in Dials.__dataclass_fields__:
        with pytest.raises(ConfigError, match=dial):
            LearnedListening(model, 5, **{dial: 1.0})


def test_pull_is_the_log_odds_of_hearing(model):
    env = LearnedListening(model, 3)
    env.reset(seed=0)
    songs = env.candidates[:, :2]
    np.testing.assert_allclose(
        env.listeners.skip_probability(songs), expit(-env.listeners.pull(songs))
    )
    np.testing.assert_allclose(
        env.listeners.skip_probability(songs)[:, 1],
        model.skip_probability(env.listeners.seen(), songs[:, 1]),
    )


def test_skips_and_listens_end_where_the_logs_do_and_no_skip_is_liked(model, plays):
    fraction, _, skips = plays.feedback.T
    env = LearnedListening(model, 2, action="song")
    env.reset(seed=0)
    # a draw of 0 is below every probability, one of 1 above all
    draws = np.array([[0.0, 1.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    heard = env.listeners.react(np.array([3, 3]), draws)
    assert heard.skipped.tolist() == [True, False]
    assert heard.liked.tolist() == [False, True]
    means = [fraction[skips > 0].mean(), fraction[skips == 0].mean()]
    np.testing.assert_allclose(heard.fraction, means)


def test_likes_are_those_of_songs_that_were_heard(model, plays):
    """The intercept has no penalty: the mean prediction is the share that was liked."""
    heard = plays.rows(plays.feedback[:, 2] == 0)
    odds = model.like(model.features(heard.seen, heard.songs))
    assert expit(odds).mean() == pytest.approx(heard.feedback[:, 1].mean(), abs=1e-4)
