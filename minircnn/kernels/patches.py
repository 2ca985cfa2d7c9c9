"""Convolution with stride 1 as matrix products over patches: what training uses.

A block of output rows is computed at a time. The KH×KW×C cells under each output cell are copied side by side into
one row of `patch`, and the convolution of the block is then a single product

    y_block (M, OC) = patch (M, KH*KW*C) @ w (KH*KW*C, OC) + b

Blocks depend on the shapes alone, each is one-thread BLAS inside a `prange`, so the bits do not depend on the number
of threads. Backward uses the same copies: dw = patchᵀ @ dy, and dx is itself a convolution, of dy with the kernel
turned round.
"""

import numpy as np
from numba import njit, prange

from minircnn.kernels.checks import check_floats, check_shape
from minircnn.kernels.conv import check_conv
from minircnn.kernels.threads import one_blas_thread

PATCH_BYTES = 1 << 19  # a block's patch matrix stays in a core's own cache; 256 KB and 1 MB are 3-10 % slower
GRADIENT_GROUPS = 8  # partial sums of dw, each one owner's, added in order at the end


def conv_patches_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray, padding: int) -> np.ndarray:
    """Convolve with stride 1; shapes as in `conv.conv2d_forward`."""
    OH, OW = check_conv("conv_patches_forward", x, w, b, 1, padding)
    N, OC = len(x), w.shape[3]
    y = np.empty((N, OH, OW, OC), x.dtype)
    with one_blas_thread():
        _forward(x, np.ascontiguousarray(w), b, padding, _rows_per_block(w, OW, x.itemsize), y)
    return y


def _rows_per_block(w: np.ndarray, OW: int, itemsize: int) -> int:
    """As many output rows as fill `PATCH_BYTES` with patches; at least one."""
    KH, KW, C, _ = w.shape
    return max(1, PATCH_BYTES // (KH * KW * C * itemsize * OW))


@njit(cache=True)
def _gather(image, KH, KW, padding, first, last, patch):
    """Copy what lies under output rows `first` to `last` of one image into `patch` (M, KH*KW*C), zero off the map."""
    H, W, C = image.shape
    OW = W + 2 * padding - KW + 1
    for oh in range(first, last):
        for kh in range(KH):
            h = oh + kh - padding
            for ow in range(OW):
                m = (oh - first) * OW + ow
                for kw in range(KW):
                    col = ow + kw - padding
                    k = (kh * KW + kw) * C
                    if 0 <= h < H and 0 <= col < W:
                        for c in range(C):
                            patch[m, k + c] = image[h, col, c]
                    else:
                        for c in range(C):
                            patch[m, k + c] = 0


@njit(parallel=True, cache=True)
def _forward(x, w, b, padding, rows_per_block, y):
    KH, KW, C, OC = w.shape
    N, OH, OW, _ = y.shape
    columns = w.reshape(KH * KW * C, OC)
    blocks = (OH + rows_per_block - 1) // rows_per_block  # of one image
    for block in prange(N * blocks):
        n = block // blocks
        first = (block % blocks) * rows_per_block
        last = min(first + rows_per_block, OH)
        M = (last - first) * OW
        patch = np.empty((M, KH * KW * C), x.dtype)
        _gather(x[n], KH, KW, padding, first, last, patch)
        y_block = y[n, first:last].reshape(M, OC)
        np.dot(patch, columns, y_block)
        for m in range(M):
            for oc in range(OC):
                y_block[m, oc] += b[oc]


def conv_patches_backward(
    dy: np.ndarray, x: np.ndarray, w: np.ndarray, padding: int, need_dx: bool = True
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Gradients dx (None unless needed), dw, db; shapes as in `conv.conv2d_backward`."""
    dx = conv_patches_backward_x(dy, w, padding) if need_dx else None
    return dx, conv_patches_backward_w(dy, x, w.shape, padding), dy.sum(axis=(0, 1, 2))


def conv_patches_backward_x(dy: np.ndarray, w: np.ndarray, padding: int) -> np.ndarray:
    """dx alone, given dy (N, OH, OW, OC) and w (K, K, C, OC).

    y[oh] = Σ x[oh + kh - p] w[kh] turns into dx[h] = Σ dy[h + p - kh] w[kh]: with kh counted from the other end this
    is a convolution of dy, padded by K - 1 - p, with w flipped and its C and OC exchanged.
    """
    KH, KW, C, _ = w.shape
    if KH != KW or padding > KH - 1:  # the flipped kernel's padding would differ by side, or be negative
        raise ValueError(f"dx by patches needs a square kernel and padding below its size, not {KH}×{KW}, {padding}")
    flipped = np.ascontiguousarray(w[::-1, ::-1].transpose(0, 1, 3, 2))
    return conv_patches_forward(dy, flipped, np.zeros(C, dy.dtype), KH - 1 - padding)


def conv_patches_backward_w(
    dy: np.ndarray, x: np.ndarray, w_shape: tuple[int, int, int, int], padding: int
) -> np.ndarray:
    """dw alone, of shape `w_shape`."""
    OH, OW = check_conv("conv_patches_backward", x, np.broadcast_to(x.dtype.type(0), w_shape), None, 1, padding)
    KH, KW, C, OC = w_shape
    check_shape("conv_patches_backward", "dy", dy, (len(x), OH, OW, OC))
    check_floats("conv_patches_backward", dy=dy, x=x)
    partial = np.zeros((GRADIENT_GROUPS, KH * KW * C, OC), x.dtype)
    rows = max(1, PATCH_BYTES // (KH * KW * C * x.itemsize * OW))
    with one_blas_thread():
        _backward_w(np.ascontiguousarray(dy), x, padding, rows, KH, KW, partial)
    return partial.sum(axis=0).reshape(w_shape)


@njit(parallel=True, cache=True)
def _backward_w(dy, x, padding, rows_per_block, KH, KW, partial):
    N, OH, OW, OC = dy.shape
    groups, K, _ = partial.shape
    blocks = (OH + rows_per_block - 1) // rows_per_block
    for group in prange(groups):  # owner computes: a group adds up its own blocks, in order
        product = np.empty((K, OC), x.dtype)
        for block in range(group, N * blocks, groups):
            n = block // blocks
            first = (block % blocks) * rows_per_block
            last = min(first + rows_per_block, OH)
            M = (last - first) * OW
            patch = np.empty((M, K), x.dtype)
            _gather(x[n], KH, KW, padding, first, last, patch)
            np.dot(patch.T, dy[n, first:last].reshape(M, OC), product)
            partial[group] += product
