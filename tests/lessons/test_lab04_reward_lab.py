"""Lesson 04: edited rewards by hand, in the widget, in whole sessions; histories."""

import os
import subprocess
import sys
from pathlib import Path

import lab04_reward_lab as lab04
import numpy as np
import pytest
from lab04_reward_lab import (
    INES,
    expected_session,
    listening_history,
    reward_lab,
    with_bonus,
)
from lesson_checks import words
from matplotlib.figure import Figure
from moving_picture import sweep_train

from rlrec.agents.baselines import TablePolicy
from rlrec.agents.planning import value_iteration
from rlrec.envs import GENRES, PROFILES, GenreBatch, GenreProfile
from rlrec.evaluation import simulate
from rlrec.types import Floats

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ("pop", "rock", "rap", "r&b", "latin", "edm")


def optimal_values(user: GenreProfile) -> Floats:
    """The optimal action values."""
    return value_iteration(user.model())


# -- rewards ---------------------------------------------------------------------------


def test_bonus_is_paid_for_likes_and_dislikes_of_one_genre_only() -> None:
    paid = with_bonus(INES, "HipHop", 6.0)
    assert paid.like_reward.tolist() == [1, 1, 1, 1, 7]
    assert paid.dislike_reward.tolist() == [-1, -1, -1, -1, 5]
    assert INES.like_reward.tolist() == [1] * 5


# -- training and evenings -------------------------------------------------------------


def test_first_sweep_is_the_reward_and_the_second_averages_with_the_target() -> None:
    sure = GenreProfile("sure", np.ones(5), like_reward=np.array([1.0, 2, 3, 4, 5]))
    first = sweep_train(sure, sweeps=1, runs=2)
    assert np.allclose(first, [1, 2, 3, 4, 5])
    second = sweep_train(sure, sweeps=2, runs=1, discount=0.9)
    # alpha = 1 / 1.1; target 1 + .9 * 5 = 5.5 in column 0
    assert second[0, 3, 0] == pytest.approx(1 + (5.5 - 1) / 1.1)


@pytest.mark.parametrize(
    "name", ["pop_lover", "rock_fan", "variety_seeker", "calm_worker", "headliner"]
)
def test_sweeps_come_near_the_optimum(name: str) -> None:
    user = PROFILES[name]
    best = optimal_values(user)
    table = sweep_train(user, runs=10).mean(axis=0)
    assert np.abs(table - best).max() < 0.02 * np.abs(best).max() + 1.0
    chosen = best[np.arange(5), table.argmax(axis=1)]
    assert np.allclose(chosen, best.max(axis=1))


def test_who_has_left_earns_nothing_more() -> None:
    gone = GenreProfile("gone", np.zeros(5), leave_probability=np.ones(5))
    assert np.allclose(sweep_train(gone, sweeps=50, runs=2), -1.0)


def test_evening_by_hand() -> None:
    for_ever_hiphop = np.full(5, 4)
    songs, reward = expected_session(INES, for_ever_hiphop)
    length = (1 - 0.65**20) / (1 - 0.65)
    assert songs.tolist() == pytest.approx([0, 0, 0, 0, length])
    assert reward == pytest.approx(0.0)
    bonus = with_bonus(INES, "HipHop", 6.0)
    assert expected_session(bonus, for_ever_hiphop)[1] == pytest.approx(6 * length)


def test_evening_follows_the_state() -> None:
    # Pop, Rock, Pop, ... and every start goes to Pop or Rock
    swap = np.array([1, 0, 0, 0, 0])
    songs, _ = expected_session(PROFILES["generic"], swap, length=2)
    assert songs.tolist() == pytest.approx([1.0, 1.0, 0, 0, 0])


def test_evening_agrees_with_simulated_ones() -> None:
    policy = TablePolicy.oracle(INES.model())
    returns = simulate(GenreBatch(2000, INES), policy, seed=3)
    assert returns.mean() == pytest.approx(expected_session(INES, [1] * 5)[1], abs=0.3)


# -- the widget ------------------------------------------------------------------------


def test_the_lab_starts_with_the_pop_lover_as_it_is() -> None:
    lab = reward_lab(sweep_train)
    assert lab.result.favourite == "Pop"
    assert lab.result.learned_songs.tolist() == pytest.approx([20, 0, 0, 0, 0])
    assert lab.result.own == pytest.approx(20 * 8.9)
    assert lab.result.edited == pytest.approx(lab.result.own)
    assert lab.result.optimum[1].round(1).tolist() == [89.0, 80.1, 78.9, 78.5, 79.6]


def test_the_tipping_point_of_pop_against_rock() -> None:
    lab = reward_lab(sweep_train)
    assert lab.set(rock=15.0, pop=6.0).favourite == "Pop"
    view = lab.set(pop=5.0)  # .9 * 5 - .1 = 4.4 < 4.8
    assert view.favourite == "Rock"
    assert view.edited == pytest.approx(20 * 4.8)
    assert view.own == pytest.approx(0.0, abs=1e-9)


def test_a_bonus_drives_ines_away_and_the_text_says_so() -> None:
    lab = reward_lab(sweep_train, "ines")
    before = lab.picture.value
    assert lab.result.favourite == "Rock"
    view = lab.set(bonus=6.0)
    assert view.favourite == "HipHop"
    assert view.learned_songs.sum() == pytest.approx(2.9, abs=0.1)
    assert view.edited > 15
    assert view.own == pytest.approx(0.0, abs=0.1)
    assert "<b>2.9</b> of 20 songs, worth <b>+17.1</b>" in lab.line.value
    assert lab.picture.value != before


def test_the_optimum_tips_at_the_break_even_bonus() -> None:
    even = 0.4 * (1 - 0.9 * 0.65) / (1 - 0.9 * 0.994)  # 1.575
    lab = reward_lab(sweep_train, "ines")
    for bonus, genre in ((even - 0.1, "Rock"), (even + 0.1, "HipHop")):
        user = with_bonus(INES, "HipHop", bonus)
        assert GENRES[int(optimal_values(user)[0].argmax())] == genre
    assert lab.set(bonus=2.0, discount=0.95).optimum[0].argmax() == GENRES.index("Rock")


def test_choosing_a_listener_by_hand_brings_the_rewards_in_one_redraw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = reward_lab(sweep_train)
    lab.set(bonus=3.0)
    redraws: list[object] = []
    monkeypatch.setattr(lab, "draw", lambda figure, view: redraws.append(view))
    lab.controls["profile"].set_state({"index": list(lab04.STARTS).index("headliner")})
    assert lab.values == {
        "profile": "headliner",
        "discount": 0.9,
        **lab04.own_rewards("headliner"),
    }
    assert len(redraws) == 1
    lab.set(profile="ines", pop=4.0)
    assert lab.values["pop"] == 4.0
    assert lab.values["hiphop"] == 12.0  # `set` brings nothing along


def view_of(profile: str, **values: float) -> lab04.RewardView:
    values = lab04.own_rewards(profile) | values
    return lab04.reward_view(sweep_train, profile, **values)


def test_ties_are_said() -> None:
    assert view_of("generic").tied == " and ".join(GENRES)
    assert "tie: noise decides" in lab04.describe_reward(view_of("generic"))
    assert view_of("pop_lover").tied == "Pop"
    assert "tie" not in lab04.describe_reward(view_of("pop_lover"))
    seeker = view_of("variety_seeker")  # jazz, and between two of it pop or rock
    assert seeker.favourite in ("Pop and Jazz", "Rock and Jazz")
    assert seeker.tied == "Pop and Rock"


def test_the_drawing_shows_both_tables_and_both_evenings() -> None:
    figure = Figure()
    view = view_of("ines", bonus=6.0)
    lab04.draw_reward_view(figure, view)
    learned, optimum, songs = figure.axes
    assert f"{view.learned[1, 4]:.1f}" in words(learned.texts)
    assert words(optimum.texts).count(f"{view.optimum[1, 4]:.1f}") >= 5
    widths = [bar.get_width() for bar in songs.patches]
    assert widths == pytest.approx([*view.learned_songs, *view.optimal_songs])
    assert words(songs.get_legend().get_texts()) == ["learned", "optimum"]


def test_the_figure_shows_a_long_and_a_short_evening() -> None:
    figure = Figure()
    lab04.draw_two_evenings(figure)
    honest, bonus = figure.axes
    assert len(honest.patches) == 20
    assert len(bonus.patches) < 6
    assert "Ines has gone" in words(bonus.texts)


# -- a history -------------------------------------------------------------------------


def test_the_invented_history_is_used_where_there_is_no_other() -> None:
    counts, source = listening_history(CATALOGUE, "nowhere")
    assert source == "an invented listener"
    assert counts.to_dict() == lab04.INVENTED_HISTORY


def test_a_file_gives_its_median_listener_in_the_catalogues_words(
    tmp_path: Path,
) -> None:
    rows = "a,rock,1\nb,metal,7\nb,indie,3\nb,hip-hop,4\nb,polka,9\nc,pop,500\n"
    (tmp_path / "plays.csv").write_text(f"user,genre,plays\n{rows}")
    counts, source = listening_history(CATALOGUE, str(tmp_path / "plays.csv"))
    assert counts[counts > 0].to_dict() == {"rock": 10, "rap": 4}
    assert source.endswith("plays.csv")


RUN_ALL = """
import os, sys, jupytext
os.chdir(sys.argv[2])
space = {"__name__": "__main__", "display": lambda *shown: None}
for cell in jupytext.read(sys.argv[1]).cells:
    if cell.cell_type == "code":
        exec(compile(cell.source, "lesson 04", "exec"), space)
assert space["agent"].table.std() > 0 and space["counts"].sum() > 0
print("SOURCE", space["source"], "SONGS", len(space["rows"]))
"""


def test_the_whole_lesson_runs_with_a_real_history() -> None:
    if listening_history(CATALOGUE)[1] != "lastfm":
        pytest.skip(
            "no Last.fm play counts here: set RLREC_DATA to a folder that has them"
        )
    lesson = ROOT / "lessons" / "text" / "04_reward_lab.md"
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    command = [sys.executable, "-c", RUN_ALL, str(lesson), str(ROOT / "lessons")]
    run = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    assert "SOURCE lastfm SONGS 3" in run.stdout
