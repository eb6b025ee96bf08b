"""Parts for a machine without a network: written, checked, put together again."""

import importlib.util
import random
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location(
    "offline", ROOT / "lessons/results/offline.py"
)
offline = importlib.util.module_from_spec(spec)
spec.loader.exec_module(offline)
NOISE = random.Random(1).randbytes(25_000)  # cannot be made smaller


@pytest.fixture
def parts(tmp_path):
    site = tmp_path / "site"
    (site / "rlrec").mkdir(parents=True)
    (site / "rlrec/noise.bin").write_bytes(NOISE)
    (site / "small.py").write_text("x = 1\n")
    folder = tmp_path / "parts"
    folder.mkdir()
    return folder, offline.write_parts(site, folder, size=10_000)


def test_parts_are_put_together_again(parts, tmp_path):
    folder, count = parts
    sizes = [path.stat().st_size for path in sorted(folder.glob("part0*"))]
    assert count == 3
    assert sizes[:2] == [10_000, 10_000]
    assert 5_000 < sizes[2] <= 10_000
    offline.read_parts(folder, tmp_path / "there")
    assert (tmp_path / "there/rlrec/noise.bin").read_bytes() == NOISE
    assert (tmp_path / "there/small.py").read_text() == "x = 1\n"


@pytest.mark.parametrize("change", ["missing", "broken", "of another one"])
def test_a_part_that_is_not_as_it_was_written_is_named(parts, tmp_path, change):
    folder, _ = parts
    path = folder / "part001"
    content = path.read_bytes()
    if change == "missing":
        path.unlink()
    elif change == "broken":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        path.write_bytes((folder / "part000").read_bytes())
    with pytest.raises(SystemExit, match="part001 is missing or broken"):
        offline.read_parts(folder, tmp_path / "there")


def test_nothing_is_packed_into_a_folder_in_use(tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(SystemExit, match="not empty"):
        offline.pack(tmp_path, cuda=False)
