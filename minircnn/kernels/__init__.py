"""The loops: arrays and scalars in, arrays out, no state.

Every file holds one operation, its forward directly above its backward, in NumPy and Numba. Layers (one floor up)
check shapes and keep what backward needs; nothing here does either. Start with `conv.py`, then `roi_pool.py`.
"""
