"""Download data sets: https only, checksums, mirrors, and broken downloads resumed.

Archives are unpacked safely, and a data set appears in its folder complete or not at
all.
"""

from __future__ import annotations

import hashlib
import lzma
import shutil
import signal
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rlrec import storage
from rlrec.datasets.folders import cache_folder, data_set
from rlrec.datasets.known import DataSet
from rlrec.errors import DataError

LARGEST = 512 * 2**20  # bytes that an archive may unpack to
LONGEST = 3600.0  # seconds for one address
TRIES = 4  # on one address; each continues where the last one stopped
CHUNK = 2**13  # bytes; a connection that breaks costs at most one chunk
LOCAL = ("127.0.0.1", "localhost", "::1")


class ResumingDownloader:
    """A downloader for pooch that continues a broken download.

    Bytes are collected in the file `part`. Once it is complete, pooch checks its
    sha256 and renames it into place.
    """

    def __init__(self, part: Path, *, progress: bool = True, wait: float = 1.0) -> None:
        """Set up a download to `part`, a file that outlives a broken connection.

        wait: seconds before the second try, doubled each time.
        """
        self.part = part
        self.progress = progress
        self.wait = wait

    def __call__(
        self, url: str, output_file: Any, pooch: Any, check_only: bool = False
    ) -> None:
        """Download `url` to the path `output_file`.

        Raises the last error of `requests` if every try fails.
        """
        import requests

        broken = (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        )
        for attempt in range(TRIES):
            try:
                self._continue(url)
                break
            except requests.exceptions.SSLError:
                raise
            except broken:
                if attempt == TRIES - 1:
                    raise
                time.sleep(self.wait * 2**attempt)
        self.part.replace(Path(output_file))

    def _continue(self, url: str) -> None:
        """One request for the bytes that are still missing."""
        import requests

        have = self._size()
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with requests.get(url, headers=headers, stream=True, timeout=30) as response:
            for hop in (*response.history, response):
                _require_https(hop.url)
            if response.status_code == 416 or not _continues(response, have):
                # The part is not the beginning of what the server sends.
                self.part.unlink(missing_ok=True)
                raise requests.ConnectionError(
                    "the server does not go on after the part downloaded before"
                )
            response.raise_for_status()
            have = have if response.status_code == 206 else 0
            total = have + int(response.headers.get("Content-Length", 0))
            self._save(response, have, total)
        if total and self._size() < total:
            raise requests.ConnectionError(
                f"broke off after {self._size():,} of {total:,} bytes"
            )

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _save(self, response: Any, have: int, total: int) -> None:
        """Append the bytes of a response to the part, with a progress bar."""
        from tqdm import tqdm

        bar = tqdm(
            initial=have,
            total=total or None,
            unit="B",
            unit_scale=True,
            desc=self.part.stem,
            disable=None if self.progress else True,
        )
        with bar, self.part.open("ab" if have else "wb") as file:
            for chunk in response.iter_content(CHUNK):
                if file.tell() + len(chunk) > LARGEST:
                    raise DataError(
                        f"{response.url}: sends more than {LARGEST:,} bytes; stopped"
                    )
                file.write(chunk)
                bar.update(len(chunk))


def fetch(
    name: str,
    *,
    source_file: str | Path | None = None,
    out: str | Path | None = None,
    progress: bool = True,
) -> Path:
    """Download a data set to `out/name`, check it, and return that folder.

    source_file: an archive (or CSV) downloaded by hand, to be checked and unpacked in
    the same way. It is not deleted.
    out: the folder to write to; None: the cache folder, where the loaders look.
    Raises `DataError` if no address answers, a checksum differs or an archive is
    unsafe; then `out/name` is not created.
    """
    wanted = data_set(name)
    if not wanted.urls:
        raise DataError(
            f"{wanted.name} ships with the project: there is nothing to download "
            "(`rlrec data make`)"
        )
    root = Path(out).expanduser() if out is not None else cache_folder()
    target = root / wanted.name
    if target.exists():
        return _already_there(wanted, target)
    with (
        storage.owned(root, f".{wanted.name}.lock"),
        tempfile.TemporaryDirectory(dir=root, prefix=f".{wanted.name}-") as scratch,
    ):
        if target.exists():  # since: another process has fetched it
            return _already_there(wanted, target)
        ready = Path(scratch) / "ready"
        ready.mkdir()
        if source_file:
            download = Path(source_file).expanduser()
        else:
            download = _download(wanted, root, Path(scratch), progress)
        _check_archive(wanted, download)
        _unpack(wanted, download, ready)
        check_files(wanted, ready)
        ready.chmod(0o755)
        ready.rename(target)
    return target


def _already_there(wanted: DataSet, target: Path) -> Path:
    try:
        check_files(wanted, target)
    except DataError as error:
        raise DataError(
            f"{error}. Remove {target} (or give another --out) and fetch again"
        ) from None
    return target


def _download(wanted: DataSet, root: Path, scratch: Path, progress: bool) -> Path:
    """Try each address in turn; a broken download stays in `root` for the next run."""
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    name = Path(urlsplit(wanted.urls[0]).path).name
    known = wanted.archive_sha256 or ("" if wanted.is_archive else wanted.files[name])
    downloader = ResumingDownloader(root / f"{name}.part", progress=progress)
    failures: list[str] = []
    for url in wanted.urls:
        _require_https(url)
        try:
            with _time_limit(url):
                got = pooch.retrieve(
                    url,
                    known_hash=f"sha256:{known}" if known else None,
                    fname=name,
                    path=scratch,
                    downloader=downloader,
                )
            return Path(got)
        except requests.exceptions.SSLError as error:
            reason = f"the server's certificate is not valid ({_one_line(error)})"
        except (requests.RequestException, OSError, DataError) as error:
            reason = _one_line(error)
        except ValueError as error:  # by pooch: the sha256 differs
            reason = f"altered file: {_one_line(error)}"
        failures.append(f"{url}: {reason}")
    raise DataError(_no_download(wanted, failures))


@contextmanager
def _time_limit(url: str) -> Iterator[None]:
    """Stop a server that sends a byte now and then, which no other limit does.

    Raises ``DataError``. Only the main thread of POSIX systems has such a clock.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(number: int, frame: Any) -> None:
        raise DataError(f"{url}: took more than {LONGEST:,.0f} s; fetch again to go on")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _no_download(wanted: DataSet, failures: list[str]) -> str:
    lines = "\n  ".join([f"{wanted.name} could not be downloaded:", *failures])
    if "certificate" in lines:
        lines += (
            "\n  GroupLens's certificate lapses now and then (three times in two "
            "years); it is renewed within days. rlrec never switches verification "
            "off: try again later"
        )
    return (
        f"{lines}\n  or get {wanted.urls[0]} another way and run: rlrec data fetch "
        f"{wanted.name} --from FILE"
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _require_https(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in LOCAL:
        raise DataError(f"{url}: only https is allowed")


def _continues(response: Any, have: int) -> bool:
    """False for a part of the file (206) that does not start after `have` bytes."""
    start = str(response.headers.get("Content-Range", ""))
    return response.status_code != 206 or start.startswith(f"bytes {have}-")


def _check_archive(wanted: DataSet, download: Path) -> None:
    if not download.is_file():
        raise DataError(
            f"{download}: no such file (--from takes the archive as downloaded)"
        )
    if wanted.archive_sha256 and (found := sha256(download)) != wanted.archive_sha256:
        raise DataError(
            f"{download}: sha256 {found}, the owner's archive has "
            f"{wanted.archive_sha256}: this copy is altered or cut short; get it from "
            f"{wanted.urls[0]}"
        )


def _unpack(wanted: DataSet, download: Path, folder: Path) -> None:
    """Put the files of a data set into `folder`: from a zip, or its single file."""
    if wanted.is_archive:
        unzip(download, folder, tuple(wanted.files))
    else:
        shutil.copyfile(download, folder / next(iter(wanted.files)))


def unzip(
    archive: Path, folder: Path, names: tuple[str, ...], largest: int = LARGEST
) -> None:
    """Unpack the files `names` of an archive into `folder`, without their folders.

    largest: bytes that the whole archive may unpack to.
    Raises `DataError` if it is no zip, if a name is missing or comes twice, or if *any*
    member is unsafe: an absolute path, `..`, a link, or too large.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            _refuse_unsafe(archive, opened.infolist(), largest)
            for name in names:
                _unzip_one(archive, opened, name, folder / name)
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise DataError(f"{archive}: is no readable zip archive ({error})") from error
    except OSError as error:
        # A full disk, or damaged data in bz2.
        raise DataError(f"{archive}: cannot be unpacked ({error})") from error


def _unzip_one(archive: Path, opened: zipfile.ZipFile, name: str, path: Path) -> None:
    members = opened.namelist()
    found = [member for member in members if member.split("/")[-1] == name]
    if len(found) != 1:
        raise DataError(
            f"{archive}: holds {len(found)} files called {name}, one is needed"
        )
    with opened.open(found[0]) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target, CHUNK)


def _refuse_unsafe(archive: Path, members: list[zipfile.ZipInfo], largest: int) -> None:
    total = 0
    for member in members:
        parts = member.filename.replace("\\", "/").split("/")
        problem = ""
        if parts[0] == "" or ":" in parts[0] or ".." in parts:
            problem = "points outside"
        elif (member.external_attr >> 16) & 0o170000 == 0o120000:
            problem = "is a link"
        if problem:
            raise DataError(
                f"{archive}: unsafe archive, {member.filename!r} {problem}; nothing "
                "was unpacked"
            )
        total += member.file_size
    if total > largest:
        raise DataError(
            f"{archive}: would unpack to {total:,} bytes, more than {largest:,}; "
            "nothing was unpacked"
        )


def check_files(wanted: DataSet, folder: Path) -> None:
    """Raise `DataError` for the first file that is missing, or altered."""
    for name, digest in wanted.files.items():
        path = folder / name
        if not path.is_file():
            raise DataError(f"{folder}: {name} is missing")
        if digest and (found := sha256(path)) != digest:
            raise DataError(
                f"{path}: sha256 {found}, expected {digest}: this is not the file its "
                "owner published"
            )


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
