"""Finding items by what a person types: any case, year or not, "The Matrix" for "Matrix, The (1999)"."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.ratings import Ratings
from rlrec.errors import ConfigError

SHOWN = 5  # titles listed in a message
_YEAR = re.compile(r"\s*\((\d{4})(?:\s*[-–]\s*\d{0,4})?\)\s*$")
_ARTICLE = re.compile(r"^(.*), (the|a|an|le|la|les|l'|il|el|los|las|der|die|das)$")
_ALTERNATIVE = re.compile(r"\(([^()]*)\)")


def labels(ratings: Ratings) -> NDArray[np.str_]:
    """How each item is called [items]: its title, or its id where it has none."""
    return np.where(ratings.titles != "", ratings.titles, ratings.item_ids)


def find_titles(text: str, ratings: Ratings) -> list[int]:
    """The items that ``text`` names, titles separated by semicolons, in that order.

    Of items with the very same title and year the one with the most ratings counts. Raises ``ConfigError`` for a title
    that is not there (with the nearest ones), that fits several (with all of them), or that comes twice.
    """
    names = [name.strip() for name in text.split(";") if name.strip()]
    if not names:
        raise ConfigError(
            'no title given; name one or more, separated by semicolons: --history "Title; Title"'
        )
    count = np.bincount(ratings.items, minlength=ratings.n_items)
    known = labels(ratings)
    found: list[int] = []
    for name in names:
        item = _find(name, known, count)
        if item in found:
            raise ConfigError(f"{known[item]!r} is named twice; once is enough")
        found.append(item)
    return found


def _find(name: str, known: NDArray[np.str_], count: NDArray[np.int64]) -> int:
    exact = [item for item, label in enumerate(known) if str(label) == name]
    if exact:
        return max(exact, key=lambda item: count[item])
    wanted, year = _bare(name), _year(name)
    fitting = [item for item, label in enumerate(known) if wanted in _names(str(label))]
    if not fitting:
        fitting = [
            item
            for item, label in enumerate(known)
            if wanted in map(_without_article, _names(str(label)))
        ]
    if year:
        fitting = [item for item in fitting if _year(str(known[item])) == year]
    different = {str(known[item]) for item in fitting}
    if len(different) == 1:
        return max(fitting, key=lambda item: count[item])
    if different:
        raise ConfigError(
            f"{name!r} may be {_listed(sorted(different), 'or')}; say which, year included"
        )
    near = _nearest(wanted, known)
    hint = (
        f"did you mean {_listed(near, 'or')}?"
        if near
        else "look at the titles in the data"
    )
    raise ConfigError(
        f"no title {name!r} among the {len(known):,} items of this run; {hint}"
    )


def _nearest(wanted: str, known: NDArray[np.str_]) -> list[str]:
    """Titles that are spelled nearly like ``wanted``, or begin with it or contain it as a word."""
    of: dict[str, str] = {}
    for label in known:
        for name in _names(str(label)):
            of.setdefault(name, str(label))
    close = difflib.get_close_matches(wanted, of, SHOWN, 0.7)
    inside = [name for name in of if len(wanted) > 2 and f" {wanted} " in f" {name} "]
    return list(dict.fromkeys(of[name] for name in [*close, *inside]))[:SHOWN]


@lru_cache(100_000)
def _names(title: str) -> tuple[str, ...]:
    """What a title may be called: without the year, also without or by what stands in parentheses."""
    rest = _YEAR.sub("", title)
    others = [other.removeprefix("a.k.a. ") for other in _ALTERNATIVE.findall(rest)]
    return tuple(
        dict.fromkeys(
            _bare(name)
            for name in [rest, _ALTERNATIVE.sub("", rest), *others]
            if name.strip()
        )
    )


def _bare(title: str) -> str:
    """A title in small letters without year, accents and punctuation, its article in front.

    >>> _bare("Matrix, The (1999)"), _bare("  the MATRIX "), _bare("Amélie")
    ('the matrix', 'the matrix', 'amelie')
    """
    text = _YEAR.sub("", title).strip().casefold()
    moved = _ARTICLE.match(text)
    if moved:
        text = f"{moved[2]} {moved[1]}"
    text = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(letter)
    )
    words = re.sub(r"[^\w\s]", " ", text.replace("'", "").replace("&", " and ")).split()
    return " ".join(words)


def _without_article(name: str) -> str:
    return re.sub(r"^(the|a|an) ", "", name)


def _year(title: str) -> str:
    found = _YEAR.search(title)
    return found[1] if found else ""


def _listed(names: Sequence[str], word: str) -> str:
    shown = [repr(name) for name in names[:SHOWN]]
    more = f" {word} one of {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (
        f" {word} ".join([", ".join(shown[:-1]), shown[-1]])
        if len(shown) > 1
        else shown[0]
    ) + more
