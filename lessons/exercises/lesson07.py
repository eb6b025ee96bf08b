"""Lesson 07: the actor's gradient, a target, a slow copy, Wolpertinger, a memory."""

import lab07_actor_critic as lab07
import numpy as np

from rlrec.viz.exercises import Exercise


# -- 07.1 ------------------------------------------------------------------------------
def gradient(critic, actor, mood, dial, *, at=None, scale=1.0, clip=True, weight=None):
    position = actor[0] + actor[1] * mood
    position = np.clip(position, 0, 1) if clip else position
    position = position if at is None else at
    up = critic[2] + critic[4] * mood + 2 * critic[5] * position
    weight = mood if weight is None else weight
    return scale * np.array([up.mean(), (up * weight).mean()])


HILL = np.array([-0.36, 0.0, 1.2, 0.0, 0.0, -1.0])  # -(dial - .6)^2 as six weights
TILTED = np.array([0.1, 0.2, 1.0, 0.3, 0.5, -1.0])
MOODS = np.array([-1.0, 1.0])


# -- 07.2 ------------------------------------------------------------------------------
def target(pick=min, keep=lambda terminated, truncated: not terminated):
    def found(reward, terminated, truncated, first, second, discount):
        goes_on = keep(terminated, truncated)
        return reward + discount * goes_on * pick(first, second)

    return found


# -- 07.4 ------------------------------------------------------------------------------
def calm(vectors):
    return -vectors[:, 0]


def lively(vectors):
    return vectors[:, 0]


def short_list(action, songs, m, best=True):
    order = np.argsort(songs @ action)
    return order[::-1][:m] if best else order[:m]


def chosen(action, songs, judge, m, best=True, pick=np.argmax):
    short = short_list(action, songs, m, best)
    return int(short[pick(judge(songs[short]))])


# -- 07.5 ------------------------------------------------------------------------------
def memory(directions, skipped, *, ages=None, use=None, scale=0.2):
    count = len(directions)
    ages = np.arange(count - 1, -1, -1) if ages is None else ages
    use = np.ones(count) if use is None else use
    return scale * (0.8**ages * use) @ directions


def share(directions, skipped):
    """The weights are made to add up to 1."""
    found = memory(directions, skipped)
    total = 0.2 * (0.8 ** np.arange(len(directions))).sum()
    return found / max(total, 1e-9)


def heard_ages(directions, skipped):
    """Skipped songs are taken out first, so that they don't age the others."""
    return memory(directions[skipped == 0], skipped)


AXES = np.eye(5)
SESSION = np.array([[0.6, 0.8, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, -1, 0]])

FIVE, ARROW = lab07.five_songs()
SHELF = FIVE[[1, 2, 0, 3, 4]]  # B, C, A, D, E

EXERCISES = {
    "07.1": Exercise(
        "repaired_gradient",
        cases=[
            ((HILL, np.array([0.2, 0.0]), np.zeros(1), np.array([0.9])), [0.8, 0.0]),
            (
                (HILL, np.array([0.2, 0.1]), MOODS, np.array([0.9, 0.9])),
                [0.8, -0.2],
            ),
            ((HILL, np.array([0.5, 0.1]), np.ones(1), np.array([0.2])), [0.0, 0.0]),
            ((HILL, np.array([0.9, 0.5]), MOODS, np.array([0.1, 0.3])), [-0.2, -0.6]),
            ((TILTED, np.array([0.5, 0.0]), MOODS * 0.5, np.zeros(2)), [0.0, 0.125]),
        ],
        mistakes=[
            (
                lambda *given: gradient(*given, at=given[3]),
                "That is the slope at the action from the memory. "
                "The actor is elsewhere.",
            ),
            (
                lambda *given: gradient(*given, scale=-1.0),
                "Downhill: the actor goes where the value rises.",
            ),
            (
                lambda *given: gradient(*given, clip=False),
                "The actor's dial ends at 0 and 1: `turn` keeps it there.",
            ),
            (
                lambda *given: gradient(*given, weight=1.0),
                "The second entry is the slope in actor[1]: times the mood.",
            ),
            (
                lambda *given: gradient(*given, scale=len(given[2])),
                "That is the sum over the batch: the mean.",
            ),
            (
                lambda *given: gradient(*given)[0],
                "Two slopes: one in actor[0], one in actor[1].",
            ),
            (
                lambda *given: gradient(*given)[::-1],
                "The order: first the slope in actor[0], then that in actor[1].",
            ),
            (
                lambda critic, actor, mood, dial: gradient(
                    critic, actor, mood, dial, at=actor[0]
                ),
                "The actor's dial depends on the mood: turn(actor, mood).",
            ),
        ],
        hints=[
            "Where does the actor stand for these moods? turn(actor, mood) tells.",
            "What is left for `dial` to do? The slope, once by itself and once times "
            "the mood; the mean of each.",
        ],
    ),
    "07.2": Exercise(
        "careful_target",
        cases=[
            ((1.0, False, False, 2.0, 3.0, 0.9), 2.8),
            ((1.0, True, False, 2.0, 3.0, 0.9), 1.0),
            ((1.0, False, True, 2.0, 3.0, 0.9), 2.8),
            ((-2.0, False, False, 4.0, -1.0, 0.9), -2.9),
            ((0.5, False, False, 1.0, -3.0, 0.5), -1.0),
            ((2.0, True, True, 1.0, 3.0, 0.5), 2.0),
        ],
        mistakes=[
            (
                target(max),
                "That believes the kinder critic. The actor finds whatever is too "
                "kind: believe the smaller one.",
            ),
            (
                target(lambda first, second: (first + second) / 2),
                "That is the mean of both. TD3 takes the smaller one.",
            ),
            (
                target(lambda *both: min(both, key=abs)),
                "The smaller *size*: of 1 and -3 the careful one is -3. Leave out abs.",
            ),
            (
                target(
                    keep=lambda terminated, truncated: not (terminated or truncated)
                ),
                "You took the time limit for an end: cut off, she would have gone on.",
            ),
            (
                target(keep=lambda terminated, truncated: True),
                "After `terminated` there is no future.",
            ),
            (
                target(keep=lambda terminated, truncated: not truncated),
                "`terminated` and `truncated` are exchanged.",
            ),
            (target(lambda first, second: first), "The second critic has no say."),
            (
                lambda reward, terminated, truncated, first, second, discount: (
                    discount * (not terminated) * min(first, second)
                ),
                "The reward is missing: reward plus discount times value.",
            ),
            (
                lambda reward, terminated, truncated, first, second, discount: (
                    reward + (not terminated) * min(first, second)
                ),
                "The discount is missing.",
            ),
            (
                lambda reward, terminated, truncated, first, second, discount: (
                    0.0 if terminated else reward + discount * min(first, second)
                ),
                "At the end the reward still counts; only the future is removed.",
            ),
        ],
        hints=[
            "Only `terminated` removes the future. What does that leave for "
            "`truncated` to do?",
            "Reward, plus discount times the smaller of two, unless it is the end.",
        ],
    ),
    "07.3": Exercise(
        "steps to half way",
        expected=int(np.ceil(np.log(0.5) / np.log(1 - 0.005))),
        tolerance=0.01,
        mistakes=[
            (100, "Each step goes .005 of what is LEFT, not of the whole way."),
            (138, "Just short of half way: round up."),
            (
                np.log(0.5) / np.log(1 - 0.005),
                "Steps are whole: which is the first after this?",
            ),
            (200, "After 1 / tau steps it has gone 63% of the way."),
            (140, "One too late: it is past half way a step before."),
            (
                np.ceil(np.log(0.25) / np.log(0.995)),
                "That is three quarters of the way: half of the way is left at .5.",
            ),
            (
                np.ceil(np.log(0.5) / np.log(0.95)),
                "That is for tau .05; here it is .005.",
            ),
            (-138, "Both logarithms are negative; their ratio is not."),
            (1, "One step goes .005 of the way, not half of it."),
        ],
        hints=[
            "After n steps the share (1 - .005)^n of the way is left.",
            "Take logarithms, `np.log(.5)` = -0.693147 and `np.log(.995)` = -0.005013; "
            "divide, and round up.",
        ],
    ),
    "07.4": Exercise(
        "propose_and_judge",
        cases=[
            ((ARROW, SHELF, calm, 3), 1),
            ((ARROW, SHELF, calm, 1), 3),
            ((ARROW, SHELF, calm, 5), 4),
            ((-ARROW, SHELF, lively, 2), 2),
            ((ARROW, SHELF, lively, 2), 3),
        ],
        mistakes=[
            (
                lambda action, songs, judge, m: int(np.argmax(judge(songs))),
                "The critic's favourite of all. It may choose only among the actor's "
                "best `m`.",
            ),
            (
                lambda action, songs, judge, m: int(np.argmax(songs @ action)),
                "The actor's first choice. The critic has no say.",
            ),
            (
                lambda action, songs, judge, m: int(
                    np.argmax(judge(songs[short_list(action, songs, m)]))
                ),
                "That is the place in the short list. "
                "Return the song's number in `songs`.",
            ),
            (
                lambda *given: chosen(*given, best=False),
                "Those are the actor's worst: argsort goes up.",
            ),
            (
                lambda *given: chosen(*given, pick=np.argmin),
                "The song of the short list that the critic likes least: argmax.",
            ),
            (
                lambda action, songs, judge, m: songs[chosen(action, songs, judge, m)],
                "That is the song's vector; its number is asked for.",
            ),
            (
                lambda action, songs, judge, m: chosen(
                    action, songs, judge, min(m + 1, len(songs))
                ),
                "One proposal too many: `m`.",
            ),
            (
                lambda action, songs, judge, m: chosen(action, songs[:m], judge, m),
                "Those are the first m songs of the shelf, not the actor's best m.",
            ),
        ],
        hints=[
            "Two steps: a short list by the actor, a choice from it by the critic.",
            "np.argsort(-(songs @ action))[:m] is the short list. Judge songs[short], "
            "and translate the winner's place back.",
        ],
    ),
    "07.5": Exercise(
        "memory_of",
        cases=[
            ((AXES[:3], np.zeros(3)), [0.128, 0.16, 0.2, 0, 0]),
            ((AXES[:3], np.array([0.0, 1.0, 0.0])), [0.128, 0.16, 0.2, 0, 0]),
            ((SESSION, np.array([1.0, 0.0, 1.0])), [0.2368, 0.1024, 0, -0.2, 0]),
            ((AXES[:0], np.zeros(0)), [0, 0, 0, 0, 0]),
            ((AXES[3:4], np.ones(1)), [0, 0, 0, 0.2, 0]),
        ],
        mistakes=[
            (
                lambda directions, skipped: memory(
                    directions, skipped, use=1 - skipped
                ),
                "Skipped songs are left out: that is DRR's history. They tire, too.",
            ),
            (
                heard_ages,
                "Skipped songs are left out: that is DRR's history. They tire, too, "
                "and they make the earlier ones older.",
            ),
            (
                lambda directions, skipped: memory(directions, skipped, use=skipped),
                "Only skipped songs are in your memory.",
            ),
            (
                lambda directions, skipped: memory(
                    directions, skipped, ages=np.arange(len(directions))
                ),
                "The oldest song counts most: the last one has age 0.",
            ),
            (
                lambda directions, skipped: memory(
                    directions, skipped, ages=np.arange(len(directions), 0, -1)
                ),
                "The last song has age 0, not 1.",
            ),
            (
                lambda directions, skipped: memory(directions, skipped, scale=1.0),
                "The factor .2 is missing.",
            ),
            (
                lambda directions, skipped: memory(
                    directions, skipped, ages=np.zeros(len(directions))
                ),
                "All songs count alike: nothing fades.",
            ),
            (
                share,
                "Divided by the sum of the weights: after one song the memory is .2 of "
                "it, not all of it.",
            ),
            (
                lambda directions, skipped: memory(directions[-1:], skipped),
                "Only the last song is remembered.",
            ),
        ],
        hints=[
            "Ages run from the number of songs less one down to 0.",
            "age = np.arange(len(directions))[::-1]; then weights @ directions. Does "
            "`skipped` change what tires?",
        ],
    ),
}
