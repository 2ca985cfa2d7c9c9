"""What a model file says beside its weights, and the model built again from that and from them."""

from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from minircnn.anchors import rpn_settings
from minircnn.base.errors import InputError
from minircnn.models import DETECTORS, Architecture, FastRCNN
from minircnn.proposals import ProposalSettings
from minircnn.targets import OffsetStatistics
from minircnn.weights.architecture import FORMAT, architecture_of, describe_architecture

NO_DETECTOR = {  # kinds of files that hold no whole model
    "backbone": "a backbone alone, no detector; begin one with it: minircnn train --weights FILE",
    "pretraining": "a pretraining that is not finished; go on with it: minircnn pretrain",
}


def describe(model: FastRCNN) -> dict:
    """What a file must say beside the weights so that the model can be built again."""
    description: dict = {
        "format": FORMAT,
        "architecture": describe_architecture(model.architecture),
        "class_names": list(model.class_names),
        "output_size": list(model.roi_layer.output_size),
    }
    learned_in = model.learned_in if model.statistics.is_identity else model.statistics
    if learned_in is not None:  # folded into bbox_pred, and so not needed to detect: for who takes a step apart
        description["offsets"] = {"mean": learned_in.mean.tolist(), "std": learned_in.std.tolist()}
    if model.best_score is not None:
        description["best_score"] = model.best_score
    if model.searches and model.search != ProposalSettings():
        description["search"] = asdict(model.search)
    if model.kind != FastRCNN.kind:  # a file that says nothing of it is Fast R-CNN's
        description["model"] = model.kind
    if not model.searches:
        description["rpn"] = asdict(model.architecture.rpn)
    return description


def build(description: dict, tensors: dict[str, np.ndarray], path: Path) -> FastRCNN:
    """The model that `describe` described, with the weights in `tensors`."""
    if (kind := description.get("kind")) in NO_DETECTOR:
        raise InputError(f"{path} is {NO_DETECTOR[kind]}")
    architecture = architecture_of(description, path)
    try:
        names, output_size = tuple(description["class_names"]), tuple(description["output_size"])
        if not all(isinstance(name, str) for name in names):
            raise TypeError(f"class names should be words, not {names}")
        if (word := description.get("model", FastRCNN.kind)) not in DETECTORS:
            raise InputError(f"{path} holds a detector of a kind that this minircnn does not know: {word!r}")
        if "rpn" in description:
            architecture = replace(architecture, rpn=rpn_settings(description["rpn"]))
        _check_sizes(DETECTORS[word], architecture, len(names), output_size, tensors, path)
        rng, given = np.random.default_rng(0), layers_of(tensors)
        model = DETECTORS[word](architecture, len(names), rng, names, output_size=output_size, given=given)
        model.best_score = description.get("best_score")
        if not 0 <= (model.best_score or 0.0) <= 1:
            raise ValueError(f"best_score should lie in [0, 1], not {model.best_score!r}")
        if "offsets" in description:
            arrays = {f"offsets.{name}": np.array(rows, float) for name, rows in description["offsets"].items()}
            model.learned_in = stored_statistics(model, arrays, path)
        model.search = ProposalSettings(**description.get("search", {}))
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: its description of the model is not usable ({error}); train it again") from None
    assign(model, tensors, path)
    model.take_rest(tensors, path)
    return model


def layers_of(parameters: Iterable[str]) -> set[str]:
    """ "fc6.weight", … → "fc6", …"""
    return {name.split(".")[0] for name in parameters}


def _check_sizes(
    model: type[FastRCNN],
    architecture: Architecture,
    classes: int,
    output_size: tuple[int, int],
    tensors: dict[str, np.ndarray],
    path: Path,
) -> None:
    """Refuse a description that does not fit the weights, before arrays of the size it names are made."""
    for name, expected in model.weight_shapes(architecture, classes, output_size).items():
        check_shape(name, tensors.get(name), expected, f"{architecture.name} for {classes} classes", path)


def assign(model: FastRCNN, tensors: dict[str, np.ndarray], path: Path) -> None:
    """Copy tensors into the model's parameters by name.

    Raises
    ------
    InputError : one is missing or misshapen, so it is another architecture's, or is not finite
    """
    for name, parameter in model.named_parameters():
        wanted_by = f"{model.architecture.name} for {model.num_classes} classes"
        stored = check_shape(name, tensors.get(name), parameter.value.shape, wanted_by, path)
        if not np.isfinite(stored).all():
            raise InputError(f"{path}: {name} holds values that are not finite; take another copy, or train again")
        parameter.value[...] = stored


def check_shape(
    name: str, stored: np.ndarray | None, expected: tuple[int, ...], wanted_by: str, path: Path
) -> np.ndarray:
    """The array, or InputError unless it is there and has the shape that `wanted_by`, in words, needs."""
    if stored is None or stored.shape != expected:
        found = "is missing" if stored is None else f"has shape {stored.shape}"
        raise InputError(
            f"{path} is of another architecture: {name} {found} where {wanted_by} needs {expected}; give the file that "
            "belongs to this model"
        )
    return stored


def stored_statistics(model: FastRCNN, tensors: dict[str, np.ndarray], path: Path) -> OffsetStatistics:
    """The offsets' mean and spread that a checkpoint holds."""
    mean, std = tensors.get("offsets.mean"), tensors.get("offsets.std")
    expected = (model.num_classes + 1, 4)
    fault = InputError(f"{path} is damaged: the statistics of its offsets are not usable; take another copy")
    if mean is None or std is None or not mean.shape == std.shape == expected:
        raise fault
    if not np.isfinite([mean, std]).all() or not (std > 0).all():
        raise fault
    return OffsetStatistics(mean, std)
