"""The files that set up a machine agree with each other."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(
        line.lower().split("==") for line in lines if line and not line.startswith("#")
    )


def test_conda_environment_holds_the_package_and_nothing_else():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert set(environment) == {"name", "channels", "dependencies"}
    *conda, pip = environment["dependencies"]
    assert conda == [f"python{PROJECT['requires-python']}", "pip"]
    assert pip == {"pip": ["-c constraints.txt", "-e .[deep,lessons,test]"]}


def test_every_dependency_is_pinned_inside_its_range():
    from packaging.requirements import Requirement

    wanted = [
        *PROJECT["dependencies"],
        *(
            line
            for extra in PROJECT["optional-dependencies"].values()
            for line in extra
        ),
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
    assert {"deep", "lessons", "test", "bench"} <= set(PROJECT["optional-dependencies"])


def test_readme_lists_every_lesson():
    readme = (ROOT / "README.md").read_text()
    for lesson in sorted((ROOT / "lessons").glob("[0-9][0-9]_*.ipynb")):
        assert f"lessons/{lesson.name}" in readme
    for name in ("make lab", "make test", "rlrec/", "data/", "figures/", "tests/"):
        assert name in readme
