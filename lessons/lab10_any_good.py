"""Lesson 10, is it any good: logs with a known truth, first songs and whole evenings, estimates beside it, pictures.

Two worlds, both made of the simulator's listeners. *First songs*: a shop's 400 regulars, whose tastes lean one way; ten
songs are on offer, one plays; what each song is worth is known exactly. *Evenings*: whole sessions of ``Listening-v0``
with ten on offer at each step; the truth is what the simulator's listeners hear.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from lab12_listen_worth import first_play_value
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rlrec.agents import (
    GreedyListening,
    PopularityPolicy,
    RandomPolicy,
    Recommender,
    VariedListening,
)
from rlrec.envs import Dials, Listeners, ListeningBatch, default_catalogue
from rlrec.envs.listeners import DRAWS, MEMORY
from rlrec.envs.rewards import BinaryReward
from rlrec.evaluation import simulate
from rlrec.logs.live import StatedPolicy
from rlrec.logs.off_policy import (
    LIMITS,
    NO_LIMITS,
    Estimate,
    Limits,
    Logged,
    NoSupport,
    direct_method,
    doubly_robust,
    fit_rewards,
    from_scores,
    inverse_propensity,
    self_normalised,
    support,
)
from rlrec.logs.off_policy_sessions import LoggedSessions, fitted_q
from rlrec.types import Floats, Ids
from rlrec.viz.style import PALETTE, agent_colour
from rlrec.viz.widgets import Lab, choice, slider

OFFERED = 10  # songs on offer
LEAN = np.array(
    [-2.4, 1.8, 0.0, 0.0, 0.0]
)  # what the regulars have in common: quiet songs to dance to
REGULARS = 400
METHODS = {
    "naive": "#8C8C8C",
    "DM": PALETTE[5],
    "IPS": PALETTE[0],
    "SNIPS": PALETTE[4],
    "DR": PALETTE[2],
}
SONG = 3  # of ``evening_features``, how many are about the song alone
STEPS = 20  # songs of the longest evening
JUDGED = 2_000_000  # seed of the first listener on whom policies are judged; no log has met them
EVENINGS = 1000  # sessions of a log


# -- first songs: a world whose truth is exact ---------------------------------------------------------------


@lru_cache(maxsize=1)
def regulars() -> Floats:
    """The tastes of the shop's regulars [400, 5]: unit vectors that lean to ``LEAN``."""
    direction = np.random.default_rng(10).normal(size=(REGULARS, len(LEAN))) + LEAN
    return np.asarray(direction / np.linalg.norm(direction, axis=1, keepdims=True))


@lru_cache(maxsize=1)
def worth() -> Floats:
    """The chance that a regular, any of them, hears each song [songs] as the first of an evening: exact."""
    return np.asarray(first_play_value(regulars(), BinaryReward()).mean(axis=0))


def shop_chances(offered: Ids, floor: float = 0.0) -> Floats:
    """The shop plays one of the three most popular songs on offer; with chance ``floor`` (0..1) any of the ten."""
    appeal = default_catalogue().appeal[offered]
    best = np.argsort(-appeal, axis=1, kind="stable")[:, :3]
    found = np.full(offered.shape, floor / offered.shape[1])
    np.put_along_axis(found, best, (1.0 - floor) / 3 + floor / offered.shape[1], axis=1)
    return found


def new_chances(offered: Ids, mix: float = 1.0) -> Floats:
    """The policy we ask about: with chance ``mix`` (0..1) a softmax of how quiet and danceable songs are, else shop."""
    score = 2.0 * default_catalogue().sound[offered] @ (LEAN / np.linalg.norm(LEAN))
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(
        mix * weight / weight.sum(axis=1, keepdims=True)
        + (1.0 - mix) * shop_chances(offered)
    )


@lru_cache(maxsize=1)
def _values() -> tuple[float, float]:
    """What the shop without a floor and the pure new policy are worth: means over 200,000 offers, error below .0002."""
    offered = np.random.default_rng(11).integers(len(worth()), size=(200_000, OFFERED))
    shop, new = (
        (table * worth()[offered]).sum(axis=1).mean()
        for table in (shop_chances(offered), new_chances(offered))
    )
    return float(shop), float(new)


def true_value(mix: float) -> float:
    """The share of first songs that the regulars would hear under ``new_chances(.., mix)``."""
    shop, new = _values()
    return mix * new + (1.0 - mix) * shop


class FirstSongs(NamedTuple):
    """A log of first songs."""

    offered: Ids  # [n, 10]
    logged: Logged  # actions: places 0..9 on offer; rewards: 1 heard, 0 skipped


def first_songs(plays: int, floor: float, seed: int) -> FirstSongs:
    """``plays`` first songs to regulars drawn by chance, chosen by the shop with this ``floor``."""
    rng, catalogue = np.random.default_rng([seed, 10]), default_catalogue()
    offered = rng.integers(len(catalogue), size=(plays, OFFERED))
    policy = shop_chances(offered, floor)
    place = (rng.random((plays, 1)) >= policy.cumsum(axis=1)[:, :-1]).sum(axis=1)
    listeners = Listeners(plays, catalogue, Dials())
    listeners.begin(np.arange(plays), rng.random((8, plays)))
    listeners.taste[:] = regulars()[rng.integers(REGULARS, size=plays)]
    rows = np.arange(plays)
    heard = ~listeners.react(offered[rows, place], rng.random((DRAWS, plays))).skipped
    return FirstSongs(
        offered, Logged(place, heard.astype(np.float64), policy[rows, place], policy)
    )


def song_features(offered: Ids, sound: bool) -> Floats:
    """What the direct method's model knows of each song on offer: popularity, and the map of sound if ``sound``."""
    catalogue = default_catalogue()
    parts = [
        catalogue.appeal[offered][:, :, None],
        *([catalogue.sound[offered]] if sound else []),
    ]
    return np.concatenate(parts, axis=2)


def estimates(
    found: FirstSongs, mix: float, *, sound: bool = False, limits: Limits = LIMITS
) -> dict[str, Estimate]:
    """Every estimate of the new policy from one log. Raises ``NoSupport``."""
    logged, target = found.logged, new_chances(found.offered, mix)
    model = fit_rewards(logged, song_features(found.offered, sound))
    return {
        "DM": direct_method(logged, target, model, limits=limits),
        "IPS": inverse_propensity(logged, target, limits=limits),
        "SNIPS": self_normalised(logged, target, limits=limits),
        "DR": doubly_robust(logged, target, model, limits=limits),
    }


class Coverage(NamedTuple):
    """How often 95% intervals held the truth."""

    held: dict[
        str, float
    ]  # share of the logs that were not refused; the direct method has no interval
    bias: dict[str, float]  # mean estimate less the truth
    spread: dict[str, float]  # standard deviation of the estimates
    refused: int


def coverage(
    plays: int,
    floor: float,
    mix: float,
    *,
    logs: int = 200,
    sound: bool = False,
    first: int = 0,
) -> Coverage:
    """Estimates from ``logs`` logs, numbered from ``first``, held against the truth."""
    answers: dict[str, list[Estimate]] = {}
    refused = 0
    for seed in range(first, first + logs):
        try:
            for name, one in estimates(
                first_songs(plays, floor, seed), mix, sound=sound
            ).items():
                answers.setdefault(name, []).append(one)
        except NoSupport:
            refused += 1
    truth = true_value(mix)
    return Coverage(
        {
            n: float(np.mean([e.low <= truth <= e.high for e in found]))
            for n, found in answers.items()
            if n != "DM"
        },
        {
            name: float(np.mean([one.value for one in found]) - truth)
            for name, found in answers.items()
        },
        {
            name: float(np.std([one.value for one in found]))
            for name, found in answers.items()
        },
        refused,
    )


# -- evenings: whole sessions, the truth from the simulator ------------------------------------------------------


class Same(VariedListening):
    """More of the same: ``VariedListening`` the other way round."""

    def __init__(self) -> None:
        super().__init__(default_catalogue(), variety=-3.0)


def radio() -> StatedPolicy:
    """The policy that made the logs of evenings: 30% any of the ten songs on offer, 70% by how popular they are."""
    return StatedPolicy(default_catalogue().appeal, uniform_share=0.3)


def policies() -> dict[str, Recommender]:
    """Who is to be ranked; "random" has luck of its own, all others play their best song."""
    catalogue = default_catalogue()
    return {
        "random": RandomPolicy(len(catalogue), np.random.default_rng(10)),
        "popularity": PopularityPolicy(catalogue.appeal),
        "hidden gems": PopularityPolicy(-catalogue.appeal),
        "greedy": GreedyListening(catalogue),
        "greedy + variety": VariedListening(catalogue),
        "more of the same": Same(),
    }


POLICY_COLOURS = {
    "random": agent_colour("random"),
    "popularity": agent_colour("popularity"),
    "hidden gems": PALETTE[4],
    "greedy": agent_colour("greedy"),
    "greedy + variety": PALETTE[2],
    "more of the same": PALETTE[5],
}


class Evenings(NamedTuple):
    """A log of sessions with all that a policy could have seen."""

    seen: list[dict[str, NDArray[Any]]]  # observations of each step, batches of n
    places: Ids  # [n, steps] which of the ten played
    log: LoggedSessions

    def of_played(self, table: Floats) -> Floats:
        """The entry of what was played in ``table`` [n, steps, 10, ...]: [n, steps, ...]."""
        n, steps = self.places.shape
        return np.asarray(table[np.arange(n)[:, None], np.arange(steps), self.places])


def evenings(
    seed: int,
    policy: StatedPolicy | None = None,
    sessions: int = EVENINGS,
    first: int = 0,
) -> Evenings:
    """Log number ``seed``: ``sessions`` listeners from seed ``first + seed * sessions`` on, each of one evening."""
    plays = radio() if policy is None else policy
    env, rng = (
        ListeningBatch(sessions, "candidate", "ids", history=STEPS),
        np.random.default_rng([seed, 11]),
    )
    rows, alive = np.arange(sessions), np.ones(sessions, np.bool_)
    seen, kept = [env.reset(seed=first + seed * sessions)[0]], []
    for _ in range(STEPS):
        _, chances = plays.probabilities(seen[-1])
        place = (rng.random((sessions, 1)) >= chances.cumsum(axis=1)[:, :-1]).sum(
            axis=1
        )
        observations, rewards, terminated, _, _ = env.step(place)
        kept.append((place, rewards, chances[rows, place], alive))
        alive = alive & ~terminated
        seen.append(observations)
    places, rewards, propensities, were = (
        np.stack(column, axis=1) for column in zip(*kept, strict=True)
    )
    return Evenings(seen[:-1], places, LoggedSessions(rewards, propensities, were))


def chances_of(policy: Recommender, found: Evenings) -> Floats:
    """What ``policy`` would have done at every step of a log: the chance of each song on offer [n, steps, 10]."""
    if isinstance(policy, RandomPolicy):
        return np.full((*found.places.shape, OFFERED), 1.0 / OFFERED)
    steps = []
    for seen in found.seen:
        best = seen["candidates"] == policy.recommend(seen, 1)
        steps.append(best / best.sum(axis=1, keepdims=True))
    return np.stack(steps, axis=1)


def evening_features(found: Evenings) -> Floats:
    """What a linear Q sees of each song on offer [n, steps, 10, f]: first ``SONG`` of the song, then of the evening.

    The song: 1, popularity, how it matches the taste that greedy believes in. The evening: how like the last ones the
    song is, how one-sided they were, whether the last was skipped, how many lately.
    """
    catalogue, believes = default_catalogue(), GreedyListening(default_catalogue())
    steps = []
    for seen in found.seen:
        offered, history = seen["candidates"], seen["history"]
        ones = np.ones(offered.shape)
        match = np.einsum("bmd,bd->bm", catalogue.sound[offered], believes.belief(seen))
        fading = MEMORY ** np.arange(history.shape[1] - 1, -1, -1) * (history >= 0)
        lately = np.einsum(
            "bn,bnd->bd", fading, catalogue.direction[np.maximum(history, 0)]
        ) * (1 - MEMORY)
        alike = np.einsum("bmd,bd->bm", catalogue.direction[offered], lately)
        skipped = (seen["feedback"][:, :, 2] * fading).sum(axis=1) / np.maximum(
            fading.sum(axis=1), 1e-9
        )
        state = (np.linalg.norm(lately, axis=1), seen["feedback"][:, -1, 2], skipped)
        parts = [ones, catalogue.appeal[offered], match, alike, np.maximum(alike, 0.0)]
        parts += [one[:, None] * ones for one in state]
        steps.append(np.stack(parts, axis=2))
    return np.stack(steps, axis=1)


class Ranking(NamedTuple):
    """What each way of judging says of each policy; [logs, policies] but ``truth`` and ``error`` [policies]."""

    names: tuple[str, ...]
    truth: Floats  # songs heard an evening, in the simulator
    error: Floats  # its standard error
    offline: dict[str, Floats]


def songs_heard(policy: Recommender, listeners: int = 4000) -> Floats:
    """Songs that each of the listeners from ``JUDGED`` on hears in an evening: [listeners]."""
    return simulate(
        ListeningBatch(listeners, "candidate", "ids", history=STEPS),
        policy,
        seed=JUDGED,
    )


def judge(
    found: Evenings, policy: Recommender, features: Mapping[str, Floats]
) -> dict[str, float]:
    """One policy by one log: "hits" are the share of plays that it repeats and that were heard, the rest songs."""
    table = chances_of(policy, found)
    target, alive, rewards = found.of_played(table), found.log.alive, found.log.rewards
    weights = (target / found.log.propensities)[alive]
    said = {
        "hits in the log": float((target * rewards)[alive].mean()),
        "SNIPS, song by song": float(
            weights @ rewards[alive] / weights.sum() * alive.sum() / len(alive)
        ),
    }
    for name, songs in features.items():
        expected = np.einsum("nta,ntaf->ntf", table, songs)
        said[name] = fitted_q(
            found.log, target, found.of_played(songs), expected, resamples=2
        ).value
    return said


@lru_cache(maxsize=2)
def rank_study(logs: int = 8) -> Ranking:
    """All policies judged by ``logs`` logs, and by listeners whom no log has met."""
    names = tuple(policies())
    offline: dict[str, list[list[float]]] = {}
    for seed in range(logs):
        found = evenings(seed)
        evening = evening_features(found)
        features = {
            "fitted Q, sees the song": evening[..., :SONG],
            "fitted Q, sees the evening": evening,
        }
        said = [judge(found, policy, features) for policy in policies().values()]
        for method in said[0]:
            offline.setdefault(method, []).append([one[method] for one in said])
    heard = np.stack(
        [songs_heard(policy) for policy in policies().values()]
    )  # [policies, listeners]
    error = heard.std(axis=1, ddof=1) / np.sqrt(heard.shape[1])
    return Ranking(
        names,
        heard.mean(axis=1),
        error,
        {method: np.array(rows) for method, rows in offline.items()},
    )


def rank_correlations(found: Ranking) -> dict[str, Floats]:
    """Spearman's correlation of each log's order of the policies with the truth's: name -> [logs]."""
    from scipy.stats import spearmanr

    return {
        method: np.array([spearmanr(row, found.truth).statistic for row in rows])
        for method, rows in found.offline.items()
    }


def songs_lost(found: Ranking) -> dict[str, Floats]:
    """Songs an evening that choosing the policy with the highest figure costs: name -> [logs]."""
    return {
        method: np.array(
            [found.truth.max() - found.truth[row.argmax()] for row in rows]
        )
        for method, rows in found.offline.items()
    }


# -- the widget --------------------------------------------------------------------------------------------------


class View(NamedTuple):
    """One log, and what is made of it."""

    chances: Floats  # [2, 10] of the first offer's songs, most popular first: the shop's and the new policy's
    truth: float
    naive: Estimate  # mean of the log: the shop's own value
    said: dict[
        str, Estimate
    ]  # whether or not they would be refused; empty if no weight is above 0
    size: float  # effective sample size
    why: str  # why they are refused, empty if they aren't


def view(
    mix: float = 0.5,
    plays: int = 3000,
    floor: float = 0.3,
    model: str = "popularity",
    log: int = 0,
) -> View:
    """``plays`` first songs of log number ``log``; ``model``: what the direct method's model sees of a song."""
    found = first_songs(plays, floor, log)
    target, why = new_chances(found.offered, mix), ""
    try:
        estimates(found, mix, sound=model != "popularity")
    except NoSupport as reason:
        why = str(reason)
    try:
        said = estimates(found, mix, sound=model != "popularity", limits=NO_LIMITS)
    except NoSupport:
        said = {}
    rewards = found.logged.rewards
    naive = from_scores("naive", rewards, float(len(rewards)))
    order = np.argsort(-default_catalogue().appeal[found.offered[0]], kind="stable")
    both = np.stack([shop_chances(found.offered[:1], floor)[0], target[0]])[:, order]
    return View(
        both,
        true_value(mix),
        naive,
        said,
        support(found.logged, target).effective_sample_size,
        why,
    )


def draw_view(figure: Figure, seen: View) -> None:
    """Left the chances on one shelf, right every estimate beside the truth; refused ones are hollow."""
    figure.set_layout_engine("none")  # fixed places: a redraw takes half as long
    left, right = (
        figure.add_axes((0.07, 0.17, 0.36, 0.7)),
        figure.add_axes((0.55, 0.17, 0.43, 0.7)),
    )
    place = np.arange(OFFERED)
    left.bar(
        place - 0.2,
        seen.chances[0],
        0.4,
        color="#8C8C8C",
        label="the shop (made the log)",
    )
    left.bar(
        place + 0.2, seen.chances[1], 0.4, color=PALETTE[0], label="the new policy"
    )
    left.set(
        ylim=(0, 1),
        xticks=place,
        xlabel="ten songs on offer, most popular first",
        title="chances on one shelf",
    )
    left.set_xticklabels(place + 1)
    left.legend(frameon=False)
    right.axvline(seen.truth, color="black", lw=1.5)
    for row, name in enumerate(METHODS):
        one = seen.naive if name == "naive" else seen.said.get(name)
        if one is not None:
            _bar(
                right,
                row,
                one,
                METHODS[name],
                hollow=bool(seen.why) and name != "naive",
            )
    right.set(
        ylim=(len(METHODS) - 0.4, -0.6),
        xlim=(0.3, 1.1),
        xlabel="share of first songs heard",
    )
    right.set_yticks(range(len(METHODS)), list(METHODS))
    right.set_title(
        "refused: what it would have said"
        if seen.why
        else "estimates; black line: the truth"
    )


def _bar(ax: Axes, row: int, one: Estimate, colour: str, *, hollow: bool) -> None:
    if np.isfinite(one.low):
        ax.plot(
            [one.low, one.high],
            [row, row],
            color=colour,
            lw=3,
            alpha=0.35 if hollow else 1.0,
        )
    ax.plot(
        one.value, row, "o", ms=9, mec=colour, mfc="white" if hollow else colour, mew=2
    )


def say_view(seen: View) -> str:
    """The picture in a line or two."""
    said = ", ".join(f"{name} {one.value:.3f}" for name, one in seen.said.items())
    line = f"truth <b>{seen.truth:.3f}</b>; naive {seen.naive.value:.3f}, {said}; effective sample size {seen.size:.0f}"
    return f"{line}<br>refused: {seen.why}" if seen.why else line


def estimator_lab() -> Lab[View]:
    """Policy, log and model under controls."""
    controls = {
        "mix": slider(
            "share of the new policy",
            0.5,
            0.0,
            1.0,
            0.05,
            unit="the rest is the shop's",
        ),
        "plays": choice("plays in the log", (100, 300, 1000, 3000, 10_000), 3000),
        "floor": slider(
            "the shop tries any song", 0.3, 0.0, 1.0, 0.05, unit="share of its plays"
        ),
        "model": choice("the model sees", ("popularity", "popularity and sound")),
        "log": slider("log number", 0, 0, 50, 1),
    }
    return Lab(
        "A policy that nobody has tried",
        controls,
        view,
        draw_view,
        say_view,
        (9.5, 3.6),
    )


# -- pictures ----------------------------------------------------------------------------------------------------


def draw_two_songs(figure: Figure) -> None:
    """Ten plays as they are, and as the flipped policy would have them: the same plays, other weights."""
    panels = figure.subplots(1, 2, sharey=True)
    reward, weight = np.array([0.2] * 8 + [1.0] * 2), np.array([0.25] * 8 + [4.0] * 2)
    titles = "the log: each play counts once", "weighed: A counts 1/4, B counts 4"
    for ax, weights, title in zip(panels, (np.ones(10), weight), titles, strict=True):
        colours = [PALETTE[5]] * 8 + [PALETTE[0]] * 2
        ax.scatter(
            np.arange(10),
            reward,
            s=260 * weights,
            c=colours,
            edgecolors="black",
            linewidths=0.8,
            zorder=3,
        )
        mean = float((weights * reward).mean())
        ax.axhline(mean, color="0.3", ls="--", lw=1.5)
        ax.text(3.0, mean + 0.04, f"mean {mean:.2f}", ha="center", fontsize=12)
        ax.set(
            xlim=(-0.8, 10.2),
            ylim=(-0.05, 1.35),
            title=title,
            xticks=[3.5, 8.5],
            xticklabels=["A", "B"],
        )
        ax.grid(False, axis="x")
    panels[0].set_ylabel("reward of a play")


def draw_ranks(figure: Figure, found: Ranking) -> None:
    """One panel a way of judging: what it says of each policy (line: all logs), against the truth."""
    panels = figure.subplots(1, len(found.offline), sharey=True)
    for ax, (method, rows) in zip(panels, found.offline.items(), strict=True):
        for column, name in enumerate(found.names):
            low, high = rows[:, column].min(), rows[:, column].max()
            ax.plot(
                [low, high],
                [found.truth[column]] * 2,
                color=POLICY_COLOURS[name],
                lw=2,
                alpha=0.6,
            )
            ax.plot(
                rows[:, column].mean(),
                found.truth[column],
                "o",
                color=POLICY_COLOURS[name],
                ms=9,
                label=name,
            )
        ax.set_title(method)
        if method == "hits in the log":
            ax.set(xlabel="share of plays", xlim=(0, 0.15), xticks=[0, 0.05, 0.1])
        else:
            ax.plot([1, 12], [1, 12], color="0.6", lw=1, zorder=0)
            ax.set(xlabel="songs heard, told from the log", xlim=(1, 12))
        ax.set_ylim(3, 11)
    panels[0].set_ylabel("songs heard, simulator")
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=6,
        frameon=False,
    )


FIGURES = {"10_two_songs.png": (draw_two_songs, (8.5, 3.4))}
