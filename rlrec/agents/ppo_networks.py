"""What PPO learns with: advantages, the clipped objective, two policies, and a round of updates in one compiled call.

Proximal policy optimisation, Schulman and others, arXiv:1707.06347; generalised advantage estimation, Schulman and
others, arXiv:1506.02438. `rlrec.agents.ppo` plays and calls this.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.agents.ppo_config import PPOConfig
from rlrec.errors import ConfigError
from rlrec.nn.backend import tf
from rlrec.nn.networks import Adam, Tensor, from_arrays, mlp, to_arrays
from rlrec.types import Arrays, Floats32

Batch = dict[str, Tensor]
MEASURES = ("policy_loss", "value_loss", "entropy", "kl", "clipped")


def gae(
    rewards: NDArray[Any],
    values: NDArray[Any],
    next_values: NDArray[Any],
    terminated: NDArray[Any],
    ended: NDArray[Any],
    discount: float,
    gae_lambda: float,
) -> NDArray[np.float64]:
    """Generalised advantage estimates [T, batch] of T steps of each environment (arXiv:1506.02438, equation 16).

        delta_t = r_t + gamma (1 - terminated_t) V(s_{t+1}) - V(s_t)
        A_t     = delta_t + gamma lambda (1 - ended_t) A_{t+1}

    All arguments [T, batch]; ``next_values``: of the observation after each step, the last one of an episode included;
    ``terminated``: nothing follows; ``ended``: terminated or cut off by a time limit, after which another episode
    begins whose advantages are no business of this one.

    >>> r, v, over = np.array([[1.0], [0], [2]]), np.array([[0.5], [1], [1.5]]), np.array([[False], [False], [True]])
    >>> gae(r, v, np.array([[1.0], [1.5], [0]]), over, over, discount=0.9, gae_lambda=0.8)[:, 0].round(3).tolist()
    [1.911, 0.71, 0.5]
    """
    if (
        not rewards.shape
        == values.shape
        == next_values.shape
        == terminated.shape
        == ended.shape
    ):
        shapes = [x.shape for x in (rewards, values, next_values, terminated, ended)]
        raise ConfigError(
            f"rewards, values, next_values, terminated, ended have shapes {shapes}: must agree"
        )
    delta = rewards + discount * ~terminated * next_values - values  # [T, batch]
    carried = discount * gae_lambda * ~ended
    advantages, later = np.empty(rewards.shape), np.zeros(rewards.shape[1:])
    for t in range(len(rewards) - 1, -1, -1):
        later = delta[t] + carried[t] * later
        advantages[t] = later
    return advantages


def clipped_objective(ratio: Tensor, advantage: Tensor, clip: Tensor | float) -> Tensor:
    """What a step earns: min(ratio A, clip(ratio, 1 - eps, 1 + eps) A), [batch] (arXiv:1707.06347, equation 7).

    >>> found = clipped_objective(tf.constant([1.5, 0.5, 1.5, 0.5]), tf.constant([2.0, 2.0, -2.0, -2.0]), 0.2)
    >>> [round(float(one), 3) for one in found]
    [2.4, 1.0, -3.0, -1.6]
    """
    if ratio.shape != advantage.shape:
        raise ConfigError(
            f"ratio {ratio.shape}, advantage {advantage.shape}: must agree"
        )
    return tf.minimum(
        ratio * advantage, tf.clip_by_value(ratio, 1.0 - clip, 1.0 + clip) * advantage
    )


def value_loss(value: Tensor, old: Tensor, target: Tensor, clip: float) -> Tensor:
    """Half the squared error [batch]; with ``clip`` > 0 the worse of value and of old value moved by at most ``clip``.

    >>> one = tf.constant([1.0])
    >>> [float(value_loss(2.0 * one, one, 3.0 * one, clip)[0]) for clip in (0.0, 0.5)]
    [0.5, 1.125]
    """
    if not value.shape == old.shape == target.shape:
        raise ConfigError(
            f"value {value.shape}, old {old.shape}, target {target.shape}: must agree"
        )
    error = tf.square(value - target)
    if clip > 0.0:
        error = tf.maximum(
            error, tf.square(old + tf.clip_by_value(value - old, -clip, clip) - target)
        )
    return 0.5 * error


class CandidatePolicy:
    """A distribution over k candidate songs: P(j) = softmax_j( query(state) . key(song_j) / sqrt(keys) )."""

    def __init__(
        self, width: int, dimensions: int, config: PPOConfig, rng: np.random.Generator
    ) -> None:
        self.width, self.scale = config.keys, config.keys**-0.5
        self.query = mlp(width, config.hidden, config.keys, rng, last_scale=0.1)
        self.key = mlp(dimensions, (2 * config.keys,), config.keys, rng)
        self.variables = [
            *self.query.trainable_variables,
            *self.key.trainable_variables,
        ]

    def log_prob(self, batch: Batch, songs: Tensor) -> tuple[Tensor, Tensor]:
        """Log P(choice) and entropy, [batch] each, of ``state`` [batch, f], ``candidates`` [batch, k], ``choice``."""
        every = tf.nn.log_softmax(self.logits(batch, songs))
        chosen = tf.gather(every, batch["choice"], batch_dims=1)
        return chosen, -tf.reduce_sum(tf.exp(every) * every, axis=1)

    def logits(self, batch: Batch, songs: Tensor) -> Tensor:
        """One for each candidate: [batch, k]."""
        vectors = tf.gather(songs, batch["candidates"])  # [batch, k, d]
        keys = tf.reshape(
            self.key(tf.reshape(vectors, (-1, vectors.shape[2]))),
            (-1, vectors.shape[1], self.width),
        )
        return tf.reduce_sum(
            self.scale * self.query(batch["state"])[:, None, :] * keys, axis=2
        )

    def numpy(self) -> tuple[Layers, Layers]:
        """The weights of query and key network as arrays, for ``forward``."""
        return layers(self.query), layers(self.key)


class PointPolicy:
    """A normal distribution over points (or vectors) of the map: mean(state) [d], a standard deviation a dimension."""

    def __init__(
        self, width: int, dimensions: int, config: PPOConfig, rng: np.random.Generator
    ) -> None:
        self.mean = mlp(width, config.hidden, dimensions, rng, last_scale=0.1)
        self.log_sd = tf.Variable(tf.zeros(dimensions))
        self.variables = [*self.mean.trainable_variables, self.log_sd]

    def log_prob(self, batch: Batch, songs: Tensor) -> tuple[Tensor, Tensor]:
        """Log density of ``choice`` [batch, d] and entropy, [batch] each."""
        away = (batch["choice"] - self.mean(batch["state"])) * tf.exp(-self.log_sd)
        spread = tf.reduce_sum(self.log_sd) + 0.5 * np.log(2.0 * np.pi) * away.shape[1]
        density = -0.5 * tf.reduce_sum(tf.square(away), axis=1) - spread
        return density, tf.ones_like(density) * (spread + 0.5 * away.shape[1])

    def numpy(self) -> tuple[Layers, Floats32]:
        """The mean network's weights and the standard deviations [d] as arrays."""
        return layers(self.mean), np.asarray(np.exp(self.log_sd.numpy()), np.float32)


Layers = list[tuple[Floats32, Floats32]]


def layers(model: Any) -> Layers:
    """Weights [inputs, units] and biases [units] of each layer of an ``mlp``."""
    arrays = [variable.numpy() for variable in model.trainable_variables]
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def forward(network: Layers, x: Floats32) -> Floats32:
    """What an ``mlp`` says of x [.., inputs], in NumPy: microseconds, where a TensorFlow call costs a millisecond."""
    for weights, bias in network[:-1]:
        x = np.maximum(x @ weights + bias, 0.0)
    return np.asarray(x @ network[-1][0] + network[-1][1])


class Learner:
    """Policy, value network and optimiser; ``learn`` makes a round's updates in one compiled call. songs [I, d]."""

    def __init__(
        self, songs: Floats32, width: int, config: PPOConfig, rng: np.random.Generator
    ) -> None:
        self.config, self.songs = config, tf.constant(songs, tf.float32)
        kind = PointPolicy if config.action in ("point", "vector") else CandidatePolicy
        self.policy: CandidatePolicy | PointPolicy = kind(
            width, songs.shape[1], config, rng
        )
        self.value = mlp(width, config.hidden, 1, rng)
        self.weights = [*self.policy.variables, *self.value.trainable_variables]
        self.rate = tf.Variable(config.learning_rate)
        self.optimiser = Adam(self.rate, self.weights, config.gradient_norm)
        self._compiled = tf.function(self._learn, jit_compile=True)

    def learn(
        self, steps: Arrays, order: NDArray[np.int32], share_left: float
    ) -> dict[str, float]:
        """Learn from ``steps`` [M, ..] in ``order`` [epochs, minibatches, minibatch]; the means of ``MEASURES``.

        ``steps``: state, choice, log_prob, value, advantage, live (1: learn from it) and perhaps candidates.
        ``share_left``: of the learning rate, clip and entropy weight at the start, 0..1.
        """
        self.rate.assign(self.config.learning_rate * share_left)
        tensors = {name: tf.constant(values) for name, values in steps.items()}
        scaled = (
            tf.constant(value * share_left, tf.float32)
            for value in (self.config.clip, self.config.entropy)
        )
        sums, epochs = self._compiled(tensors, tf.constant(order), *scaled)
        return {
            **dict(zip(MEASURES, sums.numpy().tolist(), strict=True)),
            "epochs": float(epochs),
        }

    def _learn(
        self, steps: Batch, order: Tensor, clip: Tensor, entropy: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Epochs until the last, or until the policy has moved too far from the one that played: its means, epochs."""
        limit = 1.5 * self.config.target_kl if self.config.target_kl > 0.0 else np.inf
        count, parts, means, epoch = (
            order.shape[0],
            order.shape[1],
            tf.zeros(len(MEASURES)),
            tf.constant(0),
        )
        while epoch < count and means[3] <= limit:
            sums = tf.zeros(len(MEASURES))
            for part in tf.range(parts):
                batch = {
                    name: tf.gather(values, order[epoch, part])
                    for name, values in steps.items()
                }
                sums += self.update(batch, clip, entropy)
            means, epoch = sums / parts, epoch + 1
        return means, epoch

    def update(
        self, batch: Batch, clip: Tensor | float, entropy: Tensor | float
    ) -> Tensor:
        """One step down the loss of a minibatch; ``MEASURES`` [5] before it."""
        advantage, live = batch["advantage"], batch["live"]
        if self.config.normalise:
            advantage = normalised(advantage, live)
        with tf.GradientTape() as tape:
            log_prob, spread = self.policy.log_prob(batch, self.songs)
            moved = log_prob - batch["log_prob"]
            ratio = tf.exp(moved)
            earned = mean(clipped_objective(ratio, advantage, clip), live)
            values = tf.reshape(
                self.value(batch["state"]), [-1]
            )  # [batch, 1] -> [batch]
            target = batch["advantage"] + batch["value"]
            error = mean(
                value_loss(values, batch["value"], target, self.config.value_clip), live
            )
            loss = (
                -earned
                + self.config.value_weight * error
                - entropy * mean(spread, live)
            )
        self.optimiser.descend(tape, loss)
        kl = mean(
            ratio - 1.0 - moved, live
        )  # from the old policy to the new, never below 0
        outside = mean(tf.cast(tf.abs(ratio - 1.0) > clip, tf.float32), live)
        return tf.stack([-earned, error, mean(spread, live), kl, outside])

    def state(self) -> Arrays:
        """All weights and the optimiser's memory, as arrays."""
        return to_arrays("weights", self.weights) | to_arrays(
            "optimiser", self.optimiser.variables
        )

    def restore(self, arrays: Arrays) -> None:
        """Take over what ``state`` gave."""
        from_arrays("weights", self.weights, arrays)
        from_arrays("optimiser", self.optimiser.variables, arrays)


def mean(values: Tensor, live: Tensor) -> Tensor:
    """The mean of ``values`` [batch] where ``live`` [batch] is 1."""
    return tf.reduce_sum(values * live) / tf.maximum(tf.reduce_sum(live), 1.0)


def normalised(advantage: Tensor, live: Tensor) -> Tensor:
    """Advantages [batch] with mean 0 and standard deviation 1 where ``live``."""
    centred = advantage - mean(advantage, live)
    return centred / (tf.sqrt(mean(tf.square(centred), live)) + 1e-8)
