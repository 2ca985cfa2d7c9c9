"""R-CNN's way of looking at a region: cut it out with a border around it, and stretch it to the network's input.

A region of any shape becomes a square; with `context` pixels of the square around it on every side, filled from the
image, and with the mean (0 once preprocessed) where the image ends (Girshick et al., R-CNN, 2014, appendix A).
"""

import numpy as np

from minircnn.data.opencv import opencv
from minircnn.kernels.checks import check_array, check_shape

CONTEXT = 16 / 227  # of the side: the paper's 16 pixels of 227


def warp_regions(pixels: np.ndarray, boxes: np.ndarray, side: int, context: int) -> np.ndarray:
    """Every region as an image of its own.

    Parameters
    ----------
    pixels : (H, W, 3) float32, preprocessed, at the image's own size
    boxes : (P, 4), in its pixels
    side : of the results
    context : pixels of the results around each box

    Returns
    -------
    (P, side, side, 3) float32

    Raises
    ------
    ValueError : another shape; a border that leaves nothing; a box without area
    """
    check_array("warp_regions", "pixels", pixels)
    check_shape("warp_regions", "pixels", pixels, (None, None, 3))
    check_shape("warp_regions", "boxes (x1, y1, x2, y2)", boxes, (None, 4))
    if not 0 <= 2 * context < side:
        raise ValueError(f"warp_regions: a context of {context} leaves nothing of {side} pixels")
    if len(boxes) and not (boxes[:, 2:] > boxes[:, :2]).all():
        raise ValueError("warp_regions: every box needs x1 < x2 and y1 < y2, and no NaN")
    cv2, warped = opencv(), np.empty((len(boxes), side, side, 3), np.float32)
    for region, box in zip(warped, np.asarray(boxes, np.float64), strict=True):
        # The middle of column i of the result lies at box_x + (i + 0.5 - context) * width / (side - 2 context).
        step = (box[2:] - box[:2]) / (side - 2 * context)
        first = box[:2] + (0.5 - context) * step - 0.5
        way = np.array([[step[0], 0, first[0]], [0, step[1], first[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(pixels, way, (side, side), region, flags, cv2.BORDER_CONSTANT, (0, 0, 0))
    return warped


def usual_context(side: int) -> int:
    """The paper's share of a side, in whole pixels."""
    return round(CONTEXT * side)
