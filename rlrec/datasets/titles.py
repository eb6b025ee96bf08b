"""Find items by their titles as people type them.

Any case, with or without year; "The Matrix" finds "Matrix, The (1999)".
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.ratings import Ratings
from rlrec.errors import ConfigError
from rlrec.types import Ids

MOST_SUGGESTIONS = 5  # titles listed in a message
_YEAR = re.compile(r"\s*\((\d{4})(?:\s*[-–]\s*\d{0,4})?\)\s*$")
_ARTICLE = re.compile(r"^(.*), (the|a|an|le|la|les|l'|il|el|los|las|der|die|das)$")
_ALTERNATIVE = re.compile(r"\(([^()]*)\)")


def labels(ratings: Ratings) -> NDArray[np.str_]:
    """The title of each item [items], or its id where the title is unknown."""
    return np.where(ratings.titles != "", ratings.titles, ratings.item_ids)


def find_titles(text: str, ratings: Ratings) -> list[int]:
    """The items that `text` names, in that order.

    text: titles, separated by semicolons, which a title may hold itself. Of items with
    the same title and year, the one with the most ratings is taken. Raises
    `ConfigError` for a title that is not found (with similar ones), that fits several
    items (with all of them), or that comes twice.
    """
    parts = list(filter(None, map(str.strip, text.split(";"))))
    if not parts:
        raise ConfigError(
            "no title given; name one or more, separated by semicolons: "
            '--history "Title; Title"'
        )
    count = np.bincount(ratings.items, minlength=ratings.n_items)
    known = labels(ratings).tolist()
    found: list[int] = []
    for name in _joined(parts, known):
        item = _find(name, known, count)
        if item in found:
            raise ConfigError(f"{known[item]!r} is named twice; once is enough")
        found.append(item)
    return found


def _joined(parts: list[str], known: list[str]) -> Iterator[str]:
    """Titles, given their parts between semicolons; the longest known ones."""
    whole = {_bare(label) for label in known if ";" in label}
    while parts:
        count = len(parts)
        while count > 1 and _bare(";".join(parts[:count])) not in whole:
            count -= 1
        yield "; ".join(parts[:count])
        parts = parts[count:]


def _find(name: str, known: list[str], count: Ids) -> int:
    """The item of one title. Raises `ConfigError` if there is none, or several."""
    if name in known:
        fitting = [item for item, label in enumerate(known) if label == name]
    else:
        fitting = _fitting(name, known)
    different = sorted({known[item] for item in fitting})
    if len(different) > 1:
        raise ConfigError(
            f"{name!r} may be {_either(different)}; say which, year included"
        )
    if fitting:
        return max(fitting, key=count.__getitem__)
    near = _nearest(_bare(name), known)
    hint = (
        f"did you mean {_either(near)}?" if near else "look at the titles in the data"
    )
    raise ConfigError(
        f"no title {name!r} among the {len(known):,} items of this run; {hint}"
    )


def _fitting(name: str, known: list[str]) -> list[int]:
    """The items with this name; if there are none, those without their article."""
    wanted = _bare(name)
    year = _year(name)
    exact = []
    without_article = []
    for item, label in enumerate(known):
        names = _names(label)
        if wanted in names:
            exact.append(item)
        if wanted in map(_without_article, names):
            without_article.append(item)
    fitting = exact or without_article
    if year:
        fitting = [item for item in fitting if _year(known[item]) == year]
    return fitting


def _nearest(wanted: str, known: list[str]) -> list[str]:
    """Titles with a similar spelling, or that contain `wanted` as a word."""
    title_of: dict[str, str] = {}
    for label in known:
        for name in _names(label):
            title_of.setdefault(name, label)
    close = difflib.get_close_matches(wanted, title_of, MOST_SUGGESTIONS, 0.7)
    if len(wanted) > 2:
        close += [name for name in title_of if f" {wanted} " in f" {name} "]
    return list(dict.fromkeys(map(title_of.__getitem__, close)))[:MOST_SUGGESTIONS]


@lru_cache(100_000)
def _names(title: str) -> tuple[str, ...]:
    """The names of a title: without its year, and each part in parentheses alone."""
    rest = _YEAR.sub("", title)
    names = [rest, _ALTERNATIVE.sub("", rest)]
    for other in _ALTERNATIVE.findall(rest):
        names.append(other.removeprefix("a.k.a. "))
    return tuple(dict.fromkeys(map(_bare, filter(str.strip, names))))


def _bare(title: str) -> str:
    """A title in lower case, the article first; no year, accents, punctuation.

    >>> _bare("Matrix, The (1999)"), _bare("  the MATRIX "), _bare("Amélie")
    ('the matrix', 'the matrix', 'amelie')
    """
    text = _YEAR.sub("", title).strip().casefold()
    text = _ARTICLE.sub(r"\2 \1", text)
    text = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(letter)
    )
    text = text.replace("'", "").replace("&", " and ")
    return " ".join(re.sub(r"[^\w\s]", " ", text).split())


def _without_article(name: str) -> str:
    return re.sub(r"^(the|a|an) ", "", name)


def _year(title: str) -> str:
    found = _YEAR.search(title)
    return found[1] if found else ""


def _either(names: Sequence[str]) -> str:
    """At most `MOST_SUGGESTIONS` names in a list, with "or" before the last one."""
    *before, last = map(repr, names[:MOST_SUGGESTIONS])
    text = f"{', '.join(before)} or {last}" if before else last
    more = len(names) - MOST_SUGGESTIONS
    return f"{text} or one of {more} more" if more > 0 else text
