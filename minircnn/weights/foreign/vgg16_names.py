"""Which of a file's layers is which of VGG16's: by the names that torchvision, timm, Caffe and Keras use, or by order.

A name in a file is a layer and a part, `features.0.weight`, `conv1_1_W`, `block1_conv1/kernel:0`; here it becomes
layer → "weight" and "bias". Whatever stands before the names (`module.`, `backbone.`, `extractor.`) does not count.
Where the names are nobody's, thirteen 3×3 convolutions that follow each other and whose shapes are VGG16's are its
convolutions. A `Naming` says which layer is which.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from minircnn.base.errors import InputError
from minircnn.weights.foreign.stored import Stored

Layers = dict[str, dict[str, tuple[str, Stored]]]  # layer → "weight", "bias" → name in the file, array
Blocks = tuple[tuple[int, ...], ...]

_PART = re.compile(r"^(.+?)[./_](weights?|kernel|W|w|bias(?:es)?|b)(?:_\d+)?(?::0)?$")
_NORMALISATION = re.compile(r"^(.+?)[./_](?:running_mean|moving_mean)(?::0)?$")
_VGG19 = re.compile(r"(?:.*[./])?(?:conv|block)[345]_(?:conv)?4(?:_\d+)?")
OTHERS = {8: "VGG11", 10: "VGG13", 16: "VGG19"}  # count of convolutions → whose that is


@dataclass(frozen=True)
class Naming:
    """Names of the layers.

    Attributes
    ----------
    whose : in a word; "torchvision" also of what is counted as it counts
    convolutions : conv1_1 … conv5_3, in order
    dense : ours → the names in the file that it may have
    """

    whose: str
    convolutions: list[str]
    dense: dict[str, list[str]]


def split_names(tensors: dict[str, Stored]) -> Layers:
    """The file's layers; what is no weight or bias is not among them."""
    layers: Layers = {}
    for name, stored in tensors.items():
        if match := _PART.match(name):
            layers.setdefault(match[1], {})["bias" if match[2].startswith("b") else "weight"] = name, stored
    return layers


def find_naming(tensors: dict[str, Stored], layers: Layers, blocks: Blocks, in_order: bool, path: Path) -> Naming:
    """The naming by which all convolutions are there.

    in_order : whether the file keeps its layers in the network's order, not the alphabet's

    Raises
    ------
    InputError : there is none; or the file has batch normalisation, or more or fewer convolutions
    """
    found, missing, misshapen = None, "", None
    for naming in _named(layers, blocks):
        lacking = [name for name in naming.convolutions if name not in layers]
        if lacking:
            missing = missing or f"with {naming.whose}'s names, {lacking[0]} is missing"
        elif not _fit(layers, naming.convolutions, blocks):
            misshapen = misshapen or naming
        else:
            found = naming
            break
    orders = (list(layers), sorted(layers, key=natural))
    chains = [_chain(layers, order) for order in (orders if in_order else orders[::-1])]
    if found is None:
        found = _by_order(layers, chains, blocks)
    normalised = [match[1] for name in tensors if (match := _NORMALISATION.match(name))]
    if _among(normalised, found.convolutions if found else max(chains, key=len)):
        raise InputError(f"{path} has batch normalisation, as vgg16_bn has; give a VGG16 without")
    if found is not None:
        if any(map(_VGG19.fullmatch, layers)):
            raise InputError(f"{path} has more convolutions than a VGG16 (as a VGG19 has); give a VGG16")
        return found
    longest = max(map(len, chains))
    if longest in OTHERS and longest != sum(map(len, blocks)):
        more = "more" if longest > sum(map(len, blocks)) else "fewer"
        raise InputError(f"{path} has {more} convolutions than a VGG16 (as a {OTHERS[longest]} has); give a VGG16")
    if misshapen is not None:
        return misshapen  # whoever reads it says which one
    if missing:
        raise InputError(f"{path} is no VGG16: {missing}")
    shown = ", ".join(sorted(layers)[:4]) + (", …" if len(layers) > 4 else "")
    raise InputError(f"{path} is no VGG16: none of its layers has such a name ({shown or 'it has no layers'})")


def _named(layers: Layers, blocks: Blocks) -> Iterator[Naming]:
    """The namings of which the first layer is there, below whatever prefix."""
    for whose, convolutions, dense in _namings(blocks):
        first = re.compile(rf"((?:.*[./_])?){re.escape(convolutions[0])}((?:_\d+)?)")
        for match in filter(None, map(first.fullmatch, layers)):
            prefix, suffix = match.groups()
            there = {
                ours: [name for option in options if (name := f"{prefix}{option}{suffix}") in layers]
                for ours, options in dense.items()
            }
            timm = any("pre_logits" in name for name in there["fc6"])
            yield Naming("timm" if timm else whose, [f"{prefix}{name}{suffix}" for name in convolutions], there)


def _namings(blocks: Blocks) -> Iterator[tuple[str, list[str], dict[str, tuple[str, ...]]]]:
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


def _by_order(layers: Layers, chains: list[list[str]], blocks: Blocks) -> Naming | None:
    """The first of the chains that is a VGG16's, or begins with one."""
    count = sum(map(len, blocks))
    for chain in chains:
        convolutions = chain[:count]
        if len(convolutions) == count and _fit(layers, convolutions, blocks):
            if convolutions[0].startswith("conv2d") or "block1_conv1" in convolutions[0]:
                whose = "Keras"
            else:
                whose = "Caffe" if convolutions[0].endswith("conv1_1") else "torchvision"
            return Naming(whose, convolutions, {})
    return None


def _chain(layers: Layers, order: list[str]) -> list[str]:
    """The longest row of 3×3 convolutions from three channels on, each taking what the one before gives."""
    kernels = [(name, widths) for name in order if (widths := kernel_widths(layers[name]))]
    longest: list[str] = []
    for start in [place for place, (_, (C, _)) in enumerate(kernels) if C == 3]:
        row = kernels[start : start + 1]
        for (_, before), after in pairwise(kernels[start:]):
            if after[1][0] != before[1]:
                break
            row.append(after)
        longest = max(longest, [name for name, _ in row], key=len)
    return longest


def kernel_widths(layer: dict[str, tuple[str, Stored]]) -> tuple[int, int] | None:
    """(C, OC) of a 3×3 kernel, (OC, C, 3, 3) or (3, 3, C, OC); None of anything else."""
    shape = layer["weight"][1].shape if "weight" in layer else ()
    if len(shape) != 4:
        return None
    if shape[2:] == (3, 3):
        return shape[1], shape[0]
    return (shape[2], shape[3]) if shape[:2] == (3, 3) else None


def _fit(layers: Layers, convolutions: list[str], blocks: Blocks) -> bool:
    C = 3
    for name, OC in zip(convolutions, [OC for widths in blocks for OC in widths], strict=True):
        bias = layers[name].get("bias")
        if kernel_widths(layers[name]) != (C, OC) or bias is None or bias[1].shape != (OC,):
            return False
        C = OC
    return True


def _among(normalised: list[str], convolutions: list[str]) -> bool:
    """Whether the convolutions are normalised, and not only what somebody put on top of them."""
    if not normalised or len(convolutions) < min(OTHERS):
        return False
    first, last = natural(convolutions[0]), natural(convolutions[-1])
    return len(normalised) >= len(convolutions) or any(first < natural(name) < last for name in normalised)


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts conv2d_2 before conv2d_10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]
