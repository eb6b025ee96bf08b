"""Files are whole or not there; broken ones are named."""

import errno
import io
import os
import resource
import signal
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from rlrec import storage
from rlrec.errors import ConfigError, DataError, Notice


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


# -- foreign bytes -------------------------------------------------------------------
def npz(path, header, size):
    """An .npz whose one array claims a shape and holds ``size`` zero bytes."""
    text = header.encode().ljust(117) + b"\n"
    start = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", start + bytes(size))


def test_an_array_that_claims_too_much_is_refused(tmp_path):
    claim = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"
    npz(tmp_path / "x.npz", claim, 0)
    with pytest.raises(DataError, match="broken or of another version"):
        storage.read_arrays(tmp_path / "x.npz")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "LARGEST", 3 * 2**20)
    shape = "{'descr': '<f8', 'fortran_order': False, 'shape': (%d,)}"
    for mega, works in ((2, True), (4, False)):
        npz(tmp_path / "x.npz", shape % (mega * 2**17), mega * 2**20)
        if works:
            assert len(storage.read_arrays(tmp_path / "x.npz")["a"]) == 2**18
        else:
            with pytest.raises(DataError, match="bytes, more than 3,145,728"):
                storage.read_arrays(tmp_path / "x.npz")


@pytest.mark.parametrize("content", [b"\x93NUMPY", b"PK\x03\x04", b"\xff" * 99, b""])
def test_foreign_bytes_are_no_arrays(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(DataError, match="broken or of another version"):
        storage.read_arrays(tmp_path / "x.npz")


@pytest.mark.parametrize("content", [b'{"a": "\xff"}', b"[" * 10**5, b"[1]", b"NaN"])
def test_foreign_bytes_are_no_settings(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.json: "):
        storage.read_json(tmp_path / "x.json")


# -- appending -------------------------------------------------------------------------
def test_a_line_cut_off_is_ended_and_told(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"a,b\n1,")
    with pytest.warns(Notice, match="its last line is cut off"):
        storage.append_row(path, [2, "x"])
    storage.append_row(path, [3, "y"])
    assert path.read_bytes() == b"a,b\n1,\n2,x\n3,y\n"


class Short(io.FileIO):
    """A file that takes 3 bytes a write, and is full after ``room`` bytes."""

    room = 10**9

    def write(self, data):
        if self.tell() + 3 > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(bytes(data)[:3])


@pytest.fixture
def short(monkeypatch):
    def opened(path, mode, buffering=-1):
        return Short(path, mode.replace("b", ""))

    monkeypatch.setattr(storage, "open", opened, raising=False)
    monkeypatch.setattr(Short, "room", 10**9)
    return Short


def test_short_writes_lose_nothing(tmp_path, short):
    path = tmp_path / "log.csv"
    storage.append_text(path, "1,2,3\n4,5,6\n")
    storage.append_text(path, "7,8,9\n")
    assert path.read_text() == "1,2,3\n4,5,6\n7,8,9\n"


def test_on_a_full_disk_what_was_there_is_intact(tmp_path, short):
    path = tmp_path / "log.csv"
    storage.append_text(path, "1,2,3\n")
    short.room = 11
    with pytest.raises(DataError, match=r"log.csv: cannot be written \(No space left"):
        storage.append_text(path, "4,5,6\n7,8,9\n")
    assert path.read_text() == "1,2,3\n"


def test_a_whole_file_is_written_or_none(tmp_path):
    """The system's own limit on a file's size stands in for a full disk."""
    path = tmp_path / "x.npz"
    storage.write_arrays(path, a=np.zeros(3))
    before = path.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    noise = np.random.default_rng(0).random(10_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
    try:
        with pytest.raises(DataError, match="cannot be written"):
            storage.write_arrays(path, a=noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, former)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["x.npz"]


# -- other people's files --------------------------------------------------------------
def test_an_output_never_replaces_what_is_not_an_earlier_one(tmp_path):
    path = tmp_path / "mine.txt"
    storage.require_output(path, "--out")
    assert not list(tmp_path.iterdir())
    path.write_text("my novel")
    with pytest.raises(ConfigError, match="is there already"):
        storage.require_output(path, "--out")
    with pytest.raises(ConfigError, match="is there already"):
        storage.require_output(path, "--out", lambda text: text.startswith("result"))
    storage.require_output(path, "--out", lambda text: text.startswith("my"))
    assert path.read_text() == "my novel"


@pytest.mark.parametrize("place", [".", "file/x.json", "/dev/null", "/proc/none/x"])
def test_an_output_that_cannot_be_written_is_refused(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"give a file|cannot be written"):
        storage.require_output(tmp_path / place, "--json")


# -- owners ----------------------------------------------------------------------------
HOLD = """
import sys, time
from rlrec import storage
with storage.owned(sys.argv[1]):
    print("mine", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_and_a_dead_one_is_followed(tmp_path):
    folder = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "mine\n"
        words = f"in use by process {other.pid} on .*, since 20"
        with pytest.raises(ConfigError, match=words), storage.owned(folder):
            pass
        other.kill()
    assert (folder / ".lock").exists()
    with storage.owned(folder):
        assert str(os.getpid()) in (folder / ".lock").read_text()
    assert not list(folder.iterdir())


def test_a_folder_made_for_nothing_is_removed(tmp_path):
    with storage.owned(tmp_path / "new"):
        pass
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    words = "is a file, or can't be written to"
    with pytest.raises(ConfigError, match=words), storage.owned(tmp_path / "file"):
        pass


# -- manifests -------------------------------------------------------------------------
def saved(folder, step=7):
    def write(where):
        storage.write_arrays(where / "agent.npz", a=np.arange(3))
        storage.write_json(where / "agent.json", {"a": 1})

    return storage.save_checkpoint(folder, step, write, run="abc")


def test_a_checkpoint_knows_its_files_its_step_and_its_run(tmp_path):
    assert storage.require_whole(saved(tmp_path)) == "abc"


def changed_setting(folder):
    storage.write_json(folder / "agent.json", {"a": 2})


def one_bit(folder):
    content = bytearray((folder / "agent.npz").read_bytes())
    content[40] ^= 1
    (folder / "agent.npz").write_bytes(content)


def missing(folder):
    (folder / "agent.npz").unlink()


def added(folder):
    storage.write_json(folder / "more.json", {})


def no_manifest(folder):
    (folder / "manifest.json").unlink()


def foreign_manifest(folder):
    (folder / "manifest.json").write_text('{"step": 7}')


@pytest.mark.parametrize(
    "change", [changed_setting, one_bit, missing, added, no_manifest, foreign_manifest]
)
def test_a_checkpoint_that_was_changed_is_broken(tmp_path, change):
    folder = saved(tmp_path)
    change(folder)
    with pytest.raises(DataError, match=r"checkpoints/7"):
        storage.require_whole(folder)


def test_a_checkpoint_of_another_step_is_broken(tmp_path):
    folder = saved(tmp_path).rename(tmp_path / "checkpoints" / "8")
    with pytest.raises(DataError, match=r"checkpoints/8"):
        storage.require_whole(folder)


def test_a_digest_does_not_depend_on_the_order_of_keys():
    one = {"a": 1, "b": [0.1, None]}
    assert storage.digest(one) == storage.digest(dict(reversed(one.items())))
    assert storage.digest(one) != storage.digest({**one, "a": 2})


def test_what_is_set_aside_replaces_nothing(tmp_path):
    for content in "ab":
        (tmp_path / "x.csv").write_text(content)
        storage.set_aside(tmp_path / "x.csv")
    kept = sorted(path.read_text() for path in tmp_path.iterdir())
    assert kept == ["a", "b"]
