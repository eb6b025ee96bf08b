"""Lesson 03."""

import math

from rlrec.agents import QLearningConfig

WRONG = {
    "03.1": [
        (lambda e, explored, decay, floor: floor if explored else e, ""),
        (lambda e, explored, decay, floor: max(e, floor) * decay, ""),
        (lambda e, explored, decay, floor: (e, e * decay)[explored], "and nothing"),
    ],
    "03.2": [(math.log(0.05, 0.9995), "whole"), (1899, "shrink"), (6000, "")],
    "03.3": [
        (lambda rewards, epsilon: epsilon * (max(rewards) - min(rewards)), "worst"),
        (lambda rewards, epsilon: epsilon, ""),
        (lambda rewards, epsilon: epsilon * abs(max(rewards)), ""),
    ],
    "03.4": [
        (0.2, "QLearningConfig"),
        (QLearningConfig(discount=0.0), "Another discount"),
        (QLearningConfig(epsilon_floor=1.0), "loophole"),
        (QLearningConfig(epsilon_decay=1.0), "loophole"),
        (QLearningConfig(), "constant rate"),
        (QLearningConfig(learning_rate=1.0, learning_rate_decay=0.8), "Early"),
        (
            QLearningConfig(
                learning_rate=1.0, learning_rate_decay=0.8, initial_value=30.0
            ),
            "Late",
        ),
        ({"epsilon_floor": 0.3}, "QLearningConfig"),
    ],
    "03.5": [
        ([0.75, 1.5], ""),
        ([2 / 3], "asked for is shape"),
        ([1.973873, 2 / 3], "another order"),
        ([2 / 3, 0.75 + math.sqrt(2 * math.log(4) / 20)], "exchanged"),
    ],
}
