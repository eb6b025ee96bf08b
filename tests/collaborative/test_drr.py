"""DRR from training interactions to a scorer.

What an episode knows, no leak, save and resume bit-identically.
"""

from dataclasses import fields, replace

import numpy as np
import pytest
from ratings_samples import RATINGS, made

from rlrec.collaborative.drr import DRR
from rlrec.collaborative.drr_config import DRR_SETTINGS, DRRConfig
from rlrec.collaborative.drr_environment import cut, make_environment
from rlrec.datasets.matrices import earlier_and_later, interaction_keys, rating_matrix
from rlrec.envs.ratings import RatingsBatch
from rlrec.errors import ConfigError
from rlrec.evaluation import check_no_leak, rerank, split_rerank

SPLIT = split_rerank(RATINGS)
SMALL = replace(
    DRR_SETTINGS,
    hidden=(8,),
    updates=4,
    batch_size=8,
    learning_starts=20,
    compiled=False,
    # stars of this world are normal around 3: rewards lie beyond [-1, 1]
    reward_low=-5.0,
    reward_high=5.0,
)
CONFIG = DRRConfig(dimensions=30, warm_updates=3)


def made_drr(config=CONFIG, seed=0):
    return DRR.make(SPLIT.train, config, SMALL, seed)


def test_an_episode_is_the_question():
    """User 0 rated items 0 to 9 in order.

    Of the first seven the liked ones are known, the last three are asked for.
    """
    ratings = made([0] * 10, list(range(10)), [5, 1, 5, 5, 1, 5, 1, 5, 1, 5])
    env = make_environment(ratings, DRRConfig(history=3), num_envs=1)
    observation, _ = env.reset(seed=0)
    assert observation["history"].tolist() == [[2, 3, 5]]
    assert np.flatnonzero(env.allowed()[0]).tolist() == [7, 8, 9]


def test_for_the_catalogue_ten_are_known_and_none_of_them_comes_back():
    ratings = made([0] * 12, list(range(12)), [5] * 12, n_items=15)
    env = make_environment(ratings, DRRConfig(goal="catalogue"), num_envs=1)
    assert env.reset(seed=0)[0]["history"].tolist() == [[5, 6, 7, 8, 9]]
    assert np.flatnonzero(env.allowed()[0]).tolist() == [10, 11, 12, 13, 14]


def test_vectors_of_training_users_have_not_seen_what_episodes_ask_for():
    drr = made_drr()
    known, rest = cut(SPLIT.train, CONFIG)
    expected = drr.vectors.users(rating_matrix(known))
    np.testing.assert_allclose(
        drr.agent.user_vectors, expected * drr.agent.user_scale, rtol=1e-5, atol=1e-6
    )
    assert not np.isin(interaction_keys(known), interaction_keys(rest)).any()


def test_it_starts_as_its_vectors_and_passes_the_leak_check():
    drr = made_drr(replace(CONFIG, warm_updates=0))
    assert check_no_leak(drr, SPLIT)
    alone = rerank(
        SPLIT, lambda users, known: drr.vectors.users(known) @ drr.vectors.items.T, 5
    )
    np.testing.assert_array_equal(rerank(SPLIT, drr, 5).recommended, alone.recommended)
    with pytest.raises(ConfigError, match="leak"):
        rerank(SPLIT, DRR.make(RATINGS, CONFIG, SMALL, 0), 5)


def test_recommends_nothing_that_is_known():
    known = rating_matrix(SPLIT.known)[:8]
    found = made_drr().recommend(known, 5)
    assert found.shape == (8, 5)
    assert not any(
        np.isin(row, known[user].indices).any() for user, row in enumerate(found)
    )


def test_resumed_from_a_file_it_ends_with_the_same_bits(tmp_path):
    def train(drr, env, rounds):
        drr.agent.train(env, rounds * 4)
        return drr.agent.state()

    whole = made_drr()
    whole.warm_start(SPLIT.train, 0)
    env = whole.environment(SPLIT.train, 4)
    train(whole, env, 10)
    whole.save(tmp_path)
    expected = train(whole, env, 10)
    env = make_environment(SPLIT.train, CONFIG, 4)
    again = DRR.load(tmp_path, env)
    found = train(again, env, 10)
    assert again.config == CONFIG
    assert set(found) == set(expected)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    known = rating_matrix(SPLIT.known)
    np.testing.assert_array_equal(again([], known), whole([], known))


CHANGES = {
    "goal": "catalogue",
    "vectors": "cocount",
    "dimensions": 25,
    "history": 3,
    "known_share": 0.5,
    "length": 2,
}


@pytest.mark.parametrize("name", [field.name for field in fields(DRRConfig)])
def test_each_hyperparameter_is_read(name):
    config = replace(CONFIG, warm_updates=0, vectors="hybrid")
    known, told = rating_matrix(SPLIT.known), []
    for each in (config, replace(config, **{name: CHANGES.get(name, 40)})):
        drr = DRR.make(SPLIT.train, each, SMALL, 0)
        drr.warm_start(SPLIT.train, 0)
        drr.agent.train(drr.environment(SPLIT.train, 4), 80)
        told.append(drr([], known))
    assert (told[0] != told[1]).any()


def test_refusals():
    for changes in (
        {"goal": "all"},
        {"vectors": "svd"},
        {"known_share": 1.0},
        {"dimensions": 1},
    ):
        with pytest.raises(ConfigError):
            replace(CONFIG, **changes)
    catalogue = DRRConfig(goal="catalogue")
    assert [
        config.start
        for config in (DRRConfig(), catalogue, replace(catalogue, warm_updates=0))
    ] == [0, 1_000, 0]


def test_known_ratings_need_others_to_ask_for():
    known, rest = earlier_and_later(made([0, 0, 1], [0, 1, 2], [5, 5, 5]), first=1)
    env = RatingsBatch(4, rest, known=known)
    assert set(env.reset(seed=0)[0]["user"][:, 0]) == {0}
