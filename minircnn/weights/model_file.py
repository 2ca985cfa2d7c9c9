"""Model files: safetensors with everything else in the metadata.

A model file (`best.safetensors`) is enough to detect with: weights with the offsets' statistics folded in, the
architecture, class names and preprocessing. It is written to a temporary name, synced, renamed. A checkpoint
(`training/checkpoint.py`) is one too, with what training needs to go on.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from minircnn.errors import InputError
from minircnn.models import VGG, FastRCNN, Preprocessing
from minircnn.targets import OffsetStatistics

METADATA_KEY = "minircnn"
FORMAT = 1


def describe(model: FastRCNN) -> dict:
    """What a file must say beside the weights so that the model can be built again."""
    return {
        "format": FORMAT,
        "architecture": asdict(model.architecture),
        "class_names": list(model.class_names),
        "output_size": list(model.roi_pool.output_size),
    }


def build(description: dict, path: Path) -> FastRCNN:
    """The model that `describe` described, with random weights."""
    try:
        fields = dict(description["architecture"])
        preprocessing = dict(fields.pop("preprocessing"))
        preprocessing["mean"] = tuple(preprocessing["mean"])
        preprocessing["scale"] = tuple(preprocessing["scale"])
        fields["blocks"] = tuple(tuple(block) for block in fields["blocks"])
        for name in ("hidden", "frozen", "output_spreads"):
            fields[name] = tuple(fields[name])
        architecture = VGG(preprocessing=Preprocessing(**preprocessing), **fields)
        names, output_size = tuple(description["class_names"]), tuple(description["output_size"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: its description of the model is not usable ({error}); train it again") from None
    return FastRCNN(architecture, len(names), np.random.default_rng(0), names, output_size=output_size)


def save_model(path: Path, model: FastRCNN) -> None:
    """Write a model file to detect with."""
    write_tensors(path, model.folded_parameters(), describe(model))


def write_tensors(path: Path, tensors: dict[str, np.ndarray], description: dict) -> None:
    """Atomic safetensors file, or an InputError when the disk or folder refuses."""
    temporary = path.with_name(path.name + ".partial")
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    try:
        save_file(contiguous, temporary, metadata={METADATA_KEY: json.dumps(description)})
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"{path} could not be written ({error}); make room or choose another --out") from None


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """Tensors and description of a file that minircnn wrote."""
    if not path.is_file():
        raise InputError(f"{path} is not there; give a model file or a run folder that holds one")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path} is damaged or no safetensors file ({error}); take another copy") from None
    if METADATA_KEY not in metadata:
        raise InputError(f"{path} was not written by minircnn: its metadata has no {METADATA_KEY!r} entry")
    return tensors, json.loads(metadata[METADATA_KEY])


def assign(model: FastRCNN, tensors: dict[str, np.ndarray], path: Path) -> None:
    """Copy tensors into the model's parameters by name; a missing or misshapen one is another architecture's."""
    for name, parameter in model.named_parameters():
        stored = tensors.get(name)
        expected = parameter.value.shape
        if stored is None or stored.shape != expected:
            found = "is missing" if stored is None else f"has shape {stored.shape}"
            raise InputError(
                f"{path} is of another architecture: {name} {found} where {model.architecture.name} for "
                f"{model.num_classes} classes needs {expected}; give the file that belongs to this model"
            )
        parameter.value[...] = stored


def load_model(path: str | Path) -> FastRCNN:
    """Load a detector from a model file, a checkpoint, or a run folder (its `best.safetensors`, else `last`).

    Raises
    ------
    InputError : missing, damaged, or of another kind
    """
    path = Path(path)
    if path.is_dir():
        found = [path / name for name in ("best.safetensors", "last.safetensors") if (path / name).is_file()]
        if not found:
            raise InputError(f"{path} holds no best.safetensors or last.safetensors; give a finished run's folder")
        path = found[0]
    tensors, description = read_tensors(path)
    model = build(description, path)
    assign(model, tensors, path)
    if "offsets.mean" in tensors:  # a checkpoint: its bbox_pred still speaks in normalised offsets
        model.statistics = OffsetStatistics(tensors["offsets.mean"], tensors["offsets.std"])
        assign(model, model.folded_parameters(), path)
        model.statistics = OffsetStatistics.identity(model.num_classes)
    return model
