"""Room that a kernel works in and that nobody sees afterwards.

Asked of the system anew in each call, tens of megabytes cost as much time as the arithmetic in them: every page is
cleared before its first use. So each thread keeps the largest workspace that it ever needed.
"""

import threading

import numpy as np

_kept = threading.local()
_LINE = 64  # bytes; arrays begin on a cache line of their own


def scratch(dtype: np.dtype, *counts: int, workspace: str = "kernel") -> list[np.ndarray]:
    """Flat arrays of `counts` values, whatever was in them; the next call for this workspace takes them back.

    Kernels work in "kernel"; maps that only the next layer reads have rooms of their own.
    """
    itemsize = np.dtype(dtype).itemsize
    sizes = [-(-count * itemsize // _LINE) * _LINE for count in counts]
    needed = sum(sizes) + _LINE  # the first of them may begin almost a line later than the workspace does
    kept = vars(_kept)
    if workspace not in kept or len(kept[workspace]) < needed:
        kept[workspace] = np.empty(0, np.uint8)  # the old workspace goes before the new one comes
        kept[workspace] = np.empty(needed, np.uint8)
    start = -kept[workspace].ctypes.data % _LINE
    arrays = []
    for count, size in zip(counts, sizes, strict=True):
        arrays.append(kept[workspace][start : start + count * itemsize].view(dtype))
        start += size
    return arrays
