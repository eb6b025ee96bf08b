"""Files of a run: settings, metrics, weights and checkpoints; who owns a folder.

Every file is written to a temporary name, flushed to the disk and then renamed: a
reader sees the old file or the new one, never half of it. Lines are appended all
together or not at all. A checkpoint has a manifest with the checksums of its files.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rlrec.errors import ConfigError, DataError, warn
from rlrec.types import Arrays

if sys.platform != "win32":  # there, folders are not locked
    import fcntl

MANIFEST = "manifest.json"
LARGEST = 2**32  # bytes of arrays in a file


# -- writing ---------------------------------------------------------------------------
def _replace(path: str | Path, write: Callable[[IO[bytes]], object]) -> None:
    """Replace a file by what ``write`` puts out.

    Raises ``DataError`` if it can't be written. Whatever fails, the old one stays.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise _unwritten(path, error) from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def _unwritten(path: str | Path, error: OSError) -> DataError:
    reason = error.strerror or error
    return DataError(f"{path}: cannot be written ({reason}); what was there is intact")


def append_text(path: str | Path, text: str) -> None:
    """Append lines to a file, all of them or none, and flush it to the disk.

    After a last line without an end, which a killed process left, a new line begins,
    with a warning. Raises ``DataError`` if the file can't be written.
    """
    try:
        with open(path, "a+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(end - 1, 0))
            if file.read(1) not in (b"", b"\n"):
                warn(f"{path}: its last line is cut off; the next begins a new line")
                text = f"\n{text}"
            left = memoryview(text.encode())
            try:
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
    except OSError as error:
        raise _unwritten(path, error) from None


def require_output(
    path: Path | None, flag: str, ours: Callable[[str], bool] = lambda text: False
) -> None:
    """Raise ``ConfigError`` unless ``path``, given by ``flag``, can be written to.

    A file is replaced only if ``ours`` finds that its text is an earlier result.
    """
    if path is None:
        return
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path} is no ordinary file; give a file: {flag} NAME")
    try:
        if path.exists() and not ours(path.read_text("utf-8", errors="replace")):
            raise ConfigError(
                f"{path} is there already and no earlier result of this command: it "
                f"stays as it is; give another name: {flag} NAME"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        trial = path.with_name(f".{path.name}.{os.getpid()}.part")
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise ConfigError(f"{flag} {path}: cannot be written ({error})") from None


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8, line ends as given."""
    _replace(path, lambda file: file.write(text.encode()))


def write_json(path: str | Path, content: dict[str, Any]) -> None:
    """Write a dictionary as JSON."""
    write_text(path, f"{json.dumps(content, indent=2)}\n")


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a dictionary. Raises ``DataError`` if the file is missing or broken."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); is this the folder of a run?"
        ) from None
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: not valid JSON ({error}); train the run again"
        ) from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: no table of names and values; train the run again")
    return content


def write_arrays(path: str | Path, **arrays: NDArray[Any]) -> None:
    """Write named arrays as ``.npz``. Raises ``ValueError`` for arrays of objects."""
    _replace(path, lambda file: np.savez_compressed(file, allow_pickle=False, **arrays))


def read_arrays(path: str | Path, names: Sequence[str] | None = None) -> Arrays:
    """Read the arrays ``names`` of an ``.npz`` file, or all of them.

    Raises ``DataError`` if the file or one of the arrays is missing or broken.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            size = sum(member.file_size for member in stored.zip.infolist())
            if size > LARGEST:
                raise ValueError(f"{size:,} bytes, more than {LARGEST:,}")
            wanted = stored.files if names is None else names
            return {name: stored[name] for name in wanted}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is this the folder of a run?") from None
    except Exception as error:  # foreign bytes raise nearly all there are
        raise _broken(path, error) from None


@contextmanager
def whole(folder: str | Path) -> Iterator[None]:
    """Turn errors in the content of stored files into ``DataError``.

    Raises ``DataError`` naming ``folder`` for a ``KeyError``, ``TypeError`` or
    ``ValueError`` in the ``with`` block.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(folder, error) from None


def _broken(path: str | Path, error: Exception) -> DataError:
    return DataError(
        f"{path}: broken or of another version ({error}); train the run again"
    )


def write_rows(
    path: str | Path, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write a table as CSV."""
    write_text(path, _csv_lines([header, *rows]))


def append_row(path: str | Path, row: Sequence[Any]) -> None:
    """Append one line to a CSV, as `append_text`; `read_rows` ignores half a line."""
    append_text(path, _csv_lines([row]))


def _csv_lines(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def read_rows(path: str | Path) -> list[list[str]]:
    """The rows of a CSV without header and incomplete last line; [] if no file.

    A row is one line; one that is no CSV gives an empty row.
    """
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    rows: list[list[str]] = []
    for line in text.split("\n")[1:-1]:
        try:
            rows += csv.reader([line])
        except csv.Error:
            rows.append([])
    return rows


# -- folders ---------------------------------------------------------------------------
@contextmanager
def owned(folder: str | Path, name: str = ".lock") -> Iterator[None]:
    """Own ``folder``, made if need be, by a lock file that says who does, since when.

    The system frees the lock when its process dies. A folder made here is removed if
    it stays empty. Raises ``ConfigError`` if another one owns it, or it can't be
    written to.
    """
    folder = Path(folder)
    path = folder / name
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _locked(path)
    except OSError as error:
        raise ConfigError(
            f"{folder} is a file, or can't be written to ({error.strerror}); "
            f"choose another folder"
        ) from None
    try:
        yield
    finally:
        # before the lock is freed: afterwards the file may be another one's
        with file, suppress(OSError):
            path.unlink()
        if made:
            with suppress(OSError):
                folder.rmdir()


def _locked(path: Path) -> IO[str]:
    """The lock file at ``path``, open and locked; or ``ConfigError``."""
    while True:
        file = open(path, "a+", encoding="utf-8")  # noqa: SIM115
        try:
            if sys.platform != "win32":
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                raise FileNotFoundError
        except FileNotFoundError:  # its owner has just removed it
            file.close()
            continue
        except BlockingIOError:
            file.seek(0)
            owner = file.read() or "another process"
            file.close()
            raise ConfigError(
                f"{path.parent} is in use by {owner}; wait until it ends, "
                f"or choose another folder"
            ) from None
        file.truncate(0)
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        file.write(f"process {os.getpid()} on {socket.gethostname()}, since {now}")
        file.flush()
        return file


def save_checkpoint(
    folder: str | Path,
    step: int,
    write: Callable[[Path], object],
    keep: int = 2,
    run: str = "",
) -> Path:
    """Save ``checkpoints/STEP`` by ``write(folder)``, and delete all but ``keep``.

    ``write`` fills a temporary folder, which is renamed when all of it is on the disk.
    Its manifest ties it to ``run``, a `digest`. A checkpoint of this step that exists
    already is left as it is.
    """
    parent = Path(folder) / "checkpoints"
    final = parent / str(step)
    temporary = parent / f".{step}.{os.getpid()}.part"
    if not final.is_dir():
        # left by a process of the same number that was killed while it wrote
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        write(temporary)
        manifest = {"step": step, "run": run, "files": checksums(temporary)}
        write_json(temporary / MANIFEST, manifest)
        _flush_folder(temporary)
        os.rename(temporary, final)
        _flush_folder(parent)
    for _, old in checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    return final


def checkpoints(folder: str | Path) -> list[tuple[int, Path]]:
    """The complete checkpoints of a run, as (step, folder), the latest last."""
    found = []
    for path in (Path(folder) / "checkpoints").glob("[0-9]*"):
        if path.name.isdecimal() and path.is_dir():
            found.append((int(path.name), path))
    return sorted(found)


def require_whole(checkpoint: Path) -> str:
    """The run that a checkpoint belongs to, as its manifest says.

    Raises ``DataError`` unless its files have the checksums in the manifest.
    """
    manifest = read_json(checkpoint / MANIFEST)
    with whole(checkpoint):
        step = str(manifest["step"])
        files = manifest["files"]
        run = str(manifest["run"])
    found = checksums(checkpoint)
    for name in {**files, **found}:
        if step != checkpoint.name or files.get(name) != found.get(name):
            raise DataError(f"{checkpoint}: broken: {name} is not as it was written")
    return run


def set_aside(path: Path) -> Path:
    """Rename what is broken, so that nothing reads it and nothing is lost."""
    number = 1
    while (aside := path.with_name(f"broken-{number}-{path.name}")).exists():
        number += 1
    path.rename(aside)
    return aside


def digest(content: Mapping[str, Any]) -> str:
    """The SHA-256 of a dictionary, as JSON has it, in any order of its keys."""
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def checksums(folder: Path) -> dict[str, str]:
    """The SHA-256 of the files of settings and of arrays in ``folder``, by name."""
    found = {}
    for path in sorted(folder.rglob("*.*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix in (".json", ".npz") and name not in (MANIFEST, "config.json"):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _flush_folder(folder: Path) -> None:
    """Flush the names in ``folder`` to the disk; Windows has no call for it."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def generator_state(rng: np.random.Generator) -> NDArray[np.str_]:
    """The state of a random generator as a text array, to be stored with weights."""
    return np.array(json.dumps(rng.bit_generator.state))


def restore_generator(state: NDArray[Any]) -> np.random.Generator:
    """The random generator whose state `generator_state` returned.

    Raises ``DataError`` unless it is the state of NumPy's default generator, PCG64.
    """
    rng = np.random.default_rng()
    try:
        rng.bit_generator.state = json.loads(str(state))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"the stored random state is not one of NumPy's default generator ({error})"
        ) from None
    return rng
