"""Vector and single environments: Gymnasium's rules, and equal results for one seed."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import rlrec  # noqa: F401
from rlrec.envs import PROFILES, GenreBatch, ListeningBatch
from rlrec.errors import ConfigError

LISTENING = [
    {"action": a, "observe": o}
    for a in ("candidate", "song", "point", "slate")
    for o in ("features", "ids")
]
EVERY = [("rlrec/Genre-v0", {"user": name}) for name in PROFILES] + [
    ("rlrec/Listening-v0", kw) for kw in LISTENING
]
IDS = [
    f"{name[6:]}-{'-'.join(map(str, settings.values()))}" for name, settings in EVERY
]


@pytest.mark.parametrize("name", ["rlrec/Genre-v0", "rlrec/Listening-v0"])
def test_registered(name):
    assert name in gymnasium.registry
    assert isinstance(
        gymnasium.make_vec(name, num_envs=2), (GenreBatch, ListeningBatch)
    )


@pytest.mark.parametrize(("name", "settings"), EVERY, ids=IDS)
def test_check_env(name, settings):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(name, **settings).unwrapped)


def rows_of(observation, row):
    return (
        {k: v[row] for k, v in observation.items()}
        if isinstance(observation, dict)
        else observation[row]
    )


def assert_same(a, b):
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    else:
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("name", "settings"), EVERY, ids=IDS)
@pytest.mark.parametrize("seed", [5, [11, 3, 3]])
def test_single_and_vector_tell_one_story(name, settings, seed):
    """Three singles against a batch of three, 50 steps, over the ends of episodes."""
    vector = gymnasium.make_vec(name, num_envs=3, **settings)
    singles = [gymnasium.make(name, **settings) for _ in range(3)]
    seeds = [seed + i for i in range(3)] if isinstance(seed, int) else seed
    together, _ = vector.reset(seed=seed)
    for row, (single, own) in enumerate(zip(singles, seeds, strict=True)):
        assert_same(rows_of(together, row), single.reset(seed=own)[0])
    vector.action_space.seed(0)
    over = np.zeros(3, bool)
    ends = 0
    for _ in range(50):
        actions = vector.action_space.sample()
        together, rewards, terminated, truncated, infos = vector.step(actions)
        for row, single in enumerate(singles):
            if over[row]:
                assert_same(rows_of(together, row), single.reset()[0])
                continue
            alone, reward, ended, cut, info = single.step(actions[row])
            assert_same(rows_of(together, row), alone)
            assert_same(rows_of(infos, row), info)
            assert (reward, ended, cut) == (
                rewards[row],
                terminated[row],
                truncated[row],
            )
        over = terminated | truncated
        ends += over.sum()
    assert ends >= 3


def test_same_seed_same_bits_other_seed_other_story():
    def story(seed):
        env = ListeningBatch(4)
        observation, _ = env.reset(seed=seed)
        return np.concatenate(
            [observation, *[env.step(np.full(4, 2))[0] for _ in range(30)]]
        )

    np.testing.assert_array_equal(story(1), story(1))
    assert (story(1) != story(2)).any()


def test_reset_without_a_seed_goes_on_to_the_next_episode():
    env = ListeningBatch(2)
    first, _ = env.reset(seed=0)
    second, _ = env.reset()
    assert (first != second).any()
    again, _ = env.reset(seed=0)
    np.testing.assert_array_equal(first, again)


def test_reset_mask_leaves_the_others_alone():
    env = ListeningBatch(3, observe="ids")
    env.reset(seed=0)
    env.step(np.zeros(3, int))
    observation, _ = env.reset(options={"reset_mask": np.array([True, False, True])})
    assert observation["position"].ravel().tolist() == [0, 1, 0]


def test_step_before_reset_is_an_error():
    with pytest.raises(gymnasium.error.ResetNeeded):
        GenreBatch(2).step(np.zeros(2, int))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: GenreBatch(0), "num_envs is 0"),
        (lambda: GenreBatch(1, user="nobody"), "pop_lover"),
        (lambda: GenreBatch(1, session_length=0), "session_length"),
        (lambda: ListeningBatch(1, action="telepathy"), "slate"),
        (lambda: ListeningBatch(1, reward="gold"), "listen_skip"),
        (lambda: ListeningBatch(1, n_candidates=1), "n_candidates is 1"),
        (lambda: ListeningBatch(1, taste_strength=-1), "taste_strength is -1"),
        (lambda: ListeningBatch(2).reset(seed=[1]), "1 seeds for 2 rows"),
        (lambda: ListeningBatch(2).reset(seed=-4), "seed -4"),
    ],
)
def test_bad_settings_say_what_to_do(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


@pytest.mark.parametrize("env", [GenreBatch(2), ListeningBatch(2)])
@pytest.mark.parametrize("action", [-1, 99])
def test_actions_outside_their_range(env, action):
    env.reset(seed=0)
    with pytest.raises(ConfigError, match="outside"):
        env.step(np.array([0, action]))


@pytest.mark.parametrize("user", ["generic", "rock_fan", "variety_seeker"])
def test_genre_env_follows_its_model(user):
    """Mean reward and share of sessions that go on, by state and action."""
    env = GenreBatch(4000, user=user, session_length=50)
    states, _ = env.reset(seed=0)
    rng = np.random.default_rng(0)
    reward_sum, ended_sum, count = np.zeros((5, 5)), np.zeros((5, 5)), np.zeros((5, 5))
    new_episode = np.zeros(4000, bool)
    for _ in range(60):
        actions = rng.integers(5, size=4000)
        next_states, rewards, terminated, truncated, _ = env.step(actions)
        place = (states[~new_episode], actions[~new_episode])
        np.add.at(reward_sum, place, rewards[~new_episode])
        np.add.at(ended_sum, place, terminated[~new_episode])
        np.add.at(count, place, 1)
        np.testing.assert_array_equal(next_states[~new_episode], actions[~new_episode])
        states, new_episode = next_states, terminated | truncated
    model = PROFILES[user].model()
    spread = (
        4 * 3.5 / np.sqrt(count)
    )  # four standard errors; rewards spread by at most 3.5
    assert (np.abs(reward_sum / count - model.reward) < spread).all()
    assert (
        np.abs(ended_sum / count - (1 - model.continues)) < 4 * 0.5 / np.sqrt(count)
    ).all()


def test_truncated_at_the_session_length_and_terminated_when_the_user_leaves():
    env = GenreBatch(1, user="generic", session_length=3)
    env.reset(seed=0)
    ends = [env.step(np.array([0]))[2:4] for _ in range(3)]
    assert [(bool(t[0]), bool(c[0])) for t, c in ends] == [
        (False, False),
        (False, False),
        (False, True),
    ]
    leaver = GenreBatch(500, user="rock_fan")
    leaver.reset(seed=0)
    terminated, truncated = leaver.step(np.full(500, 4))[2:4]
    assert 0.45 < terminated.mean() < 0.63  # .9 x .6 = .54
    assert not truncated.any()


def test_the_step_after_an_end_is_no_transition():
    env = GenreBatch(1, user="pop_lover", session_length=1)
    env.reset(seed=0)
    assert env.step(np.array([0]))[3][0]
    _, reward, terminated, truncated, _ = env.step(np.array([0]))
    assert (reward[0], terminated[0], truncated[0]) == (0.0, False, False)


def test_point_plays_the_nearest_song_and_actions_for_inverts():
    env = ListeningBatch(6, action="point", observe="ids")
    env.reset(seed=0)
    songs = np.arange(100, 106)[:, None]
    observation = env.step(env.actions_for(songs))[0]
    nearest = observation["history"][:, -1]
    distances = (
        (env.catalogue.features[nearest] - env.catalogue.features[songs[:, 0]]) ** 2
    ).sum(axis=1)
    assert distances.max() < 1e-9  # the same song, or one with the very same features
    rng = np.random.default_rng(0)
    points = rng.random((6, 11))
    brute = [((env.catalogue.features - p) ** 2).sum(axis=1).argmin() for p in points]
    np.testing.assert_array_equal(env._songs(points), brute)


def test_slate_choice_follows_the_softmax_of_the_pull():
    env = ListeningBatch(20_000, action="slate", slate_size=3, taste_strength=2.0)
    env.reset(seed=0)
    slates = np.tile([1, 2, 3], (20_000, 1))
    pull = env.listeners.pull(slates)
    expected = (np.exp(pull) / np.exp(pull).sum(axis=1, keepdims=True)).mean(axis=0)
    song = env.step(slates)[4]["song"]
    observed = [(song == wanted).mean() for wanted in (1, 2, 3)]
    np.testing.assert_allclose(observed, expected, atol=0.015)


def test_features_and_ids_show_the_same_session():
    views = {}
    for observe in ("features", "ids"):
        env = ListeningBatch(3, observe=observe)
        env.reset(seed=4)
        env.step(np.array([1, 2, 3]))
        views[observe] = env.step(np.array([4, 5, 6]))[0]
    features, ids = views["features"], views["ids"]
    np.testing.assert_array_equal(
        features[:, :11], env.catalogue.features[ids["history"][:, -1]]
    )
    np.testing.assert_array_equal(features[:, 11:14], ids["feedback"][:, -1])
    np.testing.assert_allclose(features[:, 14], 2 / 20)
    np.testing.assert_array_equal(
        features[:, 15:].reshape(3, 10, 11), env.catalogue.features[ids["candidates"]]
    )
    assert (ids["history"][:, :-2] == -1).all()


def test_rewards_are_swappable_objects():
    from rlrec.envs import FractionReward

    def first_reward(reward):
        env = ListeningBatch(200, reward=reward)
        env.reset(seed=0)
        _, rewards, _, _, info = env.step(np.zeros(200, int))
        return rewards, info

    rewards, info = first_reward(FractionReward(lam=7.0))
    np.testing.assert_allclose(
        rewards, info["fraction"] + 7.0 * info["liked"], rtol=1e-6
    )
    np.testing.assert_array_equal(first_reward("binary")[0], ~info["skipped"])
    np.testing.assert_array_equal(
        first_reward(lambda f, liked, skipped: -skipped.astype(float))[0],
        -1.0 * info["skipped"],
    )


@pytest.mark.parametrize(
    ("env", "action"),
    [
        (GenreBatch(4), 2),
        (GenreBatch(4), [2]),
        (GenreBatch(4), np.zeros((4, 1), int)),
        (GenreBatch(4), np.zeros(4)),
        (ListeningBatch(4, action="song"), np.full(4, 1.7)),
        (ListeningBatch(4, action="slate"), np.zeros((4, 2), int)),
        (ListeningBatch(4, action="point"), np.full((4, 11), np.nan)),
    ],
)
def test_actions_of_the_wrong_shape_or_kind(env, action):
    env.reset(seed=0)
    with pytest.raises(ConfigError, match="action"):
        env.step(action)


def test_a_single_environment_asks_for_a_reset_after_the_end():
    env = gymnasium.make("rlrec/Genre-v0", session_length=1).unwrapped
    env.reset(seed=0)
    env.step(0)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


def test_actions_of_rows_that_begin_anew_are_ignored():
    env = GenreBatch(1, session_length=1)
    env.reset(seed=0)
    env.step(np.array([0]))
    env.step(np.array([-1]))


def test_a_masked_reset_reseeds_only_its_rows():
    env = GenreBatch(3)
    env.reset(seed=0)
    env.reset(seed=100, options={"reset_mask": np.array([True, False, False])})
    assert env.seeds.tolist() == [100, 1, 2]


def test_simulate_asks_for_whole_slates():
    from rlrec.agents import RandomPolicy
    from rlrec.evaluation import simulate

    asked = []

    class Counting(RandomPolicy):
        def recommend(self, observations, k=1):
            asked.append(k)
            return super().recommend(observations, k)

    env = ListeningBatch(5, action="slate", slate_size=3, observe="ids")
    simulate(env, Counting(len(env.catalogue), np.random.default_rng(0)), seed=0)
    assert set(asked) == {3}


def test_candidates_are_drawn_anew_at_each_step():
    env = ListeningBatch(8, observe="ids")
    first = env.reset(seed=0)[0]["candidates"]
    second = env.step(np.zeros(8, int))[0]["candidates"]
    assert (first != second).any(axis=1).all()
