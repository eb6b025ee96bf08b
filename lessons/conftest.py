"""Strict notebook tests, and the way from a text twin to a notebook.

pytest --nbval lessons              run every notebook; compare with what is stored
pytest --nbval --refresh lessons    build notebooks from their text, run and store them

`lessons/text/README.md` tells authors how to use both.
"""

import base64
import hashlib
import io
import math
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unittest import mock

import jupytext
import nbformat
import numpy as np
import pytest
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel
from nbval.plugin import IPyNbCell, IPyNbFile
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SANITIZE = Path(__file__).with_name("nbval_sanitize.cfg")
GREY_LEVELS = 64  # a pixel is off if a channel differs by more
PIXELS_OFF = 0.005  # a picture is off if a larger part of its pixels is
BLOCK = 32  # pixels: in a marked cell curves may move a little, so means are compared
BLOCKS_OFF = 0.01  # the same share, of blocks whose mean differs by GREY_OF_BLOCK
GREY_OF_BLOCK = 32
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[-+]?\d+)?")
WITHIN = re.compile(r"^# nbval: within ([\d.]+)%(?: or ([\d.]+))?$", re.MULTILINE)
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# What makes one machine print what another prints. A variable that is set outside wins
# (the second machine sets some).
KERNEL_DEFAULTS = {
    "PYTHONHASHSEED": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "-1",
}
# What the comparison rests on, whatever is set outside.
KERNEL_FIXED = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "RLREC_STRICT_WIDGETS": "1",
    "RLREC_DATA": "bundled",  # outputs rest on the data that ship with the project
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--refresh", action="store_true", help="store outputs anew, from the text twins"
    )


def pytest_configure(config: pytest.Config) -> None:
    if not config.option.nbval:
        return
    option = config.option
    option.nbval_current_env = option.nbval_kernel_name is None
    option.nbval_sanitize_with = option.nbval_sanitize_with or str(SANITIZE)
    option.nbval_cell_timeout = min(option.nbval_cell_timeout, 120)
    option.nbval_kernel_startup_timeout = max(option.nbval_kernel_startup_timeout, 120)
    if getattr(option, "dist", "no") not in ("no", "loadfile"):
        option.dist = (
            "loadscope"  # otherwise the cells of one notebook go to two kernels
        )
    set_environment(config)


def set_environment(config: pytest.Config) -> None:
    """Give kernels the same environment everywhere, and a ready font cache."""
    for name, value in KERNEL_DEFAULTS.items():
        os.environ.setdefault(name, value)
    os.environ.update(KERNEL_FIXED)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    os.environ["IPYTHONDIR"] = str(config.cache.mkdir(f"ipython-{worker}"))
    os.environ["MPLCONFIGDIR"] = str(config.cache.mkdir("matplotlib"))
    if (
        worker == "main"
    ):  # building the cache in a kernel may take seconds, and then says so on stderr
        subprocess.run(
            [sys.executable, "-c", "import matplotlib.font_manager"],
            capture_output=True,
        )


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector):
    collectors = yield
    if not (parent.config.option.nbval and parent.config.getoption("refresh", False)):
        return collectors
    is_twin = (
        file_path.parent.name == "text"
        and file_path.name[:2].isdigit()
        and file_path.suffix == ".md"
    )
    asked_for = {
        Path(argument.partition("::")[0]).resolve() for argument in parent.config.args
    }
    if file_path.suffix == ".ipynb":
        wanted = twin_of(file_path) not in asked_for
    elif is_twin:
        wanted = (
            file_path in asked_for
            or not (file_path.parents[1] / f"{file_path.stem}.ipynb").exists()
        )
    else:
        return collectors
    if not wanted:
        return []
    return [Refreshed.from_parent(parent, path=file_path)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item):
    if not isinstance(item, IPyNbCell):
        return (yield)
    if isinstance(item.parent, Refreshed):
        return (yield from item.parent.run(item))
    if item.cell.execution_count != item.cell_num + 1:
        item.raise_cell_error(
            f"Stored as run number {item.cell.execution_count}, not {item.cell_num + 1}"
        )
    if mark := WITHIN.search(item.cell.source):
        allow(item, float(mark[1]) / 100, float(mark[2] or 0))
    result = yield
    compare_pictures(item, exact=not mark)
    return result


def allow(item: IPyNbCell, relative: float, absolute: float) -> None:
    """Let numbers of a marked cell differ: `# nbval: within 2%`, or `... or 0.01`."""
    compare = item.compare_outputs

    def compare_within(seen: list, stored: list, *args) -> bool:
        for old, new in zip(stored, seen, strict=False):
            for one, other in ((old, new), (old.get("data", {}), new.get("data", {}))):
                for kind in ("text", "text/plain", "text/html"):
                    text = one.get(kind), other.get(kind)
                    if None not in text and is_close(*text, relative, absolute):
                        one[kind] = other[kind]
        return compare(seen, stored, *args)

    item.compare_outputs = compare_within


def is_close(old: str, new: str, relative: float, absolute: float) -> bool:
    """Whether two texts have the same words, and numbers that are close.

    >>> is_close("mean  1.00 [.9, 1.1]", "mean 1.01 [.9, 1.1]", 0.01, 0)
    True
    >>> is_close("mean 1.00", "mean 1.02", 0.01, 0)
    False
    """
    words = [" ".join(NUMBER.sub(" # ", text).split()) for text in (old, new)]
    numbers = [
        [float(number.replace(",", "")) for number in NUMBER.findall(text)]
        for text in (old, new)
    ]
    return words[0] == words[1] and all(
        math.isclose(one, other, rel_tol=relative, abs_tol=absolute)
        for one, other in zip(*numbers, strict=True)
    )


def compare_pictures(item: IPyNbCell, exact: bool = True) -> None:
    """Fail `item` unless its pictures are those stored (nbval compares none).

    Pixel by pixel if ``exact``; else the means of blocks.
    """
    stored, seen = pictures(item.cell.outputs), pictures(item.test_outputs)
    if len(stored) != len(seen):
        item.raise_cell_error(
            f"{len(stored)} pictures are stored, {len(seen)} were drawn"
        )
    for number, (old, new) in enumerate(zip(stored, seen, strict=True)):
        if old.shape != new.shape:
            item.raise_cell_error(
                f"Picture {number} is {new.shape}, not {old.shape} (rows, columns, RGB)"
            )
        if exact:
            off = share_off(old, new, GREY_LEVELS)
        else:
            off = share_off(blocks(old), blocks(new), GREY_OF_BLOCK)
        if off > (PIXELS_OFF if exact else BLOCKS_OFF):
            item.raise_cell_error(
                f"Picture {number} differs in {off:.1%} of its "
                + ("pixels" if exact else "blocks")
            )


def share_off(old: np.ndarray, new: np.ndarray, levels: float) -> float:
    """The share of places where a channel differs by more than ``levels``."""
    return float((np.abs(old - new).max(axis=-1) > levels).mean())


def blocks(picture: np.ndarray) -> np.ndarray:
    """The mean colours of its squares of `BLOCK` pixels; what is over is left out."""
    rows, columns = (size // BLOCK for size in picture.shape[:2])
    whole = picture[: rows * BLOCK, : columns * BLOCK]
    return whole.reshape(rows, BLOCK, columns, BLOCK, 3).mean(axis=(1, 3))


def pictures(outputs: list) -> list[np.ndarray]:
    """PNG pictures of a cell, each [height, width, 3], integers 0 to 255."""
    encoded = [
        output["data"]["image/png"]
        for output in outputs
        if "image/png" in output.get("data", {})
    ]
    files = [io.BytesIO(base64.b64decode(text)) for text in encoded]
    return [np.asarray(Image.open(file).convert("RGB")).astype(int) for file in files]


def twin_of(notebook: Path) -> Path:
    """The text twin of a notebook: lessons/02_x.ipynb -> lessons/text/02_x.md."""
    return notebook.parent / "text" / f"{notebook.stem}.md"


def from_twin(text: str) -> nbformat.NotebookNode:
    """Notebook without outputs; a cell's id depends on its text alone."""
    notebook = jupytext.reads(text, fmt="md")
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat_minor = 5
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        key = f"{cell.cell_type}\n{cell.source}"
        cell.id = hashlib.sha256(f"{key}\n{seen[key]}".encode()).hexdigest()[:8]
        seen[key] += 1
    return notebook


def to_twin(notebook: nbformat.NotebookNode) -> str:
    """Markdown text of a notebook, without a header."""
    bare = nbformat.v4.new_notebook(cells=notebook.cells)
    bare.metadata["jupytext"] = {
        "notebook_metadata_filter": "-all",
        "cell_metadata_filter": "tags",
    }
    return jupytext.writes(bare, fmt="md")


def formatted(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with its code formatted by ruff; SyntaxError if it is not Python."""
    command = [
        sys.executable,
        "-m",
        "ruff",
        "format",
        "--stdin-filename",
        str(ROOT / "lessons" / "x.ipynb"),
        "-",
    ]
    run = subprocess.run(
        command,
        input=nbformat.writes(notebook),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if run.returncode:
        raise SyntaxError(run.stderr)
    return nbformat.reads(run.stdout, as_version=4)


def as_stored(output: nbformat.NotebookNode, count: int) -> nbformat.NotebookNode:
    """An output as it is stored: no random widget ids, no traceback with paths."""
    kept = nbformat.from_dict(dict(output))
    if "data" in kept:
        kept.data.pop(WIDGET_VIEW, None)
    if kept.output_type == "execute_result":
        kept.execution_count = count
    if kept.output_type == "error":
        kept.traceback = [f"{kept.ename}: {kept.evalue}"]
    return kept


class Refreshed(IPyNbFile):
    """A notebook built from its text, run, and stored if no cell failed or warned."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        is_notebook = self.path.suffix == ".ipynb"
        self.notebook = (
            self.path
            if is_notebook
            else self.path.parents[1] / f"{self.path.stem}.ipynb"
        )
        self.twin = twin_of(self.notebook)
        self.passed = 0
        self.broken = False

    def collect(self):
        if not self.twin.exists():
            raise self.CollectError(
                f"{self.notebook} has no text twin: write {self.twin}"
            )
        try:
            built = from_twin(
                to_twin(formatted(from_twin(self.twin.read_text("utf-8"))))
            )
        except SyntaxError as error:
            raise self.CollectError(f"{self.twin}: {error}") from None
        with mock.patch.object(nbformat, "read", return_value=built):
            yield from super().collect()

    def setup(self) -> None:
        timeout = self.config.option.nbval_kernel_startup_timeout
        self.kernel = RunningKernel(
            CURRENT_ENV_KERNEL_NAME, str(self.notebook.parent), timeout
        )

    def run(self, item: IPyNbCell):
        left_alone = f"{self.notebook.name} is left as it was"
        if self.broken:
            pytest.skip(f"an earlier cell failed: {left_alone}")
        try:
            result = yield
            if any(output.get("name") == "stderr" for output in item.test_outputs):
                item.raise_cell_error("The cell wrote to stderr", item.test_outputs)
        except BaseException:
            self.broken = True
            item.add_report_section("call", "refresh", left_alone)
            raise
        self.passed += 1
        item.cell.execution_count = self.passed
        item.cell.outputs = [
            as_stored(output, self.passed) for output in item.test_outputs
        ]
        return result

    def teardown(self) -> None:
        super().teardown()
        if self.passed == sum(cell.cell_type == "code" for cell in self.nb.cells):
            nbformat.validate(self.nb)
            write(self.twin, to_twin(self.nb))
            write(self.notebook, nbformat.writes(self.nb) + "\n")


def write(path: Path, text: str) -> None:
    """Replace a file whole, and only where the text is new."""
    if path.exists() and path.read_text("utf-8") == text:
        return
    part = path.with_suffix(".part")
    part.write_text(text, "utf-8", newline="\n")
    part.replace(path)
