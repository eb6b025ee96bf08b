"""Lesson 11: the stored map, the study against its parts, lines and pictures."""

import json
from dataclasses import replace
from types import SimpleNamespace

import lab11_sound_map as lab11
import numpy as np
import pytest
from lab11_beta_study import BETAS
from matplotlib.figure import Figure

from rlrec import storage
from rlrec.datasets import load_tracks
from rlrec.errors import DataError
from rlrec.runs import vae as vae_run
from rlrec.sound.vae import VAEConfig


def test_the_stored_map_is_that_of_the_bundled_tracks() -> None:
    sounds = lab11.stored_map()
    assert sounds.latents.shape == (2000, 5)
    assert len(np.union1d(sounds.known, sounds.new)) == 2000
    assert len(sounds.new) == 200
    config = json.loads((lab11.FOLDER / "sound_map" / "config.json").read_text())
    stored = config["found"]["vae"]["mse"]
    new = load_tracks("generated").features[sounds.new]
    found = np.mean((sounds.model.decode(sounds.model.encode(new)) - new) ** 2)
    assert found == pytest.approx(stored, rel=1e-4)


def test_a_missing_map_or_study_says_how_to_make_it(tmp_path) -> None:
    with pytest.raises(DataError, match=r"make\.py vae"):
        lab11.stored_map(tmp_path)
    with pytest.raises(DataError, match=r"make\.py vae"):
        lab11.stored_study(tmp_path)


def test_a_map_of_other_tracks_is_refused(tmp_path) -> None:
    for path in (lab11.FOLDER / "sound_map").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["fingerprint"]["tracks"] = 3
    del config["checksum"]
    config["checksum"] = storage.digest(config)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match="from other tracks"):
        lab11.stored_map(tmp_path)


def test_a_place_has_the_nearest_tracks_and_what_the_decoder_says() -> None:
    sounds = lab11.stored_map()
    place = lab11.look_around(sounds, [0.2, 0.4, 0.6, 0.5, 0.5])
    distance = np.linalg.norm(sounds.latents - place.point, axis=1)
    assert place.nearest.tolist() == np.argsort(distance)[:4].tolist()
    np.testing.assert_allclose(place.distances, np.sort(distance)[:4], rtol=1e-6)
    at_a_track = lab11.look_around(sounds, sounds.latents[5])
    assert at_a_track.nearest[0] == 5
    own = sounds.model.decode(sounds.model.encode(sounds.tracks.features[5:6]))[0]
    np.testing.assert_allclose(at_a_track.features, own, atol=1e-3)


def test_the_widget_names_the_nearest_and_draws_all_eleven_features() -> None:
    lab = lab11.walk_lab()
    sounds = lab11.stored_map()
    found = lab.set(two=0.2)
    for title in sounds.tracks.titles[found.nearest]:
        assert title in lab.line.value
    assert found.features[lab11.MODE] > 0.9
    assert lab.set(two=0.8).features[lab11.MODE] < 0.1
    figure = Figure()
    lab11.place_picture(figure, sounds, found)
    widths = [bar.get_width() for bar in figure.axes[1].patches]
    np.testing.assert_allclose(widths, found.features)


def test_the_study_is_what_each_run_measures() -> None:
    features = load_tracks("generated").features[:300]
    config = VAEConfig(hidden=(8,), updates=20)
    study = lab11.beta_study(features, (0.0, 0.3), (4, 5), config)
    assert study.vae["mse"].shape == (2, 2)
    known, new = vae_run.split(features, 5)
    model = vae_run.VAE(replace(config, beta=0.3), 5)
    model.train(known)
    one = vae_run.measure_map(model, known, new, 5)
    assert study.vae["mse"][1, 1] == one.vae.mse
    assert study.vae["stray"][1, 1] == one.vae.stray
    assert (study.pca["recall"][1], study.mean_mse[1]) == (one.pca.recall, one.mean_mse)
    figure = Figure()
    lab11.study_picture(figure, study)
    drawn = figure.axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(drawn, study.vae["mse"].mean(axis=1))


@pytest.mark.parametrize(
    ("beta", "alive"), [(0.0, 5), (0.03, 5), (0.1, 4), (0.3, 1), (0.66, 0)]
)
def test_survivors_by_hand(beta, alive) -> None:
    assert lab11.survivors([0.25, 0.106, 0.068, 0.053, 0.033, 0.021], beta) == alive


def test_the_stored_study_is_told_in_full() -> None:
    content = lab11.stored_study()
    assert len(content["seeds"]) >= 5
    lines = lab11.stored_lines(content)
    assert len(lines) == len(BETAS) + 3
    part = content["parts"][3]
    assert lines[4].startswith(f"vae, beta {part['beta']:g} ")
    assert f"{np.mean(part['vae']['mse']['of_seeds']):.4f}" in lines[4]
    fixed, min_max = lab11.difference_lines(content)
    assert fixed.split()[0] == "fixed"
    assert min_max.split()[0] == "min-max"
    told = lab11.provenance(content)
    assert content["command"] in told
    assert content["commit"][:7] in told


def test_the_figures_are_drawn() -> None:
    for draw, size in lab11.FIGURES.values():
        figure = Figure(figsize=size)
        draw(figure)
        assert figure.axes
    assert lab11.collect((0.1,), 1, [_measured()]).vae["mse"].tolist() == [[0.5]]


def _measured():
    of = SimpleNamespace(mse=0.5, recall=0.1, active=1, prior_gap=0.1, stray=1.0)
    return SimpleNamespace(vae=of, pca=of, mean_mse=1.0, variances=[1.0] * 11)
