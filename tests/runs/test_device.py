"""What a training computes on: chosen before TensorFlow loads, stored with a run."""

import importlib
import json
import os

import pytest
from command import rlrec
from run_samples import SMALL, write_csv

from rlrec.runs.session import _compare

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
TRAININGS = ("ddpg", "vae", "ppo", "nstep")


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])


@pytest.fixture
def one_gpu(monkeypatch):
    details = {"device_name": "NVIDIA A10G"}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["one"])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda _: details)


@pytest.mark.parametrize("train", TRAININGS)
def test_a_gpu_that_is_not_there_stops_a_training_at_once(
    no_gpu, train, tmp_path, capsys
):
    out = tmp_path / "run"
    assert rlrec(f"train {train} --device gpu --out", out) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("rlrec: --device gpu: TensorFlow sees no GPU here")
    assert not out.exists()


def test_a_resume_on_a_gpu_that_is_not_there_changes_nothing(no_gpu, tmp_path, capsys):
    out = tmp_path / "run"
    flags = f"{' '.join(SMALL)} --steps 64 --checkpoint-every 64"
    data = write_csv(tmp_path / "own.csv")
    assert rlrec("train ddpg --data", data, flags, "--out", out) == 0
    stored = json.loads((out / "config.json").read_text())
    assert stored["versions"]["device"] == "CPU"
    assert stored["sessions"][0]["device"].startswith("CPU, ")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert rlrec("train ddpg --resume --device gpu --out", out) == 1
    assert "sees no GPU" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


@pytest.mark.parametrize("train", TRAININGS)
def test_the_cpu_hides_every_gpu(train, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert rlrec(f"train {train} --device auto --data nothing --out", tmp_path) == 1
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
    assert rlrec(f"train {train} --device cpu --data nothing --out", tmp_path) == 1
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"


def test_another_device_is_told_on_resume(one_gpu):
    with pytest.warns(match="device NVIDIA A10G, not CPU: this run need not end with"):
        _compare({"device": "CPU"})


def test_memory_of_a_gpu_is_taken_as_it_is_needed(one_gpu, monkeypatch):
    grown = []
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda *told: grown.append(told)
    )
    importlib.reload(importlib.import_module("rlrec.nn.backend"))
    assert grown == [("one", True)]
