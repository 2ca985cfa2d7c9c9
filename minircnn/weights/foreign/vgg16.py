"""ImageNet's VGG16 from anybody's file: its layers found by name, its arrays put in this project's order.

What files differ in, and how it is told here:

    names      `features.0`, `conv1_1`, `block1_conv1`, … below any prefix, or their order: `vgg16_names.py`
    layout     kernels (OC, C, KH, KW) or (KH, KW, C, OC), by the shape of the first. Dense layers are (OUT, IN) or
               (IN, OUT), which the shape says too, but for the square fc7: it goes with the kernels
    flatten    fc6's inputs run C, H, W where channels come first, H, W, C where they come last (`layers/linear.py`);
               an ONNX graph says it itself
    top        fc6, fc7 and fc8 by their names, or their shapes. A top of somebody's own is left out
    pixels     the user's word, the values of conv1_1, or the file's own word: `pixels.py`
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from minircnn.base.errors import InputError
from minircnn.models import VGG, Preprocessing
from minircnn.weights.foreign.formats import Contents, read_contents
from minircnn.weights.foreign.pixels import Pixels, chosen_pixels, known_pixels, usual_pixels
from minircnn.weights.foreign.rpn import rpn_sources
from minircnn.weights.foreign.source import POOLED, Source
from minircnn.weights.foreign.stored import Stored
from minircnn.weights.foreign.vgg16_names import Layers, Naming, find_naming, split_names

FLOATS = ("float16", "float32", "float64", "bfloat16")
IN_ORDER = ("PyTorch", "Caffe", "ONNX", "NumPy")  # formats whose writers keep the network's order of layers
CHANNELS = "{channel_order}, less {mean}, divided by {scale}"


@dataclass(frozen=True)
class Pretrained:
    """What a file holds of a VGG16.

    Attributes
    ----------
    contents : the file
    origin : whose weights they are, in words
    sources : parameter's name here (conv1_1.weight … fc8.bias, bbox_pred.bias) → where it is
    preprocessing : of the images that the weights expect
    notes : what the user should know
    guessed : whether nothing but the names told the pixels
    """

    contents: Contents
    origin: str
    sources: dict[str, Source]
    preprocessing: Preprocessing
    notes: list[str]
    guessed: bool = False

    @property
    def layers(self) -> set[str]:
        """Names of the layers that the file has something of."""
        return {name.split(".")[0] for name in self.sources}

    def has(self, layer: str) -> bool:
        """Whether the file has fc6, fc7, fc8, cls_score, bbox_pred, or a layer of the region proposal network."""
        return f"{layer}.bias" in self.sources


def read_vgg16(
    path: str | Path, architecture: VGG, contents: Contents | None = None, pixels: str | None = None
) -> Pretrained:
    """Find a VGG16's layers in a file. Of the values only conv1_1's are read, and the first of each dense layer's.

    pixels : what the weights expect, one of `pixels.CHOICES`; known or guessed without it

    Raises
    ------
    InputError : the file is of no known format, damaged, or of another network
    """
    contents = contents or read_contents(path)
    path = contents.path
    layers = split_names(contents.tensors)
    naming = find_naming(contents.tensors, layers, architecture.blocks, contents.format in IN_ORDER, path)
    channels_first = _shape(layers, naming.convolutions[0], "weight")[-2:] == (3, 3)
    sources = _convolutions(layers, naming.convolutions, architecture, channels_first, path)
    flatten = contents.flatten or ("CHW" if channels_first else "HWC")
    top, names = _top(layers, naming, architecture, (channels_first, flatten))
    proposing, more_names = rpn_sources(layers, architecture.channels, channels_first, path)
    notes = list(contents.notes)
    empty = [layer for layer in ("fc6", "fc7", "fc8") if (weight := top.get(f"{layer}.weight")) and weight.empty]
    for layer in empty:
        notes.append(f"{path} has room for {layer} but no numbers in it")
        top = {name: source for name, source in top.items() if not name.startswith(f"{layer}.")}
    used = {name for each in (*naming.convolutions, *names, *more_names) for name, _ in layers[each].values()}
    left = [(name, stored.shape) for name, stored in contents.tensors.items() if name not in used and stored.size > 1]
    if left:
        shown = ", ".join(f"{name} {shape}" for name, shape in left[:3])
        why = "" if any(name.startswith("fc6") for name in top) else "; its convolutions are used"
        notes.append(f"{path}: {shown}{', …' if len(left) > 3 else ''} left out{why}")
    sources |= top | proposing
    expected, origin, guessed, words = _pixels(contents, sources, naming.whose, channels_first, pixels)
    if words:
        notes.append(f"{path} is taken to expect {words}")
    return Pretrained(contents, origin, sources, replace(architecture.preprocessing, **expected), notes, guessed)


def _pixels(
    contents: Contents, sources: dict[str, Source], whose: str, channels_first: bool, wanted: str | None
) -> tuple[Pixels, str, bool, str]:
    """What the weights expect, whose they are, whether that is a guess, and what to say of it."""
    known = known_pixels(sources["conv1_1.weight"].array(), contents.format, contents.path)
    told = "an ONNX graph" if contents.format == "ONNX" else f"a file with the names of {whose}"
    origin = contents.origin or (known[1] if known else f"unknown, from {told}")
    if wanted is not None:
        pixels, words = chosen_pixels(wanted)
        differs = known is not None and any(known[0][name] != pixels[name] for name in ("channel_order", "scale"))
        return pixels, origin, False, f"{words}, as --pixels says" + (f", though they are {origin}" if differs else "")
    if contents.pixels is not None and not (contents.guessed and known):
        again = f"{CHANNELS.format(**contents.pixels)}: guessed when it was converted; --pixels corrects it"
        return contents.pixels, origin, contents.guessed, again if contents.guessed else ""
    if known is not None:
        return known[0], known[1], False, ""
    pixels, words = usual_pixels(whose, contents.format, channels_first)
    return pixels, origin, True, f"{words} (its first layer is none that is known; --pixels corrects a wrong guess)"


def _convolutions(
    layers: Layers, names: list[str], architecture: VGG, channels_first: bool, path: Path
) -> dict[str, Source]:
    sources = {}
    for (layer, C, OC, _), name in zip(architecture.convolutions, names, strict=True):
        shape = (OC, C, 3, 3) if channels_first else (3, 3, C, OC)
        weight = _array(layers, name, "weight", shape, path)
        sources[f"{layer}.weight"] = Source(*weight, (3, 3, C, OC), "OIHW" if channels_first else "ours")
        sources[f"{layer}.bias"] = Source(*_array(layers, name, "bias", (OC,), path), (OC,), "ours")
    return sources


def _top(
    layers: Layers, naming: Naming, architecture: VGG, lies: tuple[bool, str]
) -> tuple[dict[str, Source], list[str]]:
    """fc6, fc7 and what reads fc7, as far as they are VGG16's own; and their layers' names in the file.

    By their names, or where those are nobody's by their shape, if one layer alone has it. A layer that reads one of
    somebody's own is left out with it.
    """
    sources: dict[str, Source] = {}
    used: list[str] = []

    def take(layer: str, names: list[str]) -> bool:
        for name in names:
            if found := _dense(layer, name, layers, architecture, lies):
                sources.update(found)
                used.append(name)
                return True
        return False

    def alone(layer: str) -> list[str]:
        """The one layer left that could be it; none where there are more."""
        fitting = [name for name in layers if name not in used and _dense(layer, name, layers, architecture, lies)]
        return fitting if len(fitting) == 1 else []

    for layer in ("fc6", "fc7"):
        first, second = (naming.dense.get(f"{layer}.{half}", []) for half in ("first", "second"))
        if first and second:
            whole = take(f"{layer}.first", first) and take(f"{layer}.second", second)
        else:
            whole = take(layer, naming.dense.get(layer, [])) or take(layer, alone(layer))
        if not whole:
            return sources, used
    outputs = [layer for layer in ("fc8", "cls_score", "bbox_pred") if take(layer, naming.dense.get(layer, []))]
    if not outputs:
        take("fc8", alone("fc8"))
    return sources, used


def _dense(
    layer: str, name: str, layers: Layers, architecture: VGG, lies: tuple[bool, str]
) -> dict[str, Source] | None:
    """fc6, fc7, fc8 or an output layer, or None where its arrays are none of such a layer.

    `fc6.first` and `.second` are what truncated SVD made of it.
    """
    shape, outputs_of = _shape(layers, name, "weight"), math.prod(_shape(layers, name, "bias"))
    (hidden6, hidden7), base = architecture.hidden, layer.split(".")[0]
    inputs = {"fc6": POOLED**2 * architecture.channels, "fc7": hidden6}.get(base, hidden7)
    outputs = {"fc6": hidden6, "fc7": hidden7}.get(base) or outputs_of
    flatten = lies[1]
    if layer.endswith(".first"):  # (rank, inputs), as Caffe has it
        outputs = shape[0] if shape else 0
    if layer.endswith(".second"):  # (outputs, rank)
        inputs = shape[-1] if shape else 0
    sees_map = base == "fc6" and not layer.endswith(".second")
    outputs_first = shape[:1] == (outputs,) if inputs != outputs else lies[0]
    if len(shape) == 4:  # written as a convolution over the whole map
        cells, channels = (POOLED, architecture.channels) if sees_map else (1, inputs)
        there: tuple[int, ...] = (
            (outputs, channels, cells, cells) if outputs_first else (cells, cells, channels, outputs)
        )
        flatten = "CHW" if outputs_first else "HWC"
    else:
        there = (outputs, inputs) if outputs_first else (inputs, outputs)
    orders = ("OCHW", "CHWO") if sees_map and flatten == "CHW" else ("OI", "ours")
    parts = {"weight": there} if layer.endswith(".first") else {"weight": there, "bias": (outputs,)}
    for part, expected in parts.items():
        stored = layers[name].get(part, ("", None))[1]
        if stored is None or stored.shape != expected or stored.type_name not in FLOATS or not stored.size:
            return None
    weight = Source(*layers[name]["weight"], (inputs, outputs), orders[not outputs_first])
    found = {layer if "." in layer else f"{layer}.weight": weight}
    if "bias" in parts:
        found[f"{base}.bias"] = Source(*layers[name]["bias"], (outputs,), "ours")
    return found


def _shape(layers: Layers, layer: str, what: str) -> tuple[int, ...]:
    """In the file; () of what is not there."""
    return layers[layer][what][1].shape if what in layers[layer] else ()


def _array(layers: Layers, layer: str, what: str, shape: tuple[int, ...], path: Path) -> tuple[str, Stored]:
    name, stored = layers[layer].get(what, (f"{layer}'s {what}", None))
    if stored is None or stored.shape != shape:
        found = "is missing" if stored is None else f"has shape {stored.shape}"
        raise InputError(f"{path} is no VGG16: {name} should be of {shape}, and {found}")
    if stored.type_name not in FLOATS:
        raise InputError(f"{path}: {name} holds {stored.type_name}; take the file with float32 weights")
    return name, stored
