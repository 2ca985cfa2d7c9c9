"""What the page's last screen shows of a captured step: the photo, its RoIs, heat maps, and norms layer by layer.

`capture.py` takes the step; what is made here is JSON for `parts/script/screen_model.js`.
"""

import base64

import numpy as np

from minircnn.data.opencv import opencv
from minircnn.explain.capture import CapturedStep
from minircnn.explain.scenario import SENT

LONGEST = 480  # pixels of the photo and of its heat maps on the page
HEAT = (214, 40, 120)  # RGB of the hottest place; less is more transparent


def model_data(step: CapturedStep) -> dict:
    """For the page's JSON."""
    cv2 = opencv()
    H, W = step.image.shape[:2]
    fit = min(1.0, LONGEST / max(H, W))
    drawn = step.drawn
    at_features, at_image = _arrived(step, step.roi_layer), _arrived(step, step.first)
    return {
        "photo": _jpeg(cv2.resize(step.image, None, fx=fit, fy=fit, interpolation=cv2.INTER_AREA)),
        "size": [W, H],
        "rois": (drawn.rois[:, 1:].astype(float) / step.scale).round(2).tolist(),
        "labels": drawn.labels.tolist(),
        "probability": [float(row[label]) for row, label in zip(step.probability, drawn.labels, strict=True)],
        "classNames": ["background", *step.class_names],
        "truthFrom": step.truth_from,
        "normalised": step.normalised,
        "losses": [step.losses["loss_cls"], step.losses["loss_bbox"]],
        "cells": list(at_features[0].shape[1:3]),
        "reached": _reached(at_features),
        "lowest": step.lowest,
        "heat": {
            sent: {
                "features": _heat(at_features[i][0], step, fit),
                "image": _heat(at_image[i][0], step, fit),
            }
            for i, sent in enumerate(SENT)
        },
        "rows": [
            {
                "name": row.name,
                "shape": list(row.shape),
                "learns": row.learns,
                "norm": row.norm,
                "gradients": [gradient.norm for gradient in row.gradients[: len(SENT)]],
                "weights": [gradient.weight_norm for gradient in row.gradients[: len(SENT)]],
            }
            for row in step.rows
            if not row.layer.startswith("rpn_")  # these hear nothing of the losses that the page sends back
        ],
    }


def _arrived(step: CapturedStep, layer: str) -> list[np.ndarray]:
    """What was kept of the gradient with respect to a layer's input, for each of SENT in turn."""
    return [gradient.dx for gradient in step.rows[layer].gradients if gradient.dx is not None]


def _reached(at_features: list[np.ndarray]) -> list[int]:
    """How many cells of the feature map the class loss reaches, the box loss, and the class loss alone."""
    by_class, by_box = ((np.abs(gradient[0]) > 0).any(axis=2) for gradient in at_features[:2])
    return [int(cells.sum()) for cells in (by_class, by_box, by_class & ~by_box)]


def _heat(gradient: np.ndarray, step: CapturedStep, fit: float) -> str:
    """(h, w, C) → a transparent picture of the norm over channels; cells stay squares where there are few."""
    cv2 = opencv()
    height = np.sqrt((gradient.astype(np.float64) ** 2).sum(axis=2))
    H, W = step.image.shape[:2]
    h, w = (min(own, round(side * fit)) for own, side in zip(height.shape, (H, W), strict=True))
    if (h, w) != height.shape:
        height = cv2.resize(height, (w, h), interpolation=cv2.INTER_AREA)
    share = np.sqrt(height / max(height.max(), 1e-30))  # the root: a few hot cells would leave the rest unseen
    picture = np.zeros((*share.shape, 4), np.uint8)
    picture[..., :3] = HEAT[::-1]
    picture[..., 3] = (share * 230).astype(np.uint8)
    return _uri("png", picture)


def _jpeg(image: np.ndarray) -> str:
    return _uri("jpeg", image[:, :, ::-1])


def _uri(kind: str, picture: np.ndarray) -> str:
    cv2 = opencv()
    _, encoded = cv2.imencode(f".{kind}", picture)
    return f"data:image/{kind};base64,{base64.b64encode(encoded.tobytes()).decode()}"
