"""A detector on other ranks: built there from what a model file would say of it, and given rank 0's weights."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minircnn.base.ranks import Ranks
from minircnn.models import FastRCNN, Model
from minircnn.targets import OffsetStatistics
from minircnn.weights.description import build, describe


class Outline(NamedTuple):
    """All of a detector but its weights."""

    description: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    statistics: OffsetStatistics


def outline(model: FastRCNN) -> Outline:
    """What another rank needs to build it."""
    shapes = {name: parameter.value.shape for name, parameter in model.named_parameters()}
    return Outline(describe(model), shapes, model.statistics)


def build_elsewhere(given: Outline) -> FastRCNN:
    """The detector of an outline, with weights of 0."""
    tensors = {name: np.zeros(shape, np.float32) for name, shape in given.shapes.items()}
    model = build(given.description, tensors, Path("the detector of rank 0"))
    model.statistics = given.statistics
    return model


def hand_out_weights(ranks: Ranks, model: Model) -> None:
    """Give every rank's model the weights of rank 0's; all call it at once."""
    if ranks.size > 1:
        for _, parameter in model.named_parameters():
            ranks.comm.Bcast(parameter.value, root=0)
