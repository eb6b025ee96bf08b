"""The files that set up a machine agree with each other; the floors of the house hold."""

import ast
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FLOORS = (
    *("errors", "datasets", "envs", "runs", "replay", "nn", "retrieval"),
    *("agents", "evaluation", "viz", "doctor", "cli"),
)


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.lower().split("==") for line in lines if line and not line.startswith("#"))


def test_conda_environment_holds_the_package_and_nothing_else():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert set(environment) == {"name", "channels", "dependencies"}
    *conda, pip = environment["dependencies"]
    assert conda == [f"python{PROJECT['requires-python']}", "pip"]
    assert pip == {"pip": ["-c constraints.txt", "-e .[lessons,test]"]}


def test_every_dependency_is_pinned_inside_its_range():
    from packaging.requirements import Requirement

    wanted = [
        *PROJECT["dependencies"],
        *(line for extra in PROJECT["optional-dependencies"].values() for line in extra),
    ]
    for requirement in map(Requirement, wanted):
        assert pins()[requirement.name] in requirement.specifier, requirement


@pytest.mark.parametrize("python", ["3.11.0", "3.12.0", "3.13.0"])
def test_every_pin_can_be_installed_on_every_promised_python(python):
    """Some packages leave out early patch releases, and Debian ships Python 3.11.2."""
    from packaging.specifiers import SpecifierSet

    for name in pins():
        try:
            promised = metadata.metadata(name)["Requires-Python"] or ""
        except metadata.PackageNotFoundError:  # for another system
            continue
        assert python in SpecifierSet(promised), f"{name} needs Python {promised}"


def test_the_extras_are_those_the_readme_and_make_name():
    assert {"lessons", "test", "bench"} <= set(PROJECT["optional-dependencies"])


def modules():
    return sorted((ROOT / "rlrec").rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT / "rlrec")))
def test_imports_go_down_never_up(path):
    own = path.relative_to(ROOT / "rlrec").parts[0].removesuffix(".py")
    if own == "__init__":
        return
    assert own in FLOORS, f"rlrec.{own} has no floor: add it to FLOORS"
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom) and node.module == "rlrec":
            names = [f"rlrec.{alias.name}" for alias in node.names]
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name and name.startswith("rlrec."):
                assert FLOORS.index(name.split(".")[1]) <= FLOORS.index(own), f"{path.name} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT / "rlrec")))
def test_no_pickle_no_eval_no_global_randomness(path):
    text = path.read_text()
    assert not re.search(r"\bpickle\.|import pickle|\beval\(|\bexec\(|allow_pickle=True", text)
    assert not re.search(r"np\.random\.(seed|rand|randn|randint|choice|normal|uniform|random)\(", text)


def test_readme_lists_every_lesson():
    readme = (ROOT / "README.md").read_text()
    for lesson in sorted((ROOT / "lessons").glob("[0-9][0-9]_*.ipynb")):
        assert f"lessons/{lesson.name}" in readme
    for name in ("make lab", "make test", "rlrec/", "data/", "figures/", "tests/"):
        assert name in readme
