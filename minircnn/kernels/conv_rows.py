"""Convolution with stride 1 as matrix products over rows: for any kernel, and for maps of few channels.

The KH×KW×C cells under an output cell are one row of a matrix whose product with the filters is the convolution. They
need no copy for every output cell. Of the KH rows of x under one row of y, `_lay_out` makes a strip in which the KH
cells above each other are neighbours,

    strip[(col, kh, c)] = x[oh + kh - padding, col - padding, c]       zero off the map

and in it the cells under y[oh, ow] lie in one piece, KW*KH*C values from ow*KH*C on: the next output's begin KH*C later
and overlap with them. `product_tile` reads them where they are. Backward, dw = Σ stripᵀ @ dy over all rows, and dx is
the convolution of dy with the filters flipped.
"""

import numpy as np
from numba import njit, prange

from minircnn.kernels.checks import check_floats, check_shape, output
from minircnn.kernels.conv import check_conv
from minircnn.kernels.product_tile import ROWS, product_tile
from minircnn.kernels.scratch import scratch
from minircnn.kernels.threads import in_turn
from minircnn.kernels.vectors import VECTOR_BYTES, fill, larger, load, store, store_some, whole_vectors

GRADIENT_GROUPS = 16  # partial sums of dw, each one owner's, added in order at the end


@in_turn
def conv_rows_forward(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray,
    padding: int,
    *,
    relu: bool = False,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Convolve with stride 1; shapes as in `conv.conv2d_forward`.

    relu : replace what is below zero by zero
    out : where y goes, contiguous; a new array if absent
    """
    OH, OW = check_conv("conv_rows_forward", x, w, b, 1, padding)
    N, (KH, KW, C, OC) = len(x), w.shape
    width = whole_vectors(OC, x.dtype, 2)
    y = output("conv_rows_forward", (N, OH, OW, OC), x.dtype, out)
    filters, bias = scratch(x.dtype, KH * KW * C * width, width)
    _panels(np.ascontiguousarray(w), filters)
    bias[:OC], bias[OC:] = b, 0
    _forward(np.ascontiguousarray(x), filters, bias, KH, KW, padding, relu, y)
    return y


@njit(cache=True)
def _panels(w, filters):
    """The filters as the products read them: (panel, kw, kh, c, two vectors of output channels), zero beyond OC."""
    KH, KW, C, OC = w.shape
    width = 2 * VECTOR_BYTES // w.itemsize
    K = KW * KH * C
    filters[:] = 0
    for kh in range(KH):
        for kw in range(KW):
            for c in range(C):
                for oc in range(OC):
                    filters[(oc // width * K + (kw * KH + kh) * C + c) * width + oc % width] = w[kh, kw, c, oc]


@njit
def _lay_out(x, n, oh, KH, padding, columns, strip):
    """The strip under row `oh` of y: `columns` columns, (col, kh, c)."""
    _, H, W, C = x.shape
    for kh in range(KH):
        h = oh + kh - padding
        for col in range(columns):
            cell = (col * KH + kh) * C
            if 0 <= h < H and 0 <= col - padding < W:
                for c in range(C):
                    strip[cell + c] = x[n, h, col - padding, c]
            else:
                for c in range(C):
                    strip[cell + c] = 0


@njit(parallel=True, cache=True)
def _forward(x, filters, bias, KH, KW, padding, relu, y):
    N, OH, OW, OC = y.shape
    C, wide = x.shape[3], len(bias)
    lanes = VECTOR_BYTES // x.itemsize
    K = KW * KH * C
    tiles = (OW + ROWS - 1) // ROWS
    columns = tiles * ROWS + KW - 1  # the last tile may ask for more than y has
    y_flat, zero = y.reshape(-1), fill(bias, 0.0)
    for row in prange(N * OH):  # owner computes: a row of y is one thread's
        strip, tile = np.empty(columns * KH * C, x.dtype), np.empty(ROWS * wide, x.dtype)
        _lay_out(x, row // OH, row % OH, KH, padding, columns, strip)
        for first in range(0, OW, ROWS):
            for oc in range(0, wide, 2 * lanes):
                product_tile(
                    strip, first * KH * C, KH * C, 1, filters, oc * K, 2 * lanes, K, tile, oc, wide, False
                )  # fmt: skip
            for ow in range(first, min(first + ROWS, OW)):
                for oc in range(0, OC, lanes):
                    value = load(tile, (ow - first) * wide + oc) + load(bias, oc)
                    value = larger(zero, value) if relu else value
                    if oc + lanes <= OC:
                        store(y_flat, (row * OW + ow) * OC + oc, value)
                    else:
                        store_some(y_flat, (row * OW + ow) * OC + oc, value, OC - oc)


def conv_rows_backward(
    dy: np.ndarray, x: np.ndarray, w: np.ndarray, padding: int, need_dx: bool = True
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Gradients dx (None unless needed), dw, db; shapes as in `conv.conv2d_backward`."""
    check_conv("conv_rows_backward", x, w, None, 1, padding)
    return conv_rows_backward_x(dy, w, padding) if need_dx else None, *conv_rows_backward_w(dy, x, w.shape, padding)


@in_turn
def conv_rows_backward_x(dy: np.ndarray, w: np.ndarray, padding: int) -> np.ndarray:
    """dx alone, given dy (N, OH, OW, OC) and w (K, K, C, OC).

    y[oh] = Σ x[oh + kh - p] w[kh] turns into dx[h] = Σ dy[h + p - kh] w[kh]: with kh counted from the other end this
    is a convolution of dy, padded by K - 1 - p, with w flipped and its C and OC exchanged.
    """
    KH, KW, C, _ = w.shape
    if KH != KW or padding > KH - 1:  # the flipped kernel's padding would differ by side, or be negative
        raise ValueError(f"dx by rows needs a square kernel and padding below its size, not {KH}×{KW}, {padding}")
    flipped = np.ascontiguousarray(w[::-1, ::-1].transpose(0, 1, 3, 2))
    return conv_rows_forward(dy, flipped, np.zeros(C, dy.dtype), KH - 1 - padding)


@in_turn
def conv_rows_backward_w(
    dy: np.ndarray, x: np.ndarray, w_shape: tuple[int, int, int, int], padding: int
) -> tuple[np.ndarray, np.ndarray]:
    """dw, of shape `w_shape`, and db (OC,) alone."""
    OH, OW = check_conv("conv_rows_backward", x, np.broadcast_to(x.dtype.type(0), w_shape), None, 1, padding)
    KH, KW, C, OC = w_shape
    check_shape("conv_rows_backward", "dy", dy, (len(x), OH, OW, OC))
    check_floats("conv_rows_backward", dy=dy, x=x)
    width = whole_vectors(OC, x.dtype, 2)
    rows = -(-KW * KH * C // ROWS) * ROWS
    partial = np.zeros((GRADIENT_GROUPS, rows + 1, width), x.dtype)
    _backward_w(np.ascontiguousarray(dy), np.ascontiguousarray(x), KH, KW, padding, partial)
    dw = partial.sum(axis=0)
    return np.ascontiguousarray(dw[: KW * KH * C, :OC].reshape(KW, KH, C, OC).transpose(1, 0, 2, 3)), dw[rows, :OC]


@njit(parallel=True, cache=True)
def _backward_w(dy, x, KH, KW, padding, partial):
    N, OH, OW, OC = dy.shape
    C, groups = x.shape[3], len(partial)
    _, rows, width = partial.shape
    lanes = VECTOR_BYTES // x.itemsize
    for group in prange(groups):  # owner computes: a group adds up its own rows of y, in order
        sums = partial[group].reshape(-1)
        columns = OW + KW - 1
        strip, dy_row = np.zeros(columns * KH * C + ROWS, x.dtype), np.zeros(OW * width, x.dtype)
        for row in range(group, N * OH, groups):
            n, oh = row // OH, row % OH
            _lay_out(x, n, oh, KH, padding, columns, strip)
            for ow in range(OW):
                for oc in range(OC):
                    dy_row[ow * width + oc] = dy[n, oh, ow, oc]
                    sums[(rows - 1) * width + oc] += dy[n, oh, ow, oc]
            for first in range(0, rows - 1, ROWS):
                for oc in range(0, width, 2 * lanes):
                    product_tile(
                        strip, first, 1, KH * C, dy_row, oc, width, OW, sums, first * width + oc, width, True
                    )  # fmt: skip
