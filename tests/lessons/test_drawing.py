"""What the pictures of several lessons share: the player, alternative texts."""

import drawing
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.utils.capture import capture_output
from matplotlib.figure import Figure


def test_player_shows_the_first_table_and_holds_all():
    first = pd.DataFrame([[0.0, 5.0]], ["SARSA"], ["1", "2"])
    shown = drawing.player({"before": first, "after": first + 5.0}, limit=10).data
    assert shown.count('class="frame"') == 2
    assert shown.count("display:none") == 1
    assert shown.index("before") < shown.index("display:none") < shown.index("after")
    for cell in (
        '<td style="background:rgba(0,114,178,0.35)">5.00</td>',
        '<td style="background:rgba(0,114,178,0.70)">10.00</td>',
        "<th>SARSA</th>",
    ):
        assert cell in shown
    assert 'max="1"' in shown
    assert "<script" not in shown


def test_a_picture_has_its_alternative_text(monkeypatch):
    seen = []
    monkeypatch.setattr(drawing, "display", lambda *given, **more: seen.append(more))
    figure, _ = plt.subplots()
    with capture_output():
        drawing.show("two bars")
    assert seen == [{"metadata": {"image/png": {"alt": "two bars"}}}]
    assert not plt.fignum_exists(figure.number)


def test_a_diagram_has_its_boxes_and_arrows_that_end_at_them():
    figure = Figure()
    ax = figure.subplots()
    boxes = {"one": ("first", 0.2, 0.5, "white"), "two": ("second", 0.8, 0.5, "white")}
    drawing.diagram(ax, boxes, [("one", "two", 0)])
    first, second, arrow = ax.texts
    assert [first.get_text(), second.get_text()] == ["first", "second"]
    assert arrow.arrow_patch.patchA is first.get_bbox_patch()
    assert arrow.arrow_patch.patchB is second.get_bbox_patch()
    figure.draw_without_rendering()
    way = arrow.arrow_patch.get_window_extent()
    assert first.get_window_extent().x1 < way.x0
    assert way.x1 < second.get_window_extent().x0


def test_a_value_table_frames_the_best_of_each_row():
    ax = Figure().subplots()
    table = np.array([[0.0, 2.0], [1.0, -1.0]])
    drawing.value_table(ax, table, ["a", "b"], "black", vmin=-2, vmax=2)
    assert [text.get_text() for text in ax.texts] == ["0.0", "2.0", "1.0", "-1.0"]
    corners = [(round(box.get_x()), round(box.get_y())) for box in ax.patches]
    assert corners == [(1, 0), (0, 1)]
