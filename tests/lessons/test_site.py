"""The site's build: which cells a widget needs, which settings, and what is drawn."""

import json
import re
from pathlib import Path

import elsewhere
import frames
import lite
import nbformat
import pytest

from rlrec.viz.widgets import Lab, choice, slider, tick

ROOT = Path(__file__).resolve().parents[2]
DRAWN = sorted((ROOT / "build" / "site" / "frames").glob("*/*/made.json"))


def small_lab(**more):
    controls = {"size": slider("size", 2, 0, 4, 1), "sign": choice("sign", ["+", "-"])}
    return Lab(
        "A bar",
        controls | more,
        lambda size, sign, **_: size if sign == "+" else -size,
        lambda figure, result: figure.subplots().barh(0, result),
        "size <b>{}</b>".format,
        (2.0, 1.0),
    )


def cells(*sources):
    return [nbformat.v4.new_code_cell(source) for source in sources]


def test_a_widget_needs_the_cells_that_define_its_names():
    found = cells(
        "import numpy as np",
        "rows = [1]",
        "print(np.pi)",
        "def f(): return rows",
        "f()",
    )
    assert frames.needed(found, [4]) == [1, 3, 4]


def test_what_questions_set_is_noted():
    found = cells("a = 1", "lab = make(a)\nlab", "lab.set(size=4)", "other = 1")
    names, used = frames.names_of("from x import make as f\nf(b)")
    assert (names, used) == ({"f"}, {"f", "b"})
    lab = small_lab()
    asked = []
    frames.note_settings(lab, asked)
    lab.set(size=4)
    assert asked == [{"size": 4, "sign": "+"}]
    assert frames.asking_cells(found, [1], 1) == [2]


def test_a_slider_stops_at_both_ends_and_where_a_question_is():
    control = slider("rate", 0.1, 0.0, 1.0, 0.05)
    assert frames.stops(control, 5, [0.1]) == [0.0, 0.1, 0.25, 0.5, 0.75, 1.0]
    assert frames.stops(slider("n", 2, 0, 4, 1), 13, []) == [0, 1, 2, 3, 4]
    assert frames.stops(tick("on"), 5, []) == [False, True]


def test_all_settings_are_drawn_where_the_budget_allows_it():
    found = frames.settings(small_lab(), "xx/1", [], 10)
    assert found[0] == {"size": 2, "sign": "+"}
    assert len(found) == 10  # 5 sizes, 2 signs


@pytest.mark.parametrize(("budget", "count"), [(60, 59), (25, 23)])
def test_else_two_controls_together_or_each_alone(budget, count):
    extra = {f"c{n}": slider(f"c{n}", 0, 0, 3, 1) for n in range(2)}
    found = frames.settings(small_lab(**extra), "xx/1", [], budget)
    start = found[0]
    moved = [sum(one[name] != start[name] for name in one) for one in found]
    assert len(found) <= budget
    assert max(moved) == (2 if budget == 60 else 1)
    assert len(found) == len({tuple(one.values()) for one in found})


def test_a_drawn_widget_holds_the_live_pictures(tmp_path):
    lab = small_lab()
    drawn = frames.settings(lab, "xx/1", [], 20)
    frames.draw(lab, drawn, "xx-1", tmp_path / "1")
    text = (tmp_path / "1" / "frames.js").read_text("utf-8")
    data = json.loads(text.removeprefix('rlrecLab("xx-1",').rstrip(")\n"))
    assert data["lines"][0] == "size <b>2</b>"
    assert data["controls"][0]["shown"] == ["0", "1", "2", "3", "4"]
    assert data["frames"][0] == [2, 0]
    assert frames.is_still_true(lab, "xx/1", [], tmp_path / "1", 20)


def test_frames_of_another_picture_line_or_setting_are_not_true(tmp_path):
    lab = small_lab()
    frames.draw(lab, frames.settings(lab, "xx/1", [], 20), "xx-1", tmp_path / "1")
    asked = [{"size": 3, "sign": "+"}]
    assert not frames.is_still_true(lab, "xx/1", asked, tmp_path / "1", 8)
    for name, value in [
        ("draw", lambda figure, result: figure.subplots().bar(0, result)),
        ("text", "<b>{}</b>".format),
    ]:
        other = small_lab()
        setattr(other, name, value)
        assert not frames.is_still_true(other, "xx/1", [], tmp_path / "1", 20)


def test_a_widget_is_drawn_once(tmp_path, monkeypatch, capsys):
    """Again only where its pictures change, not where its cells are worded anew."""
    drawn = []
    draw = frames.draw
    monkeypatch.setattr(frames, "draw", lambda *some: drawn.append(1) or draw(*some))
    monkeypatch.setattr(frames, "FRAMES", 20)
    monkeypatch.setattr(frames, "made_by", lambda *_: (small_lab(), []))
    for sources, count in [("one", 1), ("one", 1), ("two", 1)]:
        frames.bring_up_to_date([], [0], 0, "xx/1", sources, tmp_path / "1")
        assert len(drawn) == count
    monkeypatch.setattr(frames, "BYTES", 1)
    other = small_lab(more=tick("more"))
    monkeypatch.setattr(frames, "made_by", lambda *_: (other, []))
    with pytest.raises(ValueError, match="more than 1"):
        frames.bring_up_to_date([], [0], 0, "xx/1", "three", tmp_path / "1")
    assert (tmp_path / "1" / "made.json").exists()  # what was drawn before stays
    monkeypatch.setattr(frames, "BYTES", 10**6)
    frames.bring_up_to_date([], [0], 0, "xx/1", "three", tmp_path / "1")
    assert len(drawn) == 3
    assert capsys.readouterr().out.count("as it was") == 1


def test_the_widget_that_runs_in_the_page_is_not_drawn():
    cell = nbformat.v4.new_code_cell("ListenerLab()")
    assert not frames.is_live(cell)
    data = {"text/plain": "You are the listener (play a song): x", "image/png": ""}
    cell.outputs = [nbformat.v4.new_output("execute_result", data)]
    assert frames.is_live(cell)


@pytest.mark.parametrize("made", DRAWN, ids=lambda path: "-".join(path.parts[-3:-1]))
def test_the_site_shows_what_the_kernel_would(made, monkeypatch):
    """Five settings of each widget that was drawn."""
    lesson, number = made.parts[-3:-1]
    (path,) = (ROOT / "lessons").glob(f"{lesson}_*.ipynb")
    monkeypatch.chdir(path.parent)
    notebook = nbformat.read(path, 4)
    labs = frames.lab_cells(notebook)
    lab, asked = frames.made_by(notebook.cells, labs, labs[int(number) - 1])
    most = json.loads(made.read_text("utf-8"))["most"]
    place = f"{lesson}/{number}"
    assert frames.is_still_true(lab, place, asked, made.parent, most)


def test_no_name_is_declared_in_two_scripts_of_a_page():
    """They share one space of names: a second function replaces the first."""
    seen = []
    for path in sorted((ROOT / "lessons" / "site" / "static").glob("*.js")):
        declared = r"^(?:function\*?|class|const|let) (\w+)"
        seen += re.findall(declared, path.read_text("utf-8"), re.M)
    assert len(seen) > 30
    assert sorted(seen) == sorted(set(seen))


# -- elsewhere
def test_links_to_colab_and_binder_come_from_one_address(tmp_path):
    path = tmp_path / "pyproject.toml"
    path.write_text("[project]\nname = 'x'\n")
    assert elsewhere.repository(path) == ""
    assert elsewhere.links("02_x.ipynb", "") == ""
    path.write_text("[project.urls]\nRepository = 'https://github.com/a/b/'\n")
    address = elsewhere.repository(path)
    shown = elsewhere.links("02_x.ipynb", address)
    assert "github/a/b/blob/gh-pages/colab/02_x.ipynb" in shown
    assert "mybinder.org/v2/gh/a/b/HEAD?labpath=lessons/02_x.ipynb" in shown


@pytest.mark.parametrize(("lesson", "extras"), [("04", "lessons"), ("05", "deep,")])
def test_the_copy_for_colab_installs_what_the_lesson_needs(lesson, extras):
    (path,) = (ROOT / "lessons").glob(f"{lesson}_*.ipynb")
    text = elsewhere.for_colab(path, "https://github.com/a/b")
    first, *others = nbformat.reads(text, 4).cells
    nbformat.validate(nbformat.reads(text, 4))
    assert f"rlrec[{extras}" in first.source
    assert '@ git+https://github.com/a/b"' in first.source
    assert "rlrec lessons course" in first.source
    assert others == nbformat.read(path, 4).cells


def test_lessons_in_the_browser_come_with_all_that_they_import(tmp_path, monkeypatch):
    monkeypatch.setattr(lite.subprocess, "run", lambda *_, **__: None)
    (tmp_path / "lite").mkdir()
    monkeypatch.setattr(lite.shutil, "rmtree", lambda *_, **__: None)
    (tmp_path / "lite" / "rlrec-0.whl").touch()
    lite.prepare(tmp_path / "lite")
    inside = tmp_path / "lite" / "files" / "lessons"
    names = {path.name[:2] for path in inside.glob("*.ipynb")}
    assert names == {"00", "01", "02", "03", "04"}
    for part in ("drawing.py", "lab02_td_update.py", "exercises/lesson02.py"):
        assert (inside / part).is_file()
    settings = json.loads((tmp_path / "lite" / "jupyter_lite_config.json").read_text())
    assert settings["PipliteAddon"] == {"piplite_urls": ["rlrec-0.whl"]}


def test_what_is_missing_for_python_in_the_browser_is_named(tmp_path):
    lock = tmp_path / "lock.json"
    lock.write_text(json.dumps({"packages": {name: {} for name in lite.BUILT[1:]}}))
    found = lite.missing(lock.as_uri())
    assert found[-1].startswith("numpy: not in")
    assert not any(name in " ".join(found) for name in lite.BUILT[1:])
    assert "cannot be read" in lite.missing((tmp_path / "none").as_uri())[-1]
