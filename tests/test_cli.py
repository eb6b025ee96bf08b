"""The command line as a person uses it."""

import json
import re
import shlex
import subprocess
import sys
from functools import wraps
from pathlib import Path

import numpy as np
import pytest
from command import rlrec

from rlrec.agents import QLearning
from rlrec.cli import COMMANDS, main
from rlrec.datasets import load_ratings
from rlrec.datasets.titles import find_titles
from rlrec.envs import PROFILES
from rlrec.errors import TrainingDiverged
from rlrec.runs.qlearning import compare_qlearning

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def run(tmp_path, capsys):
    assert rlrec("train qlearning --steps 3000 --seed 3 --out", tmp_path / "run") == 0
    capsys.readouterr()
    return tmp_path / "run"


def test_train_compares_with_random_greedy_and_planning(tmp_path, capsys):
    assert rlrec("train qlearning --steps 8000 --out", tmp_path / "a") == 0
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
    out = tmp_path / "a"
    assert rlrec("train qlearning --user generic --steps 2000 --out", out) == 0
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
    tables = []
    metrics = []
    for name in ("a", "b"):
        folder = tmp_path / name
        assert rlrec("train qlearning --steps 500 --seed 7 --out", folder) == 0
        with np.load(folder / "table.npz") as stored:
            tables.append(stored["table"])
        metrics.append((folder / "metrics.csv").read_bytes())
    np.testing.assert_array_equal(*tables)
    assert metrics[0] == metrics[1]


def test_recommend_names_three_songs(run, capsys):
    assert rlrec("recommend", run, "--playing rock -k 3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "after Rock, for pop_lover:"
    assert lines[1].startswith("1. Pop")
    assert len(lines) == 4
    assert all("(Band " in line for line in lines[1:])


def test_hyperparameters_come_from_the_dataclass(tmp_path):
    out = tmp_path / "a"
    assert rlrec("train qlearning --steps 10 --learning-rate 0.5 --out", out) == 0
    assert json.loads((out / "agent.json").read_text())["learning_rate"] == 0.5


def test_own_play_counts_make_a_profile(tmp_path, capsys):
    out = tmp_path / "a"
    plays = tmp_path / "plays.csv"
    plays.write_text("user,genre,plays\nme,jazz,90\nme,rock,10\nyou,rock,5\n")
    train = "train qlearning --listener me --steps 4000 --plays"
    assert rlrec(train, plays, "--out", out) == 0
    assert "listener me" in capsys.readouterr().out
    assert rlrec("recommend", out, "-k 1") == 0
    assert "1. jazz" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("recommend {tmp}/nowhere", "is this the folder of a run"),
        (
            "recommend {run} --playing Polka",
            "no genre 'Polka'; this run knows Pop, Rock",
        ),
        ("recommend {run} -k 9", "k is 9"),
        ("recommend {run} --history Heat", "give --playing GENRE, not --history"),
        ("recommend {run}/agent.json", "cannot be read"),
        ("evaluate {run}", "no run of ddpg"),
        ("evaluate {run} --protocol simulate", "only a run of ppo"),
        ("train ddpg --resume --out {run}", "no run of ddpg"),
        ("train ddpg --out {run}", "holds a run already"),
        ("train qlearning --out {run}", "holds a run already"),
        ("train vae --out {run}", "of qlearning; choose another folder, or delete it"),
        ("train qlearning --out {tmp}/x --user nobody", "known: generic, pop_lover"),
        ("train qlearning --out {tmp}/x --steps 0", "steps is 0"),
        ("train qlearning --out {tmp}/x --seed -1", "seed is -1"),
        ("train qlearning --out {run}/agent.json", "is a file"),
        ("train qlearning --out {tmp}/x --listener me", "give --plays"),
        (
            "train qlearning --out {tmp}/x --plays a.csv --user generic",
            "give one of them",
        ),
        (
            "train qlearning --out {tmp}/x --initial-value inf",
            "initial_value is inf",
        ),
        ("train qlearning --out {tmp}/x --epsilon 2", "epsilon is 2"),
    ],
)
def test_mistakes_get_one_clear_line_and_status_1(
    command, words, run, tmp_path, capsys
):
    assert rlrec(command.format(tmp=tmp_path, run=run)) == 1
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error


def test_a_typing_mistake_suggests_flags_of_its_own_command(capsys):
    with pytest.raises(SystemExit):
        rlrec("recommend x --histori y")
    said = capsys.readouterr().err
    assert "--history TITLES" in said
    assert "train ddpg" not in said


@pytest.mark.parametrize("command", ["train qlearning", "data fetch", "recommend"])
def test_a_default_is_said_once(command, capsys):
    with pytest.raises(SystemExit):
        rlrec(command, "--help")
    said = capsys.readouterr().out
    assert "(default" in said
    assert "None" not in said


# -- a run's config.json ---------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"agent": "td3"}, "agent is 'td3'; known: qlearning, ddpg"),
        ({"colour": "red"}, "config.json: colour is unknown; stored by another"),
        ({"steps": None}, "config.json: steps is missing"),
        ({"steps": "many"}, "steps is 'many', of a wrong type"),
        ({"steps": True}, "steps is True, of a wrong type"),
        ({"user": {"name": "me"}}, "user: like_probability is missing"),
        ({"user": []}, "user: [] is no table of settings"),
    ],
)
def test_a_config_that_was_changed_is_refused(change, words, run, capsys):
    path = run / "config.json"
    content = json.loads(path.read_text()) | change
    kept = {name: value for name, value in content.items() if value is not None}
    path.write_text(json.dumps(kept))
    assert rlrec("recommend", run) == 1
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error


# -- errors ----------------------------------------------------------------------------
def plant(monkeypatch, error):
    """`rlrec doctor` raises ``error``."""

    def doctor():
        raise error

    monkeypatch.setitem(COMMANDS, "doctor", doctor)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("out of luck\nand more"), "RuntimeError out of luck;"),
        (RecursionError("too deep"), "RecursionError too deep;"),
        (MemoryError(), "MemoryError;"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "UnicodeDecodeError"),
        (FloatingPointError("nan"), "FloatingPointError nan;"),
    ],
)
def test_an_unforeseen_error_is_one_sentence_and_a_file(
    error, words, monkeypatch, capsys
):
    plant(monkeypatch, error)
    assert main(["doctor"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("rlrec: unexpected error: ")
    assert words in line
    path = Path(re.search(r"the full traceback is in (\S+)$", line).group(1))
    written = path.read_text("utf-8")
    path.unlink()
    assert written.startswith("Traceback")
    assert type(error).__name__ in written
    assert "in doctor" in written


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (TrainingDiverged("a loss is NaN"), 1, "rlrec: a loss is NaN"),
        (OSError(28, "No space left"), 1, "rlrec: [Errno 28] No space left"),
        (KeyboardInterrupt(), 130, "rlrec: stopped"),
    ],
)
def test_a_known_error_is_one_sentence(error, status, line, monkeypatch, capsys):
    plant(monkeypatch, error)
    assert main(["doctor"]) == status
    assert capsys.readouterr().err.splitlines() == [line]


def test_a_vae_that_diverges_is_told_in_a_sentence(tmp_path, capsys):
    out = tmp_path / "map"
    assert rlrec("train vae --learning-rate 1e30 --updates 60 --out", out) == 1
    error = capsys.readouterr().err
    assert "learning_rate" in error
    assert "unexpected" not in error
    assert not (out / "config.json").exists()


# -- without TensorFlow ----------------------------------------------------------------
WITHOUT = """
import importlib.metadata, sys

class NoTensorFlow:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras"):
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, NoTensorFlow())
version = importlib.metadata.version

def no_tensorflow(name):
    if name == "tensorflow":
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)

importlib.metadata.version = no_tensorflow
from rlrec.cli import main
sys.exit(main(sys.argv[1:]))
"""


def without_tensorflow(command):
    """Run a command where TensorFlow and Keras cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *shlex.split(command)],
        capture_output=True,
        text=True,
    )


def test_what_needs_no_tensorflow_works_without(tmp_path):
    for command, words in (
        (f"train qlearning --steps 50 --out {tmp_path}/a", "kept in"),
        (f"recommend {tmp_path}/a --playing Rock", "after Rock"),
        ("data list", "generated"),
        ("data card tracks", "tracks"),
        ("doctor", "tensorflow not installed"),
        (
            "study --agents random popularity --steps 10 --listeners 5 --seeds 2 "
            f"--jobs 1 --out {tmp_path}/b --json {tmp_path}/b.json",
            "P(beats)",
        ),
    ):
        done = without_tensorflow(command)
        assert done.returncode == 0, done.stderr
        assert words in done.stdout
    stored = json.loads((tmp_path / "b.json").read_text())
    assert stored["versions"]["tensorflow"] == "not installed"
    assert stored["device"].startswith("CPU")


def test_what_needs_tensorflow_says_so(tmp_path):
    for number, train in enumerate(("vae", "ppo", "ppo --map sound", "ddpg")):
        out = tmp_path / str(number)
        done = without_tensorflow(f"train {train} --out {out}")
        assert done.returncode == 1, train
        assert "need TensorFlow" in done.stderr
        assert len(done.stderr.strip().splitlines()) <= 2
        assert "Traceback" not in done.stderr
        assert not (out / "config.json").exists()


def test_the_command_line_starts_without_tensorflow():
    code = (
        "import sys; from rlrec import cli; cli.build(); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# -- the README ------------------------------------------------------------------------
def test_the_readmes_history_is_in_the_generated_films():
    (line,) = [
        line
        for line in (ROOT / "lessons/COMMANDS.md").read_text().splitlines()
        if "recommend runs/first" in line
    ]
    history = line.split('"')[1]
    assert len(find_titles(history, load_ratings("generated"))) == 2


def test_the_readme_shows_what_its_commands_print(tmp_path, monkeypatch, capsys):
    page = (ROOT / "README.md").read_text("utf-8")
    block = page[page.index("    $ rlrec train") :].split("\n\n")
    lines = "\n".join(part for part in block[:2]).splitlines()
    shown = [line.removeprefix("    ") for line in lines if line.startswith("    ")]
    monkeypatch.chdir(tmp_path)
    printed = []
    for line in shown:
        if line.startswith("$ rlrec "):
            assert main(shlex.split(line)[2:]) == 0
            printed += [line, *capsys.readouterr().out.splitlines()]
    kept = [line for line in printed if not line.startswith("kept in")]
    assert kept == shown


def test_the_readmes_commands_are_commands(monkeypatch):
    """Each is parsed; nothing is run."""
    commands = []
    pages = [ROOT / "lessons" / name for name in ("COMMANDS.md", "CLUSTER.md")]
    for line in "\n".join(page.read_text() for page in pages).splitlines():
        command = line.strip().removeprefix(".venv/bin/")
        if line.startswith("    ") and command.startswith("rlrec "):
            commands.append(shlex.split(command, comments=True)[1:])
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
    assert rlrec("doctor") == 0
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
