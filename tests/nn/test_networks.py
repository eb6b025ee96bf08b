"""Adam beside a plain loop: bias correction, the limit of the norm."""

import numpy as np
import pytest

from rlrec.nn.backend import tf
from rlrec.nn.networks import Adam


def test_the_first_step_of_adam_is_its_learning_rate():
    weight = tf.Variable([1.0, 1.0])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(weight * [3.0, -0.01])
    Adam(0.1, [weight]).descend(tape, loss)
    np.testing.assert_allclose(weight.numpy(), [0.9, 1.1], rtol=1e-4)


@pytest.mark.parametrize("limit", [np.inf, 5.0])
def test_adam_against_a_loop(limit):
    """Gradients (3, 4), (6, 8), (.3, .4): of lengths 5, 10 and .5."""
    weight = tf.Variable([0.5, -0.5])
    adam = Adam(0.1, [weight], limit)
    twin = np.array([0.5, -0.5])
    first = np.zeros(2)
    second = np.zeros(2)
    for step, size in enumerate((1.0, 2.0, 0.1), start=1):
        slope = size * np.array([3.0, 4.0])
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(weight * tf.constant(slope, tf.float32))
        adam.descend(tape, loss)
        slope = slope * min(1.0, limit / np.linalg.norm(slope))
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope**2
        move = first / (1.0 - 0.9**step) / np.sqrt(second / (1.0 - 0.999**step))
        twin = twin - 0.1 * move
        np.testing.assert_allclose(weight.numpy(), twin, rtol=1e-4)
