"""Lesson 12: the truth against simulated plays, worlds, errors, widget, pictures."""

import lab12_listen_worth as lab12
import numpy as np
import pytest
from first_plays import first_play_value, outcome_means, random_tastes
from lesson_checks import assert_no_tensorflow
from matplotlib.figure import Figure

from rlrec.envs import default_catalogue
from rlrec.envs.rewards import BinaryReward, FractionReward, ListenSkipReward
from rlrec.sound.propagation import ClusterPropagation

PILAR = lab12.PILAR


# -- the truth


def test_means_of_the_three_outcomes_by_hand():
    np.testing.assert_allclose(outcome_means(BinaryReward()), [0, 1, 1])
    early = 0.815  # share of skips within the first tenth
    skip = -2 * early - (1 - early)
    found = outcome_means(ListenSkipReward())
    np.testing.assert_allclose(found, [skip, 1, 1], atol=1e-3)
    skip, heard, liked = outcome_means(FractionReward(10.0))
    assert skip == pytest.approx(early * 0.05 + (1 - early) * 0.3, abs=1e-3)
    assert heard == pytest.approx(0.283 * 0.75 + 0.717, abs=1e-3)
    assert liked == pytest.approx(heard + 10)


def listener_world(seed, reward):
    return lab12.listener_world(PILAR, seed, reward)


@pytest.mark.parametrize(
    "reward",
    [BinaryReward(), ListenSkipReward(), FractionReward(1.0), FractionReward(10.0)],
)
@pytest.mark.parametrize("make", [listener_world, lab12.crowd_world])
def test_truth_is_the_mean_of_many_plays(make, reward):
    world = make(3, reward)
    fifths = np.array_split(np.argsort(world.truth), 5)
    for part in (np.arange(len(world.truth)), *fifths):
        plays = world.paid[part]
        error = plays.std() / np.sqrt(plays.size)
        truth = world.truth[part].mean()
        assert plays.mean() == pytest.approx(truth, abs=4 * error)


def test_truth_rises_along_the_listeners_taste():
    catalogue = default_catalogue()
    truth = first_play_value(PILAR[None])[0]
    pull = 1.5 * catalogue.sound @ PILAR + 0.28 * catalogue.appeal
    assert lab12.rank_correlation(truth, pull) > 0.999


# -- worlds and errors


def test_labels_grow_and_average():
    world = lab12.listener_world(PILAR, 0)
    few = world.labels(0.01, 1)
    many = world.labels(0.1, 30)
    assert len(few.songs) == 20
    assert set(few.songs) < set(many.songs)
    np.testing.assert_array_equal(few.rewards, world.paid[few.songs, 0])
    np.testing.assert_allclose(many.rewards, world.paid[many.songs].mean(axis=1))
    assert (many.plays == 30).all()


def test_errors_by_hand():
    guess = np.array([1.0, 2.0, 3.0])
    assert lab12.rmse(guess, np.ones(3)) == pytest.approx(np.sqrt(5 / 3))
    other = np.array([0.1, 5.0, 9.0])
    assert lab12.rank_correlation(guess, other) == pytest.approx(1)
    assert lab12.rank_correlation(np.ones(3), guess) == 0.0


def test_remembered_clusters_change_nothing():
    labels = lab12.listener_world(PILAR, 0).labels(0.05, 5)
    scheme = ClusterPropagation(decay="gaussian", rate=0.8, shrink=3.0)
    ours = lab12.estimate(scheme, "sound", labels)
    anew = scheme.estimate(lab12.song_map("sound"), *labels)
    np.testing.assert_array_equal(ours, anew)


def test_key_and_mode_rule_the_principal_components_of_all_features():
    features = default_catalogue().features
    places = lab12.song_map("PCA of 11")
    for column, axis in ((4, 0), (2, 1)):
        tied = np.corrcoef(features[:, column], places[:, axis])[0, 1]
        assert abs(tied) > 0.95
    with pytest.raises(ValueError, match="two axes, sound"):
        lab12.song_map("nowhere")


def test_the_lessons_claims_hold_with_other_listeners():
    tastes = random_tastes(5, 50)
    worlds = list(map(lab12.listener_world, tastes, range(50, 55)))
    noisy = lab12.grow(worlds, "sound", plays=1, shares=(0.1, 1.0))
    for growth in noisy.values():  # single plays kept: more feedback, more error
        assert (growth.rmse[:, 1] > growth.rmse[:, 0] + 0.1).all()
    assert noisy["clusters"].rmse[:, 0].mean() > noisy["mean"].rmse[:, 0].mean()
    clean = lab12.grow(worlds, "sound", plays=30, shares=(0.1,))
    order = sorted(clean, key=lambda name: clean[name].rmse.mean())
    assert order == ["ridge", "neighbours", "clusters", "mean"]
    crowd = lab12.grow([lab12.crowd_world(77)], "sound", plays=30, shares=(0.1,))
    assert crowd["mean"].rmse[0, 0] < crowd["clusters"].rmse[0, 0]


def test_picks_leave_out_what_was_heard_and_the_oracle_is_best():
    picks = lab12.value_of_picks(count=4)
    for values in picks.values():
        assert values.shape == (4,)
        assert (values <= picks["oracle"] + 1e-12).all()
    assert picks["ridge"].mean() > picks["crowd"].mean() > picks["random"].mean()


# -- the widget and the pictures


def test_each_control_moves_the_estimate_and_the_line():
    lab = lab12.propagation_lab()
    start = lab.values
    for change in (
        {"share": 90},
        {"clusters": 100},
        {"plays": 1},
        {"decay": "gaussian"},
        {"rate": 2.0},
        {"towards": "zero"},
    ):
        before = lab.set(**start)
        text, picture = lab.line.value, lab.picture.value
        after = lab.set(**change)
        assert after.errors["clusters"] != before.errors["clusters"], change
        assert lab.line.value != text, change
        assert lab.picture.value != picture, change


def test_the_widget_counts_only_songs_never_heard():
    view = lab12.spread_view(share=50, plays=30)
    unheard = np.setdiff1d(np.arange(2000), view.labels.songs)
    error = lab12.rmse(view.guess[unheard], view.truth[unheard])
    assert view.errors["clusters"] == pytest.approx(error)
    assert "1000 songs with feedback, 20 clusters" in lab12.say_spread(view)


def test_one_cluster_that_never_fades_is_the_mean():
    view = lab12.spread_view(clusters=1, rate=0.0)
    assert view.errors["clusters"] == pytest.approx(view.errors["mean"])


def test_pictures_can_be_drawn():
    figure = Figure()
    lab12.draw_six_songs(figure)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert {f"song {number}" for number in range(6)} < set(words)
    worlds = lab12.worlds("listener", 2)
    figure = Figure()
    lab12.draw_growth(figure, {"a": lab12.grow(worlds, "sound", 1)})
    assert [line.get_label() for line in figure.axes[0].lines] == list(lab12.SCHEMES)


def test_no_tensorflow_is_imported():
    assert_no_tensorflow("import lab12_listen_worth as lab; lab.spread_view()")
