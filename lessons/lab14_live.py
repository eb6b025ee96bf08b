"""Lesson 14, from logs to live: a shop's crowd, its log, agents trained on it, the monitor's chances, the pictures."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from rlrec.agents import Recommender
from rlrec.agents.recommender import best_first
from rlrec.datasets import Sessions
from rlrec.envs import Dials, Listeners, ListeningBatch, default_catalogue
from rlrec.envs.listeners import DRAWS
from rlrec.evaluation import mean_interval, simulate
from rlrec.logs.learned import LearnedListening, ListenerModel
from rlrec.logs.live import (
    LiveConfig,
    LiveListening,
    LiveRound,
    LiveTraining,
    StatedPolicy,
    checkpoint,
    serve,
)
from rlrec.types import Floats, Ids
from rlrec.viz.style import PALETTE, agent_colour
from rlrec.viz.widgets import Lab, choice, slider

if TYPE_CHECKING:
    from rlrec.agents.ppo import PPO

OLD, NEW = (
    0.0,
    180.0,
)  # degrees: what the crowd leans to before and after its taste turns round
CROWD: dict[str, Any] = {
    "n_candidates": 20,
    "history": 20,
    "taste_focus": 5.0,
    "taste_strength": 3.0,
    "long_term_effect": 0.3,
}
DIALS = {
    name: value for name, value in CROWD.items() if name in Dials.__dataclass_fields__
}
OFFLINE, SETTLE, TURN, LIE = (
    8,
    6,
    18,
    16,
)  # rounds: in the model, live, after the turn, with feedback that lies
LIVE = LiveConfig(listeners=256, control=256, level=0.001, probation=LIE)
SESSION_SD = 4.55  # songs: the spread of one session's reward in this crowd
JUDGED = 5_000_000  # seeds of the sessions that policies are compared on; nobody trains on them


# -- the shop ----------------------------------------------------------------------------------------------


def world(towards: float, *, poisoned: bool = False) -> Callable[[int], LiveListening]:
    """Live listeners, as many as asked for, of a crowd that leans ``towards`` (degrees)."""
    return lambda rows: LiveListening(
        rows, poisoned=poisoned, taste_towards=towards, **CROWD
    )


def shop_policy() -> StatedPolicy:
    """What the shop did before anybody learned: 20% any of the songs on offer, 80% by how popular they are."""
    return StatedPolicy(default_catalogue().appeal, uniform_share=0.2)


def shop_log(seed: int, sessions: int = 1000) -> Sessions:
    """The shop's log: ``sessions`` of ``shop_policy``, each of another listener, with propensities."""
    env = world(OLD)(sessions)
    serve(
        env,
        shop_policy(),
        seed=1_000_000 + seed * sessions,
        rng=np.random.default_rng([seed, 1]),
    )
    return env.log()


def song_ids() -> NDArray[np.str_]:
    """The ids of the shop's songs, as its log names them."""
    return np.arange(len(default_catalogue())).astype(str)


def songs_heard(policy: Recommender, towards: float, *, sessions: int = 600) -> float:
    """Songs heard a session, in truth: the policy's best song each time, listeners that nobody trained on."""
    env = ListeningBatch(sessions, observe="ids", taste_towards=towards, **CROWD)
    return float(simulate(env, policy, seed=JUDGED).mean())


def songs_promised(
    policy: Recommender, model: ListenerModel, *, sessions: int = 600
) -> float:
    """The same as ``model`` promises it."""
    return float(simulate(made_of(model, sessions), policy, seed=JUDGED).mean())


def made_of(model: ListenerModel, rows: int) -> LearnedListening:
    """Listeners that ``model`` makes, offered as many songs as the shop's."""
    return LearnedListening(
        model, rows, n_candidates=CROWD["n_candidates"], history=CROWD["history"]
    )


class Drawn:
    """A policy's songs drawn by their chances, not the best one: the shop as it made its log."""

    def __init__(self, policy: StatedPolicy, seed: int = 0) -> None:
        self.policy, self.rng = policy, np.random.default_rng([14, seed])

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """Song ids [batch, k]; the Gumbel-max trick is a draw by the chances."""
        offered, chance = self.policy.probabilities(observations)
        return best_first(
            offered, np.log(chance) + self.rng.gumbel(size=chance.shape), k
        )


# -- agents ------------------------------------------------------------------------------------------------


def new_agent(seed: int = 0) -> PPO:
    """PPO for the shop; one round is one session with each of 256 listeners, so that only one shape is compiled."""
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


def start_anew(agent: PPO, seed: int) -> None:
    """Give ``agent`` the first weights of another seed; what it has compiled stays."""
    agent.restore(checkpoint(new_agent(seed)))


def train_offline(
    agent: PPO, model: ListenerModel, seed: int, rounds: int = OFFLINE
) -> None:
    """Train where nobody listens: ``rounds`` of 256 sessions or so with the listeners of ``model``."""
    agent.train(
        made_of(model, LIVE.listeners),
        rounds * 20 * LIVE.listeners,
        seed=2_000_000 + seed * 1000,
    )


def train_fresh(
    agent: PPO, seed: int, towards: float, rounds: int = TURN
) -> tuple[float, float]:
    """From the first weights of ``seed``: ``rounds`` live with a crowd that leans ``towards``, and nothing before.

    Songs heard a session, in truth, after two rounds and at the end.
    """
    start_anew(agent, seed)
    heard = {}
    for number in range(1, rounds + 1):
        first = 3_000_000 + (seed * 100 + number) * LIVE.listeners
        agent.train(world(towards)(LIVE.listeners), 1, seed=first)
        if number in (2, rounds):
            heard[number] = songs_heard(agent, towards)
    return heard[2], heard[rounds]


class Turned(NamedTuple):
    """What became of a policy when the crowd's taste turned round; songs heard a session, in truth."""

    before: float  # with the old taste
    curve: (
        Floats  # [rounds / 2 + 1] with the new one, before and after every second round
    )
    rounds: list[LiveRound]

    def recovered(self, fresh: float) -> Floats:
        """The share [rounds / 2 + 1] of the loss that was made good; ``fresh``: the level of who knew nothing else."""
        return np.asarray((self.curve - self.curve[0]) / (fresh - self.curve[0]))


def fork(training: LiveTraining, start: LiveTraining) -> LiveTraining:
    """Set ``training`` to where ``start`` stood, agents included; ``start`` is not changed."""
    training.monitor, training.number = copy.deepcopy(start.monitor), start.number
    training.rng = copy.deepcopy(start.rng)
    training.keeper.restore(training.monitor.good)
    return training


def turn_round(training: LiveTraining, rounds: int = TURN) -> Turned:
    """Fine-tune on while the crowd leans the other way."""
    agent: Any = training.agent
    before, curve, record = songs_heard(agent, OLD), [songs_heard(agent, NEW)], []
    for number in range(1, rounds + 1):
        record.append(training.round(world(NEW)))
        if number % 2 == 0:
            curve.append(songs_heard(agent, NEW))
    return Turned(before, np.array(curve), record)


class Lied(NamedTuple):
    """What became of a policy that was told lies."""

    before: float  # songs heard a session, in truth, before them
    after: float  # after them
    restored: float  # after two honest rounds
    rounds: list[LiveRound]


def tell_lies(training: LiveTraining, rounds: int = LIE) -> Lied:
    """Fine-tune on ``rounds`` of reports turned round, and on two honest ones."""
    agent: Any = training.agent
    before = songs_heard(agent, OLD)
    record = [training.round(world(OLD, poisoned=True)) for _ in range(rounds)]
    after = songs_heard(agent, OLD)
    record += [training.round(world(OLD)) for _ in range(2)]
    return Lied(before, after, songs_heard(agent, OLD), record)


# -- the monitor's chances ---------------------------------------------------------------------------------


class Chances(NamedTuple):
    """What a test of one round can see."""

    loss: float  # songs a session that the learner is worse
    error: float  # standard error of the difference of two means
    threshold: float  # the difference at which the alarm goes, negative
    false_alarm: Floats  # [rounds] chance of at least one by each round, the learner as good as the keeper
    alarm: Floats  # [rounds] the same with the loss

    @property
    def rounds(self) -> int:
        """How many."""
        return len(self.alarm)


def chances(
    loss: float, sessions: int, level: float, rounds: int, sd: float = SESSION_SD
) -> Chances:
    """The monitor's chances by the normal curve; ``sessions``: of the learner and of the keeper, each, in a round.

    >>> found = chances(loss=1.5, sessions=256, level=0.001, rounds=28)
    >>> round(found.error, 3), round(found.threshold, 2), round(float(found.alarm[0]), 2)
    (0.402, -1.24, 0.74)
    >>> round(float(found.false_alarm[-1]), 3)
    0.028
    """
    error = sd * np.sqrt(2 / sessions)
    threshold = float(ndtri(level) * error)
    each = float(ndtr((threshold + loss) / error))
    number = np.arange(1, rounds + 1)
    by_then = (np.asarray(1.0 - (1.0 - p) ** number, np.float64) for p in (level, each))
    return Chances(loss, float(error), threshold, *by_then)


def draw_chances(figure: Figure, found: Chances) -> None:
    """Left the two distributions of the difference, right the chance of an alarm by each round."""
    left, right = figure.subplots(1, 2)
    x = np.linspace(-6, 3, 400)
    for loss, colour, name in (
        (0.0, PALETTE[0], "as good"),
        (found.loss, PALETTE[5], "worse by the loss"),
    ):
        y = (
            np.exp(-0.5 * ((x + loss) / found.error) ** 2)
            / found.error
            / np.sqrt(2 * np.pi)
        )
        left.plot(x, y, color=colour, lw=2.5, label=name)
        left.fill_between(
            x, y, where=(x < found.threshold).tolist(), color=colour, alpha=0.35, lw=0
        )
    left.axvline(found.threshold, color="black", ls="--")
    left.set(
        xlim=(-6, 3),
        xlabel="learner minus keeper, songs a session",
        yticks=[],
        ylim=(0, None),
    )
    left.set_title("one round: alarm left of the dashed line", fontsize=10)
    left.legend(frameon=False, loc="upper left")
    number = np.arange(1, found.rounds + 1)
    right.plot(
        number,
        found.false_alarm,
        color=PALETTE[0],
        lw=2.5,
        marker="o",
        ms=4,
        label="as good: a false alarm",
    )
    right.plot(
        number,
        found.alarm,
        color=PALETTE[5],
        lw=2.5,
        marker="s",
        ms=4,
        label="worse by the loss",
    )
    right.set(
        xlim=(0, 61),
        ylim=(-0.03, 1.03),
        xlabel="rounds",
        ylabel="chance of an alarm by then",
    )
    right.legend(frameon=False, loc="center right")


def chances_text(found: Chances) -> str:
    """The line above the picture."""
    return (
        f"standard error {found.error:.2f} songs; alarm below {found.threshold:.2f}; in one round a loss of "
        f"{found.loss:.1f} is seen with chance <b>{found.alarm[0]:.2f}</b>; "
        f"false alarm within {found.rounds} rounds <b>{found.false_alarm[-1]:.2f}</b>"
    )


def monitor_lab() -> Lab[Chances]:
    """The widget: how large a loss, how many sessions, which level, how long a run."""
    controls = {
        "loss": slider("true loss", 1.5, 0.0, 4.0, 0.1, "songs a session"),
        "sessions": choice("sessions each", [16, 64, 256, 1024], 256),
        "level": choice("level", [0.05, 0.01, 0.001, 0.0001], 0.001),
        "rounds": slider("rounds", 28, 2, 60, 1),
    }
    return Lab(
        "Is the learner worse?",
        controls,
        chances,
        draw_chances,
        chances_text,
        (9.0, 3.4),
    )


# -- first songs: a log in which every song has a chance ---------------------------------------------------


class FirstSongs(NamedTuple):
    """First songs of n evenings, drawn from the whole catalogue by a shop that pushes what its crowd loves."""

    songs: Ids  # [n]
    heard: Floats  # [n] 1 or 0
    propensity: Floats  # [n] the shop's chance of the song that played
    shop: Floats  # [songs] its chance of every song
    shy: Floats  # [songs] the chances of another policy, which nobody has tried


def first_songs(seed: int, evenings: int = 4000) -> FirstSongs:
    """A log of the shop, and a policy to judge by it: one that pushes the other end of the map."""
    loud = default_catalogue().sound[:, 0]
    shop = StatedPolicy(1.0 * loud, uniform_share=0.3)
    shy = StatedPolicy(-0.7 * loud, uniform_share=0.0)
    everything = {"candidates": np.arange(len(loud))[None]}
    mu, pi = (policy.probabilities(everything)[1][0] for policy in (shop, shy))
    rng = np.random.default_rng([14, seed])
    songs = rng.choice(len(loud), size=evenings, p=mu)
    return FirstSongs(songs, first_heard(songs, rng), mu[songs], mu, pi)


def first_heard(songs: Ids, rng: np.random.Generator) -> Floats:
    """Whether new listeners of the crowd hear ``songs`` [n] as their first: [n] of 1 and 0."""
    listeners = Listeners(len(songs), default_catalogue(), Dials(**DIALS))
    listeners.begin(np.arange(len(songs)), rng.random((8, len(songs))))
    return (~listeners.react(songs, rng.random((DRAWS, len(songs)))).skipped).astype(
        np.float64
    )


def tried_out(chances_of_songs: Floats, evenings: int = 200_000) -> float:
    """What a policy over all songs really earns with first songs: it is simply tried. Share heard."""
    rng = np.random.default_rng(1414)
    return float(
        first_heard(
            rng.choice(len(chances_of_songs), size=evenings, p=chances_of_songs), rng
        ).mean()
    )


# -- seconds -----------------------------------------------------------------------------------------------


def learning_seconds(
    batch: int, device: str, steps: int = 8192, units: int = 32
) -> float:
    """Seconds for ``steps`` learning steps of PPO's policy network on ``device``, ``batch`` at a time: best of three.

    A compiled call per minibatch, as a training loop makes them; the first call, which compiles, does not count.
    """
    from rlrec.nn.backend import keras, tf

    rng = np.random.default_rng(0)
    with tf.device(device):
        x, y = (tf.constant(rng.normal(size=(batch, n)), tf.float32) for n in (21, 16))
        layers = [
            keras.layers.Dense(units, "relu", kernel_initializer="zeros")
            for _ in range(2)
        ]
        model = keras.Sequential([keras.Input((21,)), *layers, keras.layers.Dense(16)])

        def learn() -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(model(x) - y))
            for variable, slope in zip(
                model.trainable_variables,
                tape.gradient(loss, model.trainable_variables),
                strict=True,
            ):
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


# -- pictures ----------------------------------------------------------------------------------------------


PALE = 0.22  # of a colour: visible, yet too pale for the comparison of pictures, which differ a little by processor


def promises_picture(
    ax: Axes, promised: ArrayLike, given: ArrayLike, marks: dict[str, float]
) -> Axes:
    """One line a seed, from what the model promised to what listeners gave; dotted: others, in truth."""
    one, two = np.asarray(promised, np.float64), np.asarray(given, np.float64)
    rows = np.arange(len(one))
    ax.hlines(rows, two, one, color="#DADADA", lw=7, zorder=1)
    ax.plot(one, rows, "D", color=PALETTE[0], ms=5.5, label="promised by the model")
    ax.plot(two, rows, "o", color=agent_colour("ppo"), ms=6, label="given by listeners")
    for (name, value), height in zip(
        marks.items(), (-1.75, -1.25, -0.75), strict=False
    ):
        ax.axvline(value, color="black", ls=":", lw=1.5)
        side = "right" if name == "random" else "left"
        ax.text(value, height, f" {name} ", va="center", ha=side, fontsize=9)
    ax.set(
        yticks=rows,
        yticklabels=[f"seed {row}" for row in rows],
        ylim=(len(one) - 0.5, -2.1),
        xlim=(7, 14),
    )
    ax.set_xlabel("songs heard a session, PPO trained offline")
    ax.legend(frameon=True, loc="upper right", fontsize=9)
    return ax


def recovery_picture(ax: Axes, recovered: ArrayLike, sessions: ArrayLike) -> Axes:
    """Share of the loss made good [seeds, points] over ``sessions`` [points]: mean and 95% interval over seeds."""
    values, x = 100 * np.asarray(recovered, np.float64), np.asarray(sessions)
    found = [mean_interval(column) for column in values.T]
    colour = agent_colour("ppo")
    ax.vlines(
        x,
        [i.low for i in found],
        [i.high for i in found],
        color=colour,
        lw=14,
        alpha=PALE,
    )
    ax.plot(x, [i.mean for i in found], "o", color=colour, ms=6)
    ax.axhline(80, color="black", ls=":", lw=1.5)
    ax.text(20, 82, "80%", va="bottom")
    ax.set(xlim=(-150, x[-1] + 150), ylim=(-10, 125), ylabel="% of the loss made good")
    ax.set_xlabel("sessions the learner has played since the turn")
    return ax


def lies_picture(ax: Axes, lied: Sequence[Lied]) -> Axes:
    """Round by round, means over seeds: what was reported of learner and keeper, and what the learner's listeners felt.

    The red ground marks the two rounds after the lies if an alarm went there for every seed.
    """
    number, lie = np.arange(1, len(lied[0].rounds) + 1), len(lied[0].rounds) - 2
    ax.axvspan(0.5, lie + 0.5, color="#FBF6CC", lw=0, zorder=0)
    ax.text(0.7, 13.6, "feedback turned round", va="top", fontsize=9)
    series = (
        ("learner", "learner, reported", PALETTE[5], "o"),
        ("keeper", "keeper, reported", PALETTE[0], "s"),
        ("truth", "learner, in truth", "black", "D"),
    )
    for name, label, colour, marker in series:
        y = np.mean([[getattr(r, name) for r in one.rounds] for one in lied], axis=0)
        ax.plot(number, y, color=colour, lw=6, alpha=PALE / 1.5)
        ax.plot(number, y, marker, color=colour, ms=3, markevery=(1, 2), label=label)
    if all(any(r.alarm for r in one.rounds[lie:]) for one in lied):
        ax.axvspan(lie + 0.5, lie + 2.5, color="#FBE3E6", lw=0, zorder=0)
        ax.text(
            lie + 0.3,
            2.8,
            "alarm: back to the keeper ",
            ha="right",
            va="center",
            color="#B00020",
        )
    ax.set(xlim=(0.5, number[-1] + 0.7), ylim=(2, 14), xticks=number[1::2])
    ax.set(xlabel="round", ylabel="songs heard a session")
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def draw_loop(figure: Figure) -> None:
    """The lesson in boxes: log, model, offline training, live rounds, and back."""
    ax = figure.subplots()
    ax.set(xlim=(0, 10), ylim=(0, 4))
    ax.axis("off")
    boxes = {
        "the shop's log\n1,000 evenings": (1.3, 2.9, PALETTE[4]),
        "a model of\nlisteners": (3.8, 2.9, PALETTE[4]),
        "PPO, offline\nnobody listens": (6.3, 2.9, PALETTE[1]),
        "PPO, live\nlisteners react": (8.8, 2.9, PALETTE[2]),
        "every play logged\nwith its chance": (8.8, 0.7, PALETTE[2]),
        "worse than the\nlast good one?": (5.6, 0.7, PALETTE[5]),
    }
    for words, (x, y, colour) in boxes.items():
        ax.text(
            x,
            y,
            words,
            ha="center",
            va="center",
            fontsize=10,
            bbox={
                "boxstyle": "round,pad=0.5",
                "facecolor": colour,
                "alpha": 0.3,
                "edgecolor": colour,
            },
        )
    arrow = {"arrowstyle": "-|>", "lw": 2, "color": "#444444"}
    for start, end in (
        ((2.25, 2.9), (2.95, 2.9)),
        ((4.65, 2.9), (5.3, 2.9)),
        ((7.3, 2.9), (7.9, 2.9)),
        ((8.8, 2.35), (8.8, 1.25)),
        ((7.65, 0.7), (6.75, 0.7)),
    ):
        ax.annotate("", end, start, arrowprops=arrow)
    ax.annotate(
        "", (8.0, 2.35), (6.3, 1.25), arrowprops=arrow | {"ls": "-", "color": "#B00020"}
    )
    ax.text(
        6.5,
        1.9,
        "yes: go back\nto that one",
        ha="right",
        va="center",
        fontsize=9,
        color="#B00020",
    )
    ax.text(7.6, 3.65, "promise meets truth here", ha="center", fontsize=9)


def draw_probation(figure: Figure) -> None:
    """Thirteen checkpoints in a row, a lie of four rounds, probation of four: which one is good at the alarm."""
    ax = figure.subplots()
    ax.set(xlim=(0.2, 12.6), ylim=(-1.55, 1.6))
    ax.axis("off")
    ax.axvspan(5.5, 9.5, ymin=0.36, ymax=0.68, color="#F0E442", alpha=0.45, lw=0)
    ax.text(7.5, 0.75, "four rounds of lies", ha="center", fontsize=10)
    for number in range(1, 11):
        told_lies = number > 6
        ax.plot(number, 0, "o", ms=22, color=PALETTE[5] if told_lies else PALETTE[2])
        ax.text(
            number,
            0,
            str(number),
            ha="center",
            va="center",
            color="white",
            fontsize=10,
            weight="bold",
        )
    ax.text(
        10.45,
        0,
        " alarm: the first honest round",
        va="center",
        fontsize=10,
        color="#B00020",
    )
    ax.annotate(
        "",
        (5, -0.35),
        (10, -0.35),
        arrowprops={
            "arrowstyle": "-|>",
            "lw": 2,
            "color": "#B00020",
            "connectionstyle": "arc3,rad=-0.3",
        },
    )
    ax.text(
        7.5,
        -1.35,
        "back to checkpoint 5: four rounds passed after it without an alarm",
        ha="center",
        fontsize=10,
    )
    ax.text(
        0.5,
        1.35,
        "what plays in each round, made from the rounds before it; orange: made from lies",
        fontsize=10,
    )


FIGURES = {
    "14_from_log_to_live.png": (draw_loop, (9.0, 3.2)),
    "14_probation.png": (draw_probation, (9.6, 2.6)),
}
