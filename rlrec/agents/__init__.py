"""Agents and baselines: each answers ``recommend(observations, k)``."""

from rlrec.agents.bandits import BestConstantList, LinUCB, LinUCBConfig
from rlrec.agents.baselines import (
    GreedyListening,
    ListeningOracle,
    PopularityPolicy,
    RandomPolicy,
    TablePolicy,
    VariedListening,
)
from rlrec.agents.planning import policy_values, value_iteration
from rlrec.agents.qlearning import QLearning, QLearningConfig, TrainingLog, Update
from rlrec.agents.recommender import Recommender

__all__ = [
    "BestConstantList",
    "GreedyListening",
    "LinUCB",
    "LinUCBConfig",
    "ListeningOracle",
    "PopularityPolicy",
    "QLearning",
    "QLearningConfig",
    "RandomPolicy",
    "Recommender",
    "TablePolicy",
    "TrainingLog",
    "Update",
    "VariedListening",
    "policy_values",
    "value_iteration",
]
