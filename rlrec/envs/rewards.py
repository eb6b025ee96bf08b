"""Rewards: small objects that turn feedback into numbers; print, edit or swap them.

Each is called with a batch of feedback and returns one number a listener:

>>> heard = np.array([0.05, 0.6, 1.0])
>>> liked = np.array([0, 0, 1])
>>> skipped = np.array([1, 0, 0])
>>> BinaryReward()(heard, liked, skipped)
array([0., 1., 1.])
>>> ListenSkipReward()(heard, liked, skipped)
array([-2.,  1.,  1.])
>>> FractionReward(lam=10.0)(heard, liked, skipped)
array([ 0.05,  0.6 , 11.  ])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rlrec.errors import ConfigError
from rlrec.types import Bools, Floats


class Reward(Protocol):
    """Turns fraction heard (0..1), liked and skipped [batch] into rewards [batch]."""

    def __call__(
        self,
        fraction: Floats,
        liked: Bools,
        skipped: Bools,
    ) -> Floats: ...


@dataclass(frozen=True)
class BinaryReward:
    """``listen`` for a song heard, ``skip`` for a song skipped."""

    listen: float = 1.0
    skip: float = 0.0

    def __call__(
        self,
        fraction: Floats,
        liked: Bools,
        skipped: Bools,
    ) -> Floats:
        return np.where(skipped, self.skip, self.listen)


@dataclass(frozen=True)
class ListenSkipReward:
    """A penalty for a skip, and a larger one for an early skip.

    Early is within the first ``early_fraction`` of the song.
    """

    listen: float = 1.0
    skip: float = -1.0
    early_skip: float = -2.0
    early_fraction: float = 0.1  # 0..1 of the song

    def __call__(
        self,
        fraction: Floats,
        liked: Bools,
        skipped: Bools,
    ) -> Floats:
        penalty = np.where(fraction < self.early_fraction, self.early_skip, self.skip)
        return np.where(skipped, penalty, self.listen)


@dataclass(frozen=True)
class FractionReward:
    """``fraction + lam * liked``: how much was heard, and a bonus for a like."""

    lam: float = 1.0  # reward of one like, in whole songs heard; >= 0

    def __call__(
        self,
        fraction: Floats,
        liked: Bools,
        skipped: Bools,
    ) -> Floats:
        return fraction + self.lam * liked.astype(np.float64)


REWARDS: dict[str, Reward] = {
    "binary": BinaryReward(),
    "listen_skip": ListenSkipReward(),
    "fraction": FractionReward(),
}


def get_reward(reward: str | Reward) -> Reward:
    """Look up a reward by name, or pass one through.

    Raises ``ConfigError`` with the known names.
    """
    if not isinstance(reward, str):
        return reward
    if reward not in REWARDS:
        raise ConfigError(f"no reward {reward!r}; known: {', '.join(REWARDS)}")
    return REWARDS[reward]


def reward_range(reward: Reward) -> tuple[float, float]:
    """The lowest and the highest reward: of nothing or all heard, liked, skipped.

    >>> reward_range(ListenSkipReward()), reward_range(FractionReward(lam=10.0))
    ((-2.0, 1.0), (0.0, 11.0))
    """
    heard, liked, skipped = np.indices((2, 2, 2)).reshape(3, 8) > 0
    rewards = reward(1.0 * heard, liked, skipped)
    return float(rewards.min()), float(rewards.max())
