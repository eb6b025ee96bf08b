"""Lesson 02: the update by hand and by the library, the widget, the pictures."""

import lab02_td_update as td_update
import numpy as np
import pytest
from lab02_td_update import GOES_ON, LEAVES, TIME_UP, one_update
from lesson_checks import words_of
from matplotlib.figure import Figure

from rlrec.agents import QLearning, QLearningConfig

STORY = one_update(1.0, 10.0, 0.2, discount=0.9, learning_rate=0.1)


@pytest.mark.parametrize(
    ("ending", "target", "new_value"),
    [(GOES_ON, 10.18, 1.918), (LEAVES, 10.0, 1.9), (TIME_UP, 10.18, 1.918)],
)
def test_the_lessons_numbers(ending, target, new_value) -> None:
    update = one_update(1.0, 10.0, 0.2, discount=0.9, learning_rate=0.1, ending=ending)
    assert update.target == pytest.approx(target)
    assert update.td_error == pytest.approx(target - 1.0)
    assert update.new_value == pytest.approx(new_value)


def test_agrees_with_the_library_on_random_numbers() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        old, reward, following = rng.normal(0, 5, 3)
        rate = rng.uniform(0.01, 1)
        discount = rng.uniform(0, 0.99)
        left = bool(rng.random() < 0.3)
        agent = QLearning(2, 1, QLearningConfig(learning_rate=rate, discount=discount))
        agent.table[0, :, 0] = old, following
        theirs = agent.update(0, 0, reward, 1, terminated=left)
        ours = one_update(
            old, reward, following, discount, rate, LEAVES if left else GOES_ON
        )
        numbers = (ours.old_value, ours.target, ours.td_error, ours.new_value)
        np.testing.assert_allclose(numbers, theirs, rtol=1e-12, atol=1e-12)


def test_an_unknown_ending_is_refused() -> None:
    with pytest.raises(ValueError, match=r"goes on, listener leaves \(terminated\)"):
        one_update(1.0, 10.0, 0.2, 0.9, 0.1, "terminal")


def test_equations_show_every_number() -> None:
    lines = td_update.equations(STORY).split("<br>")
    assert lines[0].endswith("= 10 + 0.9 &times; 0.2 = <b>10.18</b>")
    assert lines[1].endswith("= 10.18 &minus; 1 = <b>9.18</b>")
    assert lines[2].endswith("= 1 + 0.1 &times; 9.18 = <b>1.918</b>")
    left = one_update(3.0, -2.0, 5.0, 0.5, 0.5, LEAVES)
    sad = td_update.equations(left).split("<br>")
    assert sad[0].endswith("= (-2) + 0 = <b>(-2)</b>")
    assert sad[2].endswith("= 3 + 0.5 &times; (-5) = <b>0.5</b>")


def test_the_picture_carries_the_equation_for_pages_without_a_kernel() -> None:
    figure = Figure()
    td_update.draw_update(figure, STORY)
    assert figure.axes[0].get_title() == "new = 1 + 0.1 × (10 + 0.9 × 0.2 − 1) = 1.918"
    left = one_update(1.0, 10.0, 0.2, 0.9, 0.1, LEAVES)
    assert td_update.one_line(left) == "new = 1 + 0.1 × (10 − 1) = 1.9"


def test_the_widget_starts_at_the_lessons_numbers_and_follows_its_controls() -> None:
    lab = td_update.update_lab()
    assert "<b>1.918</b>" in lab.line.value
    before = lab.picture.value
    lab.controls["ending"].set_state({"index": 1})
    assert "<b>1.9</b>" in lab.line.value
    assert lab.picture.value != before
    lab.controls["ending"].set_state({"index": 2})
    assert lab.picture.value == before
    lab.controls["learning_rate"].set_state({"value": 1.0})
    assert "<b>10.18</b>" in lab.line.value.split("<br>")[2]
    assert lab.set(old_value=12.0, learning_rate=0.1).new_value == pytest.approx(11.818)
    assert lab.set(discount=0.0, best_next=-5.0).target == 10.0


@pytest.mark.parametrize(
    "number", [(1.0, 10.0, 0.2), (12.0, -5.0, -5.0), (0.0, 0.0, 0.0)]
)
def test_the_picture_holds_the_bars_and_the_arrow(number) -> None:
    update = one_update(*number, discount=0.9, learning_rate=0.1)
    ax = Figure().subplots()
    td_update.draw_step(ax, update)
    reward, future = ax.patches[:2]
    assert (reward.get_x(), reward.get_width()) == (0, update.reward)
    assert future.get_x() + future.get_width() == pytest.approx(update.target)
    arrow = next(text for text in ax.texts if text.get_text() == "")
    assert (arrow.xyann[0], arrow.xy[0]) == (update.old_value, update.new_value)
    low, high = ax.get_xlim()
    places = (0, update.reward, update.target, update.old_value, update.new_value)
    assert low < min(places) <= max(places) < high


def test_the_story_shows_the_storys_table() -> None:
    table = td_update.story_table()
    assert (table[1, 0], table[0, 0], np.abs(table).sum()) == (1.0, 0.2, 1.2)
    figure = Figure()
    td_update.draw_story(figure)
    shown = words_of(figure)
    assert shown[:6] == ["0.2", "0.0", "0.0", "0.0", "0.0", "1.0"]
    assert {"old 1", "new 1.918", "target 10.18"} <= set(shown)
