"""Lesson 00: expected returns by hand and by simulation, the widget, the pictures."""

import io

import lab00_first_taste as lab00
import numpy as np
import pytest
from lab00_first_taste import best_evening, evening_return, taste
from lesson_checks import words
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image

from rlrec.agents import QLearning, TablePolicy
from rlrec.agents.qlearning import TrainingLog
from rlrec.envs import GENRES, PROFILES, GenreBatch, GenreModel
from rlrec.evaluation import simulate

POP = 0
ROCK = 1
JAZZ = 2


def always(action):
    return np.eye(5)[[action] * 5]


def test_equals_share_a_greedy_row():
    table = np.array(
        [[[1.0, 1.0, 0.0], [0.0, 0.0, 2.0]], [[0.0, 0.0, 0.0], [5.0, 1.0, 4.0]]]
    )
    expected = [[[0.5, 0.5, 0], [0, 0, 1]], [[1 / 3] * 3, [1, 0, 0]]]
    np.testing.assert_allclose(lab00.greedy_policy(table), expected)


def test_an_evening_by_hand():
    noor = PROFILES["pop_lover"].model()
    assert evening_return(noor, always(POP)) == pytest.approx(20 * 8.9)
    assert evening_return(noor, np.full((5, 5), 0.2)) == pytest.approx(
        20 * (8.9 + 0 - 1.2 - 1.6 - 0.5) / 5
    )
    assert best_evening(noor) == pytest.approx(178)


def test_boredom_counts_from_the_second_song_in_a_row():
    lena = PROFILES["variety_seeker"].model()
    # jazz 20 times: 19 songs bore, and the first one if jazz was on (1 evening in 5)
    first = 0.8 * 4 - 0.2
    again = 0.16 * 4 - 0.84
    assert evening_return(lena, always(JAZZ)) == pytest.approx(
        0.8 * first + 0.2 * again + 19 * again
    )
    assert best_evening(lena) == pytest.approx(10 * (3.0 + 1.4))


def test_an_evening_ends_when_the_listener_leaves():
    model = GenreModel(np.array([[2.0]]), np.array([[0.5]]))
    assert evening_return(model, np.ones((1, 1)), songs=3) == pytest.approx(
        2 * (1 + 0.5 + 0.25)
    )
    assert best_evening(model, songs=3) == pytest.approx(3.5)


@pytest.mark.parametrize("user", ["rock_fan", "variety_seeker"])
def test_simulated_evenings_agree_with_the_computed_one(user):
    model = PROFILES[user].model()
    table = np.random.default_rng(3).random((5, 5))
    played = simulate(GenreBatch(8000, user=user), TablePolicy(table), seed=5)
    error = played.std() / np.sqrt(len(played))
    expected = evening_return(model, lab00.greedy_policy(table))
    assert played.mean() == pytest.approx(expected, abs=4 * error)


def test_no_training_is_random_and_training_nears_the_optimum():
    before = taste("pop_lover", 0)
    after = taste("pop_lover", 30)
    np.testing.assert_allclose(before.returns, before.random)
    np.testing.assert_allclose(before.shares, 0.2)
    assert after.returns.mean() > 0.98 * after.best == pytest.approx(0.98 * 178)
    np.testing.assert_allclose(after.shares[:, POP], 1.0, atol=0.051)


def test_the_variety_seeker_gets_no_jazz_after_jazz():
    result = taste("variety_seeker", 30)
    assert result.shares[JAZZ, JAZZ] == 0
    assert result.shares[ROCK].argmax() == JAZZ
    np.testing.assert_allclose(result.shares.sum(axis=1), 1.0)
    assert result.random < result.returns.mean() < result.best


def test_tables_are_those_of_the_library_after_each_evening():
    tables = lab00.tables_by_evening("headliner")
    assert tables.shape == (31, 20, 5, 5)
    agent = QLearning(5, 5, n_runs=20, rng=np.random.default_rng(0))
    env = GenreBatch(20, user="headliner")
    for evening in range(2):
        agent.train(env, 20, seed=evening * 20)
        np.testing.assert_array_equal(tables[evening + 1], agent.table)
    # no step is lost to the start of an evening
    assert agent.visits.sum() == 2 * 20 * 20


def test_favourites_are_means_of_what_was_learned_from():
    log = TrainingLog(
        rewards=np.array([[10.0, 1], [-1, 2], [99, 3], [3, 4]]),
        actions=np.array([[0, 1], [0, 1], [0, 1], [2, 1]]),
        epsilon=np.zeros(4),
        learned=np.array([[True, True], [True, True], [False, True], [True, True]]),
    )
    np.testing.assert_allclose(lab00.favourites(log, 3), [[4.5, 0, 3], [0, 2.5, 0]])


def test_the_widget_shows_what_was_chosen():
    lab = lab00.first_taste_lab()
    assert "anything" in lab.line.value
    start = lab.picture.value
    result = lab.set(user="pop_lover", evenings=30)
    assert f"{result.returns.mean():.1f}" in lab.line.value
    assert "Pop (20 of 20 agents)" in lab.line.value
    assert lab.picture.value != start
    assert Image.open(io.BytesIO(lab.picture.value)).size == (800, 320)
    noor = lab.picture.value
    assert lab.set(user="rock_fan").best == pytest.approx(
        best_evening(PROFILES["rock_fan"].model())
    )
    assert lab.picture.value != noor
    with pytest.raises(ValueError, match="outside"):
        lab.set(evenings=31)


@pytest.mark.parametrize("user", ["calm_worker", "generic"])
def test_bars_have_the_height_of_their_numbers(user):
    figure = Figure()
    result = taste(user, 1)
    lab00.draw_taste(figure, result)
    shares, bars = figure.axes
    heights = [result.random, result.returns.mean(), result.best]
    assert [bar.get_height() for bar in bars.patches] == pytest.approx(heights)
    low, high = bars.get_ylim()
    assert low < min(result.random, 0.0) <= max(result.best, 0.0) < high
    assert words(bars.texts)[0] == f"{result.random:.1f}"
    percents = [float(word.rstrip("%")) for word in words(shares.texts)]
    assert sum(percents) == pytest.approx(500, abs=25 * 0.5)
    assert tuple(words(shares.get_xticklabels())) == GENRES


def test_the_map_names_seventeen_lessons():
    figure = Figure()
    lab00.draw_map(figure)
    (ax,) = figure.axes
    numbers = [word for word in words(ax.texts) if word.isdigit()]
    assert numbers == [f"{number:02d}" for number in range(17)]
    boxes = [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    assert len(boxes) == 17


def test_the_readme_compares_with_the_truth():
    table, returns = lab00.compare_policies("variety_seeker", seeds=8, sessions=400)
    model = PROFILES["variety_seeker"].model()
    random = evening_return(model, np.full((5, 5), 0.2))
    oracle = returns["oracle"].mean()
    assert returns["random"].mean() == pytest.approx(random, abs=1.0)
    assert oracle == pytest.approx(44.0, abs=1.0)
    assert returns["one favourite"].mean() < random
    assert random < returns["q-learning"].mean() <= oracle + 0.1
    assert table.shape == (5, 5)
    assert table[JAZZ].argmax() != JAZZ


def test_the_readme_prints_each_bar(monkeypatch):
    table = np.arange(25.0).reshape(5, 5)
    returns = np.arange(5.0)[:, None] + [0.0, 2.0]  # [policies, seeds]
    fake = dict(zip(lab00.README_LABELS, returns, strict=True))
    monkeypatch.setattr(lab00, "compare_policies", lambda user: (table, fake))
    figure = Figure()
    lab00.draw_readme(figure)
    left, right = figure.axes
    assert [bar.get_width() for bar in right.patches] == pytest.approx([1, 2, 3, 4, 5])
    assert words(right.texts) == ["1.0", "2.0", "3.0", "4.0", "5.0"]
    assert words(right.get_yticklabels()) == list(lab00.README_LABELS.values())
    # t(1 degree of freedom, .975) x standard deviation sqrt(2) / sqrt(2)
    half = 12.706205
    for mean, line in zip((1, 2), right.lines[:2], strict=True):
        assert line.get_xdata() == pytest.approx([mean - half, mean + half], rel=1e-6)
    for frame in left.patches:  # the best of each row
        assert round(frame.get_x()) == 4
    assert len(left.patches) == 5
