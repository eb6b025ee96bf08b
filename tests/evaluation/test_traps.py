"""Published mistakes, planted on purpose: a figure computed by hand must notice each.

``TRAPS``: what is planted, the figure that must notice it, its value in our code, and
its value (or the error) with the bug. ``LEAKS``: training on what an evaluation holds
out, in vectors, popularity and state module; all of them are refused.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from ratings_samples import RATINGS, made

from rlrec.agents import ddpg, ppo, retrieval
from rlrec.agents import ddpg_networks as actor_critic
from rlrec.agents.ddpg import DDPG, DDPGConfig
from rlrec.agents.ddpg_networks import DDPGLearner, Networks
from rlrec.agents.ddpg_states import STATES, State, make_state
from rlrec.agents.dqn import DQN, DQNConfig
from rlrec.agents.ppo import PPO, PPOConfig
from rlrec.agents.ppo_networks import gae
from rlrec.agents.qlearning import QLearning, QLearningConfig
from rlrec.agents.replay import PrioritisedReplay, PriorityConfig
from rlrec.collaborative import drr
from rlrec.collaborative import recommenders as collaborative
from rlrec.collaborative.drr import DRR
from rlrec.collaborative.drr_config import DRR_SETTINGS, DRRConfig
from rlrec.collaborative.drr_vectors import make_vectors
from rlrec.collaborative.recommenders import PopularityByCount
from rlrec.datasets import Ratings
from rlrec.datasets.matrices import rating_matrix, subset
from rlrec.envs import (
    BinaryReward,
    GenreBatch,
    ListeningBatch,
    RatingsBatch,
    default_catalogue,
)
from rlrec.envs.batch import BatchEnv
from rlrec.errors import ConfigError
from rlrec.evaluation import check_no_leak, metrics, protocols, rerank, split_rerank
from rlrec.nn.backend import tf

Patch = pytest.MonkeyPatch
SMALL = DDPGConfig(
    hidden=(8,),
    updates=1,
    policy_delay=1,
    batch_size=8,
    learning_starts=10**6,
    capacity=100,
    schedule_steps=100,
    compiled=False,
    target_candidates=0,
    critic_rate=0.01,
)
# Stars of this world are normal around 3: rewards lie beyond [-1, 1].
BEYOND_FIVE_STARS = {"reward_low": -5.0, "reward_high": 5.0}
SPLIT = split_rerank(RATINGS)


@pytest.fixture(autouse=True)
def eagerly():
    """Without the compiler, which takes seconds for each small learner."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


# -- lists: order, divisor, ideal ------------------------------------------------------
def judged(k: int, *stars: list[int]) -> protocols.Result:
    """Users rate the listed items 0, 1, ... with ``stars``; four users know item 9."""
    rows = [
        (user, item, star)
        for user, row in enumerate(stars)
        for item, star in enumerate(row)
    ]
    train = made(range(4), [9] * 4, [3] * 4, n_users=4, n_items=10)
    split = protocols.Split(
        "hand",
        train,
        train,
        made(*zip(*rows, strict=True), 4, 10),
        np.arange(len(stars)),
    )
    return rerank(
        split, lambda users, known: -np.ones((len(users), 1)) * np.arange(10), k
    )


def listed_by_popularity() -> Any:
    """Items 0, 1, 2 are liked by three, two users and one."""
    model = PopularityByCount().fit(
        made([0, 0, 0, 1, 1, 2], [0, 1, 2, 0, 1, 0], [5] * 6, n_items=4)
    )
    return model.recommend(rating_matrix(made([0], [3], [1], n_items=4)), 3)[0]


def listed_by_the_actor() -> Any:
    """The action (.6, .8) has the products .6, .8 and 1 with the three items."""
    return hand_agent().recommend({"history": np.full((1, 2), -1)}, 3)[0]


def worst_first(module: Any, name: str) -> Callable[[Patch], None]:
    """The right items in the wrong order, as the public code lists them."""
    right = getattr(module, name)
    return lambda patch: patch.setattr(
        module, name, lambda *arguments: right(*arguments)[:, ::-1]
    )


def over_the_places_filled(patch: Patch) -> None:
    def means(self: Any, ks: Any) -> dict[str, float]:
        filled = (self.recommended >= 0).sum(axis=1)
        return {
            f"P@{k}": float(
                (self.hits[:, :k].sum(axis=1) / np.minimum(filled, k)).mean()
            )
            for k in ks
        }

    patch.setattr(protocols.Result, "means", means)


def over_all_users(patch: Patch) -> None:
    """The sum over the users evaluated, divided by the users there are."""
    right = metrics.precision_at_k
    patch.setattr(
        metrics, "precision_at_k", lambda hits, k: right(hits, k) * len(hits) / 4
    )


def ideal_of_the_hits(patch: Patch) -> None:
    right = metrics.ndcg_at_k
    patch.setattr(
        metrics,
        "ndcg_at_k",
        lambda hits, relevant, k=None: right(hits, hits.sum(axis=1), k),
    )


# -- state module ----------------------------------------------------------------------
def history_average() -> Any:
    """Five items with entries of 1, width 50: their average has entries of 1."""
    state = make_state("drr-ave", 50, 5)
    return state(tf.ones((1, 50)), tf.ones((1, 5, 50)), tf.ones((1, 5), tf.bool))[0, -1]


def over_the_width(patch: Patch) -> None:
    def average(state: State, users: Any, items: Any, present: Any) -> Any:
        mean = tf.reduce_sum(state.weighted(items), axis=1) / state.dimensions
        return tf.concat([users, users * mean, mean], axis=1)

    patch.setitem(STATES, "drr-ave", average)


def state_weights(name: str) -> Any:
    """How far one update moves position weights: Adam's first step is its rate, .01."""
    agent = DDPG(
        random_vectors(20), random_vectors(8), replace(SMALL, state=name), history=2
    )
    agent.learner.update_critics(transitions())
    return np.abs(agent.learner.online.state.position_weights.numpy() - 1.0)


def stored_state_weights() -> Any:
    """Weights of .5, after the agent was stored and read into another."""
    one, other = (hand_agent(state="drr-ave", seed=seed) for seed in (0, 1))
    one.learner.online.state.position_weights.assign([0.5, 0.5])
    other.restore(one.state())
    return other.learner.online.state.position_weights.numpy()


def never_trained(patch: Patch) -> None:
    patch.setattr(State, "variables", property(lambda self: []))


# -- actor and critics -----------------------------------------------------------------
TABLE = np.array(
    [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.8, -0.6]]
)  # item vectors of length 1
OWN, GOAL = np.array([0.6, 0.8]), np.array([1.0, 0.0])


def random_vectors(n: int) -> Any:
    return np.random.default_rng(n).normal(size=(n, 3))


def transitions(**parts: Any) -> dict[str, Any]:
    """Eight users with two items heard and one played, reward 1, terminated."""
    history = tf.reshape(tf.range(16), (8, 2))
    ids = {
        "user": tf.range(8),
        "history": history,
        "item": tf.range(8),
        "next_history": history + 1,
    }
    return (
        ids | {name: tf.ones(8) for name in ("reward", "terminated", "weight")} | parts
    )


def strangers(**parts: Any) -> dict[str, Any]:
    """Eight transitions of nobody in particular, who has heard nothing."""
    nothing = tf.fill((8, 2), -1)
    return transitions(
        user=tf.fill((8,), -1), history=nothing, next_history=nothing, **parts
    )


def hand_agent(value: float = 0.0, seed: int = 0, **changes: Any) -> DDPG:
    """An actor that always says (.6, .8), and one critic that always says ``value``."""
    agent = DDPG(
        TABLE,
        None,
        replace(SMALL, **{"twin": False, "saturation": 0.0} | changes),
        seed,
        history=2,
    )
    for net in (agent.learner.online, agent.learner.target):
        for network, last in (
            (net.actor, np.arctanh(OWN)),
            (net.critics[0], np.array([value, 0.0, 0.0])),
        ):
            network.layers[-1].kernel.assign(tf.zeros_like(network.layers[-1].kernel))
            network.layers[-1].bias.assign(last)
    return agent


def priorities() -> Any:
    """Reward 1, terminated, Q = 3: error -2, priority 2.001; from the target 1.001."""
    agent = hand_agent(
        3.0, reward_high=5.0, priority=PriorityConfig(alpha=1.0, smallest=0.001)
    )
    parts = {name: np.zeros((8, 2)) for name in ("history", "next_history")}
    parts |= {name: np.zeros(8) for name in ("user", "item")} | {
        name: np.ones(8) for name in ("reward", "terminated")
    }
    agent.memory.add(**parts)
    agent._learn()
    assert isinstance(agent.memory, PrioritisedReplay)
    return agent.memory.tree.get(np.arange(8))


def from_the_target(patch: Patch) -> None:
    right = DDPGLearner.update_critics

    def wrong(self: DDPGLearner, batch: Any) -> Any:
        target = self.targets(batch)
        return (target, *right(self, batch)[1:])

    patch.setattr(DDPGLearner, "update_critics", wrong)


def actors_slope() -> Any:
    """Slope of Q = -|a - g|^2 / 2 at the actor's last bias b.

    a = t / |t|, t = tanh(b) = (.6, .8), g = (1, 0). dQ/da = g - a = (.4, -.8); less its
    part along a: (.64, -.48); times 1 - t^2: (.4096, -.1728). At the replayed item
    (.8, -.6) dQ/da is (.2, .6), and the same steps give (-.1024, .0432): the opposite
    direction.
    """
    agent, taken = hand_agent(), []
    net, optimiser = agent.learner.online, agent.learner.actor_optimiser
    net.value = lambda which, states, base, actions: (
        -0.5 * tf.reduce_sum((actions - GOAL) ** 2, axis=1)
    )  # type: ignore
    optimiser.descend = lambda tape, loss: taken.append(
        tape.gradient(loss, net.actor.layers[-1].bias)
    )  # type: ignore
    agent.learner.update_actor(strangers(item=tf.fill((8,), 3)))
    return -taken[0].numpy()


def at_the_replayed_action(patch: Patch) -> None:
    right = DDPGLearner.update_actor

    def wrong(self: DDPGLearner, batch: Any) -> Any:
        def loss(critic: Any, actor: Any, states: Any) -> Any:
            played = self.items(batch["item"])
            with tf.GradientTape() as tape:
                tape.watch(played)
                worth = tf.reduce_mean(critic(states, played))
            return -tf.reduce_sum(tape.gradient(worth, played) * actor(states))

        patch.setattr(actor_critic, "policy_loss", loss)
        return right(self, batch)

    patch.setattr(DDPGLearner, "update_actor", wrong)


# -- episodes: ends, advantages --------------------------------------------------------
def timeouts_of_ddpg() -> Any:
    """The share of stored transitions that count as terminated, episodes cut at two."""
    config = replace(SMALL, **BEYOND_FIVE_STARS)
    agent = DDPG(random_vectors(RATINGS.n_items), None, config, history=3)
    agent.train(RatingsBatch(8, RATINGS, history=3, length=2), 8 * 6)
    return agent.memory.data["terminated"][: len(agent.memory)].mean()


def timeouts_of_dqn() -> Any:
    """Evenings of one song."""
    agent = DQN(np.eye(5), 5, config=DQNConfig(learning_starts=10**6))
    agent.train(GenreBatch(8, session_length=1), 8 * 4)
    assert agent.memory is not None
    return agent.memory.data["terminated"][: len(agent.memory)].mean()


def timeouts_of_qlearning() -> Any:
    """New value less reward: .5 x 1 if the world goes on (all values 1)."""
    settings = QLearningConfig(learning_rate=1.0, discount=0.5, initial_value=1.0)
    agent, env = QLearning(5, 5, settings, n_runs=3), GenreBatch(3, session_length=1)
    start, _ = env.reset(seed=0)
    log = agent.train(env, 1)
    return agent.table[np.arange(3), start, log.actions[0]] - log.rewards[0]


class Interrupted(ListeningBatch):
    """Sessions that a time limit of two songs cuts off."""

    def _advance(self, actions: Any) -> Any:
        reward, terminated, _ = super()._advance(actions)
        return reward, np.zeros_like(terminated), self.steps + 1 >= 2


def advantages(kind: type[ListeningBatch], value: float, gae_lambda: float) -> Any:
    """Advantages [4, 2] of songs worth 1, discount .5, if all values are ``value``."""
    settings = PPOConfig(
        rollout=4, minibatch=8, hidden=(4,), keys=2, discount=0.5, gae_lambda=gae_lambda
    )
    agent = PPO(default_catalogue().sound, settings)
    for variable in agent.learner.value.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    agent.learner.value.layers[-1].bias.assign([value])
    agent._refresh()
    agent._env = env = kind(2, observe="ids", history=20, reward=BinaryReward(1.0, 1.0))
    agent._observation = env.reset(seed=0)[0]
    return agent._play(env)[0]["advantage"].reshape(4, 2)


def ended_is_terminal(patch: Patch) -> None:
    patch.setattr(
        ppo,
        "gae",
        lambda r, v, v2, terminated, ended, *settings: gae(
            r, v, v2, ended, ended, *settings
        ),
    )


def limits_are_terminal(patch: Patch) -> None:
    right = BatchEnv.step

    def wrong(self: Any, actions: Any) -> Any:
        observation, reward, terminated, truncated, info = right(self, actions)
        return observation, reward, terminated | truncated, truncated, info

    patch.setattr(BatchEnv, "step", wrong)


def lambda_is_ignored(patch: Patch) -> None:
    patch.setattr(ppo, "gae", lambda *given: gae(*given[:-1], 1.0))


# -- shapes ----------------------------------------------------------------------------
def critic_target() -> Any:
    """Reward 1, discount .9, Q' = 2: 1 + .9 x 2, one number for each of eight."""
    agent = hand_agent(2.0)
    return agent.learner.targets(strangers(terminated=tf.zeros(8)))


def dqn_error() -> Any:
    """Reward 10, discount .9, Q = Q' = 0."""
    settings = DQNConfig(hidden=(), features="product", optimiser="sgd", discount=0.9)
    agent = DQN(np.eye(5), 5, config=settings)
    agent.set_table(np.zeros((5, 5), np.float32))
    return agent.update([1, 2], [0, 0], [10.0, 10.0], [0, 0], [False, False])


def as_column(owner: type, name: str) -> Callable[[Patch], None]:
    """``[B]`` as ``[B, 1]``, which broadcasts with ``[B]`` to ``[B, B]`` unnoticed."""
    right = getattr(owner, name)
    return lambda patch: patch.setattr(
        owner, name, lambda *given: right(*given)[..., None]
    )


def reward_as_column(patch: Patch) -> None:
    right = BatchEnv.step

    def wrong(self: Any, actions: Any) -> Any:
        observation, reward, *rest = right(self, actions)
        return observation, reward[:, None], *rest

    patch.setattr(BatchEnv, "step", wrong)


# -- embeddings ------------------------------------------------------------------------
def made_drr(data: Ratings) -> DRR:
    settings = replace(
        DRR_SETTINGS,
        hidden=(8,),
        updates=2,
        batch_size=8,
        learning_starts=20,
        compiled=False,
        **BEYOND_FIVE_STARS,
    )
    return DRR.make(
        data, DRRConfig(dimensions=30, warm_updates=3, vectors="cocount"), settings, 0
    )


def vouched_for() -> Any:
    """Whether the leak check passed an agent that was given training ratings alone."""
    return rerank(SPLIT, made_drr(SPLIT.train), 3).leak_checked


def from_the_future(patch: Patch) -> None:
    patch.setattr(
        drr,
        "make_vectors",
        lambda kind, train, size, seed: make_vectors(kind, RATINGS, size, seed),
    )


class Trap(NamedTuple):
    """``figure`` is ``right`` without the bug, ``wrong`` or raising after ``plant``."""

    plant: Callable[[Patch], None]
    figure: Callable[[], Any]
    right: Any
    wrong: Any


LAMBDA = (
    [1.328125, 1.3125, 1.25, 1.0],
    [1.875, 1.75, 1.5, 1.0],
)  # sums of .25^i, and of .5^i
TRAPS = {
    "worst first: protocols": Trap(
        worst_first(protocols, "_pick"),
        lambda: judged(3, [5, 1, 1]).means([3])["NDCG@3"],
        1.0,
        0.5,
    ),
    "worst first: baselines": Trap(
        worst_first(collaborative, "best_first"),
        listed_by_popularity,
        [0, 1, 2],
        [2, 1, 0],
    ),
    "worst first: retrieval": Trap(
        worst_first(retrieval, "best_k"),
        lambda: retrieval.top_k(OWN[None], TABLE, 3)[0],
        [2, 1, 0],
        [0, 1, 2],
    ),
    "worst first: DDPG": Trap(
        worst_first(ddpg, "best_k"), listed_by_the_actor, [2, 1, 0], [0, 1, 2]
    ),
    "wrong divisor: places filled": Trap(
        over_the_places_filled, lambda: judged(5, [5, 1]).means([5])["P@5"], 0.2, 0.5
    ),
    "wrong divisor: all users": Trap(
        over_all_users, lambda: judged(2, [5, 1], [1, 5]).means([2])["P@2"], 0.5, 0.25
    ),
    "wrong divisor: width of the state": Trap(
        over_the_width, history_average, 1.0, 0.1
    ),
    "ideal over the hits": Trap(
        ideal_of_the_hits,
        lambda: judged(3, [5, 1, 5, 5, 1]).means([3])["NDCG@3"],
        0.7039,
        0.9197,
    ),
    "embeddings from the future": Trap(
        from_the_future, vouched_for, True, "leak: fitted on"
    ),
    "state never trained: drr-p": Trap(
        never_trained, lambda: state_weights("drr-p"), [0.01] * 2, [0.0] * 2
    ),
    "state never trained: drr-u": Trap(
        never_trained, lambda: state_weights("drr-u"), [0.01] * 2, [0.0] * 2
    ),
    "state never trained: drr-ave": Trap(
        never_trained, lambda: state_weights("drr-ave"), [0.01] * 2, [0.0] * 2
    ),
    "state never stored": Trap(
        never_trained, stored_state_weights, [0.5] * 2, [1.0] * 2
    ),
    "priorities from the target": Trap(
        from_the_target, priorities, [2.001] * 8, [1.001] * 8
    ),
    "slope at the replayed action": Trap(
        at_the_replayed_action, actors_slope, [0.4096, -0.1728], [-0.1024, 0.0432]
    ),
    "timeout as terminal: DDPG": Trap(limits_are_terminal, timeouts_of_ddpg, 0.0, 0.5),
    "timeout as terminal: DQN": Trap(limits_are_terminal, timeouts_of_dqn, 0.0, 1.0),
    "timeout as terminal: Q-learning": Trap(
        limits_are_terminal, timeouts_of_qlearning, [0.5] * 3, [0.0] * 3
    ),
    "timeout as terminal: PPO": Trap(
        ended_is_terminal,
        lambda: advantages(Interrupted, 1.0, 0.0)[:2, 0],
        [0.5, 0.5],
        [0.5, 0.0],
    ),
    "lambda ignored": Trap(
        lambda_is_ignored, lambda: advantages(ListeningBatch, 0.0, 0.5)[:, 0], *LAMBDA
    ),
    "[B, 1]: critic": Trap(
        as_column(Networks, "value"), critic_target, [2.8] * 8, "must agree"
    ),
    "[B, 1]: DQN": Trap(as_column(DQN, "_q"), dqn_error, [10.0] * 2, "must agree"),
    "[B, 1]: PPO": Trap(
        as_column(PPO, "values"),
        lambda: advantages(ListeningBatch, 0.0, 0.5)[:, 0],
        LAMBDA[0],
        "must agree",
    ),
    "[B, 1]: rewards": Trap(
        reward_as_column, timeouts_of_ddpg, 0.0, "do not belong to the same"
    ),
}


@pytest.mark.parametrize("name", TRAPS)
def test_our_code_gives_the_number_by_hand(name):
    np.testing.assert_allclose(
        TRAPS[name].figure(), TRAPS[name].right, rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("name", TRAPS)
def test_the_planted_bug_is_noticed(name, monkeypatch):
    plant, figure, right, wrong = TRAPS[name]
    plant(monkeypatch)
    if isinstance(wrong, str):
        with pytest.raises(ConfigError, match=wrong):
            figure()
    else:
        np.testing.assert_allclose(figure(), wrong, rtol=1e-3, atol=1e-4)
        assert np.abs(np.subtract(wrong, right)).max() >= 0.01


# -- leaks -----------------------------------------------------------------------------
def with_vectors_of(data: Ratings) -> DRR:
    """Vectors put in after the agent was made."""
    agent = made_drr(SPLIT.train)
    agent.vectors = made_drr(data).vectors
    return agent


def started_on(data: Ratings) -> DRR:
    """The state module learns in the supervised start."""
    agent = made_drr(SPLIT.train)
    agent.warm_start(data, 0)
    return agent


def played_on(data: Ratings) -> DRR:
    """The state module learns in episodes."""
    agent = made_drr(SPLIT.train)
    agent.agent.train(agent.environment(data, 4), 32)
    return agent


LEAKS: dict[str, Callable[[Ratings], Any]] = {
    "embeddings": made_drr,
    "embeddings, put in later": with_vectors_of,
    "popularity": lambda data: PopularityByCount().fit(data),
    "state module, supervised start": started_on,
    "state module, episodes": played_on,
}


def one_too_many() -> Ratings:
    """The training ratings and one that is held out, a liked one."""
    mask = np.isin(
        RATINGS.timestamps, SPLIT.train.timestamps
    )  # in this world no two ratings have the same time
    mask[np.flatnonzero(~mask & (RATINGS.ratings >= 4))[0]] = True
    return subset(RATINGS, mask)


@pytest.mark.parametrize("name", LEAKS)
def test_one_rating_that_is_held_out_is_a_leak(name, tmp_path):
    assert check_no_leak(LEAKS[name](SPLIT.train), SPLIT)
    leaking = LEAKS[name](one_too_many())
    with pytest.raises(
        ConfigError, match="1 interactions outside of training, 1 of them held out"
    ):
        rerank(SPLIT, leaking, 3)
    if isinstance(leaking, DRR):  # and is not forgotten on the way through a file
        leaking.save(tmp_path)
        with pytest.raises(ConfigError, match="leak"):
            check_no_leak(DRR.load(tmp_path), SPLIT)


@pytest.mark.parametrize("learn", [started_on, played_on])
def test_what_leaks_into_a_state_module_is_in_its_weights(learn):
    honest, leaking = (
        learn(data).agent.learner.online.state.position_weights.numpy()
        for data in (SPLIT.train, RATINGS)
    )
    assert (honest != 1.0).all()
    assert (honest != leaking).all()
