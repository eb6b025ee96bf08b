"""DDPG for recommendation: DRR (arXiv:1810.12027, algorithm 1) on DDPG (arXiv:1509.02971), with TD3's repairs.

The actor turns a state (user, last n liked items) into a vector; the item with the largest dot product among those
that may come is played. The critic learns what a state and the item played are worth; the actor follows the critic's
slope. The losses stand in `rlrec.agents.ddpg_networks`, the states in `rlrec.agents.ddpg_states`, the memory in `rlrec.agents.replay`.

A round: one step in each of the environments (64), then as many updates as that (64, of 32 transitions each) in one
compiled call. The memory holds ids; vectors are looked up inside that call; the round's TD errors go back at once.

Differs from the paper: the critic is linear in the action (``critic="dot"``), so that the actor's slope and the
items' values agree, and the next action is a catalogue item (``target_candidates``): valued at the actor's own vector,
where no item lies, the paper's critic climbed to its bound here; the action has length 1; the item's vector, not the
noisy action, is what the critic sees as played; target networks start as copies; twin critics, clipped targets and a
delayed actor (TD3, arXiv:1802.09477) but no smoothing noise on the target's action; a penalty on the actor's values
before tanh; priorities are TD errors (arXiv:1511.05952); a time limit counts the next state's value; the state's
weights are trained with the critics alone.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec import storage
from rlrec.agents.ddpg_config import DDPGConfig
from rlrec.agents.ddpg_networks import Learner
from rlrec.agents.replay import PrioritisedReplay, PriorityConfig, UniformReplay
from rlrec.agents.retrieval import best_k
from rlrec.envs.batch import BatchEnv
from rlrec.errors import ConfigError, TrainingDiverged
from rlrec.types import Arrays, Callback, Floats32, Ids


class Round(NamedTuple):
    """What happened in one round; nan where nothing was learned yet."""

    step: int  # recommendations so far
    reward: float  # mean over the environments
    hit_rate: float  # share of recommendations with a reward above 0
    critic_loss: float
    actor_loss: float
    mean_q: float
    epsilon: float
    noise: float
    steps_per_second: float


__all__ = ["DDPG", "DDPGConfig", "Round", "TrainingDiverged"]


class DDPG:
    """The agent; see the module's first lines.

    item_vectors [I, d], user_vectors [U, d] (None: there are none, a user counts as zeros). Both are scaled to a root
    mean square length of 1, which changes no ranking. ``history``: ids in an observation's history. ``scaled``: the
    vectors are scaled already, the users' by this (an agent that is loaded).
    """

    def __init__(
        self,
        item_vectors: NDArray[Any],
        user_vectors: NDArray[Any] | None = None,
        config: DDPGConfig | None = None,
        seed: int = 0,
        *,
        history: int = 5,
        scaled: float | None = None,
    ) -> None:
        self.config = config if config is not None else DDPGConfig()
        users = (
            np.zeros((1, item_vectors.shape[1]))
            if user_vectors is None
            else user_vectors
        )
        if (
            item_vectors.ndim != 2
            or users.ndim != 2
            or users.shape[1] != item_vectors.shape[1]
        ):
            raise ConfigError(
                f"items {item_vectors.shape}, users {users.shape}: need [items, d] and [users, d]"
            )
        self.history, self.n_items, self.dimensions = history, *item_vectors.shape
        self.has_users = user_vectors is not None
        again = scaled is not None
        self.user_scale = scaled if scaled is not None else _scale(users)
        self.item_vectors = (
            item_vectors * (1.0 if again else _scale(item_vectors))
        ).astype(np.float32)  # [I, d]
        self.user_vectors = (users * (1.0 if again else self.user_scale)).astype(
            np.float32
        )  # [U, d]
        self.rng = np.random.default_rng(seed)
        self.learner = Learner(
            self.item_vectors, self.user_vectors, history, self.config, self.rng
        )
        self.memory = _memory(self.config, history)
        self.step = 0
        self._env: BatchEnv[Any] | None = None
        self._observation: Any = None

    # -- train -------------------------------------------------------------------------------------------
    def train(
        self,
        env: BatchEnv[Any],
        steps: int,
        *,
        callback: Callback | None = None,
        seed: int = 0,
    ) -> list[Round]:
        """Play and learn for ``steps`` recommendations, rounded up to whole rounds; the record of each round.

        Starts from ``env.reset(seed=seed)``, or goes on where it stood if ``env`` is the one of the last call.
        ``callback`` gets each round's record and stops the training by returning True.
        Raises ``TrainingDiverged`` and ``ConfigError``.
        """
        if env is not self._env:
            self._env, self._observation = env, env.reset(seed=seed)[0]
        record: list[Round] = []
        for _ in range(-(-steps // env.num_envs)):
            record.append(self._round(env))
            if callback is not None and callback(record[-1]):
                break
        return record

    def _round(self, env: BatchEnv[Any]) -> Round:
        start, fresh = time.perf_counter(), env.over.copy()
        epsilon, noise = self.epsilon, self.noise
        rewards = self._play(env, fresh)
        losses = (
            self._learn()
            if len(self.memory) >= self.config.learning_starts
            else (np.nan,) * 3
        )
        live = rewards[~fresh]
        reward, hits = (
            float(np.mean(x)) if len(live) else np.nan for x in (live, live > 0.0)
        )
        speed = env.num_envs / (time.perf_counter() - start)
        return Round(self.step, reward, hits, *losses, epsilon, noise, speed)

    def _play(self, env: BatchEnv[Any], fresh: NDArray[np.bool_]) -> NDArray[Any]:
        """One step of each environment into the memory; rewards [batch]. ``fresh`` rows only begin an episode."""
        users, history = self._read(self._observation)
        allowed = _allowed(env, self._observation, self.n_items, fresh)
        items = self.explore(users, history, allowed)
        actions = env.actions_for(items[:, None])
        self._observation, rewards, terminated, _, _ = env.step(actions)
        _, next_history = self._read(self._observation)
        live = ~fresh
        if live.any():
            self.memory.add(
                user=users[live],
                history=history[live],
                item=items[live],
                reward=rewards[live],
                next_history=next_history[live],
                terminated=terminated[live],
            )
        self.step += len(fresh)
        return np.asarray(rewards)

    def _learn(self) -> tuple[float, float, float]:
        """A round's updates: mean critic loss, actor loss and Q."""
        size = (self.config.updates, self.config.batch_size)
        if isinstance(self.memory, PrioritisedReplay):
            sample = self.memory.sample(
                *size, self.rng, beta=self.config.priority.beta(self.progress)
            )
        else:
            sample = self.memory.sample(*size, self.rng)
        shape = (self.config.updates, min(self.config.target_candidates, self.n_items))
        candidates = self.rng.integers(self.n_items, size=shape, dtype=np.int32)
        errors, sums = self.learner.learn(
            {**sample.data, "weight": sample.weights, "candidates": candidates}
        )
        critic_loss, actor_loss, mean_q = (float(value) for value in sums.numpy())
        self._check(critic_loss, actor_loss, mean_q)
        if isinstance(self.memory, PrioritisedReplay):
            self.memory.update(sample.places, errors.numpy())
        return critic_loss, actor_loss, mean_q

    def _check(self, critic_loss: float, actor_loss: float, mean_q: float) -> None:
        low, high = self.config.value_bounds
        where, remedy = (
            f"at step {self.step}",
            "lower critic_rate or actor_rate, or resume from a checkpoint",
        )
        if not np.isfinite([critic_loss, actor_loss, mean_q]).all():
            raise TrainingDiverged(f"a loss is not a number {where}: {remedy}")
        if not low <= mean_q <= high:
            raise TrainingDiverged(
                f"mean Q is {mean_q:.3g} {where}, beyond [{low:.3g}, {high:.3g}]: {remedy}"
            )

    # -- decide ------------------------------------------------------------------------------------------
    @property
    def progress(self) -> float:
        """Share of the schedule that is over, 0..1."""
        return min(self.step / self.config.schedule_steps, 1.0)

    @property
    def epsilon(self) -> float:
        """The chance of a random item now."""
        return self._scheduled(self.config.epsilon, self.config.epsilon_floor)

    @property
    def noise(self) -> float:
        """The length of the noise on an action now."""
        return self._scheduled(self.config.noise, self.config.noise_floor)

    def _scheduled(self, start: float, floor: float) -> float:
        return max(start + (floor - start) * self.progress, min(start, floor))

    def explore(
        self, users: Ids | Floats32, history: Ids, allowed: NDArray[np.bool_]
    ) -> Ids:
        """Items to play [batch]: noise on each action; with chance epsilon a random item.

        ``allowed`` [batch, I]: which may be played; the others as in ``propose``.
        """
        actions, limit = self.propose(users, history), self.config.noise_clip
        noise = np.clip(
            self.rng.standard_normal(actions.shape, np.float32), -limit, limit
        )
        noisy = actions + noise * np.float32(self.noise / np.sqrt(self.dimensions))
        scores = self._judged(
            np.where(allowed, noisy @ self.item_vectors.T, -np.inf), users, history
        )
        items = np.asarray(scores.argmax(axis=1))  # as best_k(.., 1), in less time
        chance = np.flatnonzero(self.rng.random(len(items)) < self.epsilon)
        items[chance] = (
            self.rng.random((len(chance), self.n_items), np.float32) * allowed[chance]
        ).argmax(axis=1)
        return items

    def _judged(
        self, scores: Floats32, users: Ids | Floats32, history: Ids
    ) -> Floats32:
        """Scores [batch, I] in which the best ``proposals`` are lifted above all others, in the critics' order."""
        count = min(self.config.proposals, self.n_items)
        if not count:
            return scores
        best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        judged = self.learner.judge(
            self._vectors(users), history.astype(np.int32), best.astype(np.int32)
        ).numpy()
        judged -= judged.min(axis=1, keepdims=True)  # [batch, proposals] >= 0
        possible = np.isfinite(np.take_along_axis(scores, best, axis=1))
        lifted = np.where(
            possible, scores.max(axis=1, keepdims=True) + 1.0 + judged, -np.inf
        )
        np.put_along_axis(scores, best, lifted.astype(scores.dtype), axis=1)
        return scores

    def propose(self, users: Ids | Floats32, history: Ids) -> Floats32:
        """Actions of length 1 [batch, d] from histories of ids [batch, n].

        ``users``: ids [batch] (-1: a stranger, who counts as zeros) or vectors [batch, d].
        """
        return np.asarray(
            self.learner.propose(self._vectors(users), history.astype(np.int32))
        )

    def _vectors(self, users: Ids | Floats32) -> Floats32:
        if users.ndim == 2:
            return (users * self.user_scale).astype(np.float32)
        if len(users) and users.max() >= len(self.user_vectors):
            raise ConfigError(
                f"user {users.max()} has no vector; give vectors for all users, or -1 for a stranger"
            )
        return self.user_vectors[users] * (users >= 0)[:, None]

    def scores(self, users: Ids | Floats32, history: Ids) -> Floats32:
        """How well each item suits: [batch, I]; ``users`` and ``history`` as in ``propose``."""
        return np.asarray(self.propose(users, history) @ self.item_vectors.T)

    def recommend(
        self, observations: Any, k: int = 1, allowed: NDArray[np.bool_] | None = None
    ) -> Ids:
        """Item ids [batch, k], best first; items of the history, and those not ``allowed`` [batch, I], are left out.

        Where the observations hold ``candidates`` [batch, m], it is these and no others that are ranked.

        ``observations``: a dictionary with ``history`` [batch, n] and perhaps ``user`` [batch, 1] ids, or
        ``user_vector`` [batch, d] for somebody who was not there in training.
        """
        users, history = self._read(observations)
        if "user_vector" in observations:
            users = np.asarray(observations["user_vector"])
        shown = np.asarray(observations["history"])
        if "candidates" in observations:
            may = _on_offer(observations["candidates"], self.n_items)
        else:
            may = (
                np.ones((len(shown), self.n_items), np.bool_)
                if allowed is None
                else allowed.copy()
            )
            rows, places = np.nonzero(shown >= 0)
            may[rows, shown[rows, places]] = False
        scores = np.where(may, self.scores(users, history), -np.inf)
        return best_k(self._judged(scores, users, history), k, may)

    def _read(self, observations: Any) -> tuple[Ids, Ids]:
        """User ids [batch] and the history [batch, n] an observation holds; skipped songs are not part of it."""
        history = np.asarray(observations["history"])
        if history.shape[1] != self.history:
            raise ConfigError(
                f"a history of {history.shape[1]}, the agent was made for {self.history}: history="
            )
        if "feedback" in observations:
            history = np.where(observations["feedback"][:, :, 2] > 0.5, -1, history)
        known = self.has_users and "user" in observations
        users = observations["user"][:, 0] if known else np.full(len(history), -1)
        return np.asarray(users), history

    # -- keep --------------------------------------------------------------------------------------------
    def save(self, folder: str | Path) -> None:
        """Write settings, vectors and everything that ``state`` tells into ``folder``."""
        storage.write_json(
            Path(folder) / "agent.json",
            {"config": asdict(self.config), "history": self.history},
        )
        vectors = {
            "item_vectors": self.item_vectors,
            "user_scale": np.array(self.user_scale),
        }
        vectors |= {"user_vectors": self.user_vectors} if self.has_users else {}
        storage.write_arrays(Path(folder) / "agent.npz", **vectors, **self.state())

    @classmethod
    def load(cls, folder: str | Path, env: BatchEnv[Any] | None = None) -> DDPG:
        """Read what ``save`` wrote, to go on in ``env`` if given. Raises ``DataError`` for a broken folder."""
        settings = storage.read_json(Path(folder) / "agent.json")
        arrays = storage.read_arrays(Path(folder) / "agent.npz")
        with storage.whole(folder):
            config = dict(settings["config"])
            config |= {
                "hidden": tuple(config["hidden"]),
                "priority": PriorityConfig(**config["priority"]),
            }
            items, users = arrays.pop("item_vectors"), arrays.pop("user_vectors", None)
            scaled = float(arrays.pop("user_scale"))
            agent = cls(
                items,
                users,
                DDPGConfig(**config),
                history=settings["history"],
                scaled=scaled,
            )
        agent.restore(arrays, env)
        return agent

    def state(self) -> Arrays:
        """All of it as arrays: weights, targets, optimisers, memory, random state, step, and the environment's."""
        env = {
            f"env_{name}": values
            for name, values in (self._env.state() if self._env else {}).items()
        }
        memory = {
            f"memory_{name}": values for name, values in self.memory.state().items()
        }
        rng = storage.generator_state(self.rng)
        return {
            **self.learner.state(),
            **memory,
            **env,
            "rng": rng,
            "step": np.array(self.step),
        }

    def restore(self, state: Arrays, env: BatchEnv[Any] | None = None) -> None:
        """Take over what ``state`` gave; with the environment made anew, ``train(env, ..)`` goes on bit by bit."""
        self.learner.restore(state)
        self.memory.restore(_part(state, "memory_"))
        self.rng, self.step = (
            storage.restore_generator(state["rng"]),
            int(state["step"]),
        )
        self._env = env
        if env is not None:
            env.restore(_part(state, "env_"))
            self._observation = env._observe()


def _memory(config: DDPGConfig, history: int) -> UniformReplay:
    fields: dict[str, tuple[tuple[int, ...], Any]] = {
        "user": ((), np.int32),
        "history": ((history,), np.int32),
        "item": ((), np.int32),
        "reward": ((), np.float32),
        "next_history": ((history,), np.int32),
        "terminated": ((), np.float32),
    }
    if config.replay == "uniform":
        return UniformReplay(config.capacity, fields)
    return PrioritisedReplay(config.capacity, fields, config.priority)


def _scale(vectors: NDArray[Any]) -> float:
    """What makes the root mean square length of ``vectors`` [n, d] 1; 1 if all are 0."""
    length = float(
        np.sqrt(np.mean(np.sum(np.square(vectors, dtype=np.float64), axis=1)))
    )
    return 1.0 / length if length > 0.0 else 1.0


def _allowed(
    env: BatchEnv[Any], observations: Any, n_items: int, fresh: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """What may be recommended now [batch, I]: the candidates on offer, or what the environment says, or everything.

    ``fresh`` rows only begin an episode, whatever is recommended.
    """
    if "candidates" in observations:
        return _on_offer(observations["candidates"], n_items)
    allowed = getattr(env, "allowed", None)
    return (
        np.ones((len(fresh), n_items), np.bool_)
        if allowed is None
        else allowed() | fresh[:, None]
    )


def _on_offer(candidates: Ids, n_items: int) -> NDArray[np.bool_]:
    """[batch, I] from candidates [batch, k]."""
    offered = np.zeros((len(candidates), n_items), np.bool_)
    np.put_along_axis(offered, candidates, True, axis=1)
    return offered


def _part(state: Arrays, prefix: str) -> Arrays:
    return {
        name.removeprefix(prefix): values
        for name, values in state.items()
        if name.startswith(prefix)
    }
