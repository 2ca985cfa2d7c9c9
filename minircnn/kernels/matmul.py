"""A matrix product whose bits do not depend on the number of threads: what the fully connected layers use.

The result is cut into fixed blocks of rows, one-thread BLAS computes each, and Numba shares the blocks out.
"""

import numpy as np
from numba import njit, prange

from minircnn.kernels.checks import check_floats, check_shape
from minircnn.kernels.threads import one_blas_thread

ROWS_PER_BLOCK = 64


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a (M, K) @ b (K, N) → (M, N), all of one float dtype.

    A block of `a` that does not lie in one piece, as of a = x.T, is copied first; `b` is read in place, transposed too.
    """
    check_shape("matmul", "a", a, (None, None))
    check_shape("matmul", "b", b, (a.shape[1], None))
    check_floats("matmul", a=a, b=b)
    out = np.empty((a.shape[0], b.shape[1]), a.dtype)
    if a.size == 0 or b.size == 0:
        out[:] = 0
        return out
    with one_blas_thread():
        _blocks(a, b, ROWS_PER_BLOCK, out)
    return out


@njit(parallel=True, cache=True)
def _blocks(a, b, rows, out):
    M = a.shape[0]
    for block in prange((M + rows - 1) // rows):
        first = block * rows
        last = min(first + rows, M)
        np.dot(np.ascontiguousarray(a[first:last]), b, out[first:last])
