"""`minircnn demo`: everything once, on what is bundled. Scenes, proposals, training, test, report.

The test scenes hold other garments and other photographs than the training scenes, and the weights are chosen on
validation scenes: the test scenes are looked at once, at the end.
"""

from dataclasses import dataclass
from pathlib import Path

from minircnn.data import write_scenes
from minircnn.data.progress import Progress
from minircnn.errors import InputError
from minircnn.report.finish import finish_run
from minircnn.training.data import open_split, with_proposals
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
SCENES = "scenes"  # folder of the data, in the run's own
QUICK = DemoSize(train=240, validation=30, test=60, epochs=2)


def run_demo(out: Path, quick: bool, seed: int, progress: Progress) -> dict:
    """Run or go on with the demo in `out`; gives what metrics.json holds.

    Raises
    ------
    InputError : `out` holds something else, another run, or a demo of another size or seed
    """
    size = QUICK if quick else FULL
    folder, scenes = RunFolder(out), out / SCENES
    _check(folder, scenes, size, seed)
    warm_up(progress)
    with folder.claimed():
        write_scenes(scenes, size.train, size.validation, seed=seed, test=size.test, progress=progress)
        if folder.holds_a_run:
            training = Training.resume(folder, progress, data=scenes)
        else:
            settings = TrainSettings(data=str(scenes), epochs=size.epochs, seed=seed)
            training = Training.start(folder, settings, progress, besides=(SCENES,))
        training.run(progress)
        test = open_split(training.settings, "test", None, folder.path, progress)
        test, _ = with_proposals(test, training.data.cache, progress, stage="proposals test")
        return finish_run(training, test, progress)


def _check(folder: RunFolder, scenes: Path, size: DemoSize, seed: int) -> None:
    if not folder.holds_a_run:
        return folder.check_free(besides=(SCENES,))
    settings = folder.read_settings()
    if Path(settings.data).name != SCENES or not scenes.is_dir():
        raise InputError(f"{folder.path} holds a run that is no demo; choose another --out")
    if (settings.epochs, settings.seed) != (size.epochs, seed):
        raise InputError(f"{folder.path} holds a demo of another size or seed; choose another --out, or the same flags")
    return None
