"""Lesson 14, the arc from map to agent: menus by hand, a small training."""

from dataclasses import replace

import lab14_neighbours as lab14
import numpy as np
import pytest

from rlrec.agents.ppo import PPO
from rlrec.envs import default_catalogue


@pytest.fixture(scope="module")
def agent() -> PPO:
    # six songs on a line; the last column, popularity, says nothing of the place
    line = np.array([[0, 0], [1, 1], [2, 0], [3, 1], [8, 0], [9, 1]], float)
    config = replace(lab14.SETTINGS, neighbours=3)
    return PPO(line, config)


def after(song: int) -> dict[str, np.ndarray]:
    history = np.full((1, 20), -1)
    history[0, -1] = song
    return {
        "history": history,
        "feedback": np.zeros((1, 20, 3)),
        "position": np.array([[1]]),
    }


def test_a_menu_by_hand(agent) -> None:
    score = np.array([0.0, 0.1, 0.9, 0.2, 1.0, 1.0])
    rng = np.random.default_rng(0)
    # nearest to song 1 at place 1: songs 0, 2 and 3, not the far ones of score 1
    popular = lab14.Menu(agent, lambda menu: score[menu]).recommend(after(1), 3)
    assert popular.tolist() == [[2, 3, 0]]
    drawn = lab14.Menu(agent, lambda menu: rng.random(menu.shape))
    orders = {tuple(drawn.recommend(after(1), 3)[0]) for _ in range(50)}
    assert len(orders) == 6
    assert {song for order in orders for song in order} == {0, 2, 3}


def test_the_first_song_is_any_song_and_the_others_are_chosen() -> None:
    env = lab14.Radio(2_000)
    env.reset(seed=0)
    zero = np.zeros(2_000, np.int64)
    env.step(zero)
    first = env.played[:, 0]
    # 2,000 draws of 2,000 songs: 1 - 1/e of them differ
    assert len(set(first)) == pytest.approx(2_000 * (1 - np.exp(-1)), abs=60)
    env.step(zero)
    assert (env.played[:, 1] == 0).all()
    again = lab14.Radio(2_000)
    again.reset(seed=0)
    again.step(zero + 1)
    assert (again.played[:, 0] == first).all()


def test_a_small_training() -> None:
    catalogue = default_catalogue()
    songs = np.column_stack([catalogue.sound, catalogue.appeal])
    config = replace(lab14.SETTINGS, rollout=32, schedule_steps=4096)
    found = lab14.heard(songs, 0, 100, config)
    assert [*found] == [
        "PPO",
        "PPO, discount 0",
        "the most popular of the four",
        "a random one of the four",
    ]
    # neighbours sound alike, and alike tires: who looks ahead leaves the neighbourhood
    assert found["a random one of the four"] < found["PPO"]
