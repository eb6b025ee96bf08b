"""A supervised start for DDPG's actor: from what is known of a user to what the user liked afterwards.

    loss = -mean over liked items i of log softmax_j(sharpness <a(s), j>)_i

j runs over the whole catalogue, or over what the user rated afterwards (``contrast``). What learns is the reference
policy from which actor and critics set out (`rlrec.agents.ddpg_networks`), or the actor of an agent without one, and the
weights of the state's positions. Afterwards the targets are copies again. Whatever an agent reaches is to be shown in
three parts: the vectors alone, after this start, after RL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.matrices import rating_matrix
from rlrec.errors import ConfigError, DataError
from rlrec.nn.backend import tf
from rlrec.nn.networks import Adam, Tensor, copy_weights
from rlrec.types import Ids32

if TYPE_CHECKING:
    from rlrec.agents.ddpg import DDPG
    from rlrec.datasets import Ratings


@dataclass(frozen=True)
class WarmStartConfig:
    """Hyperparameters of ``warm_start``."""

    updates: int = 1_000  # 1..: steps of Adam
    batch_size: int = 64  # 1.. users in an update
    learning_rate: float = 1e-3  # > 0: Adam's step size
    drawn: int = 20  # 1..: later items a user, drawn at random if there are more
    contrast: str = "catalogue"  # liked against "catalogue": everything; "rated": what else the user rated afterwards
    sharpness: float = 5.0  # > 0: what scores are multiplied by before the softmax, at the start; it learns, too
    positive: float = 4.0  # stars: ratings of this and above are liked

    def __post_init__(self) -> None:
        for name in ("updates", "batch_size", "drawn"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}; it must be 1 or more"
                )
        if not self.learning_rate > 0.0 or not self.sharpness > 0.0:
            raise ConfigError("learning_rate and sharpness must be above 0")
        if self.contrast not in ("catalogue", "rated"):
            raise ConfigError(
                f"contrast is {self.contrast!r}; choose catalogue or rated"
            )


def warm_start(
    agent: DDPG,
    known: Ratings,
    later: Ratings,
    config: WarmStartConfig | None = None,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Train ``agent``'s actor on training interactions, two parts of the same users; the loss of each update.

    ``known``: what a user's history is read from, and all that the agent's user vectors may have seen. ``later``: what
    came after. Raises ``DataError`` if nobody has both.
    """
    config = config if config is not None else WarmStartConfig()
    learner, rng = agent.learner, np.random.default_rng(seed)
    questions = Questions(known, later, agent.history, config)
    sharpness = tf.Variable(np.log(config.sharpness), dtype=tf.float32)
    net = learner.online
    policy = net.reference if net.reference is not None else net.actor
    weights = [*policy.trainable_variables, *net.state.variables, sharpness]
    optimiser = Adam(config.learning_rate, weights, agent.config.gradient_norm)
    loss_of = likelihood_loss if config.contrast == "catalogue" else contrast_loss

    def update(users: Tensor, history: Tensor, items: Tensor, liked: Tensor) -> Tensor:
        with tf.GradientTape() as tape:
            view = learner._view(users, history)
            actions, _ = net.action(net.states(*view), net.base(*view))
            loss = loss_of(
                actions * tf.exp(sharpness), learner.item_table[1:], items, liked
            )
        optimiser.descend(tape, loss)
        return loss

    compiled = tf.function(update, jit_compile=agent.config.compiled)
    losses = []
    for _ in range(config.updates):
        users, history, items, liked = questions.draw(config.batch_size, rng)
        losses.append(
            compiled(
                users if agent.has_users else np.full_like(users, -1),
                history,
                items,
                liked,
            )
        )
    copy_weights(learner.target.variables, learner.online.variables)
    return np.array([float(loss) for loss in losses], np.float32)


def likelihood_loss(
    actions: Tensor, vectors: Tensor, items: Tensor, liked: Tensor
) -> Tensor:
    """-log softmax over all ``vectors`` [I, d] at the liked ones of ``items`` [batch, m], actions [batch, d]: mean."""
    log_chance = tf.nn.log_softmax(
        actions @ tf.transpose(vectors), axis=1
    )  # [batch, I]
    return _mean_of_liked(
        tf.gather(log_chance, tf.maximum(items, 0), batch_dims=1), liked
    )


def contrast_loss(
    actions: Tensor, vectors: Tensor, items: Tensor, liked: Tensor
) -> Tensor:
    """The same over ``items`` [batch, m] alone (-1: none): who was liked among what was rated."""
    scores = tf.einsum("bd,bmd->bm", actions, tf.gather(vectors, tf.maximum(items, 0)))
    return _mean_of_liked(
        tf.nn.log_softmax(tf.where(items >= 0, scores, -1e9), axis=1), liked
    )


def _mean_of_liked(log_chance: Tensor, liked: Tensor) -> Tensor:
    weight = tf.cast(liked, tf.float32)  # [batch, m]
    return -tf.reduce_mean(
        tf.reduce_sum(log_chance * weight, axis=1) / tf.reduce_sum(weight, axis=1)
    )


class Questions:
    """Users with what they liked last in ``known``, and some of what they rated in ``later``."""

    def __init__(
        self, known: Ratings, later: Ratings, history: int, config: WarmStartConfig
    ) -> None:
        self.history = last_liked(
            rating_matrix(known), history, config.positive
        ).astype(np.int32)
        self.later, self.config = rating_matrix(later), config
        if config.contrast == "catalogue":  # what was not liked is not asked for
            liked = self.later.data >= config.positive
            self.later.data[~liked] = 0.0
            self.later.eliminate_zeros()
        good = np.bincount(
            later.users, later.ratings >= config.positive, minlength=later.n_users
        )
        count = np.bincount(later.users, minlength=later.n_users)
        asked = (good > 0) & (self.history[:, -1] >= 0)
        self.users = np.flatnonzero(
            asked if config.contrast == "catalogue" else asked & (good < count)
        )
        if not len(self.users):
            raise DataError(
                "nobody liked something before and something after; there is nothing to learn from"
            )

    def draw(
        self, batch: int, rng: np.random.Generator
    ) -> tuple[Ids32, Ids32, Ids32, NDArray[np.bool_]]:
        """Users [batch], histories [batch, n], later items [batch, m] (-1: none), which of them were liked."""
        who = rng.choice(self.users, batch)
        items = np.full((batch, self.config.drawn), -1, np.int32)
        liked = np.zeros(items.shape, np.bool_)
        for row, user in enumerate(who):
            start, end = self.later.indptr[user : user + 2]
            good = self.later.data[start:end] >= self.config.positive
            order = rng.permutation(end - start)[: self.config.drawn]
            if not good[order].any():  # drawn without a liked one: put one in
                order[0] = rng.choice(np.flatnonzero(good))
            items[row, : len(order)], liked[row, : len(order)] = (
                self.later.indices[start:end][order],
                good[order],
            )
        return who.astype(np.int32), self.history[who], items, liked


def last_liked(known: Any, n: int, positive: float = 4.0) -> NDArray[np.int64]:
    """The ids of the ``n`` items liked last [users, n], oldest first, -1: none; ``known`` as of `rating_matrix`."""
    history = np.full((known.shape[0], n), -1, np.int64)
    for row, (start, end) in enumerate(
        zip(known.indptr, known.indptr[1:], strict=False)
    ):
        liked = known.indices[start:end][known.data[start:end] >= positive][-n:]
        if len(liked):
            history[row, -len(liked) :] = liked
    return history


def scores_from_known(
    agent: DDPG, known: Any, positive: float = 4.0
) -> NDArray[np.float32]:
    """The agent's scores [users, items] for known ratings [users, items], sparse, a row's entries in order of time.

    The last liked items are the history; users count as strangers. Made for the protocols of `rlrec.evaluation`.
    """
    return agent.scores(
        np.full(known.shape[0], -1), last_liked(known, agent.history, positive)
    )
