"""Lesson 09, DRR on MovieLens: stored results read and drawn, the published figures, a history to play with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from rlrec.datasets import Ratings
from rlrec.datasets.matrices import rating_matrix
from rlrec.errors import DataError
from rlrec.evaluation.comparison import AGENT, ORACLE, VECTORS, WARM
from rlrec.evaluation.intervals import Interval, mean_interval
from rlrec.evaluation.protocols import Split
from rlrec.evaluation.verdict import signed
from rlrec.types import Floats
from rlrec.viz.style import PALETTE
from rlrec.viz.widgets import Lab, choice, slider, tick

if TYPE_CHECKING:
    from rlrec.collaborative.drr import DRR
    from rlrec.collaborative.vectors import Vectors

Point = tuple[float, float]
Content = dict[str, Any]  # what `rlrec evaluate --json` writes
BLUE, ORANGE, GREEN, *_ = PALETTE
PART_COLOURS = {VECTORS: BLUE, WARM: ORANGE, AGENT: GREEN, ORACLE: "#000000"}
FOLDER = Path(__file__).resolve().parent / "results"

# What others report; no figure here was measured by this library.
PAPER = {  # DRR, arXiv:1810.12027, offline evaluation: P@5, P@10, NDCG@5, NDCG@10; None: not quoted here
    "ml-100k": {
        "popularity": (0.6933, None, None, None),
        "SVD++": (0.7034, None, None, None),
        "DRR-ave": (0.7887, 0.6935, 0.9255, 0.9046),
    },
    "ml-1m": {
        "popularity": (0.7141, None, None, None),
        "SVD++": (0.7142, None, None, None),
        "DRR-ave": (0.7693, 0.6594, 0.9112, 0.8980),
    },
}
PUBLIC_CODE = {
    "P@5": 0.479,
    "NDCG@5": 0.471,
    "P@10": 0.444,
    "NDCG@10": 0.429,
}  # the TensorFlow code's own claim
# Measured once for this course with that code, one seed: P@5, P@10, its own protocol on MovieLens 1M.
REPEATED = {
    "random": ("0.021", "0.024"),
    "popularity (number of likes)": ("0.350", "0.324"),
    "item-kNN, no leak": ("0.425", "0.396"),
    "its algorithm, embeddings without the leak": ("0.284", "0.262"),
    "its algorithm, leaked embeddings, 150,000 steps": ("0.420", "0.391"),
    "no learning at all: leaked user x item product": (
        "0.710 to 0.869",
        "0.696 to 0.838",
    ),
}
COUNTERPART = {
    "popularity": "popularity by count",
    "SVD++": "matrix factorisation",
    "DRR-ave": AGENT,
}


# -- stored results --------------------------------------------------------------------------------------
def load_result(name: str, folder: Path | None = None) -> Content:
    """The stored result ``name``, such as "rerank_ml-100k". Raises ``DataError`` where it is missing."""
    path = (folder or FOLDER) / f"{name}.json"
    if not path.is_file():
        raise DataError(f"no stored result {name}; make it with: make results")
    content: Content = json.loads(path.read_text("utf-8"))
    return content


def interval(content: Content, row: str, column: str) -> Interval:
    """One figure of a stored table with its 95% interval over seeds."""
    of = content["table"][row][column]
    return Interval(of["mean"], of["low"], of["high"])


def of_runs(content: Content, row: str, column: str) -> Floats:
    """One figure of each run [seeds], in the order of the seeds."""
    runs = sorted(content["runs"], key=lambda run: run["seed"])
    return np.array([run["figures"][row][column] for run in runs])


def data_of(content: Content) -> str:
    """The data set of a stored result."""
    return str(content["runs"][0]["config"]["data"])


def table_lines(
    content: Content, columns: Sequence[str] = ("P@5", "NDCG@5", "P@10", "NDCG@10")
) -> list[str]:
    """The table with half-widths of the 95% intervals over seeds; last column: P@5, 0% random, 100% oracle."""
    names = list(content["table"])
    width = max(map(len, names)) + 2
    lines = [
        " " * width
        + "".join(f"{column:>14}" for column in columns)
        + "   P@5, random to oracle"
    ]
    for name in names:
        cells = (interval(content, name, column) for column in columns)
        text = "".join(
            f"{f'{of.mean:.3f} ±{of.high - of.mean:.3f}':>14}" for of in cells
        )
        lines.append(f"{name:<{width}}{text}{_share(content, name):>10.0%}")
    return lines


def _share(content: Content, name: str) -> float:
    low, high, own = (
        interval(content, row, "P@5").mean for row in ("random", ORACLE, name)
    )
    return (own - low) / (high - low)


def difference_lines(content: Content) -> list[str]:
    """The paired differences of the agent, and what they come to."""
    lines = []
    for less in content["differences"]:
        what = "strongest baseline, " if less["kind"] == "baseline" else ""
        gain = Interval(less["mean"], less["low"], less["high"])
        above = sum(value > 0 for value in less["of_runs"])
        lines.append(
            f"  {AGENT} - {what}{less['other']}: {signed(gain)}, above 0 in {above} of {len(less['of_runs'])}"
        )
        if less.get("over_users"):
            lines.append(f"     over people {signed(Interval(**less['over_users']))}")
    return [
        f"{content['differences'][0]['measure']}, paired, {content['interval']}:",
        *lines,
        content["verdict"],
    ]


def settings_lines(content: Content) -> list[str]:
    """What each baseline's settings were, chosen on training ratings."""
    return [
        f"  {name}: {_flat(values)}"
        for name, values in content["runs"][0]["baselines"].items()
        if values
    ]


def _flat(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} ({_flat(value)})" if isinstance(value, dict) else f"{name} {value}"
        for name, value in values.items()
    )


def provenance(content: Content) -> str:
    """Where a stored result comes from, on a few lines."""
    first, runs = content["runs"][0], content["runs"]
    seeds = ", ".join(str(run["seed"]) for run in runs)
    seconds = sorted(
        sum(part["seconds"] for part in run["config"]["sessions"]) for run in runs
    )
    versions = ", ".join(
        f"{name} {version}" for name, version in content["versions"].items()
    )
    spent = (
        f"{seconds[0]:.0f}"
        if seconds[0] == seconds[-1]
        else f"{seconds[0]:.0f} to {seconds[-1]:.0f}"
    )
    changed = (
        " with changes not committed"
        if str(content["commit"]).endswith("-dirty")
        else ""
    )
    return "\n".join(
        [
            f"stored: {data_of(content)}, {content['protocol']}, split by {content['split']}; seeds {seeds}; "
            f"{first['step']:,} steps each",
            f"  training {spent} s a run, evaluation {content['seconds']:.0f} s, on {content['device']}",
            f"  evaluated at commit {str(content['commit'])[:10]}{changed}; {versions}",
            f"  {first['config']['command']}",
            f"  {content['command']}",
        ]
    )


def forest(ax: Axes, content: Content, column: str = "P@5") -> Axes:
    """One dot and its 95% interval over seeds for each row of a stored table, the largest on top."""
    rows = sorted(
        content["table"], key=lambda name: -interval(content, name, column).mean
    )
    for place, name in enumerate(rows):
        of, colour = interval(content, name, column), PART_COLOURS.get(name, "#8C8C8C")
        ax.plot(
            [of.low, of.high],
            [place, place],
            color=colour,
            lw=6,
            alpha=0.5,
            solid_capstyle="butt",
        )
        ax.plot(of.mean, place, "o", color=colour, ms=5)
        ax.annotate(
            f"{of.mean:.3f}",
            (of.high, place),
            (7, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    ax.set_yticks(range(len(rows)), rows, fontsize=8.5)
    for label, name in zip(ax.get_yticklabels(), rows, strict=True):
        label.set_color(PART_COLOURS.get(name, "#404040"))
    ax.set(
        ylim=(len(rows) - 0.4, -0.6),
        xlabel=f"{column}, mean and 95% interval over seeds",
    )
    ax.margins(x=0.16)
    return ax


def differences(ax: Axes, content: Content) -> Axes:
    """The agent less the strongest baseline, and less each of its parts: a small dot a seed, mean, 95% interval."""
    for place, less in enumerate(content["differences"]):
        colour = PART_COLOURS.get(less["other"], "#8C8C8C")
        ax.plot(
            [less["low"], less["high"]],
            [place, place],
            color=colour,
            lw=6,
            alpha=0.5,
            solid_capstyle="butt",
        )
        ax.plot(
            less["of_runs"],
            np.full(len(less["of_runs"]), place + 0.22),
            "o",
            color="black",
            ms=3,
        )
        ax.plot(less["mean"], place, "o", color=colour, ms=8)
    ax.axvline(0, color="black", lw=1)
    all_ends = [
        [less["low"], less["high"], *less["of_runs"]] for less in content["differences"]
    ]
    reach = 1.15 * float(np.abs(np.concatenate(all_ends)).max())
    names = [f"less {less['other']}" for less in content["differences"]]
    ax.set_yticks(range(len(names)), names, fontsize=8.5)
    ax.set(
        ylim=(len(names) - 0.5, -0.5),
        xlim=(-reach, reach),
        xlabel=f"{AGENT}, paired, P@5",
    )
    ax.locator_params(axis="x", nbins=5)
    ax.grid(False, axis="y")
    return ax


def draw_study(figure: Figure, content: Content) -> None:
    """Left all rows of a stored table, right what decides: the paired differences."""
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    forest(left, content)
    left.set_xlabel("P@5, mean and 95% interval over seeds")
    differences(right, content)


# -- the published figures beside ours -------------------------------------------------------------------
def paper_lines(contents: Mapping[str, Content]) -> list[str]:
    """The paper's figures beside those of the stored ``rerank`` results, a block for each data set."""
    lines: list[str] = []
    for data, content in contents.items():
        lines.append(f"{data:<26}{'paper':>7}   here")
        for name, published in PAPER[data].items():
            lines += [
                _beside(content, name, column, value)
                for column, value in zip(
                    ("P@5", "P@10", "NDCG@5"), published, strict=False
                )
                if value is not None
            ]
        lines += [_beside(content, name, "P@5", None) for name in ("random", ORACLE)]
        paper = float(PAPER[data]["DRR-ave"][0] or 0.0) - float(
            PAPER[data]["popularity"][0] or 0.0
        )
        own = mean_interval(
            of_runs(content, AGENT, "P@5")
            - of_runs(content, "popularity by count", "P@5")
        )
        lines.append(f"  {'P@5, over popularity':<24}{paper:+.3f}   {signed(own)}")
    return lines


def _beside(content: Content, name: str, column: str, published: float | None) -> str:
    other = COUNTERPART.get(name, name)
    of = interval(content, other, column)
    paper = "    -" if published is None else f"{published:.3f}"
    remark = " (another ideal list, see below)" if column.startswith("NDCG") else ""
    return f"  {f'{name}, {column}':<25}{paper}   {of.mean:.3f} ±{of.high - of.mean:.3f}  {other}{remark}"


def public_lines(content: Content) -> list[str]:
    """The public TensorFlow code's figures, what its protocol gave when repeated, and the stored ``session`` result."""
    columns = list(PUBLIC_CODE)
    lines = [
        "  ".join(f"{column} {value:.3f}" for column, value in PUBLIC_CODE.items())
        + "   the public code's claim"
    ]
    lines.append(
        "that protocol, measured once for this course with that code, one seed:"
    )
    lines += [
        f"  P@5 {five:<15} P@10 {ten:<15} {name}"
        for name, (five, ten) in REPEATED.items()
    ]
    lines.append("here, nothing leaked, mean over seeds (stored):")
    for name in content["table"]:
        figures = "  ".join(
            f"{column} {interval(content, name, column).mean:.3f}" for column in columns
        )
        lines.append(f"  {figures}   {name}")
    return lines


def states_lines(
    contents: Mapping[str, Content], best: str = "drr-ave", column: str = "P@5"
) -> list[str]:
    """Each state's figure over seeds, and whether ``best`` is the best of them, paired by seed."""
    lines = []
    for name, content in contents.items():
        of = interval(content, AGENT, column)
        lines.append(f"{name:<8} {column} {of.mean:.3f} [{of.low:.3f}, {of.high:.3f}]")
    gains = {
        name: gain(contents[best], content, column)
        for name, content in contents.items()
        if name != best
    }
    lines += [f"{best} - {name}: {signed(of)}" for name, of in gains.items()]
    worse = [name for name, of in gains.items() if of.high < 0]
    unclear = [name for name, of in gains.items() if of.low <= 0 <= of.high]
    if worse:
        return [
            *lines,
            f"'{best} is the best state': refuted here, {' and '.join(worse)} did better",
        ]
    if unclear:
        return [
            *lines,
            f"'{best} is the best state': cannot be told here from {' and '.join(unclear)}",
        ]
    return [*lines, f"'{best} is the best state': confirmed here"]


def gain(one: Content, other: Content, column: str = "P@5") -> Interval:
    """The agent of ``one`` less the agent of ``other``, paired by seed: mean and 95% interval (Student's t)."""
    return mean_interval(of_runs(one, AGENT, column) - of_runs(other, AGENT, column))


def states_forest(
    ax: Axes, contents: Mapping[str, Content], column: str = "P@5"
) -> Axes:
    """The agent's figure for each state, and marks that need no state at all."""
    first = next(iter(contents.values()))
    for place, content in enumerate(contents.values()):
        of = interval(content, AGENT, column)
        ax.plot(
            [of.low, of.high], [place, place], color=GREEN, lw=5, solid_capstyle="butt"
        )
        ax.plot(
            of_runs(content, AGENT, column),
            np.full(len(content["runs"]), place),
            "o",
            color="black",
            ms=3,
        )
        ax.plot(of.mean, place, "o", color=GREEN, ms=9)
    for name, style in (
        ("random", ":"),
        ("popularity by average", "--"),
        (VECTORS, "-"),
    ):
        ax.axvline(
            interval(first, name, column).mean,
            color=PART_COLOURS.get(name, "0.4"),
            ls=style,
            lw=1.5,
            label=name,
        )
    ax.set_yticks(range(len(contents)), list(contents))
    ax.set(
        ylim=(len(contents) - 0.5, -0.5),
        xlabel=f"{column}: each seed, mean and 95% interval",
    )
    ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


class Stored(NamedTuple):
    """What the second widget shows."""

    content: Content
    column: str


def stored_lab(contents: Mapping[str, Content]) -> Lab[Stored]:
    """Choose a stored study and a figure; see all rows with their intervals."""

    def look_up(study: str, figure: str) -> Stored:
        return Stored(contents[study], figure)

    controls = {
        "study": choice("study", list(contents)),
        "figure": choice(
            "figure", ["P@5", "NDCG@5", "P@10", "R@10", "coverage@10", "overlap@10"]
        ),
    }
    return Lab(
        "The stored results",
        controls,
        look_up,
        _draw_stored,
        describe_stored,
        (8.2, 3.9),
    )


def _draw_stored(figure: Figure, result: Stored) -> None:
    forest(figure.subplots(), result.content, result.column)


def describe_stored(result: Stored) -> str:
    """Where the agent stands, in one line of HTML."""
    means = {
        name: interval(result.content, name, result.column).mean
        for name in result.content["table"]
    }
    order = sorted(means, key=lambda name: -means[name])
    return (
        f"{result.column}: {AGENT} <b>{means[AGENT]:.3f}</b>, place {order.index(AGENT) + 1} of {len(order)}; "
        f"highest {order[0]} {means[order[0]]:.3f}, lowest {order[-1]} {means[order[-1]]:.3f}"
    )


# -- training, live --------------------------------------------------------------------------------------
def start_afresh(drr: DRR, seed: int) -> None:
    """Put the agent back to its first day with the luck of ``seed``: new weights, an empty memory, the same vectors.

    What it has compiled is kept, which saves seconds a seed.
    """
    from rlrec.agents.ddpg import DDPG

    agent = drr.agent
    users, scaled = agent.user_vectors, agent.user_scale
    fresh = DDPG(
        agent.item_vectors,
        users,
        agent.config,
        seed,
        history=agent.history,
        scaled=scaled,
    )
    agent.restore(fresh.state())


def with_vectors(vectors: Vectors, everything: Ratings, drr: DRR) -> DRR:
    """An agent like ``drr``, made with other vectors and with users' vectors looked up in ``everything``."""
    from rlrec.agents.ddpg import DDPG
    from rlrec.collaborative.drr import DRR

    users = vectors.users(rating_matrix(everything))
    agent = DDPG(vectors.items, users, drr.agent.config, history=drr.agent.history)
    return DRR(agent, vectors, drr.config)


def live_forest(
    ax: Axes, marks: Mapping[str, float], runs: Mapping[str, Floats]
) -> Axes:
    """Marks without luck as hollow dots; below them ``runs`` (name -> [seeds]) with mean and 95% interval."""
    for place, value in enumerate(marks.values()):
        ax.plot(value, place, "o", mfc="white", mec="0.4", mew=1.5, ms=8)
        ax.text(value + 0.006, place, f"{value:.2f}", va="center", fontsize=8)
    for place, (name, values) in enumerate(runs.items(), len(marks)):
        of = mean_interval(values)
        colour = (
            GREEN
            if name.endswith("after RL")
            else ORANGE
            if name.endswith("the start")
            else BLUE
        )
        ax.plot(
            [of.low, of.high], [place, place], color=colour, lw=5, solid_capstyle="butt"
        )
        ax.plot(of.mean, place, "o", color=colour, ms=9)
    ax.axhline(len(marks) - 0.5, color="0.6", lw=1)
    ax.set_yticks(range(len(marks) + len(runs)), [*marks, *runs], fontsize=8.5)
    ax.set(
        ylim=(len(marks) + len(runs) - 0.4, -0.6),
        xlim=(0.44, 0.76),
        xlabel="P@5; mean and 95% interval over seeds",
    )
    return ax


# -- the history widget ----------------------------------------------------------------------------------
LISTENERS = {
    "Tomas": 39,
    "Hanna": 88,
    "Bilal": 11,
}  # names for three users of the bundled ratings
MOST_KNOWN = 30


class Ranked(NamedTuple):
    """A listener's later films, best first by score."""

    titles: list[str]
    stars: Floats  # [films] what the listener gave later
    general: Floats  # [films] the score of somebody of whom nothing is known
    personal: Floats  # [films] what the known ratings add
    moved: int  # of the first three, how many are not among the first three with nothing known


def rank_later(
    vectors: Vectors, split: Split, user: int, known: int, whose: int
) -> Ranked:
    """Films that ``user`` watched later, in the order that the first ``known`` ratings of ``whose`` give."""
    everything = rating_matrix(split.known)
    begin, end = everything.indptr[whose : whose + 2]
    part = slice(begin, min(begin + known, end))
    row = (everything.data[part], everything.indices[part], [0, part.stop - part.start])
    asked = rating_matrix(split.held_out)[[user]]
    nothing = sp.csr_matrix((1, split.train.n_items))
    general = (vectors.users(nothing) @ vectors.items[asked.indices].T)[0]
    scores = (
        vectors.users(sp.csr_matrix(row, shape=nothing.shape))
        @ vectors.items[asked.indices].T
    )[0]
    order = np.argsort(-scores, kind="stable")
    before = set(np.argsort(-general, kind="stable")[:3].tolist())
    titles = [str(split.train.titles[film]) for film in asked.indices[order]]
    moved = len(set(order[:3].tolist()) - before)
    return Ranked(
        titles, asked.data[order], general[order], (scores - general)[order], moved
    )


def history_lab(vectors: Vectors, split: Split) -> Lab[Ranked]:
    """How many ratings are known, and whose; see the order of the films watched later."""

    def rank(listener: str, known: int, foreign: bool) -> Ranked:
        user = LISTENERS[listener]
        whose = (
            int(np.roll(split.users, -1)[np.flatnonzero(split.users == user)[0]])
            if foreign
            else user
        )
        return rank_later(vectors, split, user, known, whose)

    controls = {
        "listener": choice("listener", list(LISTENERS)),
        "known": slider("ratings known", 15, 0, MOST_KNOWN, 1),
        "foreign": tick("those of the person next door"),
    }
    return Lab(
        "What the known ratings do",
        controls,
        rank,
        draw_ranked,
        describe_ranked,
        (8.6, 4.0),
    )


def draw_ranked(figure: Figure, result: Ranked) -> None:
    """A bar for each film: from what suits anybody (grey dot) to the score (arrow's end); the first three in colour."""
    ax = figure.subplots()
    for place, (general, personal) in enumerate(
        zip(result.general, result.personal, strict=True)
    ):
        colour = ORANGE if place < 3 else "#B0B0B0"
        ax.plot(
            [general, general + personal],
            [place, place],
            color=colour,
            lw=6,
            solid_capstyle="butt",
        )
        ax.plot(general, place, "o", color="0.45", ms=6)
        ax.plot(general + personal, place, "|", color="black", ms=13, mew=2)
    names = [
        f"{title}   {'liked' if stars >= 4 else 'not'} ({stars:.0f})"
        for title, stars in zip(result.titles, result.stars, strict=True)
    ]
    ax.set_yticks(range(len(names)), names, fontsize=8.5)
    ax.set(
        ylim=(len(names) - 0.4, -0.6),
        xlim=(-1.3, 1.3),
        xlabel="score: dot for anybody, bar's end for this listener",
    )
    ax.axvline(0, color="0.6", lw=0.8)
    ax.grid(False, axis="y")


def describe_ranked(result: Ranked) -> str:
    """The first three and what the ratings known changed, in one line of HTML."""
    liked = int((result.stars[:3] >= 4).sum())
    return (
        f"first three: <b>{'; '.join(result.titles[:3])}</b>, {liked} of them liked; "
        f"{result.moved} of them would not be there if nothing were known"
    )


# -- the picture of the lesson ---------------------------------------------------------------------------
def draw_architecture(figure: Figure) -> None:
    """All of DRR: what is made once, what decides, what learns."""
    ax = figure.subplots()
    ax.set(xlim=(0, 100), ylim=(0, 52))
    ax.axis("off")
    box = _Boxes(ax)
    box("known", 9, 43, 15, "known ratings", "the past of a user", "#EEEEEE")
    box("vectors", 30, 43, 20, "vectors", "users u, items i; made once", "#CFE3F3")
    box("history", 9, 28, 15, "history", "last 5 films liked", "#EEEEEE")
    box("state", 30, 28, 16, "state", "[u, u * g, g]", "#D5EFE6")
    box("actor", 51, 28, 15, "actor", "proposes a vector a", "#D5EFE6")
    box("scores", 71, 28, 14, "scores", "a . i for each film", "#EEEEEE")
    box("list", 91, 28, 14, "list", "the first three", "#EEEEEE")
    box("start", 53, 43, 17, "supervised start", "may turn u, before RL", "#FBE6C2")
    box(
        "env",
        87,
        10,
        22,
        "environment Ratings-v0",
        "(stars - 3) / 2 from the log",
        "#EEEEEE",
    )
    box("memory", 60, 10, 17, "memory", "prioritised replay", "#D5EFE6")
    box("critic", 34, 10, 19, "two critics", "value of (state, film)", "#D5EFE6")
    for start, end in (
        ("known", "vectors"),
        ("history", "state"),
        ("state", "actor"),
        ("actor", "scores"),
        ("scores", "list"),
        ("env", "memory"),
        ("memory", "critic"),
    ):
        box.right(start, end)
    box.arrow((30, 39.2), (30, 31.8))
    box.arrow((52.5, 39.2), (51.5, 31.8))
    box.bend(
        [(33, 46.8), (33, 50.5), (71, 50.5)], (71, 31.8), "item vectors", (52, 51.6)
    )
    box.arrow((91, 24.2), (90, 13.8), "shown", (95, 19))
    box.arrow((38, 13.8), (48, 24.2), "slope", (46.5, 18.3))
    box.arrow((30, 24.2), (32, 13.8))
    box.bend(
        [(82, 6.2), (82, 3), (9, 3)],
        (9, 24.2),
        "a liked film moves into the history",
        (45, 1.5),
    )
    colours = (
        ("1 vectors", "#CFE3F3"),
        ("2 supervised start", "#FBE6C2"),
        ("3 reinforcement learning", "#D5EFE6"),
    )
    for row, (name, colour) in enumerate(colours):
        ax.add_patch(
            FancyBboxPatch(
                (79, 48.3 - 3.6 * row),
                2,
                1.6,
                boxstyle="round,pad=0.2",
                fc=colour,
                ec="0.4",
            )
        )
        ax.text(82.5, 49.1 - 3.6 * row, name, va="center", fontsize=9)


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
        self.places[name] = x, y, width
        corner = (x - width / 2, y - 3.4)
        self.ax.add_patch(
            FancyBboxPatch(
                corner, width, 6.8, boxstyle="round,pad=0.3", fc=colour, ec="0.35", lw=1
            )
        )
        self.ax.text(
            x, y + 1.3, title, ha="center", va="center", weight="bold", fontsize=9.5
        )
        self.ax.text(x, y - 1.6, text, ha="center", va="center", fontsize=8)

    def right(self, start: str, end: str) -> None:
        """From one box to another in the same row."""
        (x, y, width), (to, _, other) = self.places[start], self.places[end]
        side = 1 if to > x else -1
        self.arrow(
            (x + side * (width / 2 + 0.4), y), (to - side * (other / 2 + 0.4), y)
        )

    def arrow(
        self, start: Point, end: Point, text: str = "", at: Point = (0, 0)
    ) -> None:
        """A straight arrow, with a word beside it."""
        self.ax.annotate(
            "", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.25", "lw": 1.3}
        )
        if text:
            self.ax.text(*at, text, fontsize=8, ha="center", va="center", color="0.25")

    def bend(self, way: list[Point], end: Point, text: str, at: Point) -> None:
        """An arrow round corners."""
        self.ax.plot(*zip(*way, strict=True), color="0.25", lw=1.3)
        self.arrow(way[-1], end, text, at)


FIGURES: dict[str, tuple[Callable[[Figure], object], tuple[float, float]]] = {
    "09_architecture.png": (draw_architecture, (10.5, 5.2))
}
