"""Who takes part in a study on ``Listening-v0``: each kind of agent, made for one world, one seed and one budget.

A contestant answers ``recommend(observations, k)``; one that learns has ``train(env, steps, *, seed)``, too. All see
the same: the songs on offer, the last songs with their feedback, the map of sound with popularity [songs, 6]. (Those
that learn from other people's sessions use songs and feedback alone: `rlrec.studies.session_log`.)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from rlrec.agents.ppo_config import PPO_SETTINGS, PPOConfig
from rlrec.agents.recommender import best_first, item_pool
from rlrec.collaborative import (
    EASE,
    BiasedMF,
    BiasedMFConfig,
    BiasesPlusEASE,
    BiasesPlusEASEConfig,
    EASEConfig,
    ItemKNN,
    ItemKNNConfig,
)
from rlrec.envs import ListeningBatch
from rlrec.envs.listeners import LONGEST
from rlrec.envs.view import ListeningView
from rlrec.errors import ConfigError
from rlrec.sound.propagation import ClusterPropagation, find_clusters
from rlrec.studies.session_log import SessionCollaborative
from rlrec.types import Ids

Factory = Callable[
    [ListeningBatch, int], Recommender
]  # (a world, a seed) -> a new agent
ENVIRONMENTS = {"ddpg": 64}  # listeners at a time in training; else 32


def song_map(env: ListeningBatch) -> NDArray[np.float64]:
    """What every contestant knows of a song: its place in the map of sound and its popularity, [songs, 6]."""
    return np.column_stack([env.catalogue.sound, env.catalogue.appeal])


class ClusterTable:
    """Q-learning with a small table: state = (cluster of the last song, heard or skipped), action = cluster.

    ``clusters`` by K-means on the map. Of the songs on offer it plays one of the cluster with the highest value; within
    a cluster, the most popular.
    """

    def __init__(
        self, env: ListeningBatch, config: QLearningConfig, clusters: int, seed: int
    ) -> None:
        songs = song_map(env)
        self.cluster = find_clusters(songs, clusters, seed).of
        self.appeal = env.catalogue.appeal
        self.table = QLearning(
            1 + 2 * clusters, clusters, config, rng=np.random.default_rng(seed)
        )

    def states(self, observations: Any) -> Ids:
        """The state of each listener [batch]: 0 before the first song."""
        last, skipped = (
            observations["history"][:, -1],
            observations["feedback"][:, -1, 2] > 0.5,
        )
        return np.where(last < 0, 0, 1 + 2 * self.cluster[last] + skipped)

    def train(self, env: ListeningBatch, steps: int, *, seed: int = 0) -> None:
        """Play and learn for ``steps`` songs, rounded up to whole steps of ``env``."""
        observations, agent = env.reset(seed=seed)[0], self.table
        for _ in range(-(-steps // env.num_envs)):
            states, live = self.states(observations), ~env.over
            songs = self.recommend(observations)[:, 0]
            explore = np.flatnonzero(agent.rng.random(len(songs)) < agent.epsilon)
            pool = item_pool(observations, len(self.cluster))
            songs[explore] = pool[
                explore, agent.rng.integers(pool.shape[1], size=len(explore))
            ]
            observations, rewards, ended, _, _ = env.step(
                env.actions_for(songs[:, None])
            )
            following = self.states(observations)
            for row in np.flatnonzero(live):
                agent.update(
                    states[row],
                    self.cluster[songs[row]],
                    rewards[row],
                    following[row],
                    ended[row],
                )
            agent.epsilon = max(
                agent.config.epsilon_floor, agent.epsilon * agent.config.epsilon_decay
            )

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """Songs [batch, k] of the best clusters on offer."""
        pool = item_pool(observations, len(self.cluster))
        values = self.table.table[0][self.states(observations)]  # [batch, clusters]
        scores = np.take_along_axis(values, self.cluster[pool], axis=1)
        return best_first(pool, scores + 1e-6 * self.appeal[pool], k)


class PropagatedListening(ListeningBatch):
    """Listeners whose reward is not their reaction but what the song played is said to be worth, ``worth`` [songs]."""

    worth: NDArray[np.float64]

    def _advance(self, actions: Any) -> Any:
        _, terminated, truncated = super()._advance(actions)
        return (
            self.worth[self.played[self._rows, np.minimum(self.steps, LONGEST - 1)]],
            terminated,
            truncated,
        )


class PropagatedPPO:
    """PPO whose reward is a number a song: a share of the budget is played at random, the rest learns from that.

    Feedback of the random plays is spread over the map by K-means clusters (`rlrec.sound.propagation`, lesson 12); PPO
    then gets the estimate of the song it plays as reward, whoever listens.
    """

    def __init__(self, agent: Any, share: float) -> None:
        self.agent, self.share, self.worth = agent, share, np.zeros(0)

    def train(self, env: ListeningBatch, steps: int, *, seed: int = 0) -> None:
        """Label first, in the first call; then learn. ``steps`` counts both."""
        if not len(self.worth):
            labelled = int(self.share * steps)
            self.worth = self._label(env, labelled, seed)
            self.env = PropagatedListening(
                env.num_envs,
                "candidate",
                "ids",
                catalogue=env.catalogue,
                n_candidates=env.n_candidates,
                history=env.history,
                **vars(env.listeners.dials),
            )
            self.env.worth, steps = self.worth, steps - labelled
        self.agent.train(self.env, steps, seed=seed)

    def _label(self, env: ListeningBatch, steps: int, seed: int) -> NDArray[np.float64]:
        chance = BestConstantList(
            len(env.catalogue), bonus=1e6
        )  # every song as often as any other
        chance.train(env, steps, seed=seed)
        known = np.flatnonzero(chance.plays)
        mean = chance.rewards[known] / chance.plays[known]
        return ClusterPropagation(shrink=3.0).estimate(
            song_map(env), known, mean, chance.plays[known]
        )

    def recommend(self, observations: Any, k: int = 1) -> Ids:
        """Songs [batch, k]."""
        return np.asarray(self.agent.recommend(observations, k))


# -- making them -----------------------------------------------------------------------------------------
def _chance(env: ListeningBatch, seed: int) -> Recommender:
    return RandomPolicy(len(env.catalogue), np.random.default_rng(seed))


def _popularity(env: ListeningBatch, seed: int) -> Recommender:
    return PopularityPolicy(env.catalogue.appeal)


def _constant(
    env: ListeningBatch, seed: int, *, prior: float = 20.0, bonus: float = 0.3
) -> Recommender:
    return BestConstantList(len(env.catalogue), prior=prior, bonus=bonus)


def _greedy(
    env: ListeningBatch,
    seed: int,
    *,
    ridge: float = 8.0,
    appeal_weight: float = 0.06,
    like_weight: float = 0.0,
) -> Recommender:
    return GreedyListening(
        env.catalogue, ridge=ridge, appeal_weight=appeal_weight, like_weight=like_weight
    )


def _rule(
    env: ListeningBatch,
    seed: int,
    *,
    ridge: float = 8.0,
    appeal_weight: float = 0.06,
    like_weight: float = 0.0,
    variety: float = 1.0,
) -> Recommender:
    settings = {
        "ridge": ridge,
        "appeal_weight": appeal_weight,
        "like_weight": like_weight,
        "variety": variety,
    }
    return VariedListening(env.catalogue, **settings)


def _item_knn(
    env: ListeningBatch, seed: int, *, popular: float = 0.0, **settings: Any
) -> Recommender:
    model = ItemKNN(ItemKNNConfig(**settings))
    return SessionCollaborative(
        env.catalogue, model, np.random.default_rng(seed), popular=popular
    )


def _ease(
    env: ListeningBatch, seed: int, *, popular: float = 0.0, **settings: Any
) -> Recommender:
    model = EASE(EASEConfig(**settings))
    return SessionCollaborative(
        env.catalogue, model, np.random.default_rng(seed), popular=popular
    )


def _biases_ease(
    env: ListeningBatch, seed: int, *, popular: float = 0.0, **settings: Any
) -> Recommender:
    ease = EASEConfig(
        **{name: settings.pop(name) for name in _names(EASEConfig) & settings.keys()}
    )
    model = BiasesPlusEASE(BiasesPlusEASEConfig(**settings, ease=ease))
    return SessionCollaborative(
        env.catalogue, model, np.random.default_rng(seed), popular=popular
    )


def _mf(
    env: ListeningBatch, seed: int, *, popular: float = 0.0, **settings: Any
) -> Recommender:
    model = BiasedMF(BiasedMFConfig(**settings), rng=np.random.default_rng([seed, 1]))
    return SessionCollaborative(
        env.catalogue, model, np.random.default_rng(seed), popular=popular
    )


def _linucb(env: ListeningBatch, seed: int, **settings: Any) -> Recommender:
    return LinUCB(song_map(env), LinUCBConfig(**settings))


def _qlearning(
    env: ListeningBatch, seed: int, *, clusters: int = 8, **settings: Any
) -> Recommender:
    return ClusterTable(env, QLearningConfig(**settings), clusters, seed)


def _dqn(env: ListeningBatch, seed: int, **settings: Any) -> Recommender:
    from rlrec.agents.dqn import DQN, DQNConfig

    songs = song_map(env)
    view = ListeningView(songs, history=env.history)
    return DQN(songs, view.width, view=view, config=DQNConfig(**settings), seed=seed)


def _ddpg(env: ListeningBatch, seed: int, **settings: Any) -> Recommender:
    from rlrec.agents.ddpg import DDPG

    return DDPG(song_map(env), None, DDPGConfig(**settings), seed, history=env.history)


def _ppo(
    env: ListeningBatch, seed: int, *, propagation: float = 0.0, **settings: Any
) -> Recommender:
    from rlrec.agents.ppo import PPO

    agent = PPO(song_map(env), replace(PPO_SETTINGS, **settings), seed)
    return PropagatedPPO(agent, propagation) if propagation > 0.0 else agent


def _oracle(env: ListeningBatch, seed: int) -> Recommender:
    return ListeningOracle(env, np.random.default_rng(seed))


KINDS: dict[str, Callable[..., Recommender]] = {
    "random": _chance,
    "popularity": _popularity,
    "constant": _constant,
    "greedy": _greedy,
    "rule": _rule,
    "item-knn": _item_knn,
    "ease": _ease,
    "biases-ease": _biases_ease,
    "mf": _mf,
    "linucb": _linucb,
    "qlearning": _qlearning,
    "dqn": _dqn,
    "ddpg": _ddpg,
    "ppo": _ppo,
    "oracle": _oracle,
}


CONFIGS: dict[str, Any] = {
    "linucb": LinUCBConfig,
    "qlearning": QLearningConfig,
    "ddpg": DDPGConfig,
    "ppo": PPOConfig,
    "item-knn": ItemKNNConfig,
    "ease": EASEConfig,
    "mf": BiasedMFConfig,
}


def settings_of(kind: str) -> set[str]:
    """The names of the settings of a kind of agent."""
    own = {
        name
        for name, one in inspect.signature(KINDS[kind]).parameters.items()
        if one.kind == one.KEYWORD_ONLY
    }
    if kind == "dqn":
        from rlrec.agents.dqn import DQNConfig

        return own | _names(DQNConfig)
    if kind == "biases-ease":
        return own | _names(BiasesPlusEASEConfig) - {"ease"} | _names(EASEConfig)
    return own | (_names(CONFIGS[kind]) if kind in CONFIGS else set())


def _names(config: Any) -> set[str]:
    return {one.name for one in fields(config)}


def make(
    kind: str, settings: dict[str, Any], env: ListeningBatch, seed: int, steps: int
) -> Recommender:
    """A new agent of a ``kind``; where its step size or noise follows a schedule, that is the budget's ``steps``."""
    own = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in settings.items()
    }
    if kind in ("ppo", "ddpg"):
        own.setdefault("schedule_steps", steps)
    try:
        return KINDS[kind](env, seed, **own)
    except TypeError as error:
        raise ConfigError(f"{kind} can't be made with {settings}: {error}") from None
