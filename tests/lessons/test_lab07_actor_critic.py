"""Lesson 07's widget, the critic that flatters, and its pictures."""

import lab07_actor_critic as lab07
import numpy as np
import pytest
from lab07_actor_critic import ONE_HILL, TWO_HILLS, climb, hill_slope
from lesson_checks import words_of
from matplotlib.figure import Figure


def test_the_lessons_numbers() -> None:
    assert hill_slope(0.2) == pytest.approx(0.8)
    assert hill_slope(0.9) == pytest.approx(-0.6)
    found = climb(0.2, 0.9, learning_rate=0.1, steps=10)
    assert found.own[-1] == pytest.approx(0.6 - 0.4 * 0.8**10)
    assert found.wrong.tolist()[:3] == pytest.approx([0.2, 0.14, 0.08])
    assert found.wrong[-1] == 0.0  # the dial's end
    songs, action = lab07.five_songs()
    assert (songs @ action).tolist() == pytest.approx([0.6, 1.0, 0.8, 1.2, 0.2])


@pytest.mark.parametrize("shape", [ONE_HILL, TWO_HILLS])
def test_slopes_are_the_derivatives_of_the_hills(shape: str) -> None:
    value, slope = lab07.HILLS[shape]
    at = np.linspace(0, 1, 50)
    step = 1e-6
    difference = (value(at + step) - value(at - step)) / (2 * step)
    np.testing.assert_allclose(slope(at), difference, atol=1e-6)


def test_the_nearer_hill_is_climbed() -> None:
    near = climb(0.2, 0.9, 0.05, 60, TWO_HILLS).own[-1]
    far = climb(0.6, 0.9, 0.05, 60, TWO_HILLS).own[-1]
    assert (near, far) == pytest.approx((0.15, 0.85), abs=0.01)
    assert lab07.two_hills(near) < lab07.two_hills(far)


def test_the_widget_follows_its_controls() -> None:
    lab = lab07.climb_lab()
    assert "own slope <b>0.557</b>" in lab.line.value
    before = lab.picture.value
    assert lab.set(learning_rate=0.5, steps=1).own[-1] == pytest.approx(0.6)
    own = lab.set(learning_rate=1.0, steps=2).own
    assert own == pytest.approx([0.2, 1.0, 0.2])
    assert lab.set(replayed=0.6).wrong[-1] == pytest.approx(0.2)
    assert lab.picture.value != before


def test_a_flat_tangent_is_drawn_too() -> None:
    for action, replayed in ((0.6, 0.6), (0.0, 1.0)):
        lab07.draw_climb(Figure(), climb(action, replayed, 0.1, 1))


def test_the_climbed_critic_flatters_and_the_smaller_one_is_careful() -> None:
    found = lab07.flattery(0.1)
    error = found.other.std() / np.sqrt(len(found.other))
    assert found.one.mean() > 0.08
    assert abs(found.other.mean()) < 4 * error
    assert found.smaller.mean() < 0
    assert (found.smaller <= found.one + 1e-12).all()
    assert found.lost.min() >= 0
    assert lab07.flattery(0.0).one == pytest.approx(0.0)


def test_the_story_carries_its_numbers() -> None:
    lab07.draw_story(figure := Figure())
    shown = words_of(figure)
    assert {"1. D: 1.2", "2. B: 1.0", "3. C: 0.8"} <= set(shown)
    assert "+.8" in " ".join(shown)
    assert "−.6" in " ".join(shown)
