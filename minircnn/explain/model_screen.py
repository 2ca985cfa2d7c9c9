"""What the page's last screen shows of a captured step: the photo, its RoIs, heat maps, and norms layer by layer.

`capture.py` takes the step, `regions.py` tells of single RoIs; what is made here is JSON for
`parts/script/screen_model.js`.
"""

import numpy as np

from minircnn.data.opencv import opencv
from minircnn.explain.capture import CapturedStep
from minircnn.explain.heat import heat_map, uri
from minircnn.explain.regions import overlaps, region_data, told_of
from minircnn.explain.scenario import SENT

LONGEST = 480  # pixels of the photo and of its heat maps on the page


def model_data(step: CapturedStep, bundled: bool = False) -> dict:
    """For the page's JSON.

    bundled : whether the photo and the model are those that come with the package
    """
    cv2 = opencv()
    H, W = step.image.shape[:2]
    fit = min(1.0, LONGEST / max(H, W))
    drawn = step.drawn
    at_features, at_image = _arrived(step, step.roi_layer), _arrived(step, step.first)
    photo = cv2.resize(step.image, None, fx=fit, fy=fit, interpolation=cv2.INTER_AREA) if fit < 1 else step.image
    regions = [region_data(step, r) for r in told_of(step)]
    return {
        "bundled": bundled,
        "photo": uri("jpeg", photo[:, :, ::-1]),
        "size": [W, H],
        "rois": (drawn.rois[:, 1:].astype(float) / step.scale).round(2).tolist(),
        "labels": drawn.labels.tolist(),
        "probability": [float(row[label]) for row, label in zip(step.probability, drawn.labels, strict=True)],
        "overlap": overlaps(step).astype(float).tolist(),
        "truth": (step.batch.boxes[0].astype(float) / step.scale).round(2).tolist(),
        "truthLabels": step.batch.box_labels[0].tolist(),
        "classNames": ["background", *step.class_names],
        "truthFrom": step.truth_from,
        "normalised": step.normalised,
        "losses": [step.losses["loss_cls"], step.losses["loss_bbox"]],
        "cells": list(at_features[0].shape[1:3]),
        "reached": _reached(at_features),
        "lowest": step.lowest,
        "regions": regions,
        "first": max(range(len(regions)), key=lambda i: _gain(regions[i])),
        "heat": {
            sent: {"features": heat_map(at_features[i][0]), "image": heat_map(at_image[i][0], round(max(H, W) * fit))}
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


def _gain(region: dict) -> float:
    """How much nearer to its true box the four numbers bring a RoI whose class the model names rightly; the one that
    gains most is shown first."""
    four = region["four"]
    return -2.0 if four is None else four["after"] - four["before"] - (not region["named"])


def _arrived(step: CapturedStep, layer: str) -> list[np.ndarray]:
    """What was kept of the gradient with respect to a layer's input, for each of SENT in turn."""
    return [gradient.dx for gradient in step.rows[layer].gradients if gradient.dx is not None]


def _reached(at_features: list[np.ndarray]) -> list[int]:
    """How many cells of the feature map the class loss reaches, the box loss, and the class loss alone."""
    by_class, by_box = ((np.abs(gradient[0]) > 0).any(axis=2) for gradient in at_features[:2])
    return [int(cells.sum()) for cells in (by_class, by_box, by_class & ~by_box)]
