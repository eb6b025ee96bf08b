"""Replay: numbers by hand, brute-force twins, frequencies, checkpoints."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rlrec.agents.replay import (
    PrioritisedReplay,
    PriorityConfig,
    SumTree,
    UniformReplay,
)
from rlrec.errors import ConfigError

FIELDS = {
    "item": ((), np.int32),
    "history": ((3,), np.int16),
    "terminated": ((), np.bool_),
    "truncated": ((), np.bool_),
}


def transitions(items):
    items = np.asarray(items)
    history = np.repeat(items[:, None], 3, axis=1)
    return {
        "item": items,
        "history": history,
        "terminated": items % 2 == 0,
        "truncated": items % 3 == 0,
    }


def filled(kind, items, capacity=8, **settings):
    memory = kind(capacity, FIELDS, **settings)
    memory.add(**transitions(items))
    return memory


def test_the_lesson_by_hand():
    """|error| 1, 2, 4, alpha .6, beta .4 -> P .208 .315 .477, w 1 .847 .717."""
    memory = filled(
        PrioritisedReplay, [0, 1, 2], config=PriorityConfig(alpha=0.6, smallest=1e-9)
    )
    memory.update(np.array([[0, 1, 2]]), np.array([[1.0, -2.0, 4.0]]))
    probability = memory.tree.get(np.arange(3)) / memory.tree.total
    np.testing.assert_allclose(probability, [0.208, 0.315, 0.477], atol=5e-4)
    drawn = memory.sample(1, 60, np.random.default_rng(0), beta=0.4)
    weight = {
        int(place): float(w)
        for place, w in zip(drawn.places.ravel(), drawn.weights.ravel(), strict=True)
    }
    np.testing.assert_allclose(
        [weight[i] for i in range(3)], [1.0, 0.847, 0.717], atol=5e-4
    )


def test_the_tree_by_hand():
    tree = SumTree(4)
    tree.set(np.arange(4), np.array([1.0, 2.0, 4.0, 1.0]))
    assert tree.nodes.tolist() == [0, 8, 3, 5, 1, 2, 4, 1]
    assert tree.find(
        np.array([0.0, 0.99, 1.0, 2.9, 3.0, 3.5, 6.99, 7.0, 7.99])
    ).tolist() == [0, 0, 1, 1, 2, 2, 2, 3, 3]


def test_if_a_place_repeats_its_last_value_wins():
    tree = SumTree(5)
    tree.set(np.array([2, 2, 4]), np.array([7.0, 3.0, 1.0]))
    assert tree.get(np.arange(5)).tolist() == [0, 0, 3, 0, 1]
    assert tree.total == 4.0


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.integers(0, 2**31))
def test_the_tree_against_a_running_sum(capacity, seed):
    rng = np.random.default_rng(seed)
    tree, plain = SumTree(capacity), np.zeros(capacity)
    for _ in range(4):
        places = rng.integers(capacity, size=rng.integers(1, 20))
        values = rng.integers(0, 5, size=len(places)).astype(
            float
        )  # whole numbers: sums are exact
        tree.set(places, values)
        for place, value in zip(places, values, strict=True):
            plain[place] = value
    assert tree.total == plain.sum()
    if plain.sum() > 0:
        wanted = rng.random(50) * plain.sum()
        np.testing.assert_array_equal(
            tree.find(wanted), np.searchsorted(plain.cumsum(), wanted, side="right")
        )


class PlainTwin:
    """Prioritised replay with lists and loops, one draw at a time."""

    def __init__(self, capacity, config):
        self.capacity, self.config = capacity, config
        self.items, self.priorities, self.next, self.largest = [], [], 0, 1.0

    def add(self, items):
        for item in items:
            if len(self.items) < self.capacity:
                self.items.append(item)
                self.priorities.append(self.largest)
            else:
                self.items[self.next], self.priorities[self.next] = item, self.largest
            self.next = (self.next + 1) % self.capacity

    def sample(self, batches, size, rng, beta):
        total, count = sum(self.priorities), batches * size
        draws = rng.random(count)
        found = []
        for i in range(count):
            value = (i + draws[i]) / count * total
            place = 0
            while value >= self.priorities[place]:
                value -= self.priorities[place]
                place += 1
            found.append(place)
        places = rng.permutation(found)
        weights = [
            (len(self.items) * self.priorities[p] / total) ** -beta for p in places
        ]
        largest = max((len(self.items) * p / total) ** -beta for p in self.priorities)
        return [self.items[p] for p in places], places, np.array(weights) / largest

    def update(self, places, errors):
        for place, error in zip(places, errors, strict=True):
            self.priorities[place] = (
                abs(error) + self.config.smallest
            ) ** self.config.alpha
            self.largest = max(self.largest, self.priorities[place])


@pytest.mark.parametrize("seed", range(3))
def test_prioritised_replay_equals_its_twin_draw_for_draw(seed):
    config = PriorityConfig(alpha=0.7)
    memory, twin = PrioritisedReplay(13, FIELDS, config), PlainTwin(13, config)
    rng = np.random.default_rng(seed)
    same = np.random.default_rng(seed)
    numbers = np.random.default_rng(99)
    for round_ in range(12):
        items = numbers.integers(1000, size=5)
        memory.add(**transitions(items))
        twin.add(items.tolist())
        drawn = memory.sample(3, 4, rng, beta=0.5)
        items, places, weights = twin.sample(3, 4, same, 0.5)
        np.testing.assert_array_equal(drawn.places.ravel(), places)
        np.testing.assert_array_equal(drawn.data["item"].ravel(), items)
        np.testing.assert_allclose(drawn.weights.ravel(), weights, rtol=1e-5)
        errors = numbers.normal(size=12) * (round_ + 1)
        memory.update(drawn.places, errors.reshape(3, 4))
        twin.update(places, errors)


def test_uniform_replay_equals_its_twin_draw_for_draw():
    memory, kept = UniformReplay(7, FIELDS), []
    rng, same = np.random.default_rng(1), np.random.default_rng(1)
    for start in range(0, 40, 4):
        memory.add(**transitions(np.arange(start, start + 4)))
        for item in range(start, start + 4):
            kept[item % 7 : item % 7 + 1] = [item]
        drawn = memory.sample(2, 3, rng)
        expected = [kept[i] for i in same.integers(len(kept), size=(2, 3)).ravel()]
        np.testing.assert_array_equal(drawn.data["item"].ravel(), expected)
        assert drawn.data["history"].shape == (2, 3, 3)
        assert (drawn.weights == 1).all()


def test_the_oldest_is_overwritten_first():
    memory = UniformReplay(4, FIELDS)
    memory.add(**transitions([0, 1, 2]))
    assert memory.add(**transitions([3, 4])).tolist() == [3, 0]
    assert memory.data["item"].tolist() == [4, 1, 2, 3]
    assert len(memory) == 4


@pytest.mark.parametrize("kind", [UniformReplay, PrioritisedReplay])
def test_frequencies_by_chi_square(kind):
    memory = filled(kind, np.arange(8))
    expected = np.full(8, 1 / 8)
    if kind is PrioritisedReplay:
        memory.update(np.arange(8), np.arange(1.0, 9.0))
        expected = (np.arange(1.0, 9.0) + memory.config.smallest) ** 0.6
        expected /= expected.sum()
    rng = np.random.default_rng(
        0
    )  # one draw a call: slices of a large draw would be too even for the test
    places = np.concatenate(
        [memory.sample(1, 1, rng).places.ravel() for _ in range(20_000)]
    )
    assert (
        stats.chisquare(np.bincount(places, minlength=8), expected * 20_000).pvalue
        > 1e-3
    )


def test_what_has_priority_zero_is_never_drawn():
    memory = filled(PrioritisedReplay, np.arange(8))
    memory.tree.set(np.array([0, 3, 7]), np.zeros(3))
    rng = np.random.default_rng(0)
    drawn = memory.sample(100, 200, rng)
    assert set(np.unique(drawn.places)) == {1, 2, 4, 5, 6}
    assert np.isfinite(drawn.weights).all()
    edges = memory.tree.find(
        np.array([0.0, np.nextafter(memory.tree.total, 0), memory.tree.total])
    )
    assert not {0, 3, 7} & set(edges.tolist())


def test_importance_weights_correct_the_bias():
    """With beta 1 the weighted mean of draws is the plain mean of the memory."""
    memory = filled(PrioritisedReplay, np.arange(8))
    memory.update(np.arange(8), np.arange(1.0, 9.0) ** 2)
    drawn = memory.sample(400, 50, np.random.default_rng(0), beta=1.0)
    weighted = (drawn.weights * drawn.data["item"]).sum() / drawn.weights.sum()
    assert weighted == pytest.approx(3.5, abs=0.05)


def test_weights_do_not_depend_on_how_full_the_memory_is():
    """A minimum that starts at 1 is a published bug: it scales all weights."""
    small, large = (
        filled(PrioritisedReplay, np.arange(4), capacity=capacity)
        for capacity in (4, 1024)
    )
    for memory in (small, large):
        memory.update(np.arange(4), np.array([10.0, 20.0, 30.0, 40.0]))
    draws = [
        memory.sample(1, 40, np.random.default_rng(0)).weights
        for memory in (small, large)
    ]
    np.testing.assert_array_equal(*draws)
    assert draws[0].max() == 1.0


def test_new_transitions_get_the_largest_priority_once_to_the_alpha():
    """Alpha applied twice to the maximum is a published bug."""
    memory = filled(
        PrioritisedReplay, [0], config=PriorityConfig(alpha=0.5, smallest=1e-9)
    )
    memory.update(np.array([0]), np.array([16.0]))
    memory.add(**transitions([1]))
    np.testing.assert_allclose(memory.tree.get(np.arange(2)), [4.0, 4.0], rtol=1e-6)


def test_a_checkpoint_does_not_change_afterwards():
    memory = filled(UniformReplay, np.arange(4), capacity=4)
    kept = memory.state()
    memory.add(**transitions([9]))
    assert kept["data_item"].tolist() == [0, 1, 2, 3]


def test_beta_runs_on_a_straight_line():
    config = PriorityConfig(beta_start=0.4, beta_end=1.0)
    assert [config.beta(share) for share in (0.0, 0.5, 1.0, 2.0)] == pytest.approx(
        [0.4, 0.7, 1.0, 1.0]
    )


@pytest.mark.parametrize("kind", [UniformReplay, PrioritisedReplay])
def test_a_restored_memory_goes_on_bit_by_bit(kind):
    memory = filled(kind, np.arange(11) % 8, capacity=16)
    if kind is PrioritisedReplay:
        memory.update(np.arange(11), np.linspace(0, 5, 11))
    twin = kind(16, FIELDS)
    twin.restore({name: value.copy() for name, value in memory.state().items()})
    for one in (memory, twin):
        one.add(**transitions(np.arange(9)))
    a, b = (one.sample(5, 6, np.random.default_rng(3)) for one in (memory, twin))
    np.testing.assert_array_equal(a.places, b.places)
    np.testing.assert_array_equal(a.weights, b.weights)
    np.testing.assert_array_equal(a.data["history"], b.data["history"])


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: UniformReplay(0, FIELDS), "capacity is 0"),
        (
            lambda: UniformReplay(4, FIELDS).sample(1, 1, np.random.default_rng(0)),
            "empty",
        ),
        (lambda: UniformReplay(4, FIELDS).add(item=[1]), "a transition here has"),
        (
            lambda: UniformReplay(2, FIELDS).add(**transitions([1, 2, 3])),
            "exceed the capacity",
        ),
        (
            lambda: UniformReplay(4, FIELDS).add(
                **{**transitions([1, 2]), "item": [7]}
            ),
            "do not belong to the same",
        ),
        (
            lambda: filled(PrioritisedReplay, [1]).update(np.array([3]), [1.0]),
            "place 3 is empty",
        ),
        (
            lambda: UniformReplay(8, FIELDS).restore(UniformReplay(4, FIELDS).state()),
            "make them equal",
        ),
        (lambda: PriorityConfig(alpha=2.0), "alpha is 2"),
        (lambda: PriorityConfig(smallest=0.0), "smallest is 0"),
        (lambda: SumTree(3).set(np.array([3]), [1.0]), "0..2"),
        (lambda: SumTree(3).set(np.array([1]), [-1.0]), ">= 0"),
        (lambda: SumTree(3).set(np.array([1]), [np.nan]), ">= 0"),
        (lambda: SumTree(3).find(np.array([0.0])), "nothing to draw"),
        (
            lambda: filled(PrioritisedReplay, [1]).update(np.array([0]), [np.nan]),
            "diverged",
        ),
        (
            lambda: filled(PrioritisedReplay, [1, 2]).update(
                np.array([[0, 1], [1, 0]]), [1.0, 2.0]
            ),
            "shapes must agree",
        ),
        (
            lambda: PrioritisedReplay(4, FIELDS).sample(1, 1, np.random.default_rng(0)),
            "empty",
        ),
    ],
)
def test_mistakes_are_named(act, words):
    with pytest.raises(ConfigError, match=words):
        act()
