"""What a song is worth as the first play of a session: exactly, and by simulation.

A listener's taste is given; mood and restlessness are those of a new session.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from rlrec.envs.catalogue import SOUND_DIMENSIONS, default_catalogue
from rlrec.envs.dials import Dials
from rlrec.envs.listeners import (
    DRAWS,
    LIKE_LOGIT,
    RESTLESS_SD,
    START_LOGIT,
    Feedback,
    Listeners,
)
from rlrec.envs.rewards import FractionReward, Reward
from rlrec.types import Floats, Ids

DEFAULT_REWARD = FractionReward()


def random_tastes(count: int, seed: int) -> Floats:
    """Random tastes [count, 5], unit vectors as the simulator draws them.

    >>> random_tastes(1, seed=0).round(3).tolist()
    [[0.146, -0.153, 0.744, 0.122, -0.622]]
    """
    direction = np.random.default_rng(seed).normal(size=(count, SOUND_DIMENSIONS))
    tastes: Floats = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    return tastes


def first_plays(
    songs: Ids,
    rng: np.random.Generator,
    tastes: Floats | None = None,
    dials: Dials | None = None,
) -> Feedback:
    """Play ``songs`` [n] to n new listeners, each as the first song of a session.

    Tastes are drawn from ``tastes`` [people, 5]; None: new ones, as ``dials`` say.
    """
    count = len(songs)
    listeners = Listeners(count, default_catalogue(), dials or Dials())
    listeners.begin(np.arange(count), rng.random((8, count)))
    if tastes is not None:
        drawn = rng.integers(len(tastes), size=count)
        listeners.taste[:] = tastes[drawn]
    return listeners.react(songs, rng.random((DRAWS, count)))


def outcome_means(reward: Reward, grid: int = 2000) -> Floats:
    """Mean reward of a skip, of a song heard without a like, and of a liked one: [3].

    The mean is over ``grid`` equally likely values of the fraction heard.
    """
    listeners = Listeners(3 * grid, default_catalogue(), Dials())
    draws = np.full((DRAWS, 3 * grid), 0.5)
    # 0 is below the probability of a skip, 1 above it; likewise for a like
    draws[0] = np.repeat([0.0, 1.0, 1.0], grid)
    draws[1] = np.repeat([0.5, 1.0, 0.0], grid)
    middles = (np.arange(grid) + 0.5) / grid
    draws[3] = np.tile(middles, 3)
    heard = listeners.react(np.zeros(3 * grid, np.int64), draws)
    rewards = reward(*heard).reshape(3, grid)
    means: Floats = rewards.mean(axis=1)
    return means


def first_play_value(
    tastes: Floats,
    reward: Reward = DEFAULT_REWARD,
    nodes: int = 9,
) -> Floats:
    """Expected reward of each song as a first play: ``tastes`` [n, 5] -> [n, songs].

    No random numbers: a grid over the fraction heard and ``nodes`` Gauss-Hermite nodes
    over restlessness are the only approximation.

    >>> first_play_value(random_tastes(2, seed=0)).shape
    (2, 2000)
    """
    catalogue = default_catalogue()
    skip, heard, liked = outcome_means(reward)
    listeners = Listeners(len(tastes), catalogue, Dials())
    listeners.taste[:] = tastes
    shape = (len(tastes), len(catalogue))
    songs = np.broadcast_to(np.arange(len(catalogue)), shape)
    like = expit(LIKE_LOGIT + listeners.pull(songs))  # [n, songs], if not skipped
    kept = (1.0 - like) * heard + like * liked
    value = np.zeros(songs.shape)
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weights /= weights.sum()
    for point, weight in zip(RESTLESS_SD * points, weights, strict=True):
        listeners.restless[:] = point
        mood_1 = expit(START_LOGIT + point)
        for mood, probability in ((0, 1.0 - mood_1), (1, mood_1)):
            listeners.mood[:] = mood
            skipped = listeners.skip_probability(songs)
            expected = skipped * skip + (1.0 - skipped) * kept
            value += weight * probability * expected
    return value
