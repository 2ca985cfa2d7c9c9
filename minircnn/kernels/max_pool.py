"""Max-pooling and its backward: the maximum of each window, and where it stood.

The forward keeps `argmax`, the cell (h*W + w) that won; the backward adds each output's gradient to that cell and
to no other. Windows may overlap (size > stride), so a cell can collect several gradients. RoI pooling
(`roi_pool.py`) is this with windows that every region chooses for itself.
"""

import numpy as np
from numba import njit, prange

from minircnn.kernels.checks import check_floats, check_shape, check_window
from minircnn.kernels.threads import in_turn


def pool_output_size(size: int, window: int, stride: int, ceil_mode: bool) -> int:
    """Windows along one side. `ceil_mode` (Caffe's) keeps a last window that is cut off by the border."""
    if size <= window:
        return 1
    count = -((window - size) // stride) + 1 if ceil_mode else (size - window) // stride + 1
    if ceil_mode and (count - 1) * stride >= size:  # a window must start on the map
        count -= 1
    return count


@in_turn
def max_pool_forward(x: np.ndarray, size: int, stride: int, ceil_mode: bool) -> tuple[np.ndarray, np.ndarray]:
    """Maximum of each size×size window; the first of equals in row-major order wins.

    Parameters
    ----------
    x : (N, H, W, C) float
    size, stride : int, cells
    ceil_mode : bool
        True: 38 windows over 75 cells at 2, 2; False: 37.

    Returns
    -------
    y : (N, OH, OW, C), same dtype
    argmax : (N, OH, OW, C) int32, the winner as h*W + w

    Raises
    ------
    ValueError : another shape or dtype, or a map on which no window fits
    """
    check_shape("max_pool_forward", "x", x, (None, None, None, None))
    check_floats("max_pool_forward", x=x)
    check_window("max_pool_forward", size=size, stride=stride)
    N, H, W, C = x.shape
    if min(H, W) < 1:
        raise ValueError(f"max_pool_forward: a map of {H}×{W} has no cell to take the maximum of")
    OH = pool_output_size(H, size, stride, ceil_mode)
    OW = pool_output_size(W, size, stride, ceil_mode)
    y = np.empty((N, OH, OW, C), x.dtype)
    argmax = np.empty((N, OH, OW, C), np.int32)
    _forward(x, size, stride, y, argmax)
    return y, argmax


@njit(parallel=True, cache=True)
def _forward(x, size, stride, y, argmax):
    N, H, W, C = x.shape  # (N, H, W, C)
    _, OH, OW, _ = y.shape  # (N, OH, OW, C), as argmax
    y_rows, argmax_rows = y.reshape(N * OH, OW, C), argmax.reshape(N * OH, OW, C)
    for row in prange(N * OH):
        n, top = row // OH, (row % OH) * stride
        for ow in range(OW):
            left = ow * stride
            best, where = y_rows[row, ow], argmax_rows[row, ow]
            for c in range(C):
                best[c] = x[n, top, left, c]
                where[c] = top * W + left
            for h in range(top, min(top + size, H)):
                for w in range(left, min(left + size, W)):
                    for c in range(C):
                        value = x[n, h, w, c]
                        if value > best[c] or value != value:  # NaN shows, instead of vanishing
                            best[c] = value
                            where[c] = h * W + w


@in_turn
def max_pool_backward(
    dy: np.ndarray, argmax: np.ndarray, x_shape: tuple[int, int, int, int], size: int, stride: int
) -> np.ndarray:
    """Every dy added to the cell that won its window.

    Parameters
    ----------
    dy : (N, OH, OW, C) float
    argmax : (N, OH, OW, C) int32, from the forward
    x_shape : (N, H, W, C)
    size, stride : int, as in the forward

    Returns
    -------
    dx : (N, H, W, C), same dtype as dy; 0 where a cell never won

    Raises
    ------
    ValueError : arrays that do not fit each other, or an `argmax` that names cells off the map
    """
    N, H, W, C = x_shape
    check_floats("max_pool_backward", dy=dy)
    check_shape("max_pool_backward", "dy", dy, (N, None, None, C))
    check_shape("max_pool_backward", "argmax", argmax, dy.shape)
    if argmax.size and not (argmax.min() >= 0 and argmax.max() < H * W):
        raise ValueError(f"max_pool_backward: argmax names cells beyond a map of {H}×{W}; it belongs to another")
    dx = np.empty(x_shape, dy.dtype)
    _backward(dy, argmax, size, stride, dx)
    return dx


@njit(parallel=True, cache=True)
def _backward(dy, argmax, size, stride, dx):
    N, H, W, C = dx.shape  # (N, H, W, C)
    _, OH, OW, _ = dy.shape  # (N, OH, OW, C), as argmax
    rows = dx.reshape(N * H, W, C)
    for row in prange(N * H):  # owner computes: a row of dx asks the windows that cover it
        n, h = row // H, row % H
        rows[row] = 0
        first = max(0, (h - size) // stride + 1)
        for oh in range(first, min(h // stride + 1, OH)):
            for ow in range(OW):
                for w in range(ow * stride, min(ow * stride + size, W)):
                    for c in range(C):
                        if argmax[n, oh, ow, c] == h * W + w:  # forward: y[n, oh, ow, c] = x[n, h, w, c]
                            rows[row, w, c] += dy[n, oh, ow, c]
