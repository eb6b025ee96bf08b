"""Plots draw what they are given; figures on disk are those that the code draws."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import figures
from rlrec.viz import plots

FOLDER = Path(__file__).resolve().parents[2] / "figures"


@pytest.fixture
def ax():
    return Figure().subplots()


def test_curves_show_mean_and_interval(ax):
    plots.mean_band(ax, [0, 1], [[1.0, 2.0], [3.0, 6.0], [2.0, 4.0]])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [2.0, 4.0])
    band = ax.collections[0].get_paths()[0].vertices
    # t(2 degrees of freedom, .975) x standard deviation 1 / sqrt(3); right twice that
    half = 4.302653 / 3**0.5
    for x, ends in ((0, (2 - half, 2 + half)), (1, (4 - 2 * half, 4 + 2 * half))):
        at = band[band[:, 0] == x, 1]
        np.testing.assert_allclose((at.min(), at.max()), ends, rtol=1e-6)


@pytest.mark.parametrize("name", figures.all_figures())
def test_stored_figures_are_those_the_code_draws(name, tmp_path):
    draw, size = figures.all_figures()[name]
    figures.render(draw, size, tmp_path / name)
    stored, drawn = (
        np.asarray(Image.open(folder / name).convert("RGB"), int)
        for folder in (FOLDER, tmp_path)
    )
    assert stored.shape == drawn.shape, "run: make figures"
    assert (np.abs(stored - drawn).max(axis=-1) > 64).mean() < 0.02, "run: make figures"


def test_no_picture_without_a_command():
    drawn = {*figures.all_figures(), "site_listener.png"}  # this: make screenshots
    assert {path.name for path in FOLDER.glob("*.png")} == drawn, "run: make figures"
