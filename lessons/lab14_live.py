"""Lesson 14, from logs to live: the shop's crowd, agents, the monitor, pictures."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from drawing import CENTRED
from first_plays import first_plays
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from rlrec.agents import Recommender
from rlrec.agents.recommender import best_first
from rlrec.envs import Dials, ListeningBatch, default_catalogue
from rlrec.evaluation import mean_interval, simulate
from rlrec.logs.learned import LearnedListening, ListenerModel
from rlrec.logs.live import (
    LiveConfig,
    LiveListening,
    LiveRound,
    LiveTraining,
    StatedPolicy,
    checkpoint,
)
from rlrec.types import Floats, Ids
from rlrec.viz.style import PALETTE, Style, agent_colour
from rlrec.viz.widgets import Lab, choice, slider

if TYPE_CHECKING:
    from rlrec.agents.ppo import PPO

# degrees: where the crowd leans before and after its taste turns round
OLD = 0.0
NEW = 180.0
CROWD: dict[str, Any] = {
    "n_candidates": 20,
    "history": 20,
    "taste_focus": 5.0,
    "taste_strength": 3.0,
    "long_term_effect": 0.3,
}
# rounds: in the model, live, after the turn, with feedback that lies
OFFLINE = 8
SETTLE = 6
TURN = 18
LIE = 16
LIVE = LiveConfig(listeners=256, control=256, level=0.001, probation=LIE)
SESSION_SD = 4.55  # songs: standard deviation of a session's reward in this crowd
JUDGED = 5_000_000  # seed of the sessions that policies are compared on


# -- the shop


def world(towards: float, *, poisoned: bool = False) -> Callable[[int], LiveListening]:
    """Makes live listeners, as many as given, of a crowd that leans ``towards``.

    ``towards``: degrees. ``poisoned``: their feedback is reported the wrong way round.
    """
    settings: dict[str, Any] = CROWD | {"taste_towards": towards, "poisoned": poisoned}
    return lambda rows: LiveListening(rows, **settings)


def songs_heard(policy: Recommender, towards: float, *, sessions: int = 600) -> float:
    """True mean of songs heard a session, with the policy's best song each time."""
    env = ListeningBatch(sessions, observe="ids", taste_towards=towards, **CROWD)
    return float(simulate(env, policy, seed=JUDGED).mean())


def songs_promised(
    policy: Recommender, model: ListenerModel, *, sessions: int = 600
) -> float:
    """Mean of songs heard a session by the listeners of ``model``."""
    return float(simulate(made_of(model, sessions), policy, seed=JUDGED).mean())


def made_of(model: ListenerModel, rows: int) -> LearnedListening:
    """Listeners that ``model`` makes, with as many songs on offer as the shop's."""
    settings = {name: CROWD[name] for name in ("n_candidates", "history")}
    return LearnedListening(model, rows, **settings)


class Drawn:
    """Plays songs drawn with a policy's probabilities, as the shop made its log."""

    def __init__(self, policy: StatedPolicy, seed: int = 0) -> None:
        self.policy = policy
        self.rng = np.random.default_rng([14, seed])

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """Song ids [batch, k], drawn by the Gumbel-max trick."""
        offered, probabilities = self.policy.probabilities(observations)
        noise = self.rng.gumbel(size=probabilities.shape)
        return best_first(offered, np.log(probabilities) + noise, k)


# -- agents


def new_agent(seed: int = 0) -> PPO:
    """PPO for the shop; a round is one session with each of 256 listeners.

    So only one shape is compiled.
    """
    from rlrec.agents.ppo import PPO, PPOConfig

    config = PPOConfig(
        hidden=(32, 32),
        rollout=20,
        epochs=4,
        minibatch=256,
        learning_rate=0.01,
        discount=0.9,
        entropy=0.05,
        target_kl=0.0,
        anneal=False,
    )
    return PPO(default_catalogue().sound, config, seed=seed)


def restart(agent: PPO, seed: int) -> None:
    """Give ``agent`` the initial weights of ``seed``; what it has compiled stays."""
    agent.restore(checkpoint(new_agent(seed)))


def train_offline(
    agent: PPO, model: ListenerModel, seed: int, rounds: int = OFFLINE
) -> None:
    """Train with the listeners of ``model``: ``rounds`` of about 256 sessions."""
    env = made_of(model, LIVE.listeners)
    steps = rounds * 20 * LIVE.listeners
    agent.train(env, steps, seed=2_000_000 + seed * 1000)


def train_from_start(
    agent: PPO, seed: int, towards: float, rounds: int = TURN
) -> tuple[float, float]:
    """Train from initial weights, live, with a crowd that leans ``towards``.

    Returns the true songs heard a session, after two rounds and after ``rounds``.
    """
    restart(agent, seed)
    heard = {}
    for number in range(1, rounds + 1):
        first = 3_000_000 + (seed * 100 + number) * LIVE.listeners
        agent.train(world(towards)(LIVE.listeners), 1, seed=first)
        if number in (2, rounds):
            heard[number] = songs_heard(agent, towards)
    return heard[2], heard[rounds]


class Turned(NamedTuple):
    """A policy when the crowd's taste turned round; true songs heard a session."""

    before: float  # with the old taste
    curve: Floats  # [rounds / 2 + 1] with the new taste, after every second round
    rounds: list[LiveRound]

    def recovered(self, reference: float) -> Floats:
        """Share of the loss that was made good [rounds / 2 + 1].

        ``reference``: songs heard by an agent trained with the new taste alone.
        """
        return np.asarray((self.curve - self.curve[0]) / (reference - self.curve[0]))


def fork(training: LiveTraining, start: LiveTraining) -> LiveTraining:
    """Set ``training`` to the state of ``start``, which is not changed."""
    training.monitor = copy.deepcopy(start.monitor)
    training.number = start.number
    training.rng = copy.deepcopy(start.rng)
    training.keeper.restore(training.monitor.good)
    return training


def turn_round(training: LiveTraining, rounds: int = TURN) -> Turned:
    """Fine-tune on while the crowd leans the other way."""
    agent: Any = training.agent
    before = songs_heard(agent, OLD)
    curve = [songs_heard(agent, NEW)]
    record = []
    for number in range(1, rounds + 1):
        record.append(training.round(world(NEW)))
        if number % 2 == 0:
            curve.append(songs_heard(agent, NEW))
    return Turned(before, np.array(curve), record)


class Lied(NamedTuple):
    """A policy trained on feedback that lies; true songs heard a session."""

    before: float
    after: float  # after the lies
    restored: float  # after two honest rounds
    rounds: list[LiveRound]


def tell_lies(training: LiveTraining, rounds: int = LIE) -> Lied:
    """Fine-tune on ``rounds`` of feedback turned round, then on two honest ones."""
    agent: Any = training.agent
    before = songs_heard(agent, OLD)
    liars = world(OLD, poisoned=True)
    record = [training.round(liars) for _ in range(rounds)]
    after = songs_heard(agent, OLD)
    record += [training.round(world(OLD)), training.round(world(OLD))]
    return Lied(before, after, songs_heard(agent, OLD), record)


# -- what the monitor can see


class Alarms(NamedTuple):
    """Probabilities of an alarm, and the test of one round."""

    loss: float  # songs a session that the learner is worse
    error: float  # standard error of the difference of two means
    threshold: float  # the difference at which the alarm goes off, negative
    false_alarm: Floats  # [rounds] P(an alarm by each round), the learner as good
    alarm: Floats  # [rounds] the same with the loss


def alarm_probabilities(
    loss: float, sessions: int, level: float, rounds: int
) -> Alarms:
    """Probabilities of an alarm, by the normal distribution.

    ``sessions``: of the learner and of the keeper, each, in a round.

    >>> found = alarm_probabilities(loss=1.5, sessions=256, level=0.001, rounds=28)
    >>> round(found.error, 3), round(found.threshold, 2)
    (0.402, -1.24)
    >>> print(f"{found.alarm[0]:.2f} {found.false_alarm[-1]:.3f}")
    0.74 0.028
    """
    error = float(SESSION_SD * np.sqrt(2 / sessions))
    threshold = float(ndtri(level) * error)
    power = float(ndtr((threshold + loss) / error))
    number = np.arange(1, rounds + 1)
    false_alarm = np.asarray(1.0 - (1.0 - level) ** number, np.float64)
    alarm = np.asarray(1.0 - (1.0 - power) ** number, np.float64)
    return Alarms(loss, error, threshold, false_alarm, alarm)


def draw_alarms(figure: Figure, found: Alarms) -> None:
    """Left the distributions of the difference, right P(alarm) by each round."""
    left, right = figure.subplots(1, 2)
    x = np.linspace(-6, 3, 400)
    alarm = (x < found.threshold).tolist()
    as_good = PALETTE[0]
    worse = PALETTE[5]
    for loss, colour, name in (
        (0.0, as_good, "as good"),
        (found.loss, worse, "worse by the loss"),
    ):
        z = (x + loss) / found.error
        y = np.exp(-0.5 * z**2) / found.error / np.sqrt(2 * np.pi)
        left.plot(x, y, color=colour, lw=2.5, label=name)
        left.fill_between(x, y, where=alarm, color=colour, alpha=0.35, lw=0)
    left.axvline(found.threshold, color="black", ls="--")
    left.set(xlim=(-6, 3), yticks=[], ylim=(0, None))
    left.set_xlabel("learner minus keeper, songs a session")
    left.set_title("one round: alarm left of the dashed line", fontsize=10)
    left.legend(frameon=False, loc="upper left")
    number = np.arange(1, len(found.alarm) + 1)
    good: Style = {"color": as_good, "marker": "o", "label": "as good: a false alarm"}
    bad: Style = {"color": worse, "marker": "s", "label": "worse by the loss"}
    right.plot(number, found.false_alarm, lw=2.5, ms=4, **good)
    right.plot(number, found.alarm, lw=2.5, ms=4, **bad)
    right.set(xlim=(0, 61), ylim=(-0.03, 1.03), xlabel="rounds")
    right.set_ylabel("probability of an alarm by then")
    right.legend(frameon=False, loc="center right")


def alarms_text(found: Alarms) -> str:
    """The line above the picture."""
    return (
        f"standard error {found.error:.2f} songs; "
        f"alarm below {found.threshold:.2f}; in one round a loss of "
        f"{found.loss:.1f} is seen with probability <b>{found.alarm[0]:.2f}</b>; "
        f"false alarm within {len(found.alarm)} rounds "
        f"<b>{found.false_alarm[-1]:.2f}</b>"
    )


def monitor_lab() -> Lab[Alarms]:
    """The widget: how large a loss, how many sessions, which level, how many rounds."""
    controls = {
        "loss": slider("true loss", 1.5, 0.0, 4.0, 0.1, "songs a session"),
        "sessions": choice("sessions each", [16, 64, 256, 1024], 256),
        "level": choice("level", [0.05, 0.01, 0.001, 0.0001], 0.001),
        "rounds": slider("rounds", 28, 2, 60, 1),
    }
    compute = alarm_probabilities
    title = "Is the learner worse?"
    return Lab(title, controls, compute, draw_alarms, alarms_text, (9.0, 3.4))


# -- first songs: a log in which every song has a probability


class CatalogueLog(NamedTuple):
    """First songs of n evenings, drawn from the catalogue by the shop."""

    songs: Ids  # [n]
    heard: Floats  # [n] 1 or 0
    propensity: Floats  # [n] the shop's probability of the song that played
    shop: Floats  # [songs] its probability of every song
    shy: Floats  # [songs] the probabilities of another policy, which nobody has tried


def catalogue_log(seed: int, evenings: int = 4000) -> CatalogueLog:
    """A log of a shop that pushes what its crowd loves, and a policy to judge by it.

    That policy, ``shy``, pushes the other end of the map.
    """
    loud = default_catalogue().sound[:, 0]
    everything = {"candidates": np.arange(len(loud))[None]}
    shop = StatedPolicy(1.0 * loud, uniform_share=0.3).probabilities(everything)[1][0]
    shy = StatedPolicy(-0.7 * loud, uniform_share=0.0).probabilities(everything)[1][0]
    rng = np.random.default_rng([14, seed])
    songs = rng.choice(len(loud), size=evenings, p=shop)
    return CatalogueLog(songs, first_heard(songs, rng), shop[songs], shop, shy)


def first_heard(songs: Ids, rng: np.random.Generator) -> Floats:
    """Whether new listeners of the crowd hear ``songs`` [n] as their first: 1 or 0."""
    dials = {name: CROWD[name] for name in CROWD if name in Dials.__dataclass_fields__}
    skipped = first_plays(songs, rng, dials=Dials(**dials)).skipped
    return (~skipped).astype(np.float64)


def tried_out(probabilities: Floats, evenings: int = 200_000) -> float:
    """True share of first songs heard under a policy [songs]: it is simply tried."""
    rng = np.random.default_rng(1414)
    songs = rng.choice(len(probabilities), size=evenings, p=probabilities)
    return float(first_heard(songs, rng).mean())


# -- seconds


def learning_seconds(batch: int, device: str, steps: int = 8192) -> float:
    """Seconds for ``steps`` learning steps of a policy network, best of three.

    ``batch`` steps at a time on ``device``, a compiled call each as in a training loop.
    The first call, which compiles, does not count.
    """
    from rlrec.nn.backend import keras, tf

    rng = np.random.default_rng(0)
    with tf.device(device):
        x = tf.constant(rng.normal(size=(batch, 21)), tf.float32)
        y = tf.constant(rng.normal(size=(batch, 16)), tf.float32)
        model = keras.Sequential(
            [
                keras.Input((21,)),
                keras.layers.Dense(32, "relu", kernel_initializer="zeros"),
                keras.layers.Dense(32, "relu", kernel_initializer="zeros"),
                keras.layers.Dense(16),
            ]
        )
        weights = model.trainable_variables

        def learn() -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(model(x) - y))
            slopes = tape.gradient(loss, weights)
            for variable, slope in zip(weights, slopes, strict=True):
                variable.assign_sub(0.001 * slope)
            return loss

        compiled = tf.function(learn)
        compiled()
        return min(_seconds(compiled, steps // batch) for _ in range(3))


def _seconds(work: Callable[[], Any], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        last = work()
    float(last)  # wait for it
    return time.perf_counter() - start


# -- pictures

# Alpha of a colour that is visible, yet too pale for the comparison of pictures, which
# differ a little by processor.
PALE = 0.22


def promises_picture(
    ax: Axes, promised: ArrayLike, given: ArrayLike, references: Mapping[str, float]
) -> Axes:
    """Songs heard with model and with listeners, a line for each seed.

    ``promised``, ``given`` [seeds]; dotted: the true values of ``references``.
    """
    model = np.asarray(promised, np.float64)
    true = np.asarray(given, np.float64)
    rows = np.arange(len(model))
    ax.hlines(rows, true, model, color="#DADADA", lw=7, zorder=1)
    ax.plot(model, rows, "D", color=PALETTE[0], ms=5.5, label="promised by the model")
    colour = agent_colour("ppo")
    ax.plot(true, rows, "o", color=colour, ms=6, label="given by listeners")
    for row, (name, value) in enumerate(references.items()):
        ax.axvline(value, color="black", ls=":", lw=1.5)
        side = "right" if name == "random" else "left"
        label: Style = {"va": "center", "ha": side, "fontsize": 9}
        ax.text(value, -1.75 + 0.5 * row, f" {name} ", **label)
    ax.set_yticks(rows, [f"seed {row}" for row in rows])
    ax.set(ylim=(len(rows) - 0.5, -2.1), xlim=(7, 14))
    ax.set_xlabel("songs heard a session, PPO trained offline")
    ax.legend(frameon=True, loc="upper right", fontsize=9)
    return ax


def recovery_picture(ax: Axes, recovered: ArrayLike, sessions: ArrayLike) -> Axes:
    """Share of the loss made good, mean and 95% interval over seeds.

    ``recovered`` [seeds, points] over ``sessions`` [points].
    """
    percent = 100 * np.asarray(recovered, np.float64)
    colour = agent_colour("ppo")
    for x, column in zip(np.asarray(sessions), percent.T, strict=True):
        of = mean_interval(column)
        ax.vlines(x, of.low, of.high, color=colour, lw=14, alpha=PALE)
    ax.plot(sessions, percent.mean(axis=0), "o", color=colour, ms=6)
    ax.axhline(80, color="black", ls=":", lw=1.5)
    ax.text(20, 82, "80%", va="bottom")
    ax.set(xlim=(-150, np.max(sessions) + 150), ylim=(-10, 125))
    ax.set_ylabel("% of the loss made good")
    ax.set_xlabel("sessions the learner has played since the turn")
    return ax


def lies_picture(ax: Axes, lied: Sequence[Lied]) -> Axes:
    """Rewards round by round, means over seeds: as reported, and the learner's truth.

    The two rounds after the lies are red if an alarm went off there for every seed.
    """
    rounds = np.array([one.rounds for one in lied], np.float64)  # [seeds, rounds, f]
    means = pd.DataFrame(rounds.mean(axis=0), columns=list(LiveRound._fields))
    count = len(means)
    lie = count - 2
    ax.axvspan(0.5, lie + 0.5, color="#FBF6CC", lw=0, zorder=0)
    ax.text(0.7, 13.6, "feedback turned round", va="top", fontsize=9)
    number = np.arange(1, count + 1)
    for name, label, colour, marker in (
        ("learner", "learner, reported", PALETTE[5], "o"),
        ("keeper", "keeper, reported", PALETTE[0], "s"),
        ("truth", "learner, in truth", "black", "D"),
    ):
        y = means[name]
        ax.plot(number, y, color=colour, lw=6, alpha=PALE / 1.5)
        ax.plot(number, y, marker, color=colour, ms=3, markevery=(1, 2), label=label)
    alarm = rounds[:, lie:, LiveRound._fields.index("alarm")]
    if alarm.any(axis=1).all():
        ax.axvspan(lie + 0.5, lie + 2.5, color="#FBE3E6", lw=0, zorder=0)
        style: Style = {"ha": "right", "va": "center", "color": "#B00020"}
        ax.text(lie + 0.3, 2.8, "alarm: back to the keeper ", **style)
    ax.set(xlim=(0.5, count + 0.7), ylim=(2, 14), xticks=number[1::2])
    ax.set(xlabel="round", ylabel="songs heard a session")
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


# words, x, y, colour
BOXES = (
    ("the shop's log\n1,000 evenings", 1.3, 2.9, PALETTE[4]),
    ("a model of\nlisteners", 3.8, 2.9, PALETTE[4]),
    ("PPO, offline\nnobody listens", 6.3, 2.9, PALETTE[1]),
    ("PPO, live\nlisteners react", 8.8, 2.9, PALETTE[2]),
    ("every play logged\nwith its probability", 8.8, 0.7, PALETTE[2]),
    ("worse than the\nlast good one?", 5.6, 0.7, PALETTE[5]),
)
ARROWS = (
    ((2.25, 2.9), (2.95, 2.9)),
    ((4.65, 2.9), (5.3, 2.9)),
    ((7.3, 2.9), (7.9, 2.9)),
    ((8.8, 2.35), (8.8, 1.25)),
    ((7.65, 0.7), (6.75, 0.7)),
)
ARROW: Style = {"arrowstyle": "-|>", "lw": 2}
ALARM = "#B00020"


def draw_loop(figure: Figure) -> None:
    """The lesson in boxes: log, model, offline training, live rounds, and back."""
    ax = figure.subplots()
    ax.set(xlim=(0, 10), ylim=(0, 4))
    ax.axis("off")
    for words, x, y, colour in BOXES:
        box = {"boxstyle": "round,pad=0.5", "alpha": 0.3}
        box |= {"facecolor": colour, "edgecolor": colour}
        ax.text(x, y, words, bbox=box, fontsize=10, **CENTRED)
    for start, end in ARROWS:
        ax.annotate("", end, start, arrowprops=ARROW | {"color": "#444444"})
    ax.annotate("", (8.0, 2.35), (6.3, 1.25), arrowprops=ARROW | {"color": ALARM})
    style: Style = {"ha": "right", "va": "center", "fontsize": 9, "color": ALARM}
    ax.text(6.5, 1.9, "yes: go back\nto that one", **style)
    ax.text(7.6, 3.65, "promise meets truth here", ha="center", fontsize=9)


def draw_probation(figure: Figure) -> None:
    """Four rounds of lies, probation of four: which checkpoint is restored."""
    ax = figure.subplots()
    ax.set(xlim=(0.2, 12.6), ylim=(-1.55, 1.6))
    ax.axis("off")
    ax.axvspan(5.5, 9.5, ymin=0.36, ymax=0.68, color="#F0E442", alpha=0.45, lw=0)
    ax.text(7.5, 0.75, "four rounds of lies", ha="center", fontsize=10)
    label: Style = CENTRED | {"color": "white", "weight": "bold"}
    for number in range(1, 11):
        colour = PALETTE[5] if number > 6 else PALETTE[2]  # made from lies or not
        ax.plot(number, 0, "o", ms=22, color=colour)
        ax.text(number, 0, str(number), fontsize=10, **label)
    alarm = " alarm: the first honest round"
    ax.text(10.45, 0, alarm, va="center", fontsize=10, color=ALARM)
    curve: Style = ARROW | {"color": ALARM, "connectionstyle": "arc3,rad=-0.3"}
    ax.annotate("", (5, -0.35), (10, -0.35), arrowprops=curve)
    back = "back to checkpoint 5: four rounds passed after it without an alarm"
    ax.text(7.5, -1.35, back, ha="center", fontsize=10)
    made = "what plays in each round, made from the rounds before it; orange: "
    ax.text(0.5, 1.35, made + "made from lies", fontsize=10)


FIGURES = {
    "14_from_log_to_live.png": (draw_loop, (9.0, 3.2)),
    "14_probation.png": (draw_probation, (9.6, 2.6)),
}
