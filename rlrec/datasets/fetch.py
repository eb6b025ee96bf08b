"""Downloads: https only, checksums, mirrors, resumed where they broke off, unpacked safely, put in place whole."""

from __future__ import annotations

import hashlib
import lzma
import shutil
import tempfile
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rlrec.datasets.catalogue import DataSet
from rlrec.datasets.folders import cache_folder, data_set
from rlrec.errors import DataError

LARGEST = 512 * 2**20  # bytes that an archive may unpack to
TRIES = 4  # on one address, each going on where the last one stopped
CHUNK = 2**13  # bytes; a connection that breaks costs at most one chunk
LOCAL = ("127.0.0.1", "localhost", "::1")


class ResumingDownloader:
    """A downloader for pooch that goes on where a broken download stopped.

    Bytes gather in `part`; pooch gets the file once it is whole, checks its sha256 and renames it into place.
    """

    def __init__(self, part: Path, *, progress: bool = True, wait: float = 1.0) -> None:
        """part: what survives a broken download. wait: seconds before the second try, doubled each time."""
        self.part, self.progress, self.wait = part, progress, wait

    def __call__(
        self, url: str, output_file: Any, pooch: Any, check_only: bool = False
    ) -> None:
        """Download `url` to the path `output_file`. Raises what `requests` raises when every try fails."""
        import requests

        for attempt in range(TRIES):
            try:
                self._go_on(url)
                break
            except (
                requests.ConnectionError,
                requests.Timeout,
                requests.exceptions.ChunkedEncodingError,
            ) as error:
                if (
                    isinstance(error, requests.exceptions.SSLError)
                    or attempt == TRIES - 1
                ):
                    raise
                time.sleep(self.wait * 2**attempt)
        self.part.replace(Path(output_file))

    def _go_on(self, url: str) -> None:
        """One request for the bytes that are still missing."""
        import requests

        have = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Accept-Encoding": "identity"} | (
            {"Range": f"bytes={have}-"} if have else {}
        )
        with requests.get(url, headers=headers, stream=True, timeout=30) as answer:
            for hop in (*answer.history, answer):
                _only_https(hop.url)
            if answer.status_code == 416 or not _goes_on(
                answer, have
            ):  # the part is no beginning of this answer
                self.part.unlink(missing_ok=True)
                raise requests.ConnectionError(
                    "the server does not go on after the part downloaded before"
                )
            answer.raise_for_status()
            have = have if answer.status_code == 206 else 0
            total = have + int(answer.headers.get("Content-Length", 0))
            self._save(answer, have, total)
        if total and self.part.stat().st_size < total:
            raise requests.ConnectionError(
                f"broke off after {self.part.stat().st_size:,} of {total:,} bytes"
            )

    def _save(self, answer: Any, have: int, total: int) -> None:
        from tqdm import tqdm

        shown = {
            "initial": have,
            "total": total or None,
            "unit": "B",
            "unit_scale": True,
            "desc": self.part.stem,
        }
        with (
            tqdm(**shown, disable=None if self.progress else True) as bar,
            self.part.open("ab" if have else "wb") as file,
        ):
            for chunk in answer.iter_content(CHUNK):
                if file.tell() + len(chunk) > LARGEST:
                    raise DataError(
                        f"{answer.url}: sends more than {LARGEST:,} bytes; stopped"
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
    """Download a data set, check it and put it in `out/name`; give that folder back.

    source_file: an archive (or CSV) that was downloaded by hand: checked and unpacked just the same, kept.
    out: None: the cache folder, where the loaders look. Nothing is written outside it.
    Raises `DataError` if no address answers, a checksum differs or an archive is unsafe; then nothing is in place.
    """
    wanted = data_set(name)
    if not wanted.urls:
        raise DataError(
            f"{wanted.name} ships with the project: there is nothing to download (`rlrec data make`)"
        )
    root = Path(out).expanduser() if out is not None else cache_folder()
    target = root / wanted.name
    if target.exists():
        return _already_there(wanted, target)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{root}: cannot be made a folder ({error.strerror}); give --out a folder"
        ) from error
    with tempfile.TemporaryDirectory(dir=root, prefix=f".{wanted.name}-") as scratch:
        ready = Path(scratch) / "ready"
        ready.mkdir()
        download = (
            Path(source_file).expanduser()
            if source_file
            else _download(wanted, root, Path(scratch), progress)
        )
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
    """Try each address in turn. What a broken download left stays in `root` for the next run."""
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    first = _file_name(wanted.urls[0])
    part = root / f"{first}.part"
    known = wanted.archive_sha256 or ("" if wanted.is_archive else wanted.files[first])
    failures: list[str] = []
    for url in wanted.urls:
        _only_https(url)
        try:
            got = pooch.retrieve(
                url,
                known_hash=f"sha256:{known}" if known else None,
                fname=first,
                path=scratch,
                downloader=ResumingDownloader(part, progress=progress),
            )
            return Path(got)
        except requests.exceptions.SSLError as error:
            failures.append(
                f"{url}: the server's certificate is not valid ({_reason(error)})"
            )
        except (requests.RequestException, OSError) as error:
            failures.append(f"{url}: {_reason(error)}")
        except ValueError as error:  # pooch: the sha256 differs; rlrec: DataError
            failures.append(
                f"{url}: {'' if isinstance(error, DataError) else 'altered file: '}{_reason(error)}"
            )
    raise DataError(_no_download(wanted, failures))


def _no_download(wanted: DataSet, failures: list[str]) -> str:
    lines = [
        f"{wanted.name} could not be downloaded:",
        *(f"  {failure}" for failure in failures),
    ]
    if any("certificate" in failure for failure in failures):
        lines.append(
            "  GroupLens's certificate lapses now and then (three times in two years); it is renewed within days. "
            "rlrec never switches verification off: try again later"
        )
    lines.append(
        f"  or get {wanted.urls[0]} another way and run: rlrec data fetch {wanted.name} --from FILE"
    )
    return "\n".join(lines)


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _only_https(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in LOCAL:
        raise DataError(f"{url}: only https is allowed")


def _goes_on(answer: Any, have: int) -> bool:
    """False for a part of the file (206) that does not start after the `have` bytes there are."""
    return answer.status_code != 206 or str(
        answer.headers.get("Content-Range", "")
    ).startswith(f"bytes {have}-")


def _file_name(url: str) -> str:
    return Path(urlsplit(url).path).name


def _check_archive(wanted: DataSet, download: Path) -> None:
    if not download.is_file():
        raise DataError(
            f"{download}: no such file (--from takes the archive as downloaded)"
        )
    if wanted.archive_sha256 and (found := sha256(download)) != wanted.archive_sha256:
        raise DataError(
            f"{download}: sha256 {found}, the owner's archive has {wanted.archive_sha256}: this copy is altered or cut "
            f"short; get it from {wanted.urls[0]}"
        )


def _unpack(wanted: DataSet, download: Path, folder: Path) -> None:
    """Put the data set's files into `folder`: from a zip, or the single file that it is."""
    if not wanted.is_archive:
        shutil.copyfile(download, folder / next(iter(wanted.files)))
    else:
        unzip(download, folder, tuple(wanted.files))


def unzip(
    archive: Path, folder: Path, names: tuple[str, ...], largest: int = LARGEST
) -> None:
    """Unpack the files called `names` from an archive, out of whatever folder they are in, flat into `folder`.

    Raises `DataError` if *any* member is unsafe (absolute, `..`, a link, more than `largest` bytes in all), if a name
    is missing or stands twice, or if it is no zip. Only bare names are ever used as paths.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            _refuse_unsafe(archive, members, largest)
            for name in names:
                found = [
                    member
                    for member in members
                    if member.filename.split("/")[-1] == name
                ]
                if len(found) != 1:
                    raise DataError(
                        f"{archive}: holds {len(found)} files called {name}, one is needed"
                    )
                with (
                    opened.open(found[0]) as source,
                    (folder / name).open("wb") as target,
                ):
                    shutil.copyfileobj(source, target, CHUNK)
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise DataError(f"{archive}: is no readable zip archive ({error})") from error
    except (
        OSError
    ) as error:  # a full disk, or bz2's way of saying that its data are damaged
        raise DataError(f"{archive}: cannot be unpacked ({error})") from error


def _refuse_unsafe(archive: Path, members: list[zipfile.ZipInfo], largest: int) -> None:
    for member in members:
        name = member.filename.replace("\\", "/")
        if name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0]:
            raise DataError(
                f"{archive}: unsafe archive, {member.filename!r} points outside; nothing was unpacked"
            )
        if (member.external_attr >> 16) & 0o170000 == 0o120000:
            raise DataError(
                f"{archive}: unsafe archive, {member.filename!r} is a link; nothing was unpacked"
            )
    total = sum(member.file_size for member in members)
    if total > largest:
        raise DataError(
            f"{archive}: would unpack to {total:,} bytes, more than {largest:,}; nothing was unpacked"
        )


def check_files(wanted: DataSet, folder: Path) -> None:
    """Raise `DataError` naming the first file that is missing or is not what its owner published."""
    for name, digest in wanted.files.items():
        path = folder / name
        if not path.is_file():
            raise DataError(f"{folder}: {name} is missing")
        if digest and (found := sha256(path)) != digest:
            raise DataError(
                f"{path}: sha256 {found}, expected {digest}: this is not the file its owner published"
            )


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
