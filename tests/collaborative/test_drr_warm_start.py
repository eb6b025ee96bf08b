"""The supervised start: its loss by hand, its draws, learning, copies as targets."""

from dataclasses import fields, replace

import numpy as np
import pytest
from ratings_samples import RATINGS, made

from rlrec.agents.ddpg import DDPG, DDPGConfig
from rlrec.collaborative.drr_warm_start import (
    Questions,
    WarmStartConfig,
    contrast_loss,
    likelihood_loss,
    scores_from_known,
    warm_start,
)
from rlrec.collaborative.embeddings import cocount_vectors
from rlrec.collaborative.recommenders import rating_matrix
from rlrec.datasets.matrices import earlier_and_later
from rlrec.errors import ConfigError, DataError
from rlrec.nn.backend import tf

VECTORS = cocount_vectors(RATINGS, 6)
SHORT = WarmStartConfig(updates=3, batch_size=8, drawn=3)
KNOWN, LATER = earlier_and_later(RATINGS, 0.5)


def agent_of(**settings):
    return DDPG(VECTORS, None, DDPGConfig(hidden=(8,), **settings), history=4)


def test_losses_by_hand():
    """Logits (ln 2, 0, 0): probabilities (.5, .25, .25); without item 2: (2/3, 1/3)."""
    actions, vectors = (
        tf.constant([[np.log(2.0)]], tf.float32),
        tf.constant([[1.0], [0.0], [0.0]]),
    )
    items = tf.constant([[0, 2, -1]])
    both = likelihood_loss(actions, vectors, items, tf.constant([[True, True, False]]))
    assert float(both) == pytest.approx(-(np.log(0.5) + np.log(0.25)) / 2)
    assert float(
        contrast_loss(actions, vectors, items, tf.constant([[True, False, False]]))
    ) == pytest.approx(-np.log(2 / 3))


def test_questions_keep_before_and_after_apart():
    ratings = made(
        [0] * 6 + [1] * 3 + [2] * 4,
        [5, 4, 3, 2, 1, 0, 0, 1, 2, 3, 4, 5, 1],
        [5, 5, 1, 4, 1, 5, 5, 1, 1] + [4] * 4,
    )
    known, later = earlier_and_later(ratings, first=3)
    for contrast, drawn in (
        ("catalogue", {0: {0, 2}, 2: {1}}),
        ("rated", {0: {0, 1, 2}}),
    ):
        config = WarmStartConfig(contrast=contrast)
        users, history, items, liked = Questions(known, later, 3, config).draw(
            200, np.random.default_rng(0)
        )
        assert set(users) == set(
            drawn
        )  # user 1 liked nothing afterwards; all of user 2's later items are liked
        for user, before, after, good in zip(users, history, items, liked, strict=True):
            assert before.tolist() == ([-1, 5, 4] if user == 0 else [3, 4, 5])
            assert set(after[after >= 0]) == drawn[user]
            assert set(after[good]) == ({0, 2} if user == 0 else {1})


def test_a_question_always_holds_something_liked():
    known = made([0], [0], [5], n_items=40)
    later = made([0] * 30, list(range(1, 31)), [1] * 29 + [5], n_items=40)
    config = WarmStartConfig(contrast="rated", drawn=2)
    _, _, items, liked = Questions(known, later, 3, config).draw(
        50, np.random.default_rng(0)
    )
    assert liked.sum(axis=1).tolist() == [1] * 50
    assert (items[liked] == 30).all()


@pytest.mark.parametrize("residual", ["none", "history"])
def test_the_loss_falls_and_targets_are_copies(residual):
    agent = agent_of(residual=residual)
    losses = warm_start(
        agent, KNOWN, LATER, WarmStartConfig(updates=150, batch_size=32), seed=0
    )
    assert losses[-20:].mean() < losses[:20].mean() - 0.05
    for online, target in zip(
        agent.learner.online.variables, agent.learner.target.variables, strict=True
    ):
        np.testing.assert_array_equal(online.numpy(), target.numpy())


def test_a_residual_actor_starts_as_the_sum_of_the_history():
    history = np.array([[-1, 3, 7, 9]])
    found = agent_of(residual="history").scores(np.array([-1]), history)
    base = VECTORS[[3, 7, 9]].sum(axis=0)
    np.testing.assert_allclose(
        found[0], VECTORS @ base / np.linalg.norm(base), rtol=1e-4, atol=1e-5
    )


def test_scores_from_known_reads_the_last_liked_in_time():
    agent, known = agent_of(), rating_matrix(RATINGS)
    row = known[2]
    liked = row.indices[row.data >= 4.0][-4:]
    history = np.array([[*[-1] * (4 - len(liked)), *liked]])
    np.testing.assert_allclose(
        scores_from_known(agent, known)[2],
        agent.scores(np.array([-1]), history)[0],
        rtol=1e-4,
        atol=1e-5,
    )


CHANGES = {
    "updates": 2,
    "batch_size": 4,
    "learning_rate": 0.1,
    "drawn": 1,
    "contrast": "rated",
    "sharpness": 1.0,
    "positive": 3.0,
}


@pytest.mark.parametrize("name", [field.name for field in fields(WarmStartConfig)])
def test_each_hyperparameter_is_read(name):
    one, other = (
        warm_start(agent_of(compiled=False), KNOWN, LATER, config, seed=0)
        for config in (SHORT, replace(SHORT, **{name: CHANGES[name]}))
    )
    assert one.shape != other.shape or (one != other).any()


def test_nothing_to_learn_from():
    known, later = (
        made([0, 1], [0, 1], [5, 5], n_items=40),
        made([0, 1], [2, 3], [1, 1], n_items=40),
    )
    with pytest.raises(DataError, match="nobody liked something"):
        warm_start(agent_of(), known, later, SHORT)
    with pytest.raises(ConfigError, match="contrast"):
        WarmStartConfig(contrast="all")


def test_the_start_of_a_residual_agent_is_what_actor_and_critics_set_out_from():
    agent = agent_of(residual="history")
    history, nobody = np.array([[-1, 3, 7, 9]]), np.array([-1])
    warm_start(
        agent,
        KNOWN,
        LATER,
        WarmStartConfig(updates=60, batch_size=32, learning_rate=1e-2),
        seed=0,
    )
    net, view = (
        agent.learner.online,
        agent.learner.view(nobody, history.astype(np.int32)),
    )
    states, base = net.states(*view), net.base(*view)
    np.testing.assert_allclose(
        agent.propose(nobody, history), base, rtol=1e-4, atol=1e-5
    )  # length 1, as the history
    scores = agent.scores(nobody, history)[0]
    values = [
        float(net.value(0, states, base, agent.item_vectors[[item]])[0])
        for item in range(agent.n_items)
    ]
    assert np.corrcoef(scores, values)[0, 1] > 0.9
