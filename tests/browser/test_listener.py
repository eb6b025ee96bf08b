"""Lesson 14's listener in a real browser: twenty plays by mouse, a log kept, sound.

Shares its JupyterLab and Chromium with `test_lab`.
"""

import time
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import test_lab
from lesson_checks import cells

from rlrec.datasets import load_sessions

pytestmark = test_lab.pytestmark
page, server = test_lab.page, test_lab.server
CELL = "\n".join(
    [
        *cells("14", "catalogue = ", "class TasteSoftmax"),
        'ListenerLab(tracks, {"belief and softmax": rule})',
    ]
)
TEN = "Like Skip Listen Like Like Skip Listen Skip Like Listen"
PRESSES = TEN.split() * 2


@pytest.fixture
def lesson(tmp_path: Path) -> Path:
    """A notebook with one cell: the widget and what it needs."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    return test_lab.among_the_lessons(notebook, tmp_path / "work")


def seen(lab: Any) -> tuple[str, str]:
    """Text below the title, and the picture."""
    text = lab.locator(".widget-html").nth(1).inner_text()
    return text, lab.locator("img").get_attribute("src")


def click(page: Any, lab: Any, name: str) -> float:
    """Click a button and wait until text and picture are new; seconds that took."""
    before, start = seen(lab), time.perf_counter()
    lab.get_by_role("button", name=name, exact=True).click()
    page.wait_for_function(
        "([lab, text, src]) => lab.querySelector('img').src !== src"
        " && lab.querySelectorAll('.widget-html')[1].innerText !== text",
        arg=[lab.element_handle(), *before],
        timeout=20_000,
    )
    return time.perf_counter() - start


def note(page: Any, lab: Any, text: str) -> None:
    """Wait until the line at the bottom says ``text``."""
    page.wait_for_function(
        "([lab, text]) => [...lab.querySelectorAll('.widget-html')]"
        ".at(-1).innerText.includes(text)",
        arg=[lab.element_handle(), text],
        timeout=20_000,
    )


def test_twenty_plays_a_file_and_a_second_session(
    lesson: Path, server: str, page: Any
) -> None:
    page.set_viewport_size({"width": 1300, "height": 950})
    page.goto(server)
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(
        timeout=1000 * test_lab.SECONDS
    )
    test_lab.run_all(page)
    lab = page.locator(".jp-OutputArea-output .widget-vbox:has(img)").first
    lab.scroll_into_view_if_needed()
    assert "Song 1 of 20; 0 heard, 0 skipped, 0 liked" in seen(lab)[0]
    test_lab.SCREENSHOTS.mkdir(exist_ok=True)
    seconds = []
    for number, name in enumerate(PRESSES, 1):
        seconds.append(click(page, lab, name))
        if number == 12:
            page.screenshot(path=test_lab.SCREENSHOTS / "listener_12.png")
    print(f"a press took {np.median(seconds):.2f} s, at most {max(seconds):.2f} s")
    assert "The session is over: 6 heard, 6 skipped, 8 liked" in seen(lab)[0]
    test_lab.playwright.expect(
        lab.get_by_role("button", name="Like", exact=True)
    ).to_be_disabled()
    over = seen(lab)

    lab.get_by_role("button", name="Save", exact=True).click()
    note(page, lab, "saved 20 plays: my_session.csv")
    lab.get_by_role("button", name="Save", exact=True).click()
    note(page, lab, "name a new file that ends with .csv")
    lab.get_by_role("textbox").fill("mine.csv")
    lab.get_by_role("textbox").press("Enter")
    lab.get_by_role("button", name="Save", exact=True).click()
    note(page, lab, "saved 20 plays: mine.csv")
    log = load_sessions(lesson.parent / "mine.csv")
    assert [int(log.liked.sum()), int(log.skipped.sum()), len(log)] == [8, 6, 20]

    assert not lab.locator("audio").is_visible()
    lab.get_by_role("checkbox", name="sound").click()
    page.wait_for_function(
        "lab => { const sound = lab.querySelector('audio');"
        " return sound.duration === 6 && sound.currentTime > 0 }",
        arg=lab.element_handle(),
        timeout=20_000,
    )
    lab.get_by_role("checkbox", name="sound").click()
    test_lab.playwright.expect(lab.locator("audio")).to_be_hidden()

    click(page, lab, "New session")
    assert "nothing yet" in seen(lab)[0]
    click(page, lab, "Skip")
    page.screenshot(path=test_lab.SCREENSHOTS / "listener_anew.png")
    click(page, lab, "Load")
    note(page, lab, "loaded 20 plays")
    assert seen(lab)[0] == over[0]
    assert not lab.locator("[role=alert]").count()
    page.screenshot(path=test_lab.SCREENSHOTS / "listener.png")
