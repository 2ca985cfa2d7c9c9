"""Checkpoints: a model file (`weights/model_file.py`) and all that training needs to go on from it bit for bit.

That is the velocities, the generator's state, the position in the data, and the offsets' statistics, which a model
file has folded in.
"""

from pathlib import Path

import numpy as np

from minircnn.errors import InputError
from minircnn.models import FastRCNN
from minircnn.targets import OffsetStatistics
from minircnn.training.optim import SGD
from minircnn.weights.model_file import assign, build, describe, read_tensors, write_tensors


def save_checkpoint(path: Path, model: FastRCNN, optimiser: SGD, order: np.ndarray, state: dict) -> None:
    """Write everything that training needs to go on from here.

    order : the current epoch's permutation of the training images
    state : JSON-ready; step, position, the generator's state, best score, history
    """
    tensors = {name: parameter.value for name, parameter in model.named_parameters()}
    tensors |= {f"velocity.{name}": velocity for name, velocity in optimiser.velocity.items()}
    tensors |= {"offsets.mean": model.statistics.mean, "offsets.std": model.statistics.std, "order": order}
    write_tensors(path, tensors, describe(model) | {"training": state})


def load_checkpoint(path: Path) -> tuple[FastRCNN, dict[str, np.ndarray], np.ndarray, dict]:
    """Model (with its statistics), velocities by name, the epoch's order, and the state `save_checkpoint` was given."""
    tensors, description = read_tensors(path)
    if "training" not in description or "order" not in tensors:
        raise InputError(f"{path} is a model file, not a checkpoint: training cannot go on from it")
    model = build(description, path)
    assign(model, tensors, path)
    model.statistics = OffsetStatistics(tensors["offsets.mean"], tensors["offsets.std"])
    velocities = {name.removeprefix("velocity."): t for name, t in tensors.items() if name.startswith("velocity.")}
    return model, velocities, tensors["order"], description["training"]
