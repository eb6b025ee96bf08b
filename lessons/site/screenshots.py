"""The README's picture of the site's own page: `make screenshots`.

    python lessons/site/screenshots.py [folder]        default: figures

Needs the site (`make site`), playwright and Debian's Chromium.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "build" / "site" / "html" / "lessons" / "14_from_logs_to_live.html"
PRESSES = ("Like", "Skip", "Like", "Listen", "Skip", "Like")


def take(folder: Path) -> None:
    """You are the listener, after six presses, without a network."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as started:
        options = ["--no-sandbox"]
        browser = started.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_page(viewport={"width": 1100, "height": 1500})
        page.goto(PAGE.as_uri())
        lab = page.locator(".lab").last
        lab.scroll_into_view_if_needed()
        for name in PRESSES:
            lab.get_by_role("button", name=name, exact=True).click()
        lab.screenshot(path=folder / "site_listener.png")
        print(folder / "site_listener.png")
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "figures")
