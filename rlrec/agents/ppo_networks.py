"""The networks of PPO (`rlrec.agents.ppo`): objective, policies and their updates.

    ratio        r = pi(a|s) / pi_old(a|s)
    policy       maximises  mean min(r A, clip(r, 1 - eps, 1 + eps) A)
    value        minimises  1/2 mean (V(s) - (A + V_old(s)))^2
    exploration  adds a weight times the policy's entropy to the policy's objective

pi_old and V_old are the networks that played the round. The advantages A are estimated
by ``gae``; eps is the setting ``clip``. Two policies: ``CandidatePolicy`` chooses among
candidate songs, ``PointPolicy`` draws a point of the map of sound (a vector per song).

Papers: proximal policy optimisation, Schulman et al., arXiv:1707.06347; generalised
advantage estimation, Schulman et al., arXiv:1506.02438. `rlrec.agents.ppo` lists the
differences.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rlrec.agents.ppo_config import PPOConfig
from rlrec.errors import require_same_shapes
from rlrec.nn.backend import tf
from rlrec.nn.networks import (
    Adam,
    Batch,
    Checkpointed,
    Layers,
    Tensor,
    mlp,
    mlp_layers,
)
from rlrec.types import Arrays, Bools, Floats, Floats32, Ids32

# means over a minibatch; "clipped": share of ratios outside of 1 - eps .. 1 + eps
MEASURES = ("policy_loss", "value_loss", "entropy", "kl", "clipped")


def gae(
    rewards: Floats,
    values: Floats | Floats32,
    next_values: Floats | Floats32,
    terminated: Bools,
    ended: Bools,
    discount: float,
    gae_lambda: float,
) -> Floats:
    """Generalised advantage estimates [T, batch] (arXiv:1506.02438, equation 16).

        delta_t = r_t + gamma (1 - terminated_t) V(s_{t+1}) - V(s_t)
        A_t     = delta_t + gamma lambda (1 - ended_t) A_{t+1}

    All arrays [T, batch]: T steps of each environment. ``next_values``: of the
    observation after each step, also after the last step of an episode. ``terminated``:
    no reward follows. ``ended``: terminated or cut off by a time limit; the next row
    begins another episode. discount, gae_lambda: 0..1.
    Raises ``ConfigError`` for shapes that differ.

    >>> r, v = np.array([[1.0], [0], [2]]), np.array([[0.5], [1], [1.5]])
    >>> next_v, over = np.array([[1.0], [1.5], [0]]), np.array([[0], [0], [1]], bool)
    >>> found = gae(r, v, next_v, over, over, discount=0.9, gae_lambda=0.8)
    >>> found[:, 0].round(3).tolist()
    [1.911, 0.71, 0.5]
    """
    require_same_shapes(
        rewards=rewards,
        values=values,
        next_values=next_values,
        terminated=terminated,
        ended=ended,
    )
    delta = rewards + discount * ~terminated * next_values - values
    carried = discount * gae_lambda * ~ended
    advantages = np.empty(rewards.shape)
    later = np.zeros(rewards.shape[1:])  # [batch]
    for t in reversed(range(len(rewards))):
        later = delta[t] + carried[t] * later
        advantages[t] = later
    return advantages


def clipped_objective(ratio: Tensor, advantage: Tensor, clip: Tensor | float) -> Tensor:
    """min(r A, clip(r, 1 - eps, 1 + eps) A), [batch] (arXiv:1707.06347, equation 7).

    Raises ``ConfigError`` for shapes that differ.

    >>> ratio = tf.constant([1.5, 0.5, 1.5, 0.5])
    >>> found = clipped_objective(ratio, tf.constant([2.0, 2.0, -2.0, -2.0]), 0.2)
    >>> [round(float(one), 3) for one in found]
    [2.4, 1.0, -3.0, -1.6]
    """
    require_same_shapes(ratio=ratio, advantage=advantage)
    clipped = tf.clip_by_value(ratio, 1.0 - clip, 1.0 + clip)
    return tf.minimum(ratio * advantage, clipped * advantage)


def value_loss(
    value: Tensor,
    old: Tensor,
    target: Tensor,
    clip: float,
) -> Tensor:
    """Half the squared error of ``value`` from ``target``; all [batch].

    With ``clip`` > 0 (units of reward) the larger of two errors counts: that of
    ``value``, and that of ``old`` moved towards ``value`` by at most ``clip``.
    Raises ``ConfigError`` for shapes that differ.

    >>> one = tf.constant([1.0])
    >>> [float(value_loss(2.0 * one, one, 3.0 * one, clip)[0]) for clip in (0.0, 0.5)]
    [0.5, 1.125]
    """
    require_same_shapes(value=value, old=old, target=target)
    error = tf.square(value - target)
    if clip > 0.0:
        near = old + tf.clip_by_value(value - old, -clip, clip)
        error = tf.maximum(error, tf.square(near - target))
    return 0.5 * error


class PPOLearner(Checkpointed):
    """Policy, value network and optimiser; all updates of a round in one compiled call.

    songs [I, d]: the map of sound. ``width``: length of a state vector. ``kind``: the
    policy over candidates, such as `rlrec.agents.ppo_interactions.InteractionPolicy`.
    """

    def __init__(
        self,
        songs: Floats32,
        width: int,
        config: PPOConfig,
        rng: np.random.Generator,
        kind: Callable[..., CandidatePolicy] | None = None,
    ) -> None:
        self.config = config
        self.songs = tf.Variable(songs, trainable=False, dtype=tf.float32)
        among = kind or CandidatePolicy
        made = PointPolicy if config.continuous else among
        self.policy: CandidatePolicy | PointPolicy = made(
            width,
            songs.shape[1],
            config,
            rng,
        )
        self.value = mlp(width, config.hidden, 1, rng)
        self.weights = [*self.policy.variables, *self.value.trainable_variables]
        self.rate = tf.Variable(config.learning_rate)
        self.optimiser = Adam(self.rate, self.weights, config.gradient_norm)
        self.stored = {"weights": self.weights, "optimiser": self.optimiser.variables}
        self.given = [self.songs]
        self._compiled = tf.function(self._learn, jit_compile=True)

    def learn(
        self,
        steps: Arrays,
        order: Ids32,
        share_left: float,
    ) -> dict[str, float]:
        """Learn from ``steps``, name -> [M, ...]; the means of ``MEASURES`` and epochs.

        Names: state, choice (place among the candidates, or point), log_prob and value
        (of the choice and the state, before the updates), advantage, live (1: learn
        from it, 0: do not), and candidates and seen (their interactions [M, k, x]) if
        the policy needs them. ``order`` [epochs, minibatches, minibatch]: rows of
        ``steps``. ``share_left``, 0..1: annealing factor of learning rate, clip and
        entropy weight.
        """
        self.rate.assign(self.config.learning_rate * share_left)
        clip = tf.constant(self.config.clip * share_left, tf.float32)
        entropy = tf.constant(self.config.entropy * share_left, tf.float32)
        means, epochs = self._compiled(steps, order, clip, entropy)
        measured = dict(zip(MEASURES, means.numpy().tolist(), strict=True))
        return measured | {"epochs": float(epochs)}

    def _learn(
        self,
        steps: Batch,
        order: Tensor,
        clip: Tensor,
        entropy: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """All epochs, or fewer if the KL from the old policy grows too large.

        Returns the means of the last epoch [5] and the number of epochs.
        """
        limit = 1.5 * (self.config.target_kl or np.inf)  # target_kl 0: no limit
        minibatches = order.shape[1]
        means = tf.zeros(len(MEASURES))
        epoch = tf.constant(0)
        while epoch < order.shape[0] and means[3] <= limit:  # means[3]: KL
            sums = tf.zeros(len(MEASURES))
            for i in tf.range(minibatches):
                rows = order[epoch, i]
                batch = {name: tf.gather(part, rows) for name, part in steps.items()}
                sums += self.update(batch, clip, entropy)
            means = sums / minibatches
            epoch += 1
        return means, epoch

    def update(
        self,
        batch: Batch,
        clip: Tensor | float,
        entropy: Tensor | float,
    ) -> Tensor:
        """One update from a minibatch; returns ``MEASURES`` [5] before it.

        ``clip`` and ``entropy`` (the weight of the entropy): >= 0.
        """
        live = batch["live"]
        advantage = batch["advantage"]
        target = advantage + batch["value"]
        if self.config.normalise:
            advantage = normalised(advantage, live)
        with tf.GradientTape() as tape:
            log_prob, entropies = self.policy.log_prob(batch, self.songs)
            log_ratio = log_prob - batch["log_prob"]
            ratio = tf.exp(log_ratio)
            gain = live_mean(clipped_objective(ratio, advantage, clip), live)
            values = tf.reshape(self.value(batch["state"]), [-1])  # [batch]
            errors = value_loss(values, batch["value"], target, self.config.value_clip)
            error = live_mean(errors, live)
            mean_entropy = live_mean(entropies, live)
            loss = -gain + self.config.value_weight * error - entropy * mean_entropy
        self.optimiser.descend(tape, loss)
        # An estimate of KL(pi_old, pi) that is never below 0 (Schulman's k3).
        kl = live_mean(ratio - 1.0 - log_ratio, live)
        outside = tf.cast(tf.abs(ratio - 1.0) > clip, tf.float32)
        return tf.stack([-gain, error, mean_entropy, kl, live_mean(outside, live)])


class CandidatePolicy:
    """P(j) = softmax_j(query(state) . key(song_j) / sqrt(keys)) over k candidates.

    Scaled dot-product attention; query and key are vectors of ``config.keys`` numbers.
    """

    def __init__(
        self,
        width: int,
        dimensions: int,
        config: PPOConfig,
        rng: np.random.Generator,
    ) -> None:
        self.keys = config.keys
        self.linear = tf.zeros(0)  # weights of interactions; see InteractionPolicy
        self.query = mlp(width, config.hidden, config.keys, rng, last_scale=0.1)
        self.key = mlp(dimensions, (2 * config.keys,), config.keys, rng)
        self.variables = [
            *self.query.trainable_variables,
            *self.key.trainable_variables,
        ]

    def log_prob(self, batch: Batch, songs: Tensor) -> tuple[Tensor, Tensor]:
        """Log P(choice) and entropy in nats, [batch] each.

        ``batch``: state [batch, width], candidates [batch, k], choice [batch].
        """
        log_probs = tf.nn.log_softmax(self.logits(batch, songs))  # [batch, k]
        chosen = tf.gather(log_probs, batch["choice"], batch_dims=1)
        entropy = -tf.reduce_sum(tf.exp(log_probs) * log_probs, axis=1)
        return chosen, entropy

    def logits(self, batch: Batch, songs: Tensor) -> Tensor:
        """Logits of each candidate [batch, k]."""
        vectors = tf.gather(songs, batch["candidates"])  # [batch, k, d]
        hidden, last = self.key.layers
        features = hidden(vectors)  # [batch, k, 2 keys]
        query = self.keys**-0.5 * self.query(batch["state"])  # [batch, keys]
        # query . (features W + b): its last layer once a state, not once a candidate
        weights = tf.linalg.matmul(query, last.kernel, transpose_b=True)
        base = tf.linalg.matvec(query, last.bias)  # [batch]
        return tf.linalg.matvec(features, weights) + base[:, None]

    def numpy(self) -> tuple[Layers, Layers]:
        """Query and key network for ``mlp_forward``."""
        return mlp_layers(self.query), mlp_layers(self.key)


class PointPolicy:
    """A normal distribution over points of the map; independent coordinates.

    The mean [batch, d] depends on the state, the standard deviation exp(log_sd) [d]
    does not.
    """

    def __init__(
        self,
        width: int,
        dimensions: int,
        config: PPOConfig,
        rng: np.random.Generator,
    ) -> None:
        self.mean = mlp(width, config.hidden, dimensions, rng, last_scale=0.1)
        self.log_sd = tf.Variable(tf.zeros(dimensions))
        self.variables = [*self.mean.trainable_variables, self.log_sd]

    def log_prob(self, batch: Batch, songs: Tensor) -> tuple[Tensor, Tensor]:
        """Log density of ``choice`` [batch, d] and entropy in nats, [batch] each."""
        choice = batch["choice"]
        dimensions = choice.shape[1]
        # [batch, d], standard normal if drawn from this policy
        noise = (choice - self.mean(batch["state"])) * tf.exp(-self.log_sd)
        squares = tf.reduce_sum(tf.square(noise), axis=1)
        constant = 0.5 * np.log(2.0 * np.pi) * dimensions
        normaliser = tf.reduce_sum(self.log_sd) + constant
        density = -0.5 * squares - normaliser
        entropy = tf.ones_like(density) * (normaliser + 0.5 * dimensions)
        return density, entropy

    def numpy(self) -> tuple[Layers, Floats32]:
        """The mean network for ``mlp_forward``, and the standard deviations [d]."""
        return mlp_layers(self.mean), np.exp(self.log_sd.numpy())


def live_mean(values: Tensor, live: Tensor) -> Tensor:
    """The mean of ``values`` [batch] where ``live`` [batch] is 1."""
    count = tf.maximum(tf.reduce_sum(live), 1.0)
    return tf.reduce_sum(values * live) / count


def normalised(advantage: Tensor, live: Tensor) -> Tensor:
    """Advantages [batch] with mean 0 and standard deviation 1 where ``live`` is 1."""
    centred = advantage - live_mean(advantage, live)
    variance = live_mean(tf.square(centred), live)
    return centred / (tf.sqrt(variance) + 1e-8)
