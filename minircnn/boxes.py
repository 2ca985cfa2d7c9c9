"""Boxes: overlap, offsets, clipping, suppression. NumPy, no state; the loop of suppression is a kernel.

A box is (x1, y1, x2, y2) in image pixels and its width is x2 - x1. Offsets (tx, ty, tw, th) are what `bbox_pred`
learns: how far to move a proposal's centre, in units of its size, and by what factor to stretch it, as a logarithm
(Girshick et al., R-CNN, 2014, appendix C).
"""

import numpy as np

from minircnn.kernels.checks import check_array
from minircnn.kernels.nms import suppress

MAX_LOG_STRETCH = float(np.log(1000 / 16))  # a wild tw must not overflow exp; 62 times the proposal is ample


def _checked(owner: str, *arrays: np.ndarray) -> list[np.ndarray]:
    """The arrays, in a float type that their areas fit: whole numbers and halves would overflow and say nothing."""
    for boxes in arrays:
        check_array(owner, "boxes", boxes)
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"{owner}: boxes should have shape (any, 4), x1, y1, x2, y2, not {boxes.shape}")
    return [boxes if boxes.dtype in (np.float32, np.float64) else boxes.astype(np.float64) for boxes in arrays]


def areas(boxes: np.ndarray) -> np.ndarray:
    """Areas in square pixels, (B, 4) → (B,); a box turned inside out has none.

    Raises
    ------
    ValueError : another shape
    """
    (boxes,) = _checked("areas", boxes)
    return np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)


def iou_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of every box of `a` (A, 4) with every box of `b` (B, 4) → (A, B) in [0, 1].

    Two empty boxes overlap by 0.

    Raises
    ------
    ValueError : another shape
    """
    a, b = _checked("iou_matrix", a, b)
    corner1 = np.maximum(a[:, None, :2], b[None, :, :2])
    corner2 = np.minimum(a[:, None, 2:], b[None, :, 2:])
    intersection = np.prod(np.maximum(corner2 - corner1, 0), axis=2)
    union = areas(a)[:, None] + areas(b)[None, :] - intersection
    return intersection / np.where(union > 0, union, 1)


def _centres_and_sizes(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + 0.5 * size, size


def encode_boxes(proposals: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Offsets that would move `proposals` (R, 4) onto `truth` (R, 4) → (R, 4) as tx, ty, tw, th.

    Both need positive width and height: a zero-area box is refused where it is read, since its logarithm is -inf.

    Raises
    ------
    ValueError : not one true box for each proposal, or a box without area or with NaN
    """
    proposals, truth = _checked("encode_boxes", proposals, truth)
    if len(proposals) != len(truth):
        raise ValueError(f"encode_boxes: {len(proposals)} proposals and {len(truth)} true boxes; give one for each")
    for name, boxes in (("proposals", proposals), ("truth", truth)):
        if len(boxes) and not (boxes[:, 2:] > boxes[:, :2]).all():
            raise ValueError(f"encode_boxes: every box of {name} needs x1 < x2 and y1 < y2, and no NaN")
    centre, size = _centres_and_sizes(proposals)
    truth_centre, truth_size = _centres_and_sizes(truth)
    return np.concatenate([(truth_centre - centre) / size, np.log(truth_size / size)], axis=-1)


def decode_boxes(proposals: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Move `proposals` (R, 4) by `offsets` (R, 4M), one group of four per class → boxes (R, 4M), in pixels.

    A stretch of more than 62 times is cut to that, so that no wild offset overflows.

    Raises
    ------
    ValueError : arrays that do not fit each other
    """
    (proposals,) = _checked("decode_boxes", proposals)
    check_array("decode_boxes", "offsets", offsets)
    R = len(proposals)
    if offsets.ndim != 2 or offsets.shape[0] != R or offsets.shape[1] % 4:
        raise ValueError(f"decode_boxes: offsets should have shape ({R}, 4 for each class), not {offsets.shape}")
    offsets = offsets.reshape(R, offsets.shape[1] // 4, 4)
    centre, size = _centres_and_sizes(proposals[:, None, :])  # (R, 1, 2)
    new_centre = centre + offsets[..., :2] * size
    with np.errstate(under="ignore"):  # a box stretched to nothing has no size, and is no detection
        new_size = size * np.exp(np.minimum(offsets[..., 2:], MAX_LOG_STRETCH))
    boxes = np.concatenate([new_centre - 0.5 * new_size, new_centre + 0.5 * new_size], axis=-1)
    return boxes.reshape(R, offsets.shape[1] * 4)


def decode_boxes_backward(proposals: np.ndarray, offsets: np.ndarray, dboxes: np.ndarray) -> np.ndarray:
    """The way back of `decode_boxes` for one group: dboxes (R, 4) with respect to x1, y1, x2, y2 → doffsets (R, 4).

    x1 = x + tx·w - w·exp(tw)/2 and x2 = x + tx·w + w·exp(tw)/2: both move by w with tx, and apart with tw. A stretch
    that was cut has no slope.

    Raises
    ------
    ValueError : arrays that do not fit each other
    """
    proposals, offsets, dboxes = _checked("decode_boxes_backward", proposals, offsets, dboxes)
    if not len(proposals) == len(offsets) == len(dboxes):
        raise ValueError("decode_boxes_backward: give one row of offsets and one of dboxes for each proposal")
    _, size = _centres_and_sizes(proposals)
    new_size = np.where(offsets[:, 2:] < MAX_LOG_STRETCH, size * np.exp(np.minimum(offsets[:, 2:], MAX_LOG_STRETCH)), 0)
    moved, stretched = dboxes[:, :2] + dboxes[:, 2:], dboxes[:, 2:] - dboxes[:, :2]
    return np.concatenate([size * moved, 0.5 * new_size * stretched], axis=1)


def clip_boxes(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """`boxes` (…, 4) cut to the image: x into [0, width], y into [0, height].

    Raises
    ------
    ValueError : the last axis has not four values
    """
    check_array("clip_boxes", "boxes", boxes)
    if boxes.shape[-1:] != (4,):
        raise ValueError(f"clip_boxes: boxes should have shape (…, 4), not {boxes.shape}")
    limit = np.array([width, height, width, height], boxes.dtype)
    return np.clip(boxes, 0, limit)


def flip_boxes(boxes: np.ndarray, width: float) -> np.ndarray:
    """`boxes` (B, 4) as they stand in the image mirrored left to right.

    Raises
    ------
    ValueError : another shape
    """
    (boxes,) = _checked("flip_boxes", boxes)
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)


def nms(boxes: np.ndarray, scores: np.ndarray, threshold: float, limit: int | None = None) -> np.ndarray:
    """Non-maximum suppression: keep the best box, drop what overlaps it by more than `threshold`, go on.

    boxes (D, 4), scores (D,) → indices of the kept, best first, at most `limit`; of equal scores the lower index comes
    first. A row that is not finite is no detection: it is not kept, and suppresses nothing.

    Raises
    ------
    ValueError : not one box for each score
    """
    check_array("nms", "boxes", boxes)
    check_array("nms", "scores", scores)
    if boxes.shape != (len(scores), 4):
        raise ValueError(f"nms: boxes should have shape ({len(scores)}, 4), as there are scores, not {boxes.shape}")
    order = np.argsort(-scores, kind="stable")
    order = order[(np.isfinite(boxes).all(axis=1) & np.isfinite(scores))[order]]
    (boxes,) = _checked("nms", boxes)
    x1, y1, x2, y2 = np.ascontiguousarray(boxes[order].T)
    kept = suppress(x1, y1, x2, y2, boxes.dtype.type(threshold), len(order) if limit is None else limit)
    return order[kept]
