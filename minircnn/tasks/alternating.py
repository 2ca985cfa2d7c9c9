"""Alternating training of a Faster R-CNN: its two networks learn in turn, and share the features in the end.

    1-rpn    the network that proposes, with features of its own, from the first weights
    2-fast   a Fast R-CNN, from the first weights once more, on what 1 proposes: other features
    3-rpn    the network of 1 on the features of 2, which stay as they are: now they are shared
    4-fast   the hidden layers of 2 on the same features and on what 3 proposes, with new outputs

The detector is the head of 4 and the network of 3 on the features of 2 (Ren et al., Faster R-CNN, 2015, section 3.2;
joint training, `minircnn train --model faster` alone, does all this at once and drops one gradient). Each is a run in a
folder of its own, and goes on where it stopped.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

import minircnn
from minircnn.base.errors import InputError
from minircnn.base.files import read_json, write_json
from minircnn.base.progress import Progress
from minircnn.data import Samples
from minircnn.detection.evaluate import evaluate_model, own_proposals, time_parts
from minircnn.models import FasterRCNN, FastRCNN
from minircnn.proposals import proposal_recall
from minircnn.tasks.finish import finish_run
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.train import Training
from minircnn.weights.description import assign
from minircnn.weights.model_file import load_model, save_model

STAGES = ("1-rpn", "2-fast", "3-rpn", "4-fast")
PROPOSALS = "proposals"  # of 1 and of 3, in the run's folder


def is_alternating(folder: RunFolder) -> bool:
    """Whether such a training was begun there."""
    try:
        return TrainSettings.from_dict(read_json(folder.settings, "")).alternating
    except InputError:
        return False


def train_alternating(folder: RunFolder, settings: TrainSettings | None, progress: Progress) -> dict:
    """Run the four, or go on with them; gives what metrics.json holds.

    settings : those of each run; None to go on with the folder's own

    Raises
    ------
    InputError : the folder holds something else, or another such training
    """
    if settings is None:
        settings = TrainSettings.from_dict(read_json(folder.settings, "start a new run"))
    settings = settings.rooted()
    if not is_alternating(folder):
        folder.check_free()
    elif TrainSettings.from_dict(read_json(folder.settings, "start a new run")) != settings:
        raise InputError(f"{folder.path} holds a training with other settings; choose another --out, or the same flags")
    with folder.claimed():
        folder.write_settings(settings)
        training = _four(folder.path, settings, progress)
        return _finish(folder, training, training.data.validation, progress)


def _four(path: Path, settings: TrainSettings, progress: Progress) -> Training:
    """The four runs, and the detector from them in best.safetensors; gives the last run."""
    last = [path / stage / "last.safetensors" for stage in STAGES]
    alone = replace(settings, alternating=False)
    regions = replace(alone, model="fast", rpn=None, pooling=settings.pooling or FasterRCNN.pooling)
    regions = replace(regions, sampling=settings.roi_sampling, proposals_folder=str(path / PROPOSALS))

    _stage(path, 0, replace(alone, part="rpn"), progress)
    second = _stage(path, 1, replace(regions, proposals_by=str(last[0])), progress)
    frozen = _blocks(second.model)

    shared = path / "3-start.safetensors"
    if not last[2].is_file():
        save_model(shared, _joined(load_model(last[1]), load_model(last[0])))
    _stage(path, 2, replace(alone, part="rpn", weights=str(shared), frozen_blocks=frozen), progress)

    anew = path / "4-start.safetensors"
    if not last[3].is_file():
        save_model(anew, _with_new_outputs(load_model(last[1]), settings.seed))
    own = replace(regions, proposals_by=str(last[2]), weights=str(anew), frozen_blocks=frozen)
    fourth = _stage(path, 3, own, progress)
    save_model(path / "best.safetensors", _joined(load_model(path / STAGES[3]), load_model(last[2])))
    return fourth


def _stage(path: Path, number: int, settings: TrainSettings, progress: Progress) -> Training:
    """Begin a run, or go on with it, to its end."""
    folder = RunFolder(path / STAGES[number])

    def tell(stage: str, done: int, total: int, words: str = "") -> None:
        progress(f"{STAGES[number]} {stage}", done, total, words)

    training = Training.resume(folder, tell) if folder.holds_a_run else Training.start(folder, settings, tell)
    training.run(tell)
    if settings.part == "all" and not folder.metrics.is_file():
        finish_run(training, training.data.validation, "validation", tell)
    return training


def _blocks(model: FastRCNN) -> int:
    """Blocks of convolutions that the model has."""
    return 1 + sum(convolution.pool_after for convolution in model.architecture.convolutions)


def _joined(detector: FastRCNN, proposer: FastRCNN) -> FasterRCNN:
    """The detector, with the network that proposes of `proposer`."""
    architecture = replace(detector.architecture, rpn=proposer.architecture.rpn)
    rng, names = np.random.default_rng(0), detector.class_names
    model = FasterRCNN(architecture, len(names), rng, names, output_size=detector.roi_layer.output_size)
    own = {name: value for name, value in proposer.folded_parameters().items() if name.startswith("rpn_")}
    assign(model, detector.folded_parameters() | own, Path("the runs' weights"))
    return model


def _with_new_outputs(model: FastRCNN, seed: int) -> FastRCNN:
    """The same with `cls_score` and `bbox_pred` as they begin."""
    rng = np.random.default_rng(seed)
    for layer in (model.head.cls_score, model.head.bbox_pred):
        layer.draw(rng)
        layer.bias.value[...] = 0
    return model


def _finish(folder: RunFolder, last: Training, samples: Samples, progress: Progress) -> dict:
    """Measure the detector that came of it, its own proposals included, and write metrics.json."""
    model = load_model(folder.best)
    evaluation, _, truths = evaluate_model(model, samples, None, last.settings.detection, progress)
    proposed = own_proposals(model)
    recall = proposal_recall((proposed(truth), truth.learned()[0]) for truth in truths)
    stages = [Training.resume(RunFolder(folder.path / stage)).steps for stage in STAGES]
    metrics = evaluation.as_metrics() | {
        "train_seconds": sum(steps.seconds for steps in stages),
        "steps": sum(steps.step for steps in stages),
        "proposal_recall50": recall[0.5],
        "proposal_recall70": recall[0.7],
        "ms_per_image": time_parts(model, truths, last.settings.detection),
        "data": {"folder": last.settings.data, "split": "validation", "chose_the_weights": True},
        "version": minircnn.__version__,
    }
    write_json(folder.metrics, metrics)
    return metrics
