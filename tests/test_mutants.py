"""The list of `make mutants` does not rot: each bug in it can still be planted."""

from collections import Counter
from pathlib import Path

import pytest
from mutants.planting import BadMutantError, Mutant, plant, read_mutants

ROOT = Path(__file__).resolve().parents[1]
MUTANTS = read_mutants()
TEXT = '"""Doubles."""\nx = 1  # one\ny = x + x\n'


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_each_bug_can_be_planted(mutant):
    assert plant(mutant, ROOT) != (ROOT / mutant.file).read_text("utf-8")
    assert mutant.bug
    assert mutant.source
    assert mutant.tests
    for path in mutant.tests:
        assert (ROOT / path).is_file()


def test_there_are_many_and_no_two_have_one_name():
    names = Counter(one.name for one in MUTANTS)
    assert len(names) >= 120
    assert max(names.values()) == 1


def a_mutant(before, after):
    return Mutant("m", "a bug", "a paper", before, after, "file.py", ("test.py",))


def test_a_bug_by_hand(tmp_path):
    (tmp_path / "file.py").write_text(TEXT)
    planted = plant(a_mutant("x + x", "x * x"), tmp_path)
    assert planted == '"""Doubles."""\nx = 1  # one\ny = x * x\n'
    assert (tmp_path / "file.py").read_text() == TEXT


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("x - x", "x", "m: 'x - x' occurs 0 times"),
        ("x", "z", "m: 'x' occurs 3 times"),
        ("x + x", "x +", "m does not compile"),
        ("# one", "# two", "m changes no code"),
        ("Doubles", "Triples", "m changes no code"),
    ],
)
def test_what_is_no_bug_is_refused(tmp_path, before, after, words):
    (tmp_path / "file.py").write_text(TEXT)
    with pytest.raises(BadMutantError, match=words):
        plant(a_mutant(before, after), tmp_path)
