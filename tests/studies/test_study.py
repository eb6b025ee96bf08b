"""Studies: cells by hand, resumed after SIGKILL, the same on a Dask cluster."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import rlrec

from rlrec.agents import training
from rlrec.agents.recommender import best_first
from rlrec.envs import ListeningBatch
from rlrec.envs.rewards import FractionReward
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation import play
from rlrec.studies import contestants, study
from rlrec.studies import report as study_report
from rlrec.studies.plan import StudyFlags, combinations, environment
from rlrec.studies.study import FIRST, WORLD, Study, run_cell, run_study

AGENTS = {
    "random": {"agent": "random"},
    "popularity": {"agent": "popularity"},
    "LinUCB": {"agent": "linucb", "tries": [{"alpha": 0.1}, {"alpha": 1.0}]},
    "Q-learning": {"agent": "qlearning", "clusters": 3},
}
SMALL = Study(steps=640, curve=(320, 640), seeds=3, listeners=40, agents=AGENTS)
TEXT = """
steps = 640
curve = [320, 640]
seeds = 3
listeners = 40
[world]
taste_strength = 1.5
[agents.random]
agent = "random"
[agents.popularity]
agent = "popularity"
[agents.LinUCB]
agent = "linucb"
tries = [{ alpha = 0.1 }, { alpha = 1.0 }]
[agents."Q-learning"]
agent = "qlearning"
clusters = 3
"""


def bare(cells):
    """Cells without what a clock tells."""
    return [
        {name: one[name] for name in one if not name.endswith("seconds")}
        for one in cells
    ]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return folder, run_study(SMALL, folder, jobs=1, say=lambda line: None)


class Quiet:
    """Of the songs on offer it plays the one nearest to the middle of the map."""

    def __init__(self, env, seed):
        self.loudness = np.linalg.norm(env.catalogue.sound, axis=1)

    def recommend(self, observations, k=1):
        pool = observations["candidates"]
        return best_first(pool, -self.loudness[pool], k)


@pytest.fixture
def eager():
    """No graph is compiled for a few updates."""
    from rlrec.nn.backend import tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


# -- what a cell says ------------------------------------------------------------------
def test_every_combination_has_one_cell(done):
    _, result = done
    assert [(one["agent"], one["seed"]) for one in result.cells] == [
        (name, s) for s in range(3) for name in AGENTS
    ]
    assert [one["settings"]["alpha"] for one in result.tries] == [0.1, 1.0]
    assert list(result.frame()["mean"]) == [one["mean"] for one in result.cells]


def test_a_cell_is_what_play_says(done):
    cell = next(
        one
        for one in done[1].cells
        if one["agent"] == "popularity" and one["seed"] == 2
    )
    env = ListeningBatch(40, "candidate", "ids", n_candidates=10, history=20)
    played = play(
        env,
        contestants.make_contestant("popularity", {}, env, 2, 640),
        seed=FIRST + 2 * 40,
    )
    assert cell["mean"] == played.heard().mean()
    assert cell["first_like"] == pytest.approx(played.first_like().mean())
    assert cell["curve"] == [[640, cell["mean"]]]  # learns nothing: evaluated once


def test_the_try_with_the_higher_mean_takes_part(done):
    best = max(done[1].tries, key=lambda one: one["mean"])["settings"]
    assert all(
        one["settings"] == best for one in done[1].cells if one["agent"] == "LinUCB"
    )
    assert {one["first"] for one in done[1].tries} == {1_000_000}


def test_tries_are_judged_by_their_mean_over_draws(tmp_path, monkeypatch):
    """Means over three draws: (9 - 9 + 9) / 3 is less than (4 + 4 + 4) / 3."""
    scores = {0.1: [9.0, -9.0, 9.0], 1.0: [4.0, 4.0, 4.0]}

    def judged(job, factory=None):
        draws = scores[job["settings"]["alpha"]]
        mean = draws[job["seed"] - 1_000] if job["seed"] >= 1_000 else 0.0
        return {**job, "mean": mean, "seconds": 0.0}

    monkeypatch.setattr("rlrec.studies.study.run_cell", judged)
    agents = {"LinUCB": AGENTS["LinUCB"] | {"draws": 3}}
    study = replace(SMALL, agents=agents)
    found = run_study(study, tmp_path, jobs=1, say=lambda line: None)
    assert [one["first"] for one in found.tries] == 2 * [
        1_000_000,
        1_000_040,
        1_000_080,
    ]
    assert [one["settings"] for one in found.cells] == 3 * [{"alpha": 1.0}]


def test_each_world_chooses_among_the_tries_for_itself(tmp_path):
    """Where listeners tire, variety counts; where they don't, it only costs."""
    agents = {"rule": {"agent": "rule", "tries": [{"variety": 0.0}, {"variety": 4.0}]}}
    worlds = tuple(
        WORLD | {"long_term_effect": effect, "candidates": on_offer}
        for effect in (0.0, 2.0)
        for on_offer in (10, 20)
    )
    study = Study(steps=1, seeds=2, listeners=200, agents=agents, worlds=worlds)
    found = run_study(study, tmp_path, jobs=1, say=lambda line: None)
    assert len(found.tries) == 8
    assert [cell["settings"]["variety"] for cell in found.cells] == [0.0] * 4 + [
        4.0
    ] * 4
    assert [cell["world"] for cell in found.cells[::2]] == list(worlds)
    assert len(list((tmp_path / "cells").iterdir())) == 16


def test_training_in_pieces_is_the_curve(done):
    cell = next(one for one in done[1].cells if one["agent"] == "Q-learning")
    assert [songs for songs, _ in cell["curve"]] == [320, 640]
    assert cell["mean"] == cell["curve"][-1][1]


# -- resumed, and anywhere -------------------------------------------------------------
def test_nothing_runs_twice(done):
    folder, result = done
    before = (folder / "cells.csv").read_text()
    said = []
    again = run_study(SMALL, folder, say=said.append)
    assert (folder / "cells.csv").read_text() == before
    assert said == ["2 cells, 0 to run", "12 cells, 0 to run"]
    assert again.cells == result.cells


def test_killed_in_the_middle_and_started_again_gives_the_same_table(done, tmp_path):
    file = tmp_path / "study.toml"
    file.write_text(TEXT)
    command = [
        sys.executable,
        "-m",
        "rlrec.cli",
        "study",
        str(file),
        "--out",
        str(tmp_path / "out"),
        "--jobs",
        "1",
    ]
    log = tmp_path / "out" / "cells.csv"
    running = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    )
    while running.poll() is None and (
        not log.exists() or len(log.read_text().splitlines()) < 3
    ):
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.wait()
    first = log.read_text().splitlines()
    assert 3 <= len(first) < 14, "it was to be killed in the middle"
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    names = [line.split(",")[0] for line in log.read_text().splitlines()]
    assert len(names) == len(set(names))
    assert set(names) <= {
        path.name for path in (tmp_path / "out" / "cells").glob("*.json")
    }
    cells = run_study(Study.read(file), tmp_path / "out", say=lambda line: None).cells
    assert bare(cells) == bare(done[1].cells)


WORKER = """
import sys, time
from rlrec.studies import study
study.run_cell = lambda job, factory: time.sleep(30) or print("still here")
study._numbered(0, {}, None, int(sys.argv[1]), study.VERSIONS)
"""
PARENT = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())])
print("started", flush=True)
time.sleep(60)
"""


def test_workers_end_with_a_study_that_was_killed():
    """A worker in the midst of a long cell went on for minutes."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, WORKER], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout.readline() == "started\n"
        parent.kill()
        assert parent.stdout.read() == ""


def test_a_cluster_of_two_workers_gives_the_same_numbers(done, tmp_path):
    pytest.importorskip("distributed", reason="distributed is not installed")
    found = run_study(SMALL, tmp_path, jobs=2, backend="dask", say=lambda line: None)
    assert bare(found.cells) == bare(done[1].cells)


def dask(*words):
    command = [sys.executable, "-m", *words, "--no-dashboard"]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


@pytest.fixture
def scheduler(tmp_path):
    """The address of a Dask scheduler on this machine, and how to start a worker."""
    pytest.importorskip("distributed", reason="distributed is not installed")
    file = tmp_path / "scheduler.json"
    place = "--host 127.0.0.1 --port 0 --scheduler-file".split()
    started = [dask("distributed.cli.dask_scheduler", *place, str(file))]
    while not file.exists():
        assert started[0].poll() is None
        time.sleep(0.05)
    address = json.loads(file.read_text())["address"]

    def worker(threads=1):
        words = [address, "--no-nanny", "--nthreads", str(threads)]
        started.append(dask("distributed.cli.dask_worker", *words))
        return started[-1]

    yield address, worker
    for process in started[::-1]:
        process.kill()
        process.wait()


def wait_for(address, workers):
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=60)


def test_a_scheduler_by_address_and_a_worker_that_is_killed(done, scheduler, tmp_path):
    """The cell that it had begun is run by the other one: the same table."""
    address, worker = scheduler
    first, _ = worker(), worker()
    wait_for(address, 2)
    slow = replace(SMALL, agents={**AGENTS, "oracle": {"agent": "oracle"}})
    lines = []

    def say(line):
        lines.append(line)
        if len(lines) == 2:  # how many cells there are, and the first one
            first.kill()

    found = run_study(slow, tmp_path / "out", scheduler=address, say=say)
    assert first.wait() == -signal.SIGKILL
    ours = [cell for cell in found.cells if cell["agent"] != "oracle"]
    assert bare(ours) == bare(done[1].cells)


def test_workers_that_would_give_other_numbers_are_refused(
    scheduler, tmp_path, monkeypatch
):
    address, worker = scheduler
    worker(threads=2)
    wait_for(address, 1)
    with pytest.raises(ConfigError, match="several threads"):
        run_study(SMALL, tmp_path, scheduler=address, say=lambda line: None)
    with pytest.raises(ConfigError, match=r"has rlrec and NumPy .*; install the same"):
        study._numbered(0, {}, None, 0, ("0.1.0", "1.26.0"))


def test_a_worker_elsewhere_takes_one_thread(monkeypatch):
    for name in study.THREADS:
        monkeypatch.setenv(name, "8")  # so that it is put back
        monkeypatch.delenv(name)
    monkeypatch.setattr(study, "run_cell", lambda *told: dict(os.environ))
    place, seen = study._numbered(7, {}, None, 0, study.VERSIONS)
    assert place == 7
    assert {seen[name] for name in study.THREADS} == {"1"}


def test_an_address_where_no_scheduler_is(tmp_path, capsys):
    pytest.importorskip("distributed", reason="distributed is not installed")
    words = "study --agents random popularity --scheduler nothing://here --out"
    assert rlrec(words, tmp_path / "out") == 1
    assert "no Dask scheduler answers at nothing://here" in capsys.readouterr().err


def test_a_cluster_of_ray_gives_the_same_numbers(done, tmp_path, capsys):
    try:
        from ray.util.joblib import register_ray  # noqa: F401
    except ImportError:
        words = "study --agents random popularity --backend ray --out"
        assert rlrec(words, tmp_path / "out") == 1
        assert "pip install ray" in capsys.readouterr().err
        return
    found = run_study(SMALL, tmp_path, jobs=2, backend="ray", say=lambda line: None)
    assert bare(found.cells) == bare(done[1].cells)


def test_other_settings_in_the_same_folder_are_refused(done, tmp_path):
    folder, _ = done
    longer = Study(steps=960, seeds=3, listeners=40, agents=AGENTS)
    with pytest.raises(ConfigError, match="other settings"):
        run_study(longer, folder, say=lambda line: None)
    (tmp_path / "cells").mkdir()
    for path in (folder / "cells").glob("*.json"):
        (tmp_path / "cells" / path.name).write_text("{}")
    with pytest.raises(DataError, match="delete it"):
        run_study(SMALL, tmp_path, say=lambda line: None)


def test_what_tensorflow_reads_is_taken_back(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "3")
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    study = Study(steps=1, seeds=2, listeners=2, agents={"random": {"agent": "random"}})
    seen = []
    run_study(
        study,
        tmp_path,
        jobs=1,
        say=lambda line: seen.append(os.environ.get("TF_NUM_INTRAOP_THREADS")),
    )
    assert set(seen) == {"1"}
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ
    assert os.environ["TF_NUM_INTEROP_THREADS"] == "3"


def test_labels_that_would_share_a_file_are_refused(tmp_path):
    agents = {"a, b": {"agent": "random"}, "A b": {"agent": "random"}}
    with pytest.raises(ConfigError, match="one name to a file"):
        run_study(Study(steps=1, seeds=2, listeners=2, agents=agents), tmp_path)


def test_an_agent_of_your_own(done, tmp_path):
    found = run_study(
        SMALL,
        tmp_path,
        only=["random", "quiet"],
        extra_agents={"quiet": Quiet},
        jobs=1,
        say=print,
    )
    assert [one["agent"] for one in found.cells[:2]] == ["random", "quiet"]
    assert not found.cells[1]["learns"]
    assert found.cells[1]["diversity"] != found.cells[0]["diversity"]


# -- each kind of agent ----------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("dqn", {"hidden": (8,), "learning_starts": 32, "updates": 1}),
        (
            "ddpg",
            {
                "hidden": (8,),
                "learning_starts": 32,
                "updates": 2,
                "compiled": False,
                "reward_low": 0.0,
            },
        ),
        ("ppo", {"hidden": (8,), "rollout": 4, "minibatch": 64, "epochs": 1}),
        (
            "ppo",
            {
                "hidden": (8,),
                "rollout": 4,
                "minibatch": 64,
                "epochs": 1,
                "propagation": 0.5,
            },
        ),
        ("constant", {}),
        ("rule", {"variety": 0.5}),
        ("greedy", {}),
        ("oracle", {}),
    ],
)
def test_each_kind_takes_part(kind, settings, eager):
    study = Study(
        steps=256, seeds=2, listeners=5, agents={"it": {"agent": kind, **settings}}
    )
    job = {
        "agent": "it",
        "kind": kind,
        "settings": settings,
        "world": study.worlds[0],
        "seed": 0,
        "steps": 256,
    }
    cell = run_cell(job | {"curve": [256], "listeners": 5, "first": FIRST})
    assert 0.0 <= cell["mean"] <= 20.0


@pytest.mark.parametrize(
    ("reward", "settings", "bounds"),
    [
        ("binary", {}, (-1.0, 1.0)),  # as DDPGConfig has them
        ("listen_skip", {}, (-2.0, 1.0)),
        (FractionReward(lam=10.0), {}, (-1.0, 11.0)),
        (FractionReward(lam=10.0), {"reward_high": 3.0}, (-1.0, 3.0)),
    ],
)
def test_ddpg_gets_bounds_that_hold_the_rewards(reward, settings, bounds):
    env = ListeningBatch(2, "candidate", "ids", reward, history=20)
    agent = contestants.make_contestant("ddpg", settings, env, 0, 64)
    assert (agent.config.reward_low, agent.config.reward_high) == bounds


def test_a_table_over_clusters_learns_what_was_played():
    env = ListeningBatch(4, "candidate", "ids", history=20)
    agent = contestants.make_contestant("qlearning", {"clusters": 3}, env, 0, 64)
    agent.train(env, 40, seed=1)
    assert (
        agent.table.visits.sum() == 40
    )  # sessions last 10 songs or more: nothing but plays
    seen = {
        "history": np.array([[-1], [5]]),
        "feedback": np.array([[[0, 0, 0]], [[0, 0, 1.0]]]),
    }
    assert agent.states(seen).tolist() == [0, 2 + 2 * agent.cluster[5]]


def test_propagated_rewards_are_what_the_song_is_worth():
    env = contestants.PropagatedListening(3, "candidate", "ids", history=20)
    env.worth = np.arange(2000.0)
    env.reset(seed=0)
    for _ in range(4):
        _, rewards, _, _, info = env.step(np.zeros(3, int))
        assert rewards.tolist() == info["song"].tolist()


# -- what is read and reported ---------------------------------------------------------
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('agent = "linucb"', 'agent = "lin"', "agents.LinUCB: agent is 'lin'"),
        ("clusters = 3", "cluster = 3", "agents.Q-learning: cluster unknown"),
        ("alpha = 1.0", "beta = 1.0", "agents.LinUCB: beta unknown"),
        ("taste_strength", "taste", "world: taste unknown"),
        ("curve = [320, 640]", "curve = [320]", "must rise and end with steps"),
        ("seeds = 3", "seed = 3", "seed unknown"),
        ("listeners = 40", "listeners = 3_000_000", "would meet those of a training"),
        ("steps = 640", "steps 640", "study.toml"),
        ("[world]", "[[world]]", "study.toml: world, agents, each agent and each of"),
        ("[agents.random]", "agents = 3\n[random]", "study.toml: "),
        ("clusters = 3", "draws = 0", "agents.Q-learning: draws is 0"),
        ("clusters = 3", "draws = 1.5", "agents.Q-learning: draws is 1.5"),
        ("[{ alpha = 0.1 }, { alpha = 1.0 }]", "[1.0]", "its tries must be tables"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, capsys, old, new, words):
    (tmp_path / "study.toml").write_text(TEXT.replace(old, new))
    assert rlrec("study", tmp_path / "study.toml", "--out", tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert words in error
    assert "unexpected" not in error


def test_the_command_prints_tables_and_writes_all_of_it(done, tmp_path, capsys):
    file = tmp_path / "study.toml"
    file.write_text(TEXT)
    folder, result = done
    assert rlrec("study", file, "--out", folder, "--json", tmp_path / "all.json") == 0
    said = capsys.readouterr().out
    assert "Q-learning: " in said
    assert "the strongest baseline" in said
    written = json.loads(Path(tmp_path / "all.json").read_text())
    assert written["cells"] == result.cells
    assert written["command"].startswith("rlrec study")


FLAGS = (
    "--agents popularity greedy random linucb --steps 640 --curve 320 640 --seeds 2 "
    "--listeners 20 --taste-strength 1.5 --long-term-effect 0 1 --candidates 5"
)


def test_flags_in_place_of_a_file(tmp_path, capsys):
    out = tmp_path / "out"
    path = tmp_path / "all.json"
    assert rlrec("study --jobs 1", FLAGS, "--out", out, "--json", path) == 0
    said = capsys.readouterr().out
    assert "long term effect 0" in said
    assert "640 songs to learn from, 2 seeds of 20 listeners" in said
    written = json.loads(path.read_text())
    world = {"taste_strength": 1.5, "long_term_effect": 0.0, "candidates": 5}
    worlds = (world, world | {"long_term_effect": 1.0})
    kinds = ("popularity", "greedy", "random", "linucb")
    agents = {kind: {"agent": kind} for kind in kinds}
    study = Study(640, agents, (320, 640), seeds=2, listeners=20, worlds=worlds)
    # none is run again
    found = run_study(study, out, say=lambda line: None)
    assert written["cells"] == found.cells
    assert len(written["cells"]) == 16


def test_named_settings_side_by_side():
    both = combinations({"setting": ["teaching", "realistic"], "churn": 0.2})
    assert both == (
        WORLD | {"churn": 0.2},
        {
            "taste_strength": 0.3,
            "long_term_effect": 0.0,
            "candidates": 10,
            "churn": 0.2,
        },
    )
    assert environment(both[1], 3).listeners.dials.churn == 0.2
    # a dial that is given counts in every setting
    given = StudyFlags(("random",), setting=("realistic",), taste_strength=(2.0,))
    assert given.study().worlds == (
        WORLD | {"taste_strength": 2, "long_term_effect": 0},
    )


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("", "nothing to run: give a FILE.toml, or --agents"),
        ("--steps 640", "with some of: random popularity"),
        (f"study.toml {FLAGS}", "study.toml and --agents both say what to run"),
        (
            "study.toml --taste-strength 1.5",
            "study.toml and --taste-strength both say what to run",
        ),
        ("--agents ppo pop", "agent is 'pop'; choose one of random"),
        ("--agents random --seeds 1", "seeds is 1"),
        ("--agents random --curve 5 --steps 6", "must rise and end with steps, 6"),
        ("--agents random --candidates 1", "n_candidates is 1"),
        ("--agents random --long-term-effect -1", "long_term_effect is -1"),
        ("--agents random --long-term-effect", "no world"),
        ("--agents random --setting easy", "choose one of teaching, realistic"),
    ],
)
def test_what_is_wrong_with_flags_is_said(tmp_path, capsys, flags, words):
    assert rlrec("study", flags, "--out", tmp_path / "out") == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_help_names_every_kind(capsys):
    with pytest.raises(SystemExit):
        rlrec("study --help")
    said = capsys.readouterr().out.split("Kinds of agents: ")[1].split(".")[0]
    assert [kind.strip(" ,\n") for kind in said.split()] == list(contestants.KINDS)


def cell(agent, seed, mean, overlap=0.0):
    rest = {
        "first_like": 3.0,
        "coverage": 0.5,
        "training_seconds": 0.0,
        "steps": 10,
        "listeners": 5,
    }
    kind = {"mine": "qlearning"}.get(agent, agent)
    return {
        "agent": agent,
        "kind": kind,
        "seed": seed,
        "mean": mean,
        "world": {},
        "overlap": overlap,
        **rest,
    }


LEVELS = {"mine": 10.0, "linucb": 7.0, "popularity": 6.0, "own": 2.0}


def test_a_verdict_by_hand():
    """Gains -1 to 3 over the stronger of two: mean 1 +- 1.963; 12 signs of 32."""
    cells = [cell("mine", seed, 4.0 + seed, 0.3) for seed in range(5)]
    cells += [cell("random", seed, 4.0, 0.1) for seed in range(5)]
    cells += [cell("popularity", seed, 5.0, 0.4) for seed in range(5)]
    assert study_report.strongest(cells) == "popularity"
    told = study_report.judge_contestant(cells, "mine")
    assert told.startswith(
        "undecided, RL adds at most 2.96: +1.00 [-0.96, +2.96] over popularity, "
        "the strongest baseline (+20.0%); 95% over seeds, each with listeners of its "
        "own"
    )
    assert told.endswith("p = 0.375")
    few = [cell for cell in cells if cell["seed"] < 4]
    told = study_report.judge_contestant(few, "mine")
    assert told.startswith("no verdict from fewer than 5 seeds: +0.50")
    assert study_report.alarm(cells, "mine").startswith("COLLAPSED")
    assert "\nmine: undecided" in "\n".join(study_report.study_table(cells))


def test_a_gain_that_its_twin_has_too_is_no_gain_of_rl():
    """4 over popularity in each seed, but its twin with discount 0 has 1 more."""
    twin = "mine, discount 0"
    cells = []
    for seed in range(5):
        cells.append(cell("mine", seed, 10.0))
        cells.append(cell("popularity", seed, 6.0))
        of_twin = {"kind": "qlearning", "settings": {"discount": 0.0}}
        of_twin = {"kind": "qlearning", "settings": {"discount": 0.0}}
        cells.append(cell(twin, seed, 11.0) | of_twin)
    told = study_report.judge_contestant(cells, "mine")
    assert told.startswith("RL does not pay here: +4.00")
    assert f"-1.00 [-1.00, -1.00] over its twin {twin}" in told
    assert study_report.judge_contestant(cells, twin).startswith("it pays here: +5.00")
    for one in cells[2::3]:  # one that looks ahead is no twin
        one["settings"] = {"discount": 0.5}
    assert study_report.judge_contestant(cells, "mine").startswith("RL pays here")


def test_the_verdict_says_rl_of_rl_alone():
    cells = []
    for agent, level in LEVELS.items():
        cells += [cell(agent, seed, level + 0.1 * seed) for seed in range(5)]
    for agent, words in (
        ("mine", "RL pays here: +3.00 [+3.00, +3.00] over linucb"),
        ("linucb", "it pays here: +1.00 [+1.00, +1.00] over popularity"),
        ("own", "it does not pay here: -5.00 [-5.00, -5.00] over linucb"),
    ):
        assert study_report.judge_contestant(cells, agent).startswith(words)
    assert study_report.strongest(cells) == "linucb"


def test_every_kind_is_on_trial_or_a_baseline():
    known = (*study_report.BASELINES, *study_report.LEARN_BY_RL, "oracle")
    assert sorted(known) == sorted(contestants.KINDS)


@pytest.mark.parametrize("name", ["contest", "dials", "settings", "curve"])
def test_the_stored_plans_can_be_read(name):
    root = Path(__file__).parents[2]
    study = Study.read(root / "lessons" / "results" / f"{name}.toml")
    for label in ("popularity", "n-step", "n-step, n = 1", "PPO, interactions"):
        assert label in study.agents


def test_a_cell_is_the_same_after_another_seed_compiled_its_updates(eager):
    """Whatever ran before in this process: another seed, or another agent."""
    small = {"warm_up": 512, "rollout": 4, "epochs": 1, "minibatch": 128}
    job = study._job(SMALL, "ppo", {}, WORLD, 1) | {"kind": "ppo", "settings": small}
    training._COMPILED.clear()
    alone = run_cell(job)
    (first,) = training._COMPILED.values()
    run_cell(job | {"seed": 0})
    again = run_cell(job)
    assert list(training._COMPILED.values()) == [first]
    run_cell(job | {"settings": small | {"hidden": [8]}})
    other = run_cell(job)
    assert list(training._COMPILED.values()) != [first]
    assert bare([alone]) == bare([again]) == bare([other])
