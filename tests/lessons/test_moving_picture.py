"""The README's moving picture shows what its caption says."""

from pathlib import Path

import numpy as np
import pytest
from lab04_reward_lab import own_rewards, reward_view
from moving_picture import LISTENER, MOVED, REWARDS, UP, frame, sweep_train
from PIL import Image

STORED = Path(__file__).resolve().parents[2] / "figures" / "readme.gif"


def evening(reward):
    likes = own_rewards(LISTENER) | {MOVED.lower(): reward}
    return reward_view(sweep_train, LISTENER, **likes).learned_songs


def test_a_higher_reward_of_hiphop_shortens_the_evening_from_19_songs_to_3():
    paid_alike, paid_more = evening(UP[0]), evening(UP[-1])
    assert paid_alike.sum().round() == 19
    assert paid_more.sum().round() == 3
    assert paid_alike.argmax() == 1  # Rock
    assert paid_more.argmax() == 4  # HipHop


def test_the_stored_picture_has_every_frame():
    with Image.open(STORED) as stored:
        assert stored.n_frames == len(REWARDS)


@pytest.mark.parametrize("place", [0, len(UP) - 1])
def test_the_stored_picture_is_the_one_drawn(place):
    with Image.open(STORED) as stored:
        stored.seek(place)
        kept = np.asarray(stored.convert("RGB")).astype(int)
    drawn = np.asarray(frame(REWARDS[place])).astype(int)
    assert drawn.shape == kept.shape
    assert (np.abs(drawn - kept).max(axis=2) > 64).mean() < 0.005
