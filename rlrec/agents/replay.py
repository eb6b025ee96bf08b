"""Experience replay: uniform (Lin, 1992) and prioritised (Schaul et al., "Prioritized experience replay", ICLR 2016).

A transition is stored as small numbers (ids, action, reward, flags), never as state vectors; the learner looks vectors
up when it learns. One call draws all the batches of a round, one call takes all their TD errors back.

Differs from the paper: a round's batches are drawn with the priorities of the round's start, and importance weights are
normalised by the largest weight in the memory, not in the batch, so that a weight does not depend on its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlrec.errors import ConfigError, require_ranges
from rlrec.types import Floats, Ids


class Sample(NamedTuple):
    """Drawn transitions."""

    data: dict[str, NDArray[Any]]  # name -> [batches, batch, ...]
    places: Ids  # [batches, batch] where they lie in the memory
    weights: NDArray[np.float32]  # [batches, batch] importance weights, 0 < w <= 1


class UniformReplay:
    """A ring of the last ``capacity`` transitions; each is as likely to be drawn as any other.

    ``fields``: name -> (shape, dtype) of one transition's parts, such as ``{"reward": ((), np.float32)}``. Keep
    ``terminated`` and ``truncated`` apart: only the first removes the value of the next state.
    """

    def __init__(
        self, capacity: int, fields: dict[str, tuple[tuple[int, ...], Any]]
    ) -> None:
        if capacity < 1:
            raise ConfigError(
                f"capacity is {capacity}; it must be 1 transition or more"
            )
        self.capacity, self.size, self.next = capacity, 0, 0
        self.data = {
            name: np.zeros((capacity, *shape), dtype)
            for name, (shape, dtype) in fields.items()
        }

    def __len__(self) -> int:
        """How many transitions it holds."""
        return self.size

    def add(self, **parts: ArrayLike) -> Ids:
        """Store transitions, name -> [n, ...], over the oldest ones; their places [n]. n at most the capacity."""
        if parts.keys() != self.data.keys():
            raise ConfigError(
                f"got {sorted(parts)}; a transition here has {sorted(self.data)}"
            )
        shapes = {name: np.shape(values) for name, values in parts.items()}
        count = next(iter(shapes.values()), (0,))[0]
        if any(
            shape != (count, *self.data[name].shape[1:])
            for name, shape in shapes.items()
        ):
            raise ConfigError(
                f"shapes {shapes} do not belong to the same {count} transitions"
            )
        if count > self.capacity:
            raise ConfigError(
                f"{count} transitions at once into a memory of {self.capacity}"
            )
        places = (self.next + np.arange(count)) % self.capacity
        for name, values in parts.items():
            self.data[name][places] = values
        self.next = int((self.next + count) % self.capacity)
        self.size = min(self.size + count, self.capacity)
        return places

    def sample(self, batches: int, batch_size: int, rng: np.random.Generator) -> Sample:
        """Draw ``batches`` batches with replacement; all weights are 1. Raises ``ConfigError`` when empty."""
        self._need_content()
        places = rng.integers(self.size, size=(batches, batch_size))
        return self._at(places, np.ones(places.shape, np.float32))

    def state(self) -> dict[str, NDArray[Any]]:
        """All it holds, as arrays, for a checkpoint."""
        used = {
            f"data_{name}": values[: self.size].copy()
            for name, values in self.data.items()
        }
        return {**used, "ring": np.array([self.size, self.next, self.capacity])}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what ``state`` gave; goes on bit by bit. Raises ``ConfigError`` for another capacity."""
        size, place, capacity = (int(value) for value in state["ring"])
        if capacity != self.capacity:
            raise ConfigError(
                f"the stored memory holds {capacity} transitions, this one {self.capacity}; make them equal"
            )
        self.size, self.next = size, place
        for name, values in self.data.items():
            values[: self.size] = state[f"data_{name}"]

    def _at(self, places: Ids, weights: NDArray[np.float32]) -> Sample:
        return Sample(
            {name: values[places] for name, values in self.data.items()},
            places,
            weights,
        )

    def _need_content(self) -> None:
        if not self.size:
            raise ConfigError(
                "the replay memory is empty; add transitions before sampling"
            )


@dataclass(frozen=True)
class PriorityConfig:
    """Hyperparameters of prioritised replay (Schaul et al., section 3)."""

    alpha: float = 0.6  # 0..1: 0 draws uniformly, 1 in proportion to the TD error
    beta_start: float = (
        0.4  # 0..1: how much of the bias the weights take back at the start
    )
    beta_end: float = 1.0  # 0..1: and at the end of training
    smallest: float = 1e-3  # > 0, TD error units: added to each error, so that none is never drawn again

    def __post_init__(self) -> None:
        require_ranges(
            self, [(name, 0.0, 1.0) for name in ("alpha", "beta_start", "beta_end")]
        )
        if not self.smallest > 0.0:
            raise ConfigError(f"smallest is {self.smallest}; it must be above 0")

    def beta(self, progress: float) -> float:
        """Beta after a share ``progress`` (0..1) of the training, on a straight line."""
        return self.beta_start + (self.beta_end - self.beta_start) * min(
            max(progress, 0.0), 1.0
        )


class PrioritisedReplay(UniformReplay):
    """Draws transition i with probability ``P(i) = p_i^alpha / sum p^alpha``, where ``p_i = |TD error| + smallest``.

    Importance weights ``w_i = (N P(i))^-beta``, divided by the largest one in the memory. New transitions get the
    largest priority so far, so that each is likely to be seen.
    """

    def __init__(
        self,
        capacity: int,
        fields: dict[str, tuple[tuple[int, ...], Any]],
        config: PriorityConfig | None = None,
    ) -> None:
        super().__init__(capacity, fields)
        self.config = config if config is not None else PriorityConfig()
        self.tree = SumTree(capacity)
        self.largest = 1.0  # p^alpha

    def add(self, **parts: ArrayLike) -> Ids:
        """Store transitions with the largest priority so far; their places [n]."""
        places = super().add(**parts)
        self.tree.set(places, np.full(len(places), self.largest))
        return places

    def sample(
        self,
        batches: int,
        batch_size: int,
        rng: np.random.Generator,
        *,
        beta: float = 0.4,
    ) -> Sample:
        """Draw by priority, one draw from each of ``batches * batch_size`` equal slices of the total, shuffled."""
        self._need_content()
        count = batches * batch_size
        slices = (np.arange(count) + rng.random(count)) / count * self.tree.total
        places = rng.permutation(self.tree.find(slices)).reshape(batches, batch_size)
        chances = self.tree.get(places)
        present = self.tree.nodes[
            self.tree.first_leaf : self.tree.first_leaf + self.size
        ]
        smallest = present.min(initial=np.inf, where=present > 0.0)
        weights = (
            chances / smallest
        ) ** -beta  # (N P)^-beta over its largest: N and the sum cancel
        return self._at(places, weights.astype(np.float32))

    def update(self, places: Ids, td_errors: ArrayLike) -> None:
        """Take a round's TD errors back: ``places``, ``td_errors`` [batches, batch]; of doubles the last one stays."""
        errors = np.abs(np.asarray(td_errors, np.float64))
        if not np.isfinite(errors).all():
            raise ConfigError("a TD error is not finite; training has diverged")
        if places.size and places.max() >= self.size:
            raise ConfigError(
                f"place {places.max()} is empty; the memory holds {self.size} transitions"
            )
        priorities = (errors + self.config.smallest) ** self.config.alpha
        self.tree.set(places.ravel(), priorities.ravel())
        self.largest = max(self.largest, float(priorities.max()))

    def state(self) -> dict[str, NDArray[Any]]:
        """All it holds with the priorities."""
        return {
            **super().state(),
            "priorities": self.tree.get(np.arange(self.size)),
            "largest": np.array(self.largest),
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what ``state`` gave."""
        super().restore(state)
        self.tree = SumTree(self.capacity)
        self.tree.set(np.arange(self.size), state["priorities"])
        self.largest = float(state["largest"])


class SumTree:
    """Priorities in the leaves, sums above: setting and drawing cost log2(capacity) array operations for any count.

    The tree is one array: node n has the children 2n and 2n + 1, the root is 1, the leaves come last.

    >>> tree = SumTree(4)
    >>> tree.set(np.arange(4), np.array([1.0, 2.0, 4.0, 1.0]))
    >>> tree.total, tree.find(np.array([0.5, 2.9, 3.5])).tolist()
    (8.0, [0, 1, 2])
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.depth = max(int(np.ceil(np.log2(capacity))), 0)
        self.first_leaf = 1 << self.depth
        self.nodes = np.zeros(2 * self.first_leaf)

    @property
    def total(self) -> float:
        """The sum of all priorities."""
        return float(self.nodes[1])

    def get(self, places: Ids) -> Floats:
        """The priorities of the leaves ``places``, any shape."""
        return np.asarray(self.nodes[places + self.first_leaf])

    def set(self, places: Ids, priorities: ArrayLike) -> None:
        """Set leaves [n] to ``priorities`` [n] >= 0; of doubles the last one stays."""
        values = np.asarray(priorities, np.float64)
        if len(places) and (
            places.min() < 0
            or places.max() >= self.capacity
            or not (values >= 0.0).all()
        ):
            raise ConfigError(
                f"places must lie in 0..{self.capacity - 1} and priorities be numbers >= 0"
            )
        nodes = places + self.first_leaf
        self.nodes[nodes] = values
        for _ in range(self.depth):
            nodes = np.unique(nodes >> 1)
            self.nodes[nodes] = self.nodes[2 * nodes] + self.nodes[2 * nodes + 1]

    def find(self, values: Floats) -> Ids:
        """The leaf [n] in whose stretch of the running sum each of ``values`` [n] in [0, total) falls."""
        if not self.total > 0.0:
            raise ConfigError("all priorities are 0; there is nothing to draw")
        rest, nodes = values.copy(), np.ones(len(values), np.int64)
        for _ in range(self.depth):
            left = 2 * nodes
            below = self.nodes[left]
            right = (rest >= below) & (
                self.nodes[left + 1] > 0.0
            )  # rounding never leads to an empty leaf
            rest -= below * right
            nodes = left + right
        return nodes - self.first_leaf
