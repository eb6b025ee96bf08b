"""Pictures of the site's own pages for the README: `make screenshots`.

    python lessons/site/screenshots.py [folder]        default: figures

Needs the site (`make site`), playwright and Debian's Chromium.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "site" / "html"
# picture -> page, what is shown, width of the window
SHOTS = {
    "site_widget.png": ("lessons/04_reward_lab.html", '[data-lab="04-1"]', 900),
    "site_listener.png": ("lessons/14_from_logs_to_live.html", '[data-lab^="14"]', 900),
}


def take(folder: Path) -> None:
    """Open each page without a network, press a few buttons, and take its picture."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        for name, (page_name, place, width) in SHOTS.items():
            page = browser.new_page(viewport={"width": width, "height": 1000})
            page.goto((SITE / page_name).as_uri())
            lab = page.locator(place).last
            lab.scroll_into_view_if_needed()
            lab.locator("canvas").wait_for()
            for kind in ("Like", "Skip", "Like", "Listen", "Skip", "Like"):
                if name == "site_listener.png":
                    lab.get_by_role("button", name=kind, exact=True).click()
            lab.screenshot(path=folder / name)
            print(folder / name)
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "figures")
