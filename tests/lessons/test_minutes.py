"""How long lessons take, and that they say so: python -m tests.lessons.test_minutes.

Words / 200 a minute, a minute for ten lines of code, 6 for an exercise, 12 for one that
builds. A heading that ends in "(further)" opens a part that can be left out, up to the
next heading of its level or above; the rest is the core path.
"""

import ast
import re
from pathlib import Path

import pandas as pd
import pytest

TEXT = Path(__file__).resolve().parents[2] / "lessons" / "text"
LESSONS = sorted(TEXT.glob("[0-9][0-9]_*.md"))
WITHIN = 0.15
CORE = 14 * 60  # minutes, of all lessons together
CLAIM = re.compile(r"\*\*Time:\*\* (\d+) minutes(?: for the core, (\d+) with all)?\b")
LEFT_OUT = re.compile(r"\*\*Time:\*\* (\d+) minutes that can be left out\b")
CODE = re.compile(r"^```python.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
BUILD = re.compile(r"^(?:# Exercise .*|\*\*\d\d\.\d\*\* )\(build", re.MULTILINE)
HEADING = re.compile(r"^(#+) +(.+?)$", re.MULTILINE)


def parts(text):
    """Pairs of a heading's line and all up to the next one; code hides no heading."""
    blank = CODE.sub(lambda found: "\n" * found.group().count("\n"), text)
    places = [blank[: found.start()].count("\n") for found in HEADING.finditer(blank)]
    lines = text.split("\n")
    for start, end in zip(places, [*places[1:], len(lines)], strict=True):
        yield lines[start], "\n".join(lines[start:end])


def minutes(text):
    """Of one part: reading, code and exercises.

    >>> minutes("word " * 200 + "\\n```python\\na = 1\\n\\nb = 2\\n```\\n")
    1.2
    """
    code = CODE.findall(text)
    words = len(CODE.sub("", text).split())
    lines = sum(bool(line.strip()) for block in code for line in block.split("\n"))
    exercises = text.count("\n# Exercise ")
    builds = len(
        re.findall(r"^# Exercise .*\(build|^\*\*\d\d\.\d\*\* \(build", text, re.M)
    )
    return words / 200 + lines / 10 + 6 * exercises + 6 * builds


def marked(text):
    """Pairs of a part, and whether it belongs to the core path."""
    level = None  # of the heading that opened a part to leave out
    for heading, part in parts(text):
        depth = len(heading) - len(heading.lstrip("#"))
        if level is None or depth <= level:
            level = depth if heading.endswith("(further)") else None
        yield part, level is None


def measure(text):
    """Minutes of the core path, and of everything."""
    core = sum(minutes(part) for part, is_core in marked(text) if is_core)
    return core, sum(minutes(part) for part, _ in marked(text))


def names(text, is_core):
    """Names that code of the core path, or of the rest, sets or imports, and uses."""
    blocks = [
        block
        for part, core in marked(text)
        if core is is_core
        for block in CODE.findall(part)
    ]
    tree = ast.parse("\n".join(blocks))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    used = {node.id for node in found if isinstance(node.ctx, ast.Load)}
    assigned = {node.id for node in found if not isinstance(node.ctx, ast.Load)}
    assigned |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.alias)]
    assigned |= {name.asname or name.name for name in imported}
    handlers = [n for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler)]
    assigned |= {handler.name for handler in handlers if handler.name}
    defined = (ast.FunctionDef, ast.ClassDef)
    return assigned | {n.name for n in tree.body if isinstance(n, defined)}, used


def claimed(text):
    """Minutes of the core path, and of everything, as the lesson's head says."""
    head = text.partition("\n## ")[0]
    if found := LEFT_OUT.search(head):
        return 0, int(found[1])
    core, whole = CLAIM.search(head).groups()
    return int(core), int(whole or core)


def table():
    """A row for each lesson: minutes claimed and measured."""
    rows = []
    for path in LESSONS:
        text = path.read_text("utf-8")
        rows.append((path.stem[:2], *claimed(text), *measure(text)))
    columns = ["lesson", "core, said", "all, said", "core", "all"]
    return pd.DataFrame(rows, columns=columns)


def test_by_hand():
    """400 words and 20 lines; left out: 200 words and an exercise of 2 lines."""
    code = "x = 1\n\n"
    left_out = "# Exercise 99.1 (build): c\nanswer = ...\n"
    text = (
        f"# 99 A\n{'word ' * 197}\n```python\n{code}```\n"
        f"## B (further)\n{'word ' * 100}\n### C\n{'word ' * 95}\n"
        f"```python\n{left_out}```\n"
        f"## D\n{'word ' * 198}\n```python\n{code * 19}```\n"
    )
    assert measure(text) == (pytest.approx(2 + 2), pytest.approx(4 + 1 + 12.2))


def test_claims_read():
    assert claimed("# 9\n**Time:** 50 minutes for the core, 90 with all.") == (50, 90)
    assert claimed("# 9\n**Time:** 50 minutes. You need") == (50, 50)
    assert claimed("# 9\n**Time:** 50 minutes that can be left out: no") == (0, 50)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_says_how_long_it_takes(path):
    text = path.read_text("utf-8")
    for said, is_so in zip(claimed(text), measure(text), strict=True):
        assert said == pytest.approx(is_so, rel=WITHIN), "say {:.0f}, {:.0f}".format(
            *measure(text)
        )


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_core_path_needs_nothing_of_what_is_left_out(path):
    text = path.read_text("utf-8")
    core, used = names(text, is_core=True)
    left_out, _ = names(text, is_core=False)
    assert not (left_out - core) & used


def test_a_core_path_that_needs_what_is_left_out_is_seen():
    text = "# A\n## B (further)\n```python\nx = 1\n```\n## C\n```python\nx + y\n```\n"
    assert names(text, is_core=False)[0] & names(text, is_core=True)[1] == {"x"}


def test_the_core_paths_together_take_under_14_hours():
    assert table()["core"].sum() < CORE


if __name__ == "__main__":
    found = table()
    print(found.round().to_string(index=False))
    hours = found[["core", "all"]].sum() / 60
    print(f"hours: core {hours['core']:.1f}, all {hours['all']:.1f}")
