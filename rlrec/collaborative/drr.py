"""DRR on ratings: vectors, a supervised start, DDPG in Ratings-v0, and a scorer.

    drr = DRR.make(split.train, DRRConfig(), DRR_SETTINGS, seed=0)
    drr.warm_start(split.train, seed=0)  # by default only for goal "catalogue"
    drr.agent.train(drr.environment(split.train), 100_000)
    rerank(split, drr)                   # a scorer, as any baseline

Report results in three parts: the vectors alone, after the supervised start, and after
RL. Each user's training ratings are cut in two. The first part is known and gives the
user's vector. The second part holds the answers of the episodes. If the user's vector
had seen the answers, the actor would learn to copy it.

A limitation: item vectors are fitted on all training ratings, including the answers.
They look better in training than in evaluation, so the critics may trust them too much.
Item vectors fitted on the known part alone were not tried.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rlrec import storage
from rlrec.agents.ddpg import DDPG
from rlrec.collaborative.drr_config import DRRConfig
from rlrec.collaborative.drr_environment import cut, make_environment
from rlrec.collaborative.drr_vectors import Vectors, make_vectors
from rlrec.collaborative.drr_warm_start import WarmStartConfig, last_liked, warm_start
from rlrec.datasets.matrices import (
    Keys,
    Matrix,
    interaction_keys,
    rating_matrix,
)
from rlrec.envs.ratings import RatingsBatch
from rlrec.types import Floats32, Ids

if TYPE_CHECKING:
    from rlrec.agents.ddpg_config import DDPGConfig
    from rlrec.datasets import Ratings


class DRR:
    """A DDPG agent with its vectors; a scorer for the protocols of evaluation."""

    def __init__(self, agent: DDPG, vectors: Vectors, config: DRRConfig) -> None:
        self.agent = agent
        self.vectors = vectors
        self.config = config

    @property
    def fitted_on(self) -> Keys:
        """Keys of all interactions that vectors, supervised start and RL have seen."""
        return self.vectors.fitted_on

    @classmethod
    def make(
        cls,
        train: Ratings,
        config: DRRConfig,
        settings: DDPGConfig,
        seed: int,
        vectors: Vectors | None = None,
    ) -> DRR:
        """Make an untrained agent, and ``vectors`` from ``train`` unless given."""
        if vectors is None:
            dimensions = min(config.dimensions, train.n_items - 1)
            vectors = make_vectors(config.kind, train, dimensions, seed)
        known, _ = cut(train, config)
        users = vectors.users(rating_matrix(known))
        agent = DDPG(vectors.items, users, settings, seed, history=config.history)
        return cls(agent, vectors, config)

    def warm_start(self, train: Ratings, seed: int) -> Floats32:
        """Make ``config.start`` supervised updates; the loss of each update."""
        if not self.config.start:
            return np.zeros(0, np.float32)
        self._record(train)
        contrast = "rated" if self.config.goal == "rerank" else "catalogue"
        settings = WarmStartConfig(updates=self.config.start, contrast=contrast)
        return warm_start(self.agent, *cut(train, self.config), settings, seed)

    def environment(self, train: Ratings, num_envs: int = 64) -> RatingsBatch:
        """Episodes over ``train``; see `make_environment`."""
        self._record(train)
        return make_environment(train, self.config, num_envs)

    def _record(self, train: Ratings) -> None:
        """Add ``train`` to ``fitted_on``: actor, critics and state may leak, too."""
        seen = np.union1d(self.fitted_on, interaction_keys(train))
        self.vectors = replace(self.vectors, fitted_on=seen)

    def __call__(self, users: Ids, known: Matrix) -> Floats32:
        """Scores [users, I] from known ratings [users, I], sparse.

        The entries of each row are in order of time. ``users`` is not used.
        """
        user_vectors = self.vectors.users(known).astype(np.float32)
        history = last_liked(known, self.agent.history)
        scores = self.agent.scores(user_vectors, history)
        return self.agent.rerank(scores, user_vectors, history)

    def recommend(self, known: Matrix, k: int = 1) -> Ids:
        """Item ids [users, k], best first, without the known ratings [users, I]."""
        allowed = np.ones(known.shape, np.bool_)
        allowed[known.nonzero()] = False
        observations = {
            "history": last_liked(known, self.agent.history),
            "user_vector": self.vectors.users(known),
        }
        return self.agent.recommend(observations, k, allowed)

    def save(self, folder: str | Path) -> None:
        """Write agent, vectors and settings into ``folder``."""
        self.agent.save(folder)
        self.vectors.save(folder)
        storage.write_json(Path(folder) / "drr.json", asdict(self.config))

    @classmethod
    def load(cls, folder: str | Path, env: RatingsBatch | None = None) -> DRR:
        """Read what ``save`` wrote. Raises ``DataError`` for a broken folder.

        With a new ``env``, ``agent.train(env, ...)`` continues bit-identically.
        """
        agent = DDPG.load(folder, env)
        return cls(agent, Vectors.load(folder), read_drr_config(folder))


def read_drr_config(folder: str | Path) -> DRRConfig:
    """Read the settings that ``DRR.save`` wrote. Raises ``DataError``."""
    stored = storage.read_json(Path(folder) / "drr.json")
    with storage.whole(folder):
        config = DRRConfig(**stored)
    return config
