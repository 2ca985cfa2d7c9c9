"""RoI average pooling: RoI pooling's bins, and of each the mean instead of the maximum.

Nobody wins: backward **adds** an equal share of a bin's gradient to every cell of the bin. Where a region begins and
ends is rounded as RoI pooling rounds it (`roi_pool.py`), so the coordinates get no gradient here either.
"""

import math

import numpy as np
from numba import njit, prange

from minircnn.kernels.checks import check_floats, check_shape, output, pair
from minircnn.kernels.roi_pool import CHANNELS_PER_OWNER, _bin_edges, _round_half_away, check_rois
from minircnn.kernels.threads import in_turn


@in_turn
def roi_average_forward(
    features: np.ndarray,
    rois: np.ndarray,
    output_size: int | tuple[int, int] = (7, 7),
    spatial_scale: float = 1 / 16,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Mean of every bin of every region.

    Parameters
    ----------
    features : (N, H, W, C) float
    rois : (R, 5) float, the image's index in the batch, then x1, y1, x2, y2 in image pixels
    output_size : (PH, PW), or one number for both
    spatial_scale : float, feature cells per image pixel
    out : contiguous array for the result; a new one if absent

    Returns
    -------
    (R, PH, PW, C), same dtype as features; 0 where a bin is empty

    Raises
    ------
    ValueError : another shape or dtype; a region of no image, with NaN, or millions of cells away
    """
    owner = "roi_average_forward"
    check_shape(owner, "features", features, (None, None, None, None))
    check_floats(owner, features=features)
    check_rois(owner, rois, len(features), spatial_scale)
    pooled = output(owner, (len(rois), *pair(owner, "output_size", output_size), features.shape[3]), features.dtype,
                    out)  # fmt: skip
    _forward(features, rois.astype(np.float32), np.float32(spatial_scale), pooled)
    return pooled


@njit(cache=True)
def _snapped(roi, spatial_scale):
    """First cell and size of a region on the map: y1, height, x1, width."""
    x1, y1 = _round_half_away(roi[1] * spatial_scale), _round_half_away(roi[2] * spatial_scale)
    x2, y2 = _round_half_away(roi[3] * spatial_scale), _round_half_away(roi[4] * spatial_scale)
    return y1, max(y2 - y1 + 1, 1), x1, max(x2 - x1 + 1, 1)


@njit(parallel=True, cache=True)
def _forward(features, rois, spatial_scale, pooled):
    _, H, W, C = features.shape  # (N, H, W, C), and rois (R, 5)
    R, PH, PW, _ = pooled.shape  # (R, PH, PW, C)
    for r in prange(R):  # owner computes: a region's output is one thread's
        n = int(rois[r, 0])
        y1, height, x1, width = _snapped(rois[r], spatial_scale)
        for ph in range(PH):
            h1, h2 = _bin_edges(y1, height, PH, ph, H)
            for pw in range(PW):
                w1, w2 = _bin_edges(x1, width, PW, pw, W)
                mean = pooled[r, ph, pw]
                mean[:] = 0  # and so it stays where the bin is empty
                if h2 <= h1 or w2 <= w1:
                    continue
                for h in range(h1, h2):
                    for w in range(w1, w2):
                        for c in range(C):
                            mean[c] += features[n, h, w, c]
                cells = (h2 - h1) * (w2 - w1)
                for c in range(C):
                    mean[c] /= cells


@in_turn
def roi_average_backward(
    dpooled: np.ndarray, rois: np.ndarray, features_shape: tuple[int, int, int, int], spatial_scale: float = 1 / 16
) -> np.ndarray:
    """Send every bin's gradient to its cells, in equal shares.

    Parameters
    ----------
    dpooled : (R, PH, PW, C) float
    rois, spatial_scale : as in the forward
    features_shape : (N, H, W, C)

    Returns
    -------
    dfeatures : (N, H, W, C), same dtype as dpooled; 0 where a cell is in no bin

    Raises
    ------
    ValueError : arrays that do not fit each other
    """
    N, _, _, C = features_shape
    check_shape("roi_average_backward", "dpooled", dpooled, (len(rois), None, None, C))
    check_floats("roi_average_backward", dpooled=dpooled)
    check_rois("roi_average_backward", rois, N, spatial_scale)
    dfeatures = np.zeros(features_shape, dpooled.dtype)
    owners = math.ceil(C / CHANNELS_PER_OWNER)
    _backward(dpooled, rois.astype(np.float32), np.float32(spatial_scale), owners, CHANNELS_PER_OWNER, dfeatures)
    return dfeatures


@njit(parallel=True, cache=True)
def _backward(dpooled, rois, spatial_scale, owners, channels_per_owner, dfeatures):
    R, PH, PW, C = dpooled.shape  # (R, PH, PW, C)
    _, H, W, _ = dfeatures.shape  # (N, H, W, C)
    for owner in prange(owners):  # of channels, for regions share cells: each adds in the order (r, ph, pw)
        first, last = owner * channels_per_owner, min((owner + 1) * channels_per_owner, C)
        for r in range(R):
            n = int(rois[r, 0])
            y1, height, x1, width = _snapped(rois[r], spatial_scale)
            for ph in range(PH):
                h1, h2 = _bin_edges(y1, height, PH, ph, H)
                for pw in range(PW):
                    w1, w2 = _bin_edges(x1, width, PW, pw, W)
                    cells = max((h2 - h1) * (w2 - w1), 1)
                    for h in range(h1, h2):
                        for w in range(w1, w2):
                            for c in range(first, last):
                                # forward: pooled[r, ph, pw, c] += features[n, h, w, c] / cells
                                dfeatures[n, h, w, c] += dpooled[r, ph, pw, c] / cells
