"""The sound of a track, judged by its envelope and its spectrum."""

from dataclasses import replace

import numpy as np
import pytest

from rlrec.datasets import FEATURES, load_tracks
from rlrec.datasets.reading.columns import RANGES
from rlrec.errors import ConfigError
from rlrec.sound.synthesis import RATE, SECONDS, synthesise, track_sound

PLAIN = dict.fromkeys(FEATURES, 0.0) | {"loudness": -6.0, "tempo": 120.0, "mode": 1.0}
USUAL = PLAIN | {"energy": 0.7, "danceability": 0.6, "speechiness": 0.1}
USUAL |= {"acousticness": 0.2, "liveness": 0.2, "valence": 0.5}
WINDOW = 256  # samples of the envelope's windows: 12 ms


def sound(seed=0, base=PLAIN, **features):
    raw = base | features
    return synthesise([raw[name] for name in FEATURES], np.random.default_rng(seed))


def rms(samples):
    return np.sqrt(np.mean(samples**2))


def period(samples):
    """Seconds after which the loudness resembles itself most, between .2 and 1.5.

    The shortest of those within a third of the best: two beats resemble two beats too.
    """
    windows = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW)
    rise = np.maximum(np.diff(np.sqrt((windows**2).mean(axis=1))), 0)
    smooth = np.convolve(rise - rise.mean(), [1, 2, 3, 2, 1], "same")
    lags = np.arange(round(0.2 * RATE / WINDOW), round(1.5 * RATE / WINDOW))
    alike = [smooth[:-lag] @ smooth[lag:] / (len(smooth) - lag) for lag in lags]
    inner = np.array(alike[1:-1])
    is_peak = (inner > alike[:-2]) & (inner > alike[2:])
    at = 1 + np.flatnonzero(is_peak & (inner > 2 / 3 * inner[is_peak].max()))[0]
    before, here, after = alike[at - 1 : at + 2]
    between = 0.5 * (before - after) / (before - 2 * here + after)  # of the parabola
    return (lags[at] + between) * WINDOW / RATE


def pitch_classes(samples):
    """Share of the energy from 120 to 1,000 Hz on each pitch class [12], C first."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    frequency = np.fft.rfftfreq(len(samples), 1 / RATE)
    heard = (frequency > 120) & (frequency < 1000)
    semitones = np.round(12 * np.log2(frequency[heard] / 440)).astype(int) + 9
    shares = np.bincount(semitones % 12, power[heard], 12)
    return shares / shares.sum()


@pytest.mark.parametrize("tempo", [60, 83, 100, 120, 143, 171, 200])
@pytest.mark.parametrize("base", [PLAIN, USUAL], ids=["plain", "usual"])
def test_the_beats_period_is_the_tempo(base, tempo):
    """120 beats a minute: .5 s."""
    assert period(sound(base=base, tempo=tempo)) == pytest.approx(60 / tempo, rel=0.02)


def test_the_beat_of_real_tracks_is_their_tempo():
    """Every fortieth of the bundled tracks: all within 2%."""
    tracks = load_tracks("generated")
    found = []
    for row in range(0, 2000, 40):
        beat = 60 / tracks.raw[row, FEATURES.index("tempo")]
        heard = period(track_sound(tracks, row))
        found.append(abs(heard / beat - 1) < 0.02)
    assert all(found)


# C major: C D E F G A B; C minor: C D Eb F G Ab Bb; A major: A B C# D E F# G#
BY_HAND = {
    (0, 1): [0, 2, 4, 5, 7, 9, 11],
    (0, 0): [0, 2, 3, 5, 7, 8, 10],
    (9, 1): [9, 11, 1, 2, 4, 6, 8],
    (6, 0): [6, 8, 9, 11, 1, 2, 4],
    (-1, 1): [0, 2, 4, 5, 7, 9, 11],  # no key found: C
}


@pytest.mark.parametrize(("key", "mode"), BY_HAND)
@pytest.mark.parametrize("seed", range(3))
def test_the_pitch_classes_are_those_of_key_and_mode(key, mode, seed):
    more = {"valence": 0.5, "acousticness": 0.5, "instrumentalness": 1.0}
    shares = pitch_classes(sound(seed, key=key, mode=mode, **more))
    assert shares[BY_HAND[key, mode]].sum() > 0.95
    third = max(key, 0) + (4 if mode else 3)
    other = max(key, 0) + (3 if mode else 4)
    assert shares[third % 12] > 5 * shares[other % 12]


@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize("valence", [0, 1])
@pytest.mark.parametrize("seed", range(4))
def test_the_other_chord_is_major_where_valence_is_high(mode, valence, seed):
    """One beat a second: seconds 0 and 1 the key's triad, 2 and 3 the other one."""
    samples = sound(seed, mode=mode, valence=valence, tempo=60, acousticness=1)
    first, other = samples[: 2 * RATE], samples[2 * RATE : 4 * RATE]
    triads = {}
    for root in range(12):
        for third in (3, 4):
            triads[root, third] = [root, (root + third) % 12, (root + 7) % 12]

    def heard(part):
        shares = pitch_classes(part)
        return max(triads, key=lambda name: shares[triads[name]].sum())

    assert heard(first) == (0, 4 if mode else 3)
    assert heard(other)[0] != 0
    assert heard(other)[1] == (4 if valence else 3)


def test_the_same_track_has_the_same_bits_and_another_id_others():
    tracks = load_tracks("generated")
    first = track_sound(tracks, 7)
    assert len(first) == SECONDS * RATE
    assert first.tobytes() == track_sound(load_tracks("generated"), 7).tobytes()
    other = replace(tracks, ids=tracks.ids[::-1])
    assert not np.allclose(first, track_sound(other, 7))


def test_louder_by_hand():
    """RMS .2 at 0 dB: .02 at -20 dB, .00632 at -30 dB; tanh takes 1% at most there."""
    assert rms(sound(loudness=-20)) == pytest.approx(0.02, rel=0.01)
    assert rms(sound(loudness=-30)) == pytest.approx(0.2 * 10**-1.5, rel=0.01)
    levels = [rms(sound(base=USUAL, loudness=dB)) for dB in (-60, -20, -8, -7, 0, 5)]
    assert (np.diff(levels) > 0).all()


def above(samples, hertz):
    """Share of the energy above a frequency."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return power[np.fft.rfftfreq(len(samples), 1 / RATE) > hertz].sum() / power.sum()


def test_each_feature_is_heard():
    assert above(sound(acousticness=0), 1000) > 2 * above(sound(acousticness=1), 1000)
    assert above(sound(energy=0), 100) > 0.95 > 0.6 > above(sound(energy=1), 100)
    drums = {"energy": 1, "acousticness": 1}
    flat = above(sound(**drums), 5000)
    assert above(sound(**drums, danceability=1), 5000) > 5 * flat
    assert above(sound(speechiness=1), 5000) > 5 * above(sound(), 5000)
    chords = sound(loudness=-30)
    with_melody = sound(loudness=-30, instrumentalness=1)
    assert above(with_melody, 262) > 1.3 * above(chords, 262)
    echo = sound(loudness=-30, liveness=1)
    late = round(0.18 * RATE)
    by_hand = chords.copy()
    by_hand[late:] += 0.5 * chords[:-late]
    assert np.corrcoef(echo, by_hand)[0, 1] > 0.9999
    assert np.corrcoef(echo, chords)[0, 1] < 0.99


def test_no_limit_breaks_it():
    """Each feature at both ends and beyond, all at the low ends, all at the high."""
    low = {name: ends[0] for name, ends in RANGES.items()}
    high = {name: ends[1] for name, ends in RANGES.items()}
    cases = [(USUAL, {}), (low, {}), (high, {})]
    for name, ends in RANGES.items():
        cases += [(USUAL, {name: end}) for end in (*ends, ends[0] - 9, ends[1] + 9)]
    for base, change in cases:
        samples = sound(base=base, **change)
        assert samples.shape == (SECONDS * RATE,)
        assert np.isfinite(samples).all()
        assert 0 < np.abs(samples).max() <= 1


def test_what_is_no_track_is_refused():
    with pytest.raises(ConfigError, match=r"has shape \(10,\); it must be \[11\]"):
        synthesise(np.zeros(10), np.random.default_rng(0))
    with pytest.raises(ConfigError, match="without nan"):
        synthesise(np.full(11, np.nan), np.random.default_rng(0))
