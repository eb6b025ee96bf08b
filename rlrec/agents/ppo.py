"""PPO for a listener whose taste is hidden (arXiv:1707.06347, algorithm 1), over a map of sound such as a VAE's.

Four ways to act (``action``): choose among the candidates that the environment offers; among the songs nearest to the
one that plays; name a point of the map, and the nearest song plays; or a vector, and the song with the largest dot
product does. What the listener did lately is the state (`rlrec.envs.view`); losses and networks stand in
`rlrec.agents.ppo_networks`.

A round: 256 steps of each environment, played in NumPy; then all epochs and minibatches in one compiled call.

Differs from the paper: two networks, not one with two heads; each minibatch is weighed by its live steps, since an
episode's end costs a step in which nothing is recommended; epochs stop early when the policy has moved too far (a
common addition); the step size, the clip and the entropy's weight all fall to 0.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec import storage
from rlrec.agents.ppo_config import PPOConfig
from rlrec.agents.ppo_networks import Learner, PointPolicy, forward, gae, layers
from rlrec.agents.recommender import best_first
from rlrec.agents.retrieval import Neighbours, top_k
from rlrec.envs.batch import BatchEnv
from rlrec.envs.view import ListeningView
from rlrec.errors import ConfigError, TrainingDiverged
from rlrec.types import Arrays, Callback, Floats, Ids

__all__ = ["PPO", "PPOConfig", "Round"]


class Round(NamedTuple):
    """What happened in one round."""

    step: int  # songs so far
    reward: float  # mean a song
    policy_loss: float
    value_loss: float
    entropy: float  # nats
    kl: float  # nats, from the policy that played to the one that learned
    clipped: float  # share of ratios outside the clip
    epochs: float
    explained: float  # share of the returns' variance that the value network knew
    steps_per_second: float


class PPO:
    """The agent. ``songs`` [I, d]: the map of sound, by song id; each dimension is scaled to mean 0 and sd 1."""

    def __init__(
        self, songs: NDArray[Any], config: PPOConfig | None = None, seed: int = 0
    ) -> None:
        if songs.ndim != 2 or not np.isfinite(songs).all():
            raise ConfigError(
                f"songs has shape {songs.shape}; it must be [songs, dimensions], all finite"
            )
        self.config, self.map = (
            config if config is not None else PPOConfig(),
            np.asarray(songs, np.float32),
        )
        spread = self.map.std(axis=0)
        self.songs = (self.map - self.map.mean(axis=0)) / np.where(
            spread > 0.0, spread, 1.0
        )  # [I, d]
        self.continuous = self.config.action in ("point", "vector")
        self.rng, self.step = np.random.default_rng(seed), 0
        self.view = ListeningView(self.songs, self.config.state, self.config.history)
        self.learner = Learner(self.songs, self.view.width, self.config, self.rng)
        self.index = (
            Neighbours(self.songs)
            if self.config.action in ("neighbours", "point")
            else None
        )
        self._env: BatchEnv[Any] | None = None
        self._observation: Any = None
        self._refresh()

    # -- train -------------------------------------------------------------------------------------------
    def train(
        self,
        env: BatchEnv[Any],
        steps: int,
        *,
        callback: Callback | None = None,
        seed: int = 0,
    ) -> list[Round]:
        """Play and learn for ``steps`` songs, rounded up to whole rounds; the record of each round.

        ``env``: Listening-v0 with ``observe="ids"``, and ``action="candidate"`` for "offered", ``"song"`` otherwise.
        Starts from ``env.reset(seed=seed)``, or goes on where it stood if ``env`` is the one of the last call.
        ``callback`` gets each round's record and stops the training by returning True. Raises ``ConfigError``.
        """
        size = self.config.rollout * env.num_envs
        if size % self.config.minibatch:
            raise ConfigError(
                f"a round of {size} steps is no multiple of minibatch {self.config.minibatch}"
            )
        if self._share_left() == 0.0:
            raise ConfigError(
                f"step {self.step} is past schedule_steps {self.config.schedule_steps}: the step size is 0, nothing "
                f"would be learned; raise schedule_steps, or set anneal=False"
            )
        if env is not self._env:
            self._env, self._observation = env, env.reset(seed=seed)[0]
        record: list[Round] = []
        for _ in range(-(-steps // size)):
            record.append(self._round(env))
            if callback is not None and callback(record[-1]):
                break
        return record

    def _round(self, env: BatchEnv[Any]) -> Round:
        start, left = time.perf_counter(), self._share_left()
        steps, rewards, explained = self._play(env)
        size = len(steps["live"])
        order = np.stack(
            [self.rng.permutation(size) for _ in range(self.config.epochs)]
        ).astype(np.int32)
        measured = self.learner.learn(
            steps, order.reshape(self.config.epochs, -1, self.config.minibatch), left
        )
        if not np.isfinite([*measured.values()]).all():
            raise TrainingDiverged(
                f"a loss is not a number at step {self.step}: lower learning_rate, or resume"
            )
        self.step += size
        self._refresh()
        speed = size / (time.perf_counter() - start)
        return Round(
            self.step, rewards, **measured, explained=explained, steps_per_second=speed
        )

    def _share_left(self) -> float:
        return (
            max(1.0 - self.step / self.config.schedule_steps, 0.0)
            if self.config.anneal
            else 1.0
        )

    def _play(self, env: BatchEnv[Any]) -> tuple[Arrays, float, float]:
        """A round of the policy in ``env``: its steps [T batch, ..], the mean reward, the variance explained."""
        played: dict[str, list[NDArray[Any]]] = {}
        for _ in range(self.config.rollout):
            live, state = ~env.over, self.view(self._observation)
            choice, items, extra = self._sample(self._observation, state)
            self._observation, reward, terminated, truncated, _ = env.step(
                env.actions_for(items[:, None])
            )
            now = {
                "state": state,
                "choice": choice,
                "reward": reward,
                "live": live,
                **extra,
            }
            for name, values in (
                now | {"terminated": terminated, "ended": terminated | truncated}
            ).items():
                played.setdefault(name, []).append(values)
        steps = {
            name: np.stack(values) for name, values in played.items()
        }  # [T, batch, ..]
        values = self.values(
            np.concatenate([steps["state"], self.view(self._observation)[None]])
        )  # [T + 1, batch]
        rewards, live = steps.pop("reward"), steps["live"]
        over = (steps.pop("terminated"), steps.pop("ended"))
        settings = (self.config.discount, self.config.gae_lambda)
        advantage = gae(rewards, values[:-1], values[1:], *over, *settings)
        returns = (advantage + values[:-1])[live]
        explained = 1.0 - advantage[live].var() / max(returns.var(), 1e-12)
        steps |= {
            "value": values[:-1],
            "advantage": advantage.astype(np.float32),
            "live": live.astype(np.float32),
        }
        flat = {
            name: array.reshape(-1, *array.shape[2:]) for name, array in steps.items()
        }
        return flat, float(rewards[live].mean()), float(explained)

    def _sample(
        self, observations: Any, state: Floats
    ) -> tuple[NDArray[Any], Ids, Arrays]:
        """What the policy draws: choices [batch, ..], song ids [batch], and what else an update needs."""
        if self.continuous:
            mean, sd = forward(self._policy, state), self._sd
            away = self.rng.standard_normal(mean.shape, np.float32)
            density = (
                -0.5 * (away**2).sum(axis=1)
                - np.log(sd).sum()
                - 0.5 * np.log(2 * np.pi) * len(sd)
            )
            point = mean + sd * away
            return (
                point,
                self._near(point, observations, 1)[:, 0],
                {"log_prob": density.astype(np.float32)},
            )
        candidates = self.candidates(observations)
        every = self._log_probabilities(state, candidates)
        choice = (every + self.rng.gumbel(size=every.shape)).argmax(
            axis=1
        )  # the Gumbel-max trick: a draw by P
        rows = np.arange(len(choice))
        extra = {
            "log_prob": every[rows, choice],
            "candidates": candidates.astype(np.int32),
        }
        return choice.astype(np.int32), candidates[rows, choice], extra

    # -- decide ------------------------------------------------------------------------------------------
    def recommend(
        self, observations: Any, k: int = 1, *, rng: np.random.Generator | None = None
    ) -> Ids:
        """Song ids [batch, k], best first: the most probable ones, or with ``rng`` drawn as the policy says."""
        state = self.view(observations)
        if self.continuous:
            point = forward(self._policy, state)
            point = (
                point
                if rng is None
                else point + self._sd * rng.standard_normal(point.shape, np.float32)
            )
            return self._near(point, observations, k)
        candidates = self.candidates(observations)
        scores = self._log_probabilities(state, candidates).astype(np.float64)
        return best_first(
            candidates,
            scores if rng is None else scores + rng.gumbel(size=scores.shape),
            k,
        )

    def probabilities(self, observations: Any) -> tuple[Ids, Floats]:
        """The candidates [batch, k] and the chance of each; not for points and vectors."""
        if self.continuous:
            raise ConfigError(
                f'a policy over {self.config.action}s has no candidates; train one with action="offered"'
            )
        candidates = self.candidates(observations)
        return candidates, np.exp(
            self._log_probabilities(self.view(observations), candidates)
        )

    def values(self, state: Floats) -> Floats:
        """What the value network expects from states [.., f]: [..]."""
        return forward(self._value, state)[..., 0]

    def candidates(self, observations: Any) -> Ids:
        """The songs that may be chosen now [batch, k]: those on offer, or those nearest to the one that plays.

        Before the first song they are the ones nearest to the middle of the map.
        """
        if self.config.action == "offered":
            if "candidates" not in observations:
                raise ConfigError(
                    'no candidates on offer; use action="candidate", or another action of the agent'
                )
            return np.asarray(observations["candidates"])
        playing = self.view.songs[
            observations["history"][:, -1]
        ]  # [batch, d]; zeros, the middle, for no song
        return self._near(playing, observations, self.config.neighbours)

    def _near(self, points: Floats, observations: Any, k: int) -> Ids:
        """The ``k`` songs nearest to points [batch, d] (or of the largest dot product) that were not played lately."""
        lately = observations["history"][:, -self.config.history :]
        if self.index is not None:
            return self.index.nearest(points, k, exclude=lately)
        allowed = np.ones((len(points), len(self.songs)), np.bool_)
        rows, places = np.nonzero(lately >= 0)
        allowed[rows, lately[rows, places]] = False
        return top_k(points, self.songs, k, allowed)

    def _log_probabilities(self, state: Floats, candidates: Ids) -> Floats:
        """Log P of each candidate [batch, k]."""
        query = forward(self._policy, state)  # [batch, keys]
        logits = (self._keys[candidates] @ query[:, :, None])[:, :, 0]  # [batch, k]
        top = logits.max(axis=1, keepdims=True)
        return np.asarray(
            logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
        )

    def _refresh(self) -> None:
        """Take the networks' weights over into NumPy."""
        self._value = layers(self.learner.value)
        policy = self.learner.policy
        if isinstance(policy, PointPolicy):
            self._policy, self._sd = policy.numpy()
        else:
            self._policy, keys = policy.numpy()
            self._keys = forward(keys, self.songs) * np.float32(
                self.config.keys**-0.5
            )  # [I, keys]

    # -- keep --------------------------------------------------------------------------------------------
    def save(self, folder: str | Path) -> None:
        """Write settings, songs and everything that ``state`` tells into ``folder``."""
        storage.write_json(Path(folder) / "agent.json", {"config": asdict(self.config)})
        storage.write_arrays(Path(folder) / "agent.npz", songs=self.map, **self.state())

    @classmethod
    def load(cls, folder: str | Path, env: BatchEnv[Any] | None = None) -> PPO:
        """Read what ``save`` wrote, to go on in ``env`` if given. Raises ``DataError`` for a broken folder."""
        settings = storage.read_json(Path(folder) / "agent.json")
        arrays = storage.read_arrays(Path(folder) / "agent.npz")
        with storage.whole(folder):
            config = dict(settings["config"])
            agent = cls(
                arrays.pop("songs"),
                PPOConfig(**config | {"hidden": tuple(config["hidden"])}),
            )
        agent.restore(arrays, env)
        return agent

    def state(self) -> Arrays:
        """All of it as arrays: weights, optimiser, random state, step, and where the environment stands."""
        env = {
            f"env_{name}": values
            for name, values in (self._env.state() if self._env else {}).items()
        }
        return {
            **self.learner.state(),
            **env,
            "rng": storage.generator_state(self.rng),
            "step": np.array(self.step),
        }

    def restore(self, state: Arrays, env: BatchEnv[Any] | None = None) -> None:
        """Take over what ``state`` gave; with the environment made anew, ``train(env, ..)`` goes on bit by bit."""
        self.learner.restore(state)
        self.rng, self.step = (
            storage.restore_generator(state["rng"]),
            int(state["step"]),
        )
        self._refresh()
        self._env = env
        if env is not None:
            env.restore(
                {
                    name[4:]: values
                    for name, values in state.items()
                    if name.startswith("env_")
                }
            )
            self._observation = env._observe()
