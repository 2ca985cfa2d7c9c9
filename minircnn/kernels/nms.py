"""Suppression: the best box stays, what overlaps it by more than a threshold goes, and so on with the next.

6,000 boxes are 18 million pairs, of which only those with a kept box count. `boxes.nms` sorts and calls this.
"""

import numpy as np
from numba import njit


@njit(cache=True)
def suppress(x1, y1, x2, y2, threshold, limit):
    """Indices of the boxes that are kept, at most `limit`; x1 … y2 (D,), best first, finite.

    Intersection over union as `boxes.iou_matrix` computes it. The inner loop asks of every later box, gone or not, and
    has no branch: so the processor takes eight boxes at once.
    """
    D = len(x1)
    kept = np.empty(min(D, limit), np.int64)
    area, zero = np.empty_like(x1), x1.dtype.type(0)
    for d in range(D):
        area[d] = max(x2[d] - x1[d], zero) * max(y2[d] - y1[d], zero)
    gone, overlap = np.zeros(D, np.bool_), np.empty_like(x1)
    count = 0
    for best in range(D):
        if gone[best]:
            continue
        if count == len(kept):
            break
        kept[count] = best
        count += 1
        later = D - best - 1
        _overlaps(x1[best:], y1[best:], x2[best:], y2[best:], area[best:], overlap)
        for d in range(later):
            if overlap[d] > threshold:
                gone[best + 1 + d] = True
    return kept[:count]


@njit(cache=True)
def _overlaps(x1, y1, x2, y2, area, overlap):
    """Of the first box with each one after it."""
    zero, one = x1.dtype.type(0), x1.dtype.type(1)  # a plain 0 would make float64 of all
    for d in range(len(x1) - 1):
        width = max(min(x2[0], x2[d + 1]) - max(x1[0], x1[d + 1]), zero)
        height = max(min(y2[0], y2[d + 1]) - max(y1[0], y1[d + 1]), zero)
        intersection = width * height
        union = area[0] + area[d + 1] - intersection
        overlap[d] = intersection / (union if union > zero else one)
