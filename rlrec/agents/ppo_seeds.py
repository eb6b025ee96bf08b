"""PPO with several seeds at once: one batch to play in, one compiled call to learn.

Networks this small leave a processor idle: a step of 8 listeners takes about as long as
one of 64. So the seeds share their steps: weights get a leading axis [seeds, ...], rows
of the environment belong to the seeds in turn, and one matrix product serves all. The
updates of a round are arithmetic, and would gain little; each seed has its turn in the
same compiled call. Networks, listeners and random numbers are each seed's own: it ends
with the same bits as alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import log_softmax

from rlrec.agents.ppo import PPO, PPORound, drawn
from rlrec.agents.training import played
from rlrec.envs.batch import BatchEnv
from rlrec.errors import ConfigError
from rlrec.nn.networks import Layers, mlp_forward
from rlrec.types import Arrays, Floats32, Ids


class PPOSeeds:
    """Agents that differ in their seeds alone: same songs, same settings.

    Raises ``ConfigError`` for agents that differ otherwise, for those of different
    progress, and for policies over points or vectors.
    """

    def __init__(self, agents: Sequence[PPO]) -> None:
        if not agents:
            raise ConfigError("no agents; give one a seed")
        first = agents[0]
        for one in agents:
            alike = one.config == first.config and one.step == first.step
            if not alike or not np.array_equal(one.songs, first.songs):
                raise ConfigError("agents must share songs, settings and progress")
        if first.continuous:
            raise ConfigError(
                'seeds learn together only with action "offered" or "neighbours"'
            )
        self.agents = list(agents)

    def train(
        self, env: BatchEnv[Any], steps: int, *, seeds: Sequence[int]
    ) -> list[list[PPORound]]:
        """Each agent plays and learns for ``steps`` songs; records [agents][rounds].

        ``env``: as for `PPO.train`, with as many rows for each agent, those of the
        first agent first. ``seeds``: of the environment, for each agent what
        `PPO.train` takes as ``seed``. The agents can't go on in it afterwards.
        Raises ``ConfigError``, also for rows that can't be shared out.
        """
        count = len(self.agents)
        rows = env.num_envs // count
        if rows * count != env.num_envs or len(seeds) != count:
            raise ConfigError(
                f"{env.num_envs} rows and {len(seeds)} seeds for {count} agents; "
                f"give each as many rows, and a seed"
            )
        rounds = self.agents[0].rounds(rows, steps)
        own = [seed + row for seed in seeds for row in range(rows)]
        observations, _ = env.reset(seed=own)
        self._states = [agent.learner.state() for agent in self.agents]
        records: list[list[PPORound]] = [[] for _ in self.agents]
        try:
            for _ in range(rounds):
                observations = self._round(env, observations, rows, records)
        finally:  # also if one diverged
            for agent, state in zip(self.agents, self._states, strict=True):
                agent.learner.restore(state)
        return records

    def _round(
        self,
        env: BatchEnv[Any],
        observations: Any,
        rows: int,
        records: list[list[PPORound]],
    ) -> Any:
        """Play a round, let each agent learn from its ``rows``; the observations."""
        start = time.perf_counter()
        rollout = self.agents[0].config.rollout
        self._stack()
        steps, observations = played(env, observations, rollout, self._act)
        for k, record in enumerate(records):
            part = slice(k * rows, (k + 1) * rows)
            seen = {name: values[part] for name, values in observations.items()}
            own = {name: values[:, part] for name, values in steps.items()}
            record.append(self._improve(k, seen, own, start))
        return observations

    def _improve(self, k: int, seen: Any, steps: Arrays, start: float) -> PPORound:
        """Agent ``k`` learns from its ``steps``, with the updates of the first one."""
        agent, own = self.agents[k], self.agents[k].learner
        agent.learner = self.agents[0].learner
        agent.learner.restore(self._states[k])
        agent._env = None
        agent._observation = seen
        try:
            return agent._improve(*agent._with_advantages(steps), start)
        finally:
            self._states[k] = agent.learner.state()
            agent.learner = own

    # -- play --------------------------------------------------------------------------
    def _stack(self) -> None:
        """Gather what the agents play with: [seeds, ...] each."""
        self._policy = _stacked([agent._policy for agent in self.agents])
        self._keys = np.stack([agent._keys for agent in self.agents])
        linear = np.stack([agent._linear for agent in self.agents])
        self._linear = linear[:, None, :, None]  # [seeds, 1, interactions, 1]

    def _act(self, observations: Any) -> tuple[Arrays, Ids]:
        """As `PPO._act`, for the rows of all agents."""
        first, count = self.agents[0], len(self.agents)
        state = first.view(observations)
        candidates = first.candidates(observations)
        batch, pool = candidates.shape
        rows = batch // count
        seen = self._seen(observations, candidates, rows)
        queries = mlp_forward(self._policy, state.reshape(count, rows, -1))
        owner = np.repeat(np.arange(count), rows)[:, None]
        keys = self._keys[owner, candidates]  # [batch, k, keys]
        logits = (keys @ queries.reshape(batch, -1, 1))[:, :, 0]
        known = seen.reshape(count, rows, pool, -1) @ self._linear
        log_probs = log_softmax(logits + known.reshape(batch, pool), axis=1)
        shape = (rows, pool)
        noise = [agent.rng.gumbel(size=shape) for agent in self.agents]
        return drawn(state, candidates, seen, log_probs, np.concatenate(noise))

    def _seen(self, observations: Any, candidates: Ids, rows: int) -> Floats32:
        """Interactions [batch, k, x]; each agent may know its sessions by a filter."""
        if all(agent.known_by is None for agent in self.agents):
            return self.agents[0]._seen(observations, candidates)
        found = []
        for k, agent in enumerate(self.agents):
            part = slice(k * rows, (k + 1) * rows)
            own = {name: values[part] for name, values in observations.items()}
            found.append(agent._seen(own, candidates[part]))
        return np.concatenate(found)


def _stacked(networks: Sequence[Layers]) -> Layers:
    """Networks of one shape as one: weights [seeds, inputs, units], biases beside."""
    layers = []
    for same in zip(*networks, strict=True):
        weights, biases = zip(*same, strict=True)
        layers.append((np.stack(weights), np.stack(biases)[:, None]))
    return layers
