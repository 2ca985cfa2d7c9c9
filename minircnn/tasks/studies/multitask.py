"""Does learning where the box is help to learn what it holds? (Girshick, Fast R-CNN, 2015, section 5.1)"""

import numpy as np

from minircnn.models import FastRCNN
from minircnn.models.batch import Drawn
from minircnn.tasks.studies.lab import Lab
from minircnn.tasks.studies.study import Expected, Rows, Study, collect

ALONE, BOTH = "class loss alone", "both losses"
AS_PROPOSED, AFTERWARDS = "both losses, boxes as proposed", "class loss, then boxes"


class ClassAlone(FastRCNN):
    """Fast R-CNN without the loss that moves boxes."""

    def box_loss(self, bbox_pred: np.ndarray, drawn: Drawn) -> tuple[float, np.ndarray]:
        """None."""
        return 0.0, np.zeros_like(bbox_pred)


def unmoved(model: FastRCNN) -> FastRCNN:
    """The same detector, whose boxes stay where they were proposed."""
    for parameter in model.head.bbox_pred.parameters().values():
        parameter.value[...] = 0
    return model


def measure(lab: Lab) -> Rows:
    """Four ways to learn, and to test, one network."""

    def of_seed(seed: int) -> dict[str, dict[str, float]]:
        lab.trained("class-alone", seed, ClassAlone)
        start = lab.path("class-alone", seed)
        known = [name for name, layer in lab.trained("class-alone", seed).model.layers.items() if layer.parameters()]
        frozen = tuple(name for name in known if name != "bbox_pred")
        afterwards = lab.trained("boxes-afterwards", seed, weights=str(start), freeze=frozen)
        return {
            ALONE: lab.measure(unmoved(lab.trained("class-alone", seed).model)),
            AS_PROPOSED: lab.measure(unmoved(lab.trained("baseline", seed).model)),
            AFTERWARDS: lab.measure(afterwards.model),
            BOTH: lab.measure(lab.trained("baseline", seed).model),
        }

    return collect(lab.seeds, of_seed)


STUDY = Study(
    question="Do the two losses help each other?",
    published="VOC07, VGG16: class loss alone 62.6, both but boxes as proposed 63.4, boxes learned afterwards 64.0, "
    "both at once 66.9 (Fast R-CNN, table 6)",
    measure=measure,
    expected=(
        Expected(AS_PROPOSED, ALONE),
        Expected(AFTERWARDS, ALONE),
        Expected(BOTH, AFTERWARDS),
        Expected(BOTH, AS_PROPOSED, "mAP75"),
    ),
    shown=("mAP50", "mAP75"),
)
