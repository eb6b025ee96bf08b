"""Three films for a history: what is left out, and that the reasons are what they say."""

import numpy as np
import pytest
import scipy.sparse as sp
from run_samples import SMALL, write_csv

from rlrec import storage
from rlrec.collaborative.drr import DRR
from rlrec.cli import main
from rlrec.datasets import load_ratings
from rlrec.evaluation.protocols import split_rerank
from rlrec.runs.ddpg_recommend import score_and_reasons
from rlrec.nn.backend import tf


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_csv(tmp_path_factory.mktemp("data") / "own.csv")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    tf.config.run_functions_eagerly(True)
    assert main(["train", "ddpg", "--data", str(data), "--out", str(out), "--steps", "64", *SMALL]) == 0
    tf.config.run_functions_eagerly(False)
    return out


def test_scores_and_reasons_by_hand():
    """A scorer that adds up what it knows: without an item the score falls by that item's share, 5 times its weight."""
    weights = np.array([[0.0, 0.0, 1.0, 2.0], [0.0, 0.0, 3.0, -1.0], [0, 0, 0, 0], [0, 0, 0, 0]])
    asked = []

    def scorer(users, known):
        asked.append((users.tolist(), [known.indices[a:b].tolist() for a, b in zip(known.indptr, known.indptr[1:])]))  # noqa: B905
        return known @ weights

    scores, falls = score_and_reasons(scorer, [1, 0], 4)
    assert scores.tolist() == [0, 0, 20, 5]
    assert falls[:, 2:].tolist() == [[15, -5], [5, 10]]  # without item 1, without item 0
    assert asked == [([-1, -1, -1], [[1, 0], [0], [1]])]  # in the order that was typed


def test_three_films_best_first_with_reasons(run, data, capsys):
    ratings = load_ratings(data)
    assert main(["recommend", str(run), "--history", "film ab; Film Cd (1973)", "-k", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "after Film Ab (1951); Film Cd (1973) (64 steps of training):"
    assert lines[-1].startswith("because of: how much the score falls when that title is left out")
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


def test_what_nobody_rated_in_training_is_not_recommended(run, data, monkeypatch, capsys):
    """Item 39 has one rating, the last of its user, which is held out."""
    assert 39 not in split_rerank(load_ratings(data)).train.items

    def likes_the_unknown(self, users, known):
        return np.tile(np.arange(40.0), (known.shape[0], 1))

    monkeypatch.setattr(DRR, "__call__", likes_the_unknown)
    assert main(["recommend", str(run), "--history", "Film Di", "-k", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines[1:4]] == ["Dh", "Dg", "Df"]
    assert "whatever the history" in lines[1]
    assert main(["recommend", str(run), "--history", "Film Dj", "-k", "1"]) == 0
    assert "nobody rated Film Dj (1989) in training" in capsys.readouterr().out


def test_the_reasons_are_the_largest_falls(run, monkeypatch, capsys):
    """Each title adds its number: left out, the score falls by it; a title that lowers the score is no reason."""
    worth = np.array([0.0, 1.0, 3.0, 2.0, -4.0] + [0.0] * 35)

    def adds(self, users, known):
        return np.tile(np.arange(40.0), (known.shape[0], 1)) + np.asarray(known @ worth)[:, None] / 5.0

    monkeypatch.setattr(DRR, "__call__", adds)
    assert main(["recommend", str(run), "--history", "Film Ab; film ac; film ad; film ae", "-k", "1"]) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert line.endswith("because of Film Ac (1952) (+3.000), Film Ad (1953) (+2.000)")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--history", "Film Zz"], "no title 'Film Zz'"),
        (["--history", "Film Aa", "-k", "0"], "-k is 0; it must lie in 1..38"),
        (["--history", "Film Aa", "-k", "39"], "-k is 39; it must lie in 1..38"),
        (["--playing", "Rock"], 'give --history "Title; Title", not --playing'),
        (["--history", "Film Aa", "--tracks", "generated"], "not --tracks"),
        ([], "say what you liked"),
    ],
)
def test_mistakes(arguments, words, run, capsys):
    assert main(["recommend", str(run), *arguments]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
