"""Serving, logging, monitor, fine-tuning: by hand, with stand-ins, and with PPO."""

import numpy as np
import pytest
from scipy import stats

from rlrec.datasets import load_sessions
from rlrec.envs import ListeningBatch, default_catalogue
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation import simulate
from rlrec.logs.live import (
    LiveConfig,
    LiveListening,
    LiveTraining,
    StatedPolicy,
    checkpoint,
    inverted_feedback,
    serve,
)
from rlrec.logs.monitor import Monitor, false_alarm_probability, welch
from rlrec.logs.session_files import append_sessions

SONGS = len(default_catalogue())


class Fixed:
    """A stand-in for an agent that learns and is set back: plays a fixed candidate."""

    def __init__(self, place=0):
        self.place = place

    def probabilities(self, observations):
        offered = observations["candidates"]
        chances = np.zeros(offered.shape)
        chances[:, self.place] = 1.0
        return offered, chances

    def recommend(self, observations, k=1):
        return observations["candidates"][:, self.place][:, None]

    def train(self, env, steps, *, seed=0):
        env.reset(seed=seed)
        while not env.over.all():
            env.step(np.full(env.num_envs, self.place))
        self.place += 1

    def state(self):
        return {"place": np.array(self.place), "env_steps": np.zeros(3)}

    def restore(self, state, env=None):
        self.place = int(state["place"])


def uniform():
    return StatedPolicy(np.zeros(SONGS), uniform_share=1.0)


def served(seed=3, rows=40, **settings):
    env = LiveListening(rows, **settings)
    returns = serve(env, uniform(), seed=seed, rng=np.random.default_rng(0))
    return env, returns


# -- serving and logging ---------------------------------------------------------------


def test_serving_one_sure_policy_earns_what_simulate_says():
    returns = serve(LiveListening(50), Fixed(2), seed=7, rng=np.random.default_rng(0))
    np.testing.assert_allclose(
        returns, simulate(ListeningBatch(50, observe="ids"), Fixed(2), seed=7)
    )


def test_songs_are_drawn_as_often_as_stated():
    scores = np.random.default_rng(0).normal(size=SONGS)
    env = LiveListening(6000, n_candidates=3)
    policy = StatedPolicy(scores, uniform_share=0.3)
    env.policy = policy
    observation, _ = env.reset(seed=0)
    env.candidates[:] = [5, 17, 900]
    first = {**observation, "candidates": env.candidates.copy()}
    stated = policy.probabilities(first)[1][0]
    weight = np.exp(scores[[5, 17, 900]])
    np.testing.assert_allclose(stated, 0.1 + 0.7 * weight / weight.sum())

    class Once(LiveListening):
        def reset(self, **options):
            super().reset(**options)
            self.candidates[:] = [5, 17, 900]
            self._seen = self._observe()
            return self._seen, {}

    env = Once(6000, n_candidates=3)
    serve(env, policy, seed=0, rng=np.random.default_rng(1))
    _, _, songs, _, propensity = env.plays[0]
    shares = [(songs == song).mean() for song in (5, 17, 900)]
    np.testing.assert_allclose(shares, stated, atol=0.02)
    for song, chance in zip((5, 17, 900), stated, strict=True):
        np.testing.assert_allclose(propensity[songs == song], chance)


def test_each_row_plays_one_session_and_every_play_is_logged_once():
    env, returns = served()
    log = env.log(session=4)
    played = np.bincount(log.users, minlength=40)
    assert (played >= 10).all()
    assert (played <= 20).all()
    np.testing.assert_allclose(
        returns, np.bincount(log.users, ~log.skipped, minlength=40)
    )  # binary: songs heard
    twice = {0.1, 0.2}  # a song may stand on offer twice
    assert set(log.propensity.round(6).tolist()) <= set(
        np.float32(list(twice)).round(6).tolist()
    )
    assert set(log.sessions) == {4}
    for user in (0, 39):
        assert log.positions[log.users == user].tolist() == list(
            range(1, played[user] + 1)
        )


def test_a_log_without_a_policy_has_no_propensities():
    env = LiveListening(2)
    env.reset(seed=0)
    env.step(np.zeros(2, np.int64))
    assert np.isnan(env.log().propensity).all()
    with pytest.raises(ConfigError, match="track_ids"):
        env.log(["just one"])


def test_a_log_grows_round_by_round_and_reads_back(tmp_path):
    path = tmp_path / "live.csv"
    logs = [served(seed)[0].log(first_user=100 * seed, session=seed) for seed in (1, 2)]
    for log in logs:
        append_sessions(path, log)
    found = load_sessions(path)
    assert len(found) == len(logs[0]) + len(logs[1])
    assert not found.report.rejected
    second = found.users >= 40
    np.testing.assert_array_equal(
        found.track_ids[found.tracks[second]], logs[1].track_ids[logs[1].tracks]
    )
    np.testing.assert_allclose(found.propensity[second], logs[1].propensity, rtol=1e-6)
    np.testing.assert_array_equal(found.skipped[second], logs[1].skipped)


def test_the_same_session_twice_or_another_kind_of_file_is_refused(tmp_path):
    path, log = tmp_path / "live.csv", served()[0].log()
    append_sessions(path, log)
    before = path.read_bytes()
    with pytest.raises(DataError, match="there already"):
        append_sessions(path, log)
    assert path.read_bytes() == before
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="row 1"):
        append_sessions(path, log)


# -- feedback that lies ----------------------------------------------------------------


def test_poison_turns_reports_round_and_leaves_the_listeners_alone():
    honest, lying = LiveListening(30), LiveListening(30, poisoned=True)
    honest.reset(seed=5), lying.reset(seed=5)
    for _ in range(10):  # no session is shorter
        (seen, pay, *_), (told, lie, *_) = (
            env.step(np.ones(30, np.int64)) for env in (honest, lying)
        )
        np.testing.assert_allclose(lie, 1.0 - pay)
        np.testing.assert_allclose(
            inverted_feedback(seen["feedback"][:, -1]), told["feedback"][:, -1]
        )
        np.testing.assert_array_equal(honest.listeners.mood, lying.listeners.mood)
        np.testing.assert_array_equal(honest.over, lying.over)
    np.testing.assert_allclose(honest.truth, honest.returns)
    np.testing.assert_allclose(lying.truth, honest.truth)


def test_rows_that_are_done_earn_nothing_more():
    env = LiveListening(20)
    env.reset(seed=0)
    for _ in range(20):
        env.step(np.zeros(20, np.int64))
    assert env.over.all()
    returns, plays = env.returns.copy(), len(env.log())
    _, reward, terminated, _, _ = env.step(np.zeros(20, np.int64))
    assert env.over.all()
    assert not reward.any()
    assert not terminated.any()
    np.testing.assert_array_equal(env.returns, returns)
    assert len(env.log()) == plays


# -- the monitor -----------------------------------------------------------------------


def test_welch_by_hand():
    """Means 2 and 6, variances 1 and 7, n = 3: t = -4 / sqrt(8/3).

    df = (8/3)^2 / ((1/3)^2/2 + (7/3)^2/2).
    """
    t = -4 / np.sqrt(8 / 3)
    df = (8 / 3) ** 2 / ((1 / 3) ** 2 / 2 + (7 / 3) ** 2 / 2)
    assert welch([1.0, 2.0, 3.0], [4.0, 5.0, 9.0]) == pytest.approx(stats.t.cdf(t, df))
    assert welch([1.0, 1.0], [1.0, 1.0]) == 1.0
    assert welch([1.0, 1.0], [2.0, 2.0]) == 0.0
    with pytest.raises(ConfigError, match="2 numbers"):
        welch([1.0], [1.0, 2.0])


def test_false_alarms_come_as_often_as_the_level_says():
    """1,500 pairs of rounds of one policy, on (not normal) returns of sessions."""
    _, returns = served(seed=11, rows=4000)
    rng = np.random.default_rng(0)
    p = np.array(
        [welch(rng.choice(returns, 256), rng.choice(returns, 256)) for _ in range(1500)]
    )
    for level in (0.05, 0.01):
        assert (p < level).mean() == pytest.approx(
            level, abs=3.5 * np.sqrt(level / 1500)
        )
    assert false_alarm_probability(1, 0.01) == pytest.approx(0.01)


def test_monitor_by_hand():
    good, bad, control = np.arange(10.0), np.arange(10.0) - 20, np.arange(10.0)
    monitor = Monitor("a", level=0.01, probation=2)
    verdicts = [monitor.judge(name, good, control) for name in "bcd"]
    assert [v.promoted for v in verdicts] == [False, False, True]
    assert monitor.good == "b"
    assert monitor.judge("e", bad, control).alarm
    assert monitor.good == "b"
    assert not monitor.waiting  # those on probation are forgotten with the alarm
    with pytest.raises(ConfigError, match="level"):
        Monitor("a", level=0.0)


@pytest.mark.parametrize("lie", [1, 5, 10])
@pytest.mark.parametrize("start", range(1, 13))
def test_a_lie_no_longer_than_the_probation_never_becomes_the_good_checkpoint(
    lie, start
):
    """Rounds ``start`` .. ``start + lie - 1`` are poisoned; the next alarms."""
    good, bad = np.arange(10.0), np.arange(10.0) - 20
    monitor = Monitor(0, level=0.01, probation=10)
    for number in range(1, start + lie + 1):
        verdict = monitor.judge(number, bad if number == start + lie else good, good)
    assert verdict.alarm
    assert (
        monitor.good <= start
    )  # what played in round `start` had learned from honest rounds only


# -- fine-tuning -----------------------------------------------------------------------


def test_rounds_with_a_stand_in_learn_judge_log_and_go_back(tmp_path):
    """The learner's place goes up by one a round; place 3 makes every song a skip."""

    class World(LiveListening):
        def _advance(self, actions):
            _reward, *ends = super()._advance(actions)
            return np.where(actions == 3, 0.0, 1.0 + 0.1 * (self._rows % 3)), *ends

    agent, keeper, path = Fixed(), Fixed(9), tmp_path / "live.csv"
    config = LiveConfig(listeners=30, control=20, level=0.01, probation=2)
    training = LiveTraining(agent, keeper, config, seed=1, path=path)
    assert keeper.place == 0
    rounds = [training.round(World) for _ in range(4)]
    assert [r.alarm for r in rounds] == [False, False, False, True]
    assert [r.promoted for r in rounds] == [False, False, True, False]
    assert (
        agent.place == keeper.place == 0
    )  # back to what played in round 1, the checkpoint that was promoted
    assert rounds[3].learner == 0.0
    assert rounds[3].keeper > 10
    log = load_sessions(path)
    assert len(log.user_ids) == 4 * (30 + 20)
    assert set(log.sessions.tolist()) == {0, 1, 2, 3}
    assert (log.propensity == 1.0).all()


def test_alarms_may_be_noted_only():
    class Doom(LiveListening):
        def _advance(self, actions):
            _reward, *ends = super()._advance(actions)
            return self._rows % 2 * 0.1 + np.where(actions > 0, 0.0, 1.0), *ends

    agent = Fixed()
    training = LiveTraining(agent, Fixed(), LiveConfig(20, 20, rollback=False))
    assert [training.round(Doom).alarm for _ in range(3)] == [False, True, True]
    assert agent.place == 3


def test_a_round_that_cannot_be_logged_is_rolled_back_all_the_same(tmp_path):
    """The log was written before the test, so a full disk kept a harmful learner."""

    class Doom(LiveListening):
        def _advance(self, actions):
            _reward, *ends = super()._advance(actions)
            return self._rows % 2 * 0.1 + np.where(actions > 0, 0.0, 1.0), *ends

    agent, path = Fixed(), tmp_path / "live.csv"
    training = LiveTraining(agent, Fixed(), LiveConfig(20, 20), path=path)
    training.round(Doom)
    assert agent.place == 1
    path.write_text("a,b\n")
    with pytest.raises(DataError, match="row 1"):
        training.round(Doom)
    assert agent.place == 0


def ppo(seed=0, rollout=20):
    from rlrec.agents.ppo import PPO, PPOConfig

    config = PPOConfig(
        rollout=rollout,
        minibatch=160,
        epochs=4,
        learning_rate=1e-2,
        hidden=(16,),
        anneal=False,
        entropy=0.05,
    )
    return PPO(default_catalogue().sound, config, seed=seed)


def world(rows):
    return LiveListening(
        rows,
        n_candidates=20,
        history=20,
        taste_focus=5.0,
        taste_strength=3.0,
        long_term_effect=0.3,
    )


@pytest.fixture(scope="module")
def tuned():
    """Three rounds of PPO, and a checkpoint before each."""
    agent, keeper = ppo(), ppo(1)
    training = LiveTraining(agent, keeper, LiveConfig(64, 64, probation=1), seed=2)
    record = []
    for _ in range(3):
        record.append((checkpoint(agent), training.round(world)))
    return agent, keeper, record


def test_ppo_learns_in_rounds_and_its_propensities_are_its_own(tuned):
    agent, _, _ = tuned
    env = world(32)
    serve(env, agent, seed=1, rng=np.random.default_rng(0))
    rows, _, songs, _, chances = env.plays[0]
    offered, said = agent.probabilities(env.reset(seed=1)[0])
    np.testing.assert_allclose(
        chances, said[rows, (offered == songs[:, None]).argmax(axis=1)], rtol=1e-6
    )
    np.testing.assert_allclose(said.sum(axis=1), 1.0, rtol=1e-5)


def test_a_checkpoint_brings_back_the_policy_bit_by_bit_and_learning_goes_on_the_same(
    tuned,
):
    agent, keeper, record = tuned
    observation, _ = world(16).reset(seed=0)
    assert record[2][1].promoted
    for name, values in checkpoint(keeper).items():  # what was promoted is what plays
        np.testing.assert_array_equal(values, record[1][0][name])
    ends = []
    for _ in range(2):
        agent.restore(record[0][0])
        agent.train(world(64), 1, seed=5)
        ends.append(agent.probabilities(observation)[1])
    np.testing.assert_array_equal(*ends)


def test_a_round_that_cuts_sessions_short_is_refused():
    agent = Fixed()
    agent.train = lambda env, steps, seed=0: env.reset(seed=seed)
    with pytest.raises(ConfigError, match="rollout"):
        LiveTraining(agent, Fixed(), LiveConfig(4, 4)).round(LiveListening)
