"""The box "sound": silent until it is ticked, then each new result."""

import io
import wave

import lab11_sound_map as lab11
import numpy as np
from hearing import HeardLab
from lab14_listener import ListenerLab
from lesson_checks import defined

from rlrec.datasets import FEATURES
from rlrec.sound.synthesis import RATE, track_sound
from rlrec.viz.widgets import slider


def heard(lab):
    """The samples that are played, from -1 to 1; none if it is silent."""
    wav = bytes(lab.player.value)
    if not wav:
        assert lab.player.layout.display == "none"
        return np.zeros(0)
    assert lab.player.layout.display is None
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getframerate(), file.getnchannels()) == (RATE, 1)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767


def same(samples, other):
    return len(samples) == len(other) and np.abs(samples - other).max() < 1e-4


def test_silent_until_ticked_then_each_new_result():
    asked = []

    def samples(size):
        asked.append(size)
        return np.full(10, size / 4)

    lab = HeardLab(
        "A bar",
        {"size": slider("size", 2, 0, 4, 1)},
        lambda size: size,
        lambda figure, size: figure.subplots().barh(0, size),
        "size {}".format,
        samples=samples,
    )
    before = lab._repr_mimebundle_()
    lab.set(size=3)
    assert not len(heard(lab))
    assert not asked
    lab.switch.set_state({"value": True})
    assert same(heard(lab), np.full(10, 0.75))
    lab.controls["size"].set_state({"value": 1})
    assert same(heard(lab), np.full(10, 0.25))
    lab.set(size=2)
    assert same(heard(lab), np.full(10, 0.5))
    assert asked == [3, 1, 2]
    assert lab._repr_mimebundle_() == before
    lab.switch.set_state({"value": False})
    assert not len(heard(lab))
    lab.set(size=4)
    assert not len(heard(lab))
    assert list(lab.controls) == ["size"]
    assert lab.box.children[-1].children == (lab.switch, lab.player)


def test_the_listener_hears_the_song_that_plays():
    lesson = defined("14", "catalogue = ", "class TasteSoftmax")
    tracks = lesson["tracks"]
    lab = ListenerLab(tracks, {"belief and softmax": lesson["rule"]})
    lab.switch.set_state({"value": True})
    for kind in ("like", "skip"):
        assert same(heard(lab), track_sound(tracks, lab.result.song))
        lab.press(kind)
    assert any(lab.speaker is child for child in lab.box.children)


def test_on_the_map_the_decoded_features_are_heard():
    """Slider two from .2 to .8 turns major into minor: the third of the key falls."""
    lab = lab11.walk_lab()
    lab.switch.set_state({"value": True})
    thirds = []
    for two in (0.2, 0.8):
        place = lab.set(two=two)
        key = round(11 * place.features[FEATURES.index("key")])
        power = np.abs(np.fft.rfft(heard(lab))) ** 2
        frequency = np.fft.rfftfreq(len(heard(lab)), 1 / RATE)
        notes = 130.8 * 2 ** ((key + np.array([3, 4])) / 12)  # Hz, minor and major
        near = np.abs(frequency - notes[:, None]) < 2
        minor, major = (power * near).sum(axis=1)
        thirds.append(major > minor)
    assert thirds == [True, False]


def test_a_list_of_records_plays_the_records_themselves():
    tracks = lab11.stored_map().tracks
    lab = lab11.records_lab([7, 4])
    assert lab.controls["record"].options == tuple(tracks.titles[[7, 4]])
    lab.switch.set_state({"value": True})
    assert same(heard(lab), track_sound(tracks, 7))
    lab.controls["record"].set_state({"index": 1})
    assert same(heard(lab), track_sound(tracks, 4))
