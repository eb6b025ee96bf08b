"""Lesson 01: returns from the right end, values, beliefs, a policy that remembers."""

import lab01_deciding as deciding
import numpy as np

from rlrec.evaluation import mean_interval
from rlrec.viz.exercises import Exercise, NotRightError, call


# -- 01.1 ------------------------------------------------------------------------------
def past_sums(rewards, discount):
    returns = []
    running = 0.0
    for reward in rewards:
        running = reward + discount * running
        returns.append(running)
    return np.array(returns)


def right_returns(rewards, discount):
    return past_sums(rewards[::-1], discount)[::-1]


def discounted_by_place(rewards, discount):
    """Each return counts time from the first song, not from its own."""
    weighted = discount ** np.arange(len(rewards)) * np.array(rewards)
    return weighted[::-1].cumsum()[::-1]


# -- 01.3 ------------------------------------------------------------------------------
def mood(p, skipped, skip_in_mood, turn, *, likelihood=None, column=None, scale=True):
    """The next belief, with one part of it replaced."""
    if likelihood is None:
        likelihood = skip_in_mood if skipped else 1 - skip_in_mood
    seen = np.array([1 - p, p]) * likelihood
    seen = seen / seen.sum() if scale else seen
    return seen @ turn[:, int(skipped) if column is None else column]


def bayes_alone(p, skipped, skip_in_mood, turn):
    return mood(p, skipped, skip_in_mood, np.array([[0, 0], [1, 1]]))


def moved_first(p, skipped, skip_in_mood, turn):
    moved = np.array([1 - p, p]) @ turn[:, int(skipped)]
    return bayes_alone(moved, skipped, skip_in_mood, turn)


SKIPS = np.array([0.11, 0.90])
TURNS = np.array([[0.20, 0.29], [0.69, 0.84]])


# -- 01.4 ------------------------------------------------------------------------------
def above_greedy(score):
    """ "above greedy", or in words why not."""
    directions = np.eye(3, 5)
    pull = np.zeros(3)
    first = call(score, pull, directions, np.zeros((0, 5)))
    if first is None:
        return None
    if np.shape(first) != (3,):
        raise NotRightError(
            f"One score a candidate: shape {np.shape(first)}, asked for is (3,)."
        )
    for words in score_problems(score, directions):
        raise NotRightError(words)
    gain = mean_interval(deciding.gain_over_greedy(score).ravel())
    if gain.low > 0:
        print(f"songs heard more than greedy, a session: {gain}")
        return "above greedy"
    raise NotRightError(
        f"Songs heard more than greedy, a session: {gain}, not above 0 yet. The "
        "direction is right; how much weight has likeness, and how many songs back?"
    )


def score_problems(score, directions):
    """In words what is wrong with `score`, seen on three candidates."""
    pull = np.zeros(3)
    nothing = np.zeros((0, 5))
    alone = np.asarray(score(np.array([0.1, 0.3, 0.2]), directions, nothing))
    one = np.asarray(score(pull, directions, directions[:1]))
    two = np.asarray(score(pull, directions, directions[:2]))
    if not (np.argsort(alone) == [0, 2, 1]).all():
        yield "While nothing was played, the largest `pull` must come first."
    if one[0] > one[1]:
        yield "Likeness to `played` lifts a song; it has to be taken off."
    if one[0] == one[1]:
        yield "The song just heard scores like any other: `played` is not used."
    if two[1] == two[2]:
        yield "After two songs the last one is not remembered: it stands at the end."
    if two[1] > two[0]:
        yield "The older song weighs more than the last one: `played` is oldest first."
    far = np.asarray(score(np.array([0.0, 9.0, 0.0]), directions, directions[:1]))
    if far.argmax() != 1:
        yield "`pull` has dropped out: taste counts as well as likeness."


EXERCISES = {
    "01.1": Exercise(
        "the right end",
        cases=[
            (([3, -1, 5], 0.9), [6.15, 3.5, 5]),
            (([1, 0, 0, 2], 0.5), [1.25, 0.5, 1, 2]),
            (([4], 0.9), [4]),
            (([2, 3], 0.0), [2, 3]),
        ],
        mistakes=[
            (
                past_sums,
                "This still adds up the past: which reward should `running` meet "
                "first?",
            ),
            (
                lambda rewards, discount: right_returns(rewards, discount)[::-1],
                "Right numbers, wrong order: the list was filled from the end.",
            ),
            (
                lambda rewards, discount: past_sums(rewards, discount)[::-1],
                "The list is reversed, but the sums still run over the past.",
            ),
            (
                lambda rewards, discount: discount * right_returns(rewards, discount),
                "Every return is multiplied once too often: "
                "the reward of now is not discounted.",
            ),
            (
                lambda rewards, discount: right_returns(rewards, 1.0),
                "The discount is missing: what comes later counts less.",
            ),
            (
                lambda rewards, discount: right_returns(rewards, discount) - rewards,
                "The reward of the song itself belongs into its return.",
            ),
            (
                discounted_by_place,
                "Time counts from the song whose return it is, not from the first one.",
            ),
            (
                lambda rewards, discount: right_returns(rewards, discount)[0],
                "Only the first return: one for each song is asked for.",
            ),
            (
                lambda rewards, discount: np.append(
                    right_returns(rewards, discount)[1:], 0.0
                ),
                "One step late: each entry is the return of the song after.",
            ),
        ],
        hints=[
            "Of the last song we know the return at once: its own reward.",
            "Walk through reversed(rewards), then turn the list round once, "
            "after the loop.",
        ],
    ),
    "01.2": Exercise(
        "two listens and a skip",
        expected=9 / 16,
        mistakes=[
            (
                9 / 10,
                "That is after the two finished songs. The skip is still to come.",
            ),
            (
                27 / 28,
                "The skip was counted as a third finished song: "
                "its probabilities are 1 - 0.9 and 1 - 0.3.",
            ),
            (
                0.5 * 0.9 * 0.9 * 0.1,
                "This is P(loves and these three reactions). "
                "Divide by its sum over both hypotheses.",
            ),
            (
                1 / 8,
                "That is after the skip alone, from the prior. "
                "Each belief is the prior of the next.",
            ),
            (9 / 7, "These are the odds. Belief = odds / (1 + odds)."),
            (0.56, "Right, but rounded: give it as a fraction, or with four digits."),
            (7 / 16, "That is the belief that she does not love it."),
            (
                3 / 10,
                "One finished song and a skip: she finished two before she skipped.",
            ),
            (
                0.81 * 0.1,
                "That is P(these reactions | loves). Weight it by the prior, and "
                "divide by its sum over both hypotheses.",
            ),
        ],
        hints=[
            "Keep the odds, loves : doesn't. A reaction multiplies them by the ratio "
            "of its two probabilities.",
            "A finished song multiplies the odds by `0.9 / 0.3` = 3, a skip by "
            "`0.1 / 0.7` = 0.142857. From odds o the belief is o / (1 + o).",
        ],
        tolerance=1e-4,
    ),
    "01.3": Exercise(
        "a belief about a mood",
        cases=[
            ((0.36, True, SKIPS, TURNS), 0.7418),
            ((0.36, False, SKIPS, TURNS), 0.2291),
            ((0.0, True, SKIPS, TURNS), 0.29),
            (
                (0.8, False, np.array([0.25, 0.5]), np.array([[0.1, 0.6], [0.3, 1]])),
                0.2455,
            ),
        ],
        mistakes=[
            (
                bayes_alone,
                "That is the belief after Bayes' rule. Now let the mood move, with "
                "`turn`.",
            ),
            (
                lambda *given: mood(*given, likelihood=1.0),
                "The mood moved, but what you saw was not used: "
                "Bayes' rule comes first.",
            ),
            (
                lambda *given: mood(*given, column=0),
                "The column of `turn` is the reaction: 1 after a skip.",
            ),
            (
                lambda *given: mood(*given, column=1),
                "The column of `turn` is the reaction: 0 after a song that was heard.",
            ),
            (
                lambda *given: mood(*given, scale=False),
                "Not normalised: divide by the sum over both moods before the mood "
                "moves.",
            ),
            (
                lambda p, *given: mood(1 - p, *given),
                "`p` is the belief in the skipping mood: mood 1, the second entry.",
            ),
            (
                lambda *given: mood(*given, likelihood=given[2]),
                "A song that was heard has the likelihood 1 - skip_in_mood.",
            ),
            (
                lambda *given: mood(*given, likelihood=1 - given[2]),
                "A skip has the likelihood skip_in_mood; 1 - skip_in_mood is for a "
                "song that was heard.",
            ),
            (
                moved_first,
                "You moved the mood before looking: first Bayes' rule, then `turn`.",
            ),
            (
                lambda *given: 1 - mood(*given),
                "That is the belief in the listening mood; asked for is the skipping "
                "one.",
            ),
        ],
        hints=[
            "Two steps: Bayes' rule over the two moods, then the sum over both of "
            "belief times probability to turn.",
            "likelihood = skip_in_mood if skipped, else 1 - skip_in_mood; "
            "b = update_belief([1 - p, p], likelihood); the answer is the sum over "
            "moods of b[mood] * turn[mood, int(skipped)].",
        ],
    ),
    "01.4": Exercise(
        "a policy that remembers",
        cases=[((), "above greedy")],
        run=above_greedy,
        mistakes=[],
        hints=[
            "What must `score` do while nothing was played? And one song later?",
            "Start with the last song alone: pull - c * np.maximum(directions @ "
            "played[-1], 0), and pull itself while nothing was played.",
            "Then fade: weights 0.2 * 0.8 ** age over all songs played. Try c from "
            "0.2 to 3.",
        ],
    ),
    "01.5": Exercise(
        "two equations",
        expected=[2.9 / 0.19, 2.8 / 0.19],
        tolerance=0.01,
        mistakes=[
            (
                [2.8 / 0.19, 2.9 / 0.19],
                "The right two numbers, exchanged: before A the 2 comes first.",
            ),
            ([20.0, 10.0], "Those are A for ever and B for ever: they take turns."),
            (
                [15.0, 15.0],
                "That is the mean reward for ever; who comes first matters.",
            ),
            ([2.9, 2.8], "Those are two songs only; the turns never end."),
            (
                [2.9 / 0.1, 2.8 / 0.1],
                "After two songs the discount is .81: divide by 1 - .81.",
            ),
            (
                [2 / 0.19, 1 / 0.19],
                "The song in between is missing: 2 + .9 * 1 in every round.",
            ),
            ([3 / 0.19, 3 / 0.19], "The second song of a round is discounted once."),
            ([2.0, 1.0], "Those are the rewards of the next song alone."),
            ([2.9 / 0.81, 2.8 / 0.81], "Divide by 1 - .81, not by .81."),
        ],
        hints=[
            "Put the second equation into the first: v(A) = 2 + .9 (1 + .9 v(A)).",
            "So v(A) (1 - .81) is `2 + .9 * 1` = 2.9. The other one: 1 + .9 v(A).",
        ],
    ),
}
