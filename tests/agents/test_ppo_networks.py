"""Advantages, clip, updates: lesson 13's numbers, plain loops, planted bugs."""

import numpy as np
import pytest

from rlrec.agents.ppo_config import PPOConfig
from rlrec.agents.ppo_networks import (
    CandidatePolicy,
    PointPolicy,
    PPOLearner,
    clipped_objective,
    gae,
    normalised,
    value_loss,
)
from rlrec.errors import ConfigError
from rlrec.nn.backend import tf
from rlrec.nn.networks import Adam, mlp_forward, mlp_layers


@pytest.fixture
def eagerly():
    """Without the compiler, which takes seconds for each network of another shape."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


# -- advantages ------------------------------------------------------------------------
def by_hand(**changes):
    given = {
        "rewards": [1.0, 0, 2],
        "values": [0.5, 1, 1.5],
        "next_values": [1.0, 1.5, 0.7],
    }
    over = {
        "terminated": np.array([0, 0, 1], bool)[:, None],
        "ended": np.array([0, 0, 1], bool)[:, None],
    }
    arrays = {name: np.array(values)[:, None] for name, values in given.items()} | over
    return gae(**(arrays | changes), discount=0.9, gae_lambda=0.8)[:, 0]


def test_gae_by_hand():
    np.testing.assert_allclose(by_hand(), [1.911, 0.71, 0.5], atol=5e-4)


def test_a_time_limit_counts_the_next_value_and_still_ends_the_episode():
    cut_off = by_hand(terminated=np.zeros((3, 1), bool))
    np.testing.assert_allclose(cut_off[2], 2 + 0.9 * 0.7 - 1.5)
    longer = gae(
        *np.zeros((3, 4, 1)), np.zeros((4, 1), bool), np.zeros((4, 1), bool), 0.9, 0.8
    )
    assert not longer.any()


def loop(rewards, values, next_values, terminated, ended, discount, gae_lambda):
    """The definition: TD errors to the episode's end, times powers of gamma lambda."""
    steps, batch = rewards.shape
    found = np.zeros((steps, batch))
    for row in range(batch):
        for t in range(steps):
            weight = 1.0
            for later in range(t, steps):
                follows = 0.0 if terminated[later, row] else next_values[later, row]
                found[t, row] += weight * (
                    rewards[later, row] + discount * follows - values[later, row]
                )
                if ended[later, row]:
                    break
                weight *= discount * gae_lambda
    return found


@pytest.mark.parametrize("gae_lambda", [0.0, 0.5, 0.95, 1.0])
def test_gae_against_a_loop(gae_lambda):
    rng = np.random.default_rng(0)
    rewards, values, next_values = rng.standard_normal((3, 40, 6))
    terminated = rng.random((40, 6)) < 0.1
    ended = terminated | (rng.random((40, 6)) < 0.05)
    given = (rewards, values, next_values, terminated, ended, 0.9, gae_lambda)
    np.testing.assert_allclose(gae(*given), loop(*given), atol=1e-12)


def test_an_ignored_lambda_would_be_seen():
    """A published bug: lambda is set and not used. Each lambda gives other values."""
    found = [
        gae(*_plain(), 0.9, gae_lambda)[0, 0] for gae_lambda in (0.0, 0.5, 0.8, 1.0)
    ]
    np.testing.assert_allclose(
        found,
        [1.4, 1.4 + 0.45 * 0.35 + 0.2025 * 0.5, 1.9112, 1.4 + 0.9 * 0.35 + 0.81 * 0.5],
    )


def _plain():
    over = np.array([[False], [False], [True]])
    return (
        np.array([[1.0], [0], [2]]),
        np.array([[0.5], [1], [1.5]]),
        np.array([[1.0], [1.5], [0]]),
        over,
        over,
    )


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ConfigError, match="must agree"):
        by_hand(values=np.zeros(3))
    with pytest.raises(ConfigError, match="must agree"):
        clipped_objective(tf.zeros((3, 1)), tf.zeros(3), 0.2)
    with pytest.raises(ConfigError, match="must agree"):
        value_loss(tf.zeros((3, 1)), tf.zeros(3), tf.zeros(3), 0.2)


# -- the clip --------------------------------------------------------------------------
def test_the_clip_by_hand_and_its_slope():
    ratio, advantage = (
        tf.Variable([1.5, 0.5, 1.5, 0.5, 1.1]),
        tf.constant([2.0, 2.0, -2.0, -2.0, 2.0]),
    )
    with tf.GradientTape() as tape:
        earned = clipped_objective(ratio, advantage, 0.2)
        total = tf.reduce_sum(earned)
    np.testing.assert_allclose(earned.numpy(), [2.4, 1.0, -3.0, -1.6, 2.2], rtol=1e-6)
    np.testing.assert_allclose(
        tape.gradient(total, ratio).numpy(), [0, 2, -2, 0, 2]
    )  # nothing to be had outside


def test_the_clip_against_a_loop():
    rng = np.random.default_rng(1)
    ratio, advantage = rng.uniform(0, 3, 500), rng.standard_normal(500)
    expected = [
        min(r * a, max(0.7, min(1.3, r)) * a)
        for r, a in zip(ratio, advantage, strict=True)
    ]
    found = clipped_objective(tf.constant(ratio), tf.constant(advantage), 0.3)
    np.testing.assert_allclose(found.numpy(), expected)


def test_advantages_are_normalised_where_live_and_nowhere_else():
    advantage, live = tf.constant([1.0, 3.0, 100.0]), tf.constant([1.0, 1.0, 0.0])
    np.testing.assert_allclose(
        normalised(advantage, live).numpy()[:2], [-1, 1], rtol=1e-5
    )


# -- policies --------------------------------------------------------------------------
SONGS = np.random.default_rng(0).standard_normal((30, 3)).astype(np.float32)


def candidates(size=8, k=5, width=4):
    rng = np.random.default_rng(2)
    batch = {"state": rng.standard_normal((size, width)).astype(np.float32)}
    batch |= {"candidates": rng.integers(30, size=(size, k)).astype(np.int32)}
    return batch | {"choice": rng.integers(k, size=size).astype(np.int32)}


def test_a_candidate_policy_is_a_softmax_over_what_is_on_offer():
    policy = CandidatePolicy(
        4, 3, PPOConfig(keys=6, hidden=(7,)), np.random.default_rng(0)
    )
    batch = candidates()
    found, entropy = policy.log_prob(batch, tf.constant(SONGS))
    query, key = policy.numpy()
    for row in range(8):
        scores = [
            mlp_forward(query, batch["state"][row])
            @ mlp_forward(key, SONGS[song])
            / np.sqrt(6)
            for song in batch["candidates"][row]
        ]
        probabilities = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(
            found[row], np.log(probabilities[batch["choice"][row]]), rtol=1e-4
        )
        np.testing.assert_allclose(
            entropy[row], -(probabilities * np.log(probabilities)).sum(), rtol=1e-4
        )


def test_a_point_policy_is_a_normal_distribution():
    from scipy.stats import norm

    policy = PointPolicy(4, 3, PPOConfig(hidden=(7,)), np.random.default_rng(0))
    policy.log_sd.assign([0.0, -1.0, 0.5])
    batch = {"state": candidates()["state"], "choice": SONGS[:8]}
    found, entropy = policy.log_prob(batch, tf.constant(SONGS))
    mean = mlp_forward(mlp_layers(policy.mean), batch["state"])
    sd = np.exp([0.0, -1.0, 0.5])
    np.testing.assert_allclose(
        found, norm.logpdf(SONGS[:8], mean, sd).sum(axis=1), rtol=1e-4
    )
    np.testing.assert_allclose(
        entropy, np.full(8, norm.entropy(0, sd).sum()), rtol=1e-5
    )


def test_numpy_says_what_tensorflow_says():
    learner = PPOLearner(SONGS, 4, PPOConfig(), np.random.default_rng(0))
    states = candidates()["state"]
    np.testing.assert_allclose(
        mlp_forward(mlp_layers(learner.value), states),
        learner.value(states),
        rtol=1e-4,
        atol=1e-6,
    )


# -- a round of updates ----------------------------------------------------------------
def steps(size=16):
    rng = np.random.default_rng(3)
    given = candidates(size)
    policy = PPOLearner(
        SONGS, 4, PPOConfig(hidden=(8,)), np.random.default_rng(0)
    ).policy
    given["log_prob"] = policy.log_prob(given, tf.constant(SONGS))[0].numpy()
    given["value"], given["advantage"] = rng.standard_normal((2, size)).astype(
        np.float32
    )
    return given | {"live": (rng.random(size) < 0.8).astype(np.float32)}


def learned(config=None, given=None, epochs=3, share_left=1.0):
    config = config or PPOConfig(hidden=(8,), target_kl=0.0)
    learner, given = (
        PPOLearner(SONGS, 4, config, np.random.default_rng(0)),
        given or steps(),
    )
    order = np.stack(
        [np.random.default_rng(e).permutation(16) for e in range(epochs)]
    ).astype(np.int32)
    return learner, learner.learn(given, order.reshape(epochs, 2, 8), share_left)


def test_a_round_is_the_updates_one_by_one():
    learner, _ = learned()
    twin = PPOLearner(
        SONGS, 4, PPOConfig(hidden=(8,), target_kl=0.0), np.random.default_rng(0)
    )
    given = {name: tf.constant(values) for name, values in steps().items()}
    for e in range(3):
        for part in np.random.default_rng(e).permutation(16).reshape(2, 8):
            twin.update(
                {name: tf.gather(values, part) for name, values in given.items()},
                0.2,
                0.01,
            )
    for found, expected in zip(learner.weights, twin.weights, strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=2e-5)


def test_the_first_update_follows_the_advantage():
    """The ratio begins at 1: the slope is A times that of log P, over live rows."""
    config = PPOConfig(
        hidden=(8,), normalise=False, entropy=0.0, value_weight=0.0, gradient_norm=1e9
    )
    learner, given = PPOLearner(SONGS, 4, config, np.random.default_rng(0)), steps()
    tensors = {name: tf.constant(values) for name, values in given.items()}
    with tf.GradientTape() as tape:
        log_prob = learner.policy.log_prob(tensors, learner.songs)[0]
        plain = (
            -tf.reduce_sum(log_prob * given["advantage"] * given["live"])
            / given["live"].sum()
        )
    expected = tape.gradient(plain, learner.policy.variables)
    seen = []
    learner.optimiser.descend = lambda tape, loss: seen.extend(
        tape.gradient(loss, learner.policy.variables)
    )
    learner.update(tensors, 0.2, 0.0)
    for found, one in zip(seen, expected, strict=True):
        np.testing.assert_allclose(found, one, atol=1e-6)


def test_dead_steps_teach_nothing(eagerly):
    given = steps()
    wild = dict(
        given,
        advantage=np.where(given["live"] > 0, given["advantage"], 1e6).astype(
            np.float32
        ),
    )
    for one, other in zip(
        learned(given=given)[0].weights, learned(given=wild)[0].weights, strict=True
    ):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_a_policy_that_moves_too_far_stops_learning(eagerly):
    free = learned(PPOConfig(hidden=(8,), learning_rate=0.1, target_kl=0.0), epochs=8)[
        1
    ]
    held = learned(
        PPOConfig(hidden=(8,), learning_rate=0.1, target_kl=0.001), epochs=8
    )[1]
    assert free["epochs"] == 8
    assert held["epochs"] < 8
    assert held["kl"] > 0.0015  # the epoch in which it happened is the last


def test_schedules_shrink_the_step(eagerly):
    still = learned(share_left=0.0)[0]
    new = PPOLearner(SONGS, 4, PPOConfig(hidden=(8,)), np.random.default_rng(0))
    for one, other in zip(still.weights, new.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert isinstance(still.optimiser, Adam)


def test_same_seed_bit_identical(eagerly):
    one, other = learned()[0].state(), learned()[0].state()
    assert one.keys() == other.keys()
    assert all((one[name] == other[name]).all() for name in one)


def test_value_targets_stay_in_returns_where_advantages_are_normalised():
    rng = np.random.default_rng(0)
    config = PPOConfig(action="point", hidden=(8,), normalise=True)
    learner = PPOLearner(rng.normal(size=(9, 2)), 3, config, rng)
    size = 16
    batch = {
        "state": rng.normal(size=(size, 3)),
        "choice": rng.normal(size=(size, 2)),
        "log_prob": np.full(size, -2.0),
        "value": rng.normal(5.0, 1.0, size),
        "advantage": rng.normal(10.0, 3.0, size),
        "live": np.ones(size),
    }
    batch = {name: tf.constant(part, tf.float32) for name, part in batch.items()}
    value = learner.value(batch["state"]).numpy()[:, 0]
    returns = (batch["advantage"] + batch["value"]).numpy()
    measured = learner.update(batch, 0.2, 0.0)
    assert float(measured[1]) == pytest.approx(
        0.5 * np.mean((value - returns) ** 2), rel=1e-4
    )


def test_the_loss_and_what_is_measured_by_a_numpy_twin():
    config = PPOConfig(hidden=(8,), normalise=True, value_weight=0.7, value_clip=0.0)
    learner = PPOLearner(SONGS, 4, config, np.random.default_rng(0))
    given = steps()
    moved = np.random.default_rng(1).normal(0.0, 0.3, 16)
    given["log_prob"] = (given["log_prob"] - moved).astype(np.float32)
    log_prob, entropies = learner.policy.log_prob(given, learner.songs)
    live = given["live"] > 0
    advantage = given["advantage"][live]
    scaled = (advantage - advantage.mean()) / advantage.std()
    log_ratio = (log_prob.numpy() - given["log_prob"])[live]
    ratio = np.exp(log_ratio)
    gain = np.minimum(ratio * scaled, np.clip(ratio, 0.9, 1.1) * scaled).mean()
    value = learner.value(given["state"]).numpy()[live, 0]
    error = 0.5 * np.mean((value - given["value"][live] - advantage) ** 2)
    entropy = entropies.numpy()[live].mean()
    kl = np.mean(ratio - 1.0 - log_ratio)
    outside = np.mean(np.abs(ratio - 1.0) > 0.1)
    losses = []
    learner.optimiser.descend = lambda tape, loss: losses.append(float(loss))
    tensors = {name: tf.constant(part) for name, part in given.items()}
    found = learner.update(tensors, 0.1, 0.5).numpy()
    np.testing.assert_allclose(found, [-gain, error, entropy, kl, outside], rtol=1e-4)
    assert losses == pytest.approx([-gain + 0.7 * error - 0.5 * entropy], rel=1e-4)


def test_rate_clip_and_entropy_fall_together():
    config = PPOConfig(learning_rate=1e-3, clip=0.2, entropy=0.04)
    learner = PPOLearner(SONGS, 4, config, np.random.default_rng(0))
    seen = []
    learner._compiled = lambda steps, order, clip, entropy: (
        seen.append((float(clip), float(entropy))) or (tf.zeros(5), 1)
    )
    learner.learn({}, None, 0.25)
    assert seen[0] == pytest.approx((0.05, 0.01))
    assert float(learner.rate) == pytest.approx(2.5e-4)
