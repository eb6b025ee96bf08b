"""A map's run: what it keeps, its figures by brute force, its held-out tracks."""

from dataclasses import asdict

import numpy as np
import pytest

from rlrec import storage
from rlrec.datasets import load_tracks
from rlrec.errors import ConfigError, DataError
from rlrec.runs import vae as vae_run
from rlrec.sound.vae import PCA, VAEConfig

SMALL = VAEConfig(hidden=(32,), updates=2100)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder, lines = tmp_path_factory.mktemp("runs") / "map", []
    found = vae_run.train_vae(
        folder, "generated", SMALL, seed=3, command="a command", say=lines.append
    )
    return folder, found, lines


def test_what_is_kept(run):
    folder, found, _ = run
    model, kept = vae_run.load_map(folder)
    assert (kept.seed, kept.command, kept.vae) == (3, "a command", SMALL)
    assert kept.found == found
    stored = storage.read_json(folder / "config.json")
    assert (stored["agent"], stored["found"]) == ("vae", asdict(found))
    known, new = vae_run.split(load_tracks("generated").features, 3)
    assert (len(known), len(new)) == (1800, 200)
    assert vae_run.measure_map(model, known, new, 3) == found
    assert len(storage.read_rows(folder / "metrics.csv")) == 150
    assert model.config == SMALL


def test_the_same_seed_gives_the_same_map(run, tmp_path):
    vae_run.train_vae(
        tmp_path / "again", "generated", SMALL, seed=3, say=lambda line: None
    )
    features = load_tracks("generated").features
    np.testing.assert_array_equal(
        vae_run.load_map(tmp_path / "again")[0].encode(features),
        vae_run.load_map(run[0])[0].encode(features),
    )


def test_the_table_and_what_it_shows(run):
    _, found, lines = run
    assert found.vae.mse < found.pca.mse < found.mean_mse
    assert found.vae.recall > 0.1
    assert found.pca.mse == pytest.approx(0.0073, abs=0.001)
    assert sum(found.variances[5:]) / 11 == pytest.approx(
        found.pca.mse, rel=0.15
    )  # what five components leave
    text = "\n".join(lines)
    for words in (
        "2,000 tracks",
        "1,800 tracks to learn from, 200 never seen",
        "by fixed ranges",
        "below PCA's",
    ):
        assert words in text


def test_a_run_is_not_overwritten(run):
    with pytest.raises(ConfigError, match="holds a run already"):
        vae_run.train_vae(run[0], "generated", SMALL)
    with pytest.raises(ConfigError, match="is a file"):
        vae_run.train_vae(run[0] / "vae.json", "generated", SMALL)


def test_another_kind_of_run_is_refused(tmp_path):
    storage.write_json(tmp_path / "config.json", {"agent": "ddpg"})
    with pytest.raises(DataError, match="no run of vae"):
        vae_run.load_map(tmp_path)


def test_held_out_tracks_are_the_same_for_both_scales_and_never_learned_from():
    tracks = load_tracks("generated")
    rows = np.arange(len(tracks), dtype=np.float32)[:, None]
    known, new = vae_run.split(rows, 7)
    assert not np.intersect1d(known, new).size
    assert len(np.union1d(known, new)) == len(tracks)
    assert (vae_run.split(rows, 8)[1] != new).any()
    found = vae_run.scaled(tracks, "min-max", 7)
    train, held_out = vae_run.split(found, 7)
    assert (train.min(axis=0) == 0).all()
    assert (train.max(axis=0) == 1).all()
    loudest = tracks.raw[known[:, 0].astype(int), 3].max()
    assert np.array_equal(
        held_out[:, 3] == 1.0, tracks.raw[new[:, 0].astype(int), 3] >= loudest
    )  # clipped


def test_recall_against_brute_force():
    rng = np.random.default_rng(0)
    known, new = rng.random((60, 11), np.float32), rng.random((9, 11), np.float32)
    model = PCA(2)
    model.train(known)

    def four(vectors, points):
        squared = ((points[:, None, :].astype(float) - vectors) ** 2).sum(axis=2)
        return np.argsort(squared, axis=1, kind="stable")[:, :4]

    true, found = four(known, new), four(model.encode(known), model.encode(new))
    shares = [
        len(set(one) & set(other)) / 4
        for one, other in zip(true.tolist(), found.tolist(), strict=True)
    ]
    assert vae_run.neighbour_recall(model, known, new) == pytest.approx(np.mean(shares))
    everything = PCA(11)
    everything.train(known)
    assert vae_run.neighbour_recall(everything, known, new) == 1.0


def test_gap_to_the_normal():
    rng = np.random.default_rng(0)
    assert vae_run.prior_gap(rng.standard_normal((4000, 3))) < 0.03
    assert vae_run.prior_gap(np.full((4000, 3), 9.0)) > 0.99


def test_stray_counts_in_the_distance_of_a_track_never_seen():
    class Same:
        def encode(self, features):
            return features

        def decode(self, points):
            return points

    known = np.zeros((3, 11), np.float32)
    new, points = known.copy(), known.copy()
    new[:, 0], points[:, 0] = 0.2, 0.5
    assert vae_run.stray(Same(), known, new, points) == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: vae_run.split(np.zeros((49, 11), np.float32), 0),
            DataError,
            "50 or more",
        ),
        (
            lambda: vae_run.split(np.zeros((60, 11), np.float32), -1),
            ConfigError,
            "seed is -1",
        ),
        (
            lambda: vae_run.scaled(load_tracks("generated"), "log", 0),
            ConfigError,
            "'fixed' or 'min-max'",
        ),
    ],
)
def test_bad_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call()
