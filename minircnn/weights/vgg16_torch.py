"""ImageNet's VGG16 as torchvision and timm name it: `features.N` and so on to conv1_1 … fc7, in this project's layout.

torchvision counts all layers of the backbone, ReLUs and pools too. Its kernels are (OC, C, KH, KW); its fc6 flattens
channels first, so its rows here take another order (`layers/linear.py`). Files that were converted from Caffe's weights
have the same names but expect other pixels: the two that are common are told by their SHA-256, which their names carry.
timm calls fc6 and fc7 `pre_logits.fc1` and `.fc2` and keeps them as convolutions, which flatten to the same.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from minircnn.errors import InputError
from minircnn.models import VGG, Preprocessing
from minircnn.weights.torch_file import is_torch_file, read_torch_file

TORCHVISION, CAFFE = "397923af", "00b39a1b"  # SHA-256 begins so: vgg16-397923af.pth, vgg16-00b39a1b.pth
MEAN, SCALE = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # torchvision's, of pixels from 0 to 255


def holds_vgg16(path: Path) -> bool:
    """Whether `read_vgg16` is the one to ask: a `.pth` file, or a safetensors file with these names."""
    if is_torch_file(path):
        return True
    try:
        with safe_open(path, framework="numpy") as file:
            return "features.0.weight" in file.keys()  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError, TypeError):
        return False  # whoever reads model files says what is wrong


def read_vgg16(path: str | Path, architecture: VGG) -> tuple[dict[str, np.ndarray], Preprocessing, list[str]]:
    """Parameters by their names here, the preprocessing that they expect, and what the user should know.

    fc6 and fc7 are among the parameters where the file has them.

    Raises
    ------
    InputError : not a file of tensors, or of another network
    """
    path = Path(path)
    tensors = read_torch_file(path) if is_torch_file(path) else load_file(path)
    tensors = {name.removeprefix("module."): array for name, array in tensors.items()}
    parameters = _convolutions(tensors, architecture, path) | _hidden_layers(tensors, architecture, path)
    notes = [] if "fc6.weight" in parameters else [f"{path} has no classifier: fc6 and fc7 begin with random weights"]
    for name, array in parameters.items():
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds values that are not finite; take another copy")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest.startswith(CAFFE):
        return parameters, architecture.preprocessing, notes
    if not digest.startswith(TORCHVISION):
        notes.append(f"{path} is taken to expect torchvision's pixels: RGB, normalised")
    return parameters, replace(architecture.preprocessing, channel_order="RGB", mean=MEAN, scale=SCALE), notes


def _convolutions(tensors: dict[str, np.ndarray], architecture: VGG, path: Path) -> dict[str, np.ndarray]:
    parameters, index, C = {}, 0, 3
    for block, widths in enumerate(architecture.blocks, start=1):
        for number, OC in enumerate(widths, start=1):
            weight = _tensor(tensors, f"features.{index}.weight", (OC, C, 3, 3), path)
            parameters[f"conv{block}_{number}.weight"] = weight.transpose(2, 3, 1, 0)
            parameters[f"conv{block}_{number}.bias"] = _tensor(tensors, f"features.{index}.bias", (OC,), path)
            index, C = index + 2, OC  # a ReLU follows
        index += 1  # and a pool
    return parameters


def _hidden_layers(tensors: dict[str, np.ndarray], architecture: VGG, path: Path) -> dict[str, np.ndarray]:
    C, (hidden6, hidden7) = architecture.channels, architecture.hidden
    if any(name.startswith("classifier.") for name in tensors):
        names, shapes = ("classifier.0", "classifier.3"), ((hidden6, C * 49), (hidden7, hidden6))
    elif any(name.startswith("pre_logits.") for name in tensors):  # timm's
        names, shapes = ("pre_logits.fc1", "pre_logits.fc2"), ((hidden6, C, 7, 7), (hidden7, hidden6, 1, 1))
    else:
        return {}
    fc6, fc7 = (_tensor(tensors, f"{name}.weight", shape, path) for name, shape in zip(names, shapes, strict=True))
    return {
        "fc6.weight": fc6.reshape(hidden6, C, 7, 7).transpose(2, 3, 1, 0).reshape(49 * C, hidden6),
        "fc6.bias": _tensor(tensors, f"{names[0]}.bias", (hidden6,), path),
        "fc7.weight": fc7.reshape(hidden7, hidden6).T,
        "fc7.bias": _tensor(tensors, f"{names[1]}.bias", (hidden7,), path),
    }


def _tensor(tensors: dict[str, np.ndarray], name: str, shape: tuple[int, ...], path: Path) -> np.ndarray:
    found = tensors.get(name)
    if found is None or found.shape != shape:
        what = "is missing" if found is None else f"has shape {found.shape}"
        raise InputError(f"{path} is no VGG16 as torchvision or timm have it: {name} should be of {shape}, and {what}")
    return found
