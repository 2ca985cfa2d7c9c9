"""What should be kept of a bin: its maximum, its mean, or what is interpolated without rounding?"""

from minircnn.tasks.studies.lab import Lab
from minircnn.tasks.studies.study import Expected, Rows, Study, collect

POOL, ALIGN, AVERAGE = "RoI pooling", "RoIAlign", "average of the same bins"
VARIANTS = {POOL: ("baseline", "pool"), ALIGN: ("align", "align"), AVERAGE: ("average", "average")}


def measure(lab: Lab) -> Rows:
    """The same training with another layer between the features and fc6."""

    def of_seed(seed: int) -> dict[str, dict[str, float]]:
        return {
            row: lab.measure(lab.trained(name, seed, pooling=pooling).model)
            for row, (name, pooling) in VARIANTS.items()
        }

    return collect(lab.seeds, of_seed)


STUDY = Study(
    question="What should be kept of a bin?",
    published="COCO, ResNet-50-C4: RoIAlign gains about 3 points of mask AP on RoI pooling and about 5 at an IoU of "
    "0.75; maximum or mean of its samples makes hardly a difference (Mask R-CNN, 2017, table 2c)",
    measure=measure,
    expected=(Expected(ALIGN, POOL, "mAP75"), Expected(ALIGN, POOL, "mAP50")),
    shown=("mAP75", "mAP50"),
)
