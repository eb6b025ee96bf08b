"""A PPO run: trained, stopped, resumed, compared with baselines, asked for songs."""

import json
import signal
from dataclasses import replace

import numpy as np
import pytest
from command import rlrec

from rlrec import storage
from rlrec.agents.ppo import PPO
from rlrec.datasets import load_tracks
from rlrec.envs import Dials, default_catalogue
from rlrec.nn.backend import tf
from rlrec.runs import ppo_evaluation as simulate_run
from rlrec.runs.ppo import PPORun
from rlrec.runs.progress import Progress

QUICK = (
    "--rollout 16 --epochs 1 --hidden 8 --checkpoint-every 1024 --minibatch 256 "
    "--learning-rate 0.01"
)


@pytest.fixture(autouse=True)
def eagerly():
    """Without the compiler, which takes seconds for each network of another shape."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def train(out, more="", steps=2048, place="sound"):
    """Train a small run; its exit status."""
    first = f"train ppo --data generated --steps {steps} --map"
    return rlrec(first, place, QUICK, "--out", out, more)


def resume(out, more=""):
    return rlrec("train ppo --resume --out", out, more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("ppo") / "whole"
    tf.config.run_functions_eagerly(True)
    assert train(out) == 0
    return out


def weights(folder):
    return PPO.load(storage.checkpoints(folder)[-1][1]).learner.state()


def same(one, other):
    mine = weights(one)
    return all((mine[name] == values).all() for name, values in weights(other).items())


def test_two_seeds_share_no_listener(tmp_path, monkeypatch):
    """Nor does one share a listener with an evaluation: 48 listeners at a time."""
    seen = []

    def note(self, env, steps, *, callback, seed):
        seen.append((env.num_envs, seed))

    monkeypatch.setattr(PPO, "train", note)
    for one in (0, 1):
        assert train(tmp_path / str(one), f"--environments 48 --seed {one}") == 0
    (rows, first), (_, second) = seen
    assert rows == 48
    assert second - first >= rows
    assert first >= simulate_run.FIRST + 1_000_000


def test_a_run_keeps_settings_metrics_and_checkpoints(whole):
    run = PPORun.read(whole)
    assert (run.steps, run.ppo.schedule_steps) == (2048, 2048)
    assert run.sessions[-1].ended == "done"
    assert [step for step, _ in storage.checkpoints(whole)] == [1024, 2048]
    rows = (whole / "metrics.csv").read_text().splitlines()
    assert rows[0].startswith("step,reward,policy_loss")
    assert [row.split(",")[0] for row in rows[1:]] == ["512", "1024", "1536", "2048"]
    assert list((whole / "tensorboard").iterdir())


def test_a_named_setting_but_for_what_is_given(tmp_path):
    out = tmp_path / "out"
    assert train(out, "--setting realistic --churn 0.2 --taste-strength 1", 512) == 0
    run = PPORun.read(out)
    dials = run.environment(default_catalogue(), 2).listeners.dials
    assert dials == Dials(taste_strength=1.0, long_term_effect=0.0, churn=0.2)
    stored = json.loads((out / "config.json").read_text())["world"]
    assert (stored["taste_strength"], stored["long_term_effect"]) == (1.0, 0.0)


def test_ctrl_c_keeps_what_there_is_and_resume_ends_with_the_same_bits(
    whole, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "stopped"
    add = Progress.add

    def press(self, record):
        add(self, record)
        if record.step == 1024:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Progress, "add", press)
    assert train(out) == 130
    monkeypatch.undo()
    assert f"rlrec train ppo --resume --out {out}" in capsys.readouterr().out
    assert resume(out) == 0
    assert same(whole, out)


def test_a_resumed_run_keeps_its_own_settings(whole, capsys):
    assert resume(whole, "--clip 0.5") == 1
    assert "--clip 0.5 contradicts the run" in capsys.readouterr().err
    assert resume(whole, "--epochs 1 --map sound") == 0
    assert resume(whole, "--steps 100") == 1
    assert "can only be raised" in capsys.readouterr().err


def test_a_used_folder_is_refused(whole, capsys):
    assert train(whole) == 1
    assert f"rlrec train ppo --resume --out {whole}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("--steps 0", "1 or more"),
        ("--seed -1", "seed is -1"),
        ("--checkpoint-every 511", "it must be 512 or more, a round"),
        ("--long-term-effect 9", "long_term_effect"),
        ("--churn 2", "churn is 2"),
        ("--setting easy", "choose one of teaching, realistic"),
        ("--map x", "is this"),
    ],
)
def test_what_cannot_be_leaves_no_run_behind(more, words, tmp_path, capsys):
    out = tmp_path / "none"
    assert train(out, more) == 1
    assert words in capsys.readouterr().err
    assert not (out / "config.json").exists()


def test_evaluate_shows_every_rival_and_a_verdict(whole, tmp_path, capsys, monkeypatch):
    evaluate_ppo = simulate_run.evaluate_ppo
    monkeypatch.setattr(
        evaluate_ppo, "__kwdefaults__", evaluate_ppo.__kwdefaults__ | {"listeners": 60}
    )
    path = tmp_path / "found.json"
    assert rlrec("evaluate --protocol simulate", whole, "--json", path) == 0
    said = capsys.readouterr().out
    found = json.loads(path.read_text())
    for name in (
        "random",
        "popularity",
        "greedy one step",
        simulate_run.RULE,
        simulate_run.ORACLE,
    ):
        assert name in said
        assert name in found["table"]
    assert found["verdict"] in said
    table = found["table"]
    assert table[simulate_run.ORACLE]["mean"] > table["random"]["mean"]
    assert rlrec("evaluate --protocol rerank", whole) == 1


def test_the_summary_by_hand():
    """Two runs, two listeners: the agent hears 6 and 8 songs; the strongest hears 5.

    The oracle hears 10, random 2.
    """
    rest = {
        "random": 2.0,
        "popularity": 5.0,
        "greedy one step": 3.0,
        simulate_run.RULE: 4.0,
        simulate_run.ORACLE: 10.0,
    }
    returns = {name: np.full((1, 2), value) for name, value in rest.items()}
    agent = np.array([[5.0, 7.0], [7.0, 9.0]])
    found = simulate_run.summarise_returns(
        returns | {simulate_run.MOST_PROBABLE: agent, simulate_run.SAMPLED: agent}
    )
    assert found["strongest"] == "popularity"
    assert found["table"][simulate_run.MOST_PROBABLE]["mean"] == 7.0
    gain = found["differences"]["popularity"]
    assert (gain["mean"], gain["percent"]) == (2.0, 40.0)
    # t, 1 degree of freedom; seeds' means 6 and 8, listeners' means 6 and 8
    half = np.hypot(12.706, 12.706)
    assert gain["high"] == pytest.approx(2.0 + half, rel=1e-3)
    assert found["share_of_oracle"] == 0.7
    assert found["share_from_random_to_oracle"] == 0.625
    assert found["verdict"].startswith("no verdict from fewer than 5")


@pytest.mark.parametrize("first", ["random", "popularity", "greedy one step"])
def test_ties_among_the_simple_policies_go_to_the_first(first):
    """A set of names was searched: its order is another one in each process."""
    simple = dict.fromkeys((first, "random", "popularity", "greedy one step"), 3.0)
    rest = {simulate_run.RULE: 4.0, simulate_run.ORACLE: 10.0}
    agent = dict.fromkeys((simulate_run.MOST_PROBABLE, simulate_run.SAMPLED), 5.0)
    rows = np.array([[0.0, 0.1]])
    returns = {name: value + rows for name, value in (simple | rest | agent).items()}
    found = simulate_run.summarise_returns(returns)
    assert list(found["differences"]) == [first, simulate_run.RULE]


def test_songs_after_a_title(whole, capsys):
    tracks = load_tracks("generated")
    titles = f"{tracks.titles[3]}; {tracks.titles[8]}"
    assert rlrec("recommend", whole, f'-k 4 --track "{titles}"') == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"after {tracks.label(3)}; {tracks.label(8)}")
    assert len(lines) == 5
    for line in lines[1:]:
        assert tracks.label(3) not in line
        assert tracks.label(8) not in line
        assert "probability 0." in line
    for flags, words in (
        ("--track 'no such song'", "no track is called"),
        ("--playing rock", "--track"),
        ("", "--track"),
        (f'--track "{titles}" -k 0', "-k is 0"),
    ):
        assert rlrec("recommend", whole, flags) == 1
        assert words in capsys.readouterr().err


def test_tracks_that_changed_are_refused(whole, tmp_path, capsys):
    other = {"tracks": 1, "sha256": "0"}
    replace(PPORun.read(whole), folder=tmp_path, fingerprint=other).write()
    assert resume(tmp_path) == 1
    error = capsys.readouterr().err
    assert "has changed since the run was trained: 2,000 tracks where" in error


def test_the_map_of_a_vae_is_a_run_of_its_own(tmp_path, capsys):
    tf.config.run_functions_eagerly(False)  # thousands of updates
    out = tmp_path / "vae"
    assert train(out, steps=512, place="vae") == 0
    assert "a VAE of 5 dimensions: error" in capsys.readouterr().out
    assert (out / "map" / "vae.npz").is_file()
    place = tmp_path / "map"
    assert rlrec("train vae --updates 20 --out", place) == 0
    assert "pca, 5 components" in capsys.readouterr().out
    assert train(tmp_path / "other", steps=512, place=place) == 0
