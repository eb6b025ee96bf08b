"""Compiled listeners beside the NumPy environment: a step by hand, steps, sessions."""

import numpy as np
import pytest
from scipy.special import expit

from rlrec.envs import Catalogue, ListeningBatch, listening
from rlrec.envs.listeners import SKIP_LOGIT
from rlrec.errors import ConfigError
from rlrec.nn.backend import tf
from rlrec.nn.compiled import CompiledListening
from tests.benchmarks.compiled import (
    CONSTANTS,
    WORLDS,
    after_skip,
    broken,
    compared,
    compiled_policy,
    compiled_record,
    critical,
    numpy_record,
    sessions,
)

ROWS = 2_000
# a draw may lie within float32's rounding of a probability
SHARE = 1e-4
LARGEST = 2e-5


@pytest.fixture
def catalogue():
    sound = np.zeros((3, 5))
    sound[[0, 1, 2], [0, 1, 0]] = 2.0, 1.0, -1.0
    direction = sound / np.linalg.norm(sound, axis=1, keepdims=True)
    appeal = np.array([0.0, 1.0, 0.0])
    features = np.zeros((3, 11), np.float32)
    return Catalogue(features, sound, direction, appeal, np.array(["a", "b", "c"]))


def state_of(one, **changed):
    """Three listeners in mood 0 who like the map's first axis, at their second song."""
    state = one.begin(tf.constant([0, 0]), 3)
    ids = {"mood": 0, "length": 12, "steps": 1}
    state |= {name: tf.fill((3,), value) for name, value in ids.items()}
    state |= {"taste": tf.eye(1, 5, (3,))[:, 0], "restless": tf.zeros(3)}
    return state | changed


def drawn(one, **places):
    """Draws that skip nothing and like nothing, but for ``places``."""
    uniform = np.full((10, 3), 0.999, np.float32)
    names = ("skip", "like", "mood", "heard", "leave")
    for name, values in places.items():
        uniform[names.index(name)] = values
    return tf.constant(uniform)


def test_a_step_by_hand(catalogue):
    """Pulls 1.5 x 2 = 3, .5 and -1.5; a taste of 0 keeps SKIP_LOGIT as it is.

    Without pull a skip has probability .1072, after which mood 1 has .2932.
    """
    one = CompiledListening(catalogue, taste_strength=0.0, appeal_strength=0.0)
    np.testing.assert_allclose(one.skip_logit, SKIP_LOGIT, rtol=1e-6)
    assert expit(SKIP_LOGIT[0]) == pytest.approx(0.1072, abs=1e-4)
    draws = drawn(one, skip=[0.107, 0.108, 0.107], mood=[0.293, 0.2, 0.294], heard=0.6)
    songs = tf.constant([0, 1, 0])
    state, fraction, liked, skipped, reward, ended = one.step_from(
        state_of(one), songs, draws
    )
    assert skipped.numpy().tolist() == [True, False, True]
    assert state["mood"].numpy().tolist() == [1, 1, 0]
    # a skip at .1 x .6 / .815; a listen whose draw is above .283 reaches the end
    np.testing.assert_allclose(fraction, [0.0736, 1.0, 0.0736], atol=1e-4)
    assert not liked.numpy().any()
    assert reward.numpy().tolist() == [0.0, 1.0, 0.0]
    assert not ended.numpy().any()
    memory = state["memory"].numpy()[:, :2]
    np.testing.assert_allclose(memory, [[0.2, 0], [0, 0.2], [0.2, 0]])
    assert state["history"].numpy()[:, -2:].tolist() == [[-1, 0], [-1, 1], [-1, 0]]
    np.testing.assert_allclose(state["feedback"][0, -1], [fraction[0], 0, 1])
    assert state["steps"].numpy().tolist() == [2, 2, 2]


def test_fatigue_turns_the_mood_by_hand(catalogue):
    """Memory .5 along the song: fatigue .5 - .19 x .5 = .405; across: -.095.

    Along: sigmoid(-1.38 + 8 x .405) = .8653. Across: sigmoid(-1.38 - .76) = .1053.
    """
    one = CompiledListening(catalogue, taste_strength=0.0, long_term_effect=1.0)
    memory = 0.5 * tf.eye(5)[:3]
    state = state_of(one, memory=tf.gather(memory, [0, 0, 1]))
    for draw, moods in ((0.865, [1, 0, 0]), (0.866, [0, 0, 0]), (0.105, [1, 1, 1])):
        songs = tf.constant([0, 1, 0])
        played, *_ = one.step_from(state, songs, drawn(one, mood=draw))
        assert played["mood"].numpy().tolist() == moods


def test_leaving_the_end_and_the_next_session_by_hand(catalogue):
    """Churn .5: a skip and mood 1 make P(leave) .5, one of them .25."""
    one = CompiledListening(catalogue, churn=0.5)
    mood = tf.constant([1, 1, 0])
    state = state_of(one, mood=mood, steps=tf.constant([1, 1, 11]))
    draws = drawn(one, skip=[0.0, 0.999, 0.999], mood=0.0, leave=[0.49, 0.26, 0.26])
    state, *_, ended = one.step_from(state, tf.constant([1, 1, 1]), draws)
    assert ended.numpy().tolist() == [True, False, True]  # left, stays, the 12th song
    state, fraction, liked, skipped, reward, ended = one.step_from(
        state, tf.constant([2, 2, 2]), drawn(one, skip=0.0)
    )
    assert state["steps"].numpy().tolist() == [0, 3, 0]
    assert state["history"].numpy()[:, -1].tolist() == [-1, 2, -1]
    assert fraction.numpy()[[0, 2]].tolist() == [0.0, 0.0]
    assert reward.numpy()[[0, 2]].tolist() == [0.0, 0.0]
    assert skipped.numpy().tolist() == [False, True, False]
    assert not (liked | ended).numpy().any()


class Given:
    """Streams of the NumPy environment that hand out the draws of the compiled one."""

    def __init__(self, draws, songs):
        # float32 may round a product up to the next whole number
        candidates = (np.floor(draws[10:] * songs) + 0.5) / songs
        draws = draws.numpy().astype(float)
        self.places = np.zeros((64, draws.shape[1]))
        for first, values in (
            (0, draws[:4]),
            (listening._BEGIN, draws[:8]),
            (listening._DRIFT, draws[5:10]),
            (listening._CANDIDATES, candidates),
            (listening._LEAVE, draws[4:5]),
        ):
            self.places[first : first + len(values)] = values

    def start(self, rows, seeds, episodes):
        pass

    def uniform(self, steps, count, *, first=0, rows=slice(None)):
        return self.places[first : first + count, rows]


def state_from(env):
    """The state of a NumPy environment, as tensors."""
    state = env.listeners.state() | env._observe_ids()
    state |= {"over": env.over, "steps": env.steps}
    state.setdefault("candidates", np.zeros((env.num_envs, 0), np.int64))
    kinds = {"f": tf.float32, "i": tf.int32, "b": tf.bool}
    del state["position"]
    return {
        name: tf.constant(values, kinds[values.dtype.kind])
        for name, values in state.items()
    }


def differences(twin, env, steps=24):
    """Play the same songs by the same draws, each step from the same state.

    The share of rows in which a whole number or a truth differs, and the largest
    difference of the other numbers in other rows.
    """
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    rows = env.num_envs
    wrong = 0
    largest = 0.0
    for t in range(steps):
        state = state_from(env)
        draws = twin.draws(tf.constant([t, 5]), rows)
        env.streams = Given(draws, twin.songs)
        actions = rng.integers(env.single_action_space.n, size=rows)
        songs = tf.constant(env._songs(actions), tf.int32)
        found, *heard = twin.step_from(state, songs, draws)
        names = ("fraction", "liked", "skipped", "reward", "ended")
        found |= dict(zip(names, heard, strict=True))
        _, reward, ended, _, info = env.step(actions)
        truth = info | state_from(env) | {"reward": reward, "ended": ended}
        bad = np.zeros(rows, bool)
        # whole numbers and truths first
        for name in sorted(found, key=lambda name: found[name].dtype.is_floating):
            gap = np.asarray(found[name], float) - np.asarray(truth[name], float)
            gap = np.abs(gap).reshape(rows, -1).max(axis=1, initial=0.0)
            if found[name].dtype.is_floating:
                largest = max(largest, gap[~bad].max())
            else:
                bad |= gap > 0.0
        wrong += bad.sum()
    return wrong / (steps * rows), largest


@pytest.mark.parametrize(
    ("world", "settings"),
    [
        ("default", {}),
        ("default", {"history": 20}),
        ("every dial", {}),
        ("every dial", {"n_candidates": 7, "history": 1}),
    ],
)
def test_steps_are_those_of_the_numpy_environment(world, settings):
    settings = WORLDS[world] | settings
    twin = CompiledListening(**settings)
    action = "candidate" if twin.n_candidates else "song"
    env = ListeningBatch(1_000, action, "ids", **settings)
    share, largest = differences(twin, env)
    assert share <= SHARE
    assert largest <= LARGEST


@pytest.fixture(scope="module")
def both():
    """Compiled listeners and the NumPy environment."""
    return CompiledListening(), ListeningBatch(1_000, "song", "ids")


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_that_is_a_tenth_larger_is_noticed(name, both):
    with broken(both[0], name, 1.1):
        share, largest = differences(*both)
    assert share > SHARE or largest > LARGEST


@pytest.mark.parametrize(
    ("world", "policy"), [("default", "random"), ("every dial", "stay")]
)
def test_sessions_have_the_same_distribution(world, policy):
    ours = sessions(numpy_record(policy, ROWS, **WORLDS[world]))
    theirs = sessions(compiled_record(policy, ROWS, **WORLDS[world]))
    for name, _, _, statistic in compared(ours, theirs):
        assert statistic < critical(2 * ROWS), name


def test_a_broken_rule_of_listeners_shows_in_sessions():
    theirs = compiled_record("stay", ROWS, change=("FATIGUE_WEIGHT", 0.5))
    found = compared(sessions(numpy_record("stay", ROWS)), sessions(theirs))
    assert max(statistic for *_, statistic in found) > critical(2 * ROWS)


def test_play_shows_the_policy_what_it_did_and_repeats_itself():
    twin = CompiledListening(n_candidates=3)
    policy = compiled_policy("stay", twin.songs)
    state = twin.begin(tf.constant([1, 2]), 50)
    last, record = twin.play(policy, state, 25, tf.constant([3, 4]))
    _, again = twin.play(policy, state, 25, tf.constant([3, 4]))
    _, other = twin.play(policy, state, 25, tf.constant([3, 5]))
    for name, values in record.items():
        np.testing.assert_array_equal(values, again[name])
    assert (record["skipped"].numpy() != other["skipped"].numpy()).any()
    live = record["live"].numpy()
    assert live[0].all()
    assert (~live).sum() > 40
    np.testing.assert_array_equal(live[1:], ~record["ended"].numpy()[:-1])
    np.testing.assert_array_equal(last["over"], record["ended"][-1])
    songs = record["songs"].numpy()
    before = np.where(live[:-1], songs[:-1], -1)
    skipped = record["skipped"].numpy()[:-1]
    expected = np.vstack([[6] * 50, after_skip(before, skipped, twin.songs)])
    np.testing.assert_array_equal(songs[live], expected[live])


def test_policy_and_listeners_have_numbers_of_their_own_at_each_step():
    twin = CompiledListening(taste_strength=0.0, appeal_strength=0.0)

    def policy(seen, seed):
        draws = twin.draws(seed, 2_000)  # as those of a step, were the seed the same
        return tf.cast(draws[0] * twin.songs, tf.int32), {}

    state = twin.begin(tf.constant([1, 2]), 2_000)
    _, record = twin.play(policy, state, 10, tf.constant([3, 4]))
    songs = record["songs"].numpy()
    skipped = record["skipped"].numpy()
    for one, other in ((songs, skipped), (songs[1:], songs[:-1])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.03


def test_draws_are_uniform_and_differ_by_seed():
    twin = CompiledListening(n_candidates=10)
    draws = twin.draws(tf.constant([1, 2]), 20_000)
    uniform = draws.numpy()
    assert 0.0 <= uniform.min() < 1e-4
    assert 1.0 - 1e-4 < uniform.max() < 1.0
    np.testing.assert_allclose(uniform.mean(axis=1), 0.5, atol=0.01)
    np.testing.assert_allclose(np.corrcoef(uniform), np.eye(20), atol=0.04)
    candidates = twin.begin_from(draws)["candidates"]
    counts = np.bincount(candidates.numpy().ravel(), minlength=twin.songs)
    assert len(counts) == twin.songs  # each song 100 times, give or take 10
    assert counts.std() == pytest.approx(10.0, abs=1.0)
    later = twin.draws(tf.constant([1, 3]), 20_000).numpy()
    assert abs(np.corrcoef(uniform[0], later[0])[0, 1]) < 0.04


def test_settings_that_make_no_sense_are_refused():
    for settings in ({"n_candidates": 41}, {"history": 0}, {"churn": 2.0}):
        with pytest.raises(ConfigError):
            CompiledListening(**settings)
