"""One implementation, two faces: a batch of listeners as a Gymnasium vector environment, and a batch of one.

A subclass of ``BatchEnv`` writes ``_begin`` (new episodes for some rows), ``_advance`` (one step for all rows)
and ``_observe``. Seeds, autoreset and the single-listener face live here.

Seeds: ``reset(seed=s)`` gives row i the seed ``s + i`` (as Gymnasium's own vector environments do); a list
gives each row its own. Row i then lives exactly the life of a single environment reset with that seed,
episode after episode, whatever the size of the batch (see ``streams.py``).
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from rlrec.envs.streams import Streams
from rlrec.errors import ConfigError

Rows = NDArray[np.int64]
Observation = TypeVar("Observation")
_SEEDS = 2**62
_COMMON = ("seeds", "episodes", "steps", "over")  # what every checkpoint keeps


class BatchEnv(VectorEnv[Any, Any, Any], Generic[Observation]):
    """A batch of independent episodes advanced together in NumPy.

    After an episode ends, the row's next step starts a new one and ignores the action (Gymnasium's
    ``NEXT_STEP`` autoreset): that step's reward is 0, and it is no transition to learn from.
    """

    stored: tuple[
        str, ...
    ] = ()  # attributes [batch, ..] of a subclass that a checkpoint has to keep
    items_per_action = 1  # how many recommended items make one action
    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP, "render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
    ) -> None:
        if num_envs < 1:
            raise ConfigError(f"num_envs is {num_envs}; it must be 1 or more")
        self.num_envs = num_envs
        self.single_observation_space, self.single_action_space = (
            observation_space,
            action_space,
        )
        self.observation_space = batch_space(observation_space, num_envs)
        self.action_space = batch_space(action_space, num_envs)
        self.streams = Streams(num_envs)
        self.seeds = np.full(num_envs, -1, np.int64)  # -1: not seeded yet
        self.episodes = np.zeros(num_envs, np.int64)
        self.steps = np.zeros(num_envs, np.int64)
        self.over = np.ones(num_envs, np.bool_)  # rows whose episode has ended

    # -- what a subclass writes --------------------------------------------------------------------------
    def _begin(self, rows: Rows) -> None:
        """Draw the first state of new episodes for ``rows`` [m]; their ``steps`` are 0."""
        raise NotImplementedError

    def _advance(
        self, actions: Any
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        """One step of every row: reward [batch], terminated [batch], truncated [batch]."""
        raise NotImplementedError

    def _observe(self) -> Any:
        """The batch of observations; a fresh array each call."""
        raise NotImplementedError

    def actions_for(self, items: Rows) -> NDArray[Any]:
        """Turn recommended item ids [batch, k], best first, into this environment's action [batch, ...]."""
        raise NotImplementedError

    def _info(self) -> dict[str, Any]:
        """What may be logged but is not observed: arrays [batch, ...]."""
        return {}

    def state(self) -> dict[str, NDArray[Any]]:
        """Where every episode stands, hidden state included, as arrays, for a checkpoint."""
        own = {
            name.lstrip("_"): getattr(self, name).copy()
            for name in (*_COMMON, *self.stored)
        }
        return own | {"keys": self.streams.keys.copy()}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what ``state`` gave; goes on bit by bit. Raises ``ConfigError`` if it fits no such batch."""
        for name in (*_COMMON, *self.stored):
            values = state.get(name.lstrip("_"))
            if values is None or values.shape != getattr(self, name).shape:
                found = "missing" if values is None else f"of shape {values.shape}"
                raise ConfigError(
                    f"the stored {name.lstrip('_')} is {found}; make the environment as it was"
                )
            setattr(self, name, values.copy())
        self.streams.keys = state["keys"].copy()

    # -- Gymnasium ---------------------------------------------------------------------------------------
    def reset(
        self,
        *,
        seed: int | list[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """New episodes for every row (or for ``options["reset_mask"]`` [batch] alone)."""
        rows = np.arange(self.num_envs)
        if options is not None and "reset_mask" in options:
            rows = np.flatnonzero(options["reset_mask"])
        self._seed(seed, rows)
        self._start(rows)
        return self._observe(), self._info()

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Any]:
        """Play ``actions`` [batch, ...]; rows whose episode had ended start a new one instead."""
        fresh = self.over
        if (self.seeds < 0).any():
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        reward, terminated, truncated = self._advance(
            self._checked(np.asarray(actions), fresh)
        )
        self.steps += 1
        if fresh.any():
            reward[fresh], terminated[fresh], truncated[fresh] = 0.0, False, False
        self.over = terminated | truncated
        if fresh.any():
            self._start(np.flatnonzero(fresh))
        return self._observe(), reward, terminated, truncated, self._info()

    def _checked(self, actions: NDArray[Any], fresh: NDArray[np.bool_]) -> NDArray[Any]:
        """Actions of the right shape and kind; those of ``fresh`` rows are ignored and become 0."""
        if actions.shape != self.action_space.shape:
            raise ConfigError(
                f"actions have shape {actions.shape}; this environment needs {self.action_space.shape}"
            )
        if not np.issubdtype(actions.dtype, np.integer) and not isinstance(
            self.single_action_space, spaces.Box
        ):
            raise ConfigError(
                f"actions are {actions.dtype}; this environment needs whole numbers"
            )
        if fresh.any():
            actions = actions.copy()
            actions[fresh] = 0
        return actions

    def _seed(self, seed: int | list[int | None] | None, rows: Rows) -> None:
        if isinstance(seed, (list, tuple, np.ndarray)):
            if len(seed) != self.num_envs:
                raise ConfigError(
                    f"{len(seed)} seeds for {self.num_envs} rows; pass one seed, or one for each row"
                )
            wanted: list[int | None] = list(seed)
        else:
            wanted = [
                None if seed is None else int(seed) + i for i in range(self.num_envs)
            ]
        if min((value for value in wanted if value is not None), default=0) < 0:
            raise ConfigError(f"seed {seed} is below 0; seeds are whole numbers from 0")
        if isinstance(seed, int):
            self._np_random, self._np_random_seed = gymnasium.utils.seeding.np_random(
                seed
            )
        if max((value for value in wanted if value is not None), default=0) >= _SEEDS:
            raise ConfigError(f"seed {seed} is too large; seeds lie below 2**62")
        for row in rows:
            value = wanted[row]
            if value is None and self.seeds[row] < 0:
                value = int(self.np_random.integers(_SEEDS // 2))
            if value is not None:
                self.seeds[row], self.episodes[row] = value, -1

    def _start(self, rows: Rows) -> None:
        self.episodes[rows] += 1
        self.steps[rows] = 0
        self.over[rows] = False
        self.streams.start(rows, self.seeds[rows], self.episodes[rows])
        self._begin(rows)


class SingleEnv(gymnasium.Env[Any, Any]):
    """The same environment for one listener: a batch of one without its leading axis."""

    metadata = {"render_modes": []}  # noqa: RUF012
    batch_class: type[BatchEnv[Any]]

    def __init__(self, render_mode: str | None = None, **settings: Any) -> None:
        self.render_mode = render_mode
        self.batch = self.batch_class(num_envs=1, **settings)
        self.observation_space = self.batch.single_observation_space
        self.action_space = self.batch.single_action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode; with a ``seed`` (>= 0) the first episode of that seed, else the next one."""
        super().reset(seed=seed)
        if seed is None and self.batch.seeds[0] < 0:
            seed = int(self.np_random.integers(_SEEDS // 2))
        observation, info = self.batch.reset(seed=seed)
        return _first(observation), {
            name: _first(value) for name, value in info.items()
        }

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Play one action. Raises ``ResetNeeded`` after an episode's end."""
        if self.batch.over[0]:
            raise gymnasium.error.ResetNeeded(
                "the episode is over; call reset() before step()"
            )
        observation, reward, terminated, truncated, info = self.batch.step(
            np.asarray(action)[None]
        )
        details = {name: _first(value) for name, value in info.items()}
        return (
            _first(observation),
            float(reward[0]),
            bool(terminated[0]),
            bool(truncated[0]),
            details,
        )


def _first(value: Any) -> Any:
    """Take row 0 of an array or of each array in a dictionary."""
    if isinstance(value, dict):
        return {name: _first(part) for name, part in value.items()}
    return value[0]
