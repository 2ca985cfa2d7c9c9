"""One of the four systems, from its first weights to its figures: the same images, start and budget for each."""

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from minircnn.base.files import write_json
from minircnn.base.memory import most_used
from minircnn.base.progress import Progress
from minircnn.detection import Detections
from minircnn.detection.evaluate import evaluate_model, own_proposals, time_parts
from minircnn.metrics import Evaluation
from minircnn.models import MODELS, FastRCNN
from minircnn.models.rcnn import RCNN
from minircnn.models.sppnet import SPPNet
from minircnn.proposals import ProposalCache, proposal_recall
from minircnn.report.road import NAMES
from minircnn.training.begin import first_model
from minircnn.training.data import TrainingData, open_split
from minircnn.training.rcnn.stages import train_stages
from minircnn.training.rcnn.windows import WindowSteps
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.steps import DetectorSteps
from minircnn.training.train import Training
from minircnn.training.warm_up import warm_up
from minircnn.weights.model_file import load_model, save_model

STAGED: dict[str, type[RCNN]] = {"rcnn": RCNN, "spp": SPPNet}
FROZEN_BLOCKS = 2  # of convolutions, as Fast R-CNN's paper keeps them; SPPnet's do not learn at all
PICTURES = 2  # images whose detections are kept, for the page
RESULT, MODEL = "result.json", "model.safetensors"


@dataclass(frozen=True)
class Ground:
    """What the systems have in common.

    Attributes
    ----------
    out : folder of the comparison
    data : folder of the images
    split : what is measured
    epochs : times the training images are seen
    held_out : share of the images that is the validation split, of data that has none
    """

    out: Path
    data: str
    split: str
    epochs: float
    held_out: float | None = None

    def folder(self, name: str, seed: int) -> Path:
        """Of one system trained with one seed."""
        return self.out / name / f"seed-{seed}"

    def settings(self, name: str, seed: int) -> TrainSettings:
        """The same for all but for what makes the system."""
        model = name if name in MODELS else "fast"
        proposals = str(self.out / "proposals") if MODELS[model].searches else None
        given = TrainSettings(data=self.data, model=model, epochs=self.epochs, seed=seed, validations=1,
                              proposals_folder=proposals, frozen_blocks=FROZEN_BLOCKS, split=self.held_out)  # fmt: skip
        if name in STAGED:
            given = replace(given, sampling=STAGED[name].sampling)
        if name == "spp":
            given = replace(given, freeze=("backbone",), pooling="pyramid", frozen_blocks=0)
        return given


def run_system(name: str, ground: Ground, seed: int) -> None:
    """Train and measure one system, and leave its figures."""
    began, folder = time.monotonic(), ground.folder(name, seed)

    def progress(stage: str, done: int, total: int, words: str = "") -> None:
        if done >= total:
            said = f"{NAMES[name]}, {stage}: {total} in {time.monotonic() - began:.0f} s {words}".rstrip()
            sys.stdout.write(f"{said}\n")
            sys.stdout.flush()

    warm_up(progress)
    settings = ground.settings(name, seed)
    model, figures = (_learn_staged if name in STAGED else _learn_jointly)(name, ground, seed, progress)
    test = open_split(settings, ground.split, None, ground.out, progress, model.class_names)
    cache = ProposalCache(settings.proposals_folder, settings.proposals) if settings.proposals_folder else None
    measures, detections, truths = evaluate_model(model, test, cache.get if cache else None, None, progress)
    proposed = cache.get if cache else own_proposals(model)
    recall = proposal_recall((proposed(truth), truth.learned()[0]) for truth in truths)
    model.best_score = measures.best.score if measures.best else None
    save_model(folder / MODEL, model)
    found = measures.as_metrics()
    figures |= {key: found[key] for key in ("mAP50", "mAP75", "AP")} | {"recall50": recall[0.5], "images": len(truths)}
    figures |= {"ms_per_image": time_parts(model, truths), "peak_memory": most_used()}
    figures["pictures"] = [_shown(detections[n], measures) for n in pictured([len(truth.boxes) for truth in truths])]
    write_json(folder / RESULT, figures)


def pictured(counts: list[int]) -> list[int]:
    """Which images of those measured are shown: the ones with the most objects."""
    return sorted(sorted(range(len(counts)), key=lambda n: -counts[n])[:PICTURES])


def _shown(found: Detections, measures: Evaluation) -> list[list[float]]:
    """Box, label and score of what is above the score that is best by F1."""
    least = measures.best.score if measures.best else 1.0
    kept = found.scores >= least
    return np.column_stack([found.boxes, found.labels, found.scores])[kept].round(3).tolist()


def _learn_jointly(name: str, ground: Ground, seed: int, progress: Progress) -> tuple[FastRCNN, dict]:
    """Fast and Faster R-CNN: one stage, as `minircnn train` does it."""
    run = RunFolder(ground.folder(name, seed) / "run")
    if run.holds_a_run:
        training = Training.resume(run, progress)
    else:
        training = Training.start(run, ground.settings(name, seed), progress)
    training.run(progress)
    figures = {"seconds": {"one stage": training.steps.seconds}, "disk": 0, "images_seen": _seen(training.steps)}
    return load_model(run.last), figures


def _learn_staged(name: str, ground: Ground, seed: int, progress: Progress) -> tuple[FastRCNN, dict]:
    """R-CNN and SPPnet: fine-tuning, features, SVMs and boxes."""
    settings = ground.settings(name, seed)
    data = TrainingData.read(settings, ground.out, progress).with_proposals(progress)
    settings = settings.resolve(len(data.train))
    begun = first_model(settings, data.class_names, np.random.default_rng(seed))
    model = STAGED[name](begun.model.architecture, len(data.class_names), np.random.default_rng(seed), data.class_names)
    assert data.proposals_of is not None
    steps = (WindowSteps if name == "rcnn" else DetectorSteps)(model, data.train, data.proposals_of, settings)
    _take(model, begun.model)
    steps.new = begun.new
    stages = train_stages(steps, ground.folder(name, seed), progress)
    figures = {"seconds": stages.seconds, "disk": stages.disk, "negatives": stages.negatives}
    return model, figures | {"images_seen": _seen(steps)}


def _take(model: FastRCNN, other: FastRCNN) -> None:
    """Copy another's weights, layer by layer of the same name."""
    values = other.folded_parameters()
    for name, parameter in model.named_parameters():
        parameter.value[...] = values[name]


def _seen(steps: DetectorSteps) -> int:
    return steps.step * (steps.settings.images_per_step or 1)
