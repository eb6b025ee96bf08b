"""Lesson 08's numbers, widget and pictures: by hand, by brute force, and the library as a second opinion."""

from itertools import product

import lab08_replay as lab08
import numpy as np
import pytest
from matplotlib.figure import Figure

from rlrec.agents.replay import PrioritisedReplay, PriorityConfig, Sample, SumTree


def test_the_lessons_numbers() -> None:
    chances, weights = lab08.chances_and_weights([1, -2, 4], 0.6, 0.4)
    np.testing.assert_allclose(chances, [0.208, 0.315, 0.477], atol=5e-4)
    np.testing.assert_allclose(weights, [1, 0.847, 0.717], atol=5e-4)


@pytest.mark.parametrize("memory", list(lab08.MEMORIES))
def test_the_widget_draws_what_the_formulas_say(memory) -> None:
    found = lab08.draw_songs(memory, alpha=0.7, beta=0.3, draws=2000)
    assert found.counts.sum() == 2000
    np.testing.assert_allclose(found.counts / 2000, found.chances, atol=0.03)
    replay = PrioritisedReplay(
        len(found.errors),
        {"song": ((), np.int64)},
        PriorityConfig(alpha=0.7, smallest=1e-12),
    )
    replay.update(replay.add(song=np.arange(len(found.errors))), found.errors)
    sample = replay.sample(1, 200, np.random.default_rng(0), beta=0.3)
    np.testing.assert_allclose(sample.weights, found.weights[sample.places], rtol=1e-5)


def test_the_answers_to_the_questions() -> None:
    lab = lab08.draws_lab()
    assert "P <b>0.477</b>, weight <b>0.717</b>" in lab.line.value
    even = lab.set(alpha=0.0, beta=1.0)
    np.testing.assert_allclose([even.chances * 3, even.weights, even.pull], 1.0)
    np.testing.assert_allclose(lab.set(alpha=1.0).pull, 1.0)
    before, after = lab.set(alpha=0.6, beta=0.0), lab.set(beta=1.0)
    np.testing.assert_array_equal(before.counts, after.counts)


def test_the_picture_carries_draws_weights_and_pull() -> None:
    figure, found = Figure(), lab08.draw_songs("three songs: 1, 2, 4", 0.6, 0.4, 500)
    lab08.draws_picture(figure, found)
    left, right = figure.axes
    np.testing.assert_allclose(
        [bar.get_height() for bar in left.patches], found.counts / 500
    )
    np.testing.assert_allclose(
        [bar.get_height() for bar in right.patches], [*found.weights, *found.pull]
    )


@pytest.mark.parametrize(
    "settings",
    [(name, alpha) for name in lab08.MEMORIES for alpha in (0.0, 1.0)],
    ids=lambda given: str(given),
)
def test_no_bar_leaves_the_picture(settings) -> None:
    figure = Figure()
    lab08.draws_picture(figure, lab08.draw_songs(*settings, beta=0.0, draws=20))
    for ax in figure.axes:
        assert max(bar.get_height() for bar in ax.patches) <= ax.get_ylim()[1]


@pytest.mark.parametrize("length", [1, 3, 5])
def test_the_log_holds_every_evening_once(length) -> None:
    expected = []
    for choices in product((0, 1), repeat=length):
        for song, action in enumerate(choices):
            last = song == length - 1
            expected.append(
                (song, action, float(action and last), bool(action == 0 or last))
            )
            if not action:
                break
    # an evening that ends early is the same for all later choices: count it once for each of them
    weight = {row: expected.count(row) for row in expected}
    log = lab08.chain_log(length)
    rows = list(
        zip(log["state"], log["action"], log["reward"], log["terminated"], strict=True)
    )
    assert len(rows) == 2 ** (length + 1) - 2
    assert {row: rows.count(row) for row in weight} == weight
    assert log["reward"].sum() == 1


def test_fickle_plays_are_worth_nothing_on_average() -> None:
    log = lab08.chain_log(3, fickle=10)
    assert (len(log["state"]), log["reward"][14:].sum()) == (24, 0)
    assert log["terminated"][14:].all()
    assert (log["state"][14:] == 3).all()


def test_the_true_values_are_where_learning_stands_still() -> None:
    log, table = lab08.chain_log(4), np.zeros((5, 2))
    table[:4] = lab08.chain_values(4)
    everything = Sample(
        {k: v[None] for k, v in log.items()},
        np.arange(30)[None],
        np.ones((1, 30), np.float32),
    )
    np.testing.assert_allclose(
        lab08.learn_draws(table, everything, 0.75, 0.25), 0.0, atol=1e-12
    )


def test_a_draw_is_learned_by_hand() -> None:
    table = np.array([[0.0, 1.0], [0.2, 0.0]])
    data = {
        "state": [0],
        "action": [1],
        "reward": [10.0],
        "next_state": [1],
        "terminated": [False],
    }
    sample = Sample(
        {k: np.array([v]) for k, v in data.items()},
        np.zeros((1, 1), int),
        np.array([[0.5]], np.float32),
    )
    np.testing.assert_allclose(lab08.learn_draws(table, sample, 0.9, 0.2), [[9.18]])
    assert table[0, 1] == pytest.approx(1.918)  # step .2 times weight .5


def test_prioritised_needs_fewer_updates_and_the_oracle_fewest() -> None:
    uniform, prioritised = (
        np.mean([lab08.updates_needed(6, name, seed=seed) for seed in range(5)])
        for name in ("uniform", "prioritised")
    )
    assert lab08.updates_needed(6, "oracle") < prioritised < uniform / 2
    assert lab08.updates_needed(6, "uniform", limit=64) == 64
    assert lab08.updates_needed(4, "greedy", limit=200) <= 200


@pytest.mark.parametrize(
    ("alpha", "beta", "value"),
    [(1, 0, 0.732), (0.6, 0, 0.670), (0.6, 0.4, 0.617), (1, 1, 0.5)],
)
def test_the_bias_is_where_the_formula_says(alpha, beta, value) -> None:
    assert lab08.fixed_point(1, 4, 2.0, alpha, beta) == pytest.approx(value, abs=5e-4)
    config = PriorityConfig(alpha=alpha, beta_start=beta, beta_end=beta)
    found = [
        lab08.replay_one_song(config, seed=seed)[-100:].mean() for seed in range(10)
    ]
    assert np.mean(found) == pytest.approx(value, abs=0.02)


def test_uniform_replay_finds_the_mean() -> None:
    found = [lab08.replay_one_song(None, seed=seed)[-100:].mean() for seed in range(10)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.02)


def test_a_target_for_a_priority_never_lets_go() -> None:
    wrong = lab08.replay_beliefs(lambda target, value: target)
    right = lab08.replay_beliefs(lambda target, value: target - value)
    assert (
        wrong.drawn[30:].sum()
        < 0.1 * wrong.drawn.sum()
        < 0.25 * right.drawn.sum()
        < right.drawn[30:].sum()
    )
    assert wrong.values[30:].mean() > 0.5
    assert right.values[30:].mean() < 0.01
    assert (np.argsort(-wrong.priorities)[:10] < 30).all()


def test_plots_show_every_series() -> None:
    figure = Figure()
    axes = figure.subplots(1, 3)
    beliefs = lab08.replay_beliefs(lambda target, value: target)
    lab08.beliefs_picture(axes[:2], {"a": beliefs, "b": beliefs})
    assert [ax.get_title() for ax in axes[:2]] == ["a", "b"]
    assert sum(bar.get_height() for bar in axes[0].patches) == 480
    lab08.updates_plot(axes[2], [1, 2], {"uniform": [[10, 20], [30, 40]]}, "x")
    np.testing.assert_allclose(axes[2].lines[0].get_ydata(), [20, 30])


def test_the_trees_paths_end_in_the_lessons_leaves() -> None:
    tree = SumTree(4)
    tree.set(np.arange(4), [1.0, 2.0, 4.0, 1.0])
    assert [
        lab08.tree_path(tree, value)[-1] - tree.first_leaf
        for value in (0.5, 2.9, 3.5, 7.5)
    ] == [0, 1, 2, 3]
    figure = Figure()
    lab08.draw_tree(figure)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert {"8", "3", "5", "4", "2", "1", "2.9 < 3: left", "0.5 < 4: left"} <= set(
        words
    )


def test_the_story_shows_one_like() -> None:
    figure = Figure()
    lab08.draw_story(figure)
    squares = [line for line in figure.axes[1].lines if line.get_marker() == "s"]
    assert len(squares) == 62
    assert sum(line.get_color() == lab08.GREEN for line in squares) == 1
