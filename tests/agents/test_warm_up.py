"""The warm-up: songs are counted, the filter is fitted once, and an agent knows it."""

import numpy as np
import pytest

from rlrec.agents.warm_up import WarmedUp
from rlrec.envs import ListeningBatch, default_catalogue
from rlrec.studies.contestants import make_contestant

CATALOGUE = default_catalogue()


class Listed:
    """Notes what it was trained on."""

    def __init__(self, known_by):
        self.known_by = known_by
        self.trained = []

    def train(self, env, steps, *, seed):
        self.trained.append((steps, self.known_by.reactions.pull.copy()))

    def recommend(self, observations, k=1):
        return observations["candidates"][:, :k]


def world(listeners):
    return ListeningBatch(listeners, "candidate", "ids", history=20)


def test_songs_of_the_warm_up_count(monkeypatch):
    """Pieces of 512, 512, 1,024: 768 at random, then 256 and 1,024 for the agent."""
    one = WarmedUp(Listed, CATALOGUE, 768, seed=0)
    start = one.filter.reactions.pull.copy()
    left = []  # when the filter was fitted
    fit = one.filter.fit
    monkeypatch.setattr(one.filter, "fit", lambda of: left.append(one.left) or fit(of))
    for steps in (512, 512, 1_024):
        one.train(world(32), steps, seed=3)
    assert [steps for steps, _ in one.agent.trained] == [256, 1_024]
    assert left == [0]
    first, second = (pull for _, pull in one.agent.trained)
    assert (first == second).all()
    assert not (first == start).all()


def test_the_warm_up_draws_from_all_on_offer():
    env = world(32)
    places = []
    step = env.step
    env.step = lambda actions: places.append(actions) or step(actions)
    WarmedUp(Listed, CATALOGUE, 3_200, seed=0).train(env, 3_200)
    counts = np.bincount(np.ravel(places), minlength=10)
    # 320 each; four standard deviations of a binomial are 68
    assert np.abs(counts - 320).max() < 68


def test_the_filter_is_that_of_its_sessions_and_the_seed_decides():
    found = []
    for seed in (0, 0, 1):
        one = WarmedUp(Listed, CATALOGUE, 512, seed)
        one.train(world(32), 512, seed=3)
        sessions = one.sessions.state()
        assert ((sessions["history"] >= 0).sum(axis=1) > 0).all()
        found.append(one.filter.reactions.pull)
    assert (found[0] == found[1]).all()
    assert not (found[0] == found[2]).all()


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("ppo", {"policy": "interactions", "rollout": 16, "minibatch": 32}),
        ("ddpg", {"view": "belief", "updates": 4}),
    ],
)
def test_both_agents_decide_with_the_filters_belief(kind, settings):
    """With other reactions of the filter other songs come first."""
    env = world(8)
    own = {**settings, "warm_up": 256}
    one = make_contestant(kind, own, env, 0, 1_024)
    one.train(env, 1_024, seed=1)
    assert one.agent.config.schedule_steps == 1_024 - 256
    observations, _ = world(64).reset(seed=9)
    rng = np.random.default_rng(0)
    observations["history"][:, -3:] = rng.integers(len(CATALOGUE), size=(64, 3))
    observations["feedback"][:, -3:, 2] = rng.integers(2, size=(64, 3))
    before = one.recommend(observations, 10)
    one.filter.reactions.pull = -one.filter.reactions.pull
    one.filter._refresh()
    assert not (one.recommend(observations, 10) == before).all()
