"""State representations of DRR (arXiv:1810.12027): from a user and a history to a vector.

u [k] is the user's vector, i_1 .. i_n [k] those of the n items liked last (oldest first), w [n] trainable weights of
the positions, ``*`` the element-wise product:

    drr-n    [i_1, .., i_n]                                         n k
    drr-p    [i_1, .., i_n, {w_a i_a * w_b i_b, a < b}]             k (n + n(n-1)/2)
    drr-u    [{u * w_a i_a}, {w_a i_a * w_b i_b, a < b}]            k (n + n(n-1)/2)
    drr-ave  [u, u * g, g],   g = average of w_a i_a                3 k

A place without an item (id -1) counts as a vector of zeros, and the average runs over the items that are there:
dividing by the width k instead (a published mistake) makes the history all but vanish.

Differs from the paper: short histories are masked instead of excluded; w starts at 1 and is trained with the critic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rlrec.errors import ConfigError
from rlrec.nn.backend import tf

Tensor = Any
Combine = Callable[["State", Tensor, Tensor, Tensor], Tensor]


class State:
    """One representation with its own ``position_weights`` [n], a variable.

    ``name``: one of ``STATES``; ``dimensions`` k >= 1; ``history`` n >= 1 items. ``width``: length of the state.
    """

    def __init__(self, name: str, dimensions: int, history: int) -> None:
        if name not in STATES:
            raise ConfigError(f"state is {name!r}; choose one of {', '.join(STATES)}")
        if dimensions < 1 or history < 1:
            raise ConfigError(
                f"{dimensions} dimensions, {history} items of history: each must be 1 or more"
            )
        self.name, self.dimensions, self.history = name, dimensions, history
        pairs = history * (history - 1) // 2
        parts = {
            "drr-n": history,
            "drr-p": history + pairs,
            "drr-u": history + pairs,
            "drr-ave": 3,
        }
        self.width = parts[name] * dimensions
        self.position_weights = tf.Variable(tf.ones(history), name="position_weights")
        self._first, self._second = np.triu_indices(history, 1)  # [pairs]

    def __call__(self, users: Tensor, items: Tensor, known: Tensor) -> Tensor:
        """States [batch, width] from users [batch, k], items [batch, n, k] and which of them there are [batch, n]."""
        present = tf.cast(known, items.dtype)[:, :, None]  # [batch, n, 1]
        return STATES[self.name](self, users, items * present, present)

    @property
    def variables(self) -> list[Any]:
        """What training moves; DRR-n has nothing to train."""
        return [] if self.name == "drr-n" else [self.position_weights]

    def weighted(self, items: Tensor) -> Tensor:
        """w_a i_a [batch, n, k]."""
        return items * self.position_weights[None, :, None]

    def pairs(self, items: Tensor) -> Tensor:
        """The products of all pairs a < b of w_a i_a, one after another: [batch, k n(n-1)/2]."""
        items = self.weighted(items)
        products = tf.gather(items, self._first, axis=1) * tf.gather(
            items, self._second, axis=1
        )
        return _flat(products, len(self._first) * self.dimensions)


def _flat(values: Tensor, width: int) -> Tensor:
    return tf.reshape(values, (-1, width))


def _concatenation(
    state: State, users: Tensor, items: Tensor, present: Tensor
) -> Tensor:
    return _flat(items, state.width)


def _products(state: State, users: Tensor, items: Tensor, present: Tensor) -> Tensor:
    return tf.concat(
        [_flat(items, state.history * state.dimensions), state.pairs(items)], axis=1
    )


def _user_products(
    state: State, users: Tensor, items: Tensor, present: Tensor
) -> Tensor:
    with_user = users[:, None, :] * state.weighted(items)  # [batch, n, k]
    return tf.concat(
        [_flat(with_user, state.history * state.dimensions), state.pairs(items)], axis=1
    )


def _average(state: State, users: Tensor, items: Tensor, present: Tensor) -> Tensor:
    count = tf.maximum(
        tf.reduce_sum(present, axis=1), 1.0
    )  # [batch, 1] items, never the width
    average = tf.reduce_sum(state.weighted(items), axis=1) / count  # [batch, k]
    return tf.concat([users, users * average, average], axis=1)


STATES: dict[str, Combine] = {
    "drr-n": _concatenation,
    "drr-p": _products,
    "drr-u": _user_products,
    "drr-ave": _average,
}


def make_state(name: str, dimensions: int = 100, history: int = 5) -> State:
    """The representation ``name``, one of ``STATES``.

    >>> state = make_state("drr-ave", dimensions=2, history=2)
    >>> u, items = tf.constant([[1.0, -1.0]]), tf.constant([[[2.0, 1.0], [1.0, 4.0]]])
    >>> state(u, items, tf.constant([[True, True]])).numpy().tolist()
    [[1.0, -1.0, 1.5, -2.5, 1.5, 2.5]]
    >>> [make_state(name, 100, 10).width for name in STATES]
    [1000, 5500, 5500, 300]
    """
    return State(name, dimensions, history)
