"""An n-step run: trained, resumed, compared with baselines, asked for songs."""

import json
import os

import numpy as np
import pytest
from command import rlrec

from rlrec import storage
from rlrec.datasets import load_tracks
from rlrec.envs import default_catalogue
from rlrec.runs import ppo_evaluation
from rlrec.runs.nstep import NStepRun

QUICK = "train nstep --steps 2048 --checkpoint-every 1024 --out"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("nstep") / "whole"
    assert rlrec(QUICK, out) == 0
    return out


def test_a_run_keeps_settings_metrics_and_checkpoints(whole):
    run = NStepRun.read(whole)
    assert (run.steps, run.nstep.schedule_steps) == (2048, 2048)
    assert [step for step, _ in storage.checkpoints(whole)] == [1024, 2048]
    rows = (whole / "metrics.csv").read_text().splitlines()
    assert rows[0].startswith("step,reward,epsilon")
    assert rlrec("train nstep --resume --out", whole, "--n 2") == 1
    assert rlrec("train nstep --resume --out", whole) == 0


def test_deterministic_means_one_thread(whole, monkeypatch):
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, "2")
    assert rlrec("train nstep --resume --deterministic --out", whole) == 0
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "1"
    assert os.environ["TF_NUM_INTEROP_THREADS"] == "1"


def test_evaluate_shows_every_rival_and_a_verdict(whole, tmp_path, capsys, monkeypatch):
    evaluate = ppo_evaluation.evaluate_ppo
    fewer = evaluate.__kwdefaults__ | {"listeners": 60}
    monkeypatch.setattr(evaluate, "__kwdefaults__", fewer)
    path = tmp_path / "found.json"
    assert rlrec("evaluate", whole, "--json", path) == 0
    said = capsys.readouterr().out
    found = json.loads(path.read_text())
    for name in (*ppo_evaluation.RULES, ppo_evaluation.ORACLE, "random", "nstep"):
        assert name in found["table"]
    assert found["verdict"] in said
    assert "sampled" not in said
    assert "nstep less" in said
    assert rlrec("evaluate --protocol rerank", whole) == 1
    assert "run of nstep" in capsys.readouterr().err


def test_songs_after_titles_are_new_ones(whole, capsys):
    tracks = load_tracks("generated")
    titles = f"{tracks.titles[3]}; {tracks.titles[8]}"
    assert rlrec("recommend", whole, f'-k 4 --track "{titles}"') == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    for line in lines[1:]:
        assert tracks.label(3) not in line
        assert "of the next 3 songs heard" in line
    assert rlrec("recommend", whole, "--track 'no such song'") == 1
    assert rlrec("recommend", whole) == 1
    assert "run of nstep" in capsys.readouterr().err


def test_the_whole_catalogue_and_a_map_without_popularity(tmp_path):
    flags = "--candidates 0 --no-popularity"
    assert rlrec(QUICK, tmp_path, flags) == 0
    agent = NStepRun.read(tmp_path).load(storage.checkpoints(tmp_path)[-1][1])
    assert not agent.catalogue.appeal.any()
    np.testing.assert_allclose(agent.catalogue.sound, default_catalogue().sound)
