"""Lesson 09, DRR on MovieLens: stored results, published figures, a history widget."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
import seaborn as sns
from course_results import FOLDER, commit_of, read_result
from drawing import CENTRED, diagram, student
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rlrec.datasets import Ratings
from rlrec.datasets.matrices import rating_matrix
from rlrec.evaluation.comparison import AGENT, ORACLE, VECTORS, WARM
from rlrec.evaluation.intervals import Interval, mean_interval
from rlrec.evaluation.protocols import Split
from rlrec.types import Floats
from rlrec.viz.style import PALETTE
from rlrec.viz.widgets import Lab, choice, slider, tick

if TYPE_CHECKING:
    from rlrec.collaborative.drr import DRR
    from rlrec.collaborative.drr_vectors import Vectors

Content = dict[str, Any]  # what `rlrec evaluate --json` writes
BLUE, ORANGE, GREEN, *_ = PALETTE
GREY = "#8C8C8C"
PART_COLOURS = {VECTORS: BLUE, WARM: ORANGE, AGENT: GREEN, ORACLE: "#000000"}

# What others report; no figure here was measured by this library.
# DRR, arXiv:1810.12027, offline evaluation; what is left out is not quoted here.
PAPER = {
    "ml-100k": {
        "popularity": {"P@5": 0.6933},
        "SVD++": {"P@5": 0.7034},
        "DRR-ave": {"P@5": 0.7887, "P@10": 0.6935, "NDCG@5": 0.9255},
    },
    "ml-1m": {
        "popularity": {"P@5": 0.7141},
        "SVD++": {"P@5": 0.7142},
        "DRR-ave": {"P@5": 0.7693, "P@10": 0.6594, "NDCG@5": 0.9112},
    },
}
# the TensorFlow code's own claim
PUBLIC_CODE = {"P@5": 0.479, "NDCG@5": 0.471, "P@10": 0.444, "NDCG@10": 0.429}

# Measured once for this course with that code, one seed, its own protocol on
# MovieLens 1M; its algorithm with the leak: 150,000 steps.
LEAKED = "no learning at all: leaked user x item product"
REPEATED = {
    "random": {"P@5": "0.021", "P@10": "0.024"},
    "popularity (number of likes)": {"P@5": "0.350", "P@10": "0.324"},
    "item-kNN, no leak": {"P@5": "0.425", "P@10": "0.396"},
    "its algorithm, embeddings without the leak": {"P@5": "0.284", "P@10": "0.262"},
    "its algorithm, leaked embeddings": {"P@5": "0.420", "P@10": "0.391"},
    LEAKED: {"P@5": "0.710 to 0.869", "P@10": "0.696 to 0.838"},
}
COUNTERPART = {
    "popularity": "popularity by count",
    "SVD++": "matrix factorisation",
    "DRR-ave": AGENT,
}


# -- stored results
def load_result(name: str, folder: Path = FOLDER) -> Content:
    """Read a stored result, such as "rerank_ml-100k". Raises ``DataError``."""
    return read_result(name, "make results", folder)


def interval(content: Content, row: str, column: str) -> Interval:
    """One figure of a stored table with its 95% interval over seeds."""
    return Interval(**content["table"][row][column])


def of_runs(content: Content, row: str, column: str) -> Floats:
    """One figure of each run [seeds], in the order of the seeds."""
    runs = sorted(content["runs"], key=lambda run: run["seed"])
    return np.array([run["figures"][row][column] for run in runs])


def runs_frame(content: Content) -> pd.DataFrame:
    """The figures of a stored result: one row a seed and model.

    Columns: seed, model, and one for each figure ("P@5", "overlap@10", ...).
    """
    rows = []
    for run in content["runs"]:
        for model, figures in run["figures"].items():
            rows.append({"seed": run["seed"], "model": model} | figures)
    return pd.DataFrame(rows)


def data_of(content: Content) -> str:
    """The data set of a stored result."""
    return str(content["runs"][0]["config"]["data"])


def half_width(of: Interval) -> str:
    """A mean and half the width of its interval, in words."""
    return f"{of.mean:.3f} ±{of.high - of.mean:.3f}"


def provenance(content: Content) -> str:
    """Where a stored result comes from, on a few lines."""
    runs = content["runs"]
    seeds = ", ".join(str(run["seed"]) for run in runs)
    first = runs[0]
    sessions = [run["config"]["sessions"] for run in runs]
    seconds = [sum(part["seconds"] for part in parts) for parts in sessions]
    spent = f"{min(seconds):.0f}"
    if min(seconds) < max(seconds):
        spent += f" to {max(seconds):.0f}"
    versions = ", ".join(map(" ".join, content["versions"].items()))
    return (
        f"stored: {data_of(content)}, {content['protocol']}, "
        f"split by {content['split']}; seeds {seeds}; {first['step']:,} steps each\n"
        f"  training {spent} s a run, evaluation {content['seconds']:.0f} s, "
        f"on {content['device']}\n"
        f"  evaluated at commit {commit_of(content)}; {versions}\n"
        f"  {first['config']['command']}\n"
        f"  {content['command']}"
    )


def episodes_of_a_user(content: Content) -> float:
    """How many training episodes a stored run had, for each user it learned from."""
    first = content["runs"][0]
    config = first["config"]
    episodes = first["step"] / config["drr"]["length"]
    users = config["fingerprint"]["users"]
    if content["protocol"] == "session":
        users = round(0.8 * users)  # the others are asked later
    return float(episodes / users)


def curves_frame(parts: Mapping[str, Content]) -> pd.DataFrame:
    """Learning curves, one row a part, seed and point.

    Columns: part, seed, step, hits (share, while it explores), value (critics' mean).
    """
    rows = []
    for part, content in parts.items():
        for run, points in zip(content["runs"], content["curves"], strict=True):
            rows += [{"part": part, "seed": run["seed"]} | point for point in points]
    return pd.DataFrame(rows)


def forest(ax: Axes, content: Content, column: str = "P@5") -> None:
    """The mean of each model and its 95% interval over seeds, best on top."""
    frame = runs_frame(content)
    means = frame.groupby("model")[column].mean().sort_values(ascending=False)
    sns.pointplot(
        frame,
        x=column,
        y="model",
        hue="model",
        order=means.index,
        palette={name: PART_COLOURS.get(name, GREY) for name in means.index},
        errorbar=student,
        linestyle="none",
        markersize=4,
        ax=ax,
    )
    ax.set(xlabel=f"{column}, mean and 95% interval over seeds", ylabel="")


def differences(ax: Axes, content: Content) -> None:
    """The agent less the strongest baseline and its parts, with 95% intervals."""
    for less in content["differences"]:
        row = f"less {less['other']}"
        colour = PART_COLOURS.get(less["other"], GREY)
        ends = [less["low"], less["high"]]
        ax.plot(ends, [row, row], color=colour, lw=6, alpha=0.5)
        ax.plot(less["mean"], row, "o", color=colour, ms=8)
        ax.plot(less["of_runs"], [row] * len(less["of_runs"]), "k.")
    ax.axvline(0, color="black", lw=1)
    ax.margins(y=0.3)
    ax.invert_yaxis()
    ax.locator_params(axis="x", nbins=4)
    ax.set_xlabel(f"{AGENT}, paired, P@5")


def draw_study(figure: Figure, content: Content) -> None:
    """Left all rows of a stored table, right the paired differences."""
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    forest(left, content)
    differences(right, content)


def gain(one: Content, other: Content, column: str = "P@5") -> Interval:
    """The agent of ``one`` less that of ``other``, paired by seed: 95% interval."""
    return mean_interval(of_runs(one, AGENT, column) - of_runs(other, AGENT, column))


class Stored(NamedTuple):
    """A stored study and the figure that the widget shows of it."""

    content: Content
    column: str


def stored_lab(contents: Mapping[str, Content]) -> Lab[Stored]:
    """Choose a stored study and a figure; see all rows with their intervals."""

    def look_up(study: str, figure: str) -> Stored:
        return Stored(contents[study], figure)

    columns = ["P@5", "NDCG@5", "P@10", "R@10", "coverage@10", "overlap@10"]
    controls = {
        "study": choice("study", list(contents)),
        "figure": choice("figure", columns),
    }
    title = "The stored results"
    return Lab(title, controls, look_up, _draw_stored, describe_stored, (8.2, 3.9))


def _draw_stored(figure: Figure, result: Stored) -> None:
    forest(figure.subplots(), result.content, result.column)


def describe_stored(result: Stored) -> str:
    """The agent's figure and its place among all rows, in one line of HTML."""
    means = {}
    for name in result.content["table"]:
        means[name] = interval(result.content, name, result.column).mean
    order = sorted(means, key=lambda name: -means[name])
    first = order[0]
    last = order[-1]
    return (
        f"{result.column}: {AGENT} <b>{means[AGENT]:.3f}</b>, "
        f"place {order.index(AGENT) + 1} of {len(order)}; "
        f"highest {first} {means[first]:.3f}, lowest {last} {means[last]:.3f}"
    )


# -- training, live
def start_again(drr: DRR, seed: int) -> None:
    """Restart the agent from ``seed``: new weights, empty replay, the same vectors.

    What it has compiled is kept, which saves seconds a seed.
    """
    from rlrec.agents.ddpg import DDPG

    agent = drr.agent
    new = DDPG(
        agent.item_vectors,
        agent.user_vectors,
        agent.config,
        seed,
        history=agent.history,
        user_scale=agent.user_scale,
    )
    agent.restore(new.state())


def with_vectors(vectors: Vectors, everything: Ratings, drr: DRR) -> DRR:
    """An agent like ``drr`` with other vectors, users' from ``everything``."""
    from rlrec.agents.ddpg import DDPG
    from rlrec.collaborative.drr import DRR

    users = vectors.users(rating_matrix(everything))
    agent = DDPG(vectors.items, users, drr.agent.config, history=drr.agent.history)
    return DRR(agent, vectors, drr.config)


# -- the history widget
# three users of the bundled ratings
LISTENERS = {"user 39": 39, "user 88": 88, "user 11": 11}
MOST_KNOWN = 30


class Ranked(NamedTuple):
    """A listener's later films, best first by score."""

    titles: list[str]
    stars: Floats  # [films] what the listener gave later
    general: Floats  # [films] the score without any known rating
    personal: Floats  # [films] what the known ratings add
    moved: int  # how many of the first three are there only by the known ratings


def rank_later(
    vectors: Vectors, split: Split, user: int, known: int, whose: int
) -> Ranked:
    """Rank the films that ``user`` watched later.

    The ranking uses the first ``known`` ratings of user ``whose``.
    """
    everything = rating_matrix(split.known)
    begin, end = everything.indptr[whose : whose + 2]
    part = slice(begin, min(begin + known, end))
    row = (everything.data[part], everything.indices[part], [0, part.stop - part.start])
    later = rating_matrix(split.held_out)[[user]]
    shape = (1, split.train.n_items)
    items = vectors.items[later.indices].T
    general = (vectors.users(sp.csr_matrix(shape)) @ items)[0]
    scores = (vectors.users(sp.csr_matrix(row, shape=shape)) @ items)[0]
    order = np.argsort(-scores, kind="stable")
    before = np.argsort(-general, kind="stable")
    moved = len(np.setdiff1d(order[:3], before[:3]))
    titles = [str(title) for title in split.train.titles[later.indices[order]]]
    personal = (scores - general)[order]
    return Ranked(titles, later.data[order], general[order], personal, moved)


def history_lab(vectors: Vectors, split: Split) -> Lab[Ranked]:
    """Choose whose ratings are known, and how many; see how later films are ranked."""
    neighbour = dict(zip(split.users, np.roll(split.users, -1), strict=True))

    def rank(listener: str, known: int, foreign: bool) -> Ranked:
        user = LISTENERS[listener]
        whose = int(neighbour[user]) if foreign else user
        return rank_later(vectors, split, user, known, whose)

    controls = {
        "listener": choice("listener", list(LISTENERS)),
        "known": slider("ratings known", 15, 0, MOST_KNOWN, 1),
        "foreign": tick("those of the person next door"),
    }
    title = "What the known ratings do"
    return Lab(title, controls, rank, draw_ranked, describe_ranked, (8.6, 4.0))


def draw_ranked(figure: Figure, result: Ranked) -> None:
    """A bar for each film, the first three in colour.

    It goes from the score without known ratings (dot) to the score with them.
    """
    ax = figure.subplots()
    rows = np.arange(len(result.titles))
    colours = np.where(rows < 3, ORANGE, "#B0B0B0").tolist()
    ax.barh(rows, result.personal, 0.4, result.general, color=colours)
    ax.plot(result.general, rows, "o", color="0.45")
    stars = [
        f"  ({'liked' if given >= 4 else 'not'}: {given:.0f})" for given in result.stars
    ]
    ax.set_yticks(rows, np.char.add(result.titles, stars).tolist(), fontsize=8.5)
    ax.set(ylim=(len(rows) - 0.4, -0.6), xlim=(-1.3, 1.3))
    ax.set_xlabel("score: dot for anybody, bar's end for this listener")


def describe_ranked(result: Ranked) -> str:
    """The first three and what the known ratings changed, in one line of HTML."""
    liked = int((result.stars[:3] >= 4).sum())
    first = html.escape("; ".join(result.titles[:3]), quote=False)
    return (
        f"first three: <b>{first}</b>, {liked} of them liked; "
        f"{result.moved} of them would not be there if nothing were known"
    )


# -- the picture of the lesson
# colours: given, made once, supervised, reinforcement learning
BOXES = {
    "known": ("known ratings\nthe past of a user", 0.08, 0.9, "white"),
    "vectors": ("vectors, made once\nusers u, items i", 0.32, 0.9, BLUE),
    "start": ("supervised start\nmay turn u, before RL", 0.56, 0.9, ORANGE),
    "history": ("history\nlast 5 films liked", 0.08, 0.55, "white"),
    "state": ("state\n[u, u * g, g]", 0.32, 0.55, GREEN),
    "actor": ("actor\nproposes a vector a", 0.56, 0.55, GREEN),
    "list": ("list: the three films\nwith the highest a . i", 0.86, 0.55, "white"),
    "env": ("environment Ratings-v0\nreward from the log", 0.86, 0.2, "white"),
    "memory": ("memory\nprioritised replay", 0.61, 0.2, GREEN),
    "critic": ("two critics\nvalue of (state, film)", 0.39, 0.2, GREEN),
}
ARROWS = (
    ("known", "vectors", 0),
    ("vectors", "state", 0),
    ("start", "actor", 0),
    ("history", "state", 0),
    ("state", "actor", 0),
    ("actor", "list", 0),
    ("list", "env", 0),
    ("env", "memory", 0),
    ("memory", "critic", 0),
    ("state", "critic", 0),
    ("critic", "actor", 0),
    ("env", "history", -0.35),
)


def draw_architecture(figure: Figure) -> None:
    """All of DRR: what is made once, what decides, what learns."""
    ax = figure.subplots()
    diagram(ax, BOXES, ARROWS)
    ax.set_ylim(-0.2, 1.0)
    ax.text(0.13, 0.1, "a liked film\nmoves into the history", **CENTRED)


FIGURES: dict[str, tuple[Callable[[Figure], object], tuple[float, float]]] = {
    "09_architecture.png": (draw_architecture, (10.5, 4.2))
}
