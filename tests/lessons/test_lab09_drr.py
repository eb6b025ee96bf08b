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


def test_the_table_has_every_row_with_its_interval_and_its_share() -> None:
    lines = lab09.table_lines(content())
    assert len(lines) == 1 + 8
    own = line_of("after RL", lines)
    assert "0.620 ±0.002" in own
    assert own.endswith("30%")  # (.62 - .5) / (.9 - .5)
    assert line_of("random", lines).endswith("0%")


def line_of(start, lines):
    (found,) = filter(lambda line: line.startswith(start), lines)
    return found


def test_differences_settings_and_provenance_in_words() -> None:
    told = lab09.difference_lines(content())
    assert "matrix factorisation: +0.040 [+0.030, +0.050], above 0 in 2 of 3" in told[1]
    assert told[-1] == "RL pays: made up"
    assert lab09.settings_lines(content()) == [
        "  EASE: regularisation 5.0, ease (positive 4.0)"
    ]
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


@pytest.mark.parametrize(
    ("shift", "verdict"),
    [
        (0.05, "confirmed here"),
        (0.0, "undecided here against drr-n"),
        (-0.05, "not here, with this critic: drr-n did better"),
    ],
)
def test_the_claim_about_states_is_judged_by_the_data(shift, verdict) -> None:
    states = {"drr-n": content(), "drr-ave": content(shift)}
    if shift == 0.0:
        noises = (0.01, -0.01, 0.0, 0.02, -0.02)
        for run, noise in zip(states["drr-ave"]["runs"], noises, strict=True):
            run["figures"]["after RL"]["P@5"] += noise
    assert lab09.states_lines(states)[-1].endswith(verdict)


def test_the_papers_figures_stand_beside_ours() -> None:
    lines = lab09.paper_lines({"ml-100k": content(warm=False)})
    own = line_of("  DRR-ave, P@5", lines)
    assert "0.789" in own
    assert "0.620" in own
    assert lines[-1].endswith(
        "P@5, over popularity    +0.095   +0.070 [+0.070, +0.070]"
    )
    public = lab09.public_lines(content())
    assert "P@5 0.479" in public[0]
    assert "0.710 to 0.869" in "".join(public)


def test_the_forest_draws_every_row_best_first() -> None:
    ax = Figure().subplots()
    lab09.forest(ax, content())
    names = words(ax.get_yticklabels())
    assert (names[0], names[1], names[-1]) == ("oracle", "after RL", "random")
    of = lab09.interval(content(), "after RL", "P@5")
    bar = ax.lines[2].get_xdata()  # of the second row
    np.testing.assert_allclose(bar, (of.low, of.high))


def test_the_pictures_can_be_drawn() -> None:
    lab09.draw_study(Figure(), content())
    lab09.states_forest(Figure().subplots(), {"drr-n": content(), "drr-ave": content()})
    runs = {"x: after RL": np.array([0.5, 0.6])}
    lab09.live_forest(Figure().subplots(), {"random": 0.5}, runs)
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
    stars = rating_matrix(split.held_out)[[lab09.LISTENERS["Tomas"]]].data
    assert sorted(own.stars) == sorted(stars)


def test_contents_are_not_changed() -> None:
    one = content()
    before = deepcopy(one)
    lab09.table_lines(one)
    lab09.difference_lines(one)
    lab09.provenance(one)
    assert one == before


def test_the_parts_of_a_study_beside_the_agent() -> None:
    """640 steps are 32 episodes of 20, 3.2 for each of 10 users, 4 of 8 (session)."""
    twin = content()
    for run in twin["runs"]:
        run["figures"]["after RL"] = dict.fromkeys(COLUMNS, 0.5)
    lines = lab09.part_lines({"agent": content(), "discount-0": twin})
    assert lines[0].endswith(
        "640 recommendations: 32 episodes, 3.2 for each of 10 users"
    )
    assert "RL changed 20% of the places" in lines[1]
    assert lines[2].endswith("agent less this +0.120 [+0.118, +0.122]")
    strangers = content() | {"protocol": "session"}
    assert lab09.training_line(strangers).endswith("4.0 for each of 8 users")


def test_learning_curves_are_a_tidy_frame() -> None:
    frame = lab09.curves_frame({"agent": content(), "twin": content()})
    assert list(frame.columns) == ["part", "seed", "step", "hits", "value"]
    assert len(frame) == 10
    assert set(frame["seed"]) == set(range(5))
