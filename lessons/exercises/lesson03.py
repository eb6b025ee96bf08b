"""Lesson 03: the schedule of epsilon, its rent, and a jackpot."""

import lab03_exploration as lab03
import numpy as np

from rlrec.agents import QLearningConfig
from rlrec.envs import PROFILES
from rlrec.viz.exercises import Exercise, NotRightError

REWARDS = np.array([8.9, 0.0, -1.2, -1.6, -0.5])
AT_FLOOR = np.log(0.05) / np.log(0.9995)


def right_runs(config):
    """ "90 or more", or in words why not."""
    if not isinstance(config, QLearningConfig):
        raise NotRightError(
            f"A QLearningConfig is asked for, yours is a {type(config).__name__}."
        )
    if config.discount != 0.9:
        raise NotRightError(
            "Another discount is another question: the policy looked for is the "
            "optimal one at .9."
        )
    if last_epsilon(config) > 0.5:
        raise NotRightError(
            "A loophole: it plays at random to the end, so it may know the optimal "
            "policy, and seldom follows it. Let epsilon end at .5 or below."
        )
    agent, _ = lab03.train("headliner", config, steps=20_000, runs=100)
    model = PROFILES["headliner"].model()
    count = int(lab03.rows_right(agent.table, model).all(axis=1).sum())
    if count >= 90:
        return "90 or more"
    raise NotRightError(
        f"{count} of 100 runs end with the optimal policy. {advice(config)}"
    )


def last_epsilon(config):
    return max(config.epsilon_floor, config.epsilon * config.epsilon_decay**20_000)


def advice(config):
    """What to turn next."""
    if config.learning_rate_decay == 0:
        return "At a constant rate the last few songs decide: see learning_rate_decay."
    if config.initial_value <= 12:
        return "Early, every genre should look worth a trial: see initial_value."
    return "Late, rows that are seldom visited need trials, too: see epsilon_floor."


def belief_bound(mean, n, t):
    return mean + np.sqrt(2 * np.log(t) / n)


EXERCISES = {
    "03.1": Exercise(
        "next_epsilon",
        cases=[
            ((1.0, False, 0.99, 0.05), 0.99),
            ((1.0, True, 0.99, 0.05), 0.99),
            ((0.0501, True, 0.99, 0.05), 0.05),
            ((0.05, False, 0.99, 0.05), 0.05),
            ((0.2, False, 1.0, 0.2), 0.2),
            ((0.5, False, 0.5, 0.1), 0.25),
        ],
        tolerance=1e-6,
        mistakes=[
            (
                lambda now, explored, decay, floor: (
                    max(floor, now * decay) if explored else now
                ),
                "Epsilon stood still on a step that did not explore: "
                "the schedule must count steps, not explorations.",
            ),
            (
                lambda now, explored, decay, floor: now * decay,
                "Nothing stops it at the floor: the larger of the two.",
            ),
            (
                lambda now, explored, decay, floor: now * decay if explored else now,
                "It counts explorations, not steps; and nothing stops it at the floor.",
            ),
            (
                lambda now, explored, decay, floor: now * decay if now > floor else now,
                "The step that crosses the floor ends below it: take the larger of "
                "the new epsilon and the floor.",
            ),
            (
                lambda now, explored, decay, floor: min(floor, now * decay),
                "The smaller of the two: epsilon falls to the floor at once.",
            ),
            (
                lambda now, explored, decay, floor: max(floor, now - (1 - decay)),
                "You subtract; each step multiplies by the decay.",
            ),
            (
                lambda now, explored, decay, floor: (
                    now if explored else max(floor, now * decay)
                ),
                "Epsilon stood still on a step that explored: every step counts.",
            ),
            (
                lambda now, explored, decay, floor: now * decay + floor,
                "The floor is a limit, not an addition.",
            ),
        ],
        hints=[
            "`explored` is in the signature; does it belong in the answer?",
            "The library's line is in QLearning.train: the larger of two numbers.",
        ],
    ),
    "03.2": Exercise(
        "first step at the floor",
        expected=int(np.ceil(AT_FLOOR)),
        tolerance=0.01,
        mistakes=[
            (
                int(AT_FLOOR),
                "At this step epsilon is still a little above .05: round up, not down.",
            ),
            (AT_FLOOR, "Steps are whole: which is the first after this?"),
            (int(np.ceil(np.log(0.05) / np.log(0.99))), "That is the answer for .99."),
            (int(np.log(0.05) / np.log(0.99)), "That is the answer for .99, less one."),
            (
                int(0.95 / 0.0005),
                "Each step takes .0005 of what is *left*, so the steps shrink.",
            ),
            (
                int(np.ceil(AT_FLOOR)) + 1,
                "One too late: at the step before it, epsilon is at the floor already.",
            ),
            (
                int(np.ceil(np.log(0.05) / np.log(0.9995) / np.log(10))),
                "Two kinds of logarithm: take the same for both numbers.",
            ),
            (
                int(np.ceil(np.log(0.95) / np.log(0.9995))),
                "That is where .95 is left; asked for is .05.",
            ),
            (-int(AT_FLOOR), "Both logarithms are negative; their ratio is not."),
        ],
        hints=[
            "The first whole t with .9995^t <= .05.",
            "Take logarithms on both sides, and mind that they are negative: "
            "`np.log(.05)` = -2.995732 and `np.log(.9995)` = -0.000500125.",
        ],
    ),
    "03.3": Exercise(
        "rent",
        cases=[
            ((REWARDS, 0.05), 0.389),
            ((REWARDS, 0.0), 0.0),
            ((np.array([0.0, 2.0]), 1.0), 1.0),
            ((np.array([3.0, 3.0, 3.0]), 0.3), 0.0),
            ((np.array([-5.0, -1.0, -3.0]), 0.5), 1.0),
        ],
        mistakes=[
            (
                lambda rewards, epsilon: (
                    epsilon * (rewards.max() - np.sort(rewards)[:-1].mean())
                ),
                "This explores among the other genres only; "
                "epsilon-greedy draws from all, the best included.",
            ),
            (
                lambda rewards, epsilon: (
                    (1 - epsilon) * rewards.max() + epsilon * rewards.mean()
                ),
                "That is the expected reward of a song. "
                "Regret is what it falls short of the best.",
            ),
            (
                lambda rewards, epsilon: rewards.max() - rewards.mean(),
                "That is the rent of the random policy; "
                "epsilon-greedy pays it only in the steps that explore.",
            ),
            (
                lambda rewards, epsilon: epsilon * (rewards.mean() - rewards.max()),
                "The sign: regret is the best less what is earned.",
            ),
            (
                lambda rewards, epsilon: epsilon * (rewards.max() - rewards).sum(),
                "That is the sum over the genres: divide by how many there are.",
            ),
            (
                lambda rewards, epsilon: (
                    (1 - epsilon) * (rewards.max() - rewards.mean())
                ),
                "1 - epsilon is the share of steps that do *not* explore.",
            ),
            (
                lambda rewards, epsilon: epsilon * (rewards.max() - rewards.min()),
                "Exploring draws any genre, not always the worst.",
            ),
            (
                lambda rewards, epsilon: epsilon * rewards.max(),
                "A song that explores is worth something as well: the plain mean.",
            ),
            (
                lambda rewards, epsilon: epsilon * rewards.mean(),
                "That is what exploring earns. Regret compares it with the best.",
            ),
        ],
        hints=[
            "With probability epsilon the song is drawn from all genres.",
            "Such a song is worth the plain mean of all; the others are worth the "
            "largest.",
        ],
    ),
    "03.4": Exercise(
        "runs with the optimal policy",
        expected="90 or more",
        run=right_runs,
        hints=[
            "Keep the rate that falls. What do rows need that are seldom visited?",
            "They need trials both early (optimism) and late (a floor).",
        ],
    ),
    "03.5": Exercise(
        "a belief and a bound",
        expected=[4 / 6, belief_bound(0.75, 4, 20)],
        mistakes=[
            (
                [3 / 4, belief_bound(0.75, 4, 20)],
                "The bound is right. 3 / 4 is the share of likes; the belief started "
                "with one like and one dislike.",
            ),
            (
                [4 / 6, belief_bound(4 / 6, 4, 20)],
                "The mean of the belief is right. UCB1 knows no belief: it adds its "
                "bonus to the plain mean, 3 likes in 4 plays.",
            ),
            (
                [4 / 6, belief_bound(0.75, 20, 4)],
                "The mean is right. In the bound, t and n are exchanged: t is the "
                "songs so far, n the plays of this genre.",
            ),
            (
                [4 / 6, belief_bound(0.75, 4, 4)],
                "The mean is right. t counts all songs so far, not those of hip-hop.",
            ),
            (
                [4 / 6, belief_bound(0.75, 3, 20)],
                "The mean is right. n counts the plays, liked or not.",
            ),
            (
                [4 / 6, 0.75 + 2 * np.log(20) / 4],
                "The mean is right. In the bound the square root is missing.",
            ),
            (
                [4 / 6, 0.75 + np.sqrt(np.log(20) / 4)],
                "The mean is right. In the bound the 2 is missing.",
            ),
            (
                [4 / 6, 0.75 - np.sqrt(2 * np.log(20) / 4)],
                "The mean is right. That is the lower end: an optimist adds the bonus.",
            ),
            (
                [4 / 6, np.sqrt(2 * np.log(20) / 4)],
                "The mean is right. The second is the bonus alone: add the mean.",
            ),
            (
                [4 / 6, 0.75 + np.sqrt(2 * np.log10(20) / 4)],
                "The mean is right. ln is the natural logarithm: np.log.",
            ),
            (
                [4 / 5, belief_bound(0.75, 4, 20)],
                "The bound is right. The belief has one more like *and* one more "
                "dislike: six in all.",
            ),
        ],
        hints=[
            "Beta(a, b) has the mean a / (a + b); here a is one more than the likes, b "
            "one more than the dislikes.",
            "The plain mean is `3 / 4` = 0.75, n is 4 and t is 20.",
        ],
    ),
}
