"""`minircnn demo`: everything once, on what is bundled. Scenes, proposals, training, test, report.

The test scenes hold other garments and other photographs than the training scenes and the pretraining, and the weights
are chosen on validation scenes: the test scenes are looked at once, at the end.
"""

from dataclasses import dataclass
from pathlib import Path

from minircnn.base.errors import InputError
from minircnn.base.progress import Progress
from minircnn.data import Samples
from minircnn.fashion import write_scenes
from minircnn.tasks.finish import finish_run
from minircnn.training.data import open_split, with_proposals
from minircnn.training.defaults import DEFAULTS, RANDOM
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


FULL = DemoSize(train=2400, validation=100, test=300, epochs=5)
SCENES = "scenes"  # folder of the data, in the run's own
FROM_RANDOM = "from-random"  # folder of the second run of --compare, in the run's own
QUICK = DemoSize(train=240, validation=30, test=60, epochs=4)


def run_demo(
    out: Path,
    quick: bool,
    seed: int,
    progress: Progress,
    weights: str | None = None,
    compare: bool = False,
    model: str = "fast",
) -> dict:
    """Run or go on with the demo in `out`; gives what metrics.json holds.

    Parameters
    ----------
    weights : as `TrainSettings` takes it; the backbone that comes with the package when None
    model : "fast" or "faster"
    compare : train once more from random weights, on the same scenes by the same schedule, and report both

    Raises
    ------
    InputError : `out` holds something else, another run, or a demo of another size or seed
    """
    size = QUICK if quick else FULL
    folder, scenes = RunFolder(out), out / SCENES
    settings = TrainSettings(data=str(scenes), model=model, epochs=size.epochs, seed=seed, weights=weights)
    if compare and weights == RANDOM:
        raise InputError("--compare sets a pretrained start against a random one: leave out --weights none")
    _check(folder, settings)
    warm_up(progress)
    with folder.claimed():
        write_scenes(scenes, size.train, size.validation, seed=seed, test=size.test, progress=progress)
        training = _train(folder, settings, progress)
        test = open_split(training.settings, "test", None, folder.path, progress)
        test, _ = with_proposals(test, training.data.cache, progress, split="test")
        rival = _rival(training, test, progress) if compare else None
        return finish_run(training, test, "test", progress, rival)


def _train(folder: RunFolder, settings: TrainSettings, progress: Progress, name: str = "") -> Training:
    """Begin, or go on with what is there, to the end of training. `name` tells the stages of one run from another's."""

    def tell(stage: str, done: int, total: int, words: str = "") -> None:
        progress(f"{stage}{name}", done, total, words)

    if folder.holds_a_run:
        training = Training.resume(folder, tell, data=settings.data)
    else:
        training = Training.start(folder, settings, tell, allowed=(SCENES, FROM_RANDOM))
    training.run(tell)
    return training


def _rival(training: Training, test: Samples, progress: Progress) -> dict:
    """What the same run from random weights gives, in a folder of its own inside the run's; proposals are shared."""
    folder = RunFolder(training.folder.path / FROM_RANDOM)
    given = training.settings
    cache = training.data.cache
    proposals = str(cache.folder) if cache else None
    settings = TrainSettings(
        model=given.model,
        data=given.data,
        epochs=given.epochs,
        seed=given.seed,
        weights=RANDOM,
        proposals_folder=proposals,
    )
    other = _train(folder, settings, progress, ", random start")
    return finish_run(other, test, "test", progress)


def _check(folder: RunFolder, wanted: TrainSettings) -> None:
    if not folder.holds_a_run:
        return folder.check_free(allowed=(SCENES, FROM_RANDOM))
    settings = folder.read_settings()
    if Path(settings.data).name != SCENES or not Path(wanted.data).is_dir():
        raise InputError(f"{folder.path} holds a run that is no demo; choose another --out")
    weights = wanted.rooted().weights or DEFAULTS[wanted.backbone].weights
    there = settings.epochs, settings.seed, settings.weights or RANDOM, settings.model
    if there != (wanted.epochs, wanted.seed, weights, wanted.model):
        raise InputError(
            f"{folder.path} holds a demo of another size, seed, start or model; choose another --out, or the same flags"
        )
    return None
