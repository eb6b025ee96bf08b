"""Lesson 09, DRR on MovieLens: stored results, published figures, a history widget."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from course_results import FOLDER, commit_of, read_result
from drawing import CENTRED
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from rlrec.datasets import Ratings
from rlrec.datasets.matrices import rating_matrix
from rlrec.evaluation.comparison import AGENT, ORACLE, VECTORS, WARM
from rlrec.evaluation.intervals import Interval, mean_interval
from rlrec.evaluation.protocols import Split
from rlrec.types import Floats
from rlrec.viz.style import PALETTE, Style
from rlrec.viz.widgets import Lab, choice, slider, tick

if TYPE_CHECKING:
    from rlrec.collaborative.drr import DRR
    from rlrec.collaborative.drr_vectors import Vectors

Point = tuple[float, float]
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


def _segment(ax: Axes, place: int, low: float, high: float, **line: Any) -> None:
    """An interval as a thick line in row ``place``."""
    ax.plot([low, high], [place, place], solid_capstyle="butt", **line)


def forest(ax: Axes, content: Content, column: str = "P@5") -> Axes:
    """A dot and its 95% interval over seeds for each row of a table, best on top."""
    means = {name: interval(content, name, column).mean for name in content["table"]}
    rows = sorted(means, key=lambda name: -means[name])
    label: Style = {"textcoords": "offset points", "va": "center", "fontsize": 8}
    for place, name in enumerate(rows):
        of = interval(content, name, column)
        colour = PART_COLOURS.get(name, GREY)
        _segment(ax, place, of.low, of.high, color=colour, lw=6, alpha=0.5)
        ax.plot(of.mean, place, "o", color=colour, ms=5)
        ax.annotate(f"{of.mean:.3f}", (of.high, place), (7, 0), **label)
    ax.set_yticks(range(len(rows)), rows, fontsize=8.5)
    for tick_label, name in zip(ax.get_yticklabels(), rows, strict=True):
        tick_label.set_color(PART_COLOURS.get(name, "#404040"))
    ax.set(ylim=(len(rows) - 0.4, -0.6))
    ax.set_xlabel(f"{column}, mean and 95% interval over seeds")
    ax.margins(x=0.16)
    return ax


def differences(ax: Axes, content: Content) -> Axes:
    """The agent less the strongest baseline and its parts, with 95% intervals."""
    ends: list[float] = []
    names = []
    for place, less in enumerate(content["differences"]):
        colour = PART_COLOURS.get(less["other"], GREY)
        _segment(ax, place, less["low"], less["high"], color=colour, lw=6, alpha=0.5)
        seeds = np.full(len(less["of_runs"]), place + 0.22)
        ax.plot(less["of_runs"], seeds, "o", color="black", ms=3)
        ax.plot(less["mean"], place, "o", color=colour, ms=8)
        names.append(f"less {less['other']}")
        ends += [less["low"], less["high"], *less["of_runs"]]
    ax.axvline(0, color="black", lw=1)
    reach = 1.15 * float(np.abs(ends).max())
    ax.set_yticks(range(len(names)), names, fontsize=8.5, parse_math=False)
    ax.set(ylim=(len(names) - 0.5, -0.5), xlim=(-reach, reach))
    ax.set_xlabel(f"{AGENT}, paired, P@5")
    ax.locator_params(axis="x", nbins=5)
    ax.grid(False, axis="y")
    return ax


def draw_study(figure: Figure, content: Content) -> None:
    """Left all rows of a stored table, right the paired differences."""
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    forest(left, content)
    differences(right, content)


def gain(one: Content, other: Content, column: str = "P@5") -> Interval:
    """The agent of ``one`` less that of ``other``, paired by seed: 95% interval."""
    return mean_interval(of_runs(one, AGENT, column) - of_runs(other, AGENT, column))


def states_forest(
    ax: Axes, contents: Mapping[str, Content], column: str = "P@5"
) -> Axes:
    """The agent's figure for each state, and references that need no state."""
    for place, content in enumerate(contents.values()):
        of = interval(content, AGENT, column)
        _segment(ax, place, of.low, of.high, color=GREEN, lw=5)
        seeds = of_runs(content, AGENT, column)
        ax.plot(seeds, np.full(len(seeds), place), "o", color="black", ms=3)
        ax.plot(of.mean, place, "o", color=GREEN, ms=9)
    first = next(iter(contents.values()))
    references = {"random": ":", "popularity by average": "--", VECTORS: "-"}
    for name, style in references.items():
        mean = interval(first, name, column).mean
        colour = PART_COLOURS.get(name, "0.4")
        ax.axvline(mean, color=colour, ls=style, lw=1.5, label=name)
    ax.set_yticks(range(len(contents)), list(contents))
    ax.set(ylim=(len(contents) - 0.5, -0.5))
    ax.set_xlabel(f"{column}: each seed, mean and 95% interval")
    ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


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


def live_forest(
    ax: Axes, references: Mapping[str, float], runs: Mapping[str, Floats]
) -> Axes:
    """References as hollow dots, below them ``runs`` with mean and 95% interval.

    ``references``: name -> value, the same for every seed; ``runs``: name -> [seeds].
    """
    for place, value in enumerate(references.values()):
        ax.plot(value, place, "o", mfc="white", mec="0.4", mew=1.5, ms=8)
        ax.text(value + 0.006, place, f"{value:.2f}", va="center", fontsize=8)
    for place, (name, values) in enumerate(runs.items(), len(references)):
        of = mean_interval(values)
        colour = BLUE
        if name.endswith("after RL"):
            colour = GREEN
        elif name.endswith("the start"):
            colour = ORANGE
        _segment(ax, place, of.low, of.high, color=colour, lw=5)
        ax.plot(of.mean, place, "o", color=colour, ms=9)
    ax.axhline(len(references) - 0.5, color="0.6", lw=1)
    names = [*references, *runs]
    ax.set_yticks(range(len(names)), names, fontsize=8.5)
    ax.set(ylim=(len(names) - 0.4, -0.6), xlim=(0.44, 0.76))
    ax.set_xlabel("P@5; mean and 95% interval over seeds")
    return ax


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
    ends = result.general + result.personal
    names = []
    for place, (title, stars) in enumerate(
        zip(result.titles, result.stars, strict=True)
    ):
        general = result.general[place]
        colour = ORANGE if place < 3 else "#B0B0B0"
        _segment(ax, place, general, ends[place], color=colour, lw=6)
        ax.plot(general, place, "o", color="0.45", ms=6)
        ax.plot(ends[place], place, "|", color="black", ms=13, mew=2)
        names.append(f"{title}   {'liked' if stars >= 4 else 'not'} ({stars:.0f})")
    ax.set_yticks(range(len(names)), names, fontsize=8.5)
    ax.set(ylim=(len(names) - 0.4, -0.6), xlim=(-1.3, 1.3))
    ax.set_xlabel("score: dot for anybody, bar's end for this listener")
    ax.axvline(0, color="0.6", lw=0.8)
    ax.grid(False, axis="y")


def describe_ranked(result: Ranked) -> str:
    """The first three and what the known ratings changed, in one line of HTML."""
    liked = int((result.stars[:3] >= 4).sum())
    first = html.escape("; ".join(result.titles[:3]), quote=False)
    return (
        f"first three: <b>{first}</b>, {liked} of them liked; "
        f"{result.moved} of them would not be there if nothing were known"
    )


# -- the picture of the lesson
# the three stages: made once, supervised, reinforcement learning
ONCE = "#CFE3F3"
SUPERVISED = "#FBE6C2"
LEARNED = "#D5EFE6"
PLAIN = "#EEEEEE"
ENV_TEXT = "(stars - 3) / 2 from the log"
# name, x, y, width, title, text, colour
BOXES = (
    ("known", 9, 43, 15, "known ratings", "the past of a user", PLAIN),
    ("vectors", 30, 43, 20, "vectors", "users u, items i; made once", ONCE),
    ("history", 9, 28, 15, "history", "last 5 films liked", PLAIN),
    ("state", 30, 28, 16, "state", "[u, u * g, g]", LEARNED),
    ("actor", 51, 28, 15, "actor", "proposes a vector a", LEARNED),
    ("scores", 71, 28, 14, "scores", "a . i for each film", PLAIN),
    ("list", 91, 28, 14, "list", "the first three", PLAIN),
    ("start", 53, 43, 17, "supervised start", "may turn u, before RL", SUPERVISED),
    ("env", 87, 10, 22, "environment Ratings-v0", ENV_TEXT, PLAIN),
    ("memory", 60, 10, 17, "memory", "prioritised replay", LEARNED),
    ("critic", 34, 10, 19, "two critics", "value of (state, film)", LEARNED),
)
ARROWS = (
    ("known", "vectors"),
    ("history", "state"),
    ("state", "actor"),
    ("actor", "scores"),
    ("scores", "list"),
    ("env", "memory"),
    ("memory", "critic"),
)


def draw_architecture(figure: Figure) -> None:
    """All of DRR: what is made once, what decides, what learns."""
    ax = figure.subplots()
    ax.set(xlim=(0, 100), ylim=(0, 52))
    ax.axis("off")
    box = _Boxes(ax)
    for place in BOXES:
        box(*place)
    for start, end in ARROWS:
        box.right(start, end)
    box.arrow((30, 39.2), (30, 31.8))
    box.arrow((52.5, 39.2), (51.5, 31.8))
    way = [(33, 46.8), (33, 50.5), (71, 50.5)]
    box.bend(way, (71, 31.8), "item vectors", (52, 51.6))
    box.arrow((91, 24.2), (90, 13.8), "shown", (95, 19))
    box.arrow((38, 13.8), (48, 24.2), "slope", (46.5, 18.3))
    box.arrow((30, 24.2), (32, 13.8))
    way = [(82, 6.2), (82, 3), (9, 3)]
    box.bend(way, (9, 24.2), "a liked film moves into the history", (45, 1.5))
    _draw_key(ax)


def _draw_key(ax: Axes) -> None:
    stages = ("1 vectors", "2 supervised start", "3 reinforcement learning")
    for row, name in enumerate(stages):
        y = 48.3 - 3.6 * row
        colour = (ONCE, SUPERVISED, LEARNED)[row]
        style: Style = {"boxstyle": "round,pad=0.2", "fc": colour, "ec": "0.4"}
        ax.add_patch(FancyBboxPatch((79, y), 2, 1.6, **style))
        ax.text(82.5, y + 0.8, name, va="center", fontsize=9)


class _Boxes:
    """Boxes with two lines of text, and arrows between them."""

    def __init__(self, ax: Axes) -> None:
        self.ax = ax
        self.places: dict[str, tuple[float, float, float]] = {}

    def __call__(
        self,
        name: str,
        x: float,
        y: float,
        width: float,
        title: str,
        text: str,
        colour: str,
    ) -> None:
        self.places[name] = (x, y, width)
        style: Style = {
            "boxstyle": "round,pad=0.3",
            "fc": colour,
            "ec": "0.35",
            "lw": 1,
        }
        corner = (x - width / 2, y - 3.4)
        self.ax.add_patch(FancyBboxPatch(corner, width, 6.8, **style))
        self.ax.text(x, y + 1.3, title, weight="bold", fontsize=9.5, **CENTRED)
        self.ax.text(x, y - 1.6, text, fontsize=8, **CENTRED)

    def right(self, start: str, end: str) -> None:
        """An arrow from one box to another in the same row."""
        x, y, width = self.places[start]
        to, _, other = self.places[end]
        side = 1 if to > x else -1
        head = (to - side * (other / 2 + 0.4), y)
        self.arrow((x + side * (width / 2 + 0.4), y), head)

    def arrow(
        self, start: Point, end: Point, text: str = "", at: Point = (0, 0)
    ) -> None:
        """A straight arrow, with a word beside it."""
        style: Style = {"arrowstyle": "-|>", "color": "0.25", "lw": 1.3}
        self.ax.annotate("", end, start, arrowprops=style)
        if text:
            self.ax.text(*at, text, fontsize=8, color="0.25", **CENTRED)

    def bend(self, way: Sequence[Point], end: Point, text: str, at: Point) -> None:
        """An arrow round corners."""
        self.ax.plot(*zip(*way, strict=True), color="0.25", lw=1.3)
        self.arrow(way[-1], end, text, at)


FIGURES: dict[str, tuple[Callable[[Figure], object], tuple[float, float]]] = {
    "09_architecture.png": (draw_architecture, (10.5, 5.2))
}
