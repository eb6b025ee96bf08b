"""Build the course as a static site: `make site`, then open build/site/html/index.html.

    python lessons/site/build.py [folder]        default: build/site

Nothing is run but what draws the widgets' frames (frames.py), and only where they are
out of date. The pages are copied to ``folder``/source, where links, pictures and
widgets are made fit for a page; Sphinx writes ``folder``/html. The first build fetches
KaTeX with npm; no later one, and no reader, fetches anything.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import nbformat
from answers import answers
from elsewhere import for_colab, links, repository
from frames import FRAMES, LIVE, lab_cells
from PIL import Image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LESSONS = ROOT / "lessons"
KATEX = "katex-0.19.1.tgz"
KATEX_SHA256 = "24da5a599eb2fcede2e270b99a6ff48bca816beecc95feeb84e8cccbd1bb34fd"
SINGLE_PAGES = ("SYMBOLS.md", "COMMANDS.md", "CLUSTER.md", "TEACHING.md")
ROOMS = (
    *("agents", "envs", "evaluation", "datasets", "collaborative", "sound"),
    *("logs", "runs", "studies", "nn", "viz"),
)


def fetch_katex(cache: Path, target: Path) -> None:
    """KaTeX's script, style and fonts into ``target``, from npm's registry once."""
    archive = cache / KATEX
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        name = KATEX.removesuffix(".tgz").replace("-", "@")
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit(f"npm is needed once, to fetch {name}; or put {archive}")
        command = [npm, "pack", "--silent", name, "--pack-destination", str(cache)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    if hashlib.sha256(archive.read_bytes()).hexdigest() != KATEX_SHA256:
        raise SystemExit(f"{archive} is not what was published; delete it")
    wanted = (
        r"package/dist/(katex\.min\.(js|css)|contrib/auto-render\.min\.js|fonts/.*2)"
    )
    with tarfile.open(archive) as packed:
        for member in packed:
            if member.isfile() and re.fullmatch(wanted, member.name):
                name = member.name.removeprefix("package/dist/").removeprefix(
                    "contrib/"
                )
                path = target / name
                path.parent.mkdir(parents=True, exist_ok=True)
                file = packed.extractfile(member)
                assert file is not None
                path.write_bytes(file.read())
    style = target / "katex.min.css"
    others = r",url\([^)]*\) format\(\"(woff|truetype)\"\)"
    style.write_text(re.sub(others, "", style.read_text("utf-8")), "utf-8")


# -- a lesson
def prepare_lesson(path: Path, source: Path, frames: Path) -> None:
    """Copy a notebook, its outputs, exercises and links made fit for a page."""
    notebook = nbformat.read(path, 4)
    lesson = path.name[:2]
    labs = lab_cells(notebook)
    answered = answers(path)
    address = repository()
    cells: list[Any] = []
    for number, cell in enumerate(notebook.cells):
        cells.append(cell)
        if cell.cell_type == "markdown":
            cell.source = page_links(cell.source)
            continue
        place = f"{lesson}-{number}"
        cell.outputs = [fit(one, place, source) for one in merged(cell.outputs)]
        if number in labs:
            key = f"{lesson}-{labs.index(number) + 1}"
            cell.outputs = [lab_output(cell.outputs, key, frames, source)]
        title = cell.source.partition("\n")[0]
        if title in answered:
            cells.append(nbformat.v4.new_markdown_cell(answered[title]))
    if address:
        write(source / "colab" / path.name, for_colab(path, address))
        cells.insert(1, nbformat.v4.new_markdown_cell(links(path.name, address)))
    done = f'<p class="done" data-lesson="{lesson}"></p>'
    notebook.cells = [*cells, nbformat.v4.new_markdown_cell(done)]
    write(source / "lessons" / path.name, nbformat.writes(notebook))


def merged(outputs: list[Any]) -> list[Any]:
    return [one for one in outputs if one.output_type != "error"]


def page_links(text: str) -> str:
    """Links of a lesson, as a page needs them: a source opens as plain text.

    >>> page_links("[View source](text/02_x.md)")
    '[View source](text/02_x.md.txt)'
    """
    return re.sub(r"\]\(text/(\w+\.md)\)", r"](text/\1.txt)", text)


def fit(output: Any, place: str, source: Path) -> Any:
    """An output whose picture is a file with its alternative text."""
    data = output.get("data", {})
    if "image/png" not in data:
        return output
    described = output.get("metadata", {}).get("image/png", {}).get("alt", "")
    words = described or "A picture; the text beside it says what it shows."
    if output.output_type == "execute_result":
        words = data.get("text/plain", words)
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    digest = hashlib.sha256(data["image/png"].encode()).hexdigest()[:8]
    name = f"{place}-{digest}.webp"
    path = source / "_static" / "outputs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.convert("RGB").save(path, lossless=True, quality=90, method=4)
    markup = (
        f'<img class="picture" src="../_static/outputs/{name}" loading="lazy" '
        f'width="{picture.width}" height="{picture.height}" '
        f'alt="{html.escape(words)}">'
    )
    return nbformat.v4.new_output("display_data", {"text/html": markup})


def lab_output(outputs: list[Any], key: str, frames: Path, source: Path) -> Any:
    """The player in place of a widget without a kernel; its picture until it starts."""
    drawn = frames / key.replace("-", "/")
    (picture,) = (
        one for one in outputs if "<img" in one.get("data", {}).get("text/html", "")
    )
    target = source / "_static" / "labs" / key
    live = f'alt="{LIVE}' in picture.data["text/html"]
    if live:
        from listener import listener_data

        written = f"rlrecListener({json.dumps(key)},{json.dumps(listener_data())})\n"
        write(target / "frames.js", written)
    elif drawn.exists():
        shutil.copytree(drawn, target, ignore=shutil.ignore_patterns("made.json"))
    else:
        note = '<p class="lab-note">This widget runs in JupyterLab only.</p>'
        picture.data["text/html"] += note
        return picture
    still = picture.data["text/html"].replace(' loading="lazy"', "")
    markup = (
        f'<div class="lab" data-lab="{key}" data-at="../_static/labs/">{still}</div>'
    )
    return nbformat.v4.new_output("display_data", {"text/html": markup})


# -- the other pages
def write(path: Path, text: str) -> None:
    """Write a page, only where it is new: Sphinx reads again what was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def toctree(names: list[str], *options: str) -> str:
    lines = "\n".join([*options, "", *names])
    return f"```{{toctree}}\n{lines}\n```\n"


def reference(source: Path) -> list[str]:
    """A page a room of the library, from its docstrings."""
    pages = []
    for room in ROOMS:
        lines = [f"rlrec.{room}", "=" * 40, "", f".. automodule:: rlrec.{room}"]
        lines += ["   :no-members:", ""]
        for path in sorted((ROOT / "rlrec" / room).glob("[a-z]*.py")):
            name = f"rlrec.{room}.{path.stem}"
            lines += [name, "-" * len(name), "", f".. automodule:: {name}", ""]
        write(source / "api" / f"{room}.rst", "\n".join(lines))
        pages.append(room)
    words = "# The library\n\nEach room of `rlrec`, from its docstrings.\n\n"
    write(source / "api" / "index.md", words + toctree(pages, ":maxdepth: 2"))
    return ["api/index"]


def other_pages(source: Path, lessons: list[str]) -> None:
    """Solutions, symbols, commands, data cards, changes, and the first page."""
    words = "# Solutions\n\nTry first; then compare.\n\n"
    names = [f"solutions/{lesson}" for lesson in lessons]
    write(source / "lessons" / "solutions.md", words + toctree(names, ":maxdepth: 1"))
    extra = ["lessons/solutions"]
    for name in SINGLE_PAGES:
        if (LESSONS / name).exists():
            write(source / "lessons" / name, (LESSONS / name).read_text("utf-8"))
            extra.append(f"lessons/{name.removesuffix('.md')}")
    cards = sorted(path.stem for path in (ROOT / "data").glob("*.md"))
    for card in cards:
        text = (ROOT / "data" / f"{card}.md").read_text("utf-8")
        write(source / "data" / f"{card}.md", text)
    write(source / "data" / "index.md", "# Data cards\n\n" + toctree(cards))
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    write(source / "CHANGELOG.md", changes)
    readme = (ROOT / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d\d) \| \[(.*)\]\((.*)\) \| (.*) \|$", readme, re.M)
    cards_of = [lesson_card(*row) for row in rows]
    first = (
        (HERE / "index.md").read_text("utf-8").replace("LESSONS", "\n".join(cards_of))
    )
    about = [*extra, *reference(source), "data/index", "CHANGELOG"]
    pages = [f"lessons/{lesson}" for lesson in lessons]
    first += toctree(pages, ":hidden:", ":caption: Lessons")
    first += toctree(about, ":hidden:", ":caption: Look up")
    write(source / "index.md", first)


def lesson_card(number: str, title: str, path: str, words: str) -> str:
    page = path.replace(".ipynb", ".html")
    return (
        f'<li data-lesson="{number}"><a href="{page}"><span>{number}</span> '
        f"{title}</a><p>{words}</p></li>"
    )


def main(folder: Path) -> int:
    """Draw what is out of date, copy the pages, and call Sphinx; its exit code."""
    from sphinx.cmd.build import build_main

    sys.path.insert(0, str(LESSONS))
    source = folder / "source"
    static = source / "_static"
    shutil.rmtree(static, ignore_errors=True)
    shutil.copytree(HERE / "static", static)
    fetch_katex(folder / "npm", static / "katex")
    shutil.copytree(ROOT / "figures", source / "figures", dirs_exist_ok=True)
    texts = source / "lessons" / "text"
    texts.mkdir(parents=True, exist_ok=True)
    notebooks = sorted(LESSONS.glob("[0-9][0-9]_*.ipynb"))
    for path in notebooks:
        frames = folder / "frames"
        if FRAMES:
            command = [sys.executable, str(HERE / "frames.py"), str(path)]
            subprocess.run([*command, str(frames / path.name[:2])], check=True)
        prepare_lesson(path, source, frames)
        twin = path.with_suffix(".md").name
        write(texts / f"{twin}.txt", (LESSONS / "text" / twin).read_text("utf-8"))
        solution = nbformat.read(LESSONS / "solutions" / path.name, 4)
        write(source / "lessons" / "solutions" / path.name, nbformat.writes(solution))
    other_pages(source, [path.stem for path in notebooks])
    where = [str(source), str(folder / "html")]
    options = ["-q", "-b", "html", "-c", str(HERE), "-d", str(folder / "doctrees")]
    options += ["-D", f"html_static_path={static}"]
    if (source / "colab").exists():
        shutil.copytree(source / "colab", folder / "html" / "colab", dirs_exist_ok=True)
    return build_main([*options, *where])


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "build" / "site"
    raise SystemExit(main(target.resolve()))
