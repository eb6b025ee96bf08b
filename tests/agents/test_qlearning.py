"""Q-learning: numbers by hand, a plain-loop twin, the optimum, determinism."""

from dataclasses import fields, replace

import numpy as np
import pytest

from rlrec.agents import QLearning, QLearningConfig, TablePolicy, value_iteration
from rlrec.envs import PROFILES, GenreBatch
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation import mean_interval, simulate

POP, ROCK = 0, 1


def rock_listener(**settings):
    agent = QLearning(5, 5, QLearningConfig(**settings))
    agent.table[0, ROCK, POP], agent.table[0, POP, POP] = 1.0, 0.2
    return agent


def test_one_update_by_hand():
    agent = rock_listener(learning_rate=0.1, discount=0.9)
    update = agent.update(ROCK, POP, 10.0, POP)
    assert update == pytest.approx((1.0, 10.18, 9.18, 1.918))
    assert agent.table[0, ROCK, POP] == pytest.approx(1.918)
    assert (agent.table != 0).sum() == 2  # nothing else moved


def test_a_terminal_step_has_no_future():
    assert rock_listener().update(
        ROCK, POP, 10.0, POP, terminated=True
    ) == pytest.approx((1.0, 10.0, 9.0, 1.9))


def test_runs_update_independently():
    agent = QLearning(2, 2, n_runs=3)
    update = agent.update([0, 1, 0], [1, 1, 0], [1.0, 2.0, 3.0], [1, 0, 1])
    np.testing.assert_allclose(update.new_value, [0.1, 0.2, 0.3])
    np.testing.assert_allclose(
        agent.table[[0, 1, 2], [0, 1, 0], [1, 1, 0]], [0.1, 0.2, 0.3]
    )
    assert np.count_nonzero(agent.table) == 3


def test_decaying_learning_rate_by_hand():
    agent = QLearning(
        1, 1, QLearningConfig(learning_rate=1.0, learning_rate_decay=1.0, discount=0.0)
    )
    for reward in (4.0, 8.0, 6.0):
        agent.update(0, 0, reward, 0)
    assert agent.table[0, 0, 0] == pytest.approx(6.0)  # 1/n makes it the mean


class PlainTwin:
    """The same training, one run, one step, one number at a time."""

    @staticmethod
    def train(env, steps, seed, config, rng):
        table = np.zeros((5, 5))
        epsilon = config.epsilon
        state = int(env.reset(seed=seed)[0][0])
        ended = False
        for _ in range(steps):
            best = [a for a in range(5) if table[state, a] == table[state].max()]
            action = best[0]
            if len(best) > 1:
                lottery = rng.random((1, 5), np.float32)[0]
                action = max(best, key=lambda a: lottery[a])
            if rng.random(1)[0] < epsilon:
                action = int(rng.integers(5, size=1)[0])
            else:
                rng.integers(5, size=0)
            observation, reward, terminated, truncated, _ = env.step(np.array([action]))
            next_state = int(observation[0])
            if not ended:
                future = 0.0 if terminated[0] else table[next_state].max()
                target = reward[0] + config.discount * future
                table[state, action] += config.learning_rate * (
                    target - table[state, action]
                )
            epsilon = max(config.epsilon_floor, epsilon * config.epsilon_decay)
            state = next_state
            ended = bool(terminated[0] or truncated[0])
        return table


@pytest.mark.parametrize("user", ["pop_lover", "rock_fan", "variety_seeker"])
def test_training_equals_a_plain_loop(user):
    config = QLearningConfig(epsilon_decay=0.99)
    agent = QLearning(5, 5, config, rng=np.random.default_rng(3))
    agent.train(GenreBatch(1, user=user), 1500, seed=5)
    twin = PlainTwin.train(
        GenreBatch(1, user=user), 1500, 5, config, np.random.default_rng(3)
    )
    np.testing.assert_allclose(agent.table[0], twin, rtol=1e-12)


def test_epsilon_schedule_by_hand():
    agent = QLearning(5, 5, QLearningConfig(epsilon_decay=0.99))
    epsilon = agent.train(GenreBatch(1), 400).epsilon
    assert epsilon[0] == 1.0
    assert epsilon[100] == pytest.approx(0.366, abs=5e-4)
    assert (
        epsilon > 0.05
    ).sum() == 299  # steps 0 to 298; the floor is reached at step 299
    assert epsilon[299] == 0.05


def test_epsilon_greedy_probabilities():
    agent = QLearning(1, 5, QLearningConfig(epsilon=0.2), n_runs=100_000)
    agent.table[:, 0, 3] = 1.0
    share = np.bincount(agent.act(np.zeros(100_000, int)), minlength=5) / 100_000
    np.testing.assert_allclose(share, [0.04, 0.04, 0.04, 0.84, 0.04], atol=0.005)


def test_ties_are_broken_evenly():
    agent = QLearning(1, 5, n_runs=100_000)
    agent.table[:, 0, :2] = -1.0
    share = np.bincount(agent.greedy(np.zeros(100_000, int)), minlength=5) / 100_000
    np.testing.assert_allclose(share, [0, 0, 1 / 3, 1 / 3, 1 / 3], atol=0.006)


def test_the_step_after_an_end_is_not_learned_from():
    agent = QLearning(5, 5, rng=np.random.default_rng(0))
    log = agent.train(GenreBatch(1, session_length=1), 10)
    assert log.learned[:, 0].tolist() == [True, False] * 5
    assert agent.visits.sum() == 5


def test_a_time_limit_keeps_the_future_a_departure_does_not():
    """Sessions of one song: a time limit lets values exceed one reward, leaving not."""
    from rlrec.envs import GenreProfile

    certain = GenreProfile("certain", np.ones(5))
    config = QLearningConfig(learning_rate=0.5, epsilon=1.0, epsilon_floor=1.0)
    cut = QLearning(5, 5, config)
    cut.train(GenreBatch(1, user=certain, session_length=1), 4000)
    assert cut.table.min() > 9.0
    leaver = GenreProfile("leaver", np.zeros(5), leave_probability=np.ones(5))
    ended = QLearning(5, 5, config)
    ended.train(GenreBatch(1, user=leaver), 4000)
    np.testing.assert_allclose(ended.table, -1.0, atol=1e-3)


def test_pop_lover_finds_the_optimal_policy_in_95_of_100_seeds():
    optimal = value_iteration(PROFILES["pop_lover"].model())
    agent = QLearning(5, 5, n_runs=100, rng=np.random.default_rng(0))
    agent.train(GenreBatch(100, user="pop_lover"), 10_000, seed=0)
    found = (agent.table.argmax(axis=2) == optimal.argmax(axis=1)).all(axis=1)
    assert found.sum() >= 95


def test_pop_lover_values_within_two_percent_with_a_decaying_learning_rate():
    optimal = value_iteration(PROFILES["pop_lover"].model())
    config = QLearningConfig(
        learning_rate=1.0, learning_rate_decay=0.7, epsilon_floor=0.3
    )
    agent = QLearning(5, 5, config, n_runs=100, rng=np.random.default_rng(0))
    agent.train(GenreBatch(100, user="pop_lover"), 50_000, seed=0)
    assert np.abs(agent.table / optimal - 1).max() < 0.02


def test_generic_user_learned_against_random_holds_zero():
    from rlrec.agents import RandomPolicy

    env = GenreBatch(200, user="generic")
    differences = []
    for seed in range(20):
        agent = QLearning(5, 5, rng=np.random.default_rng(seed))
        agent.train(GenreBatch(1, user="generic"), 3000, seed=seed)
        learned = simulate(env, agent, seed=10_000 * (seed + 1))
        random = simulate(
            env,
            RandomPolicy(5, np.random.default_rng(seed)),
            seed=10_000 * (seed + 1) + 5000,
        )
        differences.append((learned - random).mean())
    interval = mean_interval(differences)
    assert interval.low < 0 < interval.high


def test_generic_user_with_the_same_random_draws_shows_no_difference():
    env = GenreBatch(200, user="generic")
    always_jazz = TablePolicy(np.tile(np.eye(5)[2], (5, 1)))
    rising = TablePolicy(np.roll(np.eye(5), 1, axis=1))
    np.testing.assert_array_equal(
        simulate(env, always_jazz, seed=0), simulate(env, rising, seed=0)
    )


def test_recommend_is_best_first():
    agent = QLearning(2, 4)
    agent.table[0] = [[0, 3, 1, 2], [5, 5, 0, 9]]
    assert agent.recommend([0, 1], k=3).tolist() == [[1, 3, 2], [3, 0, 1]]
    assert agent.recommend(0).tolist() == [[1]]


def test_same_seed_same_table():
    def table(seed):
        agent = QLearning(5, 5, n_runs=7, rng=np.random.default_rng(seed))
        agent.train(GenreBatch(7, user="pop_lover"), 300, seed=seed)
        return agent.table

    np.testing.assert_array_equal(table(1), table(1))
    assert (table(1) != table(2)).any()


def test_training_goes_on_bit_identically_after_load(tmp_path):
    agent = QLearning(
        5, 5, QLearningConfig(discount=0.5), n_runs=3, rng=np.random.default_rng(9)
    )
    agent.train(GenreBatch(3), 100)
    agent.save(tmp_path)
    twin = QLearning.load(tmp_path)
    assert twin.config == agent.config
    for one in (agent, twin):
        one.train(GenreBatch(3), 100, seed=1)
    np.testing.assert_array_equal(agent.table, twin.table)
    np.testing.assert_array_equal(agent.visits, twin.visits)


def test_load_says_what_is_broken(tmp_path):
    with pytest.raises(DataError, match="is this the folder of a run"):
        QLearning.load(tmp_path)
    QLearning(5, 5).save(tmp_path)
    (tmp_path / "table.npz").write_bytes(b"PK\x03\x04 half")
    with pytest.raises(DataError, match="train the run again"):
        QLearning.load(tmp_path)


CHANGES = {
    "learning_rate": 0.3,
    "learning_rate_decay": 0.5,
    "discount": 0.5,
    "epsilon": 0.5,
    "epsilon_decay": 0.9,
    "epsilon_floor": 0.4,
    "initial_value": 2.0,
}


@pytest.mark.parametrize("name", [field.name for field in fields(QLearningConfig)])
def test_each_hyperparameter_is_read(name):
    def table(config):
        agent = QLearning(5, 5, config, rng=np.random.default_rng(0))
        agent.train(GenreBatch(1, user="pop_lover"), 200)
        return agent.table

    base = QLearningConfig(epsilon_decay=0.95)
    assert (table(base) != table(replace(base, **{name: CHANGES[name]}))).any()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: QLearningConfig(learning_rate=0.0), "learning_rate is 0.0"),
        (lambda: QLearningConfig(discount=1.0), "discount is 1.0"),
        (lambda: QLearningConfig(epsilon=1.5), "epsilon is 1.5"),
        (lambda: QLearning(0, 5), "0 states"),
        (lambda: QLearning(5, 5).update(7, 0, 1.0, 0), "state holds 7, outside"),
        (lambda: QLearning(5, 5).update(0, -1, 1.0, 0), "action holds -1, outside"),
        (lambda: QLearning(5, 5).recommend(0, k=6), "k is 6"),
        (lambda: QLearning(5, 5).recommend(5), "state holds 5, outside"),
        (lambda: QLearning(5, 5).recommend([1.7]), "need whole numbers"),
        (
            lambda: QLearning(5, 5, n_runs=2).train(GenreBatch(3), 1),
            "3 rows and the agent 2 runs",
        ),
    ],
)
def test_bad_arguments(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_the_optimum_beats_greedy_where_a_flop_ends_the_session():
    model, env = PROFILES["flighty"].model(), GenreBatch(2000, user="flighty")
    gain = simulate(env, TablePolicy.oracle(model), seed=0) - simulate(
        env, TablePolicy.greedy(model), seed=0
    )
    assert mean_interval(gain).low > 15
