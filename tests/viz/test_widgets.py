"""The base of the widgets: driven here as the browser does, by `set_state`."""

import base64
import gc

import matplotlib.pyplot as plt
import pytest

from rlrec.viz.style import AGENT_COLOURS, agent_colour, style, theme
from rlrec.viz.widgets import Lab, choice, slider, tick


def divide(number: int, by: int = 1, genre: str = "Pop", loud: bool = False) -> float:
    return number / by * (2 if loud else 1) + len(genre)


def draw(figure, result):
    figure.subplots().bar(["result"], [result])


@pytest.fixture
def lab() -> Lab[float]:
    controls = {
        "number": slider("number", 4, 0, 10, 1, unit="songs"),
        "by": slider("by", 2, 0, 10, 1),
        "genre": choice("genre", ["Pop", "Rock", "Jazz"]),
        "loud": tick("loud"),
    }
    return Lab(
        "Division",
        controls,
        divide,
        draw,
        lambda result: f"result&nbsp;= <b>{result:.2f}</b>",
    )


@pytest.mark.parametrize(
    ("name", "state", "result"),
    [
        ("number", {"value": 10}, 8),
        ("genre", {"index": 1}, 6),
        ("loud", {"value": True}, 7),
    ],
)
def test_a_control_changes_result_text_and_picture(lab, name, state, result) -> None:
    before = (lab.line.value, lab.picture.value)
    lab.controls[name].set_state(state)
    assert lab.result == result
    assert f"{result:.2f}" in lab.line.value
    assert lab.line.value != before[0]
    assert lab.picture.value != before[1]


def test_bundle_has_text_picture_and_live_view(lab) -> None:
    bundle = lab._repr_mimebundle_()
    assert (
        bundle["text/plain"]
        == "Division (number 4, by 2, genre Pop, loud False): result = 5.00"
    )
    assert base64.b64decode(bundle["image/png"]) == lab.picture.value
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_set_returns_the_result_and_computes_once(lab, monkeypatch) -> None:
    calls = []
    monkeypatch.setattr(lab, "draw", lambda figure, result: calls.append(result))
    assert lab.set(number=6, by=3, loud=True) == 7
    assert calls == [7]


@pytest.mark.parametrize(
    "values",
    [{"numbre": 1}, {"number": 11}, {"number": 3, "by": 99}, {"number": 3, "by": 0}],
)
def test_set_refuses_and_changes_nothing(lab, values) -> None:
    before, picture = lab.values, lab.picture.value
    with pytest.raises((ValueError, ZeroDivisionError)):
        lab.set(**values)
    assert lab.values == before
    assert lab.picture.value == picture


def test_first_evaluation_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        Lab("Broken", {"by": slider("by", 0, 0, 1, 1)}, lambda by: 1 / by, draw, str)


def test_later_errors_are_shown_and_go_away(lab, monkeypatch) -> None:
    monkeypatch.delenv("RLREC_STRICT_WIDGETS", raising=False)
    lab.controls["by"].set_state({"value": 0})
    assert "ZeroDivisionError: division by zero" in lab.line.value
    assert 'role="alert"' in lab.line.value
    lab.controls["by"].set_state({"value": 1})
    assert "alert" not in lab.line.value


def test_strict_widgets_raise_as_well(lab, monkeypatch) -> None:
    monkeypatch.setenv("RLREC_STRICT_WIDGETS", "1")
    with pytest.raises(ZeroDivisionError):
        lab.controls["by"].set_state({"value": 0})
    assert "ZeroDivisionError" in lab.line.value


def test_layout_and_labels(lab) -> None:
    assert lab.picture.layout.align_self == "flex-start"
    assert all(control.description for control in lab.controls.values())
    assert lab.controls["number"].tooltip == "number, songs"
    assert slider("rate", 0.1, 0, 1, 0.05).readout_format == ".2f"


def test_a_hundred_redraws_leave_nothing_behind(lab) -> None:
    open_before = plt.get_fignums()  # other tests of this process may have left some
    objects = {}
    for turn in range(100):
        lab.controls["number"].set_state({"value": turn % 10})
        if turn in (19, 99):
            gc.collect()
            objects[turn] = len(gc.get_objects())
    assert objects[99] - objects[19] < 500  # one figure is made of thousands
    assert plt.get_fignums() == open_before


def test_style_is_set_from_scratch() -> None:
    with plt.rc_context():
        plt.rcParams["font.size"] = 40
        style()
        assert plt.rcParams["figure.dpi"] == 100
        assert plt.rcParams["font.sans-serif"] == ["DejaVu Sans"]
        assert plt.rcParams["font.size"] < 20
        assert plt.rcParams["axes.prop_cycle"] == theme()["axes.prop_cycle"]


def test_agent_colours_differ() -> None:
    assert len(set(AGENT_COLOURS.values())) == len(AGENT_COLOURS)
    with pytest.raises(ValueError, match="known: random"):
        agent_colour("rnadom")
