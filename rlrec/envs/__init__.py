"""Simulated listeners, rewards and Gymnasium environments, in NumPy alone."""

from rlrec.envs.catalogue import Catalogue, default_catalogue, make_catalogue
from rlrec.envs.dials import Dials, named_setting
from rlrec.envs.genre import GenreBatch, GenreEnv
from rlrec.envs.listeners import Listeners
from rlrec.envs.listening import ListeningBatch, ListeningEnv
from rlrec.envs.profiles import (
    GENRES,
    PROFILES,
    GenreModel,
    GenreProfile,
    from_history,
    get_profile,
)
from rlrec.envs.ratings import RatingsBatch, RatingsEnv
from rlrec.envs.rewards import (
    REWARDS,
    BinaryReward,
    FractionReward,
    ListenSkipReward,
    Reward,
)

__all__ = [
    "GENRES",
    "PROFILES",
    "REWARDS",
    "BinaryReward",
    "Catalogue",
    "Dials",
    "FractionReward",
    "GenreBatch",
    "GenreEnv",
    "GenreModel",
    "GenreProfile",
    "ListenSkipReward",
    "Listeners",
    "ListeningBatch",
    "ListeningEnv",
    "RatingsBatch",
    "RatingsEnv",
    "Reward",
    "default_catalogue",
    "from_history",
    "get_profile",
    "make_catalogue",
    "named_setting",
]
