"""Lesson 10: probabilities, logs, the ranking of policies, widget and pictures.

The truth of its first world is tested in test_off_policy.
"""

import lab10_any_good as lab10
import numpy as np
import pandas as pd
import pytest
from lesson_checks import words
from matplotlib.figure import Figure

from rlrec.envs import default_catalogue


def test_the_shops_chances_by_hand():
    order = np.argsort(-default_catalogue().appeal, kind="stable")
    ranks = [900, 5, 1500, 0, 800, 7, 1999, 1200, 1000, 1100]
    offered = order[ranks][None]  # most popular: places 3, 1 and 5
    found = lab10.shop_probabilities(offered, floor=0.3)[0]
    np.testing.assert_allclose(found[[3, 1, 5]], 0.7 / 3 + 0.03)
    np.testing.assert_allclose(np.delete(found, [3, 1, 5]), 0.03)
    shop = lab10.shop_probabilities(offered)
    np.testing.assert_allclose(lab10.new_probabilities(offered, 0.0), shop)


def test_the_new_policy_likes_what_the_regulars_like():
    offered = np.random.default_rng(0).integers(2000, size=(500, 10))
    best = offered[np.arange(500), lab10.new_probabilities(offered).argmax(axis=1)]
    assert lab10.worth()[best].mean() > lab10.worth()[offered].mean() + 0.1
    np.testing.assert_allclose(np.linalg.norm(lab10.regulars(), axis=1), 1.0)


def test_logs_are_played_with_the_chances_they_state():
    found = lab10.first_songs(20_000, 0.3, 0).logged
    # on average the number of songs that can be played
    assert (1.0 / found.propensities).mean() == pytest.approx(10, abs=0.2)
    evenings = lab10.evenings(0)
    propensities = evenings.log.propensities[evenings.log.alive]
    assert (1.0 / propensities).mean() == pytest.approx(10, abs=0.3)
    other = lab10.evenings(1)
    assert (other.places != evenings.places).any()
    np.testing.assert_array_equal(lab10.evenings(1).log.rewards, other.log.rewards)


def test_chances_of_a_policy_are_its_choices():
    found = lab10.evenings(0, sessions=50)
    seen = found.seen[3]
    for name, policy in lab10.policies().items():
        table = lab10.probabilities_of(policy, found)
        np.testing.assert_allclose(table.sum(axis=2), 1.0)
        if name != "random":
            played = seen["candidates"] == policy.recommend(seen, 1)
            assert (table[:, 3][played] > 0).all()


def test_the_lessons_claims_hold_with_other_logs():
    for seed in (900, 901):
        found = lab10.evenings(seed)
        evening = lab10.evening_features(found)
        features = {"song": evening[..., : lab10.SONG], "evening": evening}
        estimates = pd.DataFrame()
        for name, policy in lab10.policies().items():
            of_policy = lab10.judge_from_log(found, policy, features)
            estimates[name] = pd.Series(of_policy)
        best = estimates.idxmax(axis=1)
        assert best["hits in the log"] == "popularity"
        assert best["song"] == "greedy"
        assert best["evening"] == "greedy + variety"
        assert estimates.loc["evening"].idxmin() == "more of the same"


def test_rank_correlations_and_songs_lost_by_hand():
    names = ("a", "b", "c")
    offline = {"m": np.array([[1.0, 2.0, 9.0], [3.0, 2.0, 1.0]])}
    found = lab10.Ranking(names, np.array([1.0, 2.0, 3.0]), np.zeros(3), offline)
    np.testing.assert_allclose(lab10.rank_correlations(found)["m"], [1.0, -1.0])
    np.testing.assert_allclose(lab10.songs_lost(found)["m"], [0.0, 2.0])


def test_each_control_moves_the_picture_and_the_line():
    lab = lab10.estimator_lab()
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
    lab = lab10.estimator_lab()
    assert lab.result.why == ""
    assert "refused: the target gives" in (lab.set(floor=0.0) and lab.line.value)
    assert lab.result.said["IPS"].value < lab.result.truth - 0.1
    alike = lab.set(mix=0.0, floor=0.0)
    assert alike.why == ""
    assert alike.said["SNIPS"].value == pytest.approx(alike.naive.value)


def test_pictures_can_be_drawn():
    figure = Figure()
    lab10.draw_two_songs(figure)
    for ax, mean in zip(figure.axes, ("mean 0.36", "mean 0.84"), strict=True):
        assert ax.texts[0].get_text() == mean
    figure = Figure(layout="constrained")
    names = tuple(lab10.policies())
    rows = np.arange(12.0).reshape(2, 6)
    offline = {"hits in the log": rows, "other": rows}
    lab10.draw_ranks(figure, lab10.Ranking(names, np.arange(6.0), np.zeros(6), offline))
    assert words(figure.legends[0].get_texts()) == list(names)
