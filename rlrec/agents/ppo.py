"""PPO (arXiv:1707.06347, algorithm 1) for listeners whose taste is hidden.

The agent sees what a listener did lately (`rlrec.envs.view`) and chooses the next song.
A map of sound gives each song a vector, such as a variational autoencoder's. Four ways
to act (``action``): choose one of the candidates that the environment offers
("offered"), or one of the songs nearest to the one that plays ("neighbours"); name a
point of the map, and the nearest song plays ("point"); or name a vector, and the song
with the largest dot product plays ("vector"). Candidates are compared with the session
by a network, by their interactions with it (`rlrec.agents.ppo_interactions`), or by
both (``policy``). Networks and losses are in `rlrec.agents.ppo_networks`.

A round: 256 steps of each environment, played in NumPy; then all epochs and minibatches
in one compiled call.

Differs from the paper:

- Two networks, not one with two heads; ReLU instead of tanh; Glorot initialisation, the
  policy's last layer scaled down. The policy over candidates compares a vector of the
  state with a vector of each song. One optimiser serves both networks.
- Other numbers: discount .95 (.99), lambda .9 (.95), learning rate 1e-3 (3e-4), value
  weight .5 (1). Rewards and states are not rescaled by running statistics.
- A policy over points draws from a normal distribution, as in the paper; then the song
  nearest to the point plays. Songs played lately are left out.
- The advantages of a minibatch are normalised to mean 0 and standard deviation 1.
- Gradients are clipped by norm; Adam's epsilon (1e-8, where many implementations take
  1e-5) is added to sqrt(v) before the bias correction of v.
- Epochs stop early when the policy has moved too far (``target_kl``). The value loss
  may be clipped (``value_clip``, off by default).
- Learning rate, clip and entropy weight fall linearly to 0; in the paper the first two
  do, for Atari. A round after the schedule's end is refused: it would learn nothing.
- A time limit is no termination: the next state's value counts. The step that only
  begins an episode recommends nothing, so it has no weight in a minibatch.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from rlrec import storage
from rlrec.agents.listener_filter import ListenerFilter
from rlrec.agents.ppo_config import PPOConfig
from rlrec.agents.ppo_interactions import interactions_for
from rlrec.agents.ppo_networks import PointPolicy, PPOLearner, gae
from rlrec.agents.recommender import best_first, item_pool, not_played
from rlrec.agents.retrieval import Neighbours, top_k
from rlrec.agents.training import Trainer, played
from rlrec.envs.batch import BatchEnv
from rlrec.envs.view import ListeningView
from rlrec.errors import ConfigError, TrainingDiverged, require_ids
from rlrec.nn.networks import mlp_forward, mlp_layers
from rlrec.types import Arrays, Callback, Floats, Floats32, Ids

__all__ = ["PPO", "PPOConfig", "PPORound"]


class PPORound(NamedTuple):
    """The record of one round."""

    step: int  # songs so far
    reward: float  # mean per song
    policy_loss: float
    value_loss: float
    entropy: float  # nats
    kl: float  # nats, KL(policy that played, updated policy)
    clipped: float  # share of ratios outside the clip
    epochs: float  # fewer than the setting if the KL grew too large
    explained: float  # share of the returns' variance that the value network explains
    steps_per_second: float


def drawn(
    state: Floats32, candidates: Ids, seen: Floats32, log_probs: Floats32, noise: Floats
) -> tuple[Arrays, Ids]:
    """What to keep of a draw from ``log_probs`` [batch, k], and song ids [batch].

    The Gumbel-max trick: the largest of log P + Gumbel ``noise`` is a draw from P.
    """
    choice = (log_probs + noise).argmax(axis=1)
    rows = np.arange(len(choice))
    step = {
        "state": state,
        "choice": choice.astype(np.int32),
        "log_prob": log_probs[rows, choice],
        "candidates": candidates.astype(np.int32),
        "seen": seen,
    }
    return step, candidates[rows, choice]


class PPO(Trainer):
    """The agent. ``songs`` [I, d]: the map of sound, a row for each song id.

    Each dimension is scaled to mean 0 and standard deviation 1. ``known_by``: a filter
    fitted to sessions, for the policy's interactions; it is not stored.
    Raises ``ConfigError`` unless ``songs`` is a matrix of finite numbers.
    """

    def __init__(
        self,
        songs: NDArray[Any],
        config: PPOConfig | None = None,
        seed: int = 0,
        known_by: ListenerFilter | None = None,
    ) -> None:
        if songs.ndim != 2 or not np.isfinite(songs).all():
            raise ConfigError(
                f"songs has shape {songs.shape}; "
                "it must be [songs, dimensions], all finite"
            )
        super().__init__(seed)
        self.config = config or PPOConfig()
        self.map = np.asarray(songs, np.float32)
        spread = self.map.std(axis=0)
        spread[spread == 0.0] = 1.0
        centred = self.map - self.map.mean(axis=0)
        self.songs = centred / spread  # [I, d]
        self.continuous = self.config.continuous
        self.view = ListeningView(self.songs, self.config.state, self.config.history)
        self.known_by = known_by
        self._seen, kind = interactions_for(self.songs, self.config, known_by)
        self.learner = PPOLearner(
            self.songs, self.view.width, self.config, self.rng, kind
        )
        by_distance = self.config.action in ("neighbours", "point")
        self.index = Neighbours(self.songs) if by_distance else None
        self._refresh()

    def _refresh(self) -> None:
        """Copy the networks' weights into NumPy, where the agent plays."""
        self._value = mlp_layers(self.learner.value)
        policy = self.learner.policy
        if isinstance(policy, PointPolicy):
            self._policy, self._sd = policy.numpy()
        else:
            self._policy, key = policy.numpy()
            self._linear = policy.linear.numpy()
            scale = np.float32(self.config.keys**-0.5)
            self._keys = mlp_forward(key, self.songs) * scale  # [I, keys]

    # -- train -----------------------------------------------------------------------
    def train(
        self,
        env: BatchEnv[Any],
        steps: int,
        *,
        callback: Callback | None = None,
        seed: int = 0,
    ) -> list[PPORound]:
        """Play and learn for ``steps`` songs; the record of each round.

        ``env``: Listening-v0 with ``observe="ids"``; its ``action`` is "candidate" if
        the agent's is "offered", otherwise "song". ``steps`` is rounded up to whole
        rounds. Starts from ``env.reset(seed=seed)``, or continues if ``env`` is the
        environment of the last call. ``callback`` gets each round's record and stops
        the training by returning True. Raises ``TrainingDiverged`` and ``ConfigError``,
        also if a round would begin when the schedule is over.
        """
        rounds = self.rounds(env.num_envs, steps)
        return self._rounds(env, rounds, callback, seed)

    def rounds(self, num_envs: int, steps: int) -> int:
        """How many rounds with ``num_envs`` environments make ``steps`` more songs.

        Raises ``ConfigError`` as ``train`` does.
        """
        size: int = self.config.rollout * num_envs
        if size % self.config.minibatch:
            raise ConfigError(
                f"a round of {size} steps is no multiple of "
                f"minibatch {self.config.minibatch}"
            )
        self.config.require_schedule(self.step + (steps - 1) // size * size)
        return -(-steps // size)

    def _round(self, env: BatchEnv[Any]) -> PPORound:
        start = time.perf_counter()
        return self._improve(*self._play(env), start)

    def _play(self, env: BatchEnv[Any]) -> tuple[Arrays, float, float]:
        """Play a round: its steps [T * batch, ...], mean reward, explained variance."""
        rollout = self.config.rollout
        steps, self._observation = played(env, self._observation, rollout, self._act)
        return self._with_advantages(steps)

    def _improve(
        self, steps: Arrays, reward: float, explained: float, start: float
    ) -> PPORound:
        """Learn from a round that began at time ``start``; its record."""
        left = 1.0 - self.progress if self.config.anneal else 1.0
        size = len(steps["live"])
        epochs = self.config.epochs
        rows = [self.rng.permutation(size) for _ in range(epochs)]
        shape = (epochs, -1, self.config.minibatch)  # -1: minibatches in an epoch
        order = np.reshape(rows, shape).astype(np.int32)
        measured = self.learner.learn(steps, order, left)
        if not np.isfinite([*measured.values()]).all():
            raise TrainingDiverged(
                f"a loss is not a number at step {self.step}: "
                "lower learning_rate, or resume"
            )
        self.step += size
        self._refresh()
        speed = size / (time.perf_counter() - start)
        return PPORound(
            self.step,
            reward,
            **measured,
            explained=explained,
            steps_per_second=speed,
        )

    def _with_advantages(self, steps: Arrays) -> tuple[Arrays, float, float]:
        """Add advantages to steps [T, batch, ...]; returns what ``_play`` does."""
        last = self.view(self._observation)
        states = np.concatenate([steps["state"], last[None]])
        # [T + 1, batch]; values[t + 1] is V of the observation after step t, also if it
        # is an episode's last: a new episode begins one step later
        values = self.values(states)
        rewards = steps.pop("reward")
        live = steps["live"]
        advantage = gae(
            rewards,
            values[:-1],
            values[1:],
            steps.pop("terminated"),
            steps.pop("ended"),
            self.config.discount,
            self.config.gae_lambda,
        )
        returns = (advantage + values[:-1])[live]
        # the advantages are returns - values: what the values leave unexplained
        explained = 1.0 - advantage[live].var() / max(returns.var(), 1e-12)
        steps["value"] = values[:-1]
        steps["advantage"] = advantage.astype(np.float32)
        steps["live"] = live.astype(np.float32)
        for name, array in steps.items():
            steps[name] = np.concatenate(array)  # [T * batch, ...]
        return steps, float(rewards[live].mean()), float(explained)

    def _act(self, observations: Any) -> tuple[Arrays, Ids]:
        """Draw from the policy: states, choices, their log P; the song ids [batch]."""
        state = self.view(observations)
        if self.continuous:
            return self._draw_points(observations, state)
        candidates = self.candidates(observations)
        seen = self._seen(observations, candidates)
        log_probs = self._log_probs(state, candidates, seen)
        noise = self.rng.gumbel(size=log_probs.shape)
        return drawn(state, candidates, seen, log_probs, noise)

    def _draw_points(self, observations: Any, state: Floats32) -> tuple[Arrays, Ids]:
        mean = mlp_forward(self._policy, state)  # [batch, d]
        noise = self.rng.standard_normal(mean.shape, np.float32)
        points = mean + self._sd * noise
        squares = (noise**2).sum(axis=1)  # [batch]
        density = -0.5 * squares - np.log(self._sd).sum()
        density = density - 0.5 * np.log(2 * np.pi) * len(self._sd)  # log density
        log_prob = density.astype(np.float32)
        step = {"state": state, "choice": points, "log_prob": log_prob}
        return step, self._near(points, observations, 1)[:, 0]

    # -- decide ----------------------------------------------------------------------
    def recommend(
        self,
        observations: Any,
        k: int = 1,
        *,
        rng: np.random.Generator | None = None,
    ) -> Ids:
        """Song ids [batch, k], best first: the most probable, or drawn with ``rng``.

        Candidates are drawn without replacement. For points, the point is drawn.
        """
        state = self.view(observations)
        if self.continuous:
            points = mlp_forward(self._policy, state)
            if rng is not None:
                points += self._sd * rng.standard_normal(points.shape, np.float32)
            return self._near(points, observations, k)
        candidates = self.candidates(observations)
        seen = self._seen(observations, candidates)
        scores = self._log_probs(state, candidates, seen).astype(np.float64)
        if rng is not None:
            scores += rng.gumbel(size=scores.shape)
        return best_first(candidates, scores, k)

    def probabilities(self, observations: Any) -> tuple[Ids, Floats]:
        """The candidates [batch, k] and the probability of each [batch, k].

        Raises ``ConfigError`` for a policy over points or vectors.
        """
        if self.continuous:
            raise ConfigError(
                f"a policy over {self.config.action}s has no candidates; "
                'train one with action="offered"'
            )
        candidates = self.candidates(observations)
        state = self.view(observations)
        seen = self._seen(observations, candidates)
        return candidates, np.exp(self._log_probs(state, candidates, seen))

    def values(self, state: Floats32) -> Floats32:
        """The value network's estimates [...] for states [..., width]."""
        return mlp_forward(self._value, state)[..., 0]

    def candidates(self, observations: Any) -> Ids:
        """The songs to choose from [batch, k]: on offer, or nearest to the one playing.

        Before the first song: those nearest to the middle of the map. Raises
        ``ConfigError`` where the environment offers none.
        """
        if self.config.action != "offered":
            # [batch, d]; id -1 (no song) reads a last row of zeros, the map's middle
            history = require_ids("history", observations["history"], len(self.songs))
            playing = self.view.songs[history[:, -1]]
            return self._near(playing, observations, self.config.neighbours)
        if "candidates" not in observations:
            raise ConfigError(
                'no candidates on offer; use action="candidate", '
                "or another action of the agent"
            )
        return item_pool(observations, len(self.songs))

    def _near(self, points: Floats32, observations: Any, k: int) -> Ids:
        """The ``k`` songs nearest to points [batch, d], without those of the history.

        For the action "vector": those with the largest dot products.
        """
        lately = observations["history"][:, -self.config.history :]
        if self.index is not None:
            return self.index.nearest(points, k, exclude=lately)
        allowed = not_played(lately, len(self.songs))
        return top_k(points, self.songs, k, allowed)

    def _log_probs(self, state: Floats32, candidates: Ids, seen: Floats32) -> Floats32:
        """Log P of each candidate [batch, k]."""
        query = mlp_forward(self._policy, state)[:, :, None]  # [batch, keys, 1]
        logits = (self._keys[candidates] @ query)[:, :, 0]  # [batch, k]
        return np.asarray(log_softmax(logits + seen @ self._linear, axis=1))

    # -- save and load ---------------------------------------------------------------
    def save(self, folder: str | Path) -> None:
        """Write the settings, the songs and ``state()`` into ``folder``."""
        storage.write_json(Path(folder) / "agent.json", {"config": asdict(self.config)})
        storage.write_arrays(Path(folder) / "agent.npz", songs=self.map, **self.state())

    @classmethod
    def load(
        cls,
        folder: str | Path,
        env: BatchEnv[Any] | None = None,
    ) -> PPO:
        """Read what ``save`` wrote, to continue training in ``env`` if given.

        Raises ``DataError`` for a broken folder.
        """
        settings = storage.read_json(Path(folder) / "agent.json")
        arrays = storage.read_arrays(Path(folder) / "agent.npz")
        with storage.whole(folder):
            config = settings["config"]
            config["hidden"] = tuple(config["hidden"])
            agent = cls(arrays["songs"], PPOConfig(**config))
        agent.restore(arrays, env)
        return agent

    def restore(self, state: Arrays, env: BatchEnv[Any] | None = None) -> None:
        """Continue from ``state()``: bit-identical in a new, equal environment."""
        super().restore(state, env)
        self._refresh()
