"""Files of a run: settings, metrics, weights and checkpoints.

Every file is written to a temporary name, flushed to the disk and then renamed: a
reader sees the old file or the new one, never half of it. Metrics are appended
line by line.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from rlrec.errors import DataError
from rlrec.types import Arrays


def _replace(path: str | Path, write: Callable[[IO[bytes]], object]) -> None:
    """Replace a file by what ``write`` puts out; the old one stays if it fails."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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
    except ValueError as error:
        raise DataError(
            f"{path}: not valid JSON ({error}); train the run again"
        ) from None
    return cast(dict[str, Any], content)


def write_arrays(path: str | Path, **arrays: NDArray[Any]) -> None:
    """Write named arrays as ``.npz``. Raises ``ValueError`` for arrays of objects."""
    _replace(path, lambda file: np.savez_compressed(file, allow_pickle=False, **arrays))


def read_arrays(path: str | Path, names: Sequence[str] | None = None) -> Arrays:
    """Read the arrays ``names`` of an ``.npz`` file, or all of them.

    Raises ``DataError`` if the file or one of the arrays is missing or broken.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            wanted = stored.files if names is None else names
            return {name: stored[name] for name in wanted}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is this the folder of a run?") from None
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
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
    """Append one line to a CSV in a single write.

    If the process is killed while it writes, at most the last line is incomplete;
    `read_rows` ignores it.
    """
    with open(path, "ab", buffering=0) as file:
        file.write(_csv_lines([row]).encode())


def _csv_lines(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def read_rows(path: str | Path) -> list[list[str]]:
    """The rows of a CSV without header and incomplete last line; [] if no file."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    complete = text[: text.rfind("\n") + 1]
    return list(csv.reader(io.StringIO(complete)))[1:]


def save_checkpoint(
    folder: str | Path, step: int, write: Callable[[Path], object], keep: int = 2
) -> Path:
    """Save ``checkpoints/STEP`` by ``write(folder)``, and delete all but ``keep``.

    ``write`` fills a temporary folder, which is renamed when all of it is on the disk.
    A checkpoint of this step that exists already is left as it is.
    """
    parent = Path(folder) / "checkpoints"
    final = parent / str(step)
    temporary = parent / f".{step}.{os.getpid()}.part"
    if not final.is_dir():
        # left by a process of the same number that was killed while it wrote
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        write(temporary)
        _flush_folder(temporary)
        os.rename(temporary, final)
        _flush_folder(parent)
    for _, old in checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    for left in parent.glob(".*.part"):  # by other processes that were killed
        shutil.rmtree(left)
    return final


def checkpoints(folder: str | Path) -> list[tuple[int, Path]]:
    """The complete checkpoints of a run, as (step, folder), the latest last."""
    found = []
    for path in (Path(folder) / "checkpoints").glob("[0-9]*"):
        if path.name.isdecimal() and path.is_dir():
            found.append((int(path.name), path))
    return sorted(found)


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
