"""PPO whose environment is compiled, too: two calls a round, none for a single step.

`CompiledPPO` plays a round with `rlrec.nn.compiled` in one compiled call, and learns
from it in another. On a CPU this saves the calls of NumPy; on a GPU it is what lets the
device work at all. Same algorithm and same listeners in distribution as `PPO`; other
random numbers. Only for candidates on offer, the state "averages" and the policy
"network".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.agents.ppo import PPO, PPOConfig
from rlrec.agents.ppo_networks import PPOLearner
from rlrec.envs.listeners import LONGEST
from rlrec.envs.view import LATELY
from rlrec.nn.backend import tf
from rlrec.nn.compiled import ALGORITHM
from rlrec.nn.networks import Batch, Tensor
from rlrec.types import Arrays


class CompiledPPO(PPO):
    """The agent; ``train`` takes a `rlrec.nn.compiled.CompiledBatch` with candidates.

    Its listeners show at least the songs that the state looks back. All else is as in
    `PPO`: it recommends to any listeners, and can be stored and resumed. Raises
    ``ConfigError`` for another action, state or policy.
    """

    def __init__(
        self,
        songs: NDArray[Any],
        config: PPOConfig | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(songs, config, seed)
        self.config.require_compilable()

    def _play(self, env: Any) -> tuple[Arrays, float, float]:
        """See `PPO._play`."""
        if not hasattr(self.learner, "decide"):
            # kept with the learner: an agent that takes it over has it compiled
            self.learner.decide = decider(self.learner)
        steps = env.play(self.learner.decide, self.config.rollout)
        self._observation = env._observe()
        for name in ("songs", "fraction", "liked", "skipped"):
            del steps[name]
        steps["terminated"] = steps["ended"]  # no session is cut off
        return self._with_advantages(steps)


def decider(learner: PPOLearner) -> Callable[[Batch, Tensor], tuple[Tensor, Batch]]:
    """The policy of ``learner``, as `rlrec.nn.compiled` plays it."""
    policy: Any = learner.policy

    def decide(seen: Batch, seed: Tensor) -> tuple[Tensor, Batch]:
        """`PPO._act` for tensors: song ids [batch], and what to keep."""
        state = averages(learner.songs, seen, learner.config.history)
        candidates = seen["candidates"]
        known = tf.zeros((*candidates.shape, 0))
        batch = {"state": state, "candidates": candidates, "seen": known}
        logits = policy.logits(batch, learner.songs)
        log_probs = tf.nn.log_softmax(logits)
        draws = tf.random.stateless_uniform(logits.shape, seed, 1e-30, alg=ALGORITHM)
        noise = -tf.math.log(-tf.math.log(draws))  # Gumbel's distribution
        choice = tf.argmax(log_probs + noise, axis=1, output_type=tf.int32)
        log_prob = tf.gather(log_probs, choice, batch_dims=1)
        kept = batch | {"choice": choice, "log_prob": log_prob}
        return tf.gather(candidates, choice, batch_dims=1), kept

    return decide


def averages(vectors: Tensor, seen: Batch, history: int) -> Tensor:
    """The state "averages" of `rlrec.envs.view`, for tensors: [batch, 3 d + 6].

    ``vectors`` [songs, d]; ``history``: how many songs count.
    """
    songs = seen["history"][:, -history:]
    feedback = seen["feedback"][:, -history:]
    known = tf.cast(songs >= 0, tf.float32)  # [batch, n]
    skipped = feedback[:, :, 2] * known
    ages = np.arange(songs.shape[1] - 1, -1, -1)
    lately = known * np.float32(LATELY) ** ages.astype(np.float32)
    weights = tf.stack([lately, known - skipped, skipped], 1)  # [batch, 3, n]
    total = tf.maximum(tf.reduce_sum(weights, 2, keepdims=True), 1e-6)
    # where there is no song, any will do: its weights are 0
    heard = tf.gather(vectors, tf.maximum(songs, 0))  # [batch, n, d]
    means = weights @ heard / total  # [batch, 3, d]
    shares = [_share(skipped, lately), _share(skipped, known)]
    position = tf.cast(seen["position"], tf.float32) / LONGEST
    taste = tf.reshape(means, (means.shape[0], -1))
    return tf.concat([taste, feedback[:, -1], *shares, position], axis=1)


def _share(part: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean of ``part`` [batch, n]: [batch, 1]; 0 without any weight."""
    total = tf.reduce_sum(weight, 1, keepdims=True)
    return tf.reduce_sum(part * weight, 1, keepdims=True) / tf.maximum(total, 1e-6)
