"""DRR on ratings, from training interactions to a scorer: vectors, a supervised start, DDPG in Ratings-v0.

    drr = DRR.make(split.train, DRRConfig(), DRR_SETTINGS, seed=0)
    drr.warm_start(split.train, seed=0)                         # only for the catalogue, unless asked for
    drr.agent.train(drr.environment(split.train), 100_000)
    rerank(split, drr)                                          # a scorer, as any baseline

Whatever it reaches is to be shown in three parts: the vectors alone, after the supervised start, after RL. To learn
what helps at a question, an episode is a question: of each user's training ratings the first part is known and gives
the user's vector, the rest answers. A vector that had seen the answers would teach the actor to copy it.

A limit: the item vectors are fitted on all of the training ratings, answers of the episodes included, so they look
better in training than they are at the question, and critics may trust them more than they should. Items fitted on
the known part alone were not tried.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlrec import storage
from rlrec.agents.ddpg import DDPG
from rlrec.collaborative.drr_config import DRRConfig
from rlrec.collaborative.vectors import POSITIVE, Vectors, make_vectors
from rlrec.collaborative.warm_start import WarmStartConfig, last_liked, warm_start
from rlrec.datasets.matrices import earlier_and_later, interaction_keys, rating_matrix
from rlrec.envs.ratings import RatingsBatch
from rlrec.errors import ConfigError, DataError

if TYPE_CHECKING:
    from rlrec.agents.ddpg_config import DDPGConfig
    from rlrec.datasets import Ratings

KNOWN = 10  # ratings of a user that are known as an episode of goal "catalogue" begins


class DRR:
    """A DDPG agent and the vectors that it was made with; a scorer for the protocols of `rlrec.evaluation`."""

    def __init__(self, agent: DDPG, vectors: Vectors, config: DRRConfig) -> None:
        self.agent, self.vectors, self.config = agent, vectors, config

    @property
    def fitted_on(self) -> NDArray[np.uint64]:
        """Keys of every interaction that vectors, start and episodes were made from; kept with the vectors."""
        return self.vectors.fitted_on

    @classmethod
    def make(
        cls, train: Ratings, config: DRRConfig, settings: DDPGConfig, seed: int
    ) -> DRR:
        """Vectors from ``train``, and an agent that has not learned anything yet."""
        dimensions = min(config.dimensions, train.n_items - 1)
        vectors = make_vectors(config.kind, train, dimensions, seed)
        known, _ = cut(train, config)
        agent = DDPG(
            vectors.items,
            vectors.users(rating_matrix(known)),
            settings,
            seed,
            history=config.history,
        )
        return cls(agent, vectors, config)

    def warm_start(self, train: Ratings, seed: int) -> NDArray[np.float32]:
        """The supervised start, ``config.warm_updates`` long: the loss of each update."""
        if not self.config.start:
            return np.zeros(0, np.float32)
        self._has_seen(train)
        contrast = "rated" if self.config.goal == "rerank" else "catalogue"
        settings = WarmStartConfig(updates=self.config.start, contrast=contrast)
        return warm_start(self.agent, *cut(train, self.config), settings, seed)

    def environment(self, train: Ratings, num_envs: int = 64) -> RatingsBatch:
        """Episodes over ``train``: what is known of a user first, then what the user said to the rest."""
        self._has_seen(train)
        return make_environment(train, self.config, num_envs)

    def _has_seen(self, train: Ratings) -> None:
        """Take ``train`` into the record: what actor, critics and state learn from may leak as vectors do."""
        seen = np.union1d(self.fitted_on, interaction_keys(train))
        self.vectors = replace(self.vectors, fitted_on=seen)

    def __call__(self, users: NDArray[Any], known: Any) -> NDArray[np.float32]:
        """Scores [users, I] from known ratings [users, I], sparse, rows in order of time; ``users`` is not used."""
        view = (
            self.vectors.users(known).astype(np.float32),
            last_liked(known, self.agent.history),
        )
        return self.agent._judged(self.agent.scores(*view), *view)

    def recommend(self, known: Any, k: int = 1) -> NDArray[np.int64]:
        """Item ids [users, k], best first, nothing that is known [users, I] (sparse)."""
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
        storage.write_json(Path(folder) / "drr.json", vars(self.config).copy())

    @classmethod
    def load(cls, folder: str | Path, env: RatingsBatch | None = None) -> DRR:
        """Read what ``save`` wrote; ``agent.train(env, ..)`` then goes on in ``env``, made anew, to the same bits.

        Raises ``DataError`` for a broken folder.
        """
        return cls(DDPG.load(folder, env), Vectors.load(folder), read_config(folder))


def read_config(folder: str | Path) -> DRRConfig:
    """The settings that ``DRR.save`` stored. Raises ``DataError`` for those of another version."""
    try:
        return DRRConfig(**storage.read_json(Path(folder) / "drr.json"))
    except (TypeError, ConfigError) as error:
        raise DataError(
            f"{folder}: settings of another version ({error}); train the run again"
        ) from None


def make_environment(
    train: Ratings, config: DRRConfig, num_envs: int = 64
) -> RatingsBatch:
    """See ``DRR.environment``."""
    known, rest = cut(train, config)
    return RatingsBatch(
        num_envs,
        rest,
        history=config.history,
        length=config.length,
        liked_from=POSITIVE,
        logged_only=config.goal == "rerank",
        known=known,
    )


def cut(train: Ratings, config: DRRConfig) -> tuple[Ratings, Ratings]:
    """Each user's ratings in two: what an episode begins with, and what it asks for."""
    if config.goal == "catalogue":
        return earlier_and_later(train, first=KNOWN)
    return earlier_and_later(train, share=1.0 - config.known_share)
