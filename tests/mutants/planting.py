"""The list of bugs, ``mutants.toml``, and how one of them is put into a file."""

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).with_name("mutants.toml")


class BadMutantError(Exception):
    """A mutant that cannot be planted; names it, and says why."""


@dataclass(frozen=True)
class Mutant:
    """One bug: in ``file``, the text ``before`` becomes ``after``."""

    name: str
    bug: str  # what is wrong, in words
    source: str  # where it was seen, or the formula that it breaks
    before: str  # occurs once in the file
    after: str
    file: str  # from the root, as all paths here
    tests: tuple[str, ...]  # the files with the tests that concern it
    survives: str = ""  # why no test can notice it, if none can


def read_mutants(path=LIST):
    """All mutants of the list, in its order."""
    found = []
    for module in tomllib.loads(path.read_text("utf-8"))["module"]:
        for entry in module["mutant"]:
            tests = entry.pop("tests", module["tests"])
            found.append(Mutant(file=module["file"], tests=tuple(tests), **entry))
    return found


def plant(mutant, root):
    """The text of the mutant's file with the bug in it.

    Raises ``BadMutantError`` unless ``before`` occurs once, the result compiles, and
    something other than a comment or a docstring has changed.
    """
    text = (root / mutant.file).read_text("utf-8")
    count = text.count(mutant.before)
    if count != 1:
        raise BadMutantError(
            f"{mutant.name}: {mutant.before!r} occurs {count} times in {mutant.file}; "
            "it must occur once"
        )
    planted = text.replace(mutant.before, mutant.after)
    try:
        code = compiled(planted)
    except SyntaxError as error:
        raise BadMutantError(f"{mutant.name} does not compile: {error}") from None
    if code == compiled(text):
        raise BadMutantError(f"{mutant.name} changes no code of {mutant.file}")
    return planted


def compiled(text):
    """The code of ``text``, comments and docstrings left out."""
    tree = ast.parse(text)
    compile(tree, "planted", "exec")
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node) is not None:
            node.body[0].value.value = ""
    return ast.dump(tree)
