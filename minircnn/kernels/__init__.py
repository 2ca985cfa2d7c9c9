"""The loops: arrays and scalars in, arrays out, no state.

Every file holds one operation, its forward directly above its backward, in NumPy and Numba. Layers (one floor up)
keep what backward needs; nothing here does. The wrapper of each pair checks its arrays (`checks.py`), the loops below
it check nothing. Start with `conv.py`, then `roi_pool.py`; `winograd.py` is the convolution that trains.

Numba keeps the compiled loops beside this package, or in the user's cache folder. Where neither can be written (a
read-only installation, a home that is not there), each process compiles anew, into a folder that goes with it. A kept
loop also holds what it calls in other files here (`product_tile.py`); Numba looks at its own file alone, so loops that
were compiled from other files than today's are thrown away.
"""

import atexit
import hashlib
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from numba import config, njit


def _probe() -> None:
    """Nothing: what Numba is asked to find a cache folder for."""


def _ensure_cache_folder() -> bool:
    """Whether compiled kernels outlive this process."""
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        return True
    try:
        folder = njit(cache=True)(_probe).stats.cache_path  # asks for a folder, compiles nothing
    except RuntimeError:  # "no locator available"
        config.CACHE_DIR = folder = tempfile.mkdtemp(prefix="minircnn-kernels-")  # type: ignore[attr-defined]
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return False
    _throw_away_others(Path(str(folder)))
    return True


def _throw_away_others(folder: Path) -> None:
    """Remove indices of loops that were compiled from other files than these."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    sources = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    stamp = folder / "minircnn.sources"
    with suppress(OSError):  # another process may be doing the same, or nobody may write here
        if not stamp.exists() or stamp.read_text() != sources:
            for index in folder.glob("*.nbi"):
                index.unlink(missing_ok=True)
            stamp.write_text(sources)


KEPT = _ensure_cache_folder()
