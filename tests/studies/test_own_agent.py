"""Your own agent in a study: a class with ``recommend``, and ``train`` if it learns."""

import numpy as np
import pytest

from rlrec.agents.recommender import best_first, item_pool
from rlrec.errors import ConfigError
from rlrec.studies import report as study_report
from rlrec.studies.study import Study, run_study


class LeastAlike:
    """Learns nothing: the song on offer that is least like the last one."""

    def __init__(self, env, seed):
        self.directions = env.catalogue.direction

    def recommend(self, observations, k=1):
        pool = item_pool(observations, len(self.directions))
        last = self.directions[np.maximum(observations["history"][:, -1], 0)]
        return best_first(
            pool, -np.einsum("bmd,bd->bm", self.directions[pool], last), k
        )


class Counts:
    """Learns a mean reward for each song from songs drawn at random."""

    def __init__(self, env, seed):
        self.rng = np.random.default_rng(seed)
        self.trained = []
        self.heard = np.zeros(len(env.catalogue))
        self.plays = np.ones(len(env.catalogue))

    def train(self, env, steps, *, seed=0):
        self.trained.append(steps)
        observations, _ = env.reset(seed=seed)
        rows = np.arange(env.num_envs)
        for _ in range(steps // env.num_envs):
            live = ~env.over
            pool = item_pool(observations, len(self.heard))
            songs = pool[rows, self.rng.integers(10, size=len(rows))]
            observations, rewards, *_ = env.step(env.actions_for(songs[:, None]))
            np.add.at(self.heard, songs[live], rewards[live])
            np.add.at(self.plays, songs[live], 1)

    def recommend(self, observations, k=1):
        pool = item_pool(observations, len(self.heard))
        return best_first(pool, (self.heard / self.plays)[pool], k)


KINDS = ("random", "popularity", "greedy")
STUDY = Study(
    steps=512,
    curve=(256, 512),
    seeds=3,
    listeners=60,
    agents={kind: {"agent": kind} for kind in KINDS},
)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    own = {"least alike": LeastAlike, "counts": Counts}
    folder = tmp_path_factory.mktemp("study")
    said: list[str] = []
    found = run_study(STUDY, folder, jobs=1, extra_agents=own, say=said.append)
    again = run_study(STUDY, folder, jobs=1, extra_agents=own, say=said.append)
    return found, again, said


def test_it_takes_part_beside_the_librarys(result):
    found = study_report.by_agent(result[0].cells)
    assert list(found) == ["random", "popularity", "greedy", "least alike", "counts"]
    assert all(len(values) == 3 for values in found.values())
    assert (found["least alike"] > found["random"]).all()  # variety pays in this world


def test_one_that_learns_is_evaluated_along_the_curve_another_once(result):
    curves = {}
    for cell in result[0].cells:
        curves[cell["agent"]] = [songs for songs, _ in cell["curve"]]
    assert (curves["counts"], curves["least alike"]) == ([256, 512], [512])


def test_a_class_of_ones_own_is_not_run_twice_and_gives_the_same(result):
    found, again, said = result
    assert again.cells == found.cells
    assert said[-1] == "15 cells, 0 to run"


def test_whatever_its_label_it_is_no_baseline(tmp_path):
    agents = {"random": {"agent": "random"}}
    study = Study(steps=64, seeds=2, listeners=5, agents=agents)
    own = {"rule": LeastAlike, "oracle": LeastAlike}
    found = run_study(study, tmp_path, jobs=1, extra_agents=own, say=lambda line: None)
    cells = found.cells
    assert {cell["kind"] for cell in cells if cell["agent"] != "random"} == {"own"}
    assert study_report.strongest(cells) == "random"
    lines = study_report.study_table(cells)
    assert sum(line.startswith(("rule: ", "oracle: ")) for line in lines) == 2
    with pytest.raises(ConfigError, match="one name to a file"):
        run_study(study, tmp_path, extra_agents={"random": LeastAlike})


def test_it_gets_a_verdict_of_its_own(result):
    cells = result[0].cells
    assert study_report.judge_contestant(cells, "counts").startswith(
        ("it ", "undecided", "no verdict from fewer than 5 seeds")
    )
    assert any(
        line.startswith("least alike: ") for line in study_report.study_table(cells)
    )
