"""`minircnn demo`: everything once, on what is bundled. Scenes, proposals, training, test, report.

The test scenes hold other garments and other photographs than the training scenes, and the weights are chosen on
validation scenes: the test scenes are looked at once, at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from minircnn.data import write_scenes
from minircnn.finish import finish_run
from minircnn.training.data import open_split
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.train import Training
from minircnn.training.warm_up import warm_up


@dataclass(frozen=True)
class DemoSize:
    """How much of everything: scenes of each split, and times the training scenes are seen."""

    train: int
    validation: int
    test: int
    epochs: float


FULL = DemoSize(train=2400, validation=100, test=300, epochs=4)
QUICK = DemoSize(train=240, validation=30, test=60, epochs=2)


def run_demo(out: Path, quick: bool, seed: int, report: Callable[[str, int, int, str], None]) -> dict:
    """Run or go on with the demo in `out`; gives what metrics.json holds."""
    size = QUICK if quick else FULL
    folder, scenes = RunFolder(out), out / "scenes"
    write_scenes(
        scenes,
        size.train,
        size.validation,
        seed=seed,
        test=size.test,
        progress=lambda done, total: report("scenes", done, total, ""),
    )
    warm_up(report)
    if folder.last.exists():
        training = Training.resume(folder, report)
    else:
        training = Training.start(folder, TrainSettings(data=str(scenes), epochs=size.epochs, seed=seed), report)
    training.run(report)
    test, _ = open_split(training.settings, "test", None, folder.path, training.data.cache, report)
    return finish_run(training, test, report)
