"""`pytest --nbval lessons` passes what `--refresh` stored, and fails each small lie."""

import base64
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbval.plugin import get_sanitize_patterns
from notebooks.drive import needed_cells
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SANITIZE = (ROOT / "lessons" / "nbval_sanitize.cfg").read_text("utf-8")
SAMPLES = {
    "<Thing at 0x7f3a9c0b2d10>": "<Thing at ADDRESS>",
    "training took 1.25 s on two cores": "training took TIME on two cores",
    "it took 31 ms": "it took TIME",
    "a launch took -0.170 ms": "a launch took TIME",
}
NUMBERS = (
    "0 -1 1.918 10.18 1e-05 0x10 12 ms 3.5 s at 0.9 1,918 50% [0.84 0.04] nan "
    "took 3 steps 2026-01-31"
)


def cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def find(notebook: dict[str, Any], words: str) -> dict[str, Any]:
    return next(cell for cell in cells(notebook) if words in "".join(cell["source"]))


def reword(cell: dict[str, Any], old: str, new: str) -> None:
    text = "".join(cell["source"])
    assert old in text
    cell["source"] = text.replace(old, new)


def change_number(notebook: dict[str, Any]) -> None:
    find(notebook, 'print(f"return')["outputs"][0]["text"] = ["return 6.16\n"]


def forget_run(notebook: dict[str, Any]) -> None:
    cell = find(notebook, 'print(f"return')
    cell.update(execution_count=None, outputs=[])


def flip_picture(notebook: dict[str, Any]) -> None:
    data = find(notebook, "plt.bar")["outputs"][0]["data"]
    picture = Image.open(io.BytesIO(base64.b64decode("".join(data["image/png"]))))
    flipped = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    png = io.BytesIO()
    flipped.save(png, "PNG")
    data["image/png"] = base64.b64encode(png.getvalue()).decode()


def lose_picture(notebook: dict[str, Any]) -> None:
    del find(notebook, "plt.bar")["outputs"][0]["data"]["image/png"]


def break_widget(notebook: dict[str, Any]) -> None:
    reword(
        find(notebook, "def compute"),
        "    return",
        "    raise RuntimeError\n    return",
    )


def break_callback(notebook: dict[str, Any]) -> None:
    reword(
        find(notebook, "def compute"),
        "    return",
        "    assert discount > 0.5\n    return",
    )
    move = "lab.controls['discount'].set_state({'value': 0.5}) or 6.75"
    reword(find(notebook, "lab.set"), "lab.set(discount=0.5)", move)


def within(notebook: dict[str, Any], text: str) -> None:
    """Mark the cell that prints "return 6.15", and have another number stored."""
    cell = find(notebook, 'print(f"return')
    cell["source"] = "# nbval: within 1% or 0.02\n" + "".join(cell["source"])
    cell["outputs"][0]["text"] = [text]


def beyond_the_tolerance(notebook: dict[str, Any]) -> None:
    within(notebook, "return 6.22\n")


def another_word_within_it(notebook: dict[str, Any]) -> None:
    within(notebook, "returns 6.15\n")


def inside_the_tolerance(notebook: dict[str, Any]) -> None:
    within(notebook, "return   6.20\n")


LIES = [
    inside_the_tolerance,
    beyond_the_tolerance,
    another_word_within_it,
    change_number,
    forget_run,
    flip_picture,
    lose_picture,
    break_widget,
    break_callback,
]


@pytest.fixture(scope="module")
def verdicts(
    demo: Path, nbval: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bool]:
    """Name of a lie, or the truth -> whether `pytest --nbval -n 2 lessons` passed."""
    lessons = (
        shutil.copytree(demo.parent, tmp_path_factory.mktemp("lies") / "house")
        / "lessons"
    )
    shutil.rmtree(lessons / "solutions")
    stored = (lessons / "99_demo.ipynb").read_text("utf-8")
    (lessons / "99_demo.ipynb").rename(lessons / "99_truth.ipynb")
    for lie in LIES:
        notebook = json.loads(stored)
        lie(notebook)
        (lessons / f"99_{lie.__name__}.ipynb").write_text(json.dumps(notebook), "utf-8")
    run = nbval(lessons, "-n", "2", "-rA")
    names = ["truth", *(lie.__name__ for lie in LIES)]
    assert all(f"99_{name}.ipynb" in run.stdout for name in names), (
        run.stdout + run.stderr
    )
    return {
        name: not re.search(rf"^(FAILED|ERROR).*99_{name}\.ipynb", run.stdout, re.M)
        for name in names
    }


def test_strict_run_passes_what_was_stored(verdicts: dict[str, bool]) -> None:
    assert verdicts["truth"]


def test_a_marked_cell_may_print_a_number_within_its_tolerance(
    verdicts: dict[str, bool],
) -> None:
    assert verdicts["inside_the_tolerance"]


@pytest.mark.parametrize("lie", [lie.__name__ for lie in LIES[1:]])
def test_strict_run_bites(verdicts: dict[str, bool], lie: str) -> None:
    assert not verdicts[lie]


@pytest.mark.parametrize(
    ("old", "new", "close"),
    [
        ("1,000 rows", "1,009 rows", True),
        ("1,000 rows", "1,011 rows", False),
        ("gain -0.010 [-.02, .01]", "gain -0.012 [-.02, .008]", True),
        ("gain -0.010", "gain -0.013", False),
        ("gain 0.001", "gain -0.001", True),
        ("three 3 of 3", "three 3", False),
        ("nan", "3", False),
        ("step 08.2 lab08", "step 08.2 lab09", False),
    ],
)
def test_close_texts_by_hand(strict: Any, old: str, new: str, close: bool) -> None:
    assert strict.is_close(old, new, 0.01, 0.002) is close


def test_second_refresh_is_an_empty_diff(demo: Path, nbval: Any) -> None:
    files = [*demo.rglob("*.ipynb"), *demo.rglob("*.md")]
    before = {path: path.read_bytes() for path in files}
    assert nbval(demo, "--refresh").returncode == 0
    assert {path: path.read_bytes() for path in files} == before


@pytest.mark.parametrize(
    "cell", ["1 / 0", "import sys\n\nprint('oh', file=sys.stderr)", "print('half"]
)
def test_refresh_refuses(tmp_path: Path, house: Any, nbval: Any, cell: str) -> None:
    lessons = house(tmp_path)
    shutil.rmtree(lessons / "solutions")
    (lessons / "text" / "99_demo.md").write_text(
        f"# 99 Demo\n\n```python\n1 + 1\n```\n\n```python\n{cell}\n```\n"
    )
    (lessons / "99_demo.ipynb").write_text("as it was")
    run = nbval(lessons, "--refresh", target="lessons/99_demo.ipynb")
    assert run.returncode != 0
    assert (lessons / "99_demo.ipynb").read_text() == "as it was"
    assert "99_demo.ipynb::Cell 1" in run.stdout or "99_demo.md: error" in run.stdout, (
        run.stdout
    )


@pytest.mark.parametrize("sample", SAMPLES)
def test_sanitize_rules_fire(sample: str) -> None:
    text = sample
    for pattern, replacement in get_sanitize_patterns(SANITIZE):
        text = re.sub(pattern, replacement, text)
    assert text == SAMPLES[sample]


def test_every_sanitize_rule_is_read_and_fires_on_a_sample() -> None:
    rules = get_sanitize_patterns(SANITIZE)
    assert len(rules) == SANITIZE.count("\nregex:") == SANITIZE.count("\nreplace:")
    assert all(
        any(re.search(pattern, sample) for sample in SAMPLES) for pattern, _ in rules
    )


def test_no_sanitize_rule_matches_a_plain_number() -> None:
    samples = [NUMBERS, *NUMBERS.split(" ")]
    assert not [
        s
        for s in samples
        for pattern, _ in get_sanitize_patterns(SANITIZE)
        if re.search(pattern, s)
    ]


def test_pictures_are_compared_within_the_tolerance(strict: Any) -> None:
    class Cell:
        def __init__(self, stored: np.ndarray, seen: np.ndarray) -> None:
            self.cell = type("Stored", (), {"outputs": [as_output(stored)]})
            self.test_outputs = [as_output(seen)]

        def raise_cell_error(self, message: str) -> None:
            raise AssertionError(message)

    white = np.full((100, 100, 3), 255, np.uint8)
    speck, line = white.copy(), white.copy()
    speck[0, :50] = 0
    line[:3] = 0
    strict.compare_pictures(Cell(white, white - 60))
    strict.compare_pictures(Cell(white, speck))
    with pytest.raises(AssertionError, match=r"differs in 3\.0%"):
        strict.compare_pictures(Cell(white, line))
    with pytest.raises(AssertionError, match="Picture 0 is"):
        strict.compare_pictures(Cell(white, white[:50]))


def test_in_a_marked_cell_a_curve_may_move_a_little_but_not_be_missing(
    strict: Any,
) -> None:
    white = np.full((320, 320, 3), 255)
    curve, moved, far = white.copy(), white.copy(), white.copy()
    curve[100:105] = 0  # 5 rows of the 32 of its blocks: 255 * 5 / 32 = 40 levels
    moved[106:111] = 0
    far[140:145] = 0
    blocks = strict.blocks(curve)
    assert blocks.shape == (10, 10, 3)
    assert (blocks[3] == 255 * 27 / 32).all()
    assert strict.share_off(blocks, strict.blocks(moved), 32) == 0.0
    for other, share in ((white, 0.1), (far, 0.2)):
        assert strict.share_off(blocks, strict.blocks(other), 32) == share
        assert share > strict.BLOCKS_OFF


def as_output(picture: np.ndarray) -> dict[str, Any]:
    png = io.BytesIO()
    Image.fromarray(picture).save(png, "PNG")
    return {"data": {"image/png": base64.b64encode(png.getvalue()).decode()}}


def test_cells_that_an_answer_rests_on_by_hand() -> None:
    sources = (
        "rows = [1]",  # set anew before it is used
        "base = 2\n\ndef double(x):\n    rows = 5\n    return base * x",
        "for one in range(3):\n    print(double(one))",
        "# Exercise 99.1: a\ndef mine(x): ...",
        "total = 0\nrows = [mine(double(1))]",
        "total += sum(rows)",  # uses no answer
    )
    cells = [nbformat.v4.new_code_cell(one) for one in sources]
    notebook = nbformat.v4.new_notebook(cells=cells)
    kept = needed_cells(notebook)
    assert [cells.index(cell) for cell in kept] == [1, 3, 4]
