"""rlrec and TensorFlow for a machine without a network, in parts of at most 60 MiB.

    python lessons/results/offline.py pack PARTS           # here, with a network
    python PARTS/offline.py unpack SITE                    # there, with PARTS copied

For Python 3.12 on Linux, x86-64, whatever Python packs. ``pack --cuda`` adds NVIDIA's
libraries (CUDA 12 and cuDNN), for a machine that has a GPU and only its driver.
``unpack`` needs nothing but Python; it checks each part, imports TensorFlow from SITE
and runs `rlrec doctor`. Then, there: ``PYTHONPATH=SITE python -m rlrec.cli ...``.
"""

import argparse
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "3.12"
# C library 2.39 or older, as the names of wheels have it.
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(39, 4, -1)]
PLATFORMS += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]
PART = 60 * 2**20  # bytes
# Not needed to run: headers, and a compiler's library for code of one's own.
LEFT_OUT = ("tensorflow/include", "clang")
LIST = "parts.json"  # name of each part -> its SHA-256


class Parts(io.RawIOBase):
    """A file to write to, which becomes files of ``size`` bytes in a folder."""

    def __init__(self, folder, size):
        self.folder = folder
        self.size = size
        self.sums = {}
        self.buffer = bytearray()

    def write(self, data):
        self.buffer += data
        while len(self.buffer) >= self.size:
            self.put(self.size)
        return len(data)

    def put(self, size):
        name = f"part{len(self.sums):03}"
        content = bytes(self.buffer[:size])
        del self.buffer[:size]
        (self.folder / name).write_bytes(content)
        self.sums[name] = hashlib.sha256(content).hexdigest()

    def finish(self):
        if self.buffer:
            self.put(self.size)
        (self.folder / LIST).write_text(json.dumps(self.sums, indent=1) + "\n")


class Joined(io.RawIOBase):
    """The parts of a folder as one file to read; each is checked when it is opened."""

    def __init__(self, folder):
        self.folder = folder
        sums = json.loads((folder / LIST).read_text())
        self.coming = iter(sorted(sums.items()))
        self.now = io.BytesIO()

    def readable(self):
        return True

    def readinto(self, target):
        read = self.now.readinto(target)
        if read or not len(target):
            return read
        name, checksum = next(self.coming, (None, None))
        if name is None:
            return 0
        path = self.folder / name
        content = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(content).hexdigest() != checksum:
            sys.exit(f"{path} is missing or broken: copy it again")
        self.now = io.BytesIO(content)
        return self.readinto(target)


def write_parts(site, folder, size=PART):
    """Pack the folder ``site`` into parts of at most ``size`` bytes; how many."""
    parts = Parts(folder, size)
    with tarfile.open(fileobj=parts, mode="w:xz", preset=0) as archive:
        archive.add(site, arcname=".")
    parts.finish()
    return len(parts.sums)


def read_parts(folder, site):
    """Unpack what `write_parts` wrote. Exits with the name of a part that is broken."""
    stream = io.BufferedReader(Joined(folder), 2**20)
    with tarfile.open(fileobj=stream, mode="r|xz") as archive:
        archive.extractall(site, filter="data")


def install(site, extras):
    """rlrec, of this checkout, and what it needs into the folder ``site``."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as folder:
        wheel = [*pip, "wheel", "-q", "--no-deps", "-w", folder, str(ROOT)]
        subprocess.run(wheel, check=True)
        (built,) = Path(folder).glob("*.whl")
        command = [*pip, "install", "-q", "--no-compile", "--only-binary=:all:"]
        command += ["--implementation=cp", f"--python-version={PYTHON}"]
        command += [f"--platform={name}" for name in PLATFORMS]
        command += ["-c", str(ROOT / "constraints.txt"), "--target", str(site)]
        command += [f"rlrec[{extras}] @ {built.as_uri()}"]
        subprocess.run(command, check=True)
    for name in LEFT_OUT:
        shutil.rmtree(site / name, ignore_errors=True)


def pack(folder, cuda):
    """Parts, their checksums and this file into ``folder``."""
    if folder.exists() and any(folder.iterdir()):
        sys.exit(f"{folder} is not empty: give a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as site:
        install(Path(site), "deep,gpu" if cuda else "deep")
        count = write_parts(site, folder)
    shutil.copy(__file__, folder / "offline.py")
    whole = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{count} parts, {whole / 2**20:.0f} MiB; copy all of {folder}, then, there:")
    print(f"python offline.py unpack SITE    # Python {PYTHON}")


def unpack(site):
    """What lies beside this file into ``site``; then see whether it works."""
    if f"{sys.version_info[0]}.{sys.version_info[1]}" != PYTHON:
        sys.exit(f"these parts are for Python {PYTHON}, this is {sys.version}")
    read_parts(Path(__file__).resolve().parent, site)
    here = os.environ | {"PYTHONPATH": str(site.resolve())}
    for words in (["-c", "import rlrec.nn.backend"], ["-m", "rlrec.cli", "doctor"]):
        subprocess.run([sys.executable, *words], check=True, env=here, cwd=site)
    print(f"ready: PYTHONPATH={site} python -m rlrec.cli ...")


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack")
    packing.add_argument("folder", type=Path)
    packing.add_argument("--cuda", action="store_true")
    commands.add_parser("unpack").add_argument("site", type=Path)
    given = parser.parse_args()
    if given.command == "pack":
        pack(given.folder, given.cuda)
    else:
        unpack(given.site)


if __name__ == "__main__":
    main()
