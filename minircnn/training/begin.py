"""How a run begins: its first weights, and whether a resumed run finds its own data.

Weights are random, or come from one of three kinds of files: a backbone (`weights/backbone_file.py`), a detector of
this project (`weights/model_file.py`), anybody's VGG16 (`weights/foreign/`). `train.py` asks before its first step.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.progress import Progress
from minircnn.models import BACKBONES, MODELS, VGG, Architecture, FastRCNN
from minircnn.targets import OffsetStatistics
from minircnn.training.batches import STATISTICS_IMAGES, measure_offsets
from minircnn.training.checkpoint import Checkpoint
from minircnn.training.data import TrainingData, spread
from minircnn.training.defaults import DEFAULTS, RANDOM, SHIPPED
from minircnn.training.settings import TrainSettings
from minircnn.weights.backbone_file import read_backbone, shipped_backbone
from minircnn.weights.description import assign, layers_of
from minircnn.weights.foreign.detector import VOC, fill
from minircnn.weights.foreign.formats import is_foreign
from minircnn.weights.foreign.rpn import anchors_of
from minircnn.weights.foreign.vgg16 import read_vgg16
from minircnn.weights.model_file import kind_of, load_model


@dataclass(frozen=True)
class Beginning:
    """What a run begins with.

    Attributes
    ----------
    model : FastRCNN
    started_from : where its weights come from, in words
    same_classes : whether the output layers came along; with other classes they are new
    notes : what of it the user may not expect
    new : hidden layers with random weights, which the run's first step fits to what they are given
    """

    model: FastRCNN
    started_from: str
    same_classes: bool = False
    notes: list[str] = field(default_factory=list)
    new: tuple[str, ...] = ()


def first_model(settings: TrainSettings, class_names: tuple[str, ...], rng: np.random.Generator) -> Beginning:
    """The model that a run begins with, its preprocessing that of its weights.

    These are random, or those of `settings.weights`: a backbone or a model file of this project, or anybody's VGG16.

    settings : with `frozen_blocks` resolved

    Raises
    ------
    InputError : the file is not there, damaged, or of another architecture
    """
    architecture: Architecture = BACKBONES[settings.backbone]()
    frozen = architecture.first_blocks(settings.frozen_blocks or 0)
    rpn = settings.rpn or architecture.rpn
    pooling = settings.pooling or MODELS[settings.model].pooling
    agnostic = settings.class_agnostic
    architecture = replace(architecture, frozen=frozen, pooling=pooling, rpn=rpn, class_agnostic=agnostic)
    detector = MODELS[settings.model]
    wanted = settings.weights or DEFAULTS[settings.backbone].weights
    if wanted == RANDOM:
        if settings.pixels is not None:
            raise InputError("--pixels is for somebody's VGG16 in --weights, and there is none: leave it out")
        notes = []
        if usual := architecture.first_blocks(DEFAULTS[architecture.name].frozen_blocks):
            notes.append(f"{settings.backbone} begins with random weights: {usual[0]} … {usual[-1]} learn too")
        model = detector(architecture, len(class_names), rng, class_names)
        return Beginning(model, "random weights", notes=notes, new=_new(model, set()))
    path = shipped_backbone(settings.backbone) if wanted == SHIPPED else Path(wanted)
    if path.is_file() and is_foreign(path):
        if not isinstance(architecture, VGG) or architecture.name != "vgg16":
            raise InputError(f"{path} holds weights of VGG16, if any of use here; choose --backbone vgg16")
        return _pretrained(detector, path, architecture, class_names, rng, settings)
    if settings.pixels is not None:
        raise InputError(f"--pixels is for somebody's VGG16; {path} says itself which it expects: leave it out")
    if kind_of(path) == "backbone":
        return _on_backbone(detector, path, wanted, architecture, class_names, rng)
    source = load_model(path)
    architecture = replace(architecture, preprocessing=source.architecture.preprocessing)
    if isinstance(source, detector):  # its anchors and its pooling are what its weights have learned on
        stored = source.architecture
        architecture = replace(architecture, rpn=settings.rpn or stored.rpn, pooling=settings.pooling or stored.pooling)
    model = detector(architecture, len(class_names), rng, class_names, output_size=source.roi_layer.output_size)
    weights, own = source.folded_parameters(), {name: parameter.value for name, parameter in model.named_parameters()}
    new = {name: own[name] for name in own if name.startswith("rpn_") and name not in weights}
    notes = [f"{path} has no region proposal network: it begins with random weights"] if new else []
    same = source.class_names == class_names
    other_boxes = source.architecture.class_agnostic != settings.class_agnostic
    anew = ("cls_score", "bbox_pred") if not same else ("bbox_pred",) if other_boxes else ()
    new |= {name: own[name] for name in own if name.startswith(anew)} if anew else {}
    assign(model, weights | new, path)
    if not same:
        shown = ", ".join(source.class_names[:4]) + (", …" if len(source.class_names) > 4 else "")
        notes.append(f"{path} was trained on other classes ({shown}): all but cls_score and bbox_pred is kept, these "
                     "two begin anew")  # fmt: skip
        return Beginning(model, f"the detector {path.name}, of other classes", notes=notes)
    if other_boxes:
        there = "one box for all classes" if source.architecture.class_agnostic else "a box for each class"
        notes.append(f"{path} predicts {there}, and this run does not: bbox_pred begins anew")
        return Beginning(model, f"the detector {path.name}, of other boxes", notes=notes)
    return Beginning(model, f"the detector {path.name}", same_classes=True, notes=notes)


def _on_backbone(
    detector: type[FastRCNN],
    path: Path,
    wanted: str,
    architecture: Architecture,
    class_names: tuple[str, ...],
    rng: np.random.Generator,
) -> Beginning:
    """A model on the convolutions of a backbone file; everything after them begins with random weights."""
    backbone = read_backbone(path)
    if backbone.architecture.convolutions != architecture.convolutions:
        raise InputError(
            f"{path} holds the convolutions of {backbone.architecture.name}, not of {architecture.name}; "
            f"choose --backbone {backbone.architecture.name}, or other --weights"
        )
    architecture = replace(architecture, preprocessing=backbone.architecture.preprocessing)
    given = layers_of(backbone.weights)
    model = detector(architecture, len(class_names), rng, class_names, given=given)
    for name, parameter in model.backbone.named_parameters():
        parameter.value[...] = backbone.weights[name]
    name = "the pretrained backbone that comes with minircnn" if wanted == SHIPPED else f"the backbone {path.name}"
    if data := backbone.origin.get("data"):
        name += f", taught on {data}"
    return Beginning(model, name, new=_new(model, given))


def _pretrained(
    detector: type[FastRCNN],
    path: Path,
    architecture: VGG,
    class_names: tuple[str, ...],
    rng: np.random.Generator,
    settings: TrainSettings,
) -> Beginning:
    """A model on somebody's VGG16: its convolutions, and what the file has of fc6, fc7 and a detector's outputs."""
    found = read_vgg16(path, architecture, pixels=settings.pixels)
    if settings.rpn is None and found.has("rpn_cls_score"):
        architecture = replace(
            architecture, rpn=anchors_of(found.sources["rpn_cls_score.bias"], architecture.rpn, path)
        )
    if settings.pooling is None and found.has("cls_score"):
        architecture = replace(architecture, pooling="pool")  # on which those detectors learned
    notes = list(found.notes)
    if "fc6.first" in found.sources or "fc7.first" in found.sources:
        raise InputError(f"{path} was compressed by truncated SVD; begin from the file that it was made from")
    trained_on = found.sources["cls_score.bias"].shape[0] - 1 if found.has("cls_score") else 0
    same_classes = class_names == VOC and trained_on == len(VOC) and found.has("bbox_pred")
    same_classes = same_classes and not architecture.class_agnostic
    if not same_classes:
        kept = {
            name: source for name, source in found.sources.items() if not name.startswith(("cls_score", "bbox_pred"))
        }
        found = replace(found, sources=kept)
        if trained_on:
            other = "boxes for each class" if class_names == VOC else f"{trained_on} other classes"
            notes.append(f"{path} was trained on {other}: cls_score and bbox_pred begin anew")
    if absent := [layer for layer in ("fc6", "fc7") if not found.has(layer)]:
        verb = "begin" if len(absent) > 1 else "begins"
        notes.append(f"{path} has no {' or '.join(absent)}: {' and '.join(absent)} {verb} with random weights")
    given = found.layers
    architecture = replace(architecture, preprocessing=found.preprocessing)
    model = detector(architecture, len(class_names), rng, class_names, given=given)
    fill(model, found)
    return Beginning(model, f"{found.origin}, from {path.name}", same_classes, notes, _new(model, given))


def _new(model: FastRCNN, given: set[str]) -> tuple[str, ...]:
    """The hidden layers that no file gave."""
    there = given | {"cls_score", "bbox_pred"}
    return tuple(name for name, layer in model.layers.items() if layer.parameters() and name not in there)


def offset_statistics(data: TrainingData, settings: TrainSettings) -> OffsetStatistics:
    """Mean and spread of the offsets, of as many training images as decide them, spread evenly over the set.

    Where the model proposes its regions itself there is nothing to measure yet: the usual ones.
    """
    if data.proposals_of is None:
        return OffsetStatistics.usual(len(data.class_names))
    some = spread(data.train, STATISTICS_IMAGES)
    least, agnostic = settings.roi_sampling.foreground_iou, settings.class_agnostic
    return measure_offsets(some, data.proposals_of, least, len(data.class_names), agnostic)


def reopen(checkpoint: Checkpoint, settings: TrainSettings, run: Path, progress: Progress) -> TrainingData:
    """The data of a run that goes on, with its proposals.

    Raises
    ------
    InputError : it is not there any more, or is not what the run began with
    """
    if not Path(settings.data).is_dir():
        raise InputError(f"{settings.data} is not there any more; say where the data lies now with --data DIR")
    found = TrainingData.read(settings, run, progress)
    if not settings.skip_bad:  # else some images may yet fall away
        check_same_data(found, checkpoint, settings)
    found = found.with_proposals(progress, decoded=True)
    check_same_data(found, checkpoint, settings)
    return found


def check_same_data(data: TrainingData, checkpoint: Checkpoint, settings: TrainSettings) -> None:
    """A run goes on with what it began with, or its epochs and statistics would mean something else."""
    began = checkpoint.model.class_names
    if data.class_names != began:
        raise InputError(
            f"{settings.data} has the classes {', '.join(data.class_names)} where the run began with "
            f"{', '.join(began)}; bring its data back, or start a new run"
        )
    if len(data.train) != checkpoint.state.images:
        raise InputError(
            f"{settings.data} has {len(data.train)} usable training images where the run began with "
            f"{checkpoint.state.images}; bring its data back, or start a new run"
        )
    if checkpoint.state.image_list not in ("", data.image_list()):
        raise InputError(
            f"{settings.data}/train holds other image files (by name) than the run began with; bring its data back, "
            "or start a new run"
        )
    for split, samples in (("train", data.train), ("validation", data.validation)):
        before, now = checkpoint.contents.get(split), samples.digests()
        if before is None:
            continue
        if len(before) != len(now):
            raise InputError(
                f"{settings.data}/{split} has {len(now)} usable images where the run began with {len(before)}; bring "
                "its data back, or start a new run"
            )
        if changed := [samples[int(i)].image_id for i in np.flatnonzero(before != now)]:
            shown = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
            raise InputError(
                f"{settings.data}/{split}: {shown}: the image or its boxes are not those that the run began with; "
                "bring its data back, or start a new run"
            )
