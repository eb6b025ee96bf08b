"""Agents and baselines; each answers ``recommend(observations, k) -> item ids [batch, k]``, best first."""

from rlrec.agents.baselines import (
    GreedyListening,
    ListeningOracle,
    PopularityPolicy,
    RandomPolicy,
    Recommender,
    TablePolicy,
)
from rlrec.agents.planning import policy_values, value_iteration
from rlrec.agents.qlearning import QLearning, QLearningConfig, TrainingLog, Update

__all__ = [
    "GreedyListening",
    "ListeningOracle",
    "PopularityPolicy",
    "QLearning",
    "QLearningConfig",
    "RandomPolicy",
    "Recommender",
    "TablePolicy",
    "TrainingLog",
    "Update",
    "policy_values",
    "value_iteration",
]
