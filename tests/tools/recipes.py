"""Training recipes for the small network at equal time: the table of docs/training.md.

`python tests/tools/recipes.py FOLDER [--seconds 90]` writes 2400 training and 400 validation scenes there, trains each
recipe for that long with the whole schedule laid over its steps, and measures it on the validation scenes. Some half an
hour on two cores. Nothing here is the project's own way of training: what was chosen stands in
`minircnn/training/settings.py`.
"""

import argparse
import contextlib
import time
from dataclasses import dataclass, replace
from pathlib import Path

from minircnn.detection.evaluate import evaluate_model
from minircnn.fashion import write_scenes
from minircnn.targets import SamplingSettings
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.train import Training
from minircnn.training.warm_up import warm_up

SCENES, HELD_OUT = 2400, 400
MEASURED = (15, 40)  # steps to warm up, and to measure a recipe's speed by


@dataclass(frozen=True)
class Recipe:
    """What is varied; `frozen` counts blocks of convolutions that stay as pretrained."""

    name: str
    lr: float = 0.01
    images: int = 2
    rois: int = 64
    foreground: float = 0.25
    background_low: float = 0.1
    frozen: int = 0
    side: int = 160
    sigma: float = 1.0
    weights: str | None = None


RECIPES = (
    Recipe("all learns"),
    Recipe("all learns, 128 RoIs an image", rois=128),
    Recipe("all learns, 128 RoIs, background from IoU 0 on", rois=128, background_low=0.0),
    Recipe("blocks 1, 2 frozen", frozen=2),
    Recipe("blocks 1, 2 frozen, 128 RoIs, rate 0.02", frozen=2, rois=128, lr=0.02),
    Recipe("blocks 1, 2 frozen, 128 RoIs, one image, rate 0.02", frozen=2, rois=128, lr=0.02, images=1),
    Recipe("blocks 1, 2 frozen, 128 RoIs, 224 px", frozen=2, rois=128, side=224),
    Recipe("blocks 1, 2 frozen, 128 RoIs, half foreground", frozen=2, rois=128, foreground=0.5),
    Recipe("blocks 1, 2 frozen, half foreground", frozen=2, foreground=0.5),
    Recipe("blocks 1, 2 frozen, half foreground, sigma 3", frozen=2, foreground=0.5, sigma=3.0),
    Recipe("blocks 1, 2 frozen, half fg., sigma 3, rate 0.02", frozen=2, foreground=0.5, sigma=3.0, lr=0.02),
    Recipe("blocks 1, 2 frozen, four images, rate 0.02", frozen=2, images=4, lr=0.02),
    Recipe("blocks 1 to 3 frozen, 128 RoIs", frozen=3, rois=128),
    Recipe("blocks 1 to 3 frozen, half foreground, sigma 3", frozen=3, foreground=0.5, sigma=3.0),
    Recipe("blocks 1 to 3 frozen, rate 0.005", frozen=3, lr=0.005),
    Recipe("blocks 1 to 3 frozen, four images, rate 0.02", frozen=3, images=4, lr=0.02),
    Recipe("blocks 1 to 3 frozen, eight images, rate 0.03", frozen=3, images=8, lr=0.03),
)


def begin(recipe: Recipe, work: Path, epochs: float) -> Training:
    """A run in a folder of its own, with the recipe in the place of the defaults."""
    run = work / f"run-{time.monotonic_ns()}"
    training = Training.start(
        RunFolder(run),
        TrainSettings(
            data=str(work / "scenes"),
            epochs=epochs,
            lr=recipe.lr,
            images_per_step=recipe.images,
            frozen_blocks=recipe.frozen,
            weights=recipe.weights,
            sigma=recipe.sigma,
            proposals_folder=str(work / "proposals"),
            sampling=SamplingSettings(
                rois_per_image=recipe.rois,
                foreground_fraction=recipe.foreground,
                background_iou_low=recipe.background_low,
            ),
        ),
    )
    pixels = replace(training.model.architecture.preprocessing, short_side=recipe.side, long_side=2 * recipe.side)
    training.model.architecture = replace(training.model.architecture, preprocessing=pixels)
    return training


def measure(recipe: Recipe, work: Path, seconds: float) -> str:
    """A row of the table."""
    trial = begin(recipe, work, 1e3)
    marks = []
    for steps in MEASURED:
        for _ in range(steps):
            trial.steps.take()
        marks.append(time.perf_counter())
    steps = max(1, round(seconds / ((marks[1] - marks[0]) / MEASURED[1])))
    training = begin(recipe, work, steps * recipe.images / SCENES)
    while training.step < training.steps.count:
        training.steps.take()
    held_out = [training.data.validation[i] for i in range(len(training.data.validation))]
    given = training.data.proposals_of, training.settings.detection
    found = evaluate_model(training.model, held_out, *given)[0].as_metrics()
    seen = training.steps.count * recipe.images
    return (
        f"{recipe.name:46} {training.steps.count:6} steps {seen:6} images {training.steps.seconds:5.0f} s   "
        f"mAP50 {found['mAP50']:.3f}   mAP75 {found['mAP75']:.3f}   AP {found['AP']:.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for scenes, proposals and runs; may be used again")
    parser.add_argument("--seconds", type=float, default=90, help="of training for each recipe")
    parser.add_argument("--only", default="", help="recipes whose names hold this")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    write_scenes(given.folder / "scenes", SCENES, HELD_OUT)
    warm_up(lambda *_: None)
    for recipe in RECIPES:
        if given.only in recipe.name:
            print(measure(recipe, given.folder, given.seconds), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
