"""The tabular lessons with Python in the browser (JupyterLite): prepare, check, build.

    python lessons/site/lite.py [folder]        default: build/lite

UNPROVEN: `jupyter lite build` has been run on what is prepared here, a kernel in the
browser never was. It needs Pyodide's own builds of NumPy, SciPy, pandas, scikit-learn
and Matplotlib, which come with Pyodide's distribution and from no package registry. In
``folder`` this puts the lessons without TensorFlow (each with a first cell
that installs rlrec), a wheel of rlrec, and JupyterLite's settings; then it says what is
missing, and what to run where the internet is.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.request
from importlib.util import find_spec
from pathlib import Path

from elsewhere import ROOT, TABULAR, with_first_cell

LESSONS = ROOT / "lessons"
KERNEL = "jupyterlite-pyodide-kernel==0.7.2"  # Python 3.13, the newest that rlrec knows
PYODIDE = "https://cdn.jsdelivr.net/pyodide/v0.29.3/full/pyodide-lock.json"
BUILT = ("numpy", "scipy", "pandas", "scikit-learn", "matplotlib")
FIRST = "%pip install -q rlrec seaborn ipywidgets"


def prepare(folder: Path) -> None:
    """Lessons, wheel and settings, as `jupyter lite build` wants them."""
    shutil.rmtree(folder, ignore_errors=True)
    inside = folder / "files" / "lessons"
    for name in ("exercises", "results"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(LESSONS / name, inside / name, ignore=ignored)
    shutil.copytree(ROOT / "figures", folder / "files" / "figures")
    for path in LESSONS.glob("*.py"):
        shutil.copy(path, inside)
    for path in sorted(LESSONS.glob("[0-9][0-9]_*.ipynb")):
        if path.name[:2] in TABULAR:
            (inside / path.name).write_text(with_first_cell(path, FIRST), "utf-8")
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*wheel, "--wheel-dir", str(folder), str(ROOT)], check=True)
    (built,) = folder.glob("*.whl")
    settings = {
        "LiteBuildConfig": {"contents": ["files"], "output_dir": "html"},
        "PipliteAddon": {"piplite_urls": [built.name]},
    }
    text = json.dumps(settings, indent=2)
    (folder / "jupyter_lite_config.json").write_text(text, "utf-8")


def missing(lock: str) -> list[str]:
    """What a kernel in the browser lacks here; ``lock``: where Pyodide's list lies."""
    found = []
    for module in ("jupyterlite_core", "jupyterlite_pyodide_kernel"):
        if find_spec(module) is None:
            found.append(f"{module}: pip install jupyterlite-core {KERNEL}")
    try:
        with urllib.request.urlopen(lock, timeout=20) as answer:
            packages = json.load(answer)["packages"]
    except OSError as error:
        return [*found, f"Pyodide's packages: {lock} cannot be read ({error})"]
    lacking = [name for name in BUILT if name not in packages]
    return [*found, *(f"{name}: not in {lock}" for name in lacking)]


def main(folder: Path) -> int:
    """Prepare, say what is missing, and what to run; 1 where something is."""
    prepare(folder)
    lacks = missing(PYODIDE)
    print(f"prepared: {folder}", *(f"missing: {one}" for one in lacks), sep="\n")
    print("with all of it, run (unproven), and open http://localhost:8000/lab:")
    print(f"  cd {folder} && jupyter lite build && python -m http.server -d html")
    return bool(lacks)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "build" / "lite"
    raise SystemExit(main(target.resolve()))
