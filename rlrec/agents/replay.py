"""Experience replay: uniform, and prioritised (Schaul et al., ICLR 2016).

A replay memory keeps the last transitions: observation, action, reward, next
observation. Training on random ones breaks the correlation of consecutive steps, and
uses each several times. Uniform replay draws all with the same probability P.
Prioritised replay prefers large TD errors, and corrects the bias of that with
importance weights w:

    p_i  = |td_error_i| + smallest
    P(i) = p_i^alpha / sum_j p_j^alpha
    w_i  = (N P(i))^-beta / max_j (N P(j))^-beta      for a memory of N transitions

Differs from the paper: only the proportional variant, not the rank-based one. One call
of ``sample`` draws many batches, in one stratified sample, with the priorities of that
moment; the paper draws a batch and updates its priorities one by one. The maximum in
w_i is taken over the memory, not the batch. New transitions get the largest priority
ever seen, even if the transition that had it has been overwritten. TD errors are not
clipped to [-1, 1], and step sizes are not divided by 4. Uniform replay draws single
transitions (Mnih et al., 2015); Lin (1992) replays episodes backwards.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from rlrec.agents.schedules import linear_schedule
from rlrec.errors import (
    ABOVE_ZERO,
    ConfigError,
    require_ranges,
    require_same_shapes,
)
from rlrec.types import Arrays, Floats, Floats32, Ids

Fields = dict[str, tuple[tuple[int, ...], Any]]  # name -> (shape, dtype)


@dataclass(frozen=True)
class PriorityConfig:
    """Hyperparameters of prioritised replay (Schaul et al., section 3)."""

    # 0..1: 0 draws uniformly, 1 in proportion to the TD error
    alpha: float = 0.6
    # 0..1: share of the bias that the weights correct at the start of training
    beta_start: float = 0.4
    # 0..1: the same at the end of training
    beta_end: float = 1.0
    # > 0, TD error units: added to each error, so that every transition can be drawn
    smallest: float = 1e-3

    def __post_init__(self) -> None:
        require_ranges(
            self,
            [
                ("alpha", 0.0, 1.0),
                ("beta_start", 0.0, 1.0),
                ("beta_end", 0.0, 1.0),
                ("smallest", ABOVE_ZERO, np.inf),
            ],
        )

    def beta(self, progress: float) -> float:
        """Beta after a share ``progress`` of the training, 0..1 (linear)."""
        return linear_schedule(self.beta_start, self.beta_end, progress)


class Sample(NamedTuple):
    """Drawn transitions: ``batches`` batches of ``batch`` transitions each."""

    data: Arrays  # name -> [batches, batch, ...]
    places: Ids  # [batches, batch]: indices into the memory
    weights: Floats32  # [batches, batch]: importance weights, 0 < w <= 1


class UniformReplay:
    """The last ``capacity`` transitions, all drawn with the same probability.

    ``fields``: name -> (shape, dtype) of each part of a transition, such as
    ``{"reward": ((), np.float32)}``. Keep ``terminated`` and ``truncated`` apart: only
    the first removes the value of the next state. ``data``: name -> [capacity, ...], a
    ring buffer. Raises ``ConfigError`` for a capacity below 1.
    """

    def __init__(self, capacity: int, fields: Fields) -> None:
        if capacity < 1:
            raise ConfigError(f"capacity is {capacity}; it must be 1 or more")
        self.capacity = capacity
        self.size = 0
        self.next = 0
        self.data: Arrays = {}
        for name, (shape, dtype) in fields.items():
            self.data[name] = np.zeros((capacity, *shape), dtype)

    def __len__(self) -> int:
        """How many transitions it holds."""
        return self.size

    def add(self, **parts: ArrayLike) -> Ids:
        """Store n transitions over the oldest; returns their places [n].

        ``parts``: name -> [n, ...], n at most the capacity. Raises ``ConfigError`` for
        other names or shapes.
        """
        if parts.keys() != self.data.keys():
            raise ConfigError(
                f"got {sorted(parts)}; a transition here has {sorted(self.data)}"
            )
        count = len(np.asarray(next(iter(parts.values()))))
        for name, values in parts.items():
            expected = self.data[name][:count].shape
            if np.shape(values) != expected:
                raise ConfigError(
                    f"{name} has shape {np.shape(values)}, not {expected}: the parts "
                    "do not belong to the same transitions, or exceed the capacity"
                )
        places = (self.next + np.arange(count)) % self.capacity
        for name, values in parts.items():
            self.data[name][places] = values
        self.next = (self.next + count) % self.capacity
        self.size = min(self.size + count, self.capacity)
        return places

    def sample(self, batches: int, batch_size: int, rng: Generator) -> Sample:
        """Draw batches with replacement. Raises ``ConfigError`` for an empty memory."""
        places = self.draw(batches, batch_size, rng)
        return self._read(places, np.ones(places.shape))

    def draw(self, batches: int, batch_size: int, rng: Generator) -> Ids:
        """The places of ``sample``, without their transitions: [batches, batch]."""
        if not self.size:
            raise ConfigError("the replay memory is empty; add transitions first")
        return rng.integers(self.size, size=(batches, batch_size))

    def _read(self, places: Ids, weights: Floats) -> Sample:
        data = {name: values[places] for name, values in self.data.items()}
        return Sample(data, places, weights.astype(np.float32))

    def state(self) -> Arrays:
        """A copy of all it holds, as arrays, for a checkpoint."""
        state = {}
        for name, values in self.data.items():
            state[f"data_{name}"] = values[: self.size].copy()
        state["ring"] = np.array([self.size, self.next, self.capacity])
        return state

    def restore(self, state: Arrays) -> None:
        """Restore what ``state`` returned; ``ConfigError`` for another capacity."""
        capacity = state["ring"][2]
        if capacity != self.capacity:
            raise ConfigError(
                f"capacity {capacity} is stored, {self.capacity} here; make them equal"
            )
        self.size, self.next, _ = state["ring"].tolist()
        for name, values in self.data.items():
            values[: self.size] = state[f"data_{name}"]


class PrioritisedReplay(UniformReplay):
    """Transitions drawn in proportion to ``p^alpha``, called the priority from here on.

    A new one gets the largest priority so far, so that it is likely to be drawn.
    """

    def __init__(
        self,
        capacity: int,
        fields: Fields,
        config: PriorityConfig | None = None,
    ) -> None:
        super().__init__(capacity, fields)
        self.config = config or PriorityConfig()
        self.tree = SumTree(capacity)  # p^alpha of each transition
        self.largest = 1.0  # the largest p^alpha so far

    def add(self, **parts: ArrayLike) -> Ids:
        """See ``UniformReplay.add``."""
        places = super().add(**parts)
        self.tree.set(places, self.largest)
        return places

    def sample(
        self,
        batches: int,
        batch_size: int,
        rng: Generator,
        *,
        beta: float = 0.4,
    ) -> Sample:
        """Draw batches by priority. Raises ``ConfigError`` for an empty memory.

        Stratified (appendix B.2.1): the sum of all priorities is cut into equal parts,
        one for each draw, and the draws are shuffled. ``beta``: 0..1.
        """
        count = batches * batch_size
        shares = (np.arange(count) + rng.random(count)) / count  # one in each part
        drawn = rng.permutation(self.tree.find(shares * self.tree.total))
        places = drawn.reshape(batches, batch_size)
        present = self.tree.leaves[: self.size]
        smallest = present[present > 0].min()
        # w = (P / smallest P)^-beta: N and the sum of priorities cancel
        weights = (self.tree.leaves[places] / smallest) ** -beta
        return self._read(places, weights)

    def update(self, places: Ids, td_errors: ArrayLike) -> None:
        """Set priorities from TD errors, of the shape of ``places``.

        If a place repeats, its last value wins. Raises ``ConfigError`` for an empty
        place, another shape or a TD error that is not finite.
        """
        errors = np.abs(td_errors, dtype=np.float64)
        require_same_shapes(places=places, td_errors=errors)
        if not np.isfinite(errors).all():
            raise ConfigError("a TD error is not finite; training has diverged")
        if (places >= self.size).any():
            raise ConfigError(
                f"place {places.max()} is empty; there are {self.size} transitions"
            )
        priorities = (errors + self.config.smallest) ** self.config.alpha
        self.tree.set(places, priorities)
        self.largest = max(self.largest, priorities.max())

    def state(self) -> Arrays:
        """See ``UniformReplay.state``; the priorities are part of it."""
        return super().state() | {
            "priorities": self.tree.leaves[: self.size].copy(),
            "largest": np.array(self.largest),
        }

    def restore(self, state: Arrays) -> None:
        """See ``UniformReplay.restore``."""
        super().restore(state)
        self.tree = SumTree(self.capacity)
        self.tree.set(np.arange(self.size), state["priorities"])
        self.largest = float(state["largest"])


class SumTree:
    """Priorities in the leaves of a binary tree, and sums in the nodes above.

    Setting or finding any number of leaves takes log2(capacity) array operations. In
    ``nodes``, the root is node 1 and the children of node n are nodes 2n and 2n + 1.

    >>> tree = SumTree(4)
    >>> tree.set(np.arange(4), np.array([1.0, 2.0, 4.0, 1.0]))
    >>> tree.total, tree.find(np.array([0.5, 2.9, 3.5])).tolist()
    (8.0, [0, 1, 2])
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.depth = (capacity - 1).bit_length()
        self.first_leaf = 1 << self.depth
        self.nodes = np.zeros(2 * self.first_leaf)

    @property
    def total(self) -> float:
        """The sum of all priorities."""
        return float(self.nodes[1])

    @property
    def leaves(self) -> Floats:
        """The priorities of all places, then zeros up to a power of 2; a view."""
        return self.nodes[self.first_leaf :]

    def get(self, places: Ids) -> Floats:
        """The priorities of the leaves ``places``, any shape."""
        return self.leaves[places]

    def set(self, places: Ids, priorities: ArrayLike) -> None:
        """Set leaves to ``priorities`` >= 0, one number or of the shape of ``places``.

        If a place repeats, its last value wins. Raises ``ConfigError`` for values out
        of range.
        """
        inside = (places >= 0) & (places < self.capacity)
        if not np.all(inside & np.greater_equal(priorities, 0.0)):
            raise ConfigError(
                f"places must lie in 0..{self.capacity - 1}, priorities must be >= 0"
            )
        self.leaves[places] = priorities
        nodes = places + self.first_leaf
        for _ in range(self.depth):
            nodes = np.unique(nodes >> 1)  # the parents, each once
            left = 2 * nodes
            self.nodes[nodes] = self.nodes[left] + self.nodes[left + 1]

    def find(self, values: Floats) -> Ids:
        """The leaves [n] where the cumulative sum of priorities passes ``values`` [n].

        ``values``: in [0, total). Raises ``ConfigError`` if all priorities are 0.
        """
        if self.total <= 0.0:
            raise ConfigError("nothing to draw: it is empty, or all priorities are 0")
        nodes = np.ones(len(values), np.int64)
        for _ in range(self.depth):
            left = 2 * nodes
            below = self.nodes[left]  # the sum of the left half
            # rounding must not lead to an empty leaf
            right = (values >= below) & (self.nodes[left + 1] > 0.0)
            values = values - below * right
            nodes = left + right
        return nodes - self.first_leaf
