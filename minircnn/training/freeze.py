"""Layers that keep their weights: `--freeze`, by name, block or backbone, whatever else learns."""

from collections.abc import Sequence

from minircnn.base.errors import InputError
from minircnn.models import FastRCNN

BACKBONE = "backbone"


def frozen_layers(names: Sequence[str], model: FastRCNN) -> tuple[str, ...]:
    """ "backbone", "conv3", "fc6" → the layers with weights that this stands for, in the data's order.

    Raises
    ------
    InputError : a name that stands for none; or nothing would be left to learn
    """
    known = [name for name, layer in model.layers.items() if layer.parameters()]
    convolutions = [name for name in known if name in model.backbone.layers]
    found = set[str]()
    for name in names:
        block = [layer for layer in convolutions if layer.split("_")[0] == name]
        own = convolutions if name == BACKBONE else block or [layer for layer in known if layer == name]
        if not own:
            blocks = list(dict.fromkeys(layer.split("_")[0] for layer in convolutions))
            others = [layer for layer in known if layer not in convolutions]
            raise InputError(f"--freeze {name}: give {BACKBONE}, {', '.join(blocks)}, one of their layers, or "
                             f"{', '.join(others)}")  # fmt: skip
        found |= set(own)
    if names and all(name in found or not _learns(model, name) for name in known):
        raise InputError(f"--freeze {','.join(names)} leaves nothing to learn; freeze fewer layers")
    return tuple(name for name in known if name in found)


def freeze(model: FastRCNN, names: Sequence[str]) -> None:
    """From now on these layers' weights stay as they are."""
    for name in frozen_layers(names, model):
        for parameter in model.layers[name].parameters().values():
            parameter.lr_multiplier = 0.0


def _learns(model: FastRCNN, name: str) -> bool:
    return any(parameter.learns for parameter in model.layers[name].parameters().values())
