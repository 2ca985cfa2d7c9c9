"""What suits the small Faster R-CNN: its anchors, and the table of docs/training.md.

`python tests/tools/faster.py FOLDER` writes the demo's scenes there and prints, for several sets of scales, how many
garments have an anchor near them: seconds. `--train` trains the table's three recipes as the demo does, and measures
them on its test scenes: some half an hour on two cores.
"""

import argparse
import contextlib
from dataclasses import replace
from pathlib import Path

from minircnn.anchors import anchor_grid, inside
from minircnn.data import open_samples
from minircnn.detection.evaluate import evaluate_model, own_proposals
from minircnn.fashion import write_scenes
from minircnn.models import vgg_small
from minircnn.proposals import proposal_recall
from minircnn.targets import SamplingSettings
from minircnn.tasks.demo import FULL
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.train import Training
from minircnn.training.warm_up import warm_up
from minircnn.weights.model_file import load_model

SCALES = ((8, 16, 32), (2, 4, 8), (2, 3, 4), (2.25, 3.25, 4.5), (2, 3, 4.5), (2.5, 4, 6))
MANY = replace(vgg_small().rpn, train_before=12_000, train_after=2_000)
FEW_ROIS = SamplingSettings(background_iou_low=0.0)  # 64 of an image
RECIPES = {
    "RoI pooling, 64 RoIs, 2,000 proposals": {"pooling": "pool", "rpn": MANY, "sampling": FEW_ROIS},
    "RoIAlign, 64 RoIs, 2,000 proposals": {"rpn": MANY, "sampling": FEW_ROIS},
    "RoIAlign, 128 RoIs, 400 proposals": {},
}


def reach(scenes: Path, scales: tuple[float, ...]) -> dict[float, float]:
    """Share of the training garments that an anchor of these scales overlaps by half, and by 0.7."""
    architecture = vgg_small()
    settings = replace(architecture.rpn, scales=scales)
    found = []
    for sample in open_samples(scenes, "train"):
        height, width = architecture.preprocessing.input_size(sample.height, sample.width)
        anchors = anchor_grid(
            height // architecture.stride, width // architecture.stride, architecture.stride, settings
        )
        anchors = anchors[inside(anchors, height, width, settings.border)]
        scale = architecture.preprocessing.image_scale(sample.height, sample.width)
        found.append((anchors, sample.learned()[0] * scale))
    return proposal_recall(found)


def measure(name: str, folder: Path, given: dict) -> str:
    """A row of the table."""
    settings = TrainSettings(data=str(folder / "scenes"), model="faster", epochs=FULL.epochs, **given)
    training = Training.start(RunFolder(folder / name.replace(", ", "-").replace(" ", "-")), settings)
    training.run()
    model, test = load_model(training.folder.best), open_samples(folder / "scenes", "test")
    found = evaluate_model(model, test)[0].as_metrics()
    proposed = own_proposals(model)
    recall = proposal_recall((proposed(sample), sample.learned()[0]) for sample in test)
    return (
        f"{name:40} mAP50 {found['mAP50']:.3f}   mAP75 {found['mAP75']:.3f}   "
        f"recall {recall[0.5]:.3f}, {recall[0.7]:.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for scenes and runs")
    parser.add_argument("--train", action="store_true", help="the table's recipes as well")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    write_scenes(given.folder / "scenes", FULL.train, FULL.validation, test=FULL.test)
    for scales in SCALES:
        share = reach(given.folder / "scenes", scales)
        print(f"scales {scales!s:18} garments with an anchor of IoU 0.5: {share[0.5]:.3f}, of 0.7: {share[0.7]:.3f}")
    if given.train:
        warm_up(lambda *_: None)
        for name, changes in RECIPES.items():
            print(measure(name, given.folder, changes), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
