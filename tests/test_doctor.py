"""What `rlrec doctor` says of a GPU: a driver that is broken, there, or none."""

import os
import sys

import pytest

from rlrec import doctor

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
BROKEN = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running."
)
ONE = "NVIDIA A10G, 550.54.15, 23028 MiB, 8.6"


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """Put an ``nvidia-smi`` on the path that says and exits as it is told."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")

    def put(said, status):
        path = tmp_path / "nvidia-smi"
        path.write_text(f'#!{sys.executable}\nprint("""{said}""")\nexit({status})\n')
        path.chmod(0o755)

    return put


@pytest.fixture
def seen(monkeypatch):
    """TensorFlow sees these GPUs."""
    gpus = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    details = {"device_name": "NVIDIA A10G", "compute_capability": (8, 6)}
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda gpu: details
    )
    return gpus


needs_scripts = pytest.mark.skipif(os.name != "posix", reason="no scripts on the path")


def test_no_driver_and_no_gpu(driver, seen):
    assert doctor.gpu_lines() == ["none found; every lesson runs without"]


@needs_scripts
def test_a_broken_driver_is_called_broken(driver, seen):
    driver(BROKEN, 9)
    (line,) = doctor.gpu_lines()
    assert "driver broken" in line
    assert "status 9" in line
    assert BROKEN in line


@needs_scripts
def test_a_gpu_that_tensorflow_does_not_see(driver, seen):
    driver(ONE, 0)
    there, advice = doctor.gpu_lines()
    assert there == (
        "NVIDIA A10G, driver 550.54.15, memory 23028 MiB, compute capability 8.6"
    )
    assert 'pip install "rlrec[deep,gpu]"' in advice
    assert "CUDA_VISIBLE_DEVICES=0" in advice


@needs_scripts
def test_each_gpu_that_tensorflow_sees_multiplies_matrices(driver, seen, monkeypatch):
    driver(f"{ONE}\n{ONE}", 0)
    seen += ["first", "second"]
    asked = []
    monkeypatch.setattr(doctor, "product", lambda device: asked.append(device))
    lines = doctor.gpu_lines()
    assert asked == ["GPU:0", "GPU:1"]
    assert len(lines) == 4
    assert lines[3].startswith("TensorFlow's GPU:1 is NVIDIA A10G")
    assert "compute capability 8.6" in lines[3]


def test_a_product_of_matrices_is_compared_with_numpy(monkeypatch):
    assert "right" in doctor.product("CPU:0")
    assert "instead" in doctor.product("CPU:9")
    multiply = tf.matmul

    def off_by_one(left, right):
        with tf.device("CPU:0"):
            return multiply(left, right) + tf.one_hot([0] * doctor.SIZE, doctor.SIZE)

    monkeypatch.setattr(tf, "matmul", off_by_one)
    assert "WRONG" in doctor.product("CPU:0")


def test_a_gpu_that_fails_is_reported_in_one_line(monkeypatch):
    def fail(left, right):
        raise tf.errors.InternalError(None, None, "no kernel image\nstack\nstack")

    monkeypatch.setattr(tf, "matmul", fail)
    said = doctor.product("CPU:0")
    assert "no kernel image" in said
    assert "stack" not in said
