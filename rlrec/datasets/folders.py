"""Where data are: `RLREC_DATA` first, then downloads, then what ships with rlrec."""

from __future__ import annotations

import os
from pathlib import Path

from rlrec.datasets.known import CATALOGUE, DataSet
from rlrec.errors import DataError

PACKAGE = Path(__file__).resolve().parents[1]
BUNDLED = "bundled"  # RLREC_DATA=bundled: only the data that ship with the project


def bundled_folder() -> Path:
    """The generated data: `data/` of the checkout, or `rlrec/_data` of a wheel."""
    checkout = PACKAGE.parent / "data"
    if (PACKAGE.parent / "pyproject.toml").exists() and checkout.is_dir():
        return checkout
    return PACKAGE / "_data"


def cache_folder() -> Path:
    """The folder for downloads.

    `data/cache` of the checkout, or the user's cache folder for an installed wheel.
    """
    bundled = bundled_folder()
    if bundled != PACKAGE / "_data":
        return bundled / "cache"
    import pooch

    return Path(pooch.os_cache("rlrec"))


def data_folder(name: str) -> Path:
    """Where `fetch(name)` puts a data set. Raises `DataError` for an unknown name."""
    return cache_folder() / data_set(name).name


def _key(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def data_set(name: str) -> DataSet:
    """The catalogue's entry for a name in any case, with `_` or `-`.

    Raises `DataError` if there is none.
    """
    known = CATALOGUE.get(_key(name))
    if known is None:
        raise DataError(
            f"no data set is called {name!r}; there are: {', '.join(CATALOGUE)}"
        )
    return known


def locate(source: str | Path) -> Path:
    """The file or folder of a data set, given its name or a path.

    A name is looked up in `RLREC_DATA`, then among the downloads, then in the data
    that ship with the project. Raises `DataError` if it is in none of them; the
    message says how to get it.
    """
    if isinstance(source, str) and _key(source) in CATALOGUE:
        return _locate_name(data_set(source))
    try:
        path = Path(source).expanduser()
        found = path.exists()
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", "") or error
        raise DataError(
            f"{str(source)[:200]}: cannot be looked at ({reason})"
        ) from error
    if not found:
        raise DataError(
            f"{path}: no such file or folder, and no data set of that name (there are: "
            f"{', '.join(CATALOGUE)})"
        )
    return path


def _locate_name(known: DataSet) -> Path:
    places = _places(known)
    for place in places:
        if all((place / file).is_file() for file in known.needed):
            return place
    looked = ", ".join(map(str, places)) or "the data that ship with rlrec alone"
    how = f"`rlrec data fetch {known.name}`" if known.urls else "`rlrec data make`"
    raise DataError(
        f"{known.name} is not on this machine (looked in {looked}): get it with {how}"
    )


def _places(known: DataSet) -> list[Path]:
    """The folders in which a data set may be, in the order to look."""
    setting = os.environ.get("RLREC_DATA", "")
    places: list[Path] = []
    if setting not in ("", BUNDLED):
        places += map(Path(setting).expanduser().joinpath, known.folders)
    if setting != BUNDLED:
        places.append(cache_folder() / known.name)
    if not known.urls:
        places.append(bundled_folder())
    return places


def csv_in(path: Path, *preferred: str) -> Path:
    """`path` if it is a file; in a folder, the first `preferred` or the only CSV.

    Raises `DataError` if the folder has neither.
    """
    if path.is_file():
        return path
    for name in preferred:
        if (path / name).is_file():
            return path / name
    found = sorted(path.glob("*.csv"))
    if len(found) == 1:
        return found[0]
    names = ", ".join(file.name for file in found) or "none"
    raise DataError(
        f"{path}: no {' or '.join(preferred)} in this folder, and {len(found)} CSV "
        f"files ({names}); pass one file"
    )
