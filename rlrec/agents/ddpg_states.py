"""DRR's state representations (arXiv:1810.12027): a vector from a user and a history.

u [k] is the user's vector, i_1 .. i_n [k] are those of the n items liked last (oldest
first), w [n] trainable weights of the positions, ``*`` the element-wise product:

    drr-n    [i_1, .., i_n]                                     n k
    drr-p    [i_1, .., i_n, {w_a i_a * w_b i_b, a < b}]         k (n + n(n-1)/2)
    drr-u    [{u * w_a i_a}, {w_a i_a * w_b i_b, a < b}]        k (n + n(n-1)/2)
    drr-ave  [u, u * g, g],   g = average of w_a i_a            3 k

A position without an item (id -1) counts as zeros. The average is over the items that
are there: dividing by the width k instead (a published mistake) makes the history all
but vanish.

Differs from the paper: short histories are masked instead of excluded; w starts at 1
and is trained with the critics alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rlrec.errors import require_choice, require_ranges
from rlrec.nn.backend import tf
from rlrec.nn.networks import Tensor, Variable


class State:
    """One representation, with its own ``position_weights`` [n].

    ``name``: one of ``STATES``; ``dimensions``: k >= 1; ``history``: n >= 1 items.
    ``width``: numbers in a state; ``variables``: what is trained.
    Raises ``ConfigError`` for other values.
    """

    def __init__(
        self,
        name: str,
        dimensions: int,
        history: int,
    ) -> None:
        self.name = name
        self.dimensions = dimensions
        self.history = history
        require_choice(self, "name", STATES)
        require_ranges(
            self,
            [
                ("dimensions", 1, np.inf),
                ("history", 1, np.inf),
            ],
        )
        self._first, self._second = np.triu_indices(history, 1)  # [pairs]
        pairs = len(self._first)
        vectors = {"drr-n": history, "drr-ave": 3}
        self.width = vectors.get(name, history + pairs) * dimensions
        self.position_weights = tf.Variable(tf.ones(history), name="position_weights")

    def __call__(
        self,
        users: Tensor,
        items: Tensor,
        known: Tensor,
    ) -> Tensor:
        """States [batch, width].

        users [batch, k], items [batch, n, k], known [batch, n]: which items are there.
        """
        present = tf.cast(known, items.dtype)[:, :, None]  # [batch, n, 1]
        return STATES[self.name](self, users, items * present, present)

    @property
    def variables(self) -> list[Variable]:
        """What is trained: the position weights; nothing in "drr-n"."""
        return [] if self.name == "drr-n" else [self.position_weights]

    def weighted(self, items: Tensor) -> Tensor:
        """w_a i_a [batch, n, k]."""
        return items * self.position_weights[None, :, None]

    def pairs(self, items: Tensor) -> Tensor:
        """Products of all pairs a < b of w_a i_a, in a row: [batch, k n(n-1)/2]."""
        items = self.weighted(items)
        first = tf.gather(items, self._first, axis=1)  # [batch, pairs, k]
        second = tf.gather(items, self._second, axis=1)
        return self.flat(first * second)

    def flat(self, vectors: Tensor) -> Tensor:
        """[batch, m, k] -> [batch, m k]."""
        return tf.reshape(vectors, (-1, vectors.shape[1] * self.dimensions))


def _concatenation(
    state: State,
    users: Tensor,
    items: Tensor,
    present: Tensor,
) -> Tensor:
    return state.flat(items)


def _products(
    state: State,
    users: Tensor,
    items: Tensor,
    present: Tensor,
) -> Tensor:
    return tf.concat([state.flat(items), state.pairs(items)], axis=1)


def _user_products(
    state: State,
    users: Tensor,
    items: Tensor,
    present: Tensor,
) -> Tensor:
    with_user = users[:, None, :] * state.weighted(items)  # [batch, n, k]
    return tf.concat([state.flat(with_user), state.pairs(items)], axis=1)


def _average(
    state: State,
    users: Tensor,
    items: Tensor,
    present: Tensor,
) -> Tensor:
    # [batch, 1]: the number of items, never the width.
    count = tf.maximum(tf.reduce_sum(present, axis=1), 1.0)
    total = tf.reduce_sum(state.weighted(items), axis=1)  # [batch, k]
    average = total / count
    return tf.concat([users, users * average, average], axis=1)


STATES: dict[str, Callable[[State, Tensor, Tensor, Tensor], Tensor]] = {
    "drr-n": _concatenation,
    "drr-p": _products,
    "drr-u": _user_products,
    "drr-ave": _average,
}


def make_state(
    name: str,
    dimensions: int = 100,
    history: int = 5,
) -> State:
    """The representation ``name``, one of ``STATES``.

    >>> state = make_state("drr-ave", dimensions=2, history=2)
    >>> user = tf.constant([[1.0, -1.0]])
    >>> items = tf.constant([[[2.0, 1.0], [1.0, 4.0]]])
    >>> state(user, items, tf.constant([[True, True]])).numpy().tolist()
    [[1.0, -1.0, 1.5, -2.5, 1.5, 2.5]]
    >>> [make_state(name, 100, 10).width for name in STATES]
    [1000, 5500, 5500, 300]
    """
    return State(name, dimensions, history)
