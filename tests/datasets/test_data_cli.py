from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from dataset_samples import GOOD, HEADER, Write

from rlrec.cli import main
from rlrec.datasets import CATALOGUE, data_folder, folders, locate
from rlrec.errors import DataError


def test_list_names_every_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in CATALOGUE)


@pytest.mark.parametrize("name", [*CATALOGUE, "tracks", "ratings", "sessions"])
def test_every_card_tells_the_licence(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "card", name]) == 0
    assert "icence" in capsys.readouterr().out


def test_check_prints_the_report(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("t.csv", HEADER, *GOOD, GOOD[0][:30])
    assert (
        main(["data", "check", str(path), "--rejects", str(tmp_path / "bad.csv")]) == 0
    )
    assert "too few fields (row cut in half?): 1 row\n" in capsys.readouterr().out
    assert GOOD[0][:30] in (tmp_path / "bad.csv").read_text()


def test_check_exit_statuses(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", str(write("x.csv", "colour,size", "red,3"))]) == 1
    assert main(["data", "check", str(tmp_path / "nowhere")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 2, "one message each"


def test_errors_are_one_message_without_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["data", "card", "nonsense"]) == 1
    assert capsys.readouterr().err.startswith("rlrec: no data set is called 'nonsense'")


def test_make_writes_only_where_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "make", "--out", str(tmp_path / "d")]) == 0
    written = {path.name for path in (tmp_path / "d").iterdir()}
    assert {"ratings.csv", "tracks.csv"} <= written
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    assert "tracks.csv" in capsys.readouterr().out


def test_fetch_from_a_missing_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = [
        "data",
        "fetch",
        "ml-100k",
        "--from",
        str(tmp_path / "none.zip"),
        "--out",
        str(tmp_path),
    ]
    assert main(args) == 1
    assert "no such file" in capsys.readouterr().err


def test_help_and_the_import_are_light() -> None:
    code = (
        "import sys, rlrec.datasets; print(sorted({'pandas', 'pooch', 'tqdm', "
        "'requests', 'scipy', 'tensorflow'} & set(sys.modules)))"
    )
    imported = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert imported.stdout == "[]\n"
    done = subprocess.run(
        [sys.executable, "-m", "rlrec.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "data" in done.stdout


def test_rlrec_data_is_looked_into_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RLREC_DATA", str(tmp_path))
    (tmp_path / "ml-100k").mkdir()
    (tmp_path / "ml-100k" / "u.data").write_text("1\t1\t5\t0\n")
    monkeypatch.setattr(folders, "cache_folder", lambda: tmp_path / "cache")
    (tmp_path / "cache" / "ml-100k").mkdir(parents=True)
    (tmp_path / "cache" / "ml-100k" / "u.data").write_text("2\t2\t2\t0\n")
    assert locate("ML_100k") == tmp_path / "ml-100k"
    assert locate("generated").is_dir()
    monkeypatch.setenv("RLREC_DATA", str(tmp_path / "elsewhere"))
    if not data_folder("lastfm").exists():
        with pytest.raises(
            DataError,
            match=(
                r"lastfm is not on this machine .*elsewhere.*"
                r"`rlrec data fetch lastfm`"
            ),
        ):
            locate("lastfm")


def test_an_unknown_source_says_what_there_is() -> None:
    with pytest.raises(
        DataError, match="no such file or folder, and no data set of that name"
    ):
        locate("ml-100000")
