"""The states by hand: lesson 06's numbers, widths, masks, divisor, gradients."""

import numpy as np
import pytest

from rlrec.agents.ddpg_states import STATES, make_state
from rlrec.errors import ConfigError
from rlrec.nn.backend import tf

USER, ITEMS = [[1.0, -1.0]], [[[2.0, 1.0], [1.0, 4.0]]]


def by_hand(name, weights=(1.0, 1.0), known=((True, True),)):
    state = make_state(name, 2, 2)
    state.position_weights.assign(weights)
    return (
        state(tf.constant(USER), tf.constant(ITEMS), tf.constant(known))
        .numpy()[0]
        .tolist()
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("drr-n", [2, 1, 1, 4]),
        ("drr-p", [2, 1, 1, 4, 2, 4]),
        ("drr-u", [2, -1, 1, -4, 2, 4]),
        ("drr-ave", [1, -1, 1.5, -2.5, 1.5, 2.5]),
    ],
)
def test_the_lessons_numbers(name, expected):
    assert by_hand(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("drr-n", [2, 1, 1, 4]),
        ("drr-p", [2, 1, 1, 4, 3, 6]),
        ("drr-u", [1, -0.5, 3, -12, 3, 6]),
        ("drr-ave", [1, -1, 2, -6.25, 2, 6.25]),
    ],
)
def test_position_weights_by_hand(name, expected):
    assert by_hand(name, weights=(0.5, 3.0)) == expected


@pytest.mark.parametrize(
    ("name", "width"),
    [("drr-n", 1000), ("drr-p", 5500), ("drr-u", 5500), ("drr-ave", 300)],
)
def test_widths_for_100_dimensions_and_10_items(name, width):
    state = make_state(name, 100, 10)
    found = state(tf.zeros((3, 100)), tf.zeros((3, 10, 100)), tf.ones((3, 10), tf.bool))
    assert state.width == width
    assert found.shape == (3, width)


def test_the_average_is_over_the_items_that_are_there():
    assert by_hand("drr-ave", known=((False, True),)) == [1, -1, 1, -4, 1, 4]
    assert by_hand("drr-ave", known=((False, False),)) == [1, -1, 0, 0, 0, 0]


@pytest.mark.parametrize("name", STATES)
def test_what_lies_in_a_masked_place_does_not_matter(name):
    state, rng = make_state(name, 3, 4), np.random.default_rng(0)
    users, items = (
        rng.normal(size=(2, 3)).astype("f"),
        rng.normal(size=(2, 4, 3)).astype("f"),
    )
    known = tf.constant([[False, True, True, True], [False, False, True, True]])
    other = np.where(known.numpy()[:, :, None], items, 99.0).astype("f")
    np.testing.assert_array_equal(
        state(users, items, known), state(users, other, known)
    )


def test_the_history_is_not_divided_by_the_width():
    """Items of entries 1 average to 1 at any width; a published bug divides by it."""
    for dimensions in (2, 50):
        state = make_state("drr-ave", dimensions, 5)
        found = state(
            tf.ones((1, dimensions)),
            tf.ones((1, 5, dimensions)),
            tf.ones((1, 5), tf.bool),
        )
        np.testing.assert_allclose(found, 1.0)


@pytest.mark.parametrize("name", ["drr-p", "drr-u", "drr-ave"])
def test_the_loss_reaches_the_position_weights(name):
    state = make_state(name, 2, 2)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(
            state(tf.constant(USER), tf.constant(ITEMS), tf.constant([[True, True]]))
            ** 2
        )
    assert np.abs(tape.gradient(loss, state.variables)[0]).min() > 0


def test_against_a_plain_loop():
    rng, k, n = np.random.default_rng(1), 3, 4
    u, items, w = rng.normal(size=k), rng.normal(size=(n, k)), rng.normal(size=n)
    pairs = [
        w[a] * items[a] * w[b] * items[b] for a in range(n) for b in range(a + 1, n)
    ]
    expected = {
        "drr-p": np.concatenate([*items, *pairs]),
        "drr-u": np.concatenate([*(u * w[a] * items[a] for a in range(n)), *pairs]),
    }
    for name, numbers in expected.items():
        state = make_state(name, k, n)
        state.position_weights.assign(w)
        found = state(
            tf.constant(u[None], tf.float32),
            tf.constant(items[None], tf.float32),
            tf.ones((1, n), tf.bool),
        )
        np.testing.assert_allclose(found[0], numbers, rtol=1e-5)


def test_bad_names_and_sizes():
    with pytest.raises(ConfigError, match="choose one of drr-n, drr-p"):
        make_state("drr-x")
    with pytest.raises(ConfigError, match="must be 1 or more"):
        make_state("drr-ave", 0, 3)
