"""Lesson 11: the stored map, the study against its parts, lines and pictures."""

import json

import lab11_sound_map as lab11
import numpy as np
import pytest
from lab11_beta_study import BETAS
from matplotlib.figure import Figure

from rlrec import storage
from rlrec.datasets import load_tracks
from rlrec.errors import DataError


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


def test_the_stored_study_is_told_in_full() -> None:
    content = lab11.stored_study()
    assert len(content["seeds"]) >= 5
    betas = [part["beta"] for part in content["parts"] if part["scaling"] == "fixed"]
    assert betas == list(BETAS)
    told = lab11.provenance(content)
    assert content["command"] in told
    assert content["commit"][:7] in told


def test_the_figures_are_drawn() -> None:
    for draw, size in lab11.FIGURES.values():
        figure = Figure(figsize=size)
        draw(figure)
        assert figure.axes
