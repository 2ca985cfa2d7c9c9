"""Checkpoints: a model file (`weights/model_file.py`) and all that training needs to go on from it bit for bit.

That is the velocities, the generator's state, the position in the data, and the offsets' statistics, which a model
file has folded in. Two are kept: when the last one is damaged, the one before it still serves.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.models import FastRCNN
from minircnn.weights.description import build, describe, stored_statistics
from minircnn.weights.foreign.formats import OWN_KEY
from minircnn.weights.foreign.safetensors_file import read_safetensors_file
from minircnn.weights.model_file import read_tensors, write_tensors

DAMAGED = "damaged.safetensors"


@dataclass(frozen=True)
class TrainingState:
    """What changes from step to step, apart from weights, velocities and the epoch's order; JSON-ready.

    Attributes
    ----------
    images : training images at the start, and `image_list`, a digest of their names
    step, position : steps done; images of this epoch's order that have been seen
    seconds : spent in training steps
    history : one dict for each validation
    generator : the state of the run's random generator
    started_from : where the first weights came from, in words
    new : hidden layers with random weights, which the first step fits to what they are given
    rows : the figures of each step since the log's last row
    """

    images: int
    image_list: str
    step: int
    position: int
    seconds: float
    history: list
    generator: dict
    started_from: str = ""
    new: tuple[str, ...] = ()
    rows: Sequence[dict[str, float]] = ()


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as it was read: model (with its statistics), velocities by name, the epoch's order, the state.

    contents : digests of each split's images and boxes; empty where a program of its own saved none
    """

    model: FastRCNN
    velocities: dict[str, np.ndarray]
    order: np.ndarray
    state: TrainingState
    contents: dict[str, np.ndarray]


def save_checkpoint(
    path: Path,
    former: Path,
    model: FastRCNN,
    tensors: dict[str, np.ndarray],
    order: np.ndarray,
    state: TrainingState,
    contents: dict[str, np.ndarray] | None = None,
) -> None:
    """Write everything that training needs to go on from here; what stood at `path` is kept at `former`.

    tensors : weights and velocities, as `Steps.tensors` names them
    order : the current epoch's permutation of the training images
    contents : digests of the images and boxes of each split, where a resumed run is to notice that they changed
    """
    tensors = tensors | {"offsets.mean": model.statistics.mean, "offsets.std": model.statistics.std, "order": order}
    tensors |= {f"contents.{split}": digests for split, digests in (contents or {}).items()}
    write_tensors(path, tensors, describe(model) | {"training": vars(state)}, former)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint; InputError where it is missing, damaged, or a model file."""
    tensors, description = read_tensors(path)
    if "training" not in description or "order" not in tensors:
        raise InputError(f"{path} is a model file, not a checkpoint: training cannot go on from it")
    try:
        stored = dict(description["training"])
        stored.pop("best_score", None)  # as the history says
        state = TrainingState(**stored)
        np.random.default_rng().bit_generator.state = state.generator
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise InputError(f"{path}: its training state is not usable ({error}); start a new run") from None
    model = build(description, tensors, path)
    model.statistics = stored_statistics(model, tensors, path)
    velocities, contents = _below("velocity.", tensors), _below("contents.", tensors)
    return Checkpoint(model, velocities, tensors["order"], state, contents)


def _below(prefix: str, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}


def stored_training(last: Path, former: Path) -> dict:
    """What the last checkpoint that can be read says of its training; only its description is read."""
    for path in (last, former):
        try:
            found = json.loads(read_safetensors_file(path)[1][OWN_KEY])["training"]
            return found if isinstance(found["history"], list) else {"history": []}
        except (OSError, KeyError, ValueError, TypeError, RecursionError):  # an InputError is a ValueError
            continue
    raise InputError(f"{last} is no checkpoint that can be read, and neither is {former.name}")


def stored_step(path: Path) -> int:
    """The step of a checkpoint, of which only the description is read; InputError where there is none."""
    try:
        return int(json.loads(read_safetensors_file(path)[1][OWN_KEY])["training"]["step"])
    except (OSError, KeyError, ValueError, TypeError, RecursionError):  # an InputError is a ValueError
        raise InputError(f"{path} is no checkpoint that can be read") from None


def load_newest(last: Path, former: Path) -> tuple[Checkpoint, str | None]:
    """The last checkpoint, or where that is missing or damaged the one before it, and a sentence that says so.

    A damaged one is set aside, so that the next checkpoint does not push it into the sound one's place.
    """
    try:
        return load_checkpoint(last), None
    except InputError as error:
        if not former.is_file():
            raise
        checkpoint = load_checkpoint(former)
        if last.is_file():
            os.replace(last, last.with_name(DAMAGED))
        return checkpoint, f"{error}. Going on from {former.name}, step {checkpoint.state.step}"
