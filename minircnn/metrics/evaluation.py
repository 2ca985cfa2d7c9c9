"""A data set's measures: of each class, of all, and what they are made of.

Detections and truths are sequences over the same images; a detection has `boxes`, `labels` and `scores`, a truth
`boxes`, `labels`, `height` and `width` (a `Sample` will do). `detection/evaluate.py` brings them together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from minircnn.metrics.coco import CocoAP, coco_ap
from minircnn.metrics.confusion import SHOWN_SCORE, confusion_matrix
from minircnn.metrics.voc import Point, all_classes, average_precision, best_point, precision_recall


@dataclass(frozen=True)
class ClassMeasures:
    """One class; a figure is None where the class has no true box.

    Attributes
    ----------
    name : str
    truths, detections : int, how many there are
    AP, AP50, AP75 : float or None, COCO's
    voc07, voc_area : float or None, Pascal VOC's AP at IoU 0.5: of eleven points, and the area under the curve
    recall, precision : (D,) float64, curves at IoU 0.5 down the scores
    shown : how many of the D score enough to be shown in pictures
    best : the place on the curves with the best F1; None where nothing is right
    """

    name: str
    truths: int
    detections: int
    AP: float | None
    AP50: float | None
    AP75: float | None
    voc07: float | None
    voc_area: float | None
    recall: np.ndarray
    precision: np.ndarray
    shown: int
    best: Point | None


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured on one data set.

    Attributes
    ----------
    images : int
    coco : CocoAP, means over classes and sizes
    classes : one ClassMeasures for each of the K classes
    confusion : (K+1, K+1) int, rows the truth, columns what was said, index 0 background
    best : the one score for all classes with the best F1 at IoU 0.5; None where nothing is right
    """

    images: int
    coco: CocoAP
    classes: tuple[ClassMeasures, ...]
    confusion: np.ndarray
    best: Point | None = None

    def as_metrics(self) -> dict:
        """JSON-ready; None where there was nothing to measure."""
        return {
            "mAP50": self.coco.AP50,
            "mAP75": self.coco.AP75,
            "AP": self.coco.AP,
            "AP_small": self.coco.AP_small,
            "AP_medium": self.coco.AP_medium,
            "AP_large": self.coco.AP_large,
            "voc07_mAP": _mean(row.voc07 for row in self.classes),
            "voc_area_mAP": _mean(row.voc_area for row in self.classes),
            "per_class": {
                row.name: {
                    "AP50": row.AP50,
                    "AP75": row.AP75,
                    "AP": row.AP,
                    "voc07": row.voc07,
                    "voc_area": row.voc_area,
                    "truths": row.truths,
                    "detections": row.detections,
                    "best": row.best and asdict(row.best),
                }
                for row in self.classes
            },
            "best": self.best and asdict(self.best) | {"f1": self.best.f1},
            "images": self.images,
        }


def evaluate_detections(detections: Sequence, truths: Sequence, class_names: Sequence[str]) -> Evaluation:
    """Measure the detections of every image against its truth, class by class and together.

    Parameters
    ----------
    detections : for each image, what has `boxes` (D, 4), `labels` (D,) and `scores` (D,), as `Detections`
    truths : for each image in the same order, what has `boxes` (G, 4), `labels` (G,), `height` and `width`, as `Sample`
    class_names : of labels 1..K

    Returns
    -------
    Evaluation
    """
    coco = coco_ap(detections, truths, len(class_names))
    rows, curves = [], []
    for label, name in enumerate(class_names, start=1):
        curve = precision_recall(detections, truths, label)
        counted = curve.truths > 0
        curves.append(curve)
        rows.append(
            ClassMeasures(
                name=name,
                truths=curve.truths,
                detections=len(curve.scores),
                AP=coco.per_class[label]["AP"],
                AP50=coco.per_class[label]["AP50"],
                AP75=coco.per_class[label]["AP75"],
                voc07=average_precision(curve.recall, curve.precision, eleven_points=True) if counted else None,
                voc_area=average_precision(curve.recall, curve.precision, eleven_points=False) if counted else None,
                recall=curve.recall,
                precision=curve.precision,
                shown=int((curve.scores >= SHOWN_SCORE).sum()),
                best=best_point(curve),
            )
        )
    confusion = confusion_matrix(detections, truths, len(class_names))
    return Evaluation(len(truths), coco, tuple(rows), confusion, best_point(all_classes(curves)))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
