"""The shares of RoIAlign: how much of each cell is in each bin of a region, along one direction at a time.

Everything that depends on where a region lies is here (`roi_align.py` only multiplies and adds): where the samples
stand, which are off the map, which two cells each lies between, and how that changes as the region's sides move.
"""

import math

import numpy as np
from numba import njit, prange

from minircnn.kernels.checks import check_window
from minircnn.kernels.roi_pool import check_rois

Table = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def shares(
    owner: str,
    rois: np.ndarray,
    maps: tuple[int, int, int],
    output_size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
    dtype: np.dtype,
) -> tuple[Table, Table]:
    """Of the rows, and of the columns, of every region: `sides`' four arrays; ValueError for what cannot be told."""
    N, H, W = maps
    check_rois(owner, rois, N, spatial_scale)
    check_window(owner, **{"sampling_ratio (0: as the region is large)": sampling_ratio + 1})
    if min(H, W) < 1:
        raise ValueError(f"{owner}: a map of {H}×{W} has no cell to read")
    return (
        sides(rois[:, 2], rois[:, 4], output_size[0], H, spatial_scale, sampling_ratio, aligned, dtype),
        sides(rois[:, 1], rois[:, 3], output_size[1], W, spatial_scale, sampling_ratio, aligned, dtype),
    )


def sides(
    low: np.ndarray,
    high: np.ndarray,
    bins: int,
    limit: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
    dtype: np.dtype,
) -> Table:
    """Along one direction, which cells each bin of each region is read from, by what shares, and how these change.

    low, high : (R,), a region's two coordinates in this direction, pixels
    limit : cells of the map in this direction

    first, count : (R, bins) int64, the first cell that a bin reads, and how many
    share : (R, bins, M), of each of them in the bin; they sum to 1 where all samples lie on the map
    slope : (R, 2, bins, M), what a pixel's change of low, and of high, changes of each share
    """
    start = (low * spatial_scale).astype(dtype) - dtype.type(0.5 if aligned else 0)
    size = (high * spatial_scale).astype(dtype) - dtype.type(0.5 if aligned else 0) - start
    held = np.zeros(len(low), np.bool_) if aligned else size < 1  # too narrow, and taken as one cell wide
    size = np.where(held, dtype.type(1), size)
    step = size / dtype.type(bins)
    samples = np.full(len(low), sampling_ratio) if sampling_ratio > 0 else np.maximum(np.ceil(step), 0).astype(np.int64)
    M = min(limit, int(np.abs(step).max(initial=0)) + 3)
    first, count = np.zeros((2, len(low), bins), np.int64)
    share = np.zeros((len(low), bins, M), dtype)
    slope = np.zeros((len(low), 2, bins, M), dtype)
    _fill_sides(start, size, held, samples, limit, float(spatial_scale), first, count, share, slope)
    return first, count, share, slope


@njit(parallel=True, cache=True)
def _fill_sides(start, size, held, samples, limit, scale, first, count, share, slope):
    R, bins, _ = share.shape
    for r in prange(R):
        n = samples[r]
        for p in range(bins):
            first[r, p], end = limit, 0
            for i in range(n):
                x = _place(start[r], size[r], bins, p, i, n)
                if -1 <= x <= limit:  # a sample farther off adds nothing, and is counted in the mean all the same
                    low, high, _, _ = _neighbours(x, limit)
                    first[r, p], end = min(first[r, p], low), max(end, high + 1)
            count[r, p] = max(end - first[r, p], 0)
            for i in range(n):
                x = _place(start[r], size[r], bins, p, i, n)
                if not -1 <= x <= limit:
                    continue
                low, high, lx, moves = _neighbours(x, limit)
                share[r, p, low - first[r, p]] += (1 - lx) / n
                share[r, p, high - first[r, p]] += lx / n
                if not moves:
                    continue
                along = (p + (i + 0.5) / n) / bins  # 0 at low, 1 at high
                for side in range(2):
                    # x = scale (x1 + along (x2 - x1)) - offset; a region that is held at one cell only moves along
                    shift = scale * (along if side else 1 - along)
                    if held[r]:
                        shift = scale * (1 - side)
                    slope[r, side, p, low - first[r, p]] -= shift / n
                    slope[r, side, p, high - first[r, p]] += shift / n


@njit(cache=True)
def _place(start, size, bins, p, i, n):
    """Where sample `i` of `n` in bin `p` stands, in cells."""
    return start + (p + (i + 0.5) / n) * (size / bins)


@njit(cache=True)
def _neighbours(x, limit):
    """The cells around x, how far it is from the lower to the upper one, and whether it may move between them.

    Before the first cell x is held at it, and beyond the last one at that.
    """
    low = math.floor(max(x, 0.0))
    if low >= limit - 1:
        return limit - 1, limit - 1, 0.0, False
    return low, low + 1, max(x, 0.0) - low, x > 0
