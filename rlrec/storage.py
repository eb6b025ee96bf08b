"""A run's folder: settings, metrics, weights, checkpoints.

What is written once goes to a temporary name, is flushed, then renamed; metrics grow by whole lines.
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


def _replace(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file whole or not at all."""
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


def write_json(path: str | Path, content: dict[str, Any]) -> None:
    """Store a dictionary as JSON."""
    _replace(
        Path(path),
        lambda file: file.write(f"{json.dumps(content, indent=2)}\n".encode()),
    )


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
    """Store named arrays (no objects, so nothing is ever pickled)."""
    _replace(
        Path(path), lambda file: np.savez_compressed(file, allow_pickle=False, **arrays)
    )


def read_arrays(
    path: str | Path, names: Sequence[str] | None = None
) -> dict[str, NDArray[Any]]:
    """Read the arrays ``names``, or all. Raises ``DataError`` if the file or one of them is missing or broken."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {
                name: stored[name]
                for name in (stored.files if names is None else names)
            }
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is this the folder of a run?") from None
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: broken or of another version ({error}); train the run again"
        ) from None


@contextmanager
def whole(folder: str | Path) -> Iterator[None]:
    """Whatever is missing or strange in what was stored becomes a ``DataError`` that names its ``folder``."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{folder}: broken or of another version ({error}); train the run again"
        ) from None


def write_rows(
    path: str | Path, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Store a table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    _replace(Path(path), lambda file: file.write(text.getvalue().encode()))


def save_checkpoint(
    folder: str | Path, step: int, write: Callable[[Path], object], keep: int = 2
) -> Path:
    """Have ``write(folder)`` fill ``checkpoints/STEP``, whole or not at all; older ones than the last ``keep`` go.

    It is filled under another name and renamed when all of it is on the disk. One that is there already stays.
    """
    place = Path(folder) / "checkpoints"
    final, temporary = place / str(step), place / f".{step}.{os.getpid()}.part"
    if not final.is_dir():
        shutil.rmtree(
            temporary, ignore_errors=True
        )  # by a run of the same number that was killed while it wrote
        temporary.mkdir(parents=True)
        write(temporary)
        _flush_folder(temporary)
        os.rename(temporary, final)
        _flush_folder(place)
    for _, old in checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    for left in place.glob(".*.part"):  # by a run that was killed while it wrote
        shutil.rmtree(left)
    return final


def checkpoints(folder: str | Path) -> list[tuple[int, Path]]:
    """The whole checkpoints of a run, (step, folder), the latest last."""
    found = (Path(folder) / "checkpoints").glob("[0-9]*")
    return sorted(
        (int(path.name), path)
        for path in found
        if path.name.isdecimal() and path.is_dir()
    )


def _flush_folder(folder: Path) -> None:
    """Make sure that the names in ``folder`` are on the disk; Windows can't, and needs not."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def append_row(path: str | Path, row: Sequence[Any]) -> None:
    """Add a line to a CSV in one write: a run killed meanwhile leaves all of it or a torn last line."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    with open(path, "ab", buffering=0) as file:
        file.write(text.getvalue().encode())


def read_rows(path: str | Path) -> list[list[str]]:
    """The rows of a CSV that ``append_row`` wrote, without header and without a torn last line; [] if there is none."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    whole = text[: text.rfind("\n") + 1]
    return list(csv.reader(io.StringIO(whole)))[1:]


def generator_state(rng: np.random.Generator) -> NDArray[np.str_]:
    """A generator's state as text, to be stored beside weights."""
    return np.array(json.dumps(rng.bit_generator.state))


def restore_generator(state: NDArray[Any]) -> np.random.Generator:
    """The generator whose state ``generator_state`` gave. Only NumPy's default, PCG64, is stored."""
    rng = np.random.default_rng()
    try:
        rng.bit_generator.state = json.loads(str(state))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"the stored random state is no state of NumPy's default generator ({error})"
        ) from None
    return rng
