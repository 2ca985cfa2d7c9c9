"""What the page's last screen tells of single RoIs of a captured step: the four numbers that move one, who won its
bins, and the gradient that it sends to the feature map by itself.

Numbers are the model's own; the RoI layer sends one RoI's gradient back by the same `backward` as all of them.
"""

import numpy as np

from minircnn.boxes import decode_boxes, iou_matrix
from minircnn.explain.capture import CapturedStep
from minircnn.explain.heat import heat_map
from minircnn.explain.scenario import SENT
from minircnn.kernels.roi_pool import _bin_edges, _round_half_away
from minircnn.layers import RoIPool

BACKGROUNDS = 3  # RoIs of background that are told of beside those of the foreground
MOST = 20  # RoIs in all


def told_of(step: CapturedStep) -> list[int]:
    """Which RoIs: those of the foreground, then those of background that the model is least sure of."""
    labels, probability = step.drawn.labels, step.probability
    sure = probability[np.arange(len(labels)), labels]
    foreground = [r for r in range(len(labels)) if labels[r] > 0][: MOST - BACKGROUNDS]
    background = sorted((r for r in range(len(labels)) if labels[r] == 0), key=lambda r: sure[r])
    return foreground + background[: BACKGROUNDS if foreground else MOST]


def overlaps(step: CapturedStep) -> np.ndarray:
    """(R,) IoU of each RoI with the true box that it covers best; 0 where there is none."""
    boxes = step.batch.boxes[0]
    if len(boxes) == 0:
        return np.zeros(len(step.drawn.rois))
    return iou_matrix(step.drawn.rois[:, 1:].astype(np.float32), boxes.astype(np.float32)).max(axis=1)


def region_data(step: CapturedStep, r: int) -> dict:
    """One RoI, for the page's JSON."""
    label = int(step.drawn.labels[r])
    arrived = [gradient.dy for gradient in step.rows[step.roi_layer].gradients[: len(SENT)]]
    own = [_own_gradient(step, r, dpooled) for dpooled in arrived if dpooled is not None]
    return {
        "index": r,
        "best": int(step.probability[r].argmax()),
        "named": int(step.probability[r].argmax()) == label,
        "bestProbability": float(step.probability[r].max()),
        "heat": {sent: heat_map(gradient) for sent, gradient in zip(SENT, own, strict=True)},
        "won": _won(step, r, arrived[SENT.index("both")]),
        "four": _four(step, r, label) if label else None,
    }


def _own_gradient(step: CapturedStep, r: int, dpooled: np.ndarray) -> np.ndarray:
    """(FH, FW, C): what comes to the features of RoI r alone."""
    alone = np.zeros_like(dpooled)
    alone[r] = dpooled[r]
    return step.model.roi_layer.backward(alone)[0]


def _four(step: CapturedStep, r: int, label: int) -> dict:
    """t, t*, d and ∂L/∂t of the class's four offsets, and the box that they make, in pixels of the image."""
    bbox_pred = step.rows["bbox_pred"].y
    assert bbox_pred is not None  # it was to be kept
    four = step.model.columns_of(label)
    real = step.model.offsets(bbox_pred[r : r + 1])[:, 4 * label : 4 * label + 4]
    roi = step.drawn.rois[r : r + 1, 1:]
    moved = decode_boxes(roi.astype(np.float64), real.astype(np.float64))
    truth = step.batch.boxes[0].astype(np.float64)
    mine = truth[iou_matrix(roi.astype(np.float64), truth).argmax()][None]
    return {
        "t": bbox_pred[r, four].astype(float).tolist(),
        "target": step.drawn.targets[r].astype(float).tolist(),
        "gradient": step.gradients["loss_bbox"][r, four].astype(float).tolist(),
        "box": (moved[0] / step.scale).tolist(),
        "before": float(iou_matrix(roi.astype(np.float64), mine)[0, 0]),
        "after": float(iou_matrix(moved, mine)[0, 0]),
    }


def _won(step: CapturedStep, r: int, dpooled: np.ndarray | None) -> dict | None:
    """Bins and winners of RoI r in the channel that hears most; None where the RoI layer has no winners."""
    layer = step.model.roi_layer
    if not isinstance(layer, RoIPool) or dpooled is None:
        return None
    argmax, shape = layer.saved("argmax"), layer.saved("features_shape")
    channel = int((dpooled[r].astype(np.float64) ** 2).sum(axis=(0, 1)).argmax())
    corners = step.drawn.rois[r, 1:].astype(np.float32) * np.float32(layer.spatial_scale)
    x1, y1, x2, y2 = (int(_round_half_away(corner)) for corner in corners)
    rows, columns = (
        [list(_bin_edges(start, max(end - start + 1, 1), bins, p, limit)) for p in range(bins)]
        for start, end, bins, limit in zip((y1, x1), (y2, x2), layer.output_size, shape[1:3], strict=True)
    )
    return {
        "channel": channel,
        "channels": shape[3],
        "rows": rows,
        "columns": columns,
        "winners": argmax[r, :, :, channel].reshape(-1).tolist(),
        "gradients": dpooled[r, :, :, channel].reshape(-1).astype(float).tolist(),
    }
