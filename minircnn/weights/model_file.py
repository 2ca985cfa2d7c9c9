"""Model files: safetensors with everything else in the metadata.

A model file (`best.safetensors`) is enough to detect with: weights with the offsets' statistics folded in, the
architecture, class names and preprocessing. It is written to a temporary name, synced, renamed, and carries a
checksum. A checkpoint (`training/checkpoint.py`) is one too, with what training needs to go on.
"""

import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from minircnn.anchors import rpn_settings
from minircnn.base.errors import InputError, NotFinite
from minircnn.base.files import sync, written_whole
from minircnn.models import DETECTORS, Architecture, FastRCNN
from minircnn.proposals import ProposalSettings
from minircnn.targets import OffsetStatistics
from minircnn.weights.architecture import FORMAT, architecture_of, describe_architecture
from minircnn.weights.foreign.detector import read_detector
from minircnn.weights.foreign.formats import OWN_KEY, is_foreign
from minircnn.weights.foreign.safetensors_file import read_safetensors_file

CHECKSUM_KEY = "crc32"
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


def save_model(path: str | Path, model: FastRCNN) -> None:
    """Write a model file to detect with: safetensors, with all that `load_model` needs to build the model again.

    Raises
    ------
    InputError : a weight is not finite, or the disk or folder refuses; what stood at `path` is still there
    """
    write_tensors(Path(path), model.folded_parameters(), describe(model))


def write_tensors(path: Path, tensors: dict[str, np.ndarray], description: dict, former: Path | None = None) -> None:
    """Write a safetensors file whole or not at all, synced, with a checksum in its metadata.

    former : where the file that stands at `path` is kept from now on

    Raises
    ------
    InputError : a value is not finite (NotFinite), or the disk or folder refuses; what stood at `path` is still there
    """
    for name, array in tensors.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise NotFinite(f"{path} is not written: {name} holds NaN or infinity")
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    text = json.dumps(description)
    metadata = {OWN_KEY: text, CHECKSUM_KEY: _checksum(contiguous, text)}
    with written_whole(path) as temporary:
        try:
            save_file(contiguous, temporary, metadata=metadata)
        except SafetensorError as error:
            raise OSError(str(error)) from None
        sync(temporary)
        if former is not None and path.exists():
            os.replace(path, former)


def _checksum(tensors: dict[str, np.ndarray], text: str) -> str:
    """CRC-32 of a description and of every tensor's name, kind, shape and bytes."""
    checksum = zlib.crc32(text.encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        checksum = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), checksum)
        checksum = zlib.crc32(array.reshape(-1).view(np.uint8).data, checksum)
    return f"{checksum:08x}"


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """Tensors and description of a file that minircnn wrote; InputError where a single bit of it has changed."""
    if not path.is_file():
        what = "is no file" if path.exists() else "is not there"
        raise InputError(f"{path} {what}; give a model file or a run folder that holds one")
    try:
        stored, metadata = read_safetensors_file(path)
        tensors = {name: array.array() for name, array in stored.items()}
    except MemoryError as error:
        raise InputError(f"{path} does not fit into memory ({error}); take a smaller model") from None
    if OWN_KEY not in metadata:
        raise InputError(f"{path} was not written by minircnn: its metadata has no {OWN_KEY!r} entry")
    text = metadata[OWN_KEY]
    if metadata.get(CHECKSUM_KEY) != _checksum(tensors, text):
        raise InputError(f"{path} is damaged: its content does not fit its checksum; take another copy")
    try:
        description = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: its description is no JSON ({error}); take another copy") from None
    if not isinstance(description, dict):
        raise InputError(f"{path} is damaged: its description is no JSON object; take another copy")
    return tensors, description


def kind_of(path: Path) -> str:
    """ "model", "backbone" or "pretraining", as a file that minircnn wrote says of itself; its arrays are not read.

    "model" also where it says nothing: whoever reads the whole says what is wrong.
    """
    try:
        description = json.loads(read_safetensors_file(path)[1][OWN_KEY])
        return str(description.get("kind", "model"))
    except (InputError, KeyError, ValueError, RecursionError, AttributeError):
        return "model"


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


def load_model(path: str | Path) -> FastRCNN:
    """Load a detector.

    path : a model file, a checkpoint, a run folder (its best weights, else the last), or the file of a detector that
        Fast R-CNN's authors published for Caffe

    Raises
    ------
    InputError : missing, damaged, or of another kind
    """
    path = model_path(path)
    if path.is_file() and is_foreign(path):
        return read_detector(path)
    tensors, description = read_tensors(path)
    model = build(description, tensors, path)
    if "offsets.mean" in tensors:  # a checkpoint: its bbox_pred still speaks in normalised offsets
        model.statistics = stored_statistics(model, tensors, path)
        model.restate_offsets(OffsetStatistics.identity(model.num_classes))
    return model


def model_path(path: str | Path) -> Path:
    """The file that `load_model` reads: of a run folder its best weights, else the last; InputError without."""
    path = Path(path)
    if not path.is_dir():
        return path
    found = [path / name for name in ("best.safetensors", "last.safetensors") if (path / name).is_file()]
    if not found:
        raise InputError(f"{path} holds no best.safetensors or last.safetensors; give a finished run's folder")
    return found[0]


def stored_statistics(model: FastRCNN, tensors: dict[str, np.ndarray], path: Path) -> OffsetStatistics:
    """The offsets' mean and spread that a checkpoint holds."""
    mean, std = tensors.get("offsets.mean"), tensors.get("offsets.std")
    expected = (model.num_classes + 1, 4)
    if mean is None or std is None or mean.shape != expected or std.shape != expected or not (std > 0).all():
        raise InputError(f"{path} is damaged: the statistics of its offsets are not usable; take another copy")
    return OffsetStatistics(mean, std)
