"""The supervised start: its loss by hand, its moments, that it learns, that targets are copies afterwards."""

from dataclasses import fields, replace

import numpy as np
import pytest
from ratings_samples import RATINGS, made

from rlrec.agents.collaborative import rating_matrix
from rlrec.agents.ddpg import DDPG, DDPGConfig
from rlrec.agents.warm_start import Moments, WarmStartConfig, likelihood_loss, scores_from_known, warm_start
from rlrec.errors import DataError
from rlrec.nn.backend import tf
from rlrec.nn.embeddings import cocount_vectors

VECTORS = cocount_vectors(RATINGS, 6)
SHORT = WarmStartConfig(updates=3, batch_size=8, positives=3)


def agent_of(**settings):
    return DDPG(VECTORS, None, DDPGConfig(hidden=(8,), **settings), history=4)


def test_loss_by_hand():
    """Logits (ln 2, 0, 0): chances (.5, .25, .25); later items 0 and 2: -(ln .5 + ln .25) / 2."""
    actions, items = tf.constant([[np.log(2.0)]], tf.float32), tf.constant([[1.0], [0.0], [0.0]])
    loss = likelihood_loss(actions, items, tf.constant([[0, 2, -1]]))
    assert float(loss) == pytest.approx(-(np.log(0.5) + np.log(0.25)) / 2)


def test_moments_keep_before_and_after_apart():
    ratings = made([0] * 6 + [1] * 3, [5, 4, 3, 2, 1, 0, 0, 1, 2], [5, 5, 1, 4, 4, 5, 5, 1, 1])
    users, history, later = Moments(ratings, 3, WarmStartConfig(positives=10)).draw(200, np.random.default_rng(0))
    order = [5, 4, 2, 1, 0]  # what user 0 liked, in time
    assert set(users) == {0}  # user 1 liked one item alone
    for before, after in zip(history, later, strict=True):
        at = len(order) - (after >= 0).sum()
        assert before[before >= 0].tolist() == order[:at][-3:]
        assert sorted(after[after >= 0]) == sorted(order[at:])
    assert (history[:, -1] >= 0).all()


@pytest.mark.parametrize("residual", ["none", "history"])
def test_the_loss_falls_and_targets_are_copies(residual):
    agent = agent_of(residual=residual)
    losses = warm_start(agent, RATINGS, WarmStartConfig(updates=150, batch_size=32), seed=0)
    assert losses[-20:].mean() < losses[:20].mean() - 0.05
    for online, target in zip(agent.learner.online.variables, agent.learner.target.variables, strict=True):
        np.testing.assert_array_equal(online.numpy(), target.numpy())


def test_a_residual_actor_starts_as_the_sum_of_the_history():
    history = np.array([[-1, 3, 7, 9]])
    found = agent_of(residual="history").scores(np.array([-1]), history)
    base = VECTORS[[3, 7, 9]].sum(axis=0)
    np.testing.assert_allclose(found[0], VECTORS @ base / np.linalg.norm(base), rtol=1e-4, atol=1e-5)


def test_scores_from_known_reads_the_last_liked_in_time():
    agent, known = agent_of(), rating_matrix(RATINGS)
    row = known[2]
    liked = row.indices[row.data >= 4.0][-4:]
    history = np.array([[*[-1] * (4 - len(liked)), *liked]])
    np.testing.assert_allclose(
        scores_from_known(agent, known)[2], agent.scores(np.array([-1]), history)[0], rtol=1e-4, atol=1e-5
    )


CHANGES = {"updates": 2, "batch_size": 4, "learning_rate": 0.1, "positives": 1, "sharpness": 1.0, "positive": 3.0}


@pytest.mark.parametrize("name", [field.name for field in fields(WarmStartConfig)])
def test_each_hyperparameter_is_read(name):
    one, other = (
        warm_start(agent_of(compiled=False), RATINGS, config, seed=0)
        for config in (SHORT, replace(SHORT, **{name: CHANGES[name]}))
    )
    assert one.shape != other.shape or (one != other).any()


def test_nothing_to_learn_from():
    with pytest.raises(DataError, match="nobody liked two items"):
        warm_start(agent_of(), made([0, 1], [0, 1], [5, 5], n_items=40), SHORT)
