"""RoI pooling: every region, whatever its size, becomes PH×PW cells, and the gradient finds its way back.

A region is snapped to the feature map, divided into PH×PW bins, and the maximum of each bin is kept together with
the cell it stood in (`argmax`). Backward **adds** each pooled value's gradient to that cell. Bins of one region can
overlap and regions do, so one cell may collect many gradients: they are summed. The region's own coordinates get
none: the rounding below is flat almost everywhere (Girshick, Fast R-CNN, 2015, sections 2.1 and 2.3).
"""

import math

import numpy as np
from numba import njit, prange

from minircnn.kernels.checks import check_finite, check_floats, check_shape, output, pair
from minircnn.kernels.threads import in_turn

CHANNELS_PER_OWNER = 16  # long enough for a vector of float32, and enough owners for several threads
FARTHEST = 1 << 23  # pixels; float32 counts single ones up to here


@in_turn
def roi_pool_forward(
    features: np.ndarray,
    rois: np.ndarray,
    output_size: int | tuple[int, int] = (7, 7),
    spatial_scale: float = 1 / 16,
    out: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Pool every region to PH×PW.

    Parameters
    ----------
    features : (N, H, W, C) float
    rois : (R, 5) float, the image's index in the batch, then x1, y1, x2, y2 in image pixels
    output_size : (PH, PW), or one number for both
    spatial_scale : float, feature cells per image pixel
    out : arrays for the two results, contiguous; new ones if absent

    Returns
    -------
    pooled : (R, PH, PW, C), same dtype as features; 0 where a bin is empty
    argmax : (R, PH, PW, C) int32, the winning cell as h*W + w; -1 where a bin is empty

    Raises
    ------
    ValueError : another shape or dtype; a region of no image, with NaN, or millions of cells away
    """
    check_shape("roi_pool_forward", "features", features, (None, None, None, None))
    check_floats("roi_pool_forward", features=features)
    check_rois("roi_pool_forward", rois, len(features), spatial_scale)
    shape = (len(rois), *pair("roi_pool_forward", "output_size", output_size), features.shape[3])
    pooled = output("roi_pool_forward", shape, features.dtype, out[0] if out else None)
    argmax = output("roi_pool_forward", shape, np.dtype(np.int32), out[1] if out else None)
    _forward(features, rois.astype(np.float32), np.float32(spatial_scale), pooled, argmax)
    return pooled, argmax


def check_rois(owner: str, rois: np.ndarray, images: int, spatial_scale: float) -> None:
    """Raise ValueError where a region cannot be told: no index column, no such image, no number, off every map."""
    check_shape(owner, "rois (image index, x1, y1, x2, y2)", rois, (None, 5))
    check_finite(owner, "rois", rois)
    if not 0 < spatial_scale < math.inf:
        raise ValueError(f"{owner}: spatial_scale should be above 0, cells per pixel, not {spatial_scale}")
    if len(rois) == 0:
        return
    index = rois[:, 0]
    if index.min() < 0 or index.max() >= images or (index != np.floor(index)).any():
        raise ValueError(
            f"{owner}: the first column of rois is the image's index in the batch, 0 to {images - 1} in whole "
            f"numbers; it runs from {index.min():g} to {index.max():g}"
        )
    if np.abs(rois[:, 1:]).max() > FARTHEST:
        raise ValueError(f"{owner}: coordinates of rois should be pixels, not beyond ±{FARTHEST:,}")


@njit(cache=True)
def _round_half_away(value):
    """1.5 → 2, 2.5 → 3, -1.5 → -2: C's round. NumPy and Python would give 2 for 2.5."""
    return math.floor(value + 0.5) if value >= 0 else math.ceil(value - 0.5)


@njit(cache=True)
def _bin_edges(start, size, bins, p, limit):
    """Cells [first, last) of bin `p` of `bins` along one side, clipped to the map of `limit` cells.

    Bins are laid over the whole RoI, then cut to the map: a RoI half off it has bins with nothing in them. floor and
    ceil make neighbouring bins overlap where `size` is no multiple of `bins`. The quotient is float32, as in the
    original: in float64 some sizes give other bins.
    """
    step = np.float32(size) / np.float32(bins)
    first = math.floor(np.float32(p) * step) + start
    last = math.ceil(np.float32(p + 1) * step) + start
    return min(max(first, 0), limit), min(max(last, 0), limit)


@njit(parallel=True, cache=True)
def _forward(features, rois, spatial_scale, pooled, argmax):
    _, H, W, C = features.shape  # (N, H, W, C), and rois (R, 5)
    R, PH, PW, _ = pooled.shape  # (R, PH, PW, C), as argmax
    for r in prange(R):  # owner computes: a region's output is one thread's
        n = int(rois[r, 0])
        x1 = _round_half_away(rois[r, 1] * spatial_scale)
        y1 = _round_half_away(rois[r, 2] * spatial_scale)
        x2 = _round_half_away(rois[r, 3] * spatial_scale)
        y2 = _round_half_away(rois[r, 4] * spatial_scale)
        width = max(x2 - x1 + 1, 1)  # both end cells belong to the region; a malformed one becomes 1×1
        height = max(y2 - y1 + 1, 1)
        for ph in range(PH):
            h1, h2 = _bin_edges(y1, height, PH, ph, H)
            for pw in range(PW):
                w1, w2 = _bin_edges(x1, width, PW, pw, W)
                best, where = pooled[r, ph, pw], argmax[r, ph, pw]
                if h2 <= h1 or w2 <= w1:  # an empty bin: no winner
                    best[:] = 0
                    where[:] = -1
                    continue
                best[:] = features[n, h1, w1]
                where[:] = h1 * W + w1
                for h in range(h1, h2):
                    for w in range(w1, w2):
                        for c in range(C):
                            value = features[n, h, w, c]
                            if value > best[c] or value != value:  # strict: the first of equals wins; NaN shows
                                best[c] = value
                                where[c] = h * W + w


@in_turn
def roi_pool_backward(
    dpooled: np.ndarray, argmax: np.ndarray, rois: np.ndarray, features_shape: tuple[int, int, int, int]
) -> np.ndarray:
    """Send every pooled value's gradient to the cell that won.

    Parameters
    ----------
    dpooled : (R, PH, PW, C) float
    argmax : (R, PH, PW, C) int32, from the forward
    rois : (R, 5), as in the forward; only the image's index is read
    features_shape : (N, H, W, C)

    Returns
    -------
    dfeatures : (N, H, W, C), same dtype as dpooled; 0 where a cell never won

    Raises
    ------
    ValueError : arrays that do not fit each other, or an `argmax` that names cells off the map
    """
    N, H, W, C = features_shape
    check_shape("roi_pool_backward", "dpooled", dpooled, (len(rois), None, None, C))
    check_floats("roi_pool_backward", dpooled=dpooled)
    check_shape("roi_pool_backward", "argmax", argmax, dpooled.shape)
    check_rois("roi_pool_backward", rois, N, 1.0)
    dfeatures = np.zeros(features_shape, dpooled.dtype)
    owners = (C + CHANNELS_PER_OWNER - 1) // CHANNELS_PER_OWNER
    off_the_map = np.zeros(owners, np.int64)  # winners beyond the last cell, by owner
    _backward(dpooled, argmax, rois[:, 0].astype(np.int64), CHANNELS_PER_OWNER, off_the_map, dfeatures)
    if off_the_map.any():
        raise ValueError(
            f"roi_pool_backward: argmax names {off_the_map.sum()} cells beyond a map of {H}×{W}; it belongs to another"
        )
    return dfeatures


@njit(parallel=True, cache=True)
def _backward(dpooled, argmax, image_index, channels_per_owner, off_the_map, dfeatures):
    R, PH, PW, C = dpooled.shape  # (R, PH, PW, C), as argmax
    N, H, W, _ = dfeatures.shape  # (N, H, W, C)
    cells = dfeatures.reshape(N, H * W, C)
    # Regions share cells, so a region cannot own what it writes; a channel can. Each owner adds in the same order
    # (r, ph, pw) whatever the number of threads.
    for owner in prange(len(off_the_map)):
        for r in range(R):
            n = image_index[r]
            for ph in range(PH):
                for pw in range(PW):
                    for c in range(owner * channels_per_owner, min((owner + 1) * channels_per_owner, C)):
                        cell = argmax[r, ph, pw, c]
                        if cell >= H * W:
                            off_the_map[owner] += 1
                        elif cell >= 0:  # -1: the bin was empty, nothing to send back
                            # forward: pooled[r, ph, pw, c] = features[n, cell, c]
                            cells[n, cell, c] += dpooled[r, ph, pw, c]
