"""A run's folder: settings, metrics, weights. Every file is written to a temporary name, flushed, then renamed."""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Sequence
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
    _replace(Path(path), lambda file: file.write(f"{json.dumps(content, indent=2)}\n".encode()))


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a dictionary. Raises ``DataError`` if the file is missing or broken."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); is this the folder of a run?") from None
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error}); train the run again") from None
    return cast(dict[str, Any], content)


def write_arrays(path: str | Path, **arrays: NDArray[Any]) -> None:
    """Store named arrays (no objects, so nothing is ever pickled)."""
    _replace(Path(path), lambda file: np.savez_compressed(file, allow_pickle=False, **arrays))


def read_arrays(path: str | Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read the arrays ``names``. Raises ``DataError`` if the file or one of them is missing or broken."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in names}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is this the folder of a run?") from None
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: broken or of another version ({error}); train the run again") from None


def write_rows(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Store a table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    _replace(Path(path), lambda file: file.write(text.getvalue().encode()))


def generator_state(rng: np.random.Generator) -> NDArray[np.str_]:
    """A generator's state as text, to be stored beside weights."""
    return np.array(json.dumps(rng.bit_generator.state))


def restore_generator(state: NDArray[Any]) -> np.random.Generator:
    """The generator whose state ``generator_state`` gave. Only NumPy's default, PCG64, is stored."""
    rng = np.random.default_rng()
    try:
        rng.bit_generator.state = json.loads(str(state))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"the stored random state is no state of NumPy's default generator ({error})") from None
    return rng
