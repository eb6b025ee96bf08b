"""The networks of DDPG (`rlrec.agents.ddpg`): actor, critics and their updates.

    state       s = state(u, i_1 .. i_n)           see `rlrec.agents.ddpg_states`
    base        b = |x| normalise(sqrt(d) x / |x| + tanh(reference(s)))    [d], or 0
    action      a = normalise(sqrt(d) b / |b| + tanh(actor(s)))       [d], length 1
    critic      Q(s, a) = v(s) + (c(s) + t b) . a  or a network of [s, a]
    TD target   y = r + gamma (1 - terminated) min_j Q'_j(s', a')
    critics     minimise  sum_j mean w (y - Q_j(s, i))^2 + l2 |kernels|^2
    actor       minimises  -mean Q_1(s, a) + saturation mean actor(s)^2

u is the user's vector. i_1 .. i_n are the vectors of the items liked last, i that of
the item played. All these vectors have d entries. Critic j is one network with the
outputs [v, c]; w are importance weights. Q' and a' come from the target networks; y is
clipped to the returns that rewards make possible. Before Q' is evaluated, a' is
replaced by the item that it ranks first among ``target_candidates`` random items.

By default the base b is 0. With ``residual``, x is the user's vector or the normalised
sum of the history's vectors, and actor and critics learn what to add to b. The
reference is a network like the actor, trained only in the supervised warm start
(`rlrec.collaborative.drr_warm_start`). The trust t, one learned number for each critic,
starts at 1.

Paper: DRR (arXiv:1810.12027), algorithm 1; `rlrec.agents.ddpg` lists the differences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.agents.ddpg_config import DDPGConfig
from rlrec.agents.ddpg_states import make_state
from rlrec.nn.backend import tf
from rlrec.nn.networks import (
    Adam,
    Batch,
    Checkpointed,
    Model,
    Tensor,
    Variable,
    copy_weights,
    kernel_penalty,
    mlp,
    polyak,
    td_target,
)


def policy_loss(
    critic: Callable[[Tensor, Tensor], Tensor],
    actor: Callable[[Tensor], Tensor],
    states: Tensor,
) -> Tensor:
    """``-mean Q(s, actor(s))``: its negative gradient is the policy gradient.

    This is the deterministic policy gradient of Silver et al. (2014), equation 9. The
    critic is evaluated at the actor's own action. At the replayed action (a published
    mistake) the gradient may have the other sign: for Q = -(a - .6)^2, dQ/da is +.8 at
    the actor's .2 and -.6 at a replayed .9.

    >>> a = tf.Variable(0.2)
    >>> with tf.GradientTape() as tape:
    ...     loss = policy_loss(lambda s, a: -((a - 0.6) ** 2), lambda s: a, None)
    >>> round(-float(tape.gradient(loss, a)), 3)
    0.8
    """
    return -tf.reduce_mean(critic(states, actor(states)))


class DDPGLearner(Checkpointed):
    """Online and target networks, their optimisers, and many updates in one call.

    item_vectors [I, d], user_vectors [U, d]: of length about 1. Ids are looked up
    inside; id -1 gives zeros. ``history``: the number of items in a history, n.
    ``learn``, ``propose`` and ``judge`` are the compiled ``_learn``, ``_propose`` and
    ``_judge``.
    """

    def __init__(
        self,
        item_vectors: NDArray[Any],
        user_vectors: NDArray[Any],
        history: int,
        config: DDPGConfig,
        rng: np.random.Generator,
    ) -> None:
        self.config = config
        self.item_table = _with_zeros(item_vectors)
        self.user_table = _with_zeros(user_vectors)
        dimensions = item_vectors.shape[1]
        self.online = Networks(config, dimensions, history, rng)
        self.target = Networks(config, dimensions, history, rng)
        copy_weights(self.target.variables, self.online.variables)
        self.actor_optimiser = Adam(
            config.actor_rate,
            self.online.actor.trainable_variables,
            config.gradient_norm,
        )
        self.critic_optimiser = Adam(
            config.critic_rate,
            self.online.critic_variables,
            config.gradient_norm,
        )
        self.stored = {
            "online": self.online.variables,
            "target": self.target.variables,
            "actor_optimiser": self.actor_optimiser.variables,
            "critic_optimiser": self.critic_optimiser.variables,
        }
        self.given = [self.item_table, self.user_table]
        self.learn = tf.function(self._learn, jit_compile=config.compiled)
        self.propose = tf.function(self._propose, reduce_retracing=True)
        self.judge = tf.function(self._judge, reduce_retracing=True)

    # -- learn -----------------------------------------------------------------------
    def _learn(self, batches: Batch) -> tuple[Tensor, Tensor]:
        """One round of updates from ``batches``, name -> [updates, batch, ...].

        Names: user, history [..., n], item, reward, next_history [..., n], terminated,
        weight; and candidates [updates, m]. Returns sizes of TD errors [updates, batch]
        and the means of critic loss, actor loss and Q [3].
        """
        updates = self.config.updates
        delay = self.config.policy_delay
        errors = tf.TensorArray(tf.float32, updates)
        sums = tf.zeros(3)  # critic loss, actor loss, Q
        for first in tf.range(0, updates, delay):
            for turn in range(delay):
                batch = {name: values[first + turn] for name, values in batches.items()}
                error, loss, value = self.update_critics(batch)
                errors = errors.write(first + turn, error)
                sums += tf.stack([loss, 0.0, value])
            actor_loss = self.update_actor(batch)
            # one actor update for ``delay`` critic updates: it counts ``delay`` times
            sums += tf.stack([0.0, delay * actor_loss, 0.0])
            polyak(self.target.variables, self.online.variables, self.config.tau)
        return errors.stack(), sums / updates

    def update_critics(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """One update of critics and state: sizes of TD errors [batch], loss, mean Q.

        The size is the mean absolute error over the critics; with a mean of signed
        errors, twins that err in opposite directions would look right.
        """
        target = self.targets(batch)  # [batch]
        view = self.view(batch["user"], batch["history"])
        with tf.GradientTape() as tape:
            states, base = self.online.encode(*view)
            items = self.items(batch["item"])
            # values, errors: [critics, batch]
            values = self.online.values(states, tf.stop_gradient(base), items)
            errors = target[None, :] - values
            squares = tf.reduce_mean(batch["weight"] * tf.square(errors), axis=1)
            loss = tf.reduce_sum(squares)
            loss += self.config.l2 * kernel_penalty(self.online.critics)
        self.critic_optimiser.descend(tape, loss)
        sizes = tf.reduce_mean(tf.abs(errors), axis=0)
        return sizes, loss, tf.reduce_mean(values)

    def targets(self, batch: Batch) -> Tensor:
        """TD targets [batch], by the smaller target critic (TD3, section 4)."""
        view = self.view(batch["user"], batch["next_history"])
        states, base = self.target.encode(*view)
        actions, _ = self.target.action(states, base)
        if self.config.target_candidates:
            actions = self.retrieve(actions, batch["candidates"])
        values = self.target.values(states, base, actions)  # [critics, batch]
        next_value = tf.reduce_min(values, axis=0)
        return td_target(
            batch["reward"],
            batch["terminated"],
            next_value,
            self.config.discount,
            *self.config.value_bounds,
        )

    def retrieve(self, actions: Tensor, candidates: Tensor) -> Tensor:
        """Vectors [batch, d] of the ``candidates`` [m] that the actions rank first."""
        vectors = self.items(candidates)  # [m, d]
        scores = actions @ tf.transpose(vectors)  # [batch, m]
        return tf.gather(vectors, tf.argmax(scores, axis=1))

    def update_actor(self, batch: Batch) -> Tensor:
        """One update of the actor along the first critic's gradient; its loss."""
        net = self.online
        # outside of the tape: the actor's loss does not train the state
        states, base = net.encode(*self.view(batch["user"], batch["history"]))

        def critic(states: Tensor, actions: Tensor) -> Tensor:
            return net.value(0, states, base, actions)

        with tf.GradientTape() as tape:
            actions, pre_tanh = net.action(states, base)
            # the actions are computed already, for pre_tanh: the lambda returns them
            loss = policy_loss(critic, lambda _: actions, states)
            loss += self.config.saturation * tf.reduce_mean(tf.square(pre_tanh))
        self.actor_optimiser.descend(tape, loss)
        return loss

    # -- decide ----------------------------------------------------------------------
    def _propose(self, users: Tensor, history: Tensor) -> Tensor:
        """Actions [batch, d] from user vectors [batch, d] and item ids [batch, n]."""
        states, base = self.online.encode(users, self.items(history), history >= 0)
        return self.online.action(states, base)[0]

    def _judge(self, users: Tensor, history: Tensor, items: Tensor) -> Tensor:
        """Q of item ids [batch, m]: [batch, m], the smaller of the critics.

        users [batch, d]: vectors. history [batch, n]: item ids.
        """
        states, base = self.online.encode(users, self.items(history), history >= 0)
        count = tf.shape(items)[1]
        values = self.online.values(
            tf.repeat(states, count, axis=0),
            tf.repeat(base, count, axis=0),
            self.items(tf.reshape(items, [-1])),
        )  # [critics, batch * m]
        return tf.reshape(tf.reduce_min(values, axis=0), (-1, count))

    # -- look up ---------------------------------------------------------------------
    def items(self, ids: Tensor) -> Tensor:
        """Item vectors [..., d] of ids [...]; zeros for -1."""
        return tf.gather(self.item_table, ids + 1)

    def view(self, users: Tensor, history: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The arguments of ``Networks.encode``, from ids [batch] and [batch, n]."""
        vectors = tf.gather(self.user_table, users + 1)  # [batch, d]
        return vectors, self.items(history), history >= 0


class Networks:
    """Actor, critics and state representation, either online or target.

    ``critic_variables``: those of the critics and the state, which train together.
    ``variables``: all of them. Shapes below: users [batch, d]; items [batch, n, d], the
    history's vectors, zeros where an item is missing; ``known`` [batch, n], False where
    an item is missing; states [batch, width]; base and actions [batch, d].
    """

    def __init__(
        self,
        config: DDPGConfig,
        dimensions: int,
        history: int,
        rng: np.random.Generator,
    ) -> None:
        self.residual = config.residual
        # times this, a vector of length 1 has entries of about 1
        self.root = float(np.sqrt(dimensions))
        self.dot = config.critic == "dot"
        self.state = make_state(config.state, dimensions, history)
        width = self.state.width
        # with a base, the actor adds 0 to it before training
        scale = 1.0 if self.residual == "none" else 0.0
        self.actor = mlp(width, config.hidden, dimensions, rng, last_scale=scale)
        inputs = width if self.dot else width + dimensions
        outputs = 1 + dimensions if self.dot else 1
        self.critics = [
            mlp(inputs, config.hidden, outputs, rng, last_scale=0.1)
            for _ in range(2 if config.twin else 1)
        ]
        self.reference: Model | None = None
        self.trust: list[Variable] = []
        reference_variables = []
        if self.residual != "none":
            self.reference = mlp(width, config.hidden, dimensions, rng, last_scale=0.0)
            reference_variables = self.reference.trainable_variables
            if self.dot:
                self.trust = [tf.Variable(1.0, name="trust") for _ in self.critics]
        self.critic_variables: list[Variable] = []
        for critic in self.critics:
            self.critic_variables += critic.trainable_variables
        self.critic_variables += [*self.trust, *self.state.variables]
        self.variables = [
            *self.actor.trainable_variables,
            *reference_variables,
            *self.critic_variables,
        ]

    def encode(
        self,
        users: Tensor,
        items: Tensor,
        known: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """States [batch, width] and the base b [batch, d]."""
        return self.states(users, items, known), self.base(users, items, known)

    def states(self, users: Tensor, items: Tensor, known: Tensor) -> Tensor:
        """States [batch, width], from vectors scaled to entries of about 1."""
        return self.state(users * self.root, items * self.root, known)

    def base(self, users: Tensor, items: Tensor, known: Tensor) -> Tensor:
        """The base b [batch, d], to which actor and critics add; see the module."""
        if self.reference is None:
            return tf.zeros_like(users)
        vector = users
        if self.residual == "history":
            total = tf.reduce_sum(items, axis=1)
            vector = tf.nn.l2_normalize(total, axis=1)
        pre_tanh = self.reference(self.states(users, items, known))
        length = tf.norm(vector, axis=1, keepdims=True)
        return self.direction(vector, pre_tanh) * length

    def action(self, states: Tensor, base: Tensor) -> tuple[Tensor, Tensor]:
        """Actions of length 1 [batch, d], and the actor's output before tanh."""
        pre_tanh = self.actor(states)
        return self.direction(base, pre_tanh), pre_tanh

    def direction(self, base: Tensor, pre_tanh: Tensor) -> Tensor:
        """normalise(sqrt(d) b / |b| + tanh(pre_tanh)): [batch, d] of length 1."""
        unit = tf.nn.l2_normalize(base, axis=1)
        moved = unit * self.root + tf.tanh(pre_tanh)
        return tf.nn.l2_normalize(moved, axis=1)

    def value(
        self,
        which: int,
        states: Tensor,
        base: Tensor,
        actions: Tensor,
    ) -> Tensor:
        """Q(s, a) [batch] of critic number ``which``."""
        critic = self.critics[which]
        if not self.dot:
            inputs = tf.concat([states, actions * self.root], axis=1)
            return critic(inputs)[:, 0]
        parts = critic(states)  # [batch, 1 + d]: v and c
        slope = parts[:, 1:]  # dQ/da [batch, d]
        if self.trust:
            slope += self.trust[which] * base
        return parts[:, 0] + tf.reduce_sum(slope * actions, axis=1)

    def values(self, states: Tensor, base: Tensor, actions: Tensor) -> Tensor:
        """Q(s, a) of all critics [critics, batch]."""
        critics = range(len(self.critics))
        return tf.stack([self.value(k, states, base, actions) for k in critics])


def _with_zeros(vectors: NDArray[Any]) -> Variable:
    """A table [1 + n, d] whose first row, that of id -1, is zeros."""
    padded = np.pad(vectors, ((1, 0), (0, 0)))
    return tf.Variable(padded, trainable=False, dtype=tf.float32)
