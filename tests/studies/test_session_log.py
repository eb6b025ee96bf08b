"""Collaborative contestants: scores by hand, their logs, sessions folded in."""

from dataclasses import fields
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from rlrec.collaborative.recommenders import (
    EASE,
    BiasedMF,
    EASEConfig,
    ItemKNN,
    PopularityByCount,
)
from rlrec.datasets.matrices import interaction_keys
from rlrec.envs import Catalogue, ListeningBatch, default_catalogue
from rlrec.errors import ConfigError
from rlrec.evaluation import play
from rlrec.studies import contestants
from rlrec.studies import report as study_report
from rlrec.studies.plan import FIRST, TRAINING, WORLD
from rlrec.studies.session_log import (
    HEARD,
    LIKED,
    SKIPPED,
    SessionCollaborative,
    known_ratings,
)
from rlrec.studies.study import run_cell

KINDS = ("item-knn", "ease", "biases-ease", "mf")
A, B, C = range(3)
HAND = [  # session, song, rating
    (0, A, HEARD),
    (0, B, HEARD),
    (1, A, HEARD),
    (1, B, LIKED),
    (1, C, SKIPPED),
    (2, A, SKIPPED),
    (2, C, HEARD),
    (2, A, HEARD),  # A twice: the last time counts
]


def listening(*sessions, candidates=(C, B, A)):
    """Observations of listeners who have had these (song, rating), oldest first."""
    history = np.full((len(sessions), 4), -1)
    feedback = np.zeros((len(sessions), 4, 3))
    for row, session in enumerate(sessions):
        for place, (song, rating) in enumerate(session, start=4 - len(session)):
            history[row, place] = song
            feedback[row, place] = (1.0, rating == LIKED, rating == SKIPPED)
    seen = {
        "history": history,
        "feedback": feedback,
        "position": (history >= 0).sum(axis=1)[:, None],
    }
    if candidates:
        seen["candidates"] = np.tile(candidates, (len(sessions), 1))
    return seen


def by_hand(model, log=HAND):
    agent = SessionCollaborative(
        SimpleNamespace(appeal=np.zeros(3)), model, np.random.default_rng(0)
    )
    agent.plays = [
        np.array([[0], [session], [0], [song], [rating]], np.int64)
        for session, song, rating in log
    ]
    agent.fit()
    return agent


def trained(kind="item-knn", steps=640, seed=0, **settings):
    env = world()
    agent = contestants.make_contestant(kind, settings, env, seed, steps)
    agent.train(env, steps, seed=TRAINING)
    return agent


@cache
def few_songs():
    """The first 100 songs of the catalogue: quickly fitted, and often heard."""
    return Catalogue(
        **{
            one.name: getattr(default_catalogue(), one.name)[:100]
            for one in fields(Catalogue)
        }
    )


def world(listeners=32):
    return ListeningBatch(
        listeners, "candidate", "ids", catalogue=few_songs(), history=20
    )


# -- by hand ---------------------------------------------------------------------------
def test_item_knn_by_hand():
    """A heard by 3, B by 2, C by 1; A and B by 2, A and C by 1.

    Similarities: A and B 2 / sqrt(6), A and C 1 / sqrt(3), B and C 0.
    """
    agent = by_hand(ItemKNN())
    after = listening([(A, HEARD)], [(C, LIKED)], [(A, HEARD), (B, LIKED)])
    scores = agent.model.scores(known_ratings(after, 3))
    assert scores[0] == pytest.approx([0.0, 2 / 6**0.5, 1 / 3**0.5])
    assert scores[1] == pytest.approx([1 / 3**0.5, 0.0, 0.0])
    assert agent.recommend(after, 3).tolist() == [[B, C, A], [A, B, C], [A, B, C]]


def test_ease_by_hand():
    """G + I = [[4, 2, 1], [2, 3, 0], [1, 0, 2]].

    13 times its inverse is [[6, -4, -3], [-4, 7, 2], [-3, 2, 8]].
    """
    agent = by_hand(EASE(EASEConfig(regularisation=1.0)))
    after = listening([(A, HEARD)], [(B, LIKED)], [(B, SKIPPED), (C, HEARD)])
    wanted = [[0.0, 4 / 7, 3 / 8], [4 / 6, 0.0, -2 / 8], [3 / 6, -2 / 7, 0.0]]
    scores = agent.model.scores(known_ratings(after, 3))
    assert scores == pytest.approx(np.array(wanted))
    assert agent.recommend(after, 3).tolist() == [[B, C, A], [A, B, C], [A, C, B]]


def test_who_has_heard_nothing_gets_what_was_heard_most():
    after = listening([], [(A, SKIPPED)], candidates=(C, A, B))
    assert by_hand(ItemKNN()).recommend(after, 3).tolist() == [[A, B, C], [A, B, C]]


def test_the_last_time_a_song_was_played_counts():
    known = known_ratings(
        listening([(A, HEARD), (B, LIKED), (A, SKIPPED)], [(C, LIKED)]), 3
    )
    assert known.toarray().tolist() == [[SKIPPED, LIKED, 0.0], [0.0, 0.0, LIKED]]


def test_the_log_as_ratings():
    ratings = by_hand(ItemKNN()).ratings()
    assert ratings.users.tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert ratings.items.tolist() == [A, B, A, B, C, C, A]
    assert ratings.ratings.tolist() == [
        HEARD,
        HEARD,
        HEARD,
        LIKED,
        SKIPPED,
        HEARD,
        HEARD,
    ]
    assert ratings.user_ids.tolist() == ["0/0/0", "1/0/0", "2/0/0"]


def test_of_the_whole_catalogue_what_has_played_is_left_out():
    after = listening([(A, HEARD)], candidates=())
    assert by_hand(ItemKNN()).recommend(after, 2).tolist() == [[B, C]]


# -- what it learns from ---------------------------------------------------------------
def test_the_budget_is_what_is_played():
    env, played = world(), []
    step = env.step
    env.step = lambda actions: played.append(int((~env.over).sum())) or step(actions)
    agent = contestants.make_contestant("item-knn", {}, env, 0, 640)
    agent.train(env, 640, seed=TRAINING)
    assert len(played) * env.num_envs == 640
    assert (
        sum(one.shape[1] for one in agent.plays) == sum(played) < 640
    )  # a row that begins anew plays nothing


def test_what_it_was_fitted_on_are_sessions_of_training_listeners():
    made = []

    def factory(env, seed):
        made.append(contestants.make_contestant("ease", {}, env, seed, 640))
        return made[-1]

    job = {
        "agent": "it",
        "kind": "ease",
        "settings": {},
        "world": WORLD,
        "seed": 1,
        "steps": 640,
    }
    run_cell(job | {"curve": [320, 640], "listeners": 5, "first": FIRST}, factory)
    log = made[0].ratings()
    listeners = {int(name.split("/")[0]) for name in log.user_ids}
    first = TRAINING + 10_000
    assert listeners == {*range(first, first + 32), *range(first + 100, first + 132)}
    assert made[0].model.fitted_on.tolist() == interaction_keys(log).tolist()


def test_two_trainings_are_one_with_more_data():
    agent, env = trained(steps=320), world()
    first = agent.ratings()
    agent.train(env, 320, seed=TRAINING + 100)
    log = agent.ratings()
    assert set(agent.model.fitted_on) > set(interaction_keys(first))
    assert (agent.model.weights == ItemKNN().fit(log).weights).all()
    assert (agent.heard == PopularityByCount().fit(log).item_scores).all()
    assert log.n_users > first.n_users
    users = log.n_users
    agent.train(
        env, 320, seed=TRAINING + 100
    )  # the same listeners again are other sessions
    assert agent.ratings().n_users > users


def test_ratings_are_reactions():
    agent = trained()
    *_, songs, rated = np.concatenate(agent.plays, axis=1)
    assert set(rated) == {1, 4, 5}
    assert len(set(songs)) > 90  # of 100, in some 600 plays by chance


def test_a_share_of_the_log_may_be_popular():
    appeal = world().catalogue.appeal
    means = []
    for share in (0.0, 0.5, 1.0):
        songs = np.concatenate(trained(popular=share).plays, axis=1)[3]
        means.append(appeal[songs].mean())
    assert means == sorted(means)
    assert means[2] > means[0] + 0.5
    with pytest.raises(ConfigError, match="popular"):
        trained(popular=1.5)


# -- as a contestant -------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_each_uses_this_listeners_session_and_gives_the_same_again(kind):
    agent = trained(kind)
    log = agent.ratings()
    sessions = []
    for user in (0, 1):
        songs = log.items[log.users == user]
        sessions.append([(song, HEARD) for song in songs[:4]])
    after = listening(*sessions, candidates=range(100))
    lists = agent.recommend(after, 100)
    assert lists[0].tolist() != lists[1].tolist()
    assert sorted(lists[0]) == sorted(lists[1]) == list(range(100))
    assert (trained(kind).recommend(after, 100) == lists).all()
    assert (trained(kind, seed=1).recommend(after, 100) != lists).any()
    assert kind in study_report.BASELINES


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("item-knn", {"neighbours": 1}),
        ("item-knn", {"shrinkage": 9.0}),
        ("ease", {"regularisation": 1.0}),
        ("ease", {"positive": 5.0}),
        ("biases-ease", {"positive": 5.0}),
        ("biases-ease", {"weight": 50.0}),
        ("biases-ease", {"regularisation": 0.1}),
        ("biases-ease", {"item_shrinkage": 50.0}),
        ("mf", {"factors": 2}),
    ],
)
def test_settings_are_read(kind, settings):
    default = trained(kind)
    session = [(song, HEARD) for song in np.argsort(-default.heard)[:4]]
    known = known_ratings(listening(session), 100)
    assert settings.keys() <= contestants.setting_names(kind)
    scores = trained(kind, **settings).model.scores(known)
    assert (default.model.scores(known) != scores).any()


def test_before_training_it_says_so():
    agent = SessionCollaborative(
        world().catalogue, BiasedMF(), np.random.default_rng(0)
    )
    with pytest.raises(ConfigError, match="fit it first"):
        agent.recommend(world().reset(seed=0)[0])


def test_with_few_songs_and_many_plays_it_learns_the_taste():
    """100 songs, 200,000 plays, listeners who never tire: clearly above random.

    With 1,000,000 plays it is above popularity.
    """
    dials = {"taste_strength": 2.5, "long_term_effect": 0.0}
    songs = few_songs()
    env = ListeningBatch(1000, "candidate", "ids", catalogue=songs, history=20, **dials)
    baseline = contestants.make_contestant("random", {}, env, 0, 0)
    ease = contestants.make_contestant("ease", {}, env, 0, 0)
    ease.train(env, 200_000, seed=TRAINING)
    gain = play(env, ease, seed=1_000_000).heard()
    gain -= play(env, baseline, seed=1_000_000).heard()
    assert gain.mean() > 0.25
