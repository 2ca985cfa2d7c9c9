"""What VGG16's layers are called: by torchvision, timm, Caffe, Keras, and whoever counts them.

A name in a file is a layer and a part, `features.0.weight`, `conv1_1_W`, `block1_conv1/kernel:0`; here it becomes
layer → "weight" and "bias". A `Naming` says which layer is which.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from minircnn.errors import InputError
from minircnn.weights.stored import Stored

Layers = dict[str, dict[str, tuple[str, Stored]]]  # layer → "weight", "bias" → name in the file, array

_WRAPPER = re.compile(r"^(?:(?:module|model|vgg16?|_orig_mod)\.)+")
_PART = re.compile(r"^(.+?)[./_](weights?|kernel|W|w|bias(?:es)?|b)(?:_\d+)?(?::0)?$")
_VGG19 = re.compile(r"(?:conv|block)[345]_(?:conv)?4|conv2d_1[3-9]")


@dataclass(frozen=True)
class Naming:
    """Names of the layers.

    Attributes
    ----------
    whose : in a word
    convolutions : conv1_1 … conv5_3, in order
    dense : ours → name in the file, of those that are there
    """

    whose: str
    convolutions: list[str]
    dense: dict[str, str]


def split_names(tensors: dict[str, Stored]) -> Layers:
    """The file's layers; what is no weight or bias is not among them."""
    layers: Layers = {}
    for name, stored in tensors.items():
        if match := _PART.match(_WRAPPER.sub("", name)):
            layers.setdefault(match[1], {})["bias" if match[2].startswith("b") else "weight"] = name, stored
    return layers


def find_naming(layers: Layers, blocks: tuple[tuple[int, ...], ...], path: Path) -> Naming:
    """The naming by which all convolutions are there.

    Raises
    ------
    InputError : there is none, or the file has more convolutions, as a VGG19
    """
    nearest, missing = "", list[str]()
    for whose, convolutions, dense in _namings(blocks):
        lacking = [name for name in convolutions if name not in layers]
        if lacking:
            if not missing or len(lacking) < len(missing):
                nearest, missing = whose, lacking
            continue
        if any(_VGG19.fullmatch(name) for name in layers):
            raise InputError(f"{path} has more convolutions than a VGG16 (as a VGG19 has); give a VGG16")
        there = {ours: name for ours, options in dense.items() for name in options if name in layers}
        if "pre_logits.fc1" in there.values():
            whose = "timm"
        return Naming(whose, convolutions, there)
    if len(missing) == sum(map(len, blocks)):
        shown = ", ".join(sorted(layers)[:4]) + (", …" if len(layers) > 4 else "")
        raise InputError(f"{path} is no VGG16: none of its layers has such a name ({shown or 'it has no layers'})")
    raise InputError(f"{path} is no VGG16: with {nearest}'s names, {missing[0]} is missing")


def _namings(blocks: tuple[tuple[int, ...], ...]) -> Iterator[tuple[str, list[str], dict[str, tuple[str, ...]]]]:
    """Whose; the convolutions' names in order; what each dense layer may be called."""
    numbers = [(block, number) for block, widths in enumerate(blocks, 1) for number in range(1, len(widths) + 1)]
    # torchvision counts ReLUs and pools too. Before 2017 it had dropout first: classifier.1 and .4.
    features = [f"features.{2 * place + block - 1}" for place, (block, _) in enumerate(numbers)]
    hidden6, hidden7 = (
        ("classifier.0", "classifier.1", "pre_logits.fc1"),
        ("classifier.3", "classifier.4", "pre_logits.fc2"),
    )
    yield "torchvision", features, {"fc6": hidden6, "fc7": hidden7, "fc8": ("classifier.6", "head.fc")}
    own: dict[str, tuple[str, ...]] = {layer: (layer,) for layer in ("fc6", "fc7", "fc8", "cls_score", "bbox_pred")}
    own |= {"fc6.first": ("fc6_L",), "fc6.second": ("fc6_U",), "fc7.first": ("fc7_L",), "fc7.second": ("fc7_U",)}
    yield "Caffe", [f"conv{block}_{number}" for block, number in numbers], own
    keras: dict[str, tuple[str, ...]] = {"fc6": ("fc1",), "fc7": ("fc2",), "fc8": ("predictions",)}
    yield "Keras", [f"block{block}_conv{number}" for block, number in numbers], keras
    counted = ["", *(f"_{place}" for place in range(1, len(numbers)))]  # Keras' own names, and an ONNX graph's order
    kinds: dict[str, tuple[str, ...]] = {"fc6": ("dense",), "fc7": ("dense_1",), "fc8": ("dense_2",)}
    yield "Keras", [f"conv2d{count}" for count in counted], kinds
