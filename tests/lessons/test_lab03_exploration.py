"""Lesson 03: schedules, regret and policy loss by hand, the widget, the picture."""

import lab03_exploration as lab_module
import numpy as np
import pytest
from lab03_exploration import epsilon_schedule, gaps, rows_right
from lesson_checks import assert_nothing_is_cut_off

from rlrec.agents import QLearningConfig, TrainingLog, value_iteration
from rlrec.envs import PROFILES
from rlrec.errors import ConfigError


def log_of(actions, learned):
    steps = len(actions)
    return TrainingLog(
        np.zeros((steps, 1)),
        np.transpose([actions]),
        np.zeros(steps),
        np.transpose([learned]),
    )


def test_schedule_by_hand():
    schedule = epsilon_schedule(1.0, 0.99, 0.05, 400)
    assert schedule[100] == pytest.approx(0.99**100)
    assert schedule[298] > 0.05
    assert (schedule[299:] == 0.05).all()
    assert epsilon_schedule(0.2, 1.0, 0.05, 3).tolist() == [0.2, 0.2, 0.2]


@pytest.mark.parametrize(
    ("setting", "step"),
    [
        ((1.0, 0.99, 0.05), 299),
        ((1.0, 0.9995, 0.05), 5990),
        ((1.0, 0.5, 0.25), 2),  # exactly on the floor
        ((0.05, 0.9, 0.05), 0),
        ((1.0, 0.99, 0.0), None),
        ((1.0, 1.0, 0.05), None),
    ],
)
def test_first_step_at_the_floor(setting, step):
    assert lab_module.steps_to_floor(*setting) == step
    if step:
        schedule = epsilon_schedule(*setting, step + 1)
        assert schedule[step] == setting[2] < schedule[step - 1]


def test_the_library_follows_the_schedule():
    config = QLearningConfig(epsilon=0.8, epsilon_decay=0.97, epsilon_floor=0.1)
    _, log = lab_module.train("pop_lover", config, steps=100, runs=2)
    np.testing.assert_allclose(
        log.epsilon, epsilon_schedule(0.8, 0.97, 0.1, 100), rtol=1e-12
    )


def test_regret_by_hand():
    log = log_of([0, 1, 4, 0], [True, True, False, True])  # the third: a reset
    regret = lab_module.cumulative_regret(log, gaps("pop_lover"))
    np.testing.assert_allclose(regret[:, 0], [0.0, 8.9, 8.9, 8.9])


def test_gaps_are_refused_where_they_depend_on_the_state():
    np.testing.assert_allclose(gaps("headliner"), [1.45, 2.35, 2.85, 3.05, 0.0])
    with pytest.raises(ConfigError, match="variety_seeker's reward depends"):
        gaps("variety_seeker")


def test_rows_right_and_policy_loss_by_hand():
    model = PROFILES["pop_lover"].model()
    best = value_iteration(model)
    stuck = np.zeros((5, 5))
    stuck[:, 4] = 1.0  # hip-hop for ever: -.5 a song
    tables = np.array([best, stuck])
    assert rows_right(tables, model).tolist() == [[True] * 5, [False] * 5]
    # 8.9 / (1 - .9) against -.5 / (1 - .9)
    np.testing.assert_allclose(
        lab_module.policy_loss(tables, model), [0.0, 94.0], atol=1e-6
    )


def test_every_genre_is_right_for_a_coin():
    model = PROFILES["generic"].model()
    tables = np.random.default_rng(0).normal(size=(20, 5, 5))
    assert rows_right(tables, model).all()
    np.testing.assert_allclose(lab_module.policy_loss(tables, model), 0.0, atol=1e-9)


def test_band_by_hand():
    mean, low, high = lab_module.mean_band([[1.0, 2.0, 3.0]])  # sd 1, n 3
    np.testing.assert_allclose(
        [mean[0], low[0], high[0]], [2.0, 2 - 1.96 / 3**0.5, 2 + 1.96 / 3**0.5]
    )


def test_a_hasty_schedule_locks_in_and_patience_and_optimism_do_not():
    model = PROFILES["pop_lover"].model()

    def right(**settings):
        config = QLearningConfig(**settings)
        agent, _ = lab_module.train("pop_lover", config, steps=6_000, runs=60)
        return rows_right(agent.table, model).all(axis=1).sum()

    assert 20 <= right(epsilon_decay=0.99) <= 48
    assert right(epsilon_decay=0.999) >= 54
    assert right(epsilon_decay=0.99, initial_value=100.0) >= 50


def test_extremes_of_the_widget_are_its_reference_lines():
    never = lab_module.explore(0.0, 1.0, 0.0, "pop_lover")
    always = lab_module.explore(1.0, 1.0, 0.0, "pop_lover")
    np.testing.assert_array_equal(never.regret, never.never)
    assert always.regret[-1].mean() == pytest.approx(always.always[-1], rel=0.03)


@pytest.fixture
def lab():
    return lab_module.exploration_lab()


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("epsilon", {"value": 0.0}),
        ("decay", {"value": 0.95}),
        ("floor", {"value": 0.5}),
        ("user", {"index": 1}),
    ],
)
def test_a_control_changes_text_and_picture(lab, name, state):
    before = lab.line.value, lab.picture.value
    lab.controls[name].set_state(state)
    assert lab.line.value != before[0]
    assert lab.picture.value != before[1]


def test_text_says_what_the_result_holds(lab):
    assert "reached at step 299" in lab.line.value
    result = lab.set(decay=1.0)
    assert "is never reached" in lab.line.value
    assert f"regret <b>{result.regret[-1].mean():.0f}</b>" in lab.line.value
    result = lab.set(user="generic")
    assert result.regret.max() == 0.0
    assert "regret <b>0</b>" in lab.line.value
    assert "policy loss 0.0" in lab.line.value


def test_nothing_is_cut_off(lab):
    for user in ("pop_lover", "headliner", "calm_worker", "generic"):
        result = lab.set(user=user)
        assert_nothing_is_cut_off(lab_module.draw_exploration, result, lab.figsize)


def test_evenings_show_every_strategy():
    for name, config in lab_module.STRATEGIES.items():
        songs, rewards = lab_module.thirty_evenings(config)
        assert songs.shape == rewards.shape == (30, 20)
        last = np.bincount(songs[-1], minlength=5)
        assert (last[0] >= 17) == (name == "explores less and less")
