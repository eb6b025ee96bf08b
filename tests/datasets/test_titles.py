"""Titles as people type them."""

from dataclasses import replace

import numpy as np
import pytest
from ratings_samples import made

from rlrec.datasets.titles import find_titles, labels
from rlrec.errors import ConfigError

TITLES = [
    "Matrix, The (1999)",
    "Toy Story (1995)",
    "Toy Story 2 (1999)",
    "Hamlet (1990)",
    "Hamlet (1996)",
    "City of Lost Children, The (Cité des enfants perdus, La) (1995)",
    "Amélie (2001)",
    "Seven (Se7en) (1995)",
    "Chasing Amy (1997)",
    "Chasing Amy (1997)",
    "",
    "Monty Python's Life of Brian (1979)",
    "A.I. (2001)",
    "Interview with the Vampire (1994)",
    "2001: A Space Odyssey (1968)",
]
RATINGS = replace(
    made(
        [0, 0, 1, 1, 2, *range(3, 13)],
        [0, 9, 9, 8, 1, *range(2, 8), *range(10, 14)],
        [5] * 15,
        13,
        len(TITLES),
    ),
    titles=np.array(TITLES),
    item_ids=np.array([f"id{i}" for i in range(len(TITLES))]),
)


@pytest.mark.parametrize(
    ("typed", "items"),
    [
        ("Matrix, The (1999)", [0]),
        ("The Matrix", [0]),
        ("  the MATRIX (1999) ", [0]),
        ("matrix", [0]),
        ("Toy Story", [1]),
        ("toy story 2; the matrix", [2, 0]),
        ("hamlet (1996)", [4]),
        ("The City of Lost Children", [5]),
        ("La cite des enfants perdus", [5]),
        ("amelie", [6]),
        ("Se7en", [7]),
        ("seven", [7]),
        (
            "Chasing Amy",
            [9],
        ),  # two of the same name and year: the one that more have rated
        ("id10", [10]),  # no title: its id
        ("monty pythons life of brian;", [11]),
        ("ai", None),
        ("A.I.", [12]),
        ("2001: a space odyssey", [14]),
    ],
)
def test_what_people_type(typed, items):
    if items is None:
        with pytest.raises(ConfigError):
            find_titles(typed, RATINGS)
    else:
        assert find_titles(typed, RATINGS) == items


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("Hamlet", "'Hamlet' may be 'Hamlet (1990)' or 'Hamlet (1996)'; say which"),
        (
            "The Matrixx",
            "no title 'The Matrixx' among the 15 items of this run; did you mean "
            "'Matrix, The (1999)'?",
        ),
        ("Toy Storie", "did you mean 'Toy Story (1995)'"),
        ("vampire", "did you mean 'Interview with the Vampire (1994)'?"),
        ("The Matrix (2003)", "no title 'The Matrix (2003)'"),
        ("qqqq", "look at the titles in the data"),
        (" ; ", "no title given"),
        ("Matrix; The Matrix", "named twice"),
    ],
)
def test_what_is_not_found_gets_suggestions(typed, words):
    with pytest.raises(ConfigError) as error:
        find_titles(typed, RATINGS)
    assert words in str(error.value)


def test_the_exact_name_comes_before_one_without_article():
    ratings = replace(
        made([0, 1], [0, 1], [5, 5]), titles=np.array(["The Fly (1958)", "Fly (1986)"])
    )
    assert find_titles("fly", ratings) == [1]
    assert find_titles("the fly", ratings) == [0]


def test_labels_fall_back_to_ids():
    assert labels(RATINGS)[[0, 10]].tolist() == ["Matrix, The (1999)", "id10"]
