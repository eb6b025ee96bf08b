"""The files that set up a machine agree with each other."""

import json
import os
import re
import subprocess
import sys
import tarfile
import time
import tomllib
import urllib.request
import zipfile
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import pytest
import yaml

import rlrec
from rlrec.cli import main
from rlrec.course import copy_course, open_course
from rlrec.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]
JUPYTER = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "HOME")
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
            promised = metadata.metadata(name).get("Requires-Python") or ""
        except metadata.PackageNotFoundError:  # for another system
            continue
        assert python in SpecifierSet(promised), f"{name} needs Python {promised}"


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == rlrec.__version__
    assert f"## {rlrec.__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert (
        f"rlrec-{rlrec.__version__}-py3-none-any.whl"
        in (ROOT / "README.md").read_text()
    )


def test_the_extras_are_those_the_readme_and_make_name():
    assert {"deep", "gpu", "lessons", "test", "bench"} <= set(
        PROJECT["optional-dependencies"]
    )


def test_readme_lists_every_lesson():
    readme = (ROOT / "README.md").read_text()
    for lesson in sorted((ROOT / "lessons").glob("[0-9][0-9]_*.ipynb")):
        assert f"lessons/{lesson.name}" in readme
    for name in ("make lab", "make test", "rlrec/", "data/", "figures/", "tests/"):
        assert name in readme


def build(folder, target):
    """A wheel or sdist of a clone with untracked files in it; the clone too."""
    clone = folder / "clone"
    if not clone.exists():
        command = ["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(clone)]
        subprocess.run(command, check=True)
        for name in ("data/mine.csv", "lessons/my_plays.csv", "rlrec/mine.py"):
            (clone / name).write_text("a file of somebody's own\n")
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder]
    subprocess.run(command, check=True, cwd=clone, capture_output=True)
    (built,) = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return clone, built


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """The clone, the wheel's unpacked folder, and the names in the sdist."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: nothing says which files are the project's")
    folder = tmp_path_factory.mktemp("packed")
    clone, wheel = build(folder, "wheel")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    _, sdist = build(folder, "sdist")
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    return clone, folder / "installed", names


def test_the_sdist_holds_the_tracked_files_and_no_others(packed):
    clone, _, names = packed
    command = ["git", "-C", str(clone), "ls-files"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert sorted(set(names) - {"PKG-INFO"}) == sorted(listed.stdout.split("\n")[:-1])


def test_the_wheel_holds_library_data_and_course(packed):
    _, installed, _ = packed
    package = installed / "rlrec"
    for name in ("py.typed", "_data/tracks.csv", "_course/figures/00_course_map.png"):
        assert (package / name).is_file(), name
    for name in ("_data/mine.csv", "_course/lessons/my_plays.csv", "mine.py"):
        assert not (package / name).exists(), name


def run_installed(installed, *code_and_arguments, folder):
    """Python with the unpacked wheel first on its path, and TensorFlow out of reach."""
    guard = folder / "guard"
    guard.mkdir(exist_ok=True)
    for name in ("tensorflow", "keras"):
        (guard / f"{name}.py").write_text("raise ImportError('not installed')\n")
    path = os.pathsep.join([str(guard), str(installed)])
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RLREC_")}
    return subprocess.run(
        [sys.executable, *code_and_arguments],
        cwd=folder,
        env=clean | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


def test_the_course_comes_out_of_the_wheel_whole_and_once(packed, tmp_path):
    _, installed, _ = packed
    command = ("-m", "rlrec.cli", "lessons", "here")
    first = run_installed(installed, *command, folder=tmp_path)
    assert first.returncode == 0, first.stderr
    course = tmp_path / "here" / "lessons"
    for part in ("00_start_here.ipynb", "lab03_exploration.py", "results/ppo.json"):
        assert (course / part).is_file()
    pictures = re.findall(
        r"\.\./figures/[\w.]+", (course / "text/07_ddpg.md").read_text()
    )
    assert pictures
    assert all((course / picture).is_file() for picture in pictures)
    mine = course / "00_start_here.ipynb"
    mine.write_text("my notes")
    again = run_installed(installed, *command, folder=tmp_path)
    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert "Traceback" not in again.stderr
    assert mine.read_text() == "my notes"


def test_the_tabular_half_works_from_the_wheel_without_tensorflow(packed, tmp_path):
    _, installed, _ = packed
    train = ("-m", "rlrec.cli", "train", "qlearning", "--steps", "500", "--out", "run")
    assert run_installed(installed, *train, folder=tmp_path).returncode == 0
    recommend = ("-m", "rlrec.cli", "recommend", "run", "--playing", "Rock")
    shown = run_installed(installed, *recommend, folder=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert len(shown.stdout.splitlines()) >= 3
    deep = ("-m", "rlrec.cli", "train", "vae", "--out", "map")
    refused = run_installed(installed, *deep, folder=tmp_path)
    assert refused.returncode == 1
    assert "rlrec[deep]" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_rlrec_lab_serves_the_course_out_of_the_wheel(packed, tmp_path):
    """Without make and without the clone; what is there is served again, not copied."""
    _, installed, _ = packed
    mine = tmp_path / "rlrec-course" / "lessons" / "00_start_here.ipynb"
    for notes in (None, "{}"):
        if notes:
            mine.write_text(notes)
        with served(installed, tmp_path) as address:
            _, _, token = address.partition("?")
            listed = f"{address.partition('/lab')[0]}/api/contents/lessons?{token}"
            with urllib.request.urlopen(listed) as answer:
                names = [one["name"] for one in json.load(answer)["content"]]
            assert "15_the_contest.ipynb" in names
            with urllib.request.urlopen(address) as answer:
                page = answer.read().decode()
            assert '"@jupyterlab/apputils-extension:announcements"' in page
        assert notes is None or mine.read_text() == notes


@contextmanager
def served(installed, folder):
    """The address, with its token, that `rlrec lab --no-browser` prints."""
    settings = {name: str(folder / "jupyter") for name in JUPYTER}
    command = [sys.executable, "-m", "rlrec.cli", "lab", "--no-browser", "--port=0"]
    path = {"PYTHONPATH": str(installed)}
    with open(folder / "log", "w+") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | settings | path, stderr=log
        )
        try:
            yield printed_address(process, folder / "log")
        finally:
            process.terminate()
            process.wait(30)


def printed_address(process, log):
    for _ in range(600):
        found = re.search(r"http://localhost:\d+/lab\S+", log.read_text())
        if found:
            return found[0]
        assert process.poll() is None, log.read_text()
        time.sleep(0.2)
    raise AssertionError(log.read_text())


def test_rlrec_lab_without_jupyterlab_says_what_to_install(monkeypatch):
    monkeypatch.setattr("rlrec.course.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'rlrec\[lessons\]'"):
        open_course("here")


def test_a_clone_says_that_it_holds_the_course_already(tmp_path):
    with pytest.raises(ConfigError, match="holds the course already"):
        copy_course(tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_containers_install_what_the_project_names_and_serve_it(monkeypatch):
    docker = (ROOT / "Dockerfile").read_text()
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    created = container["postCreateCommand"]
    with_gpu, *others = re.findall(r"EXTRAS=([\w,]+)", docker)
    others += re.findall(r"\[([\w,]+)\]['\"]", created)
    assert len(others) == 2
    assert "gpu" in with_gpu
    for extras in (with_gpu, *others):
        assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    assert "constraints.txt" in docker
    assert "constraints.txt" in created
    for image in (re.findall(r"FROM python:(\S+)-", docker)[0], container["image"]):
        assert f"Python :: {image[-4:]}" in " ".join(PROJECT["classifiers"])
    command, *words = json.loads(re.search(r"CMD (.*)", docker)[1])
    assert command in PROJECT["scripts"]
    asked = []
    monkeypatch.setattr("rlrec.course.open_course", lambda *given: asked.extend(given))
    assert main(words) == 0
    assert asked[1:] == ["--ip=0.0.0.0", "--port=8888", "--no-browser"]
