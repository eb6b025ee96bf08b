"""What DDPG and PPO share: training in rounds, and a state to continue from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from rlrec import storage
from rlrec.envs.batch import BatchEnv
from rlrec.types import Arrays, Callback, Ids

# Of this process: what the last trained agents learned with, by their kind.
_COMPILED: dict[Any, Any] = {}


@contextmanager
def compiled_once(agent: Any) -> Iterator[None]:
    """Let ``agent`` learn with updates compiled before, if but for its seed they fit.

    Compiling takes longer than many a training. After it, the next one may have them.
    """
    kind = getattr(getattr(agent, "learner", None), "kind", None)
    former = _COMPILED.pop(kind, None)
    if former is not None:
        agent.take_over(former)
    yield
    _COMPILED.clear()
    if kind is not None:
        _COMPILED[kind] = agent.learner


def played(
    env: BatchEnv[Any],
    observations: Any,
    rollout: int,
    act: Callable[[Any], tuple[Arrays, Ids]],
) -> tuple[Arrays, Any]:
    """``rollout`` steps of ``env``, [T, batch, ...], and the last observations.

    ``act``: observations -> what to keep of each decision, and song ids [batch].
    """
    steps: dict[str, list[Any]] = defaultdict(list)
    for _ in range(rollout):
        live = ~env.over
        decided, items = act(observations)
        actions = env.actions_for(items[:, None])
        observations, reward, terminated, truncated, _ = env.step(actions)
        outcome = {
            "live": live,
            "reward": reward,
            "terminated": terminated,
            "ended": terminated | truncated,
        }
        for name, values in (decided | outcome).items():
            steps[name].append(values)
    return {name: np.stack(values) for name, values in steps.items()}, observations


class Trainer:
    """Trains round by round and remembers where its environment stands.

    A subclass sets ``config``, ``learner`` and perhaps ``memory``; its ``_round(env)``
    plays, learns and returns the record. ``rng`` draws all random numbers; ``step``
    counts recommendations.
    """

    config: Any
    learner: Any
    memory: Any = None

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.step = 0
        self._env: BatchEnv[Any] | None = None
        self._observation: Any = None

    @property
    def progress(self) -> float:
        """Share of the schedule that is over, 0..1."""
        steps: int = self.config.schedule_steps
        return min(self.step / steps, 1.0)

    def _round(self, env: BatchEnv[Any]) -> Any:
        raise NotImplementedError

    def _rounds(
        self,
        env: BatchEnv[Any],
        count: int,
        callback: Callback | None,
        seed: int,
    ) -> list[Any]:
        """``count`` rounds, or until ``callback`` returns True; their records."""
        if env is not self._env:
            self._env = env
            self._observation, _ = env.reset(seed=seed)
        record: list[Any] = []
        for _ in range(count):
            record.append(self._round(env))
            if callback is not None and callback(record[-1]):
                break
        return record

    def take_over(self, learner: Any) -> None:
        """Go on with ``learner``: updates that an agent of other seed has compiled.

        It gets this agent's weights, optimisers and vectors, so no number changes. The
        other agent must have the same settings, and be done with it.
        """
        learner.restore(self.learner.state())
        for theirs, own in zip(learner.given, self.learner.given, strict=True):
            theirs.assign(own)
        self.learner = learner

    def state(self) -> Arrays:
        """Weights, optimisers, memory, random state, step and environment as arrays."""
        state: Arrays = {}
        state["rng"] = storage.generator_state(self.rng)
        state["step"] = np.array(self.step)
        for prefix, part in self._parts().items():
            for name, array in part.state().items():
                state[prefix + name] = array
        return state

    def restore(
        self,
        state: Arrays,
        env: BatchEnv[Any] | None = None,
    ) -> None:
        """Continue from ``state()``: in an equal, new environment, bit-identical."""
        self.rng = storage.restore_generator(state["rng"])
        self.step = int(state["step"])
        self._env = env
        for prefix, part in self._parts().items():
            own = {
                name.removeprefix(prefix): array
                for name, array in state.items()
                if name.startswith(prefix)
            }
            part.restore(own)
        if env is not None:
            self._observation = env._observe()

    def _parts(self) -> dict[str, Any]:
        """What keeps a state of its own, by the prefix of its arrays' names."""
        parts = {"": self.learner, "memory_": self.memory, "env_": self._env}
        return {prefix: part for prefix, part in parts.items() if part is not None}
