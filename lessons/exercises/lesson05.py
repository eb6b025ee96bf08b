"""Lesson 05: a loss, shared weights, double Q-learning, nothing twice, n-step sums."""

import numpy as np

from rlrec.nn.backend import tf
from rlrec.viz.exercises import Exercise, NotRightError, call


# -- 05.1 ------------------------------------------------------------------------------
def loss_and_gradient(loss, values, targets):
    """The loss, and its slope in each value: what the network learns from."""
    variable = tf.Variable(values)
    with tf.GradientTape() as tape:
        found = call(loss, variable, tf.constant(targets))
        if found is None:
            return None
        if np.shape(found) != ():
            raise NotRightError(
                f"One number is asked for, yours has shape {np.shape(found)}: "
                "the mean is missing."
            )
        total = tf.convert_to_tensor(found)
    slope = tape.gradient(total, variable)
    if slope is None:
        raise NotRightError(
            "The tape sees nothing: somewhere you left TensorFlow (np.mean, .numpy()), "
            "and the network would learn nothing. tf.reduce_mean."
        )
    return [float(found), *np.ravel(slope)]


def halved(values, targets):
    return tf.reduce_mean((targets - values) ** 2) / 2


THREE = np.array([[1.0], [2.0], [3.0]])
TWO = np.array([[0.0], [2.0]])


# -- 05.2 ------------------------------------------------------------------------------
def step(error, features=(1, 0.5), rate=0.1):
    return [2 + rate * error * features[0], 4 + rate * error * features[1]]


# -- 05.3 ------------------------------------------------------------------------------
def target_of(value):
    """A target from the value of the next state: `value(online, target)` [B]."""

    def found(online, target, reward, terminated, discount):
        return reward + discount * (1 - terminated) * value(online, target)

    return found


def picked(by, valued):
    return np.take_along_axis(valued, by.argmax(axis=1)[:, None], axis=1)[:, 0]


def double(online, target, reward, terminated, discount):
    return target_of(lambda a, b: picked(a, b))(
        online, target, reward, terminated, discount
    )


def first_row(online, target, reward, terminated, discount):
    column = online[0].argmax()
    return reward + discount * (1 - terminated) * target[:, column]


ONE_ROW = (np.array([[1.0, 5.0, 2.0]]), np.array([[4.0, 6.0, 9.0]]))
HIGH = (np.array([[9.0, 1.0]]), np.array([[2.0, 5.0]]))
TWO_ROWS = (
    np.array([[0.0, 3.0], [7.0, 1.0]]),
    np.array([[5.0, -1.0], [2.0, 8.0]]),
)


# -- 05.4 ------------------------------------------------------------------------------
def best_places(values, pool, history, k, sign=-1, blank=-np.inf):
    heard = (pool[:, :, None] == history[:, None, :]).any(axis=2)
    return np.argsort(sign * np.where(heard, blank, values), axis=1)[:, :k]


def best_new(values, pool, history, k, **parts):
    places = best_places(values, pool, history, k, **parts)
    return np.take_along_axis(pool, places, axis=1)


def first_history(values, pool, history, k):
    return best_new(values, pool, history[[0] * len(values)], k)


# -- 05.5 ------------------------------------------------------------------------------
def next_rewards(rewards, n, discount):
    weights = discount ** np.arange(n)
    return np.convolve(rewards[::-1], weights)[: len(rewards)][::-1]


def full_windows(rewards, n, discount):
    found = next_rewards(rewards, n, discount)
    found[max(len(rewards) - n + 1, 0) :] = 0.0
    return found


def wrapped(rewards, n, discount):
    return sum(discount**later * np.roll(rewards, -later) for later in range(n))


OFFER = (np.array([[0.9, 0.8, 0.7, 0.1]]), np.array([[4, 7, 9, 2]]))
MANY = (np.array([[0.1, 0.5, 0.3], [0.2, 0.1, 0.9]]), np.array([[1, 2, 3], [3, 4, 5]]))
BELOW = (np.array([[-3.0, -2.0, -1.0, 0.5]]), np.array([[8, 6, 5, 1]]))

EXERCISES = {
    "05.1": Exercise(
        "the repaired loss",
        cases=[
            ((THREE, np.array([1.0, 2.0, 3.0])), [0, 0, 0, 0]),
            ((TWO, np.array([1.0, 5.0])), [2.5, -0.5, -1.5]),
            ((np.array([[4.0]]), np.array([1.0])), [4.5, 3.0]),
        ],
        run=loss_and_gradient,
        mistakes=[
            (
                lambda values, targets: halved(values, targets),
                "The values are right, yet the loss is not 0: "
                "still every value against every target.",
            ),
            (
                lambda values, targets: tf.reduce_mean((targets - values[:, 0]) ** 2),
                "The one half in front is missing.",
            ),
            (
                lambda values, targets: (
                    tf.reduce_sum((targets - values[:, 0]) ** 2) / 2
                ),
                "That is the sum over the batch: tf.reduce_mean.",
            ),
            (
                lambda values, targets: (
                    tf.reduce_mean(tf.abs(targets - values[:, 0])) / 2
                ),
                "The size of the error, not its square.",
            ),
            (
                lambda values, targets: tf.reduce_mean(targets - values[:, 0]) / 2,
                "Errors of both signs cancel: square them.",
            ),
            (
                lambda values, targets: (
                    -tf.reduce_mean((targets - values[:, 0]) ** 2) / 2
                ),
                "The sign: a loss is 0 at best, and larger where it is wrong.",
            ),
            (
                lambda values, targets: tf.reduce_mean(targets - values[:, 0]) ** 2 / 2,
                "The square of the mean; asked for is the mean of the squares.",
            ),
        ],
        hints=[
            "values[:, 0] is [B]. Or targets[:, None] is [B, 1].",
            "What must not happen is one of each. And keep tf.reduce_mean: the tape "
            "can't look inside NumPy.",
        ],
    ),
    "05.2": Exercise(
        "new weights",
        expected=step(1 + 0.9 * 3 - 4),
        tolerance=1e-4,
        mistakes=[
            (
                step(-0.3, (1 - 0.9 * 1, 0.5 - 0.9 * 0.25)),
                "You differentiated the target as well: "
                "hold it fixed, the gradient is x alone.",
            ),
            (step(0.3), "The error has the wrong sign: target minus value, 3.7 - 4."),
            (
                step(-0.3, (1, 1)),
                "Each weight moves by rate times error times *its own feature*.",
            ),
            (
                step(-0.3, rate=1),
                "The learning rate is missing, or the future: .9 times the best, 3.",
            ),
            (
                [2.0, 4.0],
                "Nothing moved: is the best of the two next songs worth .9 * 3 now?",
            ),
            (
                step(-0.3, (0.5, 1)),
                "The features are exchanged: x = (1, .5).",
            ),
            (step(1 + 0.9 * 3), "That moves by the target; take the value off: 4."),
            (
                step(-0.3, (1, 0.25)),
                "The step follows the song that was *played*, x = (1, .5).",
            ),
            (
                [0.1 * -0.3, 0.1 * -0.3 * 0.5],
                "Those are the steps; add them to the weights.",
            ),
        ],
        hints=[
            "Value now: `2 * 1 + 4 * .5` = 4. Next songs: `2 + 4 * .25` = 3 and "
            "`2 - 4 * .5` = 0.",
            "The error is `1 + .9 * 3 - 4` = -0.3. Each weight moves by rate times "
            "error times its own feature.",
        ],
    ),
    "05.3": Exercise(
        "double_target",
        cases=[
            ((*ONE_ROW, np.array([1.0]), np.array([0.0]), 0.9), [6.4]),
            ((*TWO_ROWS, np.array([1.0, 0.5]), np.array([0.0, 1.0]), 0.5), [0.5, 0.5]),
            (
                (TWO_ROWS[0], TWO_ROWS[0], np.zeros(2), np.zeros(2), 0.5),
                [1.5, 3.5],
            ),
            ((*TWO_ROWS, np.array([0.0, 1.0]), np.zeros(2), 0.9), [-0.9, 2.8]),
            ((*HIGH, np.zeros(1), np.zeros(1), 0.9), [1.8]),
        ],
        mistakes=[
            (
                target_of(lambda online, target: target.max(axis=1)),
                "That is DQN's own target: the target network picks and values.",
            ),
            (
                target_of(lambda online, target: online.max(axis=1)),
                "The online network values its own pick: the target network should.",
            ),
            (
                target_of(lambda online, target: picked(target, online)),
                "The other way round: the online network picks, the target network "
                "values.",
            ),
            (
                target_of(
                    lambda online, target: np.minimum(online, target).max(axis=1)
                ),
                "The smaller of both is another idea: here one picks, the other "
                "values.",
            ),
            (
                target_of(
                    lambda online, target: np.minimum(
                        online.max(axis=1), target.max(axis=1)
                    )
                ),
                "The smaller of both maxima is another idea: here one picks, the "
                "other values.",
            ),
            (
                lambda online, target, reward, terminated, discount: (
                    reward + discount * picked(online, target)
                ),
                "Where `terminated` is 1 there is no future.",
            ),
            (
                lambda online, target, reward, terminated, discount: (
                    reward + (1 - terminated) * picked(online, target)
                ),
                "The discount is missing.",
            ),
            (
                lambda *given: double(*given)[0],
                "One target a row: shape [B].",
            ),
            (
                first_row,
                "Each row has a pick of its own: yours takes that of the first row.",
            ),
            (
                lambda online, target, reward, terminated, discount: (
                    (reward + discount * picked(online, target)) * (1 - terminated)
                ),
                "At the end the reward still counts; only the future is removed.",
            ),
        ],
        hints=[
            "Two questions, two networks: which song, and what is it worth?",
            "np.take_along_axis(target, online.argmax(axis=1)[:, None], axis=1)[:, 0], "
            "and no future where terminated is 1.",
        ],
    ),
    "05.4": Exercise(
        "best_new",
        cases=[
            ((*OFFER, np.array([[-1, 7]]), 2), [[4, 9]]),
            ((*OFFER, np.array([[-1, -1]]), 3), [[4, 7, 9]]),
            ((*MANY, np.array([[2, 2], [5, 3]]), 1), [[3], [4]]),
            ((*BELOW, np.array([[5, -1]]), 3), [[1, 6, 8]]),
        ],
        mistakes=[
            (
                lambda values, pool, history, k: best_new(
                    values, pool, np.full_like(history, -9), k
                ),
                "Songs of the history are in your list.",
            ),
            (
                lambda *given: best_new(*given)[:, ::-1],
                "Right songs, worst first: "
                "published recommenders have been scored on such lists.",
            ),
            (
                lambda *given: best_new(*given, sign=1, blank=np.inf),
                "The worst songs: argsort goes up.",
            ),
            (best_places, "These are places in the pool; the ids stand in `pool`."),
            (
                lambda *given: best_new(*given, blank=0.0),
                "Heard songs got the value 0, more than a negative value: -np.inf.",
            ),
            (
                first_history,
                "Each listener has a history of her own: yours reads the first one.",
            ),
            (
                lambda values, pool, history, k: np.take_along_axis(
                    values, best_places(values, pool, history, k), axis=1
                ),
                "These are the values; asked for are the ids.",
            ),
            (
                lambda values, pool, history, k: best_new(values, pool, history, k + 1),
                "One song too many: k.",
            ),
            (
                lambda values, pool, history, k: best_new(
                    values, pool, history[:, -1:], k
                ),
                "The whole history counts, not only its last song.",
            ),
        ],
        hints=[
            "First mark what was heard, then sort what is left.",
            "heard = (pool[:, :, None] == history[:, None, :]).any(axis=2); "
            "give those the value -np.inf, then argsort.",
        ],
    ),
    "05.5": Exercise(
        "the next n rewards",
        cases=[
            ((np.array([1.0, 0.0, 1.0]), 2, 0.5), [1, 0.5, 1]),
            ((np.array([1.0, 0.0, 0.0, 1.0, 1.0]), 3, 1.0), [1, 1, 2, 2, 1]),
            ((np.array([2.0, -1.0]), 4, 0.5), [1.5, -1]),
            ((np.array([1.0, 0.0, 1.0]), 1, 0.9), [1, 0, 1]),
            ((np.array([1.0, 2.0, 4.0, 8.0, 16.0]), 3, 0.5), [3, 6, 12, 16, 16]),
        ],
        mistakes=[
            (
                lambda rewards, n, discount: rewards,
                "Each song is paid for itself alone: that is n = 1.",
            ),
            (
                lambda rewards, n, discount: next_rewards(
                    rewards, len(rewards), discount
                ),
                "That is all the rest of the session; n rewards are asked for.",
            ),
            (
                lambda rewards, n, discount: next_rewards(rewards, n + 1, discount),
                "One reward too many: a song's own counts as the first of the n.",
            ),
            (
                lambda rewards, n, discount: next_rewards(
                    rewards, max(n - 1, 1), discount
                ),
                "One reward short: its own and n - 1 that follow.",
            ),
            (
                lambda rewards, n, discount: next_rewards(rewards, n, 1.0),
                "The discount is missing.",
            ),
            (
                lambda rewards, n, discount: (
                    discount * next_rewards(rewards, n, discount)
                ),
                "A song's own reward is not discounted: discount to the power of 0.",
            ),
            (
                lambda rewards, n, discount: next_rewards(rewards[::-1], n, discount)[
                    ::-1
                ],
                "Those are the rewards *before* the song.",
            ),
            (
                full_windows,
                "Near the end fewer than n rewards are left, and those count.",
            ),
            (
                wrapped,
                "After the last song nothing follows: yours begins the session again.",
            ),
            (
                lambda rewards, n, discount: next_rewards(rewards, n, discount) / n,
                "That is a mean over n; the sum is asked for.",
            ),
        ],
        hints=[
            "What is left for the last song, and for the one before it?",
            "Append n - 1 zeros to the rewards. Then add up n shifted copies of "
            "them, the one that starts j places later times discount ** j.",
        ],
    ),
}
