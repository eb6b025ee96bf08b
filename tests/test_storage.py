"""Files are whole or not there; broken ones are named."""

import numpy as np
import pytest

from rlrec import storage
from rlrec.errors import DataError


def test_json_and_arrays_round_trip(tmp_path):
    storage.write_json(tmp_path / "a" / "x.json", {"k": [1, 2]})
    assert storage.read_json(tmp_path / "a" / "x.json") == {"k": [1, 2]}
    storage.write_arrays(tmp_path / "x.npz", a=np.arange(3), b=np.eye(2))
    np.testing.assert_array_equal(
        storage.read_arrays(tmp_path / "x.npz", ("b",))["b"], np.eye(2)
    )


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path):
    storage.write_json(tmp_path / "x.json", {"old": 1})
    with pytest.raises(TypeError):
        storage.write_json(tmp_path / "x.json", {"new": object()})
    with pytest.raises(ZeroDivisionError):
        storage._replace(tmp_path / "x.json", lambda file: (file.write(b"half"), 1 / 0))
    assert storage.read_json(tmp_path / "x.json") == {"old": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_objects_are_never_stored(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        storage.write_arrays(tmp_path / "x.npz", a=np.array([object()]))


@pytest.mark.parametrize("content", ["", "{", "[1"])
def test_broken_json(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(DataError, match="not valid JSON"):
        storage.read_json(tmp_path / "x.json")


def test_missing_array(tmp_path):
    storage.write_arrays(tmp_path / "x.npz", a=np.arange(3))
    with pytest.raises(DataError, match="another version"):
        storage.read_arrays(tmp_path / "x.npz", ("a", "b"))


def test_generator_goes_on_where_it_stopped():
    rng = np.random.default_rng(5)
    rng.random(17)
    twin = storage.restore_generator(storage.generator_state(rng))
    np.testing.assert_array_equal(rng.random(5), twin.random(5))


def test_rows(tmp_path):
    storage.write_rows(tmp_path / "m.csv", ("a", "b"), [(1, "x,y"), (2, "z")])
    assert (tmp_path / "m.csv").read_text() == 'a,b\n1,"x,y"\n2,z\n'


def test_a_row_that_was_half_written_is_not_read(tmp_path):
    storage.write_rows(tmp_path / "m.csv", ("a", "b"), [(1, "x")])
    with open(tmp_path / "m.csv", "a") as file:
        file.write("2,")
    assert storage.read_rows(tmp_path / "m.csv") == [["1", "x"]]


def test_the_latest_checkpoints_are_kept(tmp_path):
    for step in (90, 100, 1000):
        storage.save_checkpoint(tmp_path, step, lambda folder: None, keep=2)
    assert [step for step, _ in storage.checkpoints(tmp_path)] == [100, 1000]
