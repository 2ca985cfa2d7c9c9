"""The loops: arrays and scalars in, arrays out, no state.

Every file holds one operation, its forward directly above its backward, in NumPy and Numba. Layers (one floor up)
keep what backward needs; nothing here does. The wrapper of each pair checks its arrays (`checks.py`), the loops below
it check nothing. Start with `conv.py`, then `roi_pool.py`; `winograd.py` is the convolution that trains. `cache.py` and
`threads.py` see to how Numba keeps and runs them.
"""

from minircnn.kernels.cache import KEPT

__all__ = ["KEPT"]
