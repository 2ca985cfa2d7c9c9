"""R-CNN's training, stage by stage: the network, its features on the disk, the SVMs, the regression of boxes.

What is there is in the folder, and the same call goes on behind it: fine-tuning at its last checkpoint, features at the
next image; the rest is done anew, for it takes seconds.
"""

import time
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.progress import Progress, silent
from minircnn.models.rcnn import RCNN, LinearModels
from minircnn.training.checkpoint import TrainingState, load_newest, save_checkpoint
from minircnn.training.loop import take_steps
from minircnn.training.rcnn.features import Features, scale_of
from minircnn.training.rcnn.ridge import solve_ridge
from minircnn.training.rcnn.svm import Mining
from minircnn.training.steps import DetectorSteps

SCALED_BY = 100  # images, by which the features' length is judged


@dataclass
class Stages:
    """What each stage took.

    Attributes
    ----------
    seconds : stage → seconds
    disk : bytes of features
    negatives : class → hard negatives that were found
    """

    seconds: dict[str, float] = field(default_factory=dict)
    disk: int = 0
    negatives: dict[str, int] = field(default_factory=dict)


def learn_linear(model: RCNN, features: Features, progress: Progress = silent) -> tuple[LinearModels, dict[str, int]]:
    """The SVMs and the regressions, from the features on the disk; how many hard negatives each class had.

    Raises
    ------
    InputError : a class has no true box to learn from
    """
    svm, fc7_scale, negatives = learn_svms(model, features, progress)
    ridge, pooled_scale = learn_ridges(model, features, progress)
    return LinearModels(svm, fc7_scale, ridge, pooled_scale), negatives


def learn_svms(
    model: RCNN, features: Features, progress: Progress = silent
) -> tuple[np.ndarray, float, dict[str, int]]:
    """`svm` and `fc7_scale` of `LinearModels`, and how many hard negatives each class had; raises as `learn_linear`."""
    scale = scale_of([kept.hidden7 for kept in islice(features, SCALED_BY)])
    K, names = model.num_classes, model.class_names
    positives: list[list[np.ndarray]] = [[] for _ in range(K)]
    for kept in features:
        for k in range(K):
            positives[k].append(scale * kept.hidden7[: len(kept.labels)][kept.labels == k + 1])
    if missing := [names[k] for k in range(K) if not sum(map(len, positives[k]))]:
        raise InputError(f"no true box of the class {missing[0]} to learn an SVM from; label some, or leave it out")
    D = model.architecture.hidden[1]
    minings = [Mining(np.concatenate(positives[k]), np.zeros(D + 1)) for k in range(K)]
    for done, kept in enumerate(features, start=1):
        rows = scale * kept.hidden7
        for k, mining in enumerate(minings):
            mining.look(rows[kept.negative[:, k]])
        progress("hard negatives", done, len(features.samples), "")
    for mining in minings:
        mining.learn()
    seen = {name: mining.seen for name, mining in zip(names, minings, strict=True)}
    return np.stack([mining.weights for mining in minings], axis=1), scale, seen


def learn_ridges(model: RCNN, features: Features, progress: Progress = silent) -> tuple[np.ndarray, float]:
    """`ridge` and `pooled_scale` of `LinearModels`."""
    scale = scale_of([kept.pooled for kept in islice(features, SCALED_BY)])
    pairs: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in range(model.num_classes)]
    for kept in features:
        for k, own in enumerate(pairs):
            chosen = kept.pair_labels == k + 1
            own.append((kept.pooled[chosen], kept.offsets[chosen]))
    ridges = []
    for k, own in enumerate(pairs):
        x, offsets = (np.concatenate(parts) for parts in zip(*own, strict=True))
        ridges.append(solve_ridge(scale * x, offsets))
        progress("regressing boxes", k + 1, len(pairs), model.class_names[k])
    return np.concatenate(ridges, axis=1), scale


def train_stages(steps: DetectorSteps, folder: Path, progress: Progress = silent) -> Stages:
    """From a network at its beginning to a detector: the steps' has its `linear` afterwards.

    steps : `WindowSteps` of an R-CNN; of an SPPnet `DetectorSteps`, whose settings freeze the backbone
    """
    done, model = Stages(), steps.detector
    assert isinstance(model, RCNN)
    assert steps.proposals_of is not None
    _fine_tune(steps, folder, progress)
    done.seconds["fine-tuning"] = steps.seconds
    began = time.perf_counter()
    features = Features(folder / "features", steps.samples, steps.proposals_of)
    features.write(model, progress)
    done.seconds["features"], began = time.perf_counter() - began, time.perf_counter()
    model.linear, done.negatives = learn_linear(model, features, progress)
    done.seconds["SVMs and boxes"] = time.perf_counter() - began
    done.disk = features.bytes()
    return done


def _fine_tune(steps: DetectorSteps, folder: Path, progress: Progress) -> None:
    """Take the steps that remain; Ctrl-C and SIGTERM leave a checkpoint and raise `Interrupted`."""
    last, former = folder / "fine-tuning.safetensors", folder / "fine-tuning.former.safetensors"
    if last.is_file() or former.is_file():
        _go_on(steps, last, former)

    def after(figures: dict[str, float]) -> None:
        progress("fine-tuning", steps.step, steps.count, f"loss {figures['loss_cls']:.3f}")

    def save() -> None:
        model = steps.detector
        state = TrainingState(len(steps.samples), "", steps.step, steps.position, steps.seconds, [],
                              dict(model.rng.bit_generator.state), new=steps.new)  # fmt: skip
        save_checkpoint(last, former, model, steps.tensors(), steps.order, state)

    if steps.step < steps.count:
        take_steps(steps, after, save, steps.settings.checkpoint_seconds)


def _go_on(steps: DetectorSteps, last: Path, former: Path) -> None:
    """Fill weights, velocities and the place in the data from the newest checkpoint that can be read."""
    checkpoint, _ = load_newest(last, former)
    state, kept = checkpoint.state, dict(checkpoint.model.named_parameters())
    if state.images != len(steps.samples):
        raise InputError(f"{last} is of {state.images} images, and here are {len(steps.samples)}; remove it, or bring "
                         "the others back")  # fmt: skip
    for name, parameter in steps.detector.named_parameters():
        parameter.value[...] = kept[name].value
    for name, velocity in checkpoint.velocities.items():
        steps.optimiser.velocity[name][...] = velocity
    steps.order, steps.position, steps.step = checkpoint.order, state.position, state.step
    steps.seconds, steps.new = state.seconds, tuple(state.new)
    steps.model.rng.bit_generator.state = state.generator
