"""DDPG: lesson 07's numbers, published mistakes, determinism, resuming, learning."""

import subprocess
import sys
from dataclasses import fields, replace
from functools import lru_cache

import numpy as np
import pytest

from rlrec import storage
from rlrec.agents.ddpg import DDPG, DDPGConfig, TrainingDiverged
from rlrec.agents.ddpg_networks import policy_loss
from rlrec.agents.replay import PriorityConfig
from rlrec.datasets import Ratings, Report
from rlrec.envs import ListeningBatch, RatingsBatch
from rlrec.envs.rewards import BinaryReward, FractionReward
from rlrec.errors import ConfigError, DataError
from rlrec.nn.backend import tf
from rlrec.nn.networks import mlp_forward, mlp_layers, polyak, td_target

ITEMS, USERS, WIDTH = 40, 30, 4
SMALL = DDPGConfig(
    hidden=(8,),
    updates=4,
    batch_size=8,
    learning_starts=16,
    capacity=500,
    schedule_steps=200,
    compiled=False,
    target_candidates=8,
    actor_rate=1e-2,
)


def world(seed=0):
    """Ratings that follow taste, a dot product; and the vectors of items and users."""
    rng = np.random.default_rng(seed)
    items, users = rng.normal(size=(ITEMS, WIDTH)), rng.normal(size=(USERS, WIDTH))
    stars = np.clip(np.round(3 + users @ items.T), 1, 5).astype(np.float32)
    who, what = (
        place.ravel()
        for place in np.meshgrid(np.arange(USERS), np.arange(ITEMS), indexing="ij")
    )
    ratings = Ratings(
        who.astype(np.int32),
        what.astype(np.int32),
        stars.ravel(),
        np.arange(len(who)),
        np.arange(USERS).astype(str),
        np.arange(ITEMS).astype(str),
        np.array([""] * ITEMS),
        ((),) * ITEMS,
        Report("world", "ratings", len(who), {}),
    )
    return ratings, items, users


RATINGS, ITEM_VECTORS, USER_VECTORS = world()


@pytest.fixture
def eagerly():
    """Without the compiler, which takes seconds for each network of another shape."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def environment(rows=8, **settings):
    return RatingsBatch(
        rows, ratings=RATINGS, **{"history": 3, "length": 6, **settings}
    )


def agent_of(config=SMALL, seed=0):
    return DDPG(ITEM_VECTORS, USER_VECTORS, config, seed, history=3)


def bits(agent):
    return {
        name: values
        for name, values in agent.state().items()
        if name.startswith(("online", "target"))
    }


def same(one, other):
    return all(np.array_equal(values, other[name]) for name, values in one.items())


def batch_of(agent, size=8, seed=0, **parts):
    rng = np.random.default_rng(seed)
    batch = {
        "user": rng.integers(USERS, size=size),
        "history": rng.integers(ITEMS, size=(size, 3)),
        "item": rng.integers(ITEMS, size=size),
        "reward": rng.random(size).astype("f"),
        "next_history": rng.integers(ITEMS, size=(size, 3)),
        "terminated": np.zeros(size, "f"),
        "weight": np.ones(size, "f"),
        "candidates": rng.integers(ITEMS, size=8),
    }
    batch |= parts
    return {
        name: tf.constant(
            v, tf.float32 if np.asarray(v).dtype.kind == "f" else tf.int32
        )
        for name, v in batch.items()
    }


# -- the lesson's numbers --------------------------------------------------------------
def test_critic_target_by_hand():
    """Reward 1, discount .9, Q' 2: 2.8 if it goes on or is truncated; terminated 1."""
    reward, next_value = tf.constant([1.0, 1.0]), tf.constant([2.0, 2.0])
    found = td_target(reward, tf.constant([0.0, 1.0]), next_value, 0.9)
    np.testing.assert_allclose(found, [2.8, 1.0], rtol=1e-6)
    np.testing.assert_allclose(
        td_target(reward, tf.constant([0.0, 1.0]), next_value, 0.9, -2.0, 2.0),
        [2.0, 1.0],
    )


def test_a_column_against_a_row_is_refused():
    with pytest.raises(ConfigError, match="must agree"):
        td_target(tf.ones(4), tf.ones(4), tf.ones((4, 1)), 0.9)


def test_slope_at_the_actors_own_action_by_hand():
    def critic(states, actions):
        return -((actions - 0.6) ** 2)

    own, replayed = tf.Variable(0.2), tf.Variable(0.9)
    with tf.GradientTape(persistent=True) as tape:
        loss, wrong = (
            policy_loss(critic, lambda _: own, None),
            policy_loss(critic, lambda _: replayed, None),
        )
    assert -float(tape.gradient(loss, own)) == pytest.approx(0.8)
    assert -float(tape.gradient(wrong, replayed)) == pytest.approx(-0.6)


def test_polyak_by_hand():
    target = tf.Variable(1.0)
    polyak([target], [tf.Variable(2.0)], 0.005)
    assert float(target) == pytest.approx(1.005)


def test_value_bounds_by_hand():
    assert DDPGConfig(discount=0.9).value_bounds == pytest.approx((-10.0, 10.0))
    assert DDPGConfig(
        discount=0.5, reward_low=0.2, reward_high=1.0
    ).value_bounds == pytest.approx((0.0, 2.0))


# -- published mistakes ----------------------------------------------------------------
def test_targets_start_as_copies():
    learner = agent_of().learner
    for online, target in zip(
        learner.online.variables, learner.target.variables, strict=True
    ):
        np.testing.assert_array_equal(online, target)


def test_the_actor_does_not_care_which_item_was_replayed():
    """At the replayed action the gradient would depend on the item.

    The "mlp" critic can tell; the slope of the "dot" critic is the same everywhere.
    """
    moved = []
    for item in (1, 2):
        agent = agent_of(replace(SMALL, critic="mlp"))
        agent.learner.update_actor(batch_of(agent, item=np.full(8, item)))
        moved.append(
            [
                variable.numpy()
                for variable in agent.learner.online.actor.trainable_variables
            ]
        )
    assert all((a == b).all() for a, b in zip(*moved, strict=True))


@pytest.mark.parametrize("critic", ["dot", "mlp"])
def test_the_actor_climbs_its_critic(critic):
    agent = agent_of(replace(SMALL, critic=critic, saturation=0.0))
    losses = [float(agent.learner.update_actor(batch_of(agent))) for _ in range(40)]
    assert losses[-1] < losses[0] - 0.01


def test_the_actors_update_leaves_critic_and_state_alone():
    agent = agent_of()
    before = [variable.numpy() for variable in agent.learner.online.critic_variables]
    agent.learner.update_actor(batch_of(agent))
    after = [variable.numpy() for variable in agent.learner.online.critic_variables]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("state", ["drr-p", "drr-u", "drr-ave"])
def test_the_state_is_trained_with_the_critic_and_stored(state):
    agent = agent_of(replace(SMALL, state=state))
    weights = agent.learner.online.state.position_weights
    agent.learner.update_critics(batch_of(agent))
    assert (weights.numpy() != 1.0).all()
    twin = agent_of(replace(SMALL, state=state), seed=1)
    twin.restore(agent.state())
    np.testing.assert_array_equal(twin.learner.online.state.position_weights, weights)


def test_td_errors_are_errors_and_not_targets():
    agent = agent_of(replace(SMALL, twin=False, l2=0.0))
    batch, learner = batch_of(agent), agent.learner
    target = learner.targets(batch)
    view = learner.view(batch["user"], batch["history"])
    states, base = learner.online.states(*view), learner.online.base(*view)
    value = learner.online.values(states, base, learner.items(batch["item"]))[0]
    errors, loss, mean_q = learner.update_critics(batch)
    np.testing.assert_allclose(errors, np.abs(target - value), rtol=1e-5)
    assert float(loss) == pytest.approx(
        float(tf.reduce_mean((target - value) ** 2)), rel=1e-5
    )
    assert float(mean_q) == pytest.approx(float(tf.reduce_mean(value)), rel=1e-5)


def test_twins_that_err_in_opposite_directions_do_not_look_right():
    """Errors of 3 and -3 have size 3; their signed mean is 0."""
    agent = agent_of(replace(SMALL, l2=0.0))
    batch, learner = batch_of(agent), agent.learner
    learner.targets = lambda batch: tf.zeros(8)
    learner.online.values = lambda *given: tf.constant([[-3.0] * 8, [3.0] * 8])
    learner.critic_optimiser.descend = lambda tape, loss: None
    sizes, _, _ = learner.update_critics(batch)
    assert sizes.numpy().tolist() == [3.0] * 8


def test_priorities_are_the_rounds_td_errors(eagerly):
    agent, taken = agent_of(), []
    learn, update = agent.learner.learn, agent.memory.update
    agent.learner.learn = lambda batches: taken.append(learn(batches)) or taken[-1]
    agent.memory.update = lambda places, errors: (
        taken.append(errors) or update(places, errors)
    )
    agent.train(environment(), 8 * 4)
    np.testing.assert_array_equal(taken[0][0], taken[1])
    assert taken[1].shape == (4, 8)


def test_importance_weights_reach_the_critics_gradient():
    """Weights 1/4 and 0: an eighth of the gradient of the first transition alone."""
    agent = agent_of(replace(SMALL, l2=0.0))
    learner = agent.learner
    gradients = []
    learner.critic_optimiser.descend = lambda tape, loss: gradients.append(
        tape.gradient(loss, learner.online.critic_variables)
    )
    both = batch_of(agent, size=2, weight=np.array([0.25, 0.0], "f"))
    first = {name: part[:1] for name, part in both.items()}
    first["weight"] = np.ones(1, "f")
    learner.update_critics(both)
    learner.update_critics(first | {"candidates": both["candidates"]})
    for of_both, of_first in zip(*gradients, strict=True):
        np.testing.assert_allclose(8.0 * of_both, of_first, rtol=1e-4, atol=1e-6)


def test_beta_rises_while_it_trains(eagerly):
    priority = PriorityConfig(beta_start=0.4, beta_end=1.0)
    agent = agent_of(replace(SMALL, schedule_steps=80, priority=priority))
    sample = agent.memory.sample
    betas = []
    agent.memory.sample = lambda *args, beta: (
        betas.append(beta) or sample(*args, beta=beta)
    )
    agent.train(environment(), 8 * 12)
    # after 16, 24, .. of 80 steps, when 16 transitions are in the memory
    line = 0.4 + 0.6 * np.minimum(np.arange(2, 13) / 10, 1.0)
    np.testing.assert_allclose(betas, line[-len(betas) :])
    assert len(betas) > 8


@pytest.mark.parametrize("delay", [1, 2])
def test_the_targets_move_once_for_each_step_of_the_actor(delay, eagerly, monkeypatch):
    agent = agent_of(replace(SMALL, policy_delay=delay))
    learner = agent.learner
    order = []

    def noting(name, call):
        return lambda *args: order.append(name) or call(*args)

    learner.update_critics = noting("critics", learner.update_critics)
    learner.update_actor = noting("actor", learner.update_actor)
    monkeypatch.setattr("rlrec.agents.ddpg_networks.polyak", noting("targets", polyak))
    one = batch_of(agent)
    learner._learn({name: tf.stack([part] * 4) for name, part in one.items()})
    assert order == (["critics"] * delay + ["actor", "targets"]) * (4 // delay)


def test_an_empty_place_of_the_history_is_zeros_and_not_known():
    learner = agent_of(SMALL).learner
    _, items, known = learner.view(tf.constant([0]), tf.constant([[-1, -1, 3]]))
    assert known.numpy().tolist() == [[False, False, True]]
    assert not items.numpy()[0, :2].any()


def test_a_skipped_song_is_no_like():
    feedback = np.zeros((1, 3, 3))
    feedback[0, 1] = [0.1, 0.0, 1.0]
    seen = {"history": np.array([[3, 4, 5]]), "feedback": feedback}
    assert agent_of()._read(seen)[1].tolist() == [[3, -1, 5]]


def test_critics_propose_nothing_that_is_not_allowed():
    agent = agent_of(replace(SMALL, proposals=ITEMS))
    scores = np.full((1, ITEMS), -np.inf, np.float32)
    scores[0, 2] = 0.5
    found = agent.rerank(scores, np.array([0]), np.array([[-1, 3, 4]]))
    assert np.flatnonzero(np.isfinite(found[0])).tolist() == [2]


def test_proposals_are_judged_by_the_smaller_critic():
    """Two items, critics (1, 5) and (3, 2): the smaller values are 1 and 2."""
    learner = agent_of(replace(SMALL, proposals=2)).learner
    learner.online.values = lambda *given: tf.constant([[1.0, 5.0], [3.0, 2.0]])
    users = tf.zeros((1, WIDTH))
    found = learner._judge(users, tf.constant([[-1, 3, 4]]), tf.constant([[0, 1]]))
    assert found.numpy().tolist() == [[1.0, 2.0]]


def test_large_weights_of_the_critics_are_punished():
    """With l2 = .5 the loss is larger by half the sum of squared weights."""
    losses = []
    for l2 in (0.0, 0.5):
        learner = agent_of(replace(SMALL, l2=l2)).learner
        learner.critic_optimiser.descend = lambda tape, loss: None
        losses.append(float(learner.update_critics(batch_of(None))[1]))
    layers = [layer for critic in learner.online.critics for layer in critic.layers]
    squares = sum(np.square(layer.kernel.numpy()).sum() for layer in layers)
    assert losses[1] - losses[0] == pytest.approx(0.5 * squares, rel=1e-4)


def test_all_of_the_target_networks_move(eagerly):
    agent = agent_of(replace(SMALL, tau=0.5))
    learner = agent.learner
    for variable in learner.target.variables:
        variable.assign(tf.ones_like(variable))
    one = batch_of(agent)
    learner._learn({name: tf.stack([part] * 4) for name, part in one.items()})
    for variable in learner.target.actor.trainable_variables:
        assert not np.allclose(variable, 1.0)


def test_the_penalty_is_on_what_the_actor_says_before_tanh():
    """Saturation s adds s times the mean square of the actor's output to its loss."""
    losses = []
    for saturation in (0.0, 2.0):
        agent = agent_of(replace(SMALL, saturation=saturation))
        learner = agent.learner
        learner.actor_optimiser.descend = lambda tape, loss: None
        batch = batch_of(agent)
        losses.append(float(learner.update_actor(batch)))
    view = learner.view(batch["user"], batch["history"])
    pre_tanh = learner.online.action(*learner.online.encode(*view))[1].numpy()
    gained = 2.0 * np.mean(pre_tanh**2)
    assert gained > 0.0
    assert losses[1] - losses[0] == pytest.approx(gained, rel=1e-3)


@pytest.mark.parametrize("candidates", [0, 8])
def test_the_target_action_is_the_target_actors(candidates):
    """A NumPy twin of the targets; the online actor would choose otherwise."""
    config = replace(
        SMALL, residual="none", critic="dot", target_candidates=candidates, discount=0.5
    )
    agent = agent_of(config)
    learner = agent.learner
    rng = np.random.default_rng(3)
    for variable in [*learner.target.variables, *learner.online.variables]:
        variable.assign(rng.normal(0.0, 0.5, variable.shape))
    batch = batch_of(agent, terminated=np.array([0] * 6 + [1] * 2, "f"))
    view = learner.view(batch["user"], batch["next_history"])
    states = learner.target.states(*view).numpy()
    items = agent.item_vectors[batch["candidates"].numpy()]

    def targets(actor):
        actions = np.tanh(mlp_forward(mlp_layers(actor), states))
        actions /= np.linalg.norm(actions, axis=1, keepdims=True)
        if candidates:
            actions = items[(actions @ items.T).argmax(axis=1)]
        values = []
        for critic in learner.target.critics:
            parts = mlp_forward(mlp_layers(critic), states)
            values.append(parts[:, 0] + (parts[:, 1:] * actions).sum(axis=1))
        goes_on = 1.0 - batch["terminated"].numpy()
        found = batch["reward"].numpy() + 0.5 * goes_on * np.minimum(*values)
        return np.clip(found, *config.value_bounds)

    found = learner.targets(batch).numpy()
    np.testing.assert_allclose(found, targets(learner.target.actor), rtol=1e-4)
    assert np.abs(found - targets(learner.online.actor)).max() > 0.05


def test_terminated_drops_the_next_state_and_truncated_keeps_it():
    agent = agent_of()
    ended, going = (
        agent.learner.targets(batch_of(agent, terminated=np.full(8, flag, "f")))
        for flag in (1, 0)
    )
    np.testing.assert_array_equal(ended, batch_of(agent)["reward"])
    assert (ended.numpy() != going.numpy()).all()


def test_a_timeout_is_stored_as_going_on(eagerly):
    agent = agent_of(replace(SMALL, learning_starts=10**6))
    agent.train(environment(length=2), 8 * 9)
    assert len(agent.memory) == 8 * 6  # of every 3 steps one only begins an episode
    assert not agent.memory.data["terminated"][:48].any()
    listening = ListeningBatch(8, action="song", observe="ids", history=3)
    vectors = listening.catalogue.sound
    other = DDPG(
        vectors, None, replace(SMALL, learning_starts=10**6, capacity=5000), history=3
    )
    other.train(listening, 8 * 60)
    assert 15 < other.memory.data["terminated"][: len(other.memory)].sum() < 50


def test_the_smaller_of_two_critics_counts():
    agent = agent_of(replace(SMALL, discount=0.5))
    batch, learner = batch_of(agent, terminated=np.zeros(8, "f")), agent.learner
    for critic, height in zip(learner.target.critics, (0.8, 0.3), strict=True):
        for variable in critic.trainable_variables:
            variable.assign(tf.zeros_like(variable))
        critic.trainable_variables[-1].assign([height, *[0.0] * WIDTH])
    np.testing.assert_allclose(
        learner.targets(batch), batch["reward"] + 0.5 * 0.3, rtol=1e-6
    )


def test_targets_stay_within_what_rewards_can_give():
    agent = agent_of()
    for critic in agent.learner.target.critics:
        critic.trainable_variables[-1].assign([99.0, *[0.0] * WIDTH])
    np.testing.assert_array_equal(
        agent.learner.targets(batch_of(agent)), np.full(8, 10.0)
    )


def test_the_next_action_is_the_best_of_the_candidates():
    learner = agent_of().learner
    items = agent_of().item_vectors
    actions, candidates = tf.constant(items[:5] * 9), tf.constant([3, 8, 21])
    best = [max((3, 8, 21), key=lambda i, a=a: a @ items[i]) for a in items[:5]]
    np.testing.assert_array_equal(learner.retrieve(actions, candidates), items[best])


def test_recommendations_are_best_first_and_new():
    agent, env = agent_of(), environment()
    observation, _ = env.reset(seed=0)
    found = agent.recommend(observation, 5)
    scores = agent.scores(observation["user"][:, 0], observation["history"])
    for row in range(8):
        may = np.setdiff1d(np.arange(ITEMS), observation["history"][row])
        assert (
            found[row].tolist()
            == sorted(may, key=lambda i, row=row: -scores[row, i])[:5]
        )


def test_only_allowed_items_are_recommended_and_played():
    agent, env = agent_of(replace(SMALL, epsilon=0.5)), environment()
    observation, _ = env.reset(seed=0)
    allowed = np.zeros((8, ITEMS), bool)
    allowed[:, 7:12] = True
    assert set(agent.recommend(observation, 2, allowed).ravel()) <= set(range(7, 12))
    for _ in range(20):
        assert set(
            agent.explore(observation["user"][:, 0], observation["history"], allowed)
        ) <= set(range(7, 12))


def test_strangers_are_given_by_vector_or_count_as_zeros():
    agent = agent_of()
    history = np.array([[1, 2, 3]])
    known = agent.scores(np.array([4]), history)
    np.testing.assert_allclose(
        agent.scores(USER_VECTORS[4:5], history), known, rtol=1e-5
    )
    given = agent.recommend({"history": history, "user_vector": USER_VECTORS[4:5]}, 3)
    np.testing.assert_array_equal(
        given, agent.recommend({"history": history, "user": np.array([[4]])}, 3)
    )
    nobody = agent.scores(np.array([-1]), history)
    np.testing.assert_allclose(nobody, agent.scores(np.zeros((1, WIDTH)), history))
    assert (nobody != known).any()


# -- exploration -----------------------------------------------------------------------
def test_schedules_by_hand():
    agent = agent_of(
        replace(
            SMALL,
            epsilon=1.0,
            epsilon_floor=0.2,
            noise=0.6,
            noise_floor=0.1,
            schedule_steps=100,
        )
    )
    found = []
    for agent.step in (0, 50, 100, 1000):
        found.append((agent.epsilon, agent.noise))
    np.testing.assert_allclose(found, [(1, 0.6), (0.6, 0.35), (0.2, 0.1), (0.2, 0.1)])


def test_epsilon_share_and_clipped_noise():
    agent = agent_of(replace(SMALL, epsilon=0.3, noise=0.0))
    strangers, history = np.full(20_000, -1), np.tile([1, 2, 3], (20_000, 1))
    everything = np.ones((20_000, ITEMS), bool)
    best = agent.scores(strangers[:1], history[:1]).argmax()
    share = (agent.explore(strangers, history, everything) == best).mean()
    assert share == pytest.approx(0.7 + 0.3 / ITEMS, abs=0.01)
    quiet = agent_of(replace(SMALL, epsilon=0.0, noise=100.0, noise_clip=1e-6))
    assert (quiet.explore(strangers, history, everything) == best).all()


@pytest.mark.parametrize("critic", ["dot", "mlp"])
def test_the_critics_order_the_actors_proposals(critic):
    agent = agent_of(replace(SMALL, proposals=4, critic=critic))
    plain = agent_of(replace(SMALL, critic=critic))
    history, users = np.array([[1, 2, 3], [4, 5, 6]]), np.array([0, 1])
    observation = {"history": history, "user": users[:, None]}
    found, proposed = agent.recommend(observation, 6), plain.recommend(observation, 6)
    values = agent.learner.judge(
        agent.user_vectors[users], history.astype("i4"), found.astype("i4")
    ).numpy()
    assert (np.diff(values[:, :4], axis=1) <= 0).all()
    np.testing.assert_array_equal(np.sort(found[:, :4]), np.sort(proposed[:, :4]))
    np.testing.assert_array_equal(found[:, 4:], proposed[:, 4:])


# -- determinism, resuming -------------------------------------------------------------
def test_same_seed_bit_identical(eagerly):
    def weights(seed):
        agent = agent_of(seed=seed)
        agent.train(environment(), 8 * 6, seed=seed)
        return bits(agent)

    assert same(weights(3), weights(3))
    assert not same(weights(3), weights(4))


COMPILED = replace(SMALL, compiled=True)


def test_compiled_and_plain_learn_the_same(eagerly):
    plain = agent_of()
    plain.train(environment(), 8 * 4)
    tf.config.run_functions_eagerly(False)
    compiled = agent_of(COMPILED)
    compiled.train(environment(), 8 * 4)
    for name, values in bits(plain).items():
        np.testing.assert_allclose(bits(compiled)[name], values, atol=2e-4)


FINISH = """
import sys, numpy as np
sys.path.insert(0, {here!r})
from test_ddpg import COMPILED, agent_of, environment
from rlrec import storage
agent, env = agent_of(COMPILED, seed=77), environment()
agent.restore(dict(np.load({stored!r})), env)
agent.train(env, 8 * 4)
storage.write_arrays({finished!r}, **agent.state())
"""


def test_resumed_in_a_new_process_it_ends_bit_identical(tmp_path, request):
    agent, env = agent_of(COMPILED), environment()
    agent.train(env, 8 * 5)
    stored, finished = str(tmp_path / "stored.npz"), str(tmp_path / "finished.npz")
    storage.write_arrays(stored, **agent.state())
    agent.train(env, 8 * 4)
    code = FINISH.format(
        here=str(request.path.parent), stored=stored, finished=finished
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with np.load(finished) as other:
        expected = agent.state()
        assert set(other.files) == set(expected)
        assert [
            name for name in expected if not np.array_equal(expected[name], other[name])
        ] == []


def test_save_and_load(tmp_path, eagerly):
    agent = agent_of()
    agent.train(environment(), 8 * 5)
    agent.save(tmp_path)
    twin = DDPG.load(tmp_path)
    assert twin.config == agent.config
    assert same(bits(agent), bits(twin))
    history = np.array([[1, 2, 3]])
    np.testing.assert_allclose(
        twin.scores(np.array([4]), history),
        agent.scores(np.array([4]), history),
        rtol=1e-4,
    )
    (tmp_path / "agent.npz").write_bytes(b"PK half")
    with pytest.raises(DataError, match="train the run again"):
        DDPG.load(tmp_path)


def test_an_environment_that_was_not_stored_is_refused():
    agent = agent_of()
    with pytest.raises(ConfigError, match="no seeds"):
        agent.restore(agent.state(), ListeningBatch(8, action="song", observe="ids"))


def test_weights_of_other_settings_are_refused():
    with pytest.raises(ConfigError, match="other settings"):
        agent_of(replace(SMALL, hidden=(9,))).restore(agent_of().state())


# -- settings --------------------------------------------------------------------------
CHANGES = {
    "state": "drr-u",
    "residual": "user",
    "critic": "mlp",
    "hidden": (8, 8),
    "discount": 0.5,
    "reward_low": -0.004,
    "reward_high": 0.0045,
    "actor_rate": 1e-3,
    "critic_rate": 1e-2,
    "tau": 0.5,
    "target_candidates": 0,
    "twin": False,
    "policy_delay": 1,
    "gradient_norm": 1e-4,
    "l2": 0.1,
    "saturation": 1.0,
    "noise": 0.0,
    "noise_floor": 3.0,
    "noise_clip": 0.1,
    "epsilon": 0.1,
    "epsilon_floor": 1.0,
    "schedule_steps": 20,
    "replay": "uniform",
    "priority": PriorityConfig(alpha=0.1),
    "capacity": 20,
    "learning_starts": 25,
    "proposals": 5,
    "updates": 4,
    "batch_size": 4,
}


# Rewards of about .001, so that narrow bounds hold them and clip targets none the less.
NEARLY_EQUAL = replace(RATINGS, ratings=3 + (RATINGS.ratings - 3) / 1_000)
BASE = replace(SMALL, epsilon=0.5, tau=0.05, schedule_steps=60, updates=2)


@lru_cache
def weights_after(config):
    agent = agent_of(config)
    settings = {"history": 3, "length": 6, "liked_from": 3.0008}
    agent.train(RatingsBatch(8, NEARLY_EQUAL, **settings), 8 * 5)
    return bits(agent)


@pytest.mark.parametrize(
    "name", [field.name for field in fields(DDPGConfig) if field.name != "compiled"]
)
def test_each_hyperparameter_is_read(name, eagerly):
    plain, changed = (
        weights_after(BASE),
        weights_after(replace(BASE, **{name: CHANGES[name]})),
    )
    assert [v.shape for v in plain.values()] != [
        v.shape for v in changed.values()
    ] or not same(plain, changed)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DDPGConfig(discount=1.0), "discount is 1.0"),
        (lambda: DDPGConfig(state="drr-x"), "choose one of drr-n"),
        (lambda: DDPGConfig(updates=5), "multiple of policy_delay"),
        (lambda: DDPGConfig(reward_low=2.0), "reward_low must be below"),
        (lambda: DDPGConfig(actor_rate=float("nan")), "actor_rate is nan"),
        (lambda: DDPGConfig(capacity=np.inf), "capacity is inf"),
        (lambda: DDPG(np.zeros((3, 2)), np.zeros((3, 4))), "need"),
        (
            lambda: agent_of().scores(np.array([USERS]), np.zeros((1, 3), int)),
            "users holds 30, outside -1..29",
        ),
        (
            lambda: agent_of().recommend({"history": np.zeros((1, 4), int)}),
            "made for 3",
        ),
    ],
)
def test_bad_arguments(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_a_critic_that_runs_away_stops_the_run(eagerly):
    agent = agent_of()
    for critic in agent.learner.online.critics:
        critic.trainable_variables[-1].assign([500.0, *[0.0] * WIDTH])
    with pytest.raises(TrainingDiverged, match=r"mean Q is .* beyond \[-10, 10\]"):
        agent.train(environment(), 8 * 5)


def test_a_loss_that_is_no_number_stops_the_run(eagerly):
    agent = agent_of()
    agent.learner.online.critics[0].trainable_variables[0].assign(
        np.full(agent.learner.online.critics[0].trainable_variables[0].shape, np.nan)
    )
    with pytest.raises(TrainingDiverged, match="not a number"):
        agent.train(environment(), 8 * 5)


def test_a_callback_sees_each_round_and_may_stop(eagerly):
    seen = []
    record = agent_of().train(
        environment(),
        800,
        callback=lambda round_: seen.append(round_) or len(seen) == 4,
    )
    assert record == seen
    assert [round_.step for round_ in record] == [8, 16, 24, 32]
    assert np.isnan(record[0].critic_loss)
    assert np.isfinite(record[-1][:-1]).all()


# -- it learns -------------------------------------------------------------------------
LEARNING = replace(
    SMALL,
    compiled=True,
    hidden=(32,),
    updates=32,
    batch_size=32,
    learning_starts=200,
    capacity=5000,
    schedule_steps=3000,
    actor_rate=1e-3,
)


def mean_reward(choose, seed=1000):
    env = environment(64)
    observation, _ = env.reset(seed=seed)
    total = np.zeros(64)
    for _ in range(6):
        observation, rewards, *_ = env.step(choose(observation, env.allowed()))
        total += rewards
    return total.mean() / 6


@pytest.mark.parametrize("critic", ["dot", "mlp"])
def test_it_learns_what_users_like(critic):
    rng = np.random.default_rng(0)
    random = mean_reward(
        lambda _, allowed: (rng.random(allowed.shape) * allowed).argmax(axis=1)
    )
    agent = agent_of(replace(LEARNING, critic=critic))
    agent.train(environment(32), 5000)
    learned = mean_reward(
        lambda observation, allowed: agent.recommend(observation, 1, allowed)[:, 0]
    )
    assert learned > random + 0.3


@pytest.mark.parametrize(
    ("reward", "settings", "seen"),
    [
        ("listen_skip", {}, "-2.0"),
        ("listen_skip", {"reward_low": -2.0}, ""),
        (FractionReward(lam=10.0), {}, "1"),  # 10 for a like, and the fraction heard
        (FractionReward(lam=10.0), {"reward_high": 11.0}, ""),
        (BinaryReward(skip=np.nan), {}, "nan"),
        (BinaryReward(), {"reward_low": 0.0}, ""),
    ],
)
def test_a_reward_outside_its_declared_range_is_an_error(reward, settings, seen):
    """Targets were clipped in silence: 37.5% of them, with ten for a like."""
    env = ListeningBatch(32, action="song", observe="ids", reward=reward, history=3)
    config = replace(SMALL, learning_starts=10**6, **settings)
    agent = DDPG(env.catalogue.sound, None, config, history=3)
    if not seen:
        agent.train(env, 32 * 25)
        return
    words = f"a reward of {seen}.* lies outside"
    with pytest.raises(ConfigError, match=words) as found:
        agent.train(env, 32 * 25)
    assert "set reward_low and reward_high" in str(found.value)
    stored = agent.memory.data["reward"][: len(agent.memory)]
    assert ((stored >= config.reward_low) & (stored <= config.reward_high)).all()


def test_rewards_of_steps_that_begin_an_episode_are_not_compared():
    """They are 0, which lies outside [1, 2] here."""
    env = ListeningBatch(
        8, action="song", observe="ids", reward=BinaryReward(2.0, 1.0), history=3
    )
    config = replace(SMALL, learning_starts=10**6, reward_low=1.0, reward_high=2.0)
    DDPG(env.catalogue.sound, None, config, history=3).train(env, 8 * 25)


def test_it_learns_from_skips_and_recommends_three_songs():
    env = ListeningBatch(
        32, action="song", observe="ids", reward="listen_skip", history=3
    )
    config = replace(LEARNING, reward_low=-2.0)
    agent = DDPG(env.catalogue.sound, None, config, history=3)
    record = agent.train(env, 32 * 40)
    assert np.isfinite(record[-1].critic_loss)
    songs = agent.recommend(env._observe(), 3)
    assert songs.shape == (32, 3)
    assert all(len(set(row)) == 3 for row in songs.tolist())
