"""The short form of `make torture`, and that its tools notice what they are for."""

import contextlib

import numpy as np

from rlrec import storage
from tests.torture import deaths, disks
from tests.torture.__main__ import main


def test_nothing_is_lost_in_the_short_form():
    assert main(["--short", "disks", "inputs"]) == 0


def test_a_run_that_died_at_any_call_ends_with_the_same_bits(tmp_path):
    row = deaths.deaths("qlearning", tmp_path, deaths.Hook(), every=3)
    assert row["tries"] >= 4
    assert row["differ"] == row["errors"] == 0


def test_the_hook_stops_all_that_follows(tmp_path):
    hook = deaths.Hook()
    words = f"train qlearning --steps 50 --out {tmp_path / 'run'}"
    assert hook.run(words, tmp_path, at=3) is None
    assert (tmp_path / "run" / ".lock").exists()
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_difference_is_counted():
    one = {"a": np.zeros(2), "b": np.ones(2)}
    assert deaths.differing(one, one) == 0
    assert deaths.differing(one, {"a": np.ones(2), "c": np.ones(2)}) == 3


def test_a_loss_is_counted(tmp_path, monkeypatch):
    def append(path, text):
        with contextlib.suppress(OSError), storage.open(path, "ab") as file:
            file.write(text.encode())

    monkeypatch.setattr(storage, "append_text", append)
    assert disks.full_disks(tmp_path, 16)["lost"] > 0
