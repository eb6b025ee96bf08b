"""The command line as a person uses it."""

import json
import shlex
import subprocess
import sys
from functools import wraps
from pathlib import Path

import numpy as np
import pytest

from rlrec.agents import QLearning
from rlrec.cli import COMMANDS, main
from rlrec.datasets import load_ratings
from rlrec.datasets.titles import find_titles
from rlrec.envs import PROFILES
from rlrec.runs.qlearning import compare_qlearning

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def run(tmp_path, capsys):
    assert (
        main(
            [
                "train",
                "qlearning",
                "--out",
                str(tmp_path / "run"),
                "--steps",
                "3000",
                "--seed",
                "3",
            ]
        )
        == 0
    )
    capsys.readouterr()
    return tmp_path / "run"


def test_train_compares_with_random_greedy_and_planning(tmp_path, capsys):
    assert (
        main(["train", "qlearning", "--out", str(tmp_path / "a"), "--steps", "8000"])
        == 0
    )
    said = capsys.readouterr().out
    for word in (
        "random",
        "greedy one step",
        "q-learning",
        "planned, 0.9",
        "beats random",
        "rlrec recommend",
    ):
        assert word in said


@pytest.mark.parametrize("user", PROFILES)
def test_an_agent_that_knows_nothing_is_not_told_from_random(user):
    said = compare_qlearning(PROFILES[user], QLearning(5, 5), seed=5)
    assert "this run does not tell from random" in said, said


def test_generic_user_is_not_told_from_random(tmp_path, capsys):
    assert (
        main(
            [
                "train",
                "qlearning",
                "--out",
                str(tmp_path / "a"),
                "--user",
                "generic",
                "--steps",
                "2000",
            ]
        )
        == 0
    )
    assert "does not tell from random" in capsys.readouterr().out


def test_a_run_keeps_settings_metrics_and_agent(run):
    assert {path.name for path in run.iterdir()} == {
        "agent.json",
        "config.json",
        "metrics.csv",
        "table.npz",
    }
    config = json.loads((run / "config.json").read_text())
    assert (config["agent"], config["steps"], config["seed"]) == ("qlearning", 3000, 3)
    rows = (run / "metrics.csv").read_text().splitlines()
    assert rows[0] == "step,epsilon,mean_reward"
    assert len(rows) == 101
    assert "nan" not in "".join(rows)


def test_the_same_command_twice_gives_the_same_bits(tmp_path):
    for name in ("a", "b"):
        main(
            [
                "train",
                "qlearning",
                "--out",
                str(tmp_path / name),
                "--steps",
                "500",
                "--seed",
                "7",
            ]
        )
    with (
        np.load(tmp_path / "a" / "table.npz") as a,
        np.load(tmp_path / "b" / "table.npz") as b,
    ):
        np.testing.assert_array_equal(a["table"], b["table"])
    assert (tmp_path / "a" / "metrics.csv").read_bytes() == (
        tmp_path / "b" / "metrics.csv"
    ).read_bytes()


def test_recommend_names_three_songs(run, capsys):
    assert main(["recommend", str(run), "--playing", "rock", "-k", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "after Rock, for pop_lover:"
    assert lines[1].startswith("1. Pop")
    assert len(lines) == 4
    assert all("(Band " in line for line in lines[1:])


def test_hyperparameters_come_from_the_dataclass(tmp_path):
    out = tmp_path / "a"
    assert (
        main(
            [
                "train",
                "qlearning",
                "--out",
                str(out),
                "--steps",
                "10",
                "--learning-rate",
                "0.5",
            ]
        )
        == 0
    )
    assert json.loads((out / "agent.json").read_text())["learning_rate"] == 0.5


def test_own_play_counts_make_a_profile(tmp_path, capsys):
    plays = tmp_path / "plays.csv"
    plays.write_text("user,genre,plays\nme,jazz,90\nme,rock,10\nyou,rock,5\n")
    command = [
        "train",
        "qlearning",
        "--out",
        str(tmp_path / "a"),
        "--plays",
        str(plays),
        "--steps",
        "4000",
    ]
    assert main([*command, "--listener", "me"]) == 0
    assert "listener me" in capsys.readouterr().out
    assert main(["recommend", str(tmp_path / "a"), "-k", "1"]) == 0
    assert "1. jazz" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["recommend", "{tmp}/nowhere"], "is this the folder of a run"),
        (
            ["recommend", "{run}", "--playing", "Polka"],
            "no genre 'Polka'; this run knows Pop, Rock",
        ),
        (["recommend", "{run}", "-k", "9"], "k is 9"),
        (
            ["recommend", "{run}", "--history", "Heat"],
            "give --playing GENRE, not --history",
        ),
        (["evaluate", "{run}"], "no run of ddpg"),
        (["train", "ddpg", "--resume", "--out", "{run}"], "no run of ddpg"),
        (["train", "ddpg", "--out", "{run}"], "holds a run already"),
        (["train", "qlearning", "--out", "{run}"], "holds a run already"),
        (
            ["train", "qlearning", "--out", "{tmp}/x", "--user", "nobody"],
            "known: generic, pop_lover",
        ),
        (["train", "qlearning", "--out", "{tmp}/x", "--steps", "0"], "steps is 0"),
        (["train", "qlearning", "--out", "{tmp}/x", "--seed", "-1"], "seed is -1"),
        (["train", "qlearning", "--out", "{run}/agent.json"], "is a file"),
        (
            ["train", "qlearning", "--out", "{tmp}/x", "--listener", "me"],
            "give --plays",
        ),
        (
            [
                "train",
                "qlearning",
                "--out",
                "{tmp}/x",
                "--plays",
                "a.csv",
                "--user",
                "generic",
            ],
            "give one of them",
        ),
        (
            ["train", "qlearning", "--out", "{tmp}/x", "--initial-value", "inf"],
            "initial_value is inf",
        ),
        (["recommend", "{run}/agent.json"], "cannot be read"),
        (["train", "qlearning", "--out", "{tmp}/x", "--epsilon", "2"], "epsilon is 2"),
    ],
)
def test_mistakes_get_one_clear_line_and_status_1(
    arguments, words, run, tmp_path, capsys
):
    filled = [argument.format(tmp=tmp_path, run=run) for argument in arguments]
    assert main(filled) == 1
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error


def test_the_command_line_starts_without_tensorflow():
    code = (
        "import sys; from rlrec import cli; cli.build(); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_readmes_history_is_in_the_generated_films():
    (line,) = [
        line
        for line in (ROOT / "README.md").read_text().splitlines()
        if "recommend runs/first" in line
    ]
    history = line.split('"')[1]
    assert len(find_titles(history, load_ratings("generated"))) == 2


def test_the_readmes_commands_are_commands(monkeypatch):
    """Each is parsed; nothing is run."""
    lines = (ROOT / "README.md").read_text().splitlines()
    commands = [
        line.strip().removeprefix(".venv/bin/")
        for line in lines
        if line.startswith("    ")
    ]
    commands = [
        shlex.split(line, comments=True)[1:]
        for line in commands
        if line.startswith("rlrec ")
    ]
    assert len(commands) >= 10
    seen = []
    for name, entry in list(COMMANDS.items()):
        if isinstance(entry, dict):
            silent = {
                inner: _silent(function, seen) for inner, function in entry.items()
            }
        else:
            silent = _silent(entry, seen)
        monkeypatch.setitem(COMMANDS, name, silent)
    for command in commands:
        assert main(command) == 0, command
    assert len(seen) == len(commands)


def _silent(function, seen):
    @wraps(function)
    def noted(*arguments, **named):
        seen.append(function.__name__)

    return noted


def test_doctor_names_what_is_there(capsys):
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for word in (
        "Python",
        "cores",
        "GPU",
        "numpy",
        "tensorflow",
        "RLREC_DATA",
        "ml-100k",
    ):
        assert word in said
