"""Named settings, and churn: by hand, against a plain loop, off by default."""

import gymnasium
import numpy as np
import pytest

from rlrec.agents import PopularityPolicy, RandomPolicy
from rlrec.envs import (
    Dials,
    Listeners,
    ListeningBatch,
    default_catalogue,
    named_setting,
)
from rlrec.errors import ConfigError
from rlrec.evaluation.simulate import play, simulate


def batch(num_envs=40, **settings):
    return ListeningBatch(num_envs, observe="ids", history=20, **settings)


def random_policy():
    return RandomPolicy(len(default_catalogue()), np.random.default_rng(0))


def test_the_named_settings():
    assert named_setting("teaching") == {
        "taste_strength": 1.5,
        "long_term_effect": 1.0,
    }
    assert vars(Dials()) == vars(Dials(**named_setting("teaching")))
    dials = batch(1, setting="realistic", churn=0.5).listeners.dials
    assert (dials.taste_strength, dials.long_term_effect, dials.churn) == (0.3, 0, 0.5)
    assert batch(1, setting="realistic", taste_strength=2).listeners.dials == Dials(
        taste_strength=2, long_term_effect=0
    )
    with pytest.raises(ConfigError, match="choose one of teaching, realistic"):
        named_setting("real")


def test_the_probability_of_leaving_by_hand():
    """churn .4: .4 (0 + 0) / 2 = 0, .4 (1 + 0) / 2 = .2, .4 (1 + 1) / 2 = .4."""
    one = Listeners(1, default_catalogue(), Dials(churn=0.4))
    skipped = np.array([False, True, False, True])
    mood = np.array([0, 0, 1, 1])
    assert one.leaving(skipped, mood).tolist() == [0.0, 0.2, 0.2, 0.4]
    # probabilities in place of reactions: .4 (.5 + .25) / 2 = .15
    assert one.leaving(np.array([0.5]), np.array([0.25]))[0] == pytest.approx(0.15)


def test_without_churn_nobody_leaves():
    env = batch(300)
    lengths = play(env, random_policy(), seed=3).lengths()
    env.reset(seed=3)
    assert lengths.tolist() == env.listeners.length.tolist()


def test_churn_only_cuts_sessions_short():
    """The same listeners, songs and reactions, until some of them leave."""
    policy = PopularityPolicy(default_catalogue().appeal)
    stay = play(batch(300), policy, seed=5)
    leave = play(batch(300, churn=0.5), policy, seed=5)
    alive = leave.alive
    steps = len(alive)
    assert (alive <= stay.alive[:steps]).all()
    assert alive.sum() < 0.7 * stay.alive.sum()
    for name in ("songs", "skipped", "liked", "rewards"):
        before = getattr(stay, name)[:steps]
        assert (getattr(leave, name)[alive] == before[alive]).all()


def test_a_listener_leaves_as_often_as_the_formula_says():
    """At churn 1 a skip in the skipping mood ends the session, always."""
    env = batch(4000, churn=1.0, action="song")
    env.reset(seed=0)
    env.listeners.length[:] = 20
    _, _, terminated, _, info = env.step(np.full(4000, 7))
    expected = (info["skipped"] * 1 + env.listeners.mood) / 2
    assert set(expected) == {0.0, 0.5, 1.0}
    assert not terminated[expected == 0.0].any()
    assert terminated[expected == 1.0].all()
    share = terminated[expected == 0.5].mean()
    assert abs(share - 0.5) < 0.06


def test_the_return_is_the_songs_heard_until_then():
    """``simulate``, ``play`` and a plain loop over single environments agree."""
    settings = {"observe": "ids", "history": 20, "churn": 0.3, "n_candidates": 5}
    env = ListeningBatch(12, **settings)
    policy = PopularityPolicy(env.catalogue.appeal)
    returns = simulate(env, policy, seed=11)
    assert returns.tolist() == play(env, policy, seed=11).heard().tolist()
    for row in range(12):
        one = gymnasium.make("rlrec/Listening-v0", **settings)
        observation, _ = one.reset(seed=11 + row)
        heard, over = 0.0, False
        while not over:
            offered = env.catalogue.appeal[observation["candidates"]]
            observation, _, over, _, info = one.step(int(offered.argmax()))
            heard += not info["skipped"]
        assert heard == returns[row]


def test_leaving_is_deterministic_and_stored():
    first = play(batch(churn=0.4), random_policy(), seed=2)
    again = play(batch(churn=0.4), random_policy(), seed=2)
    assert first.alive.tolist() == again.alive.tolist()
