"""COCO's measure, computed by faster-coco-eval: AP averaged over IoU 0.50, 0.55 … 0.95, and its parts.

It is what the best weights are chosen by (`training/train.py`); `evaluation.py` sets it beside Pascal VOC's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from minircnn.boxes import areas
from minircnn.metrics.inputs import ignored

IOU50, IOU75 = 0, 5  # positions in COCO's ten thresholds
SIZES = ((0, np.inf), (0, 32**2), (32**2, 96**2), (96**2, np.inf))  # all, small, medium, large: areas, both ends in


@dataclass(frozen=True)
class CocoAP:
    """Means over the classes that have true boxes; None where there is nothing to average.

    Attributes
    ----------
    AP, AP50, AP75, AP_small, AP_medium, AP_large : float or None; sizes by area, 32² and 96² pixels
    per_class : label → {"AP", "AP50", "AP75"}
    """

    AP: float | None
    AP50: float | None
    AP75: float | None
    AP_small: float | None
    AP_medium: float | None
    AP_large: float | None
    per_class: dict[int, dict[str, float | None]]


def coco_truth(truths: Sequence, num_classes: int) -> dict:
    """COCO's ground-truth dictionary; images are numbered from 1 in order."""
    annotations: list[dict] = []
    for image, truth in enumerate(truths, start=1):
        for box, label, crowd in zip(truth.boxes.astype(float), truth.labels, ignored(truth), strict=True):
            x1, y1, x2, y2 = box.tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(label),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": int(crowd),
                }
            )
    return {
        "images": [{"id": i, "height": t.height, "width": t.width} for i, t in enumerate(truths, start=1)],
        "categories": [{"id": label, "name": str(label)} for label in range(1, num_classes + 1)],
        "annotations": annotations,
    }


def coco_results(detections: Sequence, image_ids: Sequence | None = None) -> list[dict]:
    """Detections as COCO's results list, ready for JSON.

    Parameters
    ----------
    detections : for each image, what has `boxes` (D, 4), `labels` (D,) and `scores` (D,)
    image_ids : of the images; 1, 2, … if absent

    Returns
    -------
    list of {"image_id", "category_id", "bbox": [x, y, width, height], "score"}
    """
    results = []
    for image_id, found in zip(image_ids or range(1, len(detections) + 1), detections, strict=True):
        for box, label, score in zip(found.boxes.astype(float), found.labels, found.scores, strict=True):
            x1, y1, x2, y2 = box.tolist()
            results.append(
                {
                    "image_id": image_id,
                    "category_id": int(label),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": float(score),
                }
            )
    return results


def coco_ap(detections: Sequence, truths: Sequence, num_classes: int) -> CocoAP:
    """Run COCO's evaluation. Without a single detection, every class that has true boxes scores 0."""
    results = coco_results(detections)
    precision = _run(results, truths, num_classes) if results else _nothing_found(truths, num_classes)
    every = precision[:, :, :, 0]
    return CocoAP(
        AP=_mean(every),
        AP50=_mean(every[IOU50]),
        AP75=_mean(every[IOU75]),
        AP_small=_mean(precision[:, :, :, 1]),
        AP_medium=_mean(precision[:, :, :, 2]),
        AP_large=_mean(precision[:, :, :, 3]),
        per_class={
            k + 1: {
                "AP": _mean(every[:, :, k]),
                "AP50": _mean(every[IOU50, :, k]),
                "AP75": _mean(every[IOU75, :, k]),
            }
            for k in range(num_classes)
        },
    )


def _run(results: list[dict], truths: Sequence, num_classes: int) -> np.ndarray:
    """Precision by IoU, recall, class and size, -1 where there is no truth, with COCO's 100 detections an image."""
    ground_truth = COCO(coco_truth(truths, num_classes))
    run = COCOeval_faster(ground_truth, ground_truth.loadRes(results), "bbox")
    run.evaluate()
    run.accumulate()
    return np.asarray(run.eval["precision"])[:, :, :, :, -1]


def _nothing_found(truths: Sequence, num_classes: int) -> np.ndarray:
    """The same without a single detection, which the library's older versions refuse: 0 where there is truth."""
    precision = np.full((10, 1, num_classes, len(SIZES)), -1.0)
    for truth in truths:
        counted = ~ignored(truth)
        for area, label in zip(areas(truth.boxes)[counted], truth.labels[counted], strict=True):
            for size, (least, most) in enumerate(SIZES):
                if least <= area <= most:
                    precision[:, :, label - 1, size] = 0.0
    return precision


def _mean(precision: np.ndarray) -> float | None:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else None
