"""What does approximate joint training lose? What the head's losses say of where the proposals are.

RoIAlign has a slope in a region's coordinates, so here the way back can be carried to the end (Ren et al., Faster
R-CNN, 2015, section 3.2, leave it out: with RoI pooling there is none).
"""

import numpy as np

from minircnn.models import FasterRCNN, FastRCNN
from minircnn.models.trace import norm_of
from minircnn.targets import OffsetStatistics
from minircnn.tasks.studies.lab import Lab
from minircnn.tasks.studies.study import Expected, Rows, Study, collect
from minircnn.training.steps import DetectorSteps

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


def how_large(lab: Lab, model: FastRCNN) -> float:
    """The norm of what was dropped, over that of what the anchors' offsets hear from their own loss, on one batch."""
    assert isinstance(model, FasterRCNN)
    model.restate_offsets(OffsetStatistics.usual(model.num_classes))  # as it learns
    data = lab.data("faster")
    settings = lab.settings(0, model="faster").resolve(len(data.train))
    model.train()
    model.losses(DetectorSteps(model, data.train, None, settings).next_batch())
    *_, own = gradients = model.kept_gradients()
    model.backward(*gradients)
    dropped = model.dropped_gradient()
    assert dropped is not None
    return norm_of(dropped) / max(norm_of(own), 1e-12)


def measure(lab: Lab) -> Rows:
    """Two trainings that differ in one addition."""

    def of_seed(seed: int) -> dict[str, dict[str, float]]:
        found = {}
        for row, name, kind in ((APPROXIMATE, "approximate", None), (WHOLE, "whole", Whole)):
            trained = lab.trained(name, seed, kind, model="faster", times=TIMES)
            found[row] = lab.measure(trained.model, searches=False) | {"dropped/own": how_large(lab, trained.model)}
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
