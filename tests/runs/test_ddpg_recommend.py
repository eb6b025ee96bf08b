"""Three films for a history: what is left out, and whether the reasons are right."""

import numpy as np
import pytest
import scipy.sparse as sp
from command import rlrec
from run_samples import SMALL, write_csv

from rlrec import storage
from rlrec.collaborative.drr import DRR
from rlrec.datasets import load_ratings
from rlrec.evaluation.protocols import split_rerank
from rlrec.nn.backend import tf
from rlrec.runs.ddpg_recommend import score_and_reasons


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_csv(tmp_path_factory.mktemp("data") / "own.csv")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    tf.config.run_functions_eagerly(True)
    assert rlrec("train ddpg --steps 64 --data", data, "--out", out, *SMALL) == 0
    tf.config.run_functions_eagerly(False)
    return out


def test_scores_and_reasons_by_hand():
    """A scorer that adds up: without an item the score falls by 5 times its weight."""
    weights = np.zeros((4, 4))
    weights[0, 2:] = [1.0, 2.0]
    weights[1, 2:] = [3.0, -1.0]
    calls = []

    def scorer(users, known):
        histories = np.split(known.indices, known.indptr[1:-1])
        calls.append((users.tolist(), [items.tolist() for items in histories]))
        return known @ weights

    scores, falls = score_and_reasons(scorer, [1, 0], 4)
    assert scores.tolist() == [0, 0, 20, 5]
    # without item 1, without item 0
    assert falls[:, 2:].tolist() == [[15, -5], [5, 10]]
    # in the order that was typed
    assert calls == [([-1, -1, -1], [[1, 0], [0], [1]])]


def test_three_films_best_first_with_reasons(run, data, capsys):
    ratings = load_ratings(data)
    history = "--history 'film ab; Film Cd (1973)'"
    assert rlrec("recommend", run, history, "-k 3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "after Film Ab (1951); Film Cd (1973) (64 steps of training):"
    assert lines[-1].startswith("because of: how much the score falls when that title")
    assert lines[-2].startswith("(trained to order what people chose")
    assert len(lines) == 6
    drr = DRR.load(storage.checkpoints(run)[-1][1])
    known = sp.csr_matrix(([5.0, 5.0], ([0, 0], [1, 23])), shape=(1, 40))
    scores = drr(np.array([-1]), known)[0]
    scores[[1, 23, 39]] = -np.inf  # the history, and what nobody rated in training
    for line, item in zip(lines[1:4], np.argsort(-scores), strict=False):
        assert ratings.titles[item] in line
        assert f"{scores[item]:.3f}" in line
        assert "because of Film" in line or "whatever the history" in line


def test_what_nobody_rated_in_training_is_not_recommended(
    run, data, monkeypatch, capsys
):
    """Item 39 has one rating, the last of its user, which is held out."""
    assert 39 not in split_rerank(load_ratings(data)).train.items

    def likes_the_unknown(self, users, known):
        return np.tile(np.arange(40.0), (known.shape[0], 1))

    monkeypatch.setattr(DRR, "__call__", likes_the_unknown)
    assert rlrec("recommend", run, "--history 'Film Di' -k 3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines[1:4]] == ["Dh", "Dg", "Df"]
    assert "whatever the history" in lines[1]
    assert rlrec("recommend", run, "--history 'Film Dj' -k 1") == 0
    assert "nobody rated Film Dj (1989) in training" in capsys.readouterr().out


def test_the_reasons_are_the_largest_falls(run, monkeypatch, capsys):
    """Each title adds its number; one that lowers the score is no reason."""
    worth = np.array([0.0, 1.0, 3.0, 2.0, -4.0] + [0.0] * 35)

    def adds(self, users, known):
        added = np.asarray(known @ worth)[:, None] / 5.0
        return np.tile(np.arange(40.0), (known.shape[0], 1)) + added

    monkeypatch.setattr(DRR, "__call__", adds)
    history = "--history 'Film Ab; film ac; film ad; film ae'"
    assert rlrec("recommend", run, history, "-k 1") == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert line.endswith("because of Film Ac (1952) (+3.000), Film Ad (1953) (+2.000)")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--history 'Film Zz'", "no title 'Film Zz'"),
        ("--history 'Film Aa' -k 0", "-k is 0; it must lie in 1..38"),
        ("--history 'Film Aa' -k 39", "-k is 39; it must lie in 1..38"),
        ("--playing Rock", 'give --history "Title; Title", not --playing'),
        ("--history 'Film Aa' --tracks generated", "not --tracks"),
        ("", "say what you liked"),
    ],
)
def test_mistakes(flags, words, run, capsys):
    assert rlrec("recommend", run, flags) == 1
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
