"""Lesson 06: folding in by hand, the four states by the library, the widgets."""

import lab06_who_listens as lab_module
import numpy as np
import pytest
from lab06_who_listens import moved, newcomer
from lesson_checks import assert_no_tensorflow, assert_nothing_is_cut_off


def test_folding_in_by_hand():
    vector, bias = lab_module.fold_in([[1.0]], [1.5], ridge=0.5)
    np.testing.assert_allclose([vector[0], bias], [0.6, 0.6])
    vector, bias = lab_module.fold_in(
        [[1.0], [-1.0], [1.0]], [1.5, -0.5, 1.5], ridge=0.5
    )
    np.testing.assert_allclose([vector[0], bias], [13.25 / 19.25, 7.75 / 19.25])


def test_nobody_known_is_the_middle_of_the_map():
    result = newcomer(0, 0, 0, 0.2)
    assert result.path.tolist() == [[0.0, 0.0]]
    np.testing.assert_allclose(result.stars, lab_module.MEAN)


def test_a_rating_pulls_toward_the_song_or_away_and_the_ridge_holds_back():
    def end(*ratings, ridge=0.2):
        return newcomer(*ratings, ridge).path[-1]

    assert end(5, 0, 0)[0] > 0 > end(2, 0, 0)[0]
    weak, middle, strong = (end(5, 2, 4, ridge=ridge) for ridge in (0.02, 0.2, 1.0))
    assert np.linalg.norm(weak) > np.linalg.norm(middle) > np.linalg.norm(strong)


def test_the_order_of_the_given_ratings_is_the_path():
    path = newcomer(5, 0, 4, 0.2).path
    assert path.shape == (3, 2)
    np.testing.assert_allclose(path[1], newcomer(5, 0, 0, 0.2).path[-1])


@pytest.mark.parametrize("weights", [None, [0.5, 3.0, -1.0]])
def test_states_are_the_librarys(weights):
    tf = pytest.importorskip("tensorflow")
    from rlrec.agents.ddpg_states import STATES, make_state

    rng = np.random.default_rng(0)
    user = rng.normal(size=4)
    items = rng.normal(size=(3, 4))
    found = lab_module.numpy_states(user, items, weights)
    assert list(found) == list(STATES)
    for name, ours in found.items():
        state = make_state(name, 4, 3)
        state.position_weights.assign([1.0, 1.0, 1.0] if weights is None else weights)
        theirs = state(
            tf.constant(user[None], tf.float32),
            tf.constant(items[None], tf.float32),
            tf.ones((1, 3)),
        )
        assert ours.shape == (state.width,)
        np.testing.assert_allclose(ours, theirs.numpy()[0], atol=1e-5)


def test_states_share_no_memory_with_the_history():
    items = np.ones((2, 2))
    state = lab_module.numpy_states([1.0, 1.0], items)["drr-n"]
    items[0] = 9.0
    assert state.tolist() == [1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("order", ["last two swapped", "last one first", "backwards"])
def test_an_average_with_equal_weights_is_blind_to_order_and_the_others_are_not(order):
    result = moved(order, 1.0, exchanged=False, listener="Lena")
    assert result.share("drr-ave") == pytest.approx(0.0, abs=1e-12)
    assert min(map(result.share, ("drr-n", "drr-p", "drr-u"))) > 0.5
    weighted = moved(order, 0.6, exchanged=False, listener="Lena")
    assert weighted.share("drr-ave") > 0.1


def test_who_listens_is_seen_by_two_states_only_and_what_was_heard_by_all():
    other = moved("as heard", 1.0, exchanged=False, listener="Noor")
    assert other.share("drr-n") == other.share("drr-p") == 0.0
    assert min(other.share("drr-u"), other.share("drr-ave")) > 0.5
    exchanged = moved("as heard", 1.0, exchanged=True, listener="Lena")
    assert min(map(exchanged.share, exchanged.before)) > 0.2
    assert exchanged.titles[0] == "Winter Signal"


@pytest.mark.parametrize(
    ("make", "name", "state"),
    [
        ("newcomer_lab", "first", {"value": 1}),
        ("newcomer_lab", "second", {"value": 5}),
        ("newcomer_lab", "third", {"value": 5}),
        ("newcomer_lab", "ridge", {"value": 1.0}),
        ("states_lab", "order", {"index": 1}),
        ("states_lab", "recency", {"value": 0.3}),
        ("states_lab", "exchanged", {"value": True}),
        ("states_lab", "listener", {"index": 1}),
    ],
)
def test_a_control_changes_text_and_picture(make, name, state):
    lab = getattr(lab_module, make)()
    before = lab.line.value, lab.picture.value
    lab.controls[name].set_state(state)
    assert lab.line.value != before[0]
    assert lab.picture.value != before[1]


def test_text_says_what_the_result_holds():
    lab = lab_module.newcomer_lab()
    assert "loud <b>0.67</b>" in lab.line.value
    lab.set(first=0)
    assert "nothing known" in lab.line.value
    lab = lab_module.states_lab()
    lab.set(order="backwards")
    assert "drr-ave <b>0%</b>" in lab.line.value


@pytest.mark.parametrize(
    ("draw", "result", "size"),
    [
        (lab_module.draw_newcomer, newcomer(5, 1, 5, 0.02), (9.0, 3.4)),
        (lab_module.draw_newcomer, newcomer(1, 5, 1, 0.02), (9.0, 3.4)),
        (
            lab_module.draw_moved,
            moved("backwards", 0.3, exchanged=True, listener="Noor"),
            (9.0, 4.2),
        ),
    ],
)
def test_nothing_is_cut_off(draw, result, size):
    assert_nothing_is_cut_off(draw, result, size)


def test_the_lab_and_its_picture_load_no_tensorflow():
    assert_no_tensorflow(
        "import lab06_who_listens as lab; from matplotlib.figure import Figure; "
        "lab.draw_who(Figure(figsize=(9.6, 3.6)))"
    )
