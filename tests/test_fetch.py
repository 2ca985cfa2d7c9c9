"""Downloads: whole or not at all, and nothing else is taken for weights."""

import hashlib
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import numpy as np
import pytest
from commands import minircnn

from minircnn.base.errors import InputError
from minircnn.weights.fetch import fetch

CONTENT = np.random.default_rng(0).bytes(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"\n<!DOCTYPE html><html><title>Sign in</title></html>"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        name = unquote(self.path)
        if name.endswith("absent.pth"):
            return self.send_error(404)
        content = PAGE if name.endswith("page.pth") else CONTENT
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(content[:1_234_567] if name.endswith("cut.pth") else content)
        return None

    def log_message(self, *words):
        pass


@pytest.fixture(scope="module")
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def nothing(*_):
    pass


def test_a_file_comes_whole_with_progress(server, tmp_path):
    told = []
    digest, _ = fetch(server + "a.pth", tmp_path / "a.pth", None, lambda there, whole: told.append((there, whole)))
    assert digest == DIGEST
    assert (tmp_path / "a.pth").read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


def test_an_address_as_a_browser_shows_it_is_fetched(server, tmp_path):
    fetch(server + "모델/가중치 1.pth", tmp_path / "a.pth", None, nothing)
    assert (tmp_path / "a.pth").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (f"vgg16-{DIGEST[:8]}.pth", "as its name says"),
        ("vgg16-20240315.pth", "does not begin with 20240315"),
        ("detector-00012000.safetensors", "does not begin with 00012000"),
        ("vgg16-best.pth", "compare it"),
    ],
)
def test_what_a_name_says_is_compared_and_decides_nothing(name, words, server, tmp_path):
    digest, said = fetch(server + name, tmp_path / name, None, nothing)
    assert digest == DIGEST
    assert words in said
    assert (tmp_path / name).read_bytes() == CONTENT


def test_a_digest_that_was_given_decides(server, tmp_path):
    assert fetch(server + "a.pth", tmp_path / "a.pth", DIGEST[:10].upper(), nothing)[1] == "as --sha256 says"
    with pytest.raises(InputError, match="not 00b39a1b"):
        fetch(server + "a.pth", tmp_path / "b.pth", "00b39a1b", nothing)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


def test_what_cannot_be_fetched_is_one_sentence_and_leaves_nothing(server, tmp_path):
    (tmp_path / "there.pth").touch()
    cases = [
        (server + "absent.pth", "a.pth", None, "404"),
        (server + "cut.pth", "a.pth", None, "did not come whole"),
        (server + "page.pth", "a.pth", None, "web page"),
        ("http://127.0.0.1:1/a.pth", "a.pth", None, "did not come whole"),
        ("ftp://127.0.0.1/a.pth", "a.pth", None, "no address of a file"),
        ("file:///etc/passwd", "a.pth", None, "no address of a file"),
        (server, "a.pth", None, "no address of a file"),
        (server + "a.pth", "there.pth", None, "is there already"),
        (server + "a.pth", "a.pth", "xyz", "hexadecimal digits"),
    ]
    for address, name, sha256, words in cases:
        with pytest.raises(InputError, match=words) as told:
            fetch(address, tmp_path / name, sha256, nothing)
        assert "\n" not in str(told.value)
    assert [path.name for path in tmp_path.iterdir()] == ["there.pth"]


def test_the_command_makes_the_folder_and_tells_the_digest(server, tmp_path):
    out = tmp_path / "new" / "a.pth"
    result = minircnn("weights", "fetch", server + "a.pth", "--out", out)
    assert result.returncode == 0
    assert DIGEST in result.stdout + result.stderr
    assert out.read_bytes() == CONTENT


def test_weights_that_are_a_page_or_a_pointer_are_named_for_what_they_are(tmp_path):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d7a" * 16 + b"\nsize 553433881\n"
    cases = {
        "pointer": (pointer, "Git LFS"),
        "page": (PAGE, "web page"),
        "array": (b"\x93NUMPY\x01\x00", "numpy.savez"),
    }
    for name, (content, words) in cases.items():
        path = tmp_path / f"{name}.pth"
        path.write_bytes(content + bytes(100))
        out = str(tmp_path / "o.safetensors")
        result = minircnn("weights", "convert", path, "--out", out)
        assert result.returncode == 2
        assert words in result.stdout + result.stderr
