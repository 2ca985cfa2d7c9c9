"""What do thinner fully connected layers cost, and what do they save? (Fast R-CNN, sections 3.1 and 4.4)"""

from minircnn.detection.evaluate import time_parts
from minircnn.models import FastRCNN
from minircnn.tasks.studies.lab import Lab
from minircnn.tasks.studies.study import Expected, Rows, Study, collect
from minircnn.weights.svd import compress

RANKS = (64, 32, 16, 8, 4)  # of fc6 and of fc7, which are 256 wide
WHOLE = 256


def measure(lab: Lab) -> Rows:
    """One detector, compressed ever more; nothing is learned afterwards."""

    def of(model: FastRCNN, rank: int) -> dict[str, float]:
        times = time_parts(model, lab.test, seconds=4.0)
        return {"rank": float(rank)} | lab.measure(model) | {"network ms": times["network"]}

    def of_seed(seed: int) -> dict[str, dict[str, float]]:
        model = lab.trained("baseline", seed).model
        thinner = {f"rank {rank}": of(compress(model, rank, rank)[0], rank) for rank in RANKS}
        return {"whole": of(model, WHOLE)} | thinner

    return collect(lab.seeds, of_seed)


STUDY = Study(
    question="How thin may fc6 and fc7 be?",
    published="VOC07, VGG16, 1024 of 4096 and 256 of 4096 singular values: 66.9 becomes 66.6, 320 ms become 223 "
    "(Fast R-CNN, table 4 and figure 2)",
    measure=measure,
    expected=(Expected("rank 64", "rank 4"), Expected("whole", "rank 16", "network ms")),
    shown=("mAP50", "mAP75"),
    along="rank",
)
