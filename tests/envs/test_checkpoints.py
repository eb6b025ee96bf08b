"""Every environment, stored and restored within an episode, goes on bit-identically."""

import numpy as np
import pytest

from rlrec.datasets import load_ratings
from rlrec.envs import GenreBatch, ListeningBatch, RatingsBatch
from rlrec.errors import ConfigError


def made(name):
    if name == "genre":
        return GenreBatch(6, user="flighty")
    if name == "ratings":
        return RatingsBatch(6, load_ratings("generated"))
    return ListeningBatch(6, observe="ids", taste_drift=0.1)


def play(env, rng, steps):
    seen = []
    for _ in range(steps):
        allowed = env.allowed() if hasattr(env, "allowed") else None
        actions = (
            None
            if allowed is None
            else np.array(
                [rng.choice(np.flatnonzero(row | ~row.any())) for row in allowed]
            )
        )
        chosen = rng.integers(5, size=6) if actions is None else actions
        observation, reward, terminated, truncated, _ = env.step(chosen)
        seen.append((observation, reward, terminated, truncated))
    return seen


@pytest.mark.parametrize("name", ["genre", "ratings", "listening"])
def test_an_episode_goes_on_where_it_stood(name):
    one, other = made(name), made(name)
    one.reset(seed=4)
    play(one, np.random.default_rng(0), 17)
    other.restore(one.state())
    for first, second in zip(
        *(play(env, np.random.default_rng(1), 40) for env in (one, other)), strict=True
    ):
        for a, b in zip(first, second, strict=True):
            if isinstance(a, dict):
                assert all((a[key] == b[key]).all() for key in a)
            else:
                np.testing.assert_array_equal(a, b)


def test_a_stored_state_is_a_copy():
    env = made("listening")
    env.reset(seed=0)
    state = env.state()
    before = {name: values.copy() for name, values in state.items()}
    play(env, np.random.default_rng(0), 5)
    assert all((state[name] == before[name]).all() for name in state)


@pytest.mark.parametrize("name", ["genre", "ratings", "listening"])
def test_another_batch_is_refused(name):
    env = made(name)
    env.reset(seed=0)
    with pytest.raises(ConfigError, match="make the environment as it was"):
        ListeningBatch(5, observe="ids").restore(env.state())
