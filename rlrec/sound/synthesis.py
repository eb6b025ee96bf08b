"""A few seconds of sound from a track's eleven features, by NumPy alone.

    samples = track_sound(load_tracks("generated"), 7)
    samples = synthesise(unscale(decoded), np.random.default_rng(0))

This is not the track. It is music that has the track's features:

- tempo: beats a minute; a chord and a note are struck on each.
- key, mode: the scale. Two beats of its own triad take turns with two of another.
- valence: the probability that the other triad is a major one.
- acousticness: plucked and soft (1), or held and bright (0).
- energy: the kick drum on each beat; with danceability, a hi-hat between beats.
- instrumentalness: how loud the melody is, a random walk on the scale.
- speechiness: noise in two syllables a beat. liveness: an echo.
- loudness: root mean square .2 at 0 dB, and a tenth of that for each 20 dB below.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from rlrec.datasets import FEATURES, Tracks
from rlrec.datasets.reading.columns import RANGES
from rlrec.errors import ConfigError
from rlrec.types import Floats

RATE = 22_050  # samples a second
SECONDS = 6
SLOWEST = 60 / SECONDS  # beats a minute; below, one beat lasts to the end
MOST_BEATS = round(SECONDS * RANGES["tempo"][1] / 60)
LOWEST = 130.8  # Hz, the C below middle C
# by mode, minor and major: semitones of the scale's seven degrees above the key
SCALES = ((0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 5, 7, 9, 11))
# by mode: the roots (degrees) of two minor triads, and of two major ones
CHORDS = (((3, 4), (5, 6)), ((1, 5), (3, 4)))
PARTIALS = np.arange(1, 7)


def track_sound(tracks: Tracks, row: int) -> Floats:
    """`synthesise` for a row of the catalogue; the random draws follow from its id."""
    rng = np.random.default_rng([*str(tracks.ids[row]).encode()])
    return synthesise(tracks.raw[row], rng)


def synthesise(raw: ArrayLike, rng: np.random.Generator) -> Floats:
    """The sound of a track: [SECONDS * RATE] samples between -1 and 1.

    raw: the `FEATURES` [11] in the units of `Tracks.raw`, clipped to their ranges. Key
    -1 (none found) sounds as C. Raises ``ConfigError`` for another shape or nan.
    """
    values = np.asarray(raw, np.float64)
    if values.shape != (len(FEATURES),) or np.isnan(values).any():
        raise ConfigError(
            f"raw has shape {values.shape}; it must be [{len(FEATURES)}], without nan"
        )
    clipped = np.clip(values, *np.transpose(list(RANGES.values())))
    track = dict(zip(FEATURES, clipped.tolist(), strict=True))
    beat = 60 / max(track["tempo"], SLOWEST)
    sound = _strings(track, beat, rng)
    noise = rng.uniform(-1, 1, len(sound))
    _add_drums(sound, track, beat, noise)
    time = np.arange(len(sound)) / RATE
    syllables = np.sin(2 * np.pi * time / beat) ** 2
    sound += (
        4 * track["speechiness"] * syllables * np.convolve(noise, np.ones(6) / 6)[5:]
    )
    late = round(0.18 * RATE)
    sound[late:] += 0.5 * track["liveness"] * sound[:-late]
    sound *= 0.2 * 10 ** (track["loudness"] / 20) / np.sqrt(np.mean(sound**2))
    return np.asarray(np.tanh(sound))


def _strings(track: dict[str, float], beat: float, rng: np.random.Generator) -> Floats:
    """Chords and melody, without drums."""
    # drawn whole, so that a small step in the features changes little
    turns = rng.random(MOST_BEATS)
    others = rng.integers(0, 2, MOST_BEATS)
    melody = 7 + np.cumsum(rng.integers(-2, 3, MOST_BEATS)) % 7
    mode = round(track["mode"])
    key = max(round(track["key"]), 0)
    dark, bright = CHORDS[mode]

    @cache
    def tone(pitch: int) -> Floats:
        return _tone(LOWEST * 2 ** (pitch / 12), beat, track["acousticness"])

    sound = np.zeros(SECONDS * RATE)
    for n, start in enumerate(np.arange(0, SECONDS, beat)):
        other = (bright if turns[n // 4] < track["valence"] else dark)[others[n // 4]]
        root = other if n % 4 >= 2 else 0
        notes = ((root, 1), (root + 2, 1), (root + 4, 1))
        for degree, loud in (*notes, (melody[n], 2 * track["instrumentalness"])):
            octave, step = divmod(int(degree), 7)
            pitch = key + SCALES[mode][step] + 12 * octave
            _add(sound, start, loud * tone(pitch))
    return sound


def _tone(frequency: float, seconds: float, acousticness: float) -> Floats:
    """One note, from a held saw to a soft string that dies away."""
    time = np.arange(round(seconds * RATE)) / RATE
    strength = PARTIALS ** (-1.0 - acousticness)
    waves = np.sin(2 * np.pi * frequency * PARTIALS[:, None] * time)
    edges = np.clip(np.minimum(time, seconds - time) / 0.01, 0, 1)  # no clicks
    fade = np.exp(-time * (2 + 5 * acousticness))
    return np.asarray(strength @ waves * edges * fade)


def _add_drums(
    sound: Floats, track: dict[str, float], beat: float, noise: Floats
) -> None:
    time = np.arange(round(0.2 * RATE)) / RATE
    kick = np.sin(2 * np.pi * (45 * time - 3 * np.exp(-30 * time)))
    kick *= 8 * track["energy"] * np.exp(-12 * time)
    hat = np.diff(noise, prepend=0)[: len(time)] * np.exp(-60 * time)
    hat *= 3 * track["energy"] * track["danceability"]
    for start in np.arange(0, SECONDS, beat):
        _add(sound, start, kick)
        _add(sound, start + beat / 2, hat)


def _add(sound: Floats, start: float, part: Floats) -> None:
    """Add a part from ``start`` (in seconds) on, as far as the sound goes."""
    here = sound[round(start * RATE) :][: len(part)]
    here += part[: len(here)]
