"""Runs: nobody's files are overwritten, one owner a folder, broken parts are told."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from command import rlrec
from run_samples import SMALL, write_csv

from rlrec import storage
from rlrec.datasets import load_play_counts, load_ratings
from rlrec.errors import DataError, Notice
from rlrec.runs.ddpg import DDPGRun
from rlrec.runs.progress import Progress, Screen
from rlrec.runs.run import AGENTS, TrainingRun
from rlrec.runs.session import interrupts

WRITERS = pytest.mark.parametrize(
    "words", [*map("train {}".format, AGENTS), "study --agents random"]
)
FLAGS = f"{' '.join(SMALL)} --seed 3 --checkpoint-every 64 --schedule-steps 256"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_csv(tmp_path_factory.mktemp("data") / "own.csv")


@pytest.fixture(scope="module")
def base(data, tmp_path_factory):
    """A run of ddpg of three rounds, with checkpoints after two and three."""
    out = tmp_path_factory.mktemp("base") / "run"
    assert train(data, out) == 0
    return out


@pytest.fixture
def copied(base, tmp_path):
    shutil.copytree(base, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A run of Q-learning."""
    out = tmp_path_factory.mktemp("table") / "run"
    assert rlrec("train qlearning --steps 50 --out", out) == 0
    return out


def train(data, out, steps=192):
    return rlrec("train ddpg --data", data, FLAGS, f"--steps {steps} --out", out)


def resume(out, flags=""):
    return rlrec("train ddpg --resume", flags, "--out", out)


def files_of(folder):
    return {
        path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def weights(out):
    _, folder = storage.checkpoints(out)[-1]
    return storage.read_arrays(folder / "agent.npz")


# -- nobody's files --------------------------------------------------------------------
@WRITERS
def test_a_folder_of_somebody_elses_is_left_alone(words, tmp_path, capsys):
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "tensorboard" / "mine.txt").write_text("mine")
    before = files_of(tmp_path)
    assert rlrec(words, "--out", tmp_path) == 1
    assert "holds tensorboard, and is no" in capsys.readouterr().err
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("name", ["config.json", "agent.json", "checkpoints/192/x"])
def test_results_never_go_over_a_run(name, copied, capsys, monkeypatch):
    if "/" in name:
        (copied / name).write_text("{}")
    before = files_of(copied)
    path = copied / name
    if not path.exists():
        path = copied / "checkpoints" / "192" / name
    monkeypatch.setattr(TrainingRun, "last_checkpoint", None)  # nothing is measured
    assert rlrec("evaluate", copied, "--json", path) == 1
    assert "is there already and no earlier result" in capsys.readouterr().err
    assert files_of(copied) == before


def test_results_never_go_over_a_study(tmp_path, capsys):
    path = tmp_path / "s.toml"
    path.write_text('steps = 64\n[agents.a]\nagent = "random"\n')
    before = path.read_bytes()
    assert rlrec("study", path, "--json", path, "--out", tmp_path / "out") == 1
    assert "is there already and no earlier result" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert not (tmp_path / "out").exists()


def test_results_go_over_earlier_ones(tmp_path):
    words = "study --agents random --steps 64 --seeds 2 --listeners 2 --jobs 1"
    flags = ("--out", tmp_path / "out", "--json", tmp_path / "r.json")
    assert rlrec(words, *flags) == 0
    assert rlrec(words, *flags) == 0
    assert len(json.loads((tmp_path / "r.json").read_text())["cells"]) == 2


def test_generated_data_never_go_over_files(tmp_path, capsys):
    (tmp_path / "sessions.csv").write_text("my sessions")
    assert rlrec("data make --out", tmp_path) == 1
    assert "sessions.csv is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["sessions.csv"]


def test_rejects_go_over_earlier_rejects_only(data, tmp_path, capsys):
    mine = tmp_path / "mine.csv"
    mine.write_text("my,rows\n")
    assert rlrec("data check", data, "--rejects", mine) == 1
    assert mine.read_text() == "my,rows\n"
    for _ in range(2):
        assert rlrec("data check", data, "--rejects", tmp_path / "r.csv") == 0


def test_a_new_run_that_is_refused_late_leaves_nothing(data, tmp_path, monkeypatch):
    def refuse(*arguments, **settings):
        raise DataError("too late")

    monkeypatch.setattr(storage, "save_checkpoint", refuse)
    assert train(data, tmp_path / "run") == 1
    assert not (tmp_path / "run").exists()


# -- owners ----------------------------------------------------------------------------
@WRITERS
def test_a_folder_in_use_is_refused(words, tmp_path, capsys):
    with storage.owned(tmp_path / "run"):
        assert rlrec(words, "--out", tmp_path / "run") == 1
    assert f"in use by process {os.getpid()} on" in capsys.readouterr().err


def test_a_run_in_use_is_not_resumed(copied, capsys):
    part = copied / "checkpoints" / f".256.{os.getpid()}.part"
    part.mkdir()
    with storage.owned(copied):
        assert resume(copied, "--steps 256") == 1
    assert "in use by" in capsys.readouterr().err
    assert part.is_dir()
    assert resume(copied) == 0
    assert not part.exists()


# -- checkpoints -----------------------------------------------------------------------
def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_broken_last_checkpoint_is_named_and_the_one_before_taken(
    base, copied, capsys
):
    flip(copied / "checkpoints" / "192" / "agent.npz")
    assert rlrec("recommend", copied, "--history 'Film Aa'") == 0
    said = capsys.readouterr()
    assert "rlrec: note: " in said.err
    assert "checkpoints/192: broken: agent.npz is not as it was written" in said.err
    assert resume(copied) == 0
    said = capsys.readouterr()
    assert "resumed    from step 128" in said.out
    assert [step for step, _ in storage.checkpoints(copied)] == [128, 192]
    assert (copied / "checkpoints" / "broken-1-192").is_dir()
    found = weights(copied)
    for name, values in weights(base).items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_without_a_whole_checkpoint_it_starts_over(base, copied, capsys):
    for _, folder in storage.checkpoints(copied):
        flip(folder / "agent.json")
    assert rlrec("recommend", copied, "--history 'Film Aa'") == 1
    assert "has no whole checkpoint yet" in capsys.readouterr().err
    assert resume(copied) == 0
    assert "resumed" not in capsys.readouterr().out
    found = weights(copied)
    for name, values in weights(base).items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_a_checkpoint_of_another_configuration_is_refused(copied, data, capsys):
    other = copied.parent / "other"
    flags = f"{FLAGS} --steps 192 --discount 0.5"
    assert rlrec("train ddpg --data", data, flags, "--out", other) == 0
    shutil.rmtree(copied / "checkpoints")
    shutil.copytree(other / "checkpoints", copied / "checkpoints")
    before = files_of(copied)
    capsys.readouterr()
    assert resume(copied, "--steps 256") == 1
    assert "a checkpoint of another configuration" in capsys.readouterr().err
    assert files_of(copied) == before


def test_a_setting_changed_by_hand_is_refused(copied, capsys):
    path = copied / "config.json"
    content = json.loads(path.read_text())
    content["ddpg"]["discount"] = 0.25
    path.write_text(json.dumps(content))
    assert rlrec("recommend", copied, "--history 'Film Aa'") == 1
    assert "config.json is not as it was written" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["agent.json", "table.npz"])
def test_a_finished_run_that_was_changed_is_refused(name, table, tmp_path, capsys):
    shutil.copytree(table, tmp_path / "run")
    if name == "table.npz":
        arrays = storage.read_arrays(tmp_path / "run" / name)
        arrays["table"] = arrays["table"] * np.nan
        storage.write_arrays(tmp_path / "run" / name, **arrays)
    else:
        path = tmp_path / "run" / name
        path.write_text(path.read_text().replace("}", " }"))
    assert rlrec("recommend", table) == 0
    assert rlrec("recommend", tmp_path / "run") == 1
    assert "not as it was written" in capsys.readouterr().err


def test_a_changed_cell_of_a_study_is_refused(tmp_path, capsys):
    words = "study --agents random --steps 64 --seeds 2 --listeners 2 --jobs 1 --out"
    assert rlrec(words, tmp_path) == 0
    path = next((tmp_path / "cells").iterdir())
    cell = json.loads(path.read_text())
    path.write_text(json.dumps(cell | {"mean": 99.0}))
    assert rlrec(words, tmp_path) == 1
    assert "changed since; delete it, and it is run again" in capsys.readouterr().err


# -- side files ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"128,", b"1\xff8,"),
        (b"\n128,", b"\n128,0.5,"),
        (b"\n128,", b"\n,"),
        (b"\n128,", b"\n" + b'"' + b"1" * 200_000 + b'",'),
    ],
    ids=["a foreign byte", "an extra field", "no step", "a long field"],
)
def test_a_broken_table_of_figures_is_set_aside(copied, old, new, capsys):
    path = copied / "metrics.csv"
    assert resume(copied, "--steps 256") == 0
    broken = path.read_bytes().replace(old, new)
    assert broken != path.read_bytes()
    path.write_bytes(broken)
    assert resume(copied, "--steps 320") == 0
    said = capsys.readouterr().err
    assert "metrics.csv: some rows can't be read, so it is now" in said
    assert (copied / "broken-1-metrics.csv").read_bytes() == broken
    assert steps_of(path) == ["64", "192", "256", "320"]


def test_a_missing_table_of_figures_is_told(copied, capsys):
    (copied / "metrics.csv").unlink()
    assert resume(copied, "--steps 256") == 0
    assert "metrics.csv: no row up to step 192" in capsys.readouterr().err
    assert steps_of(copied / "metrics.csv") == ["256"]


def steps_of(path):
    with open(path) as file:
        return [row["step"] for row in csv.DictReader(file)]


def test_no_row_twice_when_the_terminal_closes(tmp_path):
    from rlrec.agents.ddpg import DDPGRound

    fields = DDPGRound._fields
    shown = {"reward": "reward"}
    progress = Progress(tmp_path, 0, 10, fields=fields, shown=shown, every=1)

    def closed(*arguments):
        raise OSError("the terminal is closed")

    progress.screen.show = closed
    figures = dict.fromkeys(fields, 1.0)
    with pytest.raises(OSError, match="closed"):
        progress.add(DDPGRound(**(figures | {"step": 5})))
    progress.close()
    assert steps_of(tmp_path / "metrics.csv") == ["5"]


# -- the same bits ---------------------------------------------------------------------
def test_other_conditions_are_told(copied, capsys, monkeypatch):
    run = DDPGRun.read(copied)
    assert {"machine", "threads", "numpy"} <= run.versions.keys()
    assert resume(copied, "--steps 256") == 0
    assert "need not end with the same bits" not in capsys.readouterr().err
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "77")
    assert resume(copied, "--steps 320") == 0
    said = capsys.readouterr().err
    threads = run.versions["threads"]
    assert f"threads 77, not {threads}: this run need not end with the same" in said


def test_deterministic_means_one_thread(copied, monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "2")
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "2")
    assert resume(copied, "--deterministic") == 0
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "1"
    assert os.environ["TF_NUM_INTEROP_THREADS"] == "1"


# -- signals and closed pipes ----------------------------------------------------------
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_stop_as_ctrl_c_does(name):
    number = getattr(signal, name)
    # what runs in the background may have been told to ignore it
    former = signal.signal(number, signal.default_int_handler)
    try:
        with interrupts() as stop:
            signal.raise_signal(number)
            assert stop.is_set()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, former)


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_closed_pipe_stops_no_training(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "rlrec.cli", "train", "qlearning", "--out", out]
    with subprocess.Popen(
        [*command, "--steps", "50"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        run.stdout.close()
        said = run.stderr.read()
    assert (run.returncode, said) == (0, b"")
    assert (out / "config.json").exists()


def test_told_is_a_warning_outside_the_command(copied):
    flip(copied / "checkpoints" / "192" / "agent.npz")
    with pytest.warns(Notice, match="the checkpoint before it is used"):
        assert DDPGRun.read(copied).last_checkpoint()[0] == 128


# -- titles and sizes ------------------------------------------------------------------
def screen(encoding, clean=True):
    raw = io.BytesIO()
    text = io.TextIOWrapper(raw, encoding=encoding, errors="strict")
    return Screen(text, clean), raw


def test_a_terminal_shows_every_title_and_obeys_none():
    shown, raw = screen("cp1252")
    shown.write("Amélie \u0416 \x1b[2J \x1b[31mred\x1b[m \r\x07\u202e\x9b\n")
    shown.flush()
    expected = "Amélie \\u0416 \\x1b[2J \x1b[31mred\x1b[m \\r\\x07\\u202e\\x9b\n"
    assert raw.getvalue().decode("cp1252") == expected


def test_a_bar_may_move():
    shown, raw = screen("utf-8", clean=False)
    shown.write("\r 5%\x1b[A")
    shown.flush()
    assert raw.getvalue() == b"\r 5%\x1b[A"


def test_titles_with_control_characters_reach_no_terminal(copied, data, capsys):
    path = copied.parent / "own.csv"
    text = (
        data.read_text().replace("Film A", "Film \x1b]0;A\x07").replace("Film B", "=B")
    )
    path.write_text(text)
    out = copied.parent / "titled"
    assert train(path, out) == 0
    capsys.readouterr()
    assert rlrec("recommend", out, "-k 9 --history 'Film Ca (1970)'") == 0
    said = capsys.readouterr().out
    assert "\\x1b]0;A" in said
    assert "\x1b" not in said


def test_a_long_title_is_cut_and_a_long_id_refused(tmp_path):
    path = tmp_path / "r.csv"
    rows = [f"u{n},i{n},{1 + n % 5},T{n}" for n in range(60)]
    rows[7] += "x" * 130_000
    path.write_text("\n".join(["user,item,rating,title", *rows]))
    with pytest.warns(Notice, match="title of 130,002 characters"):
        ratings = load_ratings(path)
    assert ratings.titles.dtype.itemsize == 4 * 1_000
    rows[7] = f"u{'x' * 130_000},i7,3,T7"
    path.write_text("\n".join(["user,item,rating,title", *rows]))
    with pytest.raises(DataError, match="user of 130,001 characters, more than 1,000"):
        load_ratings(path)


def test_too_many_users_times_genres_are_refused(tmp_path):
    path = tmp_path / "plays.csv"
    rows = [f"u{n},g{n},3" for n in range(5_000)]
    path.write_text("\n".join(["user,genre,plays", *rows]))
    with pytest.raises(DataError, match="5,000 users times 5,000 genres are too many"):
        load_play_counts(path)


@pytest.mark.parametrize("agent", ["ddpg", "ppo", "vae"])
def test_layers_that_no_memory_holds_are_refused(agent, tmp_path, capsys):
    assert rlrec(f"train {agent} --hidden 1000000000 --out", tmp_path / "run") != 0
    assert "each of 1..8,192 units" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_rejects_are_no_formulas(tmp_path):
    path = tmp_path / "r.csv"
    rows = [f"u{n},i{n},{1 + n % 5}" for n in range(60)]
    rows[7] = '=HYPERLINK("x"),i7,@SUM(A1)'
    path.write_text("\n".join(["user,item,rating", *rows]))
    assert rlrec("data check", path, "--rejects", tmp_path / "out.csv") == 0
    with open(tmp_path / "out.csv") as file:
        (row,) = csv.DictReader(file)
    assert row["raw"].startswith("'=HYPERLINK")
    assert row["value"] == "'@SUM(A1)"
