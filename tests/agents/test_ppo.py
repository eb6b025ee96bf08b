"""PPO in Listening-v0: what it plays, what it learns from, learning, resuming."""

from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.stats import norm

from rlrec.agents.baselines import RandomPolicy
from rlrec.agents.ppo import PPO, PPOConfig
from rlrec.envs import BinaryReward, ListeningBatch, default_catalogue
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation import simulate
from rlrec.nn.backend import tf

SMALL = PPOConfig(
    rollout=16, minibatch=32, epochs=2, hidden=(8,), keys=4, schedule_steps=1_000
)
SOUND = default_catalogue().sound


@pytest.fixture
def eagerly():
    """Without the compiler, which takes seconds for each network of another shape."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


ACTIONS = ("offered", "neighbours", "point", "vector")


def listening(num_envs=4, action="offered", **settings):
    mode = "candidate" if action == "offered" else "song"
    return ListeningBatch(num_envs, action=mode, observe="ids", history=20, **settings)


def made(action="offered", seed=0, **changes):
    return PPO(SOUND, replace(SMALL, action=action, **changes), seed)


def weights(agent):
    return [weight.numpy() for weight in agent.learner.weights]


def same(one, other):
    return all(
        (a == b).all() for a, b in zip(weights(one), weights(other), strict=True)
    )


@pytest.mark.parametrize("action", ACTIONS)
def test_the_policy_that_plays_is_the_policy_that_learns(action):
    """NumPy stores the log P that TensorFlow finds: each ratio begins at 1."""
    agent, env = made(action), listening(action=action)
    agent._env, agent._observation = env, env.reset(seed=0)[0]
    steps, _, _ = agent._play(env)
    batch = {name: tf.constant(values) for name, values in steps.items()}
    found, _ = agent.learner.policy.log_prob(batch, agent.learner.songs)
    np.testing.assert_allclose(found.numpy(), steps["log_prob"], atol=1e-4)


@pytest.mark.parametrize("action", ["point", "vector"])
def test_the_log_probability_of_a_point_is_its_density(action):
    """With standard deviations that are not 1, beside SciPy's."""
    agent, env = made(action), listening(action=action)
    spread = np.linspace(0.3, 2.5, SOUND.shape[1])
    agent.learner.policy.log_sd.assign(np.log(spread))
    agent._refresh()
    observations, _ = env.reset(seed=0)
    state = agent.view(observations)
    drawn, _ = agent._act(observations)
    mean = agent.learner.policy.mean(state).numpy()
    expected = norm.logpdf(drawn["choice"], mean, spread).sum(axis=1)
    np.testing.assert_allclose(drawn["log_prob"], expected, rtol=1e-4)


class TimeLimit(ListeningBatch):
    """Sessions that are cut off where others end."""

    def _advance(self, actions):
        reward, terminated, truncated = super()._advance(actions)
        return reward, truncated, terminated


def test_a_session_that_is_cut_off_counts_the_next_value():
    """Its last advantage differs from an ended one's by discount V(next state)."""
    played = []
    for kind in (ListeningBatch, TimeLimit):
        agent = made(rollout=40)
        env = kind(4, action="candidate", observe="ids", history=20)
        agent._env, agent._observation = env, env.reset(seed=0)[0]
        steps, _, _ = agent._play(env)
        played.append({name: steps[name].reshape(40, 4) for name in STEPWISE})
    ended, cut_off = played
    np.testing.assert_array_equal(ended["value"], cut_off["value"])
    last = ended["live"][1:] == 0.0  # the next step only begins an episode
    assert 4 <= last.sum() <= 16
    following = SMALL.discount * ended["value"][1:][last]
    more = (cut_off["advantage"] - ended["advantage"])[:-1][last]
    np.testing.assert_allclose(more, following, atol=1e-6)
    assert np.abs(following).min() > 1e-4


STEPWISE = ("value", "advantage", "live")


def test_steps_in_which_an_episode_began_are_not_live():
    agent, env = made(rollout=40), listening()
    agent._env, agent._observation = env, env.reset(seed=0)[0]
    steps, reward, _ = agent._play(env)
    dead = 1.0 - steps["live"]
    assert 4 <= dead.sum() <= 16  # 4 listeners, sessions of 10 to 20 songs
    assert 0.0 < reward < 1.0


@pytest.mark.parametrize("action", ["neighbours", "point", "vector"])
def test_songs_played_lately_do_not_come_again(action):
    agent, env = made(action), listening(3, action)
    observations, _ = env.reset(seed=0)
    for _ in range(9):
        songs = agent.recommend(observations, 3)
        assert not (songs[:, :, None] == observations["history"][:, None, :]).any()
        assert all(len(set(row)) == 3 for row in songs.tolist())
        observations, *_ = env.step(songs[:, 0])


def test_neighbours_are_those_of_the_song_that_plays():
    agent, env = made("neighbours"), listening(3, "neighbours")
    env.reset(seed=0)
    observations, *_ = env.step(np.array([5, 70, 900]))
    scaled = (SOUND - SOUND.mean(axis=0)) / SOUND.std(axis=0)
    for row, song in enumerate((5, 70, 900)):
        distance = ((scaled - scaled[song]) ** 2).sum(axis=1)
        distance[song] = np.inf
        assert (
            agent.candidates(observations)[row].tolist()
            == np.argsort(distance)[:4].tolist()
        )


def test_the_map_is_standardised():
    songs = SOUND * [0.01, 0.1, 1.0, 10.0, 0.0] + 5.0
    scaled = PPO(songs, SMALL).songs
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=1e-3)
    np.testing.assert_allclose(scaled.std(axis=0), [1, 1, 1, 1, 0], atol=1e-3)


@pytest.mark.parametrize("steps", [0, 320])
def test_draws_follow_the_probabilities(eagerly, steps):
    """Also before training: one that always plays the best looks right when sure."""
    agent, env = made(minibatch=16, learning_rate=0.02), listening(1, n_candidates=4)
    if steps:
        agent.train(env, steps)
    observations, _ = env.reset(seed=0)
    many = {
        name: np.repeat(values, 20_000, axis=0) for name, values in observations.items()
    }
    candidates, probabilities = agent.probabilities(observations)
    assert probabilities.sum() == pytest.approx(1.0, rel=1e-5)
    for songs in (
        agent._act(many)[1],
        agent.recommend(many, rng=np.random.default_rng(1))[:, 0],
    ):
        found = np.array([(songs == song).mean() for song in candidates[0]])
        np.testing.assert_allclose(found, probabilities[0], atol=0.015)
    assert (
        agent.recommend(observations)[0, 0] == candidates[0, probabilities[0].argmax()]
    )


def test_it_learns_what_everybody_likes():
    """Where only popularity counts, 20,000 songs teach it: well above random."""
    world = {"taste_strength": 0.0, "long_term_effect": 0.0, "appeal_strength": 2.0}
    appeal = default_catalogue().appeal[:, None]
    agent = PPO(
        appeal, PPOConfig(rollout=64, hidden=(16,), schedule_steps=20_000), seed=0
    )
    agent.train(listening(32, **world), 20_000)
    test = listening(500, **world)
    random = simulate(
        test, RandomPolicy(len(appeal), np.random.default_rng(0)), seed=10_000
    ).mean()
    assert simulate(test, agent, seed=10_000).mean() > random + 2.0


@pytest.mark.parametrize("action", ["offered", "vector"])
def test_same_seed_bit_identical(action):
    one, other, third = made(action), made(action), made(action, seed=1)
    records = [
        agent.train(listening(action=action), 128) for agent in (one, other, third)
    ]
    assert same(one, other)
    assert records[0][-1][:-1] == records[1][-1][:-1]
    assert not same(one, third)


@pytest.mark.parametrize("action", ["offered", "vector"])
def test_a_stopped_run_continues_bit_identical(eagerly, action, tmp_path):
    whole, first = made(action), made(action)
    whole.train(listening(action=action), 256)
    first.train(listening(action=action), 128)
    first.save(tmp_path)
    env = listening(action=action)
    second = PPO.load(tmp_path, env)
    second.train(env, 128)
    assert second.step == whole.step == 256
    assert same(whole, second)


def test_what_is_loaded_recommends_the_same(eagerly, tmp_path):
    agent, env = made(), listening()
    agent.train(env, 64)
    agent.save(tmp_path)
    observations, _ = env.reset(seed=3)
    np.testing.assert_array_equal(
        PPO.load(tmp_path).recommend(observations, 5), agent.recommend(observations, 5)
    )


def test_each_epoch_shuffles_the_steps(eagerly):
    agent = made()
    orders = []
    learn = agent.learner.learn
    agent.learner.learn = lambda steps, order, left: (
        orders.append(order) or learn(steps, order, left)
    )
    agent.train(listening(), 64)
    first, second = orders[0].reshape(2, 64).tolist()
    assert sorted(first) == sorted(second) == list(range(64))
    assert first != second
    assert sorted(first) not in (first, second)


def test_training_past_the_schedule_is_refused(eagerly):
    agent = made(schedule_steps=64)
    agent.train(listening(), 64)
    with pytest.raises(ConfigError, match="the schedule ends at step 64"):
        agent.train(listening(), 64)


@pytest.mark.parametrize(
    ("schedule", "first", "then", "refused"),
    [
        # rounds of 64 songs
        (64, 0, 64, False),
        (64, 0, 65, True),  # a second round, from step 64 on
        (65, 0, 128, False),  # the second round begins before the schedule's end
        (128, 64, 64, False),
        (128, 64, 65, True),
        (64, 0, 0, False),
    ],
)
def test_a_round_that_would_learn_nothing_is_refused_before_any(
    schedule, first, then, refused, eagerly
):
    """In one call the schedule ended in silence: step size 0, and a KL of exactly 0."""
    agent = made(schedule_steps=schedule)
    env = listening()
    agent.train(env, first)
    if refused:
        with pytest.raises(ConfigError, match=f"ends at step {schedule}, and"):
            agent.train(env, then)
        assert agent.step == first
        return
    agent.train(env, then)
    assert agent.step == first + -(-then // 64) * 64


def test_without_annealing_no_schedule_ends(eagerly):
    records = made(schedule_steps=1, anneal=False).train(listening(), 128)
    assert len(records) == 2
    assert records[-1].kl != 0.0


def test_rewards_reach_the_advantages_as_they_are(eagerly):
    """Twice the reward, twice the advantage: a published bug normalised rewards."""
    found = []
    for listen in (1.0, 2.0):
        agent, env = made(), listening(reward=BinaryReward(listen=listen))
        for weight in agent.learner.value.trainable_variables:
            weight.assign(0.0 * weight)
        agent._refresh()
        agent._env, agent._observation = env, env.reset(seed=0)[0]
        found.append(agent._play(env)[0]["advantage"])
    np.testing.assert_allclose(found[1], 2.0 * found[0], rtol=1e-6)
    assert found[0].any()


def test_a_broken_folder_is_refused(tmp_path):
    made().save(tmp_path)
    (tmp_path / "agent.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match="train the run again"):
        PPO.load(tmp_path)


OTHER = {
    "action": "neighbours",
    "neighbours": 5,
    "policy": "both",
    "state": "last",
    "history": 3,
    "hidden": (9,),
    "keys": 5,
    "rollout": 24,
    "epochs": 3,
    "minibatch": 16,
    "learning_rate": 0.1,
    "discount": 0.5,
    "gae_lambda": 0.1,
    "clip": 0.01,
    "value_clip": 0.01,
    "value_weight": 0.1,
    "entropy": 0.5,
    "gradient_norm": 0.01,
    "target_kl": 1e-9,
    "normalise": False,
    "anneal": False,
    "schedule_steps": 200,
}


@pytest.mark.parametrize("name", [field.name for field in fields(PPOConfig)])
def test_every_setting_is_read(eagerly, name):
    plain = replace(
        SMALL,
        action="neighbours" if name == "neighbours" else "offered",
        learning_rate=0.02,
    )
    agents = []
    for config in (plain, replace(plain, **{name: OTHER[name]})):
        agent = PPO(SOUND, config, seed=0)
        agent.train(listening(action=config.action), 192)
        agents.append(np.concatenate([weight.ravel() for weight in weights(agent)]))
    assert agents[0].shape != agents[1].shape or (agents[0] != agents[1]).any()


def test_bad_settings_are_refused():
    for changes, words in (
        ({"action": "all"}, "offered, neighbours"),
        ({"state": "all"}, "track, last"),
        ({"clip": 0.0}, "clip"),
        ({"discount": 1.5}, "discount"),
        ({"history": 21}, "history"),
        ({"hidden": (0,)}, "hidden"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"learning_rate": np.inf}, "learning_rate is inf"),
        ({"clip": np.inf}, "clip is inf"),
        ({"epochs": np.inf}, "epochs is inf"),
    ):
        with pytest.raises(ConfigError, match=words):
            PPOConfig(**changes)
    with pytest.raises(ConfigError, match="no multiple of minibatch 32"):
        made().train(listening(3), 100)
    with pytest.raises(ConfigError, match="all finite"):
        PPO(np.full((5, 2), np.nan))
    with pytest.raises(ConfigError, match="no candidates on offer"):
        made().recommend(listening(action="vector").reset(seed=0)[0])
    with pytest.raises(ConfigError, match="no candidates"):
        made("vector").probabilities(listening(action="vector").reset(seed=0)[0])
