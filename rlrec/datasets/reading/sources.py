"""A file as text: unpacked, decoded to UTF-8; JSON as records."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rlrec.errors import DataError

MOST_BYTES = 2 * 2**30  # of an unpacked file; MovieLens 25M has a third of it
_JSON = re.compile(rb"\s*(\[\s*)?\{")


def read_data(path: Path) -> tuple[bytes, list[str]]:
    """A file as UTF-8 with ``\\n`` at the end of each line, and notes on its encoding.

    Of a ``.gz`` or a ``.zip`` with one file the content. UTF-8 with or without BOM,
    UTF-16 with BOM, else Windows' cp1252 or latin-1. Raises `DataError` if the file
    cannot be read or is binary.
    """
    try:
        data, notes = _unpacked(path, path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = data.decode("utf-16", errors="replace").encode()
        notes.append("encoding UTF-16")
    elif b"\0" in data[:4096]:
        raise DataError(f"{path}: is no text file; a CSV is needed")
    data = data.removeprefix(b"\xef\xbb\xbf")
    for encoding in ("utf-8", "cp1252", "latin-1"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != "utf-8":
            notes.append(f"not UTF-8: read as {encoding}")
            data = text.encode()
        break
    return data.replace(b"\r\n", b"\n") if b"\r" in data else data, notes


def _unpacked(path: Path, data: bytes) -> tuple[bytes, list[str]]:
    """The content of a packed file, and a note. Raises `DataError`."""
    is_zip = data.startswith(b"PK\x03\x04")
    if not is_zip and not data.startswith(b"\x1f\x8b"):
        return data, []
    try:
        archive = io.BytesIO(data)
        if not is_zip:
            return _limited(gzip.open(archive), path), []
        packed = zipfile.ZipFile(archive)
        names = [name for name in packed.namelist() if not _is_aside(name)]
        if len(names) == 1:
            return _limited(packed.open(names[0]), path), [f"read from {names[0]}"]
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        raise DataError(f"{path}: is a broken archive ({error})") from error
    raise DataError(
        f"{path}: is an archive of {len(names)} files ({', '.join(names)[:200]}); "
        "unpack it first, or `rlrec data fetch --from`"
    )


def _is_aside(name: str) -> bool:
    return name.endswith("/") or name.startswith("__MACOSX")


def _limited(file: Any, path: Path) -> bytes:
    """All bytes of an unpacked ``file``. Raises `DataError` for too many."""
    data: bytes = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise DataError(f"{path}: unpacks to more than {MOST_BYTES / 2**30:g} GB")
    return data


def json_records(path: Path, data: bytes) -> list[dict[str, str]] | None:
    """The records of JSON or JSON lines, flat and as text; None if it is neither.

    ``{"track": {"name": "A"}, "tags": ["x", "y"]}`` is the record ``{"track.name":
    "A", "tags": "x|y"}``. Of an object that holds lists, the first list of objects is
    taken. Raises `DataError` for broken JSON.
    """
    if not _JSON.match(data):
        return None
    try:
        try:
            content: Any = json.loads(data)
        except json.JSONDecodeError as error:
            if "Extra data" not in error.msg:
                raise
            content = list(map(json.loads, filter(bytes.strip, data.split(b"\n"))))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is broken JSON: {error}") from error
    while isinstance(content, dict):
        inner = [
            one for one in content.values() if isinstance(one, list | dict) and one
        ]
        if not inner:
            content = [content]
            break
        content = next((one for one in inner if isinstance(one, list)), inner[0])
    return [dict(_flat(one)) for one in content if isinstance(one, dict)]


def _flat(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The names and texts of a record and of those within it."""
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            yield prefix + name, "|".join(map(str, value))
        elif isinstance(value, bool):
            yield prefix + name, str(value).lower()
        else:
            yield prefix + name, "" if value is None else str(value)
