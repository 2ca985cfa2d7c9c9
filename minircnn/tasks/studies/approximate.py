"""What does approximate joint training lose? What the head's losses say of where the proposals are.

RoIAlign has a slope in a region's coordinates, so here the way back can be carried to the end (Ren et al., Faster
R-CNN, 2015, section 3.2, leave it out: with RoI pooling there is none).
"""

import numpy as np

from minircnn.models import FasterRCNN
from minircnn.tasks.studies.lab import Lab
from minircnn.tasks.studies.study import Expected, Rows, Study, collect

APPROXIMATE, WHOLE = "approximate", "with the coordinates' gradient"
TIMES = 2  # the epochs of other studies: the anchors have to learn from nothing


class Whole(FasterRCNN):
    """Faster R-CNN that adds to its anchors' offsets what the head says of where the regions are."""

    def backward(
        self,
        dcls_score: np.ndarray | None = None,
        dbbox_pred: np.ndarray | None = None,
        drpn_cls: np.ndarray | None = None,
        drpn_bbox: np.ndarray | None = None,
    ) -> None:
        """As `FasterRCNN.backward`, with `dropped_gradient` in it."""
        if dcls_score is None or dbbox_pred is None or drpn_cls is None or drpn_bbox is None:
            dcls_score, dbbox_pred, drpn_cls, drpn_bbox = self.kept_gradients()
        self.dpooled = self.head.backward(dcls_score, dbbox_pred)
        dropped = self.dropped_gradient()
        assert dropped is not None
        super().backward(dcls_score, dbbox_pred, drpn_cls, drpn_bbox + dropped.astype(drpn_bbox.dtype))


def measure(lab: Lab) -> Rows:
    """Two trainings that differ in one addition."""

    def of_seed(seed: int) -> dict[str, dict[str, float]]:
        found = {}
        for row, name, kind in ((APPROXIMATE, "approximate", None), (WHOLE, "whole", Whole)):
            trained = lab.trained(name, seed, kind, model="faster", times=TIMES)
            found[row] = lab.measure(trained.model, searches=False)
        return found

    return collect(lab.seeds, of_seed)


STUDY = Study(
    question="What does approximate joint training lose?",
    published="no figures: approximate joint training comes close to alternating (VOC07, VGG16: 69.9; around 70 in "
    "others' runs of joint training) with 25 to 50 % less training time, and that the rest needs a pooling that is "
    "differentiable in the coordinates is said there (Faster R-CNN, section 3.2)",
    measure=measure,
    expected=(Expected(WHOLE, APPROXIMATE),),
    shown=("mAP50", "mAP75"),
)
