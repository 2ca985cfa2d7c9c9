"""The loops: arrays and scalars in, arrays out, no state.

Every file holds one operation, its forward directly above its backward, in NumPy and Numba. Layers (one floor up)
keep what backward needs; nothing here does. The wrapper of each pair checks its arrays (`checks.py`), the loops below
it check nothing. Start with `conv.py`, then `roi_pool.py`.

Numba keeps the compiled loops beside this package, or in the user's cache folder. Where neither can be written (a
read-only installation, a home that is not there), each process compiles anew, into a folder that goes with it.
"""

import atexit
import shutil
import tempfile

from numba import config, njit


def _probe() -> None:
    """Nothing: what Numba is asked to find a cache folder for."""


def _ensure_cache_folder() -> bool:
    """Whether compiled kernels outlive this process."""
    try:
        njit(cache=True)(_probe)  # asks for a folder, compiles nothing
    except RuntimeError:  # "no locator available"
        config.CACHE_DIR = tempfile.mkdtemp(prefix="minircnn-kernels-")
        atexit.register(shutil.rmtree, config.CACHE_DIR, ignore_errors=True)
        return False
    return True


KEPT = _ensure_cache_folder()
