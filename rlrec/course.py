"""The course out of an installed wheel: copied to a folder, opened in JupyterLab."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path

from rlrec.errors import ConfigError

PACKED = files("rlrec") / "_course"  # in a wheel, not in a clone
FIRST = "*/00_*.ipynb"


def copy_course(folder: str | Path) -> list[Path]:
    """Copy the course into ``folder``, made if need be; the folders written.

    Each folder is copied under a temporary name and renamed when it is whole. Raises
    ``ConfigError`` if one of them is there already, or if rlrec runs from a clone.
    """
    if not PACKED.is_dir():
        raise ConfigError(
            "rlrec runs from a clone here, and the clone holds the course already: "
            "open its notebooks there, or copy its folders"
        )
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; give a folder")
    with as_file(PACKED) as packed:
        parts = sorted(part for part in packed.iterdir() if part.is_dir())
        targets = [folder / part.name for part in parts]
        for target in targets:
            if target.exists():
                raise ConfigError(
                    f"{target} is there already and stays as it is; "
                    "choose another folder, or move it away"
                )
        for part, target in zip(parts, targets, strict=True):
            _copy_whole(part, target)
    return targets


def open_course(folder: str | Path, *options: str) -> None:
    """Run JupyterLab on a course, until it is stopped; a clone's own, in a clone.

    Where ``folder`` holds no course yet, it is copied there first. ``options`` go to
    JupyterLab, such as ``--no-browser``. Raises ``ConfigError`` without JupyterLab.
    """
    if find_spec("jupyterlab") is None:
        raise ConfigError("JupyterLab is not installed: pip install 'rlrec[lessons]'")
    root = Path(folder).resolve()
    if not PACKED.is_dir():
        root = Path(__file__).resolve().parents[1]
    elif not list(root.glob(FIRST)):
        copy_course(root)
    first = next(root.glob(FIRST))
    page = first.relative_to(root).as_posix()
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root}"]
    command += [f"--LabApp.default_url=/lab/tree/{page}", *options]
    # The course's settings of JupyterLab: it fetches no news, nor asks to.
    settings = [str(first.parent / ".jupyter"), os.environ.get("JUPYTER_CONFIG_PATH")]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, settings))
    if os.name == "nt":
        subprocess.run(command)
        return
    root_user = ["--allow-root"] if os.geteuid() == 0 else []
    os.execv(sys.executable, [*command, *root_user])


def _copy_whole(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copytree(source, temporary, ignore=shutil.ignore_patterns("__pycache__"))
        os.rename(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
