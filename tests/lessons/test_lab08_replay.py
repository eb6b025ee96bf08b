"""Lesson 08: numbers, widget and pictures, by hand and by brute force."""

from collections import Counter
from itertools import product

import lab08_replay as lab08
import numpy as np
import pytest
from lesson_checks import words
from matplotlib.figure import Figure

from rlrec.agents.replay import PrioritisedReplay, PriorityConfig, Sample, SumTree
from rlrec.errors import ConfigError


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
    np.testing.assert_allclose(lab.set(alpha=1.0).pull, 1.0)
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


@pytest.mark.parametrize("length", [1, 3, 5])
def test_the_log_holds_every_evening_once(length) -> None:
    expected = []
    for choices in product((0, 1), repeat=length):
        for song, action in enumerate(choices):
            last = song == length - 1
            ended = bool(action == 0 or last)
            expected.append((song, action, float(action and last), ended))
            if not action:
                break
    log = lab08.chain_log(length)
    columns = [log[name] for name in ("state", "action", "reward", "terminated")]
    rows = list(zip(*columns, strict=True))
    assert len(rows) == 2 ** (length + 1) - 2
    # an evening that ends early is the same for all later choices: it counts for each
    assert Counter(rows) == Counter(expected)
    assert log["reward"].sum() == 1


def test_fickle_plays_are_worth_nothing_on_average() -> None:
    log = lab08.chain_log(3, fickle=10)
    assert (len(log["state"]), log["reward"][14:].sum()) == (24, 0)
    assert log["terminated"][14:].all()
    assert (log["state"][14:] == 3).all()


def test_the_true_values_are_where_learning_stands_still() -> None:
    log = lab08.chain_log(4)
    table = np.zeros((5, 2))
    table[:4] = lab08.chain_values(4)
    data = {name: values[None] for name, values in log.items()}
    everything = Sample(data, np.arange(30)[None], np.ones((1, 30), np.float32))
    errors = lab08.learn_draws(table, everything, 0.75, 0.25)
    np.testing.assert_allclose(errors, 0.0, atol=1e-12)


def test_a_draw_is_learned_by_hand() -> None:
    table = np.array([[0.0, 1.0], [0.2, 0.0]])
    data = {
        "state": np.array([[0]]),
        "action": np.array([[1]]),
        "reward": np.array([[10.0]]),
        "next_state": np.array([[1]]),
        "terminated": np.array([[False]]),
    }
    sample = Sample(data, np.zeros((1, 1), int), np.array([[0.5]], np.float32))
    np.testing.assert_allclose(lab08.learn_draws(table, sample, 0.9, 0.2), [[9.18]])
    assert table[0, 1] == pytest.approx(1.918)  # step .2 times weight .5


def test_prioritised_needs_fewer_updates_and_the_oracle_fewest() -> None:
    def mean_updates(replay):
        return np.mean([lab08.updates_needed(6, replay, seed=i) for i in range(5)])

    prioritised = mean_updates("prioritised")
    assert prioritised < mean_updates("uniform") / 2
    assert lab08.updates_needed(6, "oracle") < prioritised
    assert lab08.updates_needed(6, "uniform", limit=64) == 64
    assert lab08.updates_needed(4, "greedy", limit=200) <= 200


def test_another_replay_is_refused() -> None:
    with pytest.raises(ConfigError, match="no replay 'prioritized'; choose one of"):
        lab08.updates_needed(4, "prioritized")


def settled(config):
    """Mean of the last 100 values, over ten seeds."""
    found = [lab08.replay_one_song(config, seed=seed) for seed in range(10)]
    return np.array(found)[:, -100:].mean()


@pytest.mark.parametrize(
    ("alpha", "beta", "value"),
    [(1, 0, 0.732), (0.6, 0, 0.670), (0.6, 0.4, 0.617), (1, 1, 0.5)],
)
def test_the_bias_is_where_the_formula_says(alpha, beta, value) -> None:
    assert lab08.fixed_point(1, 4, 2.0, alpha, beta) == pytest.approx(value, abs=5e-4)
    config = PriorityConfig(alpha=alpha, beta_start=beta, beta_end=beta)
    assert settled(config) == pytest.approx(value, abs=0.02)


def test_uniform_replay_finds_the_mean() -> None:
    assert settled(None) == pytest.approx(0.5, abs=0.02)


def test_a_target_for_a_priority_never_lets_go() -> None:
    wrong = lab08.replay_estimates(lambda target, value: target)
    right = lab08.replay_estimates(lambda target, value: target - value)
    assert wrong.drawn[30:].sum() < 0.1 * wrong.drawn.sum()
    assert 0.1 * wrong.drawn.sum() < 0.25 * right.drawn.sum() < right.drawn[30:].sum()
    assert wrong.values[30:].mean() > 0.5
    assert right.values[30:].mean() < 0.01
    assert (np.argsort(-wrong.priorities)[:10] < 30).all()


def test_plots_show_every_series() -> None:
    axes = Figure().subplots(1, 3)
    found = lab08.replay_estimates(lambda target, value: target)
    lab08.estimates_picture(axes[:2], {"a": found, "b": found})
    assert [ax.get_title() for ax in axes[:2]] == ["a", "b"]
    assert sum(heights(axes[0])) == 480
    lab08.updates_plot(axes[2], [1, 2], {"uniform": [[10, 20], [30, 40]]}, "x")
    np.testing.assert_allclose(axes[2].lines[0].get_ydata(), [20, 30])


def test_the_trees_paths_end_in_the_lessons_leaves() -> None:
    tree = SumTree(4)
    tree.set(np.arange(4), [1.0, 2.0, 4.0, 1.0])
    for leaf, value in enumerate((0.5, 2.9, 3.5, 7.5)):
        assert lab08.tree_path(tree, value)[-1] == leaf + tree.first_leaf
    figure = Figure()
    lab08.draw_tree(figure)
    shown = set(words(figure.axes[0].texts))
    assert shown >= {"8", "3", "5", "4", "2", "1", "2.9 < 3: left", "0.5 < 4: left"}


def test_the_story_shows_one_like() -> None:
    figure = Figure()
    lab08.draw_story(figure)
    squares = [line for line in figure.axes[1].lines if line.get_marker() == "s"]
    assert len(squares) == 62
    assert sum(line.get_color() == lab08.GREEN for line in squares) == 1
