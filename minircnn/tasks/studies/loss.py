"""Why smooth-L1 and not L2? Its pull has a limit, however wrong a box is (Fast R-CNN, section 2.3)."""

import numpy as np

from minircnn.base.errors import NotFinite
from minircnn.models import FastRCNN
from minircnn.models.batch import Drawn
from minircnn.tasks.studies.lab import Lab
from minircnn.tasks.studies.study import Expected, Rows, Study, collect

SMOOTH, L2, L1 = "smooth-L1", "L2", "L1"
FAST = ", fivefold rate"
RATE = 0.1  # five times what suits the backbone


def differences(bbox_pred: np.ndarray, drawn: Drawn) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Where the four offsets of each region's own class stand in bbox_pred, and how far they are off, (F, 4)."""
    rows = np.flatnonzero(drawn.labels > 0)
    columns = 4 * drawn.labels[rows, None] + np.arange(4)
    where = rows[:, None], columns
    return where, bbox_pred[where] - drawn.targets[rows]


class Squared(FastRCNN):
    """Fast R-CNN with ½ d²: twice as wrong pulls twice as hard."""

    def box_loss(self, bbox_pred: np.ndarray, drawn: Drawn) -> tuple[float, np.ndarray]:
        """½ Σ d² / R, and d / R."""
        where, d = differences(bbox_pred, drawn)
        gradient, R = np.zeros_like(bbox_pred), max(1, len(bbox_pred))
        gradient[where] = d / R
        return float(0.5 * (d**2).sum() / R), gradient


class Absolute(FastRCNN):
    """Fast R-CNN with |d|: the pull is the same up to the very end."""

    def box_loss(self, bbox_pred: np.ndarray, drawn: Drawn) -> tuple[float, np.ndarray]:
        """Σ |d| / R, and the sign of d / R."""
        where, d = differences(bbox_pred, drawn)
        gradient, R = np.zeros_like(bbox_pred), max(1, len(bbox_pred))
        gradient[where] = np.sign(d) / R
        return float(np.abs(d).sum() / R), gradient


VARIANTS: dict[str, tuple[str, type[FastRCNN] | None, float | None]] = {
    SMOOTH: ("baseline", None, None),
    L2: ("l2", Squared, None),
    L1: ("l1", Absolute, None),
    SMOOTH + FAST: ("smooth-l1-fast", None, RATE),
    L2 + FAST: ("l2-fast", Squared, RATE),
}


def measure(lab: Lab) -> Rows:
    """The same training with another box loss; one that diverges finds nothing."""

    def of_seed(seed: int) -> dict[str, dict[str, float]]:
        found = {}
        for row, (name, kind, lr) in VARIANTS.items():
            try:
                found[row] = lab.measure(lab.trained(name, seed, kind, lr=lr).model)
            except NotFinite:
                found[row] = {"mAP50": 0.0, "mAP75": 0.0, "AP": 0.0}
        return found

    return collect(lab.seeds, of_seed)


STUDY = Study(
    question="Why smooth-L1?",
    published='no figures: L2 "can require careful tuning of learning rates in order to prevent exploding gradients" '
    "(Fast R-CNN, section 2.3)",
    measure=measure,
    expected=(Expected(SMOOTH, L2), Expected(SMOOTH + FAST, L2 + FAST)),
    shown=("mAP50", "mAP75"),
)
