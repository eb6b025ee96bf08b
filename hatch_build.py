"""Packs what git tracks, and nothing that merely lies beside it.

A file of your own in data/ or lessons/ never goes into a wheel or an sdist. In an
unpacked sdist there is no git, and everything in it is the project's.
"""

import subprocess
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# folder in the project -> where the wheel keeps it
IN_WHEEL = {
    "rlrec": "rlrec",
    "data": "rlrec/_data",
    "lessons": "rlrec/_course/lessons",
    "figures": "rlrec/_course/figures",
}


class TrackedFiles(BuildHookInterface):
    """Names each file for hatchling; an editable install needs none."""

    def initialize(self, version, build_data):
        if version == "editable":
            return
        root = Path(self.root)
        packed = build_data["force_include"]
        for name in tracked(root):
            top, _, rest = name.partition("/")
            if self.target_name == "sdist":
                packed[str(root / name)] = name
            elif top in IN_WHEEL and rest:
                packed[str(root / name)] = f"{IN_WHEEL[top]}/{rest}"


def tracked(root):
    """The project's files, relative to its root, sorted."""
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "ls-files", "-z"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True)
        names = listed.stdout.split("\0")
    else:
        names = [path.relative_to(root).as_posix() for path in root.rglob("*")]
    return sorted(name for name in names if name and (root / name).is_file())
