"""Lesson 15: gains by hand on a study of two worlds, the stored studies as they are."""

from pathlib import Path

import drawing
import lab15_contest as contest
import numpy as np
import pytest
from lesson_checks import words
from matplotlib.figure import Figure

from rlrec.errors import DataError
from rlrec.studies.study import cells_frame

GREEDY = "greedy one step"

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
        "settings": {},
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


def test_gains_are_paired_differences_and_brackets_say_what_cannot_be_told(cells):
    gain = contest.gains(cells_frame(cells), "learner", GREEDY)
    # -1, -1.1, -1 and 1, 1.1, 1: sd .0577, half 4.303 * .0577 / sqrt 3 = .143
    np.testing.assert_allclose(gain["mean"], [-3.1 / 3, 3.1 / 3])
    np.testing.assert_allclose(gain["high"] - gain["mean"], [0.1434] * 2, atol=1e-4)
    assert list(gain["words"]) == ["-1.03", "+1.03"]
    gain = contest.gains(cells_frame(cells), "random", GREEDY)
    # 0, -.1, -.2: the interval holds 0
    assert list(gain["words"]) == ["-1.10", "(-0.10)"]


def test_pairs_go_by_seed_whatever_the_order(cells):
    found = contest.gains(cells_frame(cells[::-1]), "learner", GREEDY)
    expected = contest.gains(cells_frame(cells), "learner", GREEDY)
    assert (found == expected).all(axis=None)


def test_the_map_shows_what_can_be_told(cells):
    ax = Figure().subplots()
    contest.draw_map(ax, contest.gains(cells_frame(cells), "random", GREEDY), "a map")
    assert words(ax.texts) == ["-1.10", "(-0.10)"]
    assert ax.get_title() == "a map"


def test_both_maps_of_the_stored_study():
    figure = Figure()
    contest.draw_rl_part(figure)
    for ax in figure.axes:
        assert len(ax.texts) == 12


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
    frame = cells_frame(cells)
    contest.draw_levels(ax, frame[frame["long_term_effect"] == 0.0])
    labels = words(ax.get_yticklabels())
    assert labels == ["oracle", GREEDY, "learner", "random"]
    dots = ax.collections[3].get_offsets()  # of the last row
    assert sorted(dots[:, 0]) == [7.9, 8.0, 8.1]


def test_intervals_of_pictures_are_those_of_the_library():
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    np.testing.assert_allclose(drawing.student(values), [1.04, 4.96], atol=0.01)
    low, high = contest.bootstrap_ends(values)
    assert 1.0 <= low < 3.0 < high <= 5.0


@pytest.mark.parametrize("name", ["contest", "dials", "settings", "curve"])
def test_a_stored_study_is_whole_and_says_where_it_comes_from(name):
    found = contest.stored(name)
    worlds = len(found["study"]["worlds"])
    agents, seeds = len(found["study"]["agents"]), found["study"]["seeds"]
    assert len(found["cells"]) == worlds * agents * seeds
    assert "dirty" not in found["commit"]
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
