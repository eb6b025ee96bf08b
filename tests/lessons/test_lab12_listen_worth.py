"""Lesson 12: the truth against simulated plays, worlds, errors, widget, pictures."""

import lab12_listen_worth as lab12
import numpy as np
import pytest
from first_plays import first_play_value, outcome_means, random_tastes
from lesson_checks import assert_no_tensorflow, defined
from matplotlib.figure import Figure

from rlrec.envs import default_catalogue
from rlrec.envs.rewards import BinaryReward, FractionReward, ListenSkipReward
from rlrec.sound.propagation import ClusterPropagation

LESSON = defined(
    "12", "SONGS =", "def propagate", "class World", "def view", "def grow"
)
PILAR = LESSON["PILAR"][0]
rank_correlation = LESSON["rank_correlation"]


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


def listener_world(seed, reward=None, taste=PILAR):
    return LESSON["make_world"](taste[None], seed, reward)


def crowd_world(seed, reward=None):
    return LESSON["make_world"](random_tastes(400, 99), seed, reward)


@pytest.mark.parametrize(
    "reward",
    [BinaryReward(), ListenSkipReward(), FractionReward(1.0), FractionReward(10.0)],
)
@pytest.mark.parametrize("make", [listener_world, crowd_world])
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
    assert rank_correlation(truth, pull) > 0.999


# -- worlds and errors


def test_labels_grow_and_average():
    world = listener_world(0)
    few = world.labels(0.01, 1)
    many = world.labels(0.1, 30)
    assert len(few.songs) == 20
    assert set(few.songs) < set(many.songs)
    np.testing.assert_array_equal(few.rewards, world.paid[few.songs, 0])
    np.testing.assert_allclose(many.rewards, world.paid[many.songs].mean(axis=1))
    assert (many.plays == 30).all()


def test_errors_by_hand():
    guess = np.array([1.0, 2.0, 3.0])
    assert LESSON["rmse"](guess, np.ones(3)) == pytest.approx(np.sqrt(5 / 3))
    other = np.array([0.1, 5.0, 9.0])
    assert rank_correlation(guess, other) == pytest.approx(1)
    assert rank_correlation(np.ones(3), guess) == 0.0


def test_remembered_clusters_change_nothing():
    labels = listener_world(0).labels(0.05, 5)
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


def errors(worlds, plays, share, shrink=0.0):
    """Mean RMSE of each scheme, as the lesson measures it."""
    means = {}
    for name, scheme in LESSON["SCHEMES"].items():
        guesses = [
            lab12.estimate(scheme, "sound", world.labels(share, plays))
            for world in worlds
        ]
        pairs = zip(guesses, worlds, strict=True)
        means[name] = np.mean([LESSON["rmse"](g, world.truth) for g, world in pairs])
    return means


def test_the_lessons_claims_hold_with_other_listeners():
    tastes = random_tastes(5, 50)
    worlds = [listener_world(50 + n, taste=taste) for n, taste in enumerate(tastes)]
    few, all_heard = errors(worlds, 1, 0.1), errors(worlds, 1, 1.0)
    for name in few:  # single plays kept: more feedback, more error
        assert all_heard[name] > few[name] + 0.1
    assert few["clusters"] > few["mean"]
    clean = errors(worlds, 30, 0.1)
    order = sorted(clean, key=clean.get)
    assert order == ["ridge", "neighbours", "clusters", "mean"]
    crowd = errors([crowd_world(77)], 30, 0.1)
    assert crowd["mean"] < crowd["clusters"]


def test_the_lessons_table_is_what_each_world_gives():
    found = LESSON["grow"]("listener", plays=30, shares=(10,))
    assert len(found) == 8 * 4
    tastes = random_tastes(8, 7)
    world = listener_world(3, taste=tastes[3])
    (row,) = found[(found.world == 3) & (found.scheme == "ridge")].itertuples()
    guess = lab12.estimate(LESSON["SCHEMES"]["ridge"], "sound", world.labels(0.1, 30))
    assert row.rmse == pytest.approx(LESSON["rmse"](guess, world.truth))
    assert row.rank == pytest.approx(rank_correlation(guess, world.truth))


# -- the widget and the pictures


def test_each_control_moves_the_estimate_and_the_line():
    lab = lab12.propagation_lab(LESSON["view"])
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
    view = LESSON["view"](share=50, plays=30)
    unheard = np.setdiff1d(np.arange(2000), view.labels.songs)
    error = LESSON["rmse"](view.guess[unheard], view.truth[unheard])
    assert view.errors["clusters"] == pytest.approx(error)
    assert "1000 songs with feedback, 20 clusters" in lab12.say_spread(view)


def test_one_cluster_that_never_fades_is_the_mean():
    view = LESSON["view"](clusters=1, rate=0.0)
    assert view.errors["clusters"] == pytest.approx(view.errors["mean"])


def test_pictures_can_be_drawn():
    figure = Figure()
    lab12.draw_six_songs(figure)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert {f"song {number}" for number in range(6)} <= set(words)


def test_no_tensorflow_is_imported():
    assert_no_tensorflow(
        "import lab12_listen_worth as lab; lab.clusters_of(lab.MAPS[0], 3)"
    )
