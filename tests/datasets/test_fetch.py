from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import stat
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from rlrec import storage
from rlrec.datasets import CATALOGUE, DataSet, fetch
from rlrec.datasets import fetch as fetch_function
from rlrec.datasets.fetch import ResumingDownloader, unzip
from rlrec.errors import ConfigError, DataError

fetch_module = __import__("sys").modules[fetch_function.__module__]
RATINGS, FILMS = b"1\t1\t5\t9\n" * 20_000, b"1|A film\n"


def zipped(members: dict[str, bytes], links: tuple[str, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (
                (stat.S_IFLNK if name in links else stat.S_IFREG) | 0o644
            ) << 16
            archive.writestr(info, content)
    return buffer.getvalue()


ARCHIVE = zipped(
    {"toy/u.data": RATINGS, "toy/u.item": FILMS, "toy/mku.sh": b"not wanted"}
)


class Server(ThreadingHTTPServer):
    """A local server.

    Its first `deaths` connections break off after `dies_after` bytes.
    """

    content: dict[str, bytes]
    dies_after = 10**9
    deaths = 0
    drips = False  # whether it sends one byte at a time
    ranges_work = True
    lie = 0  # bytes by which the start that it states is wrong
    requests: list[tuple[str, str | None]]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.requests.append((self.path, asked))
        body = self.server.content.get(self.path)
        if body is None:
            self.send_error(404)
            return
        start = (
            int(asked.removeprefix("bytes=").rstrip("-"))
            if asked and self.server.ranges_work
            else 0
        )
        if start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        if start:
            self.send_header(
                "Content-Range",
                f"bytes {start + self.server.lie}-{len(body) - 1}/{len(body)}",
            )
        self.end_headers()
        if self.server.drips:
            with contextlib.suppress(BrokenPipeError):
                for place in range(start, len(body)):
                    self.wfile.write(body[place : place + 1])
                    time.sleep(0.05)
            return
        if self.server.deaths > 0:
            self.server.deaths -= 1
            self.wfile.write(body[start : start + self.server.dies_after])
            self.wfile.flush()
            self.connection.close()
            return
        self.wfile.write(body[start:])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server(("127.0.0.1", 0), Handler)
    running.content, running.requests = {"/toy.zip": ARCHIVE}, []
    thread = threading.Thread(
        target=running.serve_forever, kwargs={"poll_interval": 0.01}
    )
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def toy(server: Server, monkeypatch: pytest.MonkeyPatch) -> DataSet:
    """A data set of the test's own, in the catalogue under the name `toy`."""
    entry = dataclasses.replace(
        CATALOGUE["ml-100k"],
        name="toy",
        urls=(server.url("/toy.zip"),),
        archive_sha256=hashlib.sha256(ARCHIVE).hexdigest(),
        files={"u.data": hashlib.sha256(RATINGS).hexdigest(), "u.item": ""},
    )
    monkeypatch.setitem(CATALOGUE, "toy", entry)
    monkeypatch.setattr(
        ResumingDownloader.__init__, "__kwdefaults__", {"progress": False, "wait": 0.01}
    )
    return entry


def change(monkeypatch: pytest.MonkeyPatch, entry: DataSet, **fields: Any) -> None:
    monkeypatch.setitem(CATALOGUE, "toy", dataclasses.replace(entry, **fields))


def files_in(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    )


@pytest.mark.usefixtures("toy")
def test_fetch_puts_the_checked_files_in_place_and_nothing_else(tmp_path: Path) -> None:
    folder = fetch("toy", out=tmp_path / "here")
    assert folder == tmp_path / "here" / "toy"
    assert files_in(tmp_path) == ["here/toy/u.data", "here/toy/u.item"]
    assert (folder / "u.data").read_bytes() == RATINGS


@pytest.mark.usefixtures("toy")
def test_a_second_fetch_downloads_nothing(server: Server, tmp_path: Path) -> None:
    fetch("toy", out=tmp_path)
    fetch("toy", out=tmp_path)
    assert len(server.requests) == 1


@pytest.mark.usefixtures("toy")
def test_a_folder_that_differs_is_left_alone(tmp_path: Path) -> None:
    (fetch("toy", out=tmp_path) / "u.data").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"u\.data: sha256 .* Remove .*toy"):
        fetch("toy", out=tmp_path)
    assert (tmp_path / "toy" / "u.data").read_bytes() == b"mine"


@pytest.mark.usefixtures("toy")
def test_a_server_that_dies_halfway_is_asked_for_the_rest(
    server: Server, tmp_path: Path
) -> None:
    server.dies_after, server.deaths = 70_000, 2
    fetch("toy", out=tmp_path)
    starts = [
        int(asked.removeprefix("bytes=").rstrip("-"))
        for _, asked in server.requests
        if asked
    ]
    assert len(server.requests) == 3
    assert 0 < starts[0] < starts[1] <= 140_000
    assert files_in(tmp_path) == ["toy/u.data", "toy/u.item"]


@pytest.mark.usefixtures("toy")
def test_a_later_run_goes_on_where_the_last_one_stopped(
    server: Server, tmp_path: Path
) -> None:
    server.dies_after, server.deaths = 30_000, 99
    with pytest.raises(DataError, match="could not be downloaded"):
        fetch("toy", out=tmp_path)
    assert files_in(tmp_path) == ["toy.zip.part"]
    have = (tmp_path / "toy.zip.part").stat().st_size
    assert 50_000 < have <= 120_000, "four tries, each with some bytes"
    server.deaths = 0
    server.requests.clear()
    fetch("toy", out=tmp_path)
    assert server.requests == [("/toy.zip", f"bytes={have}-")]


@pytest.mark.usefixtures("toy")
def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.dies_after, server.deaths, server.ranges_work = 70_000, 1, False
    assert (fetch("toy", out=tmp_path) / "u.data").read_bytes() == RATINGS


@pytest.mark.usefixtures("toy")
def test_a_part_that_is_too_long_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "toy.zip.part").write_bytes(b"x" * (len(ARCHIVE) + 5))
    assert (fetch("toy", out=tmp_path) / "u.data").read_bytes() == RATINGS


def test_mirrors_are_tried_in_order(
    server: Server, toy: DataSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    altered = zipped({"toy/u.data": RATINGS + b"1\t1\t1\t1\n", "toy/u.item": FILMS})
    server.content |= {"/altered/toy.zip": altered}
    urls = tuple(
        server.url(path)
        for path in ("/missing/toy.zip", "/altered/toy.zip", "/toy.zip")
    )
    change(monkeypatch, toy, urls=urls)
    assert (fetch("toy", out=tmp_path) / "u.data").read_bytes() == RATINGS
    assert [path for path, _ in server.requests] == [
        "/missing/toy.zip",
        "/altered/toy.zip",
        "/toy.zip",
    ]


def test_an_altered_archive_leaves_nothing(
    server: Server, toy: DataSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.content["/toy.zip"] = zipped(
        {"toy/u.data": RATINGS[:-1], "toy/u.item": FILMS}
    )
    with pytest.raises(DataError, match="altered file"):
        fetch("toy", out=tmp_path)
    change(
        monkeypatch, toy, archive_sha256=""
    )  # an archive that is re-made upstream: its files are still checked
    with pytest.raises(DataError, match=r"u\.data: sha256"):
        fetch("toy", out=tmp_path)
    assert files_in(tmp_path) == []


@pytest.mark.usefixtures("toy")
def test_from_a_file_downloaded_by_hand(server: Server, tmp_path: Path) -> None:
    mine = tmp_path / "mine.zip"
    mine.write_bytes(ARCHIVE)
    fetch("toy", source_file=mine, out=tmp_path / "out")
    assert server.requests == []
    assert mine.read_bytes() == ARCHIVE, "the file is kept"
    mine.write_bytes(ARCHIVE[:-1])
    with pytest.raises(DataError, match="altered or cut short"):
        fetch("toy", source_file=mine, out=tmp_path / "other")
    with pytest.raises(DataError, match="no such file"):
        fetch("toy", source_file=tmp_path / "none.zip", out=tmp_path / "other")
    assert files_in(tmp_path / "other") == []


def test_a_single_csv(
    server: Server, toy: DataSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = b"a,b\n1,2\n"
    server.content["/toy.csv"] = content
    digest = hashlib.sha256(content).hexdigest()
    change(
        monkeypatch,
        toy,
        urls=(server.url("/toy.csv"),),
        files={"toy.csv": digest},
        archive_sha256="",
    )
    assert (fetch("toy", out=tmp_path) / "toy.csv").read_bytes() == content


@pytest.mark.usefixtures("toy")
def test_a_lapsed_certificate_is_explained_and_never_bypassed(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def lapsed(*_: Any, **options: Any) -> None:
        assert options.get("verify", True) is True
        raise requests.exceptions.SSLError("certificate has expired")

    monkeypatch.setattr(requests, "get", lapsed)
    with pytest.raises(
        DataError, match=r"(?s)certificate.*lapses now and then.*--from FILE"
    ):
        fetch("toy", out=tmp_path)
    assert server.requests == []


def test_only_https(
    toy: DataSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    change(monkeypatch, toy, urls=("http://example.org/toy.zip",))
    with pytest.raises(DataError, match="only https"):
        fetch("toy", out=tmp_path)
    assert all(
        url.startswith("https://")
        for known in CATALOGUE.values()
        if known is not toy
        for url in known.urls
        if known.name != "toy"
    )


def test_what_cannot_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to download"):
        fetch("generated", out=tmp_path)
    with pytest.raises(
        DataError, match="no data set is called 'nonsense'; there are: generated"
    ):
        fetch("nonsense", out=tmp_path)


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/tmp/evil", "C:/evil", "..\\evil"]
)
def test_members_that_point_outside_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({name: b"x", "toy/u.data": RATINGS}))
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="unsafe archive"):
        unzip(tmp_path / "a.zip", tmp_path / "out", ("u.data",))
    assert files_in(tmp_path) == ["a.zip"]


def test_links_bombs_and_missing_files_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "link.zip").write_bytes(
        zipped({"toy/u.data": b"/etc/passwd"}, links=("toy/u.data",))
    )
    with pytest.raises(DataError, match="is a link"):
        unzip(tmp_path / "link.zip", out, ("u.data",))
    (tmp_path / "big.zip").write_bytes(zipped({"toy/u.data": RATINGS}))
    with pytest.raises(DataError, match="would unpack to 160,000 bytes"):
        unzip(tmp_path / "big.zip", out, ("u.data",), largest=159_999)
    with pytest.raises(DataError, match=r"holds 0 files called u\.item"):
        unzip(tmp_path / "big.zip", out, ("u.item",))
    (tmp_path / "twice.zip").write_bytes(zipped({"a/u.data": b"1", "b/u.data": b"2"}))
    with pytest.raises(DataError, match=r"holds 2 files called u\.data"):
        unzip(tmp_path / "twice.zip", out, ("u.data",))
    (tmp_path / "no.zip").write_bytes(b"no archive")
    with pytest.raises(DataError, match="no readable zip"):
        unzip(tmp_path / "no.zip", out, ("u.data",))
    assert files_in(out) == []


def test_checksums_of_the_catalogue_match_the_real_files(real: Path) -> None:
    checked = 0
    for known in CATALOGUE.values():
        for name, digest in known.files.items():
            path = next(
                (
                    real / folder / name
                    for folder in known.folders
                    if (real / folder / name).is_file()
                ),
                None,
            )
            if digest and path:
                assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, path
                checked += 1
    assert checked >= 5


def test_corrupt_data_in_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("u.data", RATINGS)
    damaged = bytearray(path.read_bytes())
    damaged[36:60] = b"\xff" * 24
    path.write_bytes(damaged)
    with pytest.raises(DataError, match="no readable zip"):
        unzip(path, tmp_path, ("u.data",))


@pytest.mark.usefixtures("toy")
def test_out_must_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match="choose another folder"):
            fetch("toy", out=out)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.usefixtures("toy")
def test_a_part_of_the_file_that_starts_elsewhere_is_not_appended(
    server: Server, tmp_path: Path
) -> None:
    server.dies_after, server.deaths, server.lie = 70_000, 1, 5
    assert (fetch("toy", out=tmp_path) / "u.data").read_bytes() == RATINGS
    assert [asked is None for _, asked in server.requests] == [True, False, True]


@pytest.mark.usefixtures("toy")
def test_every_redirect_must_be_https(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    get = requests.get

    def redirected(*args: Any, **options: Any) -> requests.Response:
        answer = get(*args, **options)
        hop = requests.Response()
        hop.url = "http://example.org/toy.zip"
        answer.history = [hop]
        return answer

    monkeypatch.setattr(requests, "get", redirected)
    with pytest.raises(DataError, match=r"example\.org/toy\.zip: only https"):
        fetch("toy", out=tmp_path)


@pytest.mark.usefixtures("toy")
def test_a_server_that_drips_is_left_after_the_time_limit(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.drips = True
    monkeypatch.setattr(fetch_module, "LONGEST", 0.3)
    began = time.monotonic()
    with pytest.raises(DataError, match="took more than 0 s; fetch again to go on"):
        fetch("toy", out=tmp_path)
    assert time.monotonic() - began < 3.0
    server.drips = False


@pytest.mark.usefixtures("toy")
def test_two_fetches_of_one_data_set_are_refused(tmp_path: Path) -> None:
    with (
        storage.owned(tmp_path, ".toy.lock"),
        pytest.raises(ConfigError, match="in use by process"),
    ):
        fetch("toy", out=tmp_path)
    assert files_in(fetch("toy", out=tmp_path)) == ["u.data", "u.item"]
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]
