"""Actor, critics and one compiled round of updates: what DDPG learns with (DRR, arXiv:1810.12027, algorithm 1).

    s = state(u, i_1 .. i_n)                                     states.py; its weights are trained with the critics
    a = normalise(sqrt(d) b / |b| + tanh(actor(s)))              a ranking vector [d] of length 1
    y = r + gamma (1 - terminated) min_j Q'_j(s', a'(s'))        clipped to the values that rewards make possible
    critics:  mean w (y - Q_j(s, i))^2 + l2 |kernels|^2          i: vector of the item that was played
    actor:    -mean Q_1(s, a(s)) + c mean actor(s)^2             the slope dQ/da at the actor's OWN action

Q is ``v(s) + (c(s) + t b) . a`` ("dot") or a network of [s, a] ("mlp"). In y, a' is replaced by the item that it ranks
first among ``target_candidates`` drawn at random. b is 0, or the user's vector or the history's sum (``residual``),
turned by a reference policy of the actor's form that only a supervised start trains: the point from which actor and
critics set out. The critics trust b at t = 1, a number that they learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlrec.agents.ddpg_states import make_state
from rlrec.nn.backend import tf
from rlrec.nn.networks import (
    Adam,
    Model,
    Tensor,
    copy_weights,
    from_arrays,
    kernel_penalty,
    mlp,
    polyak,
    td_target,
    to_arrays,
)

if TYPE_CHECKING:
    from rlrec.agents.ddpg_config import DDPGConfig

Batch = dict[str, Tensor]  # name -> [batch, ...]


def policy_loss(critic: Any, actor: Any, states: Tensor) -> Tensor:
    """``-mean Q(s, actor(s))``: its slope is the deterministic policy gradient (Silver et al., 2014, equation 9).

    The critic is asked at the actor's own action. At the replayed one (a published mistake) the slope may have the
    other sign: for Q = -(a - .6)^2 it is +.8 at the actor's .2 and -.6 at a replayed .9.

    >>> a = tf.Variable(0.2)
    >>> with tf.GradientTape() as tape:
    ...     loss = policy_loss(lambda s, a: -((a - 0.6) ** 2), lambda s: a, None)
    >>> round(-float(tape.gradient(loss, a)), 3)
    0.8
    """
    return -tf.reduce_mean(critic(states, actor(states)))


class Networks:
    """One actor, one or two critics and the state representation: all the weights of one side, online or target."""

    def __init__(
        self,
        config: DDPGConfig,
        dimensions: int,
        history: int,
        rng: np.random.Generator,
    ) -> None:
        self.state = make_state(config.state, dimensions, history)
        width, last = self.state.width, 0.0 if config.residual != "none" else 1.0
        self.actor: Model = mlp(width, config.hidden, dimensions, rng, last_scale=last)
        ends = (
            (width, 1 + dimensions)
            if config.critic == "dot"
            else (width + dimensions, 1)
        )
        self.critics: list[Model] = [
            mlp(ends[0], config.hidden, ends[1], rng, last_scale=0.1)
            for _ in range(2 if config.twin else 1)
        ]
        self.residual, self.root, self.dot = (
            config.residual,
            float(np.sqrt(dimensions)),
            config.critic == "dot",
        )
        self.reference: Model | None = None
        if config.residual != "none":  # starts at 0, learns in a supervised start only
            self.reference = mlp(width, config.hidden, dimensions, rng, last_scale=0.0)
        self.trust = [
            tf.Variable(1.0, name="trust")
            for _ in self.critics
            if self.dot and self.reference
        ]

    @property
    def critic_variables(self) -> list[Any]:
        """The critics' weights and the state's: they are trained together."""
        critics = [
            variable
            for critic in self.critics
            for variable in critic.trainable_variables
        ]
        return [*critics, *self.trust, *self.state.variables]

    @property
    def variables(self) -> list[Any]:
        """All the weights."""
        reference = self.reference.trainable_variables if self.reference else []
        return [*self.actor.trainable_variables, *reference, *self.critic_variables]

    def states(self, users: Tensor, items: Tensor, known: Tensor) -> Tensor:
        """States [batch, width]; vectors come at length about 1 and enter with entries of about 1."""
        return self.state(users * self.root, items * self.root, known)

    def base(self, users: Tensor, items: Tensor, known: Tensor) -> Tensor:
        """What actor and critics start from, b [batch, d]: 0, or user or history, turned by the reference policy."""
        if self.reference is None:
            return tf.zeros_like(users)
        present = tf.cast(known, tf.float32)[:, :, None]
        liked = tf.nn.l2_normalize(tf.reduce_sum(items * present, axis=1), axis=1)
        vector = users if self.residual == "user" else liked
        turned = self.turned(vector, self.reference(self.states(users, items, known)))
        return turned * tf.norm(vector, axis=1, keepdims=True)

    def turned(self, base: Tensor, before: Tensor) -> Tensor:
        """normalise(sqrt(d) b / |b| + tanh(before)): vectors of length 1 [batch, d]."""
        return tf.nn.l2_normalize(
            tf.nn.l2_normalize(base, axis=1) * self.root + tf.tanh(before), axis=1
        )

    def action(self, states: Tensor, base: Tensor) -> tuple[Tensor, Tensor]:
        """Actions of length 1 [batch, d], and the values before tanh [batch, d]."""
        before = self.actor(states)
        return self.turned(base, before), before

    def value(
        self, which: int, states: Tensor, base: Tensor, actions: Tensor
    ) -> Tensor:
        """Q(s, a) [batch] of one critic for states [batch, width], b [batch, d], actions or item vectors [batch, d]."""
        critic = self.critics[which]
        if not self.dot:
            return critic(tf.concat([states, actions * self.root], axis=1))[:, 0]
        parts = critic(states)  # [batch, 1 + d]: v and c
        slope = parts[:, 1:] + self.trust[which] * base if self.trust else parts[:, 1:]
        return parts[:, 0] + tf.reduce_sum(slope * actions, axis=1)

    def values(self, states: Tensor, base: Tensor, actions: Tensor) -> Tensor:
        """All critics' values [critics, batch]."""
        return tf.stack(
            [
                self.value(which, states, base, actions)
                for which in range(len(self.critics))
            ]
        )


class Learner:
    """Online and target networks, their optimisers, and ``learn``: many updates in one compiled call.

    item_vectors [I, d], user_vectors [U, d]: of length about 1; ids are looked up inside, -1 gives zeros.
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
        self.item_table, self.user_table = (
            _with_zeros(item_vectors),
            _with_zeros(user_vectors),
        )
        self.online, self.target = (
            Networks(config, item_vectors.shape[1], history, rng) for _ in range(2)
        )
        copy_weights(self.target.variables, self.online.variables)
        self.actor_optimiser = Adam(
            config.actor_rate,
            self.online.actor.trainable_variables,
            config.gradient_norm,
        )
        self.critic_optimiser = Adam(
            config.critic_rate, self.online.critic_variables, config.gradient_norm
        )
        self.learn = tf.function(self._learn, jit_compile=config.compiled)
        dimensions = item_vectors.shape[1]
        self.propose = tf.function(
            self._propose,
            input_signature=[
                tf.TensorSpec([None, dimensions]),
                tf.TensorSpec([None, history], tf.int32),
            ],
        )
        self.judge = tf.function(self._judge, reduce_retracing=True)

    # -- decide ------------------------------------------------------------------------------------------
    def _propose(self, users: Tensor, history: Tensor) -> Tensor:
        """Actions [batch, d] for user vectors [batch, d] and histories of ids [batch, n]."""
        view = (users, self.items(history), history >= 0)
        return self.online.action(self.online.states(*view), self.online.base(*view))[0]

    def _judge(self, users: Tensor, history: Tensor, items: Tensor) -> Tensor:
        """What the critics hold of items [batch, m], the smaller value of each: [batch, m]."""
        view, count = (users, self.items(history), history >= 0), tf.shape(items)[1]
        states, base = (
            tf.repeat(part(*view), count, axis=0)
            for part in (self.online.states, self.online.base)
        )
        vectors = tf.reshape(
            self.items(items), (-1, tf.shape(users)[1])
        )  # [batch m, d]
        values = self.online.values(states, base, vectors)  # [critics, batch m]
        return tf.reshape(tf.reduce_min(values, axis=0), (-1, count))

    def items(self, ids: Tensor) -> Tensor:
        """Vectors of items; zeros for -1."""
        return tf.gather(self.item_table, ids + 1)

    def _view(self, users: Tensor, history: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return tf.gather(self.user_table, users + 1), self.items(history), history >= 0

    # -- learn -------------------------------------------------------------------------------------------
    def _learn(self, batches: Batch) -> tuple[Tensor, Tensor]:
        """One round: TD errors [updates, batch], and the means of critic loss, actor loss and Q [3].

        ``batches``: user, history [.., n], item, reward, next_history [.., n], terminated, weight: [updates, batch].
        """
        updates, delay = self.config.updates, self.config.policy_delay
        errors, sums = tf.TensorArray(tf.float32, updates), tf.zeros(3)
        for first in tf.range(0, updates, delay):
            for turn in range(delay):
                batch = {name: values[first + turn] for name, values in batches.items()}
                error, loss, value = self.update_critics(batch)
                errors = errors.write(first + turn, error)
                sums += tf.stack([loss, 0.0, value])
            sums += tf.stack([0.0, delay * self.update_actor(batch), 0.0])
            polyak(self.target.variables, self.online.variables, self.config.tau)
        return errors.stack(), sums / updates

    def update_critics(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """One step of the critics and the state: TD errors [batch], loss, mean Q."""
        target, view = self.targets(batch), self._view(batch["user"], batch["history"])
        with tf.GradientTape() as tape:
            states, base = (
                self.online.states(*view),
                tf.stop_gradient(self.online.base(*view)),
            )
            values = self.online.values(
                states, base, self.items(batch["item"])
            )  # [critics, batch]
            errors = target[None, :] - values  # [critics, batch]
            loss = tf.reduce_sum(
                tf.reduce_mean(batch["weight"] * tf.square(errors), axis=1)
            )
            loss += self.config.l2 * kernel_penalty(self.online.critics)
        self.critic_optimiser.descend(tape, loss)
        return tf.reduce_mean(errors, axis=0), loss, tf.reduce_mean(values)

    def targets(self, batch: Batch) -> Tensor:
        """What the critics should say [batch]: the smaller of the target critics' values counts (TD3, section 4)."""
        view = self._view(batch["user"], batch["next_history"])
        states, base = self.target.states(*view), self.target.base(*view)
        actions, _ = self.target.action(states, base)
        if self.config.target_candidates:
            actions = self.retrieve(actions, batch["candidates"])
        next_value = tf.reduce_min(self.target.values(states, base, actions), axis=0)
        return td_target(
            batch["reward"],
            batch["terminated"],
            next_value,
            self.config.discount,
            *self.config.value_bounds,
        )

    def retrieve(self, actions: Tensor, candidates: Tensor) -> Tensor:
        """The vector [batch, d] of that one of the ``candidates`` [m] which each action [batch, d] ranks first."""
        vectors = self.items(candidates)  # [m, d]
        return tf.gather(vectors, tf.argmax(actions @ tf.transpose(vectors), axis=1))

    def update_actor(self, batch: Batch) -> Tensor:
        """One step of the actor up the first critic's slope at its own actions: its loss."""
        view, net = self._view(batch["user"], batch["history"]), self.online
        states, base, before = net.states(*view), net.base(*view), []
        variables = net.actor.trainable_variables

        def actor(states: Tensor) -> Tensor:
            action, linear = net.action(states, base)
            before.append(linear)
            return action

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            loss = policy_loss(
                lambda states, actions: net.value(0, states, base, actions),
                actor,
                states,
            )
            loss += self.config.saturation * tf.reduce_mean(tf.square(before[0]))
        self.actor_optimiser.descend(tape, loss)
        return loss

    # -- keep --------------------------------------------------------------------------------------------
    def _groups(self) -> dict[str, Sequence[Any]]:
        return {
            "online": self.online.variables,
            "target": self.target.variables,
            "actor_optimiser": self.actor_optimiser.variables,
            "critic_optimiser": self.critic_optimiser.variables,
        }

    def state(self) -> dict[str, NDArray[Any]]:
        """All weights, target weights and the optimisers' memories, as arrays."""
        return {
            key: value
            for name, group in self._groups().items()
            for key, value in to_arrays(name, group).items()
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what ``state`` gave."""
        for name, group in self._groups().items():
            from_arrays(name, group, arrays)


def _with_zeros(vectors: NDArray[Any]) -> Tensor:
    """A table [1 + n, d] whose first row, that of id -1, is zeros."""
    return tf.constant(
        np.vstack([np.zeros((1, vectors.shape[1])), vectors]), tf.float32
    )
