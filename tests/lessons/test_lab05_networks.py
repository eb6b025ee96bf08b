"""Lesson 05's widget, picture and stored run: closed forms, simulation as a second opinion."""

import subprocess
import sys
from pathlib import Path

import lab05_networks as networks
import numpy as np
import pytest
from lab05_networks import max_bias
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
    rng, size = np.random.default_rng(3), 200_000
    true = np.r_[gap, np.zeros(actions - 1)]
    first, second = true + noise * rng.standard_normal((2, size, actions))
    picked = first.argmax(axis=1)
    found, error = max_bias(actions, noise, gap), 5 * noise / np.sqrt(size)
    assert found.single == pytest.approx(first.max(axis=1).mean(), abs=error)
    assert found.double == pytest.approx(
        second[np.arange(size), picked].mean(), abs=error
    )
    assert found.best_probability == pytest.approx((picked == 0).mean(), abs=0.006)


def test_bias_scales_with_noise_and_ends_without_it() -> None:
    assert max_bias(5, 2.0, 0.0).single == pytest.approx(
        2 * max_bias(5, 1.0, 0.0).single
    )
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
        points = {
            tuple(line.get_xydata()[0])
            for line in right.lines
            if len(line.get_xdata()) == 1
        }
        assert points == {
            (found.actions, found.single - found.gap),
            (found.actions, found.double - found.gap),
        }
        limits.add(
            (left.get_xlim(), left.get_ylim(), right.get_xlim(), right.get_ylim())
        )
    assert len(limits) == 1


def test_the_story_counts_rows() -> None:
    assert list(networks.rows_needed().values()) == [5, 125, 9_765_625, 2000**10]
    figure = Figure()
    networks.draw_story(figure)
    words = {text.get_text() for ax in figure.axes for text in ax.texts}
    assert {
        "5 rows",
        "125 rows",
        "9,765,625 rows",
        "$10^{33}$ rows",
        "one value\nan item",
    } <= words


def test_the_stored_run_says_where_it_comes_from() -> None:
    stored = networks.STORED
    assert all(stored[name] for name in ("steps", "seeds", "device", "date", "command"))
    runs = stored["songs_heard"]
    assert {
        "random",
        "greedy",
        "popularity",
        "dqn",
        "dqn, discount 0",
        "dqn, no target network",
        "oracle",
    } <= set(runs)
    assert {len(values) for values in runs.values()} == {len(stored["seeds"])}
    assert all(0 < value < 20 for values in runs.values() for value in values)


def test_no_tensorflow_for_pictures() -> None:
    program = "import sys, lab05_networks; print('tensorflow' in sys.modules)"
    folder = Path(networks.__file__).parent
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True
    )
    assert run.stdout == "False\n"
