"""Who uses the cores: Numba's threads do, and BLAS stays on one thread inside each of them.

OpenBLAS splits a product by the number of threads it has, and with some of its kernels the split changes the last
bits. Here the products are cut into fixed blocks, one-thread BLAS computes each block, and Numba shares the blocks
out: the bits are the same for any number of threads.
"""

import functools
from contextlib import AbstractContextManager

import scipy.linalg.cython_blas  # noqa: F401  (Numba's np.dot calls this BLAS: it must be loaded to be limited)
from threadpoolctl import ThreadpoolController


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager:
    """Hold BLAS to one thread within the block (about 10 µs; the former number comes back after it)."""
    return _controller().limit(limits=1, user_api="blas")
