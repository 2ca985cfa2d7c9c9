"""RoIAlign: as RoI pooling, but nothing is rounded, so a box that moves a little changes the result a little.

A region is divided into PH×PW bins of any size; in each bin stand ny×nx samples, evenly spread; each sample is
interpolated between the four cells around it, and their mean is the bin's value (He et al., Mask R-CNN, 2017). Backward
**adds** a share of each bin's gradient to every cell that it was read from: one sample at (1.3, 2.6) gives its four
cells 0.28, 0.12, 0.42 and 0.18 of it. And since the shares change with the region's sides, the four coordinates have a
gradient as well, which RoI pooling's rounding has not (`roi_align_backward_to_rois`).

Along x and along y the shares are found apart and multiplied: a sample's share of the cell (h, w) is how near it is to
row h times how near to column w, and the samples of a bin stand in rows and columns. So a region needs two short tables
(`roi_align_shares.py`), whatever the number of samples.
"""

import numpy as np
from numba import njit, prange

from minircnn.kernels.checks import check_floats, check_shape, output, pair
from minircnn.kernels.roi_align_shares import shares
from minircnn.kernels.threads import in_turn


@in_turn
def roi_align_forward(
    features: np.ndarray,
    rois: np.ndarray,
    output_size: int | tuple[int, int] = (7, 7),
    spatial_scale: float = 1 / 16,
    sampling_ratio: int = 0,
    aligned: bool = True,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Mean of interpolated samples in each of a region's PH×PW bins.

    Parameters
    ----------
    features : (N, H, W, C) float
    rois : (R, 5) float, the image's index in the batch, then x1, y1, x2, y2 in image pixels
    output_size : (PH, PW), or one number for both
    spatial_scale : float, feature cells per image pixel
    sampling_ratio : int, samples of a bin along each side; 0: as many as cells that it is wide or high, rounded up
    aligned : bool
        True: a cell's value stands at its middle, half a cell from its edge, as detectron2 has it today; False: at its
        first corner, and a region is at least one cell wide and high, as torchvision's detectors have it.
    out : contiguous array for the result; a new one if absent

    Returns
    -------
    (R, PH, PW, C), same dtype as features

    Raises
    ------
    ValueError : another shape or dtype; a region of no image, with NaN, or millions of cells away
    """
    owner = "roi_align_forward"
    check_shape(owner, "features", features, (None, None, None, None))
    check_floats(owner, features=features)
    N, H, W, C = features.shape
    size = pair(owner, "output_size", output_size)
    rows, columns = shares(owner, rois, (N, H, W), size, spatial_scale, sampling_ratio, aligned, features.dtype)
    pooled = output(owner, (len(rois), *size, C), features.dtype, out)
    _forward(features, rois[:, 0].astype(np.int64), *rows[:3], *columns[:3], pooled)
    return pooled


@njit(parallel=True, cache=True)
def _forward(features, image_index, first_h, count_h, share_h, first_w, count_w, share_w, pooled):
    R, PH, PW, C = pooled.shape  # (R, PH, PW, C), and features (N, H, W, C)
    for r in prange(R):  # owner computes: a region's output is one thread's
        n = image_index[r]
        for ph in range(PH):
            for pw in range(PW):
                mean = pooled[r, ph, pw]
                mean[:] = 0  # and so it stays where no sample lies on the map
                for i in range(count_h[r, ph]):
                    for j in range(count_w[r, pw]):
                        share = share_h[r, ph, i] * share_w[r, pw, j]
                        cell = features[n, first_h[r, ph] + i, first_w[r, pw] + j]
                        for c in range(C):
                            mean[c] += share * cell[c]


@in_turn
def roi_align_backward(
    dpooled: np.ndarray,
    rois: np.ndarray,
    features_shape: tuple[int, int, int, int],
    spatial_scale: float = 1 / 16,
    sampling_ratio: int = 0,
    aligned: bool = True,
) -> np.ndarray:
    """Send each bin's gradient to the cells that it was read from, by their shares.

    Parameters
    ----------
    dpooled : (R, PH, PW, C) float
    rois, spatial_scale, sampling_ratio, aligned : as in the forward
    features_shape : (N, H, W, C)

    Returns
    -------
    dfeatures : (N, H, W, C), same dtype as dpooled; 0 where no sample has read a cell

    Raises
    ------
    ValueError : arrays that do not fit each other
    """
    owner = "roi_align_backward"
    N, H, W, C = features_shape
    check_shape(owner, "dpooled", dpooled, (len(rois), None, None, C))
    check_floats(owner, dpooled=dpooled)
    size = dpooled.shape[1], dpooled.shape[2]
    rows, columns = shares(owner, rois, (N, H, W), size, spatial_scale, sampling_ratio, aligned, dpooled.dtype)
    dfeatures = np.zeros(features_shape, dpooled.dtype)
    _backward(dpooled, rois[:, 0].astype(np.int64), *rows[:3], *columns[:3], dfeatures)
    return dfeatures


@njit(parallel=True, cache=True)
def _backward(dpooled, image_index, first_h, count_h, share_h, first_w, count_w, share_w, dfeatures):
    R, PH, PW, C = dpooled.shape  # (R, PH, PW, C)
    N, H, _, _ = dfeatures.shape  # (N, H, W, C)
    # Regions share cells, so a region cannot own what it writes; a row of the map can. Each owner adds in the same
    # order (r, ph, pw) whatever the number of threads.
    for owner in prange(N * H):
        n, h = owner // H, owner % H
        for r in range(R):
            if image_index[r] != n:
                continue
            for ph in range(PH):
                i = h - first_h[r, ph]
                if i < 0 or i >= count_h[r, ph]:
                    continue
                for pw in range(PW):
                    d = dpooled[r, ph, pw]
                    for j in range(count_w[r, pw]):
                        share = share_h[r, ph, i] * share_w[r, pw, j]
                        dcell = dfeatures[n, h, first_w[r, pw] + j]
                        for c in range(C):
                            # forward: pooled[r, ph, pw, c] += share * features[n, h, w, c]
                            dcell[c] += share * d[c]


@in_turn
def roi_align_backward_to_rois(
    dpooled: np.ndarray,
    features: np.ndarray,
    rois: np.ndarray,
    spatial_scale: float = 1 / 16,
    sampling_ratio: int = 0,
    aligned: bool = True,
) -> np.ndarray:
    """What joint training leaves out: the gradient with respect to the regions' own coordinates.

    A side that moves by a pixel carries its samples along, by spatial_scale · r cells for a sample that stands at the
    share r of the way from the other side. A sample that moves changes by the slope between the cells around it.

    Parameters
    ----------
    dpooled : (R, PH, PW, C) float
    features, rois, spatial_scale, sampling_ratio, aligned : as in the forward

    Returns
    -------
    drois : (R, 4), same dtype as dpooled, with respect to x1, y1, x2, y2
        A sample that is off the map, or held at its edge, adds nothing. Where a sample stands on a cell's own place the
        slope is the one to the right of it; with `sampling_ratio` 0, where a size passes to another number of samples,
        the result jumps, and has no slope.

    Raises
    ------
    ValueError : arrays that do not fit each other
    """
    owner = "roi_align_backward_to_rois"
    check_shape(owner, "features", features, (None, None, None, None))
    check_floats(owner, dpooled=dpooled, features=features)
    N, H, W, C = features.shape
    check_shape(owner, "dpooled", dpooled, (len(rois), None, None, C))
    size = dpooled.shape[1], dpooled.shape[2]
    tables = shares(owner, rois, (N, H, W), size, spatial_scale, sampling_ratio, aligned, dpooled.dtype)
    drois = np.zeros((len(rois), 4), dpooled.dtype)
    _backward_to_rois(dpooled, features, rois[:, 0].astype(np.int64), *tables[0], *tables[1], drois)
    return drois


@njit(parallel=True, cache=True)
def _backward_to_rois(
    dpooled, features, image_index, first_h, count_h, share_h, slope_h, first_w, count_w, share_w, slope_w, drois
):
    R, PH, PW, C = dpooled.shape  # (R, PH, PW, C), features (N, H, W, C), and drois (R, 4)
    for r in prange(R):
        n = image_index[r]
        for ph in range(PH):
            for pw in range(PW):
                for i in range(count_h[r, ph]):
                    for j in range(count_w[r, pw]):
                        cell = features[n, first_h[r, ph] + i, first_w[r, pw] + j]
                        dshare = 0.0  # the share times the cell went into the bin
                        for c in range(C):
                            dshare += dpooled[r, ph, pw, c] * cell[c]
                        row, column = share_h[r, ph, i], share_w[r, pw, j]
                        drois[r, 0] += dshare * row * slope_w[r, 0, pw, j]  # x1 moves columns alone
                        drois[r, 1] += dshare * slope_h[r, 0, ph, i] * column
                        drois[r, 2] += dshare * row * slope_w[r, 1, pw, j]
                        drois[r, 3] += dshare * slope_h[r, 1, ph, i] * column
