"""`minircnn compare`: R-CNN, SPPnet, Fast and Faster R-CNN on the same images, with the same first weights and budget.

Every system runs in a process of its own, so that its peak memory is its own, and leaves its figures in the folder:
what is finished there is not done again. The searched proposals are shared by the three that need them.
"""

import multiprocessing
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.files import check_creatable, locked, read_json, write_json
from minircnn.base.memory import most_used
from minircnn.base.progress import Progress
from minircnn.detection.evaluate import evaluate_model, own_proposals, time_parts
from minircnn.fashion import write_scenes
from minircnn.models import MODELS, FastRCNN
from minircnn.models.rcnn import RCNN
from minircnn.models.sppnet import SPPNet
from minircnn.proposals import ProposalCache, proposal_recall
from minircnn.training.begin import first_model
from minircnn.training.data import TrainingData, open_split, with_proposals
from minircnn.training.loop import Interrupted
from minircnn.training.rcnn.stages import train_stages
from minircnn.training.rcnn.windows import WindowSteps
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.steps import DetectorSteps
from minircnn.training.train import Training
from minircnn.training.warm_up import warm_up
from minircnn.weights.model_file import load_model

STAGED: dict[str, type[RCNN]] = {"rcnn": RCNN, "spp": SPPNet}
SYSTEMS = ("rcnn", "spp", "fast", "faster")
NAMES = {"rcnn": "R-CNN", "spp": "SPPnet", "fast": "Fast R-CNN", "faster": "Faster R-CNN"}
#: VOC07 with VGG16: mAP, hours of training, seconds an image without proposals (Faster: with its own).
PUBLISHED = {
    "rcnn": (66.0, 84.0, 47.0),
    "spp": (63.1, 25.0, 2.3),
    "fast": (66.9, 9.5, 0.32),
    "faster": (69.9, None, 0.198),
}
STOPPED = 130  # exit code of a process that Ctrl-C has ended
RESULT, SETTINGS = "result.json", "compare.json"


@dataclass(frozen=True)
class CompareSize:
    """How many scenes, and how often the training images are seen."""

    train: int
    test: int
    epochs: float


FULL = CompareSize(train=400, test=100, epochs=6)
QUICK = CompareSize(train=48, test=12, epochs=4)


def compare(out: Path, systems: Sequence[str], size: CompareSize, seed: int, progress: Progress) -> dict[str, dict]:
    """Run what is not there yet; system → its figures.

    Raises
    ------
    InputError : an unknown system, or `out` holds something else, or a comparison of another size or seed
    """
    if unknown := [name for name in systems if name not in SYSTEMS]:
        raise InputError(f"--systems {unknown[0]}: give one or several of {','.join(SYSTEMS)}")
    wanted = {"train": size.train, "test": size.test, "epochs": size.epochs, "seed": seed}
    _check(out, wanted)
    with locked(out / "lock", f"{out} is in use by another minircnn process"):
        write_json(out / SETTINGS, wanted)
        write_scenes(out / "scenes", size.train, 1, seed=seed, test=size.test, progress=progress)
        _search(out, _settings(out, "fast", size, seed), progress)
        for name in systems:
            if not (out / name / RESULT).is_file():
                _apart(name, out, size, seed)
    return {name: read_json(out / name / RESULT, "remove it, and compare again") for name in systems}


def _check(out: Path, wanted: dict) -> None:
    if not out.exists():
        return check_creatable(out)
    if not out.is_dir() or (any(out.iterdir()) and not (out / SETTINGS).is_file()):
        raise InputError(f"{out} holds something else; choose another --out")
    if (out / SETTINGS).is_file() and read_json(out / SETTINGS, "choose another --out") != wanted:
        raise InputError(f"{out} holds a comparison of another size or seed; choose another --out, or the same flags")
    return None


def _settings(out: Path, name: str, size: CompareSize, seed: int) -> TrainSettings:
    """The same for all but for what makes the system."""
    model = name if name in MODELS else "fast"
    proposals = str(out / "proposals") if MODELS[model].searches else None
    given = TrainSettings(data=str(out / "scenes"), model=model, epochs=size.epochs, seed=seed, validations=1,
                          proposals_folder=proposals, frozen_blocks=0)  # fmt: skip
    if name in STAGED:
        given = replace(given, sampling=STAGED[name].sampling)
    if name == "spp":
        given = replace(given, freeze=("backbone",), pooling="pyramid")
    return given


def _search(out: Path, settings: TrainSettings, progress: Progress) -> None:
    """All proposals, before anything is timed."""
    data = TrainingData.read(settings, out, progress).with_proposals(progress)
    with_proposals(open_split(settings, "test", None, out, progress), data.cache, progress, split="test")


def _apart(name: str, out: Path, size: CompareSize, seed: int) -> None:
    """One system in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=_in_a_process, args=(name, out, size, seed))
    process.start()
    try:
        process.join()
    except KeyboardInterrupt:
        process.terminate()
        process.join()
        raise
    if process.exitcode == STOPPED:
        raise KeyboardInterrupt
    if process.exitcode != 0 or not (out / name / RESULT).is_file():
        raise InputError(f"{NAMES[name]} stopped half-way (see above); the same command goes on with it")


def _in_a_process(name: str, out: Path, size: CompareSize, seed: int) -> None:
    """`run_system`; what ends it is a sentence and an exit code, for the process has nobody above it to say so."""
    try:
        run_system(name, out, size, seed)
    except InputError as error:
        sys.stderr.write(f"{NAMES[name]}: {error}\n")
        sys.exit(2)
    except (KeyboardInterrupt, Interrupted):
        sys.exit(STOPPED)


def run_system(name: str, out: Path, size: CompareSize, seed: int) -> None:
    """Train and measure one system, and leave its figures."""
    began = time.monotonic()

    def progress(stage: str, done: int, total: int, words: str = "") -> None:
        if done >= total:
            said = f"{NAMES[name]}, {stage}: {total} in {time.monotonic() - began:.0f} s {words}".rstrip()
            sys.stdout.write(f"{said}\n")
            sys.stdout.flush()

    warm_up(progress)
    settings = _settings(out, name, size, seed)
    learn = _learn_staged if name in STAGED else _learn_jointly
    model, figures = learn(name, out / name, settings, progress)
    test = open_split(settings, "test", None, out, progress)
    cache = ProposalCache(settings.proposals_folder, settings.proposals) if settings.proposals_folder else None
    measures, _, truths = evaluate_model(model, test, cache.get if cache else None, None, progress)
    proposed = cache.get if cache else own_proposals(model)
    recall = proposal_recall((proposed(truth), truth.learned()[0]) for truth in truths)
    found = measures.as_metrics()
    figures |= {key: found[key] for key in ("mAP50", "mAP75", "AP")} | {"recall50": recall[0.5]}
    figures |= {"ms_per_image": time_parts(model, truths), "peak_memory": most_used()}
    write_json(out / name / RESULT, figures)


def _learn_jointly(name: str, folder: Path, settings: TrainSettings, progress: Progress) -> tuple[FastRCNN, dict]:
    """Fast and Faster R-CNN: one stage, as `minircnn train` does it."""
    run = RunFolder(folder / "run")
    training = Training.resume(run, progress) if run.holds_a_run else Training.start(run, settings, progress)
    training.run(progress)
    figures = {"seconds": {"one stage": training.steps.seconds}, "disk": 0, "images_seen": _seen(training.steps)}
    return load_model(run.last), figures


def _learn_staged(name: str, folder: Path, settings: TrainSettings, progress: Progress) -> tuple[FastRCNN, dict]:
    """R-CNN and SPPnet: fine-tuning, features, SVMs and boxes."""
    data = TrainingData.read(settings, folder.parent, progress).with_proposals(progress)
    settings = settings.resolve(len(data.train))
    begun = first_model(settings, data.class_names, np.random.default_rng(settings.seed))
    model = STAGED[name](
        begun.model.architecture, len(data.class_names), np.random.default_rng(settings.seed), data.class_names
    )
    assert data.proposals_of is not None
    steps = (WindowSteps if name == "rcnn" else DetectorSteps)(model, data.train, data.proposals_of, settings)
    _take(model, begun.model)
    steps.new = begun.new
    stages = train_stages(steps, folder, progress)
    figures = {"seconds": stages.seconds, "disk": stages.disk, "negatives": stages.negatives}
    return model, figures | {"images_seen": _seen(steps)}


def _take(model: FastRCNN, other: FastRCNN) -> None:
    """Copy another's weights, layer by layer of the same name."""
    values = other.folded_parameters()
    for name, parameter in model.named_parameters():
        parameter.value[...] = values[name]


def _seen(steps: DetectorSteps) -> int:
    return steps.step * (steps.settings.images_per_step or 1)
