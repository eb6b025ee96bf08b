"""What the pictures of several lessons share: the player, alternative texts."""

import drawing
import matplotlib.pyplot as plt
import pandas as pd
from IPython.utils.capture import capture_output


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
