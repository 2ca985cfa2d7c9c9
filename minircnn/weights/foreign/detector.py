"""The Fast R-CNN and Faster R-CNN detectors that their authors published, as Caffe stored them.

Their `bbox_pred` gives offsets as they are: the normalisation of training was taken out of it when it was stored
(weights times the spread, bias times the spread plus the mean), which is what this project's model files hold too.
Class 0 is the background in both, and class k owns columns 4k … 4k + 3. One that was compressed by SVD has fc6 and fc7
in two halves. One with a region proposal network (`rpn.py`) is a Faster R-CNN.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.layers import Sequential
from minircnn.models import VGG, FasterRCNN, FastRCNN, VGGClassifier, vgg16
from minircnn.weights.foreign.rpn import anchors_of
from minircnn.weights.foreign.vgg16 import Pretrained, read_vgg16

VOC = ("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
       "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor")  # fmt: skip


def read_detector(path: Path, pixels: str | None = None) -> FastRCNN:
    """A trained detector from another project's file, with Pascal VOC's class names where it has as many classes.

    pixels : what it expects, as `read_vgg16` takes it

    Raises
    ------
    InputError : the file is damaged, of another network, or holds no detector
    """
    found = read_vgg16(path, vgg16(), pixels=pixels)
    lacking = [layer for layer in ("fc6", "fc7", "cls_score", "bbox_pred") if not found.has(layer)]
    if lacking:
        raise InputError(
            f"{path} holds a VGG16 but no detector ({', '.join(lacking)} missing); begin training from it with "
            f"minircnn train --backbone vgg16 --weights {path}"
        )
    outputs, offsets = (found.sources[f"{layer}.bias"].shape[0] for layer in ("cls_score", "bbox_pred"))
    if offsets != 4 * outputs or outputs < 2:
        raise InputError(f"{path}: bbox_pred has {offsets} outputs, not four for each of cls_score's {outputs}")
    halves = [found.sources[name] for name in ("fc6.first", "fc7.first") if name in found.sources]
    if len(halves) == 1:
        raise InputError(f"{path} has one of fc6 and fc7 in halves and the other whole; give one with both alike")
    ranks = (halves[0].shape[1], halves[1].shape[1]) if halves else None
    architecture = replace(vgg16(), preprocessing=found.preprocessing, ranks=ranks)
    names = VOC if outputs == len(VOC) + 1 else None
    kind = FastRCNN
    if found.has("rpn_bbox_pred"):
        kind, scores = FasterRCNN, found.sources["rpn_cls_score.bias"]
        architecture = replace(architecture, rpn=anchors_of(scores, architecture.rpn, path))
    model = kind(architecture, outputs - 1, np.random.default_rng(0), names, given=found.layers)
    fill(model, found)
    return model


def fill(model: FastRCNN | VGGClassifier, found: Pretrained) -> None:
    """Fill those of the model's parameters that the file has.

    Raises
    ------
    InputError : one has another shape, is not finite, or the file is damaged
    """
    for name, parameter in model.named_parameters():
        source = found.sources.get(name)
        if source is None:
            continue
        if source.shape != parameter.value.shape:
            raise InputError(
                f"{found.contents.path}: {name} is of {source.shape}, the model's of {parameter.value.shape}"
            )
        source.into(parameter.value)


def read_convolutions(found: Pretrained, architecture: VGG) -> Sequential:
    """The convolutions alone.

    Raises
    ------
    InputError : the file is damaged, or holds a value that is not finite
    """
    backbone = architecture.backbone()
    for name, parameter in backbone.named_parameters():
        found.sources[name].into(parameter.value)
    return backbone


def read_classifier(found: Pretrained, architecture: VGG) -> VGGClassifier:
    """The whole VGG16, with fc8.

    Raises
    ------
    InputError : the file has no classifier, or is damaged
    """
    path = found.contents.path
    if lacking := [layer for layer in ("fc6", "fc7", "fc8") if f"{layer}.weight" not in found.sources]:
        raise InputError(f"{path} holds no whole classifier: {', '.join(lacking)} missing; take a file that has them")
    classes = found.sources["fc8.bias"].shape[0]
    model = VGGClassifier(architecture, classes, np.random.default_rng(0), given=found.layers)
    fill(model, found)
    return model
