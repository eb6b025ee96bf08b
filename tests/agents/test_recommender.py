"""Unknown ids in what is observed: a sentence, whoever recommends."""

import numpy as np
import pytest

from rlrec.agents.bandits import BestConstantList, LinUCB
from rlrec.agents.baselines import (
    GreedyListening,
    PopularityPolicy,
    RandomPolicy,
    TablePolicy,
    VariedListening,
)
from rlrec.agents.ddpg import DDPG
from rlrec.agents.dqn import DQN
from rlrec.agents.ppo import PPO, PPOConfig
from rlrec.agents.recommender import best_first, best_unplayed, offered
from rlrec.envs import default_catalogue
from rlrec.envs.view import ListeningView
from rlrec.errors import ConfigError, require_ids
from rlrec.studies.session_log import known_ratings

CATALOGUE = default_catalogue()
SONGS = len(CATALOGUE)
VIEW = ListeningView(CATALOGUE.sound)
ASKED = {
    "random": RandomPolicy(SONGS, np.random.default_rng(0)).recommend,
    "popularity": PopularityPolicy(CATALOGUE.appeal).recommend,
    "greedy": GreedyListening(CATALOGUE).recommend,
    "varied": VariedListening(CATALOGUE).recommend,
    "linucb": LinUCB(CATALOGUE.sound).recommend,
    "constant": BestConstantList(SONGS).recommend,
    "view": VIEW,
    "dqn": DQN(CATALOGUE.sound, VIEW.width, view=VIEW).recommend,
    "ddpg": DDPG(CATALOGUE.sound, history=4).recommend,
    "ppo": PPO(CATALOGUE.sound, PPOConfig(action="neighbours")).recommend,
    "ppo's candidates": PPO(
        CATALOGUE.sound, PPOConfig(action="neighbours")
    ).probabilities,
    "ppo's vector": PPO(CATALOGUE.sound, PPOConfig(action="vector")).recommend,
    "session log": lambda seen: known_ratings(seen, SONGS),
}


def observed(song, **parts):
    return {
        "history": np.array([[-1, -1, 3, song]]),
        "feedback": np.zeros((1, 4, 3), np.float32),
        "position": np.array([[2]]),
        **parts,
    }


@pytest.mark.parametrize("song", [SONGS, 2**32 + 1, -2])
@pytest.mark.parametrize("name", ASKED)
def test_an_unknown_song_of_the_history_is_named(name, song):
    """As 32 bits 2**32 + 1 is song 1; -2 would count from the end."""
    ASKED[name](observed(7))
    with pytest.raises(ConfigError, match=f"history holds {song}"):
        ASKED[name](observed(song))


@pytest.mark.parametrize("song", [SONGS, 2**32 + 1, -1])
@pytest.mark.parametrize(
    "name", ["random", "popularity", "greedy", "linucb", "constant", "dqn", "ddpg"]
)
def test_an_unknown_candidate_is_named(name, song):
    ASKED[name](observed(7, candidates=np.array([[4, 9]])))
    with pytest.raises(ConfigError, match=f"candidates holds {song}"):
        ASKED[name](observed(7, candidates=np.array([[4, song]])))


def test_unknown_ids_elsewhere_are_named():
    users = np.zeros((3, 5))
    ddpg = DDPG(CATALOGUE.sound, users, history=1)
    song = np.array([[2**32 + 1]])
    dqn = DQN(np.eye(5), 5)
    for call, words in (
        (lambda: ddpg.scores(np.array([0]), song), "history holds 4294967297"),
        (lambda: ddpg.scores(np.array([3]), song * 0), "users holds 3"),
        (lambda: ddpg.scores(np.array([2**32]), song * 0), "users holds 42949"),
        (
            lambda: dqn.update([1], [2**32 + 1], [0.0], [1], [False]),
            "items holds 42949",
        ),
        (lambda: TablePolicy(np.eye(5)).recommend([5]), "states holds 5"),
        (lambda: require_ids("history", [0.5], 3), "float64; need whole numbers"),
    ):
        with pytest.raises(ConfigError, match=words):
            call()
    assert offered(observed(7), 9).all()


def test_the_best_come_first_and_what_has_played_not_at_all():
    pool = np.array([[0, 1, 2]])
    scores = np.array([[0.1, 0.5, 0.3]])
    assert best_first(pool, scores, 2).tolist() == [[1, 2]]
    seen = {"history": np.array([[-1, 1]])}
    assert best_unplayed(seen, pool, scores, 2).tolist() == [[2, 0]]
    offer = seen | {"candidates": pool}
    assert best_unplayed(offer, pool, scores, 2).tolist() == [[1, 2]]
