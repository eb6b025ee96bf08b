"""Lesson 10, is it any good: logs whose truth is known, estimates from them, pictures.

Two worlds, both made of the simulator's listeners. *First songs*: ten songs are on
offer and one plays to one of a shop's 400 regulars; the value of each song is known
exactly. *Evenings*: whole sessions of ``Listening-v0`` with ten songs on offer at each
step; the truth is what the simulator's listeners hear.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from first_plays import first_play_value, first_plays
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import softmax

from rlrec.agents import (
    GreedyListening,
    PopularityPolicy,
    RandomPolicy,
    Recommender,
    VariedListening,
)
from rlrec.envs import ListeningBatch, default_catalogue
from rlrec.envs.listeners import MEMORY
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
from rlrec.viz.style import PALETTE, Style, agent_colour
from rlrec.viz.widgets import Lab, choice, slider

OFFERED = 10  # songs on offer
# what the regulars have in common: quiet songs to dance to
LEAN = np.array([-2.4, 1.8, 0.0, 0.0, 0.0])
REGULARS = 400
GREY = "#8C8C8C"
METHODS = {
    "naive": GREY,
    "DM": PALETTE[5],
    "IPS": PALETTE[0],
    "SNIPS": PALETTE[4],
    "DR": PALETTE[2],
}
SONG = 3  # how many of ``evening_features`` are about the song alone
STEPS = 20  # songs of the longest evening
JUDGED = 2_000_000  # seed of the first listener that policies are judged on
EVENINGS = 1000  # sessions of a log


# -- first songs: a world whose truth is exact


@lru_cache(maxsize=1)
def regulars() -> Floats:
    """Tastes of the shop's regulars [400, 5]: unit vectors that lean to ``LEAN``."""
    direction = np.random.default_rng(10).normal(size=(REGULARS, len(LEAN))) + LEAN
    return np.asarray(direction / np.linalg.norm(direction, axis=1, keepdims=True))


@lru_cache(maxsize=1)
def worth() -> Floats:
    """Probability that a regular hears each song [songs] as a first play, exactly."""
    return np.asarray(first_play_value(regulars(), BinaryReward()).mean(axis=0))


def shop_probabilities(offered: Ids, floor: float = 0.0) -> Floats:
    """The shop's probabilities [n, 10] of the songs on offer.

    It plays one of the three most popular, and with probability ``floor`` any song.
    """
    appeal = default_catalogue().appeal[offered]
    best = np.argsort(-appeal, axis=1, kind="stable")[:, :3]
    any_song = floor / offered.shape[1]
    found = np.full(offered.shape, any_song)
    np.put_along_axis(found, best, (1.0 - floor) / 3 + any_song, axis=1)
    return found


def new_probabilities(offered: Ids, mix: float = 1.0) -> Floats:
    """The new policy's probabilities [n, 10] of the songs on offer.

    With probability ``mix`` (0..1) a softmax over how quiet and danceable songs are,
    otherwise the shop's policy without a floor.
    """
    score = 2.0 * default_catalogue().sound[offered] @ (LEAN / np.linalg.norm(LEAN))
    shop = shop_probabilities(offered)
    return np.asarray(mix * softmax(score, axis=1) + (1.0 - mix) * shop)


@lru_cache(maxsize=1)
def _values() -> tuple[float, float]:
    """Values of the shop without a floor and of the pure new policy.

    Means over 200,000 offers; the error is below .0002.
    """
    offered = np.random.default_rng(11).integers(len(worth()), size=(200_000, OFFERED))
    value = worth()[offered]
    shop = (shop_probabilities(offered) * value).sum(axis=1).mean()
    new = (new_probabilities(offered) * value).sum(axis=1).mean()
    return float(shop), float(new)


def true_value(mix: float) -> float:
    """Share of first songs that regulars hear under ``new_probabilities(.., mix)``."""
    shop, new = _values()
    return mix * new + (1.0 - mix) * shop


class FirstSongs(NamedTuple):
    """A log of first songs."""

    offered: Ids  # [n, 10]
    logged: Logged  # actions: places 0..9 on offer; rewards: 1 heard, 0 skipped


def draw_places(probabilities: Floats, rng: np.random.Generator) -> Ids:
    """Draw a place of each row of ``probabilities`` [n, songs]: [n].

    >>> draw_places(np.array([[0.0, 1.0], [1.0, 0.0]]), np.random.default_rng(0))
    array([1, 0])
    """
    bounds = probabilities.cumsum(axis=1)[:, :-1]
    return np.asarray((rng.random((len(bounds), 1)) >= bounds).sum(axis=1))


def first_songs(plays: int, floor: float, seed: int) -> FirstSongs:
    """A log of ``plays`` first songs, played to regulars by the shop with ``floor``."""
    rng = np.random.default_rng([seed, 10])
    offered = rng.integers(len(default_catalogue()), size=(plays, OFFERED))
    policy = shop_probabilities(offered, floor)
    place = draw_places(policy, rng)
    rows = np.arange(plays)
    heard = ~first_plays(offered[rows, place], rng, regulars()).skipped
    rewards = heard.astype(np.float64)
    return FirstSongs(offered, Logged(place, rewards, policy[rows, place], policy))


def song_features(offered: Ids, sound: bool) -> Floats:
    """Features [n, 10, f] of songs: popularity, and the map of sound if ``sound``."""
    catalogue = default_catalogue()
    appeal = catalogue.appeal[offered][:, :, None]
    if not sound:
        return appeal
    return np.concatenate([appeal, catalogue.sound[offered]], axis=2)


def estimates(
    found: FirstSongs, mix: float, *, sound: bool = False, limits: Limits = LIMITS
) -> dict[str, Estimate]:
    """Every estimate of the new policy from one log. Raises ``NoSupport``."""
    logged = found.logged
    target = new_probabilities(found.offered, mix)
    model = fit_rewards(logged, song_features(found.offered, sound))
    return {
        "DM": direct_method(logged, target, model, limits=limits),
        "IPS": inverse_propensity(logged, target, limits=limits),
        "SNIPS": self_normalised(logged, target, limits=limits),
        "DR": doubly_robust(logged, target, model, limits=limits),
    }


class Coverage(NamedTuple):
    """How often 95% intervals held the truth, by method."""

    # share of the logs that were not refused; the direct method has no interval
    held: dict[str, float]
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
    """Compare estimates from ``logs`` logs, numbered from ``first``, with the truth."""
    truth = true_value(mix)
    found: dict[str, list[Estimate]] = {}
    refused = 0
    for seed in range(first, first + logs):
        log = first_songs(plays, floor, seed)
        try:
            of_log = estimates(log, mix, sound=sound)
        except NoSupport:
            refused += 1
            continue
        for name, one in of_log.items():
            found.setdefault(name, []).append(one)
    result = Coverage({}, {}, {}, refused)
    for name, of_logs in found.items():
        values = np.array([one.value for one in of_logs])
        result.bias[name] = float(values.mean() - truth)
        result.spread[name] = float(values.std())
        if name != "DM":
            held = [one.low <= truth <= one.high for one in of_logs]
            result.held[name] = float(np.mean(held))
    return result


# -- evenings: whole sessions, the truth from the simulator


def radio() -> StatedPolicy:
    """The policy that made the logs of evenings: 30% any song, 70% by popularity."""
    return StatedPolicy(default_catalogue().appeal, uniform_share=0.3)


def policies() -> dict[str, Recommender]:
    """The policies to rank; all but "random" play their best song."""
    catalogue = default_catalogue()
    return {
        "random": RandomPolicy(len(catalogue), np.random.default_rng(10)),
        "popularity": PopularityPolicy(catalogue.appeal),
        "hidden gems": PopularityPolicy(-catalogue.appeal),
        "greedy": GreedyListening(catalogue),
        "greedy + variety": VariedListening(catalogue),
        "more of the same": VariedListening(catalogue, variety=-3.0),
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
        """The entries of what was played in ``table`` [n, steps, 10, ...]."""
        n, steps = self.places.shape
        return np.asarray(table[np.arange(n)[:, None], np.arange(steps), self.places])


def evenings(
    seed: int,
    policy: StatedPolicy | None = None,
    sessions: int = EVENINGS,
    first: int = 0,
) -> Evenings:
    """Log number ``seed``: one evening of each of ``sessions`` listeners.

    Their seeds begin with ``first + seed * sessions``. ``policy``: None is ``radio``.
    """
    policy = policy or radio()
    env = ListeningBatch(sessions, "candidate", "ids", history=STEPS)
    rng = np.random.default_rng([seed, 11])
    rows = np.arange(sessions)
    alive = np.ones(sessions, np.bool_)
    observations, _ = env.reset(seed=first + seed * sessions)
    seen = []
    kept = []
    for _ in range(STEPS):
        seen.append(observations)
        _, probabilities = policy.probabilities(observations)
        place = draw_places(probabilities, rng)
        observations, rewards, terminated, _, _ = env.step(place)
        kept.append((place, rewards, probabilities[rows, place], alive))
        alive = alive & ~terminated
    columns = zip(*kept, strict=True)
    places, *rest = (np.stack(column, axis=1) for column in columns)
    return Evenings(seen, places, LoggedSessions(*rest))


def probabilities_of(policy: Recommender, found: Evenings) -> Floats:
    """Probability that ``policy`` plays each song on offer of a log: [n, steps, 10]."""
    if isinstance(policy, RandomPolicy):
        return np.full((*found.places.shape, OFFERED), 1.0 / OFFERED)
    steps = []
    for seen in found.seen:
        best = seen["candidates"] == policy.recommend(seen, 1)
        steps.append(best / best.sum(axis=1, keepdims=True))
    return np.stack(steps, axis=1)


def evening_features(found: Evenings) -> Floats:
    """Features of a linear Q for each song on offer: [n, steps, 10, f].

    The first ``SONG`` are of the song: 1, popularity, its match with the taste that
    greedy estimates. The others are of the evening: how like the last songs the song
    is, how one-sided they were, whether the last was skipped, how many lately.
    """
    steps = [_step_features(seen) for seen in found.seen]
    return np.stack(steps, axis=1)


def _step_features(seen: dict[str, NDArray[Any]]) -> Floats:
    """The features [n, 10, f] at one step."""
    catalogue = default_catalogue()
    offered = seen["candidates"]
    history = seen["history"]
    ones = np.ones(offered.shape)
    taste = GreedyListening(catalogue).belief(seen)
    match = np.einsum("bmd,bd->bm", catalogue.sound[offered], taste)
    fading = MEMORY ** np.arange(history.shape[1] - 1, -1, -1) * (history >= 0)
    played = catalogue.direction[np.maximum(history, 0)]
    lately = np.einsum("bn,bnd->bd", fading, played) * (1 - MEMORY)
    alike = np.einsum("bmd,bd->bm", catalogue.direction[offered], lately)
    skips = seen["feedback"][:, :, 2]
    skipped = (skips * fading).sum(axis=1) / np.maximum(fading.sum(axis=1), 1e-9)
    songs = [ones, catalogue.appeal[offered], match, alike, np.maximum(alike, 0.0)]
    for state in (np.linalg.norm(lately, axis=1), skips[:, -1], skipped):
        songs.append(state[:, None] * ones)
    return np.stack(songs, axis=2)


class Ranking(NamedTuple):
    """What each way of judging says of each policy."""

    names: tuple[str, ...]
    truth: Floats  # [policies] songs heard an evening, in the simulator
    error: Floats  # [policies] its standard error
    offline: dict[str, Floats]  # method -> [logs, policies]


def songs_heard(policy: Recommender, listeners: int = 4000) -> Floats:
    """Songs heard in an evening by listeners whose seeds begin with ``JUDGED``."""
    env = ListeningBatch(listeners, "candidate", "ids", history=STEPS)
    return simulate(env, policy, seed=JUDGED)


def judge_from_log(
    found: Evenings, policy: Recommender, features: Mapping[str, Floats]
) -> dict[str, float]:
    """Estimates of one policy from one log: songs heard an evening, by method.

    "hits in the log" is a share: the plays that the policy repeats and that were heard.
    ``features``: name -> [n, steps, 10, f], one fitted Q for each.
    """
    table = probabilities_of(policy, found)
    target = found.of_played(table)
    alive = found.log.alive
    rewards = found.log.rewards
    weights = (target / found.log.propensities)[alive]
    a_song = weights @ rewards[alive] / weights.sum()
    estimated = {
        "hits in the log": float((target * rewards)[alive].mean()),
        "SNIPS, song by song": float(a_song * alive.sum() / len(alive)),
    }
    for name, songs in features.items():
        expected = np.einsum("nta,ntaf->ntf", table, songs)
        played = found.of_played(songs)
        q = fitted_q(found.log, target, played, expected, resamples=2)
        estimated[name] = q.value
    return estimated


@lru_cache(maxsize=2)
def rank_study(logs: int = 8) -> Ranking:
    """Judge all policies from ``logs`` logs, and on listeners that no log has met."""
    ranked = policies()
    offline: dict[str, list[list[float]]] = {}
    for seed in range(logs):
        found = evenings(seed)
        evening = evening_features(found)
        features = {
            "fitted Q, sees the song": evening[..., :SONG],
            "fitted Q, sees the evening": evening,
        }
        of_policies = [judge_from_log(found, p, features) for p in policies().values()]
        for method in of_policies[0]:
            row = [one[method] for one in of_policies]
            offline.setdefault(method, []).append(row)
    heard = np.stack(list(map(songs_heard, ranked.values())))  # [policies, listeners]
    error = heard.std(axis=1, ddof=1) / np.sqrt(heard.shape[1])
    tables = {method: np.array(rows) for method, rows in offline.items()}
    return Ranking(tuple(ranked), heard.mean(axis=1), error, tables)


def rank_correlations(found: Ranking) -> dict[str, Floats]:
    """Spearman's correlation of each log's ranking with the truth's: name -> [logs]."""
    from scipy.stats import spearmanr

    correlations = {}
    for method, rows in found.offline.items():
        of_logs = [spearmanr(row, found.truth).statistic for row in rows]
        correlations[method] = np.array(of_logs)
    return correlations


def songs_lost(found: Ranking) -> dict[str, Floats]:
    """Songs an evening lost by the policy with the highest estimate: name -> [logs]."""
    lost = {}
    for method, rows in found.offline.items():
        lost[method] = found.truth.max() - found.truth[rows.argmax(axis=1)]
    return lost


# -- the widget


class View(NamedTuple):
    """One log, and the estimates from it."""

    # [2, 10] of the first offer, most popular song first: the shop's, the new policy's
    probabilities: Floats
    truth: float
    naive: Estimate  # mean of the log: the shop's own value
    said: dict[str, Estimate]  # refused or not; empty if no weight is above 0
    size: float  # effective sample size
    why: str  # why they are refused, empty if they are not


def view(
    mix: float = 0.5,
    plays: int = 3000,
    floor: float = 0.3,
    model: str = "popularity",
    log: int = 0,
) -> View:
    """Estimates from ``plays`` first songs of log number ``log``.

    ``model``: what the direct method's model sees of a song.
    """
    found = first_songs(plays, floor, log)
    sound = model != "popularity"
    why = ""
    said = {}
    try:
        estimates(found, mix, sound=sound)
    except NoSupport as reason:
        why = str(reason)
    with suppress(NoSupport):
        said = estimates(found, mix, sound=sound, limits=NO_LIMITS)
    rewards = found.logged.rewards
    naive = from_scores("naive", rewards, float(len(rewards)))
    target = new_probabilities(found.offered, mix)
    order = np.argsort(-default_catalogue().appeal[found.offered[0]], kind="stable")
    shop = shop_probabilities(found.offered[:1], floor)[0]
    both = np.stack([shop, target[0]])[:, order]
    size = support(found.logged, target).effective_sample_size
    return View(both, true_value(mix), naive, said, size, why)


def draw_view(figure: Figure, seen: View) -> None:
    """Left the probabilities of one offer, right the estimates beside the truth."""
    figure.set_layout_engine("none")  # fixed places: a redraw takes half as long
    _draw_offer(figure.add_axes((0.07, 0.17, 0.36, 0.7)), seen.probabilities)
    right = figure.add_axes((0.55, 0.17, 0.43, 0.7))
    right.axvline(seen.truth, color="black", lw=1.5)
    for row, name in enumerate(METHODS):
        one = seen.naive if name == "naive" else seen.said.get(name)
        hollow = bool(seen.why) and name != "naive"
        if one is not None:
            _bar(right, row, one, METHODS[name], hollow=hollow)
    right.set(ylim=(len(METHODS) - 0.4, -0.6), xlim=(0.3, 1.1))
    right.set_xlabel("share of first songs heard")
    right.set_yticks(range(len(METHODS)), list(METHODS))
    refused = "refused: what it would have said"
    right.set_title(refused if seen.why else "estimates; black line: the truth")


def _draw_offer(ax: Axes, probabilities: Floats) -> None:
    place = np.arange(OFFERED)
    shop, new = probabilities
    ax.bar(place - 0.2, shop, 0.4, color=GREY, label="the shop (made the log)")
    ax.bar(place + 0.2, new, 0.4, color=PALETTE[0], label="the new policy")
    ax.set(ylim=(0, 1), title="chances on one shelf")
    ax.set_xlabel("ten songs on offer, most popular first")
    ax.set_xticks(place, place + 1)
    ax.legend(frameon=False)


def _bar(ax: Axes, row: int, one: Estimate, colour: str, *, hollow: bool) -> None:
    """An estimate as a dot, its interval as a line; hollow and pale if refused."""
    if np.isfinite(one.low):
        alpha = 0.35 if hollow else 1.0
        ax.plot([one.low, one.high], [row, row], color=colour, lw=3, alpha=alpha)
    fill = "white" if hollow else colour
    ax.plot(one.value, row, "o", ms=9, mec=colour, mfc=fill, mew=2)


def say_view(seen: View) -> str:
    """The picture in a line or two."""
    said = ", ".join(f"{name} {one.value:.3f}" for name, one in seen.said.items())
    line = (
        f"truth <b>{seen.truth:.3f}</b>; naive {seen.naive.value:.3f}, {said}; "
        f"effective sample size {seen.size:.0f}"
    )
    return f"{line}<br>refused: {seen.why}" if seen.why else line


def estimator_lab() -> Lab[View]:
    """Policy, log and model under controls."""
    new = "share of the new policy"
    floor = "the shop tries any song"
    sizes = (100, 300, 1000, 3000, 10_000)
    controls = {
        "mix": slider(new, 0.5, 0.0, 1.0, 0.05, unit="the rest is the shop's"),
        "plays": choice("plays in the log", sizes, 3000),
        "floor": slider(floor, 0.3, 0.0, 1.0, 0.05, unit="share of its plays"),
        "model": choice("the model sees", ("popularity", "popularity and sound")),
        "log": slider("log number", 0, 0, 50, 1),
    }
    title = "A policy that nobody has tried"
    return Lab(title, controls, view, draw_view, say_view, (9.5, 3.6))


# -- pictures


def draw_two_songs(figure: Figure) -> None:
    """Ten plays as they are, and weighted as the flipped policy would have them."""
    panels = figure.subplots(1, 2, sharey=True)
    place = np.arange(10)
    reward = np.repeat([0.2, 1.0], [8, 2])
    weight = np.repeat([0.25, 4.0], [8, 2])
    colours = [PALETTE[5]] * 8 + [PALETTE[0]] * 2
    style: Style = {"edgecolors": "black", "linewidths": 0.8, "zorder": 3}
    for ax, weights, title in (
        (panels[0], np.ones(10), "the log: each play counts once"),
        (panels[1], weight, "weighed: A counts 1/4, B counts 4"),
    ):
        ax.scatter(place, reward, s=260 * weights, c=colours, **style)
        mean = float((weights * reward).mean())
        ax.axhline(mean, color="0.3", ls="--", lw=1.5)
        ax.text(3.0, mean + 0.04, f"mean {mean:.2f}", ha="center", fontsize=12)
        ax.set(xlim=(-0.8, 10.2), ylim=(-0.05, 1.35), title=title)
        ax.set_xticks([3.5, 8.5], ["A", "B"])
        ax.grid(False, axis="x")
    panels[0].set_ylabel("reward of a play")


def draw_ranks(figure: Figure, found: Ranking) -> None:
    """One panel a method: its estimate of each policy against the truth.

    A dot is the mean over logs, its line goes from the lowest to the highest log.
    """
    panels = figure.subplots(1, len(found.offline), sharey=True)
    for ax, (method, rows) in zip(panels, found.offline.items(), strict=True):
        for name, truth, column in zip(found.names, found.truth, rows.T, strict=True):
            colour = POLICY_COLOURS[name]
            ends = [column.min(), column.max()]
            ax.plot(ends, [truth, truth], color=colour, lw=2, alpha=0.6)
            ax.plot(column.mean(), truth, "o", color=colour, ms=9, label=name)
        ax.set_title(method)
        if method == "hits in the log":
            ax.set(xlabel="share of plays", xlim=(0, 0.15), xticks=[0, 0.05, 0.1])
        else:
            ax.plot([1, 12], [1, 12], color="0.6", lw=1, zorder=0)
            ax.set(xlabel="songs heard, told from the log", xlim=(1, 12))
        ax.set_ylim(3, 11)
    panels[0].set_ylabel("songs heard, simulator")
    legend = panels[0].get_legend_handles_labels()
    figure.legend(*legend, loc="outside lower center", ncols=6, frameon=False)


FIGURES = {"10_two_songs.png": (draw_two_songs, (8.5, 3.4))}
