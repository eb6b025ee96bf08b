"""Disks that are full at any byte, and writes that take a few bytes only."""

import errno
import io
import resource

import numpy as np
from command import rlrec

from rlrec import storage
from rlrec.errors import RlrecError


class Short(io.FileIO):
    """A file that takes 3 bytes a write, and no more than ``room`` bytes in all."""

    room = 10**9

    def write(self, data):
        if self.tell() + 3 > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(bytes(data)[:3])


def full_disks(folder, tries):
    """Append lines until the disk is full at each byte; what was there is intact."""
    row = {"tries": 0, "lost": 0, "errors": 0}
    before = b"a,b\n1,2\n"
    lines = "3,4\n5,6\n7,8\n"
    path = folder / "log.csv"
    storage.open = lambda path, mode, buffering=-1: Short(path, mode.replace("b", ""))
    try:
        for room in range(tries):
            path.write_bytes(before)
            Short.room = len(before) + room
            try:
                storage.append_text(path, lines)
                expected = before + lines.encode()
            except RlrecError:
                expected = before
            row["tries"] += 1
            row["lost"] += path.read_bytes() != expected
    finally:
        del storage.open
    return row


def small_files(folder, tries):
    """Train, and replace arrays, where no file may exceed some bytes."""
    row = {"tries": 0, "lost": 0, "errors": 0}
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = folder / "x.npz"
    storage.write_arrays(path, a=np.arange(3))
    before = path.read_bytes()
    noise = np.random.default_rng(0).random(2_000)
    for number in range(tries):
        out = folder / f"small-{number}"
        status = 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (200 + 150 * number, limit[1]))
        try:
            status = rlrec("train qlearning --steps 50 --out", out)
            storage.write_arrays(path, a=noise)
        except RlrecError:
            row["lost"] += path.read_bytes() != before
        except Exception:
            row["errors"] += 1
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        row["tries"] += 1
        if status == 0:
            row["errors"] += rlrec("recommend", out) != 0
        path.write_bytes(before)
    return row
