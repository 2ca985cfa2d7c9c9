"""Backbone files: the convolutions alone, from which a detector begins to learn.

`minircnn pretrain` writes them, and one comes with the package. They are model files (`model_file.py`) of another
kind: float16 arrays by name, the architecture with its preprocessing, and how they were made, under a checksum.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.models import Architecture
from minircnn.weights.architecture import FORMAT, architecture_of, describe_architecture
from minircnn.weights.description import check_shape
from minircnn.weights.model_file import kind_of, read_tensors, write_tensors

SHIPPED = Path(__file__).with_name("pretrained")  # weights that come with the package


@dataclass(frozen=True)
class Backbone:
    """Convolutions with what they need to be used.

    Attributes
    ----------
    architecture : Architecture
    weights : "conv1_1.weight" … → float32 array
    origin : how they were made; JSON-ready
    """

    architecture: Architecture
    weights: dict[str, np.ndarray]
    origin: dict


def shipped_backbone(name: str) -> Path:
    """The file that comes with the package for a backbone; there is one for `vgg_small`."""
    path = SHIPPED / f"{name}.safetensors"
    if not path.is_file() or kind_of(path) != "backbone":
        raise InputError(f"no weights of {name} come with minircnn; give a file, or none, for --weights")
    return path


def save_backbone(path: Path, backbone: Backbone) -> None:
    """Write one, as float16: half the size, and a first step of learning moves every weight by more.

    Raises
    ------
    InputError : a weight is not finite, or the disk refuses
    """
    small = {name: array.astype(np.float16) for name, array in backbone.weights.items()}
    description = {"format": FORMAT, "kind": "backbone"}
    description |= {"architecture": describe_architecture(backbone.architecture), "origin": backbone.origin}
    write_tensors(path, small, description)


def read_backbone(path: Path) -> Backbone:
    """Read one.

    Raises
    ------
    InputError : missing, damaged, of another kind, or not what its own description says
    """
    tensors, description = read_tensors(path)
    if description.get("kind") != "backbone":
        raise InputError(f"{path} holds no backbone but a whole model")
    architecture = architecture_of(description, path)
    weights = {}
    for layer, C, OC, _ in architecture.convolutions:
        for part, shape in (("weight", (3, 3, C, OC)), ("bias", (OC,))):
            name = f"{layer}.{part}"
            weights[name] = check_shape(name, tensors.get(name), shape, architecture.name, path).astype(np.float32)
            if not np.isfinite(weights[name]).all():
                raise InputError(f"{path}: {name} holds values that are not finite; take another copy")
    origin = description.get("origin")
    return Backbone(architecture, weights, origin if isinstance(origin, dict) else {})
