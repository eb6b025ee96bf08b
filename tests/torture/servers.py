"""Servers and archives that mean harm: the right files, or a sentence and no file."""

import hashlib
import io
import socketserver
import threading
import zipfile
from dataclasses import replace

import numpy as np

from rlrec.datasets import CATALOGUE, fetch
from rlrec.datasets.fetch import ResumingDownloader
from rlrec.errors import RlrecError
from tests.torture.inputs import changed

CONTENT = b"1\t1\t5\t9\n" * 2_000
NAMES = ("../evil", "/evil", "C:/evil", "a/../../evil", "u.data", "toy/u.data\x00.sh")
HEADERS = (
    b"Content-Length: -1",
    b"Content-Length: many",
    b"Content-Length: 99999999999999999999",
    b"Content-Encoding: gzip",
    b"Transfer-Encoding: chunked",
    b"Location: http://example.org/",
    b"Content-Range: bytes 5-7/9",
    b"X: " + b"y" * 70_000,
)


def archive(rng):
    """A zip with the file that is wanted and, at times, one that is not."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("toy/u.data", CONTENT)
        if rng.random() < 0.5:
            made.writestr(NAMES[rng.integers(len(NAMES))], b"evil")
    return content.getvalue()


def answer(rng):
    """An HTTP answer with such an archive, changed somewhere or not at all."""
    body = archive(rng)
    status = (b"200 OK", b"206 Part", b"301 Moved", b"416 No", b"500 No")
    lines = [b"HTTP/1.1 " + status[max(0, rng.integers(-5, 5))]]
    lines.append(b"Content-Length: " + str(len(body)).encode())
    if rng.random() < 0.3:
        lines.append(HEADERS[rng.integers(len(HEADERS))])
    whole = b"\r\n".join([*lines, b"", body])
    return changed(whole, rng) if rng.random() < 0.5 else whole


class Handler(socketserver.BaseRequestHandler):
    """Answers every request at random."""

    def handle(self):
        self.request.recv(10_000)
        self.request.sendall(answer(self.server.rng))


def servers(folder, tries, seed=0):
    """Fetch from a server that answers at random; a row of the table."""
    row = {"tries": 0, "refused": 0, "errors": 0, "lost": 0}
    wait = ResumingDownloader.__init__.__kwdefaults__
    former = dict(wait)
    wait.update(wait=0.0, progress=False)
    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        server.rng = np.random.default_rng(seed)
        server.handle_error = lambda request, address: None  # a client that hung up
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/toy.zip"
        CATALOGUE["toy"] = replace(
            CATALOGUE["ml-100k"],
            name="toy",
            urls=(url,),
            archive_sha256="",
            files={"u.data": hashlib.sha256(CONTENT).hexdigest()},
        )
        try:
            for number in range(tries):
                _fetch_once(folder / f"server-{number}", row)
        finally:
            del CATALOGUE["toy"]
            wait.update(former)
            server.shutdown()
    return row


def _fetch_once(out, row):
    expected = set()
    try:
        fetch("toy", out=out, progress=False)
        expected = {"u.data"}
    except RlrecError:
        row["refused"] += 1
    except Exception as error:
        row["errors"] += 1
        row.setdefault("such as", f"{type(error).__name__}: {error}"[:90])
    files = {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    files.pop("toy.zip.part", None)  # a download that may go on
    row["tries"] += 1
    row["lost"] += files.keys() != expected or files.get("u.data", CONTENT) != CONTENT
    row["lost"] += any(out.parent.glob("evil*"))
