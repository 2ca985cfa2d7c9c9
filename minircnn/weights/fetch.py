"""Download a file of weights, whole or not at all, through pooch; and tell its SHA-256."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from minircnn.base.errors import InputError
from minircnn.base.files import check_creatable
from minircnn.weights.foreign.convert import sha256 as sha256_of
from minircnn.weights.foreign.formats import what_else

_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.")  # as PyTorch names its files: vgg16-397923af.pth


class _Bar:
    """What pooch asks of a progress bar, handed on as bytes that are there and bytes of the whole."""

    def __init__(self, progress: Callable[[int, int], None]):
        self.progress, self.total, self.there = progress, 0, 0

    def update(self, count: int) -> None:
        self.there += count
        self.progress(min(self.there, self.total or self.there), self.total)

    def reset(self) -> None:
        self.there = 0

    def close(self) -> None:
        pass


def name_of(url: str) -> str:
    """The file name at the end of an address."""
    name = Path(unquote(urlsplit(url).path)).name
    if urlsplit(url).scheme not in ("http", "https") or not name:
        raise InputError(f"{url} is no address of a file; give http://… or https://… with a name at its end")
    return name


def fetch(url: str, out: Path, sha256: str | None, progress: Callable[[int, int], None]) -> tuple[str, str]:
    """Download `url` to `out`, new; gives its SHA-256, and what that says in words.

    Parameters
    ----------
    sha256 : what it should begin with; without it, a name as PyTorch's is compared, which decides nothing
    progress : called with the bytes that are there and the bytes of the whole (0 where the server does not say)

    Raises
    ------
    InputError : the server or the disk refuses, the connection breaks, a web page came, or the SHA-256 is another
    """
    import pooch

    name, wanted = name_of(url), (sha256 or "").lower()
    if wanted and not re.fullmatch(r"[0-9a-f]{8,64}", wanted):
        raise InputError(f"--sha256 should be 8 to 64 hexadecimal digits, not {sha256!r}")
    if out.exists():
        raise InputError(f"{out} is there already; choose another --out")
    check_creatable(out)
    pooch.get_logger().setLevel("WARNING")
    download = pooch.HTTPDownloader(progressbar=_Bar(progress), chunk_size=1 << 20, timeout=30)
    try:
        pooch.retrieve(url, None, fname=out.name, path=out.absolute().parent, downloader=download)
    except (OSError, ValueError) as error:  # requests' own errors are OSErrors; a strange address is a ValueError
        raise InputError(f"{url} did not come whole, and nothing is kept ({error}); is the address right?") from None
    digest = sha256_of(out)
    with out.open("rb") as file:
        other = what_else(file.read(64))
    if other or not digest.startswith(wanted):
        out.unlink()
        why = f"is {other}" if other else f"came with SHA-256 {digest}, not {wanted}…"
        raise InputError(f"{url} {why}, and is thrown away; is it the address of the file itself?")
    hint = _IN_NAME.search(name)
    if wanted:
        return digest, "as --sha256 says"
    if hint is None:
        return digest, "nothing says what it should be: compare it with what its publisher says"
    fits = digest.startswith(hint[1])
    return digest, "as its name says" if fits else f"which does not begin with {hint[1]} (a date, if its name has one)"
