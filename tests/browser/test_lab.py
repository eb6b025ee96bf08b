"""A lesson in JupyterLab in a real browser: run all cells, drag a slider, look.

Needs Debian's Chromium (`apt-get install chromium`); no browser is downloaded. All that
JupyterLab and Chromium write goes to a temporary folder.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = Path(__file__).resolve().parent / "screenshots"
DEMO = ROOT / "tests" / "notebooks" / "demo.md"
LESSONS = sorted((ROOT / "lessons").glob("04_*.ipynb")) or [DEMO]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
USER_SETTINGS = {
    # all cells in the page, not only those in sight
    "notebook-extension/tracker": '{"windowingMode": "none"}',
    "apputils-extension/notification": (
        '{"fetchNews": "false", "checkForUpdates": false}'
    ),
}
SECONDS = 120

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"
)
playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed"
)


@pytest.fixture
def lesson(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of the lesson without outputs: what shows up was made in the browser."""
    text = request.param.read_text("utf-8")
    notebook = (
        jupytext.reads(text, fmt="md")
        if request.param.suffix == ".md"
        else nbformat.reads(text, 4)
    )
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    return among_the_lessons(notebook, tmp_path / "work")


def among_the_lessons(notebook: nbformat.NotebookNode, folder: Path) -> Path:
    """Write a notebook into a copy of lessons/: its modules and results, no more."""
    notebook.metadata.kernelspec = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    left_out = shutil.ignore_patterns("*.ipynb", "conftest.py", "text", "__pycache__")
    shutil.copytree(ROOT / "lessons", folder, ignore=left_out)
    path = folder / "lesson.ipynb"
    nbformat.write(notebook, path)
    return path


def settings(folder: Path) -> dict[str, str]:
    """The environment, with every settings folder in `folder`."""
    places = (
        "HOME",
        "IPYTHONDIR",
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_RUNTIME_DIR",
        "MPLCONFIGDIR",
    )
    for place in places:
        (folder / place).mkdir()
    user = folder / "JUPYTER_CONFIG_DIR" / "lab" / "user-settings" / "@jupyterlab"
    for name, text in USER_SETTINGS.items():
        (user / name).parent.mkdir(parents=True)
        (user / name).with_suffix(".jupyterlab-settings").write_text(text)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "MPL", "XDG_"))
    }
    return kept | {place: str(folder / place) for place in places}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def server(tmp_path: Path, lesson: Path) -> Iterator[str]:
    """Address of the lesson in a JupyterLab of our own, which ends with the test."""
    port = free_port()
    token = secrets.token_hex(16)
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        f"--ServerApp.root_dir={lesson.parent}",
    ]
    command += [
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        "--allow-root",
    ]
    with (tmp_path / "jupyter.log").open("w") as log:
        process = subprocess.Popen(
            command, env=settings(tmp_path), stdout=log, stderr=log, cwd=lesson.parent
        )
        try:
            wait_for(
                f"http://127.0.0.1:{port}/api?token={token}",
                process,
                tmp_path / "jupyter.log",
            )
            yield f"http://127.0.0.1:{port}/lab/tree/{lesson.name}?token={token}"
        finally:
            process.terminate()  # the server ends its kernels first
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(10 * SECONDS):
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(log.read_text())


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        profile = str(tmp_path / "chromium")
        context = started.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            args=QUIET,
            viewport={"width": 1200, "height": 900},
        )
        try:
            yield context.new_page()
        finally:
            context.close()


def run_all(page: Any) -> None:
    """Run all cells from the menu, and wait until each has its number."""
    page.get_by_text("| Idle").wait_for(timeout=1000 * SECONDS)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(
        """() => {
            const cells = document.querySelectorAll('.jp-CodeCell .jp-InputPrompt');
            const prompts = [...cells].map(cell => cell.textContent);
            return prompts.length > 0 && prompts.every(text => /\\d/.test(text));
        }""",
        timeout=1000 * SECONDS,
    )


def drag(page: Any, slider: Any) -> None:
    """Drag the slider's handle a third of its length towards the middle."""
    handle = slider.locator(".noUi-handle").bounding_box()
    track = slider.locator(".noUi-target").bounding_box()
    x = handle["x"] + handle["width"] / 2
    y = handle["y"] + handle["height"] / 2
    right_half = x > track["x"] + track["width"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + (-1 if right_half else 1) * track["width"] / 3, y, steps=5)
    page.mouse.up()


@pytest.mark.parametrize("lesson", LESSONS, indirect=True, ids=lambda path: path.stem)
def test_dragging_a_slider_changes_text_and_picture(
    lesson: Path, server: str, page: Any, request: Any
) -> None:
    page.goto(server)
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=1000 * SECONDS)
    run_all(page)
    lab = page.locator(
        ".jp-OutputArea-output .widget-vbox:has(.widget-slider):has(img)"
    ).first
    lab.scroll_into_view_if_needed()
    picture, text = lab.locator("img"), lab.locator(".widget-html").last
    before = (picture.get_attribute("src"), text.inner_text())
    drag(page, lab.locator(".widget-slider").first)
    page.wait_for_function(
        "([lab, src, text]) => lab.querySelector('img').src !== src"
        " && [...lab.querySelectorAll('.widget-html')].at(-1).innerText !== text",
        arg=[lab.element_handle(), *before],
        timeout=20_000,
    )
    assert not lab.locator("[role=alert]").count()
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{request.node.callspec.id}.png")
