"""The picture that moves in the README: one reward of lesson 04's lab is dragged.

    python lessons/moving_picture.py figures/readme.gif

Left, what the agent is paid for a liked song of each genre. Middle, the Q-table that it
learns from these rewards. Right, the songs that it then plays in an evening of at most
20. Ines leaves when a hip-hop song misses. An agent that is paid enough for hip-hop
plays it all the same, and her evenings end after a few songs.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from drawing import value_table
from lab04_reward_lab import RewardView, own_rewards, reward_view
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from rlrec.envs import GENRES, GenreProfile
from rlrec.types import Floats
from rlrec.viz.style import PALETTE, theme

LISTENER = "ines"
MOVED = "HipHop"
UP = [1.0, 3.0, 5.0, 6.0, 7.0, 9.0, 12.0, 15.0]  # the dragged reward, frame by frame
REWARDS = [*UP, *UP[-2:0:-1]]
MILLISECONDS, AT_AN_END = 350, 1400  # how long a frame stays
SIZE = (9.0, 3.1)  # inches, 100 dots each
BLUE, ORANGE = PALETTE[0], PALETTE[5]


def sweep_train(
    user: GenreProfile,
    *,
    sweeps: int = 600,
    discount: float = 0.9,
    runs: int = 10,
    seed: int = 0,
) -> Floats:
    """Train tables of zeros by Q-learning in sweeps: [runs, states, actions].

    A sweep updates each cell once; in sweep k the step size is 1 / (1 + (1 - gamma) k)
    (Wainwright, "Stochastic approximation with cone-contractive operators", 2019).
    """
    genres = len(user.genres)
    rng = np.random.default_rng(seed)
    draws = rng.random((sweeps, 2, runs, genres, genres), np.float32)
    liked = draws[:, 0] < user.like_table()
    rewards = np.where(liked, user.like_reward, user.dislike_reward)
    discounts = discount * (liked | (draws[:, 1] >= user.leave_probability))
    table = np.zeros((runs, genres, genres))
    for k in range(sweeps):
        target = rewards[k] + discounts[k] * table.max(axis=2)[:, None, :]
        table += (target - table) / (1.0 + (1.0 - discount) * k)
    return table


def frame(reward: float) -> Image.Image:
    """The picture for one value of the dragged reward."""
    likes = own_rewards(LISTENER) | {MOVED.lower(): reward}
    view = reward_view(sweep_train, LISTENER, **likes)
    with mpl.rc_context(theme()):
        figure = Figure(figsize=SIZE, dpi=100, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        left, middle, right = figure.subplots(1, 3, width_ratios=[1.0, 1.5, 1.0])
        draw_rewards(left, np.array([likes[genre.lower()] for genre in GENRES]))
        draw_table(middle, view)
        draw_songs(right, view)
        png = io.BytesIO()
        canvas.print_png(png)  # type: ignore[no-untyped-call]
    return Image.open(png).convert("RGB")


def draw_rewards(ax: Axes, rewards: Floats) -> None:
    """One bar a genre, the dragged one in orange, with its value."""
    colours = [ORANGE if genre == MOVED else BLUE for genre in GENRES]
    ax.bar_label(ax.barh(GENRES, rewards, color=colours), fmt="{:g}", padding=3)
    ax.set(xlim=(0.0, 18.0), title="you drag: reward of a like")
    ax.invert_yaxis()


def draw_table(ax: Axes, view: RewardView) -> None:
    """The learned Q-table; a frame marks the best genre to play next."""
    ax.tick_params(labelsize=9)
    colours = {"cmap": "Blues", "vmin": -10.0, "vmax": 25.0}
    value_table(ax, view.learned, GENRES, ORANGE, **colours)
    ax.set_title("it learns: Q of the next genre")


def draw_songs(ax: Axes, view: RewardView) -> None:
    """Songs of each genre in an evening with the learned policy."""
    ax.barh(GENRES, view.learned_songs, color=ORANGE)
    songs = view.learned_songs.sum()
    ax.set(xlim=(0.0, 20.0), title=f"the evening: {songs:.0f} songs")
    ax.invert_yaxis()


def main(path: Path) -> None:
    """Write the animation."""
    frames = {reward: frame(reward) for reward in UP}
    pictures = [frames[reward].quantize(64) for reward in REWARDS]
    ends = (UP[0], UP[-1])
    times = [AT_AN_END if reward in ends else MILLISECONDS for reward in REWARDS]
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=times,
        loop=0,
        optimize=True,
    )
    print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
