"""Lesson 10's lab: chances, logs, the ranking of policies, the widget, the pictures. Its truth: see test_off_policy."""

import lab10_any_good as lab10
import numpy as np
import pytest
from matplotlib.figure import Figure

from rlrec.envs import default_catalogue


def test_the_shops_chances_by_hand():
    order = np.argsort(-default_catalogue().appeal, kind="stable")
    offered = order[[900, 5, 1500, 0, 800, 7, 1999, 1200, 1000, 1100]][
        None
    ]  # most popular: places 3, 1 and 5
    found = lab10.shop_chances(offered, floor=0.3)[0]
    np.testing.assert_allclose(found[[3, 1, 5]], 0.7 / 3 + 0.03)
    np.testing.assert_allclose(np.delete(found, [3, 1, 5]), 0.03)
    np.testing.assert_allclose(
        lab10.new_chances(offered, 0.0), lab10.shop_chances(offered)
    )


def test_the_new_policy_likes_what_the_regulars_like():
    offered = np.random.default_rng(0).integers(2000, size=(500, 10))
    best = offered[np.arange(500), lab10.new_chances(offered).argmax(axis=1)]
    assert lab10.worth()[best].mean() > lab10.worth()[offered].mean() + 0.1
    np.testing.assert_allclose(np.linalg.norm(lab10.regulars(), axis=1), 1.0)


def test_logs_are_played_with_the_chances_they_state():
    found = lab10.first_songs(20_000, 0.3, 0).logged
    seen = (
        1.0 / found.propensities
    ).mean()  # on average the number of songs that can be played
    assert seen == pytest.approx(10, abs=0.2)
    evenings = lab10.evenings(0)
    assert (
        1.0 / evenings.log.propensities[evenings.log.alive]
    ).mean() == pytest.approx(10, abs=0.3)
    other = lab10.evenings(1)
    assert (other.places != evenings.places).any()
    np.testing.assert_array_equal(lab10.evenings(1).log.rewards, other.log.rewards)


def test_chances_of_a_policy_are_its_choices():
    found = lab10.evenings(0, sessions=50)
    for name, policy in lab10.policies().items():
        table = lab10.chances_of(policy, found)
        np.testing.assert_allclose(table.sum(axis=2), 1.0)
        played = policy.recommend(found.seen[3], 1)[:, 0] if name != "random" else None
        if played is not None:
            assert (
                table[np.arange(50), 3][found.seen[3]["candidates"] == played[:, None]]
                > 0
            ).all()


def test_the_lessons_claims_hold_with_other_logs():
    names = tuple(lab10.policies())
    said = []
    for seed in (900, 901):
        found = lab10.evenings(seed)
        evening = lab10.evening_features(found)
        features = {"song": evening[..., : lab10.SONG], "evening": evening}
        rows = [
            lab10.judge(found, policy, features) for policy in lab10.policies().values()
        ]
        said.append(
            {
                method: dict(zip(names, (row[method] for row in rows), strict=True))
                for method in rows[0]
            }
        )
    for one in said:
        hits, song, evening = one["hits in the log"], one["song"], one["evening"]
        assert max(hits, key=lambda name: hits[name]) == "popularity"
        assert max(song, key=lambda name: song[name]) == "greedy"
        assert max(evening, key=lambda name: evening[name]) == "greedy + variety"
        assert min(evening, key=lambda name: evening[name]) == "more of the same"


def test_rank_correlations_and_songs_lost_by_hand():
    found = lab10.Ranking(
        ("a", "b", "c"),
        np.array([1.0, 2.0, 3.0]),
        np.zeros(3),
        {"m": np.array([[1.0, 2.0, 9.0], [3.0, 2.0, 1.0]])},
    )
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
    assert {text.get_text() for ax in figure.axes for text in ax.texts} == {
        "mean 0.36",
        "mean 0.84",
    }
    figure = Figure(layout="constrained")
    names = tuple(lab10.policies())
    rows = np.arange(12.0).reshape(2, 6)
    lab10.draw_ranks(
        figure,
        lab10.Ranking(
            names, np.arange(6.0), np.zeros(6), {"hits in the log": rows, "other": rows}
        ),
    )
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(names)
