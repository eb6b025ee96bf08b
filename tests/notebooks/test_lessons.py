"""What holds for every lesson, and for the demo lesson."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "lessons"
EXPECTED_LESSONS = [  # stems
    "00_start_here",
    "01_recommending_is_deciding",
    "02_one_td_update",
    "03_explore_or_exploit",
    "04_reward_lab",
    "05_from_table_to_network",
    "06_who_is_listening",
    "07_ddpg",
    "08_prioritised_replay",
    "09_drr_on_movielens",
    "10_is_it_any_good",
    "11_a_map_of_sound",
    "12_what_is_a_listen_worth",
    "13_ppo",
    "14_from_logs_to_live",
    "15_the_contest",
    "16_on_a_gpu",
]
LESSONS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
SOLUTIONS = sorted((FOLDER / "solutions").glob("[0-9][0-9]_*.ipynb"))
WITHOUT_TENSORFLOW = 4  # lessons up to this number
SIZE = 1_500_000  # bytes
# Headings of level two, in this order, each once; words may follow
# ("## Intuition: Mara takes the tram").
SKELETON = (
    "You will be able to",
    "Intuition",
    "The maths",
    "By hand",
    "From scratch",
    "With the library",
    "Predict, then play",
    "Experiment",
    "Find the bug",
    "Exercises",
    "Recommend for one listener",
    "In one minute",
)
# Words that make a comparison vacuous, or outputs that differ between front ends.
FORBIDDEN = (
    r"NBVAL_|nbval-|clear_output|interactive_output|@interact|widgets\.Output"
    r"|^\s*[%!]|\bdisplay_id\b"
)
PATHS = r"(?<![\w.:/])/(home|root|tmp|work|Users|usr|opt|mnt|var)/|\b[A-Z]:\\\\"


def named(path: Path | str) -> str:
    return path if isinstance(path, str) else f"{path.parent.name}-{path.stem}"


def resolve(request: pytest.FixtureRequest) -> Path:
    if isinstance(request.param, Path):
        return request.param
    return request.getfixturevalue("demo") / request.param


@pytest.fixture(params=[*LESSONS, "99_demo.ipynb"], ids=named)
def lesson(request: pytest.FixtureRequest) -> Path:
    return resolve(request)


@pytest.fixture(
    params=[*LESSONS, *SOLUTIONS, "99_demo.ipynb", "solutions/99_demo.ipynb"], ids=named
)
def notebook(request: pytest.FixtureRequest) -> Path:
    return resolve(request)


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def code(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


def printed(cell: dict[str, Any]) -> str:
    return "".join("".join(output.get("text", "")) for output in cell["outputs"])


def exercises(path: Path) -> dict[str, str]:
    """First line -> source."""
    cells = [source(cell) for cell in code(path)]
    return {
        text.partition("\n")[0]: text
        for text in cells
        if text.startswith("# Exercise ")
    }


def solutions_of(lesson: Path) -> Path:
    return lesson.parent / "solutions" / lesson.name


def test_expected_lessons_are_there() -> None:
    assert not set(EXPECTED_LESSONS) - {path.stem for path in LESSONS}
    assert not set(EXPECTED_LESSONS) - {path.stem for path in SOLUTIONS}


def test_every_twin_has_a_notebook_and_every_notebook_a_twin() -> None:
    for folder in (FOLDER, FOLDER / "solutions"):
        twins = {path.stem for path in (folder / "text").glob("[0-9][0-9]_*.md")}
        assert twins == {path.stem for path in folder.glob("*.ipynb")}, (
            "run: make refresh"
        )


def test_notebook_and_twin_are_in_step(notebook: Path, strict: Any) -> None:
    twin = strict.from_twin(strict.twin_of(notebook).read_text("utf-8"))
    stored = [
        (cell["cell_type"], source(cell), cell["id"])
        for cell in read(notebook)["cells"]
    ]
    assert stored == [(cell.cell_type, cell.source, cell.id) for cell in twin.cells], (
        "run: make refresh"
    )


def test_every_cell_was_run_in_order(notebook: Path) -> None:
    counts = [cell["execution_count"] for cell in code(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_outputs_hold_only_what_is_compared(notebook: Path) -> None:
    for cell in code(notebook):
        for output in cell["outputs"]:
            assert output.get("name") != "stderr", printed(cell)
            assert output["output_type"] != "error"
            kinds = set(output.get("data", {}))
            assert kinds <= {
                "text/plain",
                "text/html",
                "text/markdown",
                "text/latex",
                "image/png",
            }, kinds


def test_metadata_is_generic(notebook: Path) -> None:
    found = read(notebook)
    assert (found["nbformat"], found["nbformat_minor"]) == (4, 5)
    assert set(found["metadata"]) == {"kernelspec", "language_info"}
    assert found["metadata"]["kernelspec"]["name"] == "python3"
    assert all(set(cell["metadata"]) <= {"tags"} for cell in found["cells"])


def test_nothing_escapes_the_comparison(notebook: Path) -> None:
    for cell in read(notebook)["cells"]:
        assert not [
            tag for tag in cell["metadata"].get("tags", []) if tag.startswith("nbval")
        ]
        if cell["cell_type"] == "code":
            assert not re.search(FORBIDDEN, source(cell), re.MULTILINE), source(cell)


def test_no_path_of_one_machine_and_small(notebook: Path) -> None:
    found = read(notebook)
    for cell in found["cells"]:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("image/png", None)
    assert not re.search(PATHS, json.dumps(found))
    assert notebook.stat().st_size < SIZE


def test_links_lead_somewhere(notebook: Path) -> None:
    text = "\n".join(
        source(cell)
        for cell in read(notebook)["cells"]
        if cell["cell_type"] == "markdown"
    )
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", text)
    for link in (first or second for first, second in links):
        if not link.startswith(("http://", "https://", "#", "mailto:")):
            assert (notebook.parent / link.partition("#")[0]).exists(), link


def test_skeleton(lesson: Path) -> None:
    cells = [
        source(cell)
        for cell in read(lesson)["cells"]
        if cell["cell_type"] == "markdown"
    ]
    assert cells[0].startswith(f"# {lesson.stem[:2]} ")
    assert "minutes" in cells[0], "say how long the lesson takes"
    headings = re.findall(r"^## +(.+)$", "\n".join(cells), re.MULTILINE)
    parts = [
        part for heading in headings for part in SKELETON if heading.startswith(part)
    ]
    assert parts == list(SKELETON)


def test_exercises_have_solutions_with_the_same_check(lesson: Path) -> None:
    stubs, solved = exercises(lesson), exercises(solutions_of(lesson))
    assert 2 <= len(stubs) <= 8
    assert list(stubs) == list(solved)
    for first in stubs:
        asked, answered = (
            re.search(r"^check\(.*", cells[first], re.M | re.S)
            for cells in (stubs, solved)
        )
        assert asked, f"{first}: no check(...)"
        assert answered, f"{first}: no check(...) in the solution"
        assert asked.group() == answered.group(), (
            f"{first}: another check in the solution"
        )


def test_unsolved_exercises_say_so(lesson: Path) -> None:
    cells = [cell for cell in code(lesson) if source(cell).startswith("# Exercise ")]
    assert all(printed(cell).startswith("not solved yet: ") for cell in cells)


def bare_booleans(cell: dict[str, Any]) -> list[str]:
    """Printed lines that end in True or False, and rows of tables with nothing else."""
    lines = printed(cell).splitlines()
    found = [line for line in lines if re.search(r"\b(True|False)\W*$", line)]
    for output in cell["outputs"]:
        html = "".join(output.get("data", {}).get("text/html", ""))
        for row in re.findall(r"<tr>.*?</tr>", html, re.DOTALL):
            values = re.findall(r"<td>(.*?)</td>", row)
            if values and set(values) <= {"True", "False"}:
                found.append(row)
    return found


def test_bare_booleans_by_hand() -> None:
    text = "gained in every seed: True\nTrue to the seed: 0.3\n[False True False]\n"
    rows = "<tr><th>a</th><td>True</td></tr>\n<tr><td>0.1</td><td>False</td></tr>"
    table = {"data": {"text/html": f"<table>{rows}</table>"}}
    found = bare_booleans({"outputs": [{"text": text}, table]})
    assert found == [*text.splitlines()[::2], rows.splitlines()[0]]


def test_numbers_stand_where_a_boolean_could(lesson: Path) -> None:
    if int(lesson.stem[:2]) >= 5:
        assert [
            bare_booleans(cell) for cell in code(lesson) if bare_booleans(cell)
        ] == []


def test_pictures_have_alternative_texts(lesson: Path) -> None:
    for cell in code(lesson) if lesson.stem != "99_demo" else []:
        for output in cell["outputs"]:
            if (
                output["output_type"] == "display_data"
                and "image/png" in output["data"]
            ):
                assert output["metadata"].get("image/png", {}).get("alt"), source(cell)


def test_tables_are_frames_so_few_lines_are_printed(lesson: Path) -> None:
    assert sum(source(cell).count("print(") for cell in code(lesson)) <= 15


# From here on: each lesson is run once, with its exercises solved, and all its widgets
# are moved (drive.py).


@pytest.fixture(scope="session")
def driven(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Path], dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("driven")

    def run(path: Path) -> dict[str, Any]:
        report = folder / f"{path.stem}.json"
        command = [
            sys.executable,
            str(Path(__file__).parent / "drive.py"),
            path,
            solutions_of(path),
            report,
        ]
        command += ["--without-tensorflow"] if is_without_tensorflow(path) else []
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{path.name}\n{done.stderr}"
        return read(report)

    cases = [
        item.callspec.params.get("lesson")
        for item in request.session.items
        if hasattr(item, "callspec")
    ]
    chosen = [path for path in LESSONS if path in cases]
    with ThreadPoolExecutor(2) as pool:
        runs: dict[Path, Future[dict[str, Any]]] = {
            path: pool.submit(run, path) for path in chosen
        }
        yield lambda path: (
            runs[path]
            if path in runs
            else runs.setdefault(path, pool.submit(run, path))
        ).result()


def is_without_tensorflow(lesson: Path) -> bool:
    return int(lesson.stem[:2]) <= WITHOUT_TENSORFLOW or lesson.stem == "99_demo"


def test_solutions_are_correct(lesson: Path, driven: Any) -> None:
    checks = driven(lesson)["checks"]
    assert len(checks) >= 2
    for first, said in checks.items():
        assert said.splitlines()[-1].startswith("correct: "), f"{first}: {said}"


def test_every_control_of_every_widget_does_something(
    lesson: Path, driven: Any
) -> None:
    labs = driven(lesson)["labs"]
    assert labs, "a lesson has a widget"
    for lab in labs:
        assert not lab["still"], f"{lab['title']}: nothing changes with {lab['still']}"


def test_no_tensorflow_before_deep_networks(lesson: Path, driven: Any) -> None:
    if is_without_tensorflow(lesson):
        assert driven(lesson)["tensorflow"] == []


def test_import_rlrec_loads_nothing_heavy() -> None:
    heavy = "{'tensorflow', 'keras', 'matplotlib', 'ipywidgets', 'pandas', 'scipy'}"
    program = f"import sys, rlrec; print(sorted({heavy} & set(sys.modules)))"
    assert (
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True
        ).stdout
        == "[]\n"
    )


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff(command: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "lessons"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout
