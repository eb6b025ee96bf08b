"""A supervised start for DDPG's actor: from a user's known ratings to later likes.

    loss = -mean over liked items i of log softmax_j(sharpness <a(s), j>)_i

j runs over all items, or over what the user rated later (``contrast``). Trained are the
weights of the state module and the reference policy that actor and critics start from
(`rlrec.agents.ddpg_networks`), or the actor of an agent without a reference policy.
Then the target networks become copies. Report the agent's results in three parts: the
vectors alone, after this start, and after RL.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rlrec.datasets.matrices import Matrix, rating_matrix
from rlrec.errors import ABOVE_ZERO, DataError, require_choice, require_ranges
from rlrec.nn.backend import tf
from rlrec.nn.networks import Adam, Tensor, copy_weights
from rlrec.types import Bools, Floats32, Ids, Ids32

if TYPE_CHECKING:
    from rlrec.agents.ddpg import DDPG
    from rlrec.datasets import Ratings


@dataclass(frozen=True)
class WarmStartConfig:
    """Hyperparameters of ``warm_start``."""

    updates: int = 1_000  # 1..: steps of Adam
    batch_size: int = 64  # 1..: users in an update
    learning_rate: float = 1e-3  # > 0: Adam's step size
    drawn: int = 20  # 1..: later items of a user in an update, drawn at random
    # liked items against "catalogue": all items; "rated": the user's later ratings
    contrast: str = "catalogue"
    sharpness: float = 5.0  # > 0: initial factor of the scores in the softmax; trained
    positive: float = 4.0  # stars: ratings of this and above are liked

    def __post_init__(self) -> None:
        require_ranges(
            self,
            [
                ("updates", 1, math.inf),
                ("batch_size", 1, math.inf),
                ("learning_rate", ABOVE_ZERO, math.inf),
                ("drawn", 1, math.inf),
                ("sharpness", ABOVE_ZERO, math.inf),
            ],
        )
        require_choice(self, "contrast", ("catalogue", "rated"))


def warm_start(
    agent: DDPG,
    known: Ratings,
    later: Ratings,
    config: WarmStartConfig | None = None,
    seed: int = 0,
) -> Floats32:
    """Train ``agent``'s actor on training interactions; the loss of each update.

    ``known`` and ``later`` are two parts of the same users' ratings. The histories, and
    the agent's user vectors, come from ``known``; ``later`` holds the answers.
    Raises ``DataError`` if no user has both.
    """
    config = config or WarmStartConfig()
    rng = np.random.default_rng(seed)
    questions = Questions(known, later, agent.history, config)
    update = tf.function(_update_of(agent, config), jit_compile=agent.config.compiled)
    losses = []
    for _ in range(config.updates):
        users, history, items, liked = questions.draw(config.batch_size, rng)
        if not agent.has_users:
            users = np.full_like(users, -1)
        losses.append(update(users, history, items, liked))
    copy_weights(agent.learner.target.variables, agent.learner.online.variables)
    return np.asarray(tf.stack(losses))


def _update_of(agent: DDPG, config: WarmStartConfig) -> Tensor:
    """One step of Adam: (users, history, items, liked) -> loss."""
    learner = agent.learner
    net = learner.online
    policy = net.reference if net.reference is not None else net.actor
    sharpness = tf.Variable(np.log(config.sharpness), dtype=tf.float32)
    weights = [*policy.trainable_variables, *net.state.variables, sharpness]
    optimiser = Adam(config.learning_rate, weights, agent.config.gradient_norm)
    loss_of = likelihood_loss if config.contrast == "catalogue" else contrast_loss

    def update(users: Tensor, history: Tensor, items: Tensor, liked: Tensor) -> Tensor:
        with tf.GradientTape() as tape:
            view = learner.view(users, history)
            actions, _ = net.action(net.states(*view), net.base(*view))
            sharp = actions * tf.exp(sharpness)
            loss = loss_of(sharp, learner.item_table[1:], items, liked)
        optimiser.descend(tape, loss)
        return loss

    return update


def likelihood_loss(
    actions: Tensor, vectors: Tensor, items: Tensor, liked: Tensor
) -> Tensor:
    """-log softmax over all ``vectors`` [I, d] at the liked items, in the mean.

    actions [batch, d]; items, liked [batch, m], item -1: none.
    """
    log_probabilities = tf.nn.log_softmax(actions @ tf.transpose(vectors), axis=1)
    places = tf.maximum(items, 0)
    return _mean_of_liked(tf.gather(log_probabilities, places, batch_dims=1), liked)


def contrast_loss(
    actions: Tensor, vectors: Tensor, items: Tensor, liked: Tensor
) -> Tensor:
    """`likelihood_loss` with a softmax over ``items`` [batch, m] only (-1: none)."""
    scores = tf.einsum("bd,bmd->bm", actions, tf.gather(vectors, tf.maximum(items, 0)))
    scores = tf.where(items >= 0, scores, -1e9)
    return _mean_of_liked(tf.nn.log_softmax(scores, axis=1), liked)


def _mean_of_liked(log_probabilities: Tensor, liked: Tensor) -> Tensor:
    weight = tf.cast(liked, tf.float32)  # [batch, m]
    total = tf.reduce_sum(log_probabilities * weight, axis=1)
    return -tf.reduce_mean(total / tf.reduce_sum(weight, axis=1))


class Questions:
    """Users with their last liked items in ``known``, and their ratings in ``later``.

    Raises ``DataError`` if no user has a like in both.
    """

    def __init__(
        self, known: Ratings, later: Ratings, history: int, config: WarmStartConfig
    ) -> None:
        positive = config.positive
        self.config = config
        self.later = rating_matrix(later)
        found = last_liked(rating_matrix(known), history, positive)
        self.history = found.astype(np.int32)
        liked = later.ratings >= positive
        good = np.bincount(later.users, liked, minlength=later.n_users)
        usable = (good > 0) & (self.history[:, -1] >= 0)
        if config.contrast == "rated":
            usable &= good < np.bincount(later.users, minlength=later.n_users)
        else:  # only liked items are drawn
            self.later.data[self.later.data < positive] = 0.0
            self.later.eliminate_zeros()
        self.users = np.flatnonzero(usable)
        if not len(self.users):
            raise DataError("nobody liked something before and something after")

    def draw(
        self, batch: int, rng: np.random.Generator
    ) -> tuple[Ids32, Ids32, Ids32, Bools]:
        """Draw users [batch], histories [batch, n], later items and likes [batch, m].

        Item -1: none.
        """
        who = rng.choice(self.users, batch)
        items = np.full((batch, self.config.drawn), -1, np.int32)
        liked = np.zeros(items.shape, np.bool_)
        for row, user in enumerate(who):
            entries = slice(*self.later.indptr[user : user + 2])
            good = self.later.data[entries] >= self.config.positive
            order = rng.permutation(len(good))[: self.config.drawn]
            if not good[order].any():  # put a liked item in
                order[0] = rng.choice(np.flatnonzero(good))
            items[row, : len(order)] = self.later.indices[entries][order]
            liked[row, : len(order)] = good[order]
        return who.astype(np.int32), self.history[who], items, liked


def last_liked(known: Matrix, count: int, positive: float = 4.0) -> Ids:
    """The ids of the ``count`` items liked last [users, count], oldest first, -1: none.

    ``known``: ratings as `rating_matrix` gives them, in order of time.
    """
    history = np.full((known.shape[0], count), -1, np.int64)
    for row in range(len(history)):
        entries = slice(*known.indptr[row : row + 2])
        liked = known.indices[entries][known.data[entries] >= positive][-count:]
        if len(liked):
            history[row, -len(liked) :] = liked
    return history


def scores_from_known(agent: DDPG, known: Matrix) -> Floats32:
    """The agent's scores [users, I] for known ratings [users, I], sparse.

    The entries of each row are in order of time. The last liked items are the history;
    every user counts as a new user.
    """
    nobody = np.full(known.shape[0], -1)
    return agent.scores(nobody, last_liked(known, agent.history))
