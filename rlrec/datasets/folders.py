"""Where data lie: `RLREC_DATA` first, then downloads, then what ships with the project."""

from __future__ import annotations

import os
from pathlib import Path

from rlrec.datasets.catalogue import CATALOGUE, DataSet
from rlrec.errors import DataError

PACKAGE = Path(__file__).resolve().parents[1]
BUNDLED = (
    "bundled"  # RLREC_DATA=bundled: nothing but the data that ship with the project
)


def bundled_folder() -> Path:
    """The generated sets that ship with the project: `data/` of the checkout, `rlrec/_data` of a wheel."""
    checkout = PACKAGE.parent / "data"
    return (
        checkout
        if (PACKAGE.parent / "pyproject.toml").exists() and checkout.is_dir()
        else PACKAGE / "_data"
    )


def cache_folder() -> Path:
    """Where downloads go: `data/cache` of the checkout, or the user's cache folder for an installed wheel."""
    bundled = bundled_folder()
    if bundled != PACKAGE / "_data":
        return bundled / "cache"
    import pooch

    return Path(pooch.os_cache("rlrec"))


def data_folder(name: str) -> Path:
    """Where `fetch(name)` puts a data set. Raises `DataError` for an unknown name."""
    return cache_folder() / data_set(name).name


def data_set(name: str) -> DataSet:
    """The catalogue's entry for `name`, any case, `_` or `-`. Raises `DataError` if there is none."""
    known = CATALOGUE.get(name.strip().lower().replace("_", "-"))
    if known is None:
        raise DataError(
            f"no data set is called {name!r}; there are: {', '.join(CATALOGUE)}"
        )
    return known


def locate(source: str | Path) -> Path:
    """The file or folder of a data set's name, or of a path.

    A name is looked up in `RLREC_DATA`, then among the downloads, then in the data that ship with the project.
    Raises `DataError` saying how to get it if it is nowhere.
    """
    if (
        isinstance(source, str)
        and source.strip().lower().replace("_", "-") in CATALOGUE
    ):
        return _locate_name(data_set(source))
    try:
        path = Path(source).expanduser()
        found = path.exists()
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{str(source)[:200]}: cannot be looked at ({getattr(error, 'strerror', '') or error})"
        ) from error
    if not found:
        names = ", ".join(CATALOGUE)
        raise DataError(
            f"{path}: no such file or folder, and no data set of that name (there are: {names})"
        )
    return path


def _locate_name(known: DataSet) -> Path:
    places = (
        [] if os.environ.get("RLREC_DATA") == BUNDLED else [cache_folder() / known.name]
    )
    if os.environ.get("RLREC_DATA", BUNDLED) not in ("", BUNDLED):
        root = Path(os.environ["RLREC_DATA"]).expanduser()
        places = [root / folder for folder in known.folders] + places
    if not known.urls:
        places.append(bundled_folder())
    for place in places:
        if all((place / file).is_file() for file in known.needed):
            return place
    how = f"`rlrec data fetch {known.name}`" if known.urls else "`rlrec data make`"
    looked = (
        ", ".join(str(place) for place in places)
        or "the data that ship with rlrec alone"
    )
    raise DataError(
        f"{known.name} is not on this machine (looked in {looked}): get it with {how}"
    )


def csv_in(path: Path, preferred: str) -> Path:
    """`path` if it is a file; of a folder, its file `preferred` or its only CSV. Else `DataError`."""
    if path.is_file():
        return path
    if (path / preferred).is_file():
        return path / preferred
    found = sorted(path.glob("*.csv"))
    if len(found) == 1:
        return found[0]
    names = ", ".join(file.name for file in found) or "none"
    raise DataError(
        f"{path}: is a folder with {len(found)} CSV files ({names}); pass one file"
    )
