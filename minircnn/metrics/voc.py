"""Pascal VOC's measure: precision against recall at one IoU, and the average precision taken from it.

The rules are VOC2007's: detections are matched best score first, each to the true box of its class that it overlaps
most; it counts as right when that overlap is 0.5 or more, as the devkit compares, and the box is not taken yet. Areas
count the last pixel (+1).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minircnn.metrics.inputs import ignored


@dataclass(frozen=True)
class Curve:
    """Down the scores of one class over all images.

    Attributes
    ----------
    recall, precision, scores : (D,) float64, best score first
    truths : number of true boxes, difficult ones left out
    """

    recall: np.ndarray
    precision: np.ndarray
    scores: np.ndarray
    truths: int


def precision_recall(detections: Sequence, truths: Sequence, label: int, threshold: float = 0.5) -> Curve:
    """The curve of class `label`. A match to a box to `ignore`, VOC's difficult ones, counts neither way."""
    count = 0
    scores, right, counted = [np.zeros(0)], [np.zeros(0, bool)], [np.zeros(0, bool)]
    for found, truth in zip(detections, truths, strict=True):
        own, own_truth = found.labels == label, truth.labels == label
        difficult = ignored(truth)[own_truth]
        count += int((~difficult).sum())
        hits, counts = _match(found.boxes[own], found.scores[own], truth.boxes[own_truth], difficult, threshold)
        scores.append(found.scores[own].astype(np.float64))
        right.append(hits)
        counted.append(counts)
    all_scores, all_right, all_counted = (np.concatenate(part) for part in (scores, right, counted))
    order = np.argsort(-all_scores, kind="stable")
    order = order[all_counted[order]]
    hits = np.cumsum(all_right[order])
    seen = np.arange(1, len(order) + 1)
    return Curve(hits / max(count, 1), hits / seen, all_scores[order], count)


@dataclass(frozen=True)
class Point:
    """One place on a curve: showing only what scores at least `score` gives this precision and this recall."""

    score: float
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.precision * self.recall / max(self.precision + self.recall, 1e-12)


def best_point(curve: Curve) -> Point | None:
    """Where precision and recall are best together (F1), the surest such place; None where nothing is right.

    Detections of equal score come together, so only a score's last one is a place.
    """
    last = np.append(np.diff(curve.scores) != 0, True)[: len(curve.scores)]
    places = [Point(*map(float, row)) for row in zip(
        curve.scores[last], curve.precision[last], curve.recall[last], strict=True
    )]  # fmt: skip
    best = max(places, key=lambda place: place.f1, default=None)
    return best if best is not None and best.f1 > 0 else None


def all_classes(curves: Sequence[Curve]) -> Curve:
    """The detections and true boxes of several classes in one curve: what one score for all of them gives."""
    count = sum(curve.truths for curve in curves)
    right = [np.diff(np.rint(curve.recall * max(curve.truths, 1)), prepend=0) for curve in curves]
    scores = np.concatenate([np.zeros(0), *(curve.scores for curve in curves)])
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(np.concatenate([np.zeros(0), *right])[order])
    return Curve(hits / max(count, 1), hits / np.arange(1, len(order) + 1), scores[order], count)


def _match(
    boxes: np.ndarray, scores: np.ndarray, truth: np.ndarray, difficult: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """For one image and class: which detections are right, and which count at all; both (D,) bool."""
    right, counts = np.zeros(len(boxes), bool), np.ones(len(boxes), bool)
    if len(truth) == 0:
        return right, counts
    overlap = iou_with_last_pixel(boxes, truth)
    taken = np.zeros(len(truth), bool)
    for d in np.argsort(-scores, kind="stable"):
        best = overlap[d].argmax()
        if overlap[d, best] < threshold:
            continue
        if difficult[best]:
            counts[d] = False
        elif not taken[best]:
            taken[best] = right[d] = True
    return right, counts


def iou_with_last_pixel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of (A, 4) with (B, 4) where x2 and y2 name the last pixel, so that width = x2 - x1 + 1."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    corner1 = np.maximum(a[:, None, :2], b[None, :, :2])
    corner2 = np.minimum(a[:, None, 2:], b[None, :, 2:])
    intersection = np.prod(np.maximum(corner2 - corner1 + 1, 0), axis=2)
    area_a, area_b = (np.prod(boxes[:, 2:] - boxes[:, :2] + 1, axis=1) for boxes in (a, b))
    return intersection / (area_a[:, None] + area_b[None, :] - intersection)


def average_precision(recall: np.ndarray, precision: np.ndarray, eleven_points: bool) -> float:
    """Area under the curve after precision is made to fall: 11 points (VOC2007) or every step (VOC2010 on).

    Both (D,), recall rising. With 11 points, the mean of the best precision at a recall of at least 0, 0.1, … 1.
    """
    if len(recall) == 0:
        return 0.0
    if eleven_points:
        # k/10 in one division is the float nearest to it, as hits/truths is; adding 0.1 up would pass 0.3 by an ulp
        points = [precision[recall >= k / 10].max(initial=0) for k in range(11)]
        return float(np.mean(points))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(recall, prepend=0.0)
    return float((steps * envelope).sum())
