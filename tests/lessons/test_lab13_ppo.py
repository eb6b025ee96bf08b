"""Lesson 13: its numbers, the evening of its notebook, widget and pictures."""

from itertools import product
from pathlib import Path
from types import SimpleNamespace

import lab13_ppo as lab13
import numpy as np
import pytest
from matplotlib.figure import Figure

from rlrec.agents import VariedListening
from rlrec.envs import ListeningBatch, default_catalogue
from rlrec.evaluation.simulate import play

RNG = np.random.default_rng


def evening_of_the_notebook() -> dict:
    """What the notebook's cell about one evening defines."""
    text = Path(lab13.__file__).parent / "text" / "13_ppo.md"
    cells = text.read_text("utf-8").split("```python\n")
    (cell,) = (part for part in cells if part.startswith("QUIET = 0"))
    found = {"np": np}
    exec(cell.partition("```")[0], found)
    return found


EVENING = SimpleNamespace(**evening_of_the_notebook())


def by_enumeration(chances, only_first):
    """Songs heard, over all 2^10 ways to choose, each by hand."""
    total = 0.0
    for choices in product((0, 1), repeat=10):
        weight = 1.0
        heard = 0.0
        tired = 0
        for place, action in enumerate(choices):
            weight *= chances[2 * place + tired, action]
            heard += EVENING.HEARD[tired, action]
            if not only_first or place == 0:
                tired = max(tired, action)
        total += weight * heard
    return total


@pytest.mark.parametrize("only_first", [False, True])
def test_the_score_of_a_policy_is_its_mean_over_all_evenings(only_first) -> None:
    die = RNG(0).dirichlet([1, 1], size=20)
    worth = EVENING.songs_heard(die, only_first)
    assert worth == pytest.approx(by_enumeration(die, only_first))
    rewards = EVENING.play_evenings(die, RNG(1), 20_000, only_first)[2]
    assert rewards.sum(axis=0).mean() == pytest.approx(worth, abs=0.06)


@pytest.mark.parametrize(
    ("only_first", "best"), [(False, 9 * 0.7 + 0.9), (True, 0.7 + 9 * 0.9)]
)
def test_the_best_evening_is_the_best_of_all_fixed_choices(only_first, best) -> None:
    assert EVENING.best_evening(only_first) == pytest.approx(best)
    for choices in product((0, 1), repeat=10):
        policy = np.repeat(np.eye(2)[list(choices)], 2, axis=0)
        assert EVENING.songs_heard(policy, only_first) <= best + 1e-12


def test_always_quiet_and_always_loud_by_hand() -> None:
    quiet = np.tile([1.0, 0.0], (20, 1))
    assert EVENING.songs_heard(quiet) == pytest.approx(7.0)
    assert EVENING.songs_heard(1.0 - quiet) == pytest.approx(4.5)
    last = EVENING.song_values(np.zeros(2), 9, False)
    np.testing.assert_allclose(last, [[0.7, 0.9], [0.3, 0.4]])
    before = EVENING.song_values(np.array([1.0, 0.0]), 8, False)
    np.testing.assert_allclose(before, [[1.7, 0.9], [0.3, 0.4]])


def test_states_say_how_far_and_how_tired() -> None:
    states, actions, rewards = EVENING.play_evenings(np.full((20, 2), 0.5), RNG(2), 50)
    assert states.shape == actions.shape == rewards.shape == (10, 50)
    assert (states // 2 == np.arange(10)[:, None]).all()
    tired = np.vstack([np.zeros((1, 50), int), np.maximum.accumulate(actions)[:-1]])
    assert (states % 2 == tired).all()


def test_the_lessons_four_cases() -> None:
    cases = (
        (1.5, 2.0, 2.4, 0.0),
        (0.5, 2.0, 1.0, 2.0),
        (1.5, -2.0, -3.0, -2.0),
        (0.5, -2.0, -1.6, 0.0),
    )
    for ratio, advantage, earns, slope in cases:
        assert float(lab13.clipped(ratio, advantage, 0.2)) == pytest.approx(earns)
        assert lab13.clipped_slope(ratio, advantage, 0.2) == slope


@pytest.mark.parametrize("advantage", [-2.0, -0.5, 1.0, 3.0])
def test_the_slope_is_the_objectives(advantage) -> None:
    for ratio in (0.3, 0.79, 0.81, 1.0, 1.19, 1.21, 1.9):
        ends = lab13.clipped([ratio - 1e-6, ratio + 1e-6], advantage, 0.2)
        slope = lab13.clipped_slope(ratio, advantage, 0.2)
        assert slope == pytest.approx(np.diff(ends)[0] / 2e-6, abs=1e-6)


def test_an_update_follows_the_derivative_of_the_ratio() -> None:
    def ratio_at(logit):
        return 1 / (lab13.OLD * (1 + np.exp(-logit)))

    logit = np.log(0.25 * 1.4 / (1 - 0.25 * 1.4))
    derivative = (ratio_at(logit + 1e-6) - ratio_at(logit - 1e-6)) / 2e-6
    found = lab13.follow_clip(1.4, -2.0, 0.2, 1)
    expected = ratio_at(logit + lab13.STEP * -2.0 * derivative)
    assert found.path[1] == pytest.approx(expected)


def test_the_answers_to_the_widgets_questions() -> None:
    lab = lab13.clip_lab()
    assert "clipped <b>2.40</b>" in lab.line.value
    np.testing.assert_allclose(lab.result.path, 1.5)
    assert 2.5 < lab.result.free[-1] < 4
    back = lab.set(advantage=-2.0, updates=40).path[-1]
    assert 0.7 < back < 0.8
    across = lab.set(ratio=1.0, advantage=2.0, updates=10)
    assert 1.2 < across.path[-1] < 1.35 < across.free[-1]
    np.testing.assert_allclose(lab.set(advantage=0.0).path, 1.0)


def test_the_widgets_picture_carries_its_numbers() -> None:
    figure = Figure()
    found = lab13.follow_clip(0.5, -2.0, 0.2, 12)
    lab13.draw_clip(figure, found)
    left, right = figure.axes
    np.testing.assert_allclose(right.lines[1].get_ydata(), found.path)
    np.testing.assert_allclose(np.ravel(left.lines[2].get_data()), [0.5, -1.6])


@pytest.fixture
def rule():
    """The lesson's rule: something else than what just played."""
    catalogue = default_catalogue()
    return VariedListening(catalogue, taste_weight=0.0, appeal_weight=0.1)


def test_the_rule_plays_what_is_least_like_what_just_played(rule) -> None:
    catalogue = default_catalogue()
    history = RNG(3).integers(len(catalogue), size=(4, 20))
    history[0, :15] = -1
    history[1] = -1
    candidates = RNG(4).integers(len(catalogue), size=(4, 10))
    seen = {
        "history": history,
        "candidates": candidates,
        "position": np.zeros((4, 1), int),
        "feedback": RNG(5).integers(2, size=(4, 20, 3)),
    }
    best = rule.recommend(seen, 10)
    for row, offered in enumerate(candidates):
        memory = np.zeros(5)  # as the listeners keep it
        for song in history[row]:
            memory = 0.8 * memory
            if song >= 0:
                memory += 0.2 * catalogue.direction[song]
        score = 0.1 * catalogue.appeal[offered] - catalogue.direction[offered] @ memory
        order = np.argsort(-score, kind="stable")
        np.testing.assert_array_equal(best[row], offered[order])


def test_played_songs_are_those_the_listeners_heard(rule) -> None:
    env = ListeningBatch(6, "candidate", "ids", history=20)
    songs = play(env, rule, seed=5).songs.T
    env.reset(seed=5)
    assert ((songs >= 0).sum(axis=1) == env.listeners.length).all()


def test_a_long_step_promises_more_than_comes_of_it() -> None:
    found = lab13.promise(batches=200)
    promised, kept, true = (part.mean(axis=0) for part in found[1:])
    np.testing.assert_allclose([promised[0], kept[0], true[0]], 0.0, atol=1e-12)
    assert 5 * true[-1] < promised[-1]
    assert 0.2 < (found.true[:, -1] < 0).mean() < 0.4
    assert kept[-1] < 0 < kept.max()
    assert (found.kept <= found.promised + 1e-12).all()


def test_the_pictures_draw() -> None:
    for draw, size in lab13.FIGURES.values():
        figure = Figure(figsize=size)
        draw(figure)
        assert figure.axes
    ax = Figure().subplots()
    lab13.reference_lines(ax, {"greedy": [2.0, 3.0]})
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [2.5, 2.5])
