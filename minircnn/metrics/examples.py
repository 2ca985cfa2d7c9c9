"""Which images to look at: where nothing is wrong and where most is, and what went wrong.

The report shows them (`report/pictures.py`); the matching is `confusion.py`'s.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minircnn.boxes import iou_matrix
from minircnn.metrics.confusion import NOTHING, SHOWN_SCORE, match_image
from minircnn.metrics.inputs import Found, Truth

Reason = tuple[str, tuple[tuple[str, str], ...]]  # a kind, which report/words.json puts in words, and its places
NEAR = 0.1  # IoU from which a wrong box was meant for an object


@dataclass(frozen=True)
class Example:
    """One image of a data set, judged at a score of 0.5 and an IoU of 0.5.

    Attributes
    ----------
    image : int, its place in the data set
    right, wrong : indices of the detections that are shown
    missed : indices of the true boxes that no detection was matched to
    mistakes : int; an object that was found askew is one, not a false alarm and a miss
    quality : float in [0, 1]; the IoUs of what is right, over the mean number of true and shown boxes
    reasons : what went wrong and how often, or how well all of it fits
    """

    image: int
    right: tuple[int, ...]
    wrong: tuple[int, ...]
    missed: tuple[int, ...]
    mistakes: int
    quality: float
    reasons: tuple[tuple[Reason, int], ...]


def choose_examples(
    detections: Sequence, truths: Sequence, class_names: Sequence[str], count: int = 6
) -> tuple[list[Example], list[Example]]:
    """At most `count` images without a mistake, most objects first, and as many with the most mistakes."""
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
    words: Counter[Reason] = Counter()
    explained: set[int] = set()
    for d in wrong:
        said = class_names[found.labels[d] - 1]
        if partner[d] != NOTHING:
            words[_reason("taken", one=class_names[truth.labels[partner[d]] - 1], other=said)] += 1
            continue
        same = [t for t in range(len(truth.labels)) if truth.labels[t] == found.labels[d] and overlap[d, t] >= NEAR]
        near = max(same, key=lambda t: overlap[d, t], default=NOTHING)
        if near in missed and near not in explained:
            explained.add(near)
            words[_reason("askew", one=said, figure=f"{overlap[d, near]:.2f}")] += 1
        elif near != NOTHING and overlap[d, near] >= 0.5:
            words[_reason("twice", one=said)] += 1
        else:
            words[_reason("false", one=said)] += 1
    for t in missed:
        if t not in explained:
            words[_miss(t, found, truth, overlap, class_names)] += 1
    fit = [float(overlap[d, partner[d]]) for d in right]
    quality = 2 * sum(fit) / max(1, len(right) + len(wrong) + len(truth.labels))
    mistakes = words.total()
    if not mistakes:
        well = _reason("right", count=f"{len(fit)}", figure=f"{sum(fit) / len(fit):.2f}") if fit else _reason("nothing")
        words[well] += 1
    return Example(image, right, wrong, missed, mistakes, quality, tuple(words.items()))


def _reason(kind: str, **places: str) -> Reason:
    return kind, tuple(places.items())


def _miss(t: int, found: Found, truth: Truth, overlap: np.ndarray, class_names: Sequence[str]) -> Reason:
    """A miss: a box of the right class and place may be there, below the score that is shown."""
    name = class_names[truth.labels[t] - 1]
    weak = (found.labels == truth.labels[t]) & (overlap[:, t] >= 0.5) & (found.scores < SHOWN_SCORE)
    if not weak.any():
        return _reason("missed", one=name)
    return _reason("weak", one=name, figure=f"{found.scores[weak].max():.2f}")
