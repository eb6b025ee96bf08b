"""Lesson 15: gains by hand on a study of two worlds, the stored studies as they are."""

from pathlib import Path

import lab15_contest as contest
import numpy as np
import pytest
from lab15_contest import GREEDY
from lesson_checks import words
from matplotlib.figure import Figure

from rlrec.errors import DataError

MEANS = {  # agent: kind, then the seeds' means at effect 0 and at effect 1
    "random": ("random", (8.0, 8.1, 7.9), (8.0, 8.1, 7.9)),
    GREEDY: ("greedy", (9.0, 9.2, 9.1), (8.0, 8.2, 8.1)),
    "learner": ("linucb", (8.0, 8.1, 8.1), (9.0, 9.3, 9.1)),
    "oracle": ("oracle", (10.0, 10.0, 10.0), (10.0, 10.0, 10.0)),
}


def cell(agent, kind, effect, seed, mean):
    learns = kind == "linucb"
    return {
        "agent": agent,
        "kind": kind,
        "world": {
            "taste_strength": 1.5,
            "long_term_effect": effect,
            "candidates": 10,
        },
        "seed": seed,
        "steps": 200,
        "mean": mean,
        "curve": [[100, mean - 1], [200, mean]] if learns else [[200, mean]],
        "learns": learns,
    }


@pytest.fixture
def cells():
    found = []
    for agent, (kind, *effects) in MEANS.items():
        for effect, means in enumerate(effects):
            for seed, mean in enumerate(means):
                found.append(cell(agent, kind, float(effect), seed, mean))
    return found


def test_gains_are_paired_differences_and_signs_say_what_can_be_told(cells):
    mean, sign = contest.gains(cells, "learner", GREEDY)
    # -1, -1.1, -1 and 1, 1.1, 1
    np.testing.assert_allclose(mean, [[-3.1 / 3, 3.1 / 3]])
    assert sign.tolist() == [[-1, 1]]
    mean, sign = contest.gains(cells, "random", GREEDY)
    assert sign.tolist() == [[-1, 0]]  # 0, -.1, -.2: the interval holds 0


def test_worlds_and_dials_are_found(cells):
    assert contest.dial_values(cells) == ([1.5], [0.0, 1.0])
    assert len(contest.one_world(cells, 1.5, 1.0)) == 12
    assert contest.one_world(cells, 1.0, 1.0) == []


def test_a_map_for_everybody_but_greedy_and_the_oracle(cells):
    figure = Figure()
    contest.draw_two_dials(figure, {"cells": cells})
    first, second, *rest = figure.axes
    assert first.get_title() == "random"
    assert words(first.texts) == ["-1.1", "(-0.1)"]
    assert second.get_title() == "learner"
    assert words(second.texts) == ["-1.0", "+1.0"]
    assert not any(ax.images for ax in rest)


def test_the_widget_follows_its_controls(cells):
    lab = contest.contest_lab(cells)
    assert lab.controls["agent"].options == ("learner",)
    assert "no verdict from fewer than 5 seeds: -1.03" in lab.line.value
    assert f"over {GREEDY}, the strongest baseline" in lab.line.value
    before = lab.picture.value
    assert "5 seeds: +1.03" in lab.set(effect=1.0).verdict
    assert lab.picture.value != before
    found = lab.set(effect=0.0, seeds=2)
    for values in found.means.values():
        assert len(values) == 2
    # -1, -1.1: t with one degree of freedom, 12.706 * .05 = .635
    assert "-1.05 [-1.69, -0.41]" in found.verdict


def test_levels_are_ordered_with_every_seed_a_dot(cells):
    ax = Figure().subplots()
    contest.draw_levels(ax, contest.by_agent(contest.one_world(cells, 1.5, 0.0)))
    labels = words(ax.get_yticklabels())
    assert labels == ["random", "learner", GREEDY, "oracle"]
    dots = ax.lines[2]  # of the first row: interval, mean, seeds
    assert dots.get_xdata().tolist() == [8.0, 8.1, 7.9]


def test_profiles_fall_from_all_to_none(cells):
    ax = Figure().subplots()
    means = {"a": np.array([1.0, 2.0, 3.0, 4.0])}
    contest.draw_profiles(ax, means, np.array([0.5, 2.5, 4.5]))
    assert ax.lines[0].get_ydata().tolist() == [1.0, 0.5, 0.0]


def test_who_never_practised_is_a_flat_line(cells):
    ax = Figure().subplots()
    contest.draw_cold_start(ax, contest.one_world(cells, 1.5, 1.0), ["learner", GREEDY])
    learner, greedy = ax.lines
    assert learner.get_xdata().tolist() == greedy.get_xdata().tolist() == [100, 200]
    np.testing.assert_allclose(learner.get_ydata(), [27.4 / 3 - 1, 27.4 / 3])
    np.testing.assert_allclose(greedy.get_ydata(), [8.1, 8.1])
    assert greedy.get_linestyle() == "--"


@pytest.mark.parametrize("name", ["contest", "dials"])
def test_a_stored_study_is_whole_and_says_where_it_comes_from(name):
    found = contest.stored(name)
    tastes, effects = contest.dial_values(found["cells"])
    agents, seeds = len(found["study"]["agents"]), found["study"]["seeds"]
    assert len(found["cells"]) == len(tastes) * len(effects) * agents * seeds
    told = contest.provenance(found)
    assert f"rlrec study lessons/results/{name}.toml" in told
    assert found["commit"][:10] in told


def test_a_study_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"rlrec study lessons/results/nothing\.toml"):
        contest.stored("nothing", tmp_path)


def test_the_two_salesmen():
    assert contest.LUCKY.max() > contest.STEADY.max()
    figure = Figure()
    contest.draw_lucky(figure)
    assert words(figure.axes[1].texts) == ["9.02", "8.47"]
    text = Path(contest.__file__).parent / "text" / "15_the_contest.md"
    for values in (contest.STEADY, contest.LUCKY):  # the notebook has them too
        assert f"np.array({values.tolist()})" in text.read_text("utf-8")
