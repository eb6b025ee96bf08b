"""The rooms of the library: who imports whom, what stands where, what is named once."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = sorted((ROOT / "rlrec").rglob("*.py"))
COURSE = sorted((ROOT / "lessons").glob("*.py"))
# Ground first: a room may import from itself and from the rooms before it.
ROOMS = (
    *("errors", "types", "storage", "datasets", "envs", "nn", "agents"),
    *("collaborative", "sound", "evaluation", "logs", "runs", "studies"),
    *("viz", "doctor", "course", "grade", "cli"),
)
# Constructors and commands of one protocol may share a name: name -> reason.
SHARED: dict[str, str] = {}


def name_of(path):
    """rlrec/envs/batch.py -> rlrec.envs.batch; a package goes by its own name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path):
    """The modules of the library that a file imports, lazily or not."""
    known = {name_of(one) for one in LIBRARY}
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names.append(node.module)
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name for name in names if name in known and name != "rlrec"}
    return found


def strings_in_code(path):
    """(line, text) of every string in a file that is no docstring."""
    tree = ast.parse(path.read_text("utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and ast.get_docstring(node) is not None
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docs:
            yield node.lineno, node.value


each_module = pytest.mark.parametrize("path", LIBRARY, ids=name_of)
each_file = pytest.mark.parametrize("path", [*LIBRARY, *COURSE], ids=name_of)


@each_module
def test_imports_go_down_never_up(path):
    own = name_of(path).split(".")[1:2]
    if not own:
        return
    assert own[0] in ROOMS, f"rlrec.{own[0]} is no room: add it to ROOMS"
    for name in imports_of(path):
        room = name.split(".")[1]
        assert ROOMS.index(room) <= ROOMS.index(own[0]), f"imports {name}"


def test_no_module_imports_itself_round_a_circle():
    graph = {name_of(path): imports_of(path) - {name_of(path)} for path in LIBRARY}
    packages = {name_of(path) for path in LIBRARY if path.name == "__init__.py"}
    graph = {name: found - packages for name, found in graph.items()}
    while graph:
        leaves = [name for name, found in graph.items() if not found & graph.keys()]
        assert leaves, f"circle among {sorted(graph)}"
        for name in leaves:
            del graph[name]


@each_module
def test_the_library_knows_nothing_of_the_course(path):
    for line, text in strings_in_code(path):
        assert not re.match(r"lessons(/|$)", text), f"line {line}: {text!r}"
    assert not re.search(
        r"^\s*(from|import) (lab\d\d|figures)\b", path.read_text(), re.M
    )


@each_file
def test_no_pickle_no_eval_no_global_randomness(path):
    text = path.read_text()
    assert not re.search(
        r"\bpickle\.|import pickle|\beval\(|\bexec\(|allow_pickle=True", text
    )
    assert not re.search(
        r"np\.random\.(seed|rand|randn|randint|choice|normal|uniform|random)\(", text
    )


@each_file
def test_nothing_is_packed_past_the_formatter(path):
    assert not re.search(r"# fmt: (skip|off)", path.read_text("utf-8"))


def test_a_public_name_stands_once():
    places = defaultdict(list)
    for path in LIBRARY:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                places[node.name].append(name_of(path))
    twice = {
        name: found
        for name, found in places.items()
        if len(found) > 1 and not name.startswith("_") and name not in SHARED
    }
    assert not twice


def test_a_type_is_defined_once():
    places = defaultdict(list)
    for path in LIBRARY:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript):
                target = node.targets[0]
                if isinstance(target, ast.Name) and not target.id.isupper():
                    places[target.id].append(name_of(path))
    assert not {name: found for name, found in places.items() if len(found) > 1}
