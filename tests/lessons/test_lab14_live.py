"""Lesson 14: the shop and its log, the monitor, a log's weights, the pictures."""

import lab14_live as lab14
import numpy as np
import pytest
from lesson_checks import assert_no_tensorflow, defined
from matplotlib.figure import Figure

from rlrec.envs import ListeningBatch
from rlrec.evaluation import simulate
from rlrec.logs.live import StatedPolicy, serve

CELLS = ("catalogue = ", "def alarm_probabilities(", "def first_songs(")
LESSON = defined("14", *CELLS)
alarm_probabilities = LESSON["alarm_probabilities"]

# -- the shop


def test_a_seed_gives_one_log_and_another_seed_other_listeners():
    one = LESSON["shop_log"](0, 50)
    same = LESSON["shop_log"](0, 50)
    other = LESSON["shop_log"](1, 50)
    np.testing.assert_array_equal(one.tracks, same.tracks)
    assert len(one) != len(other) or (one.tracks != other.tracks).any()
    assert np.isfinite(one.propensity).all()
    assert one.propensity.min() >= 0.2 / 20 - 1e-6


@pytest.mark.parametrize(("side", "sign"), [(0, 1), (180, -1)])
def test_the_crowd_leans_and_a_policy_that_knows_the_lean_profits_from_it(side, sign):
    crowd = LESSON["MENU"] | LESSON["TASTE"] | {"taste_towards": side}
    to_the_loud_end = LESSON["catalogue"].sound[:, 0]
    found = []
    for score in (sign * to_the_loud_end, -sign * to_the_loud_end):
        env = ListeningBatch(600, observe="ids", **crowd)
        found.append(simulate(env, StatedPolicy(score), seed=5_000_000).mean())
    assert found[0] > found[1] + 3


# -- what the monitor can see


def test_probabilities_beside_many_rounds_of_normal_numbers():
    found = alarm_probabilities(1.5, 64, 0.01, 10)
    rng = np.random.default_rng(0)
    error = LESSON["SESSION_SD"] * np.sqrt(2 / 64)
    difference = rng.normal(-1.5, error, (20_000, 10))
    alarm = (difference < found["threshold"]).any(axis=1)
    assert alarm.mean() == pytest.approx(found["worse"][-1], abs=0.01)
    assert found["as good"][-1] == pytest.approx(1 - 0.99**10)


def test_no_loss_is_the_false_alarm_and_more_sessions_see_more():
    nothing = alarm_probabilities(0.0, 256, 0.01, 5)
    np.testing.assert_allclose(nothing["worse"], nothing["as good"])
    many = alarm_probabilities(1.0, 1024, 0.01, 5)
    few = alarm_probabilities(1.0, 64, 0.01, 5)
    assert many["worse"][0] > few["worse"][0]


def test_every_control_changes_the_widget():
    lab = lab14.monitor_lab(alarm_probabilities)
    first = lab.line.value
    assert "alarm below -1.24; in one round" in first
    for values in ({"loss": 3.0}, {"sessions": 16}, {"level": 0.05}, {"rounds": 60}):
        lab.set(**values)
        assert lab.line.value != first
        first = lab.line.value


def test_the_spread_of_sessions_is_what_the_widget_takes():
    env = LESSON["world"](0)(2000)
    returns = serve(env, LESSON["shop"], seed=9, rng=np.random.default_rng(0))
    assert returns.std() == pytest.approx(LESSON["SESSION_SD"], abs=0.2)


# -- first songs


def test_weighing_the_log_finds_what_trying_finds_and_other_ways_do_not():
    pushed, shy = LESSON["pushed"], LESSON["shy"]
    assert pushed.sum() == pytest.approx(1.0)
    assert shy.sum() == pytest.approx(1.0)
    weighted = []
    unweighted = []
    heard = []
    for songs, was_heard in LESSON["first"]:
        weighted.append(((shy / pushed)[songs] * was_heard).mean())
        unweighted.append((shy[songs] * was_heard).sum() / shy[songs].sum())
        heard.append(was_heard.mean())
    truth = LESSON["truth"]
    assert np.mean(weighted) == pytest.approx(truth, abs=0.02)
    assert np.mean(unweighted) > truth + 0.07
    tried_out = LESSON["first_songs"](pushed, 200_000, 5)[1].mean()
    assert tried_out == pytest.approx(np.mean(heard), abs=0.02)


# -- pictures


@pytest.mark.parametrize("name", lab14.FIGURES)
def test_figures_draw(name):
    draw, size = lab14.FIGURES[name]
    figure = Figure(figsize=size)
    draw(figure)
    assert figure.axes


def test_importing_the_lab_does_not_import_tensorflow():
    assert_no_tensorflow("import lab14_live")
