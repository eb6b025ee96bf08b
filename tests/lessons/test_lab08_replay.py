"""Lesson 08: numbers, widget and pictures, by hand and by brute force."""

from collections import Counter
from itertools import product
from typing import Any

import lab08_replay as lab08
import numpy as np
import pytest
from lesson_checks import defined, words
from matplotlib.figure import Figure

from rlrec.agents.replay import PrioritisedReplay, PriorityConfig, SumTree


def test_the_lessons_numbers() -> None:
    probabilities, weights = lab08.probabilities_and_weights([1, -2, 4], 0.6, 0.4)
    np.testing.assert_allclose(probabilities, [0.208, 0.315, 0.477], atol=5e-4)
    np.testing.assert_allclose(weights, [1, 0.847, 0.717], atol=5e-4)


@pytest.mark.parametrize("memory", list(lab08.MEMORIES))
def test_the_widget_draws_what_the_formulas_say(memory) -> None:
    found = lab08.draw_songs(memory, alpha=0.7, beta=0.3, draws=2000)
    assert found.counts.sum() == 2000
    np.testing.assert_allclose(found.counts / 2000, found.probabilities, atol=0.03)
    config = PriorityConfig(alpha=0.7, smallest=1e-12)
    replay = PrioritisedReplay(len(found.errors), {"song": ((), np.int64)}, config)
    replay.update(replay.add(song=np.arange(len(found.errors))), found.errors)
    sample = replay.sample(1, 200, np.random.default_rng(0), beta=0.3)
    np.testing.assert_allclose(sample.weights, found.weights[sample.places], rtol=1e-5)


def test_the_answers_to_the_questions() -> None:
    lab = lab08.draws_lab()
    assert "P <b>0.477</b>, weight <b>0.717</b>" in lab.line.value
    even = lab.set(alpha=0.0, beta=1.0)
    np.testing.assert_allclose([even.probabilities * 3, even.weights, even.pull], 1.0)
    # all alike, and shorter than in uniform replay: 3 P w = 3 times the smallest P
    np.testing.assert_allclose(lab.set(alpha=1.0).pull, 3 / 7)
    before = lab.set(alpha=0.6, beta=0.0)
    after = lab.set(beta=1.0)
    np.testing.assert_array_equal(before.counts, after.counts)


def test_the_picture_carries_draws_weights_and_pull() -> None:
    figure = Figure()
    found = lab08.draw_songs("three songs: 1, 2, 4", 0.6, 0.4, 500)
    lab08.draws_picture(figure, found)
    left, right = figure.axes
    np.testing.assert_allclose(heights(left), found.counts / 500)
    np.testing.assert_allclose(heights(right), [*found.weights, *found.pull])


def heights(ax):
    return [bar.get_height() for bar in ax.patches]


@pytest.mark.parametrize("memory", lab08.MEMORIES)
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_no_bar_leaves_the_picture(memory, alpha) -> None:
    figure = Figure()
    lab08.draws_picture(figure, lab08.draw_songs(memory, alpha, beta=0.0, draws=20))
    for ax in figure.axes:
        assert max(heights(ax)) <= ax.get_ylim()[1]


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    """What the lesson's own cells define."""
    start = ("def probabilities_and_weights", "SONG =")
    return defined("08", *start, "def vera_log", "def one_song", "def replay_songs")


@pytest.mark.parametrize("length", [1, 3, 5])
def test_the_log_holds_every_evening_once(notebook, length) -> None:
    expected = []
    for choices in product((0, 1), repeat=length):
        for song, action in enumerate(choices):
            last = song == length - 1
            ended = bool(action == 0 or last)
            expected.append((song, action, float(action and last), ended))
            if not action:
                break
    log = notebook["vera_log"](length)
    columns = log[["state", "action", "reward", "terminated"]]
    rows = list(columns.itertuples(index=False, name=None))
    assert len(rows) == 2 ** (length + 1) - 2
    # an evening that ends early is the same for all later choices: it counts for each
    assert Counter(rows) == Counter(expected)
    assert log["reward"].sum() == 1


def test_plays_of_a_coin_are_worth_nothing_on_average(notebook) -> None:
    log = notebook["vera_log"](3, coins=10)
    assert (len(log), log["reward"][14:].sum()) == (24, 0)
    assert log["terminated"][14:].all()
    assert (log["state"][14:] == 3).all()


def test_a_draw_is_learned_by_hand(notebook) -> None:
    table = np.array([[0.0, 1.0], [0.2, 0.0]])
    log = [(0, 1, 10.0, 1, False)]
    found = notebook["learn"](table, log, [0], [0.5], discount=0.9, rate=0.2)
    np.testing.assert_allclose(found, [9.18])
    assert table[0, 1] == pytest.approx(1.918)  # step .2 times weight .5


def test_prioritised_needs_fewer_updates(notebook) -> None:
    def mean_updates(replay):
        return np.mean([notebook["updates_needed"](6, replay, i) for i in range(5)])

    assert mean_updates("prioritised") < mean_updates("uniform") / 2


@pytest.mark.parametrize(
    ("alpha", "beta", "value"),
    [(0, 0, 0.5), (1, 0, 0.732), (0.6, 0, 0.670), (0.6, 0.4, 0.617), (1, 1, 0.5)],
)
def test_the_bias_is_where_the_formula_says(notebook, alpha, beta, value) -> None:
    s = 1 + alpha * (1 - beta)
    assert 2 / (1 + 3 ** (1 / s)) == pytest.approx(value, abs=5e-4)
    config = PriorityConfig(alpha=alpha, beta_start=beta, beta_end=beta)
    found = [notebook["one_song"](config, seed)[-100:] for seed in range(10)]
    assert np.mean(found) == pytest.approx(value, abs=0.02)


def test_a_target_for_a_priority_never_lets_go(notebook) -> None:
    wrong = notebook["replay_songs"](lambda target, value: target, 0)
    right = notebook["replay_songs"](lambda target, value: target - value, 0)
    assert wrong.drawn.sum() == right.drawn.sum() == 480
    assert wrong.drawn[30:].sum() < 0.1 * 480 < 0.25 * right.drawn[30:].sum() * 4
    assert wrong.value[30:].mean() > 0.5
    assert right.value[30:].mean() < 0.01
    assert (np.argsort(-wrong.priority.to_numpy())[:10] < 30).all()


def test_the_trees_numbers_are_those_of_the_lessons_tree() -> None:
    tree = SumTree(4)
    tree.set(np.arange(4), [1.0, 2.0, 4.0, 1.0])
    said = [node[0] for node in lab08.NODES.values()]
    written = [float(lines.split("\n")[0]) for lines in said]
    assert written == tree.nodes[1:].tolist()
    assert (tree.find(np.array([2.9, 3.5])) == [1, 2]).all()
    figure = Figure()
    lab08.draw_tree(figure)
    assert set(words(figure.axes[0].texts)) >= {
        said for said, *_ in lab08.NODES.values()
    }


def test_the_story_shows_one_like() -> None:
    figure = Figure()
    lab08.draw_story(figure)
    colours = figure.axes[1].collections[0].get_facecolors()
    assert len(colours) == 62
    assert len(np.unique(colours[:-1], axis=0)) == 1
    assert (colours[-1] != colours[0]).any()
