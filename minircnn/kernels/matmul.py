"""Matrix products of any shape, whose bits do not depend on the number of threads: the fully connected layers'.

fc6's weight has 411 MB and two thousand regions' features 200: what costs time is to fetch them, so the larger operand
is fetched once. The inner dimension is cut into blocks; of the smaller operand such a block is laid out in panels, as
`product_tile` reads them, and stays at hand while blocks of the larger one pass by, each laid out in a core's own
cache. Where `b` is the larger, the transposed product bᵀ aᵀ is computed and transposed at the end.
"""

from typing import NamedTuple

import numpy as np
from numba import get_num_threads, njit, prange

from minircnn.kernels.checks import check_floats, check_shape, output
from minircnn.kernels.product_tile import ROWS, product_tile
from minircnn.kernels.scratch import scratch
from minircnn.kernels.threads import in_turn
from minircnn.kernels.vectors import VECTOR_BYTES, lanes, load, store, whole_vectors

K_BLOCK = 1024  # of the inner dimension: a panel of it and the rows that meet it fit a core's own cache
BLOCK = 96  # rows of the larger operand at most
SQUARE = 16  # what is laid out or transposed at a time: reading and writing both use whole cache lines


@in_turn
def matmul(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """a (M, K) @ b (K, N) → (M, N), all of one float dtype; transposed views are read in place.

    out : where it goes, contiguous, neither `a` nor `b`; a new array if absent
    """
    check_shape("matmul", "a", a, (None, None))
    check_shape("matmul", "b", b, (a.shape[1], None))
    check_floats("matmul", a=a, b=b)
    (M, K), N = a.shape, b.shape[1]
    out = output("matmul", (M, N), a.dtype, out)
    if a.size == 0 or b.size == 0:
        out[:] = 0
        return out
    transposed = N > M
    large, small = (b.T, a.T) if transposed else (a, b)  # (rows, K), (K, columns)
    rows, columns = large.shape[0], small.shape[1]
    owners, k_block = get_num_threads(), min(K_BLOCK, K)
    block = ROWS * -(-rows // (ROWS * owners * -(-rows // (BLOCK * owners))))  # every owner has as many
    workspace = block * (k_block + lanes(a.dtype))
    panels, blocks, result = scratch(
        a.dtype, whole_vectors(columns, a.dtype, 2) * k_block, owners * workspace, rows * columns if transposed else 0
    )
    result = result if transposed else out.reshape(-1)
    workspaces = blocks.reshape(owners, -1)
    _multiply(_strided(large), _strided(small.T), rows, columns, K, k_block, block, panels, workspaces, result)
    if transposed:
        _transpose(result, rows, columns, out)
    return out


class Strided(NamedTuple):
    """An operand's values one after another, and how far its rows and its steps along K lie apart in them."""

    values: np.ndarray
    row_step: int
    k_step: int


def _strided(operand: np.ndarray) -> Strided:
    """operand (rows, K): as it lies, whichever way round."""
    if operand.flags.f_contiguous:
        return Strided(operand.T.reshape(-1), 1, operand.shape[0])
    return Strided(np.ascontiguousarray(operand).reshape(-1), operand.shape[1], 1)


@njit(parallel=True, cache=True)
def _multiply(large, small, rows, columns, K, k_block, block, panels, workspaces, c):
    lanes = VECTOR_BYTES // c.itemsize
    width, owners, blocks = 2 * lanes, len(workspaces), (rows + block - 1) // block
    panel_count = (columns + width - 1) // width
    for k in range(0, K, k_block):
        depth = min(k_block, K - k)
        group = ROWS * (depth + lanes)  # of a block's rows, in its workspace
        a_row, a_k = (depth + lanes, 1) if large.k_step == 1 else (1, ROWS)
        for panel in prange(panel_count):
            start = panel * k_block * width
            _lay_out_panel(small, k, depth, panel * width, columns, panels, start)
        for owner in prange(owners):  # owner computes: a block of the result's rows is one owner's
            mine, tile = workspaces[owner], np.empty(ROWS * width, c.dtype)
            for index in range(owner * blocks // owners, (owner + 1) * blocks // owners):
                first = index * block
                count = min(block, rows - first)
                _lay_out_block(large, first, k, count, depth, mine)
                for panel in range(panel_count):
                    column, b = panel * width, panel * k_block * width
                    for row in range(0, count, ROWS):
                        a, at = row // ROWS * group, (first + row) * columns + column
                        if row + ROWS <= count and column + width <= columns:
                            product_tile(mine, a, a_row, a_k, panels, b, width, depth, c, at, columns, k > 0)
                        else:  # a tile that is not full is computed beside the result
                            product_tile(mine, a, a_row, a_k, panels, b, width, depth, tile, 0, width, False)
                            few_rows, few_columns = min(ROWS, count - row), min(width, columns - column)
                            _put_tile(tile, width, few_rows, few_columns, c, at, columns, k > 0)


@njit
def _lay_out_panel(small, k, depth, column, columns, panels, start):
    """`depth` steps of K of a panel of the smaller operand's columns, zero beyond the last column."""
    width = 2 * VECTOR_BYTES // panels.itemsize
    few = min(width, columns - column)
    if few < width:
        panels[start : start + depth * width] = 0
    if small.row_step == 1:
        for i in range(depth):
            source = (k + i) * small.k_step + column
            for j in range(few):
                panels[start + i * width + j] = small.values[source + j]
    else:
        for j in range(few):
            source = k + (column + j) * small.row_step
            for i in range(depth):
                panels[start + i * width + j] = small.values[source + i]


@njit
def _lay_out_block(large, first, k, count, depth, workspace):
    """A block of the larger operand, group of ROWS by group: row after row, or, where it is transposed, k after k."""
    lanes, values = VECTOR_BYTES // workspace.itemsize, large.values
    pitch = ROWS * (depth + lanes)  # from group to group; room after each, which a last vector may run into
    if large.k_step == 1:
        for row in range(count):
            source, target = (first + row) * large.row_step + k, row // ROWS * pitch + row % ROWS * (depth + lanes)
            for i in range(0, depth - lanes + 1, lanes):
                store(workspace, target + i, load(values, source + i))
            for i in range(depth // lanes * lanes, depth):
                workspace[target + i] = values[source + i]
    else:
        for start in range(0, depth, SQUARE):
            for row in range(0, count, ROWS):
                target = row // ROWS * pitch
                for i in range(start, min(start + SQUARE, depth)):
                    source = (k + i) * large.k_step + first + row
                    if source + ROWS + lanes <= len(values):
                        for part in range(0, ROWS, lanes):
                            store(workspace, target + i * ROWS + part, load(values, source + part))
                    else:
                        for part in range(min(ROWS, count - row)):
                            workspace[target + i * ROWS + part] = values[source + part]


@njit
def _put_tile(tile, width, rows, columns, c, at, c_row, add):
    for row in range(rows):
        for column in range(columns):
            value = tile[row * width + column]
            c[at + row * c_row + column] = c[at + row * c_row + column] + value if add else value


@njit(parallel=True, cache=True)
def _transpose(result, rows, columns, out):
    """The transpose of `result` (rows, columns) to `out`."""
    for square in prange((columns + SQUARE - 1) // SQUARE):
        first = square * SQUARE
        for start in range(0, rows, SQUARE):
            for column in range(first, min(first + SQUARE, columns)):
                for row in range(start, min(start + SQUARE, rows)):
                    out[column, row] = result[row * columns + column]
