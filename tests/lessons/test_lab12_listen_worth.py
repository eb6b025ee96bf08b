"""Lesson 12's lab: the truth against plays of the simulator, worlds, errors, the widget, the pictures."""

import subprocess
import sys

import lab12_listen_worth as lab12
import numpy as np
import pytest
from matplotlib.figure import Figure

from rlrec.envs import default_catalogue
from rlrec.envs.rewards import BinaryReward, FractionReward, ListenSkipReward
from rlrec.sound.propagation import ClusterPropagation

PILAR = lab12.PILAR


# -- the truth ---------------------------------------------------------------------------------------------


def test_means_of_the_three_outcomes_by_hand():
    np.testing.assert_allclose(lab12.outcome_means(BinaryReward()), [0, 1, 1])
    early = 0.815  # share of skips within the first tenth
    np.testing.assert_allclose(
        lab12.outcome_means(ListenSkipReward()),
        [-2 * early - (1 - early), 1, 1],
        atol=1e-3,
    )
    skip, heard, liked = lab12.outcome_means(FractionReward(10.0))
    assert skip == pytest.approx(early * 0.05 + (1 - early) * 0.3, abs=1e-3)
    assert heard == pytest.approx(0.283 * 0.75 + 0.717, abs=1e-3)
    assert liked == pytest.approx(heard + 10)


@pytest.mark.parametrize(
    "reward",
    [BinaryReward(), ListenSkipReward(), FractionReward(1.0), FractionReward(10.0)],
)
@pytest.mark.parametrize(
    "make",
    [
        lambda reward: lab12.listener_world(PILAR, 3, reward),
        lambda r: lab12.crowd_world(3, r),
    ],
)
def test_truth_is_the_mean_of_many_plays(make, reward):
    world = make(reward)
    noise = world.paid.std() / np.sqrt(world.paid.size)
    assert world.paid.mean() == pytest.approx(world.truth.mean(), abs=4 * noise)
    for part in np.array_split(
        np.argsort(world.truth), 5
    ):  # and in each fifth of the songs
        plays = world.paid[part]
        assert plays.mean() == pytest.approx(
            world.truth[part].mean(), abs=4 * plays.std() / np.sqrt(plays.size)
        )


def test_truth_rises_along_the_listeners_taste():
    catalogue = default_catalogue()
    truth = lab12.first_play_value(PILAR[None])[0]
    assert (
        lab12.rank_correlation(
            truth, 1.5 * catalogue.sound @ PILAR + 0.28 * catalogue.appeal
        )
        > 0.999
    )


# -- worlds and errors -------------------------------------------------------------------------------------


def test_labels_grow_and_average():
    world = lab12.listener_world(PILAR, 0)
    few, many = world.labels(0.01, 1), world.labels(0.1, 30)
    assert len(few.songs) == 20
    assert set(few.songs) < set(many.songs)
    np.testing.assert_array_equal(few.rewards, world.paid[few.songs, 0])
    np.testing.assert_allclose(many.rewards, world.paid[many.songs].mean(axis=1))
    assert (many.plays == 30).all()


def test_errors_by_hand():
    assert lab12.rmse(np.array([1.0, 3.0]), np.array([1.0, 1.0])) == pytest.approx(
        np.sqrt(2)
    )
    assert lab12.rank_correlation(
        np.array([1.0, 2.0, 3.0]), np.array([0.1, 5.0, 9.0])
    ) == pytest.approx(1)
    assert lab12.rank_correlation(np.ones(3), np.arange(3.0)) == 0.0


def test_remembered_clusters_change_nothing():
    labels = lab12.listener_world(PILAR, 0).labels(0.05, 5)
    scheme = ClusterPropagation(decay="gaussian", rate=0.8, shrink=3.0)
    ours = lab12.estimate(scheme, "sound", labels)
    np.testing.assert_array_equal(
        ours, scheme.estimate(lab12.song_map("sound"), *labels)
    )


def test_key_and_mode_rule_the_principal_components_of_all_features():
    features, places = default_catalogue().features, lab12.song_map("PCA of 11")
    tied = [
        abs(np.corrcoef(features[:, column], places[:, axis])[0, 1])
        for column, axis in ((4, 0), (2, 1))
    ]
    assert min(tied) > 0.95
    with pytest.raises(ValueError, match="two axes, sound"):
        lab12.song_map("nowhere")


def test_the_lessons_claims_hold_with_other_listeners():
    worlds = [
        lab12.listener_world(taste, 50 + seed)
        for seed, taste in enumerate(lab12.some_tastes(5, 50))
    ]
    noisy = lab12.grow(worlds, "sound", plays=1, shares=(0.1, 1.0))
    clean = lab12.grow(worlds, "sound", plays=30, shares=(0.1,))
    for growth in noisy.values():  # single plays kept: more feedback, more error
        assert (growth.rmse[:, 1] > growth.rmse[:, 0] + 0.1).all()
    means = [
        clean[name].rmse.mean() for name in ("ridge", "neighbours", "clusters", "mean")
    ]
    assert means == sorted(means)
    assert noisy["clusters"].rmse[:, 0].mean() > noisy["mean"].rmse[:, 0].mean()
    crowd = lab12.grow([lab12.crowd_world(77)], "sound", plays=30, shares=(0.1,))
    assert crowd["mean"].rmse[0, 0] < crowd["clusters"].rmse[0, 0]


def test_picks_leave_out_what_was_heard_and_the_oracle_is_best():
    picks = lab12.value_of_picks(count=4)
    assert {len(values) for values in picks.values()} == {4}
    for values in picks.values():
        assert (values <= picks["oracle"] + 1e-12).all()
    assert picks["ridge"].mean() > picks["crowd"].mean() > picks["random"].mean()


# -- the widget and the pictures ---------------------------------------------------------------------------


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
    assert view.errors["clusters"] == pytest.approx(
        lab12.rmse(view.guess[unheard], view.truth[unheard])
    )
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
    code = "import sys; import lab12_listen_worth as lab; lab.spread_view()"
    subprocess.run(
        [sys.executable, "-c", f"{code}; assert 'tensorflow' not in sys.modules"],
        check=True,
    )
