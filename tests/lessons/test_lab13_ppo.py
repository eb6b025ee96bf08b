"""Lesson 13's numbers, small evening, widget and pictures: by hand, by brute force, and the library beside."""

from itertools import product

import lab13_ppo as lab13
import numpy as np
import pytest
from matplotlib.figure import Figure

from rlrec.envs import ListeningBatch, default_catalogue

RNG = np.random.default_rng


def by_enumeration(chances, only_first):
    """Songs heard, over all 2^10 ways to choose, each by hand."""
    total = 0.0
    for choices in product((0, 1), repeat=10):
        weight, heard, tired = 1.0, 0.0, 0
        for place, action in enumerate(choices):
            weight *= chances[2 * place + tired, action]
            heard += lab13.HEARD[tired, action]
            if not only_first or place == 0:
                tired = max(tired, action)
        total += weight * heard
    return total


@pytest.mark.parametrize("only_first", [False, True])
def test_the_score_of_a_policy_is_its_mean_over_all_evenings(only_first) -> None:
    chances = RNG(0).dirichlet([1, 1], size=20)
    assert lab13.songs_heard(chances, only_first=only_first) == pytest.approx(
        by_enumeration(chances, only_first)
    )
    plays = lab13.evenings(chances, RNG(1), 20_000, only_first=only_first)[2]
    assert plays.sum(axis=0).mean() == pytest.approx(
        lab13.songs_heard(chances, only_first=only_first), abs=0.06
    )


@pytest.mark.parametrize(
    ("only_first", "best"), [(False, 9 * 0.7 + 0.9), (True, 0.7 + 9 * 0.9)]
)
def test_the_best_evening_is_the_best_of_all_fixed_choices(only_first, best) -> None:
    assert lab13.best_evening(only_first=only_first) == pytest.approx(best)
    for choices in product((0, 1), repeat=10):
        policy = np.repeat(np.eye(2)[list(choices)], 2, axis=0)
        assert lab13.songs_heard(policy, only_first=only_first) <= best + 1e-12


def test_states_say_how_far_and_how_tired() -> None:
    states, actions, rewards = lab13.evenings(np.full((20, 2), 0.5), RNG(2), 50)
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
        rise = lab13.clipped(ratio + 1e-6, advantage, 0.2) - lab13.clipped(
            ratio - 1e-6, advantage, 0.2
        )
        assert lab13.clipped_slope(ratio, advantage, 0.2) == pytest.approx(
            float(rise) / 2e-6, abs=1e-6
        )


def test_an_update_follows_the_derivative_of_the_ratio() -> None:
    def ratio_at(logit):
        return 1 / (lab13.OLD * (1 + np.exp(-logit)))

    logit = np.log(0.25 * 1.4 / (1 - 0.25 * 1.4))
    derivative = (ratio_at(logit + 1e-6) - ratio_at(logit - 1e-6)) / 2e-6
    found = lab13.follow_clip(1.4, -2.0, 0.2, 1)
    assert found.path[1] == pytest.approx(
        ratio_at(logit + lab13.STEP * -2.0 * derivative)
    )


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
    figure, found = Figure(), lab13.follow_clip(0.5, -2.0, 0.2, 12)
    lab13.draw_clip(figure, found)
    left, right = figure.axes
    assert left.get_title() == "slope 0: no push"
    np.testing.assert_allclose(right.lines[1].get_ydata(), found.path)
    np.testing.assert_allclose(np.ravel(left.lines[2].get_data()), [0.5, -1.6])


def test_the_rule_plays_what_is_least_like_what_just_played() -> None:
    catalogue = default_catalogue()
    history = RNG(3).integers(len(catalogue), size=(4, 20))
    history[0, :15], history[1] = -1, -1
    candidates = RNG(4).integers(len(catalogue), size=(4, 10))
    seen = {
        "history": history,
        "candidates": candidates,
        "position": np.zeros((4, 1), int),
    }
    best = lab13.SomethingElse(catalogue).recommend(seen, 10)
    for row in range(4):
        memory = np.zeros(5)  # as the listeners keep it
        for song in history[row]:
            memory = 0.8 * memory + (
                0.2 * catalogue.direction[song] if song >= 0 else 0.0
            )
        score = (
            0.1 * catalogue.appeal[candidates[row]]
            - catalogue.direction[candidates[row]] @ memory
        )
        assert (
            best[row].tolist()
            == candidates[row][np.argsort(-score, kind="stable")].tolist()
        )


def test_likeness_compares_neighbours_of_one_session_only() -> None:
    catalogue = default_catalogue()
    a, b, c = catalogue.direction[:3]
    assert lab13.closeness_to_last(
        catalogue, np.array([[0, 1, -1], [2, -1, -1]])
    ) == pytest.approx(a @ b)
    assert lab13.closeness_to_last(catalogue, np.array([[0, 1, 2]])) == pytest.approx(
        (a @ b + b @ c) / 2
    )


def test_played_songs_are_those_the_listeners_heard() -> None:
    env = ListeningBatch(6, "candidate", "ids", history=20)
    songs = lab13.played_songs(env, lab13.SomethingElse(env.catalogue), seed=5)
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
    figure = Figure()
    ax = lab13.marks(
        lab13.curves(figure.subplots(), {"a": [[1, 2], [3, 4]]}, {"a": "red"}),
        {"greedy": [2.0]},
    )
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [2, 3])
    assert lab13.colour_of("something else") == lab13.GREEN
