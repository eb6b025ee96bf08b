"""The base of every environment: a batch of listeners, and a batch of one.

``BatchEnv`` is a Gymnasium vector environment in NumPy: one ``step`` advances all rows
of the batch. A row is one listener. ``SingleEnv`` is the same environment with a single
listener, for ``gymnasium.make``. Seeds, autoreset and checkpoints are handled here.

A subclass of ``BatchEnv`` writes ``_begin`` (the first state of new episodes, for some
rows), ``_advance`` (one step of all rows), ``_observe`` and ``actions_for``.

Seeds: ``reset(seed=s)`` gives row i the seed ``s + i``, as Gymnasium's own
vector environments do; a list gives each row its own. Row i then plays exactly the
episodes of a single environment reset with that seed, however large the batch is
(``streams.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.core import ObsType
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from rlrec.envs.streams import Streams
from rlrec.errors import ConfigError
from rlrec.types import Arrays, Bools, Floats, Ids

_Seed = int | Sequence[int | None] | None  # of row 0 (row i: seed + i), or of each row
_SEEDS = 2**62  # seeds lie below this


class BatchEnv(VectorEnv[ObsType, Any, Any]):
    """A batch of independent episodes, advanced together in NumPy.

    After an episode ends, the row's next step starts a new one and ignores the action
    (Gymnasium's ``NEXT_STEP`` autoreset). The reward of that step is 0, and it is no
    transition to learn from. ``num_envs`` >= 1, else ``ConfigError``.
    """

    # attributes [batch, ...] that a checkpoint keeps; a subclass adds its own
    stored: tuple[str, ...] = ("seeds", "episodes", "steps", "over")
    items_per_action = 1  # how many recommended items make one action
    metadata = {  # noqa: RUF012
        "autoreset_mode": AutoresetMode.NEXT_STEP,
        "render_modes": [],
    }

    def __init__(
        self,
        num_envs: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
    ) -> None:
        if num_envs < 1:
            raise ConfigError(f"num_envs is {num_envs}; it must be 1 or more")
        self.num_envs = num_envs
        self.single_observation_space = observation_space
        self.single_action_space = action_space
        self.observation_space = batch_space(observation_space, num_envs)
        self.action_space = batch_space(action_space, num_envs)
        self.streams = Streams(num_envs)
        self.seeds = np.full(num_envs, -1, np.int64)  # -1: not seeded yet
        self.episodes = np.zeros(num_envs, np.int64)
        self.steps = np.zeros(num_envs, np.int64)
        self.over = np.ones(num_envs, np.bool_)  # rows whose episode has ended

    # -- what a subclass writes --------------------------------------------------------
    def _begin(self, rows: Ids) -> None:
        """Draw the first state of a new episode in each of ``rows`` [m]."""
        raise NotImplementedError

    def _advance(self, actions: Any) -> tuple[Floats, Bools, Bools]:
        """One step of every row: reward, terminated, truncated, each [batch]."""
        raise NotImplementedError

    def _observe(self) -> Any:
        """The batch of observations; a new array each call."""
        raise NotImplementedError

    def actions_for(self, items: Ids) -> NDArray[Any]:
        """Turn item ids [batch, k], best first, into actions [batch, ...]."""
        raise NotImplementedError

    def _info(self) -> Arrays:
        """Arrays [batch, ...] that may be logged but are not observed."""
        return {}

    # -- checkpoints -------------------------------------------------------------------
    def state(self) -> Arrays:
        """A copy of every episode's state, hidden state included, for a checkpoint."""
        copies = {name: getattr(self, name).copy() for name in self.stored}
        # the keys say which random numbers come next (streams.py)
        return copies | {"keys": self.streams.keys.copy()}

    def restore(self, state: Arrays) -> None:
        """Continue from what ``state`` returned, bit-identically.

        Raises ``ConfigError`` if an array is missing or has another shape.
        """
        for name in self.stored:
            shape = getattr(self, name).shape
            if name not in state or state[name].shape != shape:
                raise ConfigError(
                    f"the checkpoint has no {name} of shape {shape}; "
                    "make the environment as it was"
                )
            setattr(self, name, state[name].copy())
        self.streams.keys = state["keys"].copy()

    # -- Gymnasium ---------------------------------------------------------------------
    def reset(
        self,
        *,
        seed: _Seed = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, Arrays]:
        """Start new episodes: in all rows, or where ``options["reset_mask"]`` is True.

        ``seed``: 0..2**62 - 1. One number s gives row i the seed s + i; a list gives
        each row its own. A row without a seed starts the next episode of its previous
        one. Raises ``ConfigError`` for other seeds.
        """
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs))
        rows = np.flatnonzero(mask)
        self._seed(seed, rows)
        self._start(rows)
        return self._observe(), self._info()

    def step(self, actions: Any) -> tuple[Any, Floats, Bools, Bools, Any]:
        """Play ``actions`` [batch, ...]; rows whose episode had ended start a new one.

        Raises ``ResetNeeded`` before the first ``reset``.
        """
        if (self.seeds < 0).any():
            raise ResetNeeded("call reset() before step()")
        ended = self.over  # these rows advance too; their results are then replaced
        checked = self._checked(np.asarray(actions), ended)
        reward, terminated, truncated = self._advance(checked)
        self.steps += 1
        self.over = terminated | truncated
        if ended.any():
            for values in (reward, terminated, truncated):
                values[ended] = 0
            self._start(np.flatnonzero(ended))
        return self._observe(), reward, terminated, truncated, self._info()

    def _checked(self, actions: NDArray[Any], ended: Bools) -> NDArray[Any]:
        """Check shape and dtype; the ignored actions of ``ended`` rows become 0."""
        space = self.action_space
        fits = isinstance(space, spaces.Box) or actions.dtype.kind in "iu"
        if not fits or actions.shape != space.shape:
            raise ConfigError(
                f"actions are {actions.dtype} of shape {actions.shape}; this "
                f"environment needs {space.dtype} of shape {space.shape}"
            )
        if ended.any():
            actions = actions.copy()
            actions[ended] = 0
        return actions

    def _seed(self, seed: _Seed, rows: Ids) -> None:
        """Set the seeds of ``rows``; a row that never had one draws one."""
        given = _seed_of_each_row(seed, self.num_envs)
        if isinstance(seed, int):
            super().reset(seed=seed)
        for row in rows:
            value = given[row]
            if value is None and self.seeds[row] < 0:
                value = int(self.np_random.integers(_SEEDS // 2))
            if value is not None:
                self.seeds[row] = value
                self.episodes[row] = -1  # ``_start`` makes it 0

    def _start(self, rows: Ids) -> None:
        """Start the next episode of each of ``rows``."""
        self.episodes[rows] += 1
        self.steps[rows] = 0
        self.over[rows] = False
        self.streams.start(rows, self.seeds[rows], self.episodes[rows])
        self._begin(rows)


class SingleEnv(gymnasium.Env[Any, Any]):
    """A batch of one listener without the batch axis; ``settings`` are the batch's."""

    metadata = {"render_modes": []}  # noqa: RUF012
    batch_class: type[BatchEnv[Any]]

    def __init__(self, render_mode: str | None = None, **settings: Any) -> None:
        self.render_mode = render_mode
        self.batch = self.batch_class(num_envs=1, **settings)
        self.observation_space = self.batch.single_observation_space
        self.action_space = self.batch.single_action_space

    def reset(
        self,
        *,
        seed: int | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Start the first episode of ``seed`` (>= 0); without a seed the next one."""
        super().reset(seed=seed)
        observation, info = _first_row(self.batch.reset(seed=seed))
        return observation, info

    def step(
        self,
        action: Any,
    ) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Play one action. Raises ``ResetNeeded`` after the end of an episode."""
        if self.batch.over[0]:
            raise ResetNeeded("the episode is over; call reset() before step()")
        played = self.batch.step(np.asarray(action)[None])
        observation, reward, terminated, truncated, info = _first_row(played)
        return observation, float(reward), bool(terminated), bool(truncated), info


def _seed_of_each_row(seed: _Seed, rows: int) -> Sequence[int | None]:
    """Seeds [rows], None where none is given."""
    if seed is None:
        return [None] * rows
    if isinstance(seed, (int, np.integer)):
        seed = range(seed, seed + rows)
    if len(seed) != rows:
        raise ConfigError(
            f"{len(seed)} seeds for {rows} rows; pass one seed, or one for each row"
        )
    for value in seed:
        if value is not None and not 0 <= value < _SEEDS:
            raise ConfigError(f"seed {value} must lie in [0, 2**62)")
    return seed


def _first_row(value: Any) -> Any:
    """Row 0 of an array, or of each array in a dictionary or a tuple."""
    if isinstance(value, dict):
        return {name: _first_row(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_first_row, value))
    return value[0]
