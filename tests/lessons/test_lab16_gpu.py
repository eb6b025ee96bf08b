"""Lesson 16: two devices by hand, the widget, the measuring at its smallest."""

import lab16_gpu as lab16
import lab16_study as study
import numpy as np
import pytest

from rlrec.agents.ppo_networks import PPOLearner


def test_work_and_seconds_by_hand() -> None:
    # 64 x 2 + 2 x 2 + 2 x 1 = 134 products a row, six operations each
    assert lab16.update_work(10, 2) == 6 * 10 * 134
    assert lab16.call_seconds(10, 2, 1e-3, 8_040.0) == pytest.approx(1.001)


def test_a_setting_by_hand() -> None:
    found = lab16.compare(6, 6, 25, launch=2e-5)
    # 64 rows, 64 units: 64 x 8,256 x 6 operations
    assert found.cpu_now == pytest.approx(2e-5 + 3_170_304 / 1e11)
    assert found.gpu_now == pytest.approx(3.2e-4 + 3_170_304 / 1e13)
    assert found.cpu[2] == found.cpu_now  # rows from 2^4 on
    longer = found.gpu_now / found.cpu_now
    words = lab16.describe(found)
    assert f"<b>{longer:.2f}</b> times the CPU's time" in words
    assert f"<b>{25 * longer:.2f}</b> times its cost" in words


def test_the_widget_follows_its_controls() -> None:
    lab = lab16.calls_lab()
    launch = lab16.stored("gpu")["devices"]["CPU:0"]["launch"]
    assert lab.set().cpu_now == lab16.compare(6, 6, 25, launch).cpu_now
    assert lab16.calls_lab(1e-3).set().cpu_now > 1e-3
    small = lab.picture.value
    found = lab.set(exponent=12)
    assert found.rows == 4_096
    assert lab.picture.value != small
    assert "4,096 rows" in lab.line.value


def test_a_made_round_is_one_that_ppo_learns_from() -> None:
    rng = np.random.default_rng(0)
    sound = rng.normal(size=(30, 5)).astype(np.float32)
    config = study.PPOConfig(minibatch=16, hidden=(4,))
    learner = PPOLearner(sound, study.WIDTH, config, rng)
    steps = study.made_round(64, 30, rng)
    order = np.arange(64, dtype=np.int32).reshape(1, 4, 16)
    before = learner.weights[0].numpy()
    found = learner.learn(steps, order, 1.0)
    assert np.isfinite([*found.values()]).all()
    assert not np.array_equal(before, learner.weights[0].numpy())


def test_the_study_has_a_row_for_each_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"SIZES": (8,), "TYPED": 8, "SONGS": 512, "MINIBATCHES": (64,)}
    small |= {"UNITS": (4,), "SEEDS": (1, 2), "LISTENERS": (64,)}
    for name, value in small.items():
        monkeypatch.setattr(study, name, value)
    found = study.study_gpu(command="here", say=lambda line: None)
    cpu = found["devices"]["CPU:0"]
    assert [row[0] for row in cpu["seeds"]] == [1, 2]
    assert [row[:2] for row in cpu["rounds"]] == [[64, 4]]
    assert [row[0] for row in cpu["playing"]] == [64]
    assert [row[0] for row in cpu["types"]] == ["float32", "float16", "bfloat16"]
    assert found["command"] == "here"


@pytest.mark.parametrize("name", ["gpu", "minibatch"])
def test_stored_figures_say_where_they_come_from(name: str) -> None:
    found = lab16.stored(name)
    words = lab16.provenance(found)
    assert found["command"] in words
    assert found["device"] in words
