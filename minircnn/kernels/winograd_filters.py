"""What Winograd's algorithm makes of filters: U = G g Gᵀ, and, backward, dw = Gᵀ dU G; `winograd.py` says why."""

import numpy as np
from numba import njit, prange

from minircnn.kernels.threads import in_turn
from minircnn.kernels.vectors import VECTOR_BYTES, lanes, load, load_some, store, whole_vectors
from minircnn.kernels.winograd_tile import evaluate_filter, gather_filter, load_line, store_line


def conv3x3_filters(w: np.ndarray) -> np.ndarray:
    """U = G g Gᵀ of all filters, laid out as the products read it.

    Parameters
    ----------
    w : (3, 3, C, OC) float

    Returns
    -------
    filters : (36, panels, C, two vectors), same dtype: a panel holds as many output channels as a product's tile is
        wide; the last one is filled up with zeros
    """
    filters = np.empty(filters_shape(w), w.dtype)
    fill_filters(w, filters)
    return filters


def filters_shape(w: np.ndarray) -> tuple[int, int, int, int]:
    """Shape of what `conv3x3_filters(w)` gives."""
    width = 2 * lanes(w.dtype)
    return (36, whole_vectors(w.shape[3], w.dtype, 2) // width, w.shape[2], width)


@in_turn
def fill_filters(w: np.ndarray, filters: np.ndarray) -> None:
    """The same into `filters`, of `filters_shape(w)`."""
    _filters(np.ascontiguousarray(w), filters)


@njit(parallel=True, cache=True)
def _filters(w, filters):
    _, panels, C, width = filters.shape
    OC, lanes = w.shape[3], width // 2
    flat, u = w.reshape(-1), filters.reshape(-1)
    for index in prange(panels * C):
        panel, c = index // C, index % C
        lines = np.empty(18 * lanes, w.dtype)
        for first in range(0, width, lanes):
            oc = panel * width + first
            for kw in range(3):
                at, row = (kw * C + c) * OC + oc, 3 * C * OC
                if oc + lanes <= OC:
                    g0, g1, g2 = load(flat, at), load(flat, at + row), load(flat, at + 2 * row)
                else:
                    left = max(0, OC - oc)
                    g0, g1 = load_some(flat, at, left), load_some(flat, at + row, left)
                    g2 = load_some(flat, at + 2 * row, left)
                store_line(lines, kw * lanes, 3 * lanes, evaluate_filter(g0, g1, g2))
            for i in range(6):
                at = i * 3 * lanes
                line = evaluate_filter(load(lines, at), load(lines, at + lanes), load(lines, at + 2 * lanes))
                store_line(u, ((i * 6 * panels + panel) * C + c) * width + first, panels * C * width, line)


@in_turn
def flipped_filters(w: np.ndarray) -> np.ndarray:
    """Filters (3, 3, OC, C) that convolve dy into dx: w (3, 3, C, OC), its taps counted from the other end."""
    flipped = np.empty((3, 3, w.shape[3], w.shape[2]), w.dtype)
    _flip(np.ascontiguousarray(w), flipped)
    return flipped


@njit(parallel=True, cache=True)
def _flip(w, flipped):
    _, _, C, OC = w.shape
    blocks = (OC + 15) // 16
    for index in prange(9 * blocks):  # in squares of 16: reading and writing both use whole cache lines
        tap, first = index // blocks, index % blocks * 16
        kh, kw = tap // 3, tap % 3
        for start in range(0, C, 16):
            for oc in range(first, min(first + 16, OC)):
                for c in range(start, min(start + 16, C)):
                    flipped[2 - kh, 2 - kw, oc, c] = w[kh, kw, c, oc]


@in_turn
def gather_filters(du: np.ndarray, rows: int, dw: np.ndarray) -> None:
    """dw (3, 3, C, width) from dU, flat, of (36, rows, width): the adjoint of `conv3x3_filters`."""
    _gather(du, rows, dw)


@njit(parallel=True, cache=True)
def _gather(du, rows, dw):
    _, _, channels, width = dw.shape
    lanes = VECTOR_BYTES // dw.itemsize
    flat = dw.reshape(-1)
    for c in prange(channels):
        lines = np.empty(18 * lanes, dw.dtype)
        for oc in range(0, width, lanes):
            for j in range(6):
                line = gather_filter(*load_line(du, (j * rows + c) * width + oc, 6 * rows * width))
                for i in range(3):
                    store(lines, (i * 6 + j) * lanes, line[i])
            for i in range(3):
                line = gather_filter(*load_line(lines, i * 6 * lanes, lanes))
                for j in range(3):
                    store(flat, ((i * 3 + j) * channels + c) * width + oc, line[j])
