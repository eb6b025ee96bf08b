"""DDPG for recommendation: an actor outputs a vector that ranks the items.

DRR (arXiv:1810.12027, algorithm 1) on DDPG (arXiv:1509.02971). The actor turns a state
(the user, the last n liked items) into a vector; the allowed item with the largest dot
product is played. The critic estimates the return of playing an item in a state; the
actor follows the critic's gradient. Networks and losses are in
`rlrec.agents.ddpg_networks`, states in `rlrec.agents.ddpg_states`, the replay memory in
`rlrec.agents.replay`.

A round: one step in each environment (`rlrec train ddpg` has 64), then 64 updates of 32
transitions each in one compiled call. The memory holds ids; vectors are looked up
inside that call. The TD errors of the round set the new priorities.

Differs from the papers:

- Critic and action: the critic is linear in the action (``critic="dot"``), so that an
  action along its gradient ranks the items by Q; in the "mlp" critic the action enters
  at the first layer. The action has length 1. The critic learns from the vector of the
  item that was played, not from the noisy action. The next action is a catalogue item
  (``target_candidates``): evaluating the target at the raw action, which matches no
  item, made the critic diverge to its bound in our runs. The critics may rerank the
  actor's best items (``proposals``, Wolpertinger, arXiv:1512.07679; off by default).
- Residual (``residual``, off by default): actor and critics add to a base vector, which
  includes a policy from a supervised warm start; the critics learn its weight.
- From TD3 (arXiv:1802.09477): twin critics and a delayed actor, but no smoothing noise
  on the target action. The actor follows the first critic. Targets are clipped to the
  returns that rewards make possible: a reward outside its declared range, or a mean Q
  outside the possible returns, stops the training.
- Exploration: clipped Gaussian noise instead of an Ornstein-Uhlenbeck process, besides
  DRR's random items with probability epsilon. Both decrease linearly and stay at their
  floors after the schedule.
- Networks: smaller (128 and 64 units); no batch normalisation; Glorot initialisation,
  the last layer scaled down; a smaller weight penalty; a penalty on the actor's output
  before tanh; the state's weights are trained with the critics alone. Vectors are
  scaled to a root mean square length of 1.
- Optimiser: gradients are clipped by norm; Adam's epsilon (1e-8) is added to sqrt(v)
  before the bias correction of v; target networks start as copies and move at each
  update of the actor, by a larger tau (.005). The discount is .9, as in DRR (.99 in
  DDPG).
- Replay: as many updates as steps, but a round at a time, all with the priorities (mean
  absolute TD error of the critics, arXiv:1511.05952) at its start. Importance weights
  apply to the critics' loss, not to the actor's. A time limit is no termination: the
  next state's value counts. A step that only begins an episode is not stored.
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
from rlrec.agents.ddpg_networks import DDPGLearner
from rlrec.agents.recommender import not_played, offered
from rlrec.agents.replay import (
    Fields,
    PrioritisedReplay,
    UniformReplay,
)
from rlrec.agents.retrieval import best_k
from rlrec.agents.schedules import linear_schedule
from rlrec.agents.training import Trainer
from rlrec.envs.batch import BatchEnv
from rlrec.errors import ConfigError, TrainingDiverged, require_ids
from rlrec.types import Bools, Callback, Floats32, Ids, Ids32

__all__ = ["DDPG", "DDPGConfig", "DDPGRound", "TrainingDiverged"]


class DDPGRound(NamedTuple):
    """The record of one round; NaN where nothing was learned yet."""

    step: int  # recommendations so far
    reward: float  # mean over the environments
    hit_rate: float  # share of recommendations with a reward above 0
    critic_loss: float
    actor_loss: float
    mean_q: float
    epsilon: float
    noise: float  # length of the noise on an action
    steps_per_second: float


class DDPG(Trainer):
    """The agent, for I items and U users: their vectors are [I, d] and [U, d].

    Without user vectors (None) each user's vector is zeros. Both are scaled to a root
    mean square length of 1, which changes no ranking. ``history``: the number of ids in
    an observation's history. ``user_scale``: only for ``load``, whose vectors are
    already scaled: the factor by which the users' were multiplied.
    Raises ``ConfigError`` for vectors of other shapes.
    """

    def __init__(
        self,
        item_vectors: NDArray[Any],
        user_vectors: NDArray[Any] | None = None,
        config: DDPGConfig | None = None,
        seed: int = 0,
        *,
        history: int = 5,
        user_scale: float | None = None,
    ) -> None:
        self.config = config or DDPGConfig()
        self.has_users = user_vectors is not None
        if user_vectors is None:
            user_vectors = np.zeros((1, *item_vectors.shape[1:]))
        if item_vectors.ndim != 2 or user_vectors.shape[1:] != item_vectors.shape[1:]:
            raise ConfigError(
                f"items {item_vectors.shape}, users {user_vectors.shape}: "
                "need [items, d] and [users, d]"
            )
        if user_scale is None:
            user_scale = _scale(user_vectors)
            user_vectors = user_vectors * user_scale
            item_vectors = item_vectors * _scale(item_vectors)
        self.history = history
        self.n_items, self.dimensions = item_vectors.shape
        self.user_scale = user_scale
        self.item_vectors = item_vectors.astype(np.float32)  # [I, d]
        self.user_vectors = user_vectors.astype(np.float32)  # [U, d]
        super().__init__(seed)
        self.learner = DDPGLearner(
            self.item_vectors,
            self.user_vectors,
            history,
            self.config,
            self.rng,
        )
        self.memory = _memory(self.config, history)

    # -- train -----------------------------------------------------------------------
    def train(
        self,
        env: BatchEnv[Any],
        steps: int,
        *,
        callback: Callback | None = None,
        seed: int = 0,
    ) -> list[DDPGRound]:
        """Play and learn for ``steps`` recommendations; the record of each round.

        ``steps`` is rounded up to whole rounds. Starts from ``env.reset(seed=seed)``,
        or continues if ``env`` is the environment of the last call. ``callback`` gets
        each round's record and stops the training by returning True. Raises
        ``TrainingDiverged``, and ``ConfigError`` for a reward outside its range.
        """
        return self._rounds(env, -(-steps // env.num_envs), callback, seed)

    def _round(self, env: BatchEnv[Any]) -> DDPGRound:
        start = time.perf_counter()
        epsilon = self.epsilon
        noise = self.noise
        new_episode = env.over.copy()
        rewards = self._play(env, new_episode)
        critic_loss = actor_loss = mean_q = np.nan
        if len(self.memory) >= self.config.learning_starts:
            critic_loss, actor_loss, mean_q = self._learn()
        reward = hit_rate = np.nan
        if len(rewards):
            reward = float(np.mean(rewards))
            hit_rate = float(np.mean(rewards > 0.0))
        speed = env.num_envs / (time.perf_counter() - start)
        return DDPGRound(
            self.step,
            reward,
            hit_rate,
            critic_loss,
            actor_loss,
            mean_q,
            epsilon,
            noise,
            speed,
        )

    def _play(self, env: BatchEnv[Any], new_episode: Bools) -> NDArray[Any]:
        """Store one step of each environment in the memory; their rewards [stored].

        Rows of ``new_episode`` [batch] begin an episode: their step is no transition.
        """
        users, history = self._read(self._observation)
        allowed = offered(self._observation, self.n_items)
        if "candidates" not in self._observation and hasattr(env, "allowed"):
            # a row that begins an episode ignores its action: any item will do
            allowed = env.allowed() | new_episode[:, None]
        items = self.explore(users, history, allowed)
        actions = env.actions_for(items[:, None])
        self._observation, rewards, terminated, _, _ = env.step(actions)
        live = ~new_episode
        self.config.require_rewards(rewards[live])
        _, next_history = self._read(self._observation)
        transitions = {
            "user": users,
            "history": history,
            "item": items,
            "reward": rewards,
            "next_history": next_history,
            "terminated": terminated,
        }
        self.memory.add(**{name: part[live] for name, part in transitions.items()})
        self.step += env.num_envs
        return rewards[live]

    def _learn(self) -> list[float]:
        """A round's updates: mean critic loss, actor loss and Q."""
        updates = self.config.updates
        size = self.config.batch_size
        if isinstance(self.memory, PrioritisedReplay):
            beta = self.config.priority.beta(self.progress)
            sample = self.memory.sample(updates, size, self.rng, beta=beta)
        else:
            sample = self.memory.sample(updates, size, self.rng)
        count = min(self.config.target_candidates, self.n_items)
        candidates = self.rng.integers(self.n_items, size=(updates, count), dtype="i4")
        errors, means = self.learner.learn(
            {**sample.data, "weight": sample.weights, "candidates": candidates}
        )
        losses: list[float] = means.numpy().tolist()
        self._check(losses)
        if isinstance(self.memory, PrioritisedReplay):
            self.memory.update(sample.places, errors.numpy())
        return losses

    def _check(self, losses: list[float]) -> None:
        remedy = "lower critic_rate or actor_rate, or resume from a checkpoint"
        if not np.isfinite(losses).all():
            raise TrainingDiverged(
                f"a loss is not a number at step {self.step}: {remedy}"
            )
        mean_q = losses[2]
        low, high = self.config.value_bounds
        if not low <= mean_q <= high:
            raise TrainingDiverged(
                f"mean Q is {mean_q:.3g} at step {self.step}, "
                f"beyond [{low:.3g}, {high:.3g}], the possible returns: {remedy}"
            )

    # -- decide ----------------------------------------------------------------------
    @property
    def epsilon(self) -> float:
        """The probability of a random item now."""
        return self._scheduled(self.config.epsilon, self.config.epsilon_floor)

    @property
    def noise(self) -> float:
        """The length of the noise on an action now."""
        return self._scheduled(self.config.noise, self.config.noise_floor)

    def _scheduled(self, start: float, floor: float) -> float:
        # max: rounding must not lead below the lower end
        value = linear_schedule(start, floor, self.progress)
        return max(value, min(start, floor))

    def explore(self, users: Ids | Floats32, history: Ids, allowed: Bools) -> Ids:
        """Items to play [batch], from noisy actions; random with probability epsilon.

        ``allowed`` [batch, I]: items that may be played. ``users``, ``history``: as in
        ``propose``.
        """
        actions = self.propose(users, history)
        limit = self.config.noise_clip
        noise = self.rng.standard_normal(actions.shape, np.float32)
        scale = np.float32(self.noise / np.sqrt(self.dimensions))
        noisy = actions + np.clip(noise, -limit, limit) * scale
        scores = np.where(allowed, noisy @ self.item_vectors.T, -np.inf)
        items: Ids = self.rerank(scores, users, history).argmax(axis=1)
        random = np.flatnonzero(self.rng.random(len(items)) < self.epsilon)
        # the largest of uniform draws: every allowed item is equally probable
        draws = self.rng.random((len(random), self.n_items), np.float32)
        items[random] = (draws * allowed[random]).argmax(axis=1)
        return items

    def propose(self, users: Ids | Floats32, history: Ids) -> Floats32:
        """Actions of length 1 [batch, d] from histories of ids [batch, n].

        ``users``: vectors [batch, d], or ids [batch]; -1 is an unknown user, whose
        vector is zeros. Raises ``ConfigError`` for an id without a vector.
        """
        vectors = self._vectors(users)
        return np.asarray(self.learner.propose(vectors, self._ids(history)))

    def scores(self, users: Ids | Floats32, history: Ids) -> Floats32:
        """The actor's scores [batch, I], action . item; arguments as in ``propose``."""
        actions = self.propose(users, history)
        return actions @ self.item_vectors.T

    def rerank(self, scores: Floats32, users: Ids | Floats32, history: Ids) -> Floats32:
        """Let the critics order the best ``proposals`` of ``scores`` [batch, I].

        Their scores are raised above those of all other items; ``scores`` is changed in
        place. Scores of -inf (items not allowed) stay.
        """
        count = min(self.config.proposals, self.n_items)
        if not count:
            return scores
        best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        judged = self.learner.judge(
            self._vectors(users),
            self._ids(history),
            best.astype(np.int32),
        ).numpy()
        judged -= judged.min(axis=1, keepdims=True)  # Q - lowest Q: [batch, count]
        lifted = scores.max(axis=1, keepdims=True) + 1.0 + judged
        proposed = np.take_along_axis(scores, best, axis=1)
        lifted[~np.isfinite(proposed)] = -np.inf
        np.put_along_axis(scores, best, lifted.astype(scores.dtype), axis=1)
        return scores

    def recommend(
        self,
        observations: Any,
        k: int = 1,
        allowed: Bools | None = None,
    ) -> Ids:
        """Item ids [batch, k], best first, without the items of the history.

        ``observations``: a dictionary with ``history`` [batch, n] and perhaps ``user``
        [batch, 1] ids, or ``user_vector`` [batch, d] for a user not seen in training.
        With ``candidates`` [batch, m] only these are ranked; otherwise the items that
        are ``allowed`` [batch, I], by default all.
        """
        users, history = self._read(observations)
        if "user_vector" in observations:
            users = np.asarray(observations["user_vector"])
        mask = offered(observations, self.n_items)
        if "candidates" not in observations:
            if allowed is not None:
                mask &= allowed
            mask &= not_played(observations["history"], self.n_items)
        scores = np.where(mask, self.scores(users, history), -np.inf)
        return best_k(self.rerank(scores, users, history), k, mask)

    def _read(self, observations: Any) -> tuple[Ids, Ids]:
        """User ids [batch], -1: unknown, and the history [batch, n], skips as -1."""
        history = require_ids("history", observations["history"], self.n_items)
        if history.shape[1] != self.history:
            raise ConfigError(
                f"the history has {history.shape[1]} items, "
                f"this agent was made for {self.history}: give DDPG another history="
            )
        if "feedback" in observations:
            skipped = observations["feedback"][:, :, 2] > 0.5
            history = np.where(skipped, -1, history)
        users = np.full(len(history), -1)
        if self.has_users and "user" in observations:
            users = observations["user"][:, 0]
        return users, history

    def _ids(self, history: Any) -> Ids32:
        """Item ids [batch, n], checked."""
        return require_ids("history", history, self.n_items).astype(np.int32)

    def _vectors(self, users: Ids | Floats32) -> Floats32:
        """User vectors [batch, d] from ids [batch] or from unscaled vectors."""
        if users.ndim == 2:
            return (users * self.user_scale).astype(np.float32)
        require_ids("users", users, len(self.user_vectors))
        return self.user_vectors[users] * (users >= 0)[:, None]  # zeros for -1

    # -- save and load ---------------------------------------------------------------
    def save(self, folder: str | Path) -> None:
        """Write the settings, the vectors and ``state()`` into ``folder``."""
        settings = {"config": asdict(self.config), "history": self.history}
        vectors = {
            "item_vectors": self.item_vectors,
            "user_scale": np.array(self.user_scale),
        }
        if self.has_users:
            vectors["user_vectors"] = self.user_vectors
        storage.write_json(Path(folder) / "agent.json", settings)
        storage.write_arrays(Path(folder) / "agent.npz", **vectors, **self.state())

    @classmethod
    def load(
        cls,
        folder: str | Path,
        env: BatchEnv[Any] | None = None,
    ) -> DDPG:
        """Read what ``save`` wrote, to continue training in ``env`` if given.

        Raises ``DataError`` for a broken folder.
        """
        settings = storage.read_json(Path(folder) / "agent.json")
        arrays = storage.read_arrays(Path(folder) / "agent.npz")
        with storage.whole(folder):
            agent = cls(
                arrays["item_vectors"],
                arrays.get("user_vectors"),
                DDPGConfig.read(settings["config"]),
                history=settings["history"],
                user_scale=float(arrays["user_scale"]),
            )
        agent.restore(arrays, env)
        return agent


def _memory(config: DDPGConfig, history: int) -> UniformReplay:
    fields: Fields = {
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
    """Factor that gives ``vectors`` [n, d] a root mean square length of 1."""
    squares = np.square(vectors, dtype=np.float64)
    mean = np.mean(np.sum(squares, axis=1))
    length = float(np.sqrt(mean))
    return 1.0 / length if length > 0.0 else 1.0
