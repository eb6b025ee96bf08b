"""A supervised start for DDPG's actor: from what was liked before a moment to what was liked after it.

    loss = -mean over later liked items i of log softmax_j(sharpness <a(s), j>)_i           j: the whole catalogue

The actor a(s) and the weights of the state's positions learn; the critics do not. Afterwards the targets are copies
again. Whatever an agent reaches is to be shown in three parts: the item vectors alone, after this start, after RL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlrec.errors import ConfigError, DataError
from rlrec.nn.backend import tf
from rlrec.nn.networks import Adam, Tensor, copy_weights

if TYPE_CHECKING:
    from rlrec.agents.ddpg import DDPG
    from rlrec.datasets import Ratings

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class WarmStartConfig:
    """Hyperparameters of ``warm_start``."""

    updates: int = 1_000  # 1..: steps of Adam
    batch_size: int = 64  # 1.. moments in an update
    learning_rate: float = 1e-3  # > 0: Adam's step size
    positives: int = 20  # 1..: later liked items a moment, drawn at random if there are more
    sharpness: float = 5.0  # > 0: what scores are multiplied by before the softmax, at the start; it learns, too
    positive: float = 4.0  # stars: ratings of this and above are liked

    def __post_init__(self) -> None:
        for name in ("updates", "batch_size", "positives"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if not self.learning_rate > 0.0 or not self.sharpness > 0.0:
            raise ConfigError("learning_rate and sharpness must be above 0")


def warm_start(
    agent: DDPG, ratings: Ratings, config: WarmStartConfig | None = None, seed: int = 0
) -> NDArray[np.float32]:
    """Train ``agent``'s actor on ``ratings`` (training interactions, nothing else); the loss of each update.

    The users' own vectors are not used where they know the future: users count as strangers unless the agent was made
    with ``residual="user"``, whose vectors then must come from early ratings alone. Raises ``DataError`` if nobody
    liked two items.
    """
    config = config if config is not None else WarmStartConfig()
    learner, rng = agent.learner, np.random.default_rng(seed)
    moments = Moments(ratings, agent.history, config)
    sharpness = tf.Variable(np.log(config.sharpness), dtype=tf.float32)
    weights = [*learner.online.actor.trainable_variables, *learner.online.state.variables, sharpness]
    optimiser = Adam(config.learning_rate, weights, agent.config.gradient_norm)
    with_users = agent.has_users and agent.config.residual == "user"

    def update(users: Tensor, history: Tensor, later: Tensor) -> Tensor:
        with tf.GradientTape() as tape:
            view = learner._view(users, history)
            actions, _ = learner.online.action(learner.online.states(*view), learner.online.base(*view))
            loss = likelihood_loss(actions * tf.exp(sharpness), learner.item_table[1:], later)
        optimiser.descend(tape, loss)
        return loss

    compiled = tf.function(update, jit_compile=agent.config.compiled)
    losses = []
    for _ in range(config.updates):
        users, history, later = moments.draw(config.batch_size, rng)
        losses.append(compiled(users if with_users else np.full_like(users, -1), history, later))
    copy_weights(learner.target.variables, learner.online.variables)
    return np.array([float(loss) for loss in losses], np.float32)


def likelihood_loss(actions: Tensor, items: Tensor, later: Tensor) -> Tensor:
    """The mean of -log softmax over ``items`` [I, d] at the ids ``later`` [batch, P] (-1: none), actions [batch, d]."""
    log_chance = tf.nn.log_softmax(actions @ tf.transpose(items), axis=1)  # [batch, I]
    there = tf.cast(later >= 0, tf.float32)  # [batch, P]
    chosen = tf.gather(log_chance, tf.maximum(later, 0), batch_dims=1)  # [batch, P]
    return -tf.reduce_mean(tf.reduce_sum(chosen * there, axis=1) / tf.reduce_sum(there, axis=1))


class Moments:
    """Moments in users' lives: the last liked items before, and some of those liked after."""

    def __init__(self, ratings: Ratings, history: int, config: WarmStartConfig) -> None:
        liked = ratings.ratings >= config.positive
        self.items, users = ratings.items[liked], ratings.users[liked]
        self.users, first, count = np.unique(users, return_index=True, return_counts=True)
        several = count >= 2
        self.users, self.first, self.count = self.users[several], first[several], count[several]
        self.history, self.positives = history, config.positives
        if not len(self.users):
            raise DataError("nobody liked two items; there is no before and after to learn from")

    def draw(self, batch: int, rng: np.random.Generator) -> tuple[Ids, Ids, Ids]:
        """Users [batch], histories [batch, n] (oldest first, -1: none) and later liked items [batch, P] (-1: none)."""
        who = rng.integers(len(self.users), size=batch)
        cut = rng.integers(1, self.count[who])  # at least one before and one after
        history = np.full((batch, self.history), -1, np.int32)
        later = np.full((batch, self.positives), -1, np.int32)
        for row, (user, at) in enumerate(zip(who, cut, strict=True)):
            liked = self.items[self.first[user] : self.first[user] + self.count[user]]
            before, after = liked[:at][-self.history :], rng.permutation(liked[at:])[: self.positives]
            history[row, -len(before) :], later[row, : len(after)] = before, after
        return self.users[who].astype(np.int32), history, later


def scores_from_known(agent: DDPG, known: Any, positive: float = 4.0) -> NDArray[np.float32]:
    """The agent's scores [users, items] for known ratings [users, items], sparse, a row's entries in order of time.

    The last liked items are the history; users count as strangers. Made for the protocols of `rlrec.evaluation`.
    """
    history = np.full((known.shape[0], agent.history), -1, np.int64)
    for row, (start, end) in enumerate(zip(known.indptr, known.indptr[1:], strict=False)):
        liked = known.indices[start:end][known.data[start:end] >= positive][-agent.history :]
        if len(liked):
            history[row, -len(liked) :] = liked
    return agent.scores(np.full(len(history), -1), history)
