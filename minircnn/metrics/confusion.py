"""What is taken for what: true class against said class, background included.

One matching of detections to true boxes serves the table here and the pictures of `examples.py`.
"""

from collections.abc import Sequence

import numpy as np

from minircnn.boxes import iou_matrix
from minircnn.metrics.inputs import Found, Truth, ignored

SHOWN_SCORE = 0.5  # a detection below this is not shown in pictures, and counts as not said
MATCHED_IOU = 0.5  # from which a detection is of a true box
NOTHING = -1  # stands for the box that is not there, in a false alarm or a miss


def confusion_matrix(detections: Sequence, truths: Sequence, num_classes: int) -> np.ndarray:
    """Count pairs of true and said class, matched as in `match_image`.

    Returns
    -------
    (K+1, K+1) int64, [true, said]; row 0 counts false alarms, column 0 what was missed
    """
    matrix = np.zeros((num_classes + 1, num_classes + 1), np.int64)
    for found, truth in zip(detections, truths, strict=True):
        for d, t in match_image(found, truth):
            true_label = 0 if t == NOTHING else truth.labels[t]
            said_label = 0 if d == NOTHING else found.labels[d]
            matrix[true_label, said_label] += 1
    return matrix


def match_image(found: Found, truth: Truth) -> list[tuple[int, int]]:
    """Pair the detections of one image with its true boxes.

    Detections of at least SHOWN_SCORE are matched, best first, to the free true box they overlap most, whatever its
    class, if by at least MATCHED_IOU. Boxes to be ignored, and what matches them, count neither way.

    Returns
    -------
    (detection, truth) indices: detections best first, then what was missed; NOTHING for the partner that is not there
    """
    pairs = []
    passed_over = ignored(truth)
    free = np.ones(len(truth.labels), bool)
    kept = np.flatnonzero(found.scores >= SHOWN_SCORE)
    overlap = iou_matrix(found.boxes[kept], truth.boxes)
    for row in np.argsort(-found.scores[kept], kind="stable"):
        partner = NOTHING
        candidates = np.where(free, overlap[row], 0)
        if candidates.max(initial=0) >= MATCHED_IOU:
            partner = int(candidates.argmax())
            free[partner] = False
        if partner == NOTHING or not passed_over[partner]:
            pairs.append((int(kept[row]), partner))
    return pairs + [(NOTHING, int(t)) for t in np.flatnonzero(free & ~passed_over)]
