"""Which images to look at: where nothing is wrong and where most is, and what went wrong, in words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minircnn.boxes import iou_matrix
from minircnn.metrics.confusion import NOTHING, SHOWN_SCORE, match_image
from minircnn.metrics.inputs import Found, Truth

NEAR = 0.1  # IoU from which a wrong box was meant for a garment


@dataclass(frozen=True)
class Example:
    """One image of a data set, judged at a score of 0.5 and an IoU of 0.5.

    Attributes
    ----------
    image : int, its place in the data set
    right, wrong : indices of the detections that are shown
    missed : indices of the true boxes that no detection was matched to
    mistakes : int; a garment that was found askew is one, not a false alarm and a miss
    quality : float in [0, 1]; the IoUs of what is right, over the mean number of true and shown boxes
    caption : what went wrong, or how well all of it fits
    """

    image: int
    right: tuple[int, ...]
    wrong: tuple[int, ...]
    missed: tuple[int, ...]
    mistakes: int
    quality: float
    caption: str


def choose_examples(
    detections: Sequence, truths: Sequence, class_names: Sequence[str], count: int = 6
) -> tuple[list[Example], list[Example]]:
    """At most `count` images without a mistake, most garments first, and as many with the most mistakes."""
    judged = [judge_image(i, *pair, class_names) for i, pair in enumerate(zip(detections, truths, strict=True))]
    best = [row for row in judged if row.right and not row.mistakes]
    worst = [row for row in judged if row.mistakes]
    best.sort(key=lambda row: (-len(row.right), -row.quality))
    worst.sort(key=lambda row: (-row.mistakes, row.quality))
    return best[:count], worst[:count]


def judge_image(image: int, found: Found, truth: Truth, class_names: Sequence[str]) -> Example:
    """Say of every shown detection and every true box of one image whether it is right, and if not, why."""
    pairs = match_image(found, truth)
    overlap = iou_matrix(found.boxes, truth.boxes)
    right = tuple(d for d, t in pairs if NOTHING not in (d, t) and found.labels[d] == truth.labels[t])
    wrong = tuple(d for d, _ in pairs if d != NOTHING and d not in right)
    missed = tuple(t for d, t in pairs if d == NOTHING)
    partner = {d: t for d, t in pairs if d != NOTHING}
    words: Counter[str] = Counter()
    explained: set[int] = set()
    for d in wrong:
        said = class_names[found.labels[d] - 1]
        if partner[d] != NOTHING:
            words[f"{class_names[truth.labels[partner[d]] - 1]} taken for {said}"] += 1
            continue
        same = [t for t in range(len(truth.labels)) if truth.labels[t] == found.labels[d] and overlap[d, t] >= NEAR]
        near = max(same, key=lambda t: overlap[d, t], default=NOTHING)
        if near in missed and near not in explained:
            explained.add(near)
            words[f"{said} found askew, IoU {overlap[d, near]:.2f}"] += 1
        elif near != NOTHING and overlap[d, near] >= 0.5:
            words[f"{said} found twice"] += 1
        else:
            words[f"{said} where there is none"] += 1
    for t in missed:
        if t not in explained:
            words[_miss(t, found, truth, overlap, class_names)] += 1
    fit = [float(overlap[d, partner[d]]) for d in right]
    quality = 2 * sum(fit) / max(1, len(right) + len(wrong) + len(truth.labels))
    caption = "; ".join(text if times == 1 else f"{times} × {text}" for text, times in words.items())
    if not words:
        caption = f"all {len(fit)} right, mean IoU {sum(fit) / len(fit):.2f}" if fit else "nothing there, nothing said"
    return Example(image, right, wrong, missed, words.total(), quality, caption)


def _miss(t: int, found: Found, truth: Truth, overlap: np.ndarray, class_names: Sequence[str]) -> str:
    """A miss in words: a box of the right class and place may be there, below the score that is shown."""
    name = class_names[truth.labels[t] - 1]
    weak = (found.labels == truth.labels[t]) & (overlap[:, t] >= 0.5) & (found.scores < SHOWN_SCORE)
    return f"{name} missed, scored only {found.scores[weak].max():.2f}" if weak.any() else f"{name} missed"
