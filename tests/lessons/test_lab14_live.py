"""Lesson 14: the shop and its log, the monitor, a log's weights, the pictures."""

from pathlib import Path
from types import SimpleNamespace

import lab14_live as lab14
import numpy as np
import pytest
from lesson_checks import assert_no_tensorflow, words
from matplotlib.figure import Figure

from rlrec.logs.learned import ListenerModel, plays_of
from rlrec.logs.live import (
    LiveConfig,
    LiveListening,
    LiveRound,
    LiveTraining,
    StatedPolicy,
    checkpoint,
    serve,
)

# -- the shop


def test_a_seed_gives_one_log_and_another_seed_other_listeners():
    one = SHOP.shop_log(0, 50)
    same = SHOP.shop_log(0, 50)
    other = SHOP.shop_log(1, 50)
    np.testing.assert_array_equal(one.tracks, same.tracks)
    assert len(one) != len(other) or (one.tracks != other.tracks).any()
    assert np.isfinite(one.propensity).all()
    assert one.propensity.min() >= 0.2 / 20 - 1e-6


@pytest.mark.parametrize(("side", "sign"), [(lab14.OLD, 1), (lab14.NEW, -1)])
def test_the_crowd_leans_and_a_policy_that_knows_the_lean_profits_from_it(side, sign):
    loud = lab14.default_catalogue().sound[:, 0]
    with_it = lab14.songs_heard(StatedPolicy(sign * loud), side)
    against_it = lab14.songs_heard(StatedPolicy(-sign * loud), side)
    assert with_it > against_it + 3


def test_what_the_model_promises_the_shop_is_what_the_log_says():
    log = SHOP.shop_log(0)
    model = ListenerModel(plays_of(log, SHOP.song_ids), lab14.default_catalogue())
    promised = lab14.songs_promised(lab14.Drawn(SHOP.shop), model)
    assert promised == pytest.approx((~log.skipped).sum() / 1000, abs=0.6)


def test_songs_drawn_come_by_their_chances():
    policy = StatedPolicy(np.array([0.0, 1.0, 2.0]))
    seen = {"candidates": np.tile([0, 1, 2], (20_000, 1))}
    drawn = np.bincount(lab14.Drawn(policy).recommend(seen)[:, 0]) / 20_000
    stated = policy.probabilities(seen)[1][0]
    np.testing.assert_allclose(drawn, stated, atol=0.012)


# -- fine-tuning


class Fixed:
    """Plays the candidate in one place; learning changes nothing."""

    def __init__(self, place=0):
        self.place = place

    def probabilities(self, observations):
        offered = observations["candidates"]
        return offered, np.eye(offered.shape[1])[np.full(len(offered), self.place)]

    def recommend(self, observations, k=1):
        return observations["candidates"][:, self.place][:, None]

    def train(self, env, steps, *, seed=0):
        env.reset(seed=seed)
        while not env.over.all():
            env.step(np.full(env.num_envs, self.place))

    def state(self):
        return {"place": np.array(self.place)}

    def restore(self, state, env=None):
        self.place = int(state["place"])


def test_a_fork_stands_where_the_training_stood_and_leaves_it_alone():
    agent = Fixed(1)
    keeper = Fixed(2)
    config = LiveConfig(8, 8)
    start = LiveTraining(agent, keeper, config, seed=3)
    start.round(lab14.world(lab14.OLD))
    start.round(lab14.world(lab14.OLD))
    ends = []
    for _ in range(2):
        agent.restore({"place": np.array(1)})
        forked = lab14.fork(LiveTraining(agent, keeper, config, seed=3), start)
        ends.append([forked.round(lab14.world(lab14.NEW)) for _ in range(3)])
    assert ends[0] == ends[1]
    assert start.number == 2
    assert len(start.monitor.waiting) == 2
    assert ends[0][0].number == 3


def test_turning_round_and_lying_keep_their_books():
    training = LiveTraining(Fixed(), Fixed(), LiveConfig(8, 8), seed=0)
    turned = lab14.turn_round(training, rounds=4)
    assert turned.curve.shape == (3,)
    assert len(turned.rounds) == 4
    np.testing.assert_allclose(turned.curve, turned.curve[0])  # it learns nothing
    learned = turned._replace(curve=np.array([4.0, 6.0, 10.0]))
    np.testing.assert_allclose(learned.recovered(12.0), [0, 0.25, 0.75])
    lied = lab14.tell_lies(training, rounds=3)
    assert len(lied.rounds) == 5
    assert lied.before == lied.after == lied.restored
    true = [one.learner == one.truth for one in lied.rounds]
    assert not all(true[:3])
    assert all(true[3:])


def test_agents_start_anew_from_a_seed():
    agent = lab14.new_agent(0)
    lab14.restart(agent, 5)
    for name, values in checkpoint(lab14.new_agent(5)).items():
        np.testing.assert_array_equal(checkpoint(agent)[name], values)


# -- the monitor's chances


def test_chances_beside_many_rounds_of_normal_numbers():
    found = lab14.alarm_probabilities(1.5, 64, 0.01, 10)
    rng = np.random.default_rng(0)
    difference = rng.normal(-1.5, lab14.SESSION_SD * np.sqrt(2 / 64), (20_000, 10))
    alarm = (difference < found.threshold).any(axis=1)
    assert alarm.mean() == pytest.approx(found.alarm[-1], abs=0.01)
    assert found.false_alarm[-1] == pytest.approx(1 - 0.99**10)


def test_no_loss_is_the_false_alarm_and_more_sessions_see_more():
    nothing = lab14.alarm_probabilities(0.0, 256, 0.01, 5)
    np.testing.assert_allclose(nothing.alarm, nothing.false_alarm)
    many = lab14.alarm_probabilities(1.0, 1024, 0.01, 5)
    few = lab14.alarm_probabilities(1.0, 64, 0.01, 5)
    assert many.alarm[0] > few.alarm[0]


def test_every_control_changes_the_widget():
    lab = lab14.monitor_lab()
    first = lab.line.value
    for values in ({"loss": 3.0}, {"sessions": 16}, {"level": 0.05}, {"rounds": 60}):
        lab.set(**values)
        assert lab.line.value != first
        first = lab.line.value


def test_the_spread_of_sessions_is_what_the_widget_takes():
    env = lab14.world(lab14.OLD)(2000)
    returns = serve(env, SHOP.shop, seed=9, rng=np.random.default_rng(0))
    assert returns.std() == pytest.approx(lab14.SESSION_SD, abs=0.2)


# -- first songs


def test_weighing_the_log_finds_what_trying_finds_and_other_ways_do_not():
    weighted = []
    unweighted = []
    heard = []
    for seed in range(6):
        log = lab14.catalogue_log(seed)
        assert log.shop.sum() == pytest.approx(1.0)
        assert log.shy.sum() == pytest.approx(1.0)
        np.testing.assert_allclose(log.propensity, log.shop[log.songs])
        shy = log.shy[log.songs]
        weighted.append((shy / log.propensity * log.heard).mean())
        unweighted.append((shy * log.heard).sum() / shy.sum())
        heard.append(log.heard.mean())
    truth = lab14.tried_out(log.shy)
    assert np.mean(weighted) == pytest.approx(truth, abs=0.02)
    assert np.mean(unweighted) > truth + 0.07
    assert lab14.tried_out(log.shop) == pytest.approx(np.mean(heard), abs=0.02)


# -- pictures


@pytest.mark.parametrize("name", lab14.FIGURES)
def test_figures_draw(name):
    draw, size = lab14.FIGURES[name]
    figure = Figure(figsize=size)
    draw(figure)
    assert figure.axes


def test_pictures_of_results_show_each_seed_and_each_round():
    ax = Figure().subplots()
    lab14.promises_picture(ax, [11.0, 12.0], [9.0, 10.0], {"shop": 8.0})
    assert words(ax.get_yticklabels()) == ["seed 0", "seed 1"]
    rounds = [LiveRound(n, 9.0, 9.0, 8.0, 0.5, n == 4, False) for n in range(1, 5)]
    lied = lab14.Lied(10.0, 5.0, 10.0, rounds)
    ax = lab14.lies_picture(Figure().subplots(), [lied, lied])
    assert "alarm" in ax.texts[-1].get_text()
    ax = lab14.recovery_picture(Figure().subplots(), [[0.0, 0.5], [0.0, 0.7]], [0, 512])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.0, 60.0])


def test_seconds_are_measured():
    assert lab14.learning_seconds(512, "/CPU:0", steps=1024) > 0


def test_importing_the_lab_does_not_import_tensorflow():
    assert_no_tensorflow("import lab14_live")


def from_the_notebook(first_line: str, **names) -> SimpleNamespace:
    """What the notebook's cell that begins with ``first_line`` defines."""
    text = Path(lab14.__file__).parent / "text" / "14_from_logs_to_live.md"
    cells = text.read_text("utf-8").split("```python\n")
    (cell,) = (part for part in cells if part.startswith(first_line))
    exec(cell.partition("```")[0].partition("\nlog = ")[0], names)
    return SimpleNamespace(**names)


SHOP = from_the_notebook(
    "CROWD = {",
    np=np,
    default_catalogue=lab14.default_catalogue,
    StatedPolicy=StatedPolicy,
    LiveListening=LiveListening,
    serve=serve,
)


def test_the_notebooks_crowd_is_the_labs():
    assert SHOP.CROWD == lab14.CROWD
    assert lab14.OLD == 0.0
