"""Download a file of weights: with progress, going on where it stopped, and never taken for whole when it is not.

What has come lies beside the wanted file, under its name with `.part`, until all of it is there and its SHA-256 is
right; so an interrupted download goes on, and no half file is ever found under the real name.
"""

import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from minircnn.errors import InputError
from minircnn.files import check_creatable, reason

CHUNK = 1 << 20
TIMEOUT = 30  # seconds without a byte
_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.")  # as PyTorch names its files: vgg16-397923af.pth


def name_of(url: str) -> str:
    """The file name at the end of an address."""
    name = Path(unquote(urlsplit(url).path)).name
    if urlsplit(url).scheme not in ("http", "https") or not name:
        raise InputError(f"{url} is no address of a file; give http://… or https://… with a name at its end")
    return name


def fetch(url: str, out: Path, sha256: str | None, progress: Callable[[int, int], None]) -> str:
    """Download `url` to `out`, new; gives its SHA-256.

    Parameters
    ----------
    sha256 : what it should begin with; without it, what the file's name says, where it does as PyTorch's
    progress : called with the bytes that are there and the bytes of the whole (0 where the server does not say)

    Raises
    ------
    InputError : the server or the disk refuses, the connection breaks, or the SHA-256 is another
    """
    wanted, name = (sha256 or "").lower(), name_of(url)
    if not wanted and (match := _IN_NAME.search(name)):
        wanted = match[1]
    if wanted and not re.fullmatch(r"[0-9a-f]{8,64}", wanted):
        raise InputError(f"--sha256 should be 8 to 64 hexadecimal digits, not {sha256!r}")
    if out.exists():
        raise InputError(f"{out} is there already; choose another --out")
    check_creatable(out)
    part = out.with_name(out.name + ".part")
    try:
        _download(url, part, progress)
    except urllib.error.HTTPError as error:
        raise InputError(f"{url}: the server says {error.code} {error.reason}; is the address right?") from None
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        why = getattr(error, "reason", None) or (reason(error) if isinstance(error, OSError) else error)
        raise InputError(f"{url} did not come whole ({why}); the same command goes on where it stopped") from None
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(wanted):
        part.unlink()
        raise InputError(f"{url} came with SHA-256 {digest}, not {wanted}…, so it is thrown away; try again")
    os.replace(part, out)
    return digest


def _download(url: str, part: Path, progress: Callable[[int, int], None]) -> None:
    there = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "minircnn"})
    if there:
        request.add_header("Range", f"bytes={there}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not there:  # 416: nothing is left to send
            raise
        if error.headers.get("Content-Range", "").endswith(f"/{there}"):
            return
        part.unlink()  # longer than the file: of another one
        return _download(url, part, progress)
    with response:
        if response.status != 206:  # the server begins anew
            there = 0
        length = int(response.headers.get("Content-Length") or 0)
        whole = there + length if length else 0
        with part.open("ab" if there else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                there += len(chunk)
                progress(there, whole)
    if whole and there < whole:
        raise OSError(f"{there} of {whole} bytes")
