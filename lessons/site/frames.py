"""Draw a lesson's widgets beforehand, so that their controls work without a kernel.

    python lessons/site/frames.py lessons/02_one_td_update.ipynb build/site/frames/02

runs the cells that a widget needs and draws it for many settings of its controls. In
the folder then lie, for the n-th widget of the lesson, ``n/frames.js`` (settings and
lines of text, read by static/lab.js) and ``n/0.webp``, ``n/1.webp``: sheets of pictures
one below the other. A folder is left alone while the cells, and the files that they
imported, are as they were; or else if frames drawn again are those that lie there.
"""

from __future__ import annotations

import ast
import hashlib
import html
import io
import itertools
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from PIL import Image

from rlrec.viz.widgets import Lab

ROOT = Path(__file__).resolve().parents[2]
FRAMES = int(os.environ.get("RLREC_SITE_FRAMES", "400"))  # at most, a widget
STOPS = (13, 11, 9, 7, 6, 5, 4)  # of a slider: the most that the budget allows
A_SHEET = 12  # pictures; what they share costs nothing
COLOURS = 128
BYTES = 1_500_000  # at most, a widget
FEWER = {
    "04/1": 300,
    "11/1": 280,
    "12/1": 100,
    "16/1": 300,
}  # settings, where FRAMES take more
# Values that a question asks for, and pairs of controls that it asks for, by widget.
ALSO: dict[str, dict[str, list[Any]]] = {
    "02/1": {"best_next": [12.0], "old_value": [12.0]},
}
PAIRS: dict[str, list[tuple[str, ...]]] = {
    "04/1": [("bonus", "discount"), ("pop", "rock"), ("hiphop", "discount")],
    "12/1": [("plays", "clusters"), ("rate", "towards"), ("share", "clusters")],
}
LIVE = "You are the listener"
Setting = dict[str, Any]


def lab_cells(notebook: Any) -> list[int]:
    """The cells whose result is a widget: a picture that says its controls' values."""
    found = []
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            described = re.match(r"[^<].*\(.*\): ", data.get("text/plain", ""))
            if output.output_type == "execute_result" and "image/png" in data:
                found += [number] if described else []
    return found


def is_live(cell: Any) -> bool:
    """Whether the widget runs in the page as it is: static/listener.js."""
    shown = [output.get("data", {}) for output in cell.outputs]
    return any(LIVE in data.get("text/plain", "") for data in shown)


def names_of(source: str) -> tuple[set[str], set[str]]:
    """The names that a cell defines, and those that it uses."""
    defined = set()
    used = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else defined).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, ast.alias):
            defined.add((node.asname or node.name).partition(".")[0])
    return defined, used


def needed(cells: Sequence[Any], wanted: Sequence[int]) -> list[int]:
    """The code cells that ``wanted`` rest on, by the names they define; in order."""
    used: set[str] = set()
    kept = []
    for number in range(max(wanted), -1, -1):
        if cells[number].cell_type != "code":
            continue
        defined, uses = names_of(cells[number].source)
        if number in wanted or defined & used:
            kept.append(number)
            used |= uses
    return kept[::-1]


def asking_cells(cells: Sequence[Any], labs: Sequence[int], lab: int) -> list[int]:
    """The cells after a widget that set it: what the questions need."""
    end = min([other for other in labs if other > lab], default=len(cells))
    return [
        number
        for number in range(lab + 1, end)
        if cells[number].cell_type == "code" and "lab.set(" in cells[number].source
    ][:1]


def run(source: str, names: dict[str, Any]) -> Any:
    """Run a cell; the value of its last line, if that is an expression."""
    tree = ast.parse(source)
    last = tree.body[-1]
    if isinstance(last, ast.Expr):
        name = ast.Name("_value", ast.Store())
        tree.body[-1] = ast.Assign([name], last.value)
    names["_value"] = None
    exec(compile(ast.fix_missing_locations(tree), "cell", "exec"), names)
    return names["_value"]


def made_by(cells: Sequence[Any], labs: Sequence[int], lab: int) -> tuple[Any, Any]:
    """The widget of a cell, and the settings that the cells after it ask for."""
    asking = asking_cells(cells, labs, lab)
    names: dict[str, Any] = {"__name__": "__main__"}
    asked: list[Setting] = []
    widget: Any = None
    with redirect_stdout(io.StringIO()):
        for number in needed(cells, [lab, *asking]):
            value = run(cells[number].source, names)
            if number == lab:
                widget = value
                note_settings(widget, asked)
    return widget, asked


def note_settings(lab: Any, asked: list[Setting]) -> None:
    """From now on, add to ``asked`` what ``lab.set`` sets."""
    original = lab.set

    def noting(**values: Any) -> Any:
        result = original(**values)
        asked.append(values_of(lab))
        return result

    lab.set = noting


# -- which settings
def stops(control: Any, count: int, also: Sequence[Any]) -> list[Any]:
    """At most ``count`` values of a control, spread over its range, and ``also``."""
    if hasattr(control, "options"):
        return list(control.options)
    if not hasattr(control, "min"):
        return [False, True]
    steps = round((control.max - control.min) / control.step)
    every = max(1, -(-steps // (count - 1)))
    numbers = {min(steps, every * n) for n in range(count)} | {steps}
    spread = [control.min + number * control.step for number in numbers]
    return sorted({tidy(control, value) for value in (*spread, *also)})


def tidy(control: Any, value: Any) -> Any:
    """A slider's value without the noise of its last bits."""
    return round(value, 6) if hasattr(control, "min") else value


def values_of(lab: Lab[Any]) -> Setting:
    """Where a widget's controls stand."""
    return {name: tidy(one, one.value) for name, one in lab.controls.items()}


def bases(lab: Lab[Any]) -> dict[str, dict[Any, Setting]]:
    """For a list whose choice moves other controls too: option -> all values."""
    start = values_of(lab)
    found: dict[str, dict[Any, Setting]] = {}
    for name, control in lab.controls.items():
        if not hasattr(control, "options") or type(lab)._on_change is Lab._on_change:
            continue
        moved = {}
        for option in control.options:
            control.value = option
            moved[option] = values_of(lab)
        found[name] = moved
        lab.set(**start)
    return found


def settings(
    lab: Lab[Any], place: str, asked: Sequence[Setting], most: int = FRAMES
) -> list[Setting]:
    """The settings to draw: the start first, those asked for, then a grid.

    The grid is the product of all controls where the budget allows it; otherwise any
    two controls together (or the pairs of PAIRS), at the least each control alone.
    """
    budget = min(FEWER.get(place, most), most)
    start = values_of(lab)
    centres = [start]
    for options in bases(lab).values():
        centres += options.values()
    also = ALSO.get(place, {})
    plans = [(count, product) for count in STOPS if count >= 6]
    plans += [(count, pairs) for count in STOPS] + [(count, alone) for count in STOPS]
    for count, grid in plans:
        drawn = [start, *asked]
        values = {
            name: stops(control, count, [*also.get(name, []), start[name]])
            for name, control in lab.controls.items()
        }
        some = itertools.islice(grid(values, centres, PAIRS.get(place)), 20 * budget)
        drawn += some  # a product may have millions
        unique = list({tuple(one.items()): one for one in drawn}.values())
        if len(unique) <= budget:
            return unique
    raise ValueError(f"{place}: more than {budget} settings")


def product(
    values: Mapping[str, Sequence[Any]], centres: Sequence[Setting], _: object
) -> Iterator[Setting]:
    """Every value of a control with every value of all others."""
    for chosen in itertools.product(*values.values()):
        yield dict(zip(values, chosen, strict=True))


def pairs(
    values: Mapping[str, Sequence[Any]],
    centres: Sequence[Setting],
    wanted: Sequence[tuple[str, ...]] | None,
) -> Iterator[Setting]:
    """Round each centre: each control alone, then two together (all, or ``wanted``)."""
    together = itertools.combinations(values, 2) if wanted is None else wanted
    groups = [(name,) for name in values] + list(together)
    for centre, group in itertools.product(centres, groups):
        for chosen in itertools.product(*(values[name] for name in group)):
            yield centre | dict(zip(group, chosen, strict=True))


def alone(
    values: Mapping[str, Sequence[Any]], centres: Sequence[Setting], _: object
) -> Iterator[Setting]:
    """Round each centre: each control alone."""
    return pairs(values, centres, ())


# -- drawing
def picture(lab: Lab[Any], setting: Setting) -> tuple[Image.Image, str]:
    """A widget's picture and its line of text for a setting; nothing else changes."""
    result = lab.compute(**setting)
    image = Image.open(io.BytesIO(lab.render(result)))
    return image.convert("RGB"), lab.text(result)


def write_sheet(images: Sequence[Image.Image], path: Path) -> None:
    """Pictures one below the other, in few colours, packed without loss."""
    width, height = images[0].size
    sheet = Image.new("RGB", (width, height * len(images)))
    for number, image in enumerate(images):
        sheet.paste(image, (0, number * height))
    few = sheet.quantize(COLOURS, dither=Image.Dither.NONE).convert("RGB")
    few.save(path, lossless=True, quality=90, method=4)


def control_data(name: str, control: Any, values: Sequence[Any]) -> dict[str, Any]:
    """What the page needs to build a control: its kind, and its values as shown."""
    kind = "check"
    shown = [str(value) for value in values]
    if hasattr(control, "options"):
        kind = "list"
    elif hasattr(control, "min"):
        kind = "slider"
        form = getattr(control, "readout_format", "d")
        shown = [format(value, form) for value in values]
    label = control.description or name
    unit = str(control.tooltip or "").removeprefix(label).removeprefix(", ")
    return {"name": name, "label": label, "kind": kind, "shown": shown, "unit": unit}


def draw(lab: Lab[Any], drawn: Sequence[Setting], key: str, folder: Path) -> None:
    """Draw a widget's settings into ``folder``."""
    folder.mkdir(parents=True)
    lines = []
    sheet: list[Image.Image] = []
    sheets = 0
    for number, setting in enumerate(drawn):
        image, line = picture(lab, setting)
        lines.append(line)
        sheet.append(image)
        if len(sheet) == A_SHEET or number == len(drawn) - 1:
            write_sheet(sheet, folder / f"{sheets}.webp")
            sheets += 1
            sheet = []
    data = described(lab, drawn) | {
        "title": lab.title,
        "width": image.width,
        "height": image.height,
        "perSheet": A_SHEET,
        "lines": lines,
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    (folder / "frames.js").write_text(f"rlrecLab({json.dumps(key)},{text})\n", "utf-8")


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def described(lab: Lab[Any], drawn: Sequence[Setting]) -> dict[str, Any]:
    """Controls with the values drawn, each setting as places among them, and links."""
    values: dict[str, list[Any]] = {}
    for name, control in lab.controls.items():
        seen = {setting[name] for setting in drawn}
        ordered = getattr(control, "options", None) or sorted(seen)
        values[name] = [value for value in ordered if value in seen]

    def places(setting: Setting) -> list[int]:
        return [values[name].index(setting[name]) for name in values]

    follows = {
        str(list(lab.controls).index(name)): [places(one) for one in moved.values()]
        for name, moved in bases(lab).items()
    }
    controls = [
        control_data(name, control, values[name])
        for name, control in lab.controls.items()
    ]
    frames = [places(setting) for setting in drawn]
    return {"controls": controls, "frames": frames, "follows": follows}


# -- what is drawn already
def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else ""


def read_files() -> dict[str, str]:
    """The project's files that were imported so far, and its data: path -> digest."""
    paths = [Path(__file__), *(ROOT / "data").glob("*.csv")]
    paths += [path for path in (ROOT / "lessons" / "results").rglob("*.*")]
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and Path(file).is_relative_to(ROOT) and "site-packages" not in file:
            paths.append(Path(file))
    return {path.relative_to(ROOT).as_posix(): digest(path) for path in paths}


def is_drawn(made: Mapping[str, Any], sources: str) -> bool:
    """Whether these cells and files are those that were drawn."""
    return bool(made) and made["cells"] == sources and is_as_it_was(made["files"])


def is_as_it_was(files: Mapping[str, str]) -> bool:
    return all(digest(ROOT / name) == value for name, value in files.items())


def is_still_true(
    lab: Lab[Any], place: str, asked: Sequence[Setting], folder: Path, most: int
) -> bool:
    """Whether a folder holds these settings, and five of their pictures and lines."""
    data = read_frames(folder)
    drawn = settings(lab, place, asked, most)
    description = json.loads(json.dumps(described(lab, drawn)))
    if any(data[name] != value for name, value in description.items()):
        return False
    for number in np.linspace(0, len(drawn) - 1, 5).astype(int):
        image, line = picture(lab, drawn[number])
        sheet, row = divmod(int(number), data["perSheet"])
        top = row * data["height"]
        stored = Image.open(folder / f"{sheet}.webp").convert("RGB")
        stored = stored.crop((0, top, data["width"], top + data["height"]))
        if line != data["lines"][number] or not is_same_picture(image, stored):
            return False
    return True


def is_same_picture(one: Image.Image, other: Image.Image) -> bool:
    """Whether two pictures are the same, but for a few colours."""
    if one.size != other.size:
        return False
    off = np.abs(np.asarray(one, int) - np.asarray(other, int)).max(axis=-1) > 64
    return bool(off.mean() < 0.005)


def read_frames(folder: Path) -> dict[str, Any]:
    text = (folder / "frames.js").read_text("utf-8")
    data: dict[str, Any] = json.loads(text[text.index(",") + 1 : text.rindex(")")])
    return data


def main(notebook: Path, folder: Path) -> None:
    """Draw the widgets of a lesson, unless they are drawn already."""
    cells = nbformat.read(notebook, 4).cells
    labs = lab_cells(nbformat.from_dict({"cells": cells}))
    os.chdir(notebook.parent)
    sys.path.insert(0, str(notebook.parent))
    for number, cell in enumerate(labs, 1):
        place = f"{notebook.name[:2]}/{number}"
        wanted = [cell, *asking_cells(cells, labs, cell)]
        code = [cells[one].source for one in needed(cells, wanted)]
        sources = hashlib.sha256("\n".join(code).encode()).hexdigest()
        if not is_live(cells[cell]):
            bring_up_to_date(cells, labs, cell, place, sources, folder / str(number))


def bring_up_to_date(
    cells: Any, labs: Sequence[int], cell: int, place: str, sources: str, target: Path
) -> None:
    """Draw the widget of a cell, if that changes anything."""
    known = target / "made.json"
    made = json.loads(known.read_text("utf-8")) if known.exists() else {}
    made = made if made.get("most") == FRAMES else {}
    if is_drawn(made, sources):
        return
    lab, asked = made_by(cells, labs, cell)
    if made and is_still_true(lab, place, asked, target, FRAMES):
        words = "as it was"
    else:
        part = target.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        draw(lab, settings(lab, place, asked), place.replace("/", "-"), part)
        if (size := bytes_of(part)) > BYTES:
            raise ValueError(f"{place}: {size:,} bytes, more than {BYTES:,}: FEWER")
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
        words = f"{bytes_of(target) / 1000:.0f} kB"
    made = {"most": FRAMES, "cells": sources, "files": read_files()}
    known.write_text(json.dumps(made, indent=1), "utf-8")
    print(f"{place}: {html.unescape(lab.title)}, {words}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
