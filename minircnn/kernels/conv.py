"""Convolution as plain loops, for any size, stride and padding: the one to read first.

    y[n, oh, ow, oc] = b[oc] + sum over kh, kw, c of  x[n, oh*s + kh - p, ow*s + kw - p, c] * w[kh, kw, c, oc]

with s the stride, p the padding and x zero outside the map. `winograd.py` and `conv_rows.py` compute the same, many
times faster, and are held to this file. Backward follows from the sum: each product x*w gives dy*w to dx, dy*x to dw.
"""

import numpy as np
from numba import njit, prange

from minircnn.kernels.checks import check_floats, check_shape, check_window
from minircnn.kernels.threads import in_turn


def conv_output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Cells along one side: the positions at which the whole kernel lies on the padded map."""
    return (size + 2 * padding - kernel) // stride + 1


@in_turn
def conv2d_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, stride: int, padding: int) -> np.ndarray:
    """Convolve.

    Parameters
    ----------
    x : (N, H, W, C) float
    w : (KH, KW, C, OC), same dtype
    b : (OC,), same dtype; None for a convolution without a bias
    stride, padding : int, cells, alike for both sides

    Returns
    -------
    y : (N, OH, OW, OC), same dtype

    Raises
    ------
    ValueError : arrays that do not fit each other, or a kernel that the padded map has no room for
    """
    OH, OW = check_conv("conv2d_forward", x, w, b, stride, padding)
    N, OC = len(x), w.shape[3]
    y = np.empty((N, OH, OW, OC), x.dtype)
    _forward(x, w, np.zeros(OC, x.dtype) if b is None else b, stride, padding, y)
    return y


def check_conv(
    owner: str, x: np.ndarray, w: np.ndarray, b: np.ndarray | None, stride: int, padding: int
) -> tuple[int, int]:
    """OH and OW of a convolution; ValueError where the arrays do not fit each other, or the kernel the map."""
    check_shape(owner, "w", w, (None, None, None, None))
    check_shape(owner, "x", x, (None, None, None, w.shape[2]))
    if b is None:
        check_floats(owner, x=x, w=w)
    else:
        check_shape(owner, "b", b, (w.shape[3],))
        check_floats(owner, x=x, w=w, b=b)
    check_window(owner, stride=stride, padding=padding)
    H, W, KH, KW = *x.shape[1:3], *w.shape[:2]
    OH, OW = conv_output_size(H, KH, stride, padding), conv_output_size(W, KW, stride, padding)
    if OH < 1 or OW < 1:
        raise ValueError(f"{owner}: a kernel of {KH}×{KW} does not fit a map of {H}×{W} with padding {padding}")
    return OH, OW


@njit(parallel=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _forward(x, w, b, stride, padding, y):
    N, H, W, C = x.shape
    KH, KW, _, OC = w.shape
    _, OH, OW, _ = y.shape
    rows = y.reshape(N * OH, OW, OC)
    for row in prange(N * OH):  # owner computes: a row of y is one thread's
        n, oh = row // OH, row % OH
        for ow in range(OW):
            rows[row, ow] = b
            for kh in range(KH):
                h = oh * stride + kh - padding
                for kw in range(KW):
                    col = ow * stride + kw - padding
                    if 0 <= h < H and 0 <= col < W:
                        for c in range(C):
                            for oc in range(OC):
                                rows[row, ow, oc] += x[n, h, col, c] * w[kh, kw, c, oc]


@in_turn
def conv2d_backward(
    dy: np.ndarray, x: np.ndarray, w: np.ndarray, stride: int, padding: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of the loss with respect to `x`, `w` and `b`.

    Parameters
    ----------
    dy : (N, OH, OW, OC) float, the gradient with respect to y
    x, w, stride, padding : as in the forward

    Returns
    -------
    dx : (N, H, W, C)
    dw : (KH, KW, C, OC)
    db : (OC,)

    Raises
    ------
    ValueError : arrays that do not fit each other, or a kernel that the padded map has no room for
    """
    OH, OW = check_conv("conv2d_backward", x, w, None, stride, padding)
    check_shape("conv2d_backward", "dy", dy, (len(x), OH, OW, w.shape[3]))
    check_floats("conv2d_backward", dy=dy, x=x)
    dx = np.empty(x.shape, x.dtype)
    dw = np.empty(w.shape, w.dtype)
    _backward_x(dy, w, stride, padding, dx)
    _backward_w(dy, x, stride, padding, dw)
    return dx, dw, dy.sum(axis=(0, 1, 2))


@njit(parallel=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _backward_x(dy, w, stride, padding, dx):
    """Each cell of x gathers from the outputs it was read for: dx += dy * w."""
    N, H, W, C = dx.shape
    KH, KW, _, OC = w.shape
    _, OH, OW, _ = dy.shape
    rows = dx.reshape(N * H, W, C)
    for row in prange(N * H):
        n, h = row // H, row % H
        rows[row] = 0
        for kh in range(KH):
            oh = (h + padding - kh) // stride
            if oh < 0 or oh >= OH or oh * stride != h + padding - kh:
                continue
            for col in range(W):
                for kw in range(KW):
                    ow = (col + padding - kw) // stride
                    if ow < 0 or ow >= OW or ow * stride != col + padding - kw:
                        continue
                    for c in range(C):
                        total = rows[row, col, c]
                        for oc in range(OC):
                            total += dy[n, oh, ow, oc] * w[kh, kw, c, oc]
                        rows[row, col, c] = total


@njit(parallel=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _backward_w(dy, x, stride, padding, dw):
    """Each weight gathers over all the places it was used at: dw += x * dy."""
    N, H, W, C = x.shape
    KH, KW, _, OC = dw.shape
    _, OH, OW, _ = dy.shape
    taps = dw.reshape(KH * KW, C, OC)
    for tap in prange(KH * KW):
        kh, kw = tap // KW, tap % KW
        taps[tap] = 0
        for n in range(N):
            for oh in range(OH):
                h = oh * stride + kh - padding
                for ow in range(OW):
                    col = ow * stride + kw - padding
                    if 0 <= h < H and 0 <= col < W:
                        for c in range(C):
                            for oc in range(OC):
                                taps[tap, c, oc] += x[n, h, col, c] * dy[n, oh, ow, oc]
