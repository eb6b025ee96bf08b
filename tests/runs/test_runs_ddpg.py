"""A run on ratings: what it keeps; stopped anywhere it ends bit-identical."""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pytest
from command import rlrec
from command import words as typed
from run_samples import SMALL, write_csv

from rlrec import storage
from rlrec.agents.ddpg import DDPG, DDPGRound, TrainingDiverged
from rlrec.agents.ddpg_config import DDPGConfig
from rlrec.cli import main
from rlrec.collaborative.drr import DRR
from rlrec.collaborative.drr_config import DRR_SETTINGS
from rlrec.datasets import load_ratings
from rlrec.datasets.matrices import interaction_keys
from rlrec.nn.backend import tf
from rlrec.runs import ddpg as ddpg_run
from rlrec.runs.ddpg import SHOWN, DDPGRun
from rlrec.runs.progress import Progress

STEPS = 64 * 16
EVERY = 64 * 4


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_csv(tmp_path_factory.mktemp("data") / "own.csv")


@pytest.fixture
def eagerly():
    """TensorFlow functions as plain Python: quick, but not bit-identical."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def command(data, out, steps=STEPS):
    """Arguments that train a small run."""
    fixed = f"--steps {steps} --checkpoint-every {EVERY} --seed 3"
    return [*typed("train ddpg --data", data, "--out", out, fixed), *SMALL]


def train(data, out, steps=STEPS):
    return main(command(data, out, steps))


def resume(out, more=""):
    return rlrec("train ddpg --resume --out", out, more)


def last_checkpoint(out):
    return DRR.load(storage.checkpoints(out)[-1][1])


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run that nobody stopped."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert train(data, out) == 0
    return out


def arrays(checkpoint):
    found = {}
    for path in sorted(checkpoint.glob("*.npz")):
        with np.load(path, allow_pickle=False) as stored:
            found |= {f"{path.name}/{name}": stored[name] for name in stored.files}
    return found


def differing(one, other):
    """Names of the arrays that differ in the two runs' last checkpoints."""
    step, folder = storage.checkpoints(one)[-1]
    other_step, other_folder = storage.checkpoints(other)[-1]
    assert step == other_step
    mine = arrays(folder)
    yours = arrays(other_folder)
    assert mine.keys() == yours.keys()
    assert len(mine) > 30
    return [name for name in mine if not np.array_equal(mine[name], yours[name])]


def metric_rows(out):
    with open(out / "metrics.csv") as file:
        return list(csv.DictReader(file))


# -- what a run keeps ------------------------------------------------------------------
def test_a_run_keeps_settings_metrics_events_parts_and_two_checkpoints(whole, data):
    assert {path.name for path in whole.iterdir()} == {
        "config.json",
        "metrics.csv",
        "tensorboard",
        "parts",
        "checkpoints",
    }
    assert [step for step, _ in storage.checkpoints(whole)] == [STEPS - EVERY, STEPS]
    config = json.loads((whole / "config.json").read_text())
    assert (config["protocol"], config["split"]) == ("rerank", "time")
    assert (config["seed"], config["steps"]) == (3, STEPS)
    assert config["fingerprint"]["ratings"] == len(load_ratings(data))
    assert {"rlrec", "tensorflow", "numpy"} <= set(config["versions"])
    assert config["command"].startswith("rlrec train ddpg --data ")
    (session,) = config["sessions"]
    assert session["ended"] == "done"
    assert (session["from_step"], session["to_step"]) == (0, STEPS)
    speed = STEPS / session["seconds"]
    assert session["steps_per_second"] == pytest.approx(speed, rel=0.1)
    assert session["device"]


def test_metrics_are_means_of_ten_rounds(whole):
    rows = metric_rows(whole)
    assert list(rows[0]) == list(DDPGRound._fields)
    # a checkpoint, here every four rounds, closes a row
    steps = [int(row["step"]) for row in rows]
    assert steps == list(range(EVERY, STEPS + 1, EVERY))
    epsilon = np.mean([1 - 0.95 * 64 * i / STEPS for i in range(4)])
    assert rows[0]["epsilon"] == f"{epsilon:.6g}"
    assert rows[-1]["critic_loss"] != ""


def test_a_row_without_checkpoints_is_ten_rounds(tmp_path):
    progress = Progress(tmp_path, 0, 64 * 25, fields=DDPGRound._fields, shown=SHOWN)
    for i in range(1, 26):
        progress.add(
            DDPGRound(
                step=64 * i,
                reward=i,
                hit_rate=0.5,
                critic_loss=float("nan") if i < 11 else 2.0,
                actor_loss=float("nan"),
                mean_q=0.0,
                epsilon=1.0,
                noise=0.5,
                steps_per_second=100.0 if i % 2 else 50.0,
            )
        )
    progress.close()
    rows = metric_rows(tmp_path)
    assert [(row["step"], row["reward"], row["critic_loss"]) for row in rows] == [
        ("640", "5.5", ""),
        ("1280", "15.5", "2"),
        ("1600", "23", "2"),
    ]
    # harmonic: half of the steps took twice as long
    assert rows[0]["steps_per_second"] == "67"


def test_events_hold_each_row_once(whole):
    (path,) = (whole / "tensorboard").iterdir()
    found = {}
    for event in tf.compat.v1.train.summary_iterator(str(path)):
        for value in event.summary.value:
            figure = float(tf.make_ndarray(value.tensor))
            found.setdefault(value.tag, []).append((event.step, figure))
    assert set(found) == {f"train/{name}" for name in DDPGRound._fields[1:-1]}
    expected = []
    for row in metric_rows(whole):
        reward = pytest.approx(float(row["reward"]), rel=1e-5)
        expected.append((int(row["step"]), reward))
    assert found["train/reward"] == expected


def test_it_says_first_what_it_does(data, tmp_path, capsys, eagerly):
    assert train(data, tmp_path / "a", steps=64) == 0
    said = capsys.readouterr()
    ratings = load_ratings(data)
    # 20% of each user's, rounded up
    kept = sum(-(-count // 5) for count in np.bincount(ratings.users))
    for words in (
        f"{len(ratings):,} ratings, 40 users, 40 items",
        "rerank, time",
        f"{len(ratings) - kept:,} ratings to learn from",
        f"{kept:,} never seen",
        "state drr-ave",
        "cocount vectors of 8",
        f"kept in {tmp_path / 'a'}",
        "steps/s",
    ):
        assert words in said.out
    assert "100%  step 64" in said.err  # no terminal: lines


def test_training_sees_the_training_part_alone(whole):
    _, split = DDPGRun.read(whole).load()
    drr = last_checkpoint(whole)
    np.testing.assert_array_equal(drr.fitted_on, interaction_keys(split.train))
    memory = drr.agent.memory
    users = memory.data["user"][: memory.size].tolist()
    items = memory.data["item"][: memory.size].tolist()
    played = set(zip(users, items, strict=True))
    assert played
    train = split.train
    assert played <= set(zip(train.users.tolist(), train.items.tolist(), strict=True))


def test_the_part_before_rl_is_kept_and_light(whole):
    before = DRR.load(whole / "parts" / "warm_start")
    after = last_checkpoint(whole)
    assert (before.agent.step, len(before.agent.memory)) == (0, 0)
    assert after.agent.step == STEPS
    np.testing.assert_array_equal(before.vectors.items, after.vectors.items)


@pytest.mark.parametrize(
    ("ratings", "steps"), [(1_000, 10_000), (20_000, 40_000), (10**6, 100_000)]
)
def test_default_steps_go_by_the_size(ratings, steps):
    class Sized:
        def __len__(self):
            return ratings

    assert ddpg_run.default_steps(Sized()) == steps


# -- flags -----------------------------------------------------------------------------
OTHER = {
    "state": "drr-u",
    "residual": "history",
    "critic": "mlp",
    "hidden": (9, 7),
    "twin": False,
    "replay": "uniform",
    "compiled": False,
    "policy_delay": 4,
    "priority": {"alpha": 0.25},
}


def another(field, value):
    """A flag for ``field`` with a value that is not its default, and that value."""
    if field in OTHER:
        chosen = OTHER[field]
    elif isinstance(value, int):
        chosen = value * 2 or 3
    else:
        chosen = value * 0.5 + 0.01
    flag = "--" + field.replace("_", "-")
    if isinstance(chosen, bool):
        return [flag.replace("--", "--no-")], chosen
    if isinstance(chosen, dict):
        return [f"{flag}.alpha", "0.25"], asdict(DDPGConfig())["priority"] | chosen
    words = chosen if isinstance(chosen, tuple) else (chosen,)
    return [flag, *map(str, words)], chosen


@pytest.mark.parametrize("field", [field.name for field in fields(DDPGConfig)])
def test_every_flag_reaches_the_agents_settings(field, data, tmp_path, monkeypatch):
    got = []
    monkeypatch.setattr(ddpg_run, "_go", lambda run, *rest: got.append(run.ddpg) or 0)
    default = {**asdict(DRR_SETTINGS), "schedule_steps": 640}
    flags, chosen = another(field, default[field])
    out = tmp_path / "a"
    assert rlrec("train ddpg --steps 640 --data", data, "--out", out, *flags) == 0
    found = asdict(got[0])
    assert found[field] == chosen
    assert chosen != default[field]
    assert {name for name in default if found[name] != default[name]} == {field}


def test_the_agent_has_the_settings_of_the_run(whole):
    drr = last_checkpoint(whole)
    run = DDPGRun.read(whole)
    config, settings = run.drr, run.ddpg
    assert drr.agent.config == settings
    assert drr.config == config
    assert (settings.hidden, settings.updates) == ((8,), 4)
    assert settings.schedule_steps == STEPS
    assert (config.kind, config.dimensions, config.known_share) == ("cocount", 8, 0.5)


@pytest.mark.parametrize(
    ("flags", "goal"),
    [
        ("", "rerank"),
        ("--protocol session", "catalogue"),
        ("--goal catalogue", "catalogue"),
    ],
)
def test_the_goal_follows_the_protocol(flags, goal, data, tmp_path, monkeypatch):
    got = []

    def note(run, *rest):
        got.append(run.drr.goal)
        return 0

    monkeypatch.setattr(ddpg_run, "_go", note)
    assert rlrec("train ddpg --data", data, "--out", tmp_path / "a", flags) == 0
    assert got == [goal]


# -- stopping and going on -------------------------------------------------------------
KILLED = """
import sys, time
from rlrec.collaborative.drr import DRR
from rlrec.cli import main
save = DRR.save

def half(self, folder):
    if self.agent.step == {at}:
        self.agent.save(folder)
        print("half of it is written", flush=True)
        time.sleep(60)
    save(self, folder)

DRR.save = half
main({command!r})
"""


def test_killed_in_the_midst_of_a_checkpoint_and_resumed_it_ends_with_the_same_bits(
    whole, data, tmp_path, capsys
):
    out = tmp_path / "killed"
    code = KILLED.format(at=3 * EVERY, command=command(data, out))
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        stderr=subprocess.DEVNULL,
    ) as run:
        assert any("half" in line for line in run.stdout)
        run.send_signal(signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL
    assert [step for step, _ in storage.checkpoints(out)] == [EVERY, 2 * EVERY]
    assert list((out / "checkpoints").glob(".*.part"))
    with open(out / "metrics.csv", "a") as file:
        file.write("700,0.1,0.2")  # a torn line
    assert resume(out) == 0
    assert f"from step {2 * EVERY}" in capsys.readouterr().out
    assert differing(whole, out) == []
    assert not list((out / "checkpoints").glob(".*.part"))
    for row, other in zip(metric_rows(out), metric_rows(whole), strict=True):
        for name in ("step", "reward", "critic_loss", "mean_q"):
            assert row[name] == other[name]
    test_events_hold_each_row_once(out)


def test_killed_before_the_first_checkpoint_it_starts_over_to_the_same_bits(
    whole, data, tmp_path, monkeypatch
):
    out = tmp_path / "early"
    monkeypatch.setattr(ddpg_run, "_go", lambda *rest: 0)
    assert train(data, out) == 0
    monkeypatch.undo()
    assert resume(out) == 0
    assert differing(whole, out) == []


def test_ctrl_c_finishes_the_round_keeps_it_and_says_how_to_go_on(
    whole, data, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "stopped"
    add = Progress.add

    def press(self, record):
        add(self, record)
        if record.step == 64 * 6:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(Progress, "add", press)
    assert train(data, out) == 130
    monkeypatch.undo()
    said = capsys.readouterr().out
    assert f"stopped at step 384 of {STEPS:,}" in said
    assert said.rstrip().endswith(f"rlrec train ddpg --resume --out {out}")
    assert [step for step, _ in storage.checkpoints(out)] == [EVERY, 64 * 6]
    assert signal.getsignal(signal.SIGINT) is before
    assert resume(out) == 0
    assert differing(whole, out) == []
    ended = [
        (one.from_step, one.to_step, one.ended) for one in DDPGRun.read(out).sessions
    ]
    assert ended == [(0, 384, "stopped"), (384, STEPS, "done")]


def test_ctrl_c_before_the_training(data, tmp_path, monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(DRR, "make", interrupted)
    assert train(data, tmp_path / "a") == 130
    again = f"rlrec train ddpg --resume --out {tmp_path / 'a'}"
    assert again in capsys.readouterr().out


def test_diverged_it_stops_with_status_1_and_keeps_the_last_good_checkpoint(
    whole, data, tmp_path, monkeypatch, capsys
):
    check = DDPG._check

    def diverge(self, *figures):
        if self.step > 64 * 6:
            figures = [float("nan")] * len(figures)
        check(self, *figures)

    monkeypatch.setattr(DDPG, "_check", diverge)
    out = tmp_path / "diverged"
    assert train(data, out) == 1
    said = capsys.readouterr().out
    assert "diverged: a loss is not a number at step 448" in said
    assert str(out / "checkpoints" / str(EVERY)) in said
    assert [step for step, _ in storage.checkpoints(out)] == [EVERY]
    assert DDPGRun.read(out).sessions[0].ended == "diverged"
    monkeypatch.undo()
    assert resume(out) == 0
    assert differing(whole, out) == []


def test_diverged_before_any_checkpoint(data, tmp_path, monkeypatch, capsys, eagerly):
    def diverge(self, *figures):
        raise TrainingDiverged("mean Q is 99")

    monkeypatch.setattr(DDPG, "_check", diverge)
    assert train(data, tmp_path / "a") == 1
    assert "mean Q is 99\nthere is no checkpoint before it" in capsys.readouterr().out


def test_more_steps_go_on_where_it_ended(data, tmp_path, capsys, eagerly):
    out = tmp_path / "short"
    assert train(data, out, steps=128) == 0
    assert resume(out) == 0
    assert "this run is finished" in capsys.readouterr().out
    assert resume(out, "--steps 256") == 0
    assert storage.checkpoints(out)[-1][0] == 256
    assert DDPGRun.read(out).steps == 256


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--out {whole}", "go on with it: rlrec train ddpg --resume --out"),
        ("--out {whole} --resume --seed 4", "--seed 4 contradicts the run"),
        ("--out {whole} --resume --seed 0", "--seed 0 contradicts the run"),
        ("--out {whole} --resume --twin --hidden 16", "--hidden (16,) contradicts"),
        ("--out {whole} --resume --data generated", "--data generated contradicts"),
        ("--out {whole} --resume --priority.alpha 0.1", "--priority"),
        ("--out {whole} --resume --steps 64", "they can only be raised"),
        ("--out {tmp}/none --resume", "is this the folder of a run"),
        ("--out {data}", "is a file"),
        ("--out {tmp}/x --data {tmp}/none.csv", "no such file"),
        ("--out {tmp}/x --protocol guess", "choose one of rerank, session, next_item"),
        ("--out {tmp}/x --split half", "choose one of time, random"),
        ("--out {tmp}/x --protocol next_item --split random", "--split time"),
        ("--out {tmp}/x --steps 0", "steps is 0"),
        ("--out {tmp}/x --checkpoint-every 10", "checkpoint_every is 10"),
        ("--out {tmp}/x --seed -1", "seed is -1"),
        ("--out {tmp}/x --discount 1", "discount is 1.0"),
        ("--out {tmp}/x --vectors magic", "choose one of"),
    ],
)
def test_mistakes_get_one_clear_line_and_leave_no_run(
    flags, words, whole, data, tmp_path, capsys
):
    filled = flags.format(whole=whole, tmp=tmp_path, data=data)
    before = (whole / "config.json").read_bytes()
    assert rlrec("train ddpg", filled) == 1
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert (whole / "config.json").read_bytes() == before
    assert not (tmp_path / "x").exists()


def test_flags_that_say_the_same_are_no_contradiction(whole, data, capsys):
    again = f"--data {data} --seed 3 --hidden 8 --no-compiled --protocol rerank"
    assert resume(whole, again) == 0
    assert "is finished" in capsys.readouterr().out


@pytest.mark.parametrize("more", ["u1,39,5,99999,Film Dj (1989)\n", ""])
def test_changed_data_are_refused(more, tmp_path, capsys, eagerly):
    own = write_csv(tmp_path / "own.csv")
    out = tmp_path / "run"
    assert train(own, out, steps=64) == 0
    lines = own.read_text()
    own.write_text(lines + more if more else lines.replace("u1,", "u999,"))
    count = len(load_ratings(own))
    change = f"{count:,} ratings where it had {count - 1:,} ratings"
    for start in (
        "train ddpg --resume --out",
        "evaluate",
        "recommend --history 'film aa'",
    ):
        assert rlrec(start, out) == 1
        said = capsys.readouterr().err
        assert "has changed since the run was trained" in said
        assert (change if more else "other ones") in said


def test_a_scale_beyond_five_stars_is_refused(tmp_path, capsys):
    own = tmp_path / "ten.csv"
    rows = [f"{i % 9},{i % 7},{i % 10}\n" for i in range(60)]
    own.write_text("user,item,rating\n" + "".join(rows))
    assert rlrec("train ddpg --data", own, "--out", tmp_path / "x") == 1
    assert "give the ends of your scale, --scale 0 10" in capsys.readouterr().err


def test_a_path_is_kept_from_the_root(whole, data):
    assert Path(DDPGRun.read(whole).data) == data.resolve()


def test_a_folder_is_free_again_when_nothing_came_of_a_run_and_never_taken_over(
    data, tmp_path, capsys
):
    few = tmp_path / "few.csv"
    rows = [f"u{u},i{i},{1 + (u + i) % 5}\n" for u in range(9) for i in range(9)]
    few.write_text("user,item,rating\n" + "".join(rows))
    assert train(few, tmp_path / "b") == 1
    assert "give ratings of 12 or more" in capsys.readouterr().err
    assert not (tmp_path / "b" / "config.json").exists()
    (tmp_path / "c" / "checkpoints" / "64").mkdir(parents=True)
    assert train(data, tmp_path / "c") == 1
    assert "holds checkpoints, and is no run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stars", "words"),
    [("1 2 3", "from 1 to 3"), ("0 4 5", "from 0 to 5"), ("2 8 10", "to 10")],
)
def test_another_scale_is_refused(stars, words, tmp_path, capsys):
    own = tmp_path / "own.csv"
    values = stars.split()
    rows = [f"u{u},i{i},{values[(u + i) % 3]}" for u in range(12) for i in range(15)]
    own.write_text("user,item,rating\n" + "\n".join(rows) + "\n")
    assert train(own, tmp_path / "a") == 1
    assert words in capsys.readouterr().err


def test_the_lowest_reward_is_the_environments_to_the_bit(
    tmp_path, monkeypatch, eagerly
):
    """In float64 (.6 - 3) / 2 lies above what Ratings-v0 pays in float32."""
    own = write_csv(tmp_path / "own.csv")
    own.write_text(own.read_text().replace(",1,", ",0.6,"))
    got = []
    go = ddpg_run._go
    monkeypatch.setattr(
        ddpg_run, "_go", lambda run, *rest: got.append(run.ddpg) or go(run, *rest)
    )
    assert train(own, tmp_path / "run", steps=640) == 0
    lowest = (load_ratings(own).ratings.min() - np.float32(3)) / np.float32(2)
    assert got[0].reward_low == lowest < -1.14


def test_a_second_run_takes_the_vectors_of_the_first_and_ends_with_the_same_bits(
    whole, data, tmp_path, capsys
):
    """The same data, settings and versions; another seed makes its own."""
    beside = whole.parent / "beside"
    assert train(data, beside) == 0
    said = capsys.readouterr().out
    assert f"vectors    those of {whole}: " in said
    for part in ("ratings", "TensorFlow", "vectors", "start"):
        assert re.search(rf"^{part:<10} \.\.\.\n", said, re.MULTILINE)
        assert re.search(rf"^{part:<10} [0-9.]+ s\n", said, re.MULTILINE)
    assert differing(whole, beside) == []
    other = whole.parent / "other"
    assert main([*command(data, other)[: -len(SMALL) - 1], "4", *SMALL]) == 0
    assert "vectors    those of" not in capsys.readouterr().out


def test_broken_vectors_of_another_run_are_named_and_made_again(
    whole, data, tmp_path, capsys
):
    first = tmp_path / "first"
    shutil.copytree(whole, first)
    path = first / "parts" / "warm_start" / "vectors.npz"
    path.write_bytes(path.read_bytes()[:-100])
    second = tmp_path / "second"
    assert train(data, second) == 0
    assert f"vectors    not reused: {path}: broken" in capsys.readouterr().out
    assert differing(whole, second) == []
