"""Lesson 02: one TD update, how many of them, and a table from a log."""

import numpy as np

from rlrec.agents import QLearning, QLearningConfig
from rlrec.viz.exercises import Exercise


# -- 02.3 ------------------------------------------------------------------------------
def updates(error, learning_rate, tolerance, stop=lambda left, most: left <= most):
    count = 0
    left = abs(error)
    while not stop(left, tolerance):
        left *= 1 - learning_rate
        count += 1
    return count


def same_steps(error, learning_rate, tolerance):
    """As if each update took the same share of the first error."""
    left = max(abs(error) - tolerance, 0)
    return int(np.ceil(left / (learning_rate * abs(error))))


# -- 02.4 ------------------------------------------------------------------------------
def by_library(log, discount, learning_rate, end=lambda left, time_up: left):
    config = QLearningConfig(discount=discount, learning_rate=learning_rate)
    agent = QLearning(5, 5, config)
    for state, action, reward, next_state, terminated, truncated in log:
        ended = end(terminated, truncated)
        agent.update(state, action, reward, next_state, terminated=ended)
    return agent.table[0]


def by_hand(log, discount, learning_rate, follow=np.max, turned=False, shift=0.0):
    table = np.zeros((5, 5))
    for state, action, reward, next_state, terminated, _ in log:
        future = 0.0 if terminated else follow(table[next_state])
        place = (action, state) if turned else (state, action)
        error = reward + discount * future - table[place]
        table[place] += learning_rate * error + shift
    return table


def same_row(log, discount, learning_rate):
    stays = [(song[0], song[1], song[2], song[0], *song[4:]) for song in log]
    return by_library(stays, discount, learning_rate)


def overwritten(log, discount, learning_rate):
    return by_library(log, discount, 1.0)


def terminated_pays_nothing(log, discount, learning_rate):
    table = np.zeros((5, 5))
    for state, action, reward, next_state, terminated, _ in log:
        target = (reward + discount * table[next_state].max()) * (not terminated)
        table[state, action] += learning_rate * (target - table[state, action])
    return table


OPENING = [
    (1, 0, 10, 0, False, False),
    (0, 0, 10, 0, False, False),
    (0, 1, -2, 1, False, False),
]
LOG = [
    *OPENING,
    (1, 0, 10, 0, False, True),  # time is up: Noor would have gone on
    (0, 4, -2, 4, False, False),
    (4, 0, -1, 0, True, False),  # Noor left
    *OPENING,
]

EXERCISES = {
    "02.1": Exercise(
        "the repaired update",
        cases=[
            ((1.0, 10.0, 0.2, 0.9, 0.1), 1.918),
            ((1.918, -1.0, 0.2, 0.9, 0.1), 1.6442),
            ((5.0, 2.0, 4.0, 0.5, 1.0), 4.0),
            ((5.0, 2.0, 4.0, 0.5, 0.0), 5.0),
        ],
        mistakes=[
            (
                lambda old, reward, best, discount, rate: (
                    (1 - rate) * old - rate * (reward + discount * best)
                ),
                "Still the printed formula: the target is subtracted, "
                "so praise lowers the value.",
            ),
            (
                lambda old, reward, best, discount, rate: (
                    old + rate * (old - reward - discount * best)
                ),
                "The error is flipped (old - target): you walk away from the target.",
            ),
            (
                lambda old, reward, best, discount, rate: (
                    old + rate * (reward + discount * best)
                ),
                "The old value keeps its full weight; in a mean it gets "
                "1 - learning_rate.",
            ),
            (
                lambda old, reward, best, discount, rate: old + rate * (reward - old),
                "The future is missing: the best next value belongs into the target.",
            ),
            (
                lambda old, reward, best, discount, rate: (
                    old + rate * (reward + best - old)
                ),
                "The best next value counts times the discount.",
            ),
            (
                lambda old, reward, best, discount, rate: (
                    old + rate * discount * (reward + best - old)
                ),
                "The discount belongs to the best next value alone.",
            ),
            (
                lambda old, reward, best, discount, rate: (
                    rate * old + (1 - rate) * (reward + discount * best)
                ),
                "The weights are exchanged: at learning rate 0 nothing may change.",
            ),
            (
                lambda old, reward, best, discount, rate: reward + discount * best,
                "That is the target. The value goes only a part of the way.",
            ),
            (
                lambda old, reward, best, discount, rate: (
                    (1 - rate) * old + rate * reward + discount * best
                ),
                "The future has to be weighted by the learning rate, too: brackets.",
            ),
        ],
        hints=[
            "The weights of a mean add up to 1.",
            "At learning rate 1 the new value is the target, at 0 the old value.",
        ],
    ),
    "02.2": Exercise(
        "target, error, new value",
        expected=[-2 + 0.9 * 3, 0.7 - 4, 4 + 0.5 * -3.3],
        mistakes=[
            (
                [-2 + 0.9 * 6, 3.4 - 4, 4 - 0.5 * 0.6],
                "That is the best of row Classical; after the song, hip-hop is "
                "playing.",
            ),
            (
                [-2 + 0.9 * 2, -0.2 - 4, 4 - 0.5 * 4.2],
                "That is Q(HipHop, HipHop); take the best of the row.",
            ),
            (
                [-2 + 3, 1 - 4, 4 - 0.5 * 3],
                "The best next value counts times the discount.",
            ),
            (
                [-2, -2 - 4, 4 - 0.5 * 6],
                "That is the target of a listener who left; this session goes on.",
            ),
            (
                [0.7, 4 - 0.7, 4 + 0.5 * 3.3],
                "Error is target minus old value: negative, the song disappointed.",
            ),
            (
                [0.7, 4 - 0.7, 4 - 0.5 * 3.3],
                "The new value is right. The error is target minus old value.",
            ),
            ([0.7, -3.3, 4 - 3.3], "The step is the learning rate times the error."),
            ([0.7, -3.3, 0.5 * -3.3], "That is the step; add it to the old value."),
            (
                [0.7, 0.7 - 5, 5 - 0.5 * 4.3],
                "The song was hip-hop: its old value stands in the last column.",
            ),
        ],
        hints=[
            "The next state is HipHop: take the best of its row.",
            "Old value: row Classical, column HipHop, 4. "
            "The discounted best is `0.9 * 3` = 2.7.",
        ],
    ),
    "02.3": Exercise(
        "updates needed",
        cases=[
            ((9.18, 0.1, 0.1), 43),
            ((9.18, 0.5, 0.1), 7),
            ((-9.18, 0.1, 0.1), 43),
            ((9.18, 1.0, 0.1), 1),
            ((0.05, 0.1, 0.1), 0),
            ((8.0, 0.5, 1.0), 3),
            ((0.5, 0.5, 0.5), 0),
        ],
        mistakes=[
            (
                same_steps,
                "Each update takes a share of what is left, so the steps shrink.",
            ),
            (
                lambda error, rate, most: max(updates(error, rate, most) - 1, 0),
                "One too few: the error is still a little larger than the tolerance.",
            ),
            (
                lambda error, rate, most: updates(error, rate, most) + 1,
                "One too many: stop as soon as the error is no larger than the "
                "tolerance.",
            ),
            (
                lambda error, rate, most: updates(
                    error, rate, most, lambda left, most: left < most
                ),
                "No larger than: an error equal to the tolerance is small enough.",
            ),
            (
                lambda error, rate, most: updates(max(error, 0), rate, most),
                "A negative error has a size, too: abs.",
            ),
            (
                lambda error, rate, most: max(1, updates(error, rate, most)),
                "An error that is small already needs no update.",
            ),
            (
                lambda error, rate, most: (
                    updates(error, 1 - rate, most) if rate < 1 else 1
                ),
                "What is left after an update is 1 - learning_rate of the error.",
            ),
            (
                lambda error, rate, most: updates(1.0, rate, most),
                "The first error is `error`, not 1: the tolerance is no share of it.",
            ),
        ],
        hints=[
            "After one update 1 - learning_rate of the error is left, after two the "
            "square of it.",
            "A loop will do: multiply the size of the error (abs) by "
            "1 - learning_rate, and count.",
        ],
    ),
    "02.4": Exercise(
        "a table from a log",
        cases=[
            ((LOG, 0.9, 0.5), by_library(LOG, 0.9, 0.5)),
            ((OPENING, 0.5, 0.1), by_library(OPENING, 0.5, 0.1)),
        ],
        mistakes=[
            (
                lambda *given: by_library(
                    *given, end=lambda left, time_up: left or time_up
                ),
                "You took the time limit for a listener who left: "
                "only that removes the future.",
            ),
            (
                lambda *given: by_library(*given, end=lambda left, time_up: False),
                "After `terminated` there is no future: "
                "there the target is the reward alone.",
            ),
            (
                lambda *given: by_library(*given, end=lambda left, time_up: time_up),
                "`truncated` and `terminated` are exchanged.",
            ),
            (
                lambda log, discount, rate: by_library(log, 1.0, rate),
                "The discount is missing.",
            ),
            (
                overwritten,
                "You put the target in the old value's place: go only a part of the "
                "way.",
            ),
            (
                lambda *given: by_hand(*given, follow=np.mean),
                "That is the mean of the next row: Q-learning takes the best.",
            ),
            (
                lambda *given: by_hand(*given, turned=True),
                "Rows are states, columns are actions: yours is turned.",
            ),
            (
                same_row,
                "The best of the row of the song *before*: take the row `next_state`.",
            ),
            (
                lambda *given: by_library(given[0][::-1], *given[1:]),
                "The log was read backwards.",
            ),
            (
                lambda *given: by_hand(*given, follow=lambda row: 0.0),
                "The future is missing: the best value of the next row.",
            ),
            (
                terminated_pays_nothing,
                "Who leaves still pays the last reward: only the future is removed.",
            ),
        ],
        hints=[
            "One np.zeros((5, 5)), one loop that unpacks six values, and the body of "
            "td_update inside.",
            "Only one of the two flags removes the future: the one that says Noor "
            "left.",
        ],
    ),
    "02.5": Exercise(
        "three targets",
        expected=[5.4, 0.72, 0.9],
        mistakes=[
            (
                [6.0, 0.8, 1.0],
                "The discount is missing: all three look one song ahead.",
            ),
            (
                [0.72, 5.4, 0.9],
                "The first two are exchanged: Q-learning takes the best next action, "
                "SARSA the one that was taken.",
            ),
            (
                [0.72, 0.72, 0.9],
                "Q-learning takes the best next action, whatever was done.",
            ),
            (
                [5.4, 5.4, 0.9],
                "SARSA takes the value of the action that was really taken: switch.",
            ),
            (
                [5.4, 0.72, 1.0],
                "Monte Carlo: the 1 comes one song later, so it is discounted once.",
            ),
            (
                [5.4, 0.72, 0.81],
                "Monte Carlo: the 1 comes one song later, not two.",
            ),
            (
                [5.4, 0.72, 0.72],
                "Monte Carlo uses no estimate: the reward that came, not .8.",
            ),
            (
                [5.4, 0.72, 0.0],
                "Monte Carlo adds up all later rewards, the 1 at the switch included.",
            ),
            (
                [6.4, 1.72, 1.9],
                "Staying at track 4 pays 0: the 1 belongs to the switch at track 5.",
            ),
        ],
        hints=[
            "Each target is the reward of staying at track 4, which is 0, plus .9 "
            "times what comes next.",
            "What comes next: the largest value of the row, the value of the action "
            "taken, the reward that came.",
        ],
    ),
}
