"""Which layers should learn? SPPnet's stopped at the pooling (Girshick, Fast R-CNN, 2015, section 4.5)."""

from typing import Any

from minircnn.tasks.studies.lab import Lab
from minircnn.tasks.studies.study import Expected, Rows, Study, collect

FC6, CONV4, CONV3, ALL = "from fc6", "from conv4", "from conv3", "all"
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    FC6: ("from-fc6", {"freeze": ("backbone",)}),
    CONV4: ("from-conv4", {"frozen_blocks": 3}),
    CONV3: ("baseline", {}),
    ALL: ("all-layers", {"frozen_blocks": 0}),
}


def measure(lab: Lab) -> Rows:
    """The same training with more and more of the backbone in it."""

    def of_seed(seed: int) -> dict[str, dict[str, float]]:
        found = {}
        for row, (name, changes) in VARIANTS.items():
            trained = lab.trained(name, seed, **changes)
            found[row] = lab.measure(trained.model) | {"training s": trained.seconds}
        return found

    return collect(lab.seeds, of_seed)


STUDY = Study(
    question="Which layers should learn?",
    published="VOC07, VGG16: from fc6 61.4 (SPPnet's way), from conv3_1 66.9 (9.5 h), from conv2_1 67.2 (12.5 h) "
    "(Fast R-CNN, table 5)",
    measure=measure,
    expected=(Expected(CONV3, FC6), Expected(ALL, CONV3), Expected(ALL, FC6, "training s")),
)
