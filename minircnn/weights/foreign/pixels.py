"""Which pixels somebody's VGG16 expects: known by the values of its first layer, or guessed from where it is from.

Weights keep their values when a file is converted, renamed or saved again; so the first filter of conv1_1 tells whose
they are, and the place where its numbers stand tells the order of the channels. They are still told apart when they
were rounded to float16 or bfloat16, and when somebody went on training them.
"""

from pathlib import Path
from typing import Any

import numpy as np

from minircnn.base.errors import InputError

Pixels = dict[str, Any]  # fields of Preprocessing

CAFFE: Pixels = {"channel_order": "BGR", "mean": (102.9801, 115.9465, 122.7717), "scale": (1.0, 1.0, 1.0)}
CAFFE_RGB: Pixels = {"channel_order": "RGB", "mean": (123.68, 116.779, 103.939), "scale": (1.0, 1.0, 1.0)}
KERAS: Pixels = {"channel_order": "BGR", "mean": (103.939, 116.779, 123.68), "scale": (1.0, 1.0, 1.0)}
TORCHVISION: Pixels = {
    "channel_order": "RGB",
    "mean": (123.675, 116.28, 103.53),  # of pixels from 0 to 255
    "scale": (58.395, 57.12, 57.375),
}
TORCHVISION_BGR: Pixels = {"channel_order": "BGR", "mean": (103.53, 116.28, 123.675), "scale": (57.375, 57.12, 58.395)}

#: What `--pixels` may be: name → pixels, and in words.
CHOICES: dict[str, tuple[Pixels, str]] = {
    "caffe": (CAFFE, "BGR less Fast R-CNN's mean"),
    "caffe-rgb": (CAFFE_RGB, "RGB less the mean"),
    "keras": (KERAS, "BGR less Keras' mean"),
    "torchvision": (TORCHVISION, "RGB, normalised"),
    "torchvision-bgr": (TORCHVISION_BGR, "BGR, normalised"),
    "unit": ({"channel_order": "RGB", "mean": (0.0,) * 3, "scale": (255.0,) * 3}, "RGB from 0 to 1"),
    "signed": ({"channel_order": "RGB", "mean": (127.5,) * 3, "scale": (127.5,) * 3}, "RGB from -1 to 1"),
    "raw": ({"channel_order": "RGB", "mean": (0.0,) * 3, "scale": (1.0,) * 3}, "RGB from 0 to 255"),
}

# The first filter of conv1_1 as its authors have it, (C, KH, KW): the VGG authors' first channel is blue (Simonyan &
# Zisserman, CC BY 4.0), torchvision's red, as it prints.
CAFFE_FILTER = np.array(
    [0.42947057, 0.373467, -0.061360113, 0.27476987, 0.038680777, -0.36722335, -0.05746817, -0.26224968, -0.35009676,
     0.55037946, 0.44007453, -0.081387036, 0.34573907, 0.040632207, -0.4535013, -0.058634914, -0.33066967, -0.4850302,
     0.4800154, 0.4085474, -0.06514555, 0.31047726, 0.050202366, -0.40338343, -0.050871685, -0.2852275, -0.41851634]
).reshape(3, 3, 3)  # fmt: skip
TORCHVISION_FILTER = np.array(
    [-0.5537, 0.1427, 0.5290, -0.5831, 0.3566, 0.7657, -0.6902, -0.0480, 0.4841,
     0.1755, 0.0099, -0.0814, 0.0441, -0.0703, -0.2604, 0.1324, -0.1728, -0.1323,
     0.3130, -0.1659, -0.4275, 0.4752, -0.0827, -0.4870, 0.6320, 0.0193, -0.2775]
).reshape(3, 3, 3)  # fmt: skip
ROUNDED = 0.004  # of a filter's length: bfloat16 moves it by 0.0012
TRAINED_ON = 0.04  # turning Caffe's channels round, which are nearly alike, moves it by 0.09


def known_pixels(kernel: np.ndarray, file_format: str, path: Path) -> tuple[Pixels, str] | None:
    """What weights expect that are known by conv1_1's kernel (3, 3, 3, OC), and whose they are; None for others.

    Raises
    ------
    InputError : they are Caffe's, turned as Theano wants them
    """
    own = kernel[..., 0].transpose(2, 0, 1).astype(np.float64)  # (C, KH, KW) of the first filter
    # fmt: off
    nearest, pixels, whose = min((
        (distance(own, CAFFE_FILTER), KERAS if file_format == "Keras" else CAFFE, "the VGG authors' (Caffe)"),
        (distance(own, CAFFE_FILTER[::-1]), CAFFE_RGB, "the VGG authors' (Caffe), channels turned to RGB"),
        (distance(own, CAFFE_FILTER[:, ::-1, ::-1]), None, ""),
        (distance(own, CAFFE_FILTER[::-1, ::-1, ::-1]), None, ""),
        (distance(own, TORCHVISION_FILTER), TORCHVISION, "torchvision's"),
        (distance(own, TORCHVISION_FILTER[::-1]), TORCHVISION_BGR, "torchvision's, channels turned to BGR"),
    ), key=lambda each: each[0])
    # fmt: on
    if nearest > TRAINED_ON:
        return None
    if pixels is None:
        raise InputError(f"{path} holds kernels for Theano, turned by 180°; take the file whose name says tf_kernels")
    return pixels, whose + (", trained on" if nearest > ROUNDED else "")


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Of two filters, as a share of the other's length."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def usual_pixels(whose: str, file_format: str, channels_first: bool) -> tuple[Pixels, str]:
    """What weights of no known values are taken to expect, by their layers' names and the file's kind; and in words."""
    if whose in ("torchvision", "timm") or file_format == "ONNX":
        return TORCHVISION, "torchvision's pixels: RGB, normalised"
    if whose == "Keras":
        return KERAS, "Keras' pixels: BGR less the mean"
    if file_format == "NumPy" and not channels_first:
        return CAFFE_RGB, "RGB less the mean"
    return CAFFE, "Caffe's pixels: BGR less the mean"


def chosen_pixels(name: str) -> tuple[Pixels, str]:
    """The pixels of `--pixels NAME`, and in words.

    Raises
    ------
    InputError : there are none of that name
    """
    if name not in CHOICES:
        raise InputError(f"--pixels should be one of {', '.join(CHOICES)}, not {name!r}")
    return CHOICES[name]
