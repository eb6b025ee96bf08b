"""What the notebook tests share: lessons/conftest.py, and a folder with a demo."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def strict() -> ModuleType:
    """lessons/conftest.py, for its functions."""
    spec = importlib.util.spec_from_file_location(
        "lessons_conftest", ROOT / "lessons" / "conftest.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(folder: Path) -> Path:
    """A project with the demo as its one lesson, not yet run; returns its lessons/."""
    lessons = folder / "lessons"
    (lessons / "text").mkdir(parents=True)
    (lessons / "exercises").mkdir()
    (lessons / "solutions" / "text").mkdir(parents=True)
    (folder / "home").mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n")
    shutil.copy(ROOT / "lessons" / "conftest.py", lessons)
    shutil.copy(ROOT / "lessons" / "nbval_sanitize.cfg", lessons)
    shutil.copy(HERE / "demo.md", lessons / "text" / "99_demo.md")
    shutil.copy(
        HERE / "demo_solutions.md", lessons / "solutions" / "text" / "99_demo.md"
    )
    shutil.copy(HERE / "demo_exercises.py", lessons / "exercises" / "lesson99.py")
    return lessons


def run_nbval(
    lessons: Path, *arguments: str, target: str = "lessons"
) -> subprocess.CompletedProcess[str]:
    """Run `pytest --nbval lessons` there, as a newcomer with an empty home folder."""
    ours = ("PYTEST_", "RLREC_", "MPL", "IPYTHON")
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(ours)
    }
    environment = clean | {"HOME": str(lessons.parent / "home")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "-q",
        "--color=no",
        *arguments,
        target,
    ]
    return subprocess.run(
        command,
        cwd=lessons.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="session")
def house() -> Callable[[Path], Path]:
    return build


@pytest.fixture(scope="session")
def nbval() -> Callable[..., subprocess.CompletedProcess[str]]:
    return run_nbval


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """lessons/ with the demo lesson run and stored. Copy it before you change it."""
    lessons = build(tmp_path_factory.mktemp("house"))
    run = run_nbval(lessons, "--refresh")
    assert run.returncode == 0, run.stdout + run.stderr
    return lessons
