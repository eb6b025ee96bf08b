"""DDPG for ``Listening-v0``: a state that knows the order, and interactions as vectors.

`rlrec.agents.ddpg.DDPG` is below chance there (6.6 songs a session), for two reasons.
Its history leaves out the songs that were skipped, as DRR's does; but listeners tire of
all they hear. And the state is an average of vectors, which knows neither the order of
the songs (its weights go by place, not by time) nor how much a candidate is like the
last ones. The actor names one place, and what lies near it sounds alike.

Here the state is a view of the whole session (`rlrec.envs.view`), skips and all. A song
has another vector in each session: its place on the map and, with ``interactions``, its
15 interactions with the session (`rlrec.agents.song_space`). The actor weighs all of
them, and the song with the largest dot product plays:

    x_a(s) = [song_a, interactions of a and s] / sqrt(f)        [f]
    a      = normalise(tanh(actor(s)))                          [f], length 1
    Q      = v(s) + c(s) . x_a(s)         (critic "dot")

A transition spans n songs (n-step returns; Sutton and Barto, chapter 7), 3 by default:
what a song does to the mood shows in the next ones. The next action is the song that
the target actor ranks first among ``target_candidates`` of those on offer n songs
later. A round is ``rollout`` songs to each listener; its last n are not learned from.
Updates, exploration and memory are those of `rlrec.agents.ddpg`; the settings
``state``, ``residual`` and ``proposals`` have no meaning here.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec import storage
from rlrec.agents.ddpg import DDPG, DDPGRound
from rlrec.agents.ddpg_config import DDPGConfig
from rlrec.agents.ddpg_networks import DDPGLearner
from rlrec.agents.listener_filter import ListenerFilter
from rlrec.agents.nstep import n_step_transitions
from rlrec.agents.recommender import best_unplayed, item_pool
from rlrec.agents.replay import (
    Fields,
    PrioritisedReplay,
    UniformReplay,
)
from rlrec.agents.song_space import SongSpace
from rlrec.agents.training import Trainer
from rlrec.envs.batch import BatchEnv
from rlrec.envs.view import ListeningView
from rlrec.nn.backend import tf
from rlrec.nn.networks import Batch, Tensor
from rlrec.types import Bools, Callback, Floats, Floats32, Ids


class SessionLearner(DDPGLearner):
    """The updates of DDPG; states and song vectors come with the transitions.

    A state of ``width`` numbers, filled up with zeros, is read as a history of vectors
    [size], which the representation "drr-n" leaves as it is.
    """

    def __init__(
        self,
        width: int,
        size: int,
        config: DDPGConfig,
        rng: np.random.Generator,
    ) -> None:
        self.rows = -(-width // size)
        nothing = np.zeros((1, size))
        own = replace(config, state="drr-n", residual="none")
        super().__init__(nothing, nothing, self.rows, own, rng)

    def targets(self, batch: Batch) -> Tensor:
        """TD targets [batch]; the next songs are those of ``batch["next_songs"]``."""
        return super().targets({**batch, "candidates": batch["next_songs"]})

    def retrieve(self, actions: Tensor, candidates: Tensor) -> Tensor:
        """Those of the vectors ``candidates`` [batch, m, f] that actions rank first."""
        scores = tf.linalg.matvec(candidates, actions)  # [batch, m]
        return tf.gather(candidates, tf.argmax(scores, axis=1), batch_dims=1)

    def items(self, ids: Tensor) -> Tensor:
        """Songs are vectors already."""
        return ids

    def view(self, users: Tensor, history: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The arguments of ``encode``; ``history`` [batch, width] is the state."""
        size = self.item_table.shape[1]
        width = history.shape[1]
        full = tf.pad(history, ((0, 0), (0, self.rows * size - width)))
        # ``encode`` multiplies by the root of the size
        rows = tf.reshape(full, (-1, self.rows, size)) / self.online.root
        return rows[:, 0], rows, tf.ones_like(rows[:, :, 0])

    def _propose(self, states: Tensor, _: Tensor) -> Tensor:
        encoded = self.online.encode(*self.view(None, states))
        return self.online.action(*encoded)[0]


class SessionDDPG(DDPG):
    """The agent. ``songs`` [I, d + 1]: the map of sound, the last column popularity.

    ``view``: a kind of `rlrec.envs.view.ListeningView`, the state. ``interactions``:
    whether they are part of a song's vector. ``n``: 1..rollout - 1 songs that a
    transition spans; ``rollout``: songs to each listener in a round. ``known_by``: a
    filter fitted to sessions, for the interactions; it is not stored.
    """

    def __init__(
        self,
        songs: NDArray[Any],
        config: DDPGConfig | None = None,
        seed: int = 0,
        *,
        view: str = "belief",
        interactions: bool = True,
        n: int = 3,
        rollout: int = 16,
        known_by: ListenerFilter | None = None,
    ) -> None:
        Trainer.__init__(self, seed)
        self.config = config or DDPGConfig()
        self.map = np.asarray(songs, np.float32)
        spread = self.map.std(axis=0)
        spread[spread == 0.0] = 1.0
        self.songs = (self.map - self.map.mean(axis=0)) / spread
        self.n_items, self.dimensions = self.songs.shape
        self.view = ListeningView(self.songs, view)
        self.space = SongSpace(self.songs, known_by) if interactions else None
        if self.space is not None:
            self.dimensions += self.space.width
        self.n = n
        self.rollout = rollout
        width = self.view.width
        learned = _n_step(self.config, n)
        self.learner = SessionLearner(width, self.dimensions, learned, self.rng)
        self.memory = self._memory(width)

    def _memory(self, width: int) -> UniformReplay:
        next_songs = (self.config.target_candidates, self.dimensions)
        fields: Fields = {
            "user": ((), np.float32),
            "history": ((width,), np.float32),
            "item": ((self.dimensions,), np.float32),
            "reward": ((), np.float32),
            "next_history": ((width,), np.float32),
            "next_songs": (next_songs, np.float32),
            "terminated": ((), np.float32),
        }
        if self.config.replay == "uniform":
            return UniformReplay(self.config.capacity, fields)
        priority = self.config.priority
        return PrioritisedReplay(self.config.capacity, fields, priority)

    def vectors(self, observations: Any, pool: Ids) -> Floats32:
        """The vectors [batch, m, f] of the songs of ``pool`` [batch, m]."""
        vectors = self.songs[pool]
        if self.space is not None:
            seen = self.space(observations, pool)
            vectors = np.concatenate([vectors, seen], axis=2)
        return np.asarray(vectors / np.sqrt(self.dimensions), np.float32)

    # -- train -----------------------------------------------------------------------
    def train(
        self,
        env: BatchEnv[Any],
        steps: int,
        *,
        callback: Callback | None = None,
        seed: int = 0,
    ) -> list[DDPGRound]:
        """As `DDPG.train`; a round is ``rollout`` songs to each listener."""
        size = self.rollout * env.num_envs
        return self._rounds(env, -(-steps // size), callback, seed)

    def _play(self, env: BatchEnv[Any], new_episode: Bools) -> NDArray[Any]:
        """Play a round and store its transitions; their n-step returns."""
        plays = [self._step(env) for _ in range(self.rollout)]
        live, states, items, songs, rewards, terminated, truncated = map(
            np.array, zip(*plays, strict=True)
        )  # [T, batch, ...]
        self.config.require_rewards(rewards[live])
        n = self.n
        returns, over, use = n_step_transitions(
            live, rewards, terminated, truncated, n, self.config.discount
        )
        transitions = {
            "user": np.zeros(use.shape),
            "history": states[:-n],
            "item": items[:-n],
            "reward": returns,
            "next_history": states[n:],
            "next_songs": songs[n:],
            "terminated": over,
        }
        self.memory.add(**{name: part[use] for name, part in transitions.items()})
        return np.asarray(rewards[live])

    def _step(self, env: BatchEnv[Any]) -> tuple[NDArray[Any], ...]:
        """Play a song to each listener: live, state, its vector, others', and so on."""
        seen = self._observation
        live = ~env.over
        state = self.view(seen)
        pool = item_pool(seen, self.n_items)
        vectors = self.vectors(seen, pool)
        songs = self._explore(seen, state, pool, vectors)
        own = (pool == songs).argmax(axis=1)[:, None]
        places = np.concatenate([own, self._some(pool)], axis=1)
        kept = np.take_along_axis(vectors, places[:, :, None], axis=1)
        played = env.step(env.actions_for(songs))
        self._observation, rewards, terminated, truncated, _ = played
        self.step += env.num_envs
        return live, state, kept[:, 0], kept[:, 1:], rewards, terminated, truncated

    def _explore(
        self, observations: Any, state: Floats32, pool: Ids, vectors: Floats32
    ) -> Ids:
        """Songs [batch, 1] of noisy actions; random with probability epsilon.

        ``pool`` [batch, m]: to choose from, with their ``vectors`` [batch, m, f].
        """
        actions = self._actions(state)
        limit = self.config.noise_clip
        noise = self.rng.standard_normal(actions.shape, np.float32)
        scale = np.float32(self.noise / np.sqrt(self.dimensions))
        actions += np.clip(noise, -limit, limit) * scale
        scores = _scores(vectors, actions)
        random = self.rng.random(len(pool)) < self.epsilon
        scores[random] = self.rng.random((random.sum(), pool.shape[1]))
        return best_unplayed(observations, pool, scores, 1)

    def _some(self, pool: Ids) -> Ids:
        """``target_candidates`` places in ``pool`` [batch, m]; again if m is less."""
        count = self.config.target_candidates
        order = self.rng.random(pool.shape).argsort(axis=1)
        places: Ids = order[:, np.arange(count) % pool.shape[1]]
        return places

    # -- decide ----------------------------------------------------------------------
    def _actions(self, state: Floats32) -> Floats32:
        actions: Floats32 = self.learner.propose(state, state).numpy().copy()
        return actions

    def recommend(
        self,
        observations: Any,
        k: int = 1,
        allowed: Bools | None = None,
    ) -> Ids:
        """Song ids [batch, k], best first; those just played only if on offer."""
        pool = item_pool(observations, self.n_items)
        actions = self._actions(self.view(observations))
        scores = _scores(self.vectors(observations, pool), actions)
        return best_unplayed(observations, pool, scores, k)

    # -- save and load ---------------------------------------------------------------
    def save(self, folder: str | Path) -> None:
        """Write the settings, the songs and ``state()`` into ``folder``."""
        settings: dict[str, Any] = {
            "config": asdict(self.config),
            "view": self.view.kind,
            "interactions": self.space is not None,
            "n": self.n,
            "rollout": self.rollout,
        }
        storage.write_json(Path(folder) / "agent.json", settings)
        storage.write_arrays(Path(folder) / "agent.npz", songs=self.map, **self.state())

    @classmethod
    def load(
        cls,
        folder: str | Path,
        env: BatchEnv[Any] | None = None,
    ) -> SessionDDPG:
        """Read what ``save`` wrote, to continue training in ``env`` if given.

        Raises ``DataError`` for a broken folder.
        """
        settings = storage.read_json(Path(folder) / "agent.json")
        arrays = storage.read_arrays(Path(folder) / "agent.npz")
        with storage.whole(folder):
            config = DDPGConfig.read(settings.pop("config"))
            agent = cls(arrays["songs"], config, **settings)
        agent.restore(arrays, env)
        return agent


def _scores(vectors: Floats32, actions: Floats32) -> Floats:
    """Scores [batch, m] of songs with ``vectors`` [batch, m, f] for actions."""
    scores = vectors @ actions[:, :, None]
    return scores[:, :, 0].astype(np.float64)


def _n_step(config: DDPGConfig, n: int) -> DDPGConfig:
    """Discount and range of rewards of transitions that span ``n`` songs.

    Returns lie within the same bounds as before.
    """
    total = float(np.sum(config.discount ** np.arange(n)))
    return replace(
        config,
        discount=config.discount**n,
        reward_low=total * config.reward_low,
        reward_high=total * config.reward_high,
    )
