"""A log-linear policy of PPO: learned weights on what song and session have in common.

    P(j) = softmax_j(w . x_j)            policy "interactions"
    P(j) = softmax_j(w . x_j + f_j)      policy "both": beside the network's logits f

x_j are the interactions of candidate j with the session (`rlrec.agents.song_space`;
15, or 12 with a filter), products that a network given state and song apart has to
discover. The network beside them (policy "both") could learn what is not among them; it
costs songs at the start.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from rlrec.agents.listener_filter import ListenerFilter
from rlrec.agents.ppo_config import PPOConfig
from rlrec.agents.ppo_networks import CandidatePolicy
from rlrec.agents.song_space import SongSpace
from rlrec.nn.backend import tf
from rlrec.nn.networks import Batch, Tensor
from rlrec.types import Floats32, Ids


def interactions_for(
    songs: Floats32, config: PPOConfig, known_by: ListenerFilter | None
) -> tuple[Callable[[Any, Ids], Floats32], Callable[..., CandidatePolicy]]:
    """(observations, candidates [batch, k]) -> interactions, and the policy's class.

    ``songs`` [I, d + 1], standardised, the last column popularity; ``known_by``: a
    filter fitted to sessions. The policy "network" gets none of the interactions:
    [batch, k, 0].
    """
    if config.policy == "network":
        return lambda _, pool: np.zeros((*pool.shape, 0), np.float32), CandidatePolicy
    space = SongSpace(songs, known_by)
    return space, partial(InteractionPolicy, space.width)


class InteractionPolicy(CandidatePolicy):
    """The policy above; ``linear`` [interactions]: the weights w, 0 at the start."""

    def __init__(
        self,
        interactions: int,
        width: int,
        dimensions: int,
        config: PPOConfig,
        rng: np.random.Generator,
    ) -> None:
        super().__init__(width, dimensions, config, rng)
        self.linear = tf.Variable(tf.zeros(interactions))
        self.beside = config.policy == "both"
        self.variables.append(self.linear)
        if not self.beside:
            # without weights it gives the logit 0 to every candidate, in NumPy too
            self.query.layers[-1].kernel.assign(0.0 * self.query.layers[-1].kernel)
            self.variables = [self.linear]

    def logits(self, batch: Batch, songs: Tensor) -> Tensor:
        """Logits of each candidate [batch, k] from ``batch["seen"]`` [batch, k, x]."""
        logits = tf.linalg.matvec(batch["seen"], self.linear)
        return logits + super().logits(batch, songs) if self.beside else logits
