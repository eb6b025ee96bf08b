"""Lesson 09: stored results read, drawn and judged on small contents, the widgets."""

import json
from copy import deepcopy

import lab09_drr as lab09
import numpy as np
import pytest
from lesson_checks import words
from matplotlib.figure import Figure

from rlrec.collaborative.drr_vectors import make_vectors
from rlrec.datasets import load_ratings
from rlrec.datasets.matrices import rating_matrix
from rlrec.errors import DataError
from rlrec.evaluation import mean_interval, rerank, split_rerank
from rlrec.evaluation.comparison import COLUMNS

LEVELS = {
    "item vectors alone": 0.6,
    "after the warm start": 0.61,
    "after RL": 0.62,
    "random": 0.5,
    "popularity by count": 0.55,
    "matrix factorisation": 0.58,
    "oracle": 0.9,
}


def content(shift: float = 0.0, warm: bool = True, seeds: int = 5) -> lab09.Content:
    """A result as `rlrec evaluate --json` writes it; the agent is ``shift`` better."""
    levels = LEVELS | {
        "after RL": LEVELS["after RL"] + shift,
        "popularity by average": 0.57,
    }
    if not warm:
        levels.pop("after the warm start")
    runs = [made_run(seed, levels, seeds) for seed in reversed(range(seeds))]
    table = {}
    for name in levels:
        table[name] = {}
        for column in COLUMNS:
            values = [run["figures"][name][column] for run in runs]
            table[name][column] = mean_interval(values)._asdict()
    less = {
        "measure": "P@5",
        "other": "matrix factorisation",
        "kind": "baseline",
        "of_runs": [0.04, 0.05, -0.01],
        "mean": 0.04,
        "low": 0.03,
        "high": 0.05,
    }
    part = less | {
        "other": "item vectors alone",
        "kind": "part",
        "of_runs": [0.02, 0.02, 0.02],
        "mean": 0.02,
        "low": 0.01,
        "high": 0.03,
    }
    return {
        "protocol": "rerank",
        "split": "time",
        "table": table,
        "runs": runs,
        "verdict": "RL pays: made up",
        "differences": [less, part],
        "interval": "over seeds and users",
        "changed": [0.1, 0.2, 0.3, 0.2, 0.2],
        "curves": [[{"step": 640.0, "hits": 0.5, "value": 1.0}]] * 5,
        "commit": "abcdef0123456",
        "command": "rlrec evaluate",
        "seconds": 3.2,
        "device": "CPU",
        "versions": {"numpy": "2"},
    }


def made_run(seed: int, levels: dict, seeds: int) -> dict:
    """One run of a result, its figures moved by a noise that is fixed by its seed."""
    noise = np.linspace(-0.002, 0.002, seeds)[seed]
    figures = {}
    for name, level in levels.items():
        figures[name] = dict.fromkeys(COLUMNS, level + noise)
    return {
        "seed": seed,
        "step": 640,
        "folder": f"runs/{seed}",
        "figures": figures,
        "baselines": {
            "EASE": {"regularisation": 5.0, "ease": {"positive": 4.0}},
            "random": {},
        },
        "config": {
            "data": "ml-100k",
            "command": "rlrec train ddpg",
            "sessions": [{"seconds": 10.0 + seed}],
            "drr": {"length": 20},
            "fingerprint": {"users": 10},
        },
    }


def test_a_stored_result_is_read_and_a_missing_one_says_how_to_make_it(
    tmp_path,
) -> None:
    (tmp_path / "some.json").write_text(json.dumps(content()))
    assert lab09.load_result("some", tmp_path)["protocol"] == "rerank"
    with pytest.raises(DataError, match="make results"):
        lab09.load_result("other", tmp_path)


def test_the_figures_of_a_result_are_a_tidy_frame() -> None:
    frame = lab09.runs_frame(content())
    assert list(frame.columns) == ["seed", "model", *COLUMNS]
    assert len(frame) == 5 * 8
    own = frame[frame["model"] == "after RL"].set_index("seed")["P@5"]
    np.testing.assert_allclose(own.sort_index(), 0.62 + np.linspace(-0.002, 0.002, 5))
    of = lab09.interval(content(), "after RL", "P@5")
    assert mean_interval(own) == pytest.approx(of)
    assert lab09.half_width(of) == "0.620 ±0.002"


def test_provenance_in_words() -> None:
    origin = lab09.provenance(content())
    for part in (
        "seeds 4, 3, 2, 1, 0",
        "640 steps",
        "10 to 14 s a run",
        "commit abcdef0123;",
        "rlrec evaluate",
    ):
        assert part in origin


def test_runs_come_in_the_order_of_their_seeds() -> None:
    np.testing.assert_allclose(
        lab09.of_runs(content(), "random", "P@5"), 0.5 + np.linspace(-0.002, 0.002, 5)
    )


def test_every_published_model_has_a_counterpart_of_ours() -> None:
    for published in lab09.PAPER.values():
        assert set(published) == set(lab09.COUNTERPART)
    lead = lab09.gain(content(0.05), content())
    assert lead == pytest.approx((0.05, 0.05, 0.05))  # paired, all seeds alike


def test_the_forest_draws_every_row_best_first() -> None:
    ax = Figure().subplots()
    lab09.forest(ax, content())
    names = words(ax.get_yticklabels())
    assert (names[0], names[1], names[-1]) == ("oracle", "after RL", "random")
    of = lab09.interval(content(), "after RL", "P@5")
    for line in ax.lines:
        low, high = line.get_xdata()[[0, -1]]
        if low < high and set(line.get_ydata()) == {1}:  # the bar of the second row
            np.testing.assert_allclose((low, high), (of.low, of.high))
            return
    pytest.fail("no bar in the second row")


def test_the_pictures_can_be_drawn() -> None:
    lab09.draw_study(Figure(), content())
    lab09.draw_architecture(Figure())


def test_the_widget_of_stored_results_follows_study_and_figure() -> None:
    better = content(0.3)
    for row in ("mean", "low", "high"):
        better["table"]["after RL"]["R@10"][row] = 0.1
    lab = lab09.stored_lab({"one": content(), "two": better})
    assert "place 2 of 8" in lab.line.value
    lab.set(study="two")
    assert "after RL <b>0.920</b>, place 1 of 8" in lab.line.value
    lab.set(figure="R@10")
    assert "lowest after RL 0.100" in lab.line.value


@pytest.fixture(scope="module")
def split():
    return split_rerank(load_ratings("generated"))


@pytest.fixture(scope="module")
def vectors(split):
    return make_vectors("hybrid", split.train, 40, seed=0)


@pytest.mark.parametrize("listener", list(lab09.LISTENERS))
def test_the_history_widget_ranks_as_the_protocol_does(
    split, vectors, listener
) -> None:
    def scorer(users, known):
        return vectors.users(known) @ vectors.items.T

    user = lab09.LISTENERS[listener]
    row = rerank(split, scorer).recommended[split.users == user][0]
    view = lab09.rank_later(vectors, split, user, known=10**6, whose=user)
    assert view.titles == split.train.titles[row[row >= 0]].tolist()
    reach = np.abs(np.concatenate([view.general, view.general + view.personal])).max()
    assert reach < 1.3  # the picture's fixed limits


def test_with_nothing_known_all_bars_are_empty(split, vectors) -> None:
    lab = lab09.history_lab(vectors, split)
    nothing = lab.set(known=0)
    np.testing.assert_allclose(nothing.personal, 0.0, atol=1e-12)
    assert nothing.moved == 0
    own = lab.set(known=15)
    foreign = lab.set(foreign=True)
    assert sorted(own.titles) == sorted(foreign.titles)
    assert not np.allclose(np.sort(own.personal), np.sort(foreign.personal))
    stars = rating_matrix(split.held_out)[[lab09.LISTENERS["user 39"]]].data
    assert sorted(own.stars) == sorted(stars)


def test_contents_are_not_changed() -> None:
    one = content()
    before = deepcopy(one)
    lab09.runs_frame(one)
    lab09.provenance(one)
    assert one == before


def test_episodes_of_a_user() -> None:
    """640 steps are 32 episodes of 20, 3.2 for each of 10 users, 4 of 8 (session)."""
    assert lab09.episodes_of_a_user(content()) == pytest.approx(3.2)
    strangers = content() | {"protocol": "session"}
    assert lab09.episodes_of_a_user(strangers) == pytest.approx(4.0)


def test_learning_curves_are_a_tidy_frame() -> None:
    frame = lab09.curves_frame({"agent": content(), "twin": content()})
    assert list(frame.columns) == ["part", "seed", "step", "hits", "value"]
    assert len(frame) == 10
    assert set(frame["seed"]) == set(range(5))
