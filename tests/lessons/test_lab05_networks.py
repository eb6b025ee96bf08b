"""Lesson 05: the maximisation bias by closed forms and simulation, pictures, a run."""

import lab05_networks as networks
import numpy as np
import pandas as pd
import pytest
from lab05_networks import max_bias
from lesson_checks import assert_no_tensorflow, words_of
from matplotlib.figure import Figure


@pytest.mark.parametrize(
    ("actions", "expected"),  # known expectations of the largest of n standard normals
    [
        (1, 0.0),
        (2, 1 / np.sqrt(np.pi)),
        (3, 1.5 / np.sqrt(np.pi)),
        (5, 1.16296),
        (10, 1.53875),
        (20, 1.86748),
    ],
)
def test_the_largest_of_unit_normals(actions, expected) -> None:
    found = max_bias(actions, 1.0, 0.0)
    assert found.single == pytest.approx(expected, abs=1e-5)
    assert found.double == 0.0
    assert found.best_probability == pytest.approx(1 / actions)


@pytest.mark.parametrize(
    ("actions", "noise", "gap"),
    [(5, 1.0, 0.0), (5, 1.0, 1.0), (2, 3.0, 0.5), (20, 0.5, 0.25)],
)
def test_the_integrals_agree_with_simulation(actions, noise, gap) -> None:
    rng = np.random.default_rng(3)
    size = 200_000
    true = np.r_[gap, np.zeros(actions - 1)]
    first, second = true + noise * rng.standard_normal((2, size, actions))
    picked = first.argmax(axis=1)
    found = max_bias(actions, noise, gap)
    error = 5 * noise / np.sqrt(size)
    assert found.single == pytest.approx(first.max(axis=1).mean(), abs=error)
    evaluated = second[np.arange(size), picked]
    assert found.double == pytest.approx(evaluated.mean(), abs=error)
    assert found.best_probability == pytest.approx((picked == 0).mean(), abs=0.006)


def test_bias_scales_with_noise_and_ends_without_it() -> None:
    unit = max_bias(5, 1.0, 0.0)
    assert max_bias(5, 2.0, 0.0).single == pytest.approx(2 * unit.single)
    still = max_bias(5, 0.0, 1.5)
    assert (still.single, still.double, still.best_probability) == (1.5, 1.5, 1.0)
    assert max_bias(4, 0.0, 0.0).best_probability == 0.25
    clear = max_bias(5, 0.25, 3.0)
    assert clear.single == pytest.approx(3.0, abs=1e-6)
    assert clear.double == pytest.approx(3.0, abs=1e-6)


def test_two_tables_never_claim_too_much_and_one_never_too_little() -> None:
    for actions in (2, 7, 20):
        for noise in (0.25, 1.0, 3.0):
            for gap in (0.0, 0.5, 3.0):
                found = max_bias(actions, noise, gap)
                assert found.single >= gap - 1e-9
                assert -1e-9 <= found.double <= gap + 1e-9


def test_the_draws_are_what_the_integrals_average() -> None:
    one, two = networks.draws(5, 1.0, 0.5)
    found = max_bias(5, 1.0, 0.5)
    assert one.shape == two.shape == (networks.DRAWS,)
    assert one.mean() == pytest.approx(found.single, abs=0.05)
    assert two.mean() == pytest.approx(found.double, abs=0.06)


def test_the_widget_starts_at_the_lessons_number_and_follows_its_controls() -> None:
    lab = networks.max_bias_lab()
    assert "<b>1.163</b> (bias +1.163)" in lab.line.value
    assert "<b>0.000</b> (bias +0.000)" in lab.line.value
    before = lab.picture.value
    lab.controls["gap"].set_state({"value": 1.0})
    assert "(bias -0.506)" in lab.line.value
    assert lab.picture.value != before
    assert lab.set(gap=0.0, actions=10).single == pytest.approx(1.539, abs=5e-4)
    assert lab.set(noise=0.0).single == 0.0


def test_the_picture_marks_truth_and_means_and_keeps_its_limits() -> None:
    limits = set()
    for found in (max_bias(5, 1.0, 0.0), max_bias(20, 3.0, 3.0), max_bias(2, 0.0, 0.0)):
        figure = Figure()
        networks.draw_max_bias(figure, found)
        left, right = figure.axes
        places = [line.get_xdata()[0] for line in left.lines]
        assert places == pytest.approx([found.gap, found.single, found.double])
        one, two = right.lines[1:4:2]  # the points on both curves
        assert one.get_xydata().tolist() == [[found.actions, found.single - found.gap]]
        assert two.get_xydata().tolist() == [[found.actions, found.double - found.gap]]
        limits.add((*left.axis(), *right.axis()))
    assert len(limits) == 1


def test_the_story_counts_rows() -> None:
    assert list(networks.rows_needed().values()) == [5, 125, 9_765_625, 2000**10]


def test_the_story_draws_its_boxes() -> None:
    figure = Figure()
    networks.draw_story(figure)
    assert set(words_of(figure)) >= {box[0] for box in networks.BOXES.values()}


def test_the_stored_run_says_where_it_comes_from() -> None:
    stored = networks.STORED
    assert all(stored[name] for name in ("steps", "seeds", "device", "date", "command"))
    runs = pd.DataFrame(stored["songs_heard"], stored["seeds"])  # equal lengths
    assert {"random", "greedy", "popularity", "oracle"} <= set(runs)
    assert {"dqn", "dqn, discount 0", "dqn, no target network"} <= set(runs)
    assert ((runs > 0) & (runs < 20)).all(axis=None)


def test_no_tensorflow_for_pictures() -> None:
    assert_no_tensorflow("import lab05_networks")
