"""Propagated rewards: by hand, against brute force and scikit-learn, seeds, errors."""

from dataclasses import fields, replace

import numpy as np
import pytest

from rlrec.errors import ConfigError, DataError
from rlrec.sound.propagation import (
    PROPAGATIONS,
    ClusterPropagation,
    Clusters,
    Labels,
    MeanPropagation,
    NeighbourPropagation,
    RidgePropagation,
    decay_weight,
    find_clusters,
    mean_rewards,
    normalised_distance,
)

SIX = np.array([[0.0], [1.0], [5.0], [20.0], [22.0], [24.0]])
HEARD, PAID = np.array([0, 1, 4, 5]), np.array([1.0, 0.6, 0.1, 0.3])


@pytest.fixture
def world():
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(200, 3))
    songs = rng.choice(200, 40, replace=False)
    rewards, plays = rng.normal(size=40), rng.integers(1, 9, size=40)
    return vectors, songs, rewards, plays


# -- by hand ---------------------------------------------------------------------------


def test_plays_become_means():
    labels = mean_rewards([5, 2, 5, 5], [1.0, 4.0, 0.0, 2.0])
    assert labels.songs.tolist() == [2, 5]
    assert labels.rewards.tolist() == [4.0, 1.0]
    assert labels.plays.tolist() == [1.0, 3.0]


@pytest.mark.parametrize(
    ("changes", "edge_of_a", "edge_of_b"),
    [
        ({}, 0.5 + 0.5 * 0.3, 0.5 - 0.5 * 0.3),
        ({"towards": "zero"}, 0.5 * 0.8, 0.5 * 0.2),
        ({"rate": 0.0}, 0.8, 0.2),
        ({"rate": 1.0}, 0.5, 0.5),
        ({"rate": 3.0}, 0.5, 0.5),  # a linear weight ends at 0
        (
            {"decay": "exponential", "rate": 1.0},
            0.5 + 0.3 * np.exp(-1),
            0.5 - 0.3 * np.exp(-1),
        ),
        (
            {"decay": "gaussian", "rate": 1.0},
            0.5 + 0.3 * np.exp(-0.5),
            0.5 - 0.3 * np.exp(-0.5),
        ),
    ],
)
def test_six_songs_by_hand(changes, edge_of_a, edge_of_b):
    scheme = ClusterPropagation(labels_per_cluster=2, **changes)
    estimate = scheme.estimate(SIX, HEARD, PAID)
    np.testing.assert_allclose(estimate, [1.0, 0.6, edge_of_a, edge_of_b, 0.1, 0.3])


def test_distance_is_one_at_the_edge_of_each_cluster_and_zero_for_a_lone_song():
    of, centroids = np.array([0, 0, 0, 1, 1, 2]), np.array([[2.0], [21.0], [24.0]])
    distance = normalised_distance(SIX, of, centroids)
    np.testing.assert_allclose(distance, [2 / 3, 1 / 3, 1, 1, 1, 0])


def test_decay_starts_at_one_and_falls():
    for shape in ("linear", "exponential", "gaussian"):
        weight = decay_weight(np.linspace(0, 1, 11), shape, 0.8)
        assert weight[0] == 1.0
        assert (np.diff(weight) < 0).all()
        assert weight[-1] > 0


def test_a_cluster_without_feedback_gets_the_mean_of_all_plays():
    clusters = Clusters(
        np.array([0, 0, 1]), np.zeros((2, 1)), np.array([0.0, 0.0, 0.0])
    )
    labels = Labels(np.array([0, 1]), np.array([1.0, 0.0]), np.array([3.0, 1.0]))
    assert ClusterPropagation().spread(clusters, labels).tolist() == [0.75, 0.75, 0.75]
    assert ClusterPropagation(towards="zero").spread(clusters, labels).tolist() == [
        0.75,
        0.75,
        0.0,
    ]


def test_means_are_over_plays():
    plays = np.array(
        [1, 3, 1, 1]
    )  # cluster A: (1 + 3 * .6) / 4 = .7; of all: (2.8 + .4) / 6
    base = 3.2 / 6
    estimate = ClusterPropagation(labels_per_cluster=2).estimate(
        SIX, HEARD, PAID, plays
    )
    assert estimate[2] == pytest.approx(base + 0.5 * (0.7 - base))
    assert MeanPropagation().estimate(SIX, HEARD, PAID, plays)[2] == pytest.approx(base)
    near = NeighbourPropagation(neighbours=2).estimate(SIX, HEARD, PAID, plays)
    np.testing.assert_allclose(near[[2, 3]], [0.7, 0.2])


@pytest.mark.parametrize(
    ("shrink", "own_share"), [(0.0, 1.0), (3.0, 0.25), (np.inf, 0.0)]
)
def test_own_mean_is_kept_shrunk_or_forgotten(shrink, own_share):
    estimate = MeanPropagation(shrink=shrink).estimate(SIX, HEARD, PAID)
    np.testing.assert_allclose(
        estimate[HEARD], own_share * PAID + (1 - own_share) * 0.5
    )
    assert estimate[[2, 3]].tolist() == [0.5, 0.5]
    twice = MeanPropagation(shrink=2.0).estimate(
        SIX, HEARD, PAID, np.array([2, 2, 2, 2])
    )
    np.testing.assert_allclose(twice[HEARD], (PAID + 0.5) / 2)


# -- against others --------------------------------------------------------------------


def test_clusters_agree_with_a_loop(world):
    vectors, songs, rewards, plays = world
    scheme = ClusterPropagation(decay="exponential", rate=0.7, shrink=2.0, seed=5)
    clusters = find_clusters(vectors, 10, seed=5)
    everything = np.average(rewards, weights=plays)
    for song, value in enumerate(scheme.estimate(vectors, songs, rewards, plays)):
        mine = [
            i
            for i, other in enumerate(songs)
            if clusters.assignment[other] == clusters.assignment[song]
        ]
        mean = np.average(rewards[mine], weights=plays[mine]) if mine else everything
        centre = vectors[clusters.assignment == clusters.assignment[song]].mean(axis=0)
        radius = max(
            np.linalg.norm(v - centre)
            for v in vectors[clusters.assignment == clusters.assignment[song]]
        )
        far = np.linalg.norm(vectors[song] - centre) / (radius or 1.0)
        expected = everything + np.exp(-0.7 * far) * (mean - everything)
        if song in songs:
            i = songs.tolist().index(song)
            expected = (plays[i] * rewards[i] + 2.0 * expected) / (plays[i] + 2.0)
        assert value == pytest.approx(expected, abs=1e-9)


def test_neighbours_agree_with_brute_force(world):
    vectors, songs, rewards, plays = world
    estimate = NeighbourPropagation(neighbours=7, shrink=np.inf).estimate(
        vectors, songs, rewards, plays
    )
    for song in range(200):
        near = np.argsort(np.linalg.norm(vectors[songs] - vectors[song], axis=1))[:7]
        assert estimate[song] == pytest.approx(
            np.average(rewards[near], weights=plays[near])
        )


def test_ridge_agrees_with_the_normal_equations(world):
    vectors, songs, rewards, plays = world
    axes = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0)
    x = np.column_stack([axes[songs], np.ones(40)])
    held = np.diag([4.0, 4.0, 4.0, 0.0])  # the level is not held down
    slopes = np.linalg.solve(x.T @ (plays[:, None] * x) + held, x.T @ (plays * rewards))
    estimate = RidgePropagation(penalty=4.0, shrink=np.inf).estimate(
        vectors, songs, rewards, plays
    )
    np.testing.assert_allclose(estimate, axes @ slopes[:3] + slopes[3])


def test_a_straight_world_is_found_again():
    vectors = np.random.default_rng(0).normal(size=(500, 4)) * [1, 10, 0.1, 1]
    truth = 2.0 + vectors @ [1.0, -0.2, 3.0, 0.0]
    line = RidgePropagation(penalty=0.0).estimate(vectors, np.arange(50), truth[:50])
    np.testing.assert_allclose(line, truth, atol=1e-8)
    error = {
        name: np.abs(one.estimate(vectors, np.arange(100), truth[:100]) - truth).mean()
        for name, one in PROPAGATIONS.items()
    }
    assert error["ridge"] < error["neighbours"] < error["mean"]
    assert error["clusters"] < error["mean"]


@pytest.mark.parametrize("name", PROPAGATIONS)
def test_an_order_of_labels_changes_nothing_and_a_constant_stays_one(name, world):
    vectors, songs, rewards, plays = world
    scheme, turned = PROPAGATIONS[name], np.random.default_rng(1).permutation(40)
    once = scheme.estimate(vectors, songs, rewards, plays)
    np.testing.assert_allclose(
        once, scheme.estimate(vectors, songs[turned], rewards[turned], plays[turned])
    )
    np.testing.assert_allclose(scheme.estimate(vectors, songs, np.full(40, 0.3)), 0.3)


# -- seeds, settings, errors -----------------------------------------------------------


def test_same_seed_same_bits_and_another_seed_other_clusters(world):
    vectors, songs, rewards, _ = world
    once, again, other = (
        ClusterPropagation(seed=seed).estimate(vectors, songs, rewards).tobytes()
        for seed in (1, 1, 2)
    )
    assert once == again != other


@pytest.mark.parametrize("name", PROPAGATIONS)
def test_each_field_is_read(name, world):
    changed = {
        "decay": "gaussian",
        "towards": "zero",
        "n_clusters": 3,
        "seed": 8,
        "labels_per_cluster": 9.0,
    }
    changed |= {"rate": 1.5, "shrink": 2.0, "neighbours": 3, "penalty": 99.0}
    scheme = PROPAGATIONS[name]
    for field in fields(scheme):
        after = replace(scheme, **{field.name: changed[field.name]})
        assert (scheme.estimate(*world) != after.estimate(*world)).any(), field.name


def test_about_four_labels_a_cluster():
    scheme = ClusterPropagation()
    assert [scheme.count(n, 2000) for n in (1, 4, 20, 2000)] == [1, 1, 5, 500]
    assert scheme.count(2000, 30) == 30
    assert replace(scheme, n_clusters=7).count(2000, 30) == 7


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"songs": [], "rewards": []}, "no song has feedback"),
        ({"rewards": [1.0, np.nan, 0.1, 0.3]}, "reward of song 1"),
        ({"songs": [0, 0, 4, 5]}, "twice"),
        ({"songs": [0, 1, 4, 6]}, "ids 0..5"),
        ({"songs": [-1, 1, 4, 5]}, "ids 0..5"),
        ({"songs": [0.0, 1.0, 4.0, 5.0]}, "ids 0..5"),
        ({"rewards": [1.0]}, "must be"),
        ({"plays": [1, 0, 1, 1]}, "plays of song 1"),
        ({"vectors": [1.0, 2.0]}, "one row a song"),
        ({"vectors": np.where(SIX == 5, np.inf, SIX)}, "vector of song 2"),
    ],
)
@pytest.mark.parametrize("name", PROPAGATIONS)
def test_bad_data_is_refused(name, changes, words):
    inputs = {"vectors": SIX, "songs": HEARD, "rewards": PAID} | changes
    with pytest.raises(DataError, match=words):
        PROPAGATIONS[name].estimate(**inputs)


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        (ClusterPropagation, {"decay": "cubic"}, "linear, exponential, gaussian"),
        (ClusterPropagation, {"towards": "up"}, "mean, zero"),
        (ClusterPropagation, {"rate": -1.0}, "rate"),
        (ClusterPropagation, {"labels_per_cluster": 0.0}, "labels_per_cluster"),
        (NeighbourPropagation, {"neighbours": 0}, "neighbours"),
        (RidgePropagation, {"penalty": np.nan}, "penalty"),
        (MeanPropagation, {"shrink": -0.1}, "shrink"),
    ],
)
def test_bad_settings_are_refused(kind, settings, words):
    with pytest.raises(ConfigError, match=words):
        kind(**settings)


def test_more_clusters_than_songs_are_refused():
    with pytest.raises(ConfigError, match=r"n_clusters is 7; it must lie in 1\.\.6"):
        ClusterPropagation(n_clusters=7).estimate(SIX, HEARD, PAID)
    with pytest.raises(ConfigError, match=r"1\.\.2"):
        find_clusters(np.array([[0.0], [1.0], [1.0]]), 3)


def test_plays_without_rewards_are_refused():
    with pytest.raises(DataError, match="no plays"):
        mean_rewards([], [])
    with pytest.raises(DataError, match="one song and one reward"):
        mean_rewards([1, 2], [0.5])
