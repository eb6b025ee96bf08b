"""The site in a real browser without a network: pages, links, widgets, accessibility.

Needs `make site` before it and Debian's Chromium; `make site-test` does both.
"""

import functools
import http.server
import json
import re
import shutil
import subprocess
import tarfile
import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urljoin, urlparse

import numpy as np
import pytest
from lab14_listener import Listener, Play
from lab14_listener_picture import rises
from lesson_checks import defined

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "site" / "html"
AXE = ROOT / "build" / "site" / "npm" / "axe-core-4.14.1.tgz"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
LABS = sorted(path.parent.name for path in SITE.glob("_static/labs/*/0.webp"))
PRESSES = "Like Skip Listen Like Like Skip Listen Skip Like Listen".split() * 2

pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="no chromium: apt-get install chromium"
    ),
    pytest.mark.skipif(not PAGES, reason="no site: make site"),
]
playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed"
)


@pytest.fixture(scope="module")
def address():
    """The site, served from this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=SITE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with playwright.sync_playwright() as started:
        options = ["--no-sandbox", "--disable-background-networking"]
        browser = started.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address, request):
    """A page that may load nothing from elsewhere; `faults` says what goes wrong."""
    width, height = WIDTHS[getattr(request, "param", "desktop")]
    context = browser.new_context(viewport={"width": width, "height": height})
    faults = []

    def only_here(route):
        if route.request.url.startswith((address, "data:", "file:")):
            route.continue_()
        else:
            faults.append(f"asks for {route.request.url}")
            route.abort()

    context.route("**/*", only_here)
    context.set_default_timeout(120_000)  # machines that do something else too
    page = context.new_page()
    page.faults = faults
    page.on("console", lambda line: line.type == "error" and faults.append(line.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda one: faults.append(f"{one.url} failed"))
    page.on("response", lambda got: got.status >= 400 and faults.append(got.url))
    yield page
    context.close()


def open_whole(page, address):
    """Open a page and scroll to its end, so that all of it is loaded."""
    page.goto(address, wait_until="load")
    page.evaluate(
        """async () => {
            for (let y = 0; y < document.body.scrollHeight; y += 800) {
                scrollTo(0, y);
                await new Promise(requestAnimationFrame);
            }
            scrollTo(0, 0);
            document.querySelectorAll('details').forEach(one => one.open = true);
        }"""
    )
    page.wait_for_load_state("networkidle")


LOOK = """() => {
    const shown = [...document.querySelectorAll('article *')]
        .filter(one => !one.closest('pre, code, script, annotation, .katex-mathml'))
        .flatMap(one => [...one.childNodes].filter(n => n.nodeType === 3))
        .map(n => n.textContent).join(' ');
    const images = [...document.images];
    const empty = images.filter(one => one.complete && !one.naturalWidth);
    return {
        links: [...document.querySelectorAll('a[href]')].map(one => one.href),
        ids: [...document.querySelectorAll('[id]')].map(one => one.id),
        broken: empty.map(one => one.src),
        mute: images.filter(one => !one.hasAttribute('alt')).map(one => one.src),
        raw: shown.match(/\\$\\$|\\$\\\\\\w+|\\\\(frac|sum|gamma)/g) || [],
        wrong: document.querySelectorAll('.katex-error').length,
        wide: document.documentElement.scrollWidth - innerWidth,
    };
}"""


@pytest.mark.parametrize("page", WIDTHS, indirect=True)
def test_every_page_is_whole_without_a_network(page, address):
    targets = {}
    seen = {}
    for name in PAGES:
        page.faults.clear()
        open_whole(page, address + name)
        seen[name] = page.evaluate(LOOK)
        targets[name] = set(seen[name]["ids"])
        assert not page.faults, f"{name}: {page.faults}"
        for fault in ("broken", "mute", "raw", "wrong"):
            assert not seen[name][fault], f"{name}: {fault}: {seen[name][fault]}"
        assert seen[name]["wide"] <= 0, (
            f"{name} is {seen[name]['wide']} pixels too wide"
        )
    for name, found in seen.items():
        for link in filter(lambda one: one.startswith(address), found["links"]):
            path = unquote(urlparse(link).path).strip("/") or "index.html"
            assert (SITE / path).is_file(), f"{name}: broken link {link}"
            part = unquote(urlparse(link).fragment)
            if part and path in targets:
                assert part in targets[path] | {"top"}, f"{name}: no such place {link}"


def test_pages_open_from_a_folder_too(browser):
    page = browser.new_page()
    faults = []
    page.on("console", lambda line: line.type == "error" and faults.append(line.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto((SITE / "search.html").as_uri() + "?q=bootstrapping")
    page.locator("#search-results li a").first.wait_for(timeout=60_000)
    lesson = next(name for name in PAGES if name.startswith("lessons/02_"))
    page.goto((SITE / lesson).as_uri())
    page.locator(".katex").first.wait_for(state="attached")
    assert not faults


def axe_script():
    """axe-core, from npm's registry once; skips where it cannot be had."""
    if not AXE.exists():
        npm = shutil.which("npm")
        name = AXE.name.removesuffix(".tgz").replace("core-", "core@")
        command = [npm or "npm", "pack", name, "--pack-destination", str(AXE.parent)]
        if npm is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("axe-core cannot be fetched: npm pack axe-core")
    with tarfile.open(AXE) as packed:
        return packed.extractfile("package/axe.min.js").read().decode()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_fault_of_accessibility(page, address, scheme):
    axe = axe_script()
    page.emulate_media(color_scheme=scheme)
    for name in PAGES:
        open_whole(page, address + name)
        page.evaluate(axe)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        serious = [
            (one["id"], one["nodes"][0]["html"][:200], len(one["nodes"]))
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert not serious, f"{name}, {scheme}: {serious}"


# -- widgets
def page_of(key):
    (name,) = (one for one in PAGES if one.startswith(f"lessons/{key[:2]}_"))
    return name


def frames_of(key):
    text = (SITE / "_static" / "labs" / key / "frames.js").read_text("utf-8")
    return json.loads(text[text.index(",") + 1 : text.rindex(")")])


def shown(lab):
    """Bytes of the canvas and the line of text, once the picture has come."""
    lab.page.wait_for_function(
        "one => one.dataset.frame !== undefined", arg=lab.element_handle()
    )
    picture = lab.locator("canvas").evaluate("one => one.toDataURL()")
    return picture, lab.locator(".lab-line").inner_text()


def open_lab(page, address, key):
    page.goto(address + page_of(key))
    lab = page.locator(f'.lab[data-lab="{key}"]')
    lab.scroll_into_view_if_needed()
    lab.locator("canvas").wait_for(timeout=30_000)
    return lab


@pytest.mark.parametrize("key", LABS)
def test_every_control_moves_picture_and_text(page, address, key):
    """By keyboard alone; each control leads to another picture at some place."""
    lab = open_lab(page, address, key)
    start = shown(lab)
    for number, control in enumerate(frames_of(key)["controls"]):
        lab.get_by_role("button", name="Start again").click()
        page.wait_for_function(
            "one => one.dataset.frame === '0'", arg=lab.element_handle()
        )
        assert shown(lab) == start
        wanted = lab.locator("label").nth(number).locator("input, select")
        wanted.focus()
        keys = ["Space"] if control["kind"] == "check" else ["End", "Home"]
        if control["kind"] == "list":
            keys = ["ArrowDown", "ArrowUp"] * len(control["shown"])
        pictures = set()
        for press in keys:
            page.keyboard.press(press)
            page.wait_for_timeout(100)
            pictures.add(shown(lab)[0])
        assert pictures - {start[0]}, f"{control['label']} changes nothing"
    assert not page.faults


SHOWN_AS_SET = """([lab, frames]) => {
    const inputs = [...lab.querySelectorAll('label input, label select')];
    const places = inputs.map(one => +(one.type[0] === 'c' ? one.checked : one.value));
    return String(frames[lab.dataset.frame]) === String(places);
}"""


@pytest.mark.parametrize("key", LABS)
def test_a_lab_shows_the_setting_that_its_controls_say(page, address, key):
    lab = open_lab(page, address, key)
    data = frames_of(key)
    for number in range(len(data["controls"])):
        wanted = lab.locator("label").nth(number).locator("input, select")
        wanted.focus()
        page.keyboard.press("ArrowRight" if number % 2 else "ArrowDown")
        page.wait_for_function(SHOWN_AS_SET, arg=[lab.element_handle(), data["frames"]])


def test_the_first_page_is_small_and_so_is_the_site(page, address):
    sizes = []
    page.on("response", lambda got: sizes.append(len(got.body())))
    page.goto(address, wait_until="networkidle")
    seconds = page.evaluate(
        "Math.max(...performance.getEntriesByType('resource')"
        ".filter(one => one.initiatorType === 'img').map(one => one.responseEnd)) / 1e3"
    )
    print(f"first page: {sum(sizes):,} bytes, its picture after {seconds:.2f} s")
    assert len(sizes) > 5
    assert sum(sizes) < 1_500_000
    whole = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    assert whole < 120_000_000


def test_a_lab_fits_its_budget():
    for key in LABS:
        folder = SITE / "_static" / "labs" / key
        size = sum(path.stat().st_size for path in folder.iterdir())
        assert size <= 1_500_000, f"{key}: {size:,} bytes"


STATE = """lab => {
    const {plays, now, features, slope, opinion} = lab.player;
    return {plays, now, features, slope, opinion};
}"""


@pytest.mark.parametrize("how", ["mouse", "keyboard"])
def test_twenty_presses_and_the_numbers_are_those_of_python(page, address, how):
    scripts = SITE.glob("_static/labs/14-*/frames.js")
    (script,) = (one for one in scripts if one.parent.name not in LABS)  # no frames
    page.goto(address + page_of(script.parent.name))
    lab = page.locator(f'[data-lab="{script.parent.name}"]')
    lab.scroll_into_view_if_needed()
    lab.locator(".listener").wait_for(timeout=30_000)
    lesson = defined("14", "catalogue = ", "class TasteSoftmax")
    listener = Listener(lesson["tracks"], lesson["rule"], lesson["rule"])
    pictures = set()
    lines = set()
    for number, name in enumerate(PRESSES):
        state = lab.evaluate(STATE)
        assert_same_numbers(listener, state)
        pictures.add(lab.locator("canvas").evaluate("one => one.toDataURL()"))
        lines.add(lab.locator(".lab-line").inner_text())
        button = lab.get_by_role("button", name=name, exact=True)
        button.click() if how == "mouse" else button.press("Enter")
        song = state["now"]["songs"][state["now"]["pick"]]
        play = Play(song, name.lower(), np.nan)
        listener = replace(listener, plays=(*listener.plays, play))
        assert lab.get_attribute("data-plays") == str(number + 1)
    assert len(pictures) == len(lines) == 20
    said = lab.locator(".lab-line").inner_text()
    assert said.startswith("The session is over: 6 heard, 6 skipped, 8 liked")
    assert button.is_disabled()
    assert lab.locator("ol li").count() == 20
    again = lab.get_by_role("button", name="New session")
    again.click() if how == "mouse" else again.press("Space")
    assert "Song 1 of 20" in lab.locator(".lab-line").inner_text()
    assert lab.evaluate(STATE)["plays"] == []
    assert not page.faults


def assert_same_numbers(listener, state):
    """The page's belief and chances, for its own songs on offer, are Python's."""
    rule = listener.rule
    now = state["now"]
    seen = listener.seen | {"candidates": np.array([now["songs"]])}
    chances = rule.probabilities(seen)[1][0]
    np.testing.assert_allclose(now["chances"], chances, rtol=0, atol=1e-9)
    assert now["chances"] == sorted(now["chances"], reverse=True)
    belief = rule.belief(seen)[0]
    np.testing.assert_allclose(now["weights"], belief, rtol=0, atol=1e-9)
    shown = {
        "features": rises(rule.catalogue) @ listener.belief,
        "slope": listener.belief[:2],
        "opinion": rule.catalogue.sound @ listener.belief,
    }
    for name, values in shown.items():
        np.testing.assert_allclose(state[name], values, rtol=0, atol=1e-9)


def test_an_answer_in_numbers_is_judged_in_the_page(page, address):
    page.goto(address + next(name for name in PAGES if name.startswith("lessons/02_")))
    form = page.locator("form.try").first
    for answer, words in [
        ("", "Numbers are asked for"),
        ("0.7", "Not right yet: 1 of 3 numbers."),
        ("0.7, -3.3, 2.35", "Correct."),
        ("0.7, 3.3, 2.35", "Not right yet: 2 of 3 are right."),
    ]:
        form.get_by_role("textbox").fill(answer)
        form.get_by_role("textbox").press("Enter")
        assert form.locator("output").inner_text().startswith(words)
    assert not page.locator("details[open]").count()
    assert not page.faults


def test_a_lesson_that_is_done_keeps_its_mark(page, address):
    first, second = [name for name in PAGES if re.match(r"lessons/0[01]_", name)]
    page.goto(address + first)
    page.locator(".done button").click()
    page.goto(address + second)
    marked = page.locator(".sidebar-tree a.is-done")
    assert [one.inner_text()[:2] for one in marked.all()] == ["00"]
    assert page.locator(".done button").get_attribute("aria-pressed") == "false"


def test_source_and_solutions_open_from_a_lesson(page, address):
    for name in (one for one in PAGES if re.match(r"lessons/\d\d_", one)):
        page.goto(address + name)
        source = page.get_by_role("link", name="View source").first.get_attribute(
            "href"
        )
        text = page.request.get(urljoin(address + name, source)).text()
        assert text.startswith("# " + Path(name).name[:2])
        solutions = page.locator("article").get_by_role("link", name="Solutions")
        solutions.first.click()
        assert "solutions/" in page.url
