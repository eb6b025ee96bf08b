"""Lesson 03: regret and right rows by hand, the widget, the picture."""

import lab03_exploration as lab_module
import numpy as np
import pytest
from lab03_exploration import rows_right
from lesson_checks import assert_nothing_is_cut_off, words_of
from matplotlib.figure import Figure

from rlrec.agents import QLearningConfig, value_iteration
from rlrec.envs import PROFILES


def test_regret_by_hand():
    songs = lab_module.explore(1.0, 0.99, 0.05, "pop_lover")
    config = QLearningConfig(epsilon_decay=0.99)
    _, log = lab_module.train("pop_lover", config, steps=400, runs=50)
    gaps = np.array([0.0, 8.9, 10.1, 10.5, 9.4])
    for run in (0, 7):
        total = 0.0
        for step in range(400):
            if log.learned[step, run]:
                total += gaps[log.actions[step, run]]
            assert songs.regret[step, run] == pytest.approx(total)
    np.testing.assert_allclose(songs.epsilon[[100, 299]], [0.99**100, 0.05])


def test_rows_right_by_hand():
    model = PROFILES["pop_lover"].model()
    best = value_iteration(model)
    stuck = np.zeros((5, 5))
    stuck[:, 4] = 1.0  # hip-hop for ever: -.5 a song
    tables = np.array([best, stuck])
    assert rows_right(tables, model).tolist() == [[True] * 5, [False] * 5]


def test_every_genre_is_right_for_a_coin():
    model = PROFILES["generic"].model()
    tables = np.random.default_rng(0).normal(size=(20, 5, 5))
    assert rows_right(tables, model).all()


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
    np.testing.assert_allclose(never.regret.mean(axis=1), never.never)
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
    assert "epsilon ends at 0.05" in lab.line.value
    result = lab.set(decay=1.0)
    assert "epsilon ends at 1.00" in lab.line.value
    assert f"regret <b>{result.regret[-1].mean():.0f}</b>" in lab.line.value
    result = lab.set(user="generic")
    assert result.regret.max() == 0.0
    assert "regret <b>0</b>" in lab.line.value
    figure = Figure()
    lab_module.draw_exploration(figure, result)
    assert "no choice can be regretted" in words_of(figure)[0]


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
