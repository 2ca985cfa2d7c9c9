"""What is taken for what: true class against said class, background included."""

from collections.abc import Sequence

import numpy as np

from minircnn.boxes import iou_matrix


def confusion_matrix(
    detections: Sequence, truths: Sequence, num_classes: int, score: float = 0.5, iou: float = 0.5
) -> np.ndarray:
    """Count pairs of true and said class.

    Detections of at least `score` are matched, best first, to the true box they overlap most, whatever its class, if
    by at least `iou` and if it is free. Row 0 counts false alarms, column 0 what was missed.

    Returns
    -------
    (K+1, K+1) int64, [true, said]
    """
    matrix = np.zeros((num_classes + 1, num_classes + 1), np.int64)
    for found, truth in zip(detections, truths, strict=True):
        for true_label, said_label in match_image(found, truth, score, iou):
            matrix[true_label, said_label] += 1
    return matrix


def match_image(found, truth, score: float, iou: float) -> list[tuple[int, int]]:
    """(true label, said label) of every match, false alarm (0, said) and miss (true, 0) of one image."""
    pairs = []
    free = np.ones(len(truth.labels), bool)
    kept = np.flatnonzero(found.scores >= score)
    overlap = iou_matrix(found.boxes[kept], truth.boxes)
    for row in np.argsort(-found.scores[kept], kind="stable"):
        candidates = np.where(free, overlap[row], 0)
        best = int(candidates.argmax()) if len(candidates) else -1
        said = int(found.labels[kept[row]])
        if best >= 0 and candidates[best] >= iou:
            free[best] = False
            pairs.append((int(truth.labels[best]), said))
        else:
            pairs.append((0, said))
    pairs += [(int(label), 0) for label in truth.labels[free]]
    return pairs
