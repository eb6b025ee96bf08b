"""Tables, differences and verdicts by hand; no leak; baselines tuned in training."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import rlrec
from ratings_samples import RATINGS, made, world
from run_samples import SMALL, write_csv

from rlrec import storage
from rlrec.collaborative.drr import DRR
from rlrec.collaborative.recommenders import ItemKNNConfig, PureSVDConfig, RandomOrder
from rlrec.datasets import load_ratings
from rlrec.datasets.matrices import interaction_keys
from rlrec.errors import ConfigError
from rlrec.evaluation import tuning
from rlrec.evaluation.comparison import (
    COLUMNS,
    RunFigures,
    compare_runs,
    judge_runs,
    summarise_runs,
)
from rlrec.evaluation.intervals import mean_interval
from rlrec.evaluation.protocols import Split, rerank, split_rerank, split_session
from rlrec.evaluation.tuning import (
    DRAWS,
    Axis,
    chosen_settings,
    search,
    tuned_baselines,
    validation_split,
    with_seed,
)
from rlrec.nn.backend import tf
from rlrec.runs import ddpg_evaluation as evaluate_run
from rlrec.runs.ddpg import DDPGRun
from rlrec.runs.ddpg_evaluation import figures
from rlrec.runs.task import Task

FAMILIES = tuning.families
BASELINES = (
    "random",
    "popularity by count",
    "popularity by average",
    "item-kNN",
    "EASE",
    "biases + EASE",
    "matrix factorisation",
    "PureSVD",
)
# the first and the last value of each axis of a small grid
SMALL_AXES = {
    "popularity by average": [(5, 6)],
    "item-kNN": [(1, 10), (3, 10)],
    "EASE": [(10, 100)],
    "biases + EASE": [(10, 100), (1, 2)],
    "matrix factorisation": [(3, 4), (0.05, 0.09)],
    "PureSVD": [(2, 4)],
}


def small(train, seed, dimensions):
    """The families with axes of two values that can't be extended."""
    return [
        replace(family, axes=tuple(Axis(ends, *ends) for ends in SMALL_AXES[name]))
        for family in FAMILIES(train, seed, dimensions)
        for name in [family.name]
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_csv(tmp_path_factory.mktemp("data") / "own.csv")


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """Two runs of one configuration, seeds 3 and 4, with a warm start."""
    folder = tmp_path_factory.mktemp("runs")
    tf.config.run_functions_eagerly(True)
    for seed in (3, 4):
        train = f"train ddpg --steps 192 --seed {seed} --warm-updates 5 --data"
        assert rlrec(train, data, "--out", folder / f"s{seed}", *SMALL) == 0
    tf.config.run_functions_eagerly(False)
    return folder / "s3", folder / "s4"


@pytest.fixture
def small_grids(monkeypatch):
    monkeypatch.setattr(tuning, "families", small)


# -- a table by hand -------------------------------------------------------------------
def tiny():
    """Two users, 12 items, ten held out: of these user 0 likes 0..3, user 1 likes 9."""
    stars = [5, 5, 4, 4, 3, 2, 1, 1, 1, 1]
    other_stars = [1, 1, 1, 1, 1, 1, 1, 1, 1, 5]
    train = made([0, 1], [10, 11], [5, 5], 2, 12)
    users = [0] * 10 + [1] * 10
    held = made(users, [*range(10)] * 2, stars + other_stars, 2, 12)
    return Split("rerank, time", train, train, held, np.array([0, 1]))


def test_the_table_by_hand():
    """Listed 0, 1, 2, ..: user 0's likes come first, user 1's only one comes tenth."""

    def in_order(users, known):
        return np.tile(-np.arange(12.0), (len(users), 1))

    means, of_users = figures(Task("x"), tiny(), {"in order": in_order})
    expected = {
        "P@5": (4 / 5 + 0) / 2,
        "R@5": (1 + 0) / 2,
        "NDCG@5": (1 + 0) / 2,
        "P@10": (4 / 10 + 1 / 10) / 2,
        "R@10": 1.0,
        "NDCG@10": (1 + 1 / np.log2(11)) / 2,
        "coverage@10": 10 / 12,
        "overlap@10": 1.0,
    }
    assert means["in order"] == pytest.approx(expected)
    assert of_users["in order"].tolist() == [0.8, 0.0]
    assert tuple(means["in order"]) == COLUMNS


def test_a_model_that_saw_an_answer_is_refused():
    class Cheat:
        fitted_on = interaction_keys(tiny().held_out)[:1]

        def __call__(self, users, known):
            return np.zeros((len(users), 12))

    with pytest.raises(ConfigError, match="leak: fitted on 1 interactions"):
        figures(Task("x"), tiny(), {"cheat": Cheat()})


# -- differences and verdicts by hand --------------------------------------------------
def measured(seed, split="time", **of_users):
    """``of_users``: each model's P@5 of each user."""
    names = {
        "agent": "after RL",
        "vectors": "item vectors alone",
        "warm": "after the warm start",
        "top": "oracle",
    }
    by_name = {}
    means = {}
    for short, values in of_users.items():
        name = names.get(short, short)
        by_name[name] = np.array(values, float)
        means[name] = dict.fromkeys(COLUMNS, float(np.mean(values)))
    stored = {"seed": seed, "steps": 1, "split": split}
    return RunFigures(Path(f"runs/{seed}"), stored, 1, means, by_name, {})


def test_the_strongest_baseline_and_all_parts_are_compared_pair_by_pair():
    one = measured(
        0,
        agent=[0.6, 0.8, 0.4],
        vectors=[0.2, 0.8, 0.4],
        warm=[0.4, 0.8, 0.4],
        weak=[0, 0, 0],
        strong=[0.6, 0.4, 0.2],
        top=[1, 1, 1],
    )
    found = compare_runs([one])
    assert [(less.other, less.kind) for less in found] == [
        ("strong", "baseline"),
        ("after the warm start", "part"),
        ("item vectors alone", "part"),
    ]
    means = [less.interval.mean for less in found]
    assert means == pytest.approx([0.2, 0.2 / 3, 0.4 / 3])
    gains = np.array([0.6, 0.8, 0.4]) - [0.6, 0.4, 0.2]
    assert found[0].interval == mean_interval(gains)


def test_of_several_runs_the_interval_is_over_seeds_and_users():
    runs_ = [
        measured(seed, agent=[gain, gain], vectors=[0, 0], strong=[0, 0])
        for seed, gain in enumerate((1, 2, 3))
    ]
    less, _ = compare_runs(runs_)
    assert less.of_runs == (1.0, 2.0, 3.0)
    assert less.over == "seeds and users"
    # t(2 degrees of freedom, .975) x standard deviation 1 / sqrt(3); users are alike
    half = 4.302653 / 3**0.5
    assert less.interval == pytest.approx((2.0, 2.0 - half, 2.0 + half), rel=1e-6)
    assert summarise_runs(runs_)["after RL"]["P@5"] == less.interval
    # of one run the figure alone
    assert summarise_runs(runs_[:1])["after RL"]["P@5"] == (1.0, 1.0, 1.0)


def test_a_gain_that_all_seeds_show_may_still_be_that_of_a_few_users():
    """Every seed gains .1 on average, all of it from one user of four."""
    gains = [0.4, 0, 0, 0]
    runs_ = [
        measured(seed, agent=gains, vectors=[0] * 4, strong=[0] * 4)
        for seed in range(5)
    ]
    less, part = compare_runs(runs_)
    assert less.interval == pytest.approx(mean_interval(np.array(gains)))
    assert judge_runs([less, part]).startswith("undecided, RL adds at most 0.4")
    drawn = [
        measured(seed, "random", agent=[0.4, 0], vectors=[0, 0], strong=[0, 0])
        for seed in range(5)
    ]
    less, part = compare_runs(drawn)  # other users in each run: their luck is in it
    assert less.interval == pytest.approx((0.2, 0.2, 0.2))
    assert judge_runs([less, part]).startswith("RL pays here")


@pytest.mark.parametrize(
    ("baseline", "part", "words"),
    [
        ([0.18, 0.2, 0.22], [0.18, 0.2, 0.22], "RL pays here: +0.200"),
        ([-0.18, -0.2, -0.22], [0.18, 0.2, 0.22], "RL does not pay here: -0.200"),
        ([0.18, 0.2, 0.22], [-0.18, -0.2, -0.22], "RL does not pay here: +0.200"),
        # three users: +- 0.25
        ([0.1, 0.2, 0.3], [0.18, 0.2, 0.22], "at most 0.250 P@5: +0.200"),
        ([-0.4, 0.2, 0.3], [0.1, 0.2, 0.3], "P@5: +0.033"),
        ([0.18, 0.2, 0.22], [0.0, 0.0, 0.0], "at most 0.000 P@5: +0.200"),
    ],
)
def test_verdicts(baseline, part, words):
    agent = np.array([0.5, 0.5, 0.5])
    runs_ = [
        measured(seed, agent=agent, vectors=agent - part, strong=agent - baseline)
        for seed in range(5)
    ]
    assert words in judge_runs(compare_runs(runs_))
    line = judge_runs(compare_runs(runs_[:1]))
    assert line.startswith("no verdict from fewer than 5 seeds")
    assert line.endswith("95% over users")


# -- baselines -------------------------------------------------------------------------
def test_an_axis_grows_by_its_own_ratio_until_its_least_and_its_most():
    axis = Axis((5, 10, 40), least=3, most=100)
    assert axis.beyond(10) is axis
    assert axis.beyond(40).values == (5, 10, 40, 100)  # not 160
    assert axis.beyond(5).values == (3, 5, 10, 40)  # not 2.5
    assert axis.beyond(40).beyond(100).values == (5, 10, 40, 100)
    assert axis.beyond(5).beyond(3).values == (3, 5, 10, 40)
    assert Axis((1, 4)).beyond(4).values == (1, 4, 16)


def test_no_best_of_a_search_stands_at_an_edge():
    """The peak lies at (3000, .01), far outside of both axes; each pair once."""
    tried = []

    def score(values):
        tried.append(values)
        ridge, weight = np.log(values)
        return -abs(ridge - np.log(3000)) - abs(weight - np.log(0.01))

    best = search((Axis((1, 2)), Axis((1, 10))), score)
    assert len(set(tried)) == len(tried)
    ridges, weights = (sorted(set(axis)) for axis in zip(*tried, strict=True))
    assert ridges[0] < best[0] == 4096 < ridges[-1]
    assert weights[0] < best[1] < weights[-1]
    assert best[1] == pytest.approx(0.01)


def test_a_search_does_not_walk_into_a_plain():
    tried = []

    def score(values):
        tried.append(values[0])
        return float(min(values[0], 4))

    assert search([Axis((1, 2, 4))], score) == (4,)
    assert tried == [1, 2, 4, 8]


def test_settings_are_chosen_by_p_at_5_over_the_validation_parts(monkeypatch):
    """All settings are tried again: the chosen one is the best (ties: the first).

    It was fitted on all of training.
    """
    monkeypatch.setattr(tuning, "families", small)
    split = split_rerank(
        world(n_items=80, share=0.9)[0], "random", np.random.default_rng(7)
    )
    models = tuned_baselines(split, "rerank", np.random.default_rng(0), seed=5)
    assert {name for name in models if not name.endswith(", default")} == {*BASELINES}
    # the library's own settings as well
    for name in BASELINES[2:]:
        library = type(models[name])().config
        if models[name].config != library:
            assert models[f"{name}, default"].config == library
        else:
            assert f"{name}, default" not in models
    assert "EASE, default" in models
    assert "popularity by average, default" not in models or (
        models["popularity by average"].config.shrinkage == 6
    )
    rng = np.random.default_rng(0)
    parts = [validation_split(split, "rerank", rng, draw) for draw in range(DRAWS)]

    def best(make, settings):
        scored = []
        for one in settings:
            figures = [
                rerank(part, make(one).fit(part.train), 5).figures(5)["P@5"].mean()
                for part in parts
            ]
            scored.append(np.mean(figures))
        assert max(scored) > min(scored)
        return settings[int(np.argmax(scored))]

    knn = [ItemKNNConfig(n, s) for s in (1, 10) for n in (3, 10)]
    assert models["item-kNN"].config == best(tuning.ItemKNN, knn)
    factors = [PureSVDConfig(n) for n in (2, 4)]
    assert models["PureSVD"].config == best(tuning.PureSVD, factors)
    blends = [
        tuning.BiasesPlusEASEConfig(weight=weight, ease=tuning.EASEConfig(lam))
        for lam in (10, 100)
        for weight in (1, 2)
    ]
    assert models["biases + EASE"].config == best(tuning.BiasesPlusEASE, blends)
    keys = interaction_keys(split.train)
    for name, model in models.items():
        np.testing.assert_array_equal(model.fitted_on, keys, err_msg=name)


def test_a_factorisation_gets_no_more_factors_than_the_agent_has_dimensions():
    def axes(train, dimensions):
        found = tuning.families(train, 0, dimensions)
        return {family.name: family.axes[0] for family in found}

    wide = axes(RATINGS, 40)
    smaller = min(RATINGS.n_users, RATINGS.n_items) - 1
    for name in ("matrix factorisation", "PureSVD"):
        assert wide[name].most == min(40, smaller)
        assert axes(RATINGS, 2)[name] == Axis((2,), 1, 2)


def test_held_out_ratings_change_nothing_of_the_choice(small_grids):
    split = split_rerank(RATINGS)
    worst = replace(split.held_out, ratings=6 - split.held_out.ratings)
    chosen = []
    for answers in (split.held_out, worst):
        other = replace(split, held_out=answers)
        models = tuned_baselines(other, "rerank", np.random.default_rng(0))
        chosen.append(chosen_settings(models))
    assert chosen[0] == chosen[1]


@pytest.mark.parametrize(
    ("protocol", "by"),
    [
        ("rerank", "time"),
        ("rerank", "random"),
        ("session", "time"),
        ("session", "random"),
        ("next_item", "time"),
    ],
)
def test_the_validation_part_is_the_same_kind_of_split_of_the_training_part(
    protocol, by
):
    split = Task("x", protocol, by).divide(RATINGS)
    rng = np.random.default_rng(0)
    parts = [validation_split(split, protocol, rng, draw) for draw in range(DRAWS)]
    assert len({interaction_keys(part.held_out).tobytes() for part in parts}) == DRAWS
    inner = parts[-1]
    assert inner.name == split.name
    outer = interaction_keys(split.train)
    for part in (inner.train, inner.known, inner.held_out):
        assert np.isin(interaction_keys(part), outer).all()
    answers = interaction_keys(inner.held_out)
    assert not np.isin(answers, interaction_keys(inner.train)).any()


def test_at_most_so_many_users_are_evaluated(monkeypatch):
    monkeypatch.setattr(tuning, "MOST_USERS", 7)
    inner = validation_split(split_rerank(RATINGS), "rerank", np.random.default_rng(0))
    assert len(inner.users) == 7
    assert (np.diff(inner.users) > 0).all()


def test_another_seed_redraws_random_numbers_and_leaves_the_rest(small_grids):
    split = split_session(RATINGS)
    models = tuned_baselines(split, "session", np.random.default_rng(0), seed=1)
    other = with_seed(models, split.train, 2)
    fitted_again = {name for name in models if models[name] is not other[name]}
    name = "matrix factorisation"
    assert fitted_again == {"random", name, f"{name}, default"}
    items = models["matrix factorisation"].items
    assert (items != other["matrix factorisation"].items).any()
    again = with_seed(other, split.train, 1)["matrix factorisation"]
    np.testing.assert_array_equal(again.items, items)


# -- the command -----------------------------------------------------------------------
def test_evaluate_prints_the_table_and_writes_all_of_it(
    trained, data, tmp_path, capsys, small_grids
):
    path = tmp_path / "told.json"
    assert rlrec("evaluate", trained[0], "--json", path) == 0
    said = capsys.readouterr().out
    told = json.loads(path.read_text())
    lines = said.splitlines()
    names = [
        "item vectors alone",
        "after the warm start",
        "after RL",
        *BASELINES,
        "oracle",
    ]
    assert [name for name in told["table"] if not name.endswith(", default")] == names
    for name in names:
        (line,) = [line for line in lines if line.startswith(f"{name:<30}")]
        row = told["table"][name]
        cells = [f"{row[column]['mean']:.3f}" for column in COLUMNS]
        assert line.split()[-len(COLUMNS) :] == cells
    assert "over users, for this one seed" in said
    assert told["verdict"] == lines[-2]
    assert told["verdict"].startswith("no verdict from fewer than 5 seeds")
    knn = told["runs"][0]["baselines"]["item-kNN"]
    assert set(knn) == {"neighbours", "shrinkage", "positive"}
    assert f"item-kNN: neighbours {knn['neighbours']}, shrinkage" in said
    config = DDPGRun.read(trained[0]).content()
    assert told["runs"][0]["config"] == json.loads(json.dumps(config))
    assert {
        "commit",
        "command",
        "seconds",
        "device",
        "versions",
        "differences",
        "interval",
    } <= set(told)
    assert told["command"].startswith("rlrec evaluate ")


def test_the_figures_are_those_of_the_runs_agents(
    trained, data, capsys, small_grids, tmp_path
):
    """Computed again from the stored agents and the split, by the protocol alone."""
    path = tmp_path / "told.json"
    assert rlrec("evaluate", trained[0], "--json", path) == 0
    table = json.loads(path.read_text())["table"]
    split = split_rerank(load_ratings(data))
    agent = DRR.load(storage.checkpoints(trained[0])[-1][1])
    warm = DRR.load(trained[0] / "parts" / "warm_start")

    def alone(users, known):
        return agent.vectors.users(known) @ agent.vectors.items.T

    for name, scorer in (
        ("after RL", agent),
        ("after the warm start", warm),
        ("item vectors alone", alone),
    ):
        means = rerank(split, scorer, 10).means((5, 10))
        for column in COLUMNS:
            assert table[name][column]["mean"] == means[column]


def test_several_runs_are_tuned_for_once(
    trained, data, tmp_path, capsys, small_grids, monkeypatch
):
    path = tmp_path / "told.json"
    tuned = []
    tune = evaluate_run.tuned_baselines

    def note(*arguments, **named):
        tuned.append(1)
        return tune(*arguments, **named)

    monkeypatch.setattr(evaluate_run, "tuned_baselines", note)
    assert rlrec("evaluate", *trained, "--json", path) == 0
    said = capsys.readouterr().out
    told = json.loads(path.read_text())
    assert len(tuned) == 1
    assert "2 runs, mean and 95% interval over seeds 3, 4" in said
    assert "±" in said
    each = [run["figures"]["after RL"]["P@5"] for run in told["runs"]]
    assert told["table"]["after RL"]["P@5"]["mean"] == pytest.approx(np.mean(each))
    split = split_rerank(load_ratings(data))
    for seed, run in zip((3, 4), told["runs"], strict=True):
        model = RandomOrder(np.random.default_rng(seed)).fit(split.train)
        means = rerank(split, model, 10).means((5,))
        assert run["figures"]["random"]["P@5"] == means["P@5"]
    assert [len(less["of_runs"]) for less in told["differences"]] == [2, 2, 2]
    assert told["interval"].startswith("over seeds")


@pytest.mark.parametrize(
    ("flags", "protocol", "split"),
    [
        ("--protocol session", "session", "time"),
        ("--split random", "rerank", "random"),
        ("--protocol next_item", "next_item", "time"),
    ],
)
def test_another_split_than_the_runs_is_refused(
    flags, protocol, split, trained, data, capsys
):
    assert rlrec("evaluate", trained[0], flags) == 1
    error = capsys.readouterr().err
    ratings = load_ratings(data)
    other = Task(str(data), protocol, split, 3).divide(ratings)

    def pairs(part):
        return set(zip(part.users.tolist(), part.items.tolist(), strict=True))

    held = pairs(other.held_out)
    known = pairs(split_rerank(ratings).train)
    allowed = pairs(other.train)
    assert len(known - allowed) > 0
    assert f"saw {len(known - allowed):,} interactions" in error
    assert f"{len(held & known):,} of the {len(held):,} answers" in error
    assert error.strip().splitlines()[-1].strip() == (
        f"rlrec train ddpg --data {data.resolve()} --protocol {protocol} "
        f"--split {split} --seed 3 --out {trained[0]}-{protocol}-{split}"
    )


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("evaluate {tmp}/none", "is this the folder of a run"),
        ("evaluate {a} {a}", "a seed is repeated"),
        ("evaluate {a} --protocol guess", "choose one of rerank"),
        ("evaluate {a} {tmp}/other", "differs from"),
        ("evaluate {tmp}/empty", "has no whole checkpoint yet"),
    ],
)
def test_mistakes(command, words, trained, tmp_path, capsys, small_grids):
    run = DDPGRun.read(trained[0])
    replace(run, folder=tmp_path / "empty").write()
    other = replace(run.ddpg, discount=0.5)
    replace(run, folder=tmp_path / "other", seed=9, ddpg=other).write()
    assert rlrec(command.format(a=trained[0], tmp=tmp_path)) == 1
    error = capsys.readouterr().err
    assert words in error
    if "differs" in words:
        assert "discount 0.5 and 0.9" in error


def test_the_same_split_by_name_is_no_other(trained, capsys, small_grids):
    assert rlrec("evaluate --protocol rerank --split time", trained[0]) == 0
    assert "after RL" in capsys.readouterr().out
