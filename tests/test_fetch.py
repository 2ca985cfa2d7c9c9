"""Downloads: whole or not at all, going on where they stopped, and held to a SHA-256."""

import hashlib
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from typer.testing import CliRunner

from minircnn.cli import app
from minircnn.errors import InputError
from minircnn.weights.fetch import fetch

CONTENT = np.random.default_rng(0).bytes(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        start = 0
        if server.ranges and (asked := self.headers.get("Range")):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        server.starts.append(start)
        if self.path.endswith("absent.pth"):
            return self.send_error(404)
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        stop = server.breaks_at.pop(0) if server.breaks_at else len(CONTENT)
        with suppress(OSError):
            self.wfile.write(CONTENT[start:stop])
        return None

    def log_message(self, *words):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.ranges, server.starts, server.breaks_at = True, [], []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def url(server, name=f"vgg16-{DIGEST[:8]}.pth"):
    return f"http://127.0.0.1:{server.server_port}/{name}"


def test_a_file_comes_whole_with_progress(server, tmp_path):
    told = []
    digest = fetch(url(server), tmp_path / "a.pth", None, lambda there, whole: told.append((there, whole)))
    assert digest == DIGEST
    assert (tmp_path / "a.pth").read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on(ranges, server, tmp_path):
    server.ranges, server.breaks_at = ranges, [1_234_567]
    with pytest.raises(InputError, match=r"did not come whole .* goes on where it stopped"):
        fetch(url(server), tmp_path / "a.pth", None, lambda *_: None)
    assert not (tmp_path / "a.pth").exists()
    fetch(url(server), tmp_path / "a.pth", None, lambda *_: None)
    assert (tmp_path / "a.pth").read_bytes() == CONTENT
    assert server.starts == [0, 1_234_567 if ranges else 0]


@pytest.mark.parametrize("length", [3_000_000, 3_000_007])
def test_a_part_that_is_whole_or_longer_is_handled(length, server, tmp_path):
    (tmp_path / "a.pth.part").write_bytes((CONTENT + bytes(7))[:length])
    fetch(url(server), tmp_path / "a.pth", None, lambda *_: None)
    assert (tmp_path / "a.pth").read_bytes() == CONTENT


def test_another_content_is_thrown_away(server, tmp_path):
    for name, sha256 in (("vgg16-00b39a1b.pth", None), ("vgg16.pth", "00b39a1b")):
        with pytest.raises(InputError, match="not 00b39a1b"):
            fetch(url(server, name), tmp_path / "a.pth", sha256, lambda *_: None)
        assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_fetched_is_one_sentence(server, tmp_path):
    (tmp_path / "there.pth").touch()
    cases = [
        (url(server, "absent.pth"), "a.pth", None, "404"),
        ("http://127.0.0.1:1/a.pth", "a.pth", None, "did not come whole"),
        ("ftp://127.0.0.1/a.pth", "a.pth", None, "no address of a file"),
        ("file:///etc/passwd", "a.pth", None, "no address of a file"),
        (url(server, ""), "a.pth", None, "no address of a file"),
        (url(server), "there.pth", None, "is there already"),
        (url(server), "a.pth", "xyz", "hexadecimal digits"),
    ]
    for address, name, sha256, words in cases:
        with pytest.raises(InputError, match=words):
            fetch(address, tmp_path / name, sha256, lambda *_: None)


def test_the_command_tells_the_digest(server, tmp_path):
    result = CliRunner().invoke(app, ["weights", "fetch", url(server), "--out", str(tmp_path / "a.pth")])
    assert result.exit_code == 0
    assert DIGEST in result.output
