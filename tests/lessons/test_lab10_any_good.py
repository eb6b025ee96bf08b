"""Lesson 10: probabilities, logs, the ranking of policies, widget and pictures.

The truth of its first world is tested in test_off_policy.
"""

import lab10_any_good as lab10
import numpy as np
import pandas as pd
import pytest
from lesson_checks import defined
from matplotlib.figure import Figure

from rlrec.envs import default_catalogue

LESSON = defined("10", "SONGS =", "def evenings", "def judge_from_log", "def view")


def test_the_shops_probabilities_by_hand():
    order = np.argsort(-default_catalogue().appeal, kind="stable")
    ranks = [900, 5, 1500, 0, 800, 7, 1999, 1200, 1000, 1100]
    offered = order[ranks][None]  # most popular: places 3, 1 and 5
    found = LESSON["shop_probabilities"](offered, floor=0.3)[0]
    np.testing.assert_allclose(found[[3, 1, 5]], 0.7 / 3 + 0.03)
    np.testing.assert_allclose(np.delete(found, [3, 1, 5]), 0.03)
    shop = LESSON["shop_probabilities"](offered)
    np.testing.assert_allclose(LESSON["new_probabilities"](offered, 0.0), shop)


def test_the_new_policy_likes_what_the_regulars_like():
    offered = np.random.default_rng(0).integers(2000, size=(500, 10))
    best = offered[np.arange(500), LESSON["new_probabilities"](offered).argmax(axis=1)]
    worth = LESSON["worth"]()
    assert worth[best].mean() > worth[offered].mean() + 0.1
    np.testing.assert_allclose(np.linalg.norm(LESSON["regulars"](), axis=1), 1.0)


def test_logs_are_played_with_the_probabilities_they_state():
    _, found = LESSON["first_songs"](20_000, 0.3, 0)
    # on average the number of songs that can be played
    assert (1.0 / found.propensities).mean() == pytest.approx(10, abs=0.2)
    _, places, log = LESSON["evenings"](0)
    assert (1.0 / log.propensities[log.alive]).mean() == pytest.approx(10, abs=0.3)
    _, others, other = LESSON["evenings"](1)
    assert (others != places).any()
    np.testing.assert_array_equal(LESSON["evenings"](1)[2].rewards, other.rewards)


def test_probabilities_of_a_policy_are_its_choices():
    seen, _, _ = LESSON["evenings"](0, sessions=50)
    for name, policy in LESSON["policies"]().items():
        table = LESSON["probabilities_of"](policy, seen)
        np.testing.assert_allclose(table.sum(axis=2), 1.0)
        if name != "random":
            played = seen[3]["candidates"] == policy.recommend(seen[3], 1)
            assert (table[:, 3][played] > 0).all()


def test_the_lessons_claims_hold_with_other_logs():
    for seed in (900, 901):
        seen, places, log = LESSON["evenings"](seed)
        evening = lab10.evening_features(seen)
        features = {"song": evening[..., :3], "evening": evening}
        estimates = pd.DataFrame()
        for name, policy in LESSON["policies"]().items():
            of_policy = LESSON["judge_from_log"](seen, places, log, policy, features)
            estimates[name] = pd.Series(of_policy)
        best = estimates.idxmax(axis=1)
        assert best["hits in the log"] == "popularity"
        assert best["song"] == "greedy"
        assert best["evening"] == "greedy + variety"
        assert estimates.loc["evening"].idxmin() == "more of the same"


def test_each_control_moves_the_picture_and_the_line():
    lab = lab10.estimator_lab(LESSON["view"])
    start = lab.values
    for change in (
        {"mix": 1.0},
        {"plays": 300},
        {"floor": 0.05},
        {"model": "popularity and sound"},
        {"log": 7},
    ):
        lab.set(**start)
        text, picture = lab.line.value, lab.picture.value
        lab.set(**change)
        assert lab.line.value != text, change
        assert lab.picture.value != picture, change


def test_the_widget_says_what_it_refuses():
    lab = lab10.estimator_lab(LESSON["view"])
    assert lab.result.why == ""
    assert "refused: the target gives" in (lab.set(floor=0.0) and lab.line.value)
    assert lab.result.said["IPS"].value < lab.result.truth - 0.1
    alike = lab.set(mix=0.0, floor=0.0)
    assert alike.why == ""
    assert alike.said["SNIPS"].value == pytest.approx(alike.said["naive"].value)


def test_pictures_can_be_drawn():
    figure = Figure()
    lab10.draw_two_songs(figure)
    for ax, mean in zip(figure.axes, ("mean 0.36", "mean 0.84"), strict=True):
        assert ax.texts[0].get_text() == mean
