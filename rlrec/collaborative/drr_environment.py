"""The environment in which DRR is trained. Importing it needs no TensorFlow."""

from __future__ import annotations

from rlrec.collaborative.drr_config import DRRConfig
from rlrec.collaborative.drr_vectors import POSITIVE
from rlrec.datasets import Ratings
from rlrec.datasets.matrices import earlier_and_later
from rlrec.envs.ratings import RatingsBatch

KNOWN_RATINGS = 10  # known of each user at an episode's start, goal "catalogue"


def make_environment(
    train: Ratings, config: DRRConfig, num_envs: int = 64
) -> RatingsBatch:
    """Ratings-v0 over ``train``: each user's first ratings known, the rest answers."""
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
    """Cut each user's ratings in time: known at an episode's start, and answers."""
    if config.goal == "catalogue":
        return earlier_and_later(train, first=KNOWN_RATINGS)
    return earlier_and_later(train, share=1.0 - config.known_share)
