"""Room that a kernel works in and that nobody sees afterwards.

Asked of the system anew in each call, tens of megabytes cost as much time as the arithmetic in them: every page is
cleared before its first use. So each thread keeps the largest room that it ever needed.
"""

import threading

import numpy as np

_kept = threading.local()
_LINE = 64  # bytes; arrays begin on a cache line of their own


def scratch(dtype: np.dtype, *counts: int) -> list[np.ndarray]:
    """Flat arrays of `counts` values, whatever was in them; the next call in this thread takes them back."""
    itemsize = np.dtype(dtype).itemsize
    sizes = [-(-count * itemsize // _LINE) * _LINE for count in counts]
    needed = sum(sizes) + _LINE  # the first of them may begin almost a line later than the room does
    room = getattr(_kept, "room", None)
    if room is None or len(room) < needed:
        _kept.room = room = np.empty(0, np.uint8)  # the old room goes before the new one comes
        _kept.room = room = np.empty(needed, np.uint8)
    start = -room.ctypes.data % _LINE
    arrays = []
    for count, size in zip(counts, sizes, strict=True):
        arrays.append(room[start : start + count * itemsize].view(dtype))
        start += size
    return arrays
