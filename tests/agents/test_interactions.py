"""Interactions: numbers by hand, a twin in plain loops, nothing hidden, all used."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from rlrec.agents.interactions import (
    LISTENING_FEATURES,
    RATING_FEATURES,
    belief,
    fading_memory,
    listening_interactions,
    listening_scores,
    listening_session,
    rating_interactions,
)
from rlrec.agents.recommender import item_pool
from rlrec.envs import Catalogue, ListeningBatch, default_catalogue
from rlrec.errors import ConfigError

TINY = Catalogue(
    features=np.zeros((3, 11), np.float32),
    sound=np.array([[2.0, 0.0], [0.0, 1.0], [-3.0, -4.0]]),
    direction=np.array([[1.0, 0.0], [0.0, 1.0], [-0.6, -0.8]]),
    appeal=np.array([0.5, -1.0, 2.0]),
    titles=np.array(["a", "b", "c"]),
)
# heard and liked song 0, then skipped song 1; the position is the third of 20
SEEN = {
    "history": np.array([[-1, 0, 1]]),
    "feedback": np.array([[[0, 0, 0], [1, 1, 0], [0.1, 0, 1]]]),
    "position": np.array([[2]]),
}


def played(rows=6, steps=7, action="candidate", seed=3, **settings):
    """An environment in the middle of its sessions, and what it shows."""
    env = ListeningBatch(rows, action, "ids", history=20, **settings)
    observations, _ = env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        pool = item_pool(observations, len(env.catalogue))
        songs = rng.permuted(pool, axis=1)[:, :1]
        observations = env.step(env.actions_for(songs))[0]
    return env, observations


def interactions(catalogue, seen, pool, known_by=None):
    session = listening_session(catalogue, seen, known_by)
    return listening_interactions(catalogue, session, pool)


def named(features):
    return dict(zip(LISTENING_FEATURES, features, strict=True))


def test_a_session_by_hand():
    """memory = .2 (.8 (1, 0) + (0, 1)); gram = diag(4, 1) + 8; y - mean = (.5, -.5)."""
    found = named(interactions(TINY, SEEN, np.array([[2, 0]]))[0, 0])
    likeness = -0.6 * 0.16 - 0.8 * 0.2
    heard = -3 * (2 * 0.5 / 12) - 4 * (-0.5 / 9)
    liked = -3 * (2 * 1.0 / 12) - 4 * (-1.0 / 9)  # y = 2, 0
    mood = 1 / 1.8
    expected = {
        "constant": 1.0,
        "appeal": 2.0,
        "likeness": likeness,
        "likeness above 0": 0.0,
        "heard": heard,
        "liked": liked,
        "left": 0.9,
        "mood": mood,
        "last skipped": 1.0,
        "memory length": np.hypot(0.16, 0.2),
        "left x mood": 0.9 * mood,
    }
    for name in ("appeal", "likeness", "likeness above 0", "heard", "liked"):
        expected[f"{name} x left"] = 0.9 * expected[name]
        expected[f"{name} x mood"] = (mood - 0.5) * expected[name]
    assert found == pytest.approx(expected)


def test_before_the_first_song_only_appeal_and_the_position_speak():
    start = {name: values.copy() for name, values in SEEN.items()}
    start["history"][:] = -1
    start["position"][:] = 0
    found = named(interactions(TINY, start, np.array([[1]]))[0, 0])
    spoken = {name: value for name, value in found.items() if value}
    assert spoken == {
        "constant": 1.0,
        "appeal": -1.0,
        "left": 1.0,
        "appeal x left": -1.0,
        "appeal x mood": 0.5,
    }


def twin(catalogue, seen, row, song):
    """The features of one song for one listener, in plain loops."""
    memory = np.zeros(5)
    plays = []
    weight, skipped_lately = 0.0, 0.0
    for song_id, reaction in zip(
        seen["history"][row], seen["feedback"][row], strict=True
    ):
        if song_id < 0:
            continue
        memory = 0.8 * memory + 0.2 * catalogue.direction[song_id]
        weight = 0.8 * weight + 1.0
        skipped_lately = 0.8 * skipped_lately + reaction[2]
        plays.append((catalogue.sound[song_id], reaction))
    left = 1 - seen["position"][row, 0] / 20
    mood = skipped_lately / weight if plays else 0.0
    match = []
    for like_weight in (0.0, 1.0):
        gram, moment = 8.0 * np.eye(5), np.zeros(5)
        values = [1 - one[2] + like_weight * one[1] for _, one in plays]
        for (sound, _), value in zip(plays, values, strict=True):
            gram += np.outer(sound, sound)
            moment += sound * (value - np.mean(values))
        match.append(catalogue.sound[song] @ np.linalg.solve(gram, moment))
    likeness = catalogue.direction[song] @ memory
    parts = [catalogue.appeal[song], likeness, max(likeness, 0.0), *match]
    last = plays[-1][1][2] if plays else 0.0
    signals = [left, mood, last, np.sqrt(memory @ memory), left * mood]
    with_left = [left * part for part in parts]
    with_mood = [(mood - 0.5) * part for part in parts]
    return np.array([1.0, *parts, *signals, *with_left, *with_mood])


def test_features_are_those_of_plain_loops():
    env, seen = played()
    found = interactions(env.catalogue, seen, seen["candidates"])
    assert found.shape == (6, 10, len(LISTENING_FEATURES))
    for row in range(6):
        for place, song in enumerate(seen["candidates"][row]):
            expected = twin(env.catalogue, seen, row, song)
            np.testing.assert_allclose(found[row, place], expected, atol=1e-6)


@pytest.mark.parametrize("action", ["candidate", "song"])
def test_folded_scores_are_products_with_the_weights(action):
    env, seen = played(action=action)
    weights = np.random.default_rng(0).normal(size=21)
    session = listening_session(env.catalogue, seen)
    pool = item_pool(seen, len(env.catalogue))
    expected = interactions(env.catalogue, seen, pool) @ weights
    of_pool = listening_scores(env.catalogue, session, weights, pool)
    np.testing.assert_allclose(of_pool, expected, atol=1e-12)
    if action == "song":
        of_all = listening_scores(env.catalogue, session, weights)
        np.testing.assert_allclose(of_all, expected, atol=1e-12)


def test_scores_of_all_songs_take_the_memory_of_a_few_numbers_each():
    songs = 20_000
    catalogue = default_catalogue()
    rows = np.random.default_rng(0).integers(len(catalogue), size=songs)
    arrays = {name: values[rows] for name, values in vars(catalogue).items()}
    _, seen = played(rows=8, action="song")
    many = Catalogue(**arrays)
    session = listening_session(many, seen)
    tracemalloc.start()
    listening_scores(many, session, np.ones(21))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * 8 * 8 * songs  # 10 numbers for each song and listener, not 21


def test_nothing_hidden_is_used():
    env, seen = played()
    before = interactions(env.catalogue, seen, seen["candidates"])
    rng = np.random.default_rng(0)
    env.listeners.taste = rng.permuted(env.listeners.taste, axis=1)
    env.listeners.mood = 1 - env.listeners.mood
    env.listeners.restless += 1.0
    env.listeners.memory[:] = 9.0
    after = env._observe()
    np.testing.assert_array_equal(
        interactions(env.catalogue, after, seen["candidates"]), before
    )


def test_no_feature_can_be_replaced_by_the_others():
    """Least squares explains less of the songs heard without any one of them."""
    env = ListeningBatch(100, "candidate", "ids", history=20)
    seen, _ = env.reset(seed=3)
    features, rewards = [], []
    for _ in range(9):
        songs = seen["candidates"][:, :1]
        features.extend(interactions(env.catalogue, seen, songs)[:, 0])
        seen, heard, *_ = env.step(np.zeros(100, np.int64))
        rewards.extend(heard)
    features, rewards = np.array(features), np.array(rewards)

    def loss(kept):
        weights = np.linalg.lstsq(features[:, kept], rewards, rcond=None)[0]
        return ((rewards - features[:, kept] @ weights) ** 2).sum()

    everything = loss(range(21))
    for place, name in enumerate(LISTENING_FEATURES):
        others = [one for one in range(21) if one != place]
        assert loss(others) > everything + 1e-6, name


def test_an_unknown_song_is_refused():
    seen = {**SEEN, "history": np.array([[-1, 0, 3]])}
    with pytest.raises(ConfigError, match="history"):
        interactions(TINY, seen, np.array([[0]]))


def test_memory_and_belief_are_the_environments_and_greedys():
    env, seen = played()
    memory = fading_memory(env.catalogue, seen["history"])
    np.testing.assert_allclose(memory, env.listeners.memory)
    scaled = replace(env.catalogue, sound=2 * env.catalogue.sound)
    half = belief(scaled, seen, ridge=32.0)
    np.testing.assert_allclose(2 * half, belief(env.catalogue, seen))


# -- ratings ---------------------------------------------------------------------------
def test_ratings_by_hand():
    items = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]])
    users = np.array([[0.5, 0.5]])
    history = np.array([[-1, 0, 1, 2]])
    liked = np.array([[0, 1, 0, 1]])  # items 0 and 2 liked, 1 disliked
    bias, popularity = np.array([0.1, 0.2, 0.3]), np.array([7.0, 8.0, 9.0])
    found = rating_interactions(items, users, history, liked, bias, popularity)
    assert len(RATING_FEATURES) == found.shape[2]
    # mean of liked (2, .5), of disliked (0, 2)
    expected = [
        [1.0, 2.0, 0.0, 0.5, 0.1, 7.0],
        [1.0, 1.0, 4.0, 1.0, 0.2, 8.0],
        [1.0, 6.5, 2.0, 2.0, 0.3, 9.0],
    ]
    np.testing.assert_allclose(found[0], expected)


def test_without_a_history_the_means_are_zero():
    found = rating_interactions(
        np.eye(2), np.ones((1, 2)), np.array([[-1]]), np.array([[1]]), *np.ones((2, 2))
    )
    assert found[0, :, 1:3].tolist() == [[0.0, 0.0], [0.0, 0.0]]
