"""3×3 convolution with stride 1 and padding 1 in a quarter of the multiplications (Winograd; Lavin & Gray, 2015).

The idea in one dimension. Two polynomials are multiplied by evaluating both at enough points, multiplying value by
value, and finding the one polynomial that has these values. Four outputs of a filter of three taps read six inputs;
with six points (0, ±3/4, ±3/2 and ∞) that takes 6 multiplications instead of 4·3 = 12:

    y (4) = Aᵀ [ (G g) ⊙ (Bᵀ d) ]        g: 3 taps, d: 6 inputs, ⊙: value by value

G evaluates the filter, Aᵀ and Bᵀ are the adjoints of evaluating an output and of finding the polynomial; they are
written out in `winograd_tile.py`. In two dimensions each matrix is applied along columns, then along rows, so a tile of
4×4 outputs takes 36 multiplications instead of 144. They are summed over channels *before* Aᵀ comes in, so for each
of the 36 places k they are one matrix product over tiles and channels. A tile's journey:

    6×6 cells of x, C channels    → V[tile, k, C]  = Bᵀ d B           `tile_in`
    the filters, once             → U[k, C, OC]    = G g Gᵀ           `conv3x3_filters`
    for each k                    → M[tile, k, OC] = V[:, k] @ U[k]   `product_tile`
    36 values, OC channels        → 4×4 cells of y = Aᵀ M A + bias    `tile_out`

A block of tiles makes the whole journey before the next one starts, so that V and M stay in a core's own cache.
Backward, below, dx is this convolution of dy with the filters flipped, and dw is the adjoint of the four steps,
with all tiles of a chunk side by side for each k: V (36, tiles, C), dM (36, tiles, OC), dU (36, C, OC). `conv.py`
computes the same by the definition, and both are held to it.
"""

import math

import numpy as np
from numba import get_num_threads, njit, prange

from minircnn.kernels.checks import check_floats, check_shape, output
from minircnn.kernels.conv import check_conv
from minircnn.kernels.product_tile import ROWS, product_tile, tiles_per_block
from minircnn.kernels.scratch import scratch
from minircnn.kernels.threads import in_turn
from minircnn.kernels.vectors import VECTOR_BYTES, lanes, load, load_some, passed, store, store_some, whole_vectors
from minircnn.kernels.winograd_filters import fill_filters, filters_shape, flipped_filters, gather_filters
from minircnn.kernels.winograd_tile import copy_tile, pool_cells, tile_gradient_in, tile_in, tile_out

GRADIENT_TILES = 240  # whose V and dM are at hand at once while dU is summed up
PARTS = 60  # of these tiles, shared out among threads


@in_turn
def conv3x3_forward(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    *,
    filters: np.ndarray | None = None,
    relu: bool = False,
    pool: bool = False,
    gate: np.ndarray | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Convolve with stride 1 and padding 1.

    Parameters
    ----------
    x : (N, H, W, C) float
    w : (3, 3, C, OC), same dtype
    b : (OC,), same dtype; None for a convolution without a bias
    filters : what `conv3x3_filters(w)` gave, where w has not changed since
    relu : replace what is below zero by zero on the way out
    pool : also take the maximum of each 2×2 window, the last ones cut off by the border; only with `relu`
    gate : of y's shape and dtype; y is 0 where it is not above zero
    out : where y goes, contiguous; a new array if absent

    Returns
    -------
    y : (N, H, W, OC), or (N, ⌈H/2⌉, ⌈W/2⌉, OC) with `pool`; same dtype

    Raises
    ------
    ValueError
        Arrays that do not fit each other, another kernel than 3×3, `pool` without `relu`, filters of another w's shape.
    """
    check_shape("conv3x3_forward", "w", w, (3, 3, None, None))
    N, (H, W), OC = len(x), check_conv("conv3x3_forward", x, w, b, 1, 1), w.shape[3]
    if pool and not relu:
        raise ValueError("conv3x3_forward: pool needs relu, whose zeros stand for the cells beyond the border")
    y = output("conv3x3_forward", (N, (H + 1) // 2, (W + 1) // 2, OC) if pool else (N, H, W, OC), x.dtype, out)
    C, width = whole_vectors(x.shape[3], x.dtype), whole_vectors(OC, x.dtype, 2)
    owners = get_num_threads()
    tiles = tiles_per_block(N * tiles_along(H) * tiles_along(W), C * OC, owners)
    # One vector more: with powers of two between them, all tiles would want the same few lines of the cache.
    v_tile, m_tile = 36 * C + lanes(x.dtype), 36 * width + lanes(x.dtype)
    for name, array, expected in (("gate", gate, y.shape), ("filters", filters, filters_shape(w))):
        if array is not None:
            check_shape("conv3x3_forward", name, array, expected)
            check_floats("conv3x3_forward", **{"x": x, name: array})
    shape = filters_shape(w) if filters is None else (0,)
    v, m, bias, u = scratch(x.dtype, owners * tiles * v_tile, owners * tiles * m_tile, width, math.prod(shape))
    if filters is None:
        filters = u.reshape(shape)
        fill_filters(w, filters)
    bias[:OC], bias[OC:] = 0 if b is None else b, 0
    gated, gate = gate is not None, np.ascontiguousarray(y if gate is None else gate)
    _forward(
        np.ascontiguousarray(x), np.ascontiguousarray(filters), bias, relu, pool, gated, gate,
        v.reshape(owners, -1), v_tile, m.reshape(owners, -1), m_tile, y,
    )  # fmt: skip
    return y


@njit()  # a bare @njit is, to mypy, a decorator still waiting for its function
def tiles_along(size: int) -> int:
    """Tiles that cover `size` cells."""
    return (size + 3) // 4


@njit(parallel=True, cache=True)
def _forward(x, u, bias, relu, pool, gated, gate, v_room, v_tile, m_room, m_tile, y):
    N, H, W, channels = x.shape
    _, YH, YW, OC = y.shape
    _, panels, _, width = u.shape
    lanes = VECTOR_BYTES // x.itemsize
    C = (channels + lanes - 1) // lanes * lanes
    along, per_image = tiles_along(W), tiles_along(H) * tiles_along(W)
    owners, m_step = len(v_room), panels * width
    tiles = v_room.shape[1] // v_tile  # of a block
    side = 2 if pool else 4  # cells of y that a tile fills, along a side
    x_flat, y_flat, u_flat, gate_flat = x.reshape(-1), y.reshape(-1), u.reshape(-1), gate.reshape(-1)
    blocks = (N * per_image + tiles - 1) // tiles
    for owner in prange(owners):  # owner computes: a tile's cells of y are one owner's
        v, m = v_room[owner], m_room[owner]
        lines, cells, padded = np.empty(36 * lanes, x.dtype), np.empty(16 * lanes, x.dtype), np.empty(36 * C, x.dtype)
        for block in range(owner * blocks // owners, (owner + 1) * blocks // owners):
            first = block * tiles
            count = min(tiles, N * per_image - first)
            for index in range(count):
                n, tile = (first + index) // per_image, (first + index) % per_image
                top, left = tile // along * 4 - 1, tile % along * 4 - 1
                if channels == C and top >= 0 and left >= 0 and top + 6 <= H and left + 6 <= W:
                    tile_in(x_flat, ((n * H + top) * W + left) * C, W * C, C, v, index * v_tile, C, lines)
                else:
                    copy_tile(x, n, top, left, 6, C, padded)
                    tile_in(padded, 0, 6 * C, C, v, index * v_tile, C, lines)
            for k in range(36):
                for panel in range(panels):
                    filters = (k * panels + panel) * channels * width
                    for index in range(0, count, ROWS):
                        product_tile(
                            v, index * v_tile + k * C, v_tile, 1, u_flat, filters, width, channels,
                            m, index * m_tile + k * m_step + panel * width, m_tile, False,
                        )  # fmt: skip
            for index in range(count):
                n, tile = (first + index) // per_image, (first + index) % per_image
                top, left = tile // along * 4, tile % along * 4
                for oc in range(0, OC, lanes):
                    tile_out(m, index * m_tile + oc, m_step, load(bias, oc), relu, lines, cells)
                    if pool:
                        pool_cells(cells, H - top, W - left)
                    for i in range(min(side, YH - tile // along * side)):
                        for j in range(min(side, YW - tile % along * side)):
                            at = ((n * YH + tile // along * side + i) * YW + tile % along * side + j) * OC + oc
                            value = load(cells, (i * 4 + j) * lanes)
                            if oc + lanes <= OC:
                                store(y_flat, at, passed(load(gate_flat, at), value) if gated else value)
                            else:
                                few = OC - oc
                                value = passed(load_some(gate_flat, at, few), value) if gated else value
                                store_some(y_flat, at, value, few)


def conv3x3_backward(
    dy: np.ndarray, x: np.ndarray, w: np.ndarray, need_dx: bool = True, gate: np.ndarray | None = None
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Gradients dx (None unless needed), dw, db, given dy (N, H, W, OC); shapes and errors as in `conv3x3_forward`.

    gate : of x's shape; dx is 0 where it is not above zero, which is the backward of a ReLU that gave x
    """
    check_shape("conv3x3_backward", "w", w, (3, 3, None, None))
    check_conv("conv3x3_backward", x, w, None, 1, 1)
    check_shape("conv3x3_backward", "dy", dy, (*x.shape[:3], w.shape[3]))
    return conv3x3_backward_x(dy, w, gate) if need_dx else None, *conv3x3_backward_w(dy, x)


@in_turn
def conv3x3_backward_x(dy: np.ndarray, w: np.ndarray, gate: np.ndarray | None = None) -> np.ndarray:
    """dx (N, H, W, C) alone, given dy (N, H, W, OC) and w (3, 3, C, OC); `gate` as in `conv3x3_backward`.

    y[h] = Σ x[h + kh - 1] w[kh] turns into dx[h] = Σ dy[h + 1 - kh] w[kh]: with kh counted from the other end this is
    a convolution of dy, its filters flipped and their C and OC exchanged.
    """
    return conv3x3_forward(dy, flipped_filters(w), np.zeros(w.shape[2], dy.dtype), gate=gate)


@in_turn
def conv3x3_backward_w(dy: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """dw (3, 3, C, OC) and db (OC,) alone, given dy (N, H, W, OC) and x (N, H, W, C).

    The four steps' adjoints, in the opposite order:
    M[k] = V[:, k] @ U[k] gives dU[k] = V[:, k]ᵀ @ dM[:, k], with the V that forward had and dM = A dy Aᵀ. db is the
    sum of dy over all cells, taken where they are read anyway.
    """
    check_shape("conv3x3_backward", "x", x, (None, None, None, None))
    check_shape("conv3x3_backward", "dy", dy, (*x.shape[:3], None))
    check_floats("conv3x3_backward", dy=dy, x=x)
    N, H, W, OC = dy.shape
    C, width = whole_vectors(x.shape[3], x.dtype), whole_vectors(OC, x.dtype, 2)
    rows = -(-C // ROWS) * ROWS
    tiles = min(GRADIENT_TILES, N * tiles_along(H) * tiles_along(W))
    # ROWS more: the last product reads a tile's ROWS channels from the last of C on.
    v, dm, du = scratch(x.dtype, 36 * tiles * C + ROWS, 36 * tiles * width, 36 * rows * width)
    db, dw = np.zeros((PARTS, width), x.dtype), np.empty((3, 3, x.shape[3], width), x.dtype)
    _backward_w(np.ascontiguousarray(dy), np.ascontiguousarray(x), v, C, dm, width, tiles, du, rows, db)
    gather_filters(du, rows, dw)
    return np.ascontiguousarray(dw[..., :OC]), db.sum(axis=0)[:OC]


@njit(parallel=True, cache=True)
def _backward_w(dy, x, v, C, dm, width, tiles, du, rows, db):
    N, H, W, channels = x.shape
    OC = dy.shape[3]
    lanes = VECTOR_BYTES // x.itemsize
    along, per_image = tiles_along(W), tiles_along(H) * tiles_along(W)
    x_flat, dy_flat = x.reshape(-1), dy.reshape(-1)
    panels = width // (2 * lanes)
    for first in range(0, N * per_image, tiles):
        count = min(tiles, N * per_image - first)
        for part in prange(PARTS):  # all of V[k] side by side here: rows of a product then follow each other
            lines, x_padded = np.empty(36 * lanes, x.dtype), np.empty(36 * C, x.dtype)
            dy_padded = np.empty(16 * width, x.dtype)
            for index in range(part * count // PARTS, (part + 1) * count // PARTS):
                n, tile = (first + index) // per_image, (first + index) % per_image
                top, left = tile // along * 4, tile % along * 4
                if channels == C and top >= 1 and left >= 1 and top + 5 <= H and left + 5 <= W:
                    start = ((n * H + top - 1) * W + left - 1) * C
                    tile_in(x_flat, start, W * C, C, v, index * C, tiles * C, lines)
                else:
                    copy_tile(x, n, top - 1, left - 1, 6, C, x_padded)
                    tile_in(x_padded, 0, 6 * C, C, v, index * C, tiles * C, lines)
                if width == OC and top + 4 <= H and left + 4 <= W:
                    start = ((n * H + top) * W + left) * OC
                    tile_gradient_in(dy_flat, start, W * OC, OC, dm, index * width, tiles * width, lines, db[part])
                else:
                    copy_tile(dy, n, top, left, 4, width, dy_padded)
                    tile_gradient_in(dy_padded, 0, 4 * width, width, dm, index * width, tiles * width, lines, db[part])
        for item in prange(36 * panels):  # owner computes: a panel of dU[k] is one owner's
            k, column = item // panels, item % panels * 2 * lanes
            for c in range(0, rows, ROWS):
                product_tile(
                    v, k * tiles * C + c, 1, C, dm, k * tiles * width + column, width, count,
                    du, (k * rows + c) * width + column, width, first > 0,
                )  # fmt: skip
