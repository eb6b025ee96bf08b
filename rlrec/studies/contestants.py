"""The agents of a study on ``Listening-v0``, made for one world and one seed.

A contestant has ``recommend(observations, k)``; one that learns has ``train(env, steps,
*, seed)``, too. All get the same: the songs on offer, the last songs with their
feedback, and the map of sound with popularity [songs, 6]. Those that learn from other
people's sessions use songs and feedback alone: `rlrec.studies.session_log`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from rlrec.agents import (
    BestConstantList,
    GreedyListening,
    LinUCB,
    LinUCBConfig,
    ListeningOracle,
    PopularityPolicy,
    QLearning,
    QLearningConfig,
    RandomPolicy,
    Recommender,
    VariedListening,
)
from rlrec.agents.ddpg_config import DDPGConfig
from rlrec.agents.listener_filter import ListenerFilter
from rlrec.agents.nstep import NStep, NStepConfig
from rlrec.agents.ppo_config import PPO_SETTINGS, PPOConfig
from rlrec.agents.recommender import best_first, item_pool
from rlrec.agents.warm_up import WarmedUp
from rlrec.collaborative.recommenders import (
    EASE,
    BiasedMF,
    BiasedMFConfig,
    BiasesPlusEASE,
    BiasesPlusEASEConfig,
    Collaborative,
    EASEConfig,
    ItemKNN,
    ItemKNNConfig,
)
from rlrec.envs import ListeningBatch
from rlrec.envs.listeners import LONGEST
from rlrec.envs.rewards import reward_range
from rlrec.envs.view import ListeningView
from rlrec.errors import ConfigError, require_ids
from rlrec.sound.propagation import ClusterPropagation, find_clusters
from rlrec.studies.session_log import SessionCollaborative
from rlrec.types import Floats, Ids

# (environment, seed) -> a new agent
Factory = Callable[[ListeningBatch, int], Recommender]
ENVIRONMENTS = {"ddpg": 64}  # listeners at a time in training; else 32


def song_map(env: ListeningBatch) -> Floats:
    """What contestants know of a song: its place on the map of sound, and popularity.

    [songs, 6].
    """
    return np.column_stack([env.catalogue.sound, env.catalogue.appeal])


class ClusterTable:
    """Q-learning with a small table over clusters of songs.

    State: the cluster of the last song, and whether it was heard or skipped. Action: a
    cluster, by K-means on the map of sound; of the songs on offer the most popular one
    of the cluster with the highest value is played.
    """

    def __init__(
        self, env: ListeningBatch, config: QLearningConfig, clusters: int, seed: int
    ) -> None:
        self.cluster = find_clusters(song_map(env), clusters, seed).assignment
        self.appeal = env.catalogue.appeal
        rng = np.random.default_rng(seed)
        self.table = QLearning(1 + 2 * clusters, clusters, config, rng=rng)

    def states(self, observations: Any) -> Ids:
        """The state of each listener [batch]: 0 before the first song."""
        last = require_ids("history", observations["history"][:, -1], len(self.appeal))
        skipped = observations["feedback"][:, -1, 2] > 0.5
        return np.where(last < 0, 0, 1 + 2 * self.cluster[last] + skipped)

    def train(self, env: ListeningBatch, steps: int, *, seed: int = 0) -> None:
        """Play and learn for ``steps`` songs, rounded up to whole steps of ``env``."""
        observations, _ = env.reset(seed=seed)
        for _ in range(-(-steps // env.num_envs)):
            observations = self._step(env, observations)

    def _step(self, env: ListeningBatch, observations: Any) -> Any:
        """Play a song to each listener and learn from it; the next observations."""
        agent = self.table
        states = self.states(observations)
        live = np.flatnonzero(~env.over)
        songs = self.recommend(observations)[:, 0]
        explore = np.flatnonzero(agent.rng.random(len(songs)) < agent.epsilon)
        pool = item_pool(observations, len(self.cluster))
        drawn = agent.rng.integers(pool.shape[1], size=len(explore))
        songs[explore] = pool[explore, drawn]
        actions = env.actions_for(songs[:, None])
        observations, rewards, ended, _, _ = env.step(actions)
        following = self.states(observations)
        for row in live:
            action = self.cluster[songs[row]]
            agent.update(states[row], action, rewards[row], following[row], ended[row])
        lower = agent.epsilon * agent.config.epsilon_decay
        agent.epsilon = max(agent.config.epsilon_floor, lower)
        return observations

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """Songs [batch, k] of the best clusters on offer."""
        pool = item_pool(observations, len(self.cluster))
        values = self.table.table[0][self.states(observations)]  # [batch, clusters]
        scores = np.take_along_axis(values, self.cluster[pool], axis=1)
        return best_first(pool, scores + 1e-6 * self.appeal[pool], k)


class PropagatedListening(ListeningBatch):
    """Listeners with a fixed reward for each song, ``worth`` [songs], for reactions."""

    worth: Floats

    def _advance(self, actions: Any) -> Any:
        _, terminated, truncated = super()._advance(actions)
        song = self.played[self._rows, np.minimum(self.steps, LONGEST - 1)]
        return self.worth[song], terminated, truncated


class PropagatedPPO:
    """PPO with an estimated reward for each song, the same for all listeners.

    A ``share`` of the budget is played at random. Its feedback is spread over the map
    by K-means clusters (`rlrec.sound.propagation`). For the rest of the
    budget PPO gets the estimate of the song it plays as reward.
    """

    def __init__(self, agent: Any, share: float) -> None:
        self.agent = agent
        self.share = share
        self.worth = np.zeros(0)

    def train(self, env: ListeningBatch, steps: int, *, seed: int = 0) -> None:
        """Collect feedback in the first call, then learn; ``steps`` counts both."""
        if not len(self.worth):
            labelled = int(self.share * steps)
            steps -= labelled
            self.worth = self._estimate(env, labelled, seed)
            self.env = PropagatedListening(
                env.num_envs,
                "candidate",
                "ids",
                catalogue=env.catalogue,
                n_candidates=env.n_candidates,
                history=env.history,
                **vars(env.listeners.dials),
            )
            self.env.worth = self.worth
        self.agent.train(self.env, steps, seed=seed)

    def _estimate(self, env: ListeningBatch, steps: int, seed: int) -> Floats:
        # The large bonus plays every song as often as any other.
        everything = BestConstantList(len(env.catalogue), bonus=1e6)
        everything.train(env, steps, seed=seed)
        known = np.flatnonzero(everything.plays)
        plays = everything.plays[known]
        mean = everything.rewards[known] / plays
        propagation = ClusterPropagation(shrink=3.0)
        return propagation.estimate(song_map(env), known, mean, plays)

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """Songs [batch, k]."""
        return np.asarray(self.agent.recommend(observations, k))


# -- making them -----------------------------------------------------------------------
def _collaborative(model: Callable[..., Collaborative]) -> Callable[..., Recommender]:
    """A kind whose ``model`` is made from a seed and settings."""

    def make(
        env: ListeningBatch, seed: int, *, popular: float = 0.0, **settings: Any
    ) -> Recommender:
        rng = np.random.default_rng(seed)
        own = model(seed, **settings)
        return SessionCollaborative(env.catalogue, own, rng, popular=popular)

    return make


def _biases_ease(seed: int, **settings: Any) -> Collaborative:
    own = _parameters(EASEConfig) & settings.keys()
    ease = EASEConfig(**{name: settings.pop(name) for name in own})
    return BiasesPlusEASE(BiasesPlusEASEConfig(**settings, ease=ease))


def _mf(seed: int, **settings: Any) -> Collaborative:
    return BiasedMF(BiasedMFConfig(**settings), rng=np.random.default_rng([seed, 1]))


def _qlearning(
    env: ListeningBatch, seed: int, *, clusters: int = 8, **settings: Any
) -> Recommender:
    return ClusterTable(env, QLearningConfig(**settings), clusters, seed)


def _dqn(
    env: ListeningBatch, seed: int, *, interactions: bool = False, **settings: Any
) -> Recommender:
    """DQN on state and song; with ``interactions`` its form for listening sessions."""
    from rlrec.agents.dqn import DQN, DQNConfig
    from rlrec.agents.dqn_session import SessionDQN, SessionDQNConfig

    if interactions:
        return SessionDQN(env.catalogue, SessionDQNConfig(**settings), seed)
    songs = song_map(env)
    view = ListeningView(songs, history=env.history)
    return DQN(songs, view.width, view=view, config=DQNConfig(**settings), seed=seed)


def _ddpg(
    env: ListeningBatch,
    seed: int,
    *,
    view: str = "",
    interactions: bool = True,
    n: int = 3,
    warm_up: int = 0,
    **settings: Any,
) -> Recommender:
    """DDPG for ratings; with a ``view`` the form for listening sessions.

    ``warm_up``: random songs that a filter is fitted to, for the interactions.
    """
    from rlrec.agents.ddpg import DDPG
    from rlrec.agents.ddpg_session import SessionDDPG

    low, high = reward_range(env.reward)
    bounds = {"reward_low": min(low, -1.0), "reward_high": max(high, 1.0)}
    config = DDPGConfig(**{**bounds, **settings})
    songs = song_map(env)
    if not view:
        return DDPG(songs, None, config, seed, history=env.history)

    def make(known_by: ListenerFilter | None, own: DDPGConfig) -> Recommender:
        return SessionDDPG(
            songs,
            own,
            seed,
            view=view,
            interactions=interactions,
            n=n,
            known_by=known_by,
        )

    return _warmed_up(make, config, env, warm_up, seed)


def _ppo(
    env: ListeningBatch,
    seed: int,
    *,
    propagation: float = 0.0,
    warm_up: int = 0,
    **settings: Any,
) -> Recommender:
    """PPO; ``warm_up`` as above, ``propagation``: see `PropagatedPPO`."""
    from rlrec.agents.ppo import PPO

    def make(known_by: ListenerFilter | None, own: PPOConfig) -> Recommender:
        return PPO(song_map(env), own, seed, known_by)

    config = replace(PPO_SETTINGS, **settings)
    agent = _warmed_up(make, config, env, warm_up, seed)
    return PropagatedPPO(agent, propagation) if propagation > 0.0 else agent


def _warmed_up(
    make: Callable[..., Recommender],
    config: Any,
    env: ListeningBatch,
    songs: int,
    seed: int,
) -> Recommender:
    """The agent, after a warm-up of ``songs`` unless that is 0."""
    if not songs:
        return make(None, config)
    own = replace(config, schedule_steps=config.schedule_steps - songs)
    return WarmedUp(partial(make, own=own), env.catalogue, songs, seed)


def _nstep(env: ListeningBatch, seed: int, **settings: Any) -> Recommender:
    return NStep(env.catalogue, NStepConfig(**settings), seed)


# kind -> (environment, seed, **settings) -> a new agent
KINDS: dict[str, Callable[..., Recommender]] = {
    "random": lambda env, seed: RandomPolicy(
        len(env.catalogue), np.random.default_rng(seed)
    ),
    "popularity": lambda env, seed: PopularityPolicy(env.catalogue.appeal),
    "constant": lambda env, seed, **settings: BestConstantList(
        len(env.catalogue), **settings
    ),
    "greedy": lambda env, seed, **settings: GreedyListening(env.catalogue, **settings),
    "rule": lambda env, seed, **settings: VariedListening(env.catalogue, **settings),
    "item-knn": _collaborative(
        lambda seed, **settings: ItemKNN(ItemKNNConfig(**settings))
    ),
    "ease": _collaborative(lambda seed, **settings: EASE(EASEConfig(**settings))),
    "biases-ease": _collaborative(_biases_ease),
    "mf": _collaborative(_mf),
    "linucb": lambda env, seed, **settings: LinUCB(
        song_map(env), LinUCBConfig(**settings)
    ),
    "nstep": _nstep,
    "qlearning": _qlearning,
    "dqn": _dqn,
    "ddpg": _ddpg,
    "ppo": _ppo,
    "oracle": lambda env, seed: ListeningOracle(env, np.random.default_rng(seed)),
}
# Where the names of a kind's ``settings`` come from.
CONFIGS: dict[str, tuple[Any, ...]] = {
    "constant": (BestConstantList,),
    "greedy": (GreedyListening,),
    "rule": (GreedyListening, VariedListening),
    "item-knn": (ItemKNNConfig,),
    "ease": (EASEConfig,),
    "biases-ease": (BiasesPlusEASEConfig, EASEConfig),
    "mf": (BiasedMFConfig,),
    "linucb": (LinUCBConfig,),
    "nstep": (NStepConfig,),
    "qlearning": (QLearningConfig,),
    "ddpg": (DDPGConfig,),
    "ppo": (PPOConfig,),
}


def setting_names(kind: str) -> set[str]:
    """The names of the settings of a kind of agent."""
    names = _parameters(KINDS[kind], *CONFIGS.get(kind, ()))
    if kind == "dqn":
        from rlrec.agents.dqn import DQNConfig
        from rlrec.agents.dqn_session import SessionDQNConfig

        names |= _parameters(DQNConfig, SessionDQNConfig)
    # The others are given by `make_contestant`, or collect settings.
    return names - {"env", "seed", "catalogue", "n_songs", "ease", "settings"}


def _parameters(*functions: Any) -> set[str]:
    return {name for one in functions for name in inspect.signature(one).parameters}


def make_contestant(
    kind: str, settings: dict[str, Any], env: ListeningBatch, seed: int, steps: int
) -> Recommender:
    """A new agent of a ``kind``; a schedule ends after ``steps``."""
    own = dict(settings)
    for name, value in settings.items():
        if isinstance(value, list):
            own[name] = tuple(value)
    if kind in ("ppo", "ddpg", "nstep") or own.get("interactions"):
        own.setdefault("schedule_steps", steps)
    try:
        return KINDS[kind](env, seed, **own)
    except TypeError as error:
        raise ConfigError(f"{kind} can't be made with {settings}: {error}") from None
