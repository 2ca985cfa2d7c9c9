"""Where Numba keeps the compiled loops, and that what it keeps there is sound.

Numba keeps them beside this package, or in the user's cache folder. Where neither can be written (a read-only
installation, a home that is not there), each process compiles anew, into a folder that goes with it. Two things Numba
does not see to: a kept loop also holds what it calls in other files here (`product_tile.py`), so loops that were
compiled from other files than today's are thrown away; and a file that a full disk or a power cut left half written
would end every start, so what cannot be read is thrown away too and compiled again.
"""

import atexit
import hashlib
import io
import json
import pickletools
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from numba import config, njit

LOSSES = Path(__file__).parents[1] / "losses.py"  # has loops as well
STAMP = "minircnn.sources"  # beside the loops: what they were compiled from, and which files were read and found sound


def cache_folder(source: Path) -> Path:
    """Where Numba keeps what is compiled of this file. Nothing is compiled to find out."""
    scope: dict[str, Any] = {}
    exec(compile("def probe(): pass", str(source), "exec"), scope)
    return Path(str(njit(cache=True)(scope["probe"]).stats.cache_path))


def _ensurecache_folder() -> bool:
    """Whether compiled kernels outlive this process."""
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        return True
    try:
        folders = {cache_folder(source) for source in (Path(__file__), LOSSES)}
    except RuntimeError:  # "no locator available"
        config.CACHE_DIR = folder_of_its_own = tempfile.mkdtemp(prefix="minircnn-kernels-")  # type: ignore[attr-defined]
        atexit.register(shutil.rmtree, folder_of_its_own, ignore_errors=True)
        return False
    for folder in folders:
        with suppress(OSError):  # another process may be doing the same, or nobody may write here
            throw_away_the_unusable(folder)
    return True


def throw_away_the_unusable(folder: Path) -> None:
    """Remove indices of loops that were compiled from other files than these, and files that are damaged."""
    if not folder.is_dir():
        return
    files = [*sorted(Path(__file__).parent.glob("*.py")), LOSSES]
    sources = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    stamp = folder / STAMP
    try:
        before = json.loads(stamp.read_text())
        sound, same = dict(before["sound"]), before["sources"] == sources
    except (OSError, ValueError, TypeError, KeyError):
        before, sound, same = None, {}, False
    now = {}
    for kept in sorted([*folder.glob("*.nbi"), *folder.glob("*.nbc")]):
        if kept.suffix == ".nbi" and not same:
            kept.unlink(missing_ok=True)
            continue
        status = kept.stat()
        mark = [status.st_size, status.st_mtime_ns]
        if sound.get(kept.name) == mark or _is_whole(kept):  # each is read once, and again when it has changed
            now[kept.name] = mark
        else:
            kept.unlink(missing_ok=True)
    content = {"sources": sources, "sound": now}
    if content != before:
        stamp.write_text(json.dumps(content))  # torn, it is only looked at anew


def _is_whole(path: Path) -> bool:
    """Whether the pickles in one of Numba's files go on to its end; an index has two. None is carried out."""
    content = path.read_bytes()
    file = io.BytesIO(content)
    try:
        while file.tell() < len(content):
            for _ in pickletools.genops(file):
                pass
    except Exception:  # whatever it is, it is no whole file
        return False
    return bool(content)


KEPT = _ensurecache_folder()
